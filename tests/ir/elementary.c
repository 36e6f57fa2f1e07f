/* elementary.c: the elementary functions give equal bits at every vector width (P7), for arguments of
 * every size, zeros, infinities, NaN and subnormals included. Needs a CPU with AVX2 and FMA; widths
 * that it does not have are left out. */
#define _GNU_SOURCE
#include "compiler/ir/elementary.h"

#include <dlfcn.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "tests/ir/support.h"

enum { COUNT = 1 << 16 };

static const double special[] = {0.0, -0.0, 1,    -1,    0.5,    2,     1e-40,    -1e-310,   88.8, -104,
                                 710, -746, 1e10, -1e22, 3.4e38, 1e300, INFINITY, -INFINITY, NAN};
enum { SPECIALS = sizeof special / sizeof *special };

/* Any bit pattern, a number of ordinary size, or a special one. */
static void fill(float *f, double *d, uint64_t *rng) {
  for (int k = 0; k < COUNT; k++) {
    uint64_t r = next_random(rng), how = next_random(rng) % 8;
    uint32_t low = (uint32_t)r;
    memcpy(&f[k], &low, sizeof low);
    memcpy(&d[k], &r, sizeof r);
    if (how < 4) d[k] = next_real(rng) * (how < 2 ? 1 : 20), f[k] = (float)d[k];
    if (how == 4) d[k] = special[r % SPECIALS], f[k] = (float)d[k];
  }
}

#define RUNNER(name, feature, T, V, load, store, lanes)                                                                \
  __attribute__((target(feature))) static void name(void *fn, int n, T *out, const T *a, const T *b) {                 \
    for (int k = 0; k < COUNT; k += lanes) {                                                                           \
      V x = load(a + k), y = load(b + k);                                                                              \
      V r = n == 1 ? ((V(*)(V))fn)(x) : ((V(*)(V, V))fn)(x, y);                                                        \
      store(out + k, r);                                                                                               \
    }                                                                                                                  \
  }
RUNNER(run_f4, "avx2,fma", float, __m128, _mm_loadu_ps, _mm_storeu_ps, 4)
RUNNER(run_d2, "avx2,fma", double, __m128d, _mm_loadu_pd, _mm_storeu_pd, 2)
RUNNER(run_f8, "avx2,fma", float, __m256, _mm256_loadu_ps, _mm256_storeu_ps, 8)
RUNNER(run_d4, "avx2,fma", double, __m256d, _mm256_loadu_pd, _mm256_storeu_pd, 4)
RUNNER(run_f16, "avx512f", float, __m512, _mm512_loadu_ps, _mm512_storeu_ps, 16)
RUNNER(run_d8, "avx512f", double, __m512d, _mm512_loadu_pd, _mm512_storeu_pd, 8)

static float fa[COUNT], fb[COUNT], fr[COUNT], fw[COUNT];
static double da[COUNT], db[COUNT], dr[COUNT], dw[COUNT];

static void check_f32(TwOp op, int n, uint32_t lanes) {
  void *fn = dlsym(RTLD_DEFAULT, tw_elementary_symbol(op, false, lanes));
  CHECK(fn, "%s is missing", tw_elementary_symbol(op, false, lanes));
  if (!fn) return;
  (lanes == 4 ? run_f4 : lanes == 8 ? run_f8 : run_f16)(fn, n, fr, fa, fb);
  for (int k = 0; k < COUNT; k++)
    if (!same_bits((double)fr[k], (double)fw[k])) {
      CHECK(false, "%s of %u lanes: (%a, %a) gives %a, scalar %a", tw_op_name(op), lanes, (double)fa[k], (double)fb[k],
            (double)fr[k], (double)fw[k]);
      return;
    }
}

static void check_f64(TwOp op, int n, uint32_t lanes) {
  void *fn = dlsym(RTLD_DEFAULT, tw_elementary_symbol(op, true, lanes));
  CHECK(fn, "%s is missing", tw_elementary_symbol(op, true, lanes));
  if (!fn) return;
  (lanes == 2 ? run_d2 : lanes == 4 ? run_d4 : run_d8)(fn, n, dr, da, db);
  for (int k = 0; k < COUNT; k++)
    if (!same_bits(dr[k], dw[k])) {
      CHECK(false, "%s of %u lanes: (%a, %a) gives %a, scalar %a", tw_op_name(op), lanes, da[k], db[k], dr[k], dw[k]);
      return;
    }
}

static void check(TwOp op, int n, bool wide) {
  for (int k = 0; k < COUNT; k++) {
    fw[k] = tw_elementary_f32(op, fa[k], fb[k]);
    dw[k] = tw_elementary_f64(op, da[k], db[k]);
  }
  for (uint32_t lanes = 4; lanes <= (wide ? 16u : 8u); lanes *= 2) {
    check_f32(op, n, lanes);
    check_f64(op, n, lanes / 2);
  }
}

int main(void) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    puts("no AVX2: nothing to compare");
    return 0;
  }
  bool wide = __builtin_cpu_supports("avx512f");
  uint64_t rng = 3;
  uint32_t named = 0;
  for (; tw_elementary_nth(named); named++)
    CHECK(dlsym(RTLD_DEFAULT, tw_elementary_nth(named)), "%s is missing", tw_elementary_nth(named));
  for (int round = 0; round < 4; round++) {
    fill(fa, da, &rng);
    fill(fb, db, &rng);
#define ONE(op, n) check(TW_OP_##op, n, wide);
    TW_ELEMENTARY(ONE)
  }
  CHECK(!tw_elementary_symbol(TW_OP_add, false, 1) && !tw_elementary_symbol(TW_OP_exp, false, 2),
        "no symbol where there is none");
  printf("%u symbols, widths up to %s\n", named, wide ? "512" : "256");
  return failures != 0;
}
