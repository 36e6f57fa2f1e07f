/* probe.h: looking at a program by running its IR: gradient check, trace of a NaN, Jacobian.
 *
 * All of it runs in the interpreter, so what is looked at is the IR itself and not what a code generator
 * made of it. Nothing is printed: results are tables, and diagnostics of the unit. */
#ifndef TW_PROBE_H
#define TW_PROBE_H

#include "compiler/lower/lower.h"

/* A program with the numbers of one seed: what `init` leaves, and its data. The numbers are those of a
 * run in the unit's precision; what is computed from them here is computed in f64. */
typedef struct TwProbe {
  TwUnit *unit;
  const TwProgram *program;
  const TwLowered *lowered;
  double *values, *shown; /* VALUES and SHOWN at the start */
  double *drawn;          /* SHOWN before it was rounded */
  double ***columns;      /* [data set][column][row]; the target is the last column */
  const char *refused;    /* why a run would refuse its data, or NULL */
  TwSpan refused_at;
  uint32_t threads; /* 0: one. What is found does not depend on it */
} TwProbe;

/* requires: a lowered program without errors. provides: *out, in the unit's arena; false if there is no
 * memory. */
bool tw_probe_open(TwProbe *out, TwUnit *u, const TwProgram *p, const TwLowered *l, uint64_t seed);

/* Does a run begin with these data and starts? If not, it is told as a run tells it (E0609, E0802). */
bool tw_probe_begins(const TwProbe *p, uint64_t seed);

/* ---- names.c: tensors and their elements as a person writes them */

/* One leaf of a param or of weights. The axes of arrays of records come first and stand inside of the
 * name: element [1, 0, 2] of net.hidden.W is net.hidden[1].W[0, 2]. */
typedef struct TwLeaf {
  const char *name;      /* without indices: net.hidden.W */
  uint32_t n_lead, rank; /* axes of arrays of records; all axes */
  int64_t dims[TW_MAX_RANK];
  const char *piece[TW_MAX_RANK + 1]; /* of the name: before the first index, between two, after the last */
  uint64_t count;
} TwLeaf;
typedef TwVec(TwLeaf) TwLeaves;

/* Appends the leaves of a type, in the order in which VALUES, FLAT and SHOWN hold them. */
void tw_leaves(TwUnit *u, const TwType *t, const char *name, TwLeaves *out);
const char *tw_leaf_element(TwUnit *u, const TwLeaf *leaf, uint64_t element);

/* ---- gradcheck.c */

/* What was found out about one trained tensor. Errors are relative to `scale`, the largest entry of its
 * gradient (but at least 1e-4 of the largest of the whole gradient). */
typedef struct TwGradTensor {
  const char *name;
  TwSpan span;                 /* of its declaration */
  uint64_t count, chosen;      /* elements; those compared with differences */
  uint64_t compared, rejected; /* comparisons, over all points; without a difference to trust */
  uint32_t wrong;              /* elements found wrong; after a few of them no more are looked at */
  double scale;
  double worst; /* largest |reverse - difference| / scale, and where: */
  const char *worst_element;
  double reverse, forward, difference;
  double identity; /* largest |<g, v> - Jv| / sum |g_i v_i| over random directions v */
  bool ok;
} TwGradTensor;

typedef struct TwGradStage {
  const char *name;
  uint32_t n_points; /* at which it was checked: the start, and random ones */
  double loss;       /* at the start */
  uint32_t n_tensors;
  TwGradTensor *tensors;
  bool ok;
} TwGradStage;

/* Tolerances: see docs/gradcheck.md. */
#define TW_GRAD_DIFFERENCE 1e-8
#define TW_GRAD_IDENTITY 1e-12
#define TW_GRAD_VALUE 1e-9

/* Checks the gradient of stage k: reverse mode against forward mode and against central differences,
 * at the values with which the stage starts and at random ones near them. A failure adds diagnostic
 * E0804 at the expression whose rule disagrees. */
void tw_probe_gradcheck(TwProbe *p, uint32_t stage, uint64_t seed, TwGradStage *out);

/* ---- nan.c */

/* Runs the loss of a stage, and its gradient, at the VALUES that gave a NaN or an infinity, in the
 * precision of the program, and adds notes to `to` that say in which expression, at which row of the
 * data, and of which numbers it arose; `started`: no update has been made. False if it did not arise again (then
 * nothing is added). */
bool tw_probe_nan(TwUnit *u, const TwProgram *p, const TwLowered *l, uint32_t stage, const double *values, bool started,
                  TwDiag *to);

/* ---- jacobian.c */

/* d weights / d params, by forward mode. Rows: all elements of all weights; columns: all elements of all
 * params, by their natural values. */
typedef struct TwJacobian {
  TwLeaves row_leaves, column_leaves;
  TwVec(TwSpan) row_spans; /* of each leaf: its declaration */
  uint64_t rows, columns;
  double *at; /* row major, in the unit's arena */
} TwJacobian;

/* Of Set_Weights at `values` (NULL: the start): weights that a stage has released count as derived still;
 * weights that a law drew depend on no param. False if there is no memory. */
bool tw_probe_jacobian(TwProbe *p, const double *values, TwJacobian *out);
const char *tw_jacobian_row(TwProbe *p, const TwJacobian *j, uint64_t row);
TwSpan tw_jacobian_span(const TwJacobian *j, uint64_t row);
const char *tw_jacobian_column(TwProbe *p, const TwJacobian *j, uint64_t column);

#endif
