/* unit.h: one compilation. Owns every arena; nothing in the compiler is global. */
#ifndef TW_UNIT_H
#define TW_UNIT_H

#include "compiler/base/diag.h"
#include "compiler/base/intern.h"

/* -D name=value */
typedef struct TwDefine {
  const char *name, *value;
} TwDefine;

typedef enum TwPrecision { TW_F32, TW_F64 } TwPrecision;

typedef struct TwOptions {
  const TwDefine *defines;
  uint32_t n_defines;
  TwPrecision precision;
  bool json;          /* diagnostics are for programs to read */
  uint32_t max_nodes; /* of the typed program, E0902; 0: 500,000 */
} TwOptions;

typedef struct TwUnit {
  TwArena arena; /* everything but diagnostics and source text */
  TwArena text;  /* sources, names, diagnostics: outlives the rest */
  TwIntern names;
  TwSources sources;
  TwDiags diags;
  TwOptions options;
} TwUnit;

TwUnit *tw_unit_new(const TwOptions *options); /* options are copied */
void tw_unit_free(TwUnit *u);

#endif
