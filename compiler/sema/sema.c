/* sema.c: AST -> the typed program of one variant.
 *
 * requires: a parsed main module, ERROR nodes allowed.
 * provides: the program, or NULL after at least one error. The order: declarations of the variant are
 * put together, modules loaded, then every declaration is resolved (each on first use), then stages
 * and bounds, then what nothing called is checked on its own. */
#include "compiler/sema/check.h"

static void enter_all(TwSema *s) {
  for (uint32_t k = 0; k < s->decls.len; k++) tw_sm_enter(s, s->main, s->decls.at[k].decl, s->decls.at[k].replaced);
  for (uint32_t k = 0; k < s->main->entries.len; k++) {
    TwSmEntry *e = s->main->entries.at[k];
    if (e->decl->kind != TW_DE_PARAM) continue;
    e->index = s->p->params.len;
    tw_vec_push(s->a, &s->p->params, (TwParam){.name = e->name, .span = e->span, .type = s->t_poison});
  }
}

static void load_modules(TwSema *s) {
  s->main->state = TW_SM_BUSY;
  for (uint32_t k = 0; k < s->main->entries.len; k++) {
    TwSmEntry *e = s->main->entries.at[k];
    if (e->decl->kind != TW_DE_IMPORT) continue;
    e->state = TW_SM_DONE;
    TwSmModule *m = tw_sm_load(s, e->name, s->main->file, e->span);
    e->value = m ? (TwSmValue){.kind = TW_V_MODULE, .module = m} : tw_sm_vbad();
  }
  s->main->state = TW_SM_DONE;
  tw_sm_prelude(s);
}

/* Resolving for its own sake is not a use. */
static void resolve_all(TwSema *s, TwDeclKind kind) {
  for (uint32_t k = 0; k < s->main->entries.len; k++) {
    TwSmEntry *e = s->main->entries.at[k];
    bool used = e->used;
    if (e->decl->kind != kind) continue;
    s->ctx = (TwSmCtx){0};
    if (kind == TW_DE_MODEL) tw_sm_model(s, s->main, e);
    else tw_sm_resolve(s, s->main, e, e->span);
    e->used = used;
  }
}

static bool is_library(const TwSema *s) {
  for (uint32_t k = 0; k < s->decls.len; k++) {
    TwDeclKind kind = s->decls.at[k].decl->kind;
    if (kind == TW_DE_STAGE || kind == TW_DE_LOSS || kind == TW_DE_MODEL) return false;
  }
  return true;
}

static void check(TwSema *s, const TwModuleAst *ast, bool body) {
  static const TwDeclKind order[] = {TW_DE_CONST, TW_DE_DATA, TW_DE_PARAM, TW_DE_WEIGHTS, TW_DE_MODEL};
  enter_all(s);
  load_modules(s);
  tw_sm_defines(s);
  for (size_t k = 0; k < sizeof order / sizeof *order; k++) resolve_all(s, order[k]);
  bool library = is_library(s);
  tw_sm_losses(s);
  tw_sm_stages(s);
  tw_sm_ensures(s);
  if (s->errors == 0) tw_sm_check_stages(s);
  tw_sm_library(s, library);
  if (s->errors || !body) return;
  tw_sm_warn_unused(s, ast, library);
  if (library) return;
  tw_sm_warn_stages(s, ast);
  tw_sm_warn_divisors(s);
}

bool tw_sema(TwUnit *u, TwModuleAst *ast, TwName variant, TwProgram **out) {
  TwSema s = {.u = u, .a = &u->arena};
  TwSmModule main_module = {.name = ast->name, .ast = ast, .file = ast->file, .is_main = true};
  TwVariantNames names = {0};
  s.main = &main_module;
  s.p = TW_NEW(s.a, TwProgram);
  s.p->variant = variant;
  s.p->span = (TwSpan){ast->file, 0, 0};
  tw_vec_push(s.a, &s.modules, s.main);
  tw_sm_types_init(&s);
  tw_variants(u, ast, &names);
  *out = NULL;
  if (tw_sm_effective(&s, ast, variant)) check(&s, ast, variant == names.at[0]);
  if (s.errors) return false;
  *out = s.p;
  return true;
}
