/* facts.c: what is known about a function before anything of it is emitted.
 *
 * requires: a sealed function; which of its parameters depend on the sample.
 * provides: for each ref whether it depends on the sample, whether it is computed at its own place
 *           (eager) or where it is read (lazy), and how long its memory must last; for each region
 *           the same for its bodies.
 *
 * A lazy value has exactly one reader, which reads each element at most once; so nothing is computed
 * twice. Its operands' memory must last until that reader reads. Constants and iota are always lazy. */
#include "compiler/plan/internal.h"

/* By the rule for its shape: element k of the result is of elements k of the operands. */
enum {
  SHAPE_leaf = false,
  SHAPE_own = false,
  SHAPE_same = true,
  SHAPE_compare = true,
  SHAPE_logic = true,
  SHAPE_cast = true,
  SHAPE_select = true
};
static const bool elementwise[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = SHAPE_##shape,
#include "compiler/ir/ops.def"
#undef TW_OP
};

bool tw_pl_is_elementwise(TwOp op) { return elementwise[op]; }

/* Its result is the operand's elements in other places: a view, or lazy if the operand is. */
static bool is_shape_op(TwOp op) {
  return op == TW_OP_broadcast || op == TW_OP_reshape || op == TW_OP_transpose || op == TW_OP_reverse ||
         op == TW_OP_slice;
}

static bool is_leaf(TwOp op) { return op == TW_OP_const || op == TW_OP_iota; }

/* ---- what depends on the sample */

static bool *result_varies(TwArena *arena, const TwPlFacts *x) {
  bool *v = TW_NEW_N(arena, bool, x->fn->results.len + 1);
  for (uint32_t k = 0; k < x->fn->results.len; k++) v[k] = x->varies[x->fn->results.at[k]];
  return v;
}

static void cond_facts(TwArena *arena, TwPlFacts *x, TwRef r, TwPlRegionFacts *out) {
  const TwRegion *g = tw_region(x->fn, r);
  bool *in = TW_NEW_N(arena, bool, g->n_consts + 1);
  for (uint32_t k = 0; k < g->n_consts; k++) in[k] = x->varies[tw_arg(x->fn, r, k + 1)];
  out->body = tw_pl_facts(arena, g->body, in, TW_PL_BRANCH, g);
  out->other = tw_pl_facts(arena, g->other, in, TW_PL_BRANCH, g);
  out->res_varies = result_varies(arena, out->body);
  const bool *other = result_varies(arena, out->other);
  bool all = x->varies[tw_arg(x->fn, r, 0)];
  for (uint32_t k = 0; k < g->n_ys; k++) out->res_varies[k] = out->res_varies[k] || other[k] || all;
}

/* A carry varies if it starts so or becomes so: the least fixed point. */
static void scan_facts(TwArena *arena, TwPlFacts *x, TwRef r, TwPlRegionFacts *out) {
  const TwRegion *g = tw_region(x->fn, r);
  uint32_t n = g->n_consts + g->n_carry + g->n_xs;
  bool *in = TW_NEW_N(arena, bool, n + 1);
  for (uint32_t k = 0; k < n; k++) in[k + 1] = x->varies[tw_arg(x->fn, r, k)];
  for (bool again = true; again;) {
    again = false;
    out->body = tw_pl_facts(arena, g->body, in, TW_PL_SCAN_BODY, g);
    out->res_varies = result_varies(arena, out->body);
    for (uint32_t k = 0; k < g->n_carry; k++) {
      bool *c = &in[1 + g->n_consts + k];
      if (out->res_varies[k] && !*c) *c = again = true;
      out->res_varies[k] = out->res_varies[k] || *c;
    }
  }
}

