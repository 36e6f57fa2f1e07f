/* custom.c: functions that state their partial derivatives.
 *
 * A call of `custom fn f(x: real, …) … derivative x = p …` is the body's value, cut off from derivatives
 * (`stop`), along each parameter with its partial (`along`): operations of the IR that every mode of
 * differentiation follows, and of which nothing is left in code. The partials are ordinary expressions, so
 * the next derivative is theirs.
 *
 * A rule is compared, once, with differences of the body, at random points that are the same in each
 * compilation. A central difference D(h) is extrapolated from steps h and 2 h; what it is off by is judged by
 * how it changes from step to step and by what rounding can do, and the step with the least is taken. So a
 * point beside a kink is judged by steps that do not reach it, and a point that cannot be judged does not
 * count. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

enum { POINTS = 40, ENOUGH = 4, STEPS = 22 };

/* The function on its own: its parameters, its value, its partials. */
typedef struct Custom {
  TwSema *s;
  const TwDecl *d;
  TwLocal **locals;
  const TwTx *body;
  const TwTx **partials;
} Custom;

/* ---- form */

static const TwDerivRule *rule_of(const TwDecl *d, TwName param) {
  for (uint32_t k = 0; k < d->derivatives.len; k++)
    if (d->derivatives.at[k].param.name == param) return &d->derivatives.at[k];
  return NULL;
}

static const TwParamDecl *param_of(const TwDecl *d, TwName name) {
  for (uint32_t k = 0; k < d->params.len; k++)
    if (d->params.at[k].name.name == name) return &d->params.at[k];
  return NULL;
}

static bool rules_fit(TwSema *s, const TwDecl *d) {
  uint32_t before = s->errors;
  TwNames names = {0};
  for (uint32_t k = 0; k < d->params.len; k++) tw_vec_push(s->a, &names, d->params.at[k].name.name);
  for (uint32_t k = 0; k < d->derivatives.len; k++) {
    const TwDerivRule *r = &d->derivatives.at[k];
    if (!param_of(d, r->param.name)) {
      TwDiag *e = tw_sm_error(s, TW_E0315, r->param.span, "'%s' has no parameter '%s'", d->name.name, r->param.name);
      tw_sm_suggest(s, e, r->param.name, names.at, names.len);
      return false; /* the rule of another may be meant */
    }
    if (rule_of(d, r->param.name) == r) continue;
    TwDiag *e = tw_sm_error(s, TW_E0315, r->param.span, "the derivative in '%s' is stated twice", r->param.name);
    tw_sm_note(s, e, rule_of(d, r->param.name)->param.span, "first here");
  }
  for (uint32_t k = 0; k < d->params.len; k++) {
    TwIdent id = d->params.at[k].name;
    if (rule_of(d, id.name)) continue;
    TwDiag *e = tw_sm_error(s, TW_E0315, id.span, "the derivative of '%s' in '%s' is not stated", d->name.name,
                            id.name);
    tw_sm_help(s, e, "add 'derivative %s = …' after the body; a rule covers every parameter", id.name);
  }
  return s->errors == before;
}

static bool params_fit(TwSema *s, const TwSmScope *scope, const TwDecl *d) {
  if (d->shape_params.len) {
    tw_sm_error(s, TW_E0315, d->shape_params.at[0].span, "a custom function has no shape parameters: it is of numbers");
    return false;
  }
  if (!d->params.len) {
    tw_sm_error(s, TW_E0315, d->name.span, "'%s' has no parameter to be differentiated in", d->name.name);
    return false;
  }
  for (uint32_t k = 0; k < d->params.len; k++) {
    const TwParamDecl *p = &d->params.at[k];
    bool value = p->type && tw_sm_param_kind(s, scope, p->type) == TW_PK_VALUE;
    const TwType *type = value ? tw_sm_type(s, scope, p->type) : NULL;
    if (type && tw_sm_poison(type)) return false;
    if (type && tw_sm_is_scalar(type) && type->dtype == TW_REAL) continue;
    TwDiag *e = tw_sm_error(s, TW_E0315, p->type ? p->type->span : p->name.span,
                            "a parameter of a custom function is a real, and '%s' is %s", p->name.name,
                            type      ? tw_type_text(s->a, type)
                            : p->type ? tw_sm_text(s, p->type->span)
                                      : "of any type");
    if (type && type->dtype == TW_REAL)
      tw_sm_help(s, e, "state the rule for one number, and write [ %s(v) for v in x ] for many", d->name.name);
    return false;
  }
  return true;
}

