/* expect.c: what to say when a token does not fit.
 *
 * requires: the parser at its error.   provides: one diagnostic with what was found, what would have
 * fitted (grouped, at most five), and an advice for probable mistakes.
 * Nothing is said if the token driver has reported a mistake in this statement already. */
#include <string.h>

#include "compiler/ast/parser.h"
#include "gen/grammar.h"

typedef struct Expected {
  bool set[TW_TOKEN_KINDS]; /* what the parser would take */
  bool expr, operator, name, type, decl;
  const char *shown[8];
  uint32_t n;
} Expected;

static const char *found(TwParser *p, TwToken t) {
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  if (t.kind == 0) return "the end of the file";
  if (t.kind == TW_T_SEP) return n ? "';'" : "the end of the line";
  if (n == 0) return tw_token_show(t.kind);
  if (t.kind == TW_T_STRING) return "a string";
  if (n > 40) n = 40;
  return tw_arena_printf(&p->u->text, "'%.*s'", (int)n, s);
}

static void take(Expected *e, const char *group) {
  if (e->n < sizeof e->shown / sizeof *e->shown) e->shown[e->n++] = group;
}

static void drop(Expected *e, const int *kinds) {
  for (; *kinds; kinds++) e->set[*kinds] = false;
}

static void drop_class(Expected *e, TwTokenClass c) {
  for (int k = 0; k < TW_TOKEN_KINDS; k++)
    if (tw_token_class(k) == c) e->set[k] = false;
}

/* Names the sets of tokens that begin an expression, a type, …, and keeps the rest. */
static void group(Expected *e) {
  static const int starts_expr[] = {TW_T_INT,    TW_T_REAL,  TW_T_STRING, TW_T_ID, TW_T_LPAREN, TW_T_LBRACK,
                                    TW_T_LBRACE, TW_T_MINUS, TW_T_NOT,    TW_T_IF, TW_T_FN,     0};
  static const int continues_expr[] = {TW_T_AND, TW_T_OR, TW_T_DOT, TW_T_LPAREN, TW_T_LBRACK, TW_T_ASSIGN, 0};
  static const int starts_decl[] = {TW_T_IMPORT, TW_T_CONST, TW_T_FN, 0};
  static const int starts_line[] = {TW_T_LET, TW_T_FOR, 0};
  static const int starts_type[] = {TW_T_ID, TW_T_FN, 0};
  bool line = false;
  e->expr = e->set[TW_T_INT] && e->set[TW_T_LPAREN];
  e->operator= e->set[TW_T_STAR] && !e->expr;
  e->decl = e->set[TW_T_IMPORT] && e->set[TW_T_WEIGHTS];
  e->type = !e->expr && e->set[TW_T_ID] && e->set[TW_T_FN];
  line = e->expr && e->set[TW_T_LET];
  e->name = e->set[TW_T_ID] && !e->expr && !e->type;
  if (e->decl) drop(e, starts_decl), drop_class(e, TW_TC_WORD), take(e, "a declaration");
  else if (e->set[TW_T_ID]) drop_class(e, TW_TC_WORD); /* they are names here */
  if (line) drop(e, starts_expr), drop(e, starts_line), take(e, "a statement");
  if (e->expr && !line) drop(e, starts_expr), take(e, "an expression");
  if (e->type) drop(e, starts_type), take(e, "a type");
  if (e->operator) drop(e, continues_expr), drop_class(e, TW_TC_OPERATOR);
  for (TwTokenClass c = TW_TC_OPERATOR; c <= TW_TC_LITERAL; c++)
    for (int k = 1; k < TW_TOKEN_KINDS; k++)
      if (e->set[k] && tw_token_class(k) == c && e->n < 5) take(e, tw_token_show(k));
  if (e->operator&& e->n<5) take(e, "an operator");
  if (e->set[TW_T_SEP] && e->n < 5) take(e, "the end of the line");
  else if (e->set[0] && e->n == 0) take(e, "the end of the file");
}

static const char *sentence(TwParser *p, const Expected *e) {
  const char *s = "";
  for (uint32_t i = 0; i < e->n; i++)
    s = tw_arena_printf(&p->u->text, "%s%s%s", s, i == 0 ? "" : i + 1 == e->n ? " or " : ", ", e->shown[i]);
  return s;
}

