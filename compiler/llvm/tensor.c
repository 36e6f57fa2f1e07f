/* tensor.c: tensor operations that are not reductions: elements of lazy values, shapes, assembly.
 *
 * A value of kind SCALAR with a shape has all elements alike. A lazy value is evaluated by index:
 * shape operations map the index, elementwise operations combine elements, leaves load. */
#include "compiler/llvm/ll.h"

/* ---- elements */

static TwLlAt index_zero(TwLl *l) {
  TwLlAt at = {.run = -1};
  for (uint32_t k = 0; k < TW_MAX_RANK; k++) at.i[k] = tw_ll_i64(l, 0);
  return at;
}

/* Indices of the operand's axes, from those of the result; sizes of 1 are skipped on both sides. */
static TwLlAt map_units(TwLl *l, const TwTyInfo *from, const TwTyInfo *to, const TwLlAt *at) {
  TwLlAt m = index_zero(l);
  m.n = at->n;
  for (uint32_t j = 0, k = 0; j < to->rank; j++) {
    if (to->dims[j] == 1) continue;
    while (from->dims[k] == 1) k++;
    if (at->run == (int)j) m.run = (int)k;
    m.i[k++] = at->i[j];
  }
  return m;
}

static TwLlAt map_index(TwLlScope *s, TwRef r, const TwLlAt *at) {
  TwLl *l = s->l;
  const TwTyInfo a = *tw_info(s->fn, tw_arg(s->fn, r, 0));
  TwOp op = tw_op(s->fn, r);
  if (op == TW_OP_reshape) return map_units(l, &a, tw_info(s->fn, r), at);
  TwLlAt m = {.run = -1, .n = at->n};
  for (uint32_t k = 0; k < a.rank; k++) {
    uint32_t from = k; /* the axis of the result that operand axis k is */
    if (op == TW_OP_broadcast) from = (uint32_t)tw_attr(s->fn, r, k);
    if (op == TW_OP_transpose)
      for (uint32_t j = 0; j < a.rank; j++)
        if (tw_attr(s->fn, r, j) == (int64_t)k) from = j;
    if (op == TW_OP_index) from = k - 1;
    if (op == TW_OP_index && k == 0) {
      m.i[0] = tw_ll_clamp(l, tw_ll_value(s, tw_arg(s->fn, r, 1)), a.dims[0]);
      continue;
    }
    m.i[k] = at->i[from];
    if (at->run == (int)from) m.run = (int)k;
    if (op == TW_OP_reverse && tw_attr(s->fn, r, 0) == (int64_t)k)
      m.i[k] = tw_ll_add(l, tw_ll_i64(l, a.dims[k] - 1), tw_ll_mul(l, m.i[k], tw_ll_i64(l, -1)));
    if (op == TW_OP_slice)
      m.i[k] = tw_ll_add(l, tw_ll_i64(l, tw_attr(s->fn, r, 2 * k)),
                         tw_ll_mul(l, m.i[k], tw_ll_i64(l, tw_attr(s->fn, r, 2 * k + 1))));
  }
  return m;
}

static LLVMValueRef iota_element(TwLl *l, const TwLlAt *at) {
  LLVMValueRef i = at->i[0];
  return at->run >= 0 ? tw_ll_add(l, tw_ll_splat(l, i), tw_ll_lane_ids(l)) : i;
}

/* Computes the element, whether or not the value is in memory. */
LLVMValueRef tw_ll_compute_element(TwLlScope *s, TwRef r, const TwLlAt *at) {
  TwLl *l = s->l;
  TwOp op = tw_op(s->fn, r);
  if (op == TW_OP_iota) return iota_element(l, at);
  if (tw_pl_is_elementwise(op)) {
    LLVMValueRef args[3];
    uint32_t n = tw_inst(s->fn, r)->n_args;
    for (uint32_t k = 0; k < n; k++) args[k] = tw_ll_element(s, tw_arg(s->fn, r, k), at);
    return tw_ll_op(l, op, tw_info(s->fn, tw_arg(s->fn, r, op == TW_OP_select ? 1 : 0))->dtype, args, n);
  }
  tw_ll_assert(l, op == TW_OP_broadcast || op == TW_OP_reshape || op == TW_OP_transpose || op == TW_OP_reverse ||
                      op == TW_OP_slice || op == TW_OP_index);
  if (at->flat) return tw_ll_element(s, tw_arg(s->fn, r, 0), at); /* a reshape: the order stays */
  TwLlAt m = map_index(s, r, at);
  return tw_ll_element(s, tw_arg(s->fn, r, 0), &m);
}

