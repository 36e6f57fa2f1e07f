/* diag.h: diagnostics: collected, never printed here.
 *
 * Ids, severities and default texts are in lang/diagnostics.def: TW_DIAG(E0203, error, "title").
 * A message is made with printf formats and is a full sentence without the final stop; names of
 * the user's are in 'quotes'. Every diagnostic has a span. Sorted by place, duplicates dropped. */
#ifndef TW_BASE_DIAG_H
#define TW_BASE_DIAG_H

#include <stdio.h>

#include "compiler/base/source.h"

typedef enum TwDiagId {
#define TW_DIAG(id, severity, title) TW_##id,
#include "lang/diagnostics.def"
#undef TW_DIAG
  TW_DIAG_COUNT
} TwDiagId;

typedef enum TwSeverity { TW_SEV_error, TW_SEV_warning } TwSeverity;

typedef struct TwDiagNote {
  TwSpan span; /* may be empty: a note without a place */
  const char *text;
} TwDiagNote;

typedef struct TwDiag {
  TwDiagId id;
  TwSeverity severity;
  TwSpan span;
  const char *text;
  TwVec(TwDiagNote) notes;
  const char *help; /* one advice, or NULL */
  TwSpan replace;   /* what `replacement` would stand for; of file 0 if there is none */
  const char *replacement;
} TwDiag;

typedef struct TwDiags {
  TwArena *arena;
  const TwSources *sources;
  TwVec(TwDiag *) list;
  uint32_t errors; /* how many of severity error */
  uint32_t *slots; /* places in the list + 1, by id and span: open addressing, at most half full */
  uint32_t cap;
} TwDiags;

/* Adds one; returns it so that notes and help can be attached. Never NULL. A second diagnostic
 * with the same id and span is dropped (a throw-away object is returned). */
TwDiag *tw_diag(TwDiags *d, TwDiagId id, TwSpan span, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void tw_diag_note(TwDiags *d, TwDiag *to, TwSpan span, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void tw_diag_help(TwDiags *d, TwDiag *to, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The text that would mend it, for editors: in place of `span`. */
void tw_diag_replace(TwDiags *d, TwDiag *to, TwSpan span, const char *text);

const char *tw_diag_code(TwDiagId id);  /* "E0203" */
const char *tw_diag_title(TwDiagId id); /* the catalogue's one-line title */

typedef struct TwDiagStyle {
  bool colour;
  uint32_t max_errors; /* 0: 20 */
} TwDiagStyle;
/* Writes all, sorted by place, in the rendered form of docs/architecture.md (path:line:column,
 * source line, carets, notes, help). */
void tw_diags_render(const TwDiags *d, FILE *out, TwDiagStyle style);
/* All of them in the order of their places, in the diagnostics' arena; returns how many. */
uint32_t tw_diags_sorted(const TwDiags *d, const TwDiag *const **out);
/* Writes all, sorted by place, one JSON object a line: the contract is in docs/diagnostics.md. */
void tw_diags_json(const TwDiags *d, FILE *out);

#endif
