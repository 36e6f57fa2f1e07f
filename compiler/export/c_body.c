/* c_body.c: instructions as statements, regions as loops and branches. */
#define _GNU_SOURCE /* vasprintf */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/export/c_internal.h"
#include "compiler/ir/elementary.h"
#include "compiler/ir/internal.h"
#include "compiler/ir/scalar.h"

/* ---- text */

const char *tw_c_text(TwC *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *s = NULL;
  int n = vasprintf(&s, fmt, ap);
  va_end(ap);
  const char *out = n < 0 ? "" : tw_arena_strndup(c->arena, s, (size_t)n);
  free(n < 0 ? NULL : s);
  return out;
}

void tw_c_line(TwC *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(c->out, "%*s", (int)(2 * c->depth), "");
  vfprintf(c->out, fmt, ap);
  fputc('\n', c->out);
  va_end(ap);
}

void tw_c_open(TwC *c, const char *what) {
  tw_c_line(c, *what ? "%s {" : "%s{", what);
  c->depth++;
}

void tw_c_close(TwC *c) {
  c->depth--;
  tw_c_line(c, "}");
}

const char *tw_c_fresh(TwC *c, char letter) { return tw_c_text(c, "%c%u", letter, c->next++); }

const char *tw_c_type(const TwC *c, TwDtype d) {
  (void)c;
  return d == TW_REAL ? "real" : d == TW_INT ? "int64_t" : "unsigned char";
}

const char *tw_c_array(TwC *c, TwDtype d, int64_t count, bool zero) {
  const char *name = tw_c_fresh(c, 't');
  c->bytes += (uint64_t)count * 8;
  tw_c_line(c, "%s %s[%lld]%s;", tw_c_type(c, d), name, (long long)(count ? count : 1), zero ? " = {0}" : "");
  return name;
}

const char *tw_c_real(TwC *c, double v) {
  if (!c->f64) v = (double)(float)v;
  if (isnan(v)) return "(real)NAN";
  if (isinf(v)) return v < 0 ? "(real)-INFINITY" : "(real)INFINITY";
  if (v == floor(v) && fabs(v) < 1e6) return tw_c_text(c, signbit(v) ? "(real)%.1f" : "%.1f%s", v, c->f64 ? "" : "f");
  return tw_c_text(c, v < 0 ? "(%a%s)" : "%a%s", v, c->f64 ? "" : "f");
}

/* ---- elementwise */

static bool is_scalar(const TwCFn *b, TwRef r) { return tw_c_info(b, r)->rank == 0; }

static const char *element(TwCFn *b, TwRef r, uint32_t k, const char *i) {
  return is_scalar(b, tw_arg(b->f, r, k)) ? tw_c_arg(b, r, k) : tw_c_text(b->c, "%s[%s]", tw_c_arg(b, r, k), i);
}

static const char *unary(TwCFn *b, TwOp op, TwDtype d, const char *a) {
  TwC *c = b->c;
  if (d == TW_INT) return tw_c_text(c, "(int64_t)(0 - (uint64_t)%s)", a);
  switch ((int)op) {
    case TW_OP_neg: return tw_c_text(c, "-%s", a);
    case TW_OP_abs: return tw_c_text(c, "MATH(fabs)(%s)", a);
    case TW_OP_sign: return tw_c_text(c, "(%s > 0 ? 1 : %s < 0 ? -1 : %s == 0 ? 0 : %s)", a, a, a, a);
    case TW_OP_relu: return tw_c_text(c, "(%s < 0 ? 0 : %s)", a, a);
    case TW_OP_logistic: return tw_c_text(c, "logistic(%s)", a);
  }
  /* Operations are called as in math.h. sqrt and floor are exact, the others are computed wider and rounded once. */
  return tw_c_text(c, op == TW_OP_sqrt || op == TW_OP_floor ? "MATH(%s)(%s)" : "WIDE1(%s, %s)", tw_op_name(op), a);
}

