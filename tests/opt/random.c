/* random.c: passes leave the meaning of random programs alone.
 *
 * Programs have tensors of a few shapes, elementwise and shape operations, reductions, dots, and nested loops
 * and branches. Their values stay bounded and depend continuously on rounding, so what a pass may reorder is
 * compared by tolerance, and what it may not by bits. Usage: test_opt_random [first seed] [number of
 * programs]. */
#include <stdio.h>
#include <stdlib.h>

#include "compiler/ir/passes.h"
#include "tests/opt/programs.h"

static int failures;

enum { ROWS = 3, N_SHAPES = 5, MAX_POOL = 128 };

typedef struct Gen {
  TwModule *m;
  uint64_t state;
  TwTy shape[N_SHAPES]; /* [], [3], [2,3], [3,2], [3,3] */
} Gen;

typedef struct Scope {
  TwFn *f;
  TwRef pool[MAX_POOL];
  uint32_t n;
  TwRef counter, flag; /* an int below ROWS, a bool; 0: none */
} Scope;

static uint32_t roll(Gen *g, uint32_t n) {
  g->state = g->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(g->state >> 33) % n;
}

static void keep(Scope *s, TwRef r) {
  if (s->n < MAX_POOL) s->pool[s->n++] = r;
}

/* A value of the type: one from the pool, or a literal, 0 and 1 more often than others. */
static TwRef pick(Gen *g, Scope *s, TwTy t) {
  uint32_t back = s->n ? roll(g, 1 + roll(g, s->n)) : 0; /* recent ones more often */
  for (uint32_t k = 0; k < s->n && (k || roll(g, 8)); k++) {
    TwRef r = s->pool[(2 * s->n - 1 - back - k) % s->n];
    if (tw_type(s->f, r) == t) return r;
  }
  static const double literals[] = {0, 1, -1, 0, 1, 0.5, -0.25};
  return tw_const(s->f, t, literals[roll(g, 7)]);
}

static TwTy any_shape(Gen *g) { return g->shape[roll(g, N_SHAPES)]; }

static TwRef small(Scope *s, TwRef r) { return tw_unary(s->f, TW_OP_tanh, r); }

static void emit_elementwise(Gen *g, Scope *s) {
  static const TwOp unary[] = {TW_OP_neg, TW_OP_abs, TW_OP_relu, TW_OP_sin, TW_OP_tanh, TW_OP_neg};
  static const TwOp binary[] = {TW_OP_add, TW_OP_sub, TW_OP_mul, TW_OP_mul, TW_OP_min, TW_OP_max, TW_OP_mul0};
  TwTy t = any_shape(g);
  TwRef a = pick(g, s, t), b = pick(g, s, t);
  if (roll(g, 20) == 0) {
    keep(s, tw_along(s->f, tw_unary(s->f, TW_OP_stop, a), b, a));
  } else if (roll(g, 3) == 0) {
    keep(s, tw_unary(s->f, unary[roll(g, 6)], a));
  } else if (s->flag && roll(g, 6) == 0) {
    keep(s, tw_select(s->f, tw_fit(s->f, s->flag, tw_ty_with(g->m, TW_BOOL, t)), a, b));
  } else {
    TwRef r = tw_binary(s->f, binary[roll(g, 7)], a, b);
    keep(s, roll(g, 3) ? r : small(s, r));
  }
}

