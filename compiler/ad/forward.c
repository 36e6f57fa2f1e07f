/* forward.c: the tangent program of a function.
 *
 * requires: f sealed and verified.
 * provides: (params of f…, tangents of active params…) -> (results of f…, tangents that are not zero…),
 *   joint (a loop computes values and tangents together) or separated (loops that are linear in the
 *   tangents stand apart from those that are not, so that they can be transposed). */
#include "compiler/ad/internal.h"
#include "compiler/base/bug.h"

#include <stdlib.h>

void tw_ad_bug(const TwFn *f, TwRef r, const char *what) {
  TwSpan s = r && r < f->insts.len ? tw_inst(f, r)->span : f->at;
  tw_bug("internal error in the derivative of %s: %s (instruction %u, %s, source %u:%u-%u)", f->name ? f->name : "?",
         what, r, r && r < f->insts.len ? tw_op_name(tw_op(f, r)) : "-", s.file, s.start, s.end);
}

/* ---- arithmetic with structural zeros */

TwRef tw_ad_add(TwFn *out, TwRef a, TwRef b) {
  if (!a || !b) return a ? a : b;
  return tw_binary(out, TW_OP_add, a, b);
}

TwRef tw_ad_scale(TwFn *out, TwRef coefficient, TwRef t) {
  if (!t || tw_is_zero(out, coefficient)) return 0;
  return tw_binary(out, TW_OP_mul, coefficient, t);
}

TwRef tw_ad_scale_strong(TwFn *out, TwRef coefficient, TwRef t) {
  if (!t || tw_is_zero(out, coefficient)) return 0;
  double c;
  bool plain = tw_is_const(out, coefficient, &c) && c != 0 && c - c == 0;
  return tw_binary(out, plain ? TW_OP_mul : TW_OP_mul0, coefficient, t);
}

TwRef tw_ad_or_zeros(TwFn *out, TwRef t, TwTy type) { return t ? t : tw_zeros(out, type); }

/* ---- the walk */

#ifdef TW_MUTATE
/* Breaks the rule of one op, as a wrong rule would be broken; tests/grad must notice. */
TwOp tw_mutate_op;
TwAdMutation tw_mutate_kind;

static TwRef mutate(TwAdForward *w, TwOp op, TwRef t) {
  if (!t || op != tw_mutate_op) return t;
  bool is_region = op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond || op == TW_OP_get;
  if (tw_mutate_kind == TW_MUTATE_JVP_DROP && is_region) return 0;
  if (tw_mutate_kind == TW_MUTATE_JVP_SIGN) return tw_unary(w->out, TW_OP_neg, t);
  if (tw_mutate_kind == TW_MUTATE_JVP_FACTOR)
    return tw_binary(w->out, TW_OP_mul, tw_const(w->out, tw_type(w->out, t), 0.5), t);
  return t;
}

static void mutate_operands(TwAdForward *w, TwRef r) {
  uint32_t n = tw_inst(w->f, r)->n_args;
  for (uint32_t k = n; tw_mutate_kind == TW_MUTATE_JVP_DROP && k-- > 0;)
    if (w->tangent[tw_arg(w->f, r, k)]) {
      w->tangent[tw_arg(w->f, r, k)] = 0;
      return;
    }
  for (uint32_t k = 0; tw_mutate_kind == TW_MUTATE_JVP_SWAP && k + 1 < n; k++) {
    TwRef a = tw_arg(w->f, r, k), b = tw_arg(w->f, r, k + 1), t = w->tangent[a];
    if (tw_type(w->f, a) != tw_type(w->f, b) || (!t && !w->tangent[b])) continue;
    w->tangent[a] = w->tangent[b];
    w->tangent[b] = t;
    return;
  }
}
#else
static TwRef mutate(TwAdForward *w, TwOp op, TwRef t) { return (void)w, (void)op, t; }
#endif

