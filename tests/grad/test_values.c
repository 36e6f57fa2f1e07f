/* test_values.c: derivatives whose values are known: kinks, strong zeros, orders up to four. */
#include <math.h>
#include <stdio.h>

#include "check.h"

typedef TwRef Ref;
typedef Ref Build(TwFn *f, Ref x, Ref y);

static Ref real(TwFn *f, double v) { return tw_real(f, v); }
static Ref un(TwFn *f, TwOp op, Ref a) { return tw_unary(f, op, a); }
static Ref bin(TwFn *f, TwOp op, Ref a, Ref b) { return tw_binary(f, op, a, b); }
static Ref square(TwFn *f, Ref a) { return bin(f, TW_OP_mul, a, a); }

/* d^n/dx^n at (x, y), reverse mode for the orders with a 1 bit in `modes`, forward mode for the others. */
static double nth(Check *c, Build *build, double x, double y, int order, unsigned modes) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  TwFn *b = tw_fn_new(m, "known");
  TwTy scalar = tw_ty_scalar(m, TW_REAL);
  Ref px = tw_param(b, scalar), py = tw_param(b, scalar);
  tw_result(b, build(b, px, py));
  const TwFn *f = tw_fn_seal(b);
  for (int k = 0; k < order; k++) {
    bool active[2] = {true, false}, reverse = modes >> k & 1;
    const TwFn *d = reverse ? tw_grad(m, f, active) : tw_jvp(m, f, active);
    const char *wrong = tw_verify(d);
    if (wrong) check_fail(c, "known values", "%s", wrong);
    TwFn *next = tw_fn_new(m, "known");
    Ref args[3] = {tw_param(next, scalar), tw_param(next, scalar), 0}, values[2];
    args[2] = real(next, 1);
    tw_inline(next, d, args, values);
    tw_result(next, values[1]);
    f = tw_fn_seal(next);
  }
  double result = NAN;
  tw_interpret(f, TW_F64, (const void *const[]){&x, &y}, (void *const[]){&result});
  tw_arena_free(&arena);
  return result;
}

static void expect(Check *c, const char *what, Build *build, double x, double y, int order, double want) {
  for (unsigned modes = 0; modes < 1u << order; modes++) {
    double got = nth(c, build, x, y, order, modes);
    c->compared++;
    if (!(fabs(got - want) <= 1e-12 * (1 + fabs(want))))
      check_fail(c, what, "derivative of order %d at (%g, %g), modes %x, is %.17g, not %.17g", order, x, y, modes, got,
                 want);
  }
}

/* ---- kinks */
static Ref f_relu(TwFn *f, Ref x, Ref y) { return (void)y, un(f, TW_OP_relu, x); }
static Ref f_abs(TwFn *f, Ref x, Ref y) { return (void)y, un(f, TW_OP_abs, x); }
static Ref f_min(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_min, x, y); }
static Ref f_max(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_max, x, y); }
static Ref f_max_second(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_max, y, x); }
static Ref f_rmax(TwFn *f, Ref x, Ref y) {
  Ref v = tw_stack(f, (Ref[]){y, x, bin(f, TW_OP_mul, x, real(f, 1.5))}, 3);
  return tw_reduce(f, TW_OP_rmax, v, (int64_t[]){0}, 1);
}

/* ---- strong zeros */
static Ref f_root(TwFn *f, Ref x, Ref y) {
  return (void)y, square(f, bin(f, TW_OP_sub, un(f, TW_OP_sqrt, x), real(f, 1)));
}
static Ref guarded(TwFn *f, Ref x, Ref inside, Ref otherwise) {
  return tw_select(f, bin(f, TW_OP_lt, real(f, 0), x), inside, otherwise);
}
static Ref f_guarded_sqrt(TwFn *f, Ref x, Ref y) { return (void)y, guarded(f, x, un(f, TW_OP_sqrt, x), square(f, x)); }
static Ref f_guarded_log(TwFn *f, Ref x, Ref y) { return (void)y, guarded(f, x, un(f, TW_OP_log, x), square(f, x)); }
static Ref f_guarded_div(TwFn *f, Ref x, Ref y) { return guarded(f, x, bin(f, TW_OP_div, y, x), square(f, x)); }
static Ref f_guarded_asin(TwFn *f, Ref x, Ref y) {
  return (void)y, tw_select(f, bin(f, TW_OP_lt, x, real(f, 1)), un(f, TW_OP_asin, x), square(f, x));
}
static Ref f_guarded_angle(TwFn *f, Ref x, Ref y) { return guarded(f, x, bin(f, TW_OP_atan2, y, x), square(f, x)); }
static Ref f_pow(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_pow, x, y); }
static Ref f_pow_exponent(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_pow, y, x); }
static Ref f_product(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_mul0, un(f, TW_OP_sqrt, x), un(f, TW_OP_log, y)); }

