/* samples.c: the loop over a data set, sixteen samples at a time.
 *
 *   what is uniform in the body
 *   for each chunk of 512 samples
 *     for each piece of a straight body         (layers.c)
 *       for each block of sixteen samples
 *         lane code; sums in registers
 *     or for each block all of another body; sums in memory
 *     fold accumulators to the chunk's sums; enter these into the tree of chunks   (fold.c)
 *
 * The chunks of a large loop may be shared by threads (outline.c): the order of the tree is by number.
 *
 * The last block may be ragged: its lanes past the end compute with whatever the padding holds, and
 * change no accumulator: the new value is selected by a mask, which on AVX-512 is part of the fma. */
#include "compiler/llvm/ll.h"

typedef TwLlLanes Loop;

enum { MIN_CHUNKS = 4, WORTH = 200000 /* operations */ };

static const TwTyInfo *result_info(const Loop *p, uint32_t k) { return tw_info(p->g->body, p->g->body->results.at[k]); }

/* ---- before the loop */

/* A straight body reads its columns from memory, always. */
static TwLlVal column(TwLlScope *s, TwRef r, TwRef a, bool straight) {
  TwLl *l = s->l;
  TwLlVal x = tw_ll_for_body(s, a);
  bool in_memory = x.rank > 1 || (x.padded && x.dtype == TW_REAL && x.stride[0] == 1);
  if (x.kind == TW_LL_SCALAR ? !straight : in_memory) return x;
  TwLlVal c = tw_ll_new_tensor(l, tw_info(s->fn, a), false);
  tw_ll_own(s, c.block, r);
  tw_ll_copy(l, &x, &c);
  return c;
}

void tw_ll_pool_scalars(TwLlScope *b, TwLlScope *owner, TwRef last) {
  TwLl *l = b->l;
  const TwPlFacts *x = b->facts;
  const TwFn *f = x->fn;
  uint8_t *wanted = TW_NEW_N(l->arena, uint8_t, f->insts.len);
  uint64_t n = 0, each = tw_ll_bytes(l, TW_REAL, false);
  for (TwRef r = 1; r < f->insts.len; r++)
    for (uint32_t k = 0; x->uses[r] && x->inner[r] && k < tw_inst(f, r)->n_args; k++) {
      TwRef a = tw_arg(f, r, k);
      const TwLlVal *v = &b->val[a];
      bool pooled = v->kind == TW_LL_SCALAR && !v->ptr && !LLVMIsConstant(v->v) && v->dtype == TW_REAL && v->rank == 0;
      if (pooled && !wanted[a]) wanted[a] = 1, n++;
    }
  if (n == 0) return;
  uint32_t block = tw_ll_alloc(l, n * each);
  tw_ll_own(owner, block, last);
  LLVMValueRef pool = tw_ll_block_ptr(l, block);
  uint64_t at = 0;
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!wanted[r]) continue;
    b->val[r].ptr = tw_ll_byte_at(l, pool, at);
    tw_ll_store(l, TW_REAL, b->val[r].v, b->val[r].ptr);
    at += each;
  }
}

static void before_loop(Loop *p) {
  TwLlScope *s = p->s, *b = p->b;
  const TwRegion *g = p->g;
  const TwFn *f = g->body;
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_bind(b, k, tw_ll_for_body(s, tw_arg(s->fn, p->r, k)));
  for (uint32_t k = 0; k < g->n_xs; k++)
    if (b->facts->uses[f->params.at[g->n_consts + k]])
      p->xs[k] = column(s, p->r, tw_arg(s->fn, p->r, g->n_consts + k), p->cut->straight);
  for (uint32_t k = 0; k < g->n_ys; k++) {
    TwTy t = tw_ty_lead(s->fn->module, g->trip, tw_type(f, f->results.at[g->n_carry + k]));
    p->ys[k] = tw_ll_result_memory(s, p->r, g->n_carry + k, tw_ty_info(s->fn->module, t), false);
  }
  for (TwRef r = 1; r < f->insts.len; r++)
    if (!b->facts->inner[r]) tw_ll_inst(b, r);
  tw_ll_pool_scalars(b, s, p->r);
  if (p->cut->straight) tw_ll_pool_splats(p, p->cut, b, s, p->r);
}

