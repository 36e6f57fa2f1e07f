/* regions_tally.c: the pattern intervals from left to right become pieces, slivers and maps.
 *
 * requires: intervals in order, without gaps.
 * provides: the counts of TwRtRegions, and the list of pieces if asked to keep it.
 *
 * Merging. Neighbours with the same affine map are one piece. Where the output has no kink by construction
 * that is known; where the slopes differ by more than their error bounds it is not so; else the slopes are
 * compared exactly.
 *
 * Slivers. A piece z hides what lies wholly within sliver * (width of z) of one of its ends. From left to
 * right: a new piece takes those that it hides off the stack of pieces that are not hidden yet (the last
 * ones, since what is nearer to it is hidden first), and is hidden itself if `far`, the piece before it whose
 * range to the right ends farthest, hides it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/regions_internal.h"

void tw_rg_tally_start(TwRgTally *t, TwRgExact *ex, double sliver, bool keep) {
  t->ex = ex;
  t->sliver = sliver;
  t->keep = keep;
  t->begun = t->apart = t->exact_map = false;
  t->pieces.n = t->patterns.n = t->n_list = 0;
  t->n_patterns = t->n_slivers = t->n_finished = 0;
  t->error = NULL;
}

void tw_rg_tally_free(TwRgTally *t) {
  for (int i = 0; t->map_ready && i < 4; i++) tw_dy_clear(&t->map[i]);
  free(t->pieces.at);
  free(t->patterns.at);
  free(t->list);
  free(t->keys);
  memset(t, 0, sizeof *t);
}

static bool fail(TwRgTally *t, const char *why) {
  if (!t->error) t->error = why;
  return false;
}

static bool exactly(TwRgTally *t, bool ok) { return ok || fail(t, t->ex->error); }

static void *grow(void *p, size_t *cap, size_t n, size_t size) {
  if (n < *cap) return p;
  size_t more = *cap ? 2 * *cap : 64;
  void *q = realloc(p, more * size);
  if (q) *cap = more;
  return q;
}

/* ---- slivers */

static double distance(const TwRgPoint *l, const TwRgPoint *r, double *err) {
  double a = r->hi - l->hi, b = r->lo - l->lo;
  *err = (2 * TW_DD_UNIT * (fabs(a) + fabs(b)) + l->err + r->err) * TW_DD_SLACK;
  return a + b;
}

/* Whether l … r is shorter than sliver * (width of z). */
static bool hidden(TwRgTally *t, TwRgPoint *l, TwRgPoint *r, TwRgPiece *z, bool *yes) {
  double ep, ez, p = distance(l, r, &ep), q = t->sliver * distance(&z->l, &z->r, &ez);
  *yes = p < q;
  if (fabs(p - q) > (ep + t->sliver * ez + 4 * TW_DD_UNIT * fabs(q)) * TW_DD_SLACK) return true;
  TwRgTimes terms[4] = {{1, r}, {-1, l}, {-t->sliver, &z->r}, {t->sliver, &z->l}};
  int sign;
  double rounded;
  bool ok = exactly(t, tw_rg_exact_sum(t->ex, 4, terms, &sign, &rounded));
  *yes = sign < 0;
  return ok;
}

/* Whether p, to the right of z, hides more to its right than z does. */
static bool hides_farther(TwRgTally *t, TwRgPiece *p, TwRgPiece *z, bool *yes) {
  double e[3], s = t->sliver, ahead = distance(&z->r, &p->r, &e[0]);
  double a = s * distance(&p->l, &p->r, &e[1]), b = s * distance(&z->l, &z->r, &e[2]), d = (ahead + a) - b;
  *yes = d > 0;
  if (fabs(d) > (e[0] + s * (e[1] + e[2]) + 8 * TW_DD_UNIT * (fabs(ahead) + fabs(a) + fabs(b))) * TW_DD_SLACK)
    return true;
  TwRgTimes terms[6] = {{1, &p->r}, {-1, &z->r}, {s, &p->r}, {-s, &p->l}, {-s, &z->r}, {s, &z->l}};
  int sign;
  double rounded;
  bool ok = exactly(t, tw_rg_exact_sum(t->ex, 6, terms, &sign, &rounded));
  *yes = sign > 0;
  return ok;
}

