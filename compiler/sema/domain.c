/* domain.c: domains that are declared: `domain simplex[n] { forward(u) … inverse(x) … check(x) … }`.
 *
 * requires: any declaration.   provides: its three maps as functions; the maps of a param, for its shape.
 * A map is a function with the domain's shape parameters, of its own parameter and then those of the domain.
 * So `simplex.forward(u)` is an ordinary call, and `param p : real[3] in simplex` is elaborated as calls too.
 * A param of more dimensions than the domain's vectors has one of them in each row, row by row of its leading axes.
 *
 * What the maps promise each other is compared, for each param, at points that are the same in each
 * compilation: check(forward(u)), and forward(inverse(x)) = x at x = forward(u). */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

enum { POINTS = 12, MOST_POINTS = 1 << 14 };

static const char *const map_names[TW_SM_MAPS] = {"forward", "inverse", "check"};

/* ---- the declaration */

static TwDecl *map_of(TwSema *s, const TwDecl *d, const TwDecl *map) {
  TwDecl *f = TW_NEW(s->a, TwDecl);
  *f = *map;
  f->name.name = tw_intern_z(&s->u->names, tw_arena_printf(s->a, "%s.%s", d->name.name, map->name.name));
  f->shape_params = d->shape_params;
  f->params.at = NULL;
  f->params.len = f->params.cap = 0;
  for (uint32_t k = 0; k < map->params.len; k++) tw_vec_push(s->a, &f->params, map->params.at[k]);
  for (uint32_t k = 0; k < d->params.len; k++) tw_vec_push(s->a, &f->params, d->params.at[k]);
  return f;
}

static void unknown_map(TwSema *s, const TwDecl *map) {
  TwNames names = {0};
  for (uint32_t k = 0; k < TW_SM_MAPS; k++) tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, map_names[k]));
  TwDiag *e = tw_sm_error(s, TW_E0513, map->name.span, "a domain has no map '%s'", map->name.name);
  if (!tw_sm_suggest(s, e, map->name.name, names.at, names.len))
    tw_sm_help(s, e, "its maps are forward, inverse and check");
}

static bool map_fits(TwSema *s, const TwSmScope *scope, const TwDecl *map, bool forward) {
  if (map->params.len != 1) {
    TwDiag *e = tw_sm_error(s, TW_E0513, map->name.span, "'%s' of a domain takes one value, and not %u", map->name.name,
                            map->params.len);
    tw_sm_help(s, e, "what it depends on besides are parameters of the domain: domain name(low: real) { … }");
    return false;
  }
  const TwTypeExpr *t = map->params.at[0].type;
  if (!t) return s->errors++, false;
  if (tw_sm_param_kind(s, scope, t) != TW_PK_VALUE) {
    tw_sm_error(s, TW_E0513, t->span, "'%s' of a domain takes a value, not a function, schedule or data set",
                map->name.name);
    return false;
  }
  if (!forward || (map->type && tw_sm_param_kind(s, scope, map->type) == TW_PK_VALUE)) return true;
  TwDiag *e = tw_sm_error(s, TW_E0513, map->name.span, "'forward' of a domain says what it gives");
  tw_sm_help(s, e, "write its type: forward(…) -> real[n]");
  return false;
}

static bool take_map(TwSema *s, const TwSmScope *scope, const TwDecl *d, const TwDecl *map, TwSmDomain *out) {
  if (map->kind == TW_DE_ERROR) {
    s->errors++;
    tw_vec_push(s->a, &s->broken, map->span);
    return false;
  }
  for (uint32_t k = 0; k < TW_SM_MAPS; k++) {
    if (strcmp(map->name.name, map_names[k]) != 0) continue;
    if (out->maps[k]) {
      TwDiag *e = tw_sm_error(s, TW_E0513, map->name.span, "'%s' is stated twice in domain '%s'", map_names[k],
                              d->name.name);
      tw_sm_note(s, e, out->maps[k]->name.span, "first here");
      return false;
    }
    out->maps[k] = map_of(s, d, map);
    return map_fits(s, scope, map, k == TW_SM_FORWARD) && tw_sm_distinct(s, out->maps[k]);
  }
  return unknown_map(s, map), false;
}

