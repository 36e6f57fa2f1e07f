/* layers.c: a straight body of samples, piece by piece (levels.c, segment.c).
 *
 *   for each segment of the body                      a loop in it: for each iteration
 *     for each block of the pass                        for each segment of the loop's body
 *       its operations; its sums in registers             for each block of the pass
 *     sums to memory                                        its operations; this iteration's sums in registers
 *                                                         sums to memory
 *
 * Values that cross from one segment to another have a place in scratch, a row of vectors, one a block; what
 * a loop carries or stacks has rows too. levels.c lays them out. */
#include "compiler/llvm/ll.h"

typedef struct Start { /* of carry k of a scan: an item of this level makes it */
  TwRef scan;
  uint32_t k, next;
} Start;

typedef struct TwLlLevel Level;
struct TwLlLevel {
  TwLlLayers *y;
  Level *outer;
  const TwLlCut *cut;
  TwLlScope *b;
  Level **inner;         /* per ref, of scans */
  LLVMValueRef *place;   /* per ref: the row of a lane value; of a stack, row 0 */
  uint32_t *first_start; /* per ref: 1 + the first of the starts that it is */
  TwVec(Start) starts;
  /* of a scan */
  LLVMValueRef i;      /* the iteration */
  LLVMValueRef *out;   /* per result: the row it goes to in this iteration, or NULL */
  LLVMValueRef *extra_at, *extra; /* per extra: its row or scalar in this iteration; its value in the block */
};

struct TwLlLayers {
  TwLlLanes *p;
  Level *top;
  LLVMValueRef scratch;
};

static Level *new_level(TwLlLayers *y, Level *outer, const TwLlCut *cut, TwLlScope *b) {
  TwArena *arena = y->p->s->l->arena;
  Level *v = TW_NEW(arena, Level);
  const TwFn *f = cut->x->fn;
  *v = (Level){.y = y, .outer = outer, .cut = cut, .b = b};
  v->inner = TW_NEW_N(arena, Level *, f->insts.len);
  v->place = TW_NEW_N(arena, LLVMValueRef, f->insts.len);
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
      if (!cut->in_segment[init]) continue;
      tw_vec_push(arena, &v->starts, (Start){r, k, v->first_start[init]});
      v->first_start[init] = v->starts.len;
    }
  }
  return v;
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
  p->rows = tw_ll_rows(p->cut, p->blocks);
  *bytes = p->cut->bytes * (uint64_t)p->rows;
  return y;
}

static uint64_t row_bytes(const TwLlLayers *y, TwDtype d) { return tw_ll_bytes(y->p->s->l, d, true); }

static LLVMValueRef scratch_row(const TwLlLayers *y, uint64_t at) {
  return tw_ll_byte_at(y->p->s->l, y->scratch, at * (uint64_t)y->p->rows);
}

/* Row i of rows that begin at `base`, `each` bytes a block. */
static LLVMValueRef row_at(const TwLlLayers *y, LLVMValueRef base, LLVMValueRef i, TwDtype d) {
  TwLl *l = y->p->s->l;
  LLVMValueRef each = tw_ll_i64(l, (int64_t)row_bytes(y, d) * y->p->rows);
  return tw_ll_at(l, l->i8, base, tw_ll_mul(l, i, each));
}

/* ---- values in a block */

static LLVMValueRef load_row(const TwLlLayers *y, TwDtype d, LLVMValueRef row) {
  TwLl *l = y->p->s->l;
  return tw_ll_load(l, d, true, tw_ll_at(l, tw_ll_stored(l, d, true), row, y->p->i));
}

static void store_row(const TwLlLayers *y, TwDtype d, LLVMValueRef v, LLVMValueRef row) {
  TwLl *l = y->p->s->l;
  tw_ll_store(l, d, tw_ll_splat(l, v), tw_ll_at(l, tw_ll_stored(l, d, true), row, y->p->i));
}