static TwTx *real_result(TwSema *s, TwTx *t, TwSpan span, const char *what) {
  if (tw_sm_poison(t->type)) return NULL;
  t = tw_sm_to_real(s, t);
  if (tw_sm_is_scalar(t->type) && t->type->dtype == TW_REAL) return t;
  tw_sm_error(s, TW_E0315, span, "%s is a real, but this is %s", what, tw_type_text(s->a, t->type));
  return NULL;
}

/* The partial in parameter k, with the parameters bound in scope. NULL: reported. */
static TwTx *partial(TwSema *s, const TwSmScope *scope, const TwDecl *d, uint32_t k) {
  const TwDerivRule *r = rule_of(d, d->params.at[k].name.name);
  if (!r || !r->value || r->value->kind == TW_EX_ERROR) return s->errors++, NULL;
  TwTx *t = tw_sm_need(s, tw_sm_value(s, scope, r->value, s->t_real), r->value->span);
  return real_result(s, t, r->value->span, "a partial derivative");
}

/* ---- numbers */

/* A number in (0, 1) from the function's name, the point and the parameter. */
static double number(const Custom *c, uint32_t point, uint32_t param) {
  uint64_t h = 14695981039346656037ull;
  for (const char *n = c->d->name.name; *n; n++) h = (h ^ (unsigned char)*n) * 1099511628211ull;
  h ^= ((uint64_t)point << 32 | param) * 0x9e3779b97f4a7c15ull;
  h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ull;
  h = (h ^ h >> 27) * 0x94d049bb133111ebull;
  return ((double)((h ^ h >> 31) >> 12) + 0.5) * 0x1p-52;
}

/* Points near 0, of both signs, of a few sizes; every fourth with positive coordinates only, every fourth in
 * the unit cube. */
static void point_at(const Custom *c, uint32_t point, double *x) {
  static const double size[] = {2, 1, 8, 1, 0.1, 1, 30, 1};
  for (uint32_t k = 0; k < c->d->params.len; k++) {
    double u = number(c, point, k), s = size[point / 4 % 8];
    x[k] = point % 4 == 2 ? s * u : point % 4 == 3 ? u : s * (2 * u - 1);
  }
}

static bool value(const Custom *c, const TwTx *t, const double *x, double *out) {
  return tw_sm_eval_at(c->s, t, c->locals, x, c->d->params.len, out);
}

/* The partial of the body in parameter k at x by differences, and how far it may be off; false: not to be had. */
static bool difference(const Custom *c, const double *x, uint32_t k, double *out, double *off) {
  double at[TW_SM_VARS], wide = 0, before = 0;
  memcpy(at, x, c->d->params.len * sizeof *at);
  bool had = false;
  *off = (double)INFINITY;
  double h = ldexp(1, -2) * fmax(1, fabs(x[k]));
  for (int j = 0; j < STEPS; j++, h /= 2) {
    double up, down;
    at[k] = x[k] + h;
    double above = at[k];
    bool ok = value(c, c->body, at, &up);
    at[k] = x[k] - h;
    ok = ok && value(c, c->body, at, &down) && isfinite(up) && isfinite(down);
    double d = ok ? (up - down) / (above - at[k]) : (double)NAN;
    double better = (4 * d - wide) / 3, rounding = ok ? 4 * 0x1p-52 * (fabs(up) + fabs(down)) / h : 0;
    if (ok && had && isfinite(before)) {
      double e = fabs(better - before) + rounding;
      if (e < *off) *off = e, *out = better;
    }
    before = ok && had ? better : (double)NAN;
    wide = d;
    had = ok;
  }
  return isfinite(*off) && *off <= 1e-4 * (1e-3 + fabs(*out));
}

static const char *point_text(const Custom *c, const double *x) {
  const char *s = "";
  for (uint32_t k = 0; k < c->d->params.len; k++)
    s = tw_arena_printf(c->s->a, "%s%s%s = %.6g", s, k ? ", " : "", c->d->params.at[k].name.name, x[k]);
  return s;
}

