/* picked.h: one net in the folder of a run: which job, which seed, after which stage. docs/runs.md has the layout. */
#ifndef TW_CLI_PICKED_H
#define TW_CLI_PICKED_H

#include "cli/rundir.h"

typedef struct TwPicked {
  TwRunDir dir;
  uint32_t job;
  char *folder;  /* of the job */
  uint64_t seed; /* from here on: after tw_picked_weights */
  uint32_t stage;
  bool best;     /* the values of the last stage's best epoch; else those that the stage ended with */
  char *weights; /* the file */
} TwPicked;

/* Is it the folder of a run, or of a job in one? */
bool tw_picked_is(const char *path);
/* The run, and the job that the path or --variant names. false: said why. Free in either case. */
bool tw_picked_open(TwPicked *p, const TwCli *c);
/* The program as the run has it, of `u`; 0: said why. */
uint32_t tw_picked_source(const TwPicked *p, TwUnit *u);
/* The options of c, with those of the run in the places that are the run's; free them with tw_rundir_options_free.
 * false: said why. */
bool tw_picked_options(const TwPicked *p, const TwCli *c, TwCli *out);
/* The file that --seed and --stage name: of the seed with the lowest loss, after the last stage, where they name none;
 * a stage's name with ".best" behind it is its best epoch. false: said why. */
bool tw_picked_weights(TwPicked *p, const TwCli *c, const TwRtProgram *rt);
void tw_picked_free(TwPicked *p);

#endif
