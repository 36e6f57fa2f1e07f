/* step.c: one update of a stage as one function: transforms, Set_Weights, loss, gradient, optimizer,
 * projection.
 *
 * requires: a moment with a stage.   provides: the stage's `step` and its primal, the loss.
 * Algorithm 1 of the paper: back-propagate through Set_Weights, update, set the weights again. */
#include <math.h>

#include "compiler/ad/ad.h"
#include "compiler/lower/internal.h"

/* The stage's loss as a function of (VALUES, FLAT, columns…). */
static const TwFn *loss_fn(TwFnBuild *b, TwLw *lw, const TwMoment *at, const char *name) {
  tw_lw_begin(b, lw, at, name);
  tw_result(b->scope.f, tw_lw_ref(&b->scope, at->stage->loss));
  const char *what = tw_arena_printf(lw->arena, "the loss of stage '%s'", at->stage->name);
  return tw_lw_within(lw, tw_fn_seal(b->scope.f), at->stage->loss->span, what);
}

/* g scaled so that its norm is at most `limit`. */
static TwRef clip_by_norm(TwFn *f, TwRef g, TwRef norm, double limit) {
  TwRef bound = tw_real(f, limit);
  TwRef over = tw_binary(f, TW_OP_lt, bound, norm);
  TwRef factor = tw_select(f, over, tw_binary(f, TW_OP_div, bound, norm), tw_real(f, 1));
  return tw_binary(f, TW_OP_mul, g, tw_fit(f, factor, tw_type(f, g)));
}

/* end + eps as a real of the run; an open end is not reached by rounding: `into` is the way inside. */
static double inside(double end, double eps, double into, bool open, TwPrecision precision) {
  double v = end + eps;
  if (precision == TW_F64) return open && v == end ? nextafter(end, into) : v;
  float r = (float)v, e = (float)end;
  return (double)(open && r == e ? nextafterf(e, (float)into) : r);
}

static TwRef bounded(TwFn *f, TwRef v, const TwParam *p, TwPrecision precision) {
  TwTy ty = tw_type(f, v);
  double up = (double)INFINITY;
  if (isfinite(p->lo))
    v = tw_binary(f, TW_OP_max, v, tw_const(f, ty, inside(p->lo, p->eps, up, p->lo_open, precision)));
  if (isfinite(p->hi))
    v = tw_binary(f, TW_OP_min, v, tw_const(f, ty, inside(p->hi, -p->eps, -up, p->hi_open, precision)));
  return v;
}

/* `by clip(eps)`: the updated coordinates, projected. */
static TwRef project(TwScope *s, const TwStage *stage, TwRef p) {
  bool any = false;
  for (uint32_t k = 0; k < stage->params.len; k++)
    any |= s->lw->p->params.at[stage->params.at[k]].transform == TW_TR_CLIP;
  if (!any) return p;
  TwRefs parts = {0};
  int64_t at = 0;
  for (uint32_t k = 0; k < stage->params.len; k++) {
    const TwParam *param = &s->lw->p->params.at[stage->params.at[k]];
    int64_t n = (int64_t)tw_lw_coordinates(s->lw, stage->params.at[k]), start_step[2] = {at, 1};
    s->f->at = param->domain_span.file ? param->domain_span : param->span;
    TwRef v = tw_slice(s->f, p, tw_ty(s->lw->m, TW_REAL, 1, &n), start_step);
    if (param->transform == TW_TR_CLIP) v = bounded(s->f, v, param, s->lw->unit->options.precision);
    if (n) tw_vec_push(s->lw->arena, &parts, v);
    at += n;
  }
  if (at < stage->n_flat) {
    int64_t n = stage->n_flat - at, start_step[2] = {at, 1};
    tw_vec_push(s->lw->arena, &parts, tw_slice(s->f, p, tw_ty(s->lw->m, TW_REAL, 1, &n), start_step));
  }
  return tw_lw_join(s, &parts);
}

/* With `recompute`, loops that keep less than this stay as they are: cutting them would cost time and gain nothing. */
enum { SMALL_STACK = 32 << 10 };

const TwFn *tw_stage_gradient(TwModule *m, const TwStage *st, const TwFn *loss, const bool *active) {
  TwAdLimits limits = tw_ad_limits_default();
  if (st->recompute > 0) limits = (TwAdLimits){.stack_bytes = SMALL_STACK, .levels = (uint32_t)st->recompute};
  return tw_grad_within(m, loss, active, limits);
}

