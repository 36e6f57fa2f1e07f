/* metrics.h: the metrics of a run, from its file, as a history of epochs. */
#ifndef TW_CLI_METRICS_H
#define TW_CLI_METRICS_H

#include "cli/figures.h"

/* Reads a CSV file whose first line names its columns: `epoch` and `loss`, and as far as they are there `stage`, `seed`,
 * `variant`, `regions`; others are passed over. Epochs count from 0 in each stage, stages come in order. variant: NULL is
 * the first one in the file. false: a message is on stderr. Free h in either case. */
bool tw_metrics_read(const char *path, const char *variant, TwHistory *h);

#endif
