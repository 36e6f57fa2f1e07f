/* plot.h: pictures of tables of numbers: curves, points and steps in panels. Knows nothing of networks.
 *
 *   gnuplot.c  SVG and PNG, by the program gnuplot, looked for when it is needed
 *   legend.c   where words find room
 *   text.c     for a terminal, in Braille dots
 *
 * Nothing here is copied or kept: all memory stays the caller's. */
#ifndef TW_PLOT_PLOT_H
#define TW_PLOT_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum TwPlotStyle {
  TW_PLOT_LINE,
  TW_PLOT_WIDE, /* broad and pale, to be seen under another line */
  TW_PLOT_DASHED,
  TW_PLOT_THIN, /* one of many: thin, pale, without an entry in the legend */
  TW_PLOT_STEPS,
  TW_PLOT_POINTS,
  TW_PLOT_JOINED, /* points and a line through them */
  TW_PLOT_TICKS   /* a short stroke at the lower edge for each x; y is not looked at */
} TwPlotStyle;

/* n points; a NaN, or a y that is not positive on a logarithmic axis, leaves a gap. The colours are a
 * palette that colour-blind readers can tell apart (Okabe and Ito), black first. */
enum { TW_PLOT_COLOURS = 8 };
typedef struct TwPlotSeries {
  const char *label; /* in the legend; NULL: none */
  size_t n;
  const double *x, *y;
  TwPlotStyle style;
  unsigned colour; /* modulo TW_PLOT_COLOURS */
} TwPlotSeries;

/* A vertical line across a panel, with a word above it. */
typedef struct TwPlotMark {
  double x;
  const char *label;
} TwPlotMark;

typedef struct TwPlotPanel {
  const char *title, *x_label, *y_label; /* any may be NULL */
  bool x_log, y_log;                     /* y_log: base 10; x_log: base 2 */
  double x_lo, x_hi, y_lo, y_hi;         /* lo = hi: as wide as the data */
  bool legend;                           /* where the fewest curves are in its way */
  size_t n_series, n_marks;
  const TwPlotSeries *series;
  const TwPlotMark *marks;
} TwPlotPanel;

typedef struct TwPlot {
  const char *title;
  size_t n_panels, columns; /* filled row by row */
  const TwPlotPanel *panels;
  unsigned width, height; /* of a panel, in pixels of a PNG at scale 1; 0: 520 x 360 */
} TwPlot;

typedef enum TwPlotFormat { TW_PLOT_SVG, TW_PLOT_PNG } TwPlotFormat;

/* The format of a file by the end of its name, .svg or .png; false: neither. */
bool tw_plot_format(const char *path, TwPlotFormat *out);
/* Writes the picture. false: *why, malloc'ed, has a sentence: gnuplot is missing, or could not. Errors of the stream
 * are its own. */
bool tw_plot_gnuplot(const TwPlot *p, TwPlotFormat format, FILE *out, char **why);

/* Each panel below the other, `columns` wide and `rows` high besides labels. */
void tw_plot_text(FILE *out, const TwPlot *p, unsigned columns, unsigned rows);

/* The range that a panel shows, by its data where it is not given. */
typedef struct TwPlotRange {
  double x_lo, x_hi, y_lo, y_hi;
} TwPlotRange;
TwPlotRange tw_plot_range(const TwPlotPanel *p);

#endif
