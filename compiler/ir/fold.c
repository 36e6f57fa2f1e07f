/* fold.c: what an elementwise instruction simplifies to while it is emitted.
 *
 * Laws for whoever adds a rule:
 *   1. A fold preserves the value bit for bit, in f32 and in f64, NaN and infinity included, with two
 *      exceptions that give the structure a user writes its meaning:
 *      a. a literal zero (+0) times anything is zero, also in a division 0 / x;
 *      b. zeros from the literal rules have no sign: x + 0 = x, 0 - x = -x, -(0) = 0, and a mul0 with
 *         a literal other than zero is a mul.
 *      What is preserved is the value of an instruction. A sum over samples looks at the operation that
 *      makes its term (a mul is added by one fma), so its order is that of the folded program, which is
 *      the one that every evaluator runs.
 *   2. Literals are folded in f64 and round once, when they are used. Integers and bools are exact.
 *   3. Nothing is reassociated or distributed; the order of a sum is part of its meaning (P7).
 *   4. A rule makes its result smaller or cheaper, never larger: emission must terminate.
 *   5. A rule reads operands by ref and copies what it needs before it emits: emission moves the
 *      arrays it reads from.
 *   6. A comparison that NaN could satisfy either way is not decided (x <= x stays for reals).
 *   7. The condition of a rule is the structure of the operands, never how often they are used.
 * Shape operations are in fold_shape.c, regions in fold_region.c; the laws hold there too. */
#include <math.h>
#include <string.h>

#include "compiler/ir/internal.h"

/* The parts of the proposed instruction that the rules look at. */
typedef struct Seen {
  TwRef a, b;
  TwKnown ka, kb;
  bool real; /* else int or bool */
} Seen;

static bool is_neg(const TwFn *f, TwRef r) { return tw_op(f, r) == TW_OP_neg; }
static bool known_is(const Seen *s, const TwKnown *k, double v) {
  return k->is && (s->real ? k->real == v : (double)k->whole == v);
}

static TwRef minus(TwFn *f, TwRef a) { return tw_unary(f, TW_OP_neg, a); }

static TwRef fold_add(TwFn *f, const Seen *s) {
  if (known_is(s, &s->kb, 0)) return s->a;
  if (known_is(s, &s->ka, 0)) return s->b;
  if (is_neg(f, s->b)) return tw_binary(f, TW_OP_sub, s->a, tw_arg(f, s->b, 0));
  if (is_neg(f, s->a)) return tw_binary(f, TW_OP_sub, s->b, tw_arg(f, s->a, 0));
  return 0;
}

static TwRef fold_sub(TwFn *f, const Seen *s) {
  if (known_is(s, &s->kb, 0)) return s->a;
  if (known_is(s, &s->ka, 0)) return minus(f, s->b);
  if (is_neg(f, s->b)) return tw_binary(f, TW_OP_add, s->a, tw_arg(f, s->b, 0));
  if (!s->real && s->a == s->b) return tw_zeros(f, tw_type(f, s->a));
  return 0;
}

static TwRef fold_mul(TwFn *f, TwOp op, const Seen *s) {
  if (known_is(s, &s->kb, 1)) return s->a;
  if (known_is(s, &s->kb, -1)) return minus(f, s->a);
  if (op == TW_OP_mul0 && s->kb.is && s->kb.real != 0 && isfinite(s->kb.real))
    return tw_binary(f, TW_OP_mul, s->a, s->b);
  if (is_neg(f, s->a) && is_neg(f, s->b)) return tw_binary(f, op, tw_arg(f, s->a, 0), tw_arg(f, s->b, 0));
  if (is_neg(f, s->a) && s->kb.is) {
    TwKnown k = {.is = true, .real = -s->kb.real, .whole = (int64_t)(0 - (uint64_t)s->kb.whole)};
    TwRef a = tw_arg(f, s->a, 0);
    return tw_binary(f, op, a, tw_emit_known(f, tw_type(f, s->b), &k));
  }
  return 0;
}

