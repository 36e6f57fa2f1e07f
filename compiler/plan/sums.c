/* sums.c: how the sums of a loop over samples are made.
 *
 * requires: the loop's cut.
 * provides: for each sum where its partial sums are, and whether it is an outer product that is made of its two
 *           vectors, packed: at once, or strip by strip where a group reads it (groups.c). */
#include "compiler/plan/internal.h"

/* The lane vector of which the factor is a broadcast along one of two axes, or 0. */
static TwRef vector_of(const TwPlCut *cut, TwRef a, int64_t *axis) {
  const TwFn *f = cut->x->fn;
  if (a >= f->insts.len || tw_op(f, a) != TW_OP_broadcast || tw_info(f, a)->rank != 2) return 0;
  TwRef x = tw_arg(f, a, 0);
  if (tw_info(f, x)->rank != 1 || !cut->x->varies[x] || !cut->slot[x]) return 0;
  *axis = tw_attr(f, a, 0);
  return x;
}

/* A large outer product of two lane vectors that lie in scratch, its columns whole sixteens; and in each chunk of
 * samples two blocks at least, or one that is full: else some partial sums have no sample. */
static bool is_outer(const TwPlCut *cut, const TwPlAcc *acc, const TwMachine *m, bool f64, TwPlSum *s) {
  int64_t axis[2] = {0, 0}, n = cut->g->trip, blocks = (n + TW_LANES - 1) / TW_LANES;
  TwRef x[2] = {vector_of(cut, acc->a, &axis[0]), acc->b ? vector_of(cut, acc->b, &axis[1]) : 0};
  if (!x[0] || !x[1] || axis[0] == axis[1]) return false;
  s->x = x[axis[0]];
  s->y = x[axis[1]];
  s->rows = tw_info(cut->x->fn, s->x)->count;
  s->columns = tw_info(cut->x->fn, s->y)->count;
  if (n % TW_LANES && blocks % TW_CHUNK_BLOCKS == 1) return false;
  return s->rows >= TW_PL_OUTER_ROWS && s->columns % TW_LANES == 0 &&
         s->rows * s->columns * (f64 ? 8 : 4) > tw_machine_large(m);
}

/* The one get of result k of a region that anybody reads; or 0. */
static TwRef only_get(const TwPlFacts *x, TwRef region, uint32_t k) {
  TwRef get = 0;
  for (TwRef r = region + 1; r < x->fn->insts.len; r++) {
    if (tw_op(x->fn, r) != TW_OP_get || tw_arg(x->fn, r, 0) != region) continue;
    if (tw_attr(x->fn, r, 0) != (int64_t)k || !x->uses[r]) continue;
    if (get) return 0;
    get = r;
  }
  return get;
}

TwPlSum *tw_pl_sums(TwArena *arena, const TwPlFacts *x, TwRef r, const TwPlCut *cut, const TwMachine *m, bool f64) {
  const TwRegion *g = cut->g;
  TwPlSum *sums = TW_NEW_N(arena, TwPlSum, g->n_carry + 1);
  int64_t blocks = (g->trip + TW_LANES - 1) / TW_LANES;
  if (!cut->straight || tw_pl_has_passes(cut, m, blocks)) return sums;
  for (uint32_t j = 0; j < cut->accs.len; j++) {
    const TwPlAcc *acc = &cut->accs.at[j];
    TwPlSum *s = &sums[acc->k];
    if (tw_info(g->body, g->body->results.at[acc->k])->rank == 0) continue;
    s->how = is_outer(cut, acc, m, f64, s) ? TW_PL_OUTER : TW_PL_AT_ONCE;
    if (s->how != TW_PL_OUTER || g->trip > TW_CHUNK) continue;
    TwRef get = only_get(x, r, acc->k);
    if (!get || !tw_pl_is_in_strips(x, get, s->columns)) continue;
    s->how = TW_PL_STRIPS;
    s->get = get;
  }
  return sums;
}
