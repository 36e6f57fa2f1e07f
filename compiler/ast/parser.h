/* parser.h: between the token driver, the generated parser and the builders.
 *
 * The grammar's actions call the builders below, one a rule, and hold no logic. Builders make nodes
 * in the unit's arena, keep the depth limit, and report what the grammar accepts but the language
 * does not. */
#ifndef TW_AST_PARSER_H
#define TW_AST_PARSER_H

#include "compiler/ast/layout.h"
#include "compiler/ast/parse.h"

typedef struct TwParser {
  TwUnit *u;
  TwLayout *layout;
  TwModuleAst *module; /* NULL when parsing one expression */
  TwExpr *expr;        /* the result of tw_parse_expr */
  uint32_t file;
  uint32_t last_end;            /* where the token fed before this one ends: the end of what is being reduced */
  uint32_t broken, broken_line; /* where the declaration begins that was refused last, and the line of a body */
  bool failed;                  /* the last token was refused: skip to the end of the statement */
  bool fatal;                   /* stop feeding */
} TwParser;

/* ---- semantic values */
typedef struct TwPart { /* an expression and where its text starts, parentheses included */
  TwExpr *node;
  uint32_t start;
} TwPart;

typedef TwVec(TwStmt *) TwStmts;
typedef TwVec(TwDecl *) TwDecls;
typedef TwVec(TwTypeExpr *) TwTypeExprs;
typedef TwVec(TwFieldType) TwFieldTypes;
typedef TwVec(TwExprs) TwBrackets;
typedef TwVec(TwStageItem) TwStageItems;
typedef TwVec(TwDataArg) TwDataArgs;
typedef TwVec(TwDerivRule) TwDerivRules;

typedef struct TwRecur { /* a recurrence being read */
  uint32_t start, depth;
  TwIdent name;
  TwVec(TwRecurCase) cases;
  bool other; /* a case of another name was reported */
} TwRecur;

typedef struct TwBodyLine { /* a line of a body: one of the two */
  TwStmt *stmt;
  TwExpr *result;
  TwSpan span;
} TwBodyLine;
typedef struct TwBody {
  TwVec(TwBodyLine) lines;
  TwArgs state; /* of an optimizer */
} TwBody;

typedef struct TwStart { /* = e or ~ e */
  TwExpr *value;
  bool is_law;
} TwStart;

#define TW_MOVE(to, from) ((to).at = (from)->at, (to).len = (from)->len, (to).cap = (from)->cap)

/* ---- the generated parser */
void *tw_grammarAlloc(void *(*make)(size_t), TwParser *p);
void tw_grammarFree(void *parser, void (*drop)(void *));
void tw_grammar(void *parser, int kind, TwToken token);
int tw_grammarFallback(int kind);
/* Ends the silence after an error: the next one is reported. */
void tw_grammar_settle(void *parser);
void tw_grammar_leave_block(void *parser);
/* Which tokens the parser would take now; `set` has a place for each token kind. */
enum { TW_TOKEN_KINDS = 128 };
void tw_grammar_expected(void *parser, TwArena *scratch, bool set[TW_TOKEN_KINDS]);

/* ---- called by the generated parser */
void tw_on_syntax_error(TwParser *p, void *parser, TwToken token);
void tw_on_too_deep(TwParser *p);

/* ---- helpers */
TwSpan tw_span_from(const TwParser *p, uint32_t start); /* to the end of the last token */
TwSpan tw_token_span(const TwParser *p, TwToken t);
const char *tw_token_text(const TwParser *p, TwToken t, size_t *len);
bool tw_too_deep(TwParser *p, uint32_t depth, TwSpan span); /* reports, and stops the parse */

/* ---- build_expr.c */
TwIdent tw_b_ident(TwParser *p, TwToken t);
TwIdents *tw_b_idents(TwParser *p, TwIdents *list, TwToken t);
TwPart tw_b_name(TwParser *p, TwToken t);
TwPart tw_b_int(TwParser *p, TwToken t);
TwPart tw_b_real(TwParser *p, TwToken t);
TwPart tw_b_string(TwParser *p, TwToken t);
TwPart tw_b_field(TwParser *p, TwPart object, TwToken name);
TwPart tw_b_call(TwParser *p, TwPart callee, TwArgs *args);
TwPart tw_b_reduce(TwParser *p, TwPart callee, TwToken open, TwPart body, TwForClauses *fors, TwPart condition);
TwPart tw_b_index(TwParser *p, TwPart object, TwExprs *items);
TwPart tw_b_unary(TwParser *p, TwToken op, int which, TwPart a);
TwPart tw_b_binary(TwParser *p, TwPart a, TwToken op, int which, TwPart b);
TwPart tw_b_if(TwParser *p, TwToken start, TwPart c, TwPart a, TwPart b);
TwPart tw_b_range(TwParser *p, TwPart lo, TwToken dots, TwPart hi);
TwPart tw_b_paren(TwParser *p, TwToken open, TwPart e);
TwPart tw_b_items(TwParser *p, TwToken open, TwExprKind kind, TwExprs *items);
TwPart tw_b_tuple(TwParser *p, TwToken open, TwPart first, TwExprs *rest);
TwPart tw_b_record(TwParser *p, TwToken open, TwArgs *fields);
TwPart tw_b_comprehension(TwParser *p, TwToken open, TwPart body, TwForClauses *fors, TwPart condition);
TwPart tw_b_lambda(TwParser *p, TwToken start, TwParamDecls *params, TwPart body);
TwPart tw_b_block_expr(TwParser *p, TwBlock *block);
TwExprs *tw_b_exprs(TwParser *p, TwExprs *list, TwPart e);
TwArg tw_b_arg(TwParser *p, TwIdent name, TwPart value);
TwArgs *tw_b_args(TwParser *p, TwArgs *list, TwArg arg);
TwForClause tw_b_clause(TwParser *p, uint32_t start, TwIdents *names, bool pattern, TwPart in);
TwForClauses *tw_b_clauses(TwParser *p, TwForClauses *list, TwForClause c);

