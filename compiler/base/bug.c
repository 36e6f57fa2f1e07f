/* bug.c: see bug.h. */
#define _GNU_SOURCE /* vasprintf */
#include "compiler/base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Thread_local TwBoundary *boundary;
static TwBugTo forward; /* set once, when the code is loaded, before anything of it is called */

void tw_bug_forward(TwBugTo to) { forward = to; }

void tw_boundary_set(TwBoundary *b) {
  b->outer = boundary;
  b->text = NULL;
  boundary = b;
}

void tw_boundary_clear(TwBoundary *b) { boundary = b->outer; }

void tw_give_up(int code, char *text) {
  if (!boundary && forward) forward(code, text);
  if (!boundary) {
    fflush(stdout);
    fprintf(stderr, "triwave: %s\n", text ? text : "out of memory");
    _exit(code); /* no destructors: other threads are in the middle of anything */
  }
  boundary->text = text;
  longjmp(boundary->back, 1);
}

void tw_bug(const char *fmt, ...) {
  va_list ap;
  char *text;
  va_start(ap, fmt);
  if (vasprintf(&text, fmt, ap) < 0) text = NULL;
  va_end(ap);
  tw_give_up(TW_GIVE_UP_BUG, text);
}

void tw_no_memory(size_t bytes) {
  char *text;
  int n = bytes ? asprintf(&text, "out of memory (%zu bytes more were needed)", bytes)
                : asprintf(&text, "out of memory");
  if (n < 0) text = NULL;
  tw_give_up(TW_GIVE_UP_MEMORY, text);
}
