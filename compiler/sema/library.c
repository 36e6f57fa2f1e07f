/* library.c: checking what nothing calls: functions, types and optimizers on their own.
 *
 * Shape parameters are different primes, so that shapes that agree only by accident do not; numbers
 * are unknown; functions and data sets are stand-ins. An int parameter without a default is taken to
 * be 4, as ranges and sizes need a number. */
#include "compiler/sema/check.h"

static const int64_t primes[TW_SM_VARS] = {11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71};

/* Binds the shape parameters; returns what they are, as text, or NULL if there are none. */
static const char *sample_shapes(TwSema *s, const TwDecl *d, TwSmScope *scope) {
  const char *text = NULL;
  for (uint32_t k = 0; k < d->shape_params.len && k < TW_SM_VARS; k++) {
    TwIdent id = d->shape_params.at[k];
    tw_sm_bind(s, scope, id, tw_sm_v(tw_sm_int(s, primes[k], id.span)));
    text = tw_arena_printf(s->a, "%s%s%s = %lld", text ? text : "", text ? ", " : "", id.name, (long long)primes[k]);
  }
  return text;
}

static uint32_t sample_data(TwSema *s, TwIdent id) {
  TwDataSet d = {.name = id.name, .span = id.span, .kind = TW_DATA_GRID, .n = 11};
  TwAxis x = {.local = tw_sm_local(s, id.name, s->t_real, id.span), .lo = 0, .hi = 1, .n = 11};
  tw_vec_push(s->a, &d.inputs, x);
  d.target = tw_sm_use(s, x.local, id.span);
  tw_vec_push(s->a, &s->p->datas, d);
  return s->p->datas.len - 1;
}

static TwSmValue unknown(TwSema *s, TwIdent id, const TwType *type) {
  return tw_sm_v(tw_sm_use(s, tw_sm_local(s, id.name, type, id.span), id.span));
}

static TwSmValue sample_value(TwSema *s, const TwSmScope *scope, const TwParamDecl *p) {
  const TwType *type = tw_sm_type(s, scope, p->type);
  if (tw_sm_poison(type)) return tw_sm_vbad();
  if (p->value) { /* a default must fit, whatever it is */
    TwTx *t = tw_sm_tx(s, scope, p->value, type);
    t = tw_sm_coerce(s, t, type, false, p->value->span, tw_arena_printf(s->a, "the default of '%s'", p->name.name));
    if (type == s->t_int) return tw_sm_poison(t->type) ? tw_sm_vbad() : tw_sm_v(t);
  }
  if (type == s->t_int || (tw_sm_is_scalar(type) && type->dtype == TW_INT))
    return tw_sm_v(tw_sm_int(s, 4, p->name.span));
  return unknown(s, p->name, type);
}

static void sample_param(TwSema *s, TwSmScope *scope, const TwParamDecl *p) {
  TwSmValue v = tw_sm_vbad();
  if (!p->type) {
    s->errors++; /* the parser has said so */
  } else {
    switch (tw_sm_param_kind(s, scope, p->type)) {
      case TW_PK_VALUE: v = sample_value(s, scope, p); break;
      case TW_PK_FN: v = (TwSmValue){.kind = TW_V_OPAQUE, .opaque = p->type, .scope = *scope}; break;
      case TW_PK_DATA: v = (TwSmValue){.kind = TW_V_DATA, .index = sample_data(s, p->name)}; break;
      case TW_PK_SCHEDULE: {
        TwSmValue *inner = TW_NEW(s->a, TwSmValue);
        *inner = unknown(s, p->name, s->t_real);
        v = (TwSmValue){.kind = TW_V_SCHEDULE, .inner = inner};
        break;
      }
    }
  }
  tw_sm_bind(s, scope, p->name, v);
}

