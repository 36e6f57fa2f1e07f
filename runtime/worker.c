/* worker.c: the memory of one thread, and calls into compiled code.
 *
 * The memory is laid out by a function that runs twice: once to measure, once to hand out. All of it is
 * there before anything is trained, so that an epoch allocates nothing and cannot run out. */
#include <stdlib.h>
#include <string.h>

#include "runtime/pool.h"
#include "runtime/normal.h"
#include "runtime/run.h"
#include "runtime/second.h"

typedef struct Space {
  unsigned char *base; /* NULL: only measure */
  size_t used;
  bool overflow;
} Space;

static void *carve(Space *s, uint64_t n, size_t size) {
  if (n > (SIZE_MAX / 4 - s->used) / size) {
    s->overflow = true;
    return NULL;
  }
  void *at = s->base ? s->base + s->used : NULL;
  s->used += ((size_t)n * size + 63) / 64 * 64;
  if (n == 0) s->used += 64; /* an address of its own all the same */
  return at;
}

static uint64_t up16(uint64_t n) { return n ? (n + 15) / 16 * 16 : 16; }

/* What the largest of all stages needs. */
typedef struct Sizes {
  uint64_t flat, coeffs, gradient, work, order, batch, chunks;
  uint32_t states, n_in, n_out, batch_columns, checks;
  TwRtSecondSizes second;
} Sizes;

static void cover(Sizes *z, const TwRtFn *fn) {
  if (fn->work_bytes > z->work) z->work = fn->work_bytes;
  if (fn->chunks > 0 && (uint64_t)fn->chunks > z->chunks) z->chunks = (uint64_t)fn->chunks;
  if (fn->n_in > z->n_in) z->n_in = fn->n_in;
  if (fn->n_out > z->n_out) z->n_out = fn->n_out;
}

static void cover_stage(Sizes *z, const TwRtProgram *p, const TwRtStage *st) {
  if (st->n_flat > z->flat) z->flat = st->n_flat;
  if (st->n_states > z->states) z->states = st->n_states;
  cover(z, &st->step);
  cover(z, &st->eval);
  cover(z, &st->shown);
  cover(z, &st->checks);
  cover(z, &st->rate);
  cover(z, &st->gradient);
  for (uint32_t k = 0; k < st->n_squares; k++) cover(z, &st->squares[k].fn);
  tw_rt_second_cover(&z->second, p, st);
  if ((st->gradient.entry || st->method == TW_RT_LBFGS) && st->n_flat > z->gradient) z->gradient = st->n_flat;
  for (uint32_t i = 0; i < st->checks.n_out; i++)
    if (st->checks.out[i].index >= z->checks) z->checks = st->checks.out[i].index + 1;
  for (uint32_t m = 0; st->pls && m < p->n_models; m++) {
    cover(z, &st->pls[m].coeffs);
    if (st->pls[m].n_coeffs > z->coeffs) z->coeffs = st->pls[m].n_coeffs;
  }
  if (st->batch <= 0 || st->batch_data >= p->n_datas) return;
  const TwRtData *d = &p->datas[st->batch_data];
  if ((uint64_t)d->n_rows > z->order) z->order = (uint64_t)d->n_rows;
  if ((uint64_t)st->batch > z->batch && st->batch < d->n_rows) z->batch = (uint64_t)st->batch;
  uint32_t columns = d->n_columns + d->target.n_out;
  if (columns > z->batch_columns) z->batch_columns = columns;
}

static void lay_out_second(TwRtWorker *w, Space *s, const TwRtSecondSizes *z) {
  TwRtSecond *to = &w->second;
  if (!z->flat) return;
  uint64_t n = up16(z->flat);
  to->trial = carve(s, n, tw_rt_real_size(w->f64));
  to->rhs = carve(s, n, sizeof(double));
  to->delta = carve(s, n, sizeof(double));
  if (z->square) {
    to->values = carve(s, up16(z->values), sizeof(double));
    to->flat = carve(s, n, sizeof(double));
    to->block = carve(s, z->block, sizeof(double));
    to->rows = carve(s, z->block, sizeof(double));
    to->columns = carve(s, z->columns, sizeof(double));
    to->marks = carve(s, z->marks, sizeof(double));
    to->gram = carve(s, z->square, sizeof(double));
    to->factor = carve(s, z->square, sizeof(double));
    to->diagonal = carve(s, n, sizeof(double));
    to->held = carve(s, n, sizeof *to->held);
  }
  if (z->pairs) {
    to->moves = carve(s, z->pairs * z->flat, sizeof(double));
    to->turns = carve(s, z->pairs * z->flat, sizeof(double));
    to->curvature = carve(s, z->pairs, sizeof(double));
    to->along = carve(s, z->pairs, sizeof(double));
    to->there = carve(s, n, sizeof(double));
  }
}

