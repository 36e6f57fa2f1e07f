/* count.c make|call KEPT FILE [NAME=VALUE…]: calls, once each and under callgrind's eyes, the loss alone and the
 * gradient step of every stage of a program, compiled for vectors of 256 bits and no CPU in particular: what a CPU's
 * model makes of the registers of one long loop changes counts by a twelfth.
 *
 * requires: `make` first, which compiles and keeps the code in the file KEPT; then `call` of the same program, run by
 *           `valgrind --tool=callgrind --instr-atstart=no`, under which a compiler would take half a minute.
 * provides: a dump of callgrind for each call, in order, and on stdout one line a dump that says what it is:
 *           `STAGE step`, `STAGE loss` or `STAGE eval`.
 *
 * The loss alone is the function that the stage differentiates, (values, trained coordinates, data) -> loss,
 * optimised as the step is. `eval` is what the runtime calls for it; without measures it is the loss too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/opt/opt.h"
#include "compiler/pipeline.h"
#include "compiler/probe/probe.h"

#ifdef __has_include
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define COUNTED 1
#endif
#endif
#ifndef COUNTED
#define COUNTED 0
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS
#endif

enum { MAX_FNS = 64 };

/* One function that is counted, with the tables of its operands. */
typedef struct Counted {
  const char *stage, *what;
  TwRtFn *code;
  const TwRtSlot *in;
  uint32_t n_in;
  const TwFn *fn;
} Counted;

static void *room(uint64_t count) {
  size_t bytes = (size_t)(count + 31) / 16 * 16 * sizeof(double);
  void *at = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!at) abort();
  return memset(at, 0, bytes);
}

/* Values as a run has them; trained coordinates away from every bound. */
static void *operand(const TwProbe *p, const TwRtSlot *s) {
  if (s->role == TW_RT_SEED) return room(1);
  float *at = room(s->count);
  for (uint64_t e = 0; e < s->count; e++) {
    double v = 1;
    if (s->role == TW_RT_VALUES) v = p->values[e];
    else if (s->role == TW_RT_COLUMN) v = p->columns[s->data][s->index][e];
    else if (s->role == TW_RT_FLAT) v = 0.3 + 0.4 * (double)(e * 7 % 11) / 11;
    else if (s->role == TW_RT_STATE) v = 1e-3;
    at[e] = (float)v;
  }
  return at;
}

static void call(const TwProbe *p, const Counted *c) {
  uint32_t n_out = c->fn->results.len;
  const void **in = calloc(c->n_in + 1, sizeof *in);
  void **out = calloc(n_out + 1, sizeof *out), *work = room(c->code->work_bytes / sizeof(double));
  if (!in || !out) abort();
  for (uint32_t k = 0; k < c->n_in; k++) in[k] = operand(p, &c->in[k]);
  for (uint32_t k = 0; k < n_out; k++) out[k] = room((uint64_t)tw_info(c->fn, c->fn->results.at[k])->count);
  TwRtCall args = {.in = in, .out = out, .work = work};
  printf("%s %s\n", c->stage, c->what);
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
  c->code->entry(&args);
  CALLGRIND_DUMP_STATS;
  CALLGRIND_STOP_INSTRUMENTATION;
  for (uint32_t k = 0; k < c->n_in; k++) free((void *)(uintptr_t)in[k]);
  for (uint32_t k = 0; k < n_out; k++) free(out[k]);
  free(in);
  free(out);
  free(work);
}

static const TwLoweredFn *lowered_of(const TwLowered *l, const TwRtFn *slot) {
  for (uint32_t k = 0; k < l->fns.len; k++)
    if (l->fns.at[k].slot == slot) return &l->fns.at[k];
  abort();
}

/* The operands of the loss alone: VALUES, FLAT, and the columns in the order in which the step has them. */
static void loss_operands(TwArena *arena, Counted *loss, const TwRtFn *step) {
  TwRtSlot *in = TW_NEW_N(arena, TwRtSlot, step->n_in);
  for (uint32_t k = 0; k < step->n_in; k++)
    if (step->in[k].role == TW_RT_VALUES || step->in[k].role == TW_RT_FLAT || step->in[k].role == TW_RT_COLUMN)
      in[loss->n_in++] = step->in[k];
  loss->in = in;
  if (loss->n_in != loss->fn->params.len) abort();
}

/* ---- code from one process to the next */

static bool keep(const char *path, TwLlFn *fns, uint32_t n) {
  char *error = NULL;
  TwLlObjects objects = {0};
  if (!tw_ll_objects(NULL, fns, n, &(TwLlOptions){.vector_bits = 256, .cpu_level = 3}, NULL, &objects, &error)) {
    fprintf(stderr, "%s\n", error);
    free(error);
    return false;
  }
  FILE *out = fopen(path, "wb");
  bool ok = out != NULL;
  for (uint32_t k = 0; ok && k < n; k++)
    ok = fwrite(&fns[k].slot->work_bytes, sizeof fns[k].slot->work_bytes, 1, out) == 1;
  for (uint32_t k = 0; ok && k < objects.n; k++)
    ok = fwrite(&objects.at[k].size, sizeof objects.at[k].size, 1, out) == 1 &&
         fwrite(objects.at[k].bytes, 1, objects.at[k].size, out) == objects.at[k].size;
  ok = out && fclose(out) == 0 && ok;
  tw_ll_objects_free(&objects);
  return ok;
}

