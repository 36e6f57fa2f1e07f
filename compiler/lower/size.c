/* size.c: how much straight-line code a program may come to.
 *
 * Data, widths and loops cost no code (P4); what is written out does, and a derivative of a derivative multiplies it. A
 * few lines can so ask for more than a machine has memory for, and the code generator needs half a minute long before
 * that. What goes beyond these bounds is told with the expression that makes the most of it. Values of a body live in
 * registers and on the stack, sixteen samples each, so a body may have less than the code around the loops. */
#include <stdlib.h>

#include "compiler/lower/internal.h"

enum { MOST_BEFORE = 1 << 16, MOST_AFTER = 1 << 18, BODY_BEFORE = 1 << 15, BODY_AFTER = 1 << 17 };

/* The function itself, or a body in it, that has the most instructions of what it may have. */
typedef struct Longest {
  const TwFn *fn;
  uint32_t most;
} Longest;

static Longest longest(TwLw *lw, const TwFn *f, uint32_t most) {
  TwVec(const TwFn *) seen = {0};
  uint32_t in_body = most == MOST_BEFORE ? BODY_BEFORE : BODY_AFTER;
  Longest worst = {f, most};
  tw_vec_push(lw->arena, &seen, f);
  for (uint32_t at = 0; at < seen.len; at++) {
    const TwFn *g = seen.at[at];
    Longest this = {g, at ? in_body : most};
    if ((uint64_t)g->insts.len * worst.most > (uint64_t)worst.fn->insts.len * this.most) worst = this;
    for (uint32_t k = 0; k < 2 * g->regions.len; k++) {
      const TwFn *b = k & 1 ? g->regions.at[k / 2].other : g->regions.at[k / 2].body;
      bool known = b == NULL;
      for (uint32_t s = 0; s < seen.len && !known; s++) known = seen.at[s] == b;
      if (!known) tw_vec_push(lw->arena, &seen, b);
    }
  }
  return worst;
}

static int by_place(const void *a, const void *b) {
  const TwSpan *x = a, *y = b;
  if (x->file != y->file) return x->file < y->file ? -1 : 1;
  if (x->start != y->start) return x->start < y->start ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* The expression that the most instructions come from, and how many. */
static TwSpan most_of(TwLw *lw, const TwFn *f, uint32_t *n) {
  TwSpan *all = TW_NEW_N(lw->arena, TwSpan, f->insts.len), best = {0};
  uint32_t len = 0;
  for (TwRef r = 1; r < f->insts.len; r++)
    if (tw_inst(f, r)->span.file) all[len++] = tw_inst(f, r)->span;
  qsort(all, len, sizeof *all, by_place);
  *n = 0;
  for (uint32_t k = 0, from = 0; k < len; k++) {
    if (by_place(&all[k], &all[from]) != 0) from = k;
    if (k - from + 1 > *n) *n = k - from + 1, best = all[k];
  }
  return best;
}

static bool within(TwLw *lw, const TwFn *f, uint32_t most, TwSpan at, const char *what) {
  Longest l = longest(lw, f, most);
  if (l.fn->insts.len <= l.most) return true;
  lw->too_large = true;
  uint32_t n;
  TwSpan from = most_of(lw, l.fn, &n);
  bool here = !at.file || by_place(&at, &from) == 0;
  const char *some = here && from.file ? tw_arena_printf(lw->arena, " (%u of them from here)", n) : "";
  TwDiag *d = tw_diag(&lw->unit->diags, TW_E0902, here ? from : at,
                      "%s comes to %u operations in a row%s%s, and no more than %u are compiled", what,
                      l.fn->insts.len - 1, l.fn == f ? "" : " for each sample", some, l.most);
  if (from.file && !here) tw_diag_note(&lw->unit->diags, d, from, "%u of them come from here", n);
  tw_diag_help(&lw->unit->diags, d,
               "a loop or a comprehension is small however often it runs; each derivative around another makes the "
               "code about three times as large");
  return false;
}

/* Of the same signature, and all results zero: what stands for a function that was refused. */
static const TwFn *emptied(TwLw *lw, const TwFn *f) {
  TwFn *out = tw_fn_new(lw->m, f->name);
  for (uint32_t k = 0; k < f->params.len; k++) (void)tw_param(out, tw_type(f, f->params.at[k]));
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(out, tw_zeros(out, tw_type(f, f->results.at[k])));
  return tw_fn_seal(out);
}

const TwFn *tw_lw_within(TwLw *lw, const TwFn *f, TwSpan at, const char *what) {
  return within(lw, f, MOST_BEFORE, at, what) ? f : emptied(lw, f);
}

void tw_lw_within_end(TwLw *lw, const TwFn *f, const TwStage *of) {
  if (lw->too_large) return;
  if (of) within(lw, f, MOST_AFTER, of->loss->span, tw_arena_printf(lw->arena, "an update of stage '%s'", of->name));
  else within(lw, f, MOST_AFTER, (TwSpan){0}, tw_arena_printf(lw->arena, "'%s'", f->name));
}
