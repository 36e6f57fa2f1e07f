/* transpose_region.c: the transposes of linear scan, samples and cond.
 *
 * requires: a linear region (all its results are linear) of which some result has a cotangent.
 * provides: the region that runs the other way, and its results sent to the linear operands:
 *   scan     in the opposite direction; cotangents of carries are carries, those of consts are
 *            accumulated in carries that start from what the const has received so far, those of xs are ys;
 *   samples  cotangents of consts are sums, those of xs are ys;
 *   cond     each branch returns the cotangents of the consts. */
#include "compiler/ad/internal.h"

/* The transposed body under construction, and the form around it. For each linear param of the body
 * `acc` is where its cotangent starts from, and `bound` the same or, for primal params, the value. */
typedef struct Reverse {
  TwFn *body;
  TwRef *bound, *seeds, *cotangents;
} Reverse;

static Reverse new_reverse(TwAdBackward *w, const TwFn *body) {
  TwArena *arena = w->module->arena;
  return (Reverse){.body = tw_fn_new(w->module, body->name),
                   .bound = TW_NEW_N(arena, TwRef, body->params.len),
                   .seeds = TW_NEW_N(arena, TwRef, body->results.len),
                   .cotangents = TW_NEW_N(arena, TwRef, body->params.len)};
}

static TwRef operand_value(const TwAdBackward *w, TwRef r, uint32_t k) { return w->value[tw_arg(w->f, r, k)]; }

/* A new param of the transposed body, and the slot for it. Inner refs hold until the body is sealed:
 * sealing keeps the order of params, so they are looked up again by position afterwards. */
static TwRef slot_param(TwAdBackward *w, Reverse *v, TwAdSlots *s, TwTy type, TwRef outer) {
  TwRef p = tw_param(v->body, type);
  tw_ad_slot(w->module, s, v->body->params.len - 1, type, outer);
  return p;
}

/* Slots carry positions while the body is built; this turns them into refs of the sealed body. */
static void resolve(TwAdSlots *s, const TwFn *sealed, uint32_t branch) {
  for (uint32_t k = 0; k < s->len; k++) s->at[k].inner[branch] = sealed->params.at[s->at[k].inner[branch]];
}

static void primal_slots(TwAdBackward *w, TwRef r, Reverse *v, const TwFn *body, const bool *params, TwAdSlots *s,
                         uint32_t from, uint32_t n) {
  for (uint32_t k = from; k < from + n; k++) {
    int64_t p = tw_ad_param_of_operand(w->f, r, k);
    if (!params[p]) v->bound[p] = slot_param(w, v, s, tw_type(body, body->params.at[p]), operand_value(w, r, k));
  }
}

/* The cotangents of results from … from+n-1 that are there, as operands of the given kind. */
static void seed_slots(TwAdBackward *w, TwRef r, Reverse *v, const TwFn *body, TwAdSlots *s, uint32_t from,
                       uint32_t n) {
  for (uint32_t k = from; k < from + n; k++)
    if (w->parts[r][k]) v->seeds[k] = slot_param(w, v, s, tw_type(body, body->results.at[k]), w->parts[r][k]);
}

/* ---- scan */

typedef struct ScanBack {
  const TwRegion *g;
  bool *params, *reached, *carried; /* linear params, those that receive, carries whose cotangent is carried */
} ScanBack;

static ScanBack scan_analysis(TwAdBackward *w, TwRef r) {
  const TwRegion *g = tw_region(w->f, r);
  ScanBack s = {.g = g, .params = tw_ad_region_linear(w->f, r, w->linear)};
  s.reached = TW_NEW_N(w->module->arena, bool, g->body->params.len);
  s.carried = TW_NEW_N(w->module->arena, bool, g->n_carry + g->n_ys);
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) s.carried[k] = w->parts[r][k] != 0;
  tw_ad_region_reached(w->f, r, w->linear, s.carried, s.reached);
  return s;
}

/* Where the accumulator of linear const k starts: from what its operand has received so far, which
 * the accumulator takes over. (The same operand may stand twice: the second starts from zero.) */
