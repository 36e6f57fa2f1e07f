/* train.c: a whole run: data, memory, the pool of threads over seeds, progress, and the result. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cpu.h"
#include "runtime/run.h"
#include "runtime/state.h"
#include "runtime/text.h"

static const double TICK_SECONDS = 0.02, PROGRESS_SECONDS = 0.1, COUNT_SHARE = 50;

const char *tw_rt_status_text(TwRtStatus s) {
  switch (s) {
    case TW_RT_OK: return "ok";
    case TW_RT_ENSURE: return "ensure";
    case TW_RT_NAN: return "nan";
    case TW_RT_STOPPED: return "stopped";
  }
  return "?";
}

double tw_rt_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- progress */

static void show_progress(TwRtRun *run, bool final) {
  if (!run->o->progress || !run->show_progress) return;
  double now = tw_rt_now();
  if (!final && now - run->last_progress < PROGRESS_SECONDS) return;
  pthread_mutex_lock(&run->lock);
  int64_t epochs = run->done_epochs;
  uint32_t done = run->done;
  bool found = false;
  for (uint32_t i = 0; i < run->n_workers; i++) {
    const TwRtSnapshot *s = &run->workers[i].snapshot;
    if (!s->active) continue;
    epochs += s->done;
    if (!found) run->last_shown = *s;
    found = true;
  }
  pthread_mutex_unlock(&run->lock);
  double dt = now - run->last_progress;
  if (dt > 0 && epochs > run->last_epochs) {
    double rate = (double)(epochs - run->last_epochs) / dt;
    run->rate = run->rate > 0 ? 0.7 * run->rate + 0.3 * rate : rate;
  }
  run->last_progress = now;
  run->last_epochs = epochs;
  const TwRtProgram *p = run->p;
  const TwRtSnapshot *s = &run->last_shown;
  double total = (double)run->epochs_per_seed * run->o->n_seeds;
  TwRtProgress out = {
      .stage = s->stage,
      .n_stages = p->n_stages,
      .stage_name = p->n_stages ? p->stages[s->stage].name : "",
      .seed = s->seed,
      .epoch = s->epoch,
      .epochs = p->n_stages ? p->stages[s->stage].epochs : 0,
      .seeds_done = done,
      .n_seeds = run->o->n_seeds,
      .loss = s->loss,
      .best_loss = s->best_loss,
      .regions = s->regions,
      .fraction = total > 0 ? (double)epochs / total : 1,
      .seconds = now - run->started,
      .rate = run->rate,
  };
  run->o->progress(run->o->context, &out);
}

/* For the progress line: seldom enough that it takes a fiftieth of the time. */
static int64_t count_regions(TwRtStageRun *g, double now) {
  TwRtWorker *w = g->w;
  bool same = w->snapshot.active && w->snapshot.stage == g->index && w->snapshot.seed == w->seed->seed;
  if (!w->run->o->progress || !w->run->show_progress) return -1;
  if (now < w->next_count) return same ? w->snapshot.regions : -1;
  int64_t n = tw_rt_pieces_now(g, w->flat[g->cur]);
  double after = tw_rt_now();
  w->next_count = after + fmax(PROGRESS_SECONDS, COUNT_SHARE * (after - now));
  return n;
}

void tw_rt_tick(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  double now = tw_rt_now(), elapsed = now - w->last_tick;
  /* Aim at one reading every TICK_SECONDS, growing at most fourfold, so that one fast stretch cannot
   * make a slow stage silent. */
  double want = elapsed > 0 ? (double)w->ticks * TICK_SECONDS / elapsed : 4.0 * (double)w->ticks;
  double most = 4.0 * (double)w->ticks;
  if (want > most) want = most;
  w->ticks = want < 1 ? 1 : want > 1e9 ? (int64_t)1000000000 : (int64_t)want;
  w->until_tick = w->ticks;
  w->last_tick = now;
  int64_t regions = count_regions(g, now);
  pthread_mutex_lock(&w->run->lock);
  w->snapshot = (TwRtSnapshot){
      .active = true,
      .seed = w->seed->seed,
      .stage = g->index,
      .epoch = g->epoch,
      .done = g->done_before + g->epoch,
      .loss = g->loss,
      .best_loss = g->best_loss,
      .regions = regions,
  };
  pthread_mutex_unlock(&w->run->lock);
  const TwRtOptions *o = w->run->o;
  if (o->save && now - w->last_save >= o->save_seconds) {
    tw_rt_state_save(w, g);
    w->last_save = now;
  }
  if (w->id == 0) show_progress(w->run, false);
}

