/* info.c: triwave check --info json: what a program is, as one JSON object: the contract is in docs/diagnostics.md. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "compiler/ir/cost.h"

typedef struct Info {
  const TwUnit *u;
  TwArena text;
  const TwProgram *p;
  const TwLowered *l;
} Info;

static void put(cJSON *to, const char *key, cJSON *value) { cJSON_AddItemToObject(to, key, value); }
static cJSON *list(cJSON *to, const char *key) {
  cJSON *l = cJSON_CreateArray();
  put(to, key, l);
  return l;
}
static cJSON *object(cJSON *in) {
  cJSON *o = cJSON_CreateObject();
  cJSON_AddItemToArray(in, o);
  return o;
}
static void text(cJSON *to, const char *key, const char *s) {
  put(to, key, s ? cJSON_CreateString(s) : cJSON_CreateNull());
}
static void number(cJSON *to, const char *key, double x) {
  put(to, key, isfinite(x) ? cJSON_CreateNumber(x) : cJSON_CreateString(x > 0 ? "inf" : x < 0 ? "-inf" : "nan"));
}

static void where(const Info *in, cJSON *to, TwSpan span) {
  TwPlace at = span.file ? tw_place(&in->u->sources, span.file, span.start) : (TwPlace){0};
  text(to, "file", at.path);
  put(to, "line", at.path ? cJSON_CreateNumber(at.line) : cJSON_CreateNull());
}

/* "type": "real[6]", "shape": [6]; a record has no shape, but the number of its reals. */
static void type_of(Info *in, cJSON *to, const TwType *t) {
  text(to, "type", tw_type_text(&in->text, t));
  if (t->kind != TW_TY_TENSOR) return;
  cJSON *shape = list(to, "shape");
  for (uint32_t k = 0; k < t->rank; k++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->dims[k].n));
}

static double reals(const TwType *t) {
  double n = 0;
  for (uint32_t k = 0; k < t->fields.len; k++) n += reals(t->fields.at[k].type);
  if (t->kind == TW_TY_ARRAY) n = reals(t->elem);
  if (t->kind == TW_TY_TENSOR) n = t->dtype == TW_REAL;
  for (uint32_t k = 0; (t->kind == TW_TY_TENSOR || t->kind == TW_TY_ARRAY) && k < t->rank; k++)
    n *= (double)t->dims[k].n;
  return n;
}

static const char *transform_of(const TwParam *p) {
  switch (p->transform) {
    case TW_TR_NONE: return "none";
    case TW_TR_CLIP: return "clip";
    case TW_TR_LOGISTIC: return "logistic";
    case TW_TR_EXP: return "exp";
    case TW_TR_DOMAIN: return "forward";
  }
  return NULL;
}

static const char *source_of(const TwDataSet *d) {
  switch (d->kind) {
    case TW_DATA_GRID: return "grid";
    case TW_DATA_CSV: return "csv";
    case TW_DATA_NPY: return "npy";
  }
  return NULL;
}

static void params(Info *in, cJSON *to) {
  for (uint32_t k = 0; k < in->p->params.len; k++) {
    const TwParam *p = &in->p->params.at[k];
    cJSON *o = object(to), *domain;
    text(o, "name", p->name);
    type_of(in, o, p->type);
    number(o, "reals", reals(p->type));
    put(o, "domain", domain = cJSON_CreateObject());
    number(domain, "low", p->lo);
    number(domain, "high", p->hi);
    put(domain, "low_open", cJSON_CreateBool(p->lo_open || isinf(p->lo)));
    put(domain, "high_open", cJSON_CreateBool(p->hi_open || isinf(p->hi)));
    text(domain, "name", p->domain ? p->domain->name.name : NULL);
    text(o, "transform", transform_of(p));
    put(o, "eps", p->transform == TW_TR_CLIP ? cJSON_CreateNumber(p->eps) : cJSON_CreateNull());
    text(o, "start", p->is_law ? "law" : "value");
    number(o, "coordinates", reals(tw_param_coord(p)));
    where(in, o, p->span);
  }
}

static void weights(Info *in, cJSON *to) {
  for (uint32_t k = 0; k < in->p->weights.len; k++) {
    const TwWeights *w = &in->p->weights.at[k];
    cJSON *o = object(to);
    text(o, "name", w->name);
    type_of(in, o, w->type);
    number(o, "reals", reals(w->type));
    text(o, "start", w->is_law ? "stored" : "function");
    where(in, o, w->span);
  }
}

static void data(Info *in, cJSON *to) {
  for (uint32_t k = 0; k < in->p->datas.len; k++) {
    const TwDataSet *d = &in->p->datas.at[k];
    cJSON *o = object(to), *inputs;
    text(o, "name", d->name);
    text(o, "source", source_of(d));
    text(o, "path", d->path);
    number(o, "rows", (double)d->n);
    inputs = list(o, "inputs");
    for (uint32_t j = 0; j < d->inputs.len; j++) {
      const TwAxis *a = &d->inputs.at[j];
      cJSON_AddItemToArray(inputs, cJSON_CreateString(a->column ? a->column : a->local ? a->local->name : ""));
    }
    text(o, "target", d->target ? tw_type_text(&in->text, d->target->type) : NULL);
    put(o, "weighted", cJSON_CreateBool(d->weight != NULL));
    where(in, o, d->span);
  }
}