static void emit_shape(Gen *g, Scope *s) {
  TwFn *f = s->f;
  static const int64_t swap[2] = {1, 0};
  TwRef v = pick(g, s, g->shape[1]), a = pick(g, s, g->shape[2]), q = pick(g, s, g->shape[4]);
  switch (roll(g, 12)) {
    case 0: keep(s, tw_transpose(f, a, swap)); break;
    case 1: keep(s, tw_reshape(f, a, g->shape[3])); break;
    case 2: keep(s, tw_reverse(f, v, 0)); break;
    case 3: keep(s, tw_broadcast(f, v, g->shape[2], (int64_t[]){1})); break;
    case 4: keep(s, tw_broadcast(f, v, g->shape[4], (int64_t[]){roll(g, 2)})); break;
    case 5: keep(s, tw_index(f, q, s->counter && roll(g, 2) ? s->counter : tw_int(f, roll(g, ROWS)))); break;
    case 6: keep(s, tw_index(f, v, s->counter && roll(g, 2) ? s->counter : tw_int(f, roll(g, ROWS)))); break;
    case 7: keep(s, tw_slice(f, q, g->shape[2], (int64_t[]){roll(g, 2), 1, 0, 1})); break;
    case 8: {
      TwRef part = tw_slice(f, v, tw_ty(g->m, TW_REAL, 1, (int64_t[]){2}), (int64_t[]){0, 2});
      TwRef x = tw_pad(f, part, g->shape[1], (int64_t[]){roll(g, 2), 1}),
            y = tw_pad(f, part, g->shape[1], (int64_t[]){0, 2});
      keep(s, tw_binary(f, TW_OP_add, x, y));
      break;
    }
    case 9: keep(s, tw_stack(f, (TwRef[]){v, pick(g, s, g->shape[1]), pick(g, s, g->shape[1])}, 3)); break;
    case 10: {
      TwRef x = pick(g, s, g->shape[0]), y = pick(g, s, g->shape[0]);
      keep(s, tw_stack(f, (TwRef[]){x, y, pick(g, s, g->shape[0])}, 3));
      break;
    }
    default: {
      TwRef i = s->counter && roll(g, 2) ? s->counter : tw_int(f, roll(g, ROWS));
      keep(s, tw_add_at(f, v, i, pick(g, s, g->shape[0])));
    }
  }
}

static void emit_reduction(Gen *g, Scope *s) {
  TwFn *f = s->f;
  TwRef v = pick(g, s, g->shape[1]), a = pick(g, s, g->shape[2]), q = pick(g, s, g->shape[4]);
  static const int64_t zero = 0, one = 1;
  switch (roll(g, 7)) {
    case 0: keep(s, small(s, tw_sum_all(f, q))); break;
    case 1: keep(s, small(s, tw_sum(f, a, &zero, 1))); break;
    case 2: keep(s, small(s, tw_dot(f, q, v, &one, &zero, 1))); break;
    case 3: {
      TwRef r = tw_binary(f, TW_OP_add, tw_dot(f, q, v, &one, &zero, 1), pick(g, s, g->shape[1]));
      keep(s, small(s, r));
      break;
    }
    case 4: keep(s, small(s, tw_dot(f, a, q, &one, &zero, 1))); break;
    case 5: keep(s, tw_dot(f, v, pick(g, s, g->shape[1]), NULL, NULL, 0)); break;
    default: keep(s, tw_reduce(f, roll(g, 2) ? TW_OP_rmax : TW_OP_rmin, q, &one, 1));
  }
}

static void emit_some(Gen *g, Scope *s, uint32_t n, uint32_t depth);

enum { MAX_OPERANDS = 12 };

/* A body with consts picked from outside; args gets the operands. */
static TwFn *open_body(Gen *g, Scope *outer, Scope *in, bool counts, TwRef *args, uint32_t n_consts) {
  TwFn *b = tw_fn_new(g->m, "body");
  *in = (Scope){.f = b, .flag = 0};
  if (counts) in->counter = tw_param(b, tw_ty_scalar(g->m, TW_INT));
  for (uint32_t k = 0; k < n_consts; k++) {
    TwTy t = any_shape(g);
    args[k] = pick(g, outer, t);
    keep(in, tw_param(b, t));
  }
  return b;
}

static void emit_scan(Gen *g, Scope *s, uint32_t depth) {
  static const int64_t trips[] = {1, 3, 3, 3, 11};
  TwRef args[MAX_OPERANDS];
  Scope in;
  int64_t trip = trips[roll(g, 5)];
  TwRegion d = {.trip = trip,
                .reverse = roll(g, 2),
                .n_consts = roll(g, 4),
                .n_carry = roll(g, 3),
                .n_xs = roll(g, 3),
                .n_ys = 1 + roll(g, 2)};
  TwFn *b = open_body(g, s, &in, true, args, d.n_consts);
  if (trip > ROWS) in.counter = 0;
  TwTy carry[4];
  uint32_t n = d.n_consts;
  for (uint32_t k = 0; k < d.n_carry; k++) {
    carry[k] = any_shape(g);
    args[n++] = pick(g, s, carry[k]);
    keep(&in, tw_param(b, carry[k]));
  }
  for (uint32_t k = 0; k < d.n_xs; k++) {
    bool plain = trip == ROWS;
    TwTy t = plain ? g->shape[roll(g, 2) ? 1 : 4] : tw_ty_lead(g->m, trip, g->shape[roll(g, 3)]);
    TwRef x = plain ? pick(g, s, t) : tw_broadcast(s->f, pick(g, s, tw_ty_tail(g->m, t)), t, (int64_t[]){1, 2});
    if (!plain)
      x = tw_binary(s->f, TW_OP_mul, x,
                    tw_broadcast(s->f, tw_unary(s->f, TW_OP_to_real, tw_iota(s->f, trip)), t, (int64_t[]){0}));
    args[n++] = plain ? x : small(s, x);
    keep(&in, tw_param(b, tw_ty_tail(g->m, t)));
  }
  emit_some(g, &in, 3 + roll(g, 8), depth + 1);
  for (uint32_t k = 0; k < d.n_carry; k++) tw_result(b, small(&in, pick(g, &in, carry[k])));
  TwTy ys[2];
  for (uint32_t k = 0; k < d.n_ys; k++) tw_result(b, pick(g, &in, ys[k] = g->shape[roll(g, 2)]));
  d.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(s->f, TW_OP_scan, &d, args, n);
  for (uint32_t k = 0; k < d.n_carry; k++) keep(s, tw_get(s->f, r, k));
  for (uint32_t k = 0; k < d.n_ys; k++) {
    TwRef y = tw_get(s->f, r, d.n_carry + k);
    if (trip == ROWS) keep(s, y);
    else keep(s, small(s, tw_sum(s->f, y, (int64_t[]){0}, 1)));
  }
}

