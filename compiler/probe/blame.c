/* blame.c: which instruction's rule is wrong.
 *
 * requires: a call whose gradient is wrong.
 * provides: the instruction, by differentiating each one that the call executes as a function of its own, at
 *           operands that it meets. Bodies come before the region that holds them, so that a region is blamed
 * only where all that is in it is right. The value of a custom function and what is stated of it are no
 * instructions that are right or wrong by themselves: they are looked at together, as one function of its
 * operands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/probe/internal.h"

enum { KEPT = 16 };

/* An instruction, and operands that it had: a few of all its executions, chosen at random. */
typedef struct Site {
  const TwFn *fn;
  TwRef ref;
  uint64_t seen;
  uint32_t n_reads;      /* operands; of a custom function what its last `along` depends on: `reads` */
  void **operands[KEPT]; /* [kept][operand] */
  /* Of a custom function, else NULL: the instructions it is made of, in order, which of them are its operands, and the
   * values of these in the present execution. */
  TwRef *parts, *reads;
  uint32_t n_parts;
  void **now;
} Site;

/* One of the sites that an instruction belongs to. */
typedef struct Link {
  uint32_t site, next; /* next: of the same instruction, an index; 0: none */
} Link;

/* A function and its instructions: the links of each, and notes that are empty between uses. So the work for a site
 * is as large as the site, whatever the function is. */
typedef struct Place {
  const TwFn *fn;
  uint32_t *first;
  TwRef *map;
  uint8_t *mark;
} Place;

enum { LEAF = 1, SEEN = 2 };

typedef struct Hunt {
  TwProbe *p;
  TwVec(Site) sites; /* bodies before regions */
  TwVec(Link) links; /* at[0] unused */
  Place *places;     /* by the address of the function; half of them at least are empty */
  uint32_t n_places, cap;
  Place *last;
  uint64_t rng;
} Hunt;

static bool is_region(TwOp op) { return op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond; }

static bool is_custom(TwOp op) { return op == TW_OP_stop || op == TW_OP_along; }

/* ---- places */

static Place *slot_of(Place *at, uint32_t cap, const TwFn *f) {
  uint64_t key = (uint64_t)(uintptr_t)f;
  uint32_t k = (uint32_t)tw_mix(&key) & (cap - 1);
  while (at[k].fn && at[k].fn != f) k = (k + 1) & (cap - 1);
  return &at[k];
}

/* NULL: the function has none. */
static Place *place_of(Hunt *h, const TwFn *f) {
  if (h->last && h->last->fn == f) return h->last;
  Place *at = h->cap ? slot_of(h->places, h->cap, f) : NULL;
  return h->last = at && at->fn ? at : NULL;
}

static void add_place(Hunt *h, const TwFn *f) {
  TwArena *arena = &h->p->unit->arena;
  if (2 * (h->n_places + 1) > h->cap) {
    uint32_t cap = h->cap ? 2 * h->cap : 16;
    Place *more = TW_NEW_N(arena, Place, cap);
    for (uint32_t k = 0; k < h->cap; k++)
      if (h->places[k].fn) *slot_of(more, cap, h->places[k].fn) = h->places[k];
    h->places = more;
    h->cap = cap;
    h->last = NULL;
  }
  h->n_places++;
  *slot_of(h->places, h->cap, f) = (Place){f, TW_NEW_N(arena, uint32_t, f->insts.len),
                                           TW_NEW_N(arena, TwRef, f->insts.len),
                                           TW_NEW_N(arena, uint8_t, f->insts.len)};
}

/* ---- sites */

/* What is executed at `r` concerns the site that is added next. */
static void add_link(Hunt *h, const TwFn *f, TwRef r) {
  TwArena *arena = &h->p->unit->arena;
  if (h->links.len == 0) tw_vec_push(arena, &h->links, (Link){0});
  Place *at = place_of(h, f);
  tw_vec_push(arena, &h->links, ((Link){h->sites.len, at->first[r]}));
  at->first[r] = h->links.len - 1;
}

typedef TwVec(TwRef) Refs;

/* Adds what `r` is computed from, without what leaves are computed from and what stands before `lowest`. Each is marked
 * as seen. */
