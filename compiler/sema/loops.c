/* loops.c: clauses `i in 0 .. n`, `layer in net.hidden`, `(x, y) in train`; comprehensions and
 * reductions over them. */
#include "compiler/sema/check.h"

static bool one_name(TwSema *s, const TwForClause *c) {
  if (c->names.len == 1 && !c->pattern) return true;
  tw_sm_error(s, TW_E0318, c->span, "the elements here have one name, not a pattern");
  return false;
}

/* One end of a range. Where it is not known the trip count is not, so neither are shapes. */
static bool range_end(TwSema *s, const TwSmScope *scope, const TwForClause *c, const TwExpr *e, const char *what,
                      int64_t *out) {
  uint32_t before = s->u->diags.list.len;
  if (tw_sm_static_or(s, scope, e, what, TW_E0412, out)) return true;
  if (s->u->diags.list.len == before) return false;
  TwDiag *d = s->u->diags.list.at[before];
  const char *name = c->names.len ? c->names.at[0].name : "i";
  if (d->id == TW_E0412 && !d->help)
    tw_sm_help(s, d, "run over the widest range and leave out the rest: sum(… for %s in 0 .. n if %s %s %s)", name,
               name, e == c->in->a ? ">=" : "<", tw_sm_text(s, e->span));
  return false;
}

static bool over_range(TwSema *s, TwSmScope *scope, const TwForClause *c, TwIter *out) {
  int64_t lo = 0, hi = 0;
  if (!one_name(s, c)) return false;
  if (!c->in->a || !c->in->b) {
    tw_sm_error(s, TW_E0412, c->in->span, "this range needs a start and an end");
    return false;
  }
  bool ok = range_end(s, scope, c, c->in->a, "the start of a range", &lo);
  if (!range_end(s, scope, c, c->in->b, "the end of a range", &hi) || !ok) return false;
  if (hi < lo) {
    tw_sm_error(s, TW_E0407, c->in->span, "this range ends at %lld, before it begins at %lld", (long long)hi,
                (long long)lo);
    return false;
  }
  if (hi - lo > INT32_MAX) {
    tw_sm_error(s, TW_E0902, c->in->span, "this range has more than 2^31 elements");
    return false;
  }
  *out = (TwIter){.kind = TW_IT_RANGE, .lo = lo, .n = hi - lo};
  out->local = tw_sm_local(s, c->names.at[0].name, s->t_int, c->names.at[0].span);
  tw_sm_set_range(s, out->local, (TwSmInterval){true, lo, hi - 1});
  tw_sm_bind(s, scope, c->names.at[0], tw_sm_v(tw_sm_use(s, out->local, c->names.at[0].span)));
  return true;
}

static void bind_field(TwSema *s, TwSmScope *scope, TwIdent id, TwLocal *whole, uint32_t k) {
  tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_field(s, tw_sm_use(s, whole, id.span), k, id.span)));
}

/* (x, y) in d: x is the input, a tuple where there are several; or a name for each input, then y. */
static bool over_data(TwSema *s, TwSmScope *scope, const TwForClause *c, uint32_t data, TwIter *out) {
  const TwDataSet *d = &s->p->datas.at[data];
  uint32_t n = d->inputs.len;
  bool each = n > 1 && c->names.len == n + 1;
  if (!c->pattern || (c->names.len != 2 && !each)) {
    TwDiag *e = tw_sm_error(s, TW_E0318, c->span, "a row of data set '%s' is an input and a target", d->name);
    tw_sm_help(s, e,
               n > 1 ? "write (x, y) for the inputs together and the target, or a name for each" : "write (x, y) in %s",
               d->name);
    return false;
  }
  const TwType **types = TW_NEW_N(s->a, const TwType *, n);
  for (uint32_t k = 0; k < n; k++) types[k] = s->t_real;
  *out = (TwIter){.kind = TW_IT_DATA, .n = d->n, .data = data};
  TwIdent first = c->names.at[0], last = c->names.at[c->names.len - 1];
  out->local = tw_sm_local(s, first.name, n == 1 ? s->t_real : tw_sm_tuple(s, types, n), first.span);
  out->target = tw_sm_local(s, last.name, d->target->type, last.span);
  if (d->weight) out->weight = tw_sm_local(s, tw_intern_z(&s->u->names, "weight"), s->t_real, last.span);
  if (each)
    for (uint32_t k = 0; k < n; k++) bind_field(s, scope, c->names.at[k], out->local, k);
  else tw_sm_bind(s, scope, first, tw_sm_v(tw_sm_use(s, out->local, first.span)));
  tw_sm_bind(s, scope, last, tw_sm_v(tw_sm_use(s, out->target, last.span)));
  return true;
}

