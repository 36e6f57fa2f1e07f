/* layers.h: what layers.c and tiles.c share: a level of a straight body while it is emitted. */
#ifndef TW_LLVM_LAYERS_H
#define TW_LLVM_LAYERS_H

#include "compiler/llvm/ll.h"

typedef struct TwLlStart { /* of carry k of a scan: an item of the level makes it */
  TwRef scan;
  uint32_t k, next;
} TwLlStart;

typedef struct TwLlLevel TwLlLevel;
struct TwLlLevel {
  TwLlLayers *y;
  TwLlLevel *outer;
  const TwPlCut *cut;
  TwLlScope *b;
  TwLlLevel **inner;     /* per ref, of scans */
  LLVMValueRef *place;   /* per ref: the row of a lane value; of a tensor or a stack, that of its first element */
  bool *column;          /* per ref: its place is in a column of the data: samples in order */
  uint32_t *first_start; /* per ref: 1 + the first of the starts that it is */
  TwVec(TwLlStart) starts;
  /* of a scan */
  LLVMValueRef i;                 /* the iteration */
  LLVMValueRef *out;              /* per result: the row it goes to in this iteration, or NULL */
  LLVMValueRef *extra_at, *extra; /* per extra: its row or scalar in this iteration; its value in the block */
};

/* An address, or an offset, that several operations share, and what it is made of. */
typedef enum TwLlMadeOf { TW_LL_OF_COLUMN, TW_LL_OF_ROW, TW_LL_OF_ITERATION, TW_LL_OF_SUM } TwLlMadeOf;
typedef struct TwLlMade {
  TwLlMadeOf what;
  LLVMBasicBlockRef where;
  LLVMValueRef base, i, sub;
  uint64_t each; /* bytes */
  uint32_t lanes;
  LLVMValueRef v;
} TwLlMade;
enum { TW_LL_N_MADE = 8 };

struct TwLlLayers {
  TwLlLanes *p;
  TwLlLevel *top;
  LLVMValueRef scratch;
  TwLlMade made[TW_LL_N_MADE]; /* the latest */
  uint32_t next_made;
  int64_t stride; /* from row to row, in blocks: odd, so that rows do not meet in the sets of a cache */
};

/* The blocks of a pass are run in one go, with the lanes past the end masked where that is free, as part of the fma.
 * Elsewhere the ragged block is run like the others, but what was in the accumulators before it goes to memory first,
 * and lanes past the end get it back (TwLlLanes.keeps_last); or, with tensors or stacked results, all full blocks are
 * run first and then the ragged one, whose accumulators go to memory under a mask. */
typedef struct TwLlRun {
  LLVMValueRef first, count; /* blocks of the pass */
  LLVMValueRef ragged;       /* is it the ragged one? NULL: not in this way */
  LLVMValueRef valid;        /* lanes that the ragged block has; NULL: all blocks are full */
} TwLlRun;
typedef void TwLlRunFn(TwLlLevel *v, uint32_t segment, const TwLlRun *run);
void tw_ll_run_blocks(TwLlLevel *v, uint32_t segment, TwLlRunFn *fn);
/* Blocks of the pass that come before the ragged one, and whether that is in it: 0 or 1. There is a ragged block. */
void tw_ll_full_and_ragged(TwLlLanes *p, LLVMValueRef *full, LLVMValueRef *ragged);
LLVMValueRef tw_ll_valid_lanes(TwLlLanes *p); /* of the part at p->sub that the ragged block has */
void tw_ll_enter_run(TwLlLanes *p, const TwLlRun *run, LLVMValueRef i); /* block number i of the run */
LLVMValueRef tw_ll_mask_of_run(TwLl *l, const TwLlRun *run);            /* for what is stored after it, or NULL */
void tw_ll_end_sum(TwLl *l, LLVMValueRef sum, LLVMValueRef at, LLVMValueRef mask);

/* Between these a lane value is one vector of the machine's, and p->sub says which of a block. */
TwLlLoop tw_ll_begin_parts(TwLlLevel *v);
void tw_ll_end_parts(TwLlLevel *v, TwLlLoop *part);
/* The same without a loop over the parts: whoever calls sets p->sub. */
void tw_ll_narrow(TwLlLevel *v);
void tw_ll_widen(TwLlLevel *v);

TwLlVal tw_ll_in_block(TwLlLevel *v, TwRef r); /* a tensor with a place */

/* ---- tiles.c, panels.c, sums.c */
/* Block number i of the pass, or any behind it that rows have room for. */
void tw_ll_enter_any(TwLlLevel *v, LLVMValueRef i);
typedef struct TwLlDots { /* a tile of a contraction */
  TwRef dot, root;        /* root: what is stored; the dot itself or its reader */
  int row_axis;
  uint32_t rows, n_blocks;
} TwLlDots;
/* Stores what is made of the elements acc[row * n_blocks + block], rows from i on, blocks from `first` on. */
void tw_ll_store_dots(TwLlLevel *v, const TwLlDots *t, const TwLlAt *i, LLVMValueRef first, LLVMValueRef *acc);
bool tw_ll_is_large(TwLlLevel *v, TwRef dot);
void tw_ll_large_contraction(TwLlLevel *v, TwRef root, TwRef dot);
void tw_ll_tensor_segment(TwLlLevel *v, uint32_t segment);
void tw_ll_sum_segment(TwLlLevel *v, uint32_t segment);

/* outer.c: packs the factors, which may be all that is done in the loop (TwLlOuter, ll.h). */
void tw_ll_begin_outer(TwLlLevel *v, TwLlOuter *o);
void tw_ll_outer_sum(TwLlLevel *v, TwLlOuter *o, LLVMValueRef out); /* all of it, row-major at out */

#endif
