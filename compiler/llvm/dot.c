/* dot.c: contraction. Each element of the result is fma after fma over the contracted indices in
 * row-major order, from +0; so what can be done at once is different elements of the result: sixteen
 * along its last axis (from whichever operand that axis comes), and several such runs along the axis
 * before, which shares the loads of the last one. */
#include "compiler/llvm/ll.h"

typedef TwLlDot Dot;

static TwLlVal operand(TwLlScope *s, TwRef a) {
  if (tw_info(s->fn, a)->rank == 0) return tw_ll_scalar(TW_REAL, tw_ll_value(s, a));
  if (s->val[a].kind == TW_LL_NONE && s->level) tw_ll_seg_load(s, a);
  if (s->val[a].kind == TW_LL_LAZY) tw_ll_materialize(s, a);
  return s->val[a];
}

TwLlDot tw_ll_dot(TwLlScope *s, TwRef r) {
  TwRef a = tw_arg(s->fn, r, 0), b = tw_arg(s->fn, r, 1);
  Dot d = {.s = s, .a = operand(s, a), .b = operand(s, b), .n = (uint32_t)tw_attr(s->fn, r, 0), .count = 1};
  uint32_t in_a = 0, in_b = 0, n_free_b = 0;
  for (uint32_t k = 0; k < d.n; k++) {
    d.axes_a[k] = (uint32_t)tw_attr(s->fn, r, 1 + k);
    d.axes_b[k] = (uint32_t)tw_attr(s->fn, r, 1 + d.n + k);
    in_a |= 1u << d.axes_a[k];
    in_b |= 1u << d.axes_b[k];
    d.dims[k] = tw_info(s->fn, a)->dims[d.axes_a[k]];
    d.count *= d.dims[k];
  }
  for (uint32_t k = 0; k < tw_info(s->fn, a)->rank; k++)
    if (!(in_a & 1u << k)) d.free_a[d.n_free_a++] = k;
  for (uint32_t k = 0; k < tw_info(s->fn, b)->rank; k++)
    if (!(in_b & 1u << k)) d.free_b[n_free_b++] = k;
  d.rank = d.n_free_a + n_free_b;
  d.lanes = s->facts->varies[r];
  return d;
}

/* One element of an operand, or a run of `n` along `axis` (-1: one element). */
static LLVMValueRef fetch(TwLl *l, const TwLlVal *v, const LLVMValueRef *i, int axis, uint32_t n) {
  if (v->kind == TW_LL_SCALAR) return v->v;
  TwLlAt at = {.run = axis, .n = n};
  for (uint32_t k = 0; k < v->rank; k++) at.i[k] = i[k];
  if (axis < 0 || v->stride[axis] == 0 || v->stride[axis] == 1) return tw_ll_view_load(l, v, &at);
  LLVMValueRef ids[TW_LANES]; /* sixteen places; those past the end repeat the last one */
  for (uint32_t k = 0; k < TW_LANES; k++) ids[k] = tw_ll_i64(l, k < n ? (int64_t)k : (int64_t)n - 1);
  at.run = -1;
  at.i[axis] = tw_ll_add(l, i[axis], LLVMConstVector(ids, TW_LANES));
  return tw_ll_view_load(l, v, &at);
}

/* Accumulates `rows` neighbouring elements (or runs) of the result, rows along axis `row_axis`. */
typedef struct Tile {
  LLVMValueRef i[TW_MAX_RANK]; /* place in the result */
  int row_axis;                /* -1: one row */
  uint32_t rows;
  bool run; /* along the last axis */
  uint32_t n;
} Tile;

static void operand_indices(const Dot *d, const LLVMValueRef *i, const LLVMValueRef *inner, LLVMValueRef *ia,
                            LLVMValueRef *ib) {
  for (uint32_t k = 0; k < d->n; k++) {
    ia[d->axes_a[k]] = inner[k];
    ib[d->axes_b[k]] = inner[k];
  }
  for (uint32_t k = 0; k < d->rank; k++) {
    if (k < d->n_free_a) ia[d->free_a[k]] = i[k];
    else ib[d->free_b[k - d->n_free_a]] = i[k];
  }
}

