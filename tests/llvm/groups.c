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

/* The sum over n samples of an outer product, as the gradient of a layer's weights is one. */
static const TwFn *outer_body(Test *t, int64_t rows, int64_t columns) {
  TwFn *b = tw_fn_new(t->m, "body");
  TwRef u = tw_param(b, real_ty(t, 1, rows, 0, 0)), v = tw_param(b, real_ty(t, 1, columns, 0, 0));
  TwRef x = tw_param(b, tw_ty_scalar(t->m, TW_REAL));
  TwTy type = real_ty(t, 2, rows, columns, 0);
  TwRef left = tw_binary(b, TW_OP_mul, u, tw_fit(b, x, tw_type(b, u)));
  TwRef right = tw_unary(b, TW_OP_relu, tw_binary(b, TW_OP_add, v, tw_fit(b, x, tw_type(b, v))));
  TwRef a = tw_broadcast(b, left, type, (int64_t[]){0}), c = tw_broadcast(b, right, type, (int64_t[]){1});
  tw_result(b, below(t, 2) ? tw_binary(b, TW_OP_mul, a, c) : tw_binary(b, TW_OP_mul, c, a));
  tw_result(b, left);
  tw_result(b, x);
  return tw_fn_seal(b);
}

/* An update of it and of other parts; `whole`: its elements begin with a chunk of 512; `sums`: of how many such loops
 * the part is the sum. */
static const TwFn *outer_update(Test *t, int64_t n, int64_t rows, int64_t columns, bool whole, int sums) {
  TwFn *f = tw_fn_new(t->m, "f");
  TwRegion g = {.body = outer_body(t, rows, columns), .trip = n, .n_consts = 2, .n_carry = 3, .n_xs = 1};
  TwRef args[3] = {tw_param(f, real_ty(t, 1, rows, 0, 0)), tw_param(f, real_ty(t, 1, columns, 0, 0)),
                   tw_param(f, real_ty(t, 1, n, 0, 0))};
  TwRef before = tw_param(f, real_ty(t, 1, whole ? 1024 : 1000, 0, 0));
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, 3), outer = tw_get(f, r, 0);
  tw_result(f, tw_get(f, r, 2));
  if (below(t, 4)) outer = scaled(f, outer, 0.125);
  for (int k = 1; k < sums; k++) {
    TwRef others[3] = {args[0], args[1], tw_param(f, real_ty(t, 1, n, 0, 0))};
    TwRef more = tw_emit_region(f, TW_OP_samples, &g, others, 3);
    outer = tw_binary(f, TW_OP_add, outer, scaled(f, tw_get(f, more, 0), k));
  }
  TwRef parts[3] = {scaled(f, before, 2), line(t, f, outer), tw_get(f, r, 1)};
  TwRef all = tw_concat(f, parts, 3, 0);
  TwTy type = tw_type(f, all);
  TwRef w = tw_param(f, type), m = tw_param(f, type);
  TwRef m1 = tw_fma(f, all, tw_fit(f, tw_real(f, 0.1), type), scaled(f, m, 0.9));
  tw_result(f, tw_unary(f, TW_OP_sqrt, tw_sum_all(f, tw_binary(f, TW_OP_mul, all, all))));
  tw_result(f, m1);
  tw_result(f, tw_binary(f, TW_OP_sub, w, m1));
  return tw_fn_seal(f);
}

/* How a sum is to be made: in chunks of which some lanes have no sample, by tiles of samples; else of its packed
 * vectors, and strip by strip if all samples are one chunk and rows are whole chunks of elements. */
typedef enum Made { BY_TILES, OF_VECTORS, IN_STRIPS } Made;

static bool is_made(const TwFn *f, Made how, uint32_t sums) {
  bool code = code_mentions(f, 256, "@llvm.prefetch") > 0; /* what the update reads; nothing else is here */
  return plan_mentions(f, 256, "an outer product") == (how == BY_TILES ? 0 : sums) &&
         plan_mentions(f, 256, "strip by strip") == (how == IN_STRIPS ? sums : 0) && code == (how == IN_STRIPS);
}

