/* shapes.c: every operation on shapes, and every reduction, on values in memory and on values that
 * are computed where they are read, in uniform and in lane context. */
#include <string.h>

#include "tests/llvm/support.h"

enum { MAX_IN = 4 };
typedef struct Case {
  const char *name;
  TwOp op;
  TwRef (*build)(Test *t, TwFn *f, const TwRef *in);
  const char *in[MAX_IN]; /* types: "r3x5" real, "i" int scalar, "b7" bool */
} Case;

#define I(...) ((const int64_t[]){__VA_ARGS__})
#define I_refs(...) ((const TwRef[]){__VA_ARGS__})
#define BUILD(name, ...)                                                                                               \
  static TwRef name(Test *t, TwFn *f, const TwRef *in) {                                                               \
    (void)t;                                                                                                           \
    return __VA_ARGS__;                                                                                                \
  }

BUILD(broadcast_1, tw_broadcast(f, in[0], real_ty(t, 2, 5, 21, 0), I(1)))
BUILD(broadcast_0, tw_broadcast(f, in[0], real_ty(t, 3, 3, 5, 4), I(1)))
BUILD(broadcast_2, tw_broadcast(f, in[0], real_ty(t, 3, 3, 2, 5), I(2, 0)))
BUILD(broadcast_s, tw_broadcast(f, in[0], real_ty(t, 2, 3, 19, 0), NULL))
BUILD(reshape_a, tw_reshape(f, in[0], real_ty(t, 2, 5, 3, 0)))
BUILD(reshape_b, tw_reshape(f, in[0], real_ty(t, 3, 3, 1, 5)))
BUILD(reshape_c, tw_reshape(f, tw_transpose(f, in[0], I(1, 0)), real_ty(t, 1, 15, 0, 0)))
BUILD(reshape_d, tw_reshape(f, in[0], tw_ty_scalar(t->m, TW_REAL)))
BUILD(reshape_e, tw_reshape(f, in[0], real_ty(t, 2, 1, 1, 0)))
BUILD(transpose_a, tw_transpose(f, in[0], I(1, 0)))
BUILD(transpose_b, tw_transpose(f, in[0], I(2, 0, 1)))
BUILD(reverse_a, tw_reverse(f, in[0], 0))
BUILD(reverse_b, tw_reverse(f, in[0], 1))
BUILD(slice_a, tw_slice(f, in[0], real_ty(t, 1, 17, 0, 0), I(3, 1)))
BUILD(slice_b, tw_slice(f, in[0], real_ty(t, 1, 7, 0, 0), I(2, 3)))
BUILD(slice_c, tw_slice(f, in[0], real_ty(t, 2, 2, 3, 0), I(1, 1, 0, 2)))
BUILD(pad_a, tw_pad(f, in[0], real_ty(t, 1, 25, 0, 0), I(2, 3)))
BUILD(pad_b, tw_pad(f, in[0], real_ty(t, 2, 5, 7, 0), I(1, 1, 2, 1)))
BUILD(concat_a, tw_concat(f, I_refs(in[0], in[1], in[2]), 3, 0))
BUILD(concat_b, tw_concat(f, I_refs(in[0], in[1], in[0]), 3, 1))
BUILD(stack_a, tw_stack(f, I_refs(in[0], in[1], in[2]), 3))
BUILD(stack_b, tw_stack(f, I_refs(tw_unary(f, TW_OP_relu, in[0]), in[1], tw_binary(f, TW_OP_add, in[0], in[1])), 3))
BUILD(index_a, tw_index(f, in[0], in[1]))
BUILD(index_b, tw_index(f, tw_unary(f, TW_OP_neg, in[0]), in[1]))
BUILD(index_c, tw_binary(f, TW_OP_mul, tw_index(f, tw_transpose(f, in[0], I(1, 0)), in[1]),
                         tw_index(f, tw_transpose(f, in[0], I(1, 0)), tw_int(f, 2))))
