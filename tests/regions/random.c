/* random.c: random nets, counted by the counter and by the oracle. All integers must be equal, and so must
 * the breakpoints, slopes and intercepts: both sides round correctly.
 *
 * random [nets] [first seed]: 150 nets without arguments. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "oracle.h"
#include "runtime/regions_internal.h"

/* ---- nets */

static double evaluate(const TwRtPl *pl, const double *coeffs, double x, double *v) {
  for (uint32_t i = 0; i < pl->n_nodes; i++) {
    const TwRtPlNode *n = &pl->nodes[i];
    switch ((TwRtPlKind)n->kind) {
      case TW_PL_INPUT: v[i] = x; break;
      case TW_PL_RELU: v[i] = fmax(v[n->a], 0); break;
      case TW_PL_ABS: v[i] = fabs(v[n->a]); break;
      case TW_PL_MIN: v[i] = fmin(v[n->a], v[n->b]); break;
      case TW_PL_MAX: v[i] = fmax(v[n->a], v[n->b]); break;
      case TW_PL_AFFINE:
        v[i] = n->bias == TW_PL_ZERO ? 0 : coeffs[n->bias];
        for (uint32_t k = n->term; k < n->term + n->n_terms; k++) {
          uint32_t c = pl->terms[k].coeff;
          v[i] += (c == TW_PL_ONE         ? 1
                   : c == TW_PL_MINUS_ONE ? -1
                   : c == TW_PL_ZERO      ? 0
                                          : coeffs[c]) *
                  v[pl->terms[k].node];
        }
        break;
    }
  }
  return v[pl->output];
}

typedef struct Shape {
  uint32_t width, depth;
  bool f32, others; /* others: abs, min, max and skip connections too */
} Shape;

static double weight(uint64_t *s, const Shape *h, double size) {
  double w = random_in(s, -size, size);
  return h->f32 ? (double)(float)w : w;
}

/* The kink of most neurons is put somewhere in the interval. */
static void random_neuron(Net *n, uint64_t *s, const Shape *h, const uint32_t *from, uint32_t n_from, double lo,
                          double hi) {
  double v[512], x = random_in(s, lo, hi), bias = weight(s, h, 1);
  uint32_t a = net_affine(n, 0), at = n->nodes[a].bias;
  for (uint32_t k = 0; k < n_from; k++) net_term(n, weight(s, h, 2 / sqrt(n_from)), from[k]);
  net_done(n, a);
  if (random_below(s, 4)) bias = -evaluate(&n->pl, n->coeffs, x, v);
  n->coeffs[at] = h->f32 ? (double)(float)bias : bias;
}

static uint32_t random_layer(Net *n, uint64_t *s, const Shape *h, uint32_t *from, uint32_t n_from, uint32_t *to,
                             double lo, double hi) {
  for (uint32_t i = 0; i < h->width; i++) {
    random_neuron(n, s, h, from, n_from, lo, hi);
    uint32_t a = n->pl.n_nodes - 1;
    if (h->others && random_below(s, 8) == 0) net_raw_term(n, random_below(s, 2) ? TW_PL_ONE : TW_PL_MINUS_ONE, 0);
    uint32_t kind = h->others ? random_below(s, 6) : 0;
    switch (kind) {
      case 1: to[i] = net_switch(n, TW_PL_ABS, a, 0); break;
      case 2: to[i] = net_switch(n, TW_PL_MIN, a, from[random_below(s, n_from)]); break;
      case 3: to[i] = net_switch(n, TW_PL_MAX, from[random_below(s, n_from)], a); break;
      default: to[i] = net_switch(n, TW_PL_RELU, a, 0);
    }
  }
  return h->width;
}

static Net random_net(uint64_t *s, const Shape *h, double lo, double hi) {
  Net n = net_new();
  uint32_t layer[2][64] = {{0}}, width = 1;
  for (uint32_t i = 0; i < h->depth; i++)
    width = random_layer(&n, s, h, layer[i % 2], width, layer[(i + 1) % 2], lo, hi);
  uint32_t out = net_affine(&n, weight(s, h, 1));
  for (uint32_t k = 0; k < width; k++) net_term(&n, weight(s, h, 1), layer[h->depth % 2][k]);
  net_done(&n, out);
  return n;
}

/* Changes some coefficients into such as make trouble. */
static void mutate(Net *n, uint64_t *s, uint32_t how) {
  uint32_t m = n->pl.n_coeffs, times = 1 + random_below(s, m / 3 + 1);
  for (uint32_t i = 0; i < times; i++) {
    double *c = &n->coeffs[random_below(s, m)];
    switch (how) {
      case 0: *c = 0; break;
      case 1: *c = n->coeffs[random_below(s, m)]; break;
      case 2: *c = -n->coeffs[random_below(s, m)]; break;
      case 3: *c = (double)((int)random_below(s, 9) - 4) / 4; break;
      case 4: *c = ldexp(*c, -(int)random_below(s, 1080)); break;
      case 5: *c = ldexp(*c, (int)random_below(s, 900)); break;
      case 6: *c = ldexp(*c, (int)random_below(s, 80) - 40); break;
      case 7: *c = 0x1p-1074 * (random_below(s, 2) ? 1 : -1); break;
      default: *c = nextafter(n->coeffs[random_below(s, m)], 1);
    }
    if (!isfinite(*c)) *c = *c > 0 ? 0x1.fffffffffffffp1023 : -0x1.fffffffffffffp1023;
  }
}

