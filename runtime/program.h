/* program.h: the ABI between compiled code and the runtime, and the only header both sides share.
 *
 * A compiled program is one constant TwRtProgram: tables that describe it, and functions. The
 * compiler fills it in memory (JIT) or emits it into an object file (symbol tw_program). The runtime
 * trains from it alone. Plain C, no pointer to compiler data. compiler/llvm/program.def lists every field
 * of every table here; without a new one's line the compiler does not compile.
 *
 * `real` below is float or double as TwRtProgram.f64 says. All buffers are row major and aligned to
 * 64 bytes; a buffer of n reals has room for n rounded up to a multiple of 16. */
#ifndef TW_RUNTIME_PROGRAM_H
#define TW_RUNTIME_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define TW_RT_ABI 13u

/* What a CPU may have: cpu.def. */
typedef enum TwRtCpu {
#define TW_CPU(id, ...) TW_CPU_##id,
#include "runtime/cpu.def"
} TwRtCpu;

/* A place in the source, for messages: text for a person, offsets for the compiler's renderer. */
typedef struct TwRtPlace {
  const char *path;
  uint32_t line, column;
  uint32_t file, start, end;
} TwRtPlace;

/* A loop over a large data set whose chunks 0 … n - 1 any threads may share, in any ranges: each range with
 * a work buffer of its own, of the function's work_bytes. Bits do not depend on who does what. */
typedef void (*TwRtChunks)(void *frame, void *work, int64_t begin, int64_t end);
typedef struct TwRtPool {
  /* Has every chunk done once, and returns when all are. `work` is the caller's buffer, free for a range. */
  void (*run)(struct TwRtPool *pool, TwRtChunks chunks, void *frame, void *work, int64_t n);
} TwRtPool;

/* One call of a compiled function: it reads in[…], writes out[…], uses work as it likes, allocates
 * nothing, and never lets an out overlap an in. */
typedef struct TwRtCall {
  const void *const *in;
  void *const *out;
  void *work;
  TwRtPool *pool; /* NULL: the calling thread does all */
} TwRtCall;
typedef void (*TwRtEntry)(const TwRtCall *call);

/* What an operand or result of a compiled function is bound to. `count` elements of real, except
 * where noted. */
typedef enum TwRtRole {
  TW_RT_SEED,     /* one int64: the seed */
  TW_RT_LOADED,   /* doubles: TwRtProgram.loaded */
  TW_RT_VALUES,   /* the seed's stored reals, all of them (stale where the stage trains: see FLAT) */
  TW_RT_FLAT,     /* the stage's trained coordinates, packed */
  TW_RT_STATE,    /* optimizer state number `index`, as long as FLAT */
  TW_RT_STEP,     /* scalar real: number of this update in the stage, from 1 (from the carried count with `keep`) */
  TW_RT_EPOCH,    /* scalar real: epochs done in this stage, from 0 */
  TW_RT_EPOCHS,   /* scalar real: epochs of this stage */
  TW_RT_COLUMN,   /* column `index` of data set `data`: see TwRtData */
  TW_RT_LOSS,     /* scalar real: the loss at the values that came in */
  TW_RT_NORM,     /* scalar real: Euclidean norm of the gradient */
  TW_RT_RATE,     /* scalar real: the optimizer's rate */
  TW_RT_MEASURE,  /* scalar real: measure `index` */
  TW_RT_SHOWN,    /* natural values of all params, then all weights, flattened: see TwRtTensor */
  TW_RT_COEFFS,   /* coefficients of a piecewise-linear model: see TwRtPl */
  TW_RT_CHECK,    /* scalar real: left side of value-ensure `index` */
  TW_RT_INPUT,    /* input `index` of a model, a block of rows */
  TW_RT_OUTPUT,   /* output `index` of a model, or its slopes, a block of rows: see TwRtModel */
  TW_RT_GRADIENT, /* the gradient of the loss in the coordinates of FLAT */
  TW_RT_RESIDUAL, /* residual `index` of a block of rows: see TwRtSquares */
  TW_RT_JACOBIAN  /* derivatives of residuals by the coordinates of FLAT: see TwRtSquares */
} TwRtRole;

