/* gnuplot.c: SVG and PNG.
 *
 * A script with the data in it goes to gnuplot's standard input, the picture comes from its standard output, and what
 * it says goes into the reason of a failure. */
#define _GNU_SOURCE /* pipe2, asprintf */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plot/legend.h"

static const char *const colours[TW_PLOT_COLOURS] = {"#000000", "#0072b2", "#d55e00", "#009e73",
                                                     "#cc79a7", "#56b4e9", "#e69f00", "#999999"};

static unsigned panel_width(const TwPlot *p) { return p->width ? p->width : 520; }
static unsigned panel_height(const TwPlot *p) { return p->height ? p->height : 360; }

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

static bool shown(const TwPlotPanel *p, double x, double y) {
  return isfinite(x) && isfinite(y) && !(p->y_log && y <= 0);
}

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

/* Pixels of a panel that are not within its axes. */
enum { BESIDE = 96, ABOVE_AND_BELOW = 100 };

static size_t rows_of(const TwPlot *p) { return (p->n_panels + p->columns - 1) / (p->columns ? p->columns : 1); }

/* Where a legend goes for which no place is free: into a cell that no panel takes, or beside the only panel. */
static bool has_empty_cell(const TwPlot *p) { return p->columns && p->n_panels < p->columns * rows_of(p); }
static bool is_alone(const TwPlot *p) { return p->n_panels == 1 && !p->title; }

static TwPlotPlace place_of(const TwPlot *all, const TwPlotPanel *p, const TwPlotRange *r) {
  return tw_plot_legend(p, r, panel_width(all) - BESIDE, panel_height(all) - ABOVE_AND_BELOW);
}

/* Else it hides what is below it, rather than be unreadable. */
static void put_legend(FILE *out, const TwPlot *all, const TwPlotPanel *p, const TwPlotRange *r) {
  static const char *const columns[] = {"left Left reverse", "center", "right"}, *const rows[] = {"bottom", "center",
                                                                                                  "top"};
  TwPlotPlace at = p->legend ? place_of(all, p, r) : (TwPlotPlace){0};
  if (!p->legend || (!at.free && has_empty_cell(all))) fprintf(out, "unset key\n");
  else if (!at.free && is_alone(all)) fprintf(out, "unset rmargin\nset key outside right top Left reverse\n");
  else fprintf(out, "set key inside %s %s %s\n", rows[at.row], columns[at.column], at.free ? "noopaque" : "opaque");
}

/* The next cell has nothing but the legend of the panel. */
static void put_legend_alone(FILE *out, const TwPlotPanel *p) {
  fprintf(out, "unset border\nunset tics\nunset logscale\nunset title\nunset xlabel\nunset ylabel\n"
               "set key inside left top Left reverse noopaque\nplot [0:1] [0:1]");
  for (size_t k = 0; k < p->n_series; k++) {
    if (!p->series[k].label || !*p->series[k].label) continue;
    fprintf(out, " NaN ");
    put_style(out, &p->series[k]);
    fprintf(out, " title "), put_text(out, p->series[k].label);
    fprintf(out, ",");
  }
  fprintf(out, " NaN notitle\n");
}

static void put_marks(FILE *out, const TwPlot *all, const TwPlotPanel *p, const TwPlotRange *r) {
  int lines = 0;
  fprintf(out, "unset arrow\nunset label\n");
  for (size_t k = 0; k < p->n_marks; k++) {
    int line = tw_plot_mark_line(p, r, k, panel_width(all) - BESIDE);
    if (line >= lines) lines = line + 1;
    fprintf(out,
            "set arrow from first %.9g, graph 0 to first %.9g, graph 1 nohead lw 1 dt (3,3) lc rgb '#808080' back\n",
            p->marks[k].x, p->marks[k].x);
    if (line < 0) continue;
    fprintf(out, "set label ");
    put_text(out, p->marks[k].label);
    fprintf(out, " at first %.9g, graph 1 offset 0,%.1f font ',10' textcolor rgb '#606060'\n", p->marks[k].x,
            0.6 + 0.9 * line);
  }
  if (is_alone(all) && lines) fprintf(out, "set tmargin %d\n", p->title ? lines + 2 : lines + 1);
}

