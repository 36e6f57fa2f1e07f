/* ad.c: forward mode, reverse mode, gradients; and linearization as a pair of functions.
 *
 * requires: f sealed and verified.
 * provides: sealed functions with the signatures of ad.h and internal.h, verified in debug builds. */
#include "compiler/ad/internal.h"
#include "compiler/ir/passes.h"

static const TwFn *finish(TwFn *out) {
  const TwFn *sealed = tw_fn_seal(out);
#ifndef NDEBUG
  const char *wrong = tw_verify(sealed);
  if (wrong) tw_ad_bug(sealed, 0, wrong);
#endif
  return sealed;
}

static TwFn *begin(TwModule *m, const TwFn *f, const char *suffix) {
  TwFn *out = tw_fn_new(m, tw_arena_printf(m->arena, "%s.%s", f->name, suffix));
  out->at = f->at;
  return out;
}

static bool is_real(const TwFn *f, TwRef r) { return tw_info(f, r)->dtype == TW_REAL; }

const TwFn *tw_jvp(TwModule *m, const TwFn *f, const bool *active) {
  TwAdTangent t = tw_ad_tangent(m, f, active, NULL);
  TwFn *out = begin(m, f, "jvp");
  TwRef *args = TW_NEW_N(m->arena, TwRef, t.fn->params.len), *values = TW_NEW_N(m->arena, TwRef, t.fn->results.len);
  for (uint32_t k = 0; k < t.fn->params.len; k++) args[k] = tw_param(out, tw_type(t.fn, t.fn->params.at[k]));
  tw_inline(out, t.fn, args, values);
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(out, values[k]);
  uint32_t n = f->results.len;
  for (uint32_t k = 0; k < f->results.len; k++)
    if (is_real(f, f->results.at[k]))
      tw_result(out, t.nonzero[k] ? values[n++] : tw_zeros(out, tw_type(f, f->results.at[k])));
  return finish(out);
}

/* What the cotangent of a result is. */
typedef enum Seed { SEED_NONE, SEED_PARAM, SEED_ONE } Seed;

static const TwFn *reverse(TwModule *m, const TwFn *f, const bool *active, const Seed *seed, const char *suffix,
                           TwAdLimits limits) {
  TwAdTangent t = tw_ad_tangent(m, f, active, &(TwAdPolicy){.limits = limits});
  TwFn *out = begin(m, f, suffix);
  uint32_t n_params = t.fn->params.len, n_results = t.fn->results.len, n = f->results.len;
  bool *linear = TW_NEW_N(m->arena, bool, n_params);
  TwRef *bound = TW_NEW_N(m->arena, TwRef, n_params), *cotangents = TW_NEW_N(m->arena, TwRef, n_params);
  TwRef *seeds = TW_NEW_N(m->arena, TwRef, n_results), *values = TW_NEW_N(m->arena, TwRef, n_results);
  for (uint32_t k = 0; k < n_params; k++) {
    linear[k] = k >= f->params.len;
    if (!linear[k]) bound[k] = tw_param(out, tw_type(f, f->params.at[k]));
  }
  for (uint32_t k = 0; k < f->results.len; k++) {
    TwTy type = tw_type(f, f->results.at[k]);
    if (!is_real(f, f->results.at[k])) continue;
    TwRef s = seed[k] == SEED_PARAM ? tw_param(out, type) : seed[k] == SEED_ONE ? tw_const(out, type, 1) : 0;
    if (t.nonzero[k]) seeds[n++] = s;
  }
  tw_ad_transpose(out, t.fn, linear, bound, seeds, values, cotangents);
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(out, values[k]);
  for (uint32_t k = f->params.len; k < n_params; k++)
    tw_result(out, tw_ad_or_zeros(out, cotangents[k], tw_type(t.fn, t.fn->params.at[k])));
  return finish(out);
}

const TwFn *tw_vjp_within(TwModule *m, const TwFn *f, const bool *active, const bool *unit, TwAdLimits limits) {
  Seed *seed = TW_NEW_N(m->arena, Seed, f->results.len);
  for (uint32_t k = 0; k < f->results.len; k++) seed[k] = unit && unit[k] ? SEED_ONE : SEED_PARAM;
  return reverse(m, f, active, seed, "vjp", limits);
}

const TwFn *tw_vjp(TwModule *m, const TwFn *f, const bool *active, const bool *unit) {
  return tw_vjp_within(m, f, active, unit, tw_ad_limits_default());
}

const TwFn *tw_grad_within(TwModule *m, const TwFn *f, const bool *active, TwAdLimits limits) {
  Seed *seed = TW_NEW_N(m->arena, Seed, f->results.len);
  if (!f->results.len || !is_real(f, f->results.at[0]) || tw_info(f, f->results.at[0])->rank)
    tw_ad_bug(f, 0, "the gradient of something that is not a real scalar");
  seed[0] = SEED_ONE;
  return reverse(m, f, active, seed, "grad", limits);
}

const TwFn *tw_grad(TwModule *m, const TwFn *f, const bool *active) {
  return tw_grad_within(m, f, active, tw_ad_limits_default());
}

/* ---- linearization as two functions */

