/* pipeline.h: the phases of a compilation, in one table. */
#ifndef TW_PIPELINE_H
#define TW_PIPELINE_H

#include <stdio.h>

#include "compiler/ast/ast.h"
#include "compiler/llvm/llvm.h"
#include "compiler/lower/lower.h"
#include "compiler/sema/sema.h"

typedef enum TwPhase {
  TW_PHASE_PARSE,
  TW_PHASE_SEMA,
  TW_PHASE_LOWER,
  TW_PHASE_OPT,
  TW_PHASE_CODE,
  TW_PHASE_COUNT
} TwPhase;

/* One variant on its way through the phases. Lives in the unit's arena; the JIT is freed by
 * tw_build_free. */
typedef struct TwBuild {
  TwUnit *unit;
  uint32_t file;
  TwName variant; /* NULL: the body of the file */
  TwLlOptions code;
  TwModuleAst *ast;
  TwProgram *program;
  TwLowered *lowered;
  TwJit *jit;
  double seconds[TW_PHASE_COUNT];
} TwBuild;

/* Runs the phases up to and including `last`, from where the build stands. In builds with assertions the
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
