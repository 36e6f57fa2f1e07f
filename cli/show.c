/* show.c: triwave show RUN: what a run is, how far it has come, and what came out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/runview.h"
#include "runtime/table.h"

static const cJSON *item(const cJSON *j, const char *name) { return cJSON_GetObjectItemCaseSensitive(j, name); }

/* ---- as text */

static void print_line(const char *name, const char *value) { printf("  %-10s %s\n", name, value); }

/* As a shell takes it. */
static void print_word(const char *word) {
  bool quote = !*word || strpbrk(word, " \t\n'\"\\$&|;<>()*?[]#~`");
  if (quote) putchar('\'');
  for (; *word; word++) {
    if (*word == '\'') fputs("'\\''", stdout);
    else putchar(*word);
  }
  if (quote) putchar('\'');
}

static void print_command(const TwRunView *v) {
  const cJSON *word;
  printf("  %-10s", "command");
  cJSON_ArrayForEach(word, item(v->dir.json, "command")) {
    const char *text = cJSON_GetStringValue(word);
    putchar(' ');
    print_word(text ? text : "?");
  }
  printf("\n");
}

static void print_head(const TwRunView *v) {
  const cJSON *cores = item(v->dir.json, "cores");
  printf("%s: %s\n", v->dir.folder, tw_run_state_text(v->state));
  printf("  %-10s %s, %s\n", "program", tw_runview_text(v, "program"), tw_runview_text(v, "precision"));
  print_command(v);
  printf("  %-10s %s\n", "in", tw_runview_text(v, "cwd"));
  print_line("started", tw_runview_text(v, "started"));
  printf("  %-10s triwave %s, build %.12s, %s", "by", tw_runview_text(v, "triwave"), tw_runview_text(v, "build"),
         tw_runview_text(v, "cpu"));
  if (cJSON_IsNumber(cores)) printf(", %.0f cores", cores->valuedouble);
  printf("\n");
  if (v->n_seeds > 1) printf("  %-10s 0 … %u\n", "seeds", v->n_seeds - 1);
  else printf("  %-10s %llu\n", "seed", (unsigned long long)v->first_seed);
  const cJSON *seconds = item(v->summary, "seconds"), *train = item(seconds, "train"), *total = item(seconds, "total");
  if (cJSON_IsNumber(train) && cJSON_IsNumber(total))
    printf("  %-10s %.3g s of training, %.3g s in all (the last process)\n", "time", train->valuedouble,
           total->valuedouble);
}

/* name = value, … */
static void print_object(const char *what, const cJSON *object) {
  const cJSON *one;
  bool first = true;
  cJSON_ArrayForEach(one, object) {
    char *value = cJSON_IsString(one) ? NULL : cJSON_PrintUnformatted(one);
    if (first) printf("  %-10s", what);
    printf("%s %s = %s", first ? "" : ",", one->string, cJSON_IsString(one) ? one->valuestring : value ? value : "?");
    cJSON_free(value);
    first = false;
  }
  if (!first) printf("\n");
}

static void print_data(const cJSON *about) {
  const cJSON *one;
  cJSON_ArrayForEach(one, item(about, "data")) {
    const char *name = cJSON_GetStringValue(item(one, "name")), *path = cJSON_GetStringValue(item(one, "path"));
    const cJSON *rows = item(one, "rows");
    printf("  %-10s %s: %.0f rows%s%s\n", "data", name ? name : "?", cJSON_IsNumber(rows) ? rows->valuedouble : 0,
           path ? " from " : "", path ? path : "");
  }
}

