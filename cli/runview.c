/* runview.c: see runview.h. */
#define _GNU_SOURCE
#include "cli/runview.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/metrics.h"
#include "runtime/files.h"
#include "runtime/table.h"
#include "runtime/text.h"

enum { MOST_STAGES = 1000 };

static const cJSON *item(const cJSON *j, const char *name) { return cJSON_GetObjectItemCaseSensitive(j, name); }

static double number_of(const cJSON *j, const char *name) {
  const cJSON *n = item(j, name);
  return cJSON_IsNumber(n) ? n->valuedouble : NAN;
}

const char *tw_run_state_text(TwRunState s) {
  switch (s) {
    case TW_RUN_FINISHED: return "finished";
    case TW_RUN_INTERRUPTED: return "interrupted";
    case TW_RUN_RUNNING: return "running";
  }
  return "?";
}

const char *tw_runview_text(const TwRunView *v, const char *name) {
  const char *text = cJSON_GetStringValue(item(v->dir.json, name));
  return text ? text : "?";
}

/* A real of the program: its texts in metrics and summary differ, but in f32 they mean the same number. */
static double real_of(const TwRunView *v, double x) {
  return strcmp(tw_runview_text(v, "precision"), "f32") == 0 ? (double)(float)x : x;
}

const cJSON *tw_runview_main(const TwRunView *v) {
  const cJSON *one;
  cJSON_ArrayForEach(one, item(v->dir.json, "sources")) if (cJSON_IsTrue(item(one, "main"))) return one;
  return NULL;
}

static bool damaged(const char *folder, const char *name, char **error) {
  *error = tw_rt_textf("'%s/%s' is damaged: it is not what a run writes", folder, name);
  return false;
}

/* ---- stages */

static const TwViewSeed nothing = {NAN, NAN, NAN, NAN, NAN, NAN};

