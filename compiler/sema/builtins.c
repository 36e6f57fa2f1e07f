/* builtins.c: the functions that every module knows.
 *
 * requires: arguments not elaborated yet.   provides: typed trees of the IR's operations. */
#include <string.h>

#include "compiler/sema/data.h"

typedef struct Bi {
  TwSema *s;
  uint32_t index;
  const char *name;
  int op;
  TwSmArgs *args;
  TwSpan span;
  const TwType *want;
} Bi;

static TwTx *bad(Bi *b) { return tw_sm_bad(b->s, b->span); }

static TwTx *arg(Bi *b, uint32_t k, const TwType *want) {
  TwTx *t = tw_sm_arg_tx(b->s, &b->args->at[k], want);
  return tw_sm_has_poison(t->type) ? tw_sm_bad(b->s, t->span) : t;
}

static TwTx *not_for(Bi *b, const TwTx *t) {
  tw_sm_error(b->s, TW_E0307, t->span, "'%s' does not apply to %s", b->name, tw_type_text(b->s->a, t->type));
  return bad(b);
}

static bool numeric(const TwTx *t) { return t->type->kind == TW_TY_TENSOR && t->type->dtype != TW_BOOL; }

/* ---- elementwise */
static TwTx *bi_number(Bi *b) {
  TwTx *t = arg(b, 0, b->want);
  if (tw_sm_poison(t->type)) return t;
  if (!numeric(t)) return not_for(b, t);
  return tw_sm_op(b->s, (TwOp)b->op, t->type, b->span, t, NULL);
}

static TwTx *bi_real(Bi *b) {
  TwTx *t = arg(b, 0, b->want);
  if (tw_sm_poison(t->type)) return t;
  if (!numeric(t)) return not_for(b, t);
  t = tw_sm_to_real(b->s, t);
  return tw_sm_op(b->s, (TwOp)b->op, t->type, b->span, t, NULL);
}

/* floor(x + 0.5): halves go up. */
static TwTx *bi_round(Bi *b) {
  TwTx *t = arg(b, 0, b->want);
  if (tw_sm_poison(t->type)) return t;
  if (!numeric(t)) return not_for(b, t);
  t = tw_sm_to_real(b->s, t);
  t = tw_sm_op(b->s, TW_OP_add, t->type, b->span, t, tw_sm_real(b->s, 0.5, b->span));
  return tw_sm_op(b->s, TW_OP_floor, t->type, b->span, t, NULL);
}

/* log(x) / log(2) */
static TwTx *bi_log2(Bi *b) {
  TwTx *t = arg(b, 0, b->want);
  if (tw_sm_poison(t->type)) return t;
  if (!numeric(t)) return not_for(b, t);
  t = tw_sm_to_real(b->s, t);
  t = tw_sm_op(b->s, TW_OP_log, t->type, b->span, t, NULL);
  return tw_sm_op(b->s, TW_OP_div, t->type, b->span, t, tw_sm_real(b->s, 0.69314718055994530942, b->span));
}

static TwTx *pair_of(Bi *b, TwOp op, bool ints, TwTx *x, TwTx *y) {
  if (tw_sm_poison(x->type) || tw_sm_poison(y->type)) return bad(b);
  if (!numeric(x)) return not_for(b, x);
  if (!numeric(y)) return not_for(b, y);
  if (!ints || x->type->dtype != TW_INT || y->type->dtype != TW_INT) {
    x = tw_sm_to_real(b->s, x);
    y = tw_sm_to_real(b->s, y);
  } else if (x->known && y->known) {
    bool less = x->integer < y->integer;
    return tw_sm_int(b->s, less == (op == TW_OP_min) ? x->integer : y->integer, b->span);
  }
  const TwType *type = tw_sm_elementwise(b->s, x, y, x->type->dtype, b->span, b->name);
  return type ? tw_sm_op(b->s, op, type, b->span, x, y) : bad(b);
}

static TwTx *bi_pair(Bi *b) {
  TwTx *x = arg(b, 0, b->want);
  return pair_of(b, (TwOp)b->op, false, x, arg(b, 1, b->want));
}

static TwTx *bi_power(Bi *b) {
  TwTx *x = arg(b, 0, b->want), *y = arg(b, 1, NULL);
  if (tw_sm_poison(x->type) || tw_sm_poison(y->type)) return bad(b);
  return tw_sm_power(b->s, x, y, b->span);
}

