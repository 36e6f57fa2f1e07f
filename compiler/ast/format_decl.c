/* format_decl.c: the layout of declarations, statements and bodies.
 *
 * requires: declarations without ERROR nodes.   provides: documents. */
#include "compiler/ast/format_internal.h"

static void names(TwFormat *f, TwDoc *seq, const TwIdents *list) {
  for (uint32_t i = 0; i < list->len; i++) {
    if (i) tw_f_put(f, seq, ", ");
    tw_f_ident(f, seq, list->at[i]);
  }
}

static void annotation(TwFormat *f, TwDoc *seq, const TwTypeExpr *t) {
  if (!t) return;
  tw_f_put(f, seq, " : ");
  tw_f_add(f, seq, tw_f_type(f, t));
}

static void equals(TwFormat *f, TwDoc *seq, const TwExpr *value) {
  tw_f_put(f, seq, " =");
  tw_f_value(f, seq, value);
}

/* ---- statements */

static TwDoc *recurrence(TwFormat *f, const TwStmt *s) {
  TwDoc *seq = tw_f_seq(f), *rest = tw_f_seq(f);
  tw_f_put(f, seq, "let ");
  for (uint32_t i = 0; i < s->cases.len; i++) {
    const TwRecurCase *c = &s->cases.at[i];
    TwDoc *to = i ? rest : seq;
    if (i) tw_f_put(f, rest, ","), tw_f_break(f, rest, c->span.start);
    tw_f_flush(f, to, c->span.start);
    tw_f_put(f, to, s->names.at[0].name);
    tw_f_put(f, to, "[");
    tw_f_add(f, to, tw_f_expr(f, c->index));
    tw_f_put(f, to, "]");
    equals(f, to, c->value);
    if (!c->has_for) continue;
    tw_f_put(f, to, " for ");
    tw_f_clause(f, to, &c->clause);
  }
  tw_f_add(f, seq, tw_f_nest(f, rest));
  return tw_f_group(f, seq);
}

static TwDoc *statement(TwFormat *f, const TwStmt *s) {
  TwDoc *seq = tw_f_seq(f);
  switch (s->kind) {
    case TW_ST_ERROR: break;
    case TW_ST_LET:
      tw_f_put(f, seq, s->pattern ? "let (" : "let ");
      names(f, seq, &s->names);
      if (s->pattern) tw_f_put(f, seq, ")");
      annotation(f, seq, s->type);
      equals(f, seq, s->value);
      break;
    case TW_ST_RECUR: return recurrence(f, s);
    case TW_ST_FN: return tw_f_decl(f, s->fn);
    case TW_ST_ASSIGN:
      names(f, seq, &s->names);
      equals(f, seq, s->value);
      break;
    case TW_ST_LOOP:
      tw_f_put(f, seq, "for ");
      tw_f_clause(f, seq, &s->clause);
      for (uint32_t i = 0; i < s->inner.len; i++) {
        tw_f_put(f, seq, ", ");
        tw_f_clause(f, seq, &s->inner.at[i]);
      }
      tw_f_put(f, seq, " ");
      tw_f_add(f, seq, tw_f_block(f, s->body, NULL));
      break;
  }
  return seq;
}

static TwDoc *states(TwFormat *f, const TwArgs *state) {
  TwDoc *seq = tw_f_seq(f);
  tw_f_put(f, seq, "state ");
  for (uint32_t i = 0; i < state->len; i++) {
    if (i) tw_f_put(f, seq, ","), tw_f_break(f, seq, state->at[i].name.span.start);
    tw_f_ident(f, seq, state->at[i].name);
    equals(f, seq, state->at[i].value);
  }
  return tw_f_group(f, tw_f_nest(f, seq));
}

TwDoc *tw_f_block(TwFormat *f, const TwBlock *b, const TwArgs *state) {
  TwFLines l = tw_f_lines(f, false, tw_f_multi(f, b->span.start, b->span.end));
  if (state && state->len) {
    tw_f_line(f, &l, state->at[0].name.span.start);
    tw_f_add(f, l.inner, states(f, state));
  }
  for (uint32_t i = 0; i < b->stmts.len; i++) {
    tw_f_line(f, &l, b->stmts.at[i]->span.start);
    tw_f_add(f, l.inner, statement(f, b->stmts.at[i]));
  }
  if (b->result) {
    tw_f_line(f, &l, b->result->span.start);
    tw_f_add(f, l.inner, tw_f_expr(f, b->result));
  }
  return tw_f_lines_end(f, &l, b->span.end - 1);
}

