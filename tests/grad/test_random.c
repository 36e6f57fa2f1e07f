/* test_random.c [count [seed]]: random programs: reverse = forward = differences, in first and second
 * derivatives, every eighth in third. Fails if an op with a derivative was never met. A failure prints the
 * seed of its program: `test_random 1 SEED` repeats it. */
#include <stdio.h>
#include <stdlib.h>

#include "generate.h"

static const bool differentiable[TW_OP_COUNT] = {
#define HAS_none false
#define HAS_linear true
#define HAS_unary true
#define HAS_own true
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = HAS_##jvp,
#include "compiler/ir/ops.def"
#undef TW_OP
};

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 500, seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  uint64_t counts[TW_OP_COUNT] = {0};
  Check c = {0};
  for (uint64_t k = 0; k < count; k++) {
    TwArena arena = {0};
    TwModule *m = tw_module_new(&arena);
    c.rng.state = (seed + k) * 0x632be59bd9b4e019u;
    Data x;
    const TwFn *f = generate(m, &c.rng, &x);
    count_ops(f, counts);
    char what[64];
    snprintf(what, sizeof what, "program %llu", (unsigned long long)(seed + k));
    check_orders(&c, f, &x, k % 8 ? 2 : 3, what);
    tw_arena_free(&arena);
  }
  uint32_t missed = 0;
  printf("ops met:");
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++) {
    if (counts[op]) printf(" %s %llu", tw_op_name(op), (unsigned long long)counts[op]);
    else if (differentiable[op] && count >= 500) missed++, printf(" [%s never]", tw_op_name(op));
  }
  putchar('\n');
  return check_report(&c, "random programs") || missed;
}
