/* samples.c: the loop over a data set, sixteen samples at a time.
 *
 *   what is uniform in the body
 *   for each chunk of 512 samples
 *     for each segment of the body              (segment.c; one if the body is not straight)
 *       for each block of sixteen samples
 *         lane code; sums in accumulators
 *     fold accumulators to the chunk's sums; enter these into the tree of chunks   (fold.c)
 *
 * The last block may be ragged: its lanes past the end compute with whatever the padding holds, and
 * change no accumulator: the new value is selected by a mask, which on AVX-512 is part of the fma. */
#include "compiler/llvm/ll.h"

typedef struct TwLlSegState {
  TwLlScope *s, *b; /* outer scope, body */
  TwRef r;
  const TwRegion *g;
  const TwLlCut *cut;
  int64_t n, blocks, chunks;
  TwLlVal *xs, *ys;          /* columns; stacked results */
  uint32_t *acc_at;          /* per sum: its first accumulator */
  uint32_t n_real, n_int;    /* accumulators */
  uint32_t acc_block, int_block, scratch_block;
  LLVMValueRef acc, whole, scratch; /* accumulators of reals, of ints; values between segments */
  uint64_t *slot_at;         /* per slot: bytes */
  LLVMValueRef in_chunk, block; /* number of the block in the chunk and in all */
  LLVMValueRef mask;         /* lanes that exist; NULL: all */
} Loop;

static const TwTyInfo *result_info(const Loop *p, uint32_t k) {
  return tw_info(p->g->body, p->g->body->results.at[k]);
}

/* ---- before the loop */

static TwLlVal column(TwLlScope *s, TwRef r, TwRef a) {
  TwLl *l = s->l;
  TwLlVal x = tw_ll_for_body(s, a);
  bool as_is = x.kind == TW_LL_SCALAR || x.rank > 1 || (x.padded && x.dtype == TW_REAL && x.stride[0] == 1);
  if (as_is) return x;
  TwLlVal c = tw_ll_new_tensor(l, tw_info(s->fn, a), false);
  tw_ll_own(s, c.block, r);
  tw_ll_copy(l, &x, &c);
  return c;
}

/* Uniform scalars that the loop reads are kept in memory, from where lane code broadcasts them. */
static void pool_scalars(Loop *p) {
  TwLl *l = p->s->l;
  const TwLlFacts *x = p->b->facts;
  const TwFn *f = x->fn;
  uint8_t *wanted = TW_NEW_N(l->arena, uint8_t, f->insts.len);
  uint64_t n = 0, each = tw_ll_bytes(l, TW_REAL, false);
  for (TwRef r = 1; r < f->insts.len; r++)
    for (uint32_t k = 0; x->uses[r] && x->inner[r] && k < tw_inst(f, r)->n_args; k++) {
      TwRef a = tw_arg(f, r, k);
      const TwLlVal *v = &p->b->val[a];
      bool pooled = v->kind == TW_LL_SCALAR && !v->ptr && !LLVMIsConstant(v->v) && v->dtype == TW_REAL &&
                    v->rank == 0;
      if (pooled && !wanted[a]) wanted[a] = 1, n++;
    }
  if (n == 0) return;
  uint32_t block = tw_ll_alloc(l, n * each);
  tw_ll_own(p->s, block, p->r);
  LLVMValueRef at = tw_ll_block_ptr(l, block);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!wanted[r]) continue;
    p->b->val[r].ptr = at;
    tw_ll_store(l, TW_REAL, p->b->val[r].v, at);
    at = tw_ll_byte_at(l, at, each);
  }
}

static void before_loop(Loop *p) {
  TwLlScope *s = p->s, *b = p->b;
  const TwRegion *g = p->g;
  const TwFn *f = g->body;
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_bind(b, k, tw_ll_for_body(s, tw_arg(s->fn, p->r, k)));
  for (uint32_t k = 0; k < g->n_xs; k++)
    if (b->facts->uses[f->params.at[g->n_consts + k]])
      p->xs[k] = column(s, p->r, tw_arg(s->fn, p->r, g->n_consts + k));
  for (uint32_t k = 0; k < g->n_ys; k++) {
    TwTy t = tw_ty_lead(s->fn->module, g->trip, tw_type(f, f->results.at[g->n_carry + k]));
    p->ys[k] = tw_ll_result_memory(s, p->r, g->n_carry + k, tw_ty_info(s->fn->module, t), false);
  }
  for (TwRef r = 1; r < f->insts.len; r++)
    if (!b->facts->inner[r]) tw_ll_inst(b, r);
  pool_scalars(p);
}

