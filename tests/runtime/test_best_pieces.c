/* The best fit by so many straight pieces, beside three things that know better: parabolas, whose best fit is known; the
 * limit (∫|f''|^(2/5))^5 / (720 n^4), at 32 and 1024 pieces, of the paper's four functions; and the best fit by lines
 * that need not meet, found by trying every partition of the rows, which no continuous fit can be below. */
#include "runtime/best_pieces.h"

#include <math.h>
#include <stdlib.h>

#include "tests/runtime/check.h"

typedef double (*Function)(double x);
static double cube(double x) { return x * x * x; }
static double power11(double x) { return pow(x, 11); }
static double sine(double x) { return sin(x); }
static double tanh3(double x) { return tanh(3 * x); }
static double parabola(double x) { return 3 * x * x - 2 * x; }
static double bent(double x) { return x * x * x - x; }
static double wave(double x) { return sin(7 * x) + fabs(x - 0.3); }

enum { MOST = 40000 };
static double xs[MOST], ys[MOST];

static double best(Function f, double lo, double hi, size_t rows, bool between, uint32_t n) {
  for (size_t i = 0; i < rows; i++) {
    xs[i] = lo + (hi - lo) * (double)i / (double)(rows - 1);
    ys[i] = f(xs[i]);
  }
  double mse = NAN;
  CHECK(tw_rt_best_pieces(xs, ys, rows, between, n, &mse), "a fit of %u pieces to %zu rows", n, rows);
  return mse;
}

static void parabolas(void) {
  for (uint32_t n = 1; n <= 64; n *= 2) { /* f'' = 6: 36 h^4 / 720 */
    double mse = best(parabola, -1, 2, 4097, true, n), exact = 36 * pow(3.0 / n, 4) / 720;
    CHECK(mse / exact > 1 - 1e-3 && mse / exact < 1 + 1e-3, "%u pieces: %g, exactly %g", n, mse, exact);
  }
}

static void limits(void) {
  static const struct {
    Function f;
    double at32, at1024; /* the published figures, of two digits */
  } c[] = {{cube, 8.9e-9, 8.5e-15}, {power11, 7.8e-9, 7.4e-15}, {sine, 2.1e-10, 2.0e-16}, {tanh3, 7.0e-9, 6.6e-15}};
  for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
    double few = best(c[k].f, 0, 1, 2048, true, 32), many = best(c[k].f, 0, 1, 32768, true, 1024);
    CHECK(few / c[k].at32 > 0.99 && few / c[k].at32 < 1.05, "function %zu, 32 pieces: %g, the limit's %g", k, few, c[k].at32);
    CHECK(many / c[k].at1024 > 0.975 && many / c[k].at1024 < 1.025, "function %zu, 1024: %g, %g", k, many, c[k].at1024);
  }
}

/* ---- lines that need not meet */

/* Squared error of the best line through rows i … j - 1, from running sums around the middle of them. */
static double line(size_t i, size_t j) {
  double n = (double)(j - i), mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
  for (size_t k = i; k < j; k++) {
    mx += xs[k] / n;
    my += ys[k] / n;
  }
  for (size_t k = i; k < j; k++) {
    double x = xs[k] - mx, y = ys[k] - my;
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  return fmax(yy - (xx > 0 ? xy * xy / xx : 0), 0);
}

/* The least mean squared error of n lines, each through rows that follow one another. */
static double unjoined(size_t rows, uint32_t n) {
  double *before = malloc((rows + 1) * sizeof *before), *now = malloc((rows + 1) * sizeof *now);
  double *cost = malloc(rows * (rows + 1) * sizeof *cost);
  for (size_t i = 0; i < rows; i++)
    for (size_t j = i + 1; j <= rows; j++) cost[i * (rows + 1) + j] = line(i, j);
  for (size_t j = 0; j <= rows; j++) before[j] = j ? (double)INFINITY : 0;
  for (uint32_t k = 0; k < n; k++) {
    for (size_t j = 0; j <= rows; j++) {
      now[j] = before[j];
      for (size_t i = 0; i < j; i++) now[j] = fmin(now[j], before[i] + cost[i * (rows + 1) + j]);
    }
    memcpy(before, now, (rows + 1) * sizeof *before);
  }
  double mse = before[rows] / (double)rows;
  free(before);
  free(now);
  free(cost);
  return mse;
}

static void bounds(void) {
  static const Function fs[] = {cube, power11, tanh3, bent, wave};
  for (size_t k = 0; k < sizeof fs / sizeof *fs; k++)
    for (uint32_t n = 1; n <= 8; n *= 2) {
      double mse = best(fs[k], -1, 1, 200, false, n), bound = unjoined(200, n);
      CHECK(mse >= bound * (1 - 1e-9), "function %zu, %u pieces: %g is below what lines can do, %g", k, n, mse, bound);
      CHECK(n == 2 || mse <= 2.5 * bound, "function %zu, %u pieces: %g is far above %g", k, n, mse, bound);
    }
}

static void refusals(void) {
  double mse;
  best(cube, 0, 1, 100, false, 25);
  CHECK(!tw_rt_best_pieces(xs, ys, 100, false, 26, &mse), "more pieces than a quarter of the rows");
  CHECK(!tw_rt_best_pieces(xs, ys, 100, false, 0, &mse), "no pieces");
  xs[99] = xs[0];
  CHECK(!tw_rt_best_pieces(xs, ys, 100, false, 2, &mse), "no interval");
}

int main(void) {
  parabolas();
  limits();
  bounds();
  refusals();
  return tw_test_done("best_pieces");
}
