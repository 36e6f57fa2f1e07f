/* best_fit.h: a program's losses beside the best fit by as many straight pieces (best_pieces.h). */
#ifndef TW_RUNTIME_BEST_FIT_H
#define TW_RUNTIME_BEST_FIT_H

#include "runtime/regions.h"

/* The least mean squared error of so many pieces against the data that the stage's loss is the mean squared error
 * against (TwRtStage.fits): a grid's target everywhere on its interval, measured data row by row. false: it is not
 * known, or there are fewer than four rows a piece: a loss over so few says little of a function between them. */
bool tw_rt_best_fit(const TwRtProgram *p, uint32_t stage, uint32_t pieces, double *mse);

/* Mean squared error of a model's pieces against those data, in f64, at the rows. false: not known, or rows lie
 * outside. */
bool tw_rt_pieces_mse(const TwRtProgram *p, uint32_t stage, const TwRtPieces *pieces, double *mse);

/* How many pieces the program asks for: the largest bound from below of an ensure or expect on regions; 0: none. */
uint32_t tw_rt_pieces_asked(const TwRtProgram *p);

/* Best losses of the last stage over the best fit's. */
typedef struct TwRtOverBest {
  uint32_t pieces;  /* 0: not known */
  double loss;      /* the best fit's */
  double min, mean; /* of the ratios, of the seeds that trained to their end */
} TwRtOverBest;
/* `pieces`: of the best fit; 0: as many as the program asks for, if it does. */
TwRtOverBest tw_rt_over_best(const TwRtProgram *p, const TwRtResult *r, uint32_t pieces);

#endif
