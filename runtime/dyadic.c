/* dyadic.c: exact numbers z * 2^e. See dyadic.h. */
#include "runtime/dyadic.h"

#include <float.h>
#include <math.h>

void tw_dy_init(TwDy *a) {
  mpz_init(a->z);
  a->e = 0;
}

void tw_dy_clear(TwDy *a) { mpz_clear(a->z); }

void tw_dy_swap(TwDy *a, TwDy *b) {
  mpz_swap(a->z, b->z);
  int64_t e = a->e;
  a->e = b->e;
  b->e = e;
}

void tw_dy_copy(TwDy *a, const TwDy *b) {
  mpz_set(a->z, b->z);
  a->e = b->e;
}

void tw_dy_zero(TwDy *a) {
  mpz_set_si(a->z, 0);
  a->e = 0;
}

/* x = mantissa * 2^exponent with an odd mantissa, which is what keeps numbers like 1 and 1/4 short. */
static int64_t mantissa(double x, int64_t *exponent) {
  if (x == 0) {
    *exponent = 0;
    return 0;
  }
  int e;
  int64_t m = (int64_t)ldexp(frexp(x, &e), DBL_MANT_DIG);
  int zeros = __builtin_ctzll((unsigned long long)m);
  *exponent = (int64_t)e - DBL_MANT_DIG + zeros;
  return m / ((int64_t)1 << zeros);
}

void tw_dy_set(TwDy *a, double x) { mpz_set_si(a->z, mantissa(x, &a->e)); }

void tw_dy_negate(TwDy *a) { mpz_neg(a->z, a->z); }

void tw_dy_strip(TwDy *a) {
  if (mpz_sgn(a->z) == 0) {
    a->e = 0;
    return;
  }
  mp_bitcnt_t zeros = mpz_scan1(a->z, 0);
  mpz_tdiv_q_2exp(a->z, a->z, zeros);
  a->e += (int64_t)zeros;
}

static bool short_enough(const TwDy *a) { return mpz_sizeinbase(a->z, 2) <= TW_DY_BITS; }

bool tw_dy_mul(TwDy *r, const TwDy *a, const TwDy *b) {
  mpz_mul(r->z, a->z, b->z);
  r->e = a->e + b->e;
  return short_enough(r);
}

bool tw_dy_mul_double(TwDy *r, double c, const TwDy *a) {
  int64_t e;
  int64_t m = mantissa(c, &e);
  mpz_mul_si(r->z, a->z, m);
  r->e = a->e + e;
  return short_enough(r);
}

/* Gives a the exponent e, which is at most its own. */
static bool lower(TwDy *a, int64_t e) {
  uint64_t shift = (uint64_t)(a->e - e);
  if (shift > TW_DY_BITS) return false;
  mpz_mul_2exp(a->z, a->z, (mp_bitcnt_t)shift);
  a->e = e;
  return true;
}

/* r += a (or r -= a), which may change how a is written. */
static bool accumulate(TwDy *r, TwDy *a, bool minus) {
  if (mpz_sgn(a->z) == 0) return true;
  if (mpz_sgn(r->z) == 0) r->e = a->e;
  if (a->e > r->e ? !lower(a, r->e) : !lower(r, a->e)) return false;
  if (minus) mpz_sub(r->z, r->z, a->z);
  else mpz_add(r->z, r->z, a->z);
  return true;
}

static bool combine(TwDy *r, const TwDy *a, bool minus) {
  TwDy copy;
  mpz_init_set(copy.z, a->z);
  copy.e = a->e;
  bool ok = accumulate(r, &copy, minus);
  mpz_clear(copy.z);
  return ok;
}

bool tw_dy_add(TwDy *r, const TwDy *a) { return combine(r, a, false); }

bool tw_dy_sub(TwDy *r, const TwDy *a) { return combine(r, a, true); }

bool tw_dy_add_mul(TwDy *sum, double c, const TwDy *a, TwDy *work) {
  if (mpz_sgn(a->z) == 0) return true;
  return tw_dy_mul_double(work, c, a) && accumulate(sum, work, false);
}

/* q * 2^*exponent is |a| / b cut off after at least `bits` bits; true if nothing was cut off. */
static bool divide(mpz_t q, const TwDy *a, const TwDy *b, long bits, int64_t *exponent) {
  mpz_t rest;
  mpz_init(rest);
  long have = (long)mpz_sizeinbase(a->z, 2) - (long)mpz_sizeinbase(b->z, 2);
  long shift = bits - have;
  if (shift < 0) shift = 0;
  mpz_abs(q, a->z);
  mpz_mul_2exp(q, q, (mp_bitcnt_t)shift);
  mpz_tdiv_qr(q, rest, q, b->z);
  bool exact = mpz_sgn(rest) == 0;
  mpz_clear(rest);
  *exponent = a->e - b->e - shift;
  return exact;
}

static double scale(double x, int64_t e) { return ldexp(x, e > 4000 ? 4000 : e < -4000 ? -4000 : (int)e); }

TwDd tw_dy_quotient(const TwDy *a, const TwDy *b) {
  if (mpz_sgn(a->z) == 0) return (TwDd){0, 0, 0};
  double sign = mpz_sgn(a->z) > 0 ? 1 : -1;
  mpz_t q, part;
  mpz_inits(q, part, NULL);
  int64_t e;
  bool exact = divide(q, a, b, 112, &e);
  int64_t top = e + (int64_t)mpz_sizeinbase(q, 2);
  TwDd r;
  if (top > 1000) {
    r = (TwDd){sign * 0x1p1000, 0, INFINITY};
  } else if (top < -900) {
    r = (TwDd){sign * 0x1p-901, 0, TW_DD_FLOOR};
  } else {
    long extra = (long)mpz_sizeinbase(q, 2) - 112; /* a long dyadic quotient: its tail is an error */
    if (extra > 0) {
      exact = exact && mpz_scan1(q, 0) >= (mp_bitcnt_t)extra;
      mpz_tdiv_q_2exp(q, q, (mp_bitcnt_t)extra);
      e += extra;
    }
    double hi = mpz_get_d(q);
    mpz_set_d(part, hi);
    mpz_sub(part, q, part);
    double lo = mpz_get_d(part);
    mpz_t back;
    mpz_init_set_d(back, lo);
    exact = exact && mpz_cmp(back, part) == 0;
    mpz_clear(back);
    TwDd unit = tw_dd_two_sum(hi, lo);
    r.hi = sign * scale(unit.hi, e);
    r.lo = sign * scale(unit.lo, e);
    r.err = exact ? 0 : 0x1p-104 * fabs(r.hi);
    r = tw_dd_guard(r);
  }
  mpz_clears(q, part, NULL);
  return r;
}

double tw_dy_round(const TwDy *a, const TwDy *b) {
  if (mpz_sgn(a->z) == 0) return 0;
  mpz_t q;
  mpz_init(q);
  int64_t e;
  bool exact = divide(q, a, b, 66, &e);
  long extra = (long)mpz_sizeinbase(q, 2) - 64;
  if (extra > 0) {
    exact = exact && mpz_scan1(q, 0) >= (mp_bitcnt_t)extra;
    mpz_tdiv_q_2exp(q, q, (mp_bitcnt_t)extra);
    e += extra;
  }
  /* 64 bits, the last of which also stands for all that was cut off: the conversion rounds rightly. */
  uint64_t bits = (uint64_t)mpz_get_ui(q) | (exact ? 0 : 1);
  mpz_clear(q);
  double x = scale((double)bits, e);
  return mpz_sgn(a->z) > 0 ? x : -x;
}
