/* regions_fast.c: how many pieces there are, in plain f64 with error bounds.
 *
 * requires: steps (regions_steps.c), which need a processor with AVX2 and FMA.
 * provides: the same number as the sweep and the tally, or false where a sign, a kink or a width is in doubt:
 *           then they have to be asked. Never a wrong number.
 *
 * This is what a check at every epoch costs. The state is, for points in order, what each value is there (v) and a
 * bound on its error plus GAMMA |v| (g); the second term is what the next sum may round. After a step's map, whose
 * results' signs are bits of a word, the relus are done from left to right: a row passes, or is split off from the next
 * where these bits differ.
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
 * so not counted, if a piece beside is wide enough to hide them. This is why slivers are not told. */
#include <math.h>
#include <string.h>

#include "runtime/regions_fast.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define EACH AVX2 __attribute__((always_inline)) static inline /* made anew for each number of blocks */
#define U 0x1p-53
#define SLACK (1 + 0x1p-16)
#define LEAST 0x1p-700
#define SMALL 0x1p-60
#define LARGE 0x1p60

/* Each lane's bit. */
EACH __m256i bits_of(uint32_t block) {
  return _mm256_slli_epi64(_mm256_set_epi64x(8, 4, 2, 1), TW_RG_BLOCK * (int)block);
}

/* All ones in the lanes of this block that are in the set. */
EACH __m256d lanes_of(uint64_t set, uint32_t block) {
  __m256i bits = bits_of(block), here = _mm256_and_si256(_mm256_set1_epi64x((long long)set), bits);
  return _mm256_castsi256_pd(_mm256_cmpeq_epi64(here, bits));
}

EACH uint64_t set_of(__m256d lanes, uint32_t block) {
  return (uint64_t)(unsigned)_mm256_movemask_pd(lanes) << TW_RG_BLOCK * block;
}

EACH uint32_t stride_of(uint32_t blocks) { return (2 * blocks + 1) * TW_RG_BLOCK; }
EACH __m256d magnitude(__m256d x) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x); }

/* ---- affine maps */

/* Four loads beat a gather where that is microcode. */
EACH __m256d pick(const double *p, const uint32_t *at) {
  __m128d lo = _mm_loadh_pd(_mm_load_sd(p + at[0]), p + at[1]), hi = _mm_loadh_pd(_mm_load_sd(p + at[2]), p + at[3]);
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(lo), hi, 1);
}

/* The coefficients of a step, and what each lane depends on. */
EACH void bind(TwRgFast *f, const TwRgStep *s, uint32_t blocks) {
  const __m256d zero = _mm256_setzero_pd(), gamma = _mm256_set1_pd(f->gamma), least = _mm256_set1_pd(LEAST);
  const uint32_t lanes = blocks * TW_RG_BLOCK, n = s->n_columns;
  const TwRgColumn *column = f->columns + s->column;
  const double *all = f->all;
  for (uint32_t b = 0; b < blocks; b++) {
    const uint32_t *place = f->places + s->place + b * TW_RG_BLOCK;
    double *coeff = f->coeff + b * TW_RG_BLOCK;
    __m256d bias = pick(all, place), is = _mm256_cmp_pd(bias, zero, _CMP_NEQ_OQ);
    __m256i depends = _mm256_and_si256(_mm256_castpd_si256(lanes_of(s->kept, b)), bits_of(b));
    _mm256_store_pd(coeff, bias);
    _mm256_store_pd(coeff + lanes, _mm256_and_pd(is, _mm256_max_pd(least, _mm256_mul_pd(gamma, magnitude(bias)))));
    for (uint32_t c = 0; c < n; c++) {
      place += lanes, coeff += 2 * lanes;
      __m256d w = pick(all, place);
      is = _mm256_cmp_pd(w, zero, _CMP_NEQ_OQ);
      __m256i bit = _mm256_set1_epi64x((long long)column[c].bit);
      depends = _mm256_or_si256(depends, _mm256_and_si256(bit, _mm256_castpd_si256(is)));
      _mm256_store_pd(coeff, w);
      _mm256_store_pd(coeff + lanes, magnitude(w));
    }
    _mm256_store_si256((__m256i *)(void *)(f->depends + b * TW_RG_BLOCK), depends);
  }
}

