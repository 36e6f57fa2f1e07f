/* trained.c: see trained.h. */
#include "cli/trained.h"

#include <stdlib.h>
#include <string.h>

#include "cli/failures.h"
#include "cli/output.h"
#include "cli/pieces.h"
#include "runtime/data.h"
#include "runtime/predict.h"
#include "runtime/stored.h"
#include "runtime/text.h"

static bool find_model(const TwCli *c, TwTrained *t) {
  int64_t model = tw_rt_find_model(t->build.rt, c->model);
  if (model >= 0) return t->model = (uint32_t)model, true;
  if (c->model) fprintf(stderr, "triwave: the program has no model '%s'\n", c->model);
  else fprintf(stderr, "triwave: the program has no model\n");
  return false;
}

static bool has_wanted(const TwCli *c, TwTrainedWant want, TwTrained *t) {
  return (want != TW_TRAINED_MODEL && !(want == TW_TRAINED_SHOWN && c->model)) || find_model(c, t);
}

static bool no_memory(void) {
  fprintf(stderr, "triwave: out of memory\n");
  return false;
}

static double *copy_of(const double *from, uint64_t n) {
  double *to = malloc((n + 1) * sizeof *to);
  if (to) memcpy(to, from, n * sizeof *to);
  return to;
}

/* ---- trained here */

static bool train(const TwCli *c, TwTrainedWant want, TwTrained *t, bool *sound) {
  const TwRtProgram *p = t->build.rt;
  if (p->n_stages == 0) {
    fprintf(stderr, "triwave: the program has no stage, so nothing is trained\n");
    return false;
  }
  int stage = tw_cli_stage(c, p);
  if (stage < 0) return false;
  t->stage = (uint32_t)stage;
  t->seed = c->have_seed ? c->seed : 0;
  TwRtOptions o = {.seeds = &t->seed, .n_seeds = 1, .threads = c->threads, .keep_values = true};
  TwRtResult *r = tw_rt_train(p, &o);
  *sound = tw_cli_failures(&t->build, r);
  bool last = t->stage + 1 == p->n_stages;
  const double *values = r->error ? NULL : r->seeds[0].stages[stage].values;
  /* A NaN leaves values for who asks where it arose; they are no net. */
  bool ok = values && (want == TW_TRAINED_PIECES || r->seeds[0].status != TW_RT_NAN || !last);
  if (ok) {
    t->values = copy_of(values, p->n_values);
    t->shown = last ? copy_of(r->seeds[0].shown, p->n_shown) : tw_cli_shown(p, &p->stages[stage], values);
    if (!t->values || !t->shown) ok = no_memory();
  }
  tw_rt_result_free(p, r);
  return ok;
}

static bool build_file(const TwCli *c, TwTrainedWant want, TwTrained *t, bool *sound) {
  TwBuild *b = &t->build;
  t->options = *c;
  t->unit = tw_cli_unit(c);
  *b = (TwBuild){.unit = t->unit,
                 .file = tw_cli_open(t->unit, c->files[0]),
                 .cache = t->cache,
                 .code = {.vector_bits = c->vector_bits, .threads = tw_cli_threads(c)},
                 .what = tw_cli_training(false) | (want == TW_TRAINED_PIECES ? 0u : TW_LOWER_MODELS)};
  bool ok = b->file && tw_build(b, TW_PHASE_PARSE) && tw_cli_one_variant(c, t->unit, b->ast, &b->variant) &&
            tw_build(b, TW_PHASE_CODE);
  return ok && has_wanted(c, want, t) && train(c, want, t, sound);
}

/* ---- kept by a run */

/* What training would go on from, if it had these params and weights: a coordinate of a param that is bounded may
 * differ in its last bit from the one that had this value, which a run therefore keeps as well. */
