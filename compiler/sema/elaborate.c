/* elaborate.c: a call of a function becomes a block that binds its parameters and holds its body,
 * typed for these arguments.
 *
 * Shape parameters are solved from explicit ones, then the arguments in order, then the expected
 * result (where an argument is a draw, the expected result first). Arguments are elaborated in the caller's frame,
 * types and body in the callee's. A function whose body names itself, directly or by way of others, is refused. */
#include <string.h>

#include "compiler/sema/check.h"

typedef struct Call {
  TwSema *s;
  const TwSmFn *f;
  const TwParamDecls *params;
  const TwTypeExpr *result;
  TwSmArgs *args;
  TwSmArg **slots;
  TwSmValue *values;
  TwSpan span;
  const TwType *want;
  TwSmFrame frame;
  const TwSmFrame *caller;
  TwSmSolve solve;
  TwSmLin lin[TW_SM_VARS];
  TwSmScope types; /* shape parameters as linear forms */
  TwSmScope scope; /* of the body */
  TwSmStmts stmts;
} Call;

/* Whether a circle of calls was reported already, from wherever in it; notes that it is. */
static bool known_recursion(TwSema *s, const TwSmFrame *from, const TwSmFrame *to) {
  bool known = false;
  for (const TwSmFrame *o = from; o; o = o == to ? NULL : o->home) {
    for (uint32_t k = 0; k < s->recursive.len; k++) known |= s->recursive.at[k] == o->key;
    tw_vec_push(s->a, &s->recursive, o->key);
  }
  return known;
}

bool tw_sm_push_frame(TwSema *s, TwSmFrame *fr, const TwSmFn *f, TwSpan call) {
  const void *key = f->decl ? (const void *)f->decl : (const void *)f->lambda;
  *fr = (TwSmFrame){s->frame, f->home, key, f->name, call, false, NULL};
  for (const TwSmFrame *o = f->home; o; o = o->home) {
    if (o->key != key) continue;
    if (known_recursion(s, f->home, o)) return s->errors++, false;
    TwDiag *d = tw_sm_error(s, TW_E0312, call, "'%s' calls itself", f->name);
    tw_sm_note(s, d, f->span, "declared here");
    tw_sm_help(s, d, "use a recurrence or a loop: calls are laid out when compiling");
    return false;
  }
  s->frame = fr;
  return true;
}

void tw_sm_pop_frame(TwSema *s) { s->frame = s->frame->caller; }

void tw_sm_mark_elaborated(TwSema *s, const void *decl) {
  if (decl) tw_sm_set_add(s, &s->elaborated, decl);
}

bool tw_sm_was_elaborated(const TwSema *s, const void *decl) { return tw_sm_set_has(&s->elaborated, decl); }

/* ---- a row of a data set as the only argument: its inputs spread over the parameters */
static bool spread(Call *c) {
  TwSema *s = c->s;
  if (c->args->len != 1 || c->args->at[0].name || c->params->len == 0) return true;
  TwSmArg *a = &c->args->at[0];
  bool ready = a->ready || (a->expr && (a->expr->kind == TW_EX_NAME || a->expr->kind == TW_EX_TUPLE));
  if (!ready) return true;
  TwSmValue v = tw_sm_arg(s, a, NULL);
  if (v.kind != TW_V_TX || v.tx->type->kind != TW_TY_TUPLE || v.tx->type->fields.len < 2) return true;
  uint32_t n = v.tx->type->fields.len;
  TwTx *row = v.tx;
  if (!tw_sm_atomic(row)) {
    TwLocal *l = tw_sm_local(s, tw_intern_z(&s->u->names, "row"), row->type, a->span);
    tw_vec_push(s->a, &c->stmts, tw_sm_let(s, l, row));
    row = tw_sm_use(s, l, a->span);
  }
  const TwTypeExpr *only = c->params->len == 1 ? c->params->at[0].type : NULL;
  bool number = only && only->kind == TW_TE_NAME && !only->module.name && only->brackets.len == 0 &&
                strcmp(only->name.name, "real") == 0;
  if (c->params->len == 1 && !number) {
    if (!only) return true;
    TwTx *vec = tw_sm_node(s, TW_TX_ARRAY, s->t_poison, a->span);
    for (uint32_t k = 0; k < n; k++) tw_vec_push(s->a, &vec->args, tw_sm_field(s, row, k, a->span));
    if (!tw_sm_is_scalar(vec->args.at[0]->type)) return true;
    vec->type = tw_sm_lead(s, (TwDim){n, a->span, NULL}, vec->args.at[0]->type, a->span);
    a->value = tw_sm_v(vec);
    return true;
  }
  uint32_t required = 0;
  for (uint32_t k = 0; k < c->params->len; k++) required += !c->params->at[k].value;
  if (n < required || n > c->params->len) {
    TwDiag *d = tw_sm_error(s, TW_E0608, c->span, "'%s' takes %u input%s, but a row has %u", c->f->name, c->params->len,
                            c->params->len == 1 ? "" : "s", n);
    tw_sm_note(s, d, c->f->span, "declared here");
    return false;
  }
  TwSmArgs *args = TW_NEW(s->a, TwSmArgs);
  for (uint32_t k = 0; k < n; k++)
    tw_vec_push(s->a, args, tw_sm_arg_of(tw_sm_v(tw_sm_field(s, row, k, a->span)), a->span));
  c->args = args;
  return true;
}