void tw_ll_seg_load(TwLlScope *s, TwRef r) {
  Level *v = s->level;
  TwDtype d = tw_info(s->fn, r)->dtype;
  tw_ll_assert(s->l, s->facts->varies[r]);
  if (d == TW_BOOL && !v->place[r]) {
    tw_ll_inst(s, r);
    return;
  }
  tw_ll_assert(s->l, v->place[r]);
  s->val[r] = tw_ll_scalar(d, load_row(v->y, d, v->place[r]));
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

/* Few scalars: they stay in registers, splatted before the blocks. */
static void hoist_splats(Level *v, const TwLlSegment *seg, bool on) {
  TwLlScope *b = v->b;
  if (seg->uniform + seg->accs + seg->peak + 4 > v->cut->registers) return;
  for (uint32_t k = seg->first; k < seg->end; k++) {
    const TwLlItem *it = &v->cut->items.at[k];
    uint32_t n = it->inst ? tw_inst(b->fn, it->inst)->n_args : 2;
    for (uint32_t j = 0; j < n; j++) {
      const TwLlAcc *acc = it->inst ? NULL : &v->cut->accs.at[it->acc];
      TwRef a = acc ? (j ? acc->b : acc->a) : tw_arg(b->fn, it->inst, j);
      if (!a || a >= b->fn->insts.len || b->facts->varies[a]) continue;
      TwLlVal *u = &b->val[a];
      if (u->kind != TW_LL_SCALAR || LLVMIsConstant(u->v)) continue;
      if (!on) u->splat = NULL;
      else if (!u->splat) u->splat = tw_ll_operand(b, a, true);
    }
  }
}

/* Where carry k of a loop is before the first iteration. */
static LLVMValueRef start_row(const Level *v, uint32_t k) {
  const TwLlCarry *c = &v->cut->carry[k];
  bool last = c->history && v->cut->g->reverse;
  return scratch_row(v->y, c->at + (last ? (uint64_t)(c->rows - 1) * row_bytes(v->y, TW_REAL) : 0));
}

static void emit_item(Level *v, const TwLlItem *it, LLVMValueRef *phi) {
  TwLlScope *b = v->b;
  TwLl *l = b->l;
  if (!it->inst) {
    const TwLlAcc *a = &v->cut->accs.at[it->acc];
    LLVMValueRef old = *phi, x = factor(v, a->a);
    LLVMValueRef now = a->b ? tw_ll_fma(l, x, factor(v, a->b), old) : tw_ll_fadd(l, TW_REAL, old, x);
    *phi = tw_ll_masked(v->y->p, now, old);
    return;
  }
  tw_ll_inst(b, it->inst);
  TwDtype d = tw_info(b->fn, it->inst)->dtype;
  if (v->cut->slot[it->inst]) store_row(v->y, d, b->val[it->inst].v, v->place[it->inst]);
  for (uint32_t k = v->first_start[it->inst]; k > 0; k = v->starts.at[k - 1].next) {
    const Start *at = &v->starts.at[k - 1];
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
    uint32_t in = v->cut->in_segment[f->results.at[k]];
    if ((in ? in : last) != number + 1) continue;
    if (!v->outer) tw_ll_store_y(v->y->p, k - g->n_carry);
    else if (v->out[k]) x[k] = tw_ll_operand(v->b, f->results.at[k], true);
  }
  for (uint32_t k = 0; v->outer && k < f->results.len; k++)
    if (x[k]) store_row(v->y, TW_REAL, x[k], v->out[k]);
}

static LLVMValueRef accumulator(const Level *v, uint32_t acc) {
  TwLl *l = v->b->l;
  const TwLlLanes *p = v->y->p;
  LLVMValueRef at = tw_ll_i64(l, p->acc_at[v->cut->accs.at[acc].k]);
  if (v->outer) at = tw_ll_add(l, at, v->i);
  return tw_ll_at(l, tw_ll_type(l, TW_REAL, true), p->acc, at);
}

static void emit_segment(Level *v, uint32_t number) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  const TwLlSegment *seg = &v->cut->segments.at[number];
  uint32_t n = seg->end - seg->first;
  LLVMValueRef *phi = TW_NEW_N(l->arena, LLVMValueRef, n + 1), *now = TW_NEW_N(l->arena, LLVMValueRef, n + 1);
  bool goes_on = p->rows < TW_CHUNK_BLOCKS && p->rows < p->blocks; /* from an earlier pass over the chunk */
  tw_ll_forget_lanes(v->b);
  for (uint32_t k = 0; k < v->cut->extra.len; k++) v->extra[k] = NULL;
  v->b->level = v;
  hoist_splats(v, seg, true);
  for (uint32_t k = 0; k < n; k++) {
    const TwLlItem *it = &v->cut->items.at[seg->first + k];
    if (!it->inst)
      now[k] = goes_on ? tw_ll_load(l, TW_REAL, true, accumulator(v, it->acc)) : tw_ll_zero(l, TW_REAL, true);
  }
  TwLlLoop loop = tw_ll_loop(l, p->count);
  for (uint32_t k = 0; k < n; k++)
    if (now[k]) now[k] = phi[k] = tw_ll_loop_phi(l, &loop, now[k]);
  tw_ll_enter_block(p, loop.i);
  for (uint32_t k = 0; k < n; k++) emit_item(v, &v->cut->items.at[seg->first + k], &now[k]);
  emit_results(v, number);
  for (uint32_t k = 0; k < n; k++)
    if (phi[k]) tw_ll_loop_next(l, phi[k], now[k]);
  tw_ll_loop_end(l, &loop);
  hoist_splats(v, seg, false);
  v->b->level = NULL;
  for (uint32_t k = 0; k < n; k++)
    if (phi[k]) tw_ll_store(l, TW_REAL, now[k], accumulator(v, v->cut->items.at[seg->first + k].acc));
}

/* ---- loops */

static void run_segments(Level *v);

