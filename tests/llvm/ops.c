/* ops.c: every elementwise operation, on scalars and on tensors, in uniform and in lane context. */
#include "tests/llvm/support.h"

typedef struct Shape {
  uint32_t rank;
  int64_t dims[3];
} Shape;

static bool takes(TwOp op, TwDtype d) {
  switch ((int)op) {
    case TW_OP_neg:
    case TW_OP_add:
    case TW_OP_sub:
    case TW_OP_mul:
    case TW_OP_div:
    case TW_OP_min:
    case TW_OP_max:
    case TW_OP_lt:
    case TW_OP_le: return d != TW_BOOL;
    case TW_OP_eq:
    case TW_OP_ne:
    case TW_OP_select:
    case TW_OP_to_int: return op != TW_OP_to_int || d != TW_INT;
    case TW_OP_to_real: return d != TW_REAL;
    case TW_OP_mod: return d == TW_INT;
    case TW_OP_and:
    case TW_OP_or:
    case TW_OP_not: return d == TW_BOOL;
  }
  return d == TW_REAL;
}

static bool is_elementwise(TwOp op) { return op >= TW_OP_neg && op <= TW_OP_to_int; }

static uint32_t arity(TwOp op) {
  static const int n[TW_OP_COUNT] = {
      [0] = 0,
#define TW_OP(name, arity, ...) [TW_OP_##name] = arity,
#include "compiler/ir/ops.def"
#undef TW_OP
  };
  return (uint32_t)n[op];
}

static TwRef apply(TwFn *f, TwOp op, const TwRef *a) {
  if (op == TW_OP_select) return tw_select(f, a[0], a[1], a[2]);
  if (op == TW_OP_along) return tw_along(f, a[0], a[1], a[2]);
  if (op == TW_OP_fma) return tw_fma(f, a[0], a[1], a[2]);
  return arity(op) == 1 ? tw_unary(f, op, a[0]) : tw_binary(f, op, a[0], a[1]);
}

static TwTy operand_type(Test *t, TwOp op, TwDtype d, uint32_t k, Shape s) {
  return tw_ty(t->m, op == TW_OP_select && k == 0 ? TW_BOOL : d, s.rank, s.dims);
}

static const TwFn *uniform(Test *t, TwOp op, TwDtype d, Shape s) {
  TwFn *f = tw_fn_new(t->m, "f");
  TwRef a[3];
  for (uint32_t k = 0; k < arity(op); k++) a[k] = tw_param(f, operand_type(t, op, d, k, s));
  tw_result(f, apply(f, op, a));
  return tw_fn_seal(f);
}

/* Operands are per sample or, where bit k of `fixed` says so, the same for all samples. The result is
 * stacked and, if it is a number, summed. */
static const TwFn *in_lanes(Test *t, TwOp op, TwDtype d, Shape s, int64_t n, uint32_t fixed) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwRef in[3] = {0}, args[3];
  TwRegion g = {.trip = n, .n_ys = 1};
  for (int xs = 0; xs < 2; xs++)
    for (uint32_t k = 0; k < arity(op); k++) {
      TwTy ty = operand_type(t, op, d, k, s);
      if ((fixed >> k & 1) == (uint32_t)xs) continue;
      args[g.n_consts + g.n_xs] = tw_param(f, xs ? tw_ty_lead(t->m, n, ty) : ty);
      in[k] = tw_param(b, ty);
      *(xs ? &g.n_xs : &g.n_consts) += 1;
    }
  TwRef y = apply(b, op, in);
  bool number = tw_info(b, y)->dtype != TW_BOOL;
  if (number) tw_result(b, y);
  tw_result(b, y);
  g.n_carry = number;
  g.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, g.n_consts + g.n_xs);
  for (uint32_t k = 0; k < g.n_carry + g.n_ys; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

/* Subtractions of masked values, and masks of masked ones: under the mask, or under both, where masks are operands. The
 * inputs have zeros of either sign, infinities and NaN. */
static void masked(Test *t) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwRef in[3], args[3];
  for (int k = 0; k < 3; k++)
    in[k] = tw_param(b, real_ty(t, 0, 0, 0, 0)), args[k] = tw_param(f, real_ty(t, 1, 500, 0, 0));
  TwRef zero = tw_real(b, 0), less = tw_binary(b, TW_OP_lt, in[0], in[1]), more = tw_binary(b, TW_OP_lt, in[1], in[2]);
  TwRef one = tw_select(b, less, in[2], zero), both = tw_select(b, more, one, zero);
  TwRef y[] = {tw_binary(b, TW_OP_sub, in[1], one), tw_binary(b, TW_OP_sub, in[0], both), both,
               tw_binary(b, TW_OP_sub, one, both), tw_binary(b, TW_OP_sub, both, in[2])};
  TwRegion g = {.trip = 500, .n_xs = 3, .n_ys = sizeof y / sizeof *y};
  for (uint32_t k = 0; k < g.n_ys; k++) tw_result(b, y[k]);
  g.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, 3);
  for (uint32_t k = 0; k < g.n_ys; k++) tw_result(f, tw_get(f, r, k));
  const TwFn *sealed = tw_fn_seal(f);
  t->few = 0;
  check(t, sealed, "masked subtractions in lanes");
  uint32_t wide = code_mentions(sealed, 512, "and <16 x i1>"), narrow = code_mentions(sealed, 256, "and <8 x i1>");
  if (wide == 0 || narrow != 0) {
    printf("masks of masked values: %u conjunctions with 512 bits, %u with 256\n", wide, narrow);
    t->failures++;
  }
}

int main(void) {
  Test t = test_new(1);
  static const Shape shapes[] = {{0, {0}}, {1, {7}}, {1, {83}}, {2, {3, 21}}};
  static const int64_t counts[] = {1, 15, 16, 17, 500, 511, 512, 513, 1300};
  for (TwOp op = TW_OP_neg; is_elementwise(op); op = (TwOp)(op + 1))
    for (TwDtype d = TW_REAL; d <= TW_BOOL; d = (TwDtype)(d + 1)) {
      if (!takes(op, d)) continue;
      char what[80];
      test_reset(&t);
      for (uint32_t s = 0; s < 4; s++) {
        snprintf(what, sizeof what, "%s of kind %d, shape %u", tw_op_name(op), d, s);
        t.few = s > 0 ? 2 : 0;
        check(&t, uniform(&t, op, d, shapes[s]), what);
      }
      snprintf(what, sizeof what, "%s of kind %d in lanes", tw_op_name(op), d);
      t.few = 0;
      check(&t, in_lanes(&t, op, d, shapes[0], counts[(uint32_t)op % 9], 0), what);
      t.few = 2;
      check(&t, in_lanes(&t, op, d, shapes[0], counts[((uint32_t)op + 4) % 9], arity(op) > 1 ? 1 : 0), what);
      check(&t, in_lanes(&t, op, d, shapes[0], counts[((uint32_t)op + 7) % 9], arity(op) > 1 ? 2 : 0), what);
      check(&t, in_lanes(&t, op, d, shapes[1], 17, arity(op) > 1 ? 2 : 0), what);
    }
  test_reset(&t);
  masked(&t);
  return test_end(&t, "elementwise operations");
}
