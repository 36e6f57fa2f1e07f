/* regions_exact.c: what the error bounds leave open, decided by exact arithmetic.
 *
 * requires: finite coefficients; points that keep to what TwRgPoint says.
 * provides: breakpoints as fractions, signs at them, affine maps of pieces, comparisons of widths.
 *
 * Everything is a replay of the tape at one x = Q / D, D > 0. Values are kept times D, so that affine maps
 * need no division: bias D + sum of coefficient * value, and the sign is the value's.
 *
 * A breakpoint that is only known to lie near x is found again by two replays, a little to the left and a
 * little to the right of it. No other breakpoint is between the two, and the inputs with a given state of
 * the relus so far are an interval; so the operand of the first relu whose states differ is affine from one
 * to the other, and its zero is the breakpoint. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/regions_internal.h"

static const char too_long[] = "the coefficients are too far apart in size for the regions to be counted exactly";

void tw_rg_exact_start(TwRgExact *ex, const TwRgTape *tape, const double *coeffs) {
  ex->tape = tape;
  ex->coeffs = coeffs;
  for (int32_t i = 0; i < ex->n; i++) {
    tw_dy_clear(&ex->num[i]);
    tw_dy_clear(&ex->den[i]);
  }
  ex->n = 0;
  ex->used = 0;
  ex->error = NULL;
}

void tw_rg_exact_free(TwRgExact *ex) {
  tw_rg_exact_start(ex, ex->tape, NULL);
  if (ex->left) {
    for (uint32_t s = 0; s < ex->tape->n_slots; s++) {
      tw_dy_clear(&ex->left[s]);
      tw_dy_clear(&ex->right[s]);
    }
    TwDy *all[] = {&ex->sum, &ex->work, &ex->p, &ex->q, &ex->r};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_dy_clear(all[i]);
  }
  free(ex->rough);
  free(ex->left);
  free(ex->right);
  free(ex->num);
  free(ex->den);
  memset(ex, 0, sizeof *ex);
}

static bool fail(TwRgExact *ex, const char *why) {
  if (!ex->error) ex->error = why;
  return false;
}

static bool ready(TwRgExact *ex) {
  if (ex->left) return true;
  uint32_t n = ex->tape->n_slots;
  TwDy *left = malloc(n * sizeof *left), *right = malloc(n * sizeof *right);
  if (!left || !right) {
    free(left);
    free(right);
    return fail(ex, "out of memory");
  }
  for (uint32_t s = 0; s < n; s++) {
    tw_dy_init(&left[s]);
    tw_dy_init(&right[s]);
  }
  TwDy *all[] = {&ex->sum, &ex->work, &ex->p, &ex->q, &ex->r};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_dy_init(all[i]);
  ex->left = left;
  ex->right = right;
  return true;
}

/* ---- replays */

/* One affine op on `values`, its bias times den (no bias if den is NULL). */
static bool affine(TwRgExact *ex, const TwRgOp *op, TwDy *values, const TwDy *den) {
  tw_dy_zero(&ex->sum);
  if (den && !tw_dy_add_mul(&ex->sum, tw_rg_coeff(op->bias, ex->coeffs), den, &ex->work)) return fail(ex, too_long);
  for (uint32_t k = op->term; k < op->term + op->n_terms; k++) {
    double c = tw_rg_coeff(ex->tape->terms[k].coeff, ex->coeffs);
    if (c != 0 && !tw_dy_add_mul(&ex->sum, c, &values[ex->tape->terms[k].slot], &ex->work)) return fail(ex, too_long);
  }
  tw_dy_strip(&ex->sum);
  tw_dy_swap(&values[op->out], &ex->sum);
  return true;
}

static void relu(const TwRgOp *op, TwDy *values, bool on) {
  if (!on) tw_dy_zero(&values[op->out]);
  else if (op->out != op->a) tw_dy_copy(&values[op->out], &values[op->a]);
}

static bool replay(TwRgExact *ex, TwDy *values, const TwDy *num, const TwDy *den, uint32_t upto) {
  ex->used++;
  tw_dy_copy(&values[0], num);
  for (uint32_t i = 0; i < upto; i++) {
    const TwRgOp *op = &ex->tape->ops[i];
    if (op->kind == TW_RG_RELU) relu(op, values, tw_dy_sign(&values[op->a]) > 0);
    else if (!affine(ex, op, values, den)) return false;
  }
  return true;
}

