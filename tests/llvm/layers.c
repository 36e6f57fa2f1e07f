/* layers.c: bodies of samples that run layer by layer (compiler/plan/levels.c): random loops over scalars in
 * them, in all the ways in which what they carry and stack can be wanted; and that the plan says so. And
 * layers of tensors (tiles.c), of every width.
 *
 *   test_llvm_layers [PROGRAMS [SEED]] */
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/opt/opt.h"
#include "tests/llvm/support.h"

enum { POOL = 24, STACKS = 10 };

typedef struct Body { /* under construction */
  TwFn *f;
  TwRef pool[POOL];
  uint32_t n;
} Body;

static TwRef pick(Test *t, const Body *b) { return b->pool[below(t, b->n)]; }
static void put(Body *b, TwRef r) {
  if (b->n < POOL) b->pool[b->n++] = r;
}

static TwRef half(TwFn *f, TwRef a) { return tw_binary(f, TW_OP_mul, a, tw_real(f, 0.5)); }

/* An operation on scalars whose results stay of order one. */
static TwRef operation(Test *t, Body *b) {
  TwFn *f = b->f;
  TwRef x = pick(t, b), y = pick(t, b), z = pick(t, b), zero = tw_real(f, 0);
  switch (below(t, 7)) {
    case 0: return half(f, tw_binary(f, TW_OP_add, x, y));
    case 1: return half(f, tw_binary(f, TW_OP_sub, x, y));
    case 2: return tw_unary(f, TW_OP_sin, tw_binary(f, TW_OP_mul, x, y));
    case 3: return half(f, tw_fma(f, x, half(f, half(f, y)), z));
    case 4: return tw_unary(f, TW_OP_relu, tw_binary(f, TW_OP_sub, x, half(f, y)));
    case 5: return tw_select(f, tw_binary(f, TW_OP_ne, tw_unary(f, TW_OP_relu, x), zero), y, zero);
    default: return tw_select(f, tw_binary(f, TW_OP_lt, x, y), x, z);
  }
}

static TwTy scalar(Test *t) { return tw_ty_scalar(t->m, TW_REAL); }

/* A loop of the body of samples: its carries join the pool, its stacks the stacks. */
static void add_scan(Test *t, Body *b, TwRef *stacks, uint32_t *n_stacks, int64_t trip) {
  Body in = {.f = tw_fn_new(t->m, "loop")};
  TwRef args[16];
  uint32_t n = 0;
  TwRegion g = {.trip = trip, .reverse = below(t, 2)};
  g.n_consts = (uint32_t)below(t, 3);
  g.n_carry = 1 + (uint32_t)below(t, 4);
  g.n_xs = (uint32_t)below(t, 4);
  TwRef i = tw_param(in.f, tw_ty_scalar(t->m, TW_INT));
  for (uint32_t k = 0; k < g.n_consts + g.n_carry; k++) {
    args[n++] = below(t, 8) ? pick(t, b) : tw_real(b->f, 0.75);
    put(&in, tw_param(in.f, scalar(t)));
  }
  for (uint32_t k = 0; k < g.n_xs; k++) {
    args[n++] = stacks[below(t, *n_stacks)];
    put(&in, tw_param(in.f, scalar(t)));
  }
  if (below(t, 3) == 0) put(&in, tw_unary(in.f, TW_OP_sin, tw_unary(in.f, TW_OP_to_real, i)));
  for (int64_t k = 2 + below(t, 8); k > 0; k--) put(&in, operation(t, &in));
  for (uint32_t k = 0; k < g.n_carry; k++) {
    TwRef r = below(t, 4) ? operation(t, &in) : pick(t, &in); /* now and then one carry becomes another */
    put(&in, r);
    tw_result(in.f, r);
  }
  g.n_ys = 1 + (uint32_t)below(t, 4);
  for (uint32_t k = 0; k < g.n_ys; k++) {
    TwRef product = tw_binary(in.f, TW_OP_mul, pick(t, &in), pick(t, &in));
    tw_result(in.f, below(t, 2) ? product : pick(t, &in));
  }
  g.body = tw_fn_seal(in.f);
  TwRef r = tw_emit_region(b->f, TW_OP_scan, &g, args, n);
  for (uint32_t k = 0; k < g.n_carry; k++) put(b, tw_get(b->f, r, k));
  for (uint32_t k = 0; k < g.n_ys && *n_stacks < STACKS; k++) stacks[(*n_stacks)++] = tw_get(b->f, r, g.n_carry + k);
}

