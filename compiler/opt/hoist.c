/* hoist.c: what is the same in every iteration is computed before the loop.
 *
 * requires: a sealed function.
 * provides: the same function, in which bodies of scan and samples compute nothing that depends on their
 *   const operands alone, except what costs nothing (a sign, a broadcast): it comes in as a const operand. A
 *   scan in a loop that carries or computes values which are the same in every iteration of that loop is cut
 *   in two, so that the part that makes them can leave it. Inside out. Bits are unchanged.
 * Bodies of cond keep their work: it may not be needed. */
#include "compiler/ir/passes.h"
#include "compiler/opt/internal.h"

typedef enum Place {
  VARIES, /* stays */
  FREE,   /* invariant, and as cheap inside as out */
  HEAVY   /* invariant, to be computed outside */
} Place;

static Place place_of(const TwFn *b, TwRef r, const Place *place) {
  TwOp op = tw_op(b, r);
  Place worst = FREE;
  for (uint32_t k = 0; k < tw_inst(b, r)->n_args; k++) {
    Place q = place[tw_arg(b, r, k)];
    if (q == VARIES) return VARIES;
    if (q == HEAVY) worst = HEAVY;
  }
  switch ((int)op) {
    case TW_OP_const:
    case TW_OP_iota:
    case TW_OP_neg:
    case TW_OP_broadcast: return FREE;
    case TW_OP_reshape: return worst;
  }
  return HEAVY; /* anything else, a new operation too, is work */
}

typedef struct Hoist {
  Place *place;    /* per ref of the body */
  bool *inside;    /* stays in the body, or is free and needed there */
  TwRef *frontier; /* heavy values that the inside needs */
  uint32_t n_frontier;
} Hoist;

static Hoist analyse(TwPass *p, const TwFn *b, uint32_t first_const, uint32_t n_consts) {
  Hoist h = {.place = TW_NEW_N(&p->scratch, Place, b->insts.len),
             .inside = TW_NEW_N(&p->scratch, bool, b->insts.len),
             .frontier = TW_NEW_N(&p->scratch, TwRef, b->insts.len)};
  for (uint32_t k = 0; k < n_consts; k++) h.place[b->params.at[first_const + k]] = FREE;
  for (TwRef r = 1; r < b->insts.len; r++)
    if (tw_op(b, r) != TW_OP_param) h.place[r] = place_of(b, r, h.place);
  /* A region is a tuple: its parts are what is handed in, so a heavy tuple is never on the frontier itself.
   */
  for (uint32_t k = 0; k < b->results.len; k++) h.inside[b->results.at[k]] = true;
  for (TwRef r = b->insts.len - 1; r > 0; r--) {
    if (!h.inside[r]) continue;
    if (h.place[r] == HEAVY) {
      h.inside[r] = false;
      h.frontier[h.n_frontier++] = r;
      continue;
    }
    for (uint32_t k = 0; k < tw_inst(b, r)->n_args; k++) h.inside[tw_arg(b, r, k)] = true;
  }
  return h;
}

/* The invariant part of body b, emitted into g; map: params of b to operands. */
static void emit_outside(TwPass *p, TwFn *g, const TwFn *b, const Hoist *h, TwRef *map) {
  bool *need = TW_NEW_N(&p->scratch, bool, b->insts.len);
  for (uint32_t k = 0; k < h->n_frontier; k++) need[h->frontier[k]] = true;
  for (TwRef r = b->insts.len - 1; r > 0; r--)
    if (need[r])
      for (uint32_t k = 0; k < tw_inst(b, r)->n_args; k++) need[tw_arg(b, r, k)] = true;
  for (TwRef r = 1; r < b->insts.len; r++)
    if (need[r] && tw_op(b, r) != TW_OP_param) map[r] = tw_opt_copy(g, b, r, map);
}

