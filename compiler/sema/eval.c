/* eval.c: constants: evaluating typed trees while compiling, in f64.
 *
 * requires: a typed tree.   provides: its value, or NULL where it depends on a parameter, weights, a
 * draw or data, or is too long to compute (a budget of element operations).
 * Elementwise operations are those of the IR (ir/scalar.h), so folding here and there agree. */
#include <math.h>
#include <string.h>

#include "compiler/ir/scalar.h"
#include "compiler/sema/check.h"

enum { BUDGET = 5000000 };

typedef struct Bound {
  uint32_t id;
  const TwSmNum *num;
} Bound;

typedef struct Ev {
  TwSema *s;
  TwArena scratch; /* of everything but the result */
  int64_t budget;
  bool finite; /* a result that is not, of operands that are, is a failure */
  const char *why;
  TwVec(Bound) bound;
  TwSmProbe *probe; /* params have values, rows of data some, and divisions by 0 are noted */
  uint32_t mute;    /* inside how many choices by element, which compute what they do not take */
} Ev;

static const TwSmNum *eval(Ev *v, const TwTx *t);
static bool eval_stmts(Ev *v, TwTs *const *stmts, uint32_t n);

static TwSmNum *num_new(Ev *v, const TwType *type) {
  TwSmNum *r = TW_NEW(&v->scratch, TwSmNum);
  r->type = type;
  if (type->kind == TW_TY_TENSOR) {
    r->n = tw_sm_count(type);
    v->budget -= r->n;
    if (v->budget < 0) return NULL;
    r->x = TW_NEW_N(&v->scratch, double, r->n);
  } else {
    r->n = type->kind == TW_TY_ARRAY ? type->dims[0].n : type->fields.len;
    v->budget -= r->n;
    if (v->budget < 0) return NULL;
    r->kids = TW_NEW_N(&v->scratch, TwSmNum, r->n);
  }
  return r;
}

static void bind(Ev *v, const TwLocal *l, const TwSmNum *num) {
  tw_vec_push(&v->scratch, &v->bound, (Bound){l->id, num});
}

static const TwSmNum *find(const Ev *v, const TwLocal *l) {
  for (uint32_t k = v->bound.len; k-- > 0;)
    if (v->bound.at[k].id == l->id) return v->bound.at[k].num;
  return NULL;
}

static TwSmNum *scalar(Ev *v, const TwType *type, double x) {
  TwSmNum *r = num_new(v, type);
  if (r) r->x[0] = x;
  return r;
}

/* ---- operations */
static const TwSmNum *fail(Ev *v, const char *why) {
  if (!v->why) v->why = why;
  return NULL;
}

/* Whether x, made of finite numbers, may stand. `inf` by name is not made of anything. */
static bool may_be(Ev *v, TwOp op, const double *a, uint32_t n, double x) {
  if (!v->finite || isfinite(x)) return true;
  for (uint32_t k = 0; k < n; k++)
    if (!isfinite(a[k])) return true;
  fail(v, op == TW_OP_div && a[1] == 0 ? "it divides by zero" : isnan(x) ? "it is not a number" : "it is infinite");
  return false;
}

static void note_zero(Ev *v, const TwTx *t, const TwTx *divisor) {
  TwSmProbe *p = v->probe;
  if (!p || p->found || v->mute) return;
  p->found = true;
  p->at = t->span;
  p->divisor = divisor->span;
  p->callee = p->inside;
}

static bool apply_op(Ev *v, const TwTx *t, const double *a, double *out) {
  TwOp op = t->op;
  if (op == TW_OP_div && a[1] == 0) note_zero(v, t, t->args.at[1]);
  bool ints = t->type->dtype == TW_INT;
  if (op == TW_OP_select) *out = a[0] != 0 ? a[1] : a[2];
  else if (op == TW_OP_and) *out = a[0] != 0 && a[1] != 0;
  else if (op == TW_OP_or) *out = a[0] != 0 || a[1] != 0;
  else if (op == TW_OP_not) *out = a[0] == 0;
  else if (op == TW_OP_stop || op == TW_OP_along) *out = a[0];
  else if (op == TW_OP_to_real) *out = a[0];
  else if (op == TW_OP_to_int) {
    if (!isfinite(a[0])) return fail(v, "a number that is not finite has no integer"), false;
    *out = trunc(a[0]);
  } else if (tw_is_compare(op)) *out = tw_compare_f64(op, a[0], a[1]);
  else if (op == TW_OP_mod) {
    if (a[1] == 0) return fail(v, "it takes a remainder by zero"), false;
    *out = a[0] - a[1] * floor(a[0] / a[1]);
  } else if (op == TW_OP_div && a[1] == 0 && a[0] == 0 && !v->finite && !v->probe) return false;
  else if (tw_is_scalar1(op)) *out = tw_scalar1_f64(op, a[0]);
  else if (tw_is_scalar2(op)) *out = tw_scalar2_f64(op, a[0], a[1]);
  else return false;
  if (!may_be(v, op, a, t->args.len, *out)) return false;
  if (ints && fabs(*out) > 0x1p53) return fail(v, "an integer in it is beyond 2^53"), false;
  return true;
}

