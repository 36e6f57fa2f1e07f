/* tiles.c: tensors of lane values in a straight body: each is a piece by itself.
 *
 *   contraction        tiles of a few rows by a few blocks in registers, the contracted axis inside; what alone
 *                      reads it, elementwise, is made of the tile before anything is stored; large ones: panels.c
 *   elementwise        for each element, for each block
 *   sum over samples   sums.c
 *   anything else      for each block
 *
 * Only a sum minds lanes past the end. So tiles of blocks may run past the last one: rows have room for that, but
 * columns of the data have not. */
#include "compiler/llvm/layers.h"

void tw_ll_enter_any(TwLlLevel *v, LLVMValueRef i) {
  TwLlLanes *p = v->y->p;
  p->i = p->column = i;
  p->block = tw_ll_add(v->b->l, p->from, i);
  p->mask = NULL;
  tw_ll_forget_lanes(v->b);
}

/* Puts one element where r has its place. */
static void put(TwLlLevel *v, TwRef r, const TwLlAt *at, LLVMValueRef x) {
  TwLl *l = v->b->l;
  TwLlVal to = tw_ll_in_block(v, r);
  tw_ll_store(l, to.dtype, tw_ll_splat(l, x), tw_ll_view_ptr(l, &to, at->i));
}

static void load_args(TwLlScope *s, TwRef r) {
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
    TwRef a = tw_arg(s->fn, r, k);
    if (s->val[a].kind == TW_LL_NONE) tw_ll_seg_load(s, a);
  }
}

/* ---- contractions */

typedef struct Contraction {
  TwLlLevel *v;
  TwRef dot, root; /* root: what is stored; the dot itself or its reader */
  uint32_t n_blocks, max_rows;
  LLVMValueRef first; /* of the blocks */
  TwLlDot at[TW_PL_MAX_BLOCKS];
} Contraction;

void tw_ll_store_dots(TwLlLevel *v, const TwLlDots *t, const TwLlAt *i, LLVMValueRef first, LLVMValueRef *acc) {
  TwLl *l = v->b->l;
  for (uint32_t b = 0; b < t->n_blocks; b++) {
    tw_ll_enter_any(v, tw_ll_add(l, first, tw_ll_i64(l, b)));
    v->b->val[t->dot] = tw_ll_scalar(TW_REAL, acc[b]); /* there already, for whom loads what reads it */
    if (t->root != t->dot) load_args(v->b, t->root);
    for (uint32_t row = 0; row < t->rows; row++) {
      TwLlAt at = *i;
      at.run = -1;
      if (t->row_axis >= 0) at.i[t->row_axis] = tw_ll_add(l, at.i[t->row_axis], tw_ll_i64(l, row));
      LLVMValueRef x = acc[row * t->n_blocks + b];
      v->b->val[t->dot] = tw_ll_scalar(TW_REAL, x);
      put(v, t->root, &at, t->root == t->dot ? x : tw_ll_compute_element(v->b, t->root, &at));
    }
  }
}

/* rows of the result along row_axis from i on. */
static void dot_tile(Contraction *c, const TwLlAt *i, int row_axis, uint32_t rows) {
  LLVMValueRef acc[TW_LL_MAX_ROWS * TW_PL_MAX_BLOCKS];
  tw_ll_dot_blocks(c->at, c->n_blocks, i->i, row_axis, rows, acc);
  TwLlDots t = {c->dot, c->root, row_axis, rows, c->n_blocks};
  tw_ll_store_dots(c->v, &t, i, c->first, acc);
}

