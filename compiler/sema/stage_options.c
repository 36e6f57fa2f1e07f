/* stage_options.c: the items of a stage that say when it ends and what happens to a bad start:
 *
 *   patience 50              ends the stage after 50 epochs without a new best
 *   until loss < 1e-8        ends it at the first such epoch
 *   rounds 20   kick 0.002   its epochs 20 times, each time from the best so far, kicked
 *   retry 5 if loss > 1e-4   at its end: starts the seed again, at most 5 times
 *   recompute 1              its gradient keeps less of long loops, and computes them once more
 *
 * requires: an item `word value`.   provides: the stage's fields, or a diagnostic. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

enum { MAX_RETRIES = 10000 };
enum { MAX_RECOMPUTE = 4 }; /* each cut is copies of the loop to compile, which soon cost more than they save */

static bool twice(TwSema *s, bool given, const TwStageItem *it) {
  if (given) tw_sm_error(s, TW_E0707, it->span, "'%s' is given twice", it->names.at[0].name);
  return given;
}

static void count(TwSema *s, const TwSmScope *scope, const TwStageItem *it, const char *what, int64_t *out) {
  int64_t n;
  if (twice(s, *out != 0, it) || !tw_sm_static_int(s, scope, it->value, what, &n)) return;
  if (n > (int64_t)1 << 40)
    tw_sm_error(s, TW_E0717, it->value->span, "%s is at most 2^40, not %lld", what, (long long)n);
  else if (n < 1) tw_sm_error(s, TW_E0717, it->value->span, "%s is at least 1, not %lld", what, (long long)n);
  else *out = n;
}

static void target(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *like, TwTarget *out) {
  if (e->kind == TW_EX_ERROR) {
    s->errors++;
    return;
  }
  bool bound = e->kind == TW_EX_BINARY && e->op >= TW_BI_LT && e->op <= TW_BI_GE && e->a->kind == TW_EX_NAME &&
               strcmp(e->a->name, "loss") == 0;
  if (!bound) {
    TwDiag *d = tw_sm_error(s, TW_E0717, e->span, "this is no bound of the loss");
    tw_sm_help(s, d, "write '%s'", like);
    return;
  }
  if (!tw_sm_const_real(s, scope, e->b, "the bound of the loss", &out->bound)) return;
  out->given = true;
  out->op = e->op;
}

static void kick(TwSema *s, const TwSmScope *scope, const TwStageItem *it, TwStage *st) {
  double x;
  if (twice(s, st->kick > 0, it) || !tw_sm_const_real(s, scope, it->value, "the size of a kick", &x)) return;
  st->kick = x > 0 && x <= 1 ? x : 1;
  if (x > 0 && x <= 1) return;
  tw_sm_error(s, TW_E0717, it->value->span, "the size of a kick is above 0 and at most 1, not %g", x);
}

bool tw_sm_stage_option(TwSema *s, const TwSmScope *scope, const TwStageItem *it, TwStage *st) {
  const char *word = it->names.at[0].name;
  if (it->condition && strcmp(word, "retry") != 0) {
    tw_sm_error(s, TW_E0707, it->condition->span, "'%s' takes no condition", word);
    return true;
  }
  if (strcmp(word, "patience") == 0) {
    count(s, scope, it, "the number of epochs without a new best", &st->patience);
  } else if (strcmp(word, "rounds") == 0) {
    count(s, scope, it, "the number of rounds", &st->rounds);
  } else if (strcmp(word, "kick") == 0) {
    kick(s, scope, it, st);
  } else if (strcmp(word, "recompute") == 0) {
    count(s, scope, it, "how often long loops are computed again", &st->recompute);
    if (st->recompute > MAX_RECOMPUTE)
      tw_sm_error(s, TW_E0717, it->value->span, "long loops are computed again at most %d times, not %lld",
                  MAX_RECOMPUTE, (long long)st->recompute);
  } else if (strcmp(word, "until") == 0) {
    if (!twice(s, st->until.given, it)) target(s, scope, it->value, "until loss < 1e-8", &st->until);
  } else if (strcmp(word, "retry") == 0) {
    count(s, scope, it, "the number of new starts", &st->retries);
    if (st->retries > MAX_RETRIES) /* each is drawn before training begins */
      tw_sm_error(s, TW_E0717, it->value->span, "the number of new starts is at most %d, not %lld", MAX_RETRIES,
                  (long long)st->retries);
    if (it->condition) target(s, scope, it->condition, "retry 5 if loss > 1e-4", &st->retry);
    else
      tw_sm_help(s, tw_sm_error(s, TW_E0717, it->span, "nothing tells when to start again"),
                 "write 'retry 5 if loss > 1e-4'");
  } else {
    return false;
  }
  return true;
}

void tw_sm_stage_options_end(TwSema *s, const TwStage *st, TwSpan name) {
  if ((st->rounds > 0) != (st->kick > 0)) {
    TwDiag *d = tw_sm_error(
        s, TW_E0717, name, st->rounds ? "the rounds of stage '%s' have no kick" : "stage '%s' has a kick but no rounds",
        st->name);
    tw_sm_help(s, d, "write both, such as 'rounds 20' and 'kick 0.002'");
  }
  if (st->recompute > 0 && st->method == TW_ME_LM) {
    TwDiag *d = tw_sm_error(s, TW_E0717, st->optimizer_span,
                            "'lm' has the derivatives of each row, and stage '%s' asks to 'recompute'", st->name);
    tw_sm_help(s, d, "'lbfgs()' and the optimizers that are written in the language can do so");
  }
  if (st->rounds > 0 && st->method == TW_ME_CODE && st->update.decl) {
    TwDiag *d = tw_sm_error(s, TW_E0717, name, "stage '%s' has rounds, which '%s' cannot do", st->name,
                            st->update.decl->name.name);
    tw_sm_help(s, d, "rounds need an optimizer that tells whether a step is any better: 'lm()' or 'lbfgs()'");
  }
  if (st->rounds > 0 && st->epochs > 0 && st->rounds > ((int64_t)1 << 40) / st->epochs)
    tw_sm_error(s, TW_E0717, name, "stage '%s' has more than 2^40 epochs in all of its rounds", st->name);
}
