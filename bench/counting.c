/* counting.c: what counting regions at every epoch costs, beside the epoch: on the weights of 64 moments of each stage,
 * with the coefficients computed anew each time. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "runtime/regions.h"

enum { MOMENTS = 64, APART = 15 };

typedef struct Counting {
  TwBenchStep *step;
  const TwRtPl *pl;
  TwRtCounter *counter;
  const void *values;
  float *flat, *coeffs; /* of every moment */
  size_t n_flat;
  double *wide;
  void *work;
  int64_t pieces;
} Counting;

static size_t padded(uint64_t n) { return (size_t)(n + 31) / 16 * 16; }

static void open_counting(Counting *c, TwBenchStep *step) {
  *c = (Counting){.step = step, .pl = &step->stage->pls[0], .values = step->values};
  c->n_flat = padded(step->stage->n_flat);
  c->counter = tw_rt_counter_new(c->pl);
  c->flat = aligned_alloc(64, MOMENTS * c->n_flat * sizeof *c->flat);
  c->coeffs = aligned_alloc(64, padded(c->pl->n_coeffs) * sizeof *c->coeffs);
  c->wide = malloc(padded(c->pl->n_coeffs) * sizeof *c->wide);
  c->work = aligned_alloc(64, (c->pl->coeffs.work_bytes / 64 + 1) * 64);
  if (!c->counter || !c->flat || !c->coeffs || !c->wide || !c->work) abort();
  tw_bench_step_restart(step);
  for (int m = 0; m < MOMENTS; m++) {
    for (int k = 0; k < APART; k++) tw_bench_step(step);
    const float *now = NULL; /* what the next step would read */
    for (uint32_t i = 0; i < step->stage->step.n_in; i++)
      if (step->stage->step.in[i].role == TW_RT_FLAT) now = step->in[i];
    if (now) memcpy(c->flat + (size_t)m * c->n_flat, now, (size_t)step->stage->n_flat * sizeof *now);
  }
}

static void close_counting(Counting *c) {
  tw_rt_counter_free(c->counter);
  free(c->flat);
  free(c->coeffs);
  free(c->wide);
  free(c->work);
}

static void run_count(void *context, int64_t times) {
  Counting *c = context;
  for (int64_t k = 0; k < times; k++) {
    const void *in[2] = {c->values, c->flat + (size_t)(k % MOMENTS) * c->n_flat};
    void *out = c->coeffs;
    c->pl->coeffs.entry(&(TwRtCall){.in = in, .out = &out, .work = c->work});
    for (uint32_t i = 0; i < c->pl->n_coeffs; i++) c->wide[i] = (double)c->coeffs[i];
    c->pieces += tw_rt_count_pieces(c->counter, c->wide, 0, 1, 0x1p-8).pieces;
  }
}

static void measure(TwBench *b, const char *samples, double most) {
  TwBenchProgram *p = tw_bench_compile(b, "flagship", (TwDefine[]){{"depth", "5"}, {"samples", samples}}, 2, 0);
  TwBenchStep *step[2] = {tw_bench_step_new(p, 0, 0), tw_bench_step_new(p, 1, 0)};
  Counting c[2];
  for (int k = 0; k < 2; k++) open_counting(&c[k], step[k]);
  TwBenchCase cases[] = {{.name = "training", .run = tw_bench_run_step, .context = step[1]},
                         {.name = "count, pretraining", .run = run_count, .context = &c[0]},
                         {.name = "count, training", .run = run_count, .context = &c[1]}};
  tw_bench_rounds(cases, 3, b->quick ? 15 : 41, 1.5e-3);
  char name[96];
  for (int k = 0; k < 3; k++) {
    snprintf(name, sizeof name, "%s samples, %s", samples, cases[k].name);
    tw_bench_row(b, name, 1e6 * cases[k].median, "us", k ? "%.2f of a training epoch" : "an epoch",
                 cases[k].median / cases[0].median);
  }
  snprintf(name, sizeof name, "regions at every epoch / training epoch, %s samples", samples);
  double worse = cases[1].median > cases[2].median ? cases[1].median : cases[2].median;
  tw_bench_accept(b, "6", name, worse / cases[0].median, false, most);
  for (int k = 0; k < 2; k++) {
    close_counting(&c[k]);
    tw_bench_step_free(step[k]);
  }
  tw_bench_program_free(p);
}

void tw_bench_counting(TwBench *b) {
  tw_bench_section(b, "Counting regions, depth 5, one thread (CPU time)");
  measure(b, "500", 1);
  measure(b, "5000", 0.2);
}
