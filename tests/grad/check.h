/* check.h: derivatives against differences, forward against reverse mode.
 *
 * Everything runs in the f64 interpreter. Rules: a value that is not finite fails; a check that compared
 * nothing fails; |a - b| <= atol + rtol max(|a|, |b|). */
#ifndef TW_TESTS_GRAD_CHECK_H
#define TW_TESTS_GRAD_CHECK_H

#include "compiler/ad/internal.h"
#include "compiler/ir/passes.h"

typedef struct Rng {
  uint64_t state;
} Rng;
uint64_t rng_next(Rng *r);
double rng_uniform(Rng *r, double lo, double hi);
uint32_t rng_below(Rng *r, uint32_t n);

/* Values of params or results: real as double, int as int64_t, bool as uint8_t. */
typedef struct Data {
  uint32_t n;
  TwTyInfo *info;
  void **at;
} Data;
Data data_new(TwModule *m, const TwFn *f, const TwRef *refs, uint32_t n); /* zeros */
Data data_params(const TwFn *f);
Data data_results(const TwFn *f);
Data data_run(const TwFn *f, const Data *in);
void data_random(Rng *r, const Data *d, uint32_t k, double lo, double hi); /* fills a real one */

typedef struct Check {
  Rng rng;
  bool quiet;          /* count failures, print nothing (mutation testing) */
  uint64_t compared;   /* numbers compared with differences */
  uint64_t rejected;   /* numbers without a difference to trust: a kink too near */
  uint64_t identities; /* <u, Jv> = <J'u, v> */
  uint64_t failures;
  double worst_difference, worst_identity; /* largest error seen, relative to its tolerance */
} Check;

void check_fail(Check *c, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* At the point x: tw_jvp against central differences in random directions, tw_vjp against tw_jvp, values
 * of both against f. `active` NULL: all real params. */
void check_derivative(Check *c, const TwFn *f, const Data *x, const bool *active, const char *what);

/* A scalar function of f's params: a random combination of all real results, linear and squared. */
const TwFn *check_scalar(Check *c, TwModule *m, const TwFn *f, bool squares);
/* (params) -> <gradient of f, v> for the scalar f and a fixed random v. */
const TwFn *check_directional(Check *c, TwModule *m, const TwFn *f);
/* (params) -> gradients only. */
const TwFn *check_gradient(TwModule *m, const TwFn *f);

bool *check_all_active(const TwFn *f);
/* Order 1: check_derivative of f. Order 2: of the gradient of a scalar of f, and forward over reverse
 * against reverse over reverse. Order 3: of the gradient of a directional derivative. */
void check_orders(Check *c, const TwFn *f, const Data *x, int order, const char *what);

/* Prints the totals; returns the exit status: 1 on any failure, on nothing compared, or if more than
 * a fifth of the differences had to be rejected. */
int check_report(const Check *c, const char *name);

#endif
