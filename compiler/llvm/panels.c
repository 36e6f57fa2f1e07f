/* panels.c: the product of a large uniform matrix with a vector of lane values, a wide layer forwards or backwards.
 *
 *   pack the operand, so that what is read together lies together
 *   for each band of rows of the matrix
 *     for each stretch of the contracted axis
 *       pack that piece of the matrix: it stays in the second-level cache, and is read from memory once
 *       for each few vectors of samples, a panel: their stretch of the operand stays in the first-level cache
 *         for each few rows: a tile of sums in registers, the stretch inside; some lines of the next piece are fetched
 *
 * A piece comes from memory while the one before it is multiplied: its rows are too short, and too far from each other,
 * for the core to see what is wanted next.
 *
 * Sums go on from stretch to stretch through memory, unrounded since they are rounded as they are; so each element is
 * fma after fma in the order of the contracted axis, from +0, as everywhere. The last stretch makes of its tile what
 * alone reads it (tiles.c).
 *
 * requires: a matrix with one axis contiguous; its place and the operand's in memory. */
#include "compiler/llvm/layers.h"

enum { ROWS = 6, GROUP = 8 /* places for the rows of a tile, where these are packed side by side */ };
enum { SHORTEST = 64, LONGEST = 256 /* stretch */, CACHE_LINE = 64 };

typedef struct Product {
  TwLlLevel *v;
  TwRef root, dot, x; /* x: the lane operand */
  TwLlVal w;
  uint32_t row_axis, inner;               /* of w */
  int64_t n_rows, n_inner, stretch, band; /* elements; tiles in a band */
  bool along;                             /* the contracted axis is the contiguous one */
  uint32_t n_blocks;                      /* vectors in a tile */
  LLVMValueRef packed, partial, operand;
  int64_t partial_row; /* elements */
  int64_t n_panels;    /* of a full pass, those of all parts of a block */
} Product;

/* A piece of the matrix: `count` tiles of `rows` rows from row0 on, columns k0 … k0 + n - 1 of the contracted axis. */
typedef struct Piece {
  LLVMValueRef row0, count, k0, n;
  uint32_t rows;
  LLVMValueRef is_first, is_last; /* of the stretches; NULL: there is but one */
  LLVMValueRef next_row, next_k;  /* where the next piece begins, if any */
} Piece;

static bool find(Product *q) {
  TwLlScope *b = q->v->b;
  TwRef a0 = tw_arg(b->fn, q->dot, 0), a1 = tw_arg(b->fn, q->dot, 1);
  uint32_t side = b->facts->varies[a0] ? 1 : 0;
  TwRef w = side ? a1 : a0;
  q->x = side ? a0 : a1;
  if (b->facts->varies[w] || tw_info(b->fn, w)->rank != 2 || tw_info(b->fn, q->x)->rank != 1) return false;
  if (tw_attr(b->fn, q->dot, 0) != 1 || !q->v->place[q->x] || q->v->column[q->x]) return false;
  q->w = b->val[w];
  q->inner = (uint32_t)tw_attr(b->fn, q->dot, 1 + side);
  q->row_axis = 1 - q->inner;
  if (q->w.kind != TW_LL_VIEW) return false;
  q->n_rows = q->w.dims[q->row_axis];
  q->n_inner = q->w.dims[q->inner];
  q->along = q->w.stride[q->inner] == 1;
  return q->along || q->w.stride[q->row_axis] == 1;
}

bool tw_ll_is_large(TwLlLevel *v, TwRef dot) {
  Product q = {.v = v, .dot = dot};
  return find(&q) && q.n_rows >= SHORTEST && q.n_inner >= SHORTEST &&
         q.n_rows * q.n_inner * (int64_t)tw_ll_bytes(v->b->l, TW_REAL, false) > tw_machine_large(&v->b->l->m);
}

/* ---- panels */

typedef struct Panels { /* a loop over those of a pass */
  TwLlLoop part, panel;
  LLVMValueRef number, first; /* of the panel; of its blocks */
} Panels;

