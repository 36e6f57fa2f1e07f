/* NPY files: what is written is read again; each type, byte order and layout; hostile ones are refused. */
#include "runtime/npy.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/runtime/check.h"

static char path[] = "/tmp/tw_test_npy_XXXXXX";

static void put(const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
    perror(path);
    exit(1);
  }
}

/* A file of this header and these bytes; returns its length. */
static size_t make(unsigned char *to, int version, const char *header, const void *data, size_t n) {
  size_t h = strlen(header), at = version == 1 ? 10 : 12;
  memcpy(to, "\x93NUMPY", 6);
  to[6] = (unsigned char)version;
  to[7] = 0;
  for (size_t k = 8; k < at; k++) to[k] = (unsigned char)(h >> 8 * (k - 8));
  memcpy(to + at, header, h);
  if (n) memcpy(to + at + h, data, n);
  return at + h + n;
}

static void good(const char *what, int version, const char *header, const void *data, size_t n, int64_t rows,
                 uint32_t columns, const double *want) {
  unsigned char file[4096];
  TwRtNpy a;
  put(file, make(file, version, header, data, n));
  bool ok = tw_rt_npy_read(path, &a);
  CHECK(ok, "%s: %s", what, a.error ? a.error : "");
  CHECK(!ok || (a.n_rows == rows && a.n_columns == columns), "%s: %lld by %u", what, (long long)a.n_rows, a.n_columns);
  for (int64_t k = 0; ok && k < rows * columns; k++)
    CHECK(a.rows[k] == want[k], "%s: element %lld is %.17g, not %.17g", what, (long long)k, a.rows[k], want[k]);
  tw_rt_npy_free(&a);
}

#define HEAD(descr, order, shape) "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }\n"

static void types(void) {
  static const unsigned char i2_big[] = {0, 1, 0xff, 0xfe}, f4_big[] = {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0};
  static const double one_minus_two[] = {1, -2}, f4s[] = {1, -2.5};
  good("big i2", 1, HEAD(">i2", "False", "(2,)"), i2_big, 4, 2, 1, one_minus_two);
  good("big f4", 1, HEAD(">f4", "False", "(2,)"), f4_big, 8, 2, 1, f4s);
  const int8_t i1[] = {-128, 127};
  good("i1", 1, HEAD("|i1", "False", "(2,)"), i1, 2, 2, 1, (double[]){-128, 127});
  good("u1", 1, HEAD("|u1", "False", "(2,)"), i1, 2, 2, 1, (double[]){128, 127});
  good("bool", 1, HEAD("|b1", "False", "(2,)"), "\1", 2, 2, 1, (double[]){1, 0});
  good("?", 1, HEAD("?", "False", "(2,)"), "\0\1", 2, 2, 1, (double[]){0, 1});
  const int32_t i4[] = {INT32_MIN, 7};
  good("i4", 1, HEAD("<i4", "False", "(2,)"), i4, 8, 2, 1, (double[]){-2147483648.0, 7});
  good("u4", 1, HEAD("<u4", "False", "(2,)"), i4, 8, 2, 1, (double[]){2147483648.0, 7});
  const int64_t i8[] = {INT64_MIN, -1};
  good("i8", 1, HEAD("<i8", "False", "(2,)"), i8, 16, 2, 1, (double[]){-0x1p63, -1});
  good("u8", 1, HEAD("<u8", "False", "(2,)"), i8, 16, 2, 1, (double[]){0x1p63, 0x1p64});
  const uint16_t u2[] = {65535, 0};
  good("u2", 1, HEAD("<u2", "False", "(2,)"), u2, 4, 2, 1, (double[]){65535, 0});
}

static void layouts(void) {
  static const double six[] = {1, 2, 3, 4, 5, 6}, turned[] = {1, 3, 5, 2, 4, 6};
  good("rows", 1, HEAD("<f8", "False", "(3, 2)"), six, 48, 3, 2, six);
  good("columns", 1, HEAD("<f8", "True", "(2, 3)"), six, 48, 2, 3, turned);
  good("version 2", 2, HEAD("<f8", "False", "(3, 2)"), six, 48, 3, 2, six);
  good("version 3", 3, HEAD("<f8", "False", "(3, 2)"), six, 48, 3, 2, six);
  good("another order of entries", 1, "{\"shape\":(6L,),\"fortran_order\":False,\"descr\":\"<f8\"}", six, 48, 6, 1,
       six);
  FILE *f = fopen(path, "wb");
  tw_rt_npy_write(f, six, 3, 2);
  CHECK(fclose(f) == 0, "close");
  TwRtNpy a;
  CHECK(tw_rt_npy_read(path, &a) && a.n_rows == 3 && a.n_columns == 2 && memcmp(a.rows, six, sizeof six) == 0, "%s",
        a.error ? a.error : "differs");
  tw_rt_npy_free(&a);
}

static void bad(const char *says, TwRtNpyWhy why, int version, const char *header, size_t n) {
  static const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  unsigned char file[1 << 17];
  TwRtNpy a;
  put(file, make(file, version, header, ones, n));
  CHECK(!tw_rt_npy_read(path, &a), "'%s' is read", header);
  CHECK_HAS(a.error, says);
  CHECK_INT(a.why, why);
  tw_rt_npy_free(&a);
}

