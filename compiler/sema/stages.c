/* stages.c: stages: what they train, for how long, with which optimizer and loss.
 *
 * What depends on the order of stages (releases, dependence of the loss) is in depends.c. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

typedef struct StageIn {
  TwSema *s;
  const TwDecl *d;
  TwSmScope scope;
  TwStage st;
  const TwStageItem *seen[8]; /* by TwStageItemKind */
  const TwExpr *optimizer;
  TwIdent batch_of; /* the data set, if there is one */
  bool broken;
} StageIn;

/* ---- train */
static void train_name(StageIn *in, TwIdent id) {
  TwSema *s = in->s;
  TwSmEntry *e = tw_sm_find(s->main, id.name);
  if (!e) {
    in->broken = true;
    if (tw_sm_in_broken(s, id.name)) {
      s->errors++;
      return;
    }
    TwNames names = {0};
    for (uint32_t k = 0; k < s->main->entries.len; k++) {
      const TwSmEntry *o = s->main->entries.at[k];
      if (o->decl->kind == TW_DE_PARAM || o->decl->kind == TW_DE_WEIGHTS) tw_vec_push(s->a, &names, o->name);
    }
    TwDiag *d = tw_sm_error(s, TW_E0201, id.span, "there is no param and no weights '%s'", id.name);
    tw_sm_suggest(s, d, id.name, names.at, names.len);
    return;
  }
  if (e->decl->kind != TW_DE_PARAM && e->decl->kind != TW_DE_WEIGHTS) {
    in->broken = true;
    if (e->decl->kind == TW_DE_ERROR) return;
    TwDiag *d = tw_sm_error(s, TW_E0704, id.span, "'%s' cannot be trained: it is neither a param nor weights", id.name);
    tw_sm_note(s, d, e->span, "it is declared here");
    return;
  }
  TwSmValue v = tw_sm_resolve(s, s->main, e, id.span);
  if (v.kind != TW_V_TX) {
    in->broken = true;
    return;
  }
  bool weights = e->decl->kind == TW_DE_WEIGHTS;
  uint32_t n = weights ? in->st.weights.len : in->st.params.len;
  for (uint32_t k = 0; k < n; k++) {
    if ((weights ? in->st.weights.at[k] : in->st.params.at[k]) != e->index) continue;
    tw_sm_error(s, TW_E0707, id.span, "'%s' is named twice", id.name);
    return;
  }
  if (weights) tw_vec_push(s->a, &in->st.weights, e->index);
  else tw_vec_push(s->a, &in->st.params, e->index);
  in->st.n_flat += v.tx->kind == TW_TX_PARAM ? tw_sm_count(tw_param_coord(&s->p->params.at[v.tx->index]))
                                             : tw_sm_count(v.tx->type);
}

/* ---- numbers */
static void epochs(StageIn *in, const TwStageItem *it) {
  if (!tw_sm_static_int(in->s, &in->scope, it->value, "the number of epochs", &in->st.epochs)) in->broken = true;
  else if (in->st.epochs < 0 || in->st.epochs > (int64_t)1 << 40)
    tw_sm_error(in->s, TW_E0717, it->value->span, "a stage cannot have %lld epochs", (long long)in->st.epochs);
}

