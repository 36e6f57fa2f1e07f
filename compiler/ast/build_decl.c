/* build_decl.c: declarations, data arguments, domains and stage items.
 *
 * requires: tokens in the order of the text.   provides: declarations that are where they may be,
 * with their doc comments. */
#include <string.h>

#include "compiler/ast/parser.h"
#include "gen/grammar.h"

/* The comments on the lines right above `start`, without their slashes; NULL if there are none. */
static const char *doc_above(const TwParser *p, uint32_t start) {
  if (!p->module) return NULL;
  const TwSource *f = tw_source(&p->u->sources, p->file);
  uint32_t n = p->module->comments.len;
  const TwTrivia *at = p->module->comments.at;
  /* All comments are known already: find the last one before the declaration. */
  uint32_t lo = 0, hi = n;
  while (lo < hi) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (at[mid].span.start < start) lo = mid + 1;
    else hi = mid;
  }
  uint32_t first = lo, below = start;
  size_t size = 0;
  for (; first > 0 && at[first - 1].own_line; first--) {
    uint32_t lines = 0;
    for (uint32_t i = at[first - 1].span.end; i < below; i++) {
      if (f->text[i] == '\n') lines++;
      else if (f->text[i] != ' ' && f->text[i] != '\t' && f->text[i] != '\r') lines = 2;
    }
    if (lines != 1) break;
    below = at[first - 1].span.start;
    size += at[first - 1].span.end - at[first - 1].span.start + 1;
  }
  if (first == lo) return NULL;
  char *out = tw_arena_alloc(&p->u->arena, size + 1);
  size_t len = 0;
  for (uint32_t i = first; i < lo; i++) {
    uint32_t from = at[i].span.start + 2;
    if (from < at[i].span.end && f->text[from] == ' ') from++;
    if (len) out[len++] = '\n';
    memcpy(out + len, f->text + from, at[i].span.end - from);
    len += at[i].span.end - from;
  }
  return out;
}

static TwDecl *new_decl(TwParser *p, TwDeclKind kind, TwToken start, TwToken *name) {
  TwDecl *d = TW_NEW(&p->u->arena, TwDecl);
  d->kind = kind;
  d->span = tw_span_from(p, start.start);
  d->doc = doc_above(p, start.start);
  if (name) d->name = tw_b_ident(p, *name);
  return d;
}

TwDecl *tw_b_decl(TwParser *p, TwDeclKind kind, TwToken start, TwToken *name) { return new_decl(p, kind, start, name); }

TwDecl *tw_b_decl_error(TwParser *p) {
  TwToken here = {.start = p->broken < p->last_end ? p->broken : p->last_end};
  return new_decl(p, TW_DE_ERROR, here, NULL);
}

static void need_types(TwParser *p, const TwParamDecls *params) {
  for (uint32_t i = 0; i < params->len; i++) {
    const TwParamDecl *d = &params->at[i];
    if (d->type) continue;
    TwDiag *e = tw_diag(&p->u->diags, TW_E0113, d->name.span, "the parameter '%s' needs a type", d->name.name);
    tw_diag_help(&p->u->diags, e, "write '%s: real'", d->name.name);
  }
}

TwDecl *tw_b_fn(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwParamDecls *params, TwTypeExpr *result,
                TwPart body, TwDerivRules *rules) {
  TwDecl *d = new_decl(p, TW_DE_FN, start, &name);
  need_types(p, params);
  d->shape_params = *shape;
  d->params = *params;
  d->type = result;
  d->value = body.node;
  if (rules) TW_MOVE(d->derivatives, rules);
  if (rules && start.kind != TW_T_CUSTOM) {
    TwDiag *e = tw_diag(&p->u->diags, TW_E0113, rules->at[0].span, "only a custom function states its derivatives");
    tw_diag_help(&p->u->diags, e, "write 'custom fn %s'", d->name.name);
  }
  return d;
}

TwDecl *tw_b_model(TwParser *p, TwToken start, TwToken name, TwParamDecls *params, TwTypeExpr *result, TwPart body) {
  TwDecl *d = new_decl(p, TW_DE_MODEL, start, &name);
  need_types(p, params);
  d->params = *params;
  d->type = result;
  d->value = body.node;
  return d;
}

