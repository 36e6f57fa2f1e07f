/* ensembles.c: whole training runs through the runtime: seeds, threads, and that neither changes a bit. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

typedef struct Run {
  const TwRtProgram *rt;
  TwRtOptions options;
} Run;

static void run_train(void *context, int64_t times) {
  const Run *r = context;
  for (int64_t k = 0; k < times; k++) tw_rt_result_free(r->rt, tw_rt_train(r->rt, &r->options));
}

/* ---- the same runs by hand: every thread takes its share of the seeds */

typedef struct HandRun {
  const TwHandKernels *kernels;
  const TwHandData *data;
  const float *dense, *waves; /* starts; the work does not depend on them */
  int depth, epochs, seeds, threads;
} HandRun;

typedef struct HandShare {
  const HandRun *run;
  int seeds;
} HandShare;

static void *hand_share(void *context) {
  const HandShare *share = context;
  const HandRun *r = share->run;
  TwHandNet *waves = tw_hand_net_new(r->depth, tw_hand_waves_count(r->depth));
  TwHandNet *dense = tw_hand_net_new(r->depth, tw_hand_dense_count(r->depth));
  for (int s = 0; s < share->seeds; s++) {
    tw_hand_net_start(waves, r->waves);
    tw_hand_net_start(dense, r->dense);
    for (int e = 0; e < r->epochs; e++) r->kernels->waves(waves, r->data);
    for (int e = 0; e < r->epochs; e++) r->kernels->dense(dense, r->data);
  }
  tw_hand_net_free(waves);
  tw_hand_net_free(dense);
  return NULL;
}

static void run_hand(void *context, int64_t times) {
  const HandRun *r = context;
  pthread_t thread[8];
  HandShare share[8];
  for (int64_t k = 0; k < times; k++) {
    for (int t = 0; t < r->threads; t++) {
      share[t] = (HandShare){r, r->seeds / r->threads + (t < r->seeds % r->threads)};
      if (t && pthread_create(&thread[t], NULL, hand_share, &share[t]) != 0) abort();
    }
    hand_share(&share[0]);
    for (int t = 1; t < r->threads; t++) pthread_join(thread[t], NULL);
  }
}

static const uint64_t *seed_numbers(void) {
  static uint64_t numbers[1000];
  for (uint64_t k = 0; k < 1000; k++) numbers[k] = k;
  return numbers;
}

static TwRtOptions options_of(uint32_t seeds, uint32_t threads) {
  return (TwRtOptions){.seeds = seed_numbers(), .n_seeds = seeds, .threads = threads};
}

static void thirty_seeds(TwBench *b) {
  TwBenchProgram *p = tw_bench_compile(b, "flagship", NULL, 0, 0);
  const TwRtProgram *rt = p->build.lowered->rt;
  Run runs[4] = {{rt, options_of(1, 1)}, {rt, options_of(30, 1)}, {rt, options_of(30, 2)}, {rt, options_of(1, 2)}};
  TwBenchStep *starts[2] = {tw_bench_step_new(p, 0, 0), tw_bench_step_new(p, 1, 0)};
  float dense[TW_HAND_MAX_REALS];
  for (int k = 0; k < tw_hand_dense_count(5); k++)
    dense[k] = starts[1]->flat_start[tw_bench_flat_of_weight(starts[1], 5, k)];
  TwHandData *data = tw_hand_data_new(p->datas.at[0].at[0], p->datas.at[0].at[1], p->datas.at[0].n_rows);
  HandRun one = {b->hand, data, dense, starts[0]->flat_start, 5, 1000, 30, 1}, two = one;
  two.threads = 2;
  TwBenchCase cases[] = {
      {.name = "1 seed, 1 thread", .run = run_train, .context = &runs[0], .wall = true},
      {.name = "30 seeds, 1 thread", .run = run_train, .context = &runs[1], .wall = true, .times = 1},
      {.name = "30 seeds, 2 threads", .run = run_train, .context = &runs[2], .wall = true, .times = 1},
      {.name = "30 seeds, 1 thread, by hand", .run = run_hand, .context = &one, .wall = true, .times = 1},
      {.name = "30 seeds, 2 threads, by hand", .run = run_hand, .context = &two, .wall = true, .times = 1},
  };
  tw_bench_rounds(cases, 5, b->quick ? 5 : 11, 10e-3);
  for (int k = 0; k < 5; k++)
    tw_bench_row(b, cases[k].name, 1e3 * cases[k].median, "ms", "least %.4g ms; CPU %.4g ms", 1e3 * cases[k].least,
                 1e3 * cases[k].cpu);
  b->seeds_seconds = cases[2].median;
  tw_bench_row(b, "30 seeds, CPU time of all threads / by hand", cases[2].cpu / cases[4].cpu, "x",
               "does not depend on what else the machine does");
  tw_bench_accept(b, "4.5", "30 seeds, 2 threads / by hand on 2 threads", cases[2].median / cases[4].median, false,
                  1.25);
  tw_hand_data_free(data);
  for (int k = 0; k < 2; k++) tw_bench_step_free(starts[k]);
  tw_bench_program_free(p);
}