static bool append(TwRgTally *t, TwRgStack *s, const TwRgPiece *p) {
  TwRgPiece *at = grow(s->at, &s->cap, s->n, sizeof *at);
  if (!at) return fail(t, "out of memory");
  s->at = at;
  s->at[s->n++] = *p;
  return true;
}

static void drop(TwRgTally *t, const TwRgStack *s, const TwRgPiece *p) {
  if (s != &t->pieces) return;
  t->n_slivers++;
  if (t->keep) t->list[p->number].sliver = true;
}

static bool push(TwRgTally *t, TwRgStack *s, bool first, TwRgPiece *p) {
  if (first) {
    s->far = *p;
    return append(t, s, p);
  }
  if (t->sliver == 0) return append(t, s, p);
  bool yes = true;
  while (s->n > 0) {
    TwRgPiece *top = &s->at[s->n - 1];
    if (!hidden(t, &top->l, &p->l, p, &yes)) return false;
    if (!yes) break;
    drop(t, s, top);
    s->n--;
  }
  if (!hidden(t, &s->far.r, &p->r, &s->far, &yes)) return false;
  if (!yes) {
    s->far = *p;
    return append(t, s, p);
  }
  drop(t, s, p);
  if (!hides_farther(t, p, &s->far, &yes)) return false;
  if (yes) s->far = *p;
  return true;
}

/* ---- pieces */

/* Slope and intercept with error bounds; a useless bound is infinite. */
static void set_map(TwRgPiece *p, TwDd yl, TwDd yr) {
  double ex, dx = distance(&p->l, &p->r, &ex), a = yr.hi - yl.hi, b = yr.lo - yl.lo, dy = a + b;
  double ey = (2 * TW_DD_UNIT * (fabs(a) + fabs(b)) + yl.err + yr.err) * TW_DD_SLACK;
  double per = 1 / dx,
         m = dy * per; /* within 2 u |m| of dy / dx; and 1 / (dx - ex) is within the factor below of per */
  double em = (ey + fabs(m) * ex) * per * (ex < 0x1p-10 * dx ? 1 + 0x1p-9 : 2.1) + 4 * TW_DD_UNIT * fabs(m);
  if (a == 0 && b == 0 && yl.err == 0 && yr.err == 0) {
    *p = (TwRgPiece){p->l, p->r, 0, 0, yl.hi, fabs(yl.lo), p->number};
    return;
  }
  if (!(dx > 2 * ex) || !(em < INFINITY)) m = 0, em = INFINITY;
  double part = m * p->l.hi;
  p->slope = m;
  p->slope_err = em;
  p->intercept = yl.hi - part;
  p->intercept_err = em * (fabs(p->l.hi) + fabs(p->l.lo)) + yl.err + 8 * TW_DD_UNIT * (fabs(yl.hi) + fabs(part));
  if (!(p->intercept_err < INFINITY)) p->intercept = 0, p->intercept_err = INFINITY;
}

static bool round_place(TwRgTally *t, TwRgPoint *p, double *x) {
  *x = p->hi;
  if (p->exact == TW_RG_IS_SUM || tw_dd_rounds(tw_rg_x(p))) return true;
  return exactly(t, tw_rg_exact_place(t->ex, p, x));
}

static void init_maps(TwRgTally *t) {
  for (int i = 0; !t->map_ready && i < 4; i++) tw_dy_init(&t->map[i]);
  t->map_ready = true;
}

