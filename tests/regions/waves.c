/* waves.c: triangle-wave nets have exactly 2^d pieces, slivers apart, in f32 and in f64.
 *
 * waves [nets] [lowest peak] [depths…]: for each depth and precision that many nets with peaks between the
 * lowest and 1 minus it. Without arguments: where that holds for every net tried, and where in f32 rounding
 * leaves more, never fewer (docs/regions.md). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "oracle.h"
#include "runtime/regions_internal.h"

static int check(int d, double low, bool f64, uint64_t seed, bool with_oracle, int64_t *slivers, bool *more) {
  uint64_t s = seed;
  Net n = net_random_wave(&s, d, low, 1 - low, f64);
  TwRtCounter *c = tw_rt_counter_new(&n.pl);
  TwRtRegions r = tw_rt_count(c, n.coeffs, 0, 1, 0x1p-8);
  bool right = *more ? r.pieces >= (int64_t)1 << d : r.pieces == (int64_t)1 << d;
  int bad = !r.counted || !right || r.patterns != r.pieces || r.maps != r.pieces || r.dead != 0;
  *more = r.pieces > (int64_t)1 << d;
  if (bad)
    printf("d = %d, %s, seed %" PRIu64 ": %" PRId64 " pieces, %" PRId64 " patterns, %" PRId64 " maps, %" PRId64
           " slivers, %" PRId64 " dead, narrowest %g\n",
           d, f64 ? "f64" : "f32", seed, r.pieces, r.patterns, r.maps, r.slivers, r.dead, r.narrowest);
  *slivers += r.slivers;
  if (with_oracle) {
    TwRtPieces o;
    oracle_count(&n.pl, n.coeffs, 0, 1, 0x1p-8, &o);
    if (o.counts.slivers != r.slivers || o.counts.pieces != r.pieces || o.counts.dead != r.dead) {
      printf("d = %d, seed %" PRIu64 ": the oracle finds %" PRId64 " pieces and %" PRId64 " slivers, not %" PRId64
             " and %" PRId64 "\n",
             d, seed, o.counts.pieces, o.counts.slivers, r.pieces, r.slivers);
      bad = 1;
    }
    tw_rt_pieces_free(&o);
  }
  tw_rt_counter_free(c);
  net_free(&n);
  return bad;
}

/* allowed: how many nets may have more than 2^d. */
static int series(int d, double low, bool f64, int nets, bool with_oracle, int allowed) {
  int bad = 0, n_more = 0;
  int64_t slivers = 0;
  for (int i = 0; i < nets; i++) {
    bool more = allowed > 0;
    bad += check(d, low, f64, (uint64_t)(1000 * d + i), with_oracle, &slivers, &more);
    n_more += more;
  }
  printf("d = %2d, %s, peaks in (%g, %g): of %d nets %d do not have exactly 2^d pieces; %.1f slivers each\n", d,
         f64 ? "f64" : "f32", low, 1 - low, nets, bad > n_more ? bad : n_more, (double)slivers / nets);
  return bad > 0 || n_more > allowed;
}

/* All peaks 1/2 and s_0 = 1/4: everything is exact in f64, and there is no sliver. */
static int dyadic(int d) {
  double a[32] = {0};
  for (int i = 0; i <= d; i++) a[i] = 0.5;
  Net n = net_wave(d, a, 0.25, false);
  TwRtPieces p;
  tw_rt_regions(&n.pl, n.coeffs, 0, 1, 0, &p);
  int bad = p.error || p.counts.pieces != (int64_t)1 << d || p.counts.slivers != 0 ||
            p.counts.maps != p.counts.pieces || p.counts.narrowest != 1.0 / (double)((int64_t)1 << d);
  for (size_t i = 0; i < p.n && !bad; i++)
    bad = p.pieces[i].lo != (double)i / (double)p.n || p.pieces[i].hi != (double)(i + 1) / (double)p.n;
  if (bad) printf("peaks 1/2, d = %d: %s, %" PRId64 " pieces\n", d, p.error ? p.error : "no error", p.counts.pieces);
  tw_rt_pieces_free(&p);
  net_free(&n);
  return bad;
}

/* In plain f64: the same number of pieces as the counter finds, also where the sum neuron is off and its successors
 * switch together with their neighbours; and told nearly always, which is what makes it fast. */
static int fast(int d, double growth, int nets, int least) {
  int bad = 0, told = 0;
  for (int i = 0; i < nets; i++) {
    uint64_t s = (uint64_t)(77 * d + i);
    double a[32];
    for (int k = 0; k <= d; k++) a[k] = random_in(&s, 0.3, 0.7);
    Net n = net_wave(d, a, growth * (1 - a[0]) * a[1], false);
    TwRtCounter *c = tw_rt_counter_new(&n.pl);
    TwRgFast *f = tw_rg_fast_new(&c->tape);
    TwRtRegions r = tw_rt_count(c, n.coeffs, 0, 1, 0x1p-8), q;
    if (f && tw_rg_fast_count(f, n.coeffs, 0, 1, 0x1p-8, &q)) {
      told++;
      bad += q.pieces != r.pieces;
    }
    told += !f; /* not on this processor */
    tw_rg_fast_free(f);
    tw_rt_counter_free(c);
    net_free(&n);
  }
  printf("d = %2d, s_0 times %g: of %d nets %d are told in f64 alone, %d wrong\n", d, growth, nets, told, bad);
  return bad > 0 || told < least;
}

int main(int argc, char **argv) {
  int bad = 0;
  if (argc > 3) {
    for (int i = 3; i < argc; i++)
      for (int f64 = 0; f64 < 2; f64++) bad += series(atoi(argv[i]), atof(argv[2]), f64, atoi(argv[1]), false, 0);
    return bad > 0;
  }
  static const struct {
    int d, nets;
    double low;
    bool f64, oracle;
    int allowed;
  } all[] = {{1, 20, 0.05, false, true, 0},  {2, 20, 0.05, true, true, 0},   {5, 60, 0.05, false, true, 0},
             {5, 60, 0.05, true, true, 0},   {8, 40, 0.05, true, false, 0},  {8, 60, 0.1, false, false, 0},
             {10, 20, 0.05, true, false, 0}, {10, 20, 0.3, false, false, 0}, {12, 5, 0.05, true, false, 0},
             {8, 40, 0.05, false, false, 2}, {10, 20, 0.05, false, false, 3}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    bad += series(all[i].d, all[i].low, all[i].f64, all[i].nets, all[i].oracle, all[i].allowed);
  for (int d = 1; d <= 12; d++) bad += dyadic(d);
  bad += fast(5, 1, 200, 180) + fast(5, 4, 200, 180) + fast(8, 1, 50, 20);
  return bad > 0;
}
