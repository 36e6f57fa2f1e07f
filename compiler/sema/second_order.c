/* second_order.c: lm and lbfgs, the optimizers that are not written in the language.
 *
 * They decide by looking at several values of the loss, which no update of the form p = … does; the runtime
 * has them (runtime/lm.c, runtime/lbfgs.c). A program's own optimizer of the name comes first.
 * requires: a stage whose other items are read.   provides: its method and settings, or a diagnostic. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

enum { MAX_UNKNOWNS = 4096, MAX_MEMORY = 1000 };

typedef struct Setting {
  const char *name, *what;
  double value, least, most; /* least and most are allowed */
} Setting;

static bool setting(TwSema *s, const TwSmScope *scope, const char *of, const TwArg *a, uint32_t k, Setting *to) {
  if (k > 0 || (a->name.name && strcmp(a->name.name, to->name) != 0)) {
    TwSpan at = a->name.name ? a->name.span : a->value->span;
    TwDiag *d = tw_sm_error(s, TW_E0207, at, a->name.name ? "'%s' has no argument '%s'" : "'%s' takes one argument", of,
                            a->name.name);
    tw_sm_help(s, d, "write '%s(%s = %g)'", of, to->name, to->value);
    return false;
  }
  double x;
  if (!tw_sm_const_real(s, scope, a->value, to->what, &x)) return false;
  if (!(x >= to->least && x <= to->most) || (strcmp(to->name, "memory") == 0 && x != floor(x))) {
    tw_sm_error(s, TW_E0717, a->value->span, "%s of '%s' is %g, and must be %s %g to %g", to->what, of, x,
                strcmp(to->name, "memory") == 0 ? "a whole number from" : "from", to->least, to->most);
    return false;
  }
  to->value = x;
  return true;
}

static void refuse_others(TwSema *s, const TwStage *st, const char *of, TwSpan at) {
  if (st->batch)
    tw_sm_error(s, TW_E0717, at, "'%s' looks at the whole of the data, and stage '%s' takes batches", of, st->name);
  if (st->clip_norm > 0)
    tw_sm_error(s, TW_E0717, at, "'%s' takes no step along the gradient whose norm stage '%s' could clip", of,
                st->name);
  if (st->keep) tw_sm_error(s, TW_E0717, at, "'%s' has no state that stage '%s' could keep", of, st->name);
}

bool tw_sm_second_order(TwSema *s, const TwSmScope *scope, const TwExpr *call, TwStage *st) {
  const TwExpr *callee = call->kind == TW_EX_CALL ? call->a : call;
  if (callee->kind != TW_EX_NAME) return false;
  bool lm = strcmp(callee->name, "lm") == 0;
  if (!lm && strcmp(callee->name, "lbfgs") != 0) return false;
  Setting to = lm ? (Setting){"damping", "the damping", 1e-3, 1e-15, 1e15}
                  : (Setting){"memory", "the memory", 10, 1, MAX_MEMORY};
  st->method = lm ? TW_ME_LM : TW_ME_LBFGS;
  st->optimizer_span = call->span;
  for (uint32_t k = 0; call->kind == TW_EX_CALL && k < call->args.len; k++)
    if (!setting(s, scope, callee->name, &call->args.at[k], k, &to)) return true;
  st->damping = lm ? to.value : 0;
  st->memory = lm ? 0 : (int64_t)to.value;
  refuse_others(s, st, callee->name, callee->span);
  if (lm && st->n_flat > MAX_UNKNOWNS) {
    TwDiag *d = tw_sm_error(s, TW_E0902, callee->span, "'lm' solves for at most %d numbers, and stage '%s' trains %lld",
                            MAX_UNKNOWNS, st->name, (long long)st->n_flat);
    tw_sm_help(s, d, "use 'lbfgs()', or train less in this stage");
  }
  return true;
}
