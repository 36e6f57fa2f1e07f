/* data.c: see data.h. */
#include "runtime/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/text.h"

void *tw_rt_reals(uint64_t n, bool f64) {
  uint64_t padded = (n + 15) / 16 * 16;
  if (padded == 0) padded = 16;
  size_t size = tw_rt_real_size(f64);
  if (padded < n || padded > SIZE_MAX / 2 / size) return NULL;
  void *p = aligned_alloc(64, (size_t)padded * size);
  if (p) memset(p, 0, (size_t)padded * size);
  return p;
}

double tw_rt_axis_point(const TwRtAxis *axis, int64_t k) {
  int64_t gaps = axis->n - 1 + axis->lo_open + axis->hi_open;
  int64_t i = k + axis->lo_open;
  if (i == 0 || gaps == 0) return axis->lo;
  if (i == gaps) return axis->hi;
  return axis->lo + (axis->hi - axis->lo) * (double)i / (double)gaps;
}

void tw_rt_data_inputs(const TwRtData *d, double **columns) {
  if (!d->axes) {
    for (int64_t r = 0; r < d->n_rows; r++)
      for (uint32_t c = 0; c < d->n_columns; c++) columns[c][r] = d->rows[(uint64_t)r * d->n_columns + c];
    return;
  }
  int64_t stride = 1; /* rows between two points of the axis: the product of the later axes */
  for (uint32_t c = d->n_inputs; c-- > 0;) {
    const TwRtAxis *axis = &d->axes[c];
    for (int64_t r = 0; r < d->n_rows; r++) columns[c][r] = tw_rt_axis_point(axis, r / stride % axis->n);
    stride *= axis->n;
  }
}

static bool call_target(const TwRtData *d, double **columns) {
  const TwRtFn *fn = &d->target;
  const void **in = calloc((size_t)fn->n_in + 1, sizeof *in);
  void **out = calloc((size_t)fn->n_out + 1, sizeof *out);
  void *work = aligned_alloc(64, (fn->work_bytes / 64 + 1) * 64);
  bool ok = in && out && work;
  if (ok) {
    for (uint32_t i = 0; i < fn->n_in; i++) in[i] = columns[fn->in[i].index];
    for (uint32_t i = 0; i < fn->n_out; i++) out[i] = columns[fn->out[i].index];
    fn->entry(&(TwRtCall){.in = in, .out = out, .work = work});
  }
  free(in);
  free(out);
  free(work);
  return ok;
}

bool tw_rt_has_target_at(const TwRtData *d) {
  return d->target.entry && d->target.n_out == 1 && d->axes && d->n_inputs == 1 && d->n_columns == 1 && d->n_rows > 0;
}

/* The compiled target takes as many inputs as the grid has points, no fewer: the last one is repeated. */
bool tw_rt_target_at(const TwRtData *d, const double *x, double *y, size_t n) {
  size_t rows = (size_t)d->n_rows;
  double *columns[2] = {tw_rt_reals(rows, true), tw_rt_reals(rows, true)};
  bool ok = columns[0] && columns[1];
  for (size_t from = 0; ok && from < n; from += rows) {
    size_t m = n - from < rows ? n - from : rows;
    for (size_t i = 0; i < rows; i++) columns[0][i] = x[from + (i < m ? i : m - 1)];
    ok = call_target(d, columns);
    for (size_t i = 0; ok && i < m; i++) y[from + i] = columns[1][i];
  }
  free(columns[0]);
  free(columns[1]);
  return ok;
}

static const char *name_of(double v) { return isnan(v) ? "nan" : v < 0 ? "-inf" : "inf"; }

/* "x = 0.5, y = 1": the inputs of a row, by name where they have one. */
static char *row_text(const TwRtData *d, double **columns, int64_t r) {
  char *s = tw_rt_textf("%s", "");
  for (uint32_t c = 0; s && c < d->n_inputs; c++) {
    const char *comma = c ? ", " : "";
    char *longer = d->axes ? tw_rt_textf("%s%s%s = %.9g", s, comma, d->axes[c].name, columns[c][r])
                           : tw_rt_textf("%s%sinput %u = %.9g", s, comma, c + 1, columns[c][r]);
    free(s);
    s = longer;
  }
  return s;
}

static bool is_weight(const TwRtData *d, uint32_t c) { return d->weighted && c + 1 == d->n_columns + d->target.n_out; }
static const char *kind_of(const TwRtData *d, uint32_t c) {
  return c < d->n_columns ? "input" : is_weight(d, c) ? "weight" : "target";
}

