/* target.c: which machine code is made for.
 *
 * The vector width changes speed and never bits. 512 and 256 bits are what a CPU with AVX-512, or AVX2 and FMA,
 * has; 128 bits is for others, and for who asks for it: then the code still has the CPU's instructions up to
 * AVX2. On a CPU without FMA each fma is a call of the C library's, exact and slow: the plan says so. */
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"

static bool has(const char *features, const char *name) {
  size_t n = strlen(name);
  for (const char *p = features; (p = strstr(p, name)); p += n)
    if (p > features && p[-1] == '+' && (p[n] == ',' || p[n] == 0)) return true;
  return false;
}

/* Of a CPU with AVX2 and FMA. */
static uint32_t widest(const char *features) {
  if (has(features, "avx512f") && has(features, "avx512vl") && has(features, "avx512dq") && has(features, "avx512bw"))
    return 512;
  return 256;
}

/* Has this CPU fused multiply-adds, or whichever the code is for? Without AVX2 they would be of no use. */
bool tw_ll_has_fma(const TwLlOptions *o) {
  if (o->cpu_level || o->without_fma) return !o->without_fma;
  char *host = LLVMGetHostCPUFeatures();
  bool fma = has(host, "avx2") && has(host, "fma");
  LLVMDisposeMessage(host);
  return fma;
}

uint32_t tw_ll_width(const TwLlOptions *o) {
  uint32_t bits = tw_ll_has_fma(o) ? 256 : 128;
  if (bits == 256 && o->halves) return 512;
  if (bits > 128 && o->cpu_level) {
    bits = o->cpu_level >= 4 ? 512 : 256;
  } else if (bits > 128) {
    char *host = LLVMGetHostCPUFeatures();
    bits = widest(host);
    LLVMDisposeMessage(host);
  }
  return o->vector_bits && o->vector_bits < bits ? o->vector_bits : bits;
}

static char *feature_text(const TwLlOptions *o, uint32_t bits) {
  char *host = o->cpu_level ? NULL : LLVMGetHostCPUFeatures();
  const char *less = bits == 512 && !o->halves ? "" : tw_ll_has_fma(o) ? ",-avx512f" : ",-avx";
  const char *base = host ? host : "+avx2,+fma";
  char *all = malloc(strlen(base) + strlen(less) + 1);
  if (all) {
    strcpy(all, base);
    strcat(all, less);
  }
  if (host) LLVMDisposeMessage(host);
  return all;
}

static char *copy_of(const char *s) {
  char *c = malloc(strlen(s) + 1);
  return c ? strcpy(c, s) : NULL;
}

LLVMTargetMachineRef tw_ll_machine(const TwLlTarget *t, char **error) {
  LLVMTargetRef target = NULL;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(t->triple, &target, &message)) {
    *error = copy_of(message);
    LLVMDisposeMessage(message);
    return NULL;
  }
  return LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features,
                                 t->quick ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                 LLVMCodeModelDefault);
}

bool tw_ll_target(TwLlTarget *t, const TwLlOptions *o, char **error) {
  *t = (TwLlTarget){0};
  if (tw_ll_is_lost()) return *error = copy_of("LLVM has failed before in this process, and is not used again"), false;
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  *t = (TwLlTarget){.bits = tw_ll_width(o), .quick = o->quick};
  t->call_bits = t->bits == 512 && o->halves ? 256 : t->bits;
  char *triple = LLVMGetDefaultTargetTriple(), *cpu = o->cpu_level ? NULL : LLVMGetHostCPUName();
  t->triple = copy_of(triple);
  t->cpu = copy_of(cpu ? cpu : o->cpu_level >= 4 ? "x86-64-v4" : "x86-64-v3");
  t->features = feature_text(o, t->bits);
  LLVMDisposeMessage(triple);
  if (cpu) LLVMDisposeMessage(cpu);
  if (t->triple && t->cpu && t->features) t->machine = tw_ll_machine(t, error);
  else *error = copy_of("out of memory");
  if (t->machine) return true;
  tw_ll_target_free(t);
  return false;
}

void tw_ll_target_free(TwLlTarget *t) {
  if (t->machine) LLVMDisposeTargetMachine(t->machine);
  free(t->triple);
  free(t->cpu);
  free(t->features);
  *t = (TwLlTarget){0};
}

/* Scheduling after register allocation is a sixth of a compilation for AMD's cores, whose descriptions in LLVM alone
 * ask for it, and no figure of bench/ has shown a gain: they reorder instructions themselves. */
void tw_ll_owns_llvm(void) {
  const char *args[] = {"triwave", "-disable-post-ra"};
  LLVMParseCommandLineOptions(2, args, NULL);
  tw_ll_own_errors();
}
