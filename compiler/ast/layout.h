/* layout.h: the token driver between scanner and grammar.
 *
 * It scans the file, reports lexical mistakes, keeps the comments, and turns newlines into statement
 * ends: a newline counts unless it stands inside ( ), [ ] or a record's braces, or next to something
 * that cannot end or begin a statement (a binary operator, `=`, `,`, `then`, …). A line that begins
 * with `-` goes on with the line before it if a blank follows the minus, else it begins a statement.
 * Braces are a body's if they follow an operand, a type or `)`, otherwise a record's. Brackets without
 * a partner are reported and completed here, so that the grammar sees balanced text. */
#ifndef TW_AST_LAYOUT_H
#define TW_AST_LAYOUT_H

#include "compiler/ast/ast.h"
#include "compiler/ast/token.h"

typedef enum TwBracketKind { TW_BR_FILE, TW_BR_PAREN, TW_BR_BRACK, TW_BR_RECORD, TW_BR_BLOCK } TwBracketKind;

typedef struct TwBracket {
  TwBracketKind kind;
  bool after_in;  /* opened right after `in`: an interval, which either kind of bracket may close */
  int owner;      /* BLOCK: the first token of the statement it belongs to */
  int head;       /* FILE, BLOCK: the first token of the statement being read; 0 at its start */
  int began;      /* and the same when the statement has ended; … */
  uint32_t start; /* … where that token is */
  bool bodied;    /* … and whether it has had a body */
  TwToken opener;
} TwBracket;

typedef struct TwLayout {
  TwUnit *u;
  uint32_t file;
  TwTokens tokens; /* without comments; the last is the end of the file */
  uint32_t at;
  TwVec(TwBracket) stack; /* stack.at[0] is the file */
  int previous;           /* kind of the last token handed out */
  bool reported;          /* this statement has had its error */
  bool stray;             /* a bracket that closes nothing was just passed over */
  bool after_stray;       /* and the last token handed out comes after it */
  bool not_utf8;          /* that was said */
  bool too_deep;
} TwLayout;

/* A file with more errors than this is not a program: reading it ends there. */
enum { TW_MANY_ERRORS = 1000 };

/* Scans everything. Comments go to m->comments if m is not NULL. */
void tw_layout_start(TwLayout *l, TwUnit *u, uint32_t file, TwModuleAst *m);
TwToken tw_layout_next(TwLayout *l); /* kind 0 at the end, as often as asked */
/* Where the declaration begins to which `t`, the last token handed out, belongs; and the line of a body. */
uint32_t tw_layout_declaration(const TwLayout *l, TwToken t);
uint32_t tw_layout_statement(const TwLayout *l, TwToken t);
/* The grammar refused `t`: if it begins a line no further in than the statement, in the midst of brackets, what is
 * wrong is that one of these is not closed. Says so and returns true, or does nothing. */
bool tw_layout_unclosed(TwLayout *l, TwToken t);
/* After the grammar refused `t`, the last token handed out: passes over the rest of the statement. */
void tw_layout_recover(TwLayout *l, TwToken t);
const TwToken *tw_layout_peek(const TwLayout *l); /* the next token of the text, as scanned */

#endif
