/* clean.c: re-emission to a fixed point.
 *
 * requires: a sealed function.
 * provides: the same function, in which nothing is dead, computed twice, or could be folded, at any depth of
 *   bodies.
 * breaks: the rounding of sums over samples: one that uncovers a product by losing its sign or views is
 *   summed by fma, one of tensors that are added is taken apart. All other bits are unchanged.
 *
 * The builder folds, numbers, and narrows regions; what is added here moves work across their boundary:
 *   operands  of the form -v or a broadcast come in as what they are made of;
 *   results   leave without their sign; a sum over samples leaves without the views around it, so that a
 *             tensor of scalars is summed scalar by scalar and what nobody asks for is dropped; the sum over
 *             samples of a sum of tensors is the sum of their sums, so that tensors are only passed on. */
#include "compiler/ir/passes.h"
#include "compiler/opt/internal.h"

typedef TwVec(TwRef) Refs;

/* How an operand of a region is made inside: of operand `from` (of the new list), through one operation. */
typedef struct Inside {
  TwRef from;   /* in the outer function */
  TwOp through; /* none, neg or broadcast */
  const int64_t *axes;
  TwTy type; /* in the body */
} Inside;

static bool has_lead(TwOp op, const TwRegion *g, uint32_t k) {
  return op != TW_OP_cond && k >= g->n_consts + (op == TW_OP_scan ? g->n_carry : 0);
}

static bool is_carry(TwOp op, const TwRegion *g, uint32_t k) {
  return op == TW_OP_scan && k >= g->n_consts && k < g->n_consts + g->n_carry;
}

static Inside look_through(TwPass *p, TwFn *g, TwRef r, TwOp op, const TwRegion *region, uint32_t k, TwTy type) {
  Inside in = {.from = r, .type = type};
  if (is_carry(op, region, k)) return in;
  if (tw_op(g, r) == TW_OP_neg && tw_ty_info(p->m, type)->rank == 0) { /* free there, on a scalar */
    in.through = TW_OP_neg;
    in.from = tw_arg(g, r, 0);
  } else if (tw_op(g, r) == TW_OP_broadcast && !has_lead(op, region, k)) {
    uint32_t n = tw_inst(g, r)->n_attrs;
    int64_t *axes = TW_NEW_N(&p->scratch, int64_t, n);
    for (uint32_t j = 0; j < n; j++) axes[j] = tw_attr(g, r, j);
    in = (Inside){.from = tw_arg(g, r, 0), .through = TW_OP_broadcast, .axes = axes, .type = type};
  }
  return in;
}

/* ---- results: the leaves under signs and views */
static bool sheds(const TwFn *b, TwRef r, bool sum) {
  switch ((int)tw_op(b, r)) {
    case TW_OP_neg: return tw_info(b, r)->dtype == TW_REAL;
    case TW_OP_add:
    case TW_OP_sub: return sum && tw_info(b, r)->dtype == TW_REAL && tw_info(b, r)->rank > 0;
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_broadcast:
    case TW_OP_concat:
    case TW_OP_pad: return sum;
  }
  return false; /* anything else, a new operation too, is a leaf */
}

/* Collects the leaves of r that are not there yet; number[leaf] is its place + 1. */
static void leaves(TwPass *p, const TwFn *b, TwRef r, bool sum, Refs *out, uint32_t *number) {
  if (sheds(b, r, sum)) {
    for (uint32_t k = 0; k < tw_inst(b, r)->n_args; k++) leaves(p, b, tw_arg(b, r, k), sum, out, number);
    return;
  }
  if (number[r] || (sum && tw_is_zero(b, r))) return;
  tw_vec_push(&p->scratch, out, r);
  number[r] = out->len;
}

/* The result around its leaves, in the outer function; `stack`: with a leading axis (ys: signs only). */
static TwRef rebuild(TwPass *p, TwFn *g, const TwFn *b, TwRef r, bool sum, TwRef region, const uint32_t *number) {
  if (!sheds(b, r, sum)) return number[r] ? tw_get(g, region, number[r] - 1) : tw_zeros(g, tw_type(b, r));
  uint32_t n = tw_inst(b, r)->n_args;
  TwRef *parts = TW_NEW_N(&p->scratch, TwRef, n);
  for (uint32_t k = 0; k < n; k++) parts[k] = rebuild(p, g, b, tw_arg(b, r, k), sum, region, number);
  if (tw_opt_is_elementwise(tw_op(b, r))) return tw_opt_op(g, tw_op(b, r), parts, n);
  if (tw_op(b, r) == TW_OP_concat) return tw_concat(g, parts, n, tw_attr(b, r, 0));
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  map[tw_arg(b, r, 0)] = parts[0];
  return tw_opt_copy(g, b, r, map);
}

typedef struct Region {
  TwOp op;
  TwRegion old;
  TwRef *args; /* mapped operands */
  uint32_t n_args;
  TwRef *parts; /* out: the results */
} Region;

