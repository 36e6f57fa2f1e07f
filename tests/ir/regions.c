/* regions.c: what becomes of regions while they are emitted and when a function is sealed; that
 * spans survive; that long functions are built quickly. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "tests/ir/support.h"

/* Emits the text's function anew, with folding, and seals it. */
static const TwFn *rebuilt(TwModule *m, const char *text) {
  const TwFn *f = parse_or_die(m, text);
  TwFn *g = tw_fn_new(m, "f");
  TwRef args[8], out[8];
  for (uint32_t k = 0; k < f->params.len; k++) args[k] = tw_param(g, tw_type(f, f->params.at[k]));
  tw_inline(g, f, args, out);
  for (uint32_t k = 0; k < f->results.len; k++) tw_result(g, out[k]);
  tw_fn_seal(g);
  CHECK(!tw_verify(g), "%s", tw_verify(g));
  return g;
}

/* What a program must become, in text form (bodies first). */
typedef struct Case {
  const char *what, *from, *to;
} Case;

static const Case cases[] = {
    {"a scan of no iteration",
     "fn b(%1: int, %2: real) -> (real, real) { %3 = neg %2 : real return %3, %2 }"
     "fn f(%1: real) -> (real, real[0]) { %2 = scan @b (; %1; ) trip 0 : tuple %3 = get %2 [0] : real %4 = get %2 [1] "
     ": real[0] return %3, %4 }",
     "fn f(%1: real) -> (real, real[0]) {\n  %2 = const 0x0p+0 : real[0]\n  return %1, %2\n}\n"},
    {"a scan of one iteration",
     "fn b(%1: int, %2: real, %3: real) -> (real, real) { %4 = neg %2 : real %5 = to_real %1 : real %6 = add %5, %3 : "
     "real return %4, %6 }"
     "fn f(%1: real, %2: real[1]) -> (real, real[1]) { %3 = scan @b (; %1; %2) trip 1 : tuple %4 = get %3 [0] : real "
     "%5 = get %3 [1] : real[1] return %4, %5 }",
     "fn f(%1: real, %2: real[1]) -> (real, real[1]) {\n  %3 = neg %1 : real\n  return %3, %2\n}\n"},
    {"a branch that is decided",
     "fn a(%1: real) -> (real) { %2 = neg %1 : real return %2 } fn b(%1: real) -> (real) { return %1 }"
     "fn f(%1: real) -> (real) { %2 = const false : bool %3 = cond %2 @a @b (%1) : tuple %4 = get %3 [0] : real return "
     "%4 }",
     "fn f(%1: real) -> (real) {\n  return %1\n}\n"},
    {"a branch with results alike and an operand that one side reads",
     "fn a(%1: real, %2: real, %3: real) -> (real, real, real) { %4 = const 0x1p+0 : real %5 = neg %1 : real return "
     "%4, %5, %2 }"
     "fn b(%1: real, %2: real, %3: real) -> (real, real, real) { %4 = const 0x1p+0 : real return %4, %1, %2 }"
     "fn f(%1: bool, %2: real, %3: real) -> (real, real, real) { %4 = cond %1 @a @b (%2, %3, %3) : tuple"
     " %5 = get %4 [0] : real %6 = get %4 [1] : real %7 = get %4 [2] : real return %5, %6, %7 }",
     "fn a(%1: real) -> (real) {\n  %2 = neg %1 : real\n  return %2\n}\n\nfn b(%1: real) -> (real) {\n  return "
     "%1\n}\n\n"
     "fn f(%1: bool, %2: real, %3: real) -> (real, real, real) {\n  %4 = const 0x1p+0 : real\n  %5 = cond %1 @a @b "
     "(%2) : tuple\n"
     "  %6 = get %5 [0] : real\n  return %4, %6, %3\n}\n"},
    {"a carry that stays, a literal operand, an unused operand, results made outside",
     "fn b(%1: int, %2: real, %3: real, %4: real, %5: real, %6: real) -> (real, real, real, real, real, int) {"
     " %7 = mul %2, %4 : real %8 = add %7, %5 : real %9 = const 0x1p+1 : real return %4, %8, %9, %4, %6, %1 }"
     "fn f(%1: real, %2: real, %3: real[3]) -> (real, real, real[3], real[3], real[3], int[3]) { %4 = const 0x1p+0 : "
     "real"
     " %5 = scan @b (%4, %1; %1, %2; %3) trip 3 : tuple %6 = get %5 [0] : real %7 = get %5 [1] : real %8 = get %5 [2] "
     ": real[3]"
     " %9 = get %5 [3] : real[3] %10 = get %5 [4] : real[3] %11 = get %5 [5] : int[3] return %6, %7, %8, %9, %10, %11 "
     "}",
     "fn b(%1: int, %2: real, %3: real) -> (real) {\n  %4 = add %2, %3 : real\n  return %4\n}\n\n"
     "fn f(%1: real, %2: real, %3: real[3]) -> (real, real, real[3], real[3], real[3], int[3]) {\n"
     "  %4 = const 0x1p+1 : real[3]\n  %5 = broadcast %1 : real[3]\n  %6 = iota : int[3]\n  %7 = scan @b (%1; %2; ) "
     "trip 3 : tuple\n"
     "  %8 = get %7 [0] : real\n  return %1, %8, %4, %5, %3, %6\n}\n"},
    {"a carried zero that stays zero through an inner loop, and what hangs on it",
     "fn i(%1: int, %2: real, %3: real) -> (real) { %4 = mul %2, %3 : real return %4 }"
     "fn b(%1: int, %2: real, %3: real, %4: real) -> (real, real, real) { %5 = scan @i (%2; %3; ) trip 2 : tuple %6 = "
     "get %5 [0] : real"
     " %7 = add %4, %6 : real %8 = mul %7, %2 : real return %6, %8, %3 }"
     "fn f(%1: real, %2: real) -> (real, real, real[4]) { %3 = const 0x0p+0 : real %4 = scan @b (%1; %3, %2; ) trip 4 "
     ": tuple"
     " %5 = get %4 [0] : real %6 = get %4 [1] : real %7 = get %4 [2] : real[4] return %5, %6, %7 }",
     "fn b(%1: int, %2: real, %3: real) -> (real) {\n  %4 = mul %2, %3 : real\n  return %4\n}\n\n"
     "fn f(%1: real, %2: real) -> (real, real, real[4]) {\n  %3 = const 0x0p+0 : real\n  %4 = const 0x0p+0 : real[4]\n"
     "  %5 = scan @b (%1; %2; ) trip 4 : tuple\n  %6 = get %5 [0] : real\n  return %3, %6, %4\n}\n"},
    {"results and carries that nothing uses",
     "fn b(%1: int, %2: real, %3: real, %4: real) -> (real, real, real, real) { %5 = mul %2, %3 : real %6 = sin %3 : "
     "real"
     " %7 = add %4, %6 : real return %5, %6, %7, %5 }"
     "fn f(%1: real, %2: real, %3: real) -> (real) { %4 = scan @b (; %1, %2, %3; ) trip 4 : tuple %5 = get %4 [1] : "
     "real return %5 }",
     "fn b(%1: int, %2: real) -> (real) {\n  %3 = sin %2 : real\n  return %3\n}\n\n"
     "fn f(%1: real, %2: real, %3: real) -> (real) {\n  %4 = scan @b (; %2; ) trip 4 : tuple\n  %5 = get %4 [0] : "
     "real\n  return %5\n}\n"},
    {"sums of zeros, equal sums, columns that are all alike",
     "fn b(%1: real, %2: real, %3: real) -> (real, real, real, real) { %4 = const 0x0p+0 : real %5 = mul %1, %2 : real "
     "%6 = add %5, %3 : real return %4, %6, %6, %6 }"
     "fn f(%1: real, %2: real[9]) -> (real, real, real, real[9]) { %3 = broadcast %1 : real[9] %4 = samples @b (%1; "
     "%3, %2) trip 9 sums 3 : tuple"
     " %5 = get %4 [0] : real %6 = get %4 [1] : real %7 = get %4 [2] : real %8 = get %4 [3] : real[9] return %5, %6, "
     "%7, %8 }",
     "fn b(%1: real, %2: real) -> (real, real) {\n  %3 = mul %1, %1 : real\n  %4 = add %2, %3 : real\n  return %4, "
     "%4\n}\n\n"
     "fn f(%1: real, %2: real[9]) -> (real, real, real, real[9]) {\n  %3 = const 0x0p+0 : real\n"
     "  %4 = samples @b (%1; %2) trip 9 sums 1 : tuple\n  %5 = get %4 [0] : real\n  %6 = get %4 [1] : real[9]\n  "
     "return %3, %5, %5, %6\n}\n"},
    {"a column of numbers is the counter",
     "fn b(%1: int, %2: int, %3: int) -> (int) { %4 = add %2, %3 : int return %4 }"
     "fn f(%1: int) -> (int) { %2 = iota : int[5] %3 = scan @b (; %1; %2) trip 5 reverse : tuple %4 = get %3 [0] : int "
     "return %4 }",
     "fn b(%1: int, %2: int) -> (int) {\n  %3 = add %1, %2 : int\n  return %3\n}\n\n"
     "fn f(%1: int) -> (int) {\n  %2 = scan @b (; %1; ) trip 5 reverse : tuple\n  %3 = get %2 [0] : int\n  return "
     "%3\n}\n"},
    {"two loops that are one",
     "fn b(%1: int, %2: real) -> (real) { %3 = sin %2 : real return %3 } fn c(%1: int, %2: real) -> (real) { %3 = sin "
     "%2 : real return %3 }"
     "fn f(%1: real) -> (real) { %2 = scan @b (; %1; ) trip 4 : tuple %3 = get %2 [0] : real"
     " %4 = scan @c (; %1; ) trip 4 : tuple %5 = get %4 [0] : real %6 = mul %3, %5 : real return %6 }",
     "fn b(%1: int, %2: real) -> (real) {\n  %3 = sin %2 : real\n  return %3\n}\n\n"
     "fn f(%1: real) -> (real) {\n  %2 = scan @b (; %1; ) trip 4 : tuple\n  %3 = get %2 [0] : real\n  %4 = mul %3, %3 "
     ": real\n  return %4\n}\n"},
};

