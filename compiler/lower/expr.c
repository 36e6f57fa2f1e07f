/* expr.c: typed expressions and statements -> IR.
 *
 * requires: a typed tree without poison and a scope that binds, or can resolve, all it uses.
 * provides: its leaves as refs of the scope's function; each instruction has the span of its node. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lower/internal.h"
#include "compiler/base/bug.h"

static TwTy leaf_type(TwScope *s, const TwType *t) {
  TwTy ty;
  tw_lw_leaf_types(s->lw, t, &ty);
  return ty;
}

static TwVal one(TwScope *s, TwRef r) {
  TwVal v = tw_lw_val(s->lw, 1);
  v.leaf[0] = r;
  return v;
}

TwRef tw_lw_ref(TwScope *s, const TwTx *t) {
  TwVal v = tw_lw_tx(s, t);
  assert(v.n == 1);
  return v.leaf[0];
}

static TwRef lower_op(TwScope *s, const TwTx *t) {
  TwTy ty = leaf_type(s, t->type);
  TwRef a[3] = {0};
  assert(t->args.len >= 1 && t->args.len <= 3);
  for (uint32_t k = 0; k < t->args.len; k++) a[k] = tw_lw_ref(s, t->args.at[k]);
  s->f->at = t->span;
  for (uint32_t k = 0; k < t->args.len; k++) a[k] = tw_fit(s->f, a[k], ty);
  if (t->op == TW_OP_abs && t->type->dtype == TW_INT) /* the IR's abs is of reals */
    return tw_binary(s->f, TW_OP_max, a[0], tw_unary(s->f, TW_OP_neg, a[0]));
  if (t->args.len == 1) return tw_unary(s->f, t->op, a[0]);
  if (t->args.len == 2) return tw_binary(s->f, t->op, a[0], a[1]);
  if (t->op == TW_OP_along) return tw_along(s->f, a[0], a[1], a[2]);
  return t->op == TW_OP_fma ? tw_fma(s->f, a[0], a[1], a[2]) : tw_select(s->f, a[0], a[1], a[2]);
}

/* x^n by squaring, lowest bit first: a fixed chain, so the same bits everywhere. */
static TwRef lower_powi(TwScope *s, const TwTx *t) {
  TwRef x = tw_lw_ref(s, t->args.at[0]);
  s->f->at = t->span;
  uint64_t n = t->integer < 0 ? 0 - (uint64_t)t->integer : (uint64_t)t->integer;
  TwTy ty = tw_type(s->f, x);
  TwRef result = 0;
  for (TwRef square = x; n; n >>= 1) {
    if (n & 1) result = result ? tw_binary(s->f, TW_OP_mul, result, square) : square;
    if (n > 1) square = tw_binary(s->f, TW_OP_mul, square, square);
  }
  TwRef unit = tw_const(s->f, ty, 1);
  if (!result) return unit;
  return t->integer < 0 ? tw_binary(s->f, TW_OP_div, unit, result) : result;
}

static TwRef lower_matmul(TwScope *s, const TwTx *t) {
  TwRef a = tw_lw_ref(s, t->args.at[0]), b = tw_lw_ref(s, t->args.at[1]);
  s->f->at = t->span;
  int64_t ca = (int64_t)tw_info(s->f, a)->rank - 1, cb = 0;
  return tw_dot(s->f, a, b, &ca, &cb, 1);
}

static TwRef all_axes_reduce(TwScope *s, TwOp op, TwRef a) {
  int64_t axes[TW_MAX_RANK];
  uint32_t rank = tw_info(s->f, a)->rank;
  for (uint32_t k = 0; k < rank; k++) axes[k] = k;
  return rank ? tw_reduce(s->f, op, a, axes, rank) : a;
}

static TwRef lower_reduce(TwScope *s, const TwTx *t) {
  TwRef a = tw_lw_ref(s, t->args.at[0]);
  s->f->at = t->span;
  TwTyInfo info = *tw_info(s->f, a);
  switch (t->reduce) {
    case TW_RE_SUM: return tw_sum_all(s->f, a);
    case TW_RE_MEAN: return tw_binary(s->f, TW_OP_div, tw_sum_all(s->f, a), tw_real(s->f, (double)info.count));
    case TW_RE_PROD: return tw_lw_prod(s, a);
    case TW_RE_MIN: return all_axes_reduce(s, TW_OP_rmin, a);
    case TW_RE_MAX: return all_axes_reduce(s, TW_OP_rmax, a);
    case TW_RE_ANY:
    case TW_RE_ALL: {
      TwRef r = tw_unary(s->f, TW_OP_to_real, a);
      r = all_axes_reduce(s, t->reduce == TW_RE_ANY ? TW_OP_rmax : TW_OP_rmin, r);
      return tw_binary(s->f, TW_OP_ne, r, tw_real(s->f, 0));
    }
  }
  return 0;
}

