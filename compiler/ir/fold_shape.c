/* fold_shape.c: what a shape operation, a reduction or a dot simplifies to. The laws of fold.c hold.
 *
 * The forms that emission leaves behind are few: no slice of a slice, a broadcast or a concat that it
 * falls into one part of; no reshape of a reshape; steps are 1 where one element is taken. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"

typedef int64_t Axes[TW_MAX_RANK];
typedef int64_t Lattice[2 * TW_MAX_RANK]; /* start, step of each axis */

static TwTyInfo info(const TwFn *f, TwRef r) { return f->module->types.at[f->insts.at[r].type]; }
static bool is(const TwFn *f, TwRef r, TwOp op) { return tw_op(f, r) == op; }
static void copy_attrs(const TwFn *f, TwRef r, int64_t *to) {
  for (uint32_t k = 0; k < tw_inst(f, r)->n_attrs; k++) to[k] = tw_attr(f, r, k);
}
static bool ascending(const int64_t *axes, uint32_t n) {
  for (uint32_t k = 1; k < n; k++)
    if (axes[k] <= axes[k - 1]) return false;
  return true;
}
/* Which operand axis becomes this result axis, or -1. */
static int64_t axis_from(const int64_t *axes, uint32_t n, int64_t axis) {
  for (uint32_t k = 0; k < n; k++)
    if (axes[k] == axis) return k;
  return -1;
}

/* ---- broadcast, reshape, transpose, reverse */

static TwRef fold_broadcast(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  TwTyInfo from = info(f, a), to = *tw_ty_info(f->module, p->type);
  bool up = ascending(p->attrs, p->n_attrs);
  if (up && from.rank == to.rank) return a;
  if (up && from.count == to.count) return tw_reshape(f, a, p->type);
  if (!is(f, a, TW_OP_broadcast)) return 0;
  Axes axes;
  TwRef inner = tw_arg(f, a, 0);
  for (uint32_t k = 0; k < tw_inst(f, a)->n_attrs; k++) axes[k] = p->attrs[tw_attr(f, a, k)];
  return tw_broadcast(f, inner, p->type, axes);
}

static TwRef fold_reshape(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  if (tw_type(f, a) == p->type) return a;
  if (is(f, a, TW_OP_reshape)) return tw_reshape(f, tw_arg(f, a, 0), p->type);
  if (is(f, a, TW_OP_broadcast) && tw_info(f, tw_arg(f, a, 0))->rank == 0)
    return tw_broadcast(f, tw_arg(f, a, 0), p->type, NULL);
  return 0;
}

static TwRef fold_transpose(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  TwTyInfo from = info(f, a);
  Axes axes, wide;
  uint32_t n_wide = 0;
  for (uint32_t k = 0; k < from.rank; k++)
    if (from.dims[p->attrs[k]] != 1) wide[n_wide++] = p->attrs[k];
  if (ascending(wide, n_wide)) return tw_reshape(f, a, p->type);
  if (is(f, a, TW_OP_transpose)) {
    for (uint32_t k = 0; k < from.rank; k++) axes[k] = tw_attr(f, a, (uint32_t)p->attrs[k]);
    return tw_transpose(f, tw_arg(f, a, 0), axes);
  }
  if (is(f, a, TW_OP_broadcast)) {
    uint32_t n = tw_inst(f, a)->n_attrs;
    for (uint32_t k = 0; k < n; k++) axes[k] = axis_from(p->attrs, from.rank, tw_attr(f, a, k));
    if (ascending(axes, n)) return tw_broadcast(f, tw_arg(f, a, 0), p->type, axes);
  }
  return 0;
}

static TwRef fold_reverse(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  int64_t axis = p->attrs[0];
  if (info(f, a).dims[axis] <= 1) return a;
  if (is(f, a, TW_OP_reverse) && tw_attr(f, a, 0) == axis) return tw_arg(f, a, 0);
  if (!is(f, a, TW_OP_broadcast)) return 0;
  Axes axes;
  copy_attrs(f, a, axes);
  return axis_from(axes, tw_inst(f, a)->n_attrs, axis) < 0 ? a : 0;
}

/* ---- slice and pad */

/* One form for each lattice: a step that is not taken is 1, the start of nothing is 0. */
static bool normalise(const TwTyInfo *small, const TwProto *p, int64_t *lattice) {
  bool changed = false;
  for (uint32_t k = 0; k < small->rank; k++) {
    lattice[2 * k] = small->dims[k] ? p->attrs[2 * k] : 0;
    lattice[2 * k + 1] = small->dims[k] > 1 ? p->attrs[2 * k + 1] : 1;
    changed |= lattice[2 * k] != p->attrs[2 * k] || lattice[2 * k + 1] != p->attrs[2 * k + 1];
  }
  return changed;
}

