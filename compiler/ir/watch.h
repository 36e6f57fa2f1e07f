/* watch.h: the interpreter with somebody looking on.
 *
 * Two things can be asked of a run, together or alone. An observer is called after every instruction
 * and may look at the operands and look at or change the result. And the *pattern* of the run can be recorded
 * and held: the pattern is every choice that the values made (which side of a relu, of a min, of a
 * comparison, which way a number was rounded to a whole one). A run that holds the pattern of another makes
 * the same choices whatever its values are: it computes the smooth piece of the function to which the
 * recorded point belongs, continued beyond the piece's borders. So central differences never meet a kink, at
 * any step, and at a kink itself they give the derivative of the side that the value chose. */
#ifndef TW_IR_WATCH_H
#define TW_IR_WATCH_H

#include "compiler/ir/ir.h"

typedef struct TwPattern {
  uint8_t *at; /* malloc'ed */
  size_t len, cap;
  bool failed; /* there was no memory: the pattern is of no use */
} TwPattern;
void tw_pattern_free(TwPattern *p);

typedef enum TwPatternUse { TW_PATTERN_IGNORE, TW_PATTERN_RECORD, TW_PATTERN_HOLD } TwPatternUse;

struct TwPlan;
/* One execution of one instruction; valid during the call. */
typedef struct TwInstant {
  const TwFn *fn;
  TwRef ref;
  bool f64;
  const struct TwPlan *plan;
} TwInstant;

/* An iteration that encloses an instant: of the scan or the sample loop at `ref` of `fn`. */
typedef struct TwIteration {
  const TwFn *fn;
  TwRef ref;
  int64_t index;
} TwIteration;

typedef struct TwWatch TwWatch;
struct TwWatch {
  TwPatternUse use;
  TwPattern pattern;
  size_t held;                                     /* how much of the pattern is used up */
  void (*after)(TwWatch *w, const TwInstant *now); /* NULL: nobody looks. Not called for leaves */
  void *context;
};

/* As tw_interpret; w may be NULL. RECORD starts the pattern anew; HOLD wants one that was recorded with
 * the same function. False if memory ran out. */
bool tw_interpret_watch(const TwFn *f, TwPrecision precision, const void *const *params, void *const *results,
                        TwWatch *w);

/* Operand k. That of an add_at's first operand may be overwritten with the result already. */
const void *tw_instant_operand(const TwInstant *now, uint32_t k);
/* Of a param of the instant's function. */
const void *tw_instant_param(const TwInstant *now, TwRef param);
void *tw_instant_result(const TwInstant *now); /* NULL for a region: see its gets */
/* The iterations around it, outermost first; returns their number, at most max. */
uint32_t tw_instant_path(const TwInstant *now, TwIteration *out, uint32_t max);

#endif
