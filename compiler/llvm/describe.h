/* describe.h: the structs of runtime/program.h as data, from program.def. */
#ifndef TW_LLVM_DESCRIBE_H
#define TW_LLVM_DESCRIBE_H

#include <stddef.h>

#include "runtime/program.h"

typedef const char *TwText;

typedef enum TwTableId {
  TW_TABLE_int64_t,
  TW_TABLE_double,
  TW_TABLE_TwText,
#define TW_STRUCT(type) TW_TABLE_##type,
#define TW_FIELD(owner, kind, type, name, of, count)
#define TW_END(type)
#include "compiler/llvm/program.def"
  TW_TABLE_COUNT
} TwTableId;

typedef enum TwTableKind { TW_TABLE_PLAIN, TW_TABLE_TEXT, TW_TABLE_INSIDE, TW_TABLE_ARRAY, TW_TABLE_ENTRY } TwTableKind;

typedef struct TwTableField {
  const char *name;
  TwTableKind kind;
  size_t at, size;                                            /* bytes in the owner */
  TwTableId of;                                               /* INSIDE and ARRAY */
  uint64_t (*count)(const TwRtProgram *p, const void *owner); /* ARRAY */
} TwTableField;

typedef struct TwTable {
  const char *name;
  size_t size;
  uint32_t n_fields;
  const TwTableField *fields; /* in order of address */
} TwTable;

const TwTable *tw_table(TwTableId id);

#endif
