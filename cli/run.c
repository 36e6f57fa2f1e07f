/* run.c: triwave run FILE: compile each variant, train its seeds, report. */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/failures.h"
#include "runtime/report.h"

/* Set by SIGINT and SIGTERM: the seeds finish their epoch and end with status stopped. The one object
 * that a signal handler can reach. */
static volatile sig_atomic_t interrupted;
static void on_signal(int number) {
  (void)number;
  if (interrupted) _exit(130);
  interrupted = 1;
}

typedef struct Session {
  const TwCli *c;
  TwUnit *unit;
  uint32_t n;
  TwBuild *builds;
  TwCache *cache;
  TwRtReportVariant *variants;
  uint64_t *seeds;
  uint32_t n_seeds;
  const char *variant; /* being trained */
  double compile_seconds, train_seconds;
} Session;

static void show_progress(void *context, const TwRtProgress *p) {
  const Session *s = context;
  struct winsize w;
  uint32_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1u : 79u;
  fputc('\r', stderr);
  tw_rt_report_progress(stderr, s->variant, p, columns);
  fputs("\033[K", stderr);
  if (p->fraction >= 1) fputs("\r\033[K", stderr);
  fflush(stderr);
}

/* The machine's cores, or as many threads as were asked for. */
static uint32_t thread_count(const Session *s) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return s->c->threads ? s->c->threads : cores > 0 ? (uint32_t)cores : 1;
}

static bool compile(Session *s, uint32_t file) {
  uint32_t threads = thread_count(s);
  TwBuild first = {.unit = s->unit, .file = file};
  TwVariantNames names = {0};
  if (!tw_build(&first, TW_PHASE_PARSE) || !tw_cli_variants(s->c, s->unit, first.ast, &names)) return false;
  s->builds = TW_NEW_N(&s->unit->arena, TwBuild, names.len);
  s->variants = TW_NEW_N(&s->unit->arena, TwRtReportVariant, names.len);
  bool ok = true;
  for (uint32_t k = 0; k < names.len; k++) {
    s->builds[k] = (TwBuild){.unit = s->unit, .file = file, .ast = first.ast, .variant = names.at[k], .cache = s->cache,
                             .code = {.vector_bits = s->c->vector_bits, .threads = threads}};
    s->builds[k].seconds[TW_PHASE_PARSE] = k ? 0 : first.seconds[TW_PHASE_PARSE];
    ok &= tw_build(&s->builds[k], TW_PHASE_SEMA);
    s->n = k + 1;
  }
  for (uint32_t k = 0; ok && k < names.len; k++) {
    ok = tw_build(&s->builds[k], TW_PHASE_SEMA);
    if (ok && s->builds[k].program->stages.len == 0) {
      TwDiag *d = tw_diag(&s->unit->diags, TW_E0716, (TwSpan){file, 0, 0}, "there is nothing to run: the program has no stage");
      tw_diag_help(&s->unit->diags, d, "write for example: stage train_all { train net; adam(rate = 1e-3); epochs 1000 }");
      ok = false;
    }
  }
  for (uint32_t k = 0; ok && k < names.len; k++) ok = tw_build(&s->builds[k], TW_PHASE_CODE);
  return ok;
}

static bool train(Session *s) {
  bool terminal = isatty(STDERR_FILENO) != 0 && !s->c->quiet && !s->c->json;
  TwRtOptions o = {.seeds = s->seeds, .n_seeds = s->n_seeds, .threads = s->c->threads,
                   .progress = terminal ? show_progress : NULL, .context = s, .stop = (const volatile int *)&interrupted};
  bool ok = true;
  for (uint32_t k = 0; k < s->n; k++) {
    TwBuild *b = &s->builds[k];
    s->variant = b->rt->variant;
    double start = tw_cli_now();
    TwRtResult *r = tw_rt_train(b->rt, &o);
    s->train_seconds += tw_cli_now() - start;
    s->variants[k] = (TwRtReportVariant){s->variant, b->rt, r};
    ok &= tw_cli_failures(b, r);
  }
  return ok;
}

static void print_times(const Session *s) {
  for (int p = 0; p < TW_PHASE_COUNT; p++) {
    double sum = 0;
    for (uint32_t k = 0; k < s->n; k++) sum += s->builds[k].seconds[p];
    fprintf(stderr, "%-8s %9.3f ms\n", tw_phase_name((TwPhase)p), 1e3 * sum);
  }
  fprintf(stderr, "%-8s %9.3f ms\n", "train", 1e3 * s->train_seconds);
}

static void report(const Session *s, double started) {
  TwRtReport r = {.program = s->c->files[0], .f64 = s->c->precision == TW_F64, .n_variants = s->n, .variants = s->variants,
                  .compile_seconds = s->compile_seconds, .train_seconds = s->train_seconds,
                  .total_seconds = tw_cli_now() - started};
  if (s->c->json)
    tw_rt_report_json(stdout, &r);
  else if (!s->c->quiet)
    tw_rt_report_table(stdout, &r, isatty(STDOUT_FILENO) != 0);
}

static void choose_seeds(Session *s) {
  s->n_seeds = s->c->have_seeds ? (uint32_t)s->c->seeds : 1;
  s->seeds = TW_NEW_N(&s->unit->arena, uint64_t, s->n_seeds);
  for (uint32_t k = 0; k < s->n_seeds; k++) s->seeds[k] = s->c->have_seeds ? k : s->c->seed;
}

int tw_cli_run(const TwCli *c) {
  double started = tw_cli_now();
  Session s = {.c = c, .unit = tw_cli_unit(c), .cache = c->no_cache ? NULL : tw_cache_open(0)};
  choose_seeds(&s);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  uint32_t file = tw_cli_open(s.unit, c->files[0]);
  bool compiled = file && compile(&s, file), ok = false;
  s.compile_seconds = tw_cli_now() - started;
  if (compiled) {
    ok = train(&s);
    report(&s, started);
    ok &= tw_cli_stdout_ok();
  }
  tw_cli_diagnostics(s.unit);
  if (c->time && s.n) print_times(&s);
  for (uint32_t k = 0; k < s.n; k++) {
    if (s.variants[k].result) tw_rt_result_free(s.variants[k].program, (TwRtResult *)s.variants[k].result);
    tw_build_free(&s.builds[k]);
  }
  tw_cache_close(s.cache);
  tw_unit_free(s.unit);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