LLVMValueRef tw_ll_element(TwLlScope *s, TwRef r, const TwLlAt *at) {
  const TwLlVal *v = &s->val[r];
  switch (v->kind) {
    case TW_LL_SCALAR: return v->v;
    case TW_LL_VIEW: return tw_ll_view_load(s->l, v, at);
    case TW_LL_LAZY: return tw_ll_compute_element(s, r, at);
    case TW_LL_NONE: /* a lane value that its segment has not loaded yet */
      tw_ll_assert(s->l, s->level);
      tw_ll_seg_load(s, r);
      tw_ll_assert(s->l, v->kind != TW_LL_NONE);
      return tw_ll_element(s, r, at);
    case TW_LL_TUPLE: break;
  }
  tw_ll_assert(s->l, v->kind != TW_LL_TUPLE);
  return NULL;
}

/* ---- can it be read in runs of sixteen? */

static bool args_ok(TwLlScope *s, TwRef r, bool flat, int axis) {
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
    TwRef a = tw_arg(s->fn, r, k);
    if (flat ? !tw_ll_flat_ok(s, a) : !tw_ll_run_ok(s, a, axis)) return false;
  }
  return true;
}

/* As if it were one axis, in row-major order. */
static bool computed_flat_ok(TwLlScope *s, TwRef r) {
  TwOp op = tw_op(s->fn, r);
  if (tw_pl_is_elementwise(op)) return args_ok(s, r, true, 0);
  if (op == TW_OP_reshape) return tw_ll_flat_ok(s, tw_arg(s->fn, r, 0));
  return op == TW_OP_iota;
}

bool tw_ll_flat_ok(TwLlScope *s, TwRef r) {
  const TwLlVal *v = &s->val[r];
  if (v->kind == TW_LL_SCALAR) return !v->lanes;
  if (v->kind == TW_LL_VIEW) return !v->lanes && tw_ll_is_contiguous(v);
  return v->kind == TW_LL_LAZY && computed_flat_ok(s, r);
}

static bool computed_run_ok(TwLlScope *s, TwRef r, int axis) {
  TwOp op = tw_op(s->fn, r);
  if (tw_pl_is_elementwise(op)) return args_ok(s, r, false, axis);
  TwRef a = tw_inst(s->fn, r)->n_args ? tw_arg(s->fn, r, 0) : 0;
  if (op == TW_OP_iota) return true;
  if (op == TW_OP_transpose) return tw_ll_run_ok(s, a, (int)tw_attr(s->fn, r, (uint32_t)axis));
  if (op == TW_OP_reverse) return tw_attr(s->fn, r, 0) != axis && tw_ll_run_ok(s, a, axis);
  if (op == TW_OP_slice) return tw_attr(s->fn, r, 2 * (uint32_t)axis + 1) == 1 && tw_ll_run_ok(s, a, axis);
  if (op == TW_OP_index) return !s->facts->varies[r] && tw_ll_run_ok(s, a, axis + 1);
  if (op != TW_OP_broadcast) return false;
  for (uint32_t k = 0; k < tw_info(s->fn, a)->rank; k++)
    if (tw_attr(s->fn, r, k) == axis) return tw_ll_run_ok(s, a, (int)k);
  return !s->facts->varies[r];
}

bool tw_ll_run_ok(TwLlScope *s, TwRef r, int axis) {
  const TwLlVal *v = &s->val[r];
  if (v->kind == TW_LL_SCALAR) return !v->lanes;
  if (v->kind == TW_LL_VIEW) return !v->lanes && (v->stride[axis] == 1 || v->stride[axis] == 0);
  return v->kind == TW_LL_LAZY && computed_run_ok(s, r, axis);
}

/* ---- evaluation into memory */

typedef struct ElementEnv {
  TwLlScope *s;
  TwRef r;
} ElementEnv;

static LLVMValueRef element_gen(void *env, const TwLlAt *at) {
  ElementEnv *e = env;
  return tw_ll_compute_element(e->s, e->r, at);
}