/* The kinks after a map, a row's having been these. */
EACH uint64_t map_kinks(const uint64_t *depends, uint32_t blocks, uint64_t kink) {
  const __m256i were = _mm256_set1_epi64x((long long)kink);
  uint64_t none = ~(uint64_t)0 << (blocks * TW_RG_BLOCK - 1) << 1;
  for (uint32_t b = 0; b < blocks; b++) {
    __m256i on = _mm256_load_si256((const __m256i *)(const void *)(depends + b * TW_RG_BLOCK));
    on = _mm256_cmpeq_epi64(_mm256_and_si256(on, were), _mm256_setzero_si256());
    none |= set_of(_mm256_castsi256_pd(on), b);
  }
  return (kink & TW_RG_TIED) | ~none;
}

/* One block of lanes of the row `from` after a map. */
EACH void map_block(const double *coeff, const TwRgColumn *column, uint32_t n, uint32_t blocks, double gamma,
                    const double *from, double *to) {
  const uint32_t lanes = blocks * TW_RG_BLOCK;
  __m256d sum = _mm256_load_pd(coeff), err = _mm256_load_pd(coeff + lanes);
  for (uint32_t c = 0; c < n; c++) {
    coeff += 2 * lanes;
    sum = _mm256_fmadd_pd(_mm256_broadcast_sd(from + column[c].v), _mm256_load_pd(coeff), sum);
    err = _mm256_fmadd_pd(_mm256_broadcast_sd(from + column[c].g), _mm256_load_pd(coeff + lanes), err);
  }
  __m256d bound = _mm256_mul_pd(_mm256_fmadd_pd(_mm256_set1_pd(gamma), magnitude(sum), err), _mm256_set1_pd(SLACK));
  bound = _mm256_max_pd(_mm256_set1_pd(LEAST), bound); /* a NaN stays */
  bound = _mm256_and_pd(bound, _mm256_cmp_pd(err, _mm256_setzero_pd(), _CMP_NEQ_UQ));
  _mm256_store_pd(to, sum);
  _mm256_store_pd(to + lanes, bound);
}

/* Lanes that pass a map. */
EACH void keep(uint64_t kept, uint32_t blocks, const double *from, double *to) {
  for (uint32_t b = 0; b < blocks; b++, from += TW_RG_BLOCK, to += TW_RG_BLOCK) {
    __m256d is = lanes_of(kept, b);
    for (uint32_t k = 0; k < 2 * blocks * TW_RG_BLOCK; k += blocks * TW_RG_BLOCK)
      _mm256_store_pd(to + k, _mm256_blendv_pd(_mm256_load_pd(to + k), _mm256_load_pd(from + k), is));
  }
}

/* The signs of a row's values: clearly positive, clearly negative; those that are neither, nor zero. */
EACH uint64_t signs(const double *row, uint32_t blocks, uint64_t *pos, uint64_t *neg) {
  uint64_t p = 0, n = 0, zero = 0;
  for (uint32_t b = 0; b < blocks; b++) {
    __m256d v = _mm256_load_pd(row + b * TW_RG_BLOCK), g = _mm256_load_pd(row + (blocks + b) * TW_RG_BLOCK);
    g = _mm256_add_pd(g, g);
    p |= set_of(_mm256_cmp_pd(v, g, _CMP_GT_OQ), b);
    n |= set_of(_mm256_cmp_pd(_mm256_xor_pd(v, _mm256_set1_pd(-0.0)), g, _CMP_GT_OQ), b);
    zero |= set_of(_mm256_cmp_pd(g, _mm256_setzero_pd(), _CMP_EQ_OQ), b);
  }
  *pos = p;
  *neg = n;
  return ~(p | n | zero);
}