static TwRef slice_of_broadcast(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0], from = tw_arg(f, a, 0);
  TwTyInfo t = info(f, from), to = *tw_ty_info(f->module, p->type);
  Lattice inner;
  Axes axes;
  for (uint32_t k = 0; k < t.rank; k++) {
    axes[k] = tw_attr(f, a, k);
    inner[2 * k] = p->attrs[2 * axes[k]];
    inner[2 * k + 1] = p->attrs[2 * axes[k] + 1];
    t.dims[k] = to.dims[axes[k]];
  }
  TwRef cut = tw_slice(f, from, tw_ty(f->module, t.dtype, t.rank, t.dims), inner);
  return tw_broadcast(f, cut, p->type, axes);
}

/* A slice with step 1 along the axis of a concat takes a stretch of each part it meets; any slice that
 * meets one part only is a slice of that part. */
static TwRef slice_of_concat(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  uint32_t axis = (uint32_t)tw_attr(f, a, 0), n = tw_inst(f, a)->n_args, taken = 0;
  TwTyInfo to = *tw_ty_info(f->module, p->type);
  int64_t start = p->attrs[2 * axis], step = p->attrs[2 * axis + 1], size = to.dims[axis], at = 0;
  if (size == 0) return 0;
  int64_t last = start + (size - 1) * step;
  TwRef *parts = tw_scratch(n, sizeof *parts);
  bool good = true;
  for (uint32_t k = 0; k < n && good; k++) {
    TwRef part = tw_arg(f, a, k);
    int64_t len = tw_info(f, part)->dims[axis];
    int64_t lo = start > at ? start : at, hi = last < at + len - 1 ? last : at + len - 1;
    if (lo <= hi) {
      bool whole = start >= at && last < at + len;
      good = whole || step == 1;
      Lattice cut;
      memcpy(cut, p->attrs, p->n_attrs * sizeof *cut);
      cut[2 * axis] = lo - at;
      to.dims[axis] = whole ? size : hi - lo + 1;
      if (good) parts[taken++] = tw_slice(f, part, tw_ty(f->module, to.dtype, to.rank, to.dims), cut);
    }
    at += len;
  }
  TwRef r = good ? tw_concat(f, parts, taken, axis) : 0;
  free(parts);
  return r;
}

/* Where along one axis a slice of a pad finds the padded tensor. */
typedef enum Meet { NOWHERE, INSIDE, UNCLEAR } Meet;
typedef struct Overlap {
  int64_t cut_start, cut_step, cut_size; /* slice of the inner tensor */
  int64_t pad_start, pad_step;           /* pad back to the size of the slice */
} Overlap;

static Meet meet(int64_t inner, int64_t ps, int64_t pt, int64_t start, int64_t step, int64_t size, Overlap *o) {
  if (inner == 0 || size == 0) return NOWHERE;
  if (size == 1) {
    if (start < ps || (start - ps) % pt || (start - ps) / pt >= inner) return NOWHERE;
    *o = (Overlap){(start - ps) / pt, 1, 1, 0, 1};
    return INSIDE;
  }
  if (step == pt && start == ps) {
    int64_t n = size < inner ? size : inner;
    *o = (Overlap){0, 1, n, 0, 1};
    return INSIDE;
  }
  if (step != 1 || (pt != 1 && inner > 1)) return UNCLEAR;
  int64_t lo = ps > start ? ps : start, hi = ps + inner < start + size ? ps + inner : start + size;
  if (lo >= hi) return NOWHERE;
  *o = (Overlap){lo - ps, 1, hi - lo, lo - start, 1};
  return INSIDE;
}

static TwRef slice_of_pad(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0], from = tw_arg(f, a, 0);
  TwTyInfo t = info(f, from), to = *tw_ty_info(f->module, p->type);
  Lattice cut, pad;
  bool unclear = false;
  for (uint32_t k = 0; k < t.rank; k++) {
    Overlap o = {0};
    Meet m = meet(t.dims[k], tw_attr(f, a, 2 * k), tw_attr(f, a, 2 * k + 1), p->attrs[2 * k], p->attrs[2 * k + 1],
                  to.dims[k], &o);
    if (m == NOWHERE) return tw_zeros(f, p->type);
    unclear |= m == UNCLEAR;
    cut[2 * k] = o.cut_start, cut[2 * k + 1] = o.cut_step;
    pad[2 * k] = o.pad_start, pad[2 * k + 1] = o.pad_step;
    t.dims[k] = o.cut_size;
  }
  if (unclear) return 0;
  TwRef inner = tw_slice(f, from, tw_ty(f->module, t.dtype, t.rank, t.dims), cut);
  return tw_pad(f, inner, p->type, pad);
}