static TwRef take_over(TwAdBackward *w, TwRef operand) {
  TwRef start = tw_ad_or_zeros(w->out, w->cotangent[operand], tw_type(w->f, operand));
  w->cotangent[operand] = 0;
  return start;
}

static void scan_params(TwAdBackward *w, TwRef r, const ScanBack *s, Reverse *v, TwAdForm *form) {
  const TwRegion *g = s->g;
  const TwFn *body = g->body;
  uint32_t c = g->n_consts;
  v->bound[0] = tw_param(v->body, tw_ty_scalar(w->module, TW_INT));
  primal_slots(w, r, v, body, s->params, &form->consts, 0, c);
  for (uint32_t k = 0; k < g->n_carry; k++)
    if (s->carried[k]) {
      TwTy type = tw_type(body, body->results.at[k]);
      v->seeds[k] = slot_param(w, v, &form->carries, type, tw_ad_or_zeros(w->out, w->parts[r][k], type));
    }
  for (uint32_t k = 0; k < c; k++)
    if (s->reached[1 + k])
      v->bound[1 + k] = slot_param(w, v, &form->carries, tw_type(body, body->params.at[1 + k]),
                                   take_over(w, tw_arg(w->f, r, k)));
  primal_slots(w, r, v, body, s->params, &form->xs, c + g->n_carry, g->n_xs);
  seed_slots(w, r, v, body, &form->xs, g->n_carry, g->n_ys);
}

static void scan_result(TwAdBackward *w, Reverse *v, TwAdSlots *s, TwRef t, TwTy type) {
  tw_result(v->body, tw_ad_or_zeros(v->body, t, type));
  tw_ad_slot(w->module, s, v->body->results.len - 1, type, 0);
}

static void resolve_results(TwAdSlots *s, const TwFn *sealed, uint32_t branch) {
  for (uint32_t k = 0; k < s->len; k++) s->at[k].inner[branch] = sealed->results.at[s->at[k].inner[branch]];
}

static void scan_results(TwAdBackward *w, const ScanBack *s, Reverse *v, TwAdForm *form) {
  const TwRegion *g = s->g;
  const TwFn *body = g->body;
  uint32_t c = g->n_consts, first_x = 1 + c + g->n_carry;
  for (uint32_t k = 0; k < g->n_carry; k++)
    if (s->carried[k])
      scan_result(w, v, &form->out_carries, v->cotangents[1 + c + k], tw_type(body, body->params.at[1 + c + k]));
  for (uint32_t k = 0; k < c; k++)
    if (s->reached[1 + k])
      scan_result(w, v, &form->out_carries, v->cotangents[1 + k], tw_type(body, body->params.at[1 + k]));
  for (uint32_t k = 0; k < g->n_xs; k++)
    if (v->cotangents[first_x + k])
      scan_result(w, v, &form->out_ys, v->cotangents[first_x + k], tw_type(body, body->params.at[first_x + k]));
}

/* Sends the results on, in the order in which scan_results made them. Accumulators come before the
 * carries' start values, because they take over what an operand has received. */
static void scan_send(TwAdBackward *w, TwRef r, const ScanBack *s, const Reverse *v, TwRef region) {
  const TwRegion *g = s->g;
  uint32_t at = 0, n_carried = 0, first_x = 1 + g->n_consts + g->n_carry;
  for (uint32_t k = 0; k < g->n_carry; k++) n_carried += s->carried[k];
  at = n_carried;
  for (uint32_t k = 0; k < g->n_consts; k++)
    if (s->reached[1 + k]) tw_ad_send(w, tw_arg(w->f, r, k), tw_get(w->out, region, at++));
  uint32_t carry = 0;
  for (uint32_t k = 0; k < g->n_carry; k++)
    if (s->carried[k]) tw_ad_send(w, tw_arg(w->f, r, g->n_consts + k), tw_get(w->out, region, carry++));
  for (uint32_t k = 0; k < g->n_xs; k++)
    if (v->cotangents[first_x + k])
      tw_ad_send(w, tw_arg(w->f, r, g->n_consts + g->n_carry + k), tw_get(w->out, region, at++));
}

