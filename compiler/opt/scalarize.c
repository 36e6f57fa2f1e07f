/* scalarize.c: small tensors become one scalar an element.
 *
 * requires: a sealed function; loops that should be unrolled are.
 * provides: the same function, in which bodies of regions compute on scalars, and what goes into them and
 *   comes out is scalars: a small const operand is one operand an element, a small sum one sum an element,
 *   the [T, 4] that a loop reads or writes four columns [T]. A literal among them is a literal in the body.
 * breaks: the rounding of a dot, until contract has run (scalar_ops.c).
 *
 * At the top level of a function only what pays is split: what a dot, a region or a literal structure takes
 * apart. An elementwise chain over a vector that nobody takes apart stays a chain of vector operations, and
 * elements of such vectors are loads. A body is left as it is if it computes on tensors that are not small:
 * those want the tensor code, and packing and unpacking around it would cost more than it gains. */
#include <string.h>

#include "compiler/opt/scalarize.h"

bool tw_split_small(const TwScalarize *s, TwTy type) {
  const TwTyInfo *t = tw_ty_info(s->pass->m, type);
  return t->dtype != TW_TUPLE && t->count > 0 && (s->everything || t->count <= s->pass->limits.scalar_count);
}

/* ---- the two forms of a value */
TwRef tw_split_whole_of(TwScalarize *s, TwSplit *v) {
  if (!v->whole) v->whole = v->splat ? tw_fit(s->g, v->elem[0], v->type) : tw_view_pack(s->g, v->type, v->elem);
  return v->whole;
}

TwRef tw_split_elem_of(TwScalarize *s, TwSplit *v, int64_t k) {
  return v->elem ? v->elem[v->splat ? 0 : k] : tw_view_elem(s->g, v->whole, k);
}

static void make_dot(TwScalarize *s, TwRef r) {
  TwSplit *v = &s->val[r];
  if (v->whole || v->elem) return;
  v->elem = TW_NEW_N(&s->pass->scratch, TwRef, tw_ty_info(s->pass->m, v->type)->count);
  tw_split_emit(s, r, v->elem);
}

TwRef tw_split_whole(TwScalarize *s, TwRef r) {
  make_dot(s, r);
  return tw_split_whole_of(s, &s->val[r]);
}

TwRef tw_split_elem(TwScalarize *s, TwRef r, int64_t k) {
  make_dot(s, r);
  return tw_split_elem_of(s, &s->val[r], k);
}

/* ---- may a body be computed on scalars, and how large will it be? UINT32_MAX: no */
static uint32_t saturating(uint64_t n) { return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX; }

static uint32_t body_cost(const TwScalarize *s, const TwFn *f);

static uint32_t inst_cost(const TwScalarize *s, const TwFn *f, TwRef r) {
  TwOp op = tw_op(f, r);
  uint64_t count = (uint64_t)tw_info(f, r)->count;
  if (tw_opt_is_region(op)) {
    const TwRegion *region = tw_region(f, r);
    uint32_t a = body_cost(s, region->body), b = region->other ? body_cost(s, region->other) : 0;
    return saturating((uint64_t)a + b);
  }
  if (op == TW_OP_get || op == TW_OP_param || op == TW_OP_const || op == TW_OP_index || tw_view_is(f, r)) return 0;
  bool small = tw_split_small(s, tw_type(f, r));
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args && small; k++) small = tw_split_small(s, tw_type(f, tw_arg(f, r, k)));
  if (!small) return UINT32_MAX;
  if (op == TW_OP_dot) return saturating(2 * count * (uint64_t)tw_split_dot_length(f, r));
  uint64_t from = tw_inst(f, r)->n_args ? (uint64_t)tw_info(f, tw_arg(f, r, 0))->count : 1;
  return saturating(from > count ? from : count);
}

static uint32_t body_cost(const TwScalarize *s, const TwFn *f) {
  uint64_t total = 0;
  for (TwRef r = 1; r < f->insts.len; r++) total = saturating(total + inst_cost(s, f, r));
  return (uint32_t)total;
}

