/* examples.c [--every] PROGRAM: every function of variants of a program by three evaluators
 * on the arguments that training gives them: the start of two seeds, then a few updates of each stage and
 * all that is asked of it. Training goes on with the interpreter's results.
 *
 * Without --every: at most six variants, those furthest apart in the file, in f32 and f64 in turn. Programs with one
 * variant are always done in both.
 *
 * The object file holds the tables, too: they must be what the compiler has in memory, field by field. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/llvm/describe.h"
#include "compiler/pipeline.h"
#include "runtime/data.h"
#include "tests/evaluators/three.h"

enum { UPDATES = 3, SEEDS = 2, FEW = 6 };

/* ---- tables */

static bool same_table(const TwRtProgram *p, TwTableId of, const uint8_t *a, const uint8_t *b) {
  const TwTable *r = tw_table(of);
  for (uint32_t k = 0; k < r->n_fields; k++) {
    const TwTableField *f = &r->fields[k];
    const uint8_t *to[2] = {NULL, NULL};
    bool same = true;
    if (f->kind != TW_TABLE_PLAIN && f->kind != TW_TABLE_INSIDE) {
      memcpy(&to[0], a + f->at, sizeof to[0]);
      memcpy(&to[1], b + f->at, sizeof to[1]);
      same = !to[0] == !to[1];
    }
    switch (f->kind) {
      case TW_TABLE_PLAIN: same = memcmp(a + f->at, b + f->at, f->size) == 0; break;
      case TW_TABLE_INSIDE: same = same_table(p, f->of, a + f->at, b + f->at); break;
      case TW_TABLE_TEXT: same = same && (!to[0] || strcmp((const char *)to[0], (const char *)to[1]) == 0); break;
      case TW_TABLE_ENTRY: break;
      case TW_TABLE_ARRAY:
        for (uint64_t j = 0, n = same && to[0] ? f->count(p, a) : 0; j < n; j++)
          same = same && same_table(p, f->of, to[0] + j * tw_table(f->of)->size, to[1] + j * tw_table(f->of)->size);
        break;
    }
    if (same) continue;
    fprintf(stderr, "%s.%s in the object file is not what the compiler has\n", r->name, f->name);
    return false;
  }
  return true;
}

/* ---- one program in training. All reals are kept as doubles, which changes none of them. */

typedef struct Walk {
  Three *t;
  const TwLowered *l;
  const TwRtProgram *object;
  const TwRtFn *taped; /* as l->fns, for the code on the tape; NULL: there is none */
  TwRtDatas datas;
  int64_t seed;
  double *values, *shown, *flat, **state, step, epoch, epochs;
} Walk;

static double *doubles(uint64_t n) {
  double *at = calloc(n + 1, sizeof *at);
  if (!at) abort();
  return at;
}

/* The argument that a slot asks for. `columns` are those of a target, in f64, or NULL. */
static void *argument(Walk *w, const TwRtSlot *s, const TwTyInfo *ty, TwPrecision p, double *const *columns) {
  void *to = three_buffer(ty, p);
  const double *from = NULL;
  const bool f64 = w->l->rt->f64;
  switch ((TwRtRole)s->role) {
    case TW_RT_SEED: memcpy(to, &w->seed, sizeof w->seed); return to;
    case TW_RT_LOADED: from = w->l->rt->loaded; break;
    case TW_RT_VALUES: from = w->values; break;
    case TW_RT_FLAT: from = w->flat; break;
    case TW_RT_STATE: from = w->state[s->index]; break;
    case TW_RT_STEP: from = &w->step; break;
    case TW_RT_EPOCH: from = &w->epoch; break;
    case TW_RT_EPOCHS: from = &w->epochs; break;
    case TW_RT_SHOWN: from = w->shown; break;
    case TW_RT_INPUT: /* rows around the unit interval, all of them different */
      for (uint64_t k = 0; k < (uint64_t)ty->count; k++)
        tw_rt_put(to, k, -0.25 + 1.5 * (double)((k * 193 + s->index * 31) % 1021) / 1021, p == TW_F64);
      return to;
    case TW_RT_COLUMN: from = columns ? columns[s->index] : NULL; break;
    case TW_RT_LOSS:
    case TW_RT_NORM:
    case TW_RT_RATE:
    case TW_RT_MEASURE:
    case TW_RT_COEFFS:
    case TW_RT_CHECK:
    case TW_RT_GRADIENT:
    case TW_RT_RESIDUAL:
    case TW_RT_JACOBIAN:
    case TW_RT_OUTPUT: fprintf(stderr, "no function of these has an operand of role %u\n", s->role); abort();
  }
  for (uint64_t k = 0; k < (uint64_t)ty->count; k++)
    tw_rt_put(to, k, from ? from[k] : tw_rt_get(w->datas.at[s->data].at[s->index], k, f64), p == TW_F64);
  return to;
}

