/* point.c: the numbers of a program: its data, its start, and the values at which a stage is looked at. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/opt/opt.h"
#include "compiler/probe/internal.h"
#include "runtime/data.h"
#include "runtime/train.h"

const TwLoweredFn *tw_probe_fn(const TwProbe *p, const TwRtFn *slot) {
  for (uint32_t k = 0; k < p->lowered->fns.len; k++)
    if (p->lowered->fns.at[k].slot == slot) return &p->lowered->fns.at[k];
  return NULL;
}

static bool is_f64(const TwProbe *p) { return p->unit->options.precision == TW_F64; }

/* ---- data */

static bool fill_data(TwProbe *p, uint32_t d) {
  const TwRtData *data = &p->lowered->rt->datas[d];
  const TwLoweredFn *target = tw_probe_fn(p, &data->target);
  uint32_t n = data->n_columns + (target ? data->target.n_out : 0);
  uint64_t rows = (uint64_t)data->n_rows;
  double **columns = p->columns[d] = TW_NEW_N(&p->unit->arena, double *, n + 1);
  for (uint32_t c = 0; c < n; c++) columns[c] = TW_NEW_N(&p->unit->arena, double, rows);
  tw_rt_data_inputs(data, columns);
  if (target) {
    TwCall call = tw_call(&p->unit->arena, target->grad, TW_F64);
    for (uint32_t k = 0; k < data->target.n_in; k++) call.in[k] = columns[data->target.in[k].index];
    if (!tw_call_run(&call, NULL)) return false;
    for (uint32_t k = 0; k < data->target.n_out; k++)
      memcpy(columns[data->n_columns + k], call.out[k], rows * sizeof(double));
  }
  TwRtDatas judged = {0};
  if (!p->refused && !tw_rt_data_check(p->lowered->rt, data, columns, n, &judged)) {
    p->refused = judged.error ? tw_arena_printf(&p->unit->arena, "%s", judged.error) : "out of memory";
    p->refused_at = (TwSpan){data->place.file, data->place.start, data->place.end};
    free(judged.error);
  }
  for (uint32_t c = 0; c < n; c++)
    for (uint64_t r = 0; r < rows; r++) columns[c][r] = tw_rt_round(columns[c][r], is_f64(p));
  return true;
}

bool tw_probe_data(TwProbe *p) {
  uint32_t n = p->lowered->rt->n_datas;
  p->columns = TW_NEW_N(&p->unit->arena, double **, n + 1);
  for (uint32_t d = 0; d < n; d++)
    if (!fill_data(p, d)) return false;
  return true;
}

bool tw_probe_open(TwProbe *out, TwUnit *u, const TwProgram *p, const TwLowered *l, uint64_t seed) {
  *out = (TwProbe){.unit = u, .program = p, .lowered = l};
  if (!tw_probe_data(out)) return false;
  const TwLoweredFn *init = tw_probe_fn(out, &l->rt->init);
  TwCall call = tw_call(&u->arena, init->grad, TW_F64);
  int64_t number = (int64_t)seed;
  for (uint32_t k = 0; k < init->grad->params.len; k++)
    call.in[k] = l->rt->init.in[k].role == TW_RT_LOADED ? (const void *)l->rt->loaded : &number;
  if (!tw_call_run(&call, NULL)) return false;
  for (uint32_t k = 0; k < l->rt->init.n_out; k++) {
    double *v = tw_call_reals(&call, k);
    if (l->rt->init.out[k].role != TW_RT_VALUES)
      out->drawn = tw_arena_dup(&u->arena, v, l->rt->init.out[k].count * sizeof *v);
    for (uint64_t e = 0; e < l->rt->init.out[k].count; e++) v[e] = tw_rt_round(v[e], is_f64(out));
    if (l->rt->init.out[k].role == TW_RT_VALUES) out->values = v;
    else out->shown = v;
  }
  return true;
}

static bool told(const TwProbe *p, TwDiagId id, TwSpan at, const char *text) {
  tw_diag(&p->unit->diags, id, at, "%s", text ? text : "out of memory");
  return false;
}

