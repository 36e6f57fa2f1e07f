/* expect.c: runs a command on a program and looks for what the program's comments promise.
 *
 *   test_probe_expect FILE STATUS COMMAND…     the command gets FILE as its last argument
 *
 * Each comment `//! text` of the file must occur in what the command writes, in that order; the exit status
 * must be STATUS. A file that promises nothing fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char *read_all(FILE *in) {
  size_t n = 0, cap = 1 << 16;
  char *text = malloc(cap);
  for (;;) {
    if (!text) abort();
    size_t got = fread(text + n, 1, cap - n - 1, in);
    if (got == 0) break;
    n += got;
    if (cap - n < 2) text = realloc(text, cap *= 2);
  }
  text[n] = 0;
  return text;
}

static char *run(int argc, char **argv, int *status) {
  size_t n = 16;
  for (int k = 3; k < argc; k++) n += strlen(argv[k]) + 3;
  char *command = malloc(n + strlen(argv[1]) + 8);
  if (!command) abort();
  command[0] = 0;
  for (int k = 3; k < argc; k++) {
    strcat(command, "'");
    strcat(command, argv[k]);
    strcat(command, "' ");
  }
  strcat(command, "'");
  strcat(command, argv[1]);
  strcat(command, "' 2>&1");
  FILE *out = popen(command, "r");
  free(command);
  if (!out) abort();
  char *text = read_all(out);
  int code = pclose(out);
  *status = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
  return text;
}

int main(int argc, char **argv) {
  FILE *in = argc > 3 ? fopen(argv[1], "r") : NULL;
  if (!in) return fprintf(stderr, "usage: test_probe_expect FILE STATUS COMMAND…\n"), 2;
  char *program = read_all(in);
  fclose(in);
  int status, failures = 0, promised = 0;
  char *said = run(argc, argv, &status);
  const char *at = said;
  for (char *line = strtok(program, "\n"); line; line = strtok(NULL, "\n")) {
    if (strncmp(line, "//! ", 4) != 0) continue;
    promised++;
    const char *found = strstr(at, line + 4);
    if (found) at = found + strlen(line + 4);
    else failures++, fprintf(stderr, "not found (in order): %s\n", line + 4);
  }
  if (status != atoi(argv[2])) failures++, fprintf(stderr, "exit status %d, not %s\n", status, argv[2]);
  if (!promised) failures++, fprintf(stderr, "the file promises nothing\n");
  if (failures) fprintf(stderr, "the command said:\n%s", said);
  free(program);
  free(said);
  return failures != 0;
}