TwSmValue tw_sm_domain(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  TwSmDomain *out = TW_NEW(s->a, TwSmDomain);
  *out = (TwSmDomain){.decl = d, .module = m};
  TwSmScope scope = {m, NULL};
  bool ok = true;
  if (d->shape_params.len > TW_SM_VARS) {
    tw_sm_error(s, TW_E0902, d->name.span, "'%s' has more than %d shape parameters", d->name.name, TW_SM_VARS);
    return tw_sm_vbad();
  }
  for (uint32_t k = 0; k < d->decls.len; k++) ok &= take_map(s, &scope, d, d->decls.at[k], out);
  for (uint32_t k = 0; k < TW_SM_MAPS && ok; k++) {
    if (out->maps[k]) continue;
    TwDiag *x = tw_sm_error(s, TW_E0513, d->name.span, "domain '%s' has no map '%s'", d->name.name, map_names[k]);
    tw_sm_help(s, x,
               k == TW_SM_FORWARD   ? "forward(u) is the value of a free coordinate u"
               : k == TW_SM_INVERSE ? "inverse(x) is the coordinate of a value x: a start goes through it"
                                    : "check(x) tells whether a value x is in the domain");
    ok = false;
  }
  return ok ? (TwSmValue){.kind = TW_V_DOMAIN, .domain = out} : tw_sm_vbad();
}

static TwSmFn *map_fn(TwSema *s, const TwSmDomain *d, uint32_t k) {
  TwSmFn *f = TW_NEW(s->a, TwSmFn);
  *f = (TwSmFn){.name = d->maps[k]->name.name, .span = d->maps[k]->name.span, .decl = d->maps[k], .home = s->frame};
  f->scope.module = d->module;
  return f;
}

TwSmValue tw_sm_domain_map(TwSema *s, const TwSmDomain *d, TwName name, TwSpan span) {
  for (uint32_t k = 0; k < TW_SM_MAPS; k++)
    if (strcmp(name, map_names[k]) == 0) return (TwSmValue){.kind = TW_V_FN, .fn = map_fn(s, d, k)};
  TwDiag *e = tw_sm_error(s, TW_E0205, span, "domain '%s' has no map '%s'", d->decl->name.name, name);
  tw_sm_help(s, e, "its maps are forward, inverse and check");
  return tw_sm_vbad();
}

/* ---- the domain of a param */

/* A domain by name, wherever a name may be looked up; poison after a report. */
static TwSmValue named(TwSema *s, const TwSmScope *scope, const TwExpr *callee) {
  if (callee->kind == TW_EX_ERROR) return s->errors++, tw_sm_vbad();
  TwNames names = {0};
  const TwSmModule *in[2] = {scope->module, s->prelude[TW_SM_PRELUDE_DOMAIN]};
  bool known = callee->kind != TW_EX_NAME || tw_sm_bound(scope, callee->name);
  for (uint32_t m = 0; m < 2; m++)
    for (uint32_t k = 0; in[m] && k < in[m]->entries.len; k++) {
      const TwSmEntry *e = in[m]->entries.at[k];
      known |= callee->kind == TW_EX_NAME && e->name == callee->name;
      if (e->decl->kind == TW_DE_DOMAIN) tw_vec_push(s->a, &names, e->name);
    }
  if (known || tw_sm_in_broken(s, callee->name)) {
    TwSmValue v = tw_sm_value(s, scope, callee, NULL);
    if (v.kind == TW_V_DOMAIN || v.kind == TW_V_POISON) return v;
    TwDiag *e = tw_sm_error(s, TW_E0503, callee->span, "'%s' is %s, not a domain", tw_sm_text(s, callee->span),
                            tw_sm_kind_text(&v));
    tw_sm_help(s, e,
               "a domain is an interval, (0, 1), or one of simplex, ordered and unit_vector, or declared by 'domain'");
    return tw_sm_vbad();
  }
  TwDiag *e = tw_sm_error(s, TW_E0503, callee->span, "there is no domain '%s'", callee->name);
  if (!tw_sm_suggest(s, e, callee->name, names.at, names.len))
    tw_sm_help(s, e,
               "a domain is an interval, (0, 1), or one of simplex, ordered and unit_vector, or declared by 'domain'");
  return tw_sm_vbad();
}

