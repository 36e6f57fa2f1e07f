/* optimizer.c: an optimizer's body as elementwise code on one flat vector.
 *
 * In the body p is the vector of trained values, g its gradient, t the number of the update, epoch
 * and epochs the stage's progress, and each state a vector. Assignments to p and the states are the
 * results. The name of a schedule means its value at the present epoch. */
#include <math.h>

#include "compiler/sema/check.h"

static TwLocal *local(TwSema *s, TwSmScope *scope, const char *name, const TwType *type, TwSpan span) {
  TwIdent id = {tw_intern_z(&s->u->names, name), span};
  TwLocal *l = tw_sm_local(s, id.name, type, span);
  tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_use(s, l, span)));
  return l;
}

/* What a name is bound to at the end of the body, as a vector. */
static TwTx *final_value(TwSema *s, const TwSmScope *scope, TwName name, const TwType *vec) {
  const TwSmBind *b = tw_sm_bound(scope, name);
  if (!b || b->value.kind != TW_V_TX) return tw_sm_bad(s, b ? b->span : (TwSpan){0});
  TwTx *t = b->value.tx;
  return tw_sm_coerce(s, t, vec, true, t->span, tw_arena_printf(s->a, "the new '%s'", name));
}

static bool states(TwSema *s, const TwDecl *d, TwSmScope *scope, const TwType *vec, TwUpdate *out) {
  bool ok = true;
  for (uint32_t k = 0; k < d->state.len; k++) {
    const TwArg *a = &d->state.at[k];
    if (tw_sm_bound(scope, a->name.name)) {
      TwDiag *e = tw_sm_error(s, TW_E0202, a->name.span, "'%s' is bound twice in this optimizer", a->name.name);
      tw_sm_note(s, e, tw_sm_bound(scope, a->name.name)->span, "first here");
      ok = false;
      continue;
    }
    TwOptState st = {0};
    TwSmScope outer = {scope->module, NULL};
    ok &= tw_sm_const_real(s, &outer, a->value, "the start of a state", &st.start);
    st.local = tw_sm_local(s, a->name.name, vec, a->name.span);
    tw_sm_bind(s, scope, a->name, tw_sm_v(tw_sm_use(s, st.local, a->name.span)));
    tw_vec_push(s->a, &out->states, st);
  }
  return ok;
}

bool tw_sm_optimizer_body(TwSema *s, const TwDecl *d, TwSmScope *scope, int64_t n_flat, TwUpdate *out) {
  TwDim dim = {.n = n_flat};
  const TwType *vec = tw_sm_tensor(s, TW_REAL, 1, &dim);
  TwSpan at = d->name.span;
  out->decl = d;
  out->p = local(s, scope, "p", vec, at);
  out->g = local(s, scope, "g", vec, at);
  bool ok = states(s, d, scope, vec, out);
  tw_sm_mark_elaborated(s, d);
  if (!d->body) return s->errors++, false;
  TwSmStmts stmts = {0};
  ok &= tw_sm_stmts(s, scope, d->body, true, &stmts);
  for (uint32_t k = 0; k < stmts.len; k++) tw_vec_push(s->a, &out->stmts, stmts.at[k]);
  if (!ok) return false;
  out->next_p = final_value(s, scope, out->p->name, vec);
  ok = !tw_sm_poison(out->next_p->type);
  if (ok && out->next_p->kind == TW_TX_LOCAL && out->next_p->local == out->p) {
    TwDiag *e = tw_sm_error(s, TW_E0709, at, "optimizer '%s' never changes p", d->name.name);
    tw_sm_help(s, e, "write 'p = p - rate * g'");
    ok = false;
  }
  for (uint32_t k = 0; k < out->states.len; k++) {
    TwTx *next = final_value(s, scope, out->states.at[k].local->name, vec);
    ok &= !tw_sm_poison(next->type);
    tw_vec_push(s->a, &out->next_state, next);
  }
  return ok;
}

