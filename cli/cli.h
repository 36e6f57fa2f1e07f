/* cli.h: what the verbs share: options, opening a program, reporting. Only the driver prints and exits. */
#ifndef TW_CLI_H
#define TW_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "compiler/pipeline.h"

enum { TW_EXIT_OK = 0, TW_EXIT_WRONG = 1, TW_EXIT_USAGE = 2, TW_EXIT_BUG = 70 };

/* --sweep name=v1,v2,…; all malloc'ed. */
typedef struct TwSweep {
  char *name, **values;
  uint32_t n;
} TwSweep;

/* Everything a verb may be given; a verb names which of them it takes. */
typedef struct TwCli {
  const char *verb;
  const char **files;
  uint32_t n_files;
  TwDefine *defines;
  uint32_t n_defines;
  TwSweep *sweeps;
  uint32_t n_sweeps;
  const char *variants; /* comma-separated, or NULL */
  bool all_variants;
  bool have_seed, have_seeds;
  uint64_t seed, seeds;
  uint32_t threads;
  uint32_t pieces; /* of the best fit that losses are compared with; 0: not said */
  TwPrecision precision;
  bool have_precision;
  uint32_t vector_bits, cpu_level;
  const char *as, *output, *stage, *format, *figures, *data, *model, *to;
  bool derivative, json, quiet, time, write, list, help, no_cache, diagnostics_json, info, markdown;
  const char *out, *resume; /* folders of runs */
  const char *plot;         /* a picture to draw besides */
  const char *log;          /* "jsonl", which is stdout, or a file */
  uint32_t log_every;       /* 0: every epoch of one seed, every tenth of more */
  double checkpoint_every;  /* seconds */
  int argc;                 /* the whole command line */
  char **argv;
} TwCli;

/* Options by bit, for the table of verbs. */
enum {
  TW_OPT_DEFINE = 1 << 0,
  TW_OPT_VARIANT = 1 << 1,
  TW_OPT_SEED = 1 << 2,
  TW_OPT_THREADS = 1 << 3,
  TW_OPT_PRECISION = 1 << 4,
  TW_OPT_JSON = 1 << 5,
  TW_OPT_QUIET = 1 << 6,
  TW_OPT_TIME = 1 << 7,
  TW_OPT_AS = 1 << 8,
  TW_OPT_OUTPUT = 1 << 9,
  TW_OPT_WRITE = 1 << 10,
  TW_OPT_VECTOR = 1 << 11,
  TW_OPT_STAGE = 1 << 12,
  TW_OPT_ALL_VARIANTS = 1 << 13,
  TW_OPT_FORMAT = 1 << 14,
  TW_OPT_SEEDS = 1 << 15,
  TW_OPT_NO_CACHE = 1 << 16,
  TW_OPT_SWEEP = 1 << 17,
  TW_OPT_FIGURE = 1 << 18,
  TW_OPT_DATA = 1 << 19,
  TW_OPT_MODEL = 1 << 20,
  TW_OPT_DERIVATIVE = 1 << 21,
  TW_OPT_TO = 1 << 22,
  TW_OPT_INFO = 1 << 23,
  TW_OPT_MARKDOWN = 1 << 24,
  TW_OPT_CPU = 1 << 25,
  TW_OPT_PLOT = 1 << 26,
  TW_OPT_PIECES = 1 << 28,
  TW_OPT_RUN = 1 << 30 /* folders of runs, and what goes into them */
};

typedef struct TwVerb {
  const char *name, *arguments, *summary;
  unsigned options; /* of TW_OPT_* */
  uint32_t min_files, max_files;
  int (*run)(const TwCli *c);
} TwVerb;

int tw_cli_run(const TwCli *c);
int tw_cli_check(const TwCli *c);
int tw_cli_emit(const TwCli *c);
int tw_cli_explain(const TwCli *c);
int tw_cli_doc(const TwCli *c);
int tw_cli_info(const TwCli *c); /* check --info json */
int tw_cli_regions(const TwCli *c);
int tw_cli_plot(const TwCli *c);
int tw_cli_fmt(const TwCli *c);
int tw_cli_gradcheck(const TwCli *c);
int tw_cli_jac(const TwCli *c);
int tw_cli_cache(const TwCli *c);
int tw_cli_eval(const TwCli *c);
int tw_cli_build(const TwCli *c);
int tw_cli_export(const TwCli *c);
int tw_cli_show(const TwCli *c);
int tw_cli_compare(const TwCli *c);
int tw_cli_list(const TwCli *c);

/* Reads options after the verb. false: the message is in *why. */
bool tw_cli_parse(TwCli *c, const TwVerb *v, int argc, char **argv, char why[256]);
void tw_cli_sweeps_free(TwCli *c);
/* What the options in `mask` are called and do, a line each. */
void tw_cli_options_help(unsigned mask, FILE *out);

/* A unit with the options of c. */
TwUnit *tw_cli_unit(const TwCli *c);
/* The same, with further definitions. */
TwUnit *tw_cli_unit_with(const TwCli *c, const TwDefine *more, uint32_t n);
/* Opens a file of the program; 0 and a message on stderr if it cannot be read. */
uint32_t tw_cli_open(TwUnit *u, const char *path);
/* The variants that c asks for, of an already parsed program. false: a diagnostic was added. */
bool tw_cli_variants(const TwCli *c, TwUnit *u, const TwModuleAst *ast, TwVariantNames *out);
/* The same for a verb that shows one. false: said why. */
bool tw_cli_one_variant(const TwCli *c, TwUnit *u, const TwModuleAst *ast, TwName *out);
/* Writes the unit's diagnostics to stderr. */
void tw_cli_diagnostics(const TwUnit *u);
/* To be called first: from here on, stdout knows why a write to it failed. */
void tw_cli_stdout_begin(void);
/* Flushes stdout; a message on stderr and false if anything written to it was lost. */
bool tw_cli_stdout_ok(void);
double tw_cli_now(void);
/* p; where it is NULL, for want of memory, it ends in tw_bug. From tw_cli_memory on, nothing of cJSON is NULL likewise.
 */
void *tw_cli_need(void *p);

/* What code training wants (see TwLowerWhat): of this alone, so that verbs that train alike find each other's code.
 * watched: something reads the losses of epochs. */
unsigned tw_cli_training(bool watched);
/* The cores that this process may use, or as many threads as were asked for. */
uint32_t tw_cli_threads(const TwCli *c);
void tw_cli_memory(void);

#endif
