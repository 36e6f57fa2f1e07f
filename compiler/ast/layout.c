/* layout.c: where statements end and brackets close.
 *
 * requires: the text of a file.   provides: layout.h.
 * Laws: the tokens handed out are balanced; each bracket that lacks a partner is one error; after an
 * error in a statement the layout reports nothing more in that statement. */
#include "compiler/ast/layout.h"

#include <string.h>

#include "gen/grammar.h"

/* A level of the tree has at most its own brackets and parentheses around it. */
enum { DEEPEST_BRACKETS = 2 * TW_MAX_DEPTH };

static TwBracket *top(const TwLayout *l) { return &l->stack.at[l->stack.len - 1]; }
static TwSpan span_of(const TwLayout *l, TwToken t) { return (TwSpan){l->file, t.start, t.end}; }
const TwToken *tw_layout_peek(const TwLayout *l) { return &l->tokens.at[l->at]; }

static const TwToken *after(const TwLayout *l, uint32_t n) {
  uint32_t i = l->at + n;
  return &l->tokens.at[i < l->tokens.len ? i : l->tokens.len - 1];
}

static bool holds_lines(TwBracketKind k) { return k == TW_BR_FILE || k == TW_BR_BLOCK; }

/* ---- newlines */

/* A statement cannot end after this token. */
static bool goes_on_after(int kind, int head) {
  if (tw_token_class(kind) == TW_TC_OPERATOR) return true;
  switch (kind) {
    case TW_T_AND:
    case TW_T_OR:
    case TW_T_NOT:
    case TW_T_IF:
    case TW_T_THEN:
    case TW_T_ELSE:
    case TW_T_IN:
    case TW_T_ASSIGN:
    case TW_T_ARROW:
    case TW_T_TILDE:
    case TW_T_COMMA:
    case TW_T_COLON:
    case TW_T_DOT:
    case TW_T_DOTDOT: return true;
    case TW_T_BY: return head == TW_T_PARAM;
    case TW_T_DURING:
    case TW_T_EVERY: return head == TW_T_ENSURE;
    default: return false; /* token kinds are not an enum of ours */
  }
}

/* A statement cannot begin with this token. */
static bool goes_on_with(const TwToken *t, int head) {
  if (t->kind == TW_T_MINUS) return t->blank_after;
  if (tw_token_class(t->kind) == TW_TC_OPERATOR) return true;
  switch (t->kind) {
    case TW_T_AND:
    case TW_T_OR:
    case TW_T_THEN:
    case TW_T_ELSE:
    case TW_T_IN:
    case TW_T_ASSIGN:
    case TW_T_ARROW:
    case TW_T_TILDE:
    case TW_T_COMMA:
    case TW_T_COLON:
    case TW_T_DOT:
    case TW_T_DOTDOT:
    case TW_T_RPAREN:
    case TW_T_RBRACK: return true;
    case TW_T_BY: return head == TW_T_PARAM;
    case TW_T_DURING:
    case TW_T_EVERY:
    case TW_T_STOP: return head == TW_T_ENSURE;
    case TW_T_DERIVATIVE: return head == TW_T_CUSTOM || head == TW_T_FN;
    default: return false;
  }
}

/* `word name` at the start of a line, which is a declaration and never part of an expression. */
static bool starts_declaration(const TwLayout *l) {
  const TwToken *t = after(l, 0), *next = after(l, 1);
  if (!t->newline) return false;
  switch (t->kind) {
    case TW_T_IMPORT:
    case TW_T_CONST: return true;
    case TW_T_FN:
    case TW_T_TYPE:
    case TW_T_OPTIMIZER:
    case TW_T_DOMAIN:
    case TW_T_DATA:
    case TW_T_PARAM:
    case TW_T_WEIGHTS:
    case TW_T_MODEL:
    case TW_T_MEASURE:
    case TW_T_STAGE:
    case TW_T_VARIANT: return !next->newline && (next->kind == TW_T_ID || tw_token_class(next->kind) == TW_TC_WORD);
    case TW_T_CUSTOM: return next->kind == TW_T_FN;
    default: return false;
  }
}

