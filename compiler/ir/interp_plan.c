/* interp_plan.c: places for the values of a function, and what its instructions need to run.
 *
 * requires: a verified function.
 * provides: a frame in which two values share a place only if one is dead before the other is made;
 *           an add_at whose first operand dies there works in place. Constants are set once. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/interp.h"

typedef struct Hole {
  size_t at, bytes;
} Hole;

typedef struct Planner {
  TwPlan *p;
  const bool *writable;
  uint32_t *last;    /* per instruction: its last user; UINT32_MAX: a result */
  uint32_t *until;   /* per owner of a place: the last use of any value in it */
  TwRef *owner;      /* per instruction: whose place it is in */
  uint32_t *gets;    /* per region: number of gets */
  TwRef *dying;      /* lists of owners by the instruction after which they are free: first, … */
  TwRef *next_dying; /* … and next */
  Hole *holes;
  uint32_t n_holes;
  bool failed;
} Planner;

static void *get_memory(Planner *c, size_t n, size_t size) {
  void *at = calloc(n ? n : 1, size ? size : 1);
  c->failed |= at == NULL;
  return at;
}

/* ---- places */

static size_t value_bytes(Planner *c, const TwTyInfo *t) {
  size_t bytes;
  if (t->count > INT64_MAX / 64 || __builtin_mul_overflow((size_t)t->count, tw_plan_esize(c->p, t->dtype), &bytes))
    c->failed = true, bytes = 0;
  return bytes ? tw_pad16(bytes) : 16;
}

/* Constants are set before anything runs, so their places are theirs alone. */
static size_t take(Planner *c, size_t bytes, bool alone) {
  for (uint32_t k = c->n_holes; k-- > 0 && c->n_holes - k < 64 && !alone;)
    if (c->holes[k].bytes == bytes) {
      size_t at = c->holes[k].at;
      c->holes[k] = c->holes[--c->n_holes];
      return at;
    }
  size_t at = c->p->bytes;
  if (__builtin_add_overflow(at, bytes, &c->p->bytes) || c->p->bytes > SIZE_MAX / 2) c->failed = true, c->p->bytes = 0;
  return at;
}

static void find_uses(Planner *c) {
  const TwFn *f = c->p->fn;
  for (TwRef r = 1; r < f->insts.len; r++) {
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) c->last[tw_arg(f, r, k)] = r;
    if (tw_op(f, r) == TW_OP_get) c->gets[tw_arg(f, r, 0)]++;
  }
  for (uint32_t k = 0; k < f->results.len; k++) {
    TwRef r = f->results.at[k];
    c->last[r] = UINT32_MAX;
    if (tw_op(f, r) != TW_OP_mul) continue;
    c->last[tw_arg(f, r, 0)] = c->last[tw_arg(f, r, 1)] = UINT32_MAX; /* a sum over samples reads the factors */
  }
}

/* May the add_at at r write over its first operand? It dies here, and nothing else is in its place:
 * not a constant (set once), not a parameter but a carry, not a part of a region read twice. */
static bool in_place(const Planner *c, TwRef r) {
  const TwFn *f = c->p->fn;
  TwRef a = tw_arg(f, r, 0), own = c->owner[a];
  if (c->last[a] != r || c->until[own] != r) return false;
  switch ((int)tw_op(f, own)) {
    case TW_OP_const:
    case TW_OP_iota: return false;
    case TW_OP_param: return c->writable && c->writable[tw_attr(f, own, 0)];
    case TW_OP_scan:
    case TW_OP_samples:
    case TW_OP_cond: return c->gets[own] == 1;
  }
  return true;
}

/* Values are visited in order, so `until` of a place is known for the values made so far. */
static void find_owners(Planner *c) {
  const TwFn *f = c->p->fn;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    TwRef own = r;
    if (op == TW_OP_get) own = tw_arg(f, r, 0);
    if (op == TW_OP_add_at && in_place(c, r)) {
      own = c->owner[tw_arg(f, r, 0)];
      c->p->side[r]->written = true;
    }
    c->owner[r] = own;
    uint32_t end = c->last[r] ? c->last[r] : r;
    if (c->until[own] < end) c->until[own] = end;
  }
}

static void release(Planner *c, TwRef own) {
  const TwFn *f = c->p->fn;
  if (tw_op(f, own) == TW_OP_param || tw_op(f, own) == TW_OP_const || tw_op(f, own) == TW_OP_iota) return;
  if (!tw_is_region_op(tw_op(f, own))) {
    c->holes[c->n_holes++] = (Hole){c->p->place[own], value_bytes(c, tw_info(f, own))};
  }
}

static void place_region(Planner *c, TwRef r) {
  const TwFn *f = c->p->fn;
  const TwRegion *g = tw_region(f, r);
  uint32_t n = tw_region_results(g, tw_op(f, r));
  size_t *parts = c->p->side[r]->parts = get_memory(c, n, sizeof *parts);
  for (uint32_t k = 0; parts && k < n; k++) {
    TwTyInfo t = *tw_ty_info(f->module, tw_region_result_type(f->module, tw_op(f, r), g, k));
    parts[k] = take(c, value_bytes(c, &t), false);
  }
}

