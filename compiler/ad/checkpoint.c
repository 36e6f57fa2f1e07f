/* checkpoint.c: long loops, on the way back, in less memory than they have iterations.
 *
 * requires: a scan of a separated tangent program under construction, with what its linear part would keep.
 * provides: the decision whether that is too much, and the loop cut into blocks:
 *
 *     scan of T iterations  ->  scan of m = T / n blocks (a scan of n iterations)  [, and one of T mod n]
 *
 *   Of the outer loop the linear part keeps the carries at the start of each block; it computes a block anew and
 *   then goes back through it, which keeps what the linear part needs of n iterations only. With C bytes of carries
 *   and K bytes kept of an iteration that is m C + n K instead of T K, least for m = √(T K / C). Cut again and again,
 *   k levels of blocks keep about (k + 1) (T K / C)^(1/(k+1)) C and compute the loop k times more.
 *
 * The iterations stay the same ops on the same values in the same order, and so do, on the way back, sums of
 * cotangents (transpose_region.c hands a running sum into a loop): no bit of a gradient changes. One exception: where
 * T has no divisor near n, the cotangents of xs are put together by an addition of zeros, in which -0 becomes 0. */
#include <math.h>

#include "compiler/ad/internal.h"

TwAdLimits tw_ad_limits_default(void) { return (TwAdLimits){.stack_bytes = INT64_C(64) << 20, .levels = 1}; }

/* ---- the decision */

static double bytes_of(const TwFn *f, TwRef r) {
  const TwTyInfo *t = tw_info(f, r);
  return (double)t->count * (t->dtype == TW_BOOL ? 1 : 8);
}

/* Blocks add an axis to xs and ys. */
static bool has_axis_to_spare(const TwRegion *g) {
  const TwFn *b = g->body;
  uint32_t rank = 0;
  for (uint32_t k = 0; k < g->n_xs; k++) {
    uint32_t x = tw_info(b, b->params.at[1 + g->n_consts + g->n_carry + k])->rank;
    if (x > rank) rank = x;
  }
  for (uint32_t k = 0; k < g->n_ys; k++) {
    uint32_t y = tw_info(b, b->results.at[g->n_carry + k])->rank;
    if (y > rank) rank = y;
  }
  return rank + 2 <= TW_MAX_RANK;
}

/* Two equal xs would get the sum of their cotangents in another order than without blocks. */
static bool distinct_xs(const TwFn *f, TwRef r, const TwRegion *g) {
  uint32_t first = g->n_consts + g->n_carry;
  for (uint32_t k = first; k < first + g->n_xs; k++)
    for (uint32_t j = first; j < k; j++)
      if (tw_arg(f, r, j) == tw_arg(f, r, k)) return false;
  return true;
}

/* A scan of one iteration would become straight code, in which other things fold than in a loop. */
static bool leaves_one(int64_t trip, int64_t n) { return n < 2 || trip / n < 2 || trip % n == 1; }

/* The divisor of trip nearest to n in ratio, if it is within a factor of 2; else about n. 0: there is none. */
static int64_t near_divisor(int64_t trip, double n) {
  int64_t best = 0;
  double distance = log(2.0) * 1.0001;
  for (int64_t d = 1; d <= trip / d && d <= INT64_C(1) << 24; d++) {
    if (trip % d) continue;
    int64_t both[2] = {d, trip / d};
    for (uint32_t k = 0; k < 2; k++) {
      double away = fabs(log((double)both[k] / n));
      if (leaves_one(trip, both[k]) || away > distance) continue;
      distance = away;
      best = both[k];
    }
  }
  for (int64_t near = (int64_t)ceil(n); !best && near <= trip / 2; near++)
    if (!leaves_one(trip, near)) best = near;
  return best;
}

/* Blocks that are to be cut again are products: l b^(levels - 1), so that each cut but the first leaves no rest. Of
 * rests that are cut like their blocks there would be 2^levels. */
