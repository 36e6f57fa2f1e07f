/* scalar.c: see scalar.h. */
#include "compiler/ir/scalar.h"

#include <math.h>
#include <stdlib.h>

#include "compiler/ir/elementary.h"

#define REAL float
#define NAME(x) x##_f32
#define MATH(x) x##f
#include "compiler/ir/scalar_real.inc"
#undef REAL
#undef NAME
#undef MATH
#define REAL double
#define NAME(x) x##_f64
#define MATH(x) x
#include "compiler/ir/scalar_real.inc"

int64_t tw_scalar1_int(TwOp op, int64_t a) {
  switch ((int)op) {
    case TW_OP_neg: return (int64_t)(0 - (uint64_t)a);
  }
  abort();
}

static int64_t floor_div(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return (int64_t)(0 - (uint64_t)a); /* INT64_MIN / -1 wraps */
  int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

int64_t tw_scalar2_int(TwOp op, int64_t a, int64_t b) {
  uint64_t x = (uint64_t)a, y = (uint64_t)b;
  switch ((int)op) {
    case TW_OP_add: return (int64_t)(x + y);
    case TW_OP_sub: return (int64_t)(x - y);
    case TW_OP_mul: return (int64_t)(x * y);
    case TW_OP_div: return floor_div(a, b);
    case TW_OP_mod: return (int64_t)(x - y * (uint64_t)floor_div(a, b));
    case TW_OP_min: return b < a ? b : a;
    case TW_OP_max: return b > a ? b : a;
  }
  abort();
}

bool tw_compare_int(TwOp op, int64_t a, int64_t b) {
  switch ((int)op) {
    case TW_OP_lt: return a < b;
    case TW_OP_le: return a <= b;
    case TW_OP_eq: return a == b;
    case TW_OP_ne: return a != b;
    case TW_OP_and: return a && b;
    case TW_OP_or: return a || b;
  }
  abort();
}

int64_t tw_real_to_int(double a) {
  if (isnan(a)) return 0;
  if (a >= 0x1p63) return INT64_MAX;
  if (a < -0x1p63) return INT64_MIN;
  return (int64_t)a;
}

bool tw_is_scalar1(TwOp op) { return op >= TW_OP_neg && op <= TW_OP_floor; }
bool tw_is_scalar2(TwOp op) { return op >= TW_OP_add && op <= TW_OP_max; }
bool tw_is_compare(TwOp op) { return op >= TW_OP_lt && op <= TW_OP_or; }

_Static_assert(TW_OP_floor - TW_OP_neg == 19 && TW_OP_max - TW_OP_add == 9 && TW_OP_or - TW_OP_lt == 5,
               "the families are ranges of ops.def");
