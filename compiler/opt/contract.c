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
 * samples returns as a sum: the loop adds it by an fma of its own.
 *
 * A *masked* product is select(m, a*b, 0), if that is the one use of a*b, and an addition or subtraction the one use
 * of the select. It is taken in where no product is free, and the other operand kept where m does not hold:
 *     c + select(m, a*b, 0) -> select(m, fma(a, b, c), c)
 * which is how the cotangents of a value with two ReLUs behind it meet. Where m does not hold the sum was c + 0: the
 * same but for the sign of a zero. */
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

static uint32_t *count_uses(TwPass *p, const TwFn *f) {
  uint32_t *n = TW_NEW_N(&p->scratch, uint32_t, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++)
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) n[tw_arg(f, r, k)]++;
  for (uint32_t k = 0; k < f->results.len; k++) n[f->results.at[k]]++;
  return n;
}

static bool *masked_products(TwPass *p, const TwFn *f) {
  bool *is_masked = TW_NEW_N(&p->scratch, bool, f->insts.len);
  const uint32_t *uses = count_uses(p, f);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) != TW_OP_select || tw_info(f, r)->dtype != TW_REAL || uses[r] != 1) continue;
    TwRef product = tw_arg(f, r, 1);
    is_masked[r] = tw_op(f, product) == TW_OP_mul && uses[product] == 1 && tw_is_zero(f, tw_arg(f, r, 2));
  }
  return is_masked;
}

/* r, which takes in the product at `at` and adds the operand c: the sum itself, where it is masked too. */
static TwRef take_in(TwFn *g, const TwFn *f, TwRef r, TwRef at, const TwRef *map) {
  bool minus = tw_op(f, r) == TW_OP_sub, second = at == tw_arg(f, r, 1), masked = tw_op(f, at) == TW_OP_select;
  TwRef product = masked ? tw_arg(f, at, 1) : at, c = map[tw_arg(f, r, second ? 0 : 1)];
  TwRef a = map[tw_arg(f, product, 0)], b = map[tw_arg(f, product, 1)];
  g->at = tw_inst(f, r)->span;
  if (minus && second) a = tw_unary(g, TW_OP_neg, a);
  if (minus && !second) c = tw_unary(g, TW_OP_neg, c);
  TwRef sum = tw_fma(g, a, b, c);
  return masked ? tw_select(g, map[tw_arg(f, at, 0)], sum, c) : sum;
}

/* The operand of r that the marks say is taken in, the later of two; 0 if there is none. */
static TwRef marked(const TwFn *f, TwRef r, const bool *marks) {
  TwRef x = tw_arg(f, r, 0), y = tw_arg(f, r, 1);
  return marks[y] && !(marks[x] && x > y) ? y : marks[x] ? x : 0;
}

static const TwFn *contract_fn(TwPass *p, const TwFn *f) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  const bool *is_free = free_products(p, f), *is_masked = masked_products(p, f);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (tw_opt_is_region(op)) {
      const TwRegion region = *tw_region(f, r);
      const TwFn *other = region.other ? contract_fn(p, region.other) : NULL;
      map[r] = tw_opt_with_body(p, g, f, r, map, contract_fn(p, region.body), other);
      continue;
    }
    if (is_sum(f, r)) {
      TwRef at = marked(f, r, is_free);
      if (!at) at = marked(f, r, is_masked);
      if (at) map[r] = take_in(g, f, r, at, map);
    }
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