static void thousand_seeds(TwBench *b) {
  TwBenchProgram *p = tw_bench_compile(b, "flagship", (TwDefine[]){{"epochs_each", "100"}}, 1, 0);
  Run runs[2] = {{p->build.lowered->rt, options_of(1000, 1)}, {p->build.lowered->rt, options_of(1000, 2)}};
  TwBenchCase cases[] = {
      {.name = "1000 seeds of 100 + 100 epochs, 1 thread",
       .run = run_train,
       .context = &runs[0],
       .wall = true,
       .times = 1},
      {.name = "1000 seeds of 100 + 100 epochs, 2 threads",
       .run = run_train,
       .context = &runs[1],
       .wall = true,
       .times = 1},
  };
  tw_bench_rounds(cases, 2, 3, 0.1);
  for (int k = 0; k < 2; k++)
    tw_bench_row(b, cases[k].name, 1e3 * cases[k].median, "ms", "%.2fx faster than 1 thread",
                 cases[0].median / cases[k].median);
  tw_bench_program_free(p);
}

/* One net over two threads: so many epochs that what one thread does before and behind them, a few milliseconds for the
 * values of the data and for losses, is a fraction, as it is in a run of a thousand. */
static void one_net(TwBench *b) {
  TwBenchProgram *p = tw_bench_compile(b, "flagship", (TwDefine[]){{"samples", "50000"}, {"epochs_each", "200"}}, 2, 0);
  Run runs[2] = {{p->build.lowered->rt, options_of(1, 1)}, {p->build.lowered->rt, options_of(1, 2)}};
  TwBenchCase cases[] = {
      {.name = "1 net, 50,000 samples, 200 + 200 epochs, 1 thread",
       .run = run_train,
       .context = &runs[0],
       .wall = true,
       .times = 1},
      {.name = "1 net, 50,000 samples, 200 + 200 epochs, 2 threads",
       .run = run_train,
       .context = &runs[1],
       .wall = true,
       .times = 1},
  };
  tw_bench_rounds(cases, 2, b->quick ? 5 : 9, 0.1);
  for (int k = 0; k < 2; k++)
    tw_bench_row(b, cases[k].name, 1e3 * cases[k].median, "ms", "least %.4g ms; CPU %.4g ms", 1e3 * cases[k].least,
                 1e3 * cases[k].cpu);
  tw_bench_accept(b, "4.7", "one net, 50,000 samples: two threads against one", cases[0].median / cases[1].median, true,
                  1.8);
  tw_bench_program_free(p);
}

/* ---- bits */

/* Loss, best loss and final values of all seeds, in one buffer; its length in *n. */
static double *outcome(const TwRtProgram *rt, uint32_t seeds, uint32_t threads, size_t *n) {
  TwRtOptions o = options_of(seeds, threads);
  TwRtResult *r = tw_rt_train(rt, &o);
  size_t each = 2 + rt->n_shown;
  double *v = malloc(sizeof *v * each * seeds);
  if (!v) abort();
  for (uint32_t s = 0; s < seeds; s++) {
    v[s * each] = r->seeds[s].loss;
    v[s * each + 1] = r->seeds[s].best_loss;
    memcpy(v + s * each + 2, r->seeds[s].shown, sizeof *v * rt->n_shown);
  }
  tw_rt_result_free(rt, r);
  *n = each * seeds;
  return v;
}

static bool equal_bits(const TwBench *b, const char *samples, uint32_t seeds) {
  static const uint32_t threads[] = {1, 2, 3, 5}, bits[] = {512, 256, 128};
  double *first = NULL;
  bool same = true;
  for (size_t w = 0; w < 3; w++) {
    TwBenchProgram *p = tw_bench_compile(b, "flagship", (TwDefine[]){{"samples", samples}, {"epochs_each", "60"}}, 2,
                                         bits[w]);
    for (size_t t = 0; t < 4; t++) {
      size_t n;
      double *v = outcome(p->build.lowered->rt, seeds, threads[t], &n);
      if (first) same &= memcmp(first, v, n * sizeof *v) == 0;
      if (first) free(v);
      else first = v;
    }
    tw_bench_program_free(p);
  }
  free(first);
  return same;
}

void tw_bench_ensembles(TwBench *b) {
  tw_bench_section(b, "Whole training runs of 1000 + 1000 epochs, 500 samples (wall time)");
  if (b->hand) thirty_seeds(b);
  if (!b->quick) thousand_seeds(b);
  one_net(b);
  bool same = equal_bits(b, "500", 7) && equal_bits(b, "5000", 1);
  tw_bench_row(b, "same bits: 1, 2, 3, 5 threads; 128, 256, 512 bits", same, "", same ? "yes" : "NO");
  tw_bench_fact(b, "4.7", "same bits for 1, 2, 3 and 5 threads and at 128, 256 and 512 bits", same);
}
