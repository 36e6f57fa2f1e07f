/* fold.c: folding changes no value.
 *
 * Random programs, regions included, are built twice: as written and with folding. Both must give
 * the same values in f64 (zeros of either sign are equal, law 1b of compiler/ir/fold.c; a run in
 * which a value is not finite is left out, law 1a). Then the structure that folding promises.
 * Arguments: the first seed and how many. */
#include <math.h>
#include <string.h>

#include "tests/ir/random.h"
#include "tests/ir/support.h"

static void check_same(const TwFn *plain, const TwFn *fold, uint64_t *rng, uint64_t seed, uint32_t *compared) {
  size_t n = param_count(plain), m = result_count(plain);
  double *in = calloc(n + 1, sizeof *in), *a = calloc(m + 1, sizeof *a), *b = calloc(m + 1, sizeof *b);
  for (size_t k = 0; k < n; k++) in[k] = next_real(rng);
  evaluate(plain, TW_F64, in, a);
  evaluate(fold, TW_F64, in, b);
  bool finite = true;
  for (size_t k = 0; k < m; k++) finite &= isfinite(a[k]) && fabs(a[k]) < 1e100;
  for (size_t k = 0; k < m && finite; k++)
    if (!same_value(a[k], b[k])) {
      CHECK(false, "seed %llu: element %zu is %.17g, folded %.17g\n%s\n%s", (unsigned long long)seed, k, a[k], b[k],
            tw_ir_print(plain), tw_ir_print(fold));
      break;
    }
  *compared += finite;
  free(in);
  free(a);
  free(b);
}

static void check_program(uint64_t seed, uint32_t *compared, uint64_t *sizes) {
  TwArena arena = {0};
  uint64_t rng = seed * 0x123456789u;
  const TwFn *plain, *fold;
  random_program(tw_module_new(&arena), &rng, &plain, &fold);
  const char *why = tw_verify(plain) ? tw_verify(plain) : tw_verify(fold);
  CHECK(!why, "seed %llu: %s", (unsigned long long)seed, why);
  if (!why) check_same(plain, fold, &rng, seed, compared);
  sizes[0] += tw_fn_size(plain);
  sizes[1] += tw_fn_size(fold);
  tw_arena_free(&arena);
}

/* ---- what is promised */

static void check_structure(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  TwFn *f = tw_fn_new(m, "f");
  TwTy r = real_of(m, 0, 0, 0, 0), r4 = real_of(m, 1, 4, 0, 0), r34 = real_of(m, 2, 3, 4, 0);
  TwRef x = tw_param(f, r), v = tw_param(f, r4), w = tw_param(f, r34), zero = tw_zeros(f, r4), one = tw_const(f, r4, 1);
  TwRef vs[4], i = tw_param(f, tw_ty_scalar(m, TW_INT));
  double c;
  CHECK(tw_binary(f, TW_OP_mul, v, zero) == zero && tw_binary(f, TW_OP_mul0, zero, v) == zero, "0 * x = 0");
  CHECK(tw_binary(f, TW_OP_div, zero, v) == zero && tw_unary(f, TW_OP_neg, zero) == zero, "0 / x = -0 = 0");
  CHECK(tw_binary(f, TW_OP_add, zero, v) == v && tw_binary(f, TW_OP_sub, v, zero) == v, "x + 0 = x");
  CHECK(tw_binary(f, TW_OP_mul, one, v) == v && tw_binary(f, TW_OP_mul0, v, one) == v, "1 * x = x");
  CHECK(tw_binary(f, TW_OP_add, v, tw_unary(f, TW_OP_neg, v)) == tw_binary(f, TW_OP_sub, v, v), "x + -x = x - x");
  CHECK(tw_op(f, tw_binary(f, TW_OP_sub, v, v)) == TW_OP_sub, "x - x is not 0 where x may be infinite");
  CHECK(tw_binary(f, TW_OP_mul, v, tw_fit(f, x, r4)) == tw_binary(f, TW_OP_mul, tw_fit(f, x, r4), v), "a b = b a");
  CHECK(tw_is_const(f, tw_unary(f, TW_OP_exp, tw_real(f, 0)), &c) && c == 1, "exp 0 = 1");
  for (int k = 0; k < 4; k++) vs[k] = tw_index(f, v, tw_int(f, k));
  CHECK(tw_stack(f, vs, 4) == v, "all elements stacked are the tensor");
  TwRef s = tw_stack(f, (TwRef[]){vs[2], x, tw_real(f, 0)}, 3);
  CHECK(tw_index(f, s, tw_int(f, 1)) == x && tw_index(f, s, tw_int(f, 0)) == vs[2],
        "an element of a stack is the element");
  CHECK(tw_is_zero(f, tw_index(f, s, tw_int(f, 2))), "a literal of a stack is a literal");
  CHECK(tw_index(f, tw_iota(f, 7), i) == i, "iota[i] = i");
  CHECK(tw_transpose(f, tw_transpose(f, w, (int64_t[]){1, 0}), (int64_t[]){1, 0}) == w, "transposed twice");
  CHECK(tw_reverse(f, tw_reverse(f, w, 1), 1) == w, "reversed twice");
  CHECK(tw_reshape(f, tw_reshape(f, w, real_of(m, 1, 12, 0, 0)), r34) == w, "reshaped and back");
  TwRef big = tw_pad(f, v, real_of(m, 1, 9, 0, 0), (int64_t[]){2, 1});
  CHECK(tw_slice(f, big, r4, (int64_t[]){2, 1}) == v, "the slice of a pad that took it");
  CHECK(tw_is_zero(f, tw_index(f, big, tw_int(f, 0))) && tw_index(f, big, tw_int(f, 3)) == vs[1], "elements of a pad");
  CHECK(tw_is_const(f, tw_sum_all(f, one), &c) && c == 4, "a sum of ones is exact");
  CHECK(tw_op(f, tw_sum_all(f, tw_const(f, r4, 0.1))) == TW_OP_sum, "a sum of tenths is not");
  CHECK(tw_is_zero(f, tw_dot(f, w, zero, (int64_t[]){1}, (int64_t[]){0}, 1)), "a product with zeros");
  CHECK(tw_op(f, tw_binary(f, TW_OP_mul, tw_fit(f, x, r4), tw_const(f, r4, 3))) == TW_OP_broadcast,
        "a broadcast is computed once");
  CHECK(tw_binary(f, TW_OP_lt, tw_real(f, 1), tw_real(f, 2)) == tw_const(f, tw_ty_scalar(m, TW_BOOL), 1), "1 < 2");
  TwRef last = f->insts.len;
  CHECK(tw_binary(f, TW_OP_mul, v, tw_fit(f, x, r4)) < last, "an equal instruction is found");
  tw_result(f, x);
  CHECK(tw_fn_seal(f)->insts.len == 5, "only parameters are left");
  tw_arena_free(&arena);
}

int main(int argc, char **argv) {
  uint64_t sizes[2] = {0}, first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint32_t compared = 0, n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : argc > 1 ? 1 : 3000;
  check_structure();
  for (uint64_t seed = first; seed < first + n && failures < 3; seed++) check_program(seed, &compared, sizes);
  CHECK(argc > 1 || failures || compared > n * 3 / 4, "only %u of %u programs were compared", compared, n);
  printf("%u programs compared, %llu instructions as written, %llu folded\n", compared, (unsigned long long)sizes[0],
         (unsigned long long)sizes[1]);
  return failures != 0;
}
