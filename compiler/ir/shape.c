/* shape.c: the rule of every operation for its operands, attributes and result type.
 *
 * requires: operands are refs of f with types.
 * provides: NULL and the result type, or a static text that says which rule is broken. Used by the
 * emitters (a broken rule is a bug), the verifier and the parser (it is a message). */
#include <string.h>

#include "compiler/ir/internal.h"

static TwTyInfo info_of(const TwFn *f, const TwProto *p, uint32_t k) {
  return f->module->types.at[f->insts.at[p->args[k]].type];
}
static TwTy type_of(const TwFn *f, const TwProto *p, uint32_t k) { return f->insts.at[p->args[k]].type; }

static TwTy make(const TwFn *f, TwDtype dtype, uint32_t rank, const int64_t *dims) {
  return tw_ty(f->module, dtype, rank, dims);
}

static bool is_index(const TwTyInfo *t) { return t->dtype == TW_INT && t->rank == 0; }

/* ---- elementwise */

static bool allows_int(TwOp op) {
  switch ((int)op) {
    case TW_OP_neg:
    case TW_OP_add:
    case TW_OP_sub:
    case TW_OP_mul:
    case TW_OP_div:
    case TW_OP_mod:
    case TW_OP_min:
    case TW_OP_max: return true;
  }
  return false;
}

static const char *shape_same(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTy t = type_of(f, p, 0);
  for (uint32_t k = 1; k < p->n_args; k++)
    if (type_of(f, p, k) != t) return "operands must have one type";
  TwDtype d = f->module->types.at[t].dtype;
  if (p->op == TW_OP_mod ? d != TW_INT : d != TW_REAL && !(d == TW_INT && allows_int(p->op)))
    return "this operation is not defined for that kind of element";
  *out = t;
  return NULL;
}

static const char *shape_compare(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTy t = type_of(f, p, 0);
  if (type_of(f, p, 1) != t) return "operands must have one type";
  TwDtype d = f->module->types.at[t].dtype;
  if (d == TW_TUPLE || (d == TW_BOOL && (p->op == TW_OP_lt || p->op == TW_OP_le))) return "operands have no order";
  *out = tw_ty_with(f->module, TW_BOOL, t);
  return NULL;
}

static const char *shape_logic(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTy t = type_of(f, p, 0);
  if (f->module->types.at[t].dtype != TW_BOOL) return "operands must be bool";
  if (p->n_args == 2 && type_of(f, p, 1) != t) return "operands must have one type";
  *out = t;
  return NULL;
}

static const char *shape_cast(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTy t = type_of(f, p, 0);
  TwDtype from = f->module->types.at[t].dtype, to = p->op == TW_OP_to_real ? TW_REAL : TW_INT;
  if (from == TW_TUPLE || from == to) return "nothing to convert";
  *out = tw_ty_with(f->module, to, t);
  return NULL;
}

static const char *shape_select(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTy t = type_of(f, p, 1);
  if (type_of(f, p, 2) != t) return "the two values must have one type";
  if (f->module->types.at[t].dtype == TW_TUPLE) return "a tuple cannot be selected";
  if (type_of(f, p, 0) != tw_ty_with(f->module, TW_BOOL, t)) return "the condition must be bool of the values' shape";
  *out = t;
  return NULL;
}

/* ---- leaves and draws: the type is given */

static const char *shape_leaf(const TwFn *f, const TwProto *p, TwTy *out) {
  if (!p->type) return "the type must be given";
  const TwTyInfo *t = tw_ty_info(f->module, p->type);
  if (t->dtype == TW_TUPLE) return "a leaf cannot be a tuple";
  if (p->op == TW_OP_iota && (t->dtype != TW_INT || t->rank != 1)) return "iota is int[n]";
  if (p->n_attrs != (p->op == TW_OP_iota ? 0 : 1)) return "wrong number of attributes";
  if (p->op == TW_OP_const && t->dtype == TW_BOOL && (p->attrs[0] & ~(int64_t)1)) return "a bool is 0 or 1";
  *out = p->type;
  return NULL;
}

static const char *shape_draw(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo s = info_of(f, p, 0), o = info_of(f, p, 1);
  if (!is_index(&s) || !is_index(&o)) return "seed and offset must be int scalars";
  if (!p->type || tw_ty_info(f->module, p->type)->dtype != TW_REAL) return "draws are real";
  if (p->n_attrs != 1) return "a draw has one attribute, its key";
  *out = p->type;
  return NULL;
}

