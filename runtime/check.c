/* check.c: ensures, and the regions that they and the report ask for. */
#include <math.h>
#include <stdlib.h>

#include "runtime/run.h"
#include "runtime/text.h"

bool tw_rt_holds(double value, uint32_t compare, double bound) {
  switch ((TwRtCompare)compare) {
    case TW_RT_LT: return value < bound;
    case TW_RT_LE: return value <= bound;
    case TW_RT_GT: return value > bound;
    case TW_RT_GE: return value >= bound;
    case TW_RT_EQ: return value == bound;
  }
  return false;
}

const char *tw_rt_compare_text(uint32_t compare) {
  switch ((TwRtCompare)compare) {
    case TW_RT_LT: return "<";
    case TW_RT_LE: return "<=";
    case TW_RT_GT: return ">";
    case TW_RT_GE: return ">=";
    case TW_RT_EQ: return "=";
  }
  return "?";
}

/* ---- regions */

static const TwRtPl *pl_of(const TwRtStage *st, uint32_t model) {
  if (!st->pls) return NULL;
  const TwRtPl *pl = &st->pls[model];
  return pl->n_nodes > 0 && pl->nodes && pl->coeffs.entry ? pl : NULL;
}

uint32_t tw_rt_reported_model(const TwRtProgram *p, const TwRtStage *st) {
  for (uint32_t m = 0; m < p->n_models; m++)
    if (p->models[m].lo < p->models[m].hi && pl_of(st, m)) return m;
  return p->n_models;
}

/* Why pl_of has nothing. */
static const char *no_pl(const TwRtStage *st, uint32_t model) {
  const char *why = st->pls ? st->pls[model].why_not : NULL;
  return why ? why : "the model is not of one real input and one real output";
}

/* The counter of a model in a stage, and its coefficients now; NULL: it cannot be counted. */
static TwRtCounter *counter_at(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, const double **coeffs) {
  const TwRtStage *st = &w->p->stages[stage];
  const TwRtPl *pl = model < w->p->n_models ? pl_of(st, model) : NULL;
  w->refused = pl ? "out of memory" : model < w->p->n_models ? no_pl(st, model) : "there is no model";
  if (!pl) return NULL;
  TwRtCounter **counter = &w->counters[stage * w->p->n_models + model];
  if (!*counter) *counter = tw_rt_counter_new(pl);
  if (!*counter) return NULL;
  tw_rt_call(w, &pl->coeffs, flat);
  *coeffs = w->coeffs;
  if (!w->f64) {
    const float *from = w->coeffs;
    for (uint32_t i = 0; i < pl->n_coeffs; i++) w->coeffs64[i] = (double)from[i];
    *coeffs = w->coeffs64;
  }
  return *counter;
}

static TwRtRegions count_in(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                            double sliver, uint32_t most, bool all) {
  const double *c = NULL;
  TwRtCounter *counter = counter_at(w, stage, model, flat, &c);
  if (!counter) return (TwRtRegions){0};
  tw_rt_counter_limit(counter, most);
  TwRtRegions r = all ? tw_rt_count(counter, c, lo, hi, sliver) : tw_rt_count_pieces(counter, c, lo, hi, sliver);
  w->refused = tw_rt_counter_error(counter);
  return r;
}

bool tw_rt_found_of(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                    double sliver, TwRtQuantity q, TwRtFound *out) {
  const double *c = NULL;
  TwRtCounter *counter = counter_at(w, stage, model, flat, &c);
  if (!counter) return false;
  tw_rt_counter_limit(counter, UINT32_MAX);
  bool found = tw_rt_counter_find(counter, c, lo, hi, sliver, q, out);
  w->refused = tw_rt_counter_error(counter);
  return found;
}

TwRtRegions tw_rt_regions_of(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                             double sliver, uint32_t most) {
  return count_in(w, stage, model, flat, lo, hi, sliver, most, true);
}

TwRtRegions tw_rt_pieces_of(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                            double sliver) {
  return count_in(w, stage, model, flat, lo, hi, sliver, UINT32_MAX, false);
}

/* ---- ensures */

/* The regions that ensure i asks for, counted once for all ensures of this moment that ask the same. */
static TwRtRegions count_for(TwRtWorker *w, uint32_t stage, uint32_t i, const void *flat) {
  const TwRtEnsure *a = &w->p->ensures[i];
  struct TwRtCounted *mine = &w->counted[i];
  for (uint32_t j = 0; j < i; j++) {
    const TwRtEnsure *b = &w->p->ensures[j];
    if (!b->is_regions || b->quantity != TW_RT_QU_PIECES || w->counted[j].moment != w->moment) continue;
    if (a->model == b->model && a->lo == b->lo && a->hi == b->hi && a->sliver == b->sliver) {
      *mine = w->counted[j];
      w->refused = mine->refused;
      return mine->regions;
    }
  }
  *mine = (struct TwRtCounted){
      .moment = w->moment,
      .regions = tw_rt_pieces_of(w, stage, a->model, flat, a->lo, a->hi, a->sliver),
  };
  mine->refused = w->refused;
  return mine->regions;
}

