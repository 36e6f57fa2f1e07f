/* internal.h: what the files of lower/ share: values as lists of leaves, scopes, builders.
 *
 * A value of a typed program is a flat list of tensors, its leaves: a tensor has one, a record or
 * tuple those of its fields in order, an array of n records those of one record, each with a leading
 * axis n. Bodies of regions are closed functions, so what they use from outside is found first
 * (tw_lw_free) and passed in as constants. */
#ifndef TW_LOWER_INTERNAL_H
#define TW_LOWER_INTERNAL_H

#include "compiler/lower/lower.h"
#include "compiler/opt/opt.h"

typedef struct TwVal {
  uint32_t n;
  TwRef *leaf;
} TwVal;

/* What a scope binds: a local by id, a param, weights, a global by index, the columns of a data set,
 * the seed, what files of weights have, the running element number of a law, or an earlier element of a recurrence. */
typedef enum TwKeyKind {
  TW_KEY_LOCAL,
  TW_KEY_PARAM,
  TW_KEY_WEIGHTS,
  TW_KEY_GLOBAL,
  TW_KEY_DATA,
  TW_KEY_SEED,
  TW_KEY_LOADED, /* all reals that the program takes from files of weights */
  TW_KEY_DRAWN,  /* int: how many elements of the enclosing comprehensions came before */
  TW_KEY_RECUR   /* id of the local << 16 | how many elements back */
} TwKeyKind;
typedef uint64_t TwKey;
static inline TwKey tw_key(TwKeyKind kind, uint64_t id) { return (uint64_t)kind << 56 | id; }

typedef struct TwBinding {
  TwKey key;
  TwVal value;
} TwBinding;

/* A recurrence that is being lowered: reads of its earlier elements become keys of their own. */
typedef struct TwRunning {
  const TwLocal *s;
  const TwRecur *recur;
  const struct TwRunning *outer;
} TwRunning;

/* One compilation of a program into functions. */
typedef struct TwLw {
  TwUnit *unit;
  TwArena *arena;
  const TwProgram *p;
  TwModule *m;
  const TwRunning *running;
  int64_t *rows;        /* rows of each data set in the function being made: a batch has fewer */
  const char *law_name; /* the qualified name that keys draws, while a law is lowered */
  bool too_large;       /* it has been told that something is (size.c): what that is a part of is, too */
} TwLw;

/* A function being built and what it binds. Params, weights and globals that are not bound yet are
 * made on demand by `resolve` (top level only; bodies of regions get all they use as operands). */
typedef struct TwScope TwScope;
struct TwScope {
  TwLw *lw;
  TwFn *f;
  TwVec(TwBinding) bound;
  bool (*resolve)(TwScope *s, TwKey key, TwVal *out);
  const void *context; /* of resolve */
};

/* ---- value.c */
uint32_t tw_lw_leaves(const TwType *t);
/* IR type of each leaf. */
void tw_lw_leaf_types(TwLw *lw, const TwType *t, TwTy *out);
/* Name of each leaf: prefix, then ".field" for records. */
void tw_lw_leaf_names(TwLw *lw, const TwType *t, const char *prefix, const char **out);
TwVal tw_lw_val(TwLw *lw, uint32_t n);
void tw_lw_bind(TwScope *s, TwKey key, TwVal v);
TwVal tw_lw_get(TwScope *s, TwKey key); /* bound, or resolved; an internal error otherwise */

/* ---- free.c: the keys that a typed tree uses but does not bind, in order of first use */
typedef TwVec(TwKey) TwKeys;
void tw_lw_free_tx(TwLw *lw, const TwTx *t, TwKeys *out);
void tw_lw_free_ts(TwLw *lw, const TwTs *t, TwKeys *out);
void tw_lw_unbind(TwKeys *keys, TwKey key);
/* The key that reads an earlier element of a running recurrence, if t is such a read. */
bool tw_lw_recur_read(const TwLw *lw, const TwTx *t, TwKey *key);

/* ---- expr.c */
TwVal tw_lw_tx(TwScope *s, const TwTx *t);
TwRef tw_lw_ref(TwScope *s, const TwTx *t); /* of a tensor */
void tw_lw_ts(TwScope *s, const TwTs *t);
/* Cheap, total, and with finite partials wherever its operands are finite: may be evaluated and then
 * dropped by a select without a trace in value or derivative. */
bool tw_lw_simple(const TwTx *t);

/* ---- loops.c */
TwVal tw_lw_for(TwScope *s, const TwTx *t);
TwVal tw_lw_reduce_for(TwScope *s, const TwTx *t);
void tw_lw_recur(TwScope *s, const TwTs *t);
void tw_lw_loop(TwScope *s, const TwTs *t);
TwVal tw_lw_cond(TwScope *s, const TwTx *t);
/* The tensor `value` if pred, else a constant; value is evaluated only if pred. */
TwRef tw_lw_guarded(TwScope *s, TwRef pred, const TwTx *value, double otherwise);
TwVal tw_lw_derivative(TwScope *s, const TwTx *t);
TwRef tw_lw_prod(TwScope *s, TwRef a); /* product of all elements */

/* ---- size.c */
/* f, if it is small enough to be differentiated; else a diagnostic (at `at`, with a note where the most of it comes
 * from) and, in place of f, a function of the same signature that gives zeros. `what` it is, for the message. */