static void put_panel(FILE *out, const TwPlot *all, size_t panel) {
  const TwPlotPanel *p = &all->panels[panel];
  TwPlotRange r = tw_plot_range(p);
  put_data(out, p, &r, panel);
  fprintf(out, "unset logscale\nset format '%%g'\n");
  if (p->x_log) fprintf(out, "set logscale x 2\n");
  if (p->y_log) fprintf(out, "set logscale y\nset format y '10^{%%L}'\n");
  fprintf(out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", r.x_lo, r.x_hi, r.y_lo, r.y_hi);
  put_legend(out, all, p, &r);
  fprintf(out, "set title ");
  put_text(out, p->title);
  fprintf(out, " offset 0,%d\nset xlabel ", p->n_marks ? 1 : 0); /* above the words of the marks */
  put_text(out, p->x_label);
  fprintf(out, "\nset ylabel ");
  put_text(out, p->y_label);
  fprintf(out, "\n");
  put_marks(out, all, p, &r);
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

static void put_script(FILE *out, const TwPlot *p, TwPlotFormat format) {
  size_t columns = p->columns ? p->columns : 1, rows = p->columns ? rows_of(p) : p->n_panels;
  unsigned w = panel_width(p), h = panel_height(p), top = p->title ? 34 : 0;
  bool multi = !is_alone(p);
  fprintf(out, "set encoding utf8\n");
  unsigned all_w = w * (unsigned)columns, all_h = h * (unsigned)rows + top;
  if (format == TW_PLOT_SVG)
    fprintf(out, "set terminal svg noenhanced size %u,%u font 'DejaVu Sans,12' background '#ffffff'\n", all_w, all_h);
  else
    fprintf(out,
            "set terminal pngcairo noenhanced size %u,%u font 'DejaVu Sans,12' fontscale 1.6 linewidth 2 pointscale 2 "
            "background '#ffffff'\n",
            2 * all_w, 2 * all_h);
  fprintf(out, "set termoption enhanced\nset border 3 lc rgb '#404040'\nset tics nomirror out scale 0.6 textcolor rgb "
               "'#404040'\n"
               "set grid lw 0.5 lc rgb '#d8d8d8'\nset key noenhanced font ',10' samplen 2 spacing 1.1\nset title "
               "noenhanced font ',12'\n"
               "set xlabel noenhanced\nset ylabel noenhanced\nset label noenhanced\n");
  if (multi) {
    fprintf(out, "set multiplot layout %zu,%zu margins %.3f,%.3f,%.3f,%.3f spacing %.3f,%.3f", rows, columns,
            78.0 / all_w, 1 - 16.0 / all_w, 64.0 / all_h, 1 - (40.0 + top) / all_h, 96.0 / all_w, 100.0 / all_h);
    if (p->title) fprintf(out, " title "), put_text(out, p->title), fprintf(out, " noenhanced font ',13'");
    fprintf(out, "\n");
  } else {
    fprintf(out, "set rmargin 4\n");
  }
  for (size_t k = 0; k < p->n_panels; k++) put_panel(out, p, k);
  for (size_t k = 0; k < p->n_panels && has_empty_cell(p); k++) {
    TwPlotRange r = tw_plot_range(&p->panels[k]);
    if (!p->panels[k].legend || place_of(p, &p->panels[k], &r).free) continue;
    put_legend_alone(out, &p->panels[k]);
    break;
  }
  if (multi) fprintf(out, "unset multiplot\n");
  fprintf(out, "unset output\n");
}

/* A text that grows. */
typedef struct Bytes {
  char *at;
  size_t n, cap;
} Bytes;

static bool append(Bytes *b, const char *from, size_t n) {
  if (b->n + n + 1 > b->cap) {
    size_t cap = 2 * (b->n + n + 1);
    char *more = realloc(b->at, cap);
    if (!more) return false;
    b->at = more;
    b->cap = cap;
  }
  memcpy(b->at + b->n, from, n);
  b->n += n;
  b->at[b->n] = 0;
  return true;
}

typedef struct Child {
  pid_t pid;
  int script, picture, says; /* its standard streams; -1: closed */
} Child;

static bool make_pipes(int pipes[3][2]) {
  for (int k = 0; k < 3; k++) {
    if (pipe2(pipes[k], O_CLOEXEC) == 0) continue;
    int why = errno;
    while (k-- > 0) close(pipes[k][0]), close(pipes[k][1]);
    return errno = why, false;
  }
  return true;
}

static bool start(Child *c) {
  int pipes[3][2];
  if (!make_pipes(pipes)) return false;
  c->pid = fork();
  if (c->pid == 0) {
    dup2(pipes[0][0], 0);
    dup2(pipes[1][1], 1);
    dup2(pipes[2][1], 2);
    execlp("gnuplot", "gnuplot", "-", (char *)NULL);
    _exit(127);
  }
  int why = errno;
  close(pipes[0][0]), close(pipes[1][1]), close(pipes[2][1]);
  *c = (Child){c->pid, pipes[0][1], pipes[1][0], pipes[2][0]};
  if (c->pid > 0) return true;
  close(c->script), close(c->picture), close(c->says);
  return errno = why, false;
}

static void shut(int *fd) {
  close(*fd);
  *fd = -1;
}

/* What there is to read. false: no memory. */
static bool drain(int *fd, Bytes *to) {
  char chunk[1 << 16];
  ssize_t got = read(*fd, chunk, sizeof chunk);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) return shut(fd), true;
  return append(to, chunk, (size_t)got);
}

/* Feeds the script and takes picture and words, whichever is ready: neither side waits for the other for ever. A script
 * that gnuplot does not want any more is its to explain. false: no memory. */
static bool converse(Child *c, const char *script, size_t n, Bytes *picture, Bytes *said) {
  bool ok = true;
  for (size_t at = 0; c->picture >= 0 || c->says >= 0;) {
    if (at == n && c->script >= 0) shut(&c->script);
    struct pollfd p[] = {{c->script, POLLOUT, 0}, {c->picture, POLLIN, 0}, {c->says, POLLIN, 0}};
    if (poll(p, 3, -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (p[0].revents) {
      ssize_t put = write(c->script, script + at,
                          n - at < 4096 ? n - at : 4096); /* no more than a pipe that is ready takes */
      if (put > 0) at += (size_t)put;
      else if (errno != EINTR) shut(&c->script);
    }
    if (p[1].revents) ok &= drain(&c->picture, picture);
    if (p[2].revents) ok &= drain(&c->says, said);
  }
  if (c->script >= 0) shut(&c->script);
  return ok;
}

static int finish(Child *c) {
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

static char *sentence(const char *what, const char *detail) {
  char *s;
  return asprintf(&s, "%s%s", what, detail) < 0 ? NULL : s;
}

static bool render(const char *script, size_t n, FILE *out, char **why) {
  Child c;
  Bytes picture = {0}, said = {0};
  if (!start(&c)) return *why = sentence("cannot start gnuplot: ", strerror(errno)), false;
  bool memory = converse(&c, script, n, &picture, &said);
  int status = finish(&c);
  for (size_t k = 0; k < said.n; k++)
    if (said.at[k] == '\n') said.at[k] = ' ';
  bool ok = memory && status == 0 && picture.n > 0;
  if (ok) fwrite(picture.at, 1, picture.n, out);
  else if (!memory) *why = NULL;
  else if (status == 127) *why = sentence("gnuplot is not installed (Debian: apt install gnuplot-nox)", "");
  else *why = sentence("gnuplot cannot draw: ", said.n ? said.at : "no reason given");
  free(picture.at);
  free(said.at);
  return ok;
}

bool tw_plot_gnuplot(const TwPlot *p, TwPlotFormat format, FILE *out, char **why) {
  char *script = NULL;
  size_t n = 0;
  *why = NULL;
  FILE *memory = open_memstream(&script, &n);
  if (!memory) return false;
  put_script(memory, p, format);
  if (fclose(memory) != 0) return free(script), false;
  struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
  sigaction(SIGPIPE, &ignore, &old); /* gnuplot may be missing or stop early */
  bool ok = render(script, n, out, why);
  sigaction(SIGPIPE, &old, NULL);
  free(script);
  return ok;
}
