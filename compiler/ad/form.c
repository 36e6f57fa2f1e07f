/* form.c: regions put together from instructions of functions that exist.
 *
 * requires: a source function, sealed, and the refs of it that become params and results of the new body.
 * provides: the region. Its body holds just the instructions that the results need; values named
 *   as params cut off what lies behind them, which is how a residual replaces its computation. */
#include "compiler/ad/internal.h"

void tw_ad_slot2(TwModule *m, TwAdSlots *s, TwRef inner0, TwRef inner1, TwTy type, TwRef outer) {
  tw_vec_push(m->arena, s, (TwAdSlot){.inner = {inner0, inner1}, .type = type, .outer = outer});
}

void tw_ad_slot(TwModule *m, TwAdSlots *s, TwRef inner, TwTy type, TwRef outer) {
  tw_ad_slot2(m, s, inner, 0, type, outer);
}

void tw_ad_stacked_slot(TwModule *m, TwAdSlots *s, const TwFn *f, TwRef inner, TwRef outer) {
  const TwTyInfo *t = tw_info(f, inner);
  bool flat = t->rank == TW_MAX_RANK;
  tw_ad_slot(m, s, inner, flat ? tw_ty(m, t->dtype, 1, &t->count) : tw_type(f, inner), outer);
  s->at[s->len - 1].flat = flat;
}

void tw_ad_needed(const TwFn *f, const bool *stops, const TwRef *roots, uint32_t n_roots, bool *need) {
  for (uint32_t k = 0; k < n_roots; k++)
    if (roots[k]) need[roots[k]] = true;
  for (TwRef r = f->insts.len; r-- > 1;) {
    if (!need[r] || stops[r]) continue;
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) need[tw_arg(f, r, k)] = true;
  }
}

void tw_ad_copy_needed(TwFn *out, const TwFn *f, const bool *need, TwRef *map) {
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!need[r] || map[r]) continue;
    if (tw_op(f, r) == TW_OP_param) tw_ad_bug(f, r, "a body needs a param that it is not given");
    out->at = tw_inst(f, r)->span;
    map[r] = tw_copy_inst(out, f, r, map);
  }
}

/* One branch: what it needs, given the slots. */
static bool *needs(const TwAdForm *form, uint32_t b) {
  const TwFn *f = form->source[b];
  TwArena *arena = f->module->arena;
  bool *stops = TW_NEW_N(arena, bool, f->insts.len), *need = TW_NEW_N(arena, bool, f->insts.len);
  const TwAdSlots *params[3] = {&form->consts, &form->carries, &form->xs};
  const TwAdSlots *results[2] = {&form->out_carries, &form->out_ys};
  for (uint32_t g = 0; g < 3; g++)
    for (uint32_t k = 0; k < params[g]->len; k++) stops[params[g]->at[k].inner[b]] = true;
  if (form->op == TW_OP_scan) stops[f->params.at[0]] = true;
  TwRef *roots = TW_NEW_N(arena, TwRef, results[0]->len + results[1]->len);
  uint32_t n = 0;
  for (uint32_t g = 0; g < 2; g++)
    for (uint32_t k = 0; k < results[g]->len; k++) roots[n++] = results[g]->at[k].inner[b];
  tw_ad_needed(f, stops, roots, n, need);
  return need;
}

static bool wanted(const TwAdForm *form, bool *const need[2], const TwAdSlot *s) {
  return (s->inner[0] && need[0][s->inner[0]]) || (form->source[1] && s->inner[1] && need[1][s->inner[1]]);
}

static void add_params(TwFn *body, const TwAdForm *form, bool *const need[2], const TwAdSlots *slots, bool all,
                       uint32_t b, TwRef *map) {
  for (uint32_t k = 0; k < slots->len; k++) {
    if (!all && !wanted(form, need, &slots->at[k])) continue;
    TwRef p = tw_param(body, slots->at[k].type);
    TwRef v = slots->at[k].inner[b];
    if (v) map[v] = slots->at[k].flat ? tw_reshape(body, p, tw_type(form->source[b], v)) : p;
  }
}

static const TwFn *build(const TwAdForm *form, bool *const need[2], uint32_t b) {
  const TwFn *f = form->source[b];
  TwFn *body = tw_fn_new(f->module, f->name);
  TwRef *map = TW_NEW_N(f->module->arena, TwRef, f->insts.len);
  if (form->op == TW_OP_scan) map[f->params.at[0]] = tw_param(body, tw_ty_scalar(f->module, TW_INT));
  add_params(body, form, need, &form->consts, false, b, map);
  add_params(body, form, need, &form->carries, true, b, map);
  add_params(body, form, need, &form->xs, false, b, map);
  tw_ad_copy_needed(body, f, need[b], map);
  const TwAdSlots *results[2] = {&form->out_carries, &form->out_ys};
  for (uint32_t g = 0; g < 2; g++)
    for (uint32_t k = 0; k < results[g]->len; k++) {
      const TwAdSlot *s = &results[g]->at[k];
      TwRef v = s->inner[b] ? map[s->inner[b]] : tw_zeros(body, s->type);
      tw_result(body, s->flat ? tw_reshape(body, v, s->type) : v);
    }
  return tw_fn_seal(body);
}

static uint32_t add_operands(const TwAdForm *form, bool *const need[2], const TwAdSlots *slots, bool all, TwRef *args,
                             uint32_t *n) {
  uint32_t before = *n;
  for (uint32_t k = 0; k < slots->len; k++)
    if (all || wanted(form, need, &slots->at[k])) args[(*n)++] = slots->at[k].outer;
  return *n - before;
}

TwRef tw_ad_form_emit(TwFn *out, const TwAdForm *form) {
  bool *need[2] = {needs(form, 0), form->source[1] ? needs(form, 1) : NULL};
  TwRegion g = {.trip = form->trip, .reverse = form->reverse};
  g.body = build(form, need, 0);
  if (form->source[1]) g.other = build(form, need, 1);
  TwRef *args = TW_NEW_N(out->module->arena, TwRef, 1 + form->consts.len + form->carries.len + form->xs.len);
  uint32_t n = 0;
  if (form->op == TW_OP_cond) args[n++] = form->predicate;
  g.n_consts = add_operands(form, need, &form->consts, false, args, &n);
  add_operands(form, need, &form->carries, true, args, &n);
  g.n_xs = add_operands(form, need, &form->xs, false, args, &n);
  g.n_carry = form->out_carries.len;
  g.n_ys = form->out_ys.len;
  return tw_emit_region(out, form->op, &g, args, n);
}
