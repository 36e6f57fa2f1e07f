/* dump.c: the typed program as text: emit --as typed. An indented tree, one node a line. */
#include <math.h>

#include "compiler/sema/check.h"

typedef struct Out {
  const TwUnit *u;
  const TwProgram *p;
  FILE *f;
  TwArena text; /* of types */
} Out;

static void tx(Out *o, const TwTx *t, int depth);
static void ts(Out *o, const TwTs *t, int depth);

static void indent(Out *o, int depth) { fprintf(o->f, "%*s", 2 * depth, ""); }
static const char *type(Out *o, const TwType *t) { return tw_type_text(&o->text, t); }

static const char *op_name(TwOp op) {
  switch (op) {
#define TW_OP(name, ...)                                                                                               \
  case TW_OP_##name:                                                                                                   \
    return #name;
#include "compiler/ir/ops.def"
#undef TW_OP
    case TW_OP_none:
    case TW_OP_COUNT: break;
  }
  return "none";
}

static const char *reduce_name(TwReduce r) {
  static const char *const names[] = {"sum", "mean", "prod", "min", "max", "any", "all"};
  return names[r];
}

static const char *kind_name(TwTxKind k) {
  static const char *const names[] = {[TW_TX_POISON] = "poison",
                                      [TW_TX_CONST] = "const",
                                      [TW_TX_LOCAL] = "local",
                                      [TW_TX_PARAM] = "param",
                                      [TW_TX_WEIGHTS] = "weights",
                                      [TW_TX_GLOBAL] = "global",
                                      [TW_TX_OP] = "op",
                                      [TW_TX_POWI] = "powi",
                                      [TW_TX_MATMUL] = "matmul",
                                      [TW_TX_TRANSPOSE] = "transpose",
                                      [TW_TX_REDUCE] = "reduce",
                                      [TW_TX_INDEX] = "index",
                                      [TW_TX_FIELD] = "field",
                                      [TW_TX_TUPLE] = "tuple",
                                      [TW_TX_ARRAY] = "array",
                                      [TW_TX_FILL] = "fill",
                                      [TW_TX_CONCAT] = "concat",
                                      [TW_TX_FOR] = "for",
                                      [TW_TX_REDUCE_FOR] = "reduce_for",
                                      [TW_TX_IF] = "if",
                                      [TW_TX_BLOCK] = "block",
                                      [TW_TX_DRAW] = "draw",
                                      [TW_TX_LOADED] = "loaded",
                                      [TW_TX_DERIVATIVE] = "derivative"};
  return names[k];
}

static void local(Out *o, const TwLocal *l) {
  if (l) fprintf(o->f, " %s.%u: %s", l->name, l->id, type(o, l->type));
}

static void iter(Out *o, const TwIter *it, int depth) {
  indent(o, depth);
  fprintf(o->f, "over");
  local(o, it->local);
  local(o, it->target);
  if (it->kind == TW_IT_RANGE) fprintf(o->f, " in %lld .. %lld\n", (long long)it->lo, (long long)(it->lo + it->n));
  else if (it->kind == TW_IT_DATA)
    fprintf(o->f, " in data %s, %lld rows\n", o->p->datas.at[it->data].name, (long long)it->n);
  else {
    fprintf(o->f, " in an array of %lld\n", (long long)it->n);
    tx(o, it->array, depth + 1);
  }
}

