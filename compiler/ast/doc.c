/* doc.c: laying out documents (after Wadler, "A prettier printer", with an explicit stack).
 *
 * requires: documents without cycles.   provides: doc.h. */
#include "compiler/ast/doc.h"

#include <string.h>

TwDoc *tw_doc(TwArena *a, TwDocKind kind) {
  TwDoc *d = TW_NEW(a, TwDoc);
  d->kind = kind;
  d->breaks = kind == TW_DOC_HARD;
  return d;
}

TwDoc *tw_doc_text(TwArena *a, const char *text, size_t bytes) {
  TwDoc *d = tw_doc(a, TW_DOC_TEXT);
  d->text = text;
  d->bytes = (uint32_t)bytes;
  for (size_t i = 0; i < bytes; i++) d->width += ((unsigned char)text[i] & 0xC0) != 0x80;
  return d;
}

void tw_doc_add(TwArena *a, TwDoc *seq, TwDoc *item) {
  tw_vec_push(a, &seq->items, item);
  seq->breaks = seq->breaks || item->breaks;
}

TwDoc *tw_doc_wrap(TwArena *a, TwDocKind kind, TwDoc *inside) {
  TwDoc *d = tw_doc(a, kind);
  tw_doc_add(a, d, inside);
  return d;
}

typedef struct Command {
  const TwDoc *doc;
  uint32_t indent;
  bool flat;
} Command;
typedef TwVec(Command) Commands;

typedef struct Printer {
  TwArena *arena; /* of the result */
  TwArena scratch;
  Commands todo, trial;
  TwVec(const TwDoc *) suffixes;
  char *out;
  size_t len, cap;
  uint32_t column, width;
} Printer;

static void put(Printer *p, const char *s, size_t n) {
  if (p->len + n + 1 > p->cap) {
    size_t cap = 2 * (p->len + n + 1);
    char *more = tw_arena_alloc(&p->scratch, cap);
    if (p->len) memcpy(more, p->out, p->len);
    p->out = more;
    p->cap = cap;
  }
  if (n) memcpy(p->out + p->len, s, n);
  p->len += n;
}

static void trim(Printer *p) {
  while (p->len && p->out[p->len - 1] == ' ') p->len--;
}

static void newline(Printer *p, uint32_t indent) {
  trim(p);
  for (uint32_t i = 0; i < p->suffixes.len; i++) {
    const TwDoc *s = p->suffixes.at[i];
    if (p->len && p->out[p->len - 1] != '\n') put(p, " ", 1);
    put(p, s->text, s->bytes);
  }
  p->suffixes.len = 0;
  put(p, "\n", 1);
  for (uint32_t i = 0; i < indent; i++) put(p, " ", 1);
  p->column = indent;
}

static void push(Printer *p, Commands *to, const TwDoc *doc, uint32_t indent, bool flat) {
  Command c = {doc, indent, flat};
  tw_vec_push(&p->scratch, to, c);
}

/* Pushes what is inside so that the first is on top. */
static void push_items(Printer *p, Commands *to, const TwDoc *doc, uint32_t indent, bool flat) {
  for (uint32_t i = doc->items.len; i > 0; i--) push(p, to, doc->items.at[i - 1], indent, flat);
}

/* Whether `doc`, flat, and what follows it up to the next possible newline fit in `room`. */
static bool fits(Printer *p, const TwDoc *doc, int64_t room) {
  uint32_t rest = p->todo.len;
  p->trial.len = 0;
  push(p, &p->trial, doc, 0, true);
  while (room >= 0) {
    if (p->trial.len == 0) {
      if (rest == 0) return true;
      Command next = p->todo.at[--rest];
      push(p, &p->trial, next.doc, 0, next.flat);
    }
    Command c = p->trial.at[--p->trial.len];
    switch (c.doc->kind) {
      case TW_DOC_TEXT: room -= c.doc->width; break;
      case TW_DOC_FLAT: room -= c.flat ? c.doc->width : 0; break;
      case TW_DOC_LINE:
        if (!c.flat) return true;
        room--;
        break;
      case TW_DOC_SOFT:
        if (!c.flat) return true;
        break;
      case TW_DOC_HARD: return true;
      case TW_DOC_SUFFIX: break;
      case TW_DOC_GROUP: push_items(p, &p->trial, c.doc, 0, c.flat && !c.doc->breaks); break;
      case TW_DOC_SEQ:
      case TW_DOC_NEST: push_items(p, &p->trial, c.doc, 0, c.flat); break;
      case TW_DOC_ASSIGN:
        if (!c.flat) return true;
        room--;
        push_items(p, &p->trial, c.doc, 0, true);
        break;
    }
  }
  return false;
}

static void put_assign(Printer *p, Command c) {
  const TwDoc *value = c.doc->items.at[0];
  int64_t left = (int64_t)p->width - p->column - 1;
  if (c.flat || (!value->breaks && fits(p, value, left))) {
    put(p, " ", 1);
    p->column++;
    push(p, &p->todo, value, c.indent, true);
    return;
  }
  bool next_line = !value->breaks && fits(p, value, (int64_t)p->width - c.indent - 2);
  if (c.doc->hug && !next_line) {
    put(p, " ", 1);
    p->column++;
    push(p, &p->todo, value, c.indent, false);
    return;
  }
  newline(p, c.indent + 2);
  push(p, &p->todo, value, c.indent + 2, next_line);
}

static void print(Printer *p, Command c) {
  switch (c.doc->kind) {
    case TW_DOC_FLAT:
      if (!c.flat) return;
      /* fall through */
    case TW_DOC_TEXT:
      put(p, c.doc->text, c.doc->bytes);
      p->column += c.doc->width;
      return;
    case TW_DOC_LINE:
      if (!c.flat) newline(p, c.indent);
      else put(p, " ", 1), p->column++;
      return;
    case TW_DOC_SOFT:
      if (!c.flat) newline(p, c.indent);
      return;
    case TW_DOC_HARD: newline(p, c.indent); return;
    case TW_DOC_SUFFIX: tw_vec_push(&p->scratch, &p->suffixes, c.doc); return;
    case TW_DOC_SEQ: push_items(p, &p->todo, c.doc, c.indent, c.flat); return;
    case TW_DOC_NEST: push_items(p, &p->todo, c.doc, c.indent + 2, c.flat); return;
    case TW_DOC_GROUP: {
      const TwDoc *inside = c.doc->items.at[0];
      bool flat = c.flat || (!c.doc->breaks && fits(p, inside, (int64_t)p->width - p->column));
      push(p, &p->todo, inside, c.indent, flat && !c.doc->breaks);
      return;
    }
    case TW_DOC_ASSIGN: put_assign(p, c); return;
  }
}

const char *tw_doc_print(TwArena *a, TwDoc *doc, uint32_t width) {
  Printer p = {.arena = a, .width = width};
  push(&p, &p.todo, doc, 0, false);
  while (p.todo.len) {
    Command c = p.todo.at[--p.todo.len];
    print(&p, c);
  }
  trim(&p);
  if (p.len && p.out[p.len - 1] != '\n') newline(&p, 0);
  else if (p.suffixes.len) newline(&p, 0);
  char *out = tw_arena_strndup(a, p.out ? p.out : "", p.len);
  tw_arena_free(&p.scratch);
  return out;
}
