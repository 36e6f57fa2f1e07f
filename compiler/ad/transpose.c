/* transpose.c: cotangents of a separated tangent program.
 *
 * requires: a function in which every value is primal (depends on no linear param) or linear in them;
 *   a primal value that stands as an addend among linear ones is zero.
 * provides: its primal values, and for seeds of its results the cotangents of its linear params.
 *
 * Laws for whoever adds a rule:
 *  1. A rule reads w->cotangent[r], the whole cotangent of its value, and sends to linear operands only.
 *  2. What is sent has the type of the operand: what was broadcast is summed.
 *  3. Cotangents are added up in one ref an operand. A rule that touches a small part of a large
 *     operand (index) adds at that place to the running cotangent, so that a loop that reads one row
 *     an iteration costs one row an iteration, not a tensor of zeros.
 *  4. Rules are themselves linear: they use ops with a forward rule and a transpose, nothing else, which
 *     is what closes AD under itself. */
#include "compiler/ad/internal.h"

static TwRef operand(const TwAdBackward *w, TwRef r, uint32_t k) { return w->value[tw_arg(w->f, r, k)]; }
static TwTy operand_type(const TwAdBackward *w, TwRef r, uint32_t k) { return tw_type(w->f, tw_arg(w->f, r, k)); }
static bool is_linear(const TwAdBackward *w, TwRef r, uint32_t k) { return w->linear[tw_arg(w->f, r, k)]; }
static const int64_t *attrs(const TwAdBackward *w, TwRef r) { return &w->f->attrs.at[tw_inst(w->f, r)->attrs]; }

void tw_ad_send(TwAdBackward *w, TwRef r, TwRef v) {
  if (!v || !w->linear[r] || tw_is_zero(w->out, v)) return;
  if (tw_type(w->out, v) != tw_type(w->f, r)) tw_ad_bug(w->f, r, "the cotangent has another type than the value");
  w->cotangent[r] = tw_ad_add(w->out, w->cotangent[r], v);
}

static void send(TwAdBackward *w, TwRef r, uint32_t k, TwRef v) {
  TwRef to = tw_arg(w->f, r, k);
  for (uint32_t o = 0; tw_ad_mutated(tw_op(w->f, r), TW_MUTATE_VJP_SWAP) && o < tw_inst(w->f, r)->n_args; o++) {
    TwRef other = tw_arg(w->f, r, o);
    if (other == to || !w->linear[other] || tw_type(w->f, other) != tw_type(w->f, to)) continue;
    to = other;
    break;
  }
  tw_ad_send(w, to, v);
}

/* ---- elementwise */

static void transpose_neg(TwAdBackward *w, TwRef r) { send(w, r, 0, tw_unary(w->out, TW_OP_neg, w->cotangent[r])); }

static void transpose_add(TwAdBackward *w, TwRef r) {
  send(w, r, 0, w->cotangent[r]);
  send(w, r, 1, w->cotangent[r]);
}

static void transpose_sub(TwAdBackward *w, TwRef r) {
  send(w, r, 0, w->cotangent[r]);
  if (is_linear(w, r, 1)) send(w, r, 1, tw_unary(w->out, TW_OP_neg, w->cotangent[r]));
}

/* Linear in one operand: the other is the coefficient, for the cotangent too. */
static void transpose_product(TwAdBackward *w, TwRef r, TwRef scale(TwFn *, TwRef, TwRef)) {
  uint32_t k = is_linear(w, r, 0) ? 0 : 1;
  if (is_linear(w, r, 1 - k)) tw_ad_bug(w->f, r, "a product of two linear values");
  send(w, r, k, scale(w->out, operand(w, r, 1 - k), w->cotangent[r]));
}
static void transpose_mul(TwAdBackward *w, TwRef r) { transpose_product(w, r, tw_ad_scale); }
static void transpose_mul0(TwAdBackward *w, TwRef r) { transpose_product(w, r, tw_ad_scale_strong); }

static void transpose_div(TwAdBackward *w, TwRef r) {
  if (is_linear(w, r, 1)) tw_ad_bug(w->f, r, "a division by a linear value");
  send(w, r, 0, tw_binary(w->out, TW_OP_div, w->cotangent[r], operand(w, r, 1)));
}