static bool over_array(TwSema *s, TwSmScope *scope, const TwForClause *c, TwTx *array, TwIter *out) {
  const TwType *t = array->type;
  if (tw_sm_poison(t)) return false;
  if (t->kind != TW_TY_ARRAY && (t->kind != TW_TY_TENSOR || t->rank == 0)) {
    TwDiag *d = tw_sm_error(s, TW_E0306, c->in->span, "this is %s, and there is nothing in it to run over",
                            tw_type_text(s->a, t));
    if (t->kind == TW_TY_TUPLE) tw_sm_help(s, d, "run over an index of both: for i in 0 .. n");
    if (tw_sm_is(t, TW_INT)) tw_sm_help(s, d, "write a range: 0 .. %s", tw_sm_text(s, c->in->span));
    return false;
  }
  const TwType *elem = tw_sm_tail(s, t);
  *out = (TwIter){.kind = TW_IT_ARRAY, .n = t->dims[0].n, .array = array};
  out->local = tw_sm_local(s, c->names.at[0].name, elem, c->names.at[0].span);
  if (!c->pattern) {
    tw_sm_bind(s, scope, c->names.at[0], tw_sm_v(tw_sm_use(s, out->local, c->names.at[0].span)));
    return true;
  }
  if (elem->kind != TW_TY_TUPLE || elem->fields.len != c->names.len) {
    tw_sm_error(s, TW_E0318, c->span, "the pattern has %u names, but an element is %s", c->names.len,
                tw_type_text(s->a, elem));
    return false;
  }
  for (uint32_t k = 0; k < c->names.len; k++) bind_field(s, scope, c->names.at[k], out->local, k);
  return true;
}

static bool distinct(TwSema *s, const TwForClause *c) {
  for (uint32_t k = 0; k < c->names.len; k++)
    for (uint32_t j = 0; j < k; j++)
      if (c->names.at[j].name == c->names.at[k].name) {
        tw_sm_error(s, TW_E0202, c->names.at[k].span, "'%s' stands twice in this pattern", c->names.at[k].name);
        return false;
      }
  return true;
}

/* So that the names of a clause with a mistake are not reported as unknown. */
static bool poison_names(TwSema *s, TwSmScope *scope, const TwForClause *c) {
  for (uint32_t k = 0; k < c->names.len; k++) tw_sm_bind(s, scope, c->names.at[k], tw_sm_vbad());
  return false;
}

bool tw_sm_iter(TwSema *s, TwSmScope *scope, const TwForClause *c, bool data_ok, TwIter *out) {
  if (!c->in || c->names.len == 0 || !distinct(s, c)) return poison_names(s, scope, c);
  if (c->in->kind == TW_EX_RANGE) return over_range(s, scope, c, out) || poison_names(s, scope, c);
  TwSmValue v = tw_sm_value(s, scope, c->in, NULL);
  if (v.kind == TW_V_POISON) return poison_names(s, scope, c);
  if (v.kind != TW_V_DATA)
    return over_array(s, scope, c, tw_sm_need(s, v, c->in->span), out) || poison_names(s, scope, c);
  if (data_ok) return over_data(s, scope, c, v.index, out) || poison_names(s, scope, c);
  TwDiag *d = tw_sm_error(s, TW_E0321, c->span, "a data set can only be run over in a reduction");
  tw_sm_help(s, d, "write mean(… for (x, y) in %s) or sum(…)", s->p->datas.at[v.index].name);
  return poison_names(s, scope, c);
}

/* The clauses of a comprehension or reduction. */
static bool clauses(TwSema *s, TwSmScope *scope, const TwExpr *e, bool data_ok, TwTx *t) {
  bool ok = true;
  for (uint32_t k = 0; k < e->fors.len; k++) {
    TwIter it;
    if (!tw_sm_iter(s, scope, &e->fors.at[k], data_ok, &it)) ok = false;
    else tw_vec_push(s->a, &t->iters, it);
  }
  return ok;
}

static bool never_runs(const TwTx *t) {
  for (uint32_t k = 0; k < t->iters.len; k++)
    if (t->iters.at[k].n == 0) return true;
  return false;
}

