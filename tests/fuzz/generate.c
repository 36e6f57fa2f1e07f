/* generate.c: programs drawn from a stream of choices, well typed by construction as far as a grammar can be.
 *
 * A byte is a choice; where the bytes end, every choice is the first, which ends every expression. Small changes of the
 * bytes make small changes of the program, so that a fuzzer can work on it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/laws.h"

enum { MAX_NAMES = 64, DEPTH = 4 };

/* REAL, INT, BOOL: scalars. VECTOR: of `n` reals. */
typedef enum Sort { REAL, INT, BOOL, VECTOR } Sort;

typedef struct Name {
  char text[24];
  Sort sort;
  unsigned n;
} Name;

typedef struct Gen {
  const uint8_t *at;
  size_t left;
  FILE *out;
  Name names[MAX_NAMES];
  unsigned n_names, fresh;
  unsigned sizes[3]; /* of the vectors of this program */
} Gen;

static unsigned choose(Gen *g, unsigned n) {
  if (!g->left) return 0;
  g->left--;
  return *g->at++ % n;
}

static void put(Gen *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vfprintf(g->out, fmt, ap);
  va_end(ap);
}

static void bind(Gen *g, const char *text, Sort sort, unsigned n) {
  if (g->n_names == MAX_NAMES) return;
  Name *x = &g->names[g->n_names++];
  snprintf(x->text, sizeof x->text, "%s", text);
  x->sort = sort;
  x->n = n;
}

/* A new name; the text is good until the next call but three. */
static const char *fresh(Gen *g, char kind) {
  static char text[4][24];
  char *t = text[g->fresh % 4];
  snprintf(t, sizeof text[0], "%c%u", kind, g->fresh++);
  return t;
}

static const Name *known(Gen *g, Sort sort, unsigned n) {
  unsigned found = 0;
  for (unsigned k = 0; k < g->n_names; k++) found += g->names[k].sort == sort && g->names[k].n == n;
  if (!found) return NULL;
  unsigned pick = choose(g, found);
  for (unsigned k = g->n_names; k-- > 0;)
    if (g->names[k].sort == sort && g->names[k].n == n && pick-- == 0) return &g->names[k];
  return NULL;
}

static void real(Gen *g, int depth);
static void vector(Gen *g, unsigned n, int depth);
static void boolean(Gen *g, int depth);
static void integer(Gen *g, int depth);

static void leaf(Gen *g) {
  static const char *const numbers[] = {"0.5", "1", "-1", "0", "2", "1e-3", "0.25", "pi", "3.5", "1.0e0", "-0.0", "7"};
  const Name *x = choose(g, 4) ? known(g, REAL, 0) : NULL;
  put(g, "%s", x ? x->text : numbers[choose(g, sizeof numbers / sizeof *numbers)]);
}

/* `for i in lo .. hi` with a body over i. */
static void comprehension(Gen *g, unsigned n, int depth) {
  unsigned mark = g->n_names;
  const char *i = fresh(g, 'i');
  char name[24];
  snprintf(name, sizeof name, "%s", i);
  unsigned lo = choose(g, 3);
  bind(g, name, INT, 0);
  real(g, depth - 1);
  put(g, " for %s in %u .. %u", name, lo, lo + n);
  g->n_names = mark;
}

static void lambda_derivative(Gen *g, int depth) {
  unsigned mark = g->n_names;
  char name[24];
  snprintf(name, sizeof name, "%s", fresh(g, 't'));
  put(g, "%s(fn(%s) = ", choose(g, 2) ? "grad" : "derivative", name);
  bind(g, name, REAL, 0);
  real(g, depth - 1);
  g->n_names = mark;
  put(g, ", ");
  real(g, depth - 1);
  put(g, ")");
}

static void call(Gen *g, int depth) {
  static const char *const unary[] = {"sin(",      "cos(",          "tanh(",        "abs(",       "relu(",
                                      "exp(-abs(", "sqrt(1 + abs(", "log(1 + abs(", "sign(",      "floor(",
                                      "logistic(", "atan(",         "log1p(abs(",   "expm1(-abs("};
  const char *f = unary[choose(g, sizeof unary / sizeof *unary)];
  put(g, "%s", f);
  real(g, depth - 1);
  for (const char *p = f; *p; p++)
    if (*p == '(') put(g, ")");
}