/* Compares rule k with the body at every point. */
static bool agrees(const Custom *c, uint32_t k) {
  TwSema *s = c->s;
  TwIdent id = c->d->params.at[k].name;
  const TwDerivRule *r = rule_of(c->d, id.name);
  uint32_t compared = 0;
  for (uint32_t n = 0; n < POINTS; n++) {
    double x[TW_SM_VARS], d, off, stated;
    point_at(c, n, x);
    if (!value(c, c->body, x, &d) || !isfinite(d) || !difference(c, x, k, &d, &off)) continue;
    bool known = value(c, c->partials[k], x, &stated) && isfinite(stated);
    compared++;
    if (known && fabs(stated - d) <= 16 * off + 1e-7 * (fabs(d) + fabs(stated)) + 1e-12) continue;
    TwDiag *e = known
                    ? tw_sm_error(s, TW_E0322, r->value->span,
                                  "the derivative of '%s' in '%s' at %s is %.9g, but this rule gives %.9g",
                                  c->d->name.name, id.name, point_text(c, x), d, stated)
                    : tw_sm_error(s, TW_E0322, r->value->span,
                                  "the derivative of '%s' in '%s' at %s is %.9g, but this rule gives no finite number",
                                  c->d->name.name, id.name, point_text(c, x), d);
    tw_sm_note(s, e, c->d->value->span, "by differences of this body, to %.1g", off);
    return false;
  }
  if (compared >= ENOUGH) return true;
  TwDiag *e = tw_sm_error(
      s, TW_E0315, r->value->span,
      "this rule cannot be compared with the body: %u of %d points near 0 have a difference to trust", compared,
      POINTS);
  tw_sm_note(s, e, c->d->value->span, "the body");
  return false;
}

/* ---- */

static bool check(TwSema *s, const TwSmFn *f, TwSmScope *scope) {
  const TwDecl *d = f->decl;
  if (!tw_sm_distinct(s, d) || !params_fit(s, scope, d) || !rules_fit(s, d)) return false;
  if (d->params.len > TW_SM_VARS) {
    tw_sm_error(s, TW_E0902, d->name.span, "'%s' has more than %d parameters", d->name.name, TW_SM_VARS);
    return false;
  }
  Custom c = {.s = s, .d = d};
  c.locals = TW_NEW_N(s->a, TwLocal *, d->params.len);
  c.partials = TW_NEW_N(s->a, const TwTx *, d->params.len);
  for (uint32_t k = 0; k < d->params.len; k++) {
    TwIdent id = d->params.at[k].name;
    c.locals[k] = tw_sm_local(s, id.name, s->t_real, id.span);
    tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_use(s, c.locals[k], id.span)));
  }
  TwSmValue v = tw_sm_body(s, f, scope, s->t_real);
  bool ok = v.kind != TW_V_POISON;
  TwSpan at = d->value ? d->value->span : d->name.span;
  c.body = ok ? real_result(s, tw_sm_need(s, v, at), at, "the value of a custom function") : NULL;
  for (uint32_t k = 0; k < d->params.len; k++) ok &= (c.partials[k] = partial(s, scope, d, k)) != NULL;
  if (!ok || !c.body) return false;
  for (uint32_t k = 0; k < d->params.len; k++) {
    TwName param = d->params.at[k].name.name;
    ok &= agrees(&c, k);
    tw_vec_push(s->a, &s->p->rules, (TwCustomRule){d->name.name, param, rule_of(d, param)->value->span, c.body->span});
  }
  return ok;
}

bool tw_sm_custom_ok(TwSema *s, const TwSmFn *f) {
  if (tw_sm_set_has(&s->custom_good, f->decl)) return true;
  if (tw_sm_set_has(&s->custom_seen, f->decl)) return false;
  tw_sm_set_add(s, &s->custom_seen, f->decl);
  const TwSmFrame *caller = s->frame;
  TwSmFrame frame = {NULL, f->home, f->decl, f->name, f->span, true, NULL};
  TwSmCtx ctx = s->ctx;
  TwSmScope scope = f->scope;
  s->ctx = (TwSmCtx){.what = "a custom function", .no_params = true, .no_weights = true, .no_data = true};
  s->frame = &frame;
  bool ok = check(s, f, &scope);
  s->frame = caller;
  s->ctx = ctx;
  if (ok) tw_sm_set_add(s, &s->custom_good, f->decl);
  return ok;
}

TwSmValue tw_sm_custom_value(TwSema *s, const TwSmFn *f, const TwSmScope *scope, TwSmValue v) {
  if (v.kind != TW_V_TX || tw_sm_poison(v.tx->type)) return v;
  const TwDecl *d = f->decl;
  TwTx *t = tw_sm_op(s, TW_OP_stop, s->t_real, v.tx->span, tw_sm_to_real(s, v.tx), NULL);
  for (uint32_t k = 0; k < d->params.len; k++) {
    TwIdent id = d->params.at[k].name;
    TwTx *p = partial(s, scope, d, k), *x = tw_sm_need(s, tw_sm_lookup(s, scope, id.name, id.span), id.span);
    if (!p || tw_sm_poison(x->type)) return tw_sm_vbad();
    t = tw_sm_op(s, TW_OP_along, s->t_real, rule_of(d, id.name)->value->span, t, tw_sm_to_real(s, x));
    tw_vec_push(s->a, &t->args, p);
  }
  return tw_sm_v(t);
}
