/* csv.c: data sets from a file of measured points: csv("f.csv", t) -> h.
 *
 * The path is relative to the program's folder. Names in the target that nothing declares are columns
 * of the file. The runtime's reader reads and checks the file; what it says is reported at the path. */
#include <string.h>

#include "compiler/sema/check.h"
#include "runtime/csv.h"

static const char *resolve_path(TwSema *s, const char *path) {
  const char *program = tw_source(&s->u->sources, s->main->file)->path;
  const char *slash = strrchr(program, '/');
  if (path[0] == '/' || !slash) return path;
  return tw_arena_printf(s->a, "%.*s%s", (int)(slash - program) + 1, program, path);
}

static bool add_column(TwSema *s, TwSmScope *scope, TwIdent id, bool input, TwDataSet *out) {
  TwAxis x = {.column = id.name};
  x.local = tw_sm_local(s, id.name, s->t_real, id.span);
  if (input) tw_vec_push(s->a, &out->inputs, x);
  else tw_vec_push(s->a, &out->columns, x);
  tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_use(s, x.local, id.span)));
  return true;
}

static bool inputs(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  bool ok = true;
  for (uint32_t k = 0; k < d->data_args.len; k++) {
    const TwDataArg *a = &d->data_args.at[k];
    if (a->kind == TW_DA_VALUE && a->value->kind == TW_EX_STRING) {
      if (!out->path) out->path = a->value->string, out->path_span = a->value->span;
      else {
        tw_sm_error(s, TW_E0302, a->span, "'csv' reads one file");
        ok = false;
      }
    } else if (a->kind == TW_DA_VALUE && a->value->kind == TW_EX_NAME) {
      if (tw_sm_bound(scope, a->value->name)) {
        tw_sm_error(s, TW_E0202, a->span, "'%s' is an input twice", a->value->name);
        ok = false;
      } else {
        add_column(s, scope, (TwIdent){a->value->name, a->value->span}, true, out);
      }
    } else if (a->kind == TW_DA_VALUE && a->value->kind == TW_EX_ERROR) {
      s->errors++;
      ok = false;
    } else {
      TwDiag *x = tw_sm_error(s, TW_E0604, a->span,
                              "an argument of 'csv' is a file in quotes or the name of a column");
      tw_sm_help(s, x, "write csv(\"points.csv\", t) -> h");
      ok = false;
    }
  }
  if (ok && (!out->path || out->inputs.len == 0)) {
    TwDiag *x = tw_sm_error(s, TW_E0303, d->source.span,
                            out->path ? "'csv' is given no input column" : "'csv' is given no file");
    tw_sm_help(s, x, "write csv(\"points.csv\", t) -> h");
    ok = false;
  }
  return ok;
}

/* ---- columns named in the target */
typedef struct Free {
  TwSema *s;
  TwSmScope *scope;
  TwDataSet *out;
  TwVec(TwName) bound;
  TwIdents declared; /* names that a const of the program has, too */
} Free;

static bool is_declared(TwSema *s, const TwSmScope *scope, TwName name) {
  if (tw_sm_find(scope->module, name) || tw_sm_builtin(name) >= 0) return true;
  for (uint32_t k = 0; k < 2; k++)
    if (s->prelude[k] && tw_sm_find(s->prelude[k], name)) return true;
  return strcmp(name, "pi") == 0 || strcmp(name, "inf") == 0;
}

static void free_name(Free *f, const TwExpr *e) {
  for (uint32_t k = 0; k < f->bound.len; k++)
    if (f->bound.at[k] == e->name) return;
  if (tw_sm_bound(f->scope, e->name)) return;
  TwIdent id = {e->name, e->span};
  const TwSmEntry *d = tw_sm_find(f->scope->module, e->name);
  if (d && d->decl->kind == TW_DE_CONST) tw_vec_push(f->s->a, &f->declared, id);
  if (!is_declared(f->s, f->scope, e->name)) add_column(f->s, f->scope, id, false, f->out);
}

