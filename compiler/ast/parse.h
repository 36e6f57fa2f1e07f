/* parse.h: source text -> tokens -> tree. */
#ifndef TW_AST_PARSE_H
#define TW_AST_PARSE_H

#include <stdio.h>

#include "compiler/ast/ast.h"

/* requires: a file of u->sources.   provides: *out, never NULL, with ERROR nodes where it recovered.
 * Returns false iff it added an error. Recovers at statement ends: each mistake is one error. */
bool tw_parse(TwUnit *u, uint32_t file, TwModuleAst **out);

/* Parses one expression from a file that holds nothing else (the value of -D name=value). */
bool tw_parse_expr(TwUnit *u, uint32_t file, TwExpr **out);

/* emit --as tokens: a line a token: offset, kind, text. */
bool tw_tokens_dump(TwUnit *u, uint32_t file, FILE *out);
/* emit --as ast: an indented tree, a line a node, with spans as line:column. */
void tw_ast_dump(const TwUnit *u, const TwModuleAst *m, FILE *out);

#endif
