/* scalar_ops.c: tensor operations element by element, in the defined order of every sum.
 *
 * A dot is a chain of products from the left: a[0]*b[0], + a[1]*b[1], …; contract makes the chain of fused
 * operations of it that docs/architecture.md defines. Structure is used (P5), by fixed rules:
 *   1. A term with a factor that is the literal 0 is left out.
 *   2. A term with a factor that is the literal 1 or -1 is the other factor, added after the products.
 *   3. Signs are relative to the first product, so that a chain and its negative are one value.
 *   4. A value added to a dot (the bias) starts the chain; where rules 1 or 2 applied it is added last
 *      instead, so that rows which differ in such terms alone share their chain. */
#include <string.h>

#include "compiler/opt/scalarize.h"

typedef struct DotShape {
  uint32_t n;           /* contracted axes */
  const int64_t *a, *b; /* which */
  TwTyInfo ta, tb;
  int64_t length; /* products an element */
} DotShape;

static DotShape dot_shape(const TwFn *f, TwRef r) {
  DotShape d = {
      .n = (uint32_t)tw_attr(f, r, 0), .ta = *tw_info(f, tw_arg(f, r, 0)), .tb = *tw_info(f, tw_arg(f, r, 1))};
  d.a = f->attrs.at + f->insts.at[r].attrs + 1;
  d.b = d.a + d.n;
  d.length = 1;
  for (uint32_t k = 0; k < d.n; k++) d.length *= d.ta.dims[d.a[k]];
  return d;
}

int64_t tw_split_dot_length(const TwFn *f, TwRef r) { return dot_shape(f, r).length; }

static bool is_among(const int64_t *axes, uint32_t n, uint32_t axis) {
  for (uint32_t k = 0; k < n; k++)
    if (axes[k] == (int64_t)axis) return true;
  return false;
}

/* Number of the element of `t` at position k of its free axes and j of the axes `axes` (both row major in the
 * order given). */
static int64_t element_at(const TwTyInfo *t, const int64_t *axes, uint32_t n, int64_t k, int64_t j) {
  int64_t at[TW_MAX_RANK] = {0};
  for (uint32_t c = n; c-- > 0;) {
    at[axes[c]] = j % t->dims[axes[c]];
    j /= t->dims[axes[c]];
  }
  for (uint32_t d = t->rank; d-- > 0;) {
    if (is_among(axes, n, d)) continue;
    at[d] = k % t->dims[d];
    k /= t->dims[d];
  }
  int64_t e = 0;
  for (uint32_t d = 0; d < t->rank; d++) e = e * t->dims[d] + at[d];
  return e;
}

static TwRef bare(TwFn *g, TwRef x, bool *negative) {
  while (tw_op(g, x) == TW_OP_neg) {
    x = tw_arg(g, x, 0);
    *negative = !*negative;
  }
  return x;
}

static TwRef combine(TwFn *g, TwRef acc, TwRef x, bool minus) {
  if (!acc) return minus ? tw_unary(g, TW_OP_neg, x) : x;
  TwRef args[2] = {acc, x};
  return tw_opt_op(g, minus ? TW_OP_sub : TW_OP_add, args, 2);
}

typedef struct Term {
  TwRef a, b; /* b = 0: a alone */
  bool negative;
} Term;

/* Sorts a product into nothing, a lone factor or a proper product. */
static bool make_term(TwFn *g, TwRef a, TwRef b, Term *t) {
  double v;
  *t = (Term){0};
  if (tw_is_zero(g, a) || tw_is_zero(g, b)) return false;
  t->a = bare(g, a, &t->negative);
  t->b = bare(g, b, &t->negative);
  if (tw_is_const(g, t->a, &v)) {
    TwRef x = t->a;
    t->a = t->b;
    t->b = x;
  }
  if (tw_is_const(g, t->b, &v) && (v == 1 || v == -1)) {
    if (v < 0) t->negative = !t->negative;
    t->b = 0;
  }
  return true;
}

static TwRef emit_terms(TwFn *g, const Term *terms, int64_t n, bool structured, TwRef start) {
  TwRef acc = structured ? 0 : start, rest = 0;
  bool flip = false;
  for (int64_t k = 0; k < n; k++) {
    if (!terms[k].b) continue;
    TwRef product = tw_binary(g, TW_OP_mul, terms[k].a, terms[k].b);
    if (!acc) {
      flip = terms[k].negative;
      acc = product;
    } else {
      acc = combine(g, acc, product, terms[k].negative != flip);
    }
  }
  for (int64_t k = 0; k < n; k++)
    if (!terms[k].b) rest = combine(g, rest, terms[k].a, terms[k].negative);
  if (acc) rest = combine(g, rest, acc, flip);
  if (structured && start && !tw_is_zero(g, start)) rest = rest ? combine(g, rest, start, false) : start;
  return rest;
}

