/* outer.c: the sum over a chunk of samples of a large outer product, the gradient of a wide layer's weights: element
 * [r, c] is the sum of x[r] * y[c].
 *
 *   pack both factors, turned: sample after sample, whole tiles together
 *   for each few tiles of rows
 *     for each tile of columns
 *       for each tile of rows: the sums of its elements
 *
 * Here the lanes of a vector are columns, not samples: then nothing has to be turned where partial sums are folded. A
 * tile goes through the sixteen partial sums one after the other, each from +0 over its samples in their order, as
 * everywhere. They come in the order of reversed bits: 0, 8, 4, 12, 2, … So the tree by halves is a binary counter of
 * what is not yet added (fold.c has the same for chunks): the partial sum of number j closes as many subtrees as j has
 * ones from the right.
 *
 * requires: a sum that the plan calls an outer product (compiler/plan/sums.c). */
#include "compiler/llvm/layers.h"

enum { LEVELS = 5 };
static const uint64_t reversed = UINT64_C(0xf7b3d591e6a2c480); /* four bits each: the lane of partial sum 0, 1, … */

TwLlOuter tw_ll_outer(const TwLlLanes *p, uint32_t k) {
  TwLl *l = p->b->l;
  const TwPlSum *s = &p->how[k];
  TwLlOuter o = {.x = s->x, .y = s->y, .rows = s->rows, .columns = s->columns, .rest = p->n % TW_LANES};
  o.blocks = p->rows;
  o.lanes = tw_machine_lanes(&l->m, l->f64);
  o.tile_rows = l->m.packed_rows;
  o.places = (o.tile_rows + o.lanes - 1) / o.lanes * o.lanes;
  o.vectors = l->m.packed_blocks;
  while (o.columns % (o.vectors * o.lanes)) o.vectors /= 2;
  return o;
}

/* ---- packing */

static int64_t tile_elements(const TwLlOuter *o, int64_t places) { return TW_LANES * o->blocks * places; }

/* A square of as many vectors as each has lanes, turned: at each step the halves of what was a half change places. */
static void transpose(TwLl *l, LLVMValueRef *v) {
  for (uint32_t half = l->lanes / 2; half; half /= 2) {
    int low[TW_LANES], high[TW_LANES];
    for (uint32_t k = 0; k < l->lanes; k++) {
      low[k] = (int)(k & half ? l->lanes + k - half : k);
      high[k] = (int)(k & half ? l->lanes + k : k + half);
    }
    for (uint32_t k = 0; k < l->lanes; k++) {
      if (k & half) continue;
      LLVMValueRef a = v[k], b = v[k + half];
      v[k] = tw_ll_shuffle(l, a, b, low, l->lanes);
      v[k + half] = tw_ll_shuffle(l, a, b, high, l->lanes);
    }
  }
}

/* Packs n elements of r, in tiles of `rows`; the elements of one sample take `places`, which are whole vectors. Behind
 * a tile's rows, and behind the last element, is what nobody reads. */
static void pack(TwLlLevel *v, const TwLlOuter *o, TwRef r, int64_t n, int64_t rows, int64_t places, LLVMValueRef to) {
  static const int64_t number[TW_LANES] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}; /* of a lane */
  TwLl *l = v->b->l;
  LLVMTypeRef t = tw_ll_type(l, TW_REAL, false);
  LLVMValueRef x[TW_LANES], last = tw_ll_i64(l, n - 1);
  TwLlLoop tile = tw_ll_loop(l, tw_ll_i64(l, (n + rows - 1) / rows)), block = tw_ll_loop(l, v->y->p->count);
  LLVMValueRef first = tw_ll_mul(l, tile.i, tw_ll_i64(l, rows));
  LLVMValueRef at = tw_ll_mul(l, tile.i, tw_ll_i64(l, tile_elements(o, places)));
  at = tw_ll_at(l, t, to, tw_ll_add(l, at, tw_ll_mul(l, block.i, tw_ll_i64(l, places))));
  for (uint32_t part = 0; part < TW_LANES; part += l->lanes) {
    v->y->p->sub = tw_ll_i64(l, part);
    tw_ll_enter_any(v, block.i);
    TwLlVal in = tw_ll_in_block(v, r);
    TwLlLoop vector = tw_ll_loop(l, tw_ll_i64(l, places / l->lanes));
    LLVMValueRef place = tw_ll_mul(l, vector.i, tw_ll_i64(l, l->lanes)), from = tw_ll_add(l, first, place);
    LLVMValueRef to_vector = tw_ll_at(l, t, at, place);
    for (uint32_t k = 0; k < l->lanes; k++) {
      LLVMValueRef e = tw_ll_add(l, from, tw_ll_i64(l, k));
      if (places > rows || n % rows) e = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, e, last, ""), e, last);
      x[k] = tw_ll_load(l, TW_REAL, true, tw_ll_view_ptr(l, &in, &e));
    }
    transpose(l, x);
    for (uint32_t k = 0; k < l->lanes; k++)
      tw_ll_store(l, TW_REAL, x[k], tw_ll_at(l, t, to_vector, tw_ll_i64(l, number[part + k] * o->blocks * places)));
    tw_ll_loop_end(l, &vector);
  }
  tw_ll_loop_end(l, &block);
  tw_ll_loop_end(l, &tile);
}

