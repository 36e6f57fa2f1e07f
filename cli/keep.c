/* keep.c: see keep.h.
 *
 * A job's seeds hand over their states now and then; they lie in memory until the next time to write, when the first
 * thread that hands over another one writes all: metrics first, then weights, then the checkpoint that relies on both.
 * So the files hold every epoch that the checkpoint holds, and more; a run that is resumed cuts the rest off. */
#define _GNU_SOURCE
#include "cli/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cli/metrics_file.h"
#include "runtime/checkpoint.h"
#include "runtime/data.h"
#include "runtime/files.h"
#include "runtime/stored.h"
#include "runtime/text.h"

static const double LEAST_SHARE = 20; /* of the time from one writing to the next: the writing takes at most 1/20 */

struct TwKept {
  TwKeep *all;
  const TwRtProgram *p;
  char *folder, *checkpoint;
  pthread_mutex_t lock; /* for all below */
  TwRtCheckpoint saved;
  TwMetricsFile metrics;
  TwRtFiles weights;
  bool changed; /* since it was written last */
  bool worked;  /* in this process */
};

struct TwKeep {
  char *folder;
  int fd; /* the folder, locked */
  TwRunDir dir;
  bool resumed;
  double seconds, next;
  pthread_mutex_t writing; /* who writes all */
  pthread_mutex_t lock;    /* for `error` */
  char *error;
  volatile sig_atomic_t *stop;
  uint32_t n, ready; /* jobs; those that are there */
  TwKept *jobs;
  const uint64_t *seeds;
};

/* ---- the folder */

/* Who looks at a run holds a lock for a moment (runview.c), which is waited for; who runs it keeps it. */
static bool lock(int fd) {
  const struct timespec moment = {.tv_nsec = 20000000};
  for (int k = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; k++) {
    if (errno != EWOULDBLOCK || k == 50) return false;
    nanosleep(&moment, NULL);
    errno = EWOULDBLOCK;
  }
  return true;
}

static TwKeep *lock_folder(const char *folder, double seconds, volatile sig_atomic_t *stop, char **error) {
  TwKeep *k = tw_cli_need(calloc(1, sizeof *k));
  *k = (TwKeep){.folder = strdup(folder), .seconds = seconds, .stop = stop};
  pthread_mutex_init(&k->writing, NULL);
  pthread_mutex_init(&k->lock, NULL);
  k->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (k->fd < 0) *error = tw_rt_file_error("open", folder, errno);
  else if (lock(k->fd)) return k;
  else if (errno == EWOULDBLOCK) *error = tw_rt_textf("another process is at work in '%s'", folder);
  else *error = tw_rt_file_error("lock", folder, errno);
  tw_keep_free(k);
  return NULL;
}

/* Nothing in it but what a run leaves that was stopped before it had begun. */
static bool is_free(const char *folder) {
  DIR *d = opendir(folder);
  bool free_ = d != NULL;
  for (struct dirent *e; d && (e = readdir(d));) {
    size_t n = strlen(e->d_name);
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, "program") == 0) continue;
    if (n > 5 && strcmp(e->d_name + n - 5, ".part") == 0) continue;
    free_ = false;
  }
  if (d) closedir(d);
  return free_;
}

TwKeep *tw_keep_new(const char *folder, double seconds, volatile sig_atomic_t *stop, char **error) {
  *error = NULL;
  TwKeep *k = tw_rt_folder_make(folder, error) ? lock_folder(folder, seconds, stop, error) : NULL;
  if (!k) return NULL;
  if (tw_rundir_is(folder))
    *error = tw_rt_textf("'%s' has a run already: triwave run --resume %s goes on with it", folder, folder);
  else if (!is_free(folder))
    *error = tw_rt_textf("'%s' has something in it that is not a run: --out wants a new folder, or an empty one",
                         folder);
  if (!*error) return k;
  tw_keep_free(k);
  return NULL;
}

TwKeep *tw_keep_resume(const char *folder, double seconds, volatile sig_atomic_t *stop, char **error) {
  *error = NULL;
  TwKeep *k = lock_folder(folder, seconds, stop, error);
  if (!k) return NULL;
  k->resumed = true;
  if (tw_rundir_read(&k->dir, folder, error)) return k;
  tw_keep_free(k);
  return NULL;
}

const TwRunDir *tw_keep_dir(const TwKeep *k) { return k->resumed ? &k->dir : NULL; }

void tw_keep_free(TwKeep *k) {
  if (!k) return;
  for (uint32_t i = 0; i < k->ready; i++) {
    TwKept *j = &k->jobs[i];
    tw_metrics_file_close(&j->metrics);
    tw_rt_checkpoint_free(&j->saved);
    tw_rt_files_abandon(&j->weights);
    pthread_mutex_destroy(&j->lock);
    free(j->folder);
    free(j->checkpoint);
  }
  tw_rundir_free(&k->dir);
  if (k->fd >= 0) close(k->fd);
  pthread_mutex_destroy(&k->writing);
  pthread_mutex_destroy(&k->lock);
  free(k->jobs);
  free(k->folder);
  free(k->error);
  free(k);
}

