/* loaded.c: the generator is loaded when it is first asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/codegen/codegen.h"

#define PLUGIN "triwave-codegen.so"

/* Set once, under the lock, and never changed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const TwCodegen *loaded;

/* The folder of the binary, or shared object, that this code is part of; malloc'ed. */
static char *own_folder(void) {
  Dl_info info;
  const TwCodegen *(*self)(char **) = tw_codegen;
  void *at;
  memcpy(&at, &self, sizeof at);
  char *path = dladdr(at, &info) && info.dli_fname ? realpath(info.dli_fname, NULL) : NULL;
  if (!path || !strrchr(path, '/')) { /* an executable is known by the name it was called by */
    free(path);
    path = realpath("/proc/self/exe", NULL);
  }
  char *slash = path ? strrchr(path, '/') : NULL;
  if (slash) *slash = 0;
  return path;
}

/* Where the generator's file is, or should be; malloc'ed. */
static char *find_plugin(void) {
  static const char *const under[] = {"", "../lib/triwave/", "triwave/"}; /* the last: beside an installed library */
  char *folder = own_folder(), *path = NULL;
  for (int k = 0; folder && k < 3; k++) {
    free(path);
    if (asprintf(&path, "%s/%s%s", folder, under[k], PLUGIN) < 0) path = NULL;
    if (path && access(path, R_OK) == 0) break;
  }
  free(folder);
  return path;
}

static const TwCodegen *load(char **error) {
  char *path = find_plugin();
  void *handle = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  const char *why = handle ? NULL : dlerror();
  const TwCodegen *table = handle ? dlsym(handle, "tw_codegen_table") : NULL;
  free(path);
  if (table && table->abi == TW_CODEGEN_ABI) return table->begin(tw_give_up), table; /* at its caller's boundary */
  if (handle) why = "the code generator, " PLUGIN ", belongs to another version";
  *error = strdup(why ? why : "the code generator, " PLUGIN ", was not found");
  return NULL;
}

const TwCodegen *tw_codegen(char **error) {
  *error = NULL;
  pthread_mutex_lock(&lock);
  if (!loaded) loaded = load(error);
  pthread_mutex_unlock(&lock);
  return loaded;
}

bool tw_codegen_identity(uint64_t out[4]) {
  struct stat s;
  char *path = find_plugin();
  bool ok = path && stat(path, &s) == 0;
  if (ok) {
    out[0] = (uint64_t)s.st_dev;
    out[1] = (uint64_t)s.st_ino;
    out[2] = (uint64_t)s.st_size;
    out[3] = (uint64_t)s.st_mtim.tv_sec * 1000000000u + (uint64_t)s.st_mtim.tv_nsec;
  }
  free(path);
  return ok;
}
