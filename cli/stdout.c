/* stdout.c: stdout as a stream that remembers why a write to it failed. The C library's keeps a flag; by the time that
 * is looked at, errno is of another call, or the bytes that could not be written are gone. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "runtime/files.h"

static TwRtSink sink = {.fd = STDOUT_FILENO}; /* of the one stdout that a process has */

void tw_cli_stdout_begin(void) {
  FILE *out = tw_rt_sink_stream(&sink);
  if (!out) return; /* then the reason will be missing, and nothing else */
  setvbuf(out, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, 1 << 16);
  stdout = out; /* a variable, in glibc, and meant to be set */
}

bool tw_cli_stdout_ok(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return true;
  fprintf(stderr, "triwave: cannot write to stdout%s%s\n", sink.why ? ": " : "", sink.why ? strerror(sink.why) : "");
  return false;
}
