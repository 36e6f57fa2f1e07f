/* cases.h: for every op of ops.def, functions that exercise it in each of its forms. */
#ifndef TW_TESTS_GRAD_CASES_H
#define TW_TESTS_GRAD_CASES_H

#include "check.h"

typedef struct Case {
  TwModule *module;
  TwFn *f;
  Rng *rng;
  uint32_t n;         /* params so far */
  double range[8][3]; /* of each: lo, hi, and how far from 0 it must stay */
} Case;

/* Builds variant k of op's cases; NULL if there is no such variant. *x gets a random point. */
const TwFn *case_build(TwModule *m, TwOp op, uint32_t variant, Rng *rng, Data *x);

#endif
