/* The JSON is read back with cJSON: its keys are a contract, its numbers read back to the same bits. The
 * table, the failures and the progress line are read as text. */
#include "runtime/report.h"

#include <cjson/cJSON.h>
#include <unistd.h>

#include "tests/runtime/fake.h"

static const char *const measures[] = {"test", "od\"d \xc3\xa4\xff\n"};
static TwRtStage stages[] = {{.name = "pretrain", .epochs = 10}, {.name = "standard", .epochs = 20}};
static const TwRtProgram program = {
    .portable = true, .n_stages = 2, .stages = stages, .n_measures = 2, .measures = measures};

typedef struct Made {
  TwRtStageResult stages[4][2];
  double measures[4][2];
  TwRtFailure failures[4], expect;
  TwRtSeedResult seeds[4];
  TwRtResult result;
} Made;

static TwRtStageResult stage(int64_t epochs, double loss, double best, int64_t pieces, int64_t slivers) {
  return (TwRtStageResult){.epochs = epochs,
                           .steps = epochs,
                           .loss = loss,
                           .best_loss = best,
                           .best_epoch = epochs - 1,
                           .regions = {.counted = pieces > 0,
                                       .pieces = pieces,
                                       .slivers = slivers,
                                       .patterns = pieces,
                                       .maps = pieces,
                                       .dead = 2,
                                       .narrowest = 0.01},
                           .min_regions = pieces > 0 ? pieces : -1,
                           .max_regions = pieces > 0 ? pieces : -1,
                           .seconds = 0.0125};
}

/* Four seeds: best losses 1e-7, 3e-7 and 8e-7 (rounded to f32), and a NaN. */
static void make(Made *m, uint32_t n) {
  *m = (Made){0};
  static const float best[] = {3e-7f, 1e-7f, 8e-7f, 1};
  for (uint32_t i = 0; i < 4; i++) {
    m->stages[i][0] = stage(10, 1e-3f, 1e-3f, 32, 1);
    m->stages[i][1] = stage(20, best[i] * 2, best[i], i == 1 ? 33 : 30 + i, 0);
    m->measures[i][0] = (double)(1e-6f * (float)(i + 1));
    m->measures[i][1] = INFINITY;
    m->seeds[i] = (TwRtSeedResult){.seed = i + 7,
                                   .loss = best[i] * 2,
                                   .best_loss = best[i],
                                   .measures = m->measures[i],
                                   .stages = m->stages[i],
                                   .failures = &m->failures[i]};
  }
  m->seeds[3].status = TW_RT_NAN;
  m->seeds[3].loss = m->seeds[3].best_loss = NAN;
  m->stages[3][1] = stage(5, NAN, 1, 0, 0);
  m->seeds[3].n_failures = 1;
  m->failures[3] = (TwRtFailure){.kind = TW_RT_NAN,
                                 .stage = 1,
                                 .epoch = 5,
                                 .place = {.path = "c.tw", .line = 3, .column = 8},
                                 .text = "the loss is nan at epoch 5 of stage 'standard'"};
  m->result = (TwRtResult){.n_seeds = n, .seeds = m->seeds, .seconds = 1.5};
}

/* What a writer wrote; the caller frees. */
static char *slurp(FILE *f) {
  long n = ftell(f);
  char *s = calloc((size_t)n + 1, 1);
  rewind(f);
  if (!s || fread(s, 1, (size_t)n, f) != (size_t)n) exit(1);
  fclose(f);
  return s;
}

static double at(const cJSON *o, const char *key) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
  CHECK(cJSON_IsNumber(v), "'%s' is a number", key);
  return v ? v->valuedouble : NAN;
}
static bool null_at(const cJSON *o, const char *key) { return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, key)); }
static bool text_at(const cJSON *o, const char *key, const char *text) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
  return cJSON_IsString(v) && strcmp(v->valuestring, text) == 0;
}

