/* source.h: source files and positions in them. */
#ifndef TW_BASE_SOURCE_H
#define TW_BASE_SOURCE_H

#include <stdbool.h>

#include "compiler/base/arena.h"

/* A stretch of source: byte offsets [start, end) in file number `file` of the unit's source table.
 * File 0 is "no place": a span of all zeros means that there is none. */
typedef struct TwSpan {
  uint32_t file, start, end;
} TwSpan;

typedef struct TwSource {
  const char *path; /* as the user wrote it, or "<std>/optim.tw" for embedded modules */
  const char *text; /* NUL-terminated; may hold NULs before `len` */
  uint32_t len;
  const uint32_t *lines; /* offset of each line's first byte */
  uint32_t n_lines;
} TwSource;

typedef struct TwSources {
  TwArena *arena;
  TwVec(TwSource) files; /* at[0] is unused */
} TwSources;

/* Adds a file by content (copied). Returns its number, from 1. */
uint32_t tw_source_add(TwSources *s, const char *path, const char *text, size_t len);
/* Reads a file from disk. Returns 0 and sets *why (static or arena text) if it cannot be read,
 * is a directory, or is larger than 16 MiB. */
uint32_t tw_source_read(TwSources *s, const char *path, const char **why);
const TwSource *tw_source(const TwSources *s, uint32_t file);

typedef struct TwPlace {
  const char *path;
  uint32_t line, column; /* from 1; the column counts Unicode code points */
} TwPlace;
TwPlace tw_place(const TwSources *s, uint32_t file, uint32_t offset);

/* The smallest span that covers both (same file; a span of file 0 is ignored). */
TwSpan tw_span_join(TwSpan a, TwSpan b);
/* The text under a span, copied to the arena, white space runs folded to one blank, cut with "…"
 * after `max` code points. */
const char *tw_span_text(const TwSources *s, TwSpan span, size_t max);

#endif
