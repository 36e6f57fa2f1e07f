/* build_expr.c: expressions.
 *
 * requires: tokens in the order of the text.   provides: nodes with spans and depths.
 * Every node goes through `finish`, which sets its span's end and keeps the depth limit. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/parser.h"
#include "gen/grammar.h"

TwSpan tw_span_from(const TwParser *p, uint32_t start) {
  return (TwSpan){p->file, start, p->last_end > start ? p->last_end : start};
}

TwSpan tw_token_span(const TwParser *p, TwToken t) { return (TwSpan){p->file, t.start, t.end}; }

const char *tw_token_text(const TwParser *p, TwToken t, size_t *len) {
  *len = t.end - t.start;
  return tw_source(&p->u->sources, p->file)->text + t.start;
}

bool tw_too_deep(TwParser *p, uint32_t depth, TwSpan span) {
  if (depth <= TW_MAX_DEPTH) return false;
  if (!p->fatal) tw_diag(&p->u->diags, TW_E0901, span, "this is nested deeper than %d", TW_MAX_DEPTH);
  p->fatal = true;
  return true;
}

static uint32_t deeper(uint32_t depth, const TwExpr *e) { return e && e->depth > depth ? e->depth : depth; }

static TwExpr *new_expr(TwParser *p, TwExprKind kind, uint32_t start) {
  TwExpr *e = TW_NEW(&p->u->arena, TwExpr);
  e->kind = kind;
  e->span = tw_span_from(p, start);
  return e;
}

static TwPart finish(TwParser *p, TwExpr *e) {
  uint32_t d = deeper(deeper(deeper(deeper(0, e->a), e->b), e->c), e->body);
  for (uint32_t i = 0; i < e->items.len; i++) d = deeper(d, e->items.at[i]);
  for (uint32_t i = 0; i < e->args.len; i++) d = deeper(d, e->args.at[i].value);
  for (uint32_t i = 0; i < e->fors.len; i++) d = deeper(d, e->fors.at[i].in);
  for (uint32_t i = 0; i < e->params.len; i++) {
    const TwParamDecl *param = &e->params.at[i];
    d = deeper(d, param->value);
    if (param->type && param->type->depth > d) d = param->type->depth;
  }
  if (e->block && e->block->depth > d) d = e->block->depth;
  e->depth = d + 1;
  tw_too_deep(p, e->depth, e->span);
  return (TwPart){e, e->span.start};
}

TwIdent tw_b_ident(TwParser *p, TwToken t) {
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  TwIdent id = {tw_intern(&p->u->names, s, n), tw_token_span(p, t)};
  if (strcmp(id.name, "true") == 0 || strcmp(id.name, "false") == 0)
    tw_diag(&p->u->diags, TW_E0119, id.span, "'%s' is a truth value and cannot be a name", id.name);
  return id;
}

TwIdents *tw_b_idents(TwParser *p, TwIdents *list, TwToken t) {
  if (!list) list = TW_NEW(&p->u->arena, TwIdents);
  TwIdent id = tw_b_ident(p, t);
  tw_vec_push(&p->u->arena, list, id);
  return list;
}

TwPart tw_b_name(TwParser *p, TwToken t) {
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  TwName name = tw_intern(&p->u->names, s, n);
  bool yes = strcmp(name, "true") == 0, no = strcmp(name, "false") == 0;
  TwExpr *e = new_expr(p, yes || no ? TW_EX_BOOL : TW_EX_NAME, t.start);
  e->span.end = t.end;
  e->boolean = yes;
  if (!yes && !no) e->name = name, e->name_span = e->span;
  return finish(p, e);
}

TwPart tw_b_int(TwParser *p, TwToken t) {
  TwExpr *e = new_expr(p, TW_EX_INT, t.start);
  e->span.end = t.end;
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  for (size_t i = 0; i < n; i++) {
    int digit = s[i] - '0';
    if (e->integer > (INT64_MAX - digit) / 10) {
      TwDiag *d = tw_diag(&p->u->diags, TW_E0106, e->span, "this integer does not fit in 64 bits");
      tw_diag_help(&p->u->diags, d, "write a real number: 1e20");
      e->integer = 0;
      break;
    }
    e->integer = e->integer * 10 + digit;
  }
  return finish(p, e);
}

TwPart tw_b_real(TwParser *p, TwToken t) {
  TwExpr *e = new_expr(p, TW_EX_REAL, t.start);
  e->span.end = t.end;
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  e->real = strtod(tw_arena_strndup(&p->u->arena, s, n), NULL);
  if (isinf(e->real)) {
    tw_diag(&p->u->diags, TW_E0107, e->span, "this number is larger than any that can be represented");
    e->real = 0;
  }
  return finish(p, e);
}

static void unknown_escape(TwParser *p, TwToken t, size_t at) {
  TwSpan span = {p->file, t.start + (uint32_t)at, t.start + (uint32_t)at + 2};
  TwDiag *d = tw_diag(&p->u->diags, TW_E0104, span, "unknown escape in a string");
  tw_diag_help(&p->u->diags, d, "the escapes are \\n, \\t, \\\" and \\\\");
}

TwPart tw_b_string(TwParser *p, TwToken t) {
  TwExpr *e = new_expr(p, TW_EX_STRING, t.start);
  e->span.end = t.end;
  size_t n, len = 0;
  const char *s = tw_token_text(p, t, &n);
  bool known = true, closed = n >= 2 && (s[n - 1] == '"' || s[n - 1] == '\'');
  size_t end = closed ? n - 1 : n;
  char *out = tw_arena_alloc(&p->u->arena, n + 1);
  for (size_t i = 1; i < end; i++) {
    if (s[i] != '\\' || i + 1 >= end) {
      out[len++] = s[i];
      continue;
    }
    char c = s[i + 1];
    if (c == 'n') out[len++] = '\n';
    else if (c == 't') out[len++] = '\t';
    else if (c == '"' || c == '\\') out[len++] = c;
    else unknown_escape(p, t, i), known = false;
    i++;
  }
  if (!known) e->kind = TW_EX_ERROR; /* what it names is not known */
  e->string = tw_intern(&p->u->names, out, len);
  return finish(p, e);
}

