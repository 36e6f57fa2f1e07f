/* metrics.h: the metrics of a run, from its file, as a history of epochs. */
#ifndef TW_CLI_METRICS_H
#define TW_CLI_METRICS_H

#include "cli/figures.h"

/* A line of metrics, borrowed; NaN where nothing was measured. */
typedef struct TwMetricsLine {
  const char *variant, *stage, *seed;
  double epoch, loss, regions, seconds;
} TwMetricsLine;
/* Calls `line` for each line, in order, until it returns what is wrong with one. of_run: the file is a run's, which may
 * be writing it: a last line without its end is left out, the first one too. false: *error, malloc'ed, with the place.
 */
bool tw_metrics_each(const char *path, bool of_run, const char *(*line)(void *context, const TwMetricsLine *l),
                     void *context, char **error);

/* Reads a CSV file whose first line names its columns: `epoch` and `loss`, and as far as they are there `stage`,
 * `seed`, `variant`, `regions`; others are passed over. Epochs count from 0 in each stage, stages come in order.
 * variant: NULL is the first one in the file. of_run: as above. false: a message is on stderr. Free h in either case.
 */
bool tw_metrics_read(const char *path, bool of_run, const char *variant, TwHistory *h);

#endif