static void models(Info *in, cJSON *to) {
  for (uint32_t k = 0; k < in->p->models.len; k++) {
    const TwModel *m = &in->p->models.at[k];
    cJSON *o = object(to), *inputs;
    text(o, "name", m->name);
    inputs = list(o, "inputs");
    for (uint32_t j = 0; j < m->inputs.len; j++) {
      cJSON *i = object(inputs);
      text(i, "name", m->inputs.at[j]->name);
      type_of(in, i, m->inputs.at[j]->type);
    }
    text(o, "result", m->body ? tw_type_text(&in->text, m->body->type) : NULL);
    where(in, o, m->span);
  }
}

static double slots(const TwRtSlot *s, uint32_t n) {
  double elements = 0;
  for (uint32_t k = 0; k < n; k++) elements += (double)s[k].count;
  return elements;
}

/* Of one call of the function called `name`, such as "fit.step". */
static void cost(Info *in, cJSON *to, const char *key, const char *name) {
  for (uint32_t k = 0; k < in->l->fns.len; k++) {
    const TwLoweredFn *f = &in->l->fns.at[k];
    if (strcmp(f->name, name) != 0) continue;
    TwIrCost c = tw_ir_cost(f->final);
    cJSON *o = cJSON_CreateObject();
    put(to, key, o);
    number(o, "flop", c.flop);
    number(o, "samples", (double)c.samples);
    number(o, "flop_a_sample", c.samples ? c.sample_flop / (double)c.samples : 0);
    number(o, "bytes",
           (f->precision == TW_F64 ? 8 : 4) *
               (slots(f->slot->in, f->slot->n_in) + slots(f->slot->out, f->slot->n_out)));
    return;
  }
  put(to, key, cJSON_CreateNull());
}

static void stages(Info *in, cJSON *to) {
  for (uint32_t k = 0; k < in->p->stages.len; k++) {
    const TwStage *s = &in->p->stages.at[k];
    cJSON *o = object(to), *trains;
    text(o, "name", s->name);
    trains = list(o, "train");
    for (uint32_t j = 0; j < s->params.len; j++)
      cJSON_AddItemToArray(trains, cJSON_CreateString(in->p->params.at[s->params.at[j]].name));
    for (uint32_t j = 0; j < s->weights.len; j++)
      cJSON_AddItemToArray(trains, cJSON_CreateString(in->p->weights.at[s->weights.at[j]].name));
    number(o, "reals", (double)s->n_flat);
    text(o, "optimizer",
         s->method == TW_ME_LM      ? "lm"
         : s->method == TW_ME_LBFGS ? "lbfgs"
         : s->update.decl           ? s->update.decl->name.name
                                    : NULL);
    number(o, "epochs", (double)s->epochs);
    put(o, "batch", s->batch ? cJSON_CreateNumber((double)s->batch) : cJSON_CreateNull());
    text(o, "batch_of", s->batch ? in->p->datas.at[s->batch_data].name : NULL);
    cost(in, o, "step", tw_arena_printf(&in->text, "%s.step", s->name));
    cost(in, o, "loss", tw_arena_printf(&in->text, "%s.eval", s->name));
    where(in, o, s->span);
  }
}

static void variant(Info *in, cJSON *o) {
  text(o, "name", in->p->variant);
  cJSON *consts = list(o, "consts");
  for (uint32_t k = 0; k < in->p->consts.len; k++) {
    cJSON *c = object(consts);
    text(c, "name", in->p->consts.at[k].name);
    cJSON *value = cJSON_Parse(in->p->consts.at[k].text);
    put(c, "value", value ? value : cJSON_CreateString(in->p->consts.at[k].text));
  }
  data(in, list(o, "data"));
  params(in, list(o, "params"));
  weights(in, list(o, "weights"));
  models(in, list(o, "models"));
  cJSON *measures = list(o, "measures");
  for (uint32_t k = 0; k < in->p->measures.len; k++)
    cJSON_AddItemToArray(measures, cJSON_CreateString(in->p->measures.at[k].name));
  stages(in, list(o, "stages"));
}

static bool all_variants(const TwCli *c, TwUnit *u, uint32_t file, cJSON *to) {
  TwBuild first = {.unit = u, .file = file};
  TwVariantNames names = {0};
  TwCli all = *c;
  all.all_variants = !c->variants;
  if (!tw_build(&first, TW_PHASE_PARSE) || !tw_cli_variants(&all, u, first.ast, &names)) return false;
  bool ok = true;
  for (uint32_t k = 0; k < names.len; k++) {
    TwBuild b = {.unit = u, .file = file, .ast = first.ast, .variant = names.at[k]};
    bool right = tw_build(&b, TW_PHASE_OPT);
    if (right) {
      Info in = {.u = u, .p = b.program, .l = b.lowered};
      variant(&in, object(to));
      tw_arena_free(&in.text);
    }
    tw_build_free(&b);
    ok &= right;
  }
  return ok;
}

int tw_cli_info(const TwCli *c) {
  int code = TW_EXIT_OK;
  for (uint32_t k = 0; k < c->n_files; k++) {
    TwUnit *u = tw_cli_unit(c);
    cJSON *o = cJSON_CreateObject();
    text(o, "program", c->files[k]);
    text(o, "precision", c->precision == TW_F64 ? "f64" : "f32");
    uint32_t file = tw_cli_open(u, c->files[k]);
    bool ok = file && all_variants(c, u, file, list(o, "variants"));
    put(o, "ok", cJSON_CreateBool(ok));
    char *line = tw_cli_json_text(o, false);
    puts(line);
    free(line);
    if (!ok) code = TW_EXIT_WRONG;
    tw_cli_diagnostics(u);
    tw_unit_free(u);
  }
  return tw_cli_stdout_ok() ? code : TW_EXIT_WRONG;
}