TwRef tw_split_dot(TwScalarize *s, TwRef r, int64_t k, TwRef start) {
  TwFn *g = s->g;
  DotShape d = dot_shape(s->f, r);
  int64_t n_free_b = d.length ? d.tb.count / d.length : 0;
  Term *terms = TW_NEW_N(&s->pass->scratch, Term, d.length);
  int64_t n = 0;
  bool structured = start && tw_is_zero(g, start);
  for (int64_t j = 0; j < d.length; j++) {
    TwRef a = tw_split_elem(s, tw_arg(s->f, r, 0), element_at(&d.ta, d.a, d.n, k / n_free_b, j));
    TwRef b = tw_split_elem(s, tw_arg(s->f, r, 1), element_at(&d.tb, d.b, d.n, k % n_free_b, j));
    bool there = make_term(g, a, b, &terms[n]);
    if (!there || !terms[n].b) structured = true;
    n += there;
  }
  g->at = tw_inst(s->f, r)->span;
  TwRef sum = emit_terms(g, terms, n, structured, start);
  return sum ? sum : tw_real(g, 0);
}

/* ---- sums: the fold order of docs/architecture.md */
static TwRef add(TwFn *g, TwRef a, TwRef b) {
  TwRef args[2] = {a, b};
  return tw_opt_op(g, TW_OP_add, args, 2);
}

static TwRef sum_chunk(TwFn *g, const TwRef *x, int64_t n) {
  TwRef part[16] = {0};
  for (int64_t k = 0; k < n; k++) part[k % 16] = part[k % 16] ? add(g, part[k % 16], x[k]) : x[k];
  for (int64_t half = 8; half; half /= 2)
    for (int64_t k = 0; k < half; k++)
      if (part[k + half]) part[k] = add(g, part[k], part[k + half]);
  return part[0];
}

static TwRef sum_refs(TwPass *p, TwFn *g, const TwRef *x, int64_t n) {
  if (n == 0) return tw_real(g, 0);
  if (n <= 16) {
    TwRef acc = x[0];
    for (int64_t k = 1; k < n; k++) acc = add(g, acc, x[k]);
    return acc;
  }
  int64_t chunks = (n + 511) / 512;
  TwRef *c = TW_NEW_N(&p->scratch, TwRef, chunks);
  for (int64_t k = 0; k < chunks; k++) c[k] = sum_chunk(g, x + 512 * k, k == chunks - 1 ? n - 512 * k : 512);
  for (; chunks > 1; chunks = (chunks + 1) / 2)
    for (int64_t k = 0; k < (chunks + 1) / 2; k++)
      c[k] = 2 * k + 1 < chunks ? add(g, c[2 * k], c[2 * k + 1]) : c[2 * k];
  return c[0];
}

/* The reduced elements behind element k of a reduction over the axes in attributes from `first` on. */
static TwRef *reduced(TwScalarize *s, TwRef r, uint32_t first, int64_t k, int64_t *n) {
  TwRef a = tw_arg(s->f, r, 0);
  TwTyInfo t = *tw_info(s->f, a);
  uint32_t n_axes = tw_inst(s->f, r)->n_attrs - first;
  int64_t axes[TW_MAX_RANK];
  *n = 1;
  for (uint32_t c = 0; c < n_axes; c++) {
    axes[c] = tw_attr(s->f, r, first + c);
    *n *= t.dims[axes[c]];
  }
  TwRef *x = TW_NEW_N(&s->pass->scratch, TwRef, *n);
  for (int64_t j = 0; j < *n; j++) x[j] = tw_split_elem(s, a, element_at(&t, axes, n_axes, k, j));
  return x;
}

static TwRef extremum(TwFn *g, TwOp op, const TwRef *x, int64_t n) {
  TwRef acc = x[0];
  for (int64_t k = 1; k < n; k++) acc = tw_binary(g, op, acc, x[k]);
  return acc;
}

/* True at the first extremum of each group of reduced elements. */
static void emit_argmask(TwScalarize *s, TwRef r, TwRef *out) {
  TwFn *g = s->g;
  TwTyInfo t = *tw_info(s->f, r);
  int64_t axes[TW_MAX_RANK], n = 1;
  uint32_t n_axes = tw_inst(s->f, r)->n_attrs - 1;
  for (uint32_t c = 0; c < n_axes; c++) n *= t.dims[axes[c] = tw_attr(s->f, r, 1 + c)];
  for (int64_t k = 0; n && k < t.count / n; k++) {
    int64_t same;
    TwRef *x = reduced(s, r, 1, k, &same);
    TwRef top = extremum(g, tw_attr(s->f, r, 0) ? TW_OP_min : TW_OP_max, x, n);
    TwRef seen = tw_const(g, tw_ty_scalar(g->module, TW_BOOL), 0);
    for (int64_t j = 0; j < n; j++) {
      TwRef here = tw_binary(g, TW_OP_eq, x[j], top);
      out[element_at(&t, axes, n_axes, k, j)] = tw_binary(g, TW_OP_and, here, tw_unary(g, TW_OP_not, seen));
      seen = tw_binary(g, TW_OP_or, seen, here);
    }
  }
}

