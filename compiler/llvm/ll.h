/* ll.h: what the files of compiler/llvm share and nobody else includes.
 *
 * The emitter walks a function of the IR once and builds LLVM IR in its final form: SSA with explicit
 * vectors, loops with phis, no stack slots, no passes afterwards but code generation. One emitter serves
 * two contexts. In uniform context an element is a scalar. Inside `samples` an element that depends
 * on the sample is sixteen samples at once, <16 x T>, a "lane value"; what does not depend on it stays
 * scalar and is splatted where the two meet. The plan says beforehand which is which.
 *
 * Scalars live in SSA values. Tensors live in memory, as views (base pointer and strides) of the
 * caller's buffers or of the work buffer, whose layout is fixed at emission (memory.c); or nowhere:
 * a lazy tensor is computed element by element where its one reader wants it.
 *
 * What is decided beforehand, without LLVM, is in compiler/plan/plan.h; here it is read. */
#ifndef TW_LLVM_LL_H
#define TW_LLVM_LL_H

#include <llvm-c/Core.h>

#include "compiler/ir/ir.h"
#include "compiler/llvm/llvm.h"
#include "compiler/plan/plan.h"

/* An internal compiler bug: prints the place in this program and the span in hand, exits with 70. */
#define tw_ll_assert(l, cond) ((cond) ? (void)0 : tw_ll_bug((l), #cond, __FILE__, __LINE__))

/* ---- the module under construction */
typedef struct TwLlBlock {
  uint64_t at, bytes;
  bool used;
} TwLlBlock;

typedef struct TwLl {
  TwArena *arena;
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  LLVMBuilderRef b;
  LLVMTypeRef i1, i8, i16, i32, i64, ptr;
  bool f64;
  TwMachine m;
  uint32_t lanes; /* of a lane value now: 16, or in a straight body what one of those vectors holds */
  TwSpan at;      /* of the instruction being emitted, for bug reports */
  LLVMValueRef fn, work;
  TwVec(TwLlBlock) blocks; /* of the work buffer, in order of address; at[0] unused */
  uint64_t work_bytes;
  int64_t chunks; /* of the largest loop so far that threads may share */
} TwLl;

_Noreturn void tw_ll_bug(const TwLl *l, const char *what, const char *file, int line);

