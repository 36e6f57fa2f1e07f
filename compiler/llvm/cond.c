/* cond.c: branches. A uniform predicate jumps. One that depends on the sample evaluates both bodies
 * and picks lane by lane; nothing in a body can fault, so that is safe. */
#include "compiler/llvm/ll.h"

static void branch(TwLlScope *s, TwRef r, const TwPlFacts *facts, const TwLlVal *dest, TwLlVal *out) {
  const TwRegion *g = tw_region(s->fn, r);
  TwLlScope *b = tw_ll_scope(s->l, facts);
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_bind(b, k, tw_ll_for_body(s, tw_arg(s->fn, r, k + 1)));
  tw_ll_body(b, dest, out);
  for (uint32_t k = 0; k < g->n_ys; k++)
    if (dest[k].kind == TW_LL_NONE && dest[k].lanes) out[k] = tw_ll_scalar(out[k].dtype, tw_ll_splat(s->l, out[k].v));
  tw_ll_scope_end(b);
}

/* Where each tensor result goes; of a scalar only whether it varies. */
static TwLlVal *destinations(TwLlScope *s, TwRef r, bool wanted) {
  const TwRegion *g = tw_region(s->fn, r);
  const TwPlRegionFacts *rf = &s->facts->regions[r];
  TwLlVal *dest = TW_NEW_N(s->l->arena, TwLlVal, g->n_ys + 1);
  for (uint32_t k = 0; k < g->n_ys; k++) {
    TwTyInfo t = *tw_info(g->body, g->body->results.at[k]);
    if (t.rank == 0) {
      dest[k].lanes = rf->res_varies[k];
      continue;
    }
    if (wanted) {
      dest[k] = tw_ll_result_memory(s, r, k, &t, rf->res_varies[k]);
      continue;
    }
    dest[k] = tw_ll_new_tensor(s->l, &t, rf->res_varies[k]);
    tw_ll_own(s, dest[k].block, r);
    dest[k].block = 0;
  }
  return dest;
}

static void jump(TwLlScope *s, TwRef r, LLVMValueRef pred, TwLlVal *out) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  const TwPlRegionFacts *rf = &s->facts->regions[r];
  TwLlVal *dest = destinations(s, r, true);
  TwLlVal *yes = TW_NEW_N(l->arena, TwLlVal, g->n_ys + 1), *no = TW_NEW_N(l->arena, TwLlVal, g->n_ys + 1);
  LLVMBasicBlockRef then = tw_ll_new_block(l, "then"), other = tw_ll_new_block(l, "else"),
                    after = tw_ll_new_block(l, "join");
  LLVMBuildCondBr(l->b, pred, then, other);
  tw_ll_place(l, then);
  branch(s, r, rf->body, dest, yes);
  LLVMBasicBlockRef ends[2] = {LLVMGetInsertBlock(l->b)};
  LLVMBuildBr(l->b, after);
  tw_ll_place(l, other);
  branch(s, r, rf->other, dest, no);
  ends[1] = LLVMGetInsertBlock(l->b);
  LLVMBuildBr(l->b, after);
  tw_ll_place(l, after);
  for (uint32_t k = 0; k < g->n_ys; k++) {
    if (dest[k].kind == TW_LL_VIEW) {
      out[k] = dest[k];
      continue;
    }
    LLVMValueRef in[2] = {yes[k].v, no[k].v};
    tw_ll_assert(l, LLVMTypeOf(in[0]) == LLVMTypeOf(in[1]));
    LLVMValueRef phi = LLVMBuildPhi(l->b, LLVMTypeOf(in[0]), "");
    LLVMAddIncoming(phi, in, ends, 2);
    out[k] = tw_ll_scalar(yes[k].dtype, phi);
  }
}

typedef struct PickEnv {
  TwLl *l;
  LLVMValueRef pred;
  const TwLlVal *yes, *no;
} PickEnv;

static LLVMValueRef pick_gen(void *env, const TwLlAt *at) {
  PickEnv *e = env;
  return tw_ll_select(e->l, e->pred, tw_ll_view_load(e->l, e->yes, at), tw_ll_view_load(e->l, e->no, at));
}

static void pick_by_lane(TwLlScope *s, TwRef r, LLVMValueRef pred, TwLlVal *out) {
  TwLl *l = s->l;
  const TwRegion *g = tw_region(s->fn, r);
  const TwPlRegionFacts *rf = &s->facts->regions[r];
  TwLlVal *dest = destinations(s, r, true), *yes_at = destinations(s, r, false), *no_at = destinations(s, r, false);
  TwLlVal *yes = TW_NEW_N(l->arena, TwLlVal, g->n_ys + 1), *no = TW_NEW_N(l->arena, TwLlVal, g->n_ys + 1);
  branch(s, r, rf->body, yes_at, yes);
  branch(s, r, rf->other, no_at, no);
  for (uint32_t k = 0; k < g->n_ys; k++) {
    if (dest[k].kind == TW_LL_VIEW) {
      PickEnv env = {l, pred, &yes[k], &no[k]};
      tw_ll_fill(l, &dest[k], pick_gen, &env, false, false);
      out[k] = dest[k];
    } else {
      out[k] = tw_ll_scalar(yes[k].dtype, tw_ll_select(l, pred, yes[k].v, no[k].v));
    }
  }
}

void tw_ll_cond(TwLlScope *s, TwRef r) {
  const TwRegion *g = tw_region(s->fn, r);
  for (uint32_t k = 0; k < g->n_consts; k++) tw_ll_for_body(s, tw_arg(s->fn, r, k + 1)); /* before the jump */
  LLVMValueRef pred = tw_ll_value(s, tw_arg(s->fn, r, 0));
  TwLlVal *out = TW_NEW_N(s->l->arena, TwLlVal, g->n_ys + 1);
  if (tw_ll_is_lanes(pred)) pick_by_lane(s, r, pred, out);
  else jump(s, r, pred, out);
  s->val[r] = (TwLlVal){.kind = TW_LL_TUPLE, .dtype = TW_TUPLE, .parts = out};
}
