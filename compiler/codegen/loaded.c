/* loaded.c: the generator is loaded when it is first asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/codegen/codegen.h"

#define PLUGIN "triwave-codegen.so"

/* Under the lock. `loaded` is set once and never changed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const TwCodegen *loaded;
static pthread_t loader;
static bool loading; /* loader is a thread, to be joined */

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

/* What cannot be loaded here is tried again by who asks for it, and told to him. */
static void *load_soon(void *unused) {
  (void)unused;
  char *error = NULL;
  const TwCodegen *volatile table = NULL;
  TwBoundary b;
  tw_boundary_set(&b);
  if (setjmp(b.back) == 0) table = load(&error);
  else free(b.text);
  tw_boundary_clear(&b);
  free(error);
  return (void *)(uintptr_t)table;
}

/* Signals are for the threads that were there before. */
void tw_codegen_soon(void) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_mutex_lock(&lock);
  if (!loaded && !loading) {
    pthread_sigmask(SIG_SETMASK, &all, &old);
    loading = pthread_create(&loader, NULL, load_soon, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
  }
  pthread_mutex_unlock(&lock);
}

/* requires: the lock. */
static void settle(void) {
  void *table = NULL;
  if (loading) pthread_join(loader, &table);
  loading = false;
  if (!loaded) loaded = table;
}

void tw_codegen_settle(void) {
  pthread_mutex_lock(&lock);
  settle();
  pthread_mutex_unlock(&lock);
}

const TwCodegen *tw_codegen(char **error) {
  *error = NULL;
  pthread_mutex_lock(&lock);
  settle();
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
