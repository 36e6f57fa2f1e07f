/* generate.c: see generate.h. */
#include "generate.h"

enum { POOL = 96, MAX_DEPTH = 2 };
static const double LIMIT = 4; /* values of the pool are at most this large */

typedef struct Value {
  TwRef r;
  double bound;
} Value;
typedef struct Gen {
  TwModule *m;
  TwFn *f;
  Rng *rng;
  int depth;
  uint32_t n, n_ints;
  Value pool[POOL];
  TwRef ints[8]; /* int scalars that are not literals */
} Gen;

static uint32_t below(Gen *g, uint32_t n) { return rng_below(g->rng, n); }
static TwTyInfo info(const Gen *g, TwRef r) { return *tw_info(g->f, r); }
static TwTy type_of(const Gen *g, TwRef r) { return tw_type(g->f, r); }
static TwTy real(Gen *g, uint32_t rank, int64_t a, int64_t b) { return tw_ty(g->m, TW_REAL, rank, (int64_t[]){a, b}); }
static TwRef number(Gen *g, TwTy t, double v) { return tw_const(g->f, t, v); }
static TwRef un(Gen *g, TwOp op, TwRef a) { return tw_unary(g->f, op, a); }
static TwRef bin(Gen *g, TwOp op, TwRef a, TwRef b) { return tw_binary(g->f, op, a, b); }
static TwRef times(Gen *g, TwRef a, double k) { return bin(g, TW_OP_mul, a, number(g, type_of(g, a), k)); }

static TwTy some_type(Gen *g) {
  switch (below(g, 6)) {
    case 0:
    case 1: return real(g, 0, 0, 0);
    case 2: return real(g, 1, 2, 0);
    case 3: return real(g, 1, 3, 0);
    case 4: return real(g, 2, 2, 3);
  }
  return real(g, 2, 3, 2);
}

/* Into the pool; what has grown too large is squashed or scaled. */
static void push(Gen *g, TwRef r, double bound) {
  if (bound > LIMIT) {
    r = below(g, 2) ? un(g, TW_OP_tanh, times(g, r, 2 / bound)) : times(g, r, LIMIT / bound);
    bound = LIMIT;
  }
  Value v = {r, bound};
  if (g->n < POOL) g->pool[g->n++] = v;
  else g->pool[below(g, POOL)] = v;
}

static Value any(Gen *g) { return g->pool[below(g, g->n)]; }

static Value as_scalar(Gen *g, Value v) {
  TwTyInfo t = info(g, v.r);
  if (!t.rank) return v;
  return (Value){times(g, tw_sum_all(g->f, v.r), 1 / (double)t.count), v.bound};
}

/* A value of the given type, preferably one that there is. */
static Value of_type(Gen *g, TwTy type) {
  Value found = {0};
  uint32_t seen = 0;
  for (uint32_t k = 0; k < g->n; k++)
    if (type_of(g, g->pool[k].r) == type && below(g, ++seen) == 0) found = g->pool[k];
  if (found.r && below(g, 8)) return found;
  Value v = any(g);
  if (tw_ty_info(g->m, type)->rank == info(g, v.r).rank && type_of(g, v.r) == type) return v;
  if (info(g, v.r).count == tw_ty_info(g->m, type)->count) return (Value){tw_reshape(g->f, v.r, type), v.bound};
  v = as_scalar(g, v);
  return (Value){tw_fit(g->f, v.r, type), v.bound};
}

static TwRef boolean(Gen *g, TwTy shape) {
  TwRef a = of_type(g, shape).r, b = below(g, 2) ? of_type(g, shape).r : number(g, shape, rng_uniform(g->rng, -1, 1));
  static const TwOp ops[] = {TW_OP_lt, TW_OP_le, TW_OP_lt, TW_OP_ne, TW_OP_eq};
  TwRef p = bin(g, ops[below(g, 5)], a, b);
  if (below(g, 3)) return p;
  TwRef q = bin(g, TW_OP_lt, b, number(g, shape, 0.1));
  return un(g, TW_OP_not, bin(g, below(g, 2) ? TW_OP_and : TW_OP_or, p, q));
}

/* An index below n. */
static TwRef integer(Gen *g, int64_t n) {
  TwRef i = tw_int(g->f, below(g, (uint32_t)n));
  if (g->n_ints && below(g, 3)) i = g->ints[below(g, g->n_ints)];
  else if (!below(g, 3)) i = un(g, TW_OP_to_int, un(g, TW_OP_floor, times(g, as_scalar(g, any(g)).r, 3)));
  else if (!below(g, 4)) i = tw_index(g->f, tw_iota(g->f, n), i);
  return bin(g, TW_OP_mod, i, tw_int(g->f, n));
}