static const TwSmNum *eval_op(Ev *v, const TwTx *t) {
  const TwSmNum *arg[3] = {0};
  if (t->args.len > 3 || t->type->kind != TW_TY_TENSOR) return NULL;
  v->mute += t->op == TW_OP_select;
  for (uint32_t k = 0; k < t->args.len; k++)
    if (!(arg[k] = eval(v, t->args.at[k]))) return NULL; /* with it the whole */
  v->mute -= t->op == TW_OP_select;
  TwSmNum *r = num_new(v, t->type);
  if (!r) return NULL;
  for (int64_t i = 0; i < r->n; i++) {
    double a[3] = {0};
    for (uint32_t k = 0; k < t->args.len; k++) a[k] = arg[k]->x[arg[k]->n == 1 ? 0 : i];
    if (!apply_op(v, t, a, &r->x[i])) return NULL;
  }
  return r;
}

static const TwSmNum *eval_powi(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]);
  TwSmNum *r = a ? num_new(v, t->type) : NULL;
  if (!r) return NULL;
  uint64_t n = t->integer < 0 ? 0 - (uint64_t)t->integer : (uint64_t)t->integer;
  for (int64_t i = 0; i < r->n; i++) {
    double y = 1, square = a->x[i];
    for (uint64_t k = n; k; k >>= 1, square *= square)
      if (k & 1) y *= square;
    r->x[i] = t->integer < 0 ? 1 / y : y;
    if (t->integer < 0 && a->x[i] == 0) note_zero(v, t, t->args.at[0]);
    if (!may_be(v, TW_OP_pow, &a->x[i], 1, r->x[i])) return NULL;
    if (t->type->dtype == TW_INT && fabs(r->x[i]) > 0x1p53) return fail(v, "an integer in it is beyond 2^53");
  }
  return r;
}

static const TwSmNum *eval_matmul(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]), *b = eval(v, t->args.at[1]);
  TwSmNum *r = a && b ? num_new(v, t->type) : NULL;
  if (!r) return NULL;
  int64_t inner = b->type->dims[0].n, cols = b->type->rank == 2 ? b->type->dims[1].n : 1;
  int64_t rows = a->type->rank == 2 ? a->type->dims[0].n : 1;
  v->budget -= rows * cols * inner;
  if (v->budget < 0) return NULL;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      double acc = 0;
      for (int64_t k = 0; k < inner; k++) acc = fma(a->x[i * inner + k], b->x[k * cols + j], acc);
      r->x[i * cols + j] = acc;
    }
  return r;
}

static const TwSmNum *eval_transpose(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]);
  TwSmNum *r = a ? num_new(v, t->type) : NULL;
  if (!r) return NULL;
  int64_t rows = a->type->dims[0].n, cols = a->type->dims[1].n;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) r->x[j * rows + i] = a->x[i * cols + j];
  return r;
}

static void reduce_step(TwReduce how, double *acc, double x, bool first) {
  switch (how) {
    case TW_RE_SUM:
    case TW_RE_MEAN: *acc += x; return;
    case TW_RE_PROD: *acc *= x; return;
    case TW_RE_MIN: *acc = first || x < *acc ? x : *acc; return;
    case TW_RE_MAX: *acc = first || x > *acc ? x : *acc; return;
    case TW_RE_ANY: *acc = *acc != 0 || x != 0; return;
    case TW_RE_ALL: *acc = *acc != 0 && x != 0; return;
  }
}
static double reduce_start(TwReduce how) { return how == TW_RE_PROD || how == TW_RE_ALL ? 1 : 0; }

