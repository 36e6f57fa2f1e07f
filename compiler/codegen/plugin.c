/* plugin.c: the one symbol that triwave-codegen.so shows. */
#include "compiler/codegen/table.h"

/* LLVM's options can be set when its own constructors have run, which are behind those of this file. */
static void tw_codegen_begin(TwBugTo to) {
  tw_bug_forward(to);
#ifdef TW_OWN_LLVM /* no other code of the process sees the LLVM in here */
  tw_ll_owns_llvm();
#endif
}

__attribute__((visibility("default"))) const TwCodegen tw_codegen_table = TW_CODEGEN_TABLE;
