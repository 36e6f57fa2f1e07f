/* test_structure.c: derivative programs stay small and keep the structure of what they come from. */
#include <math.h>
#include <stdio.h>

#include "generate.h"

typedef TwRef Ref;
static TwTy scalar(TwModule *m) { return tw_ty_scalar(m, TW_REAL); }
static TwTy vec(TwModule *m, int64_t n) { return tw_ty(m, TW_REAL, 1, &n); }
static TwTy mat(TwModule *m, int64_t a, int64_t b) { return tw_ty(m, TW_REAL, 2, (int64_t[]){a, b}); }
static Ref bin(TwFn *f, TwOp op, Ref a, Ref b) { return tw_binary(f, op, a, b); }

static const TwFn *gradient_of(Check *c, const TwFn *f, const char *what) {
  const TwFn *g = tw_grad(f->module, f, check_all_active(f));
  const char *wrong = tw_verify(g);
  if (wrong) check_fail(c, what, "%s", wrong);
  return g;
}

static void expect(Check *c, bool holds, const char *what) {
  c->compared++;
  if (!holds) check_fail(c, what, "does not hold");
}

static uint64_t count(const TwFn *f, TwOp op) {
  uint64_t counts[TW_OP_COUNT] = {0};
  count_ops(f, counts);
  return counts[op];
}

/* ---- size */

/* sum over units of v[k] tanh(w[k] x + b[k]), all scalars. */
static const TwFn *dense(TwModule *m, uint32_t units, TwOp activation) {
  TwFn *f = tw_fn_new(m, "dense");
  Ref x = tw_param(f, scalar(m)), y = tw_real(f, 0);
  for (uint32_t k = 0; k < units; k++) {
    Ref w = tw_param(f, scalar(m)), b = tw_param(f, scalar(m)), v = tw_param(f, scalar(m));
    Ref z = bin(f, TW_OP_add, bin(f, TW_OP_mul, w, x), b);
    y = bin(f, TW_OP_add, y, bin(f, TW_OP_mul, v, tw_unary(f, activation, z)));
  }
  tw_result(f, y);
  return tw_fn_seal(f);
}

static void size_ratio(Check *c, const TwFn *f, const char *what, double bound) {
  double ratio = (double)tw_fn_size(gradient_of(c, f, what)) / (double)tw_fn_size(f);
  printf("ops of the gradient / ops of the function: %.2f (%s)\n", ratio, what);
  expect(c, ratio <= bound, what);
}

static void sizes(Check *c, TwModule *m) {
  size_ratio(c, dense(m, 20, TW_OP_relu), "dense relu", 3);
  size_ratio(c, dense(m, 20, TW_OP_tanh), "dense tanh", 3);
  size_ratio(c, dense(m, 20, TW_OP_sqrt), "dense sqrt", 3);
  double worst = 0;
  for (uint64_t k = 1; k <= 200; k++) {
    Rng rng = {k};
    Data x;
    const TwFn *f = check_scalar(c, m, generate(m, &rng, &x), false);
    if (count(f, TW_OP_scan) || tw_fn_size(f) < 10) continue;
    double ratio = (double)tw_fn_size(gradient_of(c, f, "random")) / (double)tw_fn_size(f);
    if (ratio > worst) worst = ratio;
  }
  printf("ops of the gradient / ops of the function: %.2f at most (random programs without scan)\n", worst);
  expect(c, worst <= 5, "random programs without scan: at most 5 times the ops");
}

/* ---- loops */

/* s <- relu(dot(w[i], s) + x), (trip) layers of width 3; the sum of the last state. */
static const TwFn *deep(TwModule *m, int64_t trip) {
  TwFn *b = tw_fn_new(m, "layer");
  Ref i = tw_param(b, tw_ty_scalar(m, TW_INT)), w = tw_param(b, tw_ty(m, TW_REAL, 3, (int64_t[]){trip, 3, 3}));
  Ref s = tw_param(b, vec(m, 3));
  Ref z = tw_dot(b, tw_index(b, w, i), s, (int64_t[]){1}, (int64_t[]){0}, 1);
  tw_result(b, tw_unary(b, TW_OP_relu, z));
  TwRegion g = {.body = tw_fn_seal(b), .trip = trip, .n_consts = 1, .n_carry = 1};
  TwFn *f = tw_fn_new(m, "deep");
  Ref wp = tw_param(f, tw_ty(m, TW_REAL, 3, (int64_t[]){trip, 3, 3})), sp = tw_param(f, vec(m, 3));
  tw_result(f, tw_sum_all(f, tw_get(f, tw_emit_region(f, TW_OP_scan, &g, (Ref[]){wp, sp}, 2), 0)));
  return tw_fn_seal(f);
}

