/* program.c: typed program -> the tables of runtime/program.h and the list of functions.
 *
 * requires: a typed program without errors.   provides: *out; .final of each function after
 * tw_lowered_optimize. */
#include <math.h>
#include <string.h>

#include "compiler/ir/cost.h"
#include "compiler/ir/passes.h"
#include "compiler/lower/internal.h"
#include "compiler/sema/sema.h"

TwRtPlace tw_lw_place(TwLw *lw, TwSpan span) {
  if (!span.file) return (TwRtPlace){.path = ""};
  TwPlace p = tw_place(&lw->unit->sources, span.file, span.start);
  return (TwRtPlace){p.path, p.line, p.column, span.file, span.start, span.end};
}

static const char *text_of(TwLw *lw, TwSpan span) { return tw_span_text(&lw->unit->sources, span, 80); }

static void lower_datas(TwLowered *l, TwLw *lw, unsigned what) {
  TwRtProgram *rt = l->rt;
  TwRtData *datas = TW_NEW_N(lw->arena, TwRtData, lw->p->datas.len);
  for (uint32_t k = 0; k < lw->p->datas.len; k++) {
    const TwDataSet *d = &lw->p->datas.at[k];
    TwRtAxis *axes = TW_NEW_N(lw->arena, TwRtAxis, d->inputs.len);
    for (uint32_t j = 0; j < d->inputs.len; j++) {
      const TwAxis *a = &d->inputs.at[j];
      axes[j] = (TwRtAxis){a->local ? a->local->name : a->column, a->lo, a->hi, a->lo_open, a->hi_open, a->n};
    }
    datas[k] = (TwRtData){.name = d->name,
                          .place = tw_lw_place(lw, d->span),
                          .n_rows = d->n,
                          .n_inputs = d->inputs.len,
                          .n_columns = d->inputs.len + d->columns.len,
                          .axes = d->rows ? NULL : axes,
                          .rows = d->rows,
                          .weighted = d->weight != NULL};
    if (what & TW_LOWER_TRAIN) tw_lw_target(l, lw, k, &datas[k]);
  }
  rt->n_datas = lw->p->datas.len;
  rt->datas = datas;
}

static void add_tensors(TwLw *lw, const TwType *type, const char *name, bool is_param, uint64_t at, TwRtTensor *out,
                        uint32_t *n) {
  uint32_t leaves = tw_lw_leaves(type);
  TwTy *types = TW_NEW_N(lw->arena, TwTy, leaves);
  const char **names = TW_NEW_N(lw->arena, const char *, leaves), **stored = TW_NEW_N(lw->arena, const char *, leaves);
  tw_lw_leaf_types(lw, type, types);
  tw_lw_leaf_names(lw, type, name, names);
  tw_stored_names(lw->arena, type, name, stored);
  for (uint32_t j = 0; j < leaves; j++) {
    TwTyInfo info = *tw_ty_info(lw->m, types[j]);
    int64_t *dims = tw_arena_dup(lw->arena, info.dims, sizeof info.dims);
    out[(*n)++] = (TwRtTensor){names[j], info.rank, dims, at, (uint64_t)info.count, is_param, stored[j]};
    at += (uint64_t)info.count;
  }
}

/* See TwRtProgram. */
static uint64_t coordinates(TwLw *lw) {
  uint64_t n = 0;
  bool other = false;
  for (uint32_t k = 0; k < lw->p->params.len; k++) {
    n += tw_lw_coordinates(lw, k);
    switch (lw->p->params.at[k].transform) {
      case TW_TR_NONE:
      case TW_TR_CLIP: break;
      case TW_TR_LOGISTIC:
      case TW_TR_EXP:
      case TW_TR_DOMAIN: other = true;
    }
  }
  return other ? n : 0;
}

