/* params.c: parameters: type, domain, transform, start.
 *
 * A start may depend on other parameters; resolving them first gives the order in which starts are
 * evaluated. A start that is known when compiling is checked against the domain here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/sema/check.h"

static bool bound_value(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, double none,
                        double *out) {
  *out = none;
  return !e || tw_sm_const_real(s, scope, e, what, out);
}

bool tw_sm_interval(TwSema *s, const TwSmScope *scope, const TwDomainExpr *d, double *lo, double *hi) {
  bool ok = bound_value(s, scope, d->lo, "the lower end", (double)-INFINITY, lo);
  ok = bound_value(s, scope, d->hi, "the upper end", (double)INFINITY, hi) && ok;
  if (!ok) return false;
  if (!(*lo < *hi)) {
    tw_sm_error(s, TW_E0502, d->span, "this interval is empty: %g is not below %g", *lo, *hi);
    return false;
  }
  if ((isinf(*lo) && !d->lo_open) || (isinf(*hi) && !d->hi_open)) {
    TwDiag *e = tw_sm_error(s, TW_E0502, d->span, "an infinite end does not belong to the interval");
    tw_sm_help(s, e, isinf(*hi) && !d->hi_open ? "write 'inf)'" : "write '(-inf'");
    return false;
  }
  return true;
}

/* *named: a declared domain, with its arguments; NULL: an interval. */
static bool domain(TwSema *s, const TwSmScope *scope, const TwDecl *d, TwParam *p, const TwSmDomain **named,
                   TwSmArgs *args) {
  p->lo = (double)-INFINITY;
  p->hi = (double)INFINITY;
  p->lo_open = p->hi_open = true;
  if (!d->domain.present) return true;
  p->domain_span = d->domain.span;
  if (d->domain.named) {
    *named = tw_sm_domain_named(s, scope, d->domain.name, args);
    return *named != NULL;
  }
  p->lo_open = d->domain.lo_open;
  p->hi_open = d->domain.hi_open;
  return tw_sm_interval(s, scope, &d->domain, &p->lo, &p->hi);
}

/* ---- transforms */
static bool clip_eps(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwParam *p) {
  bool open = (p->lo_open && !isinf(p->lo)) || (p->hi_open && !isinf(p->hi));
  TwSpan span = e->span;
  if (e->kind == TW_EX_CALL && e->args.len) {
    const TwArg *a = &e->args.at[0];
    if (e->args.len > 1 || (a->name.name && strcmp(a->name.name, "eps") != 0)) {
      tw_sm_error(s, TW_E0302, e->span, "'clip' takes one argument, the distance from the bounds");
      return false;
    }
    span = a->value->span;
    if (!tw_sm_const_real(s, scope, a->value, "the distance from the bounds", &p->eps)) return false;
  }
  if (p->eps < 0 || !isfinite(p->eps)) {
    tw_sm_error(s, TW_E0505, span, "the distance from the bounds is %g, and must not be negative", p->eps);
  } else if (open && p->eps == 0) {
    TwDiag *d = tw_sm_error(s, TW_E0505, span, "clip would put the parameter on a bound that is not in its domain");
    tw_sm_help(s, d, "write clip(1e-6), or a larger distance from the bounds");
  } else if (!(p->lo + p->eps < p->hi - p->eps)) {
    tw_sm_error(s, TW_E0505, span, "clip(%g) leaves nothing of the domain from %g to %g", p->eps, p->lo, p->hi);
  } else {
    return true;
  }
  return false;
}

static bool transform(TwSema *s, const TwSmScope *scope, const TwDecl *d, TwParam *p) {
  bool lo = !isinf(p->lo), hi = !isinf(p->hi);
  p->transform = lo && hi ? TW_TR_LOGISTIC : lo || hi ? TW_TR_EXP : TW_TR_NONE;
  const TwExpr *e = d->transform, *callee = e && e->kind == TW_EX_CALL ? e->a : e;
  if (!e) return true;
  if (callee->kind == TW_EX_ERROR) return s->errors++, false;
  TwName names[3] = {tw_intern_z(&s->u->names, "clip"), tw_intern_z(&s->u->names, "logistic"),
                     tw_intern_z(&s->u->names, "exp")};
  TwName name = callee->kind == TW_EX_NAME ? callee->name : NULL;
  if (name != names[0] && name != names[1] && name != names[2]) {
    TwDiag *x = tw_sm_error(s, TW_E0504, e->span, "there is no transform '%s'", tw_sm_text(s, callee->span));
    if (!name || !tw_sm_suggest(s, x, name, names, 3)) tw_sm_help(s, x, "transforms are clip(eps), logistic and exp");
    return false;
  }
  if (d->domain.named) {
    TwDiag *x = tw_sm_error(s, TW_E0505, e->span, "the domain '%s' has a transform of its own",
                            tw_sm_text(s, d->domain.span));
    tw_sm_help(s, x, "leave 'by %s' out", tw_sm_text(s, e->span));
    return false;
  }
  if (!lo && !hi) {
    TwDiag *x = tw_sm_error(s, TW_E0505, e->span, "'%s' keeps a parameter in its domain, but '%s' has none", name,
                            p->name);
    tw_sm_help(s, x, "write 'in (0, 1)' or another interval before 'by'");
    return false;
  }
  if (name == names[0]) return p->transform = TW_TR_CLIP, clip_eps(s, scope, e, p);
  if (e->kind == TW_EX_CALL && e->args.len) {
    tw_sm_error(s, TW_E0302, e->span, "'%s' takes no argument", name);
    return false;
  }
  if (name == names[1] && !(lo && hi)) {
    TwDiag *x = tw_sm_error(s, TW_E0505, e->span, "'logistic' is for an interval with two ends");
    tw_sm_help(s, x, "'exp' is for one end");
    return false;
  }
  if (name == names[2] && lo && hi) {
    TwDiag *x = tw_sm_error(s, TW_E0505, e->span, "'exp' is for a domain with one end");
    tw_sm_help(s, x, "'logistic' is for an interval");
    return false;
  }
  p->transform = name == names[1] ? TW_TR_LOGISTIC : TW_TR_EXP;
  return true;
}