typedef struct TwRtSlot {
  uint32_t role; /* TwRtRole */
  uint32_t index, data;
  uint64_t count;
} TwRtSlot;

typedef struct TwRtFn {
  const char *name; /* "pretrain.step" */
  TwRtEntry entry;
  uint32_t n_in, n_out;
  const TwRtSlot *in, *out;
  uint64_t work_bytes;
  int64_t chunks; /* of its largest loop that a pool may share; 0: it has none */
  bool f64;       /* reals of this function are doubles whatever the program's precision is */
} TwRtFn;

/* ---- data */
typedef struct TwRtAxis {
  const char *name;
  double lo, hi; /* grid: ends; an open end is left out and the points are equally spaced */
  bool lo_open, hi_open;
  int64_t n;
} TwRtAxis;
/* Columns are made in f64 and rounded once. Grid: row r runs through the axes with the last one
 * fastest. Point k of a closed axis: lo + (hi - lo) * k / (n - 1); of one open at one end k or k + 1
 * over n; of one open at both (k + 1) over (n + 1). The columns of a data set: inputs in order, further ones, then the
 * results of `target`: the target (an array: a column an element), then the weight of the row if rows have one. */
typedef struct TwRtData {
  const char *name;
  TwRtPlace place;
  int64_t n_rows;
  uint32_t n_inputs, n_columns; /* n_columns: inputs and further columns that the target uses */
  const TwRtAxis *axes;         /* grid: n_inputs of them; NULL for measured data */
  const double *rows;           /* measured: n_rows x n_columns, row major; NULL for a grid */
  TwRtFn target; /* f64; in: COLUMN index 0 … n_columns-1; out: COLUMN index n_columns + j, n_rows each */
  bool weighted; /* the last result is the weight, never negative, by which means over the rows are weighted */
} TwRtData;

/* ---- what a person may look at: every param and every tensor of every weights */
typedef struct TwRtTensor {
  const char *name; /* "peak", "net.hidden.W" (stacked over the array axis) */
  uint32_t rank;
  const int64_t *dims;
  uint64_t at, count; /* in SHOWN */
  bool is_param;
  const char *stored; /* "net.hidden.*.weight": its name in a file, see stored.h; NULL: an input or output of a model */
} TwRtTensor;

typedef struct TwRtParam {
  const char *name;
  TwRtPlace start_place, domain_place;
  uint64_t at, count; /* natural values, in SHOWN */
  double lo, hi;
  bool lo_open, hi_open;
  const char *domain; /* a declared domain as written; NULL: the interval */
} TwRtParam;

/* ---- regions in one input: a model as a straight line of affine maps and switches */
typedef enum TwRtPlKind {
  TW_PL_INPUT,  /* x */
  TW_PL_AFFINE, /* coefficient `bias` + sum of coefficient * node over the terms */
  TW_PL_RELU,   /* of node a */
  TW_PL_ABS,    /* of node a */
  TW_PL_MIN,    /* of nodes a and b */
  TW_PL_MAX
} TwRtPlKind;
enum { TW_PL_ZERO = 0xffffffffu, TW_PL_ONE = 0xfffffffeu, TW_PL_MINUS_ONE = 0xfffffffdu }; /* as a coefficient number */
typedef struct TwRtPlTerm {
  uint32_t coeff, node;
} TwRtPlTerm;
typedef struct TwRtPlNode {
  uint32_t kind; /* TwRtPlKind */
  uint32_t a, b; /* switches: operands */
  uint32_t bias; /* AFFINE */
  uint32_t term, n_terms;
} TwRtPlNode;
typedef struct TwRtPl {
  const char *model;
  uint32_t n_nodes, n_terms, n_coeffs, output; /* output: a node; operands come before their users */
  const TwRtPlNode *nodes;
  const TwRtPlTerm *terms;
  const char *why_not; /* not NULL: its pieces cannot be followed, and why; nodes is NULL */
  TwRtPlace why_place;
  TwRtFn coeffs; /* in: VALUES, FLAT; out: COEFFS: the stored floats that the model multiplies with, exactly */
} TwRtPl;

