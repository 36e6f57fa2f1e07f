/* scan.c: loops that carry values, and branches.
 *
 * A carried scalar is a phi. A carried tensor has two buffers that change roles at each iteration, or
 * one if the body only adds to it in place or hands it on. Slices of operands and stacked results are
 * rows of their tensors: nothing is copied. Where the values of a carried scalar before and after each
 * iteration are both stacked, which is what a derivative often asks for, they are one stack, longer by one. */
#include "compiler/llvm/ll.h"

typedef struct Carry {
  bool tensor, one;       /* one buffer */
  TwLlVal a, b;           /* buffers: the value starts in a */
  LLVMValueRef now, next; /* phis: the value's buffer, the other one */
  LLVMValueRef phi;       /* scalar */
} Carry;

static const TwTyInfo *body_info(const TwRegion *g, TwRef r) { return tw_info(g->body, r); }

/* After `trip` iterations the value is in the buffer where it started, if trip is even. The one it
 * ends in is where the result is wanted. */
static Carry start_carry(TwLlScope *s, TwRef r, const TwPlFacts *bf, uint32_t k) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  TwRef p = g->body->params.at[1 + g->n_consts + k], init = tw_arg(s->fn, r, g->n_consts + k);
  TwTyInfo t = *body_info(g, p);
  bool lanes = bf->varies[p];
  Carry c = {.tensor = t.rank > 0};
  if (!c.tensor) {
    LLVMValueRef v = tw_ll_value(s, init);
    c.phi = lanes ? tw_ll_splat(l, v) : v;
    return c;
  }
  c.one = bf->stays[k] || g->body->results.at[k] == p;
  TwLlVal end = tw_ll_result_memory(s, r, k, &t, lanes);
  c.a = c.b = end;
  if (!c.one) {
    TwLlVal other = tw_ll_new_tensor(l, &t, lanes);
    tw_ll_own(s, other.block, r);
    if (g->trip % 2) c.a = other;
    else c.b = other;
  }
  tw_ll_into(s, init, &c.a);
  return c;
}

/* The phis of all carries come first in the loop. */
static void carry_phis(TwLl *l, TwLlLoop *p, Carry *c, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    if (!c[k].tensor) c[k].phi = tw_ll_loop_phi(l, p, c[k].phi);
    else if (!c[k].one) {
      c[k].now = tw_ll_loop_phi(l, p, c[k].a.ptr);
      c[k].next = tw_ll_loop_phi(l, p, c[k].b.ptr);
    }
  }
}

/* Element i of an operand with a leading axis. */
TwLlVal tw_ll_slice_of(TwLl *l, const TwLlVal *x, LLVMValueRef i) {
  if (x->rank > 1 || x->kind == TW_LL_SCALAR) return tw_ll_row(l, x, i);
  TwLlAt at = {.run = -1, .i = {i}};
  return tw_ll_scalar(x->dtype, tw_ll_view_load(l, x, &at));
}

TwLlVal tw_ll_row_of(TwLl *l, TwLlScope *s, TwRef a, LLVMValueRef i) {
  TwLlVal x = tw_ll_for_body(s, a), row = tw_ll_slice_of(l, &x, i);
  if (row.kind == TW_LL_SCALAR && row.rank == 0 && x.kind == TW_LL_VIEW) row.ptr = tw_ll_view_ptr(l, &x, &i);
  return row;
}

static void bind_body(TwLlScope *s, TwRef r, TwLlScope *b, Carry *c, const TwLlVal *xs, LLVMValueRef i) {
  const TwRegion *g = tw_region(s->fn, r);
  tw_ll_bind(b, 0, tw_ll_scalar(TW_INT, i));
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_bind(b, 1 + k, tw_ll_for_body(s, tw_arg(s->fn, r, k)));
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwLlVal v = c[k].a;
    if (c[k].tensor && !c[k].one) v.ptr = c[k].now;
    v.block = 0;
    tw_ll_bind(b, 1 + g->n_consts + k,
               c[k].tensor ? v : tw_ll_scalar(body_info(g, g->body->results.at[k])->dtype, c[k].phi));
  }
  for (uint32_t k = 0; k < g->n_xs; k++) {
    TwRef p = g->body->params.at[1 + g->n_consts + g->n_carry + k];
    if (b->facts->uses[p]) tw_ll_bind(b, 1 + g->n_consts + g->n_carry + k, tw_ll_slice_of(s->l, &xs[k], i));
  }
}

static void scan_body(TwLlScope *s, TwRef r, TwLlScope *b, Carry *c, const TwLlVal *ys, const bool *shared,
                      LLVMValueRef i, TwLlVal *out) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  uint32_t n = g->n_carry + g->n_ys;
  TwLlVal *dest = TW_NEW_N(l->arena, TwLlVal, n + 1);
  for (uint32_t k = 0; k < g->n_carry; k++) {
    if (!c[k].tensor || b->facts->stays[k]) continue;
    dest[k] = c[k].b;
    dest[k].block = 0;
    if (!c[k].one) dest[k].ptr = c[k].next;
  }
  for (uint32_t k = g->n_carry; k < n; k++)
    if (ys[k].rank > 1) dest[k] = tw_ll_row(l, &ys[k], i);
  tw_ll_body(b, dest, out);
  for (uint32_t k = g->n_carry; k < n; k++)
    if (ys[k].rank == 1 && !shared[k])
      tw_ll_store(l, ys[k].dtype, ys[k].lanes ? tw_ll_splat(l, out[k].v) : out[k].v, tw_ll_view_ptr(l, &ys[k], &i));
  for (uint32_t k = 0; k < g->n_carry; k++) {
    if (!c[k].tensor) {
      if (tw_ll_is_lanes(c[k].phi)) out[k] = tw_ll_scalar(out[k].dtype, tw_ll_splat(l, out[k].v));
      tw_ll_loop_next(l, c[k].phi, out[k].v);
    } else if (!c[k].one) {
      tw_ll_loop_next(l, c[k].now, c[k].next);
      tw_ll_loop_next(l, c[k].next, c[k].now);
    }
  }
  tw_ll_scope_end(b);
}

