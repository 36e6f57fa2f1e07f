/* cost.c: operations of a function, counted.
 *
 * requires: a sealed function.   provides: cost.h.
 * The count is that of the IR that runs, so of `emit --as opt`: what a vector's padding or a mask adds is not in it. */
#include "compiler/ir/cost.h"

/* Of one element. What moves, compares or chooses is free. */
static double of_element(TwOp op) {
  switch (op) {
    case TW_OP_fma: return 2;
    case TW_OP_abs:
    case TW_OP_sign:
    case TW_OP_relu:
    case TW_OP_sqrt:
    case TW_OP_exp:
    case TW_OP_expm1:
    case TW_OP_log:
    case TW_OP_log1p:
    case TW_OP_sin:
    case TW_OP_cos:
    case TW_OP_tan:
    case TW_OP_asin:
    case TW_OP_acos:
    case TW_OP_atan:
    case TW_OP_sinh:
    case TW_OP_cosh:
    case TW_OP_tanh:
    case TW_OP_logistic:
    case TW_OP_floor:
    case TW_OP_add:
    case TW_OP_sub:
    case TW_OP_mul:
    case TW_OP_mul0:
    case TW_OP_div:
    case TW_OP_mod:
    case TW_OP_pow:
    case TW_OP_atan2:
    case TW_OP_min:
    case TW_OP_max:
    case TW_OP_add_at: return 1;
    case TW_OP_none:
    case TW_OP_param:
    case TW_OP_const:
    case TW_OP_iota:
    case TW_OP_draw:
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice:
    case TW_OP_pad:
    case TW_OP_concat:
    case TW_OP_index:
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin:
    case TW_OP_argmask:
    case TW_OP_dot:
    case TW_OP_scan:
    case TW_OP_samples:
    case TW_OP_cond:
    case TW_OP_get:
    case TW_OP_neg:
    case TW_OP_stop:
    case TW_OP_along:
    case TW_OP_lt:
    case TW_OP_le:
    case TW_OP_eq:
    case TW_OP_ne:
    case TW_OP_and:
    case TW_OP_or:
    case TW_OP_not:
    case TW_OP_select:
    case TW_OP_to_real:
    case TW_OP_to_int:
    case TW_OP_COUNT: return 0;
  }
  return 0;
}

static double of_region(const TwFn *f, TwRef r, TwIrCost *top) {
  const TwRegion *g = tw_region(f, r);
  TwIrCost body = tw_ir_cost(g->body);
  if (tw_op(f, r) == TW_OP_cond) {
    double other = tw_ir_cost(g->other).flop;
    return body.flop > other ? body.flop : other;
  }
  double flop = body.flop;
  for (uint32_t k = 0; tw_op(f, r) == TW_OP_samples && k < g->n_carry; k++) /* its sums */
    flop += (double)tw_info(g->body, g->body->results.at[k])->count;
  flop *= (double)g->trip;
  if (tw_op(f, r) == TW_OP_samples) {
    top->sample_flop += flop;
    if (g->trip > top->samples) top->samples = g->trip;
  } else {
    top->sample_flop += body.sample_flop * (double)g->trip;
    if (body.samples > top->samples) top->samples = body.samples;
  }
  return flop;
}

TwIrCost tw_ir_cost(const TwFn *f) {
  TwIrCost c = {0};
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    const TwTyInfo *t = tw_info(f, r);
    if (op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond) {
      c.flop += of_region(f, r, &c);
    } else if (op == TW_OP_dot) {
      double products = (double)t->count;
      for (uint32_t k = 0; k < (uint32_t)tw_attr(f, r, 0); k++)
        products *= (double)tw_info(f, tw_arg(f, r, 0))->dims[tw_attr(f, r, 1 + k)];
      c.flop += 2 * products;
    } else if (op == TW_OP_sum || op == TW_OP_rmax || op == TW_OP_rmin) {
      c.flop += (double)(tw_info(f, tw_arg(f, r, 0))->count - t->count);
    } else if (t->dtype == TW_REAL) {
      c.flop += of_element(op) * (double)t->count;
    }
  }
  return c;
}
