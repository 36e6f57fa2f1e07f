/* report.h: what a run found, for people and for programs. Writes to the stream it is given. */
#ifndef TW_RUNTIME_REPORT_H
#define TW_RUNTIME_REPORT_H

#include <stdio.h>

#include "runtime/best_fit.h"
#include "runtime/train.h"

/* A constant that was set for one of several runs. */
typedef struct TwRtSetting {
  const char *name, *value;
} TwRtSetting;

/* One variant's result, with the settings that tell it from others of the name. The program, the result and the
 * settings stay the caller's. */
typedef struct TwRtReportVariant {
  const char *name;
  const TwRtProgram *program;
  const TwRtResult *result;
  const TwRtSetting *settings;
  uint32_t n_settings; /* the same in all variants of a report */
  TwRtOverBest over_best;
} TwRtReportVariant;

typedef struct TwRtReport {
  const char *program; /* the path as the user wrote it */
  bool f64;
  uint32_t n_variants;
  const TwRtReportVariant *variants;
  double compile_seconds, train_seconds, total_seconds;
} TwRtReport;

/* Over best_loss of the seeds that trained to their end; a seed that ended early (NaN, an ensure with
 * `stop`, interrupted) counts in `failed`. The figures are NaN if none is left. */
typedef struct TwRtSummary {
  uint32_t n, failed;
  double min, mean, median, max;
} TwRtSummary;
TwRtSummary tw_rt_summary(const TwRtReportVariant *v);
/* True if the seed did all epochs of all stages without a NaN. */
bool tw_rt_seed_finished(const TwRtProgram *p, const TwRtSeedResult *s);

/* True iff every seed of every variant is ok and every expect is met: exit code 0. */
bool tw_rt_report_ok(const TwRtReport *r);

/* The object of `run --json`, one line at the end. Numbers read back to the same bits; what is not
 * finite is null. */
void tw_rt_report_json(FILE *out, const TwRtReport *r);

/* For one seed: the stages of each variant, then (for several) a line a variant; for more seeds: a line
 * a variant. Escape sequences only with `colour`. */
void tw_rt_report_table(FILE *out, const TwRtReport *r, bool colour);

/* Errors, failed ensures and expects, NaNs, as "path:line:column: error: …"; the same failure of many
 * seeds is told once, with their number. */
void tw_rt_report_failures(FILE *out, const TwRtReport *r, bool colour);

/* "full: standard 412/1000 …", without a newline, shortened, then cut, to `columns` (0: neither). For a terminal: write
 * "\r", this, and "\033[K". */
void tw_rt_report_progress(FILE *out, const char *variant, const TwRtProgress *p, uint32_t columns);

#endif