static void lay_out(Loop *p) {
  TwLl *l = p->s->l;
  for (uint32_t k = 0; k < p->g->n_carry; k++) {
    const TwTyInfo *t = result_info(p, k);
    uint32_t *n = t->dtype == TW_REAL ? &p->n_real : &p->n_int;
    p->acc_at[k] = *n;
    *n += (uint32_t)t->count;
  }
  uint64_t padded = (p->n_real + TW_LANES - 1u) / TW_LANES * TW_LANES, scratch = 0;
  p->acc_block = tw_ll_alloc(l, padded * tw_ll_bytes(l, TW_REAL, true));
  p->acc = tw_ll_block_ptr(l, p->acc_block);
  p->int_block = tw_ll_alloc(l, p->n_int * tw_ll_bytes(l, TW_INT, true));
  p->whole = tw_ll_block_ptr(l, p->int_block);
  p->slot_at = TW_NEW_N(l->arena, uint64_t, p->cut->n_slots + 1);
  int64_t rows = p->blocks < TW_CHUNK_BLOCKS ? p->blocks : TW_CHUNK_BLOCKS;
  uint64_t *each = TW_NEW_N(l->arena, uint64_t, p->cut->n_slots + 1);
  for (TwRef r = 1; r < p->g->body->insts.len; r++) {
    uint64_t bytes = tw_ll_bytes(l, tw_info(p->g->body, r)->dtype, true), *slot = &each[p->cut->slot[r]];
    if (bytes > *slot) *slot = bytes;
  }
  for (uint32_t k = 1; k <= p->cut->n_slots; k++) {
    p->slot_at[k] = scratch;
    scratch += (uint64_t)rows * each[k];
  }
  p->scratch_block = tw_ll_alloc(l, scratch);
  p->scratch = tw_ll_block_ptr(l, p->scratch_block);
}

/* ---- a block */

static void enter_block(Loop *p, LLVMValueRef chunk, LLVMValueRef i) {
  TwLl *l = p->s->l;
  p->in_chunk = i;
  p->block = tw_ll_add(l, tw_ll_mul(l, chunk, tw_ll_i64(l, TW_CHUNK_BLOCKS)), i);
  p->mask = NULL;
  uint32_t rest = (uint32_t)(p->n % TW_LANES);
  if (!rest) return;
  LLVMValueRef is_last = LLVMBuildICmp(l->b, LLVMIntEQ, p->block, tw_ll_i64(l, p->blocks - 1), "");
  if (l->bits == 512) { /* a mask register, from an integer */
    LLVMValueRef some = LLVMConstInt(l->i16, (1u << rest) - 1u, false),
                 all = LLVMConstInt(l->i16, 0xffff, false);
    p->mask = LLVMBuildBitCast(l->b, tw_ll_select(l, is_last, some, all), tw_ll_lanes_of(l->i1), "");
    return;
  }
  LLVMValueRef ids[TW_LANES];
  for (uint32_t k = 0; k < TW_LANES; k++) ids[k] = LLVMConstInt(l->i32, k, false);
  LLVMValueRef count = tw_ll_select(l, is_last, LLVMConstInt(l->i32, rest, false),
                                    LLVMConstInt(l->i32, TW_LANES, false));
  p->mask = LLVMBuildICmp(l->b, LLVMIntULT, LLVMConstVector(ids, TW_LANES), tw_ll_splat(l, count), "");
}

static LLVMValueRef masked(Loop *p, LLVMValueRef now, LLVMValueRef old) {
  return p->mask ? tw_ll_select(p->s->l, p->mask, now, old) : now;
}

static LLVMValueRef load_column(Loop *p, uint32_t k) {
  TwLl *l = p->s->l;
  const TwLlVal *x = &p->xs[k];
  if (x->kind == TW_LL_SCALAR) return tw_ll_splat(l, x->v);
  return tw_ll_load(l, x->dtype, true, tw_ll_at(l, tw_ll_stored(l, x->dtype, true), x->ptr, p->block));
}