/* False: the sign of a relu's operand is in doubt. */
EACH bool map(TwRgFast *f, const TwRgStep *s, uint32_t blocks) {
  const uint32_t at_x = 2 * blocks * TW_RG_BLOCK, stride = stride_of(blocks), n = f->n, n_columns = s->n_columns;
  const int next = (f->now + 1) % 3;
  const uint64_t kept = s->kept & ~TW_RG_TIED, relus = s->relus, *kink = f->kink[f->now], *depends = f->depends;
  const TwRgColumn *column = f->columns + s->column;
  const double *from = f->rows[f->now], *coeff = f->coeff, gamma = f->gamma;
  double *to = f->rows[next];
  uint64_t *kink_to = f->kink[next], *pos = f->pos, *neg = f->neg, doubt = 0;
  pos[0] = neg[0] = pos[n + 1] = neg[n + 1] = 0;
  for (uint32_t k = 0; k < n; k++, from += stride, to += stride) {
    for (uint32_t b = 0; b < blocks; b++)
      map_block(coeff + b * TW_RG_BLOCK, column, n_columns, blocks, gamma, from, to + b * TW_RG_BLOCK);
    if (kept) keep(kept, blocks, from, to);
    _mm_store_pd(to + at_x, _mm_load_pd(from + at_x));
    kink_to[k] = map_kinks(depends, blocks, kink[k]);
    if (relus) doubt |= signs(to, blocks, &pos[k + 1], &neg[k + 1]);
  }
  f->now = next;
  return !(doubt & relus);
}

/* ---- relus */

typedef struct Cut { /* where a unit's operand is zero between two rows */
  double t, err;
  uint32_t lane;
} Cut;

/* Where the operand in `lane`, of opposite signs at the row l and the next, is zero. False: too near one of them. */
EACH bool cut_at(const double *l, uint32_t lane, uint32_t blocks, Cut *out) {
  const double *v = l + lane, *g = v + blocks * TW_RG_BLOCK;
  double zl = fabs(v[0]), zr = fabs(v[stride_of(blocks)]), gl = g[0], gr = g[stride_of(blocks)];
  double inverse = 1 / (zl + zr), t = zl * inverse, err = (gl * zr + gr * zl) * inverse;
  err = (err / (zl + zr - gl - gr) + 8 * U) * SLACK;
  *out = (Cut){t, err, lane};
  return (t > 0x1p7 * err) & (1 - t > 0x1p7 * err); /* so that what `between` leaves out is less than its slack */
}

/* Is the map's result in two lanes the same map between row k and the next, or one the negative of the other? What is
 * zero there does not count. */
AVX2 static bool same_map(const TwRgFast *f, const TwRgStep *s, uint32_t a, uint32_t b, uint32_t k) {
  const size_t lanes = (size_t)f->blocks * TW_RG_BLOCK;
  const double *before = f->rows[(f->now + 2) % 3] + k * f->stride;
  double sign = 0;
  for (uint32_t c = 0; c < s->n_columns; c++) {
    double wa = f->coeff[2 * (1 + c) * lanes + a], wb = f->coeff[2 * (1 + c) * lanes + b];
    const double *g = before + f->columns[s->column + c].g;
    if ((wa == 0 && wb == 0) || (g[0] == 0 && g[f->stride] == 0)) continue;
    if (sign == 0) sign = wa == wb ? 1 : -1;
    if (wa != sign * wb) return false;
  }
  return sign != 0 && f->coeff[a] == sign * f->coeff[b];
}

/* A row passes the relus. */
EACH void pass(uint64_t relus, uint32_t blocks, const double *from, double *to) {
  for (uint32_t b = 0; b < blocks; b++, from += TW_RG_BLOCK, to += TW_RG_BLOCK) {
    __m256d v = _mm256_load_pd(from), on = _mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_GT_OQ);
    on = _mm256_or_pd(on, lanes_of(~relus, b));
    _mm256_store_pd(to, _mm256_and_pd(v, on));
    _mm256_store_pd(to + blocks * TW_RG_BLOCK, _mm256_and_pd(_mm256_load_pd(from + blocks * TW_RG_BLOCK), on));
  }
  _mm_store_pd(to + blocks * TW_RG_BLOCK, _mm_load_pd(from + blocks * TW_RG_BLOCK));
}

