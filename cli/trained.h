/* trained.h: a program with trained params and weights, for the verbs that use a net: trained here, or kept by a run.
 */
#ifndef TW_CLI_TRAINED_H
#define TW_CLI_TRAINED_H

#include "cli/picked.h"
#include "runtime/train.h"

/* What is wanted of it. */
typedef enum TwTrainedWant {
  TW_TRAINED_MODEL = 1,  /* a model, to be called */
  TW_TRAINED_PIECES = 2, /* its VALUES, for the pieces of models */
  TW_TRAINED_SHOWN = 3   /* all params and weights; there need be no model, unless --model names one */
} TwTrainedWant;

typedef struct TwTrained {
  TwUnit *unit;
  TwCache *cache;
  TwBuild build;
  TwPicked run;  /* where c->files[0] is the folder of a run */
  TwCli options; /* those of c, or of the run */
  bool kept;     /* from a run: nothing was trained */
  uint64_t seed;
  uint32_t stage; /* after which it is */
  uint32_t model; /* the one that c->model names, where one is wanted */
  double *shown;  /* n_shown reals */
  double *values; /* n_values reals */
} TwTrained;

/* Compiles c->files[0] and trains one seed; or, of the folder of a run, compiles its copy of the program and reads its
 * weights. --stage: as the net is after that stage, else at the end. false: said why, on stderr or
 * in the unit's diagnostics. End in either case. *sound: nothing failed on the way; a bound that does not hold is told,
 * and the net is there. */
bool tw_cli_trained(const TwCli *c, TwTrainedWant want, TwTrained *out, bool *sound);
/* Writes the unit's diagnostics to stderr, and frees. */
void tw_cli_trained_end(TwTrained *t);

#endif
