/* regions.h: the linear regions of a piecewise-linear model of one input, exactly, for the stored floats. */
#ifndef TW_RUNTIME_REGIONS_H
#define TW_RUNTIME_REGIONS_H

#include <stddef.h>

#include "runtime/train.h"

typedef struct TwRtPiece {
  double lo, hi;           /* breakpoints, correctly rounded where they were in doubt */
  double slope, intercept; /* output = slope * x + intercept on it */
  bool sliver;
} TwRtPiece;

typedef struct TwRtPieces {
  TwRtRegions counts;
  size_t n;
  TwRtPiece *pieces; /* maximal intervals on which the output is affine, in order; slivers included */
  const char *error; /* NULL, or why it cannot be counted (static text) */
} TwRtPieces;

/* The function that the coefficients define over the reals, on [lo, hi]. Splits the interval node by
 * node wherever a switch's operand changes sign; in f64 with error bounds, in rational arithmetic
 * where a sign is in doubt. A piece narrower than `sliver` (2^-8) times its wider neighbour is a sliver:
 * reported, not counted in `pieces`; docs/regions.md has the rule for several in a row. patterns:
 * distinct on/off patterns of the switches, slivers' ones included only if sliver = 0; maps: distinct
 * affine maps among counted pieces; dead: relus never on in [lo, hi]; narrowest: the narrowest counted
 * piece. */
void tw_rt_regions(const TwRtPl *pl, const double *coeffs, double lo, double hi, double sliver, TwRtPieces *out);
void tw_rt_pieces_free(TwRtPieces *p);

/* Counts only; the scratch is kept between calls (one a thread), for checking at every epoch. */
typedef struct TwRtCounter TwRtCounter;
TwRtCounter *tw_rt_counter_new(const TwRtPl *pl);
/* From now on give up beyond so many pieces (at first and at most 2^24): `counted` is false then. */
void tw_rt_counter_limit(TwRtCounter *c, uint32_t most);
TwRtRegions tw_rt_count(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver);
/* Pieces only, the other figures being 0: the same number, several times faster. */
TwRtRegions tw_rt_count_pieces(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver);
/* Why the last of these counts was refused (static text); NULL: it was not. */
const char *tw_rt_counter_error(const TwRtCounter *c);
void tw_rt_counter_free(TwRtCounter *c);

/* The quantity of the pieces, and where it is: `at` is an end of the piece or the breakpoint that has it, and
 * `from` the slope before, `to` the slope after. Values are at ends of pieces, slivers included; slopes and
 * bends leave slivers out. The bend of a single piece is 0. */
typedef struct TwRtFound {
  double value, at, from, to;
} TwRtFound;
TwRtFound tw_rt_pieces_find(const TwRtPieces *p, TwRtQuantity q);
/* The same of a model now; false if its pieces cannot be found. */
bool tw_rt_counter_find(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver, TwRtQuantity q,
                        TwRtFound *out);

#endif
