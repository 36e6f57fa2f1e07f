/* Least squares by the normal equations: beside sums in long double, the same bits at every width, and rows on a line
 * that become two, whatever the order of the rows. */
#include "runtime/normal.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/program.h"
#include "tests/runtime/check.h"

enum { MOST = 100, ROWS = 512, STRIDE = 112 };
static double j[MOST * ROWS], r[ROWS], t[ROWS], scratch[TW_NM_SCRATCH * ROWS];
static const TwNmWidth widths[] = {{128}, {256}, {512}};

static double uniform(uint64_t k) { return 2 * tw_rt_uniform(7, 11, k) - 1; }

/* Rows `valid` … `rows` are zeros. */
static void fill(uint64_t n, uint64_t rows, uint64_t valid) {
  for (uint64_t i = 0; i < rows; i++) {
    t[i] = (double)(float)((double)i / (double)rows);
    r[i] = i < valid ? uniform(i) : 0;
    for (uint64_t k = 0; k < n; k++) j[k * rows + i] = i < valid ? uniform(1000 + k * rows + i) : 0;
  }
}

/* The same, every column linear in t on `pieces` intervals. */
static void fill_pieces(uint64_t n, uint64_t rows, uint64_t valid, uint64_t pieces) {
  fill(n, rows, valid);
  for (uint64_t k = 0; k < n; k++)
    for (uint64_t i = 0; i < valid; i++) {
      uint64_t p = i * pieces / valid;
      j[k * rows + i] = fma(uniform(k * 97 + p), t[i], uniform(k * 89 + p + 5000));
    }
}

static void sums(uint64_t n, uint64_t rows, double *gram, double *rhs) {
  for (uint64_t a = 0; a < n; a++) {
    long double s = 0;
    for (uint64_t i = 0; i < rows; i++) s += (long double)j[a * rows + i] * r[i];
    rhs[a] = (double)s;
    for (uint64_t b = 0; b <= a; b++) {
      long double g = 0;
      for (uint64_t i = 0; i < rows; i++) g += (long double)j[a * rows + i] * j[b * rows + i];
      gram[a * STRIDE + b] = (double)g;
    }
  }
}

/* The greatest difference; not a number where one of them is not. */
static double worst(const double *a, const double *b, const double *ra, const double *rb, uint64_t n) {
  double most = 0;
  for (uint64_t i = 0; i < n; i++) {
    most = fabs(ra[i] - rb[i]) <= most ? most : fabs(ra[i] - rb[i]);
    for (uint64_t k = 0; k <= i; k++) {
      double off = fabs(a[i * STRIDE + k] - b[i * STRIDE + k]);
      most = off <= most ? most : off;
    }
  }
  return most;
}

typedef struct Made {
  double gram[MOST * STRIDE], rhs[STRIDE];
} Made;
static Made plain, made[3];

/* What is above the diagonal is nobody's, and of the tiles that a width has. */
static void lower_only(Made *m, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) memset(&m->gram[i * STRIDE + i + 1], 0, (STRIDE - i - 1) * sizeof(double));
}

/* n > 96, so that the stride is STRIDE. */
static void accumulated(uint64_t n, uint64_t rows, uint64_t valid) {
  fill(n, rows, valid);
  sums(n, rows, plain.gram, plain.rhs);
  for (int w = 0; w < 3; w++) {
    memset(&made[w], 0, sizeof made[w]);
    tw_nm_accumulate(&widths[w], j, r, rows, n, made[w].gram, made[w].rhs);
    double off = worst(plain.gram, made[w].gram, plain.rhs, made[w].rhs, n);
    CHECK(off < 1e-11, "%d bits: %g off", widths[w].bits, off);
    lower_only(&made[w], n);
    CHECK(memcmp(&made[w], &made[0], sizeof made[0]) == 0, "%d bits differ", widths[w].bits);
  }
}

static void solved(uint64_t n) {
  static double a[3][MOST * STRIDE], x[3][STRIDE];
  fill(n, ROWS, ROWS);
  sums(n, ROWS, plain.gram, plain.rhs);
  for (int w = 0; w < 3; w++) {
    memcpy(a[w], plain.gram, sizeof a[w]);
    memcpy(x[w], plain.rhs, sizeof x[w]);
    CHECK(tw_nm_factor(&widths[w], a[w], n), "positive definite");
    tw_nm_solve(&widths[w], a[w], n, x[w]);
    CHECK(memcmp(x[w], x[0], n * sizeof(double)) == 0, "%d bits differ", widths[w].bits);
  }
  double most = 0;
  for (uint64_t i = 0; i < n; i++) {
    double s = -plain.rhs[i];
    for (uint64_t k = 0; k < n; k++) s += (k <= i ? plain.gram[i * STRIDE + k] : plain.gram[k * STRIDE + i]) * x[0][k];
    most = fmax(most, fabs(s));
  }
  CHECK(most < 1e-10, "%g is left of the right side", most);
  memcpy(a[0], plain.gram, sizeof a[0]);
  a[0][50 * STRIDE + 50] = -1;
  CHECK(!tw_nm_factor(NULL, a[0], n), "not positive definite");
}

