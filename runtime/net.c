/* net.c: include/triwave.h for compiled programs: a seed that is trained step by step from outside.
 *
 * A net is a run of one seed with one worker (run.h). It is always inside a stage: that stage's VALUES and FLAT are
 * the present ones, until the last stage has ended. A program without stages has only the values of its start. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/net.h"
#include "runtime/text.h"

bool tw_net_fail(char **error, char *text) {
  if (error) *error = text;
  else free(text);
  return false;
}

static bool fail(char **error, char *text) { return tw_net_fail(error, text); }

static void begin_call(char **error) {
  if (error) *error = NULL;
}

static TwRtStageRun *present(tw_net *n) { return &n->stages[n->stage % 2]; }

/* The stage whose functions read the present values: the last one, when all are done. */
static const TwRtStage *moment(const tw_net *n) {
  const TwRtProgram *p = n->run.p;
  return &p->stages[n->stage < p->n_stages ? n->stage : p->n_stages - 1];
}

static const void *flat_of(tw_net *n) { return n->stage < n->run.p->n_stages ? n->w->flat[present(n)->cur] : n->flat; }

void tw_net_refresh(tw_net *n) {
  const TwRtProgram *p = n->run.p;
  if (p->n_stages) tw_rt_call(n->w, &moment(n)->shown, flat_of(n));
  for (uint64_t i = 0; i < p->n_shown; i++) n->values[i] = tw_rt_get(n->w->shown, i, p->f64);
  for (uint32_t k = 0; k < 2 * p->n_models; k++) n->fresh[k] = false;
}

static void enter_stage(tw_net *n) {
  const TwRtProgram *p = n->run.p;
  if (n->stage == p->n_stages) return;
  TwRtStageRun *g = present(n);
  *g = (TwRtStageRun){
      .w = n->w, .st = &p->stages[n->stage], .r = &n->run.result->seeds[0].stages[n->stage], .index = n->stage};
  tw_rt_stage_begin(g, &n->stages[1 - n->stage % 2]);
}

/* ---- life */

tw_net *tw_net_new(const tw_program *p, uint64_t seed, char **error) {
  begin_call(error);
  tw_net *n = calloc(1, sizeof *n);
  if (!n) return NULL;
  n->seed = seed;
  n->options = (TwRtOptions){.seeds = &n->seed, .n_seeds = 1, .threads = 1};
  bool ok = tw_rt_run_open(&n->run, p, &n->options) && tw_rt_run_check(&n->run);
  n->values = calloc(p->n_shown + 1, sizeof *n->values);
  n->predictors = calloc(2 * (size_t)p->n_models + 1, sizeof(TwRtPredictor *));
  n->fresh = calloc(2 * (size_t)p->n_models + 1, sizeof *n->fresh);
  if (ok && n->values && n->predictors && n->fresh) {
    n->w = &n->run.workers[0];
    tw_rt_seed_start(n->w, 0);
    enter_stage(n);
    tw_net_refresh(n);
    return n;
  }
  if (!ok && n->run.result && n->run.result->error) {
    const TwRtPlace *at = &n->run.result->error_place;
    const char *why = n->run.result->error;
    fail(error, at->path && *at->path ? tw_rt_textf("%s:%u:%u: %s", at->path, at->line, at->column, why)
                                      : tw_rt_textf("%s", why));
  }
  tw_net_free(n);
  return NULL;
}

void tw_net_free(tw_net *n) {
  if (!n) return;
  const TwRtProgram *p = n->run.p;
  for (uint32_t k = 0; n->predictors && k < 2 * p->n_models; k++) tw_rt_predictor_free(n->predictors[k]);
  tw_rt_run_close(&n->run);
  tw_rt_result_free(p, n->run.result);
  free(n->predictors);
  free(n->fresh);
  free(n->values);
  free(n->failed);
  free(n);
}

/* ---- values */

void tw_net_values(const tw_net *n, double *out) {
  if (n->run.p->n_shown) memcpy(out, n->values, n->run.p->n_shown * sizeof *out);
}

static bool in_domains(const TwRtProgram *p, const double *shown, char **error) {
  TwRtBadStart bad;
  if (!tw_rt_start_outside(p, shown, &bad)) return true;
  const TwRtParam *q = &p->params[bad.param];
  return fail(error, tw_rt_textf("element %llu of '%s' is %.9g, outside its domain %c%.9g, %.9g%c",
                                 (unsigned long long)bad.element, q->name, bad.value, q->lo_open ? '(' : '[', q->lo,
                                 q->hi, q->hi_open ? ')' : ']'));
}

