/* diagnostics.c: wrong programs and the diagnostics they must give, at the right lines, and no others.
 *
 *   diagnostics cases DIR         every .tw file of DIR holds its expectations in comments:
 *       x = 1      //! error[E0203]: part of the message      (on the offending line; several may follow)
 *       //! elsewhere error[E0211]: …                          (in another file, or without a place)
 *       //! define depth=8                                     (-D depth=8)
 *       //! variant raai                                       (asks for a variant that need not exist)
 *     Every id of the catalogue that the compiler can give must be expected somewhere.
 *   diagnostics clean FILE…       no diagnostic at all, and a typed program without poison
 *   diagnostics golden DIR        FILE.tw renders as FILE.txt
 *   diagnostics mistakes DIR      K_….tw holds K mistakes that have nothing to do with each other: K errors
 *   diagnostics scale             programs of very many names, each in well under a second
 *   diagnostics vacuous FILE      a variant that skips every stage of an ensure has no ensure */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/parse.h"
#include "compiler/lower/lower.h"
#include "compiler/sema/sema.h"

enum { MAX_FILES = 1000, MAX_EXPECT = 64 };

/* Given by the runtime, the code generator or the command, not by parsing and checking. */
static const char *const not_here[] = {"E0712", "E0713"};

typedef struct Expect {
  uint32_t line; /* 0: elsewhere */
  char code[8];
  char text[200];
  bool met;
} Expect;

typedef struct Case {
  TwUnit *unit;
  uint32_t file;
  Expect expects[MAX_EXPECT];
  uint32_t n;
  TwDefine defines[8];
  uint32_t n_defines;
  const char *variant;
  char buffer[1024];
  size_t used;
} Case;

static bool covered[TW_DIAG_COUNT];

static char *keep(Case *c, const char *s, size_t n) {
  if (c->used + n + 1 > sizeof c->buffer) exit(3);
  char *p = memcpy(c->buffer + c->used, s, n);
  p[n] = 0;
  c->used += n + 1;
  return p;
}

static void trim(char *s) {
  size_t n = strlen(s);
  while (n && (s[n - 1] == ' ' || s[n - 1] == '\n' || s[n - 1] == '\r')) s[--n] = 0;
}

/* One `//! …` up to the next or the end of the line. */
static bool directive(Case *c, const char *from, const char *to, uint32_t line) {
  char text[300];
  size_t n = (size_t)(to - from) < sizeof text - 1 ? (size_t)(to - from) : sizeof text - 1;
  memcpy(text, from, n);
  text[n] = 0;
  trim(text);
  const char *p = text;
  while (*p == ' ') p++;
  if (strncmp(p, "define ", 7) == 0) {
    const char *eq = strchr(p, '=');
    if (!eq || c->n_defines == 8) return false;
    TwDefine *d = &c->defines[c->n_defines++];
    d->name = keep(c, p + 7, (size_t)(eq - p - 7));
    d->value = keep(c, eq + 1, strlen(eq + 1));
    return true;
  }
  if (strncmp(p, "variant ", 8) == 0) {
    c->variant = keep(c, p + 8, strlen(p + 8));
    return true;
  }
  Expect *e = &c->expects[c->n];
  e->line = line;
  if (strncmp(p, "elsewhere ", 10) == 0) e->line = 0, p += 10;
  const char *open = strchr(p, '['), *close = strchr(p, ']');
  if (!open || !close || close < open || close - open > 7 || c->n == MAX_EXPECT) return false;
  memcpy(e->code, open + 1, (size_t)(close - open - 1));
  snprintf(e->text, sizeof e->text, "%s", close[1] == ':' && close[2] == ' ' ? close + 3 : "");
  c->n++;
  return true;
}

static bool read_expectations(Case *c, const char *path, const char *text) {
  uint32_t line = 1;
  for (const char *p = text; *p; line++) {
    const char *end = strchr(p, '\n');
    if (!end) end = p + strlen(p);
    const char *at = strstr(p, "//!");
    while (at && at < end) {
      const char *next = strstr(at + 3, "//!");
      if (!next || next > end) next = end;
      if (!directive(c, at + 3, next, line)) {
        printf("%s:%u: this expectation cannot be read\n", path, line);
        return false;
      }
      at = next < end ? next : NULL;
    }
    p = *end ? end + 1 : end;
  }
  return true;
}

