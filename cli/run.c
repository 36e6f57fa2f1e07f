/* run.c: triwave run FILE: compile each variant at each setting, train its seeds, report. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/failures.h"
#include "runtime/report.h"

enum { MAX_CELLS = 10000 };

/* Set by SIGINT and SIGTERM: the seeds finish their epoch and end with status stopped. The one object
 * that a signal handler can reach. */
static volatile sig_atomic_t interrupted;
static void on_signal(int number) {
  (void)number;
  if (interrupted) _exit(130);
  interrupted = 1;
}

/* One program to train: a variant at the settings of a cell of the sweep (one cell without settings if there is
 * no sweep). */
typedef struct Job {
  TwUnit *unit; /* of its cell */
  TwBuild build;
  const TwRtSetting *settings;
  TwRtResult *result;
} Job;

typedef struct Session {
  const TwCli *c;
  TwArena arena;
  TwUnit **units; /* a cell each */
  uint32_t n_units;
  Job *jobs; /* cell by cell, in it variant by variant */
  uint32_t n_jobs;
  TwCache *cache;
  uint64_t *seeds;
  uint32_t n_seeds, threads;
  double compile_seconds, train_seconds;
  /* training */
  pthread_mutex_t lock;
  uint32_t next_job, threads_each;
} Session;

static void show_progress(void *context, const TwRtProgress *p) {
  const Job *j = context;
  struct winsize w;
  uint32_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1u : 79u;
  fputc('\r', stderr);
  tw_rt_report_progress(stderr, j->build.rt->variant, p, columns);
  fputs("\033[K", stderr);
  if (p->fraction >= 1) fputs("\r\033[K", stderr);
  fflush(stderr);
}

/* ---- cells: every combination of the values that are swept, the last sweep fastest */

static uint64_t count_cells(const TwCli *c) {
  uint64_t n = 1;
  for (uint32_t k = 0; k < c->n_sweeps && n <= MAX_CELLS; k++) n *= c->sweeps[k].n;
  return n;
}

static const TwRtSetting *settings_of(Session *s, uint64_t cell) {
  TwRtSetting *out = TW_NEW_N(&s->arena, TwRtSetting, s->c->n_sweeps + 1);
  for (uint32_t k = s->c->n_sweeps; k-- > 0; cell /= s->c->sweeps[k].n)
    out[k] = (TwRtSetting){s->c->sweeps[k].name, s->c->sweeps[k].values[cell % s->c->sweeps[k].n]};
  return out;
}

static TwUnit *unit_of(Session *s, const TwRtSetting *settings) {
  TwDefine *more = TW_NEW_N(&s->arena, TwDefine, s->c->n_sweeps + 1);
  for (uint32_t k = 0; k < s->c->n_sweeps; k++) more[k] = (TwDefine){settings[k].name, settings[k].value};
  return s->units[s->n_units++] = tw_cli_unit_with(s->c, more, s->c->n_sweeps);
}

/* ---- compilation */

static bool has_stage(TwBuild *b) {
  if (b->program->stages.len) return true;
  TwDiag *d = tw_diag(&b->unit->diags, TW_E0716, (TwSpan){b->file, 0, 0}, "there is nothing to run: the program has no stage");
  tw_diag_help(&b->unit->diags, d, "write for example: stage train_all { train net; adam(rate = 1e-3); epochs 1000 }");
  return false;
}

/* Parses and checks a cell's program; its jobs are added. */
static bool open_cell(Session *s, uint64_t cell) {
  const TwRtSetting *settings = settings_of(s, cell);
  TwUnit *u = unit_of(s, settings);
  TwBuild first = {.unit = u, .file = tw_cli_open(u, s->c->files[0])};
  TwVariantNames names = {0};
  if (!first.file || !tw_build(&first, TW_PHASE_PARSE) || !tw_cli_variants(s->c, u, first.ast, &names)) return false;
  if (!s->jobs) s->jobs = TW_NEW_N(&s->arena, Job, names.len * count_cells(s->c));
  bool ok = true;
  uint32_t start = s->n_jobs;
  for (uint32_t k = 0; k < names.len; k++) {
    Job *j = &s->jobs[s->n_jobs++];
    *j = (Job){.unit = u, .settings = settings};
    j->build = (TwBuild){.unit = u, .file = first.file, .ast = first.ast, .variant = names.at[k], .cache = s->cache,
                         .code = {.vector_bits = s->c->vector_bits, .threads = s->threads}};
    j->build.seconds[TW_PHASE_PARSE] = k ? 0 : first.seconds[TW_PHASE_PARSE];
    ok &= tw_build(&j->build, TW_PHASE_SEMA);
  }
  for (uint32_t k = start; ok && k < s->n_jobs; k++) ok = has_stage(&s->jobs[k].build);
  return ok;
}

/* A mistake in the first cell is not told again for each of the others. */
static bool compile(Session *s) {
  uint64_t n = count_cells(s->c);
  if (n > MAX_CELLS) {
    fprintf(stderr, "triwave: the sweeps have more than %d combinations\n", MAX_CELLS);
    return false;
  }
  s->units = TW_NEW_N(&s->arena, TwUnit *, n);
  for (uint64_t k = 0; k < n; k++)
    if (!open_cell(s, k)) return false;
  bool ok = true;
  for (uint32_t k = 0; ok && k < s->n_jobs; k++) ok = tw_build(&s->jobs[k].build, TW_PHASE_CODE);
  return ok;
}

