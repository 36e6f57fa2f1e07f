/* contract.c: a * b + c -> fma(a, b, c), by a fixed rule.
 *
 * requires: a sealed function.
 * provides: the same function with fewer roundings. Idempotent.
 *
 * The rule. A product is *free* if every use of it is an operand of an addition or subtraction of reals. An
 * add or sub takes in the free product that is its later operand in the order of instructions (the chain of a
 * dot adds a new product to an older sum), else the other one:
 *     c + a*b, a*b + c -> fma(a, b, c)     c - a*b -> fma(-a, b, c)     a*b - c -> fma(a, b, -c)
 * A product that is used elsewhere too is left alone: it has to be computed anyway. So is one that a body of
 * samples returns as a sum: the loop adds it by an fma of its own. */
#include "compiler/opt/internal.h"

static bool is_sum(const TwFn *f, TwRef r) {
  return (tw_op(f, r) == TW_OP_add || tw_op(f, r) == TW_OP_sub) && tw_info(f, r)->dtype == TW_REAL;
}

static bool *free_products(TwPass *p, const TwFn *f) {
  bool *is_free = TW_NEW_N(&p->scratch, bool, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++) {
    is_free[r] = tw_op(f, r) == TW_OP_mul && tw_info(f, r)->dtype == TW_REAL;
    /* Operands come before their users, so every flag is final once all users have been seen. */
    if (!is_sum(f, r))
      for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) is_free[tw_arg(f, r, k)] = false;
    else if (tw_arg(f, r, 0) == tw_arg(f, r, 1)) is_free[tw_arg(f, r, 0)] = false;
  }
  for (uint32_t k = 0; k < f->results.len; k++) is_free[f->results.at[k]] = false;
  return is_free;
}

static TwRef fused(TwFn *g, const TwFn *f, TwRef r, const bool *is_free, const TwRef *map) {
  TwRef x = tw_arg(f, r, 0), y = tw_arg(f, r, 1);
  bool minus = tw_op(f, r) == TW_OP_sub;
  bool take_y = is_free[y] && !(is_free[x] && x > y);
  if (!take_y && !is_free[x]) return 0;
  g->at = tw_inst(f, r)->span;
  TwRef product = take_y ? y : x, c = map[take_y ? x : y];
  TwRef a = map[tw_arg(f, product, 0)], b = map[tw_arg(f, product, 1)];
  if (minus && take_y) a = tw_unary(g, TW_OP_neg, a);
  if (minus && !take_y) c = tw_unary(g, TW_OP_neg, c);
  return tw_fma(g, a, b, c);
}

static const TwFn *contract_fn(TwPass *p, const TwFn *f) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  bool *is_free = free_products(p, f);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (tw_opt_is_region(op)) {
      const TwRegion region = *tw_region(f, r);
      const TwFn *other = region.other ? contract_fn(p, region.other) : NULL;
      map[r] = tw_opt_with_body(p, g, f, r, map, contract_fn(p, region.body), other);
      continue;
    }
    if (is_sum(f, r)) map[r] = fused(g, f, r, is_free, map);
    if (!map[r]) map[r] = tw_opt_copy(g, f, r, map);
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_contract(TwModule *m, const TwFn *f) {
  TwPass p = {.m = m};
  const TwFn *g = contract_fn(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}
