/* support.c: see support.h. */
#include "tests/llvm/support.h"

#include <math.h>
#include <string.h>

#include "compiler/plan/plan.h"

Test test_new(uint64_t seed) { return (Test){.random = seed, .tape = tape_open()}; }

void test_reset(Test *t) {
  tw_arena_free(&t->arena);
  t->m = tw_module_new(&t->arena);
}

int test_end(Test *t, const char *what) {
  printf("%s: %u comparisons, %u failed\n", what, t->runs, t->failures);
  tw_arena_free(&t->arena);
  if (t->runs == 0 || !tape_close(t->tape)) return 1;
  return t->failures ? 1 : 0;
}

uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

int64_t below(Test *t, int64_t n) { return (int64_t)(next_random(&t->random) % (uint64_t)n); }

TwTy real_ty(Test *t, uint32_t rank, int64_t a, int64_t b, int64_t c) {
  int64_t dims[3] = {a, b, c};
  return tw_ty(t->m, TW_REAL, rank, dims);
}

/* Mostly values of order one; zeros of both signs, ties, large, tiny, subnormal, infinite, NaN. */
static double random_real(uint64_t *s) {
  uint64_t r = next_random(s);
  double u = (double)(next_random(s) >> 11) * 0x1p-53 * 4 - 2;
  switch (r % 64) {
    case 0: return 0;
    case 1: return -0.0;
    case 2: return u * 1e30;
    case 3: return u * 1e-42;
    case 4: return (r >> 8) % 8 == 0 ? INFINITY : 1;
    case 5: return (r >> 8) % 8 == 0 ? NAN : -1;
    case 6:
    case 7: return (double)((int64_t)(r >> 8) % 5) - 2;
  }
  return u;
}

static int64_t random_int(uint64_t *s) {
  uint64_t r = next_random(s);
  if (r % 32 == 0) return INT64_MIN;
  if (r % 32 == 1) return (int64_t)next_random(s);
  return (int64_t)(r >> 8) % 9 - 4;
}

/* Padding holds NaN. */
static void *random_buffer(const Value *v, TwPrecision p, uint64_t *s) {
  size_t bytes = call_bytes(v, p);
  void *at = call_buffer(bytes);
  for (int64_t e = 0; e < v->count; e++) {
    if (v->dtype == TW_INT) ((int64_t *)at)[e] = random_int(s);
    else if (v->dtype == TW_BOOL) ((uint8_t *)at)[e] = next_random(s) & 1;
    else if (p == TW_F32) ((float *)at)[e] = (float)random_real(s);
    else ((double *)at)[e] = random_real(s);
  }
  size_t used = (size_t)v->count * (p == TW_F32 ? sizeof(float) : sizeof(double));
  if (v->dtype == TW_REAL) memset((uint8_t *)at + used, 0xff, bytes - used);
  return at;
}

static void fail(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what, const char *why) {
  if (t->failures++ < 5) {
    fprintf(stderr, "%s (f%d, %u bits): %s\n", what, p == TW_F32 ? 32 : 64, bits, why);
    if (getenv("TW_TEST_PRINT")) fprintf(stderr, "%s\n", tw_ir_print(f));
  }
}

static Value value_of(const TwFn *f, TwRef r) {
  const TwTyInfo *ty = tw_info(f, r);
  return (Value){.dtype = ty->dtype, .count = ty->count};
}

/* One call on random arguments: made and looked at, or put on the tape. `shared`: large loops by a pool. */
static void compare(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what, TwRtFn *slot, bool shared) {
  Call c = {.precision = p, .shared = shared, .work_bytes = slot->work_bytes};
  c.n_in = f->params.len, c.n_out = f->results.len;
  c.in = calloc(c.n_in + 1, sizeof *c.in), c.want = calloc(c.n_out + 1, sizeof *c.want);
  void **in = calloc(c.n_in + 1, sizeof *in), **want = calloc(c.n_out + 1, sizeof *want);
  if (!c.in || !c.want || !in || !want) abort();
  for (uint32_t k = 0; k < c.n_in; k++) {
    c.in[k] = value_of(f, f->params.at[k]);
    in[k] = c.in[k].at = random_buffer(&c.in[k], p, &t->random);
  }
  for (uint32_t k = 0; k < c.n_out; k++) {
    c.want[k] = value_of(f, f->results.at[k]);
    want[k] = c.want[k].at = call_buffer(call_bytes(&c.want[k], p));
  }
  if (!tw_interpret(f, p, (const void *const *)in, want)) abort();
  char why[200];
  if (t->tape) tape_call(t->tape, "f", what, &c);
  else if (!call_agrees(&c, slot->entry, why)) fail(t, f, p, bits, what, why);
  t->shared += shared;
  t->runs++;
  for (uint32_t k = 0; k < c.n_in; k++) free(in[k]);
  for (uint32_t k = 0; k < c.n_out; k++) free(want[k]);
  free(in), free(want), free(c.in), free(c.want);
}

