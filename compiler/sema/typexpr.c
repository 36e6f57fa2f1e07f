/* typexpr.c: type expressions -> types, with sizes as linear forms in unknown shape parameters.
 *
 * One resolver serves both uses: in a signature that a call is being matched with, shape parameters
 * are unknowns and sizes are linear forms; everywhere else every size is a number. */
#include <string.h>

#include "compiler/sema/check.h"

bool tw_sm_lin_known(const TwSmLin *l) {
  if (!l->linear) return false;
  for (int k = 0; k < TW_SM_VARS; k++)
    if (l->c[k]) return false;
  return true;
}

static TwSmLin lin_int(int64_t n) { return (TwSmLin){.linear = true, .c0 = n}; }

static TwSmLin lin_scaled_sum(TwSmLin a, int64_t ka, TwSmLin b, int64_t kb) {
  TwSmLin r = {.linear = a.linear && b.linear, .poison = a.poison || b.poison};
  bool over = false;
  int64_t x, y;
  for (int k = -1; k < TW_SM_VARS; k++) {
    int64_t *out = k < 0 ? &r.c0 : &r.c[k];
    over |= __builtin_mul_overflow(k < 0 ? a.c0 : a.c[k], ka, &x);
    over |= __builtin_mul_overflow(k < 0 ? b.c0 : b.c[k], kb, &y);
    over |= __builtin_add_overflow(x, y, out);
  }
  if (over) r.linear = false;
  return r;
}

/* Whether an expression names a shape parameter that is not known yet. */
static bool mentions_unknown(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  if (!e) return false;
  if (e->kind == TW_EX_NAME) {
    const TwSmBind *b = tw_sm_bound(scope, e->name);
    return b && b->value.kind == TW_V_LIN && !tw_sm_lin_known(b->value.lin);
  }
  for (uint32_t k = 0; k < e->args.len; k++)
    if (mentions_unknown(s, scope, e->args.at[k].value)) return true;
  for (uint32_t k = 0; k < e->items.len; k++)
    if (mentions_unknown(s, scope, e->items.at[k])) return true;
  return mentions_unknown(s, scope, e->a) || mentions_unknown(s, scope, e->b) || mentions_unknown(s, scope, e->c);
}

static TwSmLin lin_binary(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  TwSmLin none = {0};
  TwSmLin a = tw_sm_lin(s, scope, e->a), b = tw_sm_lin(s, scope, e->b);
  none.poison = a.poison || b.poison;
  if (!a.linear || !b.linear) return none;
  if (e->op == TW_BI_ADD) return lin_scaled_sum(a, 1, b, 1);
  if (e->op == TW_BI_SUB) return lin_scaled_sum(a, 1, b, -1);
  if (e->op == TW_BI_MUL) {
    if (tw_sm_lin_known(&b)) return lin_scaled_sum(a, b.c0, lin_int(0), 0);
    if (tw_sm_lin_known(&a)) return lin_scaled_sum(b, a.c0, lin_int(0), 0);
  }
  return none;
}

/* A quotient of sizes must come out even. */
static TwSmLin lin_quotient(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  TwSmLin none = {.poison = true};
  TwSmLin a = tw_sm_lin(s, scope, e->a), b = tw_sm_lin(s, scope, e->b);
  if (!tw_sm_lin_known(&a) || !tw_sm_lin_known(&b)) return none;
  if (b.c0 == 0) {
    tw_sm_error(s, TW_E0314, e->span, "this size divides by zero");
    return none;
  }
  if (a.c0 % b.c0 == 0) return lin_int(a.c0 / b.c0);
  tw_sm_error(s, TW_E0309, e->span, "a size must be an integer, but %lld / %lld is not", (long long)a.c0,
              (long long)b.c0);
  return none;
}

static TwSmLin lin(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  TwSmLin none = {0};
  if (e->kind == TW_EX_INT) return lin_int(e->integer);
  if (e->kind == TW_EX_NAME) {
    const TwSmBind *b = tw_sm_bound(scope, e->name);
    if (b && b->value.kind == TW_V_LIN) return *b->value.lin;
  }
  if (e->kind == TW_EX_UNARY && e->op == TW_UN_NEG) return lin_scaled_sum(tw_sm_lin(s, scope, e->a), -1, lin_int(0), 0);
  if (e->kind == TW_EX_BINARY && (e->op == TW_BI_ADD || e->op == TW_BI_SUB || e->op == TW_BI_MUL))
    return lin_binary(s, scope, e);
  if (mentions_unknown(s, scope, e)) return none;
  if (e->kind == TW_EX_BINARY && e->op == TW_BI_DIV) return lin_quotient(s, scope, e);
  int64_t n;
  none.poison = true;
  return tw_sm_static_int(s, scope, e, "a size", &n) ? lin_int(n) : none;
}

