/* common.c: opening programs and reporting on them. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

TwUnit *tw_cli_unit(const TwCli *c) {
  TwOptions o = {.defines = c->defines, .n_defines = c->n_defines, .precision = c->precision};
  return tw_unit_new(&o);
}

uint32_t tw_cli_open(TwUnit *u, const char *path) {
  const char *why = NULL;
  uint32_t file = tw_source_read(&u->sources, path, &why);
  if (!file) fprintf(stderr, "triwave: cannot read '%s': %s\n", path, why ? why : "no reason given");
  return file;
}

bool tw_cli_variants(const TwCli *c, TwUnit *u, const TwModuleAst *ast, TwVariantNames *out) {
  TwVariantNames all = {0};
  tw_variants(u, ast, &all);
  if (c->all_variants) return *out = all, true;
  if (!c->variants) {
    tw_vec_push(&u->arena, out, all.at[0]);
    return true;
  }
  for (const char *at = c->variants; *at;) {
    size_t n = strcspn(at, ",");
    TwName name = tw_intern(&u->names, at, n);
    bool known = false;
    for (uint32_t k = 0; k < all.len; k++) known |= all.at[k] == name;
    if (!known) {
      TwDiag *d = tw_diag(&u->diags, TW_E0212, (TwSpan){ast->file, 0, 0}, "the program has no variant '%s'", name);
      TwName near = tw_nearest(name, all.at, all.len);
      if (near) tw_diag_help(&u->diags, d, "did you mean '%s'?", near);
      return false;
    }
    tw_vec_push(&u->arena, out, name);
    at += n;
    if (*at) at++;
  }
  return out->len > 0;
}

void tw_cli_diagnostics(const TwUnit *u) {
  TwDiagStyle style = {.colour = isatty(STDERR_FILENO) != 0};
  tw_diags_render(&u->diags, stderr, style);
}

double tw_cli_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
