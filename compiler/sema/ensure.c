/* ensure.c: bounds: ensure (while training) and expect (at the end).
 *
 * A bound is one comparison of something measured with something known when compiling: of
 * regions(model, [lo, hi]), min or max(model, [lo, hi]), of a value over params and weights, or (expect) of a
 * result by name. increasing, decreasing, convex and concave(model, [lo, hi]) are bounds on the slopes of the
 * pieces and on how they change. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

typedef struct Regions {
  uint32_t model;
  double lo, hi, sliver, within;
  TwQuantity quantity;
} Regions;

/* The words of bounds on pieces. */
typedef struct Word {
  const char *name;
  TwQuantity quantity;
  TwBinaryOp op; /* of those that are bounds by themselves: the quantity op 0, give or take `within` */
  bool alone;
} Word;
static const Word words[] = {
    {"regions", TW_QU_PIECES, TW_BI_EQ, false},
    {"min", TW_QU_LEAST, TW_BI_EQ, false},
    {"max", TW_QU_GREATEST, TW_BI_EQ, false},
    {"increasing", TW_QU_LEAST_SLOPE, TW_BI_GE, true},
    {"decreasing", TW_QU_GREATEST_SLOPE, TW_BI_LE, true},
    {"convex", TW_QU_LEAST_BEND, TW_BI_GE, true},
    {"concave", TW_QU_GREATEST_BEND, TW_BI_LE, true},
};
enum { N_WORDS = sizeof words / sizeof *words };

/* min and max are builtins of arrays too: of a model and an interval they are bounds. */
static bool names_model(TwSema *s, const TwExpr *e) {
  TwSmEntry *m = e->kind == TW_EX_NAME ? tw_sm_find(s->main, e->name) : NULL;
  return m && m->decl->kind == TW_DE_MODEL;
}

static const Word *word_of(TwSema *s, const TwExpr *e) {
  if (e->kind != TW_EX_CALL || e->a->kind != TW_EX_NAME || tw_sm_find(s->main, e->a->name)) return NULL;
  for (uint32_t k = 0; k < N_WORDS; k++) {
    if (strcmp(words[k].name, e->a->name) != 0) continue;
    bool of_arrays = words[k].quantity == TW_QU_LEAST || words[k].quantity == TW_QU_GREATEST;
    return of_arrays && !(e->args.len && names_model(s, e->args.at[0].value)) ? NULL : &words[k];
  }
  return NULL;
}

static bool is_regions(TwSema *s, const TwExpr *e) {
  const Word *w = word_of(s, e);
  return w && !w->alone;
}

/* a op b is b mirrored(op) a */
static TwBinaryOp mirrored(TwBinaryOp op) {
  return op == TW_BI_LT   ? TW_BI_GT
         : op == TW_BI_LE ? TW_BI_GE
         : op == TW_BI_GT ? TW_BI_LT
         : op == TW_BI_GE ? TW_BI_LE
                          : op;
}

static bool is_bound(TwSema *s, const TwExpr *e, const char *what) {
  if (e->kind == TW_EX_ERROR) return s->errors++, false;
  bool comparison = e->kind == TW_EX_BINARY && e->op >= TW_BI_LT && e->op <= TW_BI_EQ;
  const Word *w = word_of(s, e);
  if (w && w->alone) return true;
  for (int k = 0; k < 2 && comparison; k++) {
    const TwExpr *side = k ? e->b : e->a;
    w = word_of(s, side);
    if (!w || !w->alone) continue;
    TwDiag *d = tw_sm_error(s, TW_E0719, side->span, "'%s' is a bound by itself and is not compared", w->name);
    tw_sm_help(s, d, "write '%s(f, [0, 1])', or '%s(f, [0, 1], within = 1e-6)' for some play", w->name, w->name);
    return false;
  }
  if (comparison) return true;
  TwDiag *d = tw_sm_error(s, TW_E0719, e->span, "%s is a comparison such as 'regions(f, [0, 1]) >= 32'", what);
  if (e->kind == TW_EX_BINARY && e->op == TW_BI_AND) tw_sm_help(s, d, "write one for each condition");
  if (e->kind == TW_EX_CALL)
    tw_sm_help(s, d, "of a model also increasing, decreasing, convex and concave: 'increasing(f, [0, 1])'");
  return false;
}