static TwRef fold_slice(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  TwTyInfo to = *tw_ty_info(f->module, p->type);
  Lattice lattice;
  if (tw_type(f, a) == p->type) return a;
  if (normalise(&to, p, lattice)) return tw_slice(f, a, p->type, lattice);
  switch ((int)tw_op(f, a)) {
    case TW_OP_slice:
      for (uint32_t k = 0; k < to.rank; k++) {
        lattice[2 * k] = tw_attr(f, a, 2 * k) + tw_attr(f, a, 2 * k + 1) * p->attrs[2 * k];
        lattice[2 * k + 1] = tw_attr(f, a, 2 * k + 1) * p->attrs[2 * k + 1];
      }
      return to.count ? tw_slice(f, tw_arg(f, a, 0), p->type, lattice) : 0;
    case TW_OP_broadcast: return slice_of_broadcast(f, p);
    case TW_OP_concat: return slice_of_concat(f, p);
    case TW_OP_pad: return slice_of_pad(f, p);
    case TW_OP_iota: return to.count == 1 ? tw_emit_known(f, p->type, &(TwKnown){true, 0, p->attrs[0]}) : 0;
  }
  return 0;
}

static TwRef fold_pad(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  TwTyInfo small = info(f, a);
  Lattice lattice;
  if (tw_type(f, a) == p->type) return a;
  if (tw_is_zero(f, a) || small.count == 0) return tw_zeros(f, p->type);
  if (normalise(&small, p, lattice)) return tw_pad(f, a, p->type, lattice);
  if (!is(f, a, TW_OP_pad)) return 0;
  for (uint32_t k = 0; k < small.rank; k++) {
    lattice[2 * k] = p->attrs[2 * k] + p->attrs[2 * k + 1] * tw_attr(f, a, 2 * k);
    lattice[2 * k + 1] = p->attrs[2 * k + 1] * tw_attr(f, a, 2 * k + 1);
  }
  return tw_pad(f, tw_arg(f, a, 0), p->type, lattice);
}

/* ---- concat */

/* Two neighbours that are one: literals alike, or adjoining slices of one tensor. 0 if they are not. */
static TwRef join(TwFn *f, TwRef a, TwRef b, uint32_t axis) {
  TwTyInfo ta = info(f, a), tb = info(f, b);
  int64_t n = ta.dims[axis] + tb.dims[axis], first = ta.dims[axis];
  TwOp op = tw_op(f, a);
  ta.dims[axis] = n;
  if (op == TW_OP_const && is(f, b, TW_OP_const) && tw_attr(f, a, 0) == tw_attr(f, b, 0)) {
    TwKnown k;
    tw_literal(f, a, &k);
    return tw_emit_known(f, tw_ty(f->module, ta.dtype, ta.rank, ta.dims), &k);
  }
  if (op != TW_OP_slice || !is(f, b, TW_OP_slice) || tw_arg(f, a, 0) != tw_arg(f, b, 0)) return 0;
  Lattice la, lb;
  copy_attrs(f, a, la);
  copy_attrs(f, b, lb);
  bool good = la[2 * axis + 1] == 1 && lb[2 * axis + 1] == 1 && lb[2 * axis] == la[2 * axis] + first;
  lb[2 * axis] = la[2 * axis];
  if (!good || memcmp(la, lb, 2 * ta.rank * sizeof *la) != 0) return 0;
  return tw_slice(f, tw_arg(f, a, 0), tw_ty(f->module, ta.dtype, ta.rank, ta.dims), la);
}

/* Equal parts of size 1 along the axis: a broadcast. */
static TwRef repeat(TwFn *f, const TwRef *parts, uint32_t n, uint32_t axis, TwTy type) {
  TwTyInfo t = info(f, parts[0]);
  if (t.dims[axis] != 1) return 0;
  for (uint32_t k = 1; k < n; k++)
    if (parts[k] != parts[0]) return 0;
  Axes axes, dims;
  for (uint32_t k = 0, to = 0; k < t.rank; k++)
    if (k != axis) axes[to] = k, dims[to++] = t.dims[k];
  TwRef row = tw_reshape(f, parts[0], tw_ty(f->module, t.dtype, t.rank - 1, dims));
  return tw_broadcast(f, row, type, axes);
}

