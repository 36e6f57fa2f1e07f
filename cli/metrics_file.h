/* metrics_file.h: metrics.csv of a run: a line for each epoch that is logged. docs/runs.md has its columns. */
#ifndef TW_CLI_METRICS_FILE_H
#define TW_CLI_METRICS_FILE_H

#include "runtime/checkpoint.h"

typedef struct TwMetricsFile {
  int fd;
  char *path, *text; /* what is not in the file yet */
  size_t n, cap;
  const TwRtProgram *p;
  const uint64_t *seeds;
} TwMetricsFile;

/* Opens it, or makes it. Of what is there, the lines stay that come before what each seed has saved. The seeds must
 * outlive it. false: *error. Close it in either case. */
bool tw_metrics_file_open(TwMetricsFile *m, const char *path, const TwRtProgram *p, const uint64_t *seeds,
                          const TwRtCheckpoint *saved, char **error);
bool tw_metrics_file_add(TwMetricsFile *m, const TwRtEpoch *e, char **error);
/* Takes the lines of a seed out again, wherever they are. */
bool tw_metrics_file_forget(TwMetricsFile *m, uint32_t seed_index, char **error);
/* After this, whatever happens, all that was added is there. */
bool tw_metrics_file_sync(TwMetricsFile *m, char **error);
void tw_metrics_file_close(TwMetricsFile *m);

#endif