static Panels begin_panels(const Product *q) {
  TwLlLanes *y = q->v->y->p;
  TwLl *l = q->v->b->l;
  Panels p;
  LLVMValueRef n = tw_ll_i64(l, q->n_blocks);
  p.part = tw_ll_loop(l, tw_ll_i64(l, TW_LANES / l->lanes));
  y->sub = tw_ll_mul(l, p.part.i, tw_ll_i64(l, l->lanes));
  p.panel = tw_ll_loop(l, LLVMBuildUDiv(l->b, tw_ll_add(l, y->count, tw_ll_i64(l, q->n_blocks - 1)), n, ""));
  p.first = tw_ll_mul(l, p.panel.i, n);
  int64_t each = q->n_panels / (TW_LANES / l->lanes);
  p.number = tw_ll_add(l, p.panel.i, tw_ll_mul(l, p.part.i, tw_ll_i64(l, each)));
  return p;
}

static void end_panels(const Product *q, Panels *p) {
  tw_ll_loop_end(q->v->b->l, &p->panel);
  tw_ll_loop_end(q->v->b->l, &p->part);
}

/* ---- packing */

static LLVMValueRef matrix_at(const Product *q, LLVMValueRef row, LLVMValueRef k) {
  LLVMValueRef i[2];
  i[q->row_axis] = row;
  i[q->inner] = k;
  return tw_ll_view_ptr(q->v->b->l, &q->w, i);
}

static int64_t row_pitch(const Product *q) { return q->stretch + TW_LANES; }
static int64_t tile_pitch(const Product *q) { return q->stretch * GROUP + TW_LANES; }

/* Where the element of row `row` (of a tile) and column k of the stretch is, in a packed tile. */
static LLVMValueRef packed_at(const Product *q, uint32_t rows, LLVMValueRef tile, LLVMValueRef row, LLVMValueRef k) {
  TwLl *l = q->v->b->l;
  int64_t each = q->along ? rows * row_pitch(q) : tile_pitch(q);
  LLVMValueRef at = tw_ll_mul(l, tile, tw_ll_i64(l, each));
  at = tw_ll_add(l, at, tw_ll_mul(l, row, tw_ll_i64(l, q->along ? row_pitch(q) : 1)));
  at = tw_ll_add(l, at, tw_ll_mul(l, k, tw_ll_i64(l, q->along ? 1 : GROUP)));
  return tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->packed, at);
}

static void copy_vector(TwLl *l, LLVMValueRef from, LLVMValueRef to, uint32_t n) {
  LLVMTypeRef t = tw_ll_type(l, TW_REAL, false);
  LLVMValueRef x = LLVMBuildLoad2(l->b, n > 1 ? LLVMVectorType(t, n) : t, from, "");
  LLVMSetAlignment(x, (unsigned)tw_ll_bytes(l, TW_REAL, false));
  LLVMSetAlignment(LLVMBuildStore(l->b, x, to), (unsigned)tw_ll_bytes(l, TW_REAL, false));
}

/* Where the panel that p->sub and `panel` name has element k0 of the operand, the first of a stretch: the panels of a
 * stretch lie one after the other, whole vectors of one element together. */
static LLVMValueRef operand_at(const Product *q, LLVMValueRef panel, LLVMValueRef k0) {
  TwLl *l = q->v->b->l;
  int64_t width = q->n_blocks * l->lanes;
  LLVMValueRef at = tw_ll_mul(l, k0, tw_ll_i64(l, q->n_panels * width));
  at = tw_ll_add(l, at, tw_ll_mul(l, panel, tw_ll_i64(l, q->stretch * width)));
  return tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->operand, at);
}

/* Rows as they are. The last vector of a stretch ends where that does, and may begin in the one before it: before a
 * packed row there is room. */
