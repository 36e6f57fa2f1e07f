/* text.c: print -> parse -> print is the identity; the parser rejects what is wrong with a line
 * number and survives anything. */
#include <string.h>

#include "tests/ir/random.h"
#include "tests/ir/support.h"

static void check_round_trip(TwModule *m, const TwFn *f) {
  const char *first = tw_ir_print(f), *error;
  const TwFn *again = tw_ir_parse(m, first, &error);
  CHECK(again, "%s\n%s", error, first);
  if (!again) return;
  const char *second = tw_ir_print(again);
  CHECK(!strcmp(first, second), "printed\n%s\nparsed and printed\n%s", first, second);
}

/* A text with a few bytes changed either fails with a message or is a function that prints. */
static void check_damaged(TwModule *m, const char *text, uint64_t *rng) {
  static const char marks[] = "%@()[]{},;:=- \n0123456789.abcdefghxyz#";
  size_t n = strlen(text);
  char *copy = malloc(n + 1);
  memcpy(copy, text, n + 1);
  for (uint64_t k = next_random(rng) % 4; k < 4; k++) {
    size_t at = next_random(rng) % n;
    uint64_t how = next_random(rng) % 3;
    if (how == 0) copy[at] = (char)next_random(rng);
    else if (how == 1) copy[at] = marks[next_random(rng) % (sizeof marks - 1)];
    else copy[at] = copy[next_random(rng) % n];
  }
  const char *error = NULL;
  const TwFn *f = tw_ir_parse(m, copy, &error);
  CHECK(f || !strncmp(error, "line ", 5) || strstr(error, "function"), "an error without a place: %s", error);
  if (f) check_round_trip(m, f);
  free(copy);
}

typedef struct Wrong {
  const char *text, *message;
} Wrong;

static const Wrong wrong[] = {
    {"", "line 1: expected fn"},
    {"fn f(%1: real) -> (real) {\n  %2 = exq %1 : real\n  return %2\n}", "line 2: no operation has the name exq"},
    {"fn f(%1: reel) -> (real) { return %1 }", "line 1: expected a type, not reel"},
    {"fn f(%1: real[1,2,3,4,5,6,7,8,9]) -> (real) { return %1 }", "at most 8 axes"},
    {"fn f(%1: real[-1]) -> (real) { return %1 }", "size at least 0"},
    {"fn f(%1: real) -> (real) { return %2 }", "used before it is defined"},
    {"fn f(%1: real) -> (real) { %1 = neg %1 : real return %1 }", "defined twice"},
    {"fn f(%99999999: real) -> (real) { return %1 }", "larger than the text"},
    {"fn f(%1: real) -> (real, real) { return %1 }", "results differ"},
    {"fn f(%1: real) -> (int) { return %1 }", "results differ"},
    {"fn f(%1: real) -> (real) { return %1 } trailing", "expected fn"},
    {"fn f(%1: real) -> (real) { return %1 } fn f(%1: real) -> (real) { return %1 }", "two functions have the name f"},
    {"fn f(%1: real) -> (real) { %2 = param : real return %2 }", "parameters stand in the head"},
    {"fn f() -> (int) { %1 = const 1.5 : int return %1 }", "not a whole number"},
    {"fn f() -> (bool) { %1 = const 2 : bool return %1 }", "a bool is 0 or 1"},
    {"fn f() -> (int) { %1 = const 99999999999999999999 : int return %1 }", "not a whole number"},
    {"fn f(%1: real) -> (real) { %2 = scan @b (%1; ; ) trip 2 : tuple return %1 }", "no function above has the name b"},
    {"fn f(%1: tuple) -> (real) { return %1 }", "cannot be a tuple"},
    {"fn b() -> (real) { %1 = const 1 : real return %1 } fn f(%1: bool) -> (tuple) { %2 = cond %1 @b @b () : tuple "
     "return %2 }",
     "cannot be a result"},
};

