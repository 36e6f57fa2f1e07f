/* scope.c: one function (a body or the whole) in one context: values of its refs, the walk over its
 * instructions, what happens to its results.
 *
 * requires: the builder stands where the code is to go; parameters are bound.
 * provides: code in program order, so an operand's code dominates its users'. */
#include "compiler/ir/elementary.h"
#include "compiler/llvm/ll.h"

TwLlScope *tw_ll_scope(TwLl *l, const TwPlFacts *facts) {
  TwLlScope *s = TW_NEW(l->arena, TwLlScope);
  uint32_t n = facts->fn->insts.len;
  s->l = l;
  s->fn = facts->fn;
  s->facts = facts;
  s->val = TW_NEW_N(l->arena, TwLlVal, n);
  s->home = TW_NEW_N(l->arena, const TwLlVal *, n);
  s->strips = TW_NEW_N(l->arena, struct TwLlOuter *, facts->fn->insts.len);
  s->done = TW_NEW_N(l->arena, bool, n);
  return s;
}

void tw_ll_bind(TwLlScope *s, uint32_t param, TwLlVal v) { s->val[s->fn->params.at[param]] = v; }

/* ---- memory that dies with its last reader */

void tw_ll_own(TwLlScope *s, uint32_t block, uint32_t last) {
  if (block) tw_vec_push(s->l->arena, &s->owned, (TwLlOwned){block, last});
}

void tw_ll_expire(TwLlScope *s, TwRef now) {
  uint32_t kept = 0;
  for (uint32_t k = 0; k < s->owned.len; k++) {
    if (s->owned.at[k].last <= now) tw_ll_free(s->l, s->owned.at[k].block);
    else s->owned.at[kept++] = s->owned.at[k];
  }
  s->owned.len = kept;
}

void tw_ll_scope_end(TwLlScope *s) { tw_ll_expire(s, UINT32_MAX); }

/* ---- scalars */

LLVMValueRef tw_ll_value(TwLlScope *s, TwRef r) {
  if (s->val[r].kind == TW_LL_NONE && s->level) tw_ll_seg_load(s, r);
  tw_ll_assert(s->l, s->val[r].kind == TW_LL_SCALAR);
  return s->val[r].v;
}

/* An operand of an operation on lane values. What is uniform is splatted from memory where it can be:
 * a broadcast from memory is free as an operand of arithmetic, one from a register is not. */
static LLVMValueRef operand(TwLlScope *s, TwRef a, bool lanes) {
  LLVMValueRef v = tw_ll_value(s, a);
  if (!lanes || tw_ll_is_lanes(v)) return v;
  const TwLlVal *u = &s->val[a];
  if (u->splat) return u->splat;
  if (u->wide) return tw_ll_load(s->l, u->dtype, true, u->wide);
  if (u->ptr && !LLVMIsConstant(v)) v = tw_ll_load(s->l, u->dtype, false, u->ptr);
  return tw_ll_splat(s->l, v);
}

LLVMValueRef tw_ll_operand(TwLlScope *s, TwRef a, bool lanes) { return operand(s, a, lanes); }

static LLVMValueRef scalar_op(TwLlScope *s, TwRef r) {
  LLVMValueRef args[3];
  uint32_t n = tw_inst(s->fn, r)->n_args;
  TwOp op = tw_op(s->fn, r);
  for (uint32_t k = 0; k < n; k++) args[k] = operand(s, tw_arg(s->fn, r, k), s->facts->varies[r]);
  return tw_ll_op(s->l, op, tw_info(s->fn, tw_arg(s->fn, r, op == TW_OP_select ? 1 : 0))->dtype, args, n);
}

static TwLlVal const_value(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  const TwTyInfo *t = tw_info(s->fn, r);
  double x = 0;
  LLVMValueRef c;
  tw_ll_assert(l, tw_is_const(s->fn, r, &x));
  if (t->dtype == TW_REAL) c = tw_ll_real(l, x);
  else if (t->dtype == TW_INT) c = tw_ll_i64(l, tw_attr(s->fn, r, 0));
  else c = LLVMConstInt(l->i1, tw_attr(s->fn, r, 0) != 0, false);
  TwLlVal v = tw_ll_scalar(t->dtype, c);
  v.rank = t->rank;
  for (uint32_t k = 0; k < t->rank; k++) v.dims[k] = t->dims[k];
  return v;
}

