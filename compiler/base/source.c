/* source.c: source files, places in them, and the text under a span.
 *
 * requires: an arena that outlives the table.   provides: source.h. */
#include "compiler/base/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LARGEST_FILE = 16 * 1024 * 1024 };

uint32_t tw_source_add(TwSources *s, const char *path, const char *text, size_t len) {
  if (s->files.len == 0) tw_vec_push(s->arena, &s->files, (TwSource){0});
  TwSource f = {.path = tw_arena_strndup(s->arena, path, strlen(path)),
                .text = tw_arena_strndup(s->arena, text, len),
                .len = (uint32_t)len};
  uint32_t n = 1;
  for (size_t i = 0; i < len; i++) n += text[i] == '\n';
  uint32_t *lines = TW_NEW_N(s->arena, uint32_t, n);
  f.lines = lines;
  f.n_lines = n;
  uint32_t at = 1;
  for (uint32_t i = 0; i < f.len; i++)
    if (text[i] == '\n') lines[at++] = i + 1;
  tw_vec_push(s->arena, &s->files, f);
  return s->files.len - 1;
}

uint32_t tw_source_read(TwSources *s, const char *path, const char **why) {
  struct stat st;
  FILE *in = fopen(path, "rb");
  if (!in || fstat(fileno(in), &st) != 0) {
    *why = tw_arena_printf(s->arena, "%s", strerror(errno));
    if (in) fclose(in);
    return 0;
  }
  if (S_ISDIR(st.st_mode)) {
    fclose(in);
    *why = "it is a directory";
    return 0;
  }
  /* Read to the end rather than by the size: a pipe has none. */
  TwArena scratch = {0};
  size_t cap = 1 << 16, len = 0;
  char *text = tw_arena_alloc(&scratch, cap);
  for (size_t got; (got = fread(text + len, 1, cap - len, in)) > 0;) {
    len += got;
    if (len > LARGEST_FILE) break;
    if (len < cap) continue;
    char *more = tw_arena_alloc(&scratch, 2 * cap);
    memcpy(more, text, len);
    text = more;
    cap *= 2;
  }
  uint32_t file = 0;
  if (ferror(in)) *why = tw_arena_printf(s->arena, "%s", strerror(errno));
  else if (len > LARGEST_FILE) *why = "it is larger than 16 MiB";
  else file = tw_source_add(s, path, text, len);
  fclose(in);
  tw_arena_free(&scratch);
  return file;
}

const TwSource *tw_source(const TwSources *s, uint32_t file) {
  return file > 0 && file < s->files.len ? &s->files.at[file] : NULL;
}

/* A byte that continues a UTF-8 sequence does not start a column. */
static bool continues(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

TwPlace tw_place(const TwSources *s, uint32_t file, uint32_t offset) {
  const TwSource *f = tw_source(s, file);
  if (!f) return (TwPlace){"", 0, 0};
  if (offset > f->len) offset = f->len;
  uint32_t lo = 0, hi = f->n_lines; /* lines[lo] <= offset < lines[hi] */
  while (hi - lo > 1) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (f->lines[mid] <= offset) lo = mid;
    else hi = mid;
  }
  uint32_t column = 1;
  for (uint32_t i = f->lines[lo]; i < offset; i++) column += !continues(f->text[i]);
  return (TwPlace){f->path, lo + 1, column};
}

TwSpan tw_span_join(TwSpan a, TwSpan b) {
  if (a.file == 0) return b;
  if (b.file == 0 || a.file != b.file) return a;
  return (TwSpan){a.file, a.start < b.start ? a.start : b.start, a.end > b.end ? a.end : b.end};
}

const char *tw_span_text(const TwSources *s, TwSpan span, size_t max) {
  const TwSource *f = tw_source(s, span.file);
  if (!f || span.start >= span.end || span.end > f->len) return "";
  static const char more[] = "…";
  char *out = tw_arena_alloc(s->arena, span.end - span.start + sizeof more);
  size_t n = 0, points = 0;
  bool blank = false;
  for (uint32_t i = span.start; i < span.end; i++) {
    char c = f->text[i];
    if ((unsigned char)c <= ' ') {
      blank = n > 0;
      continue;
    }
    if (!continues(c)) {
      if (points + (blank ? 1 : 0) >= max) {
        memcpy(out + n, more, sizeof more);
        return out;
      }
      if (blank) out[n++] = ' ', points++;
      blank = false;
      points++;
    }
    out[n++] = c;
  }
  return out;
}
