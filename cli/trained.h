/* trained.h: a program with trained params and weights, for the verbs that use a net. */
#ifndef TW_CLI_TRAINED_H
#define TW_CLI_TRAINED_H

#include "cli/cli.h"
#include "runtime/train.h"

typedef struct TwTrained {
  TwUnit *unit;
  TwCache *cache;
  TwBuild build;
  TwRtResult *result;
  uint32_t model;      /* the one that c->model names */
  const double *shown; /* n_shown reals, at the end of training */
} TwTrained;

/* Compiles c->files[0] with predictions, trains one seed, finds the model. false: said why on stderr. Free in
 * either case. *sound: nothing failed on the way; a bound that does not hold is told, and the net is there. */
bool tw_cli_trained(const TwCli *c, TwTrained *out, bool *sound);
void tw_cli_trained_free(TwTrained *t);

#endif
