/* regions_steps.c: from the tape to the steps of regions_fast.h, made once for a model.
 *
 * requires: a tape.
 * provides: steps that end with its output; NULL where regions_fast.c does not apply: a tape with an error, more lanes
 *           than there are bits, or a processor without AVX2 and FMA.
 *
 * A step is a run of affine ops and the relus after them, up to one that reads another's result. What an op reads of
 * the same run is put in its place if that is exact, with 1 or -1 and one bias at most; if not, a new step begins. The
 * map reads one row and writes another, so a lane that it reads for the last time is free for a result. A relu is done
 * in the lane of its operand if that is a result of the same map and dies there; if not, the map makes it a copy. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/regions_fast.h"

enum { MOST_POINTS = 4096, CACHE_DOUBLES = 1 << 17, MOST_COLUMNS = 128 };

/* What a slot of the tape holds: a lane's value before the step, a result of the step, or one of these. */
enum { NOTHING = -1, THE_INPUT = -2, RESULT = 64, MOST_TERMS = 4096 };

typedef struct Term { /* of the step's map */
  int32_t source;     /* a lane before the step, or x */
  uint32_t place;     /* of the coefficient */
} Term;

typedef struct Result {
  uint32_t term, n_terms, bias; /* bias: a place */
  int32_t operand;              /* what the relu is of; without one, this result */
  bool relu, alive;
  uint32_t lane;
} Result;

typedef struct Plan {
  TwRgFast *f;
  const TwRgTape *tape;
  bool write;            /* first all is counted, then written */
  int32_t holds[RESULT]; /* by slot of the tape */
  Result results[RESULT];
  Term terms[MOST_TERMS];
  uint32_t n_results, n_terms, i; /* i: the next op */
  int32_t source[MOST_COLUMNS];
  uint32_t user[MOST_COLUMNS];
  size_t n_columns, n_places, n_zeros;
} Plan;

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

static uint32_t negative(const TwRgFast *f, uint32_t place) {
  return place < f->half ? place + f->half : place - f->half;
}

static uint64_t bit(uint32_t lane) { return (uint64_t)1 << lane; }

/* ---- what is in a step */

static bool add_result(Plan *p, uint32_t slot, Result r) {
  if (p->n_results == RESULT) return false;
  p->holds[slot] = RESULT + (int32_t)p->n_results;
  p->results[p->n_results++] = r;
  return true;
}

static Result *result_in(Plan *p, uint32_t slot) {
  return p->holds[slot] < RESULT ? NULL : &p->results[p->holds[slot] - RESULT];
}

static bool append(Plan *p, Result *r, Term t) {
  if (p->n_terms == MOST_TERMS) return false;
  p->terms[p->n_terms++] = t;
  r->n_terms++;
  return true;
}

/* Puts another result of this step in place of a term. */
static bool put_in_place(Plan *p, Result *r, const Result *other, uint32_t coeff) {
  const uint32_t none = place_of(p->tape, TW_PL_ZERO);
  const bool minus = coeff == TW_PL_MINUS_ONE;
  if ((coeff != TW_PL_ONE && !minus) || (r->bias != none && other->bias != none)) return false;
  if (other->bias != none) r->bias = minus ? negative(p->f, other->bias) : other->bias;
  for (uint32_t k = 0; k < other->n_terms; k++) {
    Term t = p->terms[other->term + k];
    if (minus) t.place = negative(p->f, t.place);
    if (!append(p, r, t)) return false;
  }
  return true;
}

/* False, and nothing changed: it does not belong to this step. */
static bool add_affine(Plan *p, const TwRgOp *op) {
  const TwRgTape *t = p->tape;
  const uint32_t n_terms = p->n_terms;
  Result r = {.term = n_terms, .bias = place_of(t, op->bias), .operand = RESULT + (int32_t)p->n_results};
  bool ok = true;
  for (uint32_t k = op->term; ok && k < op->term + op->n_terms; k++) {
    const Result *made = result_in(p, t->terms[k].slot);
    uint32_t coeff = t->terms[k].coeff;
    ok = made ? put_in_place(p, &r, made, coeff)
              : append(p, &r, (Term){p->holds[t->terms[k].slot], place_of(t, coeff)});
  }
  if (!ok || p->n_results == RESULT) {
    p->n_terms = n_terms;
    return false;
  }
  for (uint32_t k = 0; k < op->n_kills; k++) p->holds[t->kills[op->kill + k]] = NOTHING;
  return op->unread || add_result(p, op->out, r);
}

