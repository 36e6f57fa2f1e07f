/* common.c: opening programs and reporting on them. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "compiler/base/bug.h"
#include "runtime/train.h"

TwUnit *tw_cli_unit_with(const TwCli *c, const TwDefine *more, uint32_t n) {
  TwDefine *all = tw_cli_need(malloc((c->n_defines + n + 1) * sizeof *all));
  for (uint32_t k = 0; k < c->n_defines + n; k++) all[k] = k < c->n_defines ? c->defines[k] : more[k - c->n_defines];
  TwOptions o = {.defines = all, .n_defines = c->n_defines + n, .precision = c->precision, .json = c->diagnostics_json};
  TwUnit *u = tw_unit_new(&o);
  free(all);
  return u;
}

TwUnit *tw_cli_unit(const TwCli *c) { return tw_cli_unit_with(c, NULL, 0); }

uint32_t tw_cli_open(TwUnit *u, const char *path) {
  const char *why = NULL;
  uint32_t file = tw_source_read(&u->sources, path, &why);
  if (!file) fprintf(stderr, "triwave: cannot read '%s': %s\n", path, why ? why : "no reason given");
  return file;
}

/* The place is the option itself: a source of its own, as -D's values are. */
static bool unknown_variant(TwUnit *u, TwName name, const TwVariantNames *all) {
  uint32_t file = tw_source_add(&u->sources, "--variant", name, strlen(name));
  TwSpan at = {file, 0, (uint32_t)strlen(name)};
  TwDiag *d = tw_diag(&u->diags, TW_E0212, at, "the program has no variant '%s'", name);
  TwName near = tw_nearest(name, all->at, all->len);
  if (near) {
    tw_diag_help(&u->diags, d, "did you mean '%s'?", near);
    return false;
  }
  const char *list = "";
  for (uint32_t k = 0; k < all->len; k++) list = tw_arena_printf(&u->arena, "%s%s%s", list, k ? ", " : "", all->at[k]);
  tw_diag_help(&u->diags, d, "it has: %s", list);
  return false;
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
    bool known = false, twice = false;
    for (uint32_t k = 0; k < all.len; k++) known |= all.at[k] == name;
    for (uint32_t k = 0; k < out->len; k++) twice |= out->at[k] == name;
    if (!known) return unknown_variant(u, name, &all);
    if (!twice) tw_vec_push(&u->arena, out, name);
    at += n;
    if (*at) at++;
  }
  return out->len > 0;
}

bool tw_cli_one_variant(const TwCli *c, TwUnit *u, const TwModuleAst *ast, TwName *out) {
  TwVariantNames names = {0};
  if (!tw_cli_variants(c, u, ast, &names)) return false;
  *out = names.at[0];
  if (names.len == 1) return true;
  fprintf(stderr, "triwave: %s shows one variant, not %u\n", c->verb, names.len);
  return false;
}

void tw_cli_diagnostics(const TwUnit *u) {
  if (u->options.json) {
    tw_diags_json(&u->diags, stderr);
    return;
  }
  TwDiagStyle style = {.colour = isatty(STDERR_FILENO) != 0};
  tw_diags_render(&u->diags, stderr, style);
  const TwDiag *const *sorted;
  if (style.colour && tw_diags_sorted(&u->diags, &sorted) > 0)
    fprintf(stderr, "(triwave explain %s says more)\n", tw_diag_code(sorted[0]->id));
}

uint32_t tw_cli_threads(const TwCli *c) { return c->threads ? c->threads : tw_rt_cores(); }

void *tw_cli_need(void *p) {
  if (!p) tw_no_memory(0);
  return p;
}

static void *need_bytes(size_t n) { return tw_cli_need(malloc(n ? n : 1)); }

void tw_cli_memory(void) { cJSON_InitHooks(&(cJSON_Hooks){need_bytes, free}); }

double tw_cli_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

unsigned tw_cli_training(bool watched) { return TW_LOWER_TRAIN | (watched ? 0u : TW_LOWER_SELDOM); }
