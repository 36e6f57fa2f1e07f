/* render.c: diagnostics as text: place, source line, carets, notes, help.
 *
 * requires: collected diagnostics and their sources.   provides: tw_diags_render.
 * Laws: carets stand under the right characters whatever the line holds (tabs, wide and combining
 * characters, broken UTF-8); nothing from the source reaches the terminal as a control sequence;
 * a span of several lines is underlined to the end of its first. */
#include <string.h>

#include "compiler/base/diag.h"

typedef struct Out {
  FILE *to;
  bool colour;
} Out;

static void paint(const Out *o, const char *code) {
  if (o->colour) fprintf(o->to, "\033[%sm", code);
}

#define BOLD "1"
#define RED "1;31"
#define YELLOW "1;33"
#define BLUE "1;34"
#define CYAN "1;36"
#define PLAIN "0"

/* One character of a source line. */
typedef struct Glyph {
  const char *text;
  size_t bytes;
  bool shown; /* false: replaced by '?' */
  unsigned width;
} Glyph;

static unsigned width_of(uint32_t c) {
  static const uint32_t none[][2] = {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
  static const uint32_t wide[][2] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},
                                     {0xF900, 0xFAFF}, {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
                                     {0xFFE0, 0xFFE6}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (c >= none[i][0] && c <= none[i][1]) return 0;
  for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
    if (c >= wide[i][0] && c <= wide[i][1]) return 2;
  return 1;
}

static Glyph glyph(const char *s, size_t left) {
  unsigned char c = (unsigned char)*s;
  if (c == '\t') return (Glyph){s, 1, true, 1};
  if (c < ' ' || c == 0x7F) return (Glyph){s, 1, false, 1};
  if (c < 0x80) return (Glyph){s, 1, true, 1};
  size_t n = c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xC2 && c < 0xE0 ? 2 : 0;
  if (n == 0 || n > left) return (Glyph){s, 1, false, 1};
  uint32_t point = c & (0x7Fu >> n);
  for (size_t i = 1; i < n; i++) {
    if (((unsigned char)s[i] & 0xC0) != 0x80) return (Glyph){s, 1, false, 1};
    point = point << 6 | ((unsigned char)s[i] & 0x3Fu);
  }
  bool control = point < 0xA0 || (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
  return (Glyph){s, n, !control, control ? 1 : width_of(point)};
}

enum { LONG_LINE = 160, BEFORE = 60 };

/* Where to start showing a line so that the carets are on the screen. */
static uint32_t window_start(const TwSource *f, uint32_t from, uint32_t to, uint32_t start) {
  if (to - from <= LONG_LINE || start - from <= BEFORE) return from;
  uint32_t at = start - BEFORE;
  while (at < start && ((unsigned char)f->text[at] & 0xC0) == 0x80) at++;
  return at;
}

static uint32_t window_end(const TwSource *f, uint32_t from, uint32_t to) {
  if (to - from <= LONG_LINE) return to;
  uint32_t at = from + LONG_LINE;
  while (at < to && ((unsigned char)f->text[at] & 0xC0) == 0x80) at++;
  return at;
}

static void source_line(const Out *o, const TwSource *f, TwSpan span, uint32_t line, const char *colour) {
  uint32_t from = f->lines[line - 1];
  uint32_t to = line < f->n_lines ? f->lines[line] - 1 : f->len;
  if (to > from && f->text[to - 1] == '\r') to--;
  uint32_t start = span.start < to ? span.start : to, end = span.end < to ? span.end : to;
  uint32_t first = window_start(f, from, to, start), last = window_end(f, first, to);
  int digits = snprintf(NULL, 0, "%u", line);

  paint(o, BLUE);
  fprintf(o->to, " %u | ", line);
  paint(o, PLAIN);
  if (first > from) fputs("…", o->to);
  for (uint32_t i = first; i < last;) {
    Glyph g = glyph(f->text + i, last - i);
    if (g.shown) fwrite(g.text, 1, g.bytes, o->to);
    else fputc('?', o->to);
    i += (uint32_t)g.bytes;
  }
  if (last < to) fputs("…", o->to);
  paint(o, BLUE);
  fprintf(o->to, "\n %*s | ", digits, "");
  paint(o, PLAIN);
  if (first > from) fputc(' ', o->to);
  for (uint32_t i = first; i < start;) {
    Glyph g = glyph(f->text + i, last - i);
    if (*g.text == '\t') fputc('\t', o->to);
    else fprintf(o->to, "%*s", (int)g.width, "");
    i += (uint32_t)g.bytes;
  }
  paint(o, colour);
  unsigned carets = 0;
  for (uint32_t i = start; i < end && i < last;) {
    Glyph g = glyph(f->text + i, last - i);
    for (unsigned k = 0; k < g.width; k++) fputc('^', o->to);
    carets += g.width;
    i += (uint32_t)g.bytes;
  }
  if (carets == 0) fputc('^', o->to);
  paint(o, PLAIN);
  fputc('\n', o->to);
}

enum { MESSAGE = 4000 }; /* bytes of a message that are shown */

/* A message that quotes the source may hold anything, and of any length: show control characters as '?'. */
static void message(const Out *o, const char *s) {
  const char *end = s + MESSAGE;
  for (size_t left = strlen(s); left;) {
    if (s >= end) {
      fputs("…", o->to);
      return;
    }
    Glyph g = glyph(s, left);
    if (g.shown && *s != '\t') fwrite(s, 1, g.bytes, o->to);
    else fputc(*s == '\t' || *s == '\n' ? ' ' : '?', o->to);
    s += g.bytes;
    left -= g.bytes;
  }
}

static void place(const Out *o, const TwSources *sources, TwSpan span) {
  if (!tw_source(sources, span.file)) return;
  TwPlace p = tw_place(sources, span.file, span.start);
  paint(o, BOLD);
  fprintf(o->to, "%s:%u:%u: ", p.path, p.line, p.column);
  paint(o, PLAIN);
}

static void render(const Out *o, const TwDiags *d, const TwDiag *diag) {
  const char *colour = diag->severity == TW_SEV_error ? RED : YELLOW;
  place(o, d->sources, diag->span);
  paint(o, colour);
  fprintf(o->to, "%s[%s]", diag->severity == TW_SEV_error ? "error" : "warning", tw_diag_code(diag->id));
  paint(o, PLAIN);
  fputs(": ", o->to);
  paint(o, BOLD);
  message(o, diag->text);
  paint(o, PLAIN);
  fputc('\n', o->to);
  const TwSource *f = tw_source(d->sources, diag->span.file);
  if (f) source_line(o, f, diag->span, tw_place(d->sources, diag->span.file, diag->span.start).line, colour);
  for (uint32_t i = 0; i < diag->notes.len; i++) {
    const TwDiagNote *note = &diag->notes.at[i];
    if (tw_source(d->sources, note->span.file)) place(o, d->sources, note->span);
    else fputs("  ", o->to);
    paint(o, CYAN);
    fputs("note", o->to);
    paint(o, PLAIN);
    fputs(": ", o->to);
    message(o, note->text);
    fputc('\n', o->to);
  }
  if (!diag->help) return;
  fputs("  ", o->to);
  paint(o, CYAN);
  fputs("help", o->to);
  paint(o, PLAIN);
  fputs(": ", o->to);
  message(o, diag->help);
  fputc('\n', o->to);
}

void tw_diags_render(const TwDiags *d, FILE *out, TwDiagStyle style) {
  Out o = {out, style.colour};
  const TwDiag *const *sorted;
  uint32_t max = style.max_errors ? style.max_errors : 20, shown[2] = {0}, hidden[2] = {0};
  uint32_t n = tw_diags_sorted(d, &sorted);
  for (uint32_t i = 0; i < n; i++) {
    TwSeverity severity = sorted[i]->severity;
    if (shown[severity] == max) {
      hidden[severity]++;
      continue;
    }
    shown[severity]++;
    render(&o, d, sorted[i]);
  }
  uint32_t errors = hidden[TW_SEV_error], warnings = hidden[TW_SEV_warning];
  if (errors) fprintf(out, "%u more error%s not shown\n", errors, errors == 1 ? "" : "s");
  if (warnings) fprintf(out, "%u more warning%s not shown\n", warnings, warnings == 1 ? "" : "s");
}
