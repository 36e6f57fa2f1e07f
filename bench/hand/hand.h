/* hand.h: the flagship's two training steps, written by hand: what compiled code is measured against.
 *
 * Width 4, `depth` hidden layers, one input, mean squared error, Adam at 1e-3, f32, full batch, one
 * thread. The steps are compiled twice, for 512-bit and for 256-bit vectors (kernels.inc); hand.c picks
 * what the machine has. Sums are in whatever order is fastest: these kernels promise no bits. */
#ifndef TW_BENCH_HAND_H
#define TW_BENCH_HAND_H

#include <stdbool.h>
#include <stdint.h>

enum { TW_HAND_MAX_DEPTH = 64, TW_HAND_MAX_REALS = 8 + 20 * TW_HAND_MAX_DEPTH + 16, TW_HAND_WORK = 4 << 20 };

/* What Adam keeps for n values. The powers of the decay rates are carried from step to step. */
typedef struct TwHandAdam {
  int n;
  double beta1_t, beta2_t;
  float *p, *g, *m, *v; /* room for n rounded up to 16, aligned to 64 bytes */
} TwHandAdam;

/* Training data: x, y and the weight 2/n of a sample, n rounded up to 64 with weight 0 in the pad. */
typedef struct TwHandData {
  int64_t n, n_padded;
  float *x, *y, *weight;
} TwHandData;

/* A net in training, with all the memory that its steps need. */
typedef struct TwHandNet {
  int depth;
  TwHandAdam adam; /* dense: W[4] b[4], then W[4][4] b[4] a layer, then W[4] b; waves: peak[depth + 1], scale */
  void *work;
} TwHandNet;

/* One update; returns the loss before it. */
typedef float TwHandStep(TwHandNet *net, const TwHandData *data);

typedef struct TwHandKernels {
  const char *name;  /* "512 bits" */
  int lanes;         /* f32 in such a vector */
  TwHandStep *dense; /* trains all weights */
  TwHandStep *waves; /* trains peaks and scale of Set_Weights: the structure of the net is used; inputs >= 0 */
  double (*peak)(int64_t rounds); /* FLOP done by a run of independent fused multiply-adds in all registers */
} TwHandKernels;

/* The kernels of this machine, NULL if it has no AVX2 with FMA. bits: 512, 256, or 0 for the widest. */
const TwHandKernels *tw_hand_kernels(int bits);

int tw_hand_dense_count(int depth); /* trained values */
int tw_hand_waves_count(int depth);
TwHandNet *tw_hand_net_new(int depth, int n_values);
void tw_hand_net_start(TwHandNet *net, const float *values); /* Adam afresh */
void tw_hand_net_free(TwHandNet *net);
TwHandData *tw_hand_data_new(const float *x, const float *y, int64_t n);
void tw_hand_data_free(TwHandData *d);

#endif
