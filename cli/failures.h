/* failures.h: what went wrong in training, as diagnostics. */
#ifndef TW_CLI_FAILURES_H
#define TW_CLI_FAILURES_H

#include "compiler/unit.h"
#include "runtime/train.h"

/* Adds a diagnostic for each failure of r. True iff there is none and every seed is ok. */
bool tw_cli_failures(TwUnit *u, const char *variant, const TwRtProgram *p, const TwRtResult *r);

#endif