static bool model_of(TwSema *s, const TwExpr *e, uint32_t *out) {
  TwSmScope scope = {s->main, NULL};
  TwSmValue v = tw_sm_value(s, &scope, e, NULL);
  if (v.kind == TW_V_POISON) return false;
  if (v.kind != TW_V_FN || !v.fn->decl || v.fn->decl->kind != TW_DE_MODEL) {
    tw_sm_error(s, TW_E0715, e->span, "pieces are those of a model, and '%s' is %s", tw_sm_text(s, e->span),
                tw_sm_kind_text(&v));
    return false;
  }
  *out = tw_sm_find(s->main, v.fn->name)->index;
  const TwModel *m = &s->p->models.at[*out];
  if (tw_sm_has_poison(m->body->type)) return false;
  if (m->inputs.len == 1 && tw_sm_is_scalar(m->inputs.at[0]->type) && tw_sm_is_scalar(m->body->type)) return true;
  if (m->inputs.len && tw_sm_poison(m->inputs.at[0]->type)) return false;
  TwDiag *d = tw_sm_error(s, TW_E0715, e->span, "pieces are those of a model with one input and one output");
  tw_sm_note(s, d, m->span, "'%s' is declared here", m->name);
  return false;
}

static bool interval(TwSema *s, const TwSmScope *scope, const TwExpr *e, Regions *out) {
  if (e->kind != TW_EX_ARRAY || e->items.len != 2) {
    tw_sm_error(s, TW_E0715, e->span, "pieces are looked at on an interval, as in [0, 1]");
    return false;
  }
  bool ok = tw_sm_const_real(s, scope, e->items.at[0], "the lower end", &out->lo);
  if (!tw_sm_const_real(s, scope, e->items.at[1], "the upper end", &out->hi) || !ok) return false;
  if (out->lo < out->hi && isfinite(out->lo) && isfinite(out->hi)) return true;
  tw_sm_error(s, TW_E0715, e->span, "this interval is empty or infinite: [%g, %g]", out->lo, out->hi);
  return false;
}

static bool regions(TwSema *s, const TwExpr *e, Regions *out) {
  TwSmScope scope = {s->main, NULL};
  const TwExpr *args[2] = {0};
  uint32_t n = 0;
  bool ok = true;
  const Word *w = word_of(s, e);
  out->sliver = 0x1p-8;
  out->quantity = w->quantity;
  for (uint32_t k = 0; k < e->args.len; k++) {
    const TwArg *a = &e->args.at[k];
    if (a->name.name && strcmp(a->name.name, "sliver") == 0) {
      ok &= tw_sm_const_real(s, &scope, a->value, "the width of a sliver", &out->sliver);
      if (ok && !(out->sliver >= 0 && out->sliver < 1)) {
        tw_sm_error(s, TW_E0715, a->value->span,
                    "the width of a sliver, relative to its neighbour, is in [0, 1), not %g", out->sliver);
        ok = false;
      }
    } else if (a->name.name && strcmp(a->name.name, "within") == 0 && w->alone) {
      ok &= tw_sm_const_real(s, &scope, a->value, "the play", &out->within);
      if (ok && !(out->within >= 0 && isfinite(out->within))) {
        tw_sm_error(s, TW_E0719, a->value->span, "the play of '%s' is not negative and finite, not %g", w->name,
                    out->within);
        ok = false;
      }
    } else if (a->name.name) {
      tw_sm_error(s, TW_E0207, a->name.span, "'%s' has no argument '%s'", w->name, a->name.name);
      ok = false;
    } else if (n == 2) {
      tw_sm_error(s, TW_E0302, e->span, "'%s' takes a model and an interval", w->name);
      return false;
    } else {
      args[n++] = a->value;
    }
  }
  if (n < 2) {
    tw_sm_error(s, TW_E0303, e->span, "'%s' takes a model and an interval: %s(f, [0, 1])", w->name, w->name);
    return false;
  }
  ok &= model_of(s, args[0], &out->model);
  return interval(s, &scope, args[1], out) && ok;
}

