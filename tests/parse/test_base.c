/* test_base.c: arenas, names, places, and the rendering of diagnostics. */
#include <stdlib.h>
#include <string.h>

#include "tests/parse/util.h"

static void arenas(void) {
  TwArena a = {0};
  char *x = tw_arena_alloc(&a, 3);
  CHECK(((uintptr_t)x & 15) == 0 && x[0] == 0 && x[2] == 0);
  memset(x, 'x', 3);
  TwArenaMark m = tw_arena_mark(&a);
  for (int i = 0; i < 1000; i++) memset(tw_arena_alloc(&a, 1000), 'y', 1000);
  size_t total = a.total;
  tw_arena_reset(&a, m);
  CHECK(a.total < total && x[0] == 'x');
  char *z = tw_arena_alloc(&a, 100);
  for (int i = 0; i < 100; i++) CHECK(z[i] == 0);
  CHECK(strcmp(tw_arena_printf(&a, "%d %s", 12, "ab"), "12 ab") == 0);
  TwVec(int) v = {0};
  for (int i = 0; i < 1000; i++) tw_vec_push(&a, &v, i);
  for (int i = 0; i < 1000; i++) CHECK(v.at[i] == i);
  tw_arena_free(&a);
  CHECK(a.head == NULL);
}

static void names(void) {
  TwArena a = {0};
  TwIntern t = {.arena = &a};
  TwName first = tw_intern_z(&t, "peak");
  for (int i = 0; i < 5000; i++) {
    char s[16];
    snprintf(s, sizeof s, "n%d", i);
    CHECK(strcmp(tw_intern_z(&t, s), s) == 0);
  }
  CHECK(tw_intern(&t, "peaks", 4) == first && tw_intern_z(&t, "pea") != first && t.len == 5002);
  TwName c[] = {"peak", "scale", "train", "held_out", "x"};
  CHECK(tw_nearest("paek", c, 5) == c[0]);
  CHECK(tw_nearest("peek", c, 5) == c[0]);
  CHECK(tw_nearest("held_oud", c, 5) == c[3]);
  CHECK(tw_nearest("holdout", c, 5) == c[3]);
  CHECK(tw_nearest("y", c, 5) == NULL);
  CHECK(tw_nearest("completely", c, 5) == NULL);
  CHECK(tw_nearest("", c, 5) == NULL);
  tw_arena_free(&a);
}

static void places(void) {
  TwUnit *u = tw_unit_new(NULL);
  const char *text = "a\xCE\xB1"
                     "b\n\n  \tc";
  uint32_t f = tw_source_add(&u->sources, "p.tw", text, strlen(text));
  TwPlace p = tw_place(&u->sources, f, 3);
  CHECK(p.line == 1 && p.column == 3);
  p = tw_place(&u->sources, f, 5);
  CHECK(p.line == 2 && p.column == 1);
  p = tw_place(&u->sources, f, 9);
  CHECK(p.line == 3 && p.column == 4);
  p = tw_place(&u->sources, f, 1000);
  CHECK(p.line == 3 && p.column == 5);
  CHECK(tw_source(&u->sources, 0) == NULL && tw_source(&u->sources, 9) == NULL);
  CHECK(strcmp(tw_span_text(&u->sources, (TwSpan){f, 0, 10}, 20), "a\xCE\xB1"
                                                                  "b c") == 0);
  CHECK(strcmp(tw_span_text(&u->sources, (TwSpan){f, 0, 10}, 2), "a\xCE\xB1…") == 0);
  TwSpan j = tw_span_join((TwSpan){f, 4, 5}, (TwSpan){f, 1, 2});
  CHECK(j.start == 1 && j.end == 5 && tw_span_join((TwSpan){0}, j).file == f);
  const char *why = NULL;
  CHECK(tw_source_read(&u->sources, "/no/such/file.tw", &why) == 0 && why);
  CHECK(tw_source_read(&u->sources, "/tmp", &why) == 0 && strcmp(why, "it is a directory") == 0);
  tw_unit_free(u);
}

static void expect_text(const char *name, char *got, const char *want) {
  if (strcmp(got, want) != 0) fail(name, "got\n%s---- wanted\n%s", got, want);
  free(got);
}

