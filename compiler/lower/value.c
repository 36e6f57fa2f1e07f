/* value.c: values as lists of leaves, and scopes.
 *
 * requires: types without poison.   provides: see internal.h. */
#include <assert.h>
#include <stdlib.h>

#include "compiler/lower/internal.h"
#include "compiler/base/bug.h"

uint32_t tw_lw_leaves(const TwType *t) {
  switch (t->kind) {
    case TW_TY_TENSOR: return 1;
    case TW_TY_ARRAY: return tw_lw_leaves(t->elem);
    case TW_TY_RECORD:
    case TW_TY_TUPLE: {
      uint32_t n = 0;
      for (uint32_t i = 0; i < t->fields.len; i++) n += tw_lw_leaves(t->fields.at[i].type);
      return n;
    }
    case TW_TY_POISON:
    case TW_TY_STRING: break;
  }
  return 0;
}

typedef struct Lead {
  uint32_t rank;
  int64_t dims[TW_MAX_RANK];
} Lead;

static uint32_t leaf_types(TwLw *lw, const TwType *t, Lead lead, TwTy *out) {
  if (t->kind == TW_TY_TENSOR) {
    for (uint32_t i = 0; i < t->rank && lead.rank < TW_MAX_RANK; i++) lead.dims[lead.rank++] = t->dims[i].n;
    *out = tw_ty(lw->m, t->dtype, lead.rank, lead.dims);
    return 1;
  }
  if (t->kind == TW_TY_ARRAY) {
    if (lead.rank < TW_MAX_RANK) lead.dims[lead.rank++] = t->dims[0].n;
    return leaf_types(lw, t->elem, lead, out);
  }
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->fields.len; i++) n += leaf_types(lw, t->fields.at[i].type, lead, out + n);
  return n;
}

void tw_lw_leaf_types(TwLw *lw, const TwType *t, TwTy *out) { leaf_types(lw, t, (Lead){0}, out); }

static uint32_t leaf_names(TwLw *lw, const TwType *t, const char *prefix, const char **out) {
  if (t->kind == TW_TY_TENSOR) return *out = prefix, 1;
  if (t->kind == TW_TY_ARRAY) return leaf_names(lw, t->elem, prefix, out);
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->fields.len; i++) {
    const TwField *fd = &t->fields.at[i];
    const char *name = fd->name ? tw_arena_printf(lw->arena, "%s.%s", prefix, fd->name)
                                : tw_arena_printf(lw->arena, "%s.%u", prefix, i);
    n += leaf_names(lw, fd->type, name, out + n);
  }
  return n;
}

void tw_lw_leaf_names(TwLw *lw, const TwType *t, const char *prefix, const char **out) {
  leaf_names(lw, t, prefix, out);
}

TwVal tw_lw_val(TwLw *lw, uint32_t n) { return (TwVal){n, TW_NEW_N(lw->arena, TwRef, n)}; }

void tw_lw_bind(TwScope *s, TwKey key, TwVal v) { tw_vec_push(s->lw->arena, &s->bound, (TwBinding){key, v}); }

TwVal tw_lw_get(TwScope *s, TwKey key) {
  for (uint32_t i = s->bound.len; i-- > 0;)
    if (s->bound.at[i].key == key) return s->bound.at[i].value;
  TwVal v = {0};
  if (s->resolve && s->resolve(s, key, &v)) {
    tw_lw_bind(s, key, v);
    return v;
  }
  tw_bug("internal error: lowering found no value for key %d:%llu at %u:%u", (int)(key >> 56),
         (unsigned long long)(key & 0xffffffffffffffull), s->f->at.file, s->f->at.start);
}