static void check_spans(TwModule *m) {
  TwFn *b = tw_fn_new(m, "body");
  TwRef x = tw_param(b, real_of(m, 0, 0, 0, 0));
  b->at = (TwSpan){1, 10, 20};
  TwRef y = tw_unary(b, TW_OP_sin, x);
  b->at = (TwSpan){1, 30, 40};
  tw_unary(b, TW_OP_sin, x);
  tw_result(b, y);
  tw_fn_seal(b);
  TwFn *f = tw_fn_new(m, "f");
  TwRef arg = tw_param(f, real_of(m, 0, 0, 0, 0)), out;
  f->at = (TwSpan){2, 1, 2};
  tw_inline(f, b, &arg, &out);
  tw_result(f, out);
  tw_fn_seal(f);
  const TwInst *i = tw_inst(f, f->results.at[0]);
  CHECK(i->span.file == 1 && i->span.start == 10 && i->span.end == 20,
        "an instruction keeps the span it was first emitted with");
  CHECK(f->at.file == 2, "copying leaves the span of the next emission alone");
}

static void check_speed(TwModule *m) {
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  TwFn *f = tw_fn_new(m, "long");
  TwRef x = tw_param(f, real_of(m, 0, 0, 0, 0)), y = x;
  for (int k = 0; k < 100000; k++) y = tw_binary(f, k % 2 ? TW_OP_mul : TW_OP_add, y, x);
  tw_result(f, y);
  tw_fn_seal(f);
  clock_gettime(CLOCK_MONOTONIC, &b);
  double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
  printf("100,000 instructions in %.1f ms\n", 1e3 * seconds);
  CHECK(tw_fn_size(f) == 100001, "all are there");
  CHECK(seconds < 2,
        "building is linear in the number of instructions"); /* 0.1 s would be too slow; sanitizers and load get room */
}

int main(void) {
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const char *got = tw_ir_print(rebuilt(m, cases[k].from));
    CHECK(!strcmp(got, cases[k].to), "%s became\n%s\nand not\n%s", cases[k].what, got, cases[k].to);
  }
  check_spans(m);
  check_speed(m);
  tw_arena_free(&arena);
  return failures != 0;
}
