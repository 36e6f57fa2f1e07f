/* bug.c: see bug.h. */
#include "compiler/base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local TwBoundary *boundary;

void tw_boundary_set(TwBoundary *b) {
  b->outer = boundary;
  b->text = NULL;
  boundary = b;
}

void tw_boundary_clear(TwBoundary *b) { boundary = b->outer; }

void tw_bug(const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  if (!boundary) {
    fputs("triwave: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    exit(70);
  }
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, again);
  va_end(again);
  boundary->text = n < 0 ? NULL : malloc((size_t)n + 1);
  if (boundary->text) vsnprintf(boundary->text, (size_t)n + 1, fmt, ap);
  va_end(ap);
  longjmp(boundary->back, 1);
}