static bool starts_statement(const TwLayout *l) {
  const TwToken *t = after(l, 0), *next = after(l, 1);
  return starts_declaration(l) ||
         (t->newline && t->kind == TW_T_LET &&
          (next->kind == TW_T_ID || next->kind == TW_T_LPAREN || tw_token_class(next->kind) == TW_TC_WORD));
}

/* ---- handing out */

static TwToken give(TwLayout *l, int kind, TwToken place) {
  place.kind = (uint16_t)kind;
  l->previous = kind;
  l->after_stray = l->stray;
  l->stray = false;
  TwBracket *b = top(l);
  if (holds_lines(b->kind)) {
    if (kind == TW_T_SEP) b->head = 0, l->reported = false;
    else if (b->head == 0) b->head = b->began = kind, b->start = place.start, b->bodied = false;
  }
  return place;
}

/* A token that is not in the text: it has no length. */
static TwToken give_missing(TwLayout *l, int kind, TwToken before) {
  TwToken t = {.start = before.start, .end = before.start};
  return give(l, kind, t);
}

static int closer_of(TwBracketKind k) {
  switch (k) {
    case TW_BR_PAREN: return TW_T_RPAREN;
    case TW_BR_BRACK: return TW_T_RBRACK;
    case TW_BR_RECORD: return TW_T_RBRACE;
    case TW_BR_BLOCK: return TW_T_RBLOCK;
    case TW_BR_FILE: break;
  }
  return 0;
}

static const char *opener_text(TwBracketKind k) { return k == TW_BR_PAREN ? "(" : k == TW_BR_BRACK ? "[" : "{"; }

static void report_unclosed(TwLayout *l, const TwBracket *b, TwToken here) {
  if (l->reported) return;
  l->reported = true;
  TwDiag *d = tw_diag(&l->u->diags, TW_E0109, span_of(l, b->opener), "this '%s' is never closed", opener_text(b->kind));
  if (here.kind == 0) tw_diag_note(&l->u->diags, d, span_of(l, here), "the file ends here");
  else tw_diag_note(&l->u->diags, d, span_of(l, here), "%s is expected before this", tw_token_show(closer_of(b->kind)));
}

static TwToken close_missing(TwLayout *l, TwToken here) {
  TwBracketKind kind = top(l)->kind;
  report_unclosed(l, top(l), here);
  l->stack.len--;
  return give_missing(l, closer_of(kind), here);
}

static bool open_below(const TwLayout *l, TwBracketKind a, TwBracketKind b) {
  for (uint32_t i = l->stack.len - 1; i > 0; i--) {
    TwBracketKind k = l->stack.at[i].kind;
    if (k == a || k == b) return true;
    if (k == TW_BR_BLOCK) return false;
  }
  return false;
}

static TwToken close_with(TwLayout *l, int kind, TwToken t) {
  bool block = top(l)->kind == TW_BR_BLOCK;
  l->stack.len--;
  l->at++;
  if (block) l->reported = false;
  return give(l, kind, t);
}

static void report_stray(TwLayout *l, TwToken t, const char *text) {
  if (!l->reported) tw_diag(&l->u->diags, TW_E0110, span_of(l, t), "this '%s' closes nothing", text);
  l->reported = l->stray = true;
  l->previous = TW_T_RPAREN; /* the line can end after it */
  l->at++;
}