static void batch(StageIn *in, const TwStageItem *it) {
  TwSema *s = in->s;
  bool known = tw_sm_static_int(s, &in->scope, it->value, "the size of a batch", &in->st.batch);
  if (known && in->st.batch < 1) {
    tw_sm_error(s, TW_E0717, it->value->span, "a batch has at least one row, not %lld", (long long)in->st.batch);
    return;
  }
  if (it->names.len == 0) {
    TwDiag *d = tw_sm_error(s, TW_E0717, it->span, "nothing tells which data set the batches are of");
    tw_sm_help(s, d, "write 'batch %s of train'", tw_sm_text(s, it->value->span));
    return;
  }
  TwIdent id = it->names.at[0];
  TwSmEntry *e = tw_sm_find(s->main, id.name);
  if (!e || e->decl->kind != TW_DE_DATA) {
    if (e ? e->decl->kind == TW_DE_ERROR : tw_sm_in_broken(s, id.name)) {
      s->errors++;
      return;
    }
    TwNames names = {0};
    for (uint32_t k = 0; k < s->main->entries.len; k++)
      if (s->main->entries.at[k]->decl->kind == TW_DE_DATA) tw_vec_push(s->a, &names, s->main->entries.at[k]->name);
    TwDiag *d = tw_sm_error(s, e ? TW_E0209 : TW_E0201, id.span,
                            e ? "'%s' is not a data set" : "there is no data set '%s'", id.name);
    if (!e) tw_sm_suggest(s, d, id.name, names.at, names.len);
    return;
  }
  TwSmValue v = tw_sm_resolve(s, s->main, e, id.span);
  if (v.kind != TW_V_DATA || !known) return;
  in->st.batch_data = v.index;
  in->batch_of = id;
  int64_t rows = s->p->datas.at[v.index].n;
  if (in->st.batch > rows)
    tw_sm_error(s, TW_E0717, it->value->span, "a batch of '%s' has between 1 and %lld rows, not %lld", id.name,
                (long long)rows, (long long)in->st.batch);
}

static void option(StageIn *in, const TwStageItem *it) {
  TwSema *s = in->s;
  if (it->names.len == 0) return;
  TwIdent id = it->names.at[0];
  static const char *const words[] = {"train", "epochs", "batch", "keep",  "loss",      "patience",
                                      "until", "rounds", "kick",  "retry", "clip_norm", "recompute"};
  if (tw_sm_stage_option(s, &in->scope, it, &in->st)) return;
  if (strcmp(id.name, "clip_norm") == 0) {
    if (in->st.clip_norm > 0) tw_sm_error(s, TW_E0707, it->span, "'clip_norm' is given twice");
    else if (tw_sm_const_real(s, &in->scope, it->value, "the bound of the gradient's norm", &in->st.clip_norm) &&
             !(in->st.clip_norm > 0))
      tw_sm_error(s, TW_E0717, it->value->span, "the gradient's norm can only be clipped to a positive number, not %g",
                  in->st.clip_norm);
    return;
  }
  TwNames names = {0};
  for (size_t k = 0; k < sizeof words / sizeof *words; k++)
    tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, words[k]));
  TwDiag *d = tw_sm_error(s, TW_E0707, id.span, "a stage has no item '%s'", id.name);
  if (!tw_sm_suggest(s, d, id.name, names.at, names.len))
    tw_sm_help(s, d,
               "items are train, an optimizer, epochs, batch, keep, loss, clip_norm, patience, until, rounds, kick, "
               "retry and recompute");
  in->broken = true;
}

/* ---- items */
static bool once(StageIn *in, const TwStageItem *it) {
  const TwStageItem *old = in->seen[it->kind];
  in->seen[it->kind] = it;
  if (!old || it->kind == TW_SI_OPTION) return true;
  TwDiag *d = tw_sm_error(in->s, TW_E0707, it->span,
                          it->kind == TW_SI_OPTIMIZER ? "a stage has one optimizer"
                                                      : "this item stands twice in the stage");
  tw_sm_note(in->s, d, old->span, "first here");
  return false;
}