/* ---- regions: how each param of the old body is made of params of the new one */
typedef enum BindKind { BIND_LITERAL, BIND_CONST, BIND_CARRY, BIND_X, BIND_COUNTER } BindKind;
typedef struct Bind {
  BindKind kind;
  uint32_t slot;
  bool negative;
  double literal;
  TwTy type; /* in the body */
} Bind;
typedef struct Operand {
  uint32_t n; /* binds: one, or one an element, or one a column */
  Bind *bind;
  bool split, columns;
  TwTy type; /* of the old param */
} Operand;
typedef TwVec(TwRef) Refs;
typedef struct Boundary {
  Refs consts, carries, xs; /* operands of the new region */
  Operand *operands;        /* per operand of the old one, the predicate of a cond left out */
  uint32_t n;
  TwOp op;
} Boundary;

static uint32_t slot_of(TwScalarize *s, Refs *refs, TwRef r) {
  for (uint32_t k = 0; k < refs->len; k++)
    if (refs->at[k] == r) return k;
  tw_vec_push(&s->pass->scratch, refs, r);
  return refs->len - 1;
}

/* `signs`: a negation is made inside. It costs nothing there on a scalar, or on a column that goes on to a
 * loop. */
static Bind bind_const(TwScalarize *s, Boundary *b, TwRef r, bool signs) {
  Bind d = {.kind = BIND_CONST, .type = tw_type(s->g, r)};
  if (tw_is_const(s->g, r, &d.literal)) {
    d.kind = BIND_LITERAL;
    return d;
  }
  while (signs && tw_op(s->g, r) == TW_OP_neg && tw_info(s->g, r)->dtype == TW_REAL) {
    r = tw_arg(s->g, r, 0);
    d.negative = !d.negative;
  }
  d.slot = slot_of(s, &b->consts, r);
  return d;
}

static Bind bind_x(TwScalarize *s, Boundary *b, TwRef r) {
  TwFn *g = s->g;
  Bind d = {.kind = BIND_X, .type = tw_ty_tail(s->pass->m, tw_type(g, r))};
  if (tw_is_const(g, r, &d.literal)) {
    d.kind = BIND_LITERAL;
    return d;
  }
  while (tw_info(g, r)->rank == 1 && tw_op(g, r) == TW_OP_neg && tw_info(g, r)->dtype == TW_REAL) {
    r = tw_arg(g, r, 0);
    d.negative = !d.negative;
  }
  if (tw_op(g, r) == TW_OP_broadcast && tw_info(g, tw_arg(g, r, 0))->rank == 0 && tw_info(g, r)->rank == 1) {
    d.kind = BIND_CONST;
    d.slot = slot_of(s, &b->consts, tw_arg(g, r, 0));
  } else if (tw_op(g, r) == TW_OP_iota && b->op == TW_OP_scan) {
    d.kind = BIND_COUNTER;
  } else {
    d.slot = slot_of(s, &b->xs, r);
  }
  return d;
}

typedef enum Group { GROUP_CONST, GROUP_CARRY, GROUP_X } Group;

/* Does anybody look at single elements of r, or is it only read and written row by row by loops? */
static bool takes_elements(const TwFn *f, TwRef r);

/* A literal or a param to which elements are added at places that are found when it runs, as to the gradient of what is
 * indexed. */
static bool is_added_to(const TwFn *f, TwRef r, bool *any) {
  double literal;
  while (tw_op(f, r) == TW_OP_add_at && !tw_is_const(f, tw_arg(f, r, 1), &literal)) {
    r = tw_arg(f, r, 0);
    *any = true;
  }
  return tw_op(f, r) == TW_OP_param || tw_is_const(f, r, &literal);
}

/* Is result k of a cond such a tensor, in either branch? As scalars it would be taken apart and added element by
 * element, wherever the elements are that are not zero. */
static bool branches_add_to(const TwRegion *cond, uint32_t k) {
  bool any = false;
  if (!is_added_to(cond->body, cond->body->results.at[k], &any)) return false;
  return is_added_to(cond->other, cond->other->results.at[k], &any) && any;
}

static bool comes_from_branches(const TwFn *f, TwRef r) {
  if (tw_op(f, r) != TW_OP_get || tw_info(f, r)->rank == 0 || tw_op(f, tw_arg(f, r, 0)) != TW_OP_cond) return false;
  return branches_add_to(tw_region(f, tw_arg(f, r, 0)), (uint32_t)tw_attr(f, r, 0));
}

