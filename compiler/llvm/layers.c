/* layers.c: a straight body of samples, piece by piece, as the plan has cut it.
 *
 *   for each segment of the body                      a loop in it: for each iteration
 *     for each block of the pass                        for each segment of the loop's body
 *       its operations; its sums in registers             for each block of the pass
 *     sums to memory                                        its operations; this iteration's sums in registers
 *                                                         sums to memory
 *
 * Where the machine's vectors are narrower than a block all this is run for first parts of the blocks, then for second
 * ones, and so on, unless there are tensors, whose pieces take parts as they like.
 *
 * Values that cross from one segment to another have a place in scratch, a row of vectors, one a block; what
 * a loop carries or stacks has rows too. The plan lays them out. */
#include "compiler/llvm/layers.h"

typedef TwLlLevel Level;

/* Of one block, or the part of it that is run, in a row. */
static uint64_t row_bytes(const TwLlLayers *y, TwDtype d) {
  return y->p->cut->lanes * tw_ll_bytes(y->p->s->l, d, false);
}

static Level *new_level(TwLlLayers *y, Level *outer, const TwPlCut *cut, TwLlScope *b) {
  TwArena *arena = y->p->s->l->arena;
  Level *v = TW_NEW(arena, Level);
  const TwFn *f = cut->x->fn;
  *v = (Level){.y = y, .outer = outer, .cut = cut, .b = b};
  v->inner = TW_NEW_N(arena, Level *, f->insts.len);
  v->place = TW_NEW_N(arena, LLVMValueRef, f->insts.len);
  v->column = TW_NEW_N(arena, bool, f->insts.len);
  v->first_start = TW_NEW_N(arena, uint32_t, f->insts.len);
  if (outer) {
    v->out = TW_NEW_N(arena, LLVMValueRef, f->results.len + 1);
    v->extra_at = TW_NEW_N(arena, LLVMValueRef, cut->extra.len + 1);
    v->extra = TW_NEW_N(arena, LLVMValueRef, cut->extra.len + 1);
  }
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!cut->inner[r]) continue;
    v->inner[r] = new_level(y, v, cut->inner[r], tw_ll_scope(y->p->s->l, cut->x->regions[r].body));
    const TwRegion *g = tw_region(f, r);
    for (uint32_t k = 0; k < g->n_carry; k++) {
      TwRef init = tw_arg(f, r, g->n_consts + k);
      if (!cut->in_segment[init] || tw_info(f, init)->rank > 0) continue;
      tw_vec_push(arena, &v->starts, (TwLlStart){r, k, v->first_start[init]});
      v->first_start[init] = v->starts.len;
    }
  }
  return v;
}

void tw_ll_passes(TwLlLanes *p) {
  p->rows = tw_pl_rows(p->cut, &p->s->l->m, p->blocks);
  bool ragged = !p->s->l->m.masks && p->n % TW_LANES != 0;
  p->keeps_last = ragged && p->cut->lanes < TW_LANES && p->g->n_ys == 0;
  p->passes = tw_pl_has_passes(p->cut, &p->s->l->m, p->blocks);
  p->goes_on = p->passes || (ragged && !p->keeps_last);
}

TwLlLayers *tw_ll_layers(TwLlLanes *p, uint64_t *bytes) {
  TwLlLayers *y = TW_NEW(p->s->l->arena, TwLlLayers);
  y->p = p;
  for (TwRef r = 1; r < p->b->fn->insts.len; r++) /* uniform operands of loops: in memory before the samples */
    for (uint32_t k = 0; p->cut->inner[r] && k < tw_inst(p->b->fn, r)->n_args + p->cut->inner[r]->extra.len; k++) {
      uint32_t n = tw_inst(p->b->fn, r)->n_args;
      TwRef a = k < n ? tw_arg(p->b->fn, r, k) : p->cut->inner[r]->extra.at[k - n];
      if (!p->b->facts->inner[a]) tw_ll_for_body(p->b, a);
    }
  y->top = new_level(y, NULL, p->cut, p->b);
  y->stride = p->rows + (p->rows % 2 == 0);
  *bytes = p->cut->bytes * (uint64_t)y->stride;
  return y;
}

static LLVMValueRef scratch_row(const TwLlLayers *y, uint64_t at) {
  return tw_ll_byte_at(y->p->s->l, y->scratch, at * (uint64_t)y->stride);
}

/* Addresses that several operations share are made once, and what is at a fixed distance from one is reached from it:
 * what LLVM would find out by itself it takes a quarter of a compilation to find. NULL: not made yet in the basic block
 * whose end the builder is at; the caller makes it and leaves it in its place. */
static LLVMValueRef *made_of(TwLlLayers *y, TwLlMadeOf what, LLVMValueRef base, LLVMValueRef i, uint64_t each) {
  const TwLlLanes *p = y->p;
  TwLlMade key = {what, LLVMGetInsertBlock(p->s->l->b), base, i, p->sub, each, p->s->l->lanes, NULL};
  for (uint32_t k = 0; k < TW_LL_N_MADE; k++) {
    TwLlMade *m = &y->made[k];
    if (m->what == what && m->where == key.where && m->base == base && m->i == i && m->sub == key.sub &&
        m->each == each && m->lanes == key.lanes)
      return &m->v;
  }
  TwLlMade *m = &y->made[y->next_made++ % TW_LL_N_MADE];
  *m = key;
  return &m->v;
}

