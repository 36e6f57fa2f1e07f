/* picked.c: see picked.h. */
#include "cli/picked.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/output.h"
#include "runtime/files.h"
#include "runtime/text.h"

static bool no(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool no(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fputs("triwave: ", stderr);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
  return false;
}

/* ---- the run and the job */

/* The folder that a path lies in, and its own name: malloc'ed, and within the path. */
static char *parent_of(const char *path, const char **name) {
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  size_t start = n;
  while (start > 0 && path[start - 1] != '/') start--;
  *name = path + start;
  char *out = start ? strndup(path, start) : strdup(".");
  tw_cli_need(out);
  return out;
}

/* The folder of the run that a path names or lies in; malloc'ed, or NULL. *job: what the path names in it, or NULL. */
static char *run_of(const char *path, const char **job) {
  *job = NULL;
  if (tw_rundir_is(path)) return strdup(path);
  char *folder = parent_of(path, job);
  struct stat s;
  if (stat(path, &s) == 0 && S_ISDIR(s.st_mode) && tw_rundir_is(folder)) return folder;
  free(folder);
  return NULL;
}

bool tw_picked_is(const char *path) {
  const char *job;
  char *folder = run_of(path, &job);
  free(folder);
  return folder != NULL;
}

static const char *folder_name(const TwRunDir *r, uint32_t k) {
  const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(r->json, "jobs");
  const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(jobs, (int)k), "folder"));
  return name ? name : "";
}

static bool same_name(const char *job, const char *name) {
  size_t n = strlen(name);
  return strncmp(job, name, n) == 0 && strspn(job + n, "/") == strlen(job + n);
}

static bool find_job(TwPicked *p, const TwCli *c, const char *name) {
  uint32_t n = tw_rundir_n_jobs(&p->dir), found = 0;
  for (uint32_t k = 0; k < n; k++) {
    bool of_variant = !c->variants || strcmp(c->variants, tw_rundir_variant(&p->dir, k)) == 0;
    if ((name ? same_name(name, folder_name(&p->dir, k)) : of_variant) && found++ == 0) p->job = k;
  }
  const char *is = tw_rundir_variant(&p->dir, p->job);
  if (found == 1 && name && c->variants && strcmp(c->variants, is) != 0)
    return no("'%s/%s' is of variant '%s', not '%s'", p->dir.folder, folder_name(&p->dir, p->job), is, c->variants);
  if (found == 1) return true;
  if (!found && !name && c->variants) return no("the run in '%s' has no variant '%s'", p->dir.folder, c->variants);
  if (!found) return no("'%s/%s' is not the folder of a job of the run", p->dir.folder, name ? name : "");
  no("the run in '%s' has several nets: name a folder in it", p->dir.folder);
  for (uint32_t k = 0, told = 0; k < n; k++) {
    if (c->variants && strcmp(c->variants, tw_rundir_variant(&p->dir, k)) != 0) continue;
    if (++told > 12) return no("  and %u more", found - 12);
    no("  %s/%s", p->dir.folder, folder_name(&p->dir, k));
  }
  return false;
}

bool tw_picked_open(TwPicked *p, const TwCli *c) {
  *p = (TwPicked){0};
  const char *job;
  char *folder = run_of(c->files[0], &job), *error = NULL;
  tw_cli_need(folder);
  bool ok = tw_rundir_read(&p->dir, folder, &error) || tw_cli_said(error);
  free(folder);
  if (ok && c->n_defines) ok = no("a run has its settings: -D cannot be given anew");
  ok = ok && find_job(p, c, job);
  if (ok) p->folder = tw_rundir_folder(&p->dir, p->job);
  return ok;
}

uint32_t tw_picked_source(const TwPicked *p, TwUnit *u) {
  char *error = NULL;
  uint32_t file = tw_rundir_sources(&p->dir, u, &error);
  if (!file) tw_cli_said(error);
  return file;
}

/* The job's cell of a sweep is further definitions. */
bool tw_picked_options(const TwPicked *p, const TwCli *c, TwCli *out) {
  char *error = NULL;
  *out = *c;
  out->n_files = 0;
  if (!tw_rundir_options(&p->dir, out, &error)) return tw_cli_said(error);
  if (c->have_precision && c->precision != out->precision)
    return no("the run in '%s' is in %s", p->dir.folder, out->precision == TW_F64 ? "f64" : "f32");
  const cJSON *one;
  cJSON_ArrayForEach(one, tw_rundir_settings(&p->dir, p->job)) {
    const char *value = cJSON_GetStringValue(one);
    out->defines = tw_cli_need(realloc(out->defines, (out->n_defines + 1) * sizeof *out->defines));
    out->defines[out->n_defines++] = (TwDefine){tw_cli_need(strdup(one->string)), value ? value : ""};
  }
  out->variants = tw_rundir_variant(&p->dir, p->job);
  out->all_variants = false;
  return true;
}