static void hostile(void) {
  bad("the file ends within its array", TW_RT_NPY_FILE, 1, HEAD("<f8", "False", "(9,)"), 64);
  bad("the file goes on", TW_RT_NPY_FILE, 1, HEAD("<f8", "False", "(7,)"), 64);
  bad("the file ends within its array", TW_RT_NPY_FILE, 1, HEAD("<f8", "False", "(100000000000000, 5)"), 64);
  bad("too large", TW_RT_NPY_SHAPE, 1, HEAD("<f8", "False", "(99999999999999999999,)"), 64);
  bad("too large", TW_RT_NPY_SHAPE, 1, HEAD("<f8", "False", "(4294967296, 4294967295)"), 64);
  bad("too large", TW_RT_NPY_SHAPE, 1, HEAD("<f8", "False", "(1, 4294967296)"), 64);
  bad("is empty", TW_RT_NPY_EMPTY, 1, HEAD("<f8", "False", "(0,)"), 0);
  bad("is empty", TW_RT_NPY_EMPTY, 1, HEAD("<f8", "False", "(5, 0)"), 0);
  bad("one number", TW_RT_NPY_SHAPE, 1, HEAD("<f8", "False", "()"), 8);
  bad("3 dimensions", TW_RT_NPY_SHAPE, 1, HEAD("<f8", "False", "(2, 2, 2)"), 64);
  bad("more than 8 dimensions", TW_RT_NPY_SHAPE, 1, HEAD("<f8", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 8)"), 64);
  bad("Python objects", TW_RT_NPY_TYPE, 1, HEAD("|O", "False", "(8,)"), 64);
  bad("complex", TW_RT_NPY_TYPE, 1, HEAD("<c16", "False", "(4,)"), 64);
  bad("convert them", TW_RT_NPY_TYPE, 1, HEAD("<f2", "False", "(4,)"), 8);
  bad("'<U3'", TW_RT_NPY_TYPE, 1, HEAD("<U3", "False", "(4,)"), 48);
  bad("records", TW_RT_NPY_TYPE, 1, "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (8,), }", 64);
  bad("lacks 'shape'", TW_RT_NPY_FILE, 1, "{'descr': '<f8', 'fortran_order': False, }", 64);
  bad("lacks 'descr'", TW_RT_NPY_FILE, 1, "{'fortran_order': False, 'shape': (8,)}", 64);
  bad("cannot be understood", TW_RT_NPY_FILE, 1, "{'descr': '<f8', 'fortran_order': Falsey, 'shape': (8,)}", 64);
  bad("cannot be understood", TW_RT_NPY_FILE, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (-8,)}", 64);
  bad("cannot be understood", TW_RT_NPY_FILE, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (8,)} x", 64);
  bad("cannot be understood", TW_RT_NPY_FILE, 1, "{'descr", 64);
  bad("of version 4.0", TW_RT_NPY_FILE, 4, HEAD("<f8", "False", "(8,)"), 64);
  static char huge[70000];
  memset(huge, ' ', sizeof huge - 1);
  bad("more than any array needs", TW_RT_NPY_FILE, 2, huge, 0);
  TwRtNpy a;
  put("t,h\n0,1\n", 8);
  CHECK(!tw_rt_npy_read(path, &a), "a CSV file is read");
  CHECK_HAS(a.error, "is no NPY file");
  tw_rt_npy_free(&a);
  put("\x93NUMPY\1\0\xff", 9);
  CHECK(!tw_rt_npy_read(path, &a), "nine bytes are read");
  CHECK_HAS(a.error, "ends within its header");
  tw_rt_npy_free(&a);
  CHECK(!tw_rt_npy_read("/nowhere.npy", &a), "nothing is read");
  CHECK_HAS(a.error, "cannot be opened");
  tw_rt_npy_free(&a);
  CHECK(!tw_rt_npy_read("/tmp", &a), "a folder is read");
  tw_rt_npy_free(&a);
  const double odd[] = {1, 2, 3, INFINITY};
  unsigned char file[256];
  put(file, make(file, 1, HEAD("<f8", "False", "(2, 2)"), odd, sizeof odd));
  CHECK(!tw_rt_npy_read(path, &a), "an infinity is read");
  CHECK_HAS(a.error, "row 2, column 2 is infinite");
  tw_rt_npy_free(&a);
}

/* Any byte changed, taken out or cut off: read or refused, in either case without a fault. */
static void mutated(void) {
  unsigned char file[256], changed[256];
  static const double six[] = {1, 2, 3, 4, 5, 6};
  size_t n = make(file, 1, HEAD("<f8", "True", "(3, 2)"), six, sizeof six);
  uint64_t state = 1;
  int read = 0, refused = 0;
  for (int k = 0; k < 2000; k++) {
    memcpy(changed, file, n);
    size_t m = n;
    for (int j = 0; j <= k % 3; j++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      size_t at = (size_t)(state >> 33) % m;
      if (state % 5 == 0) m = at + 1;
      else if (state % 5 == 1) memmove(changed + at, changed + at + 1, --m - at);
      else changed[at] = (unsigned char)(state >> 25);
    }
    put(changed, m);
    TwRtNpy a;
    if (tw_rt_npy_read(path, &a)) read++;
    else refused++;
    CHECK((a.error == NULL) == (a.why == TW_RT_NPY_OK) && (a.error == NULL) == (a.rows != NULL), "mutant %d", k);
    tw_rt_npy_free(&a);
  }
  CHECK(read > 0 && refused > 0, "%d read, %d refused", read, refused);
}

int main(void) {
  int fd = mkstemp(path);
  if (fd < 0) return 1;
  close(fd);
  types();
  layouts();
  hostile();
  mutated();
  unlink(path);
  return tw_test_done("npy");
}
