/* test_checkpoint.c: loops cut into blocks have the same derivatives, bit for bit, in less memory.
 *
 *   bits    random programs, and loops of all shapes at many trip counts: derivatives within limits of 0 bytes and
 *           one to many levels against those without checkpoints, first and second order;
 *   memory  what the interpreter needs for the gradient of a recurrence of 10^4 and of 10^6 steps;
 *   choice  short loops are left alone, long ones keep what they should. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/ir/interp.h"
#include "generate.h"
#include "recurrence.h"

typedef TwRef Ref;
static TwTy scalar(TwModule *m) { return tw_ty_scalar(m, TW_REAL); }
static TwTy vec(TwModule *m, int64_t n) { return tw_ty(m, TW_REAL, 1, &n); }
static TwTy mat(TwModule *m, int64_t a, int64_t b) { return tw_ty(m, TW_REAL, 2, (int64_t[]){a, b}); }
static Ref bin(TwFn *f, TwOp op, Ref a, Ref b) { return tw_binary(f, op, a, b); }

static const TwAdLimits never = {.levels = 0};
static TwAdLimits always(uint32_t levels) { return (TwAdLimits){.levels = levels}; }

static void expect(Check *c, bool holds, const char *what) {
  c->compared++;
  if (!holds) check_fail(c, what, "does not hold");
}

/* ---- bits */

/* Every number of the results of a and b, at a point, completed at random. */
static void same_bits(Check *c, const TwFn *a, const TwFn *b, const Data *point, const char *what) {
  const char *wrong = tw_verify(b);
  if (wrong) check_fail(c, what, "%s", wrong);
  Data in = data_params(a);
  for (uint32_t k = 0; k < in.n; k++)
    if (point && k < point->n) in.at[k] = point->at[k];
    else data_random(&c->rng, &in, k, -1, 1);
  Data x = data_run(a, &in), y = data_run(b, &in);
  for (uint32_t k = 0; k < x.n; k++) {
    if (x.info[k].dtype != TW_REAL) continue;
    for (int64_t e = 0; e < x.info[k].count; e++) {
      double p = ((double *)x.at[k])[e], q = ((double *)y.at[k])[e];
      c->compared++;
      if (memcmp(&p, &q, sizeof p)) check_fail(c, what, "result %u[%lld]: %a, checkpointed %a", k, (long long)e, p, q);
    }
  }
}

/* The derivative of a checkpointed derivative has two routes to a value that is computed twice, and adds up what
 * comes along them in another order. */
static void close_to(Check *c, const TwFn *a, const TwFn *b, const Data *point, const char *what) {
  Data in = data_params(a);
  for (uint32_t k = 0; k < in.n; k++)
    if (k < point->n) in.at[k] = point->at[k];
    else data_random(&c->rng, &in, k, -1, 1);
  Data x = data_run(a, &in), y = data_run(b, &in);
  for (uint32_t k = 0; k < x.n; k++)
    for (int64_t e = 0; x.info[k].dtype == TW_REAL && e < x.info[k].count; e++) {
      double p = ((double *)x.at[k])[e], q = ((double *)y.at[k])[e];
      c->compared++;
      if (!(fabs(p - q) <= 1e-11 * (1 + fabs(p)))) check_fail(c, what, "result %u: %.17g, checkpointed %.17g", k, p, q);
    }
}

static bool same_everywhere(Check *c, TwModule *m, const TwFn *f, const Data *x, const char *what) {
  bool *active = check_all_active(f), changed = false;
  const TwFn *plain = tw_vjp_within(m, f, active, NULL, never);
  for (uint32_t levels = 1; levels <= 4; levels++) {
    const TwFn *within = tw_vjp_within(m, f, active, NULL, always(levels));
    same_bits(c, plain, within, x, what);
    changed |= within->hash != plain->hash;
  }
  return changed;
}

static void random_programs(Check *c) {
  uint32_t changed = 0, n = 300;
  for (uint64_t k = 1; k <= n; k++) {
    TwArena arena = {0};
    TwModule *m = tw_module_new(&arena);
    Rng rng = {k * 0x9e3779b97f4a7c15u};
    Data x;
    const TwFn *f = generate(m, &rng, &x);
    char what[64];
    snprintf(what, sizeof what, "program %llu", (unsigned long long)k);
    changed += same_everywhere(c, m, f, &x, what);
    if (k % 4 == 0) { /* the derivative of a derivative, both within limits */
      const TwFn *s = check_scalar(c, m, f, true);
      bool *active = check_all_active(s);
      const TwFn *g = tw_grad_within(m, s, active, never), *h = tw_grad_within(m, s, active, always(1));
      const TwFn *gg = tw_vjp_within(m, g, active, NULL, never);
      same_bits(c, gg, tw_vjp_within(m, g, active, NULL, always(1)), &x, what);
      close_to(c, gg, tw_vjp_within(m, h, active, NULL, never), &x, what);
      same_bits(c, tw_jvp(m, g, active), tw_jvp(m, h, active), &x, what);
    }
    tw_arena_free(&arena);
  }
  printf("random programs: %u of %u have a loop that is checkpointed\n", changed, n);
  expect(c, changed > n / 10, "enough of the random programs have loops");
}

