/* build_stmt.c: statements and bodies.
 *
 * requires: tokens in the order of the text.   provides: blocks whose lines are where they may be. */
#include <string.h>

#include "compiler/ast/parser.h"
#include "gen/grammar.h"

static uint32_t deeper(uint32_t depth, const TwExpr *e) { return e && e->depth > depth ? e->depth : depth; }

static TwStmt *new_stmt(TwParser *p, TwStmtKind kind, uint32_t start) {
  TwStmt *s = TW_NEW(&p->u->arena, TwStmt);
  s->kind = kind;
  s->span = tw_span_from(p, start);
  return s;
}

static TwBodyLine finish(TwParser *p, TwStmt *s) {
  uint32_t d = deeper(deeper(0, s->value), s->clause.in);
  if (s->type && s->type->depth > d) d = s->type->depth;
  for (uint32_t i = 0; i < s->cases.len; i++) {
    const TwRecurCase *c = &s->cases.at[i];
    d = deeper(deeper(deeper(d, c->index), c->value), c->clause.in);
  }
  for (uint32_t i = 0; i < s->inner.len; i++) d = deeper(d, s->inner.at[i].in);
  if (s->body && s->body->depth > d) d = s->body->depth;
  s->depth = d + 1;
  tw_too_deep(p, s->depth, s->span);
  return (TwBodyLine){.stmt = s, .span = s->span};
}

TwBodyLine tw_b_let(TwParser *p, TwToken start, TwIdents *names, bool pattern, TwTypeExpr *type, TwPart value) {
  TwStmt *s = new_stmt(p, TW_ST_LET, start.start);
  s->names = *names;
  s->pattern = pattern;
  s->type = type;
  s->value = value.node;
  return finish(p, s);
}

TwRecur *tw_b_recur_start(TwParser *p, TwToken start, TwToken name) {
  TwRecur *r = TW_NEW(&p->u->arena, TwRecur);
  r->start = start.start;
  r->name = tw_b_ident(p, name);
  return r;
}

TwRecur *tw_b_recur_case(TwParser *p, TwRecur *r, TwToken name, TwPart index, TwPart value, TwForClause *clause) {
  TwRecurCase c = {.index = index.node, .value = value.node, .span = tw_span_from(p, name.start)};
  TwIdent id = tw_b_ident(p, name);
  if (id.name != r->name.name && !r->other) {
    r->other = true;
    TwDiag *d = tw_diag(&p->u->diags, TW_E0113, id.span, "a recurrence defines one name, and this one is '%s'",
                        r->name.name);
    tw_diag_note(&p->u->diags, d, r->name.span, "the recurrence begins here");
    tw_diag_help(&p->u->diags, d, "two that need each other are one of records: %s[i + 1] = { %s = …, %s = … }",
                 r->name.name, r->name.name, id.name);
  }
  if (clause) {
    c.has_for = true;
    c.clause = *clause;
    if (clause->pattern || clause->in->kind != TW_EX_RANGE)
      tw_diag(&p->u->diags, TW_E0113, clause->span, "a recurrence runs over one index in a range: for i in 0 .. n");
  }
  tw_vec_push(&p->u->arena, &r->cases, c);
  return r;
}

TwBodyLine tw_b_recur(TwParser *p, TwRecur *r) {
  if (r->other) return finish(p, new_stmt(p, TW_ST_ERROR, r->start)); /* said; what it would define is not known */
  TwStmt *s = new_stmt(p, TW_ST_RECUR, r->start);
  tw_vec_push(&p->u->arena, &s->names, r->name);
  TW_MOVE(s->cases, &r->cases);
  return finish(p, s);
}

TwBodyLine tw_b_assign(TwParser *p, TwToken name, TwPart value) {
  TwStmt *s = new_stmt(p, TW_ST_ASSIGN, name.start);
  TwIdent id = tw_b_ident(p, name);
  tw_vec_push(&p->u->arena, &s->names, id);
  s->value = value.node;
  return finish(p, s);
}

TwBodyLine tw_b_local_fn(TwParser *p, TwToken start, TwDecl *fn) {
  if (start.kind == TW_T_CUSTOM) {
    TwDiag *e = tw_diag(&p->u->diags, TW_E0115, (TwSpan){p->file, start.start, start.end},
                        "a custom function is declared at the top level, not in a body");
    tw_diag_help(&p->u->diags, e, "move '%s' out, and give it what it uses here as parameters", fn->name.name);
  }
  TwStmt *s = new_stmt(p, TW_ST_FN, fn->span.start);
  s->fn = fn;
  tw_vec_push(&p->u->arena, &s->names, fn->name);
  uint32_t d = deeper(0, fn->value);
  if (fn->type && fn->type->depth > d) d = fn->type->depth;
  for (uint32_t i = 0; i < fn->params.len; i++) {
    const TwParamDecl *param = &fn->params.at[i];
    d = deeper(d, param->value);
    if (param->type && param->type->depth > d) d = param->type->depth;
  }
  TwBodyLine line = finish(p, s);
  if (d + 1 > s->depth) s->depth = d + 1;
  tw_too_deep(p, s->depth, s->span);
  return line;
}