void tw_ad_transpose_scan(TwAdBackward *w, TwRef r) {
  ScanBack s = scan_analysis(w, r);
  Reverse v = new_reverse(w, s.g->body);
  TwAdForm form = {.op = TW_OP_scan, .trip = s.g->trip, .reverse = !s.g->reverse};
  if (tw_ad_mutated(TW_OP_scan, TW_MUTATE_VJP_REGION)) form.reverse = s.g->reverse;
  scan_params(w, r, &s, &v, &form);
  tw_ad_transpose(v.body, s.g->body, s.params, v.bound, v.seeds, NULL, v.cotangents);
  scan_results(w, &s, &v, &form);
  if (!form.out_carries.len && !form.out_ys.len) return;
  const TwFn *sealed = form.source[0] = tw_fn_seal(v.body);
  resolve(&form.consts, sealed, 0);
  resolve(&form.carries, sealed, 0);
  resolve(&form.xs, sealed, 0);
  resolve_results(&form.out_carries, sealed, 0);
  resolve_results(&form.out_ys, sealed, 0);
  scan_send(w, r, &s, &v, tw_ad_form_emit(w->out, &form));
}

/* ---- samples */

/* The result that alone has a cotangent and is a scalar sum, or -1. Then the loop runs with the
 * cotangent 1 and its sums are scaled outside: the backward loop does not wait for the forward one's
 * result, so that the two can become one. */
static int64_t single_scalar_sum(TwAdBackward *w, TwRef r, const TwRegion *g) {
  int64_t found = -1;
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) {
    if (!w->parts[r][k]) continue;
    if (found >= 0 || k >= g->n_carry || tw_info(g->body, g->body->results.at[k])->rank != 0) return -1;
    found = k;
  }
  return found;
}

static TwRef scaled(TwAdBackward *w, TwRef scale, TwRef v) {
  if (!scale || tw_ad_mutated(TW_OP_samples, TW_MUTATE_VJP_REGION)) return v;
  return tw_ad_scale_strong(w->out, tw_fit(w->out, scale, tw_type(w->out, v)), v);
}

void tw_ad_transpose_samples(TwAdBackward *w, TwRef r) {
  const TwRegion *g = tw_region(w->f, r);
  const TwFn *body = g->body;
  bool *params = tw_ad_region_linear(w->f, r, w->linear);
  Reverse v = new_reverse(w, body);
  TwAdForm form = {.op = TW_OP_samples, .trip = g->trip};
  int64_t single = single_scalar_sum(w, r, g);
  TwRef scale = single >= 0 ? w->parts[r][single] : 0;
  primal_slots(w, r, &v, body, params, &form.consts, 0, g->n_consts);
  if (single < 0) seed_slots(w, r, &v, body, &form.consts, 0, g->n_carry);
  primal_slots(w, r, &v, body, params, &form.xs, g->n_consts, g->n_xs);
  if (single < 0) seed_slots(w, r, &v, body, &form.xs, g->n_carry, g->n_ys);
  else v.seeds[single] = tw_real(v.body, 1);
  tw_ad_transpose(v.body, body, params, v.bound, v.seeds, NULL, v.cotangents);
  for (uint32_t k = 0; k < g->n_consts + g->n_xs; k++)
    if (v.cotangents[k])
      scan_result(w, &v, k < g->n_consts ? &form.out_carries : &form.out_ys, v.cotangents[k],
                  tw_type(body, body->params.at[k]));
  if (!form.out_carries.len && !form.out_ys.len) return;
  const TwFn *sealed = form.source[0] = tw_fn_seal(v.body);
  resolve(&form.consts, sealed, 0);
  resolve(&form.xs, sealed, 0);
  resolve_results(&form.out_carries, sealed, 0);
  resolve_results(&form.out_ys, sealed, 0);
  TwRef region = tw_ad_form_emit(w->out, &form);
  uint32_t at = 0;
  for (uint32_t k = 0; k < g->n_consts + g->n_xs; k++)
    if (v.cotangents[k]) tw_ad_send(w, tw_arg(w->f, r, k), scaled(w, scale, tw_get(w->out, region, at++)));
}

