/* arrays.c: array and record literals, and indexing.
 *
 * An index must be shown to be in bounds when compiling: known, or an integer whose interval lies
 * within (see tx.c). */
#include "compiler/sema/check.h"

static const TwType *elem_hint(TwSema *s, const TwType *want) {
  if (!want || (want->kind != TW_TY_ARRAY && (want->kind != TW_TY_TENSOR || want->rank == 0))) return NULL;
  return tw_sm_tail(s, want);
}

/* A value of any type with no element that matters: the body of an array of length 0. */
static TwTx *nothing(TwSema *s, const TwType *t, TwSpan span) {
  if (t->kind == TW_TY_TENSOR) {
    TwTx *zero = t->dtype == TW_REAL  ? tw_sm_real(s, 0, span)
                 : t->dtype == TW_INT ? tw_sm_int(s, 0, span)
                                      : tw_sm_bool(s, false, span);
    return t->rank ? tw_sm_one(s, TW_TX_FILL, t, span, zero) : zero;
  }
  if (t->kind == TW_TY_ARRAY) {
    TwTx *f = tw_sm_one(s, TW_TX_FOR, t, span, nothing(s, t->elem, span));
    TwIter it = {.kind = TW_IT_RANGE, .n = t->dims[0].n};
    it.local = tw_sm_local(s, tw_intern_z(&s->u->names, "i"), s->t_int, span);
    tw_vec_push(s->a, &f->iters, it);
    return f;
  }
  TwTx *r = tw_sm_node(s, TW_TX_TUPLE, t, span);
  for (uint32_t k = 0; k < t->fields.len; k++) tw_vec_push(s->a, &r->args, nothing(s, t->fields.at[k].type, span));
  return r;
}

static TwTx *empty_array(TwSema *s, const TwExpr *e, const TwType *elem) {
  if (!elem) {
    TwDiag *d = tw_sm_error(s, TW_E0410, e->span, "an array without elements has no type here");
    tw_sm_help(s, d, "give the name it is bound to a type, as in 'let a : real[0] = []'");
    return tw_sm_bad(s, e->span);
  }
  return nothing(s, tw_sm_lead(s, (TwDim){0, e->span, NULL}, elem, e->span), e->span);
}

static TwTx *differ(TwSema *s, const TwTx *first, const TwTx *x) {
  bool shapes = first->type->kind == x->type->kind;
  TwDiag *d = tw_sm_error(s, shapes ? TW_E0409 : TW_E0301, x->span,
                          "the elements of an array must be alike: this one is %s, but the first is %s",
                          tw_sm_shown(s, x->type), tw_sm_shown(s, first->type));
  tw_sm_note(s, d, first->span, "the first element");
  return tw_sm_bad(s, x->span);
}

TwTx *tw_sm_array(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  const TwType *hint = elem_hint(s, want), *type = NULL;
  uint32_t n = e->items.len;
  if (n == 0) return empty_array(s, e, hint);
  TwTx *t = tw_sm_node(s, TW_TX_ARRAY, s->t_poison, e->span), *first = NULL;
  bool bad = false;
  for (uint32_t k = 0; k < n; k++) {
    TwTx *x = tw_sm_tx(s, scope, e->items.at[k], hint);
    tw_vec_push(s->a, &t->args, x);
    if (tw_sm_poison(x->type)) bad = true;
    else if (bad) continue;
    else if (!first) first = x, type = x->type;
    else {
      const TwType *both = tw_sm_unify(s, type, x->type);
      if (!both) return differ(s, first, x);
      type = both;
    }
  }
  if (bad) return tw_sm_bad(s, e->span);
  if (hint && tw_sm_can_coerce(type, hint)) type = hint;
  for (uint32_t k = 0; k < n; k++)
    t->args.at[k] = tw_sm_coerce(s, t->args.at[k], type, false, t->args.at[k]->span, "this element");
  t->type = tw_sm_lead(s, (TwDim){n, e->span, NULL}, type, e->span);
  return tw_sm_poison(t->type) ? tw_sm_bad(s, e->span) : t;
}

/* ---- records */
static const TwType *field_hint(const TwType *want, TwName name) {
  for (uint32_t k = 0; want && want->kind == TW_TY_RECORD && k < want->fields.len; k++)
    if (want->fields.at[k].name == name) return want->fields.at[k].type;
  return NULL;
}

static TwTx *fit_record(TwSema *s, TwTx *t, const TwType *want, const TwArgs *args) {
  TwTx *out = tw_sm_node(s, TW_TX_TUPLE, want, t->span);
  for (uint32_t k = 0; k < want->fields.len; k++) {
    const TwField *f = &want->fields.at[k];
    for (uint32_t j = 0; j < args->len; j++) {
      if (args->at[j].name.name != f->name) continue;
      const char *what = tw_arena_printf(s->a, "field '%s' of %s", f->name, tw_type_text(s->a, want));
      TwTx *x = tw_sm_coerce(s, t->args.at[j], f->type, false, args->at[j].value->span, what);
      if (tw_sm_poison(x->type)) return x;
      tw_vec_push(s->a, &out->args, x);
      break;
    }
  }
  return out;
}

