/* best_pieces.c: the best fit by so many straight pieces: Newton's method on knots and values together.
 *
 * Knot k is at t_k with value v_k; the ends stay. In a piece, a and b are the shares of its left and right knot in x,
 * so the fit is a v_0 + b v_1, and five sums over its rows (a², ab, b², a r, b r) make its part of gradient and Hessian
 * of half the squared error. A knot is moved along the mean of the slopes beside it, so that moving it changes the fit
 * only by its bend: in those coordinates the Hessian, block tridiagonal with 2 x 2 blocks, is well scaled, and its
 * diagonal serves to damp. A step that does not lower the error, or would push a knot past another, is refused. */
#include "runtime/best_pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 100, LEVEL_ROUNDS = 20, ROWS_A_PIECE = 4 };
enum { FEW = 4, MORE_STARTS = 12 }; /* pieces that have hollows far above the least; starts that they get besides */

/* Of the largest second derivative by a knot: what damps one that lies where next to nothing bends; the least in a
 * factor. */
static const double FLAT = 1e-2, LEAST = 1e-9;

typedef struct Knot {
  double t, v;
} Knot;

/* Symmetric, and from one knot to the next. */
typedef struct Square {
  double vv, vt, tt;
} Square;
typedef struct Cross {
  double vv, vt, tv, tt;
} Cross;

typedef struct Fit {
  const double *x, *y;
  size_t rows;
  bool between; /* the line through the rows is fitted, everywhere; else the rows are */
  uint32_t n;   /* pieces */
  Knot *at, *trial;
  Square *own, *factor;
  Cross *next, *below; /* of knot k with knot k + 1; of the factor */
  Knot *slope, *move;
  double *mean; /* slope at a knot */
  double error;
} Fit;

static double slope_of(const Knot *k) { return (k[1].v - k[0].v) / (k[1].t - k[0].t); }

/* ---- error and derivatives */

/* A row, or a point that stands for a stretch between two. */
typedef struct Point {
  double x, y, weight;
} Point;

/* Where a walk over the rows, piece by piece, has come to. */
typedef struct Walk {
  size_t row;
  double from; /* between: where the next stretch begins */
} Walk;

/* The points of what comes next in the piece that ends at `end`; 0: nothing. Between rows all that is integrated is of
 * degree two, which two points of Gauss's do exactly. */
static inline int next_points(const Fit *f, Walk *w, double end, bool last, Point out[2]) {
  size_t i = w->row;
  if (!f->between) {
    if (i == f->rows || !(f->x[i] < end || last)) return 0;
    out[0] = (Point){f->x[i], f->y[i], 1};
    w->row++;
    return 1;
  }
  if (i + 1 == f->rows || w->from >= end) return 0;
  double to = f->x[i + 1] < end ? f->x[i + 1] : end, half = (to - w->from) / 2, middle = w->from + half;
  double slope = (f->y[i + 1] - f->y[i]) / (f->x[i + 1] - f->x[i]), off = half * 0.57735026918962576;
  for (int k = 0; k < 2; k++) {
    double x = k ? middle + off : middle - off;
    out[k] = (Point){x, f->y[i] + slope * (x - f->x[i]), half};
  }
  w->from = to;
  if (to == f->x[i + 1]) w->row++;
  return 2;
}

static double error_of(const Fit *f, const Knot *at) {
  double sum = 0;
  Walk w = {0, f->x[0]};
  Point p[2];
  for (uint32_t k = 0; k < f->n; k++) {
    double g = slope_of(at + k), part = 0;
    for (int m; (m = next_points(f, &w, at[k + 1].t, k + 1 == f->n, p)) > 0;)
      for (int j = 0; j < m; j++) {
        double r = at[k].v + g * (p[j].x - at[k].t) - p[j].y;
        part += p[j].weight * r * r;
      }
    sum += part;
  }
  return sum;
}

