/* doc.c: triwave doc [MODULE|FILE…]: what a module or program declares: signatures and the comments above them. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "compiler/ast/parse.h"

typedef enum Form { FORM_TEXT, FORM_MARKDOWN, FORM_JSON } Form;

static bool is_left_out(const TwDecl *d) {
  return d->kind == TW_DE_ERROR || d->kind == TW_DE_IMPORT || d->kind == TW_DE_SKIP;
}

/* The text from `from` to `to` on one line: blanks are one blank, none after an opening or before a closing bracket;
 * strings as they are. */
static char *one_line(TwArena *a, const TwSource *s, uint32_t from, uint32_t to) {
  char *out = tw_arena_alloc(a, to - from + 1);
  size_t n = 0;
  bool text = false;
  for (uint32_t i = from; i < to; i++) {
    char c = s->text[i];
    if (text || c == '"') {
      out[n++] = c;
      if (c == '\\' && i + 1 < to) out[n++] = s->text[++i];
      else text ^= c == '"';
      continue;
    }
    if (c == '/' && i + 1 < to && s->text[i + 1] == '/') { /* a comment in the middle */
      while (i < to && s->text[i] != '\n') i++;
      c = ' ';
    }
    bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r', opened = n && strchr("([", out[n - 1]);
    if (blank && (n == 0 || out[n - 1] == ' ' || opened)) continue;
    if ((c == ')' || c == ']') && n && out[n - 1] == ' ') n--;
    if ((c == ')' || c == ']') && n && out[n - 1] == ',') n--;
    out[n++] = blank ? ' ' : c;
  }
  while (n && out[n - 1] == ' ') n--;
  out[n] = 0;
  return out;
}

/* All of a declaration but its body. */
static const char *signature(TwArena *a, const TwSource *s, const TwDecl *d) {
  uint32_t to = d->span.end;
  bool body = d->kind == TW_DE_FN || d->kind == TW_DE_MODEL;
  if (body && d->value) to = d->value->span.start;
  if (d->kind == TW_DE_OPTIMIZER && d->body) to = d->body->span.start;
  if (d->kind == TW_DE_OPTIMIZER || d->kind == TW_DE_VARIANT || d->kind == TW_DE_DOMAIN)
    for (to = d->span.start; to < d->span.end && s->text[to] != '{';) to++;
  char *text = one_line(a, s, d->span.start, to);
  size_t n = strlen(text);
  if (body)
    while (n && strchr("={ ", text[n - 1])) text[--n] = 0;
  return text;
}

/* The comment at the head of a file, or that above its first import. */
static const char *head(TwArena *a, const TwSource *s, const TwModuleAst *m) {
  if (m->decls.len && m->decls.at[0]->kind == TW_DE_IMPORT && m->decls.at[0]->doc) return m->decls.at[0]->doc;
  const char *text = NULL;
  uint32_t below = 0;
  for (uint32_t k = 0; k < m->comments.len; k++) {
    TwSpan c = m->comments.at[k].span;
    if (m->decls.len && c.start > m->decls.at[0]->span.start) break;
    uint32_t lines = 0;
    for (uint32_t i = below; i < c.start; i++) lines += s->text[i] == '\n';
    if (k == 0 ? c.start != 0 : lines != 1) break;
    uint32_t from = c.start + 2;
    if (from < c.end && s->text[from] == ' ') from++;
    text = tw_arena_printf(a, "%s%s%.*s", text ? text : "", text ? "\n" : "", (int)(c.end - from), s->text + from);
    below = c.end;
  }
  if (text && m->decls.len && m->decls.at[0]->doc && strcmp(text, m->decls.at[0]->doc) == 0) return NULL;
  return text;
}

static void indented(const char *text, const char *by) {
  for (const char *p = text; *p;) {
    int n = (int)strcspn(p, "\n");
    printf("%s%.*s\n", by, n, p);
    p += n;
    if (*p) p++;
  }
}

static void add(cJSON *to, const char *key, const char *value) {
  cJSON *j = value ? cJSON_CreateString(value) : cJSON_CreateNull();
  cJSON_AddItemToObject(to, key, j);
}

