/* runview.h: the folder of a run as one who looks at it sees it: what was run, how far it has come, what came out.
 *
 * A run that is finished is read from its summary.json, any other from the lines of its metrics.csv. Nothing is
 * written. */
#ifndef TW_CLI_RUNVIEW_H
#define TW_CLI_RUNVIEW_H

#include "cli/rundir.h"

typedef enum TwRunState { TW_RUN_FINISHED, TW_RUN_INTERRUPTED, TW_RUN_RUNNING } TwRunState;
const char *tw_run_state_text(TwRunState s); /* finished interrupted running */

/* A stage of one seed: NaN is what is not known, or has not been reached. */
typedef struct TwViewSeed {
  double epochs, loss, best, regions, dead, seconds;
} TwViewSeed;

typedef struct TwViewStage {
  char *name;
  TwViewSeed *seeds; /* n_seeds */
} TwViewStage;

typedef struct TwViewJob {
  const char *variant;
  const cJSON *about; /* its object in run.json */
  char *path, *label; /* its folder; the same as text, short: of the run, or of the run and the job */
  uint32_t n_stages;
  TwViewStage *stages;
  uint32_t n_failed;   /* seeds that did not come to their end; of a run that is finished */
  const cJSON *result; /* of this variant, in summary.json; NULL: the run is not finished */
} TwViewJob;

typedef struct TwRunView {
  TwRunDir dir;
  cJSON *summary; /* NULL: the run is not finished */
  TwRunState state;
  uint32_t n_seeds, n_jobs;
  uint64_t first_seed;
  TwViewJob *jobs;
} TwRunView;

/* false: *error, malloc'ed: this is not the folder of a run, or it is damaged. Free it in the first case only. */
bool tw_runview_read(TwRunView *v, const char *folder, char **error);
void tw_runview_free(TwRunView *v);

/* Over the numbers among them; NaN if there are none. */
typedef struct TwViewStats {
  uint32_t n;
  double min, mean, median, max;
} TwViewStats;
enum { TW_VIEW_EPOCHS, TW_VIEW_LOSS, TW_VIEW_BEST, TW_VIEW_REGIONS, TW_VIEW_DEAD, TW_VIEW_SECONDS };
TwViewStats tw_runview_stats(const TwRunView *v, const TwViewStage *s, int what);
cJSON *tw_runview_stats_json(const TwViewStats *s);
/* The lowest loss of the last stage, of all jobs and seeds. */
double tw_runview_best(const TwRunView *v);

/* What run.json says under a name; "?" where it says nothing. */
const char *tw_runview_text(const TwRunView *v, const char *name);
/* The source that was run; NULL: none is marked. */
const cJSON *tw_runview_main(const TwRunView *v);

/* Cells of tables. */
struct TwRtTable;
void tw_view_loss_cell(struct TwRtTable *t, double v);
void tw_view_count_cell(struct TwRtTable *t, const TwViewStats *s);
void tw_view_seconds_cell(struct TwRtTable *t, double s);

#endif
