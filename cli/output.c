/* output.c: tables of numbers, to a file, whole or not at all, or to stdout. */
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/files.h"
#include "runtime/text.h"

bool tw_cli_said(char *error) {
  fprintf(stderr, "triwave: %s\n", error ? error : "out of memory");
  free(error);
  return false;
}

bool tw_cli_write(const TwCli *c, void (*write)(const void *what, FILE *out), const void *what) {
  if (!c->output) {
    write(what, stdout);
    return tw_cli_stdout_ok();
  }
  TwRtFile f;
  char *error;
  if (!tw_rt_file_begin(&f, c->output, &error)) return tw_cli_said(error);
  write(what, f.out);
  return tw_rt_file_commit(&f, &error) || tw_cli_said(error);
}

char *tw_cli_json_text(cJSON *j, bool lines) {
  char *text = tw_cli_need(lines ? cJSON_Print(j) : cJSON_PrintUnformatted(j));
  char *valid = tw_cli_need(tw_rt_text_valid(text));
  cJSON_free(text);
  cJSON_Delete(j);
  return valid;
}

bool tw_cli_print_json(cJSON *j) {
  char *text = tw_cli_json_text(j, true);
  printf("%s\n", text);
  free(text);
  return tw_cli_stdout_ok();
}

bool tw_cli_draw(const TwPlot *p, const char *path, TwPlotFormat format) {
  TwRtFile f;
  char *error;
  if (!tw_rt_file_begin(&f, path, &error)) return tw_cli_said(error);
  if (tw_plot_gnuplot(p, format, f.out, &error)) return tw_rt_file_commit(&f, &error) || tw_cli_said(error);
  tw_rt_file_abandon(&f);
  return tw_cli_said(error);
}

bool tw_cli_format_ok(const TwCli *c, const char *const *forms, const char *list) {
  for (size_t k = 0; c->format && strcmp(c->format, forms[k]) != 0; k++)
    if (!forms[k + 1]) {
      fprintf(stderr, "triwave: --format wants %s, not '%s'\n", list, c->format);
      return false;
    }
  if (c->format && strcmp(c->format, "npy") == 0 && !c->output && isatty(STDOUT_FILENO)) {
    fprintf(stderr, "triwave: npy is no text: %s --format npy wants -o FILE on a terminal\n", c->verb);
    return false;
  }
  return true;
}
