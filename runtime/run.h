/* run.h: what the files of one training run share. Internal to the runtime.
 *
 *   train.c   the run: data, memory, the pool of threads, progress, the result
 *   seed.c    one seed: start, stages in order, what it leaves, expects
 *   stage.c   one stage of one seed: the loop over epochs
 *   check.c   ensures and the count of regions
 *   worker.c  a thread's memory, and calls into compiled code
 *   state.c   a seed as bytes, and back
 *
 * A worker trains one seed at a time with memory of its own; seeds share only what nobody writes (the
 * program and its data). So nothing that a seed computes can depend on threads or on other seeds. */
#ifndef TW_RUNTIME_RUN_H
#define TW_RUNTIME_RUN_H

#include <pthread.h>

#include "runtime/data.h"
#include "runtime/regions.h"
#include "runtime/train.h"

typedef struct TwRtRun TwRtRun;
typedef struct TwRtWorker TwRtWorker;

/* Where a worker is, as the main thread sees it. */
typedef struct TwRtSnapshot {
  bool active;
  uint64_t seed;
  uint32_t stage;
  int64_t epoch, done; /* done: epochs of all stages of this seed */
  int64_t regions;     /* when they were counted last; -1: they were not */
  double loss, best_loss;
} TwRtSnapshot;

/* A pointer of the step's call that changes sides after each update. */
typedef struct TwRtSwap {
  void **slot;
  void *at[2];
} TwRtSwap;

/* What lm and lbfgs work with (second.h). */
typedef struct TwRtSecond {
  double state[4]; /* a few numbers that are carried; what they are is the method's affair. All 0 at the start */
  bool ready;      /* gradient, and JᵀJ, are of the present values */
  void *trial;     /* values to be tried, in the program's precision */
  double *rhs;     /* LM: Jᵀr. LBFGS: the gradient */
  double *delta;   /* the step, or its direction */
  double *values, *flat, *block, *rows, *columns, *marks, *gram, *factor, *diagonal; /* LM */
  bool *held;
  double *moves, *turns, *curvature, *along, *there; /* LBFGS: pairs; 1 / their products; gradient at the trial */
} TwRtSecond;

/* One stage of one seed, while it trains. FLAT lives in three buffers: the one that comes in, the one
 * that goes out and the best so far; so keeping the best copies nothing. */
typedef struct TwRtStageRun {
  TwRtWorker *w;
  const TwRtStage *st;
  TwRtStageResult *r;
  uint32_t index;
  uint32_t cur, next, best;   /* numbers of FLAT buffers; next is neither of the others */
  uint32_t parity;            /* which of two STATE buffers comes in */
  void **flat_in, **flat_out; /* the step's FLAT operands */
  void *nowhere;              /* where these point if it has none */
  uint32_t n_swaps;
  int64_t epochs, epoch;    /* to do; done */
  int64_t carried, steps;   /* updates counted before this stage, with `keep`; in it */
  int64_t batch, n_batches; /* 0: full batch */
  int64_t done_before;      /* epochs of earlier stages */
  int64_t due;              /* the next epoch at which an ensure is looked at */
  double loss, norm, best_loss;
  bool stopped;   /* from outside */
  bool resumed;   /* from a state that was saved: it has begun */
  double started; /* when it began, or was resumed */
  bool ended;     /* by a rule of its own, before its last epoch */
  int64_t epochs_of_round;
  bool settled;               /* second order: no iteration from here will lower the loss */
  int64_t round, round_start; /* with rounds: their number, and the epoch at which it began */
} TwRtStageRun;

struct TwRtWorker {
  TwRtRun *run;
  const TwRtProgram *p;
  uint32_t id;
  bool f64;
  pthread_t thread;
  void *memory; /* one block; the pointers below lead into it, to places aligned to 64 bytes */