void tw_ll_begin_outer(TwLlLevel *v, TwLlOuter *o) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  uint64_t each = tw_ll_bytes(l, TW_REAL, false);
  int64_t width = o->vectors * o->lanes, tiles = (o->rows + o->tile_rows - 1) / o->tile_rows;
  o->block[0] = tw_ll_alloc(l, (uint64_t)(tiles * tile_elements(o, o->places)) * each);
  o->block[1] = tw_ll_alloc(l, (uint64_t)(o->columns / width * tile_elements(o, width)) * each);
  o->block[2] = tw_ll_alloc(l, (uint64_t)(LEVELS * o->tile_rows * width) * each);
  o->a = tw_ll_block_ptr(l, o->block[0]);
  o->b = tw_ll_block_ptr(l, o->block[1]);
  o->slots = tw_ll_block_ptr(l, o->block[2]);
  tw_ll_narrow(v);
  pack(v, o, o->x, o->rows, o->tile_rows, o->places, o->a);
  pack(v, o, o->y, o->columns, width, width, o->b);
  tw_ll_widen(v);
  o->count = p->count;
  if (!o->rest) return;
  LLVMValueRef end = tw_ll_add(l, p->from, p->count);
  o->ragged = LLVMBuildICmp(l->b, LLVMIntEQ, end, tw_ll_i64(l, p->blocks), "");
}

static void end_outer(TwLl *l, const TwLlOuter *o) {
  for (uint32_t k = 0; k < 3; k++) tw_ll_free(l, o->block[k]);
}

/* ---- a tile */

/* The lane whose partial sum is number j: its four bits reversed. */
static LLVMValueRef lane_of(TwLl *l, LLVMValueRef j) {
  LLVMValueRef shift = LLVMBuildShl(l->b, j, tw_ll_i64(l, 2), "");
  LLVMValueRef all = LLVMBuildLShr(l->b, tw_ll_i64(l, (int64_t)reversed), shift, "");
  return LLVMBuildAnd(l->b, all, tw_ll_i64(l, TW_LANES - 1), "");
}

/* Samples of the chunk in the partial sum of number j: one less if the last block has none for it. */
static LLVMValueRef samples_of(TwLl *l, const TwLlOuter *o, LLVMValueRef j) {
  if (!o->rest) return o->count;
  LLVMValueRef misses = LLVMBuildICmp(l->b, LLVMIntUGE, lane_of(l, j), tw_ll_i64(l, o->rest), "");
  misses = LLVMBuildZExt(l->b, LLVMBuildAnd(l->b, misses, o->ragged, ""), l->i64, "");
  return LLVMBuildSub(l->b, o->count, misses, "");
}

typedef struct Tile {
  const TwLlOuter *o;
  uint32_t rows, n;  /* vectors in it */
  LLVMValueRef a, b; /* its packed factors */
  const TwLlOuterTiles *at;
  LLVMValueRef row, column; /* of tiles; of elements */
} Tile;

