/* layout.c: where each param and weights lives in VALUES, FLAT and SHOWN, and how it is read there.
 *
 * VALUES holds the coordinates of all params in order, then the leaves of every weights that is ever
 * stored (drawn by a law, or trained by a stage). FLAT holds what a stage trains, params first. SHOWN
 * holds natural values of all params, then the leaves of all weights. */
#include "compiler/lower/internal.h"

uint64_t tw_lw_count(TwLw *lw, const TwType *t) {
  uint32_t n = tw_lw_leaves(t);
  TwTy *types = TW_NEW_N(lw->arena, TwTy, n);
  tw_lw_leaf_types(lw, t, types);
  uint64_t count = 0;
  for (uint32_t j = 0; j < n; j++) count += (uint64_t)tw_ty_info(lw->m, types[j])->count;
  return count;
}

static bool ever_stored(const TwProgram *p, uint32_t w) {
  if (p->weights.at[w].is_law) return true;
  for (uint32_t s = 0; s < p->stages.len; s++)
    for (uint32_t k = 0; k < p->stages.at[s].weights.len; k++)
      if (p->stages.at[s].weights.at[k] == w) return true;
  return false;
}

uint64_t tw_lw_coordinates(TwLw *lw, uint32_t param) {
  return tw_lw_count(lw, tw_param_coord(&lw->p->params.at[param]));
}

void tw_lw_layout(TwLw *lw, TwLayout *out) {
  const TwProgram *p = lw->p;
  out->param_at = TW_NEW_N(lw->arena, uint64_t, p->params.len);
  out->param_shown = TW_NEW_N(lw->arena, uint64_t, p->params.len);
  out->weights_at = TW_NEW_N(lw->arena, uint64_t, p->weights.len);
  out->weights_shown = TW_NEW_N(lw->arena, uint64_t, p->weights.len);
  out->n_values = out->n_shown = 0;
  for (uint32_t k = 0; k < p->params.len; k++) {
    out->param_at[k] = out->n_values;
    out->param_shown[k] = out->n_shown;
    out->n_values += tw_lw_coordinates(lw, k);
    out->n_shown += tw_lw_count(lw, p->params.at[k].type);
  }
  for (uint32_t k = 0; k < p->weights.len; k++) {
    uint64_t n = tw_lw_count(lw, p->weights.at[k].type);
    out->weights_at[k] = UINT64_MAX;
    if (ever_stored(p, k)) {
      out->weights_at[k] = out->n_values;
      out->n_values += n;
    }
    out->weights_shown[k] = out->n_shown;
    out->n_shown += n;
  }
}

/* Leaves of type t read one after the other from vector `from`, starting at `at`. */
TwVal tw_lw_unpack(TwScope *s, const TwType *t, TwRef from, uint64_t at) {
  TwLw *lw = s->lw;
  uint32_t n = tw_lw_leaves(t);
  TwTy *types = TW_NEW_N(lw->arena, TwTy, n);
  tw_lw_leaf_types(lw, t, types);
  TwVal v = tw_lw_val(lw, n);
  for (uint32_t j = 0; j < n; j++) {
    int64_t count = tw_ty_info(lw->m, types[j])->count, start_step[2] = {(int64_t)at, 1};
    TwRef part = tw_slice(s->f, from, tw_ty(lw->m, TW_REAL, 1, &count), start_step);
    v.leaf[j] = tw_reshape(s->f, part, types[j]);
    at += (uint64_t)count;
  }
  return v;
}

/* Appends the leaves of v as vectors to parts. */
void tw_lw_pack(TwScope *s, TwVal v, TwRefs *parts) {
  for (uint32_t j = 0; j < v.n; j++) {
    int64_t count = tw_info(s->f, v.leaf[j])->count;
    if (count == 0) continue;
    TwRef flat = tw_reshape(s->f, v.leaf[j], tw_ty(s->lw->m, TW_REAL, 1, &count));
    tw_vec_push(s->lw->arena, parts, flat);
  }
}

TwRef tw_lw_join(TwScope *s, const TwRefs *parts) {
  int64_t none = 0;
  if (parts->len == 0) return tw_zeros(s->f, tw_ty(s->lw->m, TW_REAL, 1, &none));
  return parts->len == 1 ? parts->at[0] : tw_concat(s->f, parts->at, parts->len, 0);
}

uint64_t tw_lw_flat_param(TwLw *lw, const TwStage *stage, uint32_t param) {
  uint64_t at = 0;
  if (!stage) return UINT64_MAX;
  for (uint32_t k = 0; k < stage->params.len; k++) {
    if (stage->params.at[k] == param) return at;
    at += tw_lw_coordinates(lw, stage->params.at[k]);
  }
  return UINT64_MAX;
}

uint64_t tw_lw_flat_weights(TwLw *lw, const TwStage *stage, uint32_t weights) {
  uint64_t at = 0;
  if (!stage) return UINT64_MAX;
  for (uint32_t k = 0; k < stage->params.len; k++) at += tw_lw_coordinates(lw, stage->params.at[k]);
  for (uint32_t k = 0; k < stage->weights.len; k++) {
    if (stage->weights.at[k] == weights) return at;
    at += tw_lw_count(lw, lw->p->weights.at[stage->weights.at[k]].type);
  }
  return UINT64_MAX;
}
