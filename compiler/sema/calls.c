/* calls.c: calls: what is called, with which arguments.
 *
 * Arguments are elaborated when they are first asked for, in the order of the parameters, so that
 * what is known of the shapes by then can give a literal its type. */
#include <string.h>

#include "compiler/sema/check.h"

TwSmArg tw_sm_arg_of(TwSmValue v, TwSpan span) { return (TwSmArg){.span = span, .ready = true, .value = v}; }

void tw_sm_args(TwSema *s, const TwSmScope *scope, const TwArgs *from, TwSmArgs *out) {
  for (uint32_t k = 0; k < from->len; k++) {
    const TwArg *a = &from->at[k];
    TwSpan span = a->value ? a->value->span : a->name.span;
    tw_vec_push(
        s->a, out,
        (TwSmArg){.name = a->name.name, .name_span = a->name.span, .span = span, .expr = a->value, .scope = scope});
  }
}

TwSmValue tw_sm_arg(TwSema *s, TwSmArg *a, const TwType *want) {
  if (!a->ready) {
    a->value = tw_sm_value(s, a->scope, a->expr, want);
    a->ready = true;
  }
  return a->value;
}

TwTx *tw_sm_arg_tx(TwSema *s, TwSmArg *a, const TwType *want) { return tw_sm_need(s, tw_sm_arg(s, a, want), a->span); }

TwSmValue tw_sm_fn_value(TwSema *s, TwSmModule *m, const TwDecl *d) {
  TwSmFn *f = TW_NEW(s->a, TwSmFn);
  f->name = d->name.name;
  f->span = d->name.span;
  f->decl = d;
  f->scope.module = m;
  f->home = s->frame;
  return (TwSmValue){.kind = TW_V_FN, .fn = f};
}

/* ---- the names of parameters */
static bool again(TwSema *s, TwIdent id, TwIdent first, const char *what) {
  if (id.name != first.name) return false;
  const TwSmFrame *frame = s->frame;
  s->frame = NULL; /* who calls it does not matter */
  TwDiag *e = tw_sm_error(s, TW_E0202, id.span, "'%s' is %s twice", id.name, what);
  tw_sm_note(s, e, first.span, "first here");
  s->frame = frame;
  return true;
}

bool tw_sm_distinct(TwSema *s, const TwDecl *d) {
  bool bad = false;
  for (uint32_t k = 0; k < d->shape_params.len && !bad; k++)
    for (uint32_t j = 0; j < k && !bad; j++)
      bad = again(s, d->shape_params.at[k], d->shape_params.at[j], "a shape parameter");
  for (uint32_t k = 0; k < d->params.len && !bad; k++) {
    for (uint32_t j = 0; j < k && !bad; j++) bad = again(s, d->params.at[k].name, d->params.at[j].name, "a parameter");
    for (uint32_t j = 0; j < d->shape_params.len && !bad; j++)
      bad = again(s, d->params.at[k].name, d->shape_params.at[j], "a parameter");
  }
  return !bad;
}

/* ---- matching arguments with parameters */
static bool too_many(TwSema *s, const TwSmFn *f, uint32_t n_params, const TwSmArgs *args, TwSpan span) {
  TwDiag *d = tw_sm_error(s, TW_E0302, span, "'%s' takes %u argument%s, but %u are given", f->name, n_params,
                          n_params == 1 ? "" : "s", args->len);
  tw_sm_note(s, d, f->span, "declared here");
  return false;
}

static bool place_named(TwSema *s, const TwSmFn *f, const TwParamDecls *params, TwSmArg *a, TwSmArg **slots) {
  TwNames names = {0};
  for (uint32_t j = 0; j < params->len; j++) {
    tw_vec_push(s->a, &names, params->at[j].name.name);
    if (params->at[j].name.name != a->name) continue;
    if (!slots[j]) return slots[j] = a, true;
    TwDiag *d = tw_sm_error(s, TW_E0210, a->name_span, "argument '%s' of '%s' is given twice", a->name, f->name);
    tw_sm_note(s, d, slots[j]->span, "first here");
    return false;
  }
  TwDiag *d = tw_sm_error(s, TW_E0207, a->name_span, "'%s' has no parameter '%s'", f->name, a->name);
  tw_sm_note(s, d, f->span, "declared here");
  tw_sm_suggest(s, d, a->name, names.at, names.len);
  return false;
}

bool tw_sm_bind_args(TwSema *s, const TwSmFn *f, const TwParamDecls *params, TwSmArgs *args, TwSpan span,
                     TwSmArg **slots) {
  uint32_t at = 0;
  bool ok = true;
  for (uint32_t k = 0; k < args->len; k++) {
    TwSmArg *a = &args->at[k];
    if (a->name) ok &= place_named(s, f, params, a, slots);
    else if (at >= params->len) return too_many(s, f, params->len, args, span);
    else slots[at++] = a;
  }
  for (uint32_t j = 0; j < params->len && ok; j++) {
    if (slots[j] || params->at[j].value) continue;
    TwDiag *d = tw_sm_error(s, TW_E0303, span, "argument '%s' of '%s' is missing", params->at[j].name.name, f->name);
    tw_sm_note(s, d, params->at[j].name.span, "declared here");
    ok = false;
  }
  return ok;
}

