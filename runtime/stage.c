/* stage.c: one stage of one seed.
 *
 * The loss of epoch e is the one after e updates. The full-batch step returns the loss at the values
 * that came in, so in the loop below epoch e is judged (finite? best? ensures?) after the step has been
 * called from its values and before they are given up; the last epoch's loss comes from eval. With a
 * batch, every epoch's loss comes from eval, on full data.
 *
 * lm and lbfgs (second.h) know loss and gradient before epoch e is judged; an epoch is one iteration, accepted or not.
 *
 * Beyond the compiled call an epoch costs a few nanoseconds: nothing is allocated, locked or copied,
 * and the clock is read about fifty times a second. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rng.h"
#include "runtime/run.h"
#include "runtime/second.h"
#include "runtime/state.h"

/* ---- before the first epoch */

static void copy_reals(void *to, uint64_t to_at, const void *from, uint64_t from_at, uint64_t n, bool f64) {
  size_t size = tw_rt_real_size(f64);
  if (n) memcpy((unsigned char *)to + to_at * size, (const unsigned char *)from + from_at * size, n * size);
}

static void release_and_gather(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  for (uint32_t i = 0; i < g->st->n_releases; i++) {
    const TwRtRange *r = &g->st->releases[i];
    copy_reals(w->values, r->at, w->shown, r->to, r->n, w->f64);
  }
  for (uint32_t i = 0; i < g->st->n_ranges; i++) {
    const TwRtRange *r = &g->st->ranges[i];
    copy_reals(w->flat[g->cur], r->to, w->values, r->at, r->n, w->f64);
  }
}

static bool same_optimizer(const TwRtStage *a, const TwRtStage *b) {
  if (a->n_states != b->n_states) return false;
  return !a->optimizer || !b->optimizer || strcmp(a->optimizer, b->optimizer) == 0;
}

/* `keep`: the states of coordinates that the stage before trained too, found by their place in VALUES.
 * Its states are in the buffers of parity `from`, ours go to the others. True if there are any. */
static bool carry_states(TwRtStageRun *g, const TwRtStage *before, uint32_t from) {
  bool any = false;
  for (uint32_t i = 0; i < g->st->n_ranges; i++) {
    const TwRtRange *a = &g->st->ranges[i];
    for (uint32_t j = 0; j < before->n_ranges; j++) {
      const TwRtRange *b = &before->ranges[j];
      uint64_t lo = a->at > b->at ? a->at : b->at;
      uint64_t a_end = a->at + a->n, b_end = b->at + b->n, hi = a_end < b_end ? a_end : b_end;
      if (lo >= hi) continue;
      any = true;
      for (uint32_t k = 0; k < g->st->n_states; k++)
        copy_reals(g->w->state[1 - from][k], a->to + (lo - a->at), g->w->state[from][k], b->to + (lo - b->at), hi - lo,
                   g->w->f64);
    }
  }
  return any;
}

static void start_states(TwRtStageRun *g, const TwRtStageRun *before) {
  uint32_t from = before->parity;
  for (uint32_t k = 0; k < g->st->n_states; k++)
    for (uint64_t i = 0; i < g->st->n_flat; i++)
      tw_rt_put(g->w->state[1 - from][k], i, g->st->state_start[k], g->w->f64);
  bool keep = g->st->keep && before->st && same_optimizer(g->st, before->st);
  if (keep && carry_states(g, before->st, from)) g->carried = before->carried + before->steps;
  g->parity = 1 - from;
}

void tw_rt_stage_enter(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  const TwRtStage *st = g->st;
  g->started = tw_rt_now();
  g->epochs = st->epochs > 0 ? st->epochs : 0;
  g->epochs_of_round = st->rounds > 0 ? g->epochs / st->rounds : g->epochs;
  int64_t rows = st->batch > 0 && st->batch_data < w->p->n_datas ? w->p->datas[st->batch_data].n_rows : 0;
  if (st->batch > 0 && st->batch < rows) {
    g->batch = st->batch;
    g->n_batches = rows / st->batch;
  }
  tw_rt_put(w->epochs, 0, (double)g->epochs, w->f64);
}

