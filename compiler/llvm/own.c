/* own.c: LLVM without memory, and LLVM that gives up.
 *
 * Left alone it writes "LLVM ERROR" and aborts the process, for want of memory too. Where it is our own copy, both go
 * where bugs of the compiler go (compiler/base/bug.h): to the boundary of this thread, or to an end with a message and
 * an exit code. Nothing of LLVM is destroyed on the way, and it may hold a lock or be in the middle of making something
 * that it makes once; so after that it is not used again. */
#include <llvm-c/ErrorHandling.h>
#include <stdatomic.h>

#include "compiler/base/bug.h"
#include "compiler/llvm/ll.h"

/* LLVM's C interface has no door to these two: llvm::install_bad_alloc_error_handler of llvm/Support/ErrorHandling.h,
 * and install_out_of_memory_new_handler, by which C++'s `new` ends there as well. */
typedef void (*BadAlloc)(void *context, const char *reason, bool crash);
void tw_llvm_on_bad_alloc(BadAlloc to,
                          void *context) __asm__("_ZN4llvm31install_bad_alloc_error_handlerEPFvPvPKcbES0_");
void tw_llvm_on_new(void) __asm__("_ZN4llvm33install_out_of_memory_new_handlerEv");

static atomic_bool lost;

bool tw_ll_is_lost(void) { return atomic_load(&lost); }

static void no_memory(void *context, const char *reason, bool crash) {
  (void)context, (void)reason, (void)crash;
  atomic_store(&lost, true);
  tw_no_memory(0);
}

static void gives_up(const char *reason) {
  atomic_store(&lost, true);
  tw_bug("LLVM gives up: %s", reason);
}

void tw_ll_own_errors(void) {
  tw_llvm_on_bad_alloc(no_memory, NULL);
  tw_llvm_on_new();
  LLVMInstallFatalErrorHandler(gives_up);
}
