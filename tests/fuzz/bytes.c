/* bytes.c: the fuzzed bytes are a text. */
#include "tests/fuzz/laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  law_text(text, size, law_share(text, size), false, size);
  return 0;
}
