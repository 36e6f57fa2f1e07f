/* repeats.c: stages that repeat the one before, item for item: one of more epochs would do the same, and keep the
 * optimizer's state. Where a stage that begins anew may be what is meant, nothing is said.
 *
 * requires: a program without errors, that of the body of the file.   provides: W0006, at the second stage's name. */
#include "compiler/ast/format.h"
#include "compiler/sema/check.h"

/* Whether to begin anew may be what is meant: a schedule or a search starts over, or the best values go on. */
static bool begins_anew(TwSema *s, const TwStage *st) {
  bool search = st->method != TW_ME_CODE || st->patience || st->rounds || st->retries || st->kick != 0;
  if (search || st->until.given || st->retry.given || st->keep_best || st->update.scheduled) return true;
  return !st->update.decl || !tw_sm_is_std(s, st->update.decl->span.file);
}

static bool has(const TwDecl *d, const TwStageItem *item) {
  for (uint32_t k = 0; k < d->items.len; k++)
    if (tw_stage_item_equal(&d->items.at[k], item)) return true;
  return false;
}

static bool alike(const TwDecl *a, const TwDecl *b) {
  if (a->items.len != b->items.len) return false;
  for (uint32_t k = 0; k < a->items.len; k++)
    if (!has(b, &a->items.at[k])) return false;
  return true;
}

/* A bound or a variant that speaks of one of them alone makes them two. */
static bool told_apart(const TwModuleAst *ast, TwName a, TwName b) {
  for (uint32_t k = 0; k < ast->decls.len; k++) {
    const TwDecl *d = ast->decls.at[k];
    bool one = false, other = false;
    for (uint32_t j = 0; j < d->during.len; j++) one |= d->during.at[j].name == a, other |= d->during.at[j].name == b;
    for (uint32_t j = 0; d->kind == TW_DE_VARIANT && j < d->decls.len; j++) {
      const TwDecl *x = d->decls.at[j];
      if (x->kind != TW_DE_SKIP && x->kind != TW_DE_STAGE) continue;
      one |= x->name.name == a;
      other |= x->name.name == b;
    }
    if (one != other) return true;
  }
  return false;
}

void tw_sm_warn_stages(TwSema *s, const TwModuleAst *ast) {
  for (uint32_t k = 1; k < s->stage_decls.len; k++) {
    const TwDecl *a = s->stage_decls.at[k - 1], *b = s->stage_decls.at[k];
    if (!alike(a, b) || begins_anew(s, &s->p->stages.at[k]) || told_apart(ast, a->name.name, b->name.name)) continue;
    TwDiag *d = tw_sm_warn(s, TW_W0006, b->name.span, "stage '%s' repeats stage '%s'", b->name.name, a->name.name);
    tw_sm_note(s, d, a->name.span, "the same, here");
    tw_sm_help(s, d, "one stage of more epochs does it; 'keep' carries the optimizer's state over");
  }
}
