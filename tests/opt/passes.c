/* passes.c: each pass on a program that is about it, and nothing else. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/ir/passes.h"
#include "tests/opt/programs.h"

static int failures;

static TwTy vec(TwModule *m, int64_t n) { return tw_ty(m, TW_REAL, 1, &n); }
static TwTy scalar(TwModule *m) { return tw_ty_scalar(m, TW_REAL); }
static TwRef mul(TwFn *f, TwRef a, TwRef b) { return tw_binary(f, TW_OP_mul, a, b); }
static TwRef add(TwFn *f, TwRef a, TwRef b) { return tw_binary(f, TW_OP_add, a, b); }

static void check_same(const char *what, const TwFn *a, const TwFn *b, TwPrecision p) {
  const char *why = tw_verify(b);
  CHECK(!why, "%s: %s", what, why ? why : "");
  for (uint32_t seed = 1; seed <= 4; seed++) CHECK(tw_same_bits(a, b, p, seed, -2, 2), "%s changes bits", what);
}

/* ---- contract */
static void contract(TwModule *m) {
  TwFn *f = tw_fn_new(m, "contract");
  TwRef a = tw_param(f, scalar(m)), b = tw_param(f, scalar(m)), c = tw_param(f, scalar(m)), d = tw_param(f, scalar(m));
  TwRef ab = mul(f, a, b), cd = mul(f, c, d);
  tw_result(f, add(f, ab, cd));                           /* the later product */
  tw_result(f, tw_binary(f, TW_OP_sub, a, mul(f, b, c))); /* fma(-b, c, a) */
  tw_result(f, tw_binary(f, TW_OP_sub, mul(f, a, c), d)); /* fma(a, c, -d) */
  TwRef shared = mul(f, b, d);
  tw_result(f, add(f, shared, a)); /* used by a relu too: stays */
  tw_result(f, tw_unary(f, TW_OP_relu, shared));
  TwRef twice = mul(f, a, d);
  tw_result(f, add(f, twice, tw_unary(f, TW_OP_sin, a))); /* two additions: gone into both */
  tw_result(f, add(f, twice, tw_unary(f, TW_OP_cos, a)));
  const TwFn *g = tw_fn_seal(f), *h = tw_opt_contract(m, g);
  CHECK(!tw_verify(h), "%s", tw_verify(h));
  CHECK(tw_count_op(h, TW_OP_fma) == 5, "%u fma", tw_count_op(h, TW_OP_fma));
  CHECK(tw_count_op(h, TW_OP_mul) == 2, "%u mul", tw_count_op(h, TW_OP_mul));
  CHECK(tw_count_op(h, TW_OP_add) == 1 && tw_count_op(h, TW_OP_sub) == 0, "additions are left");
  check_same("contract twice", h, tw_opt_contract(m, h), TW_F32);
  CHECK(strcmp(tw_ir_print(h), tw_ir_print(tw_opt_contract(m, h))) == 0, "contract is not idempotent");
  double in[4] = {0.1, 0.2, 0.3, -0.4}, out[7];
  tw_interpret(h, TW_F64, (const void *[]){in, in + 1, in + 2, in + 3},
               (void *[]){out, out + 1, out + 2, out + 3, out + 4, out + 5, out + 6});
  CHECK(out[0] == fma(0.3, -0.4, 0.1 * 0.2), "the later product is fused");
  CHECK(out[1] == fma(-0.2, 0.3, 0.1), "a - b c");
  CHECK(out[2] == fma(0.1, 0.3, 0.4), "a c - d");
}

