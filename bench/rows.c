/* rows.c: `triwave eval RUN` on many rows, beside reading the same file with the same reader and doing nothing with it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "runtime/csv.h"

enum { BLOCK = 8192 };

typedef struct Rows {
  const TwBench *b;
  char csv[256], kept[256];
  int64_t rows;
  bool ok;
} Rows;

/* Numbers of seven digits, as measurements have. */
static bool write_rows(const Rows *r) {
  FILE *f = fopen(r->csv, "w");
  uint64_t state = 88172645463325252u;
  if (f) fputs("x\n", f);
  for (int64_t k = 0; f && k < r->rows; k++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    fprintf(f, "0.%07u\n", (unsigned)(state % 10000000));
  }
  bool ok = f && !ferror(f);
  return f && fclose(f) == 0 && ok;
}

static void run_parse(void *context, int64_t times) {
  Rows *r = context;
  static const char *const column[] = {"x"};
  double *block = malloc(BLOCK * sizeof *block);
  for (int64_t k = 0; block && k < times; k++) {
    char *error = NULL;
    TwRtCsvStream *s = tw_rt_csv_open(r->csv, column, 1, false, &error);
    int64_t n, all = 0;
    while (s && (n = tw_rt_csv_next(s, BLOCK, block)) > 0) all += n;
    r->ok &= all == r->rows;
    tw_rt_csv_close(s);
    free(error);
  }
  free(block);
}

static void run_eval(void *context, int64_t times) {
  Rows *r = context;
  const char *argv[] = {r->b->triwave, "eval", r->kept, "--data", r->csv, "-o", "/dev/null", NULL};
  for (int64_t k = 0; k < times; k++) {
    TwBenchChild c = tw_bench_child(argv, 120);
    r->ok &= c.ok;
    free(c.out);
  }
}

/* The flagship, trained and kept in a folder. */
static bool keep_run(const Rows *r) {
  char program[4096];
  snprintf(program, sizeof program, "%s/examples/cubic.tw", r->b->root);
  const char *argv[] = {r->b->triwave, "run", program, "--quiet", "--out", r->kept, NULL};
  TwBenchChild c = tw_bench_child(argv, 120);
  free(c.out);
  return c.ok;
}

static void remove_run(const Rows *r) {
  const char *argv[] = {"/bin/rm", "-rf", r->kept, NULL};
  free(tw_bench_child(argv, 120).out);
}

void tw_bench_eval_rows(TwBench *b) {
  Rows r = {.b = b, .rows = b->quick ? 1000000 : 10000000, .ok = true};
  snprintf(r.csv, sizeof r.csv, "/tmp/triwave_bench_%d.csv", (int)getpid());
  snprintf(r.kept, sizeof r.kept, "/tmp/triwave_bench_%d.run", (int)getpid());
  tw_bench_section(b, "Predictions at the rows of a CSV file");
  if (write_rows(&r) && keep_run(&r)) {
    run_eval(&r, 1); /* so that the code is in the cache, as it is for whoever evaluates twice */
    TwBenchCase cases[] = {{"parse", run_parse, &r, true, 1, 0, 0, 0}, {"eval", run_eval, &r, true, 1, 0, 0, 0}};
    tw_bench_rounds(cases, 2, b->quick ? 3 : 5, 0);
    double millions = (double)r.rows / 1e6;
    tw_bench_row(b, "reading the file alone", millions / cases[0].median, "M rows/s", "one thread");
    tw_bench_row(b, "triwave eval, from its start to its end", millions / cases[1].median, "M rows/s",
                 "of a run that was kept; a thread a core, writes to /dev/null");
    tw_bench_accept(b, "eval", "rate of triwave eval over that of reading alone",
                    r.ok ? cases[0].median / cases[1].median : 0, true, 0.7);
  }
  unlink(r.csv);
  remove_run(&r);
}
