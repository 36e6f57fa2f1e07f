/* export.h: a model with its params and weights in another language: C99, or a graph of ONNX. */
#ifndef TW_EXPORT_EXPORT_H
#define TW_EXPORT_EXPORT_H

#include <stdio.h>

#include "compiler/ir/ir.h"
#include "runtime/program.h"

typedef struct TwExport {
  const char *name;   /* of the model in the text: a C name */
  const char *header; /* what the code calls its header */
  const TwRtProgram *p;
  const TwRtModel *model;
  const TwFn *predict, *slope; /* final IR of the model's functions; slope may be NULL */
  const double *shown;         /* p->n_shown values of params and weights */
} TwExport;

/* C99 that needs the standard library alone: `c` gets the code, `h` a header. The code is the function's final IR,
 * operation by operation, so + - * / relu min max and fma round as everywhere; elementary functions are libm's.
 * false and *why (in the arena): the model has something that a file cannot have. */
bool tw_export_c(const TwExport *x, TwArena *arena, FILE *c, FILE *h, const char **why);

/* "net" of "build/net.c": a name for the function of that file, which means nothing else in C. malloc'ed. */
char *tw_export_c_name(const char *path);
/* Whether #include "…" can have the last part of the path: the standard leaves quotes and backslashes in it undefined,
 * and
 * ?? may be a trigraph. */
bool tw_export_c_includes(const char *path);

/* A model of ONNX, operator set 13: an input [N, width] for each of the model's, an output likewise, reals in the
 * program's precision. `predict` is the function as it was lowered, `slope` and `header` are not looked at. Everything
 * that is the same for all rows is computed here. *bytes lie in the arena. false and *why, *at: an operation that there
 * is none for, or a loop that is too long to be written out. */
bool tw_export_onnx(const TwExport *x, TwArena *arena, const char *version, const unsigned char **bytes, size_t *n,
                    const char **why, TwSpan *at);

#endif
