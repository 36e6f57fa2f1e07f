/* independent.c: programs with exactly k mistakes that have nothing to do with each other give exactly k errors, each
 * of the id that the mistake has and in its lines, whatever else is wrong and however often the wrong thing is used.
 *
 *   independent N SEED   N programs for each k of 1 to 4 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/parse.h"
#include "compiler/lower/lower.h"
#include "compiler/sema/sema.h"

/* `#` is a number of the place's own. */
typedef struct Piece {
  const char *id; /* of the one error; NULL: right */
  const char *text;
} Piece;

static const Piece base[] = {{NULL, "data train = grid(x in [0, 1], 20) -> x ^ 2"},
                             {NULL, "param a : real in (0, 2) ~ uniform(0.5, 1.5)"},
                             {NULL, "param b : real[3] = [1, 2, 3]"},
                             {NULL, "fn helper[n](v: real[n]) -> real = sum(v ^ 2)"},
                             {NULL, "fn line(x: real, slope: real, start: real = 0) -> real = start + slope * x"},
                             {NULL, "weights w = a * b"},
                             {NULL, "model f(x: real) -> real = a * x + sum(w) * x ^ 2"},
                             {NULL, "loss = mse(f, train) + 1e-3 * helper(b)"},
                             {NULL, "measure worst = sup(f, train)"},
                             {NULL, "stage fit { train a, b; adam(rate = 1e-3); epochs 10 }"},
                             {NULL, "ensure a > 0 during fit"},
                             {NULL, "type Pair[n] = { left: real[n], right: real[n] }"},
                             {NULL, "fn both[n](p: Pair[n]) -> real = helper(p.left) + helper(p.right)"},
                             {NULL, "variant slow { stage fit { train a, b; sgd(rate = 1e-4); epochs 20 } }"}};

