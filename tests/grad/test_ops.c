/* test_ops.c: every op of ops.def, in every form, in first, second and third derivatives; with all params
 * active, and each one alone (rules must not need what is inactive). */
#include <stdio.h>

#include "cases.h"

static void alone(Check *c, const TwFn *f, const Data *x, const char *what) {
  for (uint32_t k = 0; k < f->params.len && f->params.len > 1; k++) {
    if (x->info[k].dtype != TW_REAL) continue;
    bool *active = TW_NEW_N(f->module->arena, bool, f->params.len);
    active[k] = true;
    check_derivative(c, f, x, active, what);
  }
}

int main(void) {
  Check c = {.rng = {7}};
  uint32_t cases = 0;
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++) {
    uint64_t before = c.compared;
    for (uint32_t v = 0;; v++) {
      TwArena arena = {0};
      TwModule *m = tw_module_new(&arena);
      Data x;
      const TwFn *f = case_build(m, op, v, &c.rng, &x);
      char what[64];
      snprintf(what, sizeof what, "%s, case %u", tw_op_name(op), v);
      if (f) {
        alone(&c, f, &x, what);
        check_orders(&c, f, &x, 3, what);
        cases++;
      }
      tw_arena_free(&arena);
      if (!f) break;
    }
    if (c.compared == before) check_fail(&c, tw_op_name(op), "nothing was compared");
  }
  printf("%u cases for %d ops\n", cases, TW_OP_COUNT - 1);
  return check_report(&c, "ops");
}