static bool use_takes_elements(const TwFn *f, TwRef user, uint32_t k) {
  TwOp op = tw_op(f, user);
  if (op == TW_OP_add && comes_from_branches(f, tw_arg(f, user, 1 - k))) return takes_elements(f, user);
  if (tw_opt_is_region(op)) {
    const TwRegion *s = tw_region(f, user);
    uint32_t skip = op == TW_OP_cond, lead = op == TW_OP_scan;
    if (k < skip) return true;
    k -= skip;
    if (k >= s->n_consts) return op == TW_OP_scan && k < s->n_consts + s->n_carry;
    if (takes_elements(s->body, s->body->params.at[lead + k])) return true;
    return s->other && takes_elements(s->other, s->other->params.at[k]);
  }
  if (op == TW_OP_index && k == 0 && !tw_view_is(f, user)) return false;
  if (op == TW_OP_add_at && k == 0 && !tw_is_const(f, tw_arg(f, user, 1), &(double){0})) return takes_elements(f, user);
  if (tw_view_is(f, user)) return tw_info(f, user)->rank == 0 || takes_elements(f, user);
  return true;
}

static bool takes_elements(const TwFn *f, TwRef r) {
  if (tw_info(f, r)->rank == 0) return true;
  for (TwRef u = r + 1; u < f->insts.len; u++)
    for (uint32_t k = 0; k < tw_inst(f, u)->n_args; k++)
      if (tw_arg(f, u, k) == r && use_takes_elements(f, u, k)) return true;
  return false;
}

/* The same of operand k, the predicate of a cond left out; a branch that hands it on wants it as its results are. */
static bool region_takes_elements(const TwRegion *region, TwOp op, uint32_t k) {
  uint32_t lead = op == TW_OP_scan;
  for (const TwFn *f = region->body; f; f = f == region->body ? region->other : NULL) {
    if (takes_elements(f, f->params.at[lead + k])) return true;
    for (uint32_t j = 0; op == TW_OP_cond && j < f->results.len; j++)
      if (f->results.at[j] == f->params.at[k] && !branches_add_to(region, j)) return true;
  }
  return false;
}

static void bind_operand(TwScalarize *s, Boundary *b, Operand *o, TwRef r, Group group, bool takes) {
  TwTyInfo t = *tw_ty_info(s->pass->m, o->type);
  o->split = tw_split_small(s, o->type) && t.rank > 0 && (s->everything || group == GROUP_X || takes);
  int64_t width = t.rank > 1 && t.dims[0] > 0 ? t.count / t.dims[0] : 0;
  o->columns = !o->split && group == GROUP_CONST && b->op != TW_OP_cond && width > 0 &&
               width <= s->pass->limits.scalar_count && !takes;
  o->n = o->split ? (uint32_t)t.count : o->columns ? (uint32_t)width : 1;
  o->bind = TW_NEW_N(&s->pass->scratch, Bind, o->n);
  for (uint32_t k = 0; k < o->n; k++) {
    if (o->columns) {
      o->bind[k] = bind_const(s, b, tw_view_column(s->g, tw_split_whole(s, r), k), true);
      continue;
    }
    if (group == GROUP_X) {
      TwRef whole = tw_split_whole(s, r);
      o->bind[k] = bind_x(s, b, o->split ? tw_view_column(s->g, whole, k) : whole);
      continue;
    }
    TwRef x = o->split ? tw_split_elem(s, r, k) : tw_split_whole(s, r);
    if (group == GROUP_CONST) {
      o->bind[k] = bind_const(s, b, x, tw_info(s->g, x)->rank == 0);
    } else {
      o->bind[k] = (Bind){.kind = BIND_CARRY, .slot = b->carries.len, .type = tw_type(s->g, x)};
      tw_vec_push(&s->pass->scratch, &b->carries, x);
    }
  }
}

typedef struct BodyParams {
  TwRef counter, *consts, *carries, *xs;
} BodyParams;

