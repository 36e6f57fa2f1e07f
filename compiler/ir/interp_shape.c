/* interp_shape.c: operations that move elements without looking at them. */
#include <string.h>

#include "compiler/ir/interp.h"

typedef struct Walk { /* one side of a strided copy, in elements */
  char *at;
  int64_t stride[TW_MAX_RANK];
} Walk;

static void row_major(const TwTyInfo *t, int64_t *stride) {
  int64_t s = 1;
  for (uint32_t k = t->rank; k-- > 0; s *= t->dims[k]) stride[k] = s;
}

static void copy_line(char *to, int64_t ts, const char *from, int64_t fs, int64_t n, size_t size) {
  if (ts == 1 && fs == 1) {
    memcpy(to, from, (size_t)n * size);
    return;
  }
  int64_t tb = ts * (int64_t)size, fb = fs * (int64_t)size;
  for (int64_t e = 0; e < n; e++) memcpy(to + e * tb, from + e * fb, size);
}

/* Copies a box of elements; the innermost axis is a line. */
static void copy_box(Walk to, Walk from, uint32_t rank, const int64_t *dims, size_t size) {
  int64_t at[TW_MAX_RANK] = {0};
  for (uint32_t k = 0; k < rank; k++)
    if (dims[k] == 0) return;
  if (rank == 0) {
    memcpy(to.at, from.at, size);
    return;
  }
  uint32_t inner = rank - 1;
  for (;;) {
    copy_line(to.at, to.stride[inner], from.at, from.stride[inner], dims[inner], size);
    uint32_t k = inner;
    for (; k > 0; k--) {
      to.at += to.stride[k - 1] * (int64_t)size;
      from.at += from.stride[k - 1] * (int64_t)size;
      if (++at[k - 1] < dims[k - 1]) break;
      to.at -= to.stride[k - 1] * (int64_t)size * dims[k - 1];
      from.at -= from.stride[k - 1] * (int64_t)size * dims[k - 1];
      at[k - 1] = 0;
    }
    if (k == 0) return;
  }
}

/* The walk over the operand that meets the result's elements in row-major order. */
static void walk_operand(const TwFn *f, TwRef r, const TwTyInfo *a, Walk *w, size_t size) {
  int64_t own[TW_MAX_RANK];
  row_major(a, own);
  for (uint32_t k = 0; k < a->rank; k++) {
    switch ((int)tw_op(f, r)) {
      case TW_OP_broadcast: w->stride[tw_attr(f, r, k)] = own[k]; break;
      case TW_OP_transpose: w->stride[k] = own[tw_attr(f, r, k)]; break;
      case TW_OP_slice:
        w->at += tw_attr(f, r, 2 * k) * own[k] * (int64_t)size;
        w->stride[k] = own[k] * tw_attr(f, r, 2 * k + 1);
        break;
      case TW_OP_reverse:
        w->stride[k] = own[k];
        if (tw_attr(f, r, 0) != k || a->dims[k] == 0) break;
        w->at += (a->dims[k] - 1) * own[k] * (int64_t)size;
        w->stride[k] = -own[k];
        break;
    }
  }
}

static void run_pad(TwPlan *p, TwRef r, const TwTyInfo *t, size_t size) {
  const TwFn *f = p->fn;
  const TwTyInfo *a = tw_info(f, tw_arg(f, r, 0));
  int64_t own[TW_MAX_RANK];
  Walk to = {.at = p->value[r]}, from = {.at = p->value[tw_arg(f, r, 0)]};
  memset(to.at, 0, tw_plan_bytes(p, t));
  if (a->count == 0) return;
  row_major(t, own);
  row_major(a, from.stride);
  for (uint32_t k = 0; k < t->rank; k++) {
    to.at += tw_attr(f, r, 2 * k) * own[k] * (int64_t)size;
    to.stride[k] = own[k] * tw_attr(f, r, 2 * k + 1);
  }
  copy_box(to, from, a->rank, a->dims, size);
}

static void run_concat(TwPlan *p, TwRef r, const TwTyInfo *t, size_t size) {
  const TwFn *f = p->fn;
  uint32_t axis = (uint32_t)tw_attr(f, r, 0);
  int64_t outer = 1, inner = 1;
  for (uint32_t k = 0; k < t->rank; k++) *(k < axis ? &outer : &inner) *= k == axis ? 1 : t->dims[k];
  size_t row = (size_t)(t->dims[axis] * inner) * size, at = 0;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    TwRef part = tw_arg(f, r, k);
    size_t line = (size_t)(tw_info(f, part)->dims[axis] * inner) * size;
    for (int64_t o = 0; o < outer && line; o++)
      memcpy(p->value[r] + (size_t)o * row + at, p->value[part] + (size_t)o * line, line);
    at += line;
  }
}

void tw_interp_shape(TwPlan *p, TwRef r) {
  const TwFn *f = p->fn;
  const TwTyInfo *t = tw_info(f, r), *a = tw_info(f, tw_arg(f, r, 0));
  size_t size = tw_plan_esize(p, t->dtype);
  if (t->count == 0) return;
  switch ((int)tw_op(f, r)) {
    case TW_OP_reshape: memcpy(p->value[r], p->value[tw_arg(f, r, 0)], tw_plan_bytes(p, t)); return;
    case TW_OP_pad: run_pad(p, r, t, size); return;
    case TW_OP_concat: run_concat(p, r, t, size); return;
  }
  Walk to = {.at = p->value[r]}, from = {.at = p->value[tw_arg(f, r, 0)]};
  row_major(t, to.stride);
  walk_operand(f, r, a, &from, size);
  copy_box(to, from, t->rank, t->dims, size);
}
