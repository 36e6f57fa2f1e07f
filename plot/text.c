/* text.c: panels in a terminal: Braille dots, two by four in a character; and the range of a panel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot/plot.h"

TwPlotRange tw_plot_range(const TwPlotPanel *p) {
  TwPlotRange r = {INFINITY, -INFINITY, INFINITY, -INFINITY};
  for (size_t k = 0; k < p->n_series; k++) {
    const TwPlotSeries *s = &p->series[k];
    for (size_t i = 0; i < s->n; i++) {
      bool ticks = s->style == TW_PLOT_TICKS;
      if (!isfinite(s->x[i]) || (!ticks && (!isfinite(s->y[i]) || (p->y_log && s->y[i] <= 0)))) continue;
      r.x_lo = fmin(r.x_lo, s->x[i]), r.x_hi = fmax(r.x_hi, s->x[i]);
      if (!ticks) r.y_lo = fmin(r.y_lo, s->y[i]), r.y_hi = fmax(r.y_hi, s->y[i]);
    }
  }
  if (!(r.x_lo <= r.x_hi)) r.x_lo = p->x_log ? 1 : 0, r.x_hi = p->x_log ? 2 : 1;
  if (!(r.y_lo <= r.y_hi)) r.y_lo = p->y_log ? 0.1 : 0, r.y_hi = 1;
  if (p->y_log) { /* whole decades */
    r.y_lo = pow(10, floor(log10(r.y_lo) + 1e-9));
    r.y_hi = pow(10, ceil(log10(r.y_hi) - 1e-9));
    if (r.y_lo == r.y_hi) r.y_hi *= 10;
  } else {
    double room = r.y_hi > r.y_lo ? 0.05 * (r.y_hi - r.y_lo) : fabs(r.y_hi) > 0 ? 0.1 * fabs(r.y_hi) : 1;
    r.y_lo -= room, r.y_hi += room;
  }
  if (r.x_lo == r.x_hi) r.x_lo -= p->x_log ? 0.5 * r.x_lo : 1, r.x_hi += 1;
  if (p->x_lo < p->x_hi) r.x_lo = p->x_lo, r.x_hi = p->x_hi;
  if (p->y_lo < p->y_hi) r.y_lo = p->y_lo, r.y_hi = p->y_hi;
  return r;
}

typedef struct Canvas {
  unsigned columns, rows; /* characters */
  unsigned char *dots;    /* of each character */
} Canvas;

static void dot(Canvas *c, long x, long y) {
  static const unsigned char bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
  if (x < 0 || y < 0 || x >= 2L * c->columns || y >= 4L * c->rows) return;
  c->dots[(unsigned)(y / 4) * c->columns + (unsigned)(x / 2)] |= bit[y % 4][x % 2];
}

static void stroke(Canvas *c, double x0, double y0, double x1, double y1) {
  double n = ceil(fmax(fabs(x1 - x0), fabs(y1 - y0)));
  if (!(n <= 1e5)) return;
  for (double k = 0; k <= n; k++) {
    double t = n > 0 ? k / n : 0;
    dot(c, lround(x0 + t * (x1 - x0)), lround(y0 + t * (y1 - y0)));
  }
}

static double place(double v, double lo, double hi, bool log, double size) {
  double t = log ? (log2(v) - log2(lo)) / (log2(hi) - log2(lo)) : (v - lo) / (hi - lo);
  return t * (size - 1);
}

static void draw(Canvas *c, const TwPlotPanel *p, const TwPlotRange *r, const TwPlotSeries *s) {
  double px = NAN, py = NAN, w = 2.0 * c->columns, h = 4.0 * c->rows;
  for (size_t i = 0; i < s->n; i++) {
    double x = place(s->x[i], r->x_lo, r->x_hi, p->x_log, w);
    if (s->style == TW_PLOT_TICKS) {
      if (isfinite(x)) stroke(c, x, h - 1, x, h - 3);
      continue;
    }
    double y = h - 1 - place(s->y[i], r->y_lo, r->y_hi, p->y_log, h);
    bool here = isfinite(x) && isfinite(y), before = isfinite(px) && isfinite(py);
    if (here && (s->style == TW_PLOT_POINTS || !before)) dot(c, lround(x), lround(y));
    else if (here && s->style == TW_PLOT_STEPS) stroke(c, px, py, x, py), stroke(c, x, py, x, y);
    else if (here) stroke(c, px, py, x, y);
    px = x, py = y;
  }
}

static void put_panel(FILE *out, const TwPlotPanel *p, Canvas *c) {
  TwPlotRange r = tw_plot_range(p);
  memset(c->dots, 0, (size_t)c->columns * c->rows);
  for (size_t k = 0; k < p->n_series; k++) draw(c, p, &r, &p->series[k]);
  double w = 2.0 * c->columns, h = 4.0 * c->rows;
  for (size_t k = 0; k < p->n_marks; k++)
    for (double y = 0; y < h; y += 3) dot(c, lround(place(p->marks[k].x, r.x_lo, r.x_hi, p->x_log, w)), (long)y);
  if (p->title) fprintf(out, "%11s%s\n", "", p->title);
  for (unsigned row = 0; row < c->rows; row++) {
    if (row == 0) fprintf(out, "%10.3g ", r.y_hi);
    else if (row + 1 == c->rows) fprintf(out, "%10.3g ", r.y_lo);
    else fprintf(out, "%11s", "");
    for (unsigned k = 0; k < c->columns; k++) {
      unsigned d = c->dots[row * c->columns + k];
      fprintf(out, "\xe2%c%c", (int)(unsigned char)(0xa0 | d >> 6),
              (int)(unsigned char)(0x80 | (d & 63))); /* U+2800 + d */
    }
    fputc('\n', out);
  }
  char left[32], right[32];
  snprintf(left, sizeof left, "%.3g", r.x_lo);
  snprintf(right, sizeof right, "%.3g", r.x_hi);
  int gap = (int)c->columns - (int)strlen(left) - (int)strlen(right);
  fprintf(out, "%11s%s%*s%s  %s\n", "", left, gap > 1 ? gap : 1, "", right, p->x_label ? p->x_label : "");
}

void tw_plot_text(FILE *out, const TwPlot *p, unsigned columns, unsigned rows) {
  Canvas c = {.columns = columns > 24 ? columns - 12 : 12, .rows = rows > 3 ? rows : 3};
  c.dots = malloc((size_t)c.columns * c.rows);
  if (!c.dots) return;
  if (p->title) fprintf(out, "%s\n", p->title);
  for (size_t k = 0; k < p->n_panels; k++) put_panel(out, &p->panels[k], &c);
  free(c.dots);
}
