/* forward_region.c: the forward rules of scan, samples and cond.
 *
 * requires: a region of which some operand has a tangent.
 * provides: its results and their tangents, in w->parts.
 *   joint      one region computes both.
 *   separated  scan     the primal scan stacks what the linear one needs and cannot get otherwise;
 *              samples  the linear region computes its primal values anew, since a value per sample is
 *                       dear to keep and the two loops over the data become one later (opt/fuse);
 *              cond     the primal cond returns what either branch's linear part needs.
 *   All three are forms over the tangent program of the body (form.c): they differ in which of its
 *   values they name as params and as results. */
#include "compiler/ad/internal.h"

/* The tangent program of one body, with refs by place. */
typedef struct Body {
  const TwFn *f, *j;    /* the body, its tangent program */
  const bool *active;   /* per param of f */
  const TwRef *dparam;  /* per param of f: the ref in j of its tangent, or 0 */
  const TwRef *dresult; /* per result of f: the same */
  bool *linear;         /* of j */
} Body;

static Body tangent_body(TwAdForward *w, const TwFn *f, const bool *active) {
  TwArena *arena = w->module->arena;
  TwAdPolicy inside = {.limits = w->policy.limits};
  if (w->policy.role == TW_AD_BLOCKS) {
    inside.role = TW_AD_BLOCK;
    inside.levels = w->policy.levels;
    inside.branch = w->policy.branch;
  }
  TwAdTangent t = tw_ad_tangent(w->module, f, active, w->separated ? &inside : NULL);
  TwRef *dparam = TW_NEW_N(arena, TwRef, f->params.len), *dresult = TW_NEW_N(arena, TwRef, f->results.len);
  bool *is_tangent = TW_NEW_N(arena, bool, t.fn->params.len);
  uint32_t n = f->params.len;
  for (uint32_t k = 0; k < f->params.len; k++)
    if (active[k] && tw_info(f, f->params.at[k])->dtype == TW_REAL) {
      is_tangent[n] = true;
      dparam[k] = t.fn->params.at[n++];
    }
  n = f->results.len;
  for (uint32_t k = 0; k < f->results.len; k++)
    if (t.nonzero[k]) dresult[k] = t.fn->results.at[n++];
  return (Body){.f = f,
                .j = t.fn,
                .active = active,
                .dparam = dparam,
                .dresult = dresult,
                .linear = tw_ad_linear(t.fn, is_tangent)};
}

static TwAdParts new_parts(TwAdForward *w, TwRef r) {
  uint32_t n = tw_region_results(tw_region(w->f, r), tw_op(w->f, r));
  return (TwAdParts){.primal = TW_NEW_N(w->module->arena, TwRef, n), .tangent = TW_NEW_N(w->module->arena, TwRef, n)};
}

void tw_ad_region_primal(TwAdForward *w, TwRef r) {
  TwAdParts parts = new_parts(w, r);
  uint32_t n = tw_region_results(tw_region(w->f, r), tw_op(w->f, r));
  TwRef region = tw_copy_inst(w->out, w->f, r, w->primal);
  for (uint32_t k = 0; k < n; k++) parts.primal[k] = tw_get(w->out, region, k);
  w->parts[r] = parts;
}

TwRef tw_ad_jvp_get(TwAdForward *w, TwRef r) { return w->parts[tw_arg(w->f, r, 0)].tangent[tw_attr(w->f, r, 0)]; }

static TwRef operand(const TwAdForward *w, TwRef r, uint32_t k) { return w->primal[tw_arg(w->f, r, k)]; }
static TwRef operand_tangent(const TwAdForward *w, TwRef r, uint32_t k) { return w->tangent[tw_arg(w->f, r, k)]; }

