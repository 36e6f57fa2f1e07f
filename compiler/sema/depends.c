/* depends.c: what depends on what, through weights that are not stored yet; and the rules that follow
 * for the order of stages: a release is for good, and a loss must depend on what its stage trains. */
#include "compiler/sema/check.h"

TwSmDeps tw_sm_deps(TwSema *s) {
  return (TwSmDeps){TW_NEW_N(s->a, bool, s->p->params.len + 1), TW_NEW_N(s->a, bool, s->p->weights.len + 1)};
}

typedef struct Walk {
  TwSema *s;
  const bool *stop;
  TwSmDeps *out;
  uint32_t data; /* the data set that is looked for */
  bool found;
} Walk;

static void walk_tx(Walk *w, const TwTx *t);

static void walk_ts(Walk *w, const TwTs *t) {
  if (t->value) walk_tx(w, t->value);
  for (uint32_t k = 0; k < t->cases.len; k++) walk_tx(w, t->cases.at[k].value);
  if (t->iter.array) walk_tx(w, t->iter.array);
  for (uint32_t k = 0; k < t->body.len; k++) walk_ts(w, t->body.at[k]);
  for (uint32_t k = 0; k < t->next.len; k++) walk_tx(w, t->next.at[k]);
}

static void walk_tx(Walk *w, const TwTx *t) {
  if (t->kind == TW_TX_PARAM) w->out->params[t->index] = true;
  if (t->kind == TW_TX_WEIGHTS && !w->out->weights[t->index]) {
    w->out->weights[t->index] = true;
    const TwWeights *x = &w->s->p->weights.at[t->index];
    if (!x->is_law && !(w->stop && w->stop[t->index])) walk_tx(w, x->value);
  }
  for (uint32_t k = 0; k < t->args.len; k++) walk_tx(w, t->args.at[k]);
  for (uint32_t k = 0; k < t->stmts.len; k++) walk_ts(w, t->stmts.at[k]);
  for (uint32_t k = 0; k < t->items.len; k++)
    if (t->items.at[k].at) walk_tx(w, t->items.at[k].at);
  for (uint32_t k = 0; k < t->iters.len; k++) {
    if (t->iters.at[k].array) walk_tx(w, t->iters.at[k].array);
    else w->found |= t->iters.at[k].kind == TW_IT_DATA && t->iters.at[k].data == w->data;
  }
}

void tw_sm_depends(TwSema *s, const TwTx *t, const bool *stop, TwSmDeps *out) {
  Walk w = {s, stop, out, UINT32_MAX, false};
  if (t) walk_tx(&w, t);
}

bool tw_sm_trained(const TwSema *s, uint32_t param) {
  for (uint32_t k = 0; k < s->p->stages.len; k++)
    for (uint32_t j = 0; j < s->p->stages.at[k].params.len; j++)
      if (s->p->stages.at[k].params.at[j] == param) return true;
  return false;
}

bool tw_sm_uses_data(TwSema *s, const TwTx *t, uint32_t data) {
  TwSmDeps deps = tw_sm_deps(s);
  Walk w = {s, NULL, &deps, data, false};
  walk_tx(&w, t);
  return w.found;
}

/* ---- the rules */
static TwSpan train_span(TwSema *s, uint32_t stage, TwName name) {
  const TwDecl *d = s->stage_decls.at[stage];
  for (uint32_t k = 0; k < d->items.len; k++)
    for (uint32_t j = 0; d->items.at[k].kind == TW_SI_TRAIN && j < d->items.at[k].names.len; j++)
      if (d->items.at[k].names.at[j].name == name) return d->items.at[k].names.at[j].span;
  return d->name.span;
}