static int64_t product_length(int64_t trip, double blocks, uint32_t levels, int64_t *branch) {
  int64_t b = (int64_t)fmax(2, floor(blocks));
  double least = (double)trip;
  for (uint32_t k = 0; k < levels; k++) least /= (double)b;
  for (int64_t l = (int64_t)fmax(2, floor(least));; l++) {
    double n = (double)l;
    for (uint32_t k = 1; k < levels; k++) n *= (double)b;
    if (n > (double)trip / 2) return 0;
    *branch = b;
    if (!leaves_one(trip, (int64_t)n)) return (int64_t)n;
  }
}

TwAdCut tw_ad_cut(const TwAdForward *w, TwRef r, const TwFn *j, const TwAdResiduals *kept) {
  const TwRegion *g = tw_region(w->f, r);
  uint32_t levels = w->policy.role == TW_AD_BLOCK ? w->policy.levels : w->policy.limits.levels;
  double trip = (double)g->trip, iteration = 0, carries = 0;
  for (uint32_t k = 0; k < kept->n_kept; k++) iteration += bytes_of(j, kept->kept[k]);
  for (uint32_t k = 0; k < g->n_carry; k++) carries += bytes_of(w->f, tw_arg(w->f, r, g->n_consts + k));
  TwAdCut none = {0}, carries_only = {.length = 1};
  if (!levels || trip < 2 || trip * iteration <= (double)w->policy.limits.stack_bytes) return none;
  double blocks = carries > 0 ? pow(trip * iteration / carries, 1.0 / (levels + 1.0)) : trip;
  if (blocks > trip / 1.5) return trip * carries + iteration < trip * iteration ? carries_only : none;
  if (!has_axis_to_spare(g) || !distinct_xs(w->f, r, g)) return none;
  int64_t branch = w->policy.role == TW_AD_BLOCK ? w->policy.branch : 0, n = 0;
  if (branch && g->trip % branch == 0 && !leaves_one(g->trip, g->trip / branch)) n = g->trip / branch;
  else if (levels > 1) n = product_length(g->trip, blocks, levels, &branch);
  if (!n) n = near_divisor(g->trip, trip / fmax(blocks, 2)), branch = 0;
  double least = n ? trip / (double)n * carries + (double)n * iteration : 0;
  return levels > 1 || least < trip * iteration ? (TwAdCut){n, branch} : none;
}

/* ---- the blocks */

static TwRef param_like(TwFn *to, const TwFn *f, TwRef r) { return tw_param(to, tw_type(f, r)); }

/* n iterations: as the body of g, with one const more, the number of the first. */
static const TwFn *block_body(TwModule *m, const TwRegion *g, TwSpan at) {
  const TwFn *b = g->body;
  TwFn *to = tw_fn_new(m, b->name);
  to->at = at;
  TwRef *args = TW_NEW_N(m->arena, TwRef, b->params.len), *res = TW_NEW_N(m->arena, TwRef, b->results.len);
  TwRef i = tw_param(to, tw_ty_scalar(m, TW_INT)), first = 0;
  for (uint32_t k = 1; k <= b->params.len; k++) {
    if (k == 1 + g->n_consts) first = tw_param(to, tw_ty_scalar(m, TW_INT));
    if (k < b->params.len) args[k] = param_like(to, b, b->params.at[k]);
  }
  args[0] = tw_binary(to, TW_OP_add, first, i);
  tw_inline(to, b, args, res);
  for (uint32_t k = 0; k < b->results.len; k++) tw_result(to, res[k]);
  return tw_fn_seal(to);
}