/* Numbers of the block's samples; past the end the last one again, so that reading a row is safe. */
static LLVMValueRef sample_numbers(Loop *p) {
  TwLl *l = p->s->l;
  LLVMValueRef from = tw_ll_mul(l, p->block, tw_ll_i64(l, TW_LANES));
  return tw_ll_clamp(l, tw_ll_add(l, tw_ll_splat(l, from), tw_ll_lane_ids(l)), p->n);
}

/* A row of each sample, turned so that each element is a lane value. */
static TwLlVal load_rows(Loop *p, uint32_t k) {
  TwLl *l = p->s->l;
  const TwLlVal *x = &p->xs[k];
  if (x->kind == TW_LL_SCALAR) return tw_ll_row(l, x, NULL);
  TwRef param = p->g->body->params.at[p->g->n_consts + k];
  TwLlVal to = tw_ll_new_tensor(l, tw_info(p->g->body, param), true);
  tw_ll_own(p->b, to.block, p->b->facts->last[param]);
  to.block = 0;
  if (tw_info(p->g->body, param)->count == 0) return to;
  LLVMValueRef row = sample_numbers(p);
  TwLlNest nest;
  tw_ll_nest(l, &nest, to.rank, to.dims);
  TwLlAt at = {.run = -1, .i = {row}};
  for (uint32_t j = 0; j < to.rank; j++) at.i[j + 1] = nest.at.i[j];
  tw_ll_store(l, to.dtype, tw_ll_splat(l, tw_ll_view_load(l, x, &at)), tw_ll_view_ptr(l, &to, nest.at.i));
  tw_ll_nest_end(l, &nest);
  return to;
}

/* ---- stacked results */

static void store_y(Loop *p, uint32_t k) {
  TwLl *l = p->s->l;
  const TwLlVal *y = &p->ys[k];
  TwRef r = p->g->body->results.at[p->g->n_carry + k];
  LLVMTypeRef t = tw_ll_stored(l, y->dtype, true);
  if (y->rank == 1 && y->stride[0] == 1 && (!p->mask || y->padded)) {
    LLVMValueRef at = tw_ll_at(l, t, y->ptr, p->block);
    tw_ll_store_run(l, y->dtype, tw_ll_operand(p->b, r, true), at, TW_LANES);
    return;
  }
  TwLlNest nest;
  tw_ll_nest(l, &nest, y->rank - 1, y->dims + 1);
  LLVMValueRef off = tw_ll_mul(l, sample_numbers(p), tw_ll_i64(l, y->stride[0]));
  for (uint32_t j = 1; j < y->rank; j++)
    off = tw_ll_add(l, off, tw_ll_mul(l, nest.at.i[j - 1], tw_ll_i64(l, y->stride[j])));
  LLVMValueRef v = y->rank == 1 ? tw_ll_operand(p->b, r, true) : tw_ll_element(p->b, r, &nest.at);
  tw_ll_scatter(l, y->dtype, v, y->ptr, off, false, p->mask);
  tw_ll_nest_end(l, &nest);
}

/* ---- straight bodies, by segments */

void tw_ll_seg_load(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  Loop *p = s->seg;
  const TwTyInfo *t = tw_info(s->fn, r);
  tw_ll_assert(l, s->facts->varies[r]);
  if (tw_op(s->fn, r) == TW_OP_param) {
    s->val[r] = tw_ll_scalar(t->dtype, load_column(p, (uint32_t)tw_attr(s->fn, r, 0) - p->g->n_consts));
  } else if (t->dtype == TW_BOOL) {
    tw_ll_inst(s, r);
  } else {
    uint32_t slot = p->cut->slot[r];
    tw_ll_assert(l, slot);
    LLVMValueRef at = tw_ll_at(l, tw_ll_stored(l, t->dtype, true),
                               tw_ll_byte_at(l, p->scratch, p->slot_at[slot]), p->in_chunk);
    s->val[r] = tw_ll_scalar(t->dtype, tw_ll_load(l, t->dtype, true, at));
  }
}

static void forget_lanes(TwLlScope *b) {
  for (TwRef r = 1; r < b->fn->insts.len; r++)
    if (b->facts->varies[r]) b->val[r] = (TwLlVal){.kind = TW_LL_NONE};
}