/* The map of `now` from its ends, within rounding errors. */
static void map_of_ends(const TwRgTally *t, TwDd *m, TwDd *b) {
  const TwRgPiece *now = &t->now;
  TwDd dy = tw_dd_sub(t->now_r, t->now_l);
  *m = (TwDd){0, 0, 0};
  *b = t->now_l;
  if (dy.hi != 0 || dy.err != 0) {
    *m = tw_dd_div(dy, tw_dd_sub(tw_rg_x(&now->r), tw_rg_x(&now->l)));
    *b = tw_dd_sub(t->now_l, tw_dd_mul(*m, tw_rg_x(&now->l)));
  }
}

/* Lists `now` with all four numbers rounded to nearest. */
static bool list(TwRgTally *t) {
  TwRtPiece *at = grow(t->list, &t->cap_list, t->n_list, sizeof *at);
  if (!at) return fail(t, "out of memory");
  t->list = at;
  TwRtPiece *p = &t->list[t->n_list];
  TwRgPiece *now = &t->now;
  *p = (TwRtPiece){0};
  now->number = (uint32_t)t->n_list++;
  if (!round_place(t, &now->l, &p->lo) || !round_place(t, &now->r, &p->hi)) return false;
  TwDd m, b;
  map_of_ends(t, &m, &b);
  bool sure = tw_dd_rounds(m) && tw_dd_rounds(b);
  if (!sure && tw_rg_rough_map(t->ex, &now->l, &now->r, &m, &b)) sure = tw_dd_rounds(m) && tw_dd_rounds(b);
  p->slope = m.hi;
  p->intercept = b.hi;
  if (sure) return true;
  init_maps(t);
  if (!t->exact_map && !exactly(t, tw_rg_exact_map(t->ex, &now->l, &now->r, &t->map[0], &t->map[1]))) return false;
  TwDy one;
  tw_dy_init(&one);
  tw_dy_set(&one, 1);
  p->slope = tw_dy_round(&t->map[0], &one);
  p->intercept = tw_dy_round(&t->map[1], &one);
  tw_dy_clear(&one);
  return true;
}

static bool finish(TwRgTally *t) {
  if (t->keep && !list(t)) return false;
  bool first = t->n_finished++ == 0;
  return push(t, &t->pieces, first, &t->now);
}

/* Tries to tell the piece p from `now` by better slopes, which it keeps. */
static bool told_apart(TwRgTally *t, TwRgPiece *p) {
  TwRgPiece *both[2] = {&t->now, p};
  TwDd m[2], b;
  for (int i = 0; i < 2; i++) {
    if (!tw_rg_rough_map(t->ex, &both[i]->l, &both[i]->r, &m[i], &b)) return false;
    double err = m[i].err + 2 * TW_DD_UNIT * fabs(m[i].hi);
    if (err < both[i]->slope_err) {
      both[i]->slope = m[i].hi;
      both[i]->slope_err = err;
    }
  }
  TwDd d = tw_dd_sub(m[0], m[1]);
  return fabs(d.hi) > 2 * d.err;
}

/* Whether the piece p, right of `now`, has the same map, exactly. Leaves p's map in map[2] and map[3]. */
static bool compare(TwRgTally *t, TwRgPiece *p, bool *same) {
  init_maps(t);
  TwDy *m = t->map;
  if (!t->exact_map && !exactly(t, tw_rg_exact_map(t->ex, &t->now.l, &t->now.r, &m[0], &m[1]))) return false;
  t->exact_map = true;
  if (!exactly(t, tw_rg_exact_map(t->ex, &p->l, &p->r, &m[2], &m[3]))) return false;
  TwDy d;
  tw_dy_init(&d);
  tw_dy_copy(&d, &m[0]);
  bool ok = tw_dy_sub(&d, &m[2]);
  *same = tw_dy_sign(&d) == 0;
  tw_dy_clear(&d);
  return ok || fail(t, "the coefficients are too far apart in size for the regions to be counted exactly");
}