/* Where a place in scratch is counted from: the place itself, less the bytes that are known. */
static LLVMValueRef base_of(const TwLlLayers *y, LLVMValueRef at, uint64_t *bytes) {
  int64_t more;
  for (*bytes = 0; at != y->scratch && LLVMIsAGetElementPtrInst(at); at = LLVMGetOperand(at, 0)) {
    bool fixed = LLVMGetNumIndices(at) == 1 && LLVMGetGEPSourceElementType(at) == y->p->s->l->i8 &&
                 tw_ll_is_int_const(LLVMGetOperand(at, 1), &more);
    if (!fixed) break;
    *bytes += (uint64_t)more;
  }
  return at;
}

/* Value i of those that begin at `base`, reals of so many elements. */
static LLVMValueRef row_at(TwLlLayers *y, LLVMValueRef base, LLVMValueRef i, int64_t count) {
  TwLl *l = y->p->s->l;
  uint64_t each = row_bytes(y, TW_REAL) * (uint64_t)(y->stride * count), bytes;
  base = base_of(y, base, &bytes);
  LLVMValueRef *at = made_of(y, TW_LL_OF_ITERATION, base, i, each);
  if (!*at) *at = tw_ll_at(l, l->i8, base, tw_ll_mul(l, i, tw_ll_i64(l, (int64_t)each)));
  return tw_ll_byte_at(l, *at, bytes);
}

/* ---- values in a block */

/* The place of the block, or of the part of it that is being run, in a column of the data from the first block of
 * the pass on. */
static LLVMValueRef in_column(TwLlLayers *y, TwDtype d, LLVMValueRef from) {
  TwLl *l = y->p->s->l;
  LLVMValueRef *at = made_of(y, TW_LL_OF_COLUMN, NULL, y->p->column, 0);
  if (!*at) *at = tw_ll_add(l, tw_ll_mul(l, y->p->column, tw_ll_i64(l, TW_LANES)), y->p->sub);
  return tw_ll_at(l, tw_ll_stored(l, d, false), from, *at);
}

/* The same in a row of scratch, where first parts of all blocks lie together, then second ones if they have places of
 * their own: a part is run for all blocks before the next, and meets no cache line of another. In elements. */
static LLVMValueRef row_offset(const TwLlLayers *y) {
  TwLl *l = y->p->s->l;
  LLVMValueRef at = tw_ll_mul(l, y->p->i, tw_ll_i64(l, l->lanes));
  if (y->p->cut->lanes == TW_LANES) at = tw_ll_add(l, at, tw_ll_mul(l, y->p->sub, tw_ll_i64(l, y->p->rows)));
  return at;
}

static LLVMValueRef in_row(TwLlLayers *y, TwDtype d, LLVMValueRef row) {
  TwLl *l = y->p->s->l;
  uint64_t bytes;
  LLVMValueRef base = base_of(y, row, &bytes), *at = made_of(y, TW_LL_OF_ROW, base, y->p->i, tw_ll_bytes(l, d, false));
  if (!*at) *at = tw_ll_at(l, tw_ll_stored(l, d, false), base, row_offset(y));
  return tw_ll_byte_at(l, *at, bytes);
}

static LLVMValueRef load_row(TwLlLayers *y, TwDtype d, LLVMValueRef row) {
  return tw_ll_load(y->p->s->l, d, true, in_row(y, d, row));
}

static void store_row(TwLlLayers *y, TwDtype d, LLVMValueRef v, LLVMValueRef row) {
  tw_ll_store(y->p->s->l, d, tw_ll_splat(y->p->s->l, v), in_row(y, d, row));
}

/* A tensor of type t in scratch, as the block has it: from element to element a row on. */
static TwLlVal tensor_at(TwLlLayers *y, const TwTyInfo *t, LLVMValueRef row) {
  TwLl *l = y->p->s->l;
  TwLlVal x = tw_ll_contiguous(t, in_row(y, t->dtype, row), true);
  x.unit = (int64_t)row_bytes(y, t->dtype) * y->stride / (int64_t)tw_ll_bytes(l, t->dtype, true);
  for (uint32_t k = 0; k < t->rank; k++) x.stride[k] *= x.unit;
  return x;
}

TwLlVal tw_ll_in_block(TwLlLevel *v, TwRef r) {
  tw_ll_assert(v->b->l, v->place[r] && !v->column[r]);
  return tensor_at(v->y, tw_info(v->b->fn, r), v->place[r]);
}

/* Copies r, whatever it is, to a tensor in scratch. */
static void copy_to(TwLlLevel *v, TwRef r, LLVMValueRef row) {
  TwLlVal to = tensor_at(v->y, tw_info(v->b->fn, r), row);
  if (v->b->facts->varies[r] && v->b->val[r].kind == TW_LL_NONE) tw_ll_seg_load(v->b, r);
  tw_ll_into(v->b, r, &to);
}

void tw_ll_seg_load(TwLlScope *s, TwRef r) {
  Level *v = s->level;
  const TwTyInfo *t = tw_info(s->fn, r);
  TwDtype d = t->dtype;
  tw_ll_assert(s->l, s->facts->varies[r]);
  if (!v->place[r]) { /* made where it is read: what it is made of first */
    tw_ll_assert(s->l, d == TW_BOOL || t->rank > 0);
    for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
      TwRef a = tw_arg(s->fn, r, k);
      if (s->val[a].kind == TW_LL_NONE) tw_ll_seg_load(s, a);
    }
    tw_ll_inst(s, r);
    return;
  }
  if (t->rank > 0) {
    s->val[r] = tw_ll_in_block(v, r);
    return;
  }
  LLVMValueRef x;
  if (v->column[r]) x = tw_ll_load(s->l, d, true, in_column(v->y, d, v->place[r]));
  else x = load_row(v->y, d, v->place[r]);
  s->val[r] = tw_ll_scalar(d, x);
}

