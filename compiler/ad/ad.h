/* ad.h: automatic differentiation, IR to IR, closed under itself (P3).
 *
 * One rule an op (rules.c): the forward rule, which emits coefficients with primal ops and the tangent
 * with ops that are linear in it. Everything else follows:
 *   linearize  f  ->  primal: inputs -> outputs + residuals
 *                     linear: (residuals, tangents) -> tangents, linear in the tangents
 *   jvp        = primal, then linear, in one function
 *   vjp        = primal, then the transpose of linear
 * so reverse mode of reverse mode, forward of reverse, … are calls of the same functions.
 * Tangents and cotangents of int and bool values do not exist: they are left out of signatures. */
#ifndef TW_AD_AD_H
#define TW_AD_AD_H

#include "compiler/ir/ir.h"

/* requires: f sealed and verified; active[k] says which params get tangents (real ones only).
 * provides: a sealed function (params of f…, tangents of the active params…) -> (results of f…,
 * tangents of the real results…). A tangent that is zero by structure is a zero constant. */
const TwFn *tw_jvp(TwModule *m, const TwFn *f, const bool *active);

/* provides: a sealed function (params of f…, cotangents of the real results…) -> (results of f…,
 * cotangents of the active params…).
 * `unit`: results whose cotangent the caller promises is 1 (a scalar loss); they have no cotangent
 * param. NULL: none. */
const TwFn *tw_vjp(TwModule *m, const TwFn *f, const bool *active, const bool *unit);

/* The gradient of result 0, a real scalar: (params…) -> (results…, gradients of the active params…). */
const TwFn *tw_grad(TwModule *m, const TwFn *f, const bool *active);

#endif