static void detail(Out *o, const TwTx *t) {
  switch (t->kind) {
    case TW_TX_CONST:
      if (t->known) fprintf(o->f, " %lld", (long long)t->integer);
      else fprintf(o->f, " %.17g", t->number);
      break;
    case TW_TX_LOCAL: fprintf(o->f, " %s.%u", t->local->name, t->local->id); break;
    case TW_TX_PARAM: fprintf(o->f, " %s", o->p->params.at[t->index].name); break;
    case TW_TX_WEIGHTS: fprintf(o->f, " %s", o->p->weights.at[t->index].name); break;
    case TW_TX_GLOBAL: fprintf(o->f, " %s", o->p->globals.at[t->index].name); break;
    case TW_TX_OP: fprintf(o->f, " %s", op_name(t->op)); break;
    case TW_TX_POWI: fprintf(o->f, " ^%lld", (long long)t->integer); break;
    case TW_TX_REDUCE:
    case TW_TX_REDUCE_FOR: fprintf(o->f, " %s", reduce_name(t->reduce)); break;
    case TW_TX_FIELD:
    case TW_TX_DRAW: fprintf(o->f, " %u", t->index); break;
    case TW_TX_LOADED: fprintf(o->f, " at %lld", (long long)t->integer); break;
    case TW_TX_BLOCK:
      if (t->callee) fprintf(o->f, " of %s", t->callee->name.name);
      break;
    case TW_TX_DERIVATIVE: local(o, t->local); break;
    case TW_TX_POISON:
    case TW_TX_MATMUL:
    case TW_TX_TRANSPOSE:
    case TW_TX_INDEX:
    case TW_TX_TUPLE:
    case TW_TX_ARRAY:
    case TW_TX_FILL:
    case TW_TX_CONCAT:
    case TW_TX_FOR:
    case TW_TX_IF: break;
  }
}

static void tx(Out *o, const TwTx *t, int depth) {
  indent(o, depth);
  fprintf(o->f, "%s", kind_name(t->kind));
  detail(o, t);
  fprintf(o->f, " : %s\n", type(o, t->type));
  for (uint32_t k = 0; k < t->iters.len; k++) iter(o, &t->iters.at[k], depth + 1);
  for (uint32_t k = 0; k < t->stmts.len; k++) ts(o, t->stmts.at[k], depth + 1);
  for (uint32_t k = 0; k < t->args.len; k++) tx(o, t->args.at[k], depth + 1);
  for (uint32_t k = 0; k < t->items.len; k++) {
    const TwIndexItem *it = &t->items.at[k];
    indent(o, depth + 1);
    if (it->at) fprintf(o->f, "at\n"), tx(o, it->at, depth + 2);
    else fprintf(o->f, "slice %lld .. %lld\n", (long long)it->lo, (long long)(it->lo + it->n));
  }
}

static void recur(Out *o, const TwTs *t, int depth) {
  fprintf(o->f, "recur");
  local(o, t->local);
  fprintf(o->f, "\n");
  for (uint32_t k = 0; k < t->cases.len; k++) {
    const TwRecur *c = &t->cases.at[k];
    indent(o, depth + 1);
    if (!c->i) fprintf(o->f, "element %lld\n", (long long)c->offset);
    else
      fprintf(o->f, "element %s.%u + %lld in %lld .. %lld, order %u%s\n", c->i->name, c->i->id, (long long)c->offset,
              (long long)c->lo, (long long)(c->lo + c->n), c->order, c->reverse ? ", in reverse" : "");
    tx(o, c->value, depth + 2);
  }
}

static void ts(Out *o, const TwTs *t, int depth) {
  indent(o, depth);
  if (t->kind == TW_TS_LET) {
    fprintf(o->f, "let");
    local(o, t->local);
    fprintf(o->f, "\n");
    tx(o, t->value, depth + 1);
    return;
  }
  if (t->kind == TW_TS_RECUR) {
    recur(o, t, depth);
    return;
  }
  fprintf(o->f, "loop\n");
  iter(o, &t->iter, depth + 1);
  for (uint32_t k = 0; k < t->before.len; k++) {
    indent(o, depth + 1);
    fprintf(o->f, "carry");
    local(o, t->inside.at[k]);
    fprintf(o->f, " from %s.%u, then %s.%u\n", t->before.at[k]->name, t->before.at[k]->id, t->after.at[k]->name,
            t->after.at[k]->id);
  }
  for (uint32_t k = 0; k < t->body.len; k++) ts(o, t->body.at[k], depth + 1);
  for (uint32_t k = 0; k < t->next.len; k++) {
    indent(o, depth + 1);
    fprintf(o->f, "next\n");
    tx(o, t->next.at[k], depth + 2);
  }
}

/* ---- declarations */
static const char *compare(TwBinaryOp op) {
  return op == TW_BI_LT ? "<" : op == TW_BI_LE ? "<=" : op == TW_BI_GT ? ">" : op == TW_BI_GE ? ">=" : "==";
}