static void unknown_optimizer(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  if (tw_sm_in_broken(s, e->name)) {
    s->errors++;
    return;
  }
  TwNames names = {0};
  tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, "lbfgs"));
  TwSmModule *in[2] = {scope->module, s->prelude[TW_SM_PRELUDE_OPTIM]};
  for (int m = 0; m < 2; m++)
    for (uint32_t k = 0; in[m] && k < in[m]->entries.len; k++)
      if (in[m]->entries.at[k]->decl->kind == TW_DE_OPTIMIZER) tw_vec_push(s->a, &names, in[m]->entries.at[k]->name);
  TwDiag *d = tw_sm_error(s, TW_E0708, e->span, "there is no optimizer '%s'", e->name);
  if (!tw_sm_suggest(s, d, e->name, names.at, names.len))
    tw_sm_help(s, d, "the standard ones are sgd, momentum, rmsprop, adam, adamw, lm and lbfgs");
}

static bool is_name(TwSema *s, const TwSmScope *scope, TwName name) {
  if (tw_sm_find(scope->module, name) || tw_sm_builtin(name) >= 0) return true;
  for (int k = 0; k < 2; k++)
    if (s->prelude[k] && tw_sm_find(s->prelude[k], name)) return true;
  return false;
}

/* A schedule is a rate: a step against the gradient's descent is legal, and hardly meant; so is none, where steps are
 * to be taken (`many`). */
static bool check_rate(TwSema *s, const TwTx *t, TwSpan span, bool many, const char *what) {
  const char *why = NULL;
  const TwSmNum *n = tw_sm_eval(s, t, &why);
  if (!n && why) tw_sm_error(s, TW_E0314, span, "%s cannot be computed: %s", what, why);
  else if (n && !isfinite(n->x[0])) tw_sm_error(s, TW_E0717, span, "%s is %g, and must be finite", what, n->x[0]);
  else {
    if (n && n->x[0] < 0) tw_sm_warn(s, TW_W0005, span, "%s is negative: %g", what, n->x[0]);
    if (n && n->x[0] == 0 && many) tw_sm_warn(s, TW_W0005, span, "%s is 0: this stage changes nothing", what);
    return true;
  }
  return false;
}

/* Binds the parameters of an optimizer to the arguments of a stage. rate: its first schedule, if there is one. */
static bool parameters(TwSema *s, const TwDecl *d, const TwSmFn *f, TwSmArgs *args, TwSpan span, TwSmScope *scope,
                       TwStage *st, TwName *rate) {
  TwUpdate *u = &st->update;
  bool many = tw_sm_is_std(s, d->span.file) && st->epochs > 1 && !st->patience; /* std has no schedules but rates */
  TwSmArg **slots = TW_NEW_N(s->a, TwSmArg *, d->params.len);
  if (!tw_sm_bind_args(s, f, &d->params, args, span, slots)) return false;
  TwSmStmts stmts = {0};
  bool ok = true;
  for (uint32_t j = 0; j < d->params.len; j++) {
    const TwParamDecl *p = &d->params.at[j];
    TwSmParamKind kind = tw_sm_param_kind(s, scope, p->type);
    const TwType *type = p->type && kind == TW_PK_VALUE ? tw_sm_type(s, scope, p->type) : NULL;
    if (type && tw_sm_poison(type)) return false;
    TwSmArg def = {.span = p->value ? p->value->span : span, .expr = p->value, .scope = scope};
    TwSmArg *a = slots[j] ? slots[j] : &def;
    TwSmValue v = tw_sm_arg(s, a, type);
    const char *what = tw_arena_printf(s->a, "'%s' of '%s'", p->name.name, d->name.name);
    bool number = kind == TW_PK_VALUE || (kind == TW_PK_SCHEDULE && v.kind == TW_V_TX);
    if (number && v.kind != TW_V_POISON) {
      TwTx *t = tw_sm_coerce(s, tw_sm_need(s, v, a->span), type ? type : s->t_real, false, a->span, what);
      bool good = !tw_sm_poison(t->type);
      if (good && kind == TW_PK_SCHEDULE) good = check_rate(s, t, a->span, many, what);
      v = good ? tw_sm_v(t) : tw_sm_vbad();
    }
    if (kind == TW_PK_SCHEDULE && v.kind != TW_V_POISON && v.kind != TW_V_SCHEDULE) {
      bool fn = v.kind == TW_V_TX || v.kind == TW_V_FN || v.kind == TW_V_BUILTIN || v.kind == TW_V_OPAQUE;
      if (!fn)
        tw_sm_error(s, TW_E0301, a->span, "%s should be a number or a function of the epoch, but this is %s", what,
                    tw_sm_kind_text(&v));
      TwSmValue *inner = TW_NEW(s->a, TwSmValue);
      *inner = fn ? v : tw_sm_vbad();
      u->scheduled |= v.kind != TW_V_TX;
      v = (TwSmValue){.kind = fn ? TW_V_SCHEDULE : TW_V_POISON, .inner = inner};
    }
    ok &= v.kind != TW_V_POISON;
    tw_sm_bind_value(s, scope, p->name, v, &stmts);
    if (kind == TW_PK_SCHEDULE && !*rate) *rate = p->name.name;
  }
  for (uint32_t k = 0; k < stmts.len; k++) tw_vec_push(s->a, &u->stmts, stmts.at[k]);
  u->n_arguments = u->stmts.len;
  return ok;
}

