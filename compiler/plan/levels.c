/* levels.c: which bodies of samples run layer by layer, and which of their sums belong to which loop.
 *
 * A body of lane values, loops (scan) in it included, runs a piece at a time over
 * all blocks of a chunk: its segments (segment.c), and its loops iteration by iteration: the iterations
 * outside, the blocks inside. Each such body is a level. A sum over the samples whose addend is a row of what
 * a loop stacks belongs to that loop's level: its accumulators are registers there, one set for each
 * iteration in turn, and the stack itself is never written unless another loop reads it.
 *
 * A lane value that is a tensor has a row of vectors for each element, if it has a place: the result of a
 * contraction, and what is read more than once. Contractions, such tensors and sums of tensors are pieces by
 * themselves (tiles.c). A contraction that one elementwise tensor reads is made where that is.
 *
 * requires: facts of a lane body.
 * provides: the tree of levels with the sums of each; NULL where the body has branches on the sample, loops in
 *           loops, rows of the data that are tensors. Sums of a loop over tensors are the outer level's, of stacks.
 *           Once segments are known, the layout of the memory that values cross them in. Pure planning, no LLVM.
 *
 * Memory. Values that cross from one segment to another have a row of vectors, one a block. What a loop
 * carries has a row that the body reads and one that it writes: the same, if no segment reads after the
 * writing one; two in turn; or, if the loop stacks what it carries anyway, a row for each iteration, which
 * then is that stack. A stack that is made for sums alone has no memory. */
#include "compiler/plan/internal.h"

typedef struct Levels {
  TwArena *arena;
  const TwPlFacts *x; /* the body of samples */
  TwPlCut *top;
} Levels;

static bool is_stack(const TwPlFacts *x, TwRef r) {
  const TwFn *f = x->fn;
  if (tw_op(f, r) != TW_OP_get || tw_op(f, tw_arg(f, r, 0)) != TW_OP_scan) return false;
  return tw_attr(f, r, 0) >= tw_region(f, tw_arg(f, r, 0))->n_carry && tw_info(f, r)->dtype == TW_REAL;
}

static bool is_view(TwOp op) {
  return op == TW_OP_broadcast || op == TW_OP_reshape || op == TW_OP_transpose || op == TW_OP_reverse ||
         op == TW_OP_slice || op == TW_OP_index || op == TW_OP_get;
}

static bool body_fits(const TwPlFacts *x, bool in_scan);

/* A tensor that loops may read in place: no view, and not made where it is read. */
static bool is_in_memory(const TwPlFacts *x, TwRef r) {
  return tw_op(x->fn, r) == TW_OP_get || (x->lazy[r] == TW_PL_EAGER && !is_view(tw_op(x->fn, r)));
}

/* A loop over lane values, stacks of which may come in. */
static bool scan_fits(const TwPlFacts *x, TwRef r) {
  const TwFn *f = x->fn;
  const TwRegion *g = tw_region(f, r);
  const TwPlFacts *body = x->regions[r].body;
  uint32_t first = g->n_consts + g->n_carry;
  if (g->trip < 1) return false;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    TwRef a = tw_arg(f, r, k);
    if (!x->varies[a]) continue;
    if (tw_info(f, a)->dtype != TW_REAL) return false;
    if (k >= first && tw_op(f, a) != TW_OP_get) return false;
    if (k < g->n_consts && tw_info(f, a)->rank > 0 && !is_in_memory(x, a)) return false;
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwRef p = g->body->params.at[1 + g->n_consts + k];
    if (!body->varies[p] || tw_info(g->body, p)->count == 0 || tw_info(g->body, p)->dtype != TW_REAL) return false;
  }
  for (uint32_t k = 0; k < g->n_ys; k++)
    if (tw_info(g->body, g->body->results.at[g->n_carry + k])->count == 0) return false;
  return body_fits(body, true);
}

/* Tensors of lane values: what tiles.c can make, or any operation that is made block by block. */
static bool tensor_fits(const TwPlFacts *x, TwRef r) {
  const TwFn *f = x->fn;
  switch ((int)tw_op(f, r)) {
    case TW_OP_param:
    case TW_OP_add_at:
    case TW_OP_samples:
    case TW_OP_scan:
    case TW_OP_cond: return false;
    case TW_OP_get: return tw_info(f, r)->dtype == TW_REAL;
  }
  return tw_info(f, r)->count > 0;
}

