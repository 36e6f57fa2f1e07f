/* regions_fast.c: how many pieces there are, in plain f64 with error bounds.
 *
 * requires: a tape, a processor with AVX2 and FMA.
 * provides: the same number as the sweep and the tally, or false where a sign, a kink or a width is in doubt:
 *           then they have to be asked. Never a wrong number.
 *
 * This is what a check at every epoch costs. The state is, for points in order, what each value is there (v)
 * and a bound on its error plus GAMMA |v| (g); the second term is what the next sum may round. A run of
 * relus splits all pieces at once: the new points of all of them are listed in order, and each value moves
 * to its new places in one pass, interpolated where a point is new.
 *
 * Bounds. u = 2^-53. A sum of n products, bias first, by fma, errs by at most n u (|b| + sum |c v|), and
 * GAMMA is more than that. A new point lies at the share t = zl / (zl - zr) from its left neighbour, zl and zr
 * of opposite clear signs: |z| > 2 g. With D = |zl| + |zr|, t errs by at most (gl |zr| + gr |zl|) / (D (D - gl - gr))
 * and a few u, and a value by that times its difference besides the errors at both ends in the same shares. Whatever is
 * not exactly zero has g >= LEAST, coefficients are zero or between SMALL and LARGE: so nothing that matters
 * underflows, and what overflows compares as doubtful. The bounds are themselves computed with rounding; SLACK covers
 * that.
 *
 * Ties. Relus that are zero at one place, or at places too near to tell their order, get one point that stands
 * for all of them. If their operands are the same map here but for the sign, it is exact: where the sum neuron of a
 * triangle-wave net is off, the next one is the negative of its neighbour. Otherwise its t_err covers their
 * places, and the output may have further pieces there, no wider than the error of the point; they are slivers, and
 * so not counted, if a piece beside is wide enough to hide them. This is why slivers are not told.
 *
 * The slots are not the tape's: what an affine map reads is kept until the relus after it are done, for that
 * comparison of operands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/regions_internal.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define U 0x1p-53
#define SLACK (1 + 0x1p-16)
#define LEAST 0x1p-700
#define SMALL 0x1p-60
#define LARGE 0x1p60

#define TIED ((uint64_t)1 << 63) /* among the kink bits of a point */

enum { MOST_SLOTS = 63, MOST_POINTS = 4096, CACHE_DOUBLES = 1 << 16, PAD = 4 };

/* A point of the output; or several, too near to tell what is between them, with what a tie may hide. */
typedef struct TwRgEnd {
  double l, l_y, l_yg, r, r_y, r_yg; /* the first and the last of them, and the output there */
  double g;                          /* on the place of each, and how far they are apart */
  bool tied;
} TwRgEnd;

typedef struct Group { /* ops in a row: affine maps, or relus none of which is another's operand */
  bool relus;
  uint32_t first, n, live, n_live; /* live: slots that hold something before these relus */
} Group;

typedef struct New { /* where each point of the next state comes from: between src and src + 1 */
  int64_t *src;
  double *t, *t_err; /* t = 0: it is the point src itself */
  int64_t *unit;     /* slot of the relu's operand that is zero there, or -1 */
  int32_t *more;     /* pairs of a point and a further operand that is zero there; its complement if exactly */
  uint32_t n_more;
} New;

struct TwRgFast {
  const TwRgTape *tape;
  TwRgOp *ops; /* the tape's, with slots of our own; terms' slots in term_slot */
  uint32_t *term_slot, *term_coeff, *bias_coeff, output; /* coefficients: places in `all` */
  double *all;                                           /* of this call: those given, then 0, 1, -1, 2 */
  uint32_t *producer; /* by slot: the affine op that wrote it, plus 1, if what that read is still there */
  Group *groups;
  uint32_t n_groups, n_slots, cap, stride;
  uint8_t *live;
  double gamma;
  double *c; /* coefficients of the terms at hand */
  uint32_t *slots;
  double *bank[2];   /* v of slot s at point k: [2 s stride + PAD + k]; g: stride further */
  uint64_t *kink[2]; /* by point: bit s, slot s may have a kink there */
  int now;           /* the bank at hand */
  uint32_t n;        /* points */
  bool constant[MOST_SLOTS + 1];
  double cv[MOST_SLOTS + 1], cg[MOST_SLOTS + 1];
  uint64_t *sign; /* [relu of the group][positive, negative][word] */
  New fresh;
  struct TwRgEnd *ends; /* of pieces */
};

static double *value_of(const TwRgFast *f, int bank, uint32_t slot) {
  return f->bank[bank] + 2 * (size_t)slot * f->stride + PAD;
}

/* ---- made once */

