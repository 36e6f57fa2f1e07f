/* switches.c linked|bare|loaded FILE.tw OUT: the functions of a program as an object file, for an AMD core, whose
 * description in LLVM asks for scheduling after register allocation. Made by the generator that is linked in, before
 * (bare) or after it was begun with LLVM's switches, or by the one that is loaded. switches.sh compares them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/pipeline.h"

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  char *error = NULL;
  const TwCodegen *generator = strcmp(argv[1], "bare") == 0 ? NULL : tw_codegen(&error);
  TwOptions options = {.precision = TW_F32};
  TwUnit *u = tw_unit_new(&options);
  const char *why = NULL;
  TwBuild b = {.unit = u, .file = tw_source_read(&u->sources, argv[2], &why)};
  if (!b.file || !tw_build(&b, TW_PHASE_OPT)) return fprintf(stderr, "%s: %s\n", argv[2], why ? why : "wrong"), 1;
  uint32_t n;
  const TwLlFn *fns = tw_build_fns(&b, &n);
  TwLlOptions o = {.cpu_level = 3, .model = "znver3"};
  TwObjectBytes object = {0};
  bool ok = false;
  if (generator) ok = generator->program_object(NULL, fns, n, &o, &object, &error);
#ifdef TW_LINKED
  else if (!error) ok = tw_ll_program_object(NULL, fns, n, &o, &object, &error);
#endif
  if (!ok) fprintf(stderr, "%s\n", error ? error : "no code");
  FILE *out = ok ? fopen(argv[3], "wb") : NULL;
  ok = out && fwrite(object.bytes, 1, object.size, out) == object.size;
  if (out && fclose(out) != 0) ok = false;
  free((void *)(uintptr_t)object.bytes);
  free(error);
  tw_build_free(&b);
  tw_unit_free(u);
  return ok ? 0 : 1;
}
