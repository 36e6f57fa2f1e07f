/* rules.c: the forward rule of every op that is no region.
 *
 * requires: a tangent program under construction; the primal value of the instruction is emitted.
 * provides: the instruction's tangent, 0 if it is zero by structure.
 *
 * Laws for whoever adds a rule:
 *  1. Emit ops of ops.def only; the tangent has the type of the value.
 *  2. The tangent is linear in the tangents of the operands: they may stand as operands of ops with a
 *     transpose only, and of mul, mul0, div, select and dot on one side only.
 *  3. An operand without tangent costs nothing: its terms are not emitted at all.
 *  4. Use primal values by ref; where the value of the op itself serves (exp, tanh, sqrt), use it.
 *  5. The choice at a kink is the choice the value made: use the same compare as the op's definition.
 *  6. Where a coefficient can be infinite (or 0/0) at a point at which the op has a value, multiply by
 *     mul0: a zero tangent stays zero. Never use a select for that, which would be wrong one order higher.
 *     A coefficient that is a product with an infinite factor is made by mul0 too, for the next order.
 *  7. Do not subtract nearly equal numbers: (1 - x)(1 + x), not 1 - x^2.
 * The table at the end follows ops.def: an op without a rule does not compile. */
#include "compiler/ad/internal.h"

/* ---- shorthands: primal operand, its tangent, primal result */
static TwRef P(const TwAdForward *w, TwRef r, uint32_t k) { return w->primal[tw_arg(w->f, r, k)]; }
static TwRef T(const TwAdForward *w, TwRef r, uint32_t k) { return w->tangent[tw_arg(w->f, r, k)]; }
static TwRef number(const TwAdForward *w, TwRef r, double v) { return tw_const(w->out, tw_type(w->f, r), v); }
static TwRef un(const TwAdForward *w, TwOp op, TwRef a) { return tw_unary(w->out, op, a); }
static TwRef bin(const TwAdForward *w, TwOp op, TwRef a, TwRef b) { return tw_binary(w->out, op, a, b); }
static TwRef reciprocal(const TwAdForward *w, TwRef r, TwRef a) { return bin(w, TW_OP_div, number(w, r, 1), a); }
static TwRef one_minus_square(const TwAdForward *w, TwRef r, TwRef a) {
  TwRef one = number(w, r, 1);
  return bin(w, TW_OP_mul, bin(w, TW_OP_sub, one, a), bin(w, TW_OP_add, one, a));
}
static TwRef one_plus_square(const TwAdForward *w, TwRef r, TwRef a) {
  return bin(w, TW_OP_add, number(w, r, 1), bin(w, TW_OP_mul, a, a));
}

/* ---- ops that are linear in all real operands together */

static TwRef jvp_linear(TwAdForward *w, TwRef r) {
  TwOp op = tw_op(w->f, r);
  if (op == TW_OP_add) return tw_ad_add(w->out, T(w, r, 0), T(w, r, 1));
  if (op == TW_OP_sub) {
    if (!T(w, r, 1)) return T(w, r, 0);
    return T(w, r, 0) ? bin(w, op, T(w, r, 0), T(w, r, 1)) : un(w, TW_OP_neg, T(w, r, 1));
  }
  /* The same instruction on tangents: for the time of the copy they stand in for the values. */
  uint32_t n = tw_inst(w->f, r)->n_args;
  TwRef *values = TW_NEW_N(w->module->arena, TwRef, n);
  for (uint32_t k = 0; k < n; k++) values[k] = P(w, r, k);
  for (uint32_t k = 0; k < n; k++) {
    TwRef a = tw_arg(w->f, r, k);
    w->primal[a] = tw_ad_or_zeros(w->out, w->tangent[a], tw_type(w->f, a));
  }
  TwRef t = tw_copy_inst(w->out, w->f, r, w->primal);
  for (uint32_t k = 0; k < n; k++) w->primal[tw_arg(w->f, r, k)] = values[k];
  return t;
}