/* A new row after the relus, between the row l and the next before them, zero in these lanes by definition. */
EACH void between(uint64_t relus, uint32_t blocks, double gamma, const double *l, double at, double at_err,
                  uint64_t zero, double *to) {
  const uint32_t lanes = blocks * TW_RG_BLOCK, stride = stride_of(blocks);
  const __m256d t = _mm256_set1_pd(at), t_err = _mm256_set1_pd(at_err), slack = _mm256_set1_pd(1 + 0x1p-5),
                round = _mm256_set1_pd(gamma);
  const double *x = l + 2 * lanes;
  double dx = x[stride] - x[0], at_x = fma(at, dx, x[0]), g_x = fma(at, x[stride + 1] - x[1], x[1]) * (1 + 0x1p-5);
  _mm_store_pd(to + 2 * lanes, _mm_set_pd(fma(gamma, fabs(at_x), fma(at_err, fabs(dx), g_x)), at_x));
  for (uint32_t b = 0; b < blocks; b++, l += TW_RG_BLOCK, to += TW_RG_BLOCK) {
    __m256d vl = _mm256_load_pd(l), gl = _mm256_load_pd(l + lanes);
    __m256d d = _mm256_sub_pd(_mm256_load_pd(l + stride), vl), v = _mm256_fmadd_pd(t, d, vl);
    __m256d rise = _mm256_sub_pd(_mm256_load_pd(l + stride + lanes), gl);
    __m256d g = _mm256_mul_pd(_mm256_fmadd_pd(t, rise, gl), slack);
    g = _mm256_fmadd_pd(round, magnitude(v), _mm256_fmadd_pd(t_err, magnitude(d), g));
    __m256d on = _mm256_or_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_GT_OQ), lanes_of(~relus, b));
    on = _mm256_andnot_pd(lanes_of(zero, b), on);
    _mm256_store_pd(to, _mm256_and_pd(v, on));
    _mm256_store_pd(to + lanes, _mm256_and_pd(g, on));
  }
}

/* Operands that are zero near the new row `to`, not all at one place: each errs by what it may be at the others'. */
AVX2 static void blur(const TwRgFast *f, const double *l, double t_err, uint64_t zero, double *to) {
  const double *g = l + f->blocks * TW_RG_BLOCK;
  for (; zero; zero &= zero - 1) {
    uint32_t k = (uint32_t)__builtin_ctzll(zero);
    to[f->blocks * TW_RG_BLOCK + k] = 2 * t_err * fabs(l[f->stride + k] - l[k]) + g[k] + g[f->stride + k] + LEAST;
  }
}

/* Writes the rows between row k, which is l, and the next, where these units' operands change sign; at a row of its own
 * no other relu's sign is in doubt. Their number, or 0: in doubt. */
EACH uint32_t add_rows(const TwRgFast *f, const TwRgStep *s, uint32_t blocks, uint32_t k, const double *l,
                       uint64_t units, double *to, uint64_t *kink) {
  const uint64_t *zeros = f->zeros + s->zero, relus = s->relus;
  const double gamma = f->gamma + 4 * U;
  Cut cuts[TW_RG_MOST_LANES + 1];
  uint8_t order[TW_RG_MOST_LANES + 1]; /* by t */
  uint32_t n = 0, m = 0;
  bool clear = true;
  for (; units; units &= units - 1, n++) {
    clear &= cut_at(l, (uint32_t)__builtin_ctzll(units), blocks, &cuts[n]);
    uint32_t at = n;
    for (; at > 0 && cuts[order[at - 1]].t > cuts[n].t; at--) order[at] = order[at - 1];
    order[at] = (uint8_t)n;
  }
  if (!clear) return 0;
  for (uint32_t i = 0, j; i < n; i = j, m++, to += stride_of(blocks)) {
    const Cut *first = &cuts[order[i]];
    double t = first->t, err = first->err;
    uint64_t zero = zeros[first->lane], tied = 0;
    for (j = i + 1; j < n; j++) {
      const Cut *also = &cuts[order[j]];
      if (also->t - t > 4 * (also->err + err)) break;
      zero |= zeros[also->lane];
      if (same_map(f, s, first->lane, also->lane, k)) continue;
      double lo = t - err, hi = t + err, l_too = also->t - also->err, r_too = also->t + also->err;
      lo = lo < l_too ? lo : l_too;
      hi = hi > r_too ? hi : r_too;
      t = 0.5 * (lo + hi);
      err = 0.5 * (hi - lo) * SLACK + 8 * U;
      tied = TW_RG_TIED;
    }
    between(relus, blocks, gamma, l, t, err, zero, to);
    kink[m] = (zero & relus) | tied;
    if (tied) blur(f, l, err, zero, to);
  }
  return m;
}