static const char *binary(TwCFn *b, TwOp op, TwDtype d, const char *x, const char *y) {
  TwC *c = b->c;
  const char *sign = op == TW_OP_add   ? "+"
                     : op == TW_OP_sub ? "-"
                     : op == TW_OP_mul ? "*"
                     : op == TW_OP_div ? "/"
                                       : NULL;
  if (op == TW_OP_min) return tw_c_text(c, "(%s < %s ? %s : %s)", y, x, y, x);
  if (op == TW_OP_max) return tw_c_text(c, "(%s > %s ? %s : %s)", y, x, y, x);
  if (d == TW_INT && op == TW_OP_div) return tw_c_text(c, "floor_div(%s, %s)", x, y);
  if (d == TW_INT && op == TW_OP_mod) return tw_c_text(c, "(%s - %s * floor_div(%s, %s))", x, y, x, y);
  if (d == TW_INT) return tw_c_text(c, "(int64_t)((uint64_t)%s %s (uint64_t)%s)", x, sign ? sign : "+", y);
  if (op == TW_OP_mul0) return tw_c_text(c, "(%s == 0 || %s == 0 ? 0 : %s * %s)", x, y, x, y);
  if (sign) return tw_c_text(c, "%s %s %s", x, sign, y);
  return tw_c_text(c, "WIDE2(%s, %s, %s)", tw_op_name(op), x, y); /* pow, atan2 */
}

static const char *compare(TwCFn *b, TwOp op, const char *x, const char *y) {
  const char *sign = NULL;
  switch ((int)op) {
    case TW_OP_lt: sign = "<"; break;
    case TW_OP_le: sign = "<="; break;
    case TW_OP_eq: sign = "=="; break;
    case TW_OP_ne: sign = "!="; break;
    case TW_OP_and: sign = "&&"; break;
    case TW_OP_or: sign = "||"; break;
  }
  return sign ? tw_c_text(b->c, "%s %s %s", x, sign, y) : NULL;
}

/* The expression of one element, or NULL if the operation is not elementwise. */
static const char *elementwise(TwCFn *b, TwRef r, const char *i) {
  TwOp op = tw_op(b->f, r);
  TwC *c = b->c;
  uint32_t n = tw_inst(b->f, r)->n_args;
  if (n == 0 || n > 3) return NULL;
  const char *x = element(b, r, 0, i), *y = n > 1 ? element(b, r, 1, i) : NULL, *z = n > 2 ? element(b, r, 2, i) : NULL;
  TwDtype d = tw_c_info(b, r)->dtype, from = tw_c_info(b, tw_arg(b->f, r, 0))->dtype;
  if (op == TW_OP_fma) return tw_c_text(c, "FMA(%s, %s, %s)", x, y, z);
  if (op == TW_OP_stop || op == TW_OP_along) return x;
  if (op == TW_OP_select) return tw_c_text(c, "%s ? %s : %s", x, y, z);
  if (op == TW_OP_not) return tw_c_text(c, "!%s", x);
  if (op == TW_OP_to_real) return tw_c_text(c, "(real)%s", x);
  if (op == TW_OP_to_int) return from == TW_REAL ? tw_c_text(c, "to_int(%s)", x) : tw_c_text(c, "(int64_t)%s", x);
  if (tw_is_scalar1(op)) return unary(b, op, d, x);
  if (tw_is_scalar2(op)) return binary(b, op, d, x, y);
  return tw_is_compare(op) ? compare(b, op, x, y) : NULL;
}

static void emit_elementwise(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r);
  if (t->rank == 0) {
    const char *v = tw_c_fresh(c, 'v');
    tw_c_line(c, "const %s %s = %s;", tw_c_type(c, t->dtype), v, elementwise(b, r, ""));
    b->name[r] = v;
    return;
  }
  b->name[r] = tw_c_array(c, t->dtype, t->count, false);
  const char *i = tw_c_fresh(c, 'i');
  tw_c_line(c, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = %s;", i, i, (long long)t->count, i, b->name[r], i,
            elementwise(b, r, i));
}

static void emit_leaf(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r);
  const char *value = NULL, *i = tw_c_fresh(c, 'i');
  TwKnown k;
  if (tw_literal(b->f, r, &k))
    value = t->dtype == TW_REAL    ? tw_c_real(c, k.real)
            : k.whole == INT64_MIN ? "INT64_MIN"
                                   : tw_c_text(c, k.whole < 0 ? "(%lld)" : "%lld", (long long)k.whole);
  else value = i; /* iota */
  if (t->rank == 0) {
    b->name[r] = value;
    return;
  }
  b->name[r] = tw_c_array(c, t->dtype, t->count, false);
  tw_c_line(c, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = %s;", i, i, (long long)t->count, i, b->name[r], i,
            value);
}

/* ---- rows */

