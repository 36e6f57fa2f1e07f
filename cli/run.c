/* run.c: triwave run FILE: compile each variant at each setting, train its seeds, report. */
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/failures.h"
#include "cli/keep.h"
#include "cli/log.h"
#include "cli/output.h"
#include "runtime/report.h"
#include "runtime/text.h"

enum { MAX_CELLS = 10000, SAME_SIGNAL = 500000000 /* nanoseconds within which two signals are one */ };

/* Set by SIGINT and SIGTERM: the seeds finish their epoch and end with status stopped. With `first_signal`, all that a
 * signal handler can reach. */
static volatile sig_atomic_t interrupted;
static atomic_llong first_signal; /* when, in nanoseconds; 0: none has come */
static void on_signal(int number) {
  static const char text[] = "triwave: ended at once, by a second signal; what was saved before is whole\n";
  (void)number;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  long long now = 1000000000ll * t.tv_sec + t.tv_nsec, first = 0;
  if (atomic_compare_exchange_strong(&first_signal, &first, now)) interrupted = 1;
  if (first == 0 || now - first < SAME_SIGNAL) return; /* timeout(1) sends each signal twice */
  (void)!write(STDERR_FILENO, text, sizeof text - 1);
  _exit(TW_EXIT_WRONG);
}

/* One program to train: a variant at the settings of a cell of the sweep (one cell without settings if there is
 * no sweep). */
typedef struct Job {
  TwUnit *unit; /* of its cell */
  TwBuild build;
  const TwRtSetting *settings;
  TwRtResult *result;
  TwKept *kept; /* NULL: nothing is */
  TwLog *log;   /* NULL: there is none */
  const uint64_t *seeds;
  TwRtReportVariant as; /* for the log */
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
  TwKeep *keep; /* NULL: nothing is kept */
  TwLog *log;   /* NULL: there is none */
  /* training */
  pthread_mutex_t lock;
  uint32_t next_job, threads_each;
  /* code of later jobs, made while earlier ones train */
  pthread_t maker;
  bool making;                /* maker is a thread, to be joined */
  pthread_cond_t changed;     /* guarded by lock, as all below */
  uint32_t n_made;            /* jobs that have code, in order */
  bool over;                  /* no more will be made: it could not be, or a signal has come */
  bool failed;                /* that is why */
  double waited, made_beside; /* seconds: nothing trained since there was no code yet; code was made besides */
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
  TwDiag *d = tw_diag(&b->unit->diags, TW_E0716, (TwSpan){b->file, 0, 0},
                      "there is nothing to run: the program has no stage");
  tw_diag_help(&b->unit->diags, d, "write for example: stage train_all { train net; adam(rate = 1e-3); epochs 1000 }");
  return false;
}

/* The program's file, or its copy in the folder of a run that is resumed; 0: said why not. */
static uint32_t open_program(Session *s, TwUnit *u) {
  if (!s->keep) return tw_cli_open(u, s->c->files[0]);
  char *error = NULL;
  uint32_t file = tw_rundir_sources(tw_keep_dir(s->keep), u, &error);
  if (!file) tw_cli_said(error);
  return file;
}

/* Parses and checks a cell's program; its jobs are added. */
static bool open_cell(Session *s, uint64_t cell) {
  const TwRtSetting *settings = settings_of(s, cell);
  TwUnit *u = unit_of(s, settings);
  TwBuild first = {.unit = u, .file = open_program(s, u)};
  TwVariantNames names = {0};
  if (!first.file || !tw_build(&first, TW_PHASE_PARSE) || !tw_cli_variants(s->c, u, first.ast, &names)) return false;
  if (!s->jobs) s->jobs = TW_NEW_N(&s->arena, Job, names.len * count_cells(s->c));
  bool ok = true;
  uint32_t start = s->n_jobs;
  for (uint32_t k = 0; k < names.len; k++) {
    Job *j = &s->jobs[s->n_jobs++];
    *j = (Job){.unit = u, .settings = settings};
    bool watched = s->keep || s->c->out || s->c->log;
    j->build = (TwBuild){.unit = u,
                         .file = first.file,
                         .ast = first.ast,
                         .variant = names.at[k],
                         .cache = s->cache,
                         .before = k ? &j[-1].build : NULL,
                         .what = tw_cli_training(watched),
                         .code = {.vector_bits = s->c->vector_bits, .threads = s->threads}};
    j->build.seconds[TW_PHASE_PARSE] = k ? 0 : first.seconds[TW_PHASE_PARSE];
    ok &= tw_build(&j->build, TW_PHASE_SEMA);
  }
  for (uint32_t k = start; ok && k < s->n_jobs; k++) ok = has_stage(&s->jobs[k].build);
  return ok;
}

