/* operators.c: unary and binary operators.
 *
 * Elementwise operators take equal shapes, or a scalar and any shape. Integers become reals where
 * they meet one, and in `/`. Integers that are known stay known, so that sizes can be computed. */
#include <math.h>

#include "compiler/sema/check.h"

static const char *const signs[] = {
    [TW_BI_ADD] = "+",    [TW_BI_SUB] = "-", [TW_BI_MUL] = "*", [TW_BI_DIV] = "/",   [TW_BI_POW] = "^",
    [TW_BI_MATMUL] = "@", [TW_BI_MOD] = "%", [TW_BI_LT] = "<",  [TW_BI_LE] = "<=",   [TW_BI_GT] = ">",
    [TW_BI_GE] = ">=",    [TW_BI_EQ] = "==", [TW_BI_NE] = "!=", [TW_BI_AND] = "and", [TW_BI_OR] = "or"};

static bool numeric(const TwType *t) { return t->kind == TW_TY_TENSOR && t->dtype != TW_BOOL; }

static TwTx *not_for(TwSema *s, TwSpan span, const char *sign, const TwTx *a, const TwTx *b) {
  TwDiag *d = b ? tw_sm_error(s, TW_E0307, span, "'%s' does not apply to %s and %s", sign, tw_type_text(s->a, a->type),
                              tw_type_text(s->a, b->type))
                : tw_sm_error(s, TW_E0307, span, "'%s' does not apply to %s", sign, tw_type_text(s->a, a->type));
  if (tw_sm_is(a->type, TW_BOOL) || (b && tw_sm_is(b->type, TW_BOOL)))
    tw_sm_help(s, d, "real(…) makes a number of a truth value, 1 or 0");
  return tw_sm_bad(s, span);
}

const TwType *tw_sm_elementwise(TwSema *s, TwTx *a, TwTx *b, TwDtype dtype, TwSpan span, const char *sign) {
  if (tw_sm_same_shape(a->type, b->type) || a->type->rank == 0) return tw_sm_with(s, dtype, b->type);
  if (b->type->rank == 0) return tw_sm_with(s, dtype, a->type);
  TwDiag *d = tw_sm_error(s, TW_E0401, span, "the shapes on both sides of '%s' do not agree: %s and %s", sign,
                          tw_sm_shown(s, a->type), tw_sm_shown(s, b->type));
  tw_sm_note_sizes(s, d, a->type, b->type);
  return NULL;
}

/* ---- integers known when compiling */
static TwTx *fold_int(TwSema *s, TwBinaryOp op, int64_t a, int64_t b, TwSpan span) {
  int64_t r = 0;
  bool over = false;
  if (op == TW_BI_ADD) over = __builtin_add_overflow(a, b, &r);
  else if (op == TW_BI_SUB) over = __builtin_sub_overflow(a, b, &r);
  else if (op == TW_BI_MUL) over = __builtin_mul_overflow(a, b, &r);
  else if (b == 0) {
    tw_sm_error(s, TW_E0314, span, "this takes a remainder by zero");
    return tw_sm_bad(s, span);
  } else if (b != -1) {
    r = a % b;
    if (r && (r < 0) != (b < 0)) r += b;
  }
  if (over || r > (int64_t)1 << 53 || r < -((int64_t)1 << 53)) {
    tw_sm_error(s, TW_E0314, span, "this integer is beyond 2^53");
    return tw_sm_bad(s, span);
  }
  return tw_sm_int(s, r, span);
}

static TwTx *fold_power(TwSema *s, int64_t a, int64_t n, TwSpan span) {
  int64_t r = 1;
  if (a == 0 || a == 1) return tw_sm_int(s, n == 0 ? 1 : a, span);
  if (a == -1) return tw_sm_int(s, n & 1 ? -1 : 1, span);
  for (int64_t k = 0; k < n; k++)
    if (__builtin_mul_overflow(r, a, &r) || r > (int64_t)1 << 53 || r < -((int64_t)1 << 53)) {
      TwDiag *d = tw_sm_error(s, TW_E0314, span, "this integer is beyond 2^53");
      tw_sm_help(s, d, "write the base with a point, as in 2.0 ^ n, for a real number");
      return tw_sm_bad(s, span);
    }
  return tw_sm_int(s, r, span);
}

