/* c_shape.c: operations that move elements, and those that reduce them, as nested loops. */
#include <string.h>

#include "compiler/export/c_internal.h"

void tw_c_row_major(const TwTyInfo *t, int64_t *stride) {
  int64_t s = 1;
  for (uint32_t k = t->rank; k-- > 0; s *= t->dims[k]) stride[k] = s;
}

/* "for" over each axis that has more than one point; names of the indices go to at ("0" for the others). */
static uint32_t open_loops(TwC *c, uint32_t rank, const int64_t *dims, const char **at) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < rank; k++) {
    at[k] = "0";
    if (dims[k] == 1) continue;
    at[k] = tw_c_fresh(c, 'i');
    tw_c_open(c, tw_c_text(c, "for (int64_t %s = 0; %s < %lld; %s++)", at[k], at[k], (long long)dims[k], at[k]));
    n++;
  }
  return n;
}

static void close_loops(TwC *c, uint32_t n) {
  while (n--) tw_c_close(c);
}

static const char *place(TwC *c, const TwCWalk *w, uint32_t rank, const char *const *at) {
  const char *e = tw_c_text(c, "%lld", (long long)w->offset);
  for (uint32_t k = 0; k < rank; k++)
    if (w->stride[k] && strcmp(at[k], "0") != 0)
      e = tw_c_text(c, w->stride[k] == 1 ? "%s + %s" : "%s + %s * %lld", e, at[k], (long long)w->stride[k]);
  return tw_c_text(c, "%s[%s]", w->base, e);
}

static void copy_box(TwC *c, const TwCWalk *to, const TwCWalk *from, uint32_t rank, const int64_t *dims) {
  const char *at[TW_MAX_RANK];
  uint32_t n = open_loops(c, rank, dims, at);
  tw_c_line(c, "%s = %s;", place(c, to, rank, at), from->base[0] == '=' ? from->base + 1 : place(c, from, rank, at));
  close_loops(c, n);
}

/* A slice that lies in one piece in its operand needs no copy. */
static bool contiguous(const TwFn *f, TwRef r, const TwTyInfo *t, const TwTyInfo *a, int64_t *offset) {
  int64_t own[TW_MAX_RANK];
  tw_c_row_major(a, own);
  *offset = 0;
  bool whole = true; /* every axis after k is taken whole */
  for (uint32_t k = t->rank; k-- > 0;) {
    *offset += tw_attr(f, r, 2 * k) * own[k];
    if (t->dims[k] != 1 && (tw_attr(f, r, 2 * k + 1) != 1 || !whole)) return false;
    whole &= t->dims[k] == a->dims[k];
  }
  return true;
}

static void walk_operand(const TwFn *f, TwRef r, const TwTyInfo *a, TwCWalk *w) {
  int64_t own[TW_MAX_RANK];
  tw_c_row_major(a, own);
  for (uint32_t k = 0; k < a->rank; k++) {
    switch ((int)tw_op(f, r)) {
      case TW_OP_broadcast: w->stride[tw_attr(f, r, k)] = own[k]; break;
      case TW_OP_transpose: w->stride[k] = own[tw_attr(f, r, k)]; break;
      case TW_OP_slice:
        w->offset += tw_attr(f, r, 2 * k) * own[k];
        w->stride[k] = own[k] * tw_attr(f, r, 2 * k + 1);
        break;
      case TW_OP_reverse:
        w->stride[k] = tw_attr(f, r, 0) == k ? -own[k] : own[k];
        if (tw_attr(f, r, 0) == k) w->offset += (a->dims[k] - 1) * own[k];
        break;
    }
  }
}

static void emit_pad(TwCFn *b, TwRef r, const TwTyInfo *t, const char *to) {
  const TwTyInfo *a = tw_c_info(b, tw_arg(b->f, r, 0));
  int64_t own[TW_MAX_RANK];
  TwCWalk into = {.base = to}, from = {.base = tw_c_arg(b, r, 0)};
  tw_c_row_major(t, own);
  tw_c_row_major(a, from.stride);
  for (uint32_t k = 0; k < t->rank; k++) {
    into.offset += tw_attr(b->f, r, 2 * k) * own[k];
    into.stride[k] = own[k] * tw_attr(b->f, r, 2 * k + 1);
  }
  if (a->count) copy_box(b->c, &into, &from, a->rank, a->dims);
}