/* ---- shape parameters */
static void open_shapes(Call *c) {
  TwSema *s = c->s;
  const TwDecl *d = c->f->decl;
  c->types = c->f->scope;
  c->solve = (TwSmSolve){.s = s};
  if (!d) return;
  c->solve.n = d->shape_params.len;
  c->solve.names = d->shape_params.at;
  for (uint32_t k = 0; k < c->solve.n; k++) {
    c->lin[k] = (TwSmLin){.linear = true};
    c->lin[k].c[k] = 1;
    if (c->f->has_shape) tw_sm_equation(&c->solve, &c->lin[k], c->f->shape.at[k], c->f->shape_span);
    tw_sm_bind(s, &c->types, d->shape_params.at[k], (TwSmValue){.kind = TW_V_LIN, .lin = &c->lin[k]});
  }
}

/* Puts the numbers that are known into the linear forms. */
static void settle(Call *c) {
  int64_t x;
  for (uint32_t k = 0; k < c->solve.n; k++)
    if (tw_sm_solved(&c->solve, k, &x)) c->lin[k] = (TwSmLin){.linear = true, .c0 = x};
}

static void contradiction(Call *c, const TwParamDecl *p, const TwType *given, TwSpan span, const char *known) {
  TwSema *s = c->s;
  TwDiag *d = tw_sm_error(s, TW_E0406, span, "'%s' of '%s' should be %s%s%s, but this is %s", p->name.name, c->f->name,
                          tw_sm_text(s, p->type->span), *known ? " with " : "", known, tw_sm_shown(s, given));
  TwSpan last = {0};
  for (uint32_t r = 0; r < c->solve.rows; r++) {
    TwSpan w = c->solve.why[r];
    bool itself = w.start == span.start && w.file == span.file; /* its own size has no solution */
    if (itself || (w.start == last.start && w.file == last.file)) continue;
    last = w;
    tw_sm_note(s, d, w, c->f->has_shape ? "the shape parameters are given here" : "sizes follow from this argument");
  }
  tw_sm_note(s, d, p->name.span, "the parameter is declared here");
}

/* ---- arguments */
static bool is_function(const TwSmValue *v) {
  return v->kind == TW_V_FN || v->kind == TW_V_BUILTIN || v->kind == TW_V_OPAQUE;
}

static bool wrong_kind(Call *c, uint32_t j, TwSmValue v, const char *should) {
  TwSema *s = c->s;
  const TwParamDecl *p = &c->params->at[j];
  if (v.kind == TW_V_POISON) return false;
  const char *is = v.kind == TW_V_TX ? tw_type_text(s->a, v.tx->type) : tw_sm_kind_text(&v);
  TwDiag *d = tw_sm_error(s, TW_E0301, c->slots[j]->span, "'%s' of '%s' should be %s, but this is %s", p->name.name,
                          c->f->name, should, is);
  tw_sm_note(s, d, p->name.span, "the parameter is declared here");
  return false;
}