static void item(StageIn *in, const TwStageItem *it) {
  TwSema *s = in->s;
  if (!it->span.file || (it->value && it->value->kind == TW_EX_ERROR) ||
      (it->condition && it->condition->kind == TW_EX_ERROR)) {
    s->errors++;
    in->broken = true;
    return;
  }
  if (!once(in, it)) {
    in->broken = true;
    in->optimizer = NULL; /* of two, neither is looked at */
    return;
  }
  switch (it->kind) {
    case TW_SI_TRAIN:
      for (uint32_t k = 0; k < it->names.len; k++) train_name(in, it->names.at[k]);
      return;
    case TW_SI_OPTIMIZER: in->optimizer = it->value; return;
    case TW_SI_EPOCHS: epochs(in, it); return;
    case TW_SI_BATCH: batch(in, it); return;
    case TW_SI_KEEP: in->st.keep = true; return;
    case TW_SI_KEEP_BEST: in->st.keep_best = true; return;
    case TW_SI_LOSS: {
      TwTx *t = tw_sm_tx(s, &in->scope, it->value, s->t_real);
      in->st.loss = tw_sm_real_scalar(s, &t, TW_E0710, "the loss of a stage") ? t : tw_sm_bad(s, it->span);
      return;
    }
    case TW_SI_OPTION: {
      uint32_t before = s->errors;
      option(in, it);
      in->broken |= s->errors != before;
      return;
    }
  }
}

/* It is one mistake, however many stages there are, in variants too. */
static bool no_loss_told(const TwSema *s) {
  for (uint32_t k = 0; k < s->u->diags.list.len; k++)
    if (s->u->diags.list.at[k]->id == TW_E0703) return true;
  return false;
}

static void missing(StageIn *in) {
  TwSema *s = in->s;
  if (in->broken) return;
  const char *name = in->st.name;
  if (!in->seen[TW_SI_TRAIN] || in->st.n_flat == 0) {
    TwDiag *d = tw_sm_error(s, TW_E0701, in->d->name.span, "stage '%s' trains nothing", name);
    tw_sm_help(s, d,
               in->seen[TW_SI_TRAIN] ? "what it names holds no numbers" : "write 'train …' with params or weights");
    return;
  }
  if (!in->optimizer) {
    TwDiag *d = tw_sm_error(s, TW_E0707, in->d->name.span, "stage '%s' has no optimizer", name);
    tw_sm_help(s, d, "write 'adam(rate = 1e-3)' or another one");
  }
  if (!in->seen[TW_SI_EPOCHS]) {
    TwDiag *d = tw_sm_error(s, TW_E0707, in->d->name.span, "stage '%s' does not say how many epochs it has", name);
    tw_sm_help(s, d, "write 'epochs 1000'");
  }
  if (!in->st.loss && !s->p->loss && (s->broken.len || no_loss_told(s))) {
    s->errors++; /* what could not be read may have been the loss */
  } else if (!in->st.loss && !s->p->loss) {
    TwDiag *d = tw_sm_error(s, TW_E0703, in->d->name.span, "there is no loss that stage '%s' could lower", name);
    tw_sm_help(s, d, "write 'loss = …' before the stages");
  }
}

/* Batches of data that the loss never sees, and state to keep that there is not. */
static void check_use(StageIn *in) {
  TwSema *s = in->s;
  if (in->broken) return;
  if (in->batch_of.name && in->st.loss && !tw_sm_has_poison(in->st.loss->type) &&
      !tw_sm_uses_data(s, in->st.loss, in->st.batch_data)) {
    TwDiag *d = tw_sm_error(s, TW_E0717, in->batch_of.span, "the loss of stage '%s' does not use data set '%s'",
                            in->st.name, in->batch_of.name);
    tw_sm_note(s, d, in->st.loss->span, "the loss");
  }
  if (!in->st.keep || s->skips.len || s->errors) return; /* what a variant leaves out may be what is kept */
  for (uint32_t k = 0; k < s->p->stages.len; k++) {
    const TwStage *o = &s->p->stages.at[k];
    for (uint32_t i = 0; i < o->params.len; i++)
      for (uint32_t j = 0; j < in->st.params.len; j++)
        if (o->params.at[i] == in->st.params.at[j]) return;
    for (uint32_t i = 0; i < o->weights.len; i++)
      for (uint32_t j = 0; j < in->st.weights.len; j++)
        if (o->weights.at[i] == in->st.weights.at[j]) return;
  }
  TwDiag *d = tw_sm_warn(s, TW_W0004, in->seen[TW_SI_KEEP]->span,
                         "no stage before '%s' trains what it trains: there is nothing to keep", in->st.name);
  tw_sm_help(s, d, "every stage starts from the values that the one before it left, 'keep' or not");
}

