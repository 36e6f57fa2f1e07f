/* recur.c: recurrences: let s[0] = a, s[i + 1] = f(s[i]) for i in 0 .. n.
 *
 * Start cases come first; a running case defines element i + offset from earlier ones at i + k (all
 * on one side: that is its direction), or from elements with a fixed index that other cases defined.
 * Every element is defined once and before it is read: this is checked by going through them.
 * Without a type a recurrence of integers holds reals. */
#include <stdlib.h>

#include "compiler/sema/check.h"

enum { MAX_ELEMENTS = 1 << 22 };

typedef struct Read {
  bool fixed;
  int64_t at; /* the index, or its distance from i */
  TwSpan span;
} Read;

typedef struct Case {
  const TwRecurCase *ast;
  bool running, ok;
  TwSmScope scope; /* running: with i */
  TwLocal *i;
  int64_t lo, n, offset;
  TwVec(Read) reads;
  TwTx *value;
  bool reverse;
  uint32_t order;
} Case;

struct TwSmRecur {
  TwName name;
  TwLocal *local;
  const TwType *elem;
  Case *now;
};

static bool open_case(TwSema *s, const TwSmScope *scope, Case *c) {
  const TwRecurCase *a = c->ast;
  c->scope = *scope;
  c->running = a->has_for;
  c->n = 1;
  if (!c->running) return tw_sm_static_int(s, scope, a->index, "the index of a start", &c->offset);
  TwIter it;
  if (!a->clause.in || a->clause.in->kind != TW_EX_RANGE) {
    tw_sm_error(s, TW_E0316, a->clause.span, "a recurrence runs over a range: for i in 0 .. n");
    return false;
  }
  if (!tw_sm_iter(s, &c->scope, &a->clause, false, &it)) return false;
  c->i = it.local;
  c->lo = it.lo;
  c->n = it.n;
  TwTx *index = tw_sm_tx(s, &c->scope, a->index, s->t_int);
  if (tw_sm_poison(index->type)) return false;
  if (tw_sm_local_plus(index, &c->offset) == c->i) return true;
  tw_sm_error(s, TW_E0316, a->index->span, "the element being defined should be '%s' plus or minus a number",
              c->i->name);
  return false;
}

TwSmValue tw_sm_recur_read(TwSema *s, const TwSmScope *scope, TwSmRecur *r, const TwExpr *e) {
  if (!r->local) {
    tw_sm_error(s, TW_E0316, e->span, "the first start of '%s' cannot depend on '%s' itself", r->name, r->name);
    return tw_sm_vbad();
  }
  if (e->items.len != 1 || e->items.at[0]->kind == TW_EX_RANGE) {
    TwDiag *d = tw_sm_error(s, TW_E0316, e->span, "while '%s' is being defined it has one index", r->name);
    tw_sm_help(s, d, "write %s[i][j] for a part of an element", r->name);
    return tw_sm_vbad();
  }
  TwTx *i = tw_sm_tx(s, scope, e->items.at[0], s->t_int);
  if (tw_sm_poison(i->type)) return tw_sm_vbad();
  Read read = {.fixed = i->known, .at = i->integer, .span = e->span};
  if (!i->known) {
    if (!r->now->i || tw_sm_local_plus(i, &read.at) != r->now->i) {
      tw_sm_error(s, TW_E0316, e->items.at[0]->span, "an earlier element of '%s' is read at %s plus or minus a number",
                  r->name, r->now->i ? r->now->i->name : "a number");
      return tw_sm_vbad();
    }
    TwTx *base = tw_sm_use(s, r->now->i, i->span);
    i = read.at ? tw_sm_op(s, TW_OP_add, s->t_int, i->span, base, tw_sm_int(s, read.at, i->span)) : base;
  }
  tw_vec_push(s->a, &r->now->reads, read);
  TwTx *t = tw_sm_one(s, TW_TX_INDEX, r->elem, e->span, tw_sm_use(s, r->local, e->span));
  tw_vec_push(s->a, &t->items, (TwIndexItem){i, 0, 0});
  return tw_sm_v(t);
}