/* What a schedule is at the epoch; NULL if it has a mistake. */
static TwTx *rate_now(TwSema *s, const TwSmScope *scope, TwName name, TwSpan span) {
  TwSmValue v = tw_sm_lookup(s, scope, name, span);
  TwTx *t = tw_sm_coerce(s, tw_sm_need(s, v, span), s->t_real, false, span, "the value of a schedule");
  return tw_sm_poison(t->type) ? NULL : t;
}

void tw_sm_update(TwSema *s, const TwSmScope *scope, const TwExpr *call, TwStage *st) {
  const TwExpr *callee = call->kind == TW_EX_CALL ? call->a : call;
  if (callee->kind == TW_EX_NAME && !is_name(s, scope, callee->name)) {
    s->ctx = (TwSmCtx){.what = "an optimizer", .no_params = true, .no_weights = true, .no_data = true};
    if (tw_sm_second_order(s, scope, call, st)) {
      s->ctx = (TwSmCtx){0};
      return;
    }
    unknown_optimizer(s, scope, callee);
    return;
  }
  s->ctx = (TwSmCtx){.what = "an optimizer", .no_params = true, .no_weights = true, .no_data = true};
  TwSmValue v = tw_sm_value(s, scope, callee, NULL);
  if (v.kind == TW_V_POISON) return;
  if (v.kind != TW_V_OPTIMIZER) {
    TwDiag *d = tw_sm_error(s, TW_E0709, callee->span, "'%s' is not an optimizer but %s", tw_sm_text(s, callee->span),
                            tw_sm_kind_text(&v));
    if (v.kind == TW_V_FN) tw_sm_note(s, d, v.fn->span, "it is declared here");
    return;
  }
  const TwDecl *d = v.decl;
  TwSmFn f = {.name = d->name.name, .span = d->name.span, .decl = d, .scope = {v.module, NULL}};
  TwSmArgs args = {0};
  if (call->kind == TW_EX_CALL) tw_sm_args(s, scope, &call->args, &args);
  TwSmFrame frame;
  TwSmScope inner = f.scope;
  TwUpdate *u = &st->update;
  u->t = local(s, &inner, "t", s->t_real, d->name.span);
  u->epoch = local(s, &inner, "epoch", s->t_real, d->name.span);
  u->epochs = local(s, &inner, "epochs", s->t_real, d->name.span);
  TwName rate = NULL;
  if (!parameters(s, d, &f, &args, call->span, &inner, st, &rate)) return;
  tw_sm_push_frame(s, &frame, &f, call->span);
  s->ctx.epoch = tw_sm_use(s, u->epoch, call->span);
  s->ctx.epochs = tw_sm_use(s, u->epochs, call->span);
  if (rate) u->rate = rate_now(s, &inner, rate, call->span);
  tw_sm_optimizer_body(s, d, &inner, st->n_flat, u);
  tw_sm_pop_frame(s);
  s->ctx = (TwSmCtx){0};
}
