/* experiment.c: runs `triwave run --json` and reads what it prints. */
#include "paper/experiment.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_up(const char *command, const char *why) {
  fprintf(stderr, "paper: %s: %s\n", why, command);
  exit(1);
}

static char *read_all(const char *command) {
  FILE *in = popen(command, "r");
  if (!in) give_up(command, "cannot run");
  size_t n = 0, cap = 1 << 16;
  char *text = malloc(cap);
  if (!text) give_up(command, "out of memory");
  for (size_t got; (got = fread(text + n, 1, cap - n - 1, in)) > 0;) {
    n += got;
    if (n + 1 == cap && !(text = realloc(text, cap *= 2))) give_up(command, "out of memory");
  }
  text[n] = 0;
  if (pclose(in) != 0) give_up(command, "failed");
  return text;
}

static double number(const cJSON *j, const char *name) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, name);
  return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static const cJSON *item(const cJSON *j, const char *name) { return cJSON_GetObjectItemCaseSensitive(j, name); }

static void widen(Range *r, double v) {
  if (isnan(v)) return;
  r->lo = fmin(r->lo, v);
  r->hi = fmax(r->hi, v);
}

static const double STUCK = 1e-5;

static void add_seed(Row *r, const cJSON *seed) {
  const cJSON *stages = item(seed, "stages"), *first = cJSON_GetArrayItem(stages, 0);
  const cJSON *last = cJSON_GetArrayItem(stages, cJSON_GetArraySize(stages) - 1);
  double regions = number(last, "regions"), test = number(item(seed, "measures"), "test"),
         before = number(first, "best_loss");
  widen(&r->first, number(first, "regions"));
  widen(&r->end, regions);
  r->dead += regions == 1;
  r->stuck += regions == 1 || !(number(last, "best_loss") <= STUCK);
  r->last += number(seed, "loss");
  r->first_stage_min = fmin(r->first_stage_min, before);
  r->first_stage_mean += before;
  r->test_mean += test;
  r->retries += (int)number(seed, "retries");
  r->before_last_mean += number(cJSON_GetArrayItem(stages, cJSON_GetArraySize(stages) - 2), "best_loss");
  r->test_min = isnan(r->test_min) ? test : fmin(r->test_min, test);
}

static Row row(const cJSON *variant) {
  const cJSON *summary = item(variant, "summary"), *over = item(summary, "over_best_fit"), *seed;
  Row r = {.n = (int)number(summary, "n"),
           .failed = (int)number(summary, "failed"),
           .min = number(summary, "min"),
           .mean = number(summary, "mean"),
           .median = number(summary, "median"),
           .max = number(summary, "max"),
           .best_fit = number(over, "loss"),
           .over_min = number(over, "min"),
           .over_mean = number(over, "mean"),
           .first_stage_min = INFINITY,
           .test_min = NAN,
           .first = {INFINITY, -INFINITY},
           .end = {INFINITY, -INFINITY}};
  snprintf(r.name, sizeof r.name, "%s", item(variant, "name")->valuestring);
  cJSON_ArrayForEach(seed, item(variant, "seeds")) add_seed(&r, seed);
  r.last /= r.n;
  r.first_stage_mean /= r.n;
  r.test_mean /= r.n;
  r.before_last_mean /= r.n;
  r.dead /= r.n;
  return r;
}

Rows run(const Settings *s, const char *file, const char *options) {
  char command[2048];
  int epochs = s->epochs;
  char shorter[64] = "";
  if (epochs) snprintf(shorter, sizeof shorter, " -D pre=%d -D post=%d", epochs, epochs);
  snprintf(command, sizeof command, "'%s' run '%s/examples/%s.tw' --seeds %d --json %s%s", s->triwave, s->root, file,
           s->seeds, options, shorter);
  fprintf(stderr, "  %s %s\n", file, options);
  char *text = read_all(command);
  cJSON *j = cJSON_Parse(text);
  free(text);
  const cJSON *variants = item(j, "variants"), *v;
  if (!cJSON_IsArray(variants)) give_up(command, "no result from");
  Rows out = {0};
  cJSON_ArrayForEach(v, variants) if (out.n < sizeof out.at / sizeof *out.at) out.at[out.n++] = row(v);
  cJSON_Delete(j);
  return out;
}

const Row *row_of(const Rows *r, const char *name) {
  for (size_t k = 0; k < r->n; k++)
    if (strcmp(r->at[k].name, name) == 0) return &r->at[k];
  fprintf(stderr, "paper: there is no variant '%s'\n", name);
  exit(1);
}