/* Hands out what a `)` or `]` in the text stands for; false if it stands for nothing. */
static bool close_round(TwLayout *l, TwToken t, TwToken *out) {
  TwBracketKind mine = t.kind == TW_T_RPAREN ? TW_BR_PAREN : TW_BR_BRACK;
  TwBracketKind other = mine == TW_BR_PAREN ? TW_BR_BRACK : TW_BR_PAREN;
  TwBracket *b = top(l);
  if (b->kind == mine || (b->kind == other && b->after_in)) return *out = close_with(l, t.kind, t), true;
  if (open_below(l, mine, mine)) return *out = close_missing(l, t), true;
  if (b->kind != other) return report_stray(l, t, mine == TW_BR_PAREN ? ")" : "]"), false;
  if (!l->reported) {
    TwDiag *d = tw_diag(&l->u->diags, TW_E0110, span_of(l, t), "%s is expected here, not %s",
                        tw_token_show(closer_of(other)), tw_token_show(t.kind));
    tw_diag_note(&l->u->diags, d, span_of(l, b->opener), "to close this '%s'", opener_text(other));
  }
  l->reported = true;
  return *out = close_with(l, closer_of(other), t), true;
}

static bool close_brace(TwLayout *l, TwToken t, TwToken *out) {
  TwBracketKind k = top(l)->kind;
  if (k == TW_BR_RECORD || k == TW_BR_BLOCK) return *out = close_with(l, closer_of(k), t), true;
  if (k != TW_BR_FILE && (open_below(l, TW_BR_RECORD, TW_BR_RECORD) || l->stack.len > 1)) {
    for (uint32_t i = l->stack.len - 1; i > 0; i--)
      if (l->stack.at[i].kind == TW_BR_RECORD || l->stack.at[i].kind == TW_BR_BLOCK)
        return *out = close_missing(l, t), true;
  }
  return report_stray(l, t, "}"), false;
}

static bool ends_operand(int kind) {
  switch (kind) {
    case TW_T_ID:
    case TW_T_INT:
    case TW_T_REAL:
    case TW_T_STRING:
    case TW_T_RPAREN:
    case TW_T_RBRACK:
    case TW_T_RBRACE:
    case TW_T_RBLOCK:
    case TW_T_FN: return true;
    default: return tw_token_class(kind) == TW_TC_WORD;
  }
}

static TwToken open(TwLayout *l, TwToken t) {
  TwBracket b = {.kind = t.kind == TW_T_LPAREN       ? TW_BR_PAREN
                         : t.kind == TW_T_LBRACK     ? TW_BR_BRACK
                         : ends_operand(l->previous) ? TW_BR_BLOCK
                                                     : TW_BR_RECORD,
                 .after_in = l->previous == TW_T_IN,
                 .opener = t};
  if (b.kind == TW_BR_BLOCK && holds_lines(top(l)->kind)) b.owner = top(l)->head, top(l)->bodied = true;
  int kind = b.kind == TW_BR_BLOCK ? TW_T_LBLOCK : b.kind == TW_BR_RECORD ? TW_T_LBRACE : t.kind;
  l->at++;
  TwToken out = give(l, kind, t); /* belongs to what is around it */
  if (l->stack.len > DEEPEST_BRACKETS) {
    if (!l->too_deep)
      tw_diag(&l->u->diags, TW_E0901, span_of(l, t), "brackets are nested deeper than %d", DEEPEST_BRACKETS);
    l->too_deep = true;
    l->at = l->tokens.len - 1;
    l->stack.len = 1;
    return give(l, 0, *after(l, 0));
  }
  tw_vec_push(&l->u->arena, &l->stack, b);
  if (b.kind == TW_BR_BLOCK) l->reported = false;
  return out;
}

/* Bodies of functions, loops, optimizers and stages hold no declarations, but for functions of their own. What
 * follows a name that begins no declaration may be meant for a variant. */
static bool holds_declarations(const TwBracket *b) {
  return b->kind == TW_BR_FILE || b->owner == TW_T_VARIANT || b->owner == TW_T_ID;
}

static uint32_t indent_of(const TwLayout *l, uint32_t at) {
  const char *text = tw_source(&l->u->sources, l->file)->text;
  while (at > 0 && text[at - 1] != '\n') at--;
  uint32_t n = 0;
  while (text[at + n] == ' ' || text[at + n] == '\t') n++;
  return n;
}

static bool deeper_than(const TwLayout *l, uint32_t at, uint32_t other) {
  return indent_of(l, at) > indent_of(l, other);
}