static LLVMValueRef factor(Level *v, TwRef a) {
  TwLl *l = v->b->l;
  uint32_t n = v->b->fn->insts.len;
  if (a < n) return tw_ll_operand(v->b, a, true);
  LLVMValueRef *x = &v->extra[a - n];
  bool varies = v->outer->b->facts->varies[v->cut->extra.at[a - n]];
  if (!*x) *x = varies ? load_row(v->y, TW_REAL, v->extra_at[a - n]) : tw_ll_splat(l, v->extra_at[a - n]);
  return *x;
}

/* ---- segments */

/* Operand j of an item, if it is a scalar in this code; or 0. */
static TwRef scalar_operand(const TwLlScope *b, const TwPlCut *cut, const TwPlItem *it, uint32_t j) {
  const TwPlAcc *acc = it->inst ? NULL : &cut->accs.at[it->acc];
  if (j >= (acc ? 2 : tw_inst(b->fn, it->inst)->n_args)) return 0;
  TwRef a = acc ? (j ? acc->b : acc->a) : tw_arg(b->fn, it->inst, j);
  if (!a || a >= b->fn->insts.len || b->facts->varies[a]) return 0;
  const TwLlVal *u = &b->val[a];
  return u->kind == TW_LL_SCALAR && !LLVMIsConstant(u->v) ? a : 0;
}

enum { MOST_OPERANDS = 3 };

static void hoist_splats(Level *v, const TwPlSegment *seg, bool on) {
  TwLlScope *b = v->b;
  if (!tw_pl_keeps_splats(v->cut, seg)) return;
  for (uint32_t k = seg->first; k < seg->end; k++)
    for (uint32_t j = 0; j < MOST_OPERANDS; j++) {
      TwRef a = scalar_operand(b, v->cut, &v->cut->items.at[k], j);
      TwLlVal *u = &b->val[a];
      if (!a) continue;
      if (!on) u->splat = NULL;
      else if (!u->splat) u->splat = tw_ll_operand(b, a, true);
    }
}

/* Scalars of the other segments, each stored once in all lanes of a vector: that is an operand of arithmetic, where
 * without AVX-512 a broadcast is an instruction of its own. A block or two would not pay for it. */
void tw_ll_pool_splats(const TwLlLanes *p, const TwPlCut *cut, TwLlScope *b, TwLlScope *owner, TwRef last) {
  enum { FEWEST_BLOCKS = 4 };
  TwLl *l = b->l;
  TwVec(TwRef) pooled = {0};
  uint64_t each = l->m.bits / 8, most = (uint64_t)l->m.near / 2; /* beside what blocks bring along */
  bool *seen = TW_NEW_N(l->arena, bool, b->fn->insts.len);
  if (l->m.masks || p->blocks < FEWEST_BLOCKS) return;
  for (uint32_t s = 0; s < cut->segments.len; s++) {
    const TwPlSegment *seg = &cut->segments.at[s];
    if (seg->scan || seg->tensor || tw_pl_keeps_splats(cut, seg)) continue;
    for (uint32_t k = seg->first; k < seg->end; k++)
      for (uint32_t j = 0; j < MOST_OPERANDS; j++) {
        TwRef a = scalar_operand(b, cut, &cut->items.at[k], j);
        if (a && !seen[a] && b->val[a].dtype == TW_REAL && !b->val[a].wide) tw_vec_push(l->arena, &pooled, a);
        seen[a] = true;
      }
  }
  if (pooled.len == 0 || pooled.len * each > most) return;
  uint32_t block = tw_ll_alloc(l, pooled.len * each), lanes = l->lanes;
  tw_ll_own(owner, block, last);
  LLVMValueRef pool = tw_ll_block_ptr(l, block);
  l->lanes = tw_machine_lanes(&l->m, l->f64);
  for (uint32_t k = 0; k < pooled.len; k++) {
    TwLlVal *u = &b->val[pooled.at[k]];
    LLVMValueRef splat = tw_ll_operand(b, pooled.at[k], true);
    u->wide = tw_ll_byte_at(l, pool, k * each);
    tw_ll_store(l, TW_REAL, splat, u->wide);
  }
  l->lanes = lanes;
}

/* Where carry k of a loop is before the first iteration. */
static LLVMValueRef start_row(const Level *v, uint32_t k) {
  const TwPlCarry *c = &v->cut->carry[k];
  bool last = c->history && v->cut->g->reverse;
  uint64_t each = row_bytes(v->y, TW_REAL) * (uint64_t)tw_info(v->b->fn, v->b->fn->results.at[k])->count;
  return scratch_row(v->y, c->at + (last ? (uint64_t)(c->rows - 1) * each : 0));
}

