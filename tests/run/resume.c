/* resume.c TRIWAVE PROGRAM kill|int TIMES SEED [options of run]: a run that is stopped at random moments, again and
 * again, and resumed until it is done, ends as the one that was never stopped: weights, metrics and summary are the
 * same, byte by byte but for the seconds. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "tests/run/json.h"

enum { MOST_ARGS = 40, MOST_STOPS = 4, MORE = 20 /* runs, if none was stopped in time */ };

static uint64_t state;
static double uniform(void) { /* Knuth's MMIX generator */
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) / 9007199254740992.0;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void wait_seconds(double s) {
  struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
  nanosleep(&t, NULL);
}

static pid_t start(char **argv, const char *err) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  int null = open("/dev/null", O_WRONLY), log = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(null, 1);
  dup2(log, 2);
  execv(argv[0], argv);
  _exit(127);
}

/* Runs it, stopped after `stop` seconds (negative: never). The exit code; -1: it was killed. */
static int run(char **argv, const char *err, double stop, int sig) {
  int status;
  pid_t pid = start(argv, err);
  if (stop >= 0) {
    wait_seconds(stop);
    kill(pid, sig);
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Everything that must be the same, as one text. malloc'ed */
static char *result_of(const char *folder) {
  char command[1200];
  snprintf(
      command, sizeof command,
      "cd %s && for f in $(find . -name metrics.csv | sort); do echo $f; sed 's/,[^,]*$//' $f | LC_ALL=C sort; done; "
      "for f in $(find . -name '*.safetensors' | sort); do sha256sum $f; done; sed 's/\"seconds\": [^}]*}/}/' "
      "summary.json; "
      "find . -name '*.part'",
      folder);
  int code;
  return run_text(command, &code);
}

static void show_file(const char *path) {
  FILE *in = fopen(path, "r");
  for (int c; in && (c = fgetc(in)) != EOF;) fputc(c, stderr);
  if (in) fclose(in);
}

static bool remove_folder(const char *folder) {
  char command[600];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command) == 0;
}

static bool exists(const char *folder, const char *name) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return access(path, F_OK) == 0;
}

/* One run, stopped up to MOST_STOPS times. How often; -1: it went wrong. *saved: how often with something to go on
 * from. */
static int interrupted_run(char **new_run, char **resume, const char *folder, const char *err, double seconds, int sig,
                           int *saved) {
  int stopped = 0;
  remove_folder(folder);
  for (int k = 0;; k++) {
    char **argv = exists(folder, "run.json") ? resume : new_run;
    int code = run(argv, err, k < MOST_STOPS ? uniform() * seconds * (k ? 0.5 : 1.05) : -1, sig);
    if (code == 0) return stopped;
    if (code != (sig == SIGKILL ? -1 : 1) || k == MOST_STOPS) {
      /* SIGINT before there is a handler ends the process as well */
      if (sig == SIGINT && code == -1) continue;
      fprintf(stderr, "exit %d after %d stops:\n", code, k);
      show_file(err);
      return -1;
    }
    stopped++;
    *saved += exists(folder, "checkpoint") || exists(folder, "checkpoint.old");
  }
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  char in_memory[] = "/dev/shm/tw-resume-XXXXXX", on_disk[] = "/tmp/tw-resume-XXXXXX"; /* syncs are free in memory */
  char *dir = access("/dev/shm", W_OK) == 0 ? in_memory : on_disk, reference[64], folder[64], err[64];
  if (!mkdtemp(dir)) return 2;
  snprintf(reference, sizeof reference, "%s/whole", dir);
  snprintf(folder, sizeof folder, "%s/stopped", dir);
  snprintf(err, sizeof err, "%s/err", dir);
  int sig = strcmp(argv[3], "int") == 0 ? SIGINT : SIGKILL, times = atoi(argv[4]), failed = 0, stops = 0, saved = 0,
      untouched = 0;
  state = strtoull(argv[5], NULL, 10);
  char *whole[MOST_ARGS] = {argv[1], "run", argv[2], "--quiet", "--out", reference}, *part[MOST_ARGS];
  for (int k = 6; k < argc && k + 6 < MOST_ARGS; k++) whole[k] = argv[k];
  int n = argc > 6 ? argc : 6;
  memcpy(part, whole, sizeof part);
  part[5] = folder;
  part[n] = "--checkpoint-every";
  part[n + 1] = "0";
  char *resume[] = {argv[1], "run", "--resume", folder, "--quiet", "--checkpoint-every", "0", NULL};
  int first = run(whole, err, -1, 0); /* fills the cache of code */
  remove_folder(reference);
  if (first != 0 || run(whole, err, -1, 0) != 0) return show_file(err), 1;
  char *want = result_of(reference);
  remove_folder(folder); /* how long one takes that saves all the time */
  double begun = now();
  if (run(part, err, -1, 0) != 0) return show_file(err), 1;
  double longest = now() - begun, seconds = longest;
  for (int k = 0; k < times || (saved == 0 && failed == 0 && k < times + MORE); k++) {
    int s = interrupted_run(part, resume, folder, err, seconds, sig, &saved);
    char *is = s >= 0 ? result_of(folder) : NULL;
    if (!is || strcmp(is, want) != 0) {
      failed++;
      if (is) {
        FILE *a = fopen("/tmp/tw-resume-want", "w"), *b = fopen("/tmp/tw-resume-is", "w");
        if (a) fputs(want, a), fclose(a);
        if (b) fputs(is, b), fclose(b);
        fprintf(stderr,
                "run %d, stopped %d times, ends differently: compare /tmp/tw-resume-want and /tmp/tw-resume-is\n", k,
                s);
      }
    }
    stops += s > 0 ? s : 0;
    untouched += s == 0;
    if (s == 0) seconds *= 0.7; /* it was timed when the machine had more to do */
    free(is);
  }
  printf("%d runs of up to %.2f s, stopped %d times by %s, %d of these with a checkpoint, %d runs never: %d end "
         "differently\n",
         times, longest, stops, argv[3], saved, untouched, failed);
  free(want);
  remove_folder(dir);
  return failed != 0 || saved == 0;
}
