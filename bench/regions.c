/* bench/regions.c: what counting regions costs, on triangle-wave nets.
 *
 * For d = 5 and others, in f32 and f64, with the zeros of Set_Weights and with all weights released (every
 * weight nonzero): microseconds of processor time a call of tw_rt_count_pieces; of tw_rt_count for dense nets; and
 * seconds for a list by tw_rt_regions. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Gives zero weights the size that a little training gives them. */
static void release(Net *n, uint64_t *s, bool f64) {
  for (uint32_t i = 0; i < n->pl.n_coeffs; i++) {
    double c = n->coeffs[i] + 1e-6 * random_in(s, -1, 1);
    n->coeffs[i] = f64 ? c : (double)(float)c;
  }
}

/* Dense nets as they are initialised: weights and biases uniform within 1 / sqrt(inputs). */
static void dense(uint32_t width, uint32_t depth) {
  enum { NETS = 200 };
  double all = 0, worst = 0;
  int64_t pieces = 0, patterns = 0;
  for (int i = 0; i < NETS; i++) {
    uint64_t s = (uint64_t)i + 1000 * width;
    Net n = net_new();
    uint32_t layer[2][64] = {{0}}, from = 1;
    for (uint32_t d = 0; d <= depth; d++) {
      double size = 1 / sqrt(from);
      uint32_t to = d < depth ? width : 1;
      for (uint32_t k = 0; k < to; k++) {
        uint32_t a = net_affine(&n, (double)(float)random_in(&s, -size, size));
        for (uint32_t j = 0; j < from; j++) net_term(&n, (double)(float)random_in(&s, -size, size), layer[d % 2][j]);
        layer[(d + 1) % 2][k] = a;
      }
      for (uint32_t k = 0; d < depth && k < to; k++)
        layer[(d + 1) % 2][k] = net_switch(&n, TW_PL_RELU, layer[(d + 1) % 2][k], 0);
      from = to;
    }
    net_done(&n, layer[(depth + 1) % 2][0]);
    TwRtCounter *c = tw_rt_counter_new(&n.pl);
    TwRtRegions r = tw_rt_count(c, n.coeffs, 0, 1, 0x1p-8);
    double start = now();
    for (int k = 0; k < 200; k++) r = tw_rt_count(c, n.coeffs, 0, 1, 0x1p-8);
    double each = (now() - start) / 200;
    all += each / NETS;
    worst = each > worst ? each : worst;
    pieces += r.pieces;
    patterns += r.patterns;
    tw_rt_counter_free(c);
    net_free(&n);
  }
  printf("dense %2u x %u f32   %9.2f us a count (worst %9.2f)   %.1f pieces %.1f patterns\n", width, depth, 1e6 * all,
         1e6 * worst, (double)pieces / NETS, (double)patterns / NETS);
}

static void measure(int d, bool f64, bool released) {
  enum { NETS = 20 };
  double best = 1e9, all = 0, worst = 0;
  int64_t pieces = 0;
  int repeat = d < 8 ? 2000 : d < 12 ? 50 : 3;
  for (int i = 0; i < NETS; i++) {
    uint64_t s = (uint64_t)(1000 * d + i);
    Net n = net_random_wave(&s, d, 0.3, 0.7, f64);
    if (released) release(&n, &s, f64);
    TwRtCounter *c = tw_rt_counter_new(&n.pl);
    TwRtRegions r = tw_rt_count(c, n.coeffs, 0, 1, 0x1p-8);
    double least = 1e9;
    for (int pass = 0; pass < 3; pass++) {
      double start = now();
      for (int k = 0; k < repeat; k++) r = tw_rt_count_pieces(c, n.coeffs, 0, 1, 0x1p-8);
      double each = (now() - start) / repeat;
      least = each < least ? each : least;
    }
    pieces += r.pieces;
    best = least < best ? least : best;
    worst = least > worst ? least : worst;
    all += least / NETS;
    tw_rt_counter_free(c);
    net_free(&n);
  }
  printf("d = %2d %s %-8s  %9.2f us a count (best %9.2f, worst %9.2f)   %8.1f pieces\n", d, f64 ? "f64" : "f32",
         released ? "released" : "as set", 1e6 * all, 1e6 * best, 1e6 * worst, (double)pieces / NETS);
}

int main(void) {
  static const int depths[] = {5, 8, 10, 16};
  for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
    for (int f64 = 0; f64 < 2; f64++)
      for (int released = 0; released < 2; released++) measure(depths[i], f64, released);
  dense(4, 5);
  dense(8, 5);
  dense(16, 3);
  dense(64, 3);
  uint64_t s = 16;
  Net n = net_random_wave(&s, 16, 0.4, 0.6, true);
  double start = now();
  TwRtPieces p;
  tw_rt_regions(&n.pl, n.coeffs, 0, 1, 0x1p-8, &p);
  printf("d = 16 f64: the list of %zu pieces in %.3f s\n", p.n, now() - start);
  tw_rt_pieces_free(&p);
  net_free(&n);
  return 0;
}