/* (w, s, x) -> tanh(w s + x) sin(s) through a loop of its own, which a cond may leave out. */
static Ref inner_loop(TwFn *f, Ref w, Ref s, int64_t trip) {
  TwModule *m = f->module;
  TwFn *b = tw_fn_new(m, "inner");
  tw_param(b, tw_ty_scalar(m, TW_INT));
  Ref bw = tw_param(b, mat(m, 3, 3)), bs = tw_param(b, vec(m, 3));
  tw_result(b, tw_unary(b, TW_OP_tanh, tw_dot(b, bw, bs, (int64_t[]){1}, (int64_t[]){0}, 1)));
  TwRegion g = {.body = tw_fn_seal(b), .trip = trip, .n_consts = 1, .n_carry = 1};
  return tw_get(f, tw_emit_region(f, TW_OP_scan, &g, (Ref[]){w, s}, 2), 0);
}

static Ref branch(TwFn *f, Ref p, Ref s) {
  TwModule *m = f->module;
  const TwFn *body[2];
  for (uint32_t k = 0; k < 2; k++) {
    TwFn *b = tw_fn_new(m, "branch");
    Ref v = tw_param(b, vec(m, 3));
    Ref bell = tw_unary(b, TW_OP_exp, tw_unary(b, TW_OP_neg, bin(b, TW_OP_mul, v, v)));
    tw_result(b, k ? bell : tw_unary(b, TW_OP_sin, v));
    body[k] = tw_fn_seal(b);
  }
  TwRegion g = {.body = body[0], .other = body[1], .n_consts = 1, .n_ys = 1};
  return tw_get(f, tw_emit_region(f, TW_OP_cond, &g, (Ref[]){p, s}, 2), 0);
}

/* A loop over (w matrix, k scalar, table) with two carries, xs and ys, reading the table at its counter. */
static const TwFn *everything(TwModule *m, int64_t trip, bool reverse, int64_t inner) {
  TwFn *b = tw_fn_new(m, "body");
  Ref i = tw_param(b, tw_ty_scalar(m, TW_INT)), w = tw_param(b, mat(m, 3, 3)), k = tw_param(b, scalar(m)),
      table = tw_param(b, mat(m, trip, 3)), s = tw_param(b, vec(m, 3)), t = tw_param(b, scalar(m)),
      x = tw_param(b, vec(m, 3));
  Ref z = inner ? inner_loop(b, w, s, inner)
                : tw_unary(b, TW_OP_tanh, tw_dot(b, w, s, (int64_t[]){1}, (int64_t[]){0}, 1));
  z = bin(b, TW_OP_add, z, bin(b, TW_OP_mul, tw_unary(b, TW_OP_sin, tw_index(b, table, i)), x));
  z = branch(b, bin(b, TW_OP_lt, t, tw_real(b, 0.3)), z);
  Ref u = tw_unary(b, TW_OP_tanh, bin(b, TW_OP_add, bin(b, TW_OP_mul, k, t), tw_sum_all(b, z)));
  tw_result(b, z);
  tw_result(b, u);
  tw_result(b, bin(b, TW_OP_mul, tw_unary(b, TW_OP_exp, z), tw_fit(b, tw_unary(b, TW_OP_cos, u), vec(m, 3))));
  TwRegion g = {
      .body = tw_fn_seal(b), .trip = trip, .reverse = reverse, .n_consts = 3, .n_carry = 2, .n_xs = 1, .n_ys = 1};
  TwFn *f = tw_fn_new(m, "everything");
  Ref args[6] = {tw_param(f, mat(m, 3, 3)), tw_param(f, scalar(m)), tw_param(f, mat(m, trip, 3)),
                 tw_param(f, vec(m, 3)),    tw_param(f, scalar(m)), tw_param(f, mat(m, trip, 3))};
  Ref region = tw_emit_region(f, TW_OP_scan, &g, args, 6);
  for (uint32_t r = 0; r < 3; r++) tw_result(f, tw_get(f, region, r));
  tw_result(f, bin(f, TW_OP_mul, args[1], tw_sum_all(f, bin(f, TW_OP_mul, args[5], args[2]))));
  return tw_fn_seal(f);
}

