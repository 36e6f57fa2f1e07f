/* figures.c: the pictures of one trained program, as plain tables for plot/plot.h. */
#include "cli/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "runtime/data.h"

static void *block(TwFigure *f, size_t n, size_t size) {
  if (f->n_blocks == f->cap_blocks) {
    f->cap_blocks = f->cap_blocks ? 2 * f->cap_blocks : 16;
    f->blocks = tw_cli_need(realloc(f->blocks, f->cap_blocks * sizeof *f->blocks));
  }
  void *p = tw_cli_need(calloc(n ? n : 1, size));
  return f->blocks[f->n_blocks++] = p;
}

static double *reals(TwFigure *f, size_t n) { return block(f, n, sizeof(double)); }
static TwPlotSeries *series(TwFigure *f, size_t n) { return block(f, n, sizeof(TwPlotSeries)); }

void tw_figure_free(TwFigure *f) {
  for (size_t k = 0; k < f->n_blocks; k++) free(f->blocks[k]);
  free(f->blocks);
  *f = (TwFigure){0};
}

/* ---- target, fit and breakpoints */

enum { INSIDE = 24 }; /* points of a piece, for curves of the target */

const char *tw_figure_fit(TwFigure *f, const TwRtData *target, const TwRtPieces *pieces, double lo, double hi) {
  size_t n = pieces->n;
  if (!target) return "no data set is a grid of one axis, whose target could be drawn";
  if (n == 0) return "there are no pieces";
  double *knot_x = reals(f, n + 1), *knot_y = reals(f, n + 1), *x = reals(f, n * INSIDE + 1),
         *y = reals(f, n * INSIDE + 1);
  double *err = reals(f, n * INSIDE + 1);
  for (size_t k = 0; k <= n; k++) {
    const TwRtPiece *p = &pieces->pieces[k < n ? k : n - 1];
    knot_x[k] = k < n ? p->lo : p->hi;
    knot_y[k] = fma(p->slope, knot_x[k], p->intercept);
  }
  for (size_t k = 0; k < n * INSIDE + 1; k++) {
    const TwRtPiece *p = &pieces->pieces[k / INSIDE < n ? k / INSIDE : n - 1];
    x[k] = k / INSIDE < n ? p->lo + (p->hi - p->lo) * (double)(k % INSIDE) / INSIDE : p->hi;
    err[k] = fma(p->slope, x[k], p->intercept);
  }
  if (!tw_rt_target_at(target, x, y, n * INSIDE + 1)) return "out of memory";
  for (size_t k = 0; k < n * INSIDE + 1; k++) err[k] -= y[k];
  TwPlotSeries *s = series(f, 5);
  s[0] = (TwPlotSeries){"target", n * INSIDE + 1, x, y, TW_PLOT_WIDE, 6};
  s[1] = (TwPlotSeries){"model", n + 1, knot_x, knot_y, TW_PLOT_LINE, 1};
  s[2] = (TwPlotSeries){"breakpoints", n + 1, knot_x, knot_y, TW_PLOT_POINTS, 2};
  s[3] = (TwPlotSeries){NULL, n * INSIDE + 1, x, err, TW_PLOT_LINE, 1};
  s[4] = (TwPlotSeries){"breakpoints", n + 1, knot_x, NULL, TW_PLOT_TICKS, 2};
  f->panels[0] = (TwPlotPanel){.title = "target and model",
                               .x_label = target->axes[0].name,
                               .x_lo = lo,
                               .x_hi = hi,
                               .legend = true,
                               .n_series = 3,
                               .series = s};
  f->panels[1] = (TwPlotPanel){.title = "model − target",
                               .x_label = target->axes[0].name,
                               .x_lo = lo,
                               .x_hi = hi,
                               .n_series = 2,
                               .series = s + 3};
  f->plot = (TwPlot){.n_panels = 2, .columns = 2, .panels = f->panels};
  return NULL;
}

/* ---- neurons, layer by layer */

static double coefficient(uint32_t number, const double *coeffs) {
  return number == TW_PL_ZERO ? 0 : number == TW_PL_ONE ? 1 : number == TW_PL_MINUS_ONE ? -1 : coeffs[number];
}