static TwRef *add_params(TwPass *p, TwFn *to, const TwFn *g, const Refs *refs, bool tail) {
  TwRef *out = TW_NEW_N(&p->scratch, TwRef, refs->len);
  for (uint32_t k = 0; k < refs->len; k++) {
    TwTy t = tw_type(g, refs->at[k]);
    out[k] = tw_param(to, tail ? tw_ty_tail(p->m, t) : t);
  }
  return out;
}

static TwRef bound(TwFn *to, const BodyParams *q, const Bind *d) {
  TwRef r = 0;
  switch (d->kind) {
    case BIND_LITERAL: return tw_const(to, d->type, d->literal);
    case BIND_COUNTER: r = q->counter; break;
    case BIND_CONST: r = q->consts[d->slot]; break;
    case BIND_CARRY: r = q->carries[d->slot]; break;
    case BIND_X: r = q->xs[d->slot]; break;
  }
  return d->negative ? tw_unary(to, TW_OP_neg, r) : r;
}

static void run(TwScalarize *s);
static void find_demand(TwScalarize *s);

static void prepare(TwScalarize *s) {
  s->val = TW_NEW_N(&s->pass->scratch, TwSplit, s->f->insts.len);
  for (TwRef r = 1; r < s->f->insts.len; r++) s->val[r].type = tw_type(s->f, r);
  s->uses = tw_opt_uses(s->pass, s->f);
  find_demand(s);
}

/* Is result k of a region to leave as scalars? A carry is what it came in as; both branches of a cond agree.
 */
static bool splits_result(TwScalarize *s, const Boundary *b, const TwRegion *region, uint32_t k) {
  TwRef r = s->f->results.at[k];
  if (!tw_split_small(s, tw_type(s->f, r))) return false;
  if (tw_info(s->f, r)->rank == 0) return true;
  if (b->op == TW_OP_cond) return s->everything || !branches_add_to(region, k);
  if (b->op == TW_OP_scan && k < region->n_carry) return b->operands[region->n_consts + k].split;
  return s->val[r].split;
}

typedef TwVec(bool) Signs; /* per scalar result: it leaves without its negation */

static const TwFn *split_body(TwScalarize *outer, const Boundary *b, const TwRegion *region, const TwFn *f,
                              bool *splits, Signs *signs) {
  TwPass *p = outer->pass;
  TwScalarize s = {.pass = p, .f = f, .g = tw_fn_new(p->m, f->name), .body = true, .everything = outer->everything};
  prepare(&s);
  BodyParams q = {0};
  uint32_t at = 0;
  if (b->op == TW_OP_scan) {
    q.counter = tw_param(s.g, tw_ty_scalar(p->m, TW_INT));
    s.val[f->params.at[at++]].whole = q.counter;
  }
  q.consts = add_params(p, s.g, outer->g, &b->consts, false);
  q.carries = add_params(p, s.g, outer->g, &b->carries, false);
  q.xs = add_params(p, s.g, outer->g, &b->xs, true);
  for (uint32_t k = 0; k < b->n; k++) {
    const Operand *o = &b->operands[k];
    TwSplit *v = &s.val[f->params.at[at + k]];
    v->split = o->split;
    v->stack = !o->split && tw_ty_info(p->m, o->type)->rank > 0;
    TwRef *made = TW_NEW_N(&p->scratch, TwRef, o->n);
    for (uint32_t e = 0; e < o->n; e++) made[e] = bound(s.g, &q, &o->bind[e]);
    if (o->split) v->elem = made;
    else v->whole = o->columns ? tw_view_columns(s.g, o->type, made) : made[0];
  }
  run(&s);
  for (uint32_t k = 0; k < f->results.len; k++) {
    TwRef r = f->results.at[k];
    int64_t count = tw_info(f, r)->count;
    splits[k] = splits_result(&s, b, region, k);
    if (!splits[k]) {
      tw_result(s.g, tw_split_whole(&s, r));
      tw_vec_push(&p->scratch, signs, false);
      continue;
    }
    for (int64_t e = 0; e < count; e++) {
      TwRef x = tw_split_elem(&s, r, e);
      bool negative = b->op != TW_OP_cond && k >= region->n_carry && tw_op(s.g, x) == TW_OP_neg &&
                      tw_info(s.g, x)->dtype == TW_REAL;
      tw_result(s.g, negative ? tw_arg(s.g, x, 0) : x);
      tw_vec_push(&p->scratch, signs, negative);
    }
  }
  return tw_fn_seal(s.g);
}