/* A function of a body's own stands further in than the line on which the body's brace is; so after a brace that is
 * missing the next function is still a declaration. */
static bool starts_local_fn(const TwLayout *l) {
  const TwToken *t = after(l, 0);
  return (t->kind == TW_T_FN || t->kind == TW_T_CUSTOM) && deeper_than(l, t->start, top(l)->opener.start);
}

/* What a variant or a stage never holds, and what stands no further in than it, comes after it. */
static bool comes_after(const TwLayout *l) {
  const TwToken *t = after(l, 0);
  bool variant = top(l)->owner == TW_T_VARIANT && (t->kind == TW_T_VARIANT || t->kind == TW_T_IMPORT);
  bool stage = top(l)->owner == TW_T_STAGE && (t->kind == TW_T_EXPECT || t->kind == TW_T_ENSURE);
  return (variant || stage) && t->newline && !deeper_than(l, t->start, top(l)->opener.start);
}

/* Whether a `)`, `]` or `}` of this bracket's comes after the `;` that stands in it, on its line. */
static bool closes_later(const TwLayout *l) {
  int depth = 0;
  for (uint32_t n = 1; !after(l, n)->newline && after(l, n)->kind != 0; n++) {
    int kind = after(l, n)->kind;
    bool opens = kind == TW_T_LPAREN || kind == TW_T_LBRACK || kind == TW_LEX_OPEN_BRACE;
    bool closes = kind == TW_T_RPAREN || kind == TW_T_RBRACK || kind == TW_LEX_CLOSE_BRACE;
    if (closes && depth == 0) return (kind == TW_LEX_CLOSE_BRACE) == (top(l)->kind == TW_BR_RECORD);
    depth += opens - closes;
  }
  return false;
}

/* The end of a statement before the token `t` that comes next, if there is one. */
static bool separator(TwLayout *l, TwToken t, TwToken *out) {
  TwBracket *b = top(l);
  if (!holds_lines(b->kind)) return false;
  TwToken place = t;
  bool any = starts_statement(l) || (t.newline && !goes_on_after(l->previous, b->head) && !goes_on_with(&t, b->head));
  while (t.kind == TW_LEX_SEMICOLON) {
    if (!any || place.kind != TW_LEX_SEMICOLON) place = t;
    any = true;
    l->at++;
    t = *after(l, 0);
  }
  if (!any || b->head == 0 || t.kind == TW_LEX_CLOSE_BRACE || t.kind == 0) return false;
  if (place.kind != TW_LEX_SEMICOLON) {
    /* The separator of a line's end stands right after the line's last token. */
    uint32_t end = l->at ? l->tokens.at[l->at - 1].end : 0;
    place = (TwToken){.start = end, .end = end};
  }
  *out = give(l, TW_T_SEP, place);
  return true;
}

/* At the end of the file: closes what is open, reporting it once. */
static TwToken at_end(TwLayout *l, TwToken t) {
  if (l->stack.len == 1) return give(l, 0, t);
  TwToken out = close_missing(l, t);
  l->reported = true;
  return out;
}

TwToken tw_layout_next(TwLayout *l) {
  TwToken out;
  for (;;) {
    TwToken t = *after(l, 0);
    TwBracketKind k = top(l)->kind;
    if (!holds_lines(k) && starts_statement(l)) return close_missing(l, t);
    bool declares = !holds_declarations(top(l)) && starts_declaration(l) && !starts_local_fn(l);
    if (k == TW_BR_BLOCK && (declares || comes_after(l))) {
      out = close_missing(l, t);
      l->reported = false;
      return out;
    }
    if (separator(l, t, &out)) return out;
    t = *after(l, 0);
    switch (t.kind) {
      case 0: return at_end(l, t);
      case TW_T_LPAREN:
      case TW_T_LBRACK:
      case TW_LEX_OPEN_BRACE: return open(l, t);
      case TW_T_RPAREN:
      case TW_T_RBRACK:
        if (close_round(l, t, &out)) return out;
        continue;
      case TW_LEX_CLOSE_BRACE:
        if (close_brace(l, t, &out)) return out;
        continue;
      case TW_LEX_SEMICOLON: /* inside brackets */
        if (!closes_later(l)) return close_missing(l, t);
        l->at++;
        return give(l, TW_T_SEMICOLON, t);
      default: break;
    }
    l->at++;
    return give(l, t.kind, t);
  }
}

