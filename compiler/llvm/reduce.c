/* reduce.c: sum, rmax, rmin, argmask and dot, each in the order of docs/architecture.md.
 *
 * The reduced elements are numbered in row-major order of the reduced axes. */
#include "compiler/llvm/ll.h"

typedef struct Reduce {
  TwLlScope *s;
  TwRef r, a;
  TwDtype dtype;
  bool lanes;
  uint32_t n_kept, n_axes;
  uint32_t kept[TW_MAX_RANK], axes[TW_MAX_RANK];
  TwTyInfo t; /* of the operand */
  int64_t count;
} Reduce;

static Reduce reduce_of(TwLlScope *s, TwRef r) {
  Reduce d = {.s = s, .r = r, .a = tw_arg(s->fn, r, 0), .count = 1};
  d.t = *tw_info(s->fn, d.a);
  d.dtype = d.t.dtype;
  d.lanes = s->facts->varies[d.a];
  uint32_t next = tw_op(s->fn, r) == TW_OP_argmask ? 1 : 0;
  for (uint32_t k = 0; k < d.t.rank; k++) {
    if (next < tw_inst(s->fn, r)->n_attrs && tw_attr(s->fn, r, next) == (int64_t)k) {
      d.axes[d.n_axes++] = k;
      d.count *= d.t.dims[k];
      next++;
    } else {
      d.kept[d.n_kept++] = k;
    }
  }
  return d;
}

/* Indices of number e among n axes of the given sizes, the last one fastest. */
void tw_ll_unflatten(TwLl *l, LLVMValueRef e, uint32_t n, const int64_t *dims, LLVMValueRef *out) {
  uint32_t left = 0;
  for (uint32_t k = 0; k < n; k++) left += dims[k] != 1;
  for (uint32_t k = n; k-- > 0;) {
    if (dims[k] == 1) {
      out[k] = tw_ll_i64(l, 0);
    } else if (--left == 0) {
      out[k] = e;
    } else {
      out[k] = LLVMBuildURem(l->b, e, tw_ll_i64(l, dims[k]), "");
      e = LLVMBuildUDiv(l->b, e, tw_ll_i64(l, dims[k]), "");
    }
  }
}

static TwLlAt place_of(const Reduce *d, const LLVMValueRef *kept, LLVMValueRef e) {
  TwLlAt at = {.run = -1};
  int64_t dims[TW_MAX_RANK];
  LLVMValueRef i[TW_MAX_RANK];
  for (uint32_t k = 0; k < d->n_axes; k++) dims[k] = d->t.dims[d->axes[k]];
  tw_ll_unflatten(d->s->l, e, d->n_axes, dims, i);
  for (uint32_t k = 0; k < d->n_axes; k++) at.i[d->axes[k]] = i[k];
  for (uint32_t k = 0; k < d->n_kept; k++) at.i[d->kept[k]] = kept[k];
  return at;
}

static LLVMValueRef element_of(const Reduce *d, const LLVMValueRef *kept, LLVMValueRef e) {
  TwLlAt at = place_of(d, kept, e);
  LLVMValueRef v = tw_ll_element(d->s, d->a, &at);
  return d->lanes ? tw_ll_splat(d->s->l, v) : v;
}

/* ---- sum */

static LLVMValueRef sum_in_order(const Reduce *d, const LLVMValueRef *kept) {
  TwLl *l = d->s->l;
  LLVMValueRef acc = element_of(d, kept, tw_ll_i64(l, 0));
  enum { UNROLL = 4 };
  if (d->count <= UNROLL) {
    for (int64_t e = 1; e < d->count; e++) acc = tw_ll_fadd(l, d->dtype, acc, element_of(d, kept, tw_ll_i64(l, e)));
    return acc;
  }
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, d->count - 1));
  LLVMValueRef phi = tw_ll_loop_phi(l, &p, acc);
  acc = tw_ll_fadd(l, d->dtype, phi, element_of(d, kept, tw_ll_add(l, p.i, tw_ll_i64(l, 1))));
  tw_ll_loop_next(l, phi, acc);
  tw_ll_loop_end(l, &p);
  return acc;
}

/* Runs of sixteen consecutive elements are one vector of partial sums. */
typedef struct Runs {
  const Reduce *d;
  const LLVMValueRef *kept;
  bool flat;
} Runs;

static LLVMValueRef run_of(const Runs *x, LLVMValueRef e, uint32_t n) {
  TwLlAt at = {.flat = x->flat, .run = 0, .n = n, .i = {e}};
  if (!x->flat) {
    for (uint32_t k = 0; k < x->d->n_kept; k++) at.i[x->d->kept[k]] = x->kept[k];
    at.run = (int)x->d->axes[0];
    at.i[at.run] = e;
  }
  return tw_ll_splat(x->d->s->l, tw_ll_element(x->d->s, x->d->a, &at));
}