static void samples_facts(TwArena *arena, TwPlFacts *x, TwRef r, TwPlRegionFacts *out) {
  const TwRegion *g = tw_region(x->fn, r);
  uint32_t n = g->n_consts + g->n_xs;
  bool *in = TW_NEW_N(arena, bool, n + 1);
  for (uint32_t k = 0; k < n; k++) {
    in[k] = x->varies[tw_arg(x->fn, r, k)];
    out->serial = out->serial || in[k];
  }
  for (uint32_t k = g->n_consts; k < n && !out->serial; k++) in[k] = true;
  out->body = tw_pl_facts(arena, g->body, in, out->serial ? TW_PL_SERIAL_BODY : TW_PL_LANE_BODY, g);
  out->res_varies = result_varies(arena, out->body);
  for (uint32_t k = 0; k < g->n_carry + g->n_ys && !out->serial; k++) out->res_varies[k] = false;
}

static void find_varies(TwArena *arena, TwPlFacts *x, const bool *param_varies) {
  const TwFn *f = x->fn;
  for (uint32_t k = 0; k < f->params.len; k++) x->varies[f->params.at[k]] = param_varies && param_varies[k];
  for (TwRef r = 1; r < f->insts.len; r++) {
    const TwInst *in = tw_inst(f, r);
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (op == TW_OP_scan) scan_facts(arena, x, r, &x->regions[r]);
    else if (op == TW_OP_samples) samples_facts(arena, x, r, &x->regions[r]);
    else if (op == TW_OP_cond) cond_facts(arena, x, r, &x->regions[r]);
    else if (op == TW_OP_get) x->varies[r] = x->regions[tw_arg(f, r, 0)].res_varies[tw_attr(f, r, 0)];
    else
      for (uint32_t k = 0; k < in->n_args; k++) x->varies[r] = x->varies[r] || x->varies[tw_arg(f, r, k)];
  }
}

/* A region of which anything varies is emitted where lanes are, and so is what uses it: even a result
 * of it that does not vary. */
static void find_inner(TwPlFacts *x) {
  const TwFn *f = x->fn;
  for (TwRef r = 1; r < f->insts.len; r++) {
    x->inner[r] = x->varies[r];
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) x->inner[r] = x->inner[r] || x->inner[tw_arg(f, r, k)];
  }
}

/* ---- readers */

static void find_uses(TwPlFacts *x) {
  const TwFn *f = x->fn;
  for (uint32_t k = 0; k < f->results.len; k++) {
    x->uses[f->results.at[k]]++;
    x->last[f->results.at[k]] = UINT32_MAX;
  }
  for (TwRef r = (TwRef)f->insts.len - 1; r > 0; r--) {
    if (!x->uses[r]) continue; /* dead */
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
      TwRef a = tw_arg(f, r, k);
      x->uses[a]++;
      if (!x->user[a]) x->user[a] = r;
    }
  }
}

static bool drops_only_units(const TwTyInfo *a, const TwTyInfo *b) {
  uint32_t i = 0, j = 0;
  for (;;) {
    while (i < a->rank && a->dims[i] == 1) i++;
    while (j < b->rank && b->dims[j] == 1) j++;
    if (i == a->rank || j == b->rank) return i == a->rank && j == b->rank;
    if (a->dims[i++] != b->dims[j++]) return false;
  }
}

bool tw_pl_read_once(const TwPlFacts *x, TwRef r) {
  TwRef u = x->user[r];
  if (x->uses[r] != 1 || x->last[r] == UINT32_MAX || !u) return false;
  if (x->inner[u] != x->inner[r] || x->varies[u] != x->varies[r])
    return false; /* not to be recomputed in a loop, or in lanes */
  TwOp op = tw_op(x->fn, u);
  if (tw_pl_is_elementwise(op) || op == TW_OP_sum || op == TW_OP_concat || op == TW_OP_pad) return true;
  if (op == TW_OP_add_at) return tw_arg(x->fn, u, 2) == r;
  if (op == TW_OP_index || op == TW_OP_slice || op == TW_OP_transpose || op == TW_OP_reverse ||
      (op == TW_OP_reshape && drops_only_units(tw_info(x->fn, r), tw_info(x->fn, u))))
    return tw_info(x->fn, u)->rank == 0 || tw_pl_read_once(x, u);
  return false;
}

