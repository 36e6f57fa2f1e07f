/* build_type.c: types as written, and parameters.
 *
 * requires: tokens in the order of the text.   provides: type nodes with spans and depths. */
#include "compiler/ast/parser.h"
#include "gen/grammar.h"

static uint32_t deeper(uint32_t a, uint32_t b) { return a > b ? a : b; }

static TwTypeExpr *finish(TwParser *p, TwTypeExpr *t) {
  uint32_t d = t->result ? t->result->depth : 0;
  for (uint32_t i = 0; i < t->brackets.len; i++)
    for (uint32_t k = 0; k < t->brackets.at[i].len; k++) d = deeper(d, t->brackets.at[i].at[k]->depth);
  for (uint32_t i = 0; i < t->params.len; i++) d = deeper(d, t->params.at[i]->depth);
  for (uint32_t i = 0; i < t->fields.len; i++) d = deeper(d, t->fields.at[i].type->depth);
  t->depth = d + 1;
  tw_too_deep(p, t->depth, t->span);
  return t;
}

static TwTypeExpr *new_type(TwParser *p, TwTypeExprKind kind, uint32_t start) {
  TwTypeExpr *t = TW_NEW(&p->u->arena, TwTypeExpr);
  t->kind = kind;
  t->span = tw_span_from(p, start);
  return t;
}

TwTypeExpr *tw_b_type_name(TwParser *p, TwToken *module, TwToken name, TwBrackets *brackets) {
  TwTypeExpr *t = new_type(p, TW_TE_NAME, module ? module->start : name.start);
  if (module) t->module = tw_b_ident(p, *module);
  t->name = tw_b_ident(p, name);
  if (brackets) TW_MOVE(t->brackets, brackets);
  return finish(p, t);
}

TwTypeExpr *tw_b_type_fn(TwParser *p, TwToken start, TwTypeExprs *params, TwTypeExpr *result) {
  TwTypeExpr *t = new_type(p, TW_TE_FN, start.start);
  if (params) TW_MOVE(t->params, params);
  t->result = result;
  return finish(p, t);
}

TwTypeExpr *tw_b_type_record(TwParser *p, TwToken open, TwFieldTypes *fields) {
  TwTypeExpr *t = new_type(p, TW_TE_RECORD, open.start);
  TW_MOVE(t->fields, fields);
  return finish(p, t);
}

TwBrackets *tw_b_brackets(TwParser *p, TwBrackets *list, TwExprs *group) {
  if (!list) list = TW_NEW(&p->u->arena, TwBrackets);
  tw_vec_push(&p->u->arena, list, *group);
  return list;
}

TwTypeExprs *tw_b_types(TwParser *p, TwTypeExprs *list, TwTypeExpr *t) {
  if (!list) list = TW_NEW(&p->u->arena, TwTypeExprs);
  tw_vec_push(&p->u->arena, list, t);
  return list;
}

TwFieldTypes *tw_b_field_types(TwParser *p, TwFieldTypes *list, TwToken name, TwTypeExpr *t) {
  if (!list) list = TW_NEW(&p->u->arena, TwFieldTypes);
  TwFieldType f = {tw_b_ident(p, name), t};
  tw_vec_push(&p->u->arena, list, f);
  return list;
}

TwParamDecl tw_b_param(TwParser *p, TwToken name, TwTypeExpr *type, TwExpr *value) {
  return (TwParamDecl){.name = tw_b_ident(p, name), .type = type, .value = value};
}

TwParamDecls *tw_b_params(TwParser *p, TwParamDecls *list, TwParamDecl d) {
  if (!list) list = TW_NEW(&p->u->arena, TwParamDecls);
  tw_vec_push(&p->u->arena, list, d);
  return list;
}
