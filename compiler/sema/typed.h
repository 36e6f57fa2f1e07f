/* typed.h: the typed program: names resolved, shapes known, calls elaborated, nothing left to guess.
 *
 * Made by sema from the AST of one variant. Functions are elaborated where they are called: a call
 * becomes a BLOCK that binds the parameters and holds the callee's body, typed for these arguments
 * (so a function value is a compile-time thing and never appears here). Constants and shapes are
 * numbers by now; a dimension remembers the source that fixed it, for messages.
 * Every node has a span in the source that wrote it; an elaborated body keeps the callee's spans. */
#ifndef TW_SEMA_TYPED_H
#define TW_SEMA_TYPED_H

#include "compiler/ast/ast.h"
#include "compiler/ir/ir.h" /* TwOp, TwDtype: elementwise operations are named as in the IR */

/* A size in the names of the source: c0 + Σ c * name. */
enum { TW_FORM_TERMS = 4 };
typedef struct TwSizeTerm {
  const char *name;
  int64_t c;
} TwSizeTerm;
typedef struct TwSizeForm {
  int64_t c0;
  uint32_t n;
  TwSizeTerm term[TW_FORM_TERMS];
} TwSizeForm;

typedef struct TwDim {
  int64_t n;
  TwSpan from;            /* what fixed it */
  const TwSizeForm *form; /* for messages; NULL: a number and no more */
} TwDim;

typedef enum TwKind {
  TW_TY_POISON, /* an error was reported: satisfies every check */
  TW_TY_TENSOR, /* real, int or bool; rank 0 is a scalar */
  TW_TY_RECORD,
  TW_TY_ARRAY, /* of records, tuples or arrays of them: one axis a level */
  TW_TY_TUPLE,
  TW_TY_STRING
} TwKind;

typedef struct TwType TwType;
typedef struct TwField {
  TwName name; /* NULL in tuples */
  const TwType *type;
} TwField;
struct TwType {
  TwKind kind;
  TwDtype dtype;           /* TENSOR */
  uint32_t rank;           /* TENSOR; ARRAY: 1 */
  TwDim *dims;             /* TENSOR, ARRAY */
  const TwType *elem;      /* ARRAY */
  TwVec(TwField) fields;   /* RECORD, TUPLE */
  const TwDecl *decl;      /* RECORD: the type declaration */
  TwVec(TwDim) shape_args; /* RECORD: Dense[4, 1] */
};

typedef struct TwTx TwTx;
typedef struct TwTs TwTs;

/* A name bound to a value inside an expression: let, parameter, loop index, row of a data set. */
typedef struct TwLocal {
  TwName name;
  const TwType *type;
  TwSpan span;
  uint32_t id; /* unique in the program */
} TwLocal;

/* What a clause runs over. */
typedef enum TwIterKind { TW_IT_RANGE, TW_IT_ARRAY, TW_IT_DATA } TwIterKind;
typedef struct TwIter {
  TwIterKind kind;
  TwLocal *local;  /* RANGE: the int index. ARRAY: the element. DATA: the input (scalar real, or a TUPLE of them) */
  TwLocal *target; /* DATA: the target (scalar real, or a vector); NULL if the pattern leaves it out */
  TwLocal *weight; /* DATA: the weight of the row (scalar real); NULL if its rows have none, or nothing asks */
  int64_t lo, n;   /* RANGE: lo … lo + n - 1; the others: n elements */
  TwTx *array;     /* ARRAY: tensor of rank >= 1, or ARRAY type; its leading axis is run over */
  uint32_t data;   /* DATA: index into TwProgram.datas */
} TwIter;

