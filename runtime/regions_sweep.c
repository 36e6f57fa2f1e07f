/* regions_sweep.c: carries the tape over an interval.
 *
 * requires: a tape.
 * provides: tw_rg_sweep, which hands the pattern intervals to the tally from left to right.
 *
 * The state is a list of points and, for each value still needed, what it is at each of them; between
 * neighbouring points every value so far is affine. An affine op works on all points at once. A relu first
 * settles the sign of its operand at each point, exactly where the error bound leaves it open. Where the
 * signs at neighbours are opposite it puts a new point between them: the operand is zero there by definition,
 * everything else is interpolated. So there are no slopes, and a value is the same from both sides of a
 * point.
 *
 * Points are appended, pieces are linked. When the points are more than `limit` the right half is put
 * aside and the left half finished first, so that memory and cache stay small and pieces come out in order.
 *
 * What does not depend on x is computed once (bind), whatever the tape says: a zero coefficient is no
 * dependence. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/regions_internal.h"

enum { LEAST_LIMIT = 64, MOST_LIMIT = 2048, CACHE_BYTES = 512 * 1024 };

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static void *aligned(size_t bytes) {
  void *p = aligned_alloc(64, round_up(bytes ? bytes : 1, 64));
  if (p) memset(p, 0, round_up(bytes ? bytes : 1, 64)); /* padding lanes are computed with */
  return p;
}

bool tw_rg_sweep_init(TwRtCounter *c) {
  const TwRgTape *t = &c->tape;
  size_t limit = CACHE_BYTES / (48 * (size_t)t->n_slots);
  limit = limit < LEAST_LIMIT ? LEAST_LIMIT : limit > MOST_LIMIT ? MOST_LIMIT : limit;
  c->limit = (uint32_t)limit;
  c->most = TW_RG_MAX_PIECES;
  TwRgMem *m = &c->mem;
  m->cap = round_up(2 * limit + 8, 512) + 56; /* arrays at one index fall into different cache sets */
  m->stride = 3 * m->cap;
  m->words = round_up(m->cap, 64) / 64;
  size_t u32s = m->cap * sizeof(uint32_t), reals = m->cap * sizeof(double), bits = m->words * sizeof(uint64_t);
  c->bound = calloc(t->n_ops + 1, sizeof *c->bound);
  c->c = calloc(t->n_terms + 1, sizeof *c->c);
  c->slots = calloc(t->n_terms + 1, sizeof *c->slots);
  c->constants = calloc(t->n_slots, sizeof *c->constants);
  c->is_constant = calloc(t->n_slots, sizeof *c->is_constant);
  c->alive = calloc(t->n_ops + 1, sizeof *c->alive);
  c->live = calloc(t->n_slots, sizeof *c->live);
  m->lanes = aligned(t->n_slots * m->stride * sizeof(double));
  m->kink = aligned(t->n_slots * bits);
  uint32_t **indices[] = {&c->l, &c->r, &c->next, &c->piece, &c->order, &c->cross.l, &c->cross.r};
  double **doubles[] = {&c->cross.t_hi, &c->cross.t_lo, &c->cross.t_err, &c->spare};
  uint64_t **words[] = {&c->pos, &c->neg, &c->doubt};
  bool ok = c->bound && c->c && c->slots && c->constants && c->is_constant && c->alive && c->live && m->lanes &&
            m->kink;
  for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) ok = (*indices[i] = aligned(u32s)) && ok;
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) ok = (*doubles[i] = aligned(reals)) && ok;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) ok = (*words[i] = aligned(bits)) && ok;
  return (c->exact = aligned(u32s)) && ok;
}

