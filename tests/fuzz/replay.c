/* replay.c: the corpora of the fuzzers, and programs as they generate them, without a fuzzer.
 *
 *   replay bytes FOLDER      every file is a text
 *   replay programs FOLDER   every file makes a program
 *   replay generate N SEED   N programs; prints how many are accepted: at least four in five
 *   replay show FILE         the program that a file makes */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/laws.h"

static uint8_t *slurp(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  uint8_t *bytes = malloc(1 << 20);
  *n = bytes ? fread(bytes, 1, 1 << 20, f) : 0;
  fclose(f);
  return bytes;
}

static void program(const uint8_t *bytes, size_t n, bool run, unsigned *accepted) {
  char *text = law_program(bytes, n);
  bool ok = law_text(text, strlen(text), LAW_ALL, run, n);
  *accepted += ok;
  if (!ok && getenv("FUZZ_SHOW")) printf("refused:\n%s\n", text);
  free(text);
}

static int replay(const char *folder, bool programs) {
  DIR *d = opendir(folder);
  unsigned n = 0, accepted = 0;
  if (!d) return printf("%s: cannot be read\n", folder), 1;
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    char path[4096];
    size_t len = 0;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    uint8_t *bytes = slurp(path, &len);
    if (!bytes) return printf("%s: cannot be read\n", path), 1;
    if (programs) program(bytes, len, true, &accepted);
    else accepted += law_text((const char *)bytes, len, LAW_ALL, false, len);
    free(bytes);
    n++;
  }
  closedir(d);
  printf("%s: %u inputs, %u accepted\n", folder, n, accepted);
  return n == 0;
}

static int generate(unsigned n, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  unsigned accepted = 0;
  for (unsigned k = 0; k < n; k++) {
    uint8_t bytes[400];
    for (size_t i = 0; i < sizeof bytes; i++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      bytes[i] = (uint8_t)(state >> 32);
    }
    program(bytes, 40 + state % 360, k % 8 == 0, &accepted);
  }
  printf("%u programs, %u accepted\n", n, accepted);
  return n == 0 || accepted * 5 < n * 4;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "bytes") == 0) return replay(argv[2], false);
  if (argc == 3 && strcmp(argv[1], "programs") == 0) return replay(argv[2], true);
  if (argc == 4 && strcmp(argv[1], "generate") == 0)
    return generate((unsigned)atoi(argv[2]), strtoull(argv[3], NULL, 10));
  if (argc != 3 || strcmp(argv[1], "show") != 0) return 2;
  size_t n = 0;
  uint8_t *bytes = slurp(argv[2], &n);
  char *text = bytes ? law_program(bytes, n) : NULL;
  if (!text) return 2;
  fputs(text, stdout);
  free(text);
  free(bytes);
  return 0;
}