static TwPlLazy laziness(const TwPlFacts *x, TwRef r) {
  TwOp op = tw_op(x->fn, r);
  if (tw_info(x->fn, r)->rank == 0) return TW_PL_EAGER;
  if (is_leaf(op)) return TW_PL_BY_ELEMENT;
  if (tw_pl_is_elementwise(op)) {
    if (x->group[r]) return TW_PL_EAGER;
    return tw_pl_read_once(x, r) || tw_pl_read_flat(x, r) ? TW_PL_BY_ELEMENT : TW_PL_EAGER;
  }
  if (is_shape_op(op) || op == TW_OP_index) {
    TwRef a = tw_arg(x->fn, r, 0);
    if (x->lazy[a] != TW_PL_BY_ELEMENT) return TW_PL_EAGER;
    /* of a leaf: cheap wherever it is read, if the index can be mapped */
    return op != TW_OP_reshape || tw_pl_read_flat(x, r) || drops_only_units(tw_info(x->fn, a), tw_info(x->fn, r)) ||
                   tw_op(x->fn, a) == TW_OP_const
               ? TW_PL_BY_ELEMENT
               : TW_PL_EAGER;
  }
  if (op == TW_OP_concat || op == TW_OP_pad)
    return x->user[r] && tw_op(x->fn, x->user[r]) == TW_OP_concat && tw_pl_read_once(x, r) ? TW_PL_INTO : TW_PL_EAGER;
  return TW_PL_EAGER;
}

/* ---- how long memory lasts */

static void find_last(TwPlFacts *x) {
  const TwFn *f = x->fn;
  for (TwRef r = (TwRef)f->insts.len - 1; r > 0; r--) {
    if (!x->uses[r]) continue;
    TwOp op = tw_op(f, r);
    bool tensor = tw_info(f, r)->rank > 0;
    bool passes_on = op == TW_OP_get || x->lazy[r] ||
                     (tensor && (is_shape_op(op) || op == TW_OP_index || op == TW_OP_add_at));
    uint32_t now = x->group[r] ? x->groups.at[x->group[r] - 1].last : r;
    uint32_t when = passes_on && x->last[r] > now ? x->last[r] : now;
    if (x->role == TW_PL_LANE_BODY && !x->inner[r]) when = UINT32_MAX; /* read by a loop that comes later */
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
      TwRef a = tw_arg(f, r, k);
      uint32_t then = x->role == TW_PL_LANE_BODY && !x->inner[a] ? UINT32_MAX : when;
      if (then > x->last[a]) x->last[a] = then;
    }
  }
}

/* A real product that is only summed is multiplied where it is added: its factors are read at the end. */
static void find_fused(TwPlFacts *x, uint32_t n_sums) {
  const TwFn *f = x->fn;
  for (uint32_t k = 0; k < n_sums; k++) {
    TwRef r = f->results.at[k];
    if (!tw_pl_is_fma_sum(x, k)) continue;
    x->fused[r] = !x->user[r];
    for (uint32_t j = 0; j < 2; j++) x->last[tw_arg(f, r, j)] = UINT32_MAX;
  }
  for (uint32_t k = n_sums; k < f->results.len; k++) x->fused[f->results.at[k]] = false; /* mapped as well */
}

bool tw_pl_is_fma_sum(const TwPlFacts *body, uint32_t k) {
  TwRef r = body->fn->results.at[k];
  return tw_op(body->fn, r) == TW_OP_mul && tw_info(body->fn, r)->dtype == TW_REAL;
}

/* ---- add_at in its operand's memory */

static uint32_t read_time(const TwPlFacts *x, TwRef r) {
  TwOp op = tw_op(x->fn, r);
  bool passes_on = op == TW_OP_get || x->lazy[r] ||
                   (tw_info(x->fn, r)->rank > 0 && (is_shape_op(op) || op == TW_OP_index));
  uint32_t now = x->group[r] ? x->groups.at[x->group[r] - 1].last : r;
  return passes_on && x->last[r] > now ? x->last[r] : now;
}

