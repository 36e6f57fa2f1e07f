/* eval.c: triwave eval FILE|RUN --data CSV: train, or take what a run has kept, then write the model's value at each
 * row of the data.
 *
 * A thread a core. Each reads a block of rows, evaluates it, makes its text, and writes it; they take turns at
 * reading and at writing, so the blocks leave in the order in which they came. So a file of any length goes through
 * in constant memory, at nearly the pace at which it can be read. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/trained.h"
#include "runtime/csv.h"
#include "runtime/files.h"
#include "runtime/number.h"
#include "runtime/predict.h"
#include "runtime/text.h"

enum { MOST_ROWS = 32 * TW_RT_BLOCK, MOST_REALS = 1 << 21, MOST_WORKERS = 16 };

typedef struct Eval Eval;

typedef struct Worker {
  Eval *all;
  pthread_t thread;
  TwRtPredictor *predictor;
  double *rows, *values, *slopes;
  char *text;
} Worker;

struct Eval {
  const TwCli *c;
  const TwRtProgram *p;
  const TwRtModel *m;
  TwRtCsvStream *in; /* of whose turn it is to read */
  FILE *out;         /* of whose turn it is to write */
  uint64_t rows;     /* of a block */
  Worker workers[MOST_WORKERS];
  uint32_t n_workers;
  pthread_mutex_t reading, lock;
  pthread_cond_t changed;
  uint64_t read;     /* blocks; guarded by `reading` */
  bool ended, sound; /* guarded by `reading`: no more is to come; what was read had no fault */
  uint64_t written;  /* blocks; guarded by `lock` */
  bool failed;       /* guarded by `lock`: writing has been given up, … */
  int why;           /* … with this errno */
};

/* "p[1]", "p[0, 1]": an element of an input or output. malloc'ed */
static char *element(const TwRtTensor *t, uint64_t e) {
  if (t->rank == 0) return tw_rt_textf("%s", t->name);
  char *s = tw_rt_textf("%s", "");
  for (uint32_t k = t->rank; k-- > 0 && s;) {
    uint64_t i = e % (uint64_t)t->dims[k];
    e /= (uint64_t)t->dims[k];
    char *longer = tw_rt_textf("%llu%s%s", (unsigned long long)i, *s ? ", " : "", s);
    free(s);
    s = longer;
  }
  char *named = tw_rt_textf("%s[%s]", t->name, s ? s : "");
  free(s);
  return named;
}

static char **elements(const TwRtTensor *t, uint32_t n, uint64_t width) {
  char **names = calloc(width + 1, sizeof *names);
  for (uint32_t k = 0; names && k < n; k++)
    for (uint64_t e = 0; e < t[k].count; e++) names[t[k].at + e] = element(&t[k], e);
  return names;
}

static void elements_free(char **names, uint64_t width) {
  for (uint64_t k = 0; names && k < width; k++) free(names[k]);
  free(names);
}

static void write_header(Eval *v, char **inputs) {
  char **outputs = elements(v->m->outputs, v->m->n_outputs, v->m->out_width);
  for (uint64_t j = 0; outputs && j < v->m->out_width; j++) {
    const char *quote = strchr(outputs[j], ',') ? "\"" : "";
    fprintf(v->out, "%s%s%s%s", j ? "," : "", quote, outputs[j], quote);
  }
  for (uint64_t j = 0; outputs && v->c->derivative && j < v->m->out_width; j++)
    for (uint64_t e = 0; e < v->m->in_width; e++) {
      const char *quote = strchr(outputs[j], ',') || strchr(inputs[e], ',') ? "\"" : "";
      fprintf(v->out, ",%sd%s/d%s%s", quote, outputs[j], inputs[e], quote);
    }
  fputc('\n', v->out);
  elements_free(outputs, v->m->out_width);
}

static size_t print_row(char *at, const double *values, uint64_t n, bool first, bool f64) {
  char *start = at;
  for (uint64_t k = 0; k < n; k++) {
    if (k || !first) *at++ = ',';
    at += tw_rt_number(at, values[k], f64);
  }
  return (size_t)(at - start);
}

/* The text of n rows of the worker. Its length. */
static size_t make_text(Worker *w, uint64_t n) {
  const Eval *v = w->all;
  uint64_t wide = v->m->out_width, each = wide * v->m->in_width;
  tw_rt_predict(w->predictor, n, w->rows, w->values);
  if (v->c->derivative) tw_rt_slopes(w->predictor, n, w->rows, w->slopes);
  char *at = w->text;
  for (uint64_t r = 0; r < n; r++) {
    at += print_row(at, w->values + r * wide, wide, true, v->p->f64);
    if (v->c->derivative) at += print_row(at, w->slopes + r * each, each, false, v->p->f64);
    *at++ = '\n';
  }
  return (size_t)(at - w->text);
}

/* A block of rows, and its number; 0: there is none. */
static uint64_t read_block(Worker *w, uint64_t *number) {
  Eval *v = w->all;
  pthread_mutex_lock(&v->reading);
  int64_t n = v->ended ? 0 : tw_rt_csv_next(v->in, (int64_t)v->rows, w->rows);
  v->ended |= n <= 0;
  v->sound &= n >= 0;
  *number = v->read;
  v->read += n > 0;
  pthread_mutex_unlock(&v->reading);
  return n > 0 ? (uint64_t)n : 0;
}

/* Blocks before it have been written. false: and one of them could not be. */
static bool wait_for_turn(Eval *v, uint64_t number) {
  pthread_mutex_lock(&v->lock);
  while (v->written != number) pthread_cond_wait(&v->changed, &v->lock);
  bool ok = !v->failed;
  pthread_mutex_unlock(&v->lock);
  return ok;
}