uint32_t tw_layout_statement(const TwLayout *l, TwToken t) {
  uint32_t level = l->stack.len - 1;
  if (t.kind == TW_T_LBLOCK && level > 0) level--;
  while (level > 0 && !holds_lines(l->stack.at[level].kind)) level--;
  return l->stack.at[level].start;
}

uint32_t tw_layout_declaration(const TwLayout *l, TwToken t) {
  uint32_t level = l->stack.len - 1;
  if (t.kind == TW_T_LBLOCK && level > 0) level--;
  while (level > 0 && !(holds_lines(l->stack.at[level].kind) && holds_declarations(&l->stack.at[level]))) level--;
  return l->stack.at[level].start;
}

static bool in_dropped_body(const TwLayout *l, uint32_t level) {
  for (uint32_t i = level; i < l->stack.len; i++)
    if (l->stack.at[i].kind == TW_BR_BLOCK) return true;
  return false;
}

/* Whether the next line is still of the declaration that is being dropped: it stands further in. Without the brace of
 * its body (`headless`), what looks like a declaration is one of its lines too. */
static bool goes_on_inside(const TwLayout *l, uint32_t start, bool headless) {
  const TwToken *next = after(l, 0);
  return next->newline && next->kind != TW_LEX_CLOSE_BRACE && deeper_than(l, next->start, start) &&
         (headless || !starts_declaration(l));
}

/* A line that begins no further in than the statement, in the midst of its brackets: these lack their partners. */
static bool begins_anew(const TwLayout *l, uint32_t start) {
  const TwToken *next = after(l, 0);
  bool closes = next->kind == TW_T_RPAREN || next->kind == TW_T_RBRACK || next->kind == TW_LEX_CLOSE_BRACE;
  return next->newline && !closes && next->kind != TW_LEX_OPEN_BRACE && !deeper_than(l, next->start, start);
}

bool tw_layout_unclosed(TwLayout *l, TwToken t) {
  bool open = !holds_lines(top(l)->kind) && t.newline && t.kind != 0;
  if (!open || deeper_than(l, t.start, l->stack.at[0].start)) return false;
  report_unclosed(l, top(l), t);
  return true;
}

static void pass(TwLayout *l) {
  tw_layout_next(l);
  l->reported = true;
}

/* Passes over tokens until the next one that is handed out ends the statement. Brackets opened in the statement are
 * forgotten at a line that begins a statement. */
