/* plot.c: triwave plot FILE|RUN: train, and draw target and model, the neurons, losses and regions: into files, by
 * gnuplot, or into the terminal. Of a run: losses and regions from its metrics, the rest from its weights. Of a
 * metrics.csv, or another folder that has one: losses and regions. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/failures.h"
#include "cli/figures.h"
#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/pieces.h"
#include "cli/trained.h"

static const char *const figures[] = {"fit", "layers", "loss", "regions"};
enum { FIT, LAYERS, LOSS, REGIONS, N_FIGURES };

typedef struct Chosen {
  bool is[N_FIGURES], all;
  uint32_t n;
} Chosen;

static bool choose(const TwCli *c, Chosen *out) {
  *out = (Chosen){.all = c->figures == NULL};
  for (int k = 0; out->all && k < N_FIGURES; k++) out->is[k] = true;
  for (const char *at = c->figures; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    size_t n = strcspn(at, ",");
    int found = -1;
    for (int k = 0; k < N_FIGURES; k++)
      if (strlen(figures[k]) == n && strncmp(at, figures[k], n) == 0) found = k;
    if (found < 0) {
      fprintf(stderr, "triwave: --figure wants fit, layers, loss or regions, with commas between them, not '%.*s'\n",
              (int)n, at);
      return false;
    }
    out->is[found] = true;
  }
  for (int k = 0; k < N_FIGURES; k++) out->n += out->is[k];
  return true;
}

static bool format_of(const char *path, TwPlotFormat *out) {
  if (tw_plot_format(path, out)) return true;
  fprintf(stderr, "triwave: plot -o wants a file that ends in .svg or .png, not '%s'\n", path);
  return false;
}

/* Several figures go to name-fit.svg, name-layers.svg, … */
static bool draw(const TwCli *c, const Chosen *chosen, int which, const TwFigure *f) {
  if (!c->output) {
    struct winsize w;
    unsigned columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 24 ? w.ws_col - 1u : 79u;
    tw_plot_text(stdout, &f->plot, columns < 110 ? columns : 110, 14);
    return tw_cli_stdout_ok();
  }
  TwPlotFormat format;
  if (!format_of(c->output, &format)) return false;
  size_t n = strlen(c->output) + 16, stem = (size_t)(strrchr(c->output, '.') - c->output);
  char *path = tw_cli_need(malloc(n));
  if (chosen->n > 1) snprintf(path, n, "%.*s-%s%s", (int)stem, c->output, figures[which], c->output + stem);
  else snprintf(path, n, "%s", c->output);
  bool ok = tw_cli_draw(&f->plot, path, format);
  if (ok && !c->quiet) printf("%s\n", path);
  free(path);
  return ok && tw_cli_stdout_ok();
}

/* NULL, or why there is no picture of the model's pieces. */
static const char *model_figure(TwFigure *f, int which, const TwRtProgram *p, const TwRtStage *st,
                                const double *values) {
  uint32_t m = 0;
  while (m < p->n_models && !(st->pls && st->pls[m].n_nodes > 0)) m++;
  if (m == p->n_models) {
    for (m = 0; m < p->n_models; m++)
      if (st->pls && st->pls[m].why_not) return st->pls[m].why_not;
    return "no model has one real input, one real output and an interval";
  }
  const TwRtPl *pl = &st->pls[m];
  double lo = p->models[m].lo, hi = p->models[m].hi, *coeffs = tw_cli_coefficients(p, st, pl, values);
  if (!coeffs) return "out of memory";
  const char *why;
  if (which == LAYERS) {
    why = tw_figure_layers(f, pl, coeffs, lo, hi);
  } else {
    TwRtPieces pieces;
    tw_rt_regions(pl, coeffs, lo, hi, p->models[m].sliver, &pieces);
    why = pieces.error ? pieces.error : tw_figure_fit(f, tw_rt_piece_target(p), &pieces, lo, hi);
    tw_rt_pieces_free(&pieces);
  }
  free(coeffs);
  return why;
}

/* p, values: NULL if there are only metrics. */
static bool plot_all(const TwCli *c, const Chosen *chosen, const TwRtProgram *p, uint32_t stage, const double *values,
                     const TwHistory *h) {
  bool ok = true;
  for (int k = 0; ok && k < N_FIGURES; k++) {
    if (!chosen->is[k]) continue;
    TwFigure f = {0};
    const char *why = k == LOSS      ? tw_figure_loss(&f, h)
                      : k == REGIONS ? tw_figure_regions(&f, h)
                      : !p           ? "metrics say nothing of it: name the program instead"
                                     : model_figure(&f, k, p, &p->stages[stage], values);
    if (!why) ok = draw(c, chosen, k, &f);
    else if (chosen->all) fprintf(stderr, "triwave: no picture '%s': %s\n", figures[k], why);
    else ok = (fprintf(stderr, "triwave: no picture '%s': %s\n", figures[k], why), false);
    tw_figure_free(&f);
  }
  return ok;
}

/* At most some 250 readings of a seed. */
static int64_t every(const TwRtProgram *p) {
  int64_t epochs = 0;
  for (uint32_t s = 0; s < p->n_stages; s++) epochs += p->stages[s].epochs;
  return epochs > 250 ? epochs / 250 : 1;
}

