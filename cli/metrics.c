/* metrics.c: the metrics of a run, from its file, as a history of epochs. */
#define _POSIX_C_SOURCE 200809L
#include "cli/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "runtime/files.h"
#include "runtime/text.h"

enum { STAGE, EPOCH, SEED, VARIANT, LOSS, REGIONS, SECONDS, N_COLUMNS };
static const char *const column_names[N_COLUMNS] = {"stage", "epoch", "seed", "variant", "loss", "regions", "seconds"};

/* ---- lines */

/* Cuts off the next field, without the quotes that may be around it; NULL at the end of the line. */
static char *next_field(char **rest) {
  char *s = *rest;
  if (!s) return NULL;
  char *end = s + strcspn(s, ",");
  *rest = *end ? end + 1 : NULL;
  *end = 0;
  size_t n = strlen(s);
  if (n >= 2 && s[0] == '"' && s[n - 1] == '"') s[n - 1] = 0, s++;
  return s;
}

/* Where each column is; -1: not there. */
static const char *read_head(int column[N_COLUMNS], char *line) {
  for (int c = 0; c < N_COLUMNS; c++) column[c] = -1;
  int k = 0;
  for (char *name; (name = next_field(&line)); k++)
    for (int c = 0; c < N_COLUMNS; c++)
      if (strcmp(name, column_names[c]) == 0) column[c] = k;
  if (column[EPOCH] >= 0 && column[LOSS] >= 0) return NULL;
  return "the first line must name the columns, 'epoch' and 'loss' among them";
}

/* An empty field, as where nothing was counted, is NaN. */
static bool number(const char *text, double *out) {
  char *end;
  *out = *text ? strtod(text, &end) : NAN;
  return !*text || (end != text && !*end);
}

static const char *read_line(const int column[N_COLUMNS], char *line, TwMetricsLine *out) {
  const char *field[N_COLUMNS] = {[STAGE] = "", [SEED] = "0", [VARIANT] = "", [REGIONS] = "", [SECONDS] = ""};
  int k = 0;
  for (char *text; (text = next_field(&line)); k++)
    for (int c = 0; c < N_COLUMNS; c++)
      if (column[c] == k) field[c] = text;
  if (!field[EPOCH] || !field[LOSS]) return "the line is cut short";
  *out = (TwMetricsLine){.variant = field[VARIANT], .stage = field[STAGE], .seed = field[SEED]};
  if (!number(field[EPOCH], &out->epoch) || !(out->epoch >= 0 && out->epoch < 1e15))
    return "the epoch is not a number from 0 up";
  if (!number(field[LOSS], &out->loss)) return "the loss is not a number";
  if (!number(field[REGIONS], &out->regions)) return "the number of regions is not a number";
  if (!number(field[SECONDS], &out->seconds)) return "the seconds are not a number";
  return NULL;
}

static size_t commas(const char *line) {
  size_t n = 0;
  while ((line = strchr(line, ','))) line++, n++;
  return n;
}

static bool refuse(char **error, const char *path, size_t line, const char *what) {
  *error = tw_rt_textf("%s:%zu: %s", path, line, what);
  return false;
}

bool tw_metrics_each(const char *path, bool of_run, const char *(*each)(void *context, const TwMetricsLine *l),
                     void *context, char **error) {
  *error = NULL;
  FILE *in = fopen(path, "re");
  if (!in) return *error = tw_rt_file_error("read", path, errno), false;
  char *line = NULL;
  const char *what = NULL;
  size_t size = 0, number = 0, wide = 0;
  int column[N_COLUMNS];
  for (ssize_t n; !what && (n = getline(&line, &size, in)) > 0;) {
    if (of_run && line[n - 1] != '\n') break;
    line[strcspn(line, "\r\n")] = 0;
    TwMetricsLine l;
    if (++number == 1) wide = commas(line), what = read_head(column, line);
    else if (!*line) continue;
    else if (commas(line) < wide) what = "the line is cut short";
    else if (!(what = read_line(column, line, &l))) what = each(context, &l);
  }
  bool ok = !what || refuse(error, path, number, what);
  if (ok && ferror(in)) ok = (*error = tw_rt_file_error("read", path, errno), false);
  if (ok && number == 0 && !of_run) ok = refuse(error, path, 1, read_head(column, NULL));
  fclose(in);
  free(line);
  return ok;
}

