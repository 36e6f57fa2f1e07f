/* hessian.c FILE: of the loss of every stage, the Hessian times a vector, by forward mode over reverse mode
 * and by reverse mode over reverse mode, against differences of gradients, in f64.
 *
 * For a FILE whose model is smooth and whose loss has a derivative of the model in it, so three orders are
 * nested. Differences are central at two steps, extrapolated; the bound, 1e-7 of the largest entry, is
 * theirs. The two modes agree to 1e-12. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/ir/passes.h"
#include "compiler/pipeline.h"
#include "compiler/probe/internal.h"

static int failures, compared;

enum { FLAT = 1 }; /* operands of a loss: VALUES, FLAT, columns… */

static double *gradient_at(const TwProbe *p, const TwLossFn *f, const TwFn *grad, TwPoint at, const double *v,
                           double step) {
  TwArena *arena = &p->unit->arena;
  uint64_t n = tw_call_count(f->fn, f->fn->params.at[FLAT]);
  double *moved = TW_NEW_N(arena, double, n);
  for (uint64_t k = 0; k < n; k++) moved[k] = at.flat[k] + step * v[k];
  TwCall c = tw_call(arena, grad, TW_F64);
  tw_loss_bind(p, f, &(TwPoint){at.values, moved}, &c);
  if (!tw_call_run(&c, NULL)) failures++;
  return tw_call_reals(&c, 1);
}

/* (G(h) - G(-h)) / 2h at h and h / 2, extrapolated. */
static double *by_differences(const TwProbe *p, const TwLossFn *f, const TwFn *grad, TwPoint at, const double *v,
                              uint64_t n) {
  const double h = 2e-4;
  double *out = TW_NEW_N(&p->unit->arena, double, n);
  double *a = gradient_at(p, f, grad, at, v, h), *b = gradient_at(p, f, grad, at, v, -h);
  double *c = gradient_at(p, f, grad, at, v, h / 2), *d = gradient_at(p, f, grad, at, v, -h / 2);
  for (uint64_t k = 0; k < n; k++) out[k] = (4 * (c[k] - d[k]) / h - (a[k] - b[k]) / (2 * h)) / 3;
  return out;
}

/* <gradient, v> as a function of the loss's operands and v. */
static const TwFn *directional(const TwLossFn *f, const TwFn *grad) {
  TwModule *m = f->fn->module;
  TwFn *out = tw_fn_new(m, "directional");
  TwRef *args = TW_NEW_N(m->arena, TwRef, f->n + 1), values[2];
  for (uint32_t k = 0; k < f->n; k++) args[k] = tw_param(out, tw_type(f->fn, f->fn->params.at[k]));
  TwRef v = tw_param(out, tw_type(f->fn, f->fn->params.at[FLAT]));
  tw_inline(out, grad, args, values);
  tw_result(out, tw_sum_all(out, tw_binary(out, TW_OP_mul, values[1], v)));
  return tw_fn_seal(out);
}

static void compare(const char *stage, const char *what, const double *a, const double *b, uint64_t n, double bound) {
  double largest = 0, worst = 0;
  for (uint64_t k = 0; k < n; k++) {
    largest = fmax(largest, fabs(b[k]));
    worst = isfinite(a[k]) && isfinite(b[k]) ? fmax(worst, fabs(a[k] - b[k])) : INFINITY;
    compared++;
  }
  bool ok = largest > 0 && worst <= bound * largest;
  printf("%s: %-42s %llu entries, largest %.3g, worst error %.2g of it (bound %.0e)%s\n", stage, what,
         (unsigned long long)n, largest, worst / largest, bound, ok ? "" : ": FAILED");
  failures += !ok;
}

static void check_stage(const TwProbe *p, uint32_t stage, uint64_t seed) {
  const char *name = p->lowered->rt->stages[stage].name;
  TwModule *m = p->lowered->module;
  TwArena *arena = &p->unit->arena;
  TwLossFn f = tw_loss_fn(p, stage, true);
  bool *active = tw_loss_active(p, &f), *again = TW_NEW_N(arena, bool, f.n + 2);
  again[FLAT] = true;
  const TwFn *grad = tw_grad(m, f.fn, active);
  const TwFn *forward = tw_jvp(m, grad, active), *reverse = tw_grad(m, directional(&f, grad), again);
  const char *why = tw_verify(forward) ? tw_verify(forward) : tw_verify(reverse);
  if (why) {
    printf("%s: %s\n", name, why);
    failures++;
    return;
  }
  TwPoint start = tw_point_start(p, stage), at = tw_point_near(p, stage, &start, seed, 1);
  uint64_t n = tw_call_count(f.fn, f.fn->params.at[FLAT]);
  double *v = TW_NEW_N(arena, double, n);
  for (uint64_t k = 0; k < n; k++) v[k] = sin(1.7 * (double)k + (double)seed);
  TwCall fr = tw_call(arena, forward, TW_F64), rr = tw_call(arena, reverse, TW_F64);
  tw_loss_bind(p, &f, &at, &fr);
  tw_loss_bind(p, &f, &at, &rr);
  fr.in[f.n] = rr.in[f.n] = v;
  if (!tw_call_run(&fr, NULL) || !tw_call_run(&rr, NULL)) failures++;
  /* jvp of (loss, gradient): the results, then their tangents. grad of <gradient, v>: the value, then H v. */
  const double *a = tw_call_reals(&fr, 3), *b = tw_call_reals(&rr, 1);
  compare(name, "forward over reverse, reverse over reverse", a, b, n, 1e-12);
  compare(name, "forward over reverse, differences", a, by_differences(p, &f, grad, at, v, n), n, 1e-7);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const TwOptions options = {.precision = TW_F64};
  TwUnit *u = tw_unit_new(&options);
  const char *why = NULL;
  TwBuild b = {.unit = u, .file = tw_source_read(&u->sources, argv[1], &why)};
  TwProbe p;
  if (!b.file || !tw_build(&b, TW_PHASE_LOWER) || !tw_probe_open(&p, u, b.program, b.lowered, 3)) {
    tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
    return 1;
  }
  for (uint32_t k = 0; k < b.lowered->rt->n_stages; k++)
    for (uint64_t seed = 1; seed <= 3; seed++) check_stage(&p, k, seed);
  printf("hessian: %d entries compared, %d failures\n", compared, failures);
  tw_unit_free(u);
  return failures != 0 || !compared;
}
