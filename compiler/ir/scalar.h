/* scalar.h: what each elementwise operation does to one element: the definition that constant
 * folding and the interpreter share, and that compiled code must match bit for bit. */
#ifndef TW_IR_SCALAR_H
#define TW_IR_SCALAR_H

#include "compiler/ir/ir.h"

float tw_scalar1_f32(TwOp op, float a);
double tw_scalar1_f64(TwOp op, double a);
float tw_scalar2_f32(TwOp op, float a, float b);
double tw_scalar2_f64(TwOp op, double a, double b);
bool tw_compare_f32(TwOp op, float a, float b);
bool tw_compare_f64(TwOp op, double a, double b);

/* Integers wrap around. x / 0 is 0 and x mod 0 is x. */
int64_t tw_scalar1_int(TwOp op, int64_t a);
int64_t tw_scalar2_int(TwOp op, int64_t a, int64_t b);
bool tw_compare_int(TwOp op, int64_t a, int64_t b); /* bool operands too */

/* Towards zero; saturates; NaN is 0. */
int64_t tw_real_to_int(double a);

/* Whether the operation is one of these families. */
bool tw_is_scalar1(TwOp op);
bool tw_is_scalar2(TwOp op);
bool tw_is_compare(TwOp op);

#endif