BUILD(add_at_a, tw_add_at(f, in[0], in[1], in[2]))
BUILD(add_at_b, tw_add_at(f, tw_add_at(f, tw_unary(f, TW_OP_neg, in[0]), in[1], in[2]), tw_int(f, 1), in[2]))
BUILD(add_at_c, tw_add_at(f, tw_zeros(f, real_ty(t, 2, 4, 19, 0)), in[1], in[2]))
BUILD(add_at_d, tw_binary(f, TW_OP_add, tw_add_at(f, in[0], in[1], in[2]), in[0]))
static TwRef add_at_e(Test *t, TwFn *f, const TwRef *in) { /* the old value is read after the addition */
  (void)t;
  TwRef a = tw_unary(f, TW_OP_neg, in[0]), b = tw_add_at(f, a, in[1], in[2]);
  return tw_binary(f, TW_OP_sub, b, tw_reverse(f, a, 0));
}
BUILD(sum_a, tw_sum(f, in[0], I(0), 1))
BUILD(sum_b, tw_sum(f, in[0], I(1), 1))
BUILD(sum_c, tw_sum(f, in[0], I(0, 1), 2))
BUILD(sum_d, tw_sum(f, in[0], I(0, 2), 2))
BUILD(sum_e, tw_sum(f, tw_binary(f, TW_OP_mul, in[0], in[0]), I(0), 1))
BUILD(sum_f, tw_sum(f, tw_transpose(f, in[0], I(1, 0)), I(0, 1), 2))
BUILD(sum_g, tw_sum(f, tw_unary(f, TW_OP_to_int, in[0]), I(0), 1))
BUILD(rmax_a, tw_reduce(f, TW_OP_rmax, in[0], I(0), 1))
BUILD(rmax_b, tw_reduce(f, TW_OP_rmax, tw_unary(f, TW_OP_to_int, in[0]), I(0, 1), 2))
BUILD(rmin_a, tw_reduce(f, TW_OP_rmin, in[0], I(1), 1))
BUILD(rmin_b, tw_reduce(f, TW_OP_rmin, tw_unary(f, TW_OP_neg, in[0]), I(0), 1))
BUILD(argmask_a, tw_argmask(f, false, in[0], I(1), 1))
BUILD(argmask_b, tw_argmask(f, true, in[0], I(0, 1), 2))
BUILD(argmask_c, tw_argmask(f, true, tw_unary(f, TW_OP_to_int, in[0]), I(0), 1))
BUILD(dot_a, tw_dot(f, in[0], in[1], I(1), I(0), 1))
BUILD(dot_b, tw_dot(f, in[0], in[1], I(0), I(0), 1))
BUILD(dot_c, tw_dot(f, in[0], in[1], I(1, 0), I(0, 2), 2))
BUILD(dot_d, tw_dot(f, in[0], in[1], NULL, NULL, 0))
BUILD(dot_e, tw_dot(f, tw_transpose(f, in[0], I(1, 0)), tw_unary(f, TW_OP_relu, in[1]), I(0), I(0), 1))
BUILD(dot_f, tw_dot(f, in[0], tw_transpose(f, in[1], I(1, 0)), I(1), I(0), 1))
BUILD(iota_a, tw_binary(f, TW_OP_mul, tw_unary(f, TW_OP_to_real, tw_iota(f, 37)), in[0]))
BUILD(iota_b, tw_binary(f, TW_OP_add, in[0], tw_sum_all(f, tw_unary(f, TW_OP_to_real, tw_iota(f, 5000)))))
BUILD(draw_a, tw_draw(f, real_ty(t, 2, 3, 7, 0), in[0], in[1], 77))
BUILD(draw_b, tw_draw(f, tw_ty_scalar(t->m, TW_REAL), in[0], in[1], 78))
BUILD(const_a, tw_binary(f, TW_OP_add, in[0], tw_const(f, real_ty(t, 1, 21, 0, 0), 1.0 / 3)))
BUILD(chain_a, tw_binary(f, TW_OP_mul, tw_unary(f, TW_OP_exp, tw_reverse(f, tw_unary(f, TW_OP_sin, in[0]), 0)),
                         tw_reverse(f, in[0], 0)))
