/* fold.c: from partial sums to sums, in the order that docs/architecture.md defines (P7).
 *
 * Sixteen partial sums are folded by halves: p[k] += p[k + 8] for k < 8, then 4, 2, 1. Sixteen
 * vectors at a time this is a transpose: fifteen additions, shuffles and choices of lanes instead of
 * sixty-four additions and shuffles. Chunk results are folded by neighbours: a binary counter of
 * subtrees does it in memory that is logarithmic in the number of chunks, since a subtree of 2^k chunks
 * is complete when bit k of the number of chunks seen carries. */
#include "compiler/llvm/ll.h"

/* ---- sixteen partial sums */

LLVMValueRef tw_ll_fold_halves(TwLl *l, TwDtype d, LLVMValueRef v) {
  int lo[TW_LANES], hi[TW_LANES];
  for (int k = 0; k < TW_LANES; k++) lo[k] = k;
  for (int h = (int)l->lanes / 2; h >= 1; h /= 2) {
    for (int k = 0; k < h; k++) hi[k] = h + k;
    LLVMValueRef a = tw_ll_shuffle(l, v, v, lo, (uint32_t)h), b = tw_ll_shuffle(l, v, v, hi, (uint32_t)h);
    v = d == TW_REAL ? LLVMBuildFAdd(l->b, a, b, "") : LLVMBuildAdd(l->b, a, b, "");
  }
  return LLVMBuildExtractElement(l->b, v, LLVMConstNull(l->i32), "");
}

/* Two vectors in which groups of `size` partial sums lie become one with groups of half the size. Whole vectors: the
 * lower halves of both plus the upper halves of both. Else lower halves of a's groups and upper halves of b's stay
 * where they are, and what they are added to comes from the other halves: one operand takes no shuffle, which is for
 * one port of a core alone, but a choice of lanes, which is for two; and which of two terms is the first does not
 * matter. */
static LLVMValueRef fold_pair(TwLl *l, LLVMValueRef a, LLVMValueRef b, int size) {
  int one[TW_LANES], other[TW_LANES], half = size / 2, lanes = (int)l->lanes;
  for (int k = 0; k < lanes; k++) {
    bool upper = k % size >= half;
    int from = upper ? lanes + k : k;
    one[k] = size == lanes && upper ? from - half : from;
    other[k] = size == lanes && upper ? from : upper ? from - half : from + half;
  }
  return LLVMBuildFAdd(l->b, tw_ll_shuffle(l, a, b, one, l->lanes), tw_ll_shuffle(l, a, b, other, l->lanes), "");
}

/* Vector k ends in lane k: bit by bit, from the highest, its number says in which half of a group it stays. */
LLVMValueRef tw_ll_fold_vectors(TwLl *l, LLVMValueRef *v) {
  for (int size = (int)l->lanes; size > 1; size /= 2)
    for (int k = 0; k < size / 2; k++) v[k] = fold_pair(l, v[k], v[k + size / 2], size);
  return v[0];
}

void tw_ll_fold_many(TwLl *l, LLVMValueRef acc, LLVMValueRef cur, uint64_t n) {
  LLVMTypeRef t = tw_ll_type(l, TW_REAL, true);
  enum { FEW = 4 };
  if (n <= FEW) {
    for (uint64_t k = 0; k < n; k++) {
      LLVMValueRef v = tw_ll_load(l, TW_REAL, true, tw_ll_at(l, t, acc, tw_ll_i64(l, (int64_t)k)));
      tw_ll_store(l, TW_REAL, tw_ll_fold_halves(l, TW_REAL, v),
                  tw_ll_at(l, tw_ll_type(l, TW_REAL, false), cur, tw_ll_i64(l, (int64_t)k)));
    }
    return;
  }
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, (int64_t)((n + TW_LANES - 1) / TW_LANES)));
  LLVMValueRef base = tw_ll_at(l, t, acc, tw_ll_mul(l, p.i, tw_ll_i64(l, TW_LANES))), v[TW_LANES];
  for (int k = 0; k < TW_LANES; k++) v[k] = tw_ll_load(l, TW_REAL, true, tw_ll_at(l, t, base, tw_ll_i64(l, k)));
  tw_ll_store(l, TW_REAL, tw_ll_fold_vectors(l, v), tw_ll_at(l, t, cur, p.i));
  tw_ll_loop_end(l, &p);
}

