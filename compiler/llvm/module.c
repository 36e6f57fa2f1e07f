/* module.c: functions of the IR -> one LLVM module, and what is made of a module: text, assembly, an
 * object. The order is that of the house rules: triple and layout first, then code, then the verifier. */
#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"

#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__)
enum { VERIFY = true };
#else
enum { VERIFY = false };
#endif

static char *copy_message(char *message) {
  char *c = malloc(strlen(message) + 1);
  if (c) strcpy(c, message);
  LLVMDisposeMessage(message);
  return c;
}

static void emit_all(TwLl *l, const TwLlTarget *t, const TwLlFn *fns, uint32_t n) {
  l->i1 = LLVMInt1TypeInContext(l->ctx);
  l->i8 = LLVMInt8TypeInContext(l->ctx);
  l->i16 = LLVMInt16TypeInContext(l->ctx);
  l->i32 = LLVMInt32TypeInContext(l->ctx);
  l->i64 = LLVMInt64TypeInContext(l->ctx);
  l->ptr = LLVMPointerTypeInContext(l->ctx, 0);
  l->m = t->m;
  l->lanes = TW_LANES;
  for (uint32_t k = 0; k < n; k++) {
    l->f64 = fns[k].precision == TW_F64;
    tw_ll_entry(l, &fns[k]);
    if (!fns[k].slot) continue;
    fns[k].slot->work_bytes = l->work_bytes;
    fns[k].slot->chunks = l->chunks;
  }
}

bool tw_ll_module(LLVMContextRef ctx, const TwLlTarget *t, const TwLlFn *fns, uint32_t n, bool names,
                  LLVMModuleRef *out, char **error) {
  TwArena arena = {0};
  TwLl l = {.arena = &arena, .ctx = ctx};
  LLVMContextSetDiscardValueNames(ctx, !names);
  l.mod = LLVMModuleCreateWithNameInContext("triwave", ctx);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(t->machine);
  LLVMSetModuleDataLayout(l.mod, layout);
  LLVMDisposeTargetData(layout);
  LLVMSetTarget(l.mod, t->triple);
  l.b = LLVMCreateBuilderInContext(ctx);
  emit_all(&l, t, fns, n);
  LLVMDisposeBuilder(l.b);
  tw_arena_free(&arena);
  char *message = NULL;
  if (VERIFY) {
    bool broken = LLVMVerifyModule(l.mod, LLVMReturnStatusAction, &message);
    if (broken) {
      *error = copy_message(message);
      LLVMDisposeModule(l.mod);
      return false;
    }
    LLVMDisposeMessage(message);
  }
  *out = l.mod;
  return true;
}

static bool has_more(LLVMValueRef fn, uint32_t most) {
  uint32_t n = 0;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
      if (++n > most) return true;
  return false;
}

bool tw_ll_is_huge(LLVMModuleRef mod) {
  bool huge = false;
  for (LLVMValueRef f = LLVMGetFirstFunction(mod); f && !huge; f = LLVMGetNextFunction(f))
    huge = has_more(f, TW_LL_HUGE);
  return huge;
}

/* ---- texts and objects */

static void write_all(FILE *out, const char *text, size_t n) {
  if (n) (void)fwrite(text, 1, n, out);
}

bool tw_ll_dump(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, bool as_asm, FILE *out, char **error) {
  TwLlTarget t;
  LLVMModuleRef mod = NULL;
  if (!tw_ll_target(&t, o, error)) return false;
  LLVMContextRef ctx = LLVMContextCreate();
  bool ok = tw_ll_module(ctx, &t, fns, n, true, &mod, error);
  if (ok && as_asm) {
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    ok = !LLVMTargetMachineEmitToMemoryBuffer(t.machine, mod, LLVMAssemblyFile, &message, &buffer);
    if (ok) {
      write_all(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
      LLVMDisposeMemoryBuffer(buffer);
    } else {
      *error = copy_message(message);
    }
  } else if (ok) {
    char *text = LLVMPrintModuleToString(mod);
    write_all(out, text, strlen(text));
    LLVMDisposeMessage(text);
  }
  if (mod) LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  tw_ll_target_free(&t);
  return ok;
}

static bool emit_object(TwRtProgram *p, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, LLVMMemoryBufferRef *out,
                        char **error) {
  TwLlTarget t;
  LLVMModuleRef mod = NULL;
  if (!tw_ll_target(&t, o, error)) return false;
  LLVMContextRef ctx = LLVMContextCreate();
  bool ok = tw_ll_module(ctx, &t, fns, n, false, &mod, error);
  if (ok && p) p->cpu = t.needs, p->cpu_level = o->cpu_level;
  if (ok && p) tw_ll_table(mod, p, o->symbol, fns, n, true);
  if (ok) {
    char *message = NULL;
    ok = !LLVMTargetMachineEmitToMemoryBuffer(t.machine, mod, LLVMObjectFile, &message, out);
    if (!ok) *error = copy_message(message);
  }
  if (mod) LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  tw_ll_target_free(&t);
  return ok;
}

bool tw_ll_program_object(TwRtProgram *p, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, TwObjectBytes *out,
                          char **error) {
  LLVMMemoryBufferRef buffer = NULL;
  *error = NULL;
  *out = (TwObjectBytes){0};
  if (!emit_object(p, fns, n, o, &buffer, error)) return false;
  size_t size = LLVMGetBufferSize(buffer);
  void *bytes = malloc(size + 1);
  if (bytes) memcpy(bytes, LLVMGetBufferStart(buffer), size);
  LLVMDisposeMemoryBuffer(buffer);
  *out = (TwObjectBytes){bytes, size};
  return bytes != NULL;
}