static void draw_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  TwLl *l = s->l;
  TwTyInfo t = *tw_info(s->fn, r);
  if (t.count == 0) return;
  TwLlNest nest;
  tw_ll_nest(l, &nest, t.rank, t.dims);
  TwLlVal flat = tw_ll_contiguous(&t, NULL, false);
  LLVMValueRef e = tw_ll_i64(l, 0);
  for (uint32_t k = 0; k < t.rank; k++) e = tw_ll_add(l, e, tw_ll_mul(l, nest.at.i[k], tw_ll_i64(l, flat.stride[k])));
  tw_ll_store(l, TW_REAL, tw_ll_draw_value(s, r, e), tw_ll_view_ptr(l, dest, nest.at.i));
  tw_ll_nest_end(l, &nest);
}

/* A few scalars, as one vector: a reader finds it in one piece. */
static bool scalars_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  TwLl *l = s->l;
  uint32_t n = tw_inst(s->fn, r)->n_args;
  if (dest->lanes || dest->rank != 1 || dest->dtype != TW_REAL || n > TW_LANES || tw_ll_room(dest) < n) return false;
  for (uint32_t k = 0; k < n; k++) {
    const TwLlVal *v = &s->val[tw_arg(s->fn, r, k)];
    if (v->kind != TW_LL_SCALAR || tw_ll_is_lanes(v->v) || tw_info(s->fn, tw_arg(s->fn, r, k))->count != 1)
      return false;
  }
  LLVMValueRef all = tw_ll_zero(l, TW_REAL, true);
  for (uint32_t k = 0; k < n; k++) {
    LLVMValueRef id = LLVMConstInt(l->i32, k, false);
    all = LLVMBuildInsertElement(l->b, all, s->val[tw_arg(s->fn, r, k)].v, id, "");
  }
  tw_ll_store_run(l, TW_REAL, all, dest->ptr, tw_ll_stored_of_run(l, dest, 0, n));
  return true;
}

static void concat_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  uint32_t axis = (uint32_t)tw_attr(s->fn, r, 0);
  TwLlVal part = *dest;
  if (scalars_into(s, r, dest)) return;
  part.padded = false;
  part.room = axis == 0 && tw_ll_is_contiguous(dest) ? tw_ll_room(dest) : 0; /* the next part is written after it */
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
    TwRef a = tw_arg(s->fn, r, k);
    part.dims[axis] = tw_info(s->fn, a)->dims[axis];
    tw_ll_into(s, a, &part);
    part.ptr = tw_ll_at(s->l, tw_ll_stored(s->l, dest->dtype, dest->lanes), part.ptr,
                        tw_ll_i64(s->l, part.dims[axis] * dest->stride[axis]));
    if (part.room) part.room -= tw_info(s->fn, a)->count;
  }
}

static void pad_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  TwRef a = tw_arg(s->fn, r, 0);
  TwLlVal part = *dest;
  int64_t start = 0;
  tw_ll_fill_zero(s->l, dest);
  if (tw_info(s->fn, a)->count == 0) return;
  part.padded = false;
  part.room = 0;
  for (uint32_t k = 0; k < dest->rank; k++) {
    start += tw_attr(s->fn, r, 2 * k) * dest->stride[k];
    part.stride[k] = dest->stride[k] * tw_attr(s->fn, r, 2 * k + 1);
    part.dims[k] = tw_info(s->fn, a)->dims[k];
  }
  part.ptr = tw_ll_at(s->l, tw_ll_stored(s->l, dest->dtype, dest->lanes), part.ptr, tw_ll_i64(s->l, start));
  tw_ll_into(s, a, &part);
}

static void compute_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  switch ((int)tw_op(s->fn, r)) {
    case TW_OP_concat: concat_into(s, r, dest); return;
    case TW_OP_pad: pad_into(s, r, dest); return;
    case TW_OP_draw: draw_into(s, r, dest); return;
    case TW_OP_dot: tw_ll_dot_into(s, r, dest); return;
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin:
    case TW_OP_argmask: tw_ll_reduce_into(s, r, dest); return;
  }
  ElementEnv env = {s, r};
  int last = (int)dest->rank - 1;
  bool uniform = !s->facts->varies[r];
  tw_ll_fill(s->l, dest, element_gen, &env, uniform && computed_flat_ok(s, r),
             uniform && last >= 0 && computed_run_ok(s, r, last));
}

void tw_ll_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  const TwLlVal *v = &s->val[r];
  if (v->kind == TW_LL_VIEW || v->kind == TW_LL_SCALAR) tw_ll_copy(s->l, v, dest);
  else compute_into(s, r, dest);
}

