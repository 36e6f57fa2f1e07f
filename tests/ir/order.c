/* order.c: the defined order of sums (P7) against plain loops, and that long loops stay cheap. */
#include <math.h>
#include <string.h>

#include "tests/ir/support.h"

/* ---- docs/architecture.md, written down once more in the simplest way */

#define DEFINE_SUM(T, name, FMA)                                                                                       \
  static double name(const double *a, const double *b, int64_t n) {                                                    \
    int64_t chunks = (n + 511) / 512;                                                                                  \
    T *c = calloc((size_t)chunks + 1, sizeof *c);                                                                      \
    for (int64_t k = 0; k < chunks; k++) {                                                                             \
      T p[16] = {0};                                                                                                   \
      for (int64_t i = 512 * k; i < n && i < 512 * (k + 1); i++)                                                       \
        p[i % 16] = b ? FMA((T)a[i], (T)b[i], p[i % 16]) : p[i % 16] + (T)a[i];                                        \
      for (int h = 8; h; h /= 2)                                                                                       \
        for (int j = 0; j < h; j++) p[j] += p[j + h];                                                                  \
      c[k] = p[0];                                                                                                     \
    }                                                                                                                  \
    while (chunks > 1) {                                                                                               \
      for (int64_t k = 0; 2 * k < chunks; k++) c[k] = 2 * k + 1 < chunks ? c[2 * k] + c[2 * k + 1] : c[2 * k];         \
      chunks = (chunks + 1) / 2;                                                                                       \
    }                                                                                                                  \
    T sum = n ? c[0] : (T)0;                                                                                           \
    free(c);                                                                                                           \
    return (double)sum;                                                                                                \
  }
DEFINE_SUM(float, sum_f32, fmaf)
DEFINE_SUM(double, sum_f64, fma)

static double defined_sum(TwPrecision p, const double *a, const double *b, int64_t n) {
  return p == TW_F32 ? sum_f32(a, b, n) : sum_f64(a, b, n);
}

static const int64_t sizes[] = {0, 1, 2, 15, 16, 17, 100, 511, 512, 513, 1024, 1025, 1537, 2560, 5000, 12345};
enum { SIZES = sizeof sizes / sizeof *sizes };

static double *random_reals(size_t n, uint64_t seed) {
  double *x = calloc(n + 1, sizeof *x);
  for (size_t k = 0; k < n; k++) x[k] = next_real(&seed);
  return x;
}

/* (sum of a, sum of a * b, sums of the vector [a, b]) over samples. */
static const TwFn *samples_fn(TwModule *m, int64_t n) {
  TwTy r = real_of(m, 0, 0, 0, 0), col = real_of(m, 1, n, 0, 0);
  TwFn *b = tw_fn_new(m, "body");
  TwRef x = tw_param(b, r), y = tw_param(b, r);
  tw_result(b, x);
  tw_result(b, tw_binary(b, TW_OP_mul, x, y));
  tw_result(b, tw_stack(b, (TwRef[]){x, y}, 2));
  TwFn *f = tw_fn_new(m, "f");
  TwRef args[2] = {tw_param(f, col), tw_param(f, col)};
  TwRegion g = {.body = tw_fn_seal(b), .trip = n, .n_carry = 3, .n_xs = 2};
  TwRef t = tw_emit_region(f, TW_OP_samples, &g, args, 2);
  for (uint32_t k = 0; k < 3; k++) tw_result(f, tw_get(f, t, k));
  return tw_fn_seal(f);
}

static void check_samples(TwModule *m, TwPrecision p) {
  for (int s = 0; s < SIZES; s++) {
    int64_t n = sizes[s];
    double *in = random_reals(2 * (size_t)n, 5), out[4];
    evaluate(samples_fn(m, n), p, in, out);
    CHECK(same_value(out[0], defined_sum(p, in, NULL, n)), "sum of %lld samples", (long long)n);
    CHECK(same_value(out[1], defined_sum(p, in, in + n, n)), "sum of %lld products", (long long)n);
    CHECK(same_value(out[2], out[0]) && same_value(out[3], defined_sum(p, in + n, NULL, n)), "sum of %lld vectors",
          (long long)n);
    free(in);
  }
}

