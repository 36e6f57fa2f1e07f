/* groups.c: updates of large tensors, which are one loop each: the gradient a concat of parts of all sizes and kinds,
 * sums over all elements, results that are wanted outside and others that are not, groups that must end early. */
#include "tests/llvm/support.h"

static TwRef scaled(TwFn *f, TwRef a, double by) {
  return tw_binary(f, TW_OP_mul, a, tw_fit(f, tw_real(f, by), tw_type(f, a)));
}

static TwRef line(Test *t, TwFn *f, TwRef a) { return tw_reshape(f, a, real_ty(t, 1, tw_info(f, a)->count, 0, 0)); }

/* About n elements: a parameter, a matrix, one turned, arithmetic on these, two of them. */
static TwRef part(Test *t, TwFn *f, int64_t n, int depth) {
  int64_t rows = 1 + below(t, 40), columns = n / rows + 1;
  TwRef vector;
  switch (below(t, depth ? 5 : 6)) {
    case 0: return tw_param(f, real_ty(t, 1, n, 0, 0));
    case 1: return line(t, f, tw_param(f, real_ty(t, 2, rows, columns, 0)));
    case 2: return line(t, f, scaled(f, tw_param(f, real_ty(t, 2, rows, columns, 0)), 0.25));
    case 3: return line(t, f, tw_transpose(f, tw_param(f, real_ty(t, 2, rows, columns, 0)), (int64_t[]){1, 0}));
    case 4:
      vector = tw_param(f, real_ty(t, 1, columns, 0, 0));
      vector = tw_broadcast(f, vector, real_ty(t, 2, rows, columns, 0), (int64_t[]){1});
      return line(t, f, tw_binary(f, TW_OP_add, scaled(f, vector, -2), tw_param(f, real_ty(t, 2, rows, columns, 0))));
    default: {
      TwRef two[2] = {part(t, f, n / 3 + 1, 1), part(t, f, n / 2 + 1, 1)};
      return tw_concat(f, two, 2, 0);
    }
  }
}

static TwRef gradient(Test *t, TwFn *f, int64_t largest) {
  static const int64_t sizes[] = {1, 3, 16, 500, 512, 513, 5000, 33000, 70000};
  TwRef parts[6];
  uint32_t n = 1 + (uint32_t)below(t, 6);
  for (uint32_t k = 0; k < n; k++) parts[k] = part(t, f, sizes[below(t, 9)], 0);
  parts[below(t, n)] = part(t, f, largest, 0);
  return n == 1 && below(t, 2) ? parts[0] : tw_concat(f, parts, n, 0);
}

static const TwFn *update(Test *t, int64_t largest, bool all) {
  TwFn *f = tw_fn_new(t->m, "f");
  TwRef g = gradient(t, f, largest);
  TwTy type = tw_type(f, g);
  TwRef w = tw_param(f, type), m = tw_param(f, type), v = tw_param(f, type);
  TwRef square = tw_binary(f, TW_OP_mul, g, g), norm = 0;
  if (all || below(t, 3)) norm = tw_sum_all(f, square);
  if (norm && below(t, 2)) tw_result(f, tw_unary(f, TW_OP_sqrt, norm));
  if (norm && !all && below(t, 2)) { /* clipped: nothing of the update can be made before the sum */
    g = tw_binary(f, TW_OP_mul, g, tw_fit(f, tw_binary(f, TW_OP_min, norm, tw_real(f, 0.5)), type));
    square = tw_binary(f, TW_OP_mul, g, g);
  }
  TwRef m1 = tw_fma(f, g, tw_fit(f, tw_real(f, 0.1), type), scaled(f, m, 0.9));
  TwRef v1 = tw_fma(f, square, tw_fit(f, tw_real(f, 0.01), type), scaled(f, v, 0.99));
  TwRef by = tw_binary(f, TW_OP_add, tw_unary(f, TW_OP_sqrt, v1), tw_fit(f, tw_real(f, 0.125), type));
  TwRef w1 = tw_binary(f, TW_OP_sub, w, tw_binary(f, TW_OP_div, m1, by));
  if (all || below(t, 2)) tw_result(f, m1);
  if (all || below(t, 2)) tw_result(f, v1);
  tw_result(f, w1);
  if (below(t, 4) == 0) tw_result(f, square);
  if (below(t, 4) == 0) tw_result(f, g);
  if (below(t, 2)) tw_result(f, tw_sum_all(f, tw_binary(f, TW_OP_mul, w1, m1)));
  if (below(t, 3) == 0) { /* a part of a result, read behind the loop */
    TwRef some = tw_slice(f, w1, real_ty(t, 1, 100, 0, 0), (int64_t[]){7, 3});
    tw_result(f, tw_binary(f, TW_OP_max, some, scaled(f, some, 2)));
  }
  return tw_fn_seal(f);
}

int main(int argc, char **argv) {
  Test t = test_new(20261126);
  int n = argc > 1 ? atoi(argv[1]) : 12;
  t.few = 2;
  for (int k = 0; k < n; k++) {
    test_reset(&t);
    check(&t, update(&t, 4096 + below(&t, 40000), false), "update");
    test_reset(&t);
  }
  check(&t, update(&t, 2200000, true), "update beyond the caches");
  return test_end(&t, "groups");
}
