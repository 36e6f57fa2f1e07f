/* fits.c: what a loss is: is it the mean squared error of something against the target of a data set of one input? And
 * is that something a model?
 *
 * requires: a loss as lowered, (VALUES, FLAT, columns…) -> scalar, and the builder whose operands it has.
 * provides: TwRtStage.fits and .fits_model. The answer is about what the loss computes, not how it is written:
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
    if (d->inputs.len != 1 || !d->target || d->weight || tw_lw_results(d) != 1 || slot->index != 1 + d->columns.len)
      continue;
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

/* Copies into `to` what of `from` below `end` depends on nothing but what `map` has. */
static void copy_below(TwFn *to, const TwFn *from, TwRef end, TwRef *map) {
  for (TwRef r = 1; r < end; r++) {
    bool known = tw_op(from, r) != TW_OP_param && tw_op(from, r) != TW_OP_none;
    for (uint32_t k = 0; k < tw_inst(from, r)->n_args; k++) known = known && map[tw_arg(from, r, k)];
    if (known) map[r] = tw_copy_inst(to, from, r, map);
  }
}

/* 1 + the model that `a`, of the body of the loss's `region`, is at the row's input; 0: none. Both are emitted into one
 * function, in which equal values have equal refs. */
static uint32_t model_of(TwLw *lw, const TwMoment *at, const TwFnBuild *loss, const TwFn *f, TwRef region,
                         uint32_t data, TwRef a) {
  const TwRegion *g = tw_region(f, region);
  for (uint32_t m = 0; m < lw->p->models.len; m++) {
    const TwModel *model = &lw->p->models.at[m];
    if (!tw_lw_one_to_one(model)) continue;
    TwFnBuild b;
    tw_lw_begin(&b, lw, at, model->name);
    TwVal x = tw_lw_val(lw, 1);
    x.leaf[0] = tw_lw_operand(&b, TW_RT_INPUT, 0, 0, tw_ty_scalar(lw->m, TW_REAL));
    tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, model->inputs.at[0]->id), x);
    TwFn *to = b.scope.f;
    TwRef y = tw_lw_ref(&b.scope, model->body);
    TwRef *outer = TW_NEW_N(lw->arena, TwRef, f->insts.len), *inner = TW_NEW_N(lw->arena, TwRef, g->body->insts.len);
    outer[f->params.at[0]] = b.values;
    outer[f->params.at[1]] = b.flat;
    copy_below(to, f, region, outer);
    for (uint32_t k = 0; k < g->n_consts + g->n_xs; k++) {
      TwRef arg = tw_arg(f, region, k);
      const TwRtSlot *column = column_of(loss, f, arg);
      bool input = k >= g->n_consts && column && column->data == data && column->index == 0;
      inner[g->body->params.at[k]] = input ? x.leaf[0] : k < g->n_consts ? outer[arg] : 0;
    }
    copy_below(to, g->body, a + 1, inner);
    if (inner[a] == y) return m + 1;
  }
  return 0;
}

/* What e divides by a constant, written as a product where folding made it one; 0: e is neither. */
static TwRef divided(const TwFn *f, TwRef e, double *by) {
  if (tw_op(f, e) == TW_OP_div) return tw_is_const(f, tw_arg(f, e, 1), by) ? tw_arg(f, e, 0) : 0;
  for (uint32_t k = 0; tw_op(f, e) == TW_OP_mul && k < 2; k++)
    if (tw_is_const(f, tw_arg(f, e, k), by)) return *by = 1 / *by, tw_arg(f, e, 1 - k);
  return 0;
}

void tw_lw_fits(TwLw *lw, const TwMoment *at, const TwFnBuild *loss, const TwFn *f, TwRtStage *out) {
  double rows;
  TwRef get = divided(f, f->results.at[0], &rows);
  if (!get || tw_op(f, get) != TW_OP_get || tw_op(f, tw_arg(f, get, 0)) != TW_OP_samples) return;
  TwRef region = tw_arg(f, get, 0), square;
  const TwRegion *g = tw_region(f, region);
  const TwFn *body = g->body;
  uint32_t k = (uint32_t)tw_attr(f, get, 0), data;
  if (k >= g->n_carry || (double)g->trip != rows) return;
  square = body->results.at[k];
  if (tw_op(body, square) != TW_OP_mul || tw_arg(body, square, 0) != tw_arg(body, square, 1)) return;
  TwRef root = tw_arg(body, square, 0), target = target_in(lw, loss, f, region, &data);
  if (!target || tw_op(body, root) != TW_OP_sub) return;
  TwRef l = tw_arg(body, root, 0), r = tw_arg(body, root, 1), a = l == target ? r : l;
  if ((l != target && r != target) || depends(lw, body, a, target)) return;
  out->fits = data + 1;
  out->fits_model = model_of(lw, at, loss, f, region, data, a);
}