TwDecl *tw_b_optimizer(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwParamDecls *params, TwToken open,
                       TwBody *body) {
  TwDecl *d = new_decl(p, TW_DE_OPTIMIZER, start, &name);
  need_types(p, params);
  d->shape_params = *shape;
  d->params = *params;
  d->state = body->state;
  d->body = tw_b_loop_block(p, open, body);
  return d;
}

TwDecl *tw_b_domain(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwParamDecls *params, TwDecls *maps) {
  TwDecl *d = new_decl(p, TW_DE_DOMAIN, start, &name);
  need_types(p, params);
  d->shape_params = *shape;
  d->params = *params;
  TW_MOVE(d->decls, maps);
  return d;
}

TwDecl *tw_b_map(TwParser *p, TwToken name, TwParamDecls *params, TwTypeExpr *result, TwPart body) {
  TwDecl *d = new_decl(p, TW_DE_FN, name, &name);
  need_types(p, params);
  d->params = *params;
  d->type = result;
  d->value = body.node;
  return d;
}

TwDecl *tw_b_data(TwParser *p, TwToken start, TwToken name, TwToken source, TwDataArgs *args, TwPart target) {
  TwDecl *d = new_decl(p, TW_DE_DATA, start, &name);
  d->source = tw_b_ident(p, source);
  TW_MOVE(d->data_args, args);
  d->value = target.node;
  return d;
}

TwDecl *tw_b_param_decl(TwParser *p, TwToken start, TwToken name, TwTypeExpr *type, TwDomainExpr domain,
                        TwPart transform, TwStart value) {
  TwDecl *d = new_decl(p, TW_DE_PARAM, start, &name);
  d->type = type;
  d->domain = domain;
  d->transform = transform.node;
  d->value = value.value;
  d->is_law = value.is_law;
  return d;
}

TwDecl *tw_b_value_decl(TwParser *p, TwDeclKind kind, TwToken start, TwToken *name, TwTypeExpr *type, TwStart value) {
  TwDecl *d = new_decl(p, kind, start, name);
  d->type = type;
  d->value = value.value;
  d->is_law = value.is_law;
  return d;
}

TwDecl *tw_b_type_decl(TwParser *p, TwToken start, TwToken name, TwIdents *shape, TwTypeExpr *type) {
  TwDecl *d = new_decl(p, TW_DE_TYPE, start, &name);
  d->shape_params = *shape;
  d->type = type;
  return d;
}

TwDecl *tw_b_stage(TwParser *p, TwToken start, TwToken name, TwStageItems *items) {
  TwDecl *d = new_decl(p, TW_DE_STAGE, start, &name);
  TW_MOVE(d->items, items);
  return d;
}

TwDecl *tw_b_ensure(TwParser *p, TwToken start, TwPart e, TwIdents *during, TwPart every, bool stop) {
  TwDecl *d = new_decl(p, TW_DE_ENSURE, start, NULL);
  d->value = e.node;
  if (during) d->during = *during;
  d->every = every.node;
  d->stop = stop;
  return d;
}

static TwSpan first_word(const TwParser *p, const TwDecl *d) {
  const char *text = tw_source(&p->u->sources, p->file)->text;
  TwSpan s = {p->file, d->span.start, d->span.start};
  while (text[s.end] >= 'a' && text[s.end] <= 'z') s.end++;
  return s;
}

TwDecl *tw_b_variant(TwParser *p, TwToken start, TwToken name, TwDecls *decls) {
  TwDecl *d = new_decl(p, TW_DE_VARIANT, start, &name);
  for (uint32_t i = 0; i < decls->len; i++) {
    const TwDecl *in = decls->at[i];
    if (in->kind == TW_DE_VARIANT)
      tw_diag(&p->u->diags, TW_E0116, first_word(p, in), "a variant cannot hold another variant");
    if (in->kind == TW_DE_IMPORT) tw_diag(&p->u->diags, TW_E0116, first_word(p, in), "a variant cannot hold an import");
  }
  TW_MOVE(d->decls, decls);
  return d;
}

TwDecls *tw_b_decls(TwParser *p, TwDecls *list, TwDecl *d) {
  if (!list) list = TW_NEW(&p->u->arena, TwDecls);
  tw_vec_push(&p->u->arena, list, d);
  return list;
}