static void collect(TwArena *arena, const Place *at, TwRef r, TwRef lowest, Refs *out) {
  uint32_t next = out->len;
  at->mark[r] |= SEEN;
  tw_vec_push(arena, out, r);
  for (; next < out->len; next++) {
    TwRef q = out->at[next];
    for (uint32_t k = 0; (q == r || !(at->mark[q] & LEAF)) && k < tw_inst(at->fn, q)->n_args; k++) {
      TwRef x = tw_arg(at->fn, q, k);
      if (x < lowest || (at->mark[x] & SEEN)) continue;
      at->mark[x] |= SEEN;
      tw_vec_push(arena, out, x);
    }
  }
}

static void unmark(const Place *at, const Refs *refs, uint8_t bits) {
  for (uint32_t k = 0; k < refs->len; k++) at->mark[refs->at[k]] &= (uint8_t)~bits;
}

/* The operands that a custom function's rules name. If one of them is computed from another, a part of the
 * value may be shared with it, and they cannot be moved apart: there are none then. */
static void find_leaves(TwArena *arena, const Place *at, TwRef r, Refs *out) {
  TwRef lowest = r;
  for (TwRef q = r; tw_op(at->fn, q) == TW_OP_along; q = tw_arg(at->fn, q, 0)) {
    TwRef x = tw_arg(at->fn, q, 1);
    if (x < lowest) lowest = x;
    if (!(at->mark[x] & SEEN)) tw_vec_push(arena, out, x);
    at->mark[x] |= SEEN;
  }
  unmark(at, out, SEEN);
  bool shared = false;
  for (uint32_t k = 0; k < out->len && out->len > 1 && !shared; k++) {
    Refs from = {0};
    collect(arena, at, out->at[k], lowest, &from);
    for (uint32_t j = 0; j < out->len; j++) shared |= j != k && (at->mark[out->at[j]] & SEEN);
    unmark(at, &from, SEEN);
  }
  if (shared) out->len = 0;
}

static int ascending(const void *a, const void *b) {
  TwRef x = *(const TwRef *)a, y = *(const TwRef *)b;
  return (x > y) - (x < y);
}

/* `r` is the last of what is stated of a custom function, or its value if nothing is left of it. */
static void add_custom(Hunt *h, const TwFn *f, TwRef r) {
  TwArena *arena = &h->p->unit->arena;
  const Place *at = place_of(h, f);
  Site s = {.fn = f, .ref = r};
  Refs leaves = {0}, parts = {0};
  find_leaves(arena, at, r, &leaves);
  for (uint32_t k = 0; k < leaves.len; k++) at->mark[leaves.at[k]] |= LEAF;
  collect(arena, at, r, 1, &parts);
  qsort(parts.at, parts.len, sizeof *parts.at, ascending);
  s.parts = parts.at;
  s.n_parts = parts.len;
  s.reads = TW_NEW_N(arena, TwRef, parts.len + 1);
  for (uint32_t k = 0; k < parts.len; k++) {
    TwRef q = parts.at[k];
    bool leaf = q != r && ((at->mark[q] & LEAF) || tw_op(f, q) == TW_OP_param);
    if (leaf && tw_op(f, q) != TW_OP_const) s.reads[s.n_reads++] = q;
  }
  unmark(at, &parts, SEEN);
  unmark(at, &leaves, LEAF);
  s.now = TW_NEW_N(arena, void *, s.n_reads + 1);
  add_link(h, f, r);
  for (TwRef q = r; tw_op(f, q) == TW_OP_along && tw_op(f, tw_arg(f, q, 0)) == TW_OP_along; q = tw_arg(f, q, 0))
    add_link(h, f, tw_arg(f, q, 0));
  tw_vec_push(arena, &h->sites, s);
}

static void find_sites(Hunt *h, const TwFn *f) {
  TwArena *arena = &h->p->unit->arena;
  if (place_of(h, f)) return;
  add_place(h, f);
  bool *goes_on = TW_NEW_N(arena, bool, f->insts.len); /* more is stated of it */
  for (TwRef r = 1; r < f->insts.len; r++)
    if (tw_op(f, r) == TW_OP_along) goes_on[tw_arg(f, r, 0)] = true;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (is_region(op)) {
      find_sites(h, tw_region(f, r)->body);
      if (op == TW_OP_cond) find_sites(h, tw_region(f, r)->other);
    }
    if (tw_inst(f, r)->n_args == 0 || op == TW_OP_get) continue;
    if (is_custom(op)) {
      if (!goes_on[r]) add_custom(h, f, r);
    } else if (is_region(op) || tw_info(f, r)->dtype == TW_REAL) {
      add_link(h, f, r);
      tw_vec_push(arena, &h->sites, ((Site){.fn = f, .ref = r, .n_reads = tw_inst(f, r)->n_args}));
    }
  }
}