/* The operand's memory is its own, and nobody reads its old contents after r. */
static bool dies_at(const TwPlFacts *x, TwRef a, TwRef r) {
  const TwFn *f = x->fn;
  if (x->varies[r] != x->varies[a]) return false;
  for (uint32_t k = 0; k < f->results.len; k++)
    if (f->results.at[k] == a) return false;
  for (TwRef u = a + 1; u < f->insts.len; u++)
    for (uint32_t k = 0; x->uses[u] && k < tw_inst(f, u)->n_args; k++)
      if (tw_arg(f, u, k) == a && !(u == r && k == 0) && read_time(x, u) >= r) return false;
  return true;
}

static bool owns_memory(const TwPlFacts *x, TwRef a) {
  TwOp op = tw_op(x->fn, a);
  return x->lazy[a] == TW_PL_EAGER && op != TW_OP_param && op != TW_OP_index && !is_shape_op(op);
}

/* Carry k of a scan is only ever added to: all additions can be made in one buffer. */
static bool carry_stays(TwPlFacts *x, const TwRegion *g, uint32_t k) {
  const TwFn *f = x->fn;
  TwRef p = f->params.at[1 + g->n_consts + k], r = f->results.at[k];
  if (x->varies[p] != x->varies[r]) return false;
  for (TwRef at = r; at != p; at = tw_arg(f, at, 0))
    if (tw_op(f, at) != TW_OP_add_at || !dies_at(x, tw_arg(f, at, 0), at)) return false;
  for (TwRef at = r; at != p; at = tw_arg(f, at, 0)) x->in_place[at] = true;
  return true;
}

static void find_in_place(TwArena *arena, TwPlFacts *x, const TwRegion *g) {
  const TwFn *f = x->fn;
  if (x->role == TW_PL_SCAN_BODY) {
    x->stays = TW_NEW_N(arena, bool, g->n_carry + 1);
    for (uint32_t k = 0; k < g->n_carry; k++)
      x->stays[k] = tw_info(f, f->results.at[k])->rank > 0 && carry_stays(x, g, k);
  }
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!x->uses[r] || tw_op(f, r) != TW_OP_add_at || x->in_place[r]) continue;
    TwRef a = tw_arg(f, r, 0);
    /* What is made once, before the blocks of samples, is read anew in each of them. */
    x->in_place[r] = x->inner[a] == x->inner[r] && owns_memory(x, a) && dies_at(x, a, r);
  }
}

TwPlFacts *tw_pl_facts(TwArena *arena, const TwFn *fn, const bool *param_varies, TwPlRole role, const TwRegion *g) {
  TwPlFacts *x = TW_NEW(arena, TwPlFacts);
  uint32_t n = fn->insts.len;
  x->fn = fn;
  x->role = role;
  x->varies = TW_NEW_N(arena, bool, n);
  x->inner = TW_NEW_N(arena, bool, n);
  x->uses = TW_NEW_N(arena, uint32_t, n);
  x->user = TW_NEW_N(arena, TwRef, n);
  x->last = TW_NEW_N(arena, uint32_t, n);
  x->lazy = TW_NEW_N(arena, uint8_t, n);
  x->fused = TW_NEW_N(arena, bool, n);
  x->in_place = TW_NEW_N(arena, bool, n);
  x->regions = TW_NEW_N(arena, TwPlRegionFacts, n);
  x->group = TW_NEW_N(arena, uint32_t, n);
  x->unstored = TW_NEW_N(arena, bool, n);
  x->late = TW_NEW_N(arena, bool, n);
  find_varies(arena, x, param_varies);
  find_inner(x);
  find_uses(x);
  if (role == TW_PL_LANE_BODY || role == TW_PL_SERIAL_BODY) find_fused(x, g->n_carry);
  tw_pl_find_groups(arena, x);
  for (TwRef r = 1; r < n; r++)
    if (x->uses[r]) x->lazy[r] = (uint8_t)laziness(x, r);
  find_last(x);
  find_in_place(arena, x, g);
  return x;
}
