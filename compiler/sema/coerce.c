/* coerce.c: making a value fit where it goes.
 *
 * The only silent conversions: int to real, an anonymous record to a declared one with the same
 * fields, and where a declaration fixes a shape, a scalar to that shape. */
#include "compiler/sema/check.h"

TwTx *tw_sm_to_real(TwSema *s, TwTx *t) {
  if (t->type->kind != TW_TY_TENSOR || t->type->dtype != TW_INT) return t;
  if (t->kind == TW_TX_CONST || (t->known && tw_sm_is_scalar(t->type)))
    return tw_sm_real(s, t->known ? (double)t->integer : t->number, t->span);
  return tw_sm_op(s, TW_OP_to_real, tw_sm_with(s, TW_REAL, t->type), t->span, t, NULL);
}

bool tw_sm_can_coerce(const TwType *from, const TwType *want) {
  if (tw_sm_poison(from) || tw_sm_poison(want) || tw_sm_same(from, want)) return true;
  if (from->kind != want->kind) return false;
  switch (from->kind) {
    case TW_TY_POISON:
    case TW_TY_STRING: return false;
    case TW_TY_TENSOR: return tw_sm_same_shape(from, want) && from->dtype == TW_INT && want->dtype == TW_REAL;
    case TW_TY_ARRAY: return from->dims[0].n == want->dims[0].n && tw_sm_can_coerce(from->elem, want->elem);
    case TW_TY_RECORD:
      if (from->decl) return false;
      break;
    case TW_TY_TUPLE: break;
  }
  if (from->fields.len != want->fields.len) return false;
  for (uint32_t k = 0; k < want->fields.len; k++) {
    const TwField *w = &want->fields.at[k], *f = NULL;
    for (uint32_t j = 0; j < from->fields.len; j++)
      if (from->kind == TW_TY_TUPLE ? j == k : from->fields.at[j].name == w->name) f = &from->fields.at[j];
    if (!f || !tw_sm_can_coerce(f->type, w->type)) return false;
  }
  return true;
}

/* Converts; the caller has seen that it can be done. */
static TwTx *convert(TwSema *s, TwTx *t, const TwType *want) {
  if (tw_sm_same(t->type, want) || tw_sm_poison(t->type) || tw_sm_poison(want)) return t;
  if (want->kind == TW_TY_TENSOR) return tw_sm_to_real(s, t);
  if (want->kind == TW_TY_ARRAY) {
    TwLocal *elem = tw_sm_local(s, tw_intern_z(&s->u->names, "element"), t->type->elem, t->span);
    TwTx *f = tw_sm_one(s, TW_TX_FOR, want, t->span, convert(s, tw_sm_use(s, elem, t->span), want->elem));
    TwIter it = {.kind = TW_IT_ARRAY, .local = elem, .n = t->type->dims[0].n, .array = t};
    tw_vec_push(s->a, &f->iters, it);
    return f;
  }
  TwTx *out = tw_sm_node(s, TW_TX_TUPLE, want, t->span);
  TwTx *from = t;
  TwTs *let = NULL;
  if (t->kind != TW_TX_TUPLE && !tw_sm_atomic(t)) {
    TwLocal *l = tw_sm_local(s, tw_intern_z(&s->u->names, "whole"), t->type, t->span);
    let = tw_sm_let(s, l, t);
    from = tw_sm_use(s, l, t->span);
  }
  for (uint32_t k = 0; k < want->fields.len; k++) {
    uint32_t j = k;
    if (want->kind == TW_TY_RECORD)
      for (j = 0; t->type->fields.at[j].name != want->fields.at[k].name;) j++;
    TwTx *f = t->kind == TW_TX_TUPLE ? t->args.at[j] : tw_sm_field(s, from, j, t->span);
    tw_vec_push(s->a, &out->args, convert(s, f, want->fields.at[k].type));
  }
  if (!let) return out;
  TwTx *block = tw_sm_one(s, TW_TX_BLOCK, want, t->span, out);
  tw_vec_push(s->a, &block->stmts, let);
  return block;
}

