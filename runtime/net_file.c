/* net_file.c: nets of include/triwave.h in files: their values as safetensors, all of their training as a checkpoint.
 *
 * A checkpoint has one seed and belongs to the program's layout, not to its text: tensors, stages and what an optimizer
 * carries decide what is in it. That all stages are done is a mark beside the last one's state, which is ended again. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/checkpoint.h"
#include "runtime/files.h"
#include "runtime/net.h"
#include "runtime/state.h"
#include "runtime/stored.h"
#include "runtime/text.h"

static bool no_memory(char **error) { return tw_net_fail(error, NULL); }

/* "'PATH': WHY", which takes `why` over. */
static bool refuse(char **error, const char *path, char *why) {
  char *text = why ? tw_rt_textf("'%s': %s", path, why) : NULL;
  free(why);
  return tw_net_fail(error, text);
}

/* ---- values */

bool tw_net_write(const tw_net *n, const char *path, char **error) {
  const TwRtProgram *p = n->run.p;
  const char *stage = n->stage < p->n_stages ? p->stages[n->stage].name : "";
  char seed[24], *coordinates = tw_rt_stored_coordinates(p, n->w->values), *why = NULL;
  if (error) *error = NULL;
  snprintf(seed, sizeof seed, "%" PRIu64, n->seed);
  const TwRtStText texts[] = {{"triwave.variant", p->variant}, {"triwave.seed", seed}, {"triwave.stage", stage}, {TW_RT_COORDINATES, coordinates}};
  size_t size;
  unsigned char *bytes = coordinates ? tw_rt_stored_encode(p, n->values, texts, sizeof texts / sizeof *texts - !*coordinates, &size) : NULL;
  bool ok = bytes && tw_rt_file_write(path, bytes, size, &why);
  free(bytes);
  free(coordinates);
  return ok || tw_net_fail(error, why);
}

/* Weights that follow from params have been computed from them; were they so in the file, but for rounding? */
static bool as_read(const tw_net *n, const double *read, char **error) {
  const TwRtProgram *p = n->run.p;
  for (uint32_t k = 0; k < p->n_tensors; k++) {
    const TwRtTensor *t = &p->tensors[k];
    double most = 0, apart = 0;
    for (uint64_t i = t->at; i < t->at + t->count; i++) {
      most = fmax(most, fabs(read[i]));
      apart = fmax(apart, fabs(read[i] - n->values[i]));
    }
    /* A parameter that has gone through its coordinate, and a few operations on it. */
    if (apart <= 64 * (p->f64 ? DBL_EPSILON : (double)FLT_EPSILON) * most) continue;
    const char *stage = p->stages[n->stage < p->n_stages ? n->stage : p->n_stages - 1].name;
    return tw_net_fail(error, tw_rt_textf("'%s' is a function of params in stage '%s', and the file has other weights for it", t->name, stage));
  }
  return true;
}

bool tw_net_read(tw_net *n, const char *path, char **error) {
  const TwRtProgram *p = n->run.p;
  TwRtSt file;
  char *why = NULL;
  if (error) *error = NULL;
  if (!tw_rt_st_read(path, &file, &why)) return tw_net_fail(error, why);
  double *read = malloc((p->n_shown + 1) * sizeof *read), *coordinates = calloc(p->n_values + 1, sizeof *coordinates),
         *old = malloc((p->n_shown + 1) * sizeof *old);
  bool ok = read && coordinates && old && tw_rt_stored_decode(p, &file, read, &why);
  bool exact = ok && p->n_coordinates && tw_rt_st_text(&file, TW_RT_COORDINATES);
  bool sound = !exact || tw_rt_stored_coordinates_get(p, &file, coordinates);
  for (uint64_t i = 0; exact && i < p->n_coordinates; i++) sound &= isfinite(coordinates[i]);
  if (!sound) ok = false, why = tw_rt_textf("its text '%s' is damaged", TW_RT_COORDINATES);
  if (ok) {
    tw_net_values(n, old);
    ok = tw_net_store(n, read, exact ? coordinates : NULL, &why);
    if (ok && !as_read(n, read, &why)) tw_net_store(n, old, NULL, NULL), ok = false;
  }
  tw_rt_st_free(&file);
  free(read);
  free(coordinates);
  free(old);
  return ok || refuse(error, path, why);
}

/* ---- all of it */

