/* plans.c: the cycles that `emit --as plan` says a step takes, beside those that it takes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

/* The number in "NAME: f32, 357 operations, about 4890 cycles a call". */
static double promised(const char *plan, const char *name) {
  const char *at = plan, *about;
  size_t n = strlen(name);
  while ((at = strstr(at, name)) && (at[-1] != '\n' || at[n] != ':')) at += n;
  about = at ? strstr(at, "about ") : NULL;
  return about ? strtod(about + 6, NULL) : NAN;
}

static char *plan_of(TwBenchProgram *p) {
  char *text = NULL;
  size_t bytes;
  FILE *f = open_memstream(&text, &bytes);
  for (uint32_t k = 0; f && k < tw_n_forms; k++)
    if (strcmp(tw_forms[k].name, "plan") == 0) tw_forms[k].dump(&p->build, f);
  if (!f || fclose(f) != 0) abort();
  return text;
}

/* Steps that the optimizer of a stage calls once an epoch with what tw_bench_step_new binds. */
static bool is_plain(const TwRtStage *s) {
  if (!s->step.entry) return false;
  for (uint32_t k = 0; k < s->step.n_out; k++)
    if (s->step.out[k].role != TW_RT_FLAT && s->step.out[k].role != TW_RT_STATE && s->step.out[k].role != TW_RT_LOSS &&
        s->step.out[k].role != TW_RT_NORM)
      return false;
  return true;
}

/* Of one run of the peak, on a core that starts two multiply-adds a cycle. */
static double peak_cycles(const TwHandKernels *k) { return tw_bench_peak_flop(k) / (2 * 2 * k->lanes); }

typedef struct Planned {
  const char *file;
  TwDefine define; /* name NULL: none */
} Planned;

/* Cycles of the plan and of the clock: multiply-adds are run in the same rounds, to know how fast that is now. */
static void measure_stage(TwBench *b, const Planned *what, TwBenchProgram *p, const char *plan, uint32_t stage,
                          double *worst) {
  const TwRtStage *of = &p->build.lowered->rt->stages[stage];
  char fn[128], row[256];
  snprintf(fn, sizeof fn, "%s.step", of->name);
  TwBenchStep *s = tw_bench_step_new(p, stage, 0);
  TwBenchCase c[2] = {{.name = fn, .run = tw_bench_run_step, .context = s},
                      {.name = "peak", .run = tw_bench_run_peak, .context = (void *)(uintptr_t)b->hand}};
  tw_bench_rounds(c, 2, b->quick ? 9 : 21, 1e-3);
  double took = c[0].median * (peak_cycles(b->hand) / c[1].median), said = promised(plan, fn), ratio = took / said;
  snprintf(row, sizeof row, "%s%s%s%s%s: %s", what->file, what->define.name ? ", " : "",
           what->define.name ? what->define.name : "", what->define.name ? " = " : "",
           what->define.name ? what->define.value : "", of->name);
  tw_bench_row(b, row, took, "cycles", "%.2f of the %.0f that the plan says; %.4g us", ratio, said, 1e6 * c[0].median);
  *worst = fmax(*worst, fmax(ratio, 1 / ratio));
  tw_bench_step_free(s);
}

static void measure(TwBench *b, const Planned *what, double *worst) {
  TwBenchProgram *p = tw_bench_compile_file(b, what->file, &what->define, what->define.name ? 1 : 0);
  char *plan = plan_of(p);
  const TwRtProgram *rt = p->build.lowered->rt;
  for (uint32_t k = 0; k < rt->n_stages; k++)
    if (is_plain(&rt->stages[k])) measure_stage(b, what, p, plan, k, worst);
  free(plan);
  tw_bench_program_free(p);
}

void tw_bench_plans(TwBench *b) {
  static const Planned programs[] = {
      {"examples/cubic.tw", {0}},
      {"examples/cubic.tw", {"depth", "40"}},
      {"examples/difference.tw", {0}},
      {"examples/difference_dense.tw", {0}},
      {"examples/radial.tw", {0}},
      {"examples/radial_dense.tw", {0}},
      {"examples/derivative.tw", {0}},
      {"examples/softplus.tw", {0}},
      {"examples/mixture.tw", {0}},
      {"examples/measured.tw", {0}},
      {"examples/breakpoints.tw", {0}},
      {"examples/beyond.tw", {0}},
      {"examples/dense.tw", {0}},
      {"bench/programs/siren.tw", {0}},
      {"bench/programs/tanh.tw", {0}},
      {"bench/programs/dense.tw", {"width", "16"}},
      {"bench/programs/dense.tw", {"width", "64"}},
      {"bench/programs/dense.tw", {"width", "256"}},
  };
  double worst = 1;
  tw_bench_section(b, "What plans say and what steps take (`triwave emit --as plan`; one thread, CPU time)");
  if (!b->hand) {
    tw_bench_row(b, "steps", NAN, "cycles", "this machine has no AVX2 with FMA");
    return;
  }
  for (size_t k = 0; k < sizeof programs / sizeof *programs; k++) measure(b, &programs[k], &worst);
  tw_bench_accept(b, "4", "cycles of a step / what its plan says, or the inverse, worst of all", worst, false, 2);
}