/* ---- elementary functions of uniform scalars: a call makes as many as a vector has */

/* A uniform scalar that can be made at r: it is there, or only arithmetic on such. */
static bool is_ready(const TwLlScope *s, TwRef r, TwRef a, uint32_t depth) {
  const TwPlFacts *x = s->facts;
  if (a < r || s->done[a]) return s->val[a].kind == TW_LL_SCALAR && !tw_ll_is_lanes(s->val[a].v);
  TwOp op = tw_op(s->fn, a);
  bool simple = x->uses[a] && tw_info(s->fn, a)->rank == 0 && !x->varies[a] && x->inner[a] == x->inner[r] &&
                !x->group[a] && !x->late[a] && !x->fused[a];
  if (!simple || depth == 0 || !(op == TW_OP_const || (tw_pl_is_elementwise(op) && !tw_is_elementary(op))))
    return false;
  for (uint32_t k = 0; k < tw_inst(s->fn, a)->n_args; k++)
    if (!is_ready(s, r, tw_arg(s->fn, a, k), depth - 1)) return false;
  return true;
}

static LLVMValueRef make_early(TwLlScope *s, TwRef r, TwRef a) {
  if (a >= r && !s->done[a]) {
    for (uint32_t k = 0; k < tw_inst(s->fn, a)->n_args; k++) make_early(s, r, tw_arg(s->fn, a, k));
    if (tw_op(s->fn, a) == TW_OP_const) s->val[a] = const_value(s, a);
    else s->val[a] = tw_ll_scalar(tw_info(s->fn, a)->dtype, scalar_op(s, a));
    s->done[a] = true;
  }
  return tw_ll_value(s, a);
}

/* r and later ones like it; returns how many. */
static uint32_t find_alike(const TwLlScope *s, TwRef r, TwRef *out, uint32_t most) {
  enum { DEPTH = 4, WINDOW = 256 };
  const TwPlFacts *x = s->facts;
  uint32_t n = 0;
  for (TwRef q = r; q < s->fn->insts.len && q < r + WINDOW && n < most; q++) {
    bool alike = tw_op(s->fn, q) == tw_op(s->fn, r) && x->uses[q] && tw_info(s->fn, q)->rank == 0 && !x->varies[q] &&
                 x->inner[q] == x->inner[r] && !x->group[q] && !x->late[q] && !x->fused[q] && !s->done[q];
    for (uint32_t k = 0; alike && k < tw_inst(s->fn, q)->n_args; k++)
      alike = is_ready(s, r, tw_arg(s->fn, q, k), DEPTH);
    if (alike) out[n++] = q;
  }
  return n;
}

/* False: there is only r. */
static bool make_alike(TwLlScope *s, TwRef r) {
  TwLl *l = s->l;
  TwRef alike[TW_LANES] = {0};
  uint32_t width = l->f64 ? 2 : 4, lanes = l->lanes, n = find_alike(s, r, alike, width);
  if (n < 2) return false;
  LLVMValueRef args[2];
  l->lanes = width;
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
    args[k] = tw_ll_splat(l, tw_ll_value(s, tw_arg(s->fn, r, k)));
    for (uint32_t j = 1; j < n; j++) {
      LLVMValueRef x = make_early(s, r, tw_arg(s->fn, alike[j], k)), id = LLVMConstInt(l->i32, j, false);
      args[k] = LLVMBuildInsertElement(l->b, args[k], x, id, "");
    }
  }
  LLVMValueRef all = tw_ll_op(l, tw_op(s->fn, r), TW_REAL, args, tw_inst(s->fn, r)->n_args);
  l->lanes = lanes;
  for (uint32_t j = 0; j < n; j++) {
    LLVMValueRef v = LLVMBuildExtractElement(l->b, all, LLVMConstInt(l->i32, j, false), "");
    s->val[alike[j]] = tw_ll_scalar(TW_REAL, v);
    s->done[alike[j]] = j > 0;
  }
  return true;
}