/* ---- smooth, high orders */
static Ref f_mixed(TwFn *f, Ref x, Ref y) {
  return bin(f, TW_OP_mul, un(f, TW_OP_exp, bin(f, TW_OP_mul, x, y)), un(f, TW_OP_sin, x));
}
static Ref f_quotient(TwFn *f, Ref x, Ref y) { return bin(f, TW_OP_div, y, x); }

int main(void) {
  Check c = {0};
  expect(&c, "relu' at 0 is 0", f_relu, 0, 0, 1, 0);
  expect(&c, "relu' at -0 is 0", f_relu, -0.0, 0, 1, 0);
  expect(&c, "relu' above 0", f_relu, 1e-300, 0, 1, 1);
  expect(&c, "|x|' at 0 is 0", f_abs, 0, 0, 1, 0);
  expect(&c, "|x|' below 0", f_abs, -2, 0, 1, -1);
  expect(&c, "a tie in min goes to the first", f_min, 2, 2, 1, 1);
  expect(&c, "a tie in max goes to the first", f_max, 2, 2, 1, 1);
  expect(&c, "a tie in max goes to the first, here the other", f_max_second, 2, 2, 1, 0);
  expect(&c, "the first maximum of many", f_rmax, -1, -1, 1, 0);
  expect(&c, "the maximum of many", f_rmax, 3, 1, 1, 1.5);
  expect(&c, "(sqrt x - 1)^2 at its minimum", f_root, 1, 0, 1, 0);
  expect(&c, "(sqrt x - 1)^2, curvature at its minimum", f_root, 1, 0, 2, 0.5);
  expect(&c, "(sqrt x - 1)^2, third derivative at its minimum", f_root, 1, 0, 3, -0.75);
  Build *guarded_ones[] = {f_guarded_sqrt, f_guarded_log, f_guarded_div, f_guarded_angle};
  for (int k = 0; k < 4; k++) {
    expect(&c, "guarded at 0", guarded_ones[k], 0, 0, 1, 0);
    expect(&c, "guarded at 0, curvature", guarded_ones[k], 0, 0, 2, 2);
  }
  expect(&c, "guarded arc sine at 1", f_guarded_asin, 1, 0, 1, 2);
  expect(&c, "guarded arc sine at 1, curvature", f_guarded_asin, 1, 0, 2, 2);
  expect(&c, "x^2.5 at 0", f_pow, 0, 2.5, 1, 0);
  expect(&c, "x^2 at 0", f_pow, 0, 2, 2, 2);
  expect(&c, "x^1 at 0", f_pow, 0, 1, 1, 1);
  expect(&c, "x^0 at 0", f_pow, 0, 0, 1, 0);
  expect(&c, "0^x at 2", f_pow_exponent, 2, 0, 1, 0);
  expect(&c, "0^x at 2, curvature", f_pow_exponent, 2, 0, 2, 0);
  expect(&c, "2^x", f_pow_exponent, 3, 2, 2, 8 * log(2) * log(2));
  expect(&c, "sqrt(x) log(y), 0 times -infinity", f_product, 4, 1, 1, 0);
  double e = exp(0.3 * 0.7), s = sin(0.7), k = cos(0.7), a = 0.3;
  expect(&c, "e^(ax) sin x, first", f_mixed, 0.7, a, 1, e * (a * s + k));
  expect(&c, "e^(ax) sin x, second", f_mixed, 0.7, a, 2, e * ((a * a - 1) * s + 2 * a * k));
  expect(&c, "e^(ax) sin x, third", f_mixed, 0.7, a, 3, e * ((a * a * a - 3 * a) * s + (3 * a * a - 1) * k));
  expect(&c, "e^(ax) sin x, fourth", f_mixed, 0.7, a, 4,
         e * ((a * a * a * a - 6 * a * a + 1) * s + (4 * a * a * a - 4 * a) * k));
  expect(&c, "y / x, fourth", f_quotient, 2, 3, 4, 24 * 3 / 32.0);
  printf("values: %llu compared, %llu failures\n", (unsigned long long)c.compared, (unsigned long long)c.failures);
  return c.failures || !c.compared;
}