void tw_ll_fold_memory(TwLl *l, TwDtype d, bool lanes, LLVMValueRef p, uint64_t n) {
  LLVMTypeRef t = tw_ll_stored(l, d, lanes);
  if (n == 0) return;
  for (uint64_t h = TW_LANES / 2; h >= 1; h /= 2) {
    LLVMValueRef upper = tw_ll_at(l, t, p, tw_ll_i64(l, (int64_t)(h * n)));
    TwLlLoop loop = tw_ll_loop(l, tw_ll_i64(l, (int64_t)(h * n)));
    LLVMValueRef to = tw_ll_at(l, t, p, loop.i), from = tw_ll_at(l, t, upper, loop.i);
    tw_ll_store(l, d, tw_ll_fadd(l, d, tw_ll_load(l, d, lanes, to), tw_ll_load(l, d, lanes, from)), to);
    tw_ll_loop_end(l, &loop);
  }
}

/* ---- chunks */

TwLlTree tw_ll_tree(TwLl *l, TwDtype d, bool lanes, uint64_t n, int64_t chunks) {
  TwLlTree t = {.dtype = d, .lanes = lanes, .chunks = chunks};
  t.n = lanes ? n : (n + TW_LANES - 1) / TW_LANES * TW_LANES;
  uint64_t levels = 0;
  for (int64_t c = chunks; chunks > 1 && c > 0; c /= 2) levels++;
  uint64_t each = t.n * tw_ll_bytes(l, d, lanes);
  t.block = tw_ll_alloc(l, (levels + 1) * each);
  t.cur = tw_ll_block_ptr(l, t.block);
  t.slots = tw_ll_byte_at(l, t.cur, each);
  return t;
}

/* ---- the tree's two operations, functions that all trees of a kind in a module share */

enum { CUR, SLOTS, VECTORS, CHUNK, ARGS }; /* their arguments */
typedef enum TreeOp { PUSH, FINISH } TreeOp;

static LLVMValueRef arg(TwLl *l, uint32_t k) { return LLVMGetParam(l->fn, k); }

/* to[e] = from[e], or from[e] + to[e] where `add`, for all elements. */
static void combine(TwLl *l, const TwLlTree *t, LLVMValueRef from, LLVMValueRef to, LLVMValueRef add) {
  LLVMTypeRef type = tw_ll_stored(l, t->dtype, true);
  TwLlLoop p = tw_ll_loop(l, arg(l, VECTORS));
  LLVMValueRef a = tw_ll_at(l, type, from, p.i), b = tw_ll_at(l, type, to, p.i);
  LLVMValueRef v = tw_ll_load(l, t->dtype, true, a);
  if (add) v = tw_ll_select(l, add, tw_ll_fadd(l, t->dtype, v, tw_ll_load(l, t->dtype, true, b)), v);
  tw_ll_store(l, t->dtype, v, b);
  tw_ll_loop_end(l, &p);
}

static LLVMValueRef slot_ptr(TwLl *l, const TwLlTree *t, LLVMValueRef level) {
  LLVMValueRef each = tw_ll_i64(l, (int64_t)tw_ll_bytes(l, t->dtype, true));
  return tw_ll_at(l, l->i8, arg(l, SLOTS), tw_ll_mul(l, level, tw_ll_mul(l, arg(l, VECTORS), each)));
}

static LLVMValueRef bit_of(TwLl *l, LLVMValueRef n, LLVMValueRef level) {
  LLVMValueRef bit = LLVMBuildAnd(l->b, LLVMBuildLShr(l->b, n, level, ""), tw_ll_i64(l, 1), "");
  return LLVMBuildICmp(l->b, LLVMIntNE, bit, tw_ll_i64(l, 0), "");
}

