/* autograd_cases.c [COUNT [SEED]]: random programs, points, and the gradients there, as text for
 * peers/autograd.py, which differentiates the same programs with PyTorch.
 *
 * The programs are those of tests/grad (generate.h), made into scalars by a random combination of their
 * results and of their squares. Every number of a point is an f32, so that both precisions stand at the same
 * place. Two gradients in two precisions at each point: of the program as it is, by the interpreter, and by
 * the way a training step goes, prepared, differentiated, optimised and compiled. One program is printed as
 *
 *   program SEED
 *   … the scalar function in the text form of the IR …
 *   point NUMBERS                     of all params in order, row major, hexadecimal
 *   interpreter f32 NUMBERS           the loss, then the gradients of all params in order
 *   interpreter f64 NUMBERS
 *   compiled f32 NUMBERS
 *   compiled f64 NUMBERS
 *   …                                 POINTS points with four lines each
 *   end
 *
 * Exit code 70 if anything here is refused by the verifier or the code generator. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/llvm/llvm.h"
#include "compiler/opt/opt.h"
#include "tests/grad/generate.h"

enum { BATCH = 25, POINTS = 4 };

typedef struct Program {
  uint64_t seed;
  const TwFn *f, *plain, *final; /* the function, its gradient, what is compiled of it */
  TwRtFn code[2];                /* f32, f64 */
  char symbol[2][32];
} Program;

static void must(bool holds, const char *what, const char *why) {
  if (holds) return;
  fprintf(stderr, "autograd_cases: %s: %s\n", what, why ? why : "failed");
  exit(70);
}

static void make(TwModule *m, Program *p, uint64_t seed) {
  Check c = {.rng = {seed * 0x632be59bd9b4e019u}};
  Data x;
  TwOptLimits limits = tw_opt_limits_default();
  *p = (Program){.seed = seed};
  p->f = check_scalar(&c, m, generate(m, &c.rng, &x), true);
  p->plain = tw_grad(m, p->f, check_all_active(p->f));
  p->final = tw_optimize(m, tw_grad(m, tw_opt_prepare(m, p->f, limits), check_all_active(p->f)), limits);
  must(!tw_verify(p->plain), "gradient", tw_verify(p->plain));
  must(!tw_verify(p->final), "optimised gradient", tw_verify(p->final));
}

static void compile(TwJit **jit, Program *programs, uint32_t n) {
  TwLlFn fns[2 * BATCH];
  for (uint32_t k = 0; k < n; k++)
    for (int p = 0; p < 2; p++) {
      snprintf(programs[k].symbol[p], sizeof programs[k].symbol[p], "f%u_%d", k, p);
      fns[2 * k + (uint32_t)p] = (TwLlFn){.symbol = programs[k].symbol[p],
                                          .fn = programs[k].final,
                                          .precision = p ? TW_F64 : TW_F32,
                                          .slot = &programs[k].code[p]};
    }
  char *error = NULL;
  *jit = tw_jit(fns, 2 * n, &(TwLlOptions){0}, &error);
  must(*jit != NULL, "code generation", error);
  free(error);
}

/* Buffers as runtime/program.h asks, large enough for either precision. */
static void *room(uint64_t bytes) {
  void *at = aligned_alloc(64, (bytes + 127) / 64 * 64);
  must(at != NULL, "memory", NULL);
  return memset(at, 0, (bytes + 127) / 64 * 64);
}
static void **buffers(const TwFn *f, const TwRef *refs, uint32_t n) {
  void **at = calloc(n + 1, sizeof *at);
  must(at != NULL, "memory", NULL);
  for (uint32_t k = 0; k < n; k++) at[k] = room(8 * ((uint64_t)tw_info(f, refs[k])->count + 15));
  return at;
}
static void release(void **at, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) free(at[k]);
  free(at);
}

static void print_gradient(const Program *p, const float *x, TwPrecision precision, bool compiled) {
  const TwFn *g = compiled ? p->final : p->plain;
  uint32_t n_in = p->f->params.len, n_out = g->results.len;
  void **in = buffers(p->f, p->f->params.at, n_in), **out = buffers(g, g->results.at, n_out);
  for (uint32_t k = 0; k < n_in; k++)
    for (int64_t e = 0, n = tw_info(p->f, p->f->params.at[k])->count; e < n; e++, x++) {
      if (precision == TW_F32) ((float *)in[k])[e] = *x;
      else ((double *)in[k])[e] = (double)*x;
    }
  if (compiled) {
    const TwRtFn *code = &p->code[precision == TW_F64];
    void *work = room(code->work_bytes);
    code->entry(&(TwRtCall){.in = (const void *const *)in, .out = out, .work = work});
    free(work);
  } else {
    must(tw_interpret(g, precision, (const void *const *)in, out), "interpreter", "no memory");
  }
  printf("%s %s", compiled ? "compiled" : "interpreter", precision == TW_F32 ? "f32" : "f64");
  for (uint32_t k = 0; k < n_out; k++)
    for (int64_t e = 0, n = tw_info(g, g->results.at[k])->count; e < n; e++)
      printf(" %a", precision == TW_F32 ? (double)((float *)out[k])[e] : ((double *)out[k])[e]);
  putchar('\n');
  release(in, n_in);
  release(out, n_out);
}

static void print_program(const Program *p) {
  printf("program %llu\n%s", (unsigned long long)p->seed, tw_ir_print(p->f));
  int64_t n = 0;
  for (uint32_t k = 0; k < p->f->params.len; k++) n += tw_info(p->f, p->f->params.at[k])->count;
  float *x = room((uint64_t)n * sizeof *x);
  Rng rng = {p->seed};
  for (int point = 0; point < POINTS; point++) {
    printf("point");
    for (int64_t e = 0; e < n; e++) {
      x[e] = (float)rng_uniform(&rng, -1.5, 1.5);
      printf(" %a", (double)x[e]);
    }
    putchar('\n');
    for (int k = 0; k < 4; k++) print_gradient(p, x, k % 2 ? TW_F64 : TW_F32, k / 2);
  }
  puts("end");
  free(x);
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 500;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  Program *programs = calloc(BATCH, sizeof *programs);
  must(programs != NULL, "memory", NULL);
  for (uint64_t k = 0; k < count; k += BATCH) {
    TwArena arena = {0};
    TwModule *m = tw_module_new(&arena);
    uint32_t n = count - k < BATCH ? (uint32_t)(count - k) : BATCH;
    for (uint32_t j = 0; j < n; j++) make(m, &programs[j], seed + k + j);
    TwJit *jit;
    compile(&jit, programs, n);
    for (uint32_t j = 0; j < n; j++) print_program(&programs[j]);
    fflush(stdout);
    tw_jit_free(jit);
    tw_arena_free(&arena);
  }
  free(programs);
  return 0;
}
