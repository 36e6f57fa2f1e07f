/* describe.c: program.def -> descriptions, and the proof that they are complete.
 *
 * Three things are checked when this file is compiled: each field has the type that program.def says; a
 * struct of just these fields has the same layout (so nothing is forgotten between them); and an
 * initializer with one value a field leaves nothing out (so nothing is forgotten in the padding at the
 * end either). */
#include "compiler/llvm/describe.h"

#include <stdbool.h>

/* ---- the same fields once more, and their layout */
#define TW_STRUCT(type) typedef struct Twin_##type {
#define TW_FIELD(owner, kind, type, name, of, count) type name;
#define TW_END(type)                                                                                                   \
  }                                                                                                                    \
  Twin_##type;
#include "compiler/llvm/program.def"

#define TW_STRUCT(type)                                                                                                \
  _Static_assert(sizeof(type) == sizeof(Twin_##type), #type " of runtime/program.h has fields that program.def "       \
                                                            "lacks");
#define TW_FIELD(owner, kind, type, name, of, count)                                                                   \
  _Static_assert(offsetof(owner, name) == offsetof(Twin_##owner, name), #owner "." #name " is at another place");      \
  _Static_assert(_Generic(&((owner *)0)->name, type * : 1, default : 0), #owner "." #name " has another type");
#define TW_END(type)
#include "compiler/llvm/program.def"

/* ---- one value a field, by position */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#define VALUE_PLAIN 0
#define VALUE_TEXT NULL
#define VALUE_INSIDE                                                                                                   \
  { 0 }
#define VALUE_ARRAY NULL
#define VALUE_ENTRY NULL
#define TW_STRUCT(type) static const type complete_##type __attribute__((unused)) = {
#define TW_FIELD(owner, kind, type, name, of, count) VALUE_##kind,
#define TW_END(type)                                                                                                   \
  }                                                                                                                    \
  ;
#include "compiler/llvm/program.def"
#pragma GCC diagnostic pop

/* ---- counts of arrays */
#define COUNT_PLAIN(...)
#define COUNT_TEXT(...)
#define COUNT_INSIDE(...)
#define COUNT_ENTRY(...)
#define COUNT_ARRAY(owner, name, n)                                                                                    \
  static uint64_t count_##owner##_##name(const TwRtProgram *p, const void *at) {                                       \
    const owner *o = at;                                                                                               \
    (void)p;                                                                                                           \
    (void)o;                                                                                                           \
    return n;                                                                                                          \
  }
#define TW_STRUCT(type)
#define TW_FIELD(owner, kind, type, name, of, count) COUNT_##kind(owner, name, count)
#define TW_END(type)
#include "compiler/llvm/program.def"

/* ---- the descriptions */
#define REST_PLAIN(owner, name, of) TW_TABLE_COUNT, NULL
#define REST_TEXT(owner, name, of) TW_TABLE_COUNT, NULL
#define REST_ENTRY(owner, name, of) TW_TABLE_COUNT, NULL
#define REST_INSIDE(owner, name, of) TW_TABLE_##of, NULL
#define REST_ARRAY(owner, name, of) TW_TABLE_##of, count_##owner##_##name
#define TW_STRUCT(type) static const TwTableField fields_##type[] = {
#define TW_FIELD(owner, kind, type, name, of, count)                                                                   \
  {#name, TW_TABLE_##kind, offsetof(owner, name), sizeof(type), REST_##kind(owner, name, of)},
#define TW_END(type)                                                                                                   \
  }                                                                                                                    \
  ;
#include "compiler/llvm/program.def"

static const TwTableField itself[] = {{"", TW_TABLE_PLAIN, 0, 8, TW_TABLE_COUNT, NULL}};
static const TwTableField text[] = {{"", TW_TABLE_TEXT, 0, sizeof(TwText), TW_TABLE_COUNT, NULL}};
_Static_assert(sizeof(double) == 8 && sizeof(int64_t) == 8, "numbers of arrays have eight bytes");

static const TwTable records[TW_TABLE_COUNT] = {
    [TW_TABLE_int64_t] = {"int64_t", 8, 1, itself},
    [TW_TABLE_double] = {"double", 8, 1, itself},
    [TW_TABLE_TwText] = {"text", sizeof(TwText), 1, text},
#define TW_STRUCT(type)                                                                                                \
  [TW_TABLE_##type] = {#type, sizeof(type), sizeof fields_##type / sizeof(TwTableField), fields_##type},
#define TW_FIELD(owner, kind, type, name, of, count)
#define TW_END(type)
#include "compiler/llvm/program.def"
};

const TwTable *tw_table(TwTableId id) { return &records[id]; }
