/* recurrence.h: a long loop for the tests of checkpoints. */
#ifndef TW_TESTS_GRAD_RECURRENCE_H
#define TW_TESTS_GRAD_RECURRENCE_H

#include "compiler/ir/ir.h"

/* (a, s) -> the sum of the last state of s <- tanh(sin(exp(-s^2) + a) + cos s), all of real[8]. */
static inline const TwFn *recurrence(TwModule *m, int64_t trip) {
  int64_t n = 8;
  TwTy vec = tw_ty(m, TW_REAL, 1, &n);
  TwFn *b = tw_fn_new(m, "step");
  tw_param(b, tw_ty_scalar(m, TW_INT));
  TwRef a = tw_param(b, vec), s = tw_param(b, vec);
  TwRef e = tw_unary(b, TW_OP_exp, tw_unary(b, TW_OP_neg, tw_binary(b, TW_OP_mul, s, s)));
  TwRef z = tw_unary(b, TW_OP_sin, tw_binary(b, TW_OP_add, e, a));
  tw_result(b, tw_unary(b, TW_OP_tanh, tw_binary(b, TW_OP_add, z, tw_unary(b, TW_OP_cos, s))));
  TwRegion g = {.body = tw_fn_seal(b), .trip = trip, .n_consts = 1, .n_carry = 1};
  TwFn *f = tw_fn_new(m, "recurrence");
  TwRef args[2] = {tw_param(f, vec), tw_param(f, vec)};
  tw_result(f, tw_sum_all(f, tw_get(f, tw_emit_region(f, TW_OP_scan, &g, args, 2), 0)));
  return tw_fn_seal(f);
}

#endif
