/* target.c: which machine code is made for.
 *
 * Of its vectors compiler/plan/machine.c knows all that decides how code is cut; here is what LLVM has to be told. On a
 * processor without FMA each fma is a call of the C library's, exact and slow: the plan says so. */
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"

static bool has(const char *features, const char *name) {
  size_t n = strlen(name);
  for (const char *p = features; (p = strstr(p, name)); p += n)
    if (p > features && p[-1] == '+' && (p[n] == ',' || p[n] == 0)) return true;
  return false;
}

static char *feature_text(const TwLlOptions *o, const TwMachine *m) {
  char *host = o->cpu_level ? NULL : LLVMGetHostCPUFeatures();
  const char *less = m->bits == 512 && !o->halves ? "" : m->fma ? ",-avx512f" : ",-avx";
  const char *base = host ? host : "+avx2,+fma";
  char *all = malloc(strlen(base) + strlen(less) + 1);
  if (all) {
    strcpy(all, base);
    strcat(all, less);
  }
  if (host) LLVMDisposeMessage(host);
  return all;
}

typedef enum State { NONE, AVX, AVX512, APX } State;
static const struct {
  const char *name;
  uint32_t level;
  State state;
} features[] = {
#define TW_CPU(id, name, level, leaf, subleaf, reg, bit, state) {name, level, state},
#include "runtime/cpu.def"
};

/* What of cpu.def the code may use. LLVM takes what builds on AVX-512 or AVX away with it, and so do we. */
static uint64_t needs(const TwLlOptions *o, const TwMachine *m) {
  char *host = o->cpu_level ? NULL : LLVMGetHostCPUFeatures();
  bool wide = m->bits == 512 && !o->halves;
  uint64_t all = 0;
  for (uint32_t k = 0; k < sizeof features / sizeof *features; k++) {
    bool there = host ? has(host, features[k].name) : features[k].level && features[k].level <= o->cpu_level;
    bool used = (features[k].state != AVX || m->fma) && (features[k].state != AVX512 || wide);
    if (there && used) all |= UINT64_C(1) << k;
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

/* Machines that nobody has at the moment. */
enum { MAX_IDLE = 8 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TwLlTarget idle[MAX_IDLE];
static uint32_t n_idle;

static bool is_alike(const TwLlOptions *a, const TwLlOptions *b) {
  return a->vector_bits == b->vector_bits && a->quick == b->quick && a->without_fma == b->without_fma &&
         a->halves == b->halves && a->cpu_level == b->cpu_level && a->model == b->model;
}

static bool take_idle(TwLlTarget *t, const TwLlOptions *o) {
  bool found = false;
  pthread_mutex_lock(&lock);
  for (uint32_t k = 0; k < n_idle && !found; k++) {
    found = is_alike(&idle[k].of, o);
    if (!found) continue;
    *t = idle[k];
    idle[k] = idle[--n_idle];
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static bool give_idle(const TwLlTarget *t) {
  pthread_mutex_lock(&lock);
  bool room = n_idle < MAX_IDLE;
  if (room) idle[n_idle++] = *t;
  pthread_mutex_unlock(&lock);
  return room;
}

static void dispose(TwLlTarget *t) {
  if (t->machine) LLVMDisposeTargetMachine(t->machine);
  free(t->triple);
  free(t->cpu);
  free(t->features);
}

bool tw_ll_target(TwLlTarget *t, const TwLlOptions *o, char **error) {
  *t = (TwLlTarget){0};
  if (tw_ll_is_lost()) return *error = copy_of("LLVM has failed before in this process, and is not used again"), false;
  if (take_idle(t, o)) return true;
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  *t = (TwLlTarget){.m = tw_ll_machine_for(o), .quick = o->quick, .of = *o};
  t->of.symbol = NULL; /* not of the machine */
  t->needs = needs(o, &t->m);
  char *triple = LLVMGetDefaultTargetTriple(), *cpu = o->cpu_level ? NULL : LLVMGetHostCPUName();
  t->triple = copy_of(triple);
  t->cpu = copy_of(cpu ? cpu : o->model ? o->model : o->cpu_level >= 4 ? "x86-64-v4" : "x86-64-v3");
  t->features = feature_text(o, &t->m);
  LLVMDisposeMessage(triple);
  if (cpu) LLVMDisposeMessage(cpu);
  if (t->triple && t->cpu && t->features) t->machine = tw_ll_machine(t, error);
  else *error = copy_of("out of memory");
  if (t->machine) return true;
  dispose(t);
  *t = (TwLlTarget){0};
  return false;
}

void tw_ll_target_free(TwLlTarget *t) {
  if (!t->machine || !give_idle(t)) dispose(t);
  *t = (TwLlTarget){0};
}

/* Scheduling after register allocation is a sixth of a compilation for AMD's cores, whose descriptions in LLVM alone
 * ask for it, and no figure of bench/ has shown a gain: they reorder instructions themselves. */
void tw_ll_owns_llvm(void) {
  const char *args[] = {"triwave", "-disable-post-ra"};
  LLVMParseCommandLineOptions(2, args, NULL);
  tw_ll_own_errors();
}
