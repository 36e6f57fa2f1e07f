/* hand.c: nets whose regions are known, mistakes that must be refused, and sizes that must not hurt.
 *
 * hand large: with the full limit of 2^24 pieces, which takes seconds and 2 GB. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "runtime/regions_internal.h"

static int failures;

typedef struct Expected {
  int64_t patterns, pieces, slivers, maps, dead;
  double narrowest;
} Expected;

static void expect(const char *what, Net *n, uint32_t output, double lo, double hi, double sliver, Expected e) {
  TwRtPieces p;
  tw_rt_regions(net_done(n, output), n->coeffs, lo, hi, sliver, &p);
  TwRtCounter *counter = tw_rt_counter_new(&n->pl);
  TwRtRegions r = tw_rt_count(counter, n->coeffs, lo, hi, sliver), *c = &p.counts;
  tw_rt_counter_free(counter);
  bool ok = !p.error && c->patterns == e.patterns && c->pieces == e.pieces && c->slivers == e.slivers &&
            c->maps == e.maps && c->dead == e.dead && fabs(c->narrowest - e.narrowest) <= 1e-15 * e.narrowest;
  ok = ok && c->patterns == r.patterns && c->pieces == r.pieces && c->slivers == r.slivers && c->maps == r.maps &&
       c->dead == r.dead && c->narrowest == r.narrowest;
  for (size_t i = 0; ok && i < p.n; i++) /* no gaps, in order, joined */
    ok = (i == 0 ? p.pieces[i].lo == lo : p.pieces[i].lo == p.pieces[i - 1].hi) &&
         (i + 1 < p.n || p.pieces[i].hi == hi);
  if (!ok) {
    printf("%s: patterns %" PRId64 " pieces %" PRId64 " slivers %" PRId64 " maps %" PRId64 " dead %" PRId64
           " narrowest %.17g; %s\n",
           what, c->patterns, c->pieces, c->slivers, c->maps, c->dead, c->narrowest, p.error ? p.error : "no error");
    failures++;
  }
  tw_rt_pieces_free(&p);
  net_free(n);
}

/* The output sum of c[i] relu(x - at[i]). */
static uint32_t knots(Net *n, size_t count, const double *at, const double *c) {
  uint32_t *r = malloc(count * sizeof *r);
  for (size_t i = 0; r && i < count; i++) r[i] = net_relu(n, -at[i], 1, 0);
  uint32_t out = net_affine(n, 0);
  for (size_t i = 0; r && i < count; i++) net_term(n, c[i], r[i]);
  free(r);
  return out;
}

static void simple(void) {
  Net n = net_new();
  expect("x", &n, 0, 0, 1, 0x1p-8, (Expected){1, 1, 0, 1, 0, 1});
  n = net_new();
  expect("a constant", &n, net_affine(&n, 3), 0, 2, 0x1p-8, (Expected){1, 1, 0, 1, 0, 2});
  n = net_new();
  expect("|x|", &n, net_switch(&n, TW_PL_ABS, 0, 0), -1, 2, 0x1p-8, (Expected){2, 2, 0, 2, 0, 1});
  n = net_new();
  uint32_t a = net_switch(&n, TW_PL_RELU, 0, 0), b = net_relu(&n, 0, -1, 0), out = net_affine(&n, 0);
  net_term(&n, 1, a);
  net_term(&n, 1, b);
  expect("relu x + relu -x", &n, out, -1, 2, 0x1p-8, (Expected){2, 2, 0, 2, 0, 1});
  n = net_new();
  a = net_switch(&n, TW_PL_RELU, 0, 0), b = net_relu(&n, 0, -1, 0), out = net_raw_affine(&n, TW_PL_ZERO);
  net_raw_term(&n, TW_PL_ONE, a);
  net_raw_term(&n, TW_PL_MINUS_ONE, b);
  expect("relu x - relu -x = x", &n, out, -1, 2, 0x1p-8, (Expected){2, 1, 0, 1, 0, 3});
  n = net_new();
  expect("hat", &n, knots(&n, 3, (double[]){0, 1, 2}, (double[]){1, -2, 1}), -1, 3, 0x1p-8,
         (Expected){4, 4, 0, 3, 0, 1});
  n = net_new();
  a = net_affine(&n, 1);
  net_term(&n, -1, 0);
  out = net_switch(&n, TW_PL_MAX, net_switch(&n, TW_PL_MIN, 0, a), net_affine(&n, 0.25));
  expect("max(min(x, 1 - x), 1/4)", &n, out, 0, 1, 0x1p-8, (Expected){4, 4, 0, 3, 0, 0.25});
  n = net_new();
  out = net_affine(&n, 0);
  net_term(&n, 1, net_switch(&n, TW_PL_MIN, 0, 0));
  expect("min(x, x)", &n, out, -1, 1, 0x1p-8, (Expected){1, 1, 0, 1, 0, 2});
}