/* Puts the value into memory: where it is wanted, or into a block of its own. */
void tw_ll_materialize(TwLlScope *s, TwRef r) {
  if (s->val[r].kind == TW_LL_VIEW) return;
  TwLlVal v;
  if (s->home[r]) {
    v = *s->home[r];
    v.block = 0;
  } else {
    v = tw_ll_new_tensor(s->l, tw_info(s->fn, r), s->facts->varies[r]);
    tw_ll_own(s, v.block, s->facts->last[r]);
  }
  tw_ll_into(s, r, &v);
  s->val[r] = v;
}

/* ---- views of views */

static bool view_of(TwLlScope *s, TwRef r, TwLlVal *v) {
  TwLl *l = s->l;
  const TwTyInfo t = *tw_info(s->fn, r);
  TwLlVal a = *v;
  int64_t start = 0;
  TwOp op = tw_op(s->fn, r);
  if (op == TW_OP_reshape) {
    if (!tw_ll_is_contiguous(&a)) return false;
    TwLlVal c = tw_ll_contiguous(&t, a.ptr, a.lanes);
    for (uint32_t k = 0; k < t.rank; k++) v->stride[k] = c.stride[k] * (a.unit ? a.unit : 1);
  }
  for (uint32_t k = 0; k < t.rank && op == TW_OP_broadcast; k++) v->stride[k] = 0;
  for (uint32_t k = 0; k < a.rank; k++) {
    if (op == TW_OP_broadcast) v->stride[tw_attr(s->fn, r, k)] = a.stride[k];
    if (op == TW_OP_transpose) v->stride[k] = a.stride[tw_attr(s->fn, r, k)];
    if (op == TW_OP_reverse && tw_attr(s->fn, r, 0) == (int64_t)k) {
      start += (a.dims[k] - 1) * a.stride[k];
      v->stride[k] = -a.stride[k];
    }
    if (op == TW_OP_slice && t.dims[k] > 0) {
      start += tw_attr(s->fn, r, 2 * k) * a.stride[k];
      v->stride[k] = a.stride[k] * tw_attr(s->fn, r, 2 * k + 1);
    }
  }
  v->rank = t.rank;
  for (uint32_t k = 0; k < t.rank; k++) v->dims[k] = t.dims[k];
  v->padded = a.padded && op == TW_OP_reshape;
  v->room = 0;
  if (t.count > 0) v->ptr = tw_ll_at(l, tw_ll_stored(l, a.dtype, a.lanes), a.ptr, tw_ll_i64(l, start));
  return true;
}

static void reshaped_scalar(TwLlScope *s, TwRef r, const TwLlVal *from) {
  const TwTyInfo *t = tw_info(s->fn, r);
  TwLlVal v = *from;
  v.rank = t->rank;
  for (uint32_t k = 0; k < t->rank; k++) v.dims[k] = t->dims[k];
  s->val[r] = v;
}

void tw_ll_shape_op(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  TwRef a = tw_arg(s->fn, r, 0);
  const TwTyInfo t = *tw_info(s->fn, r);
  if (t.rank == 0) {
    TwLlAt at = index_zero(l);
    if (tw_info(s->fn, a)->rank == 0) s->val[r] = tw_ll_scalar(t.dtype, tw_ll_value(s, a));
    else s->val[r] = tw_ll_scalar(t.dtype, tw_ll_element(s, a, &at));
    const TwLlVal *from = &s->val[a];
    if (from->kind == TW_LL_VIEW && from->fixed && !from->lanes) s->val[r].ptr = tw_ll_view_ptr(l, from, at.i);
    return;
  }
  if (tw_info(s->fn, a)->rank == 0) tw_ll_value(s, a); /* may have to be loaded */
  TwLlVal v = s->val[a];
  if (v.kind == TW_LL_SCALAR) {
    reshaped_scalar(s, r, &v);
  } else if (v.kind == TW_LL_VIEW) {
    if (view_of(s, r, &v)) s->val[r] = v;
    else {
      const TwTyInfo *ta = tw_info(s->fn, a);
      TwLlVal c = tw_ll_new_tensor(l, ta, v.lanes); /* a reshape of what is not contiguous: a copy */
      tw_ll_own(s, c.block, s->facts->last[r]);
      tw_ll_copy(l, &v, &c);
      tw_ll_assert(l, view_of(s, r, &c));
      s->val[r] = c;
    }
  } else if (s->facts->lazy[r] == TW_PL_BY_ELEMENT) {
    s->val[r] = (TwLlVal){.kind = TW_LL_LAZY, .dtype = t.dtype, .lanes = s->facts->varies[r]};
  } else {
    tw_ll_materialize(s, a);
    tw_ll_shape_op(s, r);
  }
}