/* ---- the pool */

static bool take(TwRtRun *run, uint32_t *seed_index) {
  pthread_mutex_lock(&run->lock);
  bool any = run->next < run->o->n_seeds;
  if (any) *seed_index = run->next++;
  pthread_mutex_unlock(&run->lock);
  return any;
}

static void work(TwRtWorker *w) {
  TwRtRun *run = w->run;
  uint32_t seed_index;
  w->last_tick = w->last_save = tw_rt_now();
  while (take(run, &seed_index)) {
    run->item(w, seed_index);
    pthread_mutex_lock(&run->lock);
    w->snapshot.active = false;
    run->done++;
    run->done_epochs += run->epochs_per_seed;
    pthread_mutex_unlock(&run->lock);
    if (w->id == 0) show_progress(run, false);
  }
}

static void *thread_main(void *arg) {
  TwRtWorker *w = arg;
  TwRtRun *run = w->run;
  work(w);
  pthread_mutex_lock(&run->lock);
  run->running--;
  pthread_cond_signal(&run->changed);
  pthread_mutex_unlock(&run->lock);
  return NULL;
}

/* The main thread, which has nothing left to do, waits for the others and keeps showing where they are. */
static void wait_for_all(TwRtRun *run) {
  pthread_mutex_lock(&run->lock);
  while (run->running > 0) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(PROGRESS_SECONDS * 1e9);
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&run->changed, &run->lock, &until);
    pthread_mutex_unlock(&run->lock);
    show_progress(run, false);
    pthread_mutex_lock(&run->lock);
  }
  pthread_mutex_unlock(&run->lock);
}

