/* The meaning of stages: losses and epochs, best and last, releases, keep, batches, ensures, expects,
 * NaN, domains, stop. One thread; test_ensemble.c has many. */
#include "tests/runtime/fake.h"

/* ---- quad: two params, three weights (p0, p1, p0 p1); stage pre trains the params, post the weights */

static void quad_init(const TwRtCall *c) {
  double *values = out64(c, 0), *shown = out64(c, 1);
  double seed = (double)*(const int64_t *)c->in[0];
  values[0] = 3 + seed, values[1] = 5;
  for (int i = 2; i < 5; i++) values[i] = -99; /* must be released before anyone reads it */
  shown[0] = values[0], shown[1] = values[1];
  shown[2] = shown[0], shown[3] = shown[1], shown[4] = shown[0] * shown[1];
}
static double quad_loss(const double *w, int n) {
  double s = 0;
  for (int i = 0; i < n; i++) s += 0.5 * (w[i] - 1 - i) * (w[i] - 1 - i);
  return s;
}
/* in: FLAT; out: FLAT LOSS NORM. Plain gradient descent with rate 0.1. */
static void quad_step(const TwRtCall *c, int n) {
  const double *w = in64(c, 0);
  double norm = 0;
  *out64(c, 1) = quad_loss(w, n);
  for (int i = 0; i < n; i++) {
    double g = w[i] - 1 - i;
    norm += g * g;
    out64(c, 0)[i] = w[i] - 0.1 * g;
  }
  *out64(c, 2) = sqrt(norm);
}
static void quad_step2(const TwRtCall *c) { quad_step(c, 2); }
static void quad_step3(const TwRtCall *c) { quad_step(c, 3); }
/* in: VALUES FLAT; out: LOSS MEASURE MEASURE: the first coordinate, and the first stored value */
static void quad_eval(const TwRtCall *c, int n) {
  *out64(c, 0) = quad_loss(in64(c, 1), n);
  *out64(c, 1) = in64(c, 1)[0];
  *out64(c, 2) = in64(c, 0)[0];
}
static void quad_eval2(const TwRtCall *c) { quad_eval(c, 2); }
static void quad_eval3(const TwRtCall *c) { quad_eval(c, 3); }
static void quad_shown2(const TwRtCall *c) {
  const double *p = in64(c, 1);
  double *s = out64(c, 0);
  s[0] = p[0], s[1] = p[1], s[2] = p[0], s[3] = p[1], s[4] = p[0] * p[1];
}
static void quad_shown3(const TwRtCall *c) {
  double *s = out64(c, 0);
  s[0] = in64(c, 0)[0], s[1] = in64(c, 0)[1];
  for (int i = 0; i < 3; i++) s[2 + i] = in64(c, 1)[i];
}

static const TwRtSlot seed_in[] = {SLOT(SEED, .count = 1)};
static const TwRtSlot init_out[] = {SLOT(VALUES, .count = 5), SLOT(SHOWN, .count = 5)};
static const TwRtSlot flat_only[] = {SLOT(FLAT, .count = 3)};
static const TwRtSlot values_flat[] = {SLOT(VALUES, .count = 5), SLOT(FLAT, .count = 3)};
static const TwRtSlot step_out[] = {SLOT(FLAT, .count = 3), SLOT(LOSS, .count = 1), SLOT(NORM, .count = 1)};
static const TwRtSlot eval_out[] = {SLOT(LOSS, .count = 1), SLOT(MEASURE, .count = 1),
                                    SLOT(MEASURE, .index = 1, .count = 1)};
static const TwRtSlot shown_out[] = {SLOT(SHOWN, .count = 5)};
static const char *const measures[] = {"first", "stored"};

typedef struct Quad {
  TwRtRange params[1], weights[1], release[1];
  TwRtStage stages[2];
  TwRtProgram p;
} Quad;