static void tile_step(const Dot *d, const Tile *t, const LLVMValueRef *inner, LLVMValueRef *acc) {
  TwLl *l = d->s->l;
  bool last_in_b = d->rank > d->n_free_a;
  LLVMValueRef kept_a = NULL, kept_b = NULL; /* what the rows share */
  bool rows_in_a = t->row_axis >= 0 && (uint32_t)t->row_axis < d->n_free_a;
  for (uint32_t row = 0; row < t->rows; row++) {
    LLVMValueRef i[TW_MAX_RANK], ia[TW_MAX_RANK], ib[TW_MAX_RANK];
    for (uint32_t k = 0; k < d->rank; k++) i[k] = t->i[k];
    if (t->row_axis >= 0) i[t->row_axis] = tw_ll_add(l, i[t->row_axis], tw_ll_i64(l, row));
    operand_indices(d, i, inner, ia, ib);
    int run_a = t->run && !last_in_b ? (int)d->free_a[d->n_free_a - 1] : -1;
    int run_b = t->run && last_in_b ? (int)d->free_b[d->rank - d->n_free_a - 1] : -1;
    LLVMValueRef a = row > 0 && !rows_in_a ? kept_a : fetch(l, &d->a, ia, run_a, t->n);
    LLVMValueRef b = row > 0 && rows_in_a ? kept_b : fetch(l, &d->b, ib, run_b, t->n);
    kept_a = a;
    kept_b = b;
    acc[row] = tw_ll_fma(l, a, b, acc[row]);
  }
}

enum { MAX_ROWS = 6 };

static void tile_values(const Dot *d, const Tile *t, LLVMValueRef *acc) {
  TwLl *l = d->s->l;
  LLVMValueRef zero = tw_ll_zero(l, TW_REAL, d->lanes || t->run);
  for (uint32_t k = 0; k < t->rows; k++) acc[k] = zero;
  if (d->count == 0) return;
  LLVMValueRef inner[TW_MAX_RANK], phi[MAX_ROWS];
  for (uint32_t k = 0; k < d->n; k++) inner[k] = tw_ll_i64(l, 0);
  if (d->count == 1) {
    tile_step(d, t, inner, acc);
    return;
  }
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, d->count));
  for (uint32_t k = 0; k < t->rows; k++) acc[k] = phi[k] = tw_ll_loop_phi(l, &p, zero);
  tw_ll_unflatten(l, p.i, d->n, d->dims, inner);
  tile_step(d, t, inner, acc);
  for (uint32_t k = 0; k < t->rows; k++) tw_ll_loop_next(l, phi[k], acc[k]);
  tw_ll_loop_end(l, &p);
}

static void tile_store(const Dot *d, const Tile *t, const TwLlVal *dest) {
  TwLl *l = d->s->l;
  LLVMValueRef acc[MAX_ROWS];
  tile_values(d, t, acc);
  for (uint32_t row = 0; row < t->rows; row++) {
    LLVMValueRef i[TW_MAX_RANK];
    for (uint32_t k = 0; k < d->rank; k++) i[k] = t->i[k];
    if (t->row_axis >= 0) i[t->row_axis] = tw_ll_add(l, i[t->row_axis], tw_ll_i64(l, row));
    LLVMValueRef p = tw_ll_view_ptr(l, dest, i);
    if (t->run) tw_ll_store_run(l, TW_REAL, acc[row], p, t->n);
    else tw_ll_store(l, TW_REAL, dest->lanes ? tw_ll_splat(l, acc[row]) : acc[row], p);
  }
}

/* All runs of one row (or of t->rows rows) along the last axis. */
static void row_tiles(const Dot *d, Tile t, const TwLlVal *dest) {
  TwLl *l = d->s->l;
  uint32_t last = d->rank - 1;
  if (!t.run) {
    tile_store(d, &t, dest);
    return;
  }
  int64_t full = dest->dims[last] / TW_LANES;
  t.n = TW_LANES;
  if (full > 0) {
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, full));
    t.i[last] = tw_ll_mul(l, p.i, tw_ll_i64(l, TW_LANES));
    tile_store(d, &t, dest);
    tw_ll_loop_end(l, &p);
  }
  t.n = (uint32_t)(dest->dims[last] % TW_LANES);
  t.i[last] = tw_ll_i64(l, full * TW_LANES);
  if (t.n) tile_store(d, &t, dest);
}

/* Rows along row_axis, MAX_ROWS at a time and then the rest. */
static void tiles(const Dot *d, Tile t, const TwLlVal *dest) {
  TwLl *l = d->s->l;
  if (t.row_axis < 0) {
    row_tiles(d, t, dest);
    return;
  }
  int64_t n = dest->dims[t.row_axis], full = n / MAX_ROWS;
  if (full > 0) {
    t.rows = MAX_ROWS;
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, full));
    t.i[t.row_axis] = tw_ll_mul(l, p.i, tw_ll_i64(l, MAX_ROWS));
    row_tiles(d, t, dest);
    tw_ll_loop_end(l, &p);
  }
  t.rows = (uint32_t)(n % MAX_ROWS);
  t.i[t.row_axis] = tw_ll_i64(l, full * MAX_ROWS);
  if (t.rows) row_tiles(d, t, dest);
}