static void scalar_inst(TwLlScope *s, TwRef r) {
  bool one = !tw_is_elementary(tw_op(s->fn, r)) || s->facts->varies[r] || s->level;
  if (one || !make_alike(s, r)) s->val[r] = tw_ll_scalar(tw_info(s->fn, r)->dtype, scalar_op(s, r));
}

/* Element `e` of a draw: one call; in lanes one call a lane. */
LLVMValueRef tw_ll_draw_value(TwLlScope *s, TwRef r, LLVMValueRef e) {
  TwLl *l = s->l;
  LLVMTypeRef f64 = LLVMDoubleTypeInContext(l->ctx);
  LLVMValueRef seed = tw_ll_value(s, tw_arg(s->fn, r, 0));
  LLVMValueRef at = tw_ll_add(l, tw_ll_value(s, tw_arg(s->fn, r, 1)), e);
  LLVMValueRef key = tw_ll_i64(l, tw_attr(s->fn, r, 0));
  bool lanes = tw_ll_is_lanes(seed) || tw_ll_is_lanes(at);
  LLVMValueRef all = LLVMGetPoison(tw_ll_type(l, TW_REAL, true));
  for (unsigned k = 0; k < (lanes ? s->l->lanes : 1u); k++) {
    LLVMValueRef id = LLVMConstInt(l->i32, k, false);
    LLVMValueRef args[3] = {tw_ll_is_lanes(seed) ? LLVMBuildExtractElement(l->b, seed, id, "") : seed, key,
                            tw_ll_is_lanes(at) ? LLVMBuildExtractElement(l->b, at, id, "") : at};
    LLVMValueRef u = tw_ll_call(l, "tw_rt_uniform", f64, args, 3);
    if (!l->f64) u = LLVMBuildFPTrunc(l->b, u, tw_ll_type(l, TW_REAL, false), "");
    if (!lanes) return u;
    all = LLVMBuildInsertElement(l->b, all, u, id, "");
  }
  return all;
}

/* ---- instructions */

static void tensor_inst(TwLlScope *s, TwRef r) {
  if (s->facts->lazy[r])
    s->val[r] = (TwLlVal){.kind = TW_LL_LAZY, .dtype = tw_info(s->fn, r)->dtype, .lanes = s->facts->varies[r]};
  else tw_ll_materialize(s, r);
}

static void get_inst(TwLlScope *s, TwRef r) {
  const TwLlVal *tuple = &s->val[tw_arg(s->fn, r, 0)];
  tw_ll_assert(s->l, tuple->kind == TW_LL_TUPLE);
  s->val[r] = tuple->parts[tw_attr(s->fn, r, 0)];
}

static void own_inst(TwLlScope *s, TwRef r) {
  bool scalar = tw_info(s->fn, r)->rank == 0;
  switch ((int)tw_op(s->fn, r)) {
    case TW_OP_param: return;
    case TW_OP_const: s->val[r] = const_value(s, r); return;
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice: tw_ll_shape_op(s, r); return;
    case TW_OP_index: tw_ll_index(s, r); return;
    case TW_OP_add_at: tw_ll_add_at(s, r); return;
    case TW_OP_scan: tw_ll_scan(s, r); return;
    case TW_OP_samples: tw_ll_samples(s, r); return;
    case TW_OP_cond: tw_ll_cond(s, r); return;
    case TW_OP_get: get_inst(s, r); return;
    case TW_OP_draw:
      if (scalar) s->val[r] = tw_ll_scalar(TW_REAL, tw_ll_draw_value(s, r, tw_ll_i64(s->l, 0)));
      else tensor_inst(s, r);
      return;
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin:
    case TW_OP_argmask:
    case TW_OP_dot:
      if (!scalar) tensor_inst(s, r);
      else if (tw_op(s->fn, r) == TW_OP_argmask) s->val[r] = tw_ll_scalar(TW_BOOL, LLVMConstInt(s->l->i1, 1, false));
      else s->val[r] = tw_ll_scalar(tw_info(s->fn, r)->dtype, tw_ll_reduce_scalar(s, r));
      return;
    default: tensor_inst(s, r); /* iota, concat, pad */
  }
}