/* Drops axis `axis` at position i. */
static TwRef index_axis(TwScope *s, TwRef a, uint32_t axis, TwRef i) {
  TwFn *f = s->f;
  TwTyInfo info = *tw_info(f, a);
  if (axis > 0) {
    int64_t perm[TW_MAX_RANK];
    perm[0] = axis;
    for (uint32_t k = 1; k < info.rank; k++) perm[k] = k <= axis ? (int64_t)k - 1 : (int64_t)k;
    a = tw_transpose(f, a, perm);
  }
  return tw_index(f, a, i);
}

static TwRef slice_axis(TwScope *s, TwRef a, uint32_t axis, int64_t lo, int64_t n) {
  TwTyInfo info = *tw_info(s->f, a);
  if (lo == 0 && info.dims[axis] == n) return a;
  int64_t start_step[2 * TW_MAX_RANK];
  for (uint32_t k = 0; k < info.rank; k++) {
    start_step[2 * k] = k == axis ? lo : 0;
    start_step[2 * k + 1] = 1;
  }
  info.dims[axis] = n;
  return tw_slice(s->f, a, tw_ty(s->lw->m, info.dtype, info.rank, info.dims), start_step);
}

static TwVal lower_index(TwScope *s, const TwTx *t) {
  TwKey key;
  uint32_t first = 0;
  TwVal v;
  if (tw_lw_recur_read(s->lw, t, &key)) {
    v = tw_lw_get(s, key);
    first = 1;
  } else {
    v = tw_lw_tx(s, t->args.at[0]);
  }
  TwVal out = tw_lw_val(s->lw, v.n);
  memcpy(out.leaf, v.leaf, v.n * sizeof *v.leaf);
  uint32_t axis = 0;
  for (uint32_t k = first; k < t->items.len; k++) {
    const TwIndexItem *it = &t->items.at[k];
    TwRef i = it->at ? tw_lw_ref(s, it->at) : 0;
    s->f->at = t->span;
    for (uint32_t j = 0; j < v.n; j++)
      out.leaf[j] = it->at ? index_axis(s, out.leaf[j], axis, i) : slice_axis(s, out.leaf[j], axis, it->lo, it->n);
    if (!it->at) axis++;
  }
  return out;
}

static TwVal lower_field(TwScope *s, const TwTx *t) {
  TwVal v = tw_lw_tx(s, t->args.at[0]);
  const TwType *type = t->args.at[0]->type;
  while (type->kind == TW_TY_ARRAY) type = type->elem;
  uint32_t at = 0;
  for (uint32_t k = 0; k < t->index; k++) at += tw_lw_leaves(type->fields.at[k].type);
  return (TwVal){tw_lw_leaves(type->fields.at[t->index].type), v.leaf + at};
}

static TwVal lower_tuple(TwScope *s, const TwTx *t) {
  TwVal out = tw_lw_val(s->lw, tw_lw_leaves(t->type));
  uint32_t n = 0;
  for (uint32_t k = 0; k < t->args.len; k++) {
    TwVal v = tw_lw_tx(s, t->args.at[k]);
    memcpy(out.leaf + n, v.leaf, v.n * sizeof *v.leaf);
    n += v.n;
  }
  return out;
}

/* Leaves of all args joined: stacked on a new axis (ARRAY) or along the leading one (CONCAT). */
static TwVal lower_join(TwScope *s, const TwTx *t, bool stack) {
  uint32_t n = t->args.len, leaves = tw_lw_leaves(t->type);
  TwVal out = tw_lw_val(s->lw, leaves);
  TwVal *vals = TW_NEW_N(s->lw->arena, TwVal, n);
  TwRef *parts = TW_NEW_N(s->lw->arena, TwRef, n);
  for (uint32_t k = 0; k < n; k++) vals[k] = tw_lw_tx(s, t->args.at[k]);
  s->f->at = t->span;
  for (uint32_t j = 0; j < leaves; j++) {
    for (uint32_t k = 0; k < n; k++) parts[k] = vals[k].leaf[j];
    out.leaf[j] = stack ? tw_stack(s->f, parts, n) : tw_concat(s->f, parts, n, 0);
  }
  return out;
}