static const Piece mistakes[] = {
    {"E0101", "const c# = 5 $ 6\nconst u# = c# + 1"},
    {"E0103", "data d# = csv(\"d#.csv, t) -> h\nmeasure u# = mse(f, d#)"},
    {"E0104", "data d# = csv(\"a\\qd#.csv\", t) -> h\nmeasure u# = mse(f, d#)"},
    {"E0105", "const c# = 12abc\nconst u# = 2 * c#"},
    {"E0106", "const c# = 9223372036854775808\nconst u# = 2 * c#"},
    {"E0107", "const c# = 1e999\nfn u#(x: real) -> real = c# * x"},
    {"E0108", "const c# = 1 +\nconst u# = c#"},
    {"E0108", "const c# 5\nconst u# = c#"},
    {"E0108", "fn c#(x real) -> real {\n  let y = x\n  y\n}\nfn u#(x: real) -> real = c#(x)"},
    {"E0108", "stage c# { train a b; adam(); epochs 10 }"},
    {"E0109", "const c# = (1 + 2\nconst u# = c#"},
    {"E0110", "const c# = [1, 2)\nconst u# = c#[0]"},
    {"E0111", "fn c#(x: real) -> bool = 0 < x < 1\nfn u#(x: real) -> real = if c#(x) then 1 else 2"},
    {"E0112", "wieghts c# = 2 * a\nmodel u#(x: real) -> real = c# * x"},
    {"E0113", "fn c#(x) -> real = x\nfn u#(x: real) -> real = c#(x)"},
    {"E0114", "fn c#(x: real) -> real {\n  let y = x\n}\nfn u#(x: real) -> real = c#(x)"},
    {"E0115", "fn c#(x: real) -> real {\n  y = x\n  x\n}\nfn u#(x: real) -> real = c#(x)"},
    {"E0117", "fn c#(x: real) -> real = line(slope = 2, x)\nfn u#(x: real) -> real = c#(x)"},
    {"E0118", "const c# = 2 ** 3\nconst u# = c#"},
    {"E0119", "fn c#(in: real) -> real = 1\nfn u#(x: real) -> real = c#(x)"},
    {"E0201", "const c# = missing# + 1\nconst u# = c# * c#\nconst t# = u# + c#"},
    {"E0201", "fn c#(x: real) -> real = x + missing#\nfn u#(x: real) -> real = c#(x) + c#(2 * x)"},
    {"E0201", "stage c# { train missing#; adam(); epochs 10 }"},
    {"E0202", "const c# = 1\nconst c# = 2"},
    {"E0203", "import missing#\nfn c#(x: real) -> real = missing#.f(x)"},
    {"E0205", "fn c#[n](p: Pair[n]) -> real = helper(p.middle)\nfn u#[n](p: Pair[n]) -> real = c#(p)"},
    {"E0206", "fn c#(x: reel) -> real = 1\nfn u#(x: real) -> real = c#(x)"},
    {"E0207", "fn c#(x: real) -> real = helper(w = [x])"},
    {"E0208", "const c# = u# + 1\nconst u# = c# + 1\nconst t# = u#"},
    {"E0209", "fn c#(x: real) -> real = x + train\nfn u#(x: real) -> real = c#(x)"},
    {"E0214", "const c# = 2 * a\nconst u# = c#"},
    {"E0301", "fn c#(x: real) -> real = x > 0\nfn u#(x: real) -> real = c#(x)"},
    {"E0302", "fn c#(x: real) -> real = sin(x, x)\nfn u#(x: real) -> real = c#(x)"},
    {"E0303", "fn c#() -> real = helper()\nfn u#(x: real) -> real = x + c#()"},
    {"E0304", "fn c#(x: real) -> real = x(2)\nfn u#(x: real) -> real = c#(x)"},
    {"E0305", "fn c#(x: real) -> real = x.left\nfn u#(x: real) -> real = c#(x)"},
    {"E0306", "fn c#(x: real) -> real = x[0]\nfn u#(x: real) -> real = c#(x)"},
    {"E0307", "fn c#(x: real) -> real = x + true\nfn u#(x: real) -> real = c#(x)"},
    {"E0309", "fn c#(v: real[3]) -> real = v[0.5]\nfn u#() -> real = c#(b)"},
    {"E0310", "fn c#(x: real) -> real = if x > 0 then x else false\nfn u#(x: real) -> real = c#(x)"},
    {"E0312", "fn c#(x: real) -> real = c#(x - 1)\nfn u#(x: real) -> real = c#(x)"},
    {"E0314", "const c# = 1 / 0\nconst u# = c#"},
    {"E0319", "param c# : real = uniform(0, 1)\nmeasure u# = c#"},
    {"E0321", "fn c#(x: real) -> real = sum(x)\nfn u#(x: real) -> real = c#(x)"},
    {"E0322", "custom fn c#(x: real) -> real = x ^ 3\n  derivative x = 2 * x ^ 2\nmeasure u# = c#(a)"},
    {"E0401", "fn c#(v: real[3], u: real[4]) -> real = sum(v + u)\nfn u#() -> real = c#(b, [1, 2, 3, 4])"},
    {"E0402", "fn c#(m: real[2, 3], v: real[2]) -> real = sum(m @ v)"},
    {"E0403", "fn c#(p: Pair) -> real = 1"},
    {"E0404", "fn c#(v: real[3]) -> real = v[3]\nmeasure u# = c#(b)"},
    {"E0405", "fn c#[n]() -> real = sum(ones(n))\nmeasure u# = c#() * a"},
    {"E0407", "param c# : real[-2] = 0\nmeasure u# = sum(c#)"},
    {"E0409", "fn c#(x: real) -> real = sum([[1, x], [x]])\nfn u#(x: real) -> real = c#(x)"},
    {"E0411", "fn c#(v: real[3], x: real) -> real = v[int(x)]\nmeasure u# = c#(b, a)"},
    {"E0501", "param c# : real in (0, 1) = 2\nmeasure u# = c#"},
    {"E0502", "param c# : real in (1, 0) = 0.5\nmeasure u# = c#"},
    {"E0503", "param c# : real in nowhere# = 0.5\nmeasure u# = c#"},
    {"E0504", "param c# : real in (0, 1) by sigmoid = 0.5\nmeasure u# = c#"},
    {"E0507", "param c# : real\nmeasure u# = c#"},
    {"E0509", "param c# : real in (0, 1) ~ uniform(0, 2)\nmeasure u# = c#"},
    {"E0511", "weights c# ~ uniform(0, 1)\nmodel u#(x: real) -> real = c# * x"},
    {"E0601", "data d# = csv(\"nowhere#.csv\", t) -> h\nmeasure u# = mse(f, d#)"},
    {"E0606", "data d# = gird(x in [0, 1], 5) -> x\nmeasure u# = mse(f, d#)"},
    {"E0609", "data d# = grid(x in [0, 1], 5) -> 1 / x\nmeasure u# = mse(f, d#)"},
    {"E0610", "data d# = grid(x in [0, 1], 5)\nmeasure u# = mse(f, d#)"},
    {"E0701", "stage c# { adam(); epochs 10 }"},
    {"E0704", "const c# = 1\nstage u# { train c#; adam(); epochs 10 }"},
    {"E0706", "variant c# { skip nowhere# }"},
    {"E0706", "ensure a > 0 during nowhere#"},
    {"E0707", "stage c# { train a; adam() }"},
    {"E0708", "stage c# { train a; adma(); epochs 10 }"},
    {"E0709", "optimizer c#(rate: schedule = 1) {\n  let q = p - rate * g\n}"},
    {"E0710", "measure c# = b"},
    {"E0714", "model c#(x: int) -> real = x"},
    {"E0717", "stage c# { train a; adam(); epochs -1 }"},
    {"E0718", "fn c#(x: real) -> real = if x then 1 else 2\nfn u#(x: real) -> real = c#(x)"},
    {"E0719", "ensure a > 0 and a < 2"}};