enum { TOP_DOT_MAX = 256 }; /* products */

bool tw_split_can(const TwScalarize *s, TwRef r) {
  const TwFn *f = s->f;
  TwOp op = tw_op(f, r);
  if (!tw_split_small(s, tw_type(f, r))) return false;
  if (tw_opt_is_elementwise(op) || tw_view_is(f, r)) return true;
  switch ((int)op) {
    case TW_OP_const:
    case TW_OP_iota: return true;
    case TW_OP_add_at: return tw_is_const(f, tw_arg(f, r, 1), &(double){0});
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin:
    case TW_OP_argmask: return tw_split_small(s, tw_type(f, tw_arg(f, r, 0))) && tw_info(f, tw_arg(f, r, 0))->count > 0;
    case TW_OP_dot:
      /* In a body the size of the whole was looked at; at the top level a product of matrices stays one. */
      if (!s->body && tw_info(f, r)->count * tw_split_dot_length(f, r) > TOP_DOT_MAX) return false;
      return tw_split_small(s, tw_type(f, tw_arg(f, r, 0))) && tw_split_small(s, tw_type(f, tw_arg(f, r, 1)));
  }
  return false; /* anything else, a new operation too, stays a tensor operation */
}

static void emit_view(TwScalarize *s, TwRef r, int64_t count, TwRef *out) {
  TwTy scalar = tw_ty_scalar(s->g->module, tw_info(s->f, r)->dtype);
  for (int64_t k = 0; k < count; k++) {
    int64_t source;
    int operand = tw_view_step(s->f, r, k, &source);
    out[k] = operand == TW_VIEW_ZERO ? tw_const(s->g, scalar, 0)
                                     : tw_split_elem(s, tw_arg(s->f, r, (uint32_t)operand), source);
  }
}

static void emit_add_at(TwScalarize *s, TwRef r, int64_t count, TwRef *out) {
  const TwFn *f = s->f;
  double i = 0;
  tw_is_const(f, tw_arg(f, r, 1), &i);
  int64_t width = tw_info(f, tw_arg(f, r, 2))->count, first = (int64_t)i * width;
  for (int64_t k = 0; k < count; k++) {
    out[k] = tw_split_elem(s, tw_arg(f, r, 0), k);
    if (k >= first && k < first + width) out[k] = add(s->g, out[k], tw_split_elem(s, tw_arg(f, r, 2), k - first));
  }
}

void tw_split_emit(TwScalarize *s, TwRef r, TwRef *out) {
  const TwFn *f = s->f;
  TwFn *g = s->g;
  TwOp op = tw_op(f, r);
  TwTyInfo info = *tw_info(f, r);
  g->at = tw_inst(f, r)->span;
  double value = 0;
  if (tw_opt_is_elementwise(op)) {
    uint32_t n = tw_inst(f, r)->n_args;
    for (int64_t k = 0; k < info.count; k++) {
      TwRef args[3];
      for (uint32_t j = 0; j < n; j++) args[j] = tw_split_elem(s, tw_arg(f, r, j), k);
      out[k] = tw_opt_op(g, op, args, n);
    }
    return;
  }
  if (tw_view_is(f, r)) {
    emit_view(s, r, info.count, out);
    return;
  }
  if (op == TW_OP_add_at) {
    emit_add_at(s, r, info.count, out);
    return;
  }
  if (op == TW_OP_argmask) {
    emit_argmask(s, r, out);
    return;
  }
  if (op == TW_OP_const) tw_is_const(f, r, &value);
  for (int64_t k = 0; k < info.count; k++) {
    int64_t n;
    if (op == TW_OP_const) {
      out[k] = tw_const(g, tw_ty_scalar(g->module, info.dtype), value);
    } else if (op == TW_OP_iota) {
      out[k] = tw_int(g, k);
    } else if (op == TW_OP_dot) {
      out[k] = tw_split_dot(s, r, k, 0);
    } else {
      TwRef *x = reduced(s, r, 0, k, &n);
      g->at = tw_inst(f, r)->span;
      out[k] = op == TW_OP_sum ? sum_refs(s->pass, g, x, n)
                               : extremum(g, op == TW_OP_rmax ? TW_OP_max : TW_OP_min, x, n);
    }
  }
}
