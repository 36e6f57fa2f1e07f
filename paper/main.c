/* main.c: paper TRIWAVE ROOT OUT [--seeds N] [--epochs N] [--only PART,…,]: runs the experiments of the paper and
 * writes OUT/paper.md from paper/page.md, in which a line @name stands for a computed part (tables.c), and the pictures
 * in OUT/paper/.
 *
 * The page says what was measured, not how long it took: it is the same bytes whenever and wherever it is made. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paper/tables.h"
#include "runtime/files.h"

static void write_line(const Settings *s, const char *line, FILE *out) {
  if (line[0] != '@') {
    for (const char *at = line; *at;) { /* SEEDS stands for the number */
      bool seeds = strncmp(at, "SEEDS", 5) == 0;
      if (seeds) fprintf(out, "%d", s->seeds);
      else fputc(*at, out);
      at += seeds ? 5 : 1;
    }
    return;
  }
  int n = (int)strcspn(line + 1, "\n");
  for (size_t k = 0; k < n_parts; k++)
    if ((int)strlen(parts[k].name) == n && strncmp(parts[k].name, line + 1, (size_t)n) == 0) {
      char wanted[64];
      snprintf(wanted, sizeof wanted, "%s,", parts[k].name);
      if (!s->only || strstr(s->only, wanted)) parts[k].write(s, out);
      return;
    }
  fprintf(stderr, "paper: page.md asks for '@%.*s', which there is not\n", n, line + 1);
  exit(1);
}

static bool complain(char *error) {
  fprintf(stderr, "paper: %s\n", error ? error : "out of memory");
  free(error);
  return false;
}

static bool make_page(const Settings *s, const char *out_dir) {
  char path[1024], line[1024], *error;
  TwRtFile f;
  snprintf(path, sizeof path, "%s/paper/page.md", s->root);
  FILE *in = fopen(path, "r");
  if (!in) return complain(tw_rt_file_error("read", path, errno));
  snprintf(path, sizeof path, "%s/paper.md", out_dir);
  bool ok = tw_rt_file_begin(&f, path, &error) || complain(error);
  if (!ok) return fclose(in), false;
  while (fgets(line, sizeof line, in)) write_line(s, line, f.out);
  bool broken = ferror(in) != 0;
  int why = errno;
  fclose(in);
  if (broken) {
    tw_rt_file_abandon(&f);
    return complain(tw_rt_file_error("read", "paper/page.md", why));
  }
  return ok && (tw_rt_file_commit(&f, &error) || complain(error));
}

int main(int argc, char **argv) {
  if (argc < 4)
    return fprintf(stderr, "paper TRIWAVE ROOT OUT [--seeds N] [--epochs N] [--only PART,…,] [--no-pictures]\n"), 2;
  char pictures[1024];
  snprintf(pictures, sizeof pictures, "%s/paper", argv[3]);
  Settings s = {.triwave = argv[1], .root = argv[2], .pictures = pictures, .seeds = 30};
  bool draw = true;
  for (int k = 4; k < argc; k++) {
    bool more = k + 1 < argc;
    if (strcmp(argv[k], "--seeds") == 0 && more) s.seeds = atoi(argv[++k]);
    else if (strcmp(argv[k], "--epochs") == 0 && more) s.epochs = atoi(argv[++k]);
    else if (strcmp(argv[k], "--only") == 0 && more) s.only = argv[++k];
    else if (strcmp(argv[k], "--no-pictures") == 0) draw = false;
    else return fprintf(stderr, "paper: what is '%s'?\n", argv[k]), 2;
  }
  if (s.seeds < 1 || s.epochs < 0) return fprintf(stderr, "paper: numbers from 1 up\n"), 2;
  if (!draw) s.pictures = NULL;
  char *error;
  if (!tw_rt_folder_make(draw ? pictures : argv[3], &error)) return complain(error), 1;
  if (draw) draw_pictures(&s);
  return make_page(&s, argv[3]) ? 0 : 1;
}
