/* modules.c: modules, their names, and looking a name up.
 *
 * A name is looked up in the body it is used in, in its module, in the prelude (modules loss,
 * optim and domain), among the builtins. Every declaration is resolved when it is first needed. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

/* ---- loading */
static uint32_t find_source(const TwSema *s, const char *path) {
  for (uint32_t k = 1; k < s->u->sources.files.len; k++)
    if (strcmp(s->u->sources.files.at[k].path, path) == 0) return k;
  return 0;
}

static uint32_t open_module(TwSema *s, TwName name, uint32_t from_file, TwSpan span) {
  size_t len = 0;
  const char *text = tw_stdlib(name, &len);
  if (text) {
    const char *path = tw_arena_printf(s->a, "<std>/%s.tw", name);
    uint32_t file = find_source(s, path);
    return file ? file : tw_source_add(&s->u->sources, path, text, len);
  }
  const char *from = from_file ? tw_source(&s->u->sources, from_file)->path : "";
  const char *slash = strrchr(from, '/');
  int dir = slash ? (int)(slash - from) + 1 : 0;
  const char *path = tw_arena_printf(s->a, "%.*s%s.tw", dir, from, name), *why = NULL;
  uint32_t file = find_source(s, path);
  if (!file) file = tw_source_read(&s->u->sources, path, &why);
  if (file) return file;
  TwDiag *d = tw_sm_error(s, TW_E0203, span, "there is no module '%s'", name);
  tw_sm_note(s, d, (TwSpan){0}, "it is not in the standard library, and %s cannot be read: %s", path, why ? why : "");
  TwNames names = {0};
  for (uint32_t k = 0; tw_stdlib_name(k); k++) tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, tw_stdlib_name(k)));
  tw_sm_suggest(s, d, name, names.at, names.len);
  return 0;
}

/* What a module that is imported may declare. */
static bool importable(const TwDecl *d) {
  return d->kind == TW_DE_IMPORT || d->kind == TW_DE_CONST || d->kind == TW_DE_TYPE || d->kind == TW_DE_FN ||
         d->kind == TW_DE_OPTIMIZER || d->kind == TW_DE_DOMAIN || d->kind == TW_DE_ERROR;
}

static bool load_imports(TwSema *s, TwSmModule *m) {
  bool ok = true;
  for (uint32_t k = 0; k < m->entries.len; k++) {
    TwSmEntry *e = m->entries.at[k];
    if (e->decl->kind != TW_DE_IMPORT || e->state != TW_SM_NEW) continue;
    e->state = TW_SM_DONE;
    TwSmModule *of = tw_sm_load(s, e->name, m->file, e->span);
    e->value = of ? (TwSmValue){.kind = TW_V_MODULE, .module = of} : tw_sm_vbad();
    ok &= of != NULL;
  }
  return ok;
}

TwSmModule *tw_sm_load(TwSema *s, TwName name, uint32_t from_file, TwSpan span) {
  uint32_t file = open_module(s, name, from_file, span);
  if (!file) return NULL;
  for (uint32_t k = 0; k < s->modules.len; k++) {
    TwSmModule *m = s->modules.at[k];
    if (m->file != file) continue;
    if (m->state != TW_SM_BUSY) return m;
    TwDiag *d = tw_sm_error(s, TW_E0208, span, "module '%s' imports itself, by way of other modules or directly", name);
    tw_sm_help(s, d, "move what both need to a third module");
    return NULL;
  }
  TwSmModule *m = TW_NEW(s->a, TwSmModule);
  m->name = name;
  m->file = file;
  m->is_std = tw_sm_is_std(s, file);
  m->state = TW_SM_BUSY;
  tw_vec_push(s->a, &s->modules, m);
  bool parsed = tw_parse(s->u, file, &m->ast);
  if (!parsed) s->errors++;
  for (uint32_t k = 0; k < m->ast->decls.len; k++) {
    const TwDecl *d = m->ast->decls.at[k];
    if (!importable(d)) {
      TwDiag *e = tw_sm_error(s, TW_E0213, span, "module '%s' cannot be imported: it is a program", name);
      tw_sm_note(s, e, d->span, "a module has import, const, type, fn, optimizer and domain, but no %s",
                 tw_decl_word(d));
      m->state = TW_SM_DONE;
      return NULL;
    }
    tw_sm_enter(s, m, d, NULL);
  }
  load_imports(s, m);
  m->state = TW_SM_DONE;
  return m;
}