/* Carries that start from what is no item of the outer level: a column, another loop's result, a scalar. */
static void copy_starts(Level *v, Level *scan) {
  TwLlLanes *p = v->y->p;
  TwLl *l = v->b->l;
  const TwRegion *g = scan->cut->g;
  bool any = false;
  for (uint32_t k = 0; k < g->n_carry; k++)
    any = any || !v->cut->in_segment[tw_arg(v->b->fn, scan->cut->scan, g->n_consts + k)];
  if (!any) return;
  tw_ll_forget_lanes(v->b);
  v->b->level = v;
  TwLlLoop loop = tw_ll_loop(l, p->count);
  p->i = loop.i;
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwRef init = tw_arg(v->b->fn, scan->cut->scan, g->n_consts + k);
    if (v->cut->in_segment[init]) continue;
    store_row(v->y, TW_REAL, tw_ll_operand(v->b, init, true), start_row(scan, k));
  }
  tw_ll_loop_end(l, &loop);
  v->b->level = NULL;
}

/* Row of carry k before (or after) iteration number t, which has index i. */
static LLVMValueRef carry_row(const Level *v, uint32_t k, LLVMValueRef t, bool after) {
  const TwLlLayers *y = v->y;
  TwLl *l = v->b->l;
  const TwLlCarry *c = &v->cut->carry[k];
  LLVMValueRef base = scratch_row(y, c->at), one = tw_ll_i64(l, 1);
  if (c->rows == 1) return base;
  if (c->history) return row_at(y, base, after != v->cut->g->reverse ? tw_ll_add(l, v->i, one) : v->i, TW_REAL);
  if (after) t = tw_ll_add(l, t, one);
  return row_at(y, base, LLVMBuildAnd(l->b, t, one, ""), TW_REAL);
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
      v->place[p] = k < first ? o->place[a] : row_at(v->y, o->place[a], v->i, TW_REAL);
    else tw_ll_bind(v->b, 1 + k, k < first ? tw_ll_for_body(o->b, a) : tw_ll_row_of(l, o->b, a, v->i));
  }
  for (uint32_t k = 0; k < v->cut->extra.len; k++) {
    TwRef a = v->cut->extra.at[k];
    if (o->b->facts->varies[a]) v->extra_at[k] = row_at(v->y, o->place[a], v->i, TW_REAL);
    else v->extra_at[k] = tw_ll_row_of(l, o->b, a, v->i).v;
  }
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) {
    if (k < g->n_carry) v->out[k] = carry_row(v, k, t, true);
    else if (v->cut->stack_at[k] != TW_LL_NOWHERE)
      v->out[k] = row_at(v->y, scratch_row(v->y, v->cut->stack_at[k]), v->i, TW_REAL);
  }
}

/* Where the outer level finds the loop's results. */
static void place_results(Level *o, Level *v) {
  const TwRegion *g = v->cut->g;
  const TwLlLayers *y = v->y;
  uint64_t each = row_bytes(y, TW_REAL);
  for (TwRef r = v->cut->scan + 1; r < o->b->fn->insts.len; r++) {
    if (tw_op(o->b->fn, r) != TW_OP_get || tw_arg(o->b->fn, r, 0) != v->cut->scan) continue;
    uint32_t k = (uint32_t)tw_attr(o->b->fn, r, 0);
    bool after = false;
    if (k < g->n_carry) {
      const TwLlCarry *c = &v->cut->carry[k];
      uint64_t row = c->history ? (g->reverse ? 0 : (uint64_t)g->trip) : c->rows == 1 ? 0 : (uint64_t)(g->trip & 1);
      o->place[r] = scratch_row(y, c->at + row * each);
    } else if (v->cut->stack_at[k] != TW_LL_NOWHERE) {
      o->place[r] = scratch_row(y, v->cut->stack_at[k]);
    } else if (o->cut->stacked[r]) {
      int64_t of = tw_ll_history_of(v->cut, v->b->fn->results.at[k], &after);
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
  run_segments(v);
  tw_ll_scope_end(v->b);
  tw_ll_loop_end(l, &loop);
  place_results(o, v);
}

static void run_segments(Level *v) {
  for (TwRef r = 1; r < v->b->fn->insts.len; r++)
    if (v->cut->slot[r]) v->place[r] = scratch_row(v->y, v->cut->slot_at[v->cut->slot[r]]);
  for (uint32_t k = 0; k < v->cut->segments.len; k++) {
    TwRef scan = v->cut->segments.at[k].scan;
    if (scan) run_scan(v, scan);
    else emit_segment(v, k);
  }
}

void tw_ll_run_layers(TwLlLayers *y, LLVMValueRef scratch) {
  TwLlLanes *p = y->p;
  TwLl *l = p->s->l;
  y->scratch = scratch;
  for (uint32_t k = 0; k < p->g->n_xs; k++) {
    TwRef param = p->g->body->params.at[p->g->n_consts + k];
    const TwLlVal *x = &p->xs[k];
    if (!p->b->facts->uses[param]) continue;
    y->top->place[param] = tw_ll_at(l, tw_ll_stored(l, x->dtype, true), x->ptr, p->from);
  }
  run_segments(y->top);
}
