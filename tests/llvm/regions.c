/* regions.c: scans, branches and sample loops, nested in one another, in both contexts. */
#include <string.h>
#include <time.h>

#include "tests/llvm/support.h"

static const int64_t counts[] = {1, 15, 16, 17, 500, 511, 512, 513, 5000};

static TwRef half(TwFn *f, TwRef a) { return tw_binary(f, TW_OP_mul, a, tw_fit(f, tw_real(f, 0.5), tw_type(f, a))); }
static TwTy scalar(Test *t, TwDtype d) { return tw_ty_scalar(t->m, d); }

/* Body of a scan over scalars: (i, c, s, x) -> (s', y). */
static const TwFn *scalar_body(Test *t) {
  TwFn *b = tw_fn_new(t->m, "body");
  TwRef i = tw_param(b, scalar(t, TW_INT)), c = tw_param(b, scalar(t, TW_REAL));
  TwRef s = tw_param(b, scalar(t, TW_REAL)), x = tw_param(b, scalar(t, TW_REAL));
  TwRef k = tw_unary(b, TW_OP_to_real, i);
  TwRef next = tw_binary(b, TW_OP_add, half(b, s), tw_binary(b, TW_OP_mul, c, x));
  tw_result(b, next);
  tw_result(b, tw_binary(b, TW_OP_sub, next, k));
  return tw_fn_seal(b);
}

static TwRef scan_scalars(Test *t, TwFn *f, TwRef c, TwRef s, TwRef xs, int64_t trip, bool reverse) {
  TwRegion g = {
      .body = scalar_body(t), .trip = trip, .reverse = reverse, .n_consts = 1, .n_carry = 1, .n_xs = 1, .n_ys = 1};
  return tw_emit_region(f, TW_OP_scan, &g, (TwRef[]){c, s, xs}, 3);
}

/* Two tensors that change places, one that is passed on, one that is only added to, one that is read
 * after it was added to. */
static const TwFn *tensor_body(Test *t) {
  TwFn *b = tw_fn_new(t->m, "body");
  TwTy v = real_ty(t, 1, 5, 0, 0), m = real_ty(t, 2, 7, 5, 0);
  TwRef i = tw_param(b, scalar(t, TW_INT)), w = tw_param(b, real_ty(t, 2, 5, 5, 0));
  TwRef p = tw_param(b, v), q = tw_param(b, v), same = tw_param(b, v), acc = tw_param(b, m), late = tw_param(b, m);
  TwRef x = tw_param(b, v);
  TwRef sum = tw_binary(b, TW_OP_add, half(b, tw_dot(b, w, p, (int64_t[]){1}, (int64_t[]){0}, 1)), x);
  TwRef to = tw_binary(b, TW_OP_mod, i, tw_int(b, 7));
  tw_result(b, q);
  tw_result(b, half(b, sum));
  tw_result(b, same);
  tw_result(b, tw_add_at(b, acc, to, tw_binary(b, TW_OP_add, p, tw_index(b, acc, to))));
  TwRef added = tw_add_at(b, late, to, x);
  tw_result(b, tw_binary(b, TW_OP_sub, half(b, added), half(b, tw_reverse(b, late, 0))));
  tw_result(b, tw_binary(b, TW_OP_add, same, p));
  tw_result(b, tw_index(b, p, to));
  return tw_fn_seal(b);
}

enum { TENSOR_IN = 7, TENSOR_OUT = 7 };
static void tensor_types(Test *t, int64_t trip, TwTy *out) {
  TwTy v = real_ty(t, 1, 5, 0, 0), m = real_ty(t, 2, 7, 5, 0);
  TwTy all[TENSOR_IN] = {real_ty(t, 2, 5, 5, 0), v, v, v, m, m, real_ty(t, 2, trip, 5, 0)};
  memcpy(out, all, sizeof all);
}

static TwRef scan_tensors(Test *t, TwFn *f, const TwRef *in, int64_t trip, bool reverse) {
  TwRegion g = {
      .body = tensor_body(t), .trip = trip, .reverse = reverse, .n_consts = 1, .n_carry = 5, .n_xs = 1, .n_ys = 2};
  return tw_emit_region(f, TW_OP_scan, &g, in, TENSOR_IN);
}

