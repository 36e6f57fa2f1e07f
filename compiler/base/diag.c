/* diag.c: collecting diagnostics.
 *
 * requires: an arena that outlives the phases.   provides: diag.h but for the rendering (render.c, json.c). */
#include "compiler/base/diag.h"

#include <stdlib.h>
#include <string.h>

typedef struct Entry {
  const char *code;
  TwSeverity severity;
  const char *title;
} Entry;

static const Entry catalogue[] = {
#define TW_DIAG(id, severity, title) {#id, TW_SEV_##severity, title},
#include "lang/diagnostics.def"
#undef TW_DIAG
};
_Static_assert(sizeof catalogue / sizeof *catalogue == TW_DIAG_COUNT, "one entry an id");

const char *tw_diag_code(TwDiagId id) { return catalogue[id].code; }
const char *tw_diag_title(TwDiagId id) { return catalogue[id].title; }

static bool alike(const TwDiag *a, const TwDiag *b) {
  return a->id == b->id && a->span.file == b->span.file && a->span.start == b->span.start && a->span.end == b->span.end;
}

/* Where this diagnostic is in the table, or would be. */
static uint32_t *slot_of(const TwDiags *d, const TwDiag *x) {
  uint64_t h = ((uint64_t)x->id << 32 | x->span.start) * 0x9E3779B97F4A7C15u;
  h = (h ^ ((uint64_t)x->span.file << 32 | x->span.end)) * 0xBF58476D1CE4E5B9u;
  uint32_t at = (uint32_t)(h >> 32) & (d->cap - 1);
  while (d->slots[at] && !alike(d->list.at[d->slots[at] - 1], x)) at = (at + 1) & (d->cap - 1);
  return &d->slots[at];
}

/* Adds it to the list unless there is one like it. */
static bool enter(TwDiags *d, TwDiag *x) {
  if (d->list.len >= d->cap / 2) {
    d->cap = d->cap ? 2 * d->cap : 64;
    d->slots = TW_NEW_N(d->arena, uint32_t, d->cap);
    for (uint32_t k = 0; k < d->list.len; k++) *slot_of(d, d->list.at[k]) = k + 1;
  }
  uint32_t *slot = slot_of(d, x);
  if (*slot) return false;
  tw_vec_push(d->arena, &d->list, x);
  *slot = d->list.len;
  return true;
}

TwDiag *tw_diag(TwDiags *d, TwDiagId id, TwSpan span, const char *fmt, ...) {
  TwDiag *diag = TW_NEW(d->arena, TwDiag);
  diag->id = id;
  diag->severity = catalogue[id].severity;
  diag->span = span;
  va_list ap;
  va_start(ap, fmt);
  diag->text = tw_arena_vprintf(d->arena, fmt, ap);
  va_end(ap);
  if (enter(d, diag) && diag->severity == TW_SEV_error) d->errors++;
  return diag;
}

void tw_diag_note(TwDiags *d, TwDiag *to, TwSpan span, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  TwDiagNote note = {span, tw_arena_vprintf(d->arena, fmt, ap)};
  va_end(ap);
  tw_vec_push(d->arena, &to->notes, note);
}

void tw_diag_help(TwDiags *d, TwDiag *to, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  to->help = tw_arena_vprintf(d->arena, fmt, ap);
  va_end(ap);
}

void tw_diag_replace(TwDiags *d, TwDiag *to, TwSpan span, const char *text) {
  to->replace = span;
  to->replacement = tw_arena_strndup(d->arena, text, strlen(text));
}

typedef struct Ranked {
  const TwDiag *diag;
  uint32_t index;
} Ranked;

static int by_place(const void *x, const void *y) {
  const Ranked *a = x, *b = y;
  TwSpan p = a->diag->span, q = b->diag->span;
  if (p.file != q.file) return p.file < q.file ? -1 : 1;
  if (p.start != q.start) return p.start < q.start ? -1 : 1;
  if (p.end != q.end) return p.end < q.end ? -1 : 1;
  return a->index < b->index ? -1 : 1;
}

uint32_t tw_diags_sorted(const TwDiags *d, const TwDiag *const **out) {
  uint32_t n = d->list.len;
  Ranked *ranked = TW_NEW_N(d->arena, Ranked, n);
  const TwDiag **sorted = TW_NEW_N(d->arena, const TwDiag *, n);
  for (uint32_t k = 0; k < n; k++) ranked[k] = (Ranked){d->list.at[k], k};
  if (n > 1) qsort(ranked, n, sizeof *ranked, by_place);
  for (uint32_t k = 0; k < n; k++) sorted[k] = ranked[k].diag;
  *out = sorted;
  return n;
}