/* ---- functions of one variable: the partial, and whether it can be infinite. x: operand, y: value */

typedef struct Partial {
  TwRef value;
  bool strong;
} Partial;
typedef Partial PartialRule(TwAdForward *w, TwRef r, TwRef x, TwRef y);
#define PARTIAL(name) static Partial partial_##name(TwAdForward *w, TwRef r, TwRef x, TwRef y)
#define FINITE(v) ((void)w, (void)r, (void)x, (void)y, (Partial){(v), false})
#define STRONG(v) ((void)w, (void)r, (void)x, (void)y, (Partial){(v), true})

PARTIAL(abs) { return FINITE(un(w, TW_OP_sign, x)); }
PARTIAL(sqrt) { return STRONG(bin(w, TW_OP_div, number(w, r, 0.5), y)); }
PARTIAL(exp) { return FINITE(y); }
PARTIAL(expm1) { return FINITE(un(w, TW_OP_exp, x)); }
PARTIAL(log) { return STRONG(reciprocal(w, r, x)); }
PARTIAL(log1p) { return STRONG(reciprocal(w, r, bin(w, TW_OP_add, number(w, r, 1), x))); }
PARTIAL(sin) { return FINITE(un(w, TW_OP_cos, x)); }
PARTIAL(cos) { return FINITE(un(w, TW_OP_neg, un(w, TW_OP_sin, x))); }
PARTIAL(tan) { return FINITE(one_plus_square(w, r, y)); }
PARTIAL(asin) { return STRONG(reciprocal(w, r, un(w, TW_OP_sqrt, one_minus_square(w, r, x)))); }
PARTIAL(acos) { return STRONG(bin(w, TW_OP_div, number(w, r, -1), un(w, TW_OP_sqrt, one_minus_square(w, r, x)))); }
PARTIAL(atan) { return FINITE(reciprocal(w, r, one_plus_square(w, r, x))); }
PARTIAL(sinh) { return FINITE(un(w, TW_OP_cosh, x)); }
PARTIAL(cosh) { return FINITE(un(w, TW_OP_sinh, x)); }
PARTIAL(tanh) { return FINITE(one_minus_square(w, r, y)); }
PARTIAL(logistic) { return FINITE(bin(w, TW_OP_mul, y, bin(w, TW_OP_sub, number(w, r, 1), y))); }

static TwRef jvp_unary(TwAdForward *w, TwRef r, PartialRule *rule) {
  Partial p = rule(w, r, P(w, r, 0), w->primal[r]);
  return p.strong ? tw_ad_scale_strong(w->out, p.value, T(w, r, 0)) : tw_ad_scale(w->out, p.value, T(w, r, 0));
}

/* ---- elementwise, rules of their own */

/* The tangent passes where the result is nonzero: relu'(0) = 0, and NaN passes. */
static TwRef jvp_relu(TwAdForward *w, TwRef r) {
  TwRef on = bin(w, TW_OP_ne, w->primal[r], number(w, r, 0));
  return tw_select(w->out, on, T(w, r, 0), number(w, r, 0));
}

/* a * db + da * b, where * is op; a * a has one term. */
static TwRef product(TwAdForward *w, TwRef r, TwRef scale(TwFn *, TwRef, TwRef)) {
  TwRef a = P(w, r, 0), b = P(w, r, 1);
  if (tw_arg(w->f, r, 0) == tw_arg(w->f, r, 1)) return scale(w->out, bin(w, TW_OP_add, a, a), T(w, r, 0));
  TwRef from_a = scale(w->out, b, T(w, r, 0));
  return tw_ad_add(w->out, from_a, scale(w->out, a, T(w, r, 1)));
}
static TwRef jvp_mul(TwAdForward *w, TwRef r) { return product(w, r, tw_ad_scale); }
static TwRef jvp_mul0(TwAdForward *w, TwRef r) { return product(w, r, tw_ad_scale_strong); }
static TwRef jvp_fma(TwAdForward *w, TwRef r) { return tw_ad_add(w->out, product(w, r, tw_ad_scale), T(w, r, 2)); }

