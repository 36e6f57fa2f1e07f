/* state.c: see state.h. Everything that training changes is listed here once, by functions that write and read: a field
 * that is added to one of the structs below, and that a later epoch or the report looks at, is added here. */
#include "runtime/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run.h"
#include "runtime/second.h"
#include "runtime/text.h"

_Static_assert(sizeof(void *) != 8 ||
                   (sizeof(TwRtStageResult) == 136 && sizeof(TwRtSeedResult) == 80 && sizeof(TwRtStageRun) == 224),
               "a field was added: is it among the items below?");

enum { IN_STAGE, DONE };

/* ---- items */

static void fail(TwRtItems *s, char *error) {
  if (s->failed) free(error);
  else s->error = error;
  s->failed = true;
}

static bool room(TwRtItems *s, size_t more) {
  if (more <= s->n - s->at) return true;
  size_t n = s->n + more + s->n / 2 + 4096;
  unsigned char *to = realloc(s->to, n);
  if (!to) return fail(s, NULL), false;
  s->to = to;
  s->n = n;
  return true;
}

static void put(TwRtItems *s, const void *bytes, size_t n) {
  if (n) memcpy(s->to + s->at, bytes, n);
  s->at += n;
}

/* An item: length of the name, count, size of a value; the name; the values. */
typedef struct Head {
  uint64_t name, count, size;
} Head;

static void write_item(TwRtItems *s, const Head *h, const char *name, const void *at) {
  if (!room(s, sizeof *h + h->name + h->count * h->size)) return;
  put(s, h, sizeof *h);
  put(s, name, h->name);
  put(s, at, h->count * h->size);
}

static void read_item(TwRtItems *s, const Head *want, const char *name, void *at) {
  size_t left = s->n - s->at;
  Head h = {0};
  if (left >= sizeof h) memcpy(&h, s->from + s->at, sizeof h);
  bool fits = left >= sizeof h && h.name == want->name && h.count == want->count && h.size == want->size &&
              left - sizeof h >= h.name + h.count * h.size && memcmp(s->from + s->at + sizeof h, name, h.name) == 0;
  if (!fits) {
    fail(s, tw_rt_textf("it does not have '%s' as this program has it", name));
    return;
  }
  if (h.count > 0) memcpy(at, s->from + s->at + sizeof h + h.name, h.count * h.size);
  s->at += sizeof h + h.name + h.count * h.size;
}

void tw_rt_item(TwRtItems *s, const char *name, void *at, uint64_t count, size_t size) {
  if (s->failed) return;
  Head h = {strlen(name), count, size};
  if (s->reading) read_item(s, &h, name, at);
  else write_item(s, &h, name, at);
}

void tw_rt_item_reals(TwRtItems *s, const char *name, double *at, uint64_t count, bool f64) {
  if (f64 || s->failed) {
    tw_rt_item(s, name, at, count, sizeof *at);
    return;
  }
  float *half = malloc((count ? count : 1) * sizeof *half);
  if (!half) {
    fail(s, NULL);
    return;
  }
  for (uint64_t i = 0; !s->reading && i < count; i++) half[i] = (float)at[i];
  tw_rt_item(s, name, half, count, sizeof *half);
  for (uint64_t i = 0; s->reading && !s->failed && i < count; i++) at[i] = half[i];
  free(half);
}

#define ITEM(s, x) tw_rt_item(s, #x, &(x), 1, sizeof(x))
#define FLAG(s, x) flags(s, #x, &(x), 1)

/* Truth values: a byte that is neither 0 nor 1 would be no value at all. */
static void flags(TwRtItems *s, const char *name, bool *at, uint64_t n) {
  unsigned char *bytes = calloc(n + 1, 1);
  if (!bytes) {
    fail(s, NULL);
    return;
  }
  for (uint64_t i = 0; !s->reading && i < n; i++) bytes[i] = at[i];
  tw_rt_item(s, name, bytes, n, 1);
  for (uint64_t i = 0; s->reading && !s->failed && i < n; i++) at[i] = bytes[i] != 0;
  free(bytes);
}

/* What was read and cannot have been written: numbers by which others count or are found. */
static void expect(TwRtItems *s, bool sound, const char *what) {
  if (s->reading && !s->failed && !sound) fail(s, tw_rt_textf("its %s cannot be", what));
}

/* An array that may be missing: NULL. */
static void optional_reals(TwRtItems *s, const char *name, double **at, uint64_t n, bool f64) {
  bool there = *at != NULL;
  flags(s, name, &there, 1);
  if (s->failed || !there) return;
  if (!*at && !(*at = malloc((n ? n : 1) * sizeof **at))) {
    fail(s, NULL);
    return;
  }
  tw_rt_item_reals(s, name, *at, n, f64);
}

/* ---- results */

