/* find.c: least and greatest values, slopes and bends: of nets for which they are known, and of random ones
 * against the pieces of the oracle. The counter is used again and again, as training does. */
#include <math.h>
#include <stdio.h>

#include "net.h"
#include "oracle.h"

static int failures;
static const char *const names[] = {"pieces",         "least",      "greatest",     "least slope",
                                    "greatest slope", "least bend", "greatest bend"};

static void check(const char *what, TwRtQuantity q, double value, double want, double tolerance) {
  if (fabs(value - want) <= tolerance) return;
  printf("%s: the %s is %.17g, not %.17g\n", what, names[q], value, want);
  failures++;
}

/* relu(x) + relu(2 x - 1) - 4 relu(x - 3/4) on [-1, 1]: slopes 0, 1, 3, -1. */
static void known(void) {
  Net n = net_new();
  uint32_t a = net_relu(&n, 0, 1, 0), b = net_relu(&n, -1, 2, 0), c = net_relu(&n, -0.75, 1, 0),
           out = net_affine(&n, 0);
  net_term(&n, 1, a);
  net_term(&n, 1, b);
  net_term(&n, -4, c);
  TwRtCounter *counter = tw_rt_counter_new(net_done(&n, out));
  static const double want[] = {0, 0, 1.25, -1, 3, -4, 2}, at[] = {0, -1, 0.75, 0.75, 0.5, 0.75, 0.5};
  for (int q = TW_RT_QU_LEAST; q <= TW_RT_QU_GREATEST_BEND; q++) {
    TwRtFound f = {0};
    bool ok = tw_rt_counter_find(counter, n.coeffs, -1, 1, 0x1p-8, (TwRtQuantity)q, &f);
    check("hinges", (TwRtQuantity)q, ok ? f.value : (double)NAN, want[q], 0);
    check("hinges, where", (TwRtQuantity)q, f.at, at[q], 0);
  }
  TwRtFound f = {0};
  bool ok = tw_rt_counter_find(counter, n.coeffs, -1, -0.5, 0x1p-8, TW_RT_QU_LEAST_BEND, &f);
  check("one piece", TW_RT_QU_LEAST_BEND, ok ? f.value : (double)NAN, 0, 0);
  tw_rt_counter_free(counter);
  net_free(&n);
}

/* A step of rounding's width in a line: a sliver, steep, whose slope is left out unless it is asked for. */
static void sliver(void) {
  Net n = net_new();
  uint32_t a = net_relu(&n, -0.5, 1, 0), b = net_relu(&n, -0.5 - 0x1p-40, 1, 0), out = net_affine(&n, 0);
  net_term(&n, 1, 0);
  net_term(&n, -64, a);
  net_term(&n, 64, b);
  TwRtCounter *counter = tw_rt_counter_new(net_done(&n, out));
  TwRtFound f = {0};
  bool ok = tw_rt_counter_find(counter, n.coeffs, 0, 1, 0x1p-8, TW_RT_QU_LEAST_SLOPE, &f);
  check("with a sliver", TW_RT_QU_LEAST_SLOPE, ok ? f.value : (double)NAN, 1, 0);
  ok = tw_rt_counter_find(counter, n.coeffs, 0, 1, 0, TW_RT_QU_LEAST_SLOPE, &f);
  check("with a sliver that counts", TW_RT_QU_LEAST_SLOPE, ok ? f.value : (double)NAN, -63, 0);
  tw_rt_counter_free(counter);
  net_free(&n);
}

static double of_oracle(const TwRtPieces *p, TwRtQuantity q) {
  double low = (double)INFINITY, high = -low, last = (double)NAN;
  for (size_t k = 0; k < p->n; k++) {
    const TwRtPiece *a = &p->pieces[k];
    double x[2] = {a->lo * a->slope + a->intercept, a->hi * a->slope + a->intercept};
    bool slopes = q == TW_RT_QU_LEAST_SLOPE || q == TW_RT_QU_GREATEST_SLOPE;
    bool bends = q == TW_RT_QU_LEAST_BEND || q == TW_RT_QU_GREATEST_BEND;
    if ((slopes || bends) && a->sliver) continue;
    if (slopes) x[0] = x[1] = a->slope;
    if (bends) x[0] = x[1] = a->slope - last;
    last = a->slope;
    low = fmin(low, fmin(x[0], x[1])); /* fmin and fmax leave NaN out: before the first piece there is no bend */
    high = fmax(high, fmax(x[0], x[1]));
  }
  return q == TW_RT_QU_LEAST || q == TW_RT_QU_LEAST_SLOPE || q == TW_RT_QU_LEAST_BEND ? low : high;
}

static void random_nets(void) {
  uint64_t state = 5;
  for (int k = 0; k < 60; k++) {
    Net n = net_random_wave(&state, 1 + (int)random_below(&state, 5), 0.2, 0.8, k & 1);
    TwRtCounter *counter = tw_rt_counter_new(&n.pl);
    TwRtPieces p;
    oracle_count(&n.pl, n.coeffs, 0, 1, 0x1p-8, &p);
    for (int q = TW_RT_QU_LEAST; q <= TW_RT_QU_GREATEST_BEND; q++) {
      TwRtFound f = {0};
      bool ok = tw_rt_counter_find(counter, n.coeffs, 0, 1, 0x1p-8, (TwRtQuantity)q, &f);
      double want = of_oracle(&p, (TwRtQuantity)q);
      check("a wave", (TwRtQuantity)q, ok ? f.value : (double)NAN, want, 1e-14 * (1 + fabs(want)));
    }
    tw_rt_pieces_free(&p);
    tw_rt_counter_free(counter);
    net_free(&n);
  }
}

int main(void) {
  known();
  sliver();
  random_nets();
  if (failures) printf("%d wrong\n", failures);
  return failures > 0;
}