static void seeds_json(const cJSON *variant, const Made *m) {
  const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(variant, "seeds");
  CHECK_INT(cJSON_GetArraySize(seeds), 4);
  for (int i = 0; i < 3; i++) {
    const cJSON *s = cJSON_GetArrayItem(seeds, i);
    CHECK_NEAR(at(s, "seed"), i + 7, 0);
    CHECK(text_at(s, "status", "ok"), "ok");
    CHECK((float)at(s, "best_loss") == (float)m->seeds[i].best_loss, "f32 reads back");
    CHECK((float)at(s, "loss") == (float)m->seeds[i].loss, "f32 reads back");
    const cJSON *ms = cJSON_GetObjectItemCaseSensitive(s, "measures");
    CHECK((float)at(ms, "test") == (float)m->measures[i][0], "measure");
    CHECK(null_at(ms, "od\"d \xc3\xa4\xef\xbf\xbd\n"), "an infinite measure is null; its name is escaped");
    const cJSON *st = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(s, "stages"), 0);
    CHECK(text_at(st, "name", "pretrain"), "stage name");
    CHECK_NEAR(at(st, "epochs"), 10, 0);
    CHECK_NEAR(at(st, "steps"), 10, 0);
    CHECK_NEAR(at(st, "best_epoch"), 9, 0);
    CHECK_NEAR(at(st, "regions"), 32, 0);
    CHECK_NEAR(at(st, "slivers"), 1, 0);
    CHECK_NEAR(at(st, "dead"), 2, 0);
    CHECK_NEAR(at(st, "min_regions"), 32, 0);
    CHECK_NEAR(at(st, "seconds"), 0.0125, 0);
    CHECK(isfinite(at(st, "loss")) && isfinite(at(st, "best_loss")), "losses");
    CHECK(!cJSON_GetObjectItemCaseSensitive(s, "failures"), "no failures");
  }
  const cJSON *s = cJSON_GetArrayItem(seeds, 3);
  CHECK(text_at(s, "status", "nan") && null_at(s, "loss") && null_at(s, "best_loss"), "a NaN is null");
  const cJSON *st = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(s, "stages"), 1);
  CHECK(null_at(st, "regions") && null_at(st, "slivers") && null_at(st, "dead") && null_at(st, "loss"), "not counted");
  const cJSON *f = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(s, "failures"), 0);
  CHECK(text_at(f, "stage", "standard") && text_at(f, "kind", "nan"), "the failure");
  CHECK_NEAR(at(f, "epoch"), 5, 0);
}

static void json(void) {
  Made a, b;
  make(&a, 4);
  make(&b, 1);
  b.seeds[0].best_loss = b.stages[0][1].best_loss = 0.1 + 0.2; /* f64: 17 digits */
  a.expect = (TwRtFailure){.place = {.path = "c.tw", .line = 9, .column = 1}, .text = "'loss < 0' is not met"};
  a.result.n_expects_failed = 1;
  a.result.expects = &a.expect;
  const TwRtReportVariant v[] = {{.name = "full", .program = &program, .result = &a.result},
                                 {.name = "skip", .program = &program, .result = &b.result}};
  TwRtReport r = {.program = "cu\\b\"ic.tw",
                  .n_variants = 2,
                  .variants = v,
                  .compile_seconds = 0.5,
                  .train_seconds = 3,
                  .total_seconds = 3.75};
  for (int f64 = 0; f64 < 2; f64++) {
    r.f64 = f64;
    FILE *f = tmpfile();
    tw_rt_report_json(f, &r);
    char *text = slurp(f);
    cJSON *o = cJSON_Parse(text);
    CHECK(o != NULL, "%s", text);
    CHECK(text_at(o, "program", "cu\\b\"ic.tw") && text_at(o, "precision", f64 ? "f64" : "f32"), "%s", text);
    const cJSON *vs = cJSON_GetObjectItemCaseSensitive(o, "variants");
    CHECK_INT(cJSON_GetArraySize(vs), 2);
    const cJSON *full = cJSON_GetArrayItem(vs, 0), *skip = cJSON_GetArrayItem(vs, 1);
    CHECK(text_at(full, "name", "full") && text_at(full, "bits", "portable") && text_at(skip, "name", "skip"), "names");
    seeds_json(full, &a);
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(full, "summary");
    CHECK_NEAR(at(s, "n"), 4, 0);
    CHECK_NEAR(at(s, "failed"), 1, 0);
    CHECK((float)at(s, "min") == 1e-7f && (float)at(s, "median") == 3e-7f && (float)at(s, "max") == 8e-7f, "summary");
    CHECK_NEAR(at(s, "mean"), 4e-7, 1e-13); /* of f32 values */
    CHECK(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(full, "expects")) == 1, "the failed expect");
    const cJSON *seed = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(skip, "seeds"), 0);
    if (f64) CHECK_NEAR(at(seed, "best_loss"), 0.1 + 0.2, 0);
    CHECK_HAS(text, f64 ? "\"best_loss\": 0.30000000000000004" : "\"best_loss\": 0.3,"); /* the fewest digits */
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(o, "seconds");
    CHECK(at(t, "compile") == 0.5 && at(t, "train") == 3 && at(t, "total") == 3.75, "seconds");
    cJSON_Delete(o);
    free(text);
  }
  CHECK(!tw_rt_report_ok(&r), "a NaN is not ok");
  r.n_variants = 1;
  r.variants = &v[1];
  CHECK(tw_rt_report_ok(&r), "one seed, ok");
}

