/* bytes.c: the fuzzed bytes are a text. */
#include "tests/fuzz/laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  law_text((const char *)data, size, false, size);
  return 0;
}
