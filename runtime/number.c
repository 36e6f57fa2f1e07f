/* number.c: see number.h.
 *
 * v · 10^k is exact as a sum of two doubles for 0 <= k <= 22, because 10^k is a double then. Its nearest integer d,
 * of n digits, is good if it lies nearer than half the gap to v's neighbours, which is compared with a margin;
 * so the digits are tried from few to many, and what is out of reach goes to printf and back (in whatever locale:
 * only the digits are looked at). */
#include "runtime/number.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static size_t write_text(char *out, const char *text) {
  size_t n = strlen(text);
  memcpy(out, text, n);
  return n;
}

/* The digits of d at the end of buf[24]; where they begin. Two at a time. */
static const char *digits_of(uint64_t d, char *buf) {
  static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                              "495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
  char *at = buf + 24;
  for (; d >= 100; d /= 100) memcpy(at -= 2, pairs + 2 * (d % 100), 2);
  if (d >= 10) memcpy(at -= 2, pairs + 2 * d, 2);
  else *--at = (char)('0' + d);
  return at;
}

/* d · 10^-k, d > 0, without zeros at its end: plain where that is short, else with an exponent. */
static size_t write_digits(char *out, uint64_t d, int k) {
  char buf[24], *at = out;
  const char *digit = digits_of(d, buf), *end = buf + 24;
  int first = (int)(end - digit) - 1 - k; /* the power of ten of the first digit */
  while (end > digit + 1 && end[-1] == '0') end--;
  size_t n = (size_t)(end - digit);
  if (first < -5 || first > 16) {
    *at++ = *digit;
    if (n > 1) *at++ = '.';
    memcpy(at, digit + 1, n - 1);
    at += n - 1;
    return (size_t)(at - out) + (size_t)sprintf(at, "e%d", first);
  }
  if (first < 0) {
    memcpy(at, "0.00000", 7);
    at += 1 - first;
    memcpy(at, digit, n);
    return (size_t)(at - out) + n;
  }
  size_t whole = (size_t)first + 1;
  if (n <= whole) {
    memcpy(at, digit, n);
    memset(at + n, '0', whole - n);
    return whole;
  }
  memcpy(at, digit, whole);
  at[whole] = '.';
  memcpy(at + whole + 1, digit + whole, n - whole);
  return n + 1;
}

/* Half the distance to the nearer neighbour of v > 0. */
static double half_gap(double v, bool f64) {
  if (f64) {
    uint64_t bits;
    double below;
    memcpy(&bits, &v, sizeof bits);
    bits--;
    memcpy(&below, &bits, sizeof below);
    return 0.5 * (v - below);
  }
  uint32_t bits;
  float near = (float)v, below;
  memcpy(&bits, &near, sizeof bits);
  bits--;
  memcpy(&below, &bits, sizeof below);
  return 0.5 * ((double)near - (double)below);
}

static size_t write_slowly(char *out, double v, bool f64) {
  char text[40];
  for (int n = 1; n <= 17; n++) { /* a subnormal may need one digit only */
    snprintf(text, sizeof text, "%.*e", n - 1, v);
    double back = strtod(text, NULL);
    if (f64 ? back == v : strtof(text, NULL) == (float)v) break;
  }
  uint64_t d = 0;
  char *p = text;
  int k = 0;
  bool point = false;
  for (; *p && *p != 'e'; p++) {
    if (*p < '0' || *p > '9') point = true;
    else d = d * 10 + (uint64_t)(*p - '0'), k += point;
  }
  return write_digits(out, d, k - atoi(p + 1));
}

/* *d: v · 10^k to the nearest integer, 1 <= k <= 20. Does it read back as v? */
static bool digits_are_enough(double v, int k, bool f64, double gap, uint64_t *d) {
  double t = tens[k], hi = v * t, lo = !f64 && k <= 12 ? 0 : fma(v, t, -hi); /* 24 bits times 28 are exact */
  uint64_t whole = (uint64_t)hi;
  double rest = (hi - (double)whole) + lo; /* exact, and small */
  int64_t up = (int64_t)(rest + 16.5) - 16; /* rounds to nearest: rest is within 16, for 17 digits may be below 0 */
  *d = whole + (uint64_t)up;
  return fabs(rest - (double)up) < gap * t;
}

size_t tw_rt_number(char *out, double v, bool f64) {
  if (isnan(v)) return write_text(out, "nan");
  char *at = out;
  if (signbit(v)) *at++ = '-', v = -v;
  if (v == 0) *at++ = '0';
  else if (isinf(v)) at += write_text(at, "inf");
  if (at > out && (v == 0 || isinf(v))) return (size_t)(at - out);
  if (v < 1e-4 || v >= 1e5) return (size_t)(at - out) + write_slowly(at, v, f64);
  static const double powers[] = {1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4};
  int e10 = -4, least = f64 ? 15 : 6, most = f64 ? 17 : 9; /* the power of ten of its first digit */
  while (e10 < 4 && v >= powers[e10 + 4]) e10++;
  /* Most numbers need the last or the last but one; where that is enough, fewer may be. */
  double gap = half_gap(v, f64) * (1 - 0x1p-40);
  uint64_t d, good = 0;
  int good_k = 0;
  for (int n = most - 1; n >= least && digits_are_enough(v, n - 1 - e10, f64, gap, &d); n--) good = d, good_k = n - 1 - e10;
  if (!good && digits_are_enough(v, most - 1 - e10, f64, gap, &d)) good = d, good_k = most - 1 - e10;
  if (good) return (size_t)(at - out) + write_digits(at, good, good_k);
  return (size_t)(at - out) + write_slowly(at, v, f64);
}
