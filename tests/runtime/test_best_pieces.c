/* The best fit by so many straight pieces, beside four things that know better: parabolas, whose best fit is known; the
 * limit (∫|f''|^(2/5))^5 / (720 n^4), at 32 and 1024 pieces, of the paper's four functions; and the best fit by lines
 * that need not meet, found by trying every partition of the rows, which no continuous fit can be below; and for two
 * and three pieces a search over all places of the knots. */
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
    CHECK(few / c[k].at32 > 0.99 && few / c[k].at32 < 1.05, "function %zu, 32 pieces: %g, the limit's %g", k, few,
          c[k].at32);
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

/* No continuous fit is below lines that need not meet. They are also near: as n grows both go to the same limit, and at
 * 4 and 8 pieces of these functions joining costs a factor of 1.1 to 2.2, where a descent that is stuck is at many
 * times the least. Of two pieces it may cost any factor (|x| - 0.3 aside, a line that jumps is much better), so those
 * are searched below. */
static void bounds(void) {
  static const Function fs[] = {cube, power11, tanh3, bent, wave};
  for (size_t k = 0; k < sizeof fs / sizeof *fs; k++)
    for (uint32_t n = 1; n <= 8; n *= 2) {
      double mse = best(fs[k], -1, 1, 200, false, n), bound = unjoined(200, n);
      CHECK(mse >= bound * (1 - 1e-9), "function %zu, %u pieces: %g is below what lines can do, %g", k, n, mse, bound);
      if (n == 1) CHECK(mse <= bound * (1 + 1e-9), "function %zu, one line: %g, not %g", k, mse, bound);
      if (n >= 4) CHECK(mse <= 2.5 * bound, "function %zu, %u pieces: %g is far above %g", k, n, mse, bound);
    }
}

/* ---- knots everywhere */

/* Least mean squared error of a continuous function with these n knots, the ends among them: its values there by the
 * normal equations of the hats, in long double. */
static double with_knots(const double *knot, size_t n, size_t rows) {
  enum { MOST_KNOTS = 4 };
  long double a[MOST_KNOTS][MOST_KNOTS + 1] = {{0}}, yy = 0;
  for (size_t i = 0; i < rows; i++) {
    size_t k = 0;
    while (k + 2 < n && xs[i] > knot[k + 1]) k++;
    long double share = ((long double)xs[i] - knot[k]) / ((long double)knot[k + 1] - knot[k]),
                hat[2] = {1 - share, share};
    for (size_t p = 0; p < 2; p++) {
      for (size_t q = 0; q < 2; q++) a[k + p][k + q] += hat[p] * hat[q];
      a[k + p][n] += hat[p] * ys[i];
    }
    yy += (long double)ys[i] * ys[i];
  }
  long double rhs[MOST_KNOTS], left = yy; /* |y|² less that of its projection */
  for (size_t k = 0; k < n; k++) rhs[k] = a[k][n];
  for (size_t k = 0; k < n; k++) {
    if (!(a[k][k] > 1e-12L)) return INFINITY; /* a piece without rows */
    for (size_t i = k + 1; i < n; i++)
      for (size_t j = n + 1; j-- > k;) a[i][j] -= a[i][k] / a[k][k] * a[k][j];
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; j++) a[k][n] -= a[k][j] * a[j][n];
    a[k][n] /= a[k][k];
  }
  for (size_t k = 0; k < n; k++) left -= a[k][n] * rhs[k];
  return (double)(left / rows);
}

/* Over a lattice of all knots, then over finer ones around the best. */
static double searched(size_t pieces, size_t rows) {
  enum { LATTICE = 150, TIMES = 14, AROUND = 4 };
  double lo = xs[0], hi = xs[rows - 1], step = (hi - lo) / LATTICE, least = INFINITY, at[2] = {0};
  for (int i = 1; i < LATTICE; i++)
    for (int j = pieces == 2 ? LATTICE - 1 : i + 1; j < LATTICE; j++) {
      double knot[] = {lo, lo + i * step, pieces == 2 ? hi : lo + j * step, hi},
             mse = with_knots(knot, pieces + 1, rows);
      if (!(mse < least)) continue;
      least = mse;
      at[0] = knot[1], at[1] = knot[2];
    }
  for (int t = 0; t < TIMES; t++) {
    double middle[2] = {at[0], at[1]};
    step /= 2;
    for (int i = -AROUND; i <= AROUND; i++)
      for (int j = pieces == 2 ? AROUND : -AROUND; j <= AROUND; j++) {
        double knot[] = {lo, middle[0] + i * step, pieces == 2 ? hi : middle[1] + j * step, hi};
        if (!(lo < knot[1] && knot[1] < hi && (pieces == 2 || (knot[1] < knot[2] && knot[2] < hi)))) continue;
        double mse = with_knots(knot, pieces + 1, rows);
        if (!(mse < least)) continue;
        least = mse;
        at[0] = knot[1], at[1] = knot[2];
      }
  }
  return least;
}

static void few_pieces(void) {
  static const Function fs[] = {cube, power11, sine, tanh3, bent, wave};
  for (size_t k = 0; k < sizeof fs / sizeof *fs; k++)
    for (uint32_t n = 2; n <= 3; n++) {
      double mse = best(fs[k], -1, 1, 48, false, n), least = searched(n, 48);
      CHECK(mse <= least * (1 + 1e-3) && mse >= least * (1 - 1e-3),
            "function %zu, %u pieces of 48 rows: %g, the least is %g", k, n, mse, least);
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
  few_pieces();
  refusals();
  return tw_test_done("best_pieces");
}
