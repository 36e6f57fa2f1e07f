/* npy.h: arrays in NumPy's format, read as rows of numbers, and written. Used by the compiler's sema and by the
 * command; depends on nothing else here.
 *
 * Read: versions 1 to 3; one dimension (a column) or two; f4 f8, i1 … i8, u1 … u8, bool; either byte order; C or
 * Fortran order. A file is not believed: memory grows with what it holds, not with what its header promises. */
#ifndef TW_RUNTIME_NPY_H
#define TW_RUNTIME_NPY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/digest.h"

typedef enum TwRtNpyWhy {
  TW_RT_NPY_OK,
  TW_RT_NPY_FILE,      /* it cannot be opened or read, is no NPY file, or is cut short */
  TW_RT_NPY_SHAPE,     /* not one or two dimensions, or too large */
  TW_RT_NPY_TYPE,      /* its elements are no numbers that are read */
  TW_RT_NPY_EMPTY,     /* it has no rows */
  TW_RT_NPY_NOT_FINITE /* an element is nan or infinite */
} TwRtNpyWhy;

typedef struct TwRtNpy {
  int64_t n_rows;
  uint32_t n_columns;           /* 1 for an array of one dimension */
  double *rows;                 /* n_rows x n_columns, row major; 64-bit integers are rounded to f64 */
  uint8_t digest[TW_RT_DIGEST]; /* SHA-256 of the bytes that were read, the whole file */
  TwRtNpyWhy why;
  char *error; /* NULL, or "path: a sentence", without the final stop */
} TwRtNpy;

/* Returns true iff there is no error. Free `out` in either case. */
bool tw_rt_npy_read(const char *path, TwRtNpy *out);
void tw_rt_npy_free(TwRtNpy *a);

/* Writes rows x columns doubles, row major, as format 1.0. Errors are the stream's: see ferror. */
void tw_rt_npy_write(FILE *out, const double *at, uint64_t rows, uint64_t columns);

#endif