static size_t bytes_of(const TwTyInfo *t) {
  return (size_t)t->count * (t->dtype == TW_REAL ? sizeof(double) : t->dtype == TW_INT ? sizeof(int64_t) : 1);
}

static TwRef read_of(const Site *s, uint32_t k) { return s->reads ? s->reads[k] : tw_arg(s->fn, s->ref, k); }

static void keep(Hunt *h, Site *s, const TwInstant *now) {
  uint64_t place = s->seen < KEPT ? s->seen : tw_mix(&h->rng) % (s->seen + 1);
  s->seen++;
  if (place >= KEPT) return;
  bool fresh = s->operands[place] == NULL;
  if (fresh) s->operands[place] = TW_NEW_N(&h->p->unit->arena, void *, s->n_reads + 1);
  for (uint32_t k = 0; k < s->n_reads; k++) {
    size_t bytes = bytes_of(tw_info(s->fn, read_of(s, k)));
    if (fresh) s->operands[place][k] = tw_arena_alloc(&h->p->unit->arena, bytes + 1);
    memcpy(s->operands[place][k], s->reads ? s->now[k] : tw_instant_operand(now, k), bytes);
  }
}

/* A value may be overwritten after its last use: an operand of a custom function is copied where its rule uses it. */
static void read_custom(Hunt *h, Site *s, const TwInstant *now) {
  if (tw_op(now->fn, now->ref) != TW_OP_along && now->ref != s->ref) return;
  for (uint32_t k = 0; k < s->n_reads; k++) {
    TwRef x = s->reads[k];
    bool param = tw_op(s->fn, x) == TW_OP_param,
         used = tw_op(now->fn, now->ref) == TW_OP_along && tw_arg(now->fn, now->ref, 1) == x;
    if (!used && !(param && now->ref == s->ref)) continue;
    size_t bytes = bytes_of(tw_info(s->fn, x));
    if (!s->now[k]) s->now[k] = tw_arena_alloc(&h->p->unit->arena, bytes + 1);
    memcpy(s->now[k], used ? tw_instant_operand(now, 1) : tw_instant_param(now, x), bytes);
  }
}

static void keep_operands(TwWatch *w, const TwInstant *now) {
  Hunt *h = w->context;
  const Place *at = place_of(h, now->fn);
  for (uint32_t k = at ? at->first[now->ref] : 0; k; k = h->links.at[k].next) {
    Site *s = &h->sites.at[h->links.at[k].site];
    if (s->reads) read_custom(h, s, now);
    if (s->ref == now->ref) keep(h, s, now);
  }
}

/* ---- one instruction as a function */

typedef struct Alone {
  const TwFn *fn, *jvp, *vjp;
  uint32_t *operand; /* of the instruction, per param; constants stay constants: a rule may look at them */
  bool *active;
} Alone;

/* A custom function of its operands, with its rules. */
static bool make_custom(Hunt *h, const Site *s, Alone *a) {
  TwArena *arena = &h->p->unit->arena;
  TwFn *f = tw_fn_new(h->p->lowered->module, tw_op_name(tw_op(s->fn, s->ref)));
  TwRef *map = place_of(h, s->fn)->map;
  a->operand = TW_NEW_N(arena, uint32_t, s->n_reads + 1);
  a->active = TW_NEW_N(arena, bool, s->n_reads + 1);
  bool any = false;
  for (uint32_t k = 0; k < s->n_reads; k++) {
    a->operand[k] = k;
    a->active[k] = tw_info(s->fn, s->reads[k])->dtype == TW_REAL;
    any |= a->active[k];
    map[s->reads[k]] = tw_param(f, tw_type(s->fn, s->reads[k]));
  }
  for (uint32_t k = 0; any && k < s->n_parts; k++)
    if (!map[s->parts[k]]) map[s->parts[k]] = tw_copy_inst(f, s->fn, s->parts[k], map);
  if (any) tw_result(f, map[s->ref]);
  for (uint32_t k = 0; k < s->n_parts; k++) map[s->parts[k]] = 0;
  if (!any) return false;
  a->fn = tw_fn_seal(f);
  a->jvp = tw_jvp(h->p->lowered->module, a->fn, a->active);
  a->vjp = tw_vjp(h->p->lowered->module, a->fn, a->active, NULL);
  return true;
}

