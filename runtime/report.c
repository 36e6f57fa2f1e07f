/* report.c: the table, the failures and the progress line. report_json.c has the JSON. */
#include "runtime/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/table.h"
#include "runtime/text.h"

/* ---- summary */

bool tw_rt_seed_finished(const TwRtProgram *p, const TwRtSeedResult *s) {
  if (s->status == TW_RT_NAN || s->status == TW_RT_STOPPED) return false;
  for (uint32_t k = 0; k < p->n_stages; k++)
    if (s->stages[k].epochs < p->stages[k].epochs && !s->stages[k].ended) return false;
  return true;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

TwRtSummary tw_rt_summary(const TwRtReportVariant *v) {
  const TwRtResult *r = v->result;
  TwRtSummary s = {.n = r->n_seeds, .min = NAN, .mean = NAN, .median = NAN, .max = NAN};
  double *all = malloc(((size_t)r->n_seeds + 1) * sizeof *all);
  uint32_t n = 0;
  double sum = 0;
  for (uint32_t i = 0; i < r->n_seeds; i++) {
    if (r->error || !tw_rt_seed_finished(v->program, &r->seeds[i])) {
      s.failed++;
    } else if (all && isfinite(r->seeds[i].best_loss)) { /* a program without stages has none */
      all[n++] = r->seeds[i].best_loss;
      sum += r->seeds[i].best_loss;
    }
  }
  if (n > 0) {
    qsort(all, n, sizeof *all, ascending);
    s.min = all[0];
    s.max = all[n - 1];
    s.mean = sum / n;
    s.median = n % 2 ? all[n / 2] : (all[n / 2 - 1] + all[n / 2]) / 2;
  }
  free(all);
  return s;
}

bool tw_rt_report_ok(const TwRtReport *r) {
  for (uint32_t v = 0; v < r->n_variants; v++) {
    const TwRtResult *t = r->variants[v].result;
    if (t->error || t->n_expects_failed) return false;
    for (uint32_t i = 0; i < t->n_seeds; i++)
      if (t->seeds[i].status != TW_RT_OK) return false;
  }
  return true;
}

/* ---- cells */

/* The sign of a NaN says nothing, but printf shows it. */
static double unsigned_nan(double v) { return isnan(v) ? fabs(v) : v; }

static void loss_cell(TwRtTable *t, double v) {
  if (isfinite(v)) tw_rt_cell(t, "%.3e", v);
  else tw_rt_cell(t, "%s", isnan(v) ? "-" : v > 0 ? "inf" : "-inf");
}

static void seconds_cell(TwRtTable *t, double s) { tw_rt_cell(t, s < 10 ? "%.3f" : s < 1000 ? "%.1f" : "%.0f", s); }

static void regions_cell(TwRtTable *t, const TwRtRegions *r) {
  if (!r->counted) tw_rt_cell(t, "%s", "");
  else if (!r->slivers) tw_rt_cell(t, "%lld", (long long)r->pieces);
  else tw_rt_cell(t, "%lld (+%lld sliver%s)", (long long)r->pieces, (long long)r->slivers, r->slivers == 1 ? "" : "s");
}

/* "32", or "30-33": the regions that the seeds' last stages ended with. */
static void regions_range_cell(TwRtTable *t, const TwRtReportVariant *v) {
  int64_t lo = INT64_MAX, hi = -1;
  uint32_t last = v->program->n_stages - 1;
  for (uint32_t i = 0; v->program->n_stages && i < v->result->n_seeds; i++) {
    const TwRtRegions *r = &v->result->seeds[i].stages[last].regions;
    if (!r->counted) continue;
    if (r->pieces < lo) lo = r->pieces;
    if (r->pieces > hi) hi = r->pieces;
  }
  if (hi < 0) tw_rt_cell(t, "%s", "");
  else if (lo == hi) tw_rt_cell(t, "%lld", (long long)lo);
  else tw_rt_cell(t, "%lld-%lld", (long long)lo, (long long)hi);
}

static double measure_mean(const TwRtReportVariant *v, uint32_t m) {
  double sum = 0;
  uint32_t n = 0;
  for (uint32_t i = 0; i < v->result->n_seeds; i++) {
    if (!tw_rt_seed_finished(v->program, &v->result->seeds[i])) continue;
    sum += v->result->seeds[i].measures[m];
    n++;
  }
  return n ? sum / n : NAN;
}

/* ---- one seed: a line a stage */

static void stage_table(FILE *out, const TwRtReport *r, const TwRtReportVariant *v, bool colour) {
  const TwRtSeedResult *s = &v->result->seeds[0];
  fprintf(out, "%s%s%s: %s, %s, seed %llu%s%s\n", colour ? "\033[1m" : "", r->program, colour ? "\033[0m" : "", v->name,
          r->f64 ? "f64" : "f32", (unsigned long long)s->seed, s->status == TW_RT_OK ? "" : ": ",
          s->status == TW_RT_OK ? "" : tw_rt_status_text(s->status));
  TwRtTable t = {.columns = 8};
  static const char *const head[] = {"stage", "epochs", "loss", "best loss", "at epoch", "regions", "dead", "seconds"};
  for (size_t i = 0; i < t.columns; i++) tw_rt_cell(&t, "%s", head[i]);
  for (uint32_t k = 0; k < v->program->n_stages; k++) {
    const TwRtStageResult *st = &s->stages[k];
    tw_rt_cell(&t, "%s", v->program->stages[k].name);
    tw_rt_cell(&t, "%lld", (long long)st->epochs);
    loss_cell(&t, st->loss);
    loss_cell(&t, st->best_loss);
    if (st->best_epoch < 0) tw_rt_cell(&t, "-");
    else tw_rt_cell(&t, "%lld", (long long)st->best_epoch);
    regions_cell(&t, &st->regions);
    if (st->regions.counted) tw_rt_cell(&t, "%lld", (long long)st->regions.dead);
    else tw_rt_cell(&t, "%s", "");
    seconds_cell(&t, st->seconds);
  }
  if (v->program->n_stages) tw_rt_table_print(&t, out, colour);
  tw_rt_table_free(&t);
  for (uint32_t m = 0; m < v->program->n_measures; m++)
    fprintf(out, "measure %s: %.*g\n", v->program->measures[m], r->f64 ? 10 : 6, unsigned_nan(s->measures[m]));
}

/* ---- a line a variant */

/* The measures of all variants by name: variants may have different ones. Borrowed strings. */
static uint32_t all_measures(const TwRtReport *r, const char ***names) {
  uint32_t n = 0, most = 0;
  for (uint32_t v = 0; v < r->n_variants; v++) most += r->variants[v].program->n_measures;
  *names = calloc((size_t)most + 1, sizeof **names);
  for (uint32_t v = 0; *names && v < r->n_variants; v++) {
    const TwRtProgram *p = r->variants[v].program;
    for (uint32_t m = 0; m < p->n_measures; m++) {
      uint32_t k = 0;
      while (k < n && strcmp((*names)[k], p->measures[m]) != 0) k++;
      if (k == n) (*names)[n++] = p->measures[m];
    }
  }
  return n;
}

static void variant_row(TwRtTable *t, const TwRtReportVariant *v, const char *const *names, uint32_t n_names,
                        bool one) {
  TwRtSummary s = tw_rt_summary(v);
  tw_rt_cell(t, "%s", v->name);
  for (uint32_t k = 0; k < v->n_settings; k++) tw_rt_cell(t, "%s", v->settings[k].value);
  if (one) {
    loss_cell(t, v->result->n_seeds ? v->result->seeds[0].loss : NAN);
    loss_cell(t, s.min);
  } else {
    tw_rt_cell(t, "%u", s.n);
    loss_cell(t, s.min);
    loss_cell(t, s.mean);
    loss_cell(t, s.median);
    loss_cell(t, s.max);
  }
  if (s.failed) tw_rt_cell(t, "%u", s.failed);
  else tw_rt_cell(t, "%s", one ? "" : "0");
  regions_range_cell(t, v);
  for (uint32_t k = 0; k < n_names; k++) {
    uint32_t m = 0;
    while (m < v->program->n_measures && strcmp(v->program->measures[m], names[k]) != 0) m++;
    if (m == v->program->n_measures) tw_rt_cell(t, "%s", "");
    else loss_cell(t, measure_mean(v, m));
  }
  seconds_cell(t, v->result->seconds);
}

static void variant_table(FILE *out, const TwRtReport *r, bool one, bool colour) {
  const char **names;
  uint32_t n_names = all_measures(r, &names);
  uint32_t n_settings = r->n_variants ? r->variants[0].n_settings : 0;
  TwRtTable t = {.columns = (one ? 6 : 9) + n_names + n_settings};
  static const char *const single[] = {"variant", "loss", "best loss", "failed", "regions"};
  static const char *const many[] = {"variant", "seeds", "min", "mean", "median", "max", "failed", "regions"};
  for (size_t i = 0; i < (one ? 5 : 8); i++) {
    tw_rt_cell(&t, "%s", one ? single[i] : many[i]);
    for (uint32_t k = 0; i == 0 && k < n_settings; k++) tw_rt_cell(&t, "%s", r->variants[0].settings[k].name);
  }
  for (uint32_t k = 0; k < n_names; k++) tw_rt_cell(&t, "%s%s", names[k], one ? "" : " (mean)");
  tw_rt_cell(&t, "seconds");
  for (uint32_t v = 0; v < r->n_variants; v++) variant_row(&t, &r->variants[v], names, n_names, one);
  if (!one)
    fprintf(out, "%s%s%s: %s, best loss of the last stage over the seeds\n", colour ? "\033[1m" : "", r->program,
            colour ? "\033[0m" : "", r->f64 ? "f64" : "f32");
  tw_rt_table_print(&t, out, colour);
  tw_rt_table_free(&t);
  free(names);
}

static void over_best(FILE *out, const TwRtReport *r, const TwRtReportVariant *v) {
  const TwRtOverBest *o = &v->over_best;
  if (!o->pieces) return;
  if (r->n_variants > 1) fprintf(out, "%s", v->name);
  for (uint32_t k = 0; r->n_variants > 1 && k < v->n_settings; k++)
    fprintf(out, ", %s = %s", v->settings[k].name, v->settings[k].value);
  if (r->n_variants > 1) fputs(": ", out);
  fprintf(out, "best fit of %u piece%s: %.3e; best loss / best fit: ", o->pieces, o->pieces == 1 ? "" : "s", o->loss);
  if (v->result->n_seeds > 1) fprintf(out, "min %.3g, mean %.3g\n", o->min, o->mean);
  else fprintf(out, "%.3g\n", o->min);
}

void tw_rt_report_table(FILE *out, const TwRtReport *r, bool colour) {
  bool one = true;
  for (uint32_t v = 0; v < r->n_variants; v++) one = one && r->variants[v].result->n_seeds <= 1;
  for (uint32_t v = 0; one && v < r->n_variants; v++) {
    if (r->variants[v].result->n_seeds == 0 || r->variants[v].n_settings) continue;
    stage_table(out, r, &r->variants[v], colour);
    if (r->n_variants > 1) fputc('\n', out);
  }
  if (!one || r->n_variants > 1) variant_table(out, r, one, colour);
  for (uint32_t v = 0; v < r->n_variants; v++) over_best(out, r, &r->variants[v]);
}

/* ---- failures */

static void failure_line(FILE *out, const TwRtPlace *place, const char *fallback, bool colour) {
  if (place->path && place->line) fprintf(out, "%s:%u:%u: ", place->path, place->line, place->column);
  else fprintf(out, "%s: ", place->path ? place->path : fallback);
  fputs(colour ? "\033[1;31merror:\033[0m " : "error: ", out);
}

static bool same_failure(const TwRtFailure *a, const TwRtFailure *b) {
  return a->kind == b->kind && a->place.line == b->place.line && a->place.column == b->place.column &&
         a->place.start == b->place.start && a->place.file == b->place.file;
}

static const TwRtFailure *same_in(const TwRtSeedResult *s, const TwRtFailure *f) {
  for (uint32_t k = 0; k < s->n_failures; k++)
    if (same_failure(&s->failures[k], f)) return &s->failures[k];
  return NULL;
}

/* A failure is told by the first seed that has it, with the number of the others. */
static void seed_failures(FILE *out, const TwRtReport *r, const TwRtReportVariant *v, bool colour) {
  const TwRtResult *t = v->result;
  for (uint32_t i = 0; i < t->n_seeds; i++) {
    for (uint32_t k = 0; k < t->seeds[i].n_failures; k++) {
      const TwRtFailure *f = &t->seeds[i].failures[k];
      bool told = false;
      for (uint32_t j = 0; j < i && !told; j++) told = same_in(&t->seeds[j], f) != NULL;
      if (told) continue;
      uint32_t others = 0;
      for (uint32_t j = i + 1; j < t->n_seeds; j++) others += same_in(&t->seeds[j], f) != NULL;
      failure_line(out, &f->place, r->program, colour);
      fprintf(out, "%s (variant %s, seed %llu", f->text, v->name, (unsigned long long)t->seeds[i].seed);
      if (others) fprintf(out, ", and %u more seed%s", others, others == 1 ? "" : "s");
      fputs(")\n", out);
    }
  }
}

void tw_rt_report_failures(FILE *out, const TwRtReport *r, bool colour) {
  for (uint32_t v = 0; v < r->n_variants; v++) {
    const TwRtResult *t = r->variants[v].result;
    if (t->error) {
      failure_line(out, &t->error_place, r->program, colour);
      fprintf(out, "%s (variant %s)\n", t->error, r->variants[v].name);
    }
    seed_failures(out, r, &r->variants[v], colour);
    for (uint32_t k = 0; k < t->n_expects_failed; k++) {
      const TwRtFailure *f = &t->expects[k];
      bool told = false;
      uint32_t others = 0;
      for (uint32_t j = 0; j < t->n_expects_failed; j++) {
        if (j == k || !same_failure(&t->expects[j], f)) continue;
        told = told || j < k;
        others++;
      }
      if (told) continue;
      failure_line(out, &f->place, r->program, colour);
      fprintf(out, "%s (variant %s", f->text, r->variants[v].name);
      if (others) fprintf(out, ", and %u more seed%s", others, others == 1 ? "" : "s");
      fputs(")\n", out);
    }
  }
}

/* ---- progress */

static void rate_text(char *out, size_t size, double rate) {
  if (rate >= 1e6) tw_rt_text_into(out, size, "%.1fM", rate / 1e6);
  else if (rate >= 1e3) tw_rt_text_into(out, size, "%.1fk", rate / 1e3);
  else tw_rt_text_into(out, size, rate >= 10 ? "%.0f" : "%.1f", rate);
}

static void duration_text(char *out, size_t size, double s) {
  long long n = s < 1e9 ? (long long)(s + 0.5) : 1000000000;
  if (n < 60) tw_rt_text_into(out, size, "%llds", n);
  else if (n < 3600) tw_rt_text_into(out, size, "%lldm%02llds", n / 60, n % 60);
  else tw_rt_text_into(out, size, "%lldh%02lldm", n / 3600, n % 3600 / 60);
}

void tw_rt_report_progress(FILE *out, const char *variant, const TwRtProgress *p, uint32_t columns) {
  char rate[32] = "", left[32] = "", seeds[48] = "", regions[40] = "";
  if (p->regions >= 0) tw_rt_text_into(regions, sizeof regions, "  %lld regions", (long long)p->regions);
  if (p->n_seeds > 1) tw_rt_text_into(seeds, sizeof seeds, "  seeds %u/%u", p->seeds_done, p->n_seeds);
  if (p->rate > 0) rate_text(rate, sizeof rate, p->rate);
  if (p->fraction > 0.01 && p->fraction < 1)
    duration_text(left, sizeof left, p->seconds * (1 - p->fraction) / p->fraction);
  /* On a narrow terminal regions go first, then seeds: the time that is left is what one looks for. */
  char *line = NULL;
  for (int without = 0; without < 3; without++) {
    free(line);
    line = tw_rt_textf("%s: %s %lld/%lld  loss %.2e  best %.2e%s%s%s%s%s%s%s%s", variant, p->stage_name,
                       (long long)p->epoch, (long long)p->epochs, unsigned_nan(p->loss), unsigned_nan(p->best_loss),
                       without < 1 ? regions : "", without < 2 ? seeds : "", *rate ? "  " : "", rate,
                       *rate ? " epochs/s" : "", *left ? "  " : "", left, *left ? " left" : "");
    if (!line) return;
    if (!columns || tw_rt_text_width(line, strlen(line)) <= columns) break;
  }
  if (columns) {
    size_t end = strlen(line);
    while (end > 0 && tw_rt_text_width(line, end) > columns) end--;
    line[tw_rt_text_cut(line, end)] = '\0';
  }
  fputs(line, out);
  free(line);
}
