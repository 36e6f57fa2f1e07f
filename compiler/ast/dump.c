/* dump.c: the tree as text, a line a node: kind, what it holds, where it is.
 *
 * requires: a tree, possibly with ERROR nodes.   provides: tw_ast_dump. */
#include "compiler/ast/parse.h"

typedef struct Dump {
  const TwUnit *u;
  FILE *out;
  int depth;
} Dump;

static void line(Dump *d, const char *what, TwName name, TwSpan span) {
  TwPlace a = tw_place(&d->u->sources, span.file, span.start), b = tw_place(&d->u->sources, span.file, span.end);
  fprintf(d->out, "%*s%s", 2 * d->depth, "", what);
  if (name) fprintf(d->out, " %s", name);
  if (span.file) fprintf(d->out, " @%u:%u-%u:%u", a.line, a.column, b.line, b.column);
  fputc('\n', d->out);
}

static void expr(Dump *d, const char *role, const TwExpr *e);
static void block(Dump *d, const TwBlock *b);
static void type(Dump *d, const char *role, const TwTypeExpr *t);

static void idents(Dump *d, const char *role, const TwIdents *list) {
  for (uint32_t i = 0; i < list->len; i++) line(d, role, list->at[i].name, list->at[i].span);
}

static void args(Dump *d, const char *role, const TwArgs *list) {
  for (uint32_t i = 0; i < list->len; i++) {
    const TwArg *a = &list->at[i];
    if (!a->name.name) {
      expr(d, role, a->value);
      continue;
    }
    line(d, role, a->name.name, a->name.span);
    d->depth++;
    expr(d, "value", a->value);
    d->depth--;
  }
}

static void clause(Dump *d, const TwForClause *c) {
  line(d, c->pattern ? "for pattern" : "for", NULL, c->span);
  d->depth++;
  idents(d, "name", &c->names);
  expr(d, "in", c->in);
  d->depth--;
}

static void params(Dump *d, const TwParamDecls *list) {
  for (uint32_t i = 0; i < list->len; i++) {
    const TwParamDecl *p = &list->at[i];
    line(d, "parameter", p->name.name, p->name.span);
    d->depth++;
    type(d, "type", p->type);
    expr(d, "default", p->value);
    d->depth--;
  }
}

static void type(Dump *d, const char *role, const TwTypeExpr *t) {
  if (!t) return;
  static const char *const kinds[] = {"error", "name", "fn", "record"};
  char what[64];
  snprintf(what, sizeof what, "%s: %s%s%s", role, kinds[t->kind], t->module.name ? " in " : "",
           t->module.name ? t->module.name : "");
  line(d, what, t->name.name, t->span);
  d->depth++;
  for (uint32_t i = 0; i < t->brackets.len; i++) {
    char group[32];
    snprintf(group, sizeof group, "bracket %u", i);
    for (uint32_t k = 0; k < t->brackets.at[i].len; k++) expr(d, group, t->brackets.at[i].at[k]);
  }
  for (uint32_t i = 0; i < t->params.len; i++) type(d, "parameter", t->params.at[i]);
  type(d, "result", t->result);
  for (uint32_t i = 0; i < t->fields.len; i++) {
    line(d, "field", t->fields.at[i].name.name, t->fields.at[i].name.span);
    d->depth++;
    type(d, "type", t->fields.at[i].type);
    d->depth--;
  }
  d->depth--;
}

static const char *expr_kind(const TwExpr *e) {
  static const char *const unary[] = {"-", "not"};
  static const char *const binary[] = {"+",  "-", "*",  "/",  "^",  "@",   "%", "<",
                                       "<=", ">", ">=", "==", "!=", "and", "or"};
  switch (e->kind) {
    case TW_EX_ERROR: return "error";
    case TW_EX_INT: return "int";
    case TW_EX_REAL: return "real";
    case TW_EX_BOOL: return e->boolean ? "true" : "false";
    case TW_EX_STRING: return "string";
    case TW_EX_NAME: return "name";
    case TW_EX_FIELD: return "field";
    case TW_EX_CALL: return "call";
    case TW_EX_INDEX: return "index";
    case TW_EX_UNARY: return unary[e->op];
    case TW_EX_BINARY: return binary[e->op];
    case TW_EX_IF: return "if";
    case TW_EX_RANGE: return "range";
    case TW_EX_ARRAY: return "array";
    case TW_EX_TUPLE: return "tuple";
    case TW_EX_RECORD: return "record";
    case TW_EX_FOR: return e->bracketed ? "comprehension" : "generator";
    case TW_EX_LAMBDA: return "lambda";
    case TW_EX_BLOCK: return "block";
  }
  return "?";
}

