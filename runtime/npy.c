/* npy.c: see npy.h. The header is a Python dictionary in text:
 *
 *   "\x93NUMPY" major minor length { 'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), } blanks newline
 *
 * with a length of two bytes in version 1 and of four from version 2 on. */
#include "runtime/npy.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/text.h"

enum { LONGEST_HEADER = 1 << 16, MOST_DIMS = 8, BLOCK = 1 << 16 };

typedef struct Reader {
  const char *path;
  FILE *file;
  TwRtNpy *out;
  char *header; /* ends with a zero byte */
  const char *at;
  char kind; /* f, i, u or b */
  uint32_t size;
  bool big, fortran;
  uint32_t rank;
  uint64_t dims[MOST_DIMS];
  bool has_descr, has_order, has_shape;
  SHA2_CTX sha; /* of all that was read */
} Reader;

/* fread, and what it gives goes into the digest. */
static size_t get(Reader *r, void *to, size_t size, size_t n) {
  size_t got = fread(to, size, n, r->file);
  SHA256Update(&r->sha, to, got * size);
  return got;
}

static bool refuse(Reader *r, TwRtNpyWhy why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool refuse(Reader *r, TwRtNpyWhy why, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = tw_rt_textv(fmt, ap);
  va_end(ap);
  r->out->why = why;
  r->out->error = tw_rt_textf("%s: %s", r->path, text ? text : "out of memory");
  free(text);
  return false;
}

/* The header was not written as it should be. */
static bool malformed(Reader *r) {
  return refuse(r, TW_RT_NPY_FILE, "its header cannot be understood near byte %td", r->at - r->header);
}

static bool cut_short(Reader *r, const char *what) {
  if (ferror(r->file)) return refuse(r, TW_RT_NPY_FILE, "cannot be read: %s", strerror(errno));
  return refuse(r, TW_RT_NPY_FILE, "the file ends within %s", what);
}

/* ---- the header */
static void blanks(Reader *r) {
  while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r') r->at++;
}

static bool take(Reader *r, char c) {
  blanks(r);
  if (*r->at != c) return false;
  r->at++;
  return true;
}

static bool take_word(Reader *r, const char *word) {
  blanks(r);
  size_t n = strlen(word);
  if (strncmp(r->at, word, n) != 0 || isalnum((unsigned char)r->at[n])) return false;
  r->at += n;
  return true;
}

/* A quoted string without escapes: what is between the quotes. */
static bool take_string(Reader *r, const char **s, size_t *n) {
  blanks(r);
  char quote = *r->at;
  if (quote != '\'' && quote != '"') return false;
  const char *end = strchr(r->at + 1, quote);
  if (!end) return false;
  *s = r->at + 1;
  *n = (size_t)(end - *s);
  r->at = end + 1;
  return true;
}

static bool read_descr(Reader *r) {
  const char *s;
  size_t n;
  blanks(r);
  if (*r->at == '[') return refuse(r, TW_RT_NPY_TYPE, "its elements are records; only arrays of numbers are read");
  if (!take_string(r, &s, &n)) return malformed(r);
  const char *text = s;
  char order = '=';
  if (n > 0 && strchr("<>|=", *s)) order = *s++, n--;
  static const char *const known[] = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "?"};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    if (strlen(known[k]) != n || memcmp(known[k], s, n) != 0) continue;
    r->kind = *s == '?' ? 'b' : *s;
    r->size = n == 2 ? (uint32_t)(s[1] - '0') : 1;
    r->big = order == '>';
    return r->has_descr = true;
  }
  const char *why = n > 0 && *s == 'O'   ? ", which are Python objects"
                    : n > 0 && *s == 'c' ? ", which are complex"
                    : n > 0 && *s == 'f' ? "; convert them with .astype('f8')"
                                         : "";
  int shown = n + (size_t)(s - text) > 40 ? 40 : (int)(n + (size_t)(s - text));
  return refuse(r, TW_RT_NPY_TYPE,
                "its elements are '%.*s'%s; numbers of types f4, f8, i1 to i8, u1 to u8 and bool are read", shown, text,
                why);
}

static bool read_shape(Reader *r) {
  if (!take(r, '(')) return malformed(r);
  for (r->rank = 0; !take(r, ')');) {
    blanks(r);
    if (!isdigit((unsigned char)*r->at)) return malformed(r);
    uint64_t n = 0;
    for (; isdigit((unsigned char)*r->at); r->at++)
      if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*r->at - '0'), &n))
        return refuse(r, TW_RT_NPY_SHAPE, "a size in its shape is too large");
    if (*r->at == 'L') r->at++; /* a long of Python 2 */
    if (r->rank == MOST_DIMS) return refuse(r, TW_RT_NPY_SHAPE, "its shape has more than %d dimensions", MOST_DIMS);
    r->dims[r->rank++] = n;
    if (!take(r, ',')) {
      if (!take(r, ')')) return malformed(r);
      break;
    }
  }
  return r->has_shape = true;
}