void tw_rt_stage_begin(TwRtStageRun *g, const TwRtStageRun *before) {
  tw_rt_stage_enter(g);
  g->next = 1;
  g->loss = g->best_loss = NAN;
  g->r->best_epoch = -1;
  g->r->min_regions = g->r->max_regions = -1;
  release_and_gather(g);
  start_states(g, before);
  tw_rt_bind_step(g);
  if (g->st->method != TW_RT_COMPILED) tw_rt_second_begin(g);
  tw_rt_checks_begin(g);
}

/* ---- one update */

static void call_step(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  tw_rt_put(w->step, 0, (double)(g->carried + g->steps + 1), w->f64);
  *g->flat_in = w->flat[g->cur];
  *g->flat_out = w->flat[g->next];
  g->st->step.entry(
      &(TwRtCall){.in = (const void *const *)w->step_in, .out = w->step_out, .work = w->work, .pool = w->pool});
  g->loss = tw_rt_get(w->loss, 0, w->f64);
  g->norm = tw_rt_get(w->norm, 0, w->f64);
}

/* Makes what the step has written the present values. */
static void advance(TwRtStageRun *g) {
  g->cur = g->next;
  /* cur and best differ now, so the third buffer is free. */
  g->next = 3 - g->cur - g->best;
  g->parity = 1 - g->parity;
  for (uint32_t i = 0; i < g->n_swaps; i++) *g->w->swaps[i].slot = g->w->swaps[i].at[g->parity];
  g->steps++;
}

static const char *nan_or_inf(double v) { return isnan(v) ? "nan" : "infinite"; }

/* All rows of the batch have the weight 0, so that a mean over it is 0 / 0. The data as a whole do not show it. */
static bool is_weightless(const TwRtStageRun *g) {
  const TwRtWorker *w = g->w;
  const TwRtData *d = &w->p->datas[g->st->batch_data];
  if (!d->weighted) return false;
  const void *weights = w->batch[w->run->datas.at[g->st->batch_data].n - 1];
  for (int64_t i = 0; i < g->batch; i++)
    if (tw_rt_get(weights, (uint64_t)i, w->f64) > 0) return false;
  return true;
}

static TwRtVerdict not_finite(TwRtStageRun *g, int64_t epoch, bool batch) {
  const TwRtProgram *p = g->w->p;
  bool loss = !isfinite(g->loss), none = batch && is_weightless(g);
  tw_rt_seed_fail(g->w, TW_RT_NAN, g->index, epoch, &p->loss_place, "the %s%s is %s at epoch %lld of stage '%s'%s%s%s",
                  loss ? "loss" : "norm of the gradient of the loss", batch ? " of a batch" : "",
                  nan_or_inf(loss ? g->loss : g->norm), (long long)epoch, g->st->name,
                  none ? ": all its rows of '" : "", none ? p->datas[g->st->batch_data].name : "",
                  none ? "' have the weight 0" : "");
  return TW_RT_END_SEED;
}

static void gather_batch(TwRtStageRun *g, int64_t number) {
  TwRtWorker *w = g->w;
  const TwRtColumns *data = &w->run->datas.at[g->st->batch_data];
  const uint32_t *order = w->order + number * g->batch;
  for (uint32_t c = 0; c < data->n; c++) {
    if (w->f64) {
      const double *from = data->at[c];
      for (int64_t i = 0; i < g->batch; i++) ((double *)w->batch[c])[i] = from[order[i]];
    } else {
      const float *from = data->at[c];
      for (int64_t i = 0; i < g->batch; i++) ((float *)w->batch[c])[i] = from[order[i]];
    }
  }
}