static void shapes(Check *c) {
  static const int64_t trips[] = {2, 3, 4, 5, 7, 8, 12, 13, 16, 17, 30, 36, 37, 64, 97, 101, 360, 1009};
  uint32_t changed = 0, n = 0;
  for (uint32_t k = 0; k < sizeof trips / sizeof *trips; k++)
    for (uint32_t v = 0; v < 4; v++) {
      TwArena arena = {0};
      TwModule *m = tw_module_new(&arena);
      char what[64];
      snprintf(what, sizeof what, "%lld iterations, variant %u", (long long)trips[k], v);
      changed += same_everywhere(c, m, everything(m, trips[k], v & 1, v & 2 ? 12 : 0), NULL, what);
      n++;
      tw_arena_free(&arena);
    }
  printf("loops of all shapes: %u of %u are checkpointed\n", changed, n);
  expect(c, changed > n / 2, "loops of all shapes are checkpointed");
}

/* ---- memory */

static double plan_bytes(const TwPlan *p) {
  double total = (double)p->bytes;
  for (TwRef r = 1; r < p->fn->insts.len; r++) {
    const TwSide *s = p->side[r];
    if (s && s->body) total += plan_bytes(s->body);
    if (s && s->other) total += plan_bytes(s->other);
  }
  return total;
}

/* What the interpreter's frames take; 0 if there is no such memory (which needs none here: pages are not touched). */
static double frame_bytes(const TwFn *f) {
  TwPlan *p = tw_plan_new(f, TW_F64, NULL);
  double bytes = p ? plan_bytes(p) : 0;
  tw_plan_free(p);
  return bytes;
}

static double growth(Check *c, TwModule *m, TwAdLimits limits, int64_t from, int64_t to, const char *what) {
  bool active[2] = {true, true};
  double small = frame_bytes(tw_grad_within(m, recurrence(m, from), active, limits));
  double large = frame_bytes(tw_grad_within(m, recurrence(m, to), active, limits));
  printf("memory for %.0e, %.0e steps: %.1f, %.1f KiB, %.1f times (%s)\n", (double)from, (double)to, small / 1024,
         large / 1024, large / small, what);
  expect(c, small > 0 && large > 0, "the gradient is planned");
  return large / small;
}

static void memory(Check *c, TwModule *m) {
  expect(c, growth(c, m, never, 10000, 1000000, "no checkpoints") > 90, "without checkpoints memory is linear");
  expect(c, growth(c, m, always(1), 10000, 1000000, "one level") <= 12, "one level: the square root");
  expect(c, growth(c, m, always(2), 10000, 1000000, "two levels") <= 6, "two levels: the cube root");
  expect(c, growth(c, m, always(20), 10000, 1000000, "twenty levels") <= 2.5, "many levels: about the logarithm");
  bool active[2] = {true, true};
  same_bits(c, tw_grad_within(m, recurrence(m, 20000), active, never),
            tw_grad_within(m, recurrence(m, 20000), active, always(1)), NULL, "recurrence");
  same_bits(c, tw_grad_within(m, recurrence(m, 1000), active, never),
            tw_grad_within(m, recurrence(m, 1000), active, always(20)), NULL, "recurrence, many levels");
}

/* ---- choice */

static uint64_t count(const TwFn *f, TwOp op) {
  uint64_t counts[TW_OP_COUNT] = {0};
  count_ops(f, counts);
  return counts[op];
}

static void choice(Check *c, TwModule *m) {
  bool active[2] = {true, true};
  const TwFn *shorter = recurrence(m, 10000), *longer = recurrence(m, 1000000);
  expect(c, tw_grad(m, shorter, active)->hash == tw_grad_within(m, shorter, active, never)->hash,
         "a loop that keeps less than 64 MiB is left alone");
  const TwFn *grad = tw_grad(m, longer, active);
  expect(c, grad->hash == tw_grad_within(m, longer, active, always(1))->hash, "one that keeps more is not");
  expect(c, count(grad, TW_OP_scan) == 5, "forward: blocks, block; back: blocks, block forward and back");
  expect(c, tw_fn_size(grad) <= 4 * tw_fn_size(tw_grad_within(m, longer, active, never)), "the program stays small");
  for (Ref r = 1; r < grad->insts.len; r++) {
    if (tw_op(grad, r) != TW_OP_scan || tw_region(grad, r)->reverse) continue;
    const TwRegion *g = tw_region(grad, r);
    expect(c, g->n_ys == 1, "the forward loop keeps one carry of each block");
    for (Ref k = 1; k < g->body->insts.len; k++)
      if (tw_op(g->body, k) == TW_OP_scan) expect(c, tw_region(g->body, k)->n_ys == 0, "and nothing inside of a block");
  }
}

int main(void) {
  Check c = {.rng = {11}};
  random_programs(&c);
  shapes(&c);
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  memory(&c, m);
  choice(&c, m);
  tw_arena_free(&arena);
  printf("checkpoints: %llu numbers and facts, %llu failures\n", (unsigned long long)c.compared,
         (unsigned long long)c.failures);
  return c.failures > 0;
}
