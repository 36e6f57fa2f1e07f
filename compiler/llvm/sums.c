/* sums.c: sums over the samples of tensors of lane values, which are pieces by themselves: the gradient of a layer's
 * weights is the sum of an outer product.
 *
 *   for tiles of elements (rows by columns)
 *     for each block of sixteen samples: their terms, in registers
 *
 * An element's sixteen partial sums are the lanes of one vector, or of several where vectors are narrower. Where one
 * pass has all blocks of a chunk, a tile runs its parts one after the other, and is folded there and then: what is
 * stored is the chunk's total. Else partial sums go to memory, from where the next pass goes on.
 *
 * Tiles are visited in areas, so that the rows of an area stay in the second-level cache and its columns in
 * the first: each of them is read from farther away once an area. */
#include "compiler/llvm/layers.h"

enum { MAX_TILE = 16, MAX_PARTS = 8 };

typedef struct Sum {
  TwLlLevel *v;
  const TwPlAcc *acc;
  TwTyInfo t;
  uint32_t segment;
  const TwLlRun *run; /* of partial sums that go to memory */
  bool direct;
} Sum;

typedef struct Tile {
  uint32_t rows, columns; /* along the last axis but one; along the last */
  TwLlAt at[MAX_TILE];
  LLVMValueRef to[MAX_TILE]; /* a total, or the partial sums */
} Tile;

/* ---- one tile */

static void place_tile(const Sum *q, Tile *t, const TwLlAt *i) {
  TwLlLanes *p = q->v->y->p;
  TwLl *l = q->v->b->l;
  TwLlVal flat = tw_ll_contiguous(&q->t, NULL, false);
  uint32_t rank = q->t.rank;
  for (uint32_t k = 0; k < t->rows * t->columns; k++) {
    t->at[k] = *i;
    t->at[k].run = -1;
    if (rank > 1) t->at[k].i[rank - 2] = tw_ll_add(l, i->i[rank - 2], tw_ll_i64(l, k / t->columns));
    t->at[k].i[rank - 1] = tw_ll_add(l, i->i[rank - 1], tw_ll_i64(l, k % t->columns));
    LLVMValueRef e = tw_ll_i64(l, p->acc_at[q->acc->k]);
    for (uint32_t j = 0; j < rank; j++) e = tw_ll_add(l, e, tw_ll_mul(l, t->at[k].i[j], tw_ll_i64(l, flat.stride[j])));
    if (!q->direct) e = tw_ll_add(l, tw_ll_mul(l, e, tw_ll_i64(l, TW_LANES)), p->sub);
    t->to[k] = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->direct ? p->sums : p->acc, e);
  }
}

/* Adds the terms of a run of blocks, at least one, to now[]. */
static void add_blocks(const Sum *q, const Tile *t, const TwLlRun *run, bool masked, LLVMValueRef *now) {
  TwLlLanes *p = q->v->y->p;
  TwLlScope *b = q->v->b;
  TwLl *l = b->l;
  uint32_t n = t->rows * t->columns;
  LLVMValueRef phi[MAX_TILE];
  TwLlLoop loop = tw_ll_loop(l, run->count);
  for (uint32_t k = 0; k < n; k++) now[k] = phi[k] = tw_ll_loop_phi(l, &loop, now[k]);
  tw_ll_forget_lanes(b);
  tw_ll_enter_run(p, run, loop.i);
  for (uint32_t k = 0; k < n; k++) {
    LLVMValueRef x = tw_ll_splat(l, tw_ll_element(b, q->acc->a, &t->at[k])), next;
    if (q->acc->b) next = tw_ll_fma(l, x, tw_ll_splat(l, tw_ll_element(b, q->acc->b, &t->at[k])), now[k]);
    else next = tw_ll_fadd(l, TW_REAL, now[k], x);
    tw_ll_loop_next(l, phi[k], now[k] = masked ? tw_ll_masked(p, next, now[k]) : next);
  }
  tw_ll_loop_end(l, &loop);
}

