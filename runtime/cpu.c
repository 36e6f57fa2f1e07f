/* cpu.c: see cpu.h. */
#include "runtime/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/text.h"

enum {
  N_FEATURES = 0
#define TW_CPU(...) +1
#include "runtime/cpu.def"
};
/* The last bit is no feature's, so a program that asks for it is refused by any runtime. */
_Static_assert(N_FEATURES < 63, "TwRtProgram.cpu has a bit for each feature, and one to spare");

#if defined __x86_64__
#include <cpuid.h>

typedef enum Register { EAX, EBX, ECX, EDX } Register;
typedef enum State { NONE = 0, AVX = 0x6, AVX512 = 0xe6, APX = 0x80000 } State; /* bits of XCR0 */

/* The registers that the system saves: only then may they be used. */
static uint64_t saved_state(void) {
  unsigned eax, ebx, ecx, edx, low, high;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static bool says(unsigned leaf, unsigned subleaf, Register r, unsigned bit) {
  unsigned out[4];
  if (!__get_cpuid_count(leaf, subleaf, &out[EAX], &out[EBX], &out[ECX], &out[EDX])) return false;
  return out[r] >> bit & 1;
}

static uint64_t look(void) {
  uint64_t has = 0, saved = saved_state();
#define TW_CPU(id, name, level, leaf, subleaf, reg, bit, state)                                                        \
  if ((saved & state) == state && says(leaf, subleaf, reg, bit)) has |= TW_RT_CPU(id);
#include "runtime/cpu.def"
  return has;
}
#else
static uint64_t look(void) { return 0; } /* code for other machines asks for nothing */
#endif

/* Where machines are virtual, each CPUID is a call of their host: it is asked once. */
uint64_t tw_rt_cpu_has(void) {
  static const uint64_t looked = UINT64_C(1) << 63;
  static _Atomic uint64_t known;
  uint64_t has = atomic_load_explicit(&known, memory_order_relaxed);
  if (!has) atomic_store_explicit(&known, has = look() | looked, memory_order_relaxed);
  return has & ~looked;
}

bool tw_rt_cpu_can(uint64_t needs) { return !(needs & ~tw_rt_cpu_has()); }

char *tw_rt_cpu_lacks(uint64_t needs, uint64_t has) {
  static const char *const names[] = {
#define TW_CPU(id, name, ...) name,
#include "runtime/cpu.def"
      "something that this runtime does not know"};
  uint64_t known = (UINT64_C(1) << N_FEATURES) - 1, lacks = needs & ~has;
  if (lacks & ~known) lacks = (lacks & known) | (known + 1);
  char *text = tw_rt_textf("%s", "");
  for (unsigned k = 0; text && k <= N_FEATURES; k++) {
    if (!(lacks >> k & 1)) continue;
    const char *between = !*text ? "" : lacks >> (k + 1) ? ", " : " and ";
    char *longer = tw_rt_textf("%s%s%s", text, between, names[k]);
    free(text);
    text = longer;
  }
  return text;
}

static char *unfit_text(const TwRtProgram *p, const char *lacks) {
  if (p->cpu_level)
    return tw_rt_textf("the program was compiled for any CPU of x86-64-v%u, and this CPU lacks %s", p->cpu_level,
                       lacks);
  return tw_rt_textf(
      "the program was compiled for another machine's CPU, and this one lacks %s (`--cpu x86-64-v3` makes "
      "code for any CPU with AVX2 and FMA)",
      lacks);
}

bool tw_rt_program_fits(const TwRtProgram *p, char **why) {
  *why = NULL;
  if (p->abi != TW_RT_ABI) {
    *why = tw_rt_textf("the program was compiled for version %u of the runtime, and this is version %u", p->abi,
                       TW_RT_ABI);
    return false;
  }
  if (!p->cpu || tw_rt_cpu_can(p->cpu)) return true;
  char *lacks = tw_rt_cpu_lacks(p->cpu, tw_rt_cpu_has());
  if (lacks) *why = unfit_text(p, lacks);
  free(lacks);
  return false;
}