static const TwSmNum *eval_reduce(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]);
  if (!a) return NULL;
  double acc = reduce_start(t->reduce);
  for (int64_t i = 0; i < a->n; i++) reduce_step(t->reduce, &acc, a->x[i], i == 0);
  if (t->reduce == TW_RE_MEAN) acc /= (double)a->n;
  return scalar(v, t->type, acc);
}

/* ---- parts */
static const TwSmNum *lead_part(Ev *v, const TwSmNum *a, int64_t i) {
  if (a->type->kind == TW_TY_ARRAY) return &a->kids[i];
  TwSmNum *r = TW_NEW(&v->scratch, TwSmNum);
  r->type = tw_sm_tail(v->s, a->type);
  r->n = tw_sm_count(r->type);
  r->x = a->x + i * r->n;
  v->budget -= 20; /* it also makes a type */
  return r;
}

/* Elements of a tensor, walking the index items. */
static void gather(const TwTx *t, const TwSmNum *a, const int64_t *at, uint32_t axis, int64_t offset, double **out) {
  if (axis == a->type->rank) {
    *(*out)++ = a->x[offset];
    return;
  }
  int64_t d = a->type->dims[axis].n;
  if (axis < t->items.len && t->items.at[axis].at) {
    gather(t, a, at, axis + 1, offset * d + at[axis], out);
    return;
  }
  int64_t lo = axis < t->items.len ? t->items.at[axis].lo : 0;
  int64_t n = axis < t->items.len ? t->items.at[axis].n : d;
  for (int64_t i = 0; i < n; i++) gather(t, a, at, axis + 1, offset * d + lo + i, out);
}

static const TwSmNum *eval_index(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]);
  if (!a) return NULL;
  int64_t at[TW_MAX_RANK] = {0};
  for (uint32_t k = 0; k < t->items.len && k < TW_MAX_RANK; k++) {
    if (!t->items.at[k].at) continue;
    const TwSmNum *i = eval(v, t->items.at[k].at);
    if (!i) return NULL;
    at[k] = (int64_t)i->x[0];
    if (at[k] < 0 || (k < a->type->rank && at[k] >= a->type->dims[k].n))
      return fail(v, "an index in it is out of bounds");
  }
  if (a->type->kind == TW_TY_ARRAY) {
    if (t->items.at[0].at) return lead_part(v, a, at[0]);
    TwSmNum *r = num_new(v, t->type);
    for (int64_t i = 0; r && i < r->n; i++) r->kids[i] = a->kids[t->items.at[0].lo + i];
    return r;
  }
  TwSmNum *r = num_new(v, t->type);
  if (!r) return NULL;
  double *out = r->x;
  gather(t, a, at, 0, 0, &out);
  return r;
}

/* Parts put side by side on a new leading axis (or along the leading one). */
static const TwSmNum *stack(Ev *v, const TwType *type, const TwSmNum *const *parts, int64_t n) {
  TwSmNum *r = num_new(v, type);
  if (!r) return NULL;
  int64_t at = 0;
  for (int64_t k = 0; k < n; k++) {
    if (type->kind == TW_TY_TENSOR)
      memcpy(r->x + at, parts[k]->x, (size_t)parts[k]->n * sizeof(double)), at += parts[k]->n;
    else if (parts[k]->type->kind == TW_TY_ARRAY && type->elem->kind != TW_TY_ARRAY)
      for (int64_t j = 0; j < parts[k]->n; j++) r->kids[at++] = parts[k]->kids[j];
    else r->kids[at++] = *parts[k];
  }
  return r;
}

static const TwSmNum *eval_args(Ev *v, const TwTx *t) {
  const TwSmNum **parts = TW_NEW_N(&v->scratch, const TwSmNum *, t->args.len);
  for (uint32_t k = 0; k < t->args.len; k++)
    if (!(parts[k] = eval(v, t->args.at[k]))) return NULL;
  if (t->kind != TW_TX_TUPLE) return stack(v, t->type, parts, t->args.len);
  TwSmNum *r = num_new(v, t->type);
  for (uint32_t k = 0; r && k < t->args.len; k++) r->kids[k] = *parts[k];
  return r;
}

static const TwSmNum *eval_field(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]);
  if (!a || a->type->kind == TW_TY_TENSOR) return NULL;
  if (a->type->kind != TW_TY_ARRAY) return &a->kids[t->index];
  const TwSmNum **parts = TW_NEW_N(&v->scratch, const TwSmNum *, a->n);
  for (int64_t i = 0; i < a->n; i++) {
    if (a->kids[i].type->kind == TW_TY_ARRAY) return NULL;
    parts[i] = &a->kids[i].kids[t->index];
  }
  return stack(v, t->type, parts, a->n);
}

