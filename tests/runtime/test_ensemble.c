/* Many seeds: the same bits for any number of threads and in any company; one seed's NaN is its own;
 * regions counted by ensures; progress; and what an epoch costs. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "runtime/rng.h"
#include "tests/runtime/fake.h"

#include <sched.h>
#include <time.h>

/* logistic: a chaotic map in f32, so that a single wrong bit anywhere is seen at the end. Its "net" is
 * relu(c0 x + c1), for the regions. */
enum { N = 20 };
static const float *in32(const TwRtCall *c, int i) { return c->in[i]; }
static float *out32(const TwRtCall *c, int i) { return c->out[i]; }

static void init(const TwRtCall *c) {
  uint64_t seed = (uint64_t) * (const int64_t *)c->in[0];
  for (uint64_t i = 0; i < N; i++) out64(c, 0)[i] = out64(c, 1)[i] = 0.1 + 0.8 * tw_rt_uniform(seed, 77, i);
  out64(c, 0)[N] = out64(c, 1)[N] = (double)seed;
}
static float mean_of(const float *w) {
  float s = 0;
  for (int i = 0; i < N; i++) s += w[i];
  return s / (float)N;
}
/* in: VALUES FLAT STATE COLUMN EPOCH; out: FLAT STATE LOSS NORM */
static void step(const TwRtCall *c) {
  const float *w = in32(c, 1), *s = in32(c, 2), *x = in32(c, 3);
  *out32(c, 2) = mean_of(w);
  *out32(c, 3) = 1;
  if (in32(c, 0)[N] == 3 && *in32(c, 4) == 40) *out32(c, 2) = NAN; /* seed 3 fails at epoch 40 */
  for (int i = 0; i < N; i++) {
    float next = 3.9f * w[i] * (1 - w[i]) + 0.001f * x[i % 4] * s[i];
    out32(c, 1)[i] = 0.5f * s[i] + w[i];
    out32(c, 0)[i] = next < 0.01f ? 0.01f : next > 0.99f ? 0.99f : next;
  }
}
static void eval(const TwRtCall *c) {
  *out32(c, 0) = mean_of(in32(c, 1));
  *out32(c, 1) = in32(c, 1)[N - 1];
}
static void shown(const TwRtCall *c) {
  for (int i = 0; i < N; i++) out32(c, 0)[i] = in32(c, 1)[i];
  out32(c, 0)[N] = in32(c, 0)[N];
}
static void coeffs(const TwRtCall *c) { /* a breakpoint at c0, so inside (0, 1) */
  out32(c, 0)[0] = 1;
  out32(c, 0)[1] = -in32(c, 1)[0];
}

static const TwRtSlot seed_in[] = {SLOT(SEED, .count = 1)};
static const TwRtSlot init_out[] = {SLOT(VALUES, .count = N + 1), SLOT(SHOWN, .count = N + 1)};
static const TwRtSlot step_in[] = {SLOT(VALUES, .count = N + 1), SLOT(FLAT, .count = N), SLOT(STATE, .count = N),
                                   SLOT(COLUMN, .count = 4), SLOT(EPOCH, .count = 1)};
static const TwRtSlot step_out[] = {SLOT(FLAT, .count = N), SLOT(STATE, .count = N), SLOT(LOSS, .count = 1),
                                    SLOT(NORM, .count = 1)};
static const TwRtSlot values_flat[] = {SLOT(VALUES, .count = N + 1), SLOT(FLAT, .count = N)};
static const TwRtSlot eval_out[] = {SLOT(LOSS, .count = 1), SLOT(MEASURE, .count = 1)};
static const TwRtSlot shown_out[] = {SLOT(SHOWN, .count = N + 1)};
static const TwRtSlot coeffs_out[] = {SLOT(COEFFS, .count = 2)};
static const char *const measures[] = {"last"};
static const double zero = 0;
static const TwRtAxis axis = {.name = "x", .lo = 0, .hi = 1, .n = 32};
static const TwRtData data = {.name = "train", .n_rows = 32, .n_inputs = 1, .n_columns = 1, .axes = &axis};
static const TwRtRange range = {0, 0, N};
static const TwRtPlTerm terms[] = {{0, 0}};
static const TwRtPlNode nodes[] = {
    {.kind = TW_PL_INPUT},
    {.kind = TW_PL_AFFINE, .bias = 1, .term = 0, .n_terms = 1},
    {.kind = TW_PL_RELU, .a = 1},
};