/* From +0 over all samples of partial sum number j. */
static void add_samples(TwLl *l, const Tile *t, LLVMValueRef j, LLVMValueRef *acc) {
  const TwLlOuter *o = t->o;
  LLVMTypeRef type = tw_ll_type(l, TW_REAL, false);
  LLVMValueRef phi[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS], y[TW_PL_MAX_BLOCKS];
  int64_t width = o->vectors * o->lanes;
  LLVMValueRef a = tw_ll_at(l, type, t->a, tw_ll_mul(l, j, tw_ll_i64(l, o->blocks * o->places)));
  LLVMValueRef b = tw_ll_at(l, type, t->b, tw_ll_mul(l, j, tw_ll_i64(l, o->blocks * width)));
  TwLlLoop sample = tw_ll_loop(l, samples_of(l, o, j));
  for (uint32_t k = 0; k < t->n; k++) acc[k] = phi[k] = tw_ll_loop_phi(l, &sample, tw_ll_zero(l, TW_REAL, true));
  b = tw_ll_at(l, type, b, tw_ll_mul(l, sample.i, tw_ll_i64(l, width)));
  a = tw_ll_at(l, type, a, tw_ll_mul(l, sample.i, tw_ll_i64(l, o->places)));
  for (uint32_t k = 0; k < o->vectors; k++)
    y[k] = tw_ll_load(l, TW_REAL, true, tw_ll_at(l, type, b, tw_ll_i64(l, k * o->lanes)));
  for (uint32_t row = 0; row < t->rows; row++) {
    LLVMValueRef x = tw_ll_splat(l, tw_ll_load(l, TW_REAL, false, tw_ll_at(l, type, a, tw_ll_i64(l, row))));
    for (uint32_t k = 0; k < o->vectors; k++) {
      LLVMValueRef *sum = &acc[row * o->vectors + k];
      *sum = tw_ll_fma(l, x, y[k], *sum);
    }
  }
  for (uint32_t k = 0; k < t->n; k++) tw_ll_loop_next(l, phi[k], acc[k]);
  tw_ll_loop_end(l, &sample);
}

/* Adds the subtrees that number j closes, and leaves the sum where the next ones find it. */
static void close_subtrees(TwLl *l, const Tile *t, LLVMValueRef j, LLVMValueRef *acc) {
  LLVMTypeRef type = tw_ll_type(l, TW_REAL, true);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(l->b), head = tw_ll_new_block(l, "closes");
  LLVMBasicBlockRef add = tw_ll_new_block(l, "close"), done = tw_ll_new_block(l, "open");
  LLVMValueRef zero = tw_ll_i64(l, 0), one = tw_ll_i64(l, 1);
  tw_ll_go(l, head);
  LLVMValueRef level = LLVMBuildPhi(l->b, l->i64, "level");
  LLVMAddIncoming(level, &zero, &before, 1);
  for (uint32_t k = 0; k < t->n; k++) {
    LLVMValueRef phi = LLVMBuildPhi(l->b, type, "");
    LLVMAddIncoming(phi, &acc[k], &before, 1);
    acc[k] = phi;
  }
  LLVMValueRef slot = tw_ll_at(l, type, t->o->slots,
                               tw_ll_mul(l, level, tw_ll_i64(l, t->o->tile_rows * t->o->vectors)));
  LLVMValueRef bit = LLVMBuildAnd(l->b, LLVMBuildLShr(l->b, j, level, ""), one, "");
  LLVMBuildCondBr(l->b, LLVMBuildICmp(l->b, LLVMIntNE, bit, zero, ""), add, done);
  tw_ll_place(l, add);
  for (uint32_t k = 0; k < t->n; k++) {
    LLVMValueRef left = tw_ll_load(l, TW_REAL, true, tw_ll_at(l, type, slot, tw_ll_i64(l, k)));
    tw_ll_loop_next(l, acc[k], tw_ll_fadd(l, TW_REAL, left, acc[k]));
  }
  tw_ll_loop_next(l, level, LLVMBuildAdd(l->b, level, one, ""));
  LLVMBuildBr(l->b, head);
  tw_ll_place(l, done);
  for (uint32_t k = 0; k < t->n; k++) tw_ll_store(l, TW_REAL, acc[k], tw_ll_at(l, type, slot, tw_ll_i64(l, k)));
}

