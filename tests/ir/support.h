/* support.h: what the tests of the IR share: running a function on plain doubles, and a random
 * number generator that gives the same cases everywhere. */
#ifndef TW_TESTS_IR_SUPPORT_H
#define TW_TESTS_IR_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>

#include "compiler/ir/ir.h"
#include "compiler/ir/passes.h"

extern int failures;
#define CHECK(cond, ...)                                                                                               \
  do {                                                                                                                 \
    if (!(cond)) {                                                                                                     \
      failures++;                                                                                                      \
      fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                                  \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
    }                                                                                                                  \
  } while (0)

/* Runs f. All parameters one after the other in `in`, all results in `out`, every element as a
 * double whatever its kind. Returns the number of doubles written. */
size_t evaluate(const TwFn *f, TwPrecision precision, const double *in, double *out);
size_t result_count(const TwFn *f);
size_t param_count(const TwFn *f);

const TwFn *parse_or_die(TwModule *m, const char *text);
bool same_bits(double a, double b);  /* any NaN equals any NaN */
bool same_value(double a, double b); /* and zeros of any sign are equal */

uint64_t next_random(uint64_t *state);
double next_real(uint64_t *state); /* small values, halves and ties included */

TwTy real_of(TwModule *m, uint32_t rank, int64_t a, int64_t b, int64_t c);

#endif