typedef struct Ensemble {
  TwRtPl pls[3];
  TwRtStage stages[3];
  TwRtModel model;
  TwRtEnsure ensure;
  TwRtProgram p;
} Ensemble;

static void make(Ensemble *e) {
  *e = (Ensemble){.model = {.name = "f", .n_inputs = 1, .lo = 0, .hi = 1, .sliver = 0x1p-8}};
  for (int s = 0; s < 3; s++) {
    e->pls[s] = (TwRtPl){.model = "f",
                         .n_nodes = 3,
                         .n_terms = 1,
                         .n_coeffs = 2,
                         .output = 2,
                         .nodes = nodes,
                         .terms = terms,
                         .coeffs = FN("coeffs", coeffs, values_flat, coeffs_out)};
    e->stages[s] = (TwRtStage){.name = s == 0   ? "one"
                                       : s == 1 ? "two"
                                                : "three",
                               .n_flat = N,
                               .n_ranges = 1,
                               .ranges = &range,
                               .epochs = 100 + 50 * s,
                               .batch = s == 1 ? 4 : 0,
                               .n_states = 1,
                               .state_start = &zero,
                               .keep = s == 2,
                               .keep_best = s == 1,
                               .optimizer = "o",
                               .step = FN("step", step, step_in, step_out),
                               .eval = FN("eval", eval, values_flat, eval_out),
                               .shown = FN("shown", shown, values_flat, shown_out),
                               .pls = &e->pls[s]};
  }
  e->ensure = (TwRtEnsure){.text = "regions(f, [0, 1]) >= 2",
                           .is_regions = true,
                           .lo = 0,
                           .hi = 1,
                           .sliver = 0x1p-8,
                           .compare = TW_RT_GE,
                           .bound = 2,
                           .during = 7,
                           .every = 10};
  e->p = (TwRtProgram){.abi = TW_RT_ABI,
                       .n_values = N + 1,
                       .n_shown = N + 1,
                       .n_datas = 1,
                       .n_stages = 3,
                       .n_measures = 1,
                       .n_models = 1,
                       .n_ensures = 1,
                       .datas = &data,
                       .stages = e->stages,
                       .measures = measures,
                       .models = &e->model,
                       .ensures = &e->ensure,
                       .init = FN("init", init, seed_in, init_out)};
}

/* Bits, so that NaN equals NaN and 0 is not -0. */
static bool same(const void *a, const void *b, size_t n) { return memcmp(a, b, n) == 0; }

static void same_seed(const TwRtSeedResult *a, const TwRtSeedResult *b, const char *what) {
  unsigned long long seed = a->seed;
  CHECK(a->seed == b->seed && a->status == b->status && a->n_failures == b->n_failures, "%s, seed %llu", what, seed);
  CHECK(same(&a->loss, &b->loss, 8) && same(&a->best_loss, &b->best_loss, 8), "%s, seed %llu: losses", what, seed);
  CHECK(same(a->shown, b->shown, (N + 1) * 8) && same(a->best_shown, b->best_shown, (N + 1) * 8),
        "%s, seed %llu: values", what, seed);
  CHECK(same(a->measures, b->measures, 8), "%s, seed %llu: measures", what, seed);
  for (int s = 0; s < 3; s++) {
    const TwRtStageResult *x = &a->stages[s], *y = &b->stages[s];
    CHECK(same(&x->loss, &y->loss, 8) && same(&x->best_loss, &y->best_loss, 8) && x->best_epoch == y->best_epoch &&
              x->steps == y->steps && x->regions.pieces == y->regions.pieces && x->min_regions == y->min_regions,
          "%s, seed %llu: stage %d", what, seed, s);
  }
}

