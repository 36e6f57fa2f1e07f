/* pipeline.c: the one phase table. Reads as the compilation does. */
#include "compiler/pipeline.h"
#include "compiler/base/bug.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/ast/parse.h"
#include "compiler/ir/passes.h"
#include "compiler/plan/plan.h"

/* A mistake in the syntax does not hide those of the rest: the body of the file is checked for its words. */
static bool run_parse(TwBuild *b) {
  if (tw_parse(b->unit, b->file, &b->ast)) return true;
  TwVariantNames names = {0};
  TwProgram *none;
  tw_variants(b->unit, b->ast, &names);
  tw_sema(b->unit, b->ast, names.at[0], &none);
  return false;
}

static bool run_sema(TwBuild *b) {
  if (!b->variant) {
    TwVariantNames names = {0};
    tw_variants(b->unit, b->ast, &names);
    b->variant = names.at[0];
  }
  return tw_sema(b->unit, b->ast, b->variant, &b->program);
}

static unsigned wanted(const TwBuild *b) { return b->what ? b->what : TW_LOWER_TRAIN; }

static bool run_lower(TwBuild *b) {
  const TwBuild *before = b->before;
  while (before && !before->lowered) before = before->before; /* its code was in the cache */
  b->told = b->unit->diags.list.len;
  return tw_lower(b->unit, b->program, wanted(b), before ? before->lowered : NULL, &b->lowered);
}

static bool run_opt(TwBuild *b) { return tw_lowered_optimize(b->unit, b->lowered); }

const TwLlFn *tw_build_fns(TwBuild *b, uint32_t *n) {
  *n = b->lowered->fns.len;
  TwLlFn *fns = TW_NEW_N(&b->unit->arena, TwLlFn, *n);
  for (uint32_t k = 0; k < *n; k++) {
    const TwLoweredFn *f = &b->lowered->fns.at[k];
    fns[k] = (TwLlFn){.symbol = f->name,
                      .fn = f->final,
                      .precision = f->precision,
                      .slot = f->slot,
                      .once = f->once,
                      .part = f->part};
  }
  return fns;
}

/* It has no place in the program: the generator is not there, gets no memory, or has a bug. */
static bool code_error(TwBuild *b, char *error) {
  tw_diag(&b->unit->diags, TW_E0803, (TwSpan){0}, "code generation failed: %s", error ? error : "no reason given");
  free(error);
  return false;
}

/* ---- code kept from an earlier run */

static TwCacheHash *hash_generator(void) {
  uint64_t generator[4];
  TwCacheHash *h = tw_codegen_identity(generator) ? tw_cache_hash() : NULL;
  if (h) tw_cache_hash_bytes(h, generator, sizeof generator);
  return h;
}

/* Everything that decides the code: the binaries that make it, the machine, the options, and all that was read. */
static bool make_key(TwBuild *b) {
  const TwUnit *u = b->unit;
  TwCacheHash *h = hash_generator();
  if (!h) return false;
  tw_cache_hash_number(h, u->options.precision);
  tw_cache_hash_number(h, b->code.vector_bits);
  tw_cache_hash_number(h, b->code.cpu_level);
  tw_cache_hash_number(h, wanted(b));
  tw_cache_hash_text(h, b->program->variant);
  for (uint32_t k = 1; k < u->sources.files.len; k++) { /* the values of -D and --variant are sources as well */
    const TwSource *s = tw_source(&u->sources, k);
    tw_cache_hash_text(h, s->path);
    tw_cache_hash_bytes(h, s->text, s->len);
  }
  for (uint32_t k = 0; k < u->options.n_defines; k++) {
    tw_cache_hash_text(h, u->options.defines[k].name);
    tw_cache_hash_text(h, u->options.defines[k].value);
  }
  for (uint32_t k = 0; k < b->program->datas.len; k++) {
    const TwDataSet *d = &b->program->datas.at[k];
    tw_cache_hash_number(h, (uint64_t)d->n);
    if (d->rows) tw_cache_hash_bytes(h, d->rows, (size_t)d->n * (d->inputs.len + d->columns.len) * sizeof *d->rows);
  }
  tw_cache_hash_number(h, b->program->loaded.len);
  tw_cache_hash_bytes(h, b->program->loaded.at, b->program->loaded.len * sizeof *b->program->loaded.at);
  tw_cache_hash_end(h, b->key);
  return true;
}

