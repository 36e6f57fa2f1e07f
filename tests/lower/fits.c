/* fits.c ROOT: of which data and which model a loss is the mean squared error: a table of losses with what is expected,
 * in stages of every kind of optimizer; and what example programs are. A false yes would print figures that mean
 * nothing. */
#include <stdlib.h>

#include "compiler/pipeline.h"
#include "tests/runtime/check.h"

static const char prelude[] = "const rows = 40\n"
                              "param a : real = 1\n"
                              "param b : real[2] = 0.5\n"
                              "data d = grid(x in [0, 1], rows) -> x ^ 2\n"
                              "data e = grid(x in [0, 2], 30) -> exp(x)\n"
                              "data heavy = grid(x in [0, 1], rows, weight = 1 + x) -> x ^ 2\n"
                              "data plane = grid(x in [0, 1], 5, y in [0, 1], 6) -> x * y\n"
                              "data even = grid(x in [0, 1], 64) -> x ^ 2\n"
                              "data pair = grid(x in [0, 1], rows) -> [x, x ^ 2]\n"
                              "model f(x: real) -> real = max(a * x, b[0])\n"
                              "model g(x: real) -> real = a + sum(b[k] * x ^ k for k in 0 .. 2)\n"
                              "model h(x: real) -> real = f(x) + g(x)\n"
                              "model z(x: real, y: real) -> real = a * x + b[0] * y\n";
enum { D = 1, E, HEAVY, PLANE, EVEN, F = 1, G, H, Z };

typedef struct Case {
  const char *loss;
  uint32_t data, model;
} Case;

static const Case cases[] = {
    {"mse(f, d)", D, F},
    {"mse(g, d)", D, G},
    {"mse(f, e)", E, F},
    {"mse(h, e)", E, H},
    {"mse(g, even)", EVEN, G}, /* a division that is folded into a product */
    {"sum((f(x) - y) ^ 2 for (x, y) in even) / 64", EVEN, F},
    {"sum((f(x) - y) ^ 2 for (x, y) in even) / 32", 0, 0},
    {"mean((f(x) - y) ^ 2 for (x, y) in d)", D, F},
    {"mean((y - f(x)) ^ 2 for (x, y) in d)", D, F},
    {"mean((g(x) - y) * (g(x) - y) for (x, y) in d)", D, G},
    {"sum((f(x) - y) ^ 2 for (x, y) in d) / 40", D, F},
    {"sum((f(x) - y) ^ 2 for (x, y) in d) / rows", D, F},
    {"mean((f(x) + g(x) - y) ^ 2 for (x, y) in d)", D, H}, /* which is what h is */
    /* of something else than a model */
    {"mean((2 * f(x) - y) ^ 2 for (x, y) in d)", D, 0},
    {"mean((f(2 * x) - y) ^ 2 for (x, y) in d)", D, 0},
    {"mean((f(x) - g(x) - y) ^ 2 for (x, y) in d)", D, 0},
    {"mean((derivative(g, x) - y) ^ 2 for (x, y) in d)", D, 0},
    {"mean((a - y) ^ 2 for (x, y) in d)", D, 0},
    /* no mean squared error */
    {"sum((f(x) - y) ^ 2 for (x, y) in d)", 0, 0},
    {"sum((f(x) - y) ^ 2 for (x, y) in d) / 41", 0, 0},
    {"2 * mse(f, d)", 0, 0},
    {"mse(f, d) / 2", 0, 0},
    {"sqrt(mse(f, d))", 0, 0},
    {"mse(f, d) + 1e-3 * a ^ 2", 0, 0},
    {"mse(f, d) + mse(g, d)", 0, 0},
    {"mse(f, d) + mse(f, e)", 0, 0},
    {"mean((f(x) - y) ^ 4 for (x, y) in d)", 0, 0},
    {"mean(abs(f(x) - y) for (x, y) in d)", 0, 0},
    {"mean((f(x) - y) * (g(x) - y) for (x, y) in d)", 0, 0},
    {"mean((f(x) - y) ^ 2 + a ^ 2 for (x, y) in d)", 0, 0},
    /* against something else than the target */
    {"mean((f(x) - 2 * y) ^ 2 for (x, y) in d)", 0, 0},
    {"mean((f(x) + y) ^ 2 for (x, y) in d)", 0, 0},
    {"mean((f(x) - x) ^ 2 for (x, y) in d)", 0, 0},
    {"mean((f(x) * y - y) ^ 2 for (x, y) in d)", 0, 0},
    {"mean((f(y) - y) ^ 2 for (x, y) in d)", 0, 0},
    {"mean(((f(x) - y) / y) ^ 2 for (x, y) in e)", 0, 0},
    /* against data that no pieces are fitted to */
    {"mse(f, heavy)", 0, 0},
    {"mse(z, plane)", 0, 0},
    {"mean(sum(([f(x), g(x)] - y) ^ 2) for (x, y) in pair)", 0, 0},
};