/* Sum of `count` elements from number `from` on; a run that is not full leaves the other lanes alone. */
static LLVMValueRef chunk_of_runs(const Runs *x, LLVMValueRef from, int64_t count) {
  TwLl *l = x->d->s->l;
  LLVMValueRef acc = tw_ll_zero(l, TW_REAL, true);
  if (count >= TW_LANES) {
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, count / TW_LANES));
    LLVMValueRef phi = tw_ll_loop_phi(l, &p, acc);
    LLVMValueRef e = tw_ll_add(l, from, tw_ll_mul(l, p.i, tw_ll_i64(l, TW_LANES)));
    acc = tw_ll_fadd(l, TW_REAL, phi, run_of(x, e, TW_LANES));
    tw_ll_loop_next(l, phi, acc);
    tw_ll_loop_end(l, &p);
  }
  uint32_t rest = (uint32_t)(count % TW_LANES);
  if (rest) {
    LLVMValueRef e = tw_ll_add(l, from, tw_ll_i64(l, count - rest)), mask[TW_LANES];
    for (uint32_t k = 0; k < TW_LANES; k++) mask[k] = LLVMConstInt(l->i1, k < rest, false);
    acc = tw_ll_select(l, LLVMConstVector(mask, TW_LANES), tw_ll_fadd(l, TW_REAL, acc, run_of(x, e, rest)), acc);
  }
  return tw_ll_fold_halves(l, TW_REAL, acc);
}

static LLVMValueRef sum_by_runs(const Reduce *d, const LLVMValueRef *kept, bool flat) {
  TwLl *l = d->s->l;
  Runs x = {d, kept, flat};
  int64_t full = d->count / TW_CHUNK, rest = d->count % TW_CHUNK;
  if (full == 0) return chunk_of_runs(&x, tw_ll_i64(l, 0), rest);
  TwLlTree tree = tw_ll_tree(l, TW_REAL, false, 1, full + (rest > 0));
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, full));
  tw_ll_store(l, TW_REAL, chunk_of_runs(&x, tw_ll_mul(l, p.i, tw_ll_i64(l, TW_CHUNK)), TW_CHUNK), tree.cur);
  tw_ll_tree_push(l, &tree, p.i);
  tw_ll_loop_end(l, &p);
  if (rest) {
    tw_ll_store(l, TW_REAL, chunk_of_runs(&x, tw_ll_i64(l, full * TW_CHUNK), rest), tree.cur);
    tw_ll_tree_push(l, &tree, tw_ll_i64(l, full));
  }
  tw_ll_tree_finish(l, &tree);
  tw_ll_free(l, tree.block);
  return tw_ll_load(l, TW_REAL, false, tree.cur);
}

/* One element at a time, into sixteen partial sums in memory. */
static LLVMValueRef sum_by_elements(const Reduce *d, const LLVMValueRef *kept) {
  TwLl *l = d->s->l;
  int64_t chunks = (d->count + TW_CHUNK - 1) / TW_CHUNK;
  TwLlTree tree = tw_ll_tree(l, d->dtype, d->lanes, 1, chunks);
  uint64_t each = tw_ll_bytes(l, d->dtype, d->lanes);
  uint32_t block = tw_ll_alloc(l, TW_LANES * each);
  TwTyInfo sixteen = {.dtype = d->dtype, .rank = 1, .dims = {TW_LANES}, .count = TW_LANES};
  TwLlVal part = tw_ll_contiguous(&sixteen, tw_ll_block_ptr(l, block), d->lanes);
  TwLlLoop c = tw_ll_loop(l, tw_ll_i64(l, chunks));
  tw_ll_fill_zero(l, &part);
  LLVMValueRef from = tw_ll_mul(l, c.i, tw_ll_i64(l, TW_CHUNK)), n = tw_ll_i64(l, TW_CHUNK);
  if (d->count % TW_CHUNK) {
    LLVMValueRef last = LLVMBuildICmp(l->b, LLVMIntEQ, c.i, tw_ll_i64(l, chunks - 1), "");
    n = tw_ll_select(l, last, tw_ll_i64(l, d->count % TW_CHUNK), n);
  }
  TwLlLoop p = tw_ll_loop(l, n);
  LLVMValueRef lane = LLVMBuildAnd(l->b, p.i, tw_ll_i64(l, TW_LANES - 1), "");
  LLVMValueRef to = tw_ll_view_ptr(l, &part, &lane), x = element_of(d, kept, tw_ll_add(l, from, p.i));
  tw_ll_store(l, d->dtype, tw_ll_fadd(l, d->dtype, tw_ll_load(l, d->dtype, d->lanes, to), x), to);
  tw_ll_loop_end(l, &p);
  tw_ll_fold_memory(l, d->dtype, d->lanes, part.ptr, 1);
  tw_ll_store(l, d->dtype, tw_ll_load(l, d->dtype, d->lanes, part.ptr), tree.cur);
  tw_ll_tree_push(l, &tree, c.i);
  tw_ll_loop_end(l, &c);
  tw_ll_tree_finish(l, &tree);
  tw_ll_free(l, block);
  tw_ll_free(l, tree.block);
  return tw_ll_load(l, d->dtype, d->lanes, tree.cur);
}

