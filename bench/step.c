/* step.c: compiled programs, and their steps called directly, so that nothing else is timed. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

_Noreturn static void give_up(const char *what) {
  fprintf(stderr, "bench: %s\n", what);
  exit(1);
}

TwBenchProgram *tw_bench_compile(const TwBench *b, const char *name, const TwDefine *defines, uint32_t n,
                                 uint32_t bits) {
  return tw_bench_compile_variant(b, name, NULL, defines, n, bits);
}

static TwBenchProgram *compile(const char *path, const char *variant, const TwDefine *defines, uint32_t n,
                               uint32_t bits) {
  TwBenchProgram *p = calloc(1, sizeof *p);
  if (!p) abort();
  p->unit = tw_unit_new(&(TwOptions){.defines = defines, .n_defines = n, .precision = TW_F32});
  const char *why = NULL;
  uint32_t file = tw_source_read(&p->unit->sources, path, &why);
  if (!file) give_up(path);
  p->build = (TwBuild){.unit = p->unit, .file = file, .code = {.vector_bits = bits}};
  if (variant) p->build.variant = tw_intern_z(&p->unit->names, variant);
  if (!tw_build(&p->build, TW_PHASE_CODE)) {
    tw_diags_render(&p->unit->diags, stderr, (TwDiagStyle){0});
    give_up("a program of the benchmark does not compile");
  }
  if (!tw_rt_datas_make(p->build.lowered->rt, &p->datas)) give_up(p->datas.error);
  return p;
}

TwBenchProgram *tw_bench_compile_variant(const TwBench *b, const char *name, const char *variant,
                                         const TwDefine *defines, uint32_t n, uint32_t bits) {
  char path[4096];
  snprintf(path, sizeof path, "%s/bench/programs/%s.tw", b->root, name);
  return compile(path, variant, defines, n, bits);
}

TwBenchProgram *tw_bench_compile_file(const TwBench *b, const char *file, const TwDefine *defines, uint32_t n) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", b->root, file);
  return compile(path, NULL, defines, n, 0);
}

void tw_bench_program_free(TwBenchProgram *p) {
  tw_rt_datas_free(&p->datas);
  tw_build_free(&p->build);
  tw_unit_free(p->unit);
  free(p);
}

static void *block(TwBenchStep *s, uint64_t bytes) {
  bytes = (bytes + 63) / 64 * 64 + 1024;
  void *p = aligned_alloc(64, bytes);
  if (!p || s->n_memory == sizeof s->memory / sizeof *s->memory) abort();
  memset(p, 0, bytes);
  return s->memory[s->n_memory++] = p;
}

static float *reals(TwBenchStep *s, uint64_t n) { return block(s, n * sizeof(float)); }

/* The values that a seed starts with, and the releases of the stage. */
static void start_values(TwBenchStep *s, uint64_t seed) {
  const TwRtProgram *rt = s->rt;
  double *values = block(s, rt->n_values * sizeof(double)), *shown = block(s, rt->n_shown * sizeof(double));
  int64_t *seed_in = block(s, sizeof *seed_in);
  *seed_in = (int64_t)seed;
  const void *in[1] = {seed_in};
  void *out[2] = {NULL, NULL};
  for (uint32_t k = 0; k < rt->init.n_out; k++) out[k] = rt->init.out[k].role == TW_RT_VALUES ? values : shown;
  if (rt->init.entry) rt->init.entry(&(TwRtCall){.in = in, .out = out, .work = block(s, rt->init.work_bytes)});
  s->values = reals(s, rt->n_values);
  s->shown = reals(s, rt->n_shown);
  for (uint64_t k = 0; k < rt->n_values; k++) s->values[k] = (float)values[k];
  for (uint64_t k = 0; k < rt->n_shown; k++) s->shown[k] = (float)shown[k];
  for (uint32_t k = 0; k < s->stage->n_releases; k++) {
    TwRtRange r = s->stage->releases[k];
    memcpy(s->values + r.at, s->shown + r.to, r.n * sizeof(float));
  }
  s->flat_start = reals(s, s->stage->n_flat);
  for (uint32_t k = 0; k < s->stage->n_ranges; k++) {
    TwRtRange r = s->stage->ranges[k];
    memcpy(s->flat_start + r.to, s->values + r.at, r.n * sizeof(float));
  }
}

static void bind_in(TwBenchStep *s, TwBenchProgram *p, uint32_t k, float *epochs) {
  const TwRtSlot *slot = &s->stage->step.in[k];
  switch ((TwRtRole)slot->role) {
    case TW_RT_VALUES: s->in[k] = s->values; return;
    case TW_RT_STEP: s->in[k] = s->step; return;
    case TW_RT_EPOCH: s->in[k] = epochs; return;
    case TW_RT_EPOCHS: s->in[k] = epochs + 16; return;
    case TW_RT_COLUMN: s->in[k] = p->datas.at[slot->data].at[slot->index]; return;
    case TW_RT_FLAT:
    case TW_RT_STATE: s->in[k] = reals(s, s->stage->n_flat); return;
    case TW_RT_SEED:
    case TW_RT_LOADED:
    case TW_RT_LOSS:
    case TW_RT_NORM:
    case TW_RT_RATE:
    case TW_RT_MEASURE:
    case TW_RT_SHOWN:
    case TW_RT_COEFFS:
    case TW_RT_CHECK:
    case TW_RT_INPUT:
    case TW_RT_GRADIENT:
    case TW_RT_RESIDUAL:
    case TW_RT_JACOBIAN:
    case TW_RT_OUTPUT: break;
  }
  give_up("a step with an operand that steps do not have");
}