/* Links objects of a whole program. */
static bool load_objects(TwBuild *b, const TwObjectBytes *objects, size_t n, char **error) {
  b->object = tw_object_load(objects, n, error);
  const TwRtProgram *rt = b->object ? tw_object_symbol(b->object, "tw_program") : NULL;
  if (rt && rt->abi == TW_RT_ABI) return b->rt = rt, true;
  tw_object_free(b->object);
  b->object = NULL;
  return false;
}

static void look(TwBuild *b) {
  b->looked = true;
  if (!b->cache || !tw_object_supported() || !make_key(b)) {
    b->cache = NULL;
    return;
  }
  TwCacheEntry e;
  if (!tw_cache_get(b->cache, TW_CACHE_PROGRAM, b->key, &e)) return;
  TwObjectBytes objects[TW_CACHE_MAX_PARTS];
  for (uint32_t k = 0; k < e.n; k++) objects[k] = (TwObjectBytes){e.part[k], e.size[k]};
  char *error = NULL;
  (void)load_objects(b, objects, e.n, &error); /* otherwise it is compiled, and the entry replaced */
  free(error);
  tw_cache_entry_free(&e);
}

/* What is not there is generated: where more than one thread may work, LLVM is loaded while the phases between run. */
static bool run_cache(TwBuild *b) {
  look(b);
  if (!b->rt && b->code.threads > 1) tw_codegen_soon();
  return true;
}

static void keep(TwBuild *b, const TwLlObjects *objects) {
  const void *part[TW_LL_MAX_OBJECTS];
  size_t size[TW_LL_MAX_OBJECTS];
  for (uint32_t k = 0; k < objects->n; k++) {
    part[k] = objects->at[k].bytes;
    size[k] = objects->at[k].size;
  }
  tw_cache_put(b->cache, TW_CACHE_PROGRAM, b->key, part, size, objects->n);
}

/* ---- objects of single functions, which programs share: the store that the generator asks */

/* Functions that were compiled together. */
typedef struct TwMade {
  struct TwMade *next;
  const TwLlFn *fns;
  uint32_t n;
  bool quick;
  TwObjectBytes object; /* malloc'ed */
} TwMade;

static TwObjectBytes copy_of(TwObjectBytes from) {
  void *bytes = malloc(from.size ? from.size : 1);
  if (bytes) memcpy(bytes, from.bytes, from.size);
  return (TwObjectBytes){bytes, from.size};
}

static bool is_of(const TwMade *m, const TwLlFn *fns, uint32_t n, bool quick) {
  bool same = m->n == n && m->quick == quick;
  for (uint32_t k = 0; k < n && same; k++)
    same = m->fns[k].fn == fns[k].fn && m->fns[k].precision == fns[k].precision &&
           strcmp(m->fns[k].symbol, fns[k].symbol) == 0;
  return same;
}

static bool again(void *context, const TwLlFn *fns, uint32_t n, bool quick, TwObjectBytes *out) {
  const TwMade *found = NULL;
  for (const TwBuild *b = context; b && !found; b = b->before)
    for (const TwMade *m = b->made; m && !found; m = m->next)
      if (is_of(m, fns, n, quick)) found = m;
  if (!found) return false;
  for (uint32_t k = 0; k < n; k++) {
    if (!fns[k].slot) continue;
    fns[k].slot->work_bytes = found->fns[k].slot->work_bytes;
    fns[k].slot->chunks = found->fns[k].slot->chunks;
  }
  *out = copy_of(found->object);
  return out->bytes != NULL;
}

static void made(void *context, const TwLlFn *fns, uint32_t n, bool quick, TwObjectBytes object) {
  TwBuild *b = context;
  TwMade *m = TW_NEW(&b->unit->arena, TwMade);
  const TwLlFn *own = tw_arena_dup(&b->unit->arena, fns, n * sizeof *fns);
  *m = (TwMade){.next = b->made, .fns = own, .n = n, .quick = quick, .object = copy_of(object)};
  if (m->object.bytes) b->made = m;
}

static void forget_made(TwBuild *b) {
  for (const TwMade *m = b->made; m; m = m->next) free((void *)(uintptr_t)m->object.bytes);
  b->made = NULL;
}