/* Operations whose value and partials are finite for finite operands. */
static bool finite_op(const TwTx *t) {
  switch (t->op) {
    case TW_OP_neg:
    case TW_OP_abs:
    case TW_OP_sign:
    case TW_OP_relu:
    case TW_OP_floor:
    case TW_OP_sin:
    case TW_OP_cos:
    case TW_OP_tanh:
    case TW_OP_atan:
    case TW_OP_logistic:
    case TW_OP_add:
    case TW_OP_sub:
    case TW_OP_mul:
    case TW_OP_min:
    case TW_OP_max:
    case TW_OP_lt:
    case TW_OP_le:
    case TW_OP_eq:
    case TW_OP_ne:
    case TW_OP_and:
    case TW_OP_or:
    case TW_OP_not:
    case TW_OP_select:
    case TW_OP_to_real:
    case TW_OP_to_int: return true;
    case TW_OP_div: return t->args.at[1]->kind == TW_TX_CONST && t->args.at[1]->number != 0;
    default: return false; /* the rest may overflow or have a pole; so may what is added to the table later */
  }
}

/* An index may be out of range in the branch that is not taken, so it is not total unless it is known. */
static bool simple(const TwTx *t, int *budget) {
  if (--*budget < 0) return false;
  switch (t->kind) {
    case TW_TX_CONST:
    case TW_TX_LOCAL:
    case TW_TX_PARAM: return true;
    case TW_TX_OP:
    case TW_TX_POWI:
    case TW_TX_FIELD:
      if (t->type->kind != TW_TY_TENSOR && t->kind != TW_TX_FIELD) return false;
      if (t->kind == TW_TX_OP && !finite_op(t)) return false;
      if (t->kind == TW_TX_POWI && t->integer < 0) return false;
      for (uint32_t k = 0; k < t->args.len; k++)
        if (!simple(t->args.at[k], budget)) return false;
      return true;
    case TW_TX_INDEX:
      for (uint32_t k = 0; k < t->items.len; k++)
        if (t->items.at[k].at && !t->items.at[k].at->known) return false;
      return simple(t->args.at[0], budget);
    case TW_TX_BLOCK:
      if (t->stmts.len > 4) return false;
      for (uint32_t k = 0; k < t->stmts.len; k++)
        if (t->stmts.at[k]->kind != TW_TS_LET || !simple(t->stmts.at[k]->value, budget)) return false;
      return simple(t->args.at[0], budget);
    case TW_TX_POISON:
    case TW_TX_WEIGHTS:
    case TW_TX_GLOBAL:
    case TW_TX_MATMUL:
    case TW_TX_TRANSPOSE:
    case TW_TX_REDUCE:
    case TW_TX_TUPLE:
    case TW_TX_ARRAY:
    case TW_TX_FILL:
    case TW_TX_CONCAT:
    case TW_TX_FOR:
    case TW_TX_REDUCE_FOR:
    case TW_TX_IF:
    case TW_TX_DRAW:
    case TW_TX_LOADED:
    case TW_TX_DERIVATIVE: return false;
  }
  return false;
}

bool tw_lw_simple(const TwTx *t) {
  int budget = 48;
  return simple(t, &budget);
}

static TwVal lower_if(TwScope *s, const TwTx *t) {
  if (t->type->kind == TW_TY_TENSOR && tw_lw_simple(t->args.at[1]) && tw_lw_simple(t->args.at[2])) {
    TwTy ty = leaf_type(s, t->type);
    TwRef c = tw_lw_ref(s, t->args.at[0]), a = tw_lw_ref(s, t->args.at[1]), b = tw_lw_ref(s, t->args.at[2]);
    s->f->at = t->span;
    TwTy cty = tw_ty_with(s->lw->m, TW_BOOL, ty);
    return one(s, tw_select(s->f, tw_fit(s->f, c, cty), tw_fit(s->f, a, ty), tw_fit(s->f, b, ty)));
  }
  return tw_lw_cond(s, t);
}

/* FNV-1a of the qualified name, mixed with the draw's ordinal: what P8 and variants share draws by. */
static uint64_t draw_key(const char *name, uint32_t ordinal) {
  uint64_t h = 14695981039346656037ull;
  for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 1099511628211ull;
  h = (h ^ ordinal) * 1099511628211ull;
  return h ^ h >> 31;
}