static bool make_alone(Hunt *h, const Site *s, Alone *a) {
  if (s->reads) return make_custom(h, s, a);
  TwArena *arena = &h->p->unit->arena;
  TwFn *f = tw_fn_new(h->p->lowered->module, tw_op_name(tw_op(s->fn, s->ref)));
  uint32_t n = tw_inst(s->fn, s->ref)->n_args;
  TwRef *map = place_of(h, s->fn)->map;
  a->operand = TW_NEW_N(arena, uint32_t, n);
  a->active = TW_NEW_N(arena, bool, n);
  bool any = false;
  for (uint32_t k = 0; k < n; k++) {
    TwRef x = tw_arg(s->fn, s->ref, k);
    if (map[x]) continue;
    if (tw_op(s->fn, x) == TW_OP_const) {
      map[x] = tw_copy_inst(f, s->fn, x, map);
      continue;
    }
    a->operand[f->params.len] = k;
    a->active[f->params.len] = tw_info(s->fn, x)->dtype == TW_REAL;
    any |= a->active[f->params.len];
    map[x] = tw_param(f, tw_type(s->fn, x));
  }
  f->at = tw_inst(s->fn, s->ref)->span;
  TwRef r = tw_copy_inst(f, s->fn, s->ref, map);
  for (uint32_t k = 0; k < n; k++) map[tw_arg(s->fn, s->ref, k)] = 0;
  bool real = false;
  if (is_region(tw_op(s->fn, s->ref))) {
    const TwRegion *g = tw_region(s->fn, s->ref);
    for (uint32_t k = 0; k < tw_region_results(g, tw_op(s->fn, s->ref)); k++) {
      TwRef part = tw_get(f, r, k);
      tw_result(f, part);
      real |= tw_info(f, part)->dtype == TW_REAL;
    }
  } else {
    tw_result(f, r);
    real = true;
  }
  if (!any || !real) return false;
  a->fn = tw_fn_seal(f);
  a->jvp = tw_jvp(h->p->lowered->module, a->fn, a->active);
  a->vjp = tw_vjp(h->p->lowered->module, a->fn, a->active, NULL);
  return true;
}

/* ---- at one set of operands */

typedef struct Direction {
  double **v, **u; /* per param, per result; NULL where there is none */
} Direction;

static Direction random_direction(Hunt *h, const Alone *a, void *const *x) {
  TwArena *arena = &h->p->unit->arena;
  Direction d = {TW_NEW_N(arena, double *, a->fn->params.len), TW_NEW_N(arena, double *, a->fn->results.len)};
  for (uint32_t k = 0; k < a->fn->params.len; k++) {
    if (!a->active[k]) continue;
    uint64_t n = tw_call_count(a->fn, a->fn->params.at[k]);
    d.v[k] = TW_NEW_N(arena, double, n + 1);
    const double *at = x[a->operand[k]];
    for (uint64_t e = 0; e < n; e++) d.v[k][e] = tw_mix_real(&h->rng) * (at[e] != 0 ? fabs(at[e]) : 1);
  }
  for (uint32_t k = 0; k < a->fn->results.len; k++) {
    if (tw_info(a->fn, a->fn->results.at[k])->dtype != TW_REAL) continue;
    uint64_t n = tw_call_count(a->fn, a->fn->results.at[k]);
    d.u[k] = TW_NEW_N(arena, double, n + 1);
    for (uint64_t e = 0; e < n; e++) d.u[k][e] = 0.75 + 0.25 * tw_mix_real(&h->rng);
  }
  return d;
}

static double inner(const TwFn *f, const TwRef *refs, uint32_t k, const double *a, const double *b, double *size) {
  double sum = 0;
  for (uint64_t e = 0; e < tw_call_count(f, refs[k]); e++) sum += a[e] * b[e], *size += fabs(a[e] * b[e]);
  return sum;
}

