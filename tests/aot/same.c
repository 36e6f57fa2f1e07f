/* same.c TRIWAVE PROGRAM PRECISION VARIANT SEEDS ALONE: what the linked program ALONE prints against `run
 * --json` of the source it was compiled from. All but seconds must be equal, every bit of every number. */
#include "tests/run/json.h"

static char *text_of(const char *command, int *code) {
  cJSON *j = run_json(command, code);
  if (!j) return NULL;
  drop_seconds(j);
  char *text = cJSON_Print(j);
  cJSON_Delete(j);
  return text;
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  char run[4096], alone[4096];
  snprintf(run, sizeof run, "'%s' run '%s' --json --precision %s --variant %s --seeds %s", argv[1], argv[2], argv[3],
           argv[4], argv[5]);
  snprintf(alone, sizeof alone, "'%s' %s", argv[6], argv[5]);
  int code[2];
  char *a = text_of(run, &code[0]), *b = text_of(alone, &code[1]);
  if (!a || !b) return 1;
  if (code[0] != code[1]) return printf("exit codes differ: %d of run, %d alone\n", code[0], code[1]), 1;
  size_t k = 0;
  while (a[k] && a[k] == b[k]) k++;
  if (a[k] != b[k]) return printf("they differ:\nrun:   %.200s\nalone: %.200s\n", a + k, b + k), 1;
  printf("%zu bytes of JSON are the same, exit code %d\n", k, code[0]);
  free(a);
  free(b);
  return 0;
}
