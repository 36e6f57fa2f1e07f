/* model.c: the models as functions of what is shown: predictions, and slopes in each input.
 *
 * They read params and weights from SHOWN, so one function serves whatever stage the numbers come from, or a
 * file. Rows come in blocks of TW_RT_BLOCK; a row's result does not depend on the others.
 * requires: lower_models has made the tables.   provides: inputs, outputs, predict and slope of each model. */
#include "compiler/ad/ad.h"
#include "compiler/lower/internal.h"

enum { MAX_SLOPES = 64 }; /* elements of the inputs, each of which takes a tangent of its own */

static bool is_scalar(const TwType *t) { return t->kind == TW_TY_TENSOR && t->rank == 0; }

bool tw_lw_one_to_one(const TwModel *model) {
  return model->inputs.len == 1 && is_scalar(model->inputs.at[0]->type) && is_scalar(model->body->type);
}

/* A model's body for one row: (what it uses of the scope…, inputs…) -> leaves of its result. */
typedef struct Row {
  const TwFn *fn;
  TwRefs consts; /* in the enclosing function */
  uint32_t n_inputs;
} Row;

static Row row_of(TwFnBuild *b, const TwModel *model) {
  TwLw *lw = b->scope.lw;
  TwScope row = {.lw = lw, .f = tw_fn_new(lw->m, "row"), .resolve = NULL};
  Row r = {.n_inputs = model->inputs.len};
  TwKeys keys = {0};
  tw_lw_free_tx(lw, model->body, &keys);
  for (uint32_t k = 0; k < r.n_inputs; k++) tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, model->inputs.at[k]->id));
  for (uint32_t k = 0; k < keys.len; k++) {
    TwVal v = tw_lw_get(&b->scope, keys.at[k]), in = tw_lw_val(lw, v.n);
    for (uint32_t j = 0; j < v.n; j++) {
      tw_vec_push(lw->arena, &r.consts, v.leaf[j]);
      in.leaf[j] = tw_param(row.f, tw_type(b->scope.f, v.leaf[j]));
    }
    tw_lw_bind(&row, keys.at[k], in);
  }
  for (uint32_t k = 0; k < r.n_inputs; k++) {
    TwTy ty;
    tw_lw_leaf_types(lw, model->inputs.at[k]->type, &ty);
    TwVal v = tw_lw_val(lw, 1);
    v.leaf[0] = tw_param(row.f, ty);
    tw_lw_bind(&row, tw_key(TW_KEY_LOCAL, model->inputs.at[k]->id), v);
  }
  row.f->at = model->span;
  TwVal y = tw_lw_tx(&row, model->body);
  for (uint32_t j = 0; j < y.n; j++) tw_result(row.f, y.leaf[j]);
  r.fn = tw_fn_seal(row.f);
  return r;
}

/* Every result of the row in the direction of each element of the inputs, element by element. */
static const TwFn *tangents_of(TwLw *lw, const Row *r) {
  const TwFn *f = r->fn;
  uint32_t first = f->params.len - r->n_inputs;
  bool *active = TW_NEW_N(lw->arena, bool, f->params.len + 1);
  for (uint32_t k = 0; k < r->n_inputs; k++) active[first + k] = true;
  const TwFn *jvp = tw_jvp(lw->m, f, active);
  TwFn *out = tw_fn_new(lw->m, "slopes");
  TwRef *args = TW_NEW_N(lw->arena, TwRef, f->params.len + r->n_inputs);
  TwRef *results = TW_NEW_N(lw->arena, TwRef, 2 * f->results.len);
  for (uint32_t k = 0; k < f->params.len; k++) args[k] = tw_param(out, tw_type(f, f->params.at[k]));
  for (uint32_t k = 0; k < r->n_inputs; k++) {
    TwTy ty = tw_type(f, f->params.at[first + k]);
    TwTyInfo info = *tw_ty_info(lw->m, ty);
    for (int64_t e = 0; e < info.count; e++) {
      for (uint32_t j = 0; j < r->n_inputs; j++)
        args[f->params.len + j] = tw_zeros(out, tw_type(f, f->params.at[first + j]));
      TwRef *parts = TW_NEW_N(lw->arena, TwRef, (size_t)info.count);
      for (int64_t i = 0; i < info.count; i++) parts[i] = tw_real(out, i == e);
      args[f->params.len + k] = info.rank == 0 ? parts[0]
                                               : tw_reshape(out, tw_stack(out, parts, (uint32_t)info.count), ty);
      tw_inline(out, jvp, args, results);
      for (uint32_t j = 0; j < f->results.len; j++) tw_result(out, results[f->results.len + j]);
    }
  }
  return tw_fn_seal(out);
}