/* ---- elementwise steps */

static void step_unary(Gen *g) {
  Value x = any(g);
  TwTy t = type_of(g, x.r);
  TwRef positive = bin(g, TW_OP_add, bin(g, TW_OP_mul, x.r, x.r), number(g, t, 0.5));
  TwRef unit = times(g, x.r, 1 / x.bound);
  switch (below(g, 21)) {
    case 0: push(g, un(g, TW_OP_neg, x.r), x.bound); break;
    case 1: push(g, un(g, TW_OP_abs, x.r), x.bound); break;
    case 2:
    case 3: push(g, un(g, TW_OP_relu, x.r), x.bound); break;
    case 4: push(g, un(g, TW_OP_sqrt, positive), x.bound + 1); break;
    case 5: push(g, un(g, TW_OP_exp, unit), 2.8); break;
    case 6: push(g, un(g, TW_OP_expm1, unit), 1.8); break;
    case 7: push(g, un(g, TW_OP_log, positive), 3); break;
    case 8: push(g, un(g, TW_OP_log1p, bin(g, TW_OP_mul, x.r, x.r)), 3); break;
    case 9: push(g, un(g, TW_OP_sin, x.r), 1); break;
    case 10: push(g, un(g, TW_OP_cos, x.r), 1); break;
    case 11: push(g, un(g, TW_OP_tan, unit), 1.6); break;
    case 12: push(g, un(g, TW_OP_asin, times(g, unit, 0.7)), 1); break;
    case 13: push(g, un(g, TW_OP_acos, times(g, unit, 0.7)), 2.5); break;
    case 14: push(g, un(g, TW_OP_atan, x.r), 1.6); break;
    case 15: push(g, un(g, TW_OP_sinh, unit), 1.2); break;
    case 16: push(g, un(g, TW_OP_cosh, unit), 1.6); break;
    case 17: push(g, un(g, TW_OP_tanh, x.r), 1); break;
    case 18: push(g, un(g, TW_OP_logistic, x.r), 1); break;
    case 19:
      push(g, bin(g, TW_OP_mul, x.r, un(g, below(g, 2) ? TW_OP_sign : TW_OP_floor, x.r)), x.bound * (x.bound + 1));
      break;
    case 20: push(g, bin(g, TW_OP_div, of_type(g, t).r, positive), 2 * LIMIT); break;
  }
}

static void step_binary(Gen *g) {
  Value x = any(g), y = of_type(g, type_of(g, x.r));
  TwTy t = type_of(g, x.r);
  TwRef positive = bin(g, TW_OP_add, bin(g, TW_OP_mul, y.r, y.r), number(g, t, 0.5));
  switch (below(g, 14)) {
    case 1: { /* a product whose partials are stated */
      TwRef a = un(g, TW_OP_stop, bin(g, TW_OP_mul, x.r, y.r));
      push(g, tw_along(g->f, tw_along(g->f, a, x.r, y.r), y.r, x.r), x.bound * y.bound);
      break;
    }
    case 0: push(g, bin(g, TW_OP_add, x.r, y.r), x.bound + y.bound); break;
    case 2: push(g, bin(g, TW_OP_sub, x.r, y.r), x.bound + y.bound); break;
    case 3:
    case 4: push(g, bin(g, TW_OP_mul, x.r, y.r), x.bound * y.bound); break;
    case 5: push(g, bin(g, TW_OP_mul0, x.r, y.r), x.bound * y.bound); break;
    case 6: push(g, bin(g, TW_OP_div, x.r, positive), 2 * x.bound); break;
    case 7: push(g, bin(g, TW_OP_pow, positive, times(g, x.r, 0.5 / x.bound)), y.bound + 2); break;
    case 8: push(g, bin(g, TW_OP_atan2, x.r, positive), 1.6); break;
    case 9: push(g, bin(g, TW_OP_min, x.r, y.r), x.bound > y.bound ? x.bound : y.bound); break;
    case 10: push(g, bin(g, TW_OP_max, x.r, y.r), x.bound > y.bound ? x.bound : y.bound); break;
    case 11: {
      Value z = of_type(g, t);
      push(g, tw_fma(g->f, x.r, y.r, z.r), x.bound * y.bound + z.bound);
      break;
    }
    case 12: push(g, tw_select(g->f, boolean(g, t), x.r, y.r), x.bound > y.bound ? x.bound : y.bound); break;
    case 13: push(g, bin(g, TW_OP_mul, x.r, un(g, TW_OP_to_real, boolean(g, t))), x.bound); break;
  }
}

