/* output.c: tables of numbers, to a file, whole or not at all, or to stdout. */
#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A new file beside it, renamed over it. */
static bool write_file(const char *path, void (*write)(const void *what, FILE *out), const void *what) {
  size_t n = strlen(path) + 16;
  char *temporary = malloc(n);
  if (!temporary) abort();
  snprintf(temporary, n, "%s.part", path);
  FILE *out = fopen(temporary, "wb");
  bool ok = out != NULL;
  if (ok) {
    write(what, out);
    ok = fflush(out) == 0 && !ferror(out) && fsync(fileno(out)) == 0;
    if (fclose(out) != 0) ok = false;
    ok = ok && rename(temporary, path) == 0;
  }
  if (!ok) {
    fprintf(stderr, "triwave: cannot write '%s': %s\n", path, strerror(errno));
    if (out) unlink(temporary);
  }
  free(temporary);
  return ok;
}

bool tw_cli_write(const TwCli *c, void (*write)(const void *what, FILE *out), const void *what) {
  if (c->output) return write_file(c->output, write, what);
  write(what, stdout);
  return tw_cli_stdout_ok();
}

bool tw_cli_format_ok(const TwCli *c, const char *const *forms, const char *list) {
  for (size_t k = 0; c->format && strcmp(c->format, forms[k]) != 0; k++)
    if (!forms[k + 1]) {
      fprintf(stderr, "triwave: --format wants %s, not '%s'\n", list, c->format);
      return false;
    }
  if (c->format && strcmp(c->format, "npy") == 0 && !c->output && isatty(STDOUT_FILENO)) {
    fprintf(stderr, "triwave: npy is no text: %s --format npy wants -o FILE on a terminal\n", c->verb);
    return false;
  }
  return true;
}