const TwSmDomain *tw_sm_domain_named(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwSmArgs *args) {
  const TwExpr *callee = e->kind == TW_EX_CALL ? e->a : e;
  TwSmValue v = named(s, scope, callee);
  if (v.kind == TW_V_POISON) return NULL;
  const TwDecl *d = v.domain->decl;
  tw_sm_mark_elaborated(s, d);
  if (e->kind == TW_EX_CALL) tw_sm_args(s, scope, &e->args, args);
  const TwSmFn f = {.name = d->name.name, .span = d->name.span, .decl = d};
  TwSmArg **slots = TW_NEW_N(s->a, TwSmArg *, d->params.len);
  if (!tw_sm_bind_args(s, &f, &d->params, args, e->span, slots)) return NULL;
  for (uint32_t k = 0; k < d->params.len; k++) /* the maps have a parameter before these: by name all can be given */
    if (slots[k]) slots[k]->name = d->params.at[k].name.name, slots[k]->name_span = slots[k]->span;
  return v.domain;
}

/* What one use of a domain needs: the maps for rows of one shape. */
typedef struct Use {
  TwSema *s;
  const TwSmDomain *d;
  TwParam *p;
  TwSmArgs *args;
  TwSpan span;
  uint32_t lead; /* leading axes of the param: one vector of the domain a row */
  const TwType *row, *row_u;
  TwVec(int64_t) shape;
  TwLocal *x, *u; /* of one row */
} Use;

static const TwType *trailing(TwSema *s, const TwType *t, uint32_t lead) {
  return tw_sm_tensor(s, t->dtype, t->rank - lead, t->dims + lead);
}

static bool misfit(Use *w) {
  TwSema *s = w->s;
  const TwDecl *f = w->d->maps[TW_SM_FORWARD];
  TwDiag *e = tw_sm_error(s, TW_E0401, w->span, "'%s' is %s, but the values of '%s' are %s", w->p->name,
                          tw_type_text(s->a, w->p->type), w->d->decl->name.name, tw_sm_text(s, f->type->span));
  tw_sm_note(s, e, f->type->span, "as its map 'forward' says");
  return false;
}

/* The shape parameters, from the type of the param. */
static bool solve(Use *w) {
  TwSema *s = w->s;
  const TwDecl *f = w->d->maps[TW_SM_FORWARD];
  TwSmScope types = {w->d->module, NULL};
  TwSmLin lin[TW_SM_VARS];
  TwSmSolve v = {.s = s, .n = f->shape_params.len, .names = f->shape_params.at};
  for (uint32_t k = 0; k < v.n; k++) {
    lin[k] = (TwSmLin){.linear = true};
    lin[k].c[k] = 1;
    tw_sm_bind(s, &types, v.names[k], (TwSmValue){.kind = TW_V_LIN, .lin = &lin[k]});
  }
  const TwSmSym *sym = tw_sm_sym(s, &types, f->type);
  if (!sym) return false;
  if (sym->kind != TW_TY_TENSOR || sym->dtype != TW_REAL || sym->rank > w->p->type->rank) return misfit(w);
  w->lead = w->p->type->rank - sym->rank;
  w->row = trailing(s, w->p->type, w->lead);
  if (!tw_sm_match(&v, sym, w->row, w->span)) return misfit(w);
  for (uint32_t k = 0; k < v.n; k++) {
    int64_t n = 0;
    if (!tw_sm_solved(&v, k, &n)) {
      TwDiag *e = tw_sm_error(s, TW_E0405, w->span, "the type of '%s' does not tell the shape parameter '%s' of '%s'",
                              w->p->name, v.names[k].name, w->d->decl->name.name);
      tw_sm_note(s, e, v.names[k].span, "declared here");
      return false;
    }
    if (n < 0) return misfit(w);
    tw_vec_push(s->a, &w->shape, n);
  }
  return true;
}

