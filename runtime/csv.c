/* csv.c: a streaming reader of CSV files.
 *
 * One pass over a buffer that always holds the record in hand: a record that is cut off by the buffer's
 * end is moved to its front, more is read, and the record is split again. Fields are slices of the
 * buffer; only those that were asked for are converted. */
#define _GNU_SOURCE /* strtod_l */
#include "runtime/csv.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "runtime/text.h"

enum { FIRST_BUFFER = 1 << 18, LONGEST_RECORD = 1 << 24 };

typedef struct Field {
  const char *s;
  size_t len;
  bool quoted;  /* s and len are what is between the quotes */
  bool doubled; /* and there are doubled quotes in it */
} Field;

typedef struct Reader {
  const char *path;
  FILE *file;
  TwRtCsv *out;
  char *buf;            /* buf[len] is '\n', so that every scan ends */
  size_t pos, len, cap; /* the record in hand begins at pos */
  bool at_end;          /* nothing is left in the file */
  uint64_t line;        /* of buf[pos] */
  Field *fields;
  size_t n_fields, cap_fields;
  size_t end; /* where the next record begins, once one is split */
  locale_t numbers;
  const char *const *columns; /* asked for, and which field each is */
  uint32_t n_columns;
  size_t *where;
  size_t width;   /* fields of the header */
  uint64_t blank; /* the first blank line, or 0 */
  bool any;       /* a row was read */
  bool borrowed;  /* file is stdin, which nobody closes */
  bool f32;       /* numbers that are too large for f32 are refused */
  SHA2_CTX *sha;  /* of all that was read; NULL: nobody asks */
} Reader;

typedef enum Split { SPLIT_OK, SPLIT_NEED_MORE, SPLIT_ERROR } Split;

static bool out_of_memory(Reader *r) {
  r->out->error = tw_rt_textf("%s: out of memory", r->path);
  return false;
}