static void expr(Dump *d, const char *role, const TwExpr *e) {
  if (!e) return;
  char what[96], value[40] = "";
  if (e->kind == TW_EX_INT) snprintf(value, sizeof value, " %lld", (long long)e->integer);
  if (e->kind == TW_EX_REAL) snprintf(value, sizeof value, " %.17g", e->real);
  snprintf(what, sizeof what, "%s: %s%s", role, expr_kind(e), value);
  line(d, what, e->kind == TW_EX_STRING ? tw_span_text(&d->u->sources, e->span, 60) : e->name, e->span);
  d->depth++;
  bool choice = e->kind == TW_EX_IF;
  expr(d, choice ? "condition" : e->kind == TW_EX_FOR ? "body" : "a", e->a);
  for (uint32_t i = 0; i < e->fors.len; i++) clause(d, &e->fors.at[i]);
  expr(d, choice ? "then" : e->kind == TW_EX_FOR ? "condition" : "b", e->b);
  expr(d, "else", e->c);
  for (uint32_t i = 0; i < e->items.len; i++) expr(d, "item", e->items.at[i]);
  args(d, e->kind == TW_EX_RECORD ? "field" : "argument", &e->args);
  params(d, &e->params);
  expr(d, "body", e->body);
  if (e->block) block(d, e->block);
  d->depth--;
}

static void decl(Dump *d, const TwDecl *x);

static void stmt(Dump *d, const TwStmt *s) {
  if (s->kind == TW_ST_FN) {
    decl(d, s->fn);
    return;
  }
  static const char *const kinds[] = {"error", "let", "recurrence", "assign", "fn", "loop"};
  line(d, s->pattern ? "let pattern" : kinds[s->kind], NULL, s->span);
  d->depth++;
  idents(d, "name", &s->names);
  type(d, "type", s->type);
  expr(d, "value", s->value);
  for (uint32_t i = 0; i < s->cases.len; i++) {
    const TwRecurCase *c = &s->cases.at[i];
    line(d, "case", NULL, c->span);
    d->depth++;
    expr(d, "index", c->index);
    expr(d, "value", c->value);
    if (c->has_for) clause(d, &c->clause);
    d->depth--;
  }
  if (s->kind == TW_ST_LOOP) clause(d, &s->clause);
  for (uint32_t i = 0; i < s->inner.len; i++) clause(d, &s->inner.at[i]);
  if (s->body) block(d, s->body);
  d->depth--;
}

static void block(Dump *d, const TwBlock *b) {
  for (uint32_t i = 0; i < b->stmts.len; i++) stmt(d, b->stmts.at[i]);
  expr(d, "result", b->result);
}

static void domain(Dump *d, const TwDomainExpr *m) {
  if (!m->present) return;
  line(d,
       m->named     ? "domain"
       : m->lo_open ? m->hi_open ? "domain (,)" : "domain (,]"
       : m->hi_open ? "domain [,)"
                    : "domain [,]",
       NULL, m->span);
  d->depth++;
  expr(d, "low", m->lo);
  expr(d, "high", m->hi);
  expr(d, "name", m->name);
  d->depth--;
}

static void data_args(Dump *d, const TwDecl *x) {
  static const char *const kinds[] = {"value", "named", "axis"};
  if (x->kind == TW_DE_DATA) line(d, "source", x->source.name, x->source.span);
  for (uint32_t i = 0; i < x->data_args.len; i++) {
    const TwDataArg *a = &x->data_args.at[i];
    line(d, kinds[a->kind], a->name.name, a->span);
    d->depth++;
    expr(d, "value", a->value);
    domain(d, &a->domain);
    d->depth--;
  }
}

static void stage_items(Dump *d, const TwDecl *x) {
  static const char *const kinds[] = {"train", "optimizer", "epochs", "batch", "keep", "keep best", "loss", "option"};
  for (uint32_t i = 0; i < x->items.len; i++) {
    line(d, kinds[x->items.at[i].kind], NULL, x->items.at[i].span);
    d->depth++;
    idents(d, "name", &x->items.at[i].names);
    expr(d, "value", x->items.at[i].value);
    expr(d, "condition", x->items.at[i].condition);
    d->depth--;
  }
}

static void decl(Dump *d, const TwDecl *x) {
  static const char *const kinds[] = {"error",   "import", "const",  "type",    "fn",      "optimizer",
                                      "domain",  "data",   "param",  "weights", "model",   "loss",
                                      "measure", "stage",  "ensure", "expect",  "variant", "skip"};
  line(d, x->is_custom ? "custom fn" : kinds[x->kind], x->name.name, x->span);
  d->depth++;
  idents(d, "shape parameter", &x->shape_params);
  params(d, &x->params);
  type(d, "type", x->type);
  data_args(d, x);
  domain(d, &x->domain);
  expr(d, "transform", x->transform);
  expr(d, x->is_law ? "law" : "value", x->value);
  for (uint32_t i = 0; i < x->derivatives.len; i++) {
    line(d, "derivative", x->derivatives.at[i].param.name, x->derivatives.at[i].span);
    d->depth++;
    expr(d, "value", x->derivatives.at[i].value);
    d->depth--;
  }
  args(d, "state", &x->state);
  if (x->body) block(d, x->body);
  stage_items(d, x);
  idents(d, "during", &x->during);
  expr(d, "every", x->every);
  if (x->stop) line(d, "stop", NULL, (TwSpan){0});
  for (uint32_t i = 0; i < x->decls.len; i++) decl(d, x->decls.at[i]);
  d->depth--;
}

void tw_ast_dump(const TwUnit *u, const TwModuleAst *m, FILE *out) {
  Dump d = {u, out, 0};
  fprintf(out, "module %s\n", m->name);
  d.depth = 1;
  for (uint32_t i = 0; i < m->decls.len; i++) decl(&d, m->decls.at[i]);
}