typedef enum TwTxKind {
  TW_TX_POISON,
  TW_TX_CONST,      /* .number; the type is a scalar */
  TW_TX_LOCAL,      /* .local */
  TW_TX_PARAM,      /* .index into TwProgram.params: its natural (constrained) value */
  TW_TX_WEIGHTS,    /* .index into TwProgram.weights */
  TW_TX_GLOBAL,     /* .index into TwProgram.globals: a const that is not a scalar */
  TW_TX_OP,         /* .op elementwise (unary, binary, select, casts), .args of the node's shape or scalar */
  TW_TX_POWI,       /* .args[0] ^ .integer, an integer power: a fixed multiplication chain (1 / chain if negative) */
  TW_TX_MATMUL,     /* args[0] @ args[1]: matrix or vector on either side; vector @ vector is a scalar */
  TW_TX_TRANSPOSE,  /* transpose(matrix) */
  TW_TX_REDUCE,     /* .reduce over all elements of args[0] */
  TW_TX_INDEX,      /* args[0] at .items */
  TW_TX_FIELD,      /* field .index of the record or tuple args[0] */
  TW_TX_TUPLE,      /* record or tuple: .args in field order */
  TW_TX_ARRAY,      /* .args stacked on a new leading axis */
  TW_TX_FILL,       /* args[0], a scalar, in every element of the type */
  TW_TX_CONCAT,     /* .args joined along the leading axis */
  TW_TX_FOR,        /* comprehension: one leading axis for each of .iters, body args[0]; no DATA */
  TW_TX_REDUCE_FOR, /* .reduce over .iters of the scalar or tensor body args[0]; args[1]: condition, if present;
                     * args[2]: weight, if present (a mean: of body by weight; args[1] may be the literal true) */
  TW_TX_IF,         /* args[0] ? args[1] : args[2], any type; a scalar condition */
  TW_TX_BLOCK,      /* .stmts, then args[0]; .callee set where it is an elaborated call */
  TW_TX_DRAW,       /* uniform in (0,1), of the node's type; .index: ordinal of the draw in its law (key) */
  TW_TX_LOADED, /* .integer: where its reals begin in TwProgram.loaded; the whole start of a param, or value of weights
                 */
  TW_TX_DERIVATIVE /* d args[0] / d locals[0] at args[1]: args[0] is a body over .local; same shape as the point's if
                      scalar */
} TwTxKind;

typedef enum TwReduce { TW_RE_SUM, TW_RE_MEAN, TW_RE_PROD, TW_RE_MIN, TW_RE_MAX, TW_RE_ANY, TW_RE_ALL } TwReduce;

typedef struct TwIndexItem {
  TwTx *at;      /* an int scalar: drops the axis; NULL for a slice */
  int64_t lo, n; /* slice: static */
} TwIndexItem;

struct TwTx {
  TwTxKind kind;
  const TwType *type;
  TwSpan span;
  TwVec(TwTx *) args;
  double number;   /* CONST (exact for int up to 2^53) */
  int64_t integer; /* POWI; CONST of dtype int */
  bool known;      /* an int scalar whose value is known when compiling: .integer (any kind) */
  TwOp op;
  TwReduce reduce;
  uint32_t index;
  TwLocal *local;
  TwVec(TwIndexItem) items;
  TwVec(TwIter) iters;
  TwVec(TwTs *) stmts;
  const TwDecl *callee;
};

typedef enum TwTsKind { TW_TS_LET, TW_TS_RECUR, TW_TS_LOOP } TwTsKind;

/* s[base + k] for k in 0 … : one case of a recurrence. A start case has n = 1 and no local. A running
 * case is a loop over i in lo … lo + n - 1 that defines s[i + offset] from s[i + offset - 1] and such
 * (direction forwards) or s[i + offset + 1] (reverse). Sema has checked that each element is defined
 * once and before it is used. In the value, s itself appears as INDEX of LOCAL s. */
typedef struct TwRecur {
  TwLocal *i;            /* NULL in a start case */
  int64_t lo, n, offset; /* start case: the element is `offset` */
  bool reverse;
  uint32_t order; /* running case: how many earlier elements it reads (at least 1) */
  TwTx *value;
} TwRecur;

struct TwTs {
  TwTsKind kind;
  TwSpan span;
  TwLocal *local;       /* LET, RECUR */
  TwTx *value;          /* LET */
  TwVec(TwRecur) cases; /* RECUR: start cases first */
  /* LOOP: carried locals: before, inside (the value at the start of an iteration), after */
  TwIter iter;
  TwVec(TwLocal *) before, inside, after;
  TwVec(TwTs *) body;
  TwVec(TwTx *) next; /* the carried values at the end of an iteration */
};