static const TwFn *uniform_scans(Test *t, int64_t trip, bool reverse) {
  TwFn *f = tw_fn_new(t->m, "f");
  TwRef c = tw_param(f, scalar(t, TW_REAL)), s = tw_param(f, scalar(t, TW_REAL)),
        xs = tw_param(f, real_ty(t, 1, trip, 0, 0));
  TwTy types[TENSOR_IN];
  TwRef in[TENSOR_IN];
  tensor_types(t, trip, types);
  for (int k = 0; k < TENSOR_IN; k++) in[k] = tw_param(f, types[k]);
  TwRef a = scan_scalars(t, f, c, s, xs, trip, reverse), b = scan_tensors(t, f, in, trip, reverse);
  tw_result(f, tw_get(f, a, 0));
  tw_result(f, tw_unary(f, TW_OP_neg, tw_get(f, a, 1)));
  tw_result(f, tw_get(f, a, 1));
  for (uint32_t k = 0; k < TENSOR_OUT; k++) tw_result(f, tw_get(f, b, k));
  tw_result(f, tw_binary(f, TW_OP_add, tw_get(f, b, 0), tw_get(f, b, 1)));
  return tw_fn_seal(f);
}

/* The same scans in the body of a sample loop; bit k of `fixed`: operand k does not depend on the sample. */
static const TwFn *lane_scans(Test *t, int64_t n, int64_t trip, bool reverse, uint32_t fixed) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwTy types[3 + TENSOR_IN] = {scalar(t, TW_REAL), scalar(t, TW_REAL), real_ty(t, 1, trip, 0, 0)};
  TwRef in[3 + TENSOR_IN], args[3 + TENSOR_IN];
  TwRegion g = {.trip = n};
  tensor_types(t, trip, types + 3);
  for (uint32_t xs = 0; xs < 2; xs++)
    for (uint32_t k = 0; k < 3 + TENSOR_IN; k++) {
      if ((fixed >> k & 1) == xs) continue;
      args[g.n_consts + g.n_xs] = tw_param(f, xs ? tw_ty_lead(t->m, n, types[k]) : types[k]);
      in[k] = tw_param(b, types[k]);
      *(xs ? &g.n_xs : &g.n_consts) += 1;
    }
  TwRef p = scan_scalars(t, b, in[0], in[1], in[2], trip, reverse), q = scan_tensors(t, b, in + 3, trip, reverse);
  TwRef y[2 + TENSOR_OUT] = {tw_get(b, p, 0), tw_get(b, p, 1)};
  for (uint32_t k = 0; k < TENSOR_OUT; k++) y[2 + k] = tw_get(b, q, k);
  for (uint32_t k = 0; k < 2 + TENSOR_OUT; k++) tw_result(b, y[k]);
  for (uint32_t k = 0; k < 2 + TENSOR_OUT; k++) tw_result(b, tw_binary(b, TW_OP_mul, y[k], y[k]));
  g.n_carry = 2 + TENSOR_OUT;
  g.n_ys = b->results.len - g.n_carry;
  g.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, g.n_consts + g.n_xs);
  for (uint32_t k = 0; k < g.n_carry + g.n_ys; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

/* What a derivative does: stacks a carried scalar as it is before and after each iteration, and a second scan,
 * the other way, reads both; so do loops over whole stacks. `lanes`: all that for each of 40 samples. */
static const TwFn *both_stacks(Test *t, int64_t trip, bool reverse, bool lanes) {
  TwFn *f = tw_fn_new(t->m, "f"), *b = lanes ? tw_fn_new(t->m, "sample") : f, *body = tw_fn_new(t->m, "step"),
       *back = tw_fn_new(t->m, "back");
  TwTy real = scalar(t, TW_REAL);
  tw_param(body, scalar(t, TW_INT));
  TwRef c = tw_param(body, real), p = tw_param(body, real), q = tw_param(body, real);
  TwRef p2 = tw_binary(body, TW_OP_add, half(body, p), tw_binary(body, TW_OP_mul, c, q)), q2 = half(body, p);
  TwRef results[] = {p2, q2, q, p2, p, q2, c};
  for (int k = 0; k < 7; k++) tw_result(body, results[k]);
  TwRegion there = {.body = tw_fn_seal(body), .trip = trip, .reverse = reverse, .n_consts = 1, .n_carry = 2, .n_ys = 5};
  tw_param(back, scalar(t, TW_INT));
  TwRef acc = tw_param(back, real), sum = acc;
  for (int k = 0; k < 4; k++)
    sum = tw_binary(back, TW_OP_add, half(back, sum), tw_binary(back, TW_OP_mul, sum, tw_param(back, real)));
  tw_result(back, sum);
  TwRegion again = {.body = tw_fn_seal(back), .trip = trip, .reverse = !reverse, .n_carry = 1, .n_xs = 4};

  TwRef in[3];
  for (int k = 0; k < 3; k++) in[k] = tw_param(b, real);
  TwRef r = tw_emit_region(b, TW_OP_scan, &there, in, 3), y[5];
  for (uint32_t k = 0; k < 5; k++) y[k] = tw_get(b, r, 2 + k);
  TwRef z = tw_emit_region(b, TW_OP_scan, &again, (TwRef[]){in[1], y[0], y[1], y[2], y[3]}, 5);
  TwRef out[] = {tw_get(b, r, 0), tw_get(b, z, 0), tw_binary(b, TW_OP_sub, y[1], half(b, y[2])),
                 tw_binary(b, TW_OP_add, tw_reverse(b, y[0], 0), y[3])};
  for (int k = 0; k < 4; k++) tw_result(b, out[k]);
  if (!lanes) return tw_fn_seal(f);
  TwRegion g = {.body = tw_fn_seal(b), .trip = 40, .n_consts = 1, .n_xs = 2, .n_ys = 4};
  TwTy each = tw_ty_lead(t->m, 40, real);
  TwRef args[] = {tw_param(f, real), tw_param(f, each), tw_param(f, each)};
  TwRef s = tw_emit_region(f, TW_OP_samples, &g, args, 3);
  for (uint32_t k = 0; k < 4; k++) tw_result(f, tw_get(f, s, k));
  return tw_fn_seal(f);
}

/* Carries that become one another, all stacked as they are before and after each iteration, for a second scan the
 * other way: carry k becomes carry map[k], or a new value where there is no such carry. */
static const TwFn *handed_on(Test *t, const int *map, int64_t trip, bool reverse, bool lanes) {
  enum { N = 4 };
  TwFn *f = tw_fn_new(t->m, "f"), *b = lanes ? tw_fn_new(t->m, "sample") : f, *body = tw_fn_new(t->m, "step"),
       *back = tw_fn_new(t->m, "back");
  TwTy real = scalar(t, TW_REAL);
  TwRef k = tw_unary(body, TW_OP_to_real, tw_param(body, scalar(t, TW_INT))), p[N], next[N], in[2 * N + 1];
  for (int j = 0; j < N; j++) p[j] = tw_param(body, real);
  for (int j = 0; j < N; j++)
    next[j] = map[j] < N ? p[map[j]] : half(body, tw_binary(body, TW_OP_sub, p[map[j] % N], half(body, k)));
  for (int j = 0; j < N; j++) tw_result(body, next[j]);
  for (int j = 0; j < 2 * N; j++) tw_result(body, j % 2 ? next[j / 2] : p[j / 2]);
  TwRegion there = {.body = tw_fn_seal(body), .trip = trip, .reverse = reverse, .n_carry = N, .n_ys = 2 * N};
  tw_param(back, scalar(t, TW_INT));
  TwRef sum = tw_param(back, real);
  for (int j = 0; j < 2 * N; j++) sum = tw_binary(back, TW_OP_sub, half(back, sum), tw_param(back, real));
  tw_result(back, sum);
  TwRegion again = {.body = tw_fn_seal(back), .trip = trip, .reverse = !reverse, .n_carry = 1, .n_xs = 2 * N};
  for (int j = 0; j < N; j++) in[j] = tw_param(b, real);
  TwRef r = tw_emit_region(b, TW_OP_scan, &there, in, N);
  for (uint32_t j = 0; j < 2 * N; j++) in[1 + j] = tw_get(b, r, N + j);
  TwRef z = tw_emit_region(b, TW_OP_scan, &again, in, 1 + 2 * N);
  tw_result(b, tw_get(b, z, 0));
  for (uint32_t j = 0; j < N; j++) tw_result(b, tw_get(b, r, j));
  if (!lanes) return tw_fn_seal(f);
  TwRegion g = {.body = tw_fn_seal(b), .trip = 40, .n_xs = N, .n_ys = 1 + N};
  for (int j = 0; j < N; j++) in[j] = tw_param(f, tw_ty_lead(t->m, 40, real));
  TwRef s = tw_emit_region(f, TW_OP_samples, &g, in, N);
  for (uint32_t j = 0; j < 1 + N; j++) tw_result(f, tw_get(f, s, j));
  return tw_fn_seal(f);
}

static void carries_handed_on(Test *t) {
  /* Two that change places, a chain, a ring, one that is handed to two. */
  static const int maps[][4] = {{1, 0, 6, 7}, {1, 2, 3, 4}, {1, 2, 3, 0}, {3, 3, 3, 7}, {4, 0, 1, 2}};
  for (uint32_t k = 0; k < 5 * 4; k++) {
    char what[80];
    bool reverse = k & 1, lanes = k & 2;
    test_reset(t);
    t->few = 2;
    snprintf(what, sizeof what, "carries handed on, map %u%s%s", k / 4, reverse ? ", reverse" : "",
             lanes ? ", in lanes" : "");
    check(t, handed_on(t, maps[k / 4], 2 + k % 7, reverse, lanes), what);
  }
}

/* if p then (x + y, v, 3) else (x * y, -v, y) */
static TwRef branch(Test *t, TwFn *f, TwRef pred, TwRef x, TwRef y, TwRef v) {
  TwRegion g = {.n_consts = 3, .n_ys = 3};
  for (int k = 0; k < 2; k++) {
    TwFn *b = tw_fn_new(t->m, k ? "no" : "yes");
    TwRef bx = tw_param(b, tw_type(f, x)), by = tw_param(b, tw_type(f, y)), bv = tw_param(b, tw_type(f, v));
    tw_result(b, tw_binary(b, k ? TW_OP_mul : TW_OP_add, bx, by));
    tw_result(b, k ? tw_unary(b, TW_OP_neg, bv) : bv);
    tw_result(b, k ? by : tw_real(b, 3));
    *(k ? &g.other : &g.body) = tw_fn_seal(b);
  }
  return tw_emit_region(f, TW_OP_cond, &g, (TwRef[]){pred, x, y, v}, 4);
}

static void branch_results(TwFn *f, TwRef c) {
  for (uint32_t k = 0; k < 3; k++) tw_result(f, tw_get(f, c, k));
}

static const TwFn *uniform_branch(Test *t) {
  TwFn *f = tw_fn_new(t->m, "f");
  TwRef x = tw_param(f, scalar(t, TW_REAL)), y = tw_param(f, scalar(t, TW_REAL)),
        v = tw_param(f, real_ty(t, 1, 21, 0, 0));
  branch_results(f, branch(t, f, tw_binary(f, TW_OP_lt, x, y), x, y, tw_unary(f, TW_OP_sin, v)));
  return tw_fn_seal(f);
}

/* kind 0: predicate and operands per sample; 1: predicate uniform; 2: operands uniform */
static const TwFn *lane_branch(Test *t, int64_t n, int kind) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwTy real = scalar(t, TW_REAL), v = real_ty(t, 1, 6, 0, 0);
  TwRef args[5] = {tw_param(f, real), tw_param(f, v), tw_param(f, tw_ty_lead(t->m, n, real)),
                   tw_param(f, tw_ty_lead(t->m, n, real)), tw_param(f, tw_ty_lead(t->m, n, v))};
  TwRef u = tw_param(b, real), w = tw_param(b, v), x = tw_param(b, real), y = tw_param(b, real), z = tw_param(b, v);
  TwRef pred = tw_binary(b, TW_OP_lt, kind == 1 ? u : x, kind == 1 ? tw_real(b, 0.25) : y);
  TwRef c = branch(t, b, pred, kind == 2 ? u : x, kind == 2 ? u : y, kind == 2 ? w : z);
  TwRef s = tw_binary(b, TW_OP_add, tw_get(b, c, 0), tw_get(b, c, 2));
  tw_result(b, s);
  tw_result(b, tw_get(b, c, 1));
  branch_results(b, c);
  TwRegion g = {.body = tw_fn_seal(b), .trip = n, .n_consts = 2, .n_xs = 3, .n_carry = 2, .n_ys = 3};
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, 5);
  for (uint32_t k = 0; k < 5; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

/* A network of one input, three layers of four, its loss and the gradient by hand: many sums of
 * products, so several segments. Truth values and ints as well. */
static const TwFn *net(Test *t, int64_t n, uint32_t layers) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwTy real = scalar(t, TW_REAL);
  enum { W = 4, MAX = 8 };
  TwRef w[MAX][W][W], h[MAX + 1][W], args[MAX * W * W + 2], g[W];
  uint32_t n_args = 0;
  for (uint32_t k = 0; k < layers * W * W; k++) {
    args[n_args++] = tw_param(f, real);
    w[k / (W * W)][k / W % W][k % W] = tw_param(b, real);
  }
  args[n_args++] = tw_param(f, real_ty(t, 1, n, 0, 0));
  args[n_args++] = tw_param(f, tw_ty_with(t->m, TW_INT, real_ty(t, 1, n, 0, 0)));
  TwRef x = tw_param(b, real), y = tw_unary(b, TW_OP_to_real, tw_param(b, scalar(t, TW_INT)));
  for (uint32_t j = 0; j < W; j++) h[0][j] = tw_binary(b, TW_OP_sub, x, tw_real(b, 0.25 * j));
  for (uint32_t l = 0; l < layers; l++)
    for (uint32_t j = 0; j < W; j++) {
      TwRef s = tw_binary(b, TW_OP_mul, w[l][j][0], h[l][0]);
      for (uint32_t k = 1; k < W; k++) s = tw_fma(b, w[l][j][k], h[l][k], s);
      h[l + 1][j] = tw_unary(b, TW_OP_relu, s);
    }
  TwRef e = tw_binary(b, TW_OP_sub, h[layers][0], y);
  for (uint32_t j = 0; j < W; j++) g[j] = tw_binary(b, TW_OP_mul, e, h[layers][j]);
  tw_result(b, tw_binary(b, TW_OP_mul, e, e));
  TwRef zero = tw_real(b, 0);
  for (uint32_t l = layers; l-- > 0;) {
    TwRef d[W];
    for (uint32_t j = 0; j < W; j++) d[j] = tw_select(b, tw_binary(b, TW_OP_ne, h[l + 1][j], zero), g[j], zero);
    for (uint32_t j = 0; j < W; j++)
      for (uint32_t k = 0; k < W; k++) tw_result(b, tw_binary(b, TW_OP_mul, d[j], h[l][k]));
    for (uint32_t j = 0; j < W; j++) tw_result(b, d[j]);
    for (uint32_t k = 0; k < W; k++) {
      g[k] = tw_binary(b, TW_OP_mul, w[l][0][k], d[0]);
      for (uint32_t j = 1; j < W; j++) g[k] = tw_fma(b, w[l][j][k], d[j], g[k]);
    }
  }
  uint32_t sums = b->results.len;
  tw_result(b, h[layers][1]);
  tw_result(b, tw_binary(b, TW_OP_lt, h[1][0], g[0]));
  tw_result(b, x);
  tw_result(b, w[0][0][0]);
  TwRegion r = {.body = tw_fn_seal(b), .trip = n, .n_consts = layers * W * W, .n_xs = 2, .n_carry = sums, .n_ys = 4};
  TwRef all = tw_emit_region(f, TW_OP_samples, &r, args, n_args);
  TwRef parts[MAX * (W * W + W) + 1];
  for (uint32_t k = 0; k < sums; k++) parts[k] = tw_get(f, all, k);
  tw_result(f, tw_stack(f, parts, sums));
  for (uint32_t k = sums; k < sums + 4; k++) tw_result(f, tw_get(f, all, k));
  return tw_fn_seal(f);
}