  int64_t *seed_in;
  double *loaded, *init_values, *init_shown;
  void *values, *shown;
  void *flat[3];
  void **state[2];                                  /* state[parity][number] */
  void *step, *epoch, *epochs, *loss, *norm, *rate; /* scalars */
  unsigned char *measures, *checks;                 /* scalars, `scalar` bytes apart */
  size_t scalar;
  void *coeffs;
  TwRtSecond second;
  void *gradient; /* as long as FLAT, where a stage has a gradient function */
  double *coeffs64;
  void **batch; /* the columns of the batch, and which rows come in which order */
  uint32_t *order;
  void *work;
  TwRtPool *pool;             /* shares the large loops of what this thread calls, or NULL */
  void **step_in, **step_out; /* the bound call of the stage's step */
  void **in, **out;           /* of any other call */
  TwRtSwap *swaps;
  int64_t *due;        /* for each ensure, the next epoch; INT64_MAX: not in this stage */
  bool *failed;        /* for each ensure: has failed for this seed */
  struct TwRtCounted { /* region counts of one moment, so that ensures share them */
    uint64_t moment;
    TwRtRegions regions;
    const char *refused;
  } * counted;
  const char *refused; /* why the pieces asked for last could not be found (static text) */
  uint64_t moment;
  TwRtCounter **counters; /* [stage * n_models + model], made when needed; not in `memory` */

  TwRtSeedResult *seed; /* in hand, and its number in the order asked */
  uint64_t draw_seed;   /* what keys its random numbers: the seed, or, after a retry, seed and attempt mixed */
  uint32_t seed_index;
  int64_t until_tick, ticks;               /* epochs until the clock is read, and between two readings */
  double last_tick, last_save, next_count; /* next_count: when regions are counted again, for the progress */
  TwRtSnapshot snapshot;                   /* guarded by run->lock */
};

typedef struct TwRtExpected {
  bool checked, ok;
  double value;
  char why[128]; /* where it is not ok: what was found instead */
} TwRtExpected;

struct TwRtRun {
  const TwRtProgram *p;
  const TwRtOptions *o;
  TwRtDatas datas;
  double ***wide; /* [data][column] in f64, where a program in f32 has a stage with lm; else NULL */
  TwRtResult *result;
  TwRtExpected *expected; /* [seed * n_expects + expect] */
  TwRtWorker *workers;
  uint32_t n_workers;
  int64_t epochs_per_seed;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  void (*item)(TwRtWorker *w, uint32_t seed_index); /* what the pool does for each seed */
  bool show_progress;                               /* in this phase */
  uint32_t next, running;                           /* guarded, as all below: the next seed; workers still at work */
  uint32_t done;                                    /* seeds */
  int64_t done_epochs;                              /* of seeds that are done */
  char *load_error;                                 /* NULL, or why a saved state is of no use */
  bool bad;
  TwRtBadStart bad_start; /* of the first seed in the order asked */

  double started, last_progress, rate; /* of the main thread */
  int64_t last_epochs;
  TwRtSnapshot last_shown;
};

/* A run with its data, memory and workers, in which nothing has been trained. false: run->result->error says why
 * (result NULL: no memory). Close it in either case; the result is then the caller's. */
bool tw_rt_run_open(TwRtRun *run, const TwRtProgram *p, const TwRtOptions *o);
void tw_rt_run_close(TwRtRun *run);
/* Do all seeds start inside of their domains? false: run->result->error. */
bool tw_rt_run_check(TwRtRun *run);

double tw_rt_now(void); /* seconds, monotonic */
static inline bool tw_rt_stop_asked(const TwRtRun *run) { return run->o->stop && *run->o->stop; }

/* ---- worker.c */
/* `threads`: for the large loops of what it calls. false: no memory. */
bool tw_rt_worker_init(TwRtWorker *w, TwRtRun *run, uint32_t id, uint32_t threads);
void tw_rt_worker_free(TwRtWorker *w);
/* Calls a function of a stage, or init, with `flat` as FLAT (may be NULL) and full columns. */
void tw_rt_call(TwRtWorker *w, const TwRtFn *fn, const void *flat);
/* The first param whose values, in init_shown and rounded, are not in its declared domain; -1: all are. */
int64_t tw_rt_outside(TwRtWorker *w);
/* Binds the step's call once for the whole stage. */
void tw_rt_bind_step(TwRtStageRun *g);
static inline double tw_rt_scalar(const TwRtWorker *w, const unsigned char *scalars, uint32_t i) {
  return tw_rt_get(scalars + i * w->scalar, 0, w->f64);
}

