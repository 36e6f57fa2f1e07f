/* format_expr.c: the layout of expressions, types and parameters.
 *
 * requires: expressions without ERROR nodes.   provides: documents.
 * Lines break only where the token driver does not take a newline for a statement's end: inside
 * brackets, after binary operators, after `=` and `->`, and before `then` and `else`. Parentheses
 * are written where the tree needs them, and around `if` and `fn` as operands. */
#include "compiler/ast/format_internal.h"

enum { P_OR = 1, P_AND, P_NOT, P_COMPARE, P_ADD, P_MUL, P_SIGN, P_POW, P_POSTFIX };

static const char *operator_text(TwBinaryOp op) {
  switch (op) {
    case TW_BI_ADD: return "+";
    case TW_BI_SUB: return "-";
    case TW_BI_MUL: return "*";
    case TW_BI_DIV: return "/";
    case TW_BI_POW: return "^";
    case TW_BI_MATMUL: return "@";
    case TW_BI_MOD: return "%";
    case TW_BI_LT: return "<";
    case TW_BI_LE: return "<=";
    case TW_BI_GT: return ">";
    case TW_BI_GE: return ">=";
    case TW_BI_EQ: return "==";
    case TW_BI_NE: return "!=";
    case TW_BI_AND: return "and";
    case TW_BI_OR: return "or";
  }
  return "?";
}

static int binary_precedence(TwBinaryOp op) {
  switch (op) {
    case TW_BI_ADD:
    case TW_BI_SUB: return P_ADD;
    case TW_BI_MUL:
    case TW_BI_DIV:
    case TW_BI_MATMUL:
    case TW_BI_MOD: return P_MUL;
    case TW_BI_POW: return P_POW;
    case TW_BI_LT:
    case TW_BI_LE:
    case TW_BI_GT:
    case TW_BI_GE:
    case TW_BI_EQ:
    case TW_BI_NE: return P_COMPARE;
    case TW_BI_AND: return P_AND;
    case TW_BI_OR: return P_OR;
  }
  return P_OR;
}

/* 0: must be in parentheses wherever it is an operand. */
static int precedence(const TwExpr *e) {
  switch (e->kind) {
    case TW_EX_BINARY: return binary_precedence((TwBinaryOp)e->op);
    case TW_EX_UNARY: return e->op == TW_UN_NOT ? P_NOT : P_SIGN;
    case TW_EX_IF:
    case TW_EX_LAMBDA:
    case TW_EX_RANGE:
    case TW_EX_BLOCK: return 0;
    case TW_EX_FOR: return e->bracketed ? P_POSTFIX : 0;
    case TW_EX_ERROR:
    case TW_EX_INT:
    case TW_EX_REAL:
    case TW_EX_BOOL:
    case TW_EX_STRING:
    case TW_EX_NAME:
    case TW_EX_FIELD:
    case TW_EX_CALL:
    case TW_EX_INDEX:
    case TW_EX_ARRAY:
    case TW_EX_TUPLE:
    case TW_EX_RECORD: return P_POSTFIX;
  }
  return 0;
}

static void operand(TwFormat *f, TwDoc *seq, const TwExpr *e, bool parens) {
  if (parens) tw_f_put(f, seq, "(");
  tw_f_add(f, seq, tw_f_expr(f, e));
  if (parens) tw_f_put(f, seq, ")");
}

static void object(TwFormat *f, TwDoc *seq, const TwExpr *e, bool field) {
  bool number = e->kind == TW_EX_INT || e->kind == TW_EX_REAL;
  operand(f, seq, e, precedence(e) < P_POSTFIX || (field && number));
}

static TwDoc *power(TwFormat *f, const TwExpr *e) {
  TwDoc *seq = tw_f_seq(f);
  operand(f, seq, e->a, precedence(e->a) <= P_POW);
  tw_f_flush(f, seq, e->op_span.start);
  tw_f_put(f, seq, " ^ ");
  bool sign = e->b->kind == TW_EX_UNARY && e->b->op == TW_UN_NEG;
  operand(f, seq, e->b, precedence(e->b) < P_POW && !sign);
  return seq;
}

/* (a / b) * c keeps its parentheses: without them it is read too easily as a / (b * c). */
static bool quotient_first(const TwExpr *link, const TwExpr *left) {
  return left->kind == TW_EX_BINARY && left->op == TW_BI_DIV && link->op != TW_BI_DIV;
}

static bool continues_chain(const TwExpr *link, const TwExpr *left, int mine) {
  return mine != P_COMPARE && left->kind == TW_EX_BINARY && binary_precedence((TwBinaryOp)left->op) == mine &&
         !(mine == P_MUL && quotient_first(link, left));
}