/* A choice of what one instruction makes, long before the other factor of a sum of it is there. */
static const TwFn *early_choice(Test *t, int64_t n) {
  enum { LATER = 40 };
  TwTy real = scalar(t, TW_REAL);
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwRef args[3] = {tw_param(f, real), tw_param(f, real_ty(t, 1, n, 0, 0)), tw_param(f, real_ty(t, 1, n, 0, 0))};
  TwRef w = tw_param(b, real), x = tw_param(b, real), y = tw_param(b, real), zero = tw_real(b, 0);
  TwRef some = tw_binary(b, TW_OP_lt, x, y), chosen = tw_binary(b, TW_OP_mul, x, y), z = y;
  for (uint32_t k = 0; k < LATER; k++) z = tw_fma(b, w, half(b, z), x);
  TwRef s = tw_select(b, some, chosen, zero);
  tw_result(b, tw_binary(b, TW_OP_mul, s, z));
  tw_result(b, s);
  tw_result(b, tw_binary(b, TW_OP_mul, z, z));
  TwRegion r = {.body = tw_fn_seal(b), .trip = n, .n_consts = 1, .n_xs = 2, .n_carry = 3};
  TwRef all = tw_emit_region(f, TW_OP_samples, &r, args, 3);
  for (uint32_t k = 0; k < 3; k++) tw_result(f, tw_get(f, all, k));
  return tw_fn_seal(f);
}

