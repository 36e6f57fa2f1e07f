/* fold_region.c: what a region simplifies to while it is emitted. The laws of fold.c hold.
 *
 * A loop of no iteration, a scan of one and a branch that is decided disappear. In the others
 *   - a literal operand moves into the body, equal operands become one, unused ones go;
 *   - a sliced operand that is alike for all iterations becomes a constant one, one that counts the
 *     iterations becomes the counter;
 *   - a carry that the body hands on unchanged, or that provably keeps a literal, is its start;
 *   - a result that does not depend on the iteration is made outside, equal results become one.
 * The region that is left is emitted again until nothing changes; each round has fewer operands or
 * results, or fewer sliced operands. The results are handed back as a bundle. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"

/* ---- regions that disappear */

static TwRef loop_of_none(TwFn *f, const TwProto *p) {
  const TwRegion *r = p->region;
  uint32_t n = tw_region_results(r, p->op);
  TwRef *parts = tw_scratch(n, sizeof *parts);
  for (uint32_t k = 0; k < n; k++) {
    bool start = p->op == TW_OP_scan && k < r->n_carry;
    parts[k] = start ? p->args[r->n_consts + k] : tw_zeros(f, tw_region_result_type(f->module, p->op, r, k));
  }
  TwRef b = tw_bundle(f, parts, n);
  free(parts);
  return b;
}

static TwRef scan_of_one(TwFn *f, const TwProto *p) {
  const TwRegion *r = p->region;
  uint32_t n = r->n_carry + r->n_ys;
  TwRef *args = tw_scratch(p->n_args + 1, sizeof *args), *parts = tw_scratch(n, sizeof *parts);
  args[0] = tw_int(f, 0);
  for (uint32_t k = 0; k < p->n_args; k++) {
    bool sliced = k >= r->n_consts + r->n_carry;
    args[k + 1] = sliced ? tw_reshape(f, p->args[k], tw_type(r->body, r->body->params.at[k + 1])) : p->args[k];
  }
  tw_inline(f, r->body, args, parts);
  for (uint32_t k = r->n_carry; k < n; k++)
    parts[k] = tw_reshape(f, parts[k], tw_ty_lead(f->module, 1, tw_type(f, parts[k])));
  TwRef b = tw_bundle(f, parts, n);
  free(args);
  free(parts);
  return b;
}

static TwRef branch_taken(TwFn *f, const TwProto *p, const TwFn *body) {
  TwRef *parts = tw_scratch(body->results.len, sizeof *parts);
  tw_inline(f, body, p->args + 1, parts);
  TwRef b = tw_bundle(f, parts, body->results.len);
  free(parts);
  return b;
}

static TwRef disappears(TwFn *f, const TwProto *p) {
  TwKnown k;
  if (p->op == TW_OP_cond) {
    if (tw_literal(f, p->args[0], &k)) return branch_taken(f, p, k.whole ? p->region->body : p->region->other);
    return tw_fn_equal(p->region->body, p->region->other) ? branch_taken(f, p, p->region->body) : 0;
  }
  if (p->region->trip == 0) return loop_of_none(f, p);
  return p->op == TW_OP_scan && p->region->trip == 1 ? scan_of_one(f, p) : 0;
}

/* ---- operands */

/* Carries that stay what they were at the start. */
static bool settle_carries(TwFn *f, TwNarrow *n, TwRef *value) {
  const TwRegion *r = &n->region;
  if (n->op != TW_OP_scan) return false;
  TwKnown *known = tw_scratch(n->n_operands, sizeof *known);
  bool *keeps = tw_scratch(r->n_carry, sizeof *keeps), changed = false;
  for (uint32_t k = 0; k < n->n_operands; k++) tw_literal(f, n->operands[k].with, &known[k]);
  tw_known_carries(r, known, keeps);
  for (uint32_t k = 0; k < r->n_carry; k++) {
    TwOperand *a = &n->operands[r->n_consts + k];
    bool same = r->body->results.at[k] == r->body->params.at[1 + r->n_consts + k];
    if (!same && !keeps[k]) continue;
    a->group = TW_CONSTS;
    value[k] = a->with;
    n->want[k] = false;
    changed = true;
  }
  free(keeps);
  free(known);
  return changed;
}

