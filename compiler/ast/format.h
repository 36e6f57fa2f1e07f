/* format.h: the formatter: one style, comments kept, idempotent (P2). */
#ifndef TW_AST_FORMAT_H
#define TW_AST_FORMAT_H

#include "compiler/ast/ast.h"

/* The module's text in the house style, in the unit's arena. Only for a module that parsed without
 * errors. Line width 100. fmt(fmt(x)) = fmt(x); parse(fmt(x)) = parse(x); every comment survives. */
const char *tw_format(TwUnit *u, const TwModuleAst *m);

/* Whether two modules are the same program: equal trees, spans and comments aside. */
bool tw_ast_equal(const TwModuleAst *a, const TwModuleAst *b);
bool tw_stage_item_equal(const TwStageItem *a, const TwStageItem *b);

#endif