/* Where a coefficient's number is in `all`. */
static uint32_t place_of(const TwRgTape *t, uint32_t number) {
  switch (number) {
    case TW_PL_ZERO: return t->n_coeffs;
    case TW_PL_ONE: return t->n_coeffs + 1;
    case TW_PL_MINUS_ONE: return t->n_coeffs + 2;
    case TW_RG_TWO: return t->n_coeffs + 3;
    default: return number;
  }
}

typedef struct Slots {
  int32_t of[MOST_SLOTS + 1]; /* ours, by the tape's; -1: none */
  uint64_t taken, pending;    /* pending: read for the last time, kept for the relus to come */
  uint32_t most;
} Slots;

static int32_t take_slot(Slots *s) {
  uint64_t vacant = ~(s->taken | s->pending);
  int32_t k = __builtin_ctzll(vacant); /* TIED's bit is vacant at least */
  s->taken |= (uint64_t)1 << k;
  if ((uint32_t)k + 1 > s->most) s->most = (uint32_t)k + 1;
  return k;
}

static void drop_slot(Slots *s, uint32_t theirs, bool keep) {
  if (s->of[theirs] < 0) return;
  uint64_t bit = (uint64_t)1 << s->of[theirs];
  s->taken &= ~bit;
  if (keep) s->pending |= bit;
  s->of[theirs] = -1;
}

static Group *begin_group(TwRgFast *f, const Slots *s, bool relus, uint32_t first, uint32_t *n_live) {
  Group *g = &f->groups[f->n_groups++];
  *g = (Group){.relus = relus, .first = first, .live = *n_live};
  for (uint32_t k = 0; relus && k < MOST_SLOTS; k++)
    if (s->taken >> k & 1) f->live[(*n_live)++] = (uint8_t)k;
  g->n_live = *n_live - g->live;
  return g;
}

/* Runs of ops of a kind, a relu of a relu's result beginning a new one; and our slots. False: too many slots. */
static bool find_groups(TwRgFast *f, const TwRgTape *t) {
  Slots s = {.taken = 1, .most = 1};
  for (uint32_t k = 1; k <= MOST_SLOTS; k++) s.of[k] = -1;
  uint64_t written = 0; /* by the relus of this group, in our slots */
  uint32_t n_live = 0;
  Group *g = NULL;
  for (uint32_t i = 0; i < t->n_ops; i++) {
    const TwRgOp *op = &t->ops[i];
    TwRgOp *to = &f->ops[i];
    bool relu = op->kind == TW_RG_RELU;
    *to = *op;
    if (relu) to->a = (uint32_t)s.of[op->a];
    else f->bias_coeff[i] = place_of(t, op->bias);
    if (!g || g->relus != relu || (relu && (written >> to->a & 1 || g->n == 64))) {
      if (g && g->relus) s.pending = 0;
      g = begin_group(f, &s, relu, i, &n_live);
      written = 0;
    }
    g->n++;
    for (uint32_t k = op->term; k < op->term + op->n_terms; k++) {
      f->term_slot[k] = (uint32_t)s.of[t->terms[k].slot];
      f->term_coeff[k] = place_of(t, t->terms[k].coeff);
    }
    for (uint32_t k = 0; k < op->n_kills; k++) drop_slot(&s, t->kills[op->kill + k], !relu);
    drop_slot(&s, op->out, !relu);
    int32_t out = take_slot(&s);
    if (s.most > MOST_SLOTS) return false;
    to->out = (uint32_t)out;
    written |= (uint64_t)1 << out;
    if (op->unread) s.taken &= ~((uint64_t)1 << out);
    else s.of[op->out] = out;
  }
  f->output = (uint32_t)s.of[t->output];
  f->n_slots = s.most;
  return true;
}

static void *lanes(size_t n, size_t size) {
  size_t bytes = (n * size + 63) / 64 * 64 + 64;
  void *p = aligned_alloc(64, bytes);
  if (p) memset(p, 0, bytes);
  return p;
}

