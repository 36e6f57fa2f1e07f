/* gnuplot.c: SVG and PNG.
 *
 * A script with the data in it goes to gnuplot's standard input; what it says goes into the reason of a failure.
 * gnuplot writes beside the file asked for, which then takes that name: so no half picture is ever seen. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plot/plot.h"

static const char *const colours[TW_PLOT_COLOURS] = {"#000000", "#0072b2", "#d55e00", "#009e73",
                                                     "#cc79a7", "#56b4e9", "#e69f00", "#999999"};

/* Of a label, in a script's single quotes; what gnuplot takes for markup is not. */
static void put_text(FILE *out, const char *s) {
  fputc('\'', out);
  for (; s && *s; s++) {
    if (*s == '\'') fputc('\'', out);
    if ((unsigned char)*s >= ' ') fputc(*s, out);
  }
  fputc('\'', out);
}

static void put_style(FILE *out, const TwPlotSeries *s) {
  const char *c = colours[s->colour % TW_PLOT_COLOURS];
  switch (s->style) {
    case TW_PLOT_LINE: fprintf(out, "with lines lw 1.8 lc rgb '%s'", c); break;
    case TW_PLOT_WIDE: fprintf(out, "with lines lw 6 lc rgb '#80%s'", c + 1); break;
    case TW_PLOT_DASHED: fprintf(out, "with lines lw 1.5 dt (6,4) lc rgb '%s'", c); break;
    case TW_PLOT_THIN: fprintf(out, "with lines lw 0.6 lc rgb '#b0%s'", c + 1); break;
    case TW_PLOT_STEPS: fprintf(out, "with steps lw 1.5 lc rgb '%s'", c); break;
    case TW_PLOT_POINTS: fprintf(out, "with points pt 7 ps 0.45 lc rgb '%s'", c); break;
    case TW_PLOT_JOINED: fprintf(out, "with linespoints lw 1.5 pt 7 ps 0.55 lc rgb '%s'", c); break;
    case TW_PLOT_TICKS: fprintf(out, "with vectors nohead lw 0.8 lc rgb '%s'", c); break;
  }
}

static bool shown(const TwPlotPanel *p, double x, double y) { return isfinite(x) && isfinite(y) && !(p->y_log && y <= 0); }

static void put_data(FILE *out, const TwPlotPanel *p, const TwPlotRange *r, size_t panel) {
  for (size_t k = 0; k < p->n_series; k++) {
    const TwPlotSeries *s = &p->series[k];
    fprintf(out, "$d%zu_%zu << EOD\n", panel, k);
    double up = p->y_log ? r->y_lo * pow(r->y_hi / r->y_lo, 0.03) - r->y_lo : 0.03 * (r->y_hi - r->y_lo);
    size_t any = 0;
    for (size_t i = 0; i < s->n; i++) {
      if (s->style == TW_PLOT_TICKS) fprintf(out, "%.9g %.9g 0 %.9g\n", s->x[i], r->y_lo, up), any++;
      else if (shown(p, s->x[i], s->y[i])) fprintf(out, "%.9g %.9g\n", s->x[i], s->y[i]), any++;
      else fprintf(out, "\n");
    }
    if (!any) fprintf(out, "NaN NaN NaN NaN\n");
    fprintf(out, "EOD\n");
  }
}

static const char *legend_place(TwPlotLegend l) {
  switch (l) {
    case TW_PLOT_LEGEND_NONE: return "unset key";
    case TW_PLOT_LEGEND_TOP_RIGHT: return "set key top right";
    case TW_PLOT_LEGEND_TOP_LEFT: return "set key top left Left reverse";
    case TW_PLOT_LEGEND_BOTTOM_RIGHT: return "set key bottom right";
    case TW_PLOT_LEGEND_BOTTOM_LEFT: return "set key bottom left Left reverse";
  }
  return "";
}

