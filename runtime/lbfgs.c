/* lbfgs.c: one iteration of the limited-memory method of Broyden, Fletcher, Goldfarb and Shanno.
 *
 * The direction is Nocedal's two-loop recursion over the last pairs of moves and turns (of values and of gradients);
 * the step along it satisfies the strong Wolfe conditions with c1 = 1e-4 and c2 = 0.9 (Nocedal & Wright, Numerical
 * Optimization, algorithms 3.5 and 3.6, with the minimum of a cubic in the bracket). The compiled step gives loss and
 * gradient at once, so a trial costs the same either way. Along a projected direction, or at the end of the
 * precision, no step may satisfy both: then the lowest loss that was seen is taken, if it is lower than the present. */
#include <math.h>
#include <string.h>

#include "runtime/normal.h"
#include "runtime/second.h"

/* TwRtSecond.state: pairs there are, and where the next one goes. The gradient is had again if it is not there. */
enum { COUNT, NEXT };
enum { MAX_TRIALS = 25 };

bool tw_rt_lbfgs_sound(const TwRtStageRun *g) {
  double memory = (double)g->st->memory, count = g->w->second.state[COUNT], next = g->w->second.state[NEXT];
  return count >= 0 && count <= memory && count == floor(count) && next >= 0 && next < memory && next == floor(next);
}

static void take_gradient(TwRtStageRun *g, double *to) {
  for (uint64_t k = 0; k < g->st->n_flat; k++) to[k] = tw_rt_get(g->w->gradient, k, g->w->f64);
}

/* The step has been called at the present values when they became the present ones; after a resume, not. */
void tw_rt_lbfgs_judge(TwRtStageRun *g) {
  TwRtSecond *s = &g->w->second;
  uint64_t n = g->st->n_flat;
  if (!s->ready) {
    memcpy(s->trial, g->w->flat[g->cur], n * tw_rt_real_size(g->w->f64));
    g->loss = tw_rt_second_try(g);
    take_gradient(g, s->rhs);
    s->ready = true;
  }
  g->norm = sqrt(tw_nm_dot(s->rhs, s->rhs, n));
}

/* delta := minus the inverse Hessian, as far as it is known, times the gradient. */
static void direction(TwRtStageRun *g) {
  TwRtSecond *s = &g->w->second;
  uint64_t n = g->st->n_flat, memory = (uint64_t)g->st->memory, count = (uint64_t)s->state[COUNT],
           next = (uint64_t)s->state[NEXT];
  for (uint64_t k = 0; k < n; k++) s->delta[k] = -s->rhs[k];
  for (uint64_t j = 0; j < count; j++) { /* newest first */
    uint64_t i = (next + memory - 1 - j) % memory;
    s->along[i] = s->curvature[i] * tw_nm_dot(s->moves + i * n, s->delta, n);
    for (uint64_t k = 0; k < n; k++) s->delta[k] = fma(-s->along[i], s->turns[i * n + k], s->delta[k]);
  }
  if (count) {
    uint64_t i = (next + memory - 1) % memory;
    double scale = 1 / (s->curvature[i] * tw_nm_dot(s->turns + i * n, s->turns + i * n, n));
    for (uint64_t k = 0; k < n; k++) s->delta[k] *= scale;
  }
  for (uint64_t j = count; j-- > 0;) {
    uint64_t i = (next + memory - 1 - j) % memory;
    double back = s->along[i] - s->curvature[i] * tw_nm_dot(s->turns + i * n, s->delta, n);
    for (uint64_t k = 0; k < n; k++) s->delta[k] = fma(back, s->moves[i * n + k], s->delta[k]);
  }
}

/* ---- the line */

typedef struct Point {
  double at, loss, slope;
} Point;

typedef struct Line {
  TwRtStageRun *g;
  Point start, best; /* best: the lowest that was tried */
  int trials;
  bool moved; /* the last trial differs from the present values */
} Line;

static Point try_at(Line *l, double at) {
  TwRtStageRun *g = l->g;
  TwRtWorker *w = g->w;
  TwRtSecond *s = &w->second;
  l->moved = false;
  for (uint64_t k = 0; k < g->st->n_flat; k++) {
    double x = tw_rt_get(w->flat[g->cur], k, w->f64);
    tw_rt_put(s->trial, k, fma(at, s->delta[k], x), w->f64);
    l->moved |= tw_rt_get(s->trial, k, w->f64) != x;
  }
  Point p = {.at = at, .loss = tw_rt_second_try(g)};
  take_gradient(g, s->there);
  p.slope = tw_nm_dot(s->there, s->delta, g->st->n_flat);
  l->trials++;
  if (p.loss < l->best.loss) l->best = p;
  return p;
}