TwRgFast *tw_rg_fast_new(const TwRgTape *t) {
  if (t->n_slots > MOST_SLOTS || t->n_ops == 0 || t->error || !tw_rt_cpu_can(TW_RT_CPU_256)) return NULL;
  TwRgFast *f = calloc(1, sizeof *f);
  if (!f) return NULL;
  uint32_t most = 1;
  for (uint32_t i = 0; i < t->n_ops; i++) most = t->ops[i].n_terms > most ? t->ops[i].n_terms : most;
  if (most > 64) { /* sum_terms has room for so many */
    tw_rg_fast_free(f);
    return NULL;
  }
  f->tape = t;
  f->gamma = (most + 8.0) * U;
  f->ops = calloc(t->n_ops, sizeof *f->ops);
  f->term_slot = calloc(t->n_terms + 1, sizeof *f->term_slot);
  f->term_coeff = calloc(t->n_terms + 1, sizeof *f->term_coeff);
  f->bias_coeff = calloc(t->n_ops, sizeof *f->bias_coeff);
  f->all = calloc((size_t)t->n_coeffs + 4, sizeof *f->all);
  f->groups = calloc(t->n_ops, sizeof *f->groups);
  f->live = calloc((size_t)t->n_ops * MOST_SLOTS + 1, 1);
  if (!f->ops || !f->term_slot || !f->term_coeff || !f->bias_coeff || !f->all || !f->groups || !f->live ||
      !find_groups(f, t)) {
    tw_rg_fast_free(f);
    return NULL;
  }
  uint32_t cap = CACHE_DOUBLES / f->n_slots / 64 * 64;
  f->cap = cap > MOST_POINTS ? MOST_POINTS : cap;
  f->stride = f->cap + 2 * PAD + 8;
  f->producer = calloc(f->n_slots, sizeof *f->producer);
  f->c = calloc(most, sizeof *f->c);
  f->slots = calloc(most, sizeof *f->slots);
  f->sign = lanes((size_t)64 * 2 * (f->cap / 64 + 1), sizeof *f->sign);
  bool ok = f->producer && f->c && f->slots && f->sign;
  for (int b = 0; b < 2; b++) {
    f->bank[b] = lanes(2 * (size_t)f->n_slots * f->stride, sizeof **f->bank);
    f->kink[b] = lanes(f->stride, sizeof **f->kink);
    ok = ok && f->bank[b] && f->kink[b];
  }
  f->fresh = (New){lanes(f->stride, 8), lanes(f->stride, 8),     lanes(f->stride, 8),
                   lanes(f->stride, 8), lanes(2 * f->stride, 4), 0};
  f->ends = lanes(f->stride, sizeof *f->ends);
  if (!ok || !f->ends || !f->fresh.src || !f->fresh.t || !f->fresh.t_err || !f->fresh.unit || !f->fresh.more) {
    tw_rg_fast_free(f);
    return NULL;
  }
  return f;
}

void tw_rg_fast_free(TwRgFast *f) {
  if (!f) return;
  free(f->ops);
  free(f->term_slot);
  free(f->term_coeff);
  free(f->bias_coeff);
  free(f->all);
  free(f->producer);
  free(f->groups);
  free(f->live);
  free(f->c);
  free(f->ends);
  free(f->slots);
  free(f->sign);
  for (int b = 0; b < 2; b++) {
    free(f->bank[b]);
    free(f->kink[b]);
  }
  free(f->fresh.src);
  free(f->fresh.t);
  free(f->fresh.t_err);
  free(f->fresh.unit);
  free(f->fresh.more);
  free(f);
}

/* ---- affine maps */

static bool ordinary(double c) { return c == 0 || (fabs(c) >= SMALL && fabs(c) <= LARGE); }
static double bound_of(double v, double err, double gamma) {
  double bound = err + gamma * fabs(v);
  return bound == 0 ? 0 : bound > LEAST ? bound : LEAST;
}

/* v = bias + sum of c times a value; the terms are those that depend on x. */
AVX2 static void sum_terms(TwRgFast *f, uint32_t out, double bias, double bias_g, uint32_t n_terms) {
  double *v = value_of(f, f->now, out), *g = v + f->stride;
  const double *from[64], *c = f->c;
  uint64_t depends = 0;
  for (uint32_t j = 0; j < n_terms; j++) {
    from[j] = value_of(f, f->now, f->slots[j]);
    depends |= (uint64_t)1 << f->slots[j];
  }
  const size_t to_g = f->stride;
  const __m256d minus = _mm256_set1_pd(-0.0), slack = _mm256_set1_pd(SLACK), gamma = _mm256_set1_pd(f->gamma),
                least = _mm256_set1_pd(LEAST), zero = _mm256_setzero_pd();
  const __m256i deps = _mm256_set1_epi64x((long long)depends),
                bit = _mm256_set1_epi64x((long long)((uint64_t)1 << out));
  uint64_t *kink = f->kink[f->now];
  for (uint32_t k = 0; k < f->n; k += 4) {
    __m256d sum = _mm256_set1_pd(bias), err = _mm256_set1_pd(bias_g);
    for (uint32_t j = 0; j < n_terms; j++) {
      __m256d w = _mm256_set1_pd(c[j]);
      sum = _mm256_fmadd_pd(w, _mm256_load_pd(from[j] + k), sum);
      err = _mm256_fmadd_pd(_mm256_andnot_pd(minus, w), _mm256_load_pd(from[j] + to_g + k), err);
    }
    __m256d all = _mm256_mul_pd(_mm256_fmadd_pd(gamma, _mm256_andnot_pd(minus, sum), err), slack);
    all = _mm256_and_pd(_mm256_max_pd(least, all), _mm256_cmp_pd(err, zero, _CMP_NEQ_UQ)); /* a NaN stays */
    _mm256_store_pd(v + k, sum);
    _mm256_store_pd(g + k, all);
    __m256i was = _mm256_load_si256((const __m256i *)(const void *)(kink + k));
    __m256i none = _mm256_cmpeq_epi64(_mm256_and_si256(was, deps), _mm256_setzero_si256());
    __m256i now = _mm256_or_si256(_mm256_andnot_si256(bit, was), _mm256_andnot_si256(none, bit));
    _mm256_store_si256((__m256i *)(void *)(kink + k), now);
  }
}

