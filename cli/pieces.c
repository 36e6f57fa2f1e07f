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

double *tw_cli_coefficients(const TwRtProgram *p, const TwRtStage *st, const TwRtPl *pl, const double *values) {
  void *v = tw_rt_reals(p->n_values, p->f64), *flat = tw_rt_reals(st->n_flat, p->f64);
  void *out = tw_rt_reals(pl->n_coeffs, p->f64), *work = tw_rt_reals(pl->coeffs.work_bytes / sizeof(float) + 16, false);
  double *c = malloc((pl->n_coeffs + 1) * sizeof *c);
  bool ok = v && flat && out && work && c;
  if (ok) {
    for (uint64_t i = 0; i < p->n_values; i++) tw_rt_put(v, i, values[i], p->f64);
    for (uint32_t k = 0; k < st->n_ranges; k++)
      for (uint64_t i = 0; i < st->ranges[k].n; i++)
        tw_rt_put(flat, st->ranges[k].to + i, values[st->ranges[k].at + i], p->f64);
    const void *in[2] = {v, flat};
    pl->coeffs.entry(&(TwRtCall){.in = in, .out = &out, .work = work});
    for (uint32_t i = 0; i < pl->n_coeffs; i++) c[i] = tw_rt_get(out, i, p->f64);
  }
  free(v);
  free(flat);
  free(out);
  free(work);
  if (ok) return c;
  free(c);
  return NULL;
}
