/* random.c [COUNT [SEED]]: random programs and their derivatives, by three evaluators, one in f32, the next in f64.
 *
 * Of each program, in turn: the function as generated; its derivative by reverse mode, as AD leaves it and
 * optimized; by forward mode; or a loop over samples with one of these for a body, where code is made for
 * sixteen at once (the slowest to compile, so there are fewest). Objects are made for other vector widths
 * than the JIT's now and then, which must not show. Fails if an operation of ops.def was never met. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/ad/ad.h"
#include "compiler/llvm/llvm.h"
#include "compiler/opt/opt.h"
#include "tests/evaluators/three.h"
#include "tests/grad/generate.h"

enum { PROGRAMS = 40, TURN = 12 };

typedef struct Case {
  const TwFn *f, *final; /* to interpret, to compile */
  TwPrecision precision;
  char symbol[32], what[96];
  TwRtFn jit, object;
} Case;

typedef struct Batch {
  TwArena arena;
  TwModule *m;
  Case cases[PROGRAMS];
  uint32_t n;
  Rng rng;
} Batch;

/* ---- what is made of a program */

static const TwFn *derivative(Batch *b, const TwFn *f, bool forward) {
  bool *active = TW_NEW_N(&b->arena, bool, f->params.len + 1);
  for (uint32_t k = 0; k < f->params.len; k++) active[k] = tw_info(f, f->params.at[k])->dtype == TW_REAL;
  return forward ? tw_jvp(b->m, f, active) : tw_vjp(b->m, f, active, NULL);
}

/* f for each of n samples: sums of the real results and of their squares, and every result of every
 * sample. Bit k of `fixed`: parameter k is the same for all. */
static const TwFn *for_samples(Batch *b, const TwFn *f, int64_t n, uint64_t fixed) {
  TwFn *body = tw_fn_new(b->m, "body"), *all = tw_fn_new(b->m, "all");
  TwRef *inner = TW_NEW_N(&b->arena, TwRef, f->params.len + 1), *args = TW_NEW_N(&b->arena, TwRef, f->params.len + 1);
  TwRef *out = TW_NEW_N(&b->arena, TwRef, f->results.len + 1);
  TwRegion g = {.trip = n, .n_ys = f->results.len};
  for (int per_sample = 0; per_sample < 2; per_sample++)
    for (uint32_t k = 0; k < f->params.len; k++) {
      TwTy ty = tw_type(f, f->params.at[k]);
      bool is_fixed = fixed >> (k % 64) & 1;
      if (is_fixed == (per_sample == 1)) continue;
      inner[k] = tw_param(body, ty);
      args[g.n_consts + g.n_xs] = tw_param(all, per_sample ? tw_ty_lead(b->m, n, ty) : ty);
      *(per_sample ? &g.n_xs : &g.n_consts) += 1;
    }
  tw_inline(body, f, inner, out);
  for (uint32_t square = 0; square < 2; square++)
    for (uint32_t k = 0; k < f->results.len; k++) {
      if (tw_info(body, out[k])->dtype != TW_REAL) continue;
      tw_result(body, square ? tw_binary(body, TW_OP_mul, out[k], out[k]) : out[k]);
      g.n_carry++;
    }
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(body, out[k]);
  g.body = tw_fn_seal(body);
  TwRef r = tw_emit_region(all, TW_OP_samples, &g, args, g.n_consts + g.n_xs);
  for (uint32_t k = 0; k < g.n_carry + g.n_ys; k++) tw_result(all, tw_get(all, r, k));
  return tw_fn_seal(all);
}

/* Every kind of case comes in both. */
static TwPrecision precision_of(uint64_t program) { return program / TURN % 2 ? TW_F64 : TW_F32; }

/* Functions are compiled without strong products. The interpreter knows them, and is given f as it is where
 * that must not show: anywhere but in a loop over samples, whose sums treat a product and the negative of
 * one, as a rebuild may write it, differently by definition. */
static void add(Batch *b, uint64_t program, const TwFn *f, const char *what, uint64_t met[TW_OP_COUNT]) {
  uint64_t ops[TW_OP_COUNT] = {0};
  const TwFn *final = tw_opt_lower_mul0(b->m, f);
  count_ops(f, ops);
  if (ops[TW_OP_samples]) f = final;
  count_ops(f, met);
  Case *c = &b->cases[b->n];
  *c = (Case){.f = f, .final = final, .precision = precision_of(program)};
  snprintf(c->symbol, sizeof c->symbol, "f%u", b->n);
  snprintf(c->what, sizeof c->what, "%s of program %llu", what, (unsigned long long)program);
  b->n++;
}