static void affine(TwRgFast *f, uint32_t at) {
  const TwRgOp *op = &f->ops[at];
  double bias = f->all[f->bias_coeff[at]], err = 0;
  uint32_t n = 0;
  double size = fabs(bias);
  for (uint32_t k = op->term; k < op->term + op->n_terms; k++) {
    double c = f->all[f->term_coeff[k]];
    uint32_t slot = f->term_slot[k];
    if (c == 0) continue;
    if (f->constant[slot]) {
      bias = fma(c, f->cv[slot], bias);
      err += fabs(c) * f->cg[slot];
      size += fabs(c * f->cv[slot]);
    } else {
      f->c[n] = c;
      f->slots[n++] = slot;
    }
  }
  err = (err + (err > 0 ? f->gamma * size : 0)) * SLACK; /* no constants were added: the bias is exact */
  double g = bound_of(bias, err, f->gamma);
  f->constant[op->out] = n == 0;
  f->cv[op->out] = bias;
  f->cg[op->out] = g;
  f->producer[op->out] = at + 1;
  if (n > 0) sum_terms(f, op->out, bias, g, n);
}

/* ---- relus */

/* The signs of slot's value at all points; false: one is in doubt. */
AVX2 static bool signs(const TwRgFast *f, uint32_t slot, uint64_t *pos, uint64_t *neg) {
  const double *v = value_of(f, f->now, slot), *g = v + f->stride;
  const __m256d minus = _mm256_set1_pd(-0.0), zero = _mm256_setzero_pd();
  uint64_t doubt = 0;
  for (uint32_t w = 0; 64 * w < f->n; w++) {
    uint64_t p = 0, q = 0, z = 0;
    uint32_t end = f->n - 64 * w < 64 ? f->n - 64 * w : 64;
    for (uint32_t k = 0; k < end; k += 4) {
      __m256d x = _mm256_load_pd(v + 64 * w + k), b = _mm256_load_pd(g + 64 * w + k);
      b = _mm256_add_pd(b, b);
      p |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_cmp_pd(x, b, _CMP_GT_OQ)) << k;
      q |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_cmp_pd(_mm256_xor_pd(x, minus), b, _CMP_GT_OQ)) << k;
      z |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_cmp_pd(b, zero, _CMP_EQ_OQ)) << k;
    }
    uint64_t in = end == 64 ? ~(uint64_t)0 : ((uint64_t)1 << end) - 1;
    pos[w] = p & in;
    neg[w] = q & in;
    doubt |= in & ~(p | q | z);
  }
  return doubt == 0;
}

typedef struct Cut {
  double t, err;
  int32_t unit; /* the operand's slot */
} Cut;

/* Where the operand in `slot`, of opposite signs at k and k + 1, is zero between them. */
static bool cut_at(const TwRgFast *f, uint32_t slot, uint32_t k, Cut *out) {
  const double *v = value_of(f, f->now, slot) + k, *g = v + f->stride;
  double l = fabs(v[0]), r = fabs(v[1]), inverse = 1 / (l + r), err = g[0] * r + g[1] * l;
  *out = (Cut){l * inverse, (err * inverse / (l + r - g[0] - g[1]) + 8 * U) * SLACK, (int32_t)slot};
  double least = 0x1p7 * out->err; /* so that what `move` leaves out is less than its slack */
  return least < 0.5 && out->t > least && 1 - out->t > least;
}

static void sort_cuts(Cut *cuts, uint32_t n) {
  for (uint32_t i = 1; i < n; i++) {
    Cut c = cuts[i];
    uint32_t j = i;
    for (; j > 0 && cuts[j - 1].t > c.t; j--) cuts[j] = cuts[j - 1];
    cuts[j] = c;
  }
}

static bool exactly_zero(const TwRgFast *f, uint32_t slot, uint32_t k) {
  const double *v = value_of(f, f->now, slot) + k, *g = v + f->stride;
  return f->constant[slot] ? f->cg[slot] == 0 : g[0] == 0 && g[1] == 0;
}

/* An affine op's map between points k and k + 1: what it reads that is not zero there. */
typedef struct Map {
  double bias, c[MOST_SLOTS];
  uint64_t reads;
} Map;

