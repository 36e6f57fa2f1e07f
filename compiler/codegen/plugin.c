/* plugin.c: the one symbol that triwave-codegen.so shows. */
#include "compiler/codegen/table.h"

__attribute__((visibility("default"))) const TwCodegen tw_codegen_table = TW_CODEGEN_TABLE;

#ifdef TW_OWN_LLVM /* no other code of the process sees the LLVM in here */
__attribute__((constructor)) static void own(void) { tw_ll_owns_llvm(); }
#endif
