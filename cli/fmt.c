/* fmt.c: triwave fmt [-w] FILE…: a file is written whole or not at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "compiler/ast/format.h"
#include "compiler/ast/parse.h"
#include "runtime/files.h"

static bool format_one(const TwCli *c, TwUnit *u, const char *path) {
  uint32_t file = tw_cli_open(u, path);
  TwModuleAst *ast;
  if (!file || !tw_parse(u, file, &ast)) return false;
  const char *text = tw_format(u, ast);
  if (!c->write) return fputs(text, stdout) >= 0;
  const TwSource *s = tw_source(&u->sources, file);
  if (s->len == strlen(text) && memcmp(s->text, text, s->len) == 0) return true;
  char *file_itself = realpath(path, NULL); /* of a symbolic link what it leads to: the link stays one */
  char *error = file_itself ? NULL : tw_rt_file_error("write", path, errno);
  bool ok = file_itself && tw_rt_file_write(file_itself, text, strlen(text), &error);
  free(file_itself);
  return ok || tw_cli_said(error);
}

int tw_cli_fmt(const TwCli *c) {
  int code = TW_EXIT_OK;
  for (uint32_t k = 0; k < c->n_files; k++) {
    TwUnit *u = tw_cli_unit(c);
    if (!format_one(c, u, c->files[k])) code = TW_EXIT_WRONG;
    tw_cli_diagnostics(u);
    tw_unit_free(u);
  }
  if (!tw_cli_stdout_ok()) code = TW_EXIT_WRONG;
  return code;
}