static void refuse_value(const TwRtProgram *p, const TwRtData *d, double **columns, uint32_t c, int64_t r,
                         TwRtDatas *out) {
  char *row = row_text(d, columns, r);
  double v = columns[c][r];
  out->place = &d->place;
  if (isfinite(v))
    out->error = tw_rt_textf("a value of data '%s' is %.9g, which is too large for %s (row %lld, %s)", d->name, v,
                             p->f64 ? "f64" : "f32", (long long)r + 1, row ? row : "");
  else
    out->error = tw_rt_textf("the %s of data '%s' is %s in row %lld (%s)", kind_of(d, c), d->name, name_of(v),
                             (long long)r + 1, row ? row : "");
  free(row);
}

static bool check_weights(const TwRtData *d, double **columns, uint32_t c, TwRtDatas *out) {
  double sum = 0;
  for (int64_t r = 0; r < d->n_rows; r++) {
    sum += columns[c][r];
    if (columns[c][r] >= 0) continue;
    char *row = row_text(d, columns, r);
    out->error = tw_rt_textf("the weight of row %lld of data '%s' is %.9g, and must not be negative (%s)",
                             (long long)r + 1, d->name, columns[c][r], row ? row : "");
    free(row);
    out->place = &d->place;
    return false;
  }
  if (sum > 0) return true;
  out->error = tw_rt_textf("the weights of data '%s' are all 0", d->name);
  out->place = &d->place;
  return false;
}

bool tw_rt_data_check(const TwRtProgram *p, const TwRtData *d, double **columns, uint32_t n, TwRtDatas *out) {
  for (uint32_t c = 0; c < n; c++)
    for (int64_t r = 0; r < d->n_rows; r++)
      if (!isfinite(tw_rt_round(columns[c][r], p->f64))) return refuse_value(p, d, columns, c, r, out), false;
  return !d->weighted || check_weights(d, columns, n - 1, out);
}

/* Rounds the columns to the program's real. */
static bool round_columns(const TwRtProgram *p, const TwRtData *d, double **wide, TwRtColumns *to) {
  for (uint32_t c = 0; c < to->n; c++) {
    to->at[c] = tw_rt_reals((uint64_t)d->n_rows, p->f64);
    if (!to->at[c]) return false;
    for (int64_t r = 0; r < d->n_rows; r++) tw_rt_put(to->at[c], (uint64_t)r, wide[c][r], p->f64);
  }
  return true;
}

static bool make(const TwRtProgram *p, const TwRtData *d, TwRtColumns *to, TwRtDatas *out) {
  to->n_rows = d->n_rows;
  to->n = d->n_columns + (d->target.entry ? d->target.n_out : 0);
  to->at = calloc((size_t)to->n + 1, sizeof *to->at);
  double **wide = calloc((size_t)to->n + 1, sizeof *wide);
  bool ok = to->at && wide;
  for (uint32_t c = 0; ok && c < to->n; c++) ok = (wide[c] = tw_rt_reals((uint64_t)d->n_rows, true)) != NULL;
  if (ok) {
    tw_rt_data_inputs(d, wide);
    ok = !d->target.entry || call_target(d, wide);
    if (ok) ok = tw_rt_data_check(p, d, wide, to->n, out) && round_columns(p, d, wide, to);
  }
  for (uint32_t c = 0; wide && c < to->n; c++) free(wide[c]);
  free(wide);
  if (!ok && !out->error) {
    out->error = tw_rt_textf("there is no memory for the %lld rows of data '%s'", (long long)d->n_rows, d->name);
    out->place = NULL; /* nothing is wrong with the data */
  }
  return ok;
}

static bool room_for(const TwRtProgram *p, TwRtDatas *out) {
  *out = (TwRtDatas){0};
  if (!tw_rt_program_fits(p, &out->error)) return false;
  out->at = calloc((size_t)p->n_datas + 1, sizeof *out->at);
  if (out->at) out->n = p->n_datas;
  else out->error = tw_rt_textf("out of memory");
  return out->at != NULL;
}

bool tw_rt_datas_make(const TwRtProgram *p, TwRtDatas *out) {
  if (!room_for(p, out)) return false;
  for (uint32_t i = 0; i < p->n_datas; i++)
    if (!make(p, &p->datas[i], &out->at[i], out)) return false;
  return true;
}

bool tw_rt_data_make(const TwRtProgram *p, uint32_t data, TwRtDatas *out) {
  return room_for(p, out) && make(p, &p->datas[data], &out->at[data], out);
}

void tw_rt_datas_free(TwRtDatas *d) {
  for (uint32_t i = 0; d->at && i < d->n; i++) {
    for (uint32_t c = 0; d->at[i].at && c < d->at[i].n; c++) free(d->at[i].at[c]);
    free(d->at[i].at);
  }
  free(d->at);
  free(d->error);
  *d = (TwRtDatas){0};
}