/* The stage's own figures are of the model, interval and sliver that it reports at its end. */
static void note_regions(TwRtWorker *w, uint32_t stage, const TwRtEnsure *e, const TwRtRegions *regions) {
  uint32_t m = tw_rt_reported_model(w->p, &w->p->stages[stage]);
  if (m != e->model || m == w->p->n_models || !regions->counted) return;
  const TwRtModel *model = &w->p->models[m];
  if (e->lo != model->lo || e->hi != model->hi || e->sliver != model->sliver) return;
  TwRtStageResult *r = &w->seed->stages[stage];
  if (r->min_regions < 0 || regions->pieces < r->min_regions) r->min_regions = regions->pieces;
  if (regions->pieces > r->max_regions) r->max_regions = regions->pieces;
}

static void fail(TwRtWorker *w, uint32_t stage, uint32_t i, int64_t epoch, const char *why) {
  const TwRtEnsure *e = &w->p->ensures[i];
  if (w->failed[i]) return;
  w->failed[i] = true;
  tw_rt_seed_fail(w, TW_RT_ENSURE, stage, epoch, &e->place, "'%.*s' fails at epoch %lld of stage '%s': %s",
                  (int)tw_rt_text_cut(e->text, 120), e->text, (long long)epoch, w->p->stages[stage].name, why);
}

void tw_rt_refused_text(const TwRtWorker *w, TwRtQuantity q, char *why, size_t n) {
  const char *what = q == TW_RT_QU_PIECES ? "regions cannot be counted" : "pieces cannot be found";
  tw_rt_text_into(why, n, "the %s%s%s", what, w->refused ? ": " : "", w->refused ? w->refused : "");
}

/* What a bound on pieces, values, slopes or bends found, for whoever has to mend it. */
void tw_rt_found_text(const TwRtFound *f, TwRtQuantity q, char *why, size_t n) {
  switch (q) {
    case TW_RT_QU_PIECES:
      tw_rt_text_into(why, n, "there %s %lld", f->value == 1 ? "is" : "are", (long long)f->value);
      return;
    case TW_RT_QU_LEAST:
    case TW_RT_QU_GREATEST: tw_rt_text_into(why, n, "it is %.9g at x = %.9g", f->value, f->at); return;
    case TW_RT_QU_LEAST_SLOPE:
    case TW_RT_QU_GREATEST_SLOPE:
      tw_rt_text_into(why, n, "the slope is %.9g from x = %.9g on", f->value, f->at);
      return;
    case TW_RT_QU_LEAST_BEND:
    case TW_RT_QU_GREATEST_BEND:
      tw_rt_text_into(why, n, "the slope goes from %.9g to %.9g at x = %.9g", f->from, f->to, f->at);
      return;
  }
}

static bool look_at_pieces(TwRtWorker *w, uint32_t stage, uint32_t i, int64_t epoch, const void *flat) {
  const TwRtEnsure *e = &w->p->ensures[i];
  TwRtQuantity q = (TwRtQuantity)e->quantity;
  TwRtFound f;
  bool found = tw_rt_found_of(w, stage, e->model, flat, e->lo, e->hi, e->sliver, q, &f);
  if (found && tw_rt_holds(f.value, e->compare, e->bound)) return true;
  char why[128];
  if (found) tw_rt_found_text(&f, q, why, sizeof why);
  else tw_rt_refused_text(w, q, why, sizeof why);
  fail(w, stage, i, epoch, why);
  return false;
}

/* True if the ensure holds. `checks` has been called already if it is needed. */
static bool look_at(TwRtWorker *w, uint32_t stage, uint32_t i, int64_t epoch, const void *flat) {
  const TwRtEnsure *e = &w->p->ensures[i];
  if (!e->is_regions) {
    double value = tw_rt_scalar(w, w->checks, e->check);
    bool holds = tw_rt_holds(value, e->compare, tw_rt_round(e->bound, w->f64));
    if (!holds) {
      char why[64];
      tw_rt_text_into(why, sizeof why, "the left side is %.*g", w->f64 ? 17 : 9, value);
      fail(w, stage, i, epoch, why);
    }
    return holds;
  }
  if (e->quantity != TW_RT_QU_PIECES) return look_at_pieces(w, stage, i, epoch, flat);
  TwRtRegions regions = count_for(w, stage, i, flat);
  note_regions(w, stage, e, &regions);
  if (regions.counted && tw_rt_holds((double)regions.pieces, e->compare, e->bound)) return true;
  char why[128];
  TwRtFound f = {.value = (double)regions.pieces};
  if (regions.counted) tw_rt_found_text(&f, TW_RT_QU_PIECES, why, sizeof why);
  else tw_rt_refused_text(w, TW_RT_QU_PIECES, why, sizeof why);
  fail(w, stage, i, epoch, why);
  return false;
}

