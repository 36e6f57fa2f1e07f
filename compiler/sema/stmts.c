/* stmts.c: bodies: let, assignment, loops with carried values.
 *
 * Scopes are persistent lists, so a lambda keeps the names it saw. A loop's carried names are those
 * assigned in its body and bound outside; each has a local before, inside and after the loop. A
 * carried integer that meets a real becomes real: the body is then elaborated again. */
#include "compiler/sema/check.h"

void tw_sm_bind_value(TwSema *s, TwSmScope *scope, TwIdent id, TwSmValue v, TwSmStmts *out) {
  if (v.kind == TW_V_TX && !tw_sm_atomic(v.tx)) {
    TwLocal *l = tw_sm_local(s, id.name, v.tx->type, id.span);
    TwTs *let = tw_sm_let(s, l, v.tx);
    tw_vec_push(s->a, out, let);
    TwTx *use = tw_sm_use(s, l, id.span);
    use->known = v.tx->known;
    use->integer = v.tx->integer;
    v = tw_sm_v(use);
  }
  tw_sm_bind(s, scope, id, v);
}

/* A name twice in one body, where it cannot be meant. */
static bool fresh(TwSema *s, const TwSmScope *scope, const TwSmBind *outer, TwIdent id) {
  const TwSmBind *b = tw_sm_bound(scope, id.name);
  if (!b || (outer && b->depth <= outer->depth)) return true;
  TwDiag *d = tw_sm_error(s, TW_E0202, id.span, "'%s' is bound twice in this body", id.name);
  tw_sm_note(s, d, b->span, "first here");
  tw_sm_help(s, d, "give the second another name");
  return false;
}

/* ---- let */
static void let_pattern(TwSema *s, TwSmScope *scope, const TwStmt *st, TwSmStmts *out) {
  TwTx *t = tw_sm_tx(s, scope, st->value, NULL);
  bool bad = tw_sm_poison(t->type);
  if (!bad && (t->type->kind != TW_TY_TUPLE || t->type->fields.len != st->names.len)) {
    tw_sm_error(s, TW_E0318, st->value->span, "the pattern has %u names, but this is %s", st->names.len,
                tw_type_text(s->a, t->type));
    bad = true;
  }
  if (!bad && t->kind != TW_TX_TUPLE && !tw_sm_atomic(t)) {
    TwLocal *l = tw_sm_local(s, tw_intern_z(&s->u->names, "whole"), t->type, t->span);
    tw_vec_push(s->a, out, tw_sm_let(s, l, t));
    t = tw_sm_use(s, l, t->span);
  }
  for (uint32_t k = 0; k < st->names.len; k++) {
    if (bad) tw_sm_bind(s, scope, st->names.at[k], tw_sm_vbad());
    else if (t->kind == TW_TX_TUPLE) tw_sm_bind_value(s, scope, st->names.at[k], tw_sm_v(t->args.at[k]), out);
    else tw_sm_bind_value(s, scope, st->names.at[k], tw_sm_v(tw_sm_field(s, t, k, st->names.at[k].span)), out);
  }
}

static void let(TwSema *s, TwSmScope *scope, const TwSmBind *outer, const TwStmt *st, TwSmStmts *out) {
  TwSmScope before = *scope;
  for (uint32_t k = 0; k < st->names.len; k++) {
    if (!fresh(s, &before, outer, st->names.at[k])) break;
    for (uint32_t j = 0; j < k; j++)
      if (st->names.at[j].name == st->names.at[k].name)
        tw_sm_error(s, TW_E0202, st->names.at[k].span, "'%s' stands twice in this pattern", st->names.at[k].name);
  }
  if (st->pattern) {
    let_pattern(s, scope, st, out);
    return;
  }
  if (st->names.len == 0) return;
  TwIdent id = st->names.at[0];
  const TwType *type = NULL;
  if (st->type && tw_sm_param_kind(s, scope, st->type) == TW_PK_VALUE) type = tw_sm_type(s, scope, st->type);
  TwSmValue v = tw_sm_value(s, scope, st->value, type);
  if (type && tw_sm_poison(type)) v = tw_sm_vbad();
  if (type && v.kind != TW_V_POISON) {
    TwTx *t = tw_sm_need(s, v, st->value->span);
    t = tw_sm_coerce(s, t, type, true, st->value->span, tw_arena_printf(s->a, "'%s'", id.name));
    v = tw_sm_poison(t->type) ? tw_sm_vbad() : tw_sm_v(t);
  }
  if (v.kind == TW_V_MODULE || v.kind == TW_V_TYPE || v.kind == TW_V_OPTIMIZER || v.kind == TW_V_DOMAIN) {
    tw_sm_error(s, TW_E0209, st->value->span, "%s cannot be bound to a name", tw_sm_kind_text(&v));
    v = tw_sm_vbad();
  }
  if (v.kind == TW_V_RECUR || v.kind == TW_V_LIN) v = tw_sm_v(tw_sm_need(s, v, st->value->span));
  if (v.kind == TW_V_TX && tw_sm_poison(v.tx->type)) v = tw_sm_vbad();
  tw_sm_bind_value(s, scope, id, v, out);
}