/* Makes the code of the job that is next. false: there is none for it. */
static bool make_next(Session *s) {
  bool ok = tw_build(&s->jobs[s->n_made].build, TW_PHASE_CODE);
  pthread_mutex_lock(&s->lock);
  if (ok) s->n_made++;
  else s->failed = true;
  s->over = s->failed || s->n_made == s->n_jobs;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
  return ok;
}

/* The rest, while the first jobs train. What cannot be compiled ends the run: nothing has been kept of it. */
static void *make_rest(void *context) {
  Session *s = context;
  while (!s->over && !interrupted) {
    double start = tw_cli_now();
    if (!make_next(s)) interrupted = 1;
    s->made_beside += tw_cli_now() - start;
  }
  pthread_mutex_lock(&s->lock);
  s->over = true;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

/* Is there code for job k, now or soon? */
static bool wait_for_code(Session *s, uint32_t k) {
  pthread_mutex_lock(&s->lock);
  while (k >= s->n_made && !s->over) pthread_cond_wait(&s->changed, &s->lock);
  bool made = k < s->n_made;
  pthread_mutex_unlock(&s->lock);
  return made;
}

/* A run that is kept, or writes a log, begins only when all of it has code. Signals are for the threads that were there
 * before. */
static bool may_make_besides(const Session *s) {
  return s->n_jobs > 1 && s->threads > 1 && !s->keep && !s->c->out && !s->c->log;
}

static bool begin_making(Session *s) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  s->making = pthread_create(&s->maker, NULL, make_rest, s) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return s->making;
}

static void end_making(Session *s) {
  if (s->making) pthread_join(s->maker, NULL);
  s->making = false;
}

/* Up to the code of the first job at least. A mistake in the first cell is not told again for each of the others. */
static bool compile(Session *s) {
  uint64_t n = count_cells(s->c);
  if (n > MAX_CELLS) {
    fprintf(stderr, "triwave: the sweeps have more than %d combinations\n", MAX_CELLS);
    return false;
  }
  s->units = TW_NEW_N(&s->arena, TwUnit *, n);
  for (uint64_t k = 0; k < n; k++)
    if (!open_cell(s, k)) return false;
  bool ok = make_next(s), besides = ok && may_make_besides(s) && begin_making(s);
  while (ok && !besides && s->n_made < s->n_jobs) ok = make_next(s);
  return ok;
}

/* ---- training: the seeds of one job are trained at once; with fewer seeds than threads, several jobs are */

static void on_save(void *context, const TwRtSaved *saved) { tw_kept_save(((Job *)context)->kept, saved); }
static const void *on_load(void *context, uint32_t seed, size_t *n) {
  return tw_kept_load(((Job *)context)->kept, seed, n);
}
static void on_epoch(void *context, const TwRtEpoch *e) {
  const Job *j = context;
  if (j->kept) tw_kept_watch(j->kept, e);
  if (j->log) tw_log_epoch(j->log, &j->as, j->seeds[e->seed_index], e);
}
static void on_stage(void *context, uint32_t seed, uint32_t stage, bool best, const void *shown, const void *values) {
  tw_kept_stage(((Job *)context)->kept, seed, stage, best, shown, values);
}
static void on_restart(void *context, uint32_t seed) {
  const Job *j = context;
  if (j->kept) tw_kept_restart(j->kept, seed);
  if (j->log) tw_log_restart(j->log, &j->as, j->seeds[seed]);
}

static void train_job(Session *s, Job *j, bool show) {
  TwRtOptions o = {.seeds = s->seeds,
                   .n_seeds = s->n_seeds,
                   .threads = s->threads_each,
                   .progress = show ? show_progress : NULL,
                   .context = j,
                   .stop = (const volatile int *)&interrupted};
  if (j->kept) {
    o.save = on_save;
    o.load = on_load;
    o.stage_done = on_stage;
    o.save_seconds = s->c->checkpoint_every;
  }
  if (j->kept || j->log) {
    o.watch = on_epoch;
    o.restart = on_restart;
    o.watch_every = s->c->log_every ? s->c->log_every : s->n_seeds > 1 ? 10 : 1;
  }
  j->result = tw_rt_train(j->build.rt, &o);
}

static void *train_some(void *context) {
  Session *s = context;
  for (;;) {
    pthread_mutex_lock(&s->lock);
    uint32_t k = s->next_job++;
    pthread_mutex_unlock(&s->lock);
    if (k >= s->n_jobs || !wait_for_code(s, k)) return NULL;
    train_job(s, &s->jobs[k], false);
  }
}

/* One after the other. Waiting for code is compiling, not training. */
static void train_in_turn(Session *s, bool show) {
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    double start = tw_cli_now();
    bool made = wait_for_code(s, k);
    s->waited += tw_cli_now() - start;
    if (!made) return;
    train_job(s, &s->jobs[k], show);
  }
}

