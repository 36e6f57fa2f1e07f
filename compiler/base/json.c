/* json.c: diagnostics for programs to read: one JSON object a line.
 *
 * requires: collected diagnostics and their sources.   provides: tw_diags_json, the contract of docs/diagnostics.md.
 * Laws: every line is a whole JSON object in UTF-8, whatever the sources hold; nothing is left out. */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "compiler/base/bug.h"
#include "compiler/base/diag.h"
#include "runtime/text.h"

static cJSON *made(cJSON *j) {
  if (!j) tw_no_memory(0);
  return j;
}

static void add(cJSON *to, const char *key, cJSON *value) { cJSON_AddItemToObject(to, key, made(value)); }

/* A string; what is no UTF-8 becomes U+FFFD. */
static cJSON *string(const char *s) {
  char *valid = tw_rt_text_valid(s);
  cJSON *j = valid ? cJSON_CreateString(valid) : NULL;
  free(valid);
  return made(j);
}

static cJSON *place(const TwDiags *d, TwSpan span, uint32_t offset) {
  TwPlace p = tw_place(d->sources, span.file, offset);
  cJSON *j = made(cJSON_CreateObject());
  add(j, "byte", cJSON_CreateNumber(offset));
  add(j, "line", cJSON_CreateNumber(p.line));
  add(j, "column", cJSON_CreateNumber(p.column));
  return j;
}

/* file, start, end: null where there is no place. */
static void add_span(const TwDiags *d, cJSON *to, TwSpan span) {
  const TwSource *f = tw_source(d->sources, span.file);
  add(to, "file", f ? string(f->path) : cJSON_CreateNull());
  add(to, "start", f ? place(d, span, span.start) : cJSON_CreateNull());
  add(to, "end", f ? place(d, span, span.end) : cJSON_CreateNull());
}

static cJSON *whole(const TwDiags *d, const TwDiag *diag) {
  cJSON *j = made(cJSON_CreateObject()), *notes = made(cJSON_CreateArray());
  add(j, "id", cJSON_CreateString(tw_diag_code(diag->id)));
  add(j, "severity", cJSON_CreateString(diag->severity == TW_SEV_error ? "error" : "warning"));
  add(j, "title", cJSON_CreateString(tw_diag_title(diag->id)));
  add(j, "message", string(diag->text));
  add_span(d, j, diag->span);
  for (uint32_t k = 0; k < diag->notes.len; k++) {
    cJSON *note = made(cJSON_CreateObject());
    add(note, "message", string(diag->notes.at[k].text));
    add_span(d, note, diag->notes.at[k].span);
    cJSON_AddItemToArray(notes, note);
  }
  add(j, "notes", notes);
  add(j, "help", diag->help ? string(diag->help) : cJSON_CreateNull());
  cJSON *replacement = diag->replacement ? cJSON_CreateObject() : cJSON_CreateNull();
  if (diag->replacement) {
    add(made(replacement), "text", string(diag->replacement));
    add_span(d, replacement, diag->replace);
  }
  add(j, "replacement", replacement);
  return j;
}

void tw_diags_json(const TwDiags *d, FILE *out) {
  const TwDiag *const *sorted;
  uint32_t n = tw_diags_sorted(d, &sorted);
  for (uint32_t k = 0; k < n; k++) {
    cJSON *j = whole(d, sorted[k]);
    char *text = cJSON_PrintUnformatted(j);
    if (!text) tw_no_memory(0);
    fprintf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(j);
  }
}