/* ---- a function of the body's own: it sees what is bound where it stands */
static void local_fn(TwSema *s, TwSmScope *scope, const TwSmBind *outer, const TwDecl *d) {
  if (!d->name.name || !fresh(s, scope, outer, d->name)) return;
  TwSmFn *f = TW_NEW(s->a, TwSmFn);
  *f = (TwSmFn){
      .name = d->name.name, .span = d->name.span, .decl = d, .scope = *scope, .home = s->frame, .local = true};
  tw_sm_bind(s, scope, d->name, (TwSmValue){.kind = TW_V_FN, .fn = f});
}

/* Those that nothing has called by the end of their body are checked all the same. */
static void check_uncalled(TwSema *s, const TwSmScope *scope, const TwBlock *b) {
  for (uint32_t k = 0; k < b->stmts.len; k++) {
    const TwDecl *d = b->stmts.at[k]->kind == TW_ST_FN ? b->stmts.at[k]->fn : NULL;
    const TwSmBind *bound = d && !tw_sm_was_elaborated(s, d) ? tw_sm_bound(scope, d->name.name) : NULL;
    if (bound && bound->value.kind == TW_V_FN && bound->value.fn->decl == d) tw_sm_check_local(s, bound->value.fn);
  }
}

/* ---- assignment */
static void assign(TwSema *s, TwSmScope *scope, const TwStmt *st, bool allowed, TwSmStmts *out) {
  if (st->names.len == 0) return;
  TwIdent id = st->names.at[0];
  const TwSmBind *b = tw_sm_bound(scope, id.name);
  if (!allowed) {
    s->errors++; /* the parser has said it */
  } else if (!b && tw_sm_in_broken(s, id.name)) {
    s->errors++;
  } else if (!b) {
    TwDiag *d = tw_sm_error(s, TW_E0320, id.span, "there is no '%s' from outside the loop to assign to", id.name);
    TwNames names = {0};
    for (const TwSmBind *o = scope->top; o; o = o->up) tw_vec_push(s->a, &names, o->name);
    if (!tw_sm_suggest(s, d, id.name, names.at, names.len))
      tw_sm_help(s, d, "bind it before the loop: let %s = …", id.name);
  } else if (b->value.kind != TW_V_TX && b->value.kind != TW_V_POISON) {
    TwDiag *d = tw_sm_error(s, TW_E0320, id.span, "'%s' is %s and cannot be assigned to", id.name,
                            tw_sm_kind_text(&b->value));
    tw_sm_note(s, d, b->span, "bound here");
  }
  const TwType *want = b && b->value.kind == TW_V_TX ? b->value.tx->type : NULL;
  TwTx *t = tw_sm_tx(s, scope, st->value, want);
  if (!allowed || !b || b->value.kind != TW_V_TX || tw_sm_poison(t->type)) {
    tw_sm_bind(s, scope, id, tw_sm_vbad());
    return;
  }
  tw_sm_bind_value(s, scope, id, tw_sm_v(t), out);
}

/* ---- loops */
/* Names assigned in a body, loops in it included, that the body does not bind itself. */
static void assigned(TwSema *s, const TwBlock *b, TwNames *out) {
  if (!b) return;
  TwNames own = {0};
  for (uint32_t k = 0; k < b->stmts.len; k++) {
    const TwStmt *st = b->stmts.at[k];
    TwNames found = {0};
    if (st->kind == TW_ST_LET || st->kind == TW_ST_RECUR || st->kind == TW_ST_FN)
      for (uint32_t j = 0; j < st->names.len; j++) tw_vec_push(s->a, &own, st->names.at[j].name);
    if (st->kind == TW_ST_ASSIGN && st->names.len) tw_vec_push(s->a, &found, st->names.at[0].name);
    if (st->kind == TW_ST_LOOP) assigned(s, st->body, &found);
    for (uint32_t j = 0; j < found.len; j++) {
      bool skip = false;
      for (uint32_t i = 0; i < own.len; i++) skip |= own.at[i] == found.at[j];
      for (uint32_t i = 0; i < out->len; i++) skip |= out->at[i] == found.at[j];
      if (!skip) tw_vec_push(s->a, out, found.at[j]);
    }
  }
}