static void pack_rows(const Product *q, const Piece *p) {
  TwLl *l = q->v->b->l;
  LLVMValueRef lanes = tw_ll_i64(l, l->lanes);
  LLVMValueRef last = LLVMBuildSub(l->b, p->n, lanes, "");
  LLVMValueRef vectors = LLVMBuildUDiv(l->b, tw_ll_add(l, p->n, tw_ll_i64(l, l->lanes - 1)), lanes, "");
  TwLlLoop row = tw_ll_loop(l, tw_ll_mul(l, p->count, tw_ll_i64(l, p->rows)));
  LLVMValueRef from = matrix_at(q, tw_ll_add(l, p->row0, row.i), p->k0);
  LLVMValueRef to = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->packed,
                             tw_ll_mul(l, row.i, tw_ll_i64(l, row_pitch(q))));
  TwLlLoop vector = tw_ll_loop(l, vectors);
  LLVMValueRef k = tw_ll_mul(l, vector.i, lanes), more = LLVMBuildICmp(l->b, LLVMIntSGT, k, last, "");
  k = tw_ll_select(l, more, last, k);
  LLVMTypeRef t = tw_ll_type(l, TW_REAL, false);
  copy_vector(l, tw_ll_at(l, t, from, k), tw_ll_at(l, t, to, k), l->lanes);
  tw_ll_loop_end(l, &vector);
  tw_ll_loop_end(l, &row);
}

/* The rows of a tile side by side. */
static void pack_columns(const Product *q, const Piece *p) {
  TwLl *l = q->v->b->l;
  LLVMTypeRef t = tw_ll_type(l, TW_REAL, false);
  TwLlLoop k = tw_ll_loop(l, p->n);
  LLVMValueRef from = matrix_at(q, p->row0, tw_ll_add(l, p->k0, k.i));
  TwLlLoop tile = tw_ll_loop(l, p->count);
  LLVMValueRef at = tw_ll_at(l, t, from, tw_ll_mul(l, tile.i, tw_ll_i64(l, p->rows)));
  LLVMValueRef to = packed_at(q, p->rows, tile.i, tw_ll_i64(l, 0), k.i);
  for (uint32_t row = 0, n; row < p->rows; row += n) {
    for (n = 4; row + n > p->rows;) n /= 2;
    copy_vector(l, tw_ll_at(l, t, at, tw_ll_i64(l, row)), tw_ll_at(l, t, to, tw_ll_i64(l, row)), n);
  }
  tw_ll_loop_end(l, &tile);
  tw_ll_loop_end(l, &k);
}

/* A stretch of elements, at least one. */
static LLVMValueRef stretch_length(const Product *q, LLVMValueRef k0) {
  TwLl *l = q->v->b->l;
  LLVMValueRef most = tw_ll_i64(l, q->stretch);
  if (q->n_inner % q->stretch == 0) return most;
  LLVMValueRef left = LLVMBuildSub(l->b, tw_ll_i64(l, q->n_inner), k0, "");
  return tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, most, ""), left, most);
}

static void pack_operand(const Product *q) {
  TwLlLevel *v = q->v;
  TwLl *l = v->b->l;
  LLVMValueRef from[TW_PL_MAX_BLOCKS];
  int64_t pitch = 0, lane_bytes = (int64_t)tw_ll_bytes(l, TW_REAL, true);
  TwLlLoop stretch = tw_ll_loop(l, tw_ll_i64(l, (q->n_inner + q->stretch - 1) / q->stretch));
  LLVMValueRef k0 = tw_ll_mul(l, stretch.i, tw_ll_i64(l, q->stretch));
  Panels panels = begin_panels(q);
  for (uint32_t b = 0; b < q->n_blocks; b++) {
    tw_ll_enter_any(v, tw_ll_add(l, panels.first, tw_ll_i64(l, b)));
    TwLlVal in = tw_ll_in_block(v, q->x);
    from[b] = tw_ll_view_ptr(l, &in, &k0);
    pitch = in.stride[0] * lane_bytes;
  }
  LLVMValueRef to = operand_at(q, panels.number, k0);
  TwLlLoop k = tw_ll_loop(l, stretch_length(q, k0));
  LLVMValueRef row = tw_ll_at(l, l->i8, to, tw_ll_mul(l, k.i, tw_ll_i64(l, q->n_blocks * lane_bytes)));
  for (uint32_t b = 0; b < q->n_blocks; b++) {
    LLVMValueRef x = tw_ll_load(l, TW_REAL, true, tw_ll_at(l, l->i8, from[b], tw_ll_mul(l, k.i, tw_ll_i64(l, pitch))));
    tw_ll_store(l, TW_REAL, x, tw_ll_byte_at(l, row, b * (uint64_t)lane_bytes));
  }
  tw_ll_loop_end(l, &k);
  end_panels(q, &panels);
  tw_ll_loop_end(l, &stretch);
}

