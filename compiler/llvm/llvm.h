/* llvm.h: IR in final form -> machine code. The only folder that includes llvm-c. */
#ifndef TW_LLVM_LLVM_H
#define TW_LLVM_LLVM_H

#include <stdio.h>

#include "compiler/ir/ir.h"
#include "compiler/object/object.h"
#include "compiler/plan/machine.h"
#include "runtime/program.h"

/* To be called once, before all else here, by whom this process's LLVM belongs to: switches of it that no other user
 * may find changed are set, which change speed, never bits; and where it would abort, without memory say, it ends as
 * bugs do (compiler/base/bug.h). */
void tw_ll_owns_llvm(void);

typedef struct TwLlFn {
  const char *symbol;
  const TwFn *fn; /* final form: no mul0 */
  TwPrecision precision;
  TwRtFn *slot;  /* in: counts of in and out; set by the JIT: entry; set at emission: work_bytes */
  bool once;     /* runs once or so: worth no time to optimize */
  uint32_t part; /* of the program: variants are likely to share whole parts */
} TwLlFn;

typedef struct TwLlOptions {
  uint32_t vector_bits; /* 128, 256 or 512; 0: what this CPU has. Changes speed, never bits */
  uint32_t threads;     /* to generate code with; 0: one */
  bool quick;           /* LLVM's lowest level of optimization. Changes speed, never bits */
  bool without_fma;     /* as for a CPU that has no FMA and AVX2: 128 bits, each fma a call */
  bool halves;          /* 512 bits, for a CPU of 256: LLVM cuts each vector in two. For tests, where no AVX-512 is */
  const char *symbol;   /* of the program's tables in an object file; NULL: tw_program */
  uint32_t cpu_level;   /* for any CPU of this level of x86-64: 3 (AVX2, FMA), 4 (AVX-512 too); 0: for this CPU */
  const char *model;    /* with cpu_level: LLVM's name of the CPU to schedule for; NULL: the level's. For tests */
} TwLlOptions;

static inline TwMachine tw_ll_machine_for(const TwLlOptions *o) {
  return tw_machine(&(TwMachineWish){o->vector_bits, o->cpu_level, o->without_fma, o->halves});
}

enum { TW_LL_MAX_OBJECTS = 16, TW_LL_KEY = 32 };
typedef struct TwLlObjects {
  TwObjectBytes at[TW_LL_MAX_OBJECTS]; /* malloc'ed */
  uint32_t n;
} TwLlObjects;

/* Where objects are kept from one program to the next. */
typedef struct TwLlStore {
  void *context;
  /* Within a process: the object (malloc'ed, the caller frees) of these very functions, whose slots' work_bytes and
   * chunks are set. false: they were not compiled together before. And what they were compiled to. */
  bool (*again)(void *context, const TwLlFn *fns, uint32_t n, bool quick, TwObjectBytes *out);
  void (*made)(void *context, const TwLlFn *fns, uint32_t n, bool quick, TwObjectBytes object);
  /* From one process to the next, or NULL, both. What an object is made of is all in `of`: the same bytes, by the same
   * generator, give the same code. */
  /* The key of the object that is made of these bytes, and the object (malloc'ed, the caller frees), of no bytes where
   * it is not there. false: there is no key, and nothing to be put. */
  bool (*get)(void *context, const TwObjectBytes of[2], uint8_t key[TW_LL_KEY], TwObjectBytes *out);
  void (*put)(void *context, const uint8_t key[TW_LL_KEY], TwObjectBytes object);
} TwLlStore;

/* All functions as object files that tw_object_load takes together, each function under its symbol; with a
 * program also its tables as `tw_program` (see tw_ll_program_object). Sets slot->work_bytes, p->cpu and p->cpu_level.
 * What the store (or NULL) has is not made again. false and *error (malloc'ed, the caller frees) on failure, which is a
 * compiler bug. */
bool tw_ll_objects(TwRtProgram *p, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, const TwLlStore *store,
                   TwLlObjects *out, char **error);
void tw_ll_objects_free(TwLlObjects *o);

typedef struct TwJit TwJit; /* owns the code; entries die with it */

/* Compiles all functions as one module and sets slot->entry. NULL and *error (malloc'ed, the caller
 * frees) on failure, which is a compiler bug. */
TwJit *tw_jit(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, char **error);
void tw_jit_free(TwJit *j);

/* The texts behind `emit --as llvm` and `--as asm`. false and *error as above. */
bool tw_ll_dump(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, bool as_asm, FILE *out, char **error);

/* An object file with the constant TwRtProgram `tw_program` as its one visible symbol: p's tables, with the
 * functions at the slots of fns, and what CPU they are for (p->cpu and p->cpu_level are set). It needs the runtime, and
 * no compiler. p NULL: the functions alone, by their symbols. The bytes are malloc'ed. false and *error as above (NULL:
 * no memory). */
bool tw_ll_program_object(TwRtProgram *p, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, TwObjectBytes *out,
                          char **error);

#endif
