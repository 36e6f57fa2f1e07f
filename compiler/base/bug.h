/* bug.h: what cannot be gone on from: a bug of ours, or no memory.
 *
 * In the command such a thing ends the process, with code 70 or, for want of memory, 1. A library must not: it sets a
 * boundary around its calls, and the bug comes back to it as a text. What was under way is given up as it is: a unit's
 * arenas are freed with the unit, what LLVM and malloc hold at that moment is lost. */
#ifndef TW_BASE_BUG_H
#define TW_BASE_BUG_H

#include <setjmp.h>
#include <stddef.h>

typedef struct TwBoundary {
  jmp_buf back;
  struct TwBoundary *outer;
  char *text; /* malloc'ed; NULL for want of memory */
} TwBoundary;

/* Usage, in one function:
 *   TwBoundary b;
 *   tw_boundary_set(&b);
 *   if (setjmp(b.back) == 0) { … } else { b.text says why }
 *   tw_boundary_clear(&b);
 * Each thread has its own. */
void tw_boundary_set(TwBoundary *b);
void tw_boundary_clear(TwBoundary *b);

/* Says what is wrong, to the boundary of this thread or to stderr, and does not return. */
_Noreturn void tw_bug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same of memory that could not be had; bytes 0: nobody knows how much. In the command the exit code is 1. */
_Noreturn void tw_no_memory(size_t bytes);

enum { TW_GIVE_UP_MEMORY = 1, TW_GIVE_UP_BUG = 70 }; /* exit codes */
/* What both come down to; takes over the text, malloc'ed or NULL. */
_Noreturn void tw_give_up(int code, char *text);
/* For code that is loaded with a copy of bug.c of its own, whose boundaries nobody sets: where all of that goes
 * instead. */
typedef void (*TwBugTo)(int code, char *text); /* does not return */
void tw_bug_forward(TwBugTo to);

#endif
