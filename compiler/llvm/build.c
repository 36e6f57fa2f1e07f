/* build.c: LLVM types and instructions. LLVM is built without assertions, so an ill-typed
 * instruction would silently become wrong code: each wrapper asserts its operands' types.
 *
 * No instruction here carries fast-math flags, and code generation is told nothing that would let it
 * fuse or reorder: what is written is what is rounded. */
#include <llvm-c/Target.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/llvm/ll.h"
#include "compiler/base/bug.h"

_Noreturn void tw_ll_bug(const TwLl *l, const char *what, const char *file, int line) {
  tw_bug("internal error: %s:%d: %s (source file %u, bytes %u to %u)", file, line, what, l ? l->at.file : 0u,
         l ? l->at.start : 0u, l ? l->at.end : 0u);
}

/* ---- types */

LLVMTypeRef tw_ll_lanes_of(const TwLl *l, LLVMTypeRef t) { return LLVMVectorType(t, l->lanes); }

LLVMTypeRef tw_ll_type(const TwLl *l, TwDtype d, bool lanes) {
  LLVMTypeRef t = NULL;
  switch (d) {
    case TW_REAL: t = l->f64 ? LLVMDoubleTypeInContext(l->ctx) : LLVMFloatTypeInContext(l->ctx); break;
    case TW_INT: t = l->i64; break;
    case TW_BOOL: t = l->i1; break;
    case TW_TUPLE: break;
  }
  tw_ll_assert(l, t);
  return lanes ? tw_ll_lanes_of(l, t) : t;
}

LLVMTypeRef tw_ll_stored(const TwLl *l, TwDtype d, bool lanes) {
  if (d != TW_BOOL) return tw_ll_type(l, d, lanes);
  return lanes ? tw_ll_lanes_of(l, l->i8) : l->i8;
}

uint64_t tw_ll_bytes(const TwLl *l, TwDtype d, bool lanes) {
  uint64_t n = d == TW_REAL ? (l->f64 ? 8 : 4) : d == TW_INT ? 8 : 1;
  return lanes ? n * l->lanes : n;
}

static bool is_vector(LLVMValueRef v) { return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind; }
bool tw_ll_is_lanes(LLVMValueRef v) { return is_vector(v); }

/* ---- constants */

LLVMValueRef tw_ll_i64(const TwLl *l, int64_t v) { return LLVMConstInt(l->i64, (unsigned long long)v, true); }

LLVMValueRef tw_ll_real(const TwLl *l, double v) {
  return LLVMConstReal(tw_ll_type(l, TW_REAL, false), l->f64 ? v : (double)(float)v);
}

LLVMValueRef tw_ll_zero(const TwLl *l, TwDtype d, bool lanes) { return LLVMConstNull(tw_ll_type(l, d, lanes)); }

bool tw_ll_is_int_const(LLVMValueRef v, int64_t *out) {
  if (!LLVMIsAConstantInt(v)) return false;
  *out = LLVMConstIntGetSExtValue(v);
  return true;
}

LLVMValueRef tw_ll_lane_ids(TwLl *l) {
  LLVMValueRef id[TW_LANES];
  for (uint32_t k = 0; k < l->lanes; k++) id[k] = tw_ll_i64(l, k);
  return LLVMConstVector(id, l->lanes);
}

LLVMValueRef tw_ll_splat(TwLl *l, LLVMValueRef v) {
  if (is_vector(v)) return v;
  if (LLVMIsConstant(v)) {
    LLVMValueRef all[TW_LANES];
    for (uint32_t k = 0; k < l->lanes; k++) all[k] = v;
    return LLVMConstVector(all, l->lanes);
  }
  LLVMTypeRef t = tw_ll_lanes_of(l, LLVMTypeOf(v));
  LLVMValueRef one = LLVMBuildInsertElement(l->b, LLVMGetPoison(t), v, LLVMConstNull(l->i32), "");
  return LLVMBuildShuffleVector(l->b, one, LLVMGetPoison(t), LLVMConstNull(tw_ll_lanes_of(l, l->i32)), "");
}

/* ---- integers, select, shuffle */

static void match(TwLl *l, LLVMValueRef *a, LLVMValueRef *b) {
  if (is_vector(*a) != is_vector(*b)) {
    *a = tw_ll_splat(l, *a);
    *b = tw_ll_splat(l, *b);
  }
  tw_ll_assert(l, LLVMTypeOf(*a) == LLVMTypeOf(*b));
}