/* ---- what can be called */
/* A function parameter, where its function is checked on its own. */
static TwSmValue apply_opaque(TwSema *s, TwSmValue f, TwSmArgs *args, TwSpan span) {
  const TwTypeExpr *te = f.opaque;
  if (!te || te->kind != TW_TE_FN || !te->result) {
    for (uint32_t k = 0; k < args->len; k++) tw_sm_arg(s, &args->at[k], NULL);
    return tw_sm_vbad();
  }
  if (args->len != te->params.len) {
    TwDiag *d = tw_sm_error(s, TW_E0302, span, "this function takes %u argument%s, but %u %s given", te->params.len,
                            te->params.len == 1 ? "" : "s", args->len, args->len == 1 ? "is" : "are");
    tw_sm_note(s, d, te->span, "its type is declared here");
    return tw_sm_vbad();
  }
  for (uint32_t k = 0; k < args->len; k++) {
    const TwType *want = tw_sm_type(s, &f.scope, te->params.at[k]);
    tw_sm_coerce(s, tw_sm_arg_tx(s, &args->at[k], want), want, false, args->at[k].span, "this argument");
  }
  const TwType *type = tw_sm_type(s, &f.scope, te->result);
  if (tw_sm_poison(type)) return tw_sm_vbad();
  return tw_sm_v(tw_sm_use(s, tw_sm_local(s, tw_intern_z(&s->u->names, "result"), type, span), span));
}

TwSmValue tw_sm_schedule_now(TwSema *s, const TwSmValue *v, TwSpan span) {
  if (v->inner->kind == TW_V_TX || v->inner->kind == TW_V_POISON) return *v->inner;
  if (!s->ctx.epoch) {
    TwDiag *d = tw_sm_error(s, TW_E0311, span, "'%s' is a schedule: its value depends on the epoch",
                            tw_sm_text(s, span));
    tw_sm_help(s, d, "call it: %s(epoch, epochs)", tw_sm_text(s, span));
    return tw_sm_vbad();
  }
  TwSmArgs args = {0};
  tw_vec_push(s->a, &args, tw_sm_arg_of(tw_sm_v(tw_sm_at(s, s->ctx.epoch, span)), span));
  tw_vec_push(s->a, &args, tw_sm_arg_of(tw_sm_v(tw_sm_at(s, s->ctx.epochs, span)), span));
  TwSmValue r = tw_sm_apply(s, *v->inner, &args, span, s->t_real);
  if (r.kind == TW_V_POISON) return r;
  return tw_sm_v(tw_sm_coerce(s, tw_sm_need(s, r, span), s->t_real, false, span, "the value of a schedule"));
}

TwSmValue tw_sm_apply(TwSema *s, TwSmValue f, TwSmArgs *args, TwSpan span, const TwType *want) {
  if (f.kind == TW_V_FN) return tw_sm_apply_fn(s, f.fn, args, span, want);
  if (f.kind == TW_V_BUILTIN) return tw_sm_apply_builtin(s, f.index, args, span, want);
  if (f.kind == TW_V_OPAQUE) return apply_opaque(s, f, args, span);
  if (f.kind == TW_V_SCHEDULE && f.inner->kind != TW_V_TX) return tw_sm_apply(s, *f.inner, args, span, want);
  for (uint32_t k = 0; k < args->len; k++) tw_sm_arg(s, &args->at[k], NULL);
  if (f.kind == TW_V_SCHEDULE) return *f.inner;
  if (f.kind == TW_V_POISON) return f;
  const char *what = f.kind == TW_V_TX ? tw_type_text(s->a, f.tx->type) : tw_sm_kind_text(&f);
  TwDiag *d = tw_sm_error(s, TW_E0304, span, "this is %s, and cannot be called", what);
  if (f.kind == TW_V_TYPE) tw_sm_help(s, d, "a record is written { field = …, … }");
  if (f.kind == TW_V_OPTIMIZER) tw_sm_help(s, d, "an optimizer stands in a stage");
  return tw_sm_vbad();
}

TwSmValue tw_sm_call(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  TwSmValue f = tw_sm_value(s, scope, e->a, NULL);
  TwSmArgs args = {0};
  tw_sm_args(s, scope, &e->args, &args);
  bool callable = f.kind == TW_V_FN || f.kind == TW_V_BUILTIN || f.kind == TW_V_OPAQUE || f.kind == TW_V_SCHEDULE;
  TwSmValue v = tw_sm_apply(s, f, &args, callable || f.kind == TW_V_POISON ? e->span : e->a->span, want);
  if (v.kind == TW_V_POISON) /* mistakes in arguments that nobody asked for are still mistakes */
    for (uint32_t k = 0; k < args.len; k++)
      if (!args.at[k].ready && args.at[k].expr && args.at[k].expr->kind != TW_EX_FOR) tw_sm_arg(s, &args.at[k], NULL);
  return v;
}