/* The slots of operands from … from+n-1 as values, of their tangents. `first` is the body param of the first. */
static void value_slots(TwAdForward *w, TwRef r, const Body *b, TwAdSlots *s, uint32_t from, uint32_t n,
                        uint32_t first) {
  for (uint32_t k = 0; k < n; k++) {
    TwRef p = b->j->params.at[first + k];
    tw_ad_slot(w->module, s, p, tw_type(b->j, p), operand(w, r, from + k));
  }
}
static void tangent_slots(TwAdForward *w, TwRef r, const Body *b, TwAdSlots *s, uint32_t from, uint32_t n,
                          uint32_t first) {
  for (uint32_t k = 0; k < n; k++) {
    TwRef p = b->dparam[first + k];
    if (!p) continue;
    TwRef t = tw_ad_or_zeros(w->out, operand_tangent(w, r, from + k), tw_type(w->f, tw_arg(w->f, r, from + k)));
    tw_ad_slot(w->module, s, p, tw_type(b->j, p), t);
  }
}

/* Results from … from+n-1 of the body; the tangents of those that have one, or that `must`. */
static void result_slots(TwAdForward *w, const Body *b, TwAdSlots *s, uint32_t from, uint32_t n) {
  for (uint32_t k = from; k < from + n; k++)
    tw_ad_slot(w->module, s, b->j->results.at[k], tw_type(b->j, b->j->results.at[k]), 0);
}
static void dresult_slots(TwAdForward *w, const Body *b, TwAdSlots *s, uint32_t from, uint32_t n, const TwRef *must) {
  for (uint32_t k = 0; k < n; k++)
    if (b->dresult[from + k] || (must && must[k]))
      tw_ad_slot(w->module, s, b->dresult[from + k], tw_type(b->j, b->j->results.at[from + k]), 0);
}

/* Takes the tangents of results, in the order in which dresult_slots made them, from result `at` on. A carry
 * whose tangent the body ends ends without one, though it may start with one: loops run at least once here. */
static uint32_t take_tangents(TwAdForward *w, TwRef region, uint32_t at, const Body *b, TwRef *tangent, uint32_t from,
                              uint32_t n, const TwRef *must) {
  for (uint32_t k = 0; k < n; k++)
    if (b->dresult[from + k] || (must && must[k])) {
      TwRef t = tw_get(w->out, region, at++);
      tangent[from + k] = !b->dresult[from + k] || tw_is_zero(w->out, t) ? 0 : t;
    }
  return at;
}

static uint32_t take_values(TwAdForward *w, TwRef region, uint32_t at, TwRef *primal, uint32_t from, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) primal[from + k] = tw_get(w->out, region, at++);
  return at;
}

/* ---- scan */

static bool any_flag(const bool *flags, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (flags[k]) return true;
  return false;
}

static void scan_joint(TwAdForward *w, TwRef r, const TwRegion *g, const Body *b, TwAdParts parts) {
  uint32_t c = g->n_consts, s = g->n_carry, x = g->n_xs;
  TwAdForm form = {.op = TW_OP_scan, .source = {b->j}, .trip = g->trip, .reverse = g->reverse};
  value_slots(w, r, b, &form.consts, 0, c, 1);
  tangent_slots(w, r, b, &form.consts, 0, c, 1);
  value_slots(w, r, b, &form.carries, c, s, 1 + c);
  tangent_slots(w, r, b, &form.carries, c, s, 1 + c);
  value_slots(w, r, b, &form.xs, c + s, x, 1 + c + s);
  tangent_slots(w, r, b, &form.xs, c + s, x, 1 + c + s);
  const TwRef *must = b->dparam + 1 + c;
  result_slots(w, b, &form.out_carries, 0, s);
  dresult_slots(w, b, &form.out_carries, 0, s, must);
  result_slots(w, b, &form.out_ys, s, g->n_ys);
  dresult_slots(w, b, &form.out_ys, s, g->n_ys, NULL);
  TwRef region = tw_ad_form_emit(w->out, &form);
  uint32_t at = take_values(w, region, 0, parts.primal, 0, s);
  at = take_tangents(w, region, at, b, parts.tangent, 0, s, must);
  at = take_values(w, region, at, parts.primal, s, g->n_ys);
  take_tangents(w, region, at, b, parts.tangent, s, g->n_ys, NULL);
}

