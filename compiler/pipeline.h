/* pipeline.h: the phases of a compilation, in one table. */
#ifndef TW_PIPELINE_H
#define TW_PIPELINE_H

#include <stdio.h>

#include "compiler/ast/ast.h"
#include "compiler/cache/cache.h"
#include "compiler/codegen/codegen.h"
#include "compiler/lower/lower.h"
#include "compiler/sema/sema.h"

typedef enum TwPhase {
  TW_PHASE_PARSE,
  TW_PHASE_SEMA,
  TW_PHASE_CACHE,
  TW_PHASE_LOWER,
  TW_PHASE_OPT,
  TW_PHASE_CODE,
  TW_PHASE_COUNT
} TwPhase;

/* One variant on its way through the phases. Lives in the unit's arena; code is freed by tw_build_free.
 *
 * Code comes from an earlier run where `cache` has it: then `rt` is there, and the phases before it were
 * not run; tw_build(b, TW_PHASE_OPT) runs them when what they provide is wanted after all. */
typedef struct TwBuild {
  TwUnit *unit;
  uint32_t file;
  TwName variant; /* NULL: the body of the file */
  TwLlOptions code;
  unsigned what;  /* of TW_LOWER_*; 0: training alone */
  TwCache *cache; /* NULL: none is used */
  TwModuleAst *ast;
  TwProgram *program;
  TwLowered *lowered;
  const TwRtProgram *rt; /* with code: what the runtime runs */
  TwObject *object;
  TwJit *jit;                   /* where objects cannot be loaded */
  bool looked;                  /* the cache was asked */
  bool afresh;                  /* what it has of single functions is of no use, and replaced */
  const struct TwBuild *before; /* NULL, or another variant of the unit, with the same options, which is built first and
                                 * lives as long: what they have in common is made once */
  struct TwMade *made;          /* what was */
  size_t told;                  /* diagnostics of the unit when lowering began */
  uint8_t key[TW_CACHE_KEY];
  double seconds[TW_PHASE_COUNT];
} TwBuild;

/* Runs the phases up to and including `last` that are not done yet. In builds with assertions the
 * IR is verified after every phase. false iff a phase added an error. */
bool tw_build(TwBuild *b, TwPhase last);
void tw_build_free(TwBuild *b);
const char *tw_phase_name(TwPhase p);

/* What `emit --as NAME` shows: each form of the program, with the phase it needs. */
typedef struct TwForm {
  const char *name; /* tokens ast typed ir grad opt plan llvm asm */
  TwPhase needs;
  bool (*dump)(TwBuild *b, FILE *out);
} TwForm;
extern const TwForm tw_forms[];
extern const uint32_t tw_n_forms;

/* The functions of a build in the code generator's terms, in the unit's arena. */
const TwLlFn *tw_build_fns(TwBuild *b, uint32_t *n);

#endif
