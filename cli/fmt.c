/* fmt.c: triwave fmt [-w] FILE…: a file is written whole (a new file renamed over it) or not at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "compiler/ast/format.h"
#include "compiler/ast/parse.h"

static bool replace(const char *path, const char *text) {
  size_t n = strlen(path), size = strlen(text);
  char *temporary = malloc(n + 16);
  if (!temporary) abort();
  snprintf(temporary, n + 16, "%s.XXXXXX", path);
  struct stat st;
  int fd = stat(path, &st) == 0 ? mkstemp(temporary) : -1;
  bool ok = fd >= 0 && fchmod(fd, st.st_mode & 07777) == 0;
  for (size_t at = 0; ok && at < size;) {
    ssize_t w = write(fd, text + at, size - at);
    if (w < 0 && errno == EINTR) continue;
    ok = w > 0;
    if (ok) at += (size_t)w;
  }
  ok = ok && fsync(fd) == 0;
  if (fd >= 0 && close(fd) != 0) ok = false;
  ok = ok && rename(temporary, path) == 0;
  if (!ok) {
    fprintf(stderr, "triwave: cannot write '%s': %s\n", path, strerror(errno));
    if (fd >= 0) unlink(temporary);
  }
  free(temporary);
  return ok;
}

static bool format_one(const TwCli *c, TwUnit *u, const char *path) {
  uint32_t file = tw_cli_open(u, path);
  TwModuleAst *ast;
  if (!file || !tw_parse(u, file, &ast)) return false;
  const char *text = tw_format(u, ast);
  if (!c->write) return fputs(text, stdout) >= 0;
  const TwSource *s = tw_source(&u->sources, file);
  if (s->len == strlen(text) && memcmp(s->text, text, s->len) == 0) return true;
  return replace(path, text);
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