static void zeros_and_ends(void) {
  Net n = net_new();
  expect("kink at the left end", &n, net_switch(&n, TW_PL_RELU, 0, 0), 0, 1, 0x1p-8, (Expected){1, 1, 0, 1, 0, 1});
  n = net_new();
  expect("kink at the right end", &n, net_switch(&n, TW_PL_RELU, 0, 0), -1, 0, 0x1p-8, (Expected){1, 1, 0, 1, 1, 1});
  n = net_new();
  expect("kinks at both ends, in tenths", &n, knots(&n, 2, (double[]){0.1, 0.3}, (double[]){1, 1}), 0.1, 0.3, 0x1p-8,
         (Expected){1, 1, 0, 1, 1, 0.2});
  n = net_new();
  uint32_t a = net_affine(&n, 0);
  net_term(&n, 0, 0);
  a = net_switch(&n, TW_PL_RELU, a, 0);
  uint32_t out = net_affine(&n, 0);
  net_term(&n, 5, a);
  net_term(&n, 1, 0);
  expect("a relu of zero", &n, out, -1, 1, 0x1p-8, (Expected){1, 1, 0, 1, 1, 2});
  n = net_new();
  a = net_switch(&n, TW_PL_RELU, 0, 0); /* zero on [-1, 0] */
  uint32_t b = net_relu(&n, 0, 2, a), c = net_relu(&n, 0, -1, a);
  out = net_affine(&n, 1);
  net_term(&n, 1, b);
  net_term(&n, 1, c);
  expect("relus of what is zero on half", &n, out, -1, 1, 0x1p-8, (Expected){2, 2, 0, 2, 1, 1});
  n = net_new();
  a = net_relu(&n, -1, 0, 0);
  b = net_relu(&n, 1, 0, 0);
  out = net_affine(&n, 0);
  net_term(&n, 1, a);
  net_term(&n, 1, b);
  net_term(&n, 1, 0);
  expect("relus of constants", &n, out, 0, 1, 0x1p-8, (Expected){1, 1, 0, 1, 1, 1});
  n = net_new();
  a = net_switch(&n, TW_PL_ABS, 0, 0); /* touches zero: no switch of the relu */
  expect("relu |x|", &n, net_switch(&n, TW_PL_RELU, a, 0), -1, 1, 0x1p-8, (Expected){2, 2, 0, 2, 0, 1});
}

static void together(void) {
  Net n = net_new();
  expect("three relus with one kink", &n, knots(&n, 3, (double[]){0.3, 0.3, 0.3}, (double[]){1, 2, 3}), 0, 1, 0x1p-8,
         (Expected){2, 2, 0, 2, 0, 0.3});
  n = net_new();
  uint32_t a = net_relu(&n, -0.3, 1, 0), b = net_relu(&n, -0.3 * 7, 7, 0), out = net_affine(&n, 0);
  net_term(&n, 7, a); /* 0.3 * 7 is rounded: the kinks are 2e-17 apart, between them a sliver */
  net_term(&n, -1, b);
  Expected e = {2, 2, 1, 2, 0, 0.3};
  if (fma(0.3, 7, -0.3 * 7) == 0) e = (Expected){2, 1, 0, 1, 0, 1};
  expect("kinks that all but coincide", &n, out, 0, 1, 0x1p-8, e);
  n = net_new();
  a = net_relu(&n, -0.5, 1, 0);
  out = net_affine(&n, 0);
  net_term(&n, 0, a);
  net_term(&n, 1, 0);
  expect("a kink that does not arrive", &n, out, 0, 1, 0x1p-8, (Expected){2, 1, 0, 1, 0, 1});
  n = net_new(); /* the middle of the merged piece is a breakpoint of two relus */
  uint32_t r[4] = {net_switch(&n, TW_PL_RELU, 0, 0), net_relu(&n, 0, -1, 0), net_relu(&n, -1, 1, 0),
                   net_relu(&n, -1, 1, 0)};
  out = net_affine(&n, 0);
  for (int i = 0; i < 4; i++) net_term(&n, i % 2 ? -1 : 1, r[i]);
  expect("two merges in a row", &n, out, -1, 3, 0x1p-8, (Expected){3, 1, 0, 1, 0, 4});
  n = net_new(); /* so is that of this one, and its map comes again after a bump */
  uint32_t q[5] = {net_switch(&n, TW_PL_RELU, 0, 0), net_relu(&n, 0, -1, 0), net_relu(&n, -1, 1, 0),
                   net_relu(&n, -1.5, 1, 0), net_relu(&n, -2, 1, 0)};
  out = net_affine(&n, 0);
  for (int i = 0; i < 5; i++) net_term(&n, (double[]){1, -1, 1, -2, 1}[i], q[i]);
  expect("a map that comes again", &n, out, -1, 3, 0x1p-8, (Expected){5, 4, 0, 3, 0, 0.5});
  n = net_new();
  a = net_relu(&n, -1, 1, 0);
  out = net_relu(&n, -0x1p-200, 1, a);
  b = net_affine(&n, 0);
  net_term(&n, 1, a);
  net_term(&n, 1, out);
  expect("kinks 2^-200 apart", &n, b, 0, 2, 0, (Expected){3, 3, 0, 3, 0, 0x1p-200});
  n = net_new();
  a = net_relu(&n, -1, 1, 0);
  out = net_relu(&n, -0x1p-1074, 1, a);
  b = net_affine(&n, 0);
  net_term(&n, 1, a);
  net_term(&n, 1, out);
  expect("kinks 2^-1074 apart", &n, b, 0, 2, 0x1p-8, (Expected){2, 2, 1, 2, 0, 1});
}

