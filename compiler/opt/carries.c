/* carries.c: carries of a scan that always hold the same value become one.
 *
 * requires: a sealed function.
 * provides: the same function, in which no two carries of a scan start from the same value and are computed
 *   alike as long as they are alike. Bits are unchanged.
 *
 * Carries are put into classes by their start; then the body is emitted with one param for each class, and a
 * class whose members get different values is split, until none is. */
#include "compiler/opt/internal.h"

typedef struct Merge {
  const TwFn *f;
  TwRef r;
  TwRegion s;
  uint32_t *leader; /* per carry: the first of its class */
} Merge;

/* The body with carries of a class bound to one param; results of leaders only.
 * `value`, if not NULL: the carries' new values, in a function that is thrown away. */
static const TwFn *rebody(TwPass *p, const Merge *z, TwRef *value) {
  const TwFn *b = z->s.body;
  TwFn *to = tw_fn_new(p->m, b->name);
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  for (uint32_t k = 0; k < b->params.len; k++) {
    uint32_t c = k - 1 - z->s.n_consts;
    bool carry = k > z->s.n_consts && c < z->s.n_carry;
    if (carry && z->leader[c] != c) map[b->params.at[k]] = map[b->params.at[1 + z->s.n_consts + z->leader[c]]];
    else map[b->params.at[k]] = tw_param(to, tw_type(b, b->params.at[k]));
  }
  for (TwRef r = 1; r < b->insts.len; r++)
    if (tw_op(b, r) != TW_OP_param) map[r] = tw_opt_copy(to, b, r, map);
  for (uint32_t k = 0; k < b->results.len; k++) {
    bool carry = k < z->s.n_carry;
    if (carry && value) value[k] = map[b->results.at[k]];
    if (!carry || z->leader[k] == k) tw_result(to, map[b->results.at[k]]);
  }
  return value ? NULL : tw_fn_seal(to);
}

/* True if some class has more than one member. */
static bool classify(TwPass *p, Merge *z) {
  uint32_t n = z->s.n_carry;
  z->leader = TW_NEW_N(&p->scratch, uint32_t, n);
  TwRef *value = TW_NEW_N(&p->scratch, TwRef, n);
  uint32_t *next = TW_NEW_N(&p->scratch, uint32_t, n);
  bool any = false;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t j = 0;
    while (tw_arg(z->f, z->r, z->s.n_consts + j) != tw_arg(z->f, z->r, z->s.n_consts + k)) j++;
    z->leader[k] = j;
    any = any || j != k;
  }
  for (bool changed = any; changed;) {
    rebody(p, z, value);
    changed = any = false;
    for (uint32_t k = 0; k < n; k++) {
      uint32_t j = 0;
      while (z->leader[j] != z->leader[k] || value[j] != value[k]) j++;
      next[k] = j;
      changed = changed || j != z->leader[k];
      any = any || j != k;
    }
    for (uint32_t k = 0; k < n; k++) z->leader[k] = next[k];
  }
  return any;
}

static void emit_merged(TwPass *p, TwFn *g, const Merge *z, const TwRef *map, TwRef *parts) {
  uint32_t n_args = tw_inst(z->f, z->r)->n_args, n = 0, at = 0;
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, n_args);
  for (uint32_t k = 0; k < n_args; k++) {
    uint32_t c = k - z->s.n_consts;
    bool carry = k >= z->s.n_consts && c < z->s.n_carry;
    if (!carry || z->leader[c] == c) args[n++] = map[tw_arg(z->f, z->r, k)];
  }
  TwRegion s = z->s;
  s.body = rebody(p, z, NULL);
  s.n_carry = 0;
  for (uint32_t k = 0; k < z->s.n_carry; k++) s.n_carry += z->leader[k] == k;
  g->at = tw_inst(z->f, z->r)->span;
  TwRef region = tw_emit_region(g, TW_OP_scan, &s, args, n);
  for (uint32_t k = 0; k < z->s.n_carry + z->s.n_ys; k++) {
    bool merged = k < z->s.n_carry && z->leader[k] != k;
    parts[k] = merged ? parts[z->leader[k]] : tw_get(g, region, at++);
  }
}

const TwFn *tw_merge_carries_fn(TwPass *p, const TwFn *f) {
  f = tw_opt_bodies(p, f, tw_merge_carries_fn);
  Merge *z = TW_NEW_N(&p->scratch, Merge, f->insts.len);
  bool any = false;
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) != TW_OP_scan) continue;
    z[r] = (Merge){.f = f, .r = r, .s = *tw_region(f, r)};
    if (classify(p, &z[r])) any = true;
    else z[r].f = NULL;
  }
  if (!any) return f;
  TwRef *map, **parts = TW_NEW_N(&p->scratch, TwRef *, f->insts.len);
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    if (z[r].f) {
      parts[r] = TW_NEW_N(&p->scratch, TwRef, z[r].s.n_carry + z[r].s.n_ys);
      emit_merged(p, g, &z[r], map, parts[r]);
    } else if (tw_op(f, r) == TW_OP_get && parts[tw_arg(f, r, 0)]) {
      map[r] = parts[tw_arg(f, r, 0)][tw_attr(f, r, 0)];
    } else {
      map[r] = tw_opt_copy(g, f, r, map);
    }
  }
  return tw_opt_close(g, f, map);
}