static void dot_tiles(Contraction *c) {
  TwLl *l = c->v->b->l;
  const TwTyInfo t = *tw_info(c->v->b->fn, c->dot);
  int row_axis = -1;
  for (uint32_t k = 0; k < t.rank; k++)
    if (t.dims[k] > 1 && (row_axis < 0 || t.dims[k] >= t.dims[row_axis])) row_axis = (int)k;
  int64_t outer[TW_MAX_RANK], n = row_axis < 0 ? 1 : t.dims[row_axis], rows = c->max_rows;
  for (uint32_t k = 0; k < t.rank; k++) outer[k] = (int)k == row_axis ? 1 : t.dims[k];
  TwLlNest nest;
  tw_ll_nest(l, &nest, t.rank, outer);
  TwLlAt at = nest.at;
  if (n / rows > 0 && row_axis >= 0) {
    TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, n / rows));
    at.i[row_axis] = tw_ll_mul(l, p.i, tw_ll_i64(l, rows));
    dot_tile(c, &at, row_axis, (uint32_t)rows);
    tw_ll_loop_end(l, &p);
  }
  if (row_axis >= 0) at.i[row_axis] = tw_ll_i64(l, n / rows * rows);
  if (row_axis < 0 || n % rows) dot_tile(c, &at, row_axis, row_axis < 0 ? 1 : (uint32_t)(n % rows));
  tw_ll_nest_end(l, &nest);
}

/* Tiles that the registers hold: 6 rows by 4 blocks in 32 of them, 6 by 2 in 16; few rows take more blocks. */
static void contraction(TwLlLevel *v, TwRef root, TwRef dot, bool columns) {
  TwLl *l = v->b->l;
  TwLlLanes *p = v->y->p;
  int64_t count = tw_info(v->b->fn, dot)->count;
  Contraction c = {.v = v, .dot = dot, .root = root, .max_rows = 6};
  c.n_blocks = columns ? 1 : count < 4 ? (uint32_t)TW_PL_MAX_BLOCKS : l->m.blocks;
  TwLlLoop part = tw_ll_begin_parts(v);
  LLVMValueRef n = tw_ll_i64(l, c.n_blocks), up = tw_ll_add(l, p->count, tw_ll_i64(l, c.n_blocks - 1));
  TwLlLoop loop = tw_ll_loop(l, LLVMBuildUDiv(l->b, up, n, ""));
  c.first = tw_ll_mul(l, loop.i, n);
  for (uint32_t b = 0; b < c.n_blocks; b++) {
    tw_ll_enter_any(v, tw_ll_add(l, c.first, tw_ll_i64(l, b)));
    load_args(v->b, dot);
    c.at[b] = tw_ll_dot(v->b, dot);
  }
  dot_tiles(&c);
  tw_ll_loop_end(l, &loop);
  tw_ll_end_parts(v, &part);
}

/* ---- elementwise, and anything else */

static void elementwise(TwLlLevel *v, TwRef r) {
  TwLl *l = v->b->l;
  const TwTyInfo t = *tw_info(v->b->fn, r);
  TwLlLoop part = tw_ll_begin_parts(v);
  TwLlNest nest;
  tw_ll_nest(l, &nest, t.rank, t.dims);
  TwLlLoop loop = tw_ll_loop(l, v->y->p->count);
  tw_ll_enter_any(v, loop.i);
  load_args(v->b, r);
  put(v, r, &nest.at, tw_ll_compute_element(v->b, r, &nest.at));
  tw_ll_loop_end(l, &loop);
  tw_ll_nest_end(l, &nest);
  tw_ll_end_parts(v, &part);
}

static void block_by_block(TwLlLevel *v, TwRef r) {
  TwLl *l = v->b->l;
  TwLlLoop part = tw_ll_begin_parts(v), loop = tw_ll_loop(l, v->y->p->count);
  tw_ll_enter_any(v, loop.i);
  load_args(v->b, r);
  TwLlVal to = tw_ll_in_block(v, r);
  tw_ll_into(v->b, r, &to);
  tw_ll_loop_end(l, &loop);
  tw_ll_end_parts(v, &part);
}

void tw_ll_tensor_segment(TwLlLevel *v, uint32_t segment) {
  const TwPlSegment *seg = &v->cut->segments.at[segment];
  TwRef r = v->cut->items.at[seg->first].inst;
  if (!r) {
    tw_ll_sum_segment(v, segment);
    return;
  }
  TwOp op = tw_op(v->b->fn, r);
  TwRef dot = op == TW_OP_dot ? r : v->cut->dot[r];
  if (dot && !seg->columns && tw_ll_is_large(v, dot)) tw_ll_large_contraction(v, r, dot);
  else if (dot) contraction(v, r, dot, seg->columns);
  else if (tw_pl_is_elementwise(op)) elementwise(v, r);
  else block_by_block(v, r);
}
