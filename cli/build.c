/* build.c: triwave build FILE -o libnet.so|libnet.a|net.o: a program compiled ahead of time, and a header.
 *
 * The object file needs the runtime and nothing else. A shared object is linked by the machine's C compiler, with the
 * runtime inside of it, so that it can be loaded by itself. */
#define _GNU_SOURCE /* asprintf */
#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/archive.h"
#include "cli/output.h"
#include "runtime/files.h"

extern char **environ;

typedef enum Kind { OBJECT, ARCHIVE, SHARED, UNKNOWN } Kind;

static Kind kind_of(const char *path) {
  const char *dot = strrchr(path, '.');
  if (!dot || strchr(dot, '/')) return UNKNOWN;
  if (strcmp(dot, ".o") == 0) return OBJECT;
  if (strcmp(dot, ".a") == 0) return ARCHIVE;
  return strcmp(dot, ".so") == 0 ? SHARED : UNKNOWN;
}

/* "net" of "build/libnet.so", as a C name; malloc'ed. */
static char *name_of(const char *path) {
  const char *slash = strrchr(path, '/'), *start = slash ? slash + 1 : path;
  if (strncmp(start, "lib", 3) == 0 && start[3] != '.') start += 3;
  char *name = strndup(start, strcspn(start, "."));
  for (char *c = name; c && *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  if (name && isdigit((unsigned char)*name)) *name = '_';
  return name;
}

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *s = NULL;
  if (vasprintf(&s, fmt, ap) < 0) tw_cli_need(NULL);
  va_end(ap);
  return s;
}

/* ---- the runtime's static library: beside the binary as it is built, or where it is installed */

static char *find_runtime(void) {
  char *self = realpath("/proc/self/exe", NULL), *slash = self ? strrchr(self, '/') : NULL, *found = NULL;
  if (slash) *slash = 0;
  const char *const under[] = {"libtw_runtime.a", "../lib/libtriwave-runtime.a",
                               "../lib/" TW_LIBDIR_TRIPLE "/libtriwave-runtime.a"};
  for (int k = 0; slash && k < 3 && !found; k++) {
    char *path = text("%s/%s", self, under[k]);
    if (access(path, R_OK) == 0) found = path;
    else free(path);
  }
  free(self);
  return found;
}

static bool run_linker(char **argv) {
  pid_t pid;
  int status, failed = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
  if (failed) {
    fprintf(
        stderr,
        "triwave: '%s' links a shared object, and cannot be run: %s (a C compiler is needed; -o net.o and -o libnet.a "
        "do without)\n",
        argv[0], strerror(failed));
    return false;
  }
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return false;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  fprintf(stderr, "triwave: the linker, '%s', has failed\n", argv[0]);
  return false;
}

/* What can be seen of the shared object: the program and triwave.h. */
static bool write_map(const char *path, const char *symbol) {
  char *error, *map = text("{ global: %s; tw_net_*; tw_program_*; tw_text_free; tw_version; local: *; };\n", symbol);
  bool ok = tw_rt_file_write(path, map, strlen(map), &error) || tw_cli_said(error);
  free(map);
  return ok;
}

static bool link_shared(const char *object, const char *path, const char *symbol) {
  const char *cc = getenv("CC");
  char *runtime = find_runtime(), *map = text("%s.map", path), *script = text("-Wl,--version-script=%s", map);
  if (!runtime) {
    fprintf(
        stderr,
        "triwave: the runtime's static library, libtriwave-runtime.a, is not where it belongs, so no shared object can "
        "be linked (-o net.o and -o libnet.a do without)\n");
    free(map), free(script);
    return false;
  }
  char *argv[] = {(char *)(uintptr_t)(cc && *cc ? cc : "cc"),
                  "-shared",
                  script,
                  "-o",
                  (char *)(uintptr_t)path,
                  (char *)(uintptr_t)object,
                  "-Wl,--whole-archive",
                  runtime,
                  "-Wl,--no-whole-archive",
                  "-Wl,-Bsymbolic",
                  "-Wl,--no-undefined",
                  "-lsleef",
                  "-lcjson",
                  "-lgmp",
                  "-lmd",
                  "-lm",
                  "-lpthread",
                  NULL};
  bool ok = write_map(map, symbol) && run_linker(argv);
  unlink(map);
  free(runtime), free(map), free(script);
  return ok;
}

/* ---- the header */

static void describe_tensor(FILE *f, const TwRtTensor *t, const char *what) {
  fprintf(f, " *   %s %-20s real", what, t->name);
  for (uint32_t k = 0; k < t->rank; k++) fprintf(f, "%s%lld", k ? ", " : "[", (long long)t->dims[k]);
  fprintf(f, "%s at %llu\n", t->rank ? "]" : "", (unsigned long long)t->at);
}

