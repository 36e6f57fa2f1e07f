/* unit.c: the life of one compilation.
 *
 * requires: nothing.   provides: compiler/unit.h. */
#include "compiler/unit.h"
#include "compiler/base/bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TwUnit *tw_unit_new(const TwOptions *options) {
  TwUnit *u = calloc(1, sizeof *u);
  if (!u) tw_no_memory(0);
  u->names.arena = &u->text;
  u->sources.arena = &u->text;
  u->diags.arena = &u->text;
  u->diags.sources = &u->sources;
  if (!options) return u;
  u->options = *options;
  TwDefine *defines = TW_NEW_N(&u->text, TwDefine, options->n_defines);
  for (uint32_t i = 0; i < options->n_defines; i++) {
    const TwDefine *d = &options->defines[i];
    defines[i].name = tw_arena_strndup(&u->text, d->name, strlen(d->name));
    defines[i].value = tw_arena_strndup(&u->text, d->value, strlen(d->value));
  }
  u->options.defines = defines;
  return u;
}

void tw_unit_free(TwUnit *u) {
  if (!u) return;
  tw_arena_free(&u->arena);
  tw_arena_free(&u->text);
  free(u);
}
