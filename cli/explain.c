/* explain.c: triwave explain [ID…]: what a diagnostic means, at length; without an id, which there are. */
#include <ctype.h>
#include <string.h>

#include "cli/cli.h"
#include "compiler/base/explain.h"

enum { WIDTH = 80 };

static const char *severity(TwDiagId id) { return tw_diag_code(id)[0] == 'W' ? "warning" : "error"; }

/* As many words a line as there is room for. */
static void paragraph(const TwExplainPart *p) {
  size_t column = 0;
  for (size_t i = 0; i < p->len;) {
    size_t from = i, width = 0;
    for (; i < p->len && p->text[i] != ' ' && p->text[i] != '\n'; i++) width += (p->text[i] & 0xC0) != 0x80;
    if (column && column + 1 + width > WIDTH) fputc('\n', stdout), column = 0;
    if (column) fputc(' ', stdout), column++;
    printf("%.*s", (int)(i - from), p->text + from);
    column += width;
    while (i < p->len && (p->text[i] == ' ' || p->text[i] == '\n')) i++;
  }
  fputs("\n\n", stdout);
}

static void program(const TwExplainPart *p) {
  for (const char *s = p->text, *end = p->text + p->len; s < end;) {
    const char *stop = memchr(s, '\n', (size_t)(end - s));
    size_t n = stop ? (size_t)(stop - s) : (size_t)(end - s);
    printf("    %.*s\n", (int)n, s);
    s += n + 1;
  }
  fputc('\n', stdout);
}

static void explain(TwDiagId id) {
  printf("%s[%s]: %s\n\n", severity(id), tw_diag_code(id), tw_diag_title(id));
  const char *at = tw_explain(id);
  bool wrong = true;
  TwExplainPart p;
  while (at && tw_explain_next(&at, &p)) {
    if (!p.fenced) {
      paragraph(&p);
      continue;
    }
    if (tw_explain_info(&p, "tw file")) {
      printf("With a file %.*s:\n\n", (int)p.info_len - 8, p.info + 8);
    } else {
      printf("%s:\n\n", wrong ? "Wrong" : "Mended");
      wrong = false;
    }
    program(&p);
  }
}

static bool same(const char *a, const char *b) {
  for (; *a && toupper((unsigned char)*a) == *b; a++) b++;
  return !*a && !*b;
}

static int unknown(const char *name) {
  TwArena arena = {0};
  TwIntern names = {.arena = &arena};
  TwName codes[TW_DIAG_COUNT];
  char upper[16] = {0};
  for (size_t k = 0; k < sizeof upper - 1 && name[k]; k++) upper[k] = (char)toupper((unsigned char)name[k]);
  for (int k = 0; k < TW_DIAG_COUNT; k++) codes[k] = tw_intern_z(&names, tw_diag_code((TwDiagId)k));
  TwName near = tw_nearest(upper, codes, TW_DIAG_COUNT);
  fprintf(stderr, "triwave: there is no diagnostic '%s'", name);
  if (near) fprintf(stderr, "; did you mean %s?", near);
  fputs("\n(triwave explain lists them)\n", stderr);
  tw_arena_free(&arena);
  return TW_EXIT_USAGE;
}

int tw_cli_explain(const TwCli *c) {
  for (int k = 0; k < TW_DIAG_COUNT && c->n_files == 0; k++)
    printf("%s  %s\n", tw_diag_code((TwDiagId)k), tw_diag_title((TwDiagId)k));
  for (uint32_t f = 0; f < c->n_files; f++) {
    int id = 0;
    while (id < TW_DIAG_COUNT && !same(c->files[f], tw_diag_code((TwDiagId)id))) id++;
    if (id == TW_DIAG_COUNT) return unknown(c->files[f]);
    explain((TwDiagId)id);
  }
  return tw_cli_stdout_ok() ? TW_EXIT_OK : TW_EXIT_WRONG;
}
