/* hand.c: the kernels of bench/hand at 512 bits against those at 256, one update at a time, to f32's rounding (their
 * sums are in different orders). */
#include "bench/hand/hand.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 1100, UPDATES = 3 };

static TwHandNet *started(int depth, int n, bool dense) {
  static float values[TW_HAND_MAX_REALS];
  for (int k = 0; k < n; k++) values[k] = 0.35f + 0.3f * (float)((k * 37) % 101) / 101;
  for (int k = 0; dense && k < n; k++) values[k] = (k % 3 ? 0.5f : -0.25f) * values[k];
  TwHandNet *net = tw_hand_net_new(depth, n);
  tw_hand_net_start(net, values);
  return net;
}

/* The largest difference of the gradients beside the largest gradient; not a number where one of them is not. */
static double apart(const TwHandAdam *a, const TwHandAdam *b) {
  double largest = 0, worst = 0;
  for (int k = 0; k < a->n; k++) {
    double off = fabs((double)a->g[k] - (double)b->g[k]);
    largest = fmax(largest, fabs((double)b->g[k]));
    worst = off <= worst ? worst : off;
  }
  return worst / largest;
}

static bool same(const TwHandKernels *wide, const TwHandKernels *narrow, int depth, int64_t samples, bool dense) {
  static float x[MOST], y[MOST];
  for (int64_t i = 0; i < samples; i++) {
    x[i] = (float)i / (float)(samples - 1);
    y[i] = x[i] * x[i] * x[i];
  }
  int n = dense ? tw_hand_dense_count(depth) : tw_hand_waves_count(depth);
  TwHandData *data = tw_hand_data_new(x, y, samples);
  TwHandNet *a = started(depth, n, dense), *b = started(depth, n, dense);
  bool ok = true;
  for (int k = 0; k < UPDATES && ok; k++) {
    float loss = (dense ? wide->dense : wide->waves)(a, data), want = (dense ? narrow->dense : narrow->waves)(b, data);
    double off = apart(&a->adam, &b->adam);
    ok = off <= 2e-5 && fabsf(loss - want) <= 2e-5f * want;
    if (!ok)
      printf("depth %d, %d samples, %s: loss %g and %g, gradients %g apart\n", depth, (int)samples,
             dense ? "training" : "pretraining", (double)loss, (double)want, off);
  }
  tw_hand_net_free(a), tw_hand_net_free(b);
  tw_hand_data_free(data);
  return ok;
}

int main(void) {
  static const struct {
    int depth;
    int64_t samples;
  } sizes[] = {{5, 500}, {5, 77}, {3, 1100}, {8, 300}, {12, 33}, {40, 500}};
  const TwHandKernels *wide = tw_hand_kernels(512), *narrow = tw_hand_kernels(256);
  if (!wide) return puts("no kernels to compare: this machine has no AVX-512"), 77; /* ctest: skipped */
  bool ok = narrow != NULL;
  if (!ok) puts("no kernels for AVX2");
  for (size_t k = 0; ok && k < sizeof sizes / sizeof *sizes; k++)
    for (int dense = 0; dense < 2; dense++) ok = same(wide, narrow, sizes[k].depth, sizes[k].samples, dense) && ok;
  return ok ? 0 : 1;
}