/* One block: (number of the block, consts…, carries…, its part of xs…) -> (carries…, its part of ys…). */
static const TwFn *blocks_body(TwModule *m, const TwRegion *g, const TwFn *block, int64_t lo, int64_t n, TwSpan at) {
  const TwFn *b = g->body;
  TwFn *to = tw_fn_new(m, b->name);
  to->at = at;
  uint32_t n_args = 0, first_x = 1 + g->n_consts + g->n_carry;
  TwRef *args = TW_NEW_N(m->arena, TwRef, b->params.len);
  TwRef number = tw_param(to, tw_ty_scalar(m, TW_INT));
  TwRef first = tw_binary(to, TW_OP_mul, number, tw_int(to, n));
  first = tw_binary(to, TW_OP_add, first, tw_int(to, lo));
  for (uint32_t k = 1; k <= b->params.len; k++) {
    if (k == 1 + g->n_consts) args[n_args++] = first;
    if (k == b->params.len) break;
    TwTy type = tw_type(b, b->params.at[k]);
    args[n_args++] = tw_param(to, k >= first_x ? tw_ty_lead(m, n, type) : type);
  }
  TwRegion inner = *g;
  inner.body = block;
  inner.trip = n;
  inner.n_consts++;
  TwRef region = tw_emit_region(to, TW_OP_scan, &inner, args, n_args);
  for (uint32_t k = 0; k < g->n_carry + g->n_ys; k++) tw_result(to, tw_get(to, region, k));
  return tw_fn_seal(to);
}

/* Rows lo … lo + m n - 1 of x, as m blocks of n rows. */
static TwRef part_of(TwFn *f, TwRef x, int64_t lo, int64_t m, int64_t n) {
  TwTyInfo t = *tw_info(f, x);
  int64_t start_step[2 * TW_MAX_RANK] = {0}, dims[TW_MAX_RANK + 1] = {m, n};
  for (uint32_t k = 0; k < t.rank; k++) start_step[2 * k + 1] = 1;
  for (uint32_t k = 1; k < t.rank; k++) dims[k + 1] = t.dims[k];
  start_step[0] = lo;
  if (t.dims[0] != m * n) {
    t.dims[0] = m * n;
    x = tw_slice(f, x, tw_ty(f->module, t.dtype, t.rank, t.dims), start_step);
  }
  return tw_reshape(f, x, tw_ty(f->module, t.dtype, t.rank + 1, dims));
}

/* m blocks of n iterations of scan r of f, from iteration lo on: (operands of r…) -> (carries…, part of ys…). */
static const TwFn *blocks(TwModule *m, const TwFn *f, TwRef r, int64_t lo, int64_t n_blocks, int64_t n) {
  const TwRegion *g = tw_region(f, r);
  TwFn *to = tw_fn_new(m, g->body->name);
  to->at = tw_inst(f, r)->span;
  uint32_t first_x = g->n_consts + g->n_carry, n_args = first_x + g->n_xs;
  TwRef *args = TW_NEW_N(m->arena, TwRef, n_args);
  for (uint32_t k = 0; k < n_args; k++) {
    TwRef p = param_like(to, f, tw_arg(f, r, k));
    args[k] = k < first_x ? p : part_of(to, p, lo, n_blocks, n);
  }
  TwRegion outer = *g;
  outer.body = blocks_body(m, g, block_body(m, g, to->at), lo, n, to->at);
  outer.trip = n_blocks;
  TwRef region = tw_emit_region(to, TW_OP_scan, &outer, args, n_args);
  for (uint32_t k = 0; k < g->n_carry; k++) tw_result(to, tw_get(to, region, k));
  for (uint32_t k = 0; k < g->n_ys; k++) {
    TwTy row = tw_type(g->body, g->body->results.at[g->n_carry + k]);
    tw_result(to, tw_reshape(to, tw_get(to, region, g->n_carry + k), tw_ty_lead(m, n_blocks * n, row)));
  }
  return tw_fn_seal(to);
}

/* ---- their derivative */

/* A scan on its way through its blocks: operands so far, with carries after those that have run. */
typedef struct Through {
  TwRef *args, *tangents;
} Through;

/* Runs f, a part of the loop, on them; provides values and tangents of its part of ys, and puts those of carries
 * back into the operands. */