static void transpose_select(TwAdBackward *w, TwRef r) {
  TwRef c = operand(w, r, 0), t = w->cotangent[r], zeros = tw_zeros(w->out, tw_type(w->f, r));
  if (is_linear(w, r, 1)) send(w, r, 1, tw_select(w->out, c, t, zeros));
  if (is_linear(w, r, 2)) send(w, r, 2, tw_select(w->out, c, zeros, t));
}

/* ---- shape */

/* Transposes v so that its axes stand in the order of `place`: axis k of the result is axis place[k]. */
static TwRef permute(TwFn *out, TwRef v, const int64_t *place, uint32_t rank) {
  for (uint32_t k = 0; k < rank; k++)
    if (place[k] != (int64_t)k) return tw_transpose(out, v, place);
  return v;
}

/* How many of the n axes are smaller than `axis`. */
static int64_t rank_among(const int64_t *axes, uint32_t n, int64_t axis) {
  int64_t smaller = 0;
  for (uint32_t k = 0; k < n; k++) smaller += axes[k] < axis;
  return smaller;
}

static void transpose_broadcast(TwAdBackward *w, TwRef r) {
  TwTyInfo from = *tw_info(w->f, tw_arg(w->f, r, 0)), to = *tw_info(w->f, r);
  const int64_t *axes = attrs(w, r);
  bool kept[TW_MAX_RANK] = {false};
  for (uint32_t k = 0; k < from.rank; k++) kept[axes[k]] = true;
  int64_t dropped[TW_MAX_RANK] = {0}, place[TW_MAX_RANK] = {0};
  uint32_t n = 0;
  for (uint32_t k = 0; k < to.rank; k++)
    if (!kept[k]) dropped[n++] = k;
  TwRef v = n ? tw_sum(w->out, w->cotangent[r], dropped, n) : w->cotangent[r];
  for (uint32_t k = 0; k < from.rank; k++) place[k] = rank_among(axes, from.rank, axes[k]);
  send(w, r, 0, permute(w->out, v, place, from.rank));
}

static void transpose_reshape(TwAdBackward *w, TwRef r) {
  send(w, r, 0, tw_reshape(w->out, w->cotangent[r], operand_type(w, r, 0)));
}

static void transpose_transpose(TwAdBackward *w, TwRef r) {
  int64_t inverse[TW_MAX_RANK] = {0};
  for (uint32_t k = 0; k < tw_inst(w->f, r)->n_attrs; k++) inverse[attrs(w, r)[k]] = k;
  send(w, r, 0, tw_transpose(w->out, w->cotangent[r], inverse));
}

static void transpose_reverse(TwAdBackward *w, TwRef r) {
  send(w, r, 0, tw_reverse(w->out, w->cotangent[r], attrs(w, r)[0]));
}

static void transpose_slice(TwAdBackward *w, TwRef r) {
  send(w, r, 0, tw_pad(w->out, w->cotangent[r], operand_type(w, r, 0), attrs(w, r)));
}

static void transpose_pad(TwAdBackward *w, TwRef r) {
  send(w, r, 0, tw_slice(w->out, w->cotangent[r], operand_type(w, r, 0), attrs(w, r)));
}

static void transpose_concat(TwAdBackward *w, TwRef r) {
  int64_t axis = attrs(w, r)[0], start_step[2 * TW_MAX_RANK] = {0};
  for (uint32_t k = 0; k < TW_MAX_RANK; k++) start_step[2 * k + 1] = 1;
  for (uint32_t k = 0; k < tw_inst(w->f, r)->n_args; k++) {
    if (is_linear(w, r, k)) send(w, r, k, tw_slice(w->out, w->cotangent[r], operand_type(w, r, k), start_step));
    start_step[2 * axis] += tw_info(w->f, tw_arg(w->f, r, k))->dims[axis];
  }
}

static void transpose_index(TwAdBackward *w, TwRef r) {
  TwRef t = tw_arg(w->f, r, 0);
  TwRef acc = tw_ad_or_zeros(w->out, w->cotangent[t], tw_type(w->f, t));
  w->cotangent[t] = tw_add_at(w->out, acc, operand(w, r, 1), w->cotangent[r]);
}