/* ---- stages */
typedef struct TwRtRange { /* values[at …] <-> flat[to …] */
  uint64_t at, to, n;
} TwRtRange;

/* One square of a loss that is a sum of squares: residuals and their derivatives by FLAT, in f64, a block at a time.
 * in: VALUES, FLAT, COLUMN…, where a column of `block` reals starts at the block's first row;
 * out: RESIDUAL j, `block` reals each; JACOBIAN j * n_flat + k, `block` reals each, or, with by_rows, JACOBIAN j,
 * block x n_flat. */
typedef struct TwRtSquares {
  int64_t rows, block;
  uint32_t per_row; /* residuals of a row */
  bool by_rows;
  TwRtFn fn;
} TwRtSquares;

typedef enum TwRtMethod {
  TW_RT_COMPILED, /* step is one update */
  TW_RT_LM,       /* of runtime/lm.c: Levenberg and Marquardt */
  TW_RT_LBFGS     /* of runtime/lbfgs.c */
} TwRtMethod;

/* loss <compare> bound; given: there is such a condition. */
typedef struct TwRtTarget {
  bool given;
  uint32_t compare;
  double bound;
} TwRtTarget;

typedef struct TwRtStage {
  const char *name;
  TwRtPlace place;
  uint64_t n_flat;
  uint32_t n_ranges;
  const TwRtRange *ranges; /* the trained coordinates: where they live in VALUES */
  uint32_t n_releases;
  const TwRtRange
      *releases; /* before the stage starts: VALUES[at …] = SHOWN[to …] of the stage before (or of `first`) */
  int64_t epochs, batch; /* batch 0: full batch */
  uint32_t batch_data;
  bool keep, keep_best;
  const char *optimizer;
  uint32_t method;  /* TwRtMethod */
  double damping;   /* LM */
  int64_t memory;   /* LBFGS: pairs kept */
  int64_t patience; /* ends the stage after so many epochs in a row without a new best; 0: never */
  TwRtTarget until; /* ends the stage */
  int64_t rounds;   /* at least 1: epochs are so many rounds of as many, each from the best so far, kicked; 0: none */
  double kick;
  int64_t retries; /* at the end of the stage: a seed whose best loss meets `retry` starts again, so often at most */
  TwRtTarget retry;
  uint32_t n_states;
  const double *state_start;
  /* One update: in VALUES FLAT STATE… STEP EPOCH EPOCHS COLUMN…; out FLAT STATE… LOSS NORM.
   * With a batch the columns of batch_data hold `batch` rows.
   * Of the other methods: in VALUES FLAT COLUMN…; out FLAT (projected into the domains), LOSS there, and for LBFGS NORM
   * and GRADIENT there. */
  TwRtFn step;
  TwRtFn eval;     /* in VALUES FLAT COLUMN…; out LOSS MEASURE… on the full data */
  TwRtFn shown;    /* in VALUES FLAT; out SHOWN */
  TwRtFn checks;   /* in VALUES FLAT; out CHECK…; entry NULL if there are none */
  TwRtFn rate;     /* in EPOCH EPOCHS; out RATE: the first schedule of the optimizer; entry NULL if it has none */
  TwRtFn gradient; /* in VALUES FLAT COLUMN…; out LOSS GRADIENT on the full data; entry NULL if models were not asked
                      for */
  uint32_t n_squares; /* LM: the loss is the sum of the squares of all residuals, and what does not depend on FLAT */
  const TwRtSquares *squares;
  uint32_t
      fits; /* 1 + the data set of one input against whose target the loss is the mean squared error; 0: it is none */
  uint32_t fits_model; /* 1 + the model whose squared error it is; 0: of something else */
  TwRtPl *pls; /* one for each of TwRtProgram.n_models that regions are asked of (others: n_nodes 0, why_not NULL) */
} TwRtStage;

typedef enum TwRtCompare { TW_RT_LT, TW_RT_LE, TW_RT_GT, TW_RT_GE, TW_RT_EQ } TwRtCompare;