static bool inst_fits(const TwPlFacts *x, TwRef r, bool in_scan) {
  const TwFn *f = x->fn;
  TwOp op = tw_op(f, r);
  if (!x->inner[r]) return !in_scan || op != TW_OP_add_at; /* may change what lane code reads later */
  if (op == TW_OP_scan) return !in_scan && scan_fits(x, r);
  if (!x->varies[r]) return false;
  if (op == TW_OP_get) return !in_scan && tw_op(f, tw_arg(f, r, 0)) == TW_OP_scan && tw_info(f, r)->dtype == TW_REAL;
  if (x->fused[r]) return true;
  if (tw_info(f, r)->rank > 0) return (in_scan && op == TW_OP_param) || tensor_fits(x, r);
  return op != TW_OP_add_at && op != TW_OP_samples && op != TW_OP_cond;
}

static bool body_fits(const TwPlFacts *x, bool in_scan) {
  for (TwRef r = 1; r < x->fn->insts.len; r++)
    if (x->uses[r] && !inst_fits(x, r, in_scan)) return false;
  return true;
}

static TwPlCut *new_level(Levels *z, const TwPlFacts *x, const TwRegion *g, TwRef scan) {
  TwPlCut *c = TW_NEW(z->arena, TwPlCut);
  *c = (TwPlCut){.x = x, .g = g, .scan = scan};
  c->inner = TW_NEW_N(z->arena, TwPlCut *, x->fn->insts.len);
  c->stacked = TW_NEW_N(z->arena, bool, x->fn->insts.len);
  c->whole = TW_NEW_N(z->arena, bool, x->fn->insts.len);
  c->absorbed = TW_NEW_N(z->arena, bool, x->fn->insts.len);
  c->dot = TW_NEW_N(z->arena, TwRef, x->fn->insts.len);
  return c;
}

/* ---- tensors */

/* The elementwise tensor, with a place of its own, that alone reads r, through others that have none; or 0. */
static TwRef reader_in_memory(const TwPlFacts *x, TwRef r) {
  for (TwRef u = r;;) {
    if (x->uses[u] != 1 || !x->user[u]) return 0;
    u = x->user[u];
    if (!tw_pl_is_elementwise(tw_op(x->fn, u)) || tw_info(x->fn, u)->rank == 0) return 0;
    if (x->lazy[u] == TW_PL_EAGER) return x->fused[u] ? 0 : u;
  }
}

static void find_tensors(TwPlCut *c) {
  const TwPlFacts *x = c->x;
  for (TwRef r = 1; r < x->fn->insts.len; r++) {
    TwOp op = tw_op(x->fn, r);
    if (!x->uses[r] || !x->varies[r] || x->fused[r] || is_view(op) || op == TW_OP_param || op == TW_OP_scan) continue;
    bool tensor = tw_info(x->fn, r)->rank > 0;
    c->whole[r] = op == TW_OP_dot || (tensor && x->lazy[r] == TW_PL_EAGER);
    TwRef reader = op == TW_OP_dot && tensor ? reader_in_memory(x, r) : 0;
    if (reader && !c->dot[reader]) {
      c->dot[reader] = r;
      c->absorbed[r] = true;
      c->whole[r] = false;
    }
    c->tensors = c->tensors || c->whole[r];
  }
}

/* What a row of this operand of a sum is in the level of a loop: a value of its body, or one of `extra`. */
static TwRef row_of(Levels *z, TwPlCut *in, TwRef a) {
  const TwFn *f = z->x->fn;
  if (tw_op(f, a) == TW_OP_get && tw_arg(f, a, 0) == in->scan) return in->x->fn->results.at[tw_attr(f, a, 0)];
  uint32_t n = in->x->fn->insts.len, first = in->g->n_consts + in->g->n_carry;
  for (uint32_t k = first; k < first + in->g->n_xs; k++) {
    TwRef p = in->x->fn->params.at[1 + k];
    if (tw_arg(f, in->scan, k) == a && in->x->uses[p]) return p;
  }
  if (z->x->varies[a]) z->top->stacked[a] = true;
  for (uint32_t k = 0; k < in->extra.len; k++)
    if (in->extra.at[k] == a) return n + k;
  tw_vec_push(z->arena, &in->extra, a);
  return n + in->extra.len - 1;
}

/* The loop that makes rows of this operand, or 0. */
static TwRef maker(const Levels *z, TwRef a) {
  const TwFn *f = z->x->fn;
  return a && is_stack(z->x, a) && z->x->varies[a] ? tw_arg(f, a, 0) : 0;
}

/* Stacks that a's elements are read from must be in memory. */
static void keep_stacks(Levels *z, TwRef a) {
  if (!a || !z->x->varies[a]) return;
  if (maker(z, a)) z->top->stacked[a] = true;
  else if (is_view(tw_op(z->x->fn, a)))
    for (uint32_t k = 0; k < tw_inst(z->x->fn, a)->n_args; k++) keep_stacks(z, tw_arg(z->x->fn, a, k));
}

/* The loop to which a sum of these factors belongs: the later of those that make them, which has seen the
 * other's rows; 0: none. */