/* The new region's results, put together as those of the old one. */
static void take_results(TwScalarize *s, TwRef r, const TwRegion *old, const bool *splits, const Signs *signs,
                         TwRef region) {
  uint32_t n = tw_region_results(old, tw_op(s->f, r)), at = 0;
  bool stacks = tw_op(s->f, r) != TW_OP_cond;
  TwSplit *parts = TW_NEW_N(&s->pass->scratch, TwSplit, n);
  for (uint32_t k = 0; k < n; k++) {
    TwTy inner = tw_type(old->body, old->body->results.at[k]);
    int64_t count = tw_ty_info(s->pass->m, inner)->count;
    bool is_y = stacks && k >= old->n_carry;
    parts[k].type = is_y ? tw_ty_lead(s->pass->m, old->trip, inner) : inner;
    parts[k].stack = (is_y || !(stacks || splits[k])) && tw_ty_info(s->pass->m, parts[k].type)->rank > 0;
    if (!splits[k]) {
      parts[k].whole = tw_get(s->g, region, at++);
      continue;
    }
    TwRef *elem = TW_NEW_N(&s->pass->scratch, TwRef, count);
    for (int64_t e = 0; e < count; e++, at++) {
      elem[e] = tw_get(s->g, region, at);
      if (signs->at[at]) elem[e] = tw_unary(s->g, TW_OP_neg, elem[e]);
    }
    if (is_y) {
      parts[k].whole = tw_view_columns(s->g, parts[k].type, elem);
    } else {
      parts[k].elem = elem;
      parts[k].split = true;
    }
  }
  s->val[r].parts = parts;
}

static void split_region(TwScalarize *s, TwRef r) {
  const TwFn *f = s->f;
  TwPass *p = s->pass;
  TwRegion region = *tw_region(f, r);
  Boundary b = {.op = tw_op(f, r)};
  uint32_t skip = b.op == TW_OP_cond, lead = b.op == TW_OP_scan;
  uint32_t n_carries = lead ? region.n_carry : 0;
  b.n = tw_inst(f, r)->n_args - skip;
  b.operands = TW_NEW_N(&p->scratch, Operand, b.n);
  for (uint32_t k = 0; k < b.n; k++) {
    Group group = k < region.n_consts ? GROUP_CONST : k < region.n_consts + n_carries ? GROUP_CARRY : GROUP_X;
    b.operands[k].type = tw_type(region.body, region.body->params.at[lead + k]);
    bind_operand(s, &b, &b.operands[k], tw_arg(f, r, skip + k), group, region_takes_elements(&region, b.op, k));
  }
  bool *splits = TW_NEW_N(&p->scratch, bool, region.body->results.len);
  TwRegion new = {.trip = region.trip, .reverse = region.reverse};
  Signs signs = {0};
  new.body = split_body(s, &b, &region, region.body, splits, &signs);
  new.other = region.other ? split_body(s, &b, &region, region.other, splits, &signs) : NULL;
  new.n_consts = b.consts.len;
  new.n_xs = b.xs.len;
  uint32_t n_carry_results = 0;
  for (uint32_t k = 0; k < region.n_carry; k++) {
    TwTy t = tw_type(region.body, region.body->results.at[k]);
    n_carry_results += splits[k] ? (uint32_t)tw_ty_info(p->m, t)->count : 1;
  }
  new.n_carry = n_carry_results;
  new.n_ys = new.body->results.len - n_carry_results;
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, skip + b.consts.len + b.carries.len + b.xs.len);
  uint32_t n = 0;
  if (skip) args[n++] = tw_split_whole(s, tw_arg(f, r, 0));
  for (uint32_t k = 0; k < b.consts.len; k++) args[n++] = b.consts.at[k];
  for (uint32_t k = 0; k < b.carries.len; k++) args[n++] = b.carries.at[k];
  for (uint32_t k = 0; k < b.xs.len; k++) args[n++] = b.xs.at[k];
  s->g->at = tw_inst(f, r)->span;
  take_results(s, r, &region, splits, &signs, tw_emit_region(s->g, b.op, &new, args, n));
}