static bool is_text(TwParser *p, TwToken t, const char *what) {
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  return strlen(what) == n && memcmp(s, what, n) == 0;
}

/* A line that should begin with a declaration's word and does not. */
static bool unknown_declaration(TwParser *p, const Expected *e, TwToken t, TwSpan span) {
  static const struct {
    const char *word, *help;
  } foreign[] = {{"def", "functions are written 'fn f(x: real) -> real = e'"},
                 {"function", "functions are written 'fn f(x: real) -> real = e'"},
                 {"func", "functions are written 'fn f(x: real) -> real = e'"},
                 {"var", "names at the top level are 'const', 'param' or 'weights'"},
                 {"parameter", "write 'param'"},
                 {"dataset", "write 'data'"},
                 {"struct", "records are written 'type T = { a: real }'"},
                 {"use", "write 'import'"}};
  if (!e->decl || t.kind == TW_T_SEP || t.kind == 0 || tw_token_class(t.kind) == TW_TC_PUNCT) return false;
  if (t.kind == TW_T_LET) {
    TwDiag *d = tw_diag(&p->u->diags, TW_E0112, span, "'let' belongs into a body");
    tw_diag_help(&p->u->diags, d, "at the top level write 'const', 'param' or 'weights'");
    return true;
  }
  if (t.kind != TW_T_ID) return false;
  size_t n;
  const char *s = tw_token_text(p, t, &n);
  TwName name = tw_intern(&p->u->names, s, n);
  TwDiag *d = tw_diag(&p->u->diags, TW_E0112, span, "a declaration cannot begin with '%s'", name);
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
    if (strcmp(name, foreign[i].word) == 0) tw_diag_help(&p->u->diags, d, "%s", foreign[i].help);
  static const TwName words[] = {"import",  "const", "type",   "fn",      "custom",  "optimizer",
                                 "domain",  "data",  "param",  "weights", "model",   "loss",
                                 "measure", "stage", "ensure", "expect",  "variant", "skip"};
  TwName near = tw_nearest(name, words, sizeof words / sizeof *words);
  if (near && !d->help) tw_diag_help(&p->u->diags, d, "did you mean '%s'?", near);
  return true;
}

static void advise(TwParser *p, TwDiag *d, const Expected *e, TwToken t) {
  TwDiags *to = &p->u->diags;
  const TwToken *next = tw_layout_peek(p->layout);
  const TwLayout *l = p->layout;
  int head = l->stack.len ? l->stack.at[l->stack.len - 1].head : 0;
  const char *text = tw_source(&p->u->sources, p->file)->text;
  if (t.kind == TW_T_ASSIGN && e->operator) tw_diag_help(to, d, "write '==' to compare");
  else if (e->set[TW_T_LBLOCK] && t.kind == TW_T_SEP && next->kind == TW_LEX_OPEN_BRACE)
    tw_diag_help(to, d, "put the '{' on the line before");
  else if (t.kind == TW_T_IN && head == TW_T_PARAM)
    tw_diag_help(to, d, "the order is: param name : type in domain by transform ~ law");
  else if ((t.kind == TW_T_ID || t.kind == TW_T_LPAREN) && e->operator&&
                                                           p->last_end> 0 && text[p->last_end - 1] >= '0' &&
                                                           text[p->last_end - 1] <= '9' && p->last_end == t.start)
    tw_diag_help(to, d, "write '*' to multiply");
  else if (t.kind == TW_T_PLUS && e->expr) tw_diag_help(to, d, "there is no unary '+'");
  else if ((t.kind == TW_T_SEP || t.kind == 0) && e->set[TW_T_ELSE]) tw_diag_help(to, d, "every 'if' has an 'else'");
  else if (t.kind == TW_T_LBLOCK && e->set[TW_T_THEN])
    tw_diag_help(to, d, "a choice has no braces: if c then a else b");
  else if (t.kind == TW_T_LBLOCK && e->operator&& !e->set[TW_T_LBLOCK])
    tw_diag_help(to, d, "braces after an operand are a body's, and none can stand here");
  else if (t.kind == TW_T_MINUS && t.newline)
    tw_diag_help(to, d, "to go on with the line before, put a blank after the '-' or end that line with it");
}

