/* intern.h: one pointer a spelling, so that names compare with ==. */
#ifndef TW_BASE_INTERN_H
#define TW_BASE_INTERN_H

#include "compiler/base/arena.h"

typedef const char *TwName; /* interned, NUL-terminated; equal spellings are equal pointers */

typedef struct TwIntern {
  TwArena *arena; /* where the spellings live; not owned */
  TwName *slots;
  uint32_t cap, len;
} TwIntern;

TwName tw_intern(TwIntern *t, const char *s, size_t n);
TwName tw_intern_z(TwIntern *t, const char *s);

/* The candidate nearest to `name` in Damerau-Levenshtein distance, if near enough to suggest
 * (at most a third of its length, at least 1); NULL otherwise. */
TwName tw_nearest(const char *name, const TwName *candidates, uint32_t n);

#endif
