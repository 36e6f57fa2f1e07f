/* serial.c: a samples loop inside another one whose operands depend on the outer sample. The lanes
 * are taken by the outer loop, so this one is a plain loop over its samples, with its sixteen partial
 * sums in memory: the order of docs/architecture.md all the same. */
#include "compiler/llvm/ll.h"

typedef struct Serial {
  TwLlScope *s, *b;
  TwRef r;
  const TwRegion *g;
  const TwPlRegionFacts *rf;
  TwLlVal *xs, *ys, *part; /* part: [16][shape of the sum] */
  TwLlTree *tree;
  int64_t chunks;
} Serial;

static const TwTyInfo *result_info(const Serial *p, uint32_t k) {
  return tw_info(p->g->body, p->g->body->results.at[k]);
}

static bool sum_varies(const Serial *p, uint32_t k) {
  TwRef r = p->g->body->results.at[k];
  return p->rf->body->varies[r];
}

static void set_up(Serial *p) {
  TwLlScope *s = p->s;
  TwLl *l = s->l;
  const TwRegion *g = p->g;
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_for_body(s, tw_arg(s->fn, p->r, k));
  for (uint32_t k = 0; k < g->n_xs; k++) p->xs[k] = tw_ll_for_body(s, tw_arg(s->fn, p->r, g->n_consts + k));
  for (uint32_t k = 0; k < g->n_ys; k++) {
    TwTy t = tw_ty_lead(s->fn->module, g->trip, tw_type(g->body, g->body->results.at[g->n_carry + k]));
    p->ys[k] = tw_ll_result_memory(s, p->r, g->n_carry + k, tw_ty_info(s->fn->module, t),
                                   p->rf->res_varies[g->n_carry + k]);
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwTyInfo t = *tw_ty_info(s->fn->module,
                             tw_ty_lead(s->fn->module, TW_LANES, tw_type(g->body, g->body->results.at[k])));
    p->part[k] = tw_ll_new_tensor(l, &t, sum_varies(p, k));
    tw_ll_own(s, p->part[k].block, p->r);
    p->part[k].block = 0;
    p->tree[k] = tw_ll_tree(l, t.dtype, sum_varies(p, k), (uint64_t)result_info(p, k)->count, p->chunks);
    tw_ll_own(s, p->tree[k].block, s->facts->last[p->r]);
  }
}

typedef struct SumEnv {
  TwLlScope *b;
  uint32_t k;
  const TwLlVal *acc;
} SumEnv;

static LLVMValueRef sum_gen(void *env, const TwLlAt *at) {
  SumEnv *e = env;
  TwLl *l = e->b->l;
  TwRef r = e->b->fn->results.at[e->k];
  LLVMValueRef old = tw_ll_view_load(l, e->acc, at);
  if (tw_pl_is_fma_sum(e->b->facts, e->k))
    return tw_ll_fma(l, tw_ll_element(e->b, tw_arg(e->b->fn, r, 0), at),
                     tw_ll_element(e->b, tw_arg(e->b->fn, r, 1), at), old);
  return tw_ll_fadd(l, e->acc->dtype, old, tw_ll_element(e->b, r, at));
}

static void one_sample(Serial *p, LLVMValueRef i, LLVMValueRef lane) {
  TwLlScope *s = p->s;
  TwLl *l = s->l;
  const TwRegion *g = p->g;
  TwLlScope *b = p->b = tw_ll_scope(l, p->rf->body);
  TwLlVal *out = TW_NEW_N(l->arena, TwLlVal, g->n_carry + g->n_ys + 1);
  TwLlVal *dest = TW_NEW_N(l->arena, TwLlVal, g->n_carry + g->n_ys + 1);
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_bind(b, k, tw_ll_for_body(s, tw_arg(s->fn, p->r, k)));
  for (uint32_t k = 0; k < g->n_xs; k++)
    if (b->facts->uses[g->body->params.at[g->n_consts + k]])
      tw_ll_bind(b, g->n_consts + k, tw_ll_slice_of(l, &p->xs[k], i));
  for (uint32_t k = 0; k < g->n_ys; k++)
    if (p->ys[k].rank > 1) dest[g->n_carry + k] = tw_ll_row(l, &p->ys[k], i);
  tw_ll_body(b, dest, out);
  for (uint32_t k = 0; k < g->n_ys; k++) {
    const TwLlVal *y = &p->ys[k];
    LLVMValueRef v = out[g->n_carry + k].v;
    if (y->rank == 1) tw_ll_store(l, y->dtype, y->lanes ? tw_ll_splat(l, v) : v, tw_ll_view_ptr(l, y, &i));
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwLlVal acc = tw_ll_row(l, &p->part[k], lane);
    SumEnv env = {b, k, &acc};
    tw_ll_fill(l, &acc, sum_gen, &env, false, false);
  }
  tw_ll_scope_end(b);
}