/* A masked product is taken in where no free one is, and only if nobody else reads it or its mask's choice. */
static void contract_masked(TwModule *m) {
  TwFn *f = tw_fn_new(m, "contract_masked");
  TwRef a = tw_param(f, scalar(m)), b = tw_param(f, scalar(m)), c = tw_param(f, scalar(m)), zero = tw_real(f, 0);
  TwRef on = tw_binary(f, TW_OP_lt, a, b), off = tw_binary(f, TW_OP_lt, b, a);
  tw_result(f, add(f, c, tw_select(f, on, mul(f, a, b), zero)));                           /* fma(a, b, c) */
  tw_result(f, add(f, c, tw_select(f, off, mul(f, a, c), zero)));                          /* c */
  tw_result(f, tw_binary(f, TW_OP_sub, c, tw_select(f, on, mul(f, b, c), zero)));          /* fma(-b, c, c) */
  tw_result(f, tw_binary(f, TW_OP_sub, tw_select(f, off, mul(f, b, b), zero), a));         /* -a */
  tw_result(f, add(f, tw_select(f, on, mul(f, a, a), zero), mul(f, c, c)));                /* the free one */
  tw_result(f, add(f, c, tw_select(f, on, tw_binary(f, TW_OP_mul, b, tw_real(f, 3)), a))); /* no mask: a elsewhere */
  TwRef read = tw_select(f, on, tw_binary(f, TW_OP_mul, c, tw_real(f, 5)), zero);
  tw_result(f, add(f, a, read)); /* read by a relu too: stays */
  tw_result(f, tw_unary(f, TW_OP_relu, read));
  const TwFn *g = tw_fn_seal(f), *h = tw_opt_contract(m, g);
  CHECK(!tw_verify(h), "%s", tw_verify(h));
  CHECK(tw_count_op(h, TW_OP_fma) == 5 && tw_count_op(h, TW_OP_mul) == 3, "%u fma, %u mul", tw_count_op(h, TW_OP_fma),
        tw_count_op(h, TW_OP_mul));
  CHECK(strcmp(tw_ir_print(h), tw_ir_print(tw_opt_contract(m, h))) == 0, "contract is not idempotent");
  double in[3] = {0.1, 0.7, -0.0}, out[8];
  tw_interpret(h, TW_F64, (const void *[]){in, in + 1, in + 2},
               (void *[]){out, out + 1, out + 2, out + 3, out + 4, out + 5, out + 6, out + 7});
  CHECK(out[0] == fma(0.1, 0.7, -0.0) && out[1] == 0 && signbit(out[1]), "c + masked a b: %g, %g", out[0], out[1]);
  in[2] = 0.3;
  tw_interpret(h, TW_F64, (const void *[]){in, in + 1, in + 2},
               (void *[]){out, out + 1, out + 2, out + 3, out + 4, out + 5, out + 6, out + 7});
  CHECK(out[0] == fma(0.1, 0.7, 0.3) && out[2] == fma(-0.7, 0.3, 0.3) && out[3] == -0.1, "one rounding, or none");
  CHECK(out[4] == fma(0.3, 0.3, 0.1 * 0.1), "the free product is taken in before the masked one");
}

/* A product that is a sum of samples is left to the loop. */
static void contract_sum(TwModule *m) {
  TwFn *b = tw_fn_new(m, "body");
  TwRef x = tw_param(b, scalar(m)), y = tw_param(b, scalar(m)), p = mul(b, x, y);
  tw_result(b, p);
  tw_result(b, add(b, p, x));
  TwRegion s = {.body = tw_fn_seal(b), .trip = 20, .n_carry = 2, .n_xs = 2};
  TwFn *f = tw_fn_new(m, "sums");
  TwRef args[2] = {tw_param(f, vec(m, 20)), tw_param(f, vec(m, 20))};
  TwRef r = tw_emit_region(f, TW_OP_samples, &s, args, 2);
  tw_result(f, tw_get(f, r, 0));
  tw_result(f, tw_get(f, r, 1));
  const TwFn *g = tw_opt_contract(m, tw_fn_seal(f));
  CHECK(tw_count_op(g, TW_OP_mul) == 1 && tw_count_op(g, TW_OP_fma) == 0, "a summed product is fused");
}

/* ---- strong products */
static void strong(TwModule *m) {
  TwFn *f = tw_fn_new(m, "strong");
  TwRef a = tw_param(f, scalar(m)), b = tw_param(f, scalar(m));
  tw_result(f, tw_binary(f, TW_OP_mul0, a, b));
  const TwFn *g = tw_fn_seal(f), *h = tw_opt_lower_mul0(m, g);
  CHECK(tw_count_op(h, TW_OP_mul0) == 0, "mul0 is left");
  const double cases[][2] = {{0, INFINITY}, {INFINITY, 0}, {0, NAN}, {2, 3}, {INFINITY, 2}, {-0.0, INFINITY}};
  for (uint32_t k = 0; k < 6; k++) {
    double x, y;
    const void *in[2] = {&cases[k][0], &cases[k][1]};
    tw_interpret(g, TW_F64, in, (void *[]){&x});
    tw_interpret(h, TW_F64, in, (void *[]){&y});
    CHECK(x == y, "case %u: %g and %g", k, x, y);
  }
}