/* <u, Jv> by forward mode, <J'u, v> by reverse mode; *size: the sum of the absolute values of the terms. */
static void by_rules(Hunt *h, const Alone *a, void *const *x, const Direction *d, double *forward, double *reverse,
                     double *size) {
  TwArena *arena = &h->p->unit->arena;
  TwCall jvp = tw_call(arena, a->jvp, TW_F64), vjp = tw_call(arena, a->vjp, TW_F64);
  uint32_t n = a->fn->params.len, m = a->fn->results.len, tangents = n, cotangents = n;
  for (uint32_t k = 0; k < n; k++) {
    jvp.in[k] = vjp.in[k] = x[a->operand[k]];
    if (a->active[k]) jvp.in[tangents++] = d->v[k];
  }
  for (uint32_t k = 0; k < m; k++)
    if (d->u[k]) vjp.in[cotangents++] = d->u[k];
  *forward = *reverse = NAN;
  *size = 0;
  if (!tw_call_run(&jvp, NULL) || !tw_call_run(&vjp, NULL)) return;
  *forward = *reverse = 0;
  for (uint32_t k = 0, at = m; k < m; k++)
    if (d->u[k]) *forward += inner(a->fn, a->fn->results.at, k, d->u[k], tw_call_reals(&jvp, at++), size);
  for (uint32_t k = 0, at = m; k < n; k++)
    if (a->active[k]) *reverse += inner(a->fn, a->fn->params.at, k, d->v[k], tw_call_reals(&vjp, at++), size);
}

/* The same by differences. */
static TwSlope by_differences(Hunt *h, const Alone *a, void *const *x, const Direction *d) {
  TwArena *arena = &h->p->unit->arena;
  TwLine line = {.call = tw_call(arena, a->fn, TW_F64), .weight = (const double *const *)d->u};
  uint64_t total = 0;
  for (uint32_t k = 0; k < a->fn->params.len; k++)
    total += a->active[k] ? tw_call_count(a->fn, a->fn->params.at[k]) : 0;
  double *from = TW_NEW_N(arena, double, total + 1), *v = TW_NEW_N(arena, double, total + 1);
  line.at = TW_NEW_N(arena, double *, total + 1);
  for (uint32_t k = 0; k < a->fn->params.len; k++) {
    double *operand = x[a->operand[k]];
    line.call.in[k] = operand;
    for (uint64_t e = 0; a->active[k] && e < tw_call_count(a->fn, a->fn->params.at[k]); e++, line.n++) {
      line.at[line.n] = &operand[e];
      from[line.n] = operand[e];
      v[line.n] = d->v[k][e];
    }
  }
  line.x = from;
  line.v = v;
  TwSlope s = {0};
  if (tw_line_record(&line)) s = tw_slope(&line, 1e-2, NAN, 0);
  tw_pattern_free(&line.watch.pattern);
  return s;
}

/* An operation on one element: derivatives by one operand are easier to read than along a direction. */
static bool scalar_of(const Alone *a, uint32_t k) {
  return a->active[k] && tw_call_count(a->fn, a->fn->params.at[k]) == 1 && a->fn->results.len == 1 &&
         tw_call_count(a->fn, a->fn->results.at[0]) == 1;
}

/* What the program states at this place of a custom function, or of the function whose value is there. */
static const TwCustomRule *rule_at(const Hunt *h, TwSpan at, bool value) {
  for (uint32_t k = 0; k < h->p->program->rules.len; k++) {
    const TwCustomRule *r = &h->p->program->rules.at[k];
    const TwSpan *span = value ? &r->body : &r->span;
    if (span->file == at.file && span->start == at.start && span->end == at.end) return r;
  }
  return NULL;
}

/* "'h' by 'x' (x = 200, y = 3)", and the rule's place; `only`: the operand along which it was differentiated. */
static const char *describe_custom(Hunt *h, const Site *s, void *const *x, uint32_t only, TwSpan *span) {
  TwArena *arena = &h->p->unit->arena;
  const TwCustomRule *named = NULL, *rule = NULL;
  const char *values = "";
  bool value = false; /* the body, which comes last, was met */
  for (TwRef q = s->ref; !value && is_custom(tw_op(s->fn, q)); q = tw_arg(s->fn, q, 0)) {
    value = tw_op(s->fn, q) == TW_OP_stop;
    const TwCustomRule *r = rule_at(h, tw_inst(s->fn, q)->span, value);
    if (!r) continue;
    named = r;
    for (uint32_t k = 0; !value && k < s->n_reads; k++) {
      if (s->reads[k] != tw_arg(s->fn, q, 1)) continue;
      if (k == only) rule = r;
      if (tw_info(s->fn, s->reads[k])->count == 1)
        values = tw_arena_printf(arena, "%s = %.9g%s%s", r->param, *(double *)x[k], *values ? ", " : "", values);
    }
  }
  *span = rule ? rule->span : named ? named->body : tw_inst(s->fn, s->ref)->span;
  const char *at = *values ? tw_arena_printf(arena, " (%s)", values) : "";
  if (rule) return tw_arena_printf(arena, "'%s' by '%s'%s", rule->fn, rule->param, at);
  return tw_arena_printf(arena, "'%s'%s along a random direction of what it is computed from",
                         named ? named->fn : "a custom function", at);
}

