/* check.c: triwave check FILE…: every variant is parsed, typed and lowered (so that what only shows
 * in a gradient is found too); nothing is compiled or trained. */
#include "cli/cli.h"

static bool check_variants(const TwCli *c, TwUnit *u, uint32_t file) {
  TwBuild first = {.unit = u, .file = file};
  if (!tw_build(&first, TW_PHASE_PARSE)) return false;
  TwVariantNames names = {0};
  TwCli all = *c;
  all.all_variants = !c->variants;
  if (!tw_cli_variants(&all, u, first.ast, &names)) return false;
  bool ok = true;
  for (uint32_t k = 0; k < names.len; k++) {
    TwBuild b = {.unit = u, .file = file, .ast = first.ast, .variant = names.at[k]};
    ok &= tw_build(&b, TW_PHASE_LOWER);
  }
  return ok;
}

int tw_cli_check(const TwCli *c) {
  if (c->info) return tw_cli_info(c);
  int code = TW_EXIT_OK;
  for (uint32_t k = 0; k < c->n_files; k++) {
    TwUnit *u = tw_cli_unit(c);
    uint32_t file = tw_cli_open(u, c->files[k]);
    if (!file || !check_variants(c, u, file)) code = TW_EXIT_WRONG;
    tw_cli_diagnostics(u);
    tw_unit_free(u);
  }
  return code;
}
