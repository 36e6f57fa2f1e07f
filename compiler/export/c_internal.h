/* c_internal.h: what the files of the C export share: names of values, and places to write to.
 *
 * A scalar is a C expression without side effects (a name or a literal), a tensor a pointer to its elements in
 * row-major order. Bodies of regions become blocks with their parameters bound to such names. */
#ifndef TW_EXPORT_C_INTERNAL_H
#define TW_EXPORT_C_INTERNAL_H

#include "compiler/export/export.h"

typedef struct TwC {
  FILE *out;
  TwArena *arena;
  bool f64;
  uint32_t next;  /* number of the next name */
  uint32_t depth; /* of blocks, for indentation */
  uint64_t bytes; /* of all arrays: they live on the stack */
  const char *why;
} TwC;

/* One function or body on its way. */
typedef struct TwCFn {
  TwC *c;
  const TwFn *f;
  const char **name;   /* per instruction */
  const char ***parts; /* per region: names of its results */
} TwCFn;

/* A strided walk: where an element is, as an offset plus a stride for each axis of a box. */
typedef struct TwCWalk {
  const char *base;
  int64_t offset, stride[TW_MAX_RANK];
} TwCWalk;

void tw_c_line(TwC *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *tw_c_text(TwC *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tw_c_open(TwC *c, const char *what); /* a block */
void tw_c_close(TwC *c);
const char *tw_c_fresh(TwC *c, char letter);
const char *tw_c_type(const TwC *c, TwDtype d);
/* Declares an array and returns its name. */
const char *tw_c_array(TwC *c, TwDtype d, int64_t count, bool zero);
static inline const TwTyInfo *tw_c_info(const TwCFn *b, TwRef r) { return tw_info(b->f, r); }
static inline const char *tw_c_arg(const TwCFn *b, TwRef r, uint32_t k) { return b->name[tw_arg(b->f, r, k)]; }
const char *tw_c_real(TwC *c, double v); /* a literal, exactly */

/* c_shape.c: moves, reductions, contractions. */
void tw_c_row_major(const TwTyInfo *t, int64_t *stride);
void tw_c_shape(TwCFn *b, TwRef r);
void tw_c_reduce(TwCFn *b, TwRef r);
void tw_c_argmask(TwCFn *b, TwRef r);
void tw_c_dot(TwCFn *b, TwRef r);
/* c_body.c: all instructions; the results' names go to out. `rows`: what a loop over a block runs to, or NULL. */
bool tw_c_body(TwC *c, const TwFn *f, const char *const *params, const char *rows, const char **out);

#endif