static bool open_history(TwHistory *h, const TwRtProgram *p, uint32_t n_seeds) {
  const char **names = calloc(p->n_stages + 1u, sizeof *names);
  double *epochs = calloc(p->n_stages + 1u, sizeof *epochs);
  size_t readings = 0;
  tw_cli_need(names), tw_cli_need(epochs);
  for (uint32_t s = 0; s < p->n_stages; s++) {
    names[s] = p->stages[s].name;
    epochs[s] = (double)p->stages[s].epochs;
    readings += (size_t)(p->stages[s].epochs / every(p)) + 2;
  }
  bool ok = tw_history_init(h, names, epochs, p->n_stages, n_seeds, readings);
  free(names);
  free(epochs);
  return ok;
}

static bool train(const TwCli *c, const Chosen *chosen, TwBuild *b) {
  const TwRtProgram *p = b->lowered->rt;
  int stage = tw_cli_stage(c, p);
  if (stage < 0) return false;
  uint32_t n = c->have_seeds ? (uint32_t)c->seeds : 1;
  uint64_t *seeds = tw_cli_need(calloc(n, sizeof *seeds));
  for (uint32_t k = 0; k < n; k++) seeds[k] = c->have_seeds ? k : c->seed;
  TwHistory h;
  bool ok = open_history(&h, p, n);
  if (ok) {
    TwRtOptions o = {.seeds = seeds,
                     .n_seeds = n,
                     .threads = c->threads,
                     .keep_values = true,
                     .context = &h,
                     .watch = tw_history_watch,
                     .restart = tw_history_restart,
                     .watch_every = every(p)};
    TwRtResult *r = tw_rt_train(p, &o);
    bool sound = tw_cli_failures(b, r);
    const double *values = r->error ? NULL : r->seeds[0].stages[stage].values;
    ok = values && plot_all(c, chosen, p, (uint32_t)stage, values, &h) && sound;
    tw_rt_result_free(p, r);
  } else {
    fprintf(stderr, "triwave: out of memory\n");
  }
  tw_history_free(&h);
  free(seeds);
  return ok;
}

/* The metrics that the path names, which is no run: malloc'ed; else NULL. */
static char *metrics_path(const char *path) {
  struct stat s;
  size_t n = strlen(path);
  bool folder = stat(path, &s) == 0 && S_ISDIR(s.st_mode);
  if (!folder && (n < 4 || strcmp(path + n - 4, ".csv") != 0)) return NULL;
  char *out = tw_cli_need(malloc(n + 16));
  snprintf(out, n + 16, folder ? "%s/metrics.csv" : "%s", path);
  return out;
}

/* A file of the name that runs give it may be one that is being written. */
static bool plot_metrics(const TwCli *c, Chosen *chosen, const char *path) {
  static const char name[] = "metrics.csv";
  size_t n = strlen(path), end = strlen(name);
  bool of_run = n >= end && strcmp(path + n - end, name) == 0;
  if (!c->figures) chosen->is[FIT] = chosen->is[LAYERS] = false, chosen->n = 2;
  TwHistory h;
  bool ok = tw_metrics_read(path, of_run, c->variants, &h) && plot_all(c, chosen, NULL, 0, NULL, &h);
  tw_history_free(&h);
  return ok;
}

/* Losses and regions of a job need no compiler. */
static bool plot_job(const TwCli *c, Chosen *chosen) {
  TwPicked p;
  bool ok = tw_picked_open(&p, c);
  if (ok) {
    char *path = tw_rundir_path(p.folder, "metrics.csv");
    ok = plot_metrics(c, chosen, path);
    free(path);
  }
  tw_picked_free(&p);
  return ok;
}

static bool plot_run(const TwCli *c, const Chosen *chosen) {
  TwTrained t;
  bool sound, ok = tw_cli_trained(c, TW_TRAINED_PIECES, &t, &sound);
  if (ok) {
    char *path = tw_rundir_path(t.run.folder, "metrics.csv");
    TwHistory h = {0};
    ok = (!(chosen->is[LOSS] || chosen->is[REGIONS]) || tw_metrics_read(path, true, c->variants, &h)) &&
         plot_all(c, chosen, t.build.rt, t.stage, t.values, &h);
    tw_history_free(&h);
    free(path);
  }
  tw_cli_trained_end(&t);
  return ok;
}

static bool plot_file(const TwCli *c, const Chosen *chosen) {
  TwUnit *u = tw_cli_unit(c);
  TwBuild b = {.unit = u, .file = tw_cli_open(u, c->files[0])};
  bool ok = b.file && tw_build(&b, TW_PHASE_PARSE) && tw_cli_one_variant(c, u, b.ast, &b.variant);
  ok = ok && tw_build(&b, TW_PHASE_CODE) && train(c, chosen, &b);
  tw_cli_diagnostics(u);
  tw_build_free(&b);
  tw_unit_free(u);
  return ok;
}

int tw_cli_plot(const TwCli *c) {
  Chosen chosen;
  TwPlotFormat format;
  if (!choose(c, &chosen) || (c->output && !format_of(c->output, &format))) return TW_EXIT_USAGE;
  char *metrics = metrics_path(c->files[0]);
  bool of_model = chosen.is[FIT] || chosen.is[LAYERS], run = tw_picked_is(c->files[0]);
  bool ok = run && of_model ? plot_run(c, &chosen)
            : run           ? plot_job(c, &chosen)
            : metrics       ? plot_metrics(c, &chosen, metrics)
                            : plot_file(c, &chosen);
  free(metrics);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