/* map(of, the domain's arguments…), for the shapes at hand. */
static TwTx *call_map(Use *w, uint32_t map, TwLocal *of, const TwType *want) {
  TwSema *s = w->s;
  TwSmFn *f = map_fn(s, w->d, map);
  f->has_shape = f->decl->shape_params.len > 0;
  f->shape_span = w->span;
  for (uint32_t k = 0; k < w->shape.len; k++) tw_vec_push(s->a, &f->shape, w->shape.at[k]);
  TwSmArgs args = {0};
  tw_vec_push(s->a, &args, tw_sm_arg_of(tw_sm_v(tw_sm_use(s, of, w->span)), w->span));
  for (uint32_t k = 0; k < w->args->len; k++) {
    TwSmArg *a = &w->args->at[k];
    tw_sm_arg(s, a, NULL);
    if (a->value.kind == TW_V_POISON) return NULL;
    tw_vec_push(s->a, &args, *a);
  }
  TwSmValue v = tw_sm_apply_fn(s, f, &args, w->span, want);
  if (v.kind == TW_V_POISON) return NULL;
  TwSpan at = f->decl->value ? f->decl->value->span : f->span;
  TwTx *t = tw_sm_need(s, v, at);
  t = tw_sm_coerce(s, t, want, false, at, tw_arena_printf(s->a, "the result of '%s'", f->name));
  return tw_sm_poison(t->type) ? NULL : t;
}

/* The type of the coordinate of a row: that of forward's parameter. */
static bool coordinate(Use *w) {
  TwSema *s = w->s;
  const TwDecl *f = w->d->maps[TW_SM_FORWARD];
  TwSmScope scope = {w->d->module, NULL};
  for (uint32_t k = 0; k < w->shape.len; k++)
    tw_sm_bind(s, &scope, f->shape_params.at[k], tw_sm_v(tw_sm_int(s, w->shape.at[k], f->shape_params.at[k].span)));
  const TwTypeExpr *te = f->params.at[0].type;
  w->row_u = tw_sm_type(s, &scope, te);
  if (tw_sm_poison(w->row_u)) return false;
  if (!tw_sm_is(w->row_u, TW_REAL)) {
    tw_sm_error(s, TW_E0513, te->span, "the coordinate of a domain is real, but this is %s",
                tw_type_text(s->a, w->row_u));
    return false;
  }
  return true;
}

/* A type with the param's leading axes. */
static const TwType *with_lead(const Use *w, const TwType *row) {
  const TwType *t = row;
  for (uint32_t k = w->lead; k-- > 0;) t = tw_sm_lead(w->s, w->p->type->dims[k], t, w->span);
  return t;
}

/* map, a tree over the local `row`, for each row of `all`: a comprehension, or with `every` whether it holds for all.
 */
static TwTx *each_row(const Use *w, TwTx *map, TwLocal *row, TwLocal *all, bool every) {
  TwSema *s = w->s;
  TwTx *body = tw_sm_one(s, TW_TX_BLOCK, map->type, w->span, map);
  TwTx *from = tw_sm_one(s, TW_TX_INDEX, row->type, w->span, tw_sm_use(s, all, w->span));
  TwTx *t = tw_sm_node(s, every ? TW_TX_REDUCE_FOR : TW_TX_FOR, every ? s->t_bool : with_lead(w, map->type), w->span);
  t->reduce = TW_RE_ALL;
  for (uint32_t k = 0; k < w->lead; k++) {
    TwIter it = {.kind = TW_IT_RANGE, .n = w->p->type->dims[k].n};
    it.local = tw_sm_local(s, tw_intern_z(&s->u->names, "i"), s->t_int, w->span);
    tw_sm_set_range(s, it.local, (TwSmInterval){true, 0, it.n - 1});
    tw_vec_push(s->a, &t->iters, it);
    tw_vec_push(s->a, &from->items, ((TwIndexItem){tw_sm_use(s, it.local, w->span), 0, 0}));
  }
  tw_vec_push(s->a, &body->stmts, tw_sm_let(s, row, from));
  tw_vec_push(s->a, &t->args, body);
  return t;
}

