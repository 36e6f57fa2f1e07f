/* options.c: the command line. One table: an option, its value, what it does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct Option {
  const char *name;  /* with its dashes */
  const char *value; /* what to call its value, or NULL */
  unsigned bit;
  const char *summary;
  bool (*set)(TwCli *c, const char *value, char why[256]);
} Option;

static bool whole(const char *text, uint64_t max, uint64_t *out) {
  char *end;
  errno = 0;
  if (*text < '0' || *text > '9') return false;
  unsigned long long v = strtoull(text, &end, 10);
  if (*end || errno || v > max) return false;
  *out = v;
  return true;
}

static bool set_define(TwCli *c, const char *v, char why[256]) {
  const char *eq = strchr(v, '=');
  if (!eq || eq == v || !eq[1]) {
    snprintf(why, 256, "-D wants name=value, not '%.100s'", v);
    return false;
  }
  char *name = strndup(v, (size_t)(eq - v));
  c->defines = realloc(c->defines, (c->n_defines + 1) * sizeof *c->defines);
  tw_cli_need(name), tw_cli_need(c->defines);
  c->defines[c->n_defines++] = (TwDefine){name, eq + 1};
  return true;
}
/* name=v1,v2,…: commas inside of brackets belong to a value. */
static bool set_sweep(TwCli *c, const char *v, char why[256]) {
  const char *eq = strchr(v, '=');
  TwSweep sweep = {0};
  bool ok = eq && eq != v && eq[1] && (sweep.name = strndup(v, (size_t)(eq - v)));
  for (const char *at = ok ? eq + 1 : NULL; ok;) {
    int depth = 0;
    size_t n = 0;
    for (; at[n] && (at[n] != ',' || depth > 0); n++)
      depth += (at[n] == '(' || at[n] == '[') - (at[n] == ')' || at[n] == ']');
    sweep.values = tw_cli_need(realloc(sweep.values, (sweep.n + 1) * sizeof *sweep.values));
    sweep.values[sweep.n++] = tw_cli_need(strndup(at, n));
    ok = n > 0;
    if (!at[n]) break;
    at += n + 1;
  }
  c->sweeps = tw_cli_need(realloc(c->sweeps, (c->n_sweeps + 1) * sizeof *c->sweeps));
  c->sweeps[c->n_sweeps++] = sweep;
  if (!ok) snprintf(why, 256, "--sweep wants name=value,value,…, not '%.100s'", v);
  return ok;
}
void tw_cli_sweeps_free(TwCli *c) {
  for (uint32_t k = 0; k < c->n_sweeps; k++) {
    for (uint32_t j = 0; j < c->sweeps[k].n; j++) free(c->sweeps[k].values[j]);
    free(c->sweeps[k].values);
    free(c->sweeps[k].name);
  }
  free(c->sweeps);
}
static bool set_variant(TwCli *c, const char *v, char why[256]) {
  if (!*v || *v == ',' || strstr(v, ",,") || v[strlen(v) - 1] == ',') {
    snprintf(why, 256, "--variant wants names with commas between them, not '%.100s'", v);
    return false;
  }
  return c->variants = v, true;
}
static bool set_seed(TwCli *c, const char *v, char why[256]) {
  c->have_seed = whole(v, INT64_MAX, &c->seed);
  if (!c->have_seed) snprintf(why, 256, "--seed wants a whole number from 0 to 2^63 - 1, not '%.100s'", v);
  return c->have_seed;
}
static bool set_seeds(TwCli *c, const char *v, char why[256]) {
  c->have_seeds = whole(v, 1000000, &c->seeds) && c->seeds > 0;
  if (!c->have_seeds) snprintf(why, 256, "--seeds wants a number from 1 to 1000000, not '%.100s'", v);
  return c->have_seeds;
}
static bool set_threads(TwCli *c, const char *v, char why[256]) {
  uint64_t n;
  if (!whole(v, 1024, &n) || n == 0) {
    snprintf(why, 256, "--threads wants a number from 1 to 1024, not '%.100s'", v);
    return false;
  }
  c->threads = (uint32_t)n;
  return true;
}
static bool set_precision(TwCli *c, const char *v, char why[256]) {
  c->have_precision = strcmp(v, "f32") == 0 || strcmp(v, "f64") == 0;
  c->precision = strcmp(v, "f64") == 0 ? TW_F64 : TW_F32;
  if (!c->have_precision) snprintf(why, 256, "--precision wants f32 or f64, not '%.100s'", v);
  return c->have_precision;
}
static bool set_vector(TwCli *c, const char *v, char why[256]) {
  uint64_t n;
  if (!whole(v, 512, &n) || (n != 128 && n != 256 && n != 512)) {
    snprintf(why, 256, "--vector-bits wants 128, 256 or 512, not '%.100s'", v);
    return false;
  }
  c->vector_bits = (uint32_t)n;
  return true;
}
static bool set_cpu(TwCli *c, const char *v, char why[256]) {
  c->cpu_level = strcmp(v, "x86-64-v3") == 0 ? 3 : strcmp(v, "x86-64-v4") == 0 ? 4 : 0;
  if (!c->cpu_level) snprintf(why, 256, "--cpu wants x86-64-v3 or x86-64-v4, not '%.100s'", v);
  return c->cpu_level != 0;
}
static bool set_out(TwCli *c, const char *v, char why[256]) {
  if (!*v) snprintf(why, 256, "--out wants the name of a folder");
  return c->out = v, *v;
}
static bool set_resume(TwCli *c, const char *v, char why[256]) {
  if (!*v) snprintf(why, 256, "--resume wants the folder of a run");
  return c->resume = v, *v;
}
static bool set_log(TwCli *c, const char *v, char why[256]) {
  size_t n = strlen(v);
  if (strcmp(v, "jsonl") != 0 && (n < 7 || strcmp(v + n - 6, ".jsonl") != 0)) {
    snprintf(why, 256, "--log wants jsonl, or a file that ends in .jsonl, not '%.100s'", v);
    return false;
  }
  return c->log = v, true;
}
static bool set_log_every(TwCli *c, const char *v, char why[256]) {
  uint64_t n;
  if (!whole(v, 1000000000, &n) || n == 0) {
    snprintf(why, 256, "--log-every wants a number of epochs from 1 to 10^9, not '%.100s'", v);
    return false;
  }
  c->log_every = (uint32_t)n;
  return true;
}
static bool set_checkpoint_every(TwCli *c, const char *v, char why[256]) {
  char *end;
  double seconds = strtod(v, &end);
  if (end == v || *end || !(seconds >= 0 && seconds <= 1e6)) {
    snprintf(why, 256, "--checkpoint-every wants a number of seconds from 0 to 10^6, not '%.100s'", v);
    return false;
  }
  c->checkpoint_every = seconds;
  return true;
}
static bool set_diagnostics(TwCli *c, const char *v, char why[256]) {
  c->diagnostics_json = strcmp(v, "json") == 0;
  if (c->diagnostics_json || strcmp(v, "text") == 0) return true;
  snprintf(why, 256, "--diagnostics wants text or json, not '%.100s'", v);
  return false;
}
static bool set_info(TwCli *c, const char *v, char why[256]) {
  c->info = strcmp(v, "json") == 0;
  if (!c->info) snprintf(why, 256, "--info wants json, not '%.100s'", v);
  return c->info;
}
static bool set_pieces(TwCli *c, const char *v, char why[256]) {
  uint64_t n;
  if (!whole(v, 1024, &n) || n == 0) {
    snprintf(why, 256, "--pieces wants a number from 1 to 1024, not '%.100s'", v);
    return false;
  }
  c->pieces = (uint32_t)n;
  return true;
}

