/* seed.c: one seed: its start, its stages in order, and what it leaves. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run.h"
#include "runtime/state.h"
#include "runtime/text.h"

void tw_rt_seed_fail(TwRtWorker *w, TwRtStatus kind, uint32_t stage, int64_t epoch, const TwRtPlace *place,
                     const char *fmt, ...) {
  TwRtSeedResult *r = w->seed;
  if (r->status == TW_RT_OK || kind == TW_RT_NAN) r->status = kind;
  TwRtFailure *f = &r->failures[r->n_failures++];
  *f = (TwRtFailure){.kind = kind, .stage = stage, .epoch = epoch, .place = *place};
  va_list ap;
  va_start(ap, fmt);
  char *text = tw_rt_textv(fmt, ap);
  va_end(ap);
  tw_rt_text_into(f->text, sizeof f->text, "%s", text ? text : "out of memory");
  free(text);
}

/* Attempt 0 draws what the seed draws; the others are seeds of their own, found by seed and attempt. */
static void start(TwRtWorker *w, uint32_t seed_index, uint32_t attempt) {
  w->draw_seed = w->run->o->seeds[seed_index] + attempt * 0x9e3779b97f4a7c15ull;
  w->seed_in[0] = (int64_t)w->draw_seed;
  if (w->p->init.entry) tw_rt_call(w, &w->p->init, NULL);
}

/* ---- domains of the start values */

static bool inside(double v, double lo, double hi, bool lo_open, bool hi_open) {
  return isfinite(v) && (lo_open ? v > lo : v >= lo) && (hi_open ? v < hi : v <= hi);
}

/* The first seed's mistake in the order asked is the one that is told. */
static void bad_start(TwRtRun *run, TwRtBadStart b) {
  pthread_mutex_lock(&run->lock);
  if (!run->bad || b.seed_index < run->bad_start.seed_index) run->bad_start = b;
  run->bad = true;
  pthread_mutex_unlock(&run->lock);
}

bool tw_rt_start_outside(const TwRtProgram *p, const double *shown, TwRtBadStart *out) {
  for (uint32_t k = 0; k < p->n_params; k++) {
    const TwRtParam *q = &p->params[k];
    double lo = tw_rt_round(q->lo, p->f64), hi = tw_rt_round(q->hi, p->f64);
    for (uint64_t i = 0; i < q->count; i++) {
      double drawn = shown[q->at + i], value = tw_rt_round(drawn, p->f64);
      if (inside(value, lo, hi, q->lo_open, q->hi_open)) continue;
      *out = (TwRtBadStart){.param = k, .element = i, .drawn = drawn, .value = value};
      return true;
    }
  }
  return false;
}

/* false: a start is outside of its domain, which was told. */
static bool check_attempt(TwRtWorker *w, uint32_t seed_index, uint32_t attempt) {
  TwRtRun *run = w->run;
  start(w, seed_index, attempt);
  TwRtBadStart bad;
  if (tw_rt_start_outside(w->p, w->init_shown, &bad)) {
    bad.seed_index = seed_index;
    bad.attempt = attempt;
    bad_start(run, bad);
    return false;
  }
  for (uint64_t i = 0; i < w->p->n_shown; i++) w->init_shown[i] = tw_rt_round(w->init_shown[i], w->f64);
  int64_t outside = tw_rt_outside(w);
  if (outside < 0) return true;
  const double *x = w->init_shown + w->p->params[outside].at;
  bad_start(run, (TwRtBadStart){seed_index, attempt, (uint32_t)outside, 0, x[0], x[0]});
  return false;
}

/* All that `retry` may come to, too: a law that can miss its domain is a mistake, whenever it does. */
void tw_rt_seed_check_start(TwRtWorker *w, uint32_t seed_index) {
  int64_t retries = 0;
  for (uint32_t s = 0; s < w->p->n_stages; s++)
    if (w->p->stages[s].retries > retries) retries = w->p->stages[s].retries;
  for (int64_t k = 0; k <= retries && check_attempt(w, seed_index, (uint32_t)k); k++) {}
}

