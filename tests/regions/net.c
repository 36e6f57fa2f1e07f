/* net.c: see net.h. */
#include "net.h"

#include <gmp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *more(void *p, uint32_t n, uint32_t *cap, size_t size) {
  if (n < *cap) return p;
  *cap = *cap ? 2 * *cap : 32;
  p = realloc(p, *cap * size);
  if (!p) abort();
  return p;
}

Net net_new(void) {
  Net n;
  memset(&n, 0, sizeof n);
  n.nodes = more(NULL, 0, &n.cap_nodes, sizeof *n.nodes);
  n.nodes[0] = (TwRtPlNode){.kind = TW_PL_INPUT};
  n.pl.n_nodes = 1;
  return n;
}

void net_free(Net *n) {
  free(n->nodes);
  free(n->terms);
  free(n->coeffs);
  memset(n, 0, sizeof *n);
}

static uint32_t add(Net *n, TwRtPlNode node) {
  n->nodes = more(n->nodes, n->pl.n_nodes, &n->cap_nodes, sizeof *n->nodes);
  n->nodes[n->pl.n_nodes] = node;
  return n->pl.n_nodes++;
}

static uint32_t coefficient(Net *n, double c) {
  n->coeffs = more(n->coeffs, n->pl.n_coeffs, &n->cap_coeffs, sizeof *n->coeffs);
  n->coeffs[n->pl.n_coeffs] = c;
  return n->pl.n_coeffs++;
}

uint32_t net_raw_affine(Net *n, uint32_t bias) {
  return add(n, (TwRtPlNode){.kind = TW_PL_AFFINE, .bias = bias, .term = n->pl.n_terms});
}

void net_raw_term(Net *n, uint32_t coeff, uint32_t node) {
  n->terms = more(n->terms, n->pl.n_terms, &n->cap_terms, sizeof *n->terms);
  n->terms[n->pl.n_terms++] = (TwRtPlTerm){coeff, node};
  n->nodes[n->pl.n_nodes - 1].n_terms++;
}

uint32_t net_affine(Net *n, double bias) { return net_raw_affine(n, coefficient(n, bias)); }

void net_term(Net *n, double c, uint32_t node) { net_raw_term(n, coefficient(n, c), node); }

uint32_t net_switch(Net *n, TwRtPlKind kind, uint32_t a, uint32_t b) {
  return add(n, (TwRtPlNode){.kind = kind, .a = a, .b = b});
}

uint32_t net_relu(Net *n, double bias, double c, uint32_t node) {
  uint32_t a = net_affine(n, bias);
  net_term(n, c, node);
  return net_switch(n, TW_PL_RELU, a, 0);
}

const TwRtPl *net_done(Net *n, uint32_t output) {
  n->pl.model = "f";
  n->pl.output = output;
  n->pl.nodes = n->nodes;
  n->pl.terms = n->terms;
  return &n->pl;
}

uint64_t random_bits(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double random_in(uint64_t *state, double lo, double hi) {
  return lo + (hi - lo) * ((double)(random_bits(state) >> 11) * 0x1p-53);
}

uint32_t random_below(uint64_t *state, uint32_t n) { return (uint32_t)(random_bits(state) % n); }

/* ---- triangle waves */

/* The nearest of the candidate and its two neighbours in the precision asked for. */
static double nearest(const mpq_t x, bool f64) {
  double middle = f64 ? mpq_get_d(x) : (double)(float)mpq_get_d(x);
  double best = middle;
  mpq_t at, least, d;
  mpq_inits(at, least, d, NULL);
  for (int side = -1; side <= 1; side++) {
    double c = middle;
    if (side != 0)
      c = f64 ? nextafter(middle, side < 0 ? -1e9 : 1e9) : (double)nextafterf((float)middle, side < 0 ? -1e9f : 1e9f);
    mpq_set_d(at, c);
    mpq_sub(d, x, at);
    mpq_abs(d, d);
    if (side < 0 || mpq_cmp(d, least) < 0) {
      mpq_set(least, d);
      best = c;
    }
  }
  mpq_clears(at, least, d, NULL);
  return best;
}

/* S / a, S / (a - a²) and S a', rounded once. */
static void weights(double ratio_a, double ratio_b, bool ratio_is_product, double a, double next, bool f64,
                    double w[4]) {
  mpq_t s, p, q, one;
  mpq_inits(s, p, q, one, NULL);
  mpq_set_ui(one, 1, 1);
  mpq_set_d(s, ratio_a);
  if (ratio_is_product) { /* (1 - ratio_a) ratio_b */
    mpq_sub(s, one, s);
    mpq_set_d(p, ratio_b);
    mpq_mul(s, s, p);
  }
  mpq_set_d(p, a);
  mpq_div(q, s, p);
  w[0] = nearest(q, f64);
  mpq_sub(one, one, p);
  mpq_div(q, q, one);
  w[1] = nearest(q, f64);
  mpq_set_d(p, next);
  mpq_mul(q, s, p);
  w[2] = nearest(q, f64);
  w[3] = nearest(s, f64);
  mpq_clears(s, p, q, one, NULL);
}

Net net_wave(int d, const double *a, double scale, bool f64) {
  Net n = net_new();
  uint32_t sum = net_relu(&n, 0, 1, 0), t1 = net_relu(&n, 0, 1, 0);
  uint32_t t2 = net_relu(&n, f64 ? -a[0] : -(double)(float)a[0], 1, 0), bias = net_relu(&n, 1, 0, 0);
  for (int i = 0; i < d; i++) {
    double w[4];
    weights(i == 0 ? scale : a[i], a[i + 1], i > 0, a[i], i + 1 < d ? a[i + 1] : 0, f64, w);
    uint32_t next_sum = net_affine(&n, 0);
    net_term(&n, 1, sum);
    net_term(&n, -w[0], t1);
    net_term(&n, w[1], t2);
    net_term(&n, 0, bias);
    if (i == d - 1) {
      net_done(&n, next_sum);
      break;
    }
    uint32_t next[2];
    for (int k = 0; k < 2; k++) {
      next[k] = net_affine(&n, 0);
      net_term(&n, 0, sum);
      net_term(&n, w[0], t1);
      net_term(&n, -w[1], t2);
      net_term(&n, k == 0 ? 0 : -w[2], bias);
    }
    uint32_t next_bias = net_affine(&n, 0);
    net_term(&n, 0, sum);
    net_term(&n, 0, t1);
    net_term(&n, 0, t2);
    net_term(&n, w[3], bias);
    sum = net_switch(&n, TW_PL_RELU, next_sum, 0);
    t1 = net_switch(&n, TW_PL_RELU, next[0], 0);
    t2 = net_switch(&n, TW_PL_RELU, next[1], 0);
    bias = net_switch(&n, TW_PL_RELU, next_bias, 0);
  }
  return n;
}

Net net_random_wave(uint64_t *state, int d, double lo, double hi, bool f64) {
  double a[64] = {0};
  for (int i = 0; i <= d; i++) a[i] = random_in(state, lo, hi);
  /* F'(0+) = 1 - scale / (a_0 a_1) (1 - prod_{1…d} (1 - a_j)) */
  double scale = random_in(state, 0.3, 0.95) * fmin(a[0], 1 - a[0]) * a[1];
  return net_wave(d, a, scale, f64);
}
