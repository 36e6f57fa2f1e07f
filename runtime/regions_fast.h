/* regions_fast.h: what the count in plain f64 carries over an interval, for regions_steps.c and regions_fast.c.
 *
 * A row is a point of the interval: what each lane's value is there, then as many bounds g on their errors, then x and
 * its bound. A step takes all rows through one affine map and the relus after it. So what a layer needs of a point lies
 * side by side, and however few the points are there are whole vectors. */
#ifndef TW_RUNTIME_REGIONS_FAST_H
#define TW_RUNTIME_REGIONS_FAST_H

#include "runtime/regions_internal.h"

enum { TW_RG_BLOCK = 4, TW_RG_MOST_LANES = 63 };
#define TW_RG_TIED ((uint64_t)1 << TW_RG_MOST_LANES) /* among the kink bits: the row stands for several points */

typedef struct TwRgColumn { /* what a column of a step's map multiplies: places in a row */
  uint32_t v, g;
  uint64_t bit; /* its lane's; x has none */
} TwRgColumn;

typedef struct TwRgStep {
  uint32_t column, n_columns; /* among `columns` */
  size_t place;               /* among `places`: each lane's bias, then its coefficient in each column */
  size_t zero;                /* among `zeros` */
  uint64_t kept;              /* lanes that pass as they are, and TW_RG_TIED */
  uint64_t relus;             /* lanes in which there is a relu after the map */
  uint64_t units;             /* one of them for each operand */
} TwRgStep;

/* A point of the output; or several, too near to tell what is between them, with what a tie may hide. */
typedef struct TwRgEnd {
  double l, l_y, l_yg, r, r_y, r_yg; /* the first and the last of them, and the output there */
  double g;                          /* on the place of each, and how far they are apart */
  bool tied, hidden;                 /* hidden: the piece to the right */
} TwRgEnd;

struct TwRgFast {
  const TwRgTape *tape;
  uint32_t n_steps, n_lanes, blocks; /* blocks of lanes in a row, filled up with zeros */
  TwRgStep *steps;
  TwRgColumn *columns, output;
  uint32_t *places; /* in `all` */
  uint64_t *zeros;  /* by lane, for a unit's: the lanes that are zero where its operand is */
  double gamma;
  double *all; /* of this call: the coefficients given, then 0, 1, -1, 2; from `half` on the negatives */
  uint32_t half;
  double *coeff;     /* of the step at hand: like a row its biases, and each column with what it makes of an error */
  uint64_t *depends; /* by lane after the map: the lanes before it that it depends on */
  size_t stride;     /* doubles in a row */
  uint32_t cap, n;   /* rows */
  int now;           /* the bank at hand; the map goes from bank to bank, and so do the relus */
  double *rows[3];
  uint64_t *kink[3];   /* by row: bit s, lane s may have a kink there */
  uint64_t *pos, *neg; /* by row: lanes of relus' operands that are clearly positive, or negative */
  TwRgEnd *ends;       /* of pieces */
};

#endif
