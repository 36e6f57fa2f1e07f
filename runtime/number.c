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

/* d · 10^-k, d without zeros at its end unless it is one digit: plain where that is short, else with an exponent. */
static size_t write_digits(char *out, uint64_t d, int k) {
  char digits[24], *at = out;
  int n = 0, first;
  while (d % 10 == 0 && d > 9) d /= 10, k--;
  for (; d; d /= 10) digits[n++] = (char)('0' + d % 10);
  first = n - 1 - k; /* the power of ten of the first digit */
  if (first < -5 || first > 16) {
    *at++ = digits[--n];
    if (n) *at++ = '.';
    while (n) *at++ = digits[--n];
    return (size_t)(at - out) + (size_t)sprintf(at, "e%d", first);
  }
  if (first < 0) {
    *at++ = '0';
    *at++ = '.';
    for (int z = -1; z > first; z--) *at++ = '0';
  }
  for (; n; first--) {
    *at++ = digits[--n];
    if (first == 0 && n) *at++ = '.';
  }
  for (; first >= 0; first--) *at++ = '0';
  return (size_t)(at - out);
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
  double gap = half_gap(v, f64) * (1 - 0x1p-40);
  for (int n = least; n <= most; n++) {
    int k = n - 1 - e10; /* 1 … 20 */
    double t = tens[k], hi = v * t, lo = !f64 && k <= 12 ? 0 : fma(v, t, -hi); /* 24 bits times 28 are exact */
    double whole = floor(hi), rest = (hi - whole) + lo; /* exact: rest is less than 2 */
    double up = floor(rest + 0.5);
    if (fabs(rest - up) < gap * t) return (size_t)(at - out) + write_digits(at, (uint64_t)whole + (uint64_t)(int64_t)up, k);
  }
  return (size_t)(at - out) + write_slowly(at, v, f64);
}