/* ---- build.c: types and instructions. Each wrapper asserts what LLVM does not check. */
LLVMTypeRef tw_ll_type(const TwLl *l, TwDtype d, bool lanes);   /* of an SSA value */
LLVMTypeRef tw_ll_stored(const TwLl *l, TwDtype d, bool lanes); /* of the same in memory: bool is i8 */
uint64_t tw_ll_bytes(const TwLl *l, TwDtype d, bool lanes);
bool tw_ll_is_lanes(LLVMValueRef v);
LLVMTypeRef tw_ll_lanes_of(const TwLl *l, LLVMTypeRef t);
LLVMValueRef tw_ll_i64(const TwLl *l, int64_t v);
LLVMValueRef tw_ll_real(const TwLl *l, double v);
LLVMValueRef tw_ll_zero(const TwLl *l, TwDtype d, bool lanes);
LLVMValueRef tw_ll_splat(TwLl *l, LLVMValueRef v); /* lane values unchanged */
LLVMValueRef tw_ll_lane_ids(TwLl *l);              /* <0, 1, …> of i64 */
bool tw_ll_is_int_const(LLVMValueRef v, int64_t *out);
LLVMValueRef tw_ll_add(TwLl *l, LLVMValueRef a, LLVMValueRef b); /* integers, folding 0 and 1 */
LLVMValueRef tw_ll_mul(TwLl *l, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef tw_ll_select(TwLl *l, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef tw_ll_shuffle(TwLl *l, LLVMValueRef a, LLVMValueRef b, const int *pick, uint32_t n);
LLVMValueRef tw_ll_call(TwLl *l, const char *name, LLVMTypeRef result, LLVMValueRef *args, uint32_t n);
LLVMValueRef tw_ll_intrinsic(TwLl *l, const char *name, LLVMTypeRef *over, uint32_t n_over, LLVMValueRef *args,
                             uint32_t n);
/* The place of what has none yet: whoever reads or writes there, or computes an address from it, has found a bug. */
LLVMValueRef tw_ll_nowhere(const TwLl *l);
/* base + index elements of stored type t */
LLVMValueRef tw_ll_at(TwLl *l, LLVMTypeRef t, LLVMValueRef base, LLVMValueRef index);
LLVMValueRef tw_ll_byte_at(TwLl *l, LLVMValueRef base, uint64_t bytes);
LLVMValueRef tw_ll_load(TwLl *l, TwDtype d, bool lanes, LLVMValueRef p);
void tw_ll_store(TwLl *l, TwDtype d, LLVMValueRef v, LLVMValueRef p);
/* Sixteen reals past the caches; p is aligned to them. Other threads may read them after tw_ll_end_streams, and then as
 * anything else that was stored: such stores keep no order among others. */
void tw_ll_stream_run(TwLl *l, LLVMValueRef v, LLVMValueRef p);
void tw_ll_end_streams(TwLl *l);
void tw_ll_prefetch(TwLl *l, LLVMValueRef p); /* its line into the second-level cache; p may be anything */
/* Sixteen consecutive elements in memory, or the first n of them (the rest reads as zero). */
LLVMValueRef tw_ll_load_run(TwLl *l, TwDtype d, LLVMValueRef p, uint32_t n);
void tw_ll_store_run(TwLl *l, TwDtype d, LLVMValueRef v, LLVMValueRef p, uint32_t n);
/* One element for each lane, index[lane] elements from base. In lane memory each lane has its own. */
LLVMValueRef tw_ll_gather(TwLl *l, TwDtype d, bool lane_memory, LLVMValueRef base, LLVMValueRef index);
/* The same the other way; no two lanes may write one place. mask NULL: all lanes. */
void tw_ll_scatter(TwLl *l, TwDtype d, LLVMValueRef v, LLVMValueRef base, LLVMValueRef index, bool lane_memory,
                   LLVMValueRef mask);

/* Counted loop from 0 to n - 1, at least once: code between begin and end is the body. */
typedef struct TwLlLoop {
  LLVMBasicBlockRef before, head, after;
  LLVMValueRef i, n;
} TwLlLoop;
TwLlLoop tw_ll_loop(TwLl *l, LLVMValueRef n);
LLVMValueRef tw_ll_loop_phi(TwLl *l, TwLlLoop *p, LLVMValueRef init); /* at the start of the body */
void tw_ll_loop_next(TwLl *l, LLVMValueRef phi, LLVMValueRef next);   /* in the block that ends the body */
void tw_ll_loop_end(TwLl *l, TwLlLoop *p);
LLVMBasicBlockRef tw_ll_new_block(TwLl *l, const char *name);
void tw_ll_seldom(TwLl *l, LLVMValueRef branch); /* a conditional branch that seldom goes the first way */
void tw_ll_go(TwLl *l, LLVMBasicBlockRef to);    /* branch there and go on there */
void tw_ll_place(TwLl *l, LLVMBasicBlockRef to); /* go on there */

/* ---- elementwise.c */
LLVMValueRef tw_ll_op(TwLl *l, TwOp op, TwDtype operand, LLVMValueRef *args, uint32_t n);
LLVMValueRef tw_ll_fadd(TwLl *l, TwDtype d, LLVMValueRef a, LLVMValueRef b); /* add of reals or ints */
LLVMValueRef tw_ll_fma(TwLl *l, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
LLVMValueRef tw_ll_clamp(TwLl *l, LLVMValueRef i, int64_t n); /* into 0 … n - 1 */

/* ---- values */
typedef enum TwLlKind { TW_LL_NONE, TW_LL_SCALAR, TW_LL_VIEW, TW_LL_LAZY, TW_LL_TUPLE } TwLlKind;
typedef struct TwLlVal {
  TwLlKind kind;
  TwDtype dtype;
  bool lanes;  /* elements are lane values */
  bool padded; /* base of a buffer of its own, with room for whole runs of sixteen elements */
  bool fixed;  /* in a buffer that nothing writes while the function runs */
  uint32_t rank;
  int64_t dims[TW_MAX_RANK], stride[TW_MAX_RANK]; /* in elements */
  int64_t unit;                                   /* from one element to the next in row-major order; 0 means 1 */
  int64_t room;       /* elements that may be written from the base on, though there be fewer; 0: just these */
  LLVMValueRef v;     /* scalar */
  LLVMValueRef splat; /* uniform scalar: the same in all lanes, or NULL */
  LLVMValueRef ptr;   /* view: address of element 0; scalar: where it can be loaded again, or NULL */
  LLVMValueRef wide;  /* uniform scalar: where it is in all lanes of a vector of the machine's, or NULL */
  uint32_t block;     /* of the work buffer it lies in; 0: not there */
  struct TwLlVal *parts;
} TwLlVal;

typedef struct TwLlOwned {
  uint32_t block, last;
} TwLlOwned;
typedef struct TwLlScope {
  TwLl *l;
  const TwFn *fn;
  const TwPlFacts *facts;
  TwLlVal *val;              /* per ref */
  const TwLlVal **home;      /* per ref: where the value is wanted, or NULL */
  TwVec(TwLlOwned) owned;    /* blocks that die in this scope */
  struct TwLlOuter **strips; /* per ref: the get of a sum that its reader, a group, makes strip by strip, or NULL */
  struct TwLlLevel *level;   /* of a straight body whose segments are being emitted, or NULL */
  bool *done;                /* per ref: made together with an earlier one */
} TwLlScope;

/* ---- memory.c: the work buffer */
uint32_t tw_ll_alloc(TwLl *l, uint64_t bytes);
uint32_t tw_ll_alloc_fresh(TwLl *l, uint64_t bytes); /* where no block has been before */
void tw_ll_free(TwLl *l, uint32_t block);
LLVMValueRef tw_ll_block_ptr(TwLl *l, uint32_t block);
TwLlVal tw_ll_new_tensor(TwLl *l, const TwTyInfo *t, bool lanes); /* contiguous, in a block of its own */
void tw_ll_release(TwLl *l, const TwLlVal *v);

/* ---- scope.c */
TwLlScope *tw_ll_scope(TwLl *l, const TwPlFacts *facts);
void tw_ll_bind(TwLlScope *s, uint32_t param, TwLlVal v);
void tw_ll_inst(TwLlScope *s, TwRef r);
void tw_ll_late_inst(TwLlScope *s, TwRef r);                 /* a scalar that waited for its group */
void tw_ll_own(TwLlScope *s, uint32_t block, uint32_t last); /* to be freed after `last` */
LLVMValueRef tw_ll_draw_value(TwLlScope *s, TwRef r, LLVMValueRef element);
void tw_ll_expire(TwLlScope *s, TwRef now); /* frees the memory that nobody reads after `now` */
/* Emits the whole function. dest[k] (tensor results only, may be NULL or of kind NONE): where result
 * k is to be stored. out[k]: the results; those without dest are valid until tw_ll_scope_end. */
void tw_ll_body(TwLlScope *s, const TwLlVal *dest, TwLlVal *out);
void tw_ll_homes(TwLlScope *s, const TwLlVal *dest);
void tw_ll_results(TwLlScope *s, const TwLlVal *dest, TwLlVal *out);
void tw_ll_scope_end(TwLlScope *s);
void tw_ll_entry(TwLl *l, const TwLlFn *f);
/* Erases from the function that is being built what was made and nobody reads after all: a scalar that lane code takes
 * from memory, say. At its end: no value of it is used after. */
void tw_ll_erase_unread(TwLl *l);
const TwLlVal *tw_ll_get_home(TwLlScope *s, TwRef region, uint32_t k); /* where result k is wanted, or NULL */

LLVMValueRef tw_ll_operand(TwLlScope *s, TwRef a, bool lanes); /* a scalar, splatted if lanes */
TwLlVal tw_ll_for_body(TwLlScope *s, TwRef r);                 /* an operand of a region: tensors in memory */
TwLlVal tw_ll_result_memory(TwLlScope *s, TwRef region, uint32_t k, const TwTyInfo *t, bool lanes);
TwLlVal tw_ll_slice_of(TwLl *l, const TwLlVal *x, LLVMValueRef i);
/* The same of a uniform tensor that nothing writes meanwhile: a scalar can be loaded again from there. */
TwLlVal tw_ll_row_of(TwLl *l, TwLlScope *s, TwRef a, LLVMValueRef i);
/* layers.c: brings a lane value into the segment that is being emitted. */
void tw_ll_seg_load(TwLlScope *s, TwRef r);

/* ---- view.c, tensor.c */
typedef struct TwLlAt {
  LLVMValueRef i[TW_MAX_RANK]; /* an index for each axis, or i[0] the row-major number if flat */
  bool flat;
  int run;         /* the axis along which a run of sixteen is meant; -1: one element */
  uint32_t n;      /* how many of the run exist */
  uint32_t stored; /* to be stored: how many elements are, which may be more */
} TwLlAt;
TwLlVal tw_ll_scalar(TwDtype d, LLVMValueRef v);
TwLlVal tw_ll_contiguous(const TwTyInfo *t, LLVMValueRef ptr, bool lanes);
bool tw_ll_is_contiguous(const TwLlVal *v);
int64_t tw_ll_room(const TwLlVal *v); /* elements that may be written from its base on, whatever is behind it */
/* Elements to store where n of a run are wanted, from number `from` on: whole vectors where there is room. Storing a
 * part of a vector takes AMD's cores many times as long, and who loads it next waits until it is in the cache. */
uint32_t tw_ll_stored_of_run(const TwLl *l, const TwLlVal *to, int64_t from, uint32_t n);
LLVMValueRef tw_ll_view_ptr(TwLl *l, const TwLlVal *v, const LLVMValueRef *i);
TwLlVal tw_ll_row(TwLl *l, const TwLlVal *v, LLVMValueRef i); /* view of v[i]; i is uniform */
LLVMValueRef tw_ll_view_load(TwLl *l, const TwLlVal *v, const TwLlAt *at);
LLVMValueRef tw_ll_value(TwLlScope *s, TwRef r); /* a scalar */
LLVMValueRef tw_ll_element(TwLlScope *s, TwRef r, const TwLlAt *at);
LLVMValueRef tw_ll_compute_element(TwLlScope *s, TwRef r, const TwLlAt *at); /* even if it is in memory */
void tw_ll_into(TwLlScope *s, TwRef r, const TwLlVal *dest);
/* Stores gen(env, index) at every element of `to`; in runs of sixteen where gen can give them: as if
 * it were one axis (flat_ok), or along the last axis (run_ok). */
typedef LLVMValueRef (*TwLlGen)(void *env, const TwLlAt *at);
void tw_ll_fill(TwLl *l, const TwLlVal *to, TwLlGen gen, void *env, bool flat_ok, bool run_ok);
void tw_ll_copy(TwLl *l, const TwLlVal *from, const TwLlVal *to);
void tw_ll_fill_zero(TwLl *l, const TwLlVal *to);
bool tw_ll_flat_ok(TwLlScope *s, TwRef r);
bool tw_ll_run_ok(TwLlScope *s, TwRef r, int axis);
void tw_ll_fill_flat(TwLl *l, const TwLlVal *to, TwLlGen gen, void *env); /* by row-major numbers, always */
void tw_ll_materialize(TwLlScope *s, TwRef r);
void tw_ll_group(TwLlScope *s, const TwPlGroup *g); /* groups.c */
void tw_ll_shape_op(TwLlScope *s, TwRef r);
void tw_ll_index(TwLlScope *s, TwRef r);
void tw_ll_add_at(TwLlScope *s, TwRef r);

/* A loop nest over an index space. Axes of size 1 make no loop. */
typedef struct TwLlNest {
  TwLlLoop loops[TW_MAX_RANK];
  bool is_loop[TW_MAX_RANK];
  uint32_t rank;
  TwLlAt at;
} TwLlNest;
void tw_ll_nest(TwLl *l, TwLlNest *n, uint32_t rank, const int64_t *dims);
void tw_ll_nest_end(TwLl *l, TwLlNest *n);

/* ---- reduce.c, dot.c */
/* Indices of number e among n axes of the given sizes, the last one fastest. */
void tw_ll_unflatten(TwLl *l, LLVMValueRef e, uint32_t n, const int64_t *dims, LLVMValueRef *out);
LLVMValueRef tw_ll_reduce_scalar(TwLlScope *s, TwRef r);            /* sum, rmax, rmin, dot to a scalar */
void tw_ll_reduce_into(TwLlScope *s, TwRef r, const TwLlVal *dest); /* … and argmask, to a tensor */
void tw_ll_dot_into(TwLlScope *s, TwRef r, const TwLlVal *dest);
/* A contraction r in several blocks of samples at once (operands of block b as they are bound when it is taken). */
typedef struct TwLlDot {
  TwLlScope *s;
  TwLlVal a, b;               /* views, or scalars with a shape */
  uint32_t n, n_free_a, rank; /* contracted axes, axes of the result */
  uint32_t axes_a[TW_MAX_RANK], axes_b[TW_MAX_RANK];
  uint32_t free_a[TW_MAX_RANK], free_b[TW_MAX_RANK];
  int64_t dims[TW_MAX_RANK]; /* of the contracted axes */
  int64_t count;
  bool lanes;
} TwLlDot;
enum { TW_LL_MAX_ROWS = 12 };
TwLlDot tw_ll_dot(TwLlScope *s, TwRef r);
/* acc[row * n + b]: the elements at i and the next rows - 1 of them along row_axis, in each of n blocks. */
void tw_ll_dot_blocks(const TwLlDot *d, uint32_t n, const LLVMValueRef *i, int row_axis, uint32_t rows,
                      LLVMValueRef *acc);
LLVMValueRef tw_ll_dot_scalar(TwLlScope *s, TwRef r);

/* ---- fold.c: partial sums to sums, chunks to totals */
/* The lanes of one vector by halves. */
LLVMValueRef tw_ll_fold_halves(TwLl *l, TwDtype d, LLVMValueRef v);
/* As many vectors as a vector has lanes -> one of their sums, in their order; v is lost. */
LLVMValueRef tw_ll_fold_vectors(TwLl *l, LLVMValueRef *v);
/* n vectors at `acc` -> n sums at `cur`; both have room for n rounded up to 16. */
void tw_ll_fold_many(TwLl *l, LLVMValueRef acc, LLVMValueRef cur, uint64_t n);
/* Sixteen partial sums of n elements each at p[16][n] -> p[0][…]. */
void tw_ll_fold_memory(TwLl *l, TwDtype d, bool lanes, LLVMValueRef p, uint64_t n);
typedef struct TwLlTree { /* totals of chunks, folded by neighbours as they come */
  TwDtype dtype;
  bool lanes;
  uint64_t n; /* elements in a chunk's result */
  int64_t chunks;
  uint32_t block;
  LLVMValueRef cur; /* n elements: the chunk's result in, the total out */
  LLVMValueRef slots;
} TwLlTree;
TwLlTree tw_ll_tree(TwLl *l, TwDtype d, bool lanes, uint64_t n, int64_t chunks);
void tw_ll_tree_push(TwLl *l, const TwLlTree *t, LLVMValueRef chunk);
/* The same with a result that lies elsewhere, and is lost there. Not for one chunk alone. */
void tw_ll_tree_push_from(TwLl *l, const TwLlTree *t, LLVMValueRef result, LLVMValueRef chunk);
void tw_ll_tree_finish(TwLl *l, const TwLlTree *t);

/* ---- outline.c: code into a function that several threads may run, each on a range of 0 … n - 1 */
typedef struct TwLlOutline {
  LLVMValueRef fn, caller, work;
  LLVMBasicBlockRef here;
  LLVMValueRef begin, end; /* the range */
} TwLlOutline;
TwLlOutline tw_ll_outline(TwLl *l);
/* Ends it, and calls it from where it began. */
void tw_ll_outline_end(TwLl *l, const TwLlOutline *o, LLVMValueRef n);

/* ---- scan.c, cond.c, samples.c, serial.c: values of kind TUPLE */
void tw_ll_scan(TwLlScope *s, TwRef r);
void tw_ll_cond(TwLlScope *s, TwRef r);
void tw_ll_samples(TwLlScope *s, TwRef r);
void tw_ll_serial_samples(TwLlScope *s, TwRef r);

/* ---- samples.c, layers.c: a samples loop while it is emitted */
typedef struct TwLlOuter TwLlOuter;
typedef struct TwLlLanes {
  TwLlScope *s, *b; /* outer scope, body */
  TwRef r;
  const TwRegion *g;
  const TwPlCut *cut;
  int64_t n, blocks, chunks;
  int64_t rows;             /* blocks of a pass: all of a chunk, or fewer if their values would not fit a cache */
  TwLlVal *xs, *ys;         /* columns; stacked results */
  const TwPlSum *how;       /* per sum */
  TwLlOuter **strips;       /* per sum: its tiles are made later, by a group; or NULL */
  int64_t *acc_at;          /* per sum: its first accumulator, and the place of its totals */
  int64_t n_real, n_int;    /* totals of reals; accumulators of ints */
  int64_t n_acc;            /* of the reals, the first ones, which have accumulators in memory */
  LLVMValueRef acc, whole;  /* of reals, of ints */
  LLVMValueRef sums;        /* the chunk's, of reals */
  LLVMValueRef from, count; /* the pass: its first block among all, and how many */
  LLVMValueRef i, block;    /* number of the block in the pass and among all */
  LLVMValueRef column;      /* i, or the last block of the pass if i is past that: where data can be read */
  LLVMValueRef sub;         /* its first lane: where vectors are narrower, a part of a block is run at a time */
  LLVMValueRef mask;        /* lanes that exist; NULL: all */
  bool passes;              /* a chunk takes more than one */
  bool goes_on;             /* accumulators start from what memory holds: zero, or an earlier pass's */
  /* The ragged block is run like others, but accumulators are kept in memory before it. */
  bool keeps_last;
  LLVMValueRef partial, valid; /* then: is there one in this part of the pass, and how many lanes it has */
} TwLlLanes;
/* Uniform scalars that lane code of b reads get a place in memory, from where it broadcasts them. */
void tw_ll_pool_scalars(TwLlScope *b, TwLlScope *owner, TwRef last);
void tw_ll_forget_lanes(TwLlScope *b); /* no lane value of b is in a register any more */
/* A mask: the first n lanes (i64) if `some`, else all; none if not `exists` (unless that is NULL). */
LLVMValueRef tw_ll_mask(TwLl *l, LLVMValueRef some, LLVMValueRef n, LLVMValueRef exists);
LLVMValueRef tw_ll_is_last_block(TwLlLanes *p);
LLVMValueRef tw_ll_masked(TwLlLanes *p, LLVMValueRef now, LLVMValueRef old);
void tw_ll_store_y(TwLlLanes *p, uint32_t k);
void tw_ll_passes(TwLlLanes *p); /* sets rows, passes, keeps_last and goes_on, of a straight body */
/* Lays out the scratch of a straight body, of which each block takes so many bytes in a pass. */
typedef struct TwLlLayers TwLlLayers;
TwLlLayers *tw_ll_layers(TwLlLanes *p, uint64_t *bytes);
void tw_ll_run_layers(TwLlLayers *y, LLVMValueRef scratch); /* one pass */
void tw_ll_pool_splats(const TwLlLanes *p, const TwPlCut *cut, TwLlScope *b, TwLlScope *owner, TwRef last);

/* ---- outer.c: the sum of a large outer product, of one chunk. Its tiles may be made where they are read (groups.c):
 * in the loop its factors are packed, and that is all. */
struct TwLlOuter { /* the sum of x[r] * y[c] over the samples of a chunk */
  TwRef x, y;
  int64_t rows, columns;
  int64_t blocks, rest;       /* most in a chunk; samples of the last block, 0: all */
  LLVMValueRef count, ragged; /* blocks of this chunk; whether the last one is among them */
  uint32_t lanes, vectors;    /* of a vector; in a row of a tile */
  uint32_t tile_rows, places; /* of a tile; for their elements of one sample, whole vectors */
  LLVMValueRef a, b, slots;   /* packed factors; subtrees that wait */
  uint32_t block[3];
};
typedef struct TwLlOuterTiles { /* which elements, and where to */
  LLVMValueRef tile0, n_tiles;  /* of rows, each of so many: */
  uint32_t rows;
  LLVMValueRef column0;
  int64_t n_columns, pitch; /* pitch: from row to row, at `out` */
  LLVMValueRef out;
  /* Emits code before each partial sum of a tile, number 0 … TW_LANES - 1; or NULL. */
  void (*each)(void *env, LLVMValueRef tile, LLVMValueRef column, LLVMValueRef number);
  void *env;
} TwLlOuterTiles;
TwLlOuter tw_ll_outer(const TwLlLanes *p, uint32_t k); /* sum k, which is one */
void tw_ll_outer_tiles(TwLl *l, const TwLlOuter *o, const TwLlOuterTiles *at);

/* ---- module.c, target.c */
typedef struct TwLlTarget {
  struct LLVMOpaqueTargetMachine *machine;
  char *triple, *cpu, *features; /* malloc'ed */
  TwMachine m;
  bool quick;     /* see TwLlOptions */
  TwLlOptions of; /* what it was asked for with */
  uint64_t needs; /* what the code may use: bits as in TwRtProgram.cpu */
} TwLlTarget;
void tw_ll_own_errors(void); /* own.c */
bool tw_ll_is_lost(void);    /* LLVM has had no memory, or has given up: it is not used again */
/* To make one takes a millisecond, so those that were freed are given out again. Safe from several threads. */
bool tw_ll_target(TwLlTarget *t, const TwLlOptions *o, char **error);
void tw_ll_target_free(TwLlTarget *t);
struct LLVMOpaqueTargetMachine *tw_ll_machine(const TwLlTarget *t, char **error); /* another one, the caller's */
/* All functions as one module of ctx, the caller's. Sets slot->work_bytes. */
bool tw_ll_module(LLVMContextRef ctx, const TwLlTarget *t, const TwLlFn *fns, uint32_t n, bool names,
                  LLVMModuleRef *out, char **error);
/* A function of it has more instructions than this. The time of LLVM's better level grows faster than a function
 * does: one of 16,000 took 1.2 s, one of 58,000 8 s, which are 2 at the lowest level. An operation of the IR may be
 * many of them. */
enum { TW_LL_HUGE = 50000 };
bool tw_ll_is_huge(LLVMModuleRef mod);

/* ---- lljit.c: LLVM's own linker */
typedef struct TwLlJit TwLlJit;
TwLlJit *tw_lljit_link(const TwLlObjects *objects, const TwLlOptions *o, char **error);
void *tw_lljit_symbol(TwLlJit *j, const char *name, char **error);
void tw_lljit_free(TwLlJit *j);

/* ---- table.c: adds the constant tw_program to a module. `alone`: the module holds all of fns, and they are
 * hidden; else those that it does not hold are symbols of other modules. */
void tw_ll_table(LLVMModuleRef mod, const TwRtProgram *p, const char *symbol, const TwLlFn *fns, uint32_t n,
                 bool alone);

#endif