static TwTx *bi_where(Bi *b) {
  TwSema *s = b->s;
  TwTx *c = arg(b, 0, NULL), *x = arg(b, 1, b->want), *y = arg(b, 2, b->want);
  if (tw_sm_poison(c->type) || tw_sm_poison(x->type) || tw_sm_poison(y->type)) return bad(b);
  if (!tw_sm_is(c->type, TW_BOOL)) {
    tw_sm_error(s, TW_E0718, c->span, "the condition is %s, and should be truth values", tw_type_text(s->a, c->type));
    return bad(b);
  }
  if (x->type->kind != TW_TY_TENSOR) return not_for(b, x);
  if (y->type->kind != TW_TY_TENSOR) return not_for(b, y);
  if (x->type->dtype != y->type->dtype) {
    x = tw_sm_to_real(s, x);
    y = tw_sm_to_real(s, y);
  }
  if (x->type->dtype != y->type->dtype) return not_for(b, tw_sm_is(x->type, TW_BOOL) ? x : y);
  const TwType *type = tw_sm_elementwise(s, x, y, x->type->dtype, b->span, b->name);
  if (!type) return bad(b);
  TwTx shape = {.type = type};
  type = tw_sm_elementwise(s, c, &shape, type->dtype, b->span, b->name);
  if (!type) return bad(b);
  TwTx *t = tw_sm_op(s, TW_OP_select, type, b->span, c, x);
  tw_vec_push(s->a, &t->args, y);
  return t;
}

static TwTx *bi_cast(Bi *b) {
  TwSema *s = b->s;
  TwTx *t = arg(b, 0, NULL);
  if (tw_sm_poison(t->type)) return t;
  if (t->type->kind != TW_TY_TENSOR) return not_for(b, t);
  TwDtype to = b->op == TW_OP_to_real ? TW_REAL : TW_INT;
  if (t->type->dtype == to) return t;
  if (to == TW_REAL && t->type->dtype == TW_INT) return tw_sm_to_real(s, t);
  TwTx *r = tw_sm_op(s, (TwOp)b->op, tw_sm_with(s, to, t->type), b->span, t, NULL);
  double x;
  return to == TW_INT && tw_sm_eval_real(s, r, &x) ? tw_sm_int(s, (int64_t)x, b->span) : r;
}

/* ---- reductions */
static TwTx *reduce(Bi *b, TwReduce how) {
  TwSema *s = b->s;
  TwSmArg *a = &b->args->at[0];
  if (a->expr && a->expr->kind == TW_EX_FOR && !a->expr->bracketed) {
    a->ready = true;
    return tw_sm_reduce_for(s, a->scope, a->expr, how, b->span, b->name);
  }
  TwTx *t = arg(b, 0, NULL);
  if (tw_sm_poison(t->type)) return t;
  bool logic = how == TW_RE_ANY || how == TW_RE_ALL;
  if (t->type->kind != TW_TY_TENSOR || (t->type->dtype == TW_BOOL) != logic) return not_for(b, t);
  if (t->type->rank == 0 && tw_sm_is_std(s, t->span.file)) return t; /* a loss of models with any result */
  if (t->type->rank == 0) {
    TwDiag *d = tw_sm_error(s, TW_E0321, t->span, "'%s' reduces an array, but this is %s", b->name,
                            tw_type_text(s->a, t->type));
    tw_sm_help(s, d, "give it an array, or run over something: %s(… for i in 0 .. n)", b->name);
    return bad(b);
  }
  if (tw_sm_count(t->type) == 0 && (how == TW_RE_MEAN || how == TW_RE_MIN || how == TW_RE_MAX)) {
    tw_sm_error(s, TW_E0321, b->span, "there is no '%s' of nothing: this is %s", b->name, tw_type_text(s->a, t->type));
    return bad(b);
  }
  if (how == TW_RE_MEAN) t = tw_sm_to_real(s, t);
  TwTx *r = tw_sm_one(s, TW_TX_REDUCE, tw_sm_scalar(s, t->type->dtype), b->span, t);
  r->reduce = how;
  return r;
}

static TwTx *bi_reduce(Bi *b) { return reduce(b, (TwReduce)b->op); }
static TwTx *bi_minmax(Bi *b) {
  if (b->args->len == 1) return reduce(b, (TwReduce)b->op);
  TwTx *t = arg(b, 0, b->want);
  for (uint32_t k = 1; k < b->args->len; k++)
    t = pair_of(b, b->op == TW_RE_MIN ? TW_OP_min : TW_OP_max, true, t, arg(b, k, b->want));
  return t;
}