static const TwFn *without(TwPass *p, const TwFn *b, const Hoist *h, uint32_t lead, uint32_t n_consts) {
  TwFn *to = tw_fn_new(p->m, b->name);
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  for (uint32_t k = 0; k < b->params.len; k++) {
    if (k == lead + n_consts)
      for (uint32_t j = 0; j < h->n_frontier; j++) map[h->frontier[j]] = tw_param(to, tw_type(b, h->frontier[j]));
    map[b->params.at[k]] = tw_param(to, tw_type(b, b->params.at[k]));
  }
  if (b->params.len == lead + n_consts)
    for (uint32_t j = 0; j < h->n_frontier; j++) map[h->frontier[j]] = tw_param(to, tw_type(b, h->frontier[j]));
  for (TwRef r = 1; r < b->insts.len; r++)
    if (h->inside[r] && !map[r]) map[r] = tw_opt_copy(to, b, r, map);
  for (uint32_t k = 0; k < b->results.len; k++) tw_result(to, map[b->results.at[k]]);
  return tw_fn_seal(to);
}

static const TwFn *hoist_fn(TwPass *p, const TwFn *f);

static TwRef hoist_region(TwPass *p, TwFn *g, const TwFn *f, TwRef r, TwRef *map, TwRegion region) {
  uint32_t lead = tw_op(f, r) == TW_OP_scan, n = tw_inst(f, r)->n_args;
  const TwFn *b = region.body;
  Hoist h = analyse(p, b, lead, region.n_consts);
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, n + h.n_frontier), *outer = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  for (uint32_t k = 0; k < n; k++) args[k < region.n_consts ? k : k + h.n_frontier] = map[tw_arg(f, r, k)];
  for (uint32_t k = 0; k < region.n_consts; k++) outer[b->params.at[lead + k]] = args[k];
  emit_outside(p, g, b, &h, outer);
  for (uint32_t k = 0; k < h.n_frontier; k++) args[region.n_consts + k] = outer[h.frontier[k]];
  if (h.n_frontier) region.body = without(p, b, &h, lead, region.n_consts);
  region.n_consts += h.n_frontier;
  g->at = tw_inst(f, r)->span;
  return tw_emit_region(g, tw_op(f, r), &region, args, n + h.n_frontier);
}

/* ---- a scan in a loop: which of its carries depend on nothing that varies in that loop */

/* Values of body b that depend on carries that are not `kept`, or on consts and xs that vary. */
static bool *varying(TwPass *p, const TwFn *b, const TwRegion *s, const bool *operand_varies, const bool *kept) {
  bool *v = TW_NEW_N(&p->scratch, bool, b->insts.len);
  for (uint32_t k = 1; k < b->params.len; k++) {
    bool carry = k - 1 >= s->n_consts && k - 1 < s->n_consts + s->n_carry;
    v[b->params.at[k]] = carry ? !kept[k - 1 - s->n_consts] : operand_varies[k - 1];
  }
  for (TwRef r = 1; r < b->insts.len; r++)
    for (uint32_t k = 0; k < tw_inst(b, r)->n_args; k++) v[r] = v[r] || v[tw_arg(b, r, k)];
  return v;
}

/* The carries that can go ahead; *n of them, and what of the body varies beside them. */
static bool *going_ahead(TwPass *p, const TwFn *b, const TwRegion *s, const bool *operand_varies, bool **v,
                         uint32_t *n) {
  bool *kept = TW_NEW_N(&p->scratch, bool, s->n_carry);
  for (uint32_t k = 0; k < s->n_carry; k++) kept[k] = !operand_varies[s->n_consts + k];
  for (bool changed = true; changed;) {
    changed = false;
    *v = varying(p, b, s, operand_varies, kept);
    for (uint32_t k = 0; k < s->n_carry; k++)
      if (kept[k] && (*v)[b->results.at[k]]) kept[k] = false, changed = true;
  }
  *n = 0;
  for (uint32_t k = 0; k < s->n_carry; k++) *n += kept[k];
  return kept;
}

/* Values that do not vary and that the rest needs, other than params it has anyway and literals; *work: one
 * of them is worth computing once. */