/* x may not be trained in this stage: weights that depend on it are trained too, or were. */
static bool conflict(TwSema *s, uint32_t stage, TwName name, bool is_param, uint32_t index,
                     const uint32_t *released_in) {
  for (uint32_t j = 0; j < s->p->weights.len; j++) {
    const TwWeights *w = &s->p->weights.at[j];
    if (released_in[j] == UINT32_MAX || w->is_law || (!is_param && j == index)) continue;
    TwSmDeps deps = tw_sm_deps(s);
    tw_sm_depends(s, w->value, NULL, &deps);
    if (!(is_param ? deps.params : deps.weights)[index]) continue;
    uint32_t when = released_in[j];
    if (when == stage) {
      TwDiag *d = tw_sm_error(s, TW_E0705, train_span(s, stage, name),
                              "'%s' cannot be trained together with '%s', which depends on it", name, w->name);
      tw_sm_note(s, d, train_span(s, stage, w->name), "'%s' is trained here, and no longer follows '%s'", w->name,
                 name);
    } else {
      TwDiag *d = tw_sm_error(s, TW_E0705, train_span(s, stage, name),
                              "'%s' is trained after '%s', which depends on it, was released", name, w->name);
      tw_sm_note(s, d, train_span(s, when, w->name), "'%s' is released here, and no longer follows '%s'", w->name,
                 name);
    }
    return true;
  }
  return false;
}

typedef struct Trained {
  TwName name;
  TwSpan span;
  bool reached;
} Trained;

static void check_dependence(TwSema *s, uint32_t stage, const bool *stored) {
  const TwStage *st = &s->p->stages.at[stage];
  if (!st->loss || tw_sm_poison(st->loss->type)) return;
  TwSmDeps deps = tw_sm_deps(s);
  tw_sm_depends(s, st->loss, stored, &deps);
  TwVec(Trained) all = {0};
  uint32_t reached = 0;
  for (uint32_t k = 0; k < st->params.len; k++) {
    TwName name = s->p->params.at[st->params.at[k]].name;
    tw_vec_push(s->a, &all, (Trained){name, train_span(s, stage, name), deps.params[st->params.at[k]]});
  }
  for (uint32_t k = 0; k < st->weights.len; k++) {
    TwName name = s->p->weights.at[st->weights.at[k]].name;
    tw_vec_push(s->a, &all, (Trained){name, train_span(s, stage, name), deps.weights[st->weights.at[k]]});
  }
  for (uint32_t k = 0; k < all.len; k++) reached += all.at[k].reached;
  if (all.len && reached == 0) {
    TwDiag *d = tw_sm_error(s, TW_E0702, all.at[0].span, "the loss of stage '%s' does not depend on %s", st->name,
                            all.len == 1 ? tw_arena_printf(s->a, "'%s'", all.at[0].name) : "anything that it trains");
    tw_sm_note(s, d, st->loss->span, "the loss");
    return;
  }
  for (uint32_t k = 0; k < all.len; k++)
    if (!all.at[k].reached)
      tw_sm_warn(s, TW_W0003, all.at[k].span, "the loss of stage '%s' does not depend on '%s'", st->name,
                 all.at[k].name);
}

void tw_sm_check_stages(TwSema *s) {
  uint32_t n = s->p->weights.len;
  uint32_t *released_in = TW_NEW_N(s->a, uint32_t, n + 1);
  bool *stored = TW_NEW_N(s->a, bool, n + 1);
  for (uint32_t j = 0; j < n; j++) released_in[j] = UINT32_MAX;
  for (uint32_t k = 0; k < s->p->stages.len; k++) {
    const TwStage *st = &s->p->stages.at[k];
    for (uint32_t j = 0; j < st->weights.len; j++) {
      if (released_in[st->weights.at[j]] == UINT32_MAX) released_in[st->weights.at[j]] = k;
      stored[st->weights.at[j]] = true;
    }
    bool bad = false;
    for (uint32_t j = 0; j < st->params.len; j++)
      bad |= conflict(s, k, s->p->params.at[st->params.at[j]].name, true, st->params.at[j], released_in);
    for (uint32_t j = 0; j < st->weights.len; j++)
      bad |= conflict(s, k, s->p->weights.at[st->weights.at[j]].name, false, st->weights.at[j], released_in);
    if (!bad) check_dependence(s, k, stored);
  }
}
