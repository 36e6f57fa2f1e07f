/* legend.c: a legend goes where no curve is, if there is such a place; words of marks do not stand on each other. */
#include <math.h>
#include <stdlib.h>

#include "plot/legend.h"

static int failed;

static void expect(const char *what, int is, int should) {
  if (is == should) return;
  printf("%s: %d, not %d\n", what, is, should);
  failed = 1;
}

enum { N = 101, MOST = 9 };

/* Curves from corner to corner and across, that leave the rest free. */
static TwPlotPlace of(size_t n, double (*const f[])(double x), bool log_, size_t step) {
  static double x[N], y[MOST][N];
  static TwPlotSeries s[MOST];
  size_t points = 0;
  for (size_t i = 0; i < N; i += step) x[points++] = (double)i / (N - 1);
  for (size_t k = 0; k < n; k++) {
    for (size_t i = 0; i < points; i++) y[k][i] = log_ ? pow(10, 6 * f[k](x[i])) : f[k](x[i]);
    s[k] = (TwPlotSeries){"curve", points, x, y[k], TW_PLOT_LINE, 1};
  }
  const TwPlotPanel p = {.y_log = log_,
                         .x_lo = 0,
                         .x_hi = 1,
                         .y_lo = log_ ? 1 : 0,
                         .y_hi = log_ ? 1e6 : 1,
                         .legend = true,
                         .n_series = n,
                         .series = s};
  TwPlotRange r = tw_plot_range(&p);
  return tw_plot_legend(&p, &r, 500, 300);
}

static double rising(double x) { return x; }
static double falling(double x) { return 1 - x; }
static double high(double x) { return 0.95 + 0 * x; }
static double low(double x) { return 0.05 + 0 * x; }
static double middle(double x) { return 0.5 + 0 * x; }

static void legends(void) {
  TwPlotPlace at = of(1, (double (*const[])(double)){falling}, false, 1);
  expect("falling: column", at.column, 2), expect("falling: row", at.row, 2), expect("falling: free", at.free, 1);
  for (int k = 0; k < 4; k++) { /* a line through a place with no point in it is in its way, too */
    at = of(2, (double (*const[])(double)){rising, high}, k & 1, k & 2 ? 100 : 1);
    expect("rising: column", at.column, 2), expect("rising: row", at.row, 0), expect("rising: free", at.free, 1);
  }
  at = of(2, (double (*const[])(double)){high, low}, false, 50);
  expect("high and low: row", at.row, 1), expect("high and low: free", at.free, 1);
  at = of(3, (double (*const[])(double)){high, low, middle}, false, 1);
  expect("everywhere: free", at.free, 0);
}

static void marks(void) {
  const TwPlotMark m[] = {{0, "one"}, {2, "two"}, {3, "three"}, {60, "four"}};
  const TwPlotPanel p = {.x_lo = 0, .x_hi = 100, .n_marks = 4, .marks = m};
  TwPlotRange r = tw_plot_range(&p);
  static const int lines[] = {0, 1, -1, 0};
  for (size_t k = 0; k < 4; k++) expect(m[k].label, tw_plot_mark_line(&p, &r, k, 500), lines[k]);
}

int main(void) {
  legends();
  marks();
  return failed;
}
