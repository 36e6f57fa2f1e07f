/* flagship.c: the flagship's training steps as the compiler makes them, against the hand-written one.
 * Rounds are interleaved and medians taken: the machine is shared. Usage: bench_flagship [rounds] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/flagship_hand.h"
#include "compiler/ad/ad.h"
#include "compiler/llvm/llvm.h"
#include "tests/opt/programs.h"

enum { MAX_ROUNDS = 1001, KINDS = 3 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *v, int n) {
  qsort(v, (size_t)n, sizeof *v, order);
  return v[n / 2];
}

static float *reals(int64_t n) {
  size_t bytes = ((size_t)n * sizeof(float) + 63) / 64 * 64 + 64;
  float *p = aligned_alloc(64, bytes);
  if (!p) abort();
  memset(p, 0, bytes);
  return p;
}

/* A compiled step with its buffers: in flat, m1, m2, t, x, y; out flat, m1, m2, loss. */
typedef struct Step {
  TwRtFn slot;
  TwJit *jit;
  const void *in[6];
  void *out[4];
  void *work;
  int64_t n_flat;
} Step;

static Step compile(TwModule *m, const TwFn *loss, const float *x, const float *y, const float *start) {
  const TwFn *grad = tw_grad(m, loss, (bool[]){true, false, false});
  const TwFn *f = tw_opt_lower_mul0(m, tw_optimize(m, tw_adam_step(m, grad), tw_opt_limits_default()));
  Step s = {.n_flat = tw_info(f, f->params.at[0])->count};
  TwLlFn fn = {"step", f, TW_F32, &s.slot};
  TwLlOptions o = {0};
  char *error = NULL;
  double t0 = now();
  s.jit = tw_jit(&fn, 1, &o, &error);
  if (!s.jit) {
    fprintf(stderr, "%s\n", error);
    exit(1);
  }
  printf("  compiled in %.1f ms\n", (now() - t0) * 1e-3);
  for (int k = 0; k < 3; k++) s.in[k] = reals(s.n_flat), s.out[k] = reals(s.n_flat);
  memcpy((void *)(uintptr_t)s.in[0], start, (size_t)s.n_flat * sizeof *start);
  s.in[3] = reals(1);
  *(float *)(uintptr_t)s.in[3] = 1;
  s.in[4] = x;
  s.in[5] = y;
  s.out[3] = reals(1);
  s.work = aligned_alloc(64, (s.slot.work_bytes + 63) / 64 * 64 + 64);
  return s;
}

static void run(Step *s) {
  TwRtCall call = {.in = s->in, .out = s->out, .work = s->work};
  s->slot.entry(&call);
  for (int k = 0; k < 3; k++) {
    const void *old = s->in[k];
    s->in[k] = s->out[k];
    s->out[k] = (void *)(uintptr_t)old;
  }
  *(float *)(uintptr_t)s->in[3] += 1;
}

static void random_weights(float *w, int64_t n) {
  uint32_t s = 12345;
  for (int64_t k = 0; k < n; k++) {
    s = s * 1664525u + 1013904223u;
    w[k] = (float)(s >> 8) / (float)(1 << 24) - 0.4f;
  }
}

static void measure(int64_t depth, int64_t n, int rounds) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  static double time[KINDS][MAX_ROUNDS];
  float *x = reals(n), *y = reals(n), flat[TW_HAND_MAX_WEIGHTS], peaks[64];
  static TwHandNet net;
  memset(&net, 0, sizeof net);
  for (int64_t k = 0; k < n; k++) x[k] = (float)k / (float)(n - 1), y[k] = x[k] * x[k] * x[k];
  net.depth = (int)depth;
  net.n_weights = (int)tw_flagship_weights(depth);
  random_weights(flat, net.n_weights);
  memcpy(net.w, flat, sizeof flat);
  for (int64_t k = 0; k < depth + 2; k++) peaks[k] = 0.4f + 0.03f * (float)(k % 5);
  printf("depth %lld, %lld samples\n", (long long)depth, (long long)n);
  Step standard = compile(m, tw_flagship_standard(m, depth, n), x, y, flat);
  Step pretrain = compile(m, tw_flagship_pretrain(m, depth, n, -1), x, y, peaks);
  int reps = n > 5000 ? 2 : 50;
  for (int r = 0; r < rounds; r++) {
    double t0 = now();
    for (int k = 0; k < reps; k++) tw_hand_step(&net, x, y, n);
    double t1 = now();
    for (int k = 0; k < reps; k++) run(&standard);
    double t2 = now();
    for (int k = 0; k < reps; k++) run(&pretrain);
    double t3 = now();
    time[0][r] = (t1 - t0) / reps, time[1][r] = (t2 - t1) / reps, time[2][r] = (t3 - t2) / reps;
  }
  double hand = median(time[0], rounds), dense = median(time[1], rounds), pre = median(time[2], rounds);
  printf("  fastest rounds: hand %.2f us, standard %.2f us, pretrain %.2f us\n", time[0][0], time[1][0], time[2][0]);
  double flop = 449.0 / 5 * (double)depth * (double)n;
  printf("  hand %.2f us, standard %.2f us (%.2fx hand, %.1f GFLOP/s), pretrain %.2f us (%.2fx faster than "
         "standard)\n",
         hand, dense, dense / hand, flop / dense * 1e-3, pre, dense / pre);
  tw_jit_free(standard.jit);
  tw_jit_free(pretrain.jit);
  tw_arena_free(&arena);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 101;
  if (rounds < 1 || rounds > MAX_ROUNDS) rounds = MAX_ROUNDS;
  printf("peak of this core: %.1f GFLOP/s\n", tw_hand_peak() * 32);
  measure(5, 256, rounds);
  measure(5, 500, rounds);
  measure(5, 512, rounds);
  measure(5, 50000, rounds / 4 + 1);
  measure(12, 500, rounds);
  return 0;
}
