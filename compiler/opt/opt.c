/* opt.c: which pass comes when, in this one place.
 *
 * Before differentiation (tw_opt_prepare):
 *   unroll, scalarize     short loops and small tensors are gone, so that literals, equal rows and signs show;
 *   loop_invariant, fuse  what does not depend on the sample is out of the loop.
 *   The derivative of such a program has the structure already: one cotangent for rows that are alike, none
 *   for what is literal, and what was computed once is differentiated once.
 * After it (tw_optimize):
 *   join_pads, fuse       the forward and the backward loop over a data set become one;
 *   unroll, scalarize     once more, for the loops and tensors that the derivative brought in;
 *   loop_invariant, fuse  loops over the layers of a net, forwards, become one;
 *   lower_mul0            nothing is differentiated any more;
 *   stacks                what the layers of a net leave for the sums over the samples;
 *   contract              nothing is rewritten or hoisted any more;
 *   sink_signs            signs of what varies into what does not;
 *   order                 the bodies of loops, so that few values are live at a time.
 * In between everything is cleaned. In a debug build each pass is verified. */
#include <stdio.h>
#include <stdlib.h>

#include "compiler/ir/passes.h"
#include "compiler/base/bug.h"
#include "compiler/opt/internal.h"

TwOptLimits tw_opt_limits_default(void) {
  return (TwOptLimits){.unroll_trip = 8, .unroll_size = 4000, .scalar_count = 64, .scalar_size = 20000};
}

static const TwFn *checked(const char *pass, const TwFn *f) {
#ifndef NDEBUG
  const char *why = tw_verify(f);
  if (why) tw_bug("internal error: after %s: %s", pass, why);
#else
  (void)pass;
#endif
  return f;
}

static const TwFn *small(TwModule *m, const TwFn *f, TwOptLimits l) {
  f = checked("unroll", tw_opt_unroll(m, f, l));
  f = checked("scalarize", tw_opt_scalarize(m, f, l));
  f = checked("clean", tw_opt_clean(m, f));
  f = checked("loop_invariant", tw_opt_loop_invariant(m, f));
  f = checked("fuse", tw_opt_fuse_samples(m, f));
  return checked("clean", tw_opt_clean(m, f));
}

const TwFn *tw_opt_prepare(TwModule *m, const TwFn *f, TwOptLimits l) { return small(m, checked("lowering", f), l); }

const TwFn *tw_optimize(TwModule *m, const TwFn *f, TwOptLimits l) {
  f = checked("differentiation", f);
  f = checked("join_pads", tw_opt_join_pads(m, f));
  f = checked("fuse_samples", tw_opt_fuse_samples(m, f));
  f = small(m, f, l);
  f = checked("join_pads", tw_opt_join_pads(m, f));
  f = checked("lower_mul0", tw_opt_lower_mul0(m, f));
  f = checked("stacks", tw_opt_stacks(m, f));
  f = checked("contract", tw_opt_contract(m, f));
  f = checked("sink_signs", tw_opt_sink_signs(m, f));
  return checked("order", tw_opt_order(m, f));
}