static void stage_cells(TwRtTable *t, const TwRunView *v, const TwViewStage *s) {
  TwViewStats loss = tw_runview_stats(v, s, TW_VIEW_LOSS), best = tw_runview_stats(v, s, TW_VIEW_BEST);
  TwViewStats epochs = tw_runview_stats(v, s, TW_VIEW_EPOCHS), regions = tw_runview_stats(v, s, TW_VIEW_REGIONS);
  TwViewStats dead = tw_runview_stats(v, s, TW_VIEW_DEAD), seconds = tw_runview_stats(v, s, TW_VIEW_SECONDS);
  tw_rt_cell(t, "%s", s->name);
  tw_view_count_cell(t, &epochs);
  if (v->n_seeds > 1) {
    tw_rt_cell(t, "%u", loss.n);
    tw_view_loss_cell(t, loss.min);
    tw_view_loss_cell(t, loss.mean);
    tw_view_loss_cell(t, loss.median);
    tw_view_loss_cell(t, loss.max);
  } else {
    tw_view_loss_cell(t, loss.min);
  }
  tw_view_loss_cell(t, best.min);
  tw_view_count_cell(t, &regions);
  tw_view_count_cell(t, &dead);
  tw_view_seconds_cell(t, v->n_seeds > 1 ? seconds.mean : seconds.min);
}

static void print_stages(const TwRunView *v, const TwViewJob *j) {
  static const char *const one[] = {"stage", "epochs", "loss", "best loss", "regions", "dead", "seconds"};
  static const char *const many[] = {"stage", "epochs",    "seeds",   "min",  "mean",          "median",
                                     "max",   "best loss", "regions", "dead", "seconds (mean)"};
  bool several = v->n_seeds > 1;
  TwRtTable t = {.columns = several ? 11 : 7};
  for (size_t k = 0; k < t.columns; k++) tw_rt_cell(&t, "%s", several ? many[k] : one[k]);
  for (uint32_t k = 0; k < j->n_stages; k++) stage_cells(&t, v, &j->stages[k]);
  if (j->n_stages) tw_rt_table_print(&t, stdout, isatty(STDOUT_FILENO) != 0);
  else printf("no epoch has been logged yet\n");
  tw_rt_table_free(&t);
}

/* A measure of the seeds, at the end. */
static TwViewStats measure_stats(const TwRunView *v, const TwViewJob *j, const char *name) {
  TwViewSeed *values = calloc((size_t)v->n_seeds + 1, sizeof *values);
  TwViewStage as = {NULL, values};
  const cJSON *seed;
  uint32_t k = 0;
  tw_cli_need(values);
  for (uint32_t i = 0; i < v->n_seeds; i++) values[i].loss = NAN;
  cJSON_ArrayForEach(seed, item(j->result, "seeds")) {
    const cJSON *value = item(item(seed, "measures"), name);
    if (cJSON_IsNumber(value)) values[k].loss = value->valuedouble;
    k++;
  }
  TwViewStats s = tw_runview_stats(v, &as, TW_VIEW_LOSS);
  free(values);
  return s;
}

static void print_measures(const TwRunView *v, const TwViewJob *j) {
  const cJSON *first = item(cJSON_GetArrayItem(item(j->result, "seeds"), 0), "measures"), *one;
  cJSON_ArrayForEach(one, first) {
    TwViewStats s = measure_stats(v, j, one->string);
    if (v->n_seeds == 1) printf("measure %s: %.6g\n", one->string, s.min);
    else
      printf("measure %s: min %.3e, mean %.3e, median %.3e, max %.3e\n", one->string, s.min, s.mean, s.median, s.max);
  }
}

/* Has an earlier failure the same words? */
static bool is_told(const TwViewJob *j, const cJSON *until, const char *text) {
  const cJSON *seed, *one;
  cJSON_ArrayForEach(seed, item(j->result, "seeds")) {
    cJSON_ArrayForEach(one, item(seed, "failures")) {
      if (one == until) return false;
      const char *other = cJSON_GetStringValue(item(one, "text"));
      if (other && strcmp(other, text) == 0) return true;
    }
  }
  return false;
}

/* What did not go well, each kind once. */
static void print_failures(const TwViewJob *j) {
  const cJSON *seed, *one;
  cJSON_ArrayForEach(seed, item(j->result, "seeds")) {
    cJSON_ArrayForEach(one, item(seed, "failures")) {
      const char *text = cJSON_GetStringValue(item(one, "text"));
      const cJSON *number = item(seed, "seed");
      if (!text || is_told(j, one, text)) continue;
      printf("seed %.0f: %s\n", cJSON_IsNumber(number) ? number->valuedouble : 0, text);
    }
  }
  cJSON_ArrayForEach(one, item(j->result, "expects")) {
    const char *text = cJSON_GetStringValue(item(one, "text"));
    if (text) printf("%s\n", text);
  }
  const char *error = cJSON_GetStringValue(item(j->result, "error"));
  if (error) printf("%s\n", error);
}