/* ---- starts */
static const char *interval_text(TwSema *s, const TwParam *p) {
  return tw_arena_printf(s->a, "%c%g, %g%c", p->lo_open ? '(' : '[', p->lo, p->hi, p->hi_open ? ')' : ']');
}

static const char *element_name(TwSema *s, const TwParam *p, int64_t at, int64_t n) {
  return n > 1 ? tw_arena_printf(s->a, "%s[%lld]", p->name, (long long)at) : p->name;
}

static const char *digits(TwSema *s, double x) {
  const char *few = tw_arena_printf(s->a, "%.15g", x);
  return strtod(few, NULL) == x ? few : tw_arena_printf(s->a, "%.17g", x);
}

/* A start that is inside of its domain, and is not when it is rounded to the precision of the run. */
static void check_rounded(TwSema *s, const TwParam *p, double x, int64_t at, int64_t n) {
  if (s->u->options.precision == TW_F64) return;
  double r = (double)(float)x, lo = (double)(float)p->lo, hi = (double)(float)p->hi;
  bool outside = !(r >= lo && r <= hi), on_open = (r == lo && p->lo_open) || (r == hi && p->hi_open);
  if (!outside && !on_open && isfinite(r)) return;
  const char *why = isfinite(r) ? tw_arena_printf(s->a, "which is %.9g in f32, %s %s", r,
                                                  outside ? "outside" : "an open bound of", interval_text(s, p))
                                : "which is too large for f32";
  TwDiag *d = tw_sm_error(s, TW_E0501, p->start_span, "'%s' starts at %s, %s", element_name(s, p, at, n), digits(s, x),
                          why);
  if (p->domain_span.file) tw_sm_note(s, d, p->domain_span, "its domain");
  tw_sm_help(s, d, "with '--precision f64' it stays inside");
}

static void check_number(TwSema *s, const TwParam *p, double x, int64_t at, int64_t n) {
  bool outside = !(x >= p->lo && x <= p->hi) || (isinf(x));
  bool on_open = (x == p->lo && p->lo_open) || (x == p->hi && p->hi_open);
  bool unreachable = (p->transform == TW_TR_LOGISTIC || p->transform == TW_TR_EXP) && (x == p->lo || x == p->hi);
  if (!outside && !on_open && !unreachable) {
    check_rounded(s, p, x, at, n);
    return;
  }
  TwDiag *d = tw_sm_error(s, TW_E0501, p->start_span, "'%s' starts at %g, which is %s %s", element_name(s, p, at, n), x,
                          outside   ? "outside"
                          : on_open ? "an open bound of"
                                    : "a bound of",
                          interval_text(s, p));
  if (p->domain_span.file) tw_sm_note(s, d, p->domain_span, "its domain");
  if (unreachable && !outside && !on_open) tw_sm_help(s, d, "the transform never reaches a bound: write 'by clip(0)'");
}

static void check_start(TwSema *s, const TwParam *p) {
  const char *why = NULL;
  const TwSmNum *x = tw_sm_eval(s, p->start, &why);
  uint32_t before = s->errors;
  int64_t n = p->start->kind == TW_TX_LOADED ? tw_sm_count(p->type) : 0;
  if (n && p->domain) tw_sm_domain_start(s, p, &s->p->loaded.at[p->start->integer]);
  for (int64_t k = 0; k < n && s->errors == before; k++)
    check_number(s, p, s->p->loaded.at[p->start->integer + k], k, n);
  if (!x && why && strcmp(why, "it takes too many operations") != 0)
    tw_sm_error(s, TW_E0314, p->start_span, "the start of '%s' cannot be computed: %s", p->name, why);
  for (int64_t k = 0; x && k < x->n && s->errors == before; k++) check_number(s, p, x->x[k], k, x->n);
  if (x && p->domain && s->errors == before) tw_sm_domain_start(s, p, x->x);
}

/* A built-in law whose values may leave the domain. The trees are those that builtins.c makes:
 * uniform is lo + (hi - lo) * draw. */