/* ---- ensure */
static bool value_bound(TwSema *s, const TwExpr *e, TwEnsure *out) {
  TwSmScope scope = {s->main, NULL};
  s->ctx = (TwSmCtx){.what = "an ensure", .no_data = true};
  TwTx *a = tw_sm_tx(s, &scope, e->a, s->t_real), *b = tw_sm_tx(s, &scope, e->b, s->t_real);
  s->ctx = (TwSmCtx){0};
  bool ok = tw_sm_real_scalar(s, &a, TW_E0719, "each side of a bound");
  if (!tw_sm_real_scalar(s, &b, TW_E0719, "each side of a bound") || !ok) return false;
  double x;
  bool left = tw_sm_eval_real(s, a, &x), right = tw_sm_eval_real(s, b, &x);
  if (left && right) {
    tw_sm_error(s, TW_E0719, e->span, "both sides of this bound are known when compiling");
    return false;
  }
  out->kind = TW_EN_VALUE;
  if (left) {
    out->op = mirrored(out->op);
    TwTx *t = a;
    a = b;
    b = t;
  }
  out->value = a;
  if (!tw_sm_eval_real(s, b, &out->bound))
    out->value = tw_sm_op(s, TW_OP_sub, s->t_real, e->span, a, b), out->bound = 0;
  return true;
}

/* false: every stage it speaks of is skipped, or an error. */
static bool during(TwSema *s, const TwDecl *d, TwEnsure *out) {
  bool ok = true;
  for (uint32_t k = 0; k < d->during.len; k++) {
    TwIdent id = d->during.at[k];
    bool known = false;
    TwNames names = {0};
    for (uint32_t j = 0; j < s->p->stages.len; j++) {
      tw_vec_push(s->a, &names, s->p->stages.at[j].name);
      if (s->p->stages.at[j].name != id.name) continue;
      tw_vec_push(s->a, &out->during, j);
      known = true;
    }
    for (uint32_t j = 0; j < s->skipped.len; j++) {
      known |= s->skipped.at[j]->name.name == id.name;
      tw_vec_push(s->a, &names, s->skipped.at[j]->name.name);
    }
    if (known) continue;
    ok = false;
    if (tw_sm_in_broken(s, id.name)) {
      s->errors++;
      continue;
    }
    TwDiag *e = tw_sm_error(s, TW_E0706, id.span, "there is no stage '%s'", id.name);
    tw_sm_suggest(s, e, id.name, names.at, names.len);
  }
  return ok && (d->during.len == 0 || out->during.len > 0);
}

static void take_regions(TwEnsure *out, const Regions *r) {
  out->quantity = r->quantity;
  out->model = r->model;
  out->lo = r->lo;
  out->hi = r->hi;
  out->sliver = r->sliver;
}

static void ensure(TwSema *s, const TwDecl *d) {
  const TwExpr *e = d->value;
  TwSmScope scope = {s->main, NULL};
  TwEnsure out = {.span = d->span, .every = 1, .stop = d->stop};
  bool ok = during(s, d, &out);
  if (d->every && tw_sm_static_int(s, &scope, d->every, "the number of epochs between checks", &out.every)) {
    if (out.every < 1)
      tw_sm_error(s, TW_E0717, d->every->span, "the number of epochs between checks is at least 1, not %lld",
                  (long long)out.every);
    else if (d->during.len == 0)
      tw_sm_error(s, TW_E0717, d->every->span,
                  "'every' goes with 'during': without it a bound is checked once, at the end");
  }
  if (!is_bound(s, e, "an ensure")) return;
  const Word *alone = word_of(s, e);
  Regions r = {0};
  if (alone) {
    bool good = regions(s, e, &r);
    out.op = alone->op;
    out.bound = alone->op == TW_BI_GE ? -r.within : r.within;
    out.kind = TW_EN_REGIONS;
    take_regions(&out, &r);
    if (good && ok) tw_vec_push(s->a, &s->p->ensures, out);
    return;
  }
  out.op = (TwBinaryOp)e->op;
  if (!is_regions(s, e->a) && !is_regions(s, e->b)) {
    if (value_bound(s, e, &out) && ok) tw_vec_push(s->a, &s->p->ensures, out);
    return;
  }
  bool left = is_regions(s, e->a);
  if (!left) out.op = mirrored(out.op);
  bool counted = regions(s, left ? e->a : e->b, &r);
  bool bounded = tw_sm_const_real(s, &scope, left ? e->b : e->a, "the bound", &out.bound);
  out.kind = TW_EN_REGIONS;
  take_regions(&out, &r);
  if (counted && bounded && ok) tw_vec_push(s->a, &s->p->ensures, out);
}

