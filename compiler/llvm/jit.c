/* jit.c: machine code in this process. The module becomes an object in memory and LLJIT links that:
 * code generation happens once, in one place, and an object kept from an earlier run could be linked
 * in the same way.
 *
 * What compiled code may call is a list: SLEEF's functions, tw_rt_uniform, and the C library's fma for
 * machines without one. A module that declares anything else is refused. */
#include <dlfcn.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/TargetMachine.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/elementary.h"
#include "compiler/llvm/ll.h"

struct TwJit {
  LLVMOrcLLJITRef lljit;
  char *report; /* what the session said last, malloc'ed */
};

static char *copy_of(const char *s) {
  char *c = malloc(strlen(s) + 1);
  return c ? strcpy(c, s) : NULL;
}

/* Takes the error. */
static void say(char **to, LLVMErrorRef e) {
  char *message = LLVMGetErrorMessage(e);
  if (!*to) *to = copy_of(message);
  LLVMDisposeErrorMessage(message);
}

static void on_error(void *env, LLVMErrorRef e) {
  TwJit *j = env;
  say(&j->report, e);
}

/* ---- names that code may call */

static uint64_t address_of(const char *name) {
  void *p = NULL;
  if (strcmp(name, "tw_rt_uniform") == 0) {
    double (*f)(uint64_t, uint64_t, uint64_t) = tw_rt_uniform;
    memcpy(&p, &f, sizeof p);
  } else if (strcmp(name, "fma") == 0) {
    double (*f)(double, double, double) = fma;
    memcpy(&p, &f, sizeof p);
  } else if (strcmp(name, "fmaf") == 0) {
    float (*f)(float, float, float) = fmaf;
    memcpy(&p, &f, sizeof p);
  } else {
    for (uint32_t k = 0; tw_elementary_nth(k); k++)
      if (strcmp(name, tw_elementary_nth(k)) == 0) p = dlsym(RTLD_DEFAULT, name);
  }
  return (uint64_t)(uintptr_t)p;
}

static void add_symbol(LLVMOrcLLJITRef j, LLVMOrcCSymbolMapPair *pairs, size_t *n, const char *name,
                       uint64_t at) {
  LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
  pairs[(*n)++] = (LLVMOrcCSymbolMapPair){LLVMOrcLLJITMangleAndIntern(j, name), {at, flags}};
}

static bool define_symbols(LLVMOrcLLJITRef j, LLVMModuleRef mod, char **error) {
  size_t count = 2, n = 0;
  for (LLVMValueRef f = LLVMGetFirstFunction(mod); f; f = LLVMGetNextFunction(f)) count++;
  LLVMOrcCSymbolMapPair *pairs = calloc(count, sizeof *pairs);
  bool ok = pairs != NULL;
  for (LLVMValueRef f = LLVMGetFirstFunction(mod); f && ok; f = LLVMGetNextFunction(f)) {
    size_t length;
    const char *name = LLVMGetValueName2(f, &length);
    if (!LLVMIsDeclaration(f) || LLVMGetIntrinsicID(f)) continue;
    uint64_t at = address_of(name);
    if (at) add_symbol(j, pairs, &n, name, at);
    else {
      ok = false;
      const char *why = "compiled code calls a function that is not on the list: ";
      *error = malloc(strlen(why) + strlen(name) + 1);
      if (*error) strcat(strcpy(*error, why), name);
    }
  }
  if (ok) {
    add_symbol(j, pairs, &n, "fma", address_of("fma"));
    add_symbol(j, pairs, &n, "fmaf", address_of("fmaf"));
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, n);
    LLVMErrorRef e = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(j), unit);
    if (e) {
      LLVMOrcDisposeMaterializationUnit(unit);
      say(error, e);
      ok = false;
    }
  } else {
    for (size_t k = 0; k < n; k++) LLVMOrcReleaseSymbolStringPoolEntry(pairs[k].Name);
  }
  free(pairs);
  return ok;
}

/* ---- linking */

static bool new_lljit(TwJit *j, const TwLlTarget *t, char **error) {
  LLVMTargetMachineRef machine = tw_ll_machine(t, error); /* taken by the next call */
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

static bool link_object(TwJit *j, LLVMMemoryBufferRef object, const TwLlFn *fns, uint32_t n, char **error) {
  LLVMErrorRef e = LLVMOrcLLJITAddObjectFile(j->lljit, LLVMOrcLLJITGetMainJITDylib(j->lljit),
                                             object); /* takes object */
  for (uint32_t k = 0; k < n && !e; k++) {
    LLVMOrcExecutorAddress at = 0;
    e = LLVMOrcLLJITLookup(j->lljit, &at, fns[k].symbol);
    if (!e && fns[k].slot) {
      void *p = (void *)(uintptr_t)at;
      memcpy(&fns[k].slot->entry, &p, sizeof p);
    }
  }
  if (!e) return true;
  if (j->report) *error = copy_of(j->report);
  say(error, e);
  return false;
}

static bool compile(TwJit *j, const TwLlTarget *t, LLVMContextRef ctx, const TwLlFn *fns, uint32_t n,
                    char **error) {
  LLVMModuleRef mod = NULL;
  LLVMMemoryBufferRef object = NULL;
  char *message = NULL;
  bool ok = tw_ll_module(ctx, t, fns, n, false, &mod, error) && new_lljit(j, t, error) &&
            define_symbols(j->lljit, mod, error);
  if (ok && LLVMTargetMachineEmitToMemoryBuffer(t->machine, mod, LLVMObjectFile, &message, &object)) {
    *error = copy_of(message);
    LLVMDisposeMessage(message);
    ok = false;
  }
  if (mod) LLVMDisposeModule(mod);
  return ok && link_object(j, object, fns, n, error);
}

TwJit *tw_jit(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, char **error) {
  TwLlTarget t;
  *error = NULL;
  TwJit *j = calloc(1, sizeof *j);
  if (!j || !tw_ll_target(&t, o, error)) {
    free(j);
    return NULL;
  }
  LLVMContextRef ctx = LLVMContextCreate();
  bool ok = compile(j, &t, ctx, fns, n, error);
  LLVMContextDispose(ctx);
  tw_ll_target_free(&t);
  if (ok) return j;
  tw_jit_free(j);
  return NULL;
}

void tw_jit_free(TwJit *j) {
  if (!j) return;
  if (j->lljit) {
    LLVMErrorRef e = LLVMOrcDisposeLLJIT(j->lljit);
    if (e) LLVMConsumeError(e);
  }
  free(j->report);
  free(j);
}
