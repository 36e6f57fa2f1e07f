/* lanes.h: a vector of floats of LANES lanes, 16 with AVX-512 and 8 with AVX2, and the few operations on
 * it that the kernels use. A mask zeroes lanes: with AVX-512 that rides on another instruction for free. */
#ifndef TW_BENCH_LANES_H
#define TW_BENCH_LANES_H

#include <immintrin.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#define ANY_REGISTER "v"
typedef __m512 V;
typedef __mmask16 M;
static inline V v_set(float a) { return _mm512_set1_ps(a); }
static inline V v_load(const float *p) { return _mm512_load_ps(p); }
static inline void v_store(float *p, V a) { _mm512_store_ps(p, a); }
static inline V v_zero(void) { return _mm512_setzero_ps(); }
static inline V v_add(V a, V b) { return _mm512_add_ps(a, b); }
static inline V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
static inline V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
static inline V v_div(V a, V b) { return _mm512_div_ps(a, b); }
static inline V v_sqrt(V a) { return _mm512_sqrt_ps(a); }
static inline V v_relu(V a) { return _mm512_max_ps(a, _mm512_setzero_ps()); } /* -0 and NaN become +0 */
static inline V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
static inline M m_nonzero(V a) { return _mm512_test_epi32_mask(_mm512_castps_si512(a), _mm512_castps_si512(a)); }
static inline M m_nonzero_and(M m, V a) {
  return _mm512_mask_test_epi32_mask(m, _mm512_castps_si512(a), _mm512_castps_si512(a));
}
static inline M m_positive(V a) { return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ); }
static inline V v_fma_z(M m, V a, V b, V c) { return _mm512_maskz_fmadd_ps(m, a, b, c); }
static inline V v_mul_z(M m, V a, V b) { return _mm512_maskz_mul_ps(m, a, b); }
static inline V v_only(M m, V a) { return _mm512_maskz_mov_ps(m, a); }
static inline V v_fma_where(M m, V a, V b, V c) { return _mm512_mask3_fmadd_ps(a, b, c, m); } /* else c */
static inline V v_sub_where(M m, V a, V b) { return _mm512_mask_sub_ps(a, m, a, b); }         /* else a */
static inline float v_total(V a) { return _mm512_reduce_add_ps(a); }

/* Sums of the lanes of sixteen vectors: a transpose with additions. */
static inline void v_totals16(const V *v, float *out) {
  V a[8], b[4], c[2];
  for (int k = 0; k < 8; k++)
    a[k] = v_add(_mm512_shuffle_f32x4(v[k], v[k + 8], 0x44), _mm512_shuffle_f32x4(v[k], v[k + 8], 0xEE));
  for (int k = 0; k < 4; k++)
    b[k] = v_add(_mm512_shuffle_f32x4(a[k], a[k + 4], 0x88), _mm512_shuffle_f32x4(a[k], a[k + 4], 0xDD));
  for (int k = 0; k < 2; k++) c[k] = v_add(_mm512_unpacklo_ps(b[k], b[k + 2]), _mm512_unpackhi_ps(b[k], b[k + 2]));
  V d = v_add(_mm512_unpacklo_ps(c[0], c[1]), _mm512_unpackhi_ps(c[0], c[1]));
  v_store(out, _mm512_shuffle_f32x4(d, d, 0xD8)); /* the middle two quarters came out swapped */
}
#else
enum { LANES = 8 };
#define ANY_REGISTER "x"
typedef __m256 V;
typedef __m256 M;
static inline V v_set(float a) { return _mm256_set1_ps(a); }
static inline V v_load(const float *p) { return _mm256_load_ps(p); }
static inline void v_store(float *p, V a) { _mm256_store_ps(p, a); }
static inline V v_zero(void) { return _mm256_setzero_ps(); }
static inline V v_add(V a, V b) { return _mm256_add_ps(a, b); }
static inline V v_sub(V a, V b) { return _mm256_sub_ps(a, b); }
static inline V v_mul(V a, V b) { return _mm256_mul_ps(a, b); }
static inline V v_div(V a, V b) { return _mm256_div_ps(a, b); }
static inline V v_sqrt(V a) { return _mm256_sqrt_ps(a); }
static inline V v_relu(V a) { return _mm256_max_ps(a, _mm256_setzero_ps()); }
static inline V v_fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
static inline M m_positive(V a) { return _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ); }
static inline M m_nonzero(V a) { return m_positive(a); } /* of a relu */
static inline M m_nonzero_and(M m, V a) { return _mm256_and_ps(m, m_nonzero(a)); }
static inline V v_fma_z(M m, V a, V b, V c) { return _mm256_and_ps(m, _mm256_fmadd_ps(a, b, c)); }
static inline V v_mul_z(M m, V a, V b) { return _mm256_and_ps(m, _mm256_mul_ps(a, b)); }
static inline V v_only(M m, V a) { return _mm256_and_ps(m, a); }
static inline V v_fma_where(M m, V a, V b, V c) { return _mm256_fmadd_ps(a, _mm256_and_ps(m, b), c); }
static inline V v_sub_where(M m, V a, V b) { return _mm256_sub_ps(a, _mm256_and_ps(m, b)); }
static inline float v_total(V a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static inline void v_totals16(const V *v, float *out) {
  for (int half = 0; half < 2; half++, v += 8) {
    V a[4], b[2];
    for (int k = 0; k < 4; k++) a[k] = _mm256_hadd_ps(v[2 * k], v[2 * k + 1]);
    for (int k = 0; k < 2; k++) b[k] = _mm256_hadd_ps(a[2 * k], a[2 * k + 1]);
    v_store(out + 8 * half, v_add(_mm256_permute2f128_ps(b[0], b[1], 0x20), _mm256_permute2f128_ps(b[0], b[1], 0x31)));
  }
}
#endif

#endif