/* A tensor operand with a row for each iteration, in memory or with all elements alike. */
static TwLlVal *loop_operands(TwLlScope *s, TwRef r, uint32_t first, uint32_t n) {
  TwLlVal *xs = TW_NEW_N(s->l->arena, TwLlVal, n + 1);
  for (uint32_t k = 0; k < n; k++) xs[k] = tw_ll_for_body(s, tw_arg(s->fn, r, first + k));
  return xs;
}

/* The stacked result that is value number `ref` of the body and may lie anywhere; 0 if there is none. */
static uint32_t stack_of(TwLlScope *s, TwRef r, TwRef ref, bool lanes) {
  const TwRegion *g = tw_region(s->fn, r);
  for (uint32_t k = g->n_carry; k < g->n_carry + g->n_ys; k++)
    if (g->body->results.at[k] == ref && s->facts->regions[r].res_varies[k] == lanes && !tw_ll_get_home(s, r, k))
      return k;
  return 0;
}

/* If carry k is stacked both as it is before and as it is after each iteration: one memory for the two, the
 * second an element on (in a reverse loop, an element back). A stack has one such partner at most, and what each
 * iteration writes is the second's: where carries are handed on, p to q and q to p, each stack is before one
 * carry's iterations and after another's, and with two partners nobody would write them. */
static void share_stacks(TwLlScope *s, TwRef r, const Carry *c, uint32_t k, TwLlVal *ys, bool *shared) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  const TwPlFacts *bf = s->facts->regions[r].body;
  TwRef p = g->body->params.at[1 + g->n_consts + k], next = g->body->results.at[k];
  bool lanes = bf->varies[p];
  if (c[k].tensor || g->trip < 2 || p == next) return;
  uint32_t before = stack_of(s, r, p, lanes), after = stack_of(s, r, next, lanes);
  if (!before || !after || ys[before].kind != TW_LL_NONE || ys[after].kind != TW_LL_NONE) return;
  const TwTyInfo *t = tw_ty_info(s->fn->module, tw_ty_lead(s->fn->module, g->trip + 1, tw_type(g->body, p)));
  TwLlVal both = tw_ll_new_tensor(l, t, lanes);
  tw_ll_own(s, both.block, s->facts->last[r]);
  both.block = 0;
  both.padded = false;
  both.room = 0;
  both.dims[0] = g->trip;
  LLVMValueRef from = tw_ll_i64(l, g->reverse ? g->trip : 0), on = tw_ll_i64(l, 1);
  tw_ll_store(l, t->dtype, c[k].phi, tw_ll_view_ptr(l, &both, &from));
  ys[before] = ys[after] = both;
  shared[before] = true; /* each iteration finds its value there */
  ys[g->reverse ? before : after].ptr = tw_ll_view_ptr(l, &both, &on);
}

static void stacks(TwLlScope *s, TwRef r, const Carry *c, TwLlVal *ys, bool *shared) {
  const TwRegion *g = tw_region(s->fn, r);
  TwModule *m = s->fn->module;
  for (uint32_t k = 0; k < g->n_carry; k++) share_stacks(s, r, c, k, ys, shared);
  for (uint32_t k = g->n_carry; k < g->n_carry + g->n_ys; k++) {
    if (ys[k].kind != TW_LL_NONE) continue;
    TwTy t = tw_ty_lead(m, g->trip, tw_type(g->body, g->body->results.at[k]));
    ys[k] = tw_ll_result_memory(s, r, k, tw_ty_info(m, t), s->facts->regions[r].res_varies[k]);
  }
}

void tw_ll_scan(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  const TwPlRegionFacts *rf = &s->facts->regions[r];
  uint32_t n = g->n_carry + g->n_ys;
  TwLlVal *out = TW_NEW_N(l->arena, TwLlVal, n + 1), *ys = TW_NEW_N(l->arena, TwLlVal, n + 1);
  TwLlVal *xs = loop_operands(s, r, g->n_consts + g->n_carry, g->n_xs);
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_for_body(s, tw_arg(s->fn, r, k));
  Carry *c = TW_NEW_N(l->arena, Carry, g->n_carry + 1);
  for (uint32_t k = 0; k < g->n_carry; k++) c[k] = start_carry(s, r, rf->body, k);
  bool *shared = TW_NEW_N(l->arena, bool, n + 1);
  stacks(s, r, c, ys, shared);
  if (g->trip > 0) {
    TwLlScope *b = tw_ll_scope(l, rf->body);
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, g->trip));
    carry_phis(l, &p, c, g->n_carry);
    LLVMValueRef i = p.i;
    if (g->reverse) i = LLVMBuildSub(l->b, tw_ll_i64(l, g->trip - 1), p.i, "");
    bind_body(s, r, b, c, xs, i);
    scan_body(s, r, b, c, ys, shared, i, out);
    tw_ll_loop_end(l, &p);
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    if (c[k].tensor) out[k] = g->trip % 2 ? c[k].b : c[k].a;
    else out[k] = tw_ll_scalar(body_info(g, g->body->results.at[k])->dtype, g->trip > 0 ? out[k].v : c[k].phi);
    out[k].block = 0;
  }
  for (uint32_t k = g->n_carry; k < n; k++) out[k] = ys[k];
  s->val[r] = (TwLlVal){.kind = TW_LL_TUPLE, .dtype = TW_TUPLE, .parts = out};
}