typedef enum Kind { FUNCTION, REVERSE, OPTIMIZED, FORWARD, SAMPLES, SAMPLES_REVERSE, SAMPLES_OPTIMIZED } Kind;

static void add_program(Batch *b, uint64_t program, uint64_t met[TW_OP_COUNT]) {
  static const int64_t samples[] = {1, 15, 16, 17, 40, 513};
  static const Kind kinds[TURN] = {FUNCTION, REVERSE,         OPTIMIZED, FORWARD, SAMPLES,  FUNCTION,
                                   REVERSE,  SAMPLES_REVERSE, OPTIMIZED, FORWARD, FUNCTION, SAMPLES_OPTIMIZED};
  Rng rng = {program * 0x632be59bd9b4e019u};
  Data x;
  const TwFn *f = generate(b->m, &rng, &x);
  int64_t n = samples[rng_below(&rng, 6)];
  uint64_t fixed = rng_next(&rng) & rng_next(&rng);
  TwOptLimits limits = tw_opt_limits_default();
  Kind kind = kinds[program % TURN];
  if (kind >= SAMPLES && program / TURN % 3) kind = FUNCTION;
  switch (kind) {
    case FUNCTION: add(b, program, f, "the function", met); break;
    case REVERSE: add(b, program, derivative(b, f, false), "the derivative", met); break;
    case OPTIMIZED:
      add(b, program, tw_optimize(b->m, derivative(b, f, false), limits), "the optimized derivative", met);
      break;
    case FORWARD: add(b, program, derivative(b, f, true), "the forward derivative", met); break;
    case SAMPLES: add(b, program, for_samples(b, f, n, fixed), "samples", met); break;
    case SAMPLES_REVERSE:
      add(b, program, for_samples(b, derivative(b, f, false), n, fixed), "samples of the derivative", met);
      break;
    case SAMPLES_OPTIMIZED:
      add(b, program, tw_optimize(b->m, for_samples(b, f, n, fixed), limits), "optimized samples", met);
      break;
  }
}

/* ---- arguments: of order one, or anything */

static double some_real(Rng *r, bool wild) {
  double u = rng_uniform(r, -1.5, 1.5);
  if (!wild) return u;
  switch (rng_below(r, 48)) {
    case 0: return 0;
    case 1: return -0.0;
    case 2: return u * 1e30;
    case 3: return u * 1e-42;
    case 4: return rng_below(r, 8) ? 1 : (double)INFINITY;
    case 5: return rng_below(r, 8) ? -1 : (double)NAN;
    case 6: return (double)rng_below(r, 5) - 2;
  }
  return u;
}

static void *argument(Rng *r, const TwTyInfo *ty, TwPrecision p, bool wild) {
  void *at = three_buffer(ty, p);
  for (int64_t e = 0; e < ty->count; e++) {
    if (ty->dtype == TW_INT) ((int64_t *)at)[e] = (int64_t)rng_below(r, 9) - 4;
    else if (ty->dtype == TW_BOOL) ((uint8_t *)at)[e] = (uint8_t)rng_below(r, 2);
    else if (p == TW_F32) ((float *)at)[e] = (float)some_real(r, wild);
    else ((double *)at)[e] = some_real(r, wild);
  }
  return at;
}

static void compare(Three *t, Batch *b, Case *c, bool wild) {
  uint32_t n_in = c->f->params.len, n_out = c->f->results.len;
  void **in = calloc(n_in + 1, sizeof *in), **out = calloc(n_out + 1, sizeof *out);
  if (!in || !out) abort();
  for (uint32_t k = 0; k < n_in; k++) in[k] = argument(&b->rng, tw_info(c->f, c->f->params.at[k]), c->precision, wild);
  for (uint32_t k = 0; k < n_out; k++) out[k] = three_buffer(tw_info(c->f, c->f->results.at[k]), c->precision);
  const void *const *given = (const void *const *)in;
  if (t->tape) three_tape(t, c->f, c->precision, c->symbol, c->object.work_bytes, given, out, c->what);
  else three_call(t, c->f, c->precision, &c->jit, &c->object, given, out, c->what);
  for (uint32_t k = 0; k < n_in; k++) free(in[k]);
  for (uint32_t k = 0; k < n_out; k++) free(out[k]);
  free(in);
  free(out);
}