/* ---- shapes */

static const char *shape_broadcast(const TwFn *f, const TwProto *p, TwTy *out) {
  if (!p->type) return "the type must be given";
  TwTyInfo a = info_of(f, p, 0), t = *tw_ty_info(f->module, p->type);
  if (a.dtype != t.dtype || a.dtype == TW_TUPLE) return "the kind of element must stay";
  if (p->n_attrs != a.rank) return "one attribute an axis of the operand is needed";
  uint32_t seen = 0;
  for (uint32_t k = 0; k < a.rank; k++) {
    int64_t to = p->attrs[k];
    if (to < 0 || to >= t.rank || (seen & 1u << to)) return "axes must be different axes of the result";
    seen |= 1u << to;
    if (a.dims[k] != t.dims[to]) return "an axis changes its size";
  }
  *out = p->type;
  return NULL;
}

static const char *shape_reshape(const TwFn *f, const TwProto *p, TwTy *out) {
  if (!p->type) return "the type must be given";
  TwTyInfo a = info_of(f, p, 0), t = *tw_ty_info(f->module, p->type);
  if (a.dtype != t.dtype || a.dtype == TW_TUPLE) return "the kind of element must stay";
  if (a.count != t.count) return "the number of elements must stay";
  *out = p->type;
  return NULL;
}

static const char *shape_transpose(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo a = info_of(f, p, 0);
  int64_t dims[TW_MAX_RANK];
  uint32_t seen = 0;
  if (a.dtype == TW_TUPLE || p->n_attrs != a.rank) return "one attribute an axis of the operand is needed";
  for (uint32_t k = 0; k < a.rank; k++) {
    int64_t from = p->attrs[k];
    if (from < 0 || from >= a.rank || (seen & 1u << from)) return "attributes must be a permutation of the axes";
    seen |= 1u << from;
    dims[k] = a.dims[from];
  }
  *out = make(f, a.dtype, a.rank, dims);
  return NULL;
}

static const char *shape_reverse(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo a = info_of(f, p, 0);
  if (a.dtype == TW_TUPLE || p->n_attrs != 1 || p->attrs[0] < 0 || p->attrs[0] >= a.rank)
    return "the attribute must be an axis";
  *out = type_of(f, p, 0);
  return NULL;
}

/* slice and pad: `big` is cut to `small`. */
static const char *shape_lattice(const TwTyInfo *big, const TwTyInfo *small, const TwProto *p) {
  if (big->dtype != small->dtype || big->dtype == TW_TUPLE) return "the kind of element must stay";
  if (big->rank != small->rank) return "the rank must stay";
  if (p->n_attrs != 2 * big->rank) return "start and step are needed for each axis";
  for (uint32_t k = 0; k < big->rank; k++) {
    int64_t start = p->attrs[2 * k], step = p->attrs[2 * k + 1], n = small->dims[k];
    if (start < 0 || step < 1) return "start must be at least 0 and step at least 1";
    if (start > big->dims[k] || (n > 0 && (start >= big->dims[k] || (big->dims[k] - 1 - start) / step < n - 1)))
      return "reaches past the end of an axis";
  }
  return NULL;
}

static const char *shape_slice(const TwFn *f, const TwProto *p, TwTy *out) {
  if (!p->type) return "the type must be given";
  TwTyInfo a = info_of(f, p, 0), t = *tw_ty_info(f->module, p->type);
  *out = p->type;
  return shape_lattice(&a, &t, p);
}

static const char *shape_pad(const TwFn *f, const TwProto *p, TwTy *out) {
  if (!p->type) return "the type must be given";
  TwTyInfo a = info_of(f, p, 0), t = *tw_ty_info(f->module, p->type);
  *out = p->type;
  return shape_lattice(&t, &a, p);
}

static const char *shape_concat(const TwFn *f, const TwProto *p, TwTy *out) {
  if (p->n_args == 0) return "at least one part is needed";
  TwTyInfo t = info_of(f, p, 0);
  if (t.dtype == TW_TUPLE || p->n_attrs != 1 || p->attrs[0] < 0 || p->attrs[0] >= t.rank)
    return "the attribute must be an axis";
  int64_t axis = p->attrs[0];
  for (uint32_t k = 1; k < p->n_args; k++) {
    TwTyInfo b = info_of(f, p, k);
    int64_t n = b.dims[axis];
    if (b.dtype != t.dtype || b.rank != t.rank) return "parts must have one kind of element and one rank";
    b.dims[axis] = t.dims[axis];
    if (memcmp(b.dims, t.dims, t.rank * sizeof *t.dims)) return "parts must agree but for the axis";
    if (__builtin_add_overflow(t.dims[axis], n, &t.dims[axis])) return "the result is too large";
  }
  *out = make(f, t.dtype, t.rank, t.dims);
  return NULL;
}

