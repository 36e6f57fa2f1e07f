/* support.c: see support.h. */
#include "tests/llvm/support.h"

#include <math.h>
#include <string.h>

enum { GUARD = 64, GUARD_BYTE = 0xa5 };

Test test_new(uint64_t seed) { return (Test){.random = seed}; }

void test_reset(Test *t) {
  tw_arena_free(&t->arena);
  t->m = tw_module_new(&t->arena);
}

int test_end(Test *t, const char *what) {
  printf("%s: %u comparisons, %u failed\n", what, t->runs, t->failures);
  tw_arena_free(&t->arena);
  if (t->runs == 0) return 1;
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

static size_t esize(TwDtype d, TwPrecision p) { return d == TW_REAL ? (p == TW_F32 ? 4 : 8) : d == TW_INT ? 8 : 1; }
static size_t padded(int64_t n) { return ((size_t)n + 15) / 16 * 16; }

static void *get(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + GUARD + 63) / 64 * 64);
  if (!p) abort();
  memset(p, GUARD_BYTE, (bytes + GUARD + 63) / 64 * 64);
  return p;
}

static bool guarded(const void *p, size_t bytes) {
  for (size_t k = 0; k < GUARD; k++)
    if (((const uint8_t *)p)[bytes + k] != GUARD_BYTE) return false;
  return true;
}

/* Reals have room for whole runs of sixteen; ints and bools have none. */
static size_t buffer_bytes(const TwTyInfo *t, TwPrecision p) {
  return t->dtype == TW_REAL ? padded(t->count) * esize(TW_REAL, p) : (size_t)t->count * esize(t->dtype, p);
}

static void *random_buffer(const TwTyInfo *t, TwPrecision p, uint64_t *s) {
  void *at = get(buffer_bytes(t, p));
  for (int64_t e = 0; e < t->count; e++) {
    if (t->dtype == TW_INT) ((int64_t *)at)[e] = random_int(s);
    else if (t->dtype == TW_BOOL) ((uint8_t *)at)[e] = next_random(s) & 1;
    else if (p == TW_F32) ((float *)at)[e] = (float)random_real(s);
    else ((double *)at)[e] = random_real(s);
  }
  for (size_t e = (size_t)t->count; t->dtype == TW_REAL && e < padded(t->count); e++) {
    if (p == TW_F32) ((float *)at)[e] = NAN;
    else ((double *)at)[e] = NAN;
  }
  return at;
}

static bool same(const TwTyInfo *t, TwPrecision p, const void *a, const void *b, int64_t *where) {
  size_t n = esize(t->dtype, p);
  for (int64_t e = 0; e < t->count; e++) {
    const uint8_t *x = (const uint8_t *)a + (size_t)e * n, *y = (const uint8_t *)b + (size_t)e * n;
    if (memcmp(x, y, n) == 0) continue;
    if (t->dtype == TW_REAL && p == TW_F32 && isnan(((const float *)a)[e]) && isnan(((const float *)b)[e])) continue;
    if (t->dtype == TW_REAL && p == TW_F64 && isnan(((const double *)a)[e]) && isnan(((const double *)b)[e])) continue;
    *where = e;
    return false;
  }
  return true;
}

static double as_double(const TwTyInfo *t, TwPrecision p, const void *a, int64_t e) {
  if (t->dtype == TW_INT) return (double)((const int64_t *)a)[e];
  if (t->dtype == TW_BOOL) return ((const uint8_t *)a)[e];
  return p == TW_F32 ? (double)((const float *)a)[e] : ((const double *)a)[e];
}

static void fail(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what, const char *why) {
  if (t->failures++ < 5) {
    fprintf(stderr, "%s (f%d, %u bits): %s\n", what, p == TW_F32 ? 32 : 64, bits, why);
    if (getenv("TW_TEST_PRINT")) fprintf(stderr, "%s\n", tw_ir_print(f));
  }
}