/* A broadcast that does not depend on its leading axis, without that axis; 0: it is none. */
static TwRef alike(TwFn *f, TwRef x) {
  if (tw_op(f, x) != TW_OP_broadcast) return 0;
  uint32_t n = tw_inst(f, x)->n_attrs;
  int64_t axes[TW_MAX_RANK];
  for (uint32_t k = 0; k < n; k++) {
    axes[k] = tw_attr(f, x, k) - 1;
    if (axes[k] < 0) return 0;
  }
  return tw_broadcast(f, tw_arg(f, x, 0), tw_ty_tail(f->module, tw_type(f, x)), axes);
}

static bool settle_operand(TwFn *f, const TwNarrow *n, TwOperand *a) {
  if (a->group == TW_CARRIES) return false;
  if (tw_op(f, a->with) == TW_OP_const) {
    a->fate = TW_LITERAL;
    return true;
  }
  if (a->group != TW_XS) return false;
  if (n->op == TW_OP_scan && tw_op(f, a->with) == TW_OP_iota) {
    a->fate = TW_COUNTER;
    return true;
  }
  TwRef row = alike(f, a->with);
  if (!row) return false;
  a->group = TW_CONSTS;
  a->with = row;
  settle_operand(f, n, a); /* the row may be a literal by now */
  return true;
}

/* Operands of one group with one value become one. */
static bool merge_operands(TwNarrow *n) {
  uint32_t cap = 4;
  while (cap < 2 * n->n_operands) cap *= 2;
  uint32_t *slots = tw_scratch(cap, sizeof *slots); /* operand numbers plus 1, by value and group */
  bool changed = false;
  for (uint32_t k = 0; k < n->n_operands; k++) {
    TwOperand *a = &n->operands[k];
    if (a->fate != TW_KEEP || a->group == TW_CARRIES) continue;
    uint32_t at = (a->with * 0x9e3779b1u + (uint32_t)a->group) & (cap - 1);
    for (; slots[at]; at = (at + 1) & (cap - 1)) {
      const TwOperand *b = &n->operands[slots[at] - 1];
      if (b->with == a->with && b->group == a->group) break;
    }
    if (slots[at]) {
      a->fate = TW_SAME;
      a->same = slots[at] - 1;
      changed = true;
    } else {
      slots[at] = k + 1;
    }
  }
  free(slots);
  return changed;
}

/* ---- results */

/* The operand that result r of the body is, or UINT32_MAX; the counter of a scan is none. */
static uint32_t operand_of(const TwNarrow *n, const TwFn *b, TwRef r) {
  uint32_t lead = tw_region_lead(n->op);
  if (tw_op(b, r) != TW_OP_param || tw_attr(b, r, 0) < lead) return UINT32_MAX;
  uint32_t k = (uint32_t)tw_attr(b, r, 0) - lead;
  return n->operands[k].fate == TW_SAME ? n->operands[k].same : k;
}

/* The result made outside, from a literal or an operand; 0: it cannot be. */
static TwRef result_outside(TwFn *f, const TwNarrow *n, uint32_t k) {
  const TwFn *b = n->region.body;
  TwRef r = b->results.at[k];
  bool is_sum = n->op == TW_OP_samples && k < n->region.n_carry, stacked = n->op != TW_OP_cond;
  TwTy type = tw_region_result_type(f->module, n->op, &n->region, k);
  TwKnown lit;
  if (tw_literal(b, r, &lit)) return !is_sum || tw_is_zero(b, r) ? tw_emit_known(f, type, &lit) : 0;
  if (tw_op(b, r) != TW_OP_param || is_sum) return 0;
  bool counter = n->op == TW_OP_scan && tw_attr(b, r, 0) == 0;
  uint32_t at = counter ? 0 : operand_of(n, b, r);
  if (counter || n->operands[at].fate == TW_COUNTER) return tw_iota(f, n->region.trip);
  const TwOperand *a = &n->operands[at];
  if (a->group == TW_XS) return a->with;
  if (a->group == TW_CARRIES) return 0;
  if (!stacked) return a->with;
  if (tw_literal(f, a->with, &lit)) return tw_emit_known(f, type, &lit);
  int64_t axes[TW_MAX_RANK];
  for (uint32_t x = 0; x < TW_MAX_RANK; x++) axes[x] = x + 1;
  return tw_broadcast(f, a->with, type, axes);
}

