/* emit.c: one emitter an operation (ir.h). Each makes the proto; tw_emit checks, folds and numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"
#include "compiler/ir/scalar.h"

static TwRef emit(TwFn *f, TwOp op, TwTy type, const TwRef *args, uint32_t n_args, const int64_t *attrs,
                  uint32_t n_attrs) {
  TwProto p = {.op = op, .type = type, .args = args, .n_args = n_args, .attrs = attrs, .n_attrs = n_attrs};
  return tw_emit(f, &p);
}

static const TwTyInfo *operand(const TwFn *f, TwOp op, TwRef r) {
  if (r == 0 || r >= f->insts.len)
    tw_ir_bug(f, &(TwProto){.op = op, .args = &r, .n_args = 1}, "an operand does not exist yet");
  return tw_info(f, r);
}

/* ---- leaves */

static TwRef emit_bits(TwFn *f, TwTy type, int64_t bits) { return emit(f, TW_OP_const, type, NULL, 0, &bits, 1); }

static int64_t bits_of(double value) {
  if (isnan(value)) value = (double)NAN; /* one NaN, so that it prints and compares as one */
  int64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return isnan(value) ? bits & INT64_MAX : bits;
}

TwRef tw_const(TwFn *f, TwTy type, double value) {
  switch (tw_ty_info(f->module, type)->dtype) {
    case TW_REAL: return emit_bits(f, type, bits_of(value));
    case TW_INT: return emit_bits(f, type, tw_real_to_int(value));
    case TW_BOOL: return emit_bits(f, type, value != 0);
    case TW_TUPLE: break;
  }
  tw_ir_bug(f, NULL, "a tuple cannot be a constant");
}

TwRef tw_emit_known(TwFn *f, TwTy type, const TwKnown *k) {
  TwDtype d = tw_ty_info(f->module, type)->dtype;
  return emit_bits(f, type, d == TW_REAL ? bits_of(k->real) : k->whole);
}

TwRef tw_real(TwFn *f, double value) { return emit_bits(f, tw_ty_scalar(f->module, TW_REAL), bits_of(value)); }
TwRef tw_int(TwFn *f, int64_t value) { return emit_bits(f, tw_ty_scalar(f->module, TW_INT), value); }
TwRef tw_zeros(TwFn *f, TwTy type) { return emit_bits(f, type, 0); }
TwRef tw_iota(TwFn *f, int64_t n) { return emit(f, TW_OP_iota, tw_ty(f->module, TW_INT, 1, &n), NULL, 0, NULL, 0); }

TwRef tw_draw(TwFn *f, TwTy type, TwRef seed, TwRef offset, uint64_t key) {
  int64_t attr = (int64_t)key;
  return emit(f, TW_OP_draw, type, (TwRef[]){seed, offset}, 2, &attr, 1);
}

/* ---- elementwise */

TwRef tw_unary(TwFn *f, TwOp op, TwRef a) { return emit(f, op, 0, &a, 1, NULL, 0); }
TwRef tw_binary(TwFn *f, TwOp op, TwRef a, TwRef b) { return emit(f, op, 0, (TwRef[]){a, b}, 2, NULL, 0); }
TwRef tw_select(TwFn *f, TwRef c, TwRef a, TwRef b) { return emit(f, TW_OP_select, 0, (TwRef[]){c, a, b}, 3, NULL, 0); }
TwRef tw_fma(TwFn *f, TwRef a, TwRef b, TwRef c) { return emit(f, TW_OP_fma, 0, (TwRef[]){a, b, c}, 3, NULL, 0); }

TwRef tw_along(TwFn *f, TwRef a, TwRef x, TwRef partial) {
  return emit(f, TW_OP_along, 0, (TwRef[]){a, x, partial}, 3, NULL, 0);
}

/* ---- shape */

TwRef tw_broadcast(TwFn *f, TwRef a, TwTy to, const int64_t *axes) {
  return emit(f, TW_OP_broadcast, to, &a, 1, axes, operand(f, TW_OP_broadcast, a)->rank);
}

TwRef tw_fit(TwFn *f, TwRef a, TwTy shape_of) {
  const TwTyInfo *t = operand(f, TW_OP_broadcast, a), *to = tw_ty_info(f->module, shape_of);
  if (t->rank == to->rank && memcmp(t->dims, to->dims, t->rank * sizeof *t->dims) == 0) return a;
  if (t->rank)
    tw_ir_bug(f, &(TwProto){.op = TW_OP_broadcast, .type = shape_of, .args = &a, .n_args = 1},
              "only a scalar fits any shape");
  TwTy type = tw_ty_with(f->module, t->dtype, shape_of);
  return tw_broadcast(f, a, type, NULL);
}

TwRef tw_reshape(TwFn *f, TwRef a, TwTy to) { return emit(f, TW_OP_reshape, to, &a, 1, NULL, 0); }

TwRef tw_transpose(TwFn *f, TwRef a, const int64_t *perm) {
  return emit(f, TW_OP_transpose, 0, &a, 1, perm, operand(f, TW_OP_transpose, a)->rank);
}

TwRef tw_reverse(TwFn *f, TwRef a, int64_t axis) { return emit(f, TW_OP_reverse, 0, &a, 1, &axis, 1); }

TwRef tw_slice(TwFn *f, TwRef a, TwTy to, const int64_t *start_step) {
  return emit(f, TW_OP_slice, to, &a, 1, start_step, 2 * operand(f, TW_OP_slice, a)->rank);
}

TwRef tw_pad(TwFn *f, TwRef a, TwTy to, const int64_t *start_step) {
  return emit(f, TW_OP_pad, to, &a, 1, start_step, 2 * operand(f, TW_OP_pad, a)->rank);
}

