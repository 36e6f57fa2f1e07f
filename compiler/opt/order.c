/* order.c: the instructions of a loop's body in an order that needs few registers.
 *
 * requires: a sealed function in its final form; its bodies may have any order that is topological.
 * provides: the same function, in which the body of every scan is in depth-first order: results in turn, each
 *   after its operands, and each value followed at once by its users that are ready and leave no more values
 *   alive than there were. Bits are unchanged.
 *
 * Passes leave a derivative in breadth: all squares, then all products. A code generator's scheduler looks
 * over a window and keeps much of that, and on a machine with sixteen registers pays with spills. */
#include "compiler/opt/internal.h"

typedef struct Order {
  const TwFn *f;
  TwFn *g;
  TwRef *map;           /* into g; 0: not yet emitted */
  bool *in_memory;      /* per value: it is a constant or can be loaded when it is wanted */
  uint32_t *uses;       /* per value: users not yet emitted, and results */
  uint32_t *first_user; /* per value: where its users begin in `users`; one more at the end */
  TwRef *users;
} Order;

/* Live values after r, less those before. */
static int growth(const Order *o, TwRef r) {
  int n = o->uses[r] > 0;
  for (uint32_t k = 0; k < tw_inst(o->f, r)->n_args; k++) {
    TwRef a = tw_arg(o->f, r, k);
    uint32_t here = 0;
    bool first = true;
    for (uint32_t j = 0; j < tw_inst(o->f, r)->n_args; j++) {
      if (tw_arg(o->f, r, j) != a) continue;
      here++;
      if (j < k) first = false;
    }
    if (first && !o->in_memory[a] && o->uses[a] == here) n--;
  }
  return n;
}

static bool is_ready(const Order *o, TwRef r) {
  for (uint32_t k = 0; k < tw_inst(o->f, r)->n_args; k++)
    if (!o->map[tw_arg(o->f, r, k)]) return false;
  return true;
}

/* Depth is bounded: an eager user is emitted only when its operands are there. */
static void emit(Order *o, TwRef r) {
  o->map[r] = tw_copy_inst(o->g, o->f, r, o->map);
  for (uint32_t k = 0; k < tw_inst(o->f, r)->n_args; k++) o->uses[tw_arg(o->f, r, k)]--;
}

static void emit_eager(Order *o, TwRef *stack, TwRef r) {
  uint32_t n = 0;
  stack[n++] = r;
  while (n) {
    TwRef a = stack[--n];
    for (uint32_t k = o->first_user[a]; k < o->first_user[a + 1]; k++) {
      TwRef u = o->users[k];
      if (o->map[u] || !is_ready(o, u) || growth(o, u) > 0) continue;
      emit(o, u);
      stack[n++] = u;
    }
  }
}

/* r after its operands; without recursion, for bodies may be long chains. */
static void emit_deep(Order *o, TwRef *stack, TwRef *more, TwRef r) {
  uint32_t n = 0;
  stack[n++] = r;
  while (n) {
    TwRef a = stack[n - 1], next = 0;
    if (o->map[a]) {
      n--;
      continue;
    }
    for (uint32_t k = 0; k < tw_inst(o->f, a)->n_args && !next; k++)
      if (!o->map[tw_arg(o->f, a, k)]) next = tw_arg(o->f, a, k);
    if (next) {
      stack[n++] = next;
      continue;
    }
    emit(o, a);
    emit_eager(o, more, a);
  }
}

static void find_users(TwPass *p, Order *o) {
  uint32_t n = o->f->insts.len, total = 0;
  o->first_user = TW_NEW_N(&p->scratch, uint32_t, n + 1);
  for (TwRef r = 1; r < n; r++) total += tw_inst(o->f, r)->n_args;
  o->users = TW_NEW_N(&p->scratch, TwRef, total + 1);
  uint32_t *at = TW_NEW_N(&p->scratch, uint32_t, n + 1);
  for (TwRef r = 1; r < n; r++)
    for (uint32_t k = 0; k < tw_inst(o->f, r)->n_args; k++) at[tw_arg(o->f, r, k)]++;
  for (TwRef r = 1; r <= n; r++) o->first_user[r] = o->first_user[r - 1] + at[r - 1];
  for (TwRef r = 0; r < n; r++) at[r] = o->first_user[r];
  for (TwRef r = 1; r < n; r++)
    for (uint32_t k = 0; k < tw_inst(o->f, r)->n_args; k++) o->users[at[tw_arg(o->f, r, k)]++] = r;
}

static const TwFn *ordered(TwPass *p, const TwRegion *s) {
  const TwFn *f = s->body;
  uint32_t n = f->insts.len;
  for (TwRef r = 1; r < n; r++)
    if (tw_opt_is_region(tw_op(f, r))) return f;
  Order o = {.f = f, .in_memory = TW_NEW_N(&p->scratch, bool, n), .uses = tw_opt_uses(p, f)};
  o.g = tw_opt_open(p, f, &o.map);
  find_users(p, &o);
  for (TwRef r = 1; r < n; r++) o.in_memory[r] = tw_op(f, r) == TW_OP_const;
  for (uint32_t k = 0; k < f->params.len; k++)
    o.in_memory[f->params.at[k]] = k <= s->n_consts || k > s->n_consts + s->n_carry;
  TwRef *stack = TW_NEW_N(&p->scratch, TwRef, n), *more = TW_NEW_N(&p->scratch, TwRef, n);
  for (uint32_t k = 0; k < f->results.len; k++) emit_deep(&o, stack, more, f->results.at[k]);
  return tw_opt_close(o.g, f, o.map);
}

/* Bodies of scans, at any depth; those of other regions keep their order, which segments follow. */
static const TwFn *order_scans(TwPass *p, const TwFn *f) {
  f = tw_opt_bodies(p, f, order_scans);
  if (!tw_opt_has(f, TW_OP_scan)) return f;
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    if (tw_op(f, r) != TW_OP_scan) map[r] = tw_copy_inst(g, f, r, map);
    else map[r] = tw_opt_with_body(p, g, f, r, map, ordered(p, tw_region(f, r)), NULL);
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_order(TwModule *m, const TwFn *f) {
  TwPass p = {.m = m};
  const TwFn *g = order_scans(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}