/* False: it cannot be had. An op that only passes on another's value, or its negative, is that other. */
static bool map_of(const TwRgFast *f, uint32_t slot, uint32_t k, Map *m) {
  double sign = 1;
  while (f->producer[slot]) {
    const TwRgOp *op = &f->ops[f->producer[slot] - 1];
    m->bias = sign * f->all[f->bias_coeff[f->producer[slot] - 1]];
    m->reads = 0;
    for (uint32_t i = op->term; i < op->term + op->n_terms; i++) {
      double w = f->all[f->term_coeff[i]];
      uint32_t from = f->term_slot[i];
      if (w == 0 || exactly_zero(f, from, k)) continue;
      if (m->reads >> from & 1) return false;
      m->reads |= (uint64_t)1 << from;
      m->c[from] = sign * w;
      slot = from;
    }
    if (!m->reads) return false;
    bool passes = m->bias == 0 && (m->reads & (m->reads - 1)) == 0 && fabs(m->c[slot]) == 1 && f->producer[slot];
    if (!passes) return true;
    sign = m->c[slot];
  }
  return false;
}

/* Are the operands of two relus the same map between points k and k + 1, or one the negative of the other? */
static bool same_map(const TwRgFast *f, int32_t slot_a, int32_t slot_b, uint32_t k) {
  Map a, b;
  if (!map_of(f, (uint32_t)slot_a, k, &a) || !map_of(f, (uint32_t)slot_b, k, &b)) return false;
  if (a.reads != b.reads) return false;
  uint32_t first = (uint32_t)__builtin_ctzll(a.reads);
  double sign = a.c[first] == b.c[first] ? 1 : -1;
  if (a.bias != sign * b.bias) return false;
  for (uint64_t left = a.reads; left; left &= left - 1) {
    uint32_t s = (uint32_t)__builtin_ctzll(left);
    if (a.c[s] != sign * b.c[s]) return false;
  }
  return true;
}

/* Adds the points of these cuts, from place m on. At a point of its own no other relu's sign is in doubt. */
static uint32_t add_cuts(TwRgFast *f, uint32_t m, int64_t src, Cut *cuts, uint32_t n) {
  New *to = &f->fresh;
  if (n > 1) sort_cuts(cuts, n);
  for (uint32_t i = 0; i < n; m++) {
    double t = cuts[i].t, err = cuts[i].err, lo = t - err, hi = t + err;
    uint32_t k = i + 1;
    for (; k < n && !(cuts[k].t - t > 4 * (cuts[k].err + err)); k++) {
      bool exact = same_map(f, cuts[i].unit, cuts[k].unit, (uint32_t)src);
      to->more[2 * to->n_more] = (int32_t)m;
      to->more[2 * to->n_more++ + 1] = exact ? ~cuts[k].unit : cuts[k].unit;
      if (exact) continue;
      lo = fmin(lo, cuts[k].t - cuts[k].err);
      hi = fmax(hi, cuts[k].t + cuts[k].err);
      t = 0.5 * (lo + hi);
      err = 0.5 * (hi - lo) * SLACK + 8 * U;
    }
    to->src[m] = src, to->t[m] = t, to->t_err[m] = err, to->unit[m] = cuts[i].unit;
    i = k;
  }
  return m;
}

static uint64_t crossed(const uint64_t *pos, const uint64_t *neg, uint32_t w, uint32_t words) {
  uint64_t p = pos[w] >> 1 | (w + 1 < words ? pos[w + 1] << 63 : 0),
           q = neg[w] >> 1 | (w + 1 < words ? neg[w + 1] << 63 : 0);
  return (pos[w] & q) | (neg[w] & p);
}

/* Lists the points of the next state. False: in doubt, or too many. */
static bool list_points(TwRgFast *f, const uint32_t *slots, uint32_t n_units, uint32_t *n_after) {
  uint32_t words = (f->n + 63) / 64, m = 0, from = 0;
  New *to = &f->fresh;
  to->n_more = 0;
  for (uint32_t w = 0; w < words; w++) {
    uint64_t each[64], any = 0;
    for (uint32_t r = 0; r < n_units; r++)
      any |= each[r] = crossed(f->sign + 2 * r * words, f->sign + (2 * r + 1) * words, w, words);
    for (; any; any &= any - 1) {
      uint32_t b = (uint32_t)__builtin_ctzll(any), k = 64 * w + b, n = 0;
      Cut cuts[64];
      for (uint32_t r = 0; r < n_units; r++)
        if (each[r] >> b & 1)
          if (!cut_at(f, slots[r], k, &cuts[n++])) return false;
      if (m + (k + 1 - from) + n + 4 > f->cap || to->n_more + n > f->cap) return false;
      for (; from <= k; from++, m++) to->src[m] = from, to->t[m] = 0, to->t_err[m] = 0, to->unit[m] = -1;
      m = add_cuts(f, m, k, cuts, n);
    }
  }
  if (m + (f->n - from) + 4 > f->cap) return false;
  for (; from < f->n; from++, m++) to->src[m] = from, to->t[m] = 0, to->t_err[m] = 0, to->unit[m] = -1;
  *n_after = m;
  for (; m % 4; m++) to->src[m] = 0, to->t[m] = 0, to->t_err[m] = 0; /* padding */
  return true;
}

