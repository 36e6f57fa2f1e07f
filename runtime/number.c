/* number.c: see number.h.
 *
 * v · 10^k, with k such that as many digits as are ever needed stand before the point (9, or 17), is computed in a type
 * with more bits than v has; its error is far below one in the last of these digits. So is the distance to half way
 * between v and its neighbours. The nearest multiple of 10, 100, … is tried as long as it is surely nearer than that;
 * multiples of 100 are multiples of 10, so the first that is not ends it. Where the error leaves it open, printf and
 * back decides (in whatever locale: only the digits are looked at). */
#include "runtime/number.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t write_text(char *out, const char *text) {
  size_t n = strlen(text);
  memcpy(out, text, n);
  return n;
}

/* The digits of d at the end of buf[24]; where they begin. Two at a time. */
static const char *digits_of(uint64_t d, char *buf) {
  static const char pairs[] =
      "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
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

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits are stored as they lie in a register");

/* Eight digits, the first in the lowest byte: halves, then quarters, then single ones, side by side in one word. */
static uint64_t eight_digits(uint32_t v) {
  uint64_t halves = v / 10000 | (uint64_t)(v % 10000) << 32;
  uint64_t hundreds = (halves * 10486 >> 20) & 0x7f0000007f, quarters = hundreds | (halves - 100 * hundreds) << 16;
  uint64_t tens = (quarters * 103 >> 10) & 0x000f000f000f000f;
  return (tens | (quarters - 10 * tens) << 8) + 0x3030303030303030;
}

/* d of `width` digits (9 or 17), the last `zeros` of which are not needed, the first of which counts 10^first. */
static size_t write_known(char *out, uint64_t d, int width, int zeros, int first) {
  if (first < -5 || first > 8) {
    for (int k = 0; k < zeros; k++) d /= 10;
    return write_digits(out, d, width - 1 - zeros - first);
  }
  uint64_t top = d / 100000000, low = eight_digits((uint32_t)(d % 100000000));
  size_t n = (size_t)(width - zeros), whole = (size_t)(first + 1);
  char *at = out;
  if (first < 0) memcpy(out, "0.000000", 8), at += 1 - first;
  /* Each is stored from a register, and nothing is read back; what is not needed is overwritten, or beyond the end. */
  unsigned __int128 rest = low;
  if (width == 17) rest = rest << 64 | eight_digits((uint32_t)(top % 100000000)), top /= 100000000;
  *at = (char)('0' + top);
  memcpy(at + 1, &rest, 16);
  if (first < 0) return (size_t)(1 - first) + n;
  if (n <= whole) return whole;
  out[whole] = '.';
  rest >>= 8 * (whole - 1);
  memcpy(out + whole + 1, &rest, 16);
  return n + 1;
}

/* A number of as many digits as are ever needed before its point, and what lies near it: what is nearer than `least`
 * reads back as the same real, what is as far as `most` does not. */
typedef struct Scaled {
  int64_t whole;
  double rest; /* of f64 within 16 of 0; of f32 all of it, with whole = 0 */
  double least, most;
} Scaled;

/* The multiple of step nearest to it. *way: how far it is. */
static inline int64_t multiple(const Scaled *s, int64_t step, double *way) {
  const double magic = 0x1.8p52;
  double rest = (double)(s->whole % step) + s->rest, n = rest * (1 / (double)step) + magic - magic;
  *way = fabs(n * (double)step - rest);
  return s->whole - s->whole % step + (int64_t)n * step;
}

static const int64_t LARGEST_STEP = 100000000000000000; /* numbers are below it */

/* Digits that are enough, with zeros for those that are not needed, and how many these are. false: it cannot be told.
 * Most numbers need all digits, or one or two less: which of these is as good as drawn, so it is selected, not jumped
 * to. */
static inline bool shortest(const Scaled *s, uint64_t *digits, int *zeros) {
  double way, way10, way100;
  int64_t all = multiple(s, 1, &way), c10 = multiple(s, 10, &way10), c100 = multiple(s, 100, &way100);
  bool less = way10 < s->least, still_less = less & (c100 > 0) & (way100 < s->least);
  if (((way10 >= s->least) & (way10 < s->most)) | ((way100 >= s->least) & (way100 < s->most))) return false;
  int64_t best = less ? c10 : all;
  best = still_less ? c100 : best;
  *zeros = less + still_less;
  int64_t c = still_less ? multiple(s, 1000, &way) : 0;
  for (int64_t step = 10000; c > 0 && way < s->most && step <= LARGEST_STEP; step *= 10) {
    if (way >= s->least) return false;
    best = c;
    ++*zeros;
    c = multiple(s, step, &way);
  }
  *digits = (uint64_t)best;
  return true;
}

/* The distances from v > 0 to its neighbours; the one below is nearer where v is a power of two. */
#define GAPS(name, T, U, mantissa)                                                                                     \
  static void name(T v, double *down, double *up) {                                                                    \
    U bits, lower;                                                                                                     \
    T below;                                                                                                           \
    memcpy(&bits, &v, sizeof bits);                                                                                    \
    lower = bits - 1;                                                                                                  \
    memcpy(&below, &lower, sizeof below);                                                                              \
    *down = (double)v - (double)below;                                                                                 \
    bool power = (bits & (((U)1 << (mantissa)) - 1)) == 0 && bits >> (mantissa) > 1;                                   \
    *up = power ? 2 * *down : *down;                                                                                   \
  }
GAPS(gaps_f32, float, uint32_t, 23)
GAPS(gaps_f64, double, uint64_t, 52)

/* The power of ten of v's first digit, or one less. */
static int about_log10(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  return ((int)(bits >> 52) - 1023) * 1233 >> 12;
}

/* In doubles: v has 24 bits. */
static bool try_f32(double v, uint64_t *d, int *zeros, int *e10) {
  enum { LOWEST = -31 };
  static const double tens[] = {
      1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17,
      1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9,  1e-8,  1e-7,  1e-6,  1e-5,  1e-4,  1e-3,  1e-2,
      1e-1,  1e0,   1e1,   1e2,   1e3,   1e4,   1e5,   1e6,   1e7,   1e8,   1e9,   1e10,  1e11,  1e12,  1e13,
      1e14,  1e15,  1e16,  1e17,  1e18,  1e19,  1e20,  1e21,  1e22,  1e23,  1e24,  1e25,  1e26,  1e27,  1e28,
      1e29,  1e30,  1e31,  1e32,  1e33,  1e34,  1e35,  1e36,  1e37,  1e38,  1e39,  1e40,  1e41,  1e42,  1e43,
      1e44,  1e45,  1e46,  1e47,  1e48,  1e49,  1e50,  1e51,  1e52,  1e53,  1e54};
  double down, up;
  int e = 8 - about_log10(v);
  e -= v * tens[e - LOWEST] >= 1e9;
  double t = tens[e - LOWEST];
  gaps_f32((float)v, &down, &up);
  *e10 = 8 - e;
  double x = v * t; /* off by 2^-52 of itself: less than 10^-6 */
  Scaled s = {0, x, down * t * 0.5 - 1e-5, up * t * 0.5 + 1e-5};
  return shortest(&s, d, zeros) && *d < 1000000000;
}

/* 10^-6 <= v < 10^17: v times a power of ten that is a double is a sum of two exactly, the first of which is whole. */
static bool exactly_f64(double v, int e, double down, double up, uint64_t *d, int *zeros) {
  static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  double t = tens[e], hi = v * t, lo = fma(v, t, -hi);
  Scaled s = {(int64_t)hi, lo, down * t * (0.5 - 0x1p-41), up * t * (0.5 + 0x1p-41)};
  return shortest(&s, d, zeros) && *d < 100000000000000000;
}

#if LDBL_MANT_DIG >= 64
/* 10^k, off by 2^-63 of itself at most. */
static long double ten_to(int k) {
  static const long double ones[] = {1e0L, 1e1L, 1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,
                                     1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L};
  static const long double sixteens[] = {1e0L,   1e16L,  1e32L,  1e48L,  1e64L,  1e80L,  1e96L,  1e112L,
                                         1e128L, 1e144L, 1e160L, 1e176L, 1e192L, 1e208L, 1e224L, 1e240L,
                                         1e256L, 1e272L, 1e288L, 1e304L, 1e320L, 1e336L, 1e352L};
  return k < 16 ? ones[k] : sixteens[k >> 4] * ones[k & 15];
}

static bool by_long_double(double v, int e, double down, double up, uint64_t *d, int *zeros, int *e10) {
  long double t = ten_to(e < 0 ? -e : e), x = e < 0 ? v / t : v * t;
  if (x >= 1e17L) {
    e--;
    t = ten_to(e < 0 ? -e : e);
    x = e < 0 ? v / t : v * t;
  }
  *e10 = 16 - e;
  if (e < 0) t = 1 / t;
  int64_t whole = (int64_t)x;
  /* 10^17 times two roundings, and what the gaps are off by. */
  Scaled s = {whole, (double)(x - (long double)whole), (double)(down * t * 0.5L) - 0.04,
              (double)(up * t * 0.5L) + 0.04};
  return shortest(&s, d, zeros) && *d < 100000000000000000;
}
#else
static bool by_long_double(double v, int e, double down, double up, uint64_t *d, int *zeros, int *e10) {
  return (void)v, (void)e, (void)down, (void)up, (void)d, (void)zeros, (void)e10, false;
}
#endif

static bool try_f64(double v, uint64_t *d, int *zeros, int *e10) {
  if (v < DBL_MIN) return false;
  double down, up;
  int e = 16 - about_log10(v);
  gaps_f64(v, &down, &up);
  if (!(v >= 1e-6 && v < 1e16)) return by_long_double(v, e, down, up, d, zeros, e10);
  static const double powers[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0,  1e1,  1e2,  1e3,  1e4, 1e5,
                                  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};
  e -= v >= powers[16 - e + 1 + 6]; /* exact where the power is; below 1 the digits may be ten times too many by one */
  *e10 = 16 - e;
  return e >= 0 && e <= 22 && exactly_f64(v, e, down, up, d, zeros);
}

size_t tw_rt_number(char *out, double v, bool f64) {
  if (isnan(v)) return write_text(out, "nan");
  char *at = out;
  if (signbit(v)) *at++ = '-', v = -v;
  if (v == 0) *at++ = '0';
  else if (isinf(v)) at += write_text(at, "inf");
  if (at > out && (v == 0 || isinf(v))) return (size_t)(at - out);
  uint64_t d;
  int zeros, first;
  bool known = f64 ? try_f64(v, &d, &zeros, &first) : try_f32(v, &d, &zeros, &first);
  return (size_t)(at - out) + (known ? write_known(at, d, f64 ? 17 : 9, zeros, first) : write_slowly(at, v, f64));
}

const char *tw_rt_number_json(char *out, double v, bool f64) {
  size_t n = isfinite(v) ? tw_rt_number(out, v, f64) : write_text(out, "null");
  out[n] = 0;
  return out;
}