/* ---- expect */
static bool result_name(TwSema *s, const TwExpr *e, TwExpect *out) {
  if (e->kind != TW_EX_NAME) return false;
  if (strcmp(e->name, "loss") == 0) return out->kind = TW_XP_LOSS, true;
  if (strcmp(e->name, "best_loss") == 0) return out->kind = TW_XP_BEST_LOSS, true;
  for (uint32_t k = 0; k < s->p->measures.len; k++)
    if (s->p->measures.at[k].name == e->name) return out->kind = TW_XP_MEASURE, out->measure = k, true;
  return false;
}

static void unknown_result(TwSema *s, const TwExpr *e) {
  const TwExpr *name = e->kind == TW_EX_CALL && e->args.len ? e->args.at[0].value : e; /* min(f, …): of a model */
  if (name->kind == TW_EX_NAME && tw_sm_in_broken(s, name->name)) {
    s->errors++;
    return;
  }
  TwNames names = {0};
  tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, "loss"));
  tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, "best_loss"));
  for (uint32_t k = 0; k < s->p->measures.len; k++) tw_vec_push(s->a, &names, s->p->measures.at[k].name);
  TwDiag *d = tw_sm_error(s, e->kind == TW_EX_NAME ? TW_E0201 : TW_E0719, e->span, "'%s' is not a result of the run",
                          tw_sm_text(s, e->span));
  if (e->kind != TW_EX_NAME || !tw_sm_suggest(s, d, e->name, names.at, names.len))
    tw_sm_help(s, d, "results are loss, best_loss, the measures, and regions, min, max(f, [0, 1])");
}

static void expect_regions(TwExpect *out, const Regions *r) {
  out->kind = TW_XP_REGIONS;
  out->quantity = r->quantity;
  out->model = r->model;
  out->lo = r->lo;
  out->hi = r->hi;
  out->sliver = r->sliver;
}

static void expect(TwSema *s, const TwDecl *d) {
  const TwExpr *e = d->value;
  TwSmScope scope = {s->main, NULL};
  TwExpect out = {.span = d->span};
  if (!is_bound(s, e, "an expect")) return;
  const Word *alone = word_of(s, e);
  if (alone) {
    Regions r = {0};
    bool good = regions(s, e, &r);
    out.op = alone->op;
    out.bound = alone->op == TW_BI_GE ? -r.within : r.within;
    expect_regions(&out, &r);
    if (good) tw_vec_push(s->a, &s->p->expects, out);
    return;
  }
  out.op = (TwBinaryOp)e->op;
  const TwExpr *sides[2] = {e->a, e->b};
  int at = is_regions(s, e->a) || result_name(s, e->a, &out)   ? 0
           : is_regions(s, e->b) || result_name(s, e->b, &out) ? 1
                                                               : -1;
  if (at < 0) {
    bool first_literal = e->a->kind == TW_EX_INT || e->a->kind == TW_EX_REAL;
    unknown_result(s, first_literal ? e->b : e->a);
    return;
  }
  if (at == 1) out.op = mirrored(out.op);
  bool ok = true;
  if (is_regions(s, sides[at])) {
    Regions r = {0};
    ok = regions(s, sides[at], &r);
    expect_regions(&out, &r);
  }
  TwExpect other = {0};
  if (is_regions(s, sides[1 - at]) || result_name(s, sides[1 - at], &other)) {
    tw_sm_error(s, TW_E0719, sides[1 - at]->span,
                "a result is compared with a number known when compiling, and '%s' is a result too",
                tw_sm_text(s, sides[1 - at]->span));
    return;
  }
  bool bounded = tw_sm_const_real(s, &scope, sides[1 - at], "the bound", &out.bound);
  if (ok && bounded) tw_vec_push(s->a, &s->p->expects, out);
}

void tw_sm_ensures(TwSema *s) {
  s->ctx = (TwSmCtx){0};
  for (uint32_t k = 0; k < s->decls.len; k++) {
    const TwDecl *d = s->decls.at[k].decl;
    if (d->kind != TW_DE_ENSURE && d->kind != TW_DE_EXPECT) continue;
    if (!d->value) s->errors++;
    else if (d->kind == TW_DE_ENSURE) ensure(s, d);
    else expect(s, d);
  }
}