static void lower_tensors(TwLowered *l, TwLw *lw, const TwLayout *layout) {
  const TwProgram *p = lw->p;
  uint32_t n = p->params.len;
  for (uint32_t k = 0; k < p->weights.len; k++) n += tw_lw_leaves(p->weights.at[k].type);
  TwRtTensor *tensors = TW_NEW_N(lw->arena, TwRtTensor, n);
  TwRtParam *params = TW_NEW_N(lw->arena, TwRtParam, p->params.len);
  n = 0;
  for (uint32_t k = 0; k < p->params.len; k++) {
    const TwParam *q = &p->params.at[k];
    add_tensors(lw, q->type, q->name, true, layout->param_shown[k], tensors, &n);
    params[k] = (TwRtParam){q->name,
                            tw_lw_place(lw, q->start_span),
                            tw_lw_place(lw, q->domain_span),
                            layout->param_shown[k],
                            tw_lw_count(lw, q->type),
                            q->lo,
                            q->hi,
                            q->lo_open,
                            q->hi_open,
                            q->domain ? text_of(lw, q->domain_span) : NULL};
  }
  for (uint32_t k = 0; k < p->weights.len; k++)
    add_tensors(lw, p->weights.at[k].type, p->weights.at[k].name, false, layout->weights_shown[k], tensors, &n);
  l->rt->n_tensors = n;
  l->rt->tensors = tensors;
  l->rt->n_params = p->params.len;
  l->rt->params = params;
}

_Static_assert((int)TW_QU_LEAST == TW_RT_QU_LEAST && (int)TW_QU_GREATEST_BEND == TW_RT_QU_GREATEST_BEND,
               "the quantities are in one order");

static uint32_t compare_of(TwBinaryOp op) {
  if (op == TW_BI_LT) return TW_RT_LT;
  if (op == TW_BI_LE) return TW_RT_LE;
  if (op == TW_BI_GT) return TW_RT_GT;
  return op == TW_BI_GE ? TW_RT_GE : TW_RT_EQ;
}

static void lower_ensures(TwLowered *l, TwLw *lw) {
  const TwProgram *p = lw->p;
  TwRtEnsure *ensures = TW_NEW_N(lw->arena, TwRtEnsure, p->ensures.len);
  uint32_t checks = 0;
  for (uint32_t k = 0; k < p->ensures.len; k++) {
    const TwEnsure *e = &p->ensures.at[k];
    TwRtEnsure *o = &ensures[k];
    *o = (TwRtEnsure){.place = tw_lw_place(lw, e->span),
                      .text = text_of(lw, e->span),
                      .is_regions = e->kind == TW_EN_REGIONS,
                      .quantity = (uint32_t)e->quantity,
                      .model = e->model,
                      .check = e->kind == TW_EN_VALUE ? checks++ : 0,
                      .lo = e->lo,
                      .hi = e->hi,
                      .sliver = e->sliver,
                      .compare = compare_of(e->op),
                      .bound = e->bound,
                      .every = e->every > 0 ? e->every : 1,
                      .stop = e->stop};
    for (uint32_t j = 0; j < e->during.len; j++) {
      if (e->during.at[j] < 64) o->during |= 1ull << e->during.at[j];
      else tw_diag(&lw->unit->diags, TW_E0902, e->span, "an ensure can be checked in the first 64 stages only");
    }
  }
  TwRtExpect *expects = TW_NEW_N(lw->arena, TwRtExpect, p->expects.len);
  for (uint32_t k = 0; k < p->expects.len; k++) {
    const TwExpect *e = &p->expects.at[k];
    TwRtExpect *o = &expects[k];
    *o = (TwRtExpect){.place = tw_lw_place(lw, e->span),
                      .text = text_of(lw, e->span),
                      .measure = e->measure,
                      .model = e->model,
                      .quantity = (uint32_t)e->quantity,
                      .lo = e->lo,
                      .hi = e->hi,
                      .sliver = e->sliver,
                      .compare = compare_of(e->op),
                      .bound = e->bound};
    switch (e->kind) {
      case TW_XP_LOSS: o->kind = TW_RT_XP_LOSS; break;
      case TW_XP_BEST_LOSS: o->kind = TW_RT_XP_BEST_LOSS; break;
      case TW_XP_MEASURE: o->kind = TW_RT_XP_MEASURE; break;
      case TW_XP_REGIONS: o->kind = TW_RT_XP_REGIONS; break;
    }
  }
  l->rt->n_ensures = p->ensures.len;
  l->rt->ensures = ensures;
  l->rt->n_expects = p->expects.len;
  l->rt->expects = expects;
}

