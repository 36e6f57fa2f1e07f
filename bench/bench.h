/* bench.h: what the parts of the benchmark share.
 *
 *   main.c      options, the order of the sections
 *   rounds.c    clocks; interleaved rounds and medians
 *   report.c    the table on stdout, the lines of acceptance, the JSON file
 *   step.c      a .tw program compiled, and its step bound to buffers, as the runtime does
 *   child.c     other processes: PyTorch, the triwave command, a compilation with its memory
 *   steps.c     training steps against the hand-written ones
 *   plans.c     the cycles that plans promise
 *   counting.c  regions counted at every epoch
 *   ensembles.c whole training runs: many seeds, threads, equal bits
 *   compile.c   how compile time and memory grow
 *   widths.c    dense nets of every width, against bare matrix products
 *   peers.c     PyTorch, and whole processes
 *   rows.c      predictions at the rows of a CSV file
 *   check.c     the hand-written gradients are the compiled ones
 *
 * One-thread work is timed on the thread's own CPU clock, so that other processes on the machine cost
 * little; what uses several threads or processes is timed by the wall. */
#ifndef TW_BENCH_BENCH_H
#define TW_BENCH_BENCH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/hand/hand.h"
#include "compiler/pipeline.h"
#include "runtime/data.h"
#include "runtime/train.h"

/* ---- report.c */
typedef struct TwBench {
  bool quick;
  const char *root;    /* the source tree: programs and peers */
  const char *self;    /* this executable */
  const char *triwave; /* the command */
  const char *python;  /* one that has PyTorch; NULL: there is none */
  const TwHandKernels *hand;
  double seeds_seconds; /* 30 seeds of 1000 + 1000 epochs on two threads, once measured */
  cJSON *json, *rows, *acceptance;
} TwBench;

void tw_bench_open(TwBench *b);
/* Writes the file; false and a message on stderr if it cannot be written. */
bool tw_bench_close(TwBench *b, const char *path);
void tw_bench_section(TwBench *b, const char *title);
/* One line of the table and of the JSON. value in unit; note may be NULL. */
void tw_bench_row(TwBench *b, const char *name, double value, const char *unit, const char *note_format, ...)
    __attribute__((format(printf, 5, 6)));
/* A line of acceptance: `measured` is to be at most, or at least, `target`. NaN: not measured here;
 * infinite: it did not end in its time. */
void tw_bench_accept(TwBench *b, const char *id, const char *what, double measured, bool at_least, double target);
void tw_bench_fact(TwBench *b, const char *id, const char *what, bool met);
void tw_bench_print_acceptance(const TwBench *b);

/* ---- rounds.c */
double tw_bench_cpu(void); /* seconds of this thread */
double tw_bench_wall(void);

typedef struct TwBenchCase {
  const char *name;
  void (*run)(void *context, int64_t times);
  void *context;
  bool wall;
  int64_t times;        /* how often a round runs it; 0: chosen so that a round lasts `slice` */
  double median, least; /* seconds of one run */
  double cpu;           /* median of the whole process's CPU seconds of one run, all threads */
} TwBenchCase;

/* Every case once in each round, in turn; medians over the rounds. slice: seconds. */
void tw_bench_rounds(TwBenchCase *cases, int n, int rounds, double slice);
double tw_bench_median(double *v, int n); /* sorts v */

/* ---- step.c */
typedef struct TwBenchProgram {
  TwUnit *unit;
  TwBuild build;
  TwRtDatas datas;
} TwBenchProgram;

/* Compiles programs/NAME.tw with these -D for vectors of `bits` (0: the machine's). Prints diagnostics and
 * ends the process on failure: the benchmark is then worth nothing. */
TwBenchProgram *tw_bench_compile(const TwBench *b, const char *name, const TwDefine *defines, uint32_t n,
                                 uint32_t bits);
/* The same of a variant of it; NULL: the body of the file. */
TwBenchProgram *tw_bench_compile_variant(const TwBench *b, const char *name, const char *variant,
                                         const TwDefine *defines, uint32_t n, uint32_t bits);
/* The same of a file by its name in the source tree. */
TwBenchProgram *tw_bench_compile_file(const TwBench *b, const char *file, const TwDefine *defines, uint32_t n);
void tw_bench_program_free(TwBenchProgram *p);

/* A stage at its start (earlier stages skipped), with buffers of its own. */
typedef struct TwBenchStep {
  const TwRtStage *stage;
  const TwRtProgram *rt;
  void *memory[64];
  uint32_t n_memory;
  const void **in;
  void **out;
  void *work;
  struct TwBenchSwap {
    uint32_t in, out;
  } swaps[16];
  uint32_t n_swaps;
  float *flat_start, *step, *loss, *moment; /* moment: the optimizer's first state after an odd number of updates */
  float *values, *shown;
} TwBenchStep;

TwBenchStep *tw_bench_step_new(TwBenchProgram *p, uint32_t stage, uint64_t seed);
void tw_bench_step_free(TwBenchStep *s);
void tw_bench_step_restart(TwBenchStep *s);
float tw_bench_step(TwBenchStep *s); /* one update; the loss before it */
/* For a case: so many updates of a TwBenchStep. Each run starts the net afresh: weights that nothing trains any more
 * would otherwise leave the optimizer with subnormal moments, which no first thousand epochs have. */
void tw_bench_run_step(void *step, int64_t times);
/* The same: the multiply-adds of TwHandKernels, as fast as the core makes them; how many FLOP one run is. */
void tw_bench_run_peak(void *kernels, int64_t times);
double tw_bench_peak_flop(const TwHandKernels *k);
/* Where trained coordinate k of the hand kernels' order is in FLAT; the dense net `net`. */
uint64_t tw_bench_flat_of_weight(const TwBenchStep *s, int depth, int k);

/* ---- child.c */
typedef struct TwBenchChild {
  bool ok, timed_out;
  double wall, cpu, peak_mib; /* of the process, its start included */
  char *out;                  /* what it printed; free it */
} TwBenchChild;
/* Runs argv (NULL-terminated) and waits, at most `limit` seconds. stderr is dropped. */
TwBenchChild tw_bench_child(const char *const *argv, double limit);
/* The same, its output read as one JSON object; a number of it, NaN if there is none. */
cJSON *tw_bench_child_json(const char *const *argv, double limit, TwBenchChild *c);
double tw_bench_number(const cJSON *object, const char *name);

/* ---- sections */
bool tw_bench_check(TwBench *b, bool print); /* false: a gradient differs */
void tw_bench_steps(TwBench *b);
void tw_bench_plans(TwBench *b);
void tw_bench_counting(TwBench *b);
void tw_bench_ensembles(TwBench *b);
void tw_bench_widths(TwBench *b);
void tw_bench_choose_blas(void); /* before any child is started: which kernels OpenBLAS is to take there */
int tw_bench_width_child(TwBench *b, const char *width); /* --child-width N */
void tw_bench_compile_times(TwBench *b);
int tw_bench_compile_child(TwBench *b, int argc, char **argv); /* --child-compile FILE [NAME=VALUE…] */
void tw_bench_peers(TwBench *b);
void tw_bench_eval_rows(TwBench *b);

#endif
