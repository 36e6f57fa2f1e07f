/* failures.h: what went wrong in training, as diagnostics. */
#ifndef TW_CLI_FAILURES_H
#define TW_CLI_FAILURES_H

#include "compiler/pipeline.h"
#include "runtime/train.h"

/* Adds a diagnostic to the build's unit for each failure of r; a NaN is run again to say where it arose.
 * True iff there is none and every seed is ok. */
bool tw_cli_failures(TwBuild *b, const TwRtResult *r);

#endif