static void refused_json(void) {
  TwRtResult none = {.error = (char *)(uintptr_t) "'peak' starts at 2"};
  TwRtReportVariant v = {.name = "main", .program = &program, .result = &none};
  TwRtReport r = {.program = "p.tw", .n_variants = 1, .variants = &v};
  FILE *f = tmpfile();
  tw_rt_report_json(f, &r);
  char *text = slurp(f);
  cJSON *o = cJSON_Parse(text);
  CHECK(o != NULL, "%s", text);
  const cJSON *full = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "variants"), 0);
  CHECK(text_at(full, "error", "'peak' starts at 2"), "%s", text);
  CHECK(null_at(cJSON_GetObjectItemCaseSensitive(full, "summary"), "min"), "nothing to sum up");
  CHECK(!tw_rt_report_ok(&r), "an error is not ok");
  cJSON_Delete(o);
  free(text);
}

static void summaries(void) {
  Made m;
  make(&m, 4);
  const TwRtReportVariant v = {.name = "full", .program = &program, .result = &m.result};
  m.seeds[0].status = TW_RT_ENSURE; /* trained on to the end: it counts */
  CHECK_INT(tw_rt_summary(&v).failed, 1);
  m.stages[0][1].epochs = 3; /* stopped by its ensure: it does not */
  TwRtSummary s = tw_rt_summary(&v);
  CHECK_INT(s.failed, 2);
  CHECK_NEAR(s.median, (m.seeds[1].best_loss + m.seeds[2].best_loss) / 2, 0);
  m.seeds[1].status = m.seeds[2].status = TW_RT_STOPPED;
  s = tw_rt_summary(&v);
  CHECK(s.failed == 4 && isnan(s.min) && isnan(s.mean) && isnan(s.median) && isnan(s.max), "none is left");
}

static void texts(void) {
  Made a, b;
  make(&a, 4);
  make(&b, 1);
  const TwRtReportVariant v[] = {{.name = "full", .program = &program, .result = &a.result},
                                 {.name = "skip", .program = &program, .result = &b.result}};
  TwRtReport r = {.program = "cubic.tw", .n_variants = 1, .variants = v};
  FILE *f = tmpfile();
  tw_rt_report_table(f, &r, false);
  char *text = slurp(f);
  CHECK_HAS(text, "30-33");
  CHECK_HAS(text, "variant  seeds        min       mean     median        max  failed");
  CHECK_HAS(text, "full         4  1.000e-07  4.000e-07  3.000e-07  8.000e-07       1");
  CHECK(!strchr(text, '\033'), "no colour unasked");
  free(text);
  f = tmpfile();
  tw_rt_report_failures(f, &r, false);
  text = slurp(f);
  CHECK_HAS(text, "c.tw:3:8: error: the loss is nan at epoch 5 of stage 'standard' (variant full, seed 10)\n");
  free(text);
  r.variants = &v[1];
  f = tmpfile();
  tw_rt_report_table(f, &r, false);
  text = slurp(f);
  CHECK_HAS(text, "cubic.tw: skip, f32, seed 7\n");
  CHECK_HAS(text, "stage     epochs       loss  best loss  at epoch         regions  dead  seconds\n");
  CHECK_HAS(text, "pretrain      10  1.000e-03  1.000e-03         9  32 (+1 sliver)     2    0.013\n");
  CHECK_HAS(text, "measure test: 1e-06\n");
  free(text);
  const TwRtProgress p = {.n_stages = 2,
                          .stage_name = "standard",
                          .epoch = 412,
                          .epochs = 1000,
                          .seeds_done = 3,
                          .n_seeds = 30,
                          .loss = 3.21e-7,
                          .best_loss = 2.9e-7,
                          .fraction = 0.5,
                          .seconds = 75,
                          .rate = 1234567,
                          .regions = -1};
  f = tmpfile();
  tw_rt_report_progress(f, "full", &p, 0);
  text = slurp(f);
  CHECK(strcmp(text, "full: standard 412/1000  loss 3.21e-07  best 2.90e-07  seeds 3/30  1.2M epochs/s  1m15s left") ==
            0,
        "%s", text);
  free(text);
  TwRtProgress counted = p;
  counted.regions = 32;
  f = tmpfile();
  tw_rt_report_progress(f, "full", &counted, 0);
  text = slurp(f);
  CHECK_HAS(text, "best 2.90e-07  32 regions  seeds 3/30");
  free(text);
  f = tmpfile();
  tw_rt_report_progress(f, "full", &counted, 93);
  text = slurp(f);
  CHECK_HAS(text, "best 2.90e-07  seeds 3/30  1.2M epochs/s  1m15s left");
  free(text);
  f = tmpfile();
  tw_rt_report_progress(f, "full", &counted, 80);
  text = slurp(f);
  CHECK_HAS(text, "best 2.90e-07  1.2M epochs/s  1m15s left");
  free(text);
  f = tmpfile();
  tw_rt_report_progress(f, "full", &p, 20);
  text = slurp(f);
  CHECK(strcmp(text, "full: standard 412/1") == 0, "%s", text);
  free(text);
}

int main(void) {
  json();
  refused_json();
  summaries();
  texts();
  return tw_test_done("report");
}
