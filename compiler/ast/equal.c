/* equal.c: whether two modules are the same program.
 *
 * requires: trees as the parser makes them.   provides: tw_ast_equal, tw_stage_item_equal.
 * Spans, comments and documentation do not count. Names are compared by spelling, so that modules of
 * different units can be compared. */
#include <string.h>

#include "compiler/ast/format.h"

static bool same_name(TwName a, TwName b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool expr(const TwExpr *a, const TwExpr *b);
static bool type(const TwTypeExpr *a, const TwTypeExpr *b);
static bool decl(const TwDecl *a, const TwDecl *b);

#define EACH(a, b, same)                                                                                               \
  do {                                                                                                                 \
    if ((a)->len != (b)->len) return false;                                                                            \
    for (uint32_t i_ = 0; i_ < (a)->len; i_++)                                                                         \
      if (!same((a)->at[i_], (b)->at[i_])) return false;                                                               \
  } while (0)
#define EACH_AT(a, b, same)                                                                                            \
  do {                                                                                                                 \
    if ((a)->len != (b)->len) return false;                                                                            \
    for (uint32_t i_ = 0; i_ < (a)->len; i_++)                                                                         \
      if (!same(&(a)->at[i_], &(b)->at[i_])) return false;                                                             \
  } while (0)

static bool ident(const TwIdent *a, const TwIdent *b) { return same_name(a->name, b->name); }

static bool idents(const TwIdents *a, const TwIdents *b) {
  EACH_AT(a, b, ident);
  return true;
}

static bool exprs(const TwExprs *a, const TwExprs *b) {
  EACH(a, b, expr);
  return true;
}

static bool arg(const TwArg *a, const TwArg *b) { return ident(&a->name, &b->name) && expr(a->value, b->value); }

static bool clause(const TwForClause *a, const TwForClause *b) {
  return a->pattern == b->pattern && idents(&a->names, &b->names) && expr(a->in, b->in);
}

static bool param(const TwParamDecl *a, const TwParamDecl *b) {
  return ident(&a->name, &b->name) && type(a->type, b->type) && expr(a->value, b->value);
}

static bool field(const TwFieldType *a, const TwFieldType *b) {
  return ident(&a->name, &b->name) && type(a->type, b->type);
}

static bool type(const TwTypeExpr *a, const TwTypeExpr *b) {
  if (!a || !b) return a == b;
  if (a->kind != b->kind || !ident(&a->module, &b->module) || !ident(&a->name, &b->name)) return false;
  EACH_AT(&a->brackets, &b->brackets, exprs);
  EACH(&a->params, &b->params, type);
  EACH_AT(&a->fields, &b->fields, field);
  return type(a->result, b->result);
}

static bool recur_case(const TwRecurCase *a, const TwRecurCase *b) {
  return expr(a->index, b->index) && expr(a->value, b->value) && a->has_for == b->has_for &&
         clause(&a->clause, &b->clause);
}

static bool block(const TwBlock *a, const TwBlock *b);

static bool stmt(const TwStmt *a, const TwStmt *b) {
  if (a->kind != b->kind || a->pattern != b->pattern || !idents(&a->names, &b->names)) return false;
  EACH_AT(&a->cases, &b->cases, recur_case);
  EACH_AT(&a->inner, &b->inner, clause);
  if (a->kind == TW_ST_FN && !decl(a->fn, b->fn)) return false;
  return type(a->type, b->type) && expr(a->value, b->value) && clause(&a->clause, &b->clause) &&
         block(a->body, b->body);
}

static bool block(const TwBlock *a, const TwBlock *b) {
  if (!a || !b) return a == b;
  EACH(&a->stmts, &b->stmts, stmt);
  return expr(a->result, b->result);
}

static bool expr(const TwExpr *a, const TwExpr *b) {
  if (!a || !b) return a == b;
  if (a->kind != b->kind || a->op != b->op || a->bracketed != b->bracketed || a->integer != b->integer) return false;
  if (memcmp(&a->real, &b->real, sizeof a->real) != 0 || a->boolean != b->boolean) return false;
  if (!same_name(a->name, b->name) || !same_name(a->string, b->string)) return false;
  EACH(&a->items, &b->items, expr);
  EACH_AT(&a->args, &b->args, arg);
  EACH_AT(&a->fors, &b->fors, clause);
  EACH_AT(&a->params, &b->params, param);
  return expr(a->a, b->a) && expr(a->b, b->b) && expr(a->c, b->c) && expr(a->body, b->body) &&
         block(a->block, b->block);
}

static bool domain(const TwDomainExpr *a, const TwDomainExpr *b) {
  return a->present == b->present && a->named == b->named && a->lo_open == b->lo_open && a->hi_open == b->hi_open &&
         expr(a->lo, b->lo) && expr(a->hi, b->hi) && expr(a->name, b->name);
}

static bool data_arg(const TwDataArg *a, const TwDataArg *b) {
  return a->kind == b->kind && ident(&a->name, &b->name) && expr(a->value, b->value) && domain(&a->domain, &b->domain);
}

static bool rule(const TwDerivRule *a, const TwDerivRule *b) {
  return ident(&a->param, &b->param) && expr(a->value, b->value);
}

static bool item(const TwStageItem *a, const TwStageItem *b) {
  return a->kind == b->kind && idents(&a->names, &b->names) && expr(a->value, b->value) &&
         expr(a->condition, b->condition);
}

static bool decl(const TwDecl *a, const TwDecl *b) {
  if (a->kind != b->kind || !ident(&a->name, &b->name) || !idents(&a->shape_params, &b->shape_params)) return false;
  if (a->is_law != b->is_law || a->is_custom != b->is_custom || a->stop != b->stop) return false;
  EACH_AT(&a->params, &b->params, param);
  EACH_AT(&a->derivatives, &b->derivatives, rule);
  EACH_AT(&a->data_args, &b->data_args, data_arg);
  EACH_AT(&a->state, &b->state, arg);
  EACH_AT(&a->items, &b->items, item);
  EACH(&a->decls, &b->decls, decl);
  return type(a->type, b->type) && expr(a->value, b->value) && domain(&a->domain, &b->domain) &&
         expr(a->transform, b->transform) && ident(&a->source, &b->source) && block(a->body, b->body) &&
         idents(&a->during, &b->during) && expr(a->every, b->every);
}

bool tw_stage_item_equal(const TwStageItem *a, const TwStageItem *b) { return item(a, b); }

bool tw_ast_equal(const TwModuleAst *a, const TwModuleAst *b) {
  EACH(&a->decls, &b->decls, decl);
  return true;
}