static void emit_item(Level *v, const TwPlItem *it, LLVMValueRef *phi, bool masked) {
  TwLlScope *b = v->b;
  TwLl *l = b->l;
  if (!it->inst) {
    const TwPlAcc *a = &v->cut->accs.at[it->acc];
    LLVMValueRef old = *phi, x = factor(v, a->a);
    LLVMValueRef now = a->b ? tw_ll_fma(l, x, factor(v, a->b), old) : tw_ll_fadd(l, TW_REAL, old, x);
    *phi = masked ? tw_ll_masked(v->y->p, now, old) : now;
    return;
  }
  for (uint32_t k = 0; k < tw_inst(b->fn, it->inst)->n_args; k++) {
    TwRef a = tw_arg(b->fn, it->inst, k);
    if (b->val[a].kind == TW_LL_NONE) tw_ll_seg_load(b, a);
  }
  tw_ll_inst(b, it->inst);
  TwDtype d = tw_info(b->fn, it->inst)->dtype;
  if (v->cut->slot[it->inst]) store_row(v->y, d, b->val[it->inst].v, v->place[it->inst]);
  for (uint32_t k = v->first_start[it->inst]; k > 0; k = v->starts.at[k - 1].next) {
    const TwLlStart *at = &v->starts.at[k - 1];
    store_row(v->y, d, b->val[it->inst].v, start_row(v->inner[at->scan], at->k));
  }
}

/* Stacked results, with the segment that computes them; truth values, columns and what is uniform with the
 * last one. A loop's results likewise: all are read before any is written, since rows may be shared. */
static void emit_results(Level *v, uint32_t number) {
  const TwRegion *g = v->cut->g;
  const TwFn *f = v->b->fn;
  uint32_t last = v->cut->segments.len;
  LLVMValueRef *x = TW_NEW_N(v->b->l->arena, LLVMValueRef, f->results.len + 1);
  for (uint32_t k = v->outer ? 0 : g->n_carry; k < f->results.len; k++) {
    uint32_t in = tw_info(f, f->results.at[k])->rank > 0 ? 0 : v->cut->in_segment[f->results.at[k]];
    if (in && v->cut->segments.at[in - 1].tensor) in = 0;
    if ((in ? in : last) != number + 1) continue;
    if (!v->outer && v->b->facts->varies[f->results.at[k]] && v->b->val[f->results.at[k]].kind == TW_LL_NONE)
      tw_ll_seg_load(v->b, f->results.at[k]);
    if (!v->outer) tw_ll_store_y(v->y->p, k - g->n_carry);
    else if (v->out[k] && tw_info(f, f->results.at[k])->rank == 0) x[k] = tw_ll_operand(v->b, f->results.at[k], true);
    else if (v->out[k] && v->place[f->results.at[k]] != v->out[k]) copy_to(v, f->results.at[k], v->out[k]);
  }
  for (uint32_t k = 0; v->outer && k < f->results.len; k++)
    if (x[k]) store_row(v->y, TW_REAL, x[k], v->out[k]);
}

static LLVMValueRef accumulator(const Level *v, uint32_t acc) {
  TwLl *l = v->b->l;
  const TwLlLanes *p = v->y->p;
  LLVMValueRef *from = made_of(v->y, TW_LL_OF_SUM, p->acc, v->outer ? v->i : NULL, 0);
  if (!*from) {
    LLVMValueRef further = v->outer ? tw_ll_mul(l, v->i, tw_ll_i64(l, TW_LANES)) : tw_ll_i64(l, 0);
    *from = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), p->acc, tw_ll_add(l, further, p->sub));
  }
  return tw_ll_byte_at(l, *from,
                       (uint64_t)p->acc_at[v->cut->accs.at[acc].k] * TW_LANES * tw_ll_bytes(l, TW_REAL, false));
}

void tw_ll_enter_run(TwLlLanes *p, const TwLlRun *run, LLVMValueRef i) {
  TwLl *l = p->s->l;
  p->i = p->column = tw_ll_add(l, run->first, i);
  p->block = tw_ll_add(l, p->from, p->i);
  p->mask = NULL;
  if (run->valid) p->mask = tw_ll_mask(l, run->ragged ? run->ragged : tw_ll_is_last_block(p), run->valid, NULL);
}

LLVMValueRef tw_ll_mask_of_run(TwLl *l, const TwLlRun *run) {
  return run->ragged ? tw_ll_mask(l, run->ragged, run->valid, NULL) : NULL;
}

void tw_ll_end_sum(TwLl *l, LLVMValueRef sum, LLVMValueRef at, LLVMValueRef mask) {
  if (mask) sum = tw_ll_select(l, mask, sum, tw_ll_load(l, TW_REAL, true, at));
  tw_ll_store(l, TW_REAL, sum, at);
}

/* What a block that takes its turn has of its own. */
typedef struct Turn {
  LLVMValueRef i, column, block, mask, *extra;
  TwLlVal *val;
} Turn;

static void take_turn(Level *v, const Turn *t) {
  TwLlLanes *p = v->y->p;
  p->i = t->i;
  p->column = t->column;
  p->block = t->block;
  p->mask = t->mask;
  v->b->val = t->val;
  v->extra = t->extra;
}

/* Block number i of the pass as turn number `number`, with the scope's values; later turns have copies of their own. */
static Turn new_turn(Level *v, LLVMValueRef i, uint32_t number) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  uint32_t n = v->b->fn->insts.len;
  Turn t = {i, i, tw_ll_add(l, p->from, i), NULL, v->extra, v->b->val};
  if (number == 0) return t;
  t.val = TW_NEW_N(l->arena, TwLlVal, n);
  for (TwRef r = 0; r < n; r++) t.val[r] = v->b->val[r];
  t.extra = TW_NEW_N(l->arena, LLVMValueRef, v->cut->extra.len + 1);
  return t;
}

/* Whether the last blocks of a run may have lanes past the end, or not be there at all, being run in turn. */
static bool ends_early(const TwLlLanes *p, const TwLlRun *run, uint32_t turns) {
  return p->s->l->m.masks && (run->valid || p->blocks % turns != 0);
}