/* Options that only keep their value, and such that only are there or not. */
#define KEEPS(setter, field)                                                                                           \
  static bool setter(TwCli *c, const char *v, char why[256]) {                                                         \
    (void)why;                                                                                                         \
    return c->field = v, true;                                                                                         \
  }
#define NOTES(setter, field)                                                                                           \
  static bool setter(TwCli *c, const char *v, char why[256]) {                                                         \
    (void)v, (void)why;                                                                                                \
    return c->field = true;                                                                                            \
  }
KEEPS(set_as, as)
KEEPS(set_output, output)
KEEPS(set_stage, stage)
KEEPS(set_format, format)
KEEPS(set_figure, figures)
KEEPS(set_data, data)
KEEPS(set_model, model)
KEEPS(set_to, to)
KEEPS(set_plot, plot)
NOTES(set_all, all_variants)
NOTES(set_json, json)
NOTES(set_quiet, quiet)
NOTES(set_time, time)
NOTES(set_write, write)
NOTES(set_derivative, derivative)
NOTES(set_no_cache, no_cache)
NOTES(set_markdown, markdown)
NOTES(set_help, help)
#undef KEEPS
#undef NOTES

static const Option options[] = {
    {"-D", "name=value", TW_OPT_DEFINE, "override a const of the program", set_define},
    {"--sweep", "name=a,b,…", TW_OPT_SWEEP, "each of these values of a const; several sweeps: every combination",
     set_sweep},
    {"--variant", "a,b", TW_OPT_VARIANT, "these variants (full: the program's body)", set_variant},
    {"--all-variants", NULL, TW_OPT_ALL_VARIANTS, "the body and every variant", set_all},
    {"--seed", "N", TW_OPT_SEED, "this seed (default 0)", set_seed},
    {"--seeds", "N", TW_OPT_SEEDS, "seeds 0 … N-1, all at once", set_seeds},
    {"--threads", "N", TW_OPT_THREADS, "threads (default: all cores that may be used); never changes a result",
     set_threads},
    {"--precision", "f32|f64", TW_OPT_PRECISION, "of reals (default f32)", set_precision},
    {"--json", NULL, TW_OPT_JSON, "one JSON object on stdout", set_json},
    {"--info", "json", TW_OPT_INFO, "say what the program is, as JSON on stdout: params, shapes, stages, cost",
     set_info},
    {"--markdown", NULL, TW_OPT_MARKDOWN, "as Markdown", set_markdown},
    {"--quiet", NULL, TW_OPT_QUIET, "no progress, no table", set_quiet},
    {"--time", NULL, TW_OPT_TIME, "seconds of each phase, on stderr", set_time},
    {"--no-cache", NULL, TW_OPT_NO_CACHE, "compile afresh, and keep nothing", set_no_cache},
    {"--vector-bits", "128|256|512", TW_OPT_VECTOR,
     "vector width, of what the CPU has (default: all); never changes a result", set_vector},
    {"--cpu", "x86-64-v3|x86-64-v4", TW_OPT_CPU, "for any CPU of this level (v4: AVX-512), not just for this one",
     set_cpu},
    {"--as", "FORM", TW_OPT_AS, "tokens ast typed ir grad opt plan llvm asm obj", set_as},
    {"-o", "FILE", TW_OPT_OUTPUT, "write there instead of stdout", set_output},
    {"-w", NULL, TW_OPT_WRITE, "write the formatted text back to the file", set_write},
    {"--stage", "NAME", TW_OPT_STAGE, "after this stage (default: the last; jac: the start); of a run also NAME.best",
     set_stage},
    {"--format", "FORM", TW_OPT_FORMAT, "table, csv or npy, regions also json (default table)", set_format},
    {"--figure", "a,b", TW_OPT_FIGURE, "fit, layers, loss, regions (default: all)", set_figure},
    {"--data", "FILE|-", TW_OPT_DATA, "a CSV file with a column for each input, or stdin", set_data},
    {"--model", "NAME", TW_OPT_MODEL, "of this model (default: the last)", set_model},
    {"--derivative", NULL, TW_OPT_DERIVATIVE, "and its slope in each input", set_derivative},
    {"--to", "FORM", TW_OPT_TO, "c, onnx or safetensors", set_to},
    {"--out", "DIR", TW_OPT_RUN, "keep the run there: program, metrics, weights, checkpoint, summary", set_out},
    {"--resume", "DIR", TW_OPT_RUN, "go on with the run that is there (no FILE)", set_resume},
    {"--checkpoint-every", "S", TW_OPT_RUN, "seconds from one checkpoint to the next (default 10)",
     set_checkpoint_every},
    {"--log", "jsonl|FILE", TW_OPT_RUN,
     "each reading as a JSON object on a line of its own, on stdout or in FILE.jsonl", set_log},
    {"--log-every", "K", TW_OPT_RUN,
     "epochs from one reading, a line of metrics, to the next (default 1; 10 for several seeds)", set_log_every},
    {"--plot", "FILE", TW_OPT_PLOT, "draw their losses in one picture, .svg or .png", set_plot},
    {"--pieces", "N", TW_OPT_PIECES, "compare with the best fit of N pieces (default: as many as the program asks for)",
     set_pieces},
    {"--diagnostics", "text|json", TW_OPT_DEFINE | TW_OPT_WRITE, "as text, or as JSON: an object a line, on stderr",
     set_diagnostics},
    {"--help", NULL, ~0u, "this", set_help},
};
enum { N_OPTIONS = sizeof options / sizeof *options };