/* ---- as a history */

typedef struct Reading {
  size_t stage, seed; /* numbers in the lists below */
  double epoch, loss, regions;
} Reading;

typedef struct Words {
  size_t n;
  char **at;
} Words;

typedef struct Table {
  const char *only; /* the variant asked for, or NULL */
  Words stages, seeds;
  char *variant;
  size_t n, cap;
  Reading *at;
} Table;

static size_t word(Words *w, const char *text) {
  for (size_t k = 0; k < w->n; k++)
    if (strcmp(w->at[k], text) == 0) return k;
  w->at = tw_cli_need(realloc(w->at, (w->n + 1) * sizeof *w->at));
  w->at[w->n] = tw_cli_need(strdup(text));
  return w->n++;
}

static void words_free(Words *w) {
  for (size_t k = 0; k < w->n; k++) free(w->at[k]);
  free(w->at);
}

static const char *add_line(void *context, const TwMetricsLine *l) {
  Table *t = context;
  if (!t->variant) t->variant = tw_cli_need(strdup(t->only ? t->only : l->variant));
  if (strcmp(t->variant, l->variant) != 0) return NULL;
  Reading r = {word(&t->stages, l->stage), word(&t->seeds, l->seed), l->epoch, l->loss, l->regions};
  if (t->n == t->cap) {
    t->cap = t->cap ? 2 * t->cap : 1024;
    t->at = tw_cli_need(realloc(t->at, t->cap * sizeof *t->at));
  }
  t->at[t->n++] = r;
  return NULL;
}

static void fill(const Table *t, TwHistory *h) {
  size_t most = 0, *of_seed = calloc(t->seeds.n + 1, sizeof *of_seed);
  double *longest = calloc(t->stages.n + 1, sizeof *longest);
  tw_cli_need(of_seed), tw_cli_need(longest);
  for (size_t k = 0; k < t->n; k++) {
    size_t *n = &of_seed[t->at[k].seed];
    if (++*n > most) most = *n;
    longest[t->at[k].stage] = fmax(longest[t->at[k].stage], t->at[k].epoch);
  }
  if (!tw_history_init(h, (const char *const *)t->stages.at, longest, (uint32_t)t->stages.n, (uint32_t)t->seeds.n,
                       most))
    tw_cli_need(NULL);
  for (size_t k = 0; k < t->n; k++) {
    const Reading *r = &t->at[k];
    tw_history_add(h, (uint32_t)r->seed, (uint32_t)r->stage, r->epoch, r->loss, r->regions);
  }
  free(of_seed);
  free(longest);
}

/* Why there is nothing to be read. */
static bool refuse_empty(char **error, const char *path, bool of_run, bool has_others) {
  const char *slash = strrchr(path, '/');
  if (has_others) return refuse(error, path, 1, "there is no line of this variant");
  if (!of_run || !slash) return refuse(error, path, 1, "there are no metrics");
  *error = tw_rt_textf("the run '%.*s' has nothing to draw: no epoch of it has been logged yet", (int)(slash - path),
                       path);
  return false;
}

bool tw_metrics_read(const char *path, bool of_run, const char *variant, TwHistory *h) {
  *h = (TwHistory){0};
  Table t = {.only = variant};
  char *error;
  bool begun = !of_run || access(path, F_OK) == 0; /* a run that was stopped before its first reading has no file */
  bool ok = !begun || tw_metrics_each(path, of_run, add_line, &t, &error);
  if (ok && t.n == 0) ok = refuse_empty(&error, path, of_run, t.variant && variant);
  if (ok) fill(&t, h);
  else fprintf(stderr, "triwave: %s\n", error ? error : "out of memory"), free(error);
  words_free(&t.stages);
  words_free(&t.seeds);
  free(t.variant);
  free(t.at);
  return ok;
}
