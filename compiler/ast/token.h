/* token.h: tokens as the lexer makes them, and their names.
 *
 * Kinds are those of the grammar (TW_T_ID, …, from the generated grammar.h; 0 is the end of the
 * file) and the few below that never reach it. */
#ifndef TW_AST_TOKEN_H
#define TW_AST_TOKEN_H

#include "compiler/unit.h"

enum {
  TW_LEX_COMMENT = 1000, /* from // to the end of the line */
  TW_LEX_SEMICOLON,
  TW_LEX_OPEN_BRACE, /* the token driver decides between record and block */
  TW_LEX_CLOSE_BRACE,
  /* mistakes, reported by the token driver */
  TW_LEX_BAD_CHAR,
  TW_LEX_BAD_NUMBER,
  TW_LEX_OPEN_STRING,   /* no closing quote on its line */
  TW_LEX_SINGLE_QUOTED, /* 'text' */
  TW_LEX_BLOCK_COMMENT, /* C's */
  TW_LEX_HASH_COMMENT,  /* # … */
  TW_LEX_STAR_STAR,     /* ** */
  TW_LEX_AND_AND,       /* && */
  TW_LEX_OR_OR,         /* || */
  TW_LEX_BANG,          /* ! */
  TW_LEX_ASSIGN_OP,     /* += -= *= /= := ++ */
  TW_LEX_FAT_ARROW      /* => */
};

typedef struct TwToken {
  uint16_t kind;
  bool newline;     /* a line ended since the token before */
  bool blank_after; /* a blank, a line's end or a comment follows */
  uint32_t start, end;
} TwToken;
typedef TwVec(TwToken) TwTokens;

typedef enum TwTokenClass {
  TW_TC_NONE,
  TW_TC_OPERATOR,
  TW_TC_PUNCT,
  TW_TC_RESERVED,
  TW_TC_WORD,
  TW_TC_LITERAL,
  TW_TC_LAYOUT
} TwTokenClass;

/* Scans one token at `at` (blanks skipped, newlines noted in *newline). `text` is NUL-terminated
 * at `len`. */
typedef struct TwScan {
  const unsigned char *text;
  uint32_t len;
} TwScan;
TwToken tw_scan(const TwScan *s, uint32_t at);

const char *tw_token_show(int kind); /* "'('", "a name" */
const char *tw_token_kind(int kind); /* "LPAREN" */
TwTokenClass tw_token_class(int kind);

#endif
