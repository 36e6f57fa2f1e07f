/* agree.c CSV OUT [files]: linked with a program that `triwave build` compiled (net_program). Trains it step by step,
 * checks what triwave.h promises of nets, and writes its predictions at the rows of CSV (one column, x) as `triwave
 * eval` does: the two files must be the same, byte by byte. `files`: nets are saved and loaded, too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <triwave.h>
#include <unistd.h>

#include "runtime/number.h"

extern const tw_program net_program;

static int failed;
#define CHECK(cond)                                                                                                    \
  do                                                                                                                   \
    if (!(cond)) failed++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                                   \
  while (0)

/* The gradient of the loss against differences, in the coordinates of a program without bounded params. */
static void check_gradient(tw_net *net, const tw_stage_info *st) {
  double loss, same, *g = calloc(st->n_coordinates + 1, sizeof *g);
  CHECK(tw_net_loss(net, &loss, g, NULL));
  CHECK(tw_net_loss(net, &same, NULL, NULL));
  CHECK(fabs(loss - same) <= 1e-5 * fabs(loss) + 1e-12); /* eval and gradient may sum in other orders */
  double norm = 0;
  for (uint64_t i = 0; i < st->n_coordinates; i++) norm += g[i] * g[i];
  tw_step step;
  CHECK(tw_net_step(net, &step, NULL));
  CHECK(fabs(step.norm - sqrt(norm)) <= 1e-4 * step.norm + 1e-12);
  CHECK(fabs(step.loss - loss) <= 1e-5 * fabs(loss) + 1e-12);
  free(g);
}

static void check_setting(tw_net *net, const tw_program *p) {
  uint64_t n = tw_program_n_values(p);
  double *before = calloc(n + 1, sizeof *before), *after = calloc(n + 1, sizeof *after), x = 0.3, y[2];
  char *error = NULL;
  tw_net_values(net, before);
  CHECK(tw_net_predict(net, 0, 1, &x, &y[0], NULL));
  CHECK(tw_net_set_values(net, before, &error) && !error);
  tw_net_values(net, after);
  CHECK(memcmp(before, after, n * sizeof *before) == 0);
  tw_tensor_info t;
  CHECK(tw_program_tensor(p, tw_program_n_tensors(p) - 1, &t) && !t.is_param);
  double moved = before[t.at] + 1;
  CHECK(tw_net_set_tensor(net, tw_program_n_tensors(p) - 1, &moved, t.count + 1, &error) == false && error);
  tw_text_free(error);
  if (t.count == 1) { /* the bias of the output */
    CHECK(tw_net_set_tensor(net, tw_program_n_tensors(p) - 1, &moved, 1, NULL));
    CHECK(tw_net_predict(net, 0, 1, &x, &y[1], NULL));
    CHECK(fabs(y[1] - y[0] - 1) < 1e-5);
    CHECK(tw_net_set_values(net, before, NULL));
  }
  double bad = NAN;
  CHECK(tw_net_set_tensor(net, 99999, &bad, 1, &error) == false && error);
  tw_text_free(error);
  free(before);
  free(after);
}

/* A file with its byte number `at` from the end changed. */
static void damage(const char *path, long at) {
  FILE *f = fopen(path, "r+b");
  CHECK(f && fseek(f, -at, SEEK_END) == 0);
  int c = f ? fgetc(f) : EOF;
  CHECK(c != EOF && fseek(f, -at, SEEK_END) == 0 && fputc(c ^ 1, f) != EOF && fclose(f) == 0);
}

static void check_refused(bool done, char **error, const char *says) {
  CHECK(!done && *error && strstr(*error, says));
  tw_text_free(*error);
  *error = NULL;
}

/* Its training ends with these values. */
static void check_end(tw_net *net, const tw_program *p, const double *last) {
  uint64_t n = tw_program_n_values(p);
  double *got = calloc(n + 1, sizeof *got);
  CHECK(tw_net_train(net, NULL, NULL, NULL));
  tw_net_values(net, got);
  CHECK(memcmp(got, last, n * sizeof *got) == 0);
  free(got);
}

/* What is saved at some moment goes on with the same bits, in the midst of each stage. */
static void check_saving(const tw_program *p, tw_net *net, const char *saved, const double *last) {
  uint64_t n = tw_program_n_values(p);
  double *got = calloc(n + 1, sizeof *got), *want = calloc(n + 1, sizeof *want);
  char *error = NULL;
  tw_net *again = tw_net_new(p, 0, NULL);
  for (uint32_t stage = 0; stage < tw_program_n_stages(p); stage++) {
    tw_stage_info st;
    CHECK(tw_program_stage(p, stage, &st));
    bool ok = true;
    int64_t to = strcmp(st.optimizer, "adam") == 0 ? st.epochs / 3 : 5; /* the others may end before their epochs do */
    while (ok && (tw_net_stage(net) < stage || (tw_net_stage(net) == stage && tw_net_epoch(net) < to)))
      ok = tw_net_step(net, NULL, NULL);
    CHECK(ok && tw_net_stage(net) == stage);
    CHECK(tw_net_save(net, saved, &error) && !error);
    tw_net_values(net, want);
    CHECK(tw_net_load(again, saved, &error) && !error);
    tw_net_values(again, got);
    CHECK(memcmp(got, want, n * sizeof *got) == 0);
    CHECK(tw_net_stage(again) == stage && tw_net_epoch(again) == tw_net_epoch(net));
    check_end(again, p, last);
  }
  tw_net_free(again);
  free(got);
  free(want);
}