static void free_names(Free *f, const TwExpr *e) {
  if (!e) return;
  uint32_t mark = f->bound.len;
  if (e->kind == TW_EX_NAME) free_name(f, e);
  for (uint32_t k = 0; k < e->fors.len; k++) {
    free_names(f, e->fors.at[k].in);
    for (uint32_t j = 0; j < e->fors.at[k].names.len; j++)
      tw_vec_push(f->s->a, &f->bound, e->fors.at[k].names.at[j].name);
  }
  for (uint32_t k = 0; k < e->params.len; k++) tw_vec_push(f->s->a, &f->bound, e->params.at[k].name.name);
  bool callee = e->kind == TW_EX_CALL && e->a->kind == TW_EX_NAME;
  if (!callee &&
      !(e->kind == TW_EX_FIELD && e->a->kind == TW_EX_NAME && is_declared(f->s, f->scope, e->a->name)))
    free_names(f, e->a);
  free_names(f, e->b);
  free_names(f, e->c);
  free_names(f, e->body);
  for (uint32_t k = 0; k < e->items.len; k++) free_names(f, e->items.at[k]);
  for (uint32_t k = 0; k < e->args.len; k++) free_names(f, e->args.at[k].value);
  f->bound.len = mark;
}

/* ---- reading */
static TwDiagId kind_of(const TwRtCsv *c) {
  if (c->line == 0) return TW_E0601;
  if (strstr(c->error, "there is no column") || strstr(c->error, "a second column") ||
      strstr(c->error, "should name the columns"))
    return TW_E0604;
  if (strstr(c->error, "not a finite number") || strstr(c->error, "too large")) return TW_E0609;
  if (strstr(c->error, "is not a number") || strstr(c->error, "there is no value")) return TW_E0603;
  if (strstr(c->error, "and the header has") || strstr(c->error, "rows follow it")) return TW_E0602;
  if (strstr(c->error, "no rows") || strstr(c->error, "file is empty")) return TW_E0605;
  return TW_E0601;
}

static bool read_file(TwSema *s, TwDataSet *out) {
  uint32_t n = out->inputs.len + out->columns.len;
  const char **columns = TW_NEW_N(s->a, const char *, n);
  for (uint32_t k = 0; k < n; k++)
    columns[k] = k < out->inputs.len ? out->inputs.at[k].column : out->columns.at[k - out->inputs.len].column;
  TwRtCsv csv;
  bool ok = tw_rt_csv_read(out->file, columns, n, &csv);
  if (ok) {
    out->n = csv.n_rows;
    out->rows = tw_arena_dup(s->a, csv.rows, (size_t)csv.n_rows * n * sizeof(double));
  } else {
    TwDiagId id = kind_of(&csv);
    TwSpan span = out->path_span;
    for (uint32_t k = 0; k < n && id == TW_E0604; k++) { /* at the name of the column that is missing */
      TwLocal *l = k < out->inputs.len ? out->inputs.at[k].local : out->columns.at[k - out->inputs.len].local;
      if (strstr(csv.error, tw_arena_printf(s->a, "there is no column '%s'", l->name))) span = l->span;
    }
    tw_sm_error(s, id, span, "%s", csv.error);
  }
  tw_rt_csv_free(&csv);
  return ok;
}

/* A name that means both a constant and a column cannot be told apart. */
static bool ambiguous(TwSema *s, const Free *f, const TwDataSet *out) {
  bool found = false;
  for (uint32_t k = 0; k < f->declared.len; k++) {
    TwRtCsv csv;
    const char *name = f->declared.at[k].name;
    bool column = tw_rt_csv_read(out->file, &name, 1, &csv);
    tw_rt_csv_free(&csv);
    if (!column) continue;
    TwDiag *d = tw_sm_error(s, TW_E0202, f->declared.at[k].span, "'%s' is both a const and a column of %s",
                            name, out->path);
    tw_sm_note(s, d, tw_sm_find(f->scope->module, f->declared.at[k].name)->span,
               "the const is declared here");
    found = true;
  }
  return found;
}

bool tw_sm_csv(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  out->kind = TW_DATA_CSV;
  if (!inputs(s, d, scope, out)) return false;
  out->file = resolve_path(s, out->path);
  Free f = {.s = s, .scope = scope, .out = out};
  free_names(&f, d->value);
  return read_file(s, out) && !ambiguous(s, &f, out);
}