static TwRef loop_of(const Levels *z, TwRef a, TwRef b) {
  TwRef x = maker(z, a), y = maker(z, b);
  if ((!x && z->x->varies[a]) || (b && !y && z->x->varies[b]) || tw_info(z->x->fn, a)->rank > 1) return 0;
  return x > y ? x : y;
}

static bool give_sum(Levels *z, uint32_t k) {
  const TwPlFacts *x = z->x;
  TwRef r = x->fn->results.at[k];
  const TwTyInfo *t = tw_info(x->fn, r);
  bool fma = tw_pl_is_fma_sum(x, k);
  TwRef a = fma ? tw_arg(x->fn, r, 0) : r, b = fma ? tw_arg(x->fn, r, 1) : 0, loop = loop_of(z, a, b);
  if (t->dtype != TW_REAL || t->count == 0) return false;
  if (!loop) {
    tw_vec_push(z->arena, &z->top->accs, (TwPlAcc){k, a, b});
    z->top->tensors = z->top->tensors || t->rank > 0;
    keep_stacks(z, a);
    keep_stacks(z, b);
    return true;
  }
  TwPlCut *in = z->top->inner[loop];
  TwPlAcc acc = {k, row_of(z, in, a), b ? row_of(z, in, b) : 0};
  tw_vec_push(z->arena, &in->accs, acc);
  return true;
}

TwPlCut *tw_pl_levels(TwArena *arena, const TwPlFacts *x, const TwRegion *g) {
  const TwFn *f = x->fn;
  Levels z = {.arena = arena, .x = x};
  if (!body_fits(x, false)) return NULL;
  z.top = new_level(&z, x, g, 0);
  find_tensors(z.top);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!x->uses[r] || !x->inner[r]) continue;
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args && tw_op(f, r) != TW_OP_scan && !x->fused[r]; k++)
      if (maker(&z, tw_arg(f, r, k))) z.top->stacked[tw_arg(f, r, k)] = true;
    if (tw_op(f, r) != TW_OP_scan) continue;
    const TwRegion *s = tw_region(f, r);
    const TwPlFacts *body = x->regions[r].body;
    z.top->inner[r] = new_level(&z, body, s, r);
    find_tensors(z.top->inner[r]);
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
      TwRef a = tw_arg(f, r, k);
      bool in_memory = k < s->n_consts + s->n_carry ? maker(&z, a) != 0
                                                    : x->varies[a]; /* whole stacks, or their rows */
      if (in_memory && body->uses[body->fn->params.at[1 + k]]) z.top->stacked[a] = true;
    }
  }
  for (uint32_t k = 0; k < g->n_carry; k++)
    if (!give_sum(&z, k)) return NULL;
  for (uint32_t k = g->n_carry; k < f->results.len; k++) keep_stacks(&z, f->results.at[k]);
  return z.top;
}

/* ---- scratch: sizes are for one block until the rows of a pass are known */

typedef struct Scratch {
  TwArena *arena;
  uint64_t bytes;
  uint32_t lanes;
  bool f64;
} Scratch;

static uint64_t row_bytes(const Scratch *z, TwDtype d) { return z->lanes * (d == TW_INT || z->f64 ? 8u : 4u); }

/* Vectors are aligned to their size, at most a cache line, of which what holds them is a multiple. */
static uint64_t take(Scratch *z, uint64_t bytes) {
  uint64_t lowest = bytes & (~bytes + 1), align = lowest && lowest < 64 ? lowest : 64;
  uint64_t at = (z->bytes + align - 1) / align * align;
  z->bytes = at + bytes;
  return at;
}

int64_t tw_pl_history_of(const TwPlCut *scan, TwRef r, bool *after) {
  const TwFn *f = scan->x->fn;
  for (uint32_t k = 0; k < scan->g->n_carry; k++) {
    *after = f->results.at[k] == r;
    if (*after || f->params.at[1 + scan->g->n_consts + k] == r) return k;
  }
  return -1;
}

static bool is_stacked(const TwPlCut *outer, TwRef scan, uint32_t result) {
  const TwFn *f = outer->x->fn;
  for (TwRef r = scan + 1; r < f->insts.len; r++)
    if (outer->stacked[r] && tw_op(f, r) == TW_OP_get && tw_arg(f, r, 0) == scan && tw_attr(f, r, 0) == (int64_t)result)
      return true;
  return false;
}

/* Nothing reads carry k after the segment that writes its next value. */
static bool fits_one_row(const TwPlCut *v, uint32_t k) {
  const TwFn *f = v->x->fn;
  TwRef p = f->params.at[1 + v->g->n_consts + k];
  if (tw_info(f, p)->rank > 0) return false; /* its elements are written one by one */
  uint32_t written = v->in_segment[f->results.at[k]];
  if (!written) written = v->segments.len;
  for (uint32_t j = 0; j < f->results.len; j++)
    if (f->results.at[j] == p && j != k) return false;
  return v->last_segment[p] <= written;
}

