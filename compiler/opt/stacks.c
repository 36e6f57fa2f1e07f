/* stacks.c: what a scan in a body of samples leaves on its stacks.
 *
 * requires: a sealed function without mul0.
 * provides: the same function, in which
 *   - a product that a scan in a body of samples stacks for a sum over the samples alone is multiplied where it
 *     is added: the scan stacks the factors (unless they come from a stack anyway), the body of samples
 *     returns their product, and the loop over samples adds it by fma. So the gradient of a layer's weights
 *     needs no stack of its own. An outer product that is summed alone becomes a product of broadcasts likewise.
 *   - a comparison of one real with literals that a scan stacks for other scans is made where it is read,
 *     from a stack of that real: the mask of a relu comes from the activation.
 * The first changes the rounding of these sums, the second nothing. */
#include "compiler/opt/internal.h"

typedef enum Fate { KEPT, PRODUCT, MASK } Fate;

typedef struct Stacks { /* of one scan */
  const TwRegion *s;
  Fate *fate;      /* per y */
  TwVec(TwRef) ys; /* of the new scan: values of the body, those kept and new ones */
  TwRef region;    /* in the new function */
} Stacks;

typedef struct Rebuild {
  TwPass *p;
  const TwFn *f; /* a body of samples */
  uint32_t n_sums;
  uint32_t *uses, *sum_uses; /* per ref: all; as a sum */
  Stacks *of;                /* per ref; of scans */
  TwFn *g;
  TwRef *map;
} Rebuild;

static bool is_compare(TwOp op) { return op == TW_OP_lt || op == TW_OP_le || op == TW_OP_eq || op == TW_OP_ne; }

/* The one real that a comparison with a literal is about, or 0. */
static TwRef compared(const TwFn *b, TwRef r) {
  if (!is_compare(tw_op(b, r))) return 0;
  TwRef x = tw_arg(b, r, 0), y = tw_arg(b, r, 1);
  if (tw_info(b, x)->dtype != TW_REAL) return 0;
  if (tw_op(b, y) == TW_OP_const) return tw_op(b, x) == TW_OP_const ? 0 : x;
  return tw_op(b, x) == TW_OP_const ? y : 0;
}

static bool is_outer(const TwFn *b, TwRef r) {
  return tw_op(b, r) == TW_OP_dot && tw_attr(b, r, 0) == 0 && tw_info(b, r)->dtype == TW_REAL;
}
static bool is_product(const TwFn *b, TwRef r) {
  return is_outer(b, r) || (tw_op(b, r) == TW_OP_mul && tw_info(b, r)->dtype == TW_REAL);
}

/* ---- what is to be done */

/* Whether a stack is only read by scans, as an operand with a row for each iteration. */
static bool read_by_scans(const Rebuild *z, TwRef get) {
  uint32_t n = 0;
  for (TwRef r = get + 1; r < z->f->insts.len; r++) {
    if (tw_op(z->f, r) != TW_OP_scan) continue;
    const TwRegion *s = tw_region(z->f, r);
    for (uint32_t k = s->n_consts + s->n_carry; k < tw_inst(z->f, r)->n_args; k++) n += tw_arg(z->f, r, k) == get;
  }
  return n == z->uses[get];
}

static Fate fate_of(const Rebuild *z, TwRef scan, uint32_t y) {
  const TwRegion *s = z->of[scan].s;
  TwRef value = s->body->results.at[s->n_carry + y], get = 0;
  for (TwRef r = scan + 1; r < z->f->insts.len; r++)
    if (tw_op(z->f, r) == TW_OP_get && tw_arg(z->f, r, 0) == scan && tw_attr(z->f, r, 0) == (int64_t)(s->n_carry + y))
      get = r;
  if (!get) return KEPT;
  if (is_product(s->body, value) && z->sum_uses[get] == z->uses[get] && tw_info(z->f, get)->rank < TW_MAX_RANK)
    return PRODUCT;
  return compared(s->body, value) && read_by_scans(z, get) ? MASK : KEPT;
}

/* A stack of this value of the body is needed, unless it is there already or is no work to make. */
static void want(Rebuild *z, Stacks *t, TwRef v) {
  const TwFn *b = t->s->body;
  if (tw_op(b, v) == TW_OP_const) return;
  if (tw_op(b, v) == TW_OP_param) {
    uint32_t k = (uint32_t)tw_attr(b, v, 0);
    if (k <= t->s->n_consts || k > t->s->n_consts + t->s->n_carry) return;
  }
  for (uint32_t j = 0; j < t->ys.len; j++)
    if (t->ys.at[j] == v) return;
  tw_vec_push(&z->p->scratch, &t->ys, v);
}