static void bind_out(TwBenchStep *s, uint32_t k) {
  const TwRtFn *fn = &s->stage->step;
  s->out[k] = reals(s, fn->out[k].role == TW_RT_FLAT || fn->out[k].role == TW_RT_STATE ? s->stage->n_flat : 1);
  if (fn->out[k].role == TW_RT_LOSS) s->loss = s->out[k];
  for (uint32_t i = 0; i < fn->n_in; i++)
    if (fn->in[i].role == fn->out[k].role && fn->in[i].index == fn->out[k].index &&
        (fn->in[i].role == TW_RT_FLAT || fn->in[i].role == TW_RT_STATE))
      s->swaps[s->n_swaps++] = (struct TwBenchSwap){i, k};
  if (fn->out[k].role == TW_RT_STATE && fn->out[k].index == 0) s->moment = s->out[k];
}

TwBenchStep *tw_bench_step_new(TwBenchProgram *p, uint32_t stage, uint64_t seed) {
  TwBenchStep *s = calloc(1, sizeof *s);
  if (!s) abort();
  s->rt = p->build.lowered->rt;
  s->stage = &s->rt->stages[stage];
  const TwRtFn *fn = &s->stage->step;
  s->in = block(s, fn->n_in * sizeof *s->in);
  s->out = block(s, fn->n_out * sizeof *s->out);
  s->work = block(s, fn->work_bytes);
  s->step = reals(s, 1);
  start_values(s, seed);
  float *epochs = reals(s, 32);
  epochs[16] = 1000;
  for (uint32_t k = 0; k < fn->n_in; k++) bind_in(s, p, k, epochs);
  for (uint32_t k = 0; k < fn->n_out; k++) bind_out(s, k);
  tw_bench_step_restart(s);
  return s;
}

void tw_bench_step_free(TwBenchStep *s) {
  for (uint32_t k = s->n_memory; k-- > 0;) free(s->memory[k]);
  free(s);
}

void tw_bench_step_restart(TwBenchStep *s) {
  *s->step = 1;
  for (uint32_t k = 0; k < s->n_swaps; k++) {
    bool flat = s->stage->step.in[s->swaps[k].in].role == TW_RT_FLAT;
    float *to = (float *)(uintptr_t)s->in[s->swaps[k].in];
    size_t bytes = s->stage->n_flat * sizeof *to;
    if (flat) memcpy(to, s->flat_start, bytes);
    else memset(to, 0, bytes);
  }
}

float tw_bench_step(TwBenchStep *s) {
  s->stage->step.entry(&(TwRtCall){.in = s->in, .out = s->out, .work = s->work});
  *s->step += 1;
  for (uint32_t k = 0; k < s->n_swaps; k++) {
    const void **in = &s->in[s->swaps[k].in], *old = *in;
    *in = s->out[s->swaps[k].out];
    s->out[s->swaps[k].out] = (void *)(uintptr_t)old;
  }
  return *s->loss;
}

void tw_bench_run_step(void *step, int64_t times) {
  tw_bench_step_restart(step);
  for (int64_t k = 0; k < times; k++) tw_bench_step(step);
}

enum { PEAK_ROUNDS = 1000 };
void tw_bench_run_peak(void *kernels, int64_t times) { ((const TwHandKernels *)kernels)->peak(PEAK_ROUNDS * times); }
double tw_bench_peak_flop(const TwHandKernels *k) { return k->peak(PEAK_ROUNDS); }

static uint64_t flat_of_shown(const TwBenchStep *s, uint64_t shown) {
  for (uint32_t k = 0; k < s->stage->n_releases; k++) {
    TwRtRange r = s->stage->releases[k];
    if (shown < r.to || shown >= r.to + r.n) continue;
    uint64_t value = r.at + (shown - r.to);
    for (uint32_t i = 0; i < s->stage->n_ranges; i++) {
      TwRtRange q = s->stage->ranges[i];
      if (value >= q.at && value < q.at + q.n) return q.to + (value - q.at);
    }
  }
  give_up("a weight that its stage does not train");
}

uint64_t tw_bench_flat_of_weight(const TwBenchStep *s, int depth, int k) {
  int layer = k < 8 ? 0 : 1 + (k - 8) / 20, at = k < 8 ? k : (k - 8) % 20;
  bool out = layer == depth, bias = layer == 0 || out ? at >= 4 : at >= 16;
  const char *name = layer == 0 ? (bias ? "net.first.b" : "net.first.W")
                     : out      ? (bias ? "net.out.b" : "net.out.W")
                                : (bias ? "net.hidden.b" : "net.hidden.W");
  uint64_t index = (uint64_t)(bias ? at - (layer == 0 || out ? 4 : 16) : at);
  if (layer > 0 && !out) index += (uint64_t)(layer - 1) * (bias ? 4 : 16);
  for (uint32_t t = 0; t < s->rt->n_tensors; t++)
    if (strcmp(s->rt->tensors[t].name, name) == 0) return flat_of_shown(s, s->rt->tensors[t].at + index);
  give_up("the flagship has no such weight");
}