static const TwFn *program(Test *t, int64_t n, int64_t trip) {
  Body b = {.f = tw_fn_new(t->m, "body")};
  TwFn *f = tw_fn_new(t->m, "f");
  TwRef args[8], stacks[STACKS];
  uint32_t n_stacks = 0, n_sums = 0;
  TwRegion g = {.trip = n, .n_consts = 4, .n_xs = 2};
  TwTy column = real_ty(t, 1, n, 0, 0), uniform = real_ty(t, 1, trip, 0, 0);
  for (uint32_t k = 0; k < 6; k++) args[k] = tw_param(f, k < 2 ? scalar(t) : k < 4 ? uniform : column);
  for (uint32_t k = 0; k < 6; k++) {
    TwRef p = tw_param(b.f, k == 2 || k == 3 ? uniform : scalar(t));
    if (k == 2 || k == 3) stacks[n_stacks++] = p;
    else put(&b, p);
  }
  for (int64_t scans = 1 + below(t, 3); scans > 0; scans--) {
    for (int64_t k = below(t, 4); k > 0; k--) put(&b, operation(t, &b));
    add_scan(t, &b, stacks, &n_stacks, trip);
  }
  for (uint32_t k = 0; k < 3; k++, n_sums++)
    tw_result(b.f, below(t, 2) ? operation(t, &b) : tw_binary(b.f, TW_OP_mul, pick(t, &b), pick(t, &b)));
  for (uint32_t k = 2; k < n_stacks; k++, n_sums++) {
    TwRef x = stacks[k], y = stacks[below(t, n_stacks)];
    int64_t how = below(t, 4);
    if (how == 0) y = tw_fit(b.f, b.pool[0], tw_type(b.f, x)); /* a scalar that is the same for all samples */
    tw_result(b.f, how == 3 ? x : tw_binary(b.f, TW_OP_mul, x, y));
  }
  g.n_carry = n_sums;
  g.n_ys = (uint32_t)below(t, 2);
  if (g.n_ys) tw_result(b.f, b.pool[b.n - 1]);
  g.body = tw_fn_seal(b.f);
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, 6);
  for (uint32_t k = 0; k < g.n_carry + g.n_ys; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

/* Gradient of the loss of a net of two hidden layers by all its weights; nothing becomes scalar, so that small
 * widths are tensors, too. */
static const TwFn *dense(Test *t, int64_t n, int64_t inputs, int64_t w1, int64_t w2, bool smooth) {
  TwFn *f = tw_fn_new(t->m, "f"), *b = tw_fn_new(t->m, "body");
  TwTy types[8] = {real_ty(t, 2, w1, inputs, 0), real_ty(t, 1, w1, 0, 0), real_ty(t, 2, w2, w1, 0),
                   real_ty(t, 1, w2, 0, 0), real_ty(t, 2, 1, w2, 0)};
  TwRef args[8], in[8];
  TwRegion g = {.trip = n, .n_consts = 5, .n_xs = 2, .n_carry = 1};
  for (uint32_t k = 0; k < 7; k++) {
    args[k] = tw_param(f, k < 5 ? types[k] : real_ty(t, 1, n, 0, 0));
    in[k] = tw_param(b, k < 5 ? types[k] : scalar(t));
  }
  const int64_t one[1] = {1}, zero[1] = {0};
  TwRef x = tw_broadcast(b, in[5], real_ty(t, 1, inputs, 0, 0), NULL);
  for (uint32_t k = 0; k < 2; k++) {
    x = tw_binary(b, TW_OP_add, in[2 * k + 1], tw_dot(b, in[2 * k], x, one, zero, 1));
    x = tw_unary(b, smooth ? TW_OP_tanh : TW_OP_relu, x);
  }
  x = tw_reshape(b, tw_dot(b, in[4], x, one, zero, 1), scalar(t));
  x = tw_binary(b, TW_OP_sub, x, in[6]);
  tw_result(b, tw_binary(b, TW_OP_mul, x, x));
  g.body = tw_fn_seal(b);
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &g, args, 7), 0));
  TwOptLimits limits = tw_opt_limits_default();
  limits.scalar_count = 0;
  return tw_optimize(t->m, tw_grad(t->m, tw_fn_seal(f), (bool[]){true, true, true, true, true, false, false}), limits);
}

