/* generate.h: random well-typed programs whose values stay of order one.
 *
 * The same seed gives the same program. Scalars, vectors, matrices, loops in both directions, nested loops,
 * loops over samples, branches; every op of ops.def has a chance. Arguments are kept inside of the domains
 * (log of x^2 + 1/2, asin of 0.9 x / |x|max, …) by a bound that is carried along with each value. */
#ifndef TW_TESTS_GRAD_GENERATE_H
#define TW_TESTS_GRAD_GENERATE_H

#include "check.h"

const TwFn *generate(TwModule *m, Rng *rng, Data *x);
void count_ops(const TwFn *f, uint64_t counts[TW_OP_COUNT]); /* adds; bodies included */

#endif