static void lay_out(TwRtWorker *w, Space *s, const Sizes *z) {
  const TwRtProgram *p = w->p;
  size_t real = tw_rt_real_size(w->f64);
  bool hand_out = s->base != NULL;
  w->scalar = 16 * real;
  w->seed_in = carve(s, 16, sizeof *w->seed_in);
  w->loaded = carve(s, up16(p->n_loaded), sizeof *w->loaded);
  w->init_values = carve(s, up16(p->n_values), sizeof(double));
  w->init_shown = carve(s, up16(p->n_shown), sizeof(double));
  w->values = carve(s, up16(p->n_values), real);
  w->shown = carve(s, up16(p->n_shown), real);
  for (int i = 0; i < 3; i++) w->flat[i] = carve(s, up16(z->flat), real);
  for (int i = 0; i < 2; i++) {
    w->state[i] = carve(s, z->states, sizeof(void *));
    for (uint32_t k = 0; k < z->states; k++) {
      void *at = carve(s, up16(z->flat), real);
      if (hand_out) w->state[i][k] = at;
    }
  }
  w->step = carve(s, 16, real);
  w->epoch = carve(s, 16, real);
  w->epochs = carve(s, 16, real);
  w->loss = carve(s, 16, real);
  w->norm = carve(s, 16, real);
  w->rate = carve(s, 16, real);
  w->measures = carve(s, p->n_measures, w->scalar);
  w->checks = carve(s, z->checks, w->scalar);
  w->gradient = carve(s, up16(z->gradient), real);
  w->coeffs = carve(s, up16(z->coeffs), real);
  w->coeffs64 = carve(s, up16(z->coeffs), sizeof(double));
  w->batch = carve(s, z->batch_columns, sizeof(void *));
  for (uint32_t c = 0; c < z->batch_columns; c++) {
    void *at = carve(s, up16(z->batch), real);
    if (hand_out) w->batch[c] = at;
  }
  w->order = carve(s, z->order, sizeof *w->order);
  w->work = carve(s, z->work, 1);
  w->step_in = carve(s, z->n_in, sizeof(void *));
  w->step_out = carve(s, z->n_out, sizeof(void *));
  w->in = carve(s, z->n_in, sizeof(void *));
  w->out = carve(s, z->n_out, sizeof(void *));
  w->swaps = carve(s, (uint64_t)z->n_in + z->n_out, sizeof *w->swaps);
  lay_out_second(w, s, &z->second);
  w->due = carve(s, p->n_ensures, sizeof *w->due);
  w->failed = carve(s, p->n_ensures, sizeof *w->failed);
  w->counted = carve(s, p->n_ensures, sizeof *w->counted);
}

bool tw_rt_worker_init(TwRtWorker *w, TwRtRun *run, uint32_t id, uint32_t threads) {
  const TwRtProgram *p = run->p;
  *w = (TwRtWorker){.run = run, .p = p, .id = id, .f64 = p->f64, .until_tick = 1, .ticks = 1};
  Sizes z = {0};
  cover(&z, &p->init);
  cover(&z, &p->inside);
  for (uint32_t s = 0; s < p->n_stages; s++) cover_stage(&z, p, &p->stages[s]);
  Space measure = {0};
  lay_out(w, &measure, &z);
  if (measure.overflow) return false;
  w->memory = aligned_alloc(64, measure.used);
  w->counters = calloc((size_t)p->n_stages * p->n_models + 1, sizeof *w->counters);
  if (!w->memory || !w->counters) return false;
  memset(w->memory, 0, measure.used);
  Space hand_out = {.base = w->memory};
  lay_out(w, &hand_out, &z);
  if (p->n_loaded) memcpy(w->loaded, p->loaded, p->n_loaded * sizeof *w->loaded);
  if (z.chunks > 1) w->pool = tw_rt_pool_new(threads < z.chunks ? threads : (uint32_t)z.chunks, z.work);
  return true;
}

