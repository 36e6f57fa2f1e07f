/* moment.c: functions of VALUES and FLAT: how params and weights are found at one moment of training.
 *
 * A trained param is read from FLAT, another from VALUES, through its transform; weights are read
 * where they are stored and computed by Set_Weights where they are not. */
#include <math.h>

#include "compiler/lower/internal.h"

/* A map of a declared domain: `t`, a tree over local l, where l is x. */
static TwVal mapped(TwScope *s, const TwTx *t, const TwLocal *l, TwRef x) {
  TwVal in = tw_lw_val(s->lw, 1);
  in.leaf[0] = x;
  tw_lw_bind(s, tw_key(TW_KEY_LOCAL, l->id), in);
  return tw_lw_tx(s, t);
}

/* The natural value of a coordinate (lang/REFERENCE.md, Stages). */
TwVal tw_lw_natural(TwScope *s, const TwParam *p, TwRef u) {
  TwFn *f = s->f;
  TwTy ty = tw_type(f, u);
  TwVal v = tw_lw_val(s->lw, 1);
  f->at = p->domain_span.file ? p->domain_span : p->span;
  switch (p->transform) {
    case TW_TR_NONE:
    case TW_TR_CLIP: v.leaf[0] = u; break;
    case TW_TR_LOGISTIC: {
      TwRef w = tw_binary(f, TW_OP_mul, tw_const(f, ty, p->hi - p->lo), tw_unary(f, TW_OP_logistic, u));
      v.leaf[0] = tw_binary(f, TW_OP_add, tw_const(f, ty, p->lo), w);
      break;
    }
    case TW_TR_EXP: {
      TwRef e = tw_unary(f, TW_OP_exp, u);
      v.leaf[0] = isfinite(p->lo) ? tw_binary(f, TW_OP_add, tw_const(f, ty, p->lo), e)
                                  : tw_binary(f, TW_OP_sub, tw_const(f, ty, p->hi), e);
      break;
    }
    case TW_TR_DOMAIN: return mapped(s, p->forward, p->u, u);
  }
  return v;
}

/* And back. */
TwRef tw_lw_coordinate(TwScope *s, const TwParam *p, TwRef v) {
  TwFn *f = s->f;
  TwTy ty = tw_type(f, v);
  switch (p->transform) {
    case TW_TR_NONE:
    case TW_TR_CLIP: return v;
    case TW_TR_LOGISTIC: {
      TwRef above = tw_binary(f, TW_OP_sub, v, tw_const(f, ty, p->lo));
      TwRef below = tw_binary(f, TW_OP_sub, tw_const(f, ty, p->hi), v);
      return tw_unary(f, TW_OP_log, tw_binary(f, TW_OP_div, above, below));
    }
    case TW_TR_EXP:
      return tw_unary(f, TW_OP_log,
                      isfinite(p->lo) ? tw_binary(f, TW_OP_sub, v, tw_const(f, ty, p->lo))
                                      : tw_binary(f, TW_OP_sub, tw_const(f, ty, p->hi), v));
    case TW_TR_DOMAIN: return mapped(s, p->inverse, p->x, v).leaf[0];
  }
  return v;
}

static TwVal find_param(TwFnBuild *b, uint32_t k) {
  TwLw *lw = b->scope.lw;
  const TwParam *p = &lw->p->params.at[k];
  if (b->from_shown) return tw_lw_unpack(&b->scope, p->type, b->shown, b->from_shown->param_shown[k]);
  uint64_t at = tw_lw_flat_param(lw, b->at->stage, k);
  TwRef from = at == UINT64_MAX ? b->values : b->flat;
  if (at == UINT64_MAX) at = b->at->layout->param_at[k];
  b->scope.f->at = p->span;
  return tw_lw_natural(&b->scope, p, tw_lw_unpack(&b->scope, tw_param_coord(p), from, at).leaf[0]);
}

static TwVal find_weights(TwFnBuild *b, uint32_t k) {
  TwLw *lw = b->scope.lw;
  const TwWeights *w = &lw->p->weights.at[k];
  if (b->from_shown) return tw_lw_unpack(&b->scope, w->type, b->shown, b->from_shown->weights_shown[k]);
  uint64_t at = tw_lw_flat_weights(lw, b->at->stage, k);
  b->scope.f->at = w->span;
  if (at != UINT64_MAX) return tw_lw_unpack(&b->scope, w->type, b->flat, at);
  if (b->at->stored[k]) return tw_lw_unpack(&b->scope, w->type, b->values, b->at->layout->weights_at[k]);
  return tw_lw_tx(&b->scope, w->value);
}

