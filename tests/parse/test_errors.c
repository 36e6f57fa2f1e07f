/* test_errors.c: each mistake is one error, with its id and place; nothing else is reported. */
#include <stdlib.h>
#include <string.h>

#include "tests/parse/util.h"

typedef struct Case {
  const char *text, *want; /* "line:column id; …" in the order of the text */
} Case;

static const Case cases[] = {
    /* lexical */
    {"const a = 5 $ 6", "1:13 E0101"},
    {"const a = \xCE\xB1 + 1", "1:11 E0101"},
    {"const a = 1\xE2\x88\x92"
     "2",
     "1:12 E0101"},
    {"const a = \xFF\xFE", "1:11 E0102"},
    {"// \xFF\nconst a = 1", "1:1 E0102"},
    {"const a = \"\xC3\"", "1:11 E0102"},
    {"const a = \"abc\nconst b = 1", "1:11 E0103"},
    {"const a = \"a\\qb\\z\"", "1:13 E0104; 1:16 E0104"},
    {"const a = 12abc + 1. + .5 + 1e + 1e+", "1:11 E0105; 1:19 E0105; 1:24 E0105; 1:29 E0105; 1:34 E0105"},
    {"const a = 9223372036854775807", ""},
    {"const a = 9223372036854775808", "1:11 E0106"},
    {"const a = 1e999", "1:11 E0107"},
    {"const a = b ** c && !d || e", "1:13 E0118; 1:18 E0118; 1:21 E0118; 1:24 E0118"},
    {"const a = 'x'", "1:11 E0118"},
    {"/* x\n */ const a = 1\n# y\nconst b = 2", "1:1 E0118; 3:1 E0118"},
    {"const a := 3", "1:9 E0118"},
    {"data d = grid() => x", "1:17 E0118"},
    {"const a = 1\x01", "1:12 E0101"},
    /* brackets */
    {"const a = (1 + 2\nconst b = 3", "1:11 E0109"},
    {"const a = [1, f(2\nconst b = (3", "1:16 E0109; 2:11 E0109"},
    {"const a = f(x))\nconst b = 1", "1:15 E0110"},
    {"const a = [1, 2)", "1:16 E0110"},
    {"const a = f([1, 2)", "1:13 E0109"},
    {"const a = { b = (1 }", "1:17 E0109"},
    {"}\nconst a = 1", "1:1 E0110"},
    {"fn f(x: real) -> real {\n  let y = x\n  y\nmodel g(x: real) -> real = x", "1:23 E0109"},
    {"fn f(x: real) -> real {\n  let y = (x\n  let z = y\n  z\n}", "2:11 E0109"},
    {"variant v {\n  skip a\n", "1:11 E0109"},
    {"stage s { train a\nconst b = 1", "1:9 E0109"},
    {"const a = (", "1:11 E0109"},
    {"param p : real in (0, 1] = 1", ""},
    /* syntax */
    {"import a import b", "1:10 E0108"},
    {"import", "1:7 E0108"},
    {"const a 5\nconst b = 1", "1:9 E0108"},
    {"const a = 3 +\nconst b = (1\nconst c = * 2", "1:14 E0108; 2:11 E0109; 3:11 E0108"},
    {"const a = if b then c", "1:22 E0108"},
    {"const a = b = c", "1:13 E0108"},
    {"const a = x\n-3\nconst b = 2", "2:1 E0108"},
    {"const a = +3", "1:11 E0108"},
    {"const a = (b c)\nconst d = (e f)", "1:14 E0108; 2:14 E0108"},
    {"const a = 1 < 2 < 3", "1:17 E0111"},
    {"const a = 1 == 2 != 3", "1:18 E0111"},
    {"wieghts net = 4\nfoo = 3", "1:1 E0112; 2:1 E0112"},
    {"let y = 2", "1:1 E0112"},
    {"fn f(x) -> real = x", "1:6 E0113"},
    {"fn f(x: real) -> real = x derivative x = 1", "1:27 E0113"},
    {"fn for(x: real) -> real = x", "1:4 E0119"},
    {"param p : in", "1:11 E0119"},
    {"fn f(true: real) -> real = 1", "1:6 E0119"},
    {"fn f(x: real) -> real\n{\n  x\n}\nconst b = 1 +", "1:22 E0108; 5:14 E0108"},
    {"fn f(x real) -> real {\n  let y = x +\n  y\n}\nconst b 1", "1:8 E0108; 5:9 E0108"},
    {"fn f(x: real) -> real {\n  let y = x +\n  let z = y y\n  return z\n  z\n}", "2:14 E0108; 3:13 E0108; 4:10 E0108"},
    {"fn f(x: real) -> real { let y = x }", "1:35 E0114"},
    {"fn f(x: real) -> real { }", "1:25 E0114"},
    {"fn f(x: real) -> real {\n  x = 3\n  x + 1\n  x\n}", "2:3 E0115; 3:3 E0115"},
    {"fn f(x: real) -> real { for i in 0 .. 3 { x + i }\n x }", "1:43 E0115"},
    {"optimizer o() { p = g; state m = 0 }", "1:30 E0115"},
    {"optimizer o(rate: real) { p + g }", "1:27 E0115"},
    {"fn f(x: real) -> real { let s[0] = 1, t[1] = 2; s }", "1:39 E0113"},
    {"fn f(x: real) -> real { let s[0] = 1, s[i] = 2 for i in x; s }", "1:52 E0113"},
    {"skip s", "1:1 E0116"},
    {"variant v { variant w { } }", "1:13 E0116"},
    {"variant v { import nn }", "1:13 E0116"},
    {"const a = f(b = 1, 2)", "1:20 E0117"},
    {"param p : real ~ uniform(0, 1) in (0, 1)", "1:32 E0108"},
    {"stage s { train a b; adam(; epochs }", "1:19 E0108; 1:26 E0109; 1:36 E0108"},
    {"stage s { train }\nstage t { epochs }", "1:17 E0108; 2:18 E0108"},
    {"variant v { weights net = ; skip }\nconst a = ]", "1:27 E0108; 1:34 E0108; 2:11 E0110"},
    {"ensure\nexpect\nloss\nmeasure m", "1:7 E0108; 2:7 E0108; 3:5 E0108; 4:10 E0108"},
    {"const a = { b = 1 c = 2 }", "1:19 E0108"},
    {"const a = { b = 1\n c = 2 }", "2:2 E0108"},
    {"type T = { a: }\ntype U[n] { a: real }", "1:15 E0108; 2:11 E0108"},
    {"data d = grid(x in [0 1], 5) -> x", "1:23 E0108"},
    {"const a = [x for i 3]\nconst b = [x for in 3]", "1:20 E0108; 2:18 E0119"},
};