static void outer_updates(Test *t) {
  static const struct {
    int64_t n, rows, columns;
    bool whole;
    uint32_t sums;
    Made how;
  } cases[] = {
      {1, 67, 512, true, 1, BY_TILES},      {16, 66, 512, true, 1, IN_STRIPS},    {17, 70, 528, true, 1, OF_VECTORS},
      {40, 25, 1536, false, 1, OF_VECTORS}, {40, 25, 1536, true, 1, IN_STRIPS},   {100, 71, 512, true, 1, IN_STRIPS},
      {40, 13, 2560, true, 1, IN_STRIPS},   {100, 8, 4608, true, 1, IN_STRIPS},   {512, 68, 512, true, 1, IN_STRIPS},
      {513, 67, 512, true, 1, BY_TILES},    {530, 70, 528, false, 1, OF_VECTORS}, {40, 67, 512, true, 2, IN_STRIPS},
      {100, 13, 2560, true, 3, IN_STRIPS}};
  for (uint32_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char what[100];
    snprintf(what, sizeof what, "%u outer product%s [%lld, %lld] of %lld samples", cases[k].sums,
             cases[k].sums == 1 ? "" : "s", (long long)cases[k].rows, (long long)cases[k].columns,
             (long long)cases[k].n);
    test_reset(t);
    t->few = cases[k].n < 100 ? 0 : 1;
    const TwFn *f = outer_update(t, cases[k].n, cases[k].rows, cases[k].columns, cases[k].whole, (int)cases[k].sums);
    check(t, f, what);
    if (is_made(f, cases[k].how, cases[k].sums)) continue;
    printf("%s: not made as it is to be, or the plan says otherwise\n", what);
    t->failures++;
  }
}

/* Sums of more than 2^32 elements together, more than can be run here: their totals have places of their own. */
static void many_totals(Test *t) {
  enum { SUMS = 17, SIDE = 1 << 14 };
  test_reset(t);
  TwFn *b = tw_fn_new(t->m, "body");
  TwRef u = tw_param(b, real_ty(t, 1, SIDE, 0, 0)), x = tw_param(b, tw_ty_scalar(t->m, TW_REAL));
  TwTy type = real_ty(t, 2, SIDE, SIDE, 0);
  TwRef right = tw_binary(b, TW_OP_add, u, tw_fit(b, x, tw_type(b, u)));
  for (int k = 0; k < SUMS; k++) {
    TwRef left = scaled(b, right, k + 2);
    TwRef rows = tw_broadcast(b, left, type, (int64_t[]){0}), columns = tw_broadcast(b, right, type, (int64_t[]){1});
    tw_result(b, tw_binary(b, TW_OP_mul, rows, columns));
  }
  TwFn *f = tw_fn_new(t->m, "f");
  TwRegion g = {.body = tw_fn_seal(b), .trip = 600, .n_consts = 1, .n_carry = SUMS, .n_xs = 1};
  TwRef args[2] = {tw_param(f, real_ty(t, 1, SIDE, 0, 0)), tw_param(f, real_ty(t, 1, 600, 0, 0))};
  TwRef r = tw_emit_region(f, TW_OP_samples, &g, args, 2);
  for (uint32_t k = 0; k < SUMS; k++) tw_result(f, tw_get(f, r, k));
  TwRtFn slot = {.name = "f"};
  TwLlFn fn = {.symbol = "f", .fn = tw_fn_seal(f), .precision = TW_F32, .slot = &slot};
  char *error = NULL;
  TwJit *j = tw_jit(&fn, 1, &(TwLlOptions){.quick = true}, &error);
  if (!j || slot.work_bytes < SUMS * (uint64_t)SIDE * SIDE * sizeof(float)) {
    printf("%d sums of [%d, %d]: %llu bytes of work; %s\n", SUMS, SIDE, SIDE, (unsigned long long)slot.work_bytes,
           error ? error : "");
    t->failures++;
  }
  free(error);
  tw_jit_free(j);
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
  test_reset(&t);
  check(&t, update(&t, 2200000, true), "update beyond the caches");
  outer_updates(&t);
  if (!t.tape) many_totals(&t);
  test_reset(&t);
  const TwFn *f = outer_update(&t, 512, 66, 512, true, 1);
  if (plan_mentions(f, 256, "one loop, in chunks of 512; what is put together of 3 parts") != 1 ||
      plan_mentions(f, 256, "a fused loop")) {
    printf("the plan does not tell the group\n");
    t.failures++;
  }
  return test_end(&t, "groups");
}