void tw_ll_inst(TwLlScope *s, TwRef r) {
  if (!s->facts->uses[r] || s->facts->fused[r]) return;
  if (s->done[r]) {
    s->done[r] = false;
    return;
  }
  s->l->at = tw_inst(s->fn, r)->span;
  if (s->facts->group[r]) {
    const TwPlGroup *g = &s->facts->groups.at[s->facts->group[r] - 1];
    if (r == g->last) tw_ll_group(s, g);
    return;
  }
  if (s->facts->late[r]) return;
  if (!tw_pl_is_elementwise(tw_op(s->fn, r))) own_inst(s, r);
  else if (tw_info(s->fn, r)->rank == 0) scalar_inst(s, r);
  else tensor_inst(s, r);
}

void tw_ll_late_inst(TwLlScope *s, TwRef r) { s->val[r] = tw_ll_scalar(tw_info(s->fn, r)->dtype, scalar_op(s, r)); }

/* ---- results */

void tw_ll_homes(TwLlScope *s, const TwLlVal *dest) {
  for (uint32_t k = 0; dest && k < s->fn->results.len; k++) {
    TwRef r = s->fn->results.at[k];
    if (dest[k].kind != TW_LL_VIEW || s->home[r] || s->facts->lazy[r] || dest[k].lanes != s->facts->varies[r]) continue;
    s->home[r] = &dest[k];
  }
}

const TwLlVal *tw_ll_get_home(TwLlScope *s, TwRef region, uint32_t k) {
  for (TwRef r = region + 1; r < s->fn->insts.len; r++)
    if (tw_op(s->fn, r) == TW_OP_get && tw_arg(s->fn, r, 0) == region && tw_attr(s->fn, r, 0) == (int64_t)k)
      return s->home[r];
  return NULL;
}

void tw_ll_results(TwLlScope *s, const TwLlVal *dest, TwLlVal *out) {
  for (uint32_t k = 0; k < s->fn->results.len; k++) {
    TwRef r = s->fn->results.at[k];
    if (tw_info(s->fn, r)->rank == 0) {
      if (!s->facts->fused[r]) tw_ll_value(s, r);
      out[k] = s->val[r];
    } else if (dest && dest[k].kind == TW_LL_VIEW) {
      const TwLlVal *v = &s->val[r];
      if (v->kind != TW_LL_VIEW || v->ptr != dest[k].ptr) tw_ll_into(s, r, &dest[k]);
      out[k] = dest[k];
    } else {
      out[k] = s->val[r];
    }
  }
}

void tw_ll_body(TwLlScope *s, const TwLlVal *dest, TwLlVal *out) {
  tw_ll_homes(s, dest);
  for (TwRef r = 1; r < s->fn->insts.len; r++) {
    tw_ll_inst(s, r);
    tw_ll_expire(s, r);
  }
  tw_ll_results(s, dest, out);
}

/* A value for use in a body: tensors in memory. */
TwLlVal tw_ll_for_body(TwLlScope *s, TwRef r) {
  if (s->val[r].kind == TW_LL_LAZY) tw_ll_materialize(s, r);
  if (tw_info(s->fn, r)->rank == 0) tw_ll_value(s, r);
  TwLlVal v = s->val[r];
  v.block = 0; /* stays this scope's */
  return v;
}

/* Where result k of a region goes: where it is wanted, or into a block of this scope's. */
TwLlVal tw_ll_result_memory(TwLlScope *s, TwRef region, uint32_t k, const TwTyInfo *t, bool lanes) {
  const TwLlVal *home = tw_ll_get_home(s, region, k);
  if (home && home->lanes == lanes) {
    TwLlVal v = *home;
    v.block = 0;
    return v;
  }
  TwLlVal v = tw_ll_new_tensor(s->l, t, lanes);
  tw_ll_own(s, v.block, s->facts->last[region]);
  v.block = 0;
  return v;
}

