/* unused.c: what is legal and surely not meant: declarations that nothing uses.
 *
 * A const, function or data set of a program counts as used where anything names it, other than itself.
 *
 * requires: a program without errors, that of the body of the file. A variant may leave things out
 * that the body uses, and use what the body leaves out: a name that any variant spells is used. */
#include "compiler/sema/check.h"

static bool word_char(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What the variants declare is not elaborated here, so the words in their text count. */
static void mark_variant_uses(TwSema *s, const TwModuleAst *m) {
  const char *text = tw_source(&s->u->sources, m->file)->text;
  for (uint32_t k = 0; k < m->decls.len; k++) {
    const TwDecl *v = m->decls.at[k];
    if (v->kind != TW_DE_VARIANT) continue;
    for (uint32_t i = v->span.start; i < v->span.end;) {
      uint32_t from = i;
      while (i < v->span.end && word_char(text[i])) i++;
      TwSmEntry *e = i > from ? tw_sm_find(s->main, tw_intern(&s->u->names, text + from, i - from)) : NULL;
      if (e) e->used = true;
      if (e && e->decl->kind == TW_DE_PARAM) e->in_variant = true;
      if (i == from) i++;
    }
  }
}

/* The params that a result of the program depends on, or the start of another param. */
static TwSmDeps reached(TwSema *s) {
  TwSmDeps deps = tw_sm_deps(s);
  const TwProgram *p = s->p;
  tw_sm_depends(s, p->loss, NULL, &deps);
  for (uint32_t k = 0; k < p->stages.len; k++) tw_sm_depends(s, p->stages.at[k].loss, NULL, &deps);
  for (uint32_t k = 0; k < p->measures.len; k++) tw_sm_depends(s, p->measures.at[k].value, NULL, &deps);
  for (uint32_t k = 0; k < p->ensures.len; k++) tw_sm_depends(s, p->ensures.at[k].value, NULL, &deps);
  for (uint32_t k = 0; k < p->models.len; k++) tw_sm_depends(s, p->models.at[k].body, NULL, &deps);
  for (uint32_t k = 0; k < p->params.len; k++) tw_sm_depends(s, p->params.at[k].start, NULL, &deps);
  return deps;
}

/* Of what is declared for use by name alone; NULL: other things have an effect of their own, or a check. */
static const char *kind_word(TwDeclKind kind) {
  if (kind == TW_DE_CONST) return "const";
  if (kind == TW_DE_DATA) return "data set";
  return kind == TW_DE_FN ? "function" : NULL;
}

void tw_sm_warn_unused(TwSema *s, const TwModuleAst *ast, bool library) {
  TwSmDeps deps = reached(s);
  mark_variant_uses(s, ast);
  for (uint32_t k = 0; k < s->main->entries.len; k++) {
    const TwSmEntry *e = s->main->entries.at[k];
    if (!e->used && e->decl->kind == TW_DE_IMPORT && e->value.kind == TW_V_MODULE)
      tw_sm_warn(s, TW_W0001, e->span, "module '%s' is imported and never used", e->name);
    const char *word = kind_word(e->decl->kind);
    if (!e->used && word && !library) tw_sm_warn(s, TW_W0001, e->span, "%s '%s' is never used", word, e->name);
    if (e->decl->kind != TW_DE_PARAM || library || e->in_variant) continue;
    if (!e->used) tw_sm_warn(s, TW_W0003, e->span, "nothing depends on param '%s'", e->name);
    else if (s->p->loss && !deps.params[e->index] && !tw_sm_trained(s, e->index))
      tw_sm_warn(s, TW_W0003, e->span, "no loss, measure or model depends on param '%s'", e->name);
  }
}
