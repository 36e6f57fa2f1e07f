/* oracle.h: the regions of a tape again, by rational arithmetic and nothing else, written without a look at
 * the counter: slow and plain. */
#ifndef TW_TESTS_REGIONS_ORACLE_H
#define TW_TESTS_REGIONS_ORACLE_H

#include "runtime/regions.h"

/* The counts, and the pieces with each number rounded to nearest. Free with tw_rt_pieces_free. */
void oracle_count(const TwRtPl *pl, const double *coeffs, double lo, double hi, double sliver, TwRtPieces *out);

#endif
