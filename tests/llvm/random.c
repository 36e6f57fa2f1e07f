/* random.c [count [seed]]: random programs, their derivatives, the optimized forms of both, and all of
 * these as the body of a sample loop. Fails if an operation was never met. */
#include <stdlib.h>

#include "compiler/ad/ad.h"
#include "compiler/opt/opt.h"
#include "tests/grad/generate.h"
#include "tests/llvm/support.h"

/* f of every sample: bit k of `fixed` says that parameter k is the same for all. */
static const TwFn *in_lanes(Test *t, const TwFn *of, int64_t n, uint64_t fixed) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  uint32_t n_in = of->params.len;
  TwRef *in = TW_NEW_N(&t->arena, TwRef, n_in + 1), *args = TW_NEW_N(&t->arena, TwRef, n_in + 1);
  TwRef *out = TW_NEW_N(&t->arena, TwRef, of->results.len + 1);
  TwRegion g = {.trip = n};
  for (uint64_t xs = 0; xs < 2; xs++)
    for (uint32_t k = 0; k < n_in; k++) {
      TwTy ty = tw_type(of, of->params.at[k]);
      if ((fixed >> (k % 64) & 1) == xs || tw_info(of, of->params.at[k])->rank == TW_MAX_RANK) continue;
      args[g.n_consts + g.n_xs] = tw_param(f, xs ? tw_ty_lead(t->m, n, ty) : ty);
      in[k] = tw_param(b, ty);
      *(xs ? &g.n_xs : &g.n_consts) += 1;
    }
  tw_inline(b, of, in, out);
  for (uint32_t k = 0; k < of->results.len; k++)
    if (tw_info(b, out[k])->dtype != TW_BOOL) tw_result(b, out[k]), g.n_carry++;
  for (uint32_t k = 0; k < of->results.len; k++)
    if (tw_info(b, out[k])->dtype == TW_REAL) tw_result(b, tw_binary(b, TW_OP_mul, out[k], out[k])), g.n_carry++;
  for (uint32_t k = 0; k < of->results.len; k++) tw_result(b, out[k]);
  g.n_ys = of->results.len;
  g.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, g.n_consts + g.n_xs);
  for (uint32_t k = 0; k < g.n_carry + g.n_ys; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

static const TwFn *derivative(Test *t, const TwFn *f) {
  bool *active = TW_NEW_N(&t->arena, bool, f->params.len + 1);
  bool any = false;
  for (uint32_t k = 0; k < f->params.len; k++) any |= active[k] = tw_info(f, f->params.at[k])->dtype == TW_REAL;
  return any ? tw_vjp(t->m, f, active, NULL) : f;
}

/* Found by these programs once: a row is added, in each block of samples, to what was made before the blocks. */
static void added_in_blocks(Test *t) {
  const char *text = "fn step(%1: int, %2: real[2], %3: real) -> (real, real) {\n"
                     "  %4 = tanh %3 : real\n"
                     "  %5 = sum %2 [0] : real\n"
                     "  return %4, %5\n"
                     "}\n"
                     "fn body(%1: real[2, 3], %2: real[2], %3: real) -> (real[3, 5], real) {\n"
                     "  %4 = scan @step (%2; %3; ) trip 5 : tuple\n"
                     "  %5 = get %4 [0] : real\n"
                     "  %6 = get %4 [1] : real[5]\n"
                     "  %7 = pad %1 [0 1 0 2] : real[3, 5]\n"
                     "  %8 = const 1 : int\n"
                     "  %9 = add_at %7, %8, %6 : real[3, 5]\n"
                     "  return %9, %5\n"
                     "}\n"
                     "fn f(%1: real[2, 3], %2: real[2], %3: real[17]) -> (real[3, 5], real) {\n"
                     "  %4 = samples @body (%1, %2; %3) trip 17 sums 2 : tuple\n"
                     "  %5 = get %4 [0] : real[3, 5]\n"
                     "  %6 = get %4 [1] : real\n"
                     "  return %5, %6\n"
                     "}\n",
             *error = NULL;
  test_reset(t);
  const TwFn *f = tw_ir_parse(t->m, text, &error);
  if (!f) printf("%s\n", error), abort();
  check(t, f, "a row added in blocks");
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 30, seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static const int64_t samples[] = {1, 15, 16, 17, 40, 513};
  uint64_t met[TW_OP_COUNT] = {0};
  Test t = test_new(seed);
  added_in_blocks(&t);
  for (uint64_t k = 0; k < count; k++) {
    char what[80];
    test_reset(&t);
    Rng rng = {(seed + k) * 0x632be59bd9b4e019u};
    Data x;
    const TwFn *f = generate(t.m, &rng, &x);
    count_ops(f, met);
    t.few = k % 8 ? 2 : 0;
    snprintf(what, sizeof what, "program %llu", (unsigned long long)(seed + k));
    check(&t, f, what);
    const TwFn *d = tw_opt_lower_mul0(t.m, derivative(&t, f));
    snprintf(what, sizeof what, "derivative of program %llu", (unsigned long long)(seed + k));
    check(&t, d, what);
    const TwFn *o = tw_opt_lower_mul0(t.m, tw_optimize(t.m, d, tw_opt_limits_default()));
    snprintf(what, sizeof what, "optimized derivative of program %llu", (unsigned long long)(seed + k));
    count_ops(o, met);
    check(&t, o, what);
    t.few = 2;
    snprintf(what, sizeof what, "program %llu in lanes", (unsigned long long)(seed + k));
    check(&t, in_lanes(&t, tw_opt_lower_mul0(t.m, f), samples[k % 6], rng_next(&rng) & rng_next(&rng)), what);
    snprintf(what, sizeof what, "optimized derivative of program %llu in lanes", (unsigned long long)(seed + k));
    const TwFn *l = in_lanes(&t, k % 2 ? d : o, samples[(k + 3) % 6], rng_next(&rng) & rng_next(&rng));
    check(&t, k % 2 ? l : tw_opt_lower_mul0(t.m, tw_optimize(t.m, l, tw_opt_limits_default())), what);
  }
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT && count >= 30; op = (TwOp)(op + 1))
    if (!met[op]) printf("never met: %s\n", tw_op_name(op));
  return test_end(&t, "random programs");
}
