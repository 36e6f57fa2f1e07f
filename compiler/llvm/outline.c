/* outline.c: code into a function of its own, which several threads may run.
 *
 * What is emitted between begin and end goes into a new function with a work buffer and a range as its
 * arguments. Values of the function around it that it uses are found afterwards: they are stored to a
 * frame before the call and loaded at its start. Memory that is allocated in between lies in the thread's own work
 * buffer; memory from before is reached by pointers, which are such values. */
#include "compiler/llvm/ll.h"

enum { FRAME, WORK, BEGIN, END, ARGS };

static LLVMTypeRef type_of(TwLl *l) {
  LLVMTypeRef types[ARGS] = {l->ptr, l->ptr, l->i64, l->i64};
  return LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), types, ARGS, false);
}

TwLlOutline tw_ll_outline(TwLl *l) {
  TwLlOutline o = {.caller = l->fn, .here = LLVMGetInsertBlock(l->b), .work = l->work};
  o.fn = l->fn = LLVMAddFunction(l->mod, "chunks", type_of(l)); /* LLVM numbers those of one name */
  LLVMSetLinkage(o.fn, LLVMInternalLinkage);
  LLVMPositionBuilderAtEnd(l->b, tw_ll_new_block(l, "entry"));
  l->work = LLVMGetParam(o.fn, WORK);
  o.begin = LLVMGetParam(o.fn, BEGIN);
  o.end = LLVMGetParam(o.fn, END);
  return o;
}

/* ---- captured values */

#define NOWHERE UINT64_MAX
typedef struct Capture {
  LLVMValueRef from, to;
  uint64_t at; /* in the frame, or NOWHERE: it is made anew */
} Capture;

typedef struct Captures {
  TwVec(Capture) list;
  uint64_t bytes;
} Captures;

static bool is_foreign(const TwLlOutline *o, LLVMValueRef v) {
  if (LLVMIsAInstruction(v)) return LLVMGetBasicBlockParent(LLVMGetInstructionParent(v)) != o->fn;
  return LLVMIsAArgument(v) && LLVMGetParamParent(v) != o->fn;
}

/* A place at a fixed distance from another. */
static bool is_offset(LLVMValueRef v) {
  return LLVMIsAGetElementPtrInst(v) && LLVMGetNumIndices(v) == 1 && LLVMIsConstant(LLVMGetOperand(v, 1));
}

/* Of such places the one that they are counted from is handed on, and the distances are code: weights stay memory
 * operands next to each other, where a pointer for each would take a register. */
static LLVMValueRef captured(TwLl *l, const TwLlOutline *o, Captures *c, LLVMValueRef v, LLVMValueRef first) {
  for (uint32_t k = 0; k < c->list.len; k++)
    if (c->list.at[k].from == v) return c->list.at[k].to;
  if (is_offset(v)) {
    LLVMValueRef base = LLVMGetOperand(v, 0), index = LLVMGetOperand(v, 1);
    if (is_foreign(o, base)) base = captured(l, o, c, base, first);
    LLVMPositionBuilderBefore(l->b, first);
    LLVMValueRef to = LLVMBuildGEP2(l->b, LLVMGetGEPSourceElementType(v), base, &index, 1, "");
    tw_vec_push(l->arena, &c->list, (Capture){v, to, NOWHERE});
    return to;
  }
  LLVMTypeRef t = LLVMTypeOf(v);
  LLVMPositionBuilderBefore(l->b, first);
  LLVMValueRef at = tw_ll_byte_at(l, LLVMGetParam(o->fn, FRAME), c->bytes);
  LLVMValueRef to = LLVMBuildLoad2(l->b, t, at, "");
  tw_vec_push(l->arena, &c->list, (Capture){v, to, c->bytes});
  c->bytes += 64;                                               /* enough, and aligned, for sixteen floats; */
  if (LLVMGetTypeKind(t) == LLVMVectorTypeKind) c->bytes += 64; /* or doubles */
  return to;
}

static void capture_all(TwLl *l, const TwLlOutline *o, Captures *c) {
  LLVMValueRef first = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(o->fn));
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(o->fn); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
      for (int k = 0; k < LLVMGetNumOperands(i); k++) {
        LLVMValueRef v = LLVMGetOperand(i, (unsigned)k);
        if (is_foreign(o, v)) LLVMSetOperand(i, (unsigned)k, captured(l, o, c, v, first));
      }
}

/* ---- the call: by the pool, if the caller has one, else here and all of it */

static void call(TwLl *l, const TwLlOutline *o, LLVMValueRef frame, LLVMValueRef n) {
  LLVMBasicBlockRef together = tw_ll_new_block(l, "pool"), alone = tw_ll_new_block(l, "alone"),
                    done = tw_ll_new_block(l, "done");
  LLVMValueRef pool = LLVMBuildLoad2(l->b, l->ptr, tw_ll_byte_at(l, LLVMGetParam(l->fn, 0), offsetof(TwRtCall, pool)),
                                     "");
  LLVMBuildCondBr(l->b, LLVMBuildIsNull(l->b, pool, ""), alone, together);
  tw_ll_place(l, together);
  LLVMTypeRef types[] = {l->ptr, l->ptr, l->ptr, l->ptr, l->i64};
  LLVMValueRef run = LLVMBuildLoad2(l->b, l->ptr, pool, ""), args[] = {pool, o->fn, frame, l->work, n};
  LLVMBuildCall2(l->b, LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), types, 5, false), run, args, 5, "");
  LLVMBuildBr(l->b, done);
  tw_ll_place(l, alone);
  LLVMValueRef all[] = {frame, l->work, tw_ll_i64(l, 0), n};
  LLVMBuildCall2(l->b, type_of(l), o->fn, all, ARGS, "");
  LLVMBuildBr(l->b, done);
  tw_ll_place(l, done);
}

void tw_ll_outline_end(TwLl *l, const TwLlOutline *o, LLVMValueRef n) {
  Captures c = {0};
  LLVMBuildRetVoid(l->b);
  tw_ll_erase_unread(l);
  capture_all(l, o, &c);
  l->fn = o->caller;
  l->work = o->work;
  LLVMPositionBuilderAtEnd(l->b, o->here);
  uint32_t block = tw_ll_alloc_fresh(l, c.bytes); /* not where the code in between has worked: it runs many times */
  LLVMValueRef frame = tw_ll_block_ptr(l, block);
  for (uint32_t k = 0; k < c.list.len; k++)
    if (c.list.at[k].at != NOWHERE) LLVMBuildStore(l->b, c.list.at[k].from, tw_ll_byte_at(l, frame, c.list.at[k].at));
  call(l, o, frame, n);
  tw_ll_free(l, block);
}
