/* segment.c: how the body of a samples loop, or a level of it (levels.c), is cut.
 *
 * A chunk is up to 32 blocks of sixteen samples. Running the whole body for a block and then the
 * next needs every gradient accumulator at once; a net has far more of them than the machine has
 * registers. So the body is cut into segments, and each runs over all blocks of the chunk before the
 * next one starts: its accumulators stay in registers meanwhile. What a later segment needs goes
 * through the chunk's scratch. For a network a segment comes out as a layer, backward. A loop in the body
 * is a segment by itself, and its own body is cut likewise.
 *
 * requires: levels.
 * provides: of each level items in an order that respects data flow, segments over them, scratch slots. If the
 *           body is not straight: one segment without items.
 *
 * Truth values are no items: comparing again in each segment is cheaper than storing masks. */

#include <string.h>

#include "compiler/plan/internal.h"

typedef struct Needs {
  TwVec(TwRef) refs; /* values needed, of all items one after the other */
  uint32_t *first;   /* per item, and one more */
} Needs;

typedef struct Cutter {
  TwArena *arena;
  const TwPlFacts *x;
  TwPlCut *cut;
  Needs needs;
  uint32_t *def;  /* per ref: 1 + the item that computes it; 0: loaded or uniform */
  uint32_t *last; /* per ref: the last item that needs it */
  uint32_t *live; /* per position: values that cross it */
  uint32_t *seen, stamp;
  uint32_t registers;
  uint32_t max_turns; /* blocks that may be run in turn */
} Cutter;

static bool is_bool(const TwPlFacts *x, TwRef r) { return tw_info(x->fn, r)->dtype == TW_BOOL; }

/* A row that comes in from the outer level: no ref of this one. */
static bool is_extra(const Cutter *c, TwRef a) { return a >= c->x->fn->insts.len; }
static bool is_scan(const Cutter *c, const TwPlItem *it) { return it->inst && c->cut->inner[it->inst]; }
static bool is_tensor(const Cutter *c, const TwPlItem *it) {
  if (it->inst) return c->cut->whole[it->inst];
  return !c->cut->scan && tw_info(c->x->fn, c->x->fn->results.at[c->cut->accs.at[it->acc].k])->rank > 0;
}
/* A piece by itself. */
static bool is_alone(const Cutter *c, const TwPlItem *it) { return is_scan(c, it) || is_tensor(c, it); }

/* Made where it is read: truth values, tensors that have no place, scalars' contractions there. */
static bool is_made_there(const Cutter *c, TwRef r) {
  TwOp op = tw_op(c->x->fn, r);
  if (op == TW_OP_param || op == TW_OP_get) return false;
  return !c->cut->whole[r] && (is_bool(c->x, r) || tw_info(c->x->fn, r)->rank > 0);
}

/* ---- items */

/* Adds the values that computing r here takes: through truth values to what these are made of. */
static void need_operand(Cutter *c, TwRef a);
static void need_operands(Cutter *c, TwRef r) {
  for (uint32_t k = 0; k < tw_inst(c->x->fn, r)->n_args; k++) need_operand(c, tw_arg(c->x->fn, r, k));
}
static void need_operand(Cutter *c, TwRef a) {
  if (c->seen[a] == c->stamp || (!is_extra(c, a) && !c->x->varies[a])) return;
  c->seen[a] = c->stamp;
  if (!is_extra(c, a) && is_made_there(c, a)) need_operands(c, a);
  else tw_vec_push(c->arena, &c->needs.refs, a);
}

/* What a loop takes from memory for each block; a start that an item makes is put there by that item, unless it is a
 * tensors' dot, a piece of its own. */
static void need_starts(Cutter *c, TwRef r) {
  const TwRegion *g = tw_region(c->x->fn, r);
  for (uint32_t k = 0; k < g->n_consts + g->n_carry; k++) {
    TwRef a = tw_arg(c->x->fn, r, k);
    bool puts = c->def[a] && tw_info(c->x->fn, a)->rank == 0 && !c->cut->whole[a];
    if (k < g->n_consts || !puts) need_operand(c, a);
  }
}

static void push_item(Cutter *c, TwPlItem item) {
  uint32_t n = c->cut->items.len;
  c->needs.first[n] = c->needs.refs.len;
  c->stamp++;
  if (item.inst) {
    if (is_scan(c, &item)) need_starts(c, item.inst);
    else need_operands(c, item.inst);
    c->def[item.inst] = n + 1;
  } else {
    const TwPlAcc *a = &c->cut->accs.at[item.acc];
    need_operand(c, a->a);
    if (a->b) need_operand(c, a->b);
  }
  for (uint32_t k = c->needs.first[n]; k < c->needs.refs.len; k++) c->last[c->needs.refs.at[k]] = n;
  c->needs.first[n + 1] = c->needs.refs.len;
  tw_vec_push(c->arena, &c->cut->items, item);
}

