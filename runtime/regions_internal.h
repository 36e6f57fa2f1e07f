/* regions_internal.h: the parts of the region counter, for each other and for its tests.
 *
 *   regions_tape.c   TwRtPl -> TwRgTape: only affine maps and relus are left, values live in slots
 *   regions_sweep.c  binds coefficients, carries the tape over an interval, splits
 *   regions_lanes.c  the inner loops, over many points at once, in double-double with error bounds
 *   regions_exact.c  whatever those bounds leave open, by exact arithmetic
 *   regions_tally.c  the pieces from left to right: merges, slivers, maps
 *   regions_fast.c   the number of pieces only, in plain f64, where nothing is in doubt;
 *   regions_steps.c  what it carries, made from the tape once
 *   regions.c        the functions of regions.h */
#ifndef TW_RUNTIME_REGIONS_INTERNAL_H
#define TW_RUNTIME_REGIONS_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/dyadic.h"
#include "runtime/regions.h"

enum { TW_RG_MAX_PIECES = 1 << 24 };

/* ---- the tape */
typedef enum TwRgKind { TW_RG_AFFINE, TW_RG_RELU } TwRgKind;
enum { TW_RG_TWO = 0xfffffffcu }; /* one more constant coefficient, beside those of program.h */

typedef struct TwRgTerm {
  uint32_t coeff, slot;
} TwRgTerm;

typedef struct TwRgOp {
  TwRgKind kind;
  uint32_t out;           /* slot; may be one that an operand dies in */
  uint32_t a;             /* RELU: slot of the operand */
  uint32_t bias;          /* AFFINE: coefficient */
  uint32_t term, n_terms; /* AFFINE */
  uint32_t kill, n_kills; /* slots whose values are read here for the last time */
  bool unread;            /* nobody reads the result */
  bool is_unit;           /* a relu of the model: it may be dead */
} TwRgOp;

typedef struct TwRgTape {
  uint32_t n_ops, n_terms, n_slots, n_coeffs, output; /* output: a slot; slot 0 is x, always */
  TwRgOp *ops;
  TwRgTerm *terms;
  uint32_t *kills;
  const char *error; /* not NULL: no tape could be made */
} TwRgTape;

void tw_rg_tape_init(TwRgTape *t, const TwRtPl *pl);
void tw_rg_tape_free(TwRgTape *t);

static inline double tw_rg_coeff(uint32_t number, const double *coeffs) {
  switch (number) {
    case TW_PL_ZERO: return 0;
    case TW_PL_ONE: return 1;
    case TW_PL_MINUS_ONE: return -1;
    case TW_RG_TWO: return 2;
    default: return coeffs[number];
  }
}

/* ---- breakpoints */
/* exact says how the breakpoint itself, not an approximation of it, is had: it is hi + lo, or number
 * `exact` of the table of fractions, or has to be searched for within err. In the last case no other
 * breakpoint is within 64 err. */
enum { TW_RG_SEARCH = -1, TW_RG_IS_SUM = -2 };
typedef struct TwRgPoint {
  double hi, lo, err;
  int32_t exact;
} TwRgPoint;

static inline TwDd tw_rg_x(const TwRgPoint *p) { return (TwDd){p->hi, p->lo, p->err}; }

/* ---- exact arithmetic, set up when it is first needed */
typedef struct TwRgExact {
  const TwRgTape *tape;
  const double *coeffs;
  TwDy *left, *right; /* a value for each slot */
  TwDd *rough;        /* two values for each slot */
  TwDy sum, work, p, q, r;
  TwDy *num, *den; /* the table of fractions: breakpoints, den > 0 */
  int32_t n, cap;
  uint64_t used; /* replays, for tests and measurements */
  const char *error;
} TwRgExact;

