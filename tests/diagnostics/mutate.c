/* mutate.c: every program with one token deleted, doubled or swapped with the next: no crash, no hang,
 * no refusal without a place, no acceptance that contradicts itself.
 *
 *   mutate STEP FILE…     every STEP-th mutant of each file; prints how many first errors are within a line of the
 *                         mutation (at least MOST_NEAR of a hundred), and how many mutants give one error.
 *   mutate -N STEP FILE…  and shows those that give N errors or more, and what they give */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/ast/layout.h"
#include "compiler/ast/parse.h"
#include "compiler/lower/lower.h"
#include "compiler/sema/sema.h"

typedef struct Token {
  uint32_t start, end;
} Token;

typedef struct Tally {
  uint32_t mutants, refused, near, single, bad;
  uint32_t shown; /* from how many errors on; 0: none */
} Tally;

static char *slurp(const char *path, size_t *len) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  char *text = malloc(1 << 20);
  *len = fread(text, 1, (1 << 20) - 1, f);
  text[*len] = 0;
  fclose(f);
  return text;
}

static bool word(char c) { return isalnum((unsigned char)c) || c == '_' || (c & 0x80); }

/* The tokens of the language; comments are left out. */
static uint32_t split(const char *s, size_t len, Token *out) {
  TwUnit *u = tw_unit_new(NULL);
  TwLayout l;
  tw_layout_start(&l, u, tw_source_add(&u->sources, "split.tw", s, len), NULL);
  uint32_t n = 0;
  for (uint32_t k = 0; k < l.tokens.len; k++)
    if (l.tokens.at[k].kind) out[n++] = (Token){l.tokens.at[k].start, l.tokens.at[k].end};
  tw_unit_free(u);
  return n;
}

/* Appends a stretch of text; words that would grow together are kept apart. */
static size_t put(char *out, size_t m, const char *from, size_t n) {
  if (m && n && word(out[m - 1]) && word(from[0])) out[m++] = ' ';
  memcpy(out + m, from, n);
  return m + n;
}

static uint32_t line_of(const char *s, uint32_t at) {
  uint32_t line = 1;
  for (uint32_t i = 0; i < at && s[i]; i++) line += s[i] == '\n';
  return line;
}

static uint32_t first_error(const TwUnit *u, uint32_t file, bool *placeless) {
  uint32_t first = UINT32_MAX;
  for (uint32_t k = 0; k < u->diags.list.len; k++) {
    const TwDiag *d = u->diags.list.at[k];
    if (d->severity != TW_SEV_error) continue;
    if (!d->span.file) *placeless = true;
    if (d->span.file != file) continue;
    uint32_t line = tw_place(&u->sources, file, d->span.start).line;
    if (line < first) first = line;
  }
  return first;
}

static void run(const char *path, const char *text, size_t len, uint32_t line, Tally *t) {
  TwUnit *u = tw_unit_new(&(TwOptions){0});
  TwModuleAst *ast = NULL;
  TwVariantNames names = {0};
  clock_t start = clock();
  uint32_t file = tw_source_add(&u->sources, path, text, len);
  bool ok = tw_parse(u, file, &ast), placeless = false, contradiction = false;
  tw_variants(u, ast, &names);
  for (uint32_t k = 0; k < names.len; k++) {
    TwProgram *p = NULL;
    bool good = tw_sema(u, ast, names.at[k], &p);
    contradiction |= good != (p != NULL);
    ok &= good;
    TwLowered *lowered = NULL;
    if (u->diags.errors == 0) ok &= tw_lower(u, p, TW_LOWER_TRAIN, NULL, &lowered);
  }
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  uint32_t first = first_error(u, file, &placeless);
  contradiction |= ok != (u->diags.errors == 0);
  t->mutants++;
  t->refused += !ok;
  t->single += u->diags.errors == 1;
  if (t->shown && u->diags.errors >= t->shown) {
    printf("==== %s:%u: %u errors\n", path, line, u->diags.errors);
    tw_diags_render(&u->diags, stdout, (TwDiagStyle){0});
  }
  t->near += !ok && first != UINT32_MAX && first + 1 >= line && first <= line + 1;
  if (placeless || contradiction || seconds > 2) {
    t->bad++;
    printf("%s:%u: %s\n%.*s\n", path, line,
           placeless       ? "an error without a place"
           : contradiction ? "a contradiction"
                           : "slow",
           (int)(len > 3000 ? 3000 : len), text);
  }
  tw_unit_free(u);
}

static void mutate(const char *path, uint32_t step, Tally *t) {
  size_t len = 0;
  char *text = slurp(path, &len);
  if (!text) exit(2);
  Token *tokens = malloc((len + 1) * sizeof *tokens);
  char *out = malloc(2 * len + 8);
  uint32_t n = split(text, len, tokens);
  for (uint32_t k = 0; k < 3 * n; k += step) {
    Token a = tokens[k / 3], b = tokens[k / 3 + 1 < n ? k / 3 + 1 : k / 3];
    size_t m = a.start;
    memcpy(out, text, m);
    if (k % 3 == 0) {
      m = put(out, m, text + a.end, len - a.end);
    } else if (k % 3 == 1) {
      m = put(out, m, text + a.start, a.end - a.start);
      out[m++] = ' ';
      m = put(out, m, text + a.start, len - a.start);
    } else {
      m = put(out, m, text + b.start, b.end - b.start);
      if (b.start > a.end) m = put(out, m, text + a.end, b.start - a.end);
      m = put(out, m, text + a.start, a.end - a.start);
      m = put(out, m, text + b.end, len - b.end);
    }
    out[m] = 0;
    run(path, out, m, line_of(text, a.start), t);
  }
  free(out);
  free(tokens);
  free(text);
}

enum { MOST_NEAR = 90 };

int main(int argc, char **argv) {
  Tally t = {0};
  int k = argc > 1 && argv[1][0] == '-' ? 2 : 1;
  if (k == 2) t.shown = (uint32_t)atoi(argv[1] + 1);
  uint32_t step = argc > k ? (uint32_t)atoi(argv[k]) : 0;
  if (!step || argc < k + 2) return 2;
  for (k++; k < argc; k++) mutate(argv[k], step, &t);
  double near = t.refused ? 100.0 * t.near / t.refused : 100, single = t.refused ? 100.0 * t.single / t.refused : 100;
  printf(
      "%u mutants, %u refused, the first error within a line of the mutation in %.1f%%, one error in %.1f%%, %u bad\n",
      t.mutants, t.refused, near, single, t.bad);
  return t.bad != 0 || near < MOST_NEAR;
}