/* ---- dots and sums have the defined order when they are taken apart and contracted */
static const TwFn *reductions(TwModule *m, int64_t n) {
  TwFn *b = tw_fn_new(m, "body");
  int64_t dims[2] = {2, n};
  TwRef w = tw_param(b, tw_ty(m, TW_REAL, 2, dims)), x = tw_param(b, vec(m, n)), s = tw_param(b, scalar(m));
  x = mul(b, x, tw_fit(b, s, vec(m, n)));
  TwRef d = tw_dot(b, w, x, (int64_t[]){1}, (int64_t[]){0}, 1);
  tw_result(b, tw_sum_all(b, tw_unary(b, TW_OP_relu, d)));
  tw_result(b, tw_sum_all(b, x));
  TwRegion r = {.body = tw_fn_seal(b), .trip = 30, .n_consts = 2, .n_carry = 1, .n_xs = 1, .n_ys = 1};
  TwFn *f = tw_fn_new(m, "reductions");
  TwRef args[3] = {tw_param(f, tw_ty(m, TW_REAL, 2, dims)), tw_param(f, vec(m, n)), tw_param(f, vec(m, 30))};
  TwRef q = tw_emit_region(f, TW_OP_samples, &r, args, 3);
  tw_result(f, tw_get(f, q, 0));
  tw_result(f, tw_get(f, q, 1));
  return tw_fn_seal(f);
}

static void orders(TwModule *m) {
  static const int64_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 32};
  for (uint32_t k = 0; k < 8; k++) {
    const TwFn *f = reductions(m, lengths[k]);
    const TwFn *g = tw_opt_contract(m, tw_opt_scalarize(m, f, tw_opt_limits_default()));
    CHECK(tw_count_op(g, TW_OP_dot) == 0 && tw_count_op(g, TW_OP_sum) == 0, "length %d: not taken apart",
          (int)lengths[k]);
    check_same("a dot or sum, scalarized and contracted", f, g, TW_F32);
    check_same("a dot or sum, scalarized and contracted", f, g, TW_F64);
  }
}

/* ---- literals, equal rows and opposite rows of a matrix share one chain */
static void structure(TwModule *m) {
  TwFn *f = tw_fn_new(m, "structure");
  TwRef u = tw_param(f, scalar(m)), v = tw_param(f, scalar(m)), w = tw_param(f, scalar(m)), xs = tw_param(f, vec(m, 9));
  TwRef zero = tw_real(f, 0), one = tw_real(f, 1), nu = tw_unary(f, TW_OP_neg, u), nv = tw_unary(f, TW_OP_neg, v);
  TwRef rows[3] = {tw_stack(f, (TwRef[]){one, nu, nv, zero}, 4), tw_stack(f, (TwRef[]){zero, u, v, zero}, 4),
                   tw_stack(f, (TwRef[]){zero, u, v, w}, 4)};
  TwRef matrix = tw_stack(f, rows, 3);
  TwFn *b = tw_fn_new(m, "body");
  TwRef a = tw_param(b, tw_type(f, matrix)), x = tw_param(b, scalar(m));
  TwRef h[4] = {x, tw_unary(b, TW_OP_sin, x), tw_unary(b, TW_OP_cos, x), tw_real(b, 1)};
  TwRef d = tw_dot(b, a, tw_stack(b, h, 4), (int64_t[]){1}, (int64_t[]){0}, 1);
  tw_result(b, tw_sum_all(b, tw_unary(b, TW_OP_tanh, d)));
  TwRegion r = {.body = tw_fn_seal(b), .trip = 9, .n_consts = 1, .n_carry = 1, .n_xs = 1};
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &r, (TwRef[]){matrix, xs}, 2), 0));
  const TwFn *g = tw_fn_seal(f), *o = tw_optimize(m, g, tw_opt_limits_default());
  TwCounts c = tw_count_samples(o);
  CHECK(c.multiplies == 2, "%u products for three rows that share two", c.multiplies);
  CHECK(c.consts == 3 && c.tensors == 0, "%u operands", c.consts);
  for (uint32_t seed = 1; seed < 5; seed++) {
    double e = tw_difference(g, o, seed, -1, 1);
    CHECK(e >= 0 && e < 1e-13, "differs by %g", e);
  }
}