/* A pool of one thread that does ranges of one and two chunks from the last to the first, in two buffers by turns. */
typedef struct Backwards {
  TwRtPool face;
  void *other;
} Backwards;
static void run_backwards(TwRtPool *pool, TwRtChunks chunks, void *frame, void *work, int64_t n) {
  for (int64_t to = n, k = 0; to > 0; k++) {
    int64_t from = to - 1 - k % 2 > 0 ? to - 1 - k % 2 : 0;
    chunks(frame, k % 3 ? work : ((Backwards *)pool)->other, from, to);
    to = from;
  }
}

/* `shared`: large loops by a pool. */
static void compare(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what, TwRtFn *slot, bool shared) {
  uint32_t n = f->params.len, k_out = f->results.len;
  void **in = calloc(n + 1, sizeof *in), **out = calloc(k_out + 1, sizeof *out),
       **want = calloc(k_out + 1, sizeof *want);
  for (uint32_t k = 0; k < n; k++) in[k] = random_buffer(tw_info(f, f->params.at[k]), p, &t->random);
  for (uint32_t k = 0; k < k_out; k++) {
    size_t bytes = buffer_bytes(tw_info(f, f->results.at[k]), p);
    out[k] = get(bytes);
    want[k] = get(bytes);
  }
  void *work = get(slot->work_bytes);
  memset(work, 0xff, slot->work_bytes); /* NaN */
  Backwards pool = {{run_backwards}, shared ? get(slot->work_bytes) : NULL};
  if (shared) memset(pool.other, 0xff, slot->work_bytes);
  TwRtCall call = {.in = (const void *const *)in, .out = out, .work = work, .pool = shared ? &pool.face : NULL};
  slot->entry(&call);
  t->shared += shared;
  if (shared && !guarded(pool.other, slot->work_bytes))
    fail(t, f, p, bits, what, "wrote past the end of a thread's work buffer");
  free(pool.other);
  if (!tw_interpret(f, p, (const void *const *)in, want)) abort();
  t->runs++;
  if (!guarded(work, slot->work_bytes)) fail(t, f, p, bits, what, "wrote past the end of the work buffer");
  for (uint32_t k = 0; k < k_out; k++) {
    const TwTyInfo *ty = tw_info(f, f->results.at[k]);
    int64_t e = 0;
    char why[200];
    if (!guarded(out[k], buffer_bytes(ty, p))) fail(t, f, p, bits, what, "wrote past the end of a result");
    if (same(ty, p, out[k], want[k], &e)) continue;
    snprintf(why, sizeof why, "result %u, element %lld: %.17g, the interpreter says %.17g", k, (long long)e,
             as_double(ty, p, out[k], e), as_double(ty, p, want[k], e));
    fail(t, f, p, bits, what, why);
    break;
  }
  for (uint32_t k = 0; k < n; k++) free(in[k]);
  for (uint32_t k = 0; k < k_out; k++) free(out[k]), free(want[k]);
  free(in), free(out), free(want), free(work);
}

void check_one(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what) {
  TwRtFn slot = {.name = what};
  TwLlFn fn = {.symbol = "f", .fn = f, .precision = p, .slot = &slot};
  TwLlOptions o = {.vector_bits = bits, .without_fma = bits == 0};
  char *error = NULL;
  const char *broken = tw_verify(f);
  if (broken) {
    fail(t, f, p, bits, what, broken);
    return;
  }
  TwJit *j = tw_jit(&fn, 1, &o, &error);
  if (!j) {
    fail(t, f, p, bits, what, error ? error : "no code");
    free(error);
    return;
  }
  for (int k = 0; k < 3; k++) compare(t, f, p, bits, what, &slot, slot.chunks > 0 && k < 2);
  tw_jit_free(j);
}

void check(Test *t, const TwFn *f, const char *what) {
  static const uint32_t bits[] = {512, 256, 128};
  t->turn++;
  for (uint32_t k = 0; k < (t->few ? 1u : 3u); k++) {
    if (t->few < 2 || t->turn % 2 == 0) check_one(t, f, TW_F32, bits[k], what);
    if (t->few < 2 || t->turn % 2 == 1) check_one(t, f, TW_F64, bits[k], what);
  }
  if (!t->few && t->turn % 4 == 0) check_one(t, f, t->turn % 8 ? TW_F32 : TW_F64, 0, what); /* no FMA */
}