static void stage(TwSema *s, const TwDecl *d) {
  StageIn in = {.s = s, .d = d, .scope = {s->main, NULL}, .st = {.name = d->name.name, .span = d->name.span}};
  s->ctx = (TwSmCtx){0};
  for (uint32_t k = 0; k < d->items.len; k++) item(&in, &d->items.at[k]);
  missing(&in);
  if (!in.st.loss) in.st.loss = s->p->loss;
  check_use(&in);
  if (in.optimizer) tw_sm_update(s, &in.scope, in.optimizer, &in.st);
  if (in.optimizer && !in.broken) tw_sm_stage_options_end(s, &in.st, d->name.span);
  tw_vec_push(s->a, &s->p->stages, in.st);
  tw_vec_push(s->a, &s->stage_decls, d);
}

static bool skipped(TwSema *s, TwName name) {
  for (uint32_t k = 0; k < s->skips.len; k++)
    if (s->skips.at[k].name == name) return true;
  return false;
}

static void add_stages(TwSema *s, const TwDecl *d, TwNames *out) {
  if (d->kind == TW_DE_STAGE && d->name.name) tw_vec_push(s->a, out, d->name.name);
}

/* The skips of every variant, whichever is looked at. */
static void check_skips(TwSema *s) {
  for (uint32_t k = 0; k < s->main->ast->decls.len; k++) {
    const TwDecl *v = s->main->ast->decls.at[k];
    TwNames names = {0};
    if (v->kind != TW_DE_VARIANT) continue;
    for (uint32_t j = 0; j < s->main->ast->decls.len; j++) add_stages(s, s->main->ast->decls.at[j], &names);
    for (uint32_t j = 0; j < v->decls.len; j++) add_stages(s, v->decls.at[j], &names);
    for (uint32_t j = 0; j < v->decls.len; j++) {
      const TwDecl *d = v->decls.at[j];
      bool known = d->kind != TW_DE_SKIP || !d->name.name;
      for (uint32_t i = 0; i < names.len && !known; i++) known = names.at[i] == d->name.name;
      if (known) continue;
      if (tw_sm_in_broken(s, d->name.name)) {
        s->errors++;
        continue;
      }
      TwDiag *e = tw_sm_error(s, TW_E0706, d->name.span, "there is no stage '%s' to skip", d->name.name);
      tw_sm_suggest(s, e, d->name.name, names.at, names.len);
    }
  }
}

void tw_sm_stages(TwSema *s) {
  const TwDecl *last = NULL;
  TwVec(const TwDecl *) seen = {0};
  bool broken = false;
  check_skips(s);
  for (uint32_t k = 0; k < s->decls.len; k++) {
    const TwDecl *d = s->decls.at[k].decl, *twin = NULL;
    broken |= d->kind == TW_DE_ERROR;
    if (d->kind == TW_DE_LOSS) last = d;
    if (d->kind != TW_DE_STAGE || !d->name.name) continue;
    for (uint32_t j = 0; j < seen.len; j++)
      if (seen.at[j]->name.name == d->name.name) twin = seen.at[j];
    if (twin) {
      TwDiag *e = tw_sm_error(s, TW_E0202, d->name.span, "stage '%s' is declared twice", d->name.name);
      tw_sm_note(s, e, twin->name.span, "first here");
      continue;
    }
    tw_vec_push(s->a, &seen, d);
    if (skipped(s, d->name.name)) tw_vec_push(s->a, &s->skipped, d);
    else stage(s, d);
  }
  if (s->p->loss && s->p->stages.len == 0 && !broken && last) {
    TwSpan span = s->skips.len ? s->skips.at[0].span : last->span;
    TwDiag *e = tw_sm_error(s, TW_E0716, span,
                            s->skips.len ? "this leaves no stage" : "there is a loss but no stage that lowers it");
    tw_sm_help(s, e, "write 'stage fit { train …; adam(rate = 1e-3); epochs 1000 }'");
  }
}