static bool elaborate(TwSema *s, TwSmRecur *r, TwSpan name_span, Case *c) {
  r->now = c;
  tw_sm_bind(s, &c->scope, (TwIdent){r->name, name_span}, (TwSmValue){.kind = TW_V_RECUR, .recur = r});
  bool dead = c->n == 0;
  s->dead += dead;
  c->value = tw_sm_tx(s, &c->scope, c->ast->value, r->elem);
  s->dead -= dead;
  r->now = NULL;
  if (!r->elem) return !tw_sm_poison(c->value->type);
  c->value = tw_sm_coerce(s, c->value, r->elem, false, c->ast->value->span,
                          tw_arena_printf(s->a, "an element of '%s'", r->name));
  return !tw_sm_poison(c->value->type);
}

/* Which way a running case goes, and how far back it reads. */
static bool direction(TwSema *s, const TwSmRecur *r, Case *c) {
  bool back = false, ahead = false;
  for (uint32_t k = 0; k < c->reads.len; k++) {
    const Read *x = &c->reads.at[k];
    if (x->fixed) continue;
    if (x->at == c->offset) {
      tw_sm_error(s, TW_E0316, x->span, "this element of '%s' is the one being defined", r->name);
      return false;
    }
    back |= x->at < c->offset;
    ahead |= x->at > c->offset;
    int64_t far = x->at < c->offset ? c->offset - x->at : x->at - c->offset;
    if (far > UINT16_MAX) {
      tw_sm_error(s, TW_E0902, x->span, "a recurrence may reach back at most %d elements", UINT16_MAX);
      return false;
    }
    if ((uint32_t)far > c->order) c->order = (uint32_t)far;
  }
  if (back && ahead) {
    tw_sm_error(s, TW_E0316, c->ast->span, "this case of '%s' reads elements on both sides of the one it defines",
                r->name);
    return false;
  }
  if (!back && !ahead) {
    TwDiag *d = tw_sm_error(s, TW_E0316, c->ast->span, "this case of '%s' does not depend on an earlier element",
                            r->name);
    tw_sm_help(s, d, "write a comprehension: let %s = [ … for %s in … ]", r->name, c->i->name);
    return false;
  }
  c->reverse = ahead;
  return true;
}

static bool read_ok(TwSema *s, const TwSmRecur *r, const Read *x, int64_t at, const uint8_t *defined, int64_t n) {
  if (at < 0 || at >= n) {
    tw_sm_error(s, TW_E0404, x->span, "this reads element %lld of '%s', which has %lld", (long long)at, r->name,
                (long long)n);
    return false;
  }
  if (defined[at]) return true;
  tw_sm_error(s, TW_E0316, x->span, "this reads element %lld of '%s' before it is defined", (long long)at, r->name);
  return false;
}

static bool run_case(TwSema *s, const TwSmRecur *r, const Case *c, uint8_t *defined, int64_t n) {
  for (int64_t step = 0; step < c->n; step++) {
    int64_t i = c->running ? c->lo + (c->reverse ? c->n - 1 - step : step) : 0, at = i + c->offset;
    for (uint32_t k = 0; k < c->reads.len; k++) {
      const Read *x = &c->reads.at[k];
      if (!read_ok(s, r, x, x->fixed ? x->at : i + x->at, defined, n)) return false;
    }
    if (at < 0 || at >= n) {
      tw_sm_error(s, TW_E0404, c->ast->index->span, "this defines element %lld of '%s', which has %lld", (long long)at,
                  r->name, (long long)n);
      return false;
    }
    if (defined[at]) {
      tw_sm_error(s, TW_E0316, c->ast->index->span, "element %lld of '%s' is defined twice", (long long)at, r->name);
      return false;
    }
    defined[at] = 1;
  }
  return true;
}

static bool all_defined(TwSema *s, const TwSmRecur *r, const TwStmt *st, const Case *cases, uint32_t n_cases,
                        int64_t n) {
  uint8_t *defined = calloc((size_t)n + 1, 1);
  bool ok = defined != NULL;
  for (int running = 0; running < 2; running++) /* start cases first */
    for (uint32_t k = 0; k < n_cases && ok; k++)
      if (cases[k].running == running) ok = run_case(s, r, &cases[k], defined, n);
  for (int64_t at = 0; at < n && ok; at++) {
    if (defined[at]) continue;
    tw_sm_error(s, TW_E0316, st->names.at[0].span, "element %lld of '%s' is never defined", (long long)at, r->name);
    ok = false;
  }
  free(defined);
  return ok;
}

