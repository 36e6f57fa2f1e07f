/* lower.h: typed program -> IR functions and the tables of runtime/program.h. */
#ifndef TW_LOWER_LOWER_H
#define TW_LOWER_LOWER_H

#include "compiler/sema/typed.h"
#include "runtime/program.h"

/* A function of the compiled program: IR in, an entry of the runtime program out. */
typedef struct TwLoweredFn {
  const char *name;   /* "full.pretrain.step" without the variant: "pretrain.step" */
  const TwFn *primal; /* as lowered, before AD (for `emit --as ir`); NULL if it has none of its own */
  const TwFn *grad;   /* after AD; equals primal where nothing is differentiated */
  const TwFn *final;  /* after opt; what is compiled and what the interpreter runs to compare */
  TwPrecision precision;
  TwRtFn *slot;  /* entry and work_bytes are set by the code generator */
  bool once;     /* training calls it a few times a stage at most */
  uint32_t part; /* of the program: 0 the whole, 1 the data, 2 + k stage k */
} TwLoweredFn;

typedef struct TwLowered {
  TwModule *module;
  TwRtProgram *rt; /* tables complete, entries NULL; lives in the unit's arena */
  TwVec(TwLoweredFn) fns;
  const struct TwLowered *before;
} TwLowered;

/* What is wanted of a program, as bits. */
typedef enum TwLowerWhat {
  TW_LOWER_TRAIN = 1,  /* init, stages, data targets */
  TW_LOWER_MODELS = 2, /* predictions and slopes of the models: TwRtModel.predict and .slope */
  TW_LOWER_SELDOM = 4  /* nobody looks at epochs: TwRtStage.eval is called at the ends of stages */
} TwLowerWhat;

/* requires: a typed program without errors; `what`: of TW_LOWER_*, not 0; `before`: NULL, or another program of the
 *           unit, whose final functions are taken for those that are alike.
 * provides: *out complete up to .primal and .grad; .final is set by tw_lowered_optimize.
 * false iff it added an error: a stage that trains nothing its loss depends on, … */
bool tw_lower(TwUnit *u, const TwProgram *p, unsigned what, const TwLowered *before, TwLowered **out);
/* loss differentiated by FLAT as stage st asks: (params of loss…) -> (loss, gradient). */
const TwFn *tw_stage_gradient(TwModule *m, const TwStage *st, const TwFn *loss, const bool *active);
/* Set_Weights before any stage: (VALUES, FLAT of length 0) -> SHOWN, the natural values of all params and
 * all weights; those that a law drew are read from VALUES. For `jac`; it is not among l->fns. */
const TwFn *tw_lower_set_weights(TwUnit *u, const TwProgram *p, const TwLowered *l);
bool tw_lowered_optimize(TwUnit *u, TwLowered *l);

#endif