static void quad_make(Quad *q) {
  *q = (Quad){.params = {{0, 0, 2}}, .weights = {{2, 0, 3}}, .release = {{2, 2, 3}}};
  q->stages[0] = (TwRtStage){.name = "pre",
                             .n_flat = 2,
                             .n_ranges = 1,
                             .ranges = q->params,
                             .epochs = 20,
                             .step = FN("pre.step", quad_step2, flat_only, step_out),
                             .eval = FN("pre.eval", quad_eval2, values_flat, eval_out),
                             .shown = FN("pre.shown", quad_shown2, values_flat, shown_out)};
  q->stages[1] = (TwRtStage){.name = "post",
                             .n_flat = 3,
                             .n_ranges = 1,
                             .ranges = q->weights,
                             .n_releases = 1,
                             .releases = q->release,
                             .epochs = 30,
                             .step = FN("post.step", quad_step3, flat_only, step_out),
                             .eval = FN("post.eval", quad_eval3, values_flat, eval_out),
                             .shown = FN("post.shown", quad_shown3, values_flat, shown_out)};
  q->p = (TwRtProgram){.abi = TW_RT_ABI,
                       .f64 = true,
                       .path = "quad.tw",
                       .variant = "main",
                       .n_values = 5,
                       .n_shown = 5,
                       .n_stages = 2,
                       .n_measures = 2,
                       .stages = q->stages,
                       .measures = measures,
                       .init = FN("init", quad_init, seed_in, init_out)};
}

static void losses_and_releases(void) {
  Quad q;
  quad_make(&q);
  TwRtResult *r = run_one(&q.p);
  CHECK(!r->error, "%s", r->error);
  const TwRtSeedResult *s = &r->seeds[0];
  CHECK_INT(s->status, TW_RT_OK);
  double k = pow(0.9, 20), p0 = 1 + 2 * k, p1 = 2 + 3 * k;
  CHECK_INT(s->stages[0].epochs, 20);
  CHECK_INT(s->stages[0].steps, 20);
  CHECK_NEAR(s->stages[0].loss, 0.5 * (4 + 9) * k * k, 1e-14);
  CHECK_NEAR(s->stages[0].best_loss, s->stages[0].loss, 0);
  CHECK_INT(s->stages[0].best_epoch, 20);
  double w[3] = {p0, p1, p0 * p1}, loss = 0;
  for (int i = 0; i < 3; i++) {
    w[i] = 1 + i + (w[i] - 1 - i) * pow(0.9, 30);
    loss += 0.5 * (w[i] - 1 - i) * (w[i] - 1 - i);
    CHECK_NEAR(s->shown[2 + i], w[i], 1e-13);
    CHECK_NEAR(s->best_shown[2 + i], w[i], 1e-13);
  }
  CHECK_NEAR(s->shown[0], p0, 1e-13); /* the params keep the values of their stage */
  CHECK_NEAR(s->loss, loss, 1e-14);
  CHECK_NEAR(s->best_loss, loss, 1e-14);
  CHECK_NEAR(s->measures[0], w[0], 1e-13);
  CHECK_NEAR(s->measures[1], p0, 1e-13);
  tw_rt_result_free(&q.p, r);

  q.p.stages++; /* skip pre: weights are released from the start's values */
  q.p.n_stages = 1;
  q.stages[1].epochs = 0;
  r = run_one(&q.p);
  CHECK_NEAR(r->seeds[0].shown[4], 15, 0);
  CHECK_NEAR(r->seeds[0].loss, 0.5 * (4 + 9 + 144), 0);
  CHECK_INT(r->seeds[0].stages[0].best_epoch, 0);
  tw_rt_result_free(&q.p, r);

  q.p.n_stages = 0;
  r = run_one(&q.p);
  CHECK_INT(r->seeds[0].status, TW_RT_OK);
  CHECK_NEAR(r->seeds[0].shown[4], 15, 0);
  CHECK(isnan(r->seeds[0].loss), "a program without stages has no loss");
  tw_rt_result_free(&q.p, r);
}

/* ---- march */

/* in: FLAT STATE STEP EPOCH EPOCHS; out: FLAT STATE LOSS NORM. Coordinate i moves by its state, which
 * counts up; the last one by STEP + 1000 EPOCH + 1000000 EPOCHS instead. */