static TwRef fold_concat(TwFn *f, const TwProto *p) {
  uint32_t axis = (uint32_t)p->attrs[0], total = 0, n = 0;
  if (p->n_args == 1) return p->args[0];
  if (tw_ty_info(f->module, p->type)->count == 0) return tw_zeros(f, p->type);
  for (uint32_t k = 0; k < p->n_args; k++)
    total += is(f, p->args[k], TW_OP_concat) ? tw_inst(f, p->args[k])->n_args : 1;
  TwRef *flat = tw_scratch(total, sizeof *flat);
  for (uint32_t k = 0; k < p->n_args; k++) {
    TwRef a = p->args[k];
    bool nested = is(f, a, TW_OP_concat) && tw_attr(f, a, 0) == axis;
    for (uint32_t j = 0; j < (nested ? tw_inst(f, a)->n_args : 1); j++) {
      TwRef part = nested ? tw_arg(f, a, j) : a, joined = 0;
      if (tw_info(f, part)->count == 0) continue;
      if (n) joined = join(f, flat[n - 1], part, axis);
      if (joined) flat[n - 1] = joined;
      else flat[n++] = part;
    }
  }
  TwRef r = 0;
  if (n == 1) r = flat[0];
  else if (n == p->n_args && memcmp(flat, p->args, n * sizeof *flat) == 0) r = repeat(f, flat, n, axis, p->type);
  else r = tw_concat(f, flat, n, axis);
  free(flat);
  return r;
}

/* ---- index and add_at */

static TwRef index_literal(TwFn *f, TwRef a, int64_t i, TwTy type) {
  TwTyInfo t = info(f, a);
  Lattice cut = {0};
  for (uint32_t k = 0; k < t.rank; k++) cut[2 * k + 1] = 1;
  cut[0] = i < 0 ? 0 : i < t.dims[0] ? i : t.dims[0] - 1;
  t.dims[0] = 1;
  return tw_reshape(f, tw_slice(f, a, tw_ty(f->module, t.dtype, t.rank, t.dims), cut), type);
}

static TwRef index_of_broadcast(TwFn *f, TwRef a, TwRef i, TwTy type) {
  TwRef from = tw_arg(f, a, 0);
  uint32_t n = tw_inst(f, a)->n_attrs;
  Axes axes;
  copy_attrs(f, a, axes);
  int64_t lead = axis_from(axes, n, 0);
  if (lead > 0) return 0;
  for (uint32_t k = 0; k < n; k++) axes[k]--;
  return tw_broadcast(f, lead < 0 ? from : tw_index(f, from, i), type, axes + (lead == 0));
}

static TwRef fold_index(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0], i = p->args[1];
  TwKnown k;
  if (tw_literal(f, i, &k)) return index_literal(f, a, k.whole, p->type);
  if (info(f, a).dims[0] == 1) return tw_reshape(f, a, p->type);
  if (is(f, a, TW_OP_iota)) return i;
  if (is(f, a, TW_OP_broadcast)) return index_of_broadcast(f, a, i, p->type);
  if (is(f, a, TW_OP_reshape)) {
    TwRef from = tw_arg(f, a, 0);
    TwTyInfo t = info(f, from);
    if (t.rank && t.dims[0] == info(f, a).dims[0]) return tw_reshape(f, tw_index(f, from, i), p->type);
  }
  return 0;
}

static TwRef fold_add_at(TwFn *f, const TwProto *p) {
  TwRef acc = p->args[0], v = p->args[2];
  TwTyInfo t = info(f, acc);
  TwKnown i;
  if (tw_is_zero(f, v)) return acc;
  if (t.dims[0] == 1) return tw_binary(f, TW_OP_add, acc, tw_reshape(f, v, p->type));
  if (!tw_is_zero(f, acc) || !tw_literal(f, p->args[1], &i)) return 0;
  Lattice at = {0};
  for (uint32_t k = 0; k < t.rank; k++) at[2 * k + 1] = 1;
  at[0] = i.whole < 0 ? 0 : i.whole < t.dims[0] ? i.whole : t.dims[0] - 1;
  return tw_pad(f, tw_reshape(f, v, tw_ty_lead(f->module, 1, tw_type(f, v))), p->type, at);
}

/* ---- reductions and dot */