static bool has_tangent(const TwAdForward *w, TwRef r) {
  for (uint32_t k = 0; k < tw_inst(w->f, r)->n_args; k++)
    if (w->tangent[tw_arg(w->f, r, k)]) return true;
  return false;
}

static void apply(TwAdForward *w, TwRef r, TwAdJvpRule *rule) {
#ifdef TW_MUTATE
  uint32_t n = tw_inst(w->f, r)->n_args;
  TwRef *save = TW_NEW_N(w->module->arena, TwRef, n + 1);
  for (uint32_t k = 0; k < n; k++) save[k] = w->tangent[tw_arg(w->f, r, k)];
  if (tw_op(w->f, r) == tw_mutate_op) mutate_operands(w, r);
#endif
  TwRef t = has_tangent(w, r) ? mutate(w, tw_op(w->f, r), rule(w, r)) : 0;
#ifdef TW_MUTATE
  for (uint32_t k = 0; k < n; k++) w->tangent[tw_arg(w->f, r, k)] = save[k];
#endif
  if (t && tw_type(w->out, t) != tw_type(w->f, r)) tw_ad_bug(w->f, r, "the tangent has another type than the value");
  w->tangent[r] = t && tw_is_zero(w->out, t) ? 0 : t;
}

static void visit_region(TwAdForward *w, TwRef r) {
  if (!has_tangent(w, r)) {
    tw_ad_region_primal(w, r);
    return;
  }
  tw_ad_jvp_rule(tw_op(w->f, r))(w, r);
  TwAdParts *parts = &w->parts[r];
  for (uint32_t k = 0; k < tw_region_results(tw_region(w->f, r), tw_op(w->f, r)); k++)
    parts->tangent[k] = mutate(w, tw_op(w->f, r), parts->tangent[k]);
}

static void visit(TwAdForward *w, TwRef r) {
  TwOp op = tw_op(w->f, r);
  w->out->at = tw_inst(w->f, r)->span;
  if (op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond) {
    visit_region(w, r);
  } else if (op == TW_OP_get) {
    w->primal[r] = w->parts[tw_arg(w->f, r, 0)].primal[tw_attr(w->f, r, 0)];
    w->tangent[r] = mutate(w, op, tw_ad_jvp_rule(op)(w, r));
  } else {
    w->primal[r] = tw_copy_inst(w->out, w->f, r, w->primal);
    if (tw_ad_jvp_rule(op) && tw_info(w->f, r)->dtype == TW_REAL) apply(w, r, tw_ad_jvp_rule(op));
  }
}

TwAdTangent tw_ad_tangent(TwModule *m, const TwFn *f, const bool *active, const TwAdPolicy *policy) {
  TwAdForward w = {.module = m, .f = f, .separated = policy != NULL};
  if (policy) w.policy = *policy;
  w.out = tw_fn_new(m, f->name);
  w.primal = TW_NEW_N(m->arena, TwRef, f->insts.len);
  w.tangent = TW_NEW_N(m->arena, TwRef, f->insts.len);
  w.parts = TW_NEW_N(m->arena, TwAdParts, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) w.primal[f->params.at[k]] = tw_param(w.out, tw_type(f, f->params.at[k]));
  for (uint32_t k = 0; k < f->params.len; k++) {
    TwRef p = f->params.at[k];
    if (active[k] && tw_info(f, p)->dtype == TW_REAL) w.tangent[p] = tw_param(w.out, tw_type(f, p));
  }
  for (TwRef r = 1; r < f->insts.len; r++)
    if (tw_op(f, r) != TW_OP_param) visit(&w, r);
  bool *nonzero = TW_NEW_N(m->arena, bool, f->results.len);
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(w.out, w.primal[f->results.at[k]]);
  for (uint32_t k = 0; k < f->results.len; k++) {
    TwRef t = w.tangent[f->results.at[k]];
    nonzero[k] = t != 0;
    if (t) tw_result(w.out, t);
  }
  return (TwAdTangent){.fn = tw_fn_seal(w.out), .nonzero = nonzero};
}
