/* opt.h: from differentiated IR to IR in its final form: what is left is what will run. */
#ifndef TW_OPT_OPT_H
#define TW_OPT_OPT_H

#include "compiler/ir/ir.h"

typedef struct TwOptLimits {
  int64_t unroll_trip;  /* scans of at most this many iterations are unrolled … */
  uint32_t unroll_size; /* … if trip times body size stays within this */
  int64_t scalar_count; /* tensors of at most this many elements become scalars … */
  uint32_t scalar_size; /* … in a function (or body) that stays within this many instructions */
} TwOptLimits;
TwOptLimits tw_opt_limits_default(void);

/* The passes, each a rebuild: requires a sealed, verified function, provides another. */
const TwFn *tw_opt_lower_mul0(TwModule *m, const TwFn *f); /* mul0 -> select; never before AD */
const TwFn *tw_opt_unroll(TwModule *m, const TwFn *f, TwOptLimits l);
const TwFn *tw_opt_scalarize(TwModule *m, const TwFn *f, TwOptLimits l);
const TwFn *tw_opt_loop_invariant(TwModule *m, const TwFn *f); /* hoist what does not vary */
const TwFn *tw_opt_fuse_samples(TwModule *m, const TwFn *f);   /* loops over the same data, or layers, become one */
const TwFn *tw_opt_stacks(TwModule *m, const TwFn *f);         /* products for sums leave the scans; after mul0 */
const TwFn *tw_opt_contract(TwModule *m, const TwFn *f);       /* a * b + c -> fma, by a fixed rule */
const TwFn *tw_opt_sink_signs(TwModule *m, const TwFn *f);     /* of products, into factors that do not vary; late */
const TwFn *tw_opt_order(TwModule *m, const TwFn *f);          /* bodies of scans in an order for few registers */
const TwFn *tw_opt_clean(TwModule *m, const TwFn *f);          /* fold, value numbering, dead code, to a fixed point */

/* Before AD: unrolls, scalarizes, hoists. What has the structure of the program in the open before it is
 * differentiated has a derivative with the same structure. Rounds a dot differently (see scalar_ops.c). */
const TwFn *tw_opt_prepare(TwModule *m, const TwFn *f, TwOptLimits l);

/* After AD: all of them in order. */
const TwFn *tw_optimize(TwModule *m, const TwFn *f, TwOptLimits l);

/* Every loop unrolled and every branch a choice, tensors left as they are, up to max_size instructions (NULL beyond).
 * Loops over samples stay. */
const TwFn *tw_opt_straight(TwModule *m, const TwFn *f, uint32_t max_size);
/* Everything unrolled, inlined and scalarized, however large, up to max_size instructions (NULL beyond). */
const TwFn *tw_opt_flatten(TwModule *m, const TwFn *f, uint32_t max_size);

/* view.c: shape operations are maps of element numbers (row major). */
enum { TW_VIEW_ZERO = -1, TW_VIEW_NOT = -2 };
/* Which operand, and which element of it, element k of r is. TW_VIEW_ZERO: it is 0 (outside of a pad);
 * TW_VIEW_NOT: r is no view. */
int tw_view_step(const TwFn *f, TwRef r, int64_t k, int64_t *source);
bool tw_view_is(const TwFn *f, TwRef r);

#endif