static double march_nan_at = -1, march_inf_norm_at = -1;
static volatile int march_stop;
static double march_stop_at = -1;
static void march_step(const TwRtCall *c, int n) {
  const double *w = in64(c, 0), *s = in64(c, 1);
  for (int i = 0; i < n; i++) {
    out64(c, 1)[i] = s[i] + 1;
    out64(c, 0)[i] = w[i] + s[i] + 1;
  }
  out64(c, 0)[n - 1] = w[n - 1] + *in64(c, 2) + 1000 * *in64(c, 3) + 1e6 * *in64(c, 4);
  *out64(c, 2) = *in64(c, 3) == march_nan_at ? NAN : fabs(w[0] - 46);
  *out64(c, 3) = *in64(c, 3) == march_inf_norm_at ? INFINITY : 1;
  if (*in64(c, 3) == march_stop_at) march_stop = 1;
}
static void march_step3(const TwRtCall *c) { march_step(c, 3); }
static void march_eval(const TwRtCall *c) {
  *out64(c, 0) = fabs(in64(c, 1)[0] - 46);
  *out64(c, 1) = in64(c, 1)[0];
  *out64(c, 2) = in64(c, 0)[0];
}
/* VALUES as they will be: a test reads where each coordinate went. */
static const TwRtRange *march_ranges;
static void march_shown(const TwRtCall *c) {
  for (int i = 0; i < 5; i++) out64(c, 0)[i] = in64(c, 0)[i];
  for (int k = 0; k < 3; k++) out64(c, 0)[march_ranges[k].at] = in64(c, 1)[march_ranges[k].to];
}
static void march_init(const TwRtCall *c) {
  for (int i = 0; i < 5; i++) out64(c, 0)[i] = out64(c, 1)[i] = 0;
}
static void march_checks(const TwRtCall *c) { *out64(c, 0) = in64(c, 1)[0]; }

static const TwRtSlot march_in[] = {SLOT(FLAT, .count = 3), SLOT(STATE, .count = 3), SLOT(STEP, .count = 1),
                                    SLOT(EPOCH, .count = 1), SLOT(EPOCHS, .count = 1)};
static const TwRtSlot march_out[] = {SLOT(FLAT, .count = 3), SLOT(STATE, .count = 3), SLOT(LOSS, .count = 1),
                                     SLOT(NORM, .count = 1)};
static const TwRtSlot check_out[] = {SLOT(CHECK, .count = 1)};
static const double ten = 10;
/* Stage a trains values 0, 1, 2; stage b trains 3 as its first coordinate, then 1, then 0. */
static const TwRtRange a_ranges[] = {{0, 0, 1}, {1, 1, 1}, {2, 2, 1}};
static const TwRtRange b_ranges[] = {{3, 0, 1}, {0, 2, 1}, {1, 1, 1}};

typedef struct March {
  TwRtStage stages[2];
  TwRtEnsure ensures[2];
  TwRtProgram p;
} March;

static void march_make(March *m) {
  *m = (March){0};
  TwRtStage a = {.name = "a",
                 .n_flat = 3,
                 .n_ranges = 3,
                 .ranges = a_ranges,
                 .epochs = 6,
                 .n_states = 1,
                 .state_start = &ten,
                 .step = FN("a.step", march_step3, march_in, march_out),
                 .eval = FN("a.eval", march_eval, values_flat, eval_out),
                 .shown = FN("a.shown", march_shown, values_flat, shown_out),
                 .checks = FN("a.checks", march_checks, values_flat, check_out)};
  m->stages[0] = m->stages[1] = a;
  m->stages[1].name = "b";
  m->stages[1].ranges = b_ranges;
  m->p = (TwRtProgram){.abi = TW_RT_ABI,
                       .f64 = true,
                       .loss_place = {.path = "march.tw", .line = 9, .column = 1},
                       .n_values = 5,
                       .n_shown = 5,
                       .n_stages = 1,
                       .n_measures = 2,
                       .stages = m->stages,
                       .measures = measures,
                       .ensures = m->ensures,
                       .init = FN("init", march_init, seed_in, init_out)};
  march_ranges = a_ranges;
  march_nan_at = march_inf_norm_at = march_stop_at = -1;
  march_stop = 0;
}