static TwAdParts run_part(TwAdForward *w, const TwRegion *g, const TwFn *f, Through *t, const TwAdPolicy *policy) {
  TwArena *arena = w->module->arena;
  uint32_t n_args = f->params.len, n_results = f->results.len, at = n_args;
  bool *active = TW_NEW_N(arena, bool, n_args);
  TwRef *args = TW_NEW_N(arena, TwRef, 2 * n_args);
  for (uint32_t k = 0; k < n_args; k++) {
    active[k] = t->tangents[k] != 0;
    args[k] = t->args[k];
    if (active[k]) args[at++] = t->tangents[k];
  }
  TwAdTangent d = tw_ad_tangent(w->module, f, active, policy);
  TwRef *results = TW_NEW_N(arena, TwRef, d.fn->results.len);
  tw_inline(w->out, d.fn, args, results);
  TwAdParts parts = {.primal = results, .tangent = TW_NEW_N(arena, TwRef, n_results)};
  at = n_results;
  for (uint32_t k = 0; k < n_results; k++) {
    TwRef v = d.nonzero[k] ? results[at++] : 0;
    parts.tangent[k] = v && tw_is_zero(w->out, v) ? 0 : v;
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    t->args[g->n_consts + k] = parts.primal[k];
    t->tangents[g->n_consts + k] = parts.tangent[k];
  }
  return parts;
}

/* The stacks of two parts of the loop, one after the other. */
static TwRef joined(TwAdForward *w, TwRef a, TwTy type_a, TwRef b, TwTy type_b) {
  if (!a && !b) return 0;
  TwRef both[2] = {tw_ad_or_zeros(w->out, a, type_a), tw_ad_or_zeros(w->out, b, type_b)};
  return tw_concat(w->out, both, 2, 0);
}

TwAdParts tw_ad_jvp_blocks(TwAdForward *w, TwRef r, TwAdCut cut) {
  int64_t n = cut.length;
  const TwRegion *g = tw_region(w->f, r);
  TwArena *arena = w->module->arena;
  uint32_t n_args = tw_inst(w->f, r)->n_args;
  Through t = {TW_NEW_N(arena, TwRef, n_args), TW_NEW_N(arena, TwRef, n_args)};
  for (uint32_t k = 0; k < n_args; k++) {
    t.args[k] = w->primal[tw_arg(w->f, r, k)];
    t.tangents[k] = w->tangent[tw_arg(w->f, r, k)];
  }
  uint32_t levels = w->policy.role == TW_AD_BLOCK ? w->policy.levels : w->policy.limits.levels;
  TwAdPolicy many = {.limits = w->policy.limits, .role = TW_AD_BLOCKS, .levels = levels - 1}, one = many;
  many.branch = cut.branch;
  one.role = TW_AD_BLOCK;
  int64_t rest = g->trip % n, whole = g->trip - rest;
  const TwFn *first = blocks(w->module, w->f, r, 0, g->trip / n, n);
  if (!rest) return run_part(w, g, first, &t, &many);
  /* The rest is a scan of one block, which is that block. */
  const TwFn *last = blocks(w->module, w->f, r, whole, 1, rest);
  TwAdParts a = {0}, b = {0};
  if (!g->reverse) a = run_part(w, g, first, &t, &many);
  b = run_part(w, g, last, &t, &one);
  if (g->reverse) a = run_part(w, g, first, &t, &many);
  TwAdParts parts = {TW_NEW_N(arena, TwRef, g->n_carry + g->n_ys), TW_NEW_N(arena, TwRef, g->n_carry + g->n_ys)};
  for (uint32_t k = 0; k < g->n_carry; k++) {
    parts.primal[k] = t.args[g->n_consts + k];
    parts.tangent[k] = t.tangents[g->n_consts + k];
  }
  for (uint32_t k = g->n_carry; k < g->n_carry + g->n_ys; k++) {
    TwTy row = tw_type(g->body, g->body->results.at[k]);
    TwTy type_a = tw_ty_lead(w->module, whole, row), type_b = tw_ty_lead(w->module, rest, row);
    parts.primal[k] = joined(w, a.primal[k], type_a, b.primal[k], type_b);
    parts.tangent[k] = joined(w, a.tangent[k], type_a, b.tangent[k], type_b);
  }
  return parts;
}
