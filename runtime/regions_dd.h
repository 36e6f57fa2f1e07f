/* regions_dd.h: double-double numbers with a rigorous error bound.
 *
 * A TwDd stands for some real within err of hi + lo; hi is hi + lo rounded. err is summed from the low
 * parts that were really rounded, so that it is 0, and the number exact, wherever f64 arithmetic
 * happened to be exact. That is what tells a true zero from a value too small to be told from zero.
 *
 * Underflow. Let a number be tiny if it is not 0 and below TW_DD_TINY. tw_dd_guard gives each number
 * with a tiny part, and each inexact one, at least the error TW_DD_FLOOR. What multiplies it is a
 * coefficient between TW_DD_LEAST and TW_DD_MOST, so neither a product of exact numbers nor an error
 * times a coefficient underflows, and what underflows elsewhere is far below TW_DD_FLOOR.
 *
 * Bounds are computed in f64 as well: TW_DD_SLACK covers their own rounding. Overflow gives a NaN in hi
 * (from two_sum), which no comparison takes for a number of known sign. */
#ifndef TW_RUNTIME_REGIONS_DD_H
#define TW_RUNTIME_REGIONS_DD_H

#include <math.h>
#include <stdbool.h>

#define TW_DD_TINY 0x1p-600
#define TW_DD_FLOOR 0x1p-700
#define TW_DD_LEAST 0x1p-200
#define TW_DD_MOST 0x1p200
#define TW_DD_UNIT 0x1p-53
#define TW_DD_SLACK (1 + 0x1p-20)

typedef struct TwDd {
  double hi, lo, err;
} TwDd;

static inline TwDd tw_dd_two_sum(double a, double b) {
  double s = a + b, bb = s - a;
  return (TwDd){s, (a - (s - bb)) + (b - bb), 0};
}

static inline bool tw_dd_is_tiny(double x) { return x != 0 && fabs(x) < TW_DD_TINY; }

static inline TwDd tw_dd_guard(TwDd a) {
  if (a.err > 0 || tw_dd_is_tiny(a.hi) || tw_dd_is_tiny(a.lo)) a.err += TW_DD_FLOOR;
  return a;
}

static inline TwDd tw_dd_add(TwDd a, TwDd b) {
  TwDd s = tw_dd_two_sum(a.hi, b.hi);
  double w = a.lo + b.lo, v = s.lo + w;
  TwDd r = tw_dd_two_sum(s.hi, v);
  r.err = (a.err + b.err + TW_DD_UNIT * (fabs(w) + fabs(v))) * TW_DD_SLACK;
  return tw_dd_guard(r);
}

static inline TwDd tw_dd_sub(TwDd a, TwDd b) { return tw_dd_add(a, (TwDd){-b.hi, -b.lo, b.err}); }

/* c is 0 or between TW_DD_LEAST and TW_DD_MOST. */
static inline TwDd tw_dd_scale(double c, TwDd a) {
  double p = c * a.hi, e = fma(c, a.lo, fma(c, a.hi, -p));
  TwDd r = tw_dd_two_sum(p, e);
  r.err = (fabs(c) * a.err + TW_DD_UNIT * fabs(e)) * TW_DD_SLACK;
  return tw_dd_guard(r);
}

/* The floor on the error of products and quotients is not exact about underflow: these two are for
 * numbers of ordinary size, and for results in which that much absolute error does not matter. */
static inline TwDd tw_dd_mul(TwDd a, TwDd b) {
  double p = a.hi * b.hi, e = fma(a.lo, b.hi, fma(a.hi, b.lo, fma(a.hi, b.hi, -p)));
  TwDd r = tw_dd_two_sum(p, e);
  r.err = (fabs(a.hi) * b.err + fabs(b.hi) * a.err + a.err * b.err + 0x1p-103 * fabs(p)) * (1 + 0x1p-10);
  r.err += TW_DD_FLOOR;
  return r;
}

static inline TwDd tw_dd_div(TwDd a, TwDd b) {
  double q1 = a.hi / b.hi, p = q1 * b.hi;
  double rest = (((a.hi - p) - fma(q1, b.hi, -p)) + a.lo) - q1 * b.lo;
  TwDd r = tw_dd_two_sum(q1, rest / b.hi);
  double least = fabs(b.hi) * (1 - 0x1p-50) - b.err;
  if (!(least > 0.5 * fabs(b.hi))) return (TwDd){r.hi, r.lo, INFINITY};
  r.err = (a.err + fabs(r.hi) * b.err) / least * (1 + 0x1p-10) + 0x1p-101 * fabs(r.hi) + TW_DD_FLOOR;
  return r;
}

/* Whether the real that a stands for surely rounds to a.hi. */
static inline bool tw_dd_rounds(TwDd a) {
  if (a.err == 0) return true;
  double e = 2 * a.err;
  return a.hi + (a.lo + e) == a.hi && a.hi + (a.lo - e) == a.hi && fabs(a.hi) > 0x1p-500;
}

#endif