static const char *shape_index(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo t = info_of(f, p, 0), i = info_of(f, p, 1);
  if (t.dtype == TW_TUPLE || t.rank == 0) return "the first operand must have an axis";
  if (!is_index(&i)) return "the index must be an int scalar";
  if (t.dims[0] < 1) return "nothing can be taken out of an empty axis";
  *out = tw_ty_tail(f->module, type_of(f, p, 0));
  return NULL;
}

static const char *shape_add_at(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo t = info_of(f, p, 0), i = info_of(f, p, 1);
  if ((t.dtype != TW_REAL && t.dtype != TW_INT) || t.rank == 0) return "the first operand must be numbers with an axis";
  if (!is_index(&i)) return "the index must be an int scalar";
  if (t.dims[0] < 1) return "nothing can be added to an empty axis";
  if (type_of(f, p, 2) != tw_ty_tail(f->module, type_of(f, p, 0)))
    return "the value must be like an element of the leading axis";
  *out = type_of(f, p, 0);
  return NULL;
}

/* The axes in attrs[from …] are ascending axes of t; removes them. */
static const char *drop_axes(TwTyInfo *t, const TwProto *p, uint32_t from) {
  uint32_t kept = 0, next = from;
  for (uint32_t k = 0; k < t->rank; k++) {
    if (next < p->n_attrs && p->attrs[next] == k) next++;
    else t->dims[kept++] = t->dims[k];
  }
  if (next != p->n_attrs) return "axes must be ascending axes of the operand";
  t->rank = kept;
  return NULL;
}

static const char *shape_reduction(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo t = info_of(f, p, 0);
  bool is_sum = p->op == TW_OP_sum;
  if (t.dtype != TW_REAL && t.dtype != TW_INT) return "the operand must be numbers";
  for (uint32_t k = 0; k < p->n_attrs && !is_sum; k++)
    if (p->attrs[k] >= 0 && p->attrs[k] < t.rank && t.dims[p->attrs[k]] == 0) return "an empty axis has no extremum";
  const char *why = drop_axes(&t, p, 0);
  if (why) return why;
  *out = make(f, t.dtype, t.rank, t.dims);
  return NULL;
}

static const char *shape_argmask(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo t = info_of(f, p, 0);
  if (t.dtype != TW_REAL && t.dtype != TW_INT) return "the operand must be numbers";
  if (p->n_attrs < 1 || (p->attrs[0] & ~(int64_t)1)) return "the first attribute is 0 for max, 1 for min";
  *out = tw_ty_with(f->module, TW_BOOL, type_of(f, p, 0));
  return drop_axes(&t, p, 1);
}

static const char *shape_dot(const TwFn *f, const TwProto *p, TwTy *out) {
  TwTyInfo a = info_of(f, p, 0), b = info_of(f, p, 1);
  if (a.dtype != TW_REAL || b.dtype != TW_REAL) return "operands must be real";
  if (p->n_attrs < 1 || p->attrs[0] < 0 || p->attrs[0] > TW_MAX_RANK || p->n_attrs != 1 + 2 * (uint64_t)p->attrs[0])
    return "attributes are the number of contracted axes, then those of each operand";
  uint32_t n = (uint32_t)p->attrs[0], in_a = 0, in_b = 0, rank = 0;
  for (uint32_t k = 0; k < n; k++) {
    int64_t x = p->attrs[1 + k], y = p->attrs[1 + n + k];
    if (x < 0 || x >= a.rank || y < 0 || y >= b.rank || (in_a & 1u << x) || (in_b & 1u << y))
      return "contracted axes must be different axes of the operands";
    if (a.dims[x] != b.dims[y]) return "contracted axes must agree in size";
    in_a |= 1u << x;
    in_b |= 1u << y;
  }
  int64_t dims[2 * TW_MAX_RANK];
  for (uint32_t k = 0; k < a.rank; k++)
    if (!(in_a & 1u << k)) dims[rank++] = a.dims[k];
  for (uint32_t k = 0; k < b.rank; k++)
    if (!(in_b & 1u << k)) dims[rank++] = b.dims[k];
  if (rank > TW_MAX_RANK) return "the result has too many axes";
  *out = make(f, TW_REAL, rank, dims);
  return NULL;
}