static bool store(tw_net *n, const double *shown, const double *coordinates, char **error) {
  const TwRtProgram *p = n->run.p;
  TwRtWorker *w = n->w;
  if (!p->n_stages) return fail(error, tw_rt_textf("the program has no stage, so its values do not change"));
  if (!p->store.entry)
    return fail(error, tw_rt_textf("the program was compiled without the functions that set values"));
  if (!in_domains(p, shown, error)) return false;
  /* store reads and writes doubles, and its buffers are those of init. */
  if (p->n_shown) memcpy(w->init_shown, shown, p->n_shown * sizeof *shown);
  for (uint64_t i = 0; i < p->n_shown; i++) w->init_shown[i] = tw_rt_round(w->init_shown[i], p->f64);
  const void *in = w->init_shown;
  void *out = w->init_values;
  int64_t outside = tw_rt_outside(w);
  if (outside >= 0)
    return fail(error,
                tw_rt_textf("'%s' is not in its domain '%s'", p->params[outside].name, p->params[outside].domain));
  p->store.entry(&(TwRtCall){.in = &in, .out = &out, .work = w->work});
  if (coordinates) memcpy(w->init_values, coordinates, p->n_coordinates * sizeof *coordinates);
  for (uint64_t i = 0; i < p->n_values; i++) tw_rt_put(w->values, i, w->init_values[i], p->f64);
  const TwRtStage *st = moment(n);
  void *flat = (void *)(uintptr_t)flat_of(n);
  size_t size = tw_rt_real_size(p->f64);
  for (uint32_t k = 0; k < st->n_ranges; k++) {
    const TwRtRange *r = &st->ranges[k];
    if (r->n) memcpy((char *)flat + r->to * size, (char *)w->values + r->at * size, r->n * size);
  }
  if (n->stage < p->n_stages) { /* what was best belonged to other values */
    TwRtStageRun *g = present(n);
    g->best = g->cur;
    g->next = (g->cur + 1) % 3;
    g->best_loss = NAN;
  }
  tw_net_refresh(n);
  return true;
}

bool tw_net_store(tw_net *n, const double *shown, const double *coordinates, TwNetLook look, const void *context,
                  char **error) {
  TwRtSaved old = look ? tw_net_state(n) : (TwRtSaved){0};
  if (look && !old.bytes) return fail(error, NULL);
  bool ok = store(n, shown, coordinates, error);
  if (ok && look && !look(n, context, error)) {
    char *why;
    ok = false;
    if (!tw_net_enter(n, &old, &why)) free(n->failed), n->failed = why ? why : tw_rt_textf("out of memory");
  }
  if (ok) free(n->failed), n->failed = NULL;
  free(old.bytes);
  return ok;
}

bool tw_net_set_values(tw_net *n, const double *values, char **error) {
  begin_call(error);
  return tw_net_store(n, values, NULL, NULL, NULL, error);
}

typedef struct Wanted {
  const TwRtTensor *tensor;
  const double *values;
} Wanted;

static bool is_set(const tw_net *n, const void *context, char **error) {
  const Wanted *v = context;
  const TwRtTensor *t = v->tensor;
  for (uint64_t i = 0; i < t->count; i++)
    if (n->values[t->at + i] != tw_rt_round(v->values[i], n->run.p->f64))
      return fail(error, tw_rt_textf("'%s' is a function of params in stage '%s', and cannot be set", t->name,
                                     moment(n)->name));
  return true;
}

bool tw_net_set_tensor(tw_net *n, uint32_t tensor, const double *values, uint64_t count, char **error) {
  begin_call(error);
  const TwRtProgram *p = n->run.p;
  if (tensor >= p->n_tensors || p->tensors[tensor].count != count)
    return fail(error, tensor >= p->n_tensors
                           ? tw_rt_textf("there is no tensor %u", tensor)
                           : tw_rt_textf("'%s' has %llu elements, not %llu", p->tensors[tensor].name,
                                         (unsigned long long)p->tensors[tensor].count, (unsigned long long)count));
  const TwRtTensor *t = &p->tensors[tensor];
  double *all = malloc((p->n_shown + 1) * sizeof *all);
  if (!all) return fail(error, NULL);
  tw_net_values(n, all);
  if (count) memcpy(all + t->at, values, count * sizeof *values);
  bool ok = tw_net_store(n, all, NULL, t->is_param ? NULL : is_set, &(Wanted){t, values}, error);
  free(all);
  return ok;
}

