/* rebuild.c: what every pass needs to walk one function and emit another.
 *
 * Signs. Set_Weights writes the same number with both signs, and a number and its negative must be seen
 * to be one. So emission moves negation outwards: (-a) * b is -(a * b), a + (-b) is a - b. All of these
 * are exact in floating point, signed zeros included; -(a - b) = b - a is not, and is left alone. */
#include <string.h>

#include "compiler/ir/passes.h"
#include "compiler/opt/internal.h"

bool tw_opt_is_region(TwOp op) { return op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond; }

/* The shape column of ops.def says it. */
#define TW_SHAPE_leaf 0
#define TW_SHAPE_own 0
#define TW_SHAPE_same 1
#define TW_SHAPE_compare 1
#define TW_SHAPE_logic 1
#define TW_SHAPE_cast 1
#define TW_SHAPE_select 1
bool tw_opt_is_elementwise(TwOp op) {
  static const bool table[] = {
      [TW_OP_none] = false,
#define TW_OP(name, arity, shape, ...) [TW_OP_##name] = TW_SHAPE_##shape,
#include "compiler/ir/ops.def"
#undef TW_OP
  };
  return op < TW_OP_COUNT && table[op];
}

uint32_t *tw_opt_uses(TwPass *p, const TwFn *f) {
  uint32_t *uses = TW_NEW_N(&p->scratch, uint32_t, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++)
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) uses[tw_arg(f, r, k)]++;
  for (uint32_t k = 0; k < f->results.len; k++) uses[f->results.at[k]]++;
  return uses;
}

bool *tw_opt_live(TwPass *p, const TwFn *f, const bool *want) {
  bool *live = TW_NEW_N(&p->scratch, bool, f->insts.len);
  for (uint32_t k = 0; k < f->results.len; k++)
    if (!want || want[k]) live[f->results.at[k]] = true;
  for (TwRef r = f->insts.len - 1; r > 0; r--)
    if (live[r])
      for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) live[tw_arg(f, r, k)] = true;
  return live;
}

static bool same_region(const TwRegion *a, const TwRegion *b) {
  return a->trip == b->trip && a->reverse == b->reverse && a->n_consts == b->n_consts && a->n_carry == b->n_carry &&
         a->n_xs == b->n_xs && a->n_ys == b->n_ys && (a->body == b->body || tw_opt_equal(a->body, b->body)) &&
         (a->other == b->other || (a->other && b->other && tw_opt_equal(a->other, b->other)));
}

bool tw_opt_equal(const TwFn *a, const TwFn *b) {
  if (a->insts.len != b->insts.len || a->results.len != b->results.len || a->params.len != b->params.len) return false;
  for (uint32_t k = 0; k < a->results.len; k++)
    if (a->results.at[k] != b->results.at[k]) return false;
  for (TwRef r = 1; r < a->insts.len; r++) {
    const TwInst *x = tw_inst(a, r), *y = tw_inst(b, r);
    if (x->op != y->op || x->type != y->type || x->n_args != y->n_args || x->n_attrs != y->n_attrs) return false;
    for (uint32_t k = 0; k < x->n_args; k++)
      if (tw_arg(a, r, k) != tw_arg(b, r, k)) return false;
    for (uint32_t k = 0; k < x->n_attrs; k++)
      if (tw_attr(a, r, k) != tw_attr(b, r, k)) return false;
    if (tw_opt_is_region((TwOp)x->op) && !same_region(tw_region(a, r), tw_region(b, r))) return false;
  }
  return true;
}

/* x without its negation; *sign flips. */
static TwRef strip(TwFn *g, TwRef x, bool *negative) {
  while (tw_op(g, x) == TW_OP_neg) {
    x = tw_arg(g, x, 0);
    *negative = !*negative;
  }
  return x;
}