/* Whether the scanner has reported a mistake in this statement: then no more is known of what it should be. */
static bool misspelt(const TwParser *p, TwToken t) {
  for (uint32_t k = 0; k < p->u->diags.list.len; k++) {
    const TwDiag *d = p->u->diags.list.at[k];
    bool here = d->span.file == p->file && d->span.start >= p->broken_line && d->span.start <= t.start;
    if (here && d->id >= TW_E0101 && d->id <= TW_E0107) return true;
  }
  return false;
}

void tw_on_syntax_error(TwParser *p, void *parser, TwToken t) {
  p->failed = true;
  p->broken = tw_layout_declaration(p->layout, t);
  p->broken_line = tw_layout_statement(p->layout, t);
  if (t.kind == TW_T_BAD || p->layout->reported) return;
  if (misspelt(p, t)) {
    p->layout->reported = true;
    return;
  }
  if (p->layout->after_stray) return; /* what is missing where the bracket stands is the same mistake */
  if (tw_layout_unclosed(p->layout, t)) return;
  p->layout->reported = true;
  TwArena scratch = {0};
  Expected e = {0};
  tw_grammar_expected(parser, &scratch, e.set);
  tw_arena_free(&scratch);
  Expected all = e;
  group(&e);
  memcpy(e.set, all.set, sizeof e.set);
  TwSpan span = tw_token_span(p, t);
  /* What is missing at the end of a file is missing after its last word, not on the line below. */
  if (t.kind == 0 && p->last_end) span.start = span.end = p->last_end;
  if (unknown_declaration(p, &e, t, span)) return;
  if (tw_token_class(t.kind) == TW_TC_RESERVED && (e.name || e.type)) {
    TwDiag *d = tw_diag(&p->u->diags, TW_E0119, span, "%s is a reserved word and cannot be a name", found(p, t));
    const TwToken *before = p->layout->at >= 2 ? &p->layout->tokens.at[p->layout->at - 2] : NULL;
    if (before && before->kind == TW_LEX_OPEN_BRACE && (t.kind == TW_T_LET || t.kind == TW_T_FOR || t.kind == TW_T_FN))
      tw_diag_help(&p->u->diags, d,
                   "braces hold a record here: lines with 'let' are the body of a function, of this one or of one "
                   "declared in it");
    return;
  }
  TwDiag *d = tw_diag(&p->u->diags, TW_E0108, span, "expected %s, found %s", sentence(p, &e), found(p, t));
  const TwToken *last = p->layout->at >= 2 ? &p->layout->tokens.at[p->layout->at - 2] : NULL;
  if (last && last->kind == TW_T_ID && is_text(p, *last, "return"))
    tw_diag_help(&p->u->diags, d, "a body's last line is its result; there is no 'return'");
  else if (last && last->kind == TW_T_ID && is_text(p, *last, "while"))
    tw_diag_help(&p->u->diags, d, "there is no 'while': a loop has a number of passes, for i in 0 .. n { … }");
  else if (last && last->kind == TW_T_RPAREN && e.set[TW_T_ASSIGN] && !e.set[TW_T_ARROW] && t.kind == TW_T_ARROW)
    tw_diag_help(&p->u->diags, d,
                 "a lambda does not say what it gives: fn(x) = …; a function with a name does, in a body too");
  else if (last && last->kind == TW_T_RPAREN && e.set[TW_T_ASSIGN] && !e.set[TW_T_ARROW] && t.kind == TW_T_LBLOCK)
    tw_diag_help(
        &p->u->diags, d,
        "a lambda is one expression: fn(x) = …; a function with a name may have a body, also inside of this one");
  else advise(p, d, &e, t);
}

void tw_on_too_deep(TwParser *p) {
  TwSpan span = {p->file, p->last_end, p->last_end + 1};
  if (!p->fatal) tw_diag(&p->u->diags, TW_E0901, span, "this is nested too deeply");
  p->fatal = true;
}