/* Values that underflow on the way are not zero. */
static void underflow(void) {
  Net n = net_new();
  uint32_t y = net_relu(&n, -0.5, 1, 0);
  for (int i = 0; i < 12; i++) {
    uint32_t next = net_affine(&n, 0);
    net_term(&n, i < 6 ? 0x1p-190 : 0x1p190, y);
    y = i == 5 ? net_switch(&n, TW_PL_RELU, next, 0) : next;
  }
  expect("a value of 2^-1140", &n, y, 0, 1, 0x1p-8, (Expected){2, 2, 0, 2, 0, 0.5});
  n = net_new();
  y = net_relu(&n, -0.5, 1, 0);
  uint32_t one = net_affine(&n, 1);
  net_term(&n, 0x1p-190, y);
  for (int i = 0; i < 5; i++) {
    uint32_t next = net_affine(&n, i == 0 ? -1 : 0);
    net_term(&n, i == 0 ? 1 : i < 3 ? 0x1p-190 : 0x1p190, i == 0 ? one : y);
    y = i == 2 ? net_switch(&n, TW_PL_RELU, next, 0) : next;
  }
  expect("1 + 2^-190 x - 1, shrunk and grown", &n, y, 0, 1, 0x1p-8, (Expected){2, 2, 0, 2, 0, 0.5});
}

static void slivers(void) {
  Net n = net_new();
  double s = 0x1p-8;
  expect("exactly 2^-8 is no sliver", &n, knots(&n, 2, (double[]){1, 1 + s}, (double[]){1, 1}), 0, 2 + s, s,
         (Expected){3, 3, 0, 3, 0, s});
  n = net_new();
  expect("a little less is one", &n, knots(&n, 2, (double[]){1, 1 + s - 0x1p-52}, (double[]){1, 1}), 0, 2, s,
         (Expected){2, 2, 1, 2, 0, 1 - s});
  n = net_new();
  expect("a chain of slivers", &n, knots(&n, 4, (double[]){1, 1.0001, 1.00011, 1.00021}, (double[]){1, 1, 1, 1}), 0, 2,
         s, (Expected){2, 2, 3, 2, 0, 2 - 1.00021});
  n = net_new(); /* each 2^-7 of the one before: none may be dropped */
  double u = 0x1p-7, at[] = {1, 1 + u, 1 + u + u * u, 1 + u + u * u + u * u * u};
  expect("a staircase", &n, knots(&n, 4, at, (double[]){1, 1, 1, 1}), 0, at[3] + u * u * u * u, s,
         (Expected){5, 5, 0, 5, 0, u * u * u * u});
  n = net_new(); /* but its last steps are, next to a wide piece */
  expect("a staircase against a wall", &n, knots(&n, 4, at, (double[]){1, 1, 1, 1}), 0, 2, s,
         (Expected){3, 3, 2, 3, 0, u});
  n = net_new();
  expect("hidden from the left, past what is hidden too", &n,
         knots(&n, 4, (double[]){1, 1 + 1e-3, 1 + 2e-3, 1 + 5e-3}, (double[]){1, 1, 1, 1}), 0, 1 + 1e-2, s,
         (Expected){3, 3, 2, 3, 0, (1 + 5e-3) - (1 + 2e-3)});
  n = net_new();
  expect("no sliver is asked for", &n, knots(&n, 2, (double[]){1, 1 + 0x1p-52}, (double[]){1, 1}), 0, 2, 0,
         (Expected){3, 3, 0, 3, 0, 0x1p-52});
}