TwRef tw_opt_op(TwFn *g, TwOp op, const TwRef *args, uint32_t n) {
  if (n == 1) return tw_unary(g, op, args[0]);
  if (n == 3)
    return op == TW_OP_select  ? tw_select(g, args[0], args[1], args[2])
           : op == TW_OP_along ? tw_along(g, args[0], args[1], args[2])
                               : tw_fma(g, args[0], args[1], args[2]);
  if (op == TW_OP_mul || op == TW_OP_div) {
    if (tw_info(g, args[0])->dtype == TW_REAL) {
      bool negative = false;
      TwRef a = strip(g, args[0], &negative), b = strip(g, args[1], &negative);
      TwRef r = tw_binary(g, op, a, b);
      return negative ? tw_unary(g, TW_OP_neg, r) : r;
    }
  } else if (op == TW_OP_add) {
    if (tw_op(g, args[1]) == TW_OP_neg) return tw_binary(g, TW_OP_sub, args[0], tw_arg(g, args[1], 0));
    if (tw_op(g, args[0]) == TW_OP_neg) return tw_binary(g, TW_OP_sub, args[1], tw_arg(g, args[0], 0));
  } else if (op == TW_OP_sub) {
    if (tw_op(g, args[1]) == TW_OP_neg) return tw_binary(g, TW_OP_add, args[0], tw_arg(g, args[1], 0));
  }
  return tw_binary(g, op, args[0], args[1]);
}

TwRef tw_opt_copy(TwFn *g, const TwFn *f, TwRef r, const TwRef *map) {
  g->at = tw_inst(f, r)->span;
  TwOp op = tw_op(f, r);
  if (tw_opt_is_elementwise(op)) {
    TwRef args[3] = {0};
    uint32_t n = tw_inst(f, r)->n_args;
    for (uint32_t k = 0; k < n; k++) args[k] = map[tw_arg(f, r, k)];
    return tw_opt_op(g, op, args, n);
  }
  TwRef q = tw_copy_inst(g, f, r, map);
  return tw_view_is(g, q) ? tw_view_direct(g, q) : q;
}

TwRef tw_opt_with_body(TwPass *p, TwFn *g, const TwFn *f, TwRef r, const TwRef *map, const TwFn *body,
                       const TwFn *other) {
  TwRegion region = *tw_region(f, r);
  uint32_t n = tw_inst(f, r)->n_args;
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, n);
  for (uint32_t k = 0; k < n; k++) args[k] = map[tw_arg(f, r, k)];
  region.body = body;
  region.other = other;
  g->at = tw_inst(f, r)->span;
  return tw_emit_region(g, tw_op(f, r), &region, args, n);
}

TwFn *tw_opt_open(TwPass *p, const TwFn *f, TwRef **map) {
  TwFn *g = tw_fn_new(p->m, f->name);
  *map = TW_NEW_N(&p->scratch, TwRef, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) (*map)[f->params.at[k]] = tw_param(g, tw_type(f, f->params.at[k]));
  return g;
}

const TwFn *tw_opt_close(TwFn *g, const TwFn *f, const TwRef *map) {
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(g, map[f->results.at[k]]);
  return tw_fn_seal(g);
}

bool tw_opt_has(const TwFn *f, TwOp op) {
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp o = tw_op(f, r);
    if (o == op) return true;
    if (!tw_opt_is_region(o)) continue;
    const TwRegion *s = tw_region(f, r);
    if (tw_opt_has(s->body, op) || (s->other && tw_opt_has(s->other, op))) return true;
  }
  return false;
}

const TwFn *tw_opt_bodies(TwPass *p, const TwFn *f, const TwFn *(*pass)(TwPass *p, const TwFn *f)) {
  const TwFn **body = TW_NEW_N(&p->scratch, const TwFn *, f->insts.len),
             **other = TW_NEW_N(&p->scratch, const TwFn *, f->insts.len);
  bool changed = false;
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!tw_opt_is_region(tw_op(f, r))) continue;
    const TwRegion s = *tw_region(f, r);
    body[r] = pass(p, s.body);
    other[r] = s.other ? pass(p, s.other) : NULL;
    changed = changed || body[r] != s.body || other[r] != s.other;
  }
  if (!changed) return f;
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    map[r] = body[r] ? tw_opt_with_body(p, g, f, r, map, body[r], other[r]) : tw_opt_copy(g, f, r, map);
  }
  return tw_opt_close(g, f, map);
}
