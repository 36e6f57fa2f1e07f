/* check.c: see check.h. Differences are central, extrapolated twice (error of order h^6), at the largest
 * step that a step five times larger confirms: a kink between the two shows as a disagreement, so that
 * all points of an accepted difference lie in one activation pattern. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t rng_next(Rng *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
double rng_uniform(Rng *r, double lo, double hi) { return lo + (hi - lo) * ((double)(rng_next(r) >> 11) * 0x1p-53); }
uint32_t rng_below(Rng *r, uint32_t n) { return (uint32_t)(rng_next(r) % n); }

/* ---- data */

static size_t element_size(TwDtype d) { return d == TW_BOOL ? 1 : 8; }

Data data_new(TwModule *m, const TwFn *f, const TwRef *refs, uint32_t n) {
  Data d = {.n = n, .info = TW_NEW_N(m->arena, TwTyInfo, n), .at = TW_NEW_N(m->arena, void *, n)};
  for (uint32_t k = 0; k < n; k++) {
    d.info[k] = *tw_info(f, refs[k]);
    d.at[k] = tw_arena_alloc(m->arena, (size_t)d.info[k].count * element_size(d.info[k].dtype));
  }
  return d;
}
Data data_params(const TwFn *f) { return data_new(f->module, f, f->params.at, f->params.len); }
Data data_results(const TwFn *f) { return data_new(f->module, f, f->results.at, f->results.len); }

Data data_run(const TwFn *f, const Data *in) {
  Data out = data_results(f);
  if (!tw_interpret(f, TW_F64, (const void *const *)in->at, out.at)) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return out;
}

void data_random(Rng *r, const Data *d, uint32_t k, double lo, double hi) {
  double *at = d->at[k];
  for (int64_t e = 0; e < d->info[k].count; e++) at[e] = rng_uniform(r, lo, hi);
}

static Data data_copy(TwModule *m, const Data *d) {
  Data c = {.n = d->n, .info = d->info, .at = TW_NEW_N(m->arena, void *, d->n)};
  for (uint32_t k = 0; k < d->n; k++)
    c.at[k] = tw_arena_dup(m->arena, d->at[k], (size_t)d->info[k].count * element_size(d->info[k].dtype));
  return c;
}

static Data data_join(TwModule *m, const Data *a, const Data *b) {
  Data c = {.n = a->n + b->n,
            .info = TW_NEW_N(m->arena, TwTyInfo, a->n + b->n),
            .at = TW_NEW_N(m->arena, void *, a->n + b->n)};
  for (uint32_t k = 0; k < c.n; k++) {
    c.info[k] = k < a->n ? a->info[k] : b->info[k - a->n];
    c.at[k] = k < a->n ? a->at[k] : b->at[k - a->n];
  }
  return c;
}

/* ---- reports */

void check_fail(Check *c, const char *what, const char *fmt, ...) {
  c->failures++;
  if (c->quiet || c->failures > 20) return;
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "FAILED %s: ", what);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  va_end(ap);
}

static bool finite_data(Check *c, const Data *d, const char *what, const char *of) {
  for (uint32_t k = 0; k < d->n; k++)
    for (int64_t e = 0; d->info[k].dtype == TW_REAL && e < d->info[k].count; e++)
      if (!isfinite(((const double *)d->at[k])[e])) {
        check_fail(c, what, "%s is not finite (value %u, element %lld)", of, k, (long long)e);
        return false;
      }
  return true;
}

static bool verified(Check *c, const TwFn *f, const char *what) {
  const char *wrong = tw_verify(f);
  if (wrong) check_fail(c, what, "%s", wrong);
  return !wrong;
}

bool *check_all_active(const TwFn *f) {
  bool *a = TW_NEW_N(f->module->arena, bool, f->params.len);
  for (uint32_t k = 0; k < f->params.len; k++) a[k] = tw_info(f, f->params.at[k])->dtype == TW_REAL;
  return a;
}

/* ---- differences */