static void add_piece(Fit *f, uint32_t k, const double s[5]) {
  double h = f->at[k + 1].t - f->at[k].t, g = slope_of(f->at + k);
  double aa = s[0], ab = s[1], bb = s[2], ar = s[3], br = s[4];
  f->slope[k].v += ar;
  f->slope[k].t -= g * ar;
  f->slope[k + 1].v += br;
  f->slope[k + 1].t -= g * br;
  Square *l = &f->own[k], *r = &f->own[k + 1];
  l->vv += aa;
  l->vt += ar / h - g * aa;
  l->tt += g * (g * aa - 2 * ar / h);
  r->vv += bb;
  r->vt -= br / h + g * bb;
  r->tt += g * (g * bb + 2 * br / h);
  f->next[k] = (Cross){ab, br / h - g * ab, -ar / h - g * ab, g * (g * ab + (ar - br) / h)};
}

/* To coordinates in which a knot moves along the mean slope; the ends do not move. */
static void change_coordinates(Fit *f) {
  for (uint32_t k = 0; k <= f->n; k++) {
    double m = f->mean[k] = k == 0 || k == f->n ? 0 : (slope_of(f->at + k - 1) + slope_of(f->at + k)) / 2;
    Square *s = &f->own[k];
    s->tt += m * (2 * s->vt + m * s->vv);
    s->vt += m * s->vv;
    f->slope[k].t += m * f->slope[k].v;
    if (k < f->n) {
      f->next[k].tv += m * f->next[k].vv;
      f->next[k].tt += m * f->next[k].vt;
    }
    if (k > 0) {
      f->next[k - 1].vt += m * f->next[k - 1].vv;
      f->next[k - 1].tt += m * f->next[k - 1].tv;
    }
    if (k > 0 && k < f->n) continue;
    s->vt = f->slope[k].t = 0;
    s->tt = 1;
    if (k == 0) f->next[0].tv = f->next[0].tt = 0;
    else f->next[k - 1].vt = f->next[k - 1].tt = 0;
  }
}

static void derivatives(Fit *f) {
  memset(f->slope, 0, (f->n + 1) * sizeof *f->slope);
  memset(f->own, 0, (f->n + 1) * sizeof *f->own);
  Walk w = {0, f->x[0]};
  Point p[2];
  for (uint32_t k = 0; k < f->n; k++) {
    const Knot *at = f->at + k;
    double h = at[1].t - at[0].t, s[5] = {0};
    for (int m; (m = next_points(f, &w, at[1].t, k + 1 == f->n, p)) > 0;)
      for (int j = 0; j < m; j++) {
        double b = (p[j].x - at[0].t) / h, a = 1 - b, c = p[j].weight, r = a * at[0].v + b * at[1].v - p[j].y;
        s[0] += c * a * a;
        s[1] += c * a * b;
        s[2] += c * b * b;
        s[3] += c * a * r;
        s[4] += c * b * r;
      }
    add_piece(f, k, s);
  }
  change_coordinates(f);
}

/* ---- a step */

/* move := the damped Newton step. false: the damped Hessian is not positive definite. */
static bool solve(Fit *f, double damping) {
  double most_v = 0, most_t = 0;
  for (uint32_t k = 0; k <= f->n; k++) most_v = fmax(most_v, f->own[k].vv);
  for (uint32_t k = 1; k < f->n; k++) most_t = fmax(most_t, fabs(f->own[k].tt));
  for (uint32_t k = 0; k <= f->n; k++) {
    Square s = f->own[k];
    s.vv += damping * fmax(s.vv, 1e-12 * most_v);
    s.tt += damping * fmax(fabs(s.tt), FLAT * most_t);
    Knot b = {-f->slope[k].t, -f->slope[k].v};
    if (k > 0) { /* less what the knot before has taken */
      const Cross *c = &f->below[k - 1];
      const Knot *m = &f->move[k - 1];
      s.vv -= c->vv * c->vv + c->tv * c->tv;
      s.vt -= c->vv * c->vt + c->tv * c->tt;
      s.tt -= c->vt * c->vt + c->tt * c->tt;
      b.v -= c->vv * m->v + c->tv * m->t;
      b.t -= c->vt * m->v + c->tt * m->t;
    }
    if (!(s.vv > 0)) return false;
    Square l = {.vv = sqrt(s.vv)};
    l.vt = s.vt / l.vv;
    double rest = s.tt - l.vt * l.vt;
    l.tt = sqrt(fmax(fabs(rest), LEAST * most_t)); /* down, where the Hessian bends down */
    if (!(l.tt > 0)) return false;
    f->factor[k] = l;
    f->move[k].v = b.v / l.vv;
    f->move[k].t = (b.t - l.vt * f->move[k].v) / l.tt;
    if (k == f->n) break;
    Cross c = f->next[k], *to = &f->below[k];
    to->vv = c.vv / l.vv;
    to->vt = c.vt / l.vv;
    to->tv = (c.tv - l.vt * to->vv) / l.tt;
    to->tt = (c.tt - l.vt * to->vt) / l.tt;
  }
  for (uint32_t k = f->n + 1; k-- > 0;) {
    Knot *m = &f->move[k];
    if (k < f->n) {
      const Cross *c = &f->below[k];
      m->v -= c->vv * m[1].v + c->vt * m[1].t;
      m->t -= c->tv * m[1].v + c->tt * m[1].t;
    }
    m->t /= f->factor[k].tt;
    m->v = (m->v - f->factor[k].vt * m->t) / f->factor[k].vv;
  }
  return true;
}