static char *found(const Parsed *p) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  const TwDiags *d = &p->u->diags;
  /* in the order of the text: simple selection, the lists are short */
  uint32_t last = 0;
  bool first = true;
  for (uint32_t done = 0; done < d->list.len;) {
    uint32_t next = UINT32_MAX;
    for (uint32_t i = 0; i < d->list.len; i++) {
      uint32_t at = d->list.at[i]->span.start;
      if ((first || at > last) && at < next) next = at;
    }
    for (uint32_t i = 0; i < d->list.len; i++) {
      if (d->list.at[i]->span.start != next) continue;
      TwPlace at = tw_place(&p->u->sources, p->file, next);
      fprintf(out, "%s%u:%u %s", done ? "; " : "", at.line, at.column, tw_diag_code(d->list.at[i]->id));
      done++;
    }
    first = false;
    last = next;
  }
  fclose(out);
  return text;
}

static void one(const Case *c) {
  Parsed p = parse_string(c->text);
  char *got = found(&p);
  if (strcmp(got, c->want) != 0) {
    char *all = rendered(&p, (TwDiagStyle){0});
    fail(c->text, "got %s\n     wanted %s\n%s", got, c->want, all);
    free(all);
  }
  if (p.ok != (c->want[0] == 0)) fail(c->text, "the result disagrees with the errors");
  free(got);
  parsed_free(&p);
}