TwTx *tw_sm_power(TwSema *s, TwTx *a, TwTx *b, TwSpan span) {
  if (!numeric(a->type) || !numeric(b->type)) return not_for(s, span, "^", a, b);
  if (b->known) {
    if (a->known && b->integer >= 0) return fold_power(s, a->integer, b->integer, span);
    TwTx *base = b->integer < 0 ? tw_sm_to_real(s, a) : a;
    TwTx *t = tw_sm_one(s, TW_TX_POWI, base->type, span, base);
    t->integer = b->integer;
    return t;
  }
  a = tw_sm_to_real(s, a);
  b = tw_sm_to_real(s, b);
  const TwType *type = tw_sm_elementwise(s, a, b, TW_REAL, span, "^");
  return type ? tw_sm_op(s, TW_OP_pow, type, span, a, b) : tw_sm_bad(s, span);
}

TwTx *tw_sm_arith(TwSema *s, TwBinaryOp op, TwTx *a, TwTx *b, TwSpan span, const char *sign) {
  static const TwOp ops[] = {[TW_BI_ADD] = TW_OP_add,
                             [TW_BI_SUB] = TW_OP_sub,
                             [TW_BI_MUL] = TW_OP_mul,
                             [TW_BI_DIV] = TW_OP_div,
                             [TW_BI_MOD] = TW_OP_mod};
  if (tw_sm_poison(a->type) || tw_sm_poison(b->type)) return tw_sm_bad(s, span);
  if (op == TW_BI_POW) return tw_sm_power(s, a, b, span);
  if (!numeric(a->type) || !numeric(b->type)) return not_for(s, span, sign, a, b);
  if (a->known && b->known && op != TW_BI_DIV) return fold_int(s, op, a->integer, b->integer, span);
  bool ints = a->type->dtype == TW_INT && b->type->dtype == TW_INT;
  if (op == TW_BI_MOD && !ints) {
    TwDiag *d = tw_sm_error(s, TW_E0307, span, "'%%' is for integers, but these are %s and %s",
                            tw_type_text(s->a, a->type), tw_type_text(s->a, b->type));
    tw_sm_help(s, d, "write a - b * floor(a / b)");
    return tw_sm_bad(s, span);
  }
  if (!ints || op == TW_BI_DIV) {
    a = tw_sm_to_real(s, a);
    b = tw_sm_to_real(s, b);
  }
  const TwType *type = tw_sm_elementwise(s, a, b, a->type->dtype, span, sign);
  return type ? tw_sm_op(s, ops[op], type, span, a, b) : tw_sm_bad(s, span);
}

/* ---- comparisons and logic */
static TwTx *compare(TwSema *s, TwBinaryOp op, TwTx *a, TwTx *b, TwSpan span) {
  bool equality = op == TW_BI_EQ || op == TW_BI_NE;
  bool both_bool = tw_sm_is(a->type, TW_BOOL) && tw_sm_is(b->type, TW_BOOL);
  if (!(numeric(a->type) && numeric(b->type)) && !(equality && both_bool)) return not_for(s, span, signs[op], a, b);
  if (a->type->dtype != b->type->dtype) {
    a = tw_sm_to_real(s, a);
    b = tw_sm_to_real(s, b);
  }
  const TwType *type = tw_sm_elementwise(s, a, b, TW_BOOL, span, signs[op]);
  if (!type) return tw_sm_bad(s, span);
  bool swap = op == TW_BI_GT || op == TW_BI_GE;
  TwOp as = op == TW_BI_LT || op == TW_BI_GT   ? TW_OP_lt
            : op == TW_BI_LE || op == TW_BI_GE ? TW_OP_le
            : op == TW_BI_EQ                   ? TW_OP_eq
                                               : TW_OP_ne;
  return tw_sm_op(s, as, type, span, swap ? b : a, swap ? a : b);
}

static TwTx *logic(TwSema *s, TwBinaryOp op, TwTx *a, TwTx *b, TwSpan span) {
  if (!tw_sm_is(a->type, TW_BOOL) || !tw_sm_is(b->type, TW_BOOL)) {
    tw_sm_error(s, TW_E0307, span, "'%s' is for truth values, but these are %s and %s", signs[op],
                tw_type_text(s->a, a->type), tw_type_text(s->a, b->type));
    return tw_sm_bad(s, span);
  }
  const TwType *type = tw_sm_elementwise(s, a, b, TW_BOOL, span, signs[op]);
  return type ? tw_sm_op(s, op == TW_BI_AND ? TW_OP_and : TW_OP_or, type, span, a, b) : tw_sm_bad(s, span);
}

