/* build.c: functions, instructions and value numbering.
 *
 * An instruction is looked up by operation, type, operands, attributes and region contents before it
 * is appended, so that equal values have equal refs. Operands of commutative operations are put in
 * one order first: a literal last, else by ref. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"
#include "compiler/base/bug.h"

static const TwOpInfo infos[TW_OP_COUNT] = {
    [TW_OP_none] = {"bundle", -1, TW_SHAPE_own},
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = {#name, arity, TW_SHAPE_##shape},
#include "compiler/ir/ops.def"
#undef TW_OP
};

const TwOpInfo *tw_op_info(TwOp op) { return &infos[op]; }
const char *tw_op_name(TwOp op) { return infos[op < TW_OP_COUNT ? op : TW_OP_none].name; }

const TwTyInfo *tw_info(const TwFn *f, TwRef r) { return &f->module->types.at[f->insts.at[r].type]; }
const TwRegion *tw_region(const TwFn *f, TwRef r) { return &f->regions.at[f->insts.at[r].region]; }

/* ---- bugs and scratch */

static void print_type(FILE *out, const TwModule *m, TwTy t) {
  static const char *const kinds[] = {"real", "int", "bool", "tuple"};
  const TwTyInfo *i = tw_ty_info(m, t);
  fprintf(out, "%s", kinds[i->dtype]);
  for (uint32_t k = 0; k < i->rank; k++) fprintf(out, "%s%lld", k ? ", " : "[", (long long)i->dims[k]);
  if (i->rank) fputc(']', out);
}

_Noreturn void tw_ir_bug(const TwFn *f, const TwProto *p, const char *why) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) tw_bug("internal error: %s", why);
  fprintf(out, "internal error: %s", why);
  if (f) fprintf(out, "\n  in function '%s'", f->name);
  if (p) fprintf(out, ", %s of (", tw_op_name(p->op));
  for (uint32_t k = 0; f && p && k < p->n_args; k++) {
    if (k) fputs(", ", out);
    if (p->args[k] && p->args[k] < f->insts.len) print_type(out, f->module, tw_type(f, p->args[k]));
    else fputs("nothing", out);
  }
  if (p) fputc(')', out);
  if (f && p && p->type) fputs(" -> ", out), print_type(out, f->module, p->type);
  if (f && f->at.file) fprintf(out, "\n  from source file %u, bytes %u to %u", f->at.file, f->at.start, f->at.end);
  fclose(out);
  tw_bug("%s", text ? text : why); /* the text is lost to a boundary: once, and small */
}

void *tw_scratch(size_t n, size_t size) {
  void *at = calloc(n ? n : 1, size);
  if (at) return at;
  tw_no_memory(0);
}

/* ---- hashing and equality */

static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 32;
}

static uint64_t proto_hash(const TwProto *p) {
  uint64_t h = mix(p->op, p->type);
  for (uint32_t k = 0; k < p->n_args; k++) h = mix(h, p->args[k]);
  for (uint32_t k = 0; k < p->n_attrs; k++) h = mix(h, (uint64_t)p->attrs[k]);
  if (!p->region) return h;
  const TwRegion *r = p->region;
  h = mix(mix(h, r->body->hash), r->other ? r->other->hash : 0);
  h = mix(mix(h, (uint64_t)r->trip), r->reverse);
  return mix(mix(h, r->n_consts), r->n_carry);
}

static bool region_equal(const TwRegion *a, const TwRegion *b) {
  if (!a || !b) return a == b;
  return a->trip == b->trip && a->reverse == b->reverse && a->n_consts == b->n_consts && a->n_carry == b->n_carry &&
         a->n_xs == b->n_xs && a->n_ys == b->n_ys && tw_fn_equal(a->body, b->body) &&
         (a->other && b->other ? tw_fn_equal(a->other, b->other) : a->other == b->other);
}

static bool proto_equal(const TwProto *a, const TwProto *b) {
  return a->op == b->op && a->type == b->type && a->n_args == b->n_args && a->n_attrs == b->n_attrs &&
         (!a->n_args || memcmp(a->args, b->args, a->n_args * sizeof *a->args) == 0) &&
         (!a->n_attrs || memcmp(a->attrs, b->attrs, a->n_attrs * sizeof *a->attrs) == 0) &&
         region_equal(a->region, b->region);
}

TwProto tw_proto_of(const TwFn *f, TwRef r) {
  const TwInst *i = tw_inst(f, r);
  return (TwProto){.op = (TwOp)i->op,
                   .type = i->type,
                   .args = i->n_args ? f->args.at + i->args : NULL,
                   .n_args = i->n_args,
                   .attrs = i->n_attrs ? f->attrs.at + i->attrs : NULL,
                   .n_attrs = i->n_attrs,
                   .region = tw_is_region_op((TwOp)i->op) ? &f->regions.at[i->region] : NULL};
}

uint64_t tw_fn_hash(const TwFn *f) {
  uint64_t h = mix(f->insts.len, f->params.len);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwProto p = tw_proto_of(f, r);
    h = mix(h, proto_hash(&p));
  }
  for (uint32_t k = 0; k < f->results.len; k++) h = mix(h, f->results.at[k]);
  return h;
}

bool tw_fn_equal(const TwFn *a, const TwFn *b) {
  if (a == b) return true;
  if (a->hash != b->hash || a->insts.len != b->insts.len || a->params.len != b->params.len ||
      a->results.len != b->results.len || a->module != b->module)
    return false;
  for (TwRef r = 1; r < a->insts.len; r++) {
    TwProto p = tw_proto_of(a, r), q = tw_proto_of(b, r);
    if (!proto_equal(&p, &q)) return false;
  }
  for (uint32_t k = 0; k < a->results.len; k++)
    if (a->results.at[k] != b->results.at[k]) return false;
  return true;
}