static void put_panel(FILE *out, const TwPlotPanel *p, size_t panel) {
  TwPlotRange r = tw_plot_range(p);
  put_data(out, p, &r, panel);
  fprintf(out, "unset logscale\nset format '%%g'\n");
  if (p->x_log) fprintf(out, "set logscale x 2\n");
  if (p->y_log) fprintf(out, "set logscale y\nset format y '10^{%%L}'\n");
  fprintf(out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n%s\n", r.x_lo, r.x_hi, r.y_lo, r.y_hi, legend_place(p->legend));
  fprintf(out, "set title ");
  put_text(out, p->title);
  fprintf(out, "\nset xlabel ");
  put_text(out, p->x_label);
  fprintf(out, "\nset ylabel ");
  put_text(out, p->y_label);
  fprintf(out, "\nunset arrow\nunset label\n");
  for (size_t k = 0; k < p->n_marks; k++) {
    fprintf(out, "set arrow from first %.9g, graph 0 to first %.9g, graph 1 nohead lw 1 dt (3,3) lc rgb '#808080' back\n", p->marks[k].x, p->marks[k].x);
    fprintf(out, "set label ");
    put_text(out, p->marks[k].label);
    fprintf(out, " at first %.9g, graph 0.96 offset 0.5,0 font ',10' textcolor rgb '#606060'\n", p->marks[k].x);
  }
  fprintf(out, "plot");
  for (size_t k = 0; k < p->n_series; k++) {
    const TwPlotSeries *s = &p->series[k];
    fprintf(out, "%s $d%zu_%zu ", k ? "," : "", panel, k);
    if (s->style == TW_PLOT_TICKS) fprintf(out, "using 1:2:3:4 ");
    put_style(out, s);
    if (s->label && *s->label) fprintf(out, " title "), put_text(out, s->label);
    else fprintf(out, " notitle");
  }
  if (!p->n_series) fprintf(out, " NaN notitle");
  fprintf(out, "\n");
}

static void put_script(FILE *out, const TwPlot *p, const char *path, TwPlotFormat format) {
  size_t columns = p->columns ? p->columns : 1, rows = (p->n_panels + columns - 1) / columns;
  unsigned w = p->width ? p->width : 520, h = p->height ? p->height : 360, top = p->title ? 34 : 0;
  bool multi = p->n_panels > 1 || p->title;
  fprintf(out, "set encoding utf8\n");
  unsigned all_w = w * (unsigned)columns, all_h = h * (unsigned)rows + top;
  if (format == TW_PLOT_SVG)
    fprintf(out, "set terminal svg noenhanced size %u,%u font 'DejaVu Sans,12' background '#ffffff'\n", all_w, all_h);
  else
    fprintf(out, "set terminal pngcairo noenhanced size %u,%u font 'DejaVu Sans,12' fontscale 1.6 linewidth 2 pointscale 2 background '#ffffff'\n", 2 * all_w, 2 * all_h);
  fprintf(out, "set termoption enhanced\nset output ");
  put_text(out, path);
  fprintf(out, "\nset border 3 lc rgb '#404040'\nset tics nomirror out scale 0.6 textcolor rgb '#404040'\n"
               "set grid lw 0.5 lc rgb '#d8d8d8'\nset key noenhanced font ',10' samplen 2 spacing 1.1\nset title noenhanced font ',12'\n"
               "set xlabel noenhanced\nset ylabel noenhanced\nset label noenhanced\n");
  if (multi) {
    fprintf(out, "set multiplot layout %zu,%zu margins %.3f,%.3f,%.3f,%.3f spacing %.3f,%.3f", rows, columns, 78.0 / all_w, 1 - 16.0 / all_w,
            64.0 / all_h, 1 - (40.0 + top) / all_h, 96.0 / all_w, 100.0 / all_h);
    if (p->title) fprintf(out, " title "), put_text(out, p->title), fprintf(out, " noenhanced font ',13'");
    fprintf(out, "\n");
  } else {
    fprintf(out, "set rmargin 4\n");
  }
  for (size_t k = 0; k < p->n_panels; k++) put_panel(out, &p->panels[k], k);
  if (multi) fprintf(out, "unset multiplot\n");
  fprintf(out, "unset output\n");
}

typedef struct Child {
  pid_t pid;
  int says; /* what it writes to standard error comes out here */
  FILE *script;
} Child;

static bool start(Child *c) {
  int in[2], err[2];
  if (pipe(in) != 0) return false;
  if (pipe(err) != 0) return close(in[0]), close(in[1]), false;
  c->pid = fork();
  if (c->pid < 0) return close(in[0]), close(in[1]), close(err[0]), close(err[1]), false;
  if (c->pid == 0) {
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(in[0], 0);
    dup2(nowhere, 1);
    dup2(err[1], 2);
    close(in[0]), close(in[1]), close(err[0]), close(err[1]), close(nowhere);
    execlp("gnuplot", "gnuplot", "-", (char *)NULL);
    _exit(127);
  }
  close(in[0]), close(err[1]);
  c->says = err[0];
  c->script = fdopen(in[1], "w");
  if (!c->script) close(in[1]);
  return true;
}

/* All it said, as far as there is room; its exit status. */
static int finish(Child *c, char *text, size_t size) {
  if (c->script) fclose(c->script);
  size_t n = 0;
  char chunk[512];
  for (ssize_t got; (got = read(c->says, chunk, sizeof chunk)) != 0;) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    for (ssize_t i = 0; i < got && n + 1 < size; i++) text[n++] = chunk[i] == '\n' ? ' ' : chunk[i];
  }
  text[n] = 0;
  close(c->says);
  int status;
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool tw_plot_format(const char *path, TwPlotFormat *out) {
  const char *dot = strrchr(path, '.');
  if (dot && strcmp(dot, ".svg") == 0) return *out = TW_PLOT_SVG, true;
  if (dot && strcmp(dot, ".png") == 0) return *out = TW_PLOT_PNG, true;
  return false;
}

bool tw_plot_gnuplot(const TwPlot *p, const char *path, TwPlotFormat format, char *why, size_t size) {
  size_t n = strlen(path) + 32;
  char *beside = malloc(n), said[400];
  if (!beside) return snprintf(why, size, "out of memory"), false;
  snprintf(beside, n, "%s.%ld.tmp", path, (long)getpid());
  struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
  sigaction(SIGPIPE, &ignore, &old); /* gnuplot may be missing or stop early */
  Child c;
  bool ok = start(&c);
  if (!ok) snprintf(why, size, "cannot start gnuplot: %s", strerror(errno));
  if (ok) {
    if (c.script) put_script(c.script, p, beside, format);
    int status = finish(&c, said, sizeof said);
    ok = status == 0 && access(beside, R_OK) == 0;
    if (status == 127) snprintf(why, size, "gnuplot is not installed (Debian: apt install gnuplot-nox)");
    else if (!ok) snprintf(why, size, "gnuplot cannot write '%s': %s", path, said[0] ? said : "no reason given");
  }
  if (ok && rename(beside, path) != 0) {
    snprintf(why, size, "cannot write '%s': %s", path, strerror(errno));
    ok = false;
  }
  if (!ok) unlink(beside);
  sigaction(SIGPIPE, &old, NULL);
  free(beside);
  return ok;
}