BUILD(chain_b, tw_concat(f,
                         I_refs(tw_pad(f, tw_unary(f, TW_OP_neg, in[0]), real_ty(t, 1, 45, 0, 0), I(1, 2)),
                                tw_concat(f, I_refs(in[0], tw_unary(f, TW_OP_abs, in[0]), in[0]), 3, 0), in[0]),
                         3, 0))
static TwRef chain_c(Test *t, TwFn *f, const TwRef *in) { /* many values that come and go */
  (void)t;
  TwRef a = in[0], b = in[1];
  for (int k = 0; k < 6; k++) {
    TwRef c = tw_dot(f, a, b, I(1), I(0), 1);
    b = tw_binary(f, TW_OP_sub, a, tw_transpose(f, c, I(1, 0)));
    a = tw_binary(f, TW_OP_mul, c, tw_fit(f, tw_real(f, 0.25), tw_type(f, c)));
  }
  return tw_binary(f, TW_OP_add, a, b);
}

static const Case cases[] = {
    {"broadcast a", TW_OP_broadcast, broadcast_1, {"r21"}},
    {"broadcast b", TW_OP_broadcast, broadcast_0, {"r5"}},
    {"broadcast c", TW_OP_broadcast, broadcast_2, {"r5x3"}},
    {"broadcast d", TW_OP_broadcast, broadcast_s, {"r"}},
    {"reshape a", TW_OP_reshape, reshape_a, {"r3x5"}},
    {"reshape b", TW_OP_reshape, reshape_b, {"r3x5"}},
    {"reshape c", TW_OP_reshape, reshape_c, {"r3x5"}},
    {"reshape d", TW_OP_reshape, reshape_d, {"r1x1"}},
    {"reshape e", TW_OP_reshape, reshape_e, {"r"}},
    {"transpose a", TW_OP_transpose, transpose_a, {"r3x20"}},
    {"transpose b", TW_OP_transpose, transpose_b, {"r3x4x5"}},
    {"reverse a", TW_OP_reverse, reverse_a, {"r21x3"}},
    {"reverse b", TW_OP_reverse, reverse_b, {"r3x21"}},
    {"slice a", TW_OP_slice, slice_a, {"r40"}},
    {"slice b", TW_OP_slice, slice_b, {"r40"}},
    {"slice c", TW_OP_slice, slice_c, {"r4x5"}},
    {"pad a", TW_OP_pad, pad_a, {"r7"}},
    {"pad b", TW_OP_pad, pad_b, {"r3x4"}},
    {"concat a", TW_OP_concat, concat_a, {"r3", "r20", "r1"}},
    {"concat b", TW_OP_concat, concat_b, {"r2x3", "r2x18"}},
    {"stack a", TW_OP_concat, stack_a, {"r", "r", "r"}},
    {"stack b", TW_OP_concat, stack_b, {"r5", "r5"}},
    {"index a", TW_OP_index, index_a, {"r4x19", "i"}},
    {"index b", TW_OP_index, index_b, {"r4x19", "i"}},
    {"index c", TW_OP_index, index_a, {"r9", "i"}},
    {"index d", TW_OP_index, index_b, {"r9", "i"}},
    {"index e", TW_OP_index, index_c, {"r4x5", "i"}},
    {"add_at a", TW_OP_add_at, add_at_a, {"r4x19", "i", "r19"}},
    {"add_at b", TW_OP_add_at, add_at_b, {"r4x19", "i", "r19"}},
    {"add_at c", TW_OP_add_at, add_at_c, {"r", "i", "r19"}},
    {"add_at d", TW_OP_add_at, add_at_d, {"r9", "i", "r"}},
    {"add_at e", TW_OP_add_at, add_at_e, {"r9", "i", "r"}},
    {"add_at f", TW_OP_add_at, add_at_b, {"r9", "i", "r"}},
    {"sum a", TW_OP_sum, sum_a, {"r7x20"}},
    {"sum b", TW_OP_sum, sum_b, {"r7x20"}},
    {"sum c", TW_OP_sum, sum_c, {"r7x20"}},
    {"sum d", TW_OP_sum, sum_d, {"r3x4x9"}},
    {"sum e", TW_OP_sum, sum_e, {"r1100"}},
    {"sum f", TW_OP_sum, sum_f, {"r30x41"}},
    {"sum g", TW_OP_sum, sum_g, {"r100"}},
    {"sum h", TW_OP_sum, sum_a, {"r1025"}},
    {"sum i", TW_OP_sum, sum_a, {"r600x3"}},
    {"sum j", TW_OP_sum, sum_b, {"r3x1040"}},
    {"sum k", TW_OP_sum, sum_a, {"r16"}},
    {"sum l", TW_OP_sum, sum_a, {"r3"}},
    {"sum m", TW_OP_sum, sum_e, {"r17"}},
    {"sum n", TW_OP_sum, sum_a, {"r512"}},
    {"sum o", TW_OP_sum, sum_a, {"r3600"}},
    {"rmax a", TW_OP_rmax, rmax_a, {"r7x20"}},
    {"rmax b", TW_OP_rmax, rmax_b, {"r7x3"}},
    {"rmin a", TW_OP_rmin, rmin_a, {"r7x20"}},
    {"rmin b", TW_OP_rmin, rmin_b, {"r50"}},
    {"argmask a", TW_OP_argmask, argmask_a, {"r5x9"}},
    {"argmask b", TW_OP_argmask, argmask_b, {"r5x9"}},
    {"argmask c", TW_OP_argmask, argmask_c, {"r50"}},
    {"dot a", TW_OP_dot, dot_a, {"r5x7", "r7x20"}},
    {"dot b", TW_OP_dot, dot_b, {"r37", "r37"}},
    {"dot c", TW_OP_dot, dot_c, {"r3x4x2", "r4x5x3"}},
    {"dot d", TW_OP_dot, dot_d, {"r5", "r19"}},
    {"dot e", TW_OP_dot, dot_e, {"r5x7", "r7x3"}},
    {"dot f", TW_OP_dot, dot_f, {"r13x7", "r33x7"}},
    {"dot g", TW_OP_dot, dot_a, {"r19x7", "r7"}},
    {"dot h", TW_OP_dot, dot_d, {"r", "r5"}},
    {"dot i", TW_OP_dot, dot_a, {"r1x1", "r1x1"}},
    {"iota a", TW_OP_iota, iota_a, {"r37"}},
    {"iota b", TW_OP_iota, iota_b, {"r"}},
    {"draw a", TW_OP_draw, draw_a, {"i", "i"}},
    {"draw b", TW_OP_draw, draw_b, {"i", "i"}},
    {"const", TW_OP_const, const_a, {"r21"}},
    {"chain a", TW_OP_reverse, chain_a, {"r37"}},
    {"chain b", TW_OP_concat, chain_b, {"r20"}},
    {"chain c", TW_OP_dot, chain_c, {"r9x9", "r9x9"}},
};

