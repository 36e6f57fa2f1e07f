/* doc.h: text with places where it may break, and the printer that chooses where.
 *
 * A document is built bottom up in an arena and printed once. A group is printed on one line if it
 * fits, otherwise its own lines break; a forced break inside a group breaks it. A suffix is text that
 * goes to the end of whatever line it lands on: trailing comments. Printing does not recurse. */
#ifndef TW_AST_DOC_H
#define TW_AST_DOC_H

#include <stdbool.h>

#include "compiler/base/arena.h"

typedef enum TwDocKind {
  TW_DOC_TEXT,
  TW_DOC_LINE,   /* a blank, or a newline when broken */
  TW_DOC_SOFT,   /* nothing, or a newline when broken */
  TW_DOC_HARD,   /* a newline */
  TW_DOC_FLAT,   /* text only when not broken */
  TW_DOC_SUFFIX, /* a comment at the end of the line */
  TW_DOC_SEQ,
  TW_DOC_NEST, /* newlines inside are indented by two more */
  TW_DOC_GROUP,
  TW_DOC_ASSIGN /* the right side of `=`: on this line, or indented on the next, or broken inside */
} TwDocKind;

typedef struct TwDoc TwDoc;
struct TwDoc {
  TwDocKind kind;
  bool breaks; /* holds a forced break */
  bool hug;    /* ASSIGN: rather break inside than go to the next line */
  const char *text;
  uint32_t bytes, width;
  TwVec(TwDoc *) items; /* SEQ; NEST, GROUP and ASSIGN have one */
};

TwDoc *tw_doc_text(TwArena *a, const char *text, size_t bytes);
TwDoc *tw_doc(TwArena *a, TwDocKind kind);                     /* LINE, SOFT, HARD, SEQ */
TwDoc *tw_doc_wrap(TwArena *a, TwDocKind kind, TwDoc *inside); /* NEST, GROUP, ASSIGN */
void tw_doc_add(TwArena *a, TwDoc *seq, TwDoc *item);

/* The text, with `width` code points a line where that can be had; ends with a newline unless empty. */
const char *tw_doc_print(TwArena *a, TwDoc *doc, uint32_t width);

#endif