void tw_sm_enter(TwSema *s, TwSmModule *m, const TwDecl *d, const TwDecl *replaced) {
  switch (d->kind) {
    case TW_DE_ERROR:
      s->errors++;
      tw_vec_push(s->a, &s->broken, tw_sm_has_name(s, d->span) ? d->span : (TwSpan){0});
      break;
    case TW_DE_IMPORT:
    case TW_DE_CONST:
    case TW_DE_TYPE:
    case TW_DE_FN:
    case TW_DE_OPTIMIZER:
    case TW_DE_DOMAIN:
    case TW_DE_DATA:
    case TW_DE_PARAM:
    case TW_DE_WEIGHTS:
    case TW_DE_MODEL: break;
    case TW_DE_LOSS:
    case TW_DE_MEASURE:
    case TW_DE_STAGE:
    case TW_DE_ENSURE:
    case TW_DE_EXPECT:
    case TW_DE_VARIANT:
    case TW_DE_SKIP: return;
  }
  if (!d->name.name) return;
  TwSmEntry *old = tw_sm_find(m, d->name.name);
  if (old) {
    if (old->decl->kind == TW_DE_ERROR || d->kind == TW_DE_ERROR) return;
    TwDiag *e = tw_sm_error(s, TW_E0202, d->name.span, "'%s' is declared twice", d->name.name);
    const char *word = tw_decl_word(old->decl);
    tw_sm_note(s, e, old->span, "first here, as %s %s", strchr("aeiou", word[0]) ? "an" : "a", word);
    if (d->kind == TW_DE_IMPORT && old->decl->kind == TW_DE_IMPORT) tw_sm_help(s, e, "once is enough");
    else old->twice = true;
    return;
  }
  TwSmEntry *e = TW_NEW(s->a, TwSmEntry);
  *e = (TwSmEntry){.name = d->name.name, .span = d->name.span, .decl = d, .replaced = replaced};
  tw_sm_add_entry(s, m, e);
}

/* ---- resolving */
static bool may_use(TwSema *s, const TwSmEntry *e, TwSpan use) {
  bool no = (e->decl->kind == TW_DE_PARAM && s->ctx.no_params) ||
            (e->decl->kind == TW_DE_WEIGHTS && s->ctx.no_weights) || (e->decl->kind == TW_DE_DATA && s->ctx.no_data);
  if (!no) return true;
  TwDiag *d = tw_sm_error(s, TW_E0214, use, "%s cannot depend on %s '%s'", s->ctx.what, tw_decl_word(e->decl), e->name);
  tw_sm_note(s, d, e->span, "'%s' is declared here", e->name);
  return false;
}

static TwSmValue resolve_now(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  switch (e->decl->kind) {
    case TW_DE_CONST: return tw_sm_const(s, m, e);
    case TW_DE_TYPE: return (TwSmValue){.kind = TW_V_TYPE, .decl = e->decl, .module = m};
    case TW_DE_OPTIMIZER: return (TwSmValue){.kind = TW_V_OPTIMIZER, .decl = e->decl, .module = m};
    case TW_DE_DOMAIN: return tw_sm_domain(s, m, e);
    case TW_DE_DATA: return tw_sm_data(s, m, e);
    case TW_DE_PARAM: return tw_sm_param(s, m, e);
    case TW_DE_WEIGHTS: return tw_sm_weights(s, m, e);
    case TW_DE_IMPORT:
    case TW_DE_FN:
    case TW_DE_MODEL:
    case TW_DE_ERROR:
    case TW_DE_LOSS:
    case TW_DE_MEASURE:
    case TW_DE_STAGE:
    case TW_DE_ENSURE:
    case TW_DE_EXPECT:
    case TW_DE_VARIANT:
    case TW_DE_SKIP: break;
  }
  return tw_sm_vbad();
}

TwSmValue tw_sm_resolve(TwSema *s, TwSmModule *m, TwSmEntry *e, TwSpan use) {
  e->used = true;
  if (e->decl->kind == TW_DE_FN || e->decl->kind == TW_DE_MODEL) return tw_sm_fn_value(s, m, e->decl);
  if (!may_use(s, e, use)) return tw_sm_vbad();
  if (e->state == TW_SM_BUSY) {
    TwDiag *d = tw_sm_error(s, TW_E0208, use, "%s '%s' depends on itself", tw_decl_word(e->decl), e->name);
    tw_sm_note(s, d, e->span, "'%s' is declared here", e->name);
    return tw_sm_vbad();
  }
  if (e->state == TW_SM_NEW) {
    const TwSmFrame *frame = s->frame;
    TwSmCtx ctx = s->ctx;
    uint32_t calls = s->calls;
    s->frame = NULL;
    s->calls = 0;
    s->ctx = (TwSmCtx){0};
    e->state = TW_SM_BUSY;
    e->value = resolve_now(s, m, e);
    e->state = TW_SM_DONE;
    s->frame = frame;
    s->ctx = ctx;
    s->calls = calls;
  }
  TwSmValue v = e->value;
  if (v.kind == TW_V_TX) v.tx = tw_sm_at(s, v.tx, use);
  return v;
}