/* The zero (y a - x b) / (a - b), as a fraction, of the affine map that is a at x and b at y. */
static bool zero_of(const TwDy *a, const TwDy *x, const TwDy *b, const TwDy *y, TwDy *num, TwDy *den) {
  TwDy t;
  tw_dy_init(&t);
  bool ok = tw_dy_mul(num, y, a) && tw_dy_mul(&t, x, b) && tw_dy_sub(num, &t);
  tw_dy_clear(&t);
  tw_dy_copy(den, a);
  ok = ok && tw_dy_sub(den, b);
  if (ok && tw_dy_sign(den) < 0) {
    tw_dy_negate(num);
    tw_dy_negate(den);
  }
  tw_dy_strip(num);
  tw_dy_strip(den);
  return ok;
}

/* ---- breakpoints */

static int32_t new_fraction(TwRgExact *ex) {
  if (ex->n == ex->cap) {
    int32_t cap = ex->cap ? 2 * ex->cap : 64;
    TwDy *num = realloc(ex->num, (size_t)cap * sizeof *num);
    if (num) ex->num = num;
    TwDy *den = realloc(ex->den, (size_t)cap * sizeof *den);
    if (den) ex->den = den;
    if (!num || !den) return fail(ex, "out of memory"), -1;
    ex->cap = cap;
  }
  tw_dy_init(&ex->num[ex->n]);
  tw_dy_init(&ex->den[ex->n]);
  return ex->n++;
}

static bool set_sum(TwDy *a, TwDy *work, double x, double y, double z) {
  tw_dy_set(a, x);
  tw_dy_set(work, y);
  if (!tw_dy_add(a, work)) return false;
  tw_dy_set(work, z);
  return tw_dy_add(a, work);
}

/* Replays to the left and right of p at once, to the first relu whose states differ. */
static bool search(TwRgExact *ex, TwRgPoint *p, uint32_t upto, int32_t at) {
  int exponent;
  frexp(p->err, &exponent);
  double step = ldexp(1, exponent + 2); /* between 4 err and 8 err */
  TwDy *l = ex->left, *r = ex->right, one;
  ex->used += 2;
  if (!set_sum(&ex->p, &ex->work, p->hi, p->lo, -step) || !set_sum(&ex->q, &ex->work, p->hi, p->lo, step))
    return fail(ex, too_long);
  tw_dy_init(&one);
  tw_dy_set(&one, 1);
  tw_dy_copy(&l[0], &ex->p);
  tw_dy_copy(&r[0], &ex->q);
  bool ok = true, found = false;
  for (uint32_t i = 0; ok && !found && i < upto; i++) {
    const TwRgOp *op = &ex->tape->ops[i];
    if (op->kind == TW_RG_AFFINE) {
      ok = affine(ex, op, l, &one) && affine(ex, op, r, &one);
      continue;
    }
    bool on = tw_dy_sign(&l[op->a]) > 0;
    found = on != (tw_dy_sign(&r[op->a]) > 0);
    if (found) ok = zero_of(&l[op->a], &ex->p, &r[op->a], &ex->q, &ex->num[at], &ex->den[at]) || fail(ex, too_long);
    relu(op, l, on);
    relu(op, r, on);
  }
  tw_dy_clear(&one);
  return ok && (found || fail(ex, "internal error: a breakpoint was not found again"));
}

bool tw_rg_exact_point(TwRgExact *ex, TwRgPoint *p, uint32_t upto) {
  if (p->exact != TW_RG_SEARCH) return true;
  int32_t at = ready(ex) ? new_fraction(ex) : -1;
  if (at < 0 || !search(ex, p, upto, at)) return false;
  p->exact = at;
  return true;
}

/* Copies the point, which must not be SEARCH, as a fraction. */
static bool fraction(TwRgExact *ex, const TwRgPoint *p, TwDy *num, TwDy *den) {
  if (p->exact >= 0) {
    tw_dy_copy(num, &ex->num[p->exact]);
    tw_dy_copy(den, &ex->den[p->exact]);
    return true;
  }
  tw_dy_set(den, 1);
  return set_sum(num, &ex->work, p->hi, p->lo, 0) || fail(ex, too_long);
}

bool tw_rg_exact_value(TwRgExact *ex, TwRgPoint *p, uint32_t upto, uint32_t slot, TwDd *out) {
  if (!ready(ex) || !tw_rg_exact_point(ex, p, upto) || !fraction(ex, p, &ex->p, &ex->q) ||
      !replay(ex, ex->left, &ex->p, &ex->q, upto))
    return false;
  *out = tw_dy_quotient(&ex->left[slot], &ex->q);
  return true;
}

bool tw_rg_exact_place(TwRgExact *ex, TwRgPoint *p, double *x) {
  if (!ready(ex) || !tw_rg_exact_point(ex, p, ex->tape->n_ops) || !fraction(ex, p, &ex->p, &ex->q)) return false;
  *x = tw_dy_round(&ex->p, &ex->q);
  return true;
}

/* ---- pieces */