/* ---- refused */

static void refused(const char *what, const TwRtPl *pl, const double *coeffs, double lo, double hi, double sliver) {
  TwRtPieces p;
  tw_rt_regions(pl, coeffs, lo, hi, sliver, &p);
  TwRtCounter *c = tw_rt_counter_new(pl);
  TwRtRegions r = tw_rt_count(c, coeffs, lo, hi, sliver);
  if (!p.error || p.counts.counted || p.pieces || r.counted) {
    printf("%s: not refused\n", what);
    failures++;
  }
  tw_rt_counter_free(c);
  tw_rt_pieces_free(&p);
}

static void mistakes(void) {
  Net n = net_new();
  uint32_t a = net_relu(&n, -0.5, 1, 0);
  const TwRtPl *pl = net_done(&n, a);
  refused("lo = hi", pl, n.coeffs, 1, 1, 0);
  refused("lo > hi", pl, n.coeffs, 1, 0, 0);
  refused("lo NaN", pl, n.coeffs, NAN, 0, 0);
  refused("hi inf", pl, n.coeffs, 0, INFINITY, 0);
  refused("sliver 1", pl, n.coeffs, 0, 1, 1);
  refused("sliver < 0", pl, n.coeffs, 0, 1, -0.1);
  refused("sliver NaN", pl, n.coeffs, 0, 1, NAN);
  refused("no coefficients", pl, NULL, 0, 1, 0);
  refused("no tape", NULL, n.coeffs, 0, 1, 0);
  for (int i = 0; i < 4; i++) {
    double keep = n.coeffs[i % 2];
    n.coeffs[i % 2] = i < 2 ? NAN : -INFINITY;
    refused("a coefficient is not finite", pl, n.coeffs, 0, 1, 0);
    n.coeffs[i % 2] = keep;
  }
  TwRtPl bad = *pl;
  bad.why_not = "because";
  refused("why_not", &bad, n.coeffs, 0, 1, 0);
  bad = *pl;
  bad.n_nodes = 0;
  refused("no nodes", &bad, n.coeffs, 0, 1, 0);
  bad = *pl;
  bad.output = 9;
  refused("output out of range", &bad, n.coeffs, 0, 1, 0);
  bad = *pl;
  bad.n_coeffs = 1;
  refused("coefficient out of range", &bad, n.coeffs, 0, 1, 0);
  bad = *pl;
  bad.n_terms = 0;
  refused("term out of range", &bad, n.coeffs, 0, 1, 0);
  n.nodes[2].a = 2;
  refused("operand after its user", pl, n.coeffs, 0, 1, 0);
  n.nodes[2].a = 1;
  n.nodes[2].kind = 77;
  refused("no such kind", pl, n.coeffs, 0, 1, 0);
  net_free(&n);
}

/* ---- sizes */

static Net tents(int depth) {
  Net n = net_new();
  uint32_t x = 0;
  for (int i = 0; i < depth; i++) {
    uint32_t a = net_affine(&n, -1);
    net_term(&n, 2, x);
    x = net_switch(&n, TW_PL_ABS, a, 0);
  }
  net_done(&n, x);
  return n;
}