/* ---- hoisting */
static void hoist(TwModule *m) {
  TwFn *b = tw_fn_new(m, "body");
  TwRef c = tw_param(b, scalar(m)), x = tw_param(b, scalar(m));
  TwRef e = tw_unary(b, TW_OP_exp, tw_unary(b, TW_OP_neg, c)); /* does not depend on the sample */
  TwFn *in = tw_fn_new(m, "layer");                            /* a scan of which one carry does not either */
  tw_param(in, tw_ty_scalar(m, TW_INT));
  TwRef k = tw_param(in, scalar(m)), p = tw_param(in, scalar(m)), q = tw_param(in, scalar(m));
  tw_result(in, tw_unary(in, TW_OP_sin, mul(in, p, k)));
  tw_result(in, add(in, q, tw_unary(in, TW_OP_cos, p)));
  TwRegion s = {.body = tw_fn_seal(in), .trip = 30, .n_consts = 1, .n_carry = 2};
  TwRef r = tw_emit_region(b, TW_OP_scan, &s, (TwRef[]){c, e, x}, 3);
  tw_result(b, mul(b, tw_get(b, r, 1), tw_get(b, r, 0)));
  TwRegion t = {.body = tw_fn_seal(b), .trip = 50, .n_consts = 1, .n_carry = 1, .n_xs = 1};
  TwFn *f = tw_fn_new(m, "hoist");
  TwRef args[2] = {tw_param(f, scalar(m)), tw_param(f, vec(m, 50))};
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &t, args, 2), 0));
  const TwFn *g = tw_fn_seal(f), *h = tw_opt_loop_invariant(m, g);
  check_same("loop_invariant", g, h, TW_F32);
  TwCounts n = tw_count_samples(h);
  CHECK(n.others == 0, "%u elementary functions stay in the loop", n.others);
  CHECK(n.scans == 1 && n.adds == 1, "what varies stays: %u loops, %u additions", n.scans, n.adds);
}

/* ---- fusing */
static const TwFn *map_body(TwModule *m, TwOp op, bool sums) {
  TwFn *b = tw_fn_new(m, "map");
  TwRef c = tw_param(b, scalar(m)), x = tw_param(b, scalar(m));
  TwRef y = tw_unary(b, op, mul(b, c, x));
  tw_result(b, y);
  if (sums) tw_result(b, y);
  return tw_fn_seal(b);
}

static void fuse(TwModule *m) {
  TwRegion first = {
      .body = map_body(m, TW_OP_sin, true), .trip = 40, .n_consts = 1, .n_carry = 1, .n_xs = 1, .n_ys = 1};
  TwRegion second = {.body = map_body(m, TW_OP_cos, false), .trip = 40, .n_consts = 1, .n_carry = 1, .n_xs = 1};
  TwFn *f = tw_fn_new(m, "pipe"); /* the second reads what the first wrote */
  TwRef c = tw_param(f, scalar(m)), x = tw_param(f, vec(m, 40));
  TwRef a = tw_emit_region(f, TW_OP_samples, &first, (TwRef[]){c, x}, 2);
  TwRef b = tw_emit_region(f, TW_OP_samples, &second, (TwRef[]){c, tw_get(f, a, 1)}, 2);
  tw_result(f, tw_get(f, a, 0));
  tw_result(f, tw_get(f, b, 0));
  const TwFn *g = tw_fn_seal(f), *h = tw_opt_fuse_samples(m, g);
  check_same("fuse_samples", g, h, TW_F32);
  CHECK(tw_count_op(h, TW_OP_samples) == 1 && tw_count_samples(h).ys == 0, "the array in between is left");

  f = tw_fn_new(m, "wait"); /* the second needs the first one's sum: they stay two; a third joins the first */
  c = tw_param(f, scalar(m));
  x = tw_param(f, vec(m, 40));
  a = tw_emit_region(f, TW_OP_samples, &first, (TwRef[]){c, x}, 2);
  TwRef sum = tw_get(f, a, 0);
  b = tw_emit_region(f, TW_OP_samples, &second, (TwRef[]){sum, tw_get(f, a, 1)}, 2);
  TwRef d = tw_emit_region(f, TW_OP_samples, &second, (TwRef[]){c, x}, 2);
  tw_result(f, tw_get(f, b, 0));
  tw_result(f, tw_get(f, d, 0));
  g = tw_fn_seal(f);
  h = tw_opt_fuse_samples(m, g);
  check_same("fuse_samples", g, h, TW_F32);
  CHECK(tw_count_op(h, TW_OP_samples) == 2, "%u loops", tw_count_op(h, TW_OP_samples));
}

/* ---- the gradient of a vector taken apart */
static void pads(TwModule *m) {
  TwFn *f = tw_fn_new(m, "pads");
  TwRef x[4], total = 0;
  TwTy to = vec(m, 30), one = vec(m, 1);
  for (uint32_t k = 0; k < 4; k++) x[k] = tw_reshape(f, tw_param(f, scalar(m)), one);
  TwRef wide = tw_param(f, vec(m, 5)), rest = tw_param(f, to), even = tw_param(f, vec(m, 4)),
        odd = tw_param(f, vec(m, 4));
  for (uint32_t k = 0; k < 4; k++) {
    TwRef p = tw_pad(f, x[k], to, (int64_t[]){3 * k, 1});
    total = total ? add(f, total, p) : p;
  }
  total = add(f, total, tw_pad(f, wide, to, (int64_t[]){8, 1})); /* overlaps x[3] */
  total = add(f, total, tw_pad(f, even, to, (int64_t[]){20, 2}));
  total = add(f, total, tw_pad(f, odd, to, (int64_t[]){21, 2}));
  tw_result(f, add(f, total, rest));
  const TwFn *g = tw_fn_seal(f), *h = tw_optimize(m, g, tw_opt_limits_default());
  check_same("pads", g, h, TW_F64);
  CHECK(tw_count_op(h, TW_OP_pad) == 0, "%u pads", tw_count_op(h, TW_OP_pad));
}