/* Results that training goes on with. */
static void deliver(Walk *w, const TwRtSlot *s, const TwTyInfo *ty, TwPrecision p, const void *from) {
  double *to = NULL;
  if (s->role == TW_RT_VALUES) to = w->values;
  if (s->role == TW_RT_SHOWN) to = w->shown;
  if (s->role == TW_RT_FLAT) to = w->flat;
  if (s->role == TW_RT_STATE) to = w->state[s->index];
  for (uint64_t k = 0; to && k < (uint64_t)ty->count; k++) to[k] = tw_rt_get(from, k, p == TW_F64);
}

static const TwLoweredFn *function_of(const TwLowered *l, const TwRtFn *slot) {
  for (uint32_t k = 0; k < l->fns.len; k++)
    if (l->fns.at[k].slot == slot) return &l->fns.at[k];
  return NULL;
}

static void call(Walk *w, const TwRtFn *jit, const TwRtFn *object, double *const *columns) {
  const TwLoweredFn *l = function_of(w->l, jit);
  if (!l) return; /* a stage without checks, a model without coefficients */
  const TwFn *f = l->final;
  TwPrecision p = l->precision;
  void **in = calloc(jit->n_in + 1, sizeof *in), **out = calloc(jit->n_out + 1, sizeof *out);
  if (!in || !out) abort();
  for (uint32_t k = 0; k < jit->n_in; k++) in[k] = argument(w, &jit->in[k], tw_info(f, f->params.at[k]), p, columns);
  for (uint32_t k = 0; k < jit->n_out; k++) out[k] = three_buffer(tw_info(f, f->results.at[k]), p);
  const void *const *given = (const void *const *)in;
  if (w->taped) three_tape(w->t, f, p, l->name, w->taped[l - w->l->fns.at].work_bytes, given, out, jit->name);
  else three_call(w->t, f, p, jit, object, given, out, jit->name);
  for (uint32_t k = 0; k < jit->n_out; k++) deliver(w, &jit->out[k], tw_info(f, f->results.at[k]), p, out[k]);
  for (uint32_t k = 0; k < jit->n_in; k++) free(in[k]);
  for (uint32_t k = 0; k < jit->n_out; k++) free(out[k]);
  free(in);
  free(out);
}

static void walk_data(Walk *w, uint32_t d) {
  const TwRtData *data = &w->l->rt->datas[d];
  double **columns = calloc(data->n_columns + 1, sizeof *columns);
  if (!columns) abort();
  for (uint32_t c = 0; c < data->n_columns; c++) columns[c] = doubles((uint64_t)data->n_rows);
  tw_rt_data_inputs(data, columns);
  call(w, &data->target, &w->object->datas[d].target, columns);
  for (uint32_t c = 0; c < data->n_columns; c++) free(columns[c]);
  free(columns);
}

static void walk_stage(Walk *w, uint32_t s) {
  const TwRtStage *st = &w->l->rt->stages[s], *object = &w->object->stages[s];
  for (uint32_t k = 0; k < st->n_releases; k++)
    memcpy(w->values + st->releases[k].at, w->shown + st->releases[k].to, st->releases[k].n * sizeof(double));
  w->flat = doubles(st->n_flat);
  w->state = calloc(st->n_states + 1, sizeof *w->state);
  if (!w->state) abort();
  for (uint32_t k = 0; k < st->n_ranges; k++)
    memcpy(w->flat + st->ranges[k].to, w->values + st->ranges[k].at, st->ranges[k].n * sizeof(double));
  for (uint32_t k = 0; k < st->n_states; k++) {
    w->state[k] = doubles(st->n_flat);
    for (uint64_t i = 0; i < st->n_flat; i++) w->state[k][i] = st->state_start[k];
  }
  w->epochs = (double)st->epochs;
  for (int k = 0; k < UPDATES; k++) {
    w->epoch = k;
    w->step = k + 1;
    call(w, &st->step, &object->step, NULL);
  }
  call(w, &st->eval, &object->eval, NULL);
  call(w, &st->shown, &object->shown, NULL);
  call(w, &st->checks, &object->checks, NULL);
  call(w, &st->gradient, &object->gradient, NULL);
  for (uint32_t m = 0; m < w->l->rt->n_models; m++) {
    call(w, &st->pls[m].coeffs, &object->pls[m].coeffs, NULL);
    call(w, &w->l->rt->models[m].predict, &w->object->models[m].predict, NULL);
    call(w, &w->l->rt->models[m].slope, &w->object->models[m].slope, NULL);
  }
  for (uint32_t k = 0; k < st->n_ranges; k++)
    memcpy(w->values + st->ranges[k].at, w->flat + st->ranges[k].to, st->ranges[k].n * sizeof(double));
  for (uint32_t k = 0; k < st->n_states; k++) free(w->state[k]);
  free(w->state);
  free(w->flat);
}