/* The stage of the name, which is made if it is not there. NULL: there are too many, or no memory. */
static TwViewStage *stage_of(const TwRunView *v, TwViewJob *j, const char *name) {
  for (uint32_t k = j->n_stages; k-- > 0;)
    if (strcmp(j->stages[k].name, name) == 0) return &j->stages[k];
  TwViewStage *more = j->n_stages < MOST_STAGES ? realloc(j->stages, (j->n_stages + 1) * sizeof *more) : NULL;
  if (!more) return NULL;
  j->stages = more;
  TwViewStage *s = &more[j->n_stages];
  *s = (TwViewStage){strdup(name), malloc((size_t)v->n_seeds * sizeof *s->seeds)};
  if (!s->name || !s->seeds) return free(s->name), free(s->seeds), NULL;
  for (uint32_t k = 0; k < v->n_seeds; k++) s->seeds[k] = nothing;
  j->n_stages++;
  return s;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double value_of(const TwViewSeed *s, int what) {
  const double all[] = {s->epochs, s->loss, s->best, s->regions, s->dead, s->seconds};
  return all[what];
}

TwViewStats tw_runview_stats(const TwRunView *v, const TwViewStage *s, int what) {
  TwViewStats out = {0, NAN, NAN, NAN, NAN};
  double *all = tw_cli_need(malloc(((size_t)v->n_seeds + 1) * sizeof *all)), sum = 0;
  for (uint32_t k = 0; k < v->n_seeds; k++) {
    double x = value_of(&s->seeds[k], what);
    if (!isfinite(x)) continue;
    all[out.n++] = x;
    sum += x;
  }
  if (out.n) {
    uint32_t n = out.n;
    qsort(all, n, sizeof *all, ascending);
    out = (TwViewStats){n, all[0], sum / n, n % 2 ? all[n / 2] : (all[n / 2 - 1] + all[n / 2]) / 2, all[n - 1]};
  }
  free(all);
  return out;
}

cJSON *tw_runview_stats_json(const TwViewStats *s) {
  cJSON *out = cJSON_CreateObject();
  cJSON_AddNumberToObject(out, "n", s->n);
  cJSON_AddNumberToObject(out, "min", s->min); /* NaN becomes null */
  cJSON_AddNumberToObject(out, "mean", s->mean);
  cJSON_AddNumberToObject(out, "median", s->median);
  cJSON_AddNumberToObject(out, "max", s->max);
  return out;
}

double tw_runview_best(const TwRunView *v) {
  double best = NAN;
  for (uint32_t k = 0; k < v->n_jobs; k++)
    if (v->jobs[k].n_stages)
      best = fmin(best, tw_runview_stats(v, &v->jobs[k].stages[v->jobs[k].n_stages - 1], TW_VIEW_BEST).min);
  return best;
}

/* ---- of a run that is finished: the summary */

static bool read_seed(const TwRunView *v, TwViewJob *j, uint32_t k, const cJSON *seed) {
  const char *status = cJSON_GetStringValue(item(seed, "status"));
  const cJSON *one;
  if (!status || !cJSON_IsArray(item(seed, "stages"))) return false;
  cJSON_ArrayForEach(one, item(seed, "stages")) {
    const char *name = cJSON_GetStringValue(item(one, "name"));
    TwViewStage *s = name ? stage_of(v, j, name) : NULL;
    if (!s) return false;
    double loss = number_of(one, "loss");
    if (isnan(loss)) continue; /* not reached, or ended by a NaN */
    s->seeds[k] = (TwViewSeed){
        number_of(one, "epochs"),  real_of(v, loss),       real_of(v, number_of(one, "best_loss")),
        number_of(one, "regions"), number_of(one, "dead"), number_of(one, "seconds")};
  }
  return true;
}

static bool read_result(TwRunView *v, TwViewJob *j, const cJSON *result, char **error) {
  const cJSON *seeds = item(result, "seeds"), *one;
  double failed = number_of(item(result, "summary"), "failed");
  uint32_t k = 0;
  bool ok = cJSON_IsArray(seeds) && (uint32_t)cJSON_GetArraySize(seeds) <= v->n_seeds && failed >= 0 &&
            failed <= v->n_seeds;
  cJSON_ArrayForEach(one, seeds) ok = ok && read_seed(v, j, k++, one);
  if (!ok) return damaged(v->dir.folder, "summary.json", error);
  j->result = result;
  j->n_failed = (uint32_t)failed;
  return true;
}

/* ---- of any other: the metrics */

typedef struct Lines {
  const TwRunView *v;
  TwViewJob *j;
} Lines;

static const char *add_line(void *context, const TwMetricsLine *l) {
  const Lines *t = context;
  char *end;
  unsigned long long seed = strtoull(l->seed, &end, 10), k = t->v->n_seeds > 1 ? seed : seed - t->v->first_seed;
  if (!*l->seed || *end || k >= t->v->n_seeds) return "the run has no such seed";
  TwViewStage *s = stage_of(t->v, t->j, l->stage);
  if (!s) return "there are too many stages";
  TwViewSeed *to = &s->seeds[k];
  double loss = real_of(t->v, l->loss);
  *to = (TwViewSeed){l->epoch, loss, fmin(to->best, loss), l->regions, NAN, l->seconds};
  return NULL;
}

static bool read_metrics(TwRunView *v, TwViewJob *j, char **error) {
  char *path = tw_rundir_path(j->path, "metrics.csv");
  Lines lines = {v, j};
  bool ok = access(path, F_OK) != 0 || tw_metrics_each(path, true, add_line, &lines, error);
  free(path);
  return ok;
}

/* ---- the run */

/* Whoever runs it holds a lock on its folder. */
static bool is_running(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool running = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (fd >= 0) close(fd);
  return running;
}

static bool read_head(TwRunView *v, char **error) {
  const char *seed = cJSON_GetStringValue(item(v->dir.json, "first_seed"));
  double n = number_of(v->dir.json, "n_seeds");
  if (!seed || !(n >= 1 && n <= 1e6) || tw_rundir_n_jobs(&v->dir) == 0)
    return damaged(v->dir.folder, "run.json", error);
  v->n_seeds = (uint32_t)n;
  v->first_seed = strtoull(seed, NULL, 10);
  v->n_jobs = tw_rundir_n_jobs(&v->dir);
  v->jobs = calloc(v->n_jobs, sizeof *v->jobs);
  if (!v->jobs) return *error = NULL, false;
  return true;
}

static bool read_job(TwRunView *v, uint32_t k, const char *name, char **error) {
  TwViewJob *j = &v->jobs[k];
  *j = (TwViewJob){.about = cJSON_GetArrayItem(item(v->dir.json, "jobs"), (int)k)};
  j->path = tw_rundir_folder(&v->dir, k);
  j->variant = tw_rundir_variant(&v->dir, k);
  const char *folder = cJSON_GetStringValue(item(j->about, "folder"));
  j->label = !folder || strcmp(folder, ".") == 0 ? tw_rt_textf("%s", name) : tw_rt_textf("%s/%s", name, folder);
  if (!j->label) return *error = NULL, false;
  return v->summary ? read_result(v, j, cJSON_GetArrayItem(item(v->summary, "variants"), (int)k), error)
                    : read_metrics(v, j, error);
}

bool tw_runview_read(TwRunView *v, const char *folder, char **error) {
  *v = (TwRunView){0};
  *error = NULL;
  char *name = strdup(folder);
  for (size_t n = name ? strlen(name) : 0; n > 1 && name[n - 1] == '/'; n--) name[n - 1] = 0;
  if (!name || !tw_rundir_read(&v->dir, name, error)) return free(name), false;
  bool running = is_running(name); /* before the summary, which may be written in between */
  bool ok = read_head(v, error) && tw_rundir_summary(&v->dir, &v->summary, error);
  v->state = !ok || v->summary ? TW_RUN_FINISHED : running ? TW_RUN_RUNNING : TW_RUN_INTERRUPTED;
  for (uint32_t k = 0; ok && k < v->n_jobs; k++) ok = read_job(v, k, name, error);
  free(name);
  if (!ok) tw_runview_free(v);
  return ok;
}

void tw_runview_free(TwRunView *v) {
  for (uint32_t k = 0; v->jobs && k < v->n_jobs; k++) {
    TwViewJob *j = &v->jobs[k];
    for (uint32_t s = 0; s < j->n_stages; s++) free(j->stages[s].name), free(j->stages[s].seeds);
    free(j->stages);
    free(j->path);
    free(j->label);
  }
  free(v->jobs);
  cJSON_Delete(v->summary);
  tw_rundir_free(&v->dir);
  *v = (TwRunView){0};
}

/* ---- cells */

void tw_view_loss_cell(TwRtTable *t, double v) {
  if (isfinite(v)) tw_rt_cell(t, "%.3e", v);
  else tw_rt_cell(t, "%s", "-");
}

/* "32", or "30-33" */
void tw_view_count_cell(TwRtTable *t, const TwViewStats *s) {
  if (!s->n) tw_rt_cell(t, "%s", "");
  else if (s->min == s->max) tw_rt_cell(t, "%.0f", s->min);
  else tw_rt_cell(t, "%.0f-%.0f", s->min, s->max);
}

void tw_view_seconds_cell(TwRtTable *t, double s) {
  if (isnan(s)) tw_rt_cell(t, "%s", "");
  else tw_rt_cell(t, s < 10 ? "%.3f" : s < 1000 ? "%.1f" : "%.0f", s);
}
