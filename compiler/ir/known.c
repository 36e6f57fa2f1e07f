/* known.c: literals, and what follows from them.
 *
 * A TwKnown says that every element of a value is one literal. tw_known_eval is constant folding;
 * tw_known_results carries literals through a whole function without rebuilding it, which is how a
 * loop finds out that a carried zero stays zero.
 * requires: sealed bodies.   provides: answers only; nothing is emitted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"
#include "compiler/ir/scalar.h"

bool tw_literal(const TwFn *f, TwRef r, TwKnown *k) {
  *k = (TwKnown){0};
  if (tw_op(f, r) != TW_OP_const) return false;
  k->is = true;
  int64_t bits = tw_attr(f, r, 0);
  if (tw_info(f, r)->dtype == TW_REAL) memcpy(&k->real, &bits, sizeof bits);
  else k->whole = bits;
  return true;
}

bool tw_is_const(const TwFn *f, TwRef r, double *value) {
  TwKnown k;
  if (!tw_literal(f, r, &k)) return false;
  if (value) *value = tw_info(f, r)->dtype == TW_REAL ? k.real : (double)k.whole;
  return true;
}

bool tw_is_zero(const TwFn *f, TwRef r) { return tw_op(f, r) == TW_OP_const && tw_attr(f, r, 0) == 0; }

/* A literal zero: +0. -0 comes from rounding and is a number like others. */
static bool zero(const TwKnown *k) { return k->is && k->whole == 0 && k->real == 0 && !signbit(k->real); }
static bool same(const TwKnown *a, const TwKnown *b) {
  return a->is && b->is && a->whole == b->whole && memcmp(&a->real, &b->real, sizeof a->real) == 0;
}

/* What is known although not all operands are. */
static bool absorb(TwOp op, TwDtype d, const TwKnown *a, TwKnown *out) {
  *out = (TwKnown){.is = true};
  switch ((int)op) {
    case TW_OP_mul:
    case TW_OP_mul0: return zero(&a[0]) || zero(&a[1]);
    case TW_OP_div: return zero(&a[0]) && !(d == TW_REAL && a[1].is && a[1].real == 0);
    case TW_OP_and: return zero(&a[0]) || zero(&a[1]);
    case TW_OP_or: out->whole = 1; return (a[0].is && a[0].whole) || (a[1].is && a[1].whole);
    case TW_OP_fma: *out = a[2]; return a[2].is && (zero(&a[0]) || zero(&a[1]));
    case TW_OP_select: *out = a[0].is && !a[0].whole ? a[2] : a[1]; return a[0].is ? out->is : same(&a[1], &a[2]);
    case TW_OP_neg: return zero(&a[0]);
    case TW_OP_along: *out = a[0]; return a[0].is && a[1].is;
  }
  return false;
}

bool tw_known_eval(TwOp op, TwDtype d, const TwKnown *a, TwKnown *out) {
  const TwOpInfo *o = tw_op_info(op);
  if (o->shape == TW_SHAPE_own || o->shape == TW_SHAPE_leaf) return false;
  if (absorb(op, d, a, out)) return true;
  for (int k = 0; k < o->arity; k++)
    if (!a[k].is) return false;
  *out = (TwKnown){.is = true};
  if (op == TW_OP_stop || op == TW_OP_along) out->real = a[0].real;
  else if (op == TW_OP_fma) out->real = fma(a[0].real, a[1].real, a[2].real);
  else if (op == TW_OP_not) out->whole = !a[0].whole;
  else if (op == TW_OP_to_real) out->real = (double)a[0].whole;
  else if (op == TW_OP_to_int) out->whole = d == TW_REAL ? tw_real_to_int(a[0].real) : a[0].whole;
  else if (tw_is_compare(op))
    out->whole = d == TW_REAL ? tw_compare_f64(op, a[0].real, a[1].real) : tw_compare_int(op, a[0].whole, a[1].whole);
  else if (tw_is_scalar1(op) && d == TW_REAL) out->real = tw_scalar1_f64(op, a[0].real);
  else if (tw_is_scalar1(op)) out->whole = tw_scalar1_int(op, a[0].whole);
  else if (tw_is_scalar2(op) && d == TW_REAL) out->real = tw_scalar2_f64(op, a[0].real, a[1].real);
  else if (tw_is_scalar2(op)) out->whole = tw_scalar2_int(op, a[0].whole, a[1].whole);
  else return false;
  return true;
}

/* ---- through functions */

