/* experiment.h: one call of `triwave run --json`, as the figures that the tables show. */
#ifndef TW_PAPER_EXPERIMENT_H
#define TW_PAPER_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Settings {
  const char *triwave, *root; /* the command; the checkout */
  const char *pictures;       /* folder for them */
  int seeds;
  const char *only; /* of the computed parts these, a comma after each; NULL: all */
  int epochs;       /* of each stage; 0: as the programs say. Otherwise it is a rehearsal, with fewer depths and laws */
} Settings;

typedef struct Range {
  double lo, hi; /* lo > hi: nothing was counted */
} Range;

/* A variant over its seeds. Losses are the best epoch's of the last stage but for `last`. Tests are at the last values;
 * NaN where the program measures none. */
typedef struct Row {
  char name[48];
  int n, failed;
  double min, mean, median, max, last;
  double first_stage_min, first_stage_mean; /* best loss of the first stage */
  double test_min, test_mean;
  double dead; /* share of the nets whose output is affine on the whole interval at the end */
  int stuck;   /* nets that are dead, or whose best loss is above 1e-5 */
  int retries;
  double before_last_mean;              /* best loss of the stage before the last */
  double best_fit, over_min, over_mean; /* of as many pieces as the program asks for; losses over it; NaN: not asked */
  Range first, end;                     /* regions after the first stage and after the last */
} Row;

typedef struct Rows {
  size_t n;
  Row at[32];
} Rows;

/* Runs examples/FILE.tw with these options; ends the process with a message if that fails. */
Rows run(const Settings *s, const char *file, const char *options);
const Row *row_of(const Rows *r, const char *name);

#endif