/* ---- training: the seeds of one job are trained at once; with fewer seeds than threads, several jobs are */

static void train_job(Session *s, Job *j, bool show) {
  TwRtOptions o = {.seeds = s->seeds, .n_seeds = s->n_seeds, .threads = s->threads_each,
                   .progress = show ? show_progress : NULL, .context = j, .stop = (const volatile int *)&interrupted};
  j->result = tw_rt_train(j->build.rt, &o);
}

static void *train_some(void *context) {
  Session *s = context;
  for (;;) {
    pthread_mutex_lock(&s->lock);
    uint32_t k = s->next_job++;
    pthread_mutex_unlock(&s->lock);
    if (k >= s->n_jobs) return NULL;
    train_job(s, &s->jobs[k], false);
  }
}

static bool train(Session *s) {
  bool terminal = isatty(STDERR_FILENO) != 0 && !s->c->quiet && !s->c->json;
  uint32_t at_once = s->n_seeds < s->threads ? s->threads / s->n_seeds : 1;
  if (at_once > s->n_jobs) at_once = s->n_jobs;
  s->threads_each = s->threads / at_once;
  double start = tw_cli_now();
  if (at_once == 1) {
    for (uint32_t k = 0; k < s->n_jobs; k++) train_job(s, &s->jobs[k], terminal);
  } else {
    pthread_t *others = TW_NEW_N(&s->arena, pthread_t, at_once);
    uint32_t n = 0;
    while (n + 1 < at_once && pthread_create(&others[n], NULL, train_some, s) == 0) n++;
    train_some(s);
    for (uint32_t k = 0; k < n; k++) pthread_join(others[k], NULL);
  }
  s->train_seconds = tw_cli_now() - start;
  bool ok = true;
  for (uint32_t k = 0; k < s->n_jobs; k++) ok &= tw_cli_failures(&s->jobs[k].build, s->jobs[k].result);
  return ok;
}

static void print_times(const Session *s) {
  for (int p = 0; p < TW_PHASE_COUNT; p++) {
    double sum = 0;
    for (uint32_t k = 0; k < s->n_jobs; k++) sum += s->jobs[k].build.seconds[p];
    fprintf(stderr, "%-8s %9.3f ms\n", tw_phase_name((TwPhase)p), 1e3 * sum);
  }
  fprintf(stderr, "%-8s %9.3f ms\n", "train", 1e3 * s->train_seconds);
}

static void report(Session *s, double started) {
  TwRtReportVariant *variants = TW_NEW_N(&s->arena, TwRtReportVariant, s->n_jobs);
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    const Job *j = &s->jobs[k];
    variants[k] = (TwRtReportVariant){j->build.rt->variant, j->build.rt, j->result, j->settings, s->c->n_sweeps};
  }
  TwRtReport r = {.program = s->c->files[0], .f64 = s->c->precision == TW_F64, .n_variants = s->n_jobs, .variants = variants,
                  .compile_seconds = s->compile_seconds, .train_seconds = s->train_seconds,
                  .total_seconds = tw_cli_now() - started};
  if (s->c->json)
    tw_rt_report_json(stdout, &r);
  else if (!s->c->quiet)
    tw_rt_report_table(stdout, &r, isatty(STDOUT_FILENO) != 0);
}

static void choose_seeds(Session *s) {
  s->n_seeds = s->c->have_seeds ? (uint32_t)s->c->seeds : 1;
  s->seeds = TW_NEW_N(&s->arena, uint64_t, s->n_seeds);
  for (uint32_t k = 0; k < s->n_seeds; k++) s->seeds[k] = s->c->have_seeds ? k : s->c->seed;
}

/* The machine's cores, or as many threads as were asked for. */
static uint32_t thread_count(const TwCli *c) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return c->threads ? c->threads : cores > 0 ? (uint32_t)cores : 1;
}

/* A cell's diagnostics, and for a sweep which cell it is. */
static void tell(Session *s, uint32_t unit) {
  const TwUnit *u = s->units[unit];
  if (u->diags.list.len && s->c->n_sweeps) {
    const TwRtSetting *at = settings_of(s, unit);
    for (uint32_t k = 0; k < s->c->n_sweeps; k++) fprintf(stderr, "%s%s = %s", k ? ", " : "with ", at[k].name, at[k].value);
    fputs(":\n", stderr);
  }
  tw_cli_diagnostics(u);
}

static void session_free(Session *s) {
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    if (s->jobs[k].result) tw_rt_result_free(s->jobs[k].build.rt, s->jobs[k].result);
    tw_build_free(&s->jobs[k].build);
  }
  for (uint32_t k = 0; k < s->n_units; k++) tw_unit_free(s->units[k]);
  tw_cache_close(s->cache);
  pthread_mutex_destroy(&s->lock);
  tw_arena_free(&s->arena);
}

int tw_cli_run(const TwCli *c) {
  double started = tw_cli_now();
  Session s = {.c = c, .cache = c->no_cache ? NULL : tw_cache_open(0), .threads = thread_count(c)};
  pthread_mutex_init(&s.lock, NULL);
  choose_seeds(&s);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  bool compiled = compile(&s), ok = false;
  s.compile_seconds = tw_cli_now() - started;
  if (compiled) {
    ok = train(&s);
    report(&s, started);
    ok &= tw_cli_stdout_ok();
  }
  for (uint32_t k = 0; k < s.n_units; k++) tell(&s, k);
  if (c->time && s.n_jobs) print_times(&s);
  session_free(&s);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
