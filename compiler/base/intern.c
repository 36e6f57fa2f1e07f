/* intern.c: the table of names, and the nearest name for suggestions.
 *
 * requires: an arena that outlives the table.   provides: intern.h.
 * Open addressing, linear probing, at most two thirds full. Spellings that hold a NUL byte are cut
 * there: a name is a C string. */
#include "compiler/base/intern.h"

#include <string.h>

static uint64_t hash(const char *s, size_t n) { /* FNV-1a */
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
  return h ^ (h >> 29);
}

static void grow(TwIntern *t) {
  uint32_t cap = t->cap ? 2 * t->cap : 256;
  TwName *slots = TW_NEW_N(t->arena, TwName, cap);
  for (uint32_t i = 0; i < t->cap; i++) {
    if (!t->slots[i]) continue;
    uint32_t at = (uint32_t)hash(t->slots[i], strlen(t->slots[i])) & (cap - 1);
    while (slots[at]) at = (at + 1) & (cap - 1);
    slots[at] = t->slots[i];
  }
  t->slots = slots;
  t->cap = cap;
}

TwName tw_intern(TwIntern *t, const char *s, size_t n) {
  const char *nul = n ? memchr(s, 0, n) : NULL;
  if (nul) n = (size_t)(nul - s);
  if (t->len >= t->cap / 3 * 2) grow(t);
  uint32_t at = (uint32_t)hash(s, n) & (t->cap - 1);
  for (; t->slots[at]; at = (at + 1) & (t->cap - 1)) {
    if (strncmp(t->slots[at], s, n) == 0 && t->slots[at][n] == 0) return t->slots[at];
  }
  t->len++;
  return t->slots[at] = tw_arena_strndup(t->arena, s, n);
}

TwName tw_intern_z(TwIntern *t, const char *s) { return tw_intern(t, s, strlen(s)); }

enum { LONGEST = 64 }; /* names longer than this get no suggestion */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
  size_t rows[3][LONGEST + 1];
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= m; j++) last[j] = j;
  for (size_t i = 1; i <= n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + change);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least(now[j], before[j - 2] + 1);
    }
    size_t *oldest = before;
    before = last, last = now, now = oldest;
  }
  return last[m];
}

TwName tw_nearest(const char *name, const TwName *candidates, uint32_t n) {
  size_t len = strlen(name);
  if (len == 0 || len > LONGEST) return NULL;
  size_t best_distance = len / 3 ? len / 3 : 1;
  TwName best = NULL;
  for (uint32_t i = 0; i < n; i++) {
    size_t m = candidates[i] ? strlen(candidates[i]) : 0;
    if (m == 0 || m > LONGEST || m > len + best_distance || len > m + best_distance) continue;
    size_t d = distance(name, len, candidates[i], m);
    /* Two names that share no letter are not near, however short they are. */
    if (d == 0 || d >= least(len, m)) continue;
    if (d < best_distance || (d == best_distance && !best)) best = candidates[i], best_distance = d;
  }
  return best;
}
