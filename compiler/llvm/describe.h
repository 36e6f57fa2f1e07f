/* describe.h: the structs of runtime/program.h as data, from program.def. */
#ifndef TW_LLVM_DESCRIBE_H
#define TW_LLVM_DESCRIBE_H

#include <stddef.h>

#include "runtime/program.h"

typedef const char *TwText;

typedef enum TwRecordId {
  TW_RECORD_int64_t,
  TW_RECORD_double,
  TW_RECORD_TwText,
#define TW_STRUCT(type) TW_RECORD_##type,
#define TW_FIELD(owner, kind, type, name, of, count)
#define TW_END(type)
#include "compiler/llvm/program.def"
  TW_RECORD_COUNT
} TwRecordId;

typedef enum TwFieldKind { TW_FIELD_PLAIN, TW_FIELD_TEXT, TW_FIELD_INSIDE, TW_FIELD_ARRAY, TW_FIELD_ENTRY } TwFieldKind;

typedef struct TwField {
  const char *name;
  TwFieldKind kind;
  size_t at, size; /* bytes in the owner */
  TwRecordId of;   /* INSIDE and ARRAY */
  uint64_t (*count)(const TwRtProgram *p, const void *owner); /* ARRAY */
} TwField;

typedef struct TwRecord {
  const char *name;
  size_t size;
  uint32_t n_fields;
  const TwField *fields; /* in order of address */
} TwRecord;

const TwRecord *tw_record(TwRecordId id);

#endif
