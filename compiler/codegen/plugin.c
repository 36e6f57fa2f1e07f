/* plugin.c: the one symbol that triwave-codegen.so shows. */
#include "compiler/codegen/table.h"

__attribute__((visibility("default"))) const TwCodegen tw_codegen_table = TW_CODEGEN_TABLE;