/* The knots after the step; false: two have met. */
static bool step(Fit *f) {
  for (uint32_t k = 0; k <= f->n; k++) {
    f->trial[k] = (Knot){f->at[k].t + f->move[k].t, f->at[k].v + f->move[k].v + f->mean[k] * f->move[k].t};
    if (k > 0 && !(f->trial[k].t - f->trial[k - 1].t > 0.1 * (f->at[k].t - f->at[k - 1].t))) return false;
  }
  return true;
}

/* The best values with the knots where they are; as they were if there are no best, in a piece without rows. */
static void settle(Fit *f) {
  derivatives(f);
  for (uint32_t k = 0; k <= f->n; k++) {
    f->own[k].vt = f->slope[k].t = 0;
    f->own[k].tt = 1;
    if (k < f->n) f->next[k].vt = f->next[k].tv = f->next[k].tt = 0;
  }
  if (solve(f, 1e-12) && step(f) && error_of(f, f->trial) < error_of(f, f->at))
    memcpy(f->at, f->trial, (f->n + 1) * sizeof *f->at);
}

/* Down to a local minimum; f->error is the mean there. */
static void descend(Fit *f) {
  double damping = 1e-3, error = error_of(f, f->at);
  int small = 0;
  derivatives(f);
  for (int n = 0; n < MAX_STEPS && small < 3 && damping < 1e12; n++) {
    double there = solve(f, damping) && step(f) ? error_of(f, f->trial) : (double)INFINITY;
    if (!(there < error)) {
      damping *= 4;
      continue;
    }
    small = error - there < 1e-5 * error ? small + 1 : 0;
    error = there;
    damping = fmax(damping / 4, 1e-12);
    memcpy(f->at, f->trial, (f->n + 1) * sizeof *f->at);
    derivatives(f);
  }
  f->error = error / (f->between ? f->x[f->rows - 1] - f->x[0] : (double)f->rows);
}

/* ---- starts */

static double value_at(const Fit *f, size_t *i, double t) {
  while (*i + 2 < f->rows && f->x[*i + 1] < t) ++*i;
  double h = f->x[*i + 1] - f->x[*i];
  return h > 0 ? f->y[*i] + (f->y[*i + 1] - f->y[*i]) * (t - f->x[*i]) / h : f->y[*i];
}

/* Pieces of one width, but for the first and the last, which are wider and narrower by so much of it. */
static void even(Fit *f, double aside) {
  double lo = f->x[0], hi = f->x[f->rows - 1];
  for (uint32_t k = 0; k <= f->n; k++) f->at[k].t = k == 0 ? lo : k == f->n ? hi : lo + (hi - lo) * (k + aside) / f->n;
}

/* Pieces of widths between 1 and 9, others for each `start`: a sequence that fills the cube of the first three evenly.
 */
static void uneven(Fit *f, uint32_t start) {
  double lo = f->x[0], hi = f->x[f->rows - 1], sum = 0, ratio = 1;
  f->at[0].t = 0;
  for (uint32_t k = 0; k < f->n; k++) {
    ratio *= 0.8191725133961645; /* r^3 + r^4 = 1 */
    f->at[k + 1].t = sum += 1 + 8 * fmod(start * ratio, 1);
  }
  for (uint32_t k = 0; k <= f->n; k++) f->at[k].t = k == f->n ? hi : lo + (hi - lo) * f->at[k].t / sum;
}