/* ---- a tile */

/* Of the block entered, in a row of sums of which more is to come. */
static LLVMValueRef partial_at(const Product *q, const Piece *p, LLVMValueRef tile, uint32_t row) {
  TwLl *l = q->v->b->l;
  const TwLlLanes *y = q->v->y->p;
  LLVMValueRef at = tw_ll_add(l, tw_ll_mul(l, tile, tw_ll_i64(l, p->rows)), tw_ll_i64(l, row));
  at = tw_ll_mul(l, at, tw_ll_i64(l, q->partial_row));
  at = tw_ll_add(l, at,
                 tw_ll_add(l, tw_ll_mul(l, y->i, tw_ll_i64(l, l->lanes)), tw_ll_mul(l, y->sub, tw_ll_i64(l, y->rows))));
  return tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->partial, at);
}

static void for_partial(const Product *q, const Piece *p, LLVMValueRef first, LLVMValueRef tile, LLVMValueRef *acc,
                        bool store) {
  TwLl *l = q->v->b->l;
  for (uint32_t b = 0; b < q->n_blocks; b++) {
    q->v->y->p->i = tw_ll_add(l, first, tw_ll_i64(l, b));
    for (uint32_t row = 0; row < p->rows; row++) {
      LLVMValueRef at = partial_at(q, p, tile, row), *x = &acc[row * q->n_blocks + b];
      if (store) tw_ll_store(l, TW_REAL, *x, at);
      else *x = tw_ll_select(l, p->is_first, tw_ll_zero(l, TW_REAL, true), tw_ll_load(l, TW_REAL, true, at));
    }
  }
}

/* The stretch of the tile, from acc on; x: the panel's. */
static void multiply(const Product *q, const Piece *p, LLVMValueRef tile, LLVMValueRef x, LLVMValueRef *acc) {
  TwLl *l = q->v->b->l;
  LLVMValueRef phi[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS], in[TW_PL_MAX_BLOCKS];
  uint32_t n = p->rows * q->n_blocks;
  uint64_t lane_bytes = tw_ll_bytes(l, TW_REAL, true);
  TwLlLoop loop = tw_ll_loop(l, p->n);
  for (uint32_t k = 0; k < n; k++) acc[k] = phi[k] = tw_ll_loop_phi(l, &loop, acc[k]);
  LLVMValueRef at = tw_ll_at(l, l->i8, x, tw_ll_mul(l, loop.i, tw_ll_i64(l, q->n_blocks * (int64_t)lane_bytes)));
  for (uint32_t b = 0; b < q->n_blocks; b++) in[b] = tw_ll_load(l, TW_REAL, true, tw_ll_byte_at(l, at, b * lane_bytes));
  for (uint32_t row = 0; row < p->rows; row++) {
    LLVMValueRef w = tw_ll_load(l, TW_REAL, false, packed_at(q, p->rows, tile, tw_ll_i64(l, row), loop.i));
    w = tw_ll_splat(l, w);
    for (uint32_t b = 0; b < q->n_blocks; b++)
      acc[row * q->n_blocks + b] = tw_ll_fma(l, w, in[b], acc[row * q->n_blocks + b]);
  }
  for (uint32_t k = 0; k < n; k++) tw_ll_loop_next(l, phi[k], acc[k]);
  tw_ll_loop_end(l, &loop);
}

static void finish_tile(const Product *q, const Piece *p, LLVMValueRef first, LLVMValueRef tile, LLVMValueRef *acc) {
  TwLl *l = q->v->b->l;
  TwLlAt at = {.run = -1, .i = {tw_ll_add(l, p->row0, tw_ll_mul(l, tile, tw_ll_i64(l, p->rows)))}};
  TwLlDots t = {q->dot, q->root, 0, p->rows, q->n_blocks};
  LLVMBasicBlockRef done = NULL;
  if (p->is_last) {
    LLVMBasicBlockRef more = tw_ll_new_block(l, "more"), whole = tw_ll_new_block(l, "whole");
    done = tw_ll_new_block(l, "done");
    LLVMBuildCondBr(l->b, p->is_last, whole, more);
    tw_ll_place(l, more);
    for_partial(q, p, first, tile, acc, true);
    LLVMBuildBr(l->b, done);
    tw_ll_place(l, whole);
  }
  tw_ll_store_dots(q->v, &t, &at, first, acc);
  if (done) tw_ll_go(l, done);
}