/* ---- regions */

static TwTy body_param(const TwFn *b, uint32_t k) { return b->insts.at[b->params.at[k]].type; }
static TwTy body_result(const TwFn *b, uint32_t k) { return b->insts.at[b->results.at[k]].type; }

bool tw_is_region_op(TwOp op) { return op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond; }

uint32_t tw_region_results(const TwRegion *region, TwOp op) {
  return (op == TW_OP_cond ? 0 : region->n_carry) + region->n_ys;
}

TwTy tw_region_result_type(TwModule *m, TwOp op, const TwRegion *region, uint32_t k) {
  if (k >= tw_region_results(region, op)) return 0;
  TwTy t = body_result(region->body, k);
  if (op == TW_OP_cond || k < region->n_carry) return t;
  return tw_ty_lead(m, region->trip, t);
}

static const char *shape_cond(const TwFn *f, const TwProto *p) {
  const TwRegion *r = p->region;
  const TwFn *b = r->body, *o = r->other;
  if (!o || !o->sealed || o->module != f->module) return "the other body must be a sealed function of the module";
  if (p->n_args != 1 + (uint64_t)r->n_consts || b->params.len != r->n_consts || o->params.len != r->n_consts)
    return "operands and body parameters differ in number";
  if (b->results.len != r->n_ys || o->results.len != r->n_ys) return "wrong number of body results";
  if (r->n_carry || r->n_xs || r->trip || r->reverse) return "a branch has only constants and results";
  const TwTyInfo pred = info_of(f, p, 0);
  if (pred.dtype != TW_BOOL || pred.rank) return "the predicate must be a bool scalar";
  for (uint32_t k = 0; k < r->n_consts; k++)
    if (body_param(b, k) != type_of(f, p, k + 1) || body_param(o, k) != type_of(f, p, k + 1))
      return "an operand and a body parameter differ in type";
  for (uint32_t k = 0; k < r->n_ys; k++)
    if (body_result(b, k) != body_result(o, k)) return "the bodies' results differ in type";
  return NULL;
}

static const char *loop_operands(const TwFn *f, const TwProto *p, uint32_t carries) {
  const TwRegion *r = p->region;
  uint32_t lead = tw_region_lead(p->op), fixed = r->n_consts + carries;
  for (uint32_t k = 0; k < p->n_args; k++) {
    TwTy t = type_of(f, p, k), want = body_param(r->body, lead + k);
    if (k >= fixed) {
      const TwTyInfo *x = tw_ty_info(f->module, t);
      if (x->rank == 0 || x->dims[0] != r->trip) return "a sliced operand must have the trip count as its leading axis";
      t = tw_ty_tail(f->module, t);
    }
    if (t != want) return "an operand and a body parameter differ in type";
  }
  return NULL;
}

static const char *shape_loop(const TwFn *f, const TwProto *p) {
  const TwRegion *r = p->region;
  bool scan = p->op == TW_OP_scan;
  uint64_t carries = scan ? r->n_carry : 0, lead = tw_region_lead(p->op);
  if (r->other) return "a loop has one body";
  if (r->trip < 0) return "the trip count is negative";
  if (!scan && r->reverse) return "samples have no direction";
  if (p->n_args != r->n_consts + carries + r->n_xs || r->body->params.len != lead + p->n_args)
    return "operands and body parameters differ in number";
  if (r->body->results.len != (uint64_t)r->n_carry + r->n_ys) return "wrong number of body results";
  if (scan && body_param(r->body, 0) != tw_ty_scalar(f->module, TW_INT))
    return "the first body parameter is the iteration number";
  const char *why = loop_operands(f, p, (uint32_t)carries);
  if (why) return why;
  for (uint32_t k = 0; k < r->n_carry; k++) {
    TwTy t = body_result(r->body, k);
    TwDtype d = tw_ty_info(f->module, t)->dtype;
    if (scan && t != type_of(f, p, r->n_consts + k)) return "a carried value changes its type";
    if (!scan && d != TW_REAL && d != TW_INT) return "a sum must be of numbers";
  }
  for (uint32_t k = r->n_carry; k < r->body->results.len; k++)
    if (tw_ty_info(f->module, body_result(r->body, k))->rank == TW_MAX_RANK)
      return "a stacked result has too many axes";
  return NULL;
}

