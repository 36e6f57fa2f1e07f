/* keep.h: the folder of a run while it runs: metrics, checkpoints, weights, the summary. docs/runs.md has the layout.
 *
 * All of it may be called from the threads that train. A file that cannot be written ends the run: *stop becomes 1, and
 * tw_keep_end says why. */
#ifndef TW_CLI_KEEP_H
#define TW_CLI_KEEP_H

#include <signal.h>

#include "cli/rundir.h"

typedef struct TwKeep TwKeep;
typedef struct TwKept TwKept; /* what is kept of one job */

/* Takes the folder for a new run: makes it if it is not there, and locks it. NULL: *error, malloc'ed; there is a run
 * already, or something else, or another process is at work in it. */
TwKeep *tw_keep_new(const char *folder, double seconds, volatile sig_atomic_t *stop, char **error);
/* The same for the run that is there. */
TwKeep *tw_keep_resume(const char *folder, double seconds, volatile sig_atomic_t *stop, char **error);
const TwRunDir *tw_keep_dir(const TwKeep *k); /* of a run that is resumed; else NULL */

/* The jobs, compiled. A new run: its description is written. One that is resumed: it is compared with its description,
 * and what was saved is read; what was not right with it goes to *warnings, a line each, malloc'ed or NULL.
 * false: *error. Seeds are the same for all jobs. */
bool tw_keep_begin(TwKeep *k, const TwCli *c, uint32_t file, const TwRunJob *jobs, uint32_t n, uint32_t n_seeds,
                   const uint64_t *seeds, char **warnings, char **error);
TwKept *tw_keep_job(TwKeep *k, uint32_t job);

/* For the hooks of TwRtOptions. */
void tw_kept_save(TwKept *k, const TwRtSaved *s);
const void *tw_kept_load(TwKept *k, uint32_t seed_index, size_t *n);
void tw_kept_watch(TwKept *k, const TwRtEpoch *e);
void tw_kept_restart(TwKept *k, uint32_t seed_index);
void tw_kept_stage(TwKept *k, uint32_t seed_index, uint32_t stage, bool best, const void *shown, const void *values);

/* Writes what has not been written yet, and summary.json, unless the run was finished before. NULL: all is well; else
 * why not, malloc'ed. */
char *tw_keep_end(TwKeep *k, const TwRtReport *r);
void tw_keep_free(TwKeep *k); /* NULL: nothing */

#endif