static char *slurp(const char *path, size_t *len) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  char *text = NULL;
  size_t n = 0, cap = 0;
  for (;;) {
    if (cap - n < 4097) text = realloc(text, cap = 2 * cap + 8192);
    size_t got = fread(text + n, 1, 4096, f);
    if (got == 0) break;
    n += got;
  }
  text[n] = 0;
  *len = n;
  fclose(f);
  return text;
}

/* Parses and checks every variant. false: an answer that contradicts itself. */
static bool compile(Case *c, const char *path, const char *text, size_t len) {
  TwModuleAst *ast = NULL;
  TwVariantNames names = {0};
  c->file = tw_source_add(&c->unit->sources, path, text, len);
  bool ok = true, parsed = tw_parse(c->unit, c->file, &ast);
  tw_variants(c->unit, ast, &names);
  if (c->variant) tw_vec_push(&c->unit->arena, &names, tw_intern_z(&c->unit->names, c->variant));
  for (uint32_t k = 0; k < names.len; k++) {
    TwProgram *p = NULL;
    bool good = tw_sema(c->unit, ast, names.at[k], &p);
    if (good != (p != NULL)) printf("%s: result and program disagree\n", path), ok = false;
    if (!good && c->unit->diags.errors == 0) printf("%s: refused without a word\n", path), ok = false;
    if (good && !parsed) printf("%s: accepted with syntax errors\n", path), ok = false;
    if (!p) continue;
    char *dump = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&dump, &n);
    tw_program_dump(c->unit, p, f);
    fclose(f);
    if (strstr(dump, "poison")) printf("%s: poison in an accepted program\n", path), ok = false;
    free(dump);
    /* What only the derivatives show, such as a term of the loss that is no square. */
    TwLowered *lowered = NULL;
    if (c->unit->diags.errors == 0) tw_lower(c->unit, p, TW_LOWER_TRAIN, NULL, &lowered);
  }
  return ok;
}

static void print_diag(const Case *c, const TwDiag *d) {
  TwPlace at = {0};
  if (d->span.file) at = tw_place(&c->unit->sources, d->span.file, d->span.start);
  printf("  %s:%u:%u: %s: %s\n", at.path ? at.path : "(no place)", at.line, at.column, tw_diag_code(d->id), d->text);
}

/* A note at the place of what it is a note to shows nothing that is not shown already. */
static bool says_more(const Case *c, const char *path, const TwDiag *d) {
  for (uint32_t k = 0; k < d->notes.len; k++) {
    if (!d->span.file || memcmp(&d->notes.at[k].span, &d->span, sizeof d->span) != 0) continue;
    printf("%s: a note has the place of its error: %s\n", path, d->notes.at[k].text);
    print_diag(c, d);
    return false;
  }
  return true;
}

static bool compare(Case *c, const char *path) {
  bool ok = true;
  for (uint32_t k = 0; k < c->unit->diags.list.len; k++) {
    const TwDiag *d = c->unit->diags.list.at[k];
    uint32_t line = d->span.file == c->file ? tw_place(&c->unit->sources, d->span.file, d->span.start).line : 0;
    Expect *found = NULL;
    covered[d->id] = true;
    ok &= says_more(c, path, d);
    for (uint32_t j = 0; j < c->n && !found; j++) {
      Expect *e = &c->expects[j];
      if (!e->met && e->line == line && strcmp(e->code, tw_diag_code(d->id)) == 0 && strstr(d->text, e->text))
        found = e;
    }
    if (found) {
      found->met = true;
      continue;
    }
    printf("%s: not expected:\n", path);
    print_diag(c, d);
    ok = false;
  }
  for (uint32_t j = 0; j < c->n; j++) {
    if (c->expects[j].met) continue;
    printf("%s:%u: missing: %s: %s\n", path, c->expects[j].line, c->expects[j].code, c->expects[j].text);
    ok = false;
  }
  return ok;
}