void tw_ll_dot_into(TwLlScope *s, TwRef r, const TwLlVal *dest) {
  TwLl *l = s->l;
  if (tw_info(s->fn, r)->count == 0) return;
  Dot d = tw_ll_dot(s, r);
  Tile t = {.rows = 1, .row_axis = -1};
  enum { WORTH_A_RUN = 4 };
  uint32_t outer = d.rank;
  t.run = !dest->lanes && dest->stride[d.rank - 1] == 1 && dest->dims[d.rank - 1] >= WORTH_A_RUN;
  if (t.run) outer--;
  if (outer > 0 && dest->dims[outer - 1] > 1) t.row_axis = (int)--outer;
  TwLlNest nest;
  tw_ll_nest(l, &nest, outer, dest->dims);
  for (uint32_t k = 0; k < d.rank; k++) t.i[k] = k < outer ? nest.at.i[k] : tw_ll_i64(l, 0);
  tiles(&d, t, dest);
  tw_ll_nest_end(l, &nest);
}

LLVMValueRef tw_ll_dot_scalar(TwLlScope *s, TwRef r) {
  Dot d = tw_ll_dot(s, r);
  Tile t = {.rows = 1, .row_axis = -1};
  LLVMValueRef acc[MAX_ROWS];
  tile_values(&d, &t, acc);
  return acc[0];
}

/* ---- several blocks at once */

/* What row and block want of an operand: the same for all rows, or for all blocks, is loaded once. */
static LLVMValueRef shared_fetch(TwLl *l, const TwLlVal *v, const LLVMValueRef *i, bool varies_by_row, uint32_t row,
                                 uint32_t b, LLVMValueRef *of_row, LLVMValueRef *of_block) {
  if (!v->lanes && b > 0) return *of_row;
  if (!varies_by_row && row > 0) return of_block[b];
  return *of_row = of_block[b] = tw_ll_splat(l, fetch(l, v, i, -1, 1));
}

static void step_blocks(const Dot *d, uint32_t n, const LLVMValueRef *at, int row_axis, uint32_t rows,
                        const LLVMValueRef *inner, LLVMValueRef *acc) {
  TwLl *l = d->s->l;
  bool rows_in_a = row_axis >= 0 && (uint32_t)row_axis < d->n_free_a;
  LLVMValueRef row_a = NULL, row_b = NULL, block_a[TW_PL_MAX_BLOCKS], block_b[TW_PL_MAX_BLOCKS];
  for (uint32_t row = 0; row < rows; row++)
    for (uint32_t b = 0; b < n; b++) {
      LLVMValueRef i[TW_MAX_RANK], ia[TW_MAX_RANK], ib[TW_MAX_RANK];
      for (uint32_t k = 0; k < d->rank; k++) i[k] = at[k];
      if (row_axis >= 0) i[row_axis] = tw_ll_add(l, i[row_axis], tw_ll_i64(l, row));
      operand_indices(d, i, inner, ia, ib);
      LLVMValueRef x = shared_fetch(l, &d[b].a, ia, rows_in_a, row, b, &row_a, block_a);
      LLVMValueRef y = shared_fetch(l, &d[b].b, ib, !rows_in_a && row_axis >= 0, row, b, &row_b, block_b);
      acc[row * n + b] = tw_ll_fma(l, x, y, acc[row * n + b]);
    }
}

void tw_ll_dot_blocks(const TwLlDot *d, uint32_t n, const LLVMValueRef *i, int row_axis, uint32_t rows,
                      LLVMValueRef *acc) {
  TwLl *l = d->s->l;
  LLVMValueRef inner[TW_MAX_RANK], phi[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS];
  tw_ll_assert(l, n <= TW_PL_MAX_BLOCKS && rows <= TW_LL_MAX_ROWS);
  for (uint32_t k = 0; k < rows * n; k++) acc[k] = tw_ll_zero(l, TW_REAL, true);
  for (uint32_t k = 0; k < d->n; k++) inner[k] = tw_ll_i64(l, 0);
  if (d->count == 0) return;
  if (d->count == 1) {
    step_blocks(d, n, i, row_axis, rows, inner, acc);
    return;
  }
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, d->count));
  for (uint32_t k = 0; k < rows * n; k++) acc[k] = phi[k] = tw_ll_loop_phi(l, &p, acc[k]);
  tw_ll_unflatten(l, p.i, d->n, d->dims, inner);
  step_blocks(d, n, i, row_axis, rows, inner, acc);
  for (uint32_t k = 0; k < rows * n; k++) tw_ll_loop_next(l, phi[k], acc[k]);
  tw_ll_loop_end(l, &p);
}