/* What changes before the last turns of a run: their masks, and the columns of blocks that are not there. Masks are
 * in registers from block to block, since to make one takes an operation on a port that does arithmetic. phi: the
 * masks of the blocks before. */
static void find_ends(Level *v, const TwLlRun *run, const TwLlLoop *loop, Turn *turn, uint32_t turns,
                      const LLVMValueRef *phi) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  LLVMValueRef one = tw_ll_i64(l, 1), last = LLVMBuildSub(l->b, p->count, one, "");
  LLVMValueRef mask[TW_PL_MAX_TURNS], column[TW_PL_MAX_TURNS];
  LLVMBasicBlockRef before = LLVMGetInsertBlock(l->b), end = tw_ll_new_block(l, "last"),
                    go = tw_ll_new_block(l, "blocks");
  LLVMValueRef is_last = LLVMBuildICmp(l->b, LLVMIntEQ, loop->i, LLVMBuildSub(l->b, loop->n, one, ""), "");
  tw_ll_seldom(l, LLVMBuildCondBr(l->b, is_last, end, go));
  tw_ll_place(l, end);
  for (uint32_t t = 0; t < turns; t++) {
    LLVMValueRef exists = NULL, ragged = LLVMConstNull(l->i1);
    if (p->blocks % turns != 0) exists = LLVMBuildICmp(l->b, LLVMIntULE, turn[t].i, last, "");
    if (run->valid) ragged = LLVMBuildICmp(l->b, LLVMIntEQ, turn[t].block, tw_ll_i64(l, p->blocks - 1), "");
    column[t] = exists ? tw_ll_select(l, exists, turn[t].i, last) : turn[t].i;
    mask[t] = tw_ll_mask(l, ragged, run->valid ? run->valid : tw_ll_i64(l, l->lanes), exists);
  }
  tw_ll_go(l, go);
  for (uint32_t t = 0; t < turns; t++) {
    turn[t].mask = LLVMBuildPhi(l->b, LLVMTypeOf(phi[t]), "");
    LLVMAddIncoming(turn[t].mask, (LLVMValueRef[]){phi[t], mask[t]}, (LLVMBasicBlockRef[]){before, end}, 2);
  }
  for (uint32_t t = 0; t < turns && p->blocks % turns != 0; t++) {
    turn[t].column = LLVMBuildPhi(l->b, l->i64, "");
    LLVMAddIncoming(turn[t].column, (LLVMValueRef[]){turn[t].i, column[t]}, (LLVMBasicBlockRef[]){before, end}, 2);
  }
}

/* Accumulators as they are before a block with lanes past the end go to memory, where these lanes find them again. */
static void keep_before_last(Level *v, const TwPlSegment *seg, LLVMValueRef i, LLVMValueRef *phi) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  LLVMValueRef last = LLVMBuildSub(l->b, p->count, tw_ll_i64(l, 1), "");
  LLVMBasicBlockRef end = tw_ll_new_block(l, "last"), keep = tw_ll_new_block(l, "keep"),
                    go = tw_ll_new_block(l, "blocks");
  tw_ll_seldom(l, LLVMBuildCondBr(l->b, LLVMBuildICmp(l->b, LLVMIntEQ, i, last, ""), end, go));
  tw_ll_place(l, end);
  LLVMBuildCondBr(l->b, p->partial, keep, go);
  tw_ll_place(l, keep);
  for (uint32_t k = 0; k < seg->end - seg->first; k++)
    if (phi[k]) tw_ll_store(l, TW_REAL, phi[k], accumulator(v, v->cut->items.at[seg->first + k].acc));
  tw_ll_go(l, go);
}

static void emit_blocks(Level *v, uint32_t number, const TwLlRun *run) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  const TwPlSegment *seg = &v->cut->segments.at[number];
  uint32_t n = seg->end - seg->first, turns = seg->turns ? seg->turns : 1;
  LLVMValueRef *phi = TW_NEW_N(l->arena, LLVMValueRef, n + 1), *now = TW_NEW_N(l->arena, LLVMValueRef, n + 1);
  hoist_splats(v, seg, true);
  for (uint32_t k = 0; k < n; k++) {
    const TwPlItem *it = &v->cut->items.at[seg->first + k];
    if (it->inst) continue;
    now[k] = p->goes_on ? tw_ll_load(l, TW_REAL, true, accumulator(v, it->acc)) : tw_ll_zero(l, TW_REAL, true);
  }
  LLVMValueRef up = tw_ll_add(l, run->count, tw_ll_i64(l, turns - 1)), each = tw_ll_i64(l, turns);
  TwLlLoop loop = tw_ll_loop(l, turns == 1 ? run->count : LLVMBuildUDiv(l->b, up, each, ""));
  for (uint32_t k = 0; k < n; k++)
    if (now[k]) now[k] = phi[k] = tw_ll_loop_phi(l, &loop, now[k]);
  bool ends = ends_early(p, run, turns);
  LLVMValueRef masks[TW_PL_MAX_TURNS], all = LLVMConstAllOnes(tw_ll_lanes_of(l, l->i1));
  for (uint32_t t = 0; t < turns && ends; t++) masks[t] = tw_ll_loop_phi(l, &loop, all);
  if (p->keeps_last && seg->accs) keep_before_last(v, seg, loop.i, phi);
  Turn turn[TW_PL_MAX_TURNS];
  LLVMValueRef first = tw_ll_add(l, run->first, tw_ll_mul(l, loop.i, each));
  for (uint32_t t = 0; t < turns; t++) turn[t] = new_turn(v, tw_ll_add(l, first, tw_ll_i64(l, t)), t);
  if (ends) find_ends(v, run, &loop, turn, turns, masks);
  else turn[0].mask = tw_ll_mask_of_run(l, run);
  for (uint32_t k = 0; k < n; k++)
    for (uint32_t t = 0; t < turns; t++) {
      take_turn(v, &turn[t]);
      emit_item(v, &v->cut->items.at[seg->first + k], &now[k], !run->ragged);
    }
  for (uint32_t t = turns; t-- > 0;) {
    take_turn(v, &turn[t]);
    emit_results(v, number);
  }
  for (uint32_t k = 0; k < n; k++)
    if (phi[k]) tw_ll_loop_next(l, phi[k], now[k]);
  for (uint32_t t = 0; t < turns && ends; t++) tw_ll_loop_next(l, masks[t], turn[t].mask);
  tw_ll_loop_end(l, &loop);
  hoist_splats(v, seg, false);
  LLVMValueRef mask = seg->accs && p->keeps_last ? tw_ll_mask(l, p->partial, p->valid, NULL)
                                                 : tw_ll_mask_of_run(l, run);
  for (uint32_t k = 0; k < n; k++)
    if (phi[k]) tw_ll_end_sum(l, now[k], accumulator(v, v->cut->items.at[seg->first + k].acc), mask);
}