/* ---- expects */

/* A quantity of the pieces; false: they cannot be found. */
static bool expected_pieces(TwRtWorker *w, const TwRtExpect *x, const void *flat, TwRtFound *f) {
  uint32_t last = w->p->n_stages - 1;
  if (x->quantity != TW_RT_QU_PIECES)
    return tw_rt_found_of(w, last, x->model, flat, x->lo, x->hi, x->sliver, (TwRtQuantity)x->quantity, f);
  TwRtRegions r = tw_rt_regions_of(w, last, x->model, flat, x->lo, x->hi, x->sliver, UINT32_MAX);
  *f = (TwRtFound){.value = (double)r.pieces};
  return r.counted;
}

static void expect_pieces(TwRtWorker *w, const TwRtExpect *x, const void *flat, TwRtExpected *to) {
  TwRtFound f = {0};
  bool found = w->p->n_stages > 0 && expected_pieces(w, x, flat, &f);
  to->value = found ? f.value : NAN;
  to->ok = tw_rt_holds(to->value, x->compare, x->bound);
  if (to->ok) return;
  if (found) tw_rt_found_text(&f, (TwRtQuantity)x->quantity, to->why, sizeof to->why);
  else tw_rt_refused_text(w, (TwRtQuantity)x->quantity, to->why, sizeof to->why);
}

static double expected_value(const TwRtWorker *w, const TwRtExpect *x) {
  switch (x->kind) {
    case TW_RT_XP_LOSS: return w->seed->loss;
    case TW_RT_XP_BEST_LOSS: return w->seed->best_loss;
    case TW_RT_XP_MEASURE: return w->seed->measures[x->measure];
    case TW_RT_XP_REGIONS: break;
  }
  return NAN;
}

static void check_expects(TwRtWorker *w, const void *flat) {
  for (uint32_t k = 0; k < w->p->n_expects; k++) {
    const TwRtExpect *x = &w->p->expects[k];
    TwRtExpected *to = &w->run->expected[(size_t)w->seed_index * w->p->n_expects + k];
    *to = (TwRtExpected){.checked = true};
    if (x->kind == TW_RT_XP_REGIONS) {
      expect_pieces(w, x, flat, to);
      continue;
    }
    to->value = expected_value(w, x);
    to->ok = tw_rt_holds(to->value, x->compare, tw_rt_round(x->bound, w->f64));
    if (!to->ok) tw_rt_text_into(to->why, sizeof to->why, "the left side is %.*g", w->f64 ? 17 : 9, to->value);
  }
}

/* ---- the stages */

static void copy_shown(const TwRtWorker *w, double *to) {
  for (uint64_t i = 0; i < w->p->n_shown; i++) to[i] = tw_rt_get(w->shown, i, w->f64);
}

/* What a seed leaves, from its last stage's values. */
static void leave(TwRtWorker *w, TwRtStageRun *g, const void *flat, bool complete) {
  TwRtSeedResult *r = w->seed;
  copy_shown(w, r->shown);
  tw_rt_call(w, &g->st->shown, w->flat[g->best]);
  copy_shown(w, r->best_shown);
  bool in_last = g->index + 1 == w->p->n_stages;
  const TwRtOptions *o = w->run->o;
  if (o->stage_done && in_last && complete) {
    tw_rt_stage_scatter(g, w->flat[g->best]);
    o->stage_done(o->context, w->seed_index, g->index, true, w->shown, w->values);
    tw_rt_stage_scatter(g, flat);
  }
  if (in_last) {
    r->loss = g->loss;
    r->best_loss = g->best_loss;
  }
  if (r->status == TW_RT_NAN || !in_last) return;
  tw_rt_call(w, &g->st->eval, flat);
  for (uint32_t i = 0; i < w->p->n_measures; i++) r->measures[i] = tw_rt_scalar(w, w->measures, i);
  if (!complete) return;
  tw_rt_checks_end(w, g->index, g->epoch, flat);
  check_expects(w, flat);
}