static void sizes(bool large) {
  Net n = tents(60);
  TwRtCounter *counter = tw_rt_counter_new(&n.pl);
  if (!large) tw_rt_counter_limit(counter, 1 << 14);
  TwRtRegions many = tw_rt_count(counter, n.coeffs, 0, 1, 0x1p-8);
  if (many.counted || !counter->error) {
    printf("2^60 pieces: not refused\n");
    failures++;
  }
  tw_rt_counter_free(counter);
  net_free(&n);
  n = tents(16);
  expect("2^16 pieces", &n, n.pl.output, 0, 1, 0x1p-8, (Expected){1 << 16, 1 << 16, 0, 1 << 16, 0, 0x1p-16});

  enum { MANY = 1000 };
  double at[MANY], c[MANY];
  for (int i = 0; i < MANY; i++) {
    at[i] = (double)((i * 7919) % MANY + 1) / 2048;
    c[i] = 1;
  }
  n = net_new();
  expect("1000 relus in one layer", &n, knots(&n, MANY, at, c), 0, (MANY + 1) * 0x1p-11, 0x1p-8,
         (Expected){MANY + 1, MANY + 1, 0, MANY + 1, 0, 0x1p-11});
  n = net_new(); /* the last piece is 1048 times as wide as the others and hides four of them */
  expect("a fine comb beside a wide piece", &n, knots(&n, MANY, at, c), 0, 1, 0x1p-8,
         (Expected){MANY - 3, MANY - 3, 4, MANY - 3, 0, 0x1p-11});
  n = net_new(); /* the same as a running sum, so that the tape is a chain */
  uint32_t sum = net_affine(&n, 0);
  for (int i = 0; i < MANY; i++) {
    uint32_t r = net_relu(&n, -at[i], 1, 0), next = net_raw_affine(&n, TW_PL_ZERO);
    net_raw_term(&n, TW_PL_ONE, sum);
    net_raw_term(&n, TW_PL_ONE, r);
    sum = next;
  }
  expect("1000 relus in a chain", &n, sum, 0, (MANY + 1) * 0x1p-11, 0x1p-8,
         (Expected){MANY + 1, MANY + 1, 0, MANY + 1, 0, 0x1p-11});
  n = net_new();
  uint32_t y = 0;
  for (int i = 0; i < 100000; i++) {
    uint32_t next = net_raw_affine(&n, TW_PL_ZERO);
    net_raw_term(&n, TW_PL_ONE, y);
    y = next;
  }
  expect("100000 affine maps", &n, net_switch(&n, TW_PL_ABS, y, 0), -1, 1, 0x1p-8, (Expected){2, 2, 0, 2, 0, 1});
  n = net_new();
  y = 0;
  for (int i = 0; i < 200; i++) {
    uint32_t next = net_affine(&n, -0x1p-1074);
    net_term(&n, i % 2 ? 0x1p1000 : 0x1p-1000, y);
    y = net_switch(&n, TW_PL_RELU, next, 0);
  }
  net_done(&n, y);
  TwRtPieces p; /* numbers of hundreds of thousands of bits: counted or refused, but not forever */
  tw_rt_regions(&n.pl, n.coeffs, -1, 1, 0, &p);
  if (!p.error && p.counts.pieces < 1) failures++;
  tw_rt_pieces_free(&p);
  net_free(&n);
}

/* ---- threads: a counter belongs to one, and any number work side by side */

typedef struct Job {
  const Net *net;
  int64_t pieces, slivers;
  double narrowest;
  bool same;
} Job;

static void *work(void *arg) {
  Job *j = arg;
  TwRtCounter *c = tw_rt_counter_new(&j->net->pl);
  j->same = true;
  for (int i = 0; i < 200; i++) {
    TwRtRegions r = tw_rt_count(c, j->net->coeffs, 0, 1, 0x1p-8);
    j->same = j->same && (i == 0 || (r.pieces == j->pieces && r.slivers == j->slivers && r.narrowest == j->narrowest));
    j->pieces = r.pieces;
    j->slivers = r.slivers;
    j->narrowest = r.narrowest;
  }
  tw_rt_counter_free(c);
  return NULL;
}

static void threads(void) {
  uint64_t s = 7;
  Net n = net_random_wave(&s, 6, 0.2, 0.8, false);
  pthread_t t[4];
  Job j[4];
  for (int i = 0; i < 4; i++) {
    j[i] = (Job){.net = &n};
    if (pthread_create(&t[i], NULL, work, &j[i]) != 0) abort();
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(t[i], NULL);
    if (!j[i].same || j[i].pieces != 64 || j[i].slivers != j[0].slivers || j[i].narrowest != j[0].narrowest) {
      printf("thread %d: %" PRId64 " pieces\n", i, j[i].pieces);
      failures++;
    }
  }
  net_free(&n);
}

int main(int argc, char **argv) {
  simple();
  zeros_and_ends();
  together();
  underflow();
  slivers();
  mistakes();
  sizes(argc > 1 && strcmp(argv[1], "large") == 0);
  threads();
  printf("%d failures\n", failures);
  return failures > 0;
}