static void same_bits(void) {
  Ensemble e;
  make(&e);
  uint64_t seeds[30];
  for (uint64_t i = 0; i < 30; i++) seeds[i] = i;
  TwRtResult *all = run_seeds(&e.p, seeds, 30, 1);
  CHECK(!all->error, "%s", all->error);
  static const uint32_t threads[] = {2, 3, 5, 0, 64};
  for (size_t k = 0; k < COUNT_OF(threads); k++) {
    TwRtResult *r = run_seeds(&e.p, seeds, 30, threads[k]);
    for (int i = 0; i < 30; i++) same_seed(&all->seeds[i], &r->seeds[i], "threads");
    tw_rt_result_free(&e.p, r);
  }
  for (int i = 0; i < 30; i++) {
    TwRtResult *r = run_seeds(&e.p, &seeds[i], 1, 1);
    same_seed(&all->seeds[i], &r->seeds[0], "alone");
    tw_rt_result_free(&e.p, r);
  }
  CHECK(!same(&all->seeds[0].loss, &all->seeds[1].loss, 8), "two seeds differ");
  for (int i = 0; i < 30; i++) {
    const TwRtSeedResult *s = &all->seeds[i];
    CHECK_INT(s->status, i == 3 ? TW_RT_NAN : TW_RT_OK);
    if (i == 3) CHECK_INT(s->failures[0].epoch, 40);
    else CHECK(isfinite(s->loss) && s->best_loss <= s->loss, "seed %d: %g %g", i, s->loss, s->best_loss);
  }
  tw_rt_result_free(&e.p, all);
}

static void regions(void) {
  Ensemble e;
  make(&e);
  TwRtResult *r = run_one(&e.p);
  const TwRtStageResult *st = &r->seeds[0].stages[0];
  CHECK(st->regions.counted, "a relu can be counted");
  CHECK_INT(st->regions.pieces, 2);
  CHECK_INT(st->regions.dead, 0);
  CHECK_INT(st->min_regions, 2);
  CHECK_INT(st->max_regions, 2);
  CHECK_INT(r->seeds[0].status, TW_RT_OK);
  tw_rt_result_free(&e.p, r);

  e.ensure.bound = 3;
  r = run_one(&e.p);
  CHECK_INT(r->seeds[0].status, TW_RT_ENSURE);
  CHECK_INT(r->seeds[0].n_failures, 1);
  CHECK_INT(r->seeds[0].failures[0].epoch, 0);
  CHECK_HAS(r->seeds[0].failures[0].text, "'regions(f, [0, 1]) >= 2' fails at epoch 0 of stage 'one': there are 2");
  tw_rt_result_free(&e.p, r);

  e.p.n_ensures = 0; /* counted at the end of a stage all the same */
  const TwRtExpect x = {
      .text = "regions(f, [2, 3]) = 1", .kind = TW_RT_XP_REGIONS, .lo = 2, .hi = 3, .compare = TW_RT_EQ, .bound = 1};
  e.p.n_expects = 1;
  e.p.expects = &x;
  r = run_one(&e.p);
  CHECK_INT(r->seeds[0].stages[0].regions.pieces, 2);
  CHECK_INT(r->seeds[0].stages[0].min_regions, -1);
  CHECK_INT(r->n_expects_failed, 0);
  tw_rt_result_free(&e.p, r);
}

/* ---- progress */