/* The real results of f at x + s v, one after the other. */
static double *evaluate(const TwFn *f, const Data *x, const Data *v, const bool *active, double s, uint32_t *n) {
  Data at = data_copy(f->module, x);
  uint32_t d = 0;
  for (uint32_t k = 0; k < x->n; k++) {
    if (!active[k]) continue;
    for (int64_t e = 0; e < x->info[k].count; e++) ((double *)at.at[k])[e] += s * ((double *)v->at[d])[e];
    d++;
  }
  Data y = data_run(f, &at);
  int64_t count = 0;
  for (uint32_t k = 0; k < y.n; k++) count += y.info[k].dtype == TW_REAL ? y.info[k].count : 0;
  double *flat = TW_NEW_N(f->module->arena, double, count);
  *n = 0;
  for (uint32_t k = 0; k < y.n; k++)
    for (int64_t e = 0; y.info[k].dtype == TW_REAL && e < y.info[k].count; e++) flat[(*n)++] = ((double *)y.at[k])[e];
  return flat;
}

static double extrapolate(double wide, double half, double quarter) {
  double r0 = (4 * half - wide) / 3, r1 = (4 * quarter - half) / 3;
  return (16 * r1 - r0) / 15;
}

typedef struct Difference {
  double *slope; /* twice extrapolated central difference along v */
  double *value; /* the value at the point itself, by extrapolation from both sides */
} Difference;

static Difference difference(const TwFn *f, const Data *x, const Data *v, const bool *active, double h, uint32_t *n) {
  double *d[3], *m[3];
  for (int k = 0; k < 3; k++) {
    double s = h / (1 << k);
    double *up = evaluate(f, x, v, active, s, n), *down = evaluate(f, x, v, active, -s, n);
    for (uint32_t e = 0; e < *n; e++) {
      double slope = (up[e] - down[e]) / (2 * s), mean = (up[e] + down[e]) / 2;
      up[e] = slope;
      down[e] = mean;
    }
    d[k] = up;
    m[k] = down;
  }
  for (uint32_t e = 0; e < *n; e++) {
    d[0][e] = extrapolate(d[0][e], d[1][e], d[2][e]);
    m[0][e] = extrapolate(m[0][e], m[1][e], m[2][e]);
  }
  return (Difference){d[0], m[0]};
}

static double larger(double a, double b) { return fabs(a) > fabs(b) ? fabs(a) : fabs(b); }

/* Do the two differences agree? A kink very near to the point would put them off alike; it shows as a value
 * at the point that the values around do not lead to. (So does a compare of two numbers that are equal
 * but for rounding, decided one way at the point and the other way next to it.) */
static bool trusted(const Difference *wide, const Difference *narrow, uint32_t e, double value, double noise,
                    double h) {
  double a = wide->slope[e], b = narrow->slope[e], allowed = 1e-9 * larger(a, b) + noise;
  return fabs(a - b) <= allowed && fabs(narrow->value[e] - value) <= h * allowed;
}

/* Compares Jv with differences, each number at the largest step that a wider one confirms. */
static void compare(Check *c, const TwFn *f, const Data *x, const Data *v, const bool *active, const double *jv,
                    const char *what) {
  static const double steps[] = {0.25, 0.05, 0.01, 0.002, 0.0004, 0.00008};
  enum { STEPS = sizeof steps / sizeof *steps };
  uint32_t n = 0;
  double *value = evaluate(f, x, v, active, 0, &n);
  bool *done = TW_NEW_N(f->module->arena, bool, n);
  uint32_t left = n;
  Difference wide = difference(f, x, v, active, steps[0], &n);
  for (int s = 1; s < STEPS && left; s++) {
    double h = steps[s];
    Difference narrow = difference(f, x, v, active, h, &n);
    for (uint32_t e = 0; e < n; e++) {
      /* Rounding of the values, divided by the step; 5e-13 has room for cancellation in a long computation. */
      double noise = 5e-13 * (1 + fabs(value[e])) / h, slope = narrow.slope[e];
      if (done[e] || !trusted(&wide, &narrow, e, value[e], noise, h)) continue;
      done[e] = true;
      left--;
      c->compared++;
      double tolerance = 1e-8 * larger(slope, jv[e]) + noise, error = fabs(slope - jv[e]);
      if (!(error <= tolerance))
        check_fail(c, what, "number %u: derivative %.17g, difference %.17g (step %g)", e, jv[e], slope, h);
      else if (error / tolerance > c->worst_difference) c->worst_difference = error / tolerance;
    }
    wide = narrow;
  }
  c->rejected += left;
}

/* ---- one derivative */

static bool same_values(Check *c, const Data *y, const Data *got, const char *what, const char *of) {
  for (uint32_t k = 0; k < y->n; k++)
    if (memcmp(y->at[k], got->at[k], (size_t)y->info[k].count * element_size(y->info[k].dtype))) {
      check_fail(c, what, "%s changes result %u of the function", of, k);
      return false;
    }
  return true;
}

