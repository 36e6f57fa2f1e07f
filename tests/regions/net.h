/* net.h: tapes for the tests of the region counter, and random numbers to fill them with. */
#ifndef TW_TESTS_REGIONS_NET_H
#define TW_TESTS_REGIONS_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/regions.h"

typedef struct Net {
  TwRtPlNode *nodes;
  TwRtPlTerm *terms;
  double *coeffs;
  uint32_t cap_nodes, cap_terms, cap_coeffs;
  TwRtPl pl; /* filled by net_done */
} Net;

Net net_new(void); /* with node 0, the input */
void net_free(Net *n);
uint32_t net_affine(Net *n, double bias); /* then its terms */
void net_term(Net *n, double c, uint32_t node);
uint32_t net_raw_affine(Net *n, uint32_t bias); /* by number of coefficient, TW_PL_ZERO … included */
void net_raw_term(Net *n, uint32_t coeff, uint32_t node);
uint32_t net_switch(Net *n, TwRtPlKind kind, uint32_t a, uint32_t b);
uint32_t net_relu(Net *n, double bias, double c, uint32_t node); /* relu(c * node + bias) */
const TwRtPl *net_done(Net *n, uint32_t output);

uint64_t random_bits(uint64_t *state);
double random_in(uint64_t *state, double lo, double hi);
uint32_t random_below(uint64_t *state, uint32_t n);

/* The triangle-wave net of peaks a[0 … d] with ratios S_i = (1 - a_i) a_{i+1}, i > 0, and S_0 = scale,
 * subtracted from x; each weight the exact value for these floats rounded once, to f64 or f32. */
Net net_wave(int d, const double *a, double scale, bool f64);
/* Peaks in (lo, hi) and a scale for which the net is positive on (0, 1]. */
Net net_random_wave(uint64_t *state, int d, double lo, double hi, bool f64);

#endif
