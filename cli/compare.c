/* compare.c: triwave compare RUN RUN…: what came out of each, stage by stage, what differs between them, and their
 * losses in one picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/figures.h"
#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/runview.h"
#include "runtime/table.h"
#include "runtime/text.h"

typedef struct Entry { /* a job of a run */
  const TwRunView *run;
  const TwViewJob *job;
} Entry;

/* A thing that may differ, and what each entry has for it; the program's constants have names of their own kind, "const
 * n". */
typedef struct Fact {
  char *name, **values; /* values: NULL where there is none */
  bool digest;          /* the first digits tell enough to who reads them */
} Fact;

typedef struct Comparison {
  TwRunView *runs;
  uint32_t n_runs, n;
  Entry *entries;
  Fact *facts;
  uint32_t n_facts;
} Comparison;

static const cJSON *item(const cJSON *j, const char *name) { return cJSON_GetObjectItemCaseSensitive(j, name); }

static void *some(size_t n, size_t size) {
  void *p = tw_cli_need(calloc(n + 1, size));
  return p;
}

/* ---- facts */

static Fact *fact_of(Comparison *c, const char *name) {
  for (uint32_t k = 0; k < c->n_facts; k++)
    if (strcmp(c->facts[k].name, name) == 0) return &c->facts[k];
  Fact *more = tw_cli_need(realloc(c->facts, (c->n_facts + 1) * sizeof *more));
  c->facts = more;
  Fact *f = &more[c->n_facts++];
  *f = (Fact){.name = strdup(name), .values = some(c->n, sizeof *f->values)};
  tw_cli_need(f->name);
  return f;
}

/* Takes over the value. */
static Fact *know(Comparison *c, uint32_t entry, const char *name, char *value) {
  Fact *f = fact_of(c, name);
  tw_cli_need(value);
  free(f->values[entry]);
  f->values[entry] = value;
  return f;
}

static void know_digest(Comparison *c, uint32_t entry, const char *name, const char *digest) {
  know(c, entry, name, tw_rt_textf("%s", digest))->digest = true;
}

static char *plain(const cJSON *j) {
  char *text = cJSON_IsString(j) ? NULL : cJSON_PrintUnformatted(j), *out = strdup(text                ? text
                                                                                   : cJSON_IsString(j) ? j->valuestring
                                                                                                       : "");
  cJSON_free(text);
  return out;
}

/* What the settings of a sweep have set is among them. */
static void know_constants(Comparison *c, uint32_t entry, const cJSON *constants) {
  const cJSON *one;
  cJSON_ArrayForEach(one, constants) {
    char *title = tw_cli_need(tw_rt_textf("const %s", one->string));
    know(c, entry, title, plain(one));
    free(title);
  }
}

/* Rows, and for what is read from files what tells the numbers apart. */
static void know_data(Comparison *c, uint32_t entry, const cJSON *about) {
  const cJSON *one;
  cJSON_ArrayForEach(one, item(about, "data")) {
    const char *name = cJSON_GetStringValue(item(one, "name")), *sha = cJSON_GetStringValue(item(one, "rows_sha256"));
    const cJSON *rows = item(one, "rows");
    char *title = tw_cli_need(tw_rt_textf("data %s", name ? name : "?")),
         *numbers = tw_cli_need(tw_rt_textf("%s: numbers", title));
    know(c, entry, title, tw_rt_textf("%.0f rows", cJSON_IsNumber(rows) ? rows->valuedouble : 0));
    if (sha) know_digest(c, entry, numbers, sha);
    free(title);
    free(numbers);
  }
}

static void know_entry(Comparison *c, uint32_t k) {
  static const char *const names[] = {"program", "precision", "triwave", "build", "cpu"};
  const Entry *e = &c->entries[k];
  know(c, k, "variant", tw_rt_textf("%s", e->job->variant));
  const char *sha = cJSON_GetStringValue(item(tw_runview_main(e->run), "sha256"));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *text = tw_runview_text(e->run, names[i]);
    if (i == 3) know_digest(c, k, names[i], text);
    else know(c, k, names[i], tw_rt_textf("%s", text));
    if (i == 0) know_digest(c, k, "its text", sha ? sha : "?");
  }
  know(c, k, "seeds",
       e->run->n_seeds > 1 ? tw_rt_textf("0 … %u", e->run->n_seeds - 1)
                           : tw_rt_textf("%llu", (unsigned long long)e->run->first_seed));
  know_constants(c, k, item(e->job->about, "constants"));
  know_data(c, k, e->job->about);
}

static bool differs(const Comparison *c, const Fact *f) {
  for (uint32_t k = 1; k < c->n; k++) {
    const char *a = f->values[0], *b = f->values[k];
    if ((a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0)) return true;
  }
  return false;
}

