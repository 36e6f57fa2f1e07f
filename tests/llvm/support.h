/* support.h: runs a function of the IR by the interpreter and as machine code on the same random
 * inputs and compares every bit of the results (any NaN equals any NaN).
 *
 * Inputs are padded as the ABI says and the padding holds NaN; behind the padding of outputs and of the
 * work buffer lie bytes that must not change. */
#ifndef TW_TESTS_LLVM_SUPPORT_H
#define TW_TESTS_LLVM_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>

#include "compiler/ir/ir.h"
#include "compiler/ir/passes.h"
#include "compiler/llvm/llvm.h"
#include "tests/llvm/tape.h"

typedef struct Test {
  TwArena arena;
  TwModule *m;
  uint64_t random;
  uint32_t failures, runs, shared; /* shared: runs in which threads could share a loop */
  int few; /* 1: one width, 256 or 512 bits in turn where this machine has no 512; 2: and one precision, in turn */
  uint32_t turn;
  FILE *tape; /* where calls go instead of being made; NULL: nowhere */
} Test;

Test test_new(uint64_t seed);
int test_end(Test *t, const char *what); /* prints figures; the exit status */
void test_reset(Test *t);                /* a new module: the old one's functions are gone */

uint64_t next_random(uint64_t *state);
int64_t below(Test *t, int64_t n);
TwTy real_ty(Test *t, uint32_t rank, int64_t a, int64_t b, int64_t c);

/* Compiles f for f32 and f64 and for vectors of 128, 256 and 512 bits, cut in two where this machine has none of 512,
 * and compares each with the interpreter; now and then also for a CPU without FMA. */
void check(Test *t, const TwFn *f, const char *what);
void check_one(Test *t, const TwFn *f, TwPrecision p, uint32_t bits, const char *what);

/* How often the plan of f, in f32 for vectors of so many bits, has these words. */
uint32_t plan_mentions(const TwFn *f, uint32_t bits, const char *words);
uint32_t code_mentions(const TwFn *f, uint32_t bits, const char *words); /* the same of its LLVM IR */

#endif