/* Some x safely between l and r, another one for each `attempt`, as a double or else as the sum of two. */
static bool between(const TwRgPoint *l, const TwRgPoint *r, unsigned attempt, TwDd *x) {
  double share = fmod(0.5 + 0.618033988749894 * attempt, 1);
  double part = share * ((r->hi - l->hi) + (r->lo - l->lo));
  TwDd tries[2] = {{l->hi + part, 0, 0}, tw_dd_two_sum(l->hi, l->lo + part)};
  double safe = 8 * (l->err + r->err) + 0x1p-100 * (fabs(l->hi) + fabs(r->hi));
  for (int i = 0; i < 2; i++) {
    *x = tries[i];
    double from = (x->hi - l->hi) + (x->lo - l->lo), to = (r->hi - x->hi) + (r->lo - x->lo);
    if (from > safe && to > safe) return true;
  }
  return false;
}

/* The same as a fraction; if l and r are too close together, a share of their exact distance. */
static bool inside(TwRgExact *ex, TwRgPoint *l, TwRgPoint *r, uint32_t upto, unsigned attempt, TwDy *num, TwDy *den) {
  TwDd x;
  if (between(l, r, attempt, &x)) {
    tw_dy_set(den, 1);
    return set_sum(num, &ex->work, x.hi, x.lo, 0) || fail(ex, too_long);
  }
  if (!tw_rg_exact_point(ex, l, upto) || !tw_rg_exact_point(ex, r, upto) || !fraction(ex, l, num, den) ||
      !fraction(ex, r, &ex->q, &ex->r))
    return false;
  TwDy t; /* with n = attempt + 1: (n num / den + q / r) / (n + 1) */
  tw_dy_init(&t);
  bool ok = tw_dy_mul(&t, num, &ex->r) && tw_dy_mul_double(num, attempt + 1.0, &t) && tw_dy_mul(&t, &ex->q, den) &&
            tw_dy_add(num, &t) && tw_dy_mul(&t, den, &ex->r) && tw_dy_mul_double(den, attempt + 2.0, &t);
  tw_dy_clear(&t);
  tw_dy_strip(num);
  tw_dy_strip(den);
  return ok || fail(ex, too_long);
}

/* One affine op in double-double; no bias for slopes. */
static bool rough_affine(const TwRgExact *ex, const TwRgOp *op, TwDd *values, bool biased) {
  TwDd sum = {biased ? tw_rg_coeff(op->bias, ex->coeffs) : 0, 0, 0};
  sum = tw_dd_guard(sum);
  for (uint32_t k = op->term; k < op->term + op->n_terms; k++) {
    double c = tw_rg_coeff(ex->tape->terms[k].coeff, ex->coeffs);
    if (c == 0) continue;
    if (!(fabs(c) >= TW_DD_LEAST && fabs(c) <= TW_DD_MOST)) return false;
    sum = tw_dd_add(sum, tw_dd_scale(c, values[ex->tape->terms[k].slot]));
  }
  values[op->out] = sum;
  return true;
}

bool tw_rg_rough_map(TwRgExact *ex, const TwRgPoint *l, const TwRgPoint *r, TwDd *slope, TwDd *intercept) {
  TwDd x;
  if (!between(l, r, 0, &x)) return false;
  if (!ex->rough) {
    ex->rough = malloc(2 * (size_t)ex->tape->n_slots * sizeof *ex->rough);
    if (!ex->rough) return false;
  }
  TwDd *v = ex->rough, *m = ex->rough + ex->tape->n_slots;
  v[0] = tw_dd_guard(x);
  m[0] = (TwDd){1, 0, 0};
  for (uint32_t i = 0; i < ex->tape->n_ops; i++) {
    const TwRgOp *op = &ex->tape->ops[i];
    if (op->kind == TW_RG_AFFINE) {
      if (!rough_affine(ex, op, v, true) || !rough_affine(ex, op, m, false)) return false;
      continue;
    }
    TwDd a = v[op->a], s = m[op->a], zero = {0, 0, 0};
    bool flat = a.hi == 0 && a.err == 0 && s.hi == 0 && s.err == 0;
    if (!flat && !(fabs(a.hi) > 2 * a.err && fabs(a.hi) < INFINITY)) return false;
    v[op->out] = a.hi > 0 ? a : zero;
    m[op->out] = a.hi > 0 ? s : zero;
  }
  *slope = m[ex->tape->output];
  *intercept = tw_dd_sub(v[ex->tape->output], tw_dd_mul(*slope, x));
  return isfinite(slope->hi) && isfinite(intercept->hi);
}

/* The affine map of every value around x = num / den. False, without error, if x is a breakpoint: some
 * operand is zero there and not around it. */
