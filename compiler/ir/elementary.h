/* elementary.h: the elementary functions: which SLEEF function is which operation (P7).
 *
 * Every evaluator computes sin, exp, … by calling the function named here, so that the bits agree
 * whatever the vector width. All have 1.0 ulp (u10) and are the deterministic forms that use FMA.
 * `logistic` is not among them: it is made of exp, + and / (see tw_scalar1_f64). */
#ifndef TW_IR_ELEMENTARY_H
#define TW_IR_ELEMENTARY_H

#include "compiler/ir/ir.h"

/* X(op, number of operands) */
/* clang-format off */
#define TW_ELEMENTARY(X) \
  X(exp, 1) X(expm1, 1) X(log, 1) X(log1p, 1) X(sin, 1) X(cos, 1) X(tan, 1) X(asin, 1) X(acos, 1) X(atan, 1) \
  X(sinh, 1) X(cosh, 1) X(tanh, 1) X(pow, 2) X(atan2, 2)
/* clang-format on */

bool tw_is_elementary(TwOp op);

/* The symbol to call for `lanes` elements at once: 1 (scalar, FMA), 4/2 (128 bits), 8/4 (256),
 * 16/8 (512) for f32/f64. The vector forms take and return vectors by value in registers.
 * NULL if the operation is not elementary or there is no form of that many lanes. */
const char *tw_elementary_symbol(TwOp op, bool f64, uint32_t lanes);

/* Every symbol that tw_elementary_symbol can return, for a linker's list of allowed names: number i
 * from 0, NULL past the end. */
const char *tw_elementary_nth(uint32_t i);

/* The scalar functions; b is ignored where there is one operand. */
float tw_elementary_f32(TwOp op, float a, float b);
double tw_elementary_f64(TwOp op, double a, double b);

#endif
