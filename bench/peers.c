/* peers.c: PyTorch, as users write it and batched over seeds, and whole processes. Each is a process; rounds
 * alternate with triwave's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

enum { MAX_ROUNDS = 7 };

static const char *flagship(const TwBench *b) {
  static char script[4096];
  snprintf(script, sizeof script, "%s/bench/peers/flagship.py", b->root);
  return script;
}

typedef struct Torch {
  double pretrain, train; /* microseconds an epoch */
} Torch;

/* One process. cpu: of CPU time, for one thread. NaN: it did not end well. */
static Torch torch(const TwBench *b, const char *samples, const char *epochs, const char *batched, const char *threads,
                   bool cpu) {
  TwBenchChild c;
  const char *argv[] = {b->python,   flagship(b), "--samples", samples, "--epochs", epochs,
                        "--batched", batched,     "--threads", threads, NULL};
  cJSON *j = tw_bench_child_json(argv, 90, &c);
  Torch t = {tw_bench_number(j, cpu ? "pretrain_us_cpu" : "pretrain_us"),
             tw_bench_number(j, cpu ? "train_us_cpu" : "train_us")};
  cJSON_Delete(j);
  return t;
}

static double over(double theirs, double ours) { return ours > 0 ? theirs / ours : NAN; }

/* Both stages of the compiled flagship, microseconds an epoch, now. */
static Torch ours(TwBenchStep *const step[2]) {
  TwBenchCase c[2];
  for (int k = 0; k < 2; k++) c[k] = (TwBenchCase){.name = "", .run = tw_bench_run_step, .context = step[k]};
  tw_bench_rounds(c, 2, 9, 1.5e-3);
  return (Torch){1e6 * c[0].median, 1e6 * c[1].median};
}

/* PyTorch as users write it: medians of its times, and of how many times ours that is. Ours are measured before and
 * behind each of its processes, since the machine's clock is another every second. */
static void beside(const TwBench *b, const char *samples, const char *epochs, int rounds, Torch *its, Torch *ratio) {
  double pretrain[2][MAX_ROUNDS], train[2][MAX_ROUNDS];
  TwBenchProgram *p = tw_bench_compile(b, "flagship", (TwDefine[]){{"samples", samples}}, 1, 0);
  TwBenchStep *step[2] = {tw_bench_step_new(p, 0, 0), tw_bench_step_new(p, 1, 0)};
  for (int r = 0; r < rounds; r++) {
    Torch before = ours(step), t = torch(b, samples, epochs, "0", "1", true), behind = ours(step);
    pretrain[0][r] = t.pretrain;
    train[0][r] = t.train;
    pretrain[1][r] = over(2 * t.pretrain, before.pretrain + behind.pretrain);
    train[1][r] = over(2 * t.train, before.train + behind.train);
  }
  *its = (Torch){tw_bench_median(pretrain[0], rounds), tw_bench_median(train[0], rounds)};
  *ratio = (Torch){tw_bench_median(pretrain[1], rounds), tw_bench_median(train[1], rounds)};
  for (int k = 0; k < 2; k++) tw_bench_step_free(step[k]);
  tw_bench_program_free(p);
}

static void eager(TwBench *b) {
  Torch small, large, by, large_by;
  beside(b, "500", b->quick ? "60" : "300", b->quick ? 3 : 5, &small, &by);
  beside(b, "500000", b->quick ? "2" : "5", b->quick ? 1 : 3, &large, &large_by);
  tw_bench_row(b, "PyTorch as users write it, 500, pretraining", small.pretrain, "us", "%.0fx triwave's", by.pretrain);
  tw_bench_row(b, "PyTorch as users write it, 500, training", small.train, "us", "%.0fx triwave's", by.train);
  tw_bench_row(b, "PyTorch as users write it, 500,000, pretraining", large.pretrain, "us", "%.0fx triwave's",
               large_by.pretrain);
  tw_bench_row(b, "PyTorch as users write it, 500,000, training", large.train, "us", "%.0fx triwave's", large_by.train);
  tw_bench_accept(b, "4.4", "PyTorch eager / triwave, training, 500 samples", by.train, true, 220);
  tw_bench_accept(b, "4.4", "PyTorch eager / triwave, pretraining, 500 samples", by.pretrain, true, 1000);
  tw_bench_accept(b, "4.4", "PyTorch eager / triwave, training, 500,000 samples", large_by.train, true, 15);
}