/* ---- the function that the runtime calls: TwRtEntry */

static LLVMValueRef load_pointer(TwLl *l, LLVMValueRef base, uint64_t k) {
  return LLVMBuildLoad2(l->b, l->ptr, tw_ll_byte_at(l, base, 8 * k), "");
}

static void bind_params(TwLlScope *s, LLVMValueRef in) {
  TwLl *l = s->l;
  for (uint32_t k = 0; k < s->fn->params.len; k++) {
    TwRef p = s->fn->params.at[k];
    const TwTyInfo *t = tw_info(s->fn, p);
    if (!s->facts->uses[p]) continue;
    LLVMValueRef ptr = load_pointer(l, in, k);
    TwLlVal v;
    if (t->rank == 0) {
      v = tw_ll_scalar(t->dtype, tw_ll_load(l, t->dtype, false, ptr));
      v.ptr = ptr;
    } else {
      v = tw_ll_contiguous(t, ptr, false);
      v.padded = t->dtype == TW_REAL;
      v.fixed = true;
    }
    tw_ll_bind(s, k, v);
  }
}

/* Does it compute a value, and nothing else? What is not named here stays. */
static bool only_computes(LLVMValueRef i) {
  if (LLVMIsALoadInst(i) || LLVMIsAGetElementPtrInst(i) || LLVMIsAPHINode(i)) return true;
  if (LLVMIsABinaryOperator(i) || LLVMIsAUnaryOperator(i) || LLVMIsACastInst(i) || LLVMIsACmpInst(i)) return true;
  if (LLVMIsAExtractElementInst(i) || LLVMIsAInsertElementInst(i) || LLVMIsAShuffleVectorInst(i)) return true;
  return LLVMIsASelectInst(i) || LLVMIsAExtractValueInst(i) || LLVMIsAFreezeInst(i);
}

void tw_ll_erase_unread(TwLl *l) {
  for (LLVMBasicBlockRef b = LLVMGetLastBasicBlock(l->fn); b; b = LLVMGetPreviousBasicBlock(b))
    for (LLVMValueRef i = LLVMGetLastInstruction(b), before; i; i = before) {
      before = LLVMGetPreviousInstruction(i);
      if (only_computes(i) && !LLVMGetFirstUse(i)) LLVMInstructionEraseFromParent(i);
    }
}

void tw_ll_entry(TwLl *l, const TwLlFn *f) {
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), &l->ptr, 1, false);
  l->fn = LLVMAddFunction(l->mod, f->symbol, type);
  l->work_bytes = 0;
  l->chunks = 0;
  l->blocks.len = 0;
  LLVMPositionBuilderAtEnd(l->b, tw_ll_new_block(l, "entry"));
  LLVMValueRef call = LLVMGetParam(l->fn, 0);
  LLVMValueRef in = load_pointer(l, call, 0), out = load_pointer(l, call, 1);
  l->work = load_pointer(l, call, 2);
  uint32_t n = f->fn->results.len;
  TwPlFacts *facts = tw_pl_facts(l->arena, f->fn, NULL, TW_PL_TOP, NULL);
  TwLlScope *s = tw_ll_scope(l, facts);
  bind_params(s, in);
  TwLlVal *dest = TW_NEW_N(l->arena, TwLlVal, n + 1), *results = TW_NEW_N(l->arena, TwLlVal, n + 1);
  for (uint32_t k = 0; k < n; k++) {
    const TwTyInfo *t = tw_info(f->fn, f->fn->results.at[k]);
    dest[k] = tw_ll_contiguous(t, load_pointer(l, out, k), false);
    dest[k].padded = t->dtype == TW_REAL;
    if (t->rank == 0) dest[k].kind = TW_LL_NONE;
  }
  tw_ll_body(s, dest, results);
  for (uint32_t k = 0; k < n; k++)
    if (dest[k].kind == TW_LL_NONE) tw_ll_store(l, results[k].dtype, results[k].v, dest[k].ptr);
  tw_ll_scope_end(s);
  LLVMBuildRetVoid(l->b);
  tw_ll_erase_unread(l);
}
