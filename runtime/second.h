/* second.h: what the optimizers that try values share (lm.c, lbfgs.c). Internal to the runtime.
 *
 * Such an optimizer holds the present values in flat[cur], with their loss, and tries others: what it writes is
 * projected into the domains and judged by the stage's step (see TwRtStage.step), and becomes flat[next]. All of
 * its arithmetic on vectors is in f64, whatever the program's precision is, in an order that nothing changes.
 * All that it carries from one iteration to the next lies in plain arrays of the worker: tw_rt_second_parts. */
#ifndef TW_RUNTIME_SECOND_H
#define TW_RUNTIME_SECOND_H

#include "runtime/run.h"

/* Room of the largest stage; all of it is in the worker's block of memory. */
typedef struct TwRtSecondSizes {
  uint64_t flat, values;   /* 0: no stage has such an optimizer */
  uint64_t square;         /* LM: elements of a matrix flat by flat */
  uint64_t block, columns; /* LM: reals of a block of the Jacobian; of one column of it, and how many columns of data */
  uint64_t marks;          /* LM: scratch of tw_nm_squeeze */
  uint64_t pairs;          /* LBFGS: pairs kept */
} TwRtSecondSizes;
void tw_rt_second_cover(TwRtSecondSizes *z, const TwRtProgram *p, const TwRtStage *st);

/* The arrays that an iteration leaves to the next, of the stage at hand, one after the other: a checkpoint writes them
 * and reads them back, with the values and what TwRtStageRun counts. Returns how many there are. */
typedef struct TwRtPart {
  void *at;
  size_t bytes;
} TwRtPart;
enum { TW_RT_MAX_PARTS = 8 };
uint32_t tw_rt_second_parts(TwRtStageRun *g, TwRtPart parts[TW_RT_MAX_PARTS]);
/* Could an iteration have left the numbers that were read back? */
bool tw_rt_second_sound(const TwRtStageRun *g);

/* The stage starts, or a round of it, from flat[cur]. */
void tw_rt_second_begin(TwRtStageRun *g);
/* Loss and norm of the gradient at the present values, if they are not known yet. `last`: the loss alone will do. */
void tw_rt_second_judge(TwRtStageRun *g, bool last);
/* One iteration. It accepts values of a lower loss, or leaves the present ones; g->settled: no iteration will find any.
 */
void tw_rt_second_iterate(TwRtStageRun *g);
/* The best values so far, kicked, become the present ones. */
void tw_rt_second_kick(TwRtStageRun *g);

/* ---- for lm.c and lbfgs.c */
/* Projects and judges w->second.trial: flat[next] and the loss there. */
double tw_rt_second_try(TwRtStageRun *g);
/* Makes flat[next] the present values. */
void tw_rt_second_accept(TwRtStageRun *g, double loss);
void tw_rt_lm_judge(TwRtStageRun *g);
void tw_rt_lm_iterate(TwRtStageRun *g);
bool tw_rt_lm_sound(const TwRtStageRun *g);
bool tw_rt_lbfgs_sound(const TwRtStageRun *g);
void tw_rt_lbfgs_iterate(TwRtStageRun *g);
void tw_rt_lbfgs_judge(TwRtStageRun *g);

#endif