typedef struct Loop {
  const TwStmt *st;
  TwNames names;
  const TwType **types;
} Loop;

/* The carried locals before the loop, of the types asked for. */
static void open_loop(TwSema *s, TwSmScope *scope, const Loop *l, TwTs *t, TwSmStmts *out) {
  for (uint32_t k = 0; k < l->names.len; k++) {
    const TwSmBind *b = tw_sm_bound(scope, l->names.at[k]);
    TwTx *now = tw_sm_coerce(s, b->value.tx, l->types[k], false, b->span, "this");
    TwLocal *local = now->local;
    if (now->kind != TW_TX_LOCAL) {
      local = tw_sm_local(s, b->name, now->type, b->span);
      tw_vec_push(s->a, out, tw_sm_let(s, local, now));
    }
    tw_vec_push(s->a, &t->before, local);
  }
}

/* One elaboration of the body; false if it must be done again with other types, or failed. */
static bool loop_body(TwSema *s, const TwSmScope *outer, Loop *l, TwTs *t, bool *again) {
  TwSmScope scope = *outer;
  uint32_t errors = s->errors;
  bool ok = tw_sm_iter(s, &scope, &l->st->clause, false, &t->iter);
  for (uint32_t k = 0; k < l->names.len; k++) {
    const TwSmBind *b = tw_sm_bound(outer, l->names.at[k]);
    TwLocal *in = tw_sm_local(s, b->name, l->types[k], b->span);
    tw_vec_push(s->a, &t->inside, in);
    tw_sm_bind(s, &scope, (TwIdent){b->name, b->span}, tw_sm_v(tw_sm_use(s, in, b->span)));
  }
  bool dead = ok && t->iter.n == 0;
  s->dead += dead;
  TwSmStmts body = {0};
  if (l->st->body) tw_sm_stmts(s, &scope, l->st->body, true, &body);
  if (l->st->body) check_uncalled(s, &scope, l->st->body);
  s->dead -= dead;
  for (uint32_t k = 0; k < body.len; k++) tw_vec_push(s->a, &t->body, body.at[k]);
  if (!ok || s->errors != errors) return false;
  for (uint32_t k = 0; k < l->names.len; k++) {
    const TwSmBind *b = tw_sm_bound(&scope, l->names.at[k]);
    if (b->value.kind != TW_V_TX) return false;
    TwTx *next = b->value.tx;
    if (!tw_sm_can_coerce(next->type, l->types[k])) {
      if (tw_sm_can_coerce(l->types[k], next->type)) {
        l->types[k] = next->type;
        *again = true;
        continue;
      }
      TwDiag *d = tw_sm_error(s, TW_E0317, b->span, "'%s' is %s before an iteration, but %s after it", b->name,
                              tw_sm_shown(s, l->types[k]), tw_sm_shown(s, next->type));
      tw_sm_note_sizes(s, d, l->types[k], next->type);
      return false;
    }
    tw_vec_push(s->a, &t->next, tw_sm_coerce(s, next, l->types[k], false, b->span, "this"));
  }
  return !*again;
}

/* `for i in …, j in … { }` as one loop in the other. */
static const TwStmt *nested(TwSema *s, const TwStmt *st) {
  if (!st->inner.len) return st;
  TwStmt *outer = TW_NEW(s->a, TwStmt), *inner = TW_NEW(s->a, TwStmt);
  *inner = *outer = *st;
  inner->clause = st->inner.at[0];
  inner->inner.at++;
  inner->inner.len--;
  inner->inner.cap = inner->inner.len;
  outer->inner.len = 0;
  outer->body = TW_NEW(s->a, TwBlock);
  outer->body->span = st->span;
  tw_vec_push(s->a, &outer->body->stmts, inner);
  return outer;
}

