/* best_fit.c: see best_fit.h. */
#include "runtime/best_fit.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/best_pieces.h"
#include "runtime/data.h"
#include "runtime/report.h"

enum { LEAST_ROWS = 2048, ROWS_A_PIECE = 32 }; /* of a grid's target, which is known between them */
enum { ROWS_LEAST = 4 };                       /* of the data for each piece */

typedef struct Row {
  double x, y;
} Row;

static int by_x(const void *a, const void *b) {
  double x = ((const Row *)a)->x, y = ((const Row *)b)->x;
  return (x > y) - (x < y);
}

/* The rows of a data set, in the order of x. false: no memory. */
static bool sorted_rows(const TwRtProgram *p, uint32_t data, double *x, double *y) {
  TwRtDatas all;
  bool ok = tw_rt_data_make(p, data, &all);
  size_t n = (size_t)p->datas[data].n_rows;
  Row *rows = malloc((n + 1) * sizeof *rows);
  ok = ok && rows;
  for (size_t i = 0; ok && i < n; i++) {
    void **at = all.at[data].at;
    rows[i] = (Row){tw_rt_get(at[0], i, p->f64), tw_rt_get(at[p->datas[data].n_columns], i, p->f64)};
  }
  if (ok) qsort(rows, n, sizeof *rows, by_x);
  for (size_t i = 0; ok && i < n; i++) {
    x[i] = rows[i].x;
    y[i] = rows[i].y;
  }
  free(rows);
  tw_rt_datas_free(&all);
  return ok;
}

static bool sampled(const TwRtData *d, double *x, double *y, size_t n) {
  const TwRtAxis *a = &d->axes[0];
  for (size_t i = 0; i < n; i++) x[i] = i + 1 < n ? fma((double)i / (double)(n - 1), a->hi - a->lo, a->lo) : a->hi;
  if (!tw_rt_target_at(d, x, y, n)) return false;
  for (size_t i = 0; i < n; i++)
    if (!isfinite(y[i])) return false; /* at an end that the grid leaves out */
  return true;
}

bool tw_rt_best_fit(const TwRtProgram *p, uint32_t stage, uint32_t pieces, double *mse) {
  uint32_t fits = stage < p->n_stages ? p->stages[stage].fits : 0;
  if (!fits || pieces == 0 || pieces > TW_RT_MOST_PIECES) return false;
  const TwRtData *d = &p->datas[fits - 1];
  if ((int64_t)pieces > d->n_rows / ROWS_LEAST)
    return false; /* what is measured at so few rows is not an error between them */
  bool between = tw_rt_has_target_at(d);
  if (!between && d->axes) return false;
  size_t n = !between                             ? (size_t)d->n_rows
             : pieces * ROWS_A_PIECE > LEAST_ROWS ? (size_t)pieces * ROWS_A_PIECE
                                                  : LEAST_ROWS;
  double *x = malloc((n + 1) * sizeof *x), *y = malloc((n + 1) * sizeof *y);
  bool ok = x && y && (between ? sampled(d, x, y, n) : sorted_rows(p, fits - 1, x, y));
  ok = ok && tw_rt_best_pieces(x, y, n, between, pieces, mse);
  free(x);
  free(y);
  return ok;
}

bool tw_rt_pieces_mse(const TwRtProgram *p, uint32_t stage, const TwRtPieces *pieces, double *mse) {
  uint32_t fits = stage < p->n_stages ? p->stages[stage].fits : 0;
  if (!fits || pieces->n == 0) return false;
  size_t n = (size_t)p->datas[fits - 1].n_rows, k = 0;
  double *x = malloc((n + 1) * sizeof *x), *y = malloc((n + 1) * sizeof *y), sum = 0;
  bool ok = x && y && sorted_rows(p, fits - 1, x, y);
  ok = ok && n > 0 && x[0] >= pieces->pieces[0].lo && x[n - 1] <= pieces->pieces[pieces->n - 1].hi;
  for (size_t i = 0; ok && i < n; i++) {
    while (k + 1 < pieces->n && x[i] > pieces->pieces[k].hi) k++;
    double r = fma(pieces->pieces[k].slope, x[i], pieces->pieces[k].intercept) - y[i];
    sum += r * r;
  }
  *mse = sum / (double)n;
  free(x);
  free(y);
  return ok;
}

static void ask(uint32_t *most, uint32_t quantity, uint32_t compare, double bound) {
  bool below = compare == TW_RT_GE || compare == TW_RT_GT || compare == TW_RT_EQ;
  if (quantity != TW_RT_QU_PIECES || !below || !(bound >= 0 && bound < UINT32_MAX)) return;
  uint32_t n = (uint32_t)ceil(bound) + (compare == TW_RT_GT && ceil(bound) == bound);
  if (n > *most) *most = n;
}

uint32_t tw_rt_pieces_asked(const TwRtProgram *p) {
  uint32_t most = 0;
  for (uint32_t k = 0; k < p->n_ensures; k++)
    if (p->ensures[k].is_regions) ask(&most, p->ensures[k].quantity, p->ensures[k].compare, p->ensures[k].bound);
  for (uint32_t k = 0; k < p->n_expects; k++)
    if (p->expects[k].kind == TW_RT_XP_REGIONS)
      ask(&most, p->expects[k].quantity, p->expects[k].compare, p->expects[k].bound);
  return most;
}

TwRtOverBest tw_rt_over_best(const TwRtProgram *p, const TwRtResult *r, uint32_t pieces) {
  TwRtOverBest o = {.pieces = pieces ? pieces : tw_rt_pieces_asked(p)};
  if (r->error || p->n_stages == 0 || !o.pieces || !tw_rt_best_fit(p, p->n_stages - 1, o.pieces, &o.loss) ||
      !(o.loss > 0))
    return (TwRtOverBest){0};
  uint32_t n = 0;
  for (uint32_t i = 0; i < r->n_seeds; i++) {
    const TwRtSeedResult *s = &r->seeds[i];
    if (!tw_rt_seed_finished(p, s) || !isfinite(s->best_loss)) continue;
    double ratio = s->best_loss / o.loss;
    o.min = n ? fmin(o.min, ratio) : ratio;
    o.mean += ratio;
    n++;
  }
  if (n == 0) return (TwRtOverBest){0};
  o.mean /= n;
  return o;
}