const TwFn *tw_lw_within(TwLw *lw, const TwFn *f, TwSpan at, const char *what);
/* The same of a function that is ready, and is looked at only; `of`: the stage whose it is, or NULL. */
void tw_lw_within_end(TwLw *lw, const TwFn *f, const TwStage *of);

/* ---- layout.c: where things live in VALUES, FLAT and SHOWN */
typedef struct TwLayout {
  uint64_t *param_at;   /* in VALUES, per param */
  uint64_t *weights_at; /* in VALUES, per weights; UINT64_MAX if never stored */
  uint64_t n_values;
  uint64_t *param_shown, *weights_shown; /* in SHOWN */
  uint64_t n_shown;
} TwLayout;
void tw_lw_layout(TwLw *lw, TwLayout *out);
typedef TwVec(TwRef) TwRefs;
TwVal tw_lw_unpack(TwScope *s, const TwType *t, TwRef from, uint64_t at);
void tw_lw_pack(TwScope *s, TwVal v, TwRefs *parts);
TwRef tw_lw_join(TwScope *s, const TwRefs *parts);
/* Offset in the stage's FLAT; UINT64_MAX if the stage (or NULL) does not train it. */
uint64_t tw_lw_flat_param(TwLw *lw, const TwStage *stage, uint32_t param);
uint64_t tw_lw_flat_weights(TwLw *lw, const TwStage *stage, uint32_t weights);
uint64_t tw_lw_count(TwLw *lw, const TwType *t);      /* reals in all leaves */
uint64_t tw_lw_coordinates(TwLw *lw, uint32_t param); /* of its coordinate, which VALUES and FLAT hold */

/* Columns that the target function of a data set gives: see TwRtData. */
static inline uint32_t tw_lw_results(const TwDataSet *d) {
  return (d->target->type->rank ? (uint32_t)d->target->type->dims[0].n : 1) + (d->weight != NULL);
}

/* ---- moment.c: the functions of VALUES and FLAT, at one moment of training */
typedef struct TwMoment {
  const TwLayout *layout;
  const TwStage *stage; /* whose FLAT it is; NULL: nothing is trained */
  const bool *stored;   /* per weights: its values are in VALUES (a law, or released), not derived */
} TwMoment;

/* A function being built; roles of its operands and results go to slots. The scope resolves params,
 * weights, globals and data columns on demand; a column becomes an operand at its first use. */
typedef struct TwFnBuild {
  TwScope scope;
  const TwMoment *at;
  TwRef values, flat;
  const TwLayout *from_shown; /* not NULL: params and weights are read from `shown` instead */
  TwRef shown;
  TwVec(TwRtSlot) in, out;
} TwFnBuild;

void tw_lw_begin(TwFnBuild *b, TwLw *lw, const TwMoment *at, const char *name);
TwRef tw_lw_operand(TwFnBuild *b, TwRtRole role, uint32_t index, uint32_t data, TwTy type);
void tw_lw_output(TwFnBuild *b, TwRtRole role, uint32_t index, uint32_t data, TwRef r);
/* Seals the function, fills the slot's tables, and appends it to l. `primal`: as lowered, or NULL. */
void tw_lw_end(TwLowered *l, TwFnBuild *b, TwPrecision precision, const TwFn *primal, TwRtFn *slot);
/* All natural values as one vector. */
TwRef tw_lw_all_shown(TwFnBuild *b);
TwVal tw_lw_natural(TwScope *s, const TwParam *p, TwRef coordinate);
TwRef tw_lw_coordinate(TwScope *s, const TwParam *p, TwRef natural);

/* ---- step.c, functions.c: the functions of a stage and of the program */
void tw_lw_step(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out);
/* The squares that the loss of the stage is a sum of (for lm), or a diagnostic. `f` is the loss, sealed, `loss` what
 * built it. */
void tw_lw_squares(TwLowered *l, TwLw *lw, const TwMoment *at, const TwFnBuild *loss, const TwFn *f, TwRtStage *out);
/* fits.c: the data set that the loss is a mean squared error against, and of which model: TwRtStage.fits and
 * .fits_model. */
void tw_lw_fits(TwLw *lw, const TwMoment *at, const TwFnBuild *loss, const TwFn *f, TwRtStage *out);
void tw_lw_rate(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out);
void tw_lw_gradient(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out);
void tw_lw_eval(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out);
void tw_lw_shown(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out);
void tw_lw_checks(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out);
void tw_lw_init(TwLowered *l, TwLw *lw, const TwMoment *at);
void tw_lw_inside(TwLowered *l, TwLw *lw, const TwLayout *layout);
void tw_lw_target(TwLowered *l, TwLw *lw, uint32_t data, TwRtData *out);

/* ---- model.c: predictions and slopes of a model */
/* Of one scalar, and a scalar. */
bool tw_lw_one_to_one(const TwModel *model);
/* SHOWN -> VALUES, in f64. */
void tw_lw_store(TwLowered *l, TwLw *lw, const TwLayout *layout);
void tw_lw_model(TwLowered *l, TwLw *lw, const TwLayout *layout, uint32_t model, TwRtModel *out);

/* ---- pl.c */
void tw_lw_pl(TwLowered *l, TwLw *lw, const TwMoment *at, uint32_t model, TwRtPl *out);

/* ---- place of a span, for the runtime's messages */
TwRtPlace tw_lw_place(TwLw *lw, TwSpan span);

#endif
