/* blame.c: which instruction's rule is wrong.
 *
 * requires: a call whose gradient is wrong.
 * provides: the instruction, by differentiating each one that the call executes as a function of its own, at
 *           operands that it meets. Bodies come before the region that holds them, so that a region is blamed
 * only where all that is in it is right. */
#include <math.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/probe/internal.h"

enum { KEPT = 16 };

/* An instruction, and operands that it had: a few of all its executions, chosen at random. */
typedef struct Site {
  const TwFn *fn;
  TwRef ref;
  uint64_t seen;
  void **operands[KEPT]; /* [kept][operand] */
} Site;

typedef struct Hunt {
  TwProbe *p;
  TwVec(Site) sites; /* bodies before regions */
  uint64_t rng;
} Hunt;

static bool is_region(TwOp op) { return op == TW_OP_scan || op == TW_OP_samples || op == TW_OP_cond; }

static void find_sites(Hunt *h, const TwFn *f) {
  for (uint32_t k = 0; k < h->sites.len; k++)
    if (h->sites.at[k].fn == f) return;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (is_region(op)) {
      find_sites(h, tw_region(f, r)->body);
      if (op == TW_OP_cond) find_sites(h, tw_region(f, r)->other);
    }
    if (tw_inst(f, r)->n_args == 0 || op == TW_OP_get) continue;
    if (is_region(op) || tw_info(f, r)->dtype == TW_REAL)
      tw_vec_push(&h->p->unit->arena, &h->sites, (Site){.fn = f, .ref = r});
  }
}

static size_t bytes_of(const TwTyInfo *t) {
  return (size_t)t->count * (t->dtype == TW_REAL ? sizeof(double) : t->dtype == TW_INT ? sizeof(int64_t) : 1);
}

static void keep_operands(TwWatch *w, const TwInstant *now) {
  Hunt *h = w->context;
  Site *s = NULL;
  for (uint32_t k = 0; k < h->sites.len && !s; k++)
    if (h->sites.at[k].fn == now->fn && h->sites.at[k].ref == now->ref) s = &h->sites.at[k];
  if (!s) return;
  uint64_t place = s->seen < KEPT ? s->seen : tw_mix(&h->rng) % (s->seen + 1);
  s->seen++;
  if (place >= KEPT) return;
  uint32_t n = tw_inst(now->fn, now->ref)->n_args;
  bool fresh = s->operands[place] == NULL;
  if (fresh) s->operands[place] = TW_NEW_N(&h->p->unit->arena, void *, n);
  for (uint32_t k = 0; k < n; k++) {
    size_t bytes = bytes_of(tw_info(now->fn, tw_arg(now->fn, now->ref, k)));
    if (fresh) s->operands[place][k] = tw_arena_alloc(&h->p->unit->arena, bytes + 1);
    memcpy(s->operands[place][k], tw_instant_operand(now, k), bytes);
  }
}

/* ---- one instruction as a function */

typedef struct Alone {
  const TwFn *fn, *jvp, *vjp;
  uint32_t *operand; /* of the instruction, per param; constants stay constants: a rule may look at them */
  bool *active;
} Alone;

static bool make_alone(Hunt *h, const Site *s, Alone *a) {
  TwArena *arena = &h->p->unit->arena;
  TwFn *f = tw_fn_new(h->p->lowered->module, tw_op_name(tw_op(s->fn, s->ref)));
  uint32_t n = tw_inst(s->fn, s->ref)->n_args;
  TwRef *map = TW_NEW_N(arena, TwRef, s->fn->insts.len);
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

static double inner(const TwFn *f, const TwRef *refs, uint32_t k, const double *a, const double *b,
                    double *size) {
  double sum = 0;
  for (uint64_t e = 0; e < tw_call_count(f, refs[k]); e++) sum += a[e] * b[e], *size += fabs(a[e] * b[e]);
  return sum;
}

/* <u, Jv> by forward mode, <J'u, v> by reverse mode; *size: the sum of the absolute values of the terms. */
static void by_rules(Hunt *h, const Alone *a, void *const *x, const Direction *d, double *forward,
                     double *reverse, double *size) {
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

/* Does a rule disagree along this direction? */
static bool disagrees(Hunt *h, const Site *s, const Alone *a, void *const *x, const Direction *d,
                      TwBlame *out) {
  double forward, reverse, size;
  by_rules(h, a, x, d, &forward, &reverse, &size);
  TwSlope slope = by_differences(h, a, x, d);
  if (!slope.found || !isfinite(slope.value) || !isfinite(size)) return false;
  double room = 1e-7 * (size + fabs(slope.value)) + 8 * slope.spread;
  bool forward_wrong = !(fabs(forward - slope.value) <= room),
       reverse_wrong = !(fabs(reverse - slope.value) <= room);
  if (!forward_wrong && !reverse_wrong) return false;
  *out = (TwBlame){s->fn,
                   s->ref,
                   describe(h, s, x),
                   forward_wrong ? "its rule" : "the transpose of its rule",
                   forward_wrong ? forward : reverse,
                   slope.value};
  return true;
}

static bool check_at(Hunt *h, const Site *s, const Alone *a, void *const *x, TwBlame *out) {
  Direction d = random_direction(h, a, x);
  if (!disagrees(h, s, a, x, &d, out)) return false;
  for (uint32_t k = 0; k < a->fn->params.len; k++) {
    if (!scalar_of(a, k)) continue;
    Direction one = random_direction(h, a, x);
    for (uint32_t j = 0; j < a->fn->params.len; j++)
      for (uint64_t e = 0; a->active[j] && e < tw_call_count(a->fn, a->fn->params.at[j]); e++)
        one.v[j][e] = j == k;
    one.u[0][0] = 1;
    if (disagrees(h, s, a, x, &one, out)) return true;
  }
  return true;
}

/* All operands finite: where one is not, nothing can be said. */
static bool usable(const Site *s, void *const *x) {
  for (uint32_t k = 0; k < tw_inst(s->fn, s->ref)->n_args; k++) {
    const TwTyInfo *t = tw_info(s->fn, tw_arg(s->fn, s->ref, k));
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
