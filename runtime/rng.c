/* rng.c: see rng.h. */
#include "runtime/rng.h"

__extension__ typedef unsigned __int128 TwU128;

void tw_rt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  const uint64_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = m0 * c0, p1 = m1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void block(uint64_t seed, uint64_t key, uint64_t n, uint64_t out[2]) {
  const uint32_t c[4] = {(uint32_t)n, (uint32_t)(n >> 32), (uint32_t)key, (uint32_t)(key >> 32)};
  const uint32_t k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t w[4];
  tw_rt_philox(c, k, w);
  out[0] = (uint64_t)w[1] << 32 | w[0];
  out[1] = (uint64_t)w[3] << 32 | w[2];
}

double tw_rt_uniform(uint64_t seed, uint64_t key, uint64_t counter) {
  uint64_t words[2];
  block(seed, key, counter, words);
  double u = ((double)(words[0] >> 11) + 0.5) * 0x1p-53;
  /* The largest of the 2^53 values would round up to 1, which is outside the interval. */
  return u < 1.0 ? u : 1.0 - 0x1p-53;
}

TwRtStream tw_rt_stream(uint64_t seed, uint64_t key, uint64_t first) {
  return (TwRtStream){.seed = seed, .key = key, .block = first};
}

uint64_t tw_rt_stream_word(TwRtStream *s) {
  if (s->has_spare) {
    s->has_spare = false;
    return s->spare;
  }
  uint64_t words[2];
  block(s->seed, s->key, s->block++, words);
  s->spare = words[1];
  s->has_spare = true;
  return words[0];
}

/* Lemire, "Fast random integer generation in an interval" (2019): the high half of word * n is
 * uniform once the few words that would be one too many for some results are drawn again. */
uint64_t tw_rt_stream_below(TwRtStream *s, uint64_t n) {
  TwU128 m = (TwU128)tw_rt_stream_word(s) * n;
  if ((uint64_t)m < n) {
    uint64_t surplus = (0 - n) % n;
    while ((uint64_t)m < surplus) m = (TwU128)tw_rt_stream_word(s) * n;
  }
  return (uint64_t)(m >> 64);
}

void tw_rt_shuffle(uint64_t seed, uint32_t stage, uint64_t epoch, uint32_t *order, uint32_t n) {
  /* "shuf" in the upper half keeps the stream apart from those of draws, whose keys are hashes. Each
   * epoch has 2^32 blocks to itself. */
  TwRtStream s = tw_rt_stream(seed, (uint64_t)0x73687566u << 32 | stage, epoch << 32);
  for (uint32_t i = 0; i < n; i++) order[i] = i;
  for (uint32_t i = n; i > 1; i--) {
    uint32_t j = (uint32_t)tw_rt_stream_below(&s, i);
    uint32_t other = order[j];
    order[j] = order[i - 1];
    order[i - 1] = other;
  }
}