/* ---- index and add_at */

void tw_ll_index(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  TwRef a = tw_arg(s->fn, r, 0);
  const TwTyInfo t = *tw_info(s->fn, r), of = *tw_info(s->fn, a);
  TwLlVal *v = &s->val[a];
  if (v->kind == TW_LL_SCALAR) {
    reshaped_scalar(s, r, v);
    return;
  }
  if (t.rank > 0 && s->facts->lazy[r]) {
    s->val[r] = (TwLlVal){.kind = TW_LL_LAZY, .dtype = t.dtype, .lanes = s->facts->varies[r]};
    return;
  }
  LLVMValueRef i = tw_ll_clamp(l, tw_ll_value(s, tw_arg(s->fn, r, 1)), of.dims[0]);
  if (t.rank == 0) {
    TwLlAt at = {.run = -1, .i = {i}};
    s->val[r] = tw_ll_scalar(t.dtype, tw_ll_element(s, a, &at));
    if (v->kind == TW_LL_VIEW && v->fixed && !v->lanes && !tw_ll_is_lanes(i)) s->val[r].ptr = tw_ll_view_ptr(l, v, &i);
    return;
  }
  if (tw_ll_is_lanes(i)) {
    if (v->kind == TW_LL_LAZY) tw_ll_materialize(s, a);
    s->val[r].kind = TW_LL_LAZY;
    tw_ll_materialize(s, r);
    return;
  }
  if (v->kind == TW_LL_LAZY) tw_ll_materialize(s, a);
  s->val[r] = tw_ll_row(l, v, i);
}

typedef struct AddEnv {
  TwLlScope *s;
  const TwLlVal *row;
  TwRef v;
} AddEnv;

static LLVMValueRef add_gen(void *env, const TwLlAt *at) {
  AddEnv *e = env;
  return tw_ll_fadd(e->s->l, e->row->dtype, tw_ll_view_load(e->s->l, e->row, at), tw_ll_element(e->s, e->v, at));
}

/* Each lane adds at a place of its own: sixteen addresses, no two alike. */
static void add_at_lanes(TwLlScope *s, const TwLlVal *to, LLVMValueRef i, TwRef v) {
  TwLl *l = s->l;
  TwLlNest nest;
  tw_ll_nest(l, &nest, to->rank - 1, to->dims + 1);
  LLVMValueRef off = tw_ll_mul(l, i, tw_ll_i64(l, to->stride[0]));
  for (uint32_t k = 1; k < to->rank; k++)
    off = tw_ll_add(l, off, tw_ll_mul(l, nest.at.i[k - 1], tw_ll_i64(l, to->stride[k])));
  LLVMValueRef old = tw_ll_gather(l, to->dtype, true, to->ptr, off);
  tw_ll_scatter(l, to->dtype, tw_ll_fadd(l, to->dtype, old, tw_ll_element(s, v, &nest.at)), to->ptr, off, true, NULL);
  tw_ll_nest_end(l, &nest);
}

void tw_ll_add_at(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  TwRef a = tw_arg(s->fn, r, 0), v = tw_arg(s->fn, r, 2);
  const TwTyInfo t = *tw_info(s->fn, r);
  LLVMValueRef i = tw_ll_clamp(l, tw_ll_value(s, tw_arg(s->fn, r, 1)), t.dims[0]);
  TwLlVal to;
  if (s->facts->in_place[r] && s->val[a].kind == TW_LL_VIEW && s->val[a].lanes == s->facts->varies[r]) {
    to = s->val[a];
  } else {
    if (s->home[r]) {
      to = *s->home[r];
      to.block = 0;
    } else {
      to = tw_ll_new_tensor(l, &t, s->facts->varies[r]);
      tw_ll_own(s, to.block, s->facts->last[r]);
    }
    tw_ll_into(s, a, &to);
  }
  s->val[r] = to;
  if (t.rank == 1) tw_ll_value(s, v);
  if (tw_ll_is_lanes(i)) {
    add_at_lanes(s, &to, i, v);
    return;
  }
  TwLlVal row = tw_ll_row(l, &to, i);
  AddEnv env = {s, &row, v};
  int last = (int)row.rank - 1;
  bool uniform = !to.lanes;
  tw_ll_fill(l, &row, add_gen, &env, uniform && tw_ll_is_contiguous(&row) && tw_ll_flat_ok(s, v),
             uniform && last >= 0 && row.stride[last] == 1 && tw_ll_run_ok(s, v, last));
}