static void write_header(const TwRtProgram *p, const char *name, FILE *f) {
  char *guard = text("%s_TRIWAVE_H", name);
  for (char *c = guard; *c; c++) *c = (char)toupper((unsigned char)*c);
  fprintf(f, "/* A program compiled by triwave build: variant '%s', in %s.\n *\n", p->variant, p->f64 ? "f64" : "f32");
  for (uint32_t k = 0; k < p->n_models; k++) {
    const TwRtModel *m = &p->models[k];
    fprintf(f, " * Model %u, '%s': rows of %llu -> rows of %llu\n", k, m->name, (unsigned long long)m->in_width,
            (unsigned long long)m->out_width);
    for (uint32_t j = 0; j < m->n_inputs; j++) describe_tensor(f, &m->inputs[j], "in ");
    for (uint32_t j = 0; j < m->n_outputs; j++) describe_tensor(f, &m->outputs[j], "out");
  }
  for (uint32_t k = 0; k < p->n_stages; k++)
    fprintf(f, " * Stage %u, '%s': %s, %lld epochs, %llu coordinates\n", k, p->stages[k].name, p->stages[k].optimizer,
            (long long)p->stages[k].epochs, (unsigned long long)p->stages[k].n_flat);
  fprintf(f, " * Values: %llu reals\n", (unsigned long long)p->n_shown);
  for (uint32_t k = 0; k < p->n_tensors; k++)
    describe_tensor(f, &p->tensors[k], p->tensors[k].is_param ? "param  " : "weights");
  fprintf(f,
          " *\n * What to do with it is in triwave.h, for example:\n"
          " *   char *error;\n *   tw_net *net = tw_net_new(&%s_program, 0, &error);\n"
          " *   tw_net_train(net, NULL, NULL, &error);\n *   tw_net_predict(net, 0, rows, in, out, &error);\n"
          " *   tw_net_free(net);\n */\n",
          name);
  fprintf(f,
          "#ifndef %s\n#define %s\n\n#include <triwave.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
          "extern const tw_program %s_program;\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n",
          guard, guard, name);
  free(guard);
}

/* ---- the verb */

static bool write_archive(const char *path, const char *symbol, const TwObjectBytes *object) {
  TwRtFile f;
  char *error;
  if (!tw_rt_file_begin(&f, path, &error)) return tw_cli_said(error);
  tw_cli_archive(f.out, symbol, object->bytes, object->size);
  return tw_rt_file_commit(&f, &error) || tw_cli_said(error);
}

/* The linker reads the object from a file and writes another one beside the place, which then gets the name. */
static bool write_shared(const char *path, const char *symbol, const TwObjectBytes *object) {
  char *in = text("%s.part.o", path), *part = text("%s.part", path), *error = NULL;
  bool ok = tw_rt_file_write(in, object->bytes, object->size, &error) || tw_cli_said(error);
  bool linked = ok && link_shared(in, part, symbol);
  ok = linked && (tw_rt_file_place(part, path, &error) || tw_cli_said(error));
  unlink(in);
  if (!linked) unlink(part);
  free(in), free(part);
  return ok;
}

static bool write_object(const TwCli *c, Kind kind, const char *symbol, const TwObjectBytes *object) {
  char *error;
  switch (kind) {
    case ARCHIVE: return write_archive(c->output, symbol, object);
    case SHARED: return write_shared(c->output, symbol, object);
    case OBJECT: return tw_rt_file_write(c->output, object->bytes, object->size, &error) || tw_cli_said(error);
    case UNKNOWN: break;
  }
  return false;
}

/* The header is whole before the object gets its name, and gets its own right after it. */
static bool make(const TwCli *c, TwBuild *b, Kind kind, const char *name) {
  char *symbol = text("%s_program", name), *error = NULL;
  char *header = text("%.*s%s.h", (int)(strrchr(c->output, '/') ? strrchr(c->output, '/') + 1 - c->output : 0),
                      c->output, name);
  TwObjectBytes object = {0};
  uint32_t n;
  b->code.symbol = symbol;
  const TwLlFn *fns = tw_build_fns(b, &n);
  const TwCodegen *generator = tw_codegen(&error);
  bool ok = (generator && generator->program_object(b->lowered->rt, fns, n, &b->code, &object, &error)) ||
            tw_cli_said(error);
  TwRtFile h = {0};
  bool begun = ok && (tw_rt_file_begin(&h, header, &error) || tw_cli_said(error));
  if (begun) write_header(b->lowered->rt, name, h.out);
  ok = begun && write_object(c, kind, symbol, &object);
  if (ok) ok = tw_rt_file_commit(&h, &error) || tw_cli_said(error);
  else tw_rt_file_abandon(&h);
  free((void *)(uintptr_t)object.bytes);
  free(symbol), free(header);
  return ok;
}

int tw_cli_build(const TwCli *c) {
  Kind kind = c->output ? kind_of(c->output) : UNKNOWN;
  if (kind == UNKNOWN) {
    fprintf(stderr, "triwave: build wants -o with a file that ends in .so, .a or .o\n");
    return TW_EXIT_USAGE;
  }
  char *name = name_of(c->output);
  TwUnit *u = tw_cli_unit(c);
  TwBuild b = {.unit = u,
               .file = tw_cli_open(u, c->files[0]),
               .code = {.vector_bits = c->vector_bits, .cpu_level = c->cpu_level},
               .what = TW_LOWER_TRAIN | TW_LOWER_MODELS};
  bool ok = name && b.file && tw_build(&b, TW_PHASE_PARSE) && tw_cli_one_variant(c, u, b.ast, &b.variant);
  ok = ok && tw_build(&b, TW_PHASE_OPT);
  ok = ok && make(c, &b, kind, name);
  tw_cli_diagnostics(u);
  tw_build_free(&b);
  tw_unit_free(u);
  free(name);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