static void loops(Check *c, TwModule *m) {
  const TwFn *small = gradient_of(c, deep(m, 10), "deep"), *large = gradient_of(c, deep(m, 1000000), "deep");
  expect(c, tw_fn_size(small) == tw_fn_size(large), "a loop's gradient does not grow with the trip count");
  expect(c, count(small, TW_OP_scan) == 2, "one loop forwards, one backwards");
  bool whole = false, one_row = false;
  for (Ref r = 1; r < small->insts.len; r++) {
    if (tw_op(small, r) != TW_OP_scan || !tw_region(small, r)->reverse) continue;
    const TwFn *body = tw_region(small, r)->body;
    for (Ref k = 1; k < body->insts.len; k++) {
      whole |= tw_op(body, k) == TW_OP_add && tw_info(body, k)->rank == 3;
      one_row |= tw_op(body, k) == TW_OP_add_at;
    }
  }
  expect(c, one_row && !whole, "a const read at one row costs one row an iteration");
  size_ratio(c, deep(m, 1000), "deep loop", 4);
}

/* s <- s k + x[i] e^k: e^k is invariant, k and x are there anyway; only s is kept. */
static void residuals(Check *c, TwModule *m) {
  TwFn *b = tw_fn_new(m, "body");
  tw_param(b, tw_ty_scalar(m, TW_INT));
  Ref k = tw_param(b, scalar(m)), s = tw_param(b, scalar(m)), x = tw_param(b, scalar(m));
  Ref e = tw_unary(b, TW_OP_exp, k);
  tw_result(b, bin(b, TW_OP_add, bin(b, TW_OP_mul, s, k), bin(b, TW_OP_mul, x, e)));
  TwRegion g = {.body = tw_fn_seal(b), .trip = 7, .n_consts = 1, .n_carry = 1, .n_xs = 1};
  TwFn *f = tw_fn_new(m, "f");
  Ref args[3] = {tw_param(f, scalar(m)), tw_param(f, scalar(m)), tw_param(f, vec(m, 7))};
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_scan, &g, args, 3), 0));
  const TwFn *grad = gradient_of(c, tw_fn_seal(f), "residuals");
  for (Ref r = 1; r < grad->insts.len; r++) {
    if (tw_op(grad, r) != TW_OP_scan) continue;
    const TwRegion *q = tw_region(grad, r);
    if (!q->reverse) expect(c, q->n_ys == 1, "the forward loop keeps one value an iteration");
    else expect(c, count(q->body, TW_OP_exp) == 0, "what is invariant is not computed in the loop");
  }
}

/* ---- samples */

static const TwFn *mean_square(TwModule *m, int64_t n) {
  TwFn *b = tw_fn_new(m, "sample");
  Ref w = tw_param(b, scalar(m)), x = tw_param(b, scalar(m)), y = tw_param(b, scalar(m));
  Ref e = bin(b, TW_OP_sub, tw_unary(b, TW_OP_tanh, bin(b, TW_OP_mul, w, x)), y);
  tw_result(b, bin(b, TW_OP_mul, e, e));
  TwRegion g = {.body = tw_fn_seal(b), .trip = n, .n_consts = 1, .n_carry = 1, .n_xs = 2};
  TwFn *f = tw_fn_new(m, "mse");
  Ref args[3] = {tw_param(f, scalar(m)), tw_param(f, vec(m, n)), tw_param(f, vec(m, n))};
  Ref sum = tw_get(f, tw_emit_region(f, TW_OP_samples, &g, args, 3), 0);
  tw_result(f, tw_unary(f, TW_OP_sqrt, bin(f, TW_OP_mul, sum, tw_real(f, 1 / (double)n))));
  return tw_fn_seal(f);
}

