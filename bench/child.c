/* child.c: runs another program, with its times and its memory. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

_Noreturn static void become(const char *const *argv, int out) {
  int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, 0);
  dup2(out, 1);
  dup2(nothing, 2);
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  execvp(argv[0], (char *const *)(uintptr_t)argv);
  _exit(127);
}

/* Everything that comes through the pipe until it is closed or time is up. */
static char *drain(int from, double until, bool *timed_out) {
  size_t len = 0, cap = 65536;
  char *text = malloc(cap);
  if (!text) abort();
  for (;;) {
    double left = until - tw_bench_wall();
    struct pollfd p = {.fd = from, .events = POLLIN};
    int ready = left > 0 ? poll(&p, 1, (int)(left * 1000) + 1) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      *timed_out = true;
      break;
    }
    ssize_t n = read(from, text + len, cap - len - 1);
    if (n <= 0) break;
    len += (size_t)n;
    if (len + 1 == cap && !(text = realloc(text, cap *= 2))) abort();
  }
  text[len] = 0;
  return text;
}

TwBenchChild tw_bench_child(const char *const *argv, double limit) {
  TwBenchChild c = {0};
  int ends[2];
  if (pipe(ends) != 0) return c;
  double start = tw_bench_wall();
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    become(argv, ends[1]);
  }
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return c;
  }
  c.out = drain(ends[0], start + limit, &c.timed_out);
  close(ends[0]);
  if (c.timed_out) kill(pid, SIGKILL);
  int status = 0;
  struct rusage use;
  while (wait4(pid, &status, 0, &use) < 0 && errno == EINTR) {}
  c.wall = tw_bench_wall() - start;
  c.cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
          1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
  c.peak_mib = (double)use.ru_maxrss / 1024;
  c.ok = !c.timed_out && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return c;
}

cJSON *tw_bench_child_json(const char *const *argv, double limit, TwBenchChild *c) {
  *c = tw_bench_child(argv, limit);
  cJSON *object = c->ok && c->out ? cJSON_Parse(c->out) : NULL;
  free(c->out);
  c->out = NULL;
  return object;
}

double tw_bench_number(const cJSON *object, const char *name) {
  const cJSON *n = object ? cJSON_GetObjectItem(object, name) : NULL;
  return cJSON_IsNumber(n) ? n->valuedouble : NAN;
}