static bool add_relu(Plan *p, const TwRgOp *op) {
  int32_t operand = p->holds[op->a];
  Result *made = result_in(p, op->a);
  if (op->n_kills > 0) p->holds[op->a] = NOTHING;
  if (op->unread) return true;
  if (made && op->n_kills > 0) {
    made->relu = true;
    p->holds[op->out] = operand;
    return true;
  }
  Result r = {.term = p->n_terms, .bias = place_of(p->tape, TW_PL_ZERO), .operand = operand};
  if (made) r = *made;
  else if (!append(p, &r, (Term){operand, place_of(p->tape, TW_PL_ONE)})) return false;
  r.relu = true;
  return add_result(p, op->out, r);
}

/* False: there is no room. */
static bool take_ops(Plan *p) {
  const TwRgTape *t = p->tape;
  const uint32_t first = p->i;
  p->n_results = p->n_terms = 0;
  while (p->i < t->n_ops && t->ops[p->i].kind == TW_RG_AFFINE && add_affine(p, &t->ops[p->i])) p->i++;
  for (; p->i < t->n_ops && t->ops[p->i].kind == TW_RG_RELU; p->i++) {
    const Result *made = result_in(p, t->ops[p->i].a);
    if (made && made->relu) break;
    if (!add_relu(p, &t->ops[p->i])) return false;
  }
  return p->i > first;
}

/* ---- what a step is written as */

/* Lanes for the results that are still needed after the step. */
static bool give_lanes(Plan *p, TwRgStep *s) {
  uint64_t taken = 0;
  for (uint32_t k = 0; k < p->tape->n_slots; k++) {
    Result *r = result_in(p, k);
    if (r) r->alive = true;
    else if (p->holds[k] >= 0) taken |= bit((uint32_t)p->holds[k]);
  }
  s->kept = taken | TW_RG_TIED;
  for (uint32_t j = 0; j < p->n_results; j++) {
    Result *r = &p->results[j];
    if (!r->alive) continue;
    r->lane = (uint32_t)__builtin_ctzll(~taken);
    taken |= bit(r->lane);
    if (r->lane >= TW_RG_MOST_LANES) return false;
    if (r->lane >= p->f->n_lanes) p->f->n_lanes = r->lane + 1;
  }
  for (uint32_t k = 0; k < p->tape->n_slots; k++)
    if (result_in(p, k)) p->holds[k] = (int32_t)result_in(p, k)->lane;
  return true;
}

/* A column of the step that reads this and has no coefficient for the result yet. */
static bool find_column(Plan *p, TwRgStep *s, int32_t source, uint32_t result, uint32_t *c) {
  for (*c = 0; *c < s->n_columns; ++*c)
    if (p->source[*c] == source && p->user[*c] != result) break;
  if (*c == MOST_COLUMNS) return false;
  if (*c == s->n_columns) s->n_columns++;
  p->source[*c] = source;
  p->user[*c] = result;
  return true;
}

/* Where a row has what a slot holds. */
static TwRgColumn column_of(const TwRgFast *f, int32_t held) {
  uint32_t lanes = f->blocks * TW_RG_BLOCK, lane = (uint32_t)held;
  return held == THE_INPUT ? (TwRgColumn){2 * lanes, 2 * lanes + 1, 0} : (TwRgColumn){lane, lane + lanes, bit(lane)};
}

static bool write_map(Plan *p, TwRgStep *s) {
  TwRgFast *f = p->f;
  const size_t lanes = (size_t)f->blocks * TW_RG_BLOCK;
  for (uint32_t j = 0; j < p->n_results; j++) {
    const Result *r = &p->results[j];
    if (r->alive && p->write) f->places[s->place + r->lane] = r->bias;
    for (uint32_t k = r->term; r->alive && k < r->term + r->n_terms; k++) {
      uint32_t c;
      if (!find_column(p, s, p->terms[k].source, j, &c)) return false;
      if (!p->write) continue;
      f->columns[s->column + c] = column_of(f, p->terms[k].source);
      f->places[s->place + (1 + c) * lanes + r->lane] = p->terms[k].place;
    }
  }
  return true;
}

/* Relus of one operand are one unit; where it is zero, so are they, and so is it if it is still needed. */
static void write_units(Plan *p, TwRgStep *s) {
  for (uint32_t j = 0; j < p->n_results; j++) {
    const Result *r = &p->results[j];
    if (!r->relu || !r->alive) continue;
    uint64_t zero = r->operand >= 0 && r->operand < RESULT ? bit((uint32_t)r->operand) & s->kept : 0;
    for (uint32_t k = 0; k < p->n_results; k++)
      if (p->results[k].alive && p->results[k].operand == r->operand) zero |= bit(p->results[k].lane);
    s->relus |= bit(r->lane);
    if (!(s->units & zero)) s->units |= bit(r->lane);
    if (p->write) p->f->zeros[s->zero + r->lane] = zero;
  }
}