/* ---- predictions */

static TwRtPredictor *predictor(tw_net *n, uint32_t model, bool slopes, char **error) {
  const TwRtProgram *p = n->run.p;
  begin_call(error);
  if (model >= p->n_models) return fail(error, tw_rt_textf("there is no model %u", model)), NULL;
  uint32_t k = 2 * model + slopes;
  if (!n->predictors[k]) {
    char *why;
    n->predictors[k] = tw_rt_predictor_new(p, model, slopes, n->values, &why);
    if (!n->predictors[k]) return fail(error, why), NULL;
  } else if (!n->fresh[k]) {
    tw_rt_predictor_set(n->predictors[k], n->values);
  }
  n->fresh[k] = true;
  return n->predictors[k];
}

bool tw_net_predict(tw_net *n, uint32_t model, uint64_t rows, const double *in, double *out, char **error) {
  TwRtPredictor *t = predictor(n, model, false, error);
  if (t) tw_rt_predict(t, rows, in, out);
  return t != NULL;
}

bool tw_net_predict_f32(tw_net *n, uint32_t model, uint64_t rows, const float *in, float *out, char **error) {
  TwRtPredictor *t = predictor(n, model, false, error);
  if (t) tw_rt_predict_f32(t, rows, in, out);
  return t != NULL;
}

bool tw_net_slopes(tw_net *n, uint32_t model, uint64_t rows, const double *in, double *out, char **error) {
  TwRtPredictor *t = predictor(n, model, true, error);
  if (t) tw_rt_slopes(t, rows, in, out);
  return t != NULL;
}

/* ---- training */

uint32_t tw_net_stage(const tw_net *n) { return n->stage; }

int64_t tw_net_epoch(const tw_net *n) { return n->stage < n->run.p->n_stages ? n->stages[n->stage % 2].epoch : 0; }

bool tw_net_loss(tw_net *n, double *loss, double *gradient, char **error) {
  begin_call(error);
  const TwRtProgram *p = n->run.p;
  if (!p->n_stages) return fail(error, tw_rt_textf("the program has no stage, and so no loss"));
  const TwRtStage *st = moment(n);
  const TwRtFn *fn = gradient ? &st->gradient : &st->eval;
  if (!fn->entry) return fail(error, tw_rt_textf("the program was compiled without gradients of their own"));
  tw_rt_call(n->w, fn, flat_of(n));
  *loss = tw_rt_get(n->w->loss, 0, p->f64);
  for (uint64_t i = 0; gradient && i < st->n_flat; i++) gradient[i] = tw_rt_get(n->w->gradient, i, p->f64);
  return true;
}

/* The text of what has ended the seed. */
static char *reason(const tw_net *n) {
  const TwRtSeedResult *s = &n->run.result->seeds[0];
  const TwRtFailure *f = s->n_failures ? &s->failures[s->n_failures - 1] : NULL;
  return f ? tw_rt_textf("%s:%u:%u: %s", f->place.path ? f->place.path : "", f->place.line, f->place.column, f->text)
           : tw_rt_textf("training has ended");
}

bool tw_net_step(tw_net *n, tw_step *out, char **error) {
  begin_call(error);
  const TwRtProgram *p = n->run.p;
  if (n->failed) return fail(error, tw_rt_textf("%s", n->failed));
  if (n->stage == p->n_stages) return fail(error, tw_rt_textf("all stages are done"));
  TwRtStageRun *g = present(n);
  tw_step step = {.stage = n->stage, .epoch = g->epoch};
  TwRtVerdict verdict = tw_rt_stage_epoch(g);
  step.loss = g->loss;
  step.norm = g->norm;
  step.stage_done = verdict == TW_RT_STAGE_DONE;
  if (verdict == TW_RT_STAGE_DONE) {
    tw_rt_stage_end(g, &n->flat);
    n->stage++;
    enter_stage(n);
  }
  tw_net_refresh(n);
  if (verdict == TW_RT_END_SEED) {
    n->failed = reason(n);
    return fail(error, tw_rt_textf("%s", n->failed ? n->failed : "out of memory"));
  }
  if (out) *out = step;
  return true;
}

bool tw_net_train(tw_net *n, tw_on_step on_step, void *context, char **error) {
  begin_call(error);
  tw_step step;
  while (n->stage < n->run.p->n_stages) {
    if (!tw_net_step(n, &step, error)) return false;
    if (on_step && !on_step(context, n, &step)) return true;
  }
  return true;
}
