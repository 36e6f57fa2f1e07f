/* names.c: tensors and their elements as a person writes them. */
#include "compiler/probe/internal.h"

typedef struct Prefix {
  uint32_t n_lead;
  int64_t dims[TW_MAX_RANK];
  const char *piece[TW_MAX_RANK + 1];
  const char *name;
} Prefix;

static void add_leaf(TwUnit *u, const TwType *t, const Prefix *p, TwLeaves *out) {
  TwLeaf leaf = {.name = p->name, .n_lead = p->n_lead, .rank = p->n_lead, .count = 1};
  for (uint32_t k = 0; k <= p->n_lead; k++) leaf.piece[k] = p->piece[k];
  for (uint32_t k = 0; k < p->n_lead; k++) leaf.dims[k] = p->dims[k];
  for (uint32_t k = 0; k < t->rank && leaf.rank < TW_MAX_RANK; k++) leaf.dims[leaf.rank++] = t->dims[k].n;
  for (uint32_t k = 0; k < leaf.rank; k++) leaf.count *= (uint64_t)leaf.dims[k];
  tw_vec_push(&u->arena, out, leaf);
}

static void add_leaves(TwUnit *u, const TwType *t, Prefix p, TwLeaves *out) {
  switch (t->kind) {
    case TW_TY_TENSOR: add_leaf(u, t, &p, out); return;
    case TW_TY_ARRAY:
      if (p.n_lead == TW_MAX_RANK) return;
      p.dims[p.n_lead++] = t->dims[0].n;
      p.piece[p.n_lead] = "";
      add_leaves(u, t->elem, p, out);
      return;
    case TW_TY_RECORD:
    case TW_TY_TUPLE:
      for (uint32_t k = 0; k < t->fields.len; k++) {
        TwName name = t->fields.at[k].name;
        const char *step = name ? tw_arena_printf(&u->arena, ".%s", name) : tw_arena_printf(&u->arena, ".%u", k);
        Prefix q = p;
        q.piece[q.n_lead] = tw_arena_printf(&u->arena, "%s%s", p.piece[p.n_lead], step);
        q.name = tw_arena_printf(&u->arena, "%s%s", p.name, step);
        add_leaves(u, t->fields.at[k].type, q, out);
      }
      return;
    case TW_TY_POISON:
    case TW_TY_STRING: return;
  }
}

void tw_leaves(TwUnit *u, const TwType *t, const char *name, TwLeaves *out) {
  add_leaves(u, t, (Prefix){.name = name, .piece = {name}}, out);
}

const char *tw_leaf_element(TwUnit *u, const TwLeaf *leaf, uint64_t element) {
  int64_t index[TW_MAX_RANK];
  for (uint32_t k = leaf->rank; k-- > 0;) {
    uint64_t n = (uint64_t)leaf->dims[k];
    index[k] = n ? (int64_t)(element % n) : 0;
    element = n ? element / n : 0;
  }
  const char *s = leaf->piece[0];
  for (uint32_t k = 0; k < leaf->n_lead; k++)
    s = tw_arena_printf(&u->arena, "%s[%lld]%s", s, (long long)index[k], leaf->piece[k + 1]);
  for (uint32_t k = leaf->n_lead; k < leaf->rank; k++)
    s = tw_arena_printf(&u->arena, "%s%s%lld", s, k == leaf->n_lead ? "[" : ", ", (long long)index[k]);
  return leaf->rank > leaf->n_lead ? tw_arena_printf(&u->arena, "%s]", s) : s;
}