/* Declared domains, which have a function of the rounded values: the first param that is outside, or -1. */
static int64_t outside_declared(const TwProbe *p) {
  const TwLoweredFn *f = tw_probe_fn(p, &p->lowered->rt->inside);
  if (!f) return -1;
  TwCall call = tw_call(&p->unit->arena, f->grad, TW_F64);
  for (uint32_t k = 0; k < f->grad->params.len; k++) call.in[k] = p->shown;
  return tw_call_run(&call, NULL) ? (int64_t)tw_call_reals(&call, 0)[0] : -1;
}

bool tw_probe_begins(const TwProbe *p, uint64_t seed) {
  const TwRtProgram *rt = p->lowered->rt;
  if (p->refused) return told(p, TW_E0609, p->refused_at, p->refused);
  TwRtBadStart bad = {0};
  bool outside = rt->n_params > 0 && tw_rt_start_outside(rt, p->drawn, &bad);
  if (!outside) {
    int64_t declared = outside_declared(p);
    outside = declared >= 0;
    if (outside) bad = (TwRtBadStart){.param = (uint32_t)declared};
  }
  if (!outside) return true;
  const TwRtPlace *at = &rt->params[bad.param].start_place;
  char *text = tw_rt_start_text(rt, &bad, seed);
  told(p, TW_E0802, (TwSpan){at->file, at->start, at->end}, text);
  free(text);
  return false;
}

/* ---- points */

TwPoint tw_point_of(const TwProbe *p, uint32_t stage, const double *values) {
  const TwRtStage *st = &p->lowered->rt->stages[stage];
  TwPoint at = {TW_NEW_N(&p->unit->arena, double, p->lowered->rt->n_values + 1),
                TW_NEW_N(&p->unit->arena, double, st->n_flat + 1)};
  memcpy(at.values, values, p->lowered->rt->n_values * sizeof *values);
  for (uint32_t k = 0; k < st->n_ranges; k++)
    for (uint64_t e = 0; e < st->ranges[k].n; e++) at.flat[st->ranges[k].to + e] = values[st->ranges[k].at + e];
  return at;
}

TwPoint tw_point_start(const TwProbe *p, uint32_t stage) {
  const TwRtProgram *rt = p->lowered->rt;
  double *values = tw_arena_dup(&p->unit->arena, p->values, rt->n_values * sizeof *values);
  for (uint32_t s = 0; s <= stage; s++)
    for (uint32_t k = 0; k < rt->stages[s].n_releases; k++) {
      const TwRtRange *r = &rt->stages[s].releases[k];
      for (uint64_t e = 0; e < r->n; e++) values[r->at + e] = p->shown[r->to + e];
    }
  return tw_point_of(p, stage, values);
}

/* A value of a param that is its own coordinate, moved but kept inside of the domain. */
static double move_inside(const TwParam *q, double x, double by) {
  double lo = q->lo + q->eps, hi = q->hi - q->eps;
  if (isfinite(lo) && isfinite(hi)) {
    double y = x + 0.1 * by * (hi - lo), margin = 0.01 * (hi - lo);
    return fmin(fmax(y, lo + margin), hi - margin);
  }
  if (isfinite(lo)) return lo + fmax(x - lo, 1e-3) * exp(0.3 * by);
  if (isfinite(hi)) return hi - fmax(hi - x, 1e-3) * exp(0.3 * by);
  return x + 0.1 * by * fmax(fabs(x), 0.3);
}

TwPoint tw_point_near(const TwProbe *p, uint32_t stage, const TwPoint *from, uint64_t seed, double size) {
  const TwStage *s = &p->program->stages.at[stage];
  const TwRtStage *st = &p->lowered->rt->stages[stage];
  TwPoint at = tw_point_of(p, stage, from->values);
  uint64_t rng = seed;
  for (uint32_t k = 0; k < st->n_ranges; k++)
    for (uint64_t e = 0; e < st->ranges[k].n; e++) {
      double *x = &at.flat[st->ranges[k].to + e], by = size * tw_mix_real(&rng);
      const TwParam *q = k < s->params.len ? &p->program->params.at[s->params.at[k]] : NULL;
      if (q && q->transform == TW_TR_CLIP) *x = move_inside(q, *x, by);
      else *x += 0.1 * by * fmax(fabs(*x), 0.3);
    }
  return at;
}

