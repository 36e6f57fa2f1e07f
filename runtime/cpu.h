/* cpu.h: what this machine's CPU can, and whether that is what a program's code is made of. The one place that asks the
 * CPU, for the runtime's own code and for compiler/plan/machine.c. */
#ifndef TW_RUNTIME_CPU_H
#define TW_RUNTIME_CPU_H

#include "runtime/program.h"

/* What this CPU has, and the system lets a process use: bits as in TwRtProgram.cpu. */
uint64_t tw_rt_cpu_has(void);
bool tw_rt_cpu_can(uint64_t needs); /* all of these bits */
#define TW_RT_CPU(id) (UINT64_C(1) << TW_CPU_##id)
/* Vectors of 256 bits that multiply and add in one; of 512 with masks. */
#define TW_RT_CPU_256 (TW_RT_CPU(AVX2) | TW_RT_CPU(FMA))
#define TW_RT_CPU_512                                                                                                  \
  (TW_RT_CPU_256 | TW_RT_CPU(AVX512F) | TW_RT_CPU(AVX512VL) | TW_RT_CPU(AVX512DQ) | TW_RT_CPU(AVX512BW))

/* Of `needs` what `has` lacks, in words: "avx512f, avx512dq and avx512vl". malloc'ed; NULL only if memory
 * has run out. */
char *tw_rt_cpu_lacks(uint64_t needs, uint64_t has);

/* May this runtime, on this machine, call the program's code? To be asked before the first call of it. false: *why is
 * malloc'ed, or NULL if memory has run out. */
bool tw_rt_program_fits(const TwRtProgram *p, char **why);

#endif