TwBodyLine tw_b_loop(TwParser *p, TwToken start, TwForClauses *clauses, TwToken open, TwBody *body) {
  TwStmt *s = new_stmt(p, TW_ST_LOOP, start.start);
  s->clause = clauses->at[0];
  for (uint32_t i = 1; i < clauses->len; i++) tw_vec_push(&p->u->arena, &s->inner, clauses->at[i]);
  s->body = tw_b_loop_block(p, open, body);
  return finish(p, s);
}

TwBodyLine tw_b_result(TwParser *p, TwPart e) {
  return (TwBodyLine){.result = e.node, .span = tw_span_from(p, e.start)};
}

TwBodyLine tw_b_stmt_error(TwParser *p) {
  TwStmt *s = new_stmt(p, TW_ST_ERROR, p->broken_line < p->last_end ? p->broken_line : p->last_end);
  return finish(p, s);
}

TwBody *tw_b_body(TwParser *p, TwBody *body, TwBodyLine line) {
  if (!body) body = TW_NEW(&p->u->arena, TwBody);
  tw_vec_push(&p->u->arena, &body->lines, line);
  return body;
}

TwBody *tw_b_state(TwParser *p, TwBody *body, TwArgs *state) {
  if (!body) body = TW_NEW(&p->u->arena, TwBody);
  if (body->lines.len)
    tw_diag(&p->u->diags, TW_E0115, state->at[0].name.span, "'state' comes first in an optimizer's body");
  for (uint32_t i = 0; i < state->len; i++) tw_vec_push(&p->u->arena, &body->state, state->at[i]);
  return body;
}

static TwBlock *new_block(TwParser *p, TwToken open) {
  TwBlock *b = TW_NEW(&p->u->arena, TwBlock);
  b->span = tw_span_from(p, open.start);
  return b;
}

static TwBlock *finish_block(TwParser *p, TwBlock *b) {
  uint32_t d = b->result ? b->result->depth : 0;
  for (uint32_t i = 0; i < b->stmts.len; i++)
    if (b->stmts.at[i]->depth > d) d = b->stmts.at[i]->depth;
  b->depth = d + 1;
  tw_too_deep(p, b->depth, b->span);
  return b;
}

static void unused_value(TwParser *p, const TwBodyLine *line, const char *where) {
  TwDiag *d = tw_diag(&p->u->diags, TW_E0115, line->span, "the value of this expression is not used");
  const TwSource *f = tw_source(&p->u->sources, p->file);
  if (f->text[line->span.start] == '-')
    tw_diag_help(&p->u->diags, d, "to go on with the line before, put a blank after the '-' or end that line with it");
  else tw_diag_help(&p->u->diags, d, "%s", where);
}

TwBlock *tw_b_fn_block(TwParser *p, TwToken open, TwBody *body) {
  TwBlock *b = new_block(p, open);
  bool poisoned = false;
  for (uint32_t i = 0; i < body->lines.len; i++) {
    const TwBodyLine *line = &body->lines.at[i];
    if (line->result && i + 1 == body->lines.len) {
      b->result = line->result;
    } else if (line->result) {
      unused_value(p, line, "only the last line of a body is its result; name a value with 'let x = …'");
    } else {
      if (line->stmt->kind == TW_ST_ASSIGN) {
        TwDiag *d = tw_diag(&p->u->diags, TW_E0115, line->span, "only loops and optimizers assign");
        tw_diag_help(&p->u->diags, d, "write 'let %s = …'", line->stmt->names.at[0].name);
      }
      poisoned = poisoned || line->stmt->kind == TW_ST_ERROR;
      tw_vec_push(&p->u->arena, &b->stmts, line->stmt);
    }
  }
  if (!b->result) {
    TwSpan end = {p->file, b->span.end > b->span.start ? b->span.end - 1 : b->span.start, b->span.end};
    if (!poisoned) {
      TwDiag *d = tw_diag(&p->u->diags, TW_E0114, end, "this body has no result");
      tw_diag_help(&p->u->diags, d, "end it with an expression");
    }
    b->result = TW_NEW(&p->u->arena, TwExpr);
    b->result->kind = TW_EX_ERROR;
    b->result->span = end;
    b->result->depth = 1;
  }
  return finish_block(p, b);
}

TwBlock *tw_b_loop_block(TwParser *p, TwToken open, TwBody *body) {
  TwBlock *b = new_block(p, open);
  for (uint32_t i = 0; i < body->lines.len; i++) {
    const TwBodyLine *line = &body->lines.at[i];
    if (line->stmt) tw_vec_push(&p->u->arena, &b->stmts, line->stmt);
    else unused_value(p, line, "the body of a loop or an optimizer has no result; assign: 'h = …'");
  }
  return finish_block(p, b);
}