/* What the states of a program's seeds look like. false: no memory. */
static bool layout(const TwRtProgram *p, uint8_t of[TW_RT_DIGEST]) {
  char *text = tw_rt_textf("net %u %d %" PRIu64 " %" PRIu64, p->abi, p->f64, p->n_values, p->n_shown);
  for (uint32_t k = 0; text && k < p->n_tensors + p->n_stages; k++) {
    char *one = NULL;
    if (k < p->n_tensors) {
      const TwRtTensor *t = &p->tensors[k];
      char *shape = tw_rt_stored_shape(t->rank, t->dims);
      if (shape) one = tw_rt_textf("%s\n%s %s", text, t->name, shape);
      free(shape);
    } else {
      const TwRtStage *s = &p->stages[k - p->n_tensors];
      one = tw_rt_textf("%s\n%s %s %" PRId64 " %" PRId64 " %" PRIu64 " %u", text, s->name, s->optimizer, s->epochs, s->batch, s->n_flat, s->n_states);
    }
    free(text);
    text = one;
  }
  if (text) tw_rt_digest(text, strlen(text), of);
  free(text);
  return text != NULL;
}

static void take(void *context, const TwRtSaved *s) { *(TwRtSaved *)context = *s; }

/* The state, malloc'ed; NULL bytes: no memory. */
static TwRtSaved state_of(tw_net *n) {
  TwRtSaved s = {0};
  bool done = n->stage == n->run.p->n_stages;
  TwRtStageRun *g = &n->stages[(n->stage - done) % 2];
  n->options.save = take;
  n->options.context = &s;
  tw_rt_state_save(n->w, g);
  n->options.save = NULL;
  s.done = done;
  return s;
}

static const void *give(void *context, uint32_t seed_index, size_t *size) {
  const TwRtSaved *s = context;
  (void)seed_index;
  *size = s->n;
  return s->bytes;
}

/* Goes where the state says. false and *why: the net is anywhere. */
static bool enter(tw_net *n, TwRtSaved *s, char **why) {
  TwRtStageRun g = {0};
  n->options.load = give;
  n->options.context = s;
  TwRtLoaded loaded = tw_rt_state_load(n->w, &g);
  n->options.load = NULL;
  *why = n->run.load_error;
  n->run.load_error = NULL;
  if (loaded != TW_RT_IN_STAGE) return false;
  n->stage = g.index;
  n->stages[g.index % 2] = g;
  tw_rt_bind_step(&n->stages[g.index % 2]);
  if (s->done) tw_rt_stage_end(&n->stages[n->stage++ % 2], &n->flat);
  tw_net_refresh(n);
  return true;
}

bool tw_net_save(tw_net *n, const char *path, char **error) {
  const TwRtProgram *p = n->run.p;
  uint8_t of[TW_RT_DIGEST];
  TwRtCheckpoint c;
  char *why = NULL;
  if (error) *error = NULL;
  if (!p->n_stages) return tw_net_fail(error, tw_rt_textf("the program has no stage, so there is nothing to go on from"));
  if (n->failed) return tw_net_fail(error, tw_rt_textf("training has failed, and cannot go on: %s", n->failed));
  if (!layout(p, of) || !tw_rt_checkpoint_init(&c, of, 1)) return no_memory(error);
  TwRtSaved s = state_of(n);
  bool ok = s.bytes != NULL;
  if (ok) tw_rt_checkpoint_put(&c, &s);
  ok = ok && tw_rt_checkpoint_write(&c, path, &why);
  tw_rt_checkpoint_free(&c);
  return ok || tw_net_fail(error, why);
}

bool tw_net_load(tw_net *n, const char *path, char **error) {
  const TwRtProgram *p = n->run.p;
  uint8_t of[TW_RT_DIGEST];
  TwRtCheckpoint c;
  char *why = NULL, *warning = NULL;
  if (error) *error = NULL;
  if (!p->n_stages) return tw_net_fail(error, tw_rt_textf("the program has no stage, so there is nothing to go on from"));
  if (!layout(p, of) || !tw_rt_checkpoint_init(&c, of, 1)) return no_memory(error);
  bool ok = tw_rt_checkpoint_read(&c, path, &warning, &why);
  free(warning);
  if (ok && !c.seeds[0].bytes) ok = false, why = tw_rt_textf("cannot read '%s': there is no such file", path);
  TwRtSaved old = ok ? state_of(n) : (TwRtSaved){0};
  if (ok && !old.bytes) ok = false;
  bool entered = ok && enter(n, &c.seeds[0], &why);
  if (ok && !entered) {
    char *never;
    enter(n, &old, &never);
    free(never);
  }
  if (entered) free(n->failed), n->failed = NULL;
  free(old.bytes);
  tw_rt_checkpoint_free(&c);
  return entered || tw_net_fail(error, why);
}
