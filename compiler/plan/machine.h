/* machine.h: what plans and code have to know of the machine that code is made for. It decides how code is cut and
 * how fast it is, never bits. Made in one place, without LLVM (machine.c). */
#ifndef TW_PLAN_MACHINE_H
#define TW_PLAN_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct TwMachineWish { /* zero: this processor, with all it has */
  uint32_t vector_bits;        /* at most so many: 128, 256 or 512; 0: what the processor has */
  uint32_t cpu_level;          /* any processor of this level of x86-64: 3 (AVX2, FMA), 4 (AVX-512 too); 0: this one */
  bool without_fma;            /* as if it had no FMA and AVX2 */
  bool halves;                 /* 512 bits, for a processor of 256: LLVM cuts each vector in two. For tests */
} TwMachineWish;

typedef struct TwMachine {
  uint32_t bits;      /* of a vector */
  uint32_t call_bits; /* of the vectors that elementary functions take */
  uint32_t registers; /* for vectors */
  uint32_t blocks;    /* vectors in a row of a tile whose rows are six, so that a tile's sums are in registers */
  /* The same of products whose operands are packed: what is loaded for a tile is least where its rows are many and its
   * row is short, and of the packed operand that a row goes through as much again fits the first-level cache. */
  uint32_t packed_rows, packed_blocks;
  bool masks;         /* in registers of their own: to keep lanes of a result is part of the operation */
  bool fma;           /* else each is a call of the C library's */
  int64_t near, core; /* bytes of the first-level cache, and of the second: a core's own */
  int64_t beyond;     /* bytes that no cache is taken to hold from one step of a training to the next */
} TwMachine;

TwMachine tw_machine(const TwMachineWish *wish);
uint32_t tw_machine_lanes(const TwMachine *m, bool f64); /* reals in a vector */
/* A matrix of more bytes is worth being packed: with what it is multiplied by it would not stay in the second-level
 * cache while the samples of a chunk go by. */
int64_t tw_machine_large(const TwMachine *m);

#endif