/* Says how an anonymous record differs from a declared one; true if it did. */
static bool say_fields(TwSema *s, const TwType *from, const TwType *want, TwSpan span) {
  if (from->kind != TW_TY_RECORD || want->kind != TW_TY_RECORD || from->decl) return false;
  TwNames names = {0};
  for (uint32_t k = 0; k < want->fields.len; k++) tw_vec_push(s->a, &names, want->fields.at[k].name);
  for (uint32_t j = 0; j < from->fields.len; j++) {
    bool known = false;
    for (uint32_t k = 0; k < want->fields.len; k++) known |= want->fields.at[k].name == from->fields.at[j].name;
    if (known) continue;
    TwDiag *d = tw_sm_error(s, TW_E0205, span, "%s has no field '%s'", tw_type_text(s->a, want),
                            from->fields.at[j].name);
    tw_sm_suggest(s, d, from->fields.at[j].name, names.at, names.len);
    return true;
  }
  for (uint32_t k = 0; k < want->fields.len; k++) {
    bool given = false;
    for (uint32_t j = 0; j < from->fields.len; j++) given |= want->fields.at[k].name == from->fields.at[j].name;
    if (given) continue;
    tw_sm_error(s, TW_E0303, span, "field '%s' of %s is missing", want->fields.at[k].name, tw_type_text(s->a, want));
    return true;
  }
  return false;
}

TwTx *tw_sm_coerce(TwSema *s, TwTx *t, const TwType *want, bool fill, TwSpan span, const char *what) {
  if (tw_sm_poison(t->type) || tw_sm_has_poison(want)) return t;
  if (tw_sm_has_poison(t->type)) return tw_sm_bad(s, span);
  if (tw_sm_can_coerce(t->type, want)) return convert(s, t, want);
  if (fill && want->kind == TW_TY_TENSOR && tw_sm_is_scalar(t->type) &&
      tw_sm_can_coerce(t->type, tw_sm_scalar(s, want->dtype)))
    return tw_sm_one(s, TW_TX_FILL, want, span, convert(s, t, tw_sm_scalar(s, want->dtype)));
  if (say_fields(s, t->type, want, span)) return tw_sm_bad(s, span);
  bool shapes = t->type->kind == TW_TY_TENSOR && want->kind == TW_TY_TENSOR &&
                (t->type->dtype == want->dtype || (t->type->dtype == TW_INT && want->dtype == TW_REAL));
  shapes |= t->type->kind == want->kind && t->type->kind == TW_TY_RECORD && t->type->decl == want->decl && want->decl;
  shapes |= t->type->kind == TW_TY_ARRAY && want->kind == TW_TY_ARRAY;
  TwDiag *d = tw_sm_error(s, shapes ? TW_E0401 : TW_E0301, span, "%s should be %s, but this is %s", what,
                          tw_sm_shown(s, want), tw_sm_shown(s, t->type));
  tw_sm_note_sizes(s, d, want, t->type);
  if (t->type->kind == TW_TY_TENSOR && want->kind == TW_TY_TENSOR && tw_sm_same_shape(t->type, want)) {
    if (t->type->dtype == TW_REAL && want->dtype == TW_INT) tw_sm_help(s, d, "int(…) rounds towards zero");
    if (t->type->dtype == TW_BOOL) tw_sm_help(s, d, "write real(…) for 1 where it is true and 0 elsewhere");
  }
  return tw_sm_bad(s, span);
}

const TwType *tw_sm_unify(TwSema *s, const TwType *a, const TwType *b) {
  if (tw_sm_poison(a) || tw_sm_poison(b)) return s->t_poison;
  if (tw_sm_can_coerce(a, b)) return b;
  if (tw_sm_can_coerce(b, a)) return a;
  if (a->kind == TW_TY_TUPLE && b->kind == TW_TY_TUPLE && a->fields.len == b->fields.len) {
    const TwType **parts = TW_NEW_N(s->a, const TwType *, a->fields.len);
    for (uint32_t k = 0; k < a->fields.len; k++)
      if (!(parts[k] = tw_sm_unify(s, a->fields.at[k].type, b->fields.at[k].type))) return NULL;
    return tw_sm_tuple(s, parts, a->fields.len);
  }
  return NULL;
}

static const TwType *real_type(TwSema *s, const TwType *t) {
  if (t->kind == TW_TY_TENSOR) return t->dtype == TW_INT ? tw_sm_with(s, TW_REAL, t) : t;
  if (t->kind == TW_TY_ARRAY) return tw_sm_lead(s, t->dims[0], real_type(s, t->elem), t->dims[0].from);
  if (t->kind != TW_TY_TUPLE && (t->kind != TW_TY_RECORD || t->decl)) return t;
  TwType *r = TW_NEW(s->a, TwType);
  r->kind = t->kind;
  for (uint32_t k = 0; k < t->fields.len; k++)
    tw_vec_push(s->a, &r->fields, (TwField){t->fields.at[k].name, real_type(s, t->fields.at[k].type)});
  return r;
}

TwTx *tw_sm_realify(TwSema *s, TwTx *t) {
  if (tw_sm_has_poison(t->type)) return t;
  return convert(s, t, real_type(s, t->type));
}
