/* onnx_ops.c: elementwise operations and those that move elements, as nodes.
 *
 * Where operator set 13 has no operation of ours, it is a few of its own; the head of each says what that rounds. */
#include <math.h>
#include <string.h>

#include "compiler/export/onnx_internal.h"
#include "compiler/opt/opt.h"

enum { FEW_RUNS = 8 }; /* slices, rather than one Gather, which some readers have for one index only */

static const char *const same_name[TW_OP_COUNT] = {
    [TW_OP_neg] = "Neg",   [TW_OP_abs] = "Abs",      [TW_OP_sign] = "Sign",
    [TW_OP_relu] = "Relu", [TW_OP_sqrt] = "Sqrt",    [TW_OP_exp] = "Exp",
    [TW_OP_log] = "Log",   [TW_OP_sin] = "Sin",      [TW_OP_cos] = "Cos",
    [TW_OP_tan] = "Tan",   [TW_OP_asin] = "Asin",    [TW_OP_acos] = "Acos",
    [TW_OP_atan] = "Atan", [TW_OP_sinh] = "Sinh",    [TW_OP_cosh] = "Cosh",
    [TW_OP_tanh] = "Tanh", [TW_OP_floor] = "Floor",  [TW_OP_logistic] = "Sigmoid",
    [TW_OP_add] = "Add",   [TW_OP_sub] = "Sub",      [TW_OP_mul] = "Mul",
    [TW_OP_div] = "Div",   [TW_OP_pow] = "Pow",      [TW_OP_min] = "Min",
    [TW_OP_max] = "Max",   [TW_OP_lt] = "Less",      [TW_OP_le] = "LessOrEqual",
    [TW_OP_eq] = "Equal",  [TW_OP_and] = "And",      [TW_OP_or] = "Or",
    [TW_OP_not] = "Not",   [TW_OP_select] = "Where", [TW_OP_mod] = "Mod",
};

static const char *choice(TwOnnx *x, const char *c, const char *yes, const char *no) {
  return tw_onnx_apply(x, "Where", (const char *const[]){c, yes, no}, 3, NULL);
}

/* The angle by the quotient, half a turn further where x is negative; 0 where y is 0 and x is not negative. Rounds
 * three times. */
static const char *atan2_of(TwOnnx *o, const char *y, const char *x) {
  const char *zero = tw_onnx_scalar(o, 0), *half_turn = tw_onnx_scalar(o, M_PI), *back = tw_onnx_scalar(o, -M_PI);
  const char *left = tw_onnx_apply2(o, "Less", x, zero),
             *quotient = tw_onnx_apply1(o, "Atan", tw_onnx_apply2(o, "Div", y, x));
  const char *turn = choice(o, tw_onnx_apply2(o, "Less", y, zero), back, half_turn);
  const char *angle = choice(o, left, tw_onnx_apply2(o, "Add", quotient, turn), quotient);
  const char *ahead = tw_onnx_apply2(o, "And", tw_onnx_apply2(o, "Equal", y, zero), tw_onnx_apply1(o, "Not", left));
  return choice(o, ahead, zero, angle);
}

/* Strong zero. */
static const char *mul0_of(TwOnnx *x, const char *a, const char *b) {
  const char *zero = tw_onnx_scalar(x, 0);
  const char *none = tw_onnx_apply2(x, "Or", tw_onnx_apply2(x, "Equal", a, zero), tw_onnx_apply2(x, "Equal", b, zero));
  return choice(x, none, zero, tw_onnx_apply2(x, "Mul", a, b));
}

/* Floor division: what is left of a without its remainder is a multiple of b. */
static const char *floor_div(TwOnnx *x, const char *a, const char *b) {
  return tw_onnx_apply2(x, "Div", tw_onnx_apply2(x, "Sub", a, tw_onnx_apply2(x, "Mod", a, b)), b);
}

static const char *cast(TwOnnx *x, TwRef r) {
  const char *from = tw_onnx_arg(x, r, 0);
  return tw_onnx_apply(x, "Cast", &from, 1, &(TwOnnxAttr){"to", tw_onnx_type(x, tw_onnx_info(x, r)->dtype)});
}