/* A new body: the old one cleaned, with its operands made inside. */
static const TwFn *inner(TwPass *p, TwFn *g, const TwFn *b, const Region *z, const Inside *in, uint32_t skip) {
  const TwFn *f = tw_clean_round(p, b);
  TwFn *to = tw_fn_new(p->m, f->name);
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, f->insts.len);
  uint32_t lead = z->op == TW_OP_scan;
  if (lead) map[f->params.at[0]] = tw_param(to, tw_ty_scalar(p->m, TW_INT));
  for (uint32_t k = 0; k < z->n_args - skip; k++) {
    TwTy t = tw_type(g, in[k].from);
    TwRef q = tw_param(to, has_lead(z->op, &z->old, k) ? tw_ty_tail(p->m, t) : t);
    if (in[k].through == TW_OP_neg) q = tw_unary(to, TW_OP_neg, q);
    else if (in[k].through == TW_OP_broadcast) q = tw_broadcast(to, q, in[k].type, in[k].axes);
    map[f->params.at[lead + k]] = q;
  }
  for (TwRef r = 1; r < f->insts.len; r++)
    if (tw_op(f, r) != TW_OP_param) map[r] = tw_opt_copy(to, f, r, map);
  return tw_opt_close(to, f, map);
}

/* b with other results. */
static const TwFn *returning(TwPass *p, const TwFn *b, const Refs *results) {
  TwRef *map;
  TwFn *to = tw_opt_open(p, b, &map);
  for (TwRef r = 1; r < b->insts.len; r++)
    if (tw_op(b, r) != TW_OP_param) map[r] = tw_opt_copy(to, b, r, map);
  for (uint32_t k = 0; k < results->len; k++) tw_result(to, map[results->at[k]]);
  return tw_fn_seal(to);
}

/* samples and scan: results shed what can be put around them outside. */
static void shed_results(TwPass *p, TwFn *g, const TwFn *body, Region *z, TwRegion *new, const TwRef *args) {
  bool samples = z->op == TW_OP_samples;
  uint32_t n = body->results.len, n_fixed = samples ? 0 : z->old.n_carry;
  const TwRef *old = body->results.at;
  uint32_t *sums = TW_NEW_N(&p->scratch, uint32_t, body->insts.len);
  uint32_t *ys = TW_NEW_N(&p->scratch, uint32_t, body->insts.len);
  Refs out = {0};
  for (uint32_t k = 0; k < n_fixed; k++) tw_vec_push(&p->scratch, &out, old[k]);
  for (uint32_t k = n_fixed; k < z->old.n_carry; k++) leaves(p, body, old[k], true, &out, sums);
  uint32_t n_carry = out.len;
  for (uint32_t k = z->old.n_carry; k < n; k++) leaves(p, body, old[k], false, &out, ys);
  new->body = returning(p, body, &out);
  new->n_carry = n_carry;
  new->n_ys = out.len - n_carry;
  TwRef region = tw_emit_region(g, z->op, new, args, z->n_args);
  for (uint32_t k = 0; k < n; k++) {
    if (k < n_fixed) z->parts[k] = tw_get(g, region, k);
    else z->parts[k] = rebuild(p, g, body, old[k], k < z->old.n_carry, region, k < z->old.n_carry ? sums : ys);
  }
}

static void clean_region(TwPass *p, TwFn *g, Region *z) {
  uint32_t skip = z->op == TW_OP_cond, lead = z->op == TW_OP_scan;
  Inside *in = TW_NEW_N(&p->scratch, Inside, z->n_args);
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, z->n_args);
  if (skip) args[0] = z->args[0];
  for (uint32_t k = skip; k < z->n_args; k++) {
    TwTy type = tw_type(z->old.body, z->old.body->params.at[lead + k - skip]);
    in[k - skip] = look_through(p, g, z->args[k], z->op, &z->old, k - skip, type);
    args[k] = in[k - skip].from;
  }
  TwRegion new = z->old;
  const TwFn *body = inner(p, g, z->old.body, z, in, skip);
  if (!skip) {
    shed_results(p, g, body, z, &new, args);
    return;
  }
  new.body = body;
  new.other = inner(p, g, z->old.other, z, in, skip);
  TwRef region = tw_emit_region(g, z->op, &new, args, z->n_args);
  for (uint32_t k = 0; k < z->old.n_ys; k++) z->parts[k] = tw_get(g, region, k);
}

const TwFn *tw_clean_round(TwPass *p, const TwFn *f) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  bool *live = tw_opt_live(p, f, NULL);
  TwRef **parts = TW_NEW_N(&p->scratch, TwRef *, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param || !live[r]) continue;
    if (op == TW_OP_get) {
      map[r] = parts[tw_arg(f, r, 0)][tw_attr(f, r, 0)];
    } else if (tw_opt_is_region(op)) {
      Region z = {.op = op, .old = *tw_region(f, r), .n_args = tw_inst(f, r)->n_args};
      z.args = TW_NEW_N(&p->scratch, TwRef, z.n_args);
      for (uint32_t k = 0; k < z.n_args; k++) z.args[k] = map[tw_arg(f, r, k)];
      z.parts = parts[r] = TW_NEW_N(&p->scratch, TwRef, tw_region_results(&z.old, op));
      g->at = tw_inst(f, r)->span;
      clean_region(p, g, &z);
    } else {
      map[r] = tw_opt_copy(g, f, r, map);
    }
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_clean(TwModule *m, const TwFn *f) {
  enum { MAX_ROUNDS = 8 };
  for (uint32_t round = 0; round < MAX_ROUNDS; round++) {
    TwPass p = {.m = m};
    const TwFn *g = tw_clean_round(&p, f);
    tw_arena_free(&p.scratch);
    if (tw_opt_equal(f, g)) return g;
    f = g;
  }
  return f;
}
