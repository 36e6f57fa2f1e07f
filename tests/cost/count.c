/* count.c FILE [NAME=VALUE…]: calls, once each and under callgrind's eyes, the loss alone and the gradient
 * step of every stage of a program, compiled for vectors of 256 bits.
 *
 * requires: to be run by `valgrind --tool=callgrind --instr-atstart=no`.
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

static bool count(TwUnit *u, TwBuild *b) {
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
      fns[k] = (TwLlFn){.symbol = tw_arena_printf(&u->arena, "f%u", k), .fn = counted[k].fn,
                        .precision = TW_F32, .slot = counted[k].code};
    n += 3;
  }
  char *error = NULL;
  TwJit *jit = tw_jit(fns, n, &(TwLlOptions){.vector_bits = 256}, &error);
  if (!jit) fprintf(stderr, "%s\n", error);
  free(error);
  for (uint32_t k = 0; jit && k < n; k++) call(&p, &counted[k]);
  tw_jit_free(jit);
  return jit != NULL;
}

int main(int argc, char **argv) {
  if (argc < 2 || !COUNTED) {
    fprintf(stderr, COUNTED ? "usage: count FILE [NAME=VALUE…]\n" : "built without valgrind/callgrind.h\n");
    return COUNTED ? 2 : 77;
  }
  TwDefine defines[16];
  uint32_t n_defines = 0;
  for (int k = 2; k < argc && n_defines < 16; k++) {
    char *equals = strchr(argv[k], '=');
    if (!equals) return 2;
    *equals = 0;
    defines[n_defines++] = (TwDefine){argv[k], equals + 1};
  }
  const TwOptions options = {.defines = defines, .n_defines = n_defines, .precision = TW_F32};
  TwUnit *u = tw_unit_new(&options);
  const char *why = NULL;
  TwBuild b = {.unit = u, .file = tw_source_read(&u->sources, argv[1], &why)};
  bool ok = b.file && count(u, &b);
  if (!b.file) fprintf(stderr, "%s: %s\n", argv[1], why ? why : "cannot be read");
  tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
  tw_build_free(&b);
  tw_unit_free(u);
  return !ok;
}