TwSmLin tw_sm_lin(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  TwSmLin l = lin(s, scope, e);
  l.form = l.poison ? NULL : tw_sm_form(s, scope, e);
  return l;
}

/* ---- names of types */
static bool builtin_type(TwName name, TwDtype *dtype) {
  if (strcmp(name, "real") == 0) return *dtype = TW_REAL, true;
  if (strcmp(name, "int") == 0) return *dtype = TW_INT, true;
  if (strcmp(name, "bool") == 0) return *dtype = TW_BOOL, true;
  return false;
}

static void unknown_type(TwSema *s, TwSmModule *m, const TwTypeExpr *te) {
  if (tw_sm_in_broken(s, te->name.name)) {
    s->errors++;
    return;
  }
  if (tw_sm_many(s)) {
    tw_sm_error(s, TW_E0206, te->name.span, "there is no type '%s'", te->name.name);
    return;
  }
  TwNames names = {0};
  static const char *const builtin[] = {"real", "int", "bool", "data", "schedule"};
  for (size_t k = 0; k < 5 && !te->module.name; k++) tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, builtin[k]));
  for (uint32_t k = 0; k < m->entries.len; k++)
    if (m->entries.at[k]->decl->kind == TW_DE_TYPE) tw_vec_push(s->a, &names, m->entries.at[k]->name);
  TwDiag *d = te->module.name
                  ? tw_sm_error(s, TW_E0206, te->name.span, "module '%s' has no type '%s'", m->name, te->name.name)
                  : tw_sm_error(s, TW_E0206, te->name.span, "there is no type '%s'", te->name.name);
  if (tw_sm_suggest(s, d, te->name.name, names.at, names.len) || te->module.name) return;
  for (uint32_t k = 0; k < s->modules.len; k++) {
    TwSmModule *o = s->modules.at[k];
    const TwSmEntry *e = o->is_main ? NULL : tw_sm_find(o, te->name.name);
    if (e && e->decl->kind == TW_DE_TYPE)
      tw_sm_help(s, d, "module '%s' has one: write %s.%s", o->name, o->name, e->name);
  }
}

/* The entry of a declared type, or NULL after a report. */
static TwSmEntry *find_type(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te, TwSmModule **in) {
  TwSmModule *m = scope->module;
  if (te->module.name) {
    TwSmValue v = tw_sm_lookup(s, scope, te->module.name, te->module.span);
    if (v.kind == TW_V_POISON) return NULL;
    if (v.kind != TW_V_MODULE) {
      tw_sm_error(s, TW_E0209, te->module.span, "'%s' is not a module but %s", te->module.name, tw_sm_kind_text(&v));
      return NULL;
    }
    m = v.module;
  }
  *in = m;
  TwSmEntry *e = tw_sm_find(m, te->name.name);
  if (!e) {
    unknown_type(s, m, te);
    return NULL;
  }
  if (e->decl->kind != TW_DE_TYPE) {
    if (e->decl->kind == TW_DE_ERROR) return NULL;
    TwDiag *d = tw_sm_error(s, TW_E0209, te->name.span, "'%s' is not a type", te->name.name);
    tw_sm_note(s, d, e->span, "it is declared here");
    return NULL;
  }
  e->used = true;
  return e->twice ? NULL : e;
}

static TwSmSym *sym_new(TwSema *s, TwKind kind) {
  TwSmSym *t = TW_NEW(s->a, TwSmSym);
  t->kind = kind;
  return t;
}

static const TwSmSym *sym_array(TwSema *s, const TwSmSym *elem, TwSmLin n, TwSpan from) {
  TwSmSym *t = sym_new(s, TW_TY_ARRAY);
  t->rank = 1;
  t->dims = TW_NEW(s->a, TwSmLin);
  t->from = TW_NEW(s->a, TwSpan);
  t->dims[0] = n;
  t->from[0] = from;
  t->elem = elem;
  return t;
}