enum { BASE = sizeof base / sizeof *base, MISTAKES = sizeof mistakes / sizeof *mistakes, MOST = 4 };

typedef struct Program {
  char text[8000];
  size_t len;
  uint32_t line;
  uint32_t from[MOST], to[MOST]; /* the lines of each mistake */
  const Piece *wrong[MOST];
  uint32_t n;
} Program;

static uint64_t next(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state >> 11;
}

static void add(Program *p, const Piece *piece, uint32_t number) {
  if (piece->id) p->from[p->n] = p->line;
  for (const char *s = piece->text;; s++) {
    if (*s == '#') p->len += (size_t)snprintf(p->text + p->len, sizeof p->text - p->len, "%u", number);
    else p->text[p->len++] = *s ? *s : '\n';
    p->line += !*s || *s == '\n';
    if (!*s) break;
  }
  if (piece->id) p->to[p->n] = p->line - 1, p->wrong[p->n++] = piece;
}

/* k different mistakes, put between the declarations of a program that is right. */
static void make(Program *p, uint32_t k, uint64_t *state) {
  uint32_t chosen[MOST], where[MOST];
  *p = (Program){.line = 1};
  for (uint32_t j = 0; j < k; j++) {
    bool again = true;
    while (again) {
      chosen[j] = (uint32_t)(next(state) % MISTAKES);
      again = false;
      for (uint32_t i = 0; i < j; i++) again |= chosen[i] == chosen[j];
    }
    where[j] = (uint32_t)(next(state) % (BASE + 1));
  }
  for (uint32_t b = 0; b <= BASE; b++) {
    for (uint32_t j = 0; j < k; j++)
      if (where[j] == b) add(p, &mistakes[chosen[j]], j);
    if (b < BASE) add(p, &base[b], 0);
  }
  p->text[p->len] = 0;
}

static void compile(TwUnit *u, const Program *p) {
  TwModuleAst *ast = NULL;
  TwVariantNames names = {0};
  tw_parse(u, tw_source_add(&u->sources, "mistakes.tw", p->text, p->len), &ast);
  tw_variants(u, ast, &names);
  for (uint32_t k = 0; k < names.len; k++) {
    TwProgram *typed = NULL;
    TwLowered *lowered = NULL;
    if (tw_sema(u, ast, names.at[k], &typed) && u->diags.errors == 0)
      tw_lower(u, typed, TW_LOWER_TRAIN, NULL, &lowered);
  }
}

static bool good(const TwUnit *u, const Program *p) {
  bool met[MOST] = {0}, ok = u->diags.errors == p->n;
  for (uint32_t k = 0; k < u->diags.list.len; k++) {
    const TwDiag *d = u->diags.list.at[k];
    if (d->severity != TW_SEV_error) continue;
    uint32_t line = d->span.file ? tw_place(&u->sources, d->span.file, d->span.start).line : 0, j = 0;
    while (j < p->n &&
           (met[j] || strcmp(tw_diag_code(d->id), p->wrong[j]->id) != 0 || line < p->from[j] || line > p->to[j]))
      j++;
    if (j < p->n) met[j] = true;
    else ok = false;
  }
  return ok;
}

static bool one(uint32_t k, uint64_t *state) {
  static Program p;
  make(&p, k, state);
  TwUnit *u = tw_unit_new(NULL);
  compile(u, &p);
  bool ok = good(u, &p);
  if (!ok) {
    printf("%u mistakes:", p.n);
    for (uint32_t j = 0; j < p.n; j++) printf(" %s at %u", p.wrong[j]->id, p.from[j]);
    printf("; %u errors\n%s", u->diags.errors, p.text);
    tw_diags_render(&u->diags, stdout, (TwDiagStyle){0});
  }
  tw_unit_free(u);
  return ok;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  uint32_t n = (uint32_t)atoi(argv[1]), bad = 0;
  uint64_t state = strtoull(argv[2], NULL, 10) * 0x9E3779B97F4A7C15u + 1;
  for (uint32_t k = 0; k <= MOST; k++)
    for (uint32_t i = 0; i < (k ? n : 1); i++) bad += !one(k, &state);
  printf("%u programs with 1 to %d of %d mistakes: %u have not as many errors as mistakes\n", n * MOST, MOST, MISTAKES,
         bad);
  return n == 0 || bad != 0;
}
