/* programs.c: the fuzzed bytes are the choices that make a program. One in four is lowered, differentiated, optimized
 * and interpreted; the others are checked, which takes a tenth of the time. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = law_program(data, size);
  law_text(text, strlen(text), size % 4 ? LAW_TYPES : LAW_ALL, true, size);
  free(text);
  return 0;
}