void tw_layout_recover(TwLayout *l, TwToken t) {
  uint32_t level = l->stack.len;
  if (t.kind == TW_T_LBLOCK) level--; /* the body belongs to the statement that is being dropped */
  while (level > 1 && !holds_lines(l->stack.at[level - 1].kind)) level--;
  const TwBracket *b = &l->stack.at[level - 1];
  uint32_t start = b->start;
  bool declares = holds_declarations(b) || b->owner == TW_T_DOMAIN, ended = t.kind == TW_T_SEP;
  bool block = b->began == TW_T_STAGE || b->began == TW_T_VARIANT || (b->owner == TW_T_DOMAIN && ended);
  bool headless = declares && block && !b->bodied;
  bool opener = top(l)->opener.start == t.start; /* it is what is open */
  bool anew = t.newline && t.start > start && !opener && !deeper_than(l, t.start, start) && l->at > 0 &&
              l->tokens.at[l->at - 1].start == t.start;
  if (declares && l->stack.len > level && anew) {
    l->at--; /* it begins the next statement: what is open above it is forgotten */
    l->stack.len = level;
    l->previous = TW_T_ID;
    l->reported = true;
    return;
  }
  if (t.kind == 0 || t.kind == TW_T_RBLOCK || ended) {
    l->reported = false; /* the refused token ended the statement already */
    bool body = ended && after(l, 0)->kind == TW_LEX_OPEN_BRACE;
    if (!body && !(ended && declares && goes_on_inside(l, start, headless))) return;
    l->reported = true;
    l->previous = TW_T_ID;
    if (body) top(l)->head = TW_T_FN; /* it begins on the next line */
    if (body && tw_layout_next(l).kind == 0) return;
  }
  l->reported = true;
  while (l->stack.len >= level) {
    const TwToken *next = after(l, 0);
    bool here = l->stack.len == level;
    if (next->kind == 0) break;
    if (next->kind == TW_LEX_OPEN_BRACE) headless = false;
    if (declares && goes_on_inside(l, start, headless)) {
      pass(l);
      continue;
    }
    bool own = level == 1 || (headless && !deeper_than(l, start, next->start));
    if (here && next->kind == TW_LEX_CLOSE_BRACE && own) {
      l->at++; /* of the body that was not opened */
      headless = false;
      continue;
    }
    if (here && next->kind == TW_LEX_CLOSE_BRACE) break;
    if (here && next->kind == TW_LEX_SEMICOLON && !headless) break;
    bool statement = starts_statement(l) && (here || !in_dropped_body(l, level));
    if (statement || (!here && declares && begins_anew(l, start))) {
      l->stack.len = level;
      l->previous = TW_T_ID;
      break;
    }
    if (here && next->newline && !goes_on_after(l->previous, 0) && !goes_on_with(next, top(l)->head)) break;
    bool stray = next->kind == TW_T_RPAREN || next->kind == TW_T_RBRACK || next->kind == TW_LEX_SEMICOLON;
    if (here && stray) l->at++; /* the driver would hand out what comes after it */
    else pass(l);
  }
  if (ended) top(l)->head = 0; /* the separator was handed out */
}

/* ---- scanning */

static bool utf8_valid(const unsigned char *s, uint32_t n) {
  for (uint32_t i = 0; i < n;) {
    unsigned char c = s[i];
    uint32_t more = c < 0x80                ? 0
                    : c >= 0xC2 && c < 0xE0 ? 1
                    : c >= 0xE0 && c < 0xF0 ? 2
                    : c >= 0xF0 && c < 0xF5 ? 3
                                            : 9;
    if (more > 3 || i + more >= n) return false;
    for (uint32_t k = 1; k <= more; k++)
      if ((s[i + k] & 0xC0) != 0x80) return false;
    if (more == 2 && ((c == 0xE0 && s[i + 1] < 0xA0) || (c == 0xED && s[i + 1] > 0x9F))) return false;
    if (more == 3 && ((c == 0xF0 && s[i + 1] < 0x90) || (c == 0xF4 && s[i + 1] > 0x8F))) return false;
    i += 1 + more;
  }
  return true;
}

static void not_utf8(TwLayout *l, TwSpan span, const char *what) {
  if (!l->not_utf8) tw_diag(&l->u->diags, TW_E0102, span, "%s", what);
  l->not_utf8 = true; /* once: it is one mistake to save a file in another encoding */
}

