/* pieces.h: the models of a trained program as straight lines of affine maps and switches. */
#ifndef TW_CLI_PIECES_H
#define TW_CLI_PIECES_H

#include "cli/cli.h"
#include "runtime/regions.h"

/* The stage that --stage names, else the last; -1 and said why if there is none. */
int tw_cli_stage(const TwCli *c, const TwRtProgram *p);
/* The coefficients of a model's pieces at these VALUES, as doubles: malloc'ed, or NULL without memory. */
double *tw_cli_coefficients(const TwRtProgram *p, const TwRtStage *st, const TwRtPl *pl, const double *values);
/* Natural values of all params, then all weights, after a stage that has left these VALUES; the same. */
double *tw_cli_shown(const TwRtProgram *p, const TwRtStage *st, const double *values);

#endif