static void real(Gen *g, int depth) {
  unsigned n = g->sizes[choose(g, 3)];
  if (depth <= 0) {
    leaf(g);
    return;
  }
  static const char *const binary[] = {" + ", " - ", " * "};
  switch (choose(g, 18)) {
    case 0: leaf(g); break;
    case 1:
    case 2:
    case 3:
      put(g, "(");
      real(g, depth - 1), put(g, "%s", binary[choose(g, 3)]), real(g, depth - 1);
      put(g, ")");
      break;
    case 4: put(g, "("), real(g, depth - 1), put(g, ") / (1 + abs("), real(g, depth - 1), put(g, "))"); break;
    case 5: put(g, "("), real(g, depth - 1), put(g, ") ^ %u", choose(g, 4)); break;
    case 6: call(g, depth); break;
    case 7:
      put(g, "(if "), boolean(g, depth - 1), put(g, " then "), real(g, depth - 1), put(g, " else "), real(g, depth - 1);
      put(g, ")");
      break;
    case 8: {
      static const char *const folds[] = {"sum(", "mean(", "min(", "max(", "prod(", "norm("};
      put(g, "%s", folds[choose(g, 6)]), vector(g, n, depth - 1), put(g, ")");
      break;
    }
    case 9: vector(g, n, depth - 1), put(g, "[%u]", choose(g, n)); break;
    case 10: {
      static const char *const folds[] = {"sum(", "mean(", "max("};
      put(g, "%s", folds[choose(g, 3)]), comprehension(g, n, depth), put(g, ")");
      break;
    }
    case 11: lambda_derivative(g, depth); break;
    case 12: put(g, "dot("), vector(g, n, depth - 1), put(g, ", "), vector(g, n, depth - 1), put(g, ")"); break;
    case 13:
      put(g, "%s(", choose(g, 2) ? "max" : "min"), real(g, depth - 1), put(g, ", "), real(g, depth - 1), put(g, ")");
      break;
    case 14: put(g, "real("), integer(g, depth - 1), put(g, ")"); break;
    case 15: put(g, "-("), real(g, depth - 1), put(g, ")"); break;
    case 16: put(g, "(if "), boolean(g, depth - 1), put(g, " then "), real(g, depth - 1), put(g, " else 0.5)"); break;
    default:
      put(g, "where("), boolean(g, depth - 1), put(g, ", "), real(g, depth - 1), put(g, ", "), real(g, depth - 1),
          put(g, ")");
  }
}

static void integer(Gen *g, int depth) {
  const Name *x = known(g, INT, 0);
  if (depth <= 0 || choose(g, 3) == 0) {
    put(g, "%s", x ? x->text : "3");
    return;
  }
  put(g, "("), integer(g, depth - 1), put(g, "%s", choose(g, 2) ? " + " : " * "), integer(g, depth - 1),
      put(g, ") %% 7");
}

static void boolean(Gen *g, int depth) {
  static const char *const compare[] = {" < ", " <= ", " > ", " >= ", " == ", " != "};
  switch (depth <= 0 ? 0 : choose(g, 5)) {
    case 0:
    case 1: real(g, depth - 1), put(g, "%s", compare[choose(g, 6)]), real(g, depth - 1); break;
    case 2: put(g, "not ("), boolean(g, depth - 1), put(g, ")"); break;
    case 3:
      put(g, "("), boolean(g, depth - 1), put(g, "%s", choose(g, 2) ? " and " : " or "), boolean(g, depth - 1),
          put(g, ")");
      break;
    default: put(g, "%s", choose(g, 2) ? "true" : "false");
  }
}

