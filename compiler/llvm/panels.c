/* panels.c: the product of a large uniform matrix with a vector of lane values, a wide layer forwards or backwards.
 *
 *   pack the operand, so that what is read together lies together
 *   for each band of rows of the matrix
 *     for each stretch of the contracted axis
 *       pack that piece of the matrix: it stays in the second-level cache, and is read from memory once
 *       for each few vectors of samples, a panel: their stretch of the operand stays in the first-level cache
 *         for each few rows: a tile of sums in registers, the stretch inside
 *           for each sixteen of the stretch: a line or two of the next piece are fetched
 *
 * A piece comes from memory while the one before it is multiplied: its rows are too short, and too far from each other,
 * for the core to see what is wanted next. It comes a few lines at a time: what waits for memory is in the way of what
 * waits for the second-level cache.
 *
 * Sums go on from stretch to stretch through memory, unrounded since they are rounded as they are; so each element is
 * fma after fma in the order of the contracted axis, from +0, as everywhere. The last stretch makes of its tile what
 * alone reads it (tiles.c).
 *
 * requires: a matrix with one axis contiguous; its place and the operand's in memory. */
#include "compiler/llvm/layers.h"

enum { SHORTEST = 64, LONGEST = 256 /* stretch */, CACHE_LINE = 64, FETCH_EVERY = 16 /* of a stretch */ };

typedef struct Product {
  TwLlLevel *v;
  TwRef root, dot, x; /* x: the lane operand */
  TwLlVal w;
  uint32_t row_axis, inner;               /* of w */
  int64_t n_rows, n_inner, stretch, band; /* elements; tiles in a band */
  bool along;                             /* the contracted axis is the contiguous one */
  uint32_t rows, n_blocks;                /* of a tile: rows, and vectors in each */
  uint32_t places;                        /* for the rows of a tile, where these are packed side by side */
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
  if (!tw_pl_is_packed(b->facts, q->dot, &b->l->m, b->l->f64)) return false;
  if (!q->v->place[q->x] || q->v->column[q->x]) return false;
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
  return find(&q);
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
static int64_t turns_of_tile(const Product *q) { return (q->stretch + FETCH_EVERY - 1) / FETCH_EVERY; }
static int64_t tile_pitch(const Product *q) { return q->stretch * q->places + TW_LANES; }

/* Where the element of row `row` (of a tile) and column k of the stretch is, in a packed tile. */
static LLVMValueRef packed_at(const Product *q, uint32_t rows, LLVMValueRef tile, LLVMValueRef row, LLVMValueRef k) {
  TwLl *l = q->v->b->l;
  int64_t each = q->along ? rows * row_pitch(q) : tile_pitch(q);
  LLVMValueRef at = tw_ll_mul(l, tile, tw_ll_i64(l, each));
  at = tw_ll_add(l, at, tw_ll_mul(l, row, tw_ll_i64(l, q->along ? row_pitch(q) : 1)));
  at = tw_ll_add(l, at, tw_ll_mul(l, k, tw_ll_i64(l, q->along ? 1 : q->places)));
  return tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->packed, at);
}

