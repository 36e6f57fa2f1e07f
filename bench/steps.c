/* steps.c: one epoch of training and of pretraining, compiled and by hand, over samples and depth. */
#include <math.h>
#include <stdlib.h>

#include "bench/bench.h"

enum { HAND_TRAIN, OUR_TRAIN, HAND_PRETRAIN, OUR_PRETRAIN, PEAK, CASES };

typedef struct Size {
  int depth, samples;
  TwBenchProgram *program;
  TwHandData *data;
  TwHandNet *hand[2]; /* pretraining, training */
  float *start[2];
  TwBenchStep *step[2];
  const TwHandKernels *kernels;
  TwBenchCase cases[CASES];
} Size;

static void run_hand(Size *s, int stage, int64_t times) {
  tw_hand_net_start(s->hand[stage], s->start[stage]);
  TwHandStep *step = stage ? s->kernels->dense : s->kernels->waves;
  for (int64_t k = 0; k < times; k++) step(s->hand[stage], s->data);
}
static void run_hand_dense(void *context, int64_t times) { run_hand(context, 1, times); }
static void run_hand_waves(void *context, int64_t times) { run_hand(context, 0, times); }

static void open_size(Size *s, const TwBench *b, int depth, int samples) {
  char d[16], n[16];
  snprintf(d, sizeof d, "%d", depth);
  snprintf(n, sizeof n, "%d", samples);
  *s = (Size){.depth = depth, .samples = samples, .kernels = b->hand};
  s->program = tw_bench_compile(b, "flagship", (TwDefine[]){{"depth", d}, {"samples", n}}, 2, 0);
  const TwRtColumns *columns = &s->program->datas.at[0];
  s->data = tw_hand_data_new(columns->at[0], columns->at[1], samples);
  for (int stage = 0; stage < 2; stage++) {
    int count = stage ? tw_hand_dense_count(depth) : tw_hand_waves_count(depth);
    s->step[stage] = tw_bench_step_new(s->program, (uint32_t)stage, 0);
    s->hand[stage] = tw_hand_net_new(depth, count);
    s->start[stage] = malloc(sizeof(float) * (size_t)count);
    for (int k = 0; k < count; k++)
      s->start[stage][k] =
          s->step[stage]->flat_start[stage ? tw_bench_flat_of_weight(s->step[1], depth, k) : (uint64_t)k];
  }
  s->cases[HAND_TRAIN] = (TwBenchCase){.name = "training, by hand", .run = run_hand_dense, .context = s};
  s->cases[OUR_TRAIN] = (TwBenchCase){.name = "training", .run = tw_bench_run_step, .context = s->step[1]};
  s->cases[HAND_PRETRAIN] = (TwBenchCase){.name = "pretraining, by hand", .run = run_hand_waves, .context = s};
  s->cases[OUR_PRETRAIN] = (TwBenchCase){.name = "pretraining", .run = tw_bench_run_step, .context = s->step[0]};
  s->cases[PEAK] = (TwBenchCase){.name = "peak", .run = tw_bench_run_peak, .context = (void *)(uintptr_t)s->kernels};
}

static void close_size(Size *s) {
  for (int stage = 0; stage < 2; stage++) {
    tw_bench_step_free(s->step[stage]);
    tw_hand_net_free(s->hand[stage]);
    free(s->start[stage]);
  }
  tw_hand_data_free(s->data);
  tw_bench_program_free(s->program);
}

/* Of one sample in a training epoch: 72 + 140 multiply-adds and 25 other operations at depth 5; each further layer
 * 16 forwards, 32 backwards, 4 sums, 4 + 4 for the ReLU. */
static double flop(int depth) { return 449.0 + (depth - 5) * (2 * (16 + 12 + 16) + 4 + 4 + 4.0); }

/* FLOP/s of the core in the same rounds. */
static double peak_rate(const Size *s) { return tw_bench_peak_flop(s->kernels) / s->cases[PEAK].median; }

static void report(TwBench *b, const Size *s) {
  char name[96];
  double rate = peak_rate(s);
  for (int k = 0; k < PEAK; k++) {
    const TwBenchCase *c = &s->cases[k], *hand = &s->cases[k & ~1];
    snprintf(name, sizeof name, "depth %d, %d samples, %s", s->depth, s->samples, c->name);
    double share = flop(s->depth) * s->samples / c->median / rate;
    if (k == OUR_TRAIN)
      tw_bench_row(b, name, 1e6 * c->median, "us", "%.2fx by hand; %.1f%% of peak", c->median / hand->median,
                   100 * share);
    else if (k == HAND_TRAIN) tw_bench_row(b, name, 1e6 * c->median, "us", "%.1f%% of peak", 100 * share);
    else if (k == OUR_PRETRAIN)
      tw_bench_row(b, name, 1e6 * c->median, "us", "%.2fx by hand; 1/%.2f of training", c->median / hand->median,
                   s->cases[OUR_TRAIN].median / c->median);
    else tw_bench_row(b, name, 1e6 * c->median, "us", NULL);
  }
  if (s->depth == 5 && s->samples == 500)
    tw_bench_row(b, "peak of this core: multiply-adds", 1e-9 * rate, "GFLOP/s", NULL);
}

static void acceptance(TwBench *b, const Size *s) {
  char name[80];
  const TwBenchCase *c = s->cases;
  double train = c[OUR_TRAIN].median / c[HAND_TRAIN].median,
         pretrain = c[OUR_PRETRAIN].median / c[HAND_PRETRAIN].median;
  double rate = peak_rate(s);
  if (s->depth == 5 && s->samples == 500) {
    tw_bench_accept(b, "4.1", "training step / by hand, 500 samples", train, false, 1.10);
    tw_bench_accept(b, "4.2", "pretraining step / by hand, 500 samples", pretrain, false, 1.15);
    tw_bench_accept(b, "4.2", "training step / pretraining step, 500 samples",
                    c[OUR_TRAIN].median / c[OUR_PRETRAIN].median, true, 2.5);
  }
  if (s->depth == 5 && s->samples == 50000) {
    tw_bench_accept(b, "4.1", "training step, share of the FMA peak, 50,000 samples",
                    flop(5) * 50000 / c[OUR_TRAIN].median / rate, true, 0.85);
    tw_bench_accept(b, "-", "  the same by hand", flop(5) * 50000 / c[HAND_TRAIN].median / rate, true, 0.85);
  }
  if (s->depth == 40) {
    snprintf(name, sizeof name, "depth 40, %d samples: training step / by hand", s->samples);
    tw_bench_accept(b, "4.3", name, train, false, 1.15);
  }
}

static void measure(TwBench *b, int depth, int samples) {
  Size s;
  open_size(&s, b, depth, samples);
  tw_bench_rounds(s.cases, CASES, b->quick ? 15 : 41, 1.5e-3);
  report(b, &s);
  acceptance(b, &s);
  close_size(&s);
}

void tw_bench_steps(TwBench *b) {
  static const int sizes[][2] = {{5, 500},  {5, 5000}, {5, 50000}, {5, 500000},
                                 {10, 500}, {20, 500}, {40, 500},  {40, 50000}};
  tw_bench_section(b, "One epoch, one thread (CPU time)");
  if (!b->hand) {
    tw_bench_row(b, "steps", NAN, "us", "this machine has no AVX2 with FMA");
    return;
  }
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    bool needed = sizes[k][1] == 500 ? sizes[k][0] == 5 || sizes[k][0] == 40 : sizes[k][1] != 5000 && sizes[k][0] == 5;
    if (needed || !b->quick) measure(b, sizes[k][0], sizes[k][1]);
  }
}
