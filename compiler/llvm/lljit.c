/* lljit.c: object files into this process by LLVM's linker, for processors whose objects compiler/object
 * does not load. */
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/TargetMachine.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/elementary.h"
#include "compiler/llvm/ll.h"

struct TwLlJit {
  LLVMOrcLLJITRef lljit;
  char *report; /* what the session said last, malloc'ed */
};

/* Takes the error. */
static void say(char **to, LLVMErrorRef e) {
  char *message = LLVMGetErrorMessage(e);
  if (!*to) *to = strdup(message);
  LLVMDisposeErrorMessage(message);
}

static void on_error(void *env, LLVMErrorRef e) {
  TwLlJit *j = env;
  say(&j->report, e);
}

static void add_symbol(LLVMOrcLLJITRef j, LLVMOrcCSymbolMapPair *pairs, size_t *n, const char *name) {
  LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
  void *at = tw_object_call(name);
  if (at) pairs[(*n)++] = (LLVMOrcCSymbolMapPair){LLVMOrcLLJITMangleAndIntern(j, name), {(uintptr_t)at, flags}};
}

/* The whole list of what compiled code may call. */
static bool define_symbols(LLVMOrcLLJITRef j, char **error) {
  static const char *const others[] = {"tw_rt_uniform", "fma", "fmaf"};
  size_t count = 3, n = 0;
  while (tw_elementary_nth((uint32_t)(count - 3))) count++;
  LLVMOrcCSymbolMapPair *pairs = calloc(count, sizeof *pairs);
  if (!pairs) return false;
  for (size_t k = 0; k < 3; k++) add_symbol(j, pairs, &n, others[k]);
  for (uint32_t k = 0; tw_elementary_nth(k); k++) add_symbol(j, pairs, &n, tw_elementary_nth(k));
  LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, n);
  LLVMErrorRef e = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(j), unit);
  free(pairs);
  if (!e) return true;
  LLVMOrcDisposeMaterializationUnit(unit);
  say(error, e);
  return false;
}

static bool new_lljit(TwLlJit *j, const TwLlOptions *o, char **error) {
  TwLlTarget t;
  if (!tw_ll_target(&t, o, error)) return false;
  LLVMTargetMachineRef machine = tw_ll_machine(&t, error); /* taken by the next call */
  tw_ll_target_free(&t);
  if (!machine) return false;
  LLVMOrcJITTargetMachineBuilderRef tmb = LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine);
  LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
  LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, tmb);
  LLVMErrorRef e = LLVMOrcCreateLLJIT(&j->lljit, builder);
  if (e) {
    say(error, e);
    j->lljit = NULL;
    return false;
  }
  LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(j->lljit), on_error, j);
  return true;
}

TwLlJit *tw_lljit_link(const TwLlObjects *objects, const TwLlOptions *o, char **error) {
  TwLlJit *j = calloc(1, sizeof *j);
  bool ok = j && new_lljit(j, o, error) && define_symbols(j->lljit, error);
  for (uint32_t k = 0; ok && k < objects->n; k++) {
    LLVMMemoryBufferRef bytes = LLVMCreateMemoryBufferWithMemoryRangeCopy(objects->at[k].bytes, objects->at[k].size,
                                                                          "object");
    LLVMErrorRef e = LLVMOrcLLJITAddObjectFile(j->lljit, LLVMOrcLLJITGetMainJITDylib(j->lljit),
                                               bytes); /* takes bytes */
    if (e) say(error, e);
    ok = !e;
  }
  if (ok) return j;
  tw_lljit_free(j);
  return NULL;
}

void *tw_lljit_symbol(TwLlJit *j, const char *name, char **error) {
  LLVMOrcExecutorAddress at = 0;
  LLVMErrorRef e = LLVMOrcLLJITLookup(j->lljit, &at, name);
  if (!e) return (void *)(uintptr_t)at;
  if (j->report && !*error) *error = strdup(j->report);
  say(error, e);
  return NULL;
}

void tw_lljit_free(TwLlJit *j) {
  if (!j) return;
  if (j->lljit) {
    LLVMErrorRef e = LLVMOrcDisposeLLJIT(j->lljit);
    if (e) LLVMConsumeError(e);
  }
  free(j->report);
  free(j);
}