static void print_text(const TwRunView *v) {
  print_head(v);
  for (uint32_t k = 0; k < v->n_jobs; k++) {
    const TwViewJob *j = &v->jobs[k];
    const char *bits = cJSON_GetStringValue(item(j->about, "bits"));
    printf("\n%s: variant %s%s\n", j->label, j->variant,
           bits && strcmp(bits, "machine") == 0 ? ", bits of this kind of machine only" : "");
    print_object("settings", item(j->about, "settings"));
    print_object("constants", item(j->about, "constants"));
    print_data(j->about);
    if (j->n_failed) printf("  %-10s %u of %u seeds\n", "failed", j->n_failed, v->n_seeds);
    print_stages(v, j);
    print_measures(v, j);
    print_failures(j);
  }
}

/* ---- as JSON */

static void add_copy(cJSON *to, const TwRunView *v, const char *name) {
  const cJSON *from = item(v->dir.json, name);
  if (from) cJSON_AddItemToObject(to, name, cJSON_Duplicate(from, true));
}

static cJSON *stage_json(const TwRunView *v, const TwViewStage *s) {
  static const char *const names[] = {"epochs", "loss", "best_loss", "regions", "dead", "seconds"};
  cJSON *out = cJSON_CreateObject();
  cJSON_AddStringToObject(out, "name", s->name);
  for (int k = 0; k <= TW_VIEW_SECONDS; k++) {
    TwViewStats stats = tw_runview_stats(v, s, k);
    cJSON_AddItemToObject(out, names[k], tw_runview_stats_json(&stats));
  }
  return out;
}

static cJSON *to_json(const TwRunView *v) {
  static const char *const kept[] = {"program", "precision", "first_seed", "n_seeds", "started", "command",
                                     "cwd",     "triwave",   "build",      "cpu",     "cores"};
  cJSON *out = cJSON_CreateObject();
  cJSON_AddStringToObject(out, "run", v->dir.folder);
  cJSON_AddStringToObject(out, "state", tw_run_state_text(v->state));
  for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) add_copy(out, v, kept[k]);
  const cJSON *seconds = item(v->summary, "seconds");
  if (seconds) cJSON_AddItemToObject(out, "seconds", cJSON_Duplicate(seconds, true));
  cJSON *jobs = cJSON_AddArrayToObject(out, "jobs");
  for (uint32_t k = 0; k < v->n_jobs; k++) {
    const TwViewJob *j = &v->jobs[k];
    cJSON *one = cJSON_Duplicate(j->about, true); /* variant, folder, bits, settings, constants, data, loads */
    if (!cJSON_IsObject(one)) cJSON_Delete(one), one = cJSON_CreateObject();
    if (j->result) cJSON_AddNumberToObject(one, "failed", j->n_failed);
    const cJSON *measure;
    cJSON *measures = j->result ? cJSON_AddObjectToObject(one, "measures") : NULL;
    cJSON_ArrayForEach(measure, item(cJSON_GetArrayItem(item(j->result, "seeds"), 0), "measures")) {
      TwViewStats s = measure_stats(v, j, measure->string);
      cJSON_AddItemToObject(measures, measure->string, tw_runview_stats_json(&s));
    }
    cJSON *stages = cJSON_AddArrayToObject(one, "stages");
    for (uint32_t s = 0; s < j->n_stages; s++) cJSON_AddItemToArray(stages, stage_json(v, &j->stages[s]));
    cJSON_AddItemToArray(jobs, one);
  }
  return out;
}

int tw_cli_show(const TwCli *c) {
  TwRunView v;
  char *error;
  if (!tw_runview_read(&v, c->files[0], &error)) return tw_cli_said(error), TW_EXIT_WRONG;
  bool ok = true;
  if (c->json) ok = tw_cli_print_json(to_json(&v));
  else print_text(&v), ok = tw_cli_stdout_ok();
  tw_runview_free(&v);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