/* ---- parts of declarations */

static void shape(TwFormat *f, TwDoc *seq, const TwIdents *list) {
  if (list->len == 0) return;
  tw_f_put(f, seq, "[");
  names(f, seq, list);
  tw_f_put(f, seq, "]");
}

static void body(TwFormat *f, TwDoc *seq, const TwExpr *value) {
  if (value->kind != TW_EX_BLOCK) {
    equals(f, seq, value);
    return;
  }
  tw_f_put(f, seq, " ");
  tw_f_add(f, seq, tw_f_block(f, value->block, NULL));
}

static void signature(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  tw_f_ident(f, seq, d->name);
  shape(f, seq, &d->shape_params);
  uint32_t from = d->shape_params.len ? d->shape_params.at[d->shape_params.len - 1].span.end : d->name.span.end;
  tw_f_add(f, seq, tw_f_params(f, d->params.at, d->params.len, from));
  if (!d->type) return;
  tw_f_put(f, seq, " -> ");
  tw_f_add(f, seq, tw_f_type(f, d->type));
}

static void domain(TwFormat *f, TwDoc *seq, const TwDomainExpr *d) {
  if (d->named) {
    tw_f_add(f, seq, tw_f_expr(f, d->name));
    return;
  }
  tw_f_put(f, seq, d->lo_open ? "(" : "[");
  tw_f_add(f, seq, tw_f_expr(f, d->lo));
  tw_f_put(f, seq, ", ");
  tw_f_add(f, seq, tw_f_expr(f, d->hi));
  tw_f_put(f, seq, d->hi_open ? ")" : "]");
}

static TwDoc *fn(TwFormat *f, const TwDecl *d) {
  TwDoc *seq = tw_f_seq(f);
  tw_f_put(f, seq, d->is_custom ? "custom fn " : "fn ");
  signature(f, seq, d);
  body(f, seq, d->value);
  TwDoc *rules = tw_f_seq(f);
  for (uint32_t i = 0; i < d->derivatives.len; i++) {
    const TwDerivRule *r = &d->derivatives.at[i];
    tw_f_above(f, rules, r->span.start);
    tw_f_kind(f, rules, TW_DOC_HARD);
    tw_f_put(f, rules, "derivative ");
    tw_f_ident(f, rules, r->param);
    equals(f, rules, r->value);
  }
  tw_f_add(f, seq, tw_f_nest(f, rules));
  return seq;
}

static void data_arg(TwFormat *f, TwDoc *seq, const TwDataArg *a) {
  switch (a->kind) {
    case TW_DA_VALUE: tw_f_add(f, seq, tw_f_expr_flush(f, a->value)); return;
    case TW_DA_NAMED:
      tw_f_ident(f, seq, a->name);
      equals(f, seq, a->value);
      return;
    case TW_DA_AXIS:
      tw_f_ident(f, seq, a->name);
      tw_f_put(f, seq, " in ");
      domain(f, seq, &a->domain);
      return;
  }
}

static TwDoc *data_value(TwFormat *f, const void *of) {
  const TwDecl *d = of;
  TwDoc *value = tw_f_seq(f);
  tw_f_ident(f, value, d->source);
  TwFList l = tw_f_list(f, "(", ")", false, true);
  uint32_t from = d->source.span.end;
  for (uint32_t i = 0; i < d->data_args.len; i++) {
    const TwDataArg *a = &d->data_args.at[i];
    tw_f_item(f, &l, a->span.start);
    data_arg(f, l.inner, a);
    from = a->span.end;
  }
  tw_f_add(f, value, tw_f_list_end(f, &l, tw_f_find(f, from, ')')));
  if (d->value) {
    tw_f_put(f, value, " ->");
    tw_f_value(f, value, d->value);
  }
  return value;
}

