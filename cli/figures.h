/* figures.h: the pictures of one trained program, as plain tables for plot/plot.h. */
#ifndef TW_CLI_FIGURES_H
#define TW_CLI_FIGURES_H

#include "plot/plot.h"
#include "runtime/piece_error.h"
#include "runtime/train.h"

/* What every epoch of every seed was. Epochs count through the stages: epoch 0 of a stage is where the one before
 * ended. */
typedef struct TwHistory {
  uint32_t n_stages, n_seeds;
  char **stages;
  double *starts;                 /* epoch at which each stage starts */
  size_t cap;                     /* readings of a seed */
  size_t *n;                      /* by seed */
  double *epoch, *loss, *regions; /* [seed * cap + reading] */
} TwHistory;
/* stages: their names, copied, and the epochs of each; readings: of a seed, at most. false: no memory. */
bool tw_history_init(TwHistory *h, const char *const *stages, const double *epochs, uint32_t n_stages, uint32_t n_seeds,
                     size_t readings);
/* The next reading of a seed; regions NaN: not counted. What is beyond its readings is dropped. */
void tw_history_add(TwHistory *h, uint32_t seed, uint32_t stage, double epoch, double loss, double regions);
/* For TwRtOptions.watch, with the history as context. */
void tw_history_watch(void *history, const TwRtEpoch *e);
/* For TwRtOptions.restart. */
void tw_history_restart(void *history, uint32_t seed_index);
void tw_history_free(TwHistory *h);

/* A figure and the memory that its tables lie in. */
typedef struct TwFigure {
  TwPlot plot;
  TwPlotPanel panels[24];
  size_t n_blocks, cap_blocks;
  void **blocks;
} TwFigure;
void tw_figure_free(TwFigure *f);

/* Each fills f, which starts as zeros. NULL, or why there is no such picture. */
const char *tw_figure_fit(TwFigure *f, const TwRtData *target, const TwRtPieces *pieces, double lo, double hi);
const char *tw_figure_layers(TwFigure *f, const TwRtPl *pl, const double *coeffs, double lo, double hi);
const char *tw_figure_loss(TwFigure *f, const TwHistory *h);
const char *tw_figure_regions(TwFigure *f, const TwHistory *h);
/* The losses of n runs over each other: the median of each, and thin lines for its seeds. labels: of the runs, which
 * stay the caller's while the figure is used. */
const char *tw_figure_compare(TwFigure *f, const TwHistory *h, const char *const *labels, uint32_t n);

#endif
