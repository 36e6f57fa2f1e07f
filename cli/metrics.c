/* metrics.c: the metrics of a run, from its file, as a history of epochs. */
#define _POSIX_C_SOURCE 200809L
#include "cli/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGE, EPOCH, SEED, VARIANT, LOSS, REGIONS, N_COLUMNS };
static const char *const column_names[N_COLUMNS] = {"stage", "epoch", "seed", "variant", "loss", "regions"};

typedef struct Reading {
  size_t stage, seed; /* numbers in the lists below */
  double epoch, loss, regions;
} Reading;

typedef struct Words {
  size_t n;
  char **at;
} Words;

typedef struct Table {
  const char *path;
  size_t line;
  int column[N_COLUMNS]; /* where each is; -1: not there */
  Words stages, seeds;
  char *variant;
  size_t n, cap;
  Reading *at;
} Table;

static bool complain(const Table *t, const char *what) {
  fprintf(stderr, "triwave: %s:%zu: %s\n", t->path, t->line, what);
  return false;
}

static size_t word(Words *w, const char *text) {
  for (size_t k = 0; k < w->n; k++)
    if (strcmp(w->at[k], text) == 0) return k;
  w->at = realloc(w->at, (w->n + 1) * sizeof *w->at);
  if (!w->at || !(w->at[w->n] = strdup(text))) abort();
  return w->n++;
}

static void words_free(Words *w) {
  for (size_t k = 0; k < w->n; k++) free(w->at[k]);
  free(w->at);
}

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

static bool read_head(Table *t, char *line) {
  for (int c = 0; c < N_COLUMNS; c++) t->column[c] = -1;
  int k = 0;
  for (char *name; (name = next_field(&line)); k++)
    for (int c = 0; c < N_COLUMNS; c++)
      if (strcmp(name, column_names[c]) == 0) t->column[c] = k;
  if (t->column[EPOCH] >= 0 && t->column[LOSS] >= 0) return true;
  return complain(t, "the first line must name the columns, 'epoch' and 'loss' among them");
}

/* An empty field, as where nothing was counted, is NaN. */
static bool number(const char *text, double *out) {
  char *end;
  *out = *text ? strtod(text, &end) : NAN;
  return !*text || (end != text && !*end);
}

static bool add_line(Table *t, char *line, const char *variant) {
  const char *field[N_COLUMNS] = {"", NULL, "0", "", NULL, ""};
  int k = 0;
  for (char *text; (text = next_field(&line)); k++)
    for (int c = 0; c < N_COLUMNS; c++)
      if (t->column[c] == k) field[c] = text;
  if (!field[EPOCH] || !field[LOSS]) return complain(t, "the line is cut short");
  if (!t->variant && !(t->variant = strdup(variant ? variant : field[VARIANT]))) abort();
  if (strcmp(t->variant, field[VARIANT]) != 0) return true;
  Reading r;
  if (!number(field[EPOCH], &r.epoch) || !(r.epoch >= 0 && r.epoch < 1e15)) return complain(t, "the epoch is not a number from 0 up");
  if (!number(field[LOSS], &r.loss)) return complain(t, "the loss is not a number");
  if (!number(field[REGIONS], &r.regions)) return complain(t, "the number of regions is not a number");
  r.stage = word(&t->stages, field[STAGE]);
  r.seed = word(&t->seeds, field[SEED]);
  if (t->n == t->cap) {
    t->cap = t->cap ? 2 * t->cap : 1024;
    t->at = realloc(t->at, t->cap * sizeof *t->at);
    if (!t->at) abort();
  }
  t->at[t->n++] = r;
  return true;
}

static void fill(const Table *t, TwHistory *h) {
  size_t most = 0, *of_seed = calloc(t->seeds.n + 1, sizeof *of_seed);
  double *longest = calloc(t->stages.n + 1, sizeof *longest);
  if (!of_seed || !longest) abort();
  for (size_t k = 0; k < t->n; k++) {
    size_t *n = &of_seed[t->at[k].seed];
    if (++*n > most) most = *n;
    longest[t->at[k].stage] = fmax(longest[t->at[k].stage], t->at[k].epoch);
  }
  if (!tw_history_init(h, (const char *const *)t->stages.at, longest, (uint32_t)t->stages.n, (uint32_t)t->seeds.n, most)) abort();
  for (size_t k = 0; k < t->n; k++) {
    const Reading *r = &t->at[k];
    tw_history_add(h, (uint32_t)r->seed, (uint32_t)r->stage, r->epoch, r->loss, r->regions);
  }
  free(of_seed);
  free(longest);
}

bool tw_metrics_read(const char *path, const char *variant, TwHistory *h) {
  *h = (TwHistory){0};
  Table t = {.path = path};
  FILE *in = fopen(path, "r");
  if (!in) return fprintf(stderr, "triwave: cannot read '%s': %s\n", path, strerror(errno)), false;
  char *line = NULL;
  size_t size = 0;
  bool ok = true;
  while (ok && getline(&line, &size, in) >= 0) {
    line[strcspn(line, "\r\n")] = 0;
    t.line++;
    if (t.line == 1) ok = read_head(&t, line);
    else if (*line) ok = add_line(&t, line, variant);
  }
  if (ok && ferror(in)) ok = (fprintf(stderr, "triwave: cannot read '%s': %s\n", path, strerror(errno)), false);
  if (ok && t.n == 0) ok = complain(&t, t.variant && variant ? "there is no line of this variant" : "there are no metrics");
  fclose(in);
  free(line);
  if (ok) fill(&t, h);
  words_free(&t.stages);
  words_free(&t.seeds);
  free(t.variant);
  free(t.at);
  return ok;
}