/* ---- linear algebra */
static TwTx *bi_dot(Bi *b) {
  TwSema *s = b->s;
  TwTx *x = arg(b, 0, NULL), *y = arg(b, 1, NULL);
  if (tw_sm_poison(x->type) || tw_sm_poison(y->type)) return bad(b);
  if (!numeric(x) || x->type->rank == 0) return not_for(b, x);
  if (!numeric(y) || y->type->rank == 0) return not_for(b, y);
  x = tw_sm_to_real(s, x);
  y = tw_sm_to_real(s, y);
  if (!tw_sm_same_shape(x->type, y->type)) {
    TwDiag *d = tw_sm_error(s, TW_E0401, b->span, "the shapes in 'dot' do not agree: %s and %s",
                            tw_sm_shown(s, x->type), tw_sm_shown(s, y->type));
    tw_sm_note_sizes(s, d, x->type, y->type);
    return bad(b);
  }
  if (x->type->rank == 1) {
    TwTx *t = tw_sm_one(s, TW_TX_MATMUL, s->t_real, b->span, x);
    tw_vec_push(s->a, &t->args, y);
    return t;
  }
  TwTx *r = tw_sm_one(s, TW_TX_REDUCE, s->t_real, b->span, tw_sm_op(s, TW_OP_mul, x->type, b->span, x, y));
  r->reduce = TW_RE_SUM;
  return r;
}

static TwTx *bi_norm(Bi *b) {
  TwSema *s = b->s;
  TwTx *x = arg(b, 0, NULL);
  if (tw_sm_poison(x->type)) return x;
  if (!numeric(x) || x->type->rank == 0) return not_for(b, x);
  TwTx *square = tw_sm_one(s, TW_TX_POWI, tw_sm_with(s, TW_REAL, x->type), b->span, tw_sm_to_real(s, x));
  square->integer = 2;
  TwTx *r = tw_sm_one(s, TW_TX_REDUCE, s->t_real, b->span, square);
  r->reduce = TW_RE_SUM;
  return tw_sm_op(s, TW_OP_sqrt, s->t_real, b->span, r, NULL);
}

static TwTx *bi_transpose(Bi *b) {
  TwSema *s = b->s;
  TwTx *x = arg(b, 0, NULL);
  if (tw_sm_poison(x->type)) return x;
  if (x->type->kind != TW_TY_TENSOR || x->type->rank != 2) {
    tw_sm_error(s, TW_E0403, x->span, "'transpose' takes a matrix, but this is %s", tw_type_text(s->a, x->type));
    return bad(b);
  }
  TwDim dims[2] = {x->type->dims[1], x->type->dims[0]};
  return tw_sm_one(s, TW_TX_TRANSPOSE, tw_sm_tensor(s, x->type->dtype, 2, dims), b->span, x);
}

static TwTx *bi_concat(Bi *b) {
  TwSema *s = b->s;
  TwTx *t = tw_sm_node(s, TW_TX_CONCAT, s->t_poison, b->span);
  const TwType *elem = NULL;
  const TwSizeForm *form = tw_size_int(s->a, 0);
  int64_t n = 0;
  bool ok = true;
  for (uint32_t k = 0; k < b->args->len; k++) {
    TwTx *x = arg(b, k, NULL);
    ok &= !tw_sm_poison(x->type);
    if (!ok) continue;
    if (x->type->kind != TW_TY_ARRAY && (x->type->kind != TW_TY_TENSOR || x->type->rank == 0)) {
      TwDiag *d = tw_sm_error(s, TW_E0306, x->span, "'concat' joins arrays, but this is %s",
                              tw_type_text(s->a, x->type));
      if (tw_sm_is_scalar(x->type)) tw_sm_help(s, d, "write [%s] for an array of one element", tw_sm_text(s, x->span));
      return bad(b);
    }
    const TwType *e = tw_sm_tail(s, x->type), *both = elem ? tw_sm_unify(s, elem, e) : e;
    if (!both) {
      tw_sm_error(s, TW_E0409, x->span, "'concat' joins arrays of like elements: these are %s, the first are %s",
                  tw_sm_shown(s, e), tw_sm_shown(s, elem));
      return bad(b);
    }
    elem = both;
    n += x->type->dims[0].n;
    form = tw_size_sum(s->a, form, tw_dim_form(s->a, &x->type->dims[0]), 1);
    tw_vec_push(s->a, &t->args, x);
  }
  if (!ok) return bad(b);
  for (uint32_t k = 0; k < t->args.len; k++) {
    const TwType *want = tw_sm_lead(s, t->args.at[k]->type->dims[0], elem, b->span);
    t->args.at[k] = tw_sm_coerce(s, t->args.at[k], want, false, t->args.at[k]->span, "this");
  }
  t->type = tw_sm_lead(s, (TwDim){n, b->span, form}, elem, b->span);
  return tw_sm_poison(t->type) ? bad(b) : t;
}