/* n elements, into the place of a whole vector. */
static void copy_vector(TwLl *l, LLVMValueRef from, LLVMValueRef to, uint32_t n) {
  tw_ll_store_run(l, TW_REAL, tw_ll_load_run(l, TW_REAL, from, n), to, l->lanes);
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
  for (uint32_t row = 0; row < p->rows; row += l->lanes) {
    uint32_t n = p->rows - row < l->lanes ? p->rows - row : l->lanes;
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

/* Fetches into the second-level cache some lines of the next piece, which are its runs one after the other: rows where
 * these lie along the contracted axis, columns where not. turn: how often that was done for this piece. */
static void fetch(const Product *q, const Piece *p, LLVMValueRef turn) {
  TwLl *l = q->v->b->l;
  int64_t each = (int64_t)tw_ll_bytes(l, TW_REAL, false), rows = q->band * q->rows;
  int64_t n_runs = q->along ? rows : q->stretch, run = (q->along ? q->stretch : rows) * each;
  int64_t lines = (run + CACHE_LINE - 1) / CACHE_LINE, turns = q->band * q->n_panels * turns_of_tile(q);
  int64_t some = (lines * n_runs + turns - 1) / turns;
  LLVMValueRef zero = tw_ll_i64(l, 0), in_run = tw_ll_i64(l, lines);
  for (int64_t k = 0; k < some; k++) {
    LLVMValueRef i = tw_ll_add(l, tw_ll_mul(l, turn, tw_ll_i64(l, some)), tw_ll_i64(l, k));
    LLVMValueRef at = LLVMBuildUDiv(l->b, i, in_run, ""), line = LLVMBuildURem(l->b, i, in_run, "");
    LLVMValueRef row = tw_ll_add(l, p->next_row, q->along ? at : zero);
    LLVMValueRef from = matrix_at(q, row, tw_ll_add(l, p->next_k, q->along ? zero : at));
    tw_ll_prefetch(l, tw_ll_at(l, l->i8, from, tw_ll_mul(l, line, tw_ll_i64(l, CACHE_LINE))));
  }
}

/* Adds the products of element k of the stretch; x: its vectors of the operand. */
static void multiply_element(const Product *q, const Piece *p, LLVMValueRef tile, LLVMValueRef x, LLVMValueRef k,
                             LLVMValueRef *acc) {
  TwLl *l = q->v->b->l;
  LLVMValueRef in[TW_PL_MAX_BLOCKS];
  uint64_t lane_bytes = tw_ll_bytes(l, TW_REAL, true);
  for (uint32_t b = 0; b < q->n_blocks; b++) in[b] = tw_ll_load(l, TW_REAL, true, tw_ll_byte_at(l, x, b * lane_bytes));
  for (uint32_t row = 0; row < p->rows; row++) {
    LLVMValueRef w = tw_ll_load(l, TW_REAL, false, packed_at(q, p->rows, tile, tw_ll_i64(l, row), k));
    w = tw_ll_splat(l, w);
    for (uint32_t b = 0; b < q->n_blocks; b++)
      acc[row * q->n_blocks + b] = tw_ll_fma(l, w, in[b], acc[row * q->n_blocks + b]);
  }
}

static void begin_sums(TwLl *l, TwLlLoop *loop, uint32_t n, LLVMValueRef *acc, LLVMValueRef *phi) {
  for (uint32_t k = 0; k < n; k++) acc[k] = phi[k] = tw_ll_loop_phi(l, loop, acc[k]);
}

static void end_sums(TwLl *l, TwLlLoop *loop, uint32_t n, LLVMValueRef *acc, LLVMValueRef *phi) {
  for (uint32_t k = 0; k < n; k++) tw_ll_loop_next(l, phi[k], acc[k]);
  tw_ll_loop_end(l, loop);
}

/* The stretch of the tile, from acc on; x: the panel's; number: of the tile, among those of all panels. */
static void multiply(const Product *q, const Piece *p, LLVMValueRef tile, LLVMValueRef x, LLVMValueRef number,
                     LLVMValueRef *acc) {
  TwLl *l = q->v->b->l;
  LLVMValueRef outer[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS], inner[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS];
  uint32_t n = p->rows * q->n_blocks;
  int64_t pitch = q->n_blocks * (int64_t)tw_ll_bytes(l, TW_REAL, true);
  LLVMValueRef every = tw_ll_i64(l, FETCH_EVERY), up = tw_ll_add(l, p->n, tw_ll_i64(l, FETCH_EVERY - 1));
  TwLlLoop turn = tw_ll_loop(l, LLVMBuildUDiv(l->b, up, every, ""));
  begin_sums(l, &turn, n, acc, outer);
  fetch(q, p, tw_ll_add(l, turn.i, tw_ll_mul(l, number, tw_ll_i64(l, turns_of_tile(q)))));
  LLVMValueRef first = tw_ll_mul(l, turn.i, every), count = every;
  if (q->n_inner % FETCH_EVERY) {
    LLVMValueRef left = LLVMBuildSub(l->b, p->n, first, "");
    count = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, every, ""), left, every);
  }
  TwLlLoop loop = tw_ll_loop(l, count);
  begin_sums(l, &loop, n, acc, inner);
  LLVMValueRef k = tw_ll_add(l, first, loop.i);
  multiply_element(q, p, tile, tw_ll_at(l, l->i8, x, tw_ll_mul(l, k, tw_ll_i64(l, pitch))), k, acc);
  end_sums(l, &loop, n, acc, inner);
  end_sums(l, &turn, n, acc, outer);
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

/* All tiles of the piece, for all blocks of the pass. */
static void tiles(const Product *q, const Piece *p) {
  TwLl *l = q->v->b->l;
  LLVMValueRef acc[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS];
  Panels panels = begin_panels(q);
  LLVMValueRef x = operand_at(q, panels.number, p->k0);
  TwLlLoop tile = tw_ll_loop(l, p->count);
  LLVMValueRef number = tw_ll_add(l, tile.i, tw_ll_mul(l, panels.number, p->count));
  for (uint32_t k = 0; k < p->rows * q->n_blocks; k++) acc[k] = tw_ll_zero(l, TW_REAL, true);
  if (p->is_first) for_partial(q, p, panels.first, tile.i, acc, false);
  multiply(q, p, tile.i, x, number, acc);
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

/* Half of the first-level cache is a panel's stretch of the operand. In the second-level cache are a piece of the
 * matrix, a quarter of it, as much of the next piece, and a stretch of the operand of all samples. */
static void choose_sizes(Product *q) {
  TwLl *l = q->v->b->l;
  const int64_t piece = l->m.core / 4, operand = l->m.core * 3 / 8;
  int64_t each = (int64_t)tw_ll_bytes(l, TW_REAL, false), sample_row = q->v->y->stride * TW_LANES * each;
  uint32_t lanes = tw_machine_lanes(&l->m, l->f64);
  q->rows = l->m.packed_rows;
  q->places = (q->rows + lanes - 1) / lanes * lanes;
  q->n_blocks = l->m.packed_blocks;
  int64_t longest = l->m.near / 2 / (q->n_blocks * l->m.bits / 8);
  q->stretch = operand / sample_row / TW_LANES * TW_LANES;
  if (q->stretch < SHORTEST) q->stretch = SHORTEST;
  if (q->stretch > LONGEST) q->stretch = LONGEST;
  if (q->stretch > longest) q->stretch = longest;
  if (q->stretch > q->n_inner) q->stretch = (q->n_inner + TW_LANES - 1) / TW_LANES * TW_LANES;
  q->band = piece / (q->stretch * q->places * each);
  if (q->band > q->n_rows / q->rows) q->band = q->n_rows / q->rows;
  if (q->band < 1) q->band = 1;
  q->partial_row = q->v->y->stride * TW_LANES;
  int64_t in_parts = TW_LANES / (int64_t)lanes;
  q->n_panels = (q->v->y->p->rows + q->n_blocks - 1) / q->n_blocks * in_parts;
}

void tw_ll_large_contraction(TwLlLevel *v, TwRef root, TwRef dot) {
  TwLl *l = v->b->l;
  Product q = {.v = v, .root = root, .dot = dot};
  uint64_t each = tw_ll_bytes(l, TW_REAL, false);
  bool found = find(&q);
  tw_ll_assert(l, found);
  choose_sizes(&q);
  int64_t tile = q.along ? q.rows * row_pitch(&q) : tile_pitch(&q);
  uint32_t packed = tw_ll_alloc(l, (uint64_t)(q.band * tile + 2 * TW_LANES) * each);
  uint32_t partial = tw_ll_alloc(l, q.stretch < q.n_inner ? (uint64_t)(q.band * q.rows * q.partial_row) * each : 0);
  int64_t stretches = (q.n_inner + q.stretch - 1) / q.stretch;
  int64_t columns = q.n_panels * q.n_blocks * (int64_t)tw_machine_lanes(&l->m, l->f64);
  uint32_t operand = tw_ll_alloc(l, (uint64_t)(stretches * q.stretch * columns) * each);
  q.operand = tw_ll_block_ptr(l, operand);
  q.packed = tw_ll_byte_at(l, tw_ll_block_ptr(l, packed), TW_LANES * each);
  q.partial = tw_ll_block_ptr(l, partial);
  tw_ll_narrow(v);
  pack_operand(&q);
  int64_t n_tiles = q.n_rows / q.rows, n_bands = (n_tiles + q.band - 1) / q.band;
  TwLlLoop bands = tw_ll_loop(l, tw_ll_i64(l, n_bands));
  LLVMValueRef most = tw_ll_i64(l, q.band), first = tw_ll_mul(l, bands.i, most);
  LLVMValueRef left = LLVMBuildSub(l->b, tw_ll_i64(l, n_tiles), first, "");
  LLVMValueRef count = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, most, ""), left, most);
  band(&q, tw_ll_mul(l, first, tw_ll_i64(l, q.rows)), count, q.rows);
  tw_ll_loop_end(l, &bands);
  if (q.n_rows % q.rows) band(&q, tw_ll_i64(l, n_tiles * q.rows), tw_ll_i64(l, 1), (uint32_t)(q.n_rows % q.rows));
  tw_ll_widen(v);
  tw_ll_free(l, operand);
  tw_ll_free(l, partial);
  tw_ll_free(l, packed);
}