/* Lanes of the part at p->sub that the ragged block has. */
LLVMValueRef tw_ll_valid_lanes(TwLlLanes *p) {
  TwLl *l = p->s->l;
  LLVMValueRef left = LLVMBuildSub(l->b, tw_ll_i64(l, p->n % TW_LANES), p->sub, "");
  LLVMTypeRef t = l->i64;
  LLVMValueRef low[2] = {left, tw_ll_i64(l, 0)}, high[2] = {NULL, tw_ll_i64(l, l->lanes)};
  high[0] = tw_ll_intrinsic(l, "llvm.smax", &t, 1, low, 2);
  return tw_ll_intrinsic(l, "llvm.smin", &t, 1, high, 2);
}

/* The same value, of which LLVM does not know that it changes with a loop around the blocks. Each address in the
 * blocks would be one more that its loop strength reduction weighs for that loop, where nothing is to be gained: it
 * took a quarter of a compilation. */
static LLVMValueRef opaque(TwLl *l, LLVMValueRef v) { return LLVMIsConstant(v) ? v : LLVMBuildFreeze(l->b, v, ""); }

/* Does the pass end with the ragged block, and what has this part of it: some lanes, which `valid` counts, or none,
 * and then it is not run if it is not the only one. */
static void end_of_part(TwLlLanes *p) {
  TwLl *l = p->s->l;
  uint32_t lanes = l->lanes;
  LLVMValueRef end = LLVMBuildAdd(l->b, p->from, p->count, ""), one = tw_ll_i64(l, 1);
  LLVMValueRef here = LLVMBuildICmp(l->b, LLVMIntEQ, end, tw_ll_i64(l, p->blocks), "");
  l->lanes = p->cut->lanes;
  p->valid = tw_ll_valid_lanes(p);
  l->lanes = lanes;
  LLVMValueRef none = LLVMBuildICmp(l->b, LLVMIntEQ, p->valid, tw_ll_i64(l, 0), "");
  none = LLVMBuildAnd(l->b, none, LLVMBuildICmp(l->b, LLVMIntNE, p->count, one, ""), "");
  none = LLVMBuildAnd(l->b, none, here, "");
  p->count = opaque(l, LLVMBuildSub(l->b, p->count, LLVMBuildZExt(l->b, none, l->i64, ""), ""));
  p->partial = LLVMBuildAnd(l->b, here, LLVMBuildNot(l->b, none, ""), "");
}

void tw_ll_full_and_ragged(TwLlLanes *p, LLVMValueRef *full, LLVMValueRef *ragged) {
  TwLl *l = p->s->l;
  LLVMValueRef end = LLVMBuildAdd(l->b, p->from, p->count, "");
  LLVMValueRef here = LLVMBuildICmp(l->b, LLVMIntEQ, end, tw_ll_i64(l, p->blocks), "");
  *ragged = LLVMBuildZExt(l->b, here, l->i64, "");
  *full = LLVMBuildSub(l->b, p->count, *ragged, "");
}

/* Full blocks, then the ragged one if it is in this pass; runs of nothing are skipped. */
static void run_full_and_ragged(Level *v, uint32_t number, TwLlRunFn *fn) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  LLVMValueRef one = tw_ll_i64(l, 1), zero = tw_ll_i64(l, 0), valid = tw_ll_valid_lanes(p), full, here;
  tw_ll_full_and_ragged(p, &full, &here);
  LLVMValueRef some = LLVMBuildICmp(l->b, LLVMIntNE, valid, zero, "");
  LLVMValueRef ragged = LLVMBuildAnd(l->b, here, LLVMBuildZExt(l->b, some, l->i64, ""), "");
  TwLlLoop part = tw_ll_loop(l, tw_ll_i64(l, 2));
  LLVMValueRef is_ragged = LLVMBuildICmp(l->b, LLVMIntNE, part.i, zero, "");
  TwLlRun run = {.first = opaque(l, tw_ll_select(l, is_ragged, full, zero)), .ragged = is_ragged, .valid = valid};
  run.count = opaque(l, tw_ll_select(l, is_ragged, ragged, full));
  LLVMBasicBlockRef go = tw_ll_new_block(l, "blocks"), done = tw_ll_new_block(l, "done");
  LLVMBuildCondBr(l->b, LLVMBuildICmp(l->b, LLVMIntUGE, run.count, one, ""), go, done);
  tw_ll_place(l, go);
  fn(v, number, &run);
  tw_ll_go(l, done);
  tw_ll_loop_end(l, &part);
}