static void best_and_last(void) {
  March m;
  march_make(&m);
  /* After e epochs c0 = 11 + 12 + … : 0 11 23 36 50 65 81; |c0 - 46| is 4 at epoch 4, its lowest. */
  TwRtResult *r = run_one(&m.p);
  const TwRtStageResult *st = &r->seeds[0].stages[0];
  CHECK_NEAR(st->loss, 35, 0);
  CHECK_NEAR(st->best_loss, 4, 0);
  CHECK_INT(st->best_epoch, 4);
  CHECK_NEAR(r->seeds[0].shown[0], 81, 0);
  CHECK_NEAR(r->seeds[0].best_shown[0], 50, 0);
  CHECK_NEAR(r->seeds[0].measures[0], 81, 0);
  /* STEP is 1 … 6, EPOCH 0 … 5, EPOCHS 6. */
  CHECK_NEAR(r->seeds[0].shown[2], 21 + 15000 + 36e6, 0);
  tw_rt_result_free(&m.p, r);

  m.stages[0].keep_best = true;
  r = run_one(&m.p);
  CHECK_NEAR(r->seeds[0].shown[0], 50, 0);
  CHECK_NEAR(r->seeds[0].measures[0], 50, 0);
  CHECK_NEAR(r->seeds[0].loss, 35, 0);
  CHECK_NEAR(r->seeds[0].best_loss, 4, 0);
  tw_rt_result_free(&m.p, r);

  m.stages[0].epochs = 4; /* the last epoch, whose loss eval tells, is the best */
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].stages[0].best_epoch, 4);
  CHECK_NEAR(r->seeds[0].best_shown[0], 50, 0);
  tw_rt_result_free(&m.p, r);
}

static void keep(void) {
  March m;
  march_make(&m);
  m.p.n_stages = 2;
  m.stages[1].epochs = 2;
  march_ranges = a_ranges;
  /* Both stages show by a_ranges; what b has scattered is read off a third stage without epochs. */
  TwRtStage stages[3] = {m.stages[0], m.stages[1], m.stages[0]};
  stages[2].epochs = 0;
  m.p.stages = stages;
  m.p.n_stages = 3;
  TwRtResult *r = run_one(&m.p);
  /* Afresh: value 1 was 81 and moves by 11 and 12; value 3 likewise; value 0 is b's last coordinate. */
  CHECK_NEAR(r->seeds[0].shown[1], 81 + 23, 0);
  CHECK_NEAR(r->seeds[0].shown[3], 23, 0);
  CHECK_NEAR(r->seeds[0].shown[0], 81 + 3 + 1000 + 4e6, 0);
  tw_rt_result_free(&m.p, r);

  stages[1].keep = true;
  r = run_one(&m.p);
  /* Kept: value 1's state was 16, so it moves by 17 and 18; value 3 is new and starts at 10; the steps
   * count on from 6. */
  CHECK_NEAR(r->seeds[0].shown[1], 81 + 35, 0);
  CHECK_NEAR(r->seeds[0].shown[3], 23, 0);
  CHECK_NEAR(r->seeds[0].shown[0], 81 + 15 + 1000 + 4e6, 0);
  tw_rt_result_free(&m.p, r);

  stages[1].optimizer = "sgd"; /* another optimizer's states mean something else */
  stages[0].optimizer = "adam";
  r = run_one(&m.p);
  CHECK_NEAR(r->seeds[0].shown[1], 81 + 23, 0);
  tw_rt_result_free(&m.p, r);
}

static void ensures(void) {
  March m;
  march_make(&m);
  m.p.n_ensures = 1;
  m.ensures[0] = (TwRtEnsure){.text = "c0 <= 23",
                              .place = {.path = "march.tw", .line = 4, .column = 3},
                              .compare = TW_RT_LE,
                              .bound = 23,
                              .during = 1,
                              .every = 1};
  TwRtResult *r = run_one(&m.p); /* c0: 0 11 23 36 */
  const TwRtSeedResult *s = &r->seeds[0];
  CHECK_INT(s->status, TW_RT_ENSURE);
  CHECK_INT(s->n_failures, 1);
  CHECK_INT(s->failures[0].epoch, 3);
  CHECK_INT(s->failures[0].place.line, 4);
  CHECK_HAS(s->failures[0].text, "'c0 <= 23' fails at epoch 3 of stage 'a': the left side is 36");
  CHECK_INT(s->stages[0].epochs, 6); /* it trains on */
  CHECK_NEAR(s->loss, 35, 0);
  tw_rt_result_free(&m.p, r);

  m.ensures[0].every = 2;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].failures[0].epoch, 4);
  tw_rt_result_free(&m.p, r);
  m.ensures[0].every = 100; /* the last epoch is always looked at */
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].failures[0].epoch, 6);
  tw_rt_result_free(&m.p, r);
  m.ensures[0].bound = 81;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].status, TW_RT_OK);
  tw_rt_result_free(&m.p, r);

  m.ensures[0].compare = TW_RT_GT; /* epoch 0 counts: 0 > 0 does not hold */
  m.ensures[0].bound = 0;
  m.ensures[0].every = 1;
  m.ensures[0].stop = true;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].status, TW_RT_ENSURE);
  CHECK_INT(r->seeds[0].stages[0].epochs, 0);
  CHECK_NEAR(r->seeds[0].loss, 46, 0);
  tw_rt_result_free(&m.p, r);

  m.ensures[0].compare = TW_RT_LT;
  m.ensures[0].bound = 23;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].stages[0].epochs, 2);
  CHECK_INT(r->seeds[0].stages[0].steps, 2);
  CHECK_NEAR(r->seeds[0].shown[0], 23, 0);
  CHECK_NEAR(r->seeds[0].measures[0], 23, 0);
  CHECK_NEAR(r->seeds[0].loss, 23, 0);
  tw_rt_result_free(&m.p, r);

  m.ensures[0].during = 0; /* once, at the end */
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].failures[0].epoch, 6);
  CHECK_INT(r->seeds[0].stages[0].epochs, 6);
  tw_rt_result_free(&m.p, r);
  m.ensures[0].during = 2; /* a stage that is not there: holds vacuously */
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].status, TW_RT_OK);
  tw_rt_result_free(&m.p, r);
}