LLVMValueRef tw_ll_add(TwLl *l, LLVMValueRef a, LLVMValueRef b) {
  int64_t c;
  if (tw_ll_is_int_const(a, &c) && c == 0) return b;
  if (tw_ll_is_int_const(b, &c) && c == 0) return a;
  match(l, &a, &b);
  return LLVMBuildAdd(l->b, a, b, "");
}

LLVMValueRef tw_ll_mul(TwLl *l, LLVMValueRef a, LLVMValueRef b) {
  int64_t c;
  if (tw_ll_is_int_const(a, &c) && c == 1) return b;
  if (tw_ll_is_int_const(b, &c) && c == 1) return a;
  match(l, &a, &b);
  return LLVMBuildMul(l->b, a, b, "");
}

static bool is_null(LLVMValueRef v) { return LLVMIsAConstantFP(v) && LLVMIsNull(v); }

/* One of two floats by what is no comparison of floats itself: on x86 LLVM makes a branch of that, and its register
 * allocator takes time that grows with branches times values that live across them, minutes for some thousand. So the
 * bits are chosen. */
static LLVMValueRef choose_bits(TwLl *l, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef real = LLVMTypeOf(a), bits = LLVMGetTypeKind(real) == LLVMFloatTypeKind ? l->i32 : l->i64;
  LLVMValueRef mask = LLVMBuildSExt(l->b, c, bits, ""), y = LLVMBuildBitCast(l->b, b, bits, ""), chosen;
  if (is_null(a)) {
    chosen = LLVMBuildAnd(l->b, y, LLVMBuildNot(l->b, mask, ""), "");
  } else {
    LLVMValueRef differ = LLVMBuildXor(l->b, LLVMBuildBitCast(l->b, a, bits, ""), y, "");
    chosen = LLVMBuildXor(l->b, y, LLVMBuildAnd(l->b, differ, mask, ""), "");
  }
  return LLVMBuildBitCast(l->b, chosen, real, "");
}

static bool is_real(LLVMTypeRef t) {
  return LLVMGetTypeKind(t) == LLVMFloatTypeKind || LLVMGetTypeKind(t) == LLVMDoubleTypeKind;
}

LLVMValueRef tw_ll_select(TwLl *l, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b) {
  if (is_vector(c) || is_vector(a) || is_vector(b)) {
    c = tw_ll_splat(l, c);
    a = tw_ll_splat(l, a);
    b = tw_ll_splat(l, b);
  }
  tw_ll_assert(l, LLVMTypeOf(a) == LLVMTypeOf(b));
  bool by_bits = is_real(LLVMTypeOf(a)) && LLVMIsAInstruction(c) && !LLVMIsAFCmpInst(c);
  return by_bits ? choose_bits(l, c, a, b) : LLVMBuildSelect(l->b, c, a, b, "");
}

LLVMValueRef tw_ll_shuffle(TwLl *l, LLVMValueRef a, LLVMValueRef b, const int *pick, uint32_t n) {
  LLVMValueRef mask[2 * TW_LANES];
  tw_ll_assert(l, n <= 2 * TW_LANES && is_vector(a) && LLVMTypeOf(a) == LLVMTypeOf(b));
  for (uint32_t k = 0; k < n; k++) mask[k] = LLVMConstInt(l->i32, (unsigned long long)pick[k], false);
  return LLVMBuildShuffleVector(l->b, a, b, LLVMConstVector(mask, n), "");
}

/* ---- calls */

LLVMValueRef tw_ll_call(TwLl *l, const char *name, LLVMTypeRef result, LLVMValueRef *args, uint32_t n) {
  LLVMTypeRef types[8];
  tw_ll_assert(l, n <= 8);
  for (uint32_t k = 0; k < n; k++) types[k] = LLVMTypeOf(args[k]);
  LLVMTypeRef t = LLVMFunctionType(result, types, n, false);
  LLVMValueRef f = LLVMGetNamedFunction(l->mod, name);
  if (!f) f = LLVMAddFunction(l->mod, name, t);
  tw_ll_assert(l, LLVMGlobalGetValueType(f) == t);
  return LLVMBuildCall2(l->b, t, f, args, n, "");
}

