/* flagship_hand.h: the flagship's dense training step, written by hand: what compiled code is measured
 * against. Width 4, `depth` hidden layers, one input, mean squared error, Adam. f32, AVX-512. */
#ifndef TW_BENCH_FLAGSHIP_HAND_H
#define TW_BENCH_FLAGSHIP_HAND_H

#include <stdint.h>

enum { TW_HAND_MAX_DEPTH = 40, TW_HAND_MAX_WEIGHTS = 8 + 20 * (TW_HAND_MAX_DEPTH - 1) + 5 };

/* Weights: first layer W[4] b[4]; each further hidden layer W[4][4] b[4]; output W[4] b. */
typedef struct TwHandNet {
  int depth, n_weights;
  float w[TW_HAND_MAX_WEIGHTS], g[TW_HAND_MAX_WEIGHTS], m1[TW_HAND_MAX_WEIGHTS], m2[TW_HAND_MAX_WEIGHTS];
  double p1, p2; /* powers of the decay rates; 0 at the start */
} TwHandNet;

/* x and y hold n samples in room for whole runs of 16. Returns the loss before the update. */
float tw_hand_step(TwHandNet *net, const float *x, const float *y, int64_t n);

/* Fused multiply-adds of 512 bits per nanosecond that this core does at best (dependence-free chains). */
double tw_hand_peak(void);

#endif