static void not_finite(void) {
  March m;
  march_make(&m);
  m.p.n_stages = 2;
  march_nan_at = 4;
  TwRtResult *r = run_one(&m.p);
  const TwRtSeedResult *s = &r->seeds[0];
  CHECK_INT(s->status, TW_RT_NAN);
  CHECK_INT(s->failures[0].epoch, 4);
  CHECK_INT(s->failures[0].place.line, 9);
  CHECK_HAS(s->failures[0].text, "the loss is nan at epoch 4 of stage 'a'");
  CHECK_INT(s->stages[0].epochs, 4);
  CHECK_NEAR(s->stages[0].best_loss, 10, 0); /* epoch 3 */
  CHECK_INT(s->stages[0].best_epoch, 3);
  CHECK_INT(s->stages[1].epochs, 0);
  CHECK(isnan(s->loss) && isnan(s->best_loss) && isnan(s->measures[0]), "what was not reached is not known");
  tw_rt_result_free(&m.p, r);
  march_nan_at = -1;
  march_inf_norm_at = 0;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].status, TW_RT_NAN);
  CHECK_HAS(r->seeds[0].failures[0].text, "the gradient of the loss is infinite at epoch 0");
  tw_rt_result_free(&m.p, r);
}

static void stop(void) {
  March m;
  march_make(&m);
  m.p.n_stages = 2;
  march_stop_at = 2; /* asked for while epoch 2's update is made */
  const uint64_t seeds[] = {0, 1};
  TwRtOptions o = {.seeds = seeds, .n_seeds = 2, .threads = 1, .stop = &march_stop};
  TwRtResult *r = tw_rt_train(&m.p, &o);
  CHECK_INT(r->seeds[0].status, TW_RT_STOPPED);
  CHECK_INT(r->seeds[0].stages[0].epochs, 3);
  CHECK_NEAR(r->seeds[0].stages[0].loss, 10, 0);
  CHECK_NEAR(r->seeds[0].shown[0], 36, 0);
  CHECK_INT(r->seeds[1].status, TW_RT_STOPPED);
  CHECK_INT(r->seeds[1].stages[0].epochs, 0);
  tw_rt_result_free(&m.p, r);
}

static void expects(void) {
  March m;
  march_make(&m);
  const TwRtExpect x[] = {
      {.text = "loss <= 35", .kind = TW_RT_XP_LOSS, .compare = TW_RT_LE, .bound = 35},
      {.text = "loss < 35", .kind = TW_RT_XP_LOSS, .compare = TW_RT_LT, .bound = 35},
      {.text = "best_loss = 4", .kind = TW_RT_XP_BEST_LOSS, .compare = TW_RT_EQ, .bound = 4},
      {.text = "first >= 82", .kind = TW_RT_XP_MEASURE, .compare = TW_RT_GE, .bound = 82},
      {.text = "first > 80", .kind = TW_RT_XP_MEASURE, .compare = TW_RT_GT, .bound = 80},
  };
  m.p.n_expects = COUNT_OF(x);
  m.p.expects = x;
  TwRtResult *r = run_one(&m.p);
  CHECK_INT(r->n_expects_failed, 2);
  if (r->n_expects_failed == 2) {
    CHECK_HAS(r->expects[0].text, "'loss < 35' is not met by seed 0: the left side is 35");
    CHECK_HAS(r->expects[1].text, "'first >= 82' is not met by seed 0: the left side is 81");
  }
  CHECK_INT(r->seeds[0].status, TW_RT_OK);
  tw_rt_result_free(&m.p, r);
}