static void known_region(const TwFn *f, TwRef r, const TwKnown *val, TwKnown **parts) {
  const TwInst *in = tw_inst(f, r);
  const TwRegion *g = tw_region(f, r);
  TwOp op = (TwOp)in->op;
  uint32_t skip = tw_region_skip(op), lead = tw_region_lead(op), n = in->n_args - skip;
  uint32_t n_results = tw_region_results(g, op);
  TwKnown *params = tw_scratch(n + lead, sizeof *params), *out = tw_scratch(n_results, sizeof *out);
  for (uint32_t k = 0; k < n; k++) params[lead + k] = val[tw_arg(f, r, skip + k)];
  if (op == TW_OP_scan) {
    bool *keeps = tw_scratch(g->n_carry, sizeof *keeps);
    tw_known_carries(g, params + lead, keeps);
    for (uint32_t k = 0; k < g->n_carry; k++)
      if (!keeps[k]) params[lead + g->n_consts + k].is = false;
    free(keeps);
  }
  tw_known_results(g->body, params, out);
  for (uint32_t k = 0; op == TW_OP_samples && k < g->n_carry; k++) out[k].is = out[k].is && zero(&out[k]);
  if (op == TW_OP_cond) {
    TwKnown *other = tw_scratch(n_results, sizeof *other);
    tw_known_results(g->other, params, other);
    const TwKnown *pred = &val[tw_arg(f, r, 0)];
    for (uint32_t k = 0; k < n_results; k++) {
      if (pred->is && !pred->whole) out[k] = other[k];
      else if (!pred->is) out[k].is = same(&out[k], &other[k]);
    }
    free(other);
  }
  free(params);
  *parts = out;
}

static TwKnown known_inst(const TwFn *f, TwRef r, const TwKnown *val, TwKnown *const *parts) {
  const TwInst *in = tw_inst(f, r);
  const TwKnown *a = in->n_args ? &val[tw_arg(f, r, 0)] : NULL;
  TwKnown none = {0}, out;
  switch ((int)in->op) {
    case TW_OP_const: tw_literal(f, r, &out); return out;
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice:
    case TW_OP_index:
    case TW_OP_rmax:
    case TW_OP_rmin: return *a;
    case TW_OP_pad:
    case TW_OP_sum: return zero(a) ? *a : none;
    case TW_OP_dot: return zero(a) ? *a : zero(&val[tw_arg(f, r, 1)]) ? val[tw_arg(f, r, 1)] : none;
    case TW_OP_add_at: return zero(&val[tw_arg(f, r, 2)]) ? *a : none;
    case TW_OP_concat:
      for (uint32_t k = 1; k < in->n_args; k++)
        if (!same(a, &val[tw_arg(f, r, k)])) return none;
      return *a;
    case TW_OP_get: return parts[tw_arg(f, r, 0)][tw_attr(f, r, 0)];
  }
  TwKnown args[3] = {0};
  if (tw_op_info((TwOp)in->op)->arity < 1 || tw_op_info((TwOp)in->op)->shape == TW_SHAPE_own) return none;
  for (uint32_t k = 0; k < in->n_args; k++) args[k] = val[tw_arg(f, r, k)];
  return tw_known_eval((TwOp)in->op, tw_info(f, tw_arg(f, r, 0))->dtype, args, &out) ? out : none;
}

void tw_known_results(const TwFn *f, const TwKnown *params, TwKnown *results) {
  uint32_t n = f->insts.len;
  TwKnown *val = tw_scratch(n, sizeof *val);
  TwKnown **parts = tw_scratch(n, sizeof *parts);
  for (uint32_t k = 0; k < f->params.len; k++) val[f->params.at[k]] = params[k];
  for (TwRef r = 1; r < n; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    if (tw_is_region_op(tw_op(f, r))) known_region(f, r, val, &parts[r]);
    else val[r] = known_inst(f, r, val, parts);
  }
  for (uint32_t k = 0; k < f->results.len; k++) results[k] = val[f->results.at[k]];
  for (TwRef r = 1; r < n; r++) free(parts[r]);
  free(parts);
  free(val);
}

/* Assumes that all of them stay, and drops those for which the body proves otherwise until none is. */
void tw_known_carries(const TwRegion *g, TwKnown *operands, bool *keeps) {
  uint32_t n = g->n_consts + g->n_carry + g->n_xs;
  TwKnown *params = tw_scratch(n + 1, sizeof *params);
  TwKnown *out = tw_scratch(g->body->results.len, sizeof *out);
  memcpy(params + 1, operands, n * sizeof *params);
  bool any = false, changed = true;
  for (uint32_t k = 0; k < g->n_carry; k++) any |= keeps[k] = operands[g->n_consts + k].is;
  while (any && changed) {
    tw_known_results(g->body, params, out);
    any = changed = false;
    for (uint32_t k = 0; k < g->n_carry; k++) {
      TwKnown *p = &params[1 + g->n_consts + k];
      if (keeps[k] && !same(p, &out[k])) p->is = keeps[k] = false, changed = true;
      any |= keeps[k];
    }
  }
  free(params);
  free(out);
}