/* ---- seed.c */
void tw_rt_seed_check_start(TwRtWorker *w, uint32_t seed_index);
/* The state of a seed before its first stage. */
void tw_rt_seed_start(TwRtWorker *w, uint32_t seed_index);
void tw_rt_seed_train(TwRtWorker *w, uint32_t seed_index);
void tw_rt_seed_fail(TwRtWorker *w, TwRtStatus kind, uint32_t stage, int64_t epoch, const TwRtPlace *place,
                     const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* ---- stage.c */
/* Trains the stage. `g` comes with w, st, r, index and done_before; `before` is the run of the stage
 * before (all zeros if there is none). False if the seed ends here. On return VALUES, SHOWN and *flat
 * are what the stage hands on, and g->best numbers the best FLAT. */
bool tw_rt_stage_train(TwRtStageRun *g, const TwRtStageRun *before, const void **flat);
/* The same in pieces: begin; epochs, each of which judges the present values and updates them, until one finds that
 * none is left (its loss is the last epoch's); end. */
typedef enum TwRtVerdict { TW_RT_GO_ON, TW_RT_END_SEED, TW_RT_STAGE_DONE } TwRtVerdict;
void tw_rt_stage_begin(TwRtStageRun *g, const TwRtStageRun *before);
/* What begin does first, and all that a stage needs whose values are read from a saved state. */
void tw_rt_stage_enter(TwRtStageRun *g);
TwRtVerdict tw_rt_stage_epoch(TwRtStageRun *g);
void tw_rt_stage_end(TwRtStageRun *g, const void **flat);
void tw_rt_stage_scatter(TwRtStageRun *g, const void *flat); /* into VALUES */

/* ---- check.c */
void tw_rt_checks_begin(TwRtStageRun *g);
/* Looks at what is due at this epoch (all of the stage's if it is the last one). False: stop the seed. */
bool tw_rt_checks_at(TwRtStageRun *g, const void *flat, bool last);
void tw_rt_checks_end(TwRtWorker *w, uint32_t stage, int64_t epoch, const void *flat);
/* A quantity of the pieces of a model now; false if they cannot be found (w->refused says why). */
bool tw_rt_found_of(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                    double sliver, TwRtQuantity q, TwRtFound *out);
/* What a bound on the quantity found, or that nothing could be found and why. */
void tw_rt_found_text(const TwRtFound *f, TwRtQuantity q, char *why, size_t n);
void tw_rt_refused_text(const TwRtWorker *w, TwRtQuantity q, char *why, size_t n);
/* Regions of a model now; not counted beyond `most` pieces. */
TwRtRegions tw_rt_regions_of(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                             double sliver, uint32_t most);
/* Pieces only, for checks at every epoch. */
TwRtRegions tw_rt_pieces_of(TwRtWorker *w, uint32_t stage, uint32_t model, const void *flat, double lo, double hi,
                            double sliver);
/* The model whose regions a stage reports; n_models if there is none. */
uint32_t tw_rt_reported_model(const TwRtProgram *p, const TwRtStage *st);
bool tw_rt_holds(double value, uint32_t compare, double bound);
const char *tw_rt_compare_text(uint32_t compare);

/* The pieces of the model that the stage reports; -1: they cannot be counted. */
int64_t tw_rt_pieces_now(TwRtStageRun *g, const void *flat);
/* Tells TwRtOptions.watch of the present epoch. */
void tw_rt_watch(TwRtStageRun *g, const void *flat);

/* ---- train.c: tells the main thread where a worker is; called now and then (see TwRtWorker.ticks). */
void tw_rt_tick(TwRtStageRun *g);

#endif