/* ---- the program of one variant */
typedef enum TwDataKind { TW_DATA_GRID, TW_DATA_CSV, TW_DATA_NPY } TwDataKind;
typedef struct TwAxis {
  TwLocal *local;
  double lo, hi;         /* GRID: first and last point (ends included) */
  bool lo_open, hi_open; /* GRID: an open end is left out and the points stay equally spaced */
  int64_t n;
  const char *column; /* CSV: the header's name */
  bool drawn;         /* a column of random numbers that the target asks for */
} TwAxis;
typedef struct TwSmFacts TwSmFacts;
typedef struct TwDataSet {
  TwName name;
  TwSpan span;
  TwDataKind kind;
  const char *path;          /* CSV, NPY: as written, relative to the program's folder; .file resolved */
  const char *file, *sha256; /* sha256: of the bytes that were read, in hexadecimal */
  TwSpan path_span;
  TwVec(TwAxis) inputs;  /* the model's inputs, in order */
  TwVec(TwAxis) columns; /* other columns that target and weight use: of the file, or numbers that were drawn */
  TwTx *target;          /* a scalar or vector over the locals of inputs and columns; evaluated in f64 */
  TwTx *weight;          /* scalar: what means over the rows count a row by; NULL: all alike */
  int64_t n;             /* rows. GRID: the product of the axes. CSV: counted when sema loads the file */
  double *rows;     /* n x (inputs + columns) values, row major; NULL for a GRID that is its axes and nothing else */
  TwSmFacts *facts; /* sema's: mean, deviation, … once they were asked for */
} TwDataSet;

typedef enum TwTransform {
  TW_TR_NONE,     /* no domain: the coordinate is the value */
  TW_TR_CLIP,     /* the coordinate is the value, projected after each step to [lo + eps, hi - eps] */
  TW_TR_LOGISTIC, /* value = lo + (hi - lo) * logistic(u) */
  TW_TR_EXP,      /* one-sided: lo + exp(u), or hi - exp(u) */
  TW_TR_DOMAIN    /* a declared domain: forward(u) */
} TwTransform;
typedef struct TwParam {
  TwName name;
  TwSpan span;
  const TwType *type; /* TENSOR of real */
  double lo, hi;      /* -inf, inf */
  bool lo_open, hi_open;
  TwTransform transform;
  double eps;  /* CLIP */
  TwTx *start; /* natural value; may use params that come earlier in .init_order, and DRAWs */
  bool is_law;
  TwSpan start_span, domain_span;
  /* DOMAIN: the maps as trees over one local; the coordinate may have another shape than the value. */
  const TwDecl *domain;
  const TwType *coord; /* of u */
  TwLocal *u, *x;
  TwTx *forward;          /* over u, of .type */
  TwTx *inverse, *inside; /* over x, of .coord and bool */
} TwParam;

/* The type of the coordinate, which optimizers see. */
static inline const TwType *tw_param_coord(const TwParam *p) { return p->coord ? p->coord : p->type; }

typedef struct TwWeights {
  TwName name;
  TwSpan span;
  const TwType *type;
  TwTx *value; /* a function of params (and earlier weights), or a law with DRAWs */
  bool is_law; /* then it is stored from the start, and stages may train it at once */
} TwWeights;

typedef struct TwModel {
  TwName name;
  TwSpan span;
  TwVec(TwLocal *) inputs;
  TwTx *body; /* over .inputs; for regions, eval, export. Calls in losses are elaborated on their own */
} TwModel;

typedef struct TwOptState {
  TwLocal *local;
  double start;
} TwOptState;
/* The optimizer as elementwise code on one flat vector: locals p (values), g (gradient), t (step
 * number from 1, real scalar), epoch and epochs (real scalars; for rates), and its states are bound;
 * stmts run; next_p and next_state are the results. p, g and states have type real[n_flat]. */
typedef struct TwUpdate {
  TwLocal *p, *g, *t, *epoch, *epochs;
  TwVec(TwOptState) states;
  TwVec(TwTs *) stmts; /* n_arguments of them bind the arguments */
  uint32_t n_arguments;
  TwTx *rate; /* its first schedule, at the epoch: over epoch, epochs and the arguments; NULL: it has none */
  TwTx *next_p;
  TwVec(TwTx *) next_state;
  const TwDecl *decl;
  bool scheduled; /* a rate of it is a function of the epoch */
} TwUpdate;

/* lm and lbfgs are no code of the language: update is empty, and the runtime does them. */
typedef enum TwMethod { TW_ME_CODE, TW_ME_LM, TW_ME_LBFGS } TwMethod;
/* `loss op bound` of a stage. */
typedef struct TwTarget {
  bool given;
  TwBinaryOp op;
  double bound;
} TwTarget;