/* What a primal value of the body costs the linear scan. */
static TwAdSource *scan_sources(TwAdForward *w, const TwRegion *g, const Body *b) {
  const TwFn *j = b->j;
  TwAdSource *source = TW_NEW_N(w->module->arena, TwAdSource, j->insts.len);
  bool *varies = TW_NEW_N(w->module->arena, bool, j->insts.len);
  for (uint32_t k = 0; k < b->f->params.len; k++) {
    bool is_const = k >= 1 && k < 1 + g->n_consts, is_carry = !is_const && k >= 1 && k < 1 + g->n_consts + g->n_carry;
    varies[j->params.at[k]] = !is_const;
    source[j->params.at[k]] = is_carry ? TW_AD_VARYING : TW_AD_FREE;
  }
  for (TwRef r = 1; r < j->insts.len; r++) {
    if (tw_op(j, r) == TW_OP_param) continue;
    for (uint32_t k = 0; k < tw_inst(j, r)->n_args; k++) varies[r] |= varies[tw_arg(j, r, k)];
    source[r] = tw_op(j, r) == TW_OP_const ? TW_AD_FREE : varies[r] ? TW_AD_VARYING : TW_AD_INVARIANT;
  }
  return source;
}

/* Computes the invariant values outside of the loop: hoisted[ref of j] is their ref in w->out. */
static TwRef *hoist(TwAdForward *w, TwRef r, const TwRegion *g, const Body *b, const TwAdResiduals *residuals) {
  TwRef *map = TW_NEW_N(w->module->arena, TwRef, b->j->insts.len);
  bool *need = TW_NEW_N(w->module->arena, bool, b->j->insts.len);
  bool *stops = TW_NEW_N(w->module->arena, bool, b->j->insts.len);
  for (uint32_t k = 0; k < g->n_consts; k++) map[b->j->params.at[1 + k]] = operand(w, r, k);
  tw_ad_needed(b->j, stops, residuals->invariant, residuals->n_invariant, need);
  TwSpan at = w->out->at;
  tw_ad_copy_needed(w->out, b->j, need, map);
  w->out->at = at;
  return map;
}

/* The primal scan, which also stacks the residuals: stacks[k] is the stack of residuals->kept[k]. */
static void scan_primal(TwAdForward *w, TwRef r, const TwRegion *g, const Body *b, const TwAdResiduals *residuals,
                        TwAdParts parts, TwRef *stacks) {
  uint32_t c = g->n_consts, s = g->n_carry, x = g->n_xs;
  TwAdForm form = {.op = TW_OP_scan, .source = {b->j}, .trip = g->trip, .reverse = g->reverse};
  value_slots(w, r, b, &form.consts, 0, c, 1);
  value_slots(w, r, b, &form.carries, c, s, 1 + c);
  value_slots(w, r, b, &form.xs, c + s, x, 1 + c + s);
  result_slots(w, b, &form.out_carries, 0, s);
  result_slots(w, b, &form.out_ys, s, g->n_ys);
  uint32_t *place = TW_NEW_N(w->module->arena, uint32_t, residuals->n_kept);
  for (uint32_t k = 0; k < residuals->n_kept; k++) {
    TwRef v = residuals->kept[k];
    for (place[k] = 0; place[k] < form.out_ys.len && form.out_ys.at[place[k]].inner[0] != v;) place[k]++;
    if (place[k] == form.out_ys.len) tw_ad_stacked_slot(w->module, &form.out_ys, b->j, v, 0);
  }
  TwRef region = tw_ad_form_emit(w->out, &form);
  take_values(w, region, 0, parts.primal, 0, s + g->n_ys);
  for (uint32_t k = 0; k < residuals->n_kept; k++) stacks[k] = tw_get(w->out, region, s + place[k]);
}