TwRef tw_concat(TwFn *f, const TwRef *parts, uint32_t n, int64_t axis) {
  return emit(f, TW_OP_concat, 0, parts, n, &axis, 1);
}

TwRef tw_stack(TwFn *f, const TwRef *parts, uint32_t n) {
  TwTy type = 0;
  TwRef *rows = tw_scratch(n, sizeof *rows);
  for (uint32_t k = 0; k < n; k++) {
    operand(f, TW_OP_concat, parts[k]);
    if (k && tw_type(f, parts[k]) != tw_type(f, parts[0]))
      tw_ir_bug(f, &(TwProto){.op = TW_OP_concat, .args = parts, .n_args = n}, "stacked parts must have one type");
    if (!k) type = tw_ty_lead(f->module, 1, tw_type(f, parts[0]));
    rows[k] = tw_reshape(f, parts[k], type);
  }
  TwRef r = tw_concat(f, rows, n, 0);
  free(rows);
  return r;
}

TwRef tw_index(TwFn *f, TwRef t, TwRef i) { return emit(f, TW_OP_index, 0, (TwRef[]){t, i}, 2, NULL, 0); }
TwRef tw_add_at(TwFn *f, TwRef acc, TwRef i, TwRef v) {
  return emit(f, TW_OP_add_at, 0, (TwRef[]){acc, i, v}, 3, NULL, 0);
}

TwRef tw_sum(TwFn *f, TwRef a, const int64_t *axes, uint32_t n) { return emit(f, TW_OP_sum, 0, &a, 1, axes, n); }

TwRef tw_sum_all(TwFn *f, TwRef a) {
  static const int64_t axes[TW_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  return tw_sum(f, a, axes, operand(f, TW_OP_sum, a)->rank);
}

TwRef tw_reduce(TwFn *f, TwOp rmax_or_rmin, TwRef a, const int64_t *axes, uint32_t n) {
  return emit(f, rmax_or_rmin, 0, &a, 1, axes, n);
}

TwRef tw_argmask(TwFn *f, bool is_min, TwRef a, const int64_t *axes, uint32_t n) {
  int64_t attrs[1 + TW_MAX_RANK] = {is_min};
  if (n > TW_MAX_RANK) tw_ir_bug(f, &(TwProto){.op = TW_OP_argmask, .args = &a, .n_args = 1}, "too many axes");
  for (uint32_t k = 0; k < n; k++) attrs[1 + k] = axes[k];
  return emit(f, TW_OP_argmask, 0, &a, 1, attrs, n + 1);
}

TwRef tw_dot(TwFn *f, TwRef a, TwRef b, const int64_t *axes_a, const int64_t *axes_b, uint32_t n) {
  int64_t attrs[1 + 2 * TW_MAX_RANK] = {n};
  if (n > TW_MAX_RANK) tw_ir_bug(f, &(TwProto){.op = TW_OP_dot, .args = (TwRef[]){a, b}, .n_args = 2}, "too many axes");
  for (uint32_t k = 0; k < n; k++) {
    attrs[1 + k] = axes_a[k];
    attrs[1 + n + k] = axes_b[k];
  }
  return emit(f, TW_OP_dot, 0, (TwRef[]){a, b}, 2, attrs, 1 + 2 * n);
}

/* ---- regions and copies */

TwRef tw_emit_region(TwFn *f, TwOp op, const TwRegion *region, const TwRef *args, uint32_t n_args) {
  TwProto p = {.op = op, .args = args, .n_args = n_args, .region = region};
  return tw_emit(f, &p);
}

TwRef tw_get(TwFn *f, TwRef region, uint32_t k) {
  int64_t attr = k;
  return emit(f, TW_OP_get, 0, &region, 1, &attr, 1);
}

TwRef tw_copy_inst(TwFn *f, const TwFn *from, TwRef r, const TwRef *map) {
  enum { FEW = 16 };
  TwRef few[FEW];
  TwProto p = tw_proto_of(from, r);
  if (p.op == TW_OP_param || p.op == TW_OP_none || from == f) tw_ir_bug(f, &p, "this instruction cannot be copied");
  TwRef *args = p.n_args <= FEW ? few : tw_scratch(p.n_args, sizeof *args);
  for (uint32_t k = 0; k < p.n_args; k++) args[k] = map[p.args[k]];
  p.args = args;
  TwSpan outer = f->at;
  if (from->insts.at[r].span.file) f->at = from->insts.at[r].span;
  TwRef out = tw_emit(f, &p);
  f->at = outer;
  if (args != few) free(args);
  return out;
}

void tw_inline_some(TwFn *f, const TwFn *callee, const TwRef *args, const bool *want, TwRef *out) {
  uint32_t n = callee->insts.len;
  uint8_t *mark = tw_scratch(n, 1);
  TwRef *map = tw_scratch(n, sizeof *map);
  tw_mark_slice(callee, want, mark);
  for (uint32_t k = 0; k < callee->params.len; k++) {
    map[callee->params.at[k]] = args[k];
    mark[callee->params.at[k]] = 0;
  }
  for (TwRef r = 1; r < n; r++)
    if (mark[r]) map[r] = tw_copy_inst(f, callee, r, map);
  for (uint32_t k = 0; k < callee->results.len; k++) out[k] = !want || want[k] ? map[callee->results.at[k]] : 0;
  free(map);
  free(mark);
}

void tw_inline(TwFn *f, const TwFn *callee, const TwRef *args, TwRef *out) {
  for (uint32_t k = 0; k < callee->params.len; k++)
    if (args[k] == 0 || args[k] >= f->insts.len || tw_type(f, args[k]) != tw_type(callee, callee->params.at[k]))
      tw_ir_bug(f, NULL, "an argument is not of the type of the parameter");
  tw_inline_some(f, callee, args, NULL, out);
}