static void vector(Gen *g, unsigned n, int depth) {
  const Name *x = known(g, VECTOR, n);
  if (depth <= 0) {
    put(g, x ? "%s" : "fill(%s, %u)", x ? x->text : "0.5", n);
    return;
  }
  switch (choose(g, 8)) {
    case 0: put(g, x ? "%s" : "fill(%s, %u)", x ? x->text : "0.25", n); break;
    case 1:
      put(g, "(");
      vector(g, n, depth - 1), put(g, choose(g, 2) ? " + " : " * "), vector(g, n, depth - 1);
      put(g, ")");
      break;
    case 2: put(g, "[ "), comprehension(g, n, depth), put(g, " ]"); break;
    case 3: put(g, "("), real(g, depth - 1), put(g, ") * "), vector(g, n, depth - 1); break;
    case 4: put(g, "%s(", choose(g, 2) ? "tanh" : "relu"), vector(g, n, depth - 1), put(g, ")"); break;
    case 5:
      put(g, "[");
      for (unsigned k = 0; k < n; k++) put(g, k ? ", " : ""), real(g, depth - 2);
      put(g, "]");
      break;
    case 6:
      put(g, "grad(fn(v) = sum((v * "), vector(g, n, depth - 2), put(g, ") ^ 2), "), vector(g, n, depth - 1),
          put(g, ")");
      break;
    default: put(g, "concat("), vector(g, n, depth - 2), put(g, ", fill(0.5, 1))[.. %u]", n);
  }
}

/* ---- declarations */

/* A body with lets, a loop or a recurrence; x and y are its parameters. */
static void function(Gen *g) {
  unsigned mark = g->n_names, n = g->sizes[choose(g, 3)];
  char f[24], a[24];
  snprintf(f, sizeof f, "%s", fresh(g, 'f'));
  bool block = choose(g, 3) > 0;
  put(g, "fn %s(x: real, y: real) -> real %s", f, block ? "{\n" : "= ");
  bind(g, "x", REAL, 0), bind(g, "y", REAL, 0);
  if (block) {
    for (unsigned k = choose(g, 3); k > 0; k--) {
      snprintf(a, sizeof a, "%s", fresh(g, 'l'));
      put(g, "  let %s = x * 1.0 + ", a), real(g, DEPTH - 1), put(g, "\n"), bind(g, a, REAL, 0);
    }
    unsigned shape = choose(g, 4);
    snprintf(a, sizeof a, "%s", fresh(g, 'l'));
    if (shape == 1) {
      put(g, "  let %s = 1.0 * y\n  for k in 0 .. %u { %s = tanh(%s * ", a, 1 + choose(g, 12), a, a);
      real(g, 2), put(g, " + x) }\n"), bind(g, a, REAL, 0);
    } else if (shape == 2) {
      put(g, "  let %s[0] = x, %s[k + 1] = sin(%s[k] * ", a, a, a);
      real(g, 2), put(g, ") for k in 0 .. %u\n", n - 1), bind(g, a, VECTOR, n);
    }
    put(g, "  ");
  }
  real(g, DEPTH), put(g, "%s\n", block ? "\n}" : "");
  g->n_names = mark;
  put(g, "\n");
}

static void data(Gen *g, const char *name) {
  Gen before = *g;
  static const char *const ends[] = {"[0, 1]", "(0, 1)", "[-1, 2]", "[0.001, 0.999)", "(-0.5, 0.5]"};
  g->n_names = 0;
  bind(g, "x", REAL, 0);
  put(g, "data %s = grid(x in %s, %u) -> ", name, ends[choose(g, 5)], 2 + choose(g, 40));
  real(g, 2), put(g, "\n");
  memcpy(g->names, before.names, sizeof g->names);
  g->n_names = before.n_names;
}

static void param(Gen *g) {
  static const char *const domains[] = {"",
                                        " in (0, 1)",
                                        " in (0, 1) by clip(0.02)",
                                        " in (0, inf)",
                                        " in [-1, 2] by clip(0)",
                                        " in (-inf, 1) by clip(1e-6)",
                                        " in (0, inf) by exp",
                                        " in (-2, 3) by logistic"};
  static const char *const starts[] = {" = 0.5", " ~ uniform(0.3, 0.7)", " = 0.25 + 0.5",
                                       " ~ 0.5 + 0.1 * uniform(-1, 1)"};
  char a[24];
  snprintf(a, sizeof a, "%s", fresh(g, 'p'));
  unsigned n = choose(g, 2) ? g->sizes[choose(g, 3)] : 0;
  put(g, "param %s : real", a);
  if (n) put(g, "[%u]", n);
  put(g, "%s%s\n", domains[choose(g, 8)], starts[choose(g, 4)]);
  bind(g, a, n ? VECTOR : REAL, n);
}

