/* metrics_file.c: see metrics_file.h. Lines gather in memory and go to the file in large pieces. */
#define _GNU_SOURCE
#include "cli/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/files.h"
#include "runtime/number.h"
#include "runtime/text.h"

enum { PIECE = 1 << 18 };

static bool out_of_memory(char **error) { return *error = NULL, false; }

/* ---- the first line */

static bool is_taken(const char *name) {
  static const char *const taken[] = {"variant", "stage", "epoch",         "seed",   "loss",
                                      "regions", "rate",  "gradient_norm", "seconds"};
  for (size_t k = 0; k < sizeof taken / sizeof *taken; k++)
    if (strcmp(name, taken[k]) == 0) return true;
  return false;
}

/* malloc'ed */
static char *head_line(const TwRtProgram *p) {
  char *s = tw_rt_textf("variant,stage,epoch,seed,loss");
  for (uint32_t k = 0; s && k < p->n_measures; k++) {
    char *longer = tw_rt_textf("%s,%s%s", s, is_taken(p->measures[k]) ? "measure." : "", p->measures[k]);
    free(s);
    s = longer;
  }
  char *line = s ? tw_rt_textf("%s,regions,rate,gradient_norm,seconds\n", s) : NULL;
  free(s);
  return line;
}

/* ---- what an earlier process has left */

typedef struct Kept {
  const TwRtProgram *p;
  const uint64_t *seeds;
  const TwRtCheckpoint *saved;
  uint32_t last; /* the seed of the line before */
} Kept;

static bool same_word(const char *line, size_t n, const char *word) {
  return strlen(word) == n && memcmp(line, word, n) == 0;
}

/* Where the seed of a line is. NULL: this is no line of ours. */
static const char *seed_of(const char *line, const char **stage, const char **epoch) {
  *stage = strchr(line, ',');
  *epoch = *stage ? strchr(++*stage, ',') : NULL;
  const char *seed = *epoch ? strchr(++*epoch, ',') : NULL;
  return seed ? seed + 1 : NULL;
}

/* Does this line, which ends in a newline, come before what its seed has saved? */
static bool stays(void *context, const char *line) {
  Kept *t = context;
  const char *stage, *epoch, *seed = seed_of(line, &stage, &epoch);
  if (!seed) return false;
  uint32_t s = 0, i = t->last;
  while (s < t->p->n_stages && !same_word(stage, (size_t)(epoch - 1 - stage), t->p->stages[s].name)) s++;
  uint64_t number = strtoull(seed, NULL, 10);
  if (t->seeds[i] != number)
    for (i = 0; i < t->saved->n_seeds && t->seeds[i] != number;) i++;
  if (i == t->saved->n_seeds || s == t->p->n_stages) return false;
  t->last = i;
  const TwRtSaved *saved = &t->saved->seeds[i];
  if (!saved->bytes) return false;
  return saved->done || s < saved->stage || (s == saved->stage && strtoll(epoch, NULL, 10) < saved->epoch);
}

static bool is_of_another(void *seed, const char *line) {
  const char *stage, *epoch, *s = seed_of(line, &stage, &epoch);
  return s && strtoull(s, NULL, 10) != *(const uint64_t *)seed;
}

/* The first line and those that stay, moved to the front of `text`; how many bytes. */
static size_t cut(bool (*stay)(void *context, const char *line), void *context, char *text, size_t n) {
  size_t to = 0;
  for (char *line = text, *end; (end = memchr(line, '\n', n - (size_t)(line - text))); line = end + 1) {
    size_t length = (size_t)(end + 1 - line);
    if (line != text && !stay(context, line)) continue;
    memmove(text + to, line, length);
    to += length;
  }
  return to;
}

static bool repair(TwMetricsFile *m, const char *head, const TwRtCheckpoint *saved, char **error) {
  char *text;
  size_t n, length = strlen(head);
  if (access(m->path, F_OK) != 0 && errno == ENOENT) return tw_rt_file_write(m->path, head, length, error);
  if (!tw_rt_file_read(m->path, &text, &n, error)) return false;
  bool ok = n >= length && memcmp(text, head, length) == 0;
  if (!ok) *error = tw_rt_textf("'%s' does not have the columns that the run writes", m->path);
  if (ok) {
    Kept t = {.p = m->p, .seeds = m->seeds, .saved = saved};
    size_t left = cut(stays, &t, text, n);
    ok = left == n || tw_rt_file_write(m->path, text, left, error);
  }
  free(text);
  return ok;
}