/* Squared error of the best line on each piece, alone. */
static void line_errors(Fit *f, double *out) {
  Walk w = {0, f->x[0]};
  Point p[2];
  for (uint32_t k = 0; k < f->n; k++) {
    double h = f->at[k + 1].t - f->at[k].t, middle = f->at[k].t + h / 2, y0 = 0, n = 0, s[5] = {0};
    for (int m; (m = next_points(f, &w, f->at[k + 1].t, k + 1 == f->n, p)) > 0;)
      for (int j = 0; j < m; j++) {
        if (n == 0) y0 = p[0].y;
        double c = p[j].weight, u = (p[j].x - middle) / h, y = p[j].y - y0;
        n += c;
        s[0] += c * u;
        s[1] += c * u * u;
        s[2] += c * y;
        s[3] += c * u * y;
        s[4] += c * y * y;
      }
    double uu = s[1] - s[0] * s[0] / n, uy = s[3] - s[0] * s[2] / n, yy = s[4] - s[2] * s[2] / n;
    out[k] = n > 0 ? fmax(yy - (uu > 0 ? uy * uy / uu : 0), 0) : 0;
  }
}

/* Knots such that the pieces' own errors are nearly equal, as they are at the best in the limit. A piece's share is its
 * error to the power of 3/16: of any power equal shares are equal errors, and as an error goes with the fifth power of
 * the width, one near 1/5 gets there fast (and this one by roots, which are the same bits everywhere). */
static void level(Fit *f) {
  double *share = f->mean; /* n + 1 of them, free until the descent */
  even(f, 0);
  for (int round = 0; round < LEVEL_ROUNDS; round++) {
    double all = 0, most = 0;
    line_errors(f, share);
    for (uint32_t k = 0; k < f->n; k++) most = fmax(most, share[k]);
    if (!(most > 0)) return;
    for (uint32_t k = 0; k < f->n; k++) {
      double eighth = sqrt(sqrt(sqrt(fmax(share[k], 1e-12 * most))));
      all += share[k] = eighth * sqrt(eighth);
    }
    double before = 0;
    for (uint32_t k = 0, to = 1; k < f->n; k++) {
      double width = f->at[k + 1].t - f->at[k].t;
      for (; to < f->n && before + share[k] >= all * to / f->n; to++)
        f->trial[to].t = f->at[k].t + width * (all * to / f->n - before) / share[k];
      before += share[k];
    }
    for (uint32_t k = 1; k < f->n; k++) f->at[k].t = f->trial[k].t;
  }
}

bool tw_rt_best_pieces(const double *x, const double *y, size_t rows, bool between, uint32_t pieces, double *mse) {
  if (pieces == 0 || pieces > TW_RT_MOST_PIECES || rows < (size_t)pieces * ROWS_A_PIECE || !(x[rows - 1] > x[0]))
    return false;
  size_t m = (size_t)pieces + 1;
  Fit f = {.x = x,
           .y = y,
           .rows = rows,
           .between = between,
           .n = pieces,
           .at = malloc(4 * m * sizeof(Knot)),
           .own = malloc(2 * m * sizeof(Square)),
           .next = malloc(2 * m * sizeof(Cross)),
           .mean = malloc(m * sizeof(double))};
  bool ok = f.at && f.own && f.next && f.mean;
  if (ok) {
    f.trial = f.at + m;
    f.slope = f.at + 2 * m;
    f.move = f.at + 3 * m;
    f.factor = f.own + m;
    f.below = f.next + m;
  }
  *mse = (double)INFINITY;
  uint32_t starts = pieces > 1 && pieces <= FEW ? 2 + MORE_STARTS : 2;
  for (uint32_t from = 0; ok && from < starts; from++) {
    if (from == 0) level(&f);
    else if (from == 1) even(&f, 0.25); /* aside, as what is symmetric can be stuck in its symmetry */
    else uneven(&f, from);
    size_t near = 0;
    for (uint32_t k = 0; k <= pieces; k++) f.at[k].v = value_at(&f, &near, f.at[k].t);
    if (from > 1) settle(&f);
    descend(&f);
    if (f.error < *mse) *mse = f.error;
  }
  free(f.at);
  free(f.own);
  free(f.next);
  free(f.mean);
  return ok && isfinite(*mse);
}