/* Copies what `roots` need into out, given map[] of params, and returns them. */
static void extract(TwFn *out, const TwFn *f, const TwRef *roots, uint32_t n, TwRef *map) {
  bool *stops = TW_NEW_N(f->module->arena, bool, f->insts.len), *need = TW_NEW_N(f->module->arena, bool, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++) stops[r] = map[r] != 0;
  tw_ad_needed(f, stops, roots, n, need);
  tw_ad_copy_needed(out, f, need, map);
  for (uint32_t k = 0; k < n; k++) tw_result(out, map[roots[k]]);
}

/* All primal values but params and constants may be residuals. A param that the linear part reads is
 * one too; it needs no place among the results of the primal. */
static TwRef *choose_residuals(const TwFn *j, uint32_t n_params, const bool *linear, uint32_t *n) {
  TwArena *arena = j->module->arena;
  TwAdSource *source = TW_NEW_N(arena, TwAdSource, j->insts.len);
  bool *stops = TW_NEW_N(arena, bool, j->insts.len), *need = TW_NEW_N(arena, bool, j->insts.len);
  for (TwRef r = 1; r < j->insts.len; r++)
    source[r] = tw_op(j, r) == TW_OP_param || tw_op(j, r) == TW_OP_const ? TW_AD_FREE : TW_AD_VARYING;
  TwAdResiduals kept = tw_ad_residuals(j, linear, source, false);
  for (uint32_t k = 0; k < kept.n_kept; k++) stops[kept.kept[k]] = true;
  for (uint32_t k = 0; k < j->results.len; k++)
    if (linear[j->results.at[k]]) tw_ad_needed(j, stops, &j->results.at[k], 1, need);
  TwRef *list = TW_NEW_N(arena, TwRef, kept.n_kept + n_params);
  *n = 0;
  for (uint32_t k = 0; k < kept.n_kept; k++) list[(*n)++] = kept.kept[k];
  for (uint32_t k = 0; k < n_params; k++)
    if (need[j->params.at[k]]) list[(*n)++] = j->params.at[k];
  return list;
}

TwAdLinearized tw_linearize(TwModule *m, const TwFn *f, const bool *active) {
  TwAdTangent t = tw_ad_tangent(m, f, active, &(TwAdPolicy){.limits = tw_ad_limits_default()});
  const TwFn *j = t.fn;
  uint32_t n_params = f->params.len, n = 0;
  bool *tangents = TW_NEW_N(m->arena, bool, j->params.len);
  for (uint32_t k = n_params; k < j->params.len; k++) tangents[k] = true;
  TwRef *residuals = choose_residuals(j, n_params, tw_ad_linear(j, tangents), &n);
  int64_t *param = TW_NEW_N(m->arena, int64_t, n);
  TwRef *roots = TW_NEW_N(m->arena, TwRef, f->results.len + n), *map = TW_NEW_N(m->arena, TwRef, j->insts.len);
  uint32_t n_roots = 0;
  for (uint32_t k = 0; k < f->results.len; k++) roots[n_roots++] = j->results.at[k];
  for (uint32_t k = 0; k < n; k++) {
    param[k] = -1;
    for (uint32_t p = 0; p < n_params; p++)
      if (j->params.at[p] == residuals[k]) param[k] = p;
    if (param[k] < 0) roots[n_roots++] = residuals[k];
  }
  TwFn *primal = begin(m, f, "primal"), *linear = begin(m, f, "linear");
  for (uint32_t k = 0; k < n_params; k++) map[j->params.at[k]] = tw_param(primal, tw_type(j, j->params.at[k]));
  extract(primal, j, roots, n_roots, map);
  map = TW_NEW_N(m->arena, TwRef, j->insts.len);
  for (uint32_t k = 0; k < n; k++) map[residuals[k]] = tw_param(linear, tw_type(j, residuals[k]));
  for (uint32_t k = n_params; k < j->params.len; k++)
    map[j->params.at[k]] = tw_param(linear, tw_type(j, j->params.at[k]));
  extract(linear, j, j->results.at + f->results.len, j->results.len - f->results.len, map);
  return (TwAdLinearized){
      .primal = finish(primal), .linear = finish(linear), .nonzero = t.nonzero, .param = param, .n_residuals = n};
}

const TwFn *tw_transpose_linear(TwModule *m, const TwFn *f, const bool *linear_params) {
  TwFn *out = begin(m, f, "transpose");
  TwRef *bound = TW_NEW_N(m->arena, TwRef, f->params.len), *cotangents = TW_NEW_N(m->arena, TwRef, f->params.len);
  TwRef *seeds = TW_NEW_N(m->arena, TwRef, f->results.len);
  for (uint32_t k = 0; k < f->params.len; k++)
    if (!linear_params[k]) bound[k] = tw_param(out, tw_type(f, f->params.at[k]));
  for (uint32_t k = 0; k < f->results.len; k++) seeds[k] = tw_param(out, tw_type(f, f->results.at[k]));
  tw_ad_transpose(out, f, linear_params, bound, seeds, NULL, cotangents);
  for (uint32_t k = 0; k < f->params.len; k++)
    if (linear_params[k]) tw_result(out, tw_ad_or_zeros(out, cotangents[k], tw_type(f, f->params.at[k])));
  return finish(out);
}
