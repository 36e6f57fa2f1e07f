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
  const struct Prices *prices;
  bool masks;         /* of the machine: to choose is part of the operation */
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

/* The order of items: that of the program, and an addition to a sum comes as soon as its operands are there, which
 * frees these soonest. With masks
 *  - a choice between what an instruction makes and something else comes right behind it, if nobody else reads that:
 *    then it is part of the operation, and what crosses a cut is masked;
 *  - a sum waits for a few items if one of its operands is needed by an instruction, and comes just before that:
 *    cotangents of a layer are all made before the first is used. */
typedef struct Order {
  uint32_t *next, *head; /* sums by the ref that completes them: lists, 1 + the number */
  TwVec(uint32_t) waiting;
  uint32_t since; /* items listed since the first of these began to wait */
  bool *listed;   /* per ref */
  TwRef *reader;  /* per ref: the last item that reads it */
} Order;

enum { LONGEST_WAIT = 8 };

static bool is_item(const Cutter *c, TwRef r) {
  const TwPlFacts *x = c->x;
  if (c->cut->inner[r]) return true;
  return x->uses[r] && x->varies[r] && !x->fused[r] && !is_made_there(c, r) && tw_op(x->fn, r) != TW_OP_param &&
         tw_op(x->fn, r) != TW_OP_get;
}

static void list_waiting(Cutter *c, Order *o) {
  for (uint32_t k = 0; k < o->waiting.len; k++) push_item(c, (TwPlItem){.acc = o->waiting.at[k]});
  o->waiting.len = 0;
}

static bool reads(const TwFn *f, TwRef r, TwRef a) {
  for (uint32_t k = 0; a && k < tw_inst(f, r)->n_args; k++)
    if (tw_arg(f, r, k) == a) return true;
  return false;
}

static bool reads_waiting(const Cutter *c, const Order *o, TwRef r) {
  for (uint32_t k = 0; k < o->waiting.len; k++) {
    const TwPlAcc *acc = &c->cut->accs.at[o->waiting.at[k]];
    if (reads(c->x->fn, r, acc->a) || reads(c->x->fn, r, acc->b)) return true;
  }
  return false;
}

/* Whether an item is still to come that reads a. */
static bool is_read_later(const Cutter *c, const Order *o, TwRef a, TwRef now) {
  return a && !is_extra(c, a) && c->x->varies[a] && o->reader[a] > now;
}

static void list_one(Cutter *c, Order *o, TwRef r, TwRef now) {
  o->listed[r] = true;
  if (reads_waiting(c, o, r) || (o->waiting.len && o->since >= LONGEST_WAIT)) list_waiting(c, o);
  if (is_item(c, r)) {
    push_item(c, (TwPlItem){.inst = r});
    o->since++;
  }
  for (uint32_t k = o->head[r]; k > 0; k = o->next[k - 1]) {
    const TwPlAcc *acc = &c->cut->accs.at[k - 1];
    bool soon = c->masks && (is_read_later(c, o, acc->a, now) || is_read_later(c, o, acc->b, now));
    if (soon && o->waiting.len == 0) o->since = 0;
    if (soon) tw_vec_push(c->arena, &o->waiting, k - 1);
    else push_item(c, (TwPlItem){.acc = k - 1});
  }
}

/* Whether the sums that s completes need nothing else that comes behind r. */
static bool are_complete(const Cutter *c, const Order *o, TwRef s, TwRef r) {
  for (uint32_t k = o->head[s]; k > 0; k = o->next[k - 1]) {
    const TwPlAcc *acc = &c->cut->accs.at[k - 1];
    TwRef a = ready_at(c, acc->a), b = ready_at(c, acc->b);
    if ((a != s && a > r) || (b != s && b > r)) return false;
  }
  return true;
}

/* The choice that alone reads r, if all else that it, and the sums of it, read has been made; or 0. */
static TwRef choice_of(const Cutter *c, const Order *o, TwRef r) {
  const TwPlFacts *x = c->x;
  TwRef s = x->user[r];
  if (!c->masks || x->uses[r] != 1 || s <= r || tw_op(x->fn, s) != TW_OP_select || !is_item(c, s) || !is_item(c, r))
    return 0;
  for (uint32_t k = 0; k < tw_inst(x->fn, s)->n_args; k++)
    if (tw_arg(x->fn, s, k) > r) return 0;
  return are_complete(c, o, s, r) ? s : 0;
}