void tw_ll_narrow(TwLlLevel *v) {
  TwLl *l = v->b->l;
  tw_ll_forget_lanes(v->b);
  for (uint32_t k = 0; k < v->cut->extra.len; k++) v->extra[k] = NULL;
  v->b->level = v;
  l->lanes = tw_machine_lanes(&l->m, l->f64);
  if (v->cut->lanes == TW_LANES) v->y->p->sub = tw_ll_i64(l, 0);
}

void tw_ll_widen(TwLlLevel *v) {
  if (v->cut->lanes == TW_LANES) v->y->p->sub = tw_ll_i64(v->b->l, 0);
  v->b->l->lanes = TW_LANES;
  v->b->level = NULL;
}

TwLlLoop tw_ll_begin_parts(TwLlLevel *v) {
  TwLl *l = v->b->l;
  TwLlLoop part = {0};
  tw_ll_narrow(v);
  if (l->lanes == v->cut->lanes) return part;
  part = tw_ll_loop(l, tw_ll_i64(l, TW_LANES / l->lanes));
  v->y->p->sub = opaque(l, tw_ll_mul(l, part.i, tw_ll_i64(l, l->lanes)));
  return part;
}

void tw_ll_end_parts(TwLlLevel *v, TwLlLoop *part) {
  if (v->b->l->lanes < v->cut->lanes) tw_ll_loop_end(v->b->l, part);
  tw_ll_widen(v);
}

void tw_ll_run_blocks(TwLlLevel *v, uint32_t number, TwLlRunFn *fn) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  bool is_ragged = p->n % TW_LANES != 0;
  TwLlLoop part = tw_ll_begin_parts(v);
  if (is_ragged && !l->m.masks && !p->keeps_last) {
    run_full_and_ragged(v, number, fn);
  } else {
    TwLlRun run = {.first = tw_ll_i64(l, 0), .count = p->count};
    if (is_ragged && !p->keeps_last) run.valid = tw_ll_valid_lanes(p);
    fn(v, number, &run);
  }
  tw_ll_end_parts(v, &part);
}

/* ---- loops */

static void run_segments(Level *v);

/* The item that makes this value stores it where the loop begins. */
static bool makes_start(const Level *v, TwRef init) {
  return v->cut->in_segment[init] && tw_info(v->b->fn, init)->rank == 0 && !v->cut->whole[init];
}

/* Other starts: tensors, their dots, a column, another loop's result, a scalar. */
static void copy_starts(Level *v, Level *scan) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  const TwRegion *g = scan->cut->g;
  bool any = false;
  for (uint32_t k = 0; k < g->n_carry; k++)
    any = any || !makes_start(v, tw_arg(v->b->fn, scan->cut->scan, g->n_consts + k));
  if (!any) return;
  TwLlLoop part = tw_ll_begin_parts(v), loop = tw_ll_loop(l, p->count);
  p->i = p->column = loop.i;
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwRef init = tw_arg(v->b->fn, scan->cut->scan, g->n_consts + k);
    if (makes_start(v, init)) continue;
    if (tw_info(v->b->fn, init)->rank > 0) copy_to(v, init, start_row(scan, k));
    else store_row(v->y, TW_REAL, tw_ll_operand(v->b, init, true), start_row(scan, k));
  }
  tw_ll_loop_end(l, &loop);
  tw_ll_end_parts(v, &part);
}

/* Row of carry k before (or after) iteration number t, which has index i. */
static LLVMValueRef carry_row(const Level *v, uint32_t k, LLVMValueRef t, bool after) {
  TwLlLayers *y = v->y;
  TwLl *l = v->b->l;
  const TwPlCarry *c = &v->cut->carry[k];
  int64_t n = tw_info(v->b->fn, v->b->fn->results.at[k])->count;
  LLVMValueRef base = scratch_row(y, c->at), one = tw_ll_i64(l, 1);
  if (c->rows == 1) return base;
  if (c->history) return row_at(y, base, after != v->cut->g->reverse ? tw_ll_add(l, v->i, one) : v->i, n);
  if (after) t = tw_ll_add(l, t, one);
  return row_at(y, base, LLVMBuildAnd(l->b, t, one, ""), n);
}

/* Uniform operands of an iteration; places of what is a lane value. */
static void bind_iteration(Level *v, LLVMValueRef t) {
  Level *o = v->outer;
  TwLl *l = v->b->l;
  const TwRegion *g = v->cut->g;
  const TwFn *f = v->b->fn;
  uint32_t first = g->n_consts + g->n_carry;
  tw_ll_bind(v->b, 0, tw_ll_scalar(TW_INT, v->i));
  for (uint32_t k = 0; k < first + g->n_xs; k++) {
    TwRef a = tw_arg(o->b->fn, v->cut->scan, k), p = f->params.at[1 + k];
    bool carry = k >= g->n_consts && k < first;
    if (carry) v->place[p] = carry_row(v, k - g->n_consts, t, false);
    else if (!v->b->facts->uses[p]) continue;
    else if (o->b->facts->varies[a])
      v->place[p] = k < first ? o->place[a] : row_at(v->y, o->place[a], v->i, tw_info(f, p)->count),
      v->column[p] = k < first && o->column[a];
    else tw_ll_bind(v->b, 1 + k, k < first ? tw_ll_for_body(o->b, a) : tw_ll_row_of(l, o->b, a, v->i));
  }
  for (uint32_t k = 0; k < v->cut->extra.len; k++) {
    TwRef a = v->cut->extra.at[k];
    if (o->b->facts->varies[a]) v->extra_at[k] = row_at(v->y, o->place[a], v->i, 1);
    else v->extra_at[k] = tw_ll_row_of(l, o->b, a, v->i).v;
  }
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) {
    if (k < g->n_carry) v->out[k] = carry_row(v, k, t, true);
    else if (v->cut->stack_at[k] != TW_PL_NOWHERE)
      v->out[k] = row_at(v->y, scratch_row(v->y, v->cut->stack_at[k]), v->i, tw_info(f, f->results.at[k])->count);
  }
}