static TwObject *fetch(const char *path, TwLlFn *fns, uint32_t n) {
  FILE *in = fopen(path, "rb");
  TwObjectBytes objects[TW_LL_MAX_OBJECTS];
  uint32_t n_objects = 0;
  bool ok = in != NULL;
  for (uint32_t k = 0; ok && k < n; k++)
    ok = fread(&fns[k].slot->work_bytes, sizeof fns[k].slot->work_bytes, 1, in) == 1;
  for (size_t size; ok && n_objects < TW_LL_MAX_OBJECTS && fread(&size, sizeof size, 1, in) == 1;) {
    void *bytes = malloc(size + 1);
    ok = bytes && fread(bytes, 1, size, in) == size;
    objects[n_objects++] = (TwObjectBytes){bytes, size};
  }
  if (in) fclose(in);
  char *error = NULL;
  TwObject *o = ok ? tw_object_load(objects, n_objects, &error) : NULL;
  if (!o) fprintf(stderr, "%s: %s\n", path, error ? error : "cannot be read");
  free(error);
  for (uint32_t k = 0; k < n_objects; k++) free((void *)(uintptr_t)objects[k].bytes);
  for (uint32_t k = 0; o && k < n; k++) {
    void *at = tw_object_symbol(o, fns[k].symbol);
    if (!at) abort();
    memcpy(&fns[k].slot->entry, &at, sizeof at);
  }
  return o;
}

static bool count(TwUnit *u, TwBuild *b, const char *kept, bool make) {
  TwProbe p;
  TwLlFn fns[MAX_FNS];
  Counted counted[MAX_FNS];
  uint32_t n = 0;
  if (!tw_build(b, TW_PHASE_OPT) || !tw_probe_open(&p, u, b->program, b->lowered, 0)) return false;
  const TwLowered *l = b->lowered;
  for (uint32_t s = 0; s < l->rt->n_stages && n + 3 <= MAX_FNS; s++) {
    const TwRtStage *stage = &l->rt->stages[s];
    const TwLoweredFn *step = lowered_of(l, &stage->step), *eval = lowered_of(l, &stage->eval);
    TwOptLimits limits = tw_opt_limits_default();
    const TwFn *loss = tw_optimize(l->module, tw_opt_prepare(l->module, step->primal, limits), limits);
    const TwRtFn *at = &stage->step;
    counted[n] = (Counted){stage->name, "step", step->slot, at->in, at->n_in, step->final};
    counted[n + 1] = (Counted){stage->name, "loss", TW_NEW(&u->arena, TwRtFn), NULL, 0, loss};
    at = &stage->eval;
    counted[n + 2] = (Counted){stage->name, "eval", eval->slot, at->in, at->n_in, eval->final};
    loss_operands(&u->arena, &counted[n + 1], &stage->step);
    for (uint32_t k = n; k < n + 3; k++)
      fns[k] = (TwLlFn){.symbol = tw_arena_printf(&u->arena, "f%u", k),
                        .fn = counted[k].fn,
                        .precision = TW_F32,
                        .slot = counted[k].code};
    n += 3;
  }
  if (make) return keep(kept, fns, n);
  TwObject *code = fetch(kept, fns, n);
  for (uint32_t k = 0; code && k < n; k++) call(&p, &counted[k]);
  tw_object_free(code);
  return code != NULL;
}

int main(int argc, char **argv) {
  if (argc < 4 || !COUNTED) {
    fprintf(stderr,
            COUNTED ? "usage: count make|call KEPT FILE [NAME=VALUE…]\n" : "built without valgrind/callgrind.h\n");
    return COUNTED ? 2 : 77;
  }
  TwDefine defines[16];
  uint32_t n_defines = 0;
  for (int k = 4; k < argc && n_defines < 16; k++) {
    char *equals = strchr(argv[k], '=');
    if (!equals) return 2;
    *equals = 0;
    defines[n_defines++] = (TwDefine){argv[k], equals + 1};
  }
  const TwOptions options = {.defines = defines, .n_defines = n_defines, .precision = TW_F32};
  TwUnit *u = tw_unit_new(&options);
  const char *why = NULL;
  TwBuild b = {.unit = u, .file = tw_source_read(&u->sources, argv[3], &why)};
  bool ok = b.file && count(u, &b, argv[2], strcmp(argv[1], "make") == 0);
  if (!b.file) fprintf(stderr, "%s: %s\n", argv[3], why ? why : "cannot be read");
  tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
  tw_build_free(&b);
  tw_unit_free(u);
  return !ok;
}