/* Code for the tape is not for this machine. */
static bool compile(Test *t, TwLlFn *fn, const TwLlOptions *o, TwJit **jit, char **error) {
  *jit = NULL;
  if (!t->tape) return (*jit = tw_jit(fn, 1, o, error)) != NULL;
  TwLlObjects objects;
  TwLlOptions taped = tape_options();
  bool ok = tw_ll_objects(NULL, fn, 1, &taped, NULL, &objects, error);
  if (ok) tape_code(t->tape, &objects);
  tw_ll_objects_free(&objects);
  return ok;
}

static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}

void check_one(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what) {
  TwRtFn slot = {.name = what};
  TwLlFn fn = {.symbol = "f", .fn = f, .precision = p, .slot = &slot};
  TwLlOptions o = {.vector_bits = bits, .without_fma = bits == 0};
  o.halves = bits == 512 && !t->tape && !has_avx512();
  char *error = NULL;
  const char *broken = tw_verify(f);
  if (broken) {
    fail(t, f, p, bits, what, broken);
    return;
  }
  TwJit *j;
  if (!compile(t, &fn, &o, &j, &error)) {
    fail(t, f, p, bits, what, error ? error : "no code");
    free(error);
    return;
  }
  int64_t reals = 0; /* of a large call the tape has room for one */
  for (uint32_t k = 0; k < f->params.len; k++) reals += tw_info(f, f->params.at[k])->count;
  int calls = t->tape && reals > 100000 ? 1 : 3;
  for (int k = 0; k < calls; k++) compare(t, f, p, bits, what, &slot, slot.chunks > 0 && k < 2);
  tw_jit_free(j);
}

void check(Test *t, const TwFn *f, const char *what) {
  static const uint32_t bits[] = {512, 256, 128};
  t->turn++;
  bool one = t->few || t->tape; /* width, 256 bits in every other pair of turns where this machine has no 512 */
  uint32_t first = one && !t->tape && !has_avx512() && t->turn / 2 % 2 ? 1 : 0, n = one ? 1 : 3;
  for (uint32_t k = first; k < first + n; k++) {
    if (t->few < 2 || t->turn % 2 == 0) check_one(t, f, TW_F32, bits[k], what);
    if (t->few < 2 || t->turn % 2 == 1) check_one(t, f, TW_F64, bits[k], what);
  }
  if (!t->few && !t->tape && t->turn % 4 == 0) check_one(t, f, t->turn % 8 ? TW_F32 : TW_F64, 0, what); /* no FMA */
}

static uint32_t mentions(const TwFn *f, uint32_t bits, bool plan, const char *words) {
  char *text = NULL, *error = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) abort();
  TwLlOptions o = {.vector_bits = bits, .halves = bits == 512 && !has_avx512()};
  TwMachine m = tw_ll_machine_for(&o);
  TwRtFn slot = {.name = "f"};
  TwLlFn fn = {.symbol = "f", .fn = f, .precision = TW_F32, .slot = &slot};
  if (plan) tw_pl_dump_machine(&m, out), tw_pl_dump("f", f, &m, false, out);
  else if (!tw_ll_dump(&fn, 1, &o, false, out, &error)) abort();
  fclose(out);
  uint32_t n = 0;
  for (const char *at = text; (at = strstr(at, words)); at++) n++;
  free(text);
  return n;
}

uint32_t plan_mentions(const TwFn *f, uint32_t bits, const char *words) { return mentions(f, bits, true, words); }
uint32_t code_mentions(const TwFn *f, uint32_t bits, const char *words) { return mentions(f, bits, false, words); }