/* ---- the beginning */

static void add_warning(char **warnings, char *warning) {
  if (!warning) return;
  char *both = *warnings ? tw_rt_textf("%s\n%s", *warnings, warning) : NULL;
  if (*warnings) free(*warnings), free(warning);
  *warnings = both ? both : *warnings ? NULL : warning;
}

static bool open_job(TwKeep *k, uint32_t i, const TwRunJob *job, uint32_t n_seeds, char **warnings, char **error) {
  uint8_t of[TW_RT_DIGEST];
  char *identity = tw_rt_textf("%u %s", i, k->dir.text), *warning = NULL;
  TwKept *j = &k->jobs[i];
  if (!identity) return false;
  tw_rt_digest(identity, strlen(identity), of);
  free(identity);
  *j = (TwKept){.all = k, .p = job->rt};
  j->folder = strcmp(job->folder, ".") == 0 ? strdup(k->folder) : tw_rundir_path(k->folder, job->folder);
  j->checkpoint = tw_rundir_path(j->folder, "checkpoint");
  pthread_mutex_init(&j->lock, NULL);
  k->ready++;
  char *weights = tw_rundir_path(j->folder, "weights"), *metrics = tw_rundir_path(j->folder, "metrics.csv");
  bool ok = tw_rt_folder_make(weights, error);
  if (ok && !tw_rt_checkpoint_init(&j->saved, of, n_seeds)) ok = (*error = NULL, false);
  ok = ok && tw_rt_checkpoint_read(&j->saved, j->checkpoint, &warning, error);
  add_warning(warnings, warning);
  ok = ok && tw_metrics_file_open(&j->metrics, metrics, job->rt, k->seeds, &j->saved, error);
  free(weights);
  free(metrics);
  return ok;
}

static void warn_of_build(TwKeep *k, char **warnings) {
  char build[65];
  const char *then = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(k->dir.json, "build"));
  tw_rundir_build(build);
  if (then && strcmp(then, build) != 0)
    add_warning(
        warnings,
        tw_rt_textf("the run was started by another build of triwave, or on another processor: its last bits may "
                    "differ from those of a run that was not interrupted"));
}

bool tw_keep_begin(TwKeep *k, const TwCli *c, uint32_t file, const TwRunJob *jobs, uint32_t n, uint32_t n_seeds,
                   const uint64_t *seeds, char **warnings, char **error) {
  *warnings = *error = NULL;
  k->seeds = seeds;
  if (!k->resumed) {
    if (!tw_rundir_write(k->folder, c, file, jobs, n, error) || !tw_rundir_read(&k->dir, k->folder, error))
      return false;
  } else {
    warn_of_build(k, warnings);
  }
  if (tw_rundir_n_jobs(&k->dir) != n) {
    *error = tw_rt_textf("'%s/run.json' is damaged: the program does not have its %u jobs", k->folder,
                         tw_rundir_n_jobs(&k->dir));
    return false;
  }
  for (uint32_t i = 0; i < n; i++)
    if (!tw_rundir_same_job(&k->dir, i, &jobs[i], error)) return false;
  k->jobs = calloc((size_t)n + 1, sizeof *k->jobs);
  k->n = n;
  for (uint32_t i = 0; k->jobs && i < n; i++)
    if (!open_job(k, i, &jobs[i], n_seeds, warnings, error)) return false;
  k->next = tw_cli_now() + k->seconds;
  return k->jobs != NULL;
}

TwKept *tw_keep_job(TwKeep *k, uint32_t job) { return &k->jobs[job]; }

/* ---- during */

/* The first error ends the run. */
static void give_up(TwKeep *k, char *error) {
  pthread_mutex_lock(&k->lock);
  if (!k->error) k->error = error ? error : strdup("out of memory");
  else free(error);
  pthread_mutex_unlock(&k->lock);
  *k->stop = 1;
}

static bool has_error(TwKeep *k) {
  pthread_mutex_lock(&k->lock);
  bool has = k->error != NULL;
  pthread_mutex_unlock(&k->lock);
  return has;
}

static void write_job(TwKept *j) {
  char *error = NULL;
  pthread_mutex_lock(&j->lock);
  bool ok = !j->changed || (tw_metrics_file_sync(&j->metrics, &error) && tw_rt_files_commit(&j->weights, &error) &&
                            tw_rt_checkpoint_write(&j->saved, j->checkpoint, &error));
  j->changed = false;
  pthread_mutex_unlock(&j->lock);
  if (!ok) give_up(j->all, error);
}

/* With its lock held. */
static void has_changed(TwKept *j) { j->changed = j->worked = true; }

/* With `writing` held. */
static void write_all(TwKeep *k) {
  double start = tw_cli_now();
  for (uint32_t i = 0; i < k->ready && !has_error(k); i++) write_job(&k->jobs[i]);
  double now = tw_cli_now(), took = LEAST_SHARE * (now - start);
  k->next = now + (took > k->seconds && k->seconds > 0 ? took : k->seconds);
}