/* Four loads beat a gather where that is microcode. */
AVX2 static inline __m256d pick(const double *p, const int64_t *at) {
  __m128d lo = _mm_loadh_pd(_mm_load_sd(p + at[0]), p + at[1]), hi = _mm_loadh_pd(_mm_load_sd(p + at[2]), p + at[3]);
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(lo), hi, 1);
}

/* The values of `slot` at the points listed, into the other bank. */
AVX2 static void move(const TwRgFast *f, uint32_t slot, uint32_t n) {
  const double *v = value_of(f, f->now, slot), *g = v + f->stride;
  double *to = value_of(f, 1 - f->now, slot), *to_g = to + f->stride;
  const __m256d minus = _mm256_set1_pd(-0.0), zero = _mm256_setzero_pd(), slack = _mm256_set1_pd(1 + 0x1p-5),
                gamma = _mm256_set1_pd(f->gamma + 4 * U);
  const __m256i self = _mm256_set1_epi64x(slot);
  for (uint32_t m = 0; m < n; m += 4) {
    const int64_t *at = f->fresh.src + m;
    __m256d t = _mm256_load_pd(f->fresh.t + m), vl = pick(v, at), gl = pick(g, at);
    __m256d is_new = _mm256_cmp_pd(t, zero, _CMP_NEQ_UQ);
    if (_mm256_movemask_pd(is_new)) {
      __m256d vr = pick(v + 1, at), gr = pick(g + 1, at);
      __m256d d = _mm256_sub_pd(vr, vl), between = _mm256_fmadd_pd(t, d, vl);
      __m256d err = _mm256_mul_pd(_mm256_fmadd_pd(t, _mm256_sub_pd(gr, gl), gl), slack);
      err = _mm256_fmadd_pd(_mm256_load_pd(f->fresh.t_err + m), _mm256_andnot_pd(minus, d), err);
      err = _mm256_fmadd_pd(gamma, _mm256_andnot_pd(minus, between), err);
      vl = _mm256_blendv_pd(vl, between, is_new);
      gl = _mm256_blendv_pd(gl, err, is_new);
    }
    __m256d own = _mm256_castsi256_pd(
        _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)(const void *)(f->fresh.unit + m)), self));
    _mm256_store_pd(to + m, _mm256_andnot_pd(own, vl)); /* zero by definition */
    _mm256_store_pd(to_g + m, _mm256_andnot_pd(own, gl));
  }
}

/* Point m of the other bank is where `unit` is zero too. If that is exact, so is the zero. Otherwise both operands are
 * zero there or nearly so, and the first, which has been set to zero, gets back an error like the second's. */
static void stand_for(TwRgFast *f, int32_t m, int32_t unit) {
  int other = 1 - f->now;
  bool exact = unit < 0;
  const int32_t slots[2] = {exact ? ~unit : unit, (int32_t)f->fresh.unit[m]};
  int64_t src = f->fresh.src[m];
  for (int i = 0; i < 2 - exact; i++) {
    uint32_t slot = (uint32_t)slots[i];
    const double *was = value_of(f, f->now, slot) + src, *g = was + f->stride;
    double *v = value_of(f, other, slot) + m;
    v[0] = 0;
    v[f->stride] = exact ? 0 : 2 * f->fresh.t_err[m] * fabs(was[1] - was[0]) + g[0] + g[1] + LEAST;
  }
  if (!exact) f->kink[other][m] |= TIED;
}

/* No value has a kink at a new point but the relu's own. */
AVX2 static void move_kinks(TwRgFast *f, uint32_t n) {
  const double *was = (const double *)(const void *)f->kink[f->now];
  double *to = (double *)(void *)f->kink[1 - f->now];
  for (uint32_t m = 0; m < n; m += 4) {
    __m256d old = _mm256_cmp_pd(_mm256_load_pd(f->fresh.t + m), _mm256_setzero_pd(), _CMP_EQ_OQ);
    _mm256_store_pd(to + m, _mm256_and_pd(old, pick(was, f->fresh.src + m)));
  }
}

static void split(TwRgFast *f, const Group *grp, uint32_t n) {
  int other = 1 - f->now;
  for (uint32_t i = 0; i < grp->n_live; i++)
    if (!f->constant[f->live[grp->live + i]]) move(f, f->live[grp->live + i], n);
  move_kinks(f, n);
  for (uint32_t i = 0; i < f->fresh.n_more; i++) stand_for(f, f->fresh.more[2 * i], f->fresh.more[2 * i + 1]);
  f->now = other;
  f->n = n;
}

/* relu(a) in `out`, signs being clear. It has a kink where a has one and is positive, and where a is zero with
 * something positive beside it. */
