/* main.c [SEEDS]: the whole of a program that trains what is linked to it: an object file of
 * `triwave emit --as obj` and the runtime. Prints what `triwave run --json --seeds SEEDS` prints. */
#include <stdlib.h>

#include "runtime/report.h"

extern const TwRtProgram tw_program;

int main(int argc, char **argv) {
  uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
  uint64_t *seeds = calloc(n, sizeof *seeds);
  if (!seeds) return 70;
  for (uint32_t k = 0; k < n; k++) seeds[k] = k;
  TwRtOptions o = {.seeds = seeds, .n_seeds = n};
  TwRtResult *r = tw_rt_train(&tw_program, &o);
  TwRtReportVariant v = {
      .name = tw_program.variant, .program = &tw_program, .result = r, .over_best = tw_rt_over_best(&tw_program, r, 0)};
  TwRtReport report = {.program = tw_program.path, .f64 = tw_program.f64, .n_variants = 1, .variants = &v};
  tw_rt_report_json(stdout, &report);
  tw_rt_report_failures(stderr, &report, false);
  bool ok = tw_rt_report_ok(&report);
  tw_rt_result_free(&tw_program, r);
  free(seeds);
  return ok ? 0 : 1;
}