static TwRef *handed_on(TwPass *p, const TwFn *b, const TwRegion *s, const bool *kept, const bool *v, uint32_t *n,
                        bool *work) {
  bool *use = TW_NEW_N(&p->scratch, bool, b->insts.len), *own = TW_NEW_N(&p->scratch, bool, b->insts.len);
  for (uint32_t k = 0; k < b->params.len; k++) {
    bool carry = k > s->n_consts && k <= s->n_consts + s->n_carry;
    own[b->params.at[k]] = !carry || !kept[k - 1 - s->n_consts];
  }
  for (TwRef r = 1; r < b->insts.len; r++)
    for (uint32_t k = 0; v[r] && k < tw_inst(b, r)->n_args; k++) use[tw_arg(b, r, k)] = true;
  for (uint32_t k = 0; k < b->results.len; k++)
    if (k >= s->n_carry || !kept[k]) use[b->results.at[k]] = true;
  TwRef *out = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  *n = 0;
  for (TwRef r = 1; r < b->insts.len; r++) {
    if (!use[r] || v[r] || own[r] || tw_op(b, r) == TW_OP_const || tw_info(b, r)->dtype == TW_TUPLE) continue;
    out[(*n)++] = r;
    *work = *work || (tw_op(b, r) != TW_OP_param && tw_op(b, r) != TW_OP_neg && tw_op(b, r) != TW_OP_broadcast);
  }
  return out;
}

typedef struct Cut {
  const TwFn *b;
  TwRegion s;
  const bool *kept, *v;
  TwRef *handed;
  uint32_t n_handed;
} Cut;

/* The part that goes ahead: consts, kept carries, xs -> kept carries, handed on. */
static const TwFn *front(TwPass *p, const Cut *c) {
  const TwFn *b = c->b;
  TwFn *to = tw_fn_new(p->m, b->name);
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  for (uint32_t k = 0; k < b->params.len; k++) {
    bool carry = k > c->s.n_consts && k <= c->s.n_consts + c->s.n_carry;
    if (!carry || c->kept[k - 1 - c->s.n_consts]) map[b->params.at[k]] = tw_param(to, tw_type(b, b->params.at[k]));
  }
  for (TwRef r = 1; r < b->insts.len; r++)
    if (!c->v[r] && tw_op(b, r) != TW_OP_param) map[r] = tw_opt_copy(to, b, r, map);
  for (uint32_t k = 0; k < c->s.n_carry; k++)
    if (c->kept[k]) tw_result(to, map[b->results.at[k]]);
  for (uint32_t k = 0; k < c->n_handed; k++) tw_result(to, map[c->handed[k]]);
  return tw_fn_seal(to);
}

/* The rest: consts, other carries, xs, handed on -> other carries, ys. */
static const TwFn *rest(TwPass *p, const Cut *c) {
  const TwFn *b = c->b;
  TwFn *to = tw_fn_new(p->m, b->name);
  TwRef *map = TW_NEW_N(&p->scratch, TwRef, b->insts.len);
  for (uint32_t k = 0; k < b->params.len; k++) {
    bool carry = k > c->s.n_consts && k <= c->s.n_consts + c->s.n_carry;
    if (!carry || !c->kept[k - 1 - c->s.n_consts]) map[b->params.at[k]] = tw_param(to, tw_type(b, b->params.at[k]));
  }
  for (uint32_t k = 0; k < c->n_handed; k++) map[c->handed[k]] = tw_param(to, tw_type(b, c->handed[k]));
  for (TwRef r = 1; r < b->insts.len; r++)
    if ((c->v[r] || tw_op(b, r) == TW_OP_const) && tw_op(b, r) != TW_OP_param) map[r] = tw_opt_copy(to, b, r, map);
  for (uint32_t k = 0; k < b->results.len; k++)
    if (k >= c->s.n_carry || !c->kept[k]) tw_result(to, map[b->results.at[k]]);
  return tw_fn_seal(to);
}