/* Few scalars: they stay in registers, splatted once a chunk. */
static void hoist_splats(Loop *p, const TwLlSegment *seg, bool on) {
  TwLlScope *b = p->b;
  if (seg->uniform + seg->accs + seg->peak + 4 > p->cut->registers) return;
  for (uint32_t k = seg->first; k < seg->end; k++) {
    const TwLlItem *it = &p->cut->items.at[k];
    uint32_t n = it->inst ? tw_inst(b->fn, it->inst)->n_args : 2;
    for (uint32_t j = 0; j < n; j++) {
      const TwLlAcc *acc = it->inst ? NULL : &p->cut->accs.at[it->acc];
      TwRef a = acc ? (j ? acc->b : acc->a) : tw_arg(b->fn, it->inst, j);
      TwLlVal *v = &b->val[a];
      if (!a || b->facts->varies[a] || v->kind != TW_LL_SCALAR || LLVMIsConstant(v->v)) continue;
      if (!on) v->splat = NULL;
      else if (!v->splat) v->splat = tw_ll_operand(b, a, true);
    }
  }
}

static void emit_item(Loop *p, const TwLlItem *it, LLVMValueRef *phi) {
  TwLlScope *b = p->b;
  TwLl *l = b->l;
  if (!it->inst) {
    const TwLlAcc *a = &p->cut->accs.at[it->acc];
    LLVMValueRef old = *phi, x = tw_ll_operand(b, a->a, true);
    LLVMValueRef now = a->b ? tw_ll_fma(l, x, tw_ll_operand(b, a->b, true), old)
                            : tw_ll_fadd(l, TW_REAL, old, x);
    *phi = masked(p, now, old);
    return;
  }
  tw_ll_inst(b, it->inst);
  uint32_t slot = p->cut->slot[it->inst];
  if (!slot) return;
  TwDtype d = tw_info(b->fn, it->inst)->dtype;
  LLVMValueRef at = tw_ll_at(l, tw_ll_stored(l, d, true), tw_ll_byte_at(l, p->scratch, p->slot_at[slot]),
                             p->in_chunk);
  tw_ll_store(l, d, b->val[it->inst].v, at);
}

/* With the segment that computes them; truth values, columns and what is uniform with the last one. */
static void store_ys_of(Loop *p, uint32_t number) {
  for (uint32_t k = 0; k < p->g->n_ys; k++) {
    uint32_t in = p->cut->in_segment[p->g->body->results.at[p->g->n_carry + k]];
    if (in ? in == number + 1 : number + 1 == p->cut->segments.len) store_y(p, k);
  }
}

static void emit_segment(Loop *p, uint32_t number, LLVMValueRef chunk, LLVMValueRef count) {
  TwLl *l = p->s->l;
  const TwLlSegment *seg = &p->cut->segments.at[number];
  uint32_t n = seg->end - seg->first;
  LLVMValueRef *phi = TW_NEW_N(l->arena, LLVMValueRef, n + 1), *now = TW_NEW_N(l->arena, LLVMValueRef, n + 1);
  forget_lanes(p->b);
  hoist_splats(p, seg, true);
  TwLlLoop loop = tw_ll_loop(l, count);
  for (uint32_t k = 0; k < n; k++)
    if (!p->cut->items.at[seg->first + k].inst)
      now[k] = phi[k] = tw_ll_loop_phi(l, &loop, tw_ll_zero(l, TW_REAL, true));
  enter_block(p, chunk, loop.i);
  for (uint32_t k = 0; k < n; k++) emit_item(p, &p->cut->items.at[seg->first + k], &now[k]);
  store_ys_of(p, number);
  for (uint32_t k = 0; k < n; k++)
    if (phi[k]) tw_ll_loop_next(l, phi[k], now[k]);
  tw_ll_loop_end(l, &loop);
  hoist_splats(p, seg, false);
  for (uint32_t k = 0; k < n; k++) {
    if (!phi[k]) continue;
    uint32_t sum = p->cut->accs.at[p->cut->items.at[seg->first + k].acc].k;
    LLVMValueRef at = tw_ll_at(l, tw_ll_type(l, TW_REAL, true), p->acc, tw_ll_i64(l, p->acc_at[sum]));
    tw_ll_store(l, TW_REAL, now[k], at);
  }
}

/* ---- other bodies: one segment, accumulators in memory */