/* Messages in full. */
static void goldens(void) {
  static const char *const texts[][2] = {
      {"weights net = f(x\nmodel g(x: real) -> real = x\n",
       "t.tw:1:16: error[E0109]: this '(' is never closed\n 1 | weights net = f(x\n   |                ^\n"
       "t.tw:2:1: note: ')' is expected before this\n"},
      {"wieghts net = 4", "t.tw:1:1: error[E0112]: a declaration cannot begin with 'wieghts'\n 1 | wieghts "
                          "net = 4\n   | ^^^^^^^\n"
                          "  help: did you mean 'weights'?\n"},
      {"const a = f(x,\n            y z)",
       "t.tw:2:15: error[E0108]: expected ')', ',' or an operator, found 'z'\n 2 |             y z)\n"
       "   |               ^\n"},
      {"param p real", "t.tw:1:9: error[E0108]: expected '=', '~', ':', 'in' or 'by', found 'real'\n"
                       " 1 | param p real\n   |         ^^^^\n"},
      {"const a : = 3", "t.tw:1:11: error[E0108]: expected a type, found '='\n 1 | const a : = 3\n   |           ^\n"},
      {"5", "t.tw:1:1: error[E0108]: expected a declaration, found '5'\n 1 | 5\n   | ^\n"},
      {"const 5", "t.tw:1:7: error[E0108]: expected a name, found '5'\n 1 | const 5\n   |       ^\n"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    Parsed p = parse_string(texts[i][0]);
    char *got = rendered(&p, (TwDiagStyle){0});
    if (strcmp(got, texts[i][1]) != 0) fail("golden", "got\n%s---- wanted\n%s", got, texts[i][1]);
    free(got);
    parsed_free(&p);
  }
}

static char *repeat(const char *before, const char *unit, const char *middle, const char *close, const char *after,
                    int n) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  fputs(before, out);
  for (int i = 0; i < n; i++) fputs(unit, out);
  fputs(middle, out);
  for (int i = 0; i < n; i++) fputs(close, out);
  fputs(after, out);
  fclose(out);
  return text;
}

/* Nesting beyond the limit is one diagnostic; below it everything works. */
static void nesting(void) {
  static const struct {
    const char *before, *unit, *middle, *close, *after;
    int fine;
  } shapes[] = {{"const a = ", "(", "1", ")", "\n", 900},
                {"const a = ", "[", "1", "]", "\n", 900},
                {"const a = ", "{ a = ", "1", "}", "\n", 900},
                {"const a = ", "f(", "1", ")", "\n", 900},
                {"const a = ", "- ", "1", "", "\n", 900},
                {"const a = ", "not ", "b", "", "\n", 900},
                {"const a = ", "1 + ", "1", "", "\n", 900},
                {"const a = ", "1 ^ ", "1", "", "\n", 900},
                {"const a = ", "1 + 2 * (", "1", ")", "\n", 300},
                {"const a = b", ".c", "", "", "\n", 900},
                {"const a = b", "[0]", "", "", "\n", 900},
                {"const a = b", "()", "", "", "\n", 900},
                {"const a = ", "if b then c else ", "d", "", "\n", 900},
                {"const a = ", "if ", "d", " then b else c", "\n", 900},
                {"const a = ", "fn(x) = ", "x", "", "\n", 900},
                {"fn f(x: ", "fn(real) -> ", "real", "", ") -> real = x\n", 900},
                {"fn f(x: ", "fn(", "real", ") -> real", ") -> real = x\n", 900},
                {"fn f(x: real) -> real {\n", "for i in 0 .. 3 {\n", "h = 1\n", "}\n", "x\n}\n", 450},
                {"variant v { ", "variant v { ", "", "}\n", "}\n", 0}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    char *text = repeat(shapes[i].before, shapes[i].unit, shapes[i].middle, shapes[i].close, shapes[i].after, 20000);
    Parsed p = parse_string(text);
    CHECK(!p.ok && p.u->diags.errors >= 1);
    CHECK(p.u->diags.list.at[p.u->diags.errors - 1]->id == TW_E0901 && (shapes[i].fine == 0 || p.u->diags.errors == 1));
    if (p.u->diags.errors != 1) fail(shapes[i].unit, "%u errors: %s", p.u->diags.errors, p.u->diags.list.at[0]->text);
    FILE *sink = fopen("/dev/null", "w");
    tw_ast_dump(p.u, p.m, sink);
    fclose(sink);
    parsed_free(&p);
    free(text);
    if (!shapes[i].fine) continue;
    text = repeat(shapes[i].before, shapes[i].unit, shapes[i].middle, shapes[i].close, shapes[i].after, shapes[i].fine);
    check_format(shapes[i].unit, text, strlen(text));
    free(text);
  }
}

/* Files that are no programs at all end quickly. */
static void garbage(void) {
  static const char *const units[] = {"$ ", "x\n", "(\n", ") ", "\xFF ", "const a = 1 +\n", "{ ", "} ", "\"\n", "1. "};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    char *text = repeat("", units[i], "", "", "", 200000);
    Parsed p = parse_string(text);
    CHECK(!p.ok && p.u->diags.errors <= 1003);
    parsed_free(&p);
    free(text);
  }
  char *text = repeat("const a = [", "12, ", "", "", "1]\n", 300000);
  check_format("long array", text, strlen(text));
  free(text);
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) one(&cases[i]);
  goldens();
  nesting();
  garbage();
  return failures != 0;
}
