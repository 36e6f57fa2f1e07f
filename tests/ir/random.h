/* random.h: random programs of the IR, regions included, for the tests. */
#ifndef TW_TESTS_IR_RANDOM_H
#define TW_TESTS_IR_RANDOM_H

#include "compiler/ir/ir.h"

/* The same program twice: as written (no folding, no value numbering) and with folding. Both are
 * sealed and have the same parameters and results. */
void random_program(TwModule *m, uint64_t *rng, const TwFn **plain, const TwFn **fold);

#endif