/* ---- batches: the step writes down which rows it gets */

enum { ROWS = 11, BATCH = 3, BATCH_EPOCHS = 5 };
static double rows_seen[4096];
static int n_seen, batch_rows;
static double nan_from_row = -1; /* a batch that begins with this row has loss NaN */
static void batch_target(const TwRtCall *c) {
  for (int i = 0; i < ROWS; i++) out64(c, 0)[i] = 100 + in64(c, 0)[i];
}
static void batch_step(const TwRtCall *c) { /* in FLAT COLUMN COLUMN; out FLAT LOSS NORM */
  for (int i = 0; i < batch_rows; i++) {
    CHECK_NEAR(in64(c, 2)[i], 100 + in64(c, 1)[i], 0); /* the columns stay together */
    rows_seen[n_seen++] = in64(c, 1)[i];
  }
  for (int i = 0; i < 3; i++) out64(c, 0)[i] = in64(c, 0)[i] + 1;
  *out64(c, 1) = in64(c, 1)[0] == nan_from_row ? NAN : 1e9; /* a batch's loss is nobody's business */
  *out64(c, 2) = 1;
}
static void batch_eval(const TwRtCall *c) { /* in VALUES FLAT COLUMN; out LOSS MEASURE MEASURE */
  double sum = 0;
  for (int i = 0; i < ROWS; i++) sum += in64(c, 2)[i];
  *out64(c, 0) = sum + in64(c, 1)[0];
  *out64(c, 1) = *out64(c, 2) = 0;
}

static void batches(void) {
  March m;
  march_make(&m);
  const TwRtAxis axis = {.name = "x", .lo = 0, .hi = ROWS - 1, .n = ROWS};
  const TwRtSlot target_in[] = {SLOT(COLUMN, .index = 0, .count = ROWS)};
  const TwRtSlot target_out[] = {SLOT(COLUMN, .index = 1, .count = ROWS)};
  TwRtData data = {.name = "train",
                   .n_rows = ROWS,
                   .n_inputs = 1,
                   .n_columns = 1,
                   .axes = &axis,
                   .target = FN("target", batch_target, target_in, target_out)};
  TwRtSlot in[] = {SLOT(FLAT, .count = 3), SLOT(COLUMN, .index = 0, .count = BATCH),
                   SLOT(COLUMN, .index = 1, .count = BATCH)};
  const TwRtSlot eval_in[] = {SLOT(VALUES, .count = 5), SLOT(FLAT, .count = 3), SLOT(COLUMN, .count = ROWS)};
  m.p.n_datas = 1;
  m.p.datas = &data;
  m.stages[0].step = (TwRtFn)FN("b.step", batch_step, in, step_out);
  m.stages[0].eval = (TwRtFn)FN("b.eval", batch_eval, eval_in, eval_out);
  m.stages[0].n_states = 0;
  m.stages[0].epochs = BATCH_EPOCHS;
  m.stages[0].batch = batch_rows = BATCH;
  n_seen = 0;
  TwRtResult *r = run_one(&m.p);
  CHECK(!r->error, "%s", r->error);
  CHECK_INT(r->seeds[0].stages[0].epochs, BATCH_EPOCHS);
  CHECK_INT(r->seeds[0].stages[0].steps, BATCH_EPOCHS * 3);
  CHECK_NEAR(r->seeds[0].loss, 55 + 15, 0); /* on full data, after 15 updates */
  CHECK_NEAR(r->seeds[0].best_loss, 55, 0);
  CHECK_INT(r->seeds[0].stages[0].best_epoch, 0);
  CHECK_NEAR(r->seeds[0].best_shown[0], 0, 0);
  CHECK_INT(n_seen, BATCH_EPOCHS * 9);
  unsigned left_out = 0;
  for (int e = 0; e < BATCH_EPOCHS; e++) {
    unsigned seen = 0;
    for (int i = 0; i < 9; i++) seen |= 1u << (int)rows_seen[9 * e + i];
    CHECK_INT(__builtin_popcount(seen), 9); /* no row twice in an epoch */
    left_out |= ~seen & ((1u << ROWS) - 1);
  }
  CHECK(__builtin_popcount(left_out) > 2, "other rows wait in each epoch");
  CHECK(memcmp(rows_seen, rows_seen + 9, 9 * sizeof *rows_seen) != 0, "another order in each epoch");
  double first[9];
  memcpy(first, rows_seen, sizeof first);
  tw_rt_result_free(&m.p, r);

  n_seen = 0;
  r = run_one(&m.p);
  CHECK(memcmp(first, rows_seen, sizeof first) == 0, "the same seed, the same batches");
  tw_rt_result_free(&m.p, r);

  nan_from_row = first[3];
  n_seen = 0;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].status, TW_RT_NAN);
  CHECK_INT(n_seen, 6);
  CHECK_INT(r->seeds[0].failures[0].epoch, 1);
  CHECK_HAS(r->seeds[0].failures[0].text, "the loss of a batch is nan at epoch 1");
  tw_rt_result_free(&m.p, r);
  nan_from_row = -1;

  in[1].count = ROWS;
  r = run_one(&m.p);
  CHECK_HAS(r->error, "compiled for 11 rows, and gets 3");
  tw_rt_result_free(&m.p, r);

  m.stages[0].batch = 64; /* at least all rows: the full batch, in order */
  in[1].count = in[2].count = ROWS;
  batch_rows = ROWS;
  n_seen = 0;
  r = run_one(&m.p);
  CHECK_INT(r->seeds[0].stages[0].steps, BATCH_EPOCHS);
  CHECK_NEAR(rows_seen[1], 1, 0);
  CHECK_NEAR(rows_seen[10], 10, 0);
  tw_rt_result_free(&m.p, r);
}

