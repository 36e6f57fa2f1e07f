/* csv.h: measured data from a CSV file: named columns of finite numbers, or a sentence that says what
 * is wrong and where. Used by the compiler's sema and by the command; depends on nothing else here.
 *
 * The form: commas; a header row that names the columns; fields may be quoted as in RFC 4180; LF, CRLF
 * or CR; an UTF-8 byte order mark is skipped; blank lines are allowed at the end only. Every row has as
 * many fields as the header. Columns that nobody asks for may hold anything. */
#ifndef TW_RUNTIME_CSV_H
#define TW_RUNTIME_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/digest.h"

/* What kind of mistake an error is. */
typedef enum TwRtCsvFault {
  TW_RT_CSV_FILE,    /* it cannot be read, or is no CSV file */
  TW_RT_CSV_COLUMNS, /* the header: a column is missing, or there twice */
  TW_RT_CSV_RAGGED,  /* a row of another width, or an empty line among the rows */
  TW_RT_CSV_NUMBER,  /* an entry that is no number, or missing */
  TW_RT_CSV_FINITE,  /* a number that is not finite */
  TW_RT_CSV_EMPTY    /* no rows */
} TwRtCsvFault;

typedef struct TwRtCsv {
  int64_t n_rows;
  double *rows;                 /* n_rows x n_columns, row major, in the order the columns were asked for */
  uint8_t digest[TW_RT_DIGEST]; /* SHA-256 of the bytes that were read, the whole file */
  char *error;                  /* NULL, or "path:line:column: a sentence", without the final stop */
  uint64_t line, column;        /* of the error, from 1, the column in code points; 0 if it is about the file itself */
  TwRtCsvFault fault;
  const char *missing; /* COLUMNS: the name that was asked for and is not there, as the caller gave it; or NULL */
} TwRtCsv;

/* Reads the columns named (at least one; the same name may come twice). The file is streamed: memory
 * is the result's and a buffer. Returns true iff there is no error. Free `out` in either case. */
bool tw_rt_csv_read(const char *path, const char *const *columns, uint32_t n_columns, TwRtCsv *out);
void tw_rt_csv_free(TwRtCsv *c);

/* The same, some rows at a time. `columns` must outlive the stream; "-" is stdin; with f32 a number that is too large
 * for that is refused. NULL and *error (malloc'ed; the caller frees) if the file cannot be opened or has no such
 * columns. */
typedef struct TwRtCsvStream TwRtCsvStream;
TwRtCsvStream *tw_rt_csv_open(const char *path, const char *const *columns, uint32_t n_columns, bool f32, char **error);
/* The next rows, at most `most`: how many; 0 at the end of the file; -1 for an error, which the stream keeps. */
int64_t tw_rt_csv_next(TwRtCsvStream *s, int64_t most, double *rows);
const char *tw_rt_csv_error(const TwRtCsvStream *s);
void tw_rt_csv_close(TwRtCsvStream *s); /* NULL: nothing */

#endif
