/* elementwise.c: one operation on elements: scalars, lane values, or both (the scalar is splatted).
 * Each line says what the interpreter's line says (compiler/ir/scalar*.c), rounding for rounding. */
#include "compiler/ir/elementary.h"
#include "compiler/llvm/ll.h"

static void match_all(TwLl *l, LLVMValueRef *args, uint32_t n) {
  bool any = false;
  for (uint32_t k = 0; k < n; k++) any = any || tw_ll_is_lanes(args[k]);
  for (uint32_t k = 0; any && k < n; k++) args[k] = tw_ll_splat(l, args[k]);
}

static LLVMValueRef const_like(TwLl *l, LLVMValueRef like, double v) {
  LLVMValueRef c = tw_ll_real(l, v);
  return tw_ll_is_lanes(like) ? tw_ll_splat(l, c) : c;
}

static LLVMValueRef int_like(TwLl *l, LLVMValueRef like, int64_t v) {
  LLVMValueRef c = tw_ll_i64(l, v);
  return tw_ll_is_lanes(like) ? tw_ll_splat(l, c) : c;
}

static LLVMValueRef unary_intrinsic(TwLl *l, const char *name, LLVMValueRef a) {
  LLVMTypeRef t = LLVMTypeOf(a);
  return tw_ll_intrinsic(l, name, &t, 1, &a, 1);
}

/* ---- elementary functions: SLEEF by name, as wide as the machine's vectors */

static LLVMValueRef part_of(TwLl *l, LLVMValueRef v, uint32_t from, uint32_t n) {
  int pick[TW_LANES];
  for (uint32_t k = 0; k < n; k++) pick[k] = (int)(from + k);
  return tw_ll_shuffle(l, v, v, pick, n);
}

/* Joins parts of n lanes each to vectors of 2n lanes, until one is left. */
static LLVMValueRef join(TwLl *l, LLVMValueRef *parts, uint32_t count, uint32_t n) {
  int pick[2 * TW_LANES];
  for (; count > 1; count /= 2, n *= 2) {
    for (uint32_t k = 0; k < 2 * n; k++) pick[k] = (int)k;
    for (uint32_t k = 0; k < count / 2; k++) parts[k] = tw_ll_shuffle(l, parts[2 * k], parts[2 * k + 1], pick, 2 * n);
  }
  return parts[0];
}

static LLVMValueRef elementary(TwLl *l, TwOp op, LLVMValueRef *args, uint32_t n) {
  match_all(l, args, n);
  LLVMTypeRef real = tw_ll_type(l, TW_REAL, false);
  if (!tw_ll_is_lanes(args[0])) return tw_ll_call(l, tw_elementary_symbol(op, l->f64, 1), real, args, n);
  uint32_t width = l->m.call_bits / (l->f64 ? 64 : 32);
  if (width > l->lanes) width = l->lanes;
  const char *symbol = tw_elementary_symbol(op, l->f64, width);
  tw_ll_assert(l, symbol);
  LLVMTypeRef t = LLVMVectorType(real, width);
  LLVMValueRef parts[TW_LANES];
  for (uint32_t at = 0; at < l->lanes; at += width) {
    LLVMValueRef a[2];
    for (uint32_t k = 0; k < n; k++) a[k] = width == l->lanes ? args[k] : part_of(l, args[k], at, width);
    parts[at / width] = tw_ll_call(l, symbol, t, a, n);
  }
  return join(l, parts, l->lanes / width, width);
}

/* ---- real operations */

static LLVMValueRef logistic(TwLl *l, LLVMValueRef a) {
  LLVMValueRef down = LLVMBuildFNeg(l->b, unary_intrinsic(l, "llvm.fabs", a), ""), one = const_like(l, a, 1);
  LLVMValueRef e = elementary(l, TW_OP_exp, &down, 1);
  LLVMValueRef neg = LLVMBuildFCmp(l->b, LLVMRealOLT, a, const_like(l, a, 0), "");
  return LLVMBuildFDiv(l->b, tw_ll_select(l, neg, e, one), LLVMBuildFAdd(l->b, one, e, ""), "");
}

static LLVMValueRef sign(TwLl *l, LLVMValueRef a) {
  LLVMValueRef zero = const_like(l, a, 0);
  LLVMValueRef v = tw_ll_select(l, LLVMBuildFCmp(l->b, LLVMRealOEQ, a, zero, ""), zero, a);
  v = tw_ll_select(l, LLVMBuildFCmp(l->b, LLVMRealOLT, a, zero, ""), const_like(l, a, -1), v);
  return tw_ll_select(l, LLVMBuildFCmp(l->b, LLVMRealOGT, a, zero, ""), const_like(l, a, 1), v);
}

static LLVMValueRef mul0(TwLl *l, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef zero = const_like(l, a, 0);
  LLVMValueRef none = LLVMBuildOr(l->b, LLVMBuildFCmp(l->b, LLVMRealOEQ, a, zero, ""),
                                  LLVMBuildFCmp(l->b, LLVMRealOEQ, b, zero, ""), "");
  return tw_ll_select(l, none, zero, LLVMBuildFMul(l->b, a, b, ""));
}

