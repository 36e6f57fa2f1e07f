/* flagship.c: the training steps of the flagship come out as small as code written by hand.
 *
 * requires: compiler/ad. Checks values before and after each pass, and the shape of what is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/ir/passes.h"
#include "tests/opt/programs.h"

static int failures;

static void show(const char *name, const TwFn *f) {
  TwCounts c = tw_count_samples(f);
  printf("%-22s size %5u  samples %u: mul+fma %3u, add %3u, div %u, relu %2u, select %2u, compare %2u, other "
         "%u, "
         "scan %u, sums %u, ys %u, consts %u, tensors %u\n",
         name, tw_fn_size(f), c.regions, c.multiplies, c.adds, c.divides, c.relus, c.selects, c.compares, c.others,
         c.scans, c.sums, c.ys, c.consts, c.tensors);
}

static const TwFn *gradient(TwModule *m, const TwFn *loss) { return tw_grad(m, loss, (bool[]){true, false, false}); }

static void check_verified(const char *what, const TwFn *f) {
  const char *why = tw_verify(f);
  CHECK(!why, "%s: %s", what, why ? why : "");
}

/* Each pass after the other on f; values stay, bits where the pass does not reorder. */
static const TwFn *step_through(TwModule *m, const TwFn *f, double lo, double hi) {
  TwOptLimits l = tw_opt_limits_default();
  struct {
    const char *name;
    const TwFn *out;
    bool bits;
  } pass[6];
  const TwFn *g = f;
  pass[0].name = "clean", pass[0].bits = false, g = pass[0].out = tw_opt_clean(m, g);
  pass[1].name = "fuse_samples", pass[1].bits = true, g = pass[1].out = tw_opt_fuse_samples(m, g);
  pass[2].name = "unroll", pass[2].bits = true, g = pass[2].out = tw_opt_unroll(m, g, l);
  pass[3].name = "scalarize", pass[3].bits = false, g = pass[3].out = tw_opt_scalarize(m, g, l);
  pass[4].name = "loop_invariant", pass[4].bits = true, g = pass[4].out = tw_opt_loop_invariant(m, g);
  pass[5].name = "contract", pass[5].bits = false, g = pass[5].out = tw_opt_contract(m, g);
  const TwFn *before = f;
  for (uint32_t k = 0; k < 6; k++) {
    check_verified(pass[k].name, pass[k].out);
    double d = tw_difference(before, pass[k].out, 7 + k, lo, hi);
    CHECK(d >= 0 && d < 1e-11, "%s: differs by %g", pass[k].name, d);
    for (TwPrecision p = TW_F32; pass[k].bits && p <= TW_F64; p++)
      CHECK(tw_same_bits(before, pass[k].out, p, 70 + k, lo, hi), "%s changes bits", pass[k].name);
    before = pass[k].out;
  }
  return g;
}

static void check_values(const char *what, const TwFn *a, const TwFn *b, double lo, double hi) {
  for (uint32_t seed = 1; seed <= 5; seed++) {
    double d = tw_difference(a, b, seed, lo, hi);
    CHECK(d >= 0 && d < 1e-10, "%s, seed %u: differs by %g", what, seed, d);
  }
}

static void pretrain(TwModule *m, double mix) {
  const TwFn *loss = tw_flagship_pretrain(m, 5, 50, mix);
  check_verified("loss", loss);
  step_through(m, loss, 0.3, 0.7);
  const TwFn *direct = gradient(m, loss);
  check_verified("grad", direct);
  show("pretrain grad", direct);
  step_through(m, direct, 0.3, 0.7);
  const TwFn *ready = tw_opt_prepare(m, loss, tw_opt_limits_default());
  show("pretrain prepared", ready);
  check_values("prepare", loss, ready, 0.3, 0.7);
  const TwFn *grad = gradient(m, ready);
  show("prepared, grad", grad);
  const TwFn *unprepared = tw_optimize(m, direct, tw_opt_limits_default());
  show("grad, optimized", unprepared);
  const TwFn *final = tw_optimize(m, grad, tw_opt_limits_default());
  show("prepared, optimized", final);
  check_values("optimize", direct, unprepared, 0.3, 0.7);
  check_values("prepare and optimize", direct, final, 0.3, 0.7);
  if (getenv("TW_SHOW")) puts(tw_ir_print(final));
  TwCounts c = tw_count_samples(final);
  CHECK(c.regions == 1 && c.ys == 0 && c.tensors == 0 && c.scans == 0, "one loop, on scalars");
  CHECK(c.multiplies <= 30, "%u multiplications a sample", c.multiplies);
  CHECK(c.multiplies + c.adds <= 55, "%u + %u", c.multiplies, c.adds);
}

static void standard(TwModule *m) {
  const TwFn *loss = tw_flagship_standard(m, 5, 50);
  step_through(m, loss, -0.5, 1);
  const TwFn *direct = gradient(m, loss);
  show("standard grad", direct);
  step_through(m, direct, -0.5, 1);
  const TwFn *unprepared = tw_optimize(m, direct, tw_opt_limits_default());
  show("grad, optimized", unprepared);
  const TwFn *final = tw_optimize(m, gradient(m, tw_opt_prepare(m, loss, tw_opt_limits_default())),
                                  tw_opt_limits_default());
  show("prepared, optimized", final);
  if (getenv("TW_SHOW2")) puts(tw_ir_print(final));
  check_values("optimize", direct, unprepared, -0.5, 1);
  check_values("prepare and optimize", direct, final, -0.5, 1);
  TwCounts c = tw_count_samples(final);
  CHECK(c.regions == 1 && c.ys == 0 && c.tensors == 0 && c.scans == 0, "one loop, on scalars");
  CHECK(c.multiplies <= 213, "%u multiplications a sample", c.multiplies);
  CHECK(c.adds <= 23, "%u additions a sample", c.adds);
}