static bool get_object(void *context, const TwObjectBytes of[2], uint8_t key[TW_LL_KEY], TwObjectBytes *out) {
  const TwBuild *b = context;
  TwCacheHash *h = hash_generator();
  TwCacheEntry e;
  *out = (TwObjectBytes){0};
  if (!h) return false;
  for (int k = 0; k < 2; k++) tw_cache_hash_bytes(h, of[k].bytes, of[k].size);
  tw_cache_hash_end(h, key);
  if (b->afresh || !tw_cache_get(b->cache, TW_CACHE_FUNCTIONS, key, &e)) return true;
  *out = copy_of((TwObjectBytes){e.part[0], e.size[0]});
  tw_cache_entry_free(&e);
  return true;
}

static void put_object(void *context, const uint8_t key[TW_LL_KEY], TwObjectBytes object) {
  const TwBuild *b = context;
  tw_cache_put(b->cache, TW_CACHE_FUNCTIONS, key, &object.bytes, &object.size, 1);
}

/* ---- code */

static bool link(TwBuild *b, const TwLlFn *fns, uint32_t n, const TwLlObjects *objects, char **error) {
  if (!load_objects(b, objects->at, objects->n, error)) return false;
  for (uint32_t k = 0; k < n; k++) { /* the compiler's own tables too, for those who look at functions one by one */
    void *at = tw_object_symbol(b->object, fns[k].symbol);
    memcpy(&fns[k].slot->entry, &at, sizeof at);
  }
  if (b->cache && b->unit->diags.list.len == b->told)
    keep(b, objects); /* what lowering warns of must be told each time */
  if (b->cache) tw_cache_trim(b->cache);
  return true;
}

/* *links: false if there was code, and it could not be linked. */
static bool make_code(TwBuild *b, const TwCodegen *generator, const TwLlFn *fns, uint32_t n, bool *links,
                      char **error) {
  TwLlObjects objects;
  TwLlStore store = {b, again, made, b->cache ? get_object : NULL, b->cache ? put_object : NULL};
  bool ok = generator->objects(b->lowered->rt, fns, n, &b->code, &store, &objects, error);
  *links = !ok || link(b, fns, n, &objects, error);
  generator->objects_free(&objects);
  return ok && *links;
}

static bool run_code(TwBuild *b) {
  uint32_t n;
  char *error = NULL;
  const TwCodegen *generator = tw_codegen(&error);
  if (!generator) return code_error(b, error);
  const TwLlFn *fns = tw_build_fns(b, &n);
  if (!tw_object_supported()) {
    b->jit = generator->jit(fns, n, &b->code, &error);
    b->rt = b->lowered->rt;
    return b->jit || code_error(b, error);
  }
  bool links, ok = make_code(b, generator, fns, n, &links, &error);
  if (!links && b->cache) { /* it may be what was kept that does not link */
    free(error);
    forget_made(b);
    b->afresh = true;
    ok = make_code(b, generator, fns, n, &links, &error);
  }
  return ok || code_error(b, error);
}

/* What each phase requires of a build and provides to the next. */
static const struct {
  const char *name;
  bool (*run)(TwBuild *b);
  const char *requires, *provides;
} phases[TW_PHASE_COUNT] = {
    [TW_PHASE_PARSE] = {"parse", run_parse, "a source file", "ast"},
    [TW_PHASE_SEMA] = {"sema", run_sema, "ast without errors", "program: names, types, shapes, domains settled"},
    [TW_PHASE_CACHE] = {"cache", run_cache, "program without errors", "rt with code, if an earlier run left it"},
    [TW_PHASE_LOWER] = {"lower", run_lower, "program without errors", "lowered: IR functions with gradients; tables"},
    [TW_PHASE_OPT] = {"opt", run_opt, "lowered", "lowered: final IR of each function"},
    [TW_PHASE_CODE] = {"code", run_code, "final IR", "rt with code; an entry in the cache"},
};