/* False: there is no room, in the lanes or for so many columns. */
static bool find_steps(Plan *p) {
  TwRgFast *f = p->f;
  size_t lanes = (size_t)f->blocks * TW_RG_BLOCK;
  p->i = 0;
  p->n_columns = p->n_places = p->n_zeros = 0;
  f->n_steps = 0;
  for (uint32_t k = 0; k < RESULT; k++) p->holds[k] = k == 0 ? THE_INPUT : NOTHING;
  while (p->i < p->tape->n_ops) {
    TwRgStep s = {.column = (uint32_t)p->n_columns, .place = p->n_places, .zero = p->n_zeros};
    if (!take_ops(p) || !give_lanes(p, &s) || !write_map(p, &s)) return false;
    write_units(p, &s);
    p->n_columns += s.n_columns;
    p->n_places += lanes * (1 + s.n_columns);
    p->n_zeros += lanes;
    f->steps[f->n_steps++] = s;
  }
  return true;
}

/* ---- memory */

static void *aligned(size_t n, size_t size) { return aligned_alloc(64, (n * size + 63) / 64 * 64 + 64); }

/* Room for what has been counted. */
static bool make_room(TwRgFast *f, const Plan *p) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < f->n_steps; i++)
    if (f->steps[i].n_columns > most) most = f->steps[i].n_columns;
  f->gamma = (most + 8) * 0x1p-53;
  f->blocks = f->n_lanes > TW_RG_BLOCK ? (f->n_lanes + TW_RG_BLOCK - 1) / TW_RG_BLOCK : 1;
  const size_t lanes = (size_t)f->blocks * TW_RG_BLOCK, n_places = p->n_places + (f->n_steps + p->n_columns) * lanes;
  f->stride = 2 * lanes + TW_RG_BLOCK;
  f->cap = CACHE_DOUBLES / f->stride < MOST_POINTS ? (uint32_t)(CACHE_DOUBLES / f->stride) : MOST_POINTS;
  f->columns = calloc(p->n_columns + 1, sizeof *f->columns);
  f->places = calloc(n_places + 1, sizeof *f->places);
  f->zeros = calloc(f->n_steps * lanes + 1, sizeof *f->zeros);
  f->all = aligned((size_t)2 * f->half, sizeof *f->all);
  f->coeff = aligned(2 * (most + 1) * lanes, sizeof *f->coeff);
  f->depends = aligned(lanes, sizeof *f->depends);
  f->pos = aligned(f->cap + 2, sizeof *f->pos);
  f->neg = aligned(f->cap + 2, sizeof *f->neg);
  f->ends = aligned(f->cap, sizeof *f->ends);
  bool ok = f->columns && f->places && f->zeros && f->all && f->coeff && f->depends && f->pos && f->neg;
  for (int b = 0; b < 3; b++) {
    f->rows[b] = aligned(f->cap * f->stride, sizeof **f->rows);
    f->kink[b] = aligned(f->cap, sizeof **f->kink);
    ok = ok && f->rows[b] && f->kink[b];
  }
  for (size_t k = 0; ok && k < n_places; k++) f->places[k] = place_of(f->tape, TW_PL_ZERO);
  return ok && f->ends;
}

static bool applies(const TwRgTape *t) {
#if defined(__x86_64__) && defined(__GNUC__)
  return !t->error && t->n_ops > 0 && t->n_slots <= TW_RG_MOST_LANES && tw_rt_cpu_can(TW_RT_CPU_256);
#else
  return (void)t, false;
#endif
}

TwRgFast *tw_rg_fast_new(const TwRgTape *t) {
  TwRgFast *f = applies(t) ? calloc(1, sizeof *f) : NULL;
  if (!f) return NULL;
  f->tape = t;
  f->half = (t->n_coeffs + 7) / 4 * 4;
  f->steps = calloc(t->n_ops, sizeof *f->steps);
  Plan *p = calloc(1, sizeof *p);
  bool ok = f->steps && p;
  if (ok) {
    p->f = f, p->tape = t;
    ok = find_steps(p) && make_room(f, p);
    p->write = true;
    ok = ok && find_steps(p);
  }
  if (ok) f->output = column_of(f, p->holds[t->output]);
  free(p);
  if (ok) return f;
  tw_rg_fast_free(f);
  return NULL;
}

void tw_rg_fast_free(TwRgFast *f) {
  if (!f) return;
  free(f->steps);
  free(f->columns);
  free(f->places);
  free(f->zeros);
  free(f->all);
  free(f->coeff);
  free(f->depends);
  free(f->pos);
  free(f->neg);
  free(f->ends);
  for (int b = 0; b < 3; b++) {
    free(f->rows[b]);
    free(f->kink[b]);
  }
  free(f);
}