/* ---- as text */

static double seconds_of(const TwRunView *v, const TwViewStage *s) {
  TwViewStats t = tw_runview_stats(v, s, TW_VIEW_SECONDS);
  return t.mean * t.n;
}

/* A run of which no epoch has been logged yet. */
static void nothing_cells(TwRtTable *t, const Entry *e) {
  tw_rt_cell(t, "%s", e->job->label);
  for (size_t k = 1; k < t->columns; k++) tw_rt_cell(t, "%s", k == 1 || (k > 2 && k < 8) ? "-" : "");
}

static void print_stages(const Comparison *c, bool colour) {
  static const char *const head[] = {"run", "stage",     "seeds",  "min",     "mean",   "median",
                                     "max", "best loss", "failed", "regions", "seconds"};
  TwRtTable t = {.columns = sizeof head / sizeof *head};
  for (size_t k = 0; k < t.columns; k++) tw_rt_cell(&t, "%s", head[k]);
  for (uint32_t k = 0; k < c->n; k++) {
    const Entry *e = &c->entries[k];
    if (e->job->n_stages == 0) nothing_cells(&t, e);
    for (uint32_t s = 0; s < e->job->n_stages; s++) {
      const TwViewStage *st = &e->job->stages[s];
      TwViewStats loss = tw_runview_stats(e->run, st, TW_VIEW_LOSS),
                  regions = tw_runview_stats(e->run, st, TW_VIEW_REGIONS);
      tw_rt_cell(&t, "%s", e->job->label);
      tw_rt_cell(&t, "%s", st->name);
      tw_rt_cell(&t, "%u", loss.n);
      tw_view_loss_cell(&t, loss.min);
      tw_view_loss_cell(&t, loss.mean);
      tw_view_loss_cell(&t, loss.median);
      tw_view_loss_cell(&t, loss.max);
      tw_view_loss_cell(&t, tw_runview_stats(e->run, st, TW_VIEW_BEST).min);
      if (s + 1 == e->job->n_stages && e->job->n_failed) tw_rt_cell(&t, "%u", e->job->n_failed);
      else tw_rt_cell(&t, "%s", "");
      tw_view_count_cell(&t, &regions);
      tw_view_seconds_cell(&t, seconds_of(e->run, st));
    }
  }
  tw_rt_table_print(&t, stdout, colour);
  tw_rt_table_free(&t);
}

/* Digests in short; what differs are the whole ones. */
static void value_cell(TwRtTable *t, const Fact *f, uint32_t k) {
  const char *value = f->values[k];
  if (!value) tw_rt_cell(t, "-");
  else if (f->digest) tw_rt_cell(t, "%.12s", value);
  else tw_rt_cell(t, "%s", value);
}

static void print_differences(const Comparison *c, bool colour) {
  TwRtTable t = {.columns = 2};
  for (uint32_t i = 0; i < c->n_facts; i++) t.columns += differs(c, &c->facts[i]);
  if (t.columns == 2) {
    printf("\nthe same program, settings, data and machine\n");
    return;
  }
  tw_rt_cell(&t, "run");
  tw_rt_cell(&t, "state");
  for (uint32_t i = 0; i < c->n_facts; i++)
    if (differs(c, &c->facts[i])) tw_rt_cell(&t, "%s", c->facts[i].name);
  for (uint32_t k = 0; k < c->n; k++) {
    tw_rt_cell(&t, "%s", c->entries[k].job->label);
    tw_rt_cell(&t, "%s", tw_run_state_text(c->entries[k].run->state));
    for (uint32_t i = 0; i < c->n_facts; i++)
      if (differs(c, &c->facts[i])) value_cell(&t, &c->facts[i], k);
  }
  printf("\nwhat differs:\n");
  tw_rt_table_print(&t, stdout, colour);
  tw_rt_table_free(&t);
}

/* ---- as JSON */

static cJSON *entry_json(const Entry *e) {
  cJSON *out = cJSON_CreateObject(), *stages;
  cJSON_AddStringToObject(out, "run", e->job->label);
  cJSON_AddStringToObject(out, "state", tw_run_state_text(e->run->state));
  cJSON_AddStringToObject(out, "variant", e->job->variant);
  cJSON_AddNumberToObject(out, "failed", e->job->n_failed);
  stages = cJSON_AddArrayToObject(out, "stages");
  for (uint32_t s = 0; s < e->job->n_stages; s++) {
    const TwViewStage *st = &e->job->stages[s];
    TwViewStats loss = tw_runview_stats(e->run, st, TW_VIEW_LOSS), best = tw_runview_stats(e->run, st, TW_VIEW_BEST),
                regions = tw_runview_stats(e->run, st, TW_VIEW_REGIONS);
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "name", st->name);
    cJSON_AddItemToObject(one, "loss", tw_runview_stats_json(&loss));
    cJSON_AddItemToObject(one, "best_loss", tw_runview_stats_json(&best));
    cJSON_AddItemToObject(one, "regions", tw_runview_stats_json(&regions));
    cJSON_AddNumberToObject(one, "seconds", seconds_of(e->run, st));
    cJSON_AddItemToArray(stages, one);
  }
  return out;
}