/* Does `item` for every seed. A thread that cannot be had is done without. */
static void for_each_seed(TwRtRun *run, void (*item)(TwRtWorker *, uint32_t)) {
  run->item = item;
  run->next = run->done = 0;
  run->done_epochs = 0;
  uint32_t made = 1;
  sigset_t all, old; /* signals are for the main thread */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  for (; made < run->n_workers; made++) {
    pthread_mutex_lock(&run->lock);
    run->running++;
    pthread_mutex_unlock(&run->lock);
    if (pthread_create(&run->workers[made].thread, NULL, thread_main, &run->workers[made]) == 0) continue;
    pthread_mutex_lock(&run->lock);
    run->running--;
    pthread_mutex_unlock(&run->lock);
    break;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  work(&run->workers[0]);
  wait_for_all(run);
  for (uint32_t i = 1; i < made; i++) pthread_join(run->workers[i].thread, NULL);
}

uint32_t tw_rt_cores(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  /* A set of more than 1024 does not fit. */
  long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (uint32_t)n : 1;
}

/* ---- the result */

static void *zeroed(size_t n, size_t size, bool *ok) {
  void *p = calloc(n ? n : 1, size);
  if (!p) *ok = false;
  return p;
}

/* Everything a run can leave is there before it starts. */
static bool make_seeds(const TwRtProgram *p, const TwRtOptions *o, TwRtResult *r) {
  bool ok = true;
  r->seeds = zeroed(o->n_seeds, sizeof *r->seeds, &ok);
  if (!ok) return false;
  r->n_seeds = o->n_seeds;
  for (uint32_t i = 0; i < o->n_seeds; i++) {
    TwRtSeedResult *s = &r->seeds[i];
    *s = (TwRtSeedResult){.seed = o->seeds[i], .loss = NAN, .best_loss = NAN};
    s->measures = zeroed(p->n_measures, sizeof *s->measures, &ok);
    s->stages = zeroed(p->n_stages, sizeof *s->stages, &ok);
    s->failures = zeroed((size_t)p->n_ensures + 1, sizeof *s->failures, &ok);
    s->shown = zeroed(p->n_shown, sizeof *s->shown, &ok);
    s->best_shown = zeroed(p->n_shown, sizeof *s->best_shown, &ok);
    if (!ok) return false;
    for (uint32_t k = 0; k < p->n_measures; k++) s->measures[k] = NAN;
    for (uint64_t k = 0; k < p->n_shown; k++) s->shown[k] = s->best_shown[k] = NAN;
    for (uint32_t k = 0; k < p->n_stages; k++)
      s->stages[k] = (TwRtStageResult){
          .loss = NAN, .best_loss = NAN, .best_epoch = -1, .min_regions = -1, .max_regions = -1};
  }
  return true;
}

void tw_rt_result_free(const TwRtProgram *p, TwRtResult *r) {
  if (!r) return;
  for (uint32_t i = 0; i < r->n_seeds; i++) {
    free(r->seeds[i].measures);
    for (uint32_t k = 0; r->seeds[i].stages && k < p->n_stages; k++) free(r->seeds[i].stages[k].values);
    free(r->seeds[i].stages);
    free(r->seeds[i].failures);
    free(r->seeds[i].shown);
    free(r->seeds[i].best_shown);
  }
  free(r->seeds);
  free(r->expects);
  free(r->error);
  free(r);
}

static bool fill_expects(TwRtRun *run) {
  const TwRtProgram *p = run->p;
  TwRtResult *r = run->result;
  size_t all = (size_t)run->o->n_seeds * p->n_expects;
  for (size_t i = 0; i < all; i++) r->n_expects_failed += run->expected[i].checked && !run->expected[i].ok;
  if (!r->n_expects_failed) return true;
  r->expects = calloc(r->n_expects_failed, sizeof *r->expects);
  if (!r->expects) return false;
  uint32_t n = 0;
  for (size_t i = 0; i < all; i++) {
    const TwRtExpected *e = &run->expected[i];
    if (!e->checked || e->ok) continue;
    const TwRtExpect *x = &p->expects[i % p->n_expects];
    const TwRtSeedResult *s = &r->seeds[i / p->n_expects];
    TwRtFailure *f = &r->expects[n++];
    f->kind = TW_RT_OK;
    f->stage = p->n_stages ? p->n_stages - 1 : 0;
    f->epoch = p->n_stages ? s->stages[f->stage].epochs : 0;
    f->place = x->place;
    tw_rt_text_into(f->text, sizeof f->text, "'%.*s' is not met by seed %llu: %s", (int)tw_rt_text_cut(x->text, 120),
                    x->text, (unsigned long long)s->seed, e->why);
  }
  return true;
}

/* ---- refusals */

static void refuse(TwRtResult *r, char *error, const TwRtPlace *place) {
  r->error = error;
  if (place) r->error_place = *place;
}

/* "[3]", "[1, 2]", or nothing for a scalar. */
static char *element_text(const TwRtProgram *p, const TwRtParam *param, uint64_t element) {
  const TwRtTensor *t = NULL;
  for (uint32_t i = 0; i < p->n_tensors; i++)
    if (p->tensors[i].at == param->at && p->tensors[i].count == param->count) t = &p->tensors[i];
  if (param->count == 1 && (!t || t->rank == 0)) return tw_rt_textf("%s", "");
  if (!t || t->rank < 2) return tw_rt_textf("[%llu]", (unsigned long long)element);
  char *s = tw_rt_textf("]");
  for (uint32_t axis = t->rank; s && axis-- > 0;) {
    uint64_t dim = (uint64_t)t->dims[axis];
    char *longer = tw_rt_textf("%s%llu%s", axis ? ", " : "[", (unsigned long long)(element % dim), s);
    element /= dim;
    free(s);
    s = longer;
  }
  return s;
}

char *tw_rt_start_text(const TwRtProgram *p, const TwRtBadStart *b, uint64_t seed) {
  const TwRtParam *param = &p->params[b->param];
  char again[32] = "";
  if (b->attempt) tw_rt_text_into(again, sizeof again, ", retry %u", b->attempt);
  if (param->domain)
    return tw_rt_textf("'%s' starts outside of its domain '%s' (seed %llu%s)", param->name, param->domain,
                       (unsigned long long)seed, again);
  char *element = element_text(p, param, b->element);
  char *rounded = b->value != b->drawn ? tw_rt_textf(", which is %.9g in f32", b->value) : tw_rt_textf("%s", "");
  char *text = tw_rt_textf("'%s%s' starts at %.*g%s, outside its domain %c%.9g, %.9g%c (seed %llu%s)", param->name,
                           element ? element : "", b->value != b->drawn || p->f64 ? 17 : 9, b->drawn,
                           rounded ? rounded : "", param->lo_open ? '(' : '[', param->lo, param->hi,
                           param->hi_open ? ')' : ']', (unsigned long long)seed, again);
  free(element);
  free(rounded);
  return text;
}

static void refuse_start(TwRtRun *run) {
  const TwRtBadStart *b = &run->bad_start;
  refuse(run->result, tw_rt_start_text(run->p, b, run->o->seeds[b->seed_index]), &run->p->params[b->param].start_place);
}

/* The step is compiled for so many rows of the data it is given in batches. */
static bool check_batch(const TwRtProgram *p, const TwRtStage *st, TwRtResult *r) {
  if (st->batch <= 0 || st->batch_data >= p->n_datas) return true;
  int64_t rows = p->datas[st->batch_data].n_rows, n = st->batch < rows ? st->batch : rows;
  if (rows > (int64_t)UINT32_MAX) {
    refuse(r, tw_rt_textf("stage '%s' shuffles data of more than 2^32 rows", st->name), &st->place);
    return false;
  }
  for (uint32_t i = 0; i < st->step.n_in; i++) {
    const TwRtSlot *slot = &st->step.in[i];
    if (slot->role != TW_RT_COLUMN || slot->data != st->batch_data || slot->count == (uint64_t)n) continue;
    refuse(r,
           tw_rt_textf("the step of stage '%s' was compiled for %llu rows, and gets %lld", st->name,
                       (unsigned long long)slot->count, (long long)n),
           &st->place);
    return false;
  }
  return true;
}

static bool check_program(const TwRtProgram *p, TwRtResult *r) {
  char *why;
  if (!tw_rt_program_fits(p, &why)) {
    refuse(r, why, NULL);
    return false;
  }
  for (uint32_t s = 0; s < p->n_stages; s++)
    if (!check_batch(p, &p->stages[s], r)) return false;
  return true;
}

/* ---- the run */

/* Columns in f64 too, where lm wants them and the program has them in f32. */
static bool widen(TwRtRun *run) {
  const TwRtProgram *p = run->p;
  bool wanted = false;
  for (uint32_t s = 0; s < p->n_stages; s++) wanted |= p->stages[s].n_squares > 0;
  if (p->f64 || !wanted) return true;
  run->wide = calloc((size_t)p->n_datas + 1, sizeof *run->wide);
  for (uint32_t d = 0; run->wide && d < p->n_datas; d++) {
    const TwRtColumns *from = &run->datas.at[d];
    run->wide[d] = calloc((size_t)from->n + 1, sizeof **run->wide);
    for (uint32_t c = 0; run->wide[d] && c < from->n; c++) {
      double *to = run->wide[d][c] = tw_rt_reals((uint64_t)p->datas[d].n_rows, true);
      if (!to) return false;
      for (int64_t r = 0; r < p->datas[d].n_rows; r++) to[r] = tw_rt_get(from->at[c], (uint64_t)r, false);
    }
    if (!run->wide[d]) return false;
  }
  return run->wide != NULL;
}

static void free_wide(TwRtRun *run) {
  for (uint32_t d = 0; run->wide && d < run->p->n_datas && run->wide[d]; d++) {
    for (uint32_t c = 0; c < run->datas.at[d].n; c++) free(run->wide[d][c]);
    free(run->wide[d]);
  }
  free(run->wide);
}

static bool prepare(TwRtRun *run) {
  const TwRtProgram *p = run->p;
  if (!check_program(p, run->result)) return false;
  if (!tw_rt_datas_make(p, &run->datas)) {
    refuse(run->result, run->datas.error, run->datas.place);
    run->datas.error = NULL;
    return false;
  }
  for (uint32_t s = 0; s < p->n_stages; s++)
    if (p->stages[s].epochs > 0) run->epochs_per_seed += p->stages[s].epochs;
  uint32_t threads = run->o->threads ? run->o->threads : tw_rt_cores(), want = threads;
  if (want > run->o->n_seeds) want = run->o->n_seeds;
  if (want < 1) want = 1;
  run->workers = calloc(want, sizeof *run->workers);
  run->expected = calloc((size_t)run->o->n_seeds * p->n_expects + 1, sizeof *run->expected);
  bool ok = run->workers && run->expected && widen(run) && make_seeds(p, run->o, run->result);
  for (; ok && run->n_workers < want; run->n_workers++) {
    if (tw_rt_worker_init(&run->workers[run->n_workers], run, run->n_workers, threads / want)) continue;
    tw_rt_worker_free(&run->workers[run->n_workers]);
    ok = run->n_workers > 0; /* fewer threads, then */
    break;
  }
  if (!ok) refuse(run->result, tw_rt_textf("there is not enough memory to train '%s'", p->path ? p->path : ""), NULL);
  return ok;
}

bool tw_rt_run_check(TwRtRun *run) {
  if (run->p->n_params) for_each_seed(run, tw_rt_seed_check_start);
  if (run->bad) refuse_start(run);
  return !run->bad;
}

static void train(TwRtRun *run) {
  if (!tw_rt_run_check(run)) return;
  run->show_progress = true;
  run->last_progress = tw_rt_now();
  for_each_seed(run, tw_rt_seed_train);
  show_progress(run, true);
  if (run->load_error) {
    refuse(run->result, run->load_error, NULL);
    run->load_error = NULL;
  }
  if (!fill_expects(run)) refuse(run->result, tw_rt_textf("out of memory"), NULL);
}

bool tw_rt_run_open(TwRtRun *run, const TwRtProgram *p, const TwRtOptions *o) {
  *run = (TwRtRun){.p = p, .o = o, .started = tw_rt_now()};
  run->result = calloc(1, sizeof *run->result);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&run->changed, &attr);
  pthread_condattr_destroy(&attr);
  pthread_mutex_init(&run->lock, NULL);
  return run->result && prepare(run);
}

void tw_rt_run_close(TwRtRun *run) {
  for (uint32_t i = 0; i < run->n_workers; i++) tw_rt_worker_free(&run->workers[i]);
  free(run->workers);
  free(run->expected);
  free_wide(run);
  tw_rt_datas_free(&run->datas);
  pthread_cond_destroy(&run->changed);
  pthread_mutex_destroy(&run->lock);
}

TwRtResult *tw_rt_train(const TwRtProgram *p, const TwRtOptions *o) {
  TwRtRun run;
  bool ok = tw_rt_run_open(&run, p, o);
  if (!run.result) abort(); /* a hundred bytes: nothing could be told to anyone */
  if (ok) train(&run);
  tw_rt_run_close(&run);
  run.result->seconds = tw_rt_now() - run.started;
  return run.result;
}
