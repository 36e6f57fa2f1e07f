/* normal.c: least squares by the normal equations. See normal.h for the order of every sum. */
#include "runtime/normal.h"

#include <math.h>
#include <string.h>

#include "runtime/cpu.h"

static const double STRAIGHT = 1e-13; /* of a column's largest element: how far rounding takes a row off a line */
enum { PANEL = 32 }; /* rows of the factor that are taken off at once, while the row they are taken off is near */

typedef struct Eight {
  double at[8];
} Eight;

static inline Eight eight_of(double x) { return (Eight){{x, x, x, x, x, x, x, x}}; }
static inline Eight eight_load(const double *p) {
  Eight v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void eight_store(double *p, Eight v) { memcpy(p, &v, sizeof v); }
static inline Eight eight_fma(Eight a, Eight b, Eight c) {
  for (int k = 0; k < 8; k++) c.at[k] = fma(a.at[k], b.at[k], c.at[k]);
  return c;
}

static inline double eight_fold(Eight v) {
  for (int n = 4; n > 0; n /= 2)
    for (int k = 0; k < n; k++) v.at[k] += v.at[k + n];
  return v.at[0];
}

#define V Eight
#define FN(name) name##_any
#define TARGET
#define TILE 2
#define ZERO eight_of(0)
#define SET(x) eight_of(x)
#define LOAD(p) eight_load(p)
#define STORE(p, v) eight_store(p, v)
#define FMA(a, b, c) eight_fma(a, b, c)
#define FOLD(v) eight_fold(v)
#include "runtime/normal_lanes.inc"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

typedef struct Halves {
  __m256d lo, hi;
} Halves;
#define AVX2 __attribute__((target("avx2,fma")))
AVX2 static inline Halves halves_of(double x) { return (Halves){_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
AVX2 static inline Halves halves_load(const double *p) { return (Halves){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
AVX2 static inline void halves_store(double *p, Halves v) {
  _mm256_storeu_pd(p, v.lo);
  _mm256_storeu_pd(p + 4, v.hi);
}
AVX2 static inline Halves halves_fma(Halves a, Halves b, Halves c) {
  return (Halves){_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}
AVX2 static inline double quarter_fold(__m256d v) {
  __m128d p = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(p, _mm_unpackhi_pd(p, p)));
}
AVX2 static inline double halves_fold(Halves v) { return quarter_fold(_mm256_add_pd(v.lo, v.hi)); }
#define V Halves
#define FN(name) name##_avx2
#define TARGET AVX2
#define TILE 2
#define ZERO halves_of(0)
#define SET(x) halves_of(x)
#define LOAD(p) halves_load(p)
#define STORE(p, v) halves_store(p, v)
#define FMA(a, b, c) halves_fma(a, b, c)
#define FOLD(v) halves_fold(v)
#include "runtime/normal_lanes.inc"

__attribute__((target("avx512f,avx2,fma"))) static inline double wide_fold(__m512d v) {
  return quarter_fold(_mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1)));
}
#define V __m512d
#define FN(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define TILE 4
#define ZERO _mm512_setzero_pd()
#define SET(x) _mm512_set1_pd(x)
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define FOLD(v) wide_fold(v)
#include "runtime/normal_lanes.inc"
#endif

typedef struct Kernels {
  void (*gram)(const double *j, uint64_t rows, uint64_t n, double *gram);
  void (*rhs)(const double *j, const double *r, uint64_t rows, uint64_t n, double *rhs);
  void (*reduce)(double *row, const double *a, uint64_t stride, uint64_t first, uint64_t last, uint64_t column,
                 uint64_t to);
  void (*solve)(const double *l, uint64_t n, uint64_t stride, double *x);
  void (*mark)(const double *c, uint64_t step, uint64_t rows, const double *before, const double *after, double *bad);
} Kernels;

static Kernels kernels(int most) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (most >= 512 && tw_rt_cpu_can(TW_RT_CPU_512))
    return (Kernels){gram_avx512, rhs_avx512, reduce_avx512, solve_avx512, mark_avx512};
  if (most >= 256 && tw_rt_cpu_can(TW_RT_CPU_256))
    return (Kernels){gram_avx2, rhs_avx2, reduce_avx2, solve_avx2, mark_avx2};
#endif
  (void)most;
  return (Kernels){gram_any, rhs_any, reduce_any, solve_any, mark_any};
}

void tw_nm_accumulate(const TwNmWidth *w, const double *j, const double *r, uint64_t rows, uint64_t n, double *gram,
                      double *rhs) {
  Kernels k = kernels(w ? w->bits : 512);
  k.gram(j, rows, n, gram);
  k.rhs(j, r, rows, n, rhs);
}

/* The factor is made as Lᵀ in the upper triangle, where its rows are contiguous. */
bool tw_nm_factor(const TwNmWidth *w, double *a, uint64_t n) {
  Kernels kern = kernels(w ? w->bits : 512);
  uint64_t stride = tw_nm_stride(n);
  for (uint64_t i = 0; i < n; i++)
    for (uint64_t k = i + 1; k < n; k++) a[i * stride + k] = a[k * stride + i];
  for (uint64_t from = 0; from < n; from += PANEL) {
    uint64_t to = n - from < PANEL ? n : from + PANEL;
    for (uint64_t k = from; k < to; k++) {
      double *row = a + k * stride;
      kern.reduce(row, a, stride, from, k, k, n);
      if (!(row[k] > 0) || !isfinite(row[k])) return false;
      double d = sqrt(row[k]);
      for (uint64_t i = k; i < n; i++) row[i] /= d;
      row[k] = d;
    }
    for (uint64_t i = to; i < n; i++) kern.reduce(a + i * stride, a, stride, from, to, i, n);
  }
  return true;
}

void tw_nm_solve(const TwNmWidth *w, const double *l, uint64_t n, double *x) {
  kernels(w ? w->bits : 512).solve(l, n, tw_nm_stride(n), x);
}

/* ---- rows on a line */

/* Rows first … last, of which every column is a + b (t - middle): two rows do for them, √rows a and spread b. t goes
 * one way from the first to the last, so the slope of a column through these two is as good as any: turn is at most
 * half of √rows. */
typedef struct Run {
  uint32_t first, last;
  double middle, root, spread; /* the mean of t; √rows; √Σ(t - middle)² */
  double share, turn; /* of the way from the first row to the last, where the middle is; spread over that way */
} Run;

/* Returns how many runs there are, and the rows they come to. */
static uint64_t runs_of(const double *bad, uint64_t valid, Run *runs, uint64_t *left) {
  uint64_t n = 0;
  *left = 0;
  for (uint64_t first = 0, last; first < valid; first = last + 1) {
    for (last = first; last + 1 < valid && (last == first || bad[last] == 0);) last++;
    if (runs) runs[n].first = (uint32_t)first;
    if (runs) runs[n].last = (uint32_t)last;
    n++;
    *left += last > first ? 2 : 1;
  }
  return n;
}

static void measure(Run *run, const double *t) {
  double m = (double)(run->last - run->first + 1), sum = 0, squares = 0;
  for (uint64_t i = run->first; i <= run->last; i++) sum += t[i];
  run->middle = sum / m;
  for (uint64_t i = run->first; i <= run->last; i++) squares = fma(t[i] - run->middle, t[i] - run->middle, squares);
  run->root = sqrt(m);
  run->spread = sqrt(squares);
  double way = t[run->last] - t[run->first];
  run->share = (run->middle - t[run->first]) / way;
  run->turn = run->spread / way;
}

static void squeeze_column(const double *from, double *to, const Run *runs, uint64_t n, uint64_t rows) {
  uint64_t at = 0;
  for (uint64_t k = 0; k < n; k++) {
    const Run *run = &runs[k];
    double a = from[run->first], b = from[run->last];
    if (run->last - run->first > 1) {
      to[at++] = run->root * (a + run->share * (b - a));
      to[at++] = run->turn * (b - a);
    } else {
      to[at++] = a;
      if (run->last > run->first) to[at++] = b;
    }
  }
  while (at < rows) to[at++] = 0;
}

/* What the rows are multiplied with and summed: such that the sums stay. */
static void squeeze_sums(double *r, const double *t, const Run *runs, uint64_t n, uint64_t rows) {
  uint64_t at = 0;
  for (uint64_t k = 0; k < n; k++) {
    const Run *run = &runs[k];
    double a = r[run->first], b = r[run->last];
    if (run->last - run->first > 1) {
      a = b = 0;
      for (uint64_t i = run->first; i <= run->last; i++) {
        a += r[i];
        b = fma(t[i] - run->middle, r[i], b);
      }
      a /= run->root;
      b /= run->spread;
    }
    r[at++] = a;
    if (run->last > run->first) r[at++] = b;
  }
  while (at < rows) r[at++] = 0;
}

uint64_t tw_nm_squeeze(const TwNmWidth *w, const double *t, double *j, double *r, uint64_t valid, uint64_t rows,
                       uint64_t n, double *scratch) {
  Kernels kern = kernels(w ? w->bits : 512);
  double *bad = scratch, *before = scratch + rows, *after = scratch + 2 * rows;
  Run *runs = (Run *)(void *)(scratch + 3 * rows);
  uint64_t left;
  if (n < 4) return rows;
  memset(bad, 0, rows * sizeof *bad);
  for (uint64_t i = 1; i + 1 < valid; i++) {
    before[i] = (t[i + 1] - t[i]) / (t[i + 1] - t[i - 1]);
    after[i] = (t[i] - t[i - 1]) / (t[i + 1] - t[i - 1]);
    bad[i] = before[i] > 0 && after[i] > 0 ? 0 : 1; /* t turns here, or stands still, or is no number */
  }
  for (uint64_t k = 0; k < n; k += 4) { /* the last four may have been among those before */
    kern.mark(j + (k + 4 <= n ? k : n - 4) * rows, rows, valid, before, after, bad);
    if (k % 16) continue;
    runs_of(bad, valid, NULL, &left);
    if (left > valid / 4 * 3) return rows;
  }
  uint64_t n_runs = runs_of(bad, valid, runs, &left), fewer = tw_nm_stride(left);
  if (fewer >= rows) return rows;
  for (uint64_t k = 0; k < n_runs; k++) measure(&runs[k], t);
  for (uint64_t k = 0; k < n; k++) squeeze_column(j + k * rows, j + k * fewer, runs, n_runs, fewer);
  squeeze_sums(r, t, runs, n_runs, fewer);
  return fewer;
}

double tw_nm_dot(const double *a, const double *b, uint64_t n) {
  double p[8] = {0};
  for (uint64_t i = 0; i < n; i++) p[i % 8] = fma(a[i], b[i], p[i % 8]);
  for (int m = 4; m > 0; m /= 2)
    for (int k = 0; k < m; k++) p[k] += p[k + m];
  return p[0];
}