static bool train(Session *s) {
  bool terminal = isatty(STDERR_FILENO) != 0 && !s->c->quiet && !s->c->json;
  uint32_t at_once = s->n_seeds < s->threads ? s->threads / s->n_seeds : 1;
  if (at_once > s->n_jobs) at_once = s->n_jobs;
  s->threads_each = s->threads / at_once;
  double start = tw_cli_now();
  if (at_once == 1) {
    train_in_turn(s, terminal);
  } else {
    pthread_t *others = TW_NEW_N(&s->arena, pthread_t, at_once);
    uint32_t n = 0;
    while (n + 1 < at_once && pthread_create(&others[n], NULL, train_some, s) == 0) n++;
    train_some(s);
    for (uint32_t k = 0; k < n; k++) pthread_join(others[k], NULL);
  }
  s->train_seconds = tw_cli_now() - start - s->waited;
  s->compile_seconds += s->waited;
  end_making(s);
  if (s->failed) {
    if (terminal) fputs("\r\033[K", stderr);
    return false;
  }
  for (uint32_t k = s->n_made; k < s->n_jobs; k++) tw_build_free(&s->jobs[k].build);
  s->n_jobs = s->n_made; /* those that a signal came before are no part of what was done */
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
  double both = s->made_beside - s->waited;
  if (both > 0)
    fprintf(stderr, "%-8s %9.3f ms, in which phases and training went on beside each other\n", "both", 1e3 * both);
}

/* ---- what is kept */

static char *folder_of(Session *s, uint32_t k) {
  const Job *j = &s->jobs[k];
  if (s->n_jobs == 1) return ".";
  if (!s->c->n_sweeps) return tw_arena_printf(&s->arena, "%s", j->build.rt->variant);
  char *name = tw_arena_printf(&s->arena, "%03u-%s", k, j->build.rt->variant);
  for (uint32_t i = 0; i < s->c->n_sweeps; i++)
    name = tw_arena_printf(&s->arena, "%s,%s=%.40s", name, j->settings[i].name, j->settings[i].value);
  for (char *c = name; *c; c++)
    if (!strchr("+-.,=_", *c) && !isalnum((unsigned char)*c)) *c = '_';
  return name;
}

static bool begin_keeping(Session *s) {
  char *error = NULL, *warnings = NULL;
  if (!s->c->out && !s->keep) return true;
  if (!s->keep) s->keep = tw_keep_new(s->c->out, s->c->checkpoint_every, &interrupted, &error);
  if (!s->keep) return tw_cli_said(error);
  TwRunJob *jobs = TW_NEW_N(&s->arena, TwRunJob, s->n_jobs);
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    Job *j = &s->jobs[k];
    jobs[k] = (TwRunJob){j->unit, j->build.program, j->build.rt, j->settings, s->c->n_sweeps, folder_of(s, k)};
  }
  bool ok = tw_keep_begin(s->keep, s->c, s->jobs[0].build.file, jobs, s->n_jobs, s->n_seeds, s->seeds, &warnings,
                          &error);
  if (warnings) tw_cli_said(warnings);
  if (!ok) return tw_cli_said(error);
  for (uint32_t k = 0; k < s->n_jobs; k++) s->jobs[k].kept = tw_keep_job(s->keep, k);
  return true;
}

static bool begin_logging(Session *s) {
  char *error;
  if (!s->c->log) return true;
  s->log = tw_log_open(s->c->log, &error);
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    Job *j = &s->jobs[k];
    j->log = s->log;
    j->seeds = s->seeds;
    j->as = (TwRtReportVariant){
        .name = j->build.rt->variant, .program = j->build.rt, .settings = j->settings, .n_settings = s->c->n_sweeps};
  }
  return s->log || tw_cli_said(error);
}

/* false: something could not be written. */
static bool end_logging(Session *s) {
  char *error = tw_log_close(s->log);
  s->log = NULL;
  return !error || tw_cli_said(error);
}

/* false: something could not be written. */
static bool end_keeping(Session *s, const TwRtReport *r) {
  char *error = s->keep ? tw_keep_end(s->keep, r) : NULL;
  bool stopped = false, lost = error != NULL;
  for (uint32_t k = 0; k < s->n_jobs; k++)
    for (uint32_t i = 0; i < s->jobs[k].result->n_seeds; i++)
      stopped |= s->jobs[k].result->seeds[i].status == TW_RT_STOPPED;
  const char *folder = s->c->resume ? s->c->resume : s->c->out;
  if (lost) {
    tw_cli_said(error);
    if (tw_rundir_is(folder))
      fprintf(stderr,
              "triwave: so the run has ended; what was saved before is whole, and triwave run --resume %s goes on from "
              "there\n",
              folder);
    else
      fprintf(stderr,
              "triwave: so the run has ended; its folder, '%s', is not there any more, nor what was saved in it\n",
              folder);
  } else if (stopped) {
    fprintf(stderr, "triwave: stopped by a signal; the figures are of the epochs that were done\n");
    if (s->keep) fprintf(stderr, "triwave: the run is saved: triwave run --resume %s goes on with it\n", folder);
  }
  return !lost;
}

