/* three.c: see three.h. */
#include "tests/evaluators/three.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/files.h"

void *three_link(const char *path, TwObjectBytes object) {
  char command[4096], so[2048], *error;
  bool written = tw_rt_file_write(path, object.bytes, object.size, &error);
  free((void *)(uintptr_t)object.bytes);
  if (!written) return fprintf(stderr, "%s\n", error ? error : "out of memory"), free(error), NULL;
  snprintf(so, sizeof so, "%s.so", path);
  snprintf(command, sizeof command, "'%s' -shared '%s' -lsleef -lm -o '%s'", TW_CC, path, so);
  int status = system(command);
  void *library = status == 0 ? dlopen(so, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!library) fprintf(stderr, "%s: %s\n", path, status ? "the linker refused it" : dlerror());
  unlink(path);
  unlink(so);
  return library;
}

static size_t element(TwDtype d, TwPrecision p) {
  switch (d) {
    case TW_REAL: return p == TW_F32 ? sizeof(float) : sizeof(double);
    case TW_INT: return sizeof(int64_t);
    case TW_BOOL: return sizeof(uint8_t);
    case TW_TUPLE: break;
  }
  abort();
}

static size_t room(const TwTyInfo *ty, TwPrecision p) {
  size_t n = (size_t)ty->count;
  return element(ty->dtype, p) * (ty->dtype == TW_REAL ? (n + 15) / 16 * 16 : n);
}

static void *get(size_t bytes, int fill) {
  bytes = (bytes + 127) / 64 * 64;
  void *p = aligned_alloc(64, bytes);
  if (!p) abort();
  return memset(p, fill, bytes);
}

void *three_buffer(const TwTyInfo *ty, TwPrecision p) { return get(room(ty, p), 0xff); }

static double value(const TwTyInfo *ty, TwPrecision p, const void *at, int64_t e) {
  if (ty->dtype == TW_INT) return (double)((const int64_t *)at)[e];
  if (ty->dtype == TW_BOOL) return ((const uint8_t *)at)[e];
  return p == TW_F32 ? (double)((const float *)at)[e] : ((const double *)at)[e];
}

/* The first element that differs, or -1. */
static int64_t difference(const TwTyInfo *ty, TwPrecision p, const void *a, const void *b) {
  size_t n = element(ty->dtype, p);
  if (memcmp(a, b, n * (size_t)ty->count) == 0) return -1;
  for (int64_t e = 0; e < ty->count; e++) {
    if (memcmp((const uint8_t *)a + (size_t)e * n, (const uint8_t *)b + (size_t)e * n, n) == 0) continue;
    if (!isnan(value(ty, p, a, e)) || !isnan(value(ty, p, b, e))) return e;
  }
  return -1;
}

static void count(Three *t, const TwTyInfo *ty, TwPrecision p, const void *at) {
  t->numbers += (uint64_t)ty->count;
  for (int64_t e = 0; e < ty->count; e++) t->nans += isnan(value(ty, p, at, e)) ? 1u : 0u;
}

/* Runs compiled code on buffers of its own and compares its results with `want`. */
static bool agrees(Three *t, const TwFn *f, TwPrecision p, const TwRtFn *fn, const void *const *in, void *const *want,
                   const char *what, const char *who) {
  uint32_t n = f->results.len;
  void **out = calloc(n + 1, sizeof *out), *work = get(fn->work_bytes, 0xff);
  if (!out) abort();
  for (uint32_t k = 0; k < n; k++) out[k] = three_buffer(tw_info(f, f->results.at[k]), p);
  fn->entry(&(TwRtCall){.in = in, .out = out, .work = work});
  bool ok = true;
  for (uint32_t k = 0; k < n; k++) {
    const TwTyInfo *ty = tw_info(f, f->results.at[k]);
    int64_t e = ok ? difference(ty, p, want[k], out[k]) : -1;
    if (e >= 0) {
      ok = false;
      if (t->failures++ < 10) {
        fprintf(stderr, "%s (%s): result %u, element %lld: %s says %.17g, the interpreter %.17g\n", what,
                p == TW_F32 ? "f32" : "f64", k, (long long)e, who, value(ty, p, out[k], e), value(ty, p, want[k], e));
        if (getenv("TW_TEST_PRINT")) fprintf(stderr, "%s\n", tw_ir_print(f));
      }
    }
    free(out[k]);
  }
  free(out);
  free(work);
  return ok;
}

bool three_call(Three *t, const TwFn *f, TwPrecision p, const TwRtFn *jit, const TwRtFn *object, const void *const *in,
                void *const *out, const char *what) {
  if (!tw_interpret(f, p, in, out)) abort();
  t->calls++;
  for (uint32_t k = 0; k < f->results.len; k++) count(t, tw_info(f, f->results.at[k]), p, out[k]);
  bool ok = agrees(t, f, p, jit, in, out, what, "the JIT");
  return agrees(t, f, p, object, in, out, what, "the object file") && ok;
}

static Value *values(const TwFn *f, const TwRef *of, uint32_t n, const void *const *at) {
  Value *v = calloc(n + 1, sizeof *v);
  if (!v) abort();
  for (uint32_t k = 0; k < n; k++) {
    const TwTyInfo *ty = tw_info(f, of[k]);
    v[k] = (Value){.dtype = ty->dtype, .count = ty->count, .at = (void *)(uintptr_t)at[k]};
  }
  return v;
}

void three_tape(Three *t, const TwFn *f, TwPrecision p, const char *symbol, uint64_t work_bytes, const void *const *in,
                void *const *out, const char *what) {
  if (!tw_interpret(f, p, in, out)) abort();
  Call c = {.precision = p, .work_bytes = work_bytes, .n_in = f->params.len, .n_out = f->results.len};
  c.in = values(f, f->params.at, c.n_in, in);
  c.want = values(f, f->results.at, c.n_out, (const void *const *)out);
  t->calls++;
  for (uint32_t k = 0; k < c.n_out; k++) count(t, tw_info(f, f->results.at[k]), p, out[k]);
  tape_call(t->tape, symbol, what, &c);
  free(c.in), free(c.want);
}