/* ---- tensors */

static Value some_tensor(Gen *g) {
  for (int tries = 0; tries < 8; tries++) {
    Value v = any(g);
    TwTyInfo t = info(g, v.r);
    if (t.rank >= 1 && t.rank <= 3) return v;
  }
  return of_type(g, below(g, 2) ? real(g, 2, 2, 3) : real(g, 1, 3, 0));
}

static void lattice_step(Gen *g, Value x, TwTyInfo t, bool pad) {
  int64_t dims[TW_MAX_RANK] = {0}, lattice[2 * TW_MAX_RANK] = {0};
  for (uint32_t k = 0; k < t.rank; k++) {
    int64_t start = below(g, 2), step = 1 + below(g, 2);
    if (!pad && start >= t.dims[k]) start = 0;
    dims[k] = pad ? start + (t.dims[k] - 1) * step + 1 + below(g, 2) : (t.dims[k] - 1 - start) / step + 1;
    lattice[2 * k] = start;
    lattice[2 * k + 1] = step;
  }
  TwTy to = tw_ty(g->m, TW_REAL, t.rank, dims);
  if (tw_ty_info(g->m, to)->count > 40) return;
  push(g, pad ? tw_pad(g->f, x.r, to, lattice) : tw_slice(g->f, x.r, to, lattice), x.bound);
}

static void reduction_step(Gen *g, Value x, TwTyInfo t) {
  int64_t axis = below(g, t.rank);
  double n = (double)t.dims[axis];
  switch (below(g, 4)) {
    case 0: push(g, tw_sum(g->f, x.r, &axis, 1), n * x.bound); break;
    case 1: push(g, tw_reduce(g->f, TW_OP_rmax, x.r, &axis, 1), x.bound); break;
    case 2: push(g, tw_reduce(g->f, TW_OP_rmin, x.r, &axis, 1), x.bound); break;
    case 3:
      push(g, tw_select(g->f, tw_argmask(g->f, below(g, 2), x.r, &axis, 1), x.r, of_type(g, type_of(g, x.r)).r), LIMIT);
      break;
  }
}

static void dot_step(Gen *g, Value x, TwTyInfo t) {
  for (int tries = 0; tries < 10; tries++) {
    Value y = some_tensor(g);
    TwTyInfo u = info(g, y.r);
    int64_t a = below(g, t.rank), b = below(g, u.rank);
    if (t.dims[a] != u.dims[b] || t.rank + u.rank - 2 > 3 || t.count * u.count > 400) continue;
    push(g, tw_dot(g->f, x.r, y.r, &a, &b, 1), (double)t.dims[a] * x.bound * y.bound);
    return;
  }
}

static void step_tensor(Gen *g) {
  Value x = some_tensor(g);
  TwTyInfo t = info(g, x.r);
  int64_t perm[TW_MAX_RANK] = {0}, axes[TW_MAX_RANK] = {0};
  switch (below(g, 13)) {
    case 0: { /* a new axis somewhere */
      int64_t dims[TW_MAX_RANK], at = below(g, t.rank + 1);
      if (t.count > 12) break;
      for (uint32_t k = 0, o = 0; k <= t.rank; k++) {
        if (k == at) dims[k] = 2;
        else axes[o] = k, dims[k] = t.dims[o++];
      }
      push(g, tw_broadcast(g->f, x.r, tw_ty(g->m, TW_REAL, t.rank + 1, dims), axes), x.bound);
      break;
    }
    case 1: push(g, tw_reshape(g->f, x.r, real(g, 1, t.count, 0)), x.bound); break;
    case 2:
      for (uint32_t k = 0; k < t.rank; k++) perm[k] = (k + 1) % t.rank;
      push(g, tw_transpose(g->f, x.r, perm), x.bound);
      break;
    case 3: push(g, tw_reverse(g->f, x.r, below(g, t.rank)), x.bound); break;
    case 4: lattice_step(g, x, t, false); break;
    case 5: lattice_step(g, x, t, true); break;
    case 6: {
      TwRef parts[2] = {x.r, of_type(g, type_of(g, x.r)).r};
      if (t.count <= 12) push(g, tw_concat(g->f, parts, 2, below(g, t.rank)), LIMIT);
      break;
    }
    case 7:
    case 8: push(g, tw_index(g->f, x.r, integer(g, t.dims[0])), x.bound); break;
    case 9: {
      Value v = of_type(g, tw_ty_tail(g->m, type_of(g, x.r)));
      push(g, tw_add_at(g->f, x.r, integer(g, t.dims[0]), v.r), x.bound + v.bound);
      break;
    }
    case 10: reduction_step(g, x, t); break;
    case 11: dot_step(g, x, t); break;
    case 12:
      push(g,
           bin(g, TW_OP_mul, x.r,
               tw_draw(g->f, type_of(g, x.r), tw_int(g->f, below(g, 9)), tw_int(g->f, 0), below(g, 9))),
           x.bound);
      break;
  }
}

