/* types.c: types: making, comparing, printing.
 *
 * provides: types in the unit's arena. They are compared by structure; record types also by their
 * declaration. */
#include "compiler/sema/check.h"

enum { MAX_ELEMENTS = 1 << 28 };

const TwType *tw_sm_tensor(TwSema *s, TwDtype dtype, uint32_t rank, const TwDim *dims) {
  TwType *t = TW_NEW(s->a, TwType);
  t->kind = TW_TY_TENSOR;
  t->dtype = dtype;
  t->rank = rank;
  t->dims = rank ? tw_arena_dup(s->a, dims, rank * sizeof *dims) : NULL;
  return t;
}

static const TwType *plain(TwSema *s, TwKind kind) {
  TwType *t = TW_NEW(s->a, TwType);
  t->kind = kind;
  return t;
}

void tw_sm_types_init(TwSema *s) {
  s->t_poison = plain(s, TW_TY_POISON);
  s->t_string = plain(s, TW_TY_STRING);
  s->t_real = tw_sm_tensor(s, TW_REAL, 0, NULL);
  s->t_int = tw_sm_tensor(s, TW_INT, 0, NULL);
  s->t_bool = tw_sm_tensor(s, TW_BOOL, 0, NULL);
}

const TwType *tw_sm_scalar(TwSema *s, TwDtype dtype) {
  return dtype == TW_REAL ? s->t_real : dtype == TW_INT ? s->t_int : s->t_bool;
}

const TwType *tw_sm_with(TwSema *s, TwDtype dtype, const TwType *shape_of) {
  if (shape_of->kind != TW_TY_TENSOR || shape_of->dtype == dtype) return shape_of;
  return tw_sm_tensor(s, dtype, shape_of->rank, shape_of->dims);
}

int64_t tw_sm_count(const TwType *t) {
  int64_t n = 1;
  switch (t->kind) {
    case TW_TY_TENSOR:
      for (uint32_t k = 0; k < t->rank; k++)
        if (__builtin_mul_overflow(n, t->dims[k].n, &n)) return INT64_MAX;
      return n;
    case TW_TY_ARRAY:
      if (__builtin_mul_overflow(t->dims[0].n, tw_sm_count(t->elem), &n)) return INT64_MAX;
      return n;
    case TW_TY_RECORD:
    case TW_TY_TUPLE:
      n = 0;
      for (uint32_t k = 0; k < t->fields.len; k++)
        if (__builtin_add_overflow(n, tw_sm_count(t->fields.at[k].type), &n)) return INT64_MAX;
      return n;
    case TW_TY_POISON:
    case TW_TY_STRING: break;
  }
  return 0;
}

/* How many axes the leaves of a type have at most. */
static uint32_t leaf_rank(const TwType *t) {
  uint32_t r = 0;
  if (t->kind == TW_TY_TENSOR) return t->rank;
  if (t->kind == TW_TY_ARRAY) return 1 + leaf_rank(t->elem);
  for (uint32_t k = 0; k < t->fields.len; k++) {
    uint32_t f = leaf_rank(t->fields.at[k].type);
    if (f > r) r = f;
  }
  return r;
}

const TwType *tw_sm_lead(TwSema *s, TwDim n, const TwType *elem, TwSpan span) {
  if (tw_sm_poison(elem)) return elem;
  if (elem->kind == TW_TY_STRING) return s->t_poison;
  if (leaf_rank(elem) + 1 > TW_MAX_RANK) {
    tw_sm_error(s, TW_E0902, span, "this has more than %d dimensions", TW_MAX_RANK);
    return s->t_poison;
  }
  TwType *t = TW_NEW(s->a, TwType);
  if (elem->kind == TW_TY_TENSOR) {
    t->kind = TW_TY_TENSOR;
    t->dtype = elem->dtype;
    t->rank = elem->rank + 1;
    t->dims = TW_NEW_N(s->a, TwDim, t->rank);
    for (uint32_t k = 0; k < elem->rank; k++) t->dims[k + 1] = elem->dims[k];
  } else {
    t->kind = TW_TY_ARRAY;
    t->rank = 1;
    t->dims = TW_NEW_N(s->a, TwDim, 1);
    t->elem = elem;
  }
  t->dims[0] = n;
  if (tw_sm_count(t) > MAX_ELEMENTS) {
    tw_sm_error(s, TW_E0902, span, "%s has more than %d elements", tw_type_text(s->a, t), MAX_ELEMENTS);
    return s->t_poison;
  }
  return t;
}

const TwType *tw_sm_tail(TwSema *s, const TwType *t) {
  if (t->kind == TW_TY_ARRAY) return t->elem;
  if (t->kind == TW_TY_TENSOR && t->rank > 0) return tw_sm_tensor(s, t->dtype, t->rank - 1, t->dims + 1);
  return s->t_poison;
}

const TwType *tw_sm_tuple(TwSema *s, const TwType *const *types, uint32_t n) {
  TwType *t = TW_NEW(s->a, TwType);
  t->kind = TW_TY_TUPLE;
  for (uint32_t k = 0; k < n; k++) tw_vec_push(s->a, &t->fields, (TwField){NULL, types[k]});
  return t;
}