const char *tw_phase_name(TwPhase p) { return phases[p].name; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nothing is left to do for phase p on the way to phase `last`. */
static bool done(const TwBuild *b, TwPhase p, TwPhase last) {
  if (b->rt && last == TW_PHASE_CODE) return true;
  switch (p) {
    case TW_PHASE_PARSE: return b->ast != NULL;
    case TW_PHASE_SEMA: return b->program != NULL;
    case TW_PHASE_CACHE: return b->looked || last < TW_PHASE_CODE;
    case TW_PHASE_LOWER: return b->lowered != NULL;
    case TW_PHASE_OPT: return b->lowered->fns.len == 0 || b->lowered->fns.at[0].final != NULL;
    case TW_PHASE_CODE: return b->rt != NULL;
    case TW_PHASE_COUNT: break;
  }
  return true;
}

#ifndef NDEBUG
static void verify(const TwBuild *b, TwPhase p) {
  if (p < TW_PHASE_LOWER || p > TW_PHASE_OPT) return;
  for (uint32_t k = 0; k < b->lowered->fns.len; k++) {
    const TwLoweredFn *f = &b->lowered->fns.at[k];
    const char *why = tw_verify(p == TW_PHASE_LOWER ? f->grad : f->final);
    if (!why) continue;
    tw_bug("internal error: after phase %s, function %s: %s", phases[p].name, f->name, why);
  }
}
#endif

bool tw_build(TwBuild *b, TwPhase last) {
  for (int p = 0; p <= (int)last; p++) {
    if (done(b, (TwPhase)p, last)) continue;
    double start = now();
    bool ok = phases[p].run(b);
    b->seconds[p] += now() - start;
    if (!ok) return tw_codegen_settle(), false;
#ifndef NDEBUG
    verify(b, (TwPhase)p);
#endif
  }
  return true;
}

void tw_build_free(TwBuild *b) {
  char *error;
  tw_object_free(b->object);
  if (b->jit) tw_codegen(&error)->jit_free(b->jit);
  forget_made(b);
  b->object = NULL;
  b->jit = NULL;
  b->rt = NULL;
}

/* ---- emit */
static bool dump_tokens(TwBuild *b, FILE *out) { return tw_tokens_dump(b->unit, b->file, out); }
static bool dump_ast(TwBuild *b, FILE *out) { return tw_ast_dump(b->unit, b->ast, out), true; }
static bool dump_typed(TwBuild *b, FILE *out) { return tw_program_dump(b->unit, b->program, out), true; }

static bool dump_fns(TwBuild *b, FILE *out, const TwFn *(*pick)(const TwLoweredFn *)) {
  for (uint32_t k = 0; k < b->lowered->fns.len; k++) {
    const TwLoweredFn *f = &b->lowered->fns.at[k];
    fprintf(out, "# %s, %s\n%s\n", f->name, f->precision == TW_F64 ? "f64" : "f32", tw_ir_print(pick(f)));
  }
  return true;
}
static const TwFn *pick_primal(const TwLoweredFn *f) { return f->primal; }
static const TwFn *pick_grad(const TwLoweredFn *f) { return f->grad; }
static const TwFn *pick_final(const TwLoweredFn *f) { return f->final; }
static bool dump_ir(TwBuild *b, FILE *out) { return dump_fns(b, out, pick_primal); }
static bool dump_grad(TwBuild *b, FILE *out) { return dump_fns(b, out, pick_grad); }
static bool dump_opt(TwBuild *b, FILE *out) { return dump_fns(b, out, pick_final); }

static bool dump_plan(TwBuild *b, FILE *out) {
  uint32_t n;
  const TwLlFn *fns = tw_build_fns(b, &n);
  TwMachine m = tw_ll_machine_for(&b->code);
  tw_pl_dump_machine(&m, out);
  for (uint32_t k = 0; k < n; k++) tw_pl_dump(fns[k].symbol, fns[k].fn, &m, fns[k].precision == TW_F64, out);
  return true;
}

static bool dump_code(TwBuild *b, FILE *out, bool as_asm) {
  uint32_t n;
  char *error = NULL;
  const TwLlFn *fns = tw_build_fns(b, &n);
  const TwCodegen *generator = tw_codegen(&error);
  return (generator && generator->dump(fns, n, &b->code, as_asm, out, &error)) || code_error(b, error);
}
static bool dump_llvm(TwBuild *b, FILE *out) { return dump_code(b, out, false); }
static bool dump_asm(TwBuild *b, FILE *out) { return dump_code(b, out, true); }

const TwForm tw_forms[] = {
    {"tokens", TW_PHASE_PARSE, dump_tokens}, {"ast", TW_PHASE_PARSE, dump_ast},   {"typed", TW_PHASE_SEMA, dump_typed},
    {"ir", TW_PHASE_LOWER, dump_ir},         {"grad", TW_PHASE_LOWER, dump_grad}, {"opt", TW_PHASE_OPT, dump_opt},
    {"plan", TW_PHASE_OPT, dump_plan},       {"llvm", TW_PHASE_OPT, dump_llvm},   {"asm", TW_PHASE_OPT, dump_asm},
};
const uint32_t tw_n_forms = sizeof tw_forms / sizeof *tw_forms;