/* The body over a block of rows; its results are OUTPUT 0, 1, …. */
static void over_block(TwLowered *l, TwFnBuild *b, const TwModel *model, Row r, const TwFn *body, TwRtFn *slot) {
  TwLw *lw = b->scope.lw;
  uint32_t n_consts = r.consts.len, first = body->params.len - r.n_inputs;
  for (uint32_t k = 0; k < r.n_inputs; k++) {
    TwTy block = tw_ty_lead(lw->m, TW_RT_BLOCK, tw_type(body, body->params.at[first + k]));
    tw_vec_push(lw->arena, &r.consts, tw_lw_operand(b, TW_RT_INPUT, k, 0, block));
  }
  TwRegion g = {.body = body, .trip = TW_RT_BLOCK, .n_consts = n_consts, .n_xs = r.n_inputs, .n_ys = body->results.len};
  b->scope.f->at = model->span;
  TwRef all = tw_emit_region(b->scope.f, TW_OP_samples, &g, r.consts.at, r.consts.len);
  for (uint32_t j = 0; j < g.n_ys; j++) tw_lw_output(b, TW_RT_OUTPUT, j, 0, tw_get(b->scope.f, all, j));
  tw_lw_end(l, b, lw->unit->options.precision, NULL, slot);
}

static void begin(TwFnBuild *b, TwLw *lw, const TwLayout *layout, const char *name) {
  int64_t n = (int64_t)layout->n_shown;
  tw_lw_begin(b, lw, NULL, name);
  b->from_shown = layout;
  b->shown = tw_lw_operand(b, TW_RT_SHOWN, 0, 0, tw_ty(lw->m, TW_REAL, 1, &n));
}

static const TwRtTensor *ports(TwLw *lw, const TwTy *types, const char *const *names, uint32_t n, uint64_t *width) {
  TwRtTensor *t = TW_NEW_N(lw->arena, TwRtTensor, n);
  *width = 0;
  for (uint32_t k = 0; k < n; k++) {
    TwTyInfo info = *tw_ty_info(lw->m, types[k]);
    int64_t *dims = tw_arena_dup(lw->arena, info.dims, sizeof info.dims);
    t[k] = (TwRtTensor){.name = names[k], .rank = info.rank, .dims = dims, .at = *width, .count = (uint64_t)info.count};
    *width += (uint64_t)info.count;
  }
  return t;
}

void tw_lw_model(TwLowered *l, TwLw *lw, const TwLayout *layout, uint32_t index, TwRtModel *out) {
  const TwModel *m = &lw->p->models.at[index];
  uint32_t n_in = m->inputs.len, n_out = tw_lw_leaves(m->body->type);
  TwTy *types = TW_NEW_N(lw->arena, TwTy, n_in + n_out);
  const char **names = TW_NEW_N(lw->arena, const char *, n_in + n_out);
  for (uint32_t k = 0; k < n_in; k++) {
    tw_lw_leaf_types(lw, m->inputs.at[k]->type, &types[k]);
    names[k] = m->inputs.at[k]->name;
  }
  tw_lw_leaf_types(lw, m->body->type, types + n_in);
  tw_lw_leaf_names(lw, m->body->type, m->name, names + n_in);
  out->n_outputs = n_out;
  out->inputs = ports(lw, types, names, n_in, &out->in_width);
  out->outputs = ports(lw, types + n_in, names + n_in, n_out, &out->out_width);
  TwFnBuild b;
  begin(&b, lw, layout, tw_arena_printf(lw->arena, "%s.predict", m->name));
  Row r = row_of(&b, m);
  over_block(l, &b, m, r, r.fn, &out->predict);
  if (out->in_width > MAX_SLOPES) return;
  begin(&b, lw, layout, tw_arena_printf(lw->arena, "%s.slope", m->name));
  r = row_of(&b, m);
  over_block(l, &b, m, r, tangents_of(lw, &r), &out->slope);
}

void tw_lw_store(TwLowered *l, TwLw *lw, const TwLayout *layout) {
  TwFnBuild b;
  begin(&b, lw, layout, "store");
  TwRefs parts = {0};
  for (uint32_t k = 0; k < lw->p->params.len; k++) {
    TwVal v = tw_lw_val(lw, 1);
    v.leaf[0] = tw_lw_coordinate(&b.scope, &lw->p->params.at[k], tw_lw_get(&b.scope, tw_key(TW_KEY_PARAM, k)).leaf[0]);
    tw_lw_pack(&b.scope, v, &parts);
  }
  for (uint32_t k = 0; k < lw->p->weights.len; k++)
    if (layout->weights_at[k] != UINT64_MAX)
      tw_lw_pack(&b.scope, tw_lw_get(&b.scope, tw_key(TW_KEY_WEIGHTS, k)), &parts);
  tw_lw_output(&b, TW_RT_VALUES, 0, 0, tw_lw_join(&b.scope, &parts));
  tw_lw_end(l, &b, TW_F64, NULL, &l->rt->store);
}