bool tw_sm_same_shape(const TwType *a, const TwType *b) {
  if (a->kind != TW_TY_TENSOR || b->kind != TW_TY_TENSOR || a->rank != b->rank) return false;
  for (uint32_t k = 0; k < a->rank; k++)
    if (a->dims[k].n != b->dims[k].n) return false;
  return true;
}

bool tw_sm_same(const TwType *a, const TwType *b) {
  if (a == b) return true;
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case TW_TY_POISON:
    case TW_TY_STRING: return true;
    case TW_TY_TENSOR: return a->dtype == b->dtype && tw_sm_same_shape(a, b);
    case TW_TY_ARRAY: return a->dims[0].n == b->dims[0].n && tw_sm_same(a->elem, b->elem);
    case TW_TY_RECORD:
      if (a->decl != b->decl || a->shape_args.len != b->shape_args.len) return false;
      for (uint32_t k = 0; k < a->shape_args.len; k++)
        if (a->shape_args.at[k].n != b->shape_args.at[k].n) return false;
      if (a->decl) return true;
      break;
    case TW_TY_TUPLE: break;
  }
  if (a->fields.len != b->fields.len) return false;
  for (uint32_t k = 0; k < a->fields.len; k++)
    if (a->fields.at[k].name != b->fields.at[k].name || !tw_sm_same(a->fields.at[k].type, b->fields.at[k].type))
      return false;
  return true;
}

uint32_t tw_sm_parts(const TwType *t, uint32_t most) {
  uint32_t n = 1;
  if (t->kind == TW_TY_ARRAY) n += tw_sm_parts(t->elem, most);
  for (uint32_t k = 0; k < t->fields.len && n <= most; k++) n += tw_sm_parts(t->fields.at[k].type, most - n);
  return n;
}

bool tw_sm_not_too_wide(TwSema *s, const TwType *t, TwSpan span) {
  if (tw_sm_parts(t, TW_SM_MAX_PARTS) <= TW_SM_MAX_PARTS) return true;
  tw_sm_error(s, TW_E0902, span, "this has more than %d members, those of its members included", TW_SM_MAX_PARTS);
  return false;
}

bool tw_sm_has_poison(const TwType *t) {
  if (t->kind == TW_TY_POISON) return true;
  if (t->kind == TW_TY_ARRAY) return tw_sm_has_poison(t->elem);
  for (uint32_t k = 0; k < t->fields.len; k++)
    if (tw_sm_has_poison(t->fields.at[k].type)) return true;
  return false;
}

bool tw_sm_all_real(const TwType *t, bool ints) {
  switch (t->kind) {
    case TW_TY_POISON: return true;
    case TW_TY_STRING: return false;
    case TW_TY_TENSOR: return t->dtype == TW_REAL || (ints && t->dtype == TW_INT);
    case TW_TY_ARRAY: return tw_sm_all_real(t->elem, ints);
    case TW_TY_RECORD:
    case TW_TY_TUPLE: break;
  }
  for (uint32_t k = 0; k < t->fields.len; k++)
    if (!tw_sm_all_real(t->fields.at[k].type, ints)) return false;
  return true;
}

/* ---- text */
static const char *dims_text(TwArena *a, const TwDim *dims, uint32_t n) {
  const char *text = "";
  for (uint32_t k = 0; k < n; k++) text = tw_arena_printf(a, "%s%s%lld", text, k ? ", " : "", (long long)dims[k].n);
  return n ? tw_arena_printf(a, "[%s]", text) : "";
}

static const char *fields_text(TwArena *a, const TwType *t) {
  const char *text = "";
  for (uint32_t k = 0; k < t->fields.len; k++) {
    const TwField *f = &t->fields.at[k];
    text = tw_arena_printf(a, "%s%s%s%s%s", text, k ? ", " : "", f->name ? f->name : "", f->name ? ": " : "",
                           tw_type_text(a, f->type));
  }
  return text;
}

const char *tw_type_text(TwArena *a, const TwType *t) {
  static const char *const dtypes[] = {"real", "int", "bool", "?"};
  switch (t->kind) {
    case TW_TY_POISON: return "?";
    case TW_TY_STRING: return "a string";
    case TW_TY_TENSOR: return tw_arena_printf(a, "%s%s", dtypes[t->dtype], dims_text(a, t->dims, t->rank));
    case TW_TY_ARRAY: return tw_arena_printf(a, "%s[%lld]", tw_type_text(a, t->elem), (long long)t->dims[0].n);
    case TW_TY_TUPLE: return tw_arena_printf(a, "(%s)", fields_text(a, t));
    case TW_TY_RECORD: break;
  }
  if (!t->decl) return tw_arena_printf(a, "{ %s }", fields_text(a, t));
  return tw_arena_printf(a, "%s%s", t->decl->name.name, dims_text(a, t->shape_args.at, t->shape_args.len));
}