/* Files of a net whose training is done, what cannot be read, and that it leaves a net as it was. */
static void check_files(const tw_program *p, const double *last) {
  uint64_t n = tw_program_n_values(p);
  double *got = calloc(n + 1, sizeof *got), *last_of_other = calloc(n + 1, sizeof *last_of_other);
  char *error = NULL, dir[] = "/tmp/tw_agree_XXXXXX", saved[64], values[64];
  CHECK(mkdtemp(dir) != NULL);
  snprintf(saved, sizeof saved, "%s/net.state", dir);
  snprintf(values, sizeof values, "%s/net.safetensors", dir);
  tw_net *net = tw_net_new(p, 0, NULL), *again = tw_net_new(p, 0, NULL), *other = tw_net_new(p, 1, NULL);
  CHECK(net && again && other);
  CHECK(tw_net_train(other, NULL, NULL, NULL));
  tw_net_values(other, last_of_other);
  tw_net_free(other);
  other = tw_net_new(p, 1, NULL);
  check_saving(p, net, saved, last);
  check_end(net, p, last);
  for (int k = 0; k < 5; k++) CHECK(tw_net_step(other, NULL, NULL));
  check_refused(tw_net_load(other, saved, &error), &error, "of seed 0");
  CHECK(tw_net_save(net, saved, NULL) && tw_net_load(again, saved, NULL));
  CHECK(tw_net_stage(again) == tw_program_n_stages(p));
  check_end(again, p, last);
  CHECK(tw_net_write(net, values, NULL) && tw_net_read(again, values, &error) && !error);
  check_end(again, p, last);
  bool read = tw_net_read(other, values, &error); /* its weights may be a function of params now */
  if (!read) check_refused(read, &error, "is a function of params in stage"), check_end(other, p, last_of_other);
  damage(saved, 40);
  check_refused(tw_net_load(again, saved, &error), &error, saved);
  damage(values, 1); /* the last number's sign and exponent */
  read = tw_net_read(again, values, &error);
  tw_net_values(again, got);
  CHECK(read != (memcmp(got, last, n * sizeof *got) == 0));
  tw_text_free(error);
  error = NULL;
  CHECK(remove(saved) == 0 && remove(values) == 0);
  check_refused(tw_net_load(again, saved, &error), &error, saved);
  check_refused(tw_net_read(again, values, &error), &error, values);
  check_refused(tw_net_save(again, dir, &error), &error, dir);
  check_refused(tw_net_save(again, "/proc/nowhere/net", &error), &error, "/proc/nowhere/net");
  CHECK(rmdir(dir) == 0);
  tw_net_free(net);
  tw_net_free(again);
  tw_net_free(other);
  free(got);
  free(last_of_other);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const tw_program *p = &net_program;
  char *error;
  tw_net *net = tw_net_new(p, 0, &error), *other = tw_net_new(p, 0, &error);
  if (!net || !other) return printf("%s\n", error ? error : "?"), 1;
  tw_stage_info st;
  CHECK(tw_program_stage(p, 0, &st) && tw_net_stage(net) == 0 && tw_net_epoch(net) == 0);
  check_gradient(other, &st);
  double *values[2] = {calloc(tw_program_n_values(p) + 1, sizeof(double)),
                       calloc(tw_program_n_values(p) + 1, sizeof(double))};
  while (tw_net_stage(net) < tw_program_n_stages(p))
    if (!tw_net_step(net, NULL, &error)) return printf("%s\n", error), 1;
  CHECK(tw_net_train(other, NULL, NULL, NULL));
  tw_net_values(net, values[0]);
  tw_net_values(other, values[1]);
  CHECK(memcmp(values[0], values[1], tw_program_n_values(p) * sizeof(double)) == 0);
  CHECK(!tw_net_step(net, NULL, &error) && strstr(error, "all stages are done"));
  tw_text_free(error);

  FILE *in = fopen(argv[1], "r"), *out = fopen(argv[2], "w");
  char line[64];
  if (!in || !out || !fgets(line, sizeof line, in)) return printf("files\n"), 1;
  fprintf(out, "f\n");
  for (;;) {
    enum { ROWS = 1000 };
    double x[ROWS], y[ROWS];
    uint64_t n = 0;
    while (n < ROWS && fgets(line, sizeof line, in)) x[n++] = strtod(line, NULL);
    if (!n) break;
    CHECK(tw_net_predict(net, 0, n, x, y, NULL));
    for (uint64_t k = 0; k < n; k++) {
      char text[TW_RT_NUMBER + 1];
      text[tw_rt_number(text, y[k], tw_program_is_f64(p))] = 0;
      fprintf(out, "%s\n", text);
    }
  }
  fclose(in);
  CHECK(fclose(out) == 0);
  if (argc > 3) check_files(p, values[0]);
  check_setting(net, p);
  tw_net_free(net);
  tw_net_free(other);
  free(values[0]);
  free(values[1]);
  return failed != 0;
}
