/* expr.c: expressions: names, fields, choices, literals; the rest is handed on.
 *
 * requires: any tree of the parser, ERROR nodes included.
 * provides: a compile-time value; poison after a report. The wanted type is a hint (it gives empty
 * arrays, record literals and laws their type); whoever asks converts and checks. */
#include <string.h>

#include "compiler/sema/check.h"

enum { MAX_DEPTH = 1000 };

const char *tw_sm_kind_text(const TwSmValue *v) {
  switch (v->kind) {
    case TW_V_POISON: return "a mistake";
    case TW_V_TX: return "a value";
    case TW_V_FN: return v->fn->decl && v->fn->decl->kind == TW_DE_MODEL ? "a model" : "a function";
    case TW_V_BUILTIN:
    case TW_V_OPAQUE: return "a function";
    case TW_V_SCHEDULE: return "a schedule";
    case TW_V_DATA: return "a data set";
    case TW_V_MODULE: return "a module";
    case TW_V_TYPE: return "a type";
    case TW_V_OPTIMIZER: return "an optimizer";
    case TW_V_DOMAIN: return "a domain";
    case TW_V_LIN: return "a shape parameter";
    case TW_V_RECUR: return "a recurrence";
  }
  return "a value";
}

TwTx *tw_sm_need(TwSema *s, TwSmValue v, TwSpan span) {
  if (v.kind == TW_V_TX) return v.tx;
  if (v.kind == TW_V_POISON) return tw_sm_bad(s, span);
  if (v.kind == TW_V_SCHEDULE) return tw_sm_need(s, tw_sm_schedule_now(s, &v, span), span);
  if (v.kind == TW_V_LIN) {
    tw_sm_error(s, TW_E0405, span, "the shape parameter '%s' is not known yet", tw_sm_text(s, span));
    return tw_sm_bad(s, span);
  }
  if (v.kind == TW_V_RECUR) {
    tw_sm_error(s, TW_E0316, span, "while '%s' is being defined only its elements can be used", tw_sm_text(s, span));
    return tw_sm_bad(s, span);
  }
  bool fn = v.kind == TW_V_FN || v.kind == TW_V_BUILTIN || v.kind == TW_V_OPAQUE;
  TwDiag *d = tw_sm_error(s, fn ? TW_E0311 : TW_E0209, span, "'%s' is %s, and a value is needed here",
                          tw_sm_text(s, span), tw_sm_kind_text(&v));
  const char *text = tw_sm_text(s, span);
  if (fn && !strpbrk(text, " (=")) tw_sm_help(s, d, "call it: %s(…)", text); /* not the text of a lambda */
  else if (fn) tw_sm_help(s, d, "give it a name, fn f(x) = …, and call that: f(…)");
  if (v.kind == TW_V_DATA) tw_sm_help(s, d, "run over it: mean(… for (x, y) in %s)", tw_sm_text(s, span));
  return tw_sm_bad(s, span);
}

TwTx *tw_sm_tx(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  if (!e) return tw_sm_bad(s, (TwSpan){0});
  return tw_sm_need(s, tw_sm_value(s, scope, e, want), e->span);
}

/* ---- fields */
TwTx *tw_sm_get_field(TwSema *s, TwTx *t, TwName name, TwSpan name_span, TwSpan span) {
  const TwType *type = t->type;
  if (tw_sm_poison(type)) return tw_sm_bad(s, span);
  const TwType *record = type;
  while (record->kind == TW_TY_ARRAY) record = record->elem;
  if (record->kind != TW_TY_RECORD) {
    TwDiag *d = tw_sm_error(s, TW_E0305, name_span, "'%s' is %s and has no field '%s'", tw_sm_text(s, t->span),
                            tw_type_text(s->a, type), name);
    if (strcmp(name, "T") == 0) tw_sm_help(s, d, "write transpose(%s)", tw_sm_text(s, t->span));
    if (strcmp(name, "shape") == 0 || strcmp(name, "size") == 0)
      tw_sm_help(s, d, "sizes are names in the type, real[n]; len(%s) is the first", tw_sm_text(s, t->span));
    return tw_sm_bad(s, span);
  }
  TwNames names = {0};
  for (uint32_t k = 0; k < record->fields.len; k++) {
    tw_vec_push(s->a, &names, record->fields.at[k].name);
    if (record->fields.at[k].name != name) continue;
    const TwType *result = record->fields.at[k].type;
    if (type->kind != TW_TY_ARRAY) return tw_sm_field(s, t, k, span);
    if (type->elem->kind == TW_TY_ARRAY) break;
    TwTx *f = tw_sm_one(s, TW_TX_FIELD, tw_sm_lead(s, type->dims[0], result, span), span, t);
    f->index = k;
    return f;
  }
  TwDiag *d = tw_sm_error(s, TW_E0205, name_span, "%s has no field '%s'", tw_type_text(s->a, type), name);
  if (record->decl) tw_sm_note(s, d, record->decl->name.span, "the type is declared here");
  tw_sm_suggest(s, d, name, names.at, names.len);
  return tw_sm_bad(s, span);
}