static void check_fn_value(TwSema *s, const TwSmFn *f) {
  const TwDecl *d = f->decl;
  TwSmScope scope = f->scope;
  const TwSmFrame *caller = s->frame;
  TwSmFrame frame = {f->local ? caller : NULL, f->home, d, d->name.name, d->name.span, true, NULL};
  if (d->is_custom) {
    tw_sm_custom_ok(s, f);
    return;
  }
  if (d->shape_params.len > TW_SM_VARS) {
    tw_sm_error(s, TW_E0902, d->name.span, "'%s' has more than %d shape parameters", d->name.name, TW_SM_VARS);
    return;
  }
  if (!tw_sm_distinct(s, d)) return;
  if (!f->local) s->ctx = (TwSmCtx){.law = true};
  s->frame = &frame;
  if (f->local) { /* so that a call of itself is seen as one */
    TwSmFn *self = TW_NEW(s->a, TwSmFn);
    *self = *f;
    self->home = &frame;
    tw_sm_bind(s, &scope, d->name, (TwSmValue){.kind = TW_V_FN, .fn = self});
  }
  frame.with = sample_shapes(s, d, &scope);
  uint32_t before = s->errors, n_datas = s->p->datas.len;
  for (uint32_t k = 0; k < d->params.len; k++) sample_param(s, &scope, &d->params.at[k]);
  TwSmValue v = tw_sm_body(s, f, &scope, NULL);
  if (s->errors == before && v.kind == TW_V_FN && v.fn->lambda) { /* a schedule, say: its body on unknown numbers */
    TwSmArgs args = {0};
    bool plain_params = true;
    for (uint32_t k = 0; k < v.fn->lambda->params.len; k++) {
      plain_params &= v.fn->lambda->params.at[k].type == NULL;
      tw_vec_push(s->a, &args, tw_sm_arg_of(unknown(s, v.fn->lambda->params.at[k].name, s->t_real), v.fn->span));
    }
    if (plain_params) tw_sm_apply(s, v, &args, v.fn->span, NULL);
  }
  s->frame = caller;
  s->p->datas.len = n_datas;
}

static void check_fn(TwSema *s, const TwDecl *d) { check_fn_value(s, tw_sm_fn_value(s, s->main, d).fn); }

void tw_sm_check_local(TwSema *s, const TwSmFn *f) { check_fn_value(s, f); }

static void check_optimizer(TwSema *s, const TwDecl *d) {
  TwSmScope scope = {s->main, NULL};
  TwUpdate u = {0};
  TwSmFrame frame = {NULL, NULL, d, d->name.name, d->name.span, true, NULL};
  static const char *const names[] = {"t", "epoch", "epochs"};
  s->ctx = (TwSmCtx){.what = "an optimizer", .no_params = true, .no_weights = true, .no_data = true};
  TwTx *use[3];
  for (int k = 0; k < 3; k++) {
    TwIdent id = {tw_intern_z(&s->u->names, names[k]), {0}};
    use[k] = unknown(s, id, s->t_real).tx;
    tw_sm_bind(s, &scope, id, tw_sm_v(use[k]));
  }
  s->ctx.epoch = use[1];
  s->ctx.epochs = use[2];
  if (!tw_sm_distinct(s, d)) return;
  for (uint32_t k = 0; k < d->params.len; k++) sample_param(s, &scope, &d->params.at[k]);
  s->frame = &frame;
  tw_sm_optimizer_body(s, d, &scope, primes[0], &u);
  s->frame = NULL;
}

static void check_type(TwSema *s, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  TwSmScope scope = {s->main, NULL};
  if (!tw_sm_distinct(s, d)) return;
  sample_shapes(s, d, &scope);
  if (!d->type) return;
  TwSmState state = e->state;
  e->state = TW_SM_BUSY;
  tw_sm_type(s, &scope, d->type);
  e->state = state;
}

/* The maps on their own, with unknown values; they are compared with each other where a param has the domain. */
static void check_domain(TwSema *s, TwSmEntry *e) {
  TwSmValue v = tw_sm_resolve(s, s->main, e, e->span);
  for (uint32_t k = 0; k < TW_SM_MAPS && v.kind == TW_V_DOMAIN; k++) check_fn(s, v.domain->maps[k]);
}

void tw_sm_library(TwSema *s, bool all) {
  for (uint32_t k = 0; k < s->main->entries.len; k++) {
    TwSmEntry *e = s->main->entries.at[k];
    bool used = e->used;
    if (e->decl->kind == TW_DE_TYPE) check_type(s, e);
    if (e->decl->kind == TW_DE_FN && (all || !tw_sm_was_elaborated(s, e->decl))) check_fn(s, e->decl);
    if (e->decl->kind == TW_DE_DOMAIN && (all || !tw_sm_was_elaborated(s, e->decl))) check_domain(s, e);
    if (e->decl->kind == TW_DE_OPTIMIZER && (all || !tw_sm_was_elaborated(s, e->decl))) check_optimizer(s, e->decl);
    e->used = used;
  }
  s->ctx = (TwSmCtx){0};
}