static const TwFn *whole_step(TwModule *m, const TwFn *loss) {
  const TwFn *ready = tw_opt_prepare(m, loss, tw_opt_limits_default());
  return tw_optimize(m, tw_adam_step(m, gradient(m, ready)), tw_opt_limits_default());
}

/* P4: neither samples nor depth make the code grow. */
static void sizes(TwModule *m) {
  uint32_t few = tw_fn_size(whole_step(m, tw_flagship_pretrain(m, 5, 500, -1)));
  uint32_t many = tw_fn_size(whole_step(m, tw_flagship_pretrain(m, 5, 1000000, -1)));
  CHECK(few == many, "size %u at 500 samples, %u at 10^6", few, many);
  const TwFn *p40 = whole_step(m, tw_flagship_pretrain(m, 40, 500, -1));
  const TwFn *p80 = whole_step(m, tw_flagship_pretrain(m, 80, 500, -1));
  show("pretrain, depth 40", p40);
  if (getenv("TW_SHOW40")) puts(tw_ir_print(p40));
  const TwFn *p160 = whole_step(m, tw_flagship_pretrain(m, 160, 500, -1));
  CHECK(tw_fn_size(p80) == tw_fn_size(p160), "pretrain: %u at depth 80, %u at 160", tw_fn_size(p80), tw_fn_size(p160));
  CHECK(tw_fn_size(p40) <= tw_fn_size(p80) + 8, "pretrain: %u at depth 40", tw_fn_size(p40));
  TwCounts c = tw_count_samples(p40);
  CHECK(c.multiplies <= 13 && c.scans == 2, "%u multiplications, %u loops", c.multiplies, c.scans);
  CHECK(c.tensors == 2, "%u products of stacks, one for each weight of a layer", c.tensors);
  CHECK(tw_count_samples(p40).scans > 0, "loops of 40 layers stay loops");
  const TwFn *s40 = whole_step(m, tw_flagship_standard(m, 40, 500));
  const TwFn *s80 = whole_step(m, tw_flagship_standard(m, 80, 500));
  show("standard, depth 40", s40);
  CHECK(tw_fn_size(s40) == tw_fn_size(s80), "standard: %u at depth 40, %u at 80", tw_fn_size(s40), tw_fn_size(s80));
  c = tw_count_samples(s40);
  CHECK(c.tensors == 16 && c.scans == 2, "%u products of stacks, %u loops", c.tensors, c.scans);
  CHECK(c.multiplies <= 69, "%u multiplications a sample and layer", c.multiplies);
}

/* Adam on the flat vector stays a chain of vector operations. */
static void optimizer(TwModule *m) {
  const TwFn *p = whole_step(m, tw_flagship_pretrain(m, 5, 50, -1));
  const TwFn *s = whole_step(m, tw_flagship_standard(m, 5, 50));
  show("pretrain step", p);
  show("standard step", s);
  if (getenv("TW_SHOWSTEP")) puts(tw_ir_print(p));
  CHECK(tw_count_op(p, TW_OP_sqrt) == 2 && tw_count_op(s, TW_OP_sqrt) == 2, "roots: %u and %u",
        tw_count_op(p, TW_OP_sqrt), tw_count_op(s, TW_OP_sqrt));
  CHECK(tw_count_op(s, TW_OP_pad) == 0 && tw_count_op(p, TW_OP_pad) == 0, "pads are left");
  check_values("pretrain step", tw_adam_step(m, gradient(m, tw_flagship_pretrain(m, 5, 50, -1))), p, 0.3, 0.7);
  check_values("standard step", tw_adam_step(m, gradient(m, tw_flagship_standard(m, 5, 50))), s, 0.1, 0.9);
}

static void deep_values(TwModule *m) {
  check_values("pretrain, depth 12", tw_adam_step(m, gradient(m, tw_flagship_pretrain(m, 12, 20, 1))),
               whole_step(m, tw_flagship_pretrain(m, 12, 20, 1)), 0.3, 0.7);
  check_values("standard, depth 12", tw_adam_step(m, gradient(m, tw_flagship_standard(m, 12, 20))),
               whole_step(m, tw_flagship_standard(m, 12, 20)), 0.1, 0.4);
}

static void flatten(TwModule *m) {
  const TwFn *f = tw_flagship_model(m, 12), *g = tw_opt_flatten(m, f, 20000);
  CHECK(g != NULL, "flatten gave up");
  if (!g) return;
  check_verified("flatten", g);
  check_values("flatten", f, g, -0.5, 0.5);
  CHECK(tw_count_op(g, TW_OP_scan) == 0 && tw_count_op(g, TW_OP_dot) == 0, "loops or dots are left");
  CHECK(tw_count_op(g, TW_OP_relu) == 48, "%u switches", tw_count_op(g, TW_OP_relu));
  CHECK(tw_opt_flatten(m, f, 100) == NULL, "the limit holds");
}

int main(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  pretrain(m, -1);
  pretrain(m, 1);
  standard(m);
  optimizer(m);
  deep_values(m);
  sizes(m);
  flatten(m);
  tw_arena_free(&arena);
  if (failures) printf("%d failures\n", failures);
  return failures != 0;
}
