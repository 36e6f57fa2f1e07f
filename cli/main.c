/* main.c: triwave VERB …: the table of verbs. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const TwVerb verbs[] = {
    {"run", "FILE", "train a program and report; with --out, keep the run",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_ALL_VARIANTS | TW_OPT_SEED | TW_OPT_SEEDS | TW_OPT_THREADS |
         TW_OPT_PRECISION | TW_OPT_JSON | TW_OPT_QUIET | TW_OPT_TIME | TW_OPT_VECTOR | TW_OPT_NO_CACHE | TW_OPT_SWEEP |
         TW_OPT_RUN | TW_OPT_PIECES,
     1, 1, tw_cli_run},
    {"check", "FILE…", "parse, names, types, shapes, domains; no training",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_ALL_VARIANTS | TW_OPT_PRECISION | TW_OPT_INFO, 1, 1u << 16, tw_cli_check},
    {"doc", "[MODULE|FILE…]", "what a module declares, and the comments above it; or which modules there are",
     TW_OPT_JSON | TW_OPT_MARKDOWN, 0, 1u << 16, tw_cli_doc},
    {"explain", "[ID…]", "what a diagnostic means, with an example; or which there are", 0, 0, 1u << 8, tw_cli_explain},
    {"emit", "FILE --as FORM", "show the program in any of its forms",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_PRECISION | TW_OPT_AS | TW_OPT_OUTPUT | TW_OPT_VECTOR | TW_OPT_CPU, 1, 1,
     tw_cli_emit},
    {"regions", "FILE|RUN", "the linear regions of a model, trained here or kept by a run",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_SEED | TW_OPT_PRECISION | TW_OPT_STAGE | TW_OPT_JSON | TW_OPT_FORMAT |
         TW_OPT_OUTPUT | TW_OPT_PIECES,
     1, 1, tw_cli_regions},
    {"plot", "FILE|RUN",
     "draw a net and its training: into the terminal, or with -o into .svg or .png; of a metrics.csv: its curves",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_SEED | TW_OPT_SEEDS | TW_OPT_THREADS | TW_OPT_PRECISION | TW_OPT_STAGE |
         TW_OPT_QUIET | TW_OPT_OUTPUT | TW_OPT_FIGURE,
     1, 1, tw_cli_plot},
    {"gradcheck", "FILE", "reverse mode against forward mode and differences, stage by stage",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_ALL_VARIANTS | TW_OPT_SEED | TW_OPT_PRECISION | TW_OPT_THREADS |
         TW_OPT_QUIET,
     1, 1, tw_cli_gradcheck},
    {"jac", "FILE", "the Jacobian of the weights by the params",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_SEED | TW_OPT_PRECISION | TW_OPT_STAGE | TW_OPT_FORMAT | TW_OPT_OUTPUT, 1,
     1, tw_cli_jac},
    {"eval", "FILE|RUN --data CSV", "a model's value at each row of the data, trained here or kept by a run",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_SEED | TW_OPT_THREADS | TW_OPT_PRECISION | TW_OPT_OUTPUT | TW_OPT_DATA |
         TW_OPT_MODEL | TW_OPT_DERIVATIVE | TW_OPT_NO_CACHE | TW_OPT_VECTOR | TW_OPT_STAGE,
     1, 1, tw_cli_eval},
    {"build", "FILE -o OUT", "compile ahead of time: libnet.so, libnet.a or net.o, and a C header beside it",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_PRECISION | TW_OPT_OUTPUT | TW_OPT_VECTOR | TW_OPT_CPU, 1, 1,
     tw_cli_build},
    {"export", "FILE|RUN --to FORM -o OUT",
     "a model, trained here or kept by a run, as C99 and a header or as ONNX, or all params and weights as safetensors",
     TW_OPT_DEFINE | TW_OPT_VARIANT | TW_OPT_SEED | TW_OPT_THREADS | TW_OPT_PRECISION | TW_OPT_OUTPUT | TW_OPT_MODEL |
         TW_OPT_TO | TW_OPT_NO_CACHE | TW_OPT_STAGE,
     1, 1, tw_cli_export},
    {"show", "RUN", "what a run that was kept is, how far it has come, and what came out", TW_OPT_JSON, 1, 1,
     tw_cli_show},
    {"compare", "RUN RUN…", "runs beside each other: losses stage by stage, and what differs",
     TW_OPT_JSON | TW_OPT_QUIET | TW_OPT_PLOT, 1, 1u << 16, tw_cli_compare},
    {"list", "[DIR]", "the runs in a folder and below it, a line each", TW_OPT_JSON, 0, 1, tw_cli_list},
    {"cache", "[clear]", "code kept from earlier runs: where, how much; or remove it", 0, 0, 1, tw_cli_cache},
    {"fmt", "FILE…", "format: to stdout, or in place with -w", TW_OPT_WRITE, 1, 1u << 16, tw_cli_fmt},
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

/* Of letters, of which each takes one. */
static int columns_of(const char *s) {
  int n = 0;
  for (; *s; s++) n += (*s & 0xc0) != 0x80;
  return n;
}

