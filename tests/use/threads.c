/* threads.c: libtriwave from several threads at once: programs compiled, trained and used side by side give the bits
 * that one alone gives; what is wrong comes back as a text, and nothing is printed. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/triwave.h"

enum { THREADS = 4, TURNS = 3, POINTS = 700 };

static const char right[] = "import nn\nimport init\n"
                            "data train = grid(x in [0, 1], 200) -> x ^ 2\n"
                            "weights net : nn.Mlp[1, 8, 2, 1] ~ init.kaiming\n"
                            "model f(x: real) -> real = nn.forward(net, [x])[0]\n"
                            "loss = mse(f, train)\n"
                            "stage all { train net; adam(rate = 1e-2); epochs 60; batch 50 of train }\n";
static const char wrong[] = "model f(x: real) -> real = y\n";

typedef struct Turn {
  const tw_program *shared;
  double y[POINTS];
  const char *failed;
} Turn;

static const char *use(const tw_program *p, double *y) {
  char *error;
  double x[POINTS];
  tw_net *net = tw_net_new(p, 7, &error);
  for (int k = 0; k < POINTS; k++) x[k] = k / (double)POINTS;
  bool ok = net && tw_net_train(net, NULL, NULL, &error) && tw_net_predict(net, 0, POINTS, x, y, &error);
  tw_net_free(net);
  return ok ? NULL : error;
}

static void *work(void *context) {
  Turn *t = context;
  char *error;
  for (int k = 0; k < TURNS && !t->failed; k++) {
    tw_compile_options o = {.no_cache = true};
    tw_program *bad = tw_program_compile(wrong, strlen(wrong), NULL, &error);
    if (bad || !error || !strstr(error, "text:1:"))
      return t->failed = "a wrong program is not refused with its place", NULL;
    tw_text_free(error);
    tw_program *own = tw_program_compile(right, strlen(right), &o, &error);
    if (!own) return t->failed = error, NULL;
    double y[POINTS];
    if (!(t->failed = use(own, t->y)) && !(t->failed = use(t->shared, y)) && memcmp(y, t->y, sizeof y) != 0)
      t->failed = "two programs of one text differ";
    tw_program_free(own);
  }
  return NULL;
}

int main(void) {
  char *error;
  tw_program *shared = tw_program_compile(right, strlen(right), NULL, &error);
  if (!shared) return printf("%s\n", error), 1;
  Turn alone = {.shared = shared}, turn[THREADS];
  work(&alone);
  pthread_t thread[THREADS];
  for (int k = 0; k < THREADS; k++) {
    turn[k] = (Turn){.shared = shared};
    if (pthread_create(&thread[k], NULL, work, &turn[k]) != 0) return 1;
  }
  bool ok = !alone.failed;
  if (!ok) printf("%s\n", alone.failed);
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    if (turn[k].failed) ok = false, printf("thread %d: %s\n", k, turn[k].failed);
    else if (memcmp(turn[k].y, alone.y, sizeof alone.y) != 0) ok = false, printf("thread %d has other bits\n", k);
  }
  tw_program_free(shared);
  return ok ? 0 : 1;
}