static void check_law(TwSema *s, const TwSmScope *scope, const TwDecl *d, const TwParam *p) {
  const TwExpr *e = d->value;
  if (e->kind != TW_EX_CALL || e->a->kind != TW_EX_NAME || e->args.len != 2 || (isinf(p->lo) && isinf(p->hi))) return;
  TwSmValue f = tw_sm_lookup(s, scope, e->a->name, e->a->span);
  if (f.kind != TW_V_BUILTIN || !tw_sm_builtin_is_law(f.index)) return;
  if (strcmp(tw_sm_builtin_name(f.index), "normal") == 0) {
    TwDiag *x = tw_sm_error(s, TW_E0509, e->span, "a normal law has no bounds, but '%s' is in %s", p->name,
                            interval_text(s, p));
    tw_sm_note(s, x, p->domain_span, "its domain");
    return;
  }
  const TwTx *t = p->start;
  if (t->kind != TW_TX_OP || t->op != TW_OP_add) return;
  double lo, hi;
  const TwTx *width = t->args.at[1]->args.at[0];
  if (!tw_sm_eval_real(s, t->args.at[0], &lo) || !tw_sm_eval_real(s, width->args.at[0], &hi)) return;
  if (lo >= p->lo && hi <= p->hi) return;
  TwDiag *x = tw_sm_error(s, TW_E0509, e->span, "this law gives values from %g to %g, but '%s' is in %s", lo, hi,
                          p->name, interval_text(s, p));
  tw_sm_note(s, x, p->domain_span, "its domain");
}

static TwTx *load(TwSema *s, const TwDecl *d, const TwType *type) {
  if (type) return tw_sm_load_file(s, d->value, type, d->name.name, d->type->span);
  TwDiag *x = tw_sm_error(s, TW_E0613, d->value->span, "nothing tells the type of '%s', which a file is to start",
                          d->name.name);
  tw_sm_help(s, x, "write 'param %s : real[4] = load(…)'", d->name.name);
  return tw_sm_bad(s, d->value->span);
}

static TwTx *start(TwSema *s, const TwSmScope *scope, const TwDecl *d, const TwType *type) {
  s->ctx = (TwSmCtx){.what = "the start of a param", .no_weights = true, .no_data = true};
  if (d->value->kind == TW_EX_ERROR) return s->errors++, tw_sm_bad(s, d->value->span);
  if (tw_sm_is_load(s, scope, d->value)) return load(s, d, type);
  if (d->is_law) return tw_sm_law(s, scope, d->value, type);
  TwTx *t = tw_sm_tx(s, scope, d->value, type);
  if (!type) return tw_sm_realify(s, t);
  return tw_sm_coerce(s, t, type, true, d->value->span, tw_arena_printf(s->a, "the start of '%s'", d->name.name));
}

TwSmValue tw_sm_param(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  TwParam p = {.name = e->name, .span = e->span, .is_law = d->is_law};
  TwSmScope scope = {m, NULL};
  s->ctx = (TwSmCtx){.what = "the domain of a param", .no_params = true, .no_weights = true, .no_data = true};
  const TwSmDomain *named = NULL;
  TwSmArgs args = {0};
  bool ok = domain(s, &scope, d, &p, &named, &args) && transform(s, &scope, d, &p);
  p.type = d->type ? tw_sm_type(s, &scope, d->type) : NULL;
  bool typed = !p.type || !tw_sm_poison(p.type);
  if (p.type && typed && !tw_sm_is(p.type, TW_REAL)) {
    tw_sm_error(s, TW_E0508, d->type->span, "a param is real, but '%s' is %s", e->name, tw_type_text(s->a, p.type));
    typed = false;
  }
  if (!d->value) {
    TwDiag *x = tw_sm_error(s, TW_E0507, e->span, "param '%s' has no start", e->name);
    tw_sm_help(s, x, "write '= 0.5' for a value or '~ uniform(lo, hi)' for a law");
  } else if (typed) {
    p.start_span = d->value->span;
    p.start = start(s, &scope, d, p.type);
    bool started = !tw_sm_poison(p.start->type);
    if (started && !p.type) {
      p.type = p.start->type;
      if (!tw_sm_is(p.type, TW_REAL)) {
        tw_sm_error(s, TW_E0508, d->value->span, "a param is real, but '%s' is %s", e->name,
                    tw_type_text(s->a, p.type));
        typed = false;
      }
    }
    if (ok && typed && p.type && named) {
      s->ctx = (TwSmCtx){.what = "the domain of a param", .no_params = true, .no_weights = true, .no_data = true};
      ok = tw_sm_domain_use(s, named, &args, d->domain.span, &p);
    }
    if (started && ok && typed) {
      check_start(s, &p);
      if (d->is_law) check_law(s, &scope, d, &p);
    }
  }
  if (!typed || !p.type) return tw_sm_vbad();
  s->p->params.at[e->index] = p;
  tw_vec_push(s->a, &s->p->init_order, e->index);
  TwTx *use = tw_sm_node(s, TW_TX_PARAM, p.type, e->span);
  use->index = e->index;
  return tw_sm_v(use);
}