/* The updates of one epoch. What is left over of the rows waits for the next shuffle. */
static TwRtVerdict train_batches(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  double loss = g->loss;
  tw_rt_shuffle(w->draw_seed, g->index, (uint64_t)g->epoch, w->order,
                (uint32_t)w->run->datas.at[g->st->batch_data].n_rows);
  for (int64_t b = 0; b < g->n_batches; b++) {
    gather_batch(g, b);
    call_step(g);
    if (!isfinite(g->loss) || !isfinite(g->norm)) return not_finite(g, g->epoch + 1, true);
    advance(g);
  }
  g->loss = loss;
  return TW_RT_GO_ON;
}

/* ---- epochs */

static void evaluate(TwRtStageRun *g, const void *flat) {
  tw_rt_call(g->w, &g->st->eval, flat);
  g->loss = tw_rt_get(g->w->loss, 0, g->w->f64);
  g->norm = 0;
}

/* Judges the present values, whose loss is known. */
static inline TwRtVerdict judge(TwRtStageRun *g, bool last) {
  if (!isfinite(g->loss) || !isfinite(g->norm)) return not_finite(g, g->epoch, false);
  if (!(g->loss >= g->best_loss)) {
    g->best_loss = g->loss;
    g->best = g->cur;
    g->r->best_epoch = g->epoch;
  }
  if (g->epoch >= g->due || last)
    if (!tw_rt_checks_at(g, g->w->flat[g->cur], last)) return TW_RT_END_SEED;
  const TwRtOptions *o = g->w->run->o;
  if (o->watch && (last || g->epoch % o->watch_every == 0)) tw_rt_watch(g, g->w->flat[g->cur]);
  return TW_RT_GO_ON;
}

/* Has the stage come to its end before its last epoch? Its own rules, of a loss that is not judged yet. */
static bool ends_early(const TwRtStageRun *g) {
  const TwRtStage *st = g->st;
  if (!isfinite(g->loss)) return false;
  if (st->until.given && tw_rt_holds(g->loss, st->until.compare, tw_rt_round(st->until.bound, g->w->f64))) return true;
  if (st->rounds) return false;
  bool new_best = !(g->loss >= g->best_loss);
  return g->settled || (st->patience > 0 && !new_best && g->epoch - g->r->best_epoch >= st->patience);
}

/* With rounds: is this one over? The first begins at epoch 0. */
static bool round_is_over(const TwRtStageRun *g) {
  const TwRtStage *st = g->st;
  if (g->epoch == 0 || g->settled || g->epoch - g->round_start >= g->epochs_of_round) return true;
  int64_t since = g->r->best_epoch > g->round_start ? g->r->best_epoch : g->round_start;
  return st->patience > 0 && g->epoch - since >= st->patience;
}

/* One iteration of lm or lbfgs, or the next round of them first. False: there is none left. */
static bool iterate(TwRtStageRun *g) {
  if (g->st->rounds && round_is_over(g)) {
    if (g->epoch > 0 && ++g->round == g->st->rounds) return false;
    g->round_start = g->epoch;
    tw_rt_second_kick(g);
    if (!isfinite(g->loss)) g->settled = true; /* a kick into nowhere: the next round starts from the best again */
    else tw_rt_second_judge(g, false);
  }
  if (!g->settled) tw_rt_second_iterate(g);
  return true;
}

/* What the epoch's judgement needs to know of the present values. */
static void know(TwRtStageRun *g, bool last) {
  TwRtWorker *w = g->w;
  tw_rt_put(w->epoch, 0, (double)g->epoch, w->f64);
  if (g->st->method != TW_RT_COMPILED) tw_rt_second_judge(g, last);
  else if (last || g->batch) evaluate(g, w->flat[g->cur]);
  else call_step(g);
}

