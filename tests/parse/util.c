/* util.c: shared by the tests of base and ast. */
#include "tests/parse/util.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

int failures;

void fail(const char *where, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "FAIL %s: ", where);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  va_end(ap);
  if (++failures > 50) {
    fprintf(stderr, "too many failures\n");
    exit(1);
  }
}

Parsed parse_text(const char *text, size_t len) {
  Parsed p = {.u = tw_unit_new(NULL)};
  p.file = tw_source_add(&p.u->sources, "t.tw", text, len);
  p.ok = tw_parse(p.u, p.file, &p.m);
  return p;
}

Parsed parse_string(const char *text) { return parse_text(text, strlen(text)); }
void parsed_free(Parsed *p) { tw_unit_free(p->u); }

char *rendered(const Parsed *p, TwDiagStyle style) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  tw_diags_render(&p->u->diags, out, style);
  fclose(out);
  return text;
}

static bool is_program(const char *name) {
  size_t n = strlen(name);
  return n > 3 && strcmp(name + n - 3, ".tw") == 0;
}

static void read_folder(const char *root, const char *folder, File **files, size_t *n) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", root, folder);
  DIR *d = opendir(path);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    if (!is_program(e->d_name)) continue;
    snprintf(path, sizeof path, "%s/%s/%s", root, folder, e->d_name);
    FILE *in = fopen(path, "rb");
    if (!in) continue;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    for (int c; (c = fgetc(in)) != EOF;) fputc(c, out);
    fclose(out);
    fclose(in);
    *files = realloc(*files, (*n + 1) * sizeof **files);
    (*files)[(*n)++] = (File){strdup(path), text, len};
  }
  closedir(d);
}

File *all_programs(const char *root, size_t *n) {
  File *files = NULL;
  *n = 0;
  read_folder(root, "examples", &files, n);
  read_folder(root, "stdlib", &files, n);
  read_folder(root, "tests/parse", &files, n);
  if (*n < 8) fail(root, "only %zu programs found", *n);
  return files;
}

void programs_free(File *files, size_t n) {
  for (size_t i = 0; i < n; i++) free(files[i].path), free(files[i].text);
  free(files);
}

/* The comments of `a` stand in `b` in the same order; several may have come to share a line. */
static bool same_comments(const Parsed *a, const char *text, const char **missing) {
  const char *at = text;
  for (uint32_t i = 0; i < a->m->comments.len; i++) {
    TwSpan s = a->m->comments.at[i].span;
    const char *c = tw_arena_strndup(&a->u->arena, tw_source(&a->u->sources, s.file)->text + s.start, s.end - s.start);
    const char *found = strstr(at, c);
    if (!found) {
      *missing = c;
      return false;
    }
    at = found + strlen(c);
  }
  return true;
}

void check_format(const char *name, const char *text, size_t len) {
  Parsed a = parse_text(text, len);
  if (!a.ok) {
    char *why = rendered(&a, (TwDiagStyle){0});
    fail(name, "does not parse:\n%s", why);
    free(why);
    parsed_free(&a);
    return;
  }
  const char *once = tw_format(a.u, a.m), *missing = "";
  Parsed b = parse_string(once);
  if (!b.ok) {
    char *why = rendered(&b, (TwDiagStyle){0});
    fail(name, "its formatted text does not parse:\n%s\n---- from\n%.*s\n---- formatted\n%s", why, (int)len, text,
         once);
    free(why);
  } else {
    const char *twice = tw_format(b.u, b.m);
    if (strcmp(once, twice) != 0)
      fail(name, "not idempotent:\n%.*s\n---- once\n%s\n---- twice\n%s", (int)len, text, once, twice);
    if (!tw_ast_equal(a.m, b.m))
      fail(name, "formatting changed the tree:\n%.*s\n---- formatted\n%s", (int)len, text, once);
    if (!same_comments(&a, once, &missing))
      fail(name, "the comment %s is lost:\n%.*s\n---- formatted\n%s", missing, (int)len, text, once);
  }
  parsed_free(&b);
  parsed_free(&a);
}

void check_any(const char *name, const char *text, size_t len) {
  Parsed p = parse_text(text, len);
  if (p.ok != (p.u->diags.errors == 0)) fail(name, "the result and the number of errors disagree");
  for (uint32_t i = 0; i < p.u->diags.list.len; i++) {
    const TwDiag *d = p.u->diags.list.at[i];
    if (d->span.file != p.file || d->span.start > d->span.end || d->span.start > len)
      fail(name, "a diagnostic without a place: %s\n%.*s", d->text, (int)len, text);
  }
  char *out = rendered(&p, (TwDiagStyle){0});
  free(out);
  FILE *sink = fopen("/dev/null", "w");
  if (sink) {
    tw_ast_dump(p.u, p.m, sink);
    fclose(sink);
  }
  bool ok = p.ok;
  parsed_free(&p);
  if (ok) check_format(name, text, len);
}