AVX2 static void relu(TwRgFast *f, uint32_t a, uint32_t out) {
  double *v = value_of(f, f->now, a), *to = value_of(f, f->now, out);
  uint64_t *kink = f->kink[f->now];
  const __m256d zero = _mm256_setzero_pd();
  const __m256i abit = _mm256_set1_epi64x((long long)((uint64_t)1 << a)),
                bit = _mm256_set1_epi64x((long long)((uint64_t)1 << out));
  double before = 0; /* v[k - 1], which may have been overwritten */
  for (uint32_t k = 0; k < f->n; k += 4) {
    __m256d x = _mm256_load_pd(v + k), g = _mm256_load_pd(v + f->stride + k);
    __m256d next = _mm256_loadu_pd(v + k + 1), on = _mm256_cmp_pd(x, zero, _CMP_GT_OQ);
    __m256d prev = _mm256_blend_pd(_mm256_permute4x64_pd(x, 0x90), _mm256_set1_pd(before), 1);
    before = v[k + 3];
    __m256d beside = _mm256_or_pd(_mm256_cmp_pd(next, zero, _CMP_GT_OQ), _mm256_cmp_pd(prev, zero, _CMP_GT_OQ));
    __m256i edge = _mm256_castpd_si256(_mm256_and_pd(beside, _mm256_cmp_pd(x, zero, _CMP_EQ_OQ)));
    __m256i was = _mm256_load_si256((const __m256i *)(const void *)(kink + k));
    __m256i smooth = _mm256_cmpeq_epi64(_mm256_and_si256(was, abit), _mm256_setzero_si256());
    __m256i is = _mm256_or_si256(edge, _mm256_andnot_si256(smooth, _mm256_castpd_si256(on)));
    _mm256_store_si256((__m256i *)(void *)(kink + k),
                       _mm256_or_si256(_mm256_andnot_si256(bit, was), _mm256_and_si256(is, bit)));
    _mm256_store_pd(to + k, _mm256_and_pd(x, on));
    _mm256_store_pd(to + f->stride + k, _mm256_and_pd(g, _mm256_cmp_pd(x, zero, _CMP_GE_OQ)));
  }
}

static bool relus(TwRgFast *f, const Group *grp) {
  uint32_t words = (f->n + 63) / 64, n_units = 0, slots[64], after = f->n;
  for (uint32_t i = grp->first; i < grp->first + grp->n; i++) {
    uint32_t a = f->ops[i].a;
    if (f->constant[a]) continue;
    uint64_t *pos = f->sign + 2 * n_units * words, *neg = pos + words, p = 0, q = 0;
    if (!signs(f, a, pos, neg)) return false;
    for (uint32_t w = 0; w < words; w++) p |= pos[w], q |= neg[w];
    if (!p || !q) continue;
    slots[n_units++] = a;
  }
  if (n_units && !list_points(f, slots, n_units, &after)) return false;
  if (after > f->n) split(f, grp, after);
  for (uint32_t i = grp->first; i < grp->first + grp->n; i++) {
    const TwRgOp *op = &f->ops[i];
    bool constant = f->constant[op->a];
    double v = f->cv[op->a], g = f->cg[op->a];
    if (constant && !(fabs(v) > 2 * g || g == 0)) return false;
    f->constant[op->out] = constant;
    f->cv[op->out] = v > 0 ? v : 0;
    f->cg[op->out] = v > 0 ? g : 0;
    if (!constant) relu(f, op->a, op->out);
  }
  memset(f->producer, 0, f->n_slots * sizeof *f->producer);
  return true;
}

/* ---- pieces */

typedef struct Slope {
  double v, err; /* err: infinite if the ends are not clearly in order */
} Slope;

static Slope slope_between(const TwRgEnd *l, const TwRgEnd *r) {
  double dx = r->l - l->r, g = l->g + r->g, inverse = 1 / dx, s = (r->l_y - l->r_y) * inverse;
  double err = 1.5 * (l->r_yg + r->l_yg + fabs(s) * g) * inverse; /* dx > 4 g */
  return (Slope){s, dx > 4 * g ? err : INFINITY};
}

/* The points where the output has a kink, clearly one, and the ends. A piece too narrow to know its slope and what it
 * borders on becomes one point with them, tied. False: in doubt. */
