/* explain.c: every id of the catalogue has a section in lang/explain.md, whose first program gives that id and no other
 * diagnostic, and whose second gives none.
 *
 *   explain TRIWAVE FOLDER   FOLDER has the files that fences name with `with`
 *
 * The programs are compiled as triwave check does it, those of `tw run` by TRIWAVE, in a folder that is made for them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/ast/parse.h"
#include "compiler/base/explain.h"
#include "compiler/lower/lower.h"
#include "compiler/sema/sema.h"

/* What no program gives: the section says so. */
static const char *const without[] = {"E0803", "E0804", "E0805", "E0806"};

static const char *triwave, *files;

typedef struct Options {
  char define[64], variant[64];
  TwDefine d;
} Options;

static void save(const char *name, const char *text, size_t len) {
  FILE *f = fopen(name, "wb");
  if (!f || fwrite(text, 1, len, f) != len || fputc('\n', f) == EOF || fclose(f) != 0) exit(3);
}

static const char *word_after(const TwExplainPart *p, const char *word, char *out, size_t size) {
  char info[200];
  snprintf(info, sizeof info, "%.*s", (int)p->info_len, p->info);
  const char *at = strstr(info, word);
  if (!at) return NULL;
  snprintf(out, size, "%.*s", (int)strcspn(at + strlen(word), " "), at + strlen(word));
  return out;
}

/* `\xB1` stands for that byte, which no page could hold. */
static char *with_bytes(const TwExplainPart *p, size_t *len) {
  char *out = malloc(p->len + 1);
  if (!out) exit(3);
  *len = 0;
  for (size_t i = 0; i < p->len; i++) {
    bool code = tw_explain_info(p, "tw bytes") && i + 3 < p->len && p->text[i] == '\\' && p->text[i + 1] == 'x';
    if (code) {
      char hex[3] = {p->text[i + 2], p->text[i + 3], 0};
      out[(*len)++] = (char)strtol(hex, NULL, 16);
      i += 3;
    } else {
      out[(*len)++] = p->text[i];
    }
  }
  out[*len] = 0;
  return out;
}

static void check(TwUnit *u, const char *text, size_t len, const char *variant) {
  TwModuleAst *ast = NULL;
  TwVariantNames names = {0};
  if (!tw_parse(u, tw_source_add(&u->sources, "example.tw", text, len), &ast)) return;
  tw_variants(u, ast, &names);
  bool known = !variant;
  for (uint32_t k = 0; k < names.len; k++) known |= variant && strcmp(names.at[k], variant) == 0;
  if (!known) tw_diag(&u->diags, TW_E0212, (TwSpan){1, 0, 0}, "the command's own diagnostic, which tests/cli looks at");
  for (uint32_t k = 0; k < names.len; k++) {
    TwProgram *p = NULL;
    TwLowered *lowered = NULL;
    if (tw_sema(u, ast, names.at[k], &p)) tw_lower(u, p, TW_LOWER_TRAIN, NULL, &lowered);
  }
}

/* `want` and nothing else, or, if NULL, nothing at all. */
static bool compiled(const TwExplainPart *p, const char *want) {
  char define[64], variant[64];
  TwDefine d = {"", ""};
  char *eq = word_after(p, "-D ", define, sizeof define) ? strchr(define, '=') : NULL;
  if (eq) *eq = 0, d = (TwDefine){define, eq + 1};
  size_t len;
  char *text = with_bytes(p, &len);
  TwUnit *u = tw_unit_new(&(TwOptions){.defines = &d, .n_defines = eq != NULL, .precision = TW_F64});
  check(u, text, len, word_after(p, "--variant ", variant, sizeof variant));
  bool ok = want ? u->diags.list.len > 0 : u->diags.list.len == 0;
  for (uint32_t k = 0; k < u->diags.list.len; k++)
    ok &= want && strcmp(tw_diag_code(u->diags.list.at[k]->id), want) == 0;
  if (!ok) {
    printf("---- %s%s\n%s\n", want ? "should give nothing but " : "should give nothing", want ? want : "", text);
    tw_diags_render(&u->diags, stdout, (TwDiagStyle){0});
  }
  tw_unit_free(u);
  free(text);
  return ok;
}

static bool ran(const TwExplainPart *p, const char *want) {
  save("example.tw", p->text, p->len);
  char command[4300], line[1000];
  snprintf(command, sizeof command, "'%s' run --quiet example.tw 2>&1", triwave);
  FILE *out = popen(command, "r");
  if (!out) return false;
  bool given = false, other = false;
  while (fgets(line, sizeof line, out)) {
    const char *id = strstr(line, "[E") ? strstr(line, "[E") : strstr(line, "[W");
    given |= want && id && strncmp(id + 1, want, 5) == 0;
    other |= id && (!want || strncmp(id + 1, want, 5) != 0);
  }
  int status = pclose(out), code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  bool ok = !other && given == (want != NULL) && code == (want ? 1 : 0);
  if (!ok)
    printf("---- runs, and ends with %d, %s %s\n%.*s\n", code, given ? "with" : "without", want ? want : "",
           (int)p->len, p->text);
  return ok;
}

static bool example(const TwExplainPart *p, const char *want) {
  char name[64], command[4300];
  if (word_after(p, "with ", name, sizeof name)) {
    snprintf(command, sizeof command, "cp '%s/%s' .", files, name);
    if (system(command) != 0) return false;
  }
  return tw_explain_info(p, "tw run") ? ran(p, want) : compiled(p, want);
}

static bool section(TwDiagId id) {
  const char *code = tw_diag_code(id), *at = tw_explain(id);
  uint32_t n = 0, paragraphs = 0, want = 2;
  char name[64];
  TwExplainPart p;
  bool ok = true;
  for (size_t k = 0; k < sizeof without / sizeof *without; k++)
    if (strcmp(code, without[k]) == 0) want = 0;
  while (at && tw_explain_next(&at, &p)) {
    if (!p.fenced) paragraphs++;
    else if (word_after(&p, "file ", name, sizeof name)) save(name, p.text, p.len);
    else ok &= example(&p, n++ == 0 ? code : NULL);
  }
  if (n == want && paragraphs > 0) return ok;
  printf("%s has %u paragraphs and %u programs in lang/explain.md, not %u\n", code, paragraphs, n, want);
  return false;
}

/* E0203 names the modules of the standard library: those that are embedded, in their order. */
static bool modules(void) {
  const char *at = tw_explain(TW_E0203);
  char want[1000] = "(`";
  for (uint32_t k = 0; tw_stdlib_name(k); k++) {
    size_t n = strlen(want);
    snprintf(want + n, sizeof want - n, "%s%s", k ? " " : "", tw_stdlib_name(k));
  }
  size_t n = strlen(want);
  snprintf(want + n, sizeof want - n, "`)");
  if (at && strstr(at, want)) return true;
  printf("E0203 in lang/explain.md does not name the modules: %s\n", want);
  return false;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  triwave = argv[1];
  files = argv[2];
  char folder[] = "/tmp/explain.XXXXXX", command[64];
  if (!mkdtemp(folder) || chdir(folder) != 0) return 2;
  int bad = 0;
  for (int id = 0; id < TW_DIAG_COUNT; id++) bad += !section((TwDiagId)id);
  bad += !modules();
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  if (chdir("/") != 0 || system(command) != 0) return 2;
  printf("%d ids, %d mistakes\n", TW_DIAG_COUNT, bad);
  return bad != 0;
}
