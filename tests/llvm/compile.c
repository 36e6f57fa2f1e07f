/* compile.c: how long the flagship's steps take to compile and to run, printed; and that their bits are
 * the interpreter's at every width. */
#include <llvm-c/TargetMachine.h>
#include <string.h>
#include <time.h>

#include "compiler/ad/ad.h"
#include "compiler/llvm/ll.h"
#include "tests/llvm/support.h"
#include "tests/opt/programs.h"

/* CPU time: the machine may be shared. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static const TwFn *step(TwModule *m, const TwFn *loss) {
  const TwFn *grad = tw_grad(m, loss, (bool[]){true, false, false});
  return tw_opt_lower_mul0(m, tw_optimize(m, tw_adam_step(m, grad), tw_opt_limits_default()));
}

static void time_phases(const TwFn *f, const char *what) {
  TwLlOptions o = {0};
  TwLlTarget target;
  char *error = NULL, *message = NULL;
  LLVMModuleRef mod = NULL;
  LLVMMemoryBufferRef object = NULL;
  TwRtFn slot = {0};
  TwLlFn fn = {.symbol = "f", .fn = f, .precision = TW_F32, .slot = &slot};
  double t0 = now();
  if (!tw_ll_target(&target, &o, &error)) abort();
  double t1 = now();
  LLVMContextRef ctx = LLVMContextCreate();
  if (!tw_ll_module(ctx, &target, &fn, 1, false, &mod, &error)) abort();
  double t2 = now();
  if (LLVMTargetMachineEmitToMemoryBuffer(target.machine, mod, LLVMObjectFile, &message, &object)) abort();
  double t3 = now();
  printf("%-18s %5u operations, %6zu bytes: target %.1f ms, emission %.1f ms, code generation %.1f ms", what,
         tw_fn_size(f), LLVMGetBufferSize(object), t1 - t0, t2 - t1, t3 - t2);
  LLVMDisposeMemoryBuffer(object);
  LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  tw_ll_target_free(&target);
  t0 = now();
  TwJit *j = tw_jit(&fn, 1, &o, &error);
  if (!j) abort();
  printf("; all in all %.1f ms, work %llu bytes\n", now() - t0, (unsigned long long)slot.work_bytes);
  tw_jit_free(j);
}

/* Counted over all blocks of a function, not of the module. */
static bool is_huge(unsigned functions, unsigned instructions) {
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMModuleRef mod = LLVMModuleCreateWithNameInContext("m", ctx);
  LLVMBuilderRef b = LLVMCreateBuilderInContext(ctx);
  LLVMTypeRef i64 = LLVMInt64TypeInContext(ctx), type = LLVMFunctionType(i64, &i64, 1, false);
  for (unsigned k = 0; k < functions; k++) {
    LLVMValueRef fn = LLVMAddFunction(mod, "f", type);
    LLVMBasicBlockRef first = LLVMAppendBasicBlockInContext(ctx, fn, ""),
                      last = LLVMAppendBasicBlockInContext(ctx, fn, "");
    LLVMPositionBuilderAtEnd(b, first);
    for (unsigned i = 2; i < instructions; i++) {
      if (i == instructions / 2) {
        LLVMBuildBr(b, last);
        LLVMPositionBuilderAtEnd(b, last);
      }
      LLVMBuildFreeze(b, LLVMGetParam(fn, 0), "");
    }
    LLVMBuildRet(b, LLVMGetParam(fn, 0));
  }
  bool huge = tw_ll_is_huge(mod);
  LLVMDisposeBuilder(b);
  LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  return huge;
}

int main(int argc, char **argv) {
  Test t = test_new(5);
  for (int k = 0; k < 6; k++) {
    static const int64_t depth[] = {5, 5, 5, 5, 12, 12}, n[] = {500, 500, 2000, 2000, 500, 500};
    char what[60];
    test_reset(&t);
    const TwFn *f = step(t.m, k % 2 ? tw_flagship_standard(t.m, depth[k], n[k])
                                    : tw_flagship_pretrain(t.m, depth[k], n[k], -1));
    snprintf(what, sizeof what, "%s %lld", k % 2 ? "standard" : "pretrain", (long long)depth[k]);
    time_phases(f, what);
    if (argc > 1) {
      TwRtFn slot = {0};
      TwLlFn fn = {.symbol = what, .fn = f, .precision = TW_F32, .slot = &slot};
      TwLlOptions o = {0};
      char *error = NULL;
      TwMachine m = tw_ll_machine_for(&o);
      if (!strcmp(argv[1], "plan")) tw_pl_dump(what, f, &m, false, stdout);
      if (!strcmp(argv[1], "ir")) puts(tw_ir_print(f));
      if (k == 1 && strcmp(argv[1], "plan")) tw_ll_dump(&fn, 1, &o, !strcmp(argv[1], "asm"), stdout, &error);
    }
    t.few = k == 2 || k == 3;
    check(&t, f, what);
  }
  if (is_huge(3, TW_LL_HUGE) || !is_huge(1, TW_LL_HUGE + 1)) {
    puts("what is huge is counted wrongly");
    return 1;
  }
  return test_end(&t, "compile");
}
