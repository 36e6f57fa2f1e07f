/* verify.c: the verifier rejects functions that are broken, each in one way. */
#include <string.h>

#include "tests/ir/support.h"

/* The function that gets broken: refs are 1 p, 2 v, 3 flag, 4 add, 5 scan, 6 get, 7 index, 8 const. */
static const char text[] =
    "fn body(%1: int, %2: real, %3: real) -> (real, real) { %4 = mul %2, %3 : real return %4, %3 }"
    "fn f(%1: real, %2: real[3], %3: bool) -> (real[3], real, real) {"
    " %4 = add %2, %2 : real[3] %5 = scan @body (; %1; %4) trip 3 : tuple %6 = get %5 [0] : real"
    " %7 = const 2 : int %8 = index %4, %7 : real return %4, %6, %8 }";

typedef struct Break {
  const char *message;
  void (*how)(TwFn *f);
} Break;

static TwRegion *region(TwFn *f) { return &f->regions.at[f->insts.at[5].region]; }
static TwRef *arg(TwFn *f, TwRef r, uint32_t k) { return &f->args.at[f->insts.at[r].args + k]; }
static TwFn *body(TwFn *f) { return (TwFn *)region(f)->body; }

static void later_operand(TwFn *f) { *arg(f, 4, 0) = 6; }
static void own_operand(TwFn *f) { *arg(f, 4, 0) = 4; }
static void no_operand(TwFn *f) { *arg(f, 4, 1) = 0; }
static void far_operand(TwFn *f) { *arg(f, 4, 1) = 1000; }
static void other_type(TwFn *f) { *arg(f, 4, 1) = 1; }
static void no_op(TwFn *f) { f->insts.at[4].op = TW_OP_none; }
static void far_op(TwFn *f) { f->insts.at[4].op = TW_OP_COUNT; }
static void no_type(TwFn *f) { f->insts.at[4].type = 0; }
static void far_type(TwFn *f) { f->insts.at[4].type = 5000; }
static void wrong_type(TwFn *f) { f->insts.at[4].type = f->insts.at[1].type; }
static void far_args(TwFn *f) { f->insts.at[4].args = 9999; }
static void far_attrs(TwFn *f) { f->insts.at[6].attrs = UINT32_MAX; }
static void far_region(TwFn *f) { f->insts.at[5].region = 7; }
static void param_moved(TwFn *f) { f->attrs.at[f->insts.at[2].attrs] = 0; }
static void param_lost(TwFn *f) { f->params.len--; }
static void param_unknown(TwFn *f) { f->params.at[1] = 4; }
static void result_unknown(TwFn *f) { f->results.at[0] = 77; }
static void result_tuple(TwFn *f) { f->results.at[0] = 5; }
static void unsealed(TwFn *f) { f->sealed = false; }
static void body_missing(TwFn *f) { region(f)->body = NULL; }
static void body_unsealed(TwFn *f) { body(f)->sealed = false; }
static void body_broken(TwFn *f) { *arg(body(f), 4, 0) = 4; }
static void body_itself(TwFn *f) { region(f)->body = f; }
static void second_body(TwFn *f) { region(f)->other = region(f)->body; }
static void wrong_trip(TwFn *f) { region(f)->trip = 4; }
static void wrong_count(TwFn *f) { region(f)->n_consts = 1; }
static void huge_count(TwFn *f) { region(f)->n_carry = UINT32_MAX; }
static void more_ys(TwFn *f) { region(f)->n_ys++; }
static void get_too_far(TwFn *f) { f->attrs.at[f->insts.at[6].attrs] = 2; }
static void get_negative(TwFn *f) { f->attrs.at[f->insts.at[6].attrs] = -1; }
static void get_of_value(TwFn *f) { *arg(f, 6, 0) = 4; }
static void other_module(TwFn *f) {
  TwModule *m = tw_arena_alloc(f->module->arena, sizeof *m);
  *m = *f->module;
  body(f)->module = m;
}

static const Break breaks[] = {
    {"not earlier", later_operand},
    {"not earlier", own_operand},
    {"not earlier", no_operand},
    {"not earlier", far_operand},
    {"one type", other_type},
    {"no such operation", no_op},
    {"no such operation", far_op},
    {"no such type", no_type},
    {"no such type", far_type},
    {"not that of the result", wrong_type},
    {"outside their table", far_args},
    {"outside their table", far_attrs},
    {"no such region", far_region},
    {"at its position", param_moved},
    {"at its position", param_lost},
    {"at its position", param_unknown},
    {"result does not exist", result_unknown},
    {"cannot be a result", result_tuple},
    {"not sealed", unsealed},
    {"needs a body", body_missing},
    {"not sealed", body_unsealed},
    {"not earlier", body_broken},
    {"contains itself", body_itself},
    {"one body", second_body},
    {"leading axis", wrong_trip},
    {"differ in number", wrong_count},
    {"differ in number", huge_count},
    {"number of body results", more_ys},
    {"no such result", get_too_far},
    {"number of a result", get_negative},
    {"must be a region", get_of_value},
    {"another module", other_module},
};

int main(void) {
  for (size_t k = 0; k < sizeof breaks / sizeof *breaks; k++) {
    TwArena arena = {0};
    TwFn *f = (TwFn *)parse_or_die(tw_module_new(&arena), text);
    CHECK(!tw_verify(f), "the function is well formed before it is broken: %s", tw_verify(f));
    breaks[k].how(f);
    const char *why = tw_verify(f);
    CHECK(why && strstr(why, breaks[k].message), "break %zu: '%s', not '%s'", k, why ? why : "accepted",
          breaks[k].message);
    tw_arena_free(&arena);
  }
  return failures != 0;
}
