/* unroll.c: short loops become straight lines; flatten makes a straight line of everything.
 *
 * requires: a sealed function.
 * provides: the same function in which no scan is left whose trip count, and trip count times body size, are
 *   within the limits, at any depth of bodies. Bits are unchanged.
 *
 * Bodies come first: a loop in a loop is unrolled inside out, and the outer one counts what came of that. */
#include "compiler/ir/passes.h"
#include "compiler/opt/internal.h"

/* The body with its params bound, in normal form. */
static void paste(TwPass *p, TwFn *g, const TwFn *body, const TwRef *args, TwRef *out) {
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, body->insts.len);
  for (uint32_t k = 0; k < body->params.len; k++) map[body->params.at[k]] = args[k];
  for (TwRef r = 1; r < body->insts.len; r++)
    if (tw_op(body, r) != TW_OP_param) map[r] = tw_opt_copy(g, body, r, map);
  for (uint32_t k = 0; k < body->results.len; k++) out[k] = map[body->results.at[k]];
}

static TwRef row(TwFn *g, TwRef t, int64_t i) {
  TwRef r = tw_index(g, t, tw_int(g, i));
  return tw_view_is(g, r) ? tw_view_direct(g, r) : r;
}

/* Results of the scan to `out`: carries, then stacks. */
static void unroll(TwPass *p, TwFn *g, const TwRegion *s, const TwFn *body, const TwRef *args, TwRef *out) {
  uint32_t n_results = s->n_carry + s->n_ys;
  TwRef *in = TW_NEW_N(&p->scratch, TwRef, body->params.len), *res = TW_NEW_N(&p->scratch, TwRef, n_results);
  TwRef *ys = TW_NEW_N(&p->scratch, TwRef, (uint64_t)s->n_ys * (uint64_t)s->trip);
  for (uint32_t k = 0; k < s->n_consts + s->n_carry; k++) in[1 + k] = args[k];
  for (int64_t step = 0; step < s->trip && !p->failed; step++) {
    int64_t i = s->reverse ? s->trip - 1 - step : step;
    in[0] = tw_int(g, i);
    for (uint32_t k = 0; k < s->n_xs; k++) {
      uint32_t at = s->n_consts + s->n_carry + k;
      in[1 + at] = row(g, args[at], i);
    }
    paste(p, g, body, in, res);
    for (uint32_t k = 0; k < s->n_carry; k++) in[1 + s->n_consts + k] = res[k];
    for (uint32_t k = 0; k < s->n_ys; k++) ys[k * s->trip + i] = res[s->n_carry + k];
    if (p->max_size && g->insts.len > p->max_size) p->failed = true;
  }
  if (p->failed) return;
  for (uint32_t k = 0; k < s->n_carry; k++) out[k] = in[1 + s->n_consts + k];
  for (uint32_t k = 0; k < s->n_ys; k++) out[s->n_carry + k] = tw_stack(g, ys + k * s->trip, (uint32_t)s->trip);
}

static bool is_short(const TwPass *p, const TwRegion *s, const TwFn *body) {
  if (s->trip < 1) return false;
  if (p->max_size) return true;
  return s->trip <= p->limits.unroll_trip && (uint64_t)s->trip * tw_fn_size(body) <= p->limits.unroll_size;
}

/* Both branches, and a choice element by element: flatten only. */
static void select_both(TwPass *p, TwFn *g, const TwFn *body, const TwFn *other, const TwRef *args, TwRef *out) {
  uint32_t n = body->results.len;
  TwRef *no = TW_NEW_N(&p->scratch, TwRef, n);
  paste(p, g, body, args + 1, out);
  paste(p, g, other, args + 1, no);
  for (uint32_t k = 0; k < n; k++) {
    TwRef c = tw_fit(g, args[0], tw_ty_with(p->m, TW_BOOL, tw_type(g, out[k])));
    out[k] = tw_select(g, c, out[k], no[k]);
  }
}

const TwFn *tw_unroll_fn(TwPass *p, const TwFn *f) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  TwRef **parts = TW_NEW_N(&p->scratch, TwRef *, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (p->failed) return f;
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (op == TW_OP_get && parts[tw_arg(f, r, 0)]) {
      map[r] = parts[tw_arg(f, r, 0)][tw_attr(f, r, 0)];
      continue;
    }
    if (!tw_opt_is_region(op)) {
      map[r] = tw_opt_copy(g, f, r, map);
      if (p->max_size && g->insts.len > p->max_size) p->failed = true;
      continue;
    }
    TwRegion region = *tw_region(f, r);
    const TwFn *body = tw_unroll_fn(p, region.body);
    const TwFn *other = region.other ? tw_unroll_fn(p, region.other) : NULL;
    bool gone = op == TW_OP_scan ? is_short(p, &region, body) : op == TW_OP_cond && p->max_size;
    if (!gone) {
      map[r] = tw_opt_with_body(p, g, f, r, map, body, other);
      continue;
    }
    uint32_t n = tw_inst(f, r)->n_args;
    TwRef *args = TW_NEW_N(&p->scratch, TwRef, n);
    for (uint32_t k = 0; k < n; k++) args[k] = map[tw_arg(f, r, k)];
    parts[r] = TW_NEW_N(&p->scratch, TwRef, tw_region_results(&region, op));
    if (op == TW_OP_scan) unroll(p, g, &region, body, args, parts[r]);
    else select_both(p, g, body, other, args, parts[r]);
  }
  return p->failed ? f : tw_opt_close(g, f, map);
}

const TwFn *tw_opt_unroll(TwModule *m, const TwFn *f, TwOptLimits l) {
  if (!tw_opt_has(f, TW_OP_scan)) return f;
  TwPass p = {.m = m, .limits = l};
  const TwFn *g = tw_unroll_fn(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}

const TwFn *tw_opt_straight(TwModule *m, const TwFn *f, uint32_t max_size) {
  TwPass p = {.m = m, .max_size = max_size};
  const TwFn *g = tw_unroll_fn(&p, tw_opt_clean(m, f));
  if (!p.failed) g = tw_opt_clean(m, g);
  tw_arena_free(&p.scratch);
  return p.failed ? NULL : g;
}

const TwFn *tw_opt_flatten(TwModule *m, const TwFn *f, uint32_t max_size) {
  TwPass p = {.m = m, .limits = {.scalar_count = INT64_MAX, .scalar_size = UINT32_MAX - 1}, .max_size = max_size};
  const TwFn *g = tw_unroll_fn(&p, tw_opt_clean(m, f));
  /* Tensors as large as this would not fit whatever is in them. */
  for (TwRef r = 1; r < g->insts.len && !p.failed; r++)
    p.failed = tw_op(g, r) != TW_OP_param && !tw_view_is(g, r) && tw_info(g, r)->count > (int64_t)max_size;
  if (!p.failed) g = tw_opt_clean(m, tw_scalarize_fn(&p, g, true));
  p.failed = p.failed || g->insts.len > max_size;
  tw_arena_free(&p.scratch);
  return p.failed ? NULL : g;
}