static void one_chunk(Serial *p, LLVMValueRef chunk) {
  TwLl *l = p->s->l;
  LLVMValueRef from = tw_ll_mul(l, chunk, tw_ll_i64(l, TW_CHUNK)), n = tw_ll_i64(l, TW_CHUNK);
  int64_t rest = p->g->trip % TW_CHUNK;
  for (uint32_t k = 0; k < p->g->n_carry; k++) tw_ll_fill_zero(l, &p->part[k]);
  if (rest)
    n = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntEQ, chunk, tw_ll_i64(l, p->chunks - 1), ""), tw_ll_i64(l, rest), n);
  TwLlLoop loop = tw_ll_loop(l, n);
  one_sample(p, tw_ll_add(l, from, loop.i), LLVMBuildAnd(l->b, loop.i, tw_ll_i64(l, TW_LANES - 1), ""));
  tw_ll_loop_end(l, &loop);
  for (uint32_t k = 0; k < p->g->n_carry; k++) {
    TwTyInfo t = *result_info(p, k);
    TwLlVal first = tw_ll_row(l, &p->part[k], tw_ll_i64(l, 0)),
            cur = tw_ll_contiguous(&t, p->tree[k].cur, p->part[k].lanes);
    tw_ll_fold_memory(l, t.dtype, p->part[k].lanes, p->part[k].ptr, (uint64_t)t.count);
    tw_ll_copy(l, &first, &cur);
    tw_ll_tree_push(l, &p->tree[k], chunk);
  }
}

void tw_ll_serial_samples(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  Serial p = {.s = s, .r = r, .g = g, .rf = &s->facts->regions[r]};
  TwLlVal *out = TW_NEW_N(l->arena, TwLlVal, g->n_carry + g->n_ys + 1);
  p.xs = TW_NEW_N(l->arena, TwLlVal, g->n_xs + 1);
  p.ys = TW_NEW_N(l->arena, TwLlVal, g->n_ys + 1);
  p.part = TW_NEW_N(l->arena, TwLlVal, g->n_carry + 1);
  p.tree = TW_NEW_N(l->arena, TwLlTree, g->n_carry + 1);
  p.chunks = (g->trip + TW_CHUNK - 1) / TW_CHUNK;
  set_up(&p);
  if (g->trip > 0) {
    TwLlLoop loop = tw_ll_loop(l, tw_ll_i64(l, p.chunks));
    one_chunk(&p, loop.i);
    tw_ll_loop_end(l, &loop);
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwTyInfo t = *result_info(&p, k);
    TwLlVal v = tw_ll_contiguous(&t, p.tree[k].cur, p.part[k].lanes);
    if (g->trip > 0) tw_ll_tree_finish(l, &p.tree[k]);
    else tw_ll_fill_zero(l, &v);
    out[k] = t.rank ? v : tw_ll_scalar(t.dtype, tw_ll_load(l, t.dtype, v.lanes, v.ptr));
  }
  for (uint32_t k = 0; k < g->n_ys; k++) out[g->n_carry + k] = p.ys[k];
  s->val[r] = (TwLlVal){.kind = TW_LL_TUPLE, .dtype = TW_TUPLE, .parts = out};
}
