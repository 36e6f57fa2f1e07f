/* legend.h: where the words of a panel find room: its legend among the curves, those of its marks above it. */
#ifndef TW_PLOT_LEGEND_H
#define TW_PLOT_LEGEND_H

#include "plot/plot.h"

/* A place at an edge of the panel: column and row 0, 1, 2 are left, centre, right and bottom, centre, top. */
typedef struct TwPlotPlace {
  int column, row;
  bool free; /* no curve crosses it there */
} TwPlotPlace;

/* Where the fewest curves cross the legend of a panel of so many pixels; corners come first. */
TwPlotPlace tw_plot_legend(const TwPlotPanel *p, const TwPlotRange *r, double width, double height);

/* The line above the panel, 0 or 1, in which the word of mark k stands beside those before it; -1: it has no room. */
int tw_plot_mark_line(const TwPlotPanel *p, const TwPlotRange *r, size_t k, double width);

#endif
