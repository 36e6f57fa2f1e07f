/* activity.c: which values have tangents, which are linear, which receive cotangents.
 *
 * requires: verified functions.
 * provides: flags, without emitting anything. They follow data flow and operator classes only, so a
 *   flag may be true for a value that emission then finds to be zero, never the other way round.
 *   Carries of scans are solved for by fixed points, which the flags' growing monotonically ends. */
#include "compiler/ad/internal.h"

enum { NO_DERIVATIVE, HAS_DERIVATIVE };
#define CLASS_none NO_DERIVATIVE
#define CLASS_linear HAS_DERIVATIVE
#define CLASS_unary HAS_DERIVATIVE
#define CLASS_own HAS_DERIVATIVE
static const uint8_t op_class[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = CLASS_##jvp,
#include "compiler/ir/ops.def"
#undef TW_OP
};

static bool *flags(const TwFn *f, uint32_t n) { return TW_NEW_N(f->module->arena, bool, n); }

static bool is_region(TwOp op) { return op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond; }

uint32_t tw_ad_body_params(const TwFn *f, TwRef r) { return tw_region(f, r)->body->params.len; }

int64_t tw_ad_param_of_operand(const TwFn *f, TwRef r, uint32_t k) {
  TwOp op = tw_op(f, r);
  return op == TW_OP_scan ? (int64_t)k + 1 : op == TW_OP_cond ? (int64_t)k - 1 : (int64_t)k;
}

/* ---- forward: tangents */

void tw_ad_region_active(const TwFn *f, TwRef r, const bool *values, bool *body_params, bool *results) {
  const TwRegion *g = tw_region(f, r);
  uint32_t n_results = tw_region_results(g, tw_op(f, r));
  for (uint32_t k = 0; k < g->body->params.len; k++) body_params[k] = false;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    int64_t p = tw_ad_param_of_operand(f, r, k);
    if (p >= 0) body_params[p] = values[tw_arg(f, r, k)];
  }
  for (bool again = true; again;) {
    again = false;
    tw_ad_active(g->body, body_params, results);
    if (tw_op(f, r) != TW_OP_scan) break;
    for (uint32_t k = 0; k < g->n_carry; k++) {
      bool *carry = &body_params[1 + g->n_consts + k];
      if (results[k] && !*carry) *carry = again = true;
    }
  }
  if (tw_op(f, r) == TW_OP_cond) {
    bool *other = flags(f, n_results);
    tw_ad_active(g->other, body_params, other);
    for (uint32_t k = 0; k < n_results; k++) results[k] |= other[k];
  }
}

static bool any_operand(const TwFn *f, TwRef r, const bool *values) {
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++)
    if (values[tw_arg(f, r, k)]) return true;
  return false;
}

void tw_ad_active(const TwFn *f, const bool *params, bool *results) {
  bool *values = flags(f, f->insts.len);
  bool **parts = TW_NEW_N(f->module->arena, bool *, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++)
    values[f->params.at[k]] = params[k] && tw_info(f, f->params.at[k])->dtype == TW_REAL;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_get) {
      bool *part = parts[tw_arg(f, r, 0)];
      values[r] = part && part[tw_attr(f, r, 0)];
    } else if (!any_operand(f, r, values)) {
      continue;
    } else if (is_region(op)) {
      parts[r] = flags(f, tw_region_results(tw_region(f, r), op));
      tw_ad_region_active(f, r, values, flags(f, tw_ad_body_params(f, r)), parts[r]);
    } else {
      values[r] = op_class[op] == HAS_DERIVATIVE && tw_info(f, r)->dtype == TW_REAL;
    }
  }
  for (uint32_t k = 0; k < f->results.len; k++) results[k] = values[f->results.at[k]];
}

/* ---- the linear part of a tangent program */

bool *tw_ad_linear(const TwFn *f, const bool *params) {
  bool *values = flags(f, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) values[f->params.at[k]] = params[k];
  for (TwRef r = 1; r < f->insts.len; r++) values[r] |= any_operand(f, r, values);
  return values;
}

bool *tw_ad_region_linear(const TwFn *f, TwRef r, const bool *linear) {
  const TwRegion *g = tw_region(f, r);
  bool *params = flags(f, g->body->params.len);
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    int64_t p = tw_ad_param_of_operand(f, r, k);
    if (p >= 0) params[p] = linear[tw_arg(f, r, k)];
  }
  if (tw_op(f, r) == TW_OP_scan)
    for (uint32_t k = 0; k < g->n_carry; k++) params[1 + g->n_consts + k] = true;
  return params;
}

/* ---- backward: cotangents */

void tw_ad_region_reached(const TwFn *f, TwRef r, const bool *linear, bool *seeds, bool *body_params) {
  const TwRegion *g = tw_region(f, r);
  bool *params = tw_ad_region_linear(f, r, linear);
  bool *body_linear = tw_ad_linear(g->body, params);
  for (bool again = true; again;) {
    again = false;
    tw_ad_reached(g->body, body_linear, seeds, body_params);
    if (tw_op(f, r) != TW_OP_scan) break;
    for (uint32_t k = 0; k < g->n_carry; k++)
      if (body_params[1 + g->n_consts + k] && !seeds[k]) seeds[k] = again = true;
  }
  if (tw_op(f, r) == TW_OP_cond) {
    bool *other = flags(f, g->body->params.len);
    tw_ad_reached(g->other, tw_ad_linear(g->other, params), seeds, other);
    for (uint32_t k = 0; k < g->body->params.len; k++) body_params[k] |= other[k];
  }
}

static void mark_region(const TwFn *f, TwRef r, const bool *linear, bool *seeds, bool *hit) {
  bool *params = flags(f, tw_ad_body_params(f, r));
  tw_ad_region_reached(f, r, linear, seeds, params);
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    int64_t p = tw_ad_param_of_operand(f, r, k);
    if (p >= 0 && params[p] && linear[tw_arg(f, r, k)]) hit[tw_arg(f, r, k)] = true;
  }
}

void tw_ad_reached(const TwFn *f, const bool *linear, const bool *seeds, bool *params) {
  bool *hit = flags(f, f->insts.len);
  bool **parts = TW_NEW_N(f->module->arena, bool *, f->insts.len);
  for (uint32_t k = 0; k < f->results.len; k++)
    if (seeds[k] && linear[f->results.at[k]]) hit[f->results.at[k]] = true;
  for (TwRef r = f->insts.len; r-- > 1;) {
    if (!linear[r]) continue;
    if (parts[r]) mark_region(f, r, linear, parts[r], hit);
    if (!hit[r]) continue;
    if (tw_op(f, r) == TW_OP_get) {
      TwRef region = tw_arg(f, r, 0);
      if (!parts[region]) parts[region] = flags(f, tw_region_results(tw_region(f, region), tw_op(f, region)));
      parts[region][tw_attr(f, r, 0)] = true;
      continue;
    }
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++)
      if (linear[tw_arg(f, r, k)]) hit[tw_arg(f, r, k)] = true;
  }
  for (uint32_t k = 0; k < f->params.len; k++) params[k] = hit[f->params.at[k]];
}