/* Large outer products that a group reads: what they are the sums of is kept until then. */
static void find_strips(Loop *p) {
  for (uint32_t k = 0; k < p->g->n_carry; k++) {
    if (p->how[k].how != TW_PL_STRIPS) continue;
    p->strips[k] = TW_NEW(p->s->l->arena, TwLlOuter);
    *p->strips[k] = tw_ll_outer(p, k);
    p->s->strips[p->how[k].get] = p->strips[k];
  }
}

/* Those with accumulators in memory first. */
static void number_sums(Loop *p) {
  for (uint32_t direct = 0; direct < 2; direct++) {
    for (uint32_t k = 0; k < p->g->n_carry; k++) {
      const TwTyInfo *t = result_info(p, k);
      if ((p->how[k].how != TW_PL_IN_MEMORY) != direct || p->strips[k]) continue;
      int64_t *n = t->dtype == TW_REAL ? &p->n_real : &p->n_int;
      p->acc_at[k] = *n;
      *n += t->count;
    }
    if (direct) continue;
    p->n_acc = p->n_real;
    p->n_real = (p->n_real + TW_LANES - 1) / TW_LANES * TW_LANES; /* whole vectors are folded */
  }
}

/* What a thread that runs chunks needs: accumulators, and rows of the body's values. */
typedef struct Memory {
  uint32_t acc_block, scratch_block;
  TwLlLayers *layers;
  LLVMValueRef scratch;
} Memory;

static Memory memory(Loop *p) {
  TwLl *l = p->s->l;
  Memory m = {0};
  uint64_t padded = ((uint64_t)p->n_acc + TW_LANES - 1) / TW_LANES * TW_LANES;
  uint64_t reals = padded * tw_ll_bytes(l, TW_REAL, true), ints = (uint64_t)p->n_int * tw_ll_bytes(l, TW_INT, true);
  m.acc_block = tw_ll_alloc(l, reals + ints);
  p->acc = tw_ll_block_ptr(l, m.acc_block);
  p->whole = tw_ll_byte_at(l, p->acc, reals);
  uint64_t bytes = 0;
  m.layers = p->cut->straight ? tw_ll_layers(p, &bytes) : NULL;
  m.scratch_block = tw_ll_alloc(l, bytes);
  m.scratch = tw_ll_block_ptr(l, m.scratch_block);
  return m;
}

static void release(Loop *p, const Memory *m) {
  tw_ll_free(p->s->l, m->acc_block);
  tw_ll_free(p->s->l, m->scratch_block);
}

/* ---- a block */

LLVMValueRef tw_ll_mask(TwLl *l, LLVMValueRef some, LLVMValueRef n, LLVMValueRef exists) {
  if (l->m.masks) { /* a mask register, from an integer; n < 32 */
    LLVMTypeRef t = LLVMIntTypeInContext(l->ctx, l->lanes);
    LLVMValueRef one = LLVMConstInt(l->i32, 1, false),
                 bits = LLVMBuildShl(l->b, one, LLVMBuildTrunc(l->b, n, l->i32, ""), "");
    bits = LLVMBuildTrunc(l->b, LLVMBuildSub(l->b, bits, one, ""), t, "");
    bits = tw_ll_select(l, some, bits, LLVMConstAllOnes(t));
    if (exists) bits = tw_ll_select(l, exists, bits, LLVMConstNull(t));
    return LLVMBuildBitCast(l->b, bits, tw_ll_lanes_of(l, l->i1), "");
  }
  LLVMValueRef ids[TW_LANES];
  for (uint32_t k = 0; k < l->lanes; k++) ids[k] = LLVMConstInt(l->i32, k, false);
  n = LLVMBuildTrunc(l->b, tw_ll_select(l, some, n, tw_ll_i64(l, l->lanes)), l->i32, "");
  if (exists) n = tw_ll_select(l, exists, n, LLVMConstNull(l->i32));
  return LLVMBuildICmp(l->b, LLVMIntULT, LLVMConstVector(ids, l->lanes), tw_ll_splat(l, n), "");
}