TwTx *tw_sm_record(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  TwTx *t = tw_sm_node(s, TW_TX_TUPLE, s->t_poison, e->span);
  TwType *type = TW_NEW(s->a, TwType);
  type->kind = TW_TY_RECORD;
  bool bad = false, all = want && want->kind == TW_TY_RECORD && want->fields.len == e->args.len;
  for (uint32_t k = 0; k < e->args.len; k++) {
    const TwArg *arg = &e->args.at[k];
    for (uint32_t j = 0; j < k; j++) {
      if (e->args.at[j].name.name != arg->name.name) continue;
      TwDiag *d = tw_sm_error(s, TW_E0210, arg->name.span, "field '%s' is given twice", arg->name.name);
      tw_sm_note(s, d, e->args.at[j].name.span, "first here");
      bad = true;
    }
    const TwType *hint = field_hint(want, arg->name.name);
    all &= hint != NULL;
    TwTx *x = tw_sm_tx(s, scope, arg->value, hint);
    bad |= tw_sm_poison(x->type);
    tw_vec_push(s->a, &t->args, x);
    tw_vec_push(s->a, &type->fields, (TwField){arg->name.name, x->type});
  }
  if (bad || !tw_sm_not_too_wide(s, type, e->span)) return tw_sm_bad(s, e->span);
  t->type = type;
  return all ? fit_record(s, t, want, &e->args) : t;
}

/* ---- indices */
static bool in_bounds(TwSema *s, const TwTx *i, TwDim n, const TwTx *of) {
  TwSmInterval r = tw_sm_range(s, i);
  if (s->dead || (r.known && (r.lo > r.hi || (r.lo >= 0 && r.hi < n.n)))) return true;
  const char *name = tw_sm_text(s, of->span);
  if (!r.known || (!i->known && (r.hi >= (int64_t)1 << 40 || r.lo <= -((int64_t)1 << 40)))) {
    TwDiag *d = tw_sm_error(s, TW_E0411, i->span, "this index of '%s' is not known to be in 0 .. %lld", name,
                            (long long)n.n);
    tw_sm_help(s, d, "keep it in bounds: min(max(…, 0), %lld)", (long long)n.n - 1);
    return false;
  }
  int64_t at = r.lo < 0 ? r.lo : r.hi;
  TwDiag *d = i->known ? tw_sm_error(s, TW_E0404, i->span, "index %lld is out of bounds: '%s' has %s element%s",
                                     (long long)at, name, tw_sm_dim_text(s, &n), n.n == 1 ? "" : "s")
                       : tw_sm_error(s, TW_E0404, i->span, "this index reaches %lld, but '%s' has %s element%s",
                                     (long long)at, name, tw_sm_dim_text(s, &n), n.n == 1 ? "" : "s");
  if (n.from.file) tw_sm_note(s, d, n.from, "the size %s is fixed here", tw_sm_dim_text(s, &n));
  if (i->known && at == -1) tw_sm_help(s, d, "the last element has the index %lld", (long long)n.n - 1);
  return false;
}

static bool slice(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwDim n, TwIndexItem *out) {
  int64_t lo = 0, hi = n.n;
  if (e->a && !tw_sm_static_int(s, scope, e->a, "the start of a slice", &lo)) return false;
  if (e->b && !tw_sm_static_int(s, scope, e->b, "the end of a slice", &hi)) return false;
  if (lo < 0 || hi < lo || hi > n.n) {
    TwDiag *d = tw_sm_error(s, TW_E0404, e->span, "the slice %lld .. %lld does not lie in 0 .. %lld", (long long)lo,
                            (long long)hi, (long long)n.n);
    if (n.from.file) tw_sm_note(s, d, n.from, "the size %s is fixed here", tw_sm_dim_text(s, &n));
    return false;
  }
  *out = (TwIndexItem){NULL, lo, hi - lo};
  return true;
}

static const TwSizeForm *slice_form(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwDim *whole) {
  const TwSizeForm *end = e->b ? tw_sm_form(s, scope, e->b) : tw_dim_form(s->a, whole);
  return e->a ? tw_size_sum(s->a, end, tw_sm_form(s, scope, e->a), -1) : end;
}

static bool item(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwDim n, const TwTx *of, TwIndexItem *out) {
  if (e->kind == TW_EX_RANGE) return slice(s, scope, e, n, out);
  TwTx *i = tw_sm_tx(s, scope, e, s->t_int);
  if (tw_sm_poison(i->type)) return false;
  if (!tw_sm_is_scalar(i->type) || i->type->dtype != TW_INT) {
    TwDiag *d = tw_sm_error(s, TW_E0309, e->span, "an index must be an integer, but this is %s",
                            tw_type_text(s->a, i->type));
    if (tw_sm_is_scalar(i->type) && i->type->dtype == TW_REAL) tw_sm_help(s, d, "int(…) rounds towards zero");
    return false;
  }
  *out = (TwIndexItem){i, 0, 0};
  return in_bounds(s, i, n, of);
}