static const TwSmSym *sym_tensor(TwSema *s, const TwSmScope *scope, TwDtype dtype, const TwTypeExpr *te) {
  TwSmSym *t = sym_new(s, TW_TY_TENSOR);
  t->dtype = dtype;
  if (te->brackets.len > 1) {
    TwDiag *d = tw_sm_error(s, TW_E0403, te->span, "'%s' has one group of sizes", te->name.name);
    tw_sm_help(s, d, "write %s[m, n] for a matrix", te->name.name);
    return NULL;
  }
  const TwExprs *dims = te->brackets.len ? &te->brackets.at[0] : NULL;
  t->rank = dims ? dims->len : 0;
  if (t->rank > TW_MAX_RANK) {
    tw_sm_error(s, TW_E0902, te->span, "this has more than %d dimensions", TW_MAX_RANK);
    return NULL;
  }
  t->dims = TW_NEW_N(s->a, TwSmLin, t->rank);
  t->from = TW_NEW_N(s->a, TwSpan, t->rank);
  bool bad = false;
  for (uint32_t k = 0; k < t->rank; k++) {
    t->dims[k] = tw_sm_lin(s, scope, dims->at[k]);
    t->from[k] = dims->at[k]->span;
    bad |= t->dims[k].poison;
  }
  return bad ? NULL : t;
}

/* As tw_sm_parts, of a type whose sizes may be unknown. */
static uint32_t sym_parts(const TwSmSym *t, uint32_t most) {
  uint32_t n = 1;
  if (t->kind == TW_TY_ARRAY) n += sym_parts(t->elem, most);
  for (uint32_t k = 0; k < t->fields.len && n <= most; k++) n += sym_parts(t->fields.at[k].type, most - n);
  return n;
}

static const TwSmSym *sym_record(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te, const TwDecl *d,
                                 const TwSmLin *args, uint32_t n_args) {
  TwSmSym *t = sym_new(s, TW_TY_RECORD);
  t->decl = d;
  for (uint32_t k = 0; k < n_args; k++) tw_vec_push(s->a, &t->shape_args, args[k]);
  for (uint32_t k = 0; k < te->fields.len; k++) {
    const TwSmSym *f = tw_sm_sym(s, scope, te->fields.at[k].type);
    if (!f) return NULL;
    for (uint32_t j = 0; j < k; j++) {
      if (te->fields.at[j].name.name != te->fields.at[k].name.name) continue;
      TwDiag *e = tw_sm_error(s, TW_E0210, te->fields.at[k].name.span, "field '%s' is declared twice",
                              te->fields.at[k].name.name);
      tw_sm_note(s, e, te->fields.at[j].name.span, "first here");
      return NULL;
    }
    tw_vec_push(s->a, &t->fields, (TwSmSymField){te->fields.at[k].name.name, f});
  }
  if (sym_parts(t, TW_SM_MAX_PARTS) > TW_SM_MAX_PARTS) {
    tw_sm_error(s, TW_E0902, te->span, "this record has more than %d members, those of its members included",
                TW_SM_MAX_PARTS);
    return NULL;
  }
  return t;
}

static void wrong_sizes(TwSema *s, const TwTypeExpr *te, const TwDecl *d, uint32_t given) {
  TwDiag *e = tw_sm_error(s, TW_E0403, te->span, "type '%s' takes %u size%s, but %u %s given", d->name.name,
                          d->shape_params.len, d->shape_params.len == 1 ? "" : "s", given, given == 1 ? "is" : "are");
  tw_sm_note(s, e, d->name.span, "declared here");
}

static const TwSmSym *sym_declared(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te) {
  TwSmModule *m = NULL;
  TwSmEntry *e = find_type(s, scope, te, &m);
  if (!e) return NULL;
  const TwDecl *d = e->decl;
  uint32_t n = d->shape_params.len, group = n ? 1 : 0;
  uint32_t given = n && te->brackets.len ? te->brackets.at[0].len : 0;
  if (given != n) return wrong_sizes(s, te, d, given), NULL;
  if (e->state == TW_SM_BUSY) {
    tw_sm_error(s, TW_E0208, te->span, "type '%s' contains itself", e->name);
    e->circular = true;
    return NULL;
  }
  if (e->circular) return NULL; /* the others of the circle lead here */
  TwSmLin *args = TW_NEW_N(s->a, TwSmLin, n);
  TwSmScope inner = {m, NULL};
  bool bad = false;
  for (uint32_t k = 0; k < n; k++) {
    args[k] = tw_sm_lin(s, scope, te->brackets.at[0].at[k]);
    tw_sm_bind(s, &inner, d->shape_params.at[k], (TwSmValue){.kind = TW_V_LIN, .lin = &args[k]});
    bad |= args[k].poison;
  }
  if (bad || !d->type) return NULL;
  TwSmState state = e->state;
  e->state = TW_SM_BUSY;
  const TwSmSym *t = d->type->kind == TW_TE_RECORD ? sym_record(s, &inner, d->type, d, args, n)
                                                   : tw_sm_sym(s, &inner, d->type);
  e->state = state;
  for (; t && group < te->brackets.len; group++)
    for (uint32_t k = te->brackets.at[group].len; k-- > 0;) {
      TwSmLin len = tw_sm_lin(s, scope, te->brackets.at[group].at[k]);
      if (len.poison) return NULL;
      t = sym_array(s, t, len, te->brackets.at[group].at[k]->span);
    }
  return t;
}

