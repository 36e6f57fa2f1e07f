/* format_internal.h: what the parts of the formatter share. */
#ifndef TW_AST_FORMAT_INTERNAL_H
#define TW_AST_FORMAT_INTERNAL_H

#include "compiler/ast/doc.h"
#include "compiler/ast/format.h"

typedef struct TwFormat {
  TwArena *a;
  const char *text; /* of the source */
  uint32_t len;
  const TwTrivia *comments;
  uint32_t n_comments, next; /* comments before `next` are placed */
} TwFormat;

/* ---- pieces */
TwDoc *tw_f_seq(TwFormat *f);
void tw_f_add(TwFormat *f, TwDoc *seq, TwDoc *item);
void tw_f_put(TwFormat *f, TwDoc *seq, const char *literal);
void tw_f_kind(TwFormat *f, TwDoc *seq, TwDocKind kind); /* LINE, SOFT, HARD */
void tw_f_source(TwFormat *f, TwDoc *seq, TwSpan span);  /* as written; places comments before it */
void tw_f_ident(TwFormat *f, TwDoc *seq, TwIdent id);
TwDoc *tw_f_group(TwFormat *f, TwDoc *inside);
TwDoc *tw_f_nest(TwFormat *f, TwDoc *inside);

/* ---- comments */
bool tw_f_comment_before(const TwFormat *f, uint32_t pos);
/* Puts the comments before `pos` at the end of whatever line they land on; forces nothing. */
void tw_f_flush(TwFormat *f, TwDoc *seq, uint32_t pos);
/* A LINE; comments before `pos`, where what follows begins, stay on the line before and force it. */
void tw_f_break(TwFormat *f, TwDoc *seq, uint32_t pos);
void tw_f_edge(TwFormat *f, TwDoc *seq, uint32_t pos, TwDocKind edge); /* the same with LINE or SOFT */
/* Comments before `pos`: at the end of the line, or on lines of their own. */
void tw_f_above(TwFormat *f, TwDoc *seq, uint32_t pos);
/* The offset of `close`, the first such character from `from` that is not in a comment. */
uint32_t tw_f_find(const TwFormat *f, uint32_t from, char close);

/* Items in brackets, one a line if they do not fit; with `fill` first all on one indented line. */
typedef struct TwFList {
  TwDoc *head, *inner, *tail; /* after the opening bracket on its line; the items; after the last item */
  const char *open, *close;
  bool blanks; /* a blank inside the brackets: { a = 1 } */
  bool fill;
  uint32_t n;
} TwFList;
TwFList tw_f_list(TwFormat *f, const char *open, const char *close, bool blanks, bool fill);
void tw_f_item(TwFormat *f, TwFList *l, uint32_t pos); /* then add the item to l->inner */
TwDoc *tw_f_list_end(TwFormat *f, TwFList *l, uint32_t close_pos);

/* Lines of a body or a file; `multi`: the source has them on several lines. */
typedef struct TwFLines {
  TwDoc *inner;
  bool file, multi;
  uint32_t n;
} TwFLines;
TwFLines tw_f_lines(TwFormat *f, bool file, bool multi);
void tw_f_line(TwFormat *f, TwFLines *l, uint32_t pos);
TwDoc *tw_f_lines_end(TwFormat *f, TwFLines *l, uint32_t close_pos);
bool tw_f_multi(const TwFormat *f, uint32_t from, uint32_t to);

/* ---- format_expr.c */
TwDoc *tw_f_expr(TwFormat *f, const TwExpr *e);
TwDoc *tw_f_expr_flush(TwFormat *f, const TwExpr *e);      /* an item or the right side of =: no extra indent */
void tw_f_value(TwFormat *f, TwDoc *seq, const TwExpr *e); /* e after `=` or `->` */
/* The same for any document that begins at `pos`. */
void tw_f_assign(TwFormat *f, TwDoc *seq, uint32_t pos, TwDoc *(*make)(TwFormat *, const void *), const void *of,
                 bool hug);
void tw_f_clause(TwFormat *f, TwDoc *seq, const TwForClause *c);
TwDoc *tw_f_params(TwFormat *f, const TwParamDecl *at, uint32_t n, uint32_t from);
TwDoc *tw_f_type(TwFormat *f, const TwTypeExpr *t);
void tw_f_args(TwFormat *f, TwFList *l, const TwArgs *args);

/* ---- format_decl.c */
TwDoc *tw_f_block(TwFormat *f, const TwBlock *b, const TwArgs *state);
TwDoc *tw_f_decl(TwFormat *f, const TwDecl *d);

#endif