static bool run_file(const char *path, bool clean) {
  size_t len = 0;
  char *text = slurp(path, &len);
  if (!text) return printf("%s: cannot be read\n", path), false;
  Case *c = calloc(1, sizeof *c);
  bool ok = clean || read_expectations(c, path, text);
  TwOptions options = {.defines = c->defines, .n_defines = c->n_defines, .precision = TW_F64};
  c->unit = tw_unit_new(&options);
  if (ok) ok = compile(c, path, text, len) && compare(c, path);
  tw_unit_free(c->unit);
  free(c);
  free(text);
  return ok;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static uint32_t list(const char *dir, char **out) {
  DIR *d = opendir(dir);
  uint32_t n = 0;
  if (!d) return 0;
  for (struct dirent *e; (e = readdir(d)) && n < MAX_FILES;) {
    size_t len = strlen(e->d_name);
    if (len < 4 || strcmp(e->d_name + len - 3, ".tw") != 0 || strncmp(e->d_name, "lib_", 4) == 0) continue;
    size_t size = strlen(dir) + len + 2;
    out[n] = malloc(size);
    snprintf(out[n++], size, "%s/%s", dir, e->d_name);
  }
  closedir(d);
  qsort(out, n, sizeof *out, by_name);
  return n;
}

static uint32_t uncovered(void) {
  uint32_t n = 0;
  for (int id = 0; id < TW_DIAG_COUNT; id++) {
    const char *code = tw_diag_code((TwDiagId)id); /* tests/parse has E01; E08 is said at run time */
    bool skip = covered[id] || strncmp(code, "E01", 3) == 0 || strncmp(code, "E08", 3) == 0;
    for (size_t k = 0; k < sizeof not_here / sizeof *not_here; k++)
      skip |= strcmp(tw_diag_code((TwDiagId)id), not_here[k]) == 0;
    if (skip) continue;
    printf("no case gives %s: %s\n", tw_diag_code((TwDiagId)id), tw_diag_title((TwDiagId)id));
    n++;
  }
  return n;
}

static int run_cases(const char *dir) {
  static char *files[MAX_FILES];
  uint32_t n = list(dir, files), bad = 0;
  for (uint32_t k = 0; k < n; k++) {
    bad += !run_file(files[k], false);
    free(files[k]);
  }
  uint32_t missing = uncovered();
  printf("%u of %u cases pass, %u ids without a case\n", n - bad, n, missing);
  return n == 0 || bad || missing;
}

static bool golden(const char *path) {
  size_t len = 0, want_len = 0, n = 0;
  char *text = slurp(path, &len), *got = NULL, name[1000];
  snprintf(name, sizeof name, "%.*s.txt", (int)strlen(path) - 3, path);
  char *want = slurp(name, &want_len);
  const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  Case *c = calloc(1, sizeof *c);
  c->unit = tw_unit_new(&(TwOptions){0});
  compile(c, base, text, len);
  FILE *f = open_memstream(&got, &n);
  tw_diags_render(&c->unit->diags, f, (TwDiagStyle){0});
  fclose(f);
  bool ok = want && strcmp(got, want) == 0;
  if (!ok && getenv("TW_BLESS")) {
    FILE *out = fopen(name, "wb");
    if (out) fputs(got, out), fclose(out);
  }
  if (!ok) printf("%s renders as\n%s", path, got);
  tw_unit_free(c->unit);
  free(c);
  free(text);
  free(want);
  free(got);
  return ok;
}

static int run_goldens(const char *dir) {
  static char *files[MAX_FILES];
  uint32_t n = list(dir, files), bad = 0;
  for (uint32_t k = 0; k < n; k++) {
    bad += !golden(files[k]);
    free(files[k]);
  }
  printf("%u of %u goldens pass\n", n - bad, n);
  return n == 0 || bad;
}

/* ---- as many errors as mistakes */
static bool run_counted(const char *path) {
  size_t len = 0;
  const char *slash = strrchr(path, '/');
  uint32_t want = (uint32_t)atoi(slash ? slash + 1 : path);
  char *text = slurp(path, &len);
  Case *c = calloc(1, sizeof *c);
  c->unit = tw_unit_new(&(TwOptions){0});
  bool ok = want > 0 && text && compile(c, path, text, len) && c->unit->diags.errors == want;
  if (!ok) {
    printf("%s: %u mistakes, %u errors\n", path, want, c->unit->diags.errors);
    for (uint32_t k = 0; k < c->unit->diags.list.len; k++) print_diag(c, c->unit->diags.list.at[k]);
  }
  tw_unit_free(c->unit);
  free(c);
  free(text);
  return ok;
}

static int run_mistakes(const char *dir) {
  static char *files[MAX_FILES];
  uint32_t n = list(dir, files), bad = 0;
  for (uint32_t k = 0; k < n; k++) {
    bad += !run_counted(files[k]);
    free(files[k]);
  }
  printf("%u of %u programs have as many errors as mistakes\n", n - bad, n);
  return n == 0 || bad;
}

static int run_vacuous(const char *path) {
  size_t len = 0;
  char *text = slurp(path, &len);
  if (!text) return printf("%s: cannot be read\n", path), 1;
  TwUnit *u = tw_unit_new(&(TwOptions){0});
  TwModuleAst *ast = NULL;
  TwVariantNames names = {0};
  uint32_t file = tw_source_add(&u->sources, path, text, len), with = 0, without = 0;
  tw_parse(u, file, &ast);
  tw_variants(u, ast, &names);
  for (uint32_t k = 0; k < names.len; k++) {
    TwProgram *p = NULL;
    if (!tw_sema(u, ast, names.at[k], &p)) continue;
    bool skips = names.at[k][0] == 'v' || names.at[k][0] == 'u';
    if (skips && p->ensures.len == 0) without++;
    if (!skips && p->ensures.len == 1 && p->ensures.at[0].during.len == 1) with++;
  }
  printf("%u variants with the ensure, %u without it, of %u\n", with, without, names.len);
  bool ok = with == 2 && without == 2 && names.len == 4;
  tw_unit_free(u);
  free(text);
  return !ok;
}

/* ---- many names */
static bool scale(const char *what, const char *head, const char *line, uint32_t n, const char *tail, uint32_t least,
                  uint32_t most) {
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream(&text, &len);
  fputs(head, f);
  for (uint32_t k = 0; k < n; k++) {
    for (const char *p = line; *p; p++) {
      if (*p == '#') fprintf(f, "%u", k + 1);
      else if (*p == '@') fprintf(f, "%u", k);
      else fputc(*p, f);
    }
    fputc('\n', f);
  }
  fputs(tail, f);
  fclose(f);
  Case *c = calloc(1, sizeof *c);
  c->unit = tw_unit_new(&(TwOptions){0});
  bool ok = compile(c, "scale.tw", text, len);
  uint32_t errors = c->unit->diags.errors;
  printf("%s: %u lines, %u errors\n", what, n, errors);
  tw_unit_free(c->unit);
  free(c);
  free(text);
  return ok && errors >= least && errors <= most;
}

static int run_scale(void) {
  bool ok = scale("constants", "", "const a# = @", 100000, "", 0, 0);
  ok &= scale("unknown names", "", "const a# = b#", 50000, "", 1000, 1010);
  ok &= scale("unknown types", "", "fn f#(x: t#) -> real = 1", 50000, "", 1000, 50000);
  ok &= scale("one name", "const a = 1\n", "const a = #", 50000, "", 50000, 50000);
  ok &= scale("names of a body", "fn f(x: real) -> real {\n  let a0 = x\n", "  let a# = a@ + a0", 50000, "  a0\n}\n", 0,
              0);
  return !ok;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "scale") == 0) return run_scale();
  if (argc == 3 && strcmp(argv[1], "mistakes") == 0) return run_mistakes(argv[2]);
  if (argc == 3 && strcmp(argv[1], "vacuous") == 0) return run_vacuous(argv[2]);
  if (argc == 3 && strcmp(argv[1], "cases") == 0) return run_cases(argv[2]);
  if (argc == 3 && strcmp(argv[1], "golden") == 0) return run_goldens(argv[2]);
  if (argc < 3 || strcmp(argv[1], "clean") != 0) return 2;
  int bad = 0;
  for (int k = 2; k < argc; k++) bad += !run_file(argv[k], true);
  printf("%d of %d programs check clean\n", argc - 2 - bad, argc - 2);
  return bad != 0;
}