TwPart tw_b_field(TwParser *p, TwPart object, TwToken name) {
  TwExpr *e = new_expr(p, TW_EX_FIELD, object.start);
  TwIdent id = tw_b_ident(p, name);
  e->a = object.node;
  e->name = id.name;
  e->name_span = id.span;
  return finish(p, e);
}

TwPart tw_b_call(TwParser *p, TwPart callee, TwArgs *args) {
  TwExpr *e = new_expr(p, TW_EX_CALL, callee.start);
  e->a = callee.node;
  e->args = *args;
  return finish(p, e);
}

static TwExpr *generator(TwParser *p, uint32_t start, TwPart body, TwForClauses *fors, TwPart condition) {
  TwExpr *e = new_expr(p, TW_EX_FOR, start);
  e->a = body.node;
  e->fors = *fors;
  e->b = condition.node;
  return e;
}

TwPart tw_b_reduce(TwParser *p, TwPart callee, TwToken open, TwPart body, TwForClauses *fors, TwPart condition) {
  (void)open;
  TwExpr *g = generator(p, body.start, body, fors, condition);
  /* The text of the generator ends before the call's parenthesis: with its last part. */
  const TwForClause *last = &fors->at[fors->len - 1];
  g->span.end = condition.node ? condition.node->span.end : last->span.end;
  finish(p, g);
  TwExpr *e = new_expr(p, TW_EX_CALL, callee.start);
  e->a = callee.node;
  TwArg arg = {.value = g};
  tw_vec_push(&p->u->arena, &e->args, arg);
  return finish(p, e);
}

TwPart tw_b_index(TwParser *p, TwPart object, TwExprs *items) {
  TwExpr *e = new_expr(p, TW_EX_INDEX, object.start);
  e->a = object.node;
  e->items = *items;
  return finish(p, e);
}

TwPart tw_b_unary(TwParser *p, TwToken op, int which, TwPart a) {
  TwExpr *e = new_expr(p, TW_EX_UNARY, op.start);
  e->op = which;
  e->op_span = tw_token_span(p, op);
  e->a = a.node;
  return finish(p, e);
}

static bool is_comparison(TwPart a) {
  const TwExpr *e = a.node;
  return e->kind == TW_EX_BINARY && e->op >= TW_BI_LT && e->op <= TW_BI_NE && a.start == e->span.start;
}