/* A layer's neurons in pairs with nearly or exactly the same kink. */
static void pair_up(Net *n, uint64_t *s) {
  for (uint32_t i = 1; i + 1 < n->pl.n_nodes; i++) {
    TwRtPlNode *p = &n->nodes[i];
    if (p->kind != TW_PL_AFFINE || random_below(s, 2)) continue;
    for (uint32_t k = i + 1; k < n->pl.n_nodes; k++) {
      TwRtPlNode *q = &n->nodes[k];
      if (q->kind != TW_PL_AFFINE || q->n_terms != p->n_terms || p->n_terms == 0 ||
          n->terms[q->term].node != n->terms[p->term].node || q->bias >= TW_PL_MINUS_ONE)
        continue;
      double f = random_below(s, 3) == 0 ? -1 : random_below(s, 2) ? 1 : 0.5;
      n->coeffs[q->bias] = f * n->coeffs[p->bias];
      for (uint32_t t = 0; t < p->n_terms; t++)
        if (n->terms[q->term + t].coeff < TW_PL_MINUS_ONE && n->terms[p->term + t].coeff < TW_PL_MINUS_ONE)
          n->coeffs[n->terms[q->term + t].coeff] = f * n->coeffs[n->terms[p->term + t].coeff];
      if (random_below(s, 4) == 0) n->coeffs[q->bias] = nextafter(n->coeffs[q->bias], 2);
      break;
    }
  }
}

/* ---- comparing */

static int failures;
static int64_t patterns, merged, slivers, repeated; /* what was met with, to see that the nets test anything */
static uint64_t replays, exact_nets, fast_told;

static void differ(uint64_t seed, const char *what, double got, double expected) {
  printf("seed %" PRIu64 ": %s is %.17g, expected %.17g\n", seed, what, got, expected);
  failures++;
}

static bool near(double a, double b) { return a == b || fabs(a - b) <= 1e-12 * fabs(b) + 0x1p-1073; }

static bool same_counts(uint64_t seed, const TwRtRegions *a, const TwRtRegions *b, const char *who) {
  int before = failures;
  if (!a->counted) return differ(seed, who, a->counted, 1), false;
  if (a->patterns != b->patterns) differ(seed, "patterns", (double)a->patterns, (double)b->patterns);
  if (a->pieces != b->pieces) differ(seed, "pieces", (double)a->pieces, (double)b->pieces);
  if (a->slivers != b->slivers) differ(seed, "slivers", (double)a->slivers, (double)b->slivers);
  if (a->maps != b->maps) differ(seed, "maps", (double)a->maps, (double)b->maps);
  if (a->dead != b->dead) differ(seed, "dead", (double)a->dead, (double)b->dead);
  if (!near(a->narrowest, b->narrowest)) differ(seed, "narrowest", a->narrowest, b->narrowest);
  if (failures > before) printf("  (%s)\n", who);
  return failures == before;
}

static bool number_ok(double got, double expected) {
  return got == expected || fabs(expected) < 0x1p-1000; /* only a subnormal may be rounded twice */
}

static void same_pieces(uint64_t seed, const TwRtPieces *a, const TwRtPieces *b) {
  if (a->n != b->n) return differ(seed, "number of pieces", (double)a->n, (double)b->n);
  for (size_t i = 0; i < a->n && failures < 20; i++) {
    const TwRtPiece *p = &a->pieces[i], *q = &b->pieces[i];
    if (!number_ok(p->lo, q->lo)) differ(seed, "lo", p->lo, q->lo);
    if (!number_ok(p->hi, q->hi)) differ(seed, "hi", p->hi, q->hi);
    if (!number_ok(p->slope, q->slope) && isfinite(p->slope)) differ(seed, "slope", p->slope, q->slope);
    if (!number_ok(p->intercept, q->intercept) && isfinite(p->intercept))
      differ(seed, "intercept", p->intercept, q->intercept);
    if (p->sliver != q->sliver) differ(seed, "sliver", p->sliver, q->sliver);
  }
}