/* ---- products of matrices */
static TwTx *matmul(TwSema *s, TwTx *a, TwTx *b, TwSpan span) {
  if (!numeric(a->type) || !numeric(b->type)) return not_for(s, span, "@", a, b);
  uint32_t ra = a->type->rank, rb = b->type->rank;
  if (ra < 1 || ra > 2 || rb < 1 || rb > 2) {
    TwDiag *d = tw_sm_error(s, TW_E0403, span, "'@' takes vectors and matrices, but these are %s and %s",
                            tw_type_text(s->a, a->type), tw_type_text(s->a, b->type));
    if (ra == 0 || rb == 0) tw_sm_help(s, d, "multiply by a scalar with '*'");
    return tw_sm_bad(s, span);
  }
  TwDim inner_a = a->type->dims[ra - 1], inner_b = b->type->dims[0];
  if (inner_a.n != inner_b.n) {
    TwDiag *d = tw_sm_error(s, TW_E0402, span, "the inner sizes of '@' do not agree: %s @ %s", tw_sm_shown(s, a->type),
                            tw_sm_shown(s, b->type));
    if (inner_a.from.file) tw_sm_note(s, d, inner_a.from, "the size %s is fixed here", tw_sm_dim_text(s, &inner_a));
    if (inner_b.from.file) tw_sm_note(s, d, inner_b.from, "the size %s is fixed here", tw_sm_dim_text(s, &inner_b));
    return tw_sm_bad(s, span);
  }
  TwDim dims[2];
  uint32_t rank = 0;
  if (ra == 2) dims[rank++] = a->type->dims[0];
  if (rb == 2) dims[rank++] = b->type->dims[1];
  TwTx *t = tw_sm_one(s, TW_TX_MATMUL, tw_sm_tensor(s, TW_REAL, rank, dims), span, tw_sm_to_real(s, a));
  tw_vec_push(s->a, &t->args, tw_sm_to_real(s, b));
  return t;
}

TwTx *tw_sm_binary(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  TwBinaryOp op = (TwBinaryOp)e->op;
  bool hint = want && want->kind == TW_TY_TENSOR && op <= TW_BI_DIV; /* both sides may have the result's shape */
  TwTx *a = tw_sm_tx(s, scope, e->a, hint ? want : NULL);
  TwTx *b = tw_sm_tx(s, scope, e->b, hint ? want : NULL);
  if (tw_sm_poison(a->type) || tw_sm_poison(b->type)) return tw_sm_bad(s, e->span);
  switch (op) {
    case TW_BI_ADD:
    case TW_BI_SUB:
    case TW_BI_MUL:
    case TW_BI_DIV:
    case TW_BI_MOD:
    case TW_BI_POW: return tw_sm_arith(s, op, a, b, e->span, signs[op]);
    case TW_BI_MATMUL: return matmul(s, a, b, e->span);
    case TW_BI_LT:
    case TW_BI_LE:
    case TW_BI_GT:
    case TW_BI_GE:
    case TW_BI_EQ:
    case TW_BI_NE: return compare(s, op, a, b, e->span);
    case TW_BI_AND:
    case TW_BI_OR: return logic(s, op, a, b, e->span);
  }
  return tw_sm_bad(s, e->span);
}

TwTx *tw_sm_unary(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  TwTx *a = tw_sm_tx(s, scope, e->a, want);
  if (tw_sm_poison(a->type)) return a;
  if (e->op == TW_UN_NOT) {
    if (!tw_sm_is(a->type, TW_BOOL)) return not_for(s, e->span, "not", a, NULL);
    return tw_sm_op(s, TW_OP_not, a->type, e->span, a, NULL);
  }
  if (!numeric(a->type)) return not_for(s, e->span, "-", a, NULL);
  if (a->known) return tw_sm_int(s, -a->integer, e->span);
  if (a->kind == TW_TX_CONST) return tw_sm_real(s, -a->number, e->span);
  return tw_sm_op(s, TW_OP_neg, a->type, e->span, a, NULL);
}