static void emit_index(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r), *a = tw_c_info(b, tw_arg(b->f, r, 0));
  const char *at = tw_c_text(c, "within(%s, %lld)", tw_c_arg(b, r, 1), (long long)a->dims[0]), *v = tw_c_fresh(c, 'v');
  if (t->rank == 0) tw_c_line(c, "const %s %s = %s[%s];", tw_c_type(c, t->dtype), v, tw_c_arg(b, r, 0), at);
  else
    tw_c_line(c, "const %s *const %s = %s + %s * %lld;", tw_c_type(c, t->dtype), v, tw_c_arg(b, r, 0), at,
              (long long)t->count);
  b->name[r] = v;
}

static void copy_value(TwC *c, const TwTyInfo *t, const char *to, const char *from) {
  if (t->rank == 0) tw_c_line(c, "%s = %s;", to, from);
  else tw_c_line(c, "memcpy(%s, %s, %lld * sizeof(%s));", to, from, (long long)t->count, tw_c_type(c, t->dtype));
}

static void emit_add_at(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwTyInfo *t = tw_c_info(b, r), *row = tw_c_info(b, tw_arg(b->f, r, 2));
  b->name[r] = tw_c_array(c, t->dtype, t->count, false);
  copy_value(c, t, b->name[r], tw_c_arg(b, r, 0));
  const char *i = tw_c_fresh(c, 'i');
  tw_c_line(c, "for (int64_t %s = 0; %s < %lld; %s++) %s[within(%s, %lld) * %lld + %s] += %s;", i, i,
            (long long)row->count, i, b->name[r], tw_c_arg(b, r, 1), (long long)t->dims[0], (long long)row->count, i,
            element(b, r, 2, i));
}

/* ---- regions */

static const char *declare(TwC *c, const TwTyInfo *t, bool zero) {
  if (t->rank) return tw_c_array(c, t->dtype, t->count, zero);
  const char *v = tw_c_fresh(c, 'v');
  tw_c_line(c, "%s %s;", tw_c_type(c, t->dtype), v);
  return v;
}

/* Element i of what is stacked. */
static void store_row(TwC *c, const TwTyInfo *t, const char *to, const char *i, const char *from) {
  if (t->rank == 0) tw_c_line(c, "%s[%s] = %s;", to, i, from);
  else
    tw_c_line(c, "memcpy(%s + %s * %lld, %s, %lld * sizeof(%s));", to, i, (long long)t->count, from,
              (long long)t->count, tw_c_type(c, t->dtype));
}

static const char *row_of(TwC *c, const TwTyInfo *t, const char *all, const char *i) {
  return t->rank == 0 ? tw_c_text(c, "%s[%s]", all, i) : tw_c_text(c, "(%s + %s * %lld)", all, i, (long long)t->count);
}

static const char **names(TwC *c, uint32_t n) { return TW_NEW_N(c->arena, const char *, n + 1); }

/* scan, and samples, which carries nothing here. */
static void emit_loop(TwCFn *b, TwRef r, const char *rows) {
  TwC *c = b->c;
  const TwRegion *g = tw_region(b->f, r);
  bool scan = tw_op(b->f, r) == TW_OP_scan;
  uint32_t lead = scan, n_carry = scan ? g->n_carry : 0, n_args = tw_inst(b->f, r)->n_args;
  if (!scan && g->n_carry) {
    c->why = "it sums over a data set";
    return;
  }
  const char **params = names(c, g->body->params.len), **results = names(c, g->body->results.len);
  const char **parts = b->parts[r] = names(c, n_carry + g->n_ys);
  for (uint32_t k = 0; k < n_carry; k++) {
    const TwTyInfo *t = tw_info(g->body, g->body->results.at[k]);
    parts[k] = params[1 + g->n_consts + k] = declare(c, t, false);
    copy_value(c, t, parts[k], tw_c_arg(b, r, g->n_consts + k));
  }
  bool ragged = !scan && rows && g->trip == TW_RT_BLOCK;
  for (uint32_t k = 0; k < g->n_ys; k++) {
    const TwTyInfo *t = tw_info(g->body, g->body->results.at[n_carry + k]);
    parts[n_carry + k] = tw_c_array(c, t->dtype, g->trip * t->count, ragged);
  }
  const char *i = tw_c_fresh(c, 'i');
  if (g->reverse) tw_c_open(c, tw_c_text(c, "for (int64_t %s = %lld; %s-- > 0;)", i, (long long)g->trip, i));
  else if (ragged) tw_c_open(c, tw_c_text(c, "for (int64_t %s = 0; %s < %s; %s++)", i, i, rows, i));
  else tw_c_open(c, tw_c_text(c, "for (int64_t %s = 0; %s < %lld; %s++)", i, i, (long long)g->trip, i));
  if (scan) params[0] = i;
  for (uint32_t k = 0; k < g->n_consts; k++) params[lead + k] = tw_c_arg(b, r, k);
  for (uint32_t k = n_args - g->n_xs; k < n_args; k++)
    params[lead + k] = row_of(c, tw_info(g->body, g->body->params.at[lead + k]), tw_c_arg(b, r, k), i);
  if (tw_c_body(c, g->body, params, NULL, results)) {
    for (uint32_t k = 0; k < g->n_ys; k++)
      store_row(c, tw_info(g->body, g->body->results.at[n_carry + k]), parts[n_carry + k], i, results[n_carry + k]);
    const char **kept = names(c, n_carry);
    for (uint32_t k = 0; k < n_carry; k++) { /* all are read before any is written */
      const TwTyInfo *t = tw_info(g->body, g->body->results.at[k]);
      copy_value(c, t, kept[k] = declare(c, t, false), results[k]);
    }
    for (uint32_t k = 0; k < n_carry; k++) copy_value(c, tw_info(g->body, g->body->results.at[k]), parts[k], kept[k]);
  }
  tw_c_close(c);
}