static bool schedule_arg(Call *c, uint32_t j, TwSmValue v) {
  TwSema *s = c->s;
  if (v.kind == TW_V_SCHEDULE) return c->values[j] = v, true;
  if (!is_function(&v)) {
    if (v.kind != TW_V_TX) return wrong_kind(c, j, v, "a number or a function of the epoch");
    TwTx *t = tw_sm_coerce(s, v.tx, s->t_real, false, c->slots[j]->span,
                           tw_arena_printf(s->a, "'%s' of '%s'", c->params->at[j].name.name, c->f->name));
    if (tw_sm_poison(t->type)) return false;
    v = tw_sm_v(t);
  }
  TwSmValue *inner = TW_NEW(s->a, TwSmValue);
  *inner = v;
  c->values[j] = (TwSmValue){.kind = TW_V_SCHEDULE, .inner = inner};
  return true;
}

static bool value_arg(Call *c, uint32_t j) {
  TwSema *s = c->s;
  const TwParamDecl *p = &c->params->at[j];
  const TwSmSym *sym = NULL;
  const TwType *hint = NULL;
  if (p->type) {
    s->frame = &c->frame;
    uint32_t before = s->errors;
    sym = tw_sm_sym(s, &c->types, p->type);
    hint = sym ? tw_sm_known(s, sym, p->type->span) : NULL;
    bool bad = !sym || s->errors != before;
    s->frame = c->caller;
    if (bad) return false;
  }
  TwSmValue v = tw_sm_arg(s, c->slots[j], hint);
  if (!sym && v.kind != TW_V_POISON) return c->values[j] = v, true; /* of a lambda: anything */
  TwTx *t = tw_sm_need(s, v, c->slots[j]->span);
  if (tw_sm_poison(t->type)) return false;
  const char *known = tw_sm_solution(&c->solve);
  c->values[j] = tw_sm_v(t);
  if (c->solve.n == 0) return true;
  if (!tw_sm_match(&c->solve, sym, t->type, c->slots[j]->span)) {
    contradiction(c, p, t->type, c->slots[j]->span, known);
    return false;
  }
  settle(c);
  return true;
}

static bool take_arg(Call *c, uint32_t j) {
  TwSema *s = c->s;
  const TwParamDecl *p = &c->params->at[j];
  if (!c->slots[j]) return true;
  TwSmParamKind kind = tw_sm_param_kind(s, &c->types, p->type);
  if (kind == TW_PK_VALUE) return value_arg(c, j);
  TwSmValue v = tw_sm_arg(s, c->slots[j], NULL);
  if (kind == TW_PK_SCHEDULE) return schedule_arg(c, j, v);
  if (kind == TW_PK_DATA && v.kind != TW_V_DATA) return wrong_kind(c, j, v, "a data set");
  if (kind == TW_PK_FN && v.kind == TW_V_SCHEDULE && is_function(v.inner)) v = *v.inner;
  if (kind == TW_PK_FN && !is_function(&v)) return wrong_kind(c, j, v, "a function");
  c->values[j] = v;
  return true;
}

/* Solves what is open from the type that is expected of the result, if that can be. */
static bool from_result(Call *c) {
  TwSema *s = c->s;
  int64_t x;
  bool open = false;
  for (uint32_t k = 0; k < c->solve.n; k++) open |= !tw_sm_solved(&c->solve, k, &x);
  if (!open || !c->want || !c->result || tw_sm_param_kind(s, &c->types, c->result) != TW_PK_VALUE) return true;
  TwSmSolve copy = c->solve;
  const TwSmSym *sym = tw_sm_sym(s, &c->types, c->result);
  if (!sym) return false;
  if (tw_sm_match(&c->solve, sym, c->want, c->span)) settle(c);
  else c->solve = copy;
  return true;
}

/* Whether an argument is a draw, uniform(…) or normal(…): it takes the shape of what it is for, so that comes first. */
static bool draws(const Call *c) {
  for (uint32_t k = 0; k < c->args->len; k++) {
    const TwExpr *e = c->args->at[k].ready ? NULL : c->args->at[k].expr;
    int builtin = e && e->kind == TW_EX_CALL && e->a->kind == TW_EX_NAME ? tw_sm_builtin(e->a->name) : -1;
    if (builtin >= 0 && tw_sm_builtin_is_law((uint32_t)builtin)) return true;
  }
  return false;
}