/* `x < 0 ? 0 : x` and `b < a ? b : a` are one vmax or vmin: these return their second operand when
 * the two are equal or one is NaN. */
static LLVMValueRef pick(TwLl *l, LLVMRealPredicate p, LLVMValueRef b, LLVMValueRef a) {
  return tw_ll_select(l, LLVMBuildFCmp(l->b, p, b, a, ""), b, a);
}

/* Of lanes that are chosen by a mask or else +0: the mask and what is chosen. Only where masks are operands: elsewhere
 * they are operations. */
static bool is_masked(const TwLl *l, LLVMValueRef v, LLVMValueRef *mask, LLVMValueRef *chosen) {
  bool select = l->m.masks && tw_ll_is_lanes(v) && LLVMIsASelectInst(v);
  if (!select || !LLVMIsNull(LLVMGetOperand(v, 2)) || !tw_ll_is_lanes(LLVMGetOperand(v, 0))) return false;
  *mask = LLVMGetOperand(v, 0);
  *chosen = LLVMGetOperand(v, 1);
  return true;
}

/* a - (mask ? b : 0) is mask ? a - b : a, to the last bit: an operation under a mask. */
static LLVMValueRef subtract(TwLl *l, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef mask, chosen;
  if (!is_masked(l, b, &mask, &chosen)) return LLVMBuildFSub(l->b, a, b, "");
  return LLVMBuildSelect(l->b, mask, LLVMBuildFSub(l->b, a, chosen, ""), a, "");
}

/* A mask of what has been masked: most who read the value are operations under masks themselves, which then read what
 * was there before any. */
static LLVMValueRef choose(TwLl *l, LLVMValueRef mask, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef inner, chosen;
  if (!tw_ll_is_lanes(mask) || !LLVMIsNull(b) || !is_masked(l, a, &inner, &chosen)) return tw_ll_select(l, mask, a, b);
  return LLVMBuildSelect(l->b, LLVMBuildAnd(l->b, inner, mask, ""), chosen, tw_ll_splat(l, b), "");
}

static LLVMValueRef real_op(TwLl *l, TwOp op, LLVMValueRef *v) {
  switch ((int)op) {
    case TW_OP_neg: return LLVMBuildFNeg(l->b, v[0], "");
    case TW_OP_abs: return unary_intrinsic(l, "llvm.fabs", v[0]);
    case TW_OP_sign: return sign(l, v[0]);
    case TW_OP_relu: {
      LLVMValueRef zero = const_like(l, v[0], 0);
      return tw_ll_select(l, LLVMBuildFCmp(l->b, LLVMRealOLT, v[0], zero, ""), zero, v[0]);
    }
    case TW_OP_sqrt: return unary_intrinsic(l, "llvm.sqrt", v[0]);
    case TW_OP_floor: return unary_intrinsic(l, "llvm.floor", v[0]);
    case TW_OP_logistic: return logistic(l, v[0]);
    case TW_OP_add: return LLVMBuildFAdd(l->b, v[0], v[1], "");
    case TW_OP_sub: return subtract(l, v[0], v[1]);
    case TW_OP_mul: return LLVMBuildFMul(l->b, v[0], v[1], "");
    case TW_OP_mul0: return mul0(l, v[0], v[1]);
    case TW_OP_div: return LLVMBuildFDiv(l->b, v[0], v[1], "");
    case TW_OP_min: return pick(l, LLVMRealOLT, v[1], v[0]);
    case TW_OP_max: return pick(l, LLVMRealOGT, v[1], v[0]);
    case TW_OP_stop:
    case TW_OP_along: return v[0];
    case TW_OP_fma: return tw_ll_fma(l, v[0], v[1], v[2]);
    case TW_OP_lt: return LLVMBuildFCmp(l->b, LLVMRealOLT, v[0], v[1], "");
    case TW_OP_le: return LLVMBuildFCmp(l->b, LLVMRealOLE, v[0], v[1], "");
    case TW_OP_eq: return LLVMBuildFCmp(l->b, LLVMRealOEQ, v[0], v[1], "");
    case TW_OP_ne: return LLVMBuildFCmp(l->b, LLVMRealUNE, v[0], v[1], "");
    case TW_OP_to_int: {
      LLVMTypeRef over[2] = {tw_ll_type(l, TW_INT, tw_ll_is_lanes(v[0])), LLVMTypeOf(v[0])};
      return tw_ll_intrinsic(l, "llvm.fptosi.sat", over, 2, v, 1); /* NaN gives 0 */
    }
  }
  return NULL;
}

/* ---- int and bool operations; they wrap */

/* Floor division; x / 0 is 0. The divisor is made harmless first: a trap would be taken even for a
 * lane that does not count. */