static void regions_items(TwRtItems *s, TwRtRegions *regions) {
  FLAG(s, regions->counted);
  ITEM(s, regions->patterns);
  ITEM(s, regions->pieces);
  ITEM(s, regions->slivers);
  ITEM(s, regions->maps);
  ITEM(s, regions->dead);
  ITEM(s, regions->narrowest);
}

static void stage_items(TwRtItems *s, const TwRtProgram *p, TwRtStageResult *stage) {
  ITEM(s, stage->epochs);
  ITEM(s, stage->steps);
  FLAG(s, stage->ended);
  ITEM(s, stage->loss);
  ITEM(s, stage->best_loss);
  ITEM(s, stage->best_epoch);
  regions_items(s, &stage->regions);
  ITEM(s, stage->min_regions);
  ITEM(s, stage->max_regions);
  ITEM(s, stage->seconds);
  optional_reals(s, "stage.values", &stage->values, p->n_values, p->f64);
}

static bool same_place(const TwRtPlace *a, const TwRtPlace *b) {
  return a->file == b->file && a->start == b->start && a->end == b->end && a->line == b->line && a->column == b->column;
}

/* A failure's place is that of an ensure, or the loss: n_ensures. */
static void failure_items(TwRtItems *s, const TwRtProgram *p, TwRtFailure *failure) {
  int32_t kind = (int32_t)failure->kind;
  uint32_t place = 0;
  while (place < p->n_ensures && !same_place(&p->ensures[place].place, &failure->place)) place++;
  ITEM(s, kind);
  ITEM(s, failure->stage);
  ITEM(s, failure->epoch);
  ITEM(s, place);
  ITEM(s, failure->text);
  expect(s, kind >= TW_RT_OK && kind <= TW_RT_STOPPED && failure->stage < p->n_stages, "failure");
  if (!s->reading || s->failed) return;
  failure->kind = (TwRtStatus)kind;
  failure->place = place < p->n_ensures ? p->ensures[place].place : p->loss_place;
  failure->text[sizeof failure->text - 1] = 0;
}

static void seed_items(TwRtItems *s, const TwRtProgram *p, TwRtSeedResult *seed) {
  int32_t status = (int32_t)seed->status;
  uint64_t number = seed->seed;
  ITEM(s, number);
  if (s->reading && !s->failed && number != seed->seed)
    fail(s, tw_rt_textf("it is of seed %llu", (unsigned long long)number));
  ITEM(s, status);
  expect(s, status >= TW_RT_OK && status <= TW_RT_STOPPED, "status");
  if (s->reading && !s->failed) seed->status = (TwRtStatus)status;
  ITEM(s, seed->retries);
  ITEM(s, seed->loss);
  ITEM(s, seed->best_loss);
  tw_rt_item_reals(s, "seed.measures", seed->measures, p->n_measures, p->f64);
  for (uint32_t k = 0; k < p->n_stages; k++) stage_items(s, p, &seed->stages[k]);
  uint32_t n_failures = seed->n_failures;
  ITEM(s, n_failures);
  if (n_failures > p->n_ensures + 1) fail(s, tw_rt_textf("it has more failures than there can be"));
  for (uint32_t k = 0; !s->failed && k < n_failures; k++) failure_items(s, p, &seed->failures[k]);
  if (!s->failed) seed->n_failures = n_failures;
}

static void done_items(TwRtItems *s, TwRtWorker *w) {
  const TwRtProgram *p = w->p;
  tw_rt_item_reals(s, "shown", w->seed->shown, p->n_shown, p->f64);
  tw_rt_item_reals(s, "best_shown", w->seed->best_shown, p->n_shown, p->f64);
  for (uint32_t k = 0; k < p->n_expects; k++) {
    TwRtExpected *expected = &w->run->expected[(size_t)w->seed_index * p->n_expects + k];
    FLAG(s, expected->checked);
    FLAG(s, expected->ok);
    ITEM(s, expected->value);
    ITEM(s, expected->why);
    expected->why[sizeof expected->why - 1] = 0;
  }
}

/* ---- a stage between two epochs */

/* The present values, the best, the optimizer's: read into buffers of their own, whose numbers need not be the old
 * ones. */
static void buffer_items(TwRtItems *s, TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  size_t real = tw_rt_real_size(w->f64);
  bool same = g->cur == g->best;
  FLAG(s, same);
  if (s->reading) {
    g->cur = g->parity = 0;
    g->best = same ? 0 : 1;
    g->next = same ? 1 : 2;
  }
  tw_rt_item(s, "values", w->values, w->p->n_values, real);
  tw_rt_item(s, "flat", w->flat[g->cur], g->st->n_flat, real);
  if (!same) tw_rt_item(s, "best", w->flat[g->best], g->st->n_flat, real);
  for (uint32_t k = 0; k < g->st->n_states; k++) tw_rt_item(s, "state", w->state[g->parity][k], g->st->n_flat, real);
}