static void emit_concat(TwCFn *b, TwRef r, const TwTyInfo *t, const char *to) {
  uint32_t axis = (uint32_t)tw_attr(b->f, r, 0);
  int64_t at = 0;
  for (uint32_t k = 0; k < tw_inst(b->f, r)->n_args; k++) {
    const TwTyInfo *a = tw_c_info(b, tw_arg(b->f, r, k));
    TwCWalk into = {.base = to}, from = {.base = tw_c_arg(b, r, k)};
    tw_c_row_major(t, into.stride);
    tw_c_row_major(a, from.stride);
    into.offset = at * into.stride[axis];
    if (a->count) copy_box(b->c, &into, &from, a->rank, a->dims);
    at += a->dims[axis];
  }
}

void tw_c_shape(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r), *a = tw_c_info(b, tw_arg(b->f, r, 0));
  TwOp op = tw_op(b->f, r);
  int64_t offset = 0;
  if (op == TW_OP_reshape || (op == TW_OP_slice && contiguous(b->f, r, t, a, &offset))) {
    const char *from = tw_c_arg(b, r, 0);
    if (t->rank && a->rank) b->name[r] = offset ? tw_c_text(c, "(%s + %lld)", from, (long long)offset) : from;
    else if (!t->rank) b->name[r] = a->rank ? tw_c_text(c, "%s[%lld]", from, (long long)offset) : from;
    else {
      b->name[r] = tw_c_array(c, t->dtype, 1, false);
      tw_c_line(c, "%s[0] = %s;", b->name[r], from);
    }
    return;
  }
  const char *to = b->name[r] = tw_c_array(c, t->dtype, t->count, op == TW_OP_pad);
  if (t->count == 0) return;
  if (op == TW_OP_pad) {
    emit_pad(b, r, t, to);
  } else if (op == TW_OP_concat) {
    emit_concat(b, r, t, to);
  } else {
    TwCWalk into = {.base = to}, from = {.base = tw_c_arg(b, r, 0)};
    if (!a->rank) from.base = tw_c_text(c, "=%s", from.base); /* a scalar in every element */
    tw_c_row_major(t, into.stride);
    walk_operand(b->f, r, a, &from);
    copy_box(c, &into, &from, t->rank, t->dims);
  }
}

/* ---- over axes */

typedef struct Axes {
  uint32_t n;
  int64_t dims[TW_MAX_RANK], stride[TW_MAX_RANK], count;
} Axes;

static void split_axes(const TwTyInfo *t, const int64_t *axes, uint32_t n, Axes *in, Axes *others) {
  int64_t own[TW_MAX_RANK];
  tw_c_row_major(t, own);
  *in = *others = (Axes){.count = 1};
  for (uint32_t j = 0; j < n; j++) {
    in->dims[in->n] = t->dims[axes[j]];
    in->stride[in->n++] = own[axes[j]];
    in->count *= t->dims[axes[j]];
  }
  for (uint32_t k = 0; k < t->rank; k++) {
    bool is_in = false;
    for (uint32_t j = 0; j < n; j++) is_in |= axes[j] == k;
    if (is_in) continue;
    others->dims[others->n] = t->dims[k];
    others->stride[others->n++] = own[k];
    others->count *= t->dims[k];
  }
}

static const char *offset_of(TwC *c, const Axes *x, const char *const *at) {
  const char *e = "0";
  for (uint32_t k = 0; k < x->n; k++)
    if (strcmp(at[k], "0") != 0) e = tw_c_text(c, "%s + %s * %lld", e, at[k], (long long)x->stride[k]);
  return e;
}

/* A scalar or an array for the result; *element is what the running element of it is called. */
static const char *result(TwC *c, const TwTyInfo *t, const char **element, const char **counter) {
  *counter = NULL;
  if (t->rank == 0) {
    *element = tw_c_fresh(c, 'v');
    tw_c_line(c, "%s %s;", tw_c_type(c, t->dtype), *element);
    return *element;
  }
  const char *to = tw_c_array(c, t->dtype, t->count, false);
  *counter = tw_c_fresh(c, 'k');
  *element = tw_c_text(c, "%s[%s++]", to, *counter);
  tw_c_line(c, "int64_t %s = 0;", *counter);
  return to;
}

