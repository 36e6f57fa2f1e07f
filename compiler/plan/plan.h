/* plan.h: how a function is to run, decided before any code of it is emitted, and without LLVM: what is computed where
 * it is read, which operations are one loop, how loops over samples are cut. compiler/llvm reads it.
 *
 * All of it lives in the arena that it is made in. Nothing here depends on values, and no bits depend on it. */
#ifndef TW_PLAN_PLAN_H
#define TW_PLAN_PLAN_H

#include <stdio.h>

#include "compiler/ir/ir.h"
#include "compiler/plan/machine.h"

enum { TW_LANES = 16, TW_CHUNK = 512, TW_CHUNK_BLOCKS = TW_CHUNK / TW_LANES };
/* Blocks of samples in a tile, at most; that are run in turn, operation by operation. */
enum { TW_PL_MAX_BLOCKS = 8, TW_PL_MAX_TURNS = 4 };

/* ---- facts.c: what is known about a function in a context before anything is emitted */
typedef enum TwPlLazy { TW_PL_EAGER, TW_PL_BY_ELEMENT, TW_PL_INTO } TwPlLazy;

typedef enum TwPlRole {
  TW_PL_TOP,
  TW_PL_BRANCH,
  TW_PL_SCAN_BODY,
  TW_PL_LANE_BODY,  /* of samples: what varies runs in the loop, the rest before it */
  TW_PL_SERIAL_BODY /* of samples inside samples: a plain loop */
} TwPlRole;

typedef struct TwPlFacts TwPlFacts;
enum { TW_PL_MAX_SUMS = 8 };
typedef struct TwPlGroup { /* operations on tensors of one size that are one loop: groups.c */
  TwVec(TwRef) members;    /* in order */
  TwVec(TwRef) late;       /* scalars in between that are made of their sums */
  TwRef last;              /* where it is emitted */
  TwRef concat;            /* the member that is one, or 0 */
  int64_t count;           /* elements */
  uint32_t n_sums;
} TwPlGroup;
typedef struct TwPlRegionFacts {
  TwPlFacts *body, *other;
  bool serial;      /* samples whose operands depend on an outer sample: a plain loop */
  bool *res_varies; /* per result */
} TwPlRegionFacts;

struct TwPlFacts {
  const TwFn *fn;
  TwPlRole role;
  bool *varies;    /* per ref: its elements are lane values */
  bool *inner;     /* per ref: it, or something it is made of, varies */
  uint32_t *uses;  /* per ref, results counted */
  TwRef *user;     /* per ref: the last user; 0: a result */
  uint32_t *last;  /* per ref: the last time (a ref) at which its memory is read; UINT32_MAX: at the end */
  uint8_t *lazy;   /* per ref: TwPlLazy */
  bool *fused;     /* per ref: a product that is only summed: it exists inside the fma that adds it */
  bool *in_place;  /* per ref: an add_at that works in its first operand's memory */
  bool *stays;     /* per carry of a scan body: one buffer, changed in place */
  uint32_t *group; /* per ref: 1 + the number of its group; 0: in none */
  TwVec(TwPlGroup) groups;
  bool *late;               /* per ref: emitted behind the group that it needs */
  bool *unstored;           /* per ref: a member that nobody outside of its group reads */
  TwPlRegionFacts *regions; /* per ref; of regions */
};
/* g: the region whose body fn is; NULL at the top. */
TwPlFacts *tw_pl_facts(TwArena *arena, const TwFn *fn, const bool *param_varies, TwPlRole role, const TwRegion *g);
bool tw_pl_is_elementwise(TwOp op);
/* Whether the only reader of r wants each element at most once, element by element. */
bool tw_pl_read_once(const TwPlFacts *x, TwRef r);
/* Whether it is the concat of a group, which takes elements by their number in row-major order. */
bool tw_pl_read_flat(const TwPlFacts *x, TwRef r);
/* Whether a get is read by a group alone, as a part of its concat which begins and ends with a chunk, and each row of
 * `columns` elements does. */
bool tw_pl_is_in_strips(const TwPlFacts *x, TwRef get, int64_t columns);

