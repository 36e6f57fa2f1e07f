/* piece_error.c: the search for the largest error on each piece. */
#include "runtime/piece_error.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/data.h"

enum { POINTS = 33, ROUNDS = 4, PIECES_AT_ONCE = 256 };

const TwRtData *tw_rt_piece_target(const TwRtProgram *p) {
  for (uint32_t i = 0; i < p->n_datas; i++)
    if (tw_rt_has_target_at(&p->datas[i])) return &p->datas[i];
  return NULL;
}

typedef struct Search {
  double lo, hi; /* where to look next */
} Search;

static void look(const TwRtPiece *piece, const double *x, const double *y, Search *s, TwRtPieceError *best) {
  for (int i = 0; i < POINTS; i++) {
    double e = fabs(fma(piece->slope, x[i], piece->intercept) - y[i]);
    if (e > best->sup) *best = (TwRtPieceError){e, x[i]};
  }
  double step = (s->hi - s->lo) / (POINTS - 1);
  *s = (Search){fmax(piece->lo, best->at - step), fmin(piece->hi, best->at + step)};
}

static bool search(const TwRtData *d, const TwRtPiece *pieces, size_t n, double *x, double *y, TwRtPieceError *out) {
  Search at[PIECES_AT_ONCE];
  for (size_t k = 0; k < n; k++) {
    at[k] = (Search){pieces[k].lo, pieces[k].hi};
    out[k] = (TwRtPieceError){-1, pieces[k].lo};
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (size_t k = 0; k < n; k++)
      for (int i = 0; i < POINTS; i++) {
        double t = (double)i / (POINTS - 1);
        x[k * POINTS + (size_t)i] = i + 1 < POINTS ? fma(t, at[k].hi - at[k].lo, at[k].lo) : at[k].hi;
      }
    if (!tw_rt_target_at(d, x, y, n * POINTS)) return false;
    for (size_t k = 0; k < n; k++) look(&pieces[k], x + k * POINTS, y + k * POINTS, &at[k], &out[k]);
  }
  return true;
}

bool tw_rt_piece_errors(const TwRtData *d, const TwRtPiece *pieces, size_t n, TwRtPieceError *out) {
  double *x = malloc(PIECES_AT_ONCE * POINTS * sizeof *x), *y = malloc(PIECES_AT_ONCE * POINTS * sizeof *y);
  bool ok = x && y;
  for (size_t from = 0; ok && from < n; from += PIECES_AT_ONCE) {
    size_t m = n - from < PIECES_AT_ONCE ? n - from : PIECES_AT_ONCE;
    ok = search(d, pieces + from, m, x, y, out + from);
  }
  free(x);
  free(y);
  return ok;
}
