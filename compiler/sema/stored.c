/* stored.c: what tensors are called in files. runtime/stored.h has the rule. */
#include <string.h>

#include "compiler/sema/sema.h"

/* W: real[n, m] and b: real[n], and nothing else: what PyTorch calls a Linear. */
static bool is_affine(const TwType *t) {
  if (t->kind != TW_TY_RECORD || t->fields.len != 2) return false;
  const TwType *w = NULL, *b = NULL;
  for (uint32_t i = 0; i < 2; i++) {
    const TwField *f = &t->fields.at[i];
    if (f->type->kind != TW_TY_TENSOR || f->type->dtype != TW_REAL) return false;
    if (strcmp(f->name, "W") == 0) w = f->type;
    if (strcmp(f->name, "b") == 0) b = f->type;
  }
  return w && b && w->rank == 2 && b->rank == 1 && w->dims[0].n == b->dims[0].n;
}

uint32_t tw_stored_names(TwArena *a, const TwType *t, const char *prefix, const char **out) {
  if (t->kind == TW_TY_TENSOR) return *out = prefix, 1;
  if (t->kind == TW_TY_ARRAY) return tw_stored_names(a, t->elem, tw_arena_printf(a, "%s.*", prefix), out);
  bool affine = is_affine(t);
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->fields.len; i++) {
    const TwField *f = &t->fields.at[i];
    const char *field = affine ? (strcmp(f->name, "W") == 0 ? "weight" : "bias") : f->name;
    const char *name = field ? tw_arena_printf(a, "%s.%s", prefix, field) : tw_arena_printf(a, "%s.%u", prefix, i);
    n += tw_stored_names(a, f->type, name, out + n);
  }
  return n;
}