static void place_all(Planner *c) {
  const TwFn *f = c->p->fn;
  for (TwRef r = 1; r < f->insts.len && !c->failed; r++) {
    TwOp op = tw_op(f, r);
    if (tw_is_region_op(op)) place_region(c, r);
    else if (op == TW_OP_get) c->p->place[r] = c->p->side[tw_arg(f, r, 0)]->parts[tw_attr(f, r, 0)];
    else if (c->owner[r] == r && op != TW_OP_param)
      c->p->place[r] = take(c, value_bytes(c, tw_info(f, r)), op == TW_OP_const || op == TW_OP_iota);
    TwRef own = c->owner[r];
    if (own == r && c->until[r] != UINT32_MAX) { /* it will be free after its last use */
      c->next_dying[r] = c->dying[c->until[r]];
      c->dying[c->until[r]] = r;
    }
    for (TwRef d = c->dying[r]; d; d = c->next_dying[d]) release(c, d);
  }
}

/* ---- offsets of axes */

static TwOffsets make_offsets(Planner *c, const TwTyInfo *t, const int64_t *axes, uint32_t n) {
  int64_t stride[TW_MAX_RANK], at[TW_MAX_RANK] = {0}, s = 1, offset = 0;
  TwOffsets o = {.n = 1};
  bool trailing = true;
  for (uint32_t k = t->rank; k-- > 0; s *= t->dims[k]) stride[k] = s;
  for (uint32_t k = 0; k < n; k++) {
    o.n *= t->dims[axes[k]];
    trailing &= axes[k] == (int64_t)(t->rank - n + k);
  }
  if (trailing || o.n == 0) return o;
  o.at = get_memory(c, (size_t)o.n, sizeof *o.at);
  for (int64_t e = 0; o.at && e < o.n; e++) {
    o.at[e] = offset;
    for (uint32_t k = n; k-- > 0;) {
      offset += stride[axes[k]];
      if (++at[k] < t->dims[axes[k]]) break;
      offset -= stride[axes[k]] * t->dims[axes[k]];
      at[k] = 0;
    }
  }
  return o;
}

static void reduced_and_kept(Planner *c, const TwTyInfo *t, const int64_t *axes, uint32_t n, TwOffsets *reduced,
                             TwOffsets *kept) {
  int64_t others[TW_MAX_RANK];
  uint32_t m = 0;
  for (uint32_t k = 0; k < t->rank; k++) {
    bool in = false;
    for (uint32_t j = 0; j < n; j++) in |= axes[j] == k;
    if (!in) others[m++] = k;
  }
  *reduced = make_offsets(c, t, axes, n);
  *kept = make_offsets(c, t, others, m);
}

/* ---- what instructions need */

static void plan_loop(Planner *c, TwRef r, TwSide *s) {
  const TwFn *f = c->p->fn;
  const TwRegion *g = tw_region(f, r);
  size_t total = 0;
  if (tw_op(f, r) == TW_OP_scan) s->next = get_memory(c, g->n_carry, sizeof *s->next);
  else s->sum_at = get_memory(c, g->n_carry, sizeof *s->sum_at);
  for (uint32_t k = 0; k < g->n_carry && !c->failed; k++) {
    size_t bytes = value_bytes(c, tw_info(g->body, g->body->results.at[k]));
    if (s->sum_at) s->sum_at[k] = total;
    if (s->next) s->next[k] = get_memory(c, bytes, 1);
    else if (__builtin_mul_overflow(bytes, TW_PARTIALS + TW_TREE, &bytes) ||
             __builtin_add_overflow(total, bytes, &total))
      c->failed = true;
  }
  if (!s->next && !c->failed) s->sums = get_memory(c, total, 1);
}

static void plan_region(Planner *c, TwRef r, TwSide *s) {
  const TwFn *f = c->p->fn;
  const TwRegion *g = tw_region(f, r);
  TwPrecision precision = c->p->real == sizeof(float) ? TW_F32 : TW_F64;
  bool *writable = tw_op(f, r) == TW_OP_scan ? get_memory(c, g->body->params.len, 1) : NULL;
  for (uint32_t k = 0; writable && k < g->n_carry; k++) writable[1 + g->n_consts + k] = true;
  s->body = tw_plan_new(g->body, precision, writable);
  s->other = g->other ? tw_plan_new(g->other, precision, NULL) : NULL;
  c->failed |= !s->body || (g->other && !s->other);
  if (!c->failed && !g->other) plan_loop(c, r, s);
  free(writable);
}

