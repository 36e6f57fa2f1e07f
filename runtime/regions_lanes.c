/* regions_lanes.c: the inner loops of the sweep, for AVX2 and for any machine.
 *
 * requires: points padded to a multiple of four; what lies in the padding does not matter.
 * provides: the tables of loops. Both give the same bits. */
#include "runtime/cpu.h"
#include "runtime/regions_internal.h"

#define V double
#define M int
#define W 1
#define FN(name) name##_portable
#define TARGET
#define SET1(x) ((double)(x))
#define LOAD(p) (*(p))
#define STORE(p, v) (*(p) = (v))
#define STOREU STORE
#define GATHER(p, i) ((p)[*(i)])
#define ABS(x) fabs(x)
#define FMA(a, b, c) fma(a, b, c)
#define GT(a, b) ((a) > (b))
#define GE(a, b) ((a) >= (b))
#define LT(a, b) ((a) < (b))
#define LE(a, b) ((a) <= (b))
#define EQ(a, b) ((a) == (b))
#define NE(a, b) ((a) != (b))
#define BOTH(a, b) ((a) & (b))
#define EITHER(a, b) ((a) | (b))
#define KEEP(m, x) ((m) ? (x) : 0.0)
#define CHOOSE(m, x, y) ((m) ? (x) : (y))
#define BITS(m) ((unsigned)(m))
#include "runtime/regions_lanes.inc"

static const TwRgLanes portable = {affine_portable, signs_portable, relu_portable, cross_portable, lerp_portable};

const TwRgLanes *tw_rg_lanes_portable(void) { return &portable; }

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#undef V
#undef M
#undef W
#undef FN
#undef TARGET
#undef SET1
#undef LOAD
#undef STORE
#undef STOREU
#undef GATHER
#undef ABS
#undef FMA
#undef GT
#undef GE
#undef LT
#undef LE
#undef EQ
#undef NE
#undef BOTH
#undef EITHER
#undef KEEP
#undef CHOOSE
#undef BITS
#define V __m256d
#define M __m256d
#define W 4
#define FN(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define SET1(x) _mm256_set1_pd(x)
#define LOAD(p) _mm256_load_pd(p)
#define STORE(p, v) _mm256_store_pd(p, v)
#define STOREU(p, v) _mm256_storeu_pd(p, v)
#define GATHER(p, i) _mm256_set_pd((p)[(i)[3]], (p)[(i)[2]], (p)[(i)[1]], (p)[(i)[0]])
#define ABS(x) _mm256_andnot_pd(_mm256_set1_pd(-0.0), x)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define GT(a, b) _mm256_cmp_pd(a, b, _CMP_GT_OQ)
#define GE(a, b) _mm256_cmp_pd(a, b, _CMP_GE_OQ)
#define LT(a, b) _mm256_cmp_pd(a, b, _CMP_LT_OQ)
#define LE(a, b) _mm256_cmp_pd(a, b, _CMP_LE_OQ)
#define EQ(a, b) _mm256_cmp_pd(a, b, _CMP_EQ_OQ)
#define NE(a, b) _mm256_cmp_pd(a, b, _CMP_NEQ_UQ)
#define BOTH(a, b) _mm256_and_pd(a, b)
#define EITHER(a, b) _mm256_or_pd(a, b)
#define KEEP(m, x) _mm256_and_pd(m, x)
#define CHOOSE(m, x, y) _mm256_blendv_pd(y, x, m)
#define BITS(m) ((unsigned)_mm256_movemask_pd(m))
#include "runtime/regions_lanes.inc"

static const TwRgLanes avx2 = {affine_avx2, signs_avx2, relu_avx2, cross_avx2, lerp_avx2};

const TwRgLanes *tw_rg_lanes_best(void) { return tw_rt_cpu_can(TW_RT_CPU_256) ? &avx2 : &portable; }
#else
const TwRgLanes *tw_rg_lanes_best(void) { return &portable; }
#endif