/* The pieces, evaluated, are the net, evaluated in f64, at points all over the interval. */
static void sample(uint64_t seed, const Net *n, const TwRtPieces *p, double lo, double hi) {
  double *v = malloc(n->pl.n_nodes * sizeof *v);
  size_t i = 0;
  for (int k = 0; k <= 2000 && v && p->n > 0; k++) {
    double x = lo + (hi - lo) * k / 2000;
    while (i + 1 < p->n && x > p->pieces[i].hi) i++;
    double y = evaluate(&n->pl, n->coeffs, x, v), z = p->pieces[i].slope * x + p->pieces[i].intercept;
    if (!(fabs(y - z) <= 1e-9 * (1 + fabs(y) + fabs(p->pieces[i].slope)))) {
      differ(seed, "value of a piece", z, y);
      break;
    }
  }
  free(v);
}

static void check(uint64_t seed, Net *n, double lo, double hi, double sliver, bool tame) {
  TwRtPieces a, b;
  tw_rt_regions(&n->pl, n->coeffs, lo, hi, sliver, &a);
  oracle_count(&n->pl, n->coeffs, lo, hi, sliver, &b);
  if (a.error) {
    printf("seed %" PRIu64 ": %s\n", seed, a.error);
    failures++;
  } else if (same_counts(seed, &a.counts, &b.counts, "regions")) {
    same_pieces(seed, &a, &b);
  }
  TwRtCounter *c = tw_rt_counter_new(&n->pl);
  patterns += b.counts.patterns;
  merged += sliver > 0 ? 0 : b.counts.patterns - b.counts.pieces;
  slivers += b.counts.slivers;
  repeated += b.counts.pieces - b.counts.maps;
  for (int i = 0; c && i < 3; i++) { /* scratch must not leak from call to call; then the portable loops; tiny blocks */
    if (i == 1) {
      replays += c->ex.used;
      exact_nets += c->ex.used > 0;
    }
    if (i == 1) c->lanes = tw_rg_lanes_portable();
    if (i == 2) c->limit = 5;
    TwRtRegions r = tw_rt_count(c, n->coeffs, lo, hi, sliver);
    same_counts(seed, &r, &b.counts, i == 0 ? "count" : i == 1 ? "portable" : "small blocks");
    if (!a.error && memcmp(&r.narrowest, &a.counts.narrowest, sizeof r.narrowest) != 0)
      differ(seed, "bits of narrowest", r.narrowest, a.counts.narrowest);
  }
  TwRtRegions quick;
  TwRgFast *fast = c ? tw_rg_fast_new(&c->tape) : NULL;
  if (fast && tw_rg_fast_count(fast, n->coeffs, lo, hi, sliver, &quick)) {
    fast_told++;
    if (quick.pieces != b.counts.pieces) differ(seed, "pieces, fast", (double)quick.pieces, (double)b.counts.pieces);
  }
  tw_rg_fast_free(fast);
  tw_rt_counter_free(c);
  if (tame && !a.error) sample(seed, n, &a, lo, hi);
  tw_rt_pieces_free(&a);
  tw_rt_pieces_free(&b);
}

static void one(uint64_t seed) {
  static const Shape shapes[] = {
      {4, 2, true, false},  {4, 5, true, false},  {16, 1, false, false}, {1, 6, false, true},  {8, 2, false, false},
      {3, 4, true, true},   {5, 3, false, true},  {16, 2, true, false},  {2, 6, false, true},  {6, 3, true, true},
      {12, 3, true, false}, {16, 6, true, false}, {8, 5, false, true},   {16, 3, false, false}};
  uint64_t s = seed * 1000003;
  const Shape *h = &shapes[seed % (sizeof shapes / sizeof *shapes)];
  static const double ratios[] = {0x1p-8, 0, 0, 0.1, 0.9};
  double sliver = ratios[random_below(&s, 5)], lo = random_below(&s, 2) ? 0 : random_in(&s, -2, 0);
  double hi = lo + (random_below(&s, 2) ? 1 : random_in(&s, 0.01, 4));
  Net n = random_net(&s, h, lo, hi);
  uint32_t kind = random_below(&s, 4);
  if (kind == 1) mutate(&n, &s, random_below(&s, 9));
  if (kind == 2) pair_up(&n, &s);
  check(seed, &n, lo, hi, sliver, kind != 1);
  net_free(&n);
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 150, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static const uint64_t once_wrong[] = {7624, 9129, 9640, 10531, 11957, 12622, 15366, 16419};
  for (size_t i = 0; argc == 1 && i < sizeof once_wrong / sizeof *once_wrong; i++) one(once_wrong[i]);
  for (uint64_t i = 0; i < count && failures < 20; i++) one(first + i);
  printf("%" PRIu64 " nets, %d failures; %" PRId64 " patterns, %" PRId64 " merged, %" PRId64 " slivers, %" PRId64
         " repeated maps, %" PRIu64 " exact replays in %" PRIu64 " nets, %" PRIu64 " told in f64 alone\n",
         count, failures, patterns, merged, slivers, repeated, replays, exact_nets, fast_told);
  return failures > 0;
}