/* Where the outer level finds the loop's results. */
static void place_results(Level *o, Level *v) {
  const TwRegion *g = v->cut->g;
  const TwLlLayers *y = v->y;
  uint64_t each;
  for (TwRef r = v->cut->scan + 1; r < o->b->fn->insts.len; r++) {
    if (tw_op(o->b->fn, r) != TW_OP_get || tw_arg(o->b->fn, r, 0) != v->cut->scan) continue;
    uint32_t k = (uint32_t)tw_attr(o->b->fn, r, 0);
    bool after = false;
    each = row_bytes(y, TW_REAL) * (uint64_t)tw_info(v->b->fn, v->b->fn->results.at[k])->count;
    if (k < g->n_carry) {
      const TwPlCarry *c = &v->cut->carry[k];
      uint64_t row = c->history ? (g->reverse ? 0 : (uint64_t)g->trip) : c->rows == 1 ? 0 : (uint64_t)(g->trip & 1);
      o->place[r] = scratch_row(y, c->at + row * each);
    } else if (v->cut->stack_at[k] != TW_PL_NOWHERE) {
      o->place[r] = scratch_row(y, v->cut->stack_at[k]);
    } else if (o->cut->stacked[r]) {
      int64_t of = tw_pl_history_of(v->cut, v->b->fn->results.at[k], &after);
      o->place[r] = scratch_row(y, v->cut->carry[of].at + (after != g->reverse ? each : 0));
    }
  }
}

static void run_scan(Level *o, TwRef r) {
  Level *v = o->inner[r];
  TwLl *l = o->b->l;
  const TwRegion *g = v->cut->g;
  copy_starts(o, v);
  TwLlLoop loop = tw_ll_loop(l, tw_ll_i64(l, g->trip));
  v->i = g->reverse ? LLVMBuildSub(l->b, tw_ll_i64(l, g->trip - 1), loop.i, "") : loop.i;
  bind_iteration(v, loop.i);
  for (TwRef q = 1; q < v->b->fn->insts.len; q++)
    if (!v->b->facts->inner[q]) tw_ll_inst(v->b, q);
  tw_ll_pool_scalars(v->b, v->b, UINT32_MAX);
  tw_ll_pool_splats(v->y->p, v->cut, v->b, v->b, UINT32_MAX);
  run_segments(v);
  tw_ll_scope_end(v->b);
  tw_ll_loop_end(l, &loop);
  place_results(o, v);
}

static void run_segments(Level *v) {
  for (TwRef r = 1; r < v->b->fn->insts.len; r++)
    if (v->cut->slot[r]) v->place[r] = scratch_row(v->y, v->cut->slot_at[v->cut->slot[r]]);
  const TwFn *f = v->b->fn;
  for (uint32_t k = f->results.len; v->outer && k-- > 0;) /* tensors are made where they are wanted */
    if (v->out[k] && v->cut->whole[f->results.at[k]] && tw_info(f, f->results.at[k])->rank > 0)
      v->place[f->results.at[k]] = v->out[k];
  for (uint32_t k = 0; k < v->cut->segments.len; k++) {
    TwRef scan = v->cut->segments.at[k].scan;
    if (scan) run_scan(v, scan);
    else if (v->cut->segments.at[k].tensor) tw_ll_tensor_segment(v, k);
    else tw_ll_run_blocks(v, k, emit_blocks);
  }
}

/* All segments for the first part of the blocks, then all for the next: values that cross segments take less memory. */
static void run_parts(TwLlLayers *y) {
  TwLlLanes *p = y->p;
  TwLl *l = p->s->l;
  LLVMValueRef count = p->count;
  TwLlLoop part = tw_ll_loop(l, tw_ll_i64(l, TW_LANES / p->cut->lanes));
  p->sub = opaque(l, tw_ll_mul(l, part.i, tw_ll_i64(l, p->cut->lanes)));
  if (p->keeps_last) end_of_part(p);
  run_segments(y->top);
  tw_ll_loop_end(l, &part);
  p->count = count;
  p->sub = tw_ll_i64(l, 0);
}

void tw_ll_run_layers(TwLlLayers *y, LLVMValueRef scratch) {
  TwLlLanes *p = y->p;
  TwLl *l = p->s->l;
  y->scratch = scratch;
  p->sub = tw_ll_i64(l, 0);
  for (uint32_t k = 0; k < p->g->n_xs; k++) {
    TwRef param = p->g->body->params.at[p->g->n_consts + k];
    const TwLlVal *x = &p->xs[k];
    if (!p->b->facts->uses[param]) continue;
    y->top->column[param] = true;
    y->top->place[param] = tw_ll_at(l, tw_ll_stored(l, x->dtype, true), x->ptr, p->from);
  }
  if (p->cut->lanes == TW_LANES) run_segments(y->top);
  else run_parts(y);
}
