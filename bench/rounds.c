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

static double timed(const TwBenchCase *c, int64_t times) {
  double start = c->wall ? tw_bench_wall() : tw_bench_cpu();
  c->run(c->context, times);
  return (c->wall ? tw_bench_wall() : tw_bench_cpu()) - start;
}

/* Also warms up: caches, and the core's clock for wide vectors. */
static void choose_times(TwBenchCase *c, double slice) {
  if (c->times) return;
  int64_t n = 1;
  double t = timed(c, n);
  while (t < slice / 4 && n < (int64_t)1 << 40) {
    n *= 2;
    t = timed(c, n);
  }
  c->times = (int64_t)((double)n * slice / t);
  if (c->times < 1) c->times = 1;
}

void tw_bench_rounds(TwBenchCase *cases, int n, int rounds, double slice) {
  double *times = malloc(sizeof *times * (size_t)(n * rounds));
  if (!times) abort();
  for (int k = 0; k < n; k++) choose_times(&cases[k], slice);
  for (int r = 0; r < rounds; r++)
    for (int k = 0; k < n; k++)
      times[k * rounds + r] = timed(&cases[k], cases[k].times) / (double)cases[k].times;
  for (int k = 0; k < n; k++) {
    cases[k].median = tw_bench_median(times + k * rounds, rounds);
    cases[k].least = times[k * rounds];
  }
  free(times);
}
