/* normal.c: least squares by the normal equations. See normal.h for the order of every sum. */
#include "runtime/normal.h"

#include <math.h>
#include <string.h>

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

#define V Eight
#define FN(name) name##_any
#define TARGET
#define TILE 2
#define ZERO eight_of(0)
#define SET(x) eight_of(x)
#define LOAD(p) eight_load(p)
#define STORE(p, v) eight_store(p, v)
#define FMA(a, b, c) eight_fma(a, b, c)
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
#define V Halves
#define FN(name) name##_avx2
#define TARGET AVX2
#define TILE 2
#define ZERO halves_of(0)
#define SET(x) halves_of(x)
#define LOAD(p) halves_load(p)
#define STORE(p, v) halves_store(p, v)
#define FMA(a, b, c) halves_fma(a, b, c)
#include "runtime/normal_lanes.inc"

#define V __m512d
#define FN(name) name##_avx512
#define TARGET __attribute__((target("avx512f")))
#define TILE 4
#define ZERO _mm512_setzero_pd()
#define SET(x) _mm512_set1_pd(x)
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#include "runtime/normal_lanes.inc"
#endif

typedef struct Kernels {
  void (*gram)(const double *j, uint64_t rows, uint64_t n, double *gram);
  void (*rhs)(const double *j, const double *r, uint64_t rows, uint64_t n, double *rhs);
  void (*reduce)(double *row, const double *other, double x, uint64_t from, uint64_t to);
} Kernels;

static Kernels kernels(int most) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (most >= 512 && __builtin_cpu_supports("avx512f")) return (Kernels){gram_avx512, rhs_avx512, reduce_avx512};
  if (most >= 256 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return (Kernels){gram_avx2, rhs_avx2, reduce_avx2};
#endif
  (void)most;
  return (Kernels){gram_any, rhs_any, reduce_any};
}

void tw_nm_accumulate(const TwNmWidth *w, const double *j, const double *r, uint64_t rows, uint64_t n, double *gram, double *rhs) {
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
      for (uint64_t i = from; i < k; i++) kern.reduce(row, a + i * stride, a[i * stride + k], k, n);
      if (!(row[k] > 0) || !isfinite(row[k])) return false;
      double d = sqrt(row[k]);
      for (uint64_t i = k; i < n; i++) row[i] /= d;
      row[k] = d;
    }
    for (uint64_t i = to; i < n; i++)
      for (uint64_t k = from; k < to; k++) kern.reduce(a + i * stride, a + k * stride, a[k * stride + i], i, n);
  }
  return true;
}

void tw_nm_solve(const double *l, uint64_t n, double *x) {
  uint64_t stride = tw_nm_stride(n);
  for (uint64_t k = 0; k < n; k++) {
    const double *row = l + k * stride;
    x[k] /= row[k];
    for (uint64_t i = k + 1; i < n; i++) x[i] = fma(-row[i], x[k], x[i]);
  }
  for (uint64_t k = n; k-- > 0;) {
    const double *row = l + k * stride;
    double v = x[k];
    for (uint64_t i = k + 1; i < n; i++) v = fma(-row[i], x[i], v);
    x[k] = v / row[k];
  }
}

double tw_nm_dot(const double *a, const double *b, uint64_t n) {
  double p[8] = {0};
  for (uint64_t i = 0; i < n; i++) p[i % 8] = fma(a[i], b[i], p[i % 8]);
  for (int m = 4; m > 0; m /= 2)
    for (int k = 0; k < m; k++) p[k] += p[k + m];
  return p[0];
}
