/* verify.c: is a function well formed?
 *
 * requires: nothing; the function may be broken in any way short of invalid pointers.
 * provides: NULL, or a message that names the function, the instruction and the rule. Every body is
 *           checked once, before the instruction that uses it. */
#include <stdlib.h>

#include "compiler/ir/internal.h"
#include "compiler/ir/passes.h"

typedef struct Checker {
  TwModule *m;
  TwArena scratch;
  TwVec(const TwFn *) done, open; /* open: being checked, innermost last */
} Checker;

static const char *complain(const Checker *c, const TwFn *f, TwRef r, const char *why) {
  if (!r) return tw_arena_printf(c->m->arena, "function '%s': %s", f->name, why);
  TwOp op = tw_op(f, r);
  const char *name = op > TW_OP_none && op < TW_OP_COUNT ? tw_op_name(op) : "?";
  return tw_arena_printf(c->m->arena, "function '%s', %%%u = %s: %s", f->name, r, name, why);
}

static bool within(uint32_t at, uint32_t n, uint32_t len) { return at <= len && n <= len - at; }

static const char *check_layout(const TwFn *f, TwRef r) {
  const TwInst *i = tw_inst(f, r);
  if (i->op == TW_OP_none || i->op >= TW_OP_COUNT) return "no such operation";
  if (i->type == 0 || i->type >= f->module->types.len) return "no such type";
  if (!within(i->args, i->n_args, f->args.len) || !within(i->attrs, i->n_attrs, f->attrs.len))
    return "operands or attributes lie outside their table";
  if (tw_is_region_op((TwOp)i->op) && i->region >= f->regions.len) return "no such region";
  for (uint32_t k = 0; k < i->n_args; k++)
    if (tw_arg(f, r, k) == 0 || tw_arg(f, r, k) >= r) return "an operand is not earlier than its user";
  return NULL;
}

static const char *check_param(const TwFn *f, TwRef r) {
  if (tw_op(f, r) != TW_OP_param) return NULL;
  int64_t at = tw_inst(f, r)->n_attrs == 1 ? tw_attr(f, r, 0) : -1;
  if (at < 0 || at >= f->params.len || f->params.at[at] != r) return "a parameter is not at its position";
  return NULL;
}

static const char *check_fn(Checker *c, const TwFn *f);

static const char *check_body(Checker *c, const TwFn *f, TwRef r, const TwFn *body) {
  if (!body) return NULL; /* whether there must be one is the shape rule's */
  for (uint32_t k = 0; k < c->open.len; k++)
    if (c->open.at[k] == body) return complain(c, f, r, "a body contains itself");
  for (uint32_t k = 0; k < c->done.len; k++)
    if (c->done.at[k] == body) return NULL;
  return check_fn(c, body);
}

static const char *check_inst(Checker *c, const TwFn *f, TwRef r) {
  const char *why = check_layout(f, r);
  if (why) return complain(c, f, r, why);
  TwProto p = tw_proto_of(f, r);
  if (p.region) {
    why = check_body(c, f, r, p.region->body);
    if (!why) why = check_body(c, f, r, p.region->other);
    if (why) return why;
  }
  TwTy type;
  why = tw_shape(f, &p, &type);
  if (!why) why = check_param(f, r);
  return why ? complain(c, f, r, why) : NULL;
}

static const char *check_fn(Checker *c, const TwFn *f) {
  if (f->module != c->m) return complain(c, f, 0, "belongs to another module");
  if (!f->sealed) return complain(c, f, 0, "is not sealed");
  if (f->insts.len < 1) return complain(c, f, 0, "has no instruction 0");
  tw_vec_push(&c->scratch, &c->open, f);
  const char *why = NULL;
  for (TwRef r = 1; r < f->insts.len && !why; r++) why = check_inst(c, f, r);
  c->open.len--;
  if (why) return why;
  for (uint32_t k = 0; k < f->params.len; k++) {
    TwRef r = f->params.at[k];
    if (r == 0 || r >= f->insts.len || tw_op(f, r) != TW_OP_param || tw_attr(f, r, 0) != k)
      return complain(c, f, 0, "a parameter is not at its position");
  }
  for (uint32_t k = 0; k < f->results.len; k++) {
    TwRef r = f->results.at[k];
    if (r == 0 || r >= f->insts.len) return complain(c, f, 0, "a result does not exist");
    if (tw_info(f, r)->dtype == TW_TUPLE) return complain(c, f, r, "a tuple cannot be a result");
  }
  tw_vec_push(&c->scratch, &c->done, f);
  return NULL;
}

const char *tw_verify(const TwFn *f) {
  Checker c = {.m = f->module};
  const char *why = check_fn(&c, f);
  tw_arena_free(&c.scratch);
  return why;
}
