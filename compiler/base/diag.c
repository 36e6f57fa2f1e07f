/* diag.c: collecting diagnostics.
 *
 * requires: an arena that outlives the phases.   provides: diag.h but for the rendering (render.c). */
#include "compiler/base/diag.h"

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

static bool seen(const TwDiags *d, TwDiagId id, TwSpan span) {
  for (uint32_t i = 0; i < d->list.len; i++) {
    const TwDiag *old = d->list.at[i];
    if (old->id == id && old->span.file == span.file && old->span.start == span.start &&
        old->span.end == span.end)
      return true;
  }
  return false;
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
  if (seen(d, id, span)) return diag;
  tw_vec_push(d->arena, &d->list, diag);
  if (diag->severity == TW_SEV_error) d->errors++;
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