/* a + b - c: operators of one precedence break together, after the operator. */
static TwDoc *chain(TwFormat *f, const TwExpr *e, bool indent) {
  int mine = binary_precedence((TwBinaryOp)e->op);
  if (mine == P_POW) return power(f, e);
  TwVec(const TwExpr *) links = {0};
  const TwExpr *first = e;
  do {
    tw_vec_push(f->a, &links, first);
    first = first->a;
  } while (continues_chain(links.at[links.len - 1], first, mine));
  TwDoc *head = tw_f_seq(f), *tail = tw_f_seq(f);
  operand(f, head, first, precedence(first) <= mine);
  for (uint32_t i = links.len; i > 0; i--) {
    const TwExpr *link = links.at[i - 1];
    tw_f_put(f, tail, " ");
    tw_f_put(f, tail, operator_text((TwBinaryOp)link->op));
    tw_f_break(f, tail, link->b->span.start);
    operand(f, tail, link->b, precedence(link->b) <= mine);
  }
  tw_f_add(f, head, indent ? tw_f_nest(f, tail) : tail);
  return tw_f_group(f, head);
}

static TwDoc *unary(TwFormat *f, const TwExpr *e) {
  TwDoc *seq = tw_f_seq(f);
  tw_f_flush(f, seq, e->op_span.start);
  tw_f_put(f, seq, e->op == TW_UN_NOT ? "not " : "-");
  int mine = precedence(e);
  operand(f, seq, e->a, precedence(e->a) < mine);
  return seq;
}

static TwDoc *conditional(TwFormat *f, const TwExpr *e, bool indent) {
  TwDoc *head = tw_f_seq(f), *tail = tw_f_seq(f);
  tw_f_flush(f, head, e->span.start);
  tw_f_put(f, head, "if ");
  tw_f_add(f, head, tw_f_expr(f, e->a));
  for (;;) {
    tw_f_break(f, tail, e->b->span.start);
    tw_f_put(f, tail, "then ");
    tw_f_add(f, tail, tw_f_expr(f, e->b));
    e = e->c;
    tw_f_break(f, tail, e->span.start);
    if (e->kind != TW_EX_IF) break;
    tw_f_put(f, tail, "else if ");
    tw_f_add(f, tail, tw_f_expr(f, e->a));
  }
  tw_f_put(f, tail, "else ");
  tw_f_add(f, tail, tw_f_expr(f, e));
  tw_f_add(f, head, indent ? tw_f_nest(f, tail) : tail);
  return tw_f_group(f, head);
}

static void range(TwFormat *f, TwDoc *seq, const TwExpr *e) {
  if (e->a) tw_f_add(f, seq, tw_f_expr(f, e->a)), tw_f_put(f, seq, " ");
  tw_f_flush(f, seq, e->op_span.start);
  tw_f_put(f, seq, "..");
  if (e->b) tw_f_put(f, seq, " "), tw_f_add(f, seq, tw_f_expr(f, e->b));
}

void tw_f_clause(TwFormat *f, TwDoc *seq, const TwForClause *c) {
  if (c->pattern) tw_f_put(f, seq, "(");
  for (uint32_t i = 0; i < c->names.len; i++) {
    if (i) tw_f_put(f, seq, ", ");
    tw_f_ident(f, seq, c->names.at[i]);
  }
  tw_f_put(f, seq, c->pattern ? ") in " : " in ");
  tw_f_add(f, seq, tw_f_expr(f, c->in));
}

/* e for i in … if c, between brackets or in a call's parentheses. */
static TwDoc *generator(TwFormat *f, const TwExpr *e, const char *open, const char *close, TwDocKind edge,
                        uint32_t close_pos) {
  TwDoc *inside = tw_f_seq(f), *all = tw_f_seq(f);
  tw_f_put(f, all, open);
  tw_f_edge(f, inside, e->a->span.start, edge);
  tw_f_add(f, inside, tw_f_expr_flush(f, e->a));
  tw_f_break(f, inside, e->fors.at[0].span.start);
  tw_f_put(f, inside, "for ");
  for (uint32_t i = 0; i < e->fors.len; i++) {
    if (i) tw_f_put(f, inside, ","), tw_f_break(f, inside, e->fors.at[i].span.start);
    tw_f_clause(f, inside, &e->fors.at[i]);
  }
  if (e->b) {
    tw_f_break(f, inside, e->b->span.start);
    tw_f_put(f, inside, "if ");
    tw_f_add(f, inside, tw_f_expr_flush(f, e->b));
  }
  tw_f_add(f, all, tw_f_nest(f, inside));
  tw_f_edge(f, all, close_pos, edge);
  tw_f_put(f, all, close);
  return tw_f_group(f, all);
}