/* Samples inside samples: uniform inside (its own lanes), or dependent on the outer sample (serial). */
static const TwFn *nested_samples(Test *t, int64_t n, int64_t m, bool dependent) {
  TwTy real = scalar(t, TW_REAL), v = real_ty(t, 1, 3, 0, 0);
  TwFn *inner = tw_fn_new(t->m, "inner"), *outer = tw_fn_new(t->m, "outer"), *f = tw_fn_new(t->m, "f");
  TwRef c = tw_param(inner, real), x = tw_param(inner, real), z = tw_param(inner, v);
  tw_result(inner, tw_binary(inner, TW_OP_mul, tw_binary(inner, TW_OP_sub, c, x), x));
  tw_result(inner, tw_binary(inner, TW_OP_mul, tw_fit(inner, c, v), z));
  tw_result(inner, tw_unary(inner, TW_OP_to_int, x));
  tw_result(inner, tw_binary(inner, TW_OP_sub, x, c));
  tw_result(inner, tw_unary(inner, TW_OP_neg, z));
  TwRegion gi = {.body = tw_fn_seal(inner), .trip = m, .n_consts = 1, .n_xs = 2, .n_carry = 3, .n_ys = 2};
  TwRef u = tw_param(outer, real), xs = tw_param(outer, tw_ty_lead(t->m, m, real)),
        zs = tw_param(outer, tw_ty_lead(t->m, m, v));
  TwRef s = tw_param(outer, real);
  TwRef r = tw_emit_region(outer, TW_OP_samples, &gi, (TwRef[]){dependent ? s : u, xs, zs}, 3);
  TwRef total = tw_get(outer, r, 0);
  tw_result(outer, tw_binary(outer, TW_OP_mul, total, s));
  tw_result(outer, tw_get(outer, r, 1));
  tw_result(outer, tw_sum_all(outer, tw_get(outer, r, 3)));
  tw_result(outer, tw_binary(outer, TW_OP_add, tw_unary(outer, TW_OP_to_real, tw_get(outer, r, 2)),
                             tw_sum_all(outer, tw_get(outer, r, 4))));
  TwRegion go = {.body = tw_fn_seal(outer), .trip = n, .n_consts = 3, .n_xs = 1, .n_carry = 2, .n_ys = 2};
  TwRef args[4] = {tw_param(f, real), tw_param(f, tw_ty_lead(t->m, m, real)), tw_param(f, tw_ty_lead(t->m, m, v)),
                   tw_param(f, tw_ty_lead(t->m, n, real))};
  TwRef all = tw_emit_region(f, TW_OP_samples, &go, args, 4);
  for (uint32_t k = 0; k < 4; k++) tw_result(f, tw_get(f, all, k));
  return tw_fn_seal(f);
}