static bool decreases(const Line *l, Point p) { return p.loss <= l->start.loss + 1e-4 * p.at * l->start.slope; }
static bool flat_enough(const Line *l, Point p) { return fabs(p.slope) <= 0.9 * fabs(l->start.slope); }

/* The minimum of the cubic through both ends, kept off them by a tenth of the way. */
static double between(Point a, Point b) {
  double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.at - b.at), d2 = d1 * d1 - a.slope * b.slope;
  double lo = fmin(a.at, b.at), hi = fmax(a.at, b.at), margin = 0.1 * (hi - lo), x = NAN;
  if (d2 >= 0) {
    d2 = copysign(sqrt(d2), b.at - a.at);
    x = b.at - (b.at - a.at) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  }
  if (!isfinite(x)) return lo + (hi - lo) / 2;
  return fmin(fmax(x, lo + margin), hi - margin);
}

/* lo has the lower loss of the two, and between them is a step that will do. */
static Point zoom(Line *l, Point lo, Point hi) {
  Point p = lo;
  while (l->trials < MAX_TRIALS) {
    p = try_at(l, isfinite(hi.loss) && isfinite(hi.slope) ? between(lo, hi) : lo.at + (hi.at - lo.at) / 2);
    if (!l->moved) break;
    if (!decreases(l, p) || !(p.loss < lo.loss)) {
      hi = p;
    } else {
      if (flat_enough(l, p)) return p;
      if (p.slope * (hi.at - lo.at) >= 0) hi = lo;
      lo = p;
    }
  }
  return p;
}

static Point search(Line *l, double first) {
  Point before = l->start, p = before;
  for (double at = first; l->trials < MAX_TRIALS; at *= 2) {
    p = try_at(l, at);
    if (!decreases(l, p) || (l->trials > 1 && !(p.loss < before.loss))) return zoom(l, before, p);
    if (flat_enough(l, p)) return p;
    if (p.slope >= 0) return zoom(l, p, before);
    before = p;
  }
  return p;
}

/* ---- an iteration */

/* A pair of positive curvature is kept in the place of the oldest. */
static void remember(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  TwRtSecond *s = &w->second;
  uint64_t n = g->st->n_flat, memory = (uint64_t)g->st->memory, i = (uint64_t)s->state[NEXT];
  double *move = s->moves + i * n, *turn = s->turns + i * n;
  for (uint64_t k = 0; k < n; k++) {
    move[k] = tw_rt_get(w->flat[g->next], k, w->f64) - tw_rt_get(w->flat[g->cur], k, w->f64);
    turn[k] = s->there[k] - s->rhs[k];
  }
  double bend = tw_nm_dot(move, turn, n);
  if (!(bend > 1e-10 * sqrt(tw_nm_dot(move, move, n) * tw_nm_dot(turn, turn, n)))) return;
  s->curvature[i] = 1 / bend;
  s->state[NEXT] = (double)((i + 1) % memory);
  if (s->state[COUNT] < (double)memory) s->state[COUNT]++;
}

void tw_rt_lbfgs_iterate(TwRtStageRun *g) {
  TwRtSecond *s = &g->w->second;
  uint64_t n = g->st->n_flat;
  for (bool again = true; again;) {
    direction(g);
    double slope = tw_nm_dot(s->delta, s->rhs, n);
    if (!(slope < 0) && s->state[COUNT] > 0) { /* no way down: start again from the gradient alone */
      s->state[COUNT] = 0;
      continue;
    }
    if (!(slope < 0)) break;
    Line l = {.g = g, .start = {0, g->loss, slope}, .best = {0, g->loss, slope}};
    double first = s->state[COUNT] > 0 ? 1 : fmin(1, 1 / g->norm);
    Point p = search(&l, first);
    if (l.best.at > 0 && p.at != l.best.at && !(decreases(&l, p) && flat_enough(&l, p))) p = try_at(&l, l.best.at);
    if (p.loss < g->loss) {
      remember(g);
      memcpy(s->rhs, s->there, n * sizeof *s->rhs);
      tw_rt_second_accept(g, p.loss);
      return;
    }
    again = s->state[COUNT] > 0;
    s->state[COUNT] = 0;
  }
  g->settled = true;
}