LLVMValueRef tw_ll_intrinsic(TwLl *l, const char *name, LLVMTypeRef *over, uint32_t n_over, LLVMValueRef *args,
                             uint32_t n) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  tw_ll_assert(l, id != 0);
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(l->mod, id, over, n_over);
  LLVMTypeRef t = LLVMIntrinsicGetType(l->ctx, id, over, n_over);
  tw_ll_assert(l, LLVMCountParamTypes(t) == n);
  LLVMTypeRef types[8];
  tw_ll_assert(l, n <= 8);
  LLVMGetParamTypes(t, types);
  for (uint32_t k = 0; k < n; k++) tw_ll_assert(l, LLVMTypeOf(args[k]) == types[k]);
  return LLVMBuildCall2(l->b, t, f, args, n, "");
}

void tw_ll_prefetch(TwLl *l, LLVMValueRef p) {
  enum { READ = 0, SECOND_LEVEL = 2, DATA = 1 };
  LLVMValueRef args[4] = {p, LLVMConstInt(l->i32, READ, false), LLVMConstInt(l->i32, SECOND_LEVEL, false),
                          LLVMConstInt(l->i32, DATA, false)};
  tw_ll_intrinsic(l, "llvm.prefetch", &l->ptr, 1, args, 4);
}

/* ---- memory */

LLVMValueRef tw_ll_nowhere(const TwLl *l) { return LLVMGetUndef(l->ptr); }
static bool is_place(const TwLl *l, LLVMValueRef p) { return LLVMTypeOf(p) == l->ptr && !LLVMIsUndef(p); }

/* If p is a place at a known distance from another: that one, and the distance. Such distances are in bytes. */
static LLVMValueRef counted_from(const TwLl *l, LLVMValueRef p, int64_t *bytes) {
  bool fixed = LLVMIsAGetElementPtrInst(p) && LLVMGetNumIndices(p) == 1 && LLVMGetGEPSourceElementType(p) == l->i8 &&
               tw_ll_is_int_const(LLVMGetOperand(p, 1), bytes);
  return fixed ? LLVMGetOperand(p, 0) : NULL;
}

static LLVMValueRef bytes_on(TwLl *l, LLVMValueRef base, int64_t bytes) {
  int64_t more;
  LLVMValueRef from = counted_from(l, base, &more);
  if (from) base = from, bytes += more;
  if (bytes == 0) return base;
  LLVMValueRef index = tw_ll_i64(l, bytes);
  return LLVMBuildGEP2(l->b, l->i8, base, &index, 1, "");
}

static int64_t size_of(const TwLl *l, LLVMTypeRef t) {
  return (int64_t)LLVMABISizeOfType(LLVMGetModuleDataLayout(l->mod), t);
}

/* A known distance is counted from where its base is counted from: places in a row are no chain of additions, each of
 * which LLVM's instruction selection would follow to its start. */
LLVMValueRef tw_ll_at(TwLl *l, LLVMTypeRef t, LLVMValueRef base, LLVMValueRef index) {
  int64_t c;
  bool fixed = tw_ll_is_int_const(index, &c);
  if (fixed && c == 0) return base;
  tw_ll_assert(l, is_place(l, base));
  if (fixed) return bytes_on(l, base, c * size_of(l, t));
  return LLVMBuildGEP2(l->b, t, base, &index, 1, "");
}

/* A place at a known distance from another, in the block in which it is read or written: there the distance is part
 * of an instruction's address, from another block it would be a register of its own until LLVM has moved it. */
static LLVMValueRef here(TwLl *l, LLVMValueRef p) {
  int64_t bytes;
  LLVMValueRef base = counted_from(l, p, &bytes);
  if (!base || LLVMGetInstructionParent(p) == LLVMGetInsertBlock(l->b)) return p;
  return bytes_on(l, base, bytes);
}

LLVMValueRef tw_ll_byte_at(TwLl *l, LLVMValueRef base, uint64_t bytes) {
  return tw_ll_at(l, l->i8, base, tw_ll_i64(l, (int64_t)bytes));
}

/* Lane memory is aligned to its size or 64 bytes (the work buffer is, and every block in it); scalars as C
 * does. */
static unsigned alignment(const TwLl *l, TwDtype d, bool lanes) {
  uint64_t n = tw_ll_bytes(l, d, lanes);
  return (unsigned)(n > 64 ? 64 : n);
}

static LLVMValueRef from_memory(TwLl *l, TwDtype d, LLVMValueRef v) {
  if (d != TW_BOOL) return v;
  LLVMTypeRef t = is_vector(v) ? tw_ll_lanes_of(l, l->i1) : l->i1;
  return LLVMBuildTrunc(l->b, v, t, "");
}

