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

/* What reverse mode may keep for the way back through a loop (checkpoint.c). Beyond it, a loop keeps its carries at
 * the start of some iterations, and the way back computes the rest anew from there. */
typedef struct TwAdLimits {
  int64_t stack_bytes; /* what one loop may keep, at 8 bytes a real; 0: every loop that gains is checkpointed */
  uint32_t levels;     /* how often a loop may be cut: k keep O(trip^(1/(k+1))), run it k+1 times; 0: never */
} TwAdLimits;
TwAdLimits tw_ad_limits_default(void); /* 64 MiB, one level */

/* requires: f sealed and verified; active[k] says which params get tangents (real ones only).
 * provides: a sealed function (params of f…, tangents of the active params…) -> (results of f…,
 * tangents of the real results…). A tangent that is zero by structure is a zero constant. */
const TwFn *tw_jvp(TwModule *m, const TwFn *f, const bool *active);

/* provides: a sealed function (params of f…, cotangents of the real results…) -> (results of f…,
 * cotangents of the active params…).
 * `unit`: results whose cotangent the caller promises is 1 (a scalar loss); they have no cotangent
 * param. NULL: none. */
const TwFn *tw_vjp(TwModule *m, const TwFn *f, const bool *active, const bool *unit);
const TwFn *tw_vjp_within(TwModule *m, const TwFn *f, const bool *active, const bool *unit, TwAdLimits limits);

/* The gradient of result 0, a real scalar: (params…) -> (results…, gradients of the active params…). */
const TwFn *tw_grad(TwModule *m, const TwFn *f, const bool *active);
const TwFn *tw_grad_within(TwModule *m, const TwFn *f, const bool *active, TwAdLimits limits);

#endif
