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
  TwRtStageRun stages[2];     /* the present one is stages[stage % 2], and before it … */
  uint32_t stage;             /* n_stages: all are done */
  const void *flat;           /* after the last stage: what it has handed on */
  char *failed;               /* why training cannot go on, or NULL */
  double *values;             /* n_shown: natural values now */
  TwRtPredictor **predictors; /* [2 * model + slopes], made when needed; fresh ones have `values` */
  bool *fresh;
};

/* *error = text (malloc'ed, taken over), if the caller wants it. false */
bool tw_net_fail(char **error, char *text);

/* `values` follows VALUES and FLAT. */
void tw_net_refresh(tw_net *n);

/* Where a net is in its training, to come back to: what TwRtOptions.save gives, and behind it the n_shown natural
 * values. That all stages are done is a mark (`done`) beside the state of the last one. bytes malloc'ed; NULL: no
 * memory. */
TwRtSaved tw_net_state(tw_net *n);
/* Goes there. false and *why (malloc'ed, NULL: no memory): the net is anywhere. */
bool tw_net_enter(tw_net *n, const TwRtSaved *s, char **why);

/* Looks at a net whose values have been set; false and *error: they are not what was wanted. */
typedef bool (*TwNetLook)(const tw_net *n, const void *context, char **error);
/* VALUES and FLAT from natural values, n_shown of them; weights that follow from params are not looked at. coordinates:
 * p->n_coordinates of them that params have instead of those computed from their values; or NULL. false and *error,
 * also if `look` (which may be NULL) does not like it: the net is as it was, to the last bit of what its training
 * carries. */
bool tw_net_store(tw_net *n, const double *shown, const double *coordinates, TwNetLook look, const void *context,
                  char **error);

#endif
