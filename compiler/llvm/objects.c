/* objects.c: functions of the IR -> object files in memory, several at a time.
 *
 * Nine tenths of a compilation is LLVM's code generation, which knows nothing of other functions. So large functions
 * are units of their own, one module and one context each, and several threads compile them. Emission, which shares the
 * IR's arena, is in turn, the largest first, which is compiled while the others are still emitted. Functions that run
 * once are a unit compiled at LLVM's lowest level: the bits are the same, since nothing that rounds is left to LLVM. So
 * are functions with so much straight-line code that the better level would take minutes: its register allocator's time
 * grows faster than the code, that of the lowest level does not; and what came out huge in LLVM's instructions.
 *
 * The code of a unit depends on its module alone, as LLVM would write it to a file, and on the machine. So units that
 * a store has are taken from there: programs that differ in their data or in a stage, and a program that was changed in
 * one place share the rest. Variants share functions, so that theirs are not even emitted again. */
#define _GNU_SOURCE
#include <llvm-c/BitWriter.h>
#include <llvm-c/TargetMachine.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"

enum { MAX_UNITS = TW_LL_MAX_OBJECTS, MAX_ALONE = MAX_UNITS / 2, ALONE = 40 };

/* Functions that are compiled together. */
typedef struct Unit {
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  LLVMMemoryBufferRef object;
  TwObjectBytes kept; /* from the store, instead */
  uint8_t key[TW_LL_KEY];
  TwLlFn *fns;
  uint32_t n, part;
  bool quick, storable, shared; /* shared: further programs of this process may want it */
  bool lowest;                  /* LLVM's lowest level, for what is quick and for what came out huge */
  char *error;
} Unit;

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

/* The unit of quick functions of this part of the program; a new one, at *count, where there is none and room for it
 * and two more. */
static Unit *quick_of(Unit *unit, uint32_t part, uint32_t *count) {
  for (uint32_t u = 0; u < *count; u++)
    if (unit[u].quick && (unit[u].part == part || *count >= MAX_UNITS - 1)) return &unit[u];
  Unit *u = &unit[(*count)++];
  u->quick = true;
  u->part = part;
  return u;
}

/* Those alone in a unit first, the largest first of all; then those of quick functions, one a part of the program; then
 * the one of what is left, which also takes the tables, if there are any. 0: no memory. */
static uint32_t deal(const TwLlFn *fns, uint32_t n, bool tables, Unit *unit) {
  uint64_t *size = calloc(n + 1, sizeof *size);
  bool ok = size != NULL;
  uint32_t count = 0;
  for (uint32_t u = 0; ok && u < MAX_UNITS; u++) ok = (unit[u].fns = calloc(n + 1, sizeof *unit[u].fns)) != NULL;
  for (uint32_t k = 0; ok && k < n; k++) size[k] = is_quick(&fns[k]) ? 0 : size_of(fns[k].fn) + 1;
  while (ok && count < MAX_ALONE) {
    uint32_t best = 0;
    for (uint32_t k = 1; k < n; k++)
      if (size[k] > size[best]) best = k;
    if (n == 0 || size[best] < ALONE) break;
    unit[count].fns[unit[count].n++] = fns[best];
    size[best] = 0;
    count++;
  }
  for (uint32_t k = 0; ok && k < n; k++) {
    Unit *quick = is_quick(&fns[k]) ? quick_of(unit, fns[k].part, &count) : NULL;
    if (quick) quick->fns[quick->n++] = fns[k];
  }
  Unit *rest = &unit[count];
  for (uint32_t k = 0; ok && k < n; k++)
    if (size[k]) rest->fns[rest->n++] = fns[k];
  if (ok && (rest->n || tables || count == 0)) count++;
  free(size);
  return ok ? count : 0;
}

/* ---- what the store has */

/* All that the code depends on, but for the generator itself. */
static void recall(Unit *u, const TwLlTarget *t, const TwLlStore *store) {
  char *machine = NULL;
  int n = asprintf(&machine, "%s %s %s %u %d", t->triple, t->cpu, t->features, t->m.bits, u->lowest);
  LLVMMemoryBufferRef code = n < 0 ? NULL : LLVMWriteBitcodeToMemoryBuffer(u->mod);
  if (code) {
    TwObjectBytes of[2] = {{machine, (size_t)n}, {LLVMGetBufferStart(code), LLVMGetBufferSize(code)}};
    u->storable = store->get(store->context, of, u->key, &u->kept) && !u->kept.bytes;
    LLVMDisposeMemoryBuffer(code);
  }
  free(n < 0 ? NULL : machine);
}

static bool emit(Unit *u, const TwLlTarget *t) {
  u->ctx = LLVMContextCreate();
  if (!tw_ll_module(u->ctx, t, u->fns, u->n, false, &u->mod, &u->error)) return false;
  u->lowest = u->quick || tw_ll_is_huge(u->mod);
  return true;
}

/* A machine is one thread's while it generates. */
static void generate(Unit *u, const TwLlOptions *o) {
  TwLlTarget t;
  TwLlOptions mine = *o;
  char *message = NULL;
  mine.quick = u->lowest;
  if (u->kept.bytes || !tw_ll_target(&t, &mine, &u->error)) return;
  if (LLVMTargetMachineEmitToMemoryBuffer(t.machine, u->mod, LLVMObjectFile, &message, &u->object)) {
    u->error = strdup(message ? message : "LLVM gives no reason");
    LLVMDisposeMessage(message);
  }
  tw_ll_target_free(&t);
}