static void axes(Out *o, const TwDataSet *d) {
  for (uint32_t k = 0; k < d->inputs.len + d->columns.len; k++) {
    bool input = k < d->inputs.len;
    const TwAxis *x = input ? &d->inputs.at[k] : &d->columns.at[k - d->inputs.len];
    indent(o, 1);
    fprintf(o->f, "%s", input ? "input" : "column");
    local(o, x->local);
    if (x->column) fprintf(o->f, " \"%s\"\n", x->column);
    else
      fprintf(o->f, " in %c%.17g, %.17g%c, %lld points\n", x->lo_open ? '(' : '[', x->lo, x->hi, x->hi_open ? ')' : ']',
              (long long)x->n);
  }
}

static void params(Out *o) {
  static const char *const transforms[] = {"none", "clip", "logistic", "exp", "forward"};
  for (uint32_t k = 0; k < o->p->init_order.len; k++) {
    const TwParam *p = &o->p->params.at[o->p->init_order.at[k]];
    fprintf(o->f, "param %s : %s in %c%.17g, %.17g%c by %s", p->name, type(o, p->type), p->lo_open ? '(' : '[', p->lo,
            p->hi, p->hi_open ? ')' : ']', transforms[p->transform]);
    if (p->transform == TW_TR_CLIP) fprintf(o->f, "(%.17g)", p->eps);
    if (p->domain) fprintf(o->f, " of %s, from %s", p->domain->name.name, type(o, p->coord));
    fprintf(o->f, p->is_law ? ", a law\n" : "\n");
    tx(o, p->start, 1);
  }
}

static void update(Out *o, const TwUpdate *u) {
  if (!u->decl) return;
  indent(o, 1);
  fprintf(o->f, "optimizer %s", u->decl->name.name);
  local(o, u->p);
  local(o, u->g);
  local(o, u->t);
  local(o, u->epoch);
  local(o, u->epochs);
  fprintf(o->f, "\n");
  for (uint32_t k = 0; k < u->states.len; k++) {
    indent(o, 2);
    fprintf(o->f, "state");
    local(o, u->states.at[k].local);
    fprintf(o->f, " = %.17g\n", u->states.at[k].start);
  }
  for (uint32_t k = 0; k < u->stmts.len; k++) ts(o, u->stmts.at[k], 2);
  indent(o, 2);
  fprintf(o->f, "next p\n");
  tx(o, u->next_p, 3);
  for (uint32_t k = 0; k < u->next_state.len; k++) {
    indent(o, 2);
    fprintf(o->f, "next %s\n", u->states.at[k].local->name);
    tx(o, u->next_state.at[k], 3);
  }
}

static void target(Out *o, const char *word, const TwTarget *t) {
  static const char *const ops[] = {"<", "<=", ">", ">="};
  if (t->given) fprintf(o->f, "  %s loss %s %.17g\n", word, ops[t->op - TW_BI_LT], t->bound);
}

static void stages(Out *o) {
  for (uint32_t k = 0; k < o->p->stages.len; k++) {
    const TwStage *s = &o->p->stages.at[k];
    fprintf(o->f, "stage %s: %lld epochs, %lld reals", s->name, (long long)s->epochs, (long long)s->n_flat);
    if (s->batch) fprintf(o->f, ", batch %lld of %s", (long long)s->batch, o->p->datas.at[s->batch_data].name);
    if (s->keep) fprintf(o->f, ", keep");
    if (s->keep_best) fprintf(o->f, ", keep best");
    if (s->clip_norm > 0) fprintf(o->f, ", clip_norm %.17g", s->clip_norm);
    fprintf(o->f, "\n  train");
    for (uint32_t j = 0; j < s->params.len; j++) fprintf(o->f, " param %s", o->p->params.at[s->params.at[j]].name);
    for (uint32_t j = 0; j < s->weights.len; j++) fprintf(o->f, " weights %s", o->p->weights.at[s->weights.at[j]].name);
    fprintf(o->f, "\n");
    update(o, &s->update);
    if (s->method == TW_ME_LM) fprintf(o->f, "  lm, damping %.17g\n", s->damping);
    if (s->method == TW_ME_LBFGS) fprintf(o->f, "  lbfgs, memory %lld\n", (long long)s->memory);
    if (s->patience) fprintf(o->f, "  patience %lld\n", (long long)s->patience);
    if (s->recompute) fprintf(o->f, "  recompute %lld\n", (long long)s->recompute);
    if (s->rounds) fprintf(o->f, "  rounds %lld, kick %.17g\n", (long long)s->rounds, s->kick);
    target(o, "until", &s->until);
    if (s->retries) fprintf(o->f, "  retry %lld\n", (long long)s->retries);
    target(o, "if", &s->retry);
    if (s->loss && s->loss != o->p->loss) fprintf(o->f, "  loss\n"), tx(o, s->loss, 2);
  }
}