/* Adding n equal literals gives n * c in any order if every partial sum is exact in f32. */
static bool sum_is_exact(double c, double n) {
  int e = 0;
  double m = frexp(c, &e);
  if (c == 0) return !signbit(c);
  if (!isfinite(c) || n > 0x1p24 || e < -90 || e > 90) return false;
  for (e = 0; m != trunc(m) && e < 25; e++) m *= 2;
  return m == trunc(m) && fabs(m) * n <= 0x1p24;
}

/* Axes of size 1 need no reduction: the operand reshaped without them. 0 if there is none. */
static TwRef drop_unit_axes(TwFn *f, const TwProto *p) {
  TwTyInfo t = info(f, p->args[0]);
  Axes axes, dims;
  uint32_t n = 0, rank = 0;
  for (uint32_t k = 0; k < t.rank; k++) {
    bool reduced = axis_from(p->attrs, p->n_attrs, k) >= 0;
    if (reduced && t.dims[k] == 1) continue;
    if (reduced) axes[n++] = rank;
    dims[rank++] = t.dims[k];
  }
  if (rank == t.rank) return 0;
  TwRef a = tw_reshape(f, p->args[0], tw_ty(f->module, t.dtype, rank, dims));
  TwProto q = {.op = p->op, .args = &a, .n_args = 1, .attrs = axes, .n_attrs = n};
  return tw_emit(f, &q);
}

static TwRef fold_sum(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  TwKnown k;
  if (p->n_attrs == 0) return a;
  int64_t total = info(f, a).count, kept = tw_ty_info(f->module, p->type)->count;
  if (total == 0) return tw_zeros(f, p->type);
  if (tw_literal(f, a, &k)) {
    double n = (double)(total / kept);
    bool exact = info(f, a).dtype == TW_INT || sum_is_exact(k.real, n);
    k.whole = (int64_t)((uint64_t)k.whole * (uint64_t)(total / kept));
    k.real *= n;
    if (exact) return tw_emit_known(f, p->type, &k);
  }
  return drop_unit_axes(f, p);
}

static TwRef fold_extremum(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0];
  if (p->n_attrs == 0) return a;
  TwRef r = drop_unit_axes(f, p);
  if (r || !is(f, a, TW_OP_broadcast)) return r;
  uint32_t n = tw_inst(f, a)->n_attrs;
  Axes axes;
  copy_attrs(f, a, axes);
  for (uint32_t k = 0; k < n; k++) { /* equal values along the reduced axes: one of them */
    if (axis_from(p->attrs, p->n_attrs, axes[k]) >= 0) return 0;
    int64_t lower = 0;
    for (uint32_t j = 0; j < p->n_attrs; j++) lower += p->attrs[j] < axes[k];
    axes[k] -= lower;
  }
  return tw_broadcast(f, tw_arg(f, a, 0), p->type, axes);
}

static TwRef fold_dot(TwFn *f, const TwProto *p) {
  bool empty = false;
  for (int64_t k = 0; k < p->attrs[0]; k++) empty |= info(f, p->args[0]).dims[p->attrs[1 + k]] == 0;
  return empty || tw_is_zero(f, p->args[0]) || tw_is_zero(f, p->args[1]) ? tw_zeros(f, p->type) : 0;
}

/* A tensor whose elements are all one literal stays one. */
static TwRef of_literal(TwFn *f, const TwProto *p) {
  TwKnown k;
  switch ((int)p->op) {
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice:
    case TW_OP_index:
    case TW_OP_rmax:
    case TW_OP_rmin: return tw_literal(f, p->args[0], &k) ? tw_emit_known(f, p->type, &k) : 0;
  }
  return 0;
}

TwRef tw_fold_shape(TwFn *f, const TwProto *p) {
  TwRef r = of_literal(f, p);
  if (r) return r;
  switch ((int)p->op) {
    case TW_OP_broadcast: return fold_broadcast(f, p);
    case TW_OP_reshape: return fold_reshape(f, p);
    case TW_OP_transpose: return fold_transpose(f, p);
    case TW_OP_reverse: return fold_reverse(f, p);
    case TW_OP_slice: return fold_slice(f, p);
    case TW_OP_pad: return fold_pad(f, p);
    case TW_OP_concat: return fold_concat(f, p);
    case TW_OP_index: return fold_index(f, p);
    case TW_OP_add_at: return fold_add_at(f, p);
    case TW_OP_sum: return fold_sum(f, p);
    case TW_OP_rmax:
    case TW_OP_rmin: return fold_extremum(f, p);
    case TW_OP_dot: return fold_dot(f, p);
  }
  return 0;
}
