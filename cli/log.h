/* log.h: the readings of a run as they are made, as JSON: an object a line (`--log jsonl`). docs/runs.md has the keys.
 */
#ifndef TW_CLI_LOG_H
#define TW_CLI_LOG_H

#include "runtime/report.h"

typedef struct TwLog TwLog;

/* "jsonl" is stdout, anything else a file, to which lines are added. NULL: *error, malloc'ed. Training goes on if a
 * line cannot be written; none comes after it, and tw_log_close says why. */
TwLog *tw_log_open(const char *where, char **error);
/* What is in the file of an earlier run goes. l NULL: nothing. */
void tw_log_empty(TwLog *l);
/* From any thread. `seed`: its number. */
void tw_log_epoch(TwLog *l, const TwRtReportVariant *v, uint64_t seed, const TwRtEpoch *e);
/* The seed starts again: what was said of it is void. */
void tw_log_restart(TwLog *l, const TwRtReportVariant *v, uint64_t seed);
/* NULL: all is well; else why not, malloc'ed. l NULL: nothing. */
char *tw_log_close(TwLog *l);

#endif
