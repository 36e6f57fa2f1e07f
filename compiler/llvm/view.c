/* view.c: tensors in memory. A view is a base address, sizes and strides in elements; taking a slice,
 * a row, a transpose or a broadcast of a view costs nothing when the program runs. */
#include "compiler/llvm/ll.h"

TwLlVal tw_ll_scalar(TwDtype d, LLVMValueRef v) {
  return (TwLlVal){.kind = TW_LL_SCALAR, .dtype = d, .lanes = tw_ll_is_lanes(v), .v = v};
}

TwLlVal tw_ll_contiguous(const TwTyInfo *t, LLVMValueRef ptr, bool lanes) {
  TwLlVal v = {.kind = TW_LL_VIEW, .dtype = t->dtype, .lanes = lanes, .rank = t->rank, .ptr = ptr};
  int64_t stride = 1;
  for (uint32_t k = t->rank; k-- > 0;) {
    v.dims[k] = t->dims[k];
    v.stride[k] = stride;
    stride *= t->dims[k];
  }
  return v;
}

bool tw_ll_is_contiguous(const TwLlVal *v) {
  int64_t stride = v->unit ? v->unit : 1;
  for (uint32_t k = v->rank; k-- > 0;) {
    if (v->dims[k] != 1 && v->stride[k] != stride) return false;
    stride *= v->dims[k];
  }
  return true;
}

static LLVMValueRef offset_of(TwLl *l, const TwLlVal *v, const LLVMValueRef *i) {
  LLVMValueRef at = tw_ll_i64(l, 0);
  for (uint32_t k = 0; k < v->rank; k++)
    if (v->stride[k] != 0 && v->dims[k] != 1) at = tw_ll_add(l, at, tw_ll_mul(l, i[k], tw_ll_i64(l, v->stride[k])));
  return at;
}

LLVMValueRef tw_ll_view_ptr(TwLl *l, const TwLlVal *v, const LLVMValueRef *i) {
  return tw_ll_at(l, tw_ll_stored(l, v->dtype, v->lanes), v->ptr, offset_of(l, v, i));
}

TwLlVal tw_ll_row(TwLl *l, const TwLlVal *v, LLVMValueRef i) {
  tw_ll_assert(l, v->rank > 0 && (v->kind == TW_LL_VIEW || v->kind == TW_LL_SCALAR));
  TwLlVal row = *v;
  row.rank = v->rank - 1;
  row.padded = false;
  row.room = 0;
  for (uint32_t k = 0; k < row.rank; k++) {
    row.dims[k] = v->dims[k + 1];
    row.stride[k] = v->stride[k + 1];
  }
  if (v->kind == TW_LL_VIEW)
    row.ptr = tw_ll_at(l, tw_ll_stored(l, v->dtype, v->lanes), v->ptr, tw_ll_mul(l, i, tw_ll_i64(l, v->stride[0])));
  return row;
}

LLVMValueRef tw_ll_view_load(TwLl *l, const TwLlVal *v, const TwLlAt *at) {
  LLVMTypeRef t = tw_ll_stored(l, v->dtype, v->lanes);
  if (at->flat) {
    LLVMValueRef p = tw_ll_at(l, t, v->ptr, at->i[0]);
    return at->run >= 0 ? tw_ll_load_run(l, v->dtype, p, at->n) : tw_ll_load(l, v->dtype, v->lanes, p);
  }
  LLVMValueRef off = offset_of(l, v, at->i);
  if (tw_ll_is_lanes(off)) return tw_ll_gather(l, v->dtype, v->lanes, v->ptr, off);
  LLVMValueRef p = tw_ll_at(l, t, v->ptr, off);
  if (at->run >= 0 && v->stride[at->run] == 1) {
    tw_ll_assert(l, !v->lanes);
    return tw_ll_load_run(l, v->dtype, p, at->n);
  }
  return tw_ll_load(l, v->dtype, v->lanes, p);
}

/* ---- loops over an index space */

void tw_ll_nest(TwLl *l, TwLlNest *n, uint32_t rank, const int64_t *dims) {
  *n = (TwLlNest){.rank = rank, .at = {.run = -1}};
  for (uint32_t k = 0; k < rank; k++) {
    tw_ll_assert(l, dims[k] > 0);
    n->is_loop[k] = dims[k] > 1;
    if (n->is_loop[k]) {
      n->loops[k] = tw_ll_loop(l, tw_ll_i64(l, dims[k]));
      n->at.i[k] = n->loops[k].i;
    } else {
      n->at.i[k] = tw_ll_i64(l, 0);
    }
  }
}

void tw_ll_nest_end(TwLl *l, TwLlNest *n) {
  for (uint32_t k = n->rank; k-- > 0;)
    if (n->is_loop[k]) tw_ll_loop_end(l, &n->loops[k]);
}

/* ---- filling memory element by element */