static void scan_separated(TwAdForward *w, TwRef r, const TwRegion *g, const Body *b, const TwAdResiduals *chosen,
                           TwAdParts parts) {
  uint32_t c = g->n_consts, s = g->n_carry, x = g->n_xs;
  TwAdResiduals residuals = *chosen;
  TwRef *stacks = TW_NEW_N(w->module->arena, TwRef, residuals.n_kept);
  scan_primal(w, r, g, b, &residuals, parts, stacks);
  TwRef *hoisted = hoist(w, r, g, b, &residuals);

  TwAdForm form = {.op = TW_OP_scan, .source = {b->j}, .trip = g->trip, .reverse = g->reverse};
  value_slots(w, r, b, &form.consts, 0, c, 1);
  for (uint32_t k = 0; k < residuals.n_invariant; k++) {
    TwRef v = residuals.invariant[k];
    tw_ad_slot(w->module, &form.consts, v, tw_type(b->j, v), hoisted[v]);
  }
  tangent_slots(w, r, b, &form.consts, 0, c, 1);
  tangent_slots(w, r, b, &form.carries, c, s, 1 + c);
  value_slots(w, r, b, &form.xs, c + s, x, 1 + c + s);
  for (uint32_t k = 0; k < residuals.n_kept; k++) {
    tw_ad_stacked_slot(w->module, &form.xs, b->j, residuals.kept[k], stacks[k]);
  }
  tangent_slots(w, r, b, &form.xs, c + s, x, 1 + c + s);
  const TwRef *must = b->dparam + 1 + c;
  dresult_slots(w, b, &form.out_carries, 0, s, must);
  dresult_slots(w, b, &form.out_ys, s, g->n_ys, NULL);
  if (!form.out_carries.len && !form.out_ys.len) return;
  TwRef region = tw_ad_form_emit(w->out, &form);
  uint32_t at = take_tangents(w, region, 0, b, parts.tangent, 0, s, must);
  take_tangents(w, region, at, b, parts.tangent, s, g->n_ys, NULL);
}

/* A loop that would keep too much is cut into blocks, or keeps its carries only. */
static TwAdParts scan_within_limits(TwAdForward *w, TwRef r, const TwRegion *g, const Body *b) {
  TwAdSource *source = scan_sources(w, g, b);
  bool carries_only = w->policy.role == TW_AD_BLOCKS;
  TwAdResiduals residuals = tw_ad_residuals(b->j, b->linear, source, carries_only);
  TwAdCut cut = {0};
  if (!carries_only) cut = tw_ad_cut(w, r, b->j, &residuals);
  if (cut.length > 1) return tw_ad_jvp_blocks(w, r, cut);
  if (cut.length == 1) residuals = tw_ad_residuals(b->j, b->linear, source, true);
  TwAdParts parts = new_parts(w, r);
  scan_separated(w, r, g, b, &residuals, parts);
  return parts;
}

/* A loop that never runs returns its carries. */
static void scan_empty(TwAdForward *w, TwRef r, const TwRegion *g) {
  tw_ad_region_primal(w, r);
  for (uint32_t k = 0; k < g->n_carry; k++) w->parts[r].tangent[k] = operand_tangent(w, r, g->n_consts + k);
}

TwRef tw_ad_jvp_scan(TwAdForward *w, TwRef r) {
  const TwRegion *g = tw_region(w->f, r);
  if (g->trip == 0) return scan_empty(w, r, g), 0;
  uint32_t n_results = g->n_carry + g->n_ys;
  bool *values = TW_NEW_N(w->module->arena, bool, w->f->insts.len);
  for (uint32_t k = 0; k < tw_inst(w->f, r)->n_args; k++) values[tw_arg(w->f, r, k)] = operand_tangent(w, r, k) != 0;
  bool *active = TW_NEW_N(w->module->arena, bool, g->body->params.len);
  bool *results = TW_NEW_N(w->module->arena, bool, n_results);
  tw_ad_region_active(w->f, r, values, active, results);
  if (!any_flag(results, n_results)) return tw_ad_region_primal(w, r), 0;
  Body b = tangent_body(w, g->body, active);
  if (w->separated) {
    w->parts[r] = scan_within_limits(w, r, g, &b);
    return 0;
  }
  TwAdParts parts = new_parts(w, r);
  scan_joint(w, r, g, &b, parts);
  w->parts[r] = parts;
  return 0;
}

