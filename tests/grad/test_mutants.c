/* test_mutants.c: each rule broken on purpose, one at a time, must be noticed by the cases of its op.
 *
 * Linked with the AD sources compiled with TW_MUTATE. A mutant that has no place (the op has no such
 * rule) is left out; one that computes the same function is listed with the reason. */
#include <stdio.h>

#include "cases.h"

typedef struct OpRules {
  const char *jvp, *transpose;
  int arity;
} OpRules;
static const OpRules ops[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = {#jvp, #transpose, arity},
#include "compiler/ir/ops.def"
#undef TW_OP
};

static const char *const names[TW_MUTATE_COUNT] = {
    "none",         "forward sign",   "forward factor",  "forward operand dropped",  "forward operands swapped",
    "reverse sign", "reverse factor", "reverse dropped", "reverse operands swapped", "reverse of the region"};

/* Ops whose first neighbouring operands of equal type can be swapped. */
static bool can_swap(TwOp op) {
  return op == TW_OP_concat || op == TW_OP_select || op == TW_OP_fma || op == TW_OP_dot ||
         (ops[op].arity == 2 && op != TW_OP_index);
}

/* Ops that can be linear in several operands of one type together. */
static bool can_swap_cotangents(TwOp op) {
  return op == TW_OP_add || op == TW_OP_sub || op == TW_OP_select || op == TW_OP_concat;
}

static bool has_place(TwOp op, TwAdMutation kind) {
  if (kind == TW_MUTATE_VJP_REGION) return op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond;
  if (kind == TW_MUTATE_VJP_SWAP) return can_swap_cotangents(op);
  if (kind >= TW_MUTATE_VJP_SIGN) return ops[op].transpose[0] == 'y';
  if (ops[op].jvp[0] == 'n') return false;
  return kind != TW_MUTATE_JVP_SWAP || can_swap(op);
}

/* NULL, or why the mutant is no mutant. */
static const char *equivalent(TwOp op, TwAdMutation kind) {
  return op == TW_OP_add && (kind == TW_MUTATE_JVP_SWAP || kind == TW_MUTATE_VJP_SWAP) ? "addition is symmetric" : NULL;
}

static bool killed(TwOp op, TwAdMutation kind) {
  Check c = {.rng = {11}, .quiet = true};
  for (uint32_t v = 0; !c.failures; v++) {
    TwArena arena = {0};
    TwModule *m = tw_module_new(&arena);
    Data x;
    const TwFn *f = case_build(m, op, v, &c.rng, &x);
    tw_mutate_op = op;
    tw_mutate_kind = kind;
    if (f) check_derivative(&c, f, &x, NULL, "mutant");
    tw_mutate_kind = TW_MUTATE_NONE;
    tw_arena_free(&arena);
    if (!f) break;
  }
  return c.failures > 0;
}

int main(void) {
  uint32_t mutants = 0, kills = 0, same = 0, alive_unmutated = 0;
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++) {
    alive_unmutated += killed(op, TW_MUTATE_NONE);
    for (int k = TW_MUTATE_NONE + 1; k < TW_MUTATE_COUNT; k++) {
      TwAdMutation kind = (TwAdMutation)k;
      if (!has_place(op, kind)) continue;
      bool dead = killed(op, kind);
      const char *why = equivalent(op, kind);
      if (why) {
        same++;
        printf("equivalent: %s, %s: %s\n", tw_op_name(op), names[k], why);
        if (dead) {
          printf("  but it was noticed: the list is wrong\n");
          mutants++;
        }
        continue;
      }
      mutants++;
      kills += dead;
      if (!dead) printf("SURVIVED: %s, %s\n", tw_op_name(op), names[k]);
    }
  }
  printf("mutants: %u killed of %u (%.1f%%), %u equivalent\n", kills, mutants, 100.0 * kills / mutants, same);
  if (alive_unmutated) printf("%u ops fail without a mutation\n", alive_unmutated);
  return kills != mutants || !mutants || alive_unmutated;
}