void tw_rg_sweep_free(TwRtCounter *c) {
  for (size_t i = 0; i < c->cap_saved; i++) {
    free(c->saved[i].values);
    free(c->saved[i].kink);
    free(c->saved[i].exact);
    free(c->saved[i].live);
  }
  void *all[] = {c->bound,     c->c,        c->slots,      c->constants,  c->is_constant, c->alive, c->live,
                 c->mem.lanes, c->mem.kink, c->l,          c->r,          c->next,        c->piece, c->order,
                 c->cross.l,   c->cross.r,  c->cross.t_hi, c->cross.t_lo, c->cross.t_err, c->spare, c->pos,
                 c->neg,       c->doubt,    c->exact,      c->saved};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static bool fail(TwRtCounter *c, const char *why) {
  if (!c->error) c->error = why;
  return false;
}

static double *hi_of(const TwRtCounter *c, uint32_t slot) { return c->mem.lanes + slot * c->mem.stride; }

static TwRgPoint point(const TwRtCounter *c, uint32_t k) {
  const double *x = hi_of(c, 0) + k;
  return (TwRgPoint){x[0], x[c->mem.cap], x[2 * c->mem.cap], c->exact[k]};
}

static TwDd value(const TwRtCounter *c, uint32_t slot, uint32_t k) {
  if (c->is_constant[slot]) return c->constants[slot];
  const double *v = hi_of(c, slot) + k;
  return (TwDd){v[0], v[c->mem.cap], v[2 * c->mem.cap]};
}

static void put(TwRtCounter *c, uint32_t slot, uint32_t k, TwDd v) {
  double *at = hi_of(c, slot) + k;
  at[0] = v.hi;
  at[c->mem.cap] = v.lo;
  at[2 * c->mem.cap] = v.err;
}

/* ---- binding: this call's coefficients */

static bool bind_affine(TwRtCounter *c, const TwRgOp *op, TwRgBound *b, const double *coeffs, uint32_t *n_terms) {
  double bias = tw_rg_coeff(op->bias, coeffs);
  TwDd sum = tw_dd_guard((TwDd){bias, 0, 0});
  bool finite = isfinite(bias), ordinary = true;
  b->term = *n_terms;
  for (uint32_t k = op->term; k < op->term + op->n_terms; k++) {
    double f = tw_rg_coeff(c->tape.terms[k].coeff, coeffs);
    uint32_t slot = c->tape.terms[k].slot;
    if (f == 0) continue;
    finite = finite && isfinite(f);
    ordinary = ordinary && fabs(f) >= TW_DD_LEAST && fabs(f) <= TW_DD_MOST;
    if (c->is_constant[slot]) {
      sum = tw_dd_add(sum, tw_dd_scale(f, c->constants[slot]));
      continue;
    }
    c->c[*n_terms] = f;
    c->slots[(*n_terms)++] = slot;
  }
  b->n_terms = *n_terms - b->term;
  b->unit = (b->n_terms + 4) * TW_DD_UNIT;
  b->hi = sum.hi;
  b->lo = sum.lo;
  b->err = ordinary ? sum.err : INFINITY;
  b->constant = b->n_terms == 0;
  if (b->constant) c->constants[op->out] = (TwDd){b->hi, b->lo, b->err};
  return finite || fail(c, "a coefficient is not finite");
}

/* A relu of a constant: x, at which it is evaluated exactly where in doubt, does not matter. */
static bool bind_relu(TwRtCounter *c, uint32_t at, const TwRgOp *op, double x) {
  TwDd v = c->constants[op->a];
  bool clear = fabs(v.hi) > 2 * v.err && fabs(v.hi) < INFINITY;
  if (!clear && !(v.hi == 0 && v.err == 0)) {
    TwRgPoint p = {x, 0, 0, TW_RG_IS_SUM};
    if (!tw_rg_exact_value(&c->ex, &p, at, op->a, &v)) return fail(c, c->ex.error);
  }
  c->alive[at] = v.hi > 0;
  c->constants[op->out] = v.hi > 0 ? v : (TwDd){0, 0, 0};
  return true;
}

static bool bind(TwRtCounter *c, const double *coeffs, double x) {
  const TwRgTape *t = &c->tape;
  memset(c->is_constant, 0, t->n_slots * sizeof *c->is_constant);
  uint32_t n_terms = 0;
  for (uint32_t i = 0; i < t->n_ops; i++) {
    const TwRgOp *op = &t->ops[i];
    TwRgBound *b = &c->bound[i];
    c->alive[i] = false;
    if (op->kind == TW_RG_AFFINE) {
      if (!bind_affine(c, op, b, coeffs, &n_terms)) return false;
    } else {
      b->constant = c->is_constant[op->a];
      if (b->constant && !bind_relu(c, i, op, x)) return false;
    }
    c->is_constant[op->out] = b->constant;
  }
  return true;
}

/* ---- affine ops */

static void run_affine(TwRtCounter *c, const TwRgOp *op, const TwRgBound *b) {
  const uint32_t *slots = c->slots + b->term;
  c->lanes->affine(&c->mem, c->n, op->out, b, c->c + b->term, slots);
  size_t words = c->mem.words;
  for (size_t w = 0; w <= (c->n - 1) / 64; w++) {
    uint64_t kink = 0;
    for (uint32_t k = 0; k < b->n_terms; k++) kink |= c->mem.kink[slots[k] * words + w];
    c->mem.kink[op->out * words + w] = kink;
  }
}

/* ---- relus */

/* Where the sign of the operand is in doubt, replaces it by its value, exact or nearly so. */
static bool settle(TwRtCounter *c, uint32_t at, uint32_t slot, unsigned *any) {
  for (uint32_t w = 0; w <= (c->n - 1) / 64; w++)
    for (uint64_t left = c->doubt[w]; left; left &= left - 1) {
      uint64_t bit = left & -left;
      uint32_t k = w * 64 + (uint32_t)__builtin_ctzll(left);
      TwRgPoint p = point(c, k);
      TwDd v;
      if (!tw_rg_exact_value(&c->ex, &p, at, slot, &v)) return fail(c, c->ex.error);
      c->exact[k] = p.exact;
      put(c, slot, k, v);
      c->pos[w] |= v.hi > 0 ? bit : 0;
      c->neg[w] |= v.hi < 0 ? bit : 0;
      *any |= v.hi > 0 ? TW_RG_POS : v.hi < 0 ? TW_RG_NEG : TW_RG_ZERO;
    }
  return true;
}

/* Lists the pieces in which the operand changes sign, and links new points into them. */
static uint32_t find_crossings(TwRtCounter *c, uint32_t slot) {
  const double *v = hi_of(c, slot);
  uint32_t n = 0, n_pieces = c->n_pieces;
  for (uint32_t j = 0; j < n_pieces; j++) {
    uint32_t l = c->l[j], r = c->r[j];
    double a = v[l], b = v[r];
    c->piece[n] = j;
    c->cross.l[n] = l;
    c->cross.r[n] = r;
    n += (unsigned)(a < 0) & (unsigned)(b > 0);
    n += (unsigned)(a > 0) & (unsigned)(b < 0);
  }
  for (uint32_t i = n; i % 4; i++) c->cross.l[i] = c->cross.r[i] = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t j = c->piece[i], fresh = c->n_pieces++;
    c->l[fresh] = c->n + i;
    c->r[fresh] = c->r[j];
    c->r[j] = c->n + i;
    c->next[fresh] = c->next[j];
    c->next[j] = fresh;
  }
  return n;
}

