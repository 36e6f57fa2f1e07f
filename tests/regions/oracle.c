/* oracle.c: see oracle.h.
 *
 * A point is its x and the values there of all the nodes of the tape, as rationals. Switch by switch, a point
 * is put between neighbours at which the operand has opposite signs. What is counted follows from the points.
 */
#include "oracle.h"

#include <gmp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Point {
  mpq_t x;
  mpq_t *v;
} Point;

typedef struct Piece {
  size_t l, r; /* points */
  mpq_t slope, intercept, width;
  bool sliver;
} Piece;

typedef struct Job {
  const TwRtPl *pl;
  const double *coeffs;
  Point *points;
  size_t n, cap;
} Job;

static void set_coefficient(mpq_t q, const Job *j, uint32_t c) {
  mpq_set_d(q, c == TW_PL_ZERO ? 0 : c == TW_PL_ONE ? 1 : c == TW_PL_MINUS_ONE ? -1 : j->coeffs[c]);
}

static void evaluate(const Job *j, mpq_srcptr x, mpq_t *v) {
  mpq_t c;
  mpq_init(c);
  for (uint32_t i = 0; i < j->pl->n_nodes; i++) {
    const TwRtPlNode *n = &j->pl->nodes[i];
    switch ((TwRtPlKind)n->kind) {
      case TW_PL_INPUT: mpq_set(v[i], x); break;
      case TW_PL_AFFINE:
        set_coefficient(v[i], j, n->bias);
        for (uint32_t k = n->term; k < n->term + n->n_terms; k++) {
          set_coefficient(c, j, j->pl->terms[k].coeff);
          mpq_mul(c, c, v[j->pl->terms[k].node]);
          mpq_add(v[i], v[i], c);
        }
        break;
      case TW_PL_RELU:
        mpq_set(v[i], v[n->a]);
        if (mpq_sgn(v[i]) < 0) mpq_set_ui(v[i], 0, 1);
        break;
      case TW_PL_ABS: mpq_abs(v[i], v[n->a]); break;
      case TW_PL_MIN: mpq_set(v[i], v[mpq_cmp(v[n->a], v[n->b]) <= 0 ? n->a : n->b]); break;
      case TW_PL_MAX: mpq_set(v[i], v[mpq_cmp(v[n->a], v[n->b]) >= 0 ? n->a : n->b]); break;
    }
  }
  mpq_clear(c);
}

static Point new_point(const Job *j, mpq_srcptr x) {
  Point p;
  mpq_init(p.x);
  mpq_set(p.x, x);
  p.v = malloc(j->pl->n_nodes * sizeof *p.v);
  if (!p.v) abort();
  for (uint32_t i = 0; i < j->pl->n_nodes; i++) mpq_init(p.v[i]);
  evaluate(j, x, p.v);
  return p;
}

static void free_point(const Job *j, Point *p) {
  for (uint32_t i = 0; i < j->pl->n_nodes; i++) mpq_clear(p->v[i]);
  free(p->v);
  mpq_clear(p->x);
}

static void insert(Job *j, size_t at, Point p) {
  if (j->n == j->cap) {
    j->cap = j->cap ? 2 * j->cap : 64;
    j->points = realloc(j->points, j->cap * sizeof *j->points);
    if (!j->points) abort();
  }
  memmove(j->points + at + 1, j->points + at, (j->n - at) * sizeof *j->points);
  j->points[at] = p;
  j->n++;
}

/* The operand whose sign switches node n, at values v. */
static void operand(mpq_t out, const TwRtPlNode *n, mpq_t *v) {
  if (n->kind == TW_PL_MIN || n->kind == TW_PL_MAX) mpq_sub(out, v[n->a], v[n->b]);
  else mpq_set(out, v[n->a]);
}

static void refine(Job *j, const TwRtPlNode *n) {
  mpq_t a, b, t;
  mpq_inits(a, b, t, NULL);
  for (size_t k = 0; k + 1 < j->n; k++) {
    operand(a, n, j->points[k].v);
    operand(b, n, j->points[k + 1].v);
    if (mpq_sgn(a) * mpq_sgn(b) >= 0) continue;
    mpq_sub(t, a, b);
    mpq_div(t, a, t);
    mpq_sub(b, j->points[k + 1].x, j->points[k].x);
    mpq_mul(t, t, b);
    mpq_add(t, t, j->points[k].x);
    insert(j, k + 1, new_point(j, t));
    k++;
  }
  mpq_clears(a, b, t, NULL);
}

static double nearest(const mpq_t x) {
  double c = mpq_get_d(x), best = c; /* towards zero */
  mpq_t a, b;
  mpq_inits(a, b, NULL);
  double next = nextafter(c, mpq_sgn(x) * INFINITY);
  if (isfinite(next)) {
    mpq_set_d(a, c);
    mpq_sub(a, x, a);
    mpq_abs(a, a);
    mpq_set_d(b, next);
    mpq_sub(b, b, x);
    mpq_abs(b, b);
    int64_t bits;
    memcpy(&bits, &c, sizeof bits);
    int less = mpq_cmp(b, a);
    if (less < 0 || (less == 0 && (bits & 1))) best = next;
  }
  mpq_clears(a, b, NULL);
  return best;
}

static Piece new_piece(const Job *j, size_t l, size_t r) {
  Piece p = {.l = l, .r = r};
  const mpq_t *yl = (const mpq_t *)&j->points[l].v[j->pl->output], *yr = (const mpq_t *)&j->points[r].v[j->pl->output];
  mpq_inits(p.slope, p.intercept, p.width, NULL);
  mpq_sub(p.width, j->points[r].x, j->points[l].x);
  mpq_sub(p.slope, *yr, *yl);
  mpq_div(p.slope, p.slope, p.width);
  mpq_mul(p.intercept, p.slope, j->points[l].x);
  mpq_sub(p.intercept, *yl, p.intercept);
  return p;
}

