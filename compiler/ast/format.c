/* format.c: the house style: comments, lists and lines.
 *
 * requires: a module that parsed without errors, and its source.   provides: tw_format.
 * Comments are placed in the order of the text. One on a line of its own keeps its line between
 * statements and between the items of a list; any other goes to the end of the line that it stands
 * at, and the brackets around it break. */
#include "compiler/ast/format_internal.h"

#include <string.h>

TwDoc *tw_f_seq(TwFormat *f) { return tw_doc(f->a, TW_DOC_SEQ); }
void tw_f_add(TwFormat *f, TwDoc *seq, TwDoc *item) { tw_doc_add(f->a, seq, item); }
void tw_f_kind(TwFormat *f, TwDoc *seq, TwDocKind kind) { tw_doc_add(f->a, seq, tw_doc(f->a, kind)); }
TwDoc *tw_f_group(TwFormat *f, TwDoc *inside) { return tw_doc_wrap(f->a, TW_DOC_GROUP, inside); }
TwDoc *tw_f_nest(TwFormat *f, TwDoc *inside) { return tw_doc_wrap(f->a, TW_DOC_NEST, inside); }

void tw_f_put(TwFormat *f, TwDoc *seq, const char *literal) {
  tw_doc_add(f->a, seq, tw_doc_text(f->a, literal, strlen(literal)));
}

void tw_f_source(TwFormat *f, TwDoc *seq, TwSpan span) {
  tw_f_flush(f, seq, span.start);
  tw_doc_add(f->a, seq, tw_doc_text(f->a, f->text + span.start, span.end - span.start));
}

void tw_f_ident(TwFormat *f, TwDoc *seq, TwIdent id) {
  tw_f_flush(f, seq, id.span.start);
  tw_f_put(f, seq, id.name);
}

typedef enum Placing { ON_ITS_LINE, AT_THE_END, AT_THE_END_AND_BREAK } Placing;

static TwDoc *comment(TwFormat *f, Placing how) {
  TwSpan s = f->comments[f->next++].span;
  TwDoc *d = tw_doc_text(f->a, f->text + s.start, s.end - s.start);
  if (how != ON_ITS_LINE) d->kind = TW_DOC_SUFFIX;
  d->breaks = how != AT_THE_END;
  return d;
}

bool tw_f_comment_before(const TwFormat *f, uint32_t pos) {
  return f->next < f->n_comments && f->comments[f->next].span.start < pos;
}

static bool trailing_before(const TwFormat *f, uint32_t pos) {
  return tw_f_comment_before(f, pos) && !f->comments[f->next].own_line;
}

void tw_f_flush(TwFormat *f, TwDoc *seq, uint32_t pos) {
  while (tw_f_comment_before(f, pos)) tw_doc_add(f->a, seq, comment(f, AT_THE_END));
}

void tw_f_above(TwFormat *f, TwDoc *seq, uint32_t pos) {
  while (trailing_before(f, pos)) tw_f_add(f, seq, comment(f, AT_THE_END_AND_BREAK));
  while (tw_f_comment_before(f, pos)) {
    tw_f_kind(f, seq, TW_DOC_HARD);
    tw_f_add(f, seq, comment(f, ON_ITS_LINE));
  }
}

uint32_t tw_f_find(const TwFormat *f, uint32_t from, char close) {
  for (uint32_t i = from; i < f->len; i++) {
    if (f->text[i] == close) return i;
    if (f->text[i] == '/' && i + 1 < f->len && f->text[i + 1] == '/')
      while (i < f->len && f->text[i] != '\n') i++;
  }
  return f->len;
}

void tw_f_break(TwFormat *f, TwDoc *seq, uint32_t pos) { tw_f_edge(f, seq, pos, TW_DOC_LINE); }

void tw_f_edge(TwFormat *f, TwDoc *seq, uint32_t pos, TwDocKind edge) {
  while (tw_f_comment_before(f, pos)) tw_f_add(f, seq, comment(f, AT_THE_END_AND_BREAK));
  tw_f_kind(f, seq, edge);
}

void tw_f_assign(TwFormat *f, TwDoc *seq, uint32_t pos, TwDoc *(*make)(TwFormat *, const void *), const void *of,
                 bool hug) {
  if (!tw_f_comment_before(f, pos)) {
    TwDoc *assign = tw_doc_wrap(f->a, TW_DOC_ASSIGN, make(f, of));
    assign->hug = hug;
    tw_f_add(f, seq, assign);
    return;
  }
  /* A comment after the `=` stays there, and the value begins the next line. */
  TwDoc *below = tw_f_seq(f);
  tw_f_edge(f, seq, pos, TW_DOC_SEQ);
  tw_f_kind(f, below, TW_DOC_HARD);
  tw_f_add(f, below, make(f, of));
  tw_f_add(f, seq, tw_f_nest(f, below));
}

bool tw_f_multi(const TwFormat *f, uint32_t from, uint32_t to) {
  return to > from && memchr(f->text + from, '\n', to - from) != NULL;
}

/* Whether an empty line stands before what is at `pos`. */
static bool blank_before(const TwFormat *f, uint32_t pos) {
  uint32_t lines = 0;
  while (pos > 0) {
    char c = f->text[pos - 1];
    if (c == '\n') lines++;
    else if (c != ' ' && c != '\t' && c != '\r' && c != '(') break;
    pos--;
  }
  return lines > 1;
}