/* ---- loops */
static bool bind_iter(Ev *v, const TwIter *it, const TwSmNum *array, int64_t i) {
  const TwSmNum *x = it->kind == TW_IT_RANGE ? scalar(v, v->s->t_int, (double)(it->lo + i)) : lead_part(v, array, i);
  if (x) bind(v, it->local, x);
  return x != NULL;
}

typedef struct Nest {
  const TwTx *t;
  const TwSmNum **parts; /* FOR: the bodies in order */
  int64_t n;
  TwSmNum *acc; /* REDUCE_FOR */
} Nest;

static bool nest_body(Ev *v, Nest *n) {
  const TwTx *t = n->t;
  if (t->kind == TW_TX_REDUCE_FOR && t->args.len > 1) {
    const TwSmNum *c = eval(v, t->args.at[1]);
    if (!c) return false;
    if (c->x[0] == 0) return true;
  }
  const TwSmNum *b = eval(v, t->args.at[0]);
  if (!b) return false;
  if (t->kind == TW_TX_FOR) return n->parts[n->n++] = b, true;
  for (int64_t i = 0; i < b->n; i++) reduce_step(t->reduce, &n->acc->x[i], b->x[i], n->n == 0);
  n->n++;
  return true;
}

static bool nest_run(Ev *v, Nest *n, uint32_t level) {
  if (level == n->t->iters.len) return nest_body(v, n);
  const TwIter *it = &n->t->iters.at[level];
  const TwSmNum *array = NULL;
  if (it->kind == TW_IT_DATA || (it->kind == TW_IT_ARRAY && !(array = eval(v, it->array)))) return false;
  uint32_t mark = v->bound.len;
  for (int64_t i = 0; i < it->n; i++) {
    if (--v->budget < 0 || !bind_iter(v, it, array, i) || !nest_run(v, n, level + 1)) return false;
    v->bound.len = mark;
  }
  return true;
}

/* What a loop over rows comes to in a probe: some number. */
static const TwSmNum *some(Ev *v, const TwType *type) {
  TwSmNum *r = type->kind == TW_TY_TENSOR ? num_new(v, type) : NULL;
  for (int64_t i = 0; r && i < r->n; i++) r->x[i] = 0.618;
  return r;
}

/* A loop that the budget is too small for is not begun. A probe, which may look elsewhere, keeps what it has. */
static const TwSmNum *too_long(Ev *v) {
  if (!v->probe) v->budget = -1;
  return NULL;
}

static const TwSmNum *eval_for(Ev *v, const TwTx *t) {
  Nest n = {.t = t};
  for (uint32_t k = 0; v->probe && k < t->iters.len; k++)
    if (t->iters.at[k].kind == TW_IT_DATA) return some(v, t->type);
  int64_t total = 1;
  for (uint32_t k = 0; k < t->iters.len; k++)
    if (__builtin_mul_overflow(total, t->iters.at[k].n, &total) || total > v->budget) return too_long(v);
  if (t->kind == TW_TX_REDUCE_FOR) {
    if (t->type->kind != TW_TY_TENSOR || !(n.acc = num_new(v, t->type))) return NULL;
    for (int64_t i = 0; i < n.acc->n; i++) n.acc->x[i] = reduce_start(t->reduce);
    if (!nest_run(v, &n, 0)) return NULL;
    for (int64_t i = 0; i < n.acc->n && t->reduce == TW_RE_MEAN; i++) n.acc->x[i] /= (double)n.n;
    return n.acc;
  }
  if (t->type->kind == TW_TY_ARRAY && t->iters.len > 1) return NULL;
  n.parts = TW_NEW_N(&v->scratch, const TwSmNum *, total);
  return nest_run(v, &n, 0) ? stack(v, t->type, n.parts, n.n) : NULL;
}

static bool eval_recur(Ev *v, const TwTs *t) {
  TwSmNum *whole = num_new(v, t->local->type);
  if (!whole) return false;
  bind(v, t->local, whole);
  int64_t each = whole->type->kind == TW_TY_TENSOR && whole->type->dims[0].n ? whole->n / whole->type->dims[0].n : 1;
  for (uint32_t k = 0; k < t->cases.len; k++) {
    const TwRecur *c = &t->cases.at[k];
    for (int64_t i = 0; i < c->n; i++) {
      int64_t at = c->i ? c->lo + (c->reverse ? c->n - 1 - i : i) : 0;
      const TwSmNum *index = c->i ? scalar(v, v->s->t_int, (double)at) : NULL;
      if (c->i && !index) return false;
      if (c->i) bind(v, c->i, index);
      const TwSmNum *x = eval(v, c->value);
      if (!x) return false;
      if (whole->kids) whole->kids[at + c->offset] = *x;
      else memcpy(whole->x + (at + c->offset) * each, x->x, (size_t)each * sizeof(double));
      if (c->i) v->bound.len--;
    }
  }
  return true;
}