static bool shapes_known(Call *c) {
  TwSema *s = c->s;
  int64_t x;
  if (!from_result(c)) return false;
  for (uint32_t k = 0; k < c->solve.n; k++) {
    const TwIdent *id = &c->solve.names[k];
    if (tw_sm_solved(&c->solve, k, &x) && x >= 0) continue;
    bool negative = tw_sm_solved(&c->solve, k, &x);
    TwDiag *d = negative
                    ? tw_sm_error(s, TW_E0407, c->span, "the shape parameter '%s' of '%s' would be %lld", id->name,
                                  c->f->name, (long long)x)
                    : tw_sm_error(s, TW_E0405, c->span, "the arguments do not tell the shape parameter '%s' of '%s'",
                                  id->name, c->f->name);
    tw_sm_note(s, d, id->span, "declared here");
    if (!negative) tw_sm_help(s, d, "give it: %s[…](…)", c->f->name);
    return false;
  }
  return true;
}

/* Binds a parameter to its argument or default, in the callee's frame. */
static bool bind_param(Call *c, uint32_t j) {
  TwSema *s = c->s;
  const TwParamDecl *p = &c->params->at[j];
  TwSmValue v = c->values[j];
  TwSpan span = c->slots[j] ? c->slots[j]->span : p->name.span;
  TwSmParamKind kind = tw_sm_param_kind(s, &c->scope, p->type);
  const TwType *type = NULL;
  if (kind == TW_PK_VALUE && p->type && tw_sm_poison(type = tw_sm_type(s, &c->scope, p->type))) return false;
  if (!c->slots[j]) {
    v = tw_sm_value(s, &c->scope, p->value, type);
    if (v.kind == TW_V_POISON) return false;
    span = p->value->span;
    TwSmArg a = tw_sm_arg_of(v, span);
    c->slots[j] = &a;
    bool ok = kind != TW_PK_SCHEDULE || schedule_arg(c, j, v);
    c->slots[j] = NULL;
    if (!ok) return false;
    if (kind == TW_PK_SCHEDULE) v = c->values[j];
  }
  if (type) {
    const char *what = tw_arena_printf(s->a, "'%s' of '%s'", p->name.name, c->f->name);
    s->frame = c->slots[j] ? c->caller : &c->frame;
    TwTx *t = tw_sm_coerce(s, tw_sm_need(s, v, span), type, false, span, what);
    s->frame = &c->frame;
    if (tw_sm_poison(t->type)) return false;
    v = tw_sm_v(t);
  }
  tw_sm_bind_value(s, &c->scope, p->name, v, &c->stmts);
  return true;
}

TwSmValue tw_sm_body(TwSema *s, const TwSmFn *f, const TwSmScope *scope, const TwType *want) {
  const TwExpr *body = f->decl ? f->decl->value : f->lambda->body;
  const TwTypeExpr *te = f->decl ? f->decl->type : NULL;
  tw_sm_mark_elaborated(s, f->decl);
  if (!body) return s->errors++, tw_sm_vbad();
  if (!te) return tw_sm_value(s, scope, body, want);
  TwSmParamKind kind = tw_sm_param_kind(s, scope, te);
  if (kind != TW_PK_VALUE) {
    TwSmValue v = tw_sm_value(s, scope, body, NULL);
    bool ok = v.kind == TW_V_POISON || (kind == TW_PK_DATA && v.kind == TW_V_DATA) ||
              (kind != TW_PK_DATA && (is_function(&v) || v.kind == TW_V_SCHEDULE)) ||
              (kind == TW_PK_SCHEDULE && v.kind == TW_V_TX);
    if (ok) return v;
    tw_sm_error(s, TW_E0301, body->span, "'%s' should give %s, but this is %s", f->name,
                kind == TW_PK_FN     ? "a function"
                : kind == TW_PK_DATA ? "a data set"
                                     : "a schedule",
                v.kind == TW_V_TX ? tw_type_text(s->a, v.tx->type) : tw_sm_kind_text(&v));
    return tw_sm_vbad();
  }
  const TwType *type = tw_sm_type(s, scope, te);
  TwTx *t = tw_sm_tx(s, scope, body, tw_sm_poison(type) ? want : type);
  if (tw_sm_poison(type)) return tw_sm_vbad();
  const TwExpr *at = body;
  while (at->kind == TW_EX_BLOCK && at->block && at->block->result) at = at->block->result;
  return tw_sm_v(tw_sm_coerce(s, t, type, false, at->span, tw_arena_printf(s->a, "the result of '%s'", f->name)));
}

