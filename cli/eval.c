/* eval.c: triwave eval FILE|RUN --data CSV: train, or take what a run has kept, then write the model's value at each row
 * of the data.
 *
 * Two threads and a ring of blocks: one reads rows, the other evaluates, prints and writes them, in order. So a
 * file of any length goes through in constant memory, at nearly the pace at which it can be read. */
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

enum { ROWS = 16 * TW_RT_BLOCK, RING = 4 };

typedef struct Block {
  double *rows;
  int64_t n; /* 0: the end */
} Block;

typedef struct Eval {
  const TwCli *c;
  const TwRtProgram *p;
  const TwRtModel *m;
  TwRtPredictor *predictor;
  TwRtCsvStream *in;
  FILE *out;
  char *text;
  double *values, *slopes;
  /* the ring */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  Block ring[RING];
  uint64_t read, written; /* blocks; guarded */
  bool failed;            /* guarded: the writer has given up, … */
  int why;                /* … with this errno */
} Eval;

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

static bool write_block(Eval *v, const Block *b) {
  uint64_t n = (uint64_t)b->n, wide = v->m->out_width, each = wide * v->m->in_width;
  tw_rt_predict(v->predictor, n, b->rows, v->values);
  if (v->c->derivative) tw_rt_slopes(v->predictor, n, b->rows, v->slopes);
  char *at = v->text;
  for (uint64_t r = 0; r < n; r++) {
    at += print_row(at, v->values + r * wide, wide, true, v->p->f64);
    if (v->c->derivative) at += print_row(at, v->slopes + r * each, each, false, v->p->f64);
    *at++ = '\n';
  }
  size_t length = (size_t)(at - v->text);
  return fwrite(v->text, 1, length, v->out) == length;
}

static void *write_all(void *context) {
  Eval *v = context;
  for (;;) {
    pthread_mutex_lock(&v->lock);
    while (v->written == v->read) pthread_cond_wait(&v->changed, &v->lock);
    const Block *b = &v->ring[v->written % RING];
    pthread_mutex_unlock(&v->lock);
    bool ok = b->n > 0 && write_block(v, b), end = b->n <= 0;
    if (!ok && !end) v->why = errno;
    pthread_mutex_lock(&v->lock);
    v->written++;
    v->failed |= !ok && !end;
    pthread_cond_signal(&v->changed);
    pthread_mutex_unlock(&v->lock);
    if (!ok) return NULL;
  }
}

/* A block to read into; NULL if the writer has given up. */
static Block *next_block(Eval *v) {
  pthread_mutex_lock(&v->lock);
  while (v->read - v->written == RING && !v->failed) pthread_cond_wait(&v->changed, &v->lock);
  Block *b = v->failed ? NULL : &v->ring[v->read % RING];
  pthread_mutex_unlock(&v->lock);
  return b;
}

static void hand_on(Eval *v) {
  pthread_mutex_lock(&v->lock);
  v->read++;
  pthread_cond_signal(&v->changed);
  pthread_mutex_unlock(&v->lock);
}

/* Reads blocks until the end. false: said why, unless the writer failed, who has an errno. */
static bool stream(Eval *v) {
  pthread_t writer;
  if (pthread_create(&writer, NULL, write_all, v) != 0) {
    fprintf(stderr, "triwave: cannot start a thread\n");
    return false;
  }
  bool ok = true;
  for (bool more = true; more;) {
    Block *b = next_block(v);
    if (!b) break;
    b->n = tw_rt_csv_next(v->in, ROWS, b->rows);
    ok = b->n >= 0;
    more = b->n > 0;
    hand_on(v);
  }
  pthread_join(writer, NULL);
  if (!ok) fprintf(stderr, "triwave: %s\n", tw_rt_csv_error(v->in));
  return ok;
}

static bool make_room(Eval *v) {
  uint64_t wide = v->m->out_width, each = v->c->derivative ? wide * v->m->in_width : 0;
  bool ok = (v->values = malloc((ROWS * wide + 1) * sizeof(double))) != NULL;
  ok &= (v->slopes = malloc((ROWS * each + 1) * sizeof(double))) != NULL;
  ok &= (v->text = malloc(ROWS * ((wide + each) * (TW_RT_NUMBER + 1) + 1))) != NULL;
  for (int k = 0; k < RING; k++) ok &= (v->ring[k].rows = malloc(ROWS * v->m->in_width * sizeof(double))) != NULL;
  if (!ok) fprintf(stderr, "triwave: out of memory\n");
  return ok;
}

static bool evaluate(Eval *v, uint32_t model, const double *shown) {
  char *error = NULL, **inputs = elements(v->m->inputs, v->m->n_inputs, v->m->in_width);
  v->predictor = tw_rt_predictor_new(v->p, model, v->c->derivative, shown, &error);
  if (v->predictor && inputs)
    v->in = tw_rt_csv_open(v->c->data, (const char *const *)inputs, (uint32_t)v->m->in_width, &error);
  bool ok = v->in != NULL;
  if (!ok) fprintf(stderr, "triwave: %s\n", error ? error : "out of memory");
  free(error);
  if (ok && make_room(v)) {
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
    Eval v = {.c = c, .p = t.build.rt, .m = &t.build.rt->models[t.model], .out = stdout};
    pthread_mutex_init(&v.lock, NULL);
    pthread_cond_init(&v.changed, NULL);
    if (c->output) ok = to_file(&v, t.model, t.shown);
    else ok = evaluate(&v, t.model, t.shown), errno = v.failed ? v.why : 0, ok = tw_cli_stdout_ok() && ok;
    pthread_cond_destroy(&v.changed);
    pthread_mutex_destroy(&v.lock);
    tw_rt_csv_close(v.in);
    tw_rt_predictor_free(v.predictor);
    for (int k = 0; k < RING; k++) free(v.ring[k].rows);
    free(v.values);
    free(v.slopes);
    free(v.text);
  }
  tw_cli_trained_end(&t);
  return ok && sound ? TW_EXIT_OK : TW_EXIT_WRONG;
}
