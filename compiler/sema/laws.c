/* laws.c: what stands after '~': a built-in law, or a function that may draw.
 *
 * The law is matched with the declared type. Where it does not fit it is applied to each member of a
 * record, each element of an array, and (a law of one number, or of a row) each element or row of a tensor; elements of
 * arrays by a comprehension, so that their draws have different keys. */
#include "compiler/sema/check.h"

static bool sym_like(const TwSmSym *sym, const TwType *t) {
  if (sym->kind != t->kind) return false;
  if (sym->kind == TW_TY_TENSOR) return sym->rank == t->rank && (sym->dtype == t->dtype || sym->dtype == TW_INT);
  if (sym->kind == TW_TY_ARRAY) return sym_like(sym->elem, t->elem);
  if (sym->kind != TW_TY_RECORD || (sym->decl && t->decl)) return sym->decl == t->decl;
  if (sym->fields.len != t->fields.len) return false;
  for (uint32_t k = 0; k < sym->fields.len; k++)
    if (sym->fields.at[k].name != t->fields.at[k].name || !sym_like(sym->fields.at[k].type, t->fields.at[k].type))
      return false;
  return true;
}

/* Whether the result that a function declares can be of this type. */
static bool fits(TwSema *s, const TwSmValue *f, const TwType *want) {
  if (f->kind != TW_V_FN) return want->kind == TW_TY_TENSOR;
  const TwDecl *d = f->fn->decl;
  if (!d || !d->type || d->shape_params.len > TW_SM_VARS) return true;
  TwSmScope scope = f->fn->scope;
  TwSmLin lin[TW_SM_VARS];
  TwSmSolve solve = {.s = s, .n = d->shape_params.len, .names = d->shape_params.at};
  for (uint32_t k = 0; k < solve.n; k++) {
    lin[k] = (TwSmLin){.linear = true};
    lin[k].c[k] = 1;
    tw_sm_bind(s, &scope, d->shape_params.at[k], (TwSmValue){.kind = TW_V_LIN, .lin = &lin[k]});
    if (f->fn->has_shape) tw_sm_equation(&solve, &lin[k], f->fn->shape.at[k], f->fn->shape_span);
  }
  if (tw_sm_param_kind(s, &scope, d->type) != TW_PK_VALUE) return false;
  const TwSmSym *sym = tw_sm_sym(s, &scope, d->type);
  return !sym || (sym_like(sym, want) && tw_sm_match(&solve, sym, want, (TwSpan){0}));
}

typedef struct Law {
  TwSema *s;
  TwSmValue f;
  TwSmArgs *args;
  TwSpan span;
} Law;

static TwTx *apply(Law *l, const TwType *want) {
  TwSmArgs args = {0};
  for (uint32_t k = 0; k < l->args->len; k++) tw_vec_push(l->s->a, &args, l->args->at[k]);
  TwTx *t = tw_sm_need(l->s, tw_sm_apply(l->s, l->f, &args, l->span, want), l->span);
  for (uint32_t k = 0; k < l->args->len; k++) l->args->at[k] = args.at[k]; /* what is elaborated stays so */
  if (tw_sm_poison(t->type)) return t;
  return want ? tw_sm_coerce(l->s, t, want, false, l->span, "what the law gives") : tw_sm_realify(l->s, t);
}

static TwTx *distribute(Law *l, const TwType *want);

/* One application for each element: a comprehension over the leading axes. */
static TwTx *each(Law *l, const TwType *want, uint32_t axes, const TwType *elem) {
  TwSema *s = l->s;
  TwTx *t = tw_sm_node(s, TW_TX_FOR, want, l->span);
  for (uint32_t k = 0; k < axes; k++) {
    TwIter it = {.kind = TW_IT_RANGE, .n = want->dims[k].n};
    it.local = tw_sm_local(s, tw_intern_z(&s->u->names, "i"), s->t_int, l->span);
    tw_sm_set_range(s, it.local, (TwSmInterval){true, 0, it.n - 1});
    tw_vec_push(s->a, &t->iters, it);
  }
  TwTx *body = distribute(l, elem);
  if (tw_sm_poison(body->type)) return body;
  tw_vec_push(s->a, &t->args, body);
  return t;
}