/* Sums of a tile to out, where a row is `pitch` elements from the next. */
static void sum_tile(TwLl *l, const Tile *t, LLVMValueRef out, int64_t pitch) {
  LLVMValueRef acc[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS];
  TwLlLoop number = tw_ll_loop(l, tw_ll_i64(l, TW_LANES));
  if (t->at->each) t->at->each(t->at->env, t->row, t->column, number.i);
  add_samples(l, t, number.i, acc);
  close_subtrees(l, t, number.i, acc);
  tw_ll_loop_end(l, &number);
  for (uint32_t k = 0; k < t->n; k++) {
    int64_t at = k / t->o->vectors * pitch + k % t->o->vectors * t->o->lanes;
    LLVMValueRef to = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), out, tw_ll_i64(l, at));
    LLVMSetAlignment(LLVMBuildStore(l->b, acc[k], to), (unsigned)tw_ll_bytes(l, TW_REAL, false));
  }
}

/* ---- all tiles */

void tw_ll_outer_tiles(TwLl *l, const TwLlOuter *o, const TwLlOuterTiles *at) {
  LLVMTypeRef type = tw_ll_type(l, TW_REAL, false);
  int64_t width = o->vectors * o->lanes;
  uint32_t lanes = l->lanes;
  l->lanes = o->lanes;
  TwLlLoop column = tw_ll_loop(l, tw_ll_i64(l, at->n_columns / width)), row = tw_ll_loop(l, at->n_tiles);
  Tile t = {.o = o, .at = at, .rows = at->rows, .n = at->rows * o->vectors};
  t.row = tw_ll_add(l, at->tile0, row.i);
  t.column = tw_ll_add(l, at->column0, tw_ll_mul(l, column.i, tw_ll_i64(l, width)));
  t.a = tw_ll_at(l, type, o->a, tw_ll_mul(l, t.row, tw_ll_i64(l, tile_elements(o, o->places))));
  t.b = tw_ll_at(l, type, o->b, tw_ll_mul(l, t.column, tw_ll_i64(l, TW_LANES * o->blocks)));
  LLVMValueRef to = tw_ll_mul(l, row.i, tw_ll_i64(l, o->tile_rows * at->pitch));
  to = tw_ll_add(l, to, tw_ll_mul(l, column.i, tw_ll_i64(l, width)));
  sum_tile(l, &t, tw_ll_at(l, type, at->out, to), at->pitch);
  tw_ll_loop_end(l, &row);
  tw_ll_loop_end(l, &column);
  l->lanes = lanes;
}

/* Tiles in a strip: their packed rows stay in the first-level cache, for all columns, of which a tile's go by in the
 * other half. */
static int64_t strip_of(TwLl *l, const TwLlOuter *o) {
  int64_t n = l->m.near / 2 / (tile_elements(o, o->places) * (int64_t)tw_ll_bytes(l, TW_REAL, false));
  return n < 1 ? 1 : n;
}

void tw_ll_outer_sum(TwLlLevel *v, TwLlOuter *o, LLVMValueRef out) {
  TwLl *l = v->b->l;
  int64_t tiles = o->rows / o->tile_rows, strip = strip_of(l, o);
  LLVMTypeRef type = tw_ll_type(l, TW_REAL, false);
  TwLlOuterTiles at = {.column0 = tw_ll_i64(l, 0), .n_columns = o->columns, .pitch = o->columns};
  tw_ll_begin_outer(v, o);
  if (tiles) {
    TwLlLoop strips = tw_ll_loop(l, tw_ll_i64(l, (tiles + strip - 1) / strip));
    at.rows = o->tile_rows;
    at.tile0 = tw_ll_mul(l, strips.i, tw_ll_i64(l, strip));
    LLVMValueRef left = LLVMBuildSub(l->b, tw_ll_i64(l, tiles), at.tile0, ""), most = tw_ll_i64(l, strip);
    at.n_tiles = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, most, ""), left, most);
    at.out = tw_ll_at(l, type, out, tw_ll_mul(l, at.tile0, tw_ll_i64(l, o->tile_rows * o->columns)));
    tw_ll_outer_tiles(l, o, &at);
    tw_ll_loop_end(l, &strips);
  }
  at.rows = (uint32_t)(o->rows % o->tile_rows);
  if (at.rows) {
    at.tile0 = tw_ll_i64(l, tiles);
    at.n_tiles = tw_ll_i64(l, 1);
    at.out = tw_ll_at(l, type, out, tw_ll_i64(l, tiles * o->tile_rows * o->columns));
    tw_ll_outer_tiles(l, o, &at);
  }
  end_outer(l, o);
}