static void plan_side(Planner *c, TwRef r) {
  const TwFn *f = c->p->fn;
  TwOp op = tw_op(f, r);
  bool reduces = op == TW_OP_sum || op == TW_OP_rmax || op == TW_OP_rmin || op == TW_OP_argmask || op == TW_OP_dot;
  if (!reduces && !tw_is_region_op(op) && op != TW_OP_add_at) return;
  TwSide *s = c->p->side[r] = get_memory(c, 1, sizeof *s);
  if (!s) return;
  if (tw_is_region_op(op)) {
    plan_region(c, r, s);
  } else if (reduces) {
    const int64_t *axes = f->attrs.at + tw_inst(f, r)->attrs;
    uint32_t n = tw_inst(f, r)->n_attrs;
    const TwTyInfo *a = tw_info(f, tw_arg(f, r, 0));
    if (op == TW_OP_argmask || op == TW_OP_dot) axes++, n--;
    if (op == TW_OP_dot) n /= 2;
    reduced_and_kept(c, a, axes, n, &s->reduced, &s->kept);
    if (op == TW_OP_dot) reduced_and_kept(c, tw_info(f, tw_arg(f, r, 1)), axes + n, n, &s->reduced_b, &s->kept_b);
  }
}

static void set_constant(TwPlan *p, TwRef r) {
  const TwTyInfo *t = tw_info(p->fn, r);
  TwKnown k;
  tw_literal(p->fn, r, &k);
  for (int64_t e = 0; e < t->count; e++) {
    char *at = p->value[r] + (size_t)e * tw_plan_esize(p, t->dtype);
    if (t->dtype == TW_INT) *(int64_t *)(void *)at = tw_op(p->fn, r) == TW_OP_iota ? e : k.whole;
    else if (t->dtype == TW_BOOL) *at = (char)k.whole;
    else if (p->real == sizeof(float)) *(float *)(void *)at = (float)k.real;
    else *(double *)(void *)at = k.real;
  }
}

static void plan_steps(Planner *c) {
  TwPlan *p = c->p;
  const TwFn *f = p->fn;
  p->steps = get_memory(c, f->insts.len, sizeof *p->steps);
  for (TwRef r = 1; r < f->insts.len && !c->failed; r++) {
    TwOp op = tw_op(f, r);
    const TwTyInfo *t = tw_info(f, r);
    uint32_t n = tw_inst(f, r)->n_args;
    if (tw_op_info(op)->shape == TW_SHAPE_leaf) continue;
    TwStep *s = &p->steps[p->n_steps++];
    *s = (TwStep){.ref = r, .op = op, .chooses = tw_watch_chooses(f, r)};
    if (n) s->a = s->b = s->c = tw_arg(f, r, 0);
    if (n > 1) s->b = tw_arg(f, r, 1);
    if (n > 2) s->c = tw_arg(f, r, 2);
    if (tw_op_info(op)->shape == TW_SHAPE_same && t->dtype == TW_REAL && t->count == 1)
      s->kind = p->real == sizeof(float) ? TW_STEP_F32 : TW_STEP_F64;
  }
}

static void plan(Planner *c) {
  TwPlan *p = c->p;
  const TwFn *f = p->fn;
  for (TwRef r = 1; r < f->insts.len && !c->failed; r++) plan_side(c, r);
  if (c->failed) return;
  find_uses(c);
  find_owners(c);
  place_all(c);
  if (!c->failed) p->frame = get_memory(c, p->bytes, 1);
  if (!c->failed) plan_steps(c);
  for (TwRef r = 1; r < f->insts.len && !c->failed; r++) {
    p->value[r] = p->frame + p->place[r];
    if (tw_op(f, r) == TW_OP_const || tw_op(f, r) == TW_OP_iota) set_constant(p, r);
  }
}

TwPlan *tw_plan_new(const TwFn *fn, TwPrecision precision, const bool *writable) {
  TwPlan *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  size_t n = fn->insts.len;
  Planner c = {.p = p, .writable = writable};
  p->fn = fn;
  p->real = precision == TW_F32 ? sizeof(float) : sizeof(double);
  p->place = get_memory(&c, n, sizeof *p->place);
  p->value = get_memory(&c, n, sizeof *p->value);
  p->side = get_memory(&c, n, sizeof *p->side);
  uint32_t *words = get_memory(&c, 6 * n, sizeof *words);
  c.holes = get_memory(&c, n, sizeof *c.holes);
  if (!c.failed) {
    c.last = words, c.until = words + n, c.owner = words + 2 * n;
    c.gets = words + 3 * n, c.dying = words + 4 * n, c.next_dying = words + 5 * n;
    plan(&c);
  }
  free(words);
  free(c.holes);
  if (!c.failed) return p;
  tw_plan_free(p);
  return NULL;
}

static void side_free(TwSide *s, uint32_t n_carry) {
  if (!s) return;
  tw_plan_free(s->body);
  tw_plan_free(s->other);
  for (uint32_t k = 0; s->next && k < n_carry; k++) free(s->next[k]);
  free(s->next);
  free(s->sums);
  free(s->sum_at);
  free(s->parts);
  free(s->kept.at);
  free(s->reduced.at);
  free(s->kept_b.at);
  free(s->reduced_b.at);
  free(s);
}

void tw_plan_free(TwPlan *p) {
  if (!p) return;
  for (TwRef r = 1; p->side && r < p->fn->insts.len; r++)
    side_free(p->side[r], tw_op(p->fn, r) == TW_OP_scan ? tw_region(p->fn, r)->n_carry : 0);
  free(p->frame);
  free(p->place);
  free(p->value);
  free(p->side);
  free(p->steps);
  free(p);
}