void tw_cli_options_help(unsigned mask, FILE *out) {
  for (uint32_t k = 0; k < N_OPTIONS; k++) {
    const Option *o = &options[k];
    if (!(o->bit & mask)) continue;
    char left[64];
    int wide = 28;
    snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    for (const char *at = left; *at; at++) wide += (*at & 0xc0) == 0x80; /* bytes of a character after its first */
    fprintf(out, "  %-*s %s\n", wide, left, o->summary);
  }
}

/* The option that arg names; *value is set where it holds its value too (-Dx=1, --seed=3). */
static const Option *find(const char *arg, const char **value) {
  *value = NULL;
  for (uint32_t k = 0; k < N_OPTIONS; k++) {
    const Option *o = &options[k];
    size_t n = strlen(o->name);
    if (strcmp(arg, o->name) == 0) return o;
    if (!o->value || strncmp(arg, o->name, n) != 0) continue;
    if (o->name[1] != '-') return *value = arg + n, o;
    if (arg[n] == '=') return *value = arg + n + 1, o;
  }
  return strcmp(arg, "-h") == 0 ? &options[N_OPTIONS - 1] : NULL;
}

/* Do the options that were given exclude each other, or is something missing? */
static bool go_together(const TwCli *c, const TwVerb *v, char why[256]) {
  if (c->resume && (c->n_files || c->out)) {
    snprintf(why, 256, "--resume goes on with the program and the folder of its run: no FILE, no --out");
    return false;
  }
  if (c->resume && (c->n_defines || c->n_sweeps || c->variants || c->all_variants || c->have_seed || c->have_seeds ||
                    c->have_precision || c->log_every || c->pieces)) {
    snprintf(why, 256,
             "--resume takes program, variants, seeds, settings, precision and pieces from its run; they cannot be "
             "given anew");
    return false;
  }
  if (!c->help && !c->resume && c->n_files < v->min_files) {
    snprintf(why, 256, "%s wants %s", v->name, v->arguments);
    return false;
  }
  if (c->json && c->log && strcmp(c->log, "jsonl") == 0) {
    snprintf(why, 256, "--json and --log jsonl both want stdout: --log FILE.jsonl writes to a file");
    return false;
  }
  if (c->json && c->format && strcmp(c->format, "json") != 0) {
    snprintf(why, 256, "--json and --format %.100s exclude each other", c->format);
    return false;
  }
  if (c->have_seed && c->have_seeds) {
    snprintf(why, 256, "--seed and --seeds exclude each other");
    return false;
  }
  for (uint32_t k = 0; k < c->n_sweeps; k++) {
    bool twice = false;
    for (uint32_t d = 0; d < c->n_defines; d++) twice |= strcmp(c->defines[d].name, c->sweeps[k].name) == 0;
    for (uint32_t j = 0; j < k; j++) twice |= strcmp(c->sweeps[j].name, c->sweeps[k].name) == 0;
    if (!twice) continue;
    snprintf(why, 256, "'%.100s' is given twice", c->sweeps[k].name);
    return false;
  }
  if (c->cpu_level == 3 && c->vector_bits == 512) {
    snprintf(why, 256, "--cpu x86-64-v3 has vectors of 256 bits at most: --vector-bits 512 wants x86-64-v4");
    return false;
  }
  if (c->variants && c->all_variants) {
    snprintf(why, 256, "--variant and --all-variants exclude each other");
    return false;
  }
  return true;
}

