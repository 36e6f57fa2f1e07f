/* main.c: bench [--quick] [--check] [--only SECTION] [--root DIR] [--triwave FILE] [--json FILE]: see
 * docs/performance.md. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static int usage(const char *wrong) {
  fprintf(stderr,
          "bench: unknown option '%s'\nbench [--quick] [--check] [--only SECTION] [--root DIR] [--triwave FILE] "
          "[--json FILE]\n",
          wrong);
  return 2;
}

int main(int argc, char **argv) {
  TwBench b = {.root = TW_BENCH_ROOT, .self = argv[0], .triwave = TW_BENCH_TRIWAVE, .hand = tw_hand_kernels(0)};
  static const struct Section {
    const char *name;
    void (*measure)(TwBench *b);
  } sections[] = {{"steps", tw_bench_steps},         {"plans", tw_bench_plans},   {"counting", tw_bench_counting},
                  {"ensembles", tw_bench_ensembles}, {"peers", tw_bench_peers},   {"compile", tw_bench_compile_times},
                  {"widths", tw_bench_widths},       {"rows", tw_bench_eval_rows}};
  const char *json = "bench.json", *only = NULL;
  bool check_only = false;
  for (int i = 1; i < argc; i++) {
    bool more = i + 1 < argc;
    if (strcmp(argv[i], "--quick") == 0) b.quick = true;
    else if (strcmp(argv[i], "--check") == 0) check_only = true;
    else if (more && strcmp(argv[i], "--root") == 0) b.root = argv[++i];
    else if (more && strcmp(argv[i], "--triwave") == 0) b.triwave = argv[++i];
    else if (more && strcmp(argv[i], "--only") == 0) only = argv[++i];
    else if (more && strcmp(argv[i], "--json") == 0) json = argv[++i];
    else if (more && strcmp(argv[i], "--child-compile") == 0)
      return tw_bench_compile_child(&b, argc - i - 1, argv + i + 1);
    else if (more && strcmp(argv[i], "--child-width") == 0) return tw_bench_width_child(&b, argv[i + 1]);
    else return usage(argv[i]);
  }
  if (check_only) return tw_bench_check(&b, true) ? 0 : 1;
  tw_bench_choose_blas();
  tw_bench_open(&b);
  tw_bench_section(&b, "Check: hand-written and compiled gradients");
  if (!tw_bench_check(&b, false)) return 1;
  tw_bench_row(&b, "gradients by hand are the compiled ones", 1, "", "to f32's rounding, at five sizes");
  for (size_t k = 0; k < sizeof sections / sizeof *sections; k++)
    if (!only || strcmp(only, sections[k].name) == 0) sections[k].measure(&b);
  tw_bench_print_acceptance(&b);
  return tw_bench_close(&b, json) ? 0 : 1;
}
