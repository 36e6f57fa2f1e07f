/* table.c: see table.h. */
#include "runtime/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"

void tw_rt_cell(TwRtTable *t, const char *fmt, ...) {
  if (t->cells == t->cap) {
    size_t cap = t->cap ? t->cap * 2 : 64;
    char **at = realloc(t->at, cap * sizeof *at);
    if (!at) {
      t->failed = true;
      return;
    }
    t->at = at;
    t->cap = cap;
  }
  va_list ap;
  va_start(ap, fmt);
  char *s = tw_rt_textv(fmt, ap);
  va_end(ap);
  if (s) t->at[t->cells++] = s;
  else t->failed = true;
}

static void pad(FILE *out, size_t n) {
  while (n-- > 0) fputc(' ', out);
}

/* The widest cell of a column; 0 if the column has nothing below its header. */
static size_t width_of(const TwRtTable *t, size_t c) {
  size_t width = 0;
  bool any = false;
  for (size_t i = c; i < t->cells; i += t->columns) {
    size_t w = tw_rt_text_width(t->at[i], strlen(t->at[i]));
    if (w > width) width = w;
    if (i >= t->columns && w > 0) any = true;
  }
  return any ? width : 0;
}

void tw_rt_table_print(const TwRtTable *t, FILE *out, bool colour) {
  if (t->columns == 0 || t->failed) return;
  size_t *widths = calloc(t->columns, sizeof *widths);
  if (!widths) return;
  for (size_t c = 0; c < t->columns; c++) widths[c] = width_of(t, c);
  for (size_t row = 0; row * t->columns < t->cells; row++) {
    bool header = row == 0, first = true;
    if (header && colour) fputs("\033[1m", out);
    size_t owed = 0; /* blanks that are only printed if something follows them */
    for (size_t c = 0; c < t->columns && row * t->columns + c < t->cells; c++) {
      if (widths[c] == 0) continue;
      const char *s = t->at[row * t->columns + c];
      size_t w = tw_rt_text_width(s, strlen(s)), blank = widths[c] - w;
      owed += first ? 0 : 2;
      if (c > 0) owed += blank;
      if (w > 0) {
        pad(out, owed);
        owed = 0;
        fputs(s, out);
      } else {
        owed += w;
      }
      if (c == 0) owed += blank;
      first = false;
    }
    if (header && colour) fputs("\033[0m", out);
    fputc('\n', out);
  }
  free(widths);
}

void tw_rt_table_free(TwRtTable *t) {
  for (size_t i = 0; i < t->cells; i++) free(t->at[i]);
  free(t->at);
  *t = (TwRtTable){0};
}