/* The ref after which a value can be had: itself, or what a truth value is made of. */
static TwRef ready_at(const Cutter *c, TwRef a) {
  const TwPlFacts *x = c->x;
  if (!a || is_extra(c, a) || !x->varies[a] || tw_op(x->fn, a) == TW_OP_param) return 0;
  return a;
}

static TwRef later(TwRef a, TwRef b) { return a > b ? a : b; }

/* Instructions in program order; each addition to a sum as soon as its operands are there, which
 * frees these soonest. */
static void list_items(Cutter *c) {
  const TwPlFacts *x = c->x;
  const TwFn *f = x->fn;
  uint32_t n = f->insts.len, n_accs = c->cut->accs.len;
  uint32_t *next = TW_NEW_N(c->arena, uint32_t, n_accs + 1), *head = TW_NEW_N(c->arena, uint32_t, n + 1);
  for (uint32_t k = n_accs; k-- > 0;) { /* lists of sums by the ref that completes them */
    const TwPlAcc *acc = &c->cut->accs.at[k];
    TwRef at = later(ready_at(c, acc->a), ready_at(c, acc->b));
    next[k] = head[at];
    head[at] = k + 1;
  }
  for (TwRef r = 0; r < n; r++) {
    bool item = r > 0 && x->uses[r] && x->varies[r] && !x->fused[r] && !is_made_there(c, r) &&
                tw_op(f, r) != TW_OP_param && tw_op(f, r) != TW_OP_get;
    if (item || (r > 0 && c->cut->inner[r])) push_item(c, (TwPlItem){.inst = r});
    for (uint32_t k = head[r]; k > 0; k = next[k - 1]) push_item(c, (TwPlItem){.acc = k - 1});
  }
}

/* Results that are no items of a segment are stored by the last one: what they are made of must last till then. */
static void keep_for_results(Cutter *c) {
  const TwFn *f = c->x->fn;
  uint32_t from = c->needs.refs.len, n = c->cut->items.len;
  c->stamp++;
  for (uint32_t k = c->cut->scan ? 0 : c->cut->g->n_carry; k < f->results.len; k++)
    if (is_bool(c->x, f->results.at[k]) || tw_info(f, f->results.at[k])->rank > 0 || c->cut->whole[f->results.at[k]])
      need_operand(c, f->results.at[k]);
  for (uint32_t k = from; k < c->needs.refs.len; k++) { /* a tensor is read behind all segments, even its own */
    TwRef a = c->needs.refs.at[k];
    c->last[a] = c->cut->whole[a] ? n : n ? n - 1 : 0;
  }
  c->needs.refs.len = from;
}

/* ---- cuts */

static void count_live(Cutter *c) {
  uint32_t n = c->cut->items.len;
  c->live = TW_NEW_N(c->arena, uint32_t, n + 2);
  for (TwRef r = 1; r < c->x->fn->insts.len; r++)
    for (uint32_t p = c->def[r]; c->def[r] && p <= c->last[r]; p++) c->live[p]++;
}

static bool alone_at(const Cutter *c, uint32_t p) { return p < c->cut->items.len && is_alone(c, &c->cut->items.at[p]); }

/* Places worth a cut: where no fewer values cross next door; behind additions to sums; around loops and tensors. */
static uint32_t candidates(const Cutter *c, uint32_t *out) {
  uint32_t n = c->cut->items.len, count = 0;
  for (uint32_t p = 0; p <= n; p++) {
    bool low = p == 0 || p == n || (c->live[p] <= c->live[p - 1] && c->live[p] < c->live[p + 1]);
    bool behind_sums = p > 0 && p < n && !c->cut->items.at[p - 1].inst && c->cut->items.at[p].inst;
    if (low || behind_sums || alone_at(c, p) || alone_at(c, p - 1)) out[count++] = p;
  }
  return count;
}

/* What a segment that starts at `from` costs a block, as its end moves on. */
typedef struct Cost {
  uint32_t from, end;
  uint32_t loads, accs, peak;
  uint32_t *profile; /* per item of the segment: values computed in it that are live there */
  uint32_t *reach;   /* per ref: up to which item it is counted in the profile */
  uint32_t *depth;   /* per ref: length of the chain of operations of this segment that ends there */
  uint32_t deepest;
} Cost;