static bool find_ends(TwRgFast *f, uint32_t out, double least, uint32_t *n_out) {
  const double *x = value_of(f, f->now, 0), *y = value_of(f, f->now, out);
  const uint64_t *kink = f->kink[f->now];
  TwRgEnd *at = f->ends;
  uint32_t n = 0;
  Slope before = {0, 0};
  bool clear = true;
  for (uint32_t k = 0; k < f->n; k++) {
    if (k != 0 && k + 1 != f->n && (f->constant[out] || !(kink[k] >> out & 1))) continue;
    double g = x[f->stride + k], y_g = y[f->stride + k];
    at[n] = (TwRgEnd){x[k], y[k], y_g, x[k], y[k], y_g, g, kink[k] >> 63};
    if (n > 0) {
      Slope s = slope_between(&at[n - 1], &at[n]);
      if (x[k] - at[n - 1].l < least && !(s.err < 0x1p-12 * fabs(s.v))) {
        at[n - 1].g += x[k] - at[n - 1].r + g;
        at[n - 1].r = x[k], at[n - 1].r_y = y[k], at[n - 1].r_yg = y_g;
        at[n - 1].tied = true;
        continue;
      }
      clear = clear && s.err < INFINITY && (n == 1 || fabs(s.v - before.v) > (s.err + before.err) * SLACK);
      before = s;
    }
    n++;
  }
  *n_out = n;
  return clear && n > 1;
}

/* How many pieces some other one hides (docs/regions.md): within `sliver` of its width, from one of its ends. */
static bool count_slivers(TwRgFast *f, uint32_t n, double sliver, int64_t *n_slivers) {
  const TwRgEnd *at = f->ends;
  double size = fmax(fabs(at[0].l), fabs(at[n - 1].r)), worst = 0, reach = -INFINITY;
  uint8_t *hidden = (uint8_t *)(void *)f->fresh.unit;
  for (uint32_t i = 0; i < n; i++) worst = at[i].g > worst ? at[i].g : worst;
  double tol = 8 * worst + 16 * U * size, before = 0;
  bool clear = true;
  for (uint32_t i = 0; i + 1 < n; i++) {
    double hi = at[i + 1].l, width = hi - at[i].r, past = hi - reach, next = hi + sliver * width;
    clear = clear && fabs(past) > tol && (!at[i].tied || sliver * (width > before ? width : before) > tol);
    hidden[i] = past < 0;
    reach = next > reach ? next : reach;
    before = width;
  }
  clear = clear && (!at[n - 1].tied || sliver * before > tol);
  reach = INFINITY;
  for (uint32_t i = n - 1; i-- > 0;) {
    double lo = at[i].r, past = reach - lo, next = lo - sliver * (at[i + 1].l - lo);
    clear = clear && fabs(past) > tol;
    hidden[i] |= past < 0;
    reach = next < reach ? next : reach;
  }
  *n_slivers = 0;
  for (uint32_t i = 0; i + 1 < n; i++) *n_slivers += hidden[i];
  return clear;
}

bool tw_rg_fast_count(TwRgFast *f, const double *coeffs, double lo, double hi, double sliver, TwRtRegions *out) {
  if (!ordinary(lo) || !ordinary(hi) || (sliver != 0 && sliver < 0x1p-30)) return false;
  const uint32_t n_coeffs = f->tape->n_coeffs;
  if (n_coeffs) memcpy(f->all, coeffs, n_coeffs * sizeof *coeffs);
  bool fine = true;
  for (uint32_t k = 0; k < n_coeffs; k++) {
    double size = fabs(coeffs[k]);
    fine &= (size == 0) | ((size >= SMALL) & (size <= LARGE));
  }
  if (!fine) return false;
  memcpy(f->all + n_coeffs, (const double[]){0, 1, -1, 2}, 4 * sizeof(double));
  f->now = 0;
  f->n = 2;
  memset(f->constant, 0, sizeof f->constant);
  double *x = value_of(f, 0, 0);
  memset(f->kink[0], 0, 4 * sizeof **f->kink);
  x[0] = lo;
  x[1] = hi;
  x[2] = x[3] = lo;
  for (int k = 0; k < 4; k++) x[f->stride + (uint32_t)k] = bound_of(x[k], 0, f->gamma);
  for (uint32_t i = 0; i < f->n_groups; i++) {
    const Group *g = &f->groups[i];
    if (g->relus && !relus(f, g)) return false;
    for (uint32_t k = g->first; !g->relus && k < g->first + g->n; k++) affine(f, k);
  }
  uint32_t n;
  int64_t slivers = 0;
  if (!find_ends(f, f->output, sliver > 0 ? 0x1p-24 * (hi - lo) : 0, &n)) return false;
  for (uint32_t i = 0; sliver == 0 && i < n; i++)
    if (f->ends[i].tied) return false;
  if (sliver > 0 && !count_slivers(f, n, sliver, &slivers)) return false;
  *out = (TwRtRegions){.counted = true, .pieces = (int64_t)n - 1 - slivers};
  return true;
}

#else /* everywhere else the sweep does it */
TwRgFast *tw_rg_fast_new(const TwRgTape *t) { return (void)t, NULL; }
void tw_rg_fast_free(TwRgFast *f) { (void)f; }
bool tw_rg_fast_count(TwRgFast *f, const double *coeffs, double lo, double hi, double sliver, TwRtRegions *out) {
  (void)f, (void)coeffs, (void)lo, (void)hi, (void)sliver, (void)out;
  return false;
}
#endif