TwRtVerdict tw_rt_stage_epoch(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  bool last = g->epoch == g->epochs;
  know(g, last);
  if (!last && ends_early(g)) {
    g->epochs = g->epoch;
    last = g->ended = true;
  }
  if (judge(g, last) == TW_RT_END_SEED) return TW_RT_END_SEED;
  if (last) return TW_RT_STAGE_DONE;
  if (g->st->method != TW_RT_COMPILED) {
    if (!iterate(g)) {
      g->ended = true;
      return TW_RT_STAGE_DONE;
    }
  } else if (!g->batch) advance(g);
  else if (train_batches(g) == TW_RT_END_SEED) return TW_RT_END_SEED;
  g->epoch++;
  if (--w->until_tick == 0) tw_rt_tick(g);
  if (tw_rt_stop_asked(w->run)) {
    tw_rt_state_save(w, g); /* before the look at what is due at the last epoch, which this is not */
    g->stopped = g->epoch < g->epochs || g->index + 1 < w->p->n_stages;
    g->epochs = g->epoch; /* the loop goes round once more, to know the loss */
  }
  return TW_RT_GO_ON;
}

/* ---- after the last epoch */

/* What nobody asked for must not cost much: 2^16 pieces take well under a second; fewer of a deep net. */
static uint32_t most_reported(const TwRtPl *pl) {
  uint32_t most = (1u << 23) / (pl->n_nodes + 1);
  return most > 1u << 16 ? 1u << 16 : most < 256 ? 256 : most;
}

static void report_regions(TwRtStageRun *g) {
  const TwRtProgram *p = g->w->p;
  uint32_t m = tw_rt_reported_model(p, g->st);
  if (m == p->n_models) return;
  const TwRtModel *model = &p->models[m];
  g->r->regions = tw_rt_regions_of(g->w, g->index, m, g->w->flat[g->cur], model->lo, model->hi, model->sliver,
                                   most_reported(&g->st->pls[m]));
}

void tw_rt_stage_scatter(TwRtStageRun *g, const void *flat) {
  for (uint32_t i = 0; i < g->st->n_ranges; i++) {
    const TwRtRange *r = &g->st->ranges[i];
    copy_reals(g->w->values, r->at, flat, r->to, r->n, g->w->f64);
  }
}

static void keep_values(TwRtStageRun *g) {
  const TwRtWorker *w = g->w;
  if (!w->run->o->keep_values && w->seed->status != TW_RT_NAN) return;
  g->r->values = malloc((w->p->n_values ? w->p->n_values : 1) * sizeof *g->r->values);
  for (uint64_t i = 0; g->r->values && i < w->p->n_values; i++) g->r->values[i] = tw_rt_get(w->values, i, w->f64);
}

void tw_rt_stage_end(TwRtStageRun *g, const void **flat) {
  bool finite = isfinite(g->loss) && isfinite(g->norm);
  TwRtStageResult *r = g->r;
  r->epochs = g->epoch;
  r->ended = g->ended;
  r->steps = g->steps;
  r->loss = g->loss;
  r->best_loss = g->best_loss;
  if (finite) report_regions(g);
  *flat = g->w->flat[finite && (g->st->keep_best || g->st->rounds) ? g->best : g->cur];
  tw_rt_call(g->w, &g->st->shown, *flat);
  tw_rt_stage_scatter(g, *flat);
  keep_values(g);
}

bool tw_rt_stage_train(TwRtStageRun *g, const TwRtStageRun *before, const void **flat) {
  if (g->resumed) tw_rt_bind_step(g);
  else tw_rt_stage_begin(g, before);
  TwRtVerdict verdict;
  do verdict = tw_rt_stage_epoch(g);
  while (verdict == TW_RT_GO_ON);
  tw_rt_stage_end(g, flat);
  g->r->seconds += tw_rt_now() - g->started;
  if (g->stopped && g->w->seed->status == TW_RT_OK) g->w->seed->status = TW_RT_STOPPED;
  return verdict == TW_RT_STAGE_DONE && !g->stopped;
}