static const char *shape_region(const TwFn *f, const TwProto *p, TwTy *out) {
  const TwRegion *r = p->region;
  if (!r || !r->body) return "a region needs a body";
  if (!r->body->sealed || r->body->module != f->module) return "the body must be a sealed function of the module";
  for (uint32_t k = 0; k < p->n_args; k++)
    if (f->module->types.at[type_of(f, p, k)].dtype == TW_TUPLE) return "a tuple cannot be an operand";
  *out = tw_ty_scalar(f->module, TW_TUPLE);
  return p->op == TW_OP_cond ? shape_cond(f, p) : shape_loop(f, p);
}

static const char *shape_get(const TwFn *f, const TwProto *p, TwTy *out) {
  TwOp of = tw_op(f, p->args[0]);
  if (p->n_attrs != 1 || p->attrs[0] < 0 || p->attrs[0] > UINT32_MAX) return "the attribute is the number of a result";
  uint32_t k = (uint32_t)p->attrs[0];
  if (of == TW_OP_none) {
    if (k >= tw_inst(f, p->args[0])->n_args) return "the region has no such result";
    *out = tw_type(f, tw_arg(f, p->args[0], k));
    return NULL;
  }
  if (!tw_is_region_op(of)) return "the operand must be a region";
  *out = tw_region_result_type(f->module, of, tw_region(f, p->args[0]), k);
  return *out ? NULL : "the region has no such result";
}

static const char *shape_own(const TwFn *f, const TwProto *p, TwTy *out) {
  switch ((int)p->op) {
    case TW_OP_draw: return shape_draw(f, p, out);
    case TW_OP_broadcast: return shape_broadcast(f, p, out);
    case TW_OP_reshape: return shape_reshape(f, p, out);
    case TW_OP_transpose: return shape_transpose(f, p, out);
    case TW_OP_reverse: return shape_reverse(f, p, out);
    case TW_OP_slice: return shape_slice(f, p, out);
    case TW_OP_pad: return shape_pad(f, p, out);
    case TW_OP_concat: return shape_concat(f, p, out);
    case TW_OP_index: return shape_index(f, p, out);
    case TW_OP_add_at: return shape_add_at(f, p, out);
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin: return shape_reduction(f, p, out);
    case TW_OP_argmask: return shape_argmask(f, p, out);
    case TW_OP_dot: return shape_dot(f, p, out);
    case TW_OP_scan:
    case TW_OP_samples:
    case TW_OP_cond: return shape_region(f, p, out);
    case TW_OP_get: return shape_get(f, p, out);
  }
  return "an operation without a rule";
}

static const char *rule(const TwFn *f, const TwProto *p, const TwOpInfo *o, TwTy *out) {
  bool bare = o->shape != TW_SHAPE_own && o->shape != TW_SHAPE_leaf;
  if (bare && p->n_attrs) return "this operation has no attributes";
  switch (o->shape) {
    case TW_SHAPE_leaf: return shape_leaf(f, p, out);
    case TW_SHAPE_same: return shape_same(f, p, out);
    case TW_SHAPE_compare: return shape_compare(f, p, out);
    case TW_SHAPE_logic: return shape_logic(f, p, out);
    case TW_SHAPE_cast: return shape_cast(f, p, out);
    case TW_SHAPE_select: return shape_select(f, p, out);
    case TW_SHAPE_own: return shape_own(f, p, out);
  }
  return "an operation without a rule";
}

const char *tw_shape(const TwFn *f, const TwProto *p, TwTy *out) {
  if (p->op <= TW_OP_none || p->op >= TW_OP_COUNT) return "no such operation";
  const TwOpInfo *o = tw_op_info(p->op);
  if (o->arity >= 0 && p->n_args != (uint32_t)o->arity) return "wrong number of operands";
  for (uint32_t k = 0; k < p->n_args; k++)
    if (p->args[k] == 0 || p->args[k] >= f->insts.len) return "an operand does not exist yet";
  if ((p->region != NULL) != tw_is_region_op(p->op)) return "only regions have bodies";
  const char *why = rule(f, p, o, out);
  if (!why && p->type && p->type != *out) return "the type given is not that of the result";
  return why;
}
