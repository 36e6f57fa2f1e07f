/* The published vectors of Philox4x32-10, the law of the uniforms, and unbiased shuffles. */
#include "runtime/rng.h"

#include "tests/runtime/check.h"

static void known_answers(void) {
  static const struct {
    uint32_t counter[4], key[2], out[4];
  } kat[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t k = 0; k < sizeof kat / sizeof *kat; k++) {
    uint32_t out[4];
    tw_rt_philox(kat[k].counter, kat[k].key, out);
    for (int i = 0; i < 4; i++) CHECK(out[i] == kat[k].out[i], "vector %zu word %d: %08x", k, i, out[i]);
  }
}

static void uniforms(void) {
  /* From the first vector: seed 0, key 0, counter 0. */
  uint64_t word = (uint64_t)0xe169c58d << 32 | 0x6627e8d5;
  CHECK_NEAR(tw_rt_uniform(0, 0, 0), ((double)(word >> 11) + 0.5) / 9007199254740992.0, 0);
  double sum = 0, squares = 0, lo = 1, hi = 0;
  const int n = 200000;
  for (int i = 0; i < n; i++) {
    double u = tw_rt_uniform(7, 99, (uint64_t)i);
    sum += u;
    squares += u * u;
    lo = u < lo ? u : lo;
    hi = u > hi ? u : hi;
  }
  CHECK(lo > 0 && hi < 1, "%g %g", lo, hi);
  CHECK_NEAR(sum / n, 0.5, 0.003); /* five standard deviations */
  CHECK_NEAR(squares / n, 1.0 / 3, 0.0034);
  CHECK(tw_rt_uniform(1, 0, 0) != tw_rt_uniform(0, 1, 0) && tw_rt_uniform(0, 1, 0) != tw_rt_uniform(0, 0, 1),
        "seed, key and counter are told apart");
  CHECK(tw_rt_uniform((uint64_t)1 << 32, 0, 0) != tw_rt_uniform(0, 0, 0), "all of the seed counts");
}

static void bounded(void) {
  TwRtStream s = tw_rt_stream(3, 5, 0);
  int seen[7] = {0};
  const int n = 70000;
  for (int i = 0; i < n; i++) {
    uint64_t v = tw_rt_stream_below(&s, 7);
    CHECK(v < 7, "%llu", (unsigned long long)v);
    seen[v % 7]++;
  }
  double chi = 0;
  for (int i = 0; i < 7; i++) chi += (seen[i] - 10000.0) * (seen[i] - 10000.0) / 10000.0;
  CHECK(chi < 22.5, "chi-square with 6 degrees of freedom: %g", chi); /* p = 0.001 */
  /* A bound for which a plain remainder would favour the lower third by half. */
  uint64_t bound = (uint64_t)3 << 62;
  int low = 0;
  for (int i = 0; i < 30000; i++) low += tw_rt_stream_below(&s, bound) < bound / 3;
  CHECK(low > 9600 && low < 10400, "%d of 30000 in the lower third", low);
}

static void shuffles(void) {
  int seen[6] = {0};
  for (uint64_t epoch = 0; epoch < 60000; epoch++) {
    uint32_t o[3];
    tw_rt_shuffle(11, 2, epoch, o, 3);
    CHECK((1u << o[0] | 1u << o[1] | 1u << o[2]) == 7, "not a permutation");
    seen[o[0] * 2 + (o[1] > o[2])]++;
  }
  double chi = 0;
  for (int i = 0; i < 6; i++) chi += (seen[i] - 10000.0) * (seen[i] - 10000.0) / 10000.0;
  CHECK(chi < 20.6, "chi-square with 5 degrees of freedom: %g", chi);
  uint32_t a[100], b[100];
  tw_rt_shuffle(1, 0, 4, a, 100);
  tw_rt_shuffle(1, 0, 4, b, 100);
  CHECK(memcmp(a, b, sizeof a) == 0, "the same epoch, another order");
  tw_rt_shuffle(1, 0, 5, b, 100);
  CHECK(memcmp(a, b, sizeof a) != 0, "another epoch, the same order");
  tw_rt_shuffle(1, 1, 4, b, 100);
  CHECK(memcmp(a, b, sizeof a) != 0, "another stage, the same order");
  tw_rt_shuffle(2, 0, 4, b, 100);
  CHECK(memcmp(a, b, sizeof a) != 0, "another seed, the same order");
}

int main(void) {
  known_answers();
  uniforms();
  bounded();
  shuffles();
  return tw_test_done("rng");
}