static double left_to_right(TwPrecision p, const double *a, int64_t n, int64_t step) {
  double sum = n ? a[0] : 0;
  for (int64_t k = 1; k < n; k++)
    sum = p == TW_F32 ? (double)(float)((float)sum + (float)a[k * step]) : sum + a[k * step];
  return p == TW_F32 ? (double)(float)sum : sum;
}

static void check_sum(TwModule *m, TwPrecision p) {
  for (int s = 0; s < SIZES; s++) { /* a matrix of n x 3: down the columns, and all */
    int64_t n = sizes[s];
    TwFn *f = tw_fn_new(m, "f");
    TwRef a = tw_param(f, real_of(m, 2, n, 3, 0));
    tw_result(f, tw_sum(f, a, (int64_t[]){0}, 1));
    tw_result(f, tw_sum_all(f, a));
    double *in = random_reals(3 * (size_t)n, 7), *column = random_reals((size_t)n, 0), out[4];
    evaluate(tw_fn_seal(f), p, in, out);
    for (int c = 0; c < 3; c++) {
      for (int64_t k = 0; k < n; k++) column[k] = in[3 * k + c];
      double want = n <= 16 ? left_to_right(p, column, n, 1) : defined_sum(p, column, NULL, n);
      CHECK(same_value(out[c], want), "sum of column %d of %lld: %a, not %a", c, (long long)n, out[c], want);
    }
    double want = 3 * n <= 16 ? left_to_right(p, in, 3 * n, 1) : defined_sum(p, in, NULL, 3 * n);
    CHECK(same_value(out[3], want), "sum of all %lld", (long long)(3 * n));
    free(in);
    free(column);
  }
}

static void check_dot(TwModule *m, TwPrecision p) {
  enum { N = 1000 };
  TwFn *f = tw_fn_new(m, "f");
  TwRef a = tw_param(f, real_of(m, 2, 2, N, 0)), b = tw_param(f, real_of(m, 1, N, 0, 0));
  tw_result(f, tw_dot(f, a, b, (int64_t[]){1}, (int64_t[]){0}, 1));
  double *in = random_reals(3 * N, 9), out[2];
  evaluate(tw_fn_seal(f), p, in, out);
  for (int r = 0; r < 2; r++) {
    double acc = 0;
    for (int k = 0; k < N; k++) {
      double x = in[r * N + k], y = in[2 * N + k];
      acc = p == TW_F32 ? (double)fmaf((float)x, (float)y, (float)acc) : fma(x, y, acc);
    }
    CHECK(same_value(out[r], acc), "row %d of a product", r);
  }
  free(in);
}

/* ---- scans */

/* carry = carry * 3 + i, modulo 2^64, and the stacked carry; both directions. */
static void check_scan(TwModule *m, int64_t n, bool reverse) {
  TwTy whole = tw_ty_scalar(m, TW_INT);
  TwFn *b = tw_fn_new(m, "body");
  TwRef i = tw_param(b, whole), c = tw_param(b, whole);
  TwRef next = tw_binary(b, TW_OP_add, tw_binary(b, TW_OP_mul, c, tw_int(b, 3)), i);
  tw_result(b, next);
  tw_result(b, next);
  TwFn *f = tw_fn_new(m, "f");
  TwRef start = tw_param(f, whole);
  TwRegion g = {.body = tw_fn_seal(b), .trip = n, .reverse = reverse, .n_carry = 1, .n_ys = 1};
  TwRef t = tw_emit_region(f, TW_OP_scan, &g, &start, 1);
  tw_result(f, tw_get(f, t, 0));
  tw_result(f, tw_get(f, t, 1));
  tw_fn_seal(f);
  int64_t x = 1, last, *ys = calloc((size_t)n + 1, sizeof *ys);
  uint64_t want = 1;
  if (!tw_interpret(f, TW_F64, (const void *[]){&x}, (void *[]){&last, ys})) abort();
  bool good = true;
  for (int64_t it = 0; it < n; it++) {
    int64_t at = reverse ? n - 1 - it : it;
    want = want * 3 + (uint64_t)at;
    good &= ys[at] == (int64_t)want;
  }
  CHECK(good && last == (int64_t)want, "a scan of %lld", (long long)n);
  free(ys);
}

