/* text.c: operations with numbers, rows and iterations, in words. */
#include <string.h>

#include "compiler/probe/internal.h"

static const char *infix(TwOp op) {
  switch ((int)op) {
    case TW_OP_add: return "+";
    case TW_OP_sub: return "-";
    case TW_OP_mul:
    case TW_OP_mul0: return "*";
    case TW_OP_div: return "/";
    case TW_OP_pow: return "^";
  }
  return NULL;
}

const char *tw_operation_text(TwUnit *u, TwOp op, const double *x, uint32_t n) {
  TwArena *a = &u->arena;
  if (infix(op) && n == 2)
    return tw_arena_printf(a, x[1] < 0 ? "%.9g %s (%.9g)" : "%.9g %s %.9g", x[0], infix(op), x[1]);
  if (op == TW_OP_neg && n == 1) return tw_arena_printf(a, "-(%.9g)", x[0]);
  const char *s = tw_arena_printf(a, "%s(", tw_op_name(op));
  for (uint32_t k = 0; k < n; k++) s = tw_arena_printf(a, "%s%s%.9g", s, k ? ", " : "", x[k]);
  return tw_arena_printf(a, "%s)", s);
}

const char *tw_row_text(const TwProbe *p, const TwLossFn *f, const TwIteration *path, uint32_t n) {
  TwArena *a = &p->unit->arena;
  if (!n || tw_op(path[0].fn, path[0].ref) != TW_OP_samples) return NULL;
  const TwInst *loop = tw_inst(path[0].fn, path[0].ref);
  for (uint32_t k = tw_region(path[0].fn, path[0].ref)->n_consts; k < loop->n_args; k++) {
    TwRef column = tw_arg(path[0].fn, path[0].ref, k);
    if (tw_op(path[0].fn, column) != TW_OP_param) continue;
    uint64_t number = (uint64_t)tw_attr(path[0].fn, column, 0);
    if (number >= f->n || f->slot[number]->role != TW_RT_COLUMN) continue;
    const TwDataSet *d = &p->program->datas.at[f->slot[number]->data];
    const char *s = tw_arena_printf(a, "row %lld of '%s' (", (long long)path[0].index + 1, d->name);
    for (uint32_t i = 0; i < d->inputs.len; i++) {
      const TwAxis *x = &d->inputs.at[i];
      s = tw_arena_printf(a, "%s%s%s = %.9g", s, i ? ", " : "", x->local ? x->local->name : x->column,
                          p->columns[f->slot[number]->data][i][path[0].index]);
    }
    return tw_arena_printf(a, "%s)", s);
  }
  return NULL;
}

const char *tw_loop_text(TwUnit *u, const TwIteration *path, uint32_t n) {
  for (uint32_t k = n; k-- > 0;)
    if (tw_op(path[k].fn, path[k].ref) == TW_OP_scan)
      return tw_arena_printf(&u->arena, "index %lld of the loop", (long long)path[k].index);
  return NULL;
}