void tw_f_args(TwFormat *f, TwFList *l, const TwArgs *args) {
  for (uint32_t i = 0; i < args->len; i++) {
    const TwArg *a = &args->at[i];
    tw_f_item(f, l, a->name.name ? a->name.span.start : a->value->span.start);
    if (a->name.name) {
      tw_f_ident(f, l->inner, a->name);
      tw_f_put(f, l->inner, " =");
      tw_f_value(f, l->inner, a->value);
    } else {
      tw_f_add(f, l->inner, tw_f_expr_flush(f, a->value));
    }
  }
}

static TwDoc *call(TwFormat *f, const TwExpr *e) {
  TwDoc *seq = tw_f_seq(f);
  object(f, seq, e->a, false);
  const TwExpr *only = e->args.len == 1 ? e->args.at[0].value : NULL;
  if (only && only->kind == TW_EX_FOR && !only->bracketed) {
    tw_f_add(f, seq, generator(f, only, "(", ")", TW_DOC_SOFT, e->span.end - 1));
    return seq;
  }
  TwFList l = tw_f_list(f, "(", ")", false, true);
  tw_f_args(f, &l, &e->args);
  tw_f_add(f, seq, tw_f_list_end(f, &l, e->span.end - 1));
  return seq;
}

static bool is_number(const TwExpr *e) {
  if (e->kind == TW_EX_UNARY && e->op == TW_UN_NEG) e = e->a;
  return e->kind == TW_EX_INT || e->kind == TW_EX_REAL;
}

/* Numbers, as many on a line as fit. */
static void numbers(TwFormat *f, TwDoc *seq, const TwExprs *at) {
  for (uint32_t i = 0; i < at->len; i++) {
    TwDoc *one = tw_f_seq(f);
    if (i) tw_f_kind(f, one, TW_DOC_LINE);
    tw_f_add(f, one, tw_f_expr_flush(f, at->at[i]));
    if (i + 1 < at->len) tw_f_put(f, one, ",");
    tw_f_add(f, seq, tw_f_group(f, one));
  }
}

static TwDoc *items(TwFormat *f, const TwExprs *at, const char *open, const char *close, uint32_t close_pos) {
  bool plain = at->len > 0 && !tw_f_comment_before(f, close_pos);
  for (uint32_t i = 0; i < at->len; i++) plain = plain && is_number(at->at[i]);
  if (plain) {
    TwFList all = tw_f_list(f, open, close, false, false);
    numbers(f, all.inner, at);
    return tw_f_list_end(f, &all, close_pos);
  }
  TwFList l = tw_f_list(f, open, close, false, true);
  for (uint32_t i = 0; i < at->len; i++) {
    tw_f_item(f, &l, at->at[i]->span.start);
    tw_f_add(f, l.inner, tw_f_expr_flush(f, at->at[i]));
  }
  return tw_f_list_end(f, &l, close_pos);
}

static TwDoc *record(TwFormat *f, const TwExpr *e) {
  TwFList l = tw_f_list(f, "{", "}", true, false);
  tw_f_args(f, &l, &e->args);
  return tw_f_list_end(f, &l, e->span.end - 1);
}

static TwDoc *lambda(TwFormat *f, const TwExpr *e) {
  TwDoc *seq = tw_f_seq(f);
  tw_f_flush(f, seq, e->span.start);
  tw_f_put(f, seq, "fn");
  tw_f_add(f, seq, tw_f_params(f, e->params.at, e->params.len, e->span.start));
  tw_f_put(f, seq, " =");
  tw_f_value(f, seq, e->body);
  return seq;
}

static TwDoc *expr(TwFormat *f, const TwExpr *e, bool indent) {
  TwDoc *seq = tw_f_seq(f);
  switch (e->kind) {
    case TW_EX_ERROR: return seq;
    case TW_EX_INT:
    case TW_EX_REAL:
    case TW_EX_BOOL:
    case TW_EX_STRING:
    case TW_EX_NAME: tw_f_source(f, seq, e->span); return seq;
    case TW_EX_FIELD:
      object(f, seq, e->a, true);
      tw_f_flush(f, seq, e->name_span.start);
      tw_f_put(f, seq, ".");
      tw_f_put(f, seq, e->name);
      return seq;
    case TW_EX_CALL: return call(f, e);
    case TW_EX_INDEX:
      object(f, seq, e->a, false);
      tw_f_add(f, seq, items(f, &e->items, "[", "]", e->span.end - 1));
      return seq;
    case TW_EX_UNARY: return unary(f, e);
    case TW_EX_BINARY: return chain(f, e, indent);
    case TW_EX_IF: return conditional(f, e, indent);
    case TW_EX_RANGE: range(f, seq, e); return seq;
    case TW_EX_ARRAY: return items(f, &e->items, "[", "]", e->span.end - 1);
    case TW_EX_TUPLE: return items(f, &e->items, "(", ")", e->span.end - 1);
    case TW_EX_RECORD: return record(f, e);
    case TW_EX_FOR: return generator(f, e, "[", "]", TW_DOC_LINE, e->span.end - 1);
    case TW_EX_LAMBDA: return lambda(f, e);
    case TW_EX_BLOCK: return tw_f_block(f, e->block, NULL);
  }
  return seq;
}