static void squeezed(uint64_t n, uint64_t rows, uint64_t valid, uint64_t pieces) {
  static double first[MOST * ROWS];
  fill_pieces(n, rows, valid, pieces);
  sums(n, rows, plain.gram, plain.rhs);
  for (int w = 0; w < 3; w++) {
    fill_pieces(n, rows, valid, pieces);
    uint64_t left = tw_nm_squeeze(&widths[w], t, j, r, valid, rows, n, scratch);
    CHECK(left >= 2 * pieces && left <= tw_nm_stride(2 * pieces + 2), "%d pieces in %d rows", (int)pieces, (int)left);
    sums(n, left, made[w].gram, made[w].rhs);
    double off = worst(plain.gram, made[w].gram, plain.rhs, made[w].rhs, n);
    CHECK(off < 1e-10, "%d pieces, %d bits: %g off", (int)pieces, widths[w].bits, off);
    if (w == 0) memcpy(first, j, sizeof first);
    CHECK(memcmp(first, j, n * left * sizeof(double)) == 0, "%d bits differ", widths[w].bits);
  }
  static double before[MOST * ROWS];
  fill(n, rows, valid);
  memcpy(before, j, sizeof before);
  CHECK(tw_nm_squeeze(NULL, t, j, r, valid, rows, n, scratch) == rows && memcmp(before, j, sizeof before) == 0,
        "rows that lie on no line stay");
}

/* ---- rows in any order */

enum Order { FORWARD, BACK, TWICE, SHUFFLED, ROUND, CLOSE, LAST_FIRST, N_ORDERS };
static const char *const order_names[] = {"forward",
                                          "back",
                                          "each twice",
                                          "shuffled",
                                          "round and round",
                                          "rounds, the next a hair on",
                                          "the last as the first"};

static void put_order(enum Order o, uint64_t valid) {
  for (uint64_t i = 0; i < valid; i++) {
    double at = (double)i / (double)valid;
    switch (o) {
      case FORWARD: t[i] = at; break;
      case BACK: t[i] = 1 - at; break;
      case TWICE: t[i] = (double)(i / 2); break;
      case SHUFFLED: t[i] = (double)(i * 197 % valid); break;
      case ROUND: t[i] = (double)(i % 13); break;
      case CLOSE: t[i] = (double)(i % 40) + 1e-12 * at; break;
      case LAST_FIRST: t[i] = i + 1 < valid ? at : 0; break;
      case N_ORDERS: break;
    }
  }
}

/* Columns that lie on one line each. No order may make the sums worse than rounding does. */
static void ordered(enum Order o, uint64_t n, uint64_t rows, uint64_t valid) {
  fill(n, rows, valid);
  put_order(o, valid);
  for (uint64_t k = 0; k < n; k++)
    for (uint64_t i = 0; i < valid; i++) j[k * rows + i] = k == 3 ? 0 : fma(uniform(k * 97), t[i], uniform(k * 89));
  sums(n, rows, plain.gram, plain.rhs);
  uint64_t left = tw_nm_squeeze(NULL, t, j, r, valid, rows, n, scratch);
  sums(n, left, made[0].gram, made[0].rhs);
  double off = worst(plain.gram, made[0].gram, plain.rhs, made[0].rhs, n), most = 0;
  for (uint64_t k = 0; k < n; k++) most = fmax(most, plain.gram[k * STRIDE + k]);
  CHECK(off <= 1e-13 * most, "%s, %d columns, %d rows: %g off %g", order_names[o], (int)n, (int)valid, off, most);
  bool one_way = o == FORWARD || o == BACK;
  if (one_way && valid > 16) CHECK(left == 16, "%s: %d of %d rows are left", order_names[o], (int)left, (int)valid);
  if (o == TWICE) CHECK(left == rows, "rows of which none goes on are squeezed to %d", (int)left);
}

static void orders(void) {
  static const uint64_t valids[] = {2, 3, 41, 200, 509, 512};
  for (int o = 0; o < N_ORDERS; o++)
    for (size_t v = 0; v < sizeof valids / sizeof *valids; v++) {
      ordered((enum Order)o, 4, tw_nm_stride(valids[v]), valids[v]);
      ordered((enum Order)o, 7, tw_nm_stride(valids[v]), valids[v]);
      ordered((enum Order)o, 97, tw_nm_stride(valids[v]), valids[v]);
    }
}

/* What is no number in a column is still there afterwards, and spoils no other column. */
static void not_finite(double what, uint64_t at, uint64_t column) {
  enum { N = 18, VALID = 500 };
  fill_pieces(N, ROWS, VALID, 4);
  j[column * ROWS + at] = what;
  sums(N, ROWS, plain.gram, plain.rhs);
  uint64_t left = tw_nm_squeeze(NULL, t, j, r, VALID, ROWS, N, scratch);
  memset(&made[0], 0, sizeof made[0]);
  sums(N, left, made[0].gram, made[0].rhs);
  for (uint64_t k = 0; k < N; k++) {
    if (k == column)
      CHECK(!isfinite(made[0].gram[k * STRIDE + k]), "%g in row %d of column %d is lost", what, (int)at, (int)k);
    else CHECK(fabs(made[0].gram[k * STRIDE + k] - plain.gram[k * STRIDE + k]) < 1e-10, "column %d is spoilt", (int)k);
  }
}

int main(void) {
  accumulated(100, 512, 512);
  accumulated(97, 96, 83);
  solved(100);
  solved(97);
  squeezed(97, 512, 500, 33);
  squeezed(100, 512, 512, 1);
  squeezed(99, 256, 250, 60);
  orders();
  static const uint64_t at[] = {0, 1, 7, 8, 250, 498, 499};
  for (size_t k = 0; k < sizeof at / sizeof *at; k++)
    for (uint64_t column = 0; column < 18; column += 17) {
      not_finite(NAN, at[k], column);
      not_finite(INFINITY, at[k], column);
      not_finite(-INFINITY, at[k], column);
    }
  return tw_test_done("normal");
}