/* ---- a batch: one module for the JIT, one object file */

static bool compile(Batch *b, uint32_t bits, TwJit **jit, void **library) {
  static TwLlFn fns[2][PROGRAMS];
  for (uint32_t k = 0; k < b->n; k++) {
    Case *c = &b->cases[k];
    fns[0][k] = (TwLlFn){.symbol = c->symbol, .fn = c->final, .precision = c->precision, .slot = &c->jit};
    fns[1][k] = fns[0][k];
    fns[1][k].slot = &c->object;
  }
  char *error = NULL, path[64];
  snprintf(path, sizeof path, "./random_%d.o", (int)getpid());
  *jit = tw_jit(fns[0], b->n, &(TwLlOptions){0}, &error);
  *library = NULL;
  TwObjectBytes object;
  if (*jit && tw_ll_program_object(NULL, fns[1], b->n, &(TwLlOptions){.vector_bits = bits}, &object, &error))
    *library = three_link(path, object);
  if (error) fprintf(stderr, "%s\n", error);
  free(error);
  for (uint32_t k = 0; *library && k < b->n; k++) {
    void *at = dlsym(*library, b->cases[k].symbol);
    if (!at) return false;
    memcpy(&b->cases[k].object.entry, &at, sizeof at);
  }
  return *library != NULL;
}

/* For the tape: one object, for another CPU. */
static bool compile_for_tape(Three *t, Batch *b) {
  TwLlFn fns[PROGRAMS];
  TwLlObjects objects;
  TwLlOptions o = tape_options();
  char *error = NULL;
  for (uint32_t k = 0; k < b->n; k++) {
    Case *c = &b->cases[k];
    fns[k] = (TwLlFn){.symbol = c->symbol, .fn = c->final, .precision = c->precision, .slot = &c->object};
  }
  bool ok = tw_ll_objects(NULL, fns, b->n, &o, NULL, &objects, &error);
  if (ok) tape_code(t->tape, &objects);
  else fprintf(stderr, "%s\n", error ? error : "no code");
  tw_ll_objects_free(&objects);
  free(error);
  return ok;
}

static bool run(Three *t, Batch *b, uint32_t bits) {
  TwJit *jit = NULL;
  void *library = NULL;
  bool ok = t->tape ? compile_for_tape(t, b) : compile(b, bits, &jit, &library);
  for (uint32_t k = 0; ok && k < b->n; k++) {
    compare(t, b, &b->cases[k], false);
    compare(t, b, &b->cases[k], true);
  }
  tw_jit_free(jit);
  if (library) dlclose(library);
  return ok;
}

static uint32_t report(const Three *t, const uint64_t met[TW_OP_COUNT], uint64_t programs) {
  uint32_t never = 0;
  printf("operations met:\n");
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op = (TwOp)(op + 1)) {
    printf("%12s %9llu%s", tw_op_name(op), (unsigned long long)met[op],
           op % 5 == 0 || op + 1 == TW_OP_COUNT ? "\n" : "");
    if (met[op]) continue;
    fprintf(stderr, "operation '%s' was never met\n", tw_op_name(op));
    never++;
  }
  printf("%llu programs, %llu calls by three evaluators, %llu numbers (%.2g%% NaN), %llu differences\n",
         (unsigned long long)programs, (unsigned long long)t->calls, (unsigned long long)t->numbers,
         100 * (double)t->nans / (double)(t->numbers ? t->numbers : 1), (unsigned long long)t->failures);
  return never;
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 500, seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static const uint32_t widths[] = {0, 256, 0, 256, 0, 256, 0, 128};
  uint64_t met[TW_OP_COUNT] = {0};
  static Batch b;
  Three t = {.tape = tape_open()};
  b.rng.state = seed;
  bool ok = count > 0;
  for (uint64_t k = 0; k < count && ok; k += PROGRAMS) {
    b.m = tw_module_new(&b.arena);
    b.n = 0;
    for (uint64_t j = k; j < count && j < k + PROGRAMS; j++) add_program(&b, seed + j, met);
    ok = run(&t, &b, widths[k / PROGRAMS % 8]);
    tw_arena_free(&b.arena);
  }
  uint32_t never = report(&t, met, count);
  ok = tape_close(t.tape) && ok;
  return !ok || never || t.failures || !t.numbers;
}
