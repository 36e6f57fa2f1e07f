/* tool.c PASS,PASS,… [FILE]: reads a function in the text form of the IR (standard input without FILE),
 * applies the passes in order, verifying before and after each, and prints what is left.
 *
 * Exit codes: 0 done; 1 the text is no function, or a pass made something that the verifier refuses;
 * 2 usage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ad/internal.h"
#include "compiler/ir/passes.h"
#include "compiler/opt/opt.h"

typedef const TwFn *Pass(TwModule *m, const TwFn *f);

static bool *all_real(const TwFn *f) {
  bool *active = TW_NEW_N(f->module->arena, bool, f->params.len + 1);
  for (uint32_t k = 0; k < f->params.len; k++) active[k] = tw_info(f, f->params.at[k])->dtype == TW_REAL;
  return active;
}
/* Only the first param is differentiated by: what activity analysis must leave out shows. */
static bool *only_first(const TwFn *f) {
  bool *active = TW_NEW_N(f->module->arena, bool, f->params.len + 1);
  active[0] = true;
  return active;
}

static const TwFn *print_back(TwModule *m, const TwFn *f) { return (void)m, f; }
static const TwFn *unroll(TwModule *m, const TwFn *f) { return tw_opt_unroll(m, f, tw_opt_limits_default()); }
static const TwFn *scalarize(TwModule *m, const TwFn *f) { return tw_opt_scalarize(m, f, tw_opt_limits_default()); }
static const TwFn *prepare(TwModule *m, const TwFn *f) { return tw_opt_prepare(m, f, tw_opt_limits_default()); }
static const TwFn *optimize(TwModule *m, const TwFn *f) { return tw_optimize(m, f, tw_opt_limits_default()); }
static const TwFn *jvp(TwModule *m, const TwFn *f) { return tw_jvp(m, f, all_real(f)); }
static const TwFn *vjp(TwModule *m, const TwFn *f) { return tw_vjp(m, f, all_real(f), NULL); }
static const TwFn *grad(TwModule *m, const TwFn *f) { return tw_grad(m, f, all_real(f)); }
static const TwFn *grad_first(TwModule *m, const TwFn *f) { return tw_grad(m, f, only_first(f)); }
/* Every loop that gains from it keeps its carries now and then only. */
static const TwFn *grad_checkpointed(TwModule *m, const TwFn *f) {
  return tw_grad_within(m, f, all_real(f), (TwAdLimits){.stack_bytes = 0, .levels = 1});
}
static const TwFn *linear(TwModule *m, const TwFn *f) { return tw_linearize(m, f, all_real(f)).linear; }
static const TwFn *primal(TwModule *m, const TwFn *f) { return tw_linearize(m, f, all_real(f)).primal; }

static const struct {
  const char *name;
  Pass *run;
} passes[] = {
    {"print", print_back},
    {"clean", tw_opt_clean},
    {"unroll", unroll},
    {"scalarize", scalarize},
    {"hoist", tw_opt_loop_invariant},
    {"fuse", tw_opt_fuse_samples},
    {"stacks", tw_opt_stacks},
    {"contract", tw_opt_contract},
    {"sink", tw_opt_sink_signs},
    {"order", tw_opt_order},
    {"mul0", tw_opt_lower_mul0},
    {"prepare", prepare},
    {"optimize", optimize},
    {"jvp", jvp},
    {"vjp", vjp},
    {"grad", grad},
    {"grad-first", grad_first},
    {"grad-checkpointed", grad_checkpointed},
    {"linear", linear},
    {"primal", primal},
};
enum { PASSES = sizeof passes / sizeof *passes };

static Pass *find(const char *name, size_t n) {
  for (uint32_t k = 0; k < PASSES; k++)
    if (strlen(passes[k].name) == n && !strncmp(passes[k].name, name, n)) return passes[k].run;
  return NULL;
}

static bool verified(const TwFn *f, const char *after) {
  const char *why = tw_verify(f);
  if (why) fprintf(stderr, "%s: %s\n", after, why);
  return !why;
}

static char *read_all(FILE *in, TwArena *arena) {
  size_t n = 0, room = 1 << 16;
  char *text = malloc(room);
  for (size_t got; text && (got = fread(text + n, 1, room - n - 1, in)) > 0;) {
    n += got;
    if (n + 1 < room) continue;
    char *more = realloc(text, room *= 2);
    if (!more) free(text);
    text = more;
  }
  if (!text) abort();
  char *copy = tw_arena_strndup(arena, text, n);
  free(text);
  return copy;
}

static int usage(void) {
  fputs("usage: tw_opt_tool PASS,PASS,… [FILE]\npasses:", stderr);
  for (uint32_t k = 0; k < PASSES; k++) fprintf(stderr, " %s", passes[k].name);
  fputc('\n', stderr);
  return 2;
}

static int run(TwArena *arena, const char *names, FILE *in) {
  TwModule *m = tw_module_new(arena);
  const char *error = NULL;
  const TwFn *f = tw_ir_parse(m, read_all(in, arena), &error);
  if (!f) return fprintf(stderr, "%s\n", error), 1;
  if (!verified(f, "the text")) return 1;
  for (const char *at = names; *at;) {
    size_t n = strcspn(at, ",");
    Pass *pass = find(at, n);
    if (!pass) return usage();
    f = pass(m, f);
    char after[64];
    snprintf(after, sizeof after, "after %.*s", (int)n, at);
    if (!verified(f, after)) return 1;
    at += n + (at[n] == ',');
  }
  fputs(tw_ir_print(f), stdout);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) return usage();
  FILE *in = argc == 3 ? fopen(argv[2], "r") : stdin;
  if (!in) return perror(argv[2]), 2;
  TwArena arena = {0};
  int status = run(&arena, argv[1], in);
  tw_arena_free(&arena);
  if (in != stdin) fclose(in);
  return status;
}