static bool maps_at(TwRgExact *ex, const TwDy *num, const TwDy *den, const TwDy *one, uint32_t upto) {
  TwDy *m = ex->left, *b = ex->right;
  ex->used += 2;
  tw_dy_set(&m[0], 1);
  tw_dy_zero(&b[0]);
  for (uint32_t i = 0; i < upto; i++) {
    const TwRgOp *op = &ex->tape->ops[i];
    if (op->kind == TW_RG_AFFINE) {
      if (!affine(ex, op, m, NULL) || !affine(ex, op, b, one)) return false;
      continue;
    }
    if (!tw_dy_mul(&ex->p, &m[op->a], num) || !tw_dy_mul(&ex->q, &b[op->a], den) || !tw_dy_add(&ex->p, &ex->q))
      return fail(ex, too_long);
    int sign = tw_dy_sign(&ex->p);
    if (sign == 0 && tw_dy_sign(&m[op->a]) != 0) return false;
    relu(op, m, sign > 0);
    relu(op, b, sign > 0);
  }
  return true;
}

/* The map of the value in `slot` between l and r. */
static bool map_of(TwRgExact *ex, TwRgPoint *l, TwRgPoint *r, uint32_t upto, uint32_t slot, TwDy *slope,
                   TwDy *intercept) {
  if (!ready(ex)) return false;
  TwDy num, den, one;
  tw_dy_init(&num);
  tw_dy_init(&den);
  tw_dy_init(&one);
  tw_dy_set(&one, 1);
  bool found = false;
  for (unsigned attempt = 0; !found && !ex->error; attempt++)
    found = inside(ex, l, r, upto, attempt, &num, &den) && maps_at(ex, &num, &den, &one, upto);
  if (found) {
    tw_dy_copy(slope, &ex->left[slot]);
    tw_dy_copy(intercept, &ex->right[slot]);
  }
  tw_dy_clear(&num);
  tw_dy_clear(&den);
  tw_dy_clear(&one);
  return found;
}

bool tw_rg_exact_map(TwRgExact *ex, TwRgPoint *l, TwRgPoint *r, TwDy *slope, TwDy *intercept) {
  return map_of(ex, l, r, ex->tape->n_ops, ex->tape->output, slope, intercept);
}

/* Both ends are made exact too. The new point is -intercept / slope, which is as short as the coefficients
 * allow however long the fractions of the ends are. */
bool tw_rg_exact_cross(TwRgExact *ex, TwRgPoint *l, TwRgPoint *r, uint32_t upto, uint32_t slot, TwRgPoint *out) {
  if (!ready(ex) || !tw_rg_exact_point(ex, l, upto) || !tw_rg_exact_point(ex, r, upto)) return false;
  int32_t at = new_fraction(ex);
  if (at < 0) return false;
  TwDy *num = &ex->num[at], *den = &ex->den[at];
  if (!map_of(ex, l, r, upto, slot, den, num)) return false;
  tw_dy_negate(tw_dy_sign(den) > 0 ? num : den);
  tw_dy_strip(num);
  tw_dy_strip(den);
  TwDd x = tw_dy_quotient(num, den);
  *out = (TwRgPoint){x.hi, x.lo, x.err, at};
  return true;
}

/* ---- widths */

/* sum = sum of c[i] p[i] as a fraction. */
static bool combine(TwRgExact *ex, size_t n, const TwRgTimes *terms, TwDy *num, TwDy *den) {
  TwDy t;
  tw_dy_init(&t);
  tw_dy_zero(num);
  tw_dy_set(den, 1);
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++) { /* num / den + c p / q */
    ok = tw_rg_exact_point(ex, terms[i].point, ex->tape->n_ops) && fraction(ex, terms[i].point, &ex->p, &ex->q);
    ok = ok && ((tw_dy_mul(&t, num, &ex->q) && tw_dy_mul(&ex->r, &ex->p, den) &&
                 tw_dy_mul_double(num, terms[i].c, &ex->r) && tw_dy_add(num, &t) && tw_dy_mul(&t, den, &ex->q)) ||
                fail(ex, too_long));
    tw_dy_swap(den, &t);
  }
  tw_dy_clear(&t);
  return ok;
}

bool tw_rg_exact_sum(TwRgExact *ex, size_t n, const TwRgTimes *terms, int *sign, double *rounded) {
  if (!ready(ex)) return false;
  TwDy num, den;
  tw_dy_init(&num);
  tw_dy_init(&den);
  bool ok = combine(ex, n, terms, &num, &den);
  *sign = ok ? tw_dy_sign(&num) : 0;
  *rounded = ok ? tw_dy_round(&num, &den) : 0;
  tw_dy_clear(&num);
  tw_dy_clear(&den);
  return ok;
}