/* Options that are there to be given several times, or say the same when they are. */
static bool may_repeat(const Option *o) { return !o->value || o->set == set_define || o->set == set_sweep; }

bool tw_cli_parse(TwCli *c, const TwVerb *v, int argc, char **argv, char why[256]) {
  bool only_files = false, given[N_OPTIONS] = {0};
  for (int k = 0; k < argc; k++) {
    const char *arg = argv[k], *value;
    if (only_files || arg[0] != '-' || !arg[1]) {
      if (c->n_files == v->max_files) {
        snprintf(why, 256, "'%.100s' is one file too many", arg);
        return false;
      }
      c->files = tw_cli_need(realloc(c->files, (c->n_files + 1) * sizeof *c->files));
      c->files[c->n_files++] = arg;
      continue;
    }
    if (strcmp(arg, "--") == 0) {
      only_files = true;
      continue;
    }
    const Option *o = find(arg, &value);
    if (!o || !((v->options | (o->set == set_help ? ~0u : 0)) & o->bit)) {
      snprintf(why, 256, o ? "'%s' takes no %.100s" : "%s: unknown option '%.100s'", v->name, arg);
      return false;
    }
    if (o->value && !value && ++k == argc) {
      snprintf(why, 256, "%s wants a value: %s", o->name, o->value);
      return false;
    }
    if (given[o - options] && !may_repeat(o)) {
      snprintf(why, 256, "%s is given twice", o->name);
      return false;
    }
    given[o - options] = true;
    if (!o->set(c, o->value && !value ? argv[k] : value, why)) return false;
  }
  return go_together(c, v, why);
}