TwDoc *tw_f_expr(TwFormat *f, const TwExpr *e) { return expr(f, e, true); }
TwDoc *tw_f_expr_flush(TwFormat *f, const TwExpr *e) { return expr(f, e, false); }

static bool hugs(const TwExpr *e) {
  switch (e->kind) {
    case TW_EX_ARRAY:
    case TW_EX_TUPLE:
    case TW_EX_RECORD:
    case TW_EX_FOR:
    case TW_EX_CALL:
    case TW_EX_INDEX:
    case TW_EX_LAMBDA:
    case TW_EX_INT:
    case TW_EX_REAL:
    case TW_EX_BOOL:
    case TW_EX_STRING:
    case TW_EX_NAME:
    case TW_EX_FIELD:
    case TW_EX_BLOCK:
    case TW_EX_ERROR: return true;
    case TW_EX_UNARY:
    case TW_EX_BINARY:
    case TW_EX_IF:
    case TW_EX_RANGE: return false;
  }
  return false;
}

static TwDoc *make_expr(TwFormat *f, const void *e) { return tw_f_expr_flush(f, e); }

void tw_f_value(TwFormat *f, TwDoc *seq, const TwExpr *e) { tw_f_assign(f, seq, e->span.start, make_expr, e, hugs(e)); }

TwDoc *tw_f_params(TwFormat *f, const TwParamDecl *at, uint32_t n, uint32_t from) {
  TwFList l = tw_f_list(f, "(", ")", false, true);
  for (uint32_t i = 0; i < n; i++) {
    tw_f_item(f, &l, at[i].name.span.start);
    tw_f_ident(f, l.inner, at[i].name);
    from = at[i].name.span.end;
    if (at[i].type) {
      tw_f_put(f, l.inner, ": ");
      tw_f_add(f, l.inner, tw_f_type(f, at[i].type));
      from = at[i].type->span.end;
    }
    if (at[i].value) {
      tw_f_put(f, l.inner, " =");
      tw_f_value(f, l.inner, at[i].value);
      from = at[i].value->span.end;
    }
  }
  return tw_f_list_end(f, &l, tw_f_find(f, from, ')'));
}

TwDoc *tw_f_type(TwFormat *f, const TwTypeExpr *t) {
  TwDoc *seq = tw_f_seq(f);
  switch (t->kind) {
    case TW_TE_ERROR: break;
    case TW_TE_NAME:
      if (t->module.name) tw_f_ident(f, seq, t->module), tw_f_put(f, seq, ".");
      tw_f_ident(f, seq, t->name);
      for (uint32_t i = 0; i < t->brackets.len; i++) {
        const TwExprs *group = &t->brackets.at[i];
        uint32_t end = group->len ? group->at[group->len - 1]->span.end : t->span.start;
        tw_f_add(f, seq, items(f, group, "[", "]", tw_f_find(f, end, ']')));
      }
      break;
    case TW_TE_FN:
      tw_f_flush(f, seq, t->span.start);
      tw_f_put(f, seq, "fn");
      if (!t->result) break;
      tw_f_put(f, seq, "(");
      for (uint32_t i = 0; i < t->params.len; i++) {
        if (i) tw_f_put(f, seq, ", ");
        tw_f_add(f, seq, tw_f_type(f, t->params.at[i]));
      }
      tw_f_put(f, seq, ") -> ");
      tw_f_add(f, seq, tw_f_type(f, t->result));
      break;
    case TW_TE_RECORD: {
      TwFList l = tw_f_list(f, "{", "}", true, false);
      for (uint32_t i = 0; i < t->fields.len; i++) {
        tw_f_item(f, &l, t->fields.at[i].name.span.start);
        tw_f_ident(f, l.inner, t->fields.at[i].name);
        tw_f_put(f, l.inner, ": ");
        tw_f_add(f, l.inner, tw_f_type(f, t->fields.at[i].type));
      }
      tw_f_add(f, seq, tw_f_list_end(f, &l, t->span.end - 1));
      break;
    }
  }
  return seq;
}