/* ---- what the maps promise */

typedef struct Maps {
  TwTx *forward, *inverse, *check;
} Maps;

static double number(const char *name, uint32_t point, uint64_t element) {
  uint64_t h = 14695981039346656037ull;
  for (const char *n = name; *n; n++) h = (h ^ (unsigned char)*n) * 1099511628211ull;
  h ^= ((uint64_t)point << 40 | element) * 0x9e3779b97f4a7c15ull;
  h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ull;
  h = (h ^ h >> 27) * 0x94d049bb133111ebull;
  return 2 * (((double)((h ^ h >> 31) >> 12) + 0.5) * 0x1p-52) - 1;
}

static const char *vector_text(TwSema *s, const TwType *t, const double *x) {
  int64_t n = tw_sm_count(t), most = n < 6 ? n : 5;
  if (!t->rank) return tw_arena_printf(s->a, "%.6g", x[0]);
  const char *text = "[";
  for (int64_t k = 0; k < most; k++) text = tw_arena_printf(s->a, "%s%s%.6g", text, k ? ", " : "", x[k]);
  return tw_arena_printf(s->a, "%s%s]", text, most < n ? ", …" : "");
}

static bool all_finite(const double *x, int64_t n) {
  for (int64_t k = 0; k < n; k++)
    if (!isfinite(x[k])) return false;
  return true;
}

/* At the map that is to be mended; of a domain of the library the arguments are, which stand in the param. */
static TwDiag *broken(const Use *w, uint32_t map, const char *text) {
  TwSema *s = w->s;
  TwSpan at = w->d->maps[map]->name.span;
  if (tw_sm_is_std(s, at.file)) {
    TwDiag *e = tw_sm_error(s, TW_E0514, w->span, "%s", text);
    tw_sm_note(s, e, at, "the map");
    return e;
  }
  TwDiag *e = tw_sm_error(s, TW_E0514, at, "%s", text);
  tw_sm_note(s, e, w->span, "for '%s', which is %s", w->p->name, tw_type_text(s->a, w->p->type));
  return e;
}

/* One map at a point; *skip where it takes too long to tell. false: it gives no finite number, or *skip. */
static bool at_point(const Use *w, const TwTx *t, const TwLocal *of, const double *x, double *out, bool *skip) {
  return tw_sm_eval_with(w->s, t, of, x, out, skip) && !*skip && all_finite(out, tw_sm_count(t->type));
}

static bool agree_at(const Use *w, const Maps *m, const double *u, double *x, double *v, double *y, bool *skip) {
  TwSema *s = w->s;
  const char *name = w->d->decl->name.name;
  int64_t n = tw_sm_count(w->row);
  double holds = 0;
  if (!at_point(w, m->forward, w->u, u, x, skip)) {
    if (!*skip)
      broken(w, TW_SM_FORWARD,
             tw_arena_printf(s->a, "'%s.forward' gives no finite value at u = %s", name, vector_text(s, w->row_u, u)));
    return false;
  }
  if (!at_point(w, m->check, w->x, x, &holds, skip) || holds == 0) {
    if (!*skip)
      broken(w, TW_SM_CHECK,
             tw_arena_printf(s->a, "'%s.check' refuses x = %s, which is forward(%s)", name, vector_text(s, w->row, x),
                             vector_text(s, w->row_u, u)));
    return false;
  }
  if (!at_point(w, m->inverse, w->x, x, v, skip)) {
    if (!*skip)
      broken(w, TW_SM_INVERSE,
             tw_arena_printf(s->a, "'%s.inverse' gives no finite value at x = %s", name, vector_text(s, w->row, x)));
    return false;
  }
  bool ok = at_point(w, m->forward, w->u, v, y, skip);
  double size = 0, off = 0;
  for (int64_t k = 0; k < n; k++) size = fmax(size, fabs(x[k])), off = ok ? fmax(off, fabs(y[k] - x[k])) : off;
  if (*skip || (ok && off <= 1e-7 * size + 1e-12)) return !*skip;
  TwDiag *e = broken(w, TW_SM_INVERSE,
                     tw_arena_printf(s->a, "'%s.forward(inverse(x))' is %s at x = %s", name,
                                     ok ? vector_text(s, w->row, y) : "not finite", vector_text(s, w->row, x)));
  tw_sm_help(s, e, "inverse(x) is a coordinate that forward takes to x; here it is %s", vector_text(s, w->row_u, v));
  return false;
}