void tw_b_module_decl(TwParser *p, TwDecl *d) {
  if (d->kind == TW_DE_SKIP) {
    TwDiag *e = tw_diag(&p->u->diags, TW_E0116, first_word(p, d), "only a variant skips a stage");
    tw_diag_help(&p->u->diags, e, "write 'variant name { skip %s }', or delete the stage", d->name.name);
  }
  tw_vec_push(&p->u->arena, &p->module->decls, d);
}

TwDerivRules *tw_b_rules(TwParser *p, TwDerivRules *list, TwToken start, TwToken param, TwPart value) {
  if (!list) list = TW_NEW(&p->u->arena, TwDerivRules);
  TwDerivRule r = {tw_b_ident(p, param), value.node, tw_span_from(p, start.start)};
  tw_vec_push(&p->u->arena, list, r);
  return list;
}

TwDataArg tw_b_data_arg(TwParser *p, TwToken *name, TwPart value, TwDomainExpr *axis) {
  TwDataArg a = {.kind = axis ? TW_DA_AXIS : name ? TW_DA_NAMED : TW_DA_VALUE};
  a.value = value.node;
  if (name) a.name = tw_b_ident(p, *name);
  else if (value.node->kind == TW_EX_NAME) a.name = (TwIdent){value.node->name, value.node->span};
  if (axis) a.domain = *axis;
  a.span = tw_span_from(p, name ? name->start : value.start);
  return a;
}

TwDataArgs *tw_b_data_args(TwParser *p, TwDataArgs *list, TwDataArg arg) {
  if (!list) list = TW_NEW(&p->u->arena, TwDataArgs);
  tw_vec_push(&p->u->arena, list, arg);
  return list;
}

TwDomainExpr tw_b_interval(TwParser *p, TwToken open, TwPart lo, TwPart hi, bool lo_open, bool hi_open) {
  return (TwDomainExpr){.present = true,
                        .lo_open = lo_open,
                        .hi_open = hi_open,
                        .lo = lo.node,
                        .hi = hi.node,
                        .span = tw_span_from(p, open.start)};
}

TwDomainExpr tw_b_named_domain(TwParser *p, TwPart name) {
  return (TwDomainExpr){.present = true, .named = true, .name = name.node, .span = tw_span_from(p, name.start)};
}

TwStageItem tw_b_item(TwParser *p, TwStageItemKind kind, uint32_t start, TwIdents *names, TwPart value) {
  TwStageItem i = {.kind = kind, .value = value.node, .span = tw_span_from(p, start)};
  if (names) i.names = *names;
  return i;
}

TwStageItem tw_b_option(TwParser *p, TwToken word, TwToken *second, TwPart value) {
  TwIdents *names = tw_b_idents(p, NULL, word);
  if (second) tw_b_idents(p, names, *second);
  return tw_b_item(p, TW_SI_OPTION, word.start, names, value);
}

TwStageItems *tw_b_stage_items(TwParser *p, TwStageItems *list, TwStageItem item) {
  if (!list) list = TW_NEW(&p->u->arena, TwStageItems);
  tw_vec_push(&p->u->arena, list, item); /* one that could not be read has no place */
  return list;
}

const char *tw_decl_word(const TwDecl *d) {
  switch (d->kind) {
    case TW_DE_ERROR: return "declaration";
    case TW_DE_IMPORT: return "import";
    case TW_DE_CONST: return "const";
    case TW_DE_TYPE: return "type";
    case TW_DE_FN: return "fn";
    case TW_DE_OPTIMIZER: return "optimizer";
    case TW_DE_DOMAIN: return "domain";
    case TW_DE_DATA: return "data";
    case TW_DE_PARAM: return "param";
    case TW_DE_WEIGHTS: return "weights";
    case TW_DE_MODEL: return "model";
    case TW_DE_LOSS: return "loss";
    case TW_DE_MEASURE: return "measure";
    case TW_DE_STAGE: return "stage";
    case TW_DE_ENSURE: return "ensure";
    case TW_DE_EXPECT: return "expect";
    case TW_DE_VARIANT: return "variant";
    case TW_DE_SKIP: return "skip";
  }
  return "declaration";
}
