/* piece_find.c: least and greatest values, slopes and bends of pieces.
 *
 * requires: pieces in order, as tw_rt_regions gives them.   provides: see regions.h. */
#include <math.h>

#include "runtime/regions.h"

/* Takes what is less (sign 1) or greater (sign -1) than the best so far; the first of equal ones stays. */
static void take(TwRtFound *best, double sign, double value, double at, double from, double to) {
  if (isnan(best->value) || sign * value < sign * best->value) *best = (TwRtFound){value, at, from, to};
}

TwRtFound tw_rt_pieces_find(const TwRtPieces *p, TwRtQuantity q) {
  TwRtFound best = {(double)NAN, (double)NAN, 0, 0};
  double sign = q == TW_RT_QU_LEAST || q == TW_RT_QU_LEAST_SLOPE || q == TW_RT_QU_LEAST_BEND ? 1 : -1;
  const TwRtPiece *before = NULL;
  for (size_t k = 0; k < p->n; k++) {
    const TwRtPiece *a = &p->pieces[k];
    switch (q) {
      case TW_RT_QU_PIECES: break;
      case TW_RT_QU_LEAST:
      case TW_RT_QU_GREATEST:
        take(&best, sign, fma(a->slope, a->lo, a->intercept), a->lo, a->slope, a->slope);
        take(&best, sign, fma(a->slope, a->hi, a->intercept), a->hi, a->slope, a->slope);
        break;
      case TW_RT_QU_LEAST_SLOPE:
      case TW_RT_QU_GREATEST_SLOPE:
        if (!a->sliver) take(&best, sign, a->slope, a->lo, a->slope, a->slope);
        break;
      case TW_RT_QU_LEAST_BEND:
      case TW_RT_QU_GREATEST_BEND:
        if (before && !a->sliver) take(&best, sign, a->slope - before->slope, a->lo, before->slope, a->slope);
        break;
    }
    if (!a->sliver) before = a;
  }
  bool bend = q == TW_RT_QU_LEAST_BEND || q == TW_RT_QU_GREATEST_BEND;
  if (bend && isnan(best.value) && before) best = (TwRtFound){0, before->lo, before->slope, before->slope};
  return best;
}
