/* tables.c: the computed parts of the page. */
#include "paper/tables.h"

#include <stdlib.h>
#include <string.h>

#include "paper/published.h"

static void put(FILE *out, double v) {
  if (isnan(v)) fprintf(out, "–");
  else fprintf(out, "%.2e", v);
}

static void put_range(FILE *out, Range r) {
  if (r.lo > r.hi) fprintf(out, "–");
  else if (r.lo == r.hi) fprintf(out, "%g", r.lo);
  else fprintf(out, "%g–%g", r.lo, r.hi);
}

/* ours (theirs), ours in bold where it is no larger */
static void put_beside(FILE *out, double ours, double theirs) {
  bool good = !isnan(theirs) && ours <= theirs;
  fprintf(out, "%s", good ? "**" : "");
  put(out, ours);
  fprintf(out, "%s", good ? "**" : "");
  if (!isnan(theirs)) fprintf(out, " (%.2e)", theirs);
}

typedef double (*Figure)(const Row *r);
static double min_of(const Row *r) { return r->min; }
static double mean_of(const Row *r) { return r->mean; }
static double test_of(const Row *r) { return r->test_min; }

/* A table of ways by targets beside the published one, and what is to be said of the rows. */
static void put_grid(FILE *out, const Rows rows[TARGETS], Figure figure, const double theirs[WAYS][TARGETS]) {
  int cells = 0, met = 0, full = 0, full_met = 0;
  fprintf(out, "| | %s | %s | %s | %s |\n|---|---|---|---|---|\n", targets[0], targets[1], targets[2], targets[3]);
  for (int w = 0; w < WAYS; w++) {
    fprintf(out, "| %s |", ways[w]);
    for (int t = 0; t < TARGETS; t++) {
      double ours = figure(row_of(&rows[t], ways[w])), his = theirs[w][t];
      fprintf(out, " ");
      put_beside(out, ours, his);
      fprintf(out, " |");
      cells += !isnan(his), met += ours <= his;
      full += w == WAYS - 1 && !isnan(his), full_met += w == WAYS - 1 && ours <= his;
    }
    fprintf(out, "\n");
  }
  fprintf(out, "\n%d of %d cells are at or below the paper's; of `full`, %d of %d.\n", met, cells, full_met, full);
}

