/* pieces.c: the models of a trained program as straight lines of affine maps and switches. */
#include "cli/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/data.h"

int tw_cli_stage(const TwCli *c, const TwRtProgram *p) {
  if (!c->stage && p->n_stages) return (int)p->n_stages - 1;
  for (uint32_t k = 0; c->stage && k < p->n_stages; k++)
    if (strcmp(p->stages[k].name, c->stage) == 0) return (int)k;
  if (c->stage) fprintf(stderr, "triwave: the program has no stage '%s'\n", c->stage);
  else fprintf(stderr, "triwave: the program has no stage\n");
  return -1;
}

/* A function of VALUES and FLAT with one result of n reals. */
static double *call(const TwRtProgram *p, const TwRtStage *st, const TwRtFn *fn, uint64_t n, const double *values) {
  void *v = tw_rt_reals(p->n_values, p->f64), *flat = tw_rt_reals(st->n_flat, p->f64);
  void *out = tw_rt_reals(n, p->f64), *work = tw_rt_reals(fn->work_bytes / sizeof(float) + 16, false);
  double *result = malloc((n + 1) * sizeof *result);
  bool ok = v && flat && out && work && result;
  if (ok) {
    for (uint64_t i = 0; i < p->n_values; i++) tw_rt_put(v, i, values[i], p->f64);
    for (uint32_t k = 0; k < st->n_ranges; k++)
      for (uint64_t i = 0; i < st->ranges[k].n; i++)
        tw_rt_put(flat, st->ranges[k].to + i, values[st->ranges[k].at + i], p->f64);
    const void *in[2] = {v, flat};
    fn->entry(&(TwRtCall){.in = in, .out = &out, .work = work});
    for (uint64_t i = 0; i < n; i++) result[i] = tw_rt_get(out, i, p->f64);
  }
  free(v);
  free(flat);
  free(out);
  free(work);
  if (ok) return result;
  free(result);
  return NULL;
}

double *tw_cli_coefficients(const TwRtProgram *p, const TwRtStage *st, const TwRtPl *pl, const double *values) {
  return call(p, st, &pl->coeffs, pl->n_coeffs, values);
}

double *tw_cli_shown(const TwRtProgram *p, const TwRtStage *st, const double *values) {
  return call(p, st, &st->shown, p->n_shown, values);
}