static void stage_run_items(TwRtItems *s, TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  ITEM(s, g->epoch);
  ITEM(s, g->carried);
  ITEM(s, g->steps);
  ITEM(s, g->done_before);
  ITEM(s, g->due);
  ITEM(s, g->loss);
  ITEM(s, g->norm);
  ITEM(s, g->best_loss);
  FLAG(s, g->settled);
  ITEM(s, g->round);
  ITEM(s, g->round_start);
  ITEM(s, w->draw_seed);
  tw_rt_item(s, "due", w->due, w->p->n_ensures, sizeof *w->due);
  flags(s, "failed", w->failed, w->p->n_ensures);
  buffer_items(s, g);
  TwRtPart parts[TW_RT_MAX_PARTS];
  uint32_t n = tw_rt_second_parts(g, parts);
  for (uint32_t k = 0; k < n; k++) tw_rt_item(s, "second", parts[k].at, parts[k].bytes, 1);
  if (!s->reading || s->failed) return;
  w->second.ready = false;            /* what it holds is made again from the values */
  const int64_t most = INT64_MAX / 4; /* what counts up from there does not overflow */
  expect(s, g->epoch >= 0 && g->epoch <= g->epochs && g->r->best_epoch <= g->epoch, "epoch");
  expect(s,
         g->carried >= 0 && g->carried < most && g->steps >= 0 && g->steps < most && g->done_before >= 0 &&
             g->done_before < most,
         "number of updates");
  /* A stage whose last round has ended early counts one more. */
  expect(s,
         g->round >= 0 && g->round <= (g->st->rounds > 0 ? g->st->rounds : 0) && g->round_start >= 0 &&
             g->round_start <= g->epoch,
         "round");
  expect(s, tw_rt_second_sound(g), "state of the optimizer");
}

/* ---- both ways */

void tw_rt_state_save(TwRtWorker *w, TwRtStageRun *g) {
  const TwRtOptions *o = w->run->o;
  if (!o->save) return;
  TwRtItems s = {0};
  uint32_t kind = g ? IN_STAGE : DONE, stage = g ? g->index : 0;
  double before = g ? g->r->seconds : 0;
  if (g) g->r->seconds += tw_rt_now() - g->started;
  ITEM(&s, kind);
  ITEM(&s, stage);
  seed_items(&s, w->p, w->seed);
  if (g) stage_run_items(&s, g);
  else done_items(&s, w);
  if (g) g->r->seconds = before;
  free(s.error);
  if (s.failed) free(s.to), s.to = NULL, s.at = 0;
  TwRtSaved saved = {
      .seed_index = w->seed_index, .done = !g, .stage = stage, .epoch = g ? g->epoch : 0, .bytes = s.to, .n = s.at};
  o->save(o->context, &saved);
}

static TwRtLoaded not_loaded(TwRtWorker *w, TwRtItems *s) {
  TwRtRun *run = w->run;
  pthread_mutex_lock(&run->lock);
  if (!run->load_error)
    run->load_error = tw_rt_textf("the saved state of seed %llu cannot be used: %s",
                                  (unsigned long long)run->o->seeds[w->seed_index],
                                  s->error ? s->error : "there is not enough memory");
  pthread_mutex_unlock(&run->lock);
  free(s->error);
  return TW_RT_NOT_LOADED;
}

TwRtLoaded tw_rt_state_load(TwRtWorker *w, TwRtStageRun *g) {
  const TwRtOptions *o = w->run->o;
  TwRtItems s = {.reading = true};
  s.from = o->load ? o->load(o->context, w->seed_index, &s.n) : NULL;
  if (!s.from) return TW_RT_NOT_SAVED;
  uint32_t kind = 0, stage = 0;
  ITEM(&s, kind);
  ITEM(&s, stage);
  if (!s.failed && (kind > DONE || (kind == IN_STAGE && stage >= w->p->n_stages)))
    fail(&s, tw_rt_textf("it is of a stage that the program does not have"));
  if (!s.failed) seed_items(&s, w->p, w->seed);
  if (!s.failed && kind == DONE) done_items(&s, w);
  if (!s.failed && kind == IN_STAGE) {
    *g = (TwRtStageRun){.w = w, .st = &w->p->stages[stage], .r = &w->seed->stages[stage], .index = stage};
    tw_rt_stage_enter(g);
    stage_run_items(&s, g);
  }
  if (!s.failed && s.at != s.n) fail(&s, tw_rt_textf("it has more than this program has"));
  return s.failed ? not_loaded(w, &s) : kind == DONE ? TW_RT_SEED_DONE : TW_RT_IN_STAGE;
}