static TwTy parse_type(Test *t, const char *s) {
  TwDtype d = *s == 'r' ? TW_REAL : *s == 'i' ? TW_INT : TW_BOOL;
  int64_t dims[3];
  uint32_t rank = 0;
  for (char *p = (char *)(uintptr_t)(s + 1); *p;) {
    dims[rank++] = strtoll(p, &p, 10);
    if (*p == 'x') p++;
  }
  return tw_ty(t->m, d, rank, dims);
}

/* lazy: operands and result go through one more elementwise operation each. */
static TwRef build(Test *t, TwFn *f, const Case *c, TwRef *in, bool lazy) {
  for (int k = 0; k < MAX_IN && c->in[k] && lazy; k++)
    if (tw_info(f, in[k])->dtype == TW_REAL) in[k] = tw_unary(f, TW_OP_neg, in[k]);
  TwRef r = c->build(t, f, in);
  if (lazy && tw_info(f, r)->dtype == TW_REAL) r = tw_unary(f, TW_OP_abs, r);
  return r;
}

static const TwFn *uniform(Test *t, const Case *c, bool lazy) {
  TwFn *f = tw_fn_new(t->m, "f");
  TwRef in[MAX_IN];
  for (int k = 0; k < MAX_IN && c->in[k]; k++) in[k] = tw_param(f, parse_type(t, c->in[k]));
  tw_result(f, build(t, f, c, in, lazy));
  return tw_fn_seal(f);
}