/* ---- levels.c, segment.c: how the body of samples is cut, if it is straight. */
typedef struct TwPlAcc { /* a sum over the samples: one scalar, or in a loop one a row */
  uint32_t k;            /* number of the sum */
  TwRef a, b;            /* fma(a, b, acc); b = 0: acc + a. From insts.len on: of `extra` */
} TwPlAcc;
typedef struct TwPlItem {
  TwRef inst;   /* an instruction, or 0 */
  uint32_t acc; /* number of a TwPlAcc */
} TwPlItem;
typedef struct TwPlSegment {
  uint32_t first, end;    /* items */
  TwRef scan;             /* the one item, a loop that is a level of its own; or 0 */
  bool tensor;            /* the one item, a tensor or a sum of tensors (tiles.c) */
  bool columns;           /* reads columns of the data, which end with the last block */
  uint32_t turns;         /* blocks that are run in turn, operation by operation */
  uint32_t accs, peak;    /* accumulators; most values of its own alive at once */
  uint32_t loads, stores; /* per block, of lane values */
  uint32_t uniform;       /* scalars that it uses */
} TwPlSegment;
typedef struct TwPlCarry { /* memory of what a scan carries */
  uint64_t at;             /* in scratch */
  int64_t rows;            /* values at a time: 1, 2, or trip + 1; a tensor has a row of vectors for each element */
  bool history;            /* a row for each iteration */
} TwPlCarry;
#define TW_PL_NOWHERE UINT64_MAX
typedef struct TwPlCut TwPlCut;
struct TwPlCut { /* of one level: the body of samples, or of a scan in it */
  const TwPlFacts *x;
  const TwRegion *g;
  TwRef scan;    /* in the outer level; 0: the body of samples */
  bool straight; /* false: one segment without items */
  TwVec(TwPlItem) items;
  TwVec(TwPlAcc) accs;
  TwVec(TwPlSegment) segments;
  TwVec(TwRef) extra;     /* of a scan: tensors of the outer level whose rows its sums take */
  TwPlCut **inner;        /* per ref: the level of a scan */
  bool *whole;            /* per ref: a tensor with a place of its own, or a contraction: an item alone */
  TwRef *dot;             /* per ref: the contraction that is made where this reads it, or 0 */
  bool *absorbed;         /* per ref: such a contraction */
  bool tensors;           /* any of these */
  bool *stacked;          /* per ref: a stack of lane values that some loop reads: it must be in memory */
  uint32_t *slot;         /* per ref: 1 + number of its place in the chunk's scratch; 0: none */
  uint32_t *in_segment;   /* per ref: 1 + the segment that computes it; 0: none or all */
  uint32_t *last_segment; /* per ref: 1 + the last segment that reads it; 0: none */
  uint32_t n_slots;
  uint32_t registers; /* lane values that the machine's registers hold */
  uint64_t flop;      /* per sample */
  /* Scratch, in bytes for one block: what is at `at` has room for the rows of a pass at rows * at. */
  uint64_t *slot_at;  /* per slot */
  TwPlCarry *carry;   /* of a scan, per carry */
  uint64_t *stack_at; /* of a scan, per result: its stack; TW_PL_NOWHERE: none, or a history */
  uint64_t bytes;     /* of the body of samples: all of it */
  uint32_t lanes;     /* samples of a block that are run at a time, from the first segment to the last */
};
int64_t tw_pl_rows(const TwPlCut *top, const TwMachine *m, int64_t blocks); /* blocks of a pass */
/* The carry of a scan whose value before (or after) an iteration is what r is; -1: none. */
int64_t tw_pl_history_of(const TwPlCut *scan, TwRef r, bool *after);
TwPlCut *tw_pl_cut(TwArena *arena, const TwPlFacts *body, const TwRegion *g, const TwMachine *m, bool f64);
/* Whether a dot in lanes is the product of a uniform matrix with a vector, so large that the matrix is packed, piece by
 * piece. (One that lies in memory with no axis contiguous is not, after all.) */
bool tw_pl_is_packed(const TwPlFacts *x, TwRef dot, const TwMachine *m, bool f64);
/* Few scalars: they stay in registers, each in all lanes of one, while the segment runs. */
bool tw_pl_keeps_splats(const TwPlCut *cut, const TwPlSegment *seg);
/* Whether the blocks of a chunk take several passes, between which partial sums are in memory. */
bool tw_pl_has_passes(const TwPlCut *top, const TwMachine *m, int64_t blocks);
bool tw_pl_is_fma_sum(const TwPlFacts *body, uint32_t k); /* summed result k is a real product */

/* ---- sums.c: how the sums of a loop over samples are made */
typedef enum TwPlHow {
  TW_PL_IN_MEMORY, /* scalars: by a segment; else tiles whose partial sums go to memory */
  TW_PL_AT_ONCE,   /* tiles, each folded when all blocks of a chunk are in it */
  TW_PL_OUTER,     /* an outer product: its vectors are packed, then its tiles are made, columns in their lanes */
  TW_PL_STRIPS     /* the same, but in the loop its vectors are packed, and that is all: a group makes the tiles */
} TwPlHow;
typedef struct TwPlSum {
  TwPlHow how;
  TwRef x, y; /* of an outer product: of the rows, of the columns */
  int64_t rows, columns;
  TwRef get; /* in strips: what the group reads */
} TwPlSum;
enum { TW_PL_OUTER_ROWS = 6 }; /* of an outer product, at least */
/* Of the loop r over samples, whose cut is given: per sum. */
TwPlSum *tw_pl_sums(TwArena *arena, const TwPlFacts *x, TwRef r, const TwPlCut *cut, const TwMachine *m, bool f64);

/* ---- text.c: how each loop over samples and each tensor operation will be run, in words and figures */
void tw_pl_dump_machine(const TwMachine *m, FILE *out);
void tw_pl_dump(const char *name, const TwFn *fn, const TwMachine *m, bool f64, FILE *out);

#endif