static Data random_like(Check *c, TwModule *m, const TwFn *f, const TwRef *refs, uint32_t n, const bool *take) {
  TwRef *list = TW_NEW_N(m->arena, TwRef, n);
  uint32_t count = 0;
  for (uint32_t k = 0; k < n; k++)
    if (take ? take[k] : tw_info(f, refs[k])->dtype == TW_REAL) list[count++] = refs[k];
  Data d = data_new(m, f, list, count);
  for (uint32_t k = 0; k < count; k++) data_random(&c->rng, &d, k, -1, 1);
  return d;
}

/* <a, b>, and the sum of |a b|. */
static double inner(const Data *a, void *const *b, double *size) {
  double sum = 0;
  for (uint32_t k = 0; k < a->n; k++)
    for (int64_t e = 0; e < a->info[k].count; e++) {
      double p = ((double *)a->at[k])[e] * ((double *)b[k])[e];
      sum += p;
      *size += fabs(p);
    }
  return sum;
}

void check_derivative(Check *c, const TwFn *f, const Data *x, const bool *active, const char *what) {
  TwModule *m = f->module;
  if (!active) active = check_all_active(f);
  const TwFn *forward = tw_jvp(m, f, active), *reverse = tw_vjp(m, f, active, NULL);
  if (!verified(c, f, what) || !verified(c, forward, what) || !verified(c, reverse, what)) return;
  Data v = random_like(c, m, f, f->params.at, f->params.len, active);
  Data u = random_like(c, m, f, f->results.at, f->results.len, NULL);
  Data in_forward = data_join(m, x, &v), in_reverse = data_join(m, x, &u);
  Data y = data_run(f, x), yf = data_run(forward, &in_forward), yr = data_run(reverse, &in_reverse);
  if (!finite_data(c, &y, what, "the function") || !finite_data(c, &yf, what, "forward mode") ||
      !finite_data(c, &yr, what, "reverse mode"))
    return;
  if (!same_values(c, &y, &yf, what, "forward mode") || !same_values(c, &y, &yr, what, "reverse mode")) return;
  int64_t count = 0;
  for (uint32_t k = 0; k < u.n; k++) count += u.info[k].count;
  double *jv = TW_NEW_N(m->arena, double, count);
  int64_t at = 0;
  for (uint32_t k = 0; k < u.n; k++)
    for (int64_t e = 0; e < u.info[k].count; e++) jv[at++] = ((double *)yf.at[y.n + k])[e];
  compare(c, f, x, &v, active, jv, what);
  double size = 0, left = inner(&u, yf.at + y.n, &size), right = inner(&v, yr.at + y.n, &size);
  /* Cancellation inside of the program is not in `size`; 1e-14 covers values of order one. */
  double tolerance = 1e-12 * size + 1e-14, error = fabs(left - right);
  c->identities++;
  if (!(error <= tolerance)) check_fail(c, what, "<u, Jv> = %.17g but <J'u, v> = %.17g", left, right);
  else if (error / tolerance > c->worst_identity) c->worst_identity = error / tolerance;
}

/* ---- functions of functions */

static TwFn *with_params_of(TwModule *m, const TwFn *f, const char *name, TwRef **args) {
  TwFn *out = tw_fn_new(m, name);
  *args = TW_NEW_N(m->arena, TwRef, f->params.len);
  for (uint32_t k = 0; k < f->params.len; k++) (*args)[k] = tw_param(out, tw_type(f, f->params.at[k]));
  return out;
}

static TwRef weighted(Check *c, TwFn *out, TwRef total, TwRef scalar) {
  TwRef term = tw_binary(out, TW_OP_mul, tw_real(out, rng_uniform(&c->rng, 0.5, 1.5)), scalar);
  return total ? tw_binary(out, TW_OP_add, total, term) : term;
}

const TwFn *check_scalar(Check *c, TwModule *m, const TwFn *f, bool squares) {
  TwRef *args, *values = TW_NEW_N(m->arena, TwRef, f->results.len), total = 0;
  TwFn *out = with_params_of(m, f, "scalar", &args);
  tw_inline(out, f, args, values);
  for (uint32_t k = 0; k < f->results.len; k++) {
    if (tw_info(f, f->results.at[k])->dtype != TW_REAL) continue;
    total = weighted(c, out, total, tw_sum_all(out, values[k]));
    if (squares) total = weighted(c, out, total, tw_sum_all(out, tw_binary(out, TW_OP_mul, values[k], values[k])));
  }
  tw_result(out, total ? total : tw_real(out, 0));
  return tw_fn_seal(out);
}