static TwRef lower_draw(TwScope *s, const TwTx *t) {
  TwRef seed = tw_lw_get(s, tw_key(TW_KEY_SEED, 0)).leaf[0];
  TwRef drawn = tw_lw_get(s, tw_key(TW_KEY_DRAWN, 0)).leaf[0];
  TwTy ty = leaf_type(s, t->type);
  s->f->at = t->span;
  int64_t count = tw_ty_info(s->lw->m, ty)->count;
  TwRef offset = tw_binary(s->f, TW_OP_mul, drawn, tw_int(s->f, count));
  return tw_draw(s->f, ty, seed, offset, draw_key(s->lw->law_name ? s->lw->law_name : "", t->index));
}

static TwVal lower_block(TwScope *s, const TwTx *t) {
  uint32_t mark = s->bound.len;
  for (uint32_t k = 0; k < t->stmts.len; k++) tw_lw_ts(s, t->stmts.at[k]);
  TwVal v = tw_lw_tx(s, t->args.at[0]);
  /* Locals of the block end here; params and weights that were resolved on the way stay. */
  uint32_t n = mark;
  for (uint32_t k = mark; k < s->bound.len; k++)
    if (s->bound.at[k].key >> 56 != TW_KEY_LOCAL) s->bound.at[n++] = s->bound.at[k];
  s->bound.len = n;
  return v;
}

static TwRef lower_const(TwScope *s, const TwTx *t) {
  double v = t->type->dtype == TW_INT ? (double)t->integer : t->number;
  return tw_const(s->f, leaf_type(s, t->type), v);
}

TwVal tw_lw_tx(TwScope *s, const TwTx *t) {
  s->f->at = t->span;
  if (t->known && t->type->kind == TW_TY_TENSOR && t->type->rank == 0 && t->type->dtype == TW_INT)
    return one(s, tw_int(s->f, t->integer));
  switch (t->kind) {
    case TW_TX_CONST: return one(s, lower_const(s, t));
    case TW_TX_LOCAL: return tw_lw_get(s, tw_key(TW_KEY_LOCAL, t->local->id));
    case TW_TX_PARAM: return tw_lw_get(s, tw_key(TW_KEY_PARAM, t->index));
    case TW_TX_WEIGHTS: return tw_lw_get(s, tw_key(TW_KEY_WEIGHTS, t->index));
    case TW_TX_GLOBAL: return tw_lw_get(s, tw_key(TW_KEY_GLOBAL, t->index));
    case TW_TX_OP: return one(s, lower_op(s, t));
    case TW_TX_POWI: return one(s, lower_powi(s, t));
    case TW_TX_MATMUL: return one(s, lower_matmul(s, t));
    case TW_TX_TRANSPOSE: {
      static const int64_t swap[2] = {1, 0};
      return one(s, tw_transpose(s->f, tw_lw_ref(s, t->args.at[0]), swap));
    }
    case TW_TX_REDUCE: return one(s, lower_reduce(s, t));
    case TW_TX_INDEX: return lower_index(s, t);
    case TW_TX_FIELD: return lower_field(s, t);
    case TW_TX_TUPLE: return lower_tuple(s, t);
    case TW_TX_ARRAY: return lower_join(s, t, true);
    case TW_TX_CONCAT: return lower_join(s, t, false);
    case TW_TX_FILL: return one(s, tw_fit(s->f, tw_lw_ref(s, t->args.at[0]), leaf_type(s, t->type)));
    case TW_TX_FOR: return tw_lw_for(s, t);
    case TW_TX_REDUCE_FOR: return tw_lw_reduce_for(s, t);
    case TW_TX_IF: return lower_if(s, t);
    case TW_TX_BLOCK: return lower_block(s, t);
    case TW_TX_DRAW: return one(s, lower_draw(s, t));
    case TW_TX_LOADED:
      return tw_lw_unpack(s, t->type, tw_lw_get(s, tw_key(TW_KEY_LOADED, 0)).leaf[0], (uint64_t)t->integer);
    case TW_TX_DERIVATIVE: return tw_lw_derivative(s, t);
    case TW_TX_POISON: break;
  }
  tw_bug("internal error: a poisoned expression reached lowering (%u:%u)", t->span.file, t->span.start);
}

void tw_lw_ts(TwScope *s, const TwTs *t) {
  s->f->at = t->span;
  switch (t->kind) {
    case TW_TS_LET: tw_lw_bind(s, tw_key(TW_KEY_LOCAL, t->local->id), tw_lw_tx(s, t->value)); return;
    case TW_TS_RECUR: tw_lw_recur(s, t); return;
    case TW_TS_LOOP: tw_lw_loop(s, t); return;
  }
}