static Cost new_cost(Cutter *c) {
  uint32_t n = c->x->fn->insts.len + c->cut->extra.len;
  Cost k = {.profile = TW_NEW_N(c->arena, uint32_t, c->cut->items.len + 1)};
  k.reach = TW_NEW_N(c->arena, uint32_t, n);
  k.depth = TW_NEW_N(c->arena, uint32_t, n);
  return k;
}

static void start_cost(Cutter *c, Cost *k, uint32_t from) {
  k->from = k->end = from;
  k->loads = k->accs = k->peak = k->deepest = 0;
  memset(k->reach, 0, c->x->fn->insts.len * sizeof *k->reach);
  c->stamp++;
}

/* In units of one fma. */
static uint32_t latency(TwOp op) {
  return op == TW_OP_div || op == TW_OP_sqrt ? 4 : op >= TW_OP_exp && op <= TW_OP_logistic ? 10 : 1;
}

static void extend(Cutter *c, Cost *k, uint32_t end) {
  for (; k->end < end; k->end++) {
    uint32_t p = k->end;
    uint32_t deep = 0;
    TwRef made = c->cut->items.at[p].inst;
    k->profile[p] = 0;
    if (!made) k->accs++;
    for (uint32_t j = c->needs.first[p]; j < c->needs.first[p + 1]; j++) {
      TwRef r = c->needs.refs.at[j];
      if (!c->def[r] || c->def[r] - 1 < k->from) {
        if (c->seen[r] != c->stamp) k->loads++;
        c->seen[r] = c->stamp;
        continue;
      }
      if (k->depth[r] > deep) deep = k->depth[r];
      uint32_t at = k->reach[r] > k->from ? k->reach[r] : c->def[r];
      if (at < c->def[r]) at = c->def[r];
      for (; at <= p; at++)
        if (++k->profile[at] > k->peak) k->peak = k->profile[at];
      k->reach[r] = p + 1;
    }
    if (!made) continue;
    k->depth[made] = deep + latency(tw_op(c->x->fn, made));
    if (k->depth[made] > k->deepest) k->deepest = k->depth[made];
  }
}

static uint32_t stores_of(const Cutter *c, uint32_t from, uint32_t end) {
  uint32_t n = 0;
  for (uint32_t p = from; p < end; p++) {
    TwRef r = c->cut->items.at[p].inst;
    if (r && c->last[r] >= end) n++;
  }
  return n;
}

enum { WINDOW = 160 }; /* operations that a core looks over */

/* Cycles a block, or so, on a core that starts two vector operations a cycle, if `turns` blocks are run in turn.
 *  - A segment costs the start and the end of its loop.
 *  - A value too many for the registers costs a store and a load, which the next operation waits for.
 *  - Blocks overlap as far as the core's window reaches. Where the chain of dependent operations is
 *    long and the segment too, they hardly do, and the chain's latency shows: a reason to cut, or to run blocks
 *    in turn, which costs registers, and time to compile. */
static double price_of(const Cutter *c, const Cost *k, uint32_t stores, uint32_t turns) {
  const double per_segment = 3, per_load = 0.5, per_store = 1, per_spill = 3, start_rate = 2, fma_cycles = 4,
               window = WINDOW, compile = 0.02;
  uint32_t want = k->accs + k->peak * turns + 4;
  double spill = want > c->registers ? (double)(want - c->registers) : 0;
  double count = k->end - k->from, overlap = count > 0 && window / count > turns ? window / count : turns;
  double busy = count / start_rate, wait = fma_cycles * k->deepest / overlap;
  return per_segment / turns + per_load * k->loads + per_store * stores + per_spill * spill / turns +
         (wait > busy ? wait : busy) + compile * count * (turns - 1);
}

static double price(const Cutter *c, const Cost *k, uint32_t stores, uint32_t *turns) {
  double least = 0;
  for (uint32_t t = 1; t <= c->max_turns; t *= 2) {
    double now = price_of(c, k, stores, t);
    bool fits = k->accs + k->peak * t + 6 <= c->registers && (k->end - k->from) * t <= WINDOW * 3 / 4;
    if (t > 1 && (now >= least || !fits)) continue;
    least = now;
    *turns = t;
  }
  return least;
}

