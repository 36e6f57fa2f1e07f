/* fast.c: what the count in plain f64 tells is what the sweep counts, which falls back on exact arithmetic. Random nets
 * of every form that a step can have, with what makes trouble: ties, zero slopes, huge and tiny weights.
 *
 * fast [nets of each kind] [first seed]: 400 without arguments. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "runtime/regions_internal.h"

typedef enum Kind { PLAIN, TIES, FLAT, HUGE_ONES, NEAR, SHARED, WIDE, CHAINS, WAVES, N_KINDS } Kind;
static const char *const names[N_KINDS] = {"plain",           "ties", "flat",   "huge and tiny", "near ties",
                                           "shared operands", "wide", "chains", "waves"};

static double weight(uint64_t *s, Kind kind) {
  double w = (double)(float)random_in(s, -1, 1);
  if (kind == FLAT && random_below(s, 3) == 0) return 0;
  if (kind == HUGE_ONES && random_below(s, 4) == 0) return ldexp(w, (int)random_below(s, 110) - 55);
  if (kind == TIES && random_below(s, 2)) return (double)((int)random_below(s, 9) - 4) / 4;
  return w;
}

/* A number like this one, maybe not quite. */
static double nudged(uint64_t *s, Kind kind, double x) {
  return kind == NEAR && random_below(s, 3) == 0 ? nextafter(x, random_below(s, 2) ? 9 : -9) : x;
}

/* A neuron's sum; among ties often an earlier one again, or its negative, or one of the same zero, or nearly so. */
static uint32_t sum(Net *n, uint64_t *s, Kind kind, const uint32_t *from, uint32_t n_from, const uint32_t *made,
                    uint32_t n_made) {
  if ((kind == TIES || kind == NEAR) && n_made > 0 && random_below(s, 2)) {
    TwRtPlNode like = n->nodes[made[random_below(s, n_made)]];
    double f = random_below(s, 3) == 0 ? -1 : random_below(s, 2) ? 1 : kind == NEAR ? 0.3 : 0.5;
    uint32_t a = net_affine(n, nudged(s, kind, f * n->coeffs[like.bias]));
    for (uint32_t k = 0; k < like.n_terms; k++) {
      TwRtPlTerm t = n->terms[like.term + k];
      net_term(n, nudged(s, kind, f * n->coeffs[t.coeff]), t.node);
    }
    return a;
  }
  uint32_t a = net_affine(n, weight(s, kind) / 2);
  for (uint32_t k = 0; k < n_from; k++) net_term(n, weight(s, kind) * 2 / sqrt(n_from), from[k]);
  return a;
}

/* Others of this net's values beside a neuron: read again, passed on, or with a switch of another kind. */
static uint32_t beside(Net *n, uint64_t *s, uint32_t a, uint32_t relu, const uint32_t *from, uint32_t n_from) {
  uint32_t r;
  switch (random_below(s, 7)) {
    case 0: return net_switch(n, TW_PL_ABS, a, 0);
    case 1: return net_switch(n, TW_PL_MIN, a, from[random_below(s, n_from)]);
    case 2: return net_switch(n, TW_PL_MAX, relu, random_below(s, 2) ? a : 0);
    case 3: return net_switch(n, TW_PL_RELU, relu, 0);
    case 4: return net_switch(n, TW_PL_RELU, random_below(s, 2) ? a : 0, 0);
    case 5: return a;
    default:
      r = net_raw_affine(n, TW_PL_ZERO);
      net_raw_term(n, random_below(s, 2) ? TW_PL_ONE : TW_PL_MINUS_ONE, a);
      net_raw_term(n, random_below(s, 2) ? TW_PL_ONE : TW_PL_MINUS_ONE, relu);
      return random_below(s, 2) ? net_switch(n, TW_PL_RELU, r, 0) : r;
  }
}

/* A sum put in place of a term: with 1 or -1, sometimes beside a bias or another's, as Set_Weights has them. */
static uint32_t chained(Net *n, uint64_t *s, uint32_t a, const uint32_t *from, uint32_t n_from) {
  for (uint32_t k = random_below(s, 4); k > 0; k--) {
    uint32_t b = random_below(s, 4) ? net_raw_affine(n, TW_PL_ZERO) : net_affine(n, weight(s, PLAIN));
    net_raw_term(n, random_below(s, 2) ? TW_PL_ONE : TW_PL_MINUS_ONE, a);
    if (random_below(s, 2))
      net_raw_term(n, random_below(s, 3) ? TW_PL_ONE : TW_PL_MINUS_ONE, from[random_below(s, n_from)]);
    if (random_below(s, 8) == 0) net_term(n, weight(s, PLAIN), a);
    a = b;
  }
  return a;
}