static void end_turn(Eval *v, int why) {
  pthread_mutex_lock(&v->lock);
  v->written++;
  if (why && !v->failed) v->failed = true, v->why = why;
  pthread_cond_broadcast(&v->changed);
  pthread_mutex_unlock(&v->lock);
}

static void *work(void *context) {
  Worker *w = context;
  Eval *v = w->all;
  uint64_t n, number;
  for (bool ok = true; ok && (n = read_block(w, &number)) > 0;) {
    size_t length = make_text(w, n);
    ok = wait_for_turn(v, number);
    errno = EIO; /* of a stream that does not say why */
    bool failed = ok && fwrite(w->text, 1, length, v->out) != length;
    end_turn(v, failed ? errno : 0);
    ok &= !failed;
  }
  return NULL;
}

/* All blocks. false: said why, unless writing failed. */
static bool stream(Eval *v) {
  uint32_t started = 1; /* the first is this thread */
  while (started < v->n_workers && pthread_create(&v->workers[started].thread, NULL, work, &v->workers[started]) == 0)
    started++;
  work(&v->workers[0]);
  for (uint32_t k = 1; k < started; k++) pthread_join(v->workers[k].thread, NULL);
  if (!v->sound) fprintf(stderr, "triwave: %s\n", tw_rt_csv_error(v->in));
  return v->sound;
}

/* A predictor and room for a block. false: *error */
static bool hire(Eval *v, Worker *w, uint32_t model, const double *shown, char **error) {
  uint64_t wide = v->m->out_width, each = v->c->derivative ? wide * v->m->in_width : 0;
  *w = (Worker){.all = v, .predictor = tw_rt_predictor_new(v->p, model, v->c->derivative, shown, error)};
  if (!w->predictor) return false;
  bool ok = (w->rows = malloc(v->rows * v->m->in_width * sizeof(double))) != NULL;
  ok &= (w->values = malloc((v->rows * wide + 1) * sizeof(double))) != NULL;
  ok &= (w->slopes = malloc((v->rows * each + 1) * sizeof(double))) != NULL;
  ok &= (w->text = malloc(v->rows * ((wide + each) * (TW_RT_NUMBER + 1) + 1))) != NULL;
  return ok;
}

static void dismiss(Worker *w) {
  tw_rt_predictor_free(w->predictor);
  free(w->rows);
  free(w->values);
  free(w->slopes);
  free(w->text);
}

/* Blocks are of as many rows as memory is small for. */
static bool make_workers(Eval *v, uint32_t model, const double *shown, char **error) {
  uint64_t a_row = v->m->in_width + v->m->out_width * (v->c->derivative ? 1 + v->m->in_width : 1);
  uint32_t threads = tw_cli_threads(v->c);
  v->rows = MOST_ROWS;
  while (v->rows > 1 && v->rows * a_row > MOST_REALS) v->rows /= 2;
  v->n_workers = threads < MOST_WORKERS ? threads : MOST_WORKERS;
  for (uint32_t k = 0; k < v->n_workers; k++)
    if (!hire(v, &v->workers[k], model, shown, error)) return false;
  return true;
}

static bool evaluate(Eval *v, uint32_t model, const double *shown) {
  char *error = NULL, **inputs = elements(v->m->inputs, v->m->n_inputs, v->m->in_width);
  bool ok = inputs && make_workers(v, model, shown, &error);
  if (ok) v->in = tw_rt_csv_open(v->c->data, (const char *const *)inputs, (uint32_t)v->m->in_width, !v->p->f64, &error);
  ok = v->in != NULL;
  if (!ok) fprintf(stderr, "triwave: %s\n", error ? error : "out of memory");
  free(error);
  if (ok) {
    write_header(v, inputs);
    ok = stream(v);
  }
  elements_free(inputs, v->m->in_width);
  return ok;
}

/* What -o names appears when it is whole. */
static bool to_file(Eval *v, uint32_t model, const double *shown) {
  TwRtFile f;
  char *error;
  if (!tw_rt_file_begin(&f, v->c->output, &error)) return tw_cli_said(error);
  v->out = f.out;
  bool ok = evaluate(v, model, shown);
  if (ok && !v->failed) return tw_rt_file_commit(&f, &error) || tw_cli_said(error);
  tw_rt_file_abandon(&f);
  return v->failed ? tw_cli_said(tw_rt_file_error("write", v->c->output, v->why)) : false;
}

int tw_cli_eval(const TwCli *c) {
  if (!c->data) {
    fprintf(stderr, "triwave: eval wants --data with a CSV file, or - for stdin\n");
    return TW_EXIT_USAGE;
  }
  TwTrained t;
  bool sound, ok = tw_cli_trained(c, TW_TRAINED_MODEL, &t, &sound);
  if (ok) {
    Eval v = {.c = c, .p = t.build.rt, .m = &t.build.rt->models[t.model], .out = stdout, .sound = true};
    pthread_mutex_init(&v.reading, NULL);
    pthread_mutex_init(&v.lock, NULL);
    pthread_cond_init(&v.changed, NULL);
    if (c->output) ok = to_file(&v, t.model, t.shown);
    else ok = evaluate(&v, t.model, t.shown), ok = tw_cli_stdout_ok() && ok;
    pthread_cond_destroy(&v.changed);
    pthread_mutex_destroy(&v.lock);
    pthread_mutex_destroy(&v.reading);
    tw_rt_csv_close(v.in);
    for (uint32_t k = 0; k < v.n_workers; k++) dismiss(&v.workers[k]);
  }
  tw_cli_trained_end(&t);
  return ok && sound ? TW_EXIT_OK : TW_EXIT_WRONG;
}