/* What a custom rule says: p dx beside what a has already. p is the program's own and may be infinite. */
static TwRef jvp_along(TwAdForward *w, TwRef r) {
  return tw_ad_add(w->out, T(w, r, 0), tw_ad_scale_strong(w->out, P(w, r, 2), T(w, r, 1)));
}

/* q = a / b: dq = (da - q db) / b. A literal divisor that is not 0 needs no strong zero. */
static TwRef jvp_div(TwAdForward *w, TwRef r) {
  TwRef a = T(w, r, 0), b = T(w, r, 1), q = w->primal[r];
  double divisor;
  if (!b && tw_is_const(w->out, P(w, r, 1), &divisor) && divisor != 0) return bin(w, TW_OP_div, a, P(w, r, 1));
  TwRef inverse = reciprocal(w, r, P(w, r, 1));
  if (!a) return tw_ad_scale_strong(w->out, un(w, TW_OP_neg, bin(w, TW_OP_mul0, q, inverse)), b);
  if (!b) return tw_ad_scale_strong(w->out, inverse, a);
  TwRef along_b = tw_ad_scale_strong(w->out, q, b);
  return tw_ad_scale_strong(w->out, inverse, along_b ? bin(w, TW_OP_sub, a, along_b) : a);
}

/* y = a^b: dy = b a^(b-1) da + y log(a) db. With a literal b >= 1 the first partial is finite. */
static TwRef jvp_pow(TwAdForward *w, TwRef r) {
  TwRef a = P(w, r, 0), b = P(w, r, 1), along_a = 0, along_b = 0;
  double exponent;
  if (T(w, r, 0)) {
    TwRef lower = bin(w, TW_OP_pow, a, bin(w, TW_OP_sub, b, number(w, r, 1)));
    bool finite = tw_is_const(w->out, b, &exponent) && exponent >= 1;
    along_a = finite ? tw_ad_scale(w->out, bin(w, TW_OP_mul, b, lower), T(w, r, 0))
                     : tw_ad_scale_strong(w->out, bin(w, TW_OP_mul0, b, lower), T(w, r, 0));
  }
  if (T(w, r, 1)) {
    TwRef partial = bin(w, TW_OP_mul0, w->primal[r], un(w, TW_OP_log, a));
    along_b = tw_ad_scale_strong(w->out, partial, T(w, r, 1));
  }
  return tw_ad_add(w->out, along_a, along_b);
}

/* atan2(y, x): (x dy - y dx) / (x^2 + y^2) */
static TwRef jvp_atan2(TwAdForward *w, TwRef r) {
  TwRef y = P(w, r, 0), x = P(w, r, 1);
  TwRef square = bin(w, TW_OP_add, bin(w, TW_OP_mul, x, x), bin(w, TW_OP_mul, y, y));
  TwRef along_y = 0, along_x = 0;
  if (T(w, r, 0)) along_y = tw_ad_scale_strong(w->out, bin(w, TW_OP_div, x, square), T(w, r, 0));
  if (T(w, r, 1)) along_x = tw_ad_scale_strong(w->out, un(w, TW_OP_neg, bin(w, TW_OP_div, y, square)), T(w, r, 1));
  return tw_ad_add(w->out, along_y, along_x);
}

/* c ? a : b on tangents; absent ones are zeros, unless both are. */
static TwRef choose(TwAdForward *w, TwRef r, TwRef c, TwRef a, TwRef b) {
  if (!a && !b) return 0;
  TwTy type = tw_type(w->f, r);
  return tw_select(w->out, c, tw_ad_or_zeros(w->out, a, type), tw_ad_or_zeros(w->out, b, type));
}
static TwRef jvp_min(TwAdForward *w, TwRef r) {
  return choose(w, r, bin(w, TW_OP_lt, P(w, r, 1), P(w, r, 0)), T(w, r, 1), T(w, r, 0));
}
static TwRef jvp_max(TwAdForward *w, TwRef r) {
  return choose(w, r, bin(w, TW_OP_lt, P(w, r, 0), P(w, r, 1)), T(w, r, 1), T(w, r, 0));
}
static TwRef jvp_select(TwAdForward *w, TwRef r) { return choose(w, r, P(w, r, 0), T(w, r, 1), T(w, r, 2)); }