static TwSmValue field(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  bool no_data = s->ctx.no_data; /* the facts of a data set are constants */
  if (tw_sm_data_named_by(s, scope, e->a)) s->ctx.no_data = false;
  TwSmValue v = tw_sm_value(s, scope, e->a, NULL);
  s->ctx.no_data = no_data;
  if (v.kind == TW_V_POISON) return v;
  if (v.kind == TW_V_DATA) return tw_sm_data_fact(s, v.index, e->name, e->name_span, e->span);
  if (v.kind == TW_V_DOMAIN) return tw_sm_domain_map(s, v.domain, e->name, e->name_span);
  if (v.kind == TW_V_MODULE) return tw_sm_member(s, v.module, e->name, e->name_span);
  if (v.kind != TW_V_TX && v.kind != TW_V_SCHEDULE) {
    tw_sm_error(s, TW_E0305, e->name_span, "'%s' is %s and has no field '%s'", tw_sm_text(s, e->a->span),
                tw_sm_kind_text(&v), e->name);
    return tw_sm_vbad();
  }
  return tw_sm_v(tw_sm_get_field(s, tw_sm_need(s, v, e->a->span), e->name, e->name_span, e->span));
}

/* ---- if */
static TwTx *condition(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  TwTx *c = tw_sm_tx(s, scope, e, s->t_bool);
  if (tw_sm_poison(c->type)) return NULL;
  if (tw_sm_is_scalar(c->type) && c->type->dtype == TW_BOOL) return c;
  TwDiag *d = tw_sm_error(s, TW_E0718, e->span, "the condition is %s, and should be one truth value",
                          tw_type_text(s->a, c->type));
  if (tw_sm_is(c->type, TW_BOOL))
    tw_sm_help(s, d, "where(c, a, b) chooses element by element; any(…) and all(…) reduce");
  return NULL;
}

static TwSmValue choice(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  TwTx *c = condition(s, scope, e->a);
  double known;
  if (c && tw_sm_eval_real(s, c, &known)) return tw_sm_value(s, scope, known != 0 ? e->b : e->c, want);
  TwSmRefine yes = {0}, no = {0};
  if (c) tw_sm_refine(s, c, true, &yes);
  TwTx *a = tw_sm_tx(s, scope, e->b, want);
  tw_sm_restore(s, &yes);
  if (c) tw_sm_refine(s, c, false, &no);
  TwTx *b = tw_sm_tx(s, scope, e->c, want);
  tw_sm_restore(s, &no);
  if (!c || tw_sm_poison(a->type) || tw_sm_poison(b->type)) return tw_sm_vbad();
  const TwType *type = tw_sm_unify(s, a->type, b->type);
  if (want && tw_sm_can_coerce(a->type, want) && tw_sm_can_coerce(b->type, want)) type = want;
  if (!type) {
    TwDiag *d = tw_sm_error(s, TW_E0310, e->span, "the branches differ: %s here and %s there", tw_sm_shown(s, a->type),
                            tw_sm_shown(s, b->type));
    tw_sm_note_sizes(s, d, a->type, b->type);
    return tw_sm_vbad();
  }
  TwTx *t = tw_sm_one(s, TW_TX_IF, type, e->span, c);
  tw_vec_push(s->a, &t->args, tw_sm_coerce(s, a, type, false, e->b->span, "this branch"));
  tw_vec_push(s->a, &t->args, tw_sm_coerce(s, b, type, false, e->c->span, "this branch"));
  return tw_sm_v(t);
}

static TwTx *tuple(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  uint32_t n = e->items.len;
  const TwType **types = TW_NEW_N(s->a, const TwType *, n);
  TwTx *t = tw_sm_node(s, TW_TX_TUPLE, s->t_poison, e->span);
  bool bad = false;
  for (uint32_t k = 0; k < n; k++) {
    const TwType *w = want && want->kind == TW_TY_TUPLE && k < want->fields.len ? want->fields.at[k].type : NULL;
    TwTx *x = tw_sm_tx(s, scope, e->items.at[k], w);
    types[k] = x->type;
    bad |= tw_sm_poison(x->type);
    tw_vec_push(s->a, &t->args, x);
  }
  if (bad) return tw_sm_bad(s, e->span);
  t->type = tw_sm_tuple(s, types, n);
  return tw_sm_not_too_wide(s, t->type, e->span) ? t : tw_sm_bad(s, e->span);
}