void tw_rt_worker_free(TwRtWorker *w) {
  for (uint32_t i = 0; w->counters && i < w->p->n_stages * w->p->n_models; i++)
    if (w->counters[i]) tw_rt_counter_free(w->counters[i]);
  tw_rt_pool_free(w->pool);
  free(w->counters);
  free(w->memory);
}

/* ---- binding */

/* Where a slot's reals are; FLAT and STATE are the callers' affair. */
static void *bound(TwRtWorker *w, const TwRtSlot *slot, bool batch) {
  switch ((TwRtRole)slot->role) {
    case TW_RT_SEED: return w->seed_in;
    case TW_RT_LOADED: return w->loaded;
    case TW_RT_VALUES: return w->values;
    case TW_RT_STEP: return w->step;
    case TW_RT_EPOCH: return w->epoch;
    case TW_RT_EPOCHS: return w->epochs;
    case TW_RT_COLUMN: return batch ? w->batch[slot->index] : w->run->datas.at[slot->data].at[slot->index];
    case TW_RT_LOSS: return w->loss;
    case TW_RT_NORM: return w->norm;
    case TW_RT_RATE: return w->rate;
    case TW_RT_MEASURE: return w->measures + slot->index * w->scalar;
    case TW_RT_SHOWN: return w->shown;
    case TW_RT_COEFFS: return w->coeffs;
    case TW_RT_CHECK: return w->checks + slot->index * w->scalar;
    case TW_RT_GRADIENT: return w->gradient;
    case TW_RT_FLAT:
    case TW_RT_STATE:
    case TW_RT_INPUT:
    case TW_RT_OUTPUT: return NULL; /* of models, which training does not call */
    case TW_RT_RESIDUAL:
    case TW_RT_JACOBIAN: return NULL; /* lm.c binds them */
  }
  return NULL;
}

static void enter(TwRtWorker *w, const TwRtFn *fn) {
  fn->entry(&(TwRtCall){.in = (const void *const *)w->in, .out = w->out, .work = w->work, .pool = w->pool});
}

void tw_rt_call(TwRtWorker *w, const TwRtFn *fn, const void *flat) {
  bool init = fn == &w->p->init;
  for (uint32_t i = 0; i < fn->n_in; i++) {
    const TwRtSlot *slot = &fn->in[i];
    w->in[i] = slot->role == TW_RT_FLAT ? (void *)(uintptr_t)flat : bound(w, slot, false);
  }
  for (uint32_t i = 0; i < fn->n_out; i++) {
    const TwRtSlot *slot = &fn->out[i];
    if (init) w->out[i] = slot->role == TW_RT_VALUES ? w->init_values : w->init_shown;
    else w->out[i] = bound(w, slot, false);
  }
  enter(w, fn);
}

int64_t tw_rt_outside(TwRtWorker *w) {
  _Alignas(64) double first[16] = {-1};
  const void *in = w->init_shown;
  void *out = first;
  if (w->p->inside.entry) w->p->inside.entry(&(TwRtCall){.in = &in, .out = &out, .work = w->work});
  return (int64_t)first[0];
}

void tw_rt_bind_step(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  const TwRtFn *fn = &g->st->step;
  g->flat_in = g->flat_out = &g->nowhere;
  g->n_swaps = 0;
  for (uint32_t side = 0; side < 2; side++) {
    const TwRtSlot *slots = side ? fn->out : fn->in;
    void **to = side ? w->step_out : w->step_in;
    for (uint32_t i = 0; i < (side ? fn->n_out : fn->n_in); i++) {
      const TwRtSlot *slot = &slots[i];
      if (slot->role == TW_RT_FLAT) {
        *(side ? &g->flat_out : &g->flat_in) = &to[i];
      } else if (slot->role == TW_RT_STATE) {
        /* At parity p, state[p] comes in and state[1 - p] goes out. */
        void *zero = w->state[side][slot->index], *one = w->state[1 - side][slot->index];
        w->swaps[g->n_swaps++] = (TwRtSwap){.slot = &to[i], .at = {zero, one}};
        to[i] = g->parity ? one : zero;
      } else {
        to[i] = bound(w, slot, g->batch > 0 && slot->role == TW_RT_COLUMN && slot->data == g->st->batch_data);
      }
    }
  }
}