/* Where regions of a model are counted when nobody says: on the first data set's first axis. */
static void default_interval(const TwProgram *p, TwRtModel *m) {
  if (!p->datas.len) return;
  const TwDataSet *d = &p->datas.at[0];
  if (d->kind == TW_DATA_GRID) {
    m->lo = d->inputs.at[0].lo;
    m->hi = d->inputs.at[0].hi;
  } else if (d->rows && d->n > 0) {
    uint32_t n = d->inputs.len + d->columns.len;
    m->lo = m->hi = d->rows[0];
    for (int64_t r = 1; r < d->n; r++) {
      double x = d->rows[(uint64_t)r * n];
      if (x < m->lo) m->lo = x;
      if (x > m->hi) m->hi = x;
    }
  }
}

/* `layout`: for predictions and slopes; NULL if they are not wanted. */
static void lower_models(TwLowered *l, TwLw *lw, const TwLayout *layout) {
  const TwProgram *p = lw->p;
  TwRtModel *models = TW_NEW_N(lw->arena, TwRtModel, p->models.len);
  for (uint32_t k = 0; k < p->models.len; k++) {
    const TwModel *m = &p->models.at[k];
    models[k] = (TwRtModel){.name = m->name, .n_inputs = m->inputs.len, .sliver = 0x1p-8};
    default_interval(p, &models[k]);
    for (uint32_t j = p->expects.len; j-- > 0;) {
      const TwExpect *e = &p->expects.at[j];
      if (e->kind != TW_XP_REGIONS || e->model != k) continue;
      if (e->quantity != TW_QU_PIECES && models[k].lo < models[k].hi) continue;
      models[k].lo = e->lo;
      models[k].hi = e->hi;
      models[k].sliver = e->sliver;
    }
    for (uint32_t j = p->ensures.len; j-- > 0;) {
      const TwEnsure *e = &p->ensures.at[j];
      if (e->kind != TW_EN_REGIONS || e->model != k) continue;
      if (e->quantity != TW_QU_PIECES && models[k].lo < models[k].hi) continue;
      models[k].lo = e->lo;
      models[k].hi = e->hi;
      models[k].sliver = e->sliver;
    }
  }
  l->rt->n_models = p->models.len;
  l->rt->models = models;
  for (uint32_t k = 0; k < p->models.len && layout; k++) tw_lw_model(l, lw, layout, k, &models[k]);
}

static TwRtRange *ranges_of(TwLw *lw, const TwLayout *layout, const TwStage *s, uint32_t *n) {
  TwRtRange *r = TW_NEW_N(lw->arena, TwRtRange, s->params.len + s->weights.len);
  uint64_t to = 0;
  *n = 0;
  for (uint32_t k = 0; k < s->params.len + s->weights.len; k++) {
    bool is_param = k < s->params.len;
    uint32_t id = is_param ? s->params.at[k] : s->weights.at[k - s->params.len];
    uint64_t count = is_param ? tw_lw_coordinates(lw, id) : tw_lw_count(lw, lw->p->weights.at[id].type);
    r[(*n)++] = (TwRtRange){is_param ? layout->param_at[id] : layout->weights_at[id], to, count};
    to += count;
  }
  return r;
}

/* Weights that this stage is the first to train leave Set_Weights behind (lang/REFERENCE.md, Stages). */
static void release(TwLw *lw, const TwLayout *layout, const TwStage *s, bool *stored, TwRtStage *out) {
  TwRtRange *r = TW_NEW_N(lw->arena, TwRtRange, s->weights.len);
  for (uint32_t k = 0; k < s->weights.len; k++) {
    uint32_t id = s->weights.at[k];
    if (stored[id]) continue;
    stored[id] = true;
    r[out->n_releases++] = (TwRtRange){layout->weights_at[id], layout->weights_shown[id],
                                       tw_lw_count(lw, lw->p->weights.at[id].type)};
  }
  out->releases = r;
}

