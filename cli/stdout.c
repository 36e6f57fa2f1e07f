/* stdout.c: stdout as a stream that remembers why a write to it failed. The C library's keeps a flag; by the time that is looked
 * at, errno is of another call, or the bytes that could not be written are gone. */
#define _GNU_SOURCE /* fopencookie */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static int first_error; /* an errno, of the one stdout that a process has; 0: all is well */

static ssize_t put(void *cookie, const char *from, size_t n) {
  int *why = cookie;
  for (size_t at = 0; at < n && !*why;) {
    ssize_t done = write(STDOUT_FILENO, from + at, n - at);
    if (done > 0) at += (size_t)done;
    else if (done == 0) *why = EIO; /* nothing was written, and nothing was wrong: it would be so for ever */
    else if (errno != EINTR) *why = errno;
  }
  return *why ? 0 : (ssize_t)n;
}

void tw_cli_stdout_begin(void) {
  FILE *out = fopencookie(&first_error, "w", (cookie_io_functions_t){.write = put});
  if (!out) return; /* then the reason will be missing, and nothing else */
  setvbuf(out, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, 1 << 16);
  stdout = out; /* a variable, in glibc, and meant to be set */
}

bool tw_cli_stdout_ok(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return true;
  fprintf(stderr, "triwave: cannot write to stdout%s%s\n", first_error ? ": " : "", first_error ? strerror(first_error) : "");
  return false;
}
