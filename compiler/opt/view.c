/* view.c: shape operations as maps of element numbers.
 *
 * A reshape, slice, transpose, reverse, broadcast, pad, concat or index at a constant moves elements and
 * computes nothing. Element k of such a value is an element of an operand, and so on down to what is no
 * view: a parameter, a constant or something computed. Taking an element of a tensor that was put together
 * from scalars gives the scalar back, so packing and unpacking cancel.
 *
 * Normal form of a load: reshape(slice(reshape(t, [count]), [1] at k), []). */
#include <stdlib.h>
#include <string.h>

#include "compiler/opt/internal.h"

/* Lines longer than this are not followed element by element. */
enum { LINE_MAX_COUNT = 1 << 14 };

static void unflatten(const TwTyInfo *t, int64_t k, int64_t *at) {
  for (uint32_t d = t->rank; d-- > 0;) {
    at[d] = k % t->dims[d];
    k /= t->dims[d];
  }
}
static int64_t flatten(const TwTyInfo *t, const int64_t *at) {
  int64_t k = 0;
  for (uint32_t d = 0; d < t->rank; d++) k = k * t->dims[d] + at[d];
  return k;
}

bool tw_view_is(const TwFn *f, TwRef r) {
  switch ((int)tw_op(f, r)) {
    case TW_OP_reshape:
    case TW_OP_slice:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_broadcast:
    case TW_OP_pad:
    case TW_OP_concat: return true;
    case TW_OP_index: return tw_is_const(f, tw_arg(f, r, 1), &(double){0});
  }
  return false; /* anything else, a new operation too, is a value of its own */
}

static int step_pad(const TwFn *f, TwRef r, const TwTyInfo *from, const int64_t *to_at, int64_t *source) {
  int64_t at[TW_MAX_RANK];
  for (uint32_t d = 0; d < from->rank; d++) {
    int64_t off = to_at[d] - tw_attr(f, r, 2 * d), step = tw_attr(f, r, 2 * d + 1);
    if (off < 0 || off % step != 0 || off / step >= from->dims[d]) return TW_VIEW_ZERO;
    at[d] = off / step;
  }
  *source = flatten(from, at);
  return 0;
}

static int step_concat(const TwFn *f, TwRef r, int64_t *at, int64_t *source) {
  uint32_t axis = (uint32_t)tw_attr(f, r, 0), n = tw_inst(f, r)->n_args;
  for (uint32_t k = 0; k < n; k++) {
    const TwTyInfo *part = tw_info(f, tw_arg(f, r, k));
    if (at[axis] < part->dims[axis]) {
      *source = flatten(part, at);
      return (int)k;
    }
    at[axis] -= part->dims[axis];
  }
  return TW_VIEW_NOT;
}

int tw_view_step(const TwFn *f, TwRef r, int64_t k, int64_t *source) {
  if (!tw_view_is(f, r)) return TW_VIEW_NOT;
  TwTyInfo to = *tw_info(f, r), from = *tw_info(f, tw_arg(f, r, 0));
  int64_t at[TW_MAX_RANK], src[TW_MAX_RANK] = {0};
  *source = k;
  TwOp op = tw_op(f, r);
  if (op == TW_OP_reshape) return 0;
  if (op == TW_OP_index) {
    double i = 0;
    tw_is_const(f, tw_arg(f, r, 1), &i);
    if (from.rank == 0 || i < 0 || i >= (double)from.dims[0]) return TW_VIEW_NOT;
    *source = (int64_t)i * to.count + k;
    return 0;
  }
  unflatten(&to, k, at);
  switch ((int)op) {
    case TW_OP_slice:
      for (uint32_t d = 0; d < to.rank; d++) src[d] = tw_attr(f, r, 2 * d) + tw_attr(f, r, 2 * d + 1) * at[d];
      break;
    case TW_OP_transpose:
      for (uint32_t d = 0; d < to.rank; d++) src[tw_attr(f, r, d)] = at[d];
      break;
    case TW_OP_reverse: {
      uint32_t axis = (uint32_t)tw_attr(f, r, 0);
      memcpy(src, at, sizeof src);
      src[axis] = to.dims[axis] - 1 - at[axis];
      break;
    }
    case TW_OP_broadcast:
      for (uint32_t d = 0; d < from.rank; d++) src[d] = from.dims[d] == 1 ? 0 : at[tw_attr(f, r, d)];
      break;
    case TW_OP_pad: return step_pad(f, r, &from, at, source);
    case TW_OP_concat: return step_concat(f, r, at, source);
    default: abort(); /* tw_view_is says that it is one */
  }
  *source = flatten(&from, src);
  return 0;
}

