/* support.c: see support.h. */
#include "tests/ir/support.h"

#include <math.h>
#include <string.h>

int failures;

static size_t esize(TwDtype d, TwPrecision p) { return d == TW_REAL ? (p == TW_F32 ? 4 : 8) : d == TW_INT ? 8 : 1; }

static void store(void *at, TwDtype d, TwPrecision p, int64_t e, double x) {
  if (d == TW_INT) ((int64_t *)at)[e] = (int64_t)x;
  else if (d == TW_BOOL) ((uint8_t *)at)[e] = x != 0;
  else if (p == TW_F32) ((float *)at)[e] = (float)x;
  else ((double *)at)[e] = x;
}

static double load(const void *at, TwDtype d, TwPrecision p, int64_t e) {
  if (d == TW_INT) return (double)((const int64_t *)at)[e];
  if (d == TW_BOOL) return ((const uint8_t *)at)[e];
  return p == TW_F32 ? (double)((const float *)at)[e] : ((const double *)at)[e];
}

size_t param_count(const TwFn *f) {
  size_t n = 0;
  for (uint32_t k = 0; k < f->params.len; k++) n += (size_t)tw_info(f, f->params.at[k])->count;
  return n;
}

size_t result_count(const TwFn *f) {
  size_t n = 0;
  for (uint32_t k = 0; k < f->results.len; k++) n += (size_t)tw_info(f, f->results.at[k])->count;
  return n;
}

size_t evaluate(const TwFn *f, TwPrecision precision, const double *in, double *out) {
  void **params = calloc(f->params.len + 1, sizeof *params), **results = calloc(f->results.len + 1, sizeof *results);
  size_t written = 0;
  for (uint32_t k = 0; k < f->params.len; k++) {
    const TwTyInfo *t = tw_info(f, f->params.at[k]);
    params[k] = calloc((size_t)t->count + 1, esize(t->dtype, precision));
    for (int64_t e = 0; e < t->count; e++) store(params[k], t->dtype, precision, e, *in++);
  }
  for (uint32_t k = 0; k < f->results.len; k++) {
    const TwTyInfo *t = tw_info(f, f->results.at[k]);
    results[k] = calloc((size_t)t->count + 1, esize(t->dtype, precision));
  }
  if (!tw_interpret(f, precision, (const void *const *)params, results)) abort();
  for (uint32_t k = 0; k < f->results.len; k++) {
    const TwTyInfo *t = tw_info(f, f->results.at[k]);
    for (int64_t e = 0; e < t->count; e++) out[written++] = load(results[k], t->dtype, precision, e);
    free(results[k]);
  }
  for (uint32_t k = 0; k < f->params.len; k++) free(params[k]);
  free(params);
  free(results);
  return written;
}

const TwFn *parse_or_die(TwModule *m, const char *text) {
  const char *error;
  const TwFn *f = tw_ir_parse(m, text, &error);
  if (f) return f;
  fprintf(stderr, "%s\nin\n%s\n", error, text);
  exit(1);
}

bool same_bits(double a, double b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }
bool same_value(double a, double b) { return (isnan(a) && isnan(b)) || a == b; }

uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

double next_real(uint64_t *state) {
  uint64_t r = next_random(state);
  if (r % 4 == 0) return (double)((int64_t)(r >> 8) % 5) / 2 - 1;
  return (double)(int64_t)(r >> 11) * 0x1p-51 - 2;
}

TwTy real_of(TwModule *m, uint32_t rank, int64_t a, int64_t b, int64_t c) {
  return tw_ty(m, TW_REAL, rank, (int64_t[]){a, b, c});
}
