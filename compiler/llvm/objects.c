/* objects.c: functions of the IR -> object files in memory, several at a time.
 *
 * Nine tenths of a compilation is LLVM's code generation, which knows nothing of other functions. So the
 * functions are dealt into parts of about the same size, one module and one context each; emission, which
 * shares the IR's arena, comes first and in turn, and then the threads take parts. Functions that run once
 * are a part of their own, compiled at LLVM's lowest level: the bits are the same, since nothing that rounds
 * is left to LLVM. So are functions with so much straight-line code that the better level would take minutes: its
 * register allocator's time grows faster than the code, that of the lowest level does not. */
#include <llvm-c/TargetMachine.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"

enum { MAX_PARTS = TW_LL_MAX_OBJECTS, SMALL = 300 };

typedef struct Part {
  TwLlTarget target;
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  LLVMMemoryBufferRef object;
  TwLlFn *fns;
  uint32_t n;
  uint64_t size;
  bool quick;
  char *error;
} Part;

static uint64_t size_of(const TwFn *f) {
  uint64_t n = f->insts.len;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op != TW_OP_scan && op != TW_OP_samples && op != TW_OP_cond) continue;
    const TwRegion *g = tw_region(f, r);
    n += size_of(g->body) + (g->other ? size_of(g->other) : 0);
  }
  return n;
}

/* Where f has more instructions in a row than `most`, or a body in it more than HUGE_BODY: those run once a sample, so
 * that it is worth waiting longer for them. */
enum { HUGE_ROW = 8000, HUGE_BODY = 3 * HUGE_ROW };

static bool is_huge(const TwFn *f, uint32_t most) {
  bool huge = f->insts.len > most;
  for (uint32_t k = 0; k < f->regions.len && !huge; k++) {
    const TwRegion *r = &f->regions.at[k];
    huge = is_huge(r->body, HUGE_BODY) || (r->other && is_huge(r->other, HUGE_BODY));
  }
  return huge;
}

static bool is_quick(const TwLlFn *f) { return f->once || is_huge(f->fn, HUGE_ROW); }

/* The largest first, each to the smallest part so far. */
static uint32_t deal(const TwLlFn *fns, uint32_t n, uint32_t parts, Part *part) {
  uint64_t *size = calloc(n + 1, sizeof *size), total = 0;
  bool ok = size != NULL, any_quick = false;
  for (uint32_t k = 0; ok && k < n; k++) {
    size[k] = size_of(fns[k].fn) + 1;
    if (is_quick(&fns[k])) any_quick = true;
    else total += size[k];
  }
  if (total < SMALL * parts) parts = 1;
  uint32_t count = parts + any_quick;
  for (uint32_t p = 0; ok && p < count; p++) ok = (part[p].fns = calloc(n + 1, sizeof *part[p].fns)) != NULL;
  for (uint32_t k = 0; ok && k < n; k++)
    if (is_quick(&fns[k])) part[parts].fns[part[parts].n++] = fns[k], size[k] = 0;
  if (ok && any_quick) part[parts].quick = true;
  for (;;) {
    uint32_t best = n, to = 0;
    for (uint32_t k = 0; ok && k < n; k++)
      if (size[k] && (best == n || size[k] > size[best])) best = k;
    if (best == n) break;
    for (uint32_t p = 1; p < parts; p++)
      if (part[p].size < part[to].size) to = p;
    part[to].fns[part[to].n++] = fns[best];
    part[to].size += size[best];
    size[best] = 0;
  }
  free(size);
  return ok ? count : 0;
}

static bool emit(Part *p, const TwLlOptions *o) {
  TwLlOptions mine = *o;
  mine.quick = p->quick;
  if (!tw_ll_target(&p->target, &mine, &p->error)) return false;
  p->ctx = LLVMContextCreate();
  return tw_ll_module(p->ctx, &p->target, p->fns, p->n, false, &p->mod, &p->error);
}

static void generate(Part *p) {
  char *message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(p->target.machine, p->mod, LLVMObjectFile, &message, &p->object)) {
    p->error = message ? strdup(message) : NULL;
    LLVMDisposeMessage(message);
  }
}

/* Parts wait in a row, the large ones first and the quick one last, and whoever is free takes the next. */
typedef struct Row {
  Part *part;
  uint32_t n;
  atomic_uint next;
} Row;

static void *work(void *context) {
  Row *row = context;
  for (uint32_t k; (k = atomic_fetch_add(&row->next, 1)) < row->n;) generate(&row->part[k]);
  return NULL;
}

static void generate_all(Part *part, uint32_t n, uint32_t threads) {
  Row row = {.part = part, .n = n};
  pthread_t others[MAX_PARTS];
  uint32_t made = 0;
  while (made + 1 < threads && made + 1 < n && pthread_create(&others[made], NULL, work, &row) == 0) made++;
  work(&row);
  for (uint32_t k = 0; k < made; k++) pthread_join(others[k], NULL);
}

static bool copy_out(const Part *p, TwObjectBytes *out) {
  out->size = LLVMGetBufferSize(p->object);
  void *bytes = malloc(out->size ? out->size : 1);
  out->bytes = bytes;
  if (!bytes) return false;
  memcpy(bytes, LLVMGetBufferStart(p->object), out->size);
  return true;
}

static void part_free(Part *p) {
  if (p->object) LLVMDisposeMemoryBuffer(p->object);
  if (p->mod) LLVMDisposeModule(p->mod);
  if (p->ctx) LLVMContextDispose(p->ctx);
  tw_ll_target_free(&p->target);
  free(p->fns);
  free(p->error);
}

bool tw_ll_objects(const TwRtProgram *program, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, TwLlObjects *out,
                   char **error) {
  Part part[MAX_PARTS] = {0};
  *out = (TwLlObjects){0};
  *error = NULL;
  uint32_t threads = o->threads < 1 ? 1 : o->threads < MAX_PARTS ? o->threads : MAX_PARTS - 1;
  uint32_t count = deal(fns, n, threads, part);
  bool ok = count > 0;
  for (uint32_t k = 0; k < count && ok; k++) ok = emit(&part[k], o);
  if (ok && program) tw_ll_table(part[count - 1].mod, program, o->symbol, fns, n, false);
  if (ok) generate_all(part, count, threads);
  for (uint32_t k = 0; k < count; k++) {
    ok = ok && part[k].object && copy_out(&part[k], &out->at[out->n++]);
    if (part[k].error && !*error) *error = strdup(part[k].error);
    part_free(&part[k]);
  }
  if (ok) return true;
  if (!*error) *error = strdup("out of memory");
  tw_ll_objects_free(out);
  return false;
}

void tw_ll_objects_free(TwLlObjects *o) {
  for (uint32_t k = 0; k < o->n; k++) free((void *)(uintptr_t)o->at[k].bytes);
  *o = (TwLlObjects){0};
}