static TwTx *distribute(Law *l, const TwType *want) {
  TwSema *s = l->s;
  if (fits(s, &l->f, want)) return apply(l, want);
  if (want->kind == TW_TY_RECORD || want->kind == TW_TY_TUPLE) {
    TwTx *t = tw_sm_node(s, TW_TX_TUPLE, want, l->span);
    for (uint32_t k = 0; k < want->fields.len; k++) {
      TwTx *x = distribute(l, want->fields.at[k].type);
      if (tw_sm_poison(x->type)) return x;
      tw_vec_push(s->a, &t->args, x);
    }
    return t;
  }
  if (want->kind == TW_TY_ARRAY) return each(l, want, want->rank, want->elem);
  for (uint32_t k = want->kind == TW_TY_TENSOR ? want->rank : 0; k > 0; k--) { /* of numbers, else of rows */
    const TwType *part = tw_sm_tensor(s, want->dtype, want->rank - k, want->dims + k);
    if (fits(s, &l->f, part)) return each(l, want, k, part);
  }
  TwDiag *d = tw_sm_error(s, TW_E0510, l->span, "this law does not give a value of type %s", tw_type_text(s->a, want));
  if (l->f.kind == TW_V_FN && l->f.fn->decl && l->f.fn->decl->type)
    tw_sm_note(s, d, l->f.fn->decl->type->span, "'%s' gives %s", l->f.fn->name,
               tw_sm_text(s, l->f.fn->decl->type->span));
  return tw_sm_bad(s, l->span);
}

static bool callable(const TwSmValue *v) {
  return v->kind == TW_V_FN || v->kind == TW_V_BUILTIN || v->kind == TW_V_OPAQUE;
}

TwTx *tw_sm_law(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  s->ctx.law = true;
  s->ctx.draws = 0;
  const TwExpr *callee = e->kind == TW_EX_CALL ? e->a : e;
  bool plain = callee->kind != TW_EX_NAME && callee->kind != TW_EX_FIELD && callee->kind != TW_EX_INDEX &&
               callee->kind != TW_EX_LAMBDA;
  TwSmValue f = plain ? tw_sm_vbad() : tw_sm_value(s, scope, callee, NULL);
  if (!plain && f.kind == TW_V_POISON) return tw_sm_bad(s, e->span);
  bool expression = plain || (f.kind == TW_V_BUILTIN && !tw_sm_builtin_is_law(f.index));
  if (!expression && !callable(&f)) {
    const char *is = f.kind == TW_V_TX ? tw_type_text(s->a, f.tx->type) : tw_sm_kind_text(&f);
    TwDiag *d = tw_sm_error(s, TW_E0506, e->span, "'~' wants a law, but this is %s", is);
    if (f.kind == TW_V_TX) tw_sm_help(s, d, "write '=' for a value");
    return tw_sm_bad(s, e->span);
  }
  if (expression && e->kind != TW_EX_NAME) {
    TwTx *t = tw_sm_tx(s, scope, e, want);
    if (!tw_sm_poison(t->type) && s->ctx.draws == 0) {
      TwDiag *d = tw_sm_error(s, TW_E0506, e->span, "'~' wants a law, but nothing is drawn here");
      tw_sm_help(s, d, "write '=' for a value");
      return tw_sm_bad(s, e->span);
    }
    return want ? tw_sm_coerce(s, t, want, false, e->span, "what the law gives") : tw_sm_realify(s, t);
  }
  if (expression) {
    tw_sm_error(s, TW_E0506, e->span, "'%s' is not a law", e->name);
    return tw_sm_bad(s, e->span);
  }
  TwSmArgs args = {0};
  if (e->kind == TW_EX_CALL) tw_sm_args(s, scope, &e->args, &args);
  Law l = {s, f, &args, e->span};
  return want ? distribute(&l, want) : apply(&l, NULL);
}
