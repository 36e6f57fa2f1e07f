/* decls.c: weights, models, the loss, measures. */
#include <string.h>

#include "compiler/sema/check.h"

/* ---- weights */
/* `weights w ~ law` keeps the type of the declaration it replaces. */
static const TwType *replaced_type(TwSema *s, const TwSmScope *scope, const TwDecl *old) {
  if (old->type) return tw_sm_type(s, scope, old->type);
  if (!old->value || old->is_law) return s->t_poison;
  s->ctx = (TwSmCtx){.what = "weights", .no_data = true};
  return tw_sm_realify(s, tw_sm_tx(s, scope, old->value, NULL))->type;
}

static bool in_variant(const TwSema *s, const TwDecl *d) {
  for (uint32_t k = 0; k < s->main->ast->decls.len; k++) {
    const TwDecl *v = s->main->ast->decls.at[k];
    if (v->kind == TW_DE_VARIANT && d->span.start >= v->span.start && d->span.end <= v->span.end) return true;
  }
  return false;
}

static const TwType *weights_type(TwSema *s, const TwSmScope *scope, const TwSmEntry *e) {
  const TwDecl *d = e->decl;
  if (d->type) return tw_sm_type(s, scope, d->type);
  bool load = tw_sm_is_load(s, scope, d->value);
  if (!d->is_law && !load) return NULL;
  if (e->replaced) return replaced_type(s, scope, e->replaced);
  if (in_variant(s, d) && tw_sm_in_broken(s, e->name)) return s->errors++, s->t_poison;
  TwDiag *x = in_variant(s, d) ? tw_sm_error(s, TW_E0711, e->span,
                                             "there are no weights '%s' that this %s could replace the value of",
                                             e->name, load ? "file" : "law")
                               : tw_sm_error(s, TW_E0511, e->span, "nothing tells the type of weights '%s'", e->name);
  tw_sm_help(s, x, "write 'weights %s : nn.Mlp[1, 8, 3, 1] %c …'", e->name, d->is_law ? '~' : '=');
  return s->t_poison;
}

TwSmValue tw_sm_weights(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  TwSmScope scope = {m, NULL};
  s->ctx = (TwSmCtx){.what = "weights", .no_data = true};
  if (!d->value) {
    TwDiag *x = tw_sm_error(s, TW_E0511, e->span, "weights '%s' have no value", e->name);
    tw_sm_help(s, x, "write '= …' for a function of params or '~ init.kaiming' for a law");
    return tw_sm_vbad();
  }
  if (d->value->kind == TW_EX_ERROR) return s->errors++, tw_sm_vbad();
  const TwType *type = weights_type(s, &scope, e);
  if (type && tw_sm_has_poison(type)) return tw_sm_vbad();
  if (type && !tw_sm_all_real(type, false)) {
    tw_sm_error(s, TW_E0512, d->type ? d->type->span : e->span, "weights are real, but '%s' is %s", e->name,
                tw_type_text(s->a, type));
    return tw_sm_vbad();
  }
  TwTx *t;
  bool load = tw_sm_is_load(s, &scope, d->value);
  if (load) {
    t = tw_sm_load_file(s, d->value, type, e->name, d->type ? d->type->span : e->span);
  } else if (d->is_law) {
    s->ctx = (TwSmCtx){.what = "a law", .no_data = true, .no_weights = true};
    t = tw_sm_law(s, &scope, d->value, type);
  } else {
    s->ctx = (TwSmCtx){.what = "weights", .no_data = true};
    t = tw_sm_tx(s, &scope, d->value, type);
    t = type ? tw_sm_coerce(s, t, type, false, d->value->span, tw_arena_printf(s->a, "the value of '%s'", e->name))
             : tw_sm_realify(s, t);
    if (!tw_sm_has_poison(t->type) && !tw_sm_all_real(t->type, false)) {
      tw_sm_error(s, TW_E0512, d->value->span, "weights are real, but '%s' is %s", e->name,
                  tw_type_text(s->a, t->type));
      return tw_sm_vbad();
    }
  }
  if (tw_sm_has_poison(t->type)) {
    if (!type) return tw_sm_vbad();
    t = tw_sm_bad(s, e->span); /* its type is known all the same, so others can be checked */
  }
  e->index = s->p->weights.len;
  const TwType *final = type ? type : t->type;
  tw_vec_push(s->a, &s->p->weights, (TwWeights){e->name, e->span, final, t, d->is_law || load});
  TwTx *use = tw_sm_node(s, TW_TX_WEIGHTS, final, e->span);
  use->index = e->index;
  return tw_sm_v(use);
}

