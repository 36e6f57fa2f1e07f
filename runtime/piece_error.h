/* piece_error.h: how far a piecewise-linear model is from the target, piece by piece. */
#ifndef TW_RUNTIME_PIECE_ERROR_H
#define TW_RUNTIME_PIECE_ERROR_H

#include "runtime/regions.h"

typedef struct TwRtPieceError {
  double sup; /* the largest |model - target| found on the piece, in f64 */
  double at;  /* where */
} TwRtPieceError;

/* The first data set whose target can be had anywhere: a grid of one axis. NULL: there is none. */
const TwRtData *tw_rt_piece_target(const TwRtProgram *p);

/* A search: 33 equally spaced points, ends included; then three times 33 between the neighbours of the best. So the
 * figure is attained (a lower bound of the supremum), and it is the supremum, but for rounding, where the error has one
 * local maximum between neighbours of the first 33 and the largest of the 33 is beside it: on each piece of a target
 * that is convex or concave there, always. false: out of memory. */
bool tw_rt_piece_errors(const TwRtData *d, const TwRtPiece *pieces, size_t n, TwRtPieceError *out);

#endif