static Net random_net(uint64_t *s, Kind kind) {
  if (kind == WAVES) return net_random_wave(s, 2 + (int)random_below(s, 4), 0.1, 0.9, random_below(s, 4) == 0);
  Net n = net_new();
  uint32_t layer[2][32] = {{0}}, made[32], width = 1,
           next = kind == WIDE ? 5 + random_below(s, 16) : 1 + random_below(s, 4);
  uint32_t depth = kind == WIDE ? 1 + random_below(s, 2) : 1 + random_below(s, 4);
  for (uint32_t d = 0; d < depth; d++) {
    uint32_t *from = layer[d % 2], *to = layer[(d + 1) % 2];
    for (uint32_t k = 0; k < next; k++) {
      uint32_t a = made[k] = sum(&n, s, kind, from, width, made, k);
      if (kind == CHAINS) a = chained(&n, s, a, from, width);
      to[k] = net_switch(&n, TW_PL_RELU, a, 0);
      if (kind == SHARED) to[k] = beside(&n, s, a, to[k], from, width);
    }
    width = next;
  }
  if (random_below(s, 50) == 0) net_done(&n, layer[depth % 2][0]);
  else net_done(&n, sum(&n, s, kind == TIES || kind == NEAR ? PLAIN : kind, layer[depth % 2], width, NULL, 0));
  return n;
}

static int failures;

/* Asked twice, with other weights in between: nothing may be left of them. */
static bool agree(uint64_t seed, Net *n, uint64_t *s, double lo, double hi, double sliver) {
  TwRtCounter *c = tw_rt_counter_new(&n->pl);
  TwRgFast *f = tw_rg_fast_new(&c->tape);
  TwRtRegions slow = tw_rg_count(c, n->coeffs, lo, hi, sliver, false), quick[2], other;
  bool told[2] = {false, false};
  for (int i = 0; f && i < 2; i++) {
    told[i] = tw_rg_fast_count(f, n->coeffs, lo, hi, sliver, &quick[i]);
    if (told[i] && slow.counted && quick[i].pieces == slow.pieces) continue;
    if (!told[i]) break;
    printf("seed %" PRIu64 ": %" PRId64 " pieces in f64, %" PRId64 " by the sweep\n", seed, quick[i].pieces,
           slow.pieces);
    failures++;
    break;
  }
  if (f && told[0] != told[1]) printf("seed %" PRIu64 ": told only once\n", seed), failures++;
  for (uint32_t k = 0; f && k < n->pl.n_coeffs; k++) n->coeffs[k] *= random_in(s, 0.5, 2);
  if (f && tw_rg_fast_count(f, n->coeffs, lo, hi, sliver, &other)) {
    slow = tw_rg_count(c, n->coeffs, lo, hi, sliver, false);
    if (other.pieces != slow.pieces) printf("seed %" PRIu64 ": wrong with other weights\n", seed), failures++;
  }
  tw_rg_fast_free(f);
  tw_rt_counter_free(c);
  return told[0];
}

int main(int argc, char **argv) {
  uint64_t nets = argc > 1 ? strtoull(argv[1], NULL, 10) : 400, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static const double slivers[] = {0x1p-8, 0x1p-8, 0, 0.1};
  Net probe = net_new();
  TwRtCounter *c = tw_rt_counter_new(net_done(&probe, net_relu(&probe, 0, 1, 0)));
  TwRgFast *f = tw_rg_fast_new(&c->tape); /* NULL: this processor has no such count */
  bool here = f != NULL;
  tw_rg_fast_free(f);
  tw_rt_counter_free(c);
  net_free(&probe);
  for (Kind kind = PLAIN; kind < N_KINDS; kind++) {
    uint64_t told = 0;
    for (uint64_t i = 0; i < nets && failures < 20; i++) {
      uint64_t seed = first + i, s = seed * N_KINDS + kind;
      double lo = random_below(&s, 2) ? 0 : random_in(&s, -2, 0),
             hi = lo + (random_below(&s, 2) ? 1 : random_in(&s, 0.01, 4));
      Net n = random_net(&s, kind);
      told += agree(seed, &n, &s, lo, hi, slivers[random_below(&s, 4)]);
      net_free(&n);
    }
    printf("%s: %" PRIu64 " of %" PRIu64 " nets are told in f64 alone\n", names[kind], told, nets);
    if (here && told < nets / 4) printf("that is too few to test anything\n"), failures++;
  }
  printf("%d failures\n", failures);
  return failures > 0;
}
