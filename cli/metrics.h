/* metrics.h: the metrics of a run, from its file, as a history of epochs. */
#ifndef TW_CLI_METRICS_H
#define TW_CLI_METRICS_H

#include "cli/figures.h"

/* A line of metrics, borrowed; NaN where nothing was measured. */
typedef struct TwMetricsLine {
  const char *variant, *stage, *seed;
  double epoch, loss, regions, seconds;
} TwMetricsLine;
/* Calls `line` for each line, in order, until it returns what is wrong with one. A last line that is cut short, as a run
 * that is at work may have, is left out. false: *error, malloc'ed, with the place. */
bool tw_metrics_each(const char *path, const char *(*line)(void *context, const TwMetricsLine *l), void *context, char **error);

/* Reads a CSV file whose first line names its columns: `epoch` and `loss`, and as far as they are there `stage`, `seed`,
 * `variant`, `regions`; others are passed over. Epochs count from 0 in each stage, stages come in order. variant: NULL is
 * the first one in the file. false: a message is on stderr. Free h in either case. */
bool tw_metrics_read(const char *path, const char *variant, TwHistory *h);

#endif