void tw_kept_save(TwKept *j, const TwRtSaved *s) {
  TwKeep *k = j->all;
  if (!s->bytes) {
    give_up(k, strdup("there is not enough memory to save the state of the run"));
    return;
  }
  pthread_mutex_lock(&j->lock);
  tw_rt_checkpoint_put(&j->saved, s);
  has_changed(j);
  pthread_mutex_unlock(&j->lock);
  if (pthread_mutex_trylock(&k->writing) != 0) return;
  if (tw_cli_now() >= k->next && !has_error(k)) write_all(k);
  pthread_mutex_unlock(&k->writing);
}

const void *tw_kept_load(TwKept *j, uint32_t seed_index, size_t *n) {
  pthread_mutex_lock(&j->lock);
  const TwRtSaved *s = &j->saved.seeds[seed_index];
  const void *bytes = s->bytes; /* of this seed, which saves nothing before it has loaded */
  *n = s->n;
  pthread_mutex_unlock(&j->lock);
  return bytes;
}

void tw_kept_watch(TwKept *j, const TwRtEpoch *e) {
  char *error = NULL;
  pthread_mutex_lock(&j->lock);
  bool ok = tw_metrics_file_add(&j->metrics, e, &error);
  has_changed(j);
  pthread_mutex_unlock(&j->lock);
  if (!ok) give_up(j->all, error);
}

void tw_kept_restart(TwKept *j, uint32_t seed_index) {
  char *error = NULL;
  pthread_mutex_lock(&j->lock);
  bool ok = tw_metrics_file_forget(&j->metrics, seed_index, &error);
  has_changed(j);
  pthread_mutex_unlock(&j->lock);
  if (!ok) give_up(j->all, error);
}

/* The bytes of a safetensors file; NULL: no memory. */
static unsigned char *encode(const TwKept *j, uint32_t seed_index, uint32_t stage, bool best, const void *shown,
                             const void *values, size_t *n) {
  const TwRtProgram *p = j->p;
  char seed[24], *coordinates = tw_rt_stored_coordinates(p, values);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)j->all->seeds[seed_index]);
  const TwRtStText texts[] = {{"triwave.version", TW_VERSION},           {"triwave.variant", p->variant},
                              {"triwave.stage", p->stages[stage].name},  {"triwave.seed", seed},
                              {"triwave.epoch", best ? "best" : "last"}, {TW_RT_COORDINATES, coordinates}};
  double *reals = malloc((p->n_shown + 1) * sizeof *reals);
  for (uint64_t i = 0; reals && i < p->n_shown; i++) reals[i] = tw_rt_get(shown, i, p->f64);
  unsigned char *bytes = reals && coordinates
                             ? tw_rt_stored_encode(p, reals, texts, sizeof texts / sizeof *texts - !*coordinates, n)
                             : NULL;
  free(reals);
  free(coordinates);
  return bytes;
}

void tw_kept_stage(TwKept *j, uint32_t seed_index, uint32_t stage, bool best, const void *shown, const void *values) {
  char *error = NULL;
  size_t n;
  unsigned char *bytes = encode(j, seed_index, stage, best, shown, values, &n);
  char *path = tw_rt_textf("%s/weights/%s%s.seed%llu.safetensors", j->folder, j->p->stages[stage].name,
                           best ? ".best" : "", (unsigned long long)j->all->seeds[seed_index]);
  pthread_mutex_lock(&j->lock);
  bool ok = bytes && path && tw_rt_files_add(&j->weights, path, bytes, n, &error);
  has_changed(j);
  pthread_mutex_unlock(&j->lock);
  free(bytes);
  free(path);
  if (!ok) give_up(j->all, error);
}

/* ---- the end */

static char *write_summary(const TwKeep *k, const TwRtReport *r) {
  char *path = tw_rundir_path(k->folder, "summary.json"), *error = NULL;
  TwRtFile f;
  if (tw_rt_file_begin(&f, path, &error)) {
    tw_rt_report_json(f.out, r);
    tw_rt_file_commit(&f, &error);
  }
  free(path);
  return error;
}

/* Nothing was left to do: what is there tells of the process that did it, and of its time. */
static bool was_finished(const TwKeep *k) {
  cJSON *summary = NULL;
  char *error = NULL;
  for (uint32_t i = 0; i < k->ready; i++)
    if (k->jobs[i].worked) return false;
  bool was = k->resumed && tw_rundir_summary(&k->dir, &summary, &error) && summary;
  cJSON_Delete(summary);
  free(error);
  return was;
}

char *tw_keep_end(TwKeep *k, const TwRtReport *r) {
  pthread_mutex_lock(&k->writing);
  if (!has_error(k)) write_all(k);
  pthread_mutex_unlock(&k->writing);
  char *error = k->error;
  k->error = NULL;
  return error || was_finished(k) ? error : write_summary(k, r);
}