/* Rules of operations: the parser asks shape.c, as the verifier does. */
static const Wrong shapes[] = {
    {"%9 = add %1, %2 : real", "must have one type"},
    {"%9 = add %1 : real", "wrong number of operands"},
    {"%9 = add %1, %1 [0] : real", "no attributes"},
    {"%9 = add %3, %3 : real", "not that of the result"},
    {"%9 = sin %2 : int", "not defined for that kind"},
    {"%9 = mod %1, %1 : real", "not defined for that kind"},
    {"%9 = lt %4, %4 : bool", "no order"},
    {"%9 = and %1, %1 : real", "must be bool"},
    {"%9 = to_real %1 : real", "nothing to convert"},
    {"%9 = select %1, %1, %1 : real", "condition must be bool"},
    {"%9 = select %4, %1, %2 : real", "two values must have one type"},
    {"%9 = iota : real[3]", "iota is int"},
    {"%9 = draw %1, %2 [1] : real", "seed and offset"},
    {"%9 = broadcast %3 [0] : real[4, 4]", "changes its size"},
    {"%9 = broadcast %3 [2] : real[3, 4]", "different axes of the result"},
    {"%9 = broadcast %3 : real[3, 4]", "one attribute an axis"},
    {"%9 = reshape %3 : real[4]", "number of elements"},
    {"%9 = transpose %5 [0 0] : real[2, 3]", "permutation"},
    {"%9 = reverse %3 [1] : real[3]", "must be an axis"},
    {"%9 = slice %3 [1 1] : real[3]", "past the end"},
    {"%9 = slice %3 [0 0] : real[1]", "step at least 1"},
    {"%9 = slice %3 [9223372036854775807 1] : real[1]", "past the end"},
    {"%9 = pad %3 [0 2] : real[4]", "past the end"},
    {"%9 = concat %3, %1 [0] : real[4]", "one rank"},
    {"%9 = concat %5, %5 [2] : real[4, 3]", "must be an axis"},
    {"%9 = index %1, %2 : real", "must have an axis"},
    {"%9 = index %3, %1 : real", "int scalar"},
    {"%9 = add_at %3, %2, %3 : real[3]", "like an element"},
    {"%9 = sum %5 [1 0] : real", "ascending axes"},
    {"%9 = sum %5 [2] : real[2, 3]", "ascending axes"},
    {"%9 = rmax %6 [0] : real", "no extremum"},
    {"%9 = argmask %3 [2 0] : bool[3]", "0 for max, 1 for min"},
    {"%9 = dot %3, %5 [1 0 0] : real[3]", "agree in size"},
    {"%9 = dot %3, %3 [1 0] : real", "number of contracted axes"},
    {"%9 = get %1 [0] : real", "must be a region"},
    {"%9 = scan @b (; %1; ) trip -1 : tuple", "negative"},
    {"%9 = scan @b (%1; %1; ) trip 2 : tuple", "differ in number"},
    {"%9 = scan @b (; %3; ) trip 2 : tuple", "differ in type"},
    {"%9 = scan @b (; ; %3) trip 2 : tuple", "leading axis"},
    {"%9 = scan @b (; ; %3) trip 3 : tuple %8 = get %9 [1] : real[3]", "no such result"},
    {"%9 = samples @b (%2, %1; ) trip 3 sums 2 : tuple", "too few results"},
    {"%9 = cond %1 @b @b (%2, %1) : tuple", "bool scalar"},
    {"%9 = cond %4 @b @b (%1) : tuple", "differ in number"},
    {"%9 = cond %4 @b @c (%2, %1) : tuple", "differ in type"},
};

static void check_wrong(TwModule *m, const char *text, const char *message) {
  const char *error = NULL;
  const TwFn *f = tw_ir_parse(m, text, &error);
  CHECK(!f && error && strstr(error, message), "'%s' gave '%s', not '%s'", text, f ? "a function" : error, message);
}

static void check_exact(TwModule *m) {
  static const double values[] = {0.1, -0.0, 0x1p-1074, 1.7976931348623157e308, 1.0 / 0.0, -1.0 / 0.0, 3};
  TwFn *f = tw_fn_new(m, "odd name: a b/c");
  for (size_t k = 0; k < sizeof values / sizeof *values; k++) tw_result(f, tw_real(f, values[k]));
  tw_result(f, tw_real(f, __builtin_nan("")));
  tw_result(f, tw_int(f, INT64_MIN));
  tw_fn_seal(f);
  check_round_trip(m, f);
  double out[16];
  const TwFn *again = parse_or_die(m, tw_ir_print(f));
  evaluate(again, TW_F64, NULL, out);
  for (size_t k = 0; k < sizeof values / sizeof *values; k++)
    CHECK(same_bits(out[k], values[k]), "%a came back as %a", values[k], out[k]);
}

int main(void) {
  uint64_t rng = 1;
  for (uint32_t k = 0; k < 400; k++) {
    TwArena arena = {0};
    TwModule *m = tw_module_new(&arena);
    const TwFn *plain, *fold;
    random_program(m, &rng, &plain, &fold);
    check_round_trip(m, plain);
    check_round_trip(m, fold);
    for (int d = 0; d < 20; d++) check_damaged(m, tw_ir_print(fold), &rng);
    tw_arena_free(&arena);
  }
  TwArena arena = {0};
  TwModule *m = tw_module_new(&arena);
  check_exact(m);
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) check_wrong(m, wrong[k].text, wrong[k].message);
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
    static const char head[] =
        "fn b(%1: int, %2: real) -> (real) { return %2 } fn c(%1: int, %2: real) -> (int) { return %1 }"
        " fn f(%1: real, %2: int, %3: real[3], %4: bool, %5: real[2, 3], %6: real[0]) -> () { ";
    check_wrong(m, tw_arena_printf(&arena, "%s%s return }", head, shapes[k].text), shapes[k].message);
  }
  tw_arena_free(&arena);
  return failures != 0;
}