/* x / 2^k = x * 2^-k: both round the same real number, and both factors are exact in f32. */
static TwRef fold_div(TwFn *f, const Seen *s) {
  if (known_is(s, &s->kb, 1)) return s->a;
  if (known_is(s, &s->kb, -1)) return minus(f, s->a);
  int e = 0;
  if (s->real && s->kb.is && s->kb.real != 0 && isfinite(s->kb.real) && fabs(frexp(s->kb.real, &e)) == 0.5 &&
      e > -120 && e < 120)
    return tw_binary(f, TW_OP_mul, s->a, tw_const(f, tw_type(f, s->b), 1 / s->kb.real));
  return 0;
}

static TwRef fold_logic(TwFn *f, TwOp op, const Seen *s) {
  (void)f;
  bool is_and = op == TW_OP_and;
  if (s->a == s->b) return s->a;
  if (s->kb.is && (s->kb.whole != 0) == is_and) return s->a;
  if (s->ka.is && (s->ka.whole != 0) == is_and) return s->b;
  return 0;
}

static TwRef fold_compare(TwFn *f, TwOp op, const Seen *s) {
  TwTy t = tw_ty_with(f->module, TW_BOOL, tw_type(f, s->a));
  if (s->a == s->b && (op == TW_OP_lt || !s->real)) return tw_const(f, t, op == TW_OP_le || op == TW_OP_eq);
  if (tw_info(f, s->a)->dtype == TW_BOOL && s->kb.is) /* b = true, b != false are b; the others not b */
    return (op == TW_OP_eq) == (s->kb.whole != 0) ? s->a : tw_unary(f, TW_OP_not, s->a);
  return 0;
}

/* Along what has no tangent, or with the partial 0, nothing is added. */
static TwRef fold_along(TwFn *f, const TwProto *p) {
  return tw_is_const(f, p->args[1], NULL) || tw_is_zero(f, p->args[2]) ? p->args[0] : 0;
}

static TwRef fold_unary(TwFn *f, TwOp op, TwRef a) {
  TwOp of = tw_op(f, a);
  switch ((int)op) {
    case TW_OP_stop: return of == op ? a : 0;
    case TW_OP_neg:
    case TW_OP_not: return of == op ? tw_arg(f, a, 0) : 0;
    case TW_OP_abs:
      if (of == TW_OP_neg) return tw_unary(f, TW_OP_abs, tw_arg(f, a, 0));
      return of == TW_OP_abs ? a : 0;
    case TW_OP_relu: return of == TW_OP_relu || of == TW_OP_abs || of == TW_OP_exp ? a : 0;
    case TW_OP_floor: return of == TW_OP_floor || of == TW_OP_to_real ? a : 0;
  }
  return 0;
}

static TwRef fold_binary(TwFn *f, const TwProto *p) {
  Seen s = {.a = p->args[0], .b = p->args[1]};
  tw_literal(f, s.a, &s.ka);
  tw_literal(f, s.b, &s.kb);
  s.real = tw_info(f, s.a)->dtype == TW_REAL;
  switch ((int)p->op) {
    case TW_OP_add: return fold_add(f, &s);
    case TW_OP_sub: return fold_sub(f, &s);
    case TW_OP_mul:
    case TW_OP_mul0: return fold_mul(f, p->op, &s);
    case TW_OP_div: return fold_div(f, &s);
    case TW_OP_mod: return known_is(&s, &s.kb, 1) ? tw_zeros(f, p->type) : 0;
    case TW_OP_pow:
      if (known_is(&s, &s.kb, 1)) return s.a;
      return known_is(&s, &s.kb, 0) ? tw_const(f, p->type, 1) : 0;
    case TW_OP_min:
    case TW_OP_max: return s.a == s.b ? s.a : 0;
    case TW_OP_lt:
    case TW_OP_le:
    case TW_OP_eq:
    case TW_OP_ne: return fold_compare(f, p->op, &s);
    case TW_OP_and:
    case TW_OP_or: return fold_logic(f, p->op, &s);
  }
  return 0;
}

static TwRef fold_select(TwFn *f, const TwProto *p) {
  TwRef c = p->args[0], a = p->args[1], b = p->args[2];
  TwKnown kc, ka, kb;
  if (a == b) return a;
  if (tw_literal(f, c, &kc)) return kc.whole ? a : b;
  if (tw_op(f, c) == TW_OP_not) return tw_select(f, tw_arg(f, c, 0), b, a);
  if (tw_info(f, a)->dtype != TW_BOOL || !tw_literal(f, a, &ka) || !tw_literal(f, b, &kb)) return 0;
  return ka.whole ? c : tw_unary(f, TW_OP_not, c); /* two different literals */
}