static void lay_out_scan(Scratch *z, const TwPlCut *outer, TwPlCut *v) {
  const TwRegion *g = v->g;
  const TwFn *f = v->x->fn;
  uint64_t each = row_bytes(z, TW_REAL);
  v->carry = TW_NEW_N(z->arena, TwPlCarry, g->n_carry + 1);
  v->stack_at = TW_NEW_N(z->arena, uint64_t, g->n_carry + g->n_ys + 1);
  for (uint32_t k = 0; k < g->n_carry; k++) v->carry[k].rows = fits_one_row(v, k) ? 1 : 2;
  for (uint32_t k = g->n_carry; k < g->n_carry + g->n_ys; k++) {
    TwRef r = f->results.at[k];
    bool after, needed = is_stacked(outer, v->scan, k);
    int64_t of = tw_pl_history_of(v, r, &after);
    v->stack_at[k] = TW_PL_NOWHERE;
    if (needed && of >= 0) v->carry[of] = (TwPlCarry){.rows = g->trip + 1, .history = true};
    else if (needed) v->stack_at[k] = take(z, (uint64_t)(g->trip * tw_info(f, r)->count) * each);
  }
  for (uint32_t k = 0; k < g->n_carry; k++)
    v->carry[k].at = take(z, (uint64_t)(v->carry[k].rows * tw_info(f, f->results.at[k])->count) * each);
}

static void lay_out_level(Scratch *z, TwPlCut *v) {
  const TwFn *f = v->x->fn;
  uint64_t *each = TW_NEW_N(z->arena, uint64_t, v->n_slots + 1);
  v->slot_at = TW_NEW_N(z->arena, uint64_t, v->n_slots + 1);
  for (TwRef r = 1; r < f->insts.len; r++) {
    uint64_t bytes = v->slot[r] ? row_bytes(z, tw_info(f, r)->dtype) * (uint64_t)tw_info(f, r)->count : 0;
    if (bytes > each[v->slot[r]]) each[v->slot[r]] = bytes;
  }
  for (uint32_t k = 1; k <= v->n_slots; k++) v->slot_at[k] = take(z, each[k]);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!v->inner[r]) continue;
    lay_out_level(z, v->inner[r]);
    lay_out_scan(z, v, v->inner[r]);
  }
}

void tw_pl_lay_out(TwArena *arena, TwPlCut *top, bool f64) {
  Scratch z = {.arena = arena, .f64 = f64, .lanes = top->lanes};
  lay_out_level(&z, top);
  top->bytes = (z.bytes + 63) / 64 * 64;
}

/* As many as have their values in the second-level cache, all of it: rows are read and written in order. */
int64_t tw_pl_rows(const TwPlCut *top, const TwMachine *m, int64_t blocks) {
  enum { FEWEST = 8 };
  int64_t rows = blocks < TW_CHUNK_BLOCKS ? blocks : TW_CHUNK_BLOCKS, sums = 0;
  for (uint32_t k = 0; k < top->accs.len; k++)
    sums += tw_info(top->x->fn, top->x->fn->results.at[top->accs.at[k].k])->count;
  /* A second pass would have to find all partial sums of the first in memory. */
  if (sums * TW_LANES * (int64_t)sizeof(float) > m->core)
    return (rows + TW_PL_MAX_BLOCKS - 1) / TW_PL_MAX_BLOCKS * TW_PL_MAX_BLOCKS;
  while (rows > FEWEST && (uint64_t)rows * top->bytes > (uint64_t)m->core) rows = (rows + 1) / 2;
  return (rows + TW_PL_MAX_BLOCKS - 1) / TW_PL_MAX_BLOCKS * TW_PL_MAX_BLOCKS; /* for tiles, and blocks in turn */
}

bool tw_pl_has_passes(const TwPlCut *top, const TwMachine *m, int64_t blocks) {
  int64_t rows = tw_pl_rows(top, m, blocks);
  return rows < TW_CHUNK_BLOCKS && rows < blocks;
}

bool tw_pl_is_packed(const TwPlFacts *x, TwRef dot, const TwMachine *m, bool f64) {
  enum { SHORTEST = 64 };
  TwRef a = tw_arg(x->fn, dot, 0), b = tw_arg(x->fn, dot, 1);
  TwRef w = x->varies[a] ? b : a;
  const TwTyInfo *t = tw_info(x->fn, w);
  if (x->varies[w] || t->rank != 2 || tw_info(x->fn, w == a ? b : a)->rank != 1) return false;
  return tw_attr(x->fn, dot, 0) == 1 && t->dims[0] >= SHORTEST && t->dims[1] >= SHORTEST &&
         t->count * (f64 ? 8 : 4) > tw_machine_large(m);
}