/* All nodes at x, in f64. */
static void evaluate(const TwRtPl *pl, const double *coeffs, double x, double *v) {
  for (uint32_t i = 0; i < pl->n_nodes; i++) {
    const TwRtPlNode *n = &pl->nodes[i];
    switch ((TwRtPlKind)n->kind) {
      case TW_PL_INPUT: v[i] = x; break;
      case TW_PL_RELU: v[i] = fmax(v[n->a], 0); break;
      case TW_PL_ABS: v[i] = fabs(v[n->a]); break;
      case TW_PL_MIN: v[i] = fmin(v[n->a], v[n->b]); break;
      case TW_PL_MAX: v[i] = fmax(v[n->a], v[n->b]); break;
      case TW_PL_AFFINE:
        v[i] = coefficient(n->bias, coeffs);
        for (uint32_t k = n->term; k < n->term + n->n_terms; k++)
          v[i] = fma(coefficient(pl->terms[k].coeff, coeffs), v[pl->terms[k].node], v[i]);
        break;
    }
  }
}

/* The layer of each node: one more than those of the switches it depends on. */
static void find_layers(const TwRtPl *pl, uint32_t *layer) {
  for (uint32_t i = 0; i < pl->n_nodes; i++) {
    const TwRtPlNode *n = &pl->nodes[i];
    layer[i] = 0;
    if (n->kind == TW_PL_AFFINE) {
      for (uint32_t k = n->term; k < n->term + n->n_terms; k++)
        if (layer[pl->terms[k].node] > layer[i]) layer[i] = layer[pl->terms[k].node];
    } else if (n->kind != TW_PL_INPUT) {
      uint32_t a = layer[n->a], b = n->kind == TW_PL_MIN || n->kind == TW_PL_MAX ? layer[n->b] : 0;
      layer[i] = 1 + (a > b ? a : b);
    }
  }
}

enum { SAMPLES = 2049, MOST_LAYERS = 12, MOST_NEURONS = 8 };

/* The points of a polygon that are needed to draw it: those that do not lie on the line through their neighbours. */
static size_t without_collinear(size_t n, const double *x, const double *y, double *kept_x, double *kept_y) {
  size_t m = 0;
  for (size_t k = 0; k < n; k++) {
    bool end = k == 0 || k + 1 == n;
    double between = end ? 0 : y[k - 1] + (y[k + 1] - y[k - 1]) * (x[k] - x[k - 1]) / (x[k + 1] - x[k - 1]);
    if (!end && fabs(y[k] - between) < 1e-7) continue;
    kept_x[m] = x[k];
    kept_y[m++] = y[k];
  }
  return m;
}

const char *tw_figure_layers(TwFigure *f, const TwRtPl *pl, const double *coeffs, double lo, double hi) {
  uint32_t *layer = block(f, pl->n_nodes, sizeof *layer), n_layers = 0;
  find_layers(pl, layer);
  double *v = reals(f, pl->n_nodes), *x = reals(f, SAMPLES), **rows = block(f, pl->n_nodes, sizeof *rows);
  for (uint32_t i = 0; i < pl->n_nodes; i++) {
    if (pl->nodes[i].kind == TW_PL_AFFINE || pl->nodes[i].kind == TW_PL_INPUT || layer[i] > MOST_LAYERS) continue;
    rows[i] = reals(f, SAMPLES);
    if (layer[i] > n_layers) n_layers = layer[i];
  }
  if (n_layers == 0) return "the model has no switch";
  for (int k = 0; k < SAMPLES; k++) {
    x[k] = lo + (hi - lo) * k / (SAMPLES - 1);
    evaluate(pl, coeffs, x[k], v);
    for (uint32_t i = 0; i < pl->n_nodes; i++)
      if (rows[i]) rows[i][k] = v[i];
  }
  for (uint32_t l = 1; l <= n_layers; l++) {
    TwPlotSeries *s = series(f, MOST_NEURONS);
    size_t n = 0;
    unsigned number = 0;
    for (uint32_t i = 0; i < pl->n_nodes && n < MOST_NEURONS; i++) {
      if (!rows[i] || layer[i] != l) continue;
      number++;
      double most = 0, least = INFINITY;
      for (int k = 0; k < SAMPLES; k++) most = fmax(most, fabs(rows[i][k])), least = fmin(least, fabs(rows[i][k]));
      for (int k = 0; k < SAMPLES && most > 0; k++) rows[i][k] /= most;
      if (most == least) continue; /* a constant is no picture */
      char *label = block(f, 24, 1);
      snprintf(label, 24, "neuron %u", number);
      double *kept_x = reals(f, SAMPLES), *kept_y = reals(f, SAMPLES);
      size_t kept = without_collinear(SAMPLES, x, rows[i], kept_x, kept_y);
      s[n++] = (TwPlotSeries){label, kept, kept_x, kept_y, TW_PLOT_LINE, number};
    }
    char *title = block(f, 32, 1);
    snprintf(title, 32, "layer %u", l);
    f->panels[l - 1] = (TwPlotPanel){.title = title,
                                     .x_label = l + 3 > n_layers ? "x" : NULL,
                                     .x_lo = lo,
                                     .x_hi = hi,
                                     .y_lo = -0.03,
                                     .y_hi = 1.03,
                                     .n_series = n,
                                     .series = s};
  }
  uint32_t fullest = 0;
  for (uint32_t l = 1; l < n_layers; l++)
    if (f->panels[l].n_series > f->panels[fullest].n_series) fullest = l;
  f->panels[fullest].legend = true;
  f->plot = (TwPlot){.title = "outputs of the neurons, each over its largest; equal ones once, constant ones not",
                     .n_panels = n_layers,
                     .columns = n_layers < 3 ? n_layers : 3,
                     .panels = f->panels,
                     .width = 360,
                     .height = 270};
  return NULL;
}

