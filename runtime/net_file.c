/* net_file.c: nets of include/triwave.h in files: their values as safetensors, all of their training as a checkpoint.
 *
 * A checkpoint has one seed and belongs to the program's layout, not to its text: tensors, stages and what an optimizer
 * carries decide what is in it; and that the natural values beside the state are those that follow from it shows that
 * they are the same function of it still. */
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
  const TwRtStText texts[] = {{"triwave.variant", p->variant},
                              {"triwave.seed", seed},
                              {"triwave.stage", stage},
                              {TW_RT_COORDINATES, coordinates}};
  size_t size;
  unsigned char *bytes = coordinates ? tw_rt_stored_encode(p, n->values, texts,
                                                           sizeof texts / sizeof *texts - !*coordinates, &size)
                                     : NULL;
  bool ok = bytes && tw_rt_file_write(path, bytes, size, &why);
  free(bytes);
  free(coordinates);
  return ok || tw_net_fail(error, why);
}

typedef struct Read {
  const double *values;
  bool exact; /* with the params' coordinates */
} Read;

/* Is it what was read? Params that have gone through their coordinate may differ in their last bits, and what follows
 * from them by that and the rounding of a few operations more. */
static bool as_read(const tw_net *n, const void *context, char **error) {
  const TwRtProgram *p = n->run.p;
  const Read *read = context;
  for (uint32_t k = 0; k < p->n_tensors; k++) {
    const TwRtTensor *t = &p->tensors[k];
    const double *now = n->values + t->at, *want = read->values + t->at;
    double most = 0, bound = t->is_param && read->exact ? 0 : 64 * (p->f64 ? DBL_EPSILON : (double)FLT_EPSILON);
    for (uint64_t i = 0; i < t->count; i++) most = fmax(most, fabs(now[i]));
    for (uint64_t i = 0; i < t->count; i++) {
      double is = tw_rt_round(want[i], p->f64);
      if (is == now[i] || fabs(is - now[i]) <= bound * most) continue; /* not so with NaN */
      if (t->is_param) return tw_net_fail(error, tw_rt_textf("its text '%s' is not of its params", TW_RT_COORDINATES));
      const char *stage = p->stages[n->stage < p->n_stages ? n->stage : p->n_stages - 1].name;
      return tw_net_fail(
          error, tw_rt_textf("'%s' is a function of params in stage '%s', and the file has other weights for it",
                             t->name, stage));
    }
  }
  return true;
}

/* The params' coordinates, if the file has them; malloc'ed. false and *why: it has them, and they are damaged. */
static bool coordinates_of(const TwRtProgram *p, const TwRtSt *file, double **out, char **why) {
  *out = NULL;
  if (!p->n_coordinates || !tw_rt_st_text(file, TW_RT_COORDINATES)) return true;
  *out = calloc(p->n_values + 1, sizeof **out);
  bool ok = *out && tw_rt_stored_coordinates_get(p, file, *out);
  for (uint64_t i = 0; ok && i < p->n_coordinates; i++) ok = isfinite((*out)[i]);
  if (!ok && *out) *why = tw_rt_textf("its text '%s' is damaged", TW_RT_COORDINATES);
  return ok;
}

bool tw_net_read(tw_net *n, const char *path, char **error) {
  const TwRtProgram *p = n->run.p;
  TwRtSt file;
  char *why = NULL;
  double *coordinates = NULL;
  if (error) *error = NULL;
  if (!tw_rt_st_read(path, &file, &why)) return tw_net_fail(error, why);
  double *values = malloc((p->n_shown + 1) * sizeof *values);
  bool ok = values && tw_rt_stored_decode(p, &file, values, &why) && coordinates_of(p, &file, &coordinates, &why);
  ok = ok && tw_net_store(n, values, coordinates, as_read, &(Read){values, coordinates != NULL}, &why);
  tw_rt_st_free(&file);
  free(values);
  free(coordinates);
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
      one = tw_rt_textf("%s\n%s %s %" PRId64 " %" PRId64 " %" PRIu64 " %u", text, s->name, s->optimizer, s->epochs,
                        s->batch, s->n_flat, s->n_states);
    }
    free(text);
    text = one;
  }
  if (text) tw_rt_digest(text, strlen(text), of);
  free(text);
  return text != NULL;
}

