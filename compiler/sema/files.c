/* files.c: what data sets from files have in common: the path, the columns, the names in a target that are columns. */
#include <string.h>

#include "compiler/sema/data.h"
#include "runtime/digest.h"

const char *tw_sm_data_path(TwSema *s, const char *path) {
  const char *program = tw_source(&s->u->sources, s->main->file)->path;
  const char *slash = strrchr(program, '/');
  if (path[0] == '/' || !slash) return path;
  return tw_arena_printf(s->a, "%.*s%s", (int)(slash - program) + 1, program, path);
}

const char *tw_sm_digest(TwSema *s, const uint8_t digest[TW_RT_DIGEST]) {
  char *text = TW_NEW_N(s->a, char, 2 * TW_RT_DIGEST + 1);
  tw_rt_digest_text(digest, text);
  return text;
}

TwLocal *tw_sm_data_column(TwSema *s, TwSmScope *scope, TwIdent id, bool input, TwDataSet *out) {
  TwAxis x = {.column = id.name};
  x.local = tw_sm_local(s, id.name, s->t_real, id.span);
  if (input) tw_vec_push(s->a, &out->inputs, x);
  else tw_vec_push(s->a, &out->columns, x);
  tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_use(s, x.local, id.span)));
  return x.local;
}

const TwDataArg *tw_sm_data_named(const TwDecl *d, const char *name) {
  for (uint32_t k = 0; k < d->data_args.len; k++)
    if (d->data_args.at[k].kind == TW_DA_NAMED && strcmp(d->data_args.at[k].name.name, name) == 0)
      return &d->data_args.at[k];
  return NULL;
}

/* One argument that is not named: a file in quotes, or an input. */
static bool take(TwSema *s, const TwDecl *d, const TwDataArg *a, TwSmScope *scope, const char *example,
                 TwDataSet *out) {
  if (a->kind == TW_DA_VALUE && a->value->kind == TW_EX_STRING) {
    if (!out->path) return out->path = a->value->string, out->path_span = a->value->span, true;
    tw_sm_error(s, TW_E0302, a->span, "'%s' reads one file", d->source.name);
    return false;
  }
  if (a->kind == TW_DA_VALUE && a->value->kind == TW_EX_NAME) {
    if (!tw_sm_bound(scope, a->value->name))
      return tw_sm_data_column(s, scope, (TwIdent){a->value->name, a->value->span}, true, out), true;
    tw_sm_error(s, TW_E0202, a->span, "'%s' is an input twice", a->value->name);
    return false;
  }
  if (a->kind == TW_DA_VALUE && a->value->kind == TW_EX_ERROR) return s->errors++, false;
  TwDiag *x = tw_sm_error(s, TW_E0604, a->span, "an argument of '%s' is a file in quotes or the name of a column",
                          d->source.name);
  tw_sm_help(s, x, "write %s", example);
  return false;
}

bool tw_sm_data_args(TwSema *s, const TwDecl *d, TwSmScope *scope, const char *example, TwDataSet *out) {
  bool ok = true;
  for (uint32_t k = 0; k < d->data_args.len; k++)
    if (d->data_args.at[k].kind != TW_DA_NAMED) ok &= take(s, d, &d->data_args.at[k], scope, example, out);
  if (ok && (!out->path || out->inputs.len == 0)) {
    TwDiag *x = tw_sm_error(s, TW_E0303, d->source.span, "'%s' is given no %s", d->source.name,
                            out->path ? "input column" : "file");
    tw_sm_help(s, x, "write %s", example);
    ok = false;
  }
  if (ok) out->file = tw_sm_data_path(s, out->path);
  return ok;
}

/* ---- columns named in the target */
static bool is_declared(TwSema *s, const TwSmScope *scope, TwName name) {
  if (tw_sm_find(scope->module, name) || tw_sm_builtin(name) >= 0) return true;
  for (uint32_t k = 0; k < 2; k++)
    if (s->prelude[k] && tw_sm_find(s->prelude[k], name)) return true;
  return strcmp(name, "pi") == 0 || strcmp(name, "inf") == 0;
}

static void free_name(TwSmFree *f, const TwExpr *e) {
  for (uint32_t k = 0; k < f->bound.len; k++)
    if (f->bound.at[k] == e->name) return;
  if (tw_sm_bound(f->scope, e->name)) return;
  TwIdent id = {e->name, e->span};
  const TwSmEntry *d = tw_sm_find(f->scope->module, e->name);
  if (d && d->decl->kind == TW_DE_CONST) tw_vec_push(f->s->a, &f->consts, id);
  if (is_declared(f->s, f->scope, e->name)) return;
  for (uint32_t k = 0; k < f->columns.len; k++)
    if (f->columns.at[k].name == e->name) return;
  tw_vec_push(f->s->a, &f->columns, id);
}

void tw_sm_data_free(TwSmFree *f, const TwExpr *e) {
  if (!e) return;
  uint32_t mark = f->bound.len;
  if (e->kind == TW_EX_NAME) free_name(f, e);
  for (uint32_t k = 0; k < e->fors.len; k++) {
    tw_sm_data_free(f, e->fors.at[k].in);
    for (uint32_t j = 0; j < e->fors.at[k].names.len; j++)
      tw_vec_push(f->s->a, &f->bound, e->fors.at[k].names.at[j].name);
  }
  for (uint32_t k = 0; k < e->params.len; k++) tw_vec_push(f->s->a, &f->bound, e->params.at[k].name.name);
  bool callee = e->kind == TW_EX_CALL && e->a->kind == TW_EX_NAME;
  if (!callee && !(e->kind == TW_EX_FIELD && e->a->kind == TW_EX_NAME && is_declared(f->s, f->scope, e->a->name)))
    tw_sm_data_free(f, e->a);
  tw_sm_data_free(f, e->b);
  tw_sm_data_free(f, e->c);
  tw_sm_data_free(f, e->body);
  for (uint32_t k = 0; k < e->items.len; k++) tw_sm_data_free(f, e->items.at[k]);
  for (uint32_t k = 0; k < e->args.len; k++) tw_sm_data_free(f, e->args.at[k].value);
  f->bound.len = mark;
}

void tw_sm_data_ambiguous(TwSema *s, const TwSmScope *scope, TwIdent id, const TwDataSet *d) {
  TwDiag *x = tw_sm_error(s, TW_E0202, id.span, "'%s' is both a const and a column of %s", id.name, d->path);
  tw_sm_note(s, x, tw_sm_find(scope->module, id.name)->span, "the const is declared here");
}
