/* passes.h: what can be done with a function of the IR besides building it. */
#ifndef TW_IR_PASSES_H
#define TW_IR_PASSES_H

#include "compiler/ir/ir.h"

/* Checks every rule of ops.def and of regions, recursively. NULL if all hold, else a message in
 * the module's arena that names the function, the instruction and the rule. */
const char *tw_verify(const TwFn *f);

/* The text form, and back: tw_ir_parse(tw_ir_print(f)) prints alike. Grammar in docs/ir.md.
 * Bodies of regions are printed first, as functions of their own; the last one is the function. */
char *tw_ir_print(const TwFn *f); /* in the module's arena */
const TwFn *tw_ir_parse(TwModule *m, const char *text, const char **error);

/* One evaluator of three (P6). Buffers are row major; real elements are float (TW_F32) or double
 * (TW_F64), int elements int64_t, bool elements uint8_t. Rounds after every operation as compiled
 * code does, sums in the defined order, calls SLEEF by name. Returns false if memory ran out. */
bool tw_interpret(const TwFn *f, TwPrecision precision, const void *const *params, void *const *results);

/* Alike but for names and spans: of one module, and sealed. */
bool tw_fn_equal(const TwFn *a, const TwFn *b);

/* Number of instructions, bodies included (each body once). */
uint32_t tw_fn_size(const TwFn *f);

#endif