static TwTx *bi_len(Bi *b) {
  TwTx *x = arg(b, 0, NULL);
  if (tw_sm_poison(x->type)) return x;
  if (x->type->kind == TW_TY_ARRAY || (x->type->kind == TW_TY_TENSOR && x->type->rank))
    return tw_sm_int(b->s, x->type->dims[0].n, b->span);
  tw_sm_error(b->s, TW_E0306, x->span, "'len' takes an array, but this is %s", tw_type_text(b->s->a, x->type));
  return bad(b);
}

/* ---- filled tensors: sizes from the arguments, else from the expected type */
static TwTx *filled(Bi *b, TwTx *value, uint32_t from) {
  TwSema *s = b->s;
  if (tw_sm_poison(value->type)) return value;
  if (!tw_sm_is_scalar(value->type)) return not_for(b, value);
  const TwType *type = value->type;
  if (b->args->len == from) {
    if (!b->want || b->want->kind != TW_TY_TENSOR) {
      TwDiag *d = tw_sm_error(s, TW_E0405, b->span, "nothing tells the sizes of this '%s'", b->name);
      tw_sm_help(s, d, "give them: %s(%sm, n)", b->name, from ? "x, " : "");
      return bad(b);
    }
    type = tw_sm_with(s, value->type->dtype, b->want);
  }
  for (uint32_t k = b->args->len; k-- > from;) {
    int64_t n;
    TwSmArg *a = &b->args->at[k];
    TwTx *t = arg(b, k, s->t_int);
    if (tw_sm_poison(t->type)) return t;
    if (!t->known) {
      tw_sm_error(s, tw_sm_is_scalar(t->type) && tw_sm_is(t->type, TW_INT) ? TW_E0308 : TW_E0309, a->span,
                  "a size must be an integer known when compiling");
      return bad(b);
    }
    if ((n = t->integer) < 0) {
      tw_sm_error(s, TW_E0407, a->span, "this size is %lld; a size must not be negative", (long long)n);
      return bad(b);
    }
    const TwSizeForm *form = a->expr && a->scope ? tw_sm_form(s, a->scope, a->expr) : NULL;
    type = tw_sm_lead(s, (TwDim){n, a->span, form}, type, b->span);
    if (tw_sm_poison(type)) return bad(b);
  }
  return type->rank ? tw_sm_one(s, TW_TX_FILL, type, b->span, value) : value;
}

static TwTx *bi_zeros(Bi *b) { return filled(b, tw_sm_real(b->s, 0, b->span), 0); }
static TwTx *bi_ones(Bi *b) { return filled(b, tw_sm_real(b->s, 1, b->span), 0); }
static TwTx *bi_fill(Bi *b) { return filled(b, tw_sm_to_real(b->s, arg(b, 0, NULL)), 1); }

/* ---- derivatives */
static TwTx *bi_derivative(Bi *b) {
  TwSema *s = b->s;
  TwSmValue f = tw_sm_arg(s, &b->args->at[0], NULL);
  TwTx *x = tw_sm_to_real(s, arg(b, 1, NULL));
  if (f.kind == TW_V_POISON || tw_sm_poison(x->type)) return bad(b);
  if (f.kind == TW_V_OPAQUE) return tw_sm_need(s, tw_sm_apply(s, f, &(TwSmArgs){0}, b->span, NULL), b->span);
  if (f.kind != TW_V_FN && f.kind != TW_V_BUILTIN) {
    TwDiag *d = tw_sm_error(s, TW_E0301, b->args->at[0].span, "'%s' takes a function first, but this is %s", b->name,
                            f.kind == TW_V_TX ? tw_type_text(s->a, f.tx->type) : tw_sm_kind_text(&f));
    tw_sm_help(s, d, "write fn(x) = … for the expression to be differentiated");
    return bad(b);
  }
  if (!tw_sm_is(x->type, TW_REAL)) return not_for(b, x);
  TwLocal *l = tw_sm_local(s, tw_intern_z(&s->u->names, "x"), x->type, b->args->at[1].span);
  TwSmArgs args = {0};
  tw_vec_push(s->a, &args, tw_sm_arg_of(tw_sm_v(tw_sm_use(s, l, l->span)), b->args->at[1].span));
  TwSmValue v = tw_sm_apply(s, f, &args, b->args->at[0].span, NULL);
  TwTx *y = tw_sm_to_real(s, tw_sm_need(s, v, b->args->at[0].span));
  if (tw_sm_poison(y->type)) return y;
  if (!tw_sm_is(y->type, TW_REAL) || (x->type->rank && y->type->rank)) {
    tw_sm_error(s, TW_E0313, b->span, "'%s' needs a real result, and a scalar one where x is %s; this is %s", b->name,
                x->type->rank ? "an array" : "a scalar", tw_type_text(s->a, y->type));
    return bad(b);
  }
  TwTx *t = tw_sm_one(s, TW_TX_DERIVATIVE, x->type->rank ? x->type : y->type, b->span, y);
  tw_vec_push(s->a, &t->args, x);
  t->local = l;
  return t;
}

