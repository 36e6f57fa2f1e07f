/* fake.h: hand-written programs for the runtime: what the compiler would emit, in plain C. In f64, so
 * that closed forms can be compared.
 *
 * march: coordinates move by their optimizer state, which counts up from 10; the loss is (c0 - 7)^2 or
 * whatever a test sets. All that the calls are given can be read off the values. */
#ifndef TW_TESTS_RUNTIME_FAKE_H
#define TW_TESTS_RUNTIME_FAKE_H

#include <math.h>
#include <stdlib.h>

#include "runtime/train.h"
#include "tests/runtime/check.h"

#define SLOT(r, ...)                                                                                                   \
  { .role = TW_RT_##r, __VA_ARGS__ }
#define COUNT_OF(a) ((uint32_t)(sizeof(a) / sizeof *(a)))
#define FN(n, e, ins, outs)                                                                                            \
  {                                                                                                                    \
    .name = (n), .entry = (e), .n_in = COUNT_OF(ins), .n_out = COUNT_OF(outs), .in = (ins), .out = (outs),             \
    .work_bytes = 64                                                                                                   \
  }

static inline const double *in64(const TwRtCall *c, int i) { return c->in[i]; }
static inline double *out64(const TwRtCall *c, int i) { return c->out[i]; }

/* Trains with defaults: these seeds, this many threads. The caller frees. */
static inline TwRtResult *run_seeds(const TwRtProgram *p, const uint64_t *seeds, uint32_t n, uint32_t threads) {
  TwRtOptions o = {.seeds = seeds, .n_seeds = n, .threads = threads};
  return tw_rt_train(p, &o);
}
static inline TwRtResult *run_one(const TwRtProgram *p) {
  static const uint64_t zero = 0;
  return run_seeds(p, &zero, 1, 1);
}

#endif
