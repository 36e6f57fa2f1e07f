/* linked.c: the generator is part of this binary, whose LLVM is its own. */
#include <pthread.h>

#include "compiler/codegen/table.h"

static void tw_codegen_begin(TwBugTo to) { tw_bug_forward(to); }

const TwCodegen *tw_codegen(char **error) {
  static const TwCodegen table = TW_CODEGEN_TABLE;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, tw_ll_owns_llvm);
  *error = NULL;
  return &table;
}

void tw_codegen_soon(void) {}
void tw_codegen_settle(void) {}

bool tw_codegen_identity(uint64_t out[4]) {
  for (int k = 0; k < 4; k++) out[k] = 0;
  return true;
}