static void samples(Check *c, TwModule *m) {
  const TwFn *f = mean_square(m, 500);
  const TwFn *g = tw_grad(m, f, (bool[]){true, false, false});
  expect(c, count(g, TW_OP_samples) == 2, "one loop over the data forwards, one backwards");
  for (Ref r = 1; r < g->insts.len; r++) {
    if (tw_op(g, r) != TW_OP_samples) continue;
    for (uint32_t k = 0; k < tw_inst(g, r)->n_args; k++)
      expect(c, tw_op(g, tw_arg(g, r, k)) == TW_OP_param, "the backward loop does not wait for the loss");
    expect(c, tw_region(g, r)->n_ys == 0, "nothing is kept for each sample");
  }
  expect(c, tw_fn_size(g) == tw_fn_size(tw_grad(m, mean_square(m, 1000000), (bool[]){true, false, false})),
         "the gradient does not grow with the number of samples");
}

/* ---- the parts */

static void parts(Check *c, TwModule *m) {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    Rng rng = {seed * 77};
    Data x;
    const TwFn *f = generate(m, &rng, &x);
    bool *active = check_all_active(f);
    TwAdLinearized l = tw_linearize(m, f, active);
    const char *wrong = tw_verify(l.primal) ? tw_verify(l.primal) : tw_verify(l.linear);
    if (wrong) check_fail(c, "linearize", "%s", wrong);
    bool *linear = TW_NEW_N(m->arena, bool, l.linear->params.len);
    for (uint32_t k = l.n_residuals; k < l.linear->params.len; k++) linear[k] = true;
    const TwFn *back = tw_transpose_linear(m, l.linear, linear), *vjp = tw_vjp(m, f, active, NULL);
    if (tw_verify(back)) check_fail(c, "transpose", "%s", tw_verify(back));
    Data y = data_run(l.primal, &x), in = data_params(back), all = data_params(vjp);
    uint32_t n = 0, place = f->results.len;
    for (; n < l.n_residuals; n++) in.at[n] = l.param[n] >= 0 ? x.at[l.param[n]] : y.at[place++];
    for (uint32_t k = 0; k < x.n; k++) all.at[k] = x.at[k];
    for (uint32_t k = 0; k < f->results.len; k++) {
      data_random(&rng, &all, x.n + k, -1, 1);
      if (l.nonzero[k]) in.at[n++] = all.at[x.n + k];
    }
    Data a = data_run(back, &in), b = data_run(vjp, &all);
    for (uint32_t k = 0; k < a.n; k++)
      for (int64_t e = 0; e < a.info[k].count; e++) {
        double p = ((double *)a.at[k])[e], q = ((double *)b.at[f->results.len + k])[e];
        expect(c, fabs(p - q) <= 1e-12 * (1 + fabs(p)), "transpose of linearize = vjp");
      }
  }
}

/* ---- what is not active costs nothing */

static void activity(Check *c, TwModule *m) {
  const TwFn *f = dense(m, 4, TW_OP_tanh);
  bool *none = TW_NEW_N(m->arena, bool, f->params.len);
  expect(c, tw_fn_size(tw_vjp(m, f, none, NULL)) <= tw_fn_size(f) + 1, "no active param, no derivative");
  none[f->params.len - 1] = true;
  expect(c, tw_fn_size(tw_vjp(m, f, none, (bool[]){true})) == tw_fn_size(f), "d(v t)/dv is t, which is there");
  TwFn *g = tw_fn_new(m, "zeros");
  Ref w = tw_param(g, mat(m, 2, 2)), x = tw_param(g, vec(m, 2));
  Ref zero = tw_zeros(g, mat(m, 2, 2));
  tw_result(g, tw_sum_all(g, bin(g, TW_OP_add, tw_dot(g, zero, x, (int64_t[]){1}, (int64_t[]){0}, 1),
                                 tw_index(g, w, tw_int(g, 0)))));
  const TwFn *d = gradient_of(c, tw_fn_seal(g), "zeros");
  expect(c, count(d, TW_OP_dot) == 0 && tw_is_zero(d, d->results.at[2]), "zero weights leave no derivative");
}

int main(void) {
  Check c = {.rng = {3}};
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  sizes(&c, m);
  loops(&c, m);
  residuals(&c, m);
  samples(&c, m);
  parts(&c, m);
  activity(&c, m);
  tw_arena_free(&arena);
  printf("structure: %llu facts, %llu failures\n", (unsigned long long)c.compared, (unsigned long long)c.failures);
  return c.failures > 0;
}
