/* tape.h: code for a CPU with AVX-512 and calls of it, kept in a file to be made on such a CPU.
 *
 * Where the environment names a file in TW_TAPE, the tests that compare compiled code with the interpreter compile it
 * for x86-64-v4 at 512 bits, and write the object, the arguments and what the interpreter makes of them to that file
 * instead of calling the code. tests/avx512/play.c reads it and makes the calls. (TW_TAPE_LEVEL=3: code for AVX2, to
 * try all that where there is no AVX-512.) */
#ifndef TW_TESTS_LLVM_TAPE_H
#define TW_TESTS_LLVM_TAPE_H

#include <stdio.h>

#include "compiler/llvm/llvm.h"
#include "tests/llvm/call.h"

enum { TAPE_SYMBOL = 64, TAPE_WHAT = 128 };

/* NULL: no tape is wanted. A file that cannot be opened ends the process. */
FILE *tape_open(void);
bool tape_close(FILE *tape); /* NULL: true. false, and a line on stderr: it could not be written */
TwLlOptions tape_options(void);

/* Objects, and calls of functions in them; one tape holds any number of both. */
void tape_code(FILE *tape, const TwLlObjects *objects);
void tape_call(FILE *tape, const char *symbol, const char *what, const Call *c);

typedef struct TapeEntry {
  TwLlObjects objects; /* n > 0: code; else a call */
  char symbol[TAPE_SYMBOL], what[TAPE_WHAT];
  Call call;
} TapeEntry;

/* The next entry, which the caller frees. false at the end, or with *broken where the file is none of these. */
bool tape_next(FILE *tape, TapeEntry *e, bool *broken);
void tape_entry_free(TapeEntry *e);

#endif
