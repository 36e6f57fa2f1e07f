/* npy.c: data sets from an array of NumPy's: npy("f.npy", t, h).
 *
 * The columns of an array have no names, so the program names them in order:
 * without a target the last one is the target; with `-> e` they are all inputs; with `columns = [t, s, h]` the
 * arguments are inputs as they are of csv, and the target may use the others. `_` is a column that nobody uses. */
#include <string.h>

#include "compiler/sema/data.h"
#include "runtime/npy.h"

static const char example[] = "npy(\"points.npy\", t, h)";

static TwDiagId id_of(TwRtNpyWhy why) {
  switch (why) {
    case TW_RT_NPY_OK:
    case TW_RT_NPY_FILE:
    case TW_RT_NPY_SHAPE: return TW_E0601;
    case TW_RT_NPY_TYPE: return TW_E0603;
    case TW_RT_NPY_EMPTY: return TW_E0605;
    case TW_RT_NPY_NOT_FINITE: return TW_E0609;
  }
  return TW_E0601;
}

/* The names of `columns = […]`. */
static bool name_columns(TwSema *s, const TwDataArg *a, TwIdents *out) {
  bool ok = a->value->kind == TW_EX_ARRAY;
  for (uint32_t k = 0; ok && k < a->value->items.len; k++) {
    const TwExpr *e = a->value->items.at[k];
    ok = e->kind == TW_EX_NAME;
    if (!ok) break;
    for (uint32_t j = 0; j < out->len; j++)
      if (out->at[j].name == e->name && strcmp(e->name, "_") != 0)
        return tw_sm_error(s, TW_E0202, e->span, "'%s' is a column twice", e->name), false;
    tw_vec_push(s->a, out, ((TwIdent){e->name, e->span}));
  }
  if (ok) return true;
  TwDiag *d = tw_sm_error(s, TW_E0604, a->span, "'columns' is a list of names, one for each column of the array");
  tw_sm_help(s, d, "write columns = [t, sigma, h]");
  return false;
}

/* Which of the array's columns this name is; -1: none, reported where the array is known to have none. */
static int64_t column_of(TwSema *s, const TwIdents *columns, TwIdent id, bool report) {
  for (uint32_t k = 0; k < columns->len; k++)
    if (columns->at[k].name == id.name) return k;
  if (!report) return -1;
  TwNames names = {0};
  for (uint32_t k = 0; k < columns->len; k++) tw_vec_push(s->a, &names, columns->at[k].name);
  TwDiag *d = tw_sm_error(s, TW_E0604, id.span, "there is no column '%s' among 'columns'", id.name);
  tw_sm_suggest(s, d, id.name, names.at, names.len);
  return -1;
}

/* Reads the file and takes the columns at `from` of it. */
static bool read_file(TwSema *s, uint32_t n_named, const int64_t *from, TwDataSet *out) {
  TwRtNpy a;
  bool ok = tw_rt_npy_read(out->file, &a);
  uint32_t n = out->inputs.len + out->columns.len;
  if (!ok) {
    tw_sm_error(s, id_of(a.why), out->path_span, "%s", a.error);
  } else if (a.n_columns != n_named) {
    ok = false;
    TwDiag *d = tw_sm_error(s, TW_E0604, out->path_span, "the array of %s has %u column%s, and %u %s named", out->path,
                            a.n_columns, a.n_columns == 1 ? "" : "s", n_named, n_named == 1 ? "is" : "are");
    tw_sm_help(s, d, "name each in order; '_' for one that is not used, among columns = […]");
  } else {
    out->n = a.n_rows;
    out->sha256 = tw_sm_digest(s, a.digest);
    out->rows = TW_NEW_N(s->a, double, (size_t)a.n_rows *n);
    for (int64_t r = 0; r < a.n_rows; r++)
      for (uint32_t c = 0; c < n; c++)
        out->rows[(uint64_t)r * n + c] = a.rows[(uint64_t)r * a.n_columns + (uint64_t)from[c]];
  }
  tw_rt_npy_free(&a);
  return ok;
}

/* Without `columns`: the arguments are the columns in order, and the last one the target if there is no other. */
static bool in_order(TwSema *s, const TwDecl *d, TwDataSet *out) {
  uint32_t n = out->inputs.len;
  if (!d->value) {
    if (n < 2) {
      TwDiag *x = tw_sm_error(s, TW_E0610, d->name.span, "data set '%s' has no target", d->name.name);
      tw_sm_help(s, x, "name another column, or write '-> …' after the source");
      return false;
    }
    TwAxis last = out->inputs.at[--out->inputs.len];
    tw_vec_push(s->a, &out->columns, last);
    out->target = tw_sm_use(s, last.local, last.local->span);
  }
  int64_t *from = TW_NEW_N(s->a, int64_t, n);
  for (uint32_t k = 0; k < n; k++) from[k] = k;
  return read_file(s, n, from, out);
}

static bool by_name(TwSema *s, const TwDecl *d, TwSmScope *scope, const TwDataArg *list, TwDataSet *out) {
  TwIdents columns = {0};
  if (!name_columns(s, list, &columns)) return false;
  TwSmFree f = {.s = s, .scope = scope};
  tw_sm_data_free(&f, d->value);
  const TwDataArg *weight = tw_sm_data_named(d, "weight");
  if (weight) tw_sm_data_free(&f, weight->value);
  int64_t *from = TW_NEW_N(s->a, int64_t, out->inputs.len + f.columns.len);
  bool ok = true;
  for (uint32_t k = 0; k < out->inputs.len; k++) {
    const TwAxis *x = &out->inputs.at[k];
    from[k] = column_of(s, &columns, (TwIdent){x->local->name, x->local->span}, true);
    ok &= from[k] >= 0;
  }
  for (uint32_t k = 0; k < f.columns.len; k++) {
    if (column_of(s, &columns, f.columns.at[k], false) < 0) continue; /* an unknown name, and said to be one */
    from[out->inputs.len + out->columns.len] = column_of(s, &columns, f.columns.at[k], false);
    tw_sm_data_column(s, scope, f.columns.at[k], false, out);
  }
  for (uint32_t k = 0; k < f.consts.len; k++) {
    if (column_of(s, &columns, f.consts.at[k], false) < 0) continue;
    tw_sm_data_ambiguous(s, scope, f.consts.at[k], out);
    ok = false;
  }
  return ok && read_file(s, columns.len, from, out);
}

bool tw_sm_npy(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  out->kind = TW_DATA_NPY;
  if (!tw_sm_data_args(s, d, scope, example, out)) return false;
  const TwDataArg *columns = tw_sm_data_named(d, "columns");
  return columns ? by_name(s, d, scope, columns, out) : in_order(s, d, out);
}
