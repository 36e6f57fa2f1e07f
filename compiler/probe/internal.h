/* internal.h: what the files of compiler/probe share. */
#ifndef TW_PROBE_INTERNAL_H
#define TW_PROBE_INTERNAL_H

#include "compiler/ir/watch.h"
#include "compiler/probe/probe.h"

/* ---- call.c: running functions */

/* A call: operands to be set by the caller, results with memory of their own (in the arena). */
typedef struct TwCall {
  const TwFn *fn;
  TwPrecision precision;
  const void **in;
  void **out;
} TwCall;
TwCall tw_call(TwArena *arena, const TwFn *fn, TwPrecision precision);
bool tw_call_run(const TwCall *c, TwWatch *w);
static inline double *tw_call_reals(const TwCall *c, uint32_t result) { return c->out[result]; }
uint64_t tw_call_count(const TwFn *f, TwRef r);

/* ---- point.c: the values at which a stage is looked at */

typedef struct TwPoint {
  double *values, *flat; /* flat: what the stage trains */
} TwPoint;
/* The values with which stage k starts if the stages before it change nothing. */
TwPoint tw_point_start(const TwProbe *p, uint32_t stage);
/* Of VALUES that were handed on. */
TwPoint tw_point_of(const TwProbe *p, uint32_t stage, const double *values);
/* Another point near it, inside of the domains; `size` 1 is the usual distance. */
TwPoint tw_point_near(const TwProbe *p, uint32_t stage, const TwPoint *from, uint64_t seed, double size);

/* The loss of stage k as a function of (VALUES, FLAT, columns…), and what its operands are. `full`: on
 * all rows, else on as many as one update sees. */
typedef struct TwLossFn {
  const TwFn *fn;        /* as lowered */
  const TwFn *prepared;  /* what training differentiates: the same function, which may round differently */
  uint32_t n;            /* operands */
  const TwRtSlot **slot; /* of each */
} TwLossFn;
TwLossFn tw_loss_fn(const TwProbe *p, uint32_t stage, bool full);
/* Sets the operands of c that are those of f (which come first) in the call's precision. */
void tw_loss_bind(const TwProbe *p, const TwLossFn *f, const TwPoint *at, TwCall *c);
bool *tw_loss_active(const TwProbe *p, const TwLossFn *f); /* FLAT alone */
bool tw_probe_data(TwProbe *p);                            /* fills p->columns */
const TwLoweredFn *tw_probe_fn(const TwProbe *p, const TwRtFn *slot);

/* The tensors that a stage trains, in the order of FLAT, and where they are declared. */
typedef struct TwTrained {
  TwLeaves leaves;
  TwVec(TwSpan) spans;
} TwTrained;
void tw_trained(const TwProbe *p, uint32_t stage, TwTrained *out);

/* ---- slope.c: differences */

/* A real function of one real variable: the operands move along a line, the results are weighted and added.
 * The pattern of the point at 0 is held, so that the function is smooth. */
typedef struct TwLine {
  TwCall call;
  TwWatch watch;
  uint32_t n; /* numbers that move: *at[k] = x[k] + t * v[k] */
  double **at;
  const double *x, *v;
  const double *const *weight; /* per result, NULL: 1. Results that are not real do not count */
} TwLine;

typedef struct TwSlope {
  bool found; /* two steps agree */
  double value;
  double spread; /* how far neighbouring steps are apart, and rounding: what the value is worth */
} TwSlope;
/* The derivative at 0. The search for a step begins at h, and ends as soon as a difference agrees with
 * `expected` to `allowed`. */
TwSlope tw_slope(TwLine *line, double h, double expected, double allowed);

/* One of many slopes: along a single number, an element of the operand that moves. */
typedef struct TwSlopeAlong {
  uint64_t element;
  double h, expected, allowed; /* as of tw_slope */
  TwSlope slope;               /* what tw_slopes finds */
} TwSlopeAlong;
/* Each by itself at `moving`, an operand of the line's call of n_moving numbers, whose pattern has been recorded. On
 * `threads` threads, of which the slopes do not depend: each has operand and results of its own. */
void tw_slopes(TwArena *arena, const TwLine *line, const double *moving, uint64_t n_moving, TwSlopeAlong *all,
               uint32_t n, uint32_t threads);
/* Records the pattern at t = 0 for tw_slope; false if memory ran out. */
bool tw_line_record(TwLine *line);

/* ---- blame.c */

typedef struct TwBlame {
  const TwFn *fn;
  TwRef ref;
  TwSpan span;         /* the expression, or what a custom function's rule says */
  const char *what;    /* the operation with the values of its operands, where they are few */
  const char *against; /* "reverse mode" or "forward mode": whose derivative `rule` is */
  double rule, right;
} TwBlame;
/* Differentiates every instruction that a run of the call executes by itself, at the operands that it meets,
 * the inner ones first. True if the rule of one disagrees with differences, or its transpose with its rule.
 */
bool tw_blame(TwProbe *p, const TwCall *call, uint64_t seed, TwBlame *out);

/* ---- text.c: operations with numbers */
/* "log(-0.5)", "1 / 0": in the unit's arena. */
const char *tw_operation_text(TwUnit *u, TwOp op, const double *operands, uint32_t n);
/* "row 18 of 'train' (x = 0.25)": the row at which an instant is, or NULL if it is in no loop over data. `f`
 * is the function that runs at the top. */
const char *tw_row_text(const TwProbe *p, const TwLossFn *f, const TwIteration *path, uint32_t n);
const char *tw_loop_text(TwUnit *u, const TwIteration *path, uint32_t n); /* "index 3 of the loop", or NULL */

/* ---- a small generator of random numbers for directions and samples */
static inline uint64_t tw_mix(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
static inline double tw_mix_real(uint64_t *state) { /* in (-1, 1) */
  return ((double)(tw_mix(state) >> 11) + 0.5) * 0x1p-52 - 1;
}

#endif