static void loop(TwSema *s, TwSmScope *scope, const TwStmt *written, TwSmStmts *out) {
  const TwStmt *st = nested(s, written);
  Loop l = {.st = st};
  TwNames all = {0};
  assigned(s, st->body, &all);
  bool unknown =
      false; /* something that is assigned has no value to speak of, which was reported or is not to be known */
  for (uint32_t k = 0; k < all.len; k++) {
    const TwSmBind *b = tw_sm_bound(scope, all.at[k]);
    unknown |= b && b->value.kind == TW_V_POISON;
    if (b && b->value.kind == TW_V_TX) tw_vec_push(s->a, &l.names, all.at[k]);
  }
  l.types = TW_NEW_N(s->a, const TwType *, l.names.len);
  for (uint32_t k = 0; k < l.names.len; k++) l.types[k] = tw_sm_bound(scope, l.names.at[k])->value.tx->type;
  TwTs *t = NULL;
  bool ok = false, again = true;
  for (int tries = 0; tries < 3 && again && !ok; tries++) {
    again = false;
    t = TW_NEW(s->a, TwTs);
    t->kind = TW_TS_LOOP;
    t->span = st->span;
    ok = loop_body(s, scope, &l, t, &again);
  }
  if (ok) open_loop(s, scope, &l, t, out);
  for (uint32_t k = 0; k < l.names.len; k++) {
    const TwSmBind *b = tw_sm_bound(scope, l.names.at[k]);
    TwIdent id = {b->name, b->span};
    if (!ok) {
      tw_sm_bind(s, scope, id, tw_sm_vbad());
      continue;
    }
    TwLocal *after = tw_sm_local(s, b->name, l.types[k], st->span);
    tw_vec_push(s->a, &t->after, after);
    tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_use(s, after, b->span)));
  }
  if (ok && l.names.len) tw_vec_push(s->a, out, t);
  if (ok && !l.names.len && !unknown) {
    TwDiag *d = tw_sm_error(s, TW_E0320, st->span, "this loop changes nothing that is used after it");
    tw_sm_help(s, d, "bind a name before the loop and assign to it in the loop");
  }
}

bool tw_sm_stmts(TwSema *s, TwSmScope *scope, const TwBlock *b, bool assignable, TwSmStmts *out) {
  const TwSmBind *outer = scope->top;
  uint32_t errors = s->errors;
  for (uint32_t k = 0; k < b->stmts.len; k++) {
    const TwStmt *st = b->stmts.at[k];
    switch (st->kind) {
      case TW_ST_ERROR:
        s->errors++;
        tw_vec_push(s->a, &s->broken, st->span);
        break;
      case TW_ST_LET: let(s, scope, outer, st, out); break;
      case TW_ST_RECUR:
        if (st->names.len) fresh(s, scope, outer, st->names.at[0]);
        tw_sm_recur(s, scope, st, out);
        break;
      case TW_ST_ASSIGN: assign(s, scope, st, assignable, out); break;
      case TW_ST_FN: local_fn(s, scope, outer, st->fn); break;
      case TW_ST_LOOP: loop(s, scope, st, out); break;
    }
  }
  return s->errors == errors;
}

TwSmValue tw_sm_block(TwSema *s, const TwSmScope *outer, const TwBlock *b, const TwType *want, TwSpan span) {
  TwSmScope scope = *outer;
  TwSmStmts stmts = {0};
  if (!b) return s->errors++, tw_sm_vbad();
  bool ok = tw_sm_stmts(s, &scope, b, false, &stmts);
  if (!b->result) return s->errors++, tw_sm_vbad();
  TwSmValue v = tw_sm_value(s, &scope, b->result, want);
  check_uncalled(s, &scope, b);
  if (!ok || v.kind == TW_V_POISON) return tw_sm_vbad();
  if (v.kind == TW_V_FN && stmts.len) {
    TwSmFn *f = TW_NEW(s->a, TwSmFn);
    *f = *v.fn;
    f->prefix.at = NULL;
    f->prefix.len = f->prefix.cap = 0;
    for (uint32_t k = 0; k < stmts.len; k++) tw_vec_push(s->a, &f->prefix, stmts.at[k]);
    for (uint32_t k = 0; k < v.fn->prefix.len; k++) tw_vec_push(s->a, &f->prefix, v.fn->prefix.at[k]);
    v.fn = f;
  }
  if (v.kind != TW_V_TX || stmts.len == 0 || v.tx->kind == TW_TX_CONST) return v;
  TwTx *t = tw_sm_one(s, TW_TX_BLOCK, v.tx->type, span, v.tx);
  for (uint32_t k = 0; k < stmts.len; k++) tw_vec_push(s->a, &t->stmts, stmts.at[k]);
  t->known = v.tx->known;
  t->integer = v.tx->integer;
  return tw_sm_v(t);
}