/* ---- the seed */

/* The summary that a run writes when it ends: of the job, or NULL. *all is to be deleted. */
static const cJSON *summary_of(const TwPicked *p, cJSON **all) {
  char *path = tw_rundir_path(p->dir.folder, "summary.json"), *text = NULL, *error = NULL;
  size_t n = 0;
  *all = tw_rt_file_read(path, &text, &n, &error) ? cJSON_ParseWithLength(text, n) : NULL;
  free(path);
  free(text);
  free(error);
  return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(*all, "variants"), (int)p->job);
}

static double loss_of(const cJSON *seed, bool best) {
  const cJSON *loss = cJSON_GetObjectItemCaseSensitive(seed, best ? "best_loss" : "loss");
  return cJSON_IsNumber(loss) ? loss->valuedouble : INFINITY;
}

static bool is_ok(const cJSON *seed) {
  const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(seed, "status"));
  return status && strcmp(status, "ok") == 0;
}

static bool best_seed(TwPicked *p, bool best, uint64_t n) {
  cJSON *all;
  const cJSON *job = summary_of(p, &all), *seed;
  double least = INFINITY;
  bool found = false, found_ok = false;
  uint64_t k = 0;
  cJSON_ArrayForEach(seed, cJSON_GetObjectItemCaseSensitive(job, "seeds")) {
    double loss = loss_of(seed, best);
    bool ok = is_ok(seed), better = ok != found_ok ? ok : loss < least; /* one that failed only if all have */
    if (k < n && isfinite(loss) && better) found = true, found_ok = ok, least = loss, p->seed = k;
    k++;
  }
  bool ended = all != NULL;
  cJSON_Delete(all);
  if (found)
    return fprintf(stderr, "triwave: seed %llu, the best of %llu (--seed names another)\n", (unsigned long long)p->seed,
                   (unsigned long long)n),
           true;
  if (!ended)
    return no("the run in '%s' has not ended, so its best seed is not known: --seed names one", p->dir.folder);
  return no("no seed of the run in '%s' has a loss", p->dir.folder);
}

/* Those of a run are first … first + n - 1. */
static bool find_seed(TwPicked *p, const TwCli *c, const TwRtStage *st) {
  TwCli run = {0};
  char *error = NULL;
  bool ok = tw_rundir_options(&p->dir, &run, &error) || tw_cli_said(error);
  uint64_t first = run.have_seeds ? 0 : run.seed, n = run.have_seeds ? run.seeds : 1;
  tw_rundir_options_free(&run);
  if (!ok) return false;
  p->seed = c->have_seed ? c->seed : first;
  if (c->have_seed && (c->seed < first || c->seed - first >= n))
    return no("the run in '%s' has no seed %llu", p->dir.folder, (unsigned long long)c->seed);
  return c->have_seed || n == 1 || best_seed(p, p->best || st->keep_best || st->rounds, n);
}

/* ---- the stage */

static bool find_stage(TwPicked *p, const TwCli *c, const TwRtProgram *rt) {
  if (!rt->n_stages) return no("the program has no stage");
  p->stage = rt->n_stages - 1;
  if (!c->stage) return true;
  size_t n = strlen(c->stage);
  p->best = n > 5 && strcmp(c->stage + n - 5, ".best") == 0;
  if (p->best) n -= 5;
  for (p->stage = 0; p->stage < rt->n_stages; p->stage++) {
    const char *name = rt->stages[p->stage].name;
    if (strlen(name) != n || strncmp(name, c->stage, n) != 0) continue;
    if (!p->best || p->stage + 1 == rt->n_stages) return true;
    return no("a run keeps the best epoch of its last stage, '%s', and not of '%s'", rt->stages[rt->n_stages - 1].name,
              name);
  }
  return no("the program has no stage '%s'", c->stage);
}

bool tw_picked_weights(TwPicked *p, const TwCli *c, const TwRtProgram *rt) {
  if (!find_stage(p, c, rt) || !find_seed(p, c, &rt->stages[p->stage])) return false;
  p->weights = tw_rt_textf("%s/weights/%s%s.seed%llu.safetensors", p->folder, rt->stages[p->stage].name,
                           p->best ? ".best" : "", (unsigned long long)p->seed);
  tw_cli_need(p->weights);
  if (access(p->weights, F_OK) == 0) return true;
  return no("there is no '%s': seed %llu has not ended stage '%s'", p->weights, (unsigned long long)p->seed,
            rt->stages[p->stage].name);
}

void tw_picked_free(TwPicked *p) {
  tw_rundir_free(&p->dir);
  free(p->folder);
  free(p->weights);
  *p = (TwPicked){0};
}
