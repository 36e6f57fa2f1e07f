/* explain.c: the sections of lang/explain.md.
 *
 * requires: the embedded page, which a test reads to its end.   provides: explain.h.
 * The page is Markdown of the simplest kind: `## ID` begins a section, a blank line ends a paragraph, and lines
 * of three backquotes stand around programs. */
#include "compiler/base/explain.h"

#include <string.h>

extern const char tw_explain_page[];

static const char *line_end(const char *s) {
  const char *end = strchr(s, '\n');
  return end ? end : s + strlen(s);
}

static const char *next_line(const char *s) {
  const char *end = line_end(s);
  return *end ? end + 1 : end;
}

const char *tw_explain(TwDiagId id) {
  const char *code = tw_diag_code(id);
  size_t n = strlen(code);
  for (const char *at = tw_explain_page; *at; at = next_line(at))
    if (strncmp(at, "## ", 3) == 0 && strncmp(at + 3, code, n) == 0 && at[3 + n] == '\n') return next_line(at);
  return NULL;
}

bool tw_explain_next(const char **at, TwExplainPart *part) {
  const char *s = *at;
  while (*s == '\n') s++;
  if (!*s || strncmp(s, "## ", 3) == 0) return *at = s, false;
  *part = (TwExplainPart){.fenced = strncmp(s, "```", 3) == 0};
  if (part->fenced) part->info = s + 3, part->info_len = (size_t)(line_end(s) - part->info), s = next_line(s);
  part->text = s;
  while (*s && (part->fenced ? strncmp(s, "```", 3) != 0 : *s != '\n')) s = next_line(s);
  part->len = (size_t)(s - part->text) - (s > part->text && s[-1] == '\n');
  *at = part->fenced ? next_line(s) : s;
  return true;
}

bool tw_explain_info(const TwExplainPart *part, const char *words) {
  size_t n = strlen(words);
  return part->info_len >= n && memcmp(part->info, words, n) == 0 && (part->info_len == n || part->info[n] == ' ');
}
