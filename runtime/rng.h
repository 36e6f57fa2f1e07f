/* rng.h: the counter-based random numbers behind every draw and every shuffle.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11).
 * A number depends on (seed, key, counter) alone, so that no order of evaluation, number of threads or
 * company of other seeds can change it. The seed is the cipher's key; the counter is (n, key). */
#ifndef TW_RUNTIME_RNG_H
#define TW_RUNTIME_RNG_H

#include <stdint.h>

#include "runtime/program.h"

/* The cipher itself: ten rounds. */
void tw_rt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A sequence of 64-bit words, from block `block` on: for what needs an unknown number of them. */
typedef struct TwRtStream {
  uint64_t seed, key, block;
  uint64_t spare;
  bool has_spare;
} TwRtStream;

TwRtStream tw_rt_stream(uint64_t seed, uint64_t key, uint64_t block);
uint64_t tw_rt_stream_word(TwRtStream *s);
/* Uniform on 0 … n - 1, without bias (n > 0). */
uint64_t tw_rt_stream_below(TwRtStream *s, uint64_t n);

/* The permutation of 0 … n - 1 of one epoch of one stage (Fisher and Yates). */
void tw_rt_shuffle(uint64_t seed, uint32_t stage, uint64_t epoch, uint32_t *order, uint32_t n);

#endif