/* ---- regions */

static void steps(Gen *g, uint32_t n);

/* A body under construction, with the operands its params are bound to. */
typedef struct Region {
  Gen inner;
  TwRef args[12];
  uint32_t n_args;
} Region;

static void open_region(Gen *g, Region *r) {
  *r = (Region){.inner = {.m = g->m, .f = tw_fn_new(g->m, "body"), .rng = g->rng, .depth = g->depth + 1}};
}
static void bind(Region *r, TwRef arg, TwTy param, double bound) {
  push(&r->inner, tw_param(r->inner.f, param), bound);
  r->args[r->n_args++] = arg;
}
static void bind_consts(Gen *g, Region *r, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    Value v = any(g);
    bind(r, v.r, type_of(g, v.r), v.bound);
  }
}

/* An operand with leading axis n. */
static void bind_x(Gen *g, Region *r, int64_t n) {
  TwTy element = below(g, 2) ? real(g, 0, 0, 0) : real(g, 1, 2, 0);
  TwTy type = tw_ty_lead(g->m, n, element);
  Value v = of_type(g, type), w = of_type(g, element);
  if (below(g, 2)) bind(r, v.r, element, v.bound);
  else {
    int64_t first = 0;
    TwRef ramp = tw_broadcast(g->f, un(g, TW_OP_to_real, tw_iota(g->f, n)), type, &first);
    int64_t axes[1] = {1};
    TwRef rows = tw_broadcast(g->f, w.r, type, axes);
    bind(r, bin(g, TW_OP_mul, un(g, TW_OP_cos, ramp), rows), element, w.bound);
  }
}

static void step_scan(Gen *g) {
  Region r;
  open_region(g, &r);
  static const int64_t trips[] = {1, 2, 3, 3, 5, 0};
  TwRegion scan = {.trip = trips[below(g, 5 + !below(g, 4))], .reverse = below(g, 2)};
  scan.n_consts = below(g, 3), scan.n_carry = 1 + below(g, 2), scan.n_xs = below(g, 2), scan.n_ys = below(g, 2);
  r.inner.ints[r.inner.n_ints++] = tw_param(r.inner.f, tw_ty_scalar(g->m, TW_INT));
  bind_consts(g, &r, scan.n_consts);
  for (uint32_t k = 0; k < scan.n_carry; k++) {
    TwTy t = some_type(g);
    Value v = below(g, 6) ? of_type(g, t) : (Value){number(g, t, 0.5), 1};
    bind(&r, v.r, t, v.bound > 1 ? v.bound : 1);
  }
  for (uint32_t k = 0; k < scan.n_xs; k++) bind_x(g, &r, scan.trip);
  steps(&r.inner, 3 + below(g, 6));
  for (uint32_t k = 0; k < scan.n_carry; k++)
    tw_result(r.inner.f, un(&r.inner, TW_OP_tanh, of_type(&r.inner, type_of(g, r.args[scan.n_consts + k])).r));
  for (uint32_t k = 0; k < scan.n_ys; k++) {
    Value v = r.inner.pool[r.inner.n - 1];
    tw_result(r.inner.f, info(&r.inner, v.r).rank < 3 ? v.r : as_scalar(&r.inner, v).r);
  }
  scan.body = tw_fn_seal(r.inner.f);
  TwRef region = tw_emit_region(g->f, TW_OP_scan, &scan, r.args, r.n_args);
  for (uint32_t k = 0; k < scan.n_carry; k++) push(g, tw_get(g->f, region, k), LIMIT);
  for (uint32_t k = 0; k < scan.n_ys && scan.trip; k++) push(g, tw_get(g->f, region, scan.n_carry + k), LIMIT);
}