/* expm1 and log1p round twice, and lose digits near 0. NULL: not elementwise. */
static const char *elementwise(TwOnnx *x, TwRef r) {
  TwOp op = tw_op(x->f, r);
  uint32_t n = tw_inst(x->f, r)->n_args;
  if (op == TW_OP_stop || op == TW_OP_along) return tw_onnx_arg(x, r, 0);
  if (op == TW_OP_to_real || op == TW_OP_to_int) return cast(x, r);
  const char *a[3] = {NULL, NULL, NULL};
  bool whole = tw_onnx_info(x, r)->dtype == TW_INT;
  if (!same_name[op] && op != TW_OP_expm1 && op != TW_OP_log1p && op != TW_OP_ne && op != TW_OP_mul0 &&
      op != TW_OP_fma && op != TW_OP_atan2)
    return NULL;
  for (uint32_t k = 0; k < n && k < 3; k++) a[k] = tw_onnx_arg(x, r, k);
  if (op == TW_OP_expm1) return tw_onnx_apply2(x, "Sub", tw_onnx_apply1(x, "Exp", a[0]), tw_onnx_scalar(x, 1));
  if (op == TW_OP_log1p) return tw_onnx_apply1(x, "Log", tw_onnx_apply2(x, "Add", a[0], tw_onnx_scalar(x, 1)));
  if (op == TW_OP_ne) return tw_onnx_apply1(x, "Not", tw_onnx_apply2(x, "Equal", a[0], a[1]));
  if (op == TW_OP_mul0) return mul0_of(x, a[0], a[1]);
  if (op == TW_OP_fma) return tw_onnx_apply2(x, "Add", tw_onnx_apply2(x, "Mul", a[0], a[1]), a[2]);
  if (op == TW_OP_atan2) return atan2_of(x, a[0], a[1]);
  if (op == TW_OP_div) return whole ? floor_div(x, a[0], a[1]) : tw_onnx_apply2(x, "Div", a[0], a[1]);
  return tw_onnx_apply(x, same_name[op], a, n, NULL);
}

/* A sum with a contraction that waited for it: one Gemm. */
static bool with_bias(TwOnnx *x, TwRef r) {
  if (tw_op(x->f, r) != TW_OP_add) return false;
  for (uint32_t k = 0; k < 2; k++) {
    TwRef dot = tw_arg(x->f, r, k);
    if (!x->with_bias[dot]) continue;
    tw_onnx_dot(x, dot, tw_onnx_arg(x, r, 1 - k));
    x->name[r] = x->name[dot];
    return true;
  }
  return false;
}

/* ---- elements that move */

static const char *slice(TwOnnx *x, const char *from, int64_t start, int64_t n) {
  int64_t one = 1, end = start + n;
  const char *const in[] = {from, tw_onnx_wholes(x, 1, &one, &start), tw_onnx_wholes(x, 1, &one, &end),
                            tw_onnx_wholes(x, 1, &one, &one)};
  return tw_onnx_apply(x, "Slice", in, 4, NULL);
}

const char *tw_onnx_gather(TwOnnx *x, const char *from, TwDtype d, int64_t width, const int64_t *index, int64_t n) {
  int64_t start[FEW_RUNS], length[FEW_RUNS], one = 1;
  uint32_t runs = 0;
  if (n == 0) return slice(x, from, 0, 0);
  for (int64_t k = 0; k < n; k++) {
    bool on = k > 0 && index[k] == index[k - 1] + 1;
    if (!on && ++runs > FEW_RUNS) break;
    if (!on) start[runs - 1] = index[k], length[runs - 1] = 0;
    length[runs - 1]++;
  }
  if (runs == 1 && n == width) return from;
  if (width == 1 && d == TW_REAL) { /* to every column alike: a product with ones, which rounds nothing */
    double *ones = TW_NEW_N(x->arena, double, (uint64_t)n + 1);
    for (int64_t k = 0; k < n; k++) ones[k] = 1;
    const char *const in[] = {from, tw_onnx_reals(x, 2, (const int64_t[]){n, 1}, ones)};
    return tw_onnx_apply(x, "Gemm", in, 2, &(TwOnnxAttr){"transB", 1});
  }
  if (runs > FEW_RUNS) {
    const char *const in[] = {from, tw_onnx_wholes(x, 1, &n, index)};
    return tw_onnx_apply(x, "Gather", in, 2, &(TwOnnxAttr){"axis", one});
  }
  const char *part[FEW_RUNS];
  for (uint32_t k = 0; k < runs; k++) part[k] = slice(x, from, start[k], length[k]);
  return runs == 1 ? part[0] : tw_onnx_apply(x, "Concat", part, runs, &(TwOnnxAttr){"axis", 1});
}

/* Where each element of a moving operation comes from: an element of the row values among its operands, laid side by
 * side, or (-1) a number that is known. */
typedef struct Moves {
  int64_t *from;
  const char *all; /* the row values side by side */
  int64_t width;
  bool some_known;
} Moves;

static Moves moves_of(TwOnnx *x, TwRef r) {
  uint32_t n = tw_inst(x->f, r)->n_args, n_rows = 0;
  int64_t count = tw_onnx_info(x, r)->count, *at = TW_NEW_N(x->arena, int64_t, n + 1);
  const char **rows = TW_NEW_N(x->arena, const char *, n + 1);
  Moves m = {.from = TW_NEW_N(x->arena, int64_t, (uint64_t)count + 1)};
  for (uint32_t k = 0; k < n; k++) {
    TwRef a = tw_arg(x->f, r, k);
    at[k] = -1;
    if (!x->of_row[a]) continue;
    at[k] = m.width;
    m.width += tw_onnx_info(x, a)->count;
    rows[n_rows++] = x->name[a];
  }
  m.all = n_rows == 1 ? rows[0] : tw_onnx_apply(x, "Concat", rows, n_rows, &(TwOnnxAttr){"axis", 1});
  for (int64_t e = 0; e < count; e++) {
    int64_t source = 0;
    int k = tw_view_step(x->f, r, e, &source);
    m.from[e] = k >= 0 && at[k] >= 0 ? at[k] + source : -1;
    m.some_known |= m.from[e] < 0;
  }
  return m;
}