/* ---- appending and numbering */

TwFn *tw_fn_new(TwModule *m, const char *name) {
  TwFn *f = TW_NEW(m->arena, TwFn);
  f->module = m;
  f->name = tw_arena_strndup(m->arena, name, strlen(name));
  tw_vec_push(m->arena, &f->insts, (TwInst){0});
  return f;
}

TwRef tw_append(TwFn *f, const TwProto *p) {
  TwArena *a = f->module->arena;
  if (f->sealed) tw_ir_bug(f, p, "emission into a sealed function");
  TwInst i = {.op = (uint16_t)p->op,
              .type = p->type,
              .n_args = p->n_args,
              .args = f->args.len,
              .n_attrs = p->n_attrs,
              .attrs = f->attrs.len,
              .span = f->at};
  for (uint32_t k = 0; k < p->n_args; k++) tw_vec_push(a, &f->args, p->args[k]);
  for (uint32_t k = 0; k < p->n_attrs; k++) tw_vec_push(a, &f->attrs, p->attrs[k]);
  if (p->region) {
    i.region = f->regions.len;
    tw_vec_push(a, &f->regions, *p->region);
  }
  tw_vec_push(a, &f->insts, i);
  return f->insts.len - 1;
}

static void slots_grow(TwFn *f) {
  uint32_t cap = f->slot_cap ? f->slot_cap * 2 : 32;
  uint32_t *slots = TW_NEW_N(f->module->arena, uint32_t, cap);
  for (uint32_t s = 0; s < f->slot_cap; s++) {
    if (!f->slots[s]) continue;
    TwProto p = tw_proto_of(f, f->slots[s]);
    uint32_t at = (uint32_t)proto_hash(&p) & (cap - 1);
    while (slots[at]) at = (at + 1) & (cap - 1);
    slots[at] = f->slots[s];
  }
  f->slots = slots;
  f->slot_cap = cap;
}

TwRef tw_number(TwFn *f, const TwProto *p) {
  if (f->plain) return tw_append(f, p);
  if ((f->n_slots + 1) * 2 > f->slot_cap) slots_grow(f);
  uint32_t at = (uint32_t)proto_hash(p) & (f->slot_cap - 1);
  for (; f->slots[at]; at = (at + 1) & (f->slot_cap - 1)) {
    TwProto have = tw_proto_of(f, f->slots[at]);
    if (proto_equal(&have, p)) return f->slots[at];
  }
  TwRef r = tw_append(f, p);
  f->slots[at] = r;
  f->n_slots++;
  return r;
}

static bool commutes(TwOp op) {
  switch ((int)op) {
    case TW_OP_add:
    case TW_OP_mul:
    case TW_OP_mul0:
    case TW_OP_eq:
    case TW_OP_ne:
    case TW_OP_and:
    case TW_OP_or: return true;
  }
  return false;
}

TwRef tw_emit(TwFn *f, const TwProto *given) {
  TwProto p = *given;
  TwTy type = 0;
  const char *why = tw_shape(f, &p, &type);
  if (why) tw_ir_bug(f, &p, why);
  p.type = type;
  if (f->plain) return tw_append(f, &p);
  TwRef pair[2];
  if (commutes(p.op)) {
    pair[0] = p.args[0];
    pair[1] = p.args[1];
    bool la = tw_op(f, pair[0]) == TW_OP_const, lb = tw_op(f, pair[1]) == TW_OP_const;
    if (la != lb ? la : pair[0] > pair[1]) pair[0] = p.args[1], pair[1] = p.args[0];
    p.args = pair;
  }
  TwRef r = tw_fold(f, &p);
  return r ? r : tw_number(f, &p);
}

TwRef tw_bundle(TwFn *f, const TwRef *parts, uint32_t n) {
  TwProto p = {.op = TW_OP_none, .type = tw_ty_scalar(f->module, TW_TUPLE), .args = parts, .n_args = n};
  return tw_number(f, &p);
}

TwRef tw_param(TwFn *f, TwTy type) {
  int64_t at = f->params.len;
  TwProto p = {.op = TW_OP_param, .type = type, .attrs = &at, .n_attrs = 1};
  TwTy checked;
  const char *why = tw_shape(f, &p, &checked);
  if (why) tw_ir_bug(f, &p, why);
  TwRef r = tw_append(f, &p);
  tw_vec_push(f->module->arena, &f->params, r);
  return r;
}

void tw_result(TwFn *f, TwRef r) {
  if (f->sealed || r == 0 || r >= f->insts.len || tw_info(f, r)->dtype == TW_TUPLE)
    tw_ir_bug(f, NULL, "a result must be a value of the function being built");
  tw_vec_push(f->module->arena, &f->results, r);
}

uint32_t tw_fn_size(const TwFn *f) {
  TwVec(const TwFn *) seen = {0};
  TwArena scratch = {0};
  uint32_t total = 0;
  tw_vec_push(&scratch, &seen, f);
  for (uint32_t at = 0; at < seen.len; at++) {
    const TwFn *g = seen.at[at];
    total += g->insts.len - 1;
    for (uint32_t k = 0; k < 2 * g->regions.len; k++) {
      const TwFn *b = k & 1 ? g->regions.at[k / 2].other : g->regions.at[k / 2].body;
      bool known = b == NULL;
      for (uint32_t s = 0; s < seen.len && !known; s++) known = seen.at[s] == b;
      if (!known) tw_vec_push(&scratch, &seen, b);
    }
  }
  tw_arena_free(&scratch);
  return total;
}