/* How many elements there are: from the type, or up to the last one defined. */
static bool length(TwSema *s, const TwSmScope *scope, const TwStmt *st, const TwType *type, const Case *cases,
                   uint32_t n_cases, TwDim *out) {
  int64_t n = 0;
  *out = (TwDim){0, st->span, NULL};
  for (uint32_t k = 0; k < n_cases; k++) {
    int64_t last = cases[k].running ? cases[k].lo + cases[k].n - 1 + cases[k].offset : cases[k].offset;
    if (!cases[k].n || last < n) continue;
    n = last + 1;
    out->form = cases[k].running ? tw_size_sum(s->a, tw_sm_form(s, scope, st->cases.at[k].clause.in->b),
                                               tw_size_int(s->a, cases[k].offset), 1)
                                 : NULL;
  }
  out->n = n;
  if (type) *out = type->dims[0];
  if (out->n <= MAX_ELEMENTS) return true;
  tw_sm_error(s, TW_E0902, st->span, "a recurrence may have at most %d elements", MAX_ELEMENTS);
  return false;
}

static bool element_type(TwSema *s, TwSmRecur *r, const TwStmt *st, Case *cases, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    if (cases[k].running || !cases[k].ok) continue;
    r->elem = NULL;
    Case trial = cases[k];
    r->local = NULL;
    if (!elaborate(s, r, st->names.at[0].span, &trial)) return false;
    r->elem = trial.value->type;
    if (tw_sm_is(r->elem, TW_INT)) r->elem = tw_sm_with(s, TW_REAL, r->elem);
    return true;
  }
  TwDiag *d = tw_sm_error(s, TW_E0316, st->span, "the recurrence '%s' has no start", r->name);
  tw_sm_help(s, d, "write let %s[0] = …, %s[i + 1] = … for i in …", r->name, r->name);
  return false;
}

static bool build(TwSema *s, TwSmScope *scope, const TwStmt *st, TwSmRecur *r, TwSmStmts *out) {
  uint32_t n_cases = st->cases.len;
  Case *cases = TW_NEW_N(s->a, Case, n_cases);
  const TwType *type = st->type ? tw_sm_type(s, scope, st->type) : NULL;
  bool ok = !type || !tw_sm_poison(type);
  if (ok && type && type->kind != TW_TY_ARRAY && (type->kind != TW_TY_TENSOR || !type->rank)) {
    tw_sm_error(s, TW_E0316, st->type->span, "a recurrence defines an array, but its type is %s",
                tw_type_text(s->a, type));
    ok = false;
  }
  for (uint32_t k = 0; k < n_cases; k++) {
    cases[k].ast = &st->cases.at[k];
    cases[k].ok = open_case(s, scope, &cases[k]);
    ok &= cases[k].ok;
  }
  TwDim size;
  if (!ok || !length(s, scope, st, type, cases, n_cases, &size)) return false;
  int64_t n = size.n;
  if (type) r->elem = tw_sm_tail(s, type);
  else if (!element_type(s, r, st, cases, n_cases)) return false;
  const TwType *whole = tw_sm_lead(s, size, r->elem, st->span);
  if (tw_sm_poison(whole)) return false;
  r->local = tw_sm_local(s, r->name, type ? type : whole, st->names.at[0].span);
  for (uint32_t k = 0; k < n_cases; k++) {
    ok &= elaborate(s, r, st->names.at[0].span, &cases[k]);
    if (ok && cases[k].running) ok = direction(s, r, &cases[k]);
  }
  if (!ok || !all_defined(s, r, st, cases, n_cases, n)) return false;
  TwTs *t = TW_NEW(s->a, TwTs);
  t->kind = TW_TS_RECUR;
  t->span = st->span;
  t->local = r->local;
  for (int running = 0; running < 2; running++)
    for (uint32_t k = 0; k < n_cases; k++) {
      const Case *c = &cases[k];
      if (c->running != running || c->n == 0) continue;
      tw_vec_push(s->a, &t->cases, (TwRecur){c->i, c->lo, c->n, c->offset, c->reverse, c->order, c->value});
    }
  tw_vec_push(s->a, out, t);
  return true;
}

void tw_sm_recur(TwSema *s, TwSmScope *scope, const TwStmt *st, TwSmStmts *out) {
  if (st->names.len == 0) return;
  TwSmRecur *r = TW_NEW(s->a, TwSmRecur);
  r->name = st->names.at[0].name;
  bool ok = build(s, scope, st, r, out);
  tw_sm_bind(s, scope, st->names.at[0], ok ? tw_sm_v(tw_sm_use(s, r->local, st->names.at[0].span)) : tw_sm_vbad());
}