const TwFn *check_gradient(TwModule *m, const TwFn *f) {
  const TwFn *g = tw_grad(m, f, check_all_active(f));
  TwRef *args, *values = TW_NEW_N(m->arena, TwRef, g->results.len);
  TwFn *out = with_params_of(m, f, "gradient", &args);
  tw_inline(out, g, args, values);
  for (uint32_t k = f->results.len; k < g->results.len; k++) tw_result(out, values[k]);
  return tw_fn_seal(out);
}

const TwFn *check_directional(Check *c, TwModule *m, const TwFn *f) {
  return check_scalar(c, m, check_gradient(m, f), false);
}

/* Forward over reverse against reverse over reverse: the same Hessian times the same vector. */
static void check_hessian(Check *c, TwModule *m, const TwFn *s, const Data *x, const char *what) {
  const TwFn *g = check_gradient(m, s);
  bool *active = check_all_active(s);
  Data v = random_like(c, m, s, s->params.at, s->params.len, active);
  Data in = data_join(m, x, &v);
  TwRef *args, *values = TW_NEW_N(m->arena, TwRef, g->results.len), total = 0;
  TwFn *directional = with_params_of(m, s, "directional", &args);
  uint32_t d = 0;
  for (uint32_t k = 0; k < s->params.len; k++) /* the vector, as further params that are not active */
    if (active[k]) tw_param(directional, tw_type(s, s->params.at[k]));
  tw_inline(directional, g, args, values);
  for (uint32_t k = 0; k < s->params.len; k++) {
    if (!active[k]) continue;
    TwRef p = tw_sum_all(directional,
                         tw_binary(directional, TW_OP_mul, values[d], directional->params.at[s->params.len + d]));
    total = total ? tw_binary(directional, TW_OP_add, total, p) : p;
    d++;
  }
  tw_result(directional, total ? total : tw_real(directional, 0));
  const TwFn *h = tw_fn_seal(directional);
  bool *first = TW_NEW_N(m->arena, bool, h->params.len);
  for (uint32_t k = 0; k < s->params.len; k++) first[k] = active[k];
  const TwFn *rr = tw_grad(m, h, first), *fr = tw_jvp(m, g, active);
  if (!verified(c, rr, what) || !verified(c, fr, what)) return;
  Data a = data_run(fr, &in), b = data_run(rr, &in);
  if (!finite_data(c, &a, what, "forward over reverse") || !finite_data(c, &b, what, "reverse over reverse")) return;
  for (uint32_t k = 0; k < d; k++)
    for (int64_t e = 0; e < v.info[k].count; e++) {
      double p = ((double *)a.at[d + k])[e], q = ((double *)b.at[1 + k])[e];
      c->identities++;
      /* Entries of a Hessian-vector product are sums that cancel; 1e-10 absolute covers values of order ten. */
      if (!(fabs(p - q) <= 1e-10 * larger(p, q) + 1e-10))
        check_fail(c, what, "Hessian times vector: forward over reverse %.17g, reverse over reverse %.17g", p, q);
    }
}

void check_orders(Check *c, const TwFn *f, const Data *x, int order, const char *what) {
  TwModule *m = f->module;
  check_derivative(c, f, x, NULL, what);
  if (order < 2) return;
  const TwFn *s = check_scalar(c, m, f, true);
  char text[200];
  snprintf(text, sizeof text, "%s, second order", what);
  check_derivative(c, check_gradient(m, s), x, NULL, text);
  check_hessian(c, m, s, x, text);
  if (order < 3) return;
  snprintf(text, sizeof text, "%s, third order", what);
  check_derivative(c, check_gradient(m, check_directional(c, m, s)), x, NULL, text);
}

int check_report(const Check *c, const char *name) {
  printf("%s: %llu differences (%llu rejected), %llu identities, %llu failures; worst errors, relative to the "
         "tolerance: %.2g and %.2g\n",
         name, (unsigned long long)c->compared, (unsigned long long)c->rejected, (unsigned long long)c->identities,
         (unsigned long long)c->failures, c->worst_difference, c->worst_identity);
  if (!c->compared) printf("%s: nothing was compared\n", name);
  if (c->rejected * 5 > c->compared) printf("%s: too many differences were rejected\n", name);
  return c->failures || !c->compared || c->rejected * 5 > c->compared;
}
