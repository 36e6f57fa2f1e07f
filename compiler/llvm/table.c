/* table.c: a TwRtProgram in memory -> the constant tw_program of a module.
 *
 * A table is written as an image: the bytes of the structs as they lie in memory, cut where a pointer
 * stands, and there the address of another image, of a text, or of a function. So the object holds
 * nothing but constants and relocations, wherever it is loaded. Images have the layout of the compiler's
 * own structs: the machine that compiles and the one that runs share an ABI, as for functions in the JIT.
 *
 * requires: a module that holds all of fns, or some of them while others hold the rest.
 * provides: the symbol tw_program; in the first case the only one that can be seen from outside. Entries point to the
 *           functions of `fns` by their slots, whatever they hold in memory; a function without IR is NULL.
 */
#include <string.h>

#include "compiler/llvm/describe.h"
#include "compiler/llvm/ll.h"

typedef struct Pointer {
  uint64_t at;
  LLVMValueRef to;
} Pointer;

typedef struct Image {
  uint8_t *bytes;
  uint64_t size;
  TwVec(Pointer) pointers; /* in order of `at` */
} Image;

typedef struct Text {
  const char *text;
  LLVMValueRef global;
} Text;

typedef struct Tables {
  TwArena *arena;
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  const TwRtProgram *p;
  const TwLlFn *fns;
  uint32_t n_fns;
  TwVec(Text) texts;
} Tables;

static LLVMValueRef add_constant(Tables *t, LLVMValueRef value, const char *name, uint32_t align) {
  LLVMValueRef g = LLVMAddGlobal(t->mod, LLVMTypeOf(value), name);
  LLVMSetInitializer(g, value);
  LLVMSetGlobalConstant(g, true);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetAlignment(g, align);
  return g;
}

/* Programs name few files and many places in them, so a text that exists is found again. */
static LLVMValueRef add_text(Tables *t, const char *text) {
  for (uint32_t k = 0; k < t->texts.len; k++)
    if (strcmp(t->texts.at[k].text, text) == 0) return t->texts.at[k].global;
  LLVMValueRef g = add_constant(t, LLVMConstStringInContext2(t->ctx, text, strlen(text), false), "text", 1);
  LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
  tw_vec_push(t->arena, &t->texts, (Text){text, g});
  return g;
}

/* Only its address is used, so any type will do. */
static LLVMValueRef function(const Tables *t, const char *symbol) {
  LLVMValueRef f = LLVMGetNamedFunction(t->mod, symbol);
  return f ? f : LLVMAddFunction(t->mod, symbol, LLVMFunctionType(LLVMVoidTypeInContext(t->ctx), NULL, 0, false));
}

static LLVMValueRef entry_of(const Tables *t, const TwRtFn *slot) {
  for (uint32_t k = 0; k < t->n_fns; k++)
    if (t->fns[k].slot == slot) return function(t, t->fns[k].symbol);
  return NULL;
}

/* The image as a constant: a packed struct of runs of bytes and addresses. */
static LLVMValueRef constant_of(Tables *t, const Image *im) {
  LLVMValueRef *parts = TW_NEW_N(t->arena, LLVMValueRef, 2 * (uint64_t)im->pointers.len + 1);
  uint32_t n = 0;
  uint64_t at = 0;
  for (uint32_t k = 0; k <= im->pointers.len; k++) {
    uint64_t end = k < im->pointers.len ? im->pointers.at[k].at : im->size;
    if (end > at) parts[n++] = LLVMConstStringInContext2(t->ctx, (const char *)im->bytes + at, end - at, true);
    if (k == im->pointers.len) break;
    parts[n++] = im->pointers.at[k].to;
    at = end + sizeof(void *);
  }
  return LLVMConstStructInContext(t->ctx, parts, n, true);
}

static LLVMValueRef add_array(Tables *t, TwTableId of, const void *from, uint64_t n, const char *name);

static void point(Tables *t, Image *im, uint64_t at, LLVMValueRef to) {
  if (to) tw_vec_push(t->arena, &im->pointers, (Pointer){at, to});
}

/* The record at `from` into the image, from byte `at` on. What is not a field stays zero. */
static void draw(Tables *t, Image *im, uint64_t at, TwTableId of, const uint8_t *from) {
  const TwTable *r = tw_table(of);
  for (uint32_t k = 0; k < r->n_fields; k++) {
    const TwTableField *f = &r->fields[k];
    const void *target = NULL;
    if (f->kind == TW_TABLE_TEXT || f->kind == TW_TABLE_ARRAY) memcpy(&target, from + f->at, sizeof target);
    switch (f->kind) {
      case TW_TABLE_PLAIN: memcpy(im->bytes + at + f->at, from + f->at, f->size); break;
      case TW_TABLE_INSIDE: draw(t, im, at + f->at, f->of, from + f->at); break;
      case TW_TABLE_TEXT:
        if (target) point(t, im, at + f->at, add_text(t, target));
        break;
      case TW_TABLE_ARRAY:
        if (target) point(t, im, at + f->at, add_array(t, f->of, target, f->count(t->p, from), f->name));
        break;
      case TW_TABLE_ENTRY: point(t, im, at + f->at, entry_of(t, (const TwRtFn *)(const void *)from)); break;
    }
  }
}

/* An array of no elements has an address like any other. */
static LLVMValueRef add_array(Tables *t, TwTableId of, const void *from, uint64_t n, const char *name) {
  size_t each = tw_table(of)->size;
  Image im = {.size = n ? n * each : 1};
  im.bytes = TW_NEW_N(t->arena, uint8_t, im.size);
  for (uint64_t k = 0; k < n; k++) draw(t, &im, k * each, of, (const uint8_t *)from + k * each);
  return add_constant(t, constant_of(t, &im), name, 16);
}

void tw_ll_table(LLVMModuleRef mod, const TwRtProgram *p, const char *symbol, const TwLlFn *fns, uint32_t n,
                 bool alone) {
  TwArena arena = {0};
  Tables t = {.arena = &arena, .ctx = LLVMGetModuleContext(mod), .mod = mod, .p = p, .fns = fns, .n_fns = n};
  for (uint32_t k = 0; k < n && alone; k++)
    LLVMSetLinkage(LLVMGetNamedFunction(mod, fns[k].symbol), LLVMInternalLinkage);
  LLVMValueRef g = add_array(&t, TW_TABLE_TwRtProgram, p, 1, symbol ? symbol : "tw_program");
  LLVMSetLinkage(g, LLVMExternalLinkage);
  tw_arena_free(&arena);
}