static void batched(TwBench *b) {
  double best = INFINITY;
  static const char *const threads[] = {"1", "2"};
  for (int t = 0; t < 2; t++) {
    Torch batch = torch(b, "500", b->quick ? "10" : "100", "30", threads[t], false);
    double seconds = (batch.pretrain + batch.train) * 1000 * 1e-6;
    char name[80];
    snprintf(name, sizeof name, "PyTorch, 30 seeds in a batch, %s thread%s", threads[t], t ? "s" : "");
    tw_bench_row(b, name, 1e3 * seconds, "ms", "1000 + 1000 epochs, wall; %.0fx triwave's on 2 threads",
                 over(seconds, b->seeds_seconds));
    if (seconds < best) best = seconds;
  }
  tw_bench_accept(b, "4.5", "30 seeds: best batched PyTorch / triwave", over(best, b->seeds_seconds), true, 30);
}

/* ---- whole processes */

typedef struct Whole {
  double script, cold, cached;
} Whole;

static double process_wall(const char *const *argv) {
  TwBenchChild c = tw_bench_child(argv, 90);
  free(c.out);
  return c.ok ? c.wall : NAN;
}

/* Cold: with a cache directory that is empty. Cached: at once again with the same one. */
static void one_round(const TwBench *b, const char *program, double *cold, double *cached) {
  char directory[] = "/tmp/triwave-bench-XXXXXX";
  const char *const argv[] = {b->triwave, "run", program, "--quiet", NULL};
  if (!mkdtemp(directory) || setenv("XDG_CACHE_HOME", directory, 1) != 0) abort();
  *cold = process_wall(argv);
  *cached = process_wall(argv);
  free(tw_bench_child((const char *const[]){"rm", "-r", directory, NULL}, 10).out);
}

static Whole whole(const TwBench *b, int rounds) {
  char program[4096];
  double script[MAX_ROUNDS], cold[3 * MAX_ROUNDS], cached[3 * MAX_ROUNDS];
  snprintf(program, sizeof program, "%s/examples/cubic.tw", b->root);
  for (int r = 0; r < rounds; r++) {
    script[r] = b->python ? process_wall((const char *const[]){b->python, flagship(b), NULL}) : NAN;
    for (int k = 0; k < 3; k++) one_round(b, program, &cold[3 * r + k], &cached[3 * r + k]);
  }
  return (Whole){tw_bench_median(script, rounds), tw_bench_median(cold, 3 * rounds),
                 tw_bench_median(cached, 3 * rounds)};
}

static void paper_table(TwBench *b) {
  static const char *const examples[] = {"cubic", "power11", "sine", "tanh3"};
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    char program[4096];
    snprintf(program, sizeof program, "%s/examples/%s.tw", b->root, examples[k]);
    TwBenchChild c = tw_bench_child(
        (const char *[]){b->triwave, "run", program, "--all-variants", "--seeds", "30", "--quiet", NULL}, 90);
    free(c.out);
    sum += c.timed_out ? NAN : c.wall; /* a variant may miss its ensure: the work is done all the same */
  }
  tw_bench_row(b, "the paper's dense table, 4 x 5 variants x 30 seeds", 1e3 * sum, "ms",
               "region counts included; four processes");
  tw_bench_accept(b, "4.9", "the paper's dense table, seconds (an aim)", sum, false, 2);
}

/* Debian's PyTorch belongs to Debian's Python, which need not be the first in the path. */
static const char *find_python(void) {
  static const char *const candidates[] = {"python3", "/usr/bin/python3"};
  for (int k = 0; k < 2; k++) {
    TwBenchChild c = tw_bench_child((const char *const[]){candidates[k], "-c", "import torch", NULL}, 60);
    free(c.out);
    if (c.ok) return candidates[k];
  }
  return NULL;
}

void tw_bench_peers(TwBench *b) {
  tw_bench_section(b, "PyTorch, one BLAS thread (CPU time unless stated)");
  b->python = find_python();
  if (b->python) {
    eager(b);
    batched(b);
  } else {
    tw_bench_row(b, "PyTorch", NAN, "", "no python3 here can import torch");
  }
  tw_bench_section(b, "Whole processes (wall time)");
  Whole w = whole(b, b->quick ? 1 : 3);
  tw_bench_row(b, "the PyTorch script, 1000 + 1000 epochs", 1e3 * w.script, "ms", NULL);
  tw_bench_row(b, "triwave run examples/cubic.tw, cold", 1e3 * w.cold, "ms", "1/%.0f of the script", w.script / w.cold);
  tw_bench_row(b, "triwave run examples/cubic.tw, again", 1e3 * w.cached, "ms", "1/%.0f of the script",
               w.script / w.cached);
  tw_bench_accept(b, "4.6", "whole process: PyTorch script / triwave cold", w.script / w.cold, true, 30);
  tw_bench_accept(b, "4.6", "whole process: PyTorch script / triwave cached", w.script / w.cached, true, 100);
  if (!b->quick) paper_table(b);
}
