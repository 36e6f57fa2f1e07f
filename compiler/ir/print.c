/* print.c: the text form of a function (docs/ir.md).
 *
 * requires: a sealed function.
 * provides: text from which tw_ir_parse makes a function that prints alike. Bodies come before the
 *           functions that use them; names are made unique; values are numbered anew, parameters
 *           first. Spans are not printed. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"
#include "compiler/ir/passes.h"

typedef struct Printed {
  const TwFn *fn;
  const char *name;
} Printed;

typedef struct Printer {
  FILE *out;
  TwArena scratch;
  TwVec(Printed) fns;
} Printer;

static void print_type(const Printer *p, const TwModule *m, TwTy t) {
  static const char *const kinds[] = {"real", "int", "bool", "tuple"};
  const TwTyInfo *i = tw_ty_info(m, t);
  fputs(kinds[i->dtype], p->out);
  for (uint32_t k = 0; k < i->rank; k++) fprintf(p->out, "%s%" PRId64, k ? ", " : "[", i->dims[k]);
  if (i->rank) fputc(']', p->out);
}

static const char *name_of(const Printer *p, const TwFn *f) {
  for (uint32_t k = 0; k < p->fns.len; k++)
    if (p->fns.at[k].fn == f) return p->fns.at[k].name;
  return NULL;
}

static bool taken(const Printer *p, const char *name) {
  for (uint32_t k = 0; k < p->fns.len; k++)
    if (!strcmp(p->fns.at[k].name, name)) return true;
  return false;
}

/* A name of letters, digits, '_' and '.' that no printed function has. */
static const char *choose_name(Printer *p, const TwFn *f) {
  char *base = tw_arena_strndup(&p->scratch, *f->name ? f->name : "f", strlen(*f->name ? f->name : "f"));
  for (char *c = base; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.')) *c = '_';
  const char *name = base;
  for (uint32_t k = 2; taken(p, name); k++) name = tw_arena_printf(&p->scratch, "%s.%u", base, k);
  return name;
}

static void print_literal(const Printer *p, const TwFn *f, TwRef r) {
  TwKnown k;
  tw_literal(f, r, &k);
  TwDtype d = tw_info(f, r)->dtype;
  if (d == TW_BOOL) fputs(k.whole ? " true" : " false", p->out);
  else if (d == TW_INT) fprintf(p->out, " %" PRId64, k.whole);
  else if (isnan(k.real)) fputs(" nan", p->out);
  else fprintf(p->out, " %a", k.real);
}

static void print_refs(const Printer *p, const TwFn *f, TwRef r, const uint32_t *number, uint32_t from, uint32_t n) {
  for (uint32_t k = from; k < from + n; k++) fprintf(p->out, "%s%%%u", k > from ? ", " : "", number[tw_arg(f, r, k)]);
}

static void print_region(const Printer *p, const TwFn *f, TwRef r, const uint32_t *number) {
  const TwRegion *g = tw_region(f, r);
  TwOp op = tw_op(f, r);
  uint32_t at = g->n_consts;
  if (op == TW_OP_cond) {
    fprintf(p->out, " %%%u @%s @%s (", number[tw_arg(f, r, 0)], name_of(p, g->body), name_of(p, g->other));
    print_refs(p, f, r, number, 1, g->n_consts);
    fputc(')', p->out);
    return;
  }
  fprintf(p->out, " @%s (", name_of(p, g->body));
  print_refs(p, f, r, number, 0, g->n_consts);
  if (op == TW_OP_scan) {
    fputs("; ", p->out);
    print_refs(p, f, r, number, at, g->n_carry);
    at += g->n_carry;
  }
  fputs("; ", p->out);
  print_refs(p, f, r, number, at, g->n_xs);
  fprintf(p->out, ") trip %" PRId64, g->trip);
  if (op == TW_OP_samples) fprintf(p->out, " sums %u", g->n_carry);
  if (g->reverse) fputs(" reverse", p->out);
}

static void print_inst(const Printer *p, const TwFn *f, TwRef r, const uint32_t *number) {
  const TwInst *i = tw_inst(f, r);
  fprintf(p->out, "  %%%u = %s", number[r], tw_op_name((TwOp)i->op));
  if (tw_is_region_op((TwOp)i->op)) {
    print_region(p, f, r, number);
  } else if (i->op == TW_OP_const) {
    print_literal(p, f, r);
  } else {
    if (i->n_args) fputc(' ', p->out);
    print_refs(p, f, r, number, 0, i->n_args);
    for (uint32_t k = 0; k < i->n_attrs; k++) fprintf(p->out, "%s%" PRId64, k ? " " : " [", tw_attr(f, r, k));
    if (i->n_attrs) fputc(']', p->out);
  }
  fputs(" : ", p->out);
  print_type(p, f->module, i->type);
  fputc('\n', p->out);
}

static void print_fn(Printer *p, const TwFn *f) {
  uint32_t *number = tw_scratch(f->insts.len, sizeof *number), next = 1;
  Printed self = {f, choose_name(p, f)};
  if (p->fns.len) fputc('\n', p->out);
  tw_vec_push(&p->scratch, &p->fns, self);
  fprintf(p->out, "fn %s(", self.name);
  for (uint32_t k = 0; k < f->params.len; k++) {
    number[f->params.at[k]] = next;
    fprintf(p->out, "%s%%%u: ", k ? ", " : "", next++);
    print_type(p, f->module, tw_type(f, f->params.at[k]));
  }
  fputs(") -> (", p->out);
  for (uint32_t k = 0; k < f->results.len; k++) {
    if (k) fputs(", ", p->out);
    print_type(p, f->module, tw_type(f, f->results.at[k]));
  }
  fputs(") {\n", p->out);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    number[r] = next++;
    print_inst(p, f, r, number);
  }
  fputs("  return", p->out);
  for (uint32_t k = 0; k < f->results.len; k++) fprintf(p->out, "%s%%%u", k ? ", " : " ", number[f->results.at[k]]);
  fputs("\n}\n", p->out);
  free(number);
}

static void print_with_bodies(Printer *p, const TwFn *f) {
  if (name_of(p, f)) return;
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!tw_is_region_op(tw_op(f, r))) continue;
    print_with_bodies(p, tw_region(f, r)->body);
    if (tw_region(f, r)->other) print_with_bodies(p, tw_region(f, r)->other);
  }
  print_fn(p, f);
}

char *tw_ir_print(const TwFn *f) {
  char *text = NULL;
  size_t len = 0;
  Printer p = {.out = open_memstream(&text, &len)};
  if (!p.out) tw_ir_bug(f, NULL, "out of memory");
  print_with_bodies(&p, f);
  if (fclose(p.out) != 0) tw_ir_bug(f, NULL, "out of memory");
  char *kept = tw_arena_strndup(f->module->arena, text, len);
  free(text);
  tw_arena_free(&p.scratch);
  return kept;
}