static void bind_local(TwScope *s, const TwLocal *l, TwRef r) {
  if (!l) return;
  TwVal v = tw_lw_val(s->lw, 1);
  v.leaf[0] = r;
  tw_lw_bind(s, tw_key(TW_KEY_LOCAL, l->id), v);
}

/* lm and lbfgs try values: the values projected, and the loss there, with its gradient or as squares. */
static void trial(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  const TwStage *stage = at->stage;
  TwFnBuild loss, b;
  const TwFn *primal = loss_fn(&loss, lw, at, tw_arena_printf(lw->arena, "%s.loss", stage->name)), *f = primal;
  tw_lw_fits(lw, at, &loss, primal, out);
  bool gradient = stage->method == TW_ME_LBFGS;
  if (gradient) {
    bool *active = TW_NEW_N(lw->arena, bool, loss.in.len);
    active[1] = true;
    f = tw_stage_gradient(lw->m, stage, tw_opt_prepare(lw->m, primal, tw_opt_limits_default()), active);
  }
  tw_lw_begin(&b, lw, at, tw_arena_printf(lw->arena, "%s.step", stage->name));
  TwScope *s = &b.scope;
  TwRef *args = TW_NEW_N(lw->arena, TwRef, loss.in.len), value_and_grad[2];
  args[0] = b.values;
  args[1] = project(s, stage, b.flat);
  for (uint32_t k = 2; k < loss.in.len; k++) {
    const TwRtSlot *c = &loss.in.at[k];
    args[k] = tw_lw_operand(&b, (TwRtRole)c->role, c->index, c->data, tw_ty(lw->m, TW_REAL, 1, &lw->rows[c->data]));
  }
  tw_inline(s->f, f, args, value_and_grad);
  tw_lw_output(&b, TW_RT_FLAT, 0, 0, args[1]);
  tw_lw_output(&b, TW_RT_LOSS, 0, 0, value_and_grad[0]);
  if (gradient) {
    TwRef g = value_and_grad[1];
    s->f->at = stage->span;
    tw_lw_output(&b, TW_RT_GRADIENT, 0, 0, g);
    tw_lw_output(&b, TW_RT_NORM, 0, 0, tw_unary(s->f, TW_OP_sqrt, tw_sum_all(s->f, tw_binary(s->f, TW_OP_mul, g, g))));
  } else {
    tw_lw_squares(l, lw, at, &loss, primal, out);
  }
  tw_lw_end(l, &b, lw->unit->options.precision, primal, &out->step);
}