/* An error at a place of the record in hand. */
static bool refuse(Reader *r, TwRtCsvFault fault, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool refuse(Reader *r, TwRtCsvFault fault, const char *at, const char *fmt, ...) {
  uint64_t line = r->line;
  const char *start = r->buf + r->pos;
  for (const char *p = start; p < at; p++) {
    bool ends = *p == '\n' || (*p == '\r' && p[1] != '\n');
    if (ends) line++, start = p + 1;
  }
  va_list ap;
  va_start(ap, fmt);
  char *text = tw_rt_textv(fmt, ap);
  va_end(ap);
  r->out->fault = fault;
  r->out->line = line;
  r->out->column = tw_rt_text_width(start, (size_t)(at - start)) + 1;
  r->out->error = tw_rt_textf("%s:%llu:%llu: %s", r->path, (unsigned long long)line, (unsigned long long)r->out->column,
                              text ? text : "out of memory");
  free(text);
  return false;
}

/* ---- bytes */

static bool fill(Reader *r) {
  if (r->pos > 0) {
    memmove(r->buf, r->buf + r->pos, r->len - r->pos);
    r->len -= r->pos;
    r->pos = 0;
  }
  if (r->cap - r->len < FIRST_BUFFER / 2) {
    if (r->len > LONGEST_RECORD)
      return refuse(r, TW_RT_CSV_FILE, r->buf, "this row is longer than %d MiB: is it a CSV file?",
                    LONGEST_RECORD >> 20);
    size_t cap = r->cap ? r->cap * 2 : FIRST_BUFFER;
    char *buf = realloc(r->buf, cap + 1);
    if (!buf) return out_of_memory(r);
    r->buf = buf;
    r->cap = cap;
  }
  size_t n = fread(r->buf + r->len, 1, r->cap - r->len, r->file);
  if (r->sha) SHA256Update(r->sha, (const uint8_t *)r->buf + r->len, n);
  r->len += n;
  r->buf[r->len] = '\n';
  if (n == 0) {
    if (ferror(r->file)) {
      r->out->error = tw_rt_textf("%s: cannot be read: %s", r->path, strerror(errno));
      return false;
    }
    r->at_end = true;
  }
  return true;
}

/* ---- records */

static bool add_field(Reader *r, Field f) {
  if (r->n_fields == r->cap_fields) {
    size_t cap = r->cap_fields ? r->cap_fields * 2 : 16;
    Field *fields = realloc(r->fields, cap * sizeof *fields);
    if (!fields) return out_of_memory(r);
    r->fields = fields;
    r->cap_fields = cap;
  }
  r->fields[r->n_fields++] = f;
  return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* A quoted field whose opening quote is at *p; leaves *p behind it, at a comma or a line's end. */
static Split split_quoted(Reader *r, const char **p, Field *f) {
  const char *open = *p, *s = open + 1, *limit = r->buf + r->len;
  *f = (Field){.s = s, .quoted = true};
  for (;;) {
    const char *q = memchr(s, '"', (size_t)(limit - s));
    if (!q || (q + 1 == limit && !r->at_end)) {
      if (!r->at_end) return SPLIT_NEED_MORE;
      refuse(r, TW_RT_CSV_FILE, open, "this quote is never closed");
      return SPLIT_ERROR;
    }
    if (q + 1 < limit && q[1] == '"') {
      f->doubled = true;
      s = q + 2;
      continue;
    }
    f->len = (size_t)(q - f->s);
    s = q + 1;
    while (is_blank(*s)) s++;
    *p = s;
    if (*s == ',' || *s == '\n' || *s == '\r') return SPLIT_OK;
    refuse(r, TW_RT_CSV_FILE, s, "a comma or the end of the line should follow the closing quote");
    return SPLIT_ERROR;
  }
}

/* Splits the record at pos into fields; the sentinel at buf[len] ends the last one. */
static Split split(Reader *r) {
  const char *p = r->buf + r->pos, *limit = r->buf + r->len;
  r->n_fields = 0;
  for (;;) {
    Field f = {.s = p};
    const char *q = p;
    while (is_blank(*q)) q++;
    if (*q == '"' && q < limit) {
      Split s = split_quoted(r, &q, &f);
      if (s != SPLIT_OK) return s;
      p = q;
    } else {
      while (*p != ',' && *p != '\n' && *p != '\r') p++;
      f.len = (size_t)(p - f.s);
    }
    bool cut = p >= limit || (*p == '\r' && p + 1 >= limit);
    if (cut && !r->at_end) return SPLIT_NEED_MORE;
    if (!add_field(r, f)) return SPLIT_ERROR;
    if (p < limit && *p == ',') {
      p++;
      continue;
    }
    if (p < limit) p += *p == '\r' && p + 1 < limit && p[1] == '\n' ? 2 : 1;
    r->end = (size_t)(p - r->buf);
    return SPLIT_OK;
  }
}

/* Makes the next record the one in hand. *more is false at the end of the file. */
static bool next_record(Reader *r, bool *more) {
  for (;;) {
    if (r->pos < r->len || r->at_end) {
      *more = r->pos < r->len;
      if (!*more) return true;
      switch (split(r)) {
        case SPLIT_OK: return true;
        case SPLIT_ERROR: return false;
        case SPLIT_NEED_MORE: break;
      }
    }
    if (!fill(r)) return false;
  }
}

static void leave_record(Reader *r) {
  r->line++;
  for (size_t i = 0; i < r->n_fields; i++) {
    if (!r->fields[i].quoted) continue;
    const char *s = r->fields[i].s, *end = s + r->fields[i].len;
    for (; s < end; s++) r->line += *s == '\n' || (*s == '\r' && s[1] != '\n');
  }
  r->pos = r->end;
}

static bool is_blank_record(const Reader *r) {
  if (r->n_fields != 1 || r->fields[0].quoted) return false;
  for (size_t i = 0; i < r->fields[0].len; i++)
    if (!is_blank(r->fields[0].s[i])) return false;
  return true;
}

/* ---- numbers */

typedef enum Number { NUMBER_OK, NUMBER_MISSING, NUMBER_NONE, NUMBER_NOT_FINITE, NUMBER_TOO_LARGE } Number;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool says_not_finite(const char *s, size_t n) {
  if (n > 0 && (*s == '+' || *s == '-')) s++, n--;
  return (n == 3 && (strncasecmp(s, "nan", 3) == 0 || strncasecmp(s, "inf", 3) == 0)) ||
         (n == 8 && strncasecmp(s, "infinity", 8) == 0);
}

/* Correctly rounded, by the C library in its own locale: for what the short way cannot do exactly. */
static Number number_long(const Reader *r, const char *s, size_t n, double *out) {
  char small[64], *copy = n < sizeof small ? small : malloc(n + 1);
  if (!copy) return NUMBER_NONE;
  memcpy(copy, s, n);
  copy[n] = '\0';
  *out = strtod_l(copy, NULL, r->numbers);
  if (copy != small) free(copy);
  return isfinite(*out) ? NUMBER_OK : NUMBER_TOO_LARGE;
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent. */
static Number number(const Reader *r, const char *s, size_t n, double *out) {
  static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  while (n > 0 && is_blank(*s)) s++, n--;
  while (n > 0 && is_blank(s[n - 1])) n--;
  if (n == 0) return NUMBER_MISSING;
  const char *p = s, *end = s + n;
  bool negative = *p == '-';
  if (*p == '+' || *p == '-') p++;
  uint64_t mantissa = 0;
  int digits = 0, seen = 0, exponent = 0;
  for (int point = 0; p < end; p++) {
    if (is_digit(*p)) {
      if (digits < 19) mantissa = mantissa * 10 + (uint64_t)(*p - '0'), digits += mantissa != 0;
      else digits = 20; /* more than the short way can hold */
      exponent -= point;
      seen = 1;
    } else if (*p == '.' && !point) {
      point = 1;
    } else {
      break;
    }
  }
  if (!seen) return says_not_finite(s, n) ? NUMBER_NOT_FINITE : NUMBER_NONE;
  if (p < end && (*p == 'e' || *p == 'E')) {
    const char *e = p + 1;
    bool down = e < end && *e == '-';
    if (e < end && (*e == '+' || *e == '-')) e++;
    if (e == end || !is_digit(*e)) return NUMBER_NONE;
    int power = 0;
    for (; e < end && is_digit(*e); e++) power = power < 100000 ? power * 10 + (*e - '0') : power;
    exponent += down ? -power : power;
    p = e;
  }
  if (p != end) return NUMBER_NONE;
  /* Both factors are exact, so one operation rounds once. */
  if (digits < 20 && mantissa <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
    double v = exponent < 0 ? (double)mantissa / tens[-exponent] : (double)mantissa * tens[exponent];
    *out = negative ? -v : v;
    return NUMBER_OK;
  }
  return number_long(r, s, n, out);
}

/* The field as a message shows it: printable, and not too long. */
static char *shown(const Field *f) {
  size_t n = f->len;
  const char *more = "";
  if (n > 40) {
    n = tw_rt_text_cut(f->s, 40);
    more = "...";
  }
  char *s = malloc(n + strlen(more) + 1);
  if (!s) return NULL;
  memcpy(s, f->s, n); /* zero bytes too: they are what is wrong with it */
  for (size_t k = 0; k < n; k++)
    if ((unsigned char)s[k] < 32 || s[k] == 127) s[k] = '?';
  strcpy(s + n, more);
  return s;
}

static bool refuse_number(Reader *r, const Field *f, const char *column, Number why) {
  char *s = shown(f);
  const char *text = s ? s : "";
  switch (why) {
    case NUMBER_OK: break;
    case NUMBER_MISSING: refuse(r, TW_RT_CSV_NUMBER, f->s, "there is no value for column '%s'", column); break;
    case NUMBER_NONE: refuse(r, TW_RT_CSV_NUMBER, f->s, "'%s' in column '%s' is not a number", text, column); break;
    case NUMBER_NOT_FINITE:
      refuse(r, TW_RT_CSV_FINITE, f->s, "'%s' in column '%s' is not a finite number", text, column);
      break;
    case NUMBER_TOO_LARGE:
      refuse(r, TW_RT_CSV_FINITE, f->s, "'%s' in column '%s' is too large for %s", text, column,
             r->f32 ? "f32" : "f64");
      break;
  }
  free(s);
  return false;
}

/* ---- header */

/* Whether a field of the header is this name; a blank in the name ("z[0, 1]") need not be there. */
static bool names(const Field *f, const char *name, bool fold) {
  const char *s = f->s;
  size_t n = f->len, j = 0;
  while (!f->quoted && n > 0 && is_blank(*s)) s++, n--;
  while (!f->quoted && n > 0 && is_blank(s[n - 1])) n--;
  for (size_t i = 0; i < n; i++, j++) {
    if (name[j] == ' ' && s[i] != ' ') j++;
    bool same = fold ? tolower((unsigned char)s[i]) == tolower((unsigned char)name[j]) : s[i] == name[j];
    if (!name[j] || !same) return false;
    if (f->doubled && s[i] == '"') i++;
  }
  return !name[j];
}

/* "'x', 'y'": the columns that the file has, the first ten of them. */
static char *column_list(const Reader *r) {
  char *list = tw_rt_textf("%s", "");
  for (size_t i = 0; list && i < r->n_fields && i < 11; i++) {
    char *name = shown(&r->fields[i]);
    char *longer = i == 10 ? tw_rt_textf("%s, ...", list)
                           : tw_rt_textf("%s%s'%s'", list, i ? ", " : "", name ? name : "");
    free(name);
    free(list);
    list = longer;
  }
  return list;
}

static bool refuse_column(Reader *r, const char *name) {
  const char *start = r->buf + r->pos;
  double v;
  size_t numeric = 0;
  for (size_t i = 0; i < r->n_fields; i++) numeric += number(r, r->fields[i].s, r->fields[i].len, &v) == NUMBER_OK;
  if (numeric == r->n_fields)
    return refuse(r, TW_RT_CSV_COLUMNS, start,
                  "the first line should name the columns, and it holds numbers; '%s' is asked for", name);
  r->out->missing = name;
  size_t len = r->end - r->pos;
  bool semicolons = r->n_fields == 1 && memchr(start, ';', len), tabs = r->n_fields == 1 && memchr(start, '\t', len);
  if (semicolons || tabs)
    return refuse(r, TW_RT_CSV_COLUMNS, start,
                  "there is no column '%s'; the columns seem to be separated by %s, and should be by commas", name,
                  semicolons ? "semicolons" : "tabs");
  for (size_t i = 0; i < r->n_fields; i++) {
    if (!names(&r->fields[i], name, true)) continue;
    char *near = shown(&r->fields[i]);
    refuse(r, TW_RT_CSV_COLUMNS, start, "there is no column '%s'; did you mean '%s'?", name, near ? near : "");
    free(near);
    return false;
  }
  char *list = column_list(r);
  refuse(r, TW_RT_CSV_COLUMNS, start, "there is no column '%s'; the file has %s", name, list ? list : "others");
  free(list);
  return false;
}

/* Skips the byte order mark, and reads which field each column asked for is. */
static bool read_header(Reader *r, const char *const *columns, uint32_t n, size_t *where) {
  while (r->len < 3 && !r->at_end)
    if (!fill(r)) return false;
  if (r->len == 0) return refuse(r, TW_RT_CSV_EMPTY, r->buf, "the file is empty");
  if (r->len >= 2 && (memcmp(r->buf, "\xff\xfe", 2) == 0 || memcmp(r->buf, "\xfe\xff", 2) == 0))
    return refuse(r, TW_RT_CSV_FILE, r->buf, "the file is in UTF-16; it should be in UTF-8");
  if (r->len >= 3 && memcmp(r->buf, "\xef\xbb\xbf", 3) == 0) r->pos = 3;
  bool more;
  if (!next_record(r, &more)) return false;
  if (!more) return refuse(r, TW_RT_CSV_EMPTY, r->buf + r->pos, "the file is empty");
  if (is_blank_record(r))
    return refuse(r, TW_RT_CSV_COLUMNS, r->buf + r->pos, "the first line should name the columns, and it is empty");
  if (memchr(r->buf + r->pos, 0, r->end - r->pos))
    return refuse(r, TW_RT_CSV_FILE, r->buf + r->pos, "the first line holds a zero byte: is this a CSV file?");
  for (uint32_t c = 0; c < n; c++) {
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < r->n_fields; i++) {
      if (!names(&r->fields[i], columns[c], false)) continue;
      if (found != SIZE_MAX)
        return refuse(r, TW_RT_CSV_COLUMNS, r->fields[i].s, "a second column is named '%s'", columns[c]);
      found = i;
    }
    if (found == SIZE_MAX) return refuse_column(r, columns[c]);
    where[c] = found;
  }
  return true;
}

/* ---- rows */

/* Reads rows until there are `most`, or the file ends: `*n` of them. The record in hand is one that is done with. */
static bool read_rows(Reader *r, int64_t most, double *rows, int64_t *n) {
  for (*n = 0; *n < most;) {
    leave_record(r);
    bool more;
    if (!next_record(r, &more)) return false;
    if (!more) {
      r->n_fields = 0; /* so that a further call leaves nothing */
      r->end = r->pos;
      break;
    }
    if (is_blank_record(r)) {
      if (!r->blank) r->blank = r->line;
      continue;
    }
    const char *start = r->buf + r->pos;
    if (r->blank)
      return r->line = r->blank, refuse(r, TW_RT_CSV_RAGGED, start, "this line is empty, and rows follow it");
    if (r->n_fields != r->width)
      return refuse(r, TW_RT_CSV_RAGGED, start, "this row has %zu field%s, and the header has %zu", r->n_fields,
                    r->n_fields == 1 ? "" : "s", r->width);
    double *row = rows + (size_t)*n * r->n_columns;
    for (uint32_t c = 0; c < r->n_columns; c++) {
      const Field *f = &r->fields[r->where[c]];
      Number k = number(r, f->s, f->len, &row[c]);
      if (k == NUMBER_OK && r->f32 && isinf((float)row[c])) k = NUMBER_TOO_LARGE;
      if (k != NUMBER_OK) return refuse_number(r, f, r->columns[c], k);
    }
    ++*n;
    r->any = true;
  }
  if (!r->any && *n == 0) return refuse(r, TW_RT_CSV_EMPTY, r->buf + r->pos, "the file has a header and no rows");
  return true;
}

/* ---- streams */

struct TwRtCsvStream {
  Reader r;
  TwRtCsv out; /* the error and its place */
};

static bool start(Reader *r, const char *path, const char *const *columns, uint32_t n) {
  bool in = strcmp(path, "-") == 0;
  struct stat st;
  r->path = in ? "stdin" : path;
  r->file = in ? stdin : fopen(path, "rb");
  r->borrowed = in;
  if (!r->file || fstat(fileno(r->file), &st) != 0) {
    r->out->error = tw_rt_textf("%s: cannot be opened: %s", r->path, strerror(errno));
    return false;
  }
  if (S_ISDIR(st.st_mode)) {
    r->out->error = tw_rt_textf("%s: is a directory", r->path);
    return false;
  }
  if (!in) setvbuf(r->file, NULL, _IONBF, 0); /* the reader has a buffer of its own */
  r->numbers = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  r->where = calloc(n ? n : 1, sizeof *r->where);
  r->columns = columns;
  r->n_columns = n;
  if (!r->where || !r->numbers) return out_of_memory(r);
  if (!read_header(r, columns, n, r->where)) return false;
  r->width = r->n_fields;
  return true;
}

TwRtCsvStream *tw_rt_csv_open(const char *path, const char *const *columns, uint32_t n_columns, bool f32,
                              char **error) {
  TwRtCsvStream *s = calloc(1, sizeof *s);
  *error = NULL;
  if (!s) return NULL;
  s->r = (Reader){.out = &s->out, .line = 1, .f32 = f32};
  if (start(&s->r, path, columns, n_columns)) return s;
  *error = s->out.error;
  s->out.error = NULL;
  tw_rt_csv_close(s);
  return NULL;
}

int64_t tw_rt_csv_next(TwRtCsvStream *s, int64_t most, double *rows) {
  int64_t n;
  return s->out.error || !read_rows(&s->r, most, rows, &n) ? -1 : n;
}

const char *tw_rt_csv_error(const TwRtCsvStream *s) { return s->out.error ? s->out.error : "out of memory"; }

void tw_rt_csv_close(TwRtCsvStream *s) {
  if (!s) return;
  Reader *r = &s->r;
  if (r->numbers) freelocale(r->numbers);
  if (r->file && !r->borrowed) fclose(r->file);
  free(r->where);
  free(r->buf);
  free(r->fields);
  free(s->out.error);
  free(s);
}

/* ---- whole files */

static bool read_all(TwRtCsvStream *s, uint32_t n_columns, TwRtCsv *out) {
  int64_t cap = 0, n = 0;
  for (;;) {
    if (out->n_rows == cap) {
      int64_t more = cap ? cap * 2 : 1024;
      double *rows = (size_t)more > SIZE_MAX / sizeof *rows / n_columns
                         ? NULL
                         : realloc(out->rows, (size_t)more * n_columns * sizeof *rows);
      if (!rows) return out_of_memory(&s->r);
      out->rows = rows;
      cap = more;
    }
    n = tw_rt_csv_next(s, cap - out->n_rows, out->rows + (size_t)out->n_rows * n_columns);
    if (n <= 0) return n == 0;
    out->n_rows += n;
  }
}

bool tw_rt_csv_read(const char *path, const char *const *columns, uint32_t n_columns, TwRtCsv *out) {
  *out = (TwRtCsv){0};
  TwRtCsvStream *s = calloc(1, sizeof *s);
  if (!s) {
    out->error = tw_rt_textf("%s: out of memory", path);
    return false;
  }
  SHA2_CTX sha;
  SHA256Init(&sha);
  s->r = (Reader){.out = &s->out, .line = 1, .sha = &sha};
  bool ok = start(&s->r, path, columns, n_columns) && read_all(s, n_columns, out);
  if (ok) {
    SHA256Final(out->digest, &sha);
  } else {
    free(out->rows);
    *out = s->out;
    s->out.error = NULL;
  }
  tw_rt_csv_close(s);
  return ok;
}

void tw_rt_csv_free(TwRtCsv *c) {
  free(c->rows);
  free(c->error);
  *c = (TwRtCsv){0};
}
