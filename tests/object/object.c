/* object.c [MUTANTS]: objects of several parts load and run; mutated, cut or foreign bytes are refused or
 * loaded, never a crash. Mutants are not run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/llvm/llvm.h"

static int failures;
#define CHECK(c, ...)                                                                                                  \
  ((c) ? (void)0 : (void)(failures++, printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), puts("")))

/* f_k(x) = sin(x) + k, each a function of its own. */
static const TwFn *function(TwModule *m, int k) {
  TwFn *f = tw_fn_new(m, "f");
  TwRef x = tw_param(f, tw_ty_scalar(m, TW_REAL));
  for (int j = 0; j < 400; j++) x = tw_unary(f, TW_OP_sin, x); /* large enough to be dealt into parts */
  tw_result(f, tw_binary(f, TW_OP_add, x, tw_real(f, k)));
  return tw_fn_seal(f);
}

enum { FUNCTIONS = 5 };
static double call(const TwObject *o, const char *name, double x) {
  void *at = tw_object_symbol(o, name);
  if (!at) return NAN;
  TwRtEntry entry;
  memcpy(&entry, &at, sizeof entry);
  _Alignas(64) double in[16] = {x}, out[16] = {0}, work[1024];
  entry(&(TwRtCall){.in = (const void *[]){in}, .out = (void *[]){out}, .work = work});
  return out[0];
}

static void run(const TwLlObjects *objects) {
  char *error;
  TwObject *o = tw_object_load(objects->at, objects->n, &error);
  CHECK(o, "not loaded: %s", error ? error : "");
  free(error);
  if (!o) return;
  for (int k = 0; k < FUNCTIONS; k++) {
    char name[8];
    snprintf(name, sizeof name, "f%d", k);
    double got = call(o, name, 0.5), zero = call(o, "f0", 0.5);
    CHECK(got == zero + k && isfinite(got), "f%d(0.5) is %g, f0(0.5) is %g", k, got, zero);
  }
  CHECK(!tw_object_symbol(o, "nobody"), "a symbol that nobody defines");
  tw_object_free(o);
}

static void refused(const TwObjectBytes *bytes, size_t n, const char *says) {
  char *error;
  TwObject *o = tw_object_load(bytes, n, &error);
  CHECK(!o && error && strstr(error, says), "expected '%s', got '%s'", says,
        o       ? "no error"
        : error ? error
                : "no text");
  tw_object_free(o);
  free(error);
}

static uint64_t next(uint64_t *s) {
  *s += 0x9e3779b97f4a7c15u;
  uint64_t z = *s;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* One to four bytes changed, mostly where headers, symbols and relocations are; now and then cut short. */
static void mutate(const TwObjectBytes *from, long count) {
  uint64_t seed = 7;
  long loaded = 0;
  for (long k = 0; k < count; k++) {
    size_t size = next(&seed) % 8 ? from->size : next(&seed) % (from->size + 1);
    uint8_t *bytes = malloc(size ? size : 1); /* so that a reader beyond the end is caught */
    if (!bytes) abort();
    memcpy(bytes, from->bytes, size);
    for (uint64_t j = 0; size && j <= next(&seed) % 4; j++) {
      uint64_t at = next(&seed) % 4 ? size - 1 - next(&seed) % (size / 3 + 1) : next(&seed) % size;
      bytes[at] = (uint8_t)(next(&seed) % 3 ? next(&seed) : next(&seed) % 2 ? 0xff : 0);
    }
    char *error;
    TwObject *o = tw_object_load(&(TwObjectBytes){bytes, size}, 1, &error);
    CHECK(o || error, "refused without a reason");
    loaded += o != NULL;
    tw_object_free(o);
    free(error);
    free(bytes);
  }
  printf("%ld mutants: %ld loaded, %ld refused\n", count, loaded, count - loaded);
}

int main(int argc, char **argv) {
  if (!tw_object_supported()) return puts("no objects are loaded on this processor"), 0;
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  TwLlFn fns[FUNCTIONS];
  TwRtFn slots[FUNCTIONS] = {0};
  static const char *const names[FUNCTIONS] = {"f0", "f1", "f2", "f3", "f4"};
  for (int k = 0; k < FUNCTIONS; k++)
    fns[k] = (TwLlFn){.symbol = names[k], .fn = function(m, k), .precision = TW_F64, .slot = &slots[k], .once = k == 4};
  for (uint32_t threads = 1; threads <= 3; threads++) {
    char *error;
    TwLlObjects objects;
    bool ok = tw_ll_objects(NULL, fns, FUNCTIONS, &(TwLlOptions){.threads = threads}, NULL, &objects, &error);
    CHECK(ok && objects.n == FUNCTIONS, "%u threads: %u objects, %s", threads, objects.n,
          error ? error : ""); /* each alone */
    if (!ok) continue;
    run(&objects);
    if (threads == 3) {
      mutate(&objects.at[0], argc > 1 ? atol(argv[1]) : 3000);
      refused((TwObjectBytes[]){objects.at[0], objects.at[0]}, 2, "defined twice");
      refused(&(TwObjectBytes){"", 0}, 1, "not an object file");
      uint8_t *stranger = malloc(objects.at[0].size);
      memcpy(stranger, objects.at[0].bytes, objects.at[0].size);
      for (size_t k = 0; k + 10 < objects.at[0].size; k++)
        if (memcmp(stranger + k, "Sleef_", 6) == 0) stranger[k] = 'X';
      refused(&(TwObjectBytes){stranger, objects.at[0].size}, 1, "not on the list: X");
      free(stranger);
    }
    tw_ll_objects_free(&objects);
  }
  tw_arena_free(&arena);
  return failures != 0;
}