typedef struct TwStage {
  TwName name;
  TwSpan span;
  TwVec(uint32_t) params;  /* indices of trained params … */
  TwVec(uint32_t) weights; /* … and of trained weights; never a weights and a param it depends on */
  int64_t n_flat;          /* trained reals in all: params first, then weights, fields in order */
  TwUpdate update;
  int64_t epochs;
  int64_t batch; /* 0: full batch */
  uint32_t batch_data;
  bool keep, keep_best;
  double clip_norm; /* 0: none */
  TwMethod method;
  double damping; /* LM */
  int64_t memory; /* LBFGS */
  TwSpan optimizer_span;
  int64_t patience, rounds, retries; /* 0: none */
  int64_t recompute; /* how often the way back cuts a long loop; 0: only loops that keep very much, once */
  double kick;
  TwTarget until, retry;
  TwTx *loss; /* the stage's own, or the program's */
} TwStage;

typedef enum TwEnsureKind { TW_EN_REGIONS, TW_EN_VALUE } TwEnsureKind;
/* What is read off the pieces of a model of one input: how many there are; the least or greatest value, slope,
 * or change of slope from one to the next. In the order of TwRtQuantity. */
typedef enum TwQuantity {
  TW_QU_PIECES,
  TW_QU_LEAST,
  TW_QU_GREATEST,
  TW_QU_LEAST_SLOPE,
  TW_QU_GREATEST_SLOPE,
  TW_QU_LEAST_BEND,
  TW_QU_GREATEST_BEND
} TwQuantity;
/* A bound: `lhs op bound`. REGIONS: lhs is a quantity of the pieces on [lo, hi]. VALUE: lhs is a scalar tx
 * over params and weights, or (expect) over results by name. */
typedef struct TwEnsure {
  TwSpan span;
  TwEnsureKind kind;
  TwQuantity quantity; /* REGIONS */
  uint32_t model;
  double lo, hi;
  double sliver; /* REGIONS: 2^-8 unless given */
  TwTx *value;   /* VALUE */
  TwBinaryOp op; /* LT LE GT GE EQ */
  double bound;
  TwVec(uint32_t) during; /* stages; empty: once, at the end */
  int64_t every;          /* epochs between checks, at least 1 */
  bool stop;
} TwEnsure;

/* expect: `result op bound` where result is loss, best_loss, the name of a measure, or regions(…). */
typedef struct TwExpect {
  TwSpan span;
  enum { TW_XP_LOSS, TW_XP_BEST_LOSS, TW_XP_MEASURE, TW_XP_REGIONS } kind;
  uint32_t measure, model;
  TwQuantity quantity;
  double lo, hi, sliver;
  TwBinaryOp op;
  double bound;
} TwExpect;

typedef struct TwMeasure {
  TwName name;
  TwSpan span;
  TwTx *value;
} TwMeasure;

typedef struct TwGlobal {
  TwName name;
  TwSpan span;
  TwTx *value;
} TwGlobal;

/* load("w.safetensors"): a file that a param or weights start from. */
typedef struct TwLoad {
  const char *path;          /* as written, relative to the program's folder; .file resolved */
  const char *file, *sha256; /* sha256: of the bytes that were read, in hexadecimal */
  TwSpan span;
} TwLoad;

/* A const of the main module that the variant uses, as JSON: a number, true, false, or a list of numbers. */
typedef struct TwConstText {
  TwName name;
  const char *text;
} TwConstText;

/* What a custom function states of one of its parameters. */
typedef struct TwCustomRule {
  TwName fn, param;
  TwSpan span, body; /* of the rule's value, and of the function's */
} TwCustomRule;

typedef struct TwProgram {
  TwName variant; /* "main" if the file has no variants, "full" for the body of one that has */
  TwSpan span;
  TwVec(TwConstText) consts; /* with -D in place; for records of a run */
  TwVec(TwGlobal) globals;
  TwVec(TwDataSet) datas;
  TwVec(TwParam) params;
  TwVec(uint32_t) init_order; /* params, so that each start uses earlier ones only */
  TwVec(TwWeights) weights;   /* in dependency order */
  TwVec(TwModel) models;
  TwTx *loss; /* NULL if the program has none */
  TwVec(TwMeasure) measures;
  TwVec(TwStage) stages; /* skipped ones dropped */
  TwVec(TwEnsure) ensures;
  TwVec(TwExpect) expects;
  TwVec(double) loaded; /* from files of weights: of each LOADED the leaves in order, row major */
  TwVec(TwLoad) loads;
  TwVec(TwCustomRule) rules; /* for whoever has to say which one is wrong */
  uint32_t n_locals;
} TwProgram;

#endif
