/* check.c: before anything is timed: the hand-written steps compute what the compiled ones compute. */
#include <math.h>
#include <stdlib.h>

#include "bench/bench.h"

/* Compares one gradient; the compiled one is read from Adam's first moment after one update. */
static bool same_gradient(const TwBenchStep *s, const TwHandNet *hand, const uint64_t *place, float loss,
                          float hand_loss, const char *what, bool print) {
  double largest = 0, worst = 0;
  bool finite = isfinite(loss) && isfinite(hand_loss);
  for (int k = 0; k < hand->adam.n; k++) {
    double g = 10.0 * (double)s->moment[place[k]], h = (double)hand->adam.g[k];
    finite &= isfinite(g) && isfinite(h);
    if (fabs(g) > largest) largest = fabs(g);
    if (fabs(g - h) > worst) worst = fabs(g - h);
  }
  double off = fabs((double)loss - (double)hand_loss) / (double)loss;
  /* Sums in another order: a few units of f32's last place on the largest element. */
  bool ok = finite && largest > 0 && worst <= 2e-5 * largest && off <= 2e-5;
  if (print || !ok)
    printf("  %s: loss %.7g, by hand %.7g; gradient off by %.1e of its largest element: %s\n", what, (double)loss,
           (double)hand_loss, worst / largest, ok ? "the same" : "DIFFERENT");
  return ok;
}

static bool check_stage(TwBenchProgram *p, const TwHandKernels *k, uint32_t stage, int depth, const TwHandData *data,
                        const char *what, bool print) {
  TwBenchStep *s = tw_bench_step_new(p, stage, 0);
  int n = stage ? tw_hand_dense_count(depth) : tw_hand_waves_count(depth);
  TwHandNet *hand = tw_hand_net_new(depth, n);
  uint64_t *place = malloc(sizeof *place * (size_t)n);
  float *start = malloc(sizeof *start * (size_t)n);
  if (!place || !start) abort();
  bool ok = s->stage->n_flat == (uint64_t)n;
  for (int i = 0; ok && i < n; i++) {
    place[i] = stage ? tw_bench_flat_of_weight(s, depth, i) : (uint64_t)i;
    start[i] = s->flat_start[place[i]];
  }
  if (ok) {
    tw_hand_net_start(hand, start);
    float loss = tw_bench_step(s), by_hand = (stage ? k->dense : k->waves)(hand, data);
    ok = same_gradient(s, hand, place, loss, by_hand, what, print);
  } else {
    printf("  %s: %llu trained values, by hand %d\n", what, (unsigned long long)s->stage->n_flat, n);
  }
  free(place);
  free(start);
  tw_hand_net_free(hand);
  tw_bench_step_free(s);
  return ok;
}

bool tw_bench_check(TwBench *b, bool print) {
  static const struct {
    const char *depth, *samples;
  } sizes[] = {{"5", "500"}, {"5", "77"}, {"3", "1100"}, {"8", "300"}, {"12", "33"}};
  bool ok = true;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    TwDefine d[] = {{"depth", sizes[i].depth}, {"samples", sizes[i].samples}};
    TwBenchProgram *p = tw_bench_compile(b, "flagship", d, 2, 0);
    TwHandData *data = tw_hand_data_new(p->datas.at[0].at[0], p->datas.at[0].at[1], p->datas.at[0].n_rows);
    for (int bits = 256; bits <= 512; bits += 256) {
      const TwHandKernels *k = tw_hand_kernels(bits);
      for (uint32_t stage = 0; k && stage < 2; stage++) {
        char what[96];
        snprintf(what, sizeof what, "depth %2s, %4s samples, %s, %s", sizes[i].depth, sizes[i].samples, k->name,
                 stage ? "training" : "pretraining");
        ok &= check_stage(p, k, stage, atoi(sizes[i].depth), data, what, print);
      }
    }
    tw_hand_data_free(data);
    tw_bench_program_free(p);
  }
  return ok;
}
