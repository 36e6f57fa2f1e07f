/* linked.c: the generator is part of this binary. */
#include "compiler/codegen/table.h"

const TwCodegen *tw_codegen(char **error) {
  static const TwCodegen table = TW_CODEGEN_TABLE;
  *error = NULL;
  return &table;
}

bool tw_codegen_identity(uint64_t out[4]) {
  for (int k = 0; k < 4; k++) out[k] = 0;
  return true;
}