void tw_sm_prelude(TwSema *s) {
  size_t len;
  static const char *const names[TW_SM_PRELUDES] = {"loss", "optim", "domain"};
  for (uint32_t k = 0; k < TW_SM_PRELUDES; k++) {
    TwName name = tw_intern_z(&s->u->names, names[k]);
    if (tw_stdlib(name, &len)) s->prelude[k] = tw_sm_load(s, name, 0, (TwSpan){0});
  }
}

static void unknown_name(TwSema *s, const TwSmScope *scope, TwName name, TwSpan span) {
  if (tw_sm_in_broken(s, name) || tw_sm_set_has(&s->unknown, name)) {
    s->errors++;
    return;
  }
  tw_sm_set_add(s, &s->unknown, name);
  if (tw_sm_many(s)) {
    tw_sm_error(s, TW_E0201, span, "there is no '%s' here", name);
    return;
  }
  TwNames names = {0};
  for (const TwSmBind *b = scope->top; b; b = b->up) tw_vec_push(s->a, &names, b->name);
  for (uint32_t k = 0; k < scope->module->entries.len; k++)
    tw_vec_push(s->a, &names, scope->module->entries.at[k]->name);
  for (uint32_t p = 0; p < TW_SM_PRELUDES; p++)
    for (uint32_t k = 0; s->prelude[p] && k < s->prelude[p]->entries.len; k++)
      tw_vec_push(s->a, &names, s->prelude[p]->entries.at[k]->name);
  for (uint32_t k = 0; k < tw_sm_builtin_count(); k++)
    tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, tw_sm_builtin_name(k)));
  TwDiag *d = tw_sm_error(s, TW_E0201, span, "there is no '%s' here", name);
  size_t len;
  for (uint32_t k = 0; k < scope->module->entries.len; k++) {
    const TwSmEntry *e = scope->module->entries.at[k];
    if (e->decl->kind != TW_DE_IMPORT || e->value.kind != TW_V_MODULE || !tw_sm_find(e->value.module, name)) continue;
    tw_sm_help(s, d, "module '%s' has one: write %s.%s", e->name, e->name, name);
    return;
  }
  if (tw_stdlib(name, &len)) tw_sm_help(s, d, "it is a module: write 'import %s' at the top", name);
  else tw_sm_suggest(s, d, name, names.at, names.len);
}

TwSmValue tw_sm_lookup(TwSema *s, const TwSmScope *scope, TwName name, TwSpan span) {
  const TwSmBind *b = tw_sm_bound(scope, name);
  if (b) {
    TwSmValue v = b->value;
    if (v.kind == TW_V_TX) v.tx = tw_sm_at(s, v.tx, span);
    if (v.kind == TW_V_LIN && tw_sm_lin_known(v.lin)) v = tw_sm_v(tw_sm_int(s, v.lin->c0, span));
    return v;
  }
  TwSmEntry *e = tw_sm_find(scope->module, name);
  if (e && e->twice) return e->used = true, tw_sm_vbad();
  if (e) {
    if (e->decl->kind == TW_DE_IMPORT) return e->used = true, e->value;
    return tw_sm_resolve(s, scope->module, e, span);
  }
  for (uint32_t k = 0; k < TW_SM_PRELUDES; k++) {
    TwSmModule *m = s->prelude[k];
    if (m && (e = tw_sm_find(m, name)) && e->decl->kind != TW_DE_IMPORT) return tw_sm_resolve(s, m, e, span);
  }
  if (strcmp(name, "pi") == 0) return tw_sm_v(tw_sm_real(s, 3.14159265358979323846, span));
  if (strcmp(name, "inf") == 0) return tw_sm_v(tw_sm_real(s, (double)INFINITY, span));
  int k = tw_sm_builtin(name);
  if (k >= 0) return (TwSmValue){.kind = TW_V_BUILTIN, .index = (uint32_t)k};
  unknown_name(s, scope, name, span);
  return tw_sm_vbad();
}

TwSmValue tw_sm_member(TwSema *s, TwSmModule *m, TwName name, TwSpan span) {
  TwSmEntry *e = tw_sm_find(m, name);
  if (e && e->twice) return e->used = true, tw_sm_vbad();
  if (e && e->decl->kind != TW_DE_IMPORT) return tw_sm_resolve(s, m, e, span);
  for (uint32_t k = 0; k < s->broken.len; k++)
    if (s->broken.at[k].file == m->file) return s->errors++, tw_sm_vbad();
  TwNames names = {0};
  for (uint32_t k = 0; k < m->entries.len; k++)
    if (m->entries.at[k]->decl->kind != TW_DE_IMPORT) tw_vec_push(s->a, &names, m->entries.at[k]->name);
  TwDiag *d = tw_sm_error(s, TW_E0204, span, "module '%s' has no '%s'", m->name, name);
  if (!tw_sm_suggest(s, d, name, names.at, names.len) && tw_sm_builtin(name) >= 0)
    tw_sm_help(s, d, "'%s' is built in: write it without the module", name);
  return tw_sm_vbad();
}