void tw_rg_exact_start(TwRgExact *ex, const TwRgTape *tape, const double *coeffs);
void tw_rg_exact_free(TwRgExact *ex);
/* `upto` below: only ops before that one have been carried out. Each returns false after it set error. */
bool tw_rg_exact_point(TwRgExact *ex, TwRgPoint *p, uint32_t upto); /* afterwards p->exact is not SEARCH */
bool tw_rg_exact_value(TwRgExact *ex, TwRgPoint *p, uint32_t upto, uint32_t slot, TwDd *out);
/* Where the value in `slot`, of opposite signs at l and r and affine between them, is zero. */
bool tw_rg_exact_cross(TwRgExact *ex, TwRgPoint *l, TwRgPoint *r, uint32_t upto, uint32_t slot, TwRgPoint *out);
/* The output on the piece from l to r, which may have been merged from several patterns. */
bool tw_rg_exact_map(TwRgExact *ex, TwRgPoint *l, TwRgPoint *r, TwDy *slope, TwDy *intercept);
/* The same in double-double, with error bounds; false, and no error, if that does not do. Slopes of narrow
 * pieces come out far better than from the output at their ends. */
bool tw_rg_rough_map(TwRgExact *ex, const TwRgPoint *l, const TwRgPoint *r, TwDd *slope, TwDd *intercept);
typedef struct TwRgTimes {
  double c;
  TwRgPoint *point;
} TwRgTimes;
/* The sum of c times the point. */
bool tw_rg_exact_sum(TwRgExact *ex, size_t n, const TwRgTimes *terms, int *sign, double *rounded);
bool tw_rg_exact_place(TwRgExact *ex, TwRgPoint *p, double *x); /* rounded to nearest */

/* ---- lanes: value of slot s at point k in hi, lo, err: lanes[s * stride + k], … + cap, … + 2 cap */
typedef struct TwRgMem {
  double *lanes;
  size_t cap, stride;
  uint64_t *kink; /* bit k of kink[s * words]: the value in slot s may have a kink at point k */
  size_t words;
} TwRgMem;

typedef struct TwRgBound { /* an AFFINE op with this call's coefficients */
  double hi, lo, err;      /* bias and all that does not depend on x */
  double unit;             /* rounding error for each low part summed */
  uint32_t term, n_terms;  /* what depends on x, zero coefficients left out */
  bool constant;           /* the result does not depend on x (either kind of op) */
} TwRgBound;

typedef struct TwRgCross { /* where each new point lies between its neighbours: at the share t from l to r */
  uint32_t *l, *r;
  double *t_hi, *t_lo, *t_err;
} TwRgCross;

enum { TW_RG_POS = 1, TW_RG_NEG = 2, TW_RG_ZERO = 4, TW_RG_DOUBT = 8 };

/* Arrays have room for a multiple of 4 points, and so has what is written. */
typedef struct TwRgLanes {
  void (*affine)(const TwRgMem *m, uint32_t n, uint32_t out, const TwRgBound *b, const double *c,
                 const uint32_t *slots);
  unsigned (*signs)(const TwRgMem *m, uint32_t n, uint32_t slot, uint64_t *pos, uint64_t *neg, uint64_t *doubt);
  void (*relu)(const TwRgMem *m, uint32_t n, uint32_t a, uint32_t out); /* by the sign of hi, right by now */
  void (*cross)(const TwRgMem *m, uint32_t n, uint32_t slot, const TwRgCross *c);
  void (*lerp)(const TwRgMem *m, uint32_t first, uint32_t n, uint32_t slot, const TwRgCross *c);
} TwRgLanes;

const TwRgLanes *tw_rg_lanes_portable(void);
const TwRgLanes *tw_rg_lanes_best(void); /* for this machine; the bits of both are the same */

/* ---- tally */
typedef struct TwRgPiece {
  TwRgPoint l, r;
  double slope, slope_err, intercept, intercept_err;
  uint32_t number;
} TwRgPiece;