static bool wants_regions(const TwProgram *p, const TwRtProgram *rt, uint32_t model) {
  const TwModel *m = &p->models.at[model];
  return tw_lw_one_to_one(m) && rt->models[model].lo < rt->models[model].hi;
}

static TwRtTarget target(const TwTarget *t) {
  return (TwRtTarget){t->given, t->given ? compare_of(t->op) : 0, t->bound};
}

static void lower_stage(TwLowered *l, TwLw *lw, const TwLayout *layout, uint32_t k, bool *stored, bool models) {
  const TwStage *s = &lw->p->stages.at[k];
  TwRtStage *out = &l->rt->stages[k];
  release(lw, layout, s, stored, out);
  double *start = TW_NEW_N(lw->arena, double, s->update.states.len);
  for (uint32_t j = 0; j < s->update.states.len; j++) start[j] = s->update.states.at[j].start;
  out->name = s->name;
  out->place = tw_lw_place(lw, s->span);
  out->n_flat = (uint64_t)s->n_flat;
  out->ranges = ranges_of(lw, layout, s, &out->n_ranges);
  out->epochs = s->rounds ? s->epochs * s->rounds : s->epochs;
  out->batch = s->batch;
  out->batch_data = s->batch_data;
  out->keep = s->keep;
  out->keep_best = s->keep_best;
  static const char *const methods[] = {"", "lm", "lbfgs"};
  out->optimizer = s->update.decl ? s->update.decl->name.name : methods[s->method];
  out->method = s->method == TW_ME_LM ? TW_RT_LM : s->method == TW_ME_LBFGS ? TW_RT_LBFGS : TW_RT_COMPILED;
  out->damping = s->damping;
  out->memory = s->memory;
  out->patience = s->patience;
  out->until = target(&s->until);
  out->rounds = s->rounds;
  out->kick = s->kick;
  out->retries = s->retries;
  out->retry = target(&s->retry);
  out->n_states = s->update.states.len;
  out->state_start = start;
  TwMoment at = {layout, s, stored};
  tw_lw_step(l, lw, &at, out);
  tw_lw_rate(l, lw, &at, out);
  tw_lw_eval(l, lw, &at, out);
  tw_lw_shown(l, lw, &at, out);
  tw_lw_checks(l, lw, &at, out);
  if (models) tw_lw_gradient(l, lw, &at, out);
  out->pls = TW_NEW_N(lw->arena, TwRtPl, lw->p->models.len);
  for (uint32_t m = 0; m < lw->p->models.len; m++)
    if (wants_regions(lw->p, l->rt, m)) tw_lw_pl(l, lw, &at, m, &out->pls[m]);
}

/* ---- bounds of pieces */

/* A bound of the pieces of a model that has none, in any of the stages where it is looked at; once for a model. */
static void refuse_pieces(TwLw *lw, const TwRtProgram *rt, bool *told, TwSpan bound, uint32_t model, uint64_t stages) {
  for (uint32_t k = 0; k < rt->n_stages && !told[model]; k++) {
    const TwRtPl *pl = &rt->stages[k].pls[model];
    if (!(stages >> k & 1) || !pl->why_not) continue;
    TwDiag *d = tw_diag(&lw->unit->diags, TW_E0715, bound, "the pieces of '%s' cannot be followed", pl->model);
    TwSpan why = {pl->why_place.file, pl->why_place.start, pl->why_place.end};
    tw_diag_note(&lw->unit->diags, d, why, "%s", pl->why_not);
    told[model] = true;
  }
}