static const char *const stages[] = {"stage s { train a, b; adam(rate = 1e-3); epochs 1 }\n",
                                     "stage s { train a, b; lbfgs; epochs 1 }\n",
                                     "stage s { train a; sgd(rate = 1e-3); epochs 1; batch 7 of d }\n"
                                     "stage t { train a; adam(rate = 1e-3); epochs 1; batch 16 of d }\n"};

static void expect_stages(TwUnit *u, uint32_t file, const char *what, uint32_t data, uint32_t model) {
  TwBuild b = {.unit = u, .file = file};
  bool ok = file && tw_build(&b, TW_PHASE_LOWER);
  CHECK(ok, "%s does not compile", what);
  if (!ok) tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
  for (uint32_t s = 0; ok && s < b.lowered->rt->n_stages; s++) {
    const TwRtStage *st = &b.lowered->rt->stages[s];
    CHECK(st->fits == data, "%s, stage %s: data %u, not %u", what, st->name, st->fits, data);
    CHECK(st->fits_model == model, "%s, stage %s: model %u, not %u", what, st->name, st->fits_model, model);
  }
  tw_build_free(&b);
}

static void expect_text(const char *text, const char *what, uint32_t data, uint32_t model) {
  TwUnit *u = tw_unit_new(&(TwOptions){0});
  expect_stages(u, tw_source_add(&u->sources, "fits.tw", text, strlen(text)), what, data, model);
  tw_unit_free(u);
}

static void table(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
      bool batch = strstr(stages[s], "batch") != NULL; /* of d; a sum is scaled first, which is not looked through */
      if (batch && (!strstr(cases[k].loss, " d)") || strncmp(cases[k].loss, "sum", 3) == 0)) continue;
      char text[4096];
      snprintf(text, sizeof text, "%sloss = %s\n%s", prelude, cases[k].loss, stages[s]);
      expect_text(text, cases[k].loss, cases[k].data, cases[k].model);
    }
}

static void examples(const char *root) {
  static const struct {
    const char *file;
    uint32_t data, model;
  } at[] = {{"examples/cubic.tw", 1, 1},  {"examples/dense.tw", 1, 1},        {"examples/measured.tw", 1, 1},
            {"examples/beyond.tw", 1, 1}, {"tests/run/second_rows.tw", 0, 0}, {"tests/run/deep.tw", 1, 1},
            {"examples/radial.tw", 0, 0}, {"examples/difference.tw", 1, 1}};
  for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, at[k].file);
    const char *why;
    TwUnit *u = tw_unit_new(&(TwOptions){0});
    expect_stages(u, tw_source_read(&u->sources, path, &why), at[k].file, at[k].data, at[k].model);
    tw_unit_free(u);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: fits ROOT\n"), 2;
  table();
  examples(argv[1]);
  return tw_test_done("fits");
}