static bool apart(const TwRgPoint *l, const TwRgPoint *r) {
  double gap = (r->hi - l->hi) + (r->lo - l->lo);
  return gap > 64 * (l->err + r->err) + 0x1p-100 * (fabs(l->hi) + fabs(r->hi));
}

/* Sees to it that each new point is where TwRgPoint says: far from its neighbours for its error, or else it
 * and the neighbour are known exactly. */
static bool place_points(TwRtCounter *c, uint32_t n, uint32_t at, uint32_t slot) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t k = c->n + i, ends[2] = {c->cross.l[i], c->cross.r[i]};
    TwRgPoint p = point(c, k), l = point(c, ends[0]), r = point(c, ends[1]);
    c->exact[k] = p.err == 0 ? TW_RG_IS_SUM : TW_RG_SEARCH;
    if (apart(&l, &p) && apart(&p, &r)) continue;
    if (p.err == 0 && l.exact != TW_RG_SEARCH && r.exact != TW_RG_SEARCH) continue;
    if (!tw_rg_exact_cross(&c->ex, &l, &r, at, slot, &p)) return fail(c, c->ex.error);
    c->exact[ends[0]] = l.exact;
    c->exact[ends[1]] = r.exact;
    c->exact[k] = p.exact;
    put(c, 0, k, tw_rg_x(&p));
  }
  return true;
}

