/* types.c: modules and interned types. */
#include <string.h>

#include "compiler/ir/internal.h"

static uint64_t type_hash(const TwTyInfo *t) {
  uint64_t h = (uint64_t)t->dtype * 0x9e3779b97f4a7c15u + t->rank;
  for (uint32_t k = 0; k < t->rank; k++) h = (h ^ (uint64_t)t->dims[k]) * 0xff51afd7ed558ccdu, h ^= h >> 29;
  return h ^ h >> 32;
}

static bool type_equal(const TwTyInfo *a, const TwTyInfo *b) {
  return a->dtype == b->dtype && a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

static void type_slots_grow(TwModule *m) {
  uint32_t cap = m->type_cap ? m->type_cap * 2 : 64;
  uint32_t *slots = TW_NEW_N(m->arena, uint32_t, cap);
  for (uint32_t t = 1; t < m->types.len; t++) {
    uint32_t at = (uint32_t)type_hash(&m->types.at[t]) & (cap - 1);
    while (slots[at]) at = (at + 1) & (cap - 1);
    slots[at] = t;
  }
  m->type_slots = slots;
  m->type_cap = cap;
}

TwModule *tw_module_new(TwArena *arena) {
  TwModule *m = TW_NEW(arena, TwModule);
  m->arena = arena;
  tw_vec_push(arena, &m->types, (TwTyInfo){0});
  type_slots_grow(m);
  return m;
}

static TwTy type_find(TwModule *m, TwTyInfo t) {
  t.count = 1;
  for (uint32_t k = 0; k < t.rank; k++)
    if (__builtin_mul_overflow(t.count, t.dims[k], &t.count)) t.count = INT64_MAX;
  if ((m->types.len + 1) * 2 > m->type_cap) type_slots_grow(m);
  uint32_t at = (uint32_t)type_hash(&t) & (m->type_cap - 1);
  for (; m->type_slots[at]; at = (at + 1) & (m->type_cap - 1))
    if (type_equal(&m->types.at[m->type_slots[at]], &t)) return m->type_slots[at];
  m->type_slots[at] = m->types.len;
  tw_vec_push(m->arena, &m->types, t);
  return m->types.len - 1;
}

TwTy tw_ty(TwModule *m, TwDtype dtype, uint32_t rank, const int64_t *dims) {
  TwTyInfo t = {.dtype = dtype, .rank = rank};
  bool fits = rank <= TW_MAX_RANK;
  for (uint32_t k = 0; fits && k < rank; k++) {
    t.dims[k] = dims[k];
    fits = dims[k] >= 0;
  }
  if (!fits) tw_ir_bug(NULL, NULL, "a type has rank over 8 or a negative size");
  return type_find(m, t);
}

TwTy tw_ty_scalar(TwModule *m, TwDtype dtype) { return type_find(m, (TwTyInfo){.dtype = dtype}); }

TwTy tw_ty_with(TwModule *m, TwDtype dtype, TwTy shape_of) {
  TwTyInfo t = m->types.at[shape_of];
  if (t.dtype == dtype) return shape_of;
  t.dtype = dtype;
  return type_find(m, t);
}

TwTy tw_ty_lead(TwModule *m, int64_t n, TwTy element) {
  TwTyInfo t = m->types.at[element];
  if (t.rank == TW_MAX_RANK) tw_ir_bug(NULL, NULL, "a type has rank over 8");
  memmove(t.dims + 1, t.dims, t.rank * sizeof *t.dims);
  t.dims[0] = n;
  t.rank++;
  return type_find(m, t);
}

TwTy tw_ty_tail(TwModule *m, TwTy type) {
  TwTyInfo t = m->types.at[type];
  if (t.rank == 0) tw_ir_bug(NULL, NULL, "a scalar has no leading axis to drop");
  t.rank--;
  memmove(t.dims, t.dims + 1, t.rank * sizeof *t.dims);
  t.dims[t.rank] = 0;
  return type_find(m, t);
}

const TwTyInfo *tw_ty_info(const TwModule *m, TwTy t) { return &m->types.at[t]; }