/* Whether the file can be read as lines of text; if not, says so, once for the whole file. */
static bool is_text_file(TwLayout *l, const TwSource *f) {
  const char *nul = memchr(f->text, 0, f->len);
  bool utf16 = f->len >= 2 && (memcmp(f->text, "\xFF\xFE", 2) == 0 || memcmp(f->text, "\xFE\xFF", 2) == 0);
  if (utf16 || nul) {
    uint32_t at = utf16 ? 0 : (uint32_t)(nul - f->text);
    TwDiag *d = tw_diag(&l->u->diags, TW_E0102, (TwSpan){l->file, at, at + (utf16 ? 2 : 1)},
                        utf16 ? "this file is UTF-16" : "this is not a text file: it holds a byte 0");
    tw_diag_help(&l->u->diags, d, "save it as UTF-8");
    return false;
  }
  for (uint32_t k = 0; k < f->len; k++) {
    if (f->text[k] != '\r' || (k + 1 < f->len && f->text[k + 1] == '\n')) continue;
    TwDiag *d = tw_diag(&l->u->diags, TW_E0101, (TwSpan){l->file, k, k + 1},
                        "a carriage return alone does not end a line");
    tw_diag_help(&l->u->diags, d, "save the file with line feeds at the ends of its lines");
    return false;
  }
  return true;
}

static void report_char(TwLayout *l, TwSpan span, const unsigned char *text) {
  uint32_t n = span.end - span.start;
  if (text[0] >= 0x80 && !utf8_valid(text, n)) {
    not_utf8(l, span, "these bytes are not UTF-8");
    return;
  }
  if (text[0] < ' ' || text[0] == 0x7F) {
    tw_diag(&l->u->diags, TW_E0101, span, "unexpected character with code %u", text[0]);
    return;
  }
  TwDiag *d = tw_diag(&l->u->diags, TW_E0101, span, "unexpected character '%.*s'", (int)(n > 32 ? 32 : n),
                      (const char *)text);
  static const char *const advice[][2] = {{"\xE2\x88\x92", "write '-' for the minus sign"},
                                          {"\xC3\x97", "write '*' to multiply"},
                                          {"\xC2\xB7", "write '*' to multiply"},
                                          {"\xE2\x89\xA4", "write '<='"},
                                          {"\xE2\x89\xA5", "write '>='"},
                                          {"\xE2\x89\xA0", "write '!='"},
                                          {"\xE2\x86\x92", "write '->'"},
                                          {"\xE2\x80\x9C", "write strings in \"plain quotes\""},
                                          {"\xE2\x80\x9D", "write strings in \"plain quotes\""},
                                          {"\xC2\xA0", "this is a non-breaking blank"}};
  for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
    if (n == strlen(advice[i][0]) && memcmp(text, advice[i][0], n) == 0)
      tw_diag_help(&l->u->diags, d, "%s", advice[i][1]);
  if (!d->help && text[0] >= 0x80) tw_diag_help(&l->u->diags, d, "names are made of ASCII letters, digits and '_'");
}

/* A spelling of another language: says what to write and returns the token that it means. */
static int foreign(TwLayout *l, TwToken t, TwSpan span) {
  static const struct {
    int kind, means;
    const char *text, *help;
  } spellings[] = {
      {TW_LEX_STAR_STAR, TW_T_CARET, "'**' is not an operator", "write '^' for a power"},
      {TW_LEX_AND_AND, TW_T_AND, "'&&' is not an operator", "write 'and'"},
      {TW_LEX_OR_OR, TW_T_OR, "'||' is not an operator", "write 'or'"},
      {TW_LEX_BANG, TW_T_NOT, "'!' is not an operator", "write 'not'"},
      {TW_LEX_FAT_ARROW, TW_T_ARROW, "'=>' is not an operator",
       "write '->' before a target or a result type, 'fn(x) = e' for a function"},
      {TW_LEX_ASSIGN_OP, TW_T_BAD, "there is no such assignment", "write 'x = x + e' in a loop, 'let x = e' elsewhere"},
      {TW_LEX_SINGLE_QUOTED, TW_T_STRING, "strings are written in double quotes", NULL},
      {TW_LEX_BLOCK_COMMENT, 0, "comments are written '// …', one line at a time", NULL},
      {TW_LEX_HASH_COMMENT, 0, "comments are written '// …'", NULL}};
  for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
    if (spellings[i].kind != t.kind) continue;
    TwDiag *d = tw_diag(&l->u->diags, TW_E0118, span, "%s", spellings[i].text);
    if (spellings[i].help) tw_diag_help(&l->u->diags, d, "%s", spellings[i].help);
    return spellings[i].means;
  }
  return TW_T_BAD;
}