/* The known elements, the others whatever. */
static const char *known_elements(TwOnnx *x, TwRef r, const Moves *m) {
  const TwTyInfo *t = tw_onnx_info(x, r);
  double *reals = TW_NEW_N(x->arena, double, (uint64_t)t->count + 1);
  int64_t *wholes = TW_NEW_N(x->arena, int64_t, (uint64_t)t->count + 1);
  for (int64_t e = 0; e < t->count; e++) {
    int64_t source = 0;
    int k = tw_view_step(x->f, r, e, &source);
    if (m->from[e] >= 0 || k < 0) continue;
    if (t->dtype == TW_REAL) reals[e] = tw_onnx_real(x, tw_arg(x->f, r, (uint32_t)k), source);
    else wholes[e] = tw_onnx_whole(x, tw_arg(x->f, r, (uint32_t)k), source);
  }
  return t->dtype == TW_REAL ? tw_onnx_reals(x, 1, &t->count, reals) : tw_onnx_wholes(x, 1, &t->count, wholes);
}

static void move(TwOnnx *x, TwRef r) {
  const TwTyInfo *t = tw_onnx_info(x, r);
  Moves m = moves_of(x, r);
  int64_t *index = TW_NEW_N(x->arena, int64_t, (uint64_t)t->count + 1);
  uint8_t *is_row = TW_NEW_N(x->arena, uint8_t, (uint64_t)t->count + 1);
  for (int64_t e = 0; e < t->count; e++) {
    is_row[e] = m.from[e] >= 0;
    index[e] = is_row[e] ? m.from[e] : 0;
  }
  if (m.some_known && t->dtype == TW_BOOL) {
    tw_onnx_refuse(x, r, "it joins truth values of a row with others");
    return;
  }
  const char *moved = tw_onnx_gather(x, m.all, t->dtype, m.width, index, t->count);
  if (m.some_known) {
    const char *mask = tw_onnx_fresh(x);
    tw_onnx_initializer(&x->graph, mask, TW_ONNX_BOOL, 1, &t->count, is_row);
    moved = choice(x, mask, moved, known_elements(x, r, &m));
  }
  x->name[r] = moved;
}

/* t[i]: of a table that is known, at an index of the row; or of the row, at an index that is known. Beyond the ends:
 * the end. */
static void take_at(TwOnnx *x, TwRef r) {
  TwRef table = tw_arg(x->f, r, 0), at = tw_arg(x->f, r, 1);
  const TwTyInfo *t = tw_onnx_info(x, r), *of = tw_onnx_info(x, table);
  if (x->of_row[table] && x->of_row[at]) {
    tw_onnx_refuse(x, r, "it takes an element of a row's own values at an index that depends on the row");
    return;
  }
  int64_t last = of->dims[0] - 1, zero = 0, one = 1, minus_one = -1;
  if (x->of_row[table]) {
    int64_t i = tw_onnx_whole(x, at, 0), *index = TW_NEW_N(x->arena, int64_t, (uint64_t)t->count + 1);
    for (int64_t e = 0; e < t->count; e++) index[e] = (i < 0 ? 0 : i > last ? last : i) * t->count + e;
    x->name[r] = tw_onnx_gather(x, x->name[table], t->dtype, of->count, index, t->count);
    return;
  }
  const char *i = tw_onnx_apply2(x, "Max", x->name[at], tw_onnx_wholes(x, 0, NULL, &zero));
  i = tw_onnx_apply2(x, "Min", i, tw_onnx_wholes(x, 0, NULL, &last));
  i = tw_onnx_apply2(x, "Reshape", i, tw_onnx_wholes(x, 1, &one, &minus_one));
  const char *rows = tw_onnx_fresh(x);
  tw_onnx_initializer(&x->graph, rows, tw_onnx_type(x, of->dtype), 2, (const int64_t[]){of->dims[0], t->count},
                      x->known[table]);
  const char *const in[] = {rows, i};
  x->name[r] = tw_onnx_apply(x, "Gather", in, 2, &(TwOnnxAttr){"axis", zero});
}

void tw_onnx_emit(TwOnnx *x, TwRef r) {
  TwOp op = tw_op(x->f, r);
  if (with_bias(x, r)) return;
  if ((x->name[r] = elementwise(x, r))) return;
  if (tw_view_is(x->f, r)) move(x, r);
  else if (op == TW_OP_index) take_at(x, r);
  else if (op == TW_OP_sum) tw_onnx_sum(x, r);
  else if (op == TW_OP_rmax || op == TW_OP_rmin) tw_onnx_extremum(x, r);
  else if (op == TW_OP_dot) tw_onnx_dot(x, r, NULL);
  else if (op == TW_OP_samples) tw_onnx_refuse(x, r, "it goes over the rows of a data set");
  else
    tw_onnx_refuse(x, r, tw_arena_printf(x->arena, "ONNX has nothing for the operation '%s' of a row", tw_op_name(op)));
}
