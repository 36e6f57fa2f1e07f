/* call.c: see call.h. */
#include "tests/llvm/call.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, GUARD_BYTE = 0xa5 };

static size_t element(TwDtype d, TwPrecision p) {
  switch (d) {
    case TW_REAL: return p == TW_F32 ? sizeof(float) : sizeof(double);
    case TW_INT: return sizeof(int64_t);
    case TW_BOOL: return sizeof(uint8_t);
    case TW_TUPLE: break;
  }
  abort();
}

size_t call_bytes(const Value *v, TwPrecision p) {
  size_t n = (size_t)v->count;
  return element(v->dtype, p) * (v->dtype == TW_REAL ? (n + 15) / 16 * 16 : n);
}

void *call_buffer(size_t bytes) {
  size_t all = (bytes + GUARD + 63) / 64 * 64;
  void *p = aligned_alloc(64, all);
  if (!p) abort();
  return memset(p, GUARD_BYTE, all);
}

static bool guarded(const void *p, size_t bytes) {
  for (size_t k = 0; k < GUARD; k++)
    if (((const uint8_t *)p)[bytes + k] != GUARD_BYTE) return false;
  return true;
}

static double number(const Value *v, TwPrecision p, const void *at, int64_t e) {
  if (v->dtype == TW_INT) return (double)((const int64_t *)at)[e];
  if (v->dtype == TW_BOOL) return ((const uint8_t *)at)[e];
  return p == TW_F32 ? (double)((const float *)at)[e] : ((const double *)at)[e];
}

/* The first element that differs, or -1. */
static int64_t difference(const Value *v, TwPrecision p, const void *got) {
  size_t n = element(v->dtype, p);
  for (int64_t e = 0; e < v->count; e++) {
    if (memcmp((const uint8_t *)v->at + (size_t)e * n, (const uint8_t *)got + (size_t)e * n, n) == 0) continue;
    if (!isnan(number(v, p, v->at, e)) || !isnan(number(v, p, got, e))) return e;
  }
  return -1;
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

/* A work buffer of NaNs. */
static void *work_buffer(uint64_t bytes) { return memset(call_buffer(bytes), 0xff, bytes); }

static bool results_agree(const Call *c, void *const *out, char why[200]) {
  for (uint32_t k = 0; k < c->n_out; k++) {
    const Value *v = &c->want[k];
    if (!guarded(out[k], call_bytes(v, c->precision))) {
      snprintf(why, 200, "wrote past the end of result %u", k);
      return false;
    }
    int64_t e = difference(v, c->precision, out[k]);
    if (e < 0) continue;
    snprintf(why, 200, "result %u, element %lld: %.17g, the interpreter says %.17g", k, (long long)e,
             number(v, c->precision, out[k], e), number(v, c->precision, v->at, e));
    return false;
  }
  return true;
}

bool call_agrees(const Call *c, TwRtEntry entry, char why[200]) {
  const void **in = calloc(c->n_in + 1, sizeof *in);
  void **out = calloc(c->n_out + 1, sizeof *out), *work = work_buffer(c->work_bytes);
  Backwards pool = {{run_backwards}, c->shared ? work_buffer(c->work_bytes) : NULL};
  if (!in || !out) abort();
  for (uint32_t k = 0; k < c->n_in; k++) in[k] = c->in[k].at;
  for (uint32_t k = 0; k < c->n_out; k++) out[k] = call_buffer(call_bytes(&c->want[k], c->precision));
  entry(&(TwRtCall){.in = in, .out = out, .work = work, .pool = c->shared ? &pool.face : NULL});
  bool ok = guarded(work, c->work_bytes) && (!pool.other || guarded(pool.other, c->work_bytes));
  if (!ok) snprintf(why, 200, "wrote past the end of %s work buffer", c->shared ? "a thread's" : "the");
  ok = ok && results_agree(c, out, why);
  for (uint32_t k = 0; k < c->n_out; k++) free(out[k]);
  free(in), free(out), free(work), free(pool.other);
  return ok;
}

bool call_spoil(Call *c) {
  Value *v = c->want;
  if (!c->n_out || !v->count) return false;
  if (isnan(number(v, c->precision, v->at, 0))) memset(v->at, 0, element(v->dtype, c->precision));
  else *(uint8_t *)v->at ^= 1;
  return true;
}