/* ---- build_type.c */
TwTypeExpr *tw_b_type_name(TwParser *p, TwToken *module, TwToken name, TwBrackets *brackets);
TwTypeExpr *tw_b_type_fn(TwParser *p, TwToken start, TwTypeExprs *params, TwTypeExpr *result);
TwTypeExpr *tw_b_type_record(TwParser *p, TwToken open, TwFieldTypes *fields);
TwBrackets *tw_b_brackets(TwParser *p, TwBrackets *list, TwExprs *group);
TwTypeExprs *tw_b_types(TwParser *p, TwTypeExprs *list, TwTypeExpr *t);
TwFieldTypes *tw_b_field_types(TwParser *p, TwFieldTypes *list, TwToken name, TwTypeExpr *t);
TwParamDecl tw_b_param(TwParser *p, TwToken name, TwTypeExpr *type, TwExpr *value);
TwParamDecls *tw_b_params(TwParser *p, TwParamDecls *list, TwParamDecl d);

/* ---- build_stmt.c */
TwBodyLine tw_b_let(TwParser *p, TwToken start, TwIdents *names, bool pattern, TwTypeExpr *type, TwPart value);
TwRecur *tw_b_recur_start(TwParser *p, TwToken start, TwToken name);
TwRecur *tw_b_recur_case(TwParser *p, TwRecur *r, TwToken name, TwPart index, TwPart value, TwForClause *clause);
TwBodyLine tw_b_recur(TwParser *p, TwRecur *r);
TwBodyLine tw_b_assign(TwParser *p, TwToken name, TwPart value);
TwBodyLine tw_b_local_fn(TwParser *p, TwToken start, TwDecl *fn);
TwBodyLine tw_b_loop(TwParser *p, TwToken start, TwForClauses *clauses, TwToken open, TwBody *body);
TwBodyLine tw_b_result(TwParser *p, TwPart e);
TwBodyLine tw_b_stmt_error(TwParser *p);
TwBody *tw_b_body(TwParser *p, TwBody *body, TwBodyLine line);
TwBody *tw_b_state(TwParser *p, TwBody *body, TwArgs *state);
TwBlock *tw_b_fn_block(TwParser *p, TwToken open, TwBody *body);   /* ends with its result */
TwBlock *tw_b_loop_block(TwParser *p, TwToken open, TwBody *body); /* has none */

/* ---- build_decl.c */
TwDecl *tw_b_decl(TwParser *p, TwDeclKind kind, TwToken start, TwToken *name);
TwDecl *tw_b_fn(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwParamDecls *params, TwTypeExpr *result,
                TwPart body, TwDerivRules *rules);
TwDecl *tw_b_model(TwParser *p, TwToken start, TwToken name, TwParamDecls *params, TwTypeExpr *result, TwPart body);
TwDecl *tw_b_domain(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwParamDecls *params, TwDecls *maps);
TwDecl *tw_b_map(TwParser *p, TwToken name, TwParamDecls *params, TwTypeExpr *result, TwPart body);
TwDecl *tw_b_optimizer(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwParamDecls *params, TwToken open,
                       TwBody *body);
TwDecl *tw_b_data(TwParser *p, TwToken start, TwToken name, TwToken source, TwDataArgs *args, TwPart target);
TwDecl *tw_b_param_decl(TwParser *p, TwToken start, TwToken name, TwTypeExpr *type, TwDomainExpr domain,
                        TwPart transform, TwStart value);
TwDecl *tw_b_value_decl(TwParser *p, TwDeclKind kind, TwToken start, TwToken *name, TwTypeExpr *type, TwStart value);
TwDecl *tw_b_stage(TwParser *p, TwToken start, TwToken name, TwStageItems *items);
TwDecl *tw_b_ensure(TwParser *p, TwToken start, TwPart e, TwIdents *during, TwPart every, bool stop);
TwDecl *tw_b_variant(TwParser *p, TwToken start, TwToken name, TwDecls *decls);
TwDecl *tw_b_type_decl(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwTypeExpr *type);
TwDecl *tw_b_decl_error(TwParser *p);
TwDecls *tw_b_decls(TwParser *p, TwDecls *list, TwDecl *d);
void tw_b_module_decl(TwParser *p, TwDecl *d);
TwDerivRules *tw_b_rules(TwParser *p, TwDerivRules *list, TwToken start, TwToken param, TwPart value);
TwDataArg tw_b_data_arg(TwParser *p, TwToken *name, TwPart value, TwDomainExpr *axis);
TwDataArgs *tw_b_data_args(TwParser *p, TwDataArgs *list, TwDataArg arg);
TwDomainExpr tw_b_interval(TwParser *p, TwToken open, TwPart lo, TwPart hi, bool lo_open, bool hi_open);
TwDomainExpr tw_b_named_domain(TwParser *p, TwPart name);
TwStageItem tw_b_item(TwParser *p, TwStageItemKind kind, uint32_t start, TwIdents *names, TwPart value);
TwStageItem tw_b_option(TwParser *p, TwToken word, TwToken *second, TwPart value);
TwStageItems *tw_b_stage_items(TwParser *p, TwStageItems *list, TwStageItem item);

#endif