/* The value of the call: the body after the statements that bind the parameters. */
static TwSmValue close_call(Call *c, TwSmValue v) {
  TwSema *s = c->s;
  if (v.kind == TW_V_FN && c->stmts.len) {
    TwSmFn *f = TW_NEW(s->a, TwSmFn);
    *f = *v.fn;
    f->prefix.len = f->prefix.cap = 0;
    f->prefix.at = NULL;
    for (uint32_t k = 0; k < c->stmts.len; k++) tw_vec_push(s->a, &f->prefix, c->stmts.at[k]);
    for (uint32_t k = 0; k < v.fn->prefix.len; k++) tw_vec_push(s->a, &f->prefix, v.fn->prefix.at[k]);
    v.fn = f;
  }
  if (v.kind != TW_V_TX || tw_sm_poison(v.tx->type)) return v;
  if (v.tx->kind == TW_TX_CONST) return tw_sm_v(tw_sm_at(s, v.tx, c->span));
  TwTx *block = tw_sm_one(s, TW_TX_BLOCK, v.tx->type, c->span, v.tx);
  for (uint32_t k = 0; k < c->stmts.len; k++) tw_vec_push(s->a, &block->stmts, c->stmts.at[k]);
  block->callee = c->f->decl;
  block->known = v.tx->known;
  block->integer = v.tx->integer;
  return tw_sm_v(block);
}

static bool prepare(Call *c) {
  TwSema *s = c->s;
  const TwSmFn *f = c->f;
  if (f->decl && f->decl->is_custom && !tw_sm_custom_ok(s, f)) return false;
  if (f->decl && f->decl->shape_params.len > TW_SM_VARS) {
    tw_sm_error(s, TW_E0902, f->span, "'%s' has more than %d shape parameters", f->name, TW_SM_VARS);
    return false;
  }
  if (f->decl && !tw_sm_distinct(s, f->decl)) return false;
  for (uint32_t k = 0; k < f->prefix.len; k++) tw_vec_push(s->a, &c->stmts, f->prefix.at[k]);
  c->slots = TW_NEW_N(s->a, TwSmArg *, c->params->len);
  c->values = TW_NEW_N(s->a, TwSmValue, c->params->len);
  if (!spread(c) || !tw_sm_bind_args(s, f, c->params, c->args, c->span, c->slots)) return false;
  open_shapes(c);
  bool ok = !draws(c) || from_result(c);
  for (uint32_t j = 0; j < c->params->len; j++) ok &= take_arg(c, j);
  return ok && shapes_known(c);
}

TwSmValue tw_sm_apply_fn(TwSema *s, const TwSmFn *f, TwSmArgs *args, TwSpan span, const TwType *want) {
  Call *c = TW_NEW(s->a, Call);
  c->s = s;
  c->f = f;
  c->params = f->decl ? &f->decl->params : &f->lambda->params;
  c->result = f->decl ? f->decl->type : NULL;
  c->args = args;
  c->span = span;
  c->want = want;
  c->caller = s->frame;
  if (!tw_sm_push_frame(s, &c->frame, f, span)) {
    for (uint32_t k = 0; k < args->len; k++) tw_sm_arg(s, &args->at[k], NULL);
    return tw_sm_vbad();
  }
  s->frame = c->caller;
  if (!prepare(c)) return tw_sm_vbad();
  s->frame = &c->frame;
  c->scope = f->scope;
  bool ok = true;
  if (f->local) { /* so that a call of itself is seen as one */
    TwSmFn *self = TW_NEW(s->a, TwSmFn);
    *self = *f;
    self->home = &c->frame;
    tw_sm_bind(s, &c->scope, f->decl->name, (TwSmValue){.kind = TW_V_FN, .fn = self});
  }
  for (uint32_t k = 0; k < c->solve.n; k++) {
    int64_t n = 0;
    tw_sm_solved(&c->solve, k, &n);
    tw_sm_bind(s, &c->scope, c->solve.names[k], tw_sm_v(tw_sm_int(s, n, c->solve.names[k].span)));
  }
  for (uint32_t j = 0; j < c->params->len && ok; j++) ok = bind_param(c, j);
  TwSmValue v = ok ? tw_sm_body(s, f, &c->scope, want) : tw_sm_vbad();
  if (f->decl && f->decl->is_custom) v = tw_sm_custom_value(s, f, &c->scope, v);
  s->frame = c->caller;
  return close_call(c, v);
}