static void begin(TwRtWorker *w, uint32_t seed_index, uint32_t attempt) {
  const TwRtProgram *p = w->p;
  w->seed = &w->run->result->seeds[seed_index];
  w->seed_index = seed_index;
  start(w, seed_index, attempt);
  for (uint64_t i = 0; i < p->n_values; i++) tw_rt_put(w->values, i, w->init_values[i], w->f64);
  for (uint64_t i = 0; i < p->n_shown; i++) tw_rt_put(w->shown, i, w->init_shown[i], w->f64);
  if (p->n_ensures) memset(w->failed, 0, p->n_ensures * sizeof *w->failed);
}

void tw_rt_seed_start(TwRtWorker *w, uint32_t seed_index) { begin(w, seed_index, 0); }

/* Is the seed to start again after this stage? What its last attempt failed at is forgotten with it. */
static bool retry(TwRtWorker *w, const TwRtStageRun *g) {
  const TwRtStage *st = g->st;
  TwRtSeedResult *r = w->seed;
  if (g->stopped || (int64_t)r->retries >= st->retries) return false;
  bool nowhere = r->status == TW_RT_NAN || !isfinite(g->best_loss);
  if (!nowhere && !tw_rt_holds(g->best_loss, st->retry.compare, tw_rt_round(st->retry.bound, w->f64))) return false;
  r->status = TW_RT_OK;
  r->n_failures = 0;
  for (uint32_t s = 0; s < w->p->n_stages; s++) {
    free(r->stages[s].values);
    double seconds = r->stages[s].seconds;
    r->stages[s] = (TwRtStageResult){
        .loss = NAN, .best_loss = NAN, .best_epoch = -1, .min_regions = -1, .max_regions = -1, .seconds = seconds};
  }
  r->retries++;
  return true;
}

void tw_rt_seed_train(TwRtWorker *w, uint32_t seed_index) {
  const TwRtProgram *p = w->p;
  w->seed = &w->run->result->seeds[seed_index];
  w->seed_index = seed_index;
  if (tw_rt_stop_asked(w->run)) {
    w->seed->status = TW_RT_STOPPED;
    return;
  }
  TwRtStageRun runs[2] = {0}, saved = {0};
  TwRtLoaded loaded = tw_rt_state_load(w, &saved);
  if (loaded == TW_RT_SEED_DONE) return;
  if (loaded == TW_RT_NOT_LOADED) {
    w->seed->status = TW_RT_STOPPED;
    return;
  }
  if (loaded == TW_RT_NOT_SAVED) tw_rt_seed_start(w, seed_index);
  saved.resumed = loaded == TW_RT_IN_STAGE;
  int64_t done = saved.done_before;
  const void *flat = NULL;
  bool go_on = true;
  uint32_t s = saved.index;
  for (; s < p->n_stages && go_on; s++) {
    TwRtStageRun *g = &runs[s % 2];
    const TwRtStageRun *before = &runs[1 - s % 2];
    if (saved.resumed && s == saved.index) *g = saved;
    else *g = (TwRtStageRun){.w = w, .st = &p->stages[s], .r = &w->seed->stages[s], .index = s, .done_before = done};
    go_on = tw_rt_stage_train(g, before, &flat);
    done += p->stages[s].epochs;
    const TwRtOptions *o = w->run->o;
    if (retry(w, g)) {
      if (o->restart) o->restart(o->context, seed_index);
      begin(w, seed_index, w->seed->retries);
      memset(runs, 0, sizeof runs);
      done = 0;
      go_on = true;
      saved.resumed = false;
      s = UINT32_MAX; /* the first stage is next */
    } else if (go_on && o->stage_done) {
      o->stage_done(o->context, seed_index, g->index, false, w->shown, w->values);
    }
  }
  if (s == 0) {
    copy_shown(w, w->seed->shown);
    copy_shown(w, w->seed->best_shown);
    check_expects(w, NULL);
  } else {
    leave(w, &runs[(s - 1) % 2], flat, go_on);
  }
  if (s == 0 || !runs[(s - 1) % 2].stopped) tw_rt_state_save(w, NULL);
}