static void declaration(TwUnit *u, const TwSource *s, const TwDecl *d, Form form, cJSON *to) {
  const char *text = signature(&u->arena, s, d);
  switch (form) {
    case FORM_TEXT:
      printf("%s\n", text);
      if (d->doc) indented(d->doc, "    ");
      putchar('\n');
      break;
    case FORM_MARKDOWN:
      printf("```tw\n%s\n```\n\n", text);
      if (d->doc) indented(d->doc, ""), putchar('\n');
      break;
    case FORM_JSON: {
      cJSON *o = cJSON_CreateObject();
      cJSON_AddItemToArray(to, o);
      add(o, "kind", tw_decl_word(d));
      add(o, "name", d->name.name);
      add(o, "signature", text);
      add(o, "doc", d->doc);
      cJSON_AddNumberToObject(o, "line", tw_place(&u->sources, d->span.file, d->span.start).line);
      break;
    }
  }
}

static bool is_path(const char *name) {
  size_t n = strlen(name);
  return strchr(name, '/') || (n > 3 && strcmp(name + n - 3, ".tw") == 0);
}

static uint32_t unknown(TwUnit *u, const char *name) {
  TwName names[64];
  uint32_t n = 0;
  while (n < 64 && tw_stdlib_name(n)) names[n] = tw_intern_z(&u->names, tw_stdlib_name(n)), n++;
  TwName near = tw_nearest(name, names, n);
  fprintf(stderr, "triwave: there is no module '%s', neither in the standard library nor as %s.tw here%s%s%s\n", name,
          name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return 0;
}

static uint32_t open_module(TwUnit *u, const char *name) {
  if (is_path(name)) return tw_cli_open(u, name);
  size_t len = 0;
  const char *text = tw_stdlib(name, &len), *why = NULL;
  if (text) return tw_source_add(&u->sources, tw_arena_printf(&u->arena, "<std>/%s.tw", name), text, len);
  uint32_t file = tw_source_read(&u->sources, tw_arena_printf(&u->arena, "%s.tw", name), &why);
  return file ? file : unknown(u, name);
}

static bool document(TwUnit *u, uint32_t file, Form form) {
  TwModuleAst *m;
  if (!tw_parse(u, file, &m)) return false;
  const TwSource *s = tw_source(&u->sources, file);
  const char *about = head(&u->arena, s, m);
  cJSON *o = form == FORM_JSON ? cJSON_CreateObject() : NULL,
        *decls = o ? cJSON_AddArrayToObject(o, "declarations") : NULL;
  if (form == FORM_TEXT) printf("%s\n\n", m->name);
  if (form == FORM_MARKDOWN) printf("# %s\n\n", m->name);
  if (about && !o) indented(about, ""), putchar('\n');
  for (uint32_t k = 0; k < m->decls.len; k++)
    if (!is_left_out(m->decls.at[k])) declaration(u, s, m->decls.at[k], form, decls);
  if (!o) return true;
  add(o, "module", m->name);
  add(o, "file", s->path);
  add(o, "doc", about);
  char *line = tw_cli_json_text(o, false);
  puts(line);
  free(line);
  return true;
}

/* What there is, a line a module. */
static void modules(const TwCli *c) {
  for (uint32_t k = 0; tw_stdlib_name(k); k++) {
    TwUnit *u = tw_cli_unit(c);
    TwModuleAst *m = NULL;
    uint32_t file = open_module(u, tw_stdlib_name(k));
    const char *about = tw_parse(u, file, &m) ? head(&u->arena, tw_source(&u->sources, file), m) : NULL;
    printf("%-12s%.*s\n", tw_stdlib_name(k), about ? (int)strcspn(about, "\n") : 0, about ? about : "");
    tw_unit_free(u);
  }
}

int tw_cli_doc(const TwCli *c) {
  int code = TW_EXIT_OK;
  if (c->n_files == 0) modules(c);
  for (uint32_t k = 0; k < c->n_files; k++) {
    TwUnit *u = tw_cli_unit(c);
    uint32_t file = open_module(u, c->files[k]);
    if (!file || !document(u, file, c->json ? FORM_JSON : c->markdown ? FORM_MARKDOWN : FORM_TEXT))
      code = TW_EXIT_WRONG;
    tw_cli_diagnostics(u);
    tw_unit_free(u);
  }
  return tw_cli_stdout_ok() ? code : TW_EXIT_WRONG;
}
