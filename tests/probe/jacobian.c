/* jacobian.c: the Jacobian of the flagship's Set_Weights against derivatives worked out by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/pipeline.h"
#include "compiler/probe/probe.h"

static int failures, compared;

static double entry(TwProbe *p, const TwJacobian *j, const char *row, const char *column) {
  for (uint64_t r = 0; r < j->rows; r++)
    for (uint64_t c = 0; c < j->columns; c++)
      if (!strcmp(tw_jacobian_row(p, j, r), row) && !strcmp(tw_jacobian_column(p, j, c), column))
        return j->at[r * j->columns + c];
  printf("there is no %s by %s\n", row, column);
  failures++;
  return NAN;
}

static void expect(TwProbe *p, const TwJacobian *j, const char *row, const char *column, double by_hand) {
  double got = entry(p, j, row, column);
  compared++;
  if (fabs(got - by_hand) <= 1e-14 * (1 + fabs(by_hand))) return;
  printf("d %s / d %s is %.17g, by hand %.17g\n", row, column, got, by_hand);
  failures++;
}

/* The start of the flagship: peaks a, scale s. S_0 = s, S_i = (1 - a_i) a_(i+1); mix -1. */
static void check_flagship(TwProbe *p, const TwJacobian *j, const double *a, double s) {
  expect(p, j, "net.first.b[2]", "peak[0]", -1);
  expect(p, j, "net.first.b[2]", "peak[1]", 0);
  expect(p, j, "net.first.W[0, 0]", "peak[0]", 0);
  /* hidden 0, row sum, column t1: -s / a_0; column t2: s / (a_0 - a_0^2) */
  double q0 = a[0] - a[0] * a[0];
  expect(p, j, "net.hidden[0].W[0, 1]", "scale", -1 / a[0]);
  expect(p, j, "net.hidden[0].W[0, 1]", "peak[0]", s / (a[0] * a[0]));
  expect(p, j, "net.hidden[0].W[0, 2]", "scale", 1 / q0);
  expect(p, j, "net.hidden[0].W[0, 2]", "peak[0]", -s * (1 - 2 * a[0]) / (q0 * q0));
  /* row t2, column bias: -s a_1; row bias, column bias: s */
  expect(p, j, "net.hidden[0].W[2, 3]", "scale", -a[1]);
  expect(p, j, "net.hidden[0].W[2, 3]", "peak[1]", -s);
  expect(p, j, "net.hidden[0].W[3, 3]", "scale", 1);
  /* hidden 1, row bias: S_1 = (1 - a_1) a_2 */
  expect(p, j, "net.hidden[1].W[3, 3]", "peak[1]", -a[2]);
  expect(p, j, "net.hidden[1].W[3, 3]", "peak[2]", 1 - a[1]);
  expect(p, j, "net.hidden[1].W[3, 3]", "scale", 0);
  /* out, column t1: -S_4 / a_4 = -(1 - a_4) a_5 / a_4; column t2: S_4 / (a_4 (1 - a_4)) = a_5 / a_4 */
  expect(p, j, "net.out.W[0, 0]", "peak[4]", 0);
  expect(p, j, "net.out.W[0, 1]", "peak[4]", a[5] / (a[4] * a[4]));
  expect(p, j, "net.out.W[0, 1]", "peak[5]", -(1 - a[4]) / a[4]);
  expect(p, j, "net.out.W[0, 2]", "peak[4]", -a[5] / (a[4] * a[4]));
  expect(p, j, "net.out.W[0, 2]", "peak[5]", 1 / a[4]);
  expect(p, j, "net.out.W[0, 2]", "scale", 0);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const TwOptions options = {.precision = TW_F64};
  TwUnit *u = tw_unit_new(&options);
  const char *why = NULL;
  TwBuild b = {.unit = u, .file = tw_source_read(&u->sources, argv[1], &why)};
  TwProbe p;
  TwJacobian j;
  if (!b.file || !tw_build(&b, TW_PHASE_LOWER) || !tw_probe_open(&p, u, b.program, b.lowered, 3) ||
      !tw_probe_jacobian(&p, NULL, &j)) {
    tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
    return 1;
  }
  if (j.rows != 93 || j.columns != 7)
    printf("%llu x %llu\n", (unsigned long long)j.rows, (unsigned long long)j.columns), failures++;
  check_flagship(&p, &j, p.shown, p.shown[6]);
  /* At other values: the same formulas. */
  double values[256];
  memcpy(values, p.values, b.lowered->rt->n_values * sizeof *values);
  for (int k = 0; k < 6; k++) values[k] = 0.2 + 0.1 * k;
  values[6] = 0.3;
  if (tw_probe_jacobian(&p, values, &j)) check_flagship(&p, &j, values, values[6]);
  printf("jacobian: %d entries compared, %d failures\n", compared, failures);
  tw_unit_free(u);
  return failures != 0;
}