/* x - y of one shape: for losses, where a model that gives less than the data hold must not be stretched. */
static TwTx *bi_residual(Bi *b) {
  TwSema *s = b->s;
  TwTx *x = tw_sm_to_real(s, arg(b, 0, NULL)), *y = tw_sm_to_real(s, arg(b, 1, NULL));
  if (tw_sm_poison(x->type) || tw_sm_poison(y->type)) return bad(b);
  if (tw_sm_is(x->type, TW_REAL) && tw_sm_is(y->type, TW_REAL) && !tw_sm_same_shape(x->type, y->type)) {
    TwDiag *d = tw_sm_error(s, TW_E0608, b->span, "the model gives %s, and the target is %s", tw_sm_shown(s, x->type),
                            tw_sm_shown(s, y->type));
    tw_sm_note_sizes(s, d, x->type, y->type);
    return bad(b);
  }
  return tw_sm_arith(s, TW_BI_SUB, x, y, b->span, "-");
}

/* ---- laws */
static TwTx *draw(Bi *b, const TwType *type) {
  if (b->s->ctx.drawn_for) return tw_sm_data_draw(b->s, b->s->ctx.drawn_for, type, b->span);
  TwTx *t = tw_sm_node(b->s, TW_TX_DRAW, type, b->span);
  t->index = b->s->ctx.draws++;
  return t;
}

/* The type of a draw: the expected one, else that of the arguments. NULL: reported. */
static const TwType *law_args(Bi *b, TwTx **x, TwTx **y) {
  TwSema *s = b->s;
  if (!s->ctx.law) {
    TwDiag *d = tw_sm_error(s, TW_E0319, b->span,
                            "'%s' draws a random number, which only the law after '~' and the target of data may",
                            b->name);
    tw_sm_help(s, d, "write 'param x : real ~ %s(…)'", b->name);
    return NULL;
  }
  *x = tw_sm_to_real(s, arg(b, 0, NULL));
  *y = tw_sm_to_real(s, arg(b, 1, NULL));
  if (tw_sm_poison((*x)->type) || tw_sm_poison((*y)->type)) return NULL;
  if (!tw_sm_is((*x)->type, TW_REAL)) return not_for(b, *x), NULL;
  if (!tw_sm_is((*y)->type, TW_REAL)) return not_for(b, *y), NULL;
  const TwType *both = tw_sm_elementwise(s, *x, *y, TW_REAL, b->span, b->name);
  if (!both || both->rank || !b->want || b->want->kind != TW_TY_TENSOR) return both;
  return tw_sm_with(s, TW_REAL, b->want);
}

/* lo + (hi - lo) * draw */
static TwTx *bi_uniform(Bi *b) {
  TwSema *s = b->s;
  TwTx *lo, *hi;
  const TwType *type = law_args(b, &lo, &hi);
  if (!type) return bad(b);
  double l, h;
  if (tw_sm_eval_real(s, lo, &l) && tw_sm_eval_real(s, hi, &h) && !(l <= h)) {
    tw_sm_error(s, TW_E0502, b->span, "there is nothing to draw from: %g is above %g", l, h);
    return bad(b);
  }
  const TwType *arg_type = tw_sm_elementwise(s, lo, hi, TW_REAL, b->span, b->name);
  TwTx *width = tw_sm_op(s, TW_OP_sub, arg_type, b->span, hi, lo);
  TwTx *part = tw_sm_op(s, TW_OP_mul, type, b->span, width, draw(b, type));
  return tw_sm_op(s, TW_OP_add, type, b->span, lo, part);
}