static const TwFn *in_lanes(Test *t, const Case *c, bool lazy, int64_t n, uint32_t fixed) {
  TwFn *b = tw_fn_new(t->m, "body"), *f = tw_fn_new(t->m, "f");
  TwRef in[MAX_IN] = {0}, args[MAX_IN];
  TwRegion g = {.trip = n, .n_ys = 1};
  for (uint32_t xs = 0; xs < 2; xs++)
    for (uint32_t k = 0; k < MAX_IN && c->in[k]; k++) {
      TwTy ty = parse_type(t, c->in[k]);
      if ((fixed >> k & 1) == xs) continue;
      args[g.n_consts + g.n_xs] = tw_param(f, xs ? tw_ty_lead(t->m, n, ty) : ty);
      in[k] = tw_param(b, ty);
      *(xs ? &g.n_xs : &g.n_consts) += 1;
    }
  TwRef y = build(t, b, c, in, lazy);
  bool number = tw_info(b, y)->dtype != TW_BOOL;
  if (number) tw_result(b, y);
  if (tw_info(b, y)->dtype == TW_REAL) tw_result(b, tw_binary(b, TW_OP_mul, y, tw_unary(b, TW_OP_relu, y)));
  tw_result(b, y);
  g.n_carry = b->results.len - 1;
  g.body = tw_fn_seal(b);
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, g.n_consts + g.n_xs);
  for (uint32_t k = 0; k < g.n_carry + g.n_ys; k++) tw_result(f, tw_get(f, r, k));
  return tw_fn_seal(f);
}

int main(void) {
  Test t = test_new(2);
  static const int64_t counts[] = {1, 15, 16, 17, 50, 513};
  bool hit[TW_OP_COUNT] = {false};
  for (uint32_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const Case *c = &cases[k];
    char what[80];
    hit[c->op] = true;
    for (int lazy = 0; lazy < 2; lazy++) {
      test_reset(&t);
      t.few = lazy ? 2 : k % 4 ? 1 : 0;
      snprintf(what, sizeof what, "%s%s", c->name, lazy ? ", lazy" : "");
      check(&t, uniform(&t, c, lazy), what);
      snprintf(what, sizeof what, "%s%s in lanes", c->name, lazy ? ", lazy" : "");
      t.few = 2;
      check(&t, in_lanes(&t, c, lazy, counts[(k + (uint32_t)lazy) % 6], 0), what);
      if (c->in[1]) check(&t, in_lanes(&t, c, lazy, counts[(k + 3) % 6], 1), what);
      if (c->in[1]) check(&t, in_lanes(&t, c, lazy, counts[(k + 4) % 6], 2), what);
    }
  }
  for (TwOp op = TW_OP_broadcast; op <= TW_OP_dot; op = (TwOp)(op + 1))
    if (!hit[op]) fprintf(stderr, "no case for %s\n", tw_op_name(op)), t.failures++;
  return test_end(&t, "shapes and reductions");
}