LLVMValueRef tw_ll_is_last_block(Loop *p) {
  return LLVMBuildICmp(p->s->l->b, LLVMIntEQ, p->block, tw_ll_i64(p->s->l, p->blocks - 1), "");
}

static void enter_block(Loop *p, LLVMValueRef i) {
  TwLl *l = p->s->l;
  p->i = i;
  p->column = i;
  p->block = tw_ll_add(l, p->from, i);
  p->sub = tw_ll_i64(l, 0);
  p->mask = NULL;
  int64_t rest = p->n % TW_LANES;
  if (!rest) return;
  p->mask = tw_ll_mask(l, tw_ll_is_last_block(p), tw_ll_i64(l, rest), NULL);
}

LLVMValueRef tw_ll_masked(Loop *p, LLVMValueRef now, LLVMValueRef old) {
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
  LLVMValueRef from = tw_ll_add(l, tw_ll_mul(l, p->block, tw_ll_i64(l, TW_LANES)), p->sub);
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

void tw_ll_store_y(Loop *p, uint32_t k) {
  TwLl *l = p->s->l;
  const TwLlVal *y = &p->ys[k];
  TwRef r = p->g->body->results.at[p->g->n_carry + k];
  if (y->rank == 1 && y->stride[0] == 1 && (!p->mask || y->padded)) {
    LLVMValueRef first = tw_ll_add(l, tw_ll_mul(l, p->block, tw_ll_i64(l, TW_LANES)), p->sub);
    LLVMValueRef at = tw_ll_at(l, tw_ll_stored(l, y->dtype, false), y->ptr, first);
    tw_ll_store_run(l, y->dtype, tw_ll_operand(p->b, r, true), at, l->lanes);
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
  if (tw_pl_is_fma_sum(b->facts, e->k))
    now = tw_ll_fma(l, tw_ll_element(b, tw_arg(b->fn, r, 0), at), tw_ll_element(b, tw_arg(b->fn, r, 1), at), old);
  else now = tw_ll_fadd(l, e->acc->dtype, old, tw_ll_element(b, r, at));
  return tw_ll_masked(e->p, now, old);
}

static TwLlVal accumulators(Loop *p, uint32_t k) {
  TwLl *l = p->s->l;
  const TwTyInfo *t = result_info(p, k);
  LLVMValueRef base = t->dtype == TW_REAL ? p->acc : p->whole;
  return tw_ll_contiguous(t, tw_ll_at(l, tw_ll_type(l, t->dtype, true), base, tw_ll_i64(l, p->acc_at[k])), true);
}

static void zero_accumulators(Loop *p, TwDtype d) {
  TwLl *l = p->s->l;
  int64_t n = d == TW_REAL ? p->n_acc : p->n_int;
  TwTyInfo t = {.dtype = d, .rank = 1, .dims = {n}, .count = n};
  TwLlVal all = tw_ll_contiguous(&t, d == TW_REAL ? p->acc : p->whole, true);
  tw_ll_fill_zero(l, &all);
}

void tw_ll_forget_lanes(TwLlScope *b) {
  for (TwRef r = 1; r < b->fn->insts.len; r++)
    if (b->facts->varies[r]) b->val[r] = (TwLlVal){.kind = TW_LL_NONE};
}

static void emit_whole(Loop *p) {
  TwLl *l = p->s->l;
  TwLlScope *b = p->b;
  const TwRegion *g = p->g;
  tw_ll_forget_lanes(b);
  TwLlLoop loop = tw_ll_loop(l, p->count);
  enter_block(p, loop.i);
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
    if (p->ys[k].rank > 0 && tw_info(g->body, g->body->results.at[g->n_carry + k])->count > 0) tw_ll_store_y(p, k);
  tw_ll_loop_end(l, &loop);
}

/* ---- sums */

static void take_sums(Loop *p, const TwLlTree *tree, TwLlVal *out) {
  TwLl *l = p->s->l;
  for (uint32_t k = 0; k < p->g->n_carry; k++) {
    TwTyInfo t = *result_info(p, k);
    TwLlVal v;
    if (p->strips[k]) {
      for (uint32_t j = 0; j < 3; j++) tw_ll_own(p->s, p->strips[k]->block[j], p->s->facts->last[p->r]);
      v = tw_ll_contiguous(&t, tw_ll_nowhere(l), false); /* the reader says where */
    } else if (t.dtype == TW_REAL) {
      v = tw_ll_contiguous(&t, tw_ll_at(l, tw_ll_type(l, TW_REAL, false), tree->cur, tw_ll_i64(l, p->acc_at[k])),
                           false);
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

static void run_chunk(Loop *p, TwLlLayers *layers, LLVMValueRef scratch, LLVMValueRef chunk, LLVMValueRef count) {
  TwLl *l = p->s->l;
  LLVMValueRef first = tw_ll_mul(l, chunk, tw_ll_i64(l, TW_CHUNK_BLOCKS));
  if (!layers || p->goes_on) zero_accumulators(p, TW_REAL);
  p->from = first;
  p->count = count;
  if (!layers) {
    emit_whole(p);
  } else if (!p->passes) {
    tw_ll_run_layers(layers, scratch);
  } else {
    LLVMValueRef n = LLVMBuildAdd(l->b, count, tw_ll_i64(l, p->rows - 1), "");
    TwLlLoop pass = tw_ll_loop(l, LLVMBuildUDiv(l->b, n, tw_ll_i64(l, p->rows), ""));
    LLVMValueRef before = tw_ll_mul(l, pass.i, tw_ll_i64(l, p->rows));
    LLVMValueRef left = LLVMBuildSub(l->b, count, before, ""), rows = tw_ll_i64(l, p->rows);
    p->from = tw_ll_add(l, first, before);
    p->count = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, rows, ""), left, rows);
    tw_ll_run_layers(layers, scratch);
    tw_ll_loop_end(l, &pass);
  }
  if (p->n_acc) tw_ll_fold_many(l, p->acc, p->sums, (uint64_t)p->n_acc);
}

static LLVMValueRef blocks_of(Loop *p, LLVMValueRef chunk) {
  TwLl *l = p->s->l;
  int64_t rest = p->blocks % TW_CHUNK_BLOCKS;
  if (p->chunks == 1 || !rest) return tw_ll_i64(l, p->chunks == 1 ? p->blocks : TW_CHUNK_BLOCKS);
  LLVMValueRef is_last = LLVMBuildICmp(l->b, LLVMIntEQ, chunk, tw_ll_i64(l, p->chunks - 1), "");
  return tw_ll_select(l, is_last, tw_ll_i64(l, rest), tw_ll_i64(l, TW_CHUNK_BLOCKS));
}

/* Integer sums lie in the accumulators until they are taken: the memory is the caller's to release. */
static Memory run_chunks(Loop *p, const TwLlTree *tree) {
  TwLl *l = p->s->l;
  Memory m = memory(p);
  LLVMValueRef chunk = tw_ll_i64(l, 0);
  TwLlLoop loop = {0};
  if (p->n_int) zero_accumulators(p, TW_INT);
  if (p->chunks > 1) loop = tw_ll_loop(l, tw_ll_i64(l, p->chunks)), chunk = loop.i;
  p->sums = tree->cur;
  run_chunk(p, m.layers, m.scratch, chunk, blocks_of(p, chunk));
  if (p->n_real) tw_ll_tree_push(l, tree, chunk);
  if (p->chunks > 1) tw_ll_loop_end(l, &loop);
  if (p->n_real) tw_ll_tree_finish(l, tree);
  return m;
}

/* The same by threads: each does a range of the chunks in memory of its own and leaves the sums of each chunk in
 * a row, from where they enter the tree in order. */
static void share_chunks(Loop *p, const TwLlTree *tree) {
  TwLl *l = p->s->l;
  uint64_t each = tree->n * tw_ll_bytes(l, TW_REAL, false);
  uint32_t rows_block = tw_ll_alloc(l, each * (uint64_t)p->chunks);
  LLVMValueRef rows = tw_ll_block_ptr(l, rows_block), n = tw_ll_i64(l, p->chunks), size = tw_ll_i64(l, (int64_t)each);
  TwLlOutline o = tw_ll_outline(l);
  Memory m = memory(p);
  TwLlLoop loop = tw_ll_loop(l, LLVMBuildSub(l->b, o.end, o.begin, ""));
  LLVMValueRef chunk = tw_ll_add(l, o.begin, loop.i);
  p->sums = tw_ll_at(l, l->i8, rows, tw_ll_mul(l, chunk, size));
  run_chunk(p, m.layers, m.scratch, chunk, blocks_of(p, chunk));
  tw_ll_loop_end(l, &loop);
  release(p, &m);
  tw_ll_outline_end(l, &o, n);
  if (p->n_real) {
    TwLlLoop all = tw_ll_loop(l, n);
    tw_ll_tree_push_from(l, tree, tw_ll_at(l, l->i8, rows, tw_ll_mul(l, all.i, size)), all.i);
    tw_ll_loop_end(l, &all);
    tw_ll_tree_finish(l, tree);
  }
  tw_ll_free(l, rows_block);
  if (p->chunks > l->chunks) l->chunks = p->chunks;
}

/* Operations of a sample. */
static uint64_t work_of(const TwFn *f) {
  uint64_t n = 0;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    uint64_t once = 1;
    if (op == TW_OP_scan || op == TW_OP_samples)
      once = (uint64_t)tw_region(f, r)->trip * work_of(tw_region(f, r)->body);
    else if (op == TW_OP_cond) once = work_of(tw_region(f, r)->body) + work_of(tw_region(f, r)->other);
    else if (op != TW_OP_param && op != TW_OP_const && op != TW_OP_get) once = (uint64_t)tw_info(f, r)->count;
    n += once < WORTH ? once : WORTH;
  }
  return n;
}

/* Is the loop large enough that threads which share it gain more than they wait for one another? */
static bool is_worth_sharing(const Loop *p) {
  return p->n_int == 0 && p->chunks >= MIN_CHUNKS && work_of(p->g->body) * (uint64_t)p->n >= WORTH;
}

/* No samples: sums are zero, stacked results empty. */
static void no_samples(TwLlScope *s, TwRef r, TwLlVal *out) {
  const TwRegion *g = tw_region(s->fn, r);
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) {
    TwRef x = g->body->results.at[k];
    TwTyInfo t = *tw_ty_info(s->fn->module,
                             k < g->n_carry ? tw_type(g->body, x) : tw_ty_lead(s->fn->module, 0, tw_type(g->body, x)));
    out[k] = tw_ll_scalar(t.dtype, tw_ll_zero(s->l, t.dtype, false));
    out[k].rank = t.rank;
    for (uint32_t j = 0; j < t.rank; j++) out[k].dims[j] = t.dims[j];
  }
}

void tw_ll_samples(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  const TwPlRegionFacts *rf = &s->facts->regions[r];
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
  p.acc_at = TW_NEW_N(l->arena, int64_t, g->n_carry + 1);
  p.cut = tw_pl_cut(l->arena, rf->body, g, &l->m, l->f64);
  before_loop(&p);
  if (p.cut->straight) tw_ll_passes(&p);
  p.how = tw_pl_sums(l->arena, s->facts, r, p.cut, &l->m, l->f64);
  p.strips = TW_NEW_N(l->arena, TwLlOuter *, g->n_carry + 1);
  find_strips(&p);
  number_sums(&p);
  TwLlTree tree = tw_ll_tree(l, TW_REAL, false, (uint64_t)p.n_real, p.chunks);
  tw_ll_own(s, tree.block, s->facts->last[r]);
  bool share = is_worth_sharing(&p);
  Memory m = {0};
  if (share) share_chunks(&p, &tree);
  else m = run_chunks(&p, &tree);
  take_sums(&p, &tree, out);
  if (!share) release(&p, &m);
  for (uint32_t k = 0; k < g->n_ys; k++) out[g->n_carry + k] = p.ys[k];
  tw_ll_scope_end(p.b);
}