static TwVal find_columns(TwFnBuild *b, uint32_t d) {
  TwLw *lw = b->scope.lw;
  const TwDataSet *set = &lw->p->datas.at[d];
  uint32_t n = set->inputs.len, n_all = n + tw_lw_results(set);
  TwTy ty = tw_ty(lw->m, TW_REAL, 1, &lw->rows[d]);
  TwVal v = tw_lw_val(lw, n_all);
  for (uint32_t k = 0; k < n_all; k++) {
    uint32_t column = k < n ? k : k + set->columns.len; /* what the target gives comes last */
    v.leaf[k] = tw_lw_operand(b, TW_RT_COLUMN, column, d, ty);
  }
  return v;
}

static bool resolve(TwScope *s, TwKey key, TwVal *out) {
  TwFnBuild *b = (TwFnBuild *)(void *)((char *)s - offsetof(TwFnBuild, scope));
  uint32_t id = (uint32_t)(key & 0xffffffffu);
  TwSpan here = s->f->at;
  switch ((TwKeyKind)(key >> 56)) {
    case TW_KEY_PARAM: *out = find_param(b, id); break;
    case TW_KEY_WEIGHTS: *out = find_weights(b, id); break;
    case TW_KEY_GLOBAL: *out = tw_lw_tx(s, s->lw->p->globals.at[id].value); break;
    case TW_KEY_DATA: *out = find_columns(b, id); break;
    case TW_KEY_LOCAL:
    case TW_KEY_SEED:
    case TW_KEY_DRAWN:
    case TW_KEY_LOADED:
    case TW_KEY_RECUR: return false;
  }
  s->f->at = here;
  return true;
}

TwRef tw_lw_operand(TwFnBuild *b, TwRtRole role, uint32_t index, uint32_t data, TwTy type) {
  TwLw *lw = b->scope.lw;
  uint64_t count = (uint64_t)tw_ty_info(lw->m, type)->count;
  tw_vec_push(lw->arena, &b->in, (TwRtSlot){(uint32_t)role, index, data, count});
  return tw_param(b->scope.f, type);
}

void tw_lw_output(TwFnBuild *b, TwRtRole role, uint32_t index, uint32_t data, TwRef r) {
  uint64_t count = (uint64_t)tw_info(b->scope.f, r)->count;
  tw_vec_push(b->scope.lw->arena, &b->out, (TwRtSlot){(uint32_t)role, index, data, count});
  tw_result(b->scope.f, r);
}

void tw_lw_begin(TwFnBuild *b, TwLw *lw, const TwMoment *at, const char *name) {
  *b = (TwFnBuild){.scope = {.lw = lw, .f = tw_fn_new(lw->m, name), .resolve = resolve}, .at = at};
  if (!at) return;
  int64_t n_values = (int64_t)at->layout->n_values, n_flat = at->stage ? at->stage->n_flat : 0;
  b->values = tw_lw_operand(b, TW_RT_VALUES, 0, 0, tw_ty(lw->m, TW_REAL, 1, &n_values));
  b->flat = tw_lw_operand(b, TW_RT_FLAT, 0, 0, tw_ty(lw->m, TW_REAL, 1, &n_flat));
}

void tw_lw_end(TwLowered *l, TwFnBuild *b, TwPrecision precision, const TwFn *primal, TwRtFn *slot) {
  const TwFn *f = tw_fn_seal(b->scope.f);
  tw_lw_within_end(b->scope.lw, f, b->at ? b->at->stage : NULL);
  *slot = (TwRtFn){.name = f->name,
                   .n_in = b->in.len,
                   .n_out = b->out.len,
                   .in = b->in.at,
                   .out = b->out.at,
                   .f64 = precision == TW_F64};
  TwLoweredFn fn = {.name = f->name, .primal = primal ? primal : f, .grad = f, .precision = precision, .slot = slot};
  tw_vec_push(b->scope.lw->arena, &l->fns, fn);
}

TwRef tw_lw_all_shown(TwFnBuild *b) {
  TwLw *lw = b->scope.lw;
  TwRefs parts = {0};
  for (uint32_t k = 0; k < lw->p->params.len; k++)
    tw_lw_pack(&b->scope, tw_lw_get(&b->scope, tw_key(TW_KEY_PARAM, k)), &parts);
  for (uint32_t k = 0; k < lw->p->weights.len; k++)
    tw_lw_pack(&b->scope, tw_lw_get(&b->scope, tw_key(TW_KEY_WEIGHTS, k)), &parts);
  return tw_lw_join(&b->scope, &parts);
}