static bool read_entry(Reader *r) {
  const char *key;
  size_t n;
  if (!take_string(r, &key, &n) || !take(r, ':')) return malformed(r);
  if (n == 5 && memcmp(key, "descr", n) == 0) return read_descr(r);
  if (n == 5 && memcmp(key, "shape", n) == 0) return read_shape(r);
  if (n != 13 || memcmp(key, "fortran_order", n) != 0) return malformed(r);
  r->fortran = take_word(r, "True");
  return r->has_order = r->fortran || take_word(r, "False") || malformed(r);
}

static bool read_dictionary(Reader *r) {
  if (!take(r, '{')) return malformed(r);
  while (!take(r, '}')) {
    if (!read_entry(r)) return false;
    if (take(r, ',')) continue;
    if (!take(r, '}')) return malformed(r);
    break;
  }
  blanks(r);
  if (*r->at) return malformed(r);
  const char *lacks = !r->has_descr ? "descr" : !r->has_order ? "fortran_order" : !r->has_shape ? "shape" : NULL;
  return lacks ? refuse(r, TW_RT_NPY_FILE, "its header lacks '%s'", lacks) : true;
}

static bool read_header(Reader *r) {
  unsigned char b[12];
  if (get(r, b, 1, 8) != 8 || memcmp(b, "\x93NUMPY", 6) != 0) {
    if (ferror(r->file)) return cut_short(r, "its header");
    return refuse(r, TW_RT_NPY_FILE, "this is no NPY file: it does not begin with \\x93NUMPY");
  }
  if (b[6] < 1 || b[6] > 3)
    return refuse(r, TW_RT_NPY_FILE, "it is of version %d.%d, and versions 1 to 3 are read", b[6], b[7]);
  size_t wide = b[6] == 1 ? 2 : 4, n = 0;
  if (get(r, b, 1, wide) != wide) return cut_short(r, "its header");
  for (size_t k = wide; k-- > 0;) n = n << 8 | b[k];
  if (n > LONGEST_HEADER)
    return refuse(r, TW_RT_NPY_FILE, "its header would have %zu bytes, more than any array needs", n);
  r->header = malloc(n + 1);
  if (!r->header) return refuse(r, TW_RT_NPY_FILE, "out of memory");
  if (get(r, r->header, 1, n) != n) return cut_short(r, "its header");
  r->header[n] = '\0';
  r->at = r->header;
  if (strlen(r->header) != n) return malformed(r);
  return read_dictionary(r);
}

static bool sizes(Reader *r, uint64_t *count) {
  if (r->rank == 0)
    return refuse(r, TW_RT_NPY_SHAPE, "it holds one number; a data set wants an array of one or two dimensions");
  if (r->rank > 2)
    return refuse(r, TW_RT_NPY_SHAPE, "its array has %u dimensions; a data set wants one or two: rows and columns",
                  r->rank);
  uint64_t columns = r->rank == 2 ? r->dims[1] : 1;
  if (columns > UINT32_MAX || __builtin_mul_overflow(r->dims[0], columns, count) || *count > INT64_MAX / 16)
    return refuse(r, TW_RT_NPY_SHAPE, "its shape, %llu by %llu, is too large", (unsigned long long)r->dims[0],
                  (unsigned long long)columns);
  if (*count == 0)
    return refuse(r, TW_RT_NPY_EMPTY, "its array is empty: %llu rows of %llu", (unsigned long long)r->dims[0],
                  (unsigned long long)columns);
  r->out->n_rows = (int64_t)r->dims[0];
  r->out->n_columns = (uint32_t)columns;
  return true;
}

/* ---- the elements */
static double element(const Reader *r, const unsigned char *p) {
  uint64_t bits = 0;
  for (uint32_t k = 0; k < r->size; k++) bits |= (uint64_t)p[r->big ? r->size - 1 - k : k] << 8 * k;
  if (r->kind == 'u') return (double)bits;
  if (r->kind == 'b') return bits != 0;
  if (r->kind == 'i') {
    uint64_t sign = (uint64_t)1 << (8 * r->size - 1);
    return bits & sign ? -(double)((~bits & (sign - 1)) + 1) : (double)bits;
  }
  if (r->size == 4) {
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, sizeof f);
    return f;
  }
  double d;
  memcpy(&d, &bits, sizeof d);
  return d;
}