/* ---- what is not small, or gains nothing, stays a tensor */
static void tensors_stay(TwModule *m) {
  TwFn *f = tw_fn_new(m, "vector");
  TwRef p = tw_param(f, vec(m, 7)), g = tw_param(f, vec(m, 7)), t = tw_param(f, scalar(m));
  TwRef n = add(f, mul(f, tw_const(f, vec(m, 7), 0.9), p), mul(f, tw_fit(f, t, vec(m, 7)), g));
  tw_result(f, tw_unary(f, TW_OP_sqrt, n));
  const TwFn *a = tw_optimize(m, tw_fn_seal(f), tw_opt_limits_default());
  CHECK(tw_count_op(a, TW_OP_sqrt) == 1 && tw_count_op(a, TW_OP_slice) == 0, "a vector update is taken apart");

  TwFn *b = tw_fn_new(m, "wide");
  int64_t dims[2] = {100, 100};
  TwRef w = tw_param(b, tw_ty(m, TW_REAL, 2, dims)), x = tw_param(b, vec(m, 100));
  TwRef h = tw_unary(b, TW_OP_relu, tw_dot(b, w, x, (int64_t[]){1}, (int64_t[]){0}, 1));
  tw_result(b, tw_sum_all(b, mul(b, h, h)));
  TwRegion r = {.body = tw_fn_seal(b), .trip = 8, .n_consts = 1, .n_carry = 1, .n_xs = 1};
  f = tw_fn_new(m, "wide");
  int64_t data[2] = {8, 100};
  TwRef args[2] = {tw_param(f, tw_ty(m, TW_REAL, 2, dims)), tw_param(f, tw_ty(m, TW_REAL, 2, data))};
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &r, args, 2), 0));
  a = tw_optimize(m, tw_fn_seal(f), tw_opt_limits_default());
  CHECK(tw_count_op(a, TW_OP_dot) == 1 && tw_fn_size(a) < 30, "a wide layer is taken apart: %u", tw_fn_size(a));
}

/* ---- short loops go, long ones stay, backwards too */
static void unroll(TwModule *m) {
  for (uint32_t reverse = 0; reverse < 2; reverse++) {
    for (int64_t trip = 7; trip <= 9; trip += 2) {
      TwFn *b = tw_fn_new(m, "body");
      TwRef i = tw_param(b, tw_ty_scalar(m, TW_INT)), c = tw_param(b, scalar(m)), x = tw_param(b, vec(m, 2));
      TwRef y = add(b, mul(b, c, tw_index(b, x, tw_int(b, 0))), tw_unary(b, TW_OP_to_real, i));
      tw_result(b, tw_unary(b, TW_OP_sin, y));
      tw_result(b, tw_fit(b, y, vec(m, 2)));
      TwRegion s = {.body = tw_fn_seal(b), .trip = trip, .reverse = reverse, .n_carry = 1, .n_xs = 1, .n_ys = 1};
      TwFn *f = tw_fn_new(m, "loop");
      int64_t dims[2] = {trip, 2};
      TwRef args[2] = {tw_param(f, scalar(m)), tw_param(f, tw_ty(m, TW_REAL, 2, dims))};
      TwRef r = tw_emit_region(f, TW_OP_scan, &s, args, 2);
      tw_result(f, tw_get(f, r, 0));
      tw_result(f, tw_get(f, r, 1));
      const TwFn *g = tw_fn_seal(f), *h = tw_opt_unroll(m, g, tw_opt_limits_default());
      check_same("unroll", g, h, TW_F64);
      CHECK(tw_count_op(h, TW_OP_scan) == (trip > 8), "trip %d: %u loops", (int)trip, tw_count_op(h, TW_OP_scan));
    }
  }
}

int main(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  contract(m);
  contract_masked(m);
  contract_sum(m);
  strong(m);
  orders(m);
  structure(m);
  hoist(m);
  fuse(m);
  pads(m);
  tensors_stay(m);
  unroll(m);
  tw_arena_free(&arena);
  if (failures) printf("%d failures\n", failures);
  return failures != 0;
}