/* The same of a net of `depth` equal layers, a loop that carries a tensor. */
static const TwFn *deep(Test *t, int64_t n, int64_t depth, int64_t w, bool smooth) {
  TwFn *f = tw_fn_new(t->m, "f"), *b = tw_fn_new(t->m, "body"), *in = tw_fn_new(t->m, "layer");
  TwTy vector = real_ty(t, 1, w, 0, 0),
       types[4] = {vector, real_ty(t, 3, depth, w, w), real_ty(t, 2, depth, w, 0), vector};
  TwRef args[6], p[6];
  TwRegion g = {.trip = n, .n_consts = 4, .n_xs = 2, .n_carry = 1}, s = {.trip = depth, .n_carry = 1, .n_xs = 2};
  for (uint32_t k = 0; k < 6; k++) {
    args[k] = tw_param(f, k < 4 ? types[k] : real_ty(t, 1, n, 0, 0));
    p[k] = tw_param(b, k < 4 ? types[k] : scalar(t));
  }
  tw_param(in, tw_ty_scalar(t->m, TW_INT));
  TwRef h = tw_param(in, vector), weight = tw_param(in, real_ty(t, 2, w, w, 0)), bias = tw_param(in, vector);
  const int64_t one[1] = {1}, zero[1] = {0};
  h = tw_binary(in, TW_OP_add, bias, tw_dot(in, weight, h, one, zero, 1));
  tw_result(in, tw_unary(in, smooth ? TW_OP_tanh : TW_OP_relu, h));
  s.body = tw_fn_seal(in);
  TwRef x = tw_binary(b, TW_OP_mul, p[0], tw_broadcast(b, p[4], vector, NULL));
  x = tw_get(b, tw_emit_region(b, TW_OP_scan, &s, (TwRef[]){x, p[1], p[2]}, 3), 0);
  x = tw_binary(b, TW_OP_sub, tw_dot(b, p[3], x, zero, zero, 1), p[5]);
  tw_result(b, tw_binary(b, TW_OP_mul, x, x));
  g.body = tw_fn_seal(b);
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &g, args, 6), 0));
  TwOptLimits limits = tw_opt_limits_default();
  limits.scalar_count = 0;
  return tw_optimize(t->m, tw_grad(t->m, tw_fn_seal(f), (bool[]){true, true, true, true, false, false}), limits);
}

int main(int argc, char **argv) {
  static const int64_t counts[] = {1, 17, 500, 512, 513, 1100};
  uint32_t loops = 0, programs = argc > 1 ? (uint32_t)atoi(argv[1]) : 60;
  Test t = test_new(argc > 2 ? (uint64_t)atoi(argv[2]) : 11);
  for (uint32_t k = 0; k < programs; k++) {
    char what[96];
    test_reset(&t);
    /* The longest loops run in passes of fewer blocks. */
    int64_t trip = k % 10 == 9 ? 400 : k % 7 == 0 ? 1 + below(&t, 3) : 9 + below(&t, 6);
    int64_t n = counts[below(&t, trip > 100 ? 5 : 6)];
    const TwFn *f = program(&t, n, trip);
    snprintf(what, sizeof what, "program %u, %lld samples, %lld iterations", k, (long long)n, (long long)trip);
    loops += plan_mentions(f, 256, "layer by layer");
    t.few = k % 4 ? 2 : 0;
    check(&t, f, what);
    check(&t, tw_opt_stacks(t.m, f), what);
  }
  for (uint32_t k = 0; k < programs / 3; k++) {
    char what[96];
    test_reset(&t);
    int64_t n = counts[below(&t, 6)], w1 = 1 + below(&t, k % 5 == 4 ? 40 : 14), w2 = 1 + below(&t, 14);
    const TwFn *f = k % 2 ? deep(&t, n, 9 + below(&t, 4), w1, k % 3 == 0)
                          : dense(&t, n, 1 + below(&t, 3), w1, w2, k % 3 == 0);
    if (k % 2) w2 = 0, loops += plan_mentions(f, 512, "layer by layer");
    snprintf(what, sizeof what, "dense %lld, %lld, %lld samples", (long long)w1, (long long)w2, (long long)n);
    t.few = k % 4 ? 2 : 0;
    check(&t, f, what);
  }
  for (uint32_t k = 0; k < 4; k++) { /* matrices too large for a cache (panels.c), in one stretch and in several */
    test_reset(&t);
    t.few = k ? 2 : 0;
    check(&t,
          k == 3   ? dense(&t, 45, 2, 257, 192, false)
          : k == 2 ? deep(&t, 33, 9, 190, false)
          : k      ? dense(&t, 530, 2, 190, 203, false)
                   : dense(&t, 45, 2, 300, 131, true),
          k == 3   ? "wide, a stretch of one element"
          : k == 2 ? "deep and wide"
          : k      ? "wide, two chunks"
                   : "wide, a ragged block");
  }
  test_reset(&t);
  if (plan_mentions(dense(&t, 45, 2, 16, 16, true), 512, "vectors of 512 bits") != 1) {
    printf("512 bits are not what is tested at 512 bits\n");
    t.failures++;
  }
  const TwFn *wide = dense(&t, 45, 2, 257, 192, false), *narrow = dense(&t, 45, 2, 192, 128, false);
  if (!plan_mentions(wide, 512, "12 by 2 vectors, the matrix packed piece by piece") ||
      !plan_mentions(wide, 256, "6 by 2 vectors, the matrix packed piece by piece") ||
      plan_mentions(narrow, 512, "packed piece by piece")) {
    printf("plans do not say which matrices are packed\n");
    t.failures++;
  }
  printf("%u loops layer by layer\n", loops);
  if (loops < programs / 3) t.failures++;
  return test_end(&t, "layers");
}