static bool provides_check(const TwRtStage *st, uint32_t check) {
  for (uint32_t i = 0; st->checks.entry && i < st->checks.n_out; i++)
    if (st->checks.out[i].role == TW_RT_CHECK && st->checks.out[i].index == check) return true;
  return false;
}

static bool can_look(const TwRtStage *st, const TwRtEnsure *e) { return e->is_regions || provides_check(st, e->check); }

void tw_rt_checks_begin(TwRtStageRun *g) {
  const TwRtProgram *p = g->w->p;
  g->due = INT64_MAX;
  for (uint32_t i = 0; i < p->n_ensures; i++) {
    const TwRtEnsure *e = &p->ensures[i];
    bool here = g->index < 64 && (e->during >> g->index & 1) && can_look(g->st, e);
    g->w->due[i] = here ? 0 : INT64_MAX;
    if (here) g->due = 0;
  }
}

bool tw_rt_checks_at(TwRtStageRun *g, const void *flat, bool last) {
  TwRtWorker *w = g->w;
  const TwRtProgram *p = w->p;
  bool called = false, go_on = true;
  w->moment++;
  g->due = INT64_MAX;
  for (uint32_t i = 0; i < p->n_ensures; i++) {
    const TwRtEnsure *e = &p->ensures[i];
    if (w->due[i] == INT64_MAX) continue;
    if (w->due[i] <= g->epoch || last) {
      if (!e->is_regions && !called) tw_rt_call(w, &g->st->checks, flat), called = true;
      if (!look_at(w, g->index, i, g->epoch, flat) && e->stop) go_on = false;
      w->due[i] = g->epoch + (e->every > 0 ? e->every : 1);
    }
    if (w->due[i] < g->due) g->due = w->due[i];
  }
  return go_on;
}

void tw_rt_checks_end(TwRtWorker *w, uint32_t stage, int64_t epoch, const void *flat) {
  const TwRtStage *st = &w->p->stages[stage];
  bool called = false;
  w->moment++;
  for (uint32_t i = 0; i < w->p->n_ensures; i++) {
    const TwRtEnsure *e = &w->p->ensures[i];
    if (e->during != 0 || !can_look(st, e)) continue;
    if (!e->is_regions && !called) tw_rt_call(w, &st->checks, flat), called = true;
    look_at(w, stage, i, epoch, flat);
  }
}

/* ---- for whoever watches */

int64_t tw_rt_pieces_now(TwRtStageRun *g, const void *flat) {
  const TwRtProgram *p = g->w->p;
  uint32_t m = tw_rt_reported_model(p, g->st);
  if (m == p->n_models) return -1;
  const TwRtModel *model = &p->models[m];
  TwRtRegions r = tw_rt_pieces_of(g->w, g->index, m, flat, model->lo, model->hi, model->sliver);
  return r.counted ? r.pieces : -1;
}

void tw_rt_watch(TwRtStageRun *g, const void *flat) {
  TwRtWorker *w = g->w;
  const TwRtProgram *p = w->p;
  double *measures = calloc((size_t)p->n_measures + 1, sizeof *measures);
  if (!measures) return;
  if (p->n_measures) tw_rt_call(w, &g->st->eval, flat);
  for (uint32_t i = 0; i < p->n_measures; i++) measures[i] = tw_rt_scalar(w, w->measures, i);
  if (g->st->rate.entry) tw_rt_call(w, &g->st->rate, flat);
  TwRtEpoch e = {.seed_index = w->seed_index,
                 .stage = g->index,
                 .epoch = g->epoch,
                 .loss = g->loss,
                 .norm = g->norm,
                 .rate = g->st->rate.entry ? tw_rt_get(w->rate, 0, w->f64) : NAN,
                 .measures = measures,
                 .regions = tw_rt_pieces_now(g, flat),
                 .seconds = g->r->seconds + tw_rt_now() - g->started};
  w->run->o->watch(w->run->o->context, &e);
  free(measures);
}