static TwDoc *data(TwFormat *f, const TwDecl *d) {
  TwDoc *seq = tw_f_seq(f);
  tw_f_put(f, seq, "data ");
  tw_f_ident(f, seq, d->name);
  tw_f_put(f, seq, " =");
  tw_f_assign(f, seq, d->source.span.start, data_value, d, true);
  return seq;
}

static TwDoc *param(TwFormat *f, const TwDecl *d) {
  TwDoc *seq = tw_f_seq(f), *rest = tw_f_seq(f);
  tw_f_put(f, seq, "param ");
  tw_f_ident(f, seq, d->name);
  annotation(f, seq, d->type);
  if (d->domain.present) {
    tw_f_break(f, rest, d->domain.span.start);
    tw_f_put(f, rest, "in ");
    domain(f, rest, &d->domain);
  }
  if (d->transform) {
    tw_f_break(f, rest, d->transform->span.start);
    tw_f_put(f, rest, "by ");
    tw_f_add(f, rest, tw_f_expr(f, d->transform));
  }
  if (d->value) {
    tw_f_break(f, rest, d->value->span.start);
    tw_f_put(f, rest, d->is_law ? "~ " : "= ");
    tw_f_add(f, rest, tw_f_expr(f, d->value));
  }
  tw_f_add(f, seq, tw_f_nest(f, rest));
  return tw_f_group(f, seq);
}

static TwDoc *ensure(TwFormat *f, const TwDecl *d) {
  TwDoc *seq = tw_f_seq(f), *rest = tw_f_seq(f);
  tw_f_put(f, seq, "ensure ");
  tw_f_add(f, seq, tw_f_expr(f, d->value));
  if (d->during.len) {
    tw_f_break(f, rest, d->during.at[0].span.start);
    tw_f_put(f, rest, "during ");
    names(f, rest, &d->during);
  }
  if (d->every) {
    tw_f_break(f, rest, d->every->span.start);
    tw_f_put(f, rest, "every ");
    tw_f_add(f, rest, tw_f_expr(f, d->every));
  }
  if (d->stop) {
    tw_f_break(f, rest, d->span.end - 1); /* `stop` is the last word */
    tw_f_put(f, rest, "stop");
  }
  tw_f_add(f, seq, tw_f_nest(f, rest));
  return tw_f_group(f, seq);
}

static void stage_item(TwFormat *f, TwDoc *seq, const TwStageItem *i) {
  switch (i->kind) {
    case TW_SI_TRAIN:
      tw_f_put(f, seq, "train ");
      names(f, seq, &i->names);
      return;
    case TW_SI_OPTIMIZER: break;
    case TW_SI_EPOCHS: tw_f_put(f, seq, "epochs "); break;
    case TW_SI_BATCH: tw_f_put(f, seq, "batch "); break;
    case TW_SI_KEEP: tw_f_put(f, seq, "keep"); return;
    case TW_SI_KEEP_BEST: tw_f_put(f, seq, "keep best"); return;
    case TW_SI_LOSS:
      tw_f_put(f, seq, "loss");
      equals(f, seq, i->value);
      return;
    case TW_SI_OPTION:
      for (uint32_t k = 0; k < i->names.len; k++) {
        tw_f_ident(f, seq, i->names.at[k]);
        tw_f_put(f, seq, " ");
      }
      break;
  }
  tw_f_add(f, seq, tw_f_expr(f, i->value));
  if (i->condition) {
    tw_f_put(f, seq, " if ");
    tw_f_add(f, seq, tw_f_expr(f, i->condition));
  }
  if (i->kind != TW_SI_BATCH || i->names.len == 0) return;
  tw_f_put(f, seq, " of ");
  tw_f_ident(f, seq, i->names.at[0]);
}

static void stage(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  TwFLines l = tw_f_lines(f, false, tw_f_multi(f, d->name.span.end, d->span.end));
  for (uint32_t i = 0; i < d->items.len; i++) {
    tw_f_line(f, &l, d->items.at[i].span.start);
    stage_item(f, l.inner, &d->items.at[i]);
  }
  tw_f_add(f, seq, tw_f_lines_end(f, &l, d->span.end - 1));
}

