/* net.h: what the files of include/triwave.h's nets share: net.c (life, values, predictions, training), net_file.c. */
#ifndef TW_RUNTIME_NET_H
#define TW_RUNTIME_NET_H

#include "include/triwave.h"
#include "runtime/predict.h"
#include "runtime/run.h"

struct tw_net {
  TwRtRun run;
  TwRtOptions options;
  uint64_t seed;
  TwRtWorker *w;
  TwRtStageRun stages[2]; /* the present one is stages[stage % 2], and before it … */
  uint32_t stage;         /* n_stages: all are done */
  const void *flat;       /* after the last stage: what it has handed on */
  char *failed;           /* why training cannot go on, or NULL */
  double *values;         /* n_shown: natural values now */
  TwRtPredictor **predictors; /* [2 * model + slopes], made when needed; fresh ones have `values` */
  bool *fresh;
};

/* *error = text (malloc'ed, taken over), if the caller wants it. false */
bool tw_net_fail(char **error, char *text);

/* `values` follows VALUES and FLAT. */
void tw_net_refresh(tw_net *n);

/* VALUES and FLAT from natural values, n_shown of them; weights that follow from params are not looked at. coordinates:
 * p->n_coordinates of them that params have instead of those computed from their values; or NULL. false and *error:
 * nothing was changed. */
bool tw_net_store(tw_net *n, const double *shown, const double *coordinates, char **error);

#endif