/* In a branch both bodies must agree. */
static TwRef branch_outside(TwFn *f, const TwNarrow *n, uint32_t k) {
  const TwFn *b = n->region.body, *o = n->region.other;
  TwRef x = b->results.at[k], y = o->results.at[k];
  if (tw_op(b, x) == TW_OP_const ? tw_op(o, y) != TW_OP_const || tw_attr(b, x, 0) != tw_attr(o, y, 0)
                                 : tw_op(b, x) != TW_OP_param || operand_of(n, b, x) != operand_of(n, o, y))
    return 0;
  return result_outside(f, n, k);
}

/* value[k]: the result outside; same[k]: one more than the number of an earlier equal result. */
static bool settle_results(TwFn *f, TwNarrow *n, TwRef *value, uint32_t *same) {
  const TwFn *b = n->region.body, *o = n->region.other;
  uint32_t *first = tw_scratch(b->insts.len, sizeof *first);
  bool changed = false;
  for (uint32_t k = 0; k < n->n_results; k++) {
    if (n->op == TW_OP_scan && k < n->region.n_carry) continue;
    if (n->op == TW_OP_samples && k == n->region.n_carry) memset(first, 0, b->insts.len * sizeof *first);
    value[k] = o ? branch_outside(f, n, k) : result_outside(f, n, k);
    uint32_t *seen = &first[b->results.at[k]];
    if (!value[k] && *seen && (!o || o->results.at[*seen - 1] == o->results.at[k])) same[k] = *seen;
    else if (!value[k] && !*seen) *seen = k + 1;
    if (!value[k] && !same[k]) continue;
    n->want[k] = false;
    changed = true;
  }
  free(first);
  return changed;
}

static TwRef emit_narrowed(TwFn *f, TwNarrow *n, TwRef *value, const uint32_t *same) {
  bool any = false;
  for (uint32_t k = 0; k < n->n_results; k++) any |= n->want[k];
  if (any) {
    tw_narrow_run(n);
    TwProto q = {.op = n->op, .args = n->args, .n_args = n->n_args, .region = &n->region};
    TwRef r = tw_emit(f, &q);
    for (uint32_t k = 0; k < n->n_results; k++)
      if (n->want[k]) value[k] = tw_get(f, r, n->into[k]);
  }
  for (uint32_t k = 0; k < n->n_results; k++)
    if (same[k]) value[k] = value[same[k] - 1];
  return tw_bundle(f, value, n->n_results);
}

TwRef tw_fold_region(TwFn *f, const TwProto *p) {
  TwRef r = disappears(f, p);
  if (r) return r;
  TwNarrow n;
  tw_narrow_init(&n, f, p);
  TwRef *value = tw_scratch(n.n_results, sizeof *value);
  uint32_t *same = tw_scratch(n.n_results, sizeof *same);
  bool changed = n.n_results == 0 || settle_carries(f, &n, value);
  for (uint32_t k = 0; k < n.n_operands; k++) changed |= settle_operand(f, &n, &n.operands[k]);
  changed |= merge_operands(&n);
  changed |= settle_results(f, &n, value, same);
  changed |= tw_narrow_unused(&n);
  if (changed) r = emit_narrowed(f, &n, value, same);
  free(value);
  free(same);
  tw_narrow_free(&n);
  return r;
}
