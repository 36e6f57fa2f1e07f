/* flagship_hand.c: see flagship_hand.h.
 *
 * Chunks of 32 blocks of sixteen samples. In a chunk, layer by layer over all blocks: forward, since a
 * block alone is one long chain of dependent operations; then backward, where the sixteen weight
 * gradients and four bias gradients of the layer stay in registers. Activations are kept, cotangents
 * handed from layer to layer. The pad of the last block has weight 0. */
#include "bench/flagship_hand.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 32, W = 4 };
typedef __m512 V;

typedef struct Chunk {
  V h[TW_HAND_MAX_DEPTH][BLOCKS][W]; /* outputs of the hidden layers */
  V d[BLOCKS][W];                    /* cotangent of the layer in hand */
} Chunk;

static inline V splat(const float *p) { return _mm512_set1_ps(*p); }
static inline V relu(V x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
static inline V pass(V h, V d) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(h, _mm512_setzero_ps(), _CMP_NEQ_UQ), d);
}
static inline const float *layer(const float *base, int l) { return base + 8 + 20 * (l - 1); }

typedef struct Sums { /* in the order of the weights */
  V v[TW_HAND_MAX_WEIGHTS], loss;
} Sums;

static void forward_first(const TwHandNet *net, Chunk *c, const float *x, int blocks) {
  for (int b = 0; b < blocks; b++) {
    V in = _mm512_loadu_ps(x + 16 * b);
    for (int j = 0; j < W; j++) c->h[0][b][j] = relu(_mm512_fmadd_ps(splat(net->w + j), in, splat(net->w + W + j)));
  }
}

static void forward(const TwHandNet *net, Chunk *c, int l, int blocks) {
  const float *w = layer(net->w, l);
  for (int b = 0; b < blocks; b++) {
    V h[W], s[W];
    for (int k = 0; k < W; k++) h[k] = c->h[l - 1][b][k];
    for (int j = 0; j < W; j++) s[j] = splat(w + 16 + j);
    for (int k = 0; k < W; k++)
      for (int j = 0; j < W; j++) s[j] = _mm512_fmadd_ps(splat(w + 4 * j + k), h[k], s[j]);
    for (int j = 0; j < W; j++) c->h[l][b][j] = relu(s[j]);
  }
}

static void output(const TwHandNet *net, Chunk *c, Sums *sums, const float *y, int blocks, int64_t left, float scale) {
  const float *w = layer(net->w, net->depth);
  V *last = sums->v + 8 + 20 * (net->depth - 1), gw[W], gb = last[W], loss = sums->loss;
  for (int k = 0; k < W; k++) gw[k] = last[k];
  for (int b = 0; b < blocks; b++) {
    V *h = c->h[net->depth - 1][b], s = splat(w + W);
    for (int k = 0; k < W; k++) s = _mm512_fmadd_ps(splat(w + k), h[k], s);
    V e = _mm512_sub_ps(s, _mm512_loadu_ps(y + 16 * b));
    int64_t rest = left - 16 * b;
    if (rest < 16) e = _mm512_maskz_mov_ps((__mmask16)((1u << rest) - 1), e);
    loss = _mm512_fmadd_ps(e, e, loss);
    V d = _mm512_mul_ps(e, _mm512_set1_ps(scale));
    for (int k = 0; k < W; k++) gw[k] = _mm512_fmadd_ps(d, h[k], gw[k]);
    gb = _mm512_add_ps(gb, d);
    for (int k = 0; k < W; k++) c->d[b][k] = pass(h[k], _mm512_mul_ps(splat(w + k), d));
  }
  for (int k = 0; k < W; k++) last[k] = gw[k];
  last[W] = gb;
  sums->loss = loss;
}

static void backward(const TwHandNet *net, Chunk *c, Sums *sums, int l, int blocks) {
  const float *w = layer(net->w, l);
  V *sum = sums->v + 8 + 20 * (l - 1), g[20];
  for (int k = 0; k < 20; k++) g[k] = sum[k];
  for (int b = 0; b < blocks; b++) {
    V h[W], d[W];
    for (int k = 0; k < W; k++) h[k] = c->h[l - 1][b][k];
    for (int j = 0; j < W; j++) d[j] = c->d[b][j];
    for (int j = 0; j < W; j++) {
      for (int k = 0; k < W; k++) g[4 * j + k] = _mm512_fmadd_ps(d[j], h[k], g[4 * j + k]);
      g[16 + j] = _mm512_add_ps(g[16 + j], d[j]);
    }
    for (int k = 0; k < W; k++) {
      V s = _mm512_mul_ps(splat(w + k), d[0]);
      for (int j = 1; j < W; j++) s = _mm512_fmadd_ps(splat(w + 4 * j + k), d[j], s);
      c->d[b][k] = pass(h[k], s);
    }
  }
  for (int k = 0; k < 20; k++) sum[k] = g[k];
}