typedef struct SumEnv {
  Loop *p;
  uint32_t k;
  const TwLlVal *acc;
} SumEnv;

static LLVMValueRef sum_gen(void *env, const TwLlAt *at) {
  SumEnv *e = env;
  TwLlScope *b = e->p->b;
  TwLl *l = b->l;
  TwRef r = b->fn->results.at[e->k];
  LLVMValueRef old = tw_ll_view_load(l, e->acc, at), now;
  if (tw_ll_is_fma_sum(b->facts, e->k))
    now = tw_ll_fma(l, tw_ll_element(b, tw_arg(b->fn, r, 0), at), tw_ll_element(b, tw_arg(b->fn, r, 1), at),
                    old);
  else now = tw_ll_fadd(l, e->acc->dtype, old, tw_ll_element(b, r, at));
  return masked(e->p, now, old);
}

static TwLlVal accumulators(Loop *p, uint32_t k) {
  TwLl *l = p->s->l;
  const TwTyInfo *t = result_info(p, k);
  LLVMValueRef base = t->dtype == TW_REAL ? p->acc : p->whole;
  return tw_ll_contiguous(t, tw_ll_at(l, tw_ll_type(l, t->dtype, true), base, tw_ll_i64(l, p->acc_at[k])),
                          true);
}

static void zero_accumulators(Loop *p, TwDtype d) {
  TwLl *l = p->s->l;
  uint32_t n = d == TW_REAL ? p->n_real : p->n_int;
  TwTyInfo t = {.dtype = d, .rank = 1, .dims = {n}, .count = n};
  TwLlVal all = tw_ll_contiguous(&t, d == TW_REAL ? p->acc : p->whole, true);
  tw_ll_fill_zero(l, &all);
}

static void emit_whole(Loop *p, LLVMValueRef chunk, LLVMValueRef count) {
  TwLl *l = p->s->l;
  TwLlScope *b = p->b;
  const TwRegion *g = p->g;
  zero_accumulators(p, TW_REAL);
  forget_lanes(b);
  TwLlLoop loop = tw_ll_loop(l, count);
  enter_block(p, chunk, loop.i);
  for (uint32_t k = 0; k < g->n_xs; k++) {
    TwRef param = g->body->params.at[g->n_consts + k];
    const TwTyInfo *t = tw_info(g->body, param);
    if (!b->facts->uses[param]) continue;
    tw_ll_bind(b, g->n_consts + k, t->rank ? load_rows(p, k) : tw_ll_scalar(t->dtype, load_column(p, k)));
  }
  for (TwRef r = 1; r < b->fn->insts.len; r++) {
    if (b->facts->inner[r]) tw_ll_inst(b, r);
    tw_ll_expire(b, r);
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwLlVal acc = accumulators(p, k);
    SumEnv env = {p, k, &acc};
    tw_ll_fill(l, &acc, sum_gen, &env, false, false);
  }
  for (uint32_t k = 0; k < g->n_ys; k++)
    if (p->ys[k].rank > 0 && tw_info(g->body, g->body->results.at[g->n_carry + k])->count > 0) store_y(p, k);
  tw_ll_loop_end(l, &loop);
}

/* ---- sums */

static void take_sums(Loop *p, const TwLlTree *tree, TwLlVal *out) {
  TwLl *l = p->s->l;
  for (uint32_t k = 0; k < p->g->n_carry; k++) {
    TwTyInfo t = *result_info(p, k);
    TwLlVal v;
    if (t.dtype == TW_REAL) {
      v = tw_ll_contiguous(
          &t, tw_ll_at(l, tw_ll_type(l, TW_REAL, false), tree->cur, tw_ll_i64(l, p->acc_at[k])), false);
    } else {
      TwLlVal lanes = accumulators(p, k);
      v = tw_ll_new_tensor(l, &t, false);
      tw_ll_own(p->s, v.block, p->s->facts->last[p->r]);
      v.block = 0;
      if (t.count > 0) {
        TwLlNest nest;
        tw_ll_nest(l, &nest, t.rank, t.dims);
        LLVMValueRef x = tw_ll_load(l, TW_INT, true, tw_ll_view_ptr(l, &lanes, nest.at.i));
        tw_ll_store(l, TW_INT, tw_ll_fold_halves(l, TW_INT, x), tw_ll_view_ptr(l, &v, nest.at.i));
        tw_ll_nest_end(l, &nest);
      }
    }
    out[k] = t.rank ? v : tw_ll_scalar(t.dtype, tw_ll_load(l, t.dtype, false, v.ptr));
  }
}