/* No value but the relu's own is kinked inside a piece. */
static void clear_kinks(TwRtCounter *c, uint32_t slot, uint32_t n) {
  uint64_t *kink = c->mem.kink + slot * c->mem.words;
  uint32_t w = c->n / 64;
  kink[w] &= ((uint64_t)1 << c->n % 64) - 1;
  while (++w <= (c->n + n - 1) / 64) kink[w] = 0;
}

/* The new points come after the old ones in every array; the relu's operand is exactly zero there. */
static bool split(TwRtCounter *c, uint32_t n, uint32_t at, uint32_t slot) {
  c->lanes->cross(&c->mem, n, slot, &c->cross);
  c->lanes->lerp(&c->mem, c->n, n, 0, &c->cross);
  if (!place_points(c, n, at, slot)) return false;
  for (uint32_t s = 1; s < c->tape.n_slots; s++)
    if (c->live[s] && s != slot) c->lanes->lerp(&c->mem, c->n, n, s, &c->cross);
  for (uint32_t k = c->n; k < c->n + n; k++) put(c, slot, k, (TwDd){0, 0, 0});
  for (uint32_t s = 0; s < c->tape.n_slots; s++)
    if (c->live[s]) clear_kinks(c, s, n);
  c->made += n;
  if (c->made <= c->most) return true;
  bool full = c->most == TW_RG_MAX_PIECES;
  return fail(c, full ? "there are more than 2^24 pieces" : "there are more pieces than the limit set");
}

/* The relu is kinked where its operand is and it is on, where it is switched at a new point, and at an old
 * point where the operand is zero and, next to it, positive. What is next to the ends is in another part. */
static void mark_kinks(TwRtCounter *c, const TwRgOp *op, uint32_t n_old, unsigned any) {
  const uint64_t *in = c->mem.kink + op->a * c->mem.words;
  uint64_t *out = c->mem.kink + op->out * c->mem.words;
  for (uint32_t w = 0; w <= (n_old - 1) / 64; w++) out[w] = in[w] & c->pos[w];
  for (uint32_t k = n_old; k < c->n; k++) {
    if (k % 64 == 0) out[k / 64] = 0;
    out[k / 64] |= (uint64_t)1 << k % 64;
  }
  if (!(any & TW_RG_ZERO)) return;
  const double *v = hi_of(c, op->a);
  if (v[0] == 0) out[0] |= 1;
  if (v[c->last] == 0) out[c->last / 64] |= (uint64_t)1 << c->last % 64;
  if (!(any & TW_RG_POS)) return;
  for (uint32_t j = 0; j < c->n_pieces; j++) {
    uint32_t l = c->l[j], r = c->r[j];
    if (v[l] == 0 && v[r] > 0) out[l / 64] |= (uint64_t)1 << l % 64;
    if (v[r] == 0 && v[l] > 0) out[r / 64] |= (uint64_t)1 << r % 64;
  }
}

