/* three.h: one call by three evaluators (P6): the interpreter, the JIT, and an object file that the
 * system's linker has made a shared object of. All bits must agree; any NaN equals any NaN. */
#ifndef TW_TESTS_THREE_H
#define TW_TESTS_THREE_H

#include "compiler/ir/passes.h"
#include "compiler/object/object.h"
#include "runtime/program.h"
#include "tests/llvm/tape.h"

typedef struct Three {
  uint64_t calls, numbers, failures; /* calls of one function by all; numbers compared */
  uint64_t nans;                     /* of these, not numbers */
  FILE *tape;                        /* where calls go instead of being made (tests/llvm/tape.h); NULL: nowhere */
} Three;

/* A shared object of the object file `path`, loaded; the file goes. NULL and a line on stderr on failure. */
void *three_link(const char *path, TwObjectBytes object);

/* Calls f with `in`. The interpreter's results go to out, whose buffers are the caller's (three_buffer).
 * The functions to compare with have entries and work_bytes. False if anything differs: told on stderr,
 * the first few times. */
bool three_call(Three *t, const TwFn *f, TwPrecision p, const TwRtFn *jit, const TwRtFn *object, const void *const *in,
                void *const *out, const char *what);

/* The same for the tape: what the interpreter makes of `in`, to be compared with the function `symbol` of the tape's
 * code. */
void three_tape(Three *t, const TwFn *f, TwPrecision p, const char *symbol, uint64_t work_bytes, const void *const *in,
                void *const *out, const char *what);

/* Room for a value of type ty as program.h asks (free it); the padding holds NaN. */
void *three_buffer(const TwTyInfo *ty, TwPrecision p);

#endif