typedef struct TwRgStack {
  TwRgPiece *at; /* those that no other piece hides so far */
  size_t n, cap;
  TwRgPiece far; /* of the pieces so far, the one that hides most to its right */
} TwRgStack;

typedef struct TwRgKey { /* bounds on slope and intercept of a counted piece */
  double slope[2], intercept[2];
  size_t piece;
} TwRgKey;

typedef struct TwRgTally {
  TwRgExact *ex;
  double sliver;
  bool keep; /* make the list of pieces */
  bool begun;
  bool apart;        /* some pieces were merged: patterns have a stack of their own */
  TwRgPiece now;     /* the piece that the next may still belong to, */
  TwDd now_l, now_r; /* the output at its ends, */
  bool exact_map;    /* and, if needed so far, its map: map[0] and map[1] */
  bool map_ready;    /* map[] is initialised */
  TwDy map[4];
  TwRgStack pieces, patterns;
  int64_t n_patterns, n_slivers, n_finished; /* n_finished: pieces before `now` */
  TwRtPiece *list;
  size_t n_list, cap_list;
  TwRgKey *keys; /* scratch of the count of maps */
  size_t cap_keys;
  const char *error;
} TwRgTally;

void tw_rg_tally_start(TwRgTally *t, TwRgExact *ex, double sliver, bool keep);
/* The next pattern interval, with the output at its ends; kink: the output may have one at l. */
bool tw_rg_tally_add(TwRgTally *t, const TwRgPoint *l, const TwRgPoint *r, TwDd yl, TwDd yr, bool kink);
bool tw_rg_tally_end(TwRgTally *t, TwRtRegions *out);
void tw_rg_tally_free(TwRgTally *t);

/* ---- fast */
typedef struct TwRgFast TwRgFast;
TwRgFast *tw_rg_fast_new(const TwRgTape *t); /* NULL: not for this tape, or not on this processor */
void tw_rg_fast_free(TwRgFast *f);
/* Fills counted and pieces; false if it cannot tell. */
bool tw_rg_fast_count(TwRgFast *f, const double *coeffs, double lo, double hi, double sliver, TwRtRegions *out);

/* ---- sweep */
typedef struct TwRgSaved { /* a part of the interval put aside, points in order */
  uint32_t op, n;
  size_t cap_doubles;
  double *values; /* three arrays of n for each live slot, in the order of slots */
  uint64_t *kink;
  int32_t *exact;
  uint8_t *live;
} TwRgSaved;

struct TwRtCounter {
  TwRgTape tape;
  const TwRgLanes *lanes;
  TwRgBound *bound;
  double *c; /* coefficients of bound terms, and their slots */
  uint32_t *slots;
  TwDd *constants; /* by slot */
  bool *is_constant;
  bool *alive; /* by op: the relu was on somewhere */
  TwRgMem mem;
  uint8_t *live; /* by slot: it holds a value that depends on x and is still needed */
  uint32_t limit, n, n_pieces;
  uint32_t last; /* point at the right end; 0 is at the left end */
  uint32_t *l, *r, *next, *piece, *order;
  int32_t *exact;
  uint64_t *pos, *neg, *doubt;
  TwRgCross cross;
  double *spare;
  TwRgSaved *saved;
  size_t n_saved, cap_saved;
  int64_t made, most; /* pieces made so far; how many may be */
  TwRgExact ex;
  TwRgTally tally;
  TwRgFast *fast; /* made when first asked for */
  bool fast_tried;
  uint32_t fast_wait, fast_misses; /* counts until it is asked again; in a row that it could not tell */
  uint64_t fast_told, fast_asked;
  const char *error;
};

bool tw_rg_sweep_init(TwRtCounter *c); /* after the tape; false: out of memory */
bool tw_rg_sweep(TwRtCounter *c, const double *coeffs, double lo, double hi);
void tw_rg_sweep_free(TwRtCounter *c);
TwRtRegions tw_rg_count(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver, bool keep);

#endif