/* ---- cond */

/* Both branches get the same params in the same order, so that a slot has one position. */
static void cond_params(TwAdBackward *w, TwRef r, const bool *params, const bool *through, const TwRef *start,
                        const TwFn *body, Reverse *v, TwAdSlots *s) {
  const TwRegion *g = tw_region(w->f, r);
  primal_slots(w, r, v, body, params, s, 1, g->n_consts);
  seed_slots(w, r, v, body, s, 0, g->n_ys);
  for (uint32_t k = 0; k < g->n_consts; k++)
    if (through[k]) v->bound[k] = slot_param(w, v, s, tw_type(body, body->params.at[k]), start[k]);
}

static const TwFn *cond_branch(TwAdBackward *w, TwRef r, const bool *params, const bool *through, const TwRef *start,
                               const bool *reached, const TwFn *body, TwAdSlots *s) {
  Reverse v = new_reverse(w, body);
  cond_params(w, r, params, through, start, body, &v, s);
  tw_ad_transpose(v.body, body, params, v.bound, v.seeds, NULL, v.cotangents);
  for (uint32_t k = 0; k < body->params.len; k++)
    if (reached[k]) tw_result(v.body, tw_ad_or_zeros(v.body, v.cotangents[k], tw_type(body, body->params.at[k])));
  return tw_fn_seal(v.body);
}

void tw_ad_transpose_cond(TwAdBackward *w, TwRef r) {
  const TwRegion *g = tw_region(w->f, r);
  TwArena *arena = w->module->arena;
  uint32_t c = g->n_consts;
  bool *params = tw_ad_region_linear(w->f, r, w->linear);
  bool *reached = TW_NEW_N(arena, bool, c), *seeds = TW_NEW_N(arena, bool, g->n_ys);
  bool *through = TW_NEW_N(arena, bool, c);
  TwRef *start = TW_NEW_N(arena, TwRef, c);
  for (uint32_t k = 0; k < g->n_ys; k++) seeds[k] = w->parts[r][k] != 0;
  tw_ad_region_reached(w->f, r, w->linear, seeds, reached);
  /* A tensor that has received something goes through the branches, so that a branch that reads one
   * row of it adds to that row. */
  for (uint32_t k = 0; k < c; k++) {
    TwRef o = tw_arg(w->f, r, k + 1);
    through[k] = reached[k] && w->cotangent[o] && tw_info(w->f, o)->rank > 0;
    if (through[k]) start[k] = take_over(w, o);
  }
  TwAdForm form = {.op = TW_OP_cond, .predicate = operand_value(w, r, 0)};
  TwAdSlots twin = {0};
  form.source[0] = cond_branch(w, r, params, through, start, reached, g->body, &form.consts);
  form.source[1] = cond_branch(w, r, params, through, start, reached, g->other, &twin);
  if (tw_ad_mutated(TW_OP_cond, TW_MUTATE_VJP_REGION)) form.source[0] = form.source[1];
  for (uint32_t k = 0; k < twin.len; k++) form.consts.at[k].inner[1] = twin.at[k].inner[0];
  resolve(&form.consts, form.source[0], 0);
  resolve(&form.consts, form.source[1], 1);
  uint32_t n = 0;
  for (uint32_t k = 0; k < c; k++)
    if (reached[k]) {
      tw_ad_slot2(w->module, &form.out_ys, form.source[0]->results.at[n], form.source[1]->results.at[n],
                  tw_type(g->body, g->body->params.at[k]), 0);
      n++;
    }
  if (!n) return;
  TwRef region = tw_ad_form_emit(w->out, &form);
  n = 0;
  for (uint32_t k = 0; k < c; k++)
    if (reached[k]) tw_ad_send(w, tw_arg(w->f, r, k + 1), tw_get(w->out, region, n++));
}
