/* parse.c: text -> tree.
 *
 * requires: a file of the unit's sources.   provides: parse.h but for the dump of the tree.
 * The token driver hands balanced tokens to the generated parser. After an error the rest of the
 * statement is passed over, and the next error is reported again: each mistake is one error. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/parser.h"
#include "compiler/base/bug.h"
#include "gen/grammar.h"

static void feed_all(TwParser *p, int start) {
  TwLayout l;
  tw_layout_start(&l, p->u, p->file, p->module);
  p->layout = &l;
  void *parser = tw_grammarAlloc(malloc, p);
  if (!parser) tw_no_memory(0);
  TwToken begin = {.kind = (uint16_t)start};
  tw_grammar(parser, start, begin);
  while (!p->fatal) {
    TwToken t = tw_layout_next(&l);
    if (l.too_deep) break;
    tw_grammar(parser, t.kind, t);
    if (p->failed && !p->fatal) {
      tw_layout_recover(&l, t);
      if (l.at && l.tokens.at[l.at - 1].end > p->last_end) p->last_end = l.tokens.at[l.at - 1].end; /* passed over */
      tw_grammar_settle(parser);
      p->failed = false;
    }
    if (t.kind == 0 || p->u->diags.errors > TW_MANY_ERRORS) break;
    if (t.end > p->last_end) p->last_end = t.end;
  }
  tw_grammarFree(parser, free);
  p->layout = NULL;
}

static TwName stem(TwUnit *u, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
  return tw_intern(&u->names, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* What was given up on at the end of the file left no node: one stands for it. */
static void mark_broken(TwUnit *u, TwModuleAst *m) {
  for (uint32_t k = 0; k < m->decls.len; k++)
    if (m->decls.at[k]->kind == TW_DE_ERROR) return;
  const TwSource *f = tw_source(&u->sources, m->file);
  uint32_t n = m->decls.len, end = f->len, start = n ? m->decls.at[n - 1]->span.end : 0;
  for (bool comment = false; start < end; start++) { /* the last line itself was read, and comments declare nothing */
    char c = f->text[start];
    if (c == '/' && start + 1 < end && f->text[start + 1] == '/') comment = true;
    if (c == '\n') comment = false;
    else if (!comment && !strchr(" \t\r", c)) break;
  }
  TwDecl *d = TW_NEW(&u->arena, TwDecl);
  d->kind = TW_DE_ERROR;
  d->span = (TwSpan){m->file, start, end};
  tw_vec_push(&u->arena, &m->decls, d);
}

bool tw_parse(TwUnit *u, uint32_t file, TwModuleAst **out) {
  uint32_t before = u->diags.errors;
  TwModuleAst *m = TW_NEW(&u->arena, TwModuleAst);
  m->file = file;
  m->name = stem(u, tw_source(&u->sources, file)->path);
  TwParser p = {.u = u, .module = m, .file = file};
  feed_all(&p, TW_T_MODULE_START);
  *out = m;
  if (u->diags.errors != before) mark_broken(u, m);
  return u->diags.errors == before;
}

bool tw_parse_expr(TwUnit *u, uint32_t file, TwExpr **out) {
  uint32_t before = u->diags.errors;
  TwParser p = {.u = u, .file = file};
  feed_all(&p, TW_T_EXPR_START);
  if (!p.expr) {
    p.expr = TW_NEW(&u->arena, TwExpr);
    p.expr->kind = TW_EX_ERROR;
    p.expr->span = (TwSpan){file, 0, tw_source(&u->sources, file)->len};
    p.expr->depth = 1;
  }
  *out = p.expr;
  return u->diags.errors == before;
}

bool tw_tokens_dump(TwUnit *u, uint32_t file, FILE *out) {
  uint32_t before = u->diags.errors;
  TwLayout l;
  tw_layout_start(&l, u, file, NULL);
  const char *text = tw_source(&u->sources, file)->text;
  for (;;) {
    TwToken t = tw_layout_next(&l);
    fprintf(out, "%u %s", t.start, tw_token_kind(t.kind));
    if (t.kind != TW_T_SEP && t.end > t.start) {
      fputc(' ', out);
      for (uint32_t i = t.start; i < t.end; i++) fputc((unsigned char)text[i] < ' ' ? '?' : text[i], out);
    }
    fputc('\n', out);
    if (t.kind == 0) break;
  }
  return u->diags.errors == before;
}
