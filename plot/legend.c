/* legend.c: see legend.h. */
#include "plot/legend.h"

#include <math.h>

/* Of gnuplot's words in our font of 10 points, in pixels, rounded up: a line and a letter; what a legend has of width
 * and height besides: the samples of its lines, and the edges. */
enum { LINE = 14, LETTER = 7, SAMPLES = 46, EDGE = 14 };

typedef struct Box {
  double x0, x1, y0, y1; /* parts of the panel, from its lower left corner */
} Box;

static size_t letters(const char *s) {
  size_t n = 0;
  for (; s && *s; s++) n += (*s & 0xc0) != 0x80;
  return n;
}

static double part_of(double v, double lo, double hi, bool log_) {
  if (!log_) return (v - lo) / (hi - lo);
  return v > 0 ? log(v / lo) / log(hi / lo) : NAN;
}

/* What of 0 … 1 along a segment lies between lo and hi in one coordinate, cut from *from … *to. */
static void clip(double a, double b, double lo, double hi, double *from, double *to) {
  if (a == b) {
    if (a < lo || a > hi) *to = -1;
    return;
  }
  double s = (lo - a) / (b - a), t = (hi - a) / (b - a);
  *from = fmax(*from, fmin(s, t));
  *to = fmin(*to, fmax(s, t));
}

static bool crosses(const Box *b, double x0, double y0, double x1, double y1) {
  double from = 0, to = 1;
  clip(x0, x1, b->x0, b->x1, &from, &to);
  clip(y0, y1, b->y0, b->y1, &from, &to);
  return from <= to;
}

/* The length of curves in the box, in steps of their data. */
static size_t crossed(const TwPlotPanel *p, const TwPlotRange *r, const Box *b) {
  size_t n = 0;
  for (size_t k = 0; k < p->n_series; k++) {
    const TwPlotSeries *s = &p->series[k];
    if (s->style == TW_PLOT_TICKS) {
      for (size_t i = 0; i < s->n && b->y0 < 0.03; i++) {
        double x = part_of(s->x[i], r->x_lo, r->x_hi, p->x_log);
        n += x >= b->x0 && x <= b->x1;
      }
      continue;
    }
    bool joined = s->style != TW_PLOT_POINTS, before = false;
    for (size_t i = 0, last = 0; i < s->n; last = i++) {
      double x = part_of(s->x[i], r->x_lo, r->x_hi, p->x_log), y = part_of(s->y[i], r->y_lo, r->y_hi, p->y_log);
      bool here = isfinite(x) && isfinite(y);
      if (here) {
        double from_x = before && joined ? part_of(s->x[last], r->x_lo, r->x_hi, p->x_log) : x,
               from_y = before && joined ? part_of(s->y[last], r->y_lo, r->y_hi, p->y_log) : y;
        n += crosses(b, from_x, from_y, x, y);
      }
      before = here;
    }
  }
  return n;
}

TwPlotPlace tw_plot_legend(const TwPlotPanel *p, const TwPlotRange *r, double width, double height) {
  static const int order[][2] = {{2, 2}, {0, 2}, {2, 0}, {0, 0}, {1, 2}, {1, 0}, {2, 1}, {0, 1}};
  size_t longest = 0, lines = 0, best = 0;
  for (size_t k = 0; k < p->n_series; k++) {
    size_t n = letters(p->series[k].label);
    if (n > longest) longest = n;
    lines += n > 0;
  }
  double w = fmin(1, (double)(SAMPLES + LETTER * longest) / width), h = fmin(1, (double)(EDGE + LINE * lines) / height);
  TwPlotPlace place = {0};
  for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
    double x0 = order[k][0] * (1 - w) / 2, y0 = order[k][1] * (1 - h) / 2;
    size_t n = crossed(p, r, &(Box){x0, x0 + w, y0, y0 + h});
    if (k > 0 && n >= best) continue;
    best = n;
    place = (TwPlotPlace){order[k][0], order[k][1], n == 0};
  }
  return place;
}

int tw_plot_mark_line(const TwPlotPanel *p, const TwPlotRange *r, size_t k, double width) {
  double until[2] = {-INFINITY, -INFINITY};
  for (size_t i = 0;; i++) {
    double at = width * part_of(p->marks[i].x, r->x_lo, r->x_hi, p->x_log);
    int line = at >= until[0] ? 0 : at >= until[1] ? 1 : -1;
    if (i == k) return line;
    if (line >= 0) until[line] = at + (double)(LETTER * (letters(p->marks[i].label) + 1));
  }
}