/* A scan in a scan in a branch, with a sample loop inside of the outer scan. */
static const TwFn *deep(Test *t, int64_t n) {
  TwTy real = scalar(t, TW_REAL);
  TwFn *inner = tw_fn_new(t->m, "inner"), *body = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwRef w = tw_param(inner, real), x = tw_param(inner, real);
  tw_result(inner, tw_binary(inner, TW_OP_mul, tw_unary(inner, TW_OP_tanh, tw_binary(inner, TW_OP_mul, w, x)), x));
  TwRegion gi = {.body = tw_fn_seal(inner), .trip = n, .n_consts = 1, .n_xs = 1, .n_carry = 1};
  TwRef i = tw_param(body, scalar(t, TW_INT)), xs = tw_param(body, real_ty(t, 1, n, 0, 0)), s = tw_param(body, real);
  TwRef hist = tw_param(body, real_ty(t, 1, 9, 0, 0));
  TwRef sum = tw_get(body, tw_emit_region(body, TW_OP_samples, &gi, (TwRef[]){s, xs}, 2), 0);
  TwRef p = scan_scalars(t, body, s, sum, hist, 9, true);
  TwRef c = branch(t, body, tw_binary(body, TW_OP_lt, sum, s), s, tw_get(body, p, 0), tw_get(body, p, 1));
  tw_result(body, half(body, tw_get(body, c, 0)));
  tw_result(body, tw_add_at(body, hist, i, sum));
  tw_result(body, tw_get(body, c, 1));
  TwRegion g = {.body = tw_fn_seal(body), .trip = 6, .n_consts = 1, .n_carry = 2, .n_ys = 1};
  TwRef args[3] = {tw_param(f, real_ty(t, 1, n, 0, 0)), tw_param(f, real), tw_param(f, real_ty(t, 1, 9, 0, 0))};
  TwRef r = tw_emit_region(f, TW_OP_scan, &g, args, 3);
  for (uint32_t k = 0; k < 3; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

static void million(Test *t) {
  TwFn *f = tw_fn_new(t->m, "f");
  int64_t trip = 1000000;
  TwRef c = tw_param(f, scalar(t, TW_REAL)), s = tw_param(f, scalar(t, TW_REAL)),
        xs = tw_param(f, real_ty(t, 1, trip, 0, 0));
  TwRef a = scan_scalars(t, f, c, s, xs, trip, false);
  tw_result(f, tw_get(f, a, 0));
  tw_result(f, tw_get(f, a, 1));
  check(t, tw_fn_seal(f), "a scan of 10^6");
}

int main(void) {
  Test t = test_new(3);
  for (uint32_t k = 0; k < 9; k++) {
    char what[80];
    test_reset(&t);
    t.few = k % 3 != 0;
    snprintf(what, sizeof what, "scans of trip %u", k);
    check(&t, uniform_scans(&t, (int64_t)k, k & 1), what);
    snprintf(what, sizeof what, "net, %lld samples", (long long)counts[k]);
    check(&t, net(&t, counts[k], 1 + k % 6), what);
    snprintf(what, sizeof what, "early choice, %lld samples", (long long)counts[k]);
    check(&t, early_choice(&t, counts[k]), what);
    t.few = 2;
    snprintf(what, sizeof what, "scans in lanes, trip %u", k);
    static const uint32_t fixed[] = {0, 1, 0x3f8, 0x387, 0x3ff, 0x79, 0x1f8, 2, 0x3fb};
    check(&t, lane_scans(&t, counts[k] > 600 ? 600 : counts[k], (int64_t)k + 1, !(k & 1), fixed[k]), what);
    for (int lanes = 0; lanes < 2; lanes++) {
      snprintf(what, sizeof what, "both stacks of trip %u%s", 3 * k, lanes ? ", in lanes" : "");
      check(&t, both_stacks(&t, 3 * (int64_t)k, k & 1, lanes), what);
    }
    snprintf(what, sizeof what, "branches in lanes, kind %u", k % 3);
    check(&t, lane_branch(&t, counts[k], (int)k % 3), what);
    snprintf(what, sizeof what, "nested samples %u", k);
    check(&t, nested_samples(&t, 1 + (int64_t)k * 3, k == 8 ? 1030 : counts[k % 5], k & 1), what);
    check(&t, nested_samples(&t, 20, k == 7 ? 1030 : counts[k % 5], true), what);
  }
  carries_handed_on(&t);
  test_reset(&t);
  t.few = 0;
  check(&t, uniform_branch(&t), "branch");
  check(&t, deep(&t, 700), "deep");
  t.few = 1;
  million(&t);
  if (t.shared < 4) {
    printf("only %u runs had a loop to share\n", t.shared);
    t.failures++;
  }
  return test_end(&t, "regions");
}