const TwSmSym *tw_sm_sym(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te) {
  TwDtype dtype;
  if (te->kind == TW_TE_ERROR) return s->errors++, NULL;
  if (te->kind == TW_TE_FN || (te->kind == TW_TE_NAME && tw_sm_param_kind(s, scope, te) != TW_PK_VALUE)) {
    tw_sm_error(s, TW_E0311, te->span, "%s can only be a parameter of a function, not stored",
                te->kind == TW_TE_FN                 ? "a function"
                : strcmp(te->name.name, "data") == 0 ? "a data set"
                                                     : "a schedule");
    return NULL;
  }
  if (te->kind == TW_TE_RECORD) return sym_record(s, scope, te, NULL, NULL, 0);
  if (!te->module.name && builtin_type(te->name.name, &dtype) && !tw_sm_find(scope->module, te->name.name))
    return sym_tensor(s, scope, dtype, te);
  return sym_declared(s, scope, te);
}

TwSmParamKind tw_sm_param_kind(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te) {
  (void)s;
  if (!te) return TW_PK_VALUE;
  if (te->kind == TW_TE_FN) return TW_PK_FN;
  if (te->kind != TW_TE_NAME || te->module.name || tw_sm_find(scope->module, te->name.name)) return TW_PK_VALUE;
  if (strcmp(te->name.name, "data") == 0) return TW_PK_DATA;
  if (strcmp(te->name.name, "schedule") == 0) return TW_PK_SCHEDULE;
  return TW_PK_VALUE;
}

/* ---- to numbers */
static bool known_dim(TwSema *s, const TwSmLin *l, TwSpan from, TwSpan at, TwDim *out) {
  if (!tw_sm_lin_known(l)) return false;
  *out = (TwDim){l->c0, from, l->form};
  if (l->c0 >= 0) return true;
  TwDiag *d = tw_sm_error(s, TW_E0407, from.file ? from : at, "this size is %lld; a size must not be negative",
                          (long long)l->c0);
  if (from.file && at.file && (from.file != at.file || from.start < at.start || from.end > at.end))
    tw_sm_note(s, d, at, "used here");
  return false;
}

static const TwType *known_record(TwSema *s, const TwSmSym *sym, TwSpan span) {
  TwType *t = TW_NEW(s->a, TwType);
  t->kind = TW_TY_RECORD;
  t->decl = sym->decl;
  for (uint32_t k = 0; k < sym->shape_args.len; k++) {
    TwDim d;
    if (!known_dim(s, &sym->shape_args.at[k], (TwSpan){0}, span, &d)) return NULL;
    tw_vec_push(s->a, &t->shape_args, d);
  }
  for (uint32_t k = 0; k < sym->fields.len; k++) {
    const TwType *f = tw_sm_known(s, sym->fields.at[k].type, span);
    if (!f) return NULL;
    tw_vec_push(s->a, &t->fields, (TwField){sym->fields.at[k].name, f});
  }
  return t;
}

const TwType *tw_sm_known(TwSema *s, const TwSmSym *sym, TwSpan span) {
  if (sym->kind == TW_TY_RECORD) return known_record(s, sym, span);
  if (sym->kind == TW_TY_ARRAY) {
    const TwType *elem = tw_sm_known(s, sym->elem, span);
    TwDim n;
    if (!elem || !known_dim(s, &sym->dims[0], sym->from[0], span, &n)) return NULL;
    return tw_sm_lead(s, n, elem, span);
  }
  const TwType *t = tw_sm_scalar(s, sym->dtype);
  TwDim dims[TW_MAX_RANK];
  for (uint32_t k = 0; k < sym->rank; k++)
    if (!known_dim(s, &sym->dims[k], sym->from[k], span, &dims[k])) return NULL;
  for (uint32_t k = sym->rank; k-- > 0;) t = tw_sm_lead(s, dims[k], t, span);
  return t;
}

const TwType *tw_sm_type(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te) {
  const TwSmSym *sym = tw_sm_sym(s, scope, te);
  if (!sym) return s->t_poison;
  uint32_t before = s->errors;
  const TwType *t = tw_sm_known(s, sym, te->span);
  if (t) return t;
  if (s->errors == before) tw_sm_error(s, TW_E0308, te->span, "the sizes of this type are not known when compiling");
  return s->t_poison;
}