typedef struct Seen {
  int calls;
  double fraction;
  uint32_t done;
  bool ordered;
} Seen;
static void progress(void *context, const TwRtProgress *p) {
  Seen *s = context;
  s->calls++;
  s->ordered = s->ordered && p->fraction >= s->fraction - 1e-12 && p->seeds_done >= s->done && p->fraction <= 1 + 1e-12;
  s->fraction = p->fraction;
  s->done = p->seeds_done;
}
static void slow_step(const TwRtCall *c) {
  struct timespec t = {.tv_nsec = 2000000};
  nanosleep(&t, NULL);
  step(c);
}

static void shows_progress(void) {
  Ensemble e;
  make(&e);
  const uint64_t seeds[] = {0, 1, 2};
  for (uint32_t threads = 1; threads <= 2; threads++) {
    e.stages[0].step.entry = slow_step;
    Seen seen = {.ordered = true};
    TwRtOptions o = {.seeds = seeds, .n_seeds = 3, .threads = threads, .progress = progress, .context = &seen};
    TwRtResult *r = tw_rt_train(&e.p, &o);
    int expected = (int)(r->seconds / 0.1);
    CHECK(seen.calls >= 2 && seen.calls <= expected + 2, "%d calls in %g s", seen.calls, r->seconds);
    CHECK(seen.ordered, "progress goes on");
    CHECK_NEAR(seen.fraction, 1, 1e-12);
    CHECK_INT(seen.done, 3);
    tw_rt_result_free(&e.p, r);
  }
}

/* ---- the cost of an epoch */

static void no_step(const TwRtCall *c) {
  out32(c, 0)[0] = in32(c, 1)[0];
  *out32(c, 2) = 1;
  *out32(c, 3) = 1;
}
static void improving_step(const TwRtCall *c) {
  float v = in32(c, 1)[0];
  out32(c, 0)[0] = v * 0.999999f;
  *out32(c, 2) = v;
  *out32(c, 3) = 1;
}
static double seconds_of(Ensemble *e, TwRtEntry entry) {
  e->stages[0].step.entry = entry;
  TwRtResult *r = run_one(&e->p);
  double s = r->seeds[0].stages[0].seconds;
  tw_rt_result_free(&e->p, r);
  return s;
}
static void overhead(void) {
  enum { EPOCHS = 500000 };
  Ensemble e;
  make(&e);
  e.p.n_stages = 1;
  e.p.n_ensures = 0;
  e.stages[0].epochs = EPOCHS;
  float a[16] = {1}, b[16], loss[16], norm[16];
  const void *in[] = {a, a};
  void *out[] = {b, a, loss, norm};
  TwRtEntry volatile entry = no_step;
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int i = 0; i < EPOCHS; i++) entry(&(TwRtCall){.in = in, .out = out});
  clock_gettime(CLOCK_MONOTONIC, &end);
  double bare = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
  double plain = seconds_of(&e, no_step), best = seconds_of(&e, improving_step);
  double ns = 1e9 / (double)EPOCHS;
  printf("an epoch costs %.1f ns, %.1f ns if it is the best; its step alone %.1f ns\n", plain * ns, best * ns,
         bare * ns);
  CHECK(plain < 60 * bare + 1e-3 && best < 60 * bare + 1e-3, "%g, %g and %g ns", plain * ns, best * ns, bare * ns);
}

/* A process that is bound to one core counts one, whatever the machine has. */
static void bound(void) {
  cpu_set_t was, one;
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof was, &was) != 0) return; /* more than fit */
  CHECK(tw_rt_cores() == (uint32_t)CPU_COUNT(&was), "%u cores", tw_rt_cores());
  for (size_t k = 0; k < CPU_SETSIZE && CPU_COUNT(&one) == 0; k++)
    if (CPU_ISSET(k, &was)) CPU_SET(k, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0 && tw_rt_cores() == 1, "%u cores where one is allowed",
        tw_rt_cores());
  sched_setaffinity(0, sizeof was, &was);
}

int main(void) {
  same_bits();
  regions();
  shows_progress();
  overhead();
  bound();
  return tw_test_done("ensemble");
}