/* A region whose body stays: operands whole, results as they come. */
static void keep_region(TwScalarize *s, TwRef r) {
  TwRegion region = *tw_region(s->f, r);
  uint32_t n_args = tw_inst(s->f, r)->n_args, n = tw_region_results(&region, tw_op(s->f, r));
  TwRef *args = TW_NEW_N(&s->pass->scratch, TwRef, n_args);
  for (uint32_t k = 0; k < n_args; k++) args[k] = tw_split_whole(s, tw_arg(s->f, r, k));
  s->g->at = tw_inst(s->f, r)->span;
  TwRef q = tw_emit_region(s->g, tw_op(s->f, r), &region, args, n_args);
  TwSplit *parts = TW_NEW_N(&s->pass->scratch, TwSplit, n);
  for (uint32_t k = 0; k < n; k++) {
    parts[k].whole = tw_get(s->g, q, k);
    parts[k].type = tw_type(s->g, parts[k].whole);
  }
  s->val[r].parts = parts;
}

static bool splits_region(const TwScalarize *s, const TwFn *f, TwRef r) {
  return inst_cost(s, f, r) <= s->pass->limits.scalar_size;
}

/* ---- who takes elements: a dot or a split region does; elementwise operations and views ask for what is
 * asked of them; a single element taken from a vector counts too. */
static void find_demand(TwScalarize *s) {
  const TwFn *f = s->f;
  s->demand = TW_NEW_N(&s->pass->scratch, bool, f->insts.len);
  if (s->body) return;
  for (TwRef r = f->insts.len - 1; r > 0; r--) {
    TwOp op = tw_op(f, r);
    bool ask = false, region = tw_opt_is_region(op);
    if (op == TW_OP_dot) ask = tw_split_can(s, r);
    else if (region) ask = splits_region(s, f, r);
    else if (tw_view_is(f, r)) ask = s->demand[r] || tw_info(f, r)->rank == 0;
    else if (tw_opt_is_elementwise(op)) ask = s->demand[r];
    for (uint32_t k = 0; ask && k < tw_inst(f, r)->n_args; k++)
      if (!region || use_takes_elements(f, r, k)) s->demand[tw_arg(f, r, k)] = true;
  }
}

/* ---- single instructions */
typedef enum Form { FORM_WHOLE, FORM_SPLIT, FORM_SPLAT } Form;

static bool is_split(const TwSplit *v) { return v->split && !v->splat; }

/* Maps and views of stacks are stacks; what reduces them to a scalar takes their elements. */
static bool stays_stack(TwScalarize *s, TwRef r) {
  const TwFn *f = s->f;
  bool maps = tw_opt_is_elementwise(tw_op(f, r)) || tw_view_is(f, r);
  if (s->everything || !maps || tw_info(f, r)->rank == 0) return false;
  bool any = false;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    const TwSplit *v = &s->val[tw_arg(f, r, k)];
    if (is_split(v) && !v->splat) return false;
    any = any || v->stack;
  }
  return any;
}

static Form choose(TwScalarize *s, TwRef r) {
  const TwFn *f = s->f;
  TwOp op = tw_op(f, r);
  if (!tw_split_can(s, r)) return FORM_WHOLE;
  if (s->body) return stays_stack(s, r) ? FORM_WHOLE : FORM_SPLIT;
  if (op == TW_OP_const) return FORM_SPLAT;
  if (op == TW_OP_dot) return FORM_SPLIT;
  if (op == TW_OP_iota) return FORM_WHOLE;
  uint32_t n = tw_inst(f, r)->n_args, splits = 0, splats = 0;
  for (uint32_t k = 0; k < n; k++) {
    const TwSplit *v = &s->val[tw_arg(f, r, k)];
    splits += is_split(v);
    splats += v->splat || (op == TW_OP_broadcast && tw_ty_info(s->pass->m, v->type)->rank == 0);
  }
  bool maps = tw_opt_is_elementwise(op);
  if (splats == n) {
    if (maps || op == TW_OP_broadcast || op == TW_OP_reshape) return FORM_SPLAT;
    return op == TW_OP_concat ? FORM_SPLIT : FORM_WHOLE;
  }
  if (splits == 0) return FORM_WHOLE;
  if (splits + splats == n) return FORM_SPLIT;
  return s->demand[r] ? FORM_SPLIT : FORM_WHOLE;
}

