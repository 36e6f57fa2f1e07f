/* call.c: running functions of the IR on numbers. */
#include "compiler/ir/passes.h"
#include "compiler/probe/internal.h"

uint64_t tw_call_count(const TwFn *f, TwRef r) { return (uint64_t)tw_info(f, r)->count; }

TwCall tw_call(TwArena *arena, const TwFn *fn, TwPrecision precision) {
  TwCall c = {.fn = fn, .precision = precision};
  c.in = TW_NEW_N(arena, const void *, fn->params.len + 1);
  c.out = TW_NEW_N(arena, void *, fn->results.len + 1);
  for (uint32_t k = 0; k < fn->results.len; k++)
    c.out[k] = tw_arena_alloc(arena, tw_call_count(fn, fn->results.at[k]) * sizeof(double) + sizeof(double));
  return c;
}

bool tw_call_run(const TwCall *c, TwWatch *w) { return tw_interpret_watch(c->fn, c->precision, c->in, c->out, w); }