static void emit_samples(Gen *g, Scope *s, uint32_t depth) {
  TwRef args[MAX_OPERANDS];
  Scope in;
  TwRegion d = {
      .trip = ROWS, .n_consts = 1 + roll(g, 4), .n_carry = 1 + roll(g, 2), .n_xs = 1 + roll(g, 2), .n_ys = roll(g, 3)};
  TwFn *b = open_body(g, s, &in, false, args, d.n_consts);
  uint32_t n = d.n_consts;
  for (uint32_t k = 0; k < d.n_xs; k++) {
    TwTy t = g->shape[roll(g, 2) ? 1 : 4];
    args[n++] = pick(g, s, t);
    keep(&in, tw_param(b, tw_ty_tail(g->m, t)));
  }
  emit_some(g, &in, 4 + roll(g, 10), depth + 1);
  for (uint32_t k = 0; k < d.n_carry; k++) tw_result(b, pick(g, &in, any_shape(g)));
  for (uint32_t k = 0; k < d.n_ys; k++) tw_result(b, pick(g, &in, g->shape[roll(g, 2)]));
  d.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(s->f, TW_OP_samples, &d, args, n);
  for (uint32_t k = 0; k < d.n_carry; k++) keep(s, small(s, tw_get(s->f, r, k)));
  for (uint32_t k = 0; k < d.n_ys; k++) keep(s, tw_get(s->f, r, d.n_carry + k));
}

static void emit_cond(Gen *g, Scope *s, uint32_t depth) {
  if (!s->flag) return;
  TwRef args[MAX_OPERANDS];
  TwRegion d = {.n_consts = 1 + roll(g, 3), .n_ys = 1 + roll(g, 2)};
  Scope a, b = {0};
  TwFn *body = open_body(g, s, &a, false, args + 1, d.n_consts), *other = tw_fn_new(g->m, "other");
  b.f = other;
  for (uint32_t k = 0; k < d.n_consts; k++) keep(&b, tw_param(other, tw_type(s->f, args[1 + k])));
  args[0] = s->flag;
  emit_some(g, &a, 2 + roll(g, 5), depth + 1);
  emit_some(g, &b, 2 + roll(g, 5), depth + 1);
  for (uint32_t k = 0; k < d.n_ys; k++) {
    TwTy t = any_shape(g);
    tw_result(body, pick(g, &a, t));
    tw_result(other, pick(g, &b, t));
  }
  d.body = tw_fn_seal(body);
  d.other = tw_fn_seal(other);
  TwRef r = tw_emit_region(s->f, TW_OP_cond, &d, args, 1 + d.n_consts);
  for (uint32_t k = 0; k < d.n_ys; k++) keep(s, tw_get(s->f, r, k));
}

static void emit_some(Gen *g, Scope *s, uint32_t n, uint32_t depth) {
  for (uint32_t k = 0; k < n; k++) {
    uint32_t what = roll(g, depth < 3 ? 16 : 12);
    if (what < 6) emit_elementwise(g, s);
    else if (what < 9) emit_shape(g, s);
    else if (what < 12) emit_reduction(g, s);
    else if (what < 14) emit_scan(g, s, depth);
    else if (what < 15) emit_samples(g, s, depth);
    else emit_cond(g, s, depth);
  }
}