static void list_items(Cutter *c) {
  uint32_t n = c->x->fn->insts.len, n_accs = c->cut->accs.len;
  Order o = {.next = TW_NEW_N(c->arena, uint32_t, n_accs + 1), .head = TW_NEW_N(c->arena, uint32_t, n + 1)};
  o.listed = TW_NEW_N(c->arena, bool, n + 1);
  o.reader = TW_NEW_N(c->arena, TwRef, n + 1);
  for (TwRef r = 1; r < n; r++)
    for (uint32_t k = 0; is_item(c, r) && k < tw_inst(c->x->fn, r)->n_args; k++) o.reader[tw_arg(c->x->fn, r, k)] = r;
  for (uint32_t k = n_accs; k-- > 0;) {
    const TwPlAcc *acc = &c->cut->accs.at[k];
    TwRef at = later(ready_at(c, acc->a), ready_at(c, acc->b));
    o.next[k] = o.head[at];
    o.head[at] = k + 1;
  }
  for (TwRef r = 0; r < n; r++) {
    TwRef choice = r && !o.listed[r] ? choice_of(c, &o, r) : 0;
    if (!o.listed[r]) list_one(c, &o, r, r);
    if (choice) list_one(c, &o, choice, r);
  }
  list_waiting(c, &o);
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

/* Whether two additions to sums that follow one another have nothing in common. */
static bool are_apart(const Cutter *c, const TwPlItem *i, const TwPlItem *j) {
  if (i->inst || j->inst) return false;
  const TwPlAcc *a = &c->cut->accs.at[i->acc], *b = &c->cut->accs.at[j->acc];
  return a->a != b->a && a->a != b->b && (!a->b || (a->b != b->a && a->b != b->b));
}

/* Places worth a cut: where no fewer values cross next door; behind additions to sums, or those of one value; around
 * loops and tensors. */
static uint32_t candidates(const Cutter *c, uint32_t *out) {
  uint32_t n = c->cut->items.len, count = 0;
  for (uint32_t p = 0; p <= n; p++) {
    bool low = p == 0 || p == n || (c->live[p] <= c->live[p - 1] && c->live[p] < c->live[p + 1]);
    const TwPlItem *it = &c->cut->items.at[p];
    bool behind_sums = p > 0 && p < n && ((!it[-1].inst && it->inst) || (c->masks && are_apart(c, it - 1, it)));
    if (low || behind_sums || alone_at(c, p) || alone_at(c, p - 1)) out[count++] = p;
  }
  return count;
}

/* What a segment that starts at `from` takes of the machine for a block, as its end moves on. */
typedef struct Cost {
  uint32_t from, end;
  uint32_t loads, accs, uniform;
  uint32_t peak, held; /* most values alive at once: of those that it makes; with those loaded that it reads again */
  uint32_t *profile, *holds; /* per item: such values that are alive there */
  uint32_t *counted;         /* per ref: 1 + the item up to which it is in these */
  uint32_t *depth;           /* per ref: length of the chain of operations of this segment that ends there */
  uint32_t deepest;
} Cost;

static Cost new_cost(Cutter *c) {
  uint32_t n = c->x->fn->insts.len + c->cut->extra.len;
  Cost k = {.profile = TW_NEW_N(c->arena, uint32_t, c->cut->items.len + 1)};
  k.holds = TW_NEW_N(c->arena, uint32_t, c->cut->items.len + 1);
  k.counted = TW_NEW_N(c->arena, uint32_t, n);
  k.depth = TW_NEW_N(c->arena, uint32_t, n);
  return k;
}

static void start_cost(Cutter *c, Cost *k, uint32_t from) {
  k->from = k->end = from;
  k->loads = k->accs = k->uniform = k->peak = k->held = k->deepest = 0;
  c->stamp++;
}

/* In units of one fma. */
static uint32_t latency(TwOp op) {
  return op == TW_OP_div || op == TW_OP_sqrt ? 4 : op >= TW_OP_exp && op <= TW_OP_logistic ? 10 : 1;
}

/* Item p reads r: how long that is alive. */
static void count_read(Cutter *c, Cost *k, TwRef r, uint32_t p) {
  bool own = c->def[r] && c->def[r] - 1 >= k->from, first = c->seen[r] != c->stamp;
  c->seen[r] = c->stamp;
  if (!own && first) {
    k->loads++;
    k->counted[r] = 1 + p;
    return;
  }
  for (uint32_t at = first ? c->def[r] : k->counted[r] - 1; at <= p; at++) {
    if (++k->holds[at] > k->held) k->held = k->holds[at];
    if (own && ++k->profile[at] > k->peak) k->peak = k->profile[at];
  }
  k->counted[r] = 1 + p + 1;
}

static void count_uniform(Cutter *c, Cost *k, const TwPlItem *it) {
  const TwPlFacts *x = c->x;
  const TwPlAcc *acc = it->inst ? NULL : &c->cut->accs.at[it->acc];
  if (is_alone(c, it)) return;
  for (uint32_t j = 0; j < (acc ? 2 : tw_inst(x->fn, it->inst)->n_args); j++) {
    TwRef a = acc ? (j ? acc->b : acc->a) : tw_arg(x->fn, it->inst, j);
    if (!a || is_extra(c, a) || x->varies[a] || tw_op(x->fn, a) == TW_OP_const || tw_info(x->fn, a)->rank > 0 ||
        c->seen[a] == c->stamp)
      continue;
    c->seen[a] = c->stamp;
    k->uniform++;
  }
}

static void extend(Cutter *c, Cost *k, uint32_t end) {
  for (; k->end < end; k->end++) {
    uint32_t p = k->end;
    uint32_t deep = 0;
    const TwPlItem *it = &c->cut->items.at[p];
    k->profile[p] = k->holds[p] = 0;
    if (!it->inst) k->accs++;
    count_uniform(c, k, it);
    for (uint32_t j = c->needs.first[p]; j < c->needs.first[p + 1]; j++) {
      TwRef r = c->needs.refs.at[j];
      if (c->def[r] && c->def[r] - 1 >= k->from && k->depth[r] > deep) deep = k->depth[r];
      count_read(c, k, r, p);
    }
    if (!it->inst) continue;
    k->depth[it->inst] = deep + latency(tw_op(c->x->fn, it->inst));
    if (k->depth[it->inst] > k->deepest) k->deepest = k->depth[it->inst];
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

/* Cycles, or so, on a core that starts two vector operations a cycle, its data in the first-level cache. */
typedef struct Prices {
  double segment; /* the start and the end of a loop, for a block */
  double load, store, scalar;
  double spill;     /* a value too many for the registers: a store, a load, and who waits for it */
  double wait;      /* of each cycle in which nothing can start, since all that is left waits for something */
  uint32_t window;  /* operations that the core looks over */
  int own, turn;    /* registers that are not for values, and that each further block in turn takes besides */
  bool loaded_live; /* what is loaded and read again is in a register meanwhile */
} Prices;

/* With sixteen registers: found by trial on Zen 3. With masks and 32 registers: from the times of some 800 cuts of a
 * training and of a pretraining step on Emerald Rapids, most of them random; scalars that are not kept in registers are
 * operands in memory there, at a price. */
static const Prices sixteen = {3, 0.5, 1, 0, 3, 1, 160, 4, 0, false};
static const Prices with_masks = {2, 0.2, 0.8, 0.1, 3, 0.5, 120, 1, 4, true};

bool tw_pl_keeps_splats(const TwPlCut *cut, const TwPlSegment *seg) {
  return seg->uniform + seg->accs + seg->peak * seg->turns + 4 <= cut->registers;
}

/* Cycles a block, or so, if `turns` blocks are run in turn.
 *  - Blocks overlap as far as the core's window reaches. Where the chain of dependent operations is
 *    long and the segment too, they hardly do, and the chain's latency shows: a reason to cut, or to run blocks
 *    in turn, which costs registers, and time to compile. */
static double price_of(const Cutter *c, const Cost *k, uint32_t stores, uint32_t turns) {
  const double start_rate = 2, fma_cycles = 4, compile = 0.02;
  const Prices *each = c->prices;
  TwPlSegment seg = {.accs = k->accs, .peak = k->peak, .uniform = k->uniform, .turns = turns};
  double values = each->loaded_live ? k->held : k->peak, registers = c->cut->registers;
  double want = k->accs + values * turns + each->own + each->turn * (turns - 1.0);
  double spill = want > registers ? want - registers : 0;
  double count = k->end - k->from, overlap = count > 0 && each->window / count > turns ? each->window / count : turns;
  double busy = count / start_rate, wait = fma_cycles * k->deepest / overlap;
  return each->segment / turns + each->load * k->loads + each->store * stores + each->spill * spill / turns +
         (tw_pl_keeps_splats(c->cut, &seg) ? 0 : each->scalar * k->uniform) + busy +
         (wait > busy ? each->wait * (wait - busy) : 0) + compile * count * (turns - 1);
}

static double price(const Cutter *c, const Cost *k, uint32_t stores, uint32_t *turns) {
  double least = 0;
  for (uint32_t t = 1; t <= c->max_turns; t *= 2) {
    double now = price_of(c, k, stores, t);
    bool fits = k->accs + k->peak * t + 6 <= c->cut->registers && (k->end - k->from) * t <= 120;
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
    seg->uniform = k.uniform;
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
  Cutter c = {.arena = arena, .x = body, .cut = cut, .masks = m->masks, .max_turns = 1};
  c.prices = m->masks ? &with_masks : &sixteen;
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