static void transpose_add_at(TwAdBackward *w, TwRef r) {
  send(w, r, 0, w->cotangent[r]);
  if (is_linear(w, r, 2)) send(w, r, 2, tw_index(w->out, w->cotangent[r], operand(w, r, 1)));
}

static void transpose_sum(TwAdBackward *w, TwRef r) {
  TwTyInfo from = *tw_info(w->f, tw_arg(w->f, r, 0));
  bool summed[TW_MAX_RANK] = {false};
  int64_t axes[TW_MAX_RANK] = {0};
  for (uint32_t k = 0; k < tw_inst(w->f, r)->n_attrs; k++) summed[attrs(w, r)[k]] = true;
  uint32_t n = 0;
  for (uint32_t k = 0; k < from.rank; k++)
    if (!summed[k]) axes[n++] = k;
  send(w, r, 0, tw_broadcast(w->out, w->cotangent[r], operand_type(w, r, 0), axes));
}

/* The axes of 0 … rank-1 that are not contracted, ascending. */
static uint32_t free_axes(uint32_t rank, const int64_t *contracted, uint32_t n, int64_t *out) {
  uint32_t n_free = 0;
  for (int64_t k = 0; k < (int64_t)rank; k++) {
    bool is_free = true;
    for (uint32_t c = 0; c < n; c++) is_free &= contracted[c] != k;
    if (is_free) out[n_free++] = k;
  }
  return n_free;
}

/* With result axes (free of a…, free of b…): the cotangent of a contracts the free axes of b, which
 * leaves (free of a…, contracted axes of b in b's order…), and then axes go back to their places in a. */
static void dot_cotangent_a(TwAdBackward *w, TwRef r, const int64_t *in_a, const int64_t *in_b, uint32_t n) {
  uint32_t rank_a = tw_info(w->f, tw_arg(w->f, r, 0))->rank, rank_b = tw_info(w->f, tw_arg(w->f, r, 1))->rank;
  int64_t free_a[TW_MAX_RANK], free_b[TW_MAX_RANK], of_result[TW_MAX_RANK], place[TW_MAX_RANK];
  uint32_t na = free_axes(rank_a, in_a, n, free_a), nb = free_axes(rank_b, in_b, n, free_b);
  for (uint32_t k = 0; k < nb; k++) of_result[k] = na + k;
  TwRef v = tw_dot(w->out, w->cotangent[r], operand(w, r, 1), of_result, free_b, nb);
  for (uint32_t k = 0; k < na; k++) place[free_a[k]] = k;
  for (uint32_t k = 0; k < n; k++) place[in_a[k]] = na + rank_among(in_b, n, in_b[k]);
  send(w, r, 0, permute(w->out, v, place, rank_a));
}

static void dot_cotangent_b(TwAdBackward *w, TwRef r, const int64_t *in_a, const int64_t *in_b, uint32_t n) {
  uint32_t rank_a = tw_info(w->f, tw_arg(w->f, r, 0))->rank, rank_b = tw_info(w->f, tw_arg(w->f, r, 1))->rank;
  int64_t free_a[TW_MAX_RANK], free_b[TW_MAX_RANK], of_result[TW_MAX_RANK], place[TW_MAX_RANK];
  uint32_t na = free_axes(rank_a, in_a, n, free_a), nb = free_axes(rank_b, in_b, n, free_b);
  for (uint32_t k = 0; k < na; k++) of_result[k] = k;
  TwRef v = tw_dot(w->out, operand(w, r, 0), w->cotangent[r], free_a, of_result, na);
  for (uint32_t k = 0; k < n; k++) place[in_b[k]] = rank_among(in_a, n, in_a[k]);
  for (uint32_t k = 0; k < nb; k++) place[free_b[k]] = n + k;
  send(w, r, 1, permute(w->out, v, place, rank_b));
}

static void transpose_dot(TwAdBackward *w, TwRef r) {
  uint32_t n = (uint32_t)attrs(w, r)[0];
  const int64_t *in_a = attrs(w, r) + 1, *in_b = in_a + n;
  if (is_linear(w, r, 0) && is_linear(w, r, 1)) tw_ad_bug(w->f, r, "a dot product of two linear values");
  if (is_linear(w, r, 0)) dot_cotangent_a(w, r, in_a, in_b, n);
  else dot_cotangent_b(w, r, in_a, in_b, n);
}

