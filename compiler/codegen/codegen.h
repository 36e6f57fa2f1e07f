/* codegen.h: the code generator as a table of functions, so that a program can do without it.
 *
 * LLVM takes longer to load into a process than most programs take to train. So the command and the library
 * load the generator only when there is code to generate (loaded.c; the generator is the shared object that
 * plugin.c is the door of); tests and benchmarks have it linked in (linked.c). A binary is given one of the
 * two by its link. */
#ifndef TW_CODEGEN_CODEGEN_H
#define TW_CODEGEN_CODEGEN_H

#include "compiler/base/bug.h"
#include "compiler/llvm/llvm.h"

typedef struct TwCodegen {
  uint32_t abi;              /* TW_CODEGEN_ABI */
  void (*begin)(TwBugTo to); /* once, before anything else; `to`: see tw_bug_forward in compiler/base/bug.h */
  bool (*objects)(TwRtProgram *p, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, const TwLlStore *store,
                  TwLlObjects *out, char **error);
  void (*objects_free)(TwLlObjects *o);
  TwJit *(*jit)(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, char **error);
  void (*jit_free)(TwJit *j);
  bool (*dump)(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, bool as_asm, FILE *out, char **error);
  bool (*program_object)(TwRtProgram *p, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, TwObjectBytes *out,
                         char **error);
} TwCodegen;
#define TW_CODEGEN_ABI 8u

/* The generator; for as long as the process lives. NULL and *error (malloc'ed, the caller frees): it is not where
 * it belongs, beside the binary that asks or in ../lib/triwave from there. Safe from several threads. */
const TwCodegen *tw_codegen(char **error);
/* It will be wanted soon: loads it on a thread of its own, if that has not been done. tw_codegen waits for that, and
 * says what is wrong; who needs no code after all calls tw_codegen_settle, since a process must not end meanwhile. */
void tw_codegen_soon(void);
void tw_codegen_settle(void);

/* Four numbers that change when the generator does, without loading it: of its file, where it is one. All zero: it
 * is part of this binary. false: it cannot be found. */
bool tw_codegen_identity(uint64_t out[4]);

#endif
