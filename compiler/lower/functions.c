/* functions.c: the other functions of a program: evaluation, what is shown, checks, start, targets. */
#include "compiler/lower/internal.h"

static const char *fn_name(TwLw *lw, const TwMoment *at, const char *what) {
  return at->stage ? tw_arena_printf(lw->arena, "%s.%s", at->stage->name, what) : what;
}

void tw_lw_eval(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  TwFnBuild b;
  tw_lw_begin(&b, lw, at, fn_name(lw, at, "eval"));
  const TwTx *loss = at->stage ? at->stage->loss : lw->p->loss;
  tw_lw_output(&b, TW_RT_LOSS, 0, 0, loss ? tw_lw_ref(&b.scope, loss) : tw_real(b.scope.f, 0));
  for (uint32_t k = 0; k < lw->p->measures.len; k++)
    tw_lw_output(&b, TW_RT_MEASURE, k, 0, tw_lw_ref(&b.scope, lw->p->measures.at[k].value));
  tw_lw_end(l, &b, lw->unit->options.precision, NULL, &out->eval);
}

void tw_lw_shown(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  TwFnBuild b;
  tw_lw_begin(&b, lw, at, fn_name(lw, at, "shown"));
  tw_lw_output(&b, TW_RT_SHOWN, 0, 0, tw_lw_all_shown(&b));
  tw_lw_end(l, &b, lw->unit->options.precision, NULL, &out->shown);
}

void tw_lw_checks(TwLowered *l, TwLw *lw, const TwMoment *at, TwRtStage *out) {
  TwFnBuild b;
  tw_lw_begin(&b, lw, at, fn_name(lw, at, "checks"));
  uint32_t n = 0;
  for (uint32_t k = 0; k < lw->p->ensures.len; k++)
    if (lw->p->ensures.at[k].kind == TW_EN_VALUE)
      tw_lw_output(&b, TW_RT_CHECK, n++, 0, tw_lw_ref(&b.scope, lw->p->ensures.at[k].value));
  if (n) tw_lw_end(l, &b, lw->unit->options.precision, NULL, &out->checks);
}

/* (SEED, LOADED) -> VALUES, SHOWN, in f64: a draw is the same number whatever the precision of the run. */
void tw_lw_init(TwLowered *l, TwLw *lw, const TwMoment *at) {
  TwFnBuild b;
  tw_lw_begin(&b, lw, NULL, "init");
  b.at = at;
  TwScope *s = &b.scope;
  TwVal seed = tw_lw_val(lw, 1), drawn = tw_lw_val(lw, 1);
  seed.leaf[0] = tw_lw_operand(&b, TW_RT_SEED, 0, 0, tw_ty_scalar(lw->m, TW_INT));
  drawn.leaf[0] = tw_int(s->f, 0);
  tw_lw_bind(s, tw_key(TW_KEY_SEED, 0), seed);
  tw_lw_bind(s, tw_key(TW_KEY_DRAWN, 0), drawn);
  if (lw->p->loaded.len) {
    int64_t n = lw->p->loaded.len;
    TwVal loaded = tw_lw_val(lw, 1);
    loaded.leaf[0] = tw_lw_operand(&b, TW_RT_LOADED, 0, 0, tw_ty(lw->m, TW_REAL, 1, &n));
    tw_lw_bind(s, tw_key(TW_KEY_LOADED, 0), loaded);
  }
  for (uint32_t k = 0; k < lw->p->init_order.len; k++) {
    uint32_t id = lw->p->init_order.at[k];
    const TwParam *p = &lw->p->params.at[id];
    TwTy ty;
    tw_lw_leaf_types(lw, p->type, &ty);
    lw->law_name = p->name;
    TwVal v = tw_lw_val(lw, 1);
    v.leaf[0] = tw_fit(s->f, tw_lw_ref(s, p->start), ty);
    tw_lw_bind(s, tw_key(TW_KEY_PARAM, id), v);
  }
  TwRefs parts = {0};
  for (uint32_t k = 0; k < lw->p->params.len; k++) {
    TwVal v = tw_lw_val(lw, 1);
    v.leaf[0] = tw_lw_coordinate(s, &lw->p->params.at[k], tw_lw_get(s, tw_key(TW_KEY_PARAM, k)).leaf[0]);
    tw_lw_pack(s, v, &parts);
  }
  for (uint32_t k = 0; k < lw->p->weights.len; k++) {
    const TwWeights *w = &lw->p->weights.at[k];
    lw->law_name = w->name;
    TwVal v = tw_lw_tx(s, w->value);
    tw_lw_bind(s, tw_key(TW_KEY_WEIGHTS, k), v);
    if (at->layout->weights_at[k] == UINT64_MAX) continue;
    tw_lw_pack(s, v, &parts);
  }
  lw->law_name = NULL;
  tw_lw_output(&b, TW_RT_VALUES, 0, 0, tw_lw_join(s, &parts));
  tw_lw_output(&b, TW_RT_SHOWN, 0, 0, tw_lw_all_shown(&b));
  tw_lw_end(l, &b, TW_F64, NULL, &l->rt->init);
}