/* ---- single elements */
static TwRef zero_like(TwFn *g, TwDtype dtype) { return tw_const(g, tw_ty_scalar(g->module, dtype), 0); }

static TwRef scalar_of(TwFn *g, TwRef r) {
  const TwTyInfo *t = tw_info(g, r);
  return t->rank == 0 ? r : tw_reshape(g, r, tw_ty_scalar(g->module, t->dtype));
}

static TwRef as_line(TwFn *g, TwRef r) {
  TwTyInfo t = *tw_info(g, r);
  return t.rank == 1 ? r : tw_reshape(g, r, tw_ty(g->module, t.dtype, 1, &t.count));
}

/* Elements start, start + step, … of t, as they are stored. */
static TwRef load_line(TwFn *g, TwRef t, int64_t start, int64_t step, int64_t n) {
  TwTyInfo info = *tw_info(g, t);
  TwRef line = as_line(g, t);
  if (start == 0 && step == 1 && n == info.count) return line;
  int64_t start_step[2] = {start, n == 1 ? 1 : step};
  return tw_slice(g, line, tw_ty(g->module, info.dtype, 1, &n), start_step);
}

TwRef tw_view_elem(TwFn *g, TwRef t, int64_t k) {
  for (;;) {
    TwTyInfo info = *tw_info(g, t);
    if (info.rank == 0 && !tw_view_is(g, t)) return t;
    double value;
    if (tw_is_const(g, t, &value)) return tw_const(g, tw_ty_scalar(g->module, info.dtype), value);
    if (tw_op(g, t) == TW_OP_iota) return tw_int(g, k);
    int64_t source;
    int operand = tw_view_step(g, t, k, &source);
    if (operand == TW_VIEW_ZERO) return zero_like(g, info.dtype);
    if (operand == TW_VIEW_NOT) break;
    t = tw_arg(g, t, (uint32_t)operand);
    k = source;
  }
  return scalar_of(g, load_line(g, t, k, 1, 1));
}

/* ---- lines. Indices are pushed through views as long as they stay an arithmetic progression of one
 * operand; the last such place is where the line is taken from. */
typedef struct Line {
  TwRef t;
  int64_t start, step, n;
} Line;

static bool progression(const int64_t *at, int64_t n, int64_t *start, int64_t *step) {
  *start = at[0];
  *step = n > 1 ? at[1] - at[0] : 1;
  for (int64_t k = 1; k < n; k++)
    if (at[k] - at[k - 1] != *step) return false;
  return true;
}

/* One view further down; false where it ends. *zero: every element is 0. */
static bool push_line(const TwFn *g, TwRef *t, int64_t *at, int64_t n, bool *zero) {
  int64_t n_zero = 0;
  int operand = TW_VIEW_NOT;
  for (int64_t k = 0; k < n; k++) {
    int o = tw_view_step(g, *t, at[k], &at[k]);
    if (o == TW_VIEW_NOT) return false;
    if (o == TW_VIEW_ZERO) {
      n_zero++;
    } else {
      if (operand != TW_VIEW_NOT && operand != o) return false;
      operand = o;
    }
  }
  *zero = n_zero == n;
  if (n_zero) return *zero;
  *t = tw_arg(g, *t, (uint32_t)operand);
  return true;
}

static TwRef emit_line(TwFn *g, Line l) {
  TwTyInfo info = *tw_info(g, l.t);
  TwTy type = tw_ty(g->module, info.dtype, 1, &l.n);
  double value;
  if (tw_is_const(g, l.t, &value)) return tw_const(g, type, value);
  if (l.step == 0) return tw_fit(g, tw_view_elem(g, l.t, l.start), type);
  if (l.step > 0) return load_line(g, l.t, l.start, l.step, l.n);
  TwRef forward = load_line(g, l.t, l.start + l.step * (l.n - 1), -l.step, l.n);
  return tw_reverse(g, forward, 0);
}