static bool run_relu(TwRtCounter *c, uint32_t at) {
  const TwRgOp *op = &c->tape.ops[at];
  unsigned any = c->lanes->signs(&c->mem, c->n, op->a, c->pos, c->neg, c->doubt);
  if ((any & TW_RG_DOUBT) && !settle(c, at, op->a, &any)) return false;
  for (uint32_t k = 0; k < op->n_kills; k++) c->live[c->tape.kills[op->kill + k]] = 0;
  uint32_t n_old = c->n, n = 0;
  if ((any & TW_RG_POS) && (any & TW_RG_NEG)) n = find_crossings(c, op->a);
  if (n > 0 && !split(c, n, at, op->a)) return false;
  c->n += n;
  if (any & TW_RG_POS) c->alive[at] = true;
  mark_kinks(c, op, n_old, any);
  c->lanes->relu(&c->mem, c->n, op->a, op->out);
  return true;
}

/* ---- parts of the interval */

static void list_points(TwRtCounter *c) {
  uint32_t j = 0;
  c->order[0] = c->l[0];
  for (uint32_t i = 1; i < c->n; i++, j = c->next[j]) c->order[i] = c->r[j];
}

/* Pieces in a row, between points in a row. */
static void link_row(TwRtCounter *c, uint32_t n) {
  c->n = n;
  c->n_pieces = n - 1;
  c->last = n - 1;
  for (uint32_t j = 0; j + 1 < n; j++) {
    c->l[j] = j;
    c->r[j] = c->next[j] = j + 1;
  }
}

static bool get_bit(const uint64_t *bits, uint32_t k) { return bits[k / 64] >> k % 64 & 1; }

static void set_bit(uint64_t *bits, uint32_t k, bool b) {
  uint64_t mask = (uint64_t)1 << k % 64;
  bits[k / 64] = b ? bits[k / 64] | mask : bits[k / 64] & ~mask;
}

static TwRgSaved *room_to_save(TwRtCounter *c, size_t n_doubles) {
  if (c->n_saved == c->cap_saved) {
    size_t cap = c->cap_saved ? 2 * c->cap_saved : 16;
    TwRgSaved *more = realloc(c->saved, cap * sizeof *more);
    if (!more) return NULL;
    memset(more + c->cap_saved, 0, (cap - c->cap_saved) * sizeof *more);
    c->saved = more;
    c->cap_saved = cap;
  }
  TwRgSaved *s = &c->saved[c->n_saved];
  if (s->cap_doubles < n_doubles) {
    free(s->values);
    s->values = malloc(n_doubles * sizeof *s->values);
    s->cap_doubles = s->values ? n_doubles : 0;
  }
  if (!s->kink) s->kink = calloc(c->tape.n_slots * c->mem.words, sizeof *s->kink);
  if (!s->exact) s->exact = malloc(c->mem.cap * sizeof *s->exact);
  if (!s->live) s->live = malloc(c->tape.n_slots * sizeof *s->live);
  return s->values && s->kink && s->exact && s->live ? s : NULL;
}

/* Puts the right half aside, to go on with op `at` later, and keeps the left half. */
static bool halve(TwRtCounter *c, uint32_t at) {
  uint32_t n_live = 0, half = c->n / 2, n = c->n - half;
  for (uint32_t s = 0; s < c->tape.n_slots; s++) n_live += c->live[s];
  TwRgSaved *save = room_to_save(c, 3 * (size_t)n_live * n);
  if (!save) return fail(c, "out of memory");
  c->n_saved++;
  save->op = at;
  save->n = n;
  memcpy(save->live, c->live, c->tape.n_slots * sizeof *save->live);
  list_points(c);
  const uint32_t *order = c->order;
  double *to = save->values;
  uint64_t *bits = (uint64_t *)(void *)c->spare;
  for (uint32_t s = 0; s < c->tape.n_slots; s++) {
    if (!c->live[s]) continue;
    uint64_t *kink = c->mem.kink + s * c->mem.words, *aside = save->kink + s * c->mem.words;
    memcpy(bits, kink, c->mem.words * sizeof *bits);
    for (uint32_t k = 0; k <= half; k++) set_bit(kink, k, get_bit(bits, order[k]));
    for (uint32_t k = 0; k < n; k++) set_bit(aside, k, get_bit(bits, order[half + k]));
    for (int part = 0; part < 3; part++) {
      double *v = hi_of(c, s) + (size_t)part * c->mem.cap;
      memcpy(c->spare, v, c->n * sizeof *v);
      for (uint32_t k = 0; k <= half; k++) v[k] = c->spare[order[k]];
      for (uint32_t k = 0; k < n; k++) *to++ = c->spare[order[half + k]];
    }
  }
  int32_t *exact = (int32_t *)(void *)c->spare;
  memcpy(exact, c->exact, c->n * sizeof *exact);
  for (uint32_t k = 0; k <= half; k++) c->exact[k] = exact[order[k]];
  for (uint32_t k = 0; k < n; k++) save->exact[k] = exact[order[half + k]];
  link_row(c, half + 1);
  return true;
}

