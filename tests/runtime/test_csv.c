/* CSV files: the good ones give their numbers, each bad one a message with its place. */
#include "runtime/csv.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/runtime/check.h"

static char path[] = "/tmp/tw_test_csv_XXXXXX";

static void write_bytes(const char *text, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0) {
    perror(path);
    exit(1);
  }
}

static const char *const xy[] = {"x", "y"};

static void good(const char *what, const char *text, uint32_t n_columns, int64_t n_rows, const double *rows) {
  TwRtCsv csv;
  write_bytes(text, strlen(text));
  bool ok = tw_rt_csv_read(path, xy, n_columns, &csv);
  CHECK(ok, "%s: %s", what, csv.error ? csv.error : "");
  if (ok) {
    CHECK_INT(csv.n_rows, n_rows);
    for (int64_t i = 0; i < n_rows * n_columns && csv.n_rows == n_rows; i++)
      CHECK(csv.rows[i] == rows[i], "%s: value %d is %.17g, not %.17g", what, (int)i, csv.rows[i], rows[i]);
  }
  tw_rt_csv_free(&csv);
}

static void good_files(void) {
  const double r[] = {1, 2, 3, 4};
  good("plain", "x,y\n1,2\n3,4\n", 2, 2, r);
  good("no newline at the end", "x,y\n1,2\n3,4", 2, 2, r);
  good("CRLF", "x,y\r\n1,2\r\n3,4\r\n", 2, 2, r);
  good("CRLF, none at the end", "x,y\r\n1,2\r\n3,4", 2, 2, r);
  good("CR alone", "x,y\r1,2\r3,4\r", 2, 2, r);
  good("byte order mark", "\xef\xbb\xbfx,y\n1,2\n3,4\n", 2, 2, r);
  good("blank lines at the end", "x,y\n1,2\n3,4\n\n  \n\n", 2, 2, r);
  good("other order", "y,x\n2,1\n4,3\n", 2, 2, r);
  good("quotes", "\"x\",\"y\"\n\"1\",2\n3,\"4\"\n", 2, 2, r);
  good("blanks", " x , y \n 1 ,\t2\n3 , 4 \n", 2, 2, r);
  good("blanks about quotes", "x, \"y\" \n1, \"2\" \n3,4\n", 2, 2, r);
  good("other columns hold anything", "id,x,note,y\na,1,\"b, \"\"c\"\"\n d\",2\n,3,5\" pipe,4\n", 2, 2, r);
  good("quoted header with a comma", "\"a,b\",x,y\n,1,2\n,3,4\n", 2, 2, r);
  good("signs and exponents", "x,y\n+1.0,.2e1\n30e-1,400E-02\n", 2, 2, r);
  const double odd[] = {-0.1, 1e300, 5e-324, 0.30000000000000004, 123456789012345678., 1e23};
  good("hard numbers", "x,y\n-0.1,1e300\n4.9406564584124654e-324,0.30000000000000004\n123456789012345678,1e23\n", 2, 3,
       odd);
  const double one[] = {1, 2};
  good("one column", "x\n1\n2\n", 1, 2, one);
  const char *twice[] = {"x", "x"};
  TwRtCsv csv;
  write_bytes("x\n5\n", 4);
  CHECK(tw_rt_csv_read(path, twice, 2, &csv) && csv.rows[0] == 5 && csv.rows[1] == 5, "a column asked for twice");
  tw_rt_csv_free(&csv);
}

static void bad_n(const char *text, size_t n, uint64_t line, uint64_t column, const char *part) {
  TwRtCsv csv;
  write_bytes(text, n);
  bool ok = tw_rt_csv_read(path, xy, 2, &csv);
  CHECK(!ok && csv.error && !csv.rows && csv.n_rows == 0, "accepted: %s", text);
  if (!ok && csv.error) {
    CHECK_HAS(csv.error, part);
    CHECK(csv.line == line && csv.column == column, "%llu:%llu, not %llu:%llu: %s", (unsigned long long)csv.line,
          (unsigned long long)csv.column, (unsigned long long)line, (unsigned long long)column, csv.error);
    char place[64];
    snprintf(place, sizeof place, "%s:%llu:%llu: ", path, (unsigned long long)line, (unsigned long long)column);
    CHECK(strncmp(csv.error, place, strlen(place)) == 0, "%s", csv.error);
  }
  tw_rt_csv_free(&csv);
}
static void bad(const char *text, uint64_t line, uint64_t column, const char *part) {
  bad_n(text, strlen(text), line, column, part);
}