static void usage(FILE *out) {
  enum { ARGUMENTS = 20 };
  fprintf(out, "triwave %s: networks whose weights are a function of a few constrained parameters\n\n", TW_VERSION);
  for (int k = 0; k < N_VERBS; k++) {
    int n = columns_of(verbs[k].arguments);
    fprintf(out, "  triwave %-9s %s", verbs[k].name, verbs[k].arguments);
    if (n > ARGUMENTS) fprintf(out, "\n%*s", 10 + 9 + 1 + ARGUMENTS, ""), n = ARGUMENTS;
    fprintf(out, "%*s %s\n", ARGUMENTS - n, "", verbs[k].summary);
  }
  fprintf(out, "\n  triwave VERB --help      options of a verb\n  triwave --version\n"
               "\nExit codes: 0 done, 1 the program or its data is wrong, 2 wrong usage, 70 a bug of triwave's.\n");
}

static int run_verb(const TwVerb *v, TwCli *c, int argc, char **argv) {
  char why[256];
  if (!tw_cli_parse(c, v, argc, argv, why)) {
    fprintf(stderr, "triwave: %s\n(triwave %s --help lists the options)\n", why, v->name);
    return TW_EXIT_USAGE;
  }
  if (!c->help) return v->run(c);
  printf("triwave %s %s: %s\n\n", v->name, v->arguments, v->summary);
  tw_cli_options_help(v->options, stdout);
  return tw_cli_stdout_ok() ? TW_EXIT_OK : TW_EXIT_WRONG;
}

static int verb(const char *name, int argc, char **argv) {
  for (int k = 0; k < N_VERBS; k++) {
    if (strcmp(name, verbs[k].name) != 0) continue;
    TwCli c = {.verb = name, .argc = argc, .argv = argv, .checkpoint_every = 10};
    int code = run_verb(&verbs[k], &c, argc - 2, argv + 2);
    free(c.files);
    for (uint32_t d = 0; d < c.n_defines; d++) free((char *)c.defines[d].name);
    free(c.defines);
    tw_cli_sweeps_free(&c);
    return code;
  }
  fprintf(stderr, "triwave: unknown verb '%s'\n(triwave --help lists the verbs)\n", name);
  return TW_EXIT_USAGE;
}

/* Of a stream that is closed, the number would go to the next file that is opened, which would be read or written as
 * that stream. So it is held by something of which a read, or a write, is the error that it is. */
static void hold_closed_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0)
      (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* the lowest free number */
}

int main(int argc, char **argv) {
  hold_closed_streams();
  tw_cli_memory();
  tw_cli_stdout_begin();
  signal(SIGXFSZ, SIG_IGN); /* then a file that would be too large is an error of the write, with words */
  if (argc < 2) return usage(stderr), TW_EXIT_USAGE;
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) usage(stdout);
  else if (strcmp(name, "--version") == 0) printf("triwave %s\n", TW_VERSION);
  else return verb(name, argc, argv);
  return tw_cli_stdout_ok() ? TW_EXIT_OK : TW_EXIT_WRONG;
}