static bool walk(Three *t, const TwLowered *l, const TwRtProgram *object, const TwRtFn *taped) {
  Walk w = {.t = t, .l = l, .object = object, .taped = taped};
  bool ok = tw_rt_datas_make(object, &w.datas);
  if (!ok) fprintf(stderr, "%s\n", w.datas.error);
  for (w.seed = 0; ok && w.seed < SEEDS; w.seed++) {
    w.values = doubles(l->rt->n_values);
    w.shown = doubles(l->rt->n_shown);
    for (uint32_t d = 0; w.seed == 0 && d < l->rt->n_datas; d++) walk_data(&w, d);
    call(&w, &l->rt->init, &object->init, NULL);
    for (uint32_t s = 0; s < l->rt->n_stages; s++) walk_stage(&w, s);
    call(&w, &l->rt->store, &object->store, NULL);
    free(w.values);
    free(w.shown);
  }
  tw_rt_datas_free(&w.datas);
  return ok;
}

/* ---- from source to three evaluators */

/* For the tape: the same functions for another CPU. What has been compiled for this one makes the data. */
static bool examine_taped(Three *t, TwBuild *b) {
  uint32_t n;
  const TwLlFn *fns = tw_build_fns(b, &n);
  TwLlFn *taped = calloc(n + 1, sizeof *taped);
  TwRtFn *slots = calloc(n + 1, sizeof *slots);
  TwLlOptions o = tape_options();
  TwLlObjects objects;
  char *error = NULL;
  if (!taped || !slots) abort();
  for (uint32_t k = 0; k < n; k++) {
    slots[k] = *fns[k].slot;
    taped[k] = fns[k];
    taped[k].slot = &slots[k];
  }
  bool ok = tw_ll_objects(NULL, taped, n, &o, NULL, &objects, &error);
  if (ok) tape_code(t->tape, &objects);
  else fprintf(stderr, "%s\n", error ? error : "no code");
  ok = ok && walk(t, b->lowered, b->lowered->rt, slots);
  tw_ll_objects_free(&objects);
  free(error), free(taped), free(slots);
  return ok;
}

static bool examine(Three *t, TwBuild *b) {
  char path[64], *error = NULL;
  uint32_t n;
  snprintf(path, sizeof path, "./example_%d.o", (int)getpid());
  if (!tw_build(b, TW_PHASE_CODE)) return false;
  if (t->tape) return examine_taped(t, b);
  const TwLlFn *fns = tw_build_fns(b, &n);
  TwRtProgram *rt = b->lowered->rt;
  TwObjectBytes bytes;
  bool ok = tw_ll_program_object(rt, fns, n, &b->code, &bytes, &error);
  if (error) fprintf(stderr, "%s\n", error);
  free(error);
  void *library = ok ? three_link(path, bytes) : NULL;
  const TwRtProgram *object = library ? dlsym(library, "tw_program") : NULL;
  ok = object && same_table(rt, TW_TABLE_TwRtProgram, (const uint8_t *)rt, (const uint8_t *)object) &&
       walk(t, b->lowered, object, NULL);
  if (library) dlclose(library);
  return ok;
}

/* Is variant k of n done in this precision? */
static bool chosen(bool every, uint32_t k, uint32_t n, TwPrecision precision) {
  if (every || n == 1) return true;
  uint32_t turn = n <= FEW ? k : k * FEW / n;
  bool first_of_turn = n <= FEW || k == 0 || (k - 1) * FEW / n != turn;
  return first_of_turn && (turn % 2 ? TW_F64 : TW_F32) == precision;
}

static bool run(Three *t, const char *path, bool every, TwPrecision precision) {
  TwOptions o = {.precision = precision};
  TwUnit *u = tw_unit_new(&o);
  const char *why = NULL;
  TwBuild first = {.unit = u, .file = tw_source_read(&u->sources, path, &why)};
  TwVariantNames names = {0};
  bool ok = first.file && tw_build(&first, TW_PHASE_PARSE);
  if (ok) tw_variants(u, first.ast, &names);
  for (uint32_t k = 0; ok && k < names.len; k++) {
    if (!chosen(every, k, names.len, precision)) continue;
    TwBuild b = {.unit = u,
                 .file = first.file,
                 .ast = first.ast,
                 .variant = names.at[k],
                 .what = TW_LOWER_TRAIN | TW_LOWER_MODELS};
    Three before = *t;
    ok = examine(t, &b);
    printf("%s, %s, %s: %llu calls, %llu numbers, %llu differences\n", path, names.at[k],
           precision == TW_F64 ? "f64" : "f32", (unsigned long long)(t->calls - before.calls),
           (unsigned long long)(t->numbers - before.numbers), (unsigned long long)(t->failures - before.failures));
    tw_build_free(&b);
  }
  if (!ok) tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
  tw_unit_free(u);
  return ok;
}

int main(int argc, char **argv) {
  Three t = {.tape = tape_open()};
  bool every = argc > 2 && strcmp(argv[1], "--every") == 0;
  bool ok = argc == 2 + every;
  ok = ok && run(&t, argv[argc - 1], every, TW_F32);
  ok = ok && run(&t, argv[argc - 1], every, TW_F64);
  printf("%llu calls by three evaluators, %llu numbers, %llu of them NaN, %llu differences\n",
         (unsigned long long)t.calls, (unsigned long long)t.numbers, (unsigned long long)t.nans,
         (unsigned long long)t.failures);
  ok = tape_close(t.tape) && ok;
  return !ok || t.failures || !t.numbers || t.nans == t.numbers;
}