static void stage(Gen *g, const char *name, const char *train) {
  static const char *const optimizers[] = {"adam(rate = 1e-3)",
                                           "sgd()",
                                           "momentum(nesterov = true)",
                                           "rmsprop(rate = cosine(1e-2))",
                                           "adamw(rate = exponential(1e-3, 1e-5))",
                                           "own(rate = fn(epoch, epochs) = 1e-2 / (1 + epoch))"};
  put(g, "stage %s {\n  train %s\n  %s\n  epochs %u\n", name, train, optimizers[choose(g, 6)], choose(g, 4));
  if (choose(g, 3) == 1) put(g, "  batch 2 of train_set\n");
  if (choose(g, 4) == 1) put(g, "  clip_norm 1\n");
  if (choose(g, 4) == 1) put(g, "  keep best\n");
  if (choose(g, 4) == 1) {
    put(g, "  loss = mse(model_f, train_set) + 1e-3 * (");
    real(g, 2), put(g, ") ^ 2\n");
  }
  put(g, "}\n");
}

static void model(Gen *g) {
  unsigned mark = g->n_names;
  put(g, "model model_f(x: real) -> real = ");
  bind(g, "x", REAL, 0);
  put(g, "first_param * x + ");
  real(g, DEPTH), put(g, "\n");
  g->n_names = mark;
}

char *law_program(const uint8_t *choices, size_t n) {
  char *text = NULL;
  size_t size = 0;
  Gen g = {.at = choices, .left = n};
  g.out = open_memstream(&text, &size);
  if (!g.out) abort();
  for (int k = 0; k < 3; k++) g.sizes[k] = 1 + choose(&g, 6);
  bool net = choose(&g, 2), variants = choose(&g, 3) == 1;
  put(&g, "// generated\nimport triwave\nimport nn\nimport init\n\nconst k0 = %u\n", 1 + choose(&g, 5));
  bind(&g, "k0", INT, 0);
  put(&g, "optimizer own(rate: schedule = 1e-2) { state m = 0; m = 0.9 * m + g; p = p - rate * m }\n\n");
  for (unsigned k = choose(&g, 3); k > 0; k--) function(&g);
  data(&g, "train_set"), data(&g, "test_set");
  put(&g, "param first_param : real = 0.5\n"), bind(&g, "first_param", REAL, 0);
  for (unsigned k = choose(&g, 4); k > 0; k--) param(&g);
  if (net) {
    put(&g, "param peak : real[k0 + 1] in (0, 1) by clip(0.02) ~ uniform(0.3, 0.7)\n");
    put(&g, "weights net = triwave.set_weights(peak, triwave.smooth_ratios(peak, 0.25), mix = -1)\n");
    put(&g, "model wave(x: real) -> real = triwave.forward(net, x)\n");
  }
  put(&g, "weights raw : nn.Mlp[1, %u, %u, 1] ~ init.%s\n", 1 + choose(&g, 4), 2 + choose(&g, 3),
      choose(&g, 2) ? "raai" : "kaiming");
  put(&g, "model dense(x: real) -> real = nn.forward(raw, [x])[0]\n");
  model(&g);
  put(&g, "loss = mse(model_f, train_set) + mae(dense, train_set)%s + 1e-3 * (", net ? " + mse(wave, train_set)" : "");
  real(&g, 3), put(&g, ") ^ 2\nmeasure m0 = sup(model_f, test_set)\n");
  stage(&g, "pretrain", net ? "first_param, raw, peak" : "first_param, raw");
  if (choose(&g, 2)) stage(&g, "standard", net ? "net" : "raw");
  if (choose(&g, 3) == 1) put(&g, "ensure regions(%s, [0, 1]) >= 1 during pretrain every 2\n", net ? "wave" : "dense");
  if (choose(&g, 3) == 1) put(&g, "ensure first_param < 1e6 during pretrain\n");
  if (choose(&g, 3) == 1) put(&g, "expect best_loss < 1e9\n");
  if (variants) put(&g, "variant other {\n  weights raw ~ init.kaiming\n  measure m1 = first_param\n}\n");
  fclose(g.out);
  return text;
}
