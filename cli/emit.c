/* emit.c: triwave emit FILE --as FORM [-o FILE]: the program in any of its forms. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "runtime/files.h"

static bool emit_object(const TwCli *c, TwBuild *b) {
  if (!tw_build(b, TW_PHASE_OPT)) return false;
  uint32_t n;
  char *error = NULL;
  const TwLlFn *fns = tw_build_fns(b, &n);
  const TwCodegen *generator = tw_codegen(&error);
  TwObjectBytes object;
  bool made = generator && generator->program_object(b->lowered->rt, fns, n, &b->code, &object, &error);
  bool ok = (made && tw_rt_file_write(c->output, object.bytes, object.size, &error)) || tw_cli_said(error);
  if (made) free((void *)(uintptr_t)object.bytes);
  return ok;
}

/* In memory first: code that cannot be made leaves no file, however that ends (compiler/base/bug.h). */
static bool dump_to_file(const TwCli *c, TwBuild *b, const TwForm *form) {
  char *text = NULL, *error = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  bool dumped = out && form->dump(b, out), whole = out && !ferror(out);
  if (out && fclose(out) != 0) whole = false;
  bool ok = dumped && ((whole && tw_rt_file_write(c->output, text, n, &error)) || tw_cli_said(error));
  free(text);
  return ok;
}

static bool emit(const TwCli *c, TwBuild *b, const TwForm *form) {
  if (!form) return emit_object(c, b);
  bool parsed = tw_build(b, form->needs);
  if (!parsed && form->needs != TW_PHASE_PARSE) return false;
  if (c->output) return dump_to_file(c, b, form) && parsed;
  bool dumped = form->dump(b, stdout);
  return tw_cli_stdout_ok() && dumped && parsed;
}

int tw_cli_emit(const TwCli *c) {
  const TwForm *form = NULL;
  for (uint32_t k = 0; c->as && k < tw_n_forms; k++)
    if (strcmp(tw_forms[k].name, c->as) == 0) form = &tw_forms[k];
  bool object = c->as && strcmp(c->as, "obj") == 0;
  if (!form && !object) {
    fprintf(stderr, "triwave: emit wants --as with one of tokens ast typed ir grad opt plan llvm asm obj%s%s\n",
            c->as ? ", not " : "", c->as ? c->as : "");
    return TW_EXIT_USAGE;
  }
  if (object && !c->output) {
    fprintf(stderr, "triwave: emit --as obj wants -o FILE\n");
    return TW_EXIT_USAGE;
  }
  TwUnit *u = tw_cli_unit(c);
  uint32_t file = tw_cli_open(u, c->files[0]);
  TwBuild b = {.unit = u, .file = file, .code = {.vector_bits = c->vector_bits, .cpu_level = c->cpu_level}};
  bool ok = file != 0;
  if (ok && c->variants) ok = tw_build(&b, TW_PHASE_PARSE) && tw_cli_one_variant(c, u, b.ast, &b.variant);
  ok = ok && emit(c, &b, form);
  tw_cli_diagnostics(u);
  tw_build_free(&b);
  tw_unit_free(u);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
