/* pictures.c: the pictures of the page. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "paper/tables.h"
#include "plot/plot.h"
#include "runtime/files.h"

static void plot(const Settings *s, const char *file, const char *options, int seeds, const char *to) {
  char command[2048], shorter[64] = "";
  if (s->epochs) snprintf(shorter, sizeof shorter, " -D pre=%d -D post=%d", s->epochs, s->epochs);
  snprintf(command, sizeof command, "'%s' plot '%s/examples/%s.tw' %s%s --seeds %d --quiet -o '%s/%s'", s->triwave,
           s->root, file, options, shorter, seeds, s->pictures, to);
  fprintf(stderr, "  picture %s\n", to);
  if (system(command) != 0) {
    fprintf(stderr, "paper: failed: %s\n", command);
    exit(1);
  }
}

void draw_pictures(const Settings *s) {
  static const char *const names[] = {"cubic", "power11", "sine", "tanh3"};
  for (int t = 0; t < 4; t++) {
    char options[64], to[64];
    snprintf(options, sizeof options, "--figure fit -D target=%d", t);
    snprintf(to, sizeof to, "%s-fit.svg", names[t]);
    plot(s, "paper", options, 1, to);
  }
  Settings whole = *s;
  whole.epochs = 0; /* beyond.tw has no such constants */
  const char *shorter = s->epochs ? "-D rounds=1 -D enough=1" : "";
  static const char *const figures[] = {"fit", "loss"};
  for (int k = 0; k < 2; k++) {
    char options[64], to[64];
    snprintf(options, sizeof options, "--figure %s -D target=2 %s", figures[k], shorter);
    snprintf(to, sizeof to, "beyond-%s.svg", figures[k]);
    plot(&whole, "beyond", options, k && s->seeds > 10 ? 10 : k ? s->seeds : 1, to);
  }
  plot(s, "paper", "--figure layers --stage pretrain", 1, "cubic-waves.svg");
  plot(s, "paper", "--figure layers", 1, "cubic-released.svg");
  plot(s, "paper", "--figure loss", s->seeds, "cubic-loss.svg");
  plot(s, "paper", "--figure regions", s->seeds, "cubic-regions.svg");
  plot(s, "paper", "--figure loss --variant kaiming", s->seeds, "kaiming-loss.svg");
}

void draw_depth(const Settings *s, const DepthRow *rows, size_t n) {
  if (!s->pictures) return;
  enum { MOST = 16, CURVES = 6 };
  double d[MOST], y[CURVES][MOST], regions[4][MOST], all[MOST];
  for (size_t k = 0; k < n && k < MOST; k++) {
    const DepthRow *r = &rows[k];
    d[k] = r->depth;
    y[0][k] = r->kaiming.min, y[1][k] = r->skip.min, y[2][k] = r->full.min, y[3][k] = r->classic.min,
    y[4][k] = r->classic64.min;
    y[5][k] = 8.0 / 15 * pow(16, -(double)(r->depth + 1)); /* mean of (h² t (1 - t))², h = 2^-depth */
    regions[0][k] = r->kaiming.end.hi, regions[1][k] = r->skip.end.hi, regions[2][k] = r->full.first.hi,
    regions[3][k] = r->full.end.hi;
    all[k] = ldexp(1, r->depth);
  }
  const TwPlotSeries errors[] = {
      {"kaiming", n, d, y[0], TW_PLOT_JOINED, 7},      {"skip", n, d, y[1], TW_PLOT_JOINED, 6},
      {"full", n, d, y[2], TW_PLOT_JOINED, 1},         {"classic, f32", n, d, y[3], TW_PLOT_JOINED, 2},
      {"classic, f64", n, d, y[4], TW_PLOT_JOINED, 3}, {"theory", n, d, y[5], TW_PLOT_DASHED, 0}};
  const TwPlotSeries counts[] = {{"kaiming", n, d, regions[0], TW_PLOT_JOINED, 7},
                                 {"skip", n, d, regions[1], TW_PLOT_JOINED, 6},
                                 {"full, pretrained", n, d, regions[2], TW_PLOT_JOINED, 2},
                                 {"full, released", n, d, regions[3], TW_PLOT_JOINED, 1},
                                 {"2^depth", n, d, all, TW_PLOT_DASHED, 0}};
  const TwPlotPanel panels[] = {{.title = "least error of the seeds",
                                 .x_label = "depth",
                                 .y_label = "mean squared error",
                                 .y_log = true,
                                 .x_lo = 1.5,
                                 .x_hi = 12.5,
                                 .legend = true,
                                 .n_series = 6,
                                 .series = errors},
                                {.title = "most regions of the seeds",
                                 .x_label = "depth",
                                 .y_label = "linear regions",
                                 .y_log = true,
                                 .x_lo = 1.5,
                                 .x_hi = 12.5,
                                 .legend = true,
                                 .n_series = 5,
                                 .series = counts}};
  const TwPlot p = {.n_panels = 2, .columns = 2, .panels = panels, .width = 520, .height = 380};
  char path[1024], *why;
  TwRtFile f;
  snprintf(path, sizeof path, "%s/depth.svg", s->pictures);
  bool begun = tw_rt_file_begin(&f, path, &why), drawn = begun && tw_plot_gnuplot(&p, TW_PLOT_SVG, f.out, &why);
  if (begun && !drawn) tw_rt_file_abandon(&f);
  if (drawn && tw_rt_file_commit(&f, &why)) return;
  fprintf(stderr, "paper: %s\n", why ? why : "out of memory");
  exit(1);
}
