/* faults.c TRIWAVE FAULT.so STEP FIRST [SCENARIO…]: every verb that writes, with each of its calls failing in turn
 * (fault.c): full disk, broken disk, short writes; once, or from there on. STEP: every STEP-th of these, from number
 * FIRST.
 *
 * What must hold: the exit code is 0 and the result is the right one, or it is 1 and a message names a file and the
 * reason. Of each scenario at least one call must have failed; one whose tool is not there is named and left out.
 * Whatever happened, files are as they were before or as they should be; a run is gone on with, or begun again, without
 * faults, and ends as one that had none; no temporary file is left then. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ARGS = 24 };

static const char *triwave, *library;
static const char *counts;                                   /* the folder in which calls fail */
static char dir[64], data[80], says[80], err[80], cache[80]; /* data: what counts */
static long step, first, all, failed_calls, wrong;

static const char *const program =
    "import triwave\n"
    "const depth = 3\n"
    "const epochs = 30\n"
    "data train = grid(x in [0, 1], 64) -> x ^ 3\n"
    "param peak  : real[depth + 1] in (0, 1) by clip(0.02) ~ uniform(0.3, 0.7)\n"
    "param scale : real in (0, inf) by clip(1e-6) = (1 - peak[0]) * peak[1]\n"
    "weights net = triwave.set_weights(peak, triwave.smooth_ratios(peak, scale), mix = -1)\n"
    "model f(x: real) -> real = triwave.forward(net, x)\n"
    "loss = mse(f, train)\n"
    "stage first { train peak, scale; adam(rate = 1e-3); epochs epochs }\n"
    "stage second { train net; adam(rate = 1e-3); epochs epochs; batch 16 of train }\n";

/* ---- processes and files */

static char *path_in(const char *folder, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", folder, name) < 0) abort();
  return path;
}

static char *read_file(const char *path, size_t *n) {
  FILE *in = fopen(path, "rb");
  char *bytes = NULL;
  size_t cap = 0;
  *n = 0;
  if (!in) return NULL;
  do {
    cap = cap ? 2 * cap : 1 << 16;
    bytes = realloc(bytes, cap + 1);
    *n += fread(bytes + *n, 1, cap - *n, in);
  } while (*n == cap);
  fclose(in);
  bytes[*n] = 0;
  return bytes;
}

static void write_file(const char *path, const char *text) {
  FILE *out = fopen(path, "wb");
  if (!out || fputs(text, out) < 0 || fclose(out) != 0) perror(path), exit(2);
}

static void shell(const char *fmt, ...) {
  va_list ap;
  char *command;
  va_start(ap, fmt);
  if (vasprintf(&command, fmt, ap) < 0) abort();
  va_end(ap);
  if (system(command) != 0) fprintf(stderr, "failed: %s\n", command), exit(2);
  free(command);
}

static pid_t start(char *const *argv, const char *fault) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  int null = open("/dev/null", O_RDWR), log = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(null, 0), dup2(null, 1), dup2(log, 2);
  setenv("XDG_CACHE_HOME", cache, 1);
  if (fault)
    setenv("TW_FAULT", fault, 1), setenv("TW_FAULT_ROOT", counts, 1), setenv("TW_FAULT_SAYS", says, 1),
        setenv("LD_PRELOAD", library, 1);
  execv(argv[0], argv);
  _exit(127);
}

/* The exit code; 128 and more: it was killed. */
static int run(char *const *argv, const char *fault) {
  int status;
  pid_t pid = start(argv, fault);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- what a run leaves, as one text: all that must be the same. Paths go first, so that order does not matter */

static FILE *sum;
static bool parts; /* a temporary file is there */

static bool ends(const char *s, const char *with) {
  size_t n = strlen(s), m = strlen(with);
  return n >= m && strcmp(s + n - m, with) == 0;
}

static void put_bytes(const char *bytes, size_t n) {
  uint64_t hash = 14695981039346656037u;
  for (size_t k = 0; k < n; k++) hash = (hash ^ (unsigned char)bytes[k]) * 1099511628211u;
  fprintf(sum, "%zu bytes, %016llx\n", n, (unsigned long long)hash);
}

/* Lines without their last field, the seconds. */
static void put_metrics(char *text) {
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    char *comma = strrchr(line, ',');
    fprintf(sum, "%.*s\n", comma ? (int)(comma - line) : 0, line);
  }
}