/* ---- regions */

static void transpose_scan(TwAdBackward *w, TwRef r) { tw_ad_transpose_scan(w, r); }
static void transpose_samples(TwAdBackward *w, TwRef r) { tw_ad_transpose_samples(w, r); }
static void transpose_cond(TwAdBackward *w, TwRef r) { tw_ad_transpose_cond(w, r); }

/* The cotangent of a get waits at its region until all of them are there. */
static void collect(TwAdBackward *w, TwRef r) {
  TwRef region = tw_arg(w->f, r, 0);
  uint32_t n = tw_region_results(tw_region(w->f, region), tw_op(w->f, region));
  if (!w->parts[region]) w->parts[region] = TW_NEW_N(w->module->arena, TwRef, n);
  TwRef *part = &w->parts[region][tw_attr(w->f, r, 0)];
  *part = tw_ad_add(w->out, *part, w->cotangent[r]);
}

/* ---- the table and the walk */

#define RULE_no(name) NULL
#define RULE_yes(name) transpose_##name
static TwAdTransposeRule *const rules[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = RULE_##transpose(name),
#include "compiler/ir/ops.def"
#undef TW_OP
};

#ifdef TW_MUTATE
static bool mutate(TwAdBackward *w, TwOp op, TwRef *cotangent) {
  if (op != tw_mutate_op || !*cotangent) return true;
  if (tw_mutate_kind == TW_MUTATE_VJP_SIGN) *cotangent = tw_unary(w->out, TW_OP_neg, *cotangent);
  if (tw_mutate_kind == TW_MUTATE_VJP_FACTOR)
    *cotangent = tw_binary(w->out, TW_OP_mul, tw_const(w->out, tw_type(w->out, *cotangent), 0.5), *cotangent);
  return tw_mutate_kind != TW_MUTATE_VJP_DROP;
}
#else
static bool mutate(TwAdBackward *w, TwOp op, TwRef *cotangent) { return (void)w, (void)op, (void)cotangent, true; }
#endif

static void visit(TwAdBackward *w, TwRef r) {
  TwOp op = tw_op(w->f, r);
  w->out->at = tw_inst(w->f, r)->span;
  bool alive = true;
  if (w->parts[r]) {
    for (uint32_t k = 0; k < tw_region_results(tw_region(w->f, r), op); k++) alive &= mutate(w, op, &w->parts[r][k]);
  } else {
    if (!w->cotangent[r]) return;
    alive = mutate(w, op, &w->cotangent[r]);
  }
  if (op == TW_OP_param || !alive) return;
  if (op == TW_OP_get) {
    collect(w, r);
    return;
  }
  if (!rules[op]) tw_ad_bug(w->f, r, "an op without a transpose in a linear program");
  rules[op](w, r);
}

void tw_ad_transpose(TwFn *out, const TwFn *f, const bool *linear_params, const TwRef *bound, const TwRef *seeds,
                     TwRef *values, TwRef *cotangents) {
  TwArena *arena = f->module->arena;
  TwAdBackward w = {.module = f->module, .out = out, .f = f, .linear = tw_ad_linear(f, linear_params)};
  w.value = TW_NEW_N(arena, TwRef, f->insts.len);
  w.cotangent = TW_NEW_N(arena, TwRef, f->insts.len);
  w.parts = TW_NEW_N(arena, TwRef *, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) (linear_params[k] ? w.cotangent : w.value)[f->params.at[k]] = bound[k];
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (w.linear[r] || tw_op(f, r) == TW_OP_param) continue;
    out->at = tw_inst(f, r)->span;
    w.value[r] = tw_copy_inst(out, f, r, w.value);
  }
  for (uint32_t k = 0; k < f->results.len; k++) tw_ad_send(&w, f->results.at[k], seeds[k]);
  for (TwRef r = f->insts.len; r-- > 1;)
    if (w.linear[r]) visit(&w, r);
  for (uint32_t k = 0; values && k < f->results.len; k++) values[k] = w.value[f->results.at[k]];
  for (uint32_t k = 0; k < f->params.len; k++) cotangents[k] = linear_params[k] ? w.cotangent[f->params.at[k]] : 0;
}
