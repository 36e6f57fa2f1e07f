/* fits.c: what a loss is: is it the mean squared error of something against the target of a data set of one input?
 *
 * requires: a loss as lowered, (VALUES, FLAT, columns…) -> scalar, and the builder whose operands it has.
 * provides: 1 + the number of that data set, or 0. The answer is about what the loss computes, not how it is written:
 * Σ (a - y)² over the rows, divided by their number, where y is the target and a does not depend on it. */
#include "compiler/lower/internal.h"

static const TwRtSlot *column_of(const TwFnBuild *loss, const TwFn *f, TwRef r) {
  if (tw_op(f, r) != TW_OP_param) return NULL;
  const TwRtSlot *slot = &loss->in.at[tw_attr(f, r, 0)];
  return slot->role == TW_RT_COLUMN ? slot : NULL;
}

/* The param of the body in which the target comes; 0: none, or the data set is not one of one input and one target. */
static TwRef target_in(TwLw *lw, const TwFnBuild *loss, const TwFn *f, TwRef region, uint32_t *data) {
  const TwRegion *g = tw_region(f, region);
  for (uint32_t k = 0; k < g->n_xs; k++) {
    const TwRtSlot *slot = column_of(loss, f, tw_arg(f, region, g->n_consts + k));
    if (!slot) continue;
    const TwDataSet *d = &lw->p->datas.at[slot->data];
    if (d->inputs.len != 1 || !d->target || d->weight || tw_lw_results(d) != 1 || slot->index != 1 + d->columns.len) continue;
    *data = slot->data;
    return g->body->params.at[g->n_consts + k];
  }
  return 0;
}

static bool depends(TwLw *lw, const TwFn *f, TwRef r, TwRef on) {
  bool *dep = TW_NEW_N(lw->arena, bool, f->insts.len);
  dep[on] = true;
  for (TwRef i = on + 1; i <= r; i++)
    for (uint32_t k = 0; k < tw_inst(f, i)->n_args; k++) dep[i] |= dep[tw_arg(f, i, k)];
  return dep[r];
}

uint32_t tw_lw_fits(TwLw *lw, const TwFnBuild *loss, const TwFn *f) {
  TwRef e = f->results.at[0];
  double rows;
  if (tw_op(f, e) != TW_OP_div || !tw_is_const(f, tw_arg(f, e, 1), &rows)) return 0;
  TwRef get = tw_arg(f, e, 0);
  if (tw_op(f, get) != TW_OP_get || tw_op(f, tw_arg(f, get, 0)) != TW_OP_samples) return 0;
  TwRef region = tw_arg(f, get, 0), square;
  const TwRegion *g = tw_region(f, region);
  const TwFn *body = g->body;
  uint32_t k = (uint32_t)tw_attr(f, get, 0), data;
  if (k >= g->n_carry || (double)g->trip != rows) return 0;
  square = body->results.at[k];
  if (tw_op(body, square) != TW_OP_mul || tw_arg(body, square, 0) != tw_arg(body, square, 1)) return 0;
  TwRef root = tw_arg(body, square, 0), target = target_in(lw, loss, f, region, &data);
  if (!target || tw_op(body, root) != TW_OP_sub) return 0;
  TwRef a = tw_arg(body, root, 0), b = tw_arg(body, root, 1);
  if (b != target && a != target) return 0;
  return depends(lw, body, a == target ? b : a, target) ? 0 : data + 1;
}