static const char *const quantities[] = {"regions",        "least",      "greatest",     "least_slope",
                                         "greatest_slope", "least_bend", "greatest_bend"};

static void bounds(Out *o) {
  for (uint32_t k = 0; k < o->p->ensures.len; k++) {
    const TwEnsure *e = &o->p->ensures.at[k];
    fprintf(o->f, "ensure ");
    if (e->kind == TW_EN_REGIONS)
      fprintf(o->f, "%s(%s, [%.17g, %.17g], sliver = %.17g)", quantities[e->quantity], o->p->models.at[e->model].name,
              e->lo, e->hi, e->sliver);
    else fprintf(o->f, "value");
    fprintf(o->f, " %s %.17g", compare(e->op), e->bound);
    for (uint32_t j = 0; j < e->during.len; j++)
      fprintf(o->f, "%s %s", j ? "," : " during", o->p->stages.at[e->during.at[j]].name);
    fprintf(o->f, " every %lld%s\n", (long long)e->every, e->stop ? " stop" : "");
    if (e->value) tx(o, e->value, 1);
  }
  for (uint32_t k = 0; k < o->p->expects.len; k++) {
    const TwExpect *e = &o->p->expects.at[k];
    const char *what = e->kind == TW_XP_LOSS        ? "loss"
                       : e->kind == TW_XP_BEST_LOSS ? "best_loss"
                       : e->kind == TW_XP_MEASURE   ? o->p->measures.at[e->measure].name
                                                    : quantities[e->quantity];
    fprintf(o->f, "expect %s", what);
    if (e->kind == TW_XP_REGIONS)
      fprintf(o->f, "(%s, [%.17g, %.17g], sliver = %.17g)", o->p->models.at[e->model].name, e->lo, e->hi, e->sliver);
    fprintf(o->f, " %s %.17g\n", compare(e->op), e->bound);
  }
}

void tw_program_dump(const TwUnit *u, const TwProgram *p, FILE *f) {
  Out o = {.u = u, .p = p, .f = f};
  fprintf(f, "variant %s\n", p->variant);
  for (uint32_t k = 0; k < p->globals.len; k++)
    fprintf(f, "const %s\n", p->globals.at[k].name), tx(&o, p->globals.at[k].value, 1);
  for (uint32_t k = 0; k < p->datas.len; k++) {
    const TwDataSet *d = &p->datas.at[k];
    fprintf(f, "data %s: %lld rows%s%s\n", d->name, (long long)d->n, d->path ? " of " : "", d->path ? d->path : "");
    axes(&o, d);
    if (d->target) tx(&o, d->target, 1);
    if (d->weight) fprintf(f, "  weight\n"), tx(&o, d->weight, 1);
  }
  params(&o);
  for (uint32_t k = 0; k < p->weights.len; k++) {
    const TwWeights *w = &p->weights.at[k];
    fprintf(f, "weights %s : %s%s\n", w->name, type(&o, w->type), w->is_law ? ", a law" : "");
    tx(&o, w->value, 1);
  }
  for (uint32_t k = 0; k < p->models.len; k++) {
    fprintf(f, "model %s", p->models.at[k].name);
    for (uint32_t j = 0; j < p->models.at[k].inputs.len; j++) local(&o, p->models.at[k].inputs.at[j]);
    fprintf(f, "\n");
    tx(&o, p->models.at[k].body, 1);
  }
  if (p->loss) fprintf(f, "loss\n"), tx(&o, p->loss, 1);
  for (uint32_t k = 0; k < p->measures.len; k++)
    fprintf(f, "measure %s\n", p->measures.at[k].name), tx(&o, p->measures.at[k].value, 1);
  stages(&o);
  bounds(&o);
  tw_arena_free(&o.text);
}
