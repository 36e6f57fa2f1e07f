/* watch.c: observers of the interpreter, and patterns recorded and held. */
#include <math.h>
#include <stdio.h>

#include "compiler/ir/passes.h"
#include "compiler/ir/watch.h"

static int failures;
#define CHECK(e) ((e) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #e)))

static double run(const TwFn *f, const double *x, TwWatch *w) {
  double out = NAN;
  const void *in[1] = {x};
  void *results[1] = {&out};
  CHECK(tw_interpret_watch(f, TW_F64, in, results, w));
  return out;
}

/* Sum over k of x[k] * (one operation on x[k] and x[k] - 1). */
static const TwFn *kinked(TwModule *m, TwOp op, int64_t n) {
  TwFn *f = tw_fn_new(m, "kinked");
  TwTy vec = tw_ty(m, TW_REAL, 1, &n);
  TwRef x = tw_param(f, vec), y = x, one = tw_const(f, vec, 1), less = tw_binary(f, TW_OP_sub, x, one);
  int64_t axis = 0;
  switch ((int)op) {
    case TW_OP_relu:
    case TW_OP_abs:
    case TW_OP_sign:
    case TW_OP_floor: y = tw_unary(f, op, less); break;
    case TW_OP_min:
    case TW_OP_max: y = tw_binary(f, op, x, one); break;
    case TW_OP_lt:
    case TW_OP_eq: y = tw_select(f, tw_binary(f, op, x, one), x, less); break;
    case TW_OP_to_int: y = tw_unary(f, TW_OP_to_real, tw_unary(f, op, x)); break;
    case TW_OP_rmax:
    case TW_OP_rmin: y = tw_fit(f, tw_reduce(f, op, x, &axis, 1), vec); break;
    case TW_OP_argmask: y = tw_unary(f, TW_OP_to_real, tw_argmask(f, false, x, &axis, 1)); break;
  }
  tw_result(f, tw_sum_all(f, tw_binary(f, TW_OP_mul, x, y)));
  return tw_fn_seal(f);
}

/* Held, the function is a polynomial of degree 2 at most, on both sides of every kink: its third
 * difference vanishes. Free, it is not. */
static void test_hold(TwModule *m) {
  static const TwOp ops[] = {TW_OP_relu, TW_OP_abs, TW_OP_sign,   TW_OP_floor, TW_OP_min,  TW_OP_max,
                             TW_OP_lt,   TW_OP_eq,  TW_OP_to_int, TW_OP_rmax,  TW_OP_rmin, TW_OP_argmask};
  for (uint32_t k = 0; k < sizeof ops / sizeof *ops; k++) {
    const TwFn *f = kinked(m, ops[k], 3);
    TwWatch w = {.use = TW_PATTERN_RECORD};
    double x[3] = {1.25, 0.5, 1}, value = run(f, x, &w);
    double free_value = run(f, x, NULL);
    CHECK(value == free_value);
    CHECK(w.pattern.len > 0);
    w.use = TW_PATTERN_HOLD;
    double held[4], open[4];
    for (int t = 0; t < 4; t++) {
      const double at[3] = {1.25 - 0.75 * t, 0.5 + 0.5 * t, 1 + 0.25 * t};
      held[t] = run(f, at, &w);
      open[t] = run(f, at, NULL);
      CHECK(w.held == w.pattern.len);
    }
    CHECK(held[0] == value);
    CHECK(fabs(held[3] - 3 * held[2] + 3 * held[1] - held[0]) < 1e-12);
    if (fabs(open[3] - 3 * open[2] + 3 * open[1] - open[0]) < 1e-12 && held[3] == open[3])
      printf("%s: the test has no kink\n", tw_op_name(ops[k])), failures++;
    tw_pattern_free(&w.pattern);
  }
}

typedef struct Seen {
  int n, deepest;
  int64_t last;
} Seen;

static void look(TwWatch *w, const TwInstant *now) {
  Seen *s = w->context;
  TwIteration path[4];
  uint32_t n = tw_instant_path(now, path, 4);
  s->n++;
  if ((int)n > s->deepest) s->deepest = (int)n;
  if (n == 2 && tw_op(now->fn, now->ref) == TW_OP_mul) {
    const double *a = tw_instant_operand(now, 0), *b = tw_instant_operand(now, 1), *out = tw_instant_result(now);
    CHECK(*out == *a * *b);
    CHECK(tw_op(path[0].fn, path[0].ref) == TW_OP_samples && tw_op(path[1].fn, path[1].ref) == TW_OP_scan);
    s->last = 10 * path[0].index + path[1].index;
  }
}

/* samples of 3 over scan of 4 of c * c: the observer sees each multiplication where it is. */
static void test_path(TwModule *m) {
  TwTy real = tw_ty_scalar(m, TW_REAL), integer = tw_ty_scalar(m, TW_INT);
  TwFn *step = tw_fn_new(m, "step"), *row = tw_fn_new(m, "row"), *f = tw_fn_new(m, "f");
  tw_param(step, integer);
  TwRef c = tw_param(step, real);
  tw_result(step, tw_binary(step, TW_OP_mul, c, c));
  TwRegion scan = {.body = tw_fn_seal(step), .trip = 4, .n_carry = 1};
  TwRef x = tw_param(row, real);
  tw_result(row, tw_get(row, tw_emit_region(row, TW_OP_scan, &scan, &x, 1), 0));
  TwRegion samples = {.body = tw_fn_seal(row), .trip = 3, .n_carry = 1, .n_xs = 1};
  int64_t three = 3;
  TwRef xs = tw_param(f, tw_ty(m, TW_REAL, 1, &three));
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &samples, &xs, 1), 0));
  Seen seen = {0};
  TwWatch w = {.after = look, .context = &seen};
  const double at[3] = {1, 0.5, 2};
  double got = run(tw_fn_seal(f), at, &w);
  CHECK(got == 1 + 0x1p-16 + 0x1p16);
  CHECK(seen.deepest == 2);
  CHECK(seen.last == 23);
  CHECK(seen.n >= 12 + 6 + 2);
}

int main(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  test_hold(m);
  test_path(m);
  tw_arena_free(&arena);
  printf("watch: %d failures\n", failures);
  return failures != 0;
}
