/* rundir.h: what the folder of a run says of it: run.json and the copies of its program. docs/runs.md has the layout.
 */
#ifndef TW_CLI_RUNDIR_H
#define TW_CLI_RUNDIR_H

#include <cjson/cJSON.h>

#include "cli/cli.h"
#include "runtime/report.h"

enum { TW_RUN_FORMAT = 1 };

typedef struct TwRunDir {
  char *folder;
  cJSON *json;
  char *text; /* of run.json */
  size_t length;
} TwRunDir;

/* Is it the folder of a run? */
bool tw_rundir_is(const char *path);
/* Reads run.json. false: *error, malloc'ed. */
bool tw_rundir_read(TwRunDir *r, const char *folder, char **error);
void tw_rundir_free(TwRunDir *r);

/* The options that the run was started with: files, defines, sweeps, variants, seeds, precision and how often it logs
 * take the place of those in c. Free them with tw_rundir_options_free. */
bool tw_rundir_options(const TwRunDir *r, TwCli *c, char **error);
void tw_rundir_options_free(TwCli *c);
/* Adds the program and its modules, from their copies, to the unit, under the names that they had. Returns the number
 * of the program's file; 0: *error, among others because a copy is not what it was. */
uint32_t tw_rundir_sources(const TwRunDir *r, TwUnit *u, char **error);

/* Jobs: one for each variant at each setting of the sweeps. */
uint32_t tw_rundir_n_jobs(const TwRunDir *r);
const char *tw_rundir_variant(const TwRunDir *r, uint32_t job);
const cJSON *tw_rundir_settings(const TwRunDir *r, uint32_t job); /* an object, name to text; NULL: none */
/* Its folder; malloc'ed. */
char *tw_rundir_folder(const TwRunDir *r, uint32_t job);
/* "FOLDER/name"; malloc'ed, never NULL. */
char *tw_rundir_path(const char *folder, const char *name);

/* summary.json of a run that is finished; NULL: it is not there, or a seed has been stopped, which may have gone on
 * since. cJSON_Delete it. false: *error. */
bool tw_rundir_summary(const TwRunDir *r, cJSON **summary, char **error);

/* One job, for tw_rundir_write. */
typedef struct TwRunJob {
  const TwUnit *unit;
  const TwProgram *program;
  const TwRtProgram *rt;
  const TwRtSetting *settings;
  uint32_t n_settings;
  const char *folder; /* in the run's */
} TwRunJob;
/* Writes the copies of the program into folder/program, and then run.json. `file`: the program's, in the first job's
 * unit. */
bool tw_rundir_write(const char *folder, const TwCli *c, uint32_t file, const TwRunJob *jobs, uint32_t n, char **error);
/* Is this the job that the run has as number k, with the same data? */
bool tw_rundir_same_job(const TwRunDir *r, uint32_t k, const TwRunJob *job, char **error);
/* The digest of this binary and this processor, in hexadecimal; "" if there is none. */
void tw_rundir_build(char out[65]);

#endif