static void variant(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  TwFLines l = tw_f_lines(f, false, tw_f_multi(f, d->name.span.end, d->span.end));
  for (uint32_t i = 0; i < d->decls.len; i++) {
    tw_f_line(f, &l, d->decls.at[i]->span.start);
    tw_f_add(f, l.inner, tw_f_decl(f, d->decls.at[i]));
  }
  tw_f_add(f, seq, tw_f_lines_end(f, &l, d->span.end - 1));
}

static void named(TwFormat *f, TwDoc *seq, const char *word, const TwDecl *d) {
  tw_f_put(f, seq, word);
  tw_f_ident(f, seq, d->name);
}

static void weights(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  named(f, seq, "weights ", d);
  annotation(f, seq, d->type);
  tw_f_put(f, seq, d->is_law ? " ~" : " =");
  tw_f_value(f, seq, d->value);
}

static TwDoc *make_type(TwFormat *f, const void *t) { return tw_f_type(f, t); }

static void optimizer(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  tw_f_put(f, seq, "optimizer ");
  signature(f, seq, d);
  tw_f_put(f, seq, " ");
  tw_f_add(f, seq, tw_f_block(f, d->body, &d->state));
}

static void domain_decl(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  tw_f_put(f, seq, "domain ");
  tw_f_ident(f, seq, d->name);
  shape(f, seq, &d->shape_params);
  uint32_t from = d->shape_params.len ? d->shape_params.at[d->shape_params.len - 1].span.end : d->name.span.end;
  if (d->params.len) tw_f_add(f, seq, tw_f_params(f, d->params.at, d->params.len, from));
  tw_f_put(f, seq, " ");
  TwFLines l = tw_f_lines(f, false, tw_f_multi(f, d->name.span.end, d->span.end));
  for (uint32_t i = 0; i < d->decls.len; i++) {
    const TwDecl *map = d->decls.at[i];
    tw_f_line(f, &l, map->span.start);
    signature(f, l.inner, map);
    body(f, l.inner, map->value);
  }
  tw_f_add(f, seq, tw_f_lines_end(f, &l, d->span.end - 1));
}

static void valued(TwFormat *f, TwDoc *seq, const char *word, const TwDecl *d) {
  named(f, seq, word, d);
  annotation(f, seq, d->type);
  equals(f, seq, d->value);
}

static void type_decl(TwFormat *f, TwDoc *seq, const TwDecl *d) {
  named(f, seq, "type ", d);
  shape(f, seq, &d->shape_params);
  tw_f_put(f, seq, " =");
  tw_f_assign(f, seq, d->type->span.start, make_type, d->type, true);
}

TwDoc *tw_f_decl(TwFormat *f, const TwDecl *d) {
  TwDoc *seq = tw_f_seq(f);
  switch (d->kind) {
    case TW_DE_ERROR: break;
    case TW_DE_IMPORT: named(f, seq, "import ", d); break;
    case TW_DE_SKIP: named(f, seq, "skip ", d); break;
    case TW_DE_CONST: valued(f, seq, "const ", d); break;
    case TW_DE_TYPE: type_decl(f, seq, d); break;
    case TW_DE_FN: return fn(f, d);
    case TW_DE_OPTIMIZER: optimizer(f, seq, d); break;
    case TW_DE_DOMAIN: domain_decl(f, seq, d); break;
    case TW_DE_DATA: return data(f, d);
    case TW_DE_PARAM: return param(f, d);
    case TW_DE_WEIGHTS: weights(f, seq, d); break;
    case TW_DE_MODEL:
      tw_f_put(f, seq, "model ");
      signature(f, seq, d);
      body(f, seq, d->value);
      break;
    case TW_DE_LOSS:
      tw_f_put(f, seq, "loss");
      equals(f, seq, d->value);
      break;
    case TW_DE_MEASURE: valued(f, seq, "measure ", d); break;
    case TW_DE_STAGE:
      named(f, seq, "stage ", d);
      tw_f_put(f, seq, " ");
      stage(f, seq, d);
      break;
    case TW_DE_ENSURE: return ensure(f, d);
    case TW_DE_EXPECT:
      tw_f_put(f, seq, "expect ");
      tw_f_add(f, seq, tw_f_expr(f, d->value));
      break;
    case TW_DE_VARIANT:
      named(f, seq, "variant ", d);
      tw_f_put(f, seq, " ");
      variant(f, seq, d);
      break;
  }
  return seq;
}