/* sum, rmax, rmin: the reduced elements go to an array in row-major order, and a helper reduces that. */
void tw_c_reduce(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r), *a = tw_c_info(b, tw_arg(b->f, r, 0));
  TwOp op = tw_op(b->f, r);
  const int64_t *axes = b->f->attrs.at + tw_inst(b->f, r)->attrs;
  Axes in, kept;
  split_axes(a, axes, tw_inst(b->f, r)->n_attrs, &in, &kept);
  if (a->dtype != TW_REAL || in.count == 0) {
    if (!c->why) c->why = "it reduces integers, or nothing";
    return;
  }
  const char *element, *counter, *at[TW_MAX_RANK], *at_in[TW_MAX_RANK];
  b->name[r] = result(c, t, &element, &counter);
  uint32_t n = open_loops(c, kept.n, kept.dims, at);
  if (!n) tw_c_open(c, "");
  const char *all = tw_c_array(c, TW_REAL, in.count, false), *k = tw_c_fresh(c, 'k');
  tw_c_line(c, "int64_t %s = 0;", k);
  uint32_t m = open_loops(c, in.n, in.dims, at_in);
  tw_c_line(c, "%s[%s++] = %s[%s + %s];", all, k, tw_c_arg(b, r, 0), offset_of(c, &kept, at), offset_of(c, &in, at_in));
  close_loops(c, m);
  tw_c_line(c, "%s = %s(%s, %lld);", element,
            op == TW_OP_sum    ? "sum_of"
            : op == TW_OP_rmin ? "least_of"
                               : "largest_of",
            all, (long long)in.count);
  close_loops(c, n ? n : 1);
}

/* argmask: 1 at the first extremum, 0 elsewhere, in the operand's shape. */
void tw_c_argmask(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *a = tw_c_info(b, tw_arg(b->f, r, 0));
  Axes in, kept;
  split_axes(a, b->f->attrs.at + tw_inst(b->f, r)->attrs + 1, tw_inst(b->f, r)->n_attrs - 1, &in, &kept);
  const char *at[TW_MAX_RANK], *at_in[TW_MAX_RANK], *from = tw_c_arg(b, r, 0), *best = tw_c_fresh(c, 'k'),
                                                    *here = tw_c_fresh(c, 'k');
  b->name[r] = tw_c_array(c, TW_BOOL, a->count, true);
  uint32_t n = open_loops(c, kept.n, kept.dims, at);
  if (!n) tw_c_open(c, "");
  tw_c_line(c, "int64_t %s = %s;", best, offset_of(c, &kept, at));
  uint32_t m = open_loops(c, in.n, in.dims, at_in);
  if (!m) tw_c_open(c, "");
  tw_c_line(c, "const int64_t %s = %s + %s;", here, offset_of(c, &kept, at), offset_of(c, &in, at_in));
  tw_c_line(c, "if (%s[%s] %s %s[%s]) %s = %s;", from, here, tw_attr(b->f, r, 0) ? "<" : ">", from, best, best, here);
  close_loops(c, m ? m : 1);
  tw_c_line(c, "%s[%s] = 1;", b->name[r], best);
  close_loops(c, n ? n : 1);
}

void tw_c_dot(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r), *a = tw_c_info(b, tw_arg(b->f, r, 0)), *y = tw_c_info(b, tw_arg(b->f, r, 1));
  const int64_t *axes = b->f->attrs.at + tw_inst(b->f, r)->attrs + 1;
  uint32_t n = (uint32_t)tw_attr(b->f, r, 0);
  Axes in_a, in_b, kept_a, kept_b;
  split_axes(a, axes, n, &in_a, &kept_a);
  split_axes(y, axes + n, n, &in_b, &kept_b);
  const char *element, *counter, *at_a[TW_MAX_RANK], *at_b[TW_MAX_RANK], *at[TW_MAX_RANK];
  b->name[r] = result(c, t, &element, &counter);
  uint32_t loops = open_loops(c, kept_a.n, kept_a.dims, at_a);
  loops += open_loops(c, kept_b.n, kept_b.dims, at_b);
  if (!loops) tw_c_open(c, "");
  const char *sum = tw_c_fresh(c, 's');
  tw_c_line(c, "real %s = 0;", sum);
  uint32_t m = open_loops(c, in_a.n, in_a.dims, at);
  const char *left = a->rank ? tw_c_text(c, "%s[%s + %s]", tw_c_arg(b, r, 0), offset_of(c, &kept_a, at_a),
                                         offset_of(c, &in_a, at))
                             : tw_c_arg(b, r, 0);
  const char *right = y->rank ? tw_c_text(c, "%s[%s + %s]", tw_c_arg(b, r, 1), offset_of(c, &kept_b, at_b),
                                          offset_of(c, &in_b, at))
                              : tw_c_arg(b, r, 1);
  tw_c_line(c, "%s = FMA(%s, %s, %s);", sum, left, right, sum);
  close_loops(c, m);
  tw_c_line(c, "%s = %s;", element, sum);
  close_loops(c, loops ? loops : 1);
}