static void emit_cond(TwCFn *b, TwRef r) {
  TwC *c = b->c;
  const TwRegion *g = tw_region(b->f, r);
  const char **params = names(c, g->n_consts), **parts = b->parts[r] = names(c, g->n_ys);
  for (uint32_t k = 0; k < g->n_consts; k++) params[k] = tw_c_arg(b, r, 1 + k);
  for (uint32_t k = 0; k < g->n_ys; k++) parts[k] = declare(c, tw_info(g->body, g->body->results.at[k]), false);
  for (int side = 0; side < 2; side++) {
    const TwFn *body = side ? g->other : g->body;
    const char **results = names(c, g->n_ys);
    tw_c_open(c, side ? "else" : tw_c_text(c, "if (%s)", tw_c_arg(b, r, 0)));
    if (tw_c_body(c, body, params, NULL, results))
      for (uint32_t k = 0; k < g->n_ys; k++) copy_value(c, tw_info(body, body->results.at[k]), parts[k], results[k]);
    tw_c_close(c);
  }
}

/* ---- all of them */

static void emit(TwCFn *b, TwRef r, const char *const *params, const char *rows) {
  TwOp op = tw_op(b->f, r);
  switch ((int)op) {
    case TW_OP_none: return;
    case TW_OP_param: b->name[r] = params[tw_attr(b->f, r, 0)]; return;
    case TW_OP_const:
    case TW_OP_iota: emit_leaf(b, r); return;
    case TW_OP_get: b->name[r] = b->parts[tw_arg(b->f, r, 0)][tw_attr(b->f, r, 0)]; return;
    case TW_OP_index: emit_index(b, r); return;
    case TW_OP_add_at: emit_add_at(b, r); return;
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice:
    case TW_OP_pad:
    case TW_OP_concat: tw_c_shape(b, r); return;
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin: tw_c_reduce(b, r); return;
    case TW_OP_dot: tw_c_dot(b, r); return;
    case TW_OP_scan:
    case TW_OP_samples: emit_loop(b, r, rows); return;
    case TW_OP_cond: emit_cond(b, r); return;
    case TW_OP_argmask: tw_c_argmask(b, r); return;
    case TW_OP_draw: b->c->why = tw_c_text(b->c, "it has the operation '%s'", tw_op_name(op)); return;
  }
  emit_elementwise(b, r);
}

bool tw_c_body(TwC *c, const TwFn *f, const char *const *params, const char *rows, const char **out) {
  TwCFn b = {.c = c, .f = f, .name = names(c, f->insts.len)};
  b.parts = TW_NEW_N(c->arena, const char **, f->insts.len + 1);
  for (TwRef r = 1; r < f->insts.len && !c->why; r++) emit(&b, r, params, rows);
  for (uint32_t k = 0; k < f->results.len && !c->why; k++) out[k] = b.name[f->results.at[k]];
  return !c->why;
}