static LLVMValueRef floor_div(TwLl *l, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef zero = int_like(l, a, 0), one = int_like(l, a, 1);
  LLVMValueRef is_zero = LLVMBuildICmp(l->b, LLVMIntEQ, b, zero, "");
  LLVMValueRef is_neg1 = LLVMBuildICmp(l->b, LLVMIntEQ, b, int_like(l, a, -1), "");
  LLVMValueRef safe = tw_ll_select(l, LLVMBuildOr(l->b, is_zero, is_neg1, ""), one, b);
  LLVMValueRef q = LLVMBuildSDiv(l->b, a, safe, "");
  LLVMValueRef rest = LLVMBuildSub(l->b, a, LLVMBuildMul(l->b, q, safe, ""), "");
  LLVMValueRef inexact = LLVMBuildICmp(l->b, LLVMIntNE, rest, zero, "");
  LLVMValueRef signs = LLVMBuildICmp(l->b, LLVMIntSLT, LLVMBuildXor(l->b, a, safe, ""), zero, "");
  LLVMValueRef down = LLVMBuildAnd(l->b, inexact, signs, "");
  q = tw_ll_select(l, down, LLVMBuildSub(l->b, q, one, ""), q);
  q = tw_ll_select(l, is_neg1, LLVMBuildSub(l->b, zero, a, ""), q);
  return tw_ll_select(l, is_zero, zero, q);
}

static LLVMValueRef whole_op(TwLl *l, TwOp op, TwDtype d, LLVMValueRef *v) {
  switch ((int)op) {
    case TW_OP_neg: return LLVMBuildNeg(l->b, v[0], "");
    case TW_OP_add: return LLVMBuildAdd(l->b, v[0], v[1], "");
    case TW_OP_sub: return LLVMBuildSub(l->b, v[0], v[1], "");
    case TW_OP_mul: return LLVMBuildMul(l->b, v[0], v[1], "");
    case TW_OP_div: return floor_div(l, v[0], v[1]);
    case TW_OP_mod: return LLVMBuildSub(l->b, v[0], LLVMBuildMul(l->b, v[1], floor_div(l, v[0], v[1]), ""), "");
    case TW_OP_min: return tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntSLT, v[1], v[0], ""), v[1], v[0]);
    case TW_OP_max: return tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntSGT, v[1], v[0], ""), v[1], v[0]);
    case TW_OP_lt: return LLVMBuildICmp(l->b, LLVMIntSLT, v[0], v[1], "");
    case TW_OP_le: return LLVMBuildICmp(l->b, LLVMIntSLE, v[0], v[1], "");
    case TW_OP_eq: return LLVMBuildICmp(l->b, LLVMIntEQ, v[0], v[1], "");
    case TW_OP_ne: return LLVMBuildICmp(l->b, LLVMIntNE, v[0], v[1], "");
    case TW_OP_and: return LLVMBuildAnd(l->b, v[0], v[1], "");
    case TW_OP_or: return LLVMBuildOr(l->b, v[0], v[1], "");
    case TW_OP_not: return LLVMBuildNot(l->b, v[0], "");
    case TW_OP_to_int: return LLVMBuildZExt(l->b, v[0], tw_ll_type(l, TW_INT, tw_ll_is_lanes(v[0])), "");
    case TW_OP_to_real:
      if (d == TW_INT) return LLVMBuildSIToFP(l->b, v[0], tw_ll_type(l, TW_REAL, tw_ll_is_lanes(v[0])), "");
      return tw_ll_select(l, v[0], const_like(l, v[0], 1), const_like(l, v[0], 0));
  }
  return NULL;
}

/* ---- the table */

LLVMValueRef tw_ll_op(TwLl *l, TwOp op, TwDtype operand, LLVMValueRef *args, uint32_t n) {
  tw_ll_assert(l, n >= 1 && n <= 3);
  if (op == TW_OP_select) return choose(l, args[0], args[1], args[2]);
  match_all(l, args, n);
  for (uint32_t k = 0; k < n; k++)
    tw_ll_assert(l, LLVMTypeOf(args[k]) == tw_ll_type(l, operand, tw_ll_is_lanes(args[k])));
  LLVMValueRef v;
  if (tw_is_elementary(op)) v = elementary(l, op, args, n);
  else v = operand == TW_REAL ? real_op(l, op, args) : whole_op(l, op, operand, args);
  tw_ll_assert(l, v);
  return v;
}

LLVMValueRef tw_ll_fadd(TwLl *l, TwDtype d, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef args[2] = {a, b};
  return tw_ll_op(l, TW_OP_add, d, args, 2);
}

LLVMValueRef tw_ll_fma(TwLl *l, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  LLVMValueRef args[3] = {a, b, c};
  match_all(l, args, 3);
  LLVMTypeRef t = LLVMTypeOf(args[0]);
  return tw_ll_intrinsic(l, "llvm.fma", &t, 1, args, 3);
}

LLVMValueRef tw_ll_clamp(TwLl *l, LLVMValueRef i, int64_t n) {
  int64_t c;
  if (tw_ll_is_int_const(i, &c)) return tw_ll_i64(l, c < 0 ? 0 : c > n - 1 ? n - 1 : c);
  LLVMValueRef zero = int_like(l, i, 0), top = int_like(l, i, n - 1);
  i = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntSLT, i, zero, ""), zero, i);
  return tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntSGT, i, top, ""), top, i);
}
