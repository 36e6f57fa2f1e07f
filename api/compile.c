/* compile.c: include/triwave.h: programs from text. Nothing here is global, prints or exits: diagnostics become a
 * text, and what the compiler cannot go on from comes back through a boundary (compiler/base/bug.h). */
#define _GNU_SOURCE /* asprintf */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/bug.h"
#include "compiler/pipeline.h"
#include "include/triwave.h"

/* The program is first: what the caller holds is its address. */
typedef struct Compiled {
  TwRtProgram rt;
  TwUnit *unit;
  TwCache *cache;
  TwBuild build;
} Compiled;

static void give(char **error, char *text) {
  if (error) *error = text;
  else free(text);
}

static char *diagnostics(const TwUnit *u) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  tw_diags_render(&u->diags, out, (TwDiagStyle){.colour = false});
  fclose(out);
  return text;
}

static bool choose_variant(Compiled *c, const char *name, char **error) {
  TwVariantNames all = {0};
  TwBuild *b = &c->build;
  tw_variants(b->unit, b->ast, &all);
  for (uint32_t k = 0; k < all.len; k++)
    if (!name || strcmp(all.at[k], name) == 0) return b->variant = all.at[k], true;
  char *text = NULL;
  if (asprintf(&text, "the program has no variant '%s'\n", name) < 0) text = NULL;
  give(error, text);
  return false;
}

static bool open_source(Compiled *c, const char *text, size_t length, const char *path, char **error) {
  const char *why = NULL;
  c->build.file = text ? tw_source_add(&c->unit->sources, path, text, length)
                       : tw_source_read(&c->unit->sources, path, &why);
  if (c->build.file) return true;
  char *said = NULL;
  if (asprintf(&said, "cannot read '%s': %s\n", path, why ? why : "no reason given") < 0) said = NULL;
  give(error, said);
  return false;
}

static bool compile(Compiled *c, const char *text, size_t length, const char *path, const tw_compile_options *o,
                    char **error) {
  TwOptions options = {.precision = o->f64 ? TW_F64 : TW_F32, .n_defines = (uint32_t)o->n_defines};
  TwDefine *defines = calloc(o->n_defines + 1, sizeof *defines);
  if (!defines) return false;
  for (size_t k = 0; k < o->n_defines; k++) defines[k] = (TwDefine){o->defines[k].name, o->defines[k].value};
  options.defines = defines;
  c->unit = tw_unit_new(&options);
  free(defines);
  c->cache = o->no_cache ? NULL : tw_cache_open(0);
  c->build = (TwBuild){.unit = c->unit, .cache = c->cache, .what = TW_LOWER_TRAIN | TW_LOWER_MODELS};
  if (!open_source(c, text, length, path, error)) return false;
  if (tw_build(&c->build, TW_PHASE_PARSE)) {
    if (!choose_variant(c, o->variant, error)) return false;
    if (tw_build(&c->build, TW_PHASE_CODE)) return c->rt = *c->build.rt, true;
  }
  give(error, diagnostics(c->unit));
  return false;
}

static tw_program *compile_within(const char *text, size_t length, const char *path, const tw_compile_options *o,
                                  char **error) {
  tw_compile_options none = {0};
  if (error) *error = NULL;
  Compiled *volatile c = calloc(1, sizeof *c);
  if (!c) return NULL;
  volatile bool ok = false;
  TwBoundary b;
  tw_boundary_set(&b);
  if (setjmp(b.back) == 0) ok = compile(c, text, length, path, o ? o : &none, error);
  else give(error, b.text);
  tw_boundary_clear(&b);
  if (ok) return &((Compiled *)c)->rt;
  tw_program_free(&((Compiled *)c)->rt);
  return NULL;
}

tw_program *tw_program_compile(const char *text, size_t length, const tw_compile_options *o, char **error) {
  return compile_within(text, length, o && o->path ? o->path : "text", o, error);
}

tw_program *tw_program_compile_file(const char *path, const tw_compile_options *o, char **error) {
  return compile_within(NULL, 0, path, o, error);
}

void tw_program_free(tw_program *p) {
  if (!p) return;
  Compiled *c = (Compiled *)(void *)p;
  tw_build_free(&c->build);
  tw_unit_free(c->unit);
  tw_cache_close(c->cache);
  free(c);
}