TwPart tw_b_binary(TwParser *p, TwPart a, TwToken op, int which, TwPart b) {
  if (which >= TW_BI_LT && which <= TW_BI_NE && is_comparison(a)) {
    TwDiag *d = tw_diag(&p->u->diags, TW_E0111, tw_token_span(p, op), "comparisons do not chain");
    tw_diag_help(&p->u->diags, d, "write 'a < b and b < c'");
    return finish(p, new_expr(p, TW_EX_ERROR, a.start));
  }
  TwExpr *e = new_expr(p, TW_EX_BINARY, a.start);
  e->op = which;
  e->op_span = tw_token_span(p, op);
  e->a = a.node;
  e->b = b.node;
  return finish(p, e);
}

TwPart tw_b_if(TwParser *p, TwToken start, TwPart c, TwPart a, TwPart b) {
  TwExpr *e = new_expr(p, TW_EX_IF, start.start);
  e->a = c.node;
  e->b = a.node;
  e->c = b.node;
  return finish(p, e);
}

TwPart tw_b_range(TwParser *p, TwPart lo, TwToken dots, TwPart hi) {
  TwExpr *e = new_expr(p, TW_EX_RANGE, lo.node ? lo.start : dots.start);
  e->op_span = tw_token_span(p, dots);
  e->a = lo.node;
  e->b = hi.node;
  return finish(p, e);
}

/* Parentheses make no node, but the text of what is around them begins with them. */
TwPart tw_b_paren(TwParser *p, TwToken open, TwPart e) {
  (void)p;
  return (TwPart){e.node, open.start};
}

TwPart tw_b_items(TwParser *p, TwToken open, TwExprKind kind, TwExprs *items) {
  TwExpr *e = new_expr(p, kind, open.start);
  if (items) e->items = *items;
  return finish(p, e);
}

TwPart tw_b_tuple(TwParser *p, TwToken open, TwPart first, TwExprs *rest) {
  TwExpr *e = new_expr(p, TW_EX_TUPLE, open.start);
  tw_vec_push(&p->u->arena, &e->items, first.node);
  for (uint32_t i = 0; i < rest->len; i++) tw_vec_push(&p->u->arena, &e->items, rest->at[i]);
  return finish(p, e);
}

TwPart tw_b_record(TwParser *p, TwToken open, TwArgs *fields) {
  TwExpr *e = new_expr(p, TW_EX_RECORD, open.start);
  if (fields) e->args = *fields;
  return finish(p, e);
}

TwPart tw_b_comprehension(TwParser *p, TwToken open, TwPart body, TwForClauses *fors, TwPart condition) {
  TwExpr *e = generator(p, open.start, body, fors, condition);
  e->bracketed = true;
  return finish(p, e);
}

TwPart tw_b_lambda(TwParser *p, TwToken start, TwParamDecls *params, TwPart body) {
  TwExpr *e = new_expr(p, TW_EX_LAMBDA, start.start);
  e->params = *params;
  e->body = body.node;
  return finish(p, e);
}

TwPart tw_b_block_expr(TwParser *p, TwBlock *block) {
  TwExpr *e = new_expr(p, TW_EX_BLOCK, block->span.start);
  e->block = block;
  return finish(p, e);
}

TwExprs *tw_b_exprs(TwParser *p, TwExprs *list, TwPart e) {
  if (!list) list = TW_NEW(&p->u->arena, TwExprs);
  tw_vec_push(&p->u->arena, list, e.node);
  return list;
}

TwArg tw_b_arg(TwParser *p, TwIdent name, TwPart value) {
  (void)p;
  return (TwArg){name, value.node};
}

TwArgs *tw_b_args(TwParser *p, TwArgs *list, TwArg arg) {
  if (!list) list = TW_NEW(&p->u->arena, TwArgs);
  if (!arg.name.name && list->len && list->at[list->len - 1].name.name) {
    TwDiag *d = tw_diag(&p->u->diags, TW_E0117, arg.value->span, "an argument without a name follows one with a name");
    tw_diag_help(&p->u->diags, d, "give the arguments without names first");
  }
  tw_vec_push(&p->u->arena, list, arg);
  return list;
}

TwForClause tw_b_clause(TwParser *p, uint32_t start, TwIdents *names, bool pattern, TwPart in) {
  return (TwForClause){.names = *names, .pattern = pattern, .in = in.node, .span = tw_span_from(p, start)};
}

TwForClauses *tw_b_clauses(TwParser *p, TwForClauses *list, TwForClause c) {
  if (!list) list = TW_NEW(&p->u->arena, TwForClauses);
  tw_vec_push(&p->u->arena, list, c);
  return list;
}