static void run_chunks(Loop *p, const TwLlTree *tree) {
  TwLl *l = p->s->l;
  LLVMValueRef chunk = tw_ll_i64(l, 0), count = tw_ll_i64(l, p->blocks);
  TwLlLoop loop = {0};
  if (p->chunks > 1) {
    loop = tw_ll_loop(l, tw_ll_i64(l, p->chunks));
    chunk = loop.i;
    count = tw_ll_i64(l, TW_CHUNK_BLOCKS);
    int64_t rest = p->blocks % TW_CHUNK_BLOCKS;
    if (rest) {
      LLVMValueRef is_last = LLVMBuildICmp(l->b, LLVMIntEQ, chunk, tw_ll_i64(l, p->chunks - 1), "");
      count = tw_ll_select(l, is_last, tw_ll_i64(l, rest), count);
    }
  }
  p->b->seg = p;
  for (uint32_t k = 0; p->cut->straight && k < p->cut->segments.len; k++) emit_segment(p, k, chunk, count);
  if (!p->cut->straight) emit_whole(p, chunk, count);
  p->b->seg = NULL;
  if (p->n_real) {
    tw_ll_fold_many(l, p->acc, tree->cur, p->n_real);
    tw_ll_tree_push(l, tree, chunk);
  }
  if (p->chunks > 1) tw_ll_loop_end(l, &loop);
  if (p->n_real) tw_ll_tree_finish(l, tree);
}

/* No samples: sums are zero, stacked results empty. */
static void no_samples(TwLlScope *s, TwRef r, TwLlVal *out) {
  const TwRegion *g = tw_region(s->fn, r);
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) {
    TwRef x = g->body->results.at[k];
    TwTyInfo t = *tw_ty_info(s->fn->module, k < g->n_carry
                                                ? tw_type(g->body, x)
                                                : tw_ty_lead(s->fn->module, 0, tw_type(g->body, x)));
    out[k] = tw_ll_scalar(t.dtype, tw_ll_zero(s->l, t.dtype, false));
    out[k].rank = t.rank;
    for (uint32_t j = 0; j < t.rank; j++) out[k].dims[j] = t.dims[j];
  }
}

void tw_ll_samples(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  const TwLlRegionFacts *rf = &s->facts->regions[r];
  if (rf->serial) {
    tw_ll_serial_samples(s, r);
    return;
  }
  TwLlVal *out = TW_NEW_N(l->arena, TwLlVal, g->n_carry + g->n_ys + 1);
  s->val[r] = (TwLlVal){.kind = TW_LL_TUPLE, .dtype = TW_TUPLE, .parts = out};
  if (g->trip == 0) {
    no_samples(s, r, out);
    return;
  }
  Loop p = {.s = s, .r = r, .g = g, .n = g->trip};
  p.b = tw_ll_scope(l, rf->body);
  p.blocks = (p.n + TW_LANES - 1) / TW_LANES;
  p.chunks = (p.n + TW_CHUNK - 1) / TW_CHUNK;
  p.xs = TW_NEW_N(l->arena, TwLlVal, g->n_xs + 1);
  p.ys = TW_NEW_N(l->arena, TwLlVal, g->n_ys + 1);
  p.acc_at = TW_NEW_N(l->arena, uint32_t, g->n_carry + 1);
  p.cut = tw_ll_cut(l->arena, rf->body, g->n_carry, l->bits, l->f64);
  before_loop(&p);
  lay_out(&p);
  TwLlTree tree = tw_ll_tree(l, TW_REAL, false, p.n_real, p.chunks);
  tw_ll_own(s, tree.block, s->facts->last[r]);
  if (p.n_int) zero_accumulators(&p, TW_INT);
  run_chunks(&p, &tree);
  take_sums(&p, &tree, out);
  for (uint32_t k = 0; k < g->n_ys; k++) out[g->n_carry + k] = p.ys[k];
  tw_ll_scope_end(p.b);
  tw_ll_free(l, p.acc_block);
  tw_ll_free(l, p.int_block);
  tw_ll_free(l, p.scratch_block);
}