static bool log_takes_stdout(const TwCli *c) { return c->log && strcmp(c->log, "jsonl") == 0; }

/* false: something could not be written. */
static bool report(Session *s, double started) {
  TwRtReportVariant *variants = TW_NEW_N(&s->arena, TwRtReportVariant, s->n_jobs);
  bool read = s->keep || s->c->json || !s->c->quiet;
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    const Job *j = &s->jobs[k];
    const TwRtProgram *p = j->build.rt;
    variants[k] = (TwRtReportVariant){
        p->variant,     p,
        j->result,      j->settings,
        s->c->n_sweeps, read ? tw_rt_over_best(p, j->result, s->c->pieces) : (TwRtOverBest){0}};
  }
  TwRtReport r = {.program = s->c->files[0],
                  .f64 = s->c->precision == TW_F64,
                  .n_variants = s->n_jobs,
                  .variants = variants,
                  .compile_seconds = s->compile_seconds,
                  .train_seconds = s->train_seconds,
                  .total_seconds = tw_cli_now() - started};
  bool logged = end_logging(s), ok = end_keeping(s, &r) && logged;
  if (s->c->json) tw_rt_report_json(stdout, &r);
  else if (!s->c->quiet && !log_takes_stdout(s->c)) tw_rt_report_table(stdout, &r, isatty(STDOUT_FILENO) != 0);
  return tw_cli_stdout_ok() && ok;
}

static void choose_seeds(Session *s) {
  s->n_seeds = s->c->have_seeds ? (uint32_t)s->c->seeds : 1;
  s->seeds = TW_NEW_N(&s->arena, uint64_t, s->n_seeds);
  for (uint32_t k = 0; k < s->n_seeds; k++) s->seeds[k] = s->c->have_seeds ? k : s->c->seed;
}

/* A cell's diagnostics, and for a sweep which cell it is. */
static void tell(Session *s, uint32_t unit) {
  const TwUnit *u = s->units[unit];
  if (u->diags.list.len && s->c->n_sweeps) {
    const TwRtSetting *at = settings_of(s, unit);
    for (uint32_t k = 0; k < s->c->n_sweeps; k++)
      fprintf(stderr, "%s%s = %s", k ? ", " : "with ", at[k].name, at[k].value);
    fputs(":\n", stderr);
  }
  tw_cli_diagnostics(u);
}

static void session_free(Session *s) {
  end_making(s);
  for (uint32_t k = 0; k < s->n_jobs; k++) {
    if (s->jobs[k].result) tw_rt_result_free(s->jobs[k].build.rt, s->jobs[k].result);
    tw_build_free(&s->jobs[k].build);
  }
  for (uint32_t k = 0; k < s->n_units; k++) tw_unit_free(s->units[k]);
  free(tw_log_close(s->log));
  tw_keep_free(s->keep);
  tw_cache_close(s->cache);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->lock);
  tw_arena_free(&s->arena);
}

/* The options of a run that is resumed are those that it was started with. false: said why not. */
static bool open_kept(Session *s, TwCli *c) {
  char *error = NULL;
  if (!c->resume) return true;
  s->keep = tw_keep_resume(c->resume, c->checkpoint_every, &interrupted, &error);
  return (s->keep && tw_rundir_options(tw_keep_dir(s->keep), c, &error)) || tw_cli_said(error);
}

int tw_cli_run(const TwCli *given) {
  double started = tw_cli_now();
  TwCli c = *given;
  Session s = {.c = &c, .cache = c.no_cache ? NULL : tw_cache_open(0), .threads = tw_cli_threads(&c)};
  pthread_mutex_init(&s.lock, NULL);
  pthread_cond_init(&s.changed, NULL);
  bool ok = open_kept(&s, &c);
  if (ok) choose_seeds(&s);
  bool compiled = ok && compile(&s);
  s.compile_seconds = tw_cli_now() - started;
  if (compiled) { /* before, there is nothing to save, and a signal ends it where it stands: reading a pipe, say */
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
  }
  ok = compiled && begin_logging(&s) && begin_keeping(&s);
  if (ok) {
    if (!c.resume) tw_log_empty(s.log); /* now that nothing refuses the run */
    ok = train(&s);
    ok = !s.failed && report(&s, started) && ok;
  }
  for (uint32_t k = 0; k < s.n_units; k++) tell(&s, k);
  if (c.time && s.n_jobs) print_times(&s);
  session_free(&s);
  if (c.resume && c.n_files) tw_rundir_options_free(&c);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