TwFList tw_f_list(TwFormat *f, const char *open, const char *close, bool blanks, bool fill) {
  return (TwFList){.head = tw_f_seq(f),
                   .inner = tw_f_seq(f),
                   .tail = tw_f_seq(f),
                   .open = open,
                   .close = close,
                   .blanks = blanks,
                   .fill = fill};
}

void tw_f_item(TwFormat *f, TwFList *l, uint32_t pos) {
  if (l->n++) tw_f_put(f, l->inner, ",");
  while (trailing_before(f, pos)) tw_f_add(f, l->n == 1 ? l->head : l->inner, comment(f, AT_THE_END_AND_BREAK));
  if (l->n > 1) tw_f_kind(f, l->inner, TW_DOC_LINE);
  while (tw_f_comment_before(f, pos)) {
    tw_f_add(f, l->inner, comment(f, ON_ITS_LINE));
    tw_f_kind(f, l->inner, TW_DOC_HARD);
  }
}

TwDoc *tw_f_list_end(TwFormat *f, TwFList *l, uint32_t close_pos) {
  while (trailing_before(f, close_pos)) tw_f_add(f, l->n == 0 ? l->head : l->tail, comment(f, AT_THE_END_AND_BREAK));
  while (tw_f_comment_before(f, close_pos)) {
    if (l->inner->items.len || l->tail->items.len) tw_f_kind(f, l->tail, TW_DOC_HARD);
    tw_f_add(f, l->tail, comment(f, ON_ITS_LINE));
  }
  TwDoc *all = tw_f_seq(f);
  tw_f_put(f, all, l->open);
  tw_f_add(f, all, l->head);
  if (l->inner->items.len || l->head->items.len || l->tail->items.len) {
    TwDocKind edge = l->blanks ? TW_DOC_LINE : TW_DOC_SOFT;
    TwDoc *inside = tw_f_seq(f);
    tw_f_kind(f, inside, edge);
    tw_f_add(f, inside, l->fill ? tw_f_group(f, l->inner) : l->inner);
    tw_f_add(f, inside, l->tail);
    tw_f_add(f, all, tw_f_nest(f, inside));
    tw_f_kind(f, all, edge);
  }
  tw_f_put(f, all, l->close);
  return tw_f_group(f, all);
}

TwFLines tw_f_lines(TwFormat *f, bool file, bool multi) {
  return (TwFLines){.inner = tw_f_seq(f), .file = file, .multi = multi};
}

/* Ends the line before, places the comments in between, and keeps one empty line. */
void tw_f_line(TwFormat *f, TwFLines *l, uint32_t pos) {
  bool first = l->n++ == 0;
  if (!first && !l->file) {
    TwDoc *semicolon = tw_doc_text(f->a, ";", 1);
    semicolon->kind = TW_DOC_FLAT;
    tw_f_add(f, l->inner, semicolon);
  }
  while (trailing_before(f, pos)) tw_f_add(f, l->inner, comment(f, AT_THE_END_AND_BREAK));
  if (!first || !l->file) tw_f_kind(f, l->inner, l->file ? TW_DOC_HARD : TW_DOC_LINE);
  while (tw_f_comment_before(f, pos)) {
    if (!first && blank_before(f, f->comments[f->next].span.start)) tw_f_kind(f, l->inner, TW_DOC_HARD);
    first = false;
    tw_f_add(f, l->inner, comment(f, ON_ITS_LINE));
    tw_f_kind(f, l->inner, TW_DOC_HARD);
  }
  if (!first && blank_before(f, pos)) tw_f_kind(f, l->inner, TW_DOC_HARD);
}

TwDoc *tw_f_lines_end(TwFormat *f, TwFLines *l, uint32_t close_pos) {
  while (trailing_before(f, close_pos)) tw_f_add(f, l->inner, comment(f, AT_THE_END_AND_BREAK));
  bool first = l->n == 0;
  while (tw_f_comment_before(f, close_pos)) {
    if (!first || !l->file) tw_f_kind(f, l->inner, TW_DOC_HARD);
    if (!first && blank_before(f, f->comments[f->next].span.start)) tw_f_kind(f, l->inner, TW_DOC_HARD);
    first = false;
    tw_f_add(f, l->inner, comment(f, ON_ITS_LINE));
  }
  if (l->file) return l->inner;
  TwDoc *all = tw_f_seq(f);
  tw_f_put(f, all, "{");
  if (l->inner->items.len) {
    tw_f_add(f, all, tw_f_nest(f, l->inner));
    tw_f_kind(f, all, TW_DOC_LINE);
  }
  tw_f_put(f, all, "}");
  TwDoc *group = tw_f_group(f, all);
  group->breaks = group->breaks || (l->multi && l->n > 0);
  return group;
}

const char *tw_format(TwUnit *u, const TwModuleAst *m) {
  const TwSource *source = tw_source(&u->sources, m->file);
  TwArena scratch = {0};
  TwFormat f = {.a = &scratch,
                .text = source->text,
                .len = source->len,
                .comments = m->comments.at,
                .n_comments = m->comments.len};
  TwFLines lines = tw_f_lines(&f, true, true);
  for (uint32_t i = 0; i < m->decls.len; i++) {
    tw_f_line(&f, &lines, m->decls.at[i]->span.start);
    tw_f_add(&f, lines.inner, tw_f_decl(&f, m->decls.at[i]));
  }
  const char *out = tw_doc_print(&u->arena, tw_f_lines_end(&f, &lines, source->len + 1), 100);
  tw_arena_free(&scratch);
  return out;
}