static bool plan_scan(Rebuild *z, TwRef r) {
  Stacks *t = &z->of[r];
  bool any = false;
  t->s = tw_region(z->f, r);
  t->fate = TW_NEW_N(&z->p->scratch, Fate, t->s->n_ys + 1);
  for (uint32_t y = 0; y < t->s->n_ys; y++) {
    t->fate[y] = fate_of(z, r, y);
    any = any || t->fate[y] != KEPT;
    if (t->fate[y] == KEPT) tw_vec_push(&z->p->scratch, &t->ys, t->s->body->results.at[t->s->n_carry + y]);
  }
  const TwFn *b = t->s->body;
  for (uint32_t y = 0; y < t->s->n_ys; y++) {
    TwRef v = b->results.at[t->s->n_carry + y];
    if (t->fate[y] == MASK) want(z, t, compared(b, v));
    for (uint32_t k = 0; t->fate[y] == PRODUCT && k < 2; k++) want(z, t, tw_arg(b, v, k));
  }
  return any;
}

/* ---- doing it */

/* In the new function: the stack of a value of the scan's old body. */
static TwRef stack_of(Rebuild *z, TwRef scan, TwRef v) {
  const Stacks *t = &z->of[scan];
  const TwFn *b = t->s->body;
  TwTy type = tw_ty_lead(z->p->m, t->s->trip, tw_type(b, v));
  double value;
  if (tw_is_const(b, v, &value)) return tw_const(z->g, type, value);
  if (tw_op(b, v) == TW_OP_param) {
    uint32_t k = (uint32_t)tw_attr(b, v, 0) - 1, n = t->s->n_consts + t->s->n_carry;
    if (k >= n) return z->map[tw_arg(z->f, scan, k)];
    if (k < t->s->n_consts) {
      int64_t axes[TW_MAX_RANK];
      for (uint32_t j = 0; j < tw_info(b, v)->rank; j++) axes[j] = j + 1;
      return tw_broadcast(z->g, z->map[tw_arg(z->f, scan, k)], type, axes);
    }
  }
  for (uint32_t j = 0; j < t->ys.len; j++)
    if (t->ys.at[j] == v) return tw_get(z->g, t->region, t->s->n_carry + j);
  return 0; /* not reached: plan_scan wanted it */
}

/* The sum's addend, a product of tensors; `lead`: they have a leading axis in common. */
static TwRef outer(Rebuild *z, TwRef a, TwRef b, TwTy type, uint32_t lead) {
  int64_t axes[TW_MAX_RANK];
  uint32_t rank_a = tw_info(z->g, a)->rank, rank_b = tw_info(z->g, b)->rank;
  for (uint32_t k = 0; k < rank_a; k++) axes[k] = k;
  TwRef x = tw_broadcast(z->g, a, type, axes);
  for (uint32_t k = 0; k < rank_b; k++) axes[k] = k < lead ? k : k - lead + rank_a;
  return tw_binary(z->g, TW_OP_mul, x, tw_broadcast(z->g, b, type, axes));
}

static TwRef product_of(Rebuild *z, TwRef scan, TwRef v) {
  const Stacks *t = &z->of[scan];
  const TwFn *b = t->s->body;
  z->g->at = tw_inst(b, v)->span;
  TwRef x = stack_of(z, scan, tw_arg(b, v, 0)), y = stack_of(z, scan, tw_arg(b, v, 1));
  if (!is_outer(b, v)) return tw_binary(z->g, TW_OP_mul, x, y);
  return outer(z, x, y, tw_ty_lead(z->p->m, t->s->trip, tw_type(b, v)), 1);
}

/* If operand `a` of a scan is a comparison that is no longer stacked: the scan and the value it is made from. */
static TwRef mask_source(const Rebuild *z, TwRef a, TwRef *value) {
  if (tw_op(z->f, a) != TW_OP_get || tw_op(z->f, tw_arg(z->f, a, 0)) != TW_OP_scan) return 0;
  TwRef scan = tw_arg(z->f, a, 0);
  const Stacks *t = &z->of[scan];
  int64_t y = tw_attr(z->f, a, 0) - t->s->n_carry;
  if (y < 0 || t->fate[y] != MASK) return 0;
  *value = t->s->body->results.at[t->s->n_carry + y];
  return scan;
}

static TwRef compare_again(TwFn *g, const TwFn *b, TwRef v, TwRef x) {
  TwRef args[2];
  for (uint32_t k = 0; k < 2; k++) {
    double value;
    TwRef a = tw_arg(b, v, k);
    args[k] = tw_is_const(b, a, &value) ? tw_const(g, tw_type(b, a), value) : x;
  }
  g->at = tw_inst(b, v)->span;
  return tw_binary(g, tw_op(b, v), args[0], args[1]);
}

