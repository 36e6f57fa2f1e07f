/* divisors.c: a domain that lets a divisor reach 0.
 *
 * requires: a program without errors.   provides: W0007, at the domain.
 * The params get values inside of their domains, all different; then one element after the other is put on a value
 * that it may take and that makes divisors 0: an end that clip lets it reach, and 0, 1 and -1 where they are inside.
 * Weights, models and losses are computed with them. A division by 0 whose result is not finite in the end is a
 * witness, and nothing else is: a guard (`if`, `where`), a limit that is finite, or a value that cannot be computed
 * here is not warned of. Every compilation pays for this, so it stops after BUDGET element operations. */
#include <math.h>

#include "compiler/sema/check.h"

enum { ELEMENTS = 16, BUDGET = 100000, LARGE = 4096 };

typedef struct Trial {
  TwSema *s;
  TwSmNum **values; /* of params */
  const TwSmNum **weights;
  TwArena arena; /* of the results of one trial */
  TwSmProbe probe;
} Trial;

/* Whether the param may become x while it is trained. */
static bool attained(const TwParam *p, double x) {
  if (p->transform != TW_TR_CLIP) return x > p->lo && x < p->hi;
  return x >= p->lo + p->eps && x <= p->hi - p->eps;
}

/* A number inside of the domain, another one for each param and element. */
static double inside(const TwParam *p, uint32_t param, int64_t element) {
  double t = 0.618033988 * (double)(element + 1) + 0.381 * (double)param + 0.217;
  t = 0.1 + 0.8 * (t - floor(t));
  if (isinf(p->lo) && isinf(p->hi)) return 0.4 + t;
  if (isinf(p->hi)) return p->lo + 0.4 + t;
  if (isinf(p->lo)) return p->hi - 0.4 - t;
  return p->lo + t * (p->hi - p->lo);
}

static bool all_finite(const TwSmNum *n) {
  for (int64_t i = 0; n->x && i < n->n; i++)
    if (!isfinite(n->x[i])) return false;
  for (int64_t i = 0; n->kids && i < n->n; i++)
    if (!all_finite(&n->kids[i])) return false;
  return true;
}

/* Whether t divides by 0 and comes to something that is not finite. */
static bool breaks(Trial *t, const TwTx *tx, TwLocal *const *locals, uint32_t n, const TwSmNum **out) {
  const TwSmNum *r = tw_sm_probe(t->s, tx, locals, n, &t->probe);
  if (out) *out = r;
  return r && t->probe.found && !all_finite(r);
}

static bool divides(Trial *t) {
  const TwProgram *p = t->s->p;
  bool broken = false;
  for (uint32_t k = 0; k < p->weights.len; k++) t->weights[k] = NULL;
  for (uint32_t k = 0; k < p->weights.len && !broken; k++)
    broken = !p->weights.at[k].is_law && breaks(t, p->weights.at[k].value, NULL, 0, &t->weights[k]);
  for (uint32_t k = 0; k < p->models.len && !broken; k++) {
    const TwModel *m = &p->models.at[k];
    broken = m->body && breaks(t, m->body, m->inputs.at, m->inputs.len, NULL);
  }
  for (uint32_t k = 0; k < p->stages.len && !broken; k++)
    broken = p->stages.at[k].loss && breaks(t, p->stages.at[k].loss, NULL, 0, NULL);
  tw_arena_free(&t->arena);
  return broken;
}

static void report(Trial *t, const TwParam *p, int64_t element, double x) {
  TwSema *s = t->s;
  const TwSmProbe *w = &t->probe;
  const char *name = p->type->rank == 1 ? tw_arena_printf(s->a, "%s[%lld]", p->name, (long long)element) : p->name;
  const char *then = w->callee ? tw_arena_printf(s->a, ": '%s' then divides by 0", w->callee)
                               : ", which makes a divisor 0";
  TwDiag *d = tw_sm_warn(s, TW_W0007, p->domain_span, "'%s' may reach %g%s", name, x, then);
  tw_sm_note(s, d, w->divisor, "the divisor '%s' is 0 there", tw_sm_text(s, w->divisor));
  bool end = x == p->lo || x == p->hi;
  if (end) tw_sm_help(s, d, "keep it away from that end: by clip(1e-3), or a domain without it");
  else tw_sm_help(s, d, "a domain that leaves %g out keeps it away", x);
}

static bool try(Trial *t, uint32_t param, int64_t element, double x) {
  const TwParam *p = &t->s->p->params.at[param];
  if (!attained(p, x) || t->probe.budget <= 0) return false;
  double *at = &t->values[param]->x[element], old = *at;
  *at = x;
  bool found = divides(t);
  *at = old;
  if (found) report(t, p, element, x);
  return found;
}

/* Values inside of the domain of param k; NULL: there are too many, or none can be told. */
static TwSmNum *values_of(TwSema *s, uint32_t k) {
  const TwParam *p = &s->p->params.at[k];
  const TwType *coord = tw_param_coord(p);
  if (p->type->kind != TW_TY_TENSOR || tw_sm_count(p->type) > LARGE || tw_sm_count(coord) > LARGE) return NULL;
  TwSmNum *n = TW_NEW(s->a, TwSmNum);
  *n = (TwSmNum){.type = p->type, .n = tw_sm_count(p->type)};
  n->x = TW_NEW_N(s->a, double, n->n);
  if (!p->domain) {
    for (int64_t i = 0; i < n->n; i++) n->x[i] = inside(p, k, i);
    return n;
  }
  bool too_long;
  double *u = TW_NEW_N(s->a, double, tw_sm_count(coord));
  for (int64_t i = 0; i < tw_sm_count(coord); i++) u[i] = sin((double)(k + 1) * 2.4 * (double)(i + 1));
  return tw_sm_eval_with(s, p->forward, p->u, u, n->x, &too_long) ? n : NULL;
}

/* The values at which a divisor is most often 0. */
static bool try_all(Trial *t, uint32_t param, int64_t element) {
  const TwParam *p = &t->s->p->params.at[param];
  const double at[] = {p->lo, p->hi, 0, 1, -1};
  for (uint32_t k = 0; k < sizeof at / sizeof *at; k++)
    if (isfinite(at[k]) && try(t, param, element, at[k])) return true;
  return false;
}

void tw_sm_warn_divisors(TwSema *s) {
  uint32_t n = s->p->params.len;
  Trial t = {.s = s, .values = TW_NEW_N(s->a, TwSmNum *, n + 1)};
  t.weights = TW_NEW_N(s->a, const TwSmNum *, s->p->weights.len + 1);
  t.probe = (TwSmProbe){.arena = &t.arena, .budget = BUDGET, .weights = t.weights};
  t.probe.params = (const TwSmNum *const *)t.values;
  for (uint32_t k = 0; k < n; k++)
    if (!(t.values[k] = values_of(s, k))) return;
  if (divides(&t)) return; /* whatever they are */
  for (uint32_t k = 0; k < n; k++) {
    const TwParam *p = &s->p->params.at[k];
    bool done = p->domain || !p->domain_span.file || (isinf(p->lo) && isinf(p->hi)) || !tw_sm_trained(s, k);
    for (int64_t i = 0; i < t.values[k]->n && i < ELEMENTS && !done; i++) done = try_all(&t, k, i);
  }
}