static uint32_t resume(TwRtCounter *c) {
  const TwRgSaved *save = &c->saved[--c->n_saved];
  const double *from = save->values;
  size_t words = c->mem.words;
  memcpy(c->live, save->live, c->tape.n_slots * sizeof *c->live);
  for (uint32_t s = 0; s < c->tape.n_slots; s++) {
    if (!c->live[s]) continue;
    memcpy(c->mem.kink + s * words, save->kink + s * words, words * sizeof(uint64_t));
    for (int part = 0; part < 3; part++, from += save->n)
      memcpy(hi_of(c, s) + (size_t)part * c->mem.cap, from, save->n * sizeof(double));
  }
  memcpy(c->exact, save->exact, save->n * sizeof *c->exact);
  link_row(c, save->n);
  return save->op;
}

/* ---- the sweep */

static bool run_ops(TwRtCounter *c, uint32_t from) {
  for (uint32_t at = from; at < c->tape.n_ops; at++) {
    const TwRgOp *op = &c->tape.ops[at];
    const TwRgBound *b = &c->bound[at];
    if (b->constant) {
      for (uint32_t k = 0; k < op->n_kills; k++) c->live[c->tape.kills[op->kill + k]] = 0;
      c->live[op->out] = 0;
      continue;
    }
    if (op->kind == TW_RG_AFFINE) {
      run_affine(c, op, b);
      for (uint32_t k = 0; k < op->n_kills; k++) c->live[c->tape.kills[op->kill + k]] = 0;
    } else if (!run_relu(c, at)) {
      return false;
    }
    c->live[op->out] = !op->unread;
    while (c->n > c->limit)
      if (!halve(c, at + 1)) return false;
  }
  return true;
}

static bool tell(TwRtCounter *c) {
  uint32_t out = c->tape.output;
  bool constant = c->is_constant[out];
  const uint64_t *kink = c->mem.kink + out * c->mem.words;
  uint32_t j = 0;
  for (uint32_t i = 0; i < c->n_pieces; i++, j = c->next[j]) {
    TwRgPoint l = point(c, c->l[j]), r = point(c, c->r[j]);
    bool kinked = !constant && get_bit(kink, c->l[j]);
    if (!tw_rg_tally_add(&c->tally, &l, &r, value(c, out, c->l[j]), value(c, out, c->r[j]), kinked))
      return fail(c, c->tally.error);
  }
  return true;
}

bool tw_rg_sweep(TwRtCounter *c, const double *coeffs, double lo, double hi) {
  c->n_saved = 0;
  c->made = 1;
  tw_rg_exact_start(&c->ex, &c->tape, coeffs);
  if (!bind(c, coeffs, lo)) return false;
  memset(c->live, 0, c->tape.n_slots * sizeof *c->live);
  c->live[0] = 1;
  c->mem.kink[0] = 0;
  put(c, 0, 0, tw_dd_guard((TwDd){lo, 0, 0}));
  put(c, 0, 1, tw_dd_guard((TwDd){hi, 0, 0}));
  c->exact[0] = c->exact[1] = TW_RG_IS_SUM;
  link_row(c, 2);
  for (uint32_t op = 0;; op = resume(c)) {
    if (!run_ops(c, op) || !tell(c)) return false;
    if (c->n_saved == 0) return true;
  }
}