/* The line as far down as it can be followed; zero: it is all 0. */
static Line follow(TwFn *g, TwRef t, int64_t start, int64_t step, int64_t n, bool *zero) {
  Line best = {t, start, step, n};
  *zero = false;
  if (n == 0 || n > LINE_MAX_COUNT) return best;
  int64_t *at = malloc((size_t)n * sizeof *at);
  if (!at) return best;
  for (int64_t k = 0; k < n; k++) at[k] = start + step * k;
  while (push_line(g, &t, at, n, zero) && !*zero) {
    int64_t a, b;
    if (progression(at, n, &a, &b)) best = (Line){t, a, n == 1 ? 1 : b, n};
  }
  free(at);
  return best;
}

TwRef tw_view_line(TwFn *g, TwRef t, int64_t start, int64_t step, int64_t n) {
  TwDtype dtype = tw_info(g, t)->dtype;
  bool zero;
  Line l = follow(g, t, start, step, n, &zero);
  return zero ? tw_const(g, tw_ty(g->module, dtype, 1, &n), 0) : emit_line(g, l);
}

TwRef tw_view_direct(TwFn *g, TwRef r) {
  TwTyInfo info = *tw_info(g, r);
  TwTy type = tw_type(g, r);
  if (info.rank == 0) return tw_view_elem(g, r, 0);
  if (info.count == 0 || tw_op(g, r) == TW_OP_concat) return r;
  bool zero;
  Line l = follow(g, r, 0, 1, info.count, &zero);
  if (zero) return tw_const(g, type, 0);
  if (l.t == r || tw_arg(g, r, 0) == l.t) return r;
  /* A broadcast of several axes is shorter as it is than as a line. */
  if (l.step == 0) return tw_fit(g, tw_view_elem(g, l.t, l.start), type);
  return tw_reshape(g, emit_line(g, l), type);
}

TwRef tw_view_column(TwFn *g, TwRef t, int64_t j) {
  TwTyInfo info = *tw_info(g, t);
  int64_t width = info.dims[0] ? info.count / info.dims[0] : 0;
  return tw_view_line(g, t, j, width, info.dims[0]);
}

/* ---- packing */

/* Whether r is a load in normal form, and of what. */
static bool is_load(const TwFn *g, TwRef r, TwRef *from, int64_t *at) {
  if (tw_op(g, r) != TW_OP_reshape) return false;
  r = tw_arg(g, r, 0);
  if (tw_op(g, r) != TW_OP_slice || tw_info(g, r)->rank != 1 || tw_info(g, r)->count != 1) return false;
  *from = tw_arg(g, r, 0);
  *at = tw_attr(g, r, 0);
  return true;
}

static TwRef pack_slice(TwFn *g, TwTy type, const TwRef *elems, int64_t n) {
  TwRef from = 0, t = 0;
  int64_t first = 0, step = 1, at = 0;
  for (int64_t k = 0; k < n; k++) {
    if (!is_load(g, elems[k], &t, &at)) return 0;
    if (k == 0) from = t, first = at;
    if (k == 1) step = at - first;
    if (t != from || step < 1 || at != first + step * k) return 0;
  }
  return tw_reshape(g, load_line(g, from, first, step, n), type);
}

TwRef tw_view_pack(TwFn *g, TwTy type, const TwRef *elems) {
  TwTyInfo info = *tw_ty_info(g->module, type);
  if (info.rank == 0) return elems[0];
  if (info.count == 0) return tw_const(g, type, 0);
  bool alike = true;
  for (int64_t k = 1; k < info.count && alike; k++) alike = elems[k] == elems[0];
  if (alike) return tw_fit(g, elems[0], type);
  TwRef r = pack_slice(g, type, elems, info.count);
  if (r) return r;
  return tw_reshape(g, tw_stack(g, elems, (uint32_t)info.count), type);
}

TwRef tw_view_columns(TwFn *g, TwTy type, const TwRef *columns) {
  TwTyInfo info = *tw_ty_info(g->module, type);
  int64_t width = info.dims[0] ? info.count / info.dims[0] : 0;
  if (width == 0) return tw_const(g, type, 0);
  if (width == 1) return tw_reshape(g, columns[0], type);
  bool alike = true;
  double first = 0, value = 0;
  for (int64_t j = 0; j < width && alike; j++) {
    alike = tw_is_const(g, columns[j], &value) && memcmp(j ? &first : &value, &value, sizeof value) == 0;
    if (j == 0) first = value;
  }
  if (alike) return tw_const(g, type, first);
  TwRef rows = tw_stack(g, columns, (uint32_t)width); /* [R, T] */
  static const int64_t swap[2] = {1, 0};
  return tw_reshape(g, tw_transpose(g, rows, swap), type);
}