static void check_pieces(TwLw *lw, const TwRtProgram *rt) {
  const TwProgram *p = lw->p;
  bool *told = TW_NEW_N(lw->arena, bool, p->models.len);
  uint64_t last = rt->n_stages && rt->n_stages <= 64 ? 1ull << (rt->n_stages - 1) : 0;
  for (uint32_t k = 0; k < p->ensures.len; k++)
    if (p->ensures.at[k].kind == TW_EN_REGIONS)
      refuse_pieces(lw, rt, told, p->ensures.at[k].span, p->ensures.at[k].model,
                    rt->ensures[k].during ? rt->ensures[k].during : last);
  for (uint32_t k = 0; k < p->expects.len; k++)
    if (p->expects.at[k].kind == TW_XP_REGIONS)
      refuse_pieces(lw, rt, told, p->expects.at[k].span, p->expects.at[k].model, last);
}

/* ---- what training calls at each epoch, and what it does not */

static bool is_checked(const TwRtProgram *rt, uint32_t stage, bool regions, uint32_t model) {
  for (uint32_t k = 0; k < rt->n_ensures; k++) {
    const TwRtEnsure *e = &rt->ensures[k];
    if (e->is_regions == regions && (!regions || e->model == model) && e->during >> stage & 1) return true;
  }
  return false;
}

static bool runs_once(const TwRtProgram *rt, const TwRtFn *slot) {
  if (slot == &rt->init || slot == &rt->store || slot == &rt->inside) return true;
  for (uint32_t k = 0; k < rt->n_datas; k++)
    if (slot == &rt->datas[k].target) return true;
  for (uint32_t k = 0; k < rt->n_stages; k++) {
    const TwRtStage *s = &rt->stages[k];
    if (slot == &s->shown || slot == &s->rate) return true;
    if (slot == &s->checks) return !is_checked(rt, k, false, 0);
    for (uint32_t m = 0; m < rt->n_models; m++)
      if (slot == &s->pls[m].coeffs) return !is_checked(rt, k, true, m);
  }
  return false;
}

/* An evaluation is less than an update, and takes about twice as long without LLVM's optimizations: beside so many
 * epochs that is nothing, nor are so few operations, whatever the number of seeds. */
enum { MANY_EPOCHS = 100 };
static const double FEW_OPERATIONS = 5e6;

/* With a batch the loss of each epoch is its. */
static bool evaluates_seldom(const TwRtProgram *rt, const TwLoweredFn *f) {
  for (uint32_t k = 0; k < rt->n_stages; k++) {
    const TwRtStage *s = &rt->stages[k];
    if (f->slot == &s->eval)
      return s->batch == 0 && (s->epochs >= MANY_EPOCHS || tw_ir_cost(f->grad).flop < FEW_OPERATIONS);
  }
  return false;
}

static uint32_t part_of(const TwRtProgram *rt, const TwRtFn *slot) {
  const char *at = (const char *)slot;
  for (uint32_t k = 0; k < rt->n_datas; k++)
    if (slot == &rt->datas[k].target) return 1;
  for (uint32_t k = 0; k < rt->n_stages; k++) {
    const TwRtStage *s = &rt->stages[k];
    if (at >= (const char *)s && at < (const char *)(s + 1)) return 2 + k;
    for (uint32_t m = 0; m < rt->n_models; m++)
      if (slot == &s->pls[m].coeffs) return 2 + k;
    for (uint32_t m = 0; m < s->n_squares; m++)
      if (slot == &s->squares[m].fn) return 2 + k;
  }
  return 0;
}

static void mark_once(TwLowered *l, unsigned what) {
  for (uint32_t k = 0; k < l->fns.len; k++) {
    TwLoweredFn *f = &l->fns.at[k];
    f->part = part_of(l->rt, f->slot);
    f->once = runs_once(l->rt, f->slot) || (what & TW_LOWER_SELDOM && evaluates_seldom(l->rt, f));
  }
}

