/* train.h: the stages, for many seeds at once, over all cores. Prints nothing, exits nowhere. */
#ifndef TW_RUNTIME_TRAIN_H
#define TW_RUNTIME_TRAIN_H

#include <stddef.h>

#include "runtime/program.h"

typedef struct TwRtRegions { /* see runtime/regions.h */
  bool counted;
  int64_t patterns, pieces, slivers, maps, dead;
  double narrowest;
} TwRtRegions;

typedef enum TwRtStatus { TW_RT_OK, TW_RT_ENSURE, TW_RT_NAN, TW_RT_STOPPED } TwRtStatus;
const char *tw_rt_status_text(TwRtStatus s); /* ok ensure nan stopped */

typedef struct TwRtStageResult {
  int64_t epochs, steps;  /* done */
  bool ended;             /* by a rule of its own (patience, until, nothing left to gain) before its last epoch */
  double loss, best_loss; /* after the last epoch; the lowest of epochs 0 … last */
  int64_t best_epoch;
  TwRtRegions regions;              /* of the first model that can be counted, at the last epoch */
  int64_t min_regions, max_regions; /* over the epochs where an ensure counted; -1 if none did */
  double seconds;
  double *values; /* VALUES as the stage handed them on, or those that gave the NaN; NULL unless
                     TwRtOptions.keep_values is set or the seed ended here by a NaN */
} TwRtStageResult;

typedef struct TwRtFailure {
  TwRtStatus kind;
  uint32_t stage;
  int64_t epoch;
  TwRtPlace place; /* of the ensure, or of the loss */
  char text[256];  /* a sentence, whole; see details for more */
} TwRtFailure;

typedef struct TwRtSeedResult {
  uint64_t seed;
  uint32_t retries; /* how often it started again */
  TwRtStatus status;
  double loss, best_loss;
  double *measures; /* n_measures, at the last values */
  TwRtStageResult *stages;
  uint32_t n_failures; /* first failure of each ensure, and the NaN */
  TwRtFailure *failures;
  double *shown;      /* n_shown, at the end of the last stage */
  double *best_shown; /* n_shown, at the best epoch of the last stage */
} TwRtSeedResult;

typedef struct TwRtResult {
  uint32_t n_seeds;
  TwRtSeedResult *seeds; /* in the order asked */
  uint32_t n_expects_failed;
  TwRtFailure *expects; /* one for each failed (seed, expect) */
  double seconds;       /* training, wall */
  char *error;          /* NULL, or why nothing was trained (start outside the domain, …) */
  TwRtPlace error_place;
} TwRtResult;

/* Progress: called from the main thread about ten times a second, and once at the end. */
typedef struct TwRtProgress {
  uint32_t stage, n_stages;
  const char *stage_name;
  uint64_t seed;
  int64_t epoch, epochs; /* of seed `seed` */
  uint32_t seeds_done, n_seeds;
  double loss, best_loss;
  int64_t regions;          /* of this seed, lately; -1: not counted */
  double fraction, seconds; /* of all the work of this program; so far */
  double rate;              /* epochs a second, of all seeds together, lately; 0: not known yet */
} TwRtProgress;

/* A seed after an epoch (0: at the stage's start). */
typedef struct TwRtEpoch {
  uint32_t seed_index, stage; /* seed_index: in the order asked */
  int64_t epoch;
  double loss, norm;      /* norm: of the gradient; 0 where the epoch had batches, or was the last */
  double rate;            /* of the optimizer; NaN: it has none */
  const double *measures; /* n_measures */
  int64_t regions;        /* of the model that the stage reports; -1: not counted */
  double seconds;         /* since the stage began, without interruptions */
} TwRtEpoch;

/* A seed as it is after an epoch, or when it is done. */
typedef struct TwRtSaved {
  uint32_t seed_index;
  bool done;
  uint32_t stage; /* not done: where it is; epoch `epoch` has not been watched yet */
  int64_t epoch;
  void *bytes; /* the callee's to free; NULL: there was no memory for them */
  size_t n;
} TwRtSaved;

/* Cores that this process may use: fewer than there are where it is bound to some (taskset, a container's cpuset). */
uint32_t tw_rt_cores(void);

typedef struct TwRtOptions {
  const uint64_t *seeds;
  uint32_t n_seeds;
  uint32_t threads; /* 0: as many as there are cores. Seeds come first; what is left shares the loops of each */
  void (*progress)(void *context, const TwRtProgress *p);
  void *context;
  bool keep_values; /* fill TwRtStageResult.values */
  /* Called from the threads that train, for epochs 0, watch_every, … and the last of each stage; of one seed in order.
   * May be NULL. */
  void (*watch)(void *context, const TwRtEpoch *e);
  int64_t watch_every;
  const volatile int *stop; /* becomes nonzero: finish the epoch, status stopped. May be NULL */
  /* Called from the threads that train; each may be NULL. `save`: what a seed has become, when it is done, every
   * save_seconds before that, and when `stop` is seen. `load`: the bytes that `save` was given last for this seed, in
   * an earlier run of the same program; NULL: none. Then the seed goes on from there, and ends with the same bits as if
   * it had never stopped. `stage_done`: what a stage hands on, and (best) what the last stage's best epoch had: n_shown
   * and n_values reals of the program. */
  void (*save)(void *context, const TwRtSaved *s);
  const void *(*load)(void *context, uint32_t seed_index, size_t *n);
  void (*stage_done)(void *context, uint32_t seed_index, uint32_t stage, bool best, const void *shown,
                     const void *values);
  /* The seed starts again (`retry`): what `watch` was told of it is void. From a thread that trains; may be NULL. */
  void (*restart)(void *context, uint32_t seed_index);
  double save_seconds;
} TwRtOptions;

/* Trains every seed. Bit-identical for any number of threads and any company of seeds (P7, P8).
 * Never NULL; free with tw_rt_result_free. */
TwRtResult *tw_rt_train(const TwRtProgram *p, const TwRtOptions *o);
void tw_rt_result_free(const TwRtProgram *p, TwRtResult *r);

/* A start value that its domain does not allow. */
typedef struct TwRtBadStart {
  uint32_t seed_index, attempt, param; /* attempt: 0, or of `retry` */
  uint64_t element;
  double drawn, value;
} TwRtBadStart;

/* Is a param, as it was drawn, outside of its interval or not finite when rounded to the program's real? Then which
 * one. */
bool tw_rt_start_outside(const TwRtProgram *p, const double *shown, TwRtBadStart *out);
/* The same in words, malloc'ed. */
char *tw_rt_start_text(const TwRtProgram *p, const TwRtBadStart *b, uint64_t seed);

#endif