static void bad_files(void) {
  bad("", 1, 1, "the file is empty");
  bad("\xef\xbb\xbf", 1, 1, "the file is empty");
  bad("\n\n", 1, 1, "the first line should name the columns, and it is empty");
  bad("x,y\n", 2, 1, "a header and no rows");
  bad("x,y", 2, 1, "a header and no rows");
  bad("x,y\n\n\n", 4, 1, "a header and no rows");
  bad("1,2\n3,4\n", 1, 1, "it holds numbers; 'x' is asked for");
  bad("x,z\n1,2\n", 1, 1, "there is no column 'y'; the file has 'x', 'z'");
  bad("x,Y\n1,2\n", 1, 1, "did you mean 'Y'?");
  bad("x;y\n1;2\n", 1, 1, "separated by semicolons");
  bad("x\ty\n1\t2\n", 1, 1, "separated by tabs");
  bad("x,y,x\n1,2,3\n", 1, 5, "a second column is named 'x'");
  bad("x,y\n1,2\n3\n", 3, 1, "this row has 1 field, and the header has 2");
  bad("x,y\n1,2,3\n", 2, 1, "this row has 3 fields, and the header has 2");
  bad("x,y\n1,2\n\n3,4\n", 3, 1, "this line is empty, and rows follow it");
  bad("x,y\n1,\n", 2, 3, "there is no value for column 'y'");
  bad("x,y\n  ,2\n", 2, 1, "there is no value for column 'x'");
  bad("x,y\n1,abc\n", 2, 3, "'abc' in column 'y' is not a number");
  bad("x,y\n1,2.5.1\n", 2, 3, "is not a number");
  bad("x,y\n1,0x10\n", 2, 3, "is not a number");
  bad("x,y\n1,1e\n", 2, 3, "is not a number");
  bad("x,y\n1,\"0,5\"\n", 2, 4, "'0,5' in column 'y' is not a number");
  bad("x,y\n1,nan\n", 2, 3, "'nan' in column 'y' is not a finite number");
  bad("x,y\n-Inf,1\n", 2, 1, "is not a finite number");
  bad("x,y\n1,1e999\n", 2, 3, "is too large for f64");
  bad("note,x,y\n\"a\nb\",1,2\n\xc3\xa4\xc3\xb6,oops,2\n", 4, 4, "'oops' in column 'x'");
  bad("note,x,y\n\"a\nb\",oops,2\n", 3, 4, "'oops' in column 'x'");
  bad("x,y\n1,\"2\n3,4\n", 2, 3, "this quote is never closed");
  bad("x,y\n1,\"2\"3\n", 2, 6, "should follow the closing quote");
  bad("\xff\xfex\0,\0", 1, 1, "UTF-16");
  bad_n("x\0,y\n1,2\n", 9, 1, 1, "zero byte");
  bad("x,y\n1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 2, 3, "aaa...' in column");
}

static void no_files(void) {
  TwRtCsv csv;
  CHECK(!tw_rt_csv_read("/tmp", xy, 2, &csv), "a directory");
  CHECK_HAS(csv.error, "/tmp: is a directory");
  tw_rt_csv_free(&csv);
  CHECK(!tw_rt_csv_read("/tmp/no/such/file.csv", xy, 2, &csv), "no file");
  CHECK_HAS(csv.error, "/tmp/no/such/file.csv: cannot be opened: No such file");
  tw_rt_csv_free(&csv);
  if (geteuid() == 0) return; /* nothing is unreadable */
  write_bytes("x,y\n1,2\n", 8);
  chmod(path, 0);
  CHECK(!tw_rt_csv_read(path, xy, 2, &csv), "an unreadable file");
  CHECK_HAS(csv.error, "Permission denied");
  tw_rt_csv_free(&csv);
  chmod(path, 0600);
}

/* 2^20 rows: every record boundary meets a buffer's end somewhere, and it is fast. */
static void large_file(void) {
  const int64_t n = 1 << 20;
  FILE *f = fopen(path, "wb");
  if (!f) exit(1);
  fputs("x,note,y\r\n", f);
  for (int64_t i = 0; i < n; i++)
    fprintf(f, "%.17g,%s,%.9g\r\n", (double)i / 7.0, i % 1000 ? "a" : "\"b\nc\"", sqrt((double)i));
  double mb = (double)ftell(f) / 1e6;
  fclose(f);
  TwRtCsv csv;
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  bool ok = tw_rt_csv_read(path, xy, 2, &csv);
  clock_gettime(CLOCK_MONOTONIC, &b);
  double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
  printf("csv: %.1f MB in %.3f s: %.0f MB/s\n", mb, s, mb / s);
  CHECK(ok && csv.n_rows == n, "%s", csv.error ? csv.error : "");
  int wrong = 0;
  for (int64_t i = 0; ok && i < n; i++) {
    char text[40];
    snprintf(text, sizeof text, "%.9g", sqrt((double)i));
    wrong += csv.rows[2 * i] != (double)i / 7.0 || csv.rows[2 * i + 1] != strtod(text, NULL);
  }
  CHECK_INT(wrong, 0);
  tw_rt_csv_free(&csv);
  /* An error far inside says where it is. */
  f = fopen(path, "ab");
  if (!f) exit(1);
  fputs("1,a,b\r\n", f);
  fclose(f);
  CHECK(!tw_rt_csv_read(path, xy, 2, &csv), "accepted");
  CHECK_INT(csv.line, 1 + n + (n + 999) / 1000 + 1);
  CHECK_INT(csv.column, 5);
  tw_rt_csv_free(&csv);
}

int main(void) {
  int fd = mkstemp(path);
  if (fd < 0) return 1;
  close(fd);
  good_files();
  bad_files();
  no_files();
  large_file();
  unlink(path);
  return tw_test_done("csv");
}
