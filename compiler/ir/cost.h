/* cost.h: what one call of a function costs, counted on its IR. */
#ifndef TW_IR_COST_H
#define TW_IR_COST_H

#include "compiler/ir/ir.h"

typedef struct TwIrCost {
  double flop;        /* of one call: an fma counts two, a product of a dot and its addition two, every other arithmetic
                       * operation and elementary function on a real one; of a branch the dearer side */
  double sample_flop; /* the part of it in loops over samples */
  int64_t samples;    /* the largest number of samples that such a loop has; 0: there is none */
} TwIrCost;

TwIrCost tw_ir_cost(const TwFn *f);

#endif