/* What is read off the pieces of a model of one input on an interval. A bend is the change of slope at a breakpoint. */
typedef enum TwRtQuantity {
  TW_RT_QU_PIECES,
  TW_RT_QU_LEAST,
  TW_RT_QU_GREATEST,
  TW_RT_QU_LEAST_SLOPE,
  TW_RT_QU_GREATEST_SLOPE,
  TW_RT_QU_LEAST_BEND,
  TW_RT_QU_GREATEST_BEND
} TwRtQuantity;

typedef struct TwRtEnsure {
  TwRtPlace place;
  const char *text;      /* as written */
  bool is_regions;       /* of the pieces of a model; else a value */
  uint32_t quantity;     /* of pieces: TwRtQuantity */
  uint32_t model, check; /* pieces: which model; value: which CHECK */
  double lo, hi, sliver;
  uint32_t compare;
  double bound;
  uint64_t during; /* bit s: checked in stage s, at epoch 0 and each `every` epochs; 0: once, at the end */
  int64_t every;
  bool stop;
} TwRtEnsure;

typedef struct TwRtExpect {
  TwRtPlace place;
  const char *text;
  enum { TW_RT_XP_LOSS, TW_RT_XP_BEST_LOSS, TW_RT_XP_MEASURE, TW_RT_XP_REGIONS } kind;
  uint32_t measure, model, quantity; /* quantity: of REGIONS, a TwRtQuantity */
  double lo, hi, sliver;
  uint32_t compare;
  double bound;
} TwRtExpect;

enum { TW_RT_BLOCK = 512 }; /* rows of a call of predict or slope */
typedef struct TwRtModel {
  const char *name;
  uint32_t n_inputs, n_outputs; /* n_outputs: parts of the result; 0 if predictions were not asked for, as all below */
  const TwRtTensor *inputs, *outputs; /* `at`: where its elements begin in a row of in_width or out_width reals */
  uint64_t in_width, out_width;
  TwRtFn predict; /* in SHOWN, INPUT…; out OUTPUT number j, of outputs[j]: TW_RT_BLOCK rows each */
  TwRtFn slope;  /* the same in; out OUTPUT e * n_outputs + j: outputs[j] by element e of the row of inputs. entry NULL:
                    too many */
  double lo, hi; /* where regions of it are counted for the report: from an ensure, else from the first data set's axis;
                    lo = hi: unknown */
  double sliver;
} TwRtModel;

typedef struct TwRtProgram {
  uint32_t abi;       /* TW_RT_ABI */
  uint32_t cpu_level; /* the code is for any CPU of this level of x86-64; 0: for the one that compiled it */
  uint64_t cpu;       /* what it needs of a CPU, a bit for each TwRtCpu; 0: nothing that not every one has */
  bool f64;
  bool portable; /* bits are the same on any machine (P7) */
  const char *path, *variant;
  TwRtPlace loss_place;
  uint64_t n_values, n_shown;
  uint64_t n_coordinates; /* of params, the first of VALUES, where some are not the params themselves; 0: all are */
  uint32_t n_datas, n_tensors, n_params, n_stages, n_measures, n_models, n_ensures, n_expects;
  const TwRtData *datas;
  const TwRtTensor *tensors;
  const TwRtParam *params;
  TwRtStage *stages;
  const char *const *measures;
  const TwRtModel *models;
  const TwRtEnsure *ensures;
  const TwRtExpect *expects;
  TwRtFn store; /* f64; in SHOWN; out VALUES: the coordinates of params, and weights that are stored; entry NULL as
                   above */
  uint64_t n_loaded;
  const double *loaded; /* what params and weights start with from files: an operand of init */
  TwRtFn inside; /* f64; in SHOWN; out CHECK: the first param that is outside of its declared domain, or -1; entry NULL:
                    none has one */
  TwRtFn init;   /* f64; in SEED, LOADED; out VALUES, SHOWN (natural values of params; weights of a law) */
} TwRtProgram;

/* ---- functions that compiled code may call, by these names. SLEEF's are called directly. */
/* Uniform in (0,1): 53 bits of Philox4x32-10 keyed by (seed, key) at counter n, plus a half, over
 * 2^53. The IR op `draw` is this and nothing else, in every evaluator. */
double tw_rt_uniform(uint64_t seed, uint64_t key, uint64_t counter);

#endif