static void emit_splat(TwScalarize *s, TwRef r, TwSplit *v) {
  const TwFn *f = s->f;
  TwRef args[3] = {0};
  uint32_t n = tw_inst(f, r)->n_args;
  for (uint32_t k = 0; k < n; k++) args[k] = tw_split_elem(s, tw_arg(f, r, k), 0);
  v->elem = TW_NEW(&s->pass->scratch, TwRef);
  double value = 0;
  s->g->at = tw_inst(f, r)->span;
  if (tw_is_const(f, r, &value)) v->elem[0] = tw_const(s->g, tw_ty_scalar(s->pass->m, tw_info(f, r)->dtype), value);
  else v->elem[0] = tw_opt_is_elementwise(tw_op(f, r)) ? tw_opt_op(s->g, tw_op(f, r), args, n) : args[0];
  v->split = v->splat = true;
}

static void emit_whole(TwScalarize *s, TwRef r, TwRef *map) {
  const TwFn *f = s->f;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) map[tw_arg(f, r, k)] = tw_split_whole(s, tw_arg(f, r, k));
  s->val[r].whole = tw_opt_copy(s->g, f, r, map);
  s->val[r].stack = s->body && stays_stack(s, r);
}

/* add(dot, b) with the only use of the dot: the chain starts from b. */
static bool emit_biased(TwScalarize *s, TwRef r, TwSplit *v, int64_t count) {
  const TwFn *f = s->f;
  if (tw_op(f, r) != TW_OP_add) return false;
  for (uint32_t k = 0; k < 2; k++) {
    TwRef dot = tw_arg(f, r, k);
    if (tw_op(f, dot) != TW_OP_dot || s->uses[dot] != 1 || s->val[dot].elem || s->val[dot].whole) continue;
    for (int64_t e = 0; e < count; e++) v->elem[e] = tw_split_dot(s, dot, e, tw_split_elem(s, tw_arg(f, r, 1 - k), e));
    return true;
  }
  return false;
}

static void emit_split(TwScalarize *s, TwRef r) {
  TwSplit *v = &s->val[r];
  v->split = true;
  if (tw_op(s->f, r) == TW_OP_dot) return; /* made when it is used: it may take its bias in */
  int64_t count = tw_info(s->f, r)->count;
  v->elem = TW_NEW_N(&s->pass->scratch, TwRef, count);
  if (!emit_biased(s, r, v, count)) tw_split_emit(s, r, v->elem);
}

static void run(TwScalarize *s) {
  const TwFn *f = s->f;
  TwRef *map = TW_NEW_N(&s->pass->scratch, TwRef, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (op == TW_OP_get) {
      s->val[r] = s->val[tw_arg(f, r, 0)].parts[tw_attr(f, r, 0)];
      s->val[r].type = tw_type(f, r);
    } else if (tw_opt_is_region(op)) {
      if (splits_region(s, f, r)) split_region(s, r);
      else keep_region(s, r);
    } else {
      Form form = choose(s, r);
      if (form == FORM_WHOLE) emit_whole(s, r, map);
      else if (form == FORM_SPLAT) emit_splat(s, r, &s->val[r]);
      else emit_split(s, r);
    }
  }
}

const TwFn *tw_scalarize_fn(TwPass *p, const TwFn *f, bool everything) {
  TwScalarize s = {.pass = p, .f = f, .g = tw_fn_new(p->m, f->name), .body = everything, .everything = everything};
  prepare(&s);
  for (uint32_t k = 0; k < f->params.len; k++)
    s.val[f->params.at[k]].whole = tw_param(s.g, tw_type(f, f->params.at[k]));
  run(&s);
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(s.g, tw_split_whole(&s, f->results.at[k]));
  return tw_fn_seal(s.g);
}

const TwFn *tw_opt_scalarize(TwModule *m, const TwFn *f, TwOptLimits l) {
  TwPass p = {.m = m, .limits = l};
  const TwFn *g = tw_scalarize_fn(&p, f, false);
  tw_arena_free(&p.scratch);
  return g;
}