static void report_number(TwLayout *l, TwSpan span, const char *text) {
  int n = (int)(span.end - span.start);
  TwDiag *d = tw_diag(&l->u->diags, TW_E0105, span, "'%.*s' is not a number", n > 40 ? 40 : n, text);
  if (text[0] == '.') tw_diag_help(&l->u->diags, d, "write a digit before the point");
  else if (text[n - 1] == '.') tw_diag_help(&l->u->diags, d, "write a digit after the point");
  else if (strchr("eE+-", text[n - 1])) tw_diag_help(&l->u->diags, d, "an exponent has digits: 1e-3");
  else tw_diag_help(&l->u->diags, d, "names do not begin with a digit; write '*' to multiply");
}

/* Reports a token that is a mistake and turns it into one that the grammar can go on with. Returns
 * false if nothing is left of it. */
static bool accept(TwLayout *l, TwToken *t, const unsigned char *text) {
  TwSpan span = span_of(l, *t);
  const unsigned char *at = text + t->start;
  switch (t->kind) {
    case TW_T_STRING:
      if (!utf8_valid(at, t->end - t->start)) not_utf8(l, span, "this string is not UTF-8");
      return true;
    case TW_LEX_OPEN_STRING:
      tw_diag(&l->u->diags, TW_E0103, span, "this string has no closing '\"' on its line");
      t->kind = TW_T_BAD; /* the rest of the statement is in it */
      return true;
    case TW_LEX_BAD_NUMBER:
      report_number(l, span, (const char *)at);
      t->kind = TW_T_REAL;
      return true;
    case TW_LEX_BAD_CHAR:
      report_char(l, span, at);
      t->kind = TW_T_BAD;
      return true;
    default: break;
  }
  if (t->kind <= TW_LEX_CLOSE_BRACE) return true;
  int means = foreign(l, *t, span);
  t->kind = (uint16_t)means;
  return means != 0;
}

static bool own_line(const unsigned char *text, uint32_t start) {
  while (start > 0 && (text[start - 1] == ' ' || text[start - 1] == '\t' || text[start - 1] == '\r')) start--;
  return start == 0 || text[start - 1] == '\n';
}

static void keep_comment(TwLayout *l, TwModuleAst *m, TwToken t, const unsigned char *text) {
  while (t.end > t.start && (text[t.end - 1] == ' ' || text[t.end - 1] == '\t' || text[t.end - 1] == '\r')) t.end--;
  TwSpan span = span_of(l, t);
  if (!utf8_valid(text + t.start, t.end - t.start)) not_utf8(l, span, "this comment is not UTF-8");
  TwTrivia comment = {span, own_line(text, t.start)};
  if (m) tw_vec_push(&l->u->arena, &m->comments, comment);
}

void tw_layout_start(TwLayout *l, TwUnit *u, uint32_t file, TwModuleAst *m) {
  *l = (TwLayout){.u = u, .file = file};
  TwBracket bottom = {.kind = TW_BR_FILE};
  tw_vec_push(&u->arena, &l->stack, bottom);
  const TwSource *f = tw_source(&u->sources, file);
  TwScan scan = {(const unsigned char *)f->text, f->len};
  uint32_t at = f->len >= 3 && memcmp(f->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  bool newline = false;
  if (!is_text_file(l, f)) at = f->len;
  for (;;) {
    TwToken t = tw_scan(&scan, at);
    at = t.end;
    newline = newline || t.newline;
    if (t.kind == TW_LEX_COMMENT) {
      keep_comment(l, m, t, scan.text);
      continue;
    }
    bool kept = accept(l, &t, scan.text);
    if (u->diags.errors > TW_MANY_ERRORS) t.kind = 0;
    else if (!kept) continue;
    t.newline = newline;
    newline = false;
    tw_vec_push(&u->arena, &l->tokens, t);
    if (t.kind == 0) return;
  }
}