/* The file that has the name now. */
static bool reopen(TwMetricsFile *m, char **error) {
  if (m->fd >= 0) close(m->fd);
  m->fd = open(m->path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (m->fd >= 0) return true;
  *error = tw_rt_file_error("write", m->path, errno);
  return false;
}

bool tw_metrics_file_open(TwMetricsFile *m, const char *path, const TwRtProgram *p, const uint64_t *seeds,
                          const TwRtCheckpoint *saved, char **error) {
  *m = (TwMetricsFile){.fd = -1, .path = strdup(path), .p = p, .seeds = seeds};
  char *head = head_line(p);
  if (!m->path || !head) return free(head), out_of_memory(error);
  bool ok = repair(m, head, saved, error);
  free(head);
  if (!ok) return false;
  return reopen(m, error);
}

void tw_metrics_file_close(TwMetricsFile *m) {
  if (m->path && m->fd >= 0) close(m->fd);
  free(m->path);
  free(m->text);
  *m = (TwMetricsFile){.fd = -1};
}

/* ---- lines */

static bool room(TwMetricsFile *m, size_t more) {
  if (m->n + more <= m->cap) return true;
  size_t cap = 2 * (m->n + more);
  char *text = realloc(m->text, cap);
  if (!text) return false;
  m->text = text;
  m->cap = cap;
  return true;
}

static void add_text(TwMetricsFile *m, const char *text) {
  size_t n = strlen(text);
  memcpy(m->text + m->n, text, n);
  m->n += n;
}

static void add_number(TwMetricsFile *m, double v) {
  m->text[m->n++] = ',';
  m->n += tw_rt_number(m->text + m->n, v, m->p->f64);
}

static void add_count(TwMetricsFile *m, uint64_t v) {
  char text[24];
  snprintf(text, sizeof text, ",%llu", (unsigned long long)v);
  add_text(m, text);
}

static bool flush(TwMetricsFile *m, char **error) {
  int why = tw_rt_write_all(m->fd, m->text, m->n);
  if (why) return *error = tw_rt_file_error("write", m->path, why), false;
  m->n = 0;
  return true;
}

bool tw_metrics_file_add(TwMetricsFile *m, const TwRtEpoch *e, char **error) {
  const TwRtProgram *p = m->p;
  const char *stage = p->stages[e->stage].name;
  if (!room(m, strlen(p->variant) + strlen(stage) + (p->n_measures + 11) * (TW_RT_NUMBER + 1)))
    return out_of_memory(error);
  add_text(m, p->variant);
  add_text(m, ",");
  add_text(m, stage);
  add_count(m, (uint64_t)e->epoch);
  add_count(m, m->seeds[e->seed_index]);
  add_number(m, e->loss);
  for (uint32_t k = 0; k < p->n_measures; k++) add_number(m, e->measures[k]);
  if (e->regions >= 0) add_count(m, (uint64_t)e->regions);
  else add_text(m, ",");
  if (!isnan(e->rate)) add_number(m, e->rate);
  else add_text(m, ",");
  if (e->norm != 0) add_number(m, e->norm);
  else add_text(m, ",");
  char seconds[32];
  snprintf(seconds, sizeof seconds, ",%.6f\n", e->seconds);
  add_text(m, seconds);
  return m->n < PIECE || flush(m, error);
}

bool tw_metrics_file_sync(TwMetricsFile *m, char **error) {
  if (!flush(m, error)) return false;
  if (fsync(m->fd) == 0) return true;
  *error = tw_rt_file_error("write", m->path, errno);
  return false;
}

bool tw_metrics_file_forget(TwMetricsFile *m, uint32_t seed_index, char **error) {
  uint64_t seed = m->seeds[seed_index];
  char *text;
  size_t n;
  if (!flush(m, error) || !tw_rt_file_read(m->path, &text, &n, error)) return false;
  bool ok = tw_rt_file_write(m->path, text, cut(is_of_another, &seed, text, n), error) && reopen(m, error);
  free(text);
  return ok;
}