/* A relu has a kink where its operand has one and is positive, and where that is zero with something positive beside
 * it. False: in doubt, or too many rows. */
EACH bool relus(TwRgFast *f, const TwRgStep *s, uint32_t blocks) {
  const uint32_t stride = stride_of(blocks), n = f->n, most = f->cap - TW_RG_MOST_LANES;
  const int next = (f->now + 1) % 3;
  const double *from = f->rows[f->now];
  const uint64_t are = s->relus, units = s->units, *pos = f->pos + 1, *neg = f->neg + 1, *kink = f->kink[f->now];
  double *to = f->rows[next];
  uint64_t *kink_to = f->kink[next];
  uint32_t m = 0;
  for (uint32_t k = 0; k < n; k++, pos++, neg++, from += stride) {
    if (m >= most) return false;
    pass(are, blocks, from, to);
    uint64_t edge = ~(pos[0] | neg[0]) & (pos[-1] | pos[1]) & are;
    kink_to[m++] = (kink[k] & (pos[0] | ~are)) | edge;
    to += stride;
    uint64_t crossed = ((pos[0] & neg[1]) | (neg[0] & pos[1])) & units;
    if (!crossed) continue;
    uint32_t added = add_rows(f, s, blocks, k, from, crossed, to, kink_to + m);
    if (!added) return false;
    m += added;
    to += (size_t)added * stride;
  }
  f->now = next;
  f->n = m;
  return true;
}

/* All steps. False: in doubt. */
EACH bool carry(TwRgFast *f, uint32_t blocks) {
  for (uint32_t i = 0; i < f->n_steps; i++) {
    const TwRgStep *s = &f->steps[i];
    bind(f, s, blocks);
    if (!map(f, s, blocks) || (s->relus && !relus(f, s, blocks))) return false;
  }
  return true;
}

AVX2 static bool carry_one(TwRgFast *f) { return carry(f, 1); }
AVX2 static bool carry_any(TwRgFast *f) { return carry(f, f->blocks); }

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
static bool find_ends(TwRgFast *f, double least, uint32_t *n_out) {
  const double *row = f->rows[f->now];
  const uint64_t *kink = f->kink[f->now];
  const uint32_t at_x = 2 * f->blocks * TW_RG_BLOCK;
  TwRgEnd *at = f->ends;
  uint32_t n = 0;
  Slope before = {INFINITY, 0}; /* unlike any that is known */
  bool clear = true;
  for (uint32_t k = 0; k < f->n; k++, row += f->stride) {
    if (k != 0 && k + 1 != f->n && !(kink[k] & f->output.bit)) continue;
    double x = row[at_x], g = row[at_x + 1], y = row[f->output.v], y_g = row[f->output.g];
    at[n] = (TwRgEnd){x, y, y_g, x, y, y_g, g, (kink[k] & TW_RG_TIED) != 0, false};
    if (n > 0) {
      Slope s = slope_between(&at[n - 1], &at[n]);
      if (x - at[n - 1].l < least && !(s.err < 0x1p-12 * fabs(s.v))) {
        at[n - 1].g += x - at[n - 1].r + g;
        at[n - 1].r = x, at[n - 1].r_y = y, at[n - 1].r_yg = y_g;
        at[n - 1].tied = true;
        continue;
      }
      clear &= fabs(s.v - before.v) > (s.err + before.err) * SLACK;
      before = s;
    }
    n++;
  }
  *n_out = n;
  return clear && n > 1;
}

