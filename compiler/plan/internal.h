/* internal.h: what the files of compiler/plan share and nobody else includes. */
#ifndef TW_PLAN_INTERNAL_H
#define TW_PLAN_INTERNAL_H

#include "compiler/plan/plan.h"

void tw_pl_find_groups(TwArena *arena, TwPlFacts *x); /* groups.c; for facts.c */

/* ---- levels.c, for segment.c */
TwPlCut *tw_pl_levels(TwArena *arena, const TwPlFacts *body, const TwRegion *g); /* NULL: not straight */
/* Gives everything that crosses segments its place. Requires segments and lanes; f64: of reals. */
void tw_pl_lay_out(TwArena *arena, TwPlCut *top, bool f64);

/* ---- predict.c: cycles, for plans */
double tw_pl_segment_cycles(const TwPlCut *cut, uint32_t k, bool f64); /* of one register's lanes of a block */
double tw_pl_level_cycles(const TwPlCut *cut, bool f64);               /* of all its segments */
double tw_pl_predict(TwArena *arena, const TwPlFacts *fn, const TwMachine *m, bool f64); /* one call */

#endif
