/* hand.c: which hand-written kernels this machine can run, and the memory that they work on. */
#include "bench/hand/hand.h"

#include <stdlib.h>
#include <string.h>

extern const TwHandKernels tw_hand_wide, tw_hand_narrow;

const TwHandKernels *tw_hand_kernels(int bits) {
  bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
  if (wide && bits != 256) return &tw_hand_wide;
  bool narrow = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return narrow && bits != 512 ? &tw_hand_narrow : NULL;
}

int tw_hand_dense_count(int depth) { return 8 + 20 * (depth - 1) + 5; }
int tw_hand_waves_count(int depth) { return depth + 2; }

static void *zeros(size_t bytes) {
  bytes = (bytes + 63) / 64 * 64 + 64;
  void *p = aligned_alloc(64, bytes);
  if (!p) abort();
  return memset(p, 0, bytes);
}

static float *reals(int64_t n) { return zeros((size_t)(n + 64) * sizeof(float)); }

TwHandNet *tw_hand_net_new(int depth, int n_values) {
  TwHandNet *net = zeros(sizeof *net);
  net->depth = depth;
  net->adam = (TwHandAdam){
      .n = n_values, .p = reals(n_values), .g = reals(n_values), .m = reals(n_values), .v = reals(n_values)};
  net->work = zeros(TW_HAND_WORK);
  return net;
}

void tw_hand_net_start(TwHandNet *net, const float *values) {
  TwHandAdam *a = &net->adam;
  size_t bytes = (size_t)a->n * sizeof(float);
  a->beta1_t = a->beta2_t = 1;
  memcpy(a->p, values, bytes);
  memset(a->m, 0, bytes);
  memset(a->v, 0, bytes);
}

void tw_hand_net_free(TwHandNet *net) {
  free(net->adam.p);
  free(net->adam.g);
  free(net->adam.m);
  free(net->adam.v);
  free(net->work);
  free(net);
}

TwHandData *tw_hand_data_new(const float *x, const float *y, int64_t n) {
  TwHandData *d = zeros(sizeof *d);
  *d = (TwHandData){.n = n, .n_padded = (n + 63) / 64 * 64};
  d->x = reals(d->n_padded);
  d->y = reals(d->n_padded);
  d->weight = reals(d->n_padded);
  memcpy(d->x, x, (size_t)n * sizeof *x);
  memcpy(d->y, y, (size_t)n * sizeof *y);
  for (int64_t i = 0; i < n; i++) d->weight[i] = 2.0f / (float)n;
  return d;
}

void tw_hand_data_free(TwHandData *d) {
  free(d->x);
  free(d->y);
  free(d->weight);
  free(d);
}