/* How many pieces some other one hides (docs/regions.md): within `sliver` of its width, from one of its ends. */
static bool count_slivers(TwRgFast *f, uint32_t n, double sliver, int64_t *n_slivers) {
  TwRgEnd *at = f->ends;
  double size = fmax(fabs(at[0].l), fabs(at[n - 1].r)), worst = 0, reach = -INFINITY, nearest = INFINITY;
  double hides = INFINITY, before = 0; /* hides: what every tie has beside it */
  for (uint32_t i = 0; i + 1 < n; i++) {
    double hi = at[i + 1].l, width = hi - at[i].r, past = hi - reach, next = hi + sliver * width;
    double wider = width > before ? width : before;
    if (at[i].tied && wider < hides) hides = wider;
    worst = at[i].g > worst ? at[i].g : worst;
    nearest = fabs(past) < nearest ? fabs(past) : nearest;
    at[i].hidden = past < 0;
    reach = next > reach ? next : reach;
    before = width;
  }
  if (at[n - 1].tied && before < hides) hides = before;
  worst = at[n - 1].g > worst ? at[n - 1].g : worst;
  reach = INFINITY;
  *n_slivers = 0;
  for (uint32_t i = n - 1; i-- > 0;) {
    double lo = at[i].r, past = reach - lo, next = lo - sliver * (at[i + 1].l - lo);
    nearest = fabs(past) < nearest ? fabs(past) : nearest;
    *n_slivers += at[i].hidden | (past < 0);
    reach = next < reach ? next : reach;
  }
  double tol = 8 * worst + 16 * U * size;
  return nearest > tol && sliver * hides > tol;
}

/* ---- all of it */

static bool ordinary(double c) { return c == 0 || (fabs(c) >= SMALL && fabs(c) <= LARGE); }

/* Takes this call's coefficients. False: some are not ordinary. */
AVX2 static bool take(TwRgFast *f, const double *coeffs) {
  const __m256d zero = _mm256_setzero_pd(), small = _mm256_set1_pd(SMALL), large = _mm256_set1_pd(LARGE);
  const uint32_t n = f->tape->n_coeffs, half = f->half;
  double *all = f->all;
  all[half - 1] = all[half - 2] = all[half - 3] = 0;
  if (n) memcpy(all, coeffs, n * sizeof *coeffs);
  memcpy(all + n, (const double[]){0, 1, -1, 2}, 4 * sizeof *all);
  __m256d fine = _mm256_cmp_pd(zero, zero, _CMP_EQ_OQ);
  for (uint32_t k = 0; k < half; k += 4) {
    __m256d w = _mm256_load_pd(all + k), size = magnitude(w);
    __m256d within = _mm256_and_pd(_mm256_cmp_pd(size, small, _CMP_GE_OQ), _mm256_cmp_pd(size, large, _CMP_LE_OQ));
    fine = _mm256_and_pd(fine, _mm256_or_pd(within, _mm256_cmp_pd(size, zero, _CMP_EQ_OQ)));
    _mm256_store_pd(all + half + k, _mm256_xor_pd(w, _mm256_set1_pd(-0.0)));
  }
  return _mm256_movemask_pd(fine) == 15;
}

/* The rows at the ends of the interval: x only. */
static void start(TwRgFast *f, double lo, double hi) {
  f->now = 0;
  f->n = 2;
  memset(f->rows[0], 0, 2 * f->stride * sizeof **f->rows);
  for (int k = 0; k < 2; k++) {
    double x = k ? hi : lo, *at = f->rows[0] + (size_t)k * f->stride + 2 * f->blocks * TW_RG_BLOCK;
    at[0] = x;
    at[1] = x == 0 ? 0 : fmax(f->gamma * fabs(x), LEAST);
    f->kink[0][k] = 0;
  }
}

bool tw_rg_fast_count(TwRgFast *f, const double *coeffs, double lo, double hi, double sliver, TwRtRegions *out) {
  if (!ordinary(lo) || !ordinary(hi) || (sliver != 0 && sliver < 0x1p-30) || !take(f, coeffs)) return false;
  start(f, lo, hi);
  if (!(f->blocks == 1 ? carry_one(f) : carry_any(f))) return false;
  uint32_t n;
  int64_t slivers = 0;
  if (!find_ends(f, sliver > 0 ? 0x1p-24 * (hi - lo) : 0, &n)) return false;
  for (uint32_t i = 0; sliver == 0 && i < n; i++)
    if (f->ends[i].tied) return false;
  if (sliver > 0 && !count_slivers(f, n, sliver, &slivers)) return false;
  *out = (TwRtRegions){.counted = true, .pieces = (int64_t)n - 1 - slivers};
  return true;
}

#else /* everywhere else the sweep does it */
bool tw_rg_fast_count(TwRgFast *f, const double *coeffs, double lo, double hi, double sliver, TwRtRegions *out) {
  (void)f, (void)coeffs, (void)lo, (void)hi, (void)sliver, (void)out;
  return false;
}
#endif
