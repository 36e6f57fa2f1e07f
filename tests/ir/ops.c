/* ops.c: every operation against values worked out by hand.
 *
 * A case is a function in text form with inputs and expected outputs. It runs as written in f64 and
 * in f32, and once more emitted anew, so that folding must agree. An operation of ops.def that no
 * case uses fails the test. */
#include <math.h>
#include <string.h>

#include "tests/ir/support.h"

enum { MANY = 16 };
typedef struct Case {
  const char *text;
  double in[MANY], out[MANY];
  double tolerance; /* 0: exact, in both precisions */
} Case;

#define F1(op, T) "fn f(%1: " T ") -> (" T ") { %2 = " op " %1 : " T " return %2 }"
#define F2(op, T) "fn f(%1: " T ", %2: " T ") -> (" T ") { %3 = " op " %1, %2 : " T " return %3 }"
#define C2(op, T, B) "fn f(%1: " T ", %2: " T ") -> (" B ") { %3 = " op " %1, %2 : " B " return %3 }"
#define SHAPE(op, T, U) "fn f(%1: " T ") -> (" U ") { %2 = " op " : " U " return %2 }"

static const Case cases[] = {
    {"fn f() -> (real[2], int, bool) { %1 = const 0x1.8p+1 : real[2] %2 = const -7 : int %3 = const true : bool return "
     "%1, %2, %3 }",
     {0},
     {3, 3, -7, 1},
     0},
    {"fn f() -> (int[3]) { %1 = iota : int[3] return %1 }", {0}, {0, 1, 2}, 0},
    {F1("neg", "real[3]"), {1, -2, 0.5}, {-1, 2, -0.5}, 0},
    {F1("neg", "int[2]"), {1, -2}, {-1, 2}, 0},
    {F1("abs", "real[3]"), {1, -2, -0.0}, {1, 2, 0}, 0},
    {F1("sign", "real[4]"), {3, -2, 0, NAN}, {1, -1, 0, NAN}, 0},
    {F1("relu", "real[4]"), {3, -2, -0.0, NAN}, {3, 0, -0.0, NAN}, 0},
    {F1("sqrt", "real[3]"), {9, 0.25, -1}, {3, 0.5, NAN}, 0},
    {F1("floor", "real[3]"), {1.5, -1.5, 2}, {1, -2, 2}, 0},
    {F1("exp", "real[3]"), {0, 1, -1}, {1, 2.718281828459045, 0.36787944117144233}, 1e-6},
    {F1("expm1", "real[2]"), {0, 0.5}, {0, 0.6487212707001282}, 1e-6},
    {F1("log", "real[2]"), {1, 10}, {0, 2.302585092994046}, 1e-6},
    {F1("log1p", "real[2]"), {0, 1}, {0, 0.6931471805599453}, 1e-6},
    {F1("sin", "real[2]"), {0, 1}, {0, 0.8414709848078965}, 1e-6},
    {F1("cos", "real[2]"), {0, 1}, {1, 0.5403023058681398}, 1e-6},
    {F1("tan", "real[2]"), {0, 1}, {0, 1.5574077246549023}, 1e-6},
    {F1("asin", "real[2]"), {0, 0.5}, {0, 0.5235987755982989}, 1e-6},
    {F1("acos", "real[2]"), {1, 0.5}, {0, 1.0471975511965979}, 1e-6},
    {F1("atan", "real[2]"), {0, 1}, {0, 0.7853981633974483}, 1e-6},
    {F1("sinh", "real[2]"), {0, 1}, {0, 1.1752011936438014}, 1e-6},
    {F1("cosh", "real[2]"), {0, 1}, {1, 1.5430806348152437}, 1e-6},
    {F1("tanh", "real[2]"), {0, 1}, {0, 0.7615941559557649}, 1e-6},
    {F1("logistic", "real[4]"), {0, 2, -2, -800}, {0.5, 0.8807970779778823, 0.11920292202211755, 0}, 1e-6},
    {F2("add", "real[2]"), {1, 2, 3, 4}, {4, 6}, 0},
    {F2("add", "int[2]"), {1, 2, 3, -4}, {4, -2}, 0},
    {F2("sub", "real[2]"), {1, 2, 3, 5}, {-2, -3}, 0},
    {F2("mul", "real[2]"), {1, 2, 3, 5}, {3, 10}, 0},
    {F2("mul0", "real[4]"), {0, INFINITY, 2, -3, INFINITY, 0, 3, -2}, {0, 0, 6, 6}, 0},
    {F2("div", "real[3]"), {1, -1, 0, 2, 0, 0}, {0.5, -INFINITY, NAN}, 0},
    {F2("div", "int[5]"), {7, -7, 7, -7, 3, 2, 2, -2, -2, 0}, {3, -4, -4, 3, 0}, 0},
    {F2("mod", "int[5]"), {7, -7, 7, -7, 3, 2, 2, -2, -2, 0}, {1, 1, -1, -1, 3}, 0},
    {F2("pow", "real[3]"), {2, 4, 2, 3, 0.5, -1}, {8, 2, 0.5}, 1e-6},
    {F2("atan2", "real[2]"), {1, -1, 1, -1}, {0.7853981633974483, -2.356194490192345}, 1e-6},
    {F2("min", "real[4]"), {1, 2, NAN, 1, 2, 1, 1, NAN}, {1, 1, NAN, 1}, 0},
    {F2("max", "real[4]"), {1, 2, NAN, 0.0, 2, 1, 1, -0.0}, {2, 2, NAN, 0.0}, 0},
    {"fn f(%1: real, %2: real, %3: real) -> (real) { %4 = fma %1, %2, %3 : real return %4 }", {2, 3, 4}, {10}, 0},
    {F1("stop", "real[2]"), {1, NAN}, {1, NAN}, 0},
    {"fn f(%1: real, %2: real, %3: real) -> (real) { %4 = along %1, %2, %3 : real return %4 }", {2, 3, 4}, {2}, 0},
    {C2("lt", "real[3]", "bool[3]"), {1, 2, NAN, 2, 2, 1}, {1, 0, 0}, 0},
    {C2("le", "real[3]", "bool[3]"), {1, 2, NAN, 2, 2, NAN}, {1, 1, 0}, 0},
    {C2("eq", "int[2]", "bool[2]"), {1, 2, 2, 2}, {0, 1}, 0},
    {C2("ne", "real[3]", "bool[3]"), {1, 2, NAN, 2, 2, NAN}, {1, 0, 1}, 0},
    {C2("eq", "bool[2]", "bool[2]"), {1, 0, 0, 0}, {0, 1}, 0},
    {F2("and", "bool[4]"), {0, 0, 1, 1, 0, 1, 0, 1}, {0, 0, 0, 1}, 0},
    {F2("or", "bool[4]"), {0, 0, 1, 1, 0, 1, 0, 1}, {0, 1, 1, 1}, 0},
    {F1("not", "bool[2]"), {0, 1}, {1, 0}, 0},
    {"fn f(%1: bool[2], %2: real[2], %3: real[2]) -> (real[2]) { %4 = select %1, %2, %3 : real[2] return %4 }",
     {1, 0, 2, 3, 4, 5},
     {2, 5},
     0},
    {SHAPE("to_real %1", "int[2]", "real[2]"), {3, -4}, {3, -4}, 0},
    {SHAPE("to_real %1", "bool[2]", "real[2]"), {1, 0}, {1, 0}, 0},
    {SHAPE("to_int %1", "real[4]", "int[4]"), {3.9, -3.9, NAN, -1e30}, {3, -3, 0, -0x1p63}, 0},
    {SHAPE("broadcast %1 [1]", "real[2]", "real[3, 2]"), {5, 6}, {5, 6, 5, 6, 5, 6}, 0},
    {SHAPE("broadcast %1 [0]", "real[2]", "real[2, 3]"), {5, 6}, {5, 5, 5, 6, 6, 6}, 0},
    {SHAPE("broadcast %1 [1 0]", "real[2, 3]", "real[3, 2]"), {1, 2, 3, 4, 5, 6}, {1, 4, 2, 5, 3, 6}, 0},
    {SHAPE("reshape %1", "real[2, 3]", "real[3, 2]"), {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}, 0},
    {SHAPE("transpose %1 [1 0]", "real[2, 3]", "real[3, 2]"), {1, 2, 3, 4, 5, 6}, {1, 4, 2, 5, 3, 6}, 0},
    {SHAPE("reverse %1 [1]", "real[2, 3]", "real[2, 3]"), {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, 0},
    {SHAPE("slice %1 [1 2]", "real[6]", "real[3]"), {1, 2, 3, 4, 5, 6}, {2, 4, 6}, 0},
    {SHAPE("slice %1 [0 1 1 1]", "real[2, 3]", "real[2, 2]"), {1, 2, 3, 4, 5, 6}, {2, 3, 5, 6}, 0},
    {SHAPE("pad %1 [1 2]", "real[2]", "real[5]"), {7, 8}, {0, 7, 0, 8, 0}, 0},
    {SHAPE("pad %1 [1 1 0 2]", "real[1, 2]", "real[2, 3]"), {7, 8}, {0, 0, 0, 7, 0, 8}, 0},
    {"fn f(%1: real[2, 1], %2: real[2, 2]) -> (real[2, 3]) { %3 = concat %1, %2 [1] : real[2, 3] return %3 }",
     {1, 2, 3, 4, 5, 6},
     {1, 3, 4, 2, 5, 6},
     0},
    {"fn f(%1: real[3, 2], %2: int) -> (real[2]) { %3 = index %1, %2 : real[2] return %3 }",
     {1, 2, 3, 4, 5, 6, 1},
     {3, 4},
     0},
    {"fn f(%1: real[3, 2], %2: int, %3: real[2]) -> (real[3, 2], real[3, 2]) { %4 = add_at %1, %2, %3 : real[3, 2] "
     "return %4, %1 }",
     {1, 2, 3, 4, 5, 6, 2, 10, 20},
     {1, 2, 3, 4, 15, 26, 1, 2, 3, 4, 5, 6},
     0},
    {SHAPE("sum %1 [0]", "real[2, 3]", "real[3]"), {1, 2, 3, 4, 5, 6}, {5, 7, 9}, 0},
    {SHAPE("sum %1 [1]", "int[2, 3]", "int[2]"), {1, 2, 3, 4, 5, 6}, {6, 15}, 0},
    {SHAPE("sum %1 [0 1]", "real[2, 3]", "real"), {1, 2, 3, 4, 5, 6}, {21}, 0},
    {SHAPE("sum %1 [0]", "real[0, 2]", "real[2]"), {0}, {0, 0}, 0},
    {SHAPE("rmax %1 [1]", "real[2, 3]", "real[2]"), {1, 3, 2, NAN, 5, 6}, {3, NAN}, 0},
    {SHAPE("rmin %1 [0]", "int[3, 2]", "int[2]"), {1, 3, 2, -4, 5, 6}, {1, -4}, 0},
    {SHAPE("argmask %1 [0 1]", "real[2, 3]", "bool[2, 3]"), {1, 3, 3, 5, 4, 5}, {0, 1, 0, 1, 0, 0}, 0},
    {SHAPE("argmask %1 [1 0]", "real[2, 3]", "bool[2, 3]"), {1, 3, 3, 1, 2, 5}, {1, 0, 1, 0, 1, 0}, 0},
    {"fn f(%1: real[2, 3], %2: real[3, 2]) -> (real[2, 2]) { %3 = dot %1, %2 [1 1 0] : real[2, 2] return %3 }",
     {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
     {58, 64, 139, 154},
     0},
    {"fn f(%1: real[2], %2: real[3]) -> (real[2, 3]) { %3 = dot %1, %2 [0] : real[2, 3] return %3 }",
     {1, 2, 3, 4, 5},
     {3, 4, 5, 6, 8, 10},
     0},
    {"fn f(%1: real[2, 3], %2: real[2, 3]) -> (real) { %3 = dot %1, %2 [2 0 1 0 1] : real return %3 }",
     {1, 2, 3, 4, 5, 6, 1, 1, 1, 1, 1, 1},
     {21},
     0},
    {"fn b(%1: int, %2: real, %3: real) -> (real, real) { %4 = mul %2, %3 : real %5 = add %3, %2 : real return %4, %5 }"
     "fn f(%1: real, %2: real) -> (real, real[3]) { %3 = scan @b (%1; %2; ) trip 3 : tuple"
     " %4 = get %3 [0] : real %5 = get %3 [1] : real[3] return %4, %5 }",
     {2, 1},
     {8, 3, 4, 6},
     0},
    {"fn b(%1: real, %2: real) -> (real, real) { %3 = mul %1, %2 : real %4 = neg %2 : real return %3, %4 }"
     "fn f(%1: real, %2: real[3]) -> (real, real[3]) { %3 = samples @b (%1; %2) trip 3 sums 1 : tuple"
     " %4 = get %3 [0] : real %5 = get %3 [1] : real[3] return %4, %5 }",
     {2, 1, 2, 3},
     {12, -1, -2, -3},
     0},
    {"fn a(%1: real) -> (real) { %2 = neg %1 : real return %2 } fn b(%1: real) -> (real) { %2 = add %1, %1 : real "
     "return %2 }"
     "fn f(%1: bool, %2: bool, %3: real) -> (real, real) { %4 = cond %1 @a @b (%3) : tuple %5 = get %4 [0] : real"
     " %6 = cond %2 @a @b (%3) : tuple %7 = get %6 [0] : real return %5, %7 }",
     {1, 0, 3},
     {-3, 6},
     0},
};

static const TwFn *emitted_anew(TwModule *m, const TwFn *f) {
  TwFn *g = tw_fn_new(m, "anew");
  TwRef args[MANY], out[MANY];
  for (uint32_t k = 0; k < f->params.len; k++) args[k] = tw_param(g, tw_type(f, f->params.at[k]));
  tw_inline(g, f, args, out);
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(g, out[k]);
  return tw_fn_seal(g);
}

static void compare(const Case *c, const TwFn *f, TwPrecision precision, const char *how) {
  double out[MANY];
  size_t n = evaluate(f, precision, c->in, out);
  for (size_t e = 0; e < n; e++) {
    double tolerance = precision == TW_F32 ? c->tolerance : c->tolerance * 1e-9;
    bool good = c->tolerance > 0 ? fabs(out[e] - c->out[e]) <= tolerance * fmax(1, fabs(c->out[e]))
                                 : same_bits(out[e], c->out[e]);
    CHECK(good, "%s, %s, element %zu: %.17g instead of %.17g\n%s", how, precision == TW_F32 ? "f32" : "f64", e, out[e],
          c->out[e], c->text);
  }
}

static void mark_used(const TwFn *f, bool *used) {
  for (TwRef r = 1; r < f->insts.len; r++) used[tw_op(f, r)] = true;
}

/* Draws are numbers of the runtime: what is checked here is keys, counters and rounding. */
static void check_draw(TwModule *m) {
  const TwFn *f = parse_or_die(
      m, "fn f(%1: int, %2: int) -> (real[4], real[2]) { %3 = draw %1, %2 [7] : real[4]"
         " %4 = const 2 : int %5 = add %2, %4 : int %6 = draw %1, %5 [7] : real[2] return %3, %6 }");
  double a[6], b[6], in[2] = {11, 100};
  evaluate(f, TW_F64, in, a);
  evaluate(f, TW_F32, in, b);
  for (int k = 0; k < 6; k++) {
    CHECK(a[k] > 0 && a[k] < 1 && (k == 0 || k >= 4 || a[k] != a[k - 1]), "draw %d is %g", k, a[k]);
    CHECK(b[k] == (double)(float)a[k], "a draw in f32 is the draw in f64 rounded once");
  }
  CHECK(a[2] == a[4] && a[3] == a[5], "element e of a draw is counter offset + e");
}

int main(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  bool used[TW_OP_COUNT] = {false};
  used[TW_OP_draw] = used[TW_OP_none] = true;
  check_draw(m);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const TwFn *f = parse_or_die(m, cases[k].text);
    const TwFn *g = emitted_anew(m, f);
    CHECK(tw_verify(g) == NULL, "%s\n%s", tw_verify(g), cases[k].text);
    mark_used(f, used);
    compare(&cases[k], f, TW_F64, "as written");
    compare(&cases[k], f, TW_F32, "as written");
    compare(&cases[k], g, TW_F64, "folded");
    compare(&cases[k], g, TW_F32, "folded");
  }
  for (int op = 0; op < TW_OP_COUNT; op++) CHECK(used[op], "no case uses the operation %s", tw_op_name((TwOp)op));
  tw_arena_free(&arena);
  return failures != 0;
}