static void step_samples(Gen *g) {
  Region r;
  open_region(g, &r);
  static const int64_t trips[] = {2, 3, 5, 19};
  TwRegion s = {.trip = trips[below(g, 4)],
                .n_consts = 1 + below(g, 2),
                .n_xs = below(g, 3),
                .n_carry = 1 + below(g, 2),
                .n_ys = below(g, 2)};
  bind_consts(g, &r, s.n_consts);
  for (uint32_t k = 0; k < s.n_xs; k++) bind_x(g, &r, s.trip);
  steps(&r.inner, 4 + below(g, 6));
  for (uint32_t k = 0; k < s.n_carry; k++) {
    Value v = r.inner.pool[r.inner.n - 1 - below(g, r.inner.n < 3 ? r.inner.n : 3)];
    tw_result(r.inner.f, below(g, 2) ? v.r : as_scalar(&r.inner, v).r);
  }
  for (uint32_t k = 0; k < s.n_ys; k++) tw_result(r.inner.f, as_scalar(&r.inner, any(&r.inner)).r);
  s.body = tw_fn_seal(r.inner.f);
  TwRef region = tw_emit_region(g->f, TW_OP_samples, &s, r.args, r.n_args);
  for (uint32_t k = 0; k < s.n_carry; k++) push(g, tw_get(g->f, region, k), LIMIT * (double)s.trip);
  for (uint32_t k = 0; k < s.n_ys; k++) push(g, tw_get(g->f, region, s.n_carry + k), LIMIT);
}

/* Both branches are over the same operands: their bodies are made one after the other. */
static void step_cond(Gen *g) {
  Region a, b;
  open_region(g, &a);
  open_region(g, &b);
  uint32_t n = 1 + below(g, 2), n_ys = 1 + below(g, 2);
  a.args[a.n_args++] = b.args[b.n_args++] = boolean(g, real(g, 0, 0, 0));
  for (uint32_t k = 0; k < n; k++) {
    Value v = any(g);
    bind(&a, v.r, type_of(g, v.r), v.bound);
    bind(&b, v.r, type_of(g, v.r), v.bound);
  }
  steps(&a.inner, 2 + below(g, 5));
  steps(&b.inner, 2 + below(g, 5));
  for (uint32_t k = 0; k < n_ys; k++) {
    TwTy t = some_type(g);
    tw_result(a.inner.f, of_type(&a.inner, t).r);
    tw_result(b.inner.f, below(g, 6) ? of_type(&b.inner, t).r : tw_zeros(b.inner.f, t));
  }
  TwRegion c = {.body = tw_fn_seal(a.inner.f), .other = tw_fn_seal(b.inner.f), .n_consts = n, .n_ys = n_ys};
  TwRef region = tw_emit_region(g->f, TW_OP_cond, &c, a.args, a.n_args);
  for (uint32_t k = 0; k < n_ys; k++) push(g, tw_get(g->f, region, k), LIMIT);
}

static void steps(Gen *g, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    uint32_t which = below(g, 16);
    if (which < 5) step_unary(g);
    else if (which < 9) step_binary(g);
    else if (which < 13 || g->depth >= MAX_DEPTH) step_tensor(g);
    else if (which == 13) step_scan(g);
    else if (which == 14) step_samples(g);
    else step_cond(g);
  }
}

const TwFn *generate(TwModule *m, Rng *rng, Data *x) {
  Gen g = {.m = m, .f = tw_fn_new(m, "random"), .rng = rng};
  for (uint32_t k = 0, n = 2 + below(&g, 3); k < n; k++) push(&g, tw_param(g.f, some_type(&g)), 2);
  steps(&g, 8 + below(&g, 16));
  for (uint32_t k = 0, n = 2 + below(&g, 4); k < n; k++) tw_result(g.f, g.pool[g.n - 1 - k].r);
  const TwFn *f = tw_fn_seal(g.f);
  *x = data_params(f);
  for (uint32_t k = 0; k < x->n; k++) data_random(rng, x, k, -1.5, 1.5);
  return f;
}

void count_ops(const TwFn *f, uint64_t counts[TW_OP_COUNT]) {
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    counts[op]++;
    if (op != TW_OP_scan && op != TW_OP_samples && op != TW_OP_cond) continue;
    count_ops(tw_region(f, r)->body, counts);
    if (op == TW_OP_cond) count_ops(tw_region(f, r)->other, counts);
  }
}