static cJSON *to_json(const Comparison *c) {
  cJSON *out = cJSON_CreateObject(), *runs = cJSON_AddArrayToObject(out, "runs"),
        *all = cJSON_AddObjectToObject(out, "differs");
  for (uint32_t k = 0; k < c->n; k++) cJSON_AddItemToArray(runs, entry_json(&c->entries[k]));
  for (uint32_t i = 0; i < c->n_facts; i++) {
    if (!differs(c, &c->facts[i])) continue;
    cJSON *values = cJSON_AddArrayToObject(all, c->facts[i].name);
    for (uint32_t k = 0; k < c->n; k++)
      cJSON_AddItemToArray(values,
                           c->facts[i].values[k] ? cJSON_CreateString(c->facts[i].values[k]) : cJSON_CreateNull());
  }
  return out;
}

/* ---- the picture */

static bool plot(const Comparison *c, const char *path, bool quiet) {
  TwPlotFormat format;
  TwHistory *h = some(c->n, sizeof *h);
  const char **labels = some(c->n, sizeof *labels);
  TwFigure f = {0};
  bool ok = tw_plot_format(path, &format);
  for (uint32_t k = 0; ok && k < c->n; k++) {
    char *metrics = tw_rundir_path(c->entries[k].job->path, "metrics.csv");
    labels[k] = c->entries[k].job->label;
    ok = tw_metrics_read(metrics, true, NULL, &h[k]);
    free(metrics);
  }
  if (ok) {
    const char *reason = tw_figure_compare(&f, h, labels, c->n);
    if (reason) fprintf(stderr, "triwave: %s\n", reason);
    ok = !reason && tw_cli_draw(&f.plot, path, format);
    if (ok && !quiet) fprintf(stderr, "%s\n", path);
  }
  tw_figure_free(&f);
  for (uint32_t k = 0; k < c->n; k++) tw_history_free(&h[k]);
  free(h);
  free(labels);
  return ok;
}

/* ---- the verb */

static bool read_runs(const TwCli *cli, Comparison *c) {
  c->runs = some(cli->n_files, sizeof *c->runs);
  for (char *error; c->n_runs < cli->n_files; c->n_runs++) {
    if (!tw_runview_read(&c->runs[c->n_runs], cli->files[c->n_runs], &error)) return tw_cli_said(error);
    c->n += c->runs[c->n_runs].n_jobs;
  }
  c->entries = some(c->n, sizeof *c->entries);
  for (uint32_t r = 0, k = 0; r < c->n_runs; r++)
    for (uint32_t j = 0; j < c->runs[r].n_jobs; j++) c->entries[k++] = (Entry){&c->runs[r], &c->runs[r].jobs[j]};
  for (uint32_t k = 0; k < c->n; k++) know_entry(c, k);
  return true;
}

static void comparison_free(Comparison *c) {
  for (uint32_t i = 0; i < c->n_facts; i++) {
    for (uint32_t k = 0; k < c->n; k++) free(c->facts[i].values[k]);
    free(c->facts[i].values);
    free(c->facts[i].name);
  }
  free(c->facts);
  free(c->entries);
  for (uint32_t k = 0; k < c->n_runs; k++) tw_runview_free(&c->runs[k]);
  free(c->runs);
}

int tw_cli_compare(const TwCli *cli) {
  Comparison c = {0};
  TwPlotFormat format;
  if (cli->plot && !tw_plot_format(cli->plot, &format)) {
    fprintf(stderr, "triwave: --plot wants a file that ends in .svg or .png, not '%s'\n", cli->plot);
    return TW_EXIT_USAGE;
  }
  bool ok = read_runs(cli, &c), colour = isatty(STDOUT_FILENO) != 0;
  if (ok && cli->json) {
    ok = tw_cli_print_json(to_json(&c));
  } else if (ok) {
    print_stages(&c, colour);
    print_differences(&c, colour);
    ok = tw_cli_stdout_ok();
  }
  ok = ok && (!cli->plot || plot(&c, cli->plot, cli->quiet));
  comparison_free(&c);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
