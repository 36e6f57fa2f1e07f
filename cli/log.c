/* log.c: see log.h. */
#define _GNU_SOURCE
#include "cli/log.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "runtime/files.h"
#include "runtime/number.h"
#include "runtime/text.h"

struct TwLog {
  FILE *out;
  char *path;           /* NULL: stdout */
  pthread_mutex_t lock; /* for all of this */
  int why;              /* errno of the first write that failed; 0: none has */
};

TwLog *tw_log_open(const char *where, char **error) {
  TwLog *l = tw_cli_need(calloc(1, sizeof *l));
  *error = NULL;
  bool to_stdout = strcmp(where, "jsonl") == 0;
  l->path = to_stdout ? NULL : tw_cli_need(strdup(where));
  l->out = to_stdout ? stdout : fopen(where, "ae");
  pthread_mutex_init(&l->lock, NULL);
  if (to_stdout) signal(SIGPIPE, SIG_IGN); /* who reads may stop before training does */
  if (l->out) return l;
  *error = tw_rt_file_error("write", where, errno);
  free(l->path);
  free(l);
  return NULL;
}

void tw_log_empty(TwLog *l) {
  struct stat s;
  if (l && l->path && fstat(fileno(l->out), &s) == 0 && S_ISREG(s.st_mode) && ftruncate(fileno(l->out), 0) != 0)
    l->why = errno;
}

static void add_real(cJSON *j, const char *key, double v, bool f64) {
  char text[TW_RT_NUMBER + 1];
  cJSON_AddRawToObject(j, key, tw_rt_number_json(text, v, f64));
}

static void add_count(cJSON *j, const char *key, bool known, int64_t v) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)v);
  if (known) cJSON_AddRawToObject(j, key, text);
  else cJSON_AddNullToObject(j, key);
}

static cJSON *begin(const TwRtReportVariant *v, uint64_t seed) {
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "variant", v->name);
  cJSON *settings = v->n_settings ? cJSON_AddObjectToObject(j, "settings") : NULL;
  for (uint32_t k = 0; k < v->n_settings; k++)
    cJSON_AddStringToObject(settings, v->settings[k].name, v->settings[k].value);
  add_count(j, "seed", true, (int64_t)seed);
  return j;
}

/* Whoever reads it sees a line when it is made. */
static void put(TwLog *l, cJSON *j) {
  char *line = cJSON_PrintUnformatted(j);
  cJSON_Delete(j);
  pthread_mutex_lock(&l->lock);
  if (!l->why && (fprintf(l->out, "%s\n", line) < 0 || fflush(l->out) != 0)) l->why = errno;
  pthread_mutex_unlock(&l->lock);
  cJSON_free(line);
}

void tw_log_epoch(TwLog *l, const TwRtReportVariant *v, uint64_t seed, const TwRtEpoch *e) {
  const TwRtProgram *p = v->program;
  cJSON *j = begin(v, seed);
  cJSON_AddStringToObject(j, "stage", p->stages[e->stage].name);
  add_count(j, "epoch", true, e->epoch);
  add_real(j, "loss", e->loss, p->f64);
  cJSON *measures = cJSON_AddObjectToObject(j, "measures");
  for (uint32_t k = 0; k < p->n_measures; k++) add_real(measures, p->measures[k], e->measures[k], p->f64);
  add_count(j, "regions", e->regions >= 0, e->regions);
  add_real(j, "rate", e->rate, p->f64);
  add_real(j, "gradient_norm", e->norm != 0 ? e->norm : NAN, p->f64);
  add_real(j, "seconds", e->seconds, true);
  put(l, j);
}

void tw_log_restart(TwLog *l, const TwRtReportVariant *v, uint64_t seed) {
  cJSON *j = begin(v, seed);
  cJSON_AddTrueToObject(j, "restart");
  put(l, j);
}

char *tw_log_close(TwLog *l) {
  if (!l) return NULL;
  if (fflush(l->out) != 0 && !l->why) l->why = errno;
  if (l->path && fclose(l->out) != 0 && !l->why) l->why = errno;
  char *error = !l->why   ? NULL
                : l->path ? tw_rt_file_error("write", l->path, l->why)
                          : tw_rt_textf("cannot write to stdout: %s", strerror(l->why));
  pthread_mutex_destroy(&l->lock);
  free(l->path);
  free(l);
  return error;
}