/* Emits the two scans; parts: the results of the old one. */
static void emit_cut(TwPass *p, TwFn *g, const Cut *c, const TwRef *args, uint32_t n_args, TwOp op, TwRef *parts) {
  uint32_t n_kept = 0, n = 0, m = 0, a = 0, o = 0;
  for (uint32_t k = 0; k < c->s.n_carry; k++) n_kept += c->kept[k];
  TwRef *first = TW_NEW_N(&p->scratch, TwRef, n_args), *second = TW_NEW_N(&p->scratch, TwRef, n_args + c->n_handed);
  for (uint32_t k = 0; k < n_args; k++) {
    bool carry = k >= c->s.n_consts && k < c->s.n_consts + c->s.n_carry;
    bool ahead = carry && c->kept[k - c->s.n_consts];
    if (!carry || ahead) first[n++] = args[k];
    if (!ahead) second[m++] = args[k];
  }
  TwRegion x = c->s, y = c->s;
  x.body = front(p, c);
  x.n_carry = n_kept;
  x.n_ys = c->n_handed;
  TwRef ahead = tw_emit_region(g, op, &x, first, n);
  for (uint32_t k = 0; k < c->n_handed; k++) second[m++] = tw_get(g, ahead, n_kept + k);
  y.body = rest(p, c);
  y.n_carry = c->s.n_carry - n_kept;
  y.n_xs += c->n_handed;
  TwRef after = tw_emit_region(g, op, &y, second, m);
  for (uint32_t k = 0; k < c->s.n_carry; k++) parts[k] = c->kept[k] ? tw_get(g, ahead, a++) : tw_get(g, after, o++);
  for (uint32_t k = 0; k < c->s.n_ys; k++) parts[c->s.n_carry + k] = tw_get(g, after, o++);
}

static bool cut_scan(TwPass *p, TwFn *g, const TwFn *f, TwRef r, const TwRef *map, const bool *varies, TwRef *parts) {
  Cut c = {.s = *tw_region(f, r)};
  uint32_t n_args = tw_inst(f, r)->n_args, n_kept;
  c.b = c.s.body;
  bool *operand_varies = TW_NEW_N(&p->scratch, bool, n_args);
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, n_args);
  for (uint32_t k = 0; k < n_args; k++) {
    operand_varies[k] = varies[tw_arg(f, r, k)];
    args[k] = map[tw_arg(f, r, k)];
  }
  bool *v;
  c.kept = going_ahead(p, c.b, &c.s, operand_varies, &v, &n_kept);
  c.v = v;
  bool work = n_kept > 0;
  c.handed = handed_on(p, c.b, &c.s, c.kept, c.v, &c.n_handed, &work);
  if (!work) return false;
  emit_cut(p, g, &c, args, n_args, tw_op(f, r), parts);
  return true;
}

/* f is the body of a loop with these const params: its scans that can be cut are. */
static const TwFn *cut_scans(TwPass *p, const TwFn *f, uint32_t lead, uint32_t n_consts) {
  bool any = false;
  for (TwRef r = 1; r < f->insts.len && !any; r++) any = tw_op(f, r) == TW_OP_scan;
  if (!any) return f;
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  bool *varies = TW_NEW_N(&p->scratch, bool, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) varies[f->params.at[k]] = k < lead || k >= lead + n_consts;
  TwRef **parts = TW_NEW_N(&p->scratch, TwRef *, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) varies[r] = varies[r] || varies[tw_arg(f, r, k)];
    if (tw_op(f, r) == TW_OP_get && parts[tw_arg(f, r, 0)]) {
      map[r] = parts[tw_arg(f, r, 0)][tw_attr(f, r, 0)];
      continue;
    }
    if (tw_op(f, r) == TW_OP_scan && varies[r]) {
      g->at = tw_inst(f, r)->span;
      TwRef *results = TW_NEW_N(&p->scratch, TwRef, tw_region_results(tw_region(f, r), TW_OP_scan));
      if (cut_scan(p, g, f, r, map, varies, results)) {
        parts[r] = results;
        continue;
      }
    }
    map[r] = tw_opt_copy(g, f, r, map);
  }
  return tw_opt_close(g, f, map);
}

static const TwFn *hoist_fn(TwPass *p, const TwFn *f) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    if (!tw_opt_is_region(op)) {
      map[r] = tw_opt_copy(g, f, r, map);
      continue;
    }
    TwRegion region = *tw_region(f, r);
    region.body = hoist_fn(p, region.body);
    if (op == TW_OP_cond) {
      map[r] = tw_opt_with_body(p, g, f, r, map, region.body, hoist_fn(p, region.other));
      continue;
    }
    region.body = cut_scans(p, region.body, op == TW_OP_scan, region.n_consts);
    map[r] = hoist_region(p, g, f, r, map, region);
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_loop_invariant(TwModule *m, const TwFn *f) {
  if (!tw_opt_has(f, TW_OP_scan) && !tw_opt_has(f, TW_OP_samples)) return f;
  TwPass p = {.m = m};
  const TwFn *g = hoist_fn(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}