/* ---- domains of starts */

static double start_at[2];
static void start_init(const TwRtCall *c) {
  march_init(c);
  for (int i = 0; i < 2; i++) out64(c, 0)[i] = out64(c, 1)[i] = start_at[i];
}

static void start(const TwRtProgram *p, double a, double b, const char *error) {
  start_at[0] = a, start_at[1] = b;
  TwRtResult *r = run_one(p);
  if (!error) CHECK(!r->error, "%s", r->error);
  else CHECK_HAS(r->error, error);
  if (error) CHECK_INT(r->error_place.line, 21);
  tw_rt_result_free(p, r);
}

static void domains(void) {
  March m;
  march_make(&m);
  TwRtParam param = {.name = "peak",
                     .start_place = {.path = "m.tw", .line = 21, .column = 2},
                     .count = 2,
                     .lo = 0,
                     .hi = 1,
                     .lo_open = true,
                     .hi_open = true};
  m.p.n_params = 1;
  m.p.params = &param;
  m.p.init.entry = start_init;
  start(&m.p, 0.5, 1e-300, NULL);
  start(&m.p, 0.5, 0, "'peak[1]' starts at 0, outside its domain (0, 1) (seed 0)");
  start(&m.p, 1, 0.5, "'peak[0]' starts at 1, outside its domain (0, 1)");
  start(&m.p, 0.5, NAN, "'peak[1]' starts at nan");
  param.lo_open = param.hi_open = false;
  start(&m.p, 0, 1, NULL);
  start(&m.p, -0x1p-60, 1, "outside its domain [0, 1]");
  param.lo = 0.5;
  param.hi = INFINITY;
  param.hi_open = true;
  start(&m.p, 0.5, 1e30, NULL);
  start(&m.p, 0.5, INFINITY, "starts at inf, outside its domain [0.5, inf)");
  m.p.n_stages = 0; /* f32: the fake functions are f64, so nothing but the start is run */
  m.p.f64 = false;
  param.lo = 0.7; /* rounds below 0.7; so does a start at 0.7 */
  start(&m.p, 0.7, 0.7, NULL);
  param.lo = 0;
  param.hi = 1;
  start(&m.p, 0.5, 1 - 1e-9, "'peak[1]' starts at 0.99999999900000003, which is 1 in f32, outside its domain [0, 1)");
}

int main(void) {
  losses_and_releases();
  best_and_last();
  keep();
  ensures();
  not_finite();
  stop();
  expects();
  batches();
  domains();
  return tw_test_done("train");
}
