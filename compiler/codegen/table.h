/* table.h: the functions of compiler/llvm in the table's order; for linked.c and plugin.c. */
#ifndef TW_CODEGEN_TABLE_H
#define TW_CODEGEN_TABLE_H

#include "compiler/codegen/codegen.h"

#define TW_CODEGEN_TABLE                                                                                               \
  {                                                                                                                    \
    .abi = TW_CODEGEN_ABI, .begin = tw_codegen_begin, .objects = tw_ll_objects, .objects_free = tw_ll_objects_free,    \
    .jit = tw_jit, .jit_free = tw_jit_free, .dump = tw_ll_dump, .program_object = tw_ll_program_object                 \
  }

#endif