static void choose(Cutter *c) {
  uint32_t n = c->cut->items.len;
  uint32_t *at = TW_NEW_N(c->arena, uint32_t, n + 2), count = candidates(c, at);
  double *best = TW_NEW_N(c->arena, double, count);
  uint32_t *came = TW_NEW_N(c->arena, uint32_t, count);
  Cost k = new_cost(c);
  for (uint32_t i = 1; i < count; i++) best[i] = -1;
  enum { LONGEST = 1500 };
  for (uint32_t i = 0; i + 1 < count; i++) {
    start_cost(c, &k, at[i]);
    for (uint32_t j = i + 1; j < count && (at[j] - at[i] <= LONGEST || j == i + 1); j++) {
      if (j > i + 1 && (alone_at(c, at[i]) || alone_at(c, at[j - 1]))) break;
      extend(c, &k, at[j]);
      uint32_t turns;
      double total = best[i] + price(c, &k, stores_of(c, at[i], at[j]), &turns);
      if (best[j] >= 0 && best[j] <= total) continue;
      best[j] = total;
      came[j] = i;
    }
  }
  uint32_t *path = TW_NEW_N(c->arena, uint32_t, count + 1), len = 0;
  for (uint32_t j = count - 1; j > 0; j = came[j]) path[len++] = j;
  for (uint32_t first = 0; len-- > 0;) {
    TwPlSegment s = {.first = first, .end = at[path[len]]};
    if (alone_at(c, first)) {
      const TwPlItem *it = &c->cut->items.at[first];
      s.tensor = is_tensor(c, it);
      if (!s.tensor) s.scan = it->inst;
    }
    tw_vec_push(c->arena, &c->cut->segments, s);
    first = s.end;
    if ((s.scan || s.tensor) && first == n)
      tw_vec_push(c->arena, &c->cut->segments, (TwPlSegment){.first = n, .end = n});
  }
}

/* ---- figures and slots */

/* A slot is free again when the last segment that reads it has run. */
static uint32_t take_slot(Cutter *c, uint32_t *busy_until, uint32_t segment, uint32_t until) {
  uint32_t k = 0;
  while (k < c->cut->n_slots && busy_until[k] > segment) k++;
  if (k == c->cut->n_slots) c->cut->n_slots++;
  busy_until[k] = until + 1;
  return k + 1;
}

static void number_slots(Cutter *c) {
  TwPlCut *cut = c->cut;
  uint32_t n = cut->items.len;
  uint32_t *segment_of = TW_NEW_N(c->arena, uint32_t, n + 1), *busy_until = TW_NEW_N(c->arena, uint32_t, n + 1);
  Cost k = new_cost(c);
  for (uint32_t s = 0; s < cut->segments.len; s++)
    for (uint32_t p = cut->segments.at[s].first; p < cut->segments.at[s].end; p++) segment_of[p] = s;
  segment_of[n] = cut->segments.len;
  for (uint32_t s = 0; s < cut->segments.len; s++) {
    TwPlSegment *seg = &cut->segments.at[s];
    start_cost(c, &k, seg->first);
    extend(c, &k, seg->end);
    seg->loads = k.loads;
    seg->accs = k.accs;
    seg->peak = k.peak;
    if (!seg->scan && !seg->tensor) price(c, &k, stores_of(c, seg->first, seg->end), &seg->turns);
    for (uint32_t p = seg->first; p < seg->end; p++) {
      TwRef r = cut->items.at[p].inst;
      for (uint32_t j = c->needs.first[p]; j < c->needs.first[p + 1]; j++) {
        TwRef a = c->needs.refs.at[j];
        cut->last_segment[a] = s + 1;
        if (!is_extra(c, a) && tw_op(c->x->fn, a) == TW_OP_param) seg->columns = true;
      }
      if (r) cut->in_segment[r] = s + 1;
      if (!r || c->last[r] < seg->end) continue;
      cut->slot[r] = take_slot(c, busy_until, s, segment_of[c->last[r]]);
      seg->stores++;
    }
  }
}

static uint32_t flop_of(TwOp op) { return op == TW_OP_fma ? 2 : op == TW_OP_select || op == TW_OP_neg ? 0 : 1; }

static void count_uniform(Cutter *c, TwPlSegment *seg) {
  const TwPlFacts *x = c->x;
  c->stamp++;
  for (uint32_t p = seg->first; p < seg->end; p++) {
    const TwPlItem *it = &c->cut->items.at[p];
    TwRef args[2] = {0, 0};
    uint32_t n = 2;
    if (is_alone(c, it)) continue;
    if (it->inst) n = tw_inst(x->fn, it->inst)->n_args;
    else args[0] = c->cut->accs.at[it->acc].a, args[1] = c->cut->accs.at[it->acc].b;
    for (uint32_t k = 0; k < n; k++) {
      TwRef a = it->inst ? tw_arg(x->fn, it->inst, k) : args[k];
      if (!a || is_extra(c, a) || x->varies[a] || tw_op(x->fn, a) == TW_OP_const || tw_info(x->fn, a)->rank > 0 ||
          c->seen[a] == c->stamp)
        continue;
      c->seen[a] = c->stamp;
      seg->uniform++;
    }
  }
}