/* The scan with its new stacks and, for masks among its operands, the reals that these are made from. */
static TwRef emit_scan(Rebuild *z, TwRef r) {
  Stacks *t = &z->of[r];
  const TwFn *b = t->s->body;
  TwRegion s = *t->s;
  uint32_t n_args = tw_inst(z->f, r)->n_args, first = s.n_consts + s.n_carry;
  TwFn *to = tw_fn_new(z->p->m, b->name);
  TwRef *inner = TW_NEW_N(&z->p->scratch, TwRef, b->insts.len), *args = TW_NEW_N(&z->p->scratch, TwRef, n_args);
  inner[b->params.at[0]] = tw_param(to, tw_type(b, b->params.at[0]));
  for (uint32_t k = 0; k < n_args; k++) {
    TwRef a = tw_arg(z->f, r, k), p = b->params.at[k + 1], mask = 0;
    TwRef from = k < first ? 0 : mask_source(z, a, &mask);
    args[k] = z->map[a];
    const TwFn *made = from ? z->of[from].s->body : NULL;
    if (from) args[k] = stack_of(z, from, compared(made, mask));
    TwRef param = tw_param(to, from ? tw_type(made, compared(made, mask)) : tw_type(b, p));
    inner[p] = from ? compare_again(to, made, mask, param) : param;
  }
  for (TwRef q = 1; q < b->insts.len; q++)
    if (tw_op(b, q) != TW_OP_param) inner[q] = tw_opt_copy(to, b, q, inner);
  for (uint32_t k = 0; k < s.n_carry; k++) tw_result(to, inner[b->results.at[k]]);
  for (uint32_t j = 0; j < t->ys.len; j++) tw_result(to, inner[t->ys.at[j]]);
  s.body = tw_fn_seal(to);
  s.n_ys = t->ys.len;
  z->g->at = tw_inst(z->f, r)->span;
  return t->region = tw_emit_region(z->g, TW_OP_scan, &s, args, n_args);
}

static TwRef emit_get(Rebuild *z, TwRef r) {
  TwRef scan = tw_arg(z->f, r, 0);
  Stacks *t = &z->of[scan];
  uint32_t k = (uint32_t)tw_attr(z->f, r, 0), n = t->s->n_carry;
  if (k < n) return tw_get(z->g, t->region, k);
  TwRef value = t->s->body->results.at[k];
  if (t->fate[k - n] == PRODUCT) return product_of(z, scan, value);
  if (t->fate[k - n] == MASK) return 0; /* its readers take another */
  for (uint32_t j = 0;; j++)
    if (t->ys.at[j] == value) return tw_get(z->g, t->region, n + j);
}

static const TwFn *of_samples(TwPass *p, const TwFn *f, uint32_t n_sums) {
  Rebuild z = {.p = p, .f = f, .n_sums = n_sums, .uses = tw_opt_uses(p, f)};
  bool any = false;
  z.of = TW_NEW_N(&p->scratch, Stacks, f->insts.len);
  z.sum_uses = TW_NEW_N(&p->scratch, uint32_t, f->insts.len);
  for (uint32_t k = 0; k < n_sums; k++) z.sum_uses[f->results.at[k]]++;
  for (TwRef r = 1; r < f->insts.len; r++) {
    bool summed = z.sum_uses[r] && z.sum_uses[r] == z.uses[r];
    if (tw_op(f, r) == TW_OP_scan ? plan_scan(&z, r) : summed && is_outer(f, r)) any = true;
  }
  if (!any) return f;
  z.g = tw_opt_open(p, f, &z.map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    bool summed = z.sum_uses[r] && z.sum_uses[r] == z.uses[r];
    z.g->at = tw_inst(f, r)->span;
    if (op == TW_OP_scan) z.map[r] = emit_scan(&z, r);
    else if (op == TW_OP_get && z.of[tw_arg(f, r, 0)].s) z.map[r] = emit_get(&z, r);
    else if (summed && is_outer(f, r))
      z.map[r] = outer(&z, z.map[tw_arg(f, r, 0)], z.map[tw_arg(f, r, 1)], tw_type(f, r), 0);
    else z.map[r] = tw_opt_copy(z.g, f, r, z.map);
  }
  return tw_opt_close(z.g, f, z.map);
}

static const TwFn *stacks_fn(TwPass *p, const TwFn *f) {
  if (!tw_opt_has(f, TW_OP_samples)) return f;
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (!tw_opt_is_region(op)) {
      map[r] = tw_opt_copy(g, f, r, map);
      continue;
    }
    const TwRegion s = *tw_region(f, r);
    const TwFn *body = stacks_fn(p, s.body), *other = s.other ? stacks_fn(p, s.other) : NULL;
    if (op == TW_OP_samples) body = of_samples(p, body, s.n_carry);
    map[r] = tw_opt_with_body(p, g, f, r, map, body, other);
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_stacks(TwModule *m, const TwFn *f) {
  TwPass p = {.m = m};
  const TwFn *g = stacks_fn(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}