void tw_lw_step(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  const TwStage *stage = at->stage;
  if (stage->method != TW_ME_CODE) {
    trial(l, lw, at, out);
    return;
  }
  const TwUpdate *u = &stage->update;
  int64_t full_rows = 0;
  if (stage->batch) {
    full_rows = lw->rows[stage->batch_data];
    if (stage->batch < full_rows) lw->rows[stage->batch_data] = stage->batch;
  }
  TwFnBuild loss, b;
  const TwFn *primal = loss_fn(&loss, lw, at, tw_arena_printf(lw->arena, "%s.loss", stage->name));
  tw_lw_fits(lw, at, &loss, primal, out);
  bool *active = TW_NEW_N(lw->arena, bool, loss.in.len);
  active[1] = true;
  const TwFn *prepared = tw_opt_prepare(lw->m, primal, tw_opt_limits_default());
  const TwFn *grad = tw_stage_gradient(lw->m, stage, prepared, active);

  tw_lw_begin(&b, lw, at, tw_arena_printf(lw->arena, "%s.step", stage->name));
  TwScope *s = &b.scope;
  TwTy vec = tw_type(s->f, b.flat), scalar = tw_ty_scalar(lw->m, TW_REAL);
  for (uint32_t k = 0; k < u->states.len; k++)
    bind_local(s, u->states.at[k].local, tw_lw_operand(&b, TW_RT_STATE, k, 0, vec));
  bind_local(s, u->t, tw_lw_operand(&b, TW_RT_STEP, 0, 0, scalar));
  bind_local(s, u->epoch, tw_lw_operand(&b, TW_RT_EPOCH, 0, 0, scalar));
  bind_local(s, u->epochs, tw_lw_operand(&b, TW_RT_EPOCHS, 0, 0, scalar));
  TwRef *args = TW_NEW_N(lw->arena, TwRef, loss.in.len);
  args[0] = b.values;
  args[1] = b.flat;
  for (uint32_t k = 2; k < loss.in.len; k++) {
    const TwRtSlot *c = &loss.in.at[k];
    args[k] = tw_lw_operand(&b, (TwRtRole)c->role, c->index, c->data, tw_ty(lw->m, TW_REAL, 1, &lw->rows[c->data]));
  }
  TwRef value_and_grad[2];
  tw_inline(s->f, grad, args, value_and_grad);
  TwRef g = value_and_grad[1];
  s->f->at = stage->span;
  TwRef norm = tw_unary(s->f, TW_OP_sqrt, tw_sum_all(s->f, tw_binary(s->f, TW_OP_mul, g, g)));
  if (stage->clip_norm > 0) g = clip_by_norm(s->f, g, norm, stage->clip_norm);
  bind_local(s, u->p, b.flat);
  bind_local(s, u->g, g);
  for (uint32_t k = 0; k < u->stmts.len; k++) tw_lw_ts(s, u->stmts.at[k]);
  TwRef next = tw_fit(s->f, tw_lw_ref(s, u->next_p), vec);
  tw_lw_output(&b, TW_RT_FLAT, 0, 0, project(s, stage, next));
  for (uint32_t k = 0; k < u->next_state.len; k++)
    tw_lw_output(&b, TW_RT_STATE, k, 0, tw_fit(s->f, tw_lw_ref(s, u->next_state.at[k]), vec));
  tw_lw_output(&b, TW_RT_LOSS, 0, 0, value_and_grad[0]);
  tw_lw_output(&b, TW_RT_NORM, 0, 0, norm);
  tw_lw_end(l, &b, lw->unit->options.precision, primal, &out->step);
  if (stage->batch) lw->rows[stage->batch_data] = full_rows;
}

/* The rate at an epoch, for those who look at a run. */
void tw_lw_rate(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  const TwUpdate *u = &at->stage->update;
  if (!u->rate) return;
  TwFnBuild b;
  TwTy scalar = tw_ty_scalar(lw->m, TW_REAL);
  tw_lw_begin(&b, lw, at, tw_arena_printf(lw->arena, "%s.rate", at->stage->name));
  TwScope *s = &b.scope;
  bind_local(s, u->epoch, tw_lw_operand(&b, TW_RT_EPOCH, 0, 0, scalar));
  bind_local(s, u->epochs, tw_lw_operand(&b, TW_RT_EPOCHS, 0, 0, scalar));
  for (uint32_t k = 0; k < u->n_arguments; k++) tw_lw_ts(s, u->stmts.at[k]);
  tw_lw_output(&b, TW_RT_RATE, 0, 0, tw_lw_ref(s, u->rate));
  tw_lw_end(l, &b, lw->unit->options.precision, NULL, &out->rate);
}

/* (VALUES, FLAT, columns…) -> loss and gradient on full data, for those who train in their own way. */
void tw_lw_gradient(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  TwFnBuild loss;
  const TwFn *primal = loss_fn(&loss, lw, at, tw_arena_printf(lw->arena, "%s.gradient", at->stage->name));
  bool *active = TW_NEW_N(lw->arena, bool, loss.in.len);
  active[1] = true;
  const TwFn *grad = tw_stage_gradient(lw->m, at->stage, tw_opt_prepare(lw->m, primal, tw_opt_limits_default()),
                                       active);
  TwFnBuild b;
  tw_lw_begin(&b, lw, at, primal->name);
  TwRef *args = TW_NEW_N(lw->arena, TwRef, loss.in.len), value_and_grad[2];
  args[0] = b.values;
  args[1] = b.flat;
  for (uint32_t k = 2; k < loss.in.len; k++) {
    const TwRtSlot *c = &loss.in.at[k];
    args[k] = tw_lw_operand(&b, (TwRtRole)c->role, c->index, c->data, tw_ty(lw->m, TW_REAL, 1, &lw->rows[c->data]));
  }
  tw_inline(b.scope.f, grad, args, value_and_grad);
  tw_lw_output(&b, TW_RT_LOSS, 0, 0, value_and_grad[0]);
  tw_lw_output(&b, TW_RT_GRADIENT, 0, 0, value_and_grad[1]);
  tw_lw_end(l, &b, lw->unit->options.precision, primal, &out->gradient);
}