/* From the first merge on patterns are dropped by their own widths. */
static bool part(TwRgTally *t) {
  t->apart = true;
  t->patterns.far = t->pieces.far;
  for (size_t i = 0; i < t->pieces.n; i++)
    if (!append(t, &t->patterns, &t->pieces.at[i])) return false;
  return push(t, &t->patterns, t->n_finished == 0, &t->now);
}

static void merge(TwRgTally *t, const TwRgPiece *p, TwDd yr) {
  TwRgPiece old = t->now;
  t->now.r = p->r;
  t->now_r = yr;
  set_map(&t->now, t->now_l, yr);
  if (t->now.slope_err > old.slope_err) {
    t->now.slope = old.slope;
    t->now.slope_err = old.slope_err;
  }
  if (t->now.intercept_err > old.intercept_err) {
    t->now.intercept = old.intercept;
    t->now.intercept_err = old.intercept_err;
  }
}

bool tw_rg_tally_add(TwRgTally *t, const TwRgPoint *l, const TwRgPoint *r, TwDd yl, TwDd yr, bool kink) {
  TwRgPiece p = {.l = *l, .r = *r};
  set_map(&p, yl, yr);
  t->n_patterns++;
  bool same = !kink, compared = false;
  if (t->begun && kink && !(fabs(t->now.slope - p.slope) > (t->now.slope_err + p.slope_err) * TW_DD_SLACK)) {
    compared = !told_apart(t, &p);
    if (compared && !compare(t, &p, &same)) return false;
  }
  if (t->begun && same) {
    if (t->sliver > 0 && !t->apart && !part(t)) return false;
    merge(t, &p, yr);
  } else {
    if (t->begun && !finish(t)) return false;
    t->begun = true;
    t->now = p;
    t->now_l = yl;
    t->now_r = yr;
    t->exact_map = compared;
    if (compared) {
      tw_dy_swap(&t->map[0], &t->map[2]);
      tw_dy_swap(&t->map[1], &t->map[3]);
    }
  }
  return !t->apart || push(t, &t->patterns, false, &p);
}

/* ---- maps */

static double key(const TwRgKey *k, bool by_slope) { return by_slope ? k->slope[0] : k->intercept[0]; }

/* Shell's sort: in place, unlike the library's, and quick on what is nearly in order. */
static void sort(TwRgKey *keys, size_t n, bool by_slope) {
  size_t gap = 1;
  while (gap < n / 9) gap = 3 * gap + 1;
  for (; gap > 0; gap /= 3)
    for (size_t i = gap; i < n; i++) {
      TwRgKey k = keys[i];
      size_t j = i;
      for (; j >= gap && key(&keys[j - gap], by_slope) > key(&k, by_slope); j -= gap) keys[j] = keys[j - gap];
      keys[j] = k;
    }
}

/* The slopes rise, or fall, by more than their errors from piece to piece: a convex or concave function. */
static bool monotone(const TwRgStack *s) {
  bool up = true, down = true;
  for (size_t i = 1; i < s->n && (up || down); i++) {
    double d = s->at[i].slope - s->at[i - 1].slope, e = (s->at[i].slope_err + s->at[i - 1].slope_err) * TW_DD_SLACK;
    up = up && d > e;
    down = down && -d > e;
  }
  return up || down;
}