/* ---- several threads: units wait in a row, and whoever is free takes the next that is emitted */

typedef struct Row {
  Unit unit[MAX_UNITS];
  const TwLlOptions *options;
  uint32_t n, emitted, next;
  bool whole; /* no more will be emitted */
  pthread_mutex_t lock;
  pthread_cond_t more;
} Row;

static void *work(void *context) {
  Row *row = context;
  pthread_mutex_lock(&row->lock);
  for (;;) {
    if (row->next < row->emitted) {
      Unit *u = &row->unit[row->next++];
      pthread_mutex_unlock(&row->lock);
      generate(u, row->options);
      pthread_mutex_lock(&row->lock);
    } else if (row->whole) {
      break;
    } else {
      pthread_cond_wait(&row->more, &row->lock);
    }
  }
  pthread_mutex_unlock(&row->lock);
  return NULL;
}

static void add_to_row(Row *row, uint32_t emitted, bool whole) {
  pthread_mutex_lock(&row->lock);
  row->emitted = emitted;
  row->whole = whole;
  pthread_cond_broadcast(&row->more);
  pthread_mutex_unlock(&row->lock);
}

/* Emits units in turn, while other threads already compile the first ones. */
static bool make_all(Row *row, TwRtProgram *program, const TwLlFn *fns, uint32_t n, const TwLlOptions *o,
                     const TwLlStore *store) {
  pthread_t others[MAX_UNITS];
  TwLlTarget target;
  uint32_t made = 0;
  bool ok = tw_ll_target(&target, o, &row->unit[0].error);
  if (!ok) return false;
  if (program) program->cpu = target.needs, program->cpu_level = o->cpu_level;
  row->options = o;
  while (made + 1 < o->threads && made + 1 < row->n && pthread_create(&others[made], NULL, work, row) == 0) made++;
  for (uint32_t k = 0; k < row->n && ok; k++) {
    Unit *u = &row->unit[k];
    bool last = k + 1 == row->n;
    bool tables = last && program;
    u->shared = store && !tables;
    if (u->shared && store->again(store->context, u->fns, u->n, u->quick, &u->kept)) u->shared = false;
    else ok = emit(u, &target);
    if (ok && tables) tw_ll_table(u->mod, program, o->symbol, fns, n, false);
    else if (ok && u->shared && store->get) recall(u, &target, store);
    if (ok) add_to_row(row, k + 1, last);
  }
  add_to_row(row, row->emitted, true);
  tw_ll_target_free(&target);
  work(row);
  for (uint32_t k = 0; k < made; k++) pthread_join(others[k], NULL);
  return ok;
}

static bool take_object(Unit *u, const TwLlStore *store, TwObjectBytes *out) {
  *out = u->kept;
  u->kept = (TwObjectBytes){0};
  if (!out->bytes && !u->object) return false;
  if (!out->bytes) {
    size_t size = LLVMGetBufferSize(u->object);
    void *bytes = malloc(size ? size : 1);
    if (!bytes) return false;
    memcpy(bytes, LLVMGetBufferStart(u->object), size);
    *out = (TwObjectBytes){bytes, size};
    if (u->storable) store->put(store->context, u->key, *out);
  }
  if (u->shared) store->made(store->context, u->fns, u->n, u->quick, *out);
  return true;
}

static void unit_free(Unit *u) {
  if (u->object) LLVMDisposeMemoryBuffer(u->object);
  if (u->mod) LLVMDisposeModule(u->mod);
  if (u->ctx) LLVMContextDispose(u->ctx);
  free((void *)(uintptr_t)u->kept.bytes);
  free(u->fns);
  free(u->error);
}

/* On the heap, since a bug in the emission leaves this for the boundary of its caller while other threads compile: they
 * end what they are at, and wait. */
static Row *row_new(const TwLlFn *fns, uint32_t n, bool tables) {
  Row *row = calloc(1, sizeof *row);
  if (!row) return NULL;
  pthread_mutex_init(&row->lock, NULL);
  pthread_cond_init(&row->more, NULL);
  row->n = deal(fns, n, tables, row->unit);
  return row;
}

static void row_free(Row *row) {
  for (uint32_t k = 0; k < MAX_UNITS; k++) unit_free(&row->unit[k]);
  pthread_cond_destroy(&row->more);
  pthread_mutex_destroy(&row->lock);
  free(row);
}

bool tw_ll_objects(TwRtProgram *program, const TwLlFn *fns, uint32_t n, const TwLlOptions *o, const TwLlStore *store,
                   TwLlObjects *out, char **error) {
  Row *row = row_new(fns, n, program != NULL);
  *out = (TwLlObjects){0};
  *error = NULL;
  bool ok = row && row->n > 0 && make_all(row, program, fns, n, o, store);
  for (uint32_t k = 0; row && k < row->n; k++) {
    ok = ok && take_object(&row->unit[k], store, &out->at[out->n]);
    if (ok) out->n++;
    if (row->unit[k].error && !*error) *error = strdup(row->unit[k].error);
  }
  if (row) row_free(row);
  if (ok) return true;
  if (!*error) *error = strdup("out of memory");
  tw_ll_objects_free(out);
  return false;
}

void tw_ll_objects_free(TwLlObjects *o) {
  for (uint32_t k = 0; k < o->n; k++) free((void *)(uintptr_t)o->at[k].bytes);
  *o = (TwLlObjects){0};
}