/* While the chunk's number has ones from the right: add the subtree that lies there; then lie down. */
static void push_body(TwLl *l, const TwLlTree *t) {
  LLVMBasicBlockRef before = LLVMGetInsertBlock(l->b), head = tw_ll_new_block(l, "carry");
  LLVMBasicBlockRef add = tw_ll_new_block(l, "carries"), done = tw_ll_new_block(l, "carried");
  LLVMValueRef zero = tw_ll_i64(l, 0), yes = LLVMConstInt(l->i1, 1, false);
  tw_ll_go(l, head);
  LLVMValueRef level = LLVMBuildPhi(l->b, l->i64, "level");
  LLVMAddIncoming(level, &zero, &before, 1);
  LLVMValueRef slot = slot_ptr(l, t, level);
  LLVMBuildCondBr(l->b, bit_of(l, arg(l, CHUNK), level), add, done);
  tw_ll_place(l, add);
  combine(l, t, slot, arg(l, CUR), yes);
  LLVMValueRef next = LLVMBuildAdd(l->b, level, tw_ll_i64(l, 1), "");
  tw_ll_loop_next(l, level, next);
  LLVMBuildBr(l->b, head);
  tw_ll_place(l, done);
  combine(l, t, arg(l, CUR), slot, NULL);
}

/* The subtrees that are left, one for each one in the number of chunks, from the right; the first is taken. */
static void finish_body(TwLl *l, const TwLlTree *t) {
  TwLlLoop p = tw_ll_loop(l, tw_ll_i64(l, 63));
  LLVMBasicBlockRef add = tw_ll_new_block(l, "left"), next = tw_ll_new_block(l, "next");
  LLVMValueRef one = tw_ll_i64(l, 1), below = LLVMBuildSub(l->b, LLVMBuildShl(l->b, one, p.i, ""), one, "");
  LLVMValueRef seen = LLVMBuildAnd(l->b, arg(l, CHUNK), below, "");
  LLVMValueRef slot = slot_ptr(l, t, p.i);
  LLVMBuildCondBr(l->b, bit_of(l, arg(l, CHUNK), p.i), add, next);
  tw_ll_place(l, add);
  combine(l, t, slot, arg(l, CUR), LLVMBuildICmp(l->b, LLVMIntNE, seen, tw_ll_i64(l, 0), ""));
  tw_ll_go(l, next);
  tw_ll_loop_end(l, &p);
}

static LLVMValueRef operation(TwLl *l, const TwLlTree *t, TreeOp op) {
  static const char *const names[][2] = {{"tree.push.f32", "tree.push.f64"}, {"tree.finish.f32", "tree.finish.f64"}};
  static const char *const whole[] = {"tree.push.int", "tree.finish.int"};
  const char *name = t->dtype == TW_REAL ? names[op][l->f64] : whole[op];
  LLVMValueRef f = LLVMGetNamedFunction(l->mod, name);
  if (f) return f;
  LLVMTypeRef types[ARGS] = {l->ptr, l->ptr, l->i64, l->i64};
  f = LLVMAddFunction(l->mod, name, LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), types, ARGS, false));
  LLVMSetLinkage(f, LLVMInternalLinkage);
  LLVMValueRef caller = l->fn;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(l->b);
  l->fn = f;
  LLVMPositionBuilderAtEnd(l->b, tw_ll_new_block(l, "entry"));
  if (op == PUSH) push_body(l, t);
  else finish_body(l, t);
  LLVMBuildRetVoid(l->b);
  l->fn = caller;
  LLVMPositionBuilderAtEnd(l->b, here);
  return f;
}

static void call(TwLl *l, const TwLlTree *t, TreeOp op, LLVMValueRef cur, LLVMValueRef number) {
  uint64_t vectors = t->lanes ? t->n : t->n / TW_LANES;
  LLVMValueRef f = operation(l, t, op), args[ARGS] = {cur, t->slots, tw_ll_i64(l, (int64_t)vectors), number};
  LLVMBuildCall2(l->b, LLVMGlobalGetValueType(f), f, args, ARGS, "");
}

void tw_ll_tree_push(TwLl *l, const TwLlTree *t, LLVMValueRef chunk) {
  if (t->chunks > 1) call(l, t, PUSH, t->cur, chunk);
}

void tw_ll_tree_push_from(TwLl *l, const TwLlTree *t, LLVMValueRef result, LLVMValueRef chunk) {
  tw_ll_assert(l, t->chunks > 1);
  call(l, t, PUSH, result, chunk);
}

void tw_ll_tree_finish(TwLl *l, const TwLlTree *t) {
  if (t->chunks > 1) call(l, t, FINISH, t->cur, tw_ll_i64(l, t->chunks));
}