static void first(Chunk *c, Sums *sums, const float *x, int blocks) {
  V g[2 * W];
  for (int k = 0; k < 2 * W; k++) g[k] = sums->v[k];
  for (int b = 0; b < blocks; b++) {
    V in = _mm512_loadu_ps(x + 16 * b);
    for (int j = 0; j < W; j++) {
      g[j] = _mm512_fmadd_ps(c->d[b][j], in, g[j]);
      g[W + j] = _mm512_add_ps(g[W + j], c->d[b][j]);
    }
  }
  for (int k = 0; k < 2 * W; k++) sums->v[k] = g[k];
}

/* n sums, sixteen at a time: a transpose with additions. */
static V halves(V a, V b) { return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee)); }
static V quarters(V a, V b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}
static V pairs(V a, V b) { return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee)); }
static V ones(V a, V b) { return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd)); }

static void fold(const V *v, int n, float *out) {
  for (int at = 0; at < n; at += 16) {
    V a[16];
    for (int k = 0; k < 16; k++) a[k] = at + k < n ? v[at + k] : _mm512_setzero_ps();
    /* a[4 i + k] of the four groups k end up in 128-bit lane i */
    for (int k = 0; k < 4; k++) {
      V q = quarters(halves(a[k], a[4 + k]), halves(a[8 + k], a[12 + k]));
      a[k] = q;
    }
    V sums = ones(pairs(a[0], a[1]), pairs(a[2], a[3]));
    _mm512_mask_storeu_ps(out + at, (__mmask16)(n - at >= 16 ? 0xffffu : (1u << (n - at)) - 1u), sums);
  }
}

static void adam(TwHandNet *net) {
  net->p1 = (net->p1 ? net->p1 : 1) * 0.9;
  net->p2 = (net->p2 ? net->p2 : 1) * 0.999;
  float c1 = (float)(1 / (1 - net->p1)), c2 = (float)(1 / sqrt(1 - net->p2));
  for (int k = 0; k < net->n_weights; k++) {
    float g = net->g[k];
    net->m1[k] = 0.9f * net->m1[k] + 0.1f * g;
    net->m2[k] = 0.999f * net->m2[k] + 0.001f * g * g;
    net->w[k] -= 1e-3f * c1 * net->m1[k] / (sqrtf(net->m2[k]) * c2 + 1e-8f);
  }
}

float tw_hand_step(TwHandNet *net, const float *x, const float *y, int64_t n) {
  static Chunk c;
  static Sums sums;
  memset(sums.v, 0, sizeof *sums.v * (size_t)net->n_weights);
  sums.loss = _mm512_setzero_ps();
  for (int64_t at = 0; at < n; at += 16 * BLOCKS) {
    int blocks = n - at >= 16 * BLOCKS ? BLOCKS : (int)((n - at + 15) / 16);
    forward_first(net, &c, x + at, blocks);
    for (int l = 1; l < net->depth; l++) forward(net, &c, l, blocks);
    output(net, &c, &sums, y + at, blocks, n - at, 2.0f / (float)n);
    for (int l = net->depth - 1; l > 0; l--) backward(net, &c, &sums, l, blocks);
    first(&c, &sums, x + at, blocks);
  }
  fold(sums.v, 8 + 20 * (net->depth - 1) + W + 1, net->g);
  adam(net);
  return _mm512_reduce_add_ps(sums.loss) / (float)n;
}

double tw_hand_peak(void) {
  enum { CHAINS = 20, ROUNDS = 200000 };
  V v[CHAINS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
  for (int k = 0; k < CHAINS; k++) v[k] = _mm512_set1_ps((float)k);
  struct timespec t0, t1;
  clock_gettime(CLOCK_MONOTONIC, &t0);
  for (int r = 0; r < ROUNDS; r++)
    for (int k = 0; k < CHAINS; k++) {
      v[k] = _mm512_fmadd_ps(v[k], a, b);
      __asm__ volatile("" : "+v"(v[k]));
    }
  clock_gettime(CLOCK_MONOTONIC, &t1);
  double ns = (double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec);
  return (double)CHAINS * ROUNDS / ns;
}
