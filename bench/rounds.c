/* rounds.c: see bench.h. Rounds are interleaved, since a shared machine changes its speed by the second. */
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"

static double clock_seconds(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double tw_bench_cpu(void) { return clock_seconds(CLOCK_THREAD_CPUTIME_ID); }
double tw_bench_wall(void) { return clock_seconds(CLOCK_MONOTONIC); }

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double tw_bench_median(double *v, int n) {
  qsort(v, (size_t)n, sizeof *v, by_value);
  return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

typedef struct Times {
  double own, process; /* by the case's clock; CPU of all threads */
} Times;

static Times timed(const TwBenchCase *c, int64_t times) {
  double process = clock_seconds(CLOCK_PROCESS_CPUTIME_ID), start = c->wall ? tw_bench_wall() : tw_bench_cpu();
  c->run(c->context, times);
  double end = c->wall ? tw_bench_wall() : tw_bench_cpu();
  return (Times){end - start, clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - process};
}

/* Also warms up: caches, and the core's clock for wide vectors. */
static void choose_times(TwBenchCase *c, double slice) {
  if (c->times) return;
  int64_t n = 1;
  double t = timed(c, n).own;
  while (t < slice / 4 && n < (int64_t)1 << 40) {
    n *= 2;
    t = timed(c, n).own;
  }
  c->times = (int64_t)((double)n * slice / t);
  if (c->times < 1) c->times = 1;
}

void tw_bench_rounds(TwBenchCase *cases, int n, int rounds, double slice) {
  double *own = malloc(sizeof *own * (size_t)(n * rounds)), *process = malloc(sizeof *process * (size_t)(n * rounds));
  if (!own || !process) abort();
  for (int k = 0; k < n; k++) choose_times(&cases[k], slice);
  for (int r = 0; r < rounds; r++)
    for (int k = 0; k < n; k++) {
      Times t = timed(&cases[k], cases[k].times);
      own[k * rounds + r] = t.own / (double)cases[k].times;
      process[k * rounds + r] = t.process / (double)cases[k].times;
    }
  for (int k = 0; k < n; k++) {
    cases[k].median = tw_bench_median(own + k * rounds, rounds);
    cases[k].least = own[k * rounds];
    cases[k].cpu = tw_bench_median(process + k * rounds, rounds);
  }
  free(own);
  free(process);
}