static void free_pieces(Piece *p, size_t n) {
  for (size_t i = 0; i < n; i++) mpq_clears(p[i].slope, p[i].intercept, p[i].width, NULL);
  free(p);
}

/* Marks each piece that lies wholly within `sliver` of some other piece's width of that piece's end. Returns
 * how many are left. */
static int64_t drop_slivers(const Job *j, Piece *p, size_t n, double sliver) {
  mpq_t reach, away;
  mpq_inits(reach, away, NULL);
  int64_t left = (int64_t)n;
  for (size_t i = 0; i < n; i++) {
    for (size_t z = 0; z < n && !p[i].sliver; z++) {
      if (z == i) continue;
      mpq_set_d(reach, sliver);
      mpq_mul(reach, reach, p[z].width);
      if (z < i) mpq_sub(away, j->points[p[i].r].x, j->points[p[z].r].x);
      else mpq_sub(away, j->points[p[z].l].x, j->points[p[i].l].x);
      p[i].sliver = mpq_cmp(away, reach) < 0;
    }
    left -= p[i].sliver;
  }
  mpq_clears(reach, away, NULL);
  return left;
}

/* Different patterns of the switches at the middles of the intervals. */
static int64_t count_patterns(const Job *j) {
  size_t n = j->n - 1, m = j->pl->n_nodes;
  char *seen = calloc(n, m);
  int64_t found = 0;
  mpq_t mid, t;
  mpq_inits(mid, t, NULL);
  for (size_t k = 0; seen && k < n; k++) {
    char *mine = seen + (size_t)found * m;
    memset(mine, 0, m);
    mpq_add(mid, j->points[k].x, j->points[k + 1].x);
    mpq_div_2exp(mid, mid, 1);
    Point p = new_point(j, mid);
    for (uint32_t i = 0; i < m; i++) {
      uint32_t kind = j->pl->nodes[i].kind;
      if (kind == TW_PL_INPUT || kind == TW_PL_AFFINE) continue;
      operand(t, &j->pl->nodes[i], p.v);
      mine[i] = mpq_sgn(t) > 0;
    }
    free_point(j, &p);
    bool known = false;
    for (int64_t i = 0; i < found && !known; i++) known = memcmp(seen + (size_t)i * m, mine, m) == 0;
    found += !known;
  }
  mpq_clears(mid, t, NULL);
  free(seen);
  return found;
}

static void count_pieces(const Job *j, Piece *p, size_t n, double sliver, TwRtPieces *out) {
  TwRtRegions *c = &out->counts;
  c->pieces = drop_slivers(j, p, n, sliver);
  c->slivers = (int64_t)n - c->pieces;
  c->narrowest = INFINITY;
  out->n = n;
  out->pieces = calloc(n, sizeof *out->pieces);
  if (!out->pieces) abort();
  for (size_t i = 0; i < n; i++) {
    out->pieces[i] = (TwRtPiece){nearest(j->points[p[i].l].x), nearest(j->points[p[i].r].x), nearest(p[i].slope),
                                 nearest(p[i].intercept), p[i].sliver};
    if (p[i].sliver) continue;
    c->narrowest = fmin(c->narrowest, nearest(p[i].width));
    bool known = false;
    for (size_t k = 0; k < i && !known; k++)
      known = !p[k].sliver && mpq_equal(p[k].slope, p[i].slope) && mpq_equal(p[k].intercept, p[i].intercept);
    c->maps += !known;
  }
}

void oracle_count(const TwRtPl *pl, const double *coeffs, double lo, double hi, double sliver, TwRtPieces *out) {
  Job j = {.pl = pl, .coeffs = coeffs};
  memset(out, 0, sizeof *out);
  mpq_t x;
  mpq_init(x);
  mpq_set_d(x, lo);
  insert(&j, 0, new_point(&j, x));
  mpq_set_d(x, hi);
  insert(&j, 1, new_point(&j, x));
  mpq_clear(x);
  for (uint32_t i = 0; i < pl->n_nodes; i++)
    if (pl->nodes[i].kind != TW_PL_INPUT && pl->nodes[i].kind != TW_PL_AFFINE) refine(&j, &pl->nodes[i]);

  size_t n_all = j.n - 1, n = 0;
  Piece *all = malloc(n_all * sizeof *all), *pieces = malloc(n_all * sizeof *pieces);
  if (!all || !pieces) abort();
  for (size_t i = 0; i < n_all; i++) all[i] = new_piece(&j, i, i + 1);
  for (size_t i = 0, k; i < n_all; i = k) {
    for (k = i + 1; k < n_all && mpq_equal(all[i].slope, all[k].slope); k++)
      ;
    pieces[n++] = new_piece(&j, i, k);
  }
  out->counts.patterns = sliver > 0 ? drop_slivers(&j, all, n_all, sliver) : count_patterns(&j);
  count_pieces(&j, pieces, n, sliver, out);
  for (uint32_t i = 0; i < pl->n_nodes; i++) {
    bool on = pl->nodes[i].kind != TW_PL_RELU;
    for (size_t k = 0; k < j.n && !on; k++) on = mpq_sgn(j.points[k].v[i]) > 0;
    out->counts.dead += !on;
  }
  out->counts.counted = true;
  free_pieces(all, n_all);
  free_pieces(pieces, n);
  for (size_t i = 0; i < j.n; i++) free_point(&j, &j.points[i]);
  free(j.points);
}
