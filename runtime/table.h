/* table.h: aligned columns of text. Internal to the runtime's reports. */
#ifndef TW_RUNTIME_TABLE_H
#define TW_RUNTIME_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct TwRtTable {
  size_t columns, cells, cap;
  char **at;   /* row by row; the first row is the header */
  bool failed; /* out of memory: what there is is printed */
} TwRtTable;

/* Adds one cell after the other; a row is full after `columns` of them. */
void tw_rt_cell(TwRtTable *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first column is aligned to the left, the others to the right; a header underlined by nothing but
 * `bold` on and off. Columns that are empty in every row but the header are left out. */
void tw_rt_table_print(const TwRtTable *t, FILE *out, bool colour);
void tw_rt_table_free(TwRtTable *t);

#endif