static int64_t count_of(const TwLlVal *v) {
  int64_t n = 1;
  for (uint32_t k = 0; k < v->rank; k++) n *= v->dims[k];
  return n;
}

int64_t tw_ll_room(const TwLlVal *v) {
  if (!v->padded) return v->room;
  return (count_of(v) + TW_LANES - 1) / TW_LANES * TW_LANES;
}

uint32_t tw_ll_stored_of_run(const TwLl *l, const TwLlVal *to, int64_t from, uint32_t n) {
  uint32_t w = tw_machine_lanes(&l->m, l->f64), whole = (n + w - 1) / w * w;
  return to->dtype == TW_REAL && from + whole <= tw_ll_room(to) ? whole : n;
}

static void store_at(TwLl *l, const TwLlVal *to, const TwLlAt *at, LLVMValueRef v) {
  LLVMValueRef p = at->flat ? tw_ll_at(l, tw_ll_stored(l, to->dtype, to->lanes), to->ptr, at->i[0])
                            : tw_ll_view_ptr(l, to, at->i);
  if (at->run >= 0) tw_ll_store_run(l, to->dtype, v, p, at->stored);
  else tw_ll_store(l, to->dtype, to->lanes ? tw_ll_splat(l, v) : v, p);
}

/* Elements at->i[axis] = 0 … n - 1 in runs of sixteen, the last one shorter. */
static void fill_runs(TwLl *l, const TwLlVal *to, TwLlAt at, int axis, int64_t n, TwLlGen gen, void *env) {
  at.run = axis;
  at.n = at.stored = TW_LANES;
  int64_t full = n / TW_LANES;
  LLVMValueRef sixteen = tw_ll_i64(l, TW_LANES);
  if (full > 1) {
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, full));
    at.i[axis] = tw_ll_mul(l, p.i, sixteen);
    store_at(l, to, &at, gen(env, &at));
    tw_ll_loop_end(l, &p);
  } else if (full == 1) {
    at.i[axis] = tw_ll_i64(l, 0);
    store_at(l, to, &at, gen(env, &at));
  }
  at.n = (uint32_t)(n % TW_LANES);
  if (at.n == 0) return;
  at.stored = at.flat || to->rank == 1 ? tw_ll_stored_of_run(l, to, full * TW_LANES, at.n) : at.n;
  at.i[axis] = tw_ll_i64(l, full * TW_LANES);
  store_at(l, to, &at, gen(env, &at));
}

void tw_ll_fill(TwLl *l, const TwLlVal *to, TwLlGen gen, void *env, bool flat_ok, bool run_ok) {
  int64_t n = count_of(to);
  if (n == 0) return;
  enum { WORTH_A_RUN = 4 };
  if (!to->lanes && flat_ok && n >= WORTH_A_RUN && tw_ll_is_contiguous(to)) {
    fill_runs(l, to, (TwLlAt){.flat = true}, 0, n, gen, env);
    return;
  }
  TwLlNest nest;
  int last = (int)to->rank - 1;
  if (!to->lanes && run_ok && last >= 0 && to->dims[last] >= WORTH_A_RUN && to->stride[last] == 1) {
    tw_ll_nest(l, &nest, (uint32_t)last, to->dims);
    fill_runs(l, to, nest.at, last, to->dims[last], gen, env);
  } else {
    tw_ll_nest(l, &nest, to->rank, to->dims);
    store_at(l, to, &nest.at, gen(env, &nest.at));
  }
  tw_ll_nest_end(l, &nest);
}

void tw_ll_fill_flat(TwLl *l, const TwLlVal *to, TwLlGen gen, void *env) {
  tw_ll_assert(l, tw_ll_is_contiguous(to) && !to->lanes);
  if (count_of(to) > 0) fill_runs(l, to, (TwLlAt){.flat = true}, 0, count_of(to), gen, env);
}

typedef struct CopyEnv {
  TwLl *l;
  const TwLlVal *from;
} CopyEnv;

static LLVMValueRef copy_gen(void *env, const TwLlAt *at) {
  CopyEnv *e = env;
  return e->from->kind == TW_LL_SCALAR ? e->from->v : tw_ll_view_load(e->l, e->from, at);
}

void tw_ll_copy(TwLl *l, const TwLlVal *from, const TwLlVal *to) {
  CopyEnv env = {l, from};
  bool scalar = from->kind == TW_LL_SCALAR;
  int last = (int)to->rank - 1;
  bool run = scalar || (!from->lanes && (last < 0 || from->stride[last] == 0 || from->stride[last] == 1));
  tw_ll_assert(l, !from->lanes || to->lanes);
  tw_ll_fill(l, to, copy_gen, &env, scalar || (!from->lanes && tw_ll_is_contiguous(from)), run);
}

void tw_ll_fill_zero(TwLl *l, const TwLlVal *to) {
  TwLlVal zero = tw_ll_scalar(to->dtype, tw_ll_zero(l, to->dtype, false));
  tw_ll_copy(l, &zero, to);
}
