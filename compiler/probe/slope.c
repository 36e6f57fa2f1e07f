/* slope.c: central differences of a function whose pattern is held, and what they are worth.
 *
 * Held, the function is smooth, so the only questions are how curved it is and how it rounds. The difference
 * of fourth order is taken at a ladder of steps; truncation makes neighbouring steps disagree at its wide
 * end, rounding at its narrow end, and where three agree best the slope is read off. If even these disagree
 * by more than rounding explains, the function moves faster than the steps resolve, and nothing is said. */
#include <math.h>

#include "compiler/probe/internal.h"

static double value_at(TwLine *line, double t) {
  for (uint32_t k = 0; k < line->n; k++) *line->at[k] = line->x[k] + t * line->v[k];
  double sum = tw_call_run(&line->call, &line->watch) ? 0 : NAN;
  const TwFn *f = line->call.fn;
  for (uint32_t k = 0; k < f->results.len; k++) {
    if (tw_info(f, f->results.at[k])->dtype != TW_REAL) continue;
    const double *weight = line->weight ? line->weight[k] : NULL, *y = tw_call_reals(&line->call, k);
    for (uint64_t e = 0; e < tw_call_count(f, f->results.at[k]); e++) sum += weight ? weight[e] * y[e] : y[e];
  }
  for (uint32_t k = 0; k < line->n; k++) *line->at[k] = line->x[k];
  return sum;
}

bool tw_line_record(TwLine *line) {
  line->watch.use = TW_PATTERN_RECORD;
  value_at(line, 0);
  line->watch.use = TW_PATTERN_HOLD;
  return !line->watch.pattern.failed;
}

/* Five points; *size is the largest value met, which says how the difference rounds. */
static double central(TwLine *line, double h, double *size) {
  double near = value_at(line, h), far = value_at(line, 2 * h);
  double near_back = value_at(line, -h), far_back = value_at(line, -2 * h);
  *size = fmax(fabs(far), fabs(far_back));
  return (8 * (near - near_back) - (far - far_back)) / (12 * h);
}

/* The smallest t that moves every number by more than its last bit. */
static double finest(const TwLine *line) {
  double t = 0;
  for (uint32_t k = 0; k < line->n; k++)
    if (line->v[k] != 0) t = fmax(t, 0x1p-52 * fabs(line->x[k] / line->v[k]));
  return t;
}

TwSlope tw_slope(TwLine *line, double h, double expected, double allowed) {
  enum { STEPS = 9 };
  double d[STEPS], rounding[STEPS], size, blur = finest(line);
  TwSlope best = {.spread = INFINITY};
  for (int k = 0; k < STEPS && blur <= 1e-4 * h; k++, h /= 6) {
    d[k] = central(line, h, &size);
    rounding[k] = 4 * 0x1p-52 * size / h + fabs(d[k]) * blur / h;
    if (fabs(d[k] - expected) <= allowed) return (TwSlope){true, d[k], allowed};
    if (k < 2) continue;
    double apart = fmax(fabs(d[k - 1] - d[k]), fabs(d[k - 1] - d[k - 2])), spread = apart + rounding[k - 1];
    bool resolved = apart <= 1e-2 * fabs(d[k - 1]) || apart <= 1e3 * rounding[k - 1];
    if (resolved && spread < best.spread) best = (TwSlope){true, d[k - 1], spread};
  }
  return best;
}
