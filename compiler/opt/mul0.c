/* mul0.c: what only derivatives need becomes what a machine has.
 *
 * requires: a sealed function that will not be differentiated again (a select in the place of mul0 would make
 *   the next derivative wrong, and a value without its stated partials has none).
 * provides: the same function without mul0: a = 0 or b = 0 ? 0 : a * b, at any depth of bodies; and without
 *   stop and along, which are their first operand. */
#include <math.h>

#include "compiler/opt/internal.h"

/* A factor that cannot make the product differ from the plain one. */
static bool is_tame(const TwFn *g, TwRef r) {
  double v;
  return tw_is_const(g, r, &v) && isfinite(v) && v != 0;
}

static TwRef strong_product(TwFn *g, TwRef a, TwRef b) {
  TwTy type = tw_type(g, a);
  TwRef zero = tw_zeros(g, type), args[2] = {a, b};
  TwRef product = tw_opt_op(g, TW_OP_mul, args, 2);
  if (is_tame(g, a) || is_tame(g, b)) return product;
  TwRef none = tw_binary(g, TW_OP_or, tw_binary(g, TW_OP_eq, a, zero), tw_binary(g, TW_OP_eq, b, zero));
  return tw_select(g, none, zero, product);
}

static const TwFn *lower_fn(TwPass *p, const TwFn *f) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (tw_opt_is_region(op)) {
      const TwRegion region = *tw_region(f, r);
      map[r] = tw_opt_with_body(p, g, f, r, map, lower_fn(p, region.body),
                                region.other ? lower_fn(p, region.other) : NULL);
    } else if (op == TW_OP_mul0) {
      g->at = tw_inst(f, r)->span;
      map[r] = strong_product(g, map[tw_arg(f, r, 0)], map[tw_arg(f, r, 1)]);
    } else if (op == TW_OP_stop || op == TW_OP_along) {
      map[r] = map[tw_arg(f, r, 0)];
    } else {
      map[r] = tw_opt_copy(g, f, r, map);
    }
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_lower_mul0(TwModule *m, const TwFn *f) {
  if (!tw_opt_has(f, TW_OP_mul0) && !tw_opt_has(f, TW_OP_stop) && !tw_opt_has(f, TW_OP_along)) return f;
  TwPass p = {.m = m};
  const TwFn *g = lower_fn(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}