/* The same of a run that may be empty. */
static void add_some_blocks(const Sum *q, const Tile *t, const TwLlRun *run, LLVMValueRef *now) {
  TwLl *l = q->v->b->l;
  uint32_t n = t->rows * t->columns;
  LLVMValueRef was[MAX_TILE];
  LLVMBasicBlockRef before = LLVMGetInsertBlock(l->b), go = tw_ll_new_block(l, "blocks"),
                    done = tw_ll_new_block(l, "done");
  LLVMBuildCondBr(l->b, LLVMBuildICmp(l->b, LLVMIntUGE, run->count, tw_ll_i64(l, 1), ""), go, done);
  tw_ll_place(l, go);
  for (uint32_t k = 0; k < n; k++) was[k] = now[k];
  add_blocks(q, t, run, true, now);
  LLVMBasicBlockRef after = LLVMGetInsertBlock(l->b);
  tw_ll_go(l, done);
  for (uint32_t k = 0; k < n; k++) {
    LLVMValueRef phi = LLVMBuildPhi(l->b, LLVMTypeOf(now[k]), "");
    LLVMAddIncoming(phi, &now[k], &after, 1);
    LLVMAddIncoming(phi, &was[k], &before, 1);
    now[k] = phi;
  }
}

/* All blocks of the chunk, for the part at p->sub. */
static void add_chunk(const Sum *q, const Tile *t, LLVMValueRef *now) {
  TwLlLanes *p = q->v->y->p;
  TwLl *l = q->v->b->l;
  for (uint32_t k = 0; k < t->rows * t->columns; k++) now[k] = tw_ll_zero(l, TW_REAL, true);
  TwLlRun run = {.first = tw_ll_i64(l, 0), .count = p->count};
  if (p->n % TW_LANES == 0 || l->m.masks) { /* a mask is part of the fma there */
    if (p->n % TW_LANES != 0) run.valid = tw_ll_valid_lanes(p);
    add_blocks(q, t, &run, true, now);
    return;
  }
  LLVMValueRef ragged;
  tw_ll_full_and_ragged(p, &run.count, &ragged);
  add_some_blocks(q, t, &run, now);
  run = (TwLlRun){.first = run.count, .count = ragged, .ragged = LLVMConstInt(l->i1, 1, false)};
  run.valid = tw_ll_valid_lanes(p);
  add_some_blocks(q, t, &run, now);
}

/* Sums of whole vectors, one after the other, to a tile's places, those of a row in one go. */
static void store_totals(TwLl *l, const Tile *t, LLVMValueRef *sum) {
  uint32_t n = t->rows * t->columns, k = 0;
  for (; n - k >= l->lanes; k += l->lanes) {
    LLVMValueRef all = tw_ll_fold_vectors(l, sum + k);
    for (uint32_t e = k, next; e < k + l->lanes; e = next) {
      next = (e / t->columns + 1) * t->columns;
      if (next > k + l->lanes) next = k + l->lanes;
      int pick[TW_LANES];
      for (uint32_t j = e; j < next; j++) pick[j - e] = (int)(j - k);
      LLVMValueRef part = tw_ll_shuffle(l, all, all, pick, next - e);
      LLVMSetAlignment(LLVMBuildStore(l->b, part, t->to[e]), (unsigned)tw_ll_bytes(l, TW_REAL, false));
    }
  }
  for (; k < n; k++) tw_ll_store(l, TW_REAL, tw_ll_fold_halves(l, TW_REAL, sum[k]), t->to[k]);
}