static void take(void *context, const TwRtSaved *s) { *(TwRtSaved *)context = *s; }

TwRtSaved tw_net_state(tw_net *n) {
  TwRtSaved s = {0};
  bool done = n->stage == n->run.p->n_stages;
  size_t shown = n->run.p->n_shown * sizeof *n->values;
  if (!n->run.p->n_stages) return s;
  n->options.save = take;
  n->options.context = &s;
  tw_rt_state_save(n->w, &n->stages[(n->stage - done) % 2]);
  n->options.save = NULL;
  unsigned char *all = s.bytes ? realloc(s.bytes, s.n + shown) : NULL;
  if (!all) return free(s.bytes), (TwRtSaved){0};
  memcpy(all + s.n, n->values, shown);
  s.bytes = all;
  s.n += shown;
  s.done = done;
  return s;
}

static const void *give(void *context, uint32_t seed_index, size_t *size) {
  const TwRtSaved *s = context;
  (void)seed_index;
  *size = s->n;
  return s->bytes;
}

bool tw_net_enter(tw_net *n, const TwRtSaved *s, char **why) {
  TwRtStageRun g = {0};
  TwRtSaved state = *s; /* without the values */
  size_t shown = n->run.p->n_shown * sizeof *n->values;
  *why = NULL;
  if (s->n < shown) return *why = tw_rt_textf("the saved state is too short"), false;
  state.n -= shown;
  n->options.load = give;
  n->options.context = &state;
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
  if (!shown || memcmp(n->values, s->bytes + state.n, shown) == 0) return true;
  *why = tw_rt_textf("its params and weights were another function of what is trained: it is of another program");
  return false;
}

/* An empty checkpoint of the program's. false and *error: there can be none. */
static bool open_checkpoint(const tw_net *n, TwRtCheckpoint *c, char **error) {
  uint8_t of[TW_RT_DIGEST];
  if (error) *error = NULL;
  if (!n->run.p->n_stages)
    return tw_net_fail(error, tw_rt_textf("the program has no stage, so there is nothing to go on from"));
  return (layout(n->run.p, of) && tw_rt_checkpoint_init(c, of, 1)) || tw_net_fail(error, NULL);
}

bool tw_net_save(tw_net *n, const char *path, char **error) {
  TwRtCheckpoint c;
  char *why = NULL;
  if (!open_checkpoint(n, &c, error)) return false;
  TwRtSaved s = n->failed ? (TwRtSaved){0} : tw_net_state(n);
  if (n->failed) why = tw_rt_textf("training has failed, and cannot go on: %s", n->failed);
  if (s.bytes) tw_rt_checkpoint_put(&c, &s);
  bool ok = s.bytes && tw_rt_checkpoint_write_alone(&c, path, &why);
  tw_rt_checkpoint_free(&c);
  return ok || tw_net_fail(error, why);
}

/* To where the state says, or nowhere. */
static bool go(tw_net *n, const TwRtSaved *to, const char *path, char **error) {
  char *why;
  TwRtSaved old = tw_net_state(n);
  bool entered = old.bytes && tw_net_enter(n, to, &why);
  if (old.bytes && !entered) {
    refuse(error, path, why);
    if (!tw_net_enter(n, &old, &why) && !n->failed) n->failed = why ? why : tw_rt_textf("out of memory");
  }
  if (entered) free(n->failed), n->failed = NULL;
  free(old.bytes);
  return entered;
}

bool tw_net_load(tw_net *n, const char *path, char **error) {
  TwRtCheckpoint c;
  char *why = NULL;
  if (!open_checkpoint(n, &c, error)) return false;
  bool ok = tw_rt_checkpoint_read_alone(&c, path, &why);
  if (!ok) tw_net_fail(error, why);
  ok = ok && c.seeds[0].bytes && go(n, &c.seeds[0], path, error);
  tw_rt_checkpoint_free(&c);
  return ok;
}
