/* forgotten.c COMPILER SOURCE BUILD: each struct of runtime/program.h in turn gets a field that
 * compiler/llvm/program.def does not know, the smallest there is, at its end and at its start: describe.c
 * must not compile. As it is, it must. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *read_all(const char *path) {
  FILE *f = fopen(path, "r");
  char *text = calloc(1, 1 << 20);
  if (!f || !text || fread(text, 1, (1 << 20) - 1, f) == 0) return NULL;
  fclose(f);
  return text;
}

/* program.h with `extra` put in before byte `at`. */
static int compiles(const char *compiler, const char *source, const char *build, const char *text, size_t at,
                    const char *extra) {
  char path[2048], command[8192];
  snprintf(path, sizeof path, "%s/runtime", build);
  mkdir(path, 0777);
  snprintf(path, sizeof path, "%s/runtime/program.h", build);
  FILE *f = fopen(path, "w");
  if (!f) return -1;
  fprintf(f, "%.*s%s%s", (int)at, text, extra, text + at);
  if (fclose(f) != 0) return -1;
  snprintf(command, sizeof command,
           "'%s' -std=gnu11 -fsyntax-only '-I%s' '-I%s' '%s/compiler/llvm/describe.c' 2>/dev/null", compiler, build,
           source, source);
  int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) == 0 : -1;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  char header[2048];
  snprintf(header, sizeof header, "%s/runtime/program.h", argv[2]);
  char *text = read_all(header);
  if (!text) return printf("cannot read %s\n", header), 1;
  int failures = compiles(argv[1], argv[2], argv[3], text, 0, "") != 1, structs = 0;
  if (failures) puts("program.def does not fit the header as it is");
  for (const char *s = text; (s = strstr(s, "typedef struct TwRt")); s++) {
    const char *open = strchr(s, '{'), *end = strstr(s, "\n} TwRt");
    if (strncmp(s, "typedef struct TwRtCall ", 24) == 0) continue; /* no table holds one, */
    if (strncmp(s, "typedef struct TwRtPool ", 24) == 0) continue; /* nor of these */
    if (!open || !end) return puts("a struct was not understood"), 1;
    structs++;
    for (int k = 0; k < 2; k++) {
      const char *at = k ? open + 1 : end;
      if (compiles(argv[1], argv[2], argv[3], text, (size_t)(at - text), " bool forgotten;") == 0) continue;
      printf("a field %s of %.40s … is not missed\n", k ? "at the start" : "at the end", s);
      failures++;
    }
  }
  printf("%d structs, %d fields forgotten, %d not missed\n", structs, 2 * structs, failures);
  free(text);
  return failures != 0 || structs < 15;
}