static LLVMValueRef to_memory(TwLl *l, TwDtype d, LLVMValueRef v) {
  tw_ll_assert(l, LLVMTypeOf(v) == tw_ll_type(l, d, is_vector(v)));
  return d == TW_BOOL ? LLVMBuildZExt(l->b, v, tw_ll_stored(l, d, is_vector(v)), "") : v;
}

LLVMValueRef tw_ll_load(TwLl *l, TwDtype d, bool lanes, LLVMValueRef p) {
  tw_ll_assert(l, is_place(l, p));
  LLVMValueRef v = LLVMBuildLoad2(l->b, tw_ll_stored(l, d, lanes), here(l, p), "");
  LLVMSetAlignment(v, alignment(l, d, lanes));
  return from_memory(l, d, v);
}

void tw_ll_store(TwLl *l, TwDtype d, LLVMValueRef v, LLVMValueRef p) {
  tw_ll_assert(l, is_place(l, p));
  bool lanes = is_vector(v);
  LLVMValueRef st = LLVMBuildStore(l->b, to_memory(l, d, v), here(l, p));
  LLVMSetAlignment(st, alignment(l, d, lanes));
}

static LLVMValueRef run_mask(TwLl *l, uint32_t n) {
  LLVMValueRef m[TW_LANES];
  for (uint32_t k = 0; k < l->lanes; k++) m[k] = LLVMConstInt(l->i1, k < n, false);
  return LLVMConstVector(m, l->lanes);
}

LLVMValueRef tw_ll_load_run(TwLl *l, TwDtype d, LLVMValueRef p, uint32_t n) {
  LLVMTypeRef t = tw_ll_stored(l, d, true);
  LLVMValueRef v;
  tw_ll_assert(l, is_place(l, p));
  if (n < l->lanes) {
    LLVMTypeRef over[2] = {t, l->ptr};
    LLVMValueRef args[4] = {p, LLVMConstInt(l->i32, tw_ll_bytes(l, d, false), false), run_mask(l, n), LLVMConstNull(t)};
    v = tw_ll_intrinsic(l, "llvm.masked.load", over, 2, args, 4);
  } else {
    v = LLVMBuildLoad2(l->b, t, p, "");
    LLVMSetAlignment(v, (unsigned)tw_ll_bytes(l, d, false));
  }
  return from_memory(l, d, v);
}

void tw_ll_store_run(TwLl *l, TwDtype d, LLVMValueRef v, LLVMValueRef p, uint32_t n) {
  tw_ll_assert(l, is_place(l, p));
  v = to_memory(l, d, tw_ll_splat(l, v));
  if (n < l->lanes) {
    LLVMTypeRef over[2] = {LLVMTypeOf(v), l->ptr};
    LLVMValueRef args[4] = {v, p, LLVMConstInt(l->i32, tw_ll_bytes(l, d, false), false), run_mask(l, n)};
    tw_ll_intrinsic(l, "llvm.masked.store", over, 2, args, 4);
  } else {
    LLVMSetAlignment(LLVMBuildStore(l->b, v, p), (unsigned)tw_ll_bytes(l, d, false));
  }
}

void tw_ll_stream_run(TwLl *l, LLVMValueRef v, LLVMValueRef p) {
  LLVMValueRef store = LLVMBuildStore(l->b, tw_ll_splat(l, v), p), one = LLVMConstInt(l->i32, 1, false);
  LLVMSetAlignment(store, 64);
  unsigned kind = LLVMGetMDKindIDInContext(l->ctx, "nontemporal", strlen("nontemporal"));
  LLVMMetadataRef node = LLVMValueAsMetadata(one);
  LLVMSetMetadata(store, kind, LLVMMetadataAsValue(l->ctx, LLVMMDNodeInContext2(l->ctx, &node, 1)));
}

void tw_ll_end_streams(TwLl *l) { LLVMBuildFence(l->b, LLVMAtomicOrderingSequentiallyConsistent, false, ""); }

static LLVMValueRef lane_addresses(TwLl *l, TwDtype d, bool lane_memory, LLVMValueRef base, LLVMValueRef index) {
  index = tw_ll_splat(l, index);
  tw_ll_assert(l, LLVMTypeOf(index) == tw_ll_lanes_of(l, l->i64) && is_place(l, base));
  if (lane_memory) index = tw_ll_add(l, tw_ll_mul(l, index, tw_ll_i64(l, l->lanes)), tw_ll_lane_ids(l));
  return LLVMBuildGEP2(l->b, tw_ll_stored(l, d, false), base, &index, 1, "");
}