static bool eval_loop(Ev *v, const TwTs *t) {
  uint32_t n = t->before.len;
  const TwSmNum **now = TW_NEW_N(&v->scratch, const TwSmNum *, n), *array = NULL;
  for (uint32_t k = 0; k < n; k++)
    if (!(now[k] = find(v, t->before.at[k]))) return false;
  if (t->iter.kind == TW_IT_ARRAY && !(array = eval(v, t->iter.array))) return false;
  uint32_t mark = v->bound.len;
  for (int64_t i = 0; i < t->iter.n; i++) {
    if (--v->budget < 0 || !bind_iter(v, &t->iter, array, i)) return false;
    for (uint32_t k = 0; k < n; k++) bind(v, t->inside.at[k], now[k]);
    if (!eval_stmts(v, t->body.at, t->body.len)) return false;
    for (uint32_t k = 0; k < n; k++)
      if (!(now[k] = eval(v, t->next.at[k]))) return false;
    v->bound.len = mark;
  }
  for (uint32_t k = 0; k < n; k++) bind(v, t->after.at[k], now[k]);
  return true;
}

static bool eval_stmts(Ev *v, TwTs *const *stmts, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    const TwTs *t = stmts[k];
    if (t->kind == TW_TS_LET) {
      const TwSmNum *x = eval(v, t->value);
      if (!x) return false;
      bind(v, t->local, x);
    } else if (!(t->kind == TW_TS_RECUR ? eval_recur(v, t) : eval_loop(v, t))) {
      return false;
    }
  }
  return true;
}

static const TwSmNum *eval_block(Ev *v, const TwTx *t) {
  uint32_t mark = v->bound.len;
  TwName outside = v->probe ? v->probe->inside : NULL;
  if (v->probe && t->callee) v->probe->inside = t->callee->name.name;
  const TwSmNum *r = eval_stmts(v, t->stmts.at, t->stmts.len) ? eval(v, t->args.at[0]) : NULL;
  v->bound.len = mark;
  if (v->probe) v->probe->inside = outside;
  return r;
}

static const TwSmNum *eval_fill(Ev *v, const TwTx *t) {
  const TwSmNum *a = eval(v, t->args.at[0]);
  TwSmNum *r = a && t->type->kind == TW_TY_TENSOR ? num_new(v, t->type) : NULL;
  for (int64_t i = 0; r && i < r->n; i++) r->x[i] = a->x[0];
  return r;
}

static const TwSmNum *eval(Ev *v, const TwTx *t) {
  if (--v->budget < 0) return NULL;
  switch (t->kind) {
    case TW_TX_CONST: return scalar(v, t->type, t->known ? (double)t->integer : t->number);
    case TW_TX_LOCAL: return t->known ? scalar(v, t->type, (double)t->integer) : find(v, t->local);
    case TW_TX_GLOBAL: return eval(v, v->s->p->globals.at[t->index].value);
    case TW_TX_OP: return eval_op(v, t);
    case TW_TX_POWI: return eval_powi(v, t);
    case TW_TX_MATMUL: return eval_matmul(v, t);
    case TW_TX_TRANSPOSE: return eval_transpose(v, t);
    case TW_TX_REDUCE: return eval_reduce(v, t);
    case TW_TX_INDEX: return eval_index(v, t);
    case TW_TX_FIELD: return eval_field(v, t);
    case TW_TX_TUPLE:
    case TW_TX_ARRAY:
    case TW_TX_CONCAT: return eval_args(v, t);
    case TW_TX_FILL: return eval_fill(v, t);
    case TW_TX_FOR:
    case TW_TX_REDUCE_FOR: return eval_for(v, t);
    case TW_TX_IF: {
      const TwSmNum *c = eval(v, t->args.at[0]);
      return c ? eval(v, t->args.at[c->x[0] != 0 ? 1 : 2]) : NULL;
    }
    case TW_TX_BLOCK: return eval_block(v, t);
    case TW_TX_PARAM: return v->probe ? v->probe->params[t->index] : NULL;
    case TW_TX_WEIGHTS: return v->probe ? v->probe->weights[t->index] : NULL;
    case TW_TX_POISON:
    case TW_TX_DRAW:
    case TW_TX_LOADED:
    case TW_TX_DERIVATIVE: break;
  }
  return NULL;
}