static void rendering(void) {
  Parsed p = {.u = tw_unit_new(NULL)};
  const char *text = "one\n\tlet \xCE\xB1 = \"\xE6\xBC\xA2\" ; bad\nfirst(\n  second)\n\x1b[31m";
  p.file = tw_source_add(&p.u->sources, "net.tw", text, strlen(text));
  TwDiags *d = &p.u->diags;
  const char *bad = strstr(text, "bad"), *first = strstr(text, "first"), *esc = strstr(text, "[31m");
  TwSpan s = {p.file, (uint32_t)(bad - text), (uint32_t)(bad - text) + 3};
  TwSpan multi = {p.file, (uint32_t)(first - text), (uint32_t)(first - text) + 16};
  TwSpan control = {p.file, (uint32_t)(esc - text), (uint32_t)(esc - text) + 4};
  tw_diag(d, TW_E0301, control, "control");
  tw_diag(d, TW_E0301, multi, "several lines");
  TwDiag *x = tw_diag(d, TW_E0402, s, "'%s' needs inner sizes to agree", "matmul");
  tw_diag_note(d, x, (TwSpan){p.file, 0, 3}, "'W2' got its shape here");
  tw_diag_note(d, x, (TwSpan){0}, "no place");
  tw_diag_help(d, x, "turn it round");
  tw_diag(d, TW_E0402, s, "the same again");
  tw_diag(d, TW_W0001, (TwSpan){p.file, 0, 3}, "'one' is never used");
  CHECK(d->errors == 3);
  expect_text("rendering", rendered(&p, (TwDiagStyle){0}),
              "net.tw:1:1: warning[W0001]: 'one' is never used\n"
              " 1 | one\n"
              "   | ^^^\n"
              "net.tw:2:16: error[E0402]: 'matmul' needs inner sizes to agree\n"
              " 2 | \tlet \xCE\xB1 = \"\xE6\xBC\xA2\" ; bad\n"
              "   | \t               ^^^\n"
              "net.tw:1:1: note: 'W2' got its shape here\n"
              "  note: no place\n"
              "  help: turn it round\n"
              "net.tw:3:1: error[E0301]: several lines\n"
              " 3 | first(\n"
              "   | ^^^^^^\n"
              "net.tw:5:2: error[E0301]: control\n"
              " 5 | ?[31m\n"
              "   |  ^^^^\n");
  char *colour = rendered(&p, (TwDiagStyle){.colour = true});
  CHECK(strstr(colour, "\033[1;31merror[E0402]\033[0m") != NULL);
  free(colour);
  tw_unit_free(p.u);
}

static void capped(void) {
  Parsed p = {.u = tw_unit_new(NULL)};
  char text[64] = {0};
  memset(text, 'a', 63);
  p.file = tw_source_add(&p.u->sources, "a.tw", text, 63);
  for (uint32_t i = 0; i < 30; i++) tw_diag(&p.u->diags, TW_E0201, (TwSpan){p.file, i, i + 1}, "no '%u'", i);
  char *all = rendered(&p, (TwDiagStyle){0});
  size_t n = 0;
  for (const char *at = all; (at = strstr(at, "error[E0201]")) != NULL; at++) n++;
  CHECK(n == 20 && strstr(all, "10 more errors not shown\n"));
  free(all);
  all = rendered(&p, (TwDiagStyle){.max_errors = 29});
  CHECK(strstr(all, "1 more error not shown\n") != NULL);
  free(all);
  tw_unit_free(p.u);
}

static void long_lines(void) {
  Parsed p = {.u = tw_unit_new(NULL)};
  char text[5000];
  memset(text, 'a', sizeof text);
  memcpy(text + 3000, "HERE", 4);
  p.file = tw_source_add(&p.u->sources, "a.tw", text, sizeof text);
  tw_diag(&p.u->diags, TW_E0201, (TwSpan){p.file, 3000, 3004}, "far out");
  char *out = rendered(&p, (TwDiagStyle){0});
  const char *line = strstr(out, "HERE"), *caret = strstr(out, "^^^^\n");
  CHECK(strlen(out) < 600 && line && caret);
  /* Both lines begin with the same gutter; the ellipsis is one column but three bytes. */
  const char *l0 = line, *c0 = caret;
  while (l0[-1] != '\n') l0--;
  while (c0[-1] != '\n') c0--;
  CHECK(line - l0 - 2 == caret - c0);
  free(out);
  tw_unit_free(p.u);
}

static void units(void) {
  TwDefine d = {"depth", "8"};
  TwOptions o = {.defines = &d, .n_defines = 1, .precision = TW_F64};
  TwUnit *u = tw_unit_new(&o);
  d.name = "gone";
  CHECK(strcmp(u->options.defines[0].name, "depth") == 0 && u->options.precision == TW_F64);
  CHECK(strcmp(tw_diag_code(TW_E0201), "E0201") == 0 && tw_diag_title(TW_E0201)[0]);
  tw_unit_free(u);
  tw_unit_free(NULL);
}

int main(void) {
  arenas();
  names();
  places();
  rendering();
  capped();
  long_lines();
  units();
  return failures != 0;
}
