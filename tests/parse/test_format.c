/* test_format.c: the formatter's laws over all programs, with comments put anywhere, and its style. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/token.h"
#include "tests/parse/util.h"

static void golden(const char *text, const char *want) {
  Parsed p = parse_string(text);
  const char *got = p.ok ? tw_format(p.u, p.m) : "(does not parse)\n";
  if (strcmp(got, want) != 0) fail("style", "got\n%s---- wanted\n%s", got, want);
  parsed_free(&p);
}

static void style(void) {
  golden("", "");
  golden("\n\n// c\n\n\n", "// c\n");
  golden("const   a=1+2*(3)-(4-5)", "const a = 1 + 2 * 3 - (4 - 5)\n");
  golden("const a=(-b)^c^(-d)", "const a = (-b) ^ c ^ -d\n");
  golden("const a=((b^c))^d", "const a = (b ^ c) ^ d\n");
  golden("const a=-(-b)*-(c+d)", "const a = --b * -(c + d)\n");
  golden("const a=(b/c)*d/(e*f)", "const a = (b / c) * d / (e * f)\n");
  golden("const a=not(b==c)and(d or e)", "const a = not b == c and (d or e)\n");
  golden("const a=(1).b+(if c then d else e)*f[0..3,..]", "const a = (1).b + (if c then d else e) * f[0 .. 3, ..]\n");
  golden("const a=[x for(x,y)in d if x>0]", "const a = [ x for (x, y) in d if x > 0 ]\n");
  golden("const a={b=1,c={}}", "const a = { b = 1, c = {} }\n");
  golden("stage s{train a,b;adam( rate=1e-3 );epochs 3}", "stage s { train a, b; adam(rate = 1e-3); epochs 3 }\n");
  golden("stage s{\ntrain a;epochs 3}", "stage s {\n  train a\n  epochs 3\n}\n");
  golden("fn f(x:real)->real{let y=x;{a=y}}", "fn f(x: real) -> real { let y = x; { a = y } }\n");
  golden("variant v{skip a // c\n}", "variant v {\n  skip a // c\n}\n");
  golden("const a=1;const b=2\n\n\n\n// c\n\n\nconst d=3", "const a = 1\nconst b = 2\n\n// c\n\nconst d = 3\n");
  golden("const a=f(1,// c\n2)", "const a = f(\n  1, // c\n  2\n)\n");
  golden("const a=1+// c\n2", "const a =\n  1 + // c\n  2\n");
  golden("const "
         "a=[100000000,200000000,-300000000,400000000,500000000,600000000,700000000,800000000,900000000,100]",
         "const a = [\n  100000000, 200000000, -300000000, 400000000, 500000000, 600000000, 700000000, "
         "800000000,\n"
         "  900000000, 100\n]\n");
  golden("param p:real in(0,1]by clip(1)~u(0,1)", "param p : real in (0, 1] by clip(1) ~ u(0, 1)\n");
  golden("custom fn f(x:real)->real=x derivative x=1", "custom fn f(x: real) -> real = x\n  derivative x = 1\n");
}

/* Where tokens begin, for putting things between them. */
static uint32_t *token_starts(const char *text, size_t len, uint32_t *n) {
  TwScan s = {(const unsigned char *)text, (uint32_t)len};
  uint32_t *at = malloc((len + 2) * sizeof *at);
  *n = 0;
  for (uint32_t i = 0;;) {
    TwToken t = tw_scan(&s, i);
    at[(*n)++] = t.start;
    if (t.kind == 0) return at;
    i = t.end;
  }
}

static char *insert(const char *text, size_t len, uint32_t at, const char *what, size_t *out_len) {
  size_t n = strlen(what);
  char *out = malloc(len + n + 1);
  memcpy(out, text, at);
  memcpy(out + at, what, n);
  memcpy(out + at + n, text + at, len - at);
  out[len + n] = 0;
  *out_len = len + n;
  return out;
}

/* A comment, or a newline, before any token: if the program still parses, all laws hold. */
static void put_anywhere(const File *f, const char *what, uint32_t from) {
  uint32_t n, tried = 0, parsed = 0;
  uint32_t *at = token_starts(f->text, f->len, &n);
  uint32_t step = f->len > 2000 ? 3 : 1; /* in large programs each place gets one of the three */
  for (uint32_t i = from % step; i < n; i += step, tried++) {
    size_t len;
    char *text = insert(f->text, f->len, at[i], what, &len);
    Parsed p = parse_text(text, len);
    bool ok = p.ok;
    parsed_free(&p);
    if (ok) check_format(f->path, text, len);
    parsed += ok;
    free(text);
  }
  if (parsed < tried / 8) fail(f->path, "only %u of %u places parsed", parsed, tried);
  free(at);
}

int main(int argc, char **argv) {
  style();
  size_t n;
  File *files = all_programs(argc > 1 ? argv[1] : ".", &n);
  for (size_t i = 0; i < n; i++) {
    check_format(files[i].path, files[i].text, files[i].len);
    if (files[i].len > 6000) continue;
    put_anywhere(&files[i], " // put here\n", 0);
    put_anywhere(&files[i], "\n  // own line\n", 1);
    put_anywhere(&files[i], "\n", 2);
  }
  printf("%zu programs\n", n);
  programs_free(files, n);
  return failures != 0;
}