static void direct_tile(const Sum *q, const Tile *t) {
  TwLl *l = q->v->b->l;
  uint32_t parts = TW_LANES / l->lanes, n = t->rows * t->columns;
  LLVMValueRef sum[MAX_PARTS][MAX_TILE];
  for (uint32_t part = 0; part < parts; part++) {
    q->v->y->p->sub = tw_ll_i64(l, (int64_t)part * l->lanes);
    add_chunk(q, t, sum[part]);
  }
  for (uint32_t half = parts / 2; half >= 1; half /= 2) /* by halves, as the lanes of a vector */
    for (uint32_t part = 0; part < half; part++)
      for (uint32_t k = 0; k < n; k++) sum[part][k] = tw_ll_fadd(l, TW_REAL, sum[part][k], sum[part + half][k]);
  store_totals(l, t, sum[0]);
}

static void sum_tile(const Sum *q, const TwLlAt *i, uint32_t rows, uint32_t columns) {
  TwLlLanes *p = q->v->y->p;
  TwLl *l = q->v->b->l;
  Tile t = {.rows = rows, .columns = columns};
  LLVMValueRef now[MAX_TILE];
  place_tile(q, &t, i);
  if (q->direct) {
    direct_tile(q, &t);
    return;
  }
  for (uint32_t k = 0; k < rows * columns; k++)
    now[k] = p->goes_on ? tw_ll_load(l, TW_REAL, true, t.to[k]) : tw_ll_zero(l, TW_REAL, true);
  add_blocks(q, &t, q->run, !q->run->ragged, now);
  LLVMValueRef mask = tw_ll_mask_of_run(l, q->run);
  for (uint32_t k = 0; k < rows * columns; k++) tw_ll_end_sum(l, now[k], t.to[k], mask);
}

/* ---- all tiles */

/* Tiles first … first + count - 1 along an axis. */
typedef struct Span {
  LLVMValueRef first, count;
} Span;

static TwLlLoop begin_tiles(TwLl *l, const Span *s, uint32_t axis, uint32_t each, TwLlAt *at) {
  TwLlLoop p = tw_ll_loop(l, s->count);
  at->i[axis] = tw_ll_mul(l, tw_ll_add(l, s->first, p.i), tw_ll_i64(l, each));
  return p;
}

/* Number `i` of the areas that n tiles are divided into, `most` an area. */
static Span area(TwLl *l, LLVMValueRef i, int64_t n, int64_t most) {
  if (n <= most) return (Span){tw_ll_i64(l, 0), tw_ll_i64(l, n)};
  LLVMValueRef first = tw_ll_mul(l, i, tw_ll_i64(l, most)), left = LLVMBuildSub(l->b, tw_ll_i64(l, n), first, "");
  LLVMValueRef few = LLVMBuildICmp(l->b, LLVMIntULT, left, tw_ll_i64(l, most), "");
  return (Span){first, tw_ll_select(l, few, left, tw_ll_i64(l, most))};
}

/* Full tiles, an area at a time. Of a chunk's samples a tile reads a part at a time, half of them or fewer: what an
 * element of either factor has there fills the first-level cache with columns, and half the second with rows. */
static void sum_areas(const Sum *q, TwLlAt at, uint32_t rows, uint32_t columns, int64_t n_rows, int64_t n_columns) {
  TwLl *l = q->v->b->l;
  const int64_t each = TW_CHUNK / 2 * (int64_t)sizeof(float);
  int64_t most_rows = l->m.core / 2 / each / rows, most_columns = l->m.near / each / columns;
  uint32_t rank = q->t.rank;
  TwLlLoop high = tw_ll_loop(l, tw_ll_i64(l, (n_rows + most_rows - 1) / most_rows));
  Span down = area(l, high.i, n_rows, most_rows);
  TwLlLoop wide = tw_ll_loop(l, tw_ll_i64(l, (n_columns + most_columns - 1) / most_columns));
  Span along = area(l, wide.i, n_columns, most_columns);
  TwLlLoop row = {0};
  if (rank > 1) row = begin_tiles(l, &down, rank - 2, rows, &at);
  TwLlLoop column = begin_tiles(l, &along, rank - 1, columns, &at);
  sum_tile(q, &at, rows, columns);
  tw_ll_loop_end(l, &column);
  if (rank > 1) tw_ll_loop_end(l, &row);
  tw_ll_loop_end(l, &wide);
  tw_ll_loop_end(l, &high);
}

