/* gradcheck.c: triwave gradcheck FILE: the gradient of every stage, in reverse mode as training uses it,
 * against forward mode and against central differences. docs/gradcheck.md says how. */
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "compiler/probe/probe.h"

typedef struct Total {
  uint64_t stages, tensors, compared;
  bool ok;
} Total;

/* How much room names take, at least that of their heading. */
static int name_width(const TwGradStage *s) {
  size_t w = 6;
  for (uint32_t k = 0; k < s->n_tensors; k++)
    if (strlen(s->tensors[k].name) > w) w = strlen(s->tensors[k].name);
  return (int)w;
}

static void print_stage(const char *variant, const TwGradStage *s) {
  int w = name_width(s);
  printf("%s%sstage %s: loss %.6g at the start; checked at %u point%s\n", strcmp(variant, "main") ? variant : "",
         strcmp(variant, "main") ? ", " : "", s->name, isnan(s->loss) ? NAN : s->loss, s->n_points,
         s->n_points == 1 ? "" : "s");
  if (s->n_points)
    printf("  %-*s %9s %9s %9s %9s %9s  %s\n", w + 9, "", "elements", "compared", "rejected", "differ", "forward",
           "worst at");
  for (uint32_t k = 0; k < s->n_tensors && s->n_points; k++) {
    const TwGradTensor *t = &s->tensors[k];
    printf("  %-6s   %-*s %9llu %9llu %9llu %9.1e %9.1e  %s\n", t->ok ? "ok" : "FAILED", w, t->name,
           (unsigned long long)t->count, (unsigned long long)t->compared, (unsigned long long)t->rejected, t->worst,
           t->identity, t->worst_element ? t->worst_element : "-");
  }
}

static void check_variant(const TwCli *c, TwUnit *u, TwBuild *b, Total *total) {
  TwProbe p;
  const TwProgram *program = b->program;
  uint64_t seed = c->have_seed ? c->seed : 0;
  if (program->stages.len == 0) {
    tw_diag(&u->diags, TW_E0716, (TwSpan){b->file, 0, 0}, "there is nothing to check: the program has no stage");
    total->ok = false;
    return;
  }
  if (!tw_probe_open(&p, u, program, b->lowered, seed)) {
    fprintf(stderr, "triwave: out of memory\n");
    total->ok = false;
    return;
  }
  p.threads = tw_cli_threads(c);
  if (!tw_probe_begins(&p, seed)) {
    total->ok = false;
    return;
  }
  for (uint32_t k = 0; k < program->stages.len; k++) {
    TwGradStage s;
    tw_probe_gradcheck(&p, k, seed, &s);
    if (!c->quiet) print_stage(program->variant, &s);
    total->ok &= s.ok;
    total->stages++;
    total->tensors += s.n_tensors;
    for (uint32_t j = 0; j < s.n_tensors; j++) total->compared += s.tensors[j].compared;
  }
}

int tw_cli_gradcheck(const TwCli *c) {
  TwUnit *u = tw_cli_unit(c);
  TwBuild first = {.unit = u, .file = tw_cli_open(u, c->files[0])};
  TwVariantNames names = {0};
  Total total = {.ok = true};
  bool ok = first.file && tw_build(&first, TW_PHASE_PARSE) && tw_cli_variants(c, u, first.ast, &names);
  for (uint32_t k = 0; ok && k < names.len; k++) {
    TwBuild b = {.unit = u, .file = first.file, .ast = first.ast, .variant = names.at[k]};
    ok = tw_build(&b, TW_PHASE_LOWER);
    if (ok) check_variant(c, u, &b, &total);
  }
  ok = ok && total.ok;
  if (!c->quiet && total.stages)
    printf("%s: %llu stage%s, %llu tensor%s, %llu derivatives compared with differences\n", ok ? "ok" : "FAILED",
           (unsigned long long)total.stages, total.stages == 1 ? "" : "s", (unsigned long long)total.tensors,
           total.tensors == 1 ? "" : "s", (unsigned long long)total.compared);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "triwave: cannot write to stdout\n");
    ok = false;
  }
  tw_cli_diagnostics(u);
  tw_unit_free(u);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