static void put_details(FILE *out, const Rows rows[TARGETS], const Rows starts[TARGETS]) {
  fprintf(out, "| | | min | mean | median | max | mean of the last epoch | test, min | test, mean | dead | regions at "
               "the start | after pretraining | at the end |\n"
               "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (int t = 0; t < TARGETS; t++)
    for (int w = 0; w < WAYS; w++) {
      const Row *r = row_of(&rows[t], ways[w]);
      const double figures[] = {r->min, r->mean, r->median, r->max, r->last, r->test_min, r->test_mean};
      fprintf(out, "| %s | %s |", targets[t], ways[w]);
      for (size_t k = 0; k < sizeof figures / sizeof *figures; k++)
        fprintf(out, " "), put(out, figures[k]), fprintf(out, " |");
      fprintf(out, " %.0f%% | ", 100 * r->dead);
      if (starts) put_range(out, row_of(&starts[t], ways[w])->first);
      fprintf(out, " | ");
      if (w >= 3) put_range(out, r->first); /* free and full pretrain */
      fprintf(out, " | ");
      put_range(out, r->end);
      fprintf(out, " |\n");
    }
}

static void run_grid(const Settings *s, const char *options, Rows rows[TARGETS]) {
  for (int t = 0; t < TARGETS; t++) {
    char all[256];
    snprintf(all, sizeof all, "--all-variants -D target=%d %s", t, options);
    rows[t] = run(s, "paper", all);
  }
}

/* ---- dense and sparse */

static void dense(const Settings *s, FILE *out) {
  Rows rows[TARGETS], starts[TARGETS];
  run_grid(s, "", rows);
  Settings none = *s;
  none.epochs = 0;
  run_grid(&none, "-D pre=0 -D post=0", starts);
  fprintf(out, "Minimum of %d:\n\n", s->seeds);
  put_grid(out, rows, min_of, published_min);
  fprintf(out, "\nMean of %d:\n\n", s->seeds);
  put_grid(out, rows, mean_of, published_mean);
  fprintf(out, "\nAll of it:\n\n");
  put_details(out, rows, starts);
}

static void dense_full_batch(const Settings *s, FILE *out) {
  Rows rows[TARGETS];
  run_grid(s, "-D rows=500", rows);
  fprintf(out, "Minimum of %d, one update an epoch:\n\n", s->seeds);
  put_grid(out, rows, min_of, published_min);
  fprintf(out, "\nMean of %d:\n\n", s->seeds);
  put_grid(out, rows, mean_of, published_mean);
}

static void sparse(const Settings *s, FILE *out) {
  Rows rows[TARGETS];
  run_grid(s, "-D points=10 -D spread=0.3", rows);
  put_grid(out, rows, test_of, published_sparse);
  fprintf(out, "\n");
  put_details(out, rows, NULL);
}

static void sparse_spread(const Settings *s, FILE *out) {
  static const char *const spreads[] = {"0.1", "0.2", "0.3", "0.4", "0.45"};
  fprintf(out, "| peaks at the start | %s | %s | %s | %s |\n|---|---|---|---|---|\n", targets[0], targets[1],
          targets[2], targets[3]);
  for (size_t k = 0; k < (s->epochs ? 1 : sizeof spreads / sizeof *spreads); k++) {
    fprintf(out, "| ½ ± %s |", spreads[k]);
    for (int t = 0; t < TARGETS; t++) {
      char options[128];
      snprintf(options, sizeof options, "-D points=10 -D target=%d -D spread=%s", t, spreads[k]);
      Rows r = run(s, "paper", options);
      fprintf(out, " ");
      put_beside(out, r.at[0].test_min, published_sparse[WAYS - 1][t]);
      fprintf(out, ", mean ");
      put(out, r.at[0].test_mean);
      fprintf(out, " |");
    }
    fprintf(out, "\n");
  }
}

/* ---- sums of networks */

static void put_sum(FILE *out, const char *what, const Row *r, double theirs) {
  fprintf(out, "| %s | ", what);
  put_beside(out, r->min, theirs);
  fprintf(out, " | %.2e | %.2e | %.2e | %.2e | %.0f%% |\n", r->mean, r->median, r->max, r->test_min, 100 * r->dead);
}

static void sums(const Settings *s, FILE *out) {
  Settings whole = *s;
  whole.epochs = 0; /* these have no such constants, and take a second */
  fprintf(out, "| | min | mean | median | max | test, min | dead |\n|---|---|---|---|---|---|---|\n");
  put_sum(out, "x³ − x, two networks (`difference.tw`)", &run(&whole, "difference", "").at[0], published_difference);
  put_sum(out, "x³ − x, dense 8x5 (`difference_dense.tw`)", &run(&whole, "difference_dense", "").at[0],
          published_difference_dense);
  put_sum(out, "r³, three networks (`radial.tw`)", &run(&whole, "radial", "").at[0], published_radial);
  put_sum(out, "r³, dense 8x5 (`radial_dense.tw`)", &run(&whole, "radial_dense", "").at[0], published_radial_dense);
}

/* ---- depth */

static void depth(const Settings *s, FILE *out) {
  Settings few = *s;
  few.epochs = 0;
  if (few.seeds > 10) few.seeds = 10;
  Settings one = few; /* classic has nothing random */
  one.seeds = 1;
  DepthRow rows[11];
  size_t n = 0;
  fprintf(out, "| depth | full, min / mean | after pretraining | regions then | at the end | skip, min / mean | "
               "regions | kaiming, min / mean | regions | "
               "classic, f32 | classic, f64 | regions |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (int d = 2; d <= 12; d += s->epochs ? 5 : 1) { /* a rehearsal: three depths */
    char options[128], wide[128], shorter[32] = "";
    if (s->epochs) snprintf(shorter, sizeof shorter, " -D epochs=%d", s->epochs);
    snprintf(options, sizeof options, "--variant full,skip,kaiming -D depth=%d%s", d, shorter);
    Rows r = run(&few, "depth", options);
    snprintf(options, sizeof options, "--variant classic -D depth=%d", d);
    snprintf(wide, sizeof wide, "--variant classic --precision f64 -D depth=%d", d);
    Rows narrow = run(&one, "depth", options), w = run(&one, "depth", wide);
    DepthRow *row = &rows[n++];
    *row = (DepthRow){d, *row_of(&r, "full"), *row_of(&r, "skip"), *row_of(&r, "kaiming"), narrow.at[0], w.at[0]};
    fprintf(out, "| %d | %.1e / %.1e | %.1e | ", d, row->full.min, row->full.mean, row->full.first_stage_min);
    put_range(out, row->full.first);
    fprintf(out, " | ");
    put_range(out, row->full.end);
    fprintf(out, " | %.1e / %.1e | ", row->skip.min, row->skip.mean);
    put_range(out, row->skip.end);
    fprintf(out, " | %.1e / %.1e | ", row->kaiming.min, row->kaiming.mean);
    put_range(out, row->kaiming.end);
    fprintf(out, " | %.1e | %.1e | ", row->classic.min, row->classic64.min);
    put_range(out, row->classic.end);
    fprintf(out, " |\n");
  }
  draw_depth(s, rows, n);
}

/* ---- what is left open */

static void put_choice(FILE *out, const char *what, const Row *cubic, const Row *power) {
  fprintf(out, "| %s | %.2e | %.2e | %.2e | ", what, cubic->min, cubic->mean, cubic->max);
  put_range(out, cubic->end);
  fprintf(out, " | %.2e | %.2e | %.2e | ", power->min, power->mean, power->max);
  put_range(out, power->end);
  fprintf(out, " |\n");
}

static void choices_head(FILE *out) {
  fprintf(out, "| | x³, min | mean | max | regions | x¹¹, min | mean | max | regions "
               "|\n|---|---|---|---|---|---|---|---|---|\n");
}

/* Variants of choices.tw: name, words, name, words, …, NULL. */
static void choices_of(const Settings *s, FILE *out, const char *const *pairs) {
  char variants[512] = "", options[640];
  for (size_t k = 0; pairs[k]; k += 2) {
    size_t n = strlen(variants);
    snprintf(variants + n, sizeof variants - n, "%s%s", n ? "," : "", pairs[k]);
  }
  snprintf(options, sizeof options, "--variant %s -D power=3", variants);
  Rows cubic = run(s, "choices", options);
  snprintf(options, sizeof options, "--variant %s -D power=11", variants);
  Rows power = run(s, "choices", options);
  choices_head(out);
  for (size_t k = 0; pairs[k]; k += 2)
    put_choice(out, pairs[k + 1], row_of(&cubic, pairs[k]), row_of(&power, pairs[k]));
}

static void law(const Settings *s, FILE *out) {
  static const char *const pairs[] = {"law_0_1", "U(0, 1)",     "law_1_9",  "U(0.1, 0.9)",     "full", "U(0.3, 0.7)",
                                      "law_4_6", "U(0.4, 0.6)", "law_half", "U(0.499, 0.501)", NULL};
  choices_of(s, out, pairs);
}

static void bounds(const Settings *s, FILE *out) {
  static const char *const pairs[] = {"full", "clip at 0.02", "logistic", "logistic", NULL};
  choices_of(s, out, pairs);
}

static void heads(const Settings *s, FILE *out) {
  static const char *const pairs[] = {
      "full",   "s₀ trained, nothing else",    "tied",         "s₀ tied to (1 − a₀) a₁",
      "gain",   "and a factor on the output",  "slope",        "and the slope of the sum neuron's input",
      "offset", "and an offset of the output", "slope_offset", "and slope and offset",
      NULL};
  choices_of(s, out, pairs);
}

static void release(const Settings *s, FILE *out) {
  static const char *const pairs[] = {
      "release_0",    "0 + 2000 epochs", "release_250",   "250 + 1750",     "full", "1000 + 1000",
      "release_1500", "1500 + 500",      "release_never", "never released", NULL};
  Settings whole = *s;
  whole.epochs = 0; /* the variants are about epochs */
  choices_of(&whole, out, pairs);
}

static void batches(const Settings *s, FILE *out) {
  static const char *const pairs[] = {"full",
                                      "full batch, 2000 epochs, 2000 updates",
                                      "batch_50_tenth",
                                      "50 rows, 200 epochs, 2000 updates",
                                      "batch_50",
                                      "50 rows, 2000 epochs, 20000 updates",
                                      NULL};
  Settings whole = *s;
  whole.epochs = 0;
  choices_of(&whole, out, pairs);
}

static void put_settings(const Settings *s, FILE *out, const char *what, const char *options) {
  char all[256];
  snprintf(all, sizeof all, "%s -D power=3", options);
  Rows cubic = run(s, "choices", all);
  snprintf(all, sizeof all, "%s -D power=11", options);
  Rows power = run(s, "choices", all);
  put_choice(out, what, &cubic.at[0], &power.at[0]);
}

static void rates(const Settings *s, FILE *out) {
  choices_head(out);
  put_settings(s, out, "3e-4", "-D rate=3e-4");
  put_settings(s, out, "1e-3", "");
  put_settings(s, out, "3e-3", "-D rate=3e-3");
  put_settings(s, out, "1e-2", "-D rate=1e-2");
  put_settings(s, out, "1e-2 to 1e-3, then 1e-3 to 0", "--variant falling");
}

static void precision(const Settings *s, FILE *out) {
  choices_head(out);
  put_settings(s, out, "f32", "");
  put_settings(s, out, "f64", "--precision f64");
  put_settings(s, out, "f32, batches of 50", "--variant batch_50");
  put_settings(s, out, "f64, batches of 50", "--variant batch_50 --precision f64");
}

/* ---- beyond */

static void beyond(const Settings *s, FILE *out) {
  Settings whole = *s;
  whole.epochs = 0;
  fprintf(out, "| | the paper's best | min | mean | median | max | test, mean | dead or stuck | started again | "
               "regions | before the rounds, mean |\n"
               "|---|---|---|---|---|---|---|---|---|---|---|\n");
  Row rows[TARGETS];
  for (int t = 0; t < TARGETS; t++) {
    char options[80];
    snprintf(options, sizeof options, "-D target=%d%s", t, s->epochs ? " -D rounds=1 -D enough=1" : "");
    Row r = rows[t] = run(&whole, "beyond", options).at[0];
    double paper = INFINITY;
    for (int w = 0; w < WAYS; w++) paper = fmin(paper, published_min[w][t]);
    fprintf(out, "| %s | %.2e | **%.2e** | %.2e | %.2e | %.2e | %.2e | %d | %d | ", targets[t], paper, r.min, r.mean,
            r.median, r.max, r.test_mean, r.stuck, r.retries);
    put_range(out, r.end);
    fprintf(out, " | %.1e |\n", r.before_last_mean);
  }
  fprintf(out, "\nAnd beside the best fit of 32 pieces, knots and values free ([how it is "
               "found](regions.md#beside-the-best-fit)):\n\n"
               "| | best 32 pieces | min over it | mean over it | max over it |\n|---|---|---|---|---|\n");
  for (int t = 0; t < TARGETS; t++)
    fprintf(out, "| %s | %.2e | %.2f | %.2f | %.2f |\n", targets[t], rows[t].best_fit, rows[t].over_min,
            rows[t].over_mean, rows[t].max / rows[t].best_fit);
}

/* The recipe without its rounds beside `full` of the dense table, which takes longer. */
static void short_recipe(const Settings *s, FILE *out) {
  Settings whole = *s;
  whole.epochs = 0;
  fprintf(out, "| | `full`, min | mean | max | `short`, min | mean | max |\n|---|---|---|---|---|---|---|\n");
  for (int t = 0; t < TARGETS; t++) {
    char full[64], options[64];
    snprintf(full, sizeof full, "--variant full -D target=%d", t);
    snprintf(options, sizeof options, "--variant short -D target=%d", t);
    Row a = run(s, "paper", full).at[0], b = run(&whole, "beyond", options).at[0];
    fprintf(out, "| %s | %.2e | %.2e | %.2e | %.2e | %.2e | %.2e |\n", targets[t], a.min, a.mean, a.max, b.min, b.mean,
            b.max);
  }
}

/* What the recipe's choices are worth: x³ and x¹¹ with one start a seed. */
static void recipe(const Settings *s, FILE *out) {
  static const struct {
    const char *what, *options;
  } at[] = {{"as above, but for new starts", ""},
            {"waves on all of [0, 1]", "-D begin=0"},
            {"moves of 0.2%", "-D kick=0.002"},
            {"moves of 1%", "-D kick=0.01"},
            {"moves of 2%", "-D kick=0.02"},
            {"moves of 5%", "-D kick=0.05"},
            {"f64", "--precision f64"}};
  Settings whole = *s;
  whole.epochs = 0;
  choices_head(out);
  for (size_t k = 0; k < (s->epochs ? 2 : sizeof at / sizeof *at); k++) {
    Row rows[2];
    for (int t = 0; t < 2; t++) {
      char options[96];
      snprintf(options, sizeof options, "-D target=%d -D enough=1 %s%s", t, at[k].options,
               s->epochs ? " -D rounds=1" : "");
      rows[t] = run(&whole, "beyond", options).at[0];
    }
    put_choice(out, at[k].what, &rows[0], &rows[1]);
  }
}

const Part parts[] = {{"beyond", beyond},
                      {"recipe", recipe},
                      {"short", short_recipe},
                      {"dense", dense},
                      {"dense-full-batch", dense_full_batch},
                      {"sparse", sparse},
                      {"sparse-spread", sparse_spread},
                      {"sums", sums},
                      {"depth", depth},
                      {"law", law},
                      {"bounds", bounds},
                      {"heads", heads},
                      {"release", release},
                      {"batches", batches},
                      {"rates", rates},
                      {"precision", precision}};
const size_t n_parts = sizeof parts / sizeof *parts;
