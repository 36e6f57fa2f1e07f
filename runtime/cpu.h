/* cpu.h: has this machine what a program's code is made of? Internal to the runtime. */
#ifndef TW_RUNTIME_CPU_H
#define TW_RUNTIME_CPU_H

#include "runtime/program.h"

/* What this CPU has, and the system lets a process use: bits as in TwRtProgram.cpu. */
uint64_t tw_rt_cpu_has(void);

/* Of `needs` what `has` lacks, in words: "avx512f, avx512dq and avx512vl". malloc'ed; NULL only if memory
 * has run out. */
char *tw_rt_cpu_lacks(uint64_t needs, uint64_t has);

/* May this runtime, on this machine, call the program's code? To be asked before the first call of it. false: *why is
 * malloc'ed, or NULL if memory has run out. */
bool tw_rt_program_fits(const TwRtProgram *p, char **why);

#endif
