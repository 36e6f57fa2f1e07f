/* best_pieces.h: how well any continuous function of n straight pieces can do.
 *
 * What a net of n linear pieces is measured against: the least mean squared error of a continuous function of n pieces
 * whose knots and values are free. The problem is not convex; what is given is the lowest of the errors that descents
 * come to by Newton's method, to within 1e-3 or so: one from knots by which all pieces err alike, one from pieces of
 * about one width, and up to four pieces twelve more from pieces of many widths. For a smooth target it goes to
 * (∫|f''|^(2/5))^5 / (720 n^4) per unit of length as n grows. */
#ifndef TW_RUNTIME_BEST_PIECES_H
#define TW_RUNTIME_BEST_PIECES_H

#include <stddef.h>

#include <stdbool.h>
#include <stdint.h>

enum { TW_RT_MOST_PIECES = 1024 };

/* Least mean squared error against the rows (x ascending), or, with `between`, against the line that joins them, over
 * the whole interval. false: more pieces than a quarter of the rows, in which case it says nothing, or than
 * TW_RT_MOST_PIECES; or no memory. */
bool tw_rt_best_pieces(const double *x, const double *y, size_t rows, bool between, uint32_t pieces, double *mse);

#endif