/* ---- epochs */

bool tw_history_init(TwHistory *h, const char *const *stages, const double *epochs, uint32_t n_stages, uint32_t n_seeds,
                     size_t readings) {
  *h = (TwHistory){.n_stages = n_stages, .n_seeds = n_seeds, .cap = readings};
  h->n = calloc(n_seeds + 1u, sizeof *h->n);
  h->epoch = calloc(n_seeds * readings + 1, sizeof *h->epoch);
  h->loss = calloc(n_seeds * readings + 1, sizeof *h->loss);
  h->regions = calloc(n_seeds * readings + 1, sizeof *h->regions);
  h->starts = calloc(n_stages + 1u, sizeof *h->starts);
  h->stages = calloc(n_stages + 1u, sizeof *h->stages);
  bool ok = h->n && h->epoch && h->loss && h->regions && h->starts && h->stages;
  for (uint32_t s = 0; ok && s < n_stages; s++) {
    h->starts[s + 1] = h->starts[s] + epochs[s];
    ok = (h->stages[s] = strdup(stages[s])) != NULL;
  }
  return ok;
}

void tw_history_free(TwHistory *h) {
  for (uint32_t s = 0; h->stages && s < h->n_stages; s++) free(h->stages[s]);
  free(h->stages);
  free(h->n);
  free(h->epoch);
  free(h->loss);
  free(h->regions);
  free(h->starts);
  *h = (TwHistory){0};
}

void tw_history_add(TwHistory *h, uint32_t seed, uint32_t stage, double epoch, double loss, double regions) {
  size_t k = h->n[seed], at = seed * h->cap + k;
  if (k == h->cap) return;
  h->epoch[at] = h->starts[stage] + epoch;
  h->loss[at] = loss;
  h->regions[at] = regions;
  h->n[seed] = k + 1;
}

/* Seeds are apart, so threads do not meet. */
void tw_history_watch(void *history, const TwRtEpoch *e) {
  tw_history_add(history, e->seed_index, e->stage, (double)e->epoch, e->loss,
                 e->regions >= 0 ? (double)e->regions : NAN);
}

void tw_history_restart(void *history, uint32_t seed_index) { ((TwHistory *)history)->n[seed_index] = 0; }

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median_of(double *all, size_t n) {
  if (n == 0) return NAN;
  qsort(all, n, sizeof *all, by_size);
  return n % 2 ? all[n / 2] : 0.5 * (all[n / 2 - 1] + all[n / 2]);
}

/* The median over the seeds, epoch by epoch: of each seed its last reading so far, at the epochs at which at least half
 * of the seeds that are still there have one (seeds may end a stage at epochs of their own). Returns how many points.
 */
static size_t medians(TwFigure *f, const TwHistory *h, const double *of, double *x, double *y, size_t most) {
  size_t *next = block(f, h->n_seeds, sizeof *next); /* of each seed the first reading after the epoch */
  double *scratch = reals(f, h->n_seeds);
  for (size_t n = 0;;) {
    double epoch = INFINITY;
    for (uint32_t s = 0; s < h->n_seeds; s++)
      if (next[s] < h->n[s]) epoch = fmin(epoch, h->epoch[s * h->cap + next[s]]);
    if (isinf(epoch) || n == most) return n;
    size_t have = 0, alive = 0, values = 0;
    for (uint32_t s = 0; s < h->n_seeds; s++) {
      alive += next[s] < h->n[s];
      if (next[s] < h->n[s] && h->epoch[s * h->cap + next[s]] == epoch) have++, next[s]++;
      double v = next[s] ? of[s * h->cap + next[s] - 1] : NAN;
      if (!isnan(v)) scratch[values++] = v;
    }
    if (2 * have < alive) continue;
    x[n] = epoch;
    y[n++] = median_of(scratch, values);
  }
}

