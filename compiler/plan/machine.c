/* machine.c: the machine that code is made for.
 *
 * 512 and 256 bits are what a processor with AVX-512 (F, VL, DQ and BW), or AVX2 and FMA, has; 128 bits is for others,
 * and for who asks for it: then the code still has the processor's instructions up to AVX2. */
#include "compiler/plan/machine.h"

#include "runtime/cpu.h"

static uint32_t width(const TwMachineWish *w, bool fma) {
  if (!fma) return w->vector_bits && w->vector_bits < 128 ? w->vector_bits : 128;
  if (w->halves) return 512;
  uint32_t bits = (w->cpu_level ? w->cpu_level >= 4 : tw_rt_cpu_can(TW_RT_CPU_512)) ? 512 : 256;
  return w->vector_bits && w->vector_bits < bits ? w->vector_bits : bits;
}

TwMachine tw_machine(const TwMachineWish *w) {
  /* Caches are those of most processors since 2017, or less: 32 to 48 KiB, 512 KiB to 2 MiB. They are not asked for, so
   * that a program's code is the same on all of a kind. */
  TwMachine m = {.near = 32 << 10, .core = 512 << 10, .beyond = 24 << 20};
  m.fma = !w->without_fma && (w->cpu_level || tw_rt_cpu_can(TW_RT_CPU_256));
  m.bits = width(w, m.fma);
  m.call_bits = m.bits == 512 && w->halves ? 256 : m.bits;
  m.masks = m.bits == 512;
  m.registers = m.bits == 512 ? 32 : 16;
  m.blocks = m.bits == 512 ? 4 : 2;
  m.packed_rows = m.bits == 512 ? 12 : 6;
  m.packed_blocks = 2;
  return m;
}

uint32_t tw_machine_lanes(const TwMachine *m, bool f64) { return m->bits / (f64 ? 64 : 32); }

int64_t tw_machine_large(const TwMachine *m) { return m->core / 4; }
