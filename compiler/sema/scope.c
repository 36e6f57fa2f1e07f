/* scope.c: tables: the declarations of a module, what is bound in a body, sets of declarations.
 *
 * What is bound is a persistent list, so that a lambda keeps what it saw. A long list also has a trie
 * of names, shared with the lists that it grew from: a body with many names is no slower to check a
 * name than a short one. */
#include "compiler/sema/check.h"

/* Lists up to this long are searched from the end. */
enum { SHORT_LIST = 16, TRIE_BITS = 3, TRIE_KIDS = 1 << TRIE_BITS };

struct TwSmTrie {
  const TwSmBind *bind;
  const TwSmTrie *kids[TRIE_KIDS];
};

static uint64_t hash(const void *p) {
  uint64_t h = (uint64_t)(uintptr_t)p;
  h = (h ^ (h >> 31)) * 0x9E3779B97F4A7C15u;
  return h ^ (h >> 29);
}

/* ---- what is bound in a body */
static const TwSmTrie *trie_add(TwSema *s, const TwSmTrie *t, uint64_t h, const TwSmBind *b) {
  TwSmTrie *out = TW_NEW(s->a, TwSmTrie);
  if (t) *out = *t;
  if (!t || t->bind->name == b->name) {
    out->bind = b;
    return out;
  }
  uint32_t k = (uint32_t)(h & (TRIE_KIDS - 1));
  out->kids[k] = trie_add(s, t->kids[k], h >> TRIE_BITS | h << (64 - TRIE_BITS), b);
  return out;
}

static const TwSmTrie *trie_of(TwSema *s, const TwSmBind *list) {
  if (!list) return NULL;
  if (list->trie) return list->trie;
  return trie_add(s, trie_of(s, list->up), hash(list->name), list);
}

void tw_sm_bind(TwSema *s, TwSmScope *scope, TwIdent id, TwSmValue v) {
  TwSmBind *b = TW_NEW(s->a, TwSmBind);
  *b = (TwSmBind){.up = scope->top, .name = id.name, .span = id.span, .value = v};
  b->depth = b->up ? b->up->depth + 1 : 1;
  if (b->depth > SHORT_LIST) b->trie = trie_add(s, trie_of(s, b->up), hash(b->name), b);
  scope->top = b;
}

const TwSmBind *tw_sm_bound(const TwSmScope *scope, TwName name) {
  const TwSmBind *b = scope->top;
  if (!b || !b->trie) {
    while (b && b->name != name) b = b->up;
    return b;
  }
  const TwSmTrie *t = b->trie;
  for (uint64_t h = hash(name); t && t->bind->name != name; h = h >> TRIE_BITS | h << (64 - TRIE_BITS))
    t = t->kids[h & (TRIE_KIDS - 1)];
  return t ? t->bind : NULL;
}

/* ---- the declarations of a module */
static TwSmEntry **slot_of(const TwSmModule *m, TwName name) {
  uint32_t at = (uint32_t)hash(name) & (m->cap - 1);
  while (m->slots[at] && m->slots[at]->name != name) at = (at + 1) & (m->cap - 1);
  return &m->slots[at];
}

TwSmEntry *tw_sm_find(const TwSmModule *m, TwName name) { return m->cap ? *slot_of(m, name) : NULL; }

void tw_sm_add_entry(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  if (m->entries.len >= m->cap / 2) {
    m->cap = m->cap ? 2 * m->cap : 64;
    m->slots = TW_NEW_N(s->a, TwSmEntry *, m->cap);
    for (uint32_t k = 0; k < m->entries.len; k++) *slot_of(m, m->entries.at[k]->name) = m->entries.at[k];
  }
  tw_vec_push(s->a, &m->entries, e);
  *slot_of(m, e->name) = e;
}

/* ---- sets */
bool tw_sm_set_has(const TwSmSet *set, const void *x) {
  if (!set->cap) return false;
  for (uint32_t at = (uint32_t)hash(x) & (set->cap - 1); set->slots[at]; at = (at + 1) & (set->cap - 1))
    if (set->slots[at] == x) return true;
  return false;
}

static void set_put(TwSmSet *set, const void *x) {
  uint32_t at = (uint32_t)hash(x) & (set->cap - 1);
  while (set->slots[at]) at = (at + 1) & (set->cap - 1);
  set->slots[at] = x;
}

void tw_sm_set_add(TwSema *s, TwSmSet *set, const void *x) {
  if (tw_sm_set_has(set, x)) return;
  if (set->len >= set->cap / 2) {
    TwSmSet old = *set;
    set->cap = old.cap ? 2 * old.cap : 32;
    set->slots = TW_NEW_N(s->a, const void *, set->cap);
    for (uint32_t k = 0; k < old.cap; k++)
      if (old.slots[k]) set_put(set, old.slots[k]);
  }
  set->len++;
  set_put(set, x);
}