/* SHOWN -> the first param that is not in its declared domain, or -1. */
void tw_lw_inside(TwLowered *l, TwLw *lw, const TwLayout *layout) {
  TwFnBuild b;
  int64_t n = (int64_t)layout->n_shown;
  bool any = false;
  tw_lw_begin(&b, lw, NULL, "inside");
  b.from_shown = layout;
  b.shown = tw_lw_operand(&b, TW_RT_SHOWN, 0, 0, tw_ty(lw->m, TW_REAL, 1, &n));
  TwRef first = tw_real(b.scope.f, -1);
  for (uint32_t k = lw->p->params.len; k-- > 0;) {
    const TwParam *p = &lw->p->params.at[k];
    if (!p->domain) continue;
    any = true;
    tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, p->x->id), tw_lw_get(&b.scope, tw_key(TW_KEY_PARAM, k)));
    first = tw_select(b.scope.f, tw_lw_ref(&b.scope, p->inside), first, tw_real(b.scope.f, k));
  }
  if (!any) return;
  tw_lw_output(&b, TW_RT_CHECK, 0, 0, first);
  tw_lw_end(l, &b, TW_F64, NULL, &l->rt->inside);
}

/* The results of a row: the target, an element each, then the weight. */
static uint32_t row_results(TwScope *row, const TwDataSet *d) {
  TwRef y = tw_lw_ref(row, d->target);
  uint32_t n = tw_lw_results(d) - (d->weight != NULL);
  for (uint32_t k = 0; k < n; k++)
    tw_result(row->f, d->target->type->rank ? tw_index(row->f, y, tw_int(row->f, k)) : y);
  if (d->weight) tw_result(row->f, tw_lw_ref(row, d->weight));
  return n + (d->weight != NULL);
}

/* (columns…) -> target columns and weight, in f64. */
void tw_lw_target(TwLowered *l, TwLw *lw, uint32_t data, TwRtData *out) {
  const TwDataSet *d = &lw->p->datas.at[data];
  TwFnBuild b;
  tw_lw_begin(&b, lw, NULL, tw_arena_printf(lw->arena, "%s.target", d->name));
  uint32_t n = d->inputs.len, n_columns = n + d->columns.len;
  TwTy column = tw_ty(lw->m, TW_REAL, 1, &d->n), scalar = tw_ty_scalar(lw->m, TW_REAL);
  TwScope row = {.lw = lw, .f = tw_fn_new(lw->m, "row"), .resolve = NULL};
  TwKeys keys = {0};
  tw_lw_free_tx(lw, d->target, &keys);
  if (d->weight) tw_lw_free_tx(lw, d->weight, &keys);
  TwRefs args = {0};
  for (uint32_t k = 0; k < keys.len; k++) { /* tables that a target reads */
    if (keys.at[k] >> 56 != TW_KEY_GLOBAL) continue;
    TwVal v = tw_lw_get(&b.scope, keys.at[k]), in = tw_lw_val(lw, v.n);
    for (uint32_t j = 0; j < v.n; j++) {
      tw_vec_push(lw->arena, &args, v.leaf[j]);
      in.leaf[j] = tw_param(row.f, tw_type(b.scope.f, v.leaf[j]));
    }
    tw_lw_bind(&row, keys.at[k], in);
  }
  uint32_t n_consts = args.len;
  for (uint32_t k = 0; k < n_columns; k++) {
    const TwAxis *a = k < n ? &d->inputs.at[k] : &d->columns.at[k - n];
    tw_vec_push(lw->arena, &args, tw_lw_operand(&b, TW_RT_COLUMN, k, data, column));
    TwVal v = tw_lw_val(lw, 1);
    v.leaf[0] = tw_param(row.f, scalar);
    if (a->local) tw_lw_bind(&row, tw_key(TW_KEY_LOCAL, a->local->id), v);
  }
  uint32_t n_results = row_results(&row, d);
  TwRegion r = {.body = tw_fn_seal(row.f), .trip = d->n, .n_consts = n_consts, .n_xs = n_columns, .n_ys = n_results};
  b.scope.f->at = d->span;
  TwRef region = tw_emit_region(b.scope.f, TW_OP_samples, &r, args.at, args.len);
  for (uint32_t k = 0; k < n_results; k++)
    tw_lw_output(&b, TW_RT_COLUMN, n_columns + k, data, tw_get(b.scope.f, region, k));
  tw_lw_end(l, &b, TW_F64, NULL, &out->target);
}