/* How many different maps n pieces that cannot be told apart by their bounds have. */
static bool distinct(TwRgTally *t, const TwRgKey *keys, size_t n, int64_t *count) {
  TwDy *maps = malloc(2 * n * sizeof *maps), d;
  if (!maps) return fail(t, "out of memory");
  size_t found = 0;
  bool ok = true;
  tw_dy_init(&d);
  for (size_t i = 0; ok && i < n; i++) {
    TwRgPiece *p = &t->pieces.at[keys[i].piece];
    TwDy *m = &maps[2 * found];
    tw_dy_init(&m[0]);
    tw_dy_init(&m[1]);
    if (p->slope_err == 0 && p->intercept_err == 0) {
      tw_dy_set(&m[0], p->slope);
      tw_dy_set(&m[1], p->intercept);
    } else {
      ok = exactly(t, tw_rg_exact_map(t->ex, &p->l, &p->r, &m[0], &m[1]));
    }
    bool known = false;
    for (size_t k = 0; ok && !known && k < found; k++) {
      known = true;
      for (int j = 0; known && j < 2; j++) {
        tw_dy_copy(&d, &m[j]);
        known = tw_dy_sub(&d, &maps[2 * k + (size_t)j]) && tw_dy_sign(&d) == 0;
      }
    }
    if (known || !ok) {
      tw_dy_clear(&m[0]);
      tw_dy_clear(&m[1]);
    } else {
      found++;
    }
  }
  for (size_t i = 0; i < 2 * found; i++) tw_dy_clear(&maps[i]);
  tw_dy_clear(&d);
  free(maps);
  *count += (int64_t)found;
  return ok;
}

/* Pieces of one map have overlapping bounds on the slope and on the intercept: so they are in one cluster by
 * slope, and inside it in one by intercept. Only clusters of more than one need exact arithmetic. */
static bool count_maps(TwRgTally *t, int64_t *count) {
  const TwRgStack *s = &t->pieces;
  *count = (int64_t)s->n;
  if (monotone(s)) return true;
  if (t->cap_keys < s->n) {
    TwRgKey *more = realloc(t->keys, s->cap * sizeof *more);
    if (!more) return fail(t, "out of memory");
    t->keys = more;
    t->cap_keys = s->cap;
  }
  for (size_t i = 0; i < s->n; i++) {
    const TwRgPiece *p = &s->at[i];
    double em = p->slope_err * 2, eb = p->intercept_err * 2;
    t->keys[i] = (TwRgKey){{p->slope - em, p->slope + em}, {p->intercept - eb, p->intercept + eb}, i};
  }
  sort(t->keys, s->n, true);
  *count = 0;
  for (size_t i = 0, end; i < s->n; i = end) {
    double top = t->keys[i].slope[1];
    for (end = i + 1; end < s->n && t->keys[end].slope[0] <= top; end++) top = fmax(top, t->keys[end].slope[1]);
    sort(t->keys + i, end - i, false);
    for (size_t j = i, stop; j < end; j = stop) {
      double bound = t->keys[j].intercept[1];
      for (stop = j + 1; stop < end && t->keys[stop].intercept[0] <= bound; stop++)
        bound = fmax(bound, t->keys[stop].intercept[1]);
      if (stop == j + 1) ++*count;
      else if (!distinct(t, t->keys + j, stop - j, count)) return false;
    }
  }
  return true;
}

static bool find_narrowest(TwRgTally *t, double *narrowest) {
  *narrowest = INFINITY;
  for (size_t i = 0; i < t->pieces.n; i++) {
    TwRgPiece *p = &t->pieces.at[i];
    double err, w = distance(&p->l, &p->r, &err);
    TwRgTimes terms[2] = {{1, &p->r}, {-1, &p->l}};
    int sign;
    if (!(err < 0x1p-40 * w) && !exactly(t, tw_rg_exact_sum(t->ex, 2, terms, &sign, &w))) return false;
    *narrowest = w < *narrowest ? w : *narrowest;
  }
  return true;
}

bool tw_rg_tally_end(TwRgTally *t, TwRtRegions *out) {
  if (!finish(t) || !count_maps(t, &out->maps) || !find_narrowest(t, &out->narrowest)) return false;
  out->pieces = (int64_t)t->pieces.n;
  out->slivers = t->n_slivers;
  out->patterns = t->sliver == 0 ? t->n_patterns : (int64_t)(t->apart ? t->patterns.n : t->pieces.n);
  return true;
}
