/* same_bits.c TRIWAVE PROGRAM: P7 and P8: the same JSON, seconds aside, for one, two, three and five
 * threads and for 128, 256 and 512 bits; a seed alone equals itself among eight. */
#include "tests/run/json.h"

static char *result(const char *triwave, const char *program, const char *options) {
  char command[4096];
  snprintf(command, sizeof command, "'%s' run '%s' --json %s", triwave, program, options);
  int code;
  cJSON *j = run_json(command, &code);
  if (!j || code != 0) return NULL;
  drop_seconds(j);
  char *text = cJSON_Print(j);
  cJSON_Delete(j);
  return text;
}

/* The text of seed `seed` of the first variant. */
static char *seed_of(const char *all, int seed) {
  cJSON *j = cJSON_Parse(all);
  const cJSON *v = cJSON_GetArrayItem(items(j, "variants"), 0), *s;
  char *text = NULL;
  cJSON_ArrayForEach(s, items(v, "seeds")) if (number(s, "seed") == seed) text = cJSON_Print(s);
  cJSON_Delete(j);
  return text;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  static const char *const same[] = {"--threads 2",       "--threads 3",       "--threads 5",
                                     "--vector-bits 128", "--vector-bits 256", "--vector-bits 512"};
  char options[128];
  char *base = result(argv[1], argv[2], "--seeds 8 --threads 1");
  if (!base) return puts("no result"), 1;
  int failures = 0;
  for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
    snprintf(options, sizeof options, "--seeds 8 %s", same[k]);
    char *other = result(argv[1], argv[2], options);
    int ok = other && strcmp(base, other) == 0;
    printf("%s: %s\n", ok ? "ok" : "FAILED", options);
    failures += !ok;
    free(other);
  }
  for (int seed = 0; seed < 8; seed += 3) {
    snprintf(options, sizeof options, "--seed %d", seed);
    char *alone = result(argv[1], argv[2], options);
    char *a = alone ? seed_of(alone, seed) : NULL, *b = seed_of(base, seed);
    int ok = a && b && strcmp(a, b) == 0;
    printf("%s: seed %d alone and among 8\n", ok ? "ok" : "FAILED", seed);
    failures += !ok;
    free(alone);
    free(a);
    free(b);
  }
  free(base);
  return failures != 0;
}
