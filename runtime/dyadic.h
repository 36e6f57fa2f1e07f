/* dyadic.h: exact numbers z * 2^e of any length, for where f64 cannot decide.
 *
 * requires: GMP.
 * provides: the ring operations, all exact, and two roundings of a quotient. Sums, products and
 * differences of floats are dyadic, so nothing here ever needs a greatest common divisor.
 *
 * An operation that may have to line up far exponents returns false if the result would be longer than
 * TW_DY_BITS bits; the result is then meaningless. */
#ifndef TW_RUNTIME_DYADIC_H
#define TW_RUNTIME_DYADIC_H

#include <gmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/regions_dd.h"

enum { TW_DY_BITS = 1 << 20 };

typedef struct TwDy {
  mpz_t z;
  int64_t e;
} TwDy;

void tw_dy_init(TwDy *a);
void tw_dy_clear(TwDy *a);
void tw_dy_swap(TwDy *a, TwDy *b);
void tw_dy_copy(TwDy *a, const TwDy *b);
void tw_dy_set(TwDy *a, double x); /* x is finite */
void tw_dy_zero(TwDy *a);
static inline int tw_dy_sign(const TwDy *a) { return mpz_sgn(a->z); }
void tw_dy_negate(TwDy *a);
void tw_dy_strip(TwDy *a); /* the same number with an odd z */

bool tw_dy_mul(TwDy *r, const TwDy *a, const TwDy *b);
bool tw_dy_mul_double(TwDy *r, double c, const TwDy *a);
bool tw_dy_add(TwDy *r, const TwDy *a); /* r += a; `a` may be r */
bool tw_dy_sub(TwDy *r, const TwDy *a); /* r -= a; `a` may be r */
/* sum += c * a, with c finite; `work` is anything but the other two. */
bool tw_dy_add_mul(TwDy *sum, double c, const TwDy *a, TwDy *work);

/* a / b for b > 0: with an error bound; rounded to nearest. A quotient outside f64's range keeps its
 * sign in the first, and becomes a zero or an infinity in the second. */
TwDd tw_dy_quotient(const TwDy *a, const TwDy *b);
double tw_dy_round(const TwDy *a, const TwDy *b);

#endif