static TwSmValue lambda(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  TwSmFn *f = TW_NEW(s->a, TwSmFn);
  f->name = tw_intern_z(&s->u->names, "fn");
  f->span = e->span;
  f->lambda = e;
  f->scope = *scope;
  f->home = s->frame;
  return (TwSmValue){.kind = TW_V_FN, .fn = f};
}

static TwTx *not_a_value(TwSema *s, const TwExpr *e, const char *what) {
  tw_sm_error(s, TW_E0301, e->span, "%s", what);
  return tw_sm_bad(s, e->span);
}

/* Beyond 2^53 a constant, which is worked out in f64, would be another integer than the one written. */
static TwSmValue integer(TwSema *s, const TwExpr *e) {
  if (e->integer >= -((int64_t)1 << 53) && e->integer <= (int64_t)1 << 53)
    return tw_sm_v(tw_sm_int(s, e->integer, e->span));
  TwDiag *d = tw_sm_error(s, TW_E0314, e->span, "this integer is beyond 2^53");
  tw_sm_help(s, d, "with a point it is a real number: %lld.0", (long long)e->integer);
  return tw_sm_vbad();
}

static TwSmValue value(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  switch (e->kind) {
    case TW_EX_ERROR:
      s->errors++;
      tw_vec_push(s->a, &s->broken, e->span);
      return tw_sm_vbad();
    case TW_EX_INT: return integer(s, e);
    case TW_EX_REAL: return tw_sm_v(tw_sm_real(s, e->real, e->span));
    case TW_EX_BOOL: return tw_sm_v(tw_sm_bool(s, e->boolean, e->span));
    case TW_EX_STRING: return tw_sm_v(not_a_value(s, e, "a string can only name a file"));
    case TW_EX_NAME: return tw_sm_lookup(s, scope, e->name, e->span);
    case TW_EX_FIELD: return field(s, scope, e);
    case TW_EX_CALL: return tw_sm_call(s, scope, e, want);
    case TW_EX_INDEX: return tw_sm_index(s, scope, e, want);
    case TW_EX_UNARY: return tw_sm_v(tw_sm_unary(s, scope, e, want));
    case TW_EX_BINARY: return tw_sm_v(tw_sm_binary(s, scope, e, want));
    case TW_EX_IF: return choice(s, scope, e, want);
    case TW_EX_RANGE: return tw_sm_v(not_a_value(s, e, "a range can only stand after 'in' or as an index"));
    case TW_EX_ARRAY: return tw_sm_v(tw_sm_array(s, scope, e, want));
    case TW_EX_TUPLE: return tw_sm_v(tuple(s, scope, e, want));
    case TW_EX_RECORD: return tw_sm_v(tw_sm_record(s, scope, e, want));
    case TW_EX_FOR:
      if (e->bracketed) return tw_sm_v(tw_sm_for(s, scope, e, want));
      tw_sm_error(s, TW_E0321, e->span,
                  "'for' without brackets can only be the one argument of a reduction such as sum");
      return tw_sm_vbad();
    case TW_EX_LAMBDA: return lambda(s, scope, e);
    case TW_EX_BLOCK: return tw_sm_block(s, scope, e->block, want, e->span);
  }
  return tw_sm_vbad();
}

TwSmValue tw_sm_value(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want) {
  if (!e || s->too_large) return tw_sm_vbad();
  if (s->depth >= MAX_DEPTH) {
    tw_sm_error(s, TW_E0901, e->span, "expressions and calls are nested more than %d deep here", MAX_DEPTH);
    s->too_large = true;
    return tw_sm_vbad();
  }
  s->depth++;
  TwSmValue v = value(s, scope, e, want);
  s->depth--;
  if (v.kind == TW_V_TX && tw_sm_poison(v.tx->type)) return tw_sm_vbad();
  return v;
}

bool tw_sm_static_or(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, TwDiagId unknown,
                     int64_t *out) {
  TwTx *t = tw_sm_tx(s, scope, e, s->t_int);
  if (tw_sm_poison(t->type)) return false;
  if (!tw_sm_is_scalar(t->type) || t->type->dtype != TW_INT) {
    tw_sm_error(s, TW_E0309, e->span, "%s must be an integer, but this is %s", what, tw_type_text(s->a, t->type));
    return false;
  }
  double x;
  const char *why = NULL;
  if (t->known) return *out = t->integer, true;
  const TwSmNum *n = tw_sm_eval(s, t, &why);
  if (n) return x = n->x[0], *out = (int64_t)x, true;
  if (why) tw_sm_error(s, TW_E0314, e->span, "%s cannot be computed: %s", what, why);
  else tw_sm_error(s, unknown, e->span, "%s must be known when compiling", what);
  return false;
}

bool tw_sm_static_int(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, int64_t *out) {
  return tw_sm_static_or(s, scope, e, what, TW_E0308, out);
}