void tw_trained(const TwProbe *p, uint32_t stage, TwTrained *out) {
  const TwStage *s = &p->program->stages.at[stage];
  for (uint32_t k = 0; k < s->params.len + s->weights.len; k++) {
    bool is_param = k < s->params.len;
    uint32_t id = is_param ? s->params.at[k] : s->weights.at[k - s->params.len];
    const TwParam *q = is_param ? &p->program->params.at[id] : NULL;
    const TwWeights *w = is_param ? NULL : &p->program->weights.at[id];
    tw_leaves(p->unit, q ? tw_param_coord(q) : w->type, q ? q->name : w->name, &out->leaves);
    while (out->spans.len < out->leaves.len) tw_vec_push(&p->unit->arena, &out->spans, q ? q->span : w->span);
  }
}

/* ---- losses */

TwLossFn tw_loss_fn(const TwProbe *p, uint32_t stage, bool full) {
  const TwRtStage *st = &p->lowered->rt->stages[stage];
  const TwRtFn *slot = full ? &st->eval : &st->step;
  const TwLoweredFn *f = tw_probe_fn(p, slot);
  TwLossFn loss = {.slot = TW_NEW_N(&p->unit->arena, const TwRtSlot *, slot->n_in + 1)};
  for (uint32_t k = 0; k < slot->n_in; k++) {
    uint32_t role = slot->in[k].role;
    if (role == TW_RT_VALUES || role == TW_RT_FLAT || role == TW_RT_COLUMN) loss.slot[loss.n++] = &slot->in[k];
  }
  loss.fn = f->primal;
  if (!full) {
    loss.prepared = tw_opt_prepare(p->lowered->module, loss.fn, tw_opt_limits_default());
    return loss;
  }
  /* Of what eval computes only the loss. */
  TwFn *alone = tw_fn_new(p->lowered->module, "loss");
  TwRef *args = TW_NEW_N(&p->unit->arena, TwRef, loss.n + 1);
  TwRef *results = TW_NEW_N(&p->unit->arena, TwRef, f->primal->results.len);
  for (uint32_t k = 0; k < loss.n; k++) args[k] = tw_param(alone, tw_type(f->primal, f->primal->params.at[k]));
  tw_inline(alone, f->primal, args, results);
  tw_result(alone, results[0]);
  loss.fn = loss.prepared = tw_fn_seal(alone);
  return loss;
}

bool *tw_loss_active(const TwProbe *p, const TwLossFn *f) {
  bool *active = TW_NEW_N(&p->unit->arena, bool, f->n + 1);
  for (uint32_t k = 0; k < f->n; k++) active[k] = f->slot[k]->role == TW_RT_FLAT;
  return active;
}

/* As many rows as the operand has: all, or some from everywhere. */
static const double *rows_of(const TwProbe *p, const TwRtSlot *slot) {
  const double *all = p->columns[slot->data][slot->index];
  uint64_t rows = (uint64_t)p->lowered->rt->datas[slot->data].n_rows;
  if (slot->count >= rows) return all;
  double *some = TW_NEW_N(&p->unit->arena, double, slot->count);
  for (uint64_t r = 0; r < slot->count; r++) some[r] = all[r * rows / slot->count];
  return some;
}

void tw_loss_bind(const TwProbe *p, const TwLossFn *f, const TwPoint *at, TwCall *c) {
  for (uint32_t k = 0; k < f->n; k++) {
    const TwRtSlot *slot = f->slot[k];
    const double *x = slot->role == TW_RT_VALUES ? at->values : slot->role == TW_RT_FLAT ? at->flat : rows_of(p, slot);
    c->in[k] = x;
    if (c->precision == TW_F64) continue;
    float *narrow = TW_NEW_N(&p->unit->arena, float, slot->count + 1);
    for (uint64_t e = 0; e < slot->count; e++) narrow[e] = (float)x[e];
    c->in[k] = narrow;
  }
}
