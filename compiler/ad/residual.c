/* residual.c: which primal values the linear part of a tangent program keeps, and which it recomputes.
 *
 * requires: a separated tangent program, its linear values, and what each primal value costs.
 * provides: a choice, made value by value, from the last to the first:
 *   1. A value that the linear part does not use directly is neither kept nor recomputed.
 *   2. Free values are passed on; what is invariant in a loop is computed once, outside.
 *   3. A broadcast is never kept: its operand is, which is smaller.
 *   4. A cheap value is recomputed if all its operands are there anyway.
 *   5. Everything else is kept.
 * Where all is to be recomputed (checkpoint.c), rules 3 to 5 keep params only.
 * Recomputing runs the same ops on the same values, so it never changes a bit. */
#include "compiler/ad/internal.h"

/* Elementwise ops of about the price of a load, and views. */
static const bool cheap[TW_OP_COUNT] = {
    [TW_OP_neg] = true,     [TW_OP_abs] = true,       [TW_OP_sign] = true,    [TW_OP_relu] = true,
    [TW_OP_add] = true,     [TW_OP_sub] = true,       [TW_OP_mul] = true,     [TW_OP_mul0] = true,
    [TW_OP_min] = true,     [TW_OP_max] = true,       [TW_OP_lt] = true,      [TW_OP_le] = true,
    [TW_OP_eq] = true,      [TW_OP_ne] = true,        [TW_OP_and] = true,     [TW_OP_or] = true,
    [TW_OP_not] = true,     [TW_OP_select] = true,    [TW_OP_to_real] = true, [TW_OP_to_int] = true,
    [TW_OP_reshape] = true, [TW_OP_transpose] = true, [TW_OP_reverse] = true, [TW_OP_slice] = true,
    [TW_OP_index] = true,   [TW_OP_broadcast] = true,
};

/* May r be recomputed? Marks the operands that this makes necessary. */
static bool recompute(const TwFn *f, TwRef r, const TwAdSource *source, bool all, bool *need) {
  TwOp op = tw_op(f, r);
  if (all ? op == TW_OP_param : !cheap[op]) return false;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args && op != TW_OP_broadcast && !all; k++)
    if (source[tw_arg(f, r, k)] == TW_AD_VARYING && !need[tw_arg(f, r, k)]) return false;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) need[tw_arg(f, r, k)] = true;
  return true;
}

TwAdResiduals tw_ad_residuals(const TwFn *f, const bool *linear, const TwAdSource *source, bool recompute_all) {
  TwArena *arena = f->module->arena;
  bool *need = TW_NEW_N(arena, bool, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++)
    for (uint32_t k = 0; linear[r] && k < tw_inst(f, r)->n_args; k++)
      if (!linear[tw_arg(f, r, k)]) need[tw_arg(f, r, k)] = true;
  TwAdResiduals s = {.kept = TW_NEW_N(arena, TwRef, f->insts.len), .invariant = TW_NEW_N(arena, TwRef, f->insts.len)};
  for (TwRef r = f->insts.len; r-- > 1;) {
    if (!need[r] || source[r] == TW_AD_FREE) continue;
    if (source[r] == TW_AD_INVARIANT) s.invariant[s.n_invariant++] = r;
    else if (!recompute(f, r, source, recompute_all, need)) s.kept[s.n_kept++] = r;
  }
  return s;
}