/* Fetches into the second-level cache what tile number `i` of the piece has to: runs of the next piece, which are rows
 * where these lie along the contracted axis, columns where not. */
static void fetch(const Product *q, const Piece *p, LLVMValueRef i) {
  TwLl *l = q->v->b->l;
  int64_t each = (int64_t)tw_ll_bytes(l, TW_REAL, false), rows = q->band * ROWS;
  int64_t n_runs = q->along ? rows : q->stretch, run = (q->along ? q->stretch : rows) * each,
          calls = q->band * q->n_panels;
  int64_t turns = (n_runs + calls - 1) / calls;
  LLVMBasicBlockRef some = tw_ll_new_block(l, "fetch"), done = tw_ll_new_block(l, "fetched");
  i = tw_ll_mul(l, i, tw_ll_i64(l, turns));
  LLVMBuildCondBr(l->b, LLVMBuildICmp(l->b, LLVMIntULT, i, tw_ll_i64(l, n_runs), ""), some, done);
  tw_ll_place(l, some);
  for (int64_t t = 0; t < turns; t++) {
    LLVMValueRef at = tw_ll_add(l, i, tw_ll_i64(l, t)), zero = tw_ll_i64(l, 0);
    LLVMValueRef row = tw_ll_add(l, p->next_row, q->along ? at : zero);
    LLVMValueRef from = matrix_at(q, row, tw_ll_add(l, p->next_k, q->along ? zero : at));
    for (int64_t b = 0; b < run; b += CACHE_LINE) tw_ll_prefetch(l, tw_ll_byte_at(l, from, (uint64_t)b));
  }
  tw_ll_go(l, done);
}

/* All tiles of the piece, for all blocks of the pass. */
static void tiles(const Product *q, const Piece *p) {
  TwLl *l = q->v->b->l;
  LLVMValueRef acc[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS];
  Panels panels = begin_panels(q);
  LLVMValueRef x = operand_at(q, panels.number, p->k0);
  TwLlLoop tile = tw_ll_loop(l, p->count);
  fetch(q, p, tw_ll_add(l, tile.i, tw_ll_mul(l, panels.number, p->count)));
  for (uint32_t k = 0; k < p->rows * q->n_blocks; k++) acc[k] = tw_ll_zero(l, TW_REAL, true);
  if (p->is_first) for_partial(q, p, panels.first, tile.i, acc, false);
  multiply(q, p, tile.i, x, acc);
  finish_tile(q, p, panels.first, tile.i, acc);
  tw_ll_loop_end(l, &tile);
  end_panels(q, &panels);
}

/* ---- the product */

/* `count` tiles of `rows` rows from row0 on. */
static void band(const Product *q, LLVMValueRef row0, LLVMValueRef count, uint32_t rows) {
  TwLl *l = q->v->b->l;
  int64_t n = (q->n_inner + q->stretch - 1) / q->stretch;
  Piece p = {.row0 = row0, .count = count, .rows = rows};
  TwLlLoop stretch = tw_ll_loop(l, tw_ll_i64(l, n));
  p.k0 = tw_ll_mul(l, stretch.i, tw_ll_i64(l, q->stretch));
  p.n = stretch_length(q, p.k0);
  p.next_k = tw_ll_i64(l, 0);
  p.next_row = tw_ll_add(l, row0, tw_ll_mul(l, count, tw_ll_i64(l, rows)));
  if (n > 1) {
    p.is_first = LLVMBuildICmp(l->b, LLVMIntEQ, stretch.i, tw_ll_i64(l, 0), "");
    p.is_last = LLVMBuildICmp(l->b, LLVMIntEQ, stretch.i, tw_ll_i64(l, n - 1), "");
    p.next_k = tw_ll_select(l, p.is_last, p.next_k, tw_ll_add(l, p.k0, tw_ll_i64(l, q->stretch)));
    p.next_row = tw_ll_select(l, p.is_last, p.next_row, row0);
  }
  if (q->along) pack_rows(q, &p);
  else pack_columns(q, &p);
  tiles(q, &p);
  tw_ll_loop_end(l, &stretch);
}