TwTx *tw_sm_for(TwSema *s, const TwSmScope *outer, const TwExpr *e, const TwType *want) {
  TwSmScope scope = *outer;
  TwTx *t = tw_sm_node(s, TW_TX_FOR, s->t_poison, e->span);
  if (e->b) {
    TwDiag *d = tw_sm_error(s, TW_E0321, e->b->span,
                            "an array has as many elements as its clauses say, whatever a condition is");
    tw_sm_help(s, d, "use 'if … then … else …' as the element, or a reduction such as sum(… for … if …)");
    return tw_sm_bad(s, e->span);
  }
  bool ok = clauses(s, &scope, e, false, t), dead = never_runs(t);
  for (uint32_t k = 0; k < e->fors.len && want; k++)
    want = want->kind == TW_TY_ARRAY || (want->kind == TW_TY_TENSOR && want->rank) ? tw_sm_tail(s, want) : NULL;
  s->dead += dead;
  TwTx *body = tw_sm_tx(s, &scope, e->a, want);
  s->dead -= dead;
  if (!ok || tw_sm_poison(body->type)) return tw_sm_bad(s, e->span);
  if (want && tw_sm_can_coerce(body->type, want)) body = tw_sm_coerce(s, body, want, false, body->span, "the element");
  tw_vec_push(s->a, &t->args, body);
  const TwType *type = body->type;
  for (uint32_t k = t->iters.len; k-- > 0;) {
    const TwExpr *in = e->fors.at[k].in;
    TwDim n = {t->iters.at[k].n, e->fors.at[k].span, NULL};
    if (t->iters.at[k].kind == TW_IT_ARRAY) n = t->iters.at[k].array->type->dims[0];
    else n.form = tw_size_sum(s->a, tw_sm_form(s, outer, in->b), tw_sm_form(s, outer, in->a), -1);
    type = tw_sm_lead(s, n, type, e->span);
  }
  t->type = type;
  return tw_sm_poison(type) ? tw_sm_bad(s, e->span) : t;
}

static bool reducible(TwSema *s, TwReduce r, const TwTx *body, const char *name) {
  bool logic = r == TW_RE_ANY || r == TW_RE_ALL;
  if (body->type->kind == TW_TY_TENSOR && (body->type->dtype == TW_BOOL) == logic) return true;
  TwDiag *d = tw_sm_error(s, TW_E0307, body->span, "'%s' does not apply to %s", name, tw_type_text(s->a, body->type));
  if (!logic && tw_sm_is(body->type, TW_BOOL)) tw_sm_help(s, d, "count with sum(real(…))");
  return false;
}

/* The weight of a row of the data sets that are run over, or NULL. */
static TwTx *weight_of(TwSema *s, const TwTx *t) {
  TwTx *all = NULL;
  for (uint32_t k = 0; k < t->iters.len; k++) {
    if (!t->iters.at[k].weight) continue;
    TwTx *w = tw_sm_use(s, t->iters.at[k].weight, t->span);
    all = all ? tw_sm_op(s, TW_OP_mul, s->t_real, t->span, all, w) : w;
  }
  return all;
}

TwTx *tw_sm_reduce_for(TwSema *s, const TwSmScope *outer, const TwExpr *e, TwReduce r, TwSpan span, const char *name) {
  TwSmScope scope = *outer;
  TwTx *t = tw_sm_node(s, TW_TX_REDUCE_FOR, s->t_poison, span);
  bool ok = clauses(s, &scope, e, true, t), dead = never_runs(t);
  s->dead += dead;
  TwTx *cond = NULL;
  TwSmRefine undo = {0};
  if (e->b) {
    cond = tw_sm_tx(s, &scope, e->b, s->t_bool);
    if (!tw_sm_poison(cond->type) && !(tw_sm_is_scalar(cond->type) && cond->type->dtype == TW_BOOL)) {
      tw_sm_error(s, TW_E0718, e->b->span, "the condition is %s, and should be one truth value",
                  tw_type_text(s->a, cond->type));
      ok = false;
    }
    ok &= !tw_sm_poison(cond->type);
    tw_sm_refine(s, cond, true, &undo);
  }
  TwTx *body = tw_sm_tx(s, &scope, e->a, NULL);
  tw_sm_restore(s, &undo);
  s->dead -= dead;
  if (!ok || tw_sm_poison(body->type) || !reducible(s, r, body, name)) return tw_sm_bad(s, span);
  if (dead && (r == TW_RE_MEAN || r == TW_RE_MIN || r == TW_RE_MAX)) {
    tw_sm_error(s, TW_E0321, e->span, "there is no '%s' of nothing: a range here is empty", name);
    return tw_sm_bad(s, span);
  }
  if (r == TW_RE_MEAN) body = tw_sm_to_real(s, body);
  TwTx *weight = r == TW_RE_MEAN ? weight_of(s, t) : NULL;
  t->reduce = r;
  t->type = body->type;
  tw_vec_push(s->a, &t->args, body);
  if (cond || weight) tw_vec_push(s->a, &t->args, cond ? cond : tw_sm_bool(s, true, span));
  if (weight) tw_vec_push(s->a, &t->args, weight);
  return t;
}