/* ---- samples */

TwRef tw_ad_jvp_samples(TwAdForward *w, TwRef r) {
  const TwRegion *g = tw_region(w->f, r);
  uint32_t c = g->n_consts, s = g->n_carry, x = g->n_xs;
  bool *active = TW_NEW_N(w->module->arena, bool, c + x);
  for (uint32_t k = 0; k < c + x; k++) active[k] = operand_tangent(w, r, k) != 0;
  Body b = tangent_body(w, g->body, active);
  TwAdForm form = {.op = TW_OP_samples, .source = {b.j}, .trip = g->trip};
  value_slots(w, r, &b, &form.consts, 0, c, 0);
  tangent_slots(w, r, &b, &form.consts, 0, c, 0);
  value_slots(w, r, &b, &form.xs, c, x, c);
  tangent_slots(w, r, &b, &form.xs, c, x, c);
  if (w->separated) tw_ad_region_primal(w, r);
  else {
    w->parts[r] = new_parts(w, r);
    result_slots(w, &b, &form.out_carries, 0, s);
    result_slots(w, &b, &form.out_ys, s, g->n_ys);
  }
  TwAdParts parts = w->parts[r];
  uint32_t n_sums = form.out_carries.len, n_ys = form.out_ys.len;
  /* Tangents of sums stand after all sums, those of ys after all ys. */
  dresult_slots(w, &b, &form.out_carries, 0, s, NULL);
  dresult_slots(w, &b, &form.out_ys, s, g->n_ys, NULL);
  if (!form.out_carries.len && !form.out_ys.len) return 0;
  TwRef region = tw_ad_form_emit(w->out, &form);
  uint32_t all_sums = form.out_carries.len;
  if (!w->separated) {
    take_values(w, region, 0, parts.primal, 0, s);
    take_values(w, region, all_sums, parts.primal, s, g->n_ys);
  }
  take_tangents(w, region, n_sums, &b, parts.tangent, 0, s, NULL);
  take_tangents(w, region, all_sums + n_ys, &b, parts.tangent, s, g->n_ys, NULL);
  return 0;
}

/* ---- cond */

/* In a branch everything but params and constants is to be kept or recomputed: computing it outside
 * would run what the branch not taken should not. */
static TwAdResiduals branch_residuals(TwAdForward *w, const Body *b) {
  TwAdSource *source = TW_NEW_N(w->module->arena, TwAdSource, b->j->insts.len);
  for (TwRef r = 1; r < b->j->insts.len; r++)
    source[r] = tw_op(b->j, r) == TW_OP_param || tw_op(b->j, r) == TW_OP_const ? TW_AD_FREE : TW_AD_VARYING;
  return tw_ad_residuals(b->j, b->linear, source, false);
}

static void cond_values(TwAdForward *w, TwRef r, const Body b[2], TwAdForm *form) {
  for (uint32_t k = 0; k < b[0].f->params.len; k++)
    tw_ad_slot2(w->module, &form->consts, b[0].j->params.at[k], b[1].j->params.at[k],
                tw_type(b[0].j, b[0].j->params.at[k]), operand(w, r, k + 1));
}
static void cond_tangents(TwAdForward *w, TwRef r, const Body b[2], TwAdForm *form) {
  for (uint32_t k = 0; k < b[0].f->params.len; k++)
    if (b[0].dparam[k])
      tw_ad_slot2(w->module, &form->consts, b[0].dparam[k], b[1].dparam[k], tw_type(b[0].j, b[0].dparam[k]),
                  operand_tangent(w, r, k + 1));
}
static void cond_results(TwAdForward *w, const Body b[2], TwAdForm *form, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    tw_ad_slot2(w->module, &form->out_ys, b[0].j->results.at[k], b[1].j->results.at[k],
                tw_type(b[0].j, b[0].j->results.at[k]), 0);
}
static void cond_dresults(TwAdForward *w, const Body b[2], TwAdForm *form, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (b[0].dresult[k] || b[1].dresult[k])
      tw_ad_slot2(w->module, &form->out_ys, b[0].dresult[k], b[1].dresult[k], tw_type(b[0].j, b[0].j->results.at[k]),
                  0);
}
static void cond_take(TwAdForward *w, TwRef region, uint32_t at, const Body b[2], TwRef *tangent, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (b[0].dresult[k] || b[1].dresult[k]) {
      TwRef t = tw_get(w->out, region, at++);
      tangent[k] = tw_is_zero(w->out, t) ? 0 : t;
    }
}