/* ---- models */
void tw_sm_model(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  const TwSmFn *f = tw_sm_fn_value(s, m, d).fn;
  TwModel model = {.name = e->name, .span = e->span};
  TwSmScope scope = {m, NULL};
  s->ctx = (TwSmCtx){.what = "a model", .no_data = true};
  for (uint32_t k = 0; k < d->params.len; k++) {
    const TwParamDecl *p = &d->params.at[k];
    const TwType *type = s->t_poison;
    if (!p->type) {
      s->errors++; /* the parser has said so */
    } else if (tw_sm_param_kind(s, &scope, p->type) != TW_PK_VALUE) {
      tw_sm_error(s, TW_E0714, p->type->span, "the input of a model is real, not a function, schedule or data set");
    } else {
      type = tw_sm_type(s, &scope, p->type);
      if (!tw_sm_poison(type) && !tw_sm_is(type, TW_REAL)) {
        tw_sm_error(s, TW_E0714, p->type->span, "the input of a model is real, but '%s' is %s", p->name.name,
                    tw_type_text(s->a, type));
        type = s->t_poison;
      }
    }
    for (uint32_t j = 0; j < k; j++) {
      if (d->params.at[j].name.name != p->name.name) continue;
      tw_sm_error(s, TW_E0202, p->name.span, "'%s' is a parameter twice", p->name.name);
      break;
    }
    TwLocal *l = tw_sm_local(s, p->name.name, type, p->name.span);
    tw_vec_push(s->a, &model.inputs, l);
    tw_sm_bind(s, &scope, p->name, tw_sm_poison(type) ? tw_sm_vbad() : tw_sm_v(tw_sm_use(s, l, p->name.span)));
  }
  TwSmValue v = tw_sm_body(s, f, &scope, NULL);
  if (d->type && tw_sm_param_kind(s, &scope, d->type) != TW_PK_VALUE) {
    tw_sm_error(s, TW_E0714, d->type->span, "the result of a model is real");
    v = tw_sm_vbad();
  }
  model.body = tw_sm_realify(s, tw_sm_need(s, v, d->value ? d->value->span : e->span));
  if (!tw_sm_has_poison(model.body->type) && !tw_sm_all_real(model.body->type, true)) {
    tw_sm_error(s, TW_E0714, e->span, "the result of a model is real, but this is %s",
                tw_type_text(s->a, model.body->type));
    model.body = tw_sm_bad(s, e->span);
  }
  e->index = s->p->models.len;
  e->state = TW_SM_DONE;
  tw_vec_push(s->a, &s->p->models, model);
}

/* ---- losses and measures */
bool tw_sm_real_scalar(TwSema *s, TwTx **t, TwDiagId id, const char *what) {
  if (tw_sm_has_poison((*t)->type)) return false;
  *t = tw_sm_to_real(s, *t);
  if (tw_sm_is_scalar((*t)->type) && (*t)->type->dtype == TW_REAL) return true;
  TwDiag *d = tw_sm_error(s, id, (*t)->span, "%s is one real number, but this is %s", what,
                          tw_type_text(s->a, (*t)->type));
  if ((*t)->type->kind == TW_TY_TENSOR && (*t)->type->rank)
    tw_sm_help(s, d, "sum(…) or mean(…) makes one number of it");
  return false;
}

static void loss(TwSema *s, const TwDecl *d, const TwDecl **first) {
  if (*first) {
    TwDiag *x = tw_sm_error(s, TW_E0202, d->span, "the loss is declared twice");
    tw_sm_note(s, x, (*first)->span, "first here");
    return;
  }
  *first = d;
  TwSmScope scope = {s->main, NULL};
  TwTx *t = tw_sm_tx(s, &scope, d->value, s->t_real);
  s->p->loss = tw_sm_real_scalar(s, &t, TW_E0710, "the loss") ? t : tw_sm_bad(s, d->span);
}

static void measure(TwSema *s, const TwDecl *d) {
  if (strcmp(d->name.name, "loss") == 0 || strcmp(d->name.name, "best_loss") == 0)
    tw_sm_error(s, TW_E0202, d->name.span, "the name '%s' is taken: every run has this result", d->name.name);
  for (uint32_t k = 0; k < s->p->measures.len; k++) {
    if (s->p->measures.at[k].name != d->name.name) continue;
    TwDiag *x = tw_sm_error(s, TW_E0202, d->name.span, "measure '%s' is declared twice", d->name.name);
    tw_sm_note(s, x, s->p->measures.at[k].span, "first here");
    return;
  }
  TwSmScope scope = {s->main, NULL};
  TwTx *t = tw_sm_tx(s, &scope, d->value, s->t_real);
  if (!tw_sm_real_scalar(s, &t, TW_E0710, "a measure")) t = tw_sm_bad(s, d->span);
  tw_vec_push(s->a, &s->p->measures, (TwMeasure){d->name.name, d->name.span, t});
}

void tw_sm_losses(TwSema *s) {
  const TwDecl *first = NULL;
  s->ctx = (TwSmCtx){0};
  for (uint32_t k = 0; k < s->decls.len; k++) {
    const TwDecl *d = s->decls.at[k].decl;
    if (d->kind != TW_DE_LOSS && d->kind != TW_DE_MEASURE) continue;
    if (!d->value) s->errors++;
    else if (d->kind == TW_DE_LOSS) loss(s, d, &first);
    else measure(s, d);
  }
}