/* In the second-level cache are a piece of the matrix, a quarter of it, as much of the next piece, and a stretch of the
 * operand of all samples. */
static void choose_sizes(Product *q) {
  TwLl *l = q->v->b->l;
  const int64_t piece = l->m.core / 4, operand = l->m.core * 3 / 8;
  int64_t each = (int64_t)tw_ll_bytes(l, TW_REAL, false), sample_row = q->v->y->stride * TW_LANES * each;
  q->stretch = operand / sample_row / TW_LANES * TW_LANES;
  if (q->stretch < SHORTEST) q->stretch = SHORTEST;
  if (q->stretch > LONGEST) q->stretch = LONGEST;
  if (q->stretch > q->n_inner) q->stretch = (q->n_inner + TW_LANES - 1) / TW_LANES * TW_LANES;
  q->band = piece / (q->stretch * GROUP * each);
  if (q->band > q->n_rows / ROWS) q->band = q->n_rows / ROWS;
  if (q->band < 1) q->band = 1;
  q->n_blocks = l->m.blocks;
  q->partial_row = q->v->y->stride * TW_LANES;
  int64_t in_parts = TW_LANES / (int64_t)tw_machine_lanes(&l->m, l->f64);
  q->n_panels = (q->v->y->p->rows + q->n_blocks - 1) / q->n_blocks * in_parts;
}

void tw_ll_large_contraction(TwLlLevel *v, TwRef root, TwRef dot) {
  TwLl *l = v->b->l;
  Product q = {.v = v, .root = root, .dot = dot};
  uint64_t each = tw_ll_bytes(l, TW_REAL, false);
  bool found = find(&q);
  tw_ll_assert(l, found);
  choose_sizes(&q);
  int64_t tile = q.along ? ROWS * row_pitch(&q) : tile_pitch(&q);
  uint32_t packed = tw_ll_alloc(l, (uint64_t)(q.band * tile + 2 * TW_LANES) * each);
  uint32_t partial = tw_ll_alloc(l, q.stretch < q.n_inner ? (uint64_t)(q.band * ROWS * q.partial_row) * each : 0);
  int64_t stretches = (q.n_inner + q.stretch - 1) / q.stretch;
  int64_t columns = q.n_panels * q.n_blocks * (int64_t)tw_machine_lanes(&l->m, l->f64);
  uint32_t operand = tw_ll_alloc(l, (uint64_t)(stretches * q.stretch * columns) * each);
  q.operand = tw_ll_block_ptr(l, operand);
  q.packed = tw_ll_byte_at(l, tw_ll_block_ptr(l, packed), TW_LANES * each);
  q.partial = tw_ll_block_ptr(l, partial);
  tw_ll_narrow(v);
  pack_operand(&q);
  int64_t n_tiles = q.n_rows / ROWS, n_bands = (n_tiles + q.band - 1) / q.band;
  TwLlLoop bands = tw_ll_loop(l, tw_ll_i64(l, n_bands));
  LLVMValueRef most = tw_ll_i64(l, q.band), first = tw_ll_mul(l, bands.i, most);
  LLVMValueRef left = LLVMBuildSub(l->b, tw_ll_i64(l, n_tiles), first, "");
  LLVMValueRef count = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, most, ""), left, most);
  band(&q, tw_ll_mul(l, first, tw_ll_i64(l, ROWS)), count, ROWS);
  tw_ll_loop_end(l, &bands);
  if (q.n_rows % ROWS) band(&q, tw_ll_i64(l, n_tiles * ROWS), tw_ll_i64(l, 1), (uint32_t)(q.n_rows % ROWS));
  tw_ll_widen(v);
  tw_ll_free(l, operand);
  tw_ll_free(l, partial);
  tw_ll_free(l, packed);
}
