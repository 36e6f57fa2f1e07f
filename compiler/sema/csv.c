/* csv.c: data sets from a file of measured points: csv("f.csv", t) -> h.
 *
 * The path is relative to the program's folder. Names in the target that nothing declares are columns
 * of the file. The runtime's reader reads and checks the file; what it says is reported at the path. */
#include <stdlib.h>

#include "compiler/sema/data.h"
#include "runtime/csv.h"

/* ---- reading */
static TwDiagId id_of(TwRtCsvFault fault) {
  switch (fault) {
    case TW_RT_CSV_FILE: return TW_E0601;
    case TW_RT_CSV_COLUMNS: return TW_E0604;
    case TW_RT_CSV_RAGGED: return TW_E0602;
    case TW_RT_CSV_NUMBER: return TW_E0603;
    case TW_RT_CSV_FINITE: return TW_E0609;
    case TW_RT_CSV_EMPTY: return TW_E0605;
  }
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
    out->sha256 = tw_sm_digest(s, csv.digest);
    out->rows = tw_arena_dup(s->a, csv.rows, (size_t)csv.n_rows * n * sizeof(double));
  } else {
    TwSpan span = out->path_span;
    for (uint32_t k = 0; k < n && csv.missing; k++) /* at the name of the column that is missing */
      if (columns[k] == csv.missing)
        span = (k < out->inputs.len ? out->inputs.at[k].local : out->columns.at[k - out->inputs.len].local)->span;
    tw_sm_error(s, id_of(csv.fault), span, "%s", csv.error);
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
    TwRtCsvStream *header = tw_rt_csv_open(out->file, &name, 1, false, &error);
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