/* A histogram: 20,000 additions into a million bins take forever unless they are made in place. */
static void check_in_place(TwModule *m) {
  enum { BINS = 1000000, TRIP = 20000 };
  TwTy bins = real_of(m, 1, BINS, 0, 0);
  TwFn *b = tw_fn_new(m, "body");
  TwRef i = tw_param(b, tw_ty_scalar(m, TW_INT)), acc = tw_param(b, bins);
  TwRef at = tw_binary(b, TW_OP_mod, tw_binary(b, TW_OP_mul, i, tw_int(b, 7)), tw_int(b, 1000));
  TwRef before = tw_index(b, acc, at), once = tw_add_at(b, acc, at, tw_real(b, 1));
  tw_result(b, tw_add_at(b, once, tw_int(b, BINS - 1), before));
  TwFn *f = tw_fn_new(m, "f");
  TwRef start = tw_param(f, bins);
  TwRegion g = {.body = tw_fn_seal(b), .trip = TRIP, .n_carry = 1};
  tw_result(f, tw_get(f, tw_emit_region(f, TW_OP_scan, &g, &start, 1), 0));
  tw_fn_seal(f);
  double *in = calloc(BINS, sizeof *in), *out = calloc(BINS, sizeof *out), last = 0;
  if (!tw_interpret(f, TW_F64, (const void *[]){in}, (void *[]){out})) abort();
  bool good = true;
  for (int k = 0; k < 1000; k++) good &= out[k] == TRIP / 1000;
  for (int k = 0; k < TRIP / 1000; k++) last += 1000 * k;
  CHECK(good && out[1000] == 0 && out[BINS - 1] == last && in[0] == 0, "a histogram: the last bin is %g, not %g",
        out[BINS - 1], last);
  free(in);
  free(out);
}

/* Carries that trade places, one of them kept in ys too: no value may be overwritten early. */
static void check_exchange(TwModule *m) {
  const TwFn *f = parse_or_die(
      m,
      "fn b(%1: int, %2: real[2], %3: real[2], %4: real) -> (real[2], real[2], real[2], real[2]) {"
      " %5 = add_at %2, %1, %4 : real[2] return %3, %5, %2, %5 }"
      "fn f(%1: real[2], %2: real[2], %3: real[2]) -> (real[2], real[2], real[2, 2], real[2, 2]) {"
      " %4 = scan @b (; %1, %2; %3) trip 2 : tuple"
      " %5 = get %4 [0] : real[2] %6 = get %4 [1] : real[2] %7 = get %4 [2] : real[2, 2] %8 = get %4 [3] : real[2, 2]"
      " return %5, %6, %7, %8 }");
  double in[] = {1, 2, 3, 4, 10, 20}, out[12];
  static const double want[] = {11, 2, 3, 24, 1, 2, 3, 4, 11, 2, 3, 24};
  evaluate(f, TW_F64, in, out);
  for (int k = 0; k < 12; k++) CHECK(out[k] == want[k], "exchange, element %d: %g, not %g", k, out[k], want[k]);
}

int main(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  for (int p = TW_F32; p <= TW_F64; p++) {
    check_samples(m, (TwPrecision)p);
    check_sum(m, (TwPrecision)p);
    check_dot(m, (TwPrecision)p);
  }
  check_scan(m, 5, false);
  check_scan(m, 5, true);
  check_scan(m, 1000000, true);
  check_in_place(m);
  check_exchange(m);
  tw_arena_free(&arena);
  return failures != 0;
}