/* Without the seconds, and the objects of them. */
static void put_summary(const char *text) {
  static const char key[] = "\"seconds\": ";
  for (const char *at; (at = strstr(text, key)); text = at) {
    fprintf(sum, "%.*s", (int)(at - text), text);
    at += sizeof key - 1;
    at += *at == '{' ? strcspn(at, "}") : strcspn(at, ",}");
  }
  fputs(text, sum);
}

static int put_one(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)st, (void)at;
  size_t n;
  parts |= ends(path, ".part");
  bool metrics = ends(path, "metrics.csv"), summary = ends(path, "summary.json");
  if (type != FTW_F || (!metrics && !summary && !ends(path, ".safetensors"))) return 0;
  char *bytes = read_file(path, &n);
  fprintf(sum, "%s: ", path);
  if (metrics) put_metrics(bytes);
  else if (summary) put_summary(bytes);
  else put_bytes(bytes, n);
  free(bytes);
  return 0;
}

static int by_line(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static char *result_of(const char *folder) {
  char *text = NULL, *lines[4096];
  size_t n, count = 0;
  parts = false;
  sum = open_memstream(&text, &n);
  nftw(folder, put_one, 16, FTW_PHYS);
  fclose(sum);
  for (char *line = strtok(text, "\n"); line && count < 4096; line = strtok(NULL, "\n")) lines[count++] = line;
  qsort(lines, count, sizeof *lines, by_line);
  char *sorted = calloc(n + 2, 1);
  for (size_t k = 0, to = 0; k < count; k++) to += (size_t)sprintf(sorted + to, "%s\n", lines[k]);
  free(text);
  return sorted;
}

/* ---- one fault */

typedef struct Scenario {
  const char *name;
  bool of_cache; /* the cache is what counts: nothing that fails in it is an error */
  bool is_run, needs_gnuplot, needs_cc;
  const char *files[2];        /* that it writes into `data`; of a run: its folder */
  const char *argv[MOST_ARGS]; /* after the command; @ stands for `data`, % for the folder of the rest */
  const char *before;          /* a shell command that makes what is there before; in it, too */
} Scenario;

static char *want[2]; /* what the scenario leaves without a fault; the second of two files */
static size_t want_n[2];
static char *was[2];
static size_t was_n[2];

static char *filled(const char *text) {
  char *out = NULL;
  size_t n;
  FILE *to = open_memstream(&out, &n);
  for (; *text; text++)
    if (*text == '@') fputs(data, to);
    else if (*text == '%') fputs(dir, to);
    else fputc(*text, to);
  fclose(to);
  return out;
}

static void prepare(const Scenario *s) {
  char *before = filled(s->before ? s->before : "true");
  shell("rm -rf '%s' && mkdir '%s' && cd '%s' && %s", data, data, dir, before);
  free(before);
}

static void complain(const Scenario *s, const char *fault, const char *what) {
  size_t n;
  char *said = read_file(err, &n), *which = read_file(says, &n);
  fprintf(stderr, "%s, %s: %s\n  failed: %s  said: %s", s->name, fault, what, which ? which : "nothing\n",
          said ? said : "nothing\n");
  free(said), free(which);
  wrong++;
}

/* A sentence with a path and the reason. */
static bool has_message(int why) {
  size_t n;
  char *said = read_file(err, &n);
  bool ok = said && strstr(said, "triwave: ") && strstr(said, "'") && strstr(said, strerror(why));
  free(said);
  return ok;
}

static bool same_file(const char *path, const char *bytes, size_t n) {
  size_t is_n;
  char *is = read_file(path, &is_n);
  bool same = is && bytes ? is_n == n && memcmp(is, bytes, n) == 0 : !is && !bytes;
  free(is);
  return same;
}

static void check_files(const Scenario *s, const char *fault, int code) {
  for (int k = 0; k < 2 && s->files[k]; k++) {
    char *path = path_in(data, s->files[k]);
    bool right = same_file(path, want[k], want_n[k]);
    if (code == 0 && !right) complain(s, fault, "exit 0, and a file is not what it should be");
    if (code == 1 && !right && !same_file(path, was[k], was_n[k]))
      complain(s, fault, "a file is neither what it was nor what it should be");
    free(path);
  }
}

/* Goes on, or begins again, without faults. */
static void check_run(const Scenario *s, const char *fault, char *const *argv, int code) {
  char *folder = path_in(data, s->files[0]), *json = path_in(folder, "run.json");
  char *const show[] = {(char *)(uintptr_t)triwave, "show", folder, NULL};
  char *const resume[] = {(char *)(uintptr_t)triwave, "run", "--resume", folder, "--quiet", "--threads", "1", NULL};
  bool there = access(json, F_OK) == 0;
  if (code == 1) {
    if (run(show, NULL) != !there) complain(s, fault, "show does not say what is there");
    if (run(there ? resume : argv, NULL) != 0) complain(s, fault, "it cannot be gone on with");
  }
  char *is = result_of(folder);
  if (strcmp(is, want[0]) != 0)
    complain(s, fault, code ? "gone on with, it ends differently" : "exit 0, and it ends differently");
  if (parts) complain(s, fault, "a temporary file is left");
  free(is), free(folder), free(json);
}

/* Right now, and right again with what the cache has kept. */
static void check_cache(const Scenario *s, const char *fault, char *const *argv) {
  char *folder = path_in(data, s->files[0]);
  for (int k = 0; k < 2; k++) {
    char *is = result_of(folder);
    if (strcmp(is, want[0]) != 0)
      complain(s, fault, k ? "with what is in the cache, it ends differently" : "it ends differently");
    free(is);
    shell("rm -rf '%s'", folder);
    if (k == 0 && run(argv, NULL) != 0) complain(s, fault, "with what is in the cache, it fails");
  }
  free(folder);
}

static void try_fault(const Scenario *s, char *const *argv, const char *kind, long n, int why, bool on) {
  char fault[64];
  snprintf(fault, sizeof fault, "%s:%ld:%d%s", kind, n, why, on ? ":on" : "");
  prepare(s);
  unlink(says);
  int code = run(argv, fault);
  bool happened = access(says, F_OK) == 0; /* how many calls there are depends on the clock */
  failed_calls += happened;
  if (code != 0 && !(code == 1 && happened))
    complain(s, fault, happened ? "neither exit 0 nor 1" : "it fails though no call has failed");
  if (!happened) return;
  if (code == 1 && !has_message(why)) complain(s, fault, "exit 1 without a message with file and reason");
  if (code == 1 && strcmp(kind, "short") == 0) complain(s, fault, "a short write is no error");
  if (s->of_cache && code != 0) complain(s, fault, "a cache that fails is an error");
  if (s->of_cache) check_cache(s, fault, argv);
  else if (s->is_run) check_run(s, fault, argv, code);
  else check_files(s, fault, code);
}

/* ---- all faults of a scenario */

static const struct {
  const char *kind;
  int why;
  bool on;
} faults[] = {{"open", ENOSPC, false},  {"open", EIO, false},     {"write", ENOSPC, false}, {"write", ENOSPC, true},
              {"write", EIO, false},    {"short", 0, false},      {"short", 0, true},       {"fsync", EIO, false},
              {"fsync", ENOSPC, true},  {"rename", EIO, false},   {"rename", ENOSPC, true}, {"close", EIO, false},
              {"close", ENOSPC, false}, {"mkdir", ENOSPC, false}, {"read", EIO, false}};
enum { N_FAULTS = sizeof faults / sizeof *faults };

static void keep(const Scenario *s, char **to, size_t *n) {
  for (int k = 0; k < 2 && s->files[k]; k++) {
    char *path = path_in(data, s->files[k]);
    free(to[k]);
    to[k] = s->is_run ? result_of(path) : read_file(path, &n[k]);
    free(path);
  }
}

static bool has_program(const char *name) {
  char command[64];
  snprintf(command, sizeof command, "command -v %s >/dev/null", name);
  return system(command) == 0;
}

/* How many calls of each kind there are: lines "kind n". malloc'ed */
static char *count_calls(const Scenario *s, char *const *argv) {
  size_t n;
  prepare(s);
  unlink(says);
  if (run(argv, "count:0:0") != 0) complain(s, "no fault", "it fails when calls are only counted");
  return read_file(says, &n);
}

static long count_of(const char *counts_text, const char *kind) {
  const char *at = counts_text ? strstr(counts_text, kind) : NULL;
  return at ? strtol(at + strlen(kind) + 1, NULL, 10) : 0;
}

/* The k-th of all faults of a scenario. */
static void try_number(const Scenario *s, char *const *argv, const char *numbers, long k) {
  for (int f = 0; f < N_FAULTS; f++) {
    long count = count_of(numbers, faults[f].kind);
    if (k < count) {
      try_fault(s, argv, faults[f].kind, k + 1, faults[f].why, faults[f].on);
      return;
    }
    k -= count;
  }
}

static void try_all(const Scenario *s) {
  char *argv[MOST_ARGS + 2] = {(char *)(uintptr_t)triwave};
  counts = s->of_cache ? cache : data;
  if ((s->needs_gnuplot && !has_program("gnuplot")) || (s->needs_cc && !has_program("cc"))) {
    printf("%-12s not tried: %s is not there\n", s->name, s->needs_cc ? "cc" : "gnuplot");
    return;
  }
  for (int k = 0; s->argv[k]; k++) argv[k + 1] = filled(s->argv[k]);
  prepare(s);
  keep(s, was, was_n);
  if (run(argv, NULL) != 0) {
    complain(s, "no fault", "it fails");
    return;
  }
  keep(s, want, want_n);
  long before = failed_calls, of = 0;
  char *numbers = count_calls(s, argv);
  for (int f = 0; f < N_FAULTS; f++) of += count_of(numbers, faults[f].kind);
  for (long k = 0; k < of; k++)
    if (all++ % step == first) try_number(s, argv, numbers, k);
  /* One at the least, whatever the step. */
  for (long k = of / 2; failed_calls == before && k < of; k++) try_number(s, argv, numbers, k);
  if (failed_calls == before) complain(s, "all faults", "no call has failed");
  free(numbers);
  for (int k = 0; k < 2; k++) free(want[k]), free(was[k]), want[k] = was[k] = NULL;
  for (int k = 1; argv[k]; k++) free(argv[k]);
  printf("%-12s %5ld of %5ld calls failed\n", s->name, failed_calls - before, of);
  fflush(stdout);
}

/* ---- the scenarios */

#define RUN "--quiet", "--seeds", "3", "--threads", "1", "--checkpoint-every", "0"

static const Scenario scenarios[] = {
    {.name = "run", .is_run = true, .files = {"run"}, .argv = {"run", "%/p.tw", "--out", "@/run", RUN}},
    {.name = "jobs",
     .is_run = true,
     .files = {"run"},
     .argv = {"run", "%/p.tw", "--sweep", "epochs=3,5", "--out", "@/run", RUN}},
    {.name = "resume",
     .is_run = true,
     .files = {"run"},
     .argv = {"run", "--resume", "@/run", "--quiet", "--threads", "1", "--checkpoint-every", "0"},
     .before = "cp -r stopped @/run"},
    {.name = "cache",
     .of_cache = true,
     .is_run = true,
     .files = {"run"},
     .argv = {"run", "%/p.tw", "-D", "epochs=4", "--out", "@/run", RUN},
     .before = "rm -rf cache"},
    {.name = "export c",
     .files = {"net.c", "net.h"},
     .argv = {"export", "%/p.tw", "--to", "c", "-o", "@/net.c"},
     .before = "echo old >@/net.c"},
    {.name = "safetensors",
     .files = {"net.safetensors"},
     .argv = {"export", "%/p.tw", "--to", "safetensors", "-o", "@/net.safetensors"},
     .before = "echo old >@/net.safetensors"},
    {.name = "build .o",
     .files = {"net.o", "net.h"},
     .argv = {"build", "%/p.tw", "-o", "@/net.o"},
     .before = "echo old >@/net.o"},
    {.name = "build .a",
     .files = {"libnet.a", "net.h"},
     .argv = {"build", "%/p.tw", "-o", "@/libnet.a"},
     .before = "echo old >@/net.h"},
    {.name = "build .so",
     .needs_cc = true,
     .files = {"libnet.so", "net.h"},
     .argv = {"build", "%/p.tw", "-o", "@/libnet.so"},
     .before = "echo old >@/libnet.so"},
    {.name = "emit",
     .files = {"f.ir"},
     .argv = {"emit", "%/p.tw", "--as", "opt", "-o", "@/f.ir"},
     .before = "echo old >@/f.ir"},
    {.name = "emit obj", .files = {"f.o"}, .argv = {"emit", "%/p.tw", "--as", "obj", "-o", "@/f.o"}},
    {.name = "eval",
     .files = {"out.csv"},
     .argv = {"eval", "%/p.tw", "--data", "%/in.csv", "-o", "@/out.csv"},
     .before = "echo old >@/out.csv"},
    {.name = "regions",
     .files = {"r.csv"},
     .argv = {"regions", "%/p.tw", "--format", "csv", "-o", "@/r.csv"},
     .before = "echo old >@/r.csv"},
    {.name = "jac",
     .files = {"j.npy"},
     .argv = {"jac", "%/p.tw", "--format", "npy", "-o", "@/j.npy"},
     .before = "echo old >@/j.npy"},
    {.name = "plot",
     .needs_gnuplot = true,
     .files = {"l.svg"},
     .argv = {"plot", "%/run", "--figure", "loss", "-o", "@/l.svg"},
     .before = "echo old >@/l.svg"},
    {.name = "compare",
     .needs_gnuplot = true,
     .files = {"l.svg"},
     .argv = {"compare", "%/run", "%/stopped", "--plot", "@/l.svg"},
     .before = "echo old >@/l.svg"},
    {.name = "fmt", .files = {"p.tw"}, .argv = {"fmt", "-w", "@/p.tw"}, .before = "cp p.tw @/p.tw"},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof *scenarios };

static bool has_lines(const char *path) {
  size_t n;
  char *text = read_file(path, &n);
  const char *second = text ? strchr(text, '\n') : NULL;
  bool yes = second && strchr(second + 1, '\n');
  free(text);
  return yes;
}

/* A run that was told to stop as soon as it trained, and that has readings. */
static void make_stopped(void) {
  char *folder = path_in(dir, "stopped"), *metrics = path_in(folder, "metrics.csv"), *p = path_in(dir, "p.tw");
  char *argv[] = {(char *)(uintptr_t)triwave, "run", p, "-D", "epochs=3000", "--out", folder, RUN, NULL};
  struct timespec a_while = {0, 1000000};
  int code = 0;
  for (int k = 0; k < 50 && !(code == 1 && has_lines(metrics)); k++) {
    shell("rm -rf '%s'", folder);
    int status;
    pid_t pid = start(argv, NULL);
    while (access(metrics, F_OK) != 0 && waitpid(pid, &status, WNOHANG) == 0) nanosleep(&a_while, NULL);
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }
  if (code != 1 || !has_lines(metrics)) fprintf(stderr, "no run could be stopped\n"), exit(2);
  free(folder), free(metrics), free(p);
}

static void begin(void) {
  char in_memory[] = "/dev/shm/tw-faults-XXXXXX", on_disk[] = "/tmp/tw-faults-XXXXXX"; /* syncs are free in memory */
  char *made = access("/dev/shm", W_OK) == 0 ? mkdtemp(in_memory) : mkdtemp(on_disk);
  if (!made) perror("mkdtemp"), exit(2);
  snprintf(dir, sizeof dir, "%s", made);
  snprintf(data, sizeof data, "%s/data", dir);
  snprintf(says, sizeof says, "%s/says", dir);
  snprintf(err, sizeof err, "%s/err", dir);
  snprintf(cache, sizeof cache, "%s/cache", dir);
  char *p = path_in(dir, "p.tw"), *in = path_in(dir, "in.csv"), *folder = path_in(dir, "run");
  write_file(p, program);
  write_file(in, "x\n0\n0.25\n0.5\n1\n");
  char *argv[] = {(char *)(uintptr_t)triwave, "run", p, "--out", folder, RUN, NULL};
  if (run(argv, NULL) != 0) fprintf(stderr, "the program cannot be run\n"), exit(2);
  make_stopped();
  free(p), free(in), free(folder);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  triwave = argv[1];
  library = argv[2];
  step = atol(argv[3]);
  first = atol(argv[4]) % step;
  begin();
  for (int k = 0; k < N_SCENARIOS; k++) {
    bool asked = argc == 5;
    for (int a = 5; a < argc; a++) asked |= strcmp(argv[a], scenarios[k].name) == 0;
    if (asked) try_all(&scenarios[k]);
  }
  printf("%ld calls failed, %ld results were wrong\n", failed_calls, wrong);
  shell("rm -rf '%s'", dir);
  return wrong != 0 || failed_calls == 0;
}