static TwTx *index_tensor(TwSema *s, const TwSmScope *scope, TwTx *t, const TwExpr *e, uint32_t from) {
  uint32_t n = e->items.len - from, rank = 0;
  if (n > t->type->rank) {
    tw_sm_error(s, t->type->rank ? TW_E0408 : TW_E0306, e->span, "'%s' is %s and cannot have %u ind%s",
                tw_sm_text(s, e->a->span), tw_type_text(s->a, t->type), n, n == 1 ? "ex" : "ices");
    return tw_sm_bad(s, e->span);
  }
  TwTx *r = tw_sm_one(s, TW_TX_INDEX, s->t_poison, e->span, t);
  TwDim dims[TW_MAX_RANK];
  bool bad = false;
  for (uint32_t k = 0; k < n; k++) {
    TwIndexItem it;
    const TwExpr *x = e->items.at[from + k];
    if (!item(s, scope, x, t->type->dims[k], t, &it)) {
      bad = true;
      continue;
    }
    tw_vec_push(s->a, &r->items, it);
    if (!it.at) dims[rank++] = (TwDim){it.n, x->span, slice_form(s, scope, x, &t->type->dims[k])};
  }
  for (uint32_t k = n; k < t->type->rank; k++) dims[rank++] = t->type->dims[k];
  if (bad) return tw_sm_bad(s, e->span);
  r->type = tw_sm_tensor(s, t->type->dtype, rank, dims);
  return r;
}

/* f[depth]: explicit shape parameters. */
static TwSmValue shape_args(TwSema *s, const TwSmScope *scope, TwSmValue v, const TwExpr *e) {
  TwSmFn *f = TW_NEW(s->a, TwSmFn);
  *f = *v.fn;
  if (!f->decl || f->has_shape || f->decl->shape_params.len != e->items.len) {
    uint32_t n = f->decl && !f->has_shape ? f->decl->shape_params.len : 0;
    TwDiag *d = tw_sm_error(s, TW_E0403, e->span, "'%s' takes %u shape parameter%s, but %u %s given", f->name, n,
                            n == 1 ? "" : "s", e->items.len, e->items.len == 1 ? "is" : "are");
    tw_sm_note(s, d, f->span, "declared here");
    return tw_sm_vbad();
  }
  f->has_shape = true;
  f->shape_span = e->span;
  for (uint32_t k = 0; k < e->items.len; k++) {
    int64_t n;
    if (!tw_sm_static_int(s, scope, e->items.at[k], "a shape parameter", &n)) return tw_sm_vbad();
    tw_vec_push(s->a, &f->shape, n);
  }
  return (TwSmValue){.kind = TW_V_FN, .fn = f};
}

TwSmValue tw_sm_index(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  (void)want;
  TwSmValue v = tw_sm_value(s, scope, e->a, NULL);
  if (v.kind == TW_V_POISON) return v;
  if (v.kind == TW_V_FN) return shape_args(s, scope, v, e);
  if (v.kind == TW_V_RECUR) return tw_sm_recur_read(s, scope, v.recur, e);
  TwTx *t = tw_sm_need(s, v, e->a->span);
  uint32_t k = 0;
  while (k < e->items.len && t->type->kind == TW_TY_ARRAY) {
    TwIndexItem it;
    TwDim n = t->type->dims[0];
    if (!item(s, scope, e->items.at[k], n, t, &it)) return tw_sm_vbad();
    TwDim len = {it.n, e->items.at[k]->span, it.at ? NULL : slice_form(s, scope, e->items.at[k], &n)};
    const TwType *type = it.at ? t->type->elem : tw_sm_lead(s, len, t->type->elem, e->span);
    if (!it.at && k + 1 < e->items.len) {
      tw_sm_error(s, TW_E0408, e->span, "a slice of %s can have no further index", tw_type_text(s->a, t->type));
      return tw_sm_vbad();
    }
    t = tw_sm_one(s, TW_TX_INDEX, type, e->span, t);
    tw_vec_push(s->a, &t->items, it);
    k++;
  }
  if (k == e->items.len || tw_sm_poison(t->type)) return tw_sm_v(t);
  if (t->type->kind != TW_TY_TENSOR) {
    tw_sm_error(s, TW_E0306, e->span, "'%s' is %s and has no elements", tw_sm_text(s, e->a->span),
                tw_type_text(s->a, t->type));
    return tw_sm_vbad();
  }
  return tw_sm_v(index_tensor(s, scope, t, e, k));
}