static size_t readings_of(const TwHistory *h) {
  size_t n = 0;
  for (uint32_t s = 0; s < h->n_seeds; s++) n += h->n[s];
  return n;
}

/* The lines of a history: its seeds, if there are several, and their median. How many series; 0: no number is there. */
static size_t add_lines(TwFigure *f, TwPlotSeries *s, const TwHistory *h, const double *of, const char *label,
                        unsigned thin, unsigned colour) {
  size_t most = readings_of(h), any = 0, n = 0;
  double *x = reals(f, most), *y = reals(f, most);
  size_t points = medians(f, h, of, x, y, most);
  for (size_t k = 0; k < points; k++) any += isnan(y[k]) ? 0 : 1;
  if (any == 0) return 0;
  for (uint32_t k = 0; h->n_seeds > 1 && k < h->n_seeds; k++)
    s[n++] = (TwPlotSeries){k == 0 && thin != colour ? "a seed" : NULL,
                            h->n[k],
                            h->epoch + k * h->cap,
                            of + k * h->cap,
                            TW_PLOT_THIN,
                            thin};
  s[n++] = (TwPlotSeries){label, points, x, y, TW_PLOT_LINE, colour};
  return n;
}

static void marks_of(TwFigure *f, const TwHistory *h, TwPlotPanel *panel) {
  TwPlotMark *marks = block(f, h->n_stages + 1u, sizeof *marks);
  for (uint32_t k = 0; k < h->n_stages; k++) marks[k] = (TwPlotMark){h->starts[k], h->stages[k]};
  panel->n_marks = h->n_stages;
  panel->marks = marks;
}

static double last_epoch(const TwHistory *h) {
  double last = 0;
  for (uint32_t s = 0; s < h->n_seeds; s++)
    if (h->n[s]) last = fmax(last, h->epoch[s * h->cap + h->n[s] - 1]);
  return last;
}

static const char *over_epochs(TwFigure *f, const TwHistory *h, const double *of, const char *y_label, bool log,
                               const char *why_none) {
  if (readings_of(h) == 0) return "nothing was trained";
  bool several = h->n_seeds > 1;
  TwPlotSeries *s = series(f, (size_t)h->n_seeds + 1);
  size_t n = add_lines(f, s, h, of, several ? "median" : NULL, 1, several ? 2 : 1);
  if (n == 0) return why_none;
  f->panels[0] = (TwPlotPanel){.x_label = "epoch",
                               .y_label = y_label,
                               .y_log = log,
                               .x_lo = 0,
                               .x_hi = last_epoch(h),
                               .legend = several,
                               .n_series = n,
                               .series = s};
  marks_of(f, h, &f->panels[0]);
  f->plot = (TwPlot){.n_panels = 1, .columns = 1, .panels = f->panels, .width = 680, .height = 400};
  return NULL;
}

static bool same_stages(const TwHistory *a, const TwHistory *b) {
  bool same = a->n_stages == b->n_stages;
  for (uint32_t k = 0; same && k < a->n_stages; k++)
    same = a->starts[k] == b->starts[k] && strcmp(a->stages[k], b->stages[k]) == 0;
  return same;
}

const char *tw_figure_compare(TwFigure *f, const TwHistory *h, const char *const *labels, uint32_t n) {
  size_t most = 0, lines = 0;
  double last = 0;
  bool same = true;
  for (uint32_t k = 0; k < n; k++) {
    most += (size_t)h[k].n_seeds + 1;
    last = fmax(last, last_epoch(&h[k]));
    same = same && same_stages(&h[0], &h[k]);
  }
  TwPlotSeries *s = series(f, most);
  for (uint32_t k = 0; k < n; k++) lines += add_lines(f, s + lines, &h[k], h[k].loss, labels[k], k + 1, k + 1);
  if (lines == 0) return "nothing was trained";
  f->panels[0] = (TwPlotPanel){.x_label = "epoch",
                               .y_label = "training loss",
                               .y_log = true,
                               .x_lo = 0,
                               .x_hi = last,
                               .legend = true,
                               .n_series = lines,
                               .series = s};
  if (same) marks_of(f, &h[0], &f->panels[0]);
  f->plot = (TwPlot){.n_panels = 1, .columns = 1, .panels = f->panels, .width = 760, .height = 440};
  return NULL;
}

const char *tw_figure_loss(TwFigure *f, const TwHistory *h) {
  return over_epochs(f, h, h->loss, "training loss", true, "no epoch has a loss that is a number");
}
const char *tw_figure_regions(TwFigure *f, const TwHistory *h) {
  return over_epochs(f, h, h->regions, "linear regions", false,
                     "there are no regions to count: no model is piecewise linear in one input");
}