static bool agree(const Use *w, const Maps *m) {
  TwSema *s = w->s;
  int64_t n = tw_sm_count(w->row), n_u = tw_sm_count(w->row_u);
  if (n > MOST_POINTS || n_u > MOST_POINTS) return true;
  static const double size[] = {1, 0.1, 3, 0.5};
  double *u = TW_NEW_N(s->a, double, n_u + 1), *v = TW_NEW_N(s->a, double, n_u + 1);
  double *x = TW_NEW_N(s->a, double, n + 1), *y = TW_NEW_N(s->a, double, n + 1);
  bool skip = false;
  for (uint32_t point = 0; point < POINTS; point++) {
    for (int64_t k = 0; k < n_u; k++) u[k] = size[point % 4] * number(w->d->decl->name.name, point, (uint64_t)k);
    if (!agree_at(w, m, u, x, v, y, &skip)) return skip;
  }
  return true;
}

bool tw_sm_domain_use(TwSema *s, const TwSmDomain *d, TwSmArgs *args, TwSpan span, TwParam *p) {
  Use w = {.s = s, .d = d, .p = p, .args = args, .span = span};
  if (!solve(&w) || !coordinate(&w)) return false;
  w.u = tw_sm_local(s, d->maps[TW_SM_FORWARD]->params.at[0].name.name, w.row_u, span);
  w.x = tw_sm_local(s, d->maps[TW_SM_INVERSE]->params.at[0].name.name, w.row, span);
  Maps m = {.forward = call_map(&w, TW_SM_FORWARD, w.u, w.row)};
  if (!m.forward || !(m.inverse = call_map(&w, TW_SM_INVERSE, w.x, w.row_u))) return false;
  if (!(m.check = call_map(&w, TW_SM_CHECK, w.x, s->t_bool)) || !agree(&w, &m)) return false;
  p->transform = TW_TR_DOMAIN;
  p->domain = d->decl;
  p->coord = with_lead(&w, w.row_u);
  p->u = w.u, p->x = w.x;
  p->forward = m.forward, p->inverse = m.inverse, p->inside = m.check;
  if (!w.lead) return true;
  p->u = tw_sm_local(s, w.u->name, p->coord, span);
  p->x = tw_sm_local(s, w.x->name, p->type, span);
  p->forward = each_row(&w, m.forward, w.u, p->u, false);
  p->inverse = each_row(&w, m.inverse, w.x, p->x, false);
  p->inside = each_row(&w, m.check, w.x, p->x, true);
  return true;
}

/* ---- starts */

void tw_sm_domain_start(TwSema *s, const TwParam *p, const double *x) {
  bool skip = false;
  double holds = 0, *u = TW_NEW_N(s->a, double, tw_sm_count(p->coord) + 1);
  bool known = tw_sm_eval_with(s, p->inside, p->x, x, &holds, &skip);
  if (skip) return;
  if (!known || holds == 0) {
    TwDiag *e = tw_sm_error(s, TW_E0501, p->start_span, "'%s' starts at %s, which is not in '%s'", p->name,
                            vector_text(s, p->type, x), tw_sm_text(s, p->domain_span));
    tw_sm_note(s, e, p->domain_span, "its domain");
    return;
  }
  known = tw_sm_eval_with(s, p->inverse, p->x, x, u, &skip);
  if (skip || (known && all_finite(u, tw_sm_count(p->coord)))) return;
  TwDiag *e = tw_sm_error(s, TW_E0501, p->start_span,
                          "'%s' starts at %s, where 'inverse' of '%s' gives no finite coordinate", p->name,
                          vector_text(s, p->type, x), tw_sm_text(s, p->domain_span));
  tw_sm_note(s, e, p->domain_span, "its domain");
}