/* Residuals of both branches share a place where their types agree. The slots are appended to `s`;
 * the branch not taken returns zeros in places of its own. */
static void branch_slots(TwAdForward *w, const Body b[2], const TwAdResiduals res[2], TwAdSlots *s) {
  bool *used = TW_NEW_N(w->module->arena, bool, res[1].n_kept);
  for (uint32_t k = 0; k < res[0].n_kept; k++) {
    TwRef v = res[0].kept[k];
    uint32_t o = 0;
    while (o < res[1].n_kept && (used[o] || tw_type(b[1].j, res[1].kept[o]) != tw_type(b[0].j, v))) o++;
    if (o < res[1].n_kept) used[o] = true;
    tw_ad_slot2(w->module, s, v, o < res[1].n_kept ? res[1].kept[o] : 0, tw_type(b[0].j, v), 0);
  }
  for (uint32_t o = 0; o < res[1].n_kept; o++)
    if (!used[o]) tw_ad_slot2(w->module, s, 0, res[1].kept[o], tw_type(b[1].j, res[1].kept[o]), 0);
}

static void cond_separated(TwAdForward *w, TwRef r, const Body b[2], TwAdParts parts, uint32_t n) {
  TwAdResiduals res[2] = {branch_residuals(w, &b[0]), branch_residuals(w, &b[1])};
  TwAdForm primal = {.op = TW_OP_cond, .source = {b[0].j, b[1].j}, .predicate = operand(w, r, 0)};
  cond_values(w, r, b, &primal);
  cond_results(w, b, &primal, n);
  branch_slots(w, b, res, &primal.out_ys);
  TwRef region = tw_ad_form_emit(w->out, &primal);
  take_values(w, region, 0, parts.primal, 0, n);

  TwAdForm linear = {.op = TW_OP_cond, .source = {b[0].j, b[1].j}, .predicate = operand(w, r, 0)};
  cond_values(w, r, b, &linear);
  for (uint32_t k = n; k < primal.out_ys.len; k++) {
    TwAdSlot s = primal.out_ys.at[k];
    tw_ad_slot2(w->module, &linear.consts, s.inner[0], s.inner[1], s.type, tw_get(w->out, region, k));
  }
  cond_tangents(w, r, b, &linear);
  cond_dresults(w, b, &linear, n);
  if (linear.out_ys.len) cond_take(w, tw_ad_form_emit(w->out, &linear), 0, b, parts.tangent, n);
}

TwRef tw_ad_jvp_cond(TwAdForward *w, TwRef r) {
  const TwRegion *g = tw_region(w->f, r);
  uint32_t n = g->body->results.len;
  bool *active = TW_NEW_N(w->module->arena, bool, g->n_consts);
  for (uint32_t k = 0; k < g->n_consts; k++) active[k] = operand_tangent(w, r, k + 1) != 0;
  Body b[2] = {tangent_body(w, g->body, active), tangent_body(w, g->other, active)};
  TwAdParts parts = new_parts(w, r);
  w->parts[r] = parts;
  if (w->separated) return cond_separated(w, r, b, parts, n), 0;
  TwAdForm form = {.op = TW_OP_cond, .source = {b[0].j, b[1].j}, .predicate = operand(w, r, 0)};
  cond_values(w, r, b, &form);
  cond_tangents(w, r, b, &form);
  cond_results(w, b, &form, n);
  cond_dresults(w, b, &form, n);
  TwRef region = tw_ad_form_emit(w->out, &form);
  take_values(w, region, 0, parts.primal, 0, n);
  cond_take(w, region, n, b, parts.tangent, n);
  return 0;
}