bool tw_lower(TwUnit *u, const TwProgram *p, unsigned what, const TwLowered *before, TwLowered **out) {
  uint32_t errors = u->diags.errors;
  TwLowered *l = TW_NEW(&u->arena, TwLowered);
  TwLw lw = {.unit = u, .arena = &u->arena, .p = p, .m = before ? before->module : tw_module_new(&u->arena)};
  l->module = lw.m;
  l->before = before;
  l->rt = TW_NEW(&u->arena, TwRtProgram);
  lw.rows = TW_NEW_N(lw.arena, int64_t, p->datas.len);
  for (uint32_t k = 0; k < p->datas.len; k++) lw.rows[k] = p->datas.at[k].n;
  TwLayout layout;
  tw_lw_layout(&lw, &layout);
  *l->rt = (TwRtProgram){.abi = TW_RT_ABI,
                         .f64 = u->options.precision == TW_F64,
                         .portable = true,
                         .path = p->span.file ? tw_source(&u->sources, p->span.file)->path : "",
                         .variant = p->variant,
                         .n_values = layout.n_values,
                         .n_shown = layout.n_shown,
                         .n_coordinates = coordinates(&lw)};
  if (p->loss) l->rt->loss_place = tw_lw_place(&lw, p->loss->span);
  const char **measures = TW_NEW_N(lw.arena, const char *, p->measures.len);
  for (uint32_t k = 0; k < p->measures.len; k++) measures[k] = p->measures.at[k].name;
  l->rt->n_measures = p->measures.len;
  l->rt->measures = measures;
  lower_tensors(l, &lw, &layout);
  l->rt->n_loaded = lw.p->loaded.len;
  l->rt->loaded = lw.p->loaded.at;
  lower_datas(l, &lw, what);
  lower_models(l, &lw, what & TW_LOWER_MODELS ? &layout : NULL);
  if (what & TW_LOWER_MODELS) tw_lw_store(l, &lw, &layout);
  tw_lw_inside(l, &lw, &layout);
  lower_ensures(l, &lw);
  bool *stored = TW_NEW_N(lw.arena, bool, p->weights.len);
  for (uint32_t k = 0; k < p->weights.len; k++) stored[k] = p->weights.at[k].is_law;
  TwMoment start = {&layout, NULL, stored};
  if (what & TW_LOWER_TRAIN) tw_lw_init(l, &lw, &start);
  l->rt->n_stages = what & TW_LOWER_TRAIN ? p->stages.len : 0;
  l->rt->stages = TW_NEW_N(lw.arena, TwRtStage, p->stages.len);
  for (uint32_t k = 0; k < l->rt->n_stages; k++) lower_stage(l, &lw, &layout, k, stored, what & TW_LOWER_MODELS);
  check_pieces(&lw, l->rt);
  mark_once(l, what);
  *out = l;
  return u->diags.errors == errors;
}

const TwFn *tw_lower_set_weights(TwUnit *u, const TwProgram *p, const TwLowered *l) {
  TwLw lw = {.unit = u, .arena = &u->arena, .p = p, .m = l->module};
  TwLayout layout;
  tw_lw_layout(&lw, &layout);
  bool *stored = TW_NEW_N(lw.arena, bool, p->weights.len + 1);
  for (uint32_t k = 0; k < p->weights.len; k++) stored[k] = p->weights.at[k].is_law;
  TwMoment at = {&layout, NULL, stored};
  TwFnBuild b;
  tw_lw_begin(&b, &lw, &at, "set_weights");
  tw_result(b.scope.f, tw_lw_all_shown(&b));
  return tw_fn_seal(b.scope.f);
}

/* The final form of an earlier program's function that is like f, or NULL. Nothing asks a final function where in the
 * source it comes from. */
static const TwFn *final_of(const TwLowered *l, const TwLoweredFn *f) {
  for (; l; l = l->before)
    for (uint32_t k = 0; k < l->fns.len; k++) {
      const TwLoweredFn *g = &l->fns.at[k];
      bool alike = g->final && g->precision == f->precision && strcmp(g->name, f->name) == 0;
      if (alike && tw_fn_equal(g->grad, f->grad)) return g->final;
    }
  return NULL;
}

bool tw_lowered_optimize(TwUnit *u, TwLowered *l) {
  (void)u;
  TwOptLimits limits = tw_opt_limits_default();
  for (uint32_t k = 0; k < l->fns.len; k++) {
    TwLoweredFn *f = &l->fns.at[k];
    f->final = final_of(l->before, f);
    if (!f->final) f->final = tw_optimize(l->module, f->grad, limits);
  }
  return true;
}
