/* csv.c: data sets from a file of measured points: csv("f.csv", t) -> h.
 *
 * The path is relative to the program's folder. Names in the target that nothing declares are columns
 * of the file. The runtime's reader reads and checks the file; what it says is reported at the path. */
#include <stdlib.h>
#include <string.h>

#include "compiler/sema/data.h"
#include "runtime/csv.h"

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

/* Names that mean both a constant and a column cannot be told apart. */
static bool ambiguous(TwSema *s, const TwSmFree *f, const TwDataSet *out) {
  bool found = false;
  for (uint32_t k = 0; k < f->consts.len; k++) {
    const char *name = f->consts.at[k].name;
    char *error;
    TwRtCsvStream *header = tw_rt_csv_open(out->file, &name, 1, &error);
    free(error);
    if (!header) continue;
    tw_rt_csv_close(header);
    tw_sm_data_ambiguous(s, f->scope, f->consts.at[k], out);
    found = true;
  }
  return found;
}

bool tw_sm_csv(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  out->kind = TW_DATA_CSV;
  if (!tw_sm_data_args(s, d, scope, "csv(\"points.csv\", t) -> h", out)) return false;
  TwSmFree f = {.s = s, .scope = scope};
  tw_sm_data_free(&f, d->value);
  const TwDataArg *weight = tw_sm_data_named(d, "weight");
  if (weight) tw_sm_data_free(&f, weight->value);
  for (uint32_t k = 0; k < f.columns.len; k++) tw_sm_data_column(s, scope, f.columns.at[k], false, out);
  return read_file(s, out) && !ambiguous(s, &f, out);
}
