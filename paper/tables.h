/* tables.h: the parts of the page that are computed. Each runs its experiments, once, and writes Markdown. */
#ifndef TW_PAPER_TABLES_H
#define TW_PAPER_TABLES_H

#include <stdio.h>

#include "paper/experiment.h"

typedef struct Part {
  const char *name; /* as the page asks for it: @name on a line */
  void (*write)(const Settings *s, FILE *out);
} Part;
extern const Part parts[];
extern const size_t n_parts;

/* Pictures (pictures.c). */
void draw_pictures(const Settings *s);
typedef struct DepthRow {
  int depth;
  Row full, skip, kaiming, classic, classic64;
} DepthRow;
void draw_depth(const Settings *s, const DepthRow *rows, size_t n);

#endif
