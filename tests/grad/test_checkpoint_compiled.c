/* test_checkpoint_compiled.c: the memory that compiled gradients of a recurrence work in, with and without
 * checkpoints, and that both compute the same gradient. Compiled as a program is: prepared, differentiated,
 * optimised. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compiler/ad/ad.h"
#include "compiler/llvm/llvm.h"
#include "compiler/opt/opt.h"
#include "recurrence.h"

typedef struct Run {
  double bytes, ms, loss, gradient[2][8];
} Run;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static Run run(int64_t trip, TwAdLimits limits, bool call_it) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  TwOptLimits l = tw_opt_limits_default();
  const TwFn *f = tw_opt_prepare(m, recurrence(m, trip), l);
  f = tw_optimize(m, tw_grad_within(m, f, (bool[]){true, true}, limits), l);
  TwRtFn slot = {.name = "gradient"};
  TwLlFn fn = {.symbol = "f", .fn = f, .precision = TW_F64, .slot = &slot};
  char *error = NULL;
  TwJit *j = tw_jit(&fn, 1, &(TwLlOptions){0}, &error);
  if (!j) fprintf(stderr, "%s\n", error), exit(1);
  Run r = {.bytes = (double)slot.work_bytes};
  if (call_it) {
    double a[8], s[8];
    for (int k = 0; k < 8; k++) a[k] = 0.1 * k, s[k] = 0.3 - 0.05 * k;
    void *work = aligned_alloc(64, (slot.work_bytes + 127) / 64 * 64);
    const void *in[2] = {a, s};
    void *out[3] = {&r.loss, r.gradient[0], r.gradient[1]};
    double start = now();
    slot.entry(&(TwRtCall){.in = in, .out = out, .work = work});
    r.ms = now() - start;
    free(work);
  }
  tw_jit_free(j);
  tw_arena_free(&arena);
  printf("%.0e steps, %u levels: %.1f KiB, %.1f ms\n", (double)trip, limits.levels, r.bytes / 1024, r.ms);
  return r;
}

static int expect(bool holds, const char *what) {
  if (!holds) fprintf(stderr, "FAILED %s\n", what);
  return !holds;
}

int main(void) {
  TwAdLimits never = {0}, root = {.levels = 1};
  int failures = 0;
  Run plain = run(10000, never, true), small = run(10000, root, true), large = run(1000000, root, true);
  Run whole = run(1000000, never, false);
  failures += expect(whole.bytes > 90 * plain.bytes, "without checkpoints memory is linear");
  failures += expect(large.bytes <= 12 * small.bytes, "with checkpoints it is the square root");
  failures += expect(fabs(plain.loss - small.loss) <= 1e-12, "the loss is the same");
  for (int p = 0; p < 2; p++)
    for (int k = 0; k < 8; k++) {
      double a = plain.gradient[p][k], b = small.gradient[p][k];
      failures += expect(fabs(a - b) <= 1e-10 * (1e-3 + fabs(a)), "the gradient is the same");
    }
  double sum = 0;
  for (int k = 0; k < 8; k++) sum += fabs(large.gradient[0][k]);
  failures += expect(sum > 0 && isfinite(sum), "the gradient of 10^6 steps is a number");
  return failures > 0;
}
