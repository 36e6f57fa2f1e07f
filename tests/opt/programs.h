/* programs.h: IR of whole training programs, as lowering makes it, and what tests ask of functions. */
#ifndef TW_TESTS_OPT_PROGRAMS_H
#define TW_TESTS_OPT_PROGRAMS_H

#include "compiler/opt/opt.h"

/* The flagship: width 4, d hidden layers, n samples, mean squared error.
 *   pretrain  (flat[d + 2]: peaks, scale; x[n], y[n]) -> loss, through set_weights
 *   standard  (flat[8 + 20 (d - 1) + 5]: weights;  x[n], y[n]) -> loss */
const TwFn *tw_flagship_pretrain(TwModule *m, int64_t depth, int64_t n, double mix);
const TwFn *tw_flagship_standard(TwModule *m, int64_t depth, int64_t n);
int64_t tw_flagship_weights(int64_t depth);
/* (flat, x) -> output of the standard network */
const TwFn *tw_flagship_model(TwModule *m, int64_t depth);
/* (flat, first moment, second moment, step, x, y) -> (flat, moments…, loss): one update of Adam with the
 * gradient function `grad` of a loss. */
const TwFn *tw_adam_step(TwModule *m, const TwFn *grad);

/* Operations of one iteration of the samples regions of f. Bodies of scans are counted once. */
typedef struct TwCounts {
  uint32_t multiplies; /* fma, mul, and sums that are a product (added by fma) */
  uint32_t adds;       /* add, sub, and other sums */
  uint32_t divides, relus, selects, compares;
  uint32_t others; /* computing, but none of these */
  uint32_t regions, scans, sums, ys, consts, tensors;
} TwCounts;
TwCounts tw_count_samples(const TwFn *f);
uint32_t tw_count_op(const TwFn *f, TwOp op); /* in all bodies */

/* Runs both on the same random inputs, in f64 if not said otherwise; the largest difference of any result,
 * relative to its size or 1. -1 if something is not finite in one only. Inputs are uniform in (lo, hi). */
double tw_difference(const TwFn *a, const TwFn *b, uint32_t seed, double lo, double hi);
bool tw_same_bits(const TwFn *a, const TwFn *b, TwPrecision p, uint32_t seed, double lo, double hi);

#define CHECK(c, ...)                                                                                                  \
  do {                                                                                                                 \
    if (!(c)) {                                                                                                        \
      printf("%s:%d: failed: %s: ", __FILE__, __LINE__, #c);                                                           \
      printf(__VA_ARGS__);                                                                                             \
      printf("\n");                                                                                                    \
      failures++;                                                                                                      \
    }                                                                                                                  \
  } while (0)

#endif
