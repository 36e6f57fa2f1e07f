/* jit.c: machine code in this process: object files in memory, loaded by compiler/object; where that knows
 * no object format (it knows x86-64's), linked by LLVM (lljit.c). */
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"

struct TwJit {
  TwObject *object;
  TwLlJit *lljit;
};

static void *symbol(const TwJit *j, const char *name, char **error) {
  if (j->lljit) return tw_lljit_symbol(j->lljit, name, error);
  void *p = tw_object_symbol(j->object, name);
  if (!p && !*error) *error = strdup("a function of the program has no code");
  return p;
}

TwJit *tw_jit(const TwLlFn *fns, uint32_t n, const TwLlOptions *o, char **error) {
  TwLlObjects objects;
  if (!tw_ll_objects(NULL, fns, n, o, NULL, &objects, error)) return NULL;
  TwJit *j = calloc(1, sizeof *j);
  bool ok = j != NULL;
  if (ok && tw_object_supported()) ok = (j->object = tw_object_load(objects.at, objects.n, error)) != NULL;
  else if (ok) ok = (j->lljit = tw_lljit_link(&objects, o, error)) != NULL;
  for (uint32_t k = 0; k < n && ok; k++) {
    void *at = symbol(j, fns[k].symbol, error);
    ok = at != NULL;
    if (ok && fns[k].slot) memcpy(&fns[k].slot->entry, &at, sizeof at);
  }
  tw_ll_objects_free(&objects);
  if (ok) return j;
  tw_jit_free(j);
  return NULL;
}

void tw_jit_free(TwJit *j) {
  if (!j) return;
  tw_object_free(j->object);
  tw_lljit_free(j->lljit);
  free(j);
}