LLVMValueRef tw_ll_gather(TwLl *l, TwDtype d, bool lane_memory, LLVMValueRef base, LLVMValueRef index) {
  LLVMValueRef p = lane_addresses(l, d, lane_memory, base, index);
  LLVMTypeRef t = tw_ll_stored(l, d, true), over[2] = {t, LLVMTypeOf(p)};
  LLVMValueRef args[4] = {p, LLVMConstInt(l->i32, tw_ll_bytes(l, d, false), false), run_mask(l, l->lanes),
                          LLVMConstNull(t)};
  return from_memory(l, d, tw_ll_intrinsic(l, "llvm.masked.gather", over, 2, args, 4));
}

void tw_ll_scatter(TwLl *l, TwDtype d, LLVMValueRef v, LLVMValueRef base, LLVMValueRef index, bool lane_memory,
                   LLVMValueRef mask) {
  LLVMValueRef p = lane_addresses(l, d, lane_memory, base, index);
  v = to_memory(l, d, tw_ll_splat(l, v));
  LLVMTypeRef over[2] = {LLVMTypeOf(v), LLVMTypeOf(p)};
  LLVMValueRef args[4] = {v, p, LLVMConstInt(l->i32, tw_ll_bytes(l, d, false), false),
                          mask ? mask : run_mask(l, l->lanes)};
  tw_ll_intrinsic(l, "llvm.masked.scatter", over, 2, args, 4);
}

/* ---- blocks and loops */

LLVMBasicBlockRef tw_ll_new_block(TwLl *l, const char *name) {
  return LLVMAppendBasicBlockInContext(l->ctx, l->fn, name);
}

void tw_ll_place(TwLl *l, LLVMBasicBlockRef to) {
  LLVMMoveBasicBlockAfter(to, LLVMGetLastBasicBlock(l->fn));
  LLVMPositionBuilderAtEnd(l->b, to);
}

void tw_ll_go(TwLl *l, LLVMBasicBlockRef to) {
  LLVMBuildBr(l->b, to);
  tw_ll_place(l, to);
}

void tw_ll_seldom(TwLl *l, LLVMValueRef branch) {
  enum { SELDOM = 1, OFTEN = 1000 };
  LLVMMetadataRef weights[3] = {LLVMMDStringInContext2(l->ctx, "branch_weights", 14),
                                LLVMValueAsMetadata(LLVMConstInt(l->i32, SELDOM, false)),
                                LLVMValueAsMetadata(LLVMConstInt(l->i32, OFTEN, false))};
  LLVMValueRef node = LLVMMetadataAsValue(l->ctx, LLVMMDNodeInContext2(l->ctx, weights, 3));
  LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(l->ctx, "prof", 4), node);
}

TwLlLoop tw_ll_loop(TwLl *l, LLVMValueRef n) {
  TwLlLoop p;
  p.before = LLVMGetInsertBlock(l->b);
  p.head = tw_ll_new_block(l, "loop");
  p.after = tw_ll_new_block(l, "after");
  p.n = n;
  tw_ll_go(l, p.head);
  p.i = LLVMBuildPhi(l->b, l->i64, "i");
  LLVMValueRef zero = tw_ll_i64(l, 0);
  LLVMAddIncoming(p.i, &zero, &p.before, 1);
  return p;
}

LLVMValueRef tw_ll_loop_phi(TwLl *l, TwLlLoop *p, LLVMValueRef init) {
  LLVMValueRef phi = LLVMBuildPhi(l->b, LLVMTypeOf(init), "");
  LLVMAddIncoming(phi, &init, &p->before, 1);
  return phi;
}

void tw_ll_loop_next(TwLl *l, LLVMValueRef phi, LLVMValueRef next) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(l->b);
  tw_ll_assert(l, LLVMTypeOf(phi) == LLVMTypeOf(next));
  LLVMAddIncoming(phi, &next, &here, 1);
}

void tw_ll_loop_end(TwLl *l, TwLlLoop *p) {
  LLVMValueRef next = LLVMBuildNUWAdd(l->b, p->i, tw_ll_i64(l, 1), "");
  tw_ll_loop_next(l, p->i, next);
  LLVMValueRef more = LLVMBuildICmp(l->b, LLVMIntNE, next, p->n, "");
  LLVMBuildCondBr(l->b, more, p->head, p->after);
  tw_ll_place(l, p->after);
}