static TwRef fold_fma(TwFn *f, const TwProto *p) {
  TwRef a = p->args[0], b = p->args[1], c = p->args[2];
  TwKnown k;
  if (tw_is_zero(f, a) || tw_is_zero(f, b)) return c;
  if (tw_is_zero(f, c)) return tw_binary(f, TW_OP_mul, a, b);
  if (tw_literal(f, b, &k) && k.real == 1) return tw_binary(f, TW_OP_add, a, c);
  if (tw_literal(f, a, &k) && k.real == 1) return tw_binary(f, TW_OP_add, b, c);
  return 0;
}

/* op(broadcast a, broadcast b, literal) = broadcast op(a, b, literal). */
static TwRef through_broadcast(TwFn *f, const TwProto *p) {
  uint32_t first = 0;
  while (first < p->n_args && tw_op(f, p->args[first]) != TW_OP_broadcast) first++;
  if (first == p->n_args) return 0;
  TwRef lead = p->args[first], from = tw_arg(f, lead, 0);
  uint32_t rank = tw_info(f, from)->rank;
  int64_t axes[TW_MAX_RANK];
  TwRef args[3];
  for (uint32_t k = 0; k < rank; k++) axes[k] = tw_attr(f, lead, k);
  for (uint32_t k = 0; k < p->n_args; k++) {
    TwRef r = p->args[k];
    if (tw_op(f, r) == TW_OP_const) continue;
    if (tw_op(f, r) != TW_OP_broadcast || tw_info(f, tw_arg(f, r, 0))->rank != rank) return 0;
    for (uint32_t x = 0; x < rank; x++)
      if (tw_attr(f, r, x) != axes[x]) return 0;
  }
  TwTy shape = tw_type(f, from);
  for (uint32_t k = 0; k < p->n_args; k++) {
    TwKnown lit;
    args[k] = tw_literal(f, p->args[k], &lit)
                  ? tw_emit_known(f, tw_ty_with(f->module, tw_info(f, p->args[k])->dtype, shape), &lit)
                  : tw_arg(f, p->args[k], 0);
  }
  TwProto inner = {.op = p->op, .args = args, .n_args = p->n_args};
  return tw_broadcast(f, tw_emit(f, &inner), p->type, axes);
}

static TwRef fold_elementwise(TwFn *f, const TwProto *p) {
  TwKnown args[3] = {0}, out;
  bool any = false;
  for (uint32_t k = 0; k < p->n_args; k++) any |= tw_literal(f, p->args[k], &args[k]);
  if (any && tw_known_eval(p->op, tw_info(f, p->args[0])->dtype, args, &out)) return tw_emit_known(f, p->type, &out);
  TwRef r = p->op == TW_OP_select  ? fold_select(f, p)
            : p->op == TW_OP_fma   ? fold_fma(f, p)
            : p->op == TW_OP_along ? fold_along(f, p)
            : p->n_args == 2       ? fold_binary(f, p)
                                   : fold_unary(f, p->op, p->args[0]);
  return r ? r : through_broadcast(f, p);
}

TwRef tw_fold(TwFn *f, const TwProto *p) {
  switch (tw_op_info(p->op)->shape) {
    case TW_SHAPE_leaf:
      if (p->op == TW_OP_iota && tw_ty_info(f->module, p->type)->count == 1) return tw_zeros(f, p->type);
      return 0;
    case TW_SHAPE_same:
    case TW_SHAPE_compare:
    case TW_SHAPE_logic:
    case TW_SHAPE_cast:
    case TW_SHAPE_select: return fold_elementwise(f, p);
    case TW_SHAPE_own: break;
  }
  if (p->op == TW_OP_draw) return 0;
  if (p->op == TW_OP_get) return tw_op(f, p->args[0]) == TW_OP_none ? tw_arg(f, p->args[0], (uint32_t)p->attrs[0]) : 0;
  return tw_is_region_op(p->op) ? tw_fold_region(f, p) : tw_fold_shape(f, p);
}
