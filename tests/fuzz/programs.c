/* programs.c: the fuzzed bytes are the choices that make a program. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = law_program(data, size);
  law_text(text, strlen(text), LAW_ALL, true, size);
  free(text);
  return 0;
}