static TwSmNum copy(TwArena *a, const TwSmNum *from) {
  TwSmNum to = *from;
  if (from->x) to.x = tw_arena_dup(a, from->x, (size_t)from->n * sizeof *from->x);
  if (from->kids) {
    to.kids = TW_NEW_N(a, TwSmNum, from->n);
    for (int64_t k = 0; k < from->n; k++) to.kids[k] = copy(a, &from->kids[k]);
  }
  return to;
}

const TwSmNum *tw_sm_eval(TwSema *s, const TwTx *t, const char **why) {
  Ev v = {.s = s, .budget = BUDGET, .finite = true};
  const TwSmNum *r = tw_sm_has_poison(t->type) || t->type->kind == TW_TY_STRING ? NULL : eval(&v, t);
  if (!r && why) *why = v.budget < 0 ? "it takes too many operations" : v.why;
  TwSmNum *out = r ? TW_NEW(s->a, TwSmNum) : NULL;
  if (r) *out = copy(s->a, r);
  tw_arena_free(&v.scratch);
  return out;
}

bool tw_sm_eval_at(TwSema *s, const TwTx *t, TwLocal *const *locals, const double *values, uint32_t n, double *out) {
  Ev v = {.s = s, .budget = 100000};
  for (uint32_t k = 0; k < n; k++) {
    const TwSmNum *x = scalar(&v, s->t_real, values[k]);
    bind(&v, locals[k], x);
  }
  const TwSmNum *r = eval(&v, t);
  if (r) memcpy(out, r->x, (size_t)r->n * sizeof *out);
  tw_arena_free(&v.scratch);
  return r != NULL;
}

bool tw_sm_eval_with(TwSema *s, const TwTx *t, const TwLocal *l, const double *x, double *out, bool *too_long) {
  Ev v = {.s = s, .budget = BUDGET};
  TwSmNum *in = num_new(&v, l->type);
  if (in) memcpy(in->x, x, (size_t)in->n * sizeof *x);
  if (in) bind(&v, l, in);
  const TwSmNum *r = in ? eval(&v, t) : NULL;
  if (r) memcpy(out, r->x, (size_t)r->n * sizeof *out);
  *too_long = !r && v.budget < 0;
  tw_arena_free(&v.scratch);
  return r != NULL;
}

const TwSmNum *tw_sm_probe(TwSema *s, const TwTx *t, TwLocal *const *locals, uint32_t n, TwSmProbe *p) {
  Ev v = {.s = s, .budget = p->budget, .probe = p};
  p->found = false;
  p->inside = NULL;
  for (uint32_t k = 0; k < n; k++) {
    const TwSmNum *x = some(&v, locals[k]->type);
    if (x) bind(&v, locals[k], x);
  }
  const TwSmNum *r = eval(&v, t);
  TwSmNum *out = r ? TW_NEW(p->arena, TwSmNum) : NULL;
  if (r) *out = copy(p->arena, r);
  p->budget = v.budget;
  tw_arena_free(&v.scratch);
  return out;
}

bool tw_sm_eval_real(TwSema *s, const TwTx *t, double *out) {
  if (!tw_sm_is_scalar(t->type)) return false;
  if (t->kind == TW_TX_CONST) return *out = t->known ? (double)t->integer : t->number, true;
  const TwSmNum *n = tw_sm_eval(s, t, NULL);
  if (n) *out = n->x[0];
  return n != NULL;
}

bool tw_sm_const_real(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, double *out) {
  TwTx *t = tw_sm_tx(s, scope, e, NULL);
  t = tw_sm_coerce(s, t, s->t_real, false, e->span, what);
  if (tw_sm_poison(t->type)) return false;
  const char *why = NULL;
  const TwSmNum *n = tw_sm_eval(s, t, &why);
  if (n && !isnan(n->x[0])) return *out = n->x[0], true;
  if (why || n) tw_sm_error(s, TW_E0314, e->span, "%s cannot be computed: %s", what, why ? why : "it is not a number");
  else tw_sm_error(s, TW_E0308, e->span, "%s must be known when compiling", what);
  return false;
}
