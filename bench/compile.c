/* compile.c: how compile time and memory grow with depth, width, samples and the length of a loop. Every
 * compilation is a process of its own, so that it is cold and its memory is its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

/* The most memory this process has had. Not getrusage: that also counts what the process was before exec. */
static double peak_mib(void) {
  FILE *f = fopen("/proc/self/status", "r");
  char line[256];
  double kib = 0;
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "VmHWM: %lf", &kib) == 1) break;
  if (f) fclose(f);
  return kib / 1024;
}

int tw_bench_compile_child(TwBench *b, int argc, char **argv) {
  TwDefine defines[8];
  uint32_t n = 0;
  for (int i = 1; i < argc && n < 8; i++) {
    char *equals = strchr(argv[i], '=');
    if (!equals) return 2;
    *equals = 0;
    defines[n++] = (TwDefine){argv[i], equals + 1};
  }
  char path[4096];
  const char *why = NULL;
  snprintf(path, sizeof path, "%s/bench/programs/%s.tw", b->root, argv[0]);
  TwUnit *u = tw_unit_new(&(TwOptions){.defines = defines, .n_defines = n, .precision = TW_F32});
  TwBuild build = {
      .unit = u, .file = tw_source_read(&u->sources, path, &why), .what = TW_LOWER_TRAIN | TW_LOWER_SELDOM};
  if (!build.file) return 2;
  double start = tw_bench_cpu();
  printf("{");
  for (int p = 0; p < TW_PHASE_COUNT; p++) {
    double at = tw_bench_cpu();
    if (!tw_build(&build, (TwPhase)p)) return 1;
    printf("\"%s\": %.6f, ", tw_phase_name((TwPhase)p), tw_bench_cpu() - at);
  }
  printf("\"total\": %.6f, \"peak_mib\": %.1f}\n", tw_bench_cpu() - start, peak_mib());
  tw_build_free(&build);
  tw_unit_free(u);
  return 0;
}

enum { DEPTH5, DEPTH10, DEPTH40, DEPTH1000, WIDTH64, WIDTH4096, FEW, MANY, LOOP, CASES, MAX_ROUNDS = 5 };
static const char *const arguments[CASES][4] = {
    [DEPTH5] = {"flagship", "depth=5"},   [DEPTH10] = {"flagship", "depth=10"},
    [DEPTH40] = {"flagship", "depth=40"}, [DEPTH1000] = {"flagship", "depth=1000"},
    [WIDTH64] = {"dense", "width=64"},    [WIDTH4096] = {"dense", "width=4096"},
    [FEW] = {"flagship", "samples=500"},  [MANY] = {"flagship", "samples=1000000"},
    [LOOP] = {"loop", "steps=1000000"},
};

/* All in turn, since ratios are compared. The last is held to a tenth, which one round does not tell from noise. */
static int rounds_of(const TwBench *b, int k) { return k == FEW || k == MANY || !b->quick ? MAX_ROUNDS : 1; }

static double limit_seconds(const TwBench *b, int k) { return b->quick && k != LOOP ? 5 : 20; }

static void compile_once(const TwBench *b, int k, cJSON **out) {
  const char *const *what = arguments[k];
  const char *argv[10] = {b->self, "--root", b->root, "--child-compile"};
  int n = 4;
  for (int i = 0; i < 4 && what[i]; i++) argv[n++] = what[i];
  TwBenchChild c;
  *out = tw_bench_child_json(argv, limit_seconds(b, k), &c);
}

static double median_of(cJSON *const *results, int rounds, const char *name) {
  double v[MAX_ROUNDS];
  for (int r = 0; r < rounds; r++) {
    v[r] = tw_bench_number(results[r], name);
    if (isnan(v[r])) return NAN;
  }
  return tw_bench_median(v, rounds);
}

static void report_phases(TwBench *b, int k, cJSON *const *results, int rounds) {
  const char *const *what = arguments[k];
  char name[96], phases[160] = "";
  snprintf(name, sizeof name, "%s.tw %s", what[0], what[1]);
  for (int p = 0; p < TW_PHASE_COUNT; p++) {
    size_t at = strlen(phases);
    snprintf(phases + at, sizeof phases - at, "%s %.1f, ", tw_phase_name((TwPhase)p),
             1e3 * median_of(results, rounds, tw_phase_name((TwPhase)p)));
  }
  double total = median_of(results, rounds, "total");
  if (isnan(total)) tw_bench_row(b, name, NAN, "ms", "failed, or not done in %.0f s", limit_seconds(b, k));
  else
    tw_bench_row(b, name, 1e3 * total, "ms", "%speak memory %.0f MiB", phases, median_of(results, rounds, "peak_mib"));
}

void tw_bench_compile_times(TwBench *b) {
  cJSON *results[CASES][MAX_ROUNDS] = {0};
  double total[CASES], slow[CASES] = {0};
  tw_bench_section(b, "Compilation, cold, from text to callable steps (CPU time)");
  for (int r = 0; r < MAX_ROUNDS; r++)
    for (int k = 0; k < CASES; k++) {
      if (r >= rounds_of(b, k)) continue;
      if (slow[k] > 0) { /* once is enough for what takes long */
        results[k][r] = cJSON_Duplicate(results[k][0], true);
        continue;
      }
      double start = tw_bench_wall();
      compile_once(b, k, &results[k][r]);
      if (tw_bench_wall() - start > 6) slow[k] = 1;
    }
  for (int k = 0; k < CASES; k++) {
    report_phases(b, k, results[k], rounds_of(b, k));
    total[k] = median_of(results[k], rounds_of(b, k), "total");
    if (isnan(total[k])) total[k] = INFINITY;
    for (int r = 0; r < MAX_ROUNDS; r++) cJSON_Delete(results[k][r]);
  }
  tw_bench_accept(b, "4.3", "compile time, depth 40 / depth 5", total[DEPTH40] / total[DEPTH5], false, 1.5);
  tw_bench_accept(b, "3.4", "compile time, depth 1000 / depth 10", total[DEPTH1000] / total[DEPTH10], false, 10);
  tw_bench_accept(b, "3.4", "compile time, width 4096 / width 64", total[WIDTH4096] / total[WIDTH64], false, 2);
  tw_bench_accept(b, "3.4", "compile time, 1,000,000 samples / 500", total[MANY] / total[FEW], false, 1.1);
  tw_bench_fact(b, "3.4", "a loop of 1,000,000 iterations in a constraint compiles", isfinite(total[LOOP]));
}