static bool read_elements(Reader *r, uint64_t count) {
  unsigned char block[BLOCK];
  double *to = NULL;
  uint64_t n = 0, cap = 0, at_once = BLOCK / r->size;
  struct stat st; /* of a file whose size is right, memory is taken at once */
  if (fstat(fileno(r->file), &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size / r->size >= count) cap = count;
  if (cap && !(r->out->rows = to = malloc((size_t)cap * sizeof *to))) return refuse(r, TW_RT_NPY_FILE, "out of memory");
  while (n < count) {
    uint64_t want = count - n < at_once ? count - n : at_once;
    if (get(r, block, r->size, want) != want) return cut_short(r, "its array");
    if (n + want > cap) {
      cap = cap ? cap * 2 : at_once;
      if (!(to = realloc(r->out->rows, (size_t)cap * sizeof *to))) return refuse(r, TW_RT_NPY_FILE, "out of memory");
      r->out->rows = to;
    }
    for (uint64_t k = 0; k < want; k++) to[n++] = element(r, block + k * r->size);
  }
  if (fgetc(r->file) != EOF) return refuse(r, TW_RT_NPY_FILE, "the file goes on after its array");
  return true;
}

static bool to_rows(Reader *r) {
  TwRtNpy *a = r->out;
  if (!r->fortran || a->n_columns == 1 || a->n_rows == 1) return true;
  double *rows = malloc((size_t)a->n_rows * a->n_columns * sizeof *rows);
  if (!rows) return refuse(r, TW_RT_NPY_FILE, "out of memory");
  for (int64_t i = 0; i < a->n_rows; i++)
    for (uint32_t c = 0; c < a->n_columns; c++)
      rows[(uint64_t)i * a->n_columns + c] = a->rows[(uint64_t)c * (uint64_t)a->n_rows + (uint64_t)i];
  free(a->rows);
  a->rows = rows;
  return true;
}

/* Rows and columns count from 1 in messages, as everywhere. */
static bool all_finite(Reader *r, uint64_t count) {
  const TwRtNpy *a = r->out;
  for (uint64_t k = 0; k < count; k++)
    if (!isfinite(a->rows[k]))
      return refuse(r, TW_RT_NPY_NOT_FINITE, "row %llu, column %llu is %s", (unsigned long long)(k / a->n_columns + 1),
                    (unsigned long long)(k % a->n_columns + 1), isnan(a->rows[k]) ? "not a number" : "infinite");
  return true;
}

static bool read_file(Reader *r) {
  struct stat st;
  uint64_t count = 0;
  r->file = fopen(r->path, "rb");
  if (!r->file || fstat(fileno(r->file), &st) != 0)
    return refuse(r, TW_RT_NPY_FILE, "cannot be opened: %s", strerror(errno));
  if (S_ISDIR(st.st_mode)) return refuse(r, TW_RT_NPY_FILE, "is a directory");
  return read_header(r) && sizes(r, &count) && read_elements(r, count) && to_rows(r) && all_finite(r, count);
}

bool tw_rt_npy_read(const char *path, TwRtNpy *out) {
  *out = (TwRtNpy){0};
  Reader r = {.path = path, .out = out};
  SHA256Init(&r.sha);
  bool ok = read_file(&r);
  if (ok) SHA256Final(out->digest, &r.sha);
  if (r.file) fclose(r.file);
  free(r.header);
  if (!ok) {
    free(out->rows);
    out->rows = NULL;
  }
  return ok;
}

void tw_rt_npy_free(TwRtNpy *a) {
  free(a->rows);
  free(a->error);
  *a = (TwRtNpy){0};
}

/* ---- writing */
void tw_rt_npy_write(FILE *out, const double *at, uint64_t rows, uint64_t columns) {
  char header[192];
  int n = snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%llu, %llu), }",
                   (unsigned long long)rows, (unsigned long long)columns);
  int padded = (10 + n + 1 + 63) / 64 * 64 - 10; /* so that the array begins at a multiple of 64 */
  memset(header + n, ' ', (size_t)(padded - n));
  header[padded - 1] = '\n';
  fwrite("\x93NUMPY\x01\x00", 1, 8, out);
  fputc(padded & 0xff, out);
  fputc(padded >> 8, out);
  fwrite(header, 1, (size_t)padded, out);
  for (uint64_t k = 0; k < rows * columns; k++) { /* little-endian whatever the machine is */
    uint64_t bits;
    memcpy(&bits, &at[k], sizeof bits);
    unsigned char bytes[8];
    for (int b = 0; b < 8; b++) bytes[b] = (unsigned char)(bits >> 8 * b & 0xff);
    fwrite(bytes, 1, sizeof bytes, out);
  }
}
