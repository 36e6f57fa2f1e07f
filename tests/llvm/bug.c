/* bug.c: an invariant that breaks inside of the code generator, a shared object of its own, comes back to the boundary
 * that its caller has set, with a text; and the generator works after it. Here it breaks because the IR is spoilt after
 * it was made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/bug.h"
#include "compiler/codegen/codegen.h"
#include "compiler/ir/ir.h"

static const TwCodegen *generator;

/* x + x; spoilt: an element of a scalar is asked for. */
static const TwFn *twice(TwModule *m, bool spoilt) {
  TwFn *f = tw_fn_new(m, "twice");
  TwRef x = tw_param(f, tw_ty_scalar(m, TW_REAL)), y = tw_binary(f, TW_OP_add, x, x);
  tw_result(f, y);
  const TwFn *sealed = tw_fn_seal(f);
  if (spoilt) f->insts.at[y].type = tw_ty_scalar(m, TW_BOOL);
  return sealed;
}

/* 0: there is code; 1: a text came back; 2: neither. */
static int generate(bool spoilt) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  TwRtSlot in = {.role = TW_RT_LOSS, .count = 1}, out = in;
  TwRtFn slot = {.n_in = 1, .in = &in, .n_out = 1, .out = &out};
  TwLlFn fn = {.symbol = "twice", .fn = twice(m, spoilt), .precision = TW_F64, .slot = &slot};
  TwObjectBytes object = {0};
  char *error = NULL;
  volatile int result = 2;
  TwBoundary b;
  tw_boundary_set(&b);
  if (setjmp(b.back) == 0) {
    if (generator->program_object(NULL, &fn, 1, &(TwLlOptions){0}, &object, &error)) result = 0;
    else fprintf(stderr, "%s\n", error ? error : "no text");
  } else {
    printf("%s\n", b.text ? b.text : "no text");
    result = b.text && strstr(b.text, "internal error") ? 1 : 2;
    free(b.text);
  }
  tw_boundary_clear(&b);
  free((void *)(uintptr_t)object.bytes);
  free(error);
  tw_arena_free(&arena);
  return result;
}

int main(void) {
  char *error;
  generator = tw_codegen(&error);
  if (!generator) return fprintf(stderr, "%s\n", error), 1;
  int first = generate(false), spoilt = generate(true), after = generate(false);
  printf("before %d, with a bug %d, after it %d\n", first, spoilt, after);
  return !(first == 0 && spoilt == 1 && after == 0);
}
