/* variants.c: which declarations make up a variant.
 *
 * A variant replaces whole declarations by kind and name, in place, and appends new ones; `skip`
 * drops stages. Names are resolved afterwards, so the rest of the program sees the new ones. */
#include <string.h>

#include "compiler/sema/check.h"

static bool has_variants(const TwModuleAst *m) {
  for (uint32_t k = 0; k < m->decls.len; k++)
    if (m->decls.at[k]->kind == TW_DE_VARIANT) return true;
  return false;
}

void tw_variants(TwUnit *u, const TwModuleAst *m, TwVariantNames *out) {
  bool some = has_variants(m);
  tw_vec_push(&u->arena, out, tw_intern_z(&u->names, some ? "full" : "main"));
  for (uint32_t k = 0; k < m->decls.len; k++) {
    const TwDecl *d = m->decls.at[k];
    if (d->kind != TW_DE_VARIANT || !d->name.name) continue;
    bool known = false;
    for (uint32_t j = 0; j < out->len; j++) known |= out->at[j] == d->name.name;
    if (!known) tw_vec_push(&u->arena, out, d->name.name);
  }
}

static bool same_target(const TwDecl *a, const TwDecl *b) {
  if (a->kind != b->kind) return false;
  if (a->kind == TW_DE_LOSS) return true;
  if (a->kind == TW_DE_ENSURE || a->kind == TW_DE_EXPECT || a->kind == TW_DE_ERROR) return false;
  return a->name.name && a->name.name == b->name.name;
}

static void apply(TwSema *s, const TwDecl *variant) {
  uint32_t n_own = s->decls.len;
  bool *taken = TW_NEW_N(s->a, bool, n_own);
  for (uint32_t k = 0; k < variant->decls.len; k++) {
    const TwDecl *d = variant->decls.at[k];
    if (d->kind == TW_DE_SKIP) {
      if (d->name.name) tw_vec_push(s->a, &s->skips, d->name);
      continue;
    }
    if (d->kind == TW_DE_VARIANT || d->kind == TW_DE_IMPORT) {
      tw_sm_error(s, TW_E0116, d->span, "%s cannot stand in a variant",
                  d->kind == TW_DE_VARIANT ? "a variant" : "an import");
      continue;
    }
    bool placed = false;
    for (uint32_t j = 0; j < n_own && !placed; j++) {
      if (taken[j] || !same_target(s->decls.at[j].decl, d)) continue;
      s->decls.at[j] = (TwSmDecl){d, s->decls.at[j].decl};
      taken[j] = placed = true;
    }
    if (!placed) tw_vec_push(s->a, &s->decls, (TwSmDecl){d, NULL});
  }
}

/* Two variants of one name, and names that mean the body of the file. */
static void check_names(TwSema *s, const TwModuleAst *m) {
  for (uint32_t k = 0; k < m->decls.len; k++) {
    const TwDecl *d = m->decls.at[k];
    if (d->kind != TW_DE_VARIANT || !d->name.name) continue;
    if (strcmp(d->name.name, "full") == 0 || strcmp(d->name.name, "main") == 0)
      tw_sm_error(s, TW_E0202, d->name.span, "the name '%s' is taken: it means the body of the file", d->name.name);
    for (uint32_t j = 0; j < k; j++) {
      const TwDecl *o = m->decls.at[j];
      if (o->kind != TW_DE_VARIANT || o->name.name != d->name.name) continue;
      TwDiag *e = tw_sm_error(s, TW_E0202, d->name.span, "variant '%s' is declared twice", d->name.name);
      tw_sm_note(s, e, o->name.span, "first here");
      break;
    }
  }
}

bool tw_sm_effective(TwSema *s, const TwModuleAst *m, TwName variant) {
  const TwDecl *chosen = NULL;
  bool body = strcmp(variant, has_variants(m) ? "full" : "main") == 0;
  for (uint32_t k = 0; k < m->decls.len; k++) {
    const TwDecl *d = m->decls.at[k];
    if (d->kind == TW_DE_SKIP) {
      s->errors++; /* the parser has said so */
    } else if (d->kind != TW_DE_VARIANT) {
      tw_vec_push(s->a, &s->decls, (TwSmDecl){d, NULL});
    } else if (!body && d->name.name == variant && !chosen) {
      chosen = d;
    }
  }
  check_names(s, m);
  if (!chosen && !body) {
    TwNames names = {0};
    TwVariantNames all = {0};
    tw_variants(s->u, m, &all);
    for (uint32_t k = 0; k < all.len; k++) tw_vec_push(s->a, &names, all.at[k]);
    TwDiag *d = tw_sm_error(s, TW_E0212, (TwSpan){0}, "the program has no variant '%s'", variant);
    tw_sm_suggest(s, d, variant, names.at, names.len);
    return false;
  }
  if (chosen) apply(s, chosen);
  return true;
}
