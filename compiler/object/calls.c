/* calls.c: what compiled code may call, by name. */
#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "compiler/ir/elementary.h"
#include "compiler/object/object.h"
#include "runtime/program.h"

void *tw_object_call(const char *name) {
  void *p = NULL;
  if (strcmp(name, "tw_rt_uniform") == 0) {
    double (*f)(uint64_t, uint64_t, uint64_t) = tw_rt_uniform;
    memcpy(&p, &f, sizeof p);
  } else if (strcmp(name, "fma") == 0) { /* for machines without the instruction */
    double (*f)(double, double, double) = fma;
    memcpy(&p, &f, sizeof p);
  } else if (strcmp(name, "fmaf") == 0) {
    float (*f)(float, float, float) = fmaf;
    memcpy(&p, &f, sizeof p);
  } else {
    for (uint32_t k = 0; tw_elementary_nth(k); k++)
      if (strcmp(name, tw_elementary_nth(k)) == 0) p = dlsym(RTLD_DEFAULT, name);
  }
  return p;
}