static LLVMValueRef sum_value(const Reduce *d, const LLVMValueRef *kept) {
  if (d->count == 0) return tw_ll_zero(d->s->l, d->dtype, d->lanes);
  if (d->count <= TW_LANES) return sum_in_order(d, kept);
  if (!d->lanes && d->dtype == TW_REAL) {
    if (d->n_kept == 0 && tw_ll_flat_ok(d->s, d->a)) return sum_by_runs(d, kept, true);
    if (d->n_axes == 1 && tw_ll_run_ok(d->s, d->a, (int)d->axes[0])) return sum_by_runs(d, kept, false);
  }
  return sum_by_elements(d, kept);
}

/* ---- extrema */

/* The first extremum and, if asked, its number: a later element must be strictly beyond it. */
static LLVMValueRef extremum(const Reduce *d, const LLVMValueRef *kept, bool is_min, LLVMValueRef *number) {
  TwLl *l = d->s->l;
  LLVMValueRef best = element_of(d, kept, tw_ll_i64(l, 0));
  LLVMValueRef which = tw_ll_zero(l, TW_INT, d->lanes);
  if (d->count > 1) {
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, d->count - 1));
    LLVMValueRef old = tw_ll_loop_phi(l, &p, best), old_which = tw_ll_loop_phi(l, &p, which);
    LLVMValueRef e = tw_ll_add(l, p.i, tw_ll_i64(l, 1)), x = element_of(d, kept, e);
    LLVMValueRef args[2] = {is_min ? x : old, is_min ? old : x};
    LLVMValueRef beyond = tw_ll_op(l, TW_OP_lt, d->dtype, args, 2);
    best = tw_ll_select(l, beyond, x, old);
    which = tw_ll_select(l, beyond, d->lanes ? tw_ll_splat(l, e) : e, old_which);
    tw_ll_loop_next(l, old, best);
    tw_ll_loop_next(l, old_which, which);
    tw_ll_loop_end(l, &p);
  }
  if (number) *number = which;
  return best;
}

static void argmask_into(const Reduce *d, const TwLlVal *dest) {
  TwLl *l = d->s->l;
  int64_t dims[TW_MAX_RANK];
  for (uint32_t k = 0; k < d->n_kept; k++) dims[k] = d->t.dims[d->kept[k]];
  if (d->t.count == 0) return;
  TwLlNest nest;
  tw_ll_nest(l, &nest, d->n_kept, dims);
  LLVMValueRef which;
  extremum(d, nest.at.i, tw_attr(d->s->fn, d->r, 0) == 1, &which);
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, d->count));
  TwLlAt at = place_of(d, nest.at.i, p.i);
  LLVMValueRef args[2] = {which, p.i};
  LLVMValueRef hit = tw_ll_op(l, TW_OP_eq, TW_INT, args, 2);
  tw_ll_store(l, TW_BOOL, dest->lanes ? tw_ll_splat(l, hit) : hit, tw_ll_view_ptr(l, dest, at.i));
  tw_ll_loop_end(l, &p);
  tw_ll_nest_end(l, &nest);
}

/* ---- all of them */

static LLVMValueRef reduced(const Reduce *d, const LLVMValueRef *kept) {
  TwOp op = tw_op(d->s->fn, d->r);
  if (op == TW_OP_sum) return sum_value(d, kept);
  return extremum(d, kept, op == TW_OP_rmin, NULL);
}

LLVMValueRef tw_ll_reduce_scalar(TwLlScope *s, TwRef r) {
  if (tw_op(s->fn, r) == TW_OP_dot) return tw_ll_dot_scalar(s, r);
  Reduce d = reduce_of(s, r);
  tw_ll_assert(s->l, d.n_kept == 0);
  return reduced(&d, NULL);
}

void tw_ll_reduce_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  TwLl *l = s->l;
  Reduce d = reduce_of(s, r);
  if (tw_op(s->fn, r) == TW_OP_argmask) {
    argmask_into(&d, dest);
    return;
  }
  if (tw_info(s->fn, r)->count == 0) return;
  TwLlNest nest;
  tw_ll_nest(l, &nest, dest->rank, dest->dims);
  LLVMValueRef v = reduced(&d, nest.at.i);
  tw_ll_store(l, dest->dtype, dest->lanes ? tw_ll_splat(l, v) : v, tw_ll_view_ptr(l, dest, nest.at.i));
  tw_ll_nest_end(l, &nest);
}