/* Tiles of 4 by 4 in 32 registers, 4 by 2 in 16; where an axis is shorter, more of the other. */
static void sum_tiles(const Sum *q) {
  TwLl *l = q->v->b->l;
  uint32_t rank = q->t.rank, outer = rank > 1 ? rank - 2 : 0, last = rank - 1;
  int64_t most = l->m.registers / 2, n_rows = rank > 1 ? q->t.dims[rank - 2] : 1, n_columns = q->t.dims[last];
  int64_t columns = n_columns < most / 4 ? n_columns : most / 4, rows = n_rows < 4 ? n_rows : 4;
  while (columns * rows * 2 <= most && columns * 2 <= n_columns && columns < 8) columns *= 2;
  while (columns * rows * 2 <= most && rows * 2 <= n_rows && rows < 8) rows *= 2;
  uint32_t r = (uint32_t)rows, c = (uint32_t)columns, rest_r = (uint32_t)(n_rows % rows),
           rest_c = (uint32_t)(n_columns % columns);
  Span down = {tw_ll_i64(l, 0), tw_ll_i64(l, n_rows / rows)},
       along = {tw_ll_i64(l, 0), tw_ll_i64(l, n_columns / columns)};
  TwLlNest nest;
  tw_ll_nest(l, &nest, outer, q->t.dims);
  TwLlAt at = nest.at;
  sum_areas(q, at, r, c, n_rows / rows, n_columns / columns);
  at.i[last] = tw_ll_i64(l, n_columns - rest_c);
  if (rest_c) { /* rank 1 has one row, which is a full tile */
    TwLlLoop row = {0};
    if (rank > 1) row = begin_tiles(l, &down, rank - 2, r, &at);
    sum_tile(q, &at, r, rest_c);
    if (rank > 1) tw_ll_loop_end(l, &row);
  }
  if (rest_r) {
    at.i[rank - 2] = tw_ll_i64(l, n_rows - rest_r);
    if (rest_c) sum_tile(q, &at, rest_r, rest_c);
    TwLlLoop column = begin_tiles(l, &along, last, c, &at);
    sum_tile(q, &at, rest_r, c);
    tw_ll_loop_end(l, &column);
  }
  tw_ll_nest_end(l, &nest);
}

static Sum sum_of(TwLlLevel *v, uint32_t segment) {
  Sum q = {.v = v, .acc = &v->cut->accs.at[v->cut->items.at[v->cut->segments.at[segment].first].acc]};
  q.t = *tw_info(v->b->fn, v->b->fn->results.at[q.acc->k]);
  q.direct = v->y->p->acc_at[q.acc->k] >= v->y->p->n_acc;
  return q;
}

static void sum_run(TwLlLevel *v, uint32_t segment, const TwLlRun *run) {
  Sum q = sum_of(v, segment);
  q.run = run;
  sum_tiles(&q);
}

void tw_ll_sum_segment(TwLlLevel *v, uint32_t segment) {
  const TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  Sum q = sum_of(v, segment);
  if (!v->outer && p->strips[q.acc->k]) {
    tw_ll_begin_outer(v, p->strips[q.acc->k]);
  } else if (!q.direct) {
    tw_ll_run_blocks(v, segment, sum_run);
  } else if (p->how[q.acc->k].how == TW_PL_OUTER) {
    TwLlOuter outer = tw_ll_outer(p, q.acc->k);
    tw_ll_outer_sum(v, &outer, tw_ll_at(l, tw_ll_type(l, TW_REAL, false), p->sums, tw_ll_i64(l, p->acc_at[q.acc->k])));
  } else {
    tw_ll_narrow(v);
    sum_tiles(&q);
    tw_ll_widen(v);
  }
}