/* ---- tensors, rules of their own */

static TwRef jvp_index(TwAdForward *w, TwRef r) { return tw_index(w->out, T(w, r, 0), P(w, r, 1)); }

static TwRef jvp_add_at(TwAdForward *w, TwRef r) {
  TwRef acc = T(w, r, 0), v = T(w, r, 2);
  if (!v) return acc;
  return tw_add_at(w->out, tw_ad_or_zeros(w->out, acc, tw_type(w->f, r)), P(w, r, 1), v);
}

/* The tangent of the first extremum along the axes. */
static TwRef extremum(TwAdForward *w, TwRef r, bool is_min) {
  const int64_t *axes = &w->f->attrs.at[tw_inst(w->f, r)->attrs];
  uint32_t n = tw_inst(w->f, r)->n_attrs;
  TwTy type = tw_type(w->f, tw_arg(w->f, r, 0));
  TwRef mask = tw_argmask(w->out, is_min, P(w, r, 0), axes, n);
  return tw_sum(w->out, tw_select(w->out, mask, T(w, r, 0), tw_zeros(w->out, type)), axes, n);
}
static TwRef jvp_rmax(TwAdForward *w, TwRef r) { return extremum(w, r, false); }
static TwRef jvp_rmin(TwAdForward *w, TwRef r) { return extremum(w, r, true); }

static TwRef jvp_dot(TwAdForward *w, TwRef r) {
  const int64_t *attrs = &w->f->attrs.at[tw_inst(w->f, r)->attrs];
  uint32_t n = (uint32_t)attrs[0];
  TwRef along_a = 0, along_b = 0;
  if (T(w, r, 0) && !tw_is_zero(w->out, P(w, r, 1)))
    along_a = tw_dot(w->out, T(w, r, 0), P(w, r, 1), attrs + 1, attrs + 1 + n, n);
  if (T(w, r, 1) && !tw_is_zero(w->out, P(w, r, 0)))
    along_b = tw_dot(w->out, P(w, r, 0), T(w, r, 1), attrs + 1, attrs + 1 + n, n);
  return tw_ad_add(w->out, along_a, along_b);
}

static TwRef jvp_scan(TwAdForward *w, TwRef r) { return tw_ad_jvp_scan(w, r); }
static TwRef jvp_samples(TwAdForward *w, TwRef r) { return tw_ad_jvp_samples(w, r); }
static TwRef jvp_cond(TwAdForward *w, TwRef r) { return tw_ad_jvp_cond(w, r); }
static TwRef jvp_get(TwAdForward *w, TwRef r) { return tw_ad_jvp_get(w, r); }

/* ---- the table */

#define UNARY_none(name)
#define UNARY_linear(name)
#define UNARY_own(name)
#define UNARY_unary(name)                                                                                              \
  static TwRef jvp_##name(TwAdForward *w, TwRef r) { return jvp_unary(w, r, partial_##name); }
#define TW_OP(name, arity, shape, jvp, transpose, fold) UNARY_##jvp(name)
#include "compiler/ir/ops.def"
#undef TW_OP

#define RULE_none(name) NULL
#define RULE_linear(name) jvp_linear
#define RULE_unary(name) jvp_##name
#define RULE_own(name) jvp_##name
static TwAdJvpRule *const rules[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = RULE_##jvp(name),
#include "compiler/ir/ops.def"
#undef TW_OP
};

TwAdJvpRule *tw_ad_jvp_rule(TwOp op) { return rules[op]; }
