/* call.h: one call of compiled code, and whether it does what it must: the results wanted, every bit of them (any NaN
 * equals any NaN), and nothing written behind a result or behind the work buffer. */
#ifndef TW_TESTS_LLVM_CALL_H
#define TW_TESTS_LLVM_CALL_H

#include "compiler/ir/ir.h"
#include "runtime/program.h"

typedef struct Value {
  TwDtype dtype;
  int64_t count;
  void *at; /* call_buffer's */
} Value;

typedef struct Call {
  TwPrecision precision;
  bool shared; /* with a pool, which does what chunks it is given from the last to the first */
  uint64_t work_bytes;
  uint32_t n_in, n_out;
  Value *in, *want;
} Call;

/* Bytes of a value as program.h asks: reals have room for whole runs of sixteen, ints and bools have none. */
size_t call_bytes(const Value *v, TwPrecision p);
/* Room for so many bytes, 64-byte aligned, with bytes behind it that must not change. The caller frees. */
void *call_buffer(size_t bytes);
/* Turns a bit of the first number wanted around (a NaN becomes 0), so that no call agrees. false: it wants none. */
bool call_spoil(Call *c);
/* false and in `why` what is wrong. */
bool call_agrees(const Call *c, TwRtEntry entry, char why[200]);

#endif