static const TwFn *program(TwModule *m, uint64_t seed) {
  Gen g = {.m = m, .state = seed * 0x9e3779b97f4a7c15u + 1};
  static const int64_t dims[N_SHAPES][2] = {{0, 0}, {3, 0}, {2, 3}, {3, 2}, {3, 3}};
  static const uint32_t ranks[N_SHAPES] = {0, 1, 2, 2, 2};
  for (uint32_t k = 0; k < N_SHAPES; k++) g.shape[k] = tw_ty(m, TW_REAL, ranks[k], dims[k]);
  TwFn *f = tw_fn_new(m, "program");
  Scope s = {.f = f};
  for (uint32_t k = 0; k < N_SHAPES; k++) keep(&s, tw_param(f, g.shape[k]));
  s.flag = tw_param(f, tw_ty_scalar(m, TW_BOOL));
  emit_some(&g, &s, 20 + roll(&g, 30), 0);
  for (uint32_t k = 0; k < 3; k++) tw_result(f, pick(&g, &s, any_shape(&g)));
  for (uint32_t k = 0; k < 6 && k < s.n; k++) tw_result(f, s.pool[s.n - 1 - k]);
  return tw_fn_seal(f);
}

static void compare(uint32_t seed, const char *pass, const TwFn *a, const TwFn *b, bool bits) {
  const char *why = tw_verify(b);
  CHECK(!why, "seed %u, %s: %s", seed, pass, why ? why : "");
  if (why) return;
  for (uint32_t k = 0; k < 2; k++) {
    double d = tw_difference(a, b, seed + k, -1.5, 1.5);
    CHECK(d >= 0 && d < 1e-9, "seed %u, %s: differs by %g", seed, pass, d);
    /* f64: literals that a pass uncovers fold in f64, which in f32 are other bits. */
    if (bits) CHECK(tw_same_bits(a, b, TW_F64, seed + k, -1.5, 1.5), "seed %u, %s: other bits", seed, pass);
  }
}

static uint32_t total, loops; /* how much there was to do */

static void one(uint32_t seed) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  const TwFn *f = program(m, seed);
  const char *why = tw_verify(f);
  CHECK(!why, "seed %u: the program itself: %s", seed, why ? why : "");
  total += tw_fn_size(f);
  loops += tw_count_op(f, TW_OP_scan) + tw_count_op(f, TW_OP_samples) + tw_count_op(f, TW_OP_cond);
  TwOptLimits l = tw_opt_limits_default();
  if (seed % 3 == 1) l.unroll_trip = 2;
  if (seed % 5 == 2) l.scalar_count = 6;
  compare(seed, "unroll", f, tw_opt_unroll(m, f, l), true);
  compare(seed, "loop_invariant", f, tw_opt_loop_invariant(m, f), true);
  compare(seed, "fuse_samples", f, tw_opt_fuse_samples(m, f), true);
  compare(seed, "clean", f, tw_opt_clean(m, f), false);
  compare(seed, "scalarize", f, tw_opt_scalarize(m, f, l), false);
  compare(seed, "contract", f, tw_opt_contract(m, f), false);
  compare(seed, "lower_mul0", f, tw_opt_lower_mul0(m, f), true);
  compare(seed, "prepare", f, tw_opt_prepare(m, f, l), false);
  const TwFn *g = tw_optimize(m, f, l);
  compare(seed, "optimize", f, g, false);
  compare(seed, "contract again", g, tw_opt_contract(m, g), true);
  CHECK(tw_fn_size(tw_opt_contract(m, g)) <= tw_fn_size(g), "seed %u: contract is not idempotent", seed);
  CHECK(tw_count_op(g, TW_OP_mul0) == 0, "seed %u: mul0 is left", seed);
  CHECK(tw_count_op(g, TW_OP_stop) == 0 && tw_count_op(g, TW_OP_along) == 0, "seed %u: a stated partial is left", seed);
  const TwFn *flat = tw_opt_flatten(m, f, 60000);
  if (flat) compare(seed, "flatten", f, flat, false);
  tw_arena_free(&arena);
}

int main(int argc, char **argv) {
  uint32_t first = argc > 1 ? (uint32_t)atoi(argv[1]) : 1, n = argc > 2 ? (uint32_t)atoi(argv[2]) : 150;
  for (uint32_t seed = first; seed < first + n; seed++) one(seed);
  printf("%u programs of %u instructions and %u loops and branches on average, %d failures\n", n, total / n, loops / n,
         failures);
  return failures != 0;
}