/* ---- levels */

static void count_flop(TwPlCut *cut) {
  const TwPlFacts *x = cut->x;
  const TwFn *f = x->fn;
  for (TwRef r = 1; r < f->insts.len; r++) {
    uint64_t count = (uint64_t)tw_info(f, r)->count;
    bool sum = tw_op(f, r) == TW_OP_dot && x->varies[r] && x->uses[r];
    if (sum)
      for (uint32_t k = 0; k < (uint32_t)tw_attr(f, r, 0); k++)
        count *= (uint64_t)tw_info(f, tw_arg(f, r, 0))->dims[tw_attr(f, r, 1 + k)];
    if (sum) cut->flop += 2 * count;
    if (x->uses[r] && x->varies[r] && !x->fused[r] && tw_pl_is_elementwise(tw_op(f, r)))
      cut->flop += flop_of(tw_op(f, r)) * count;
    if (tw_op(f, r) != TW_OP_scan || !x->uses[r] || !x->inner[r]) continue;
    TwPlCut body = {.x = x->regions[r].body};
    if (!cut->inner || !cut->inner[r]) count_flop(&body);
    cut->flop += (uint64_t)tw_region(f, r)->trip * (body.flop ? body.flop : cut->inner ? cut->inner[r]->flop : 0);
  }
}

static void cut_level(TwArena *arena, TwPlCut *cut, const TwMachine *m) {
  const TwPlFacts *body = cut->x;
  uint32_t n = body->fn->insts.len, n_refs = n + cut->extra.len, n_accs = cut->accs.len;
  cut->straight = true;
  cut->registers = m->registers;
  cut->slot = TW_NEW_N(arena, uint32_t, n);
  cut->in_segment = TW_NEW_N(arena, uint32_t, n);
  cut->last_segment = TW_NEW_N(arena, uint32_t, n_refs);
  for (TwRef r = 1; r < n; r++)
    if (cut->inner[r]) cut_level(arena, cut->inner[r], m);
  Cutter c = {.arena = arena, .x = body, .cut = cut, .registers = m->registers, .max_turns = 1};
  /* The last turns may be of no block: sums are masked for that, but not what goes to arrays of the caller's. */
  if (m->masks && !cut->scan && cut->g->n_ys == 0) c.max_turns = TW_PL_MAX_TURNS;
  c.def = TW_NEW_N(arena, uint32_t, n_refs);
  c.last = TW_NEW_N(arena, uint32_t, n_refs);
  c.seen = TW_NEW_N(arena, uint32_t, n_refs);
  c.needs.first = TW_NEW_N(arena, uint32_t, n + n_accs + 2);
  list_items(&c);
  keep_for_results(&c);
  count_live(&c);
  if (cut->items.len) choose(&c);
  else tw_vec_push(arena, &cut->segments, (TwPlSegment){0});
  number_slots(&c);
  for (uint32_t s = 0; s < cut->segments.len; s++) count_uniform(&c, &cut->segments.at[s]);
  count_flop(cut);
}

/* Tensors' tiles take blocks of all parts. */
static bool has_tensors(const TwPlCut *cut) {
  bool any = cut->tensors;
  for (TwRef r = 1; r < cut->x->fn->insts.len; r++) any = any || (cut->inner[r] && has_tensors(cut->inner[r]));
  return any;
}

static void set_lanes(TwPlCut *cut, uint32_t lanes) {
  cut->lanes = lanes;
  for (TwRef r = 1; r < cut->x->fn->insts.len; r++)
    if (cut->inner[r]) set_lanes(cut->inner[r], lanes);
}

TwPlCut *tw_pl_cut(TwArena *arena, const TwPlFacts *body, const TwRegion *g, const TwMachine *m, bool f64) {
  TwPlCut *cut = tw_pl_levels(arena, body, g);
  if (cut) {
    cut_level(arena, cut, m);
    set_lanes(cut, has_tensors(cut) ? TW_LANES : tw_machine_lanes(m, f64));
    tw_pl_lay_out(arena, cut, f64);
  } else {
    cut = TW_NEW(arena, TwPlCut);
    *cut = (TwPlCut){.x = body, .g = g, .registers = m->registers};
    tw_vec_push(arena, &cut->segments, (TwPlSegment){0});
    count_flop(cut);
  }
  for (uint32_t k = 0; k < g->n_carry; k++)
    cut->flop += (tw_pl_is_fma_sum(body, k) ? 2u : 1u) * (uint64_t)tw_info(body->fn, body->fn->results.at[k])->count;
  return cut;
}