static double *values_of(const TwRtProgram *p, const double *shown) {
  void *in = tw_rt_reals(p->n_shown, true), *out = tw_rt_reals(p->n_values, true);
  void *work = tw_rt_reals(p->store.work_bytes / sizeof(double) + 8, true);
  double *values = in && out && work ? malloc((p->n_values + 1) * sizeof *values) : NULL;
  if (values) {
    const void *operand = in;
    memcpy(in, shown, p->n_shown * sizeof *shown);
    p->store.entry(&(TwRtCall){.in = &operand, .out = &out, .work = work});
    for (uint64_t i = 0; i < p->n_values; i++)
      values[i] = p->f64 ? tw_rt_get(out, i, true) : (float)tw_rt_get(out, i, true);
  }
  free(in);
  free(out);
  free(work);
  return values;
}

static bool read_weights(TwTrained *t) {
  const TwRtProgram *p = t->build.rt;
  TwRtSt file;
  char *error = NULL;
  if (!tw_rt_st_read(t->run.weights, &file, &error)) return tw_cli_said(error);
  t->shown = malloc((p->n_shown + 1) * sizeof *t->shown);
  bool ok = t->shown ? tw_rt_stored_decode(p, &file, t->shown, &error) : no_memory();
  if (ok) t->values = values_of(p, t->shown);
  bool sound = !t->values || tw_rt_stored_coordinates_get(p, &file, t->values);
  tw_rt_st_free(&file);
  if (ok && !sound)
    return tw_cli_said(tw_rt_textf("'%s': its text '%s' is damaged", t->run.weights, TW_RT_COORDINATES));
  if (ok) return t->values || no_memory();
  if (t->shown) fprintf(stderr, "triwave: '%s': %s\n", t->run.weights, error ? error : "out of memory");
  free(error);
  return false;
}

/* Statistics of data may be part of the program; where the data have changed, it is another one. */
static bool same_data(TwTrained *t) {
  TwRunJob job = {.unit = t->unit, .program = t->build.program, .rt = t->build.rt};
  char *error = NULL;
  return tw_rundir_same_job(&t->run.dir, t->run.job, &job, &error) || tw_cli_said(error);
}

static bool build_run(const TwCli *c, TwTrainedWant want, TwTrained *t, bool *sound) {
  TwBuild *b = &t->build;
  t->kept = true;
  if (!tw_picked_open(&t->run, c) || !tw_picked_options(&t->run, c, &t->options)) return false;
  t->unit = tw_cli_unit(&t->options);
  *b = (TwBuild){.unit = t->unit,
                 .file = tw_picked_source(&t->run, t->unit),
                 .cache = t->cache,
                 .code = {.vector_bits = c->vector_bits, .threads = tw_cli_threads(c)},
                 .what = TW_LOWER_TRAIN | TW_LOWER_MODELS};
  bool ok = b->file && tw_build(b, TW_PHASE_PARSE) && tw_cli_one_variant(&t->options, t->unit, b->ast, &b->variant) &&
            tw_build(b, TW_PHASE_CODE);
  ok = ok && has_wanted(c, want, t) && tw_picked_weights(&t->run, c, b->rt) && read_weights(t);
  t->seed = t->run.seed;
  t->stage = t->run.stage;
  return *sound = ok && same_data(t);
}

bool tw_cli_trained(const TwCli *c, TwTrainedWant want, TwTrained *t, bool *sound) {
  *t = (TwTrained){.cache = c->no_cache ? NULL : tw_cache_open(0)};
  *sound = false;
  return tw_picked_is(c->files[0]) ? build_run(c, want, t, sound) : build_file(c, want, t, sound);
}

void tw_cli_trained_end(TwTrained *t) {
  if (t->unit) tw_cli_diagnostics(t->unit);
  tw_build_free(&t->build);
  if (t->unit) tw_unit_free(t->unit);
  if (t->kept) tw_rundir_options_free(&t->options);
  tw_picked_free(&t->run);
  tw_cache_close(t->cache);
  free(t->shown);
  free(t->values);
}