static const char *describe(Hunt *h, const Site *s, void *const *x) {
  double small[3];
  uint32_t n = tw_inst(s->fn, s->ref)->n_args;
  TwOp op = tw_op(s->fn, s->ref);
  bool numbers = n <= 3 && !is_region(op);
  for (uint32_t k = 0; k < n && numbers; k++) {
    const TwTyInfo *t = tw_info(s->fn, tw_arg(s->fn, s->ref, k));
    numbers = t->count == 1 && t->dtype == TW_REAL;
    if (numbers) small[k] = *(double *)x[k];
  }
  if (numbers) return tw_operation_text(h->p->unit, op, small, n);
  return tw_arena_printf(&h->p->unit->arena,
                         op == TW_OP_scan      ? "this loop ('%s')"
                         : op == TW_OP_samples ? "this sum over samples ('%s')"
                         : op == TW_OP_cond    ? "this branch ('%s')"
                                               : "'%s', along a random direction of its operands,",
                         tw_op_name(op));
}

/* Does a rule disagree along this direction, in which `only` moves if it is an operand? */
static bool disagrees(Hunt *h, const Site *s, const Alone *a, void *const *x, const Direction *d, uint32_t only,
                      TwBlame *out) {
  double forward, reverse, size;
  by_rules(h, a, x, d, &forward, &reverse, &size);
  TwSlope slope = by_differences(h, a, x, d);
  if (!slope.found || !isfinite(slope.value) || !isfinite(size)) return false;
  double room = 1e-7 * (size + fabs(slope.value)) + 8 * slope.spread;
  bool forward_wrong = !(fabs(forward - slope.value) <= room), reverse_wrong = !(fabs(reverse - slope.value) <= room);
  if (!forward_wrong && !reverse_wrong) return false;
  TwSpan span = tw_inst(s->fn, s->ref)->span;
  const char *what = s->reads ? describe_custom(h, s, x, only, &span) : describe(h, s, x);
  *out = (TwBlame){s->fn,
                   s->ref,
                   span,
                   what,
                   forward_wrong ? "its rule" : "the transpose of its rule",
                   forward_wrong ? forward : reverse,
                   slope.value};
  return true;
}

static bool check_at(Hunt *h, const Site *s, const Alone *a, void *const *x, TwBlame *out) {
  Direction d = random_direction(h, a, x);
  if (!disagrees(h, s, a, x, &d, UINT32_MAX, out)) return false;
  for (uint32_t k = 0; k < a->fn->params.len; k++) {
    if (!scalar_of(a, k)) continue;
    Direction one = random_direction(h, a, x);
    for (uint32_t j = 0; j < a->fn->params.len; j++)
      for (uint64_t e = 0; a->active[j] && e < tw_call_count(a->fn, a->fn->params.at[j]); e++) one.v[j][e] = j == k;
    one.u[0][0] = 1;
    if (disagrees(h, s, a, x, &one, a->operand[k], out)) return true;
  }
  return true;
}

/* All operands finite: where one is not, nothing can be said. */
static bool usable(const Site *s, void *const *x) {
  for (uint32_t k = 0; k < s->n_reads; k++) {
    const TwTyInfo *t = tw_info(s->fn, read_of(s, k));
    for (int64_t e = 0; t->dtype == TW_REAL && e < t->count; e++)
      if (!isfinite(((const double *)x[k])[e])) return false;
  }
  return true;
}

bool tw_blame(TwProbe *p, const TwCall *call, uint64_t seed, TwBlame *out) {
  Hunt h = {.p = p, .rng = seed ^ 0x626c616dull};
  find_sites(&h, call->fn);
  TwWatch w = {.after = keep_operands, .context = &h};
  if (!tw_call_run(call, &w)) return false;
  for (uint32_t k = 0; k < h.sites.len; k++) {
    const Site *s = &h.sites.at[k];
    Alone a = {0};
    if (!s->seen || !make_alone(&h, s, &a)) continue;
    for (uint32_t j = 0; j < KEPT && s->operands[j]; j++)
      if (usable(s, s->operands[j]) && check_at(&h, s, &a, s->operands[j], out)) return true;
  }
  return false;
}