/* Box and Muller: mu + sigma * sqrt(-2 log u) * cos(2 pi v), two draws an element. */
static TwTx *bi_normal(Bi *b) {
  TwSema *s = b->s;
  TwTx *mu, *sigma;
  const TwType *type = law_args(b, &mu, &sigma);
  if (!type) return bad(b);
  double sd;
  if (tw_sm_eval_real(s, sigma, &sd) && !(sd >= 0)) {
    tw_sm_error(s, TW_E0502, b->args->at[1].span, "the deviation of a normal law is %g, and must not be negative", sd);
    return bad(b);
  }
  TwTx *log_u = tw_sm_op(s, TW_OP_log, type, b->span, draw(b, type), NULL);
  TwTx *radius = tw_sm_op(s, TW_OP_sqrt, type, b->span,
                          tw_sm_op(s, TW_OP_mul, type, b->span, tw_sm_real(s, -2, b->span), log_u), NULL);
  TwTx *angle = tw_sm_op(s, TW_OP_mul, type, b->span, tw_sm_real(s, 6.28318530717958647692, b->span), draw(b, type));
  TwTx *z = tw_sm_op(s, TW_OP_mul, type, b->span, radius, tw_sm_op(s, TW_OP_cos, type, b->span, angle, NULL));
  return tw_sm_op(s, TW_OP_add, type, b->span, mu, tw_sm_op(s, TW_OP_mul, type, b->span, sigma, z));
}

static TwTx *bi_regions(Bi *b) {
  tw_sm_error(b->s, TW_E0715, b->span,
              strcmp(b->name, "regions") == 0 ? "'%s' can only stand in an ensure or expect, next to a comparison"
                                              : "'%s' can only stand in an ensure or expect, as a bound by itself",
              b->name);
  for (uint32_t k = 0; k < b->args->len; k++) b->args->at[k].ready = true;
  return bad(b);
}

/* Where it may stand, load.c takes it before it comes here. */
static TwTx *bi_load(Bi *b) {
  TwDiag *d = tw_sm_error(b->s, TW_E0613, b->span,
                          "'load' can only be the whole start of a param, or the whole value of weights");
  tw_sm_help(b->s, d, "write 'weights net : nn.Mlp[1, 8, 3, 1] = load(\"w.safetensors\")'");
  for (uint32_t k = 0; k < b->args->len; k++) b->args->at[k].ready = true;
  return bad(b);
}

/* ---- the table */
typedef struct Builtin {
  const char *name;
  uint32_t min, max;
  TwTx *(*make)(Bi *b);
  int op;
} Builtin;

static const Builtin table[] = {
#define TW_BUILTIN(name, min, max, how, op) {#name, min, max, bi_##how, op},
#include "compiler/sema/builtins.def"
#undef TW_BUILTIN
};
enum { N_BUILTINS = sizeof table / sizeof *table };

int tw_sm_builtin(TwName name) {
  for (int k = 0; k < N_BUILTINS; k++)
    if (strcmp(table[k].name, name) == 0) return k;
  return -1;
}

const char *tw_sm_builtin_name(uint32_t k) { return table[k].name; }
uint32_t tw_sm_builtin_count(void) { return N_BUILTINS; }
bool tw_sm_builtin_is_law(uint32_t k) { return table[k].make == bi_uniform || table[k].make == bi_normal; }

TwSmValue tw_sm_apply_builtin(TwSema *s, uint32_t k, TwSmArgs *args, TwSpan span, const TwType *want) {
  const Builtin *t = &table[k];
  Bi b = {s, k, t->name, t->op, args, span, want};
  for (uint32_t j = 0; j < args->len && t->make != bi_regions; j++) {
    if (!args->at[j].name) continue;
    tw_sm_error(s, TW_E0207, args->at[j].name_span, "the arguments of '%s' have no names", t->name);
    return tw_sm_vbad();
  }
  if (args->len < t->min || args->len > t->max) {
    bool few = args->len < t->min;
    uint32_t bound = few ? t->min : t->max;
    tw_sm_error(s, few ? TW_E0303 : TW_E0302, span, "'%s' takes %s%u argument%s, but %u %s given", t->name,
                t->min == t->max ? ""
                : few            ? "at least "
                                 : "at most ",
                bound, bound == 1 ? "" : "s", args->len, args->len == 1 ? "is" : "are");
    return tw_sm_vbad();
  }
  TwTx *r = t->make(&b);
  return tw_sm_poison(r->type) ? tw_sm_vbad() : tw_sm_v(r);
}
