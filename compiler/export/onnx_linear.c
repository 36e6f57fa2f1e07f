/* onnx_linear.c: sums and contractions, as Gemm with a matrix that is known.
 *
 * A sum over some axes is a product with a matrix of ones and zeros, so an infinity in one element of a row makes the
 * other elements of its sums NaN. The order of additions is the reader's. */
#include "compiler/export/onnx_internal.h"

enum { MAX_MATRIX = 1 << 24, MAX_REDUCED = 4096 };

/* Offsets, in row-major order, of the elements along some axes of a tensor. */
typedef struct Along {
  int64_t n, *at;
} Along;

static Along along(TwOnnx *x, const TwTyInfo *t, const uint32_t *axes, uint32_t n_axes) {
  int64_t stride[TW_MAX_RANK], s = 1;
  Along a = {.n = 1};
  for (uint32_t k = t->rank; k-- > 0; s *= t->dims[k]) stride[k] = s;
  for (uint32_t k = 0; k < n_axes; k++) a.n *= t->dims[axes[k]];
  a.at = TW_NEW_N(x->arena, int64_t, (uint64_t)a.n + 1);
  for (int64_t e = 0; e < a.n; e++) {
    int64_t left = e;
    for (uint32_t k = n_axes; k-- > 0; left /= t->dims[axes[k]]) a.at[e] += left % t->dims[axes[k]] * stride[axes[k]];
  }
  return a;
}

/* The axes of t that are in `attrs`, in that order, and the others. */
static void split(TwOnnx *x, const TwTyInfo *t, const int64_t *attrs, uint32_t n, Along *in, Along *others) {
  uint32_t axes[TW_MAX_RANK], rest[TW_MAX_RANK], n_rest = 0;
  for (uint32_t k = 0; k < n; k++) axes[k] = (uint32_t)attrs[k];
  for (uint32_t k = 0; k < t->rank; k++) {
    bool is_in = false;
    for (uint32_t j = 0; j < n; j++) is_in |= axes[j] == k;
    if (!is_in) rest[n_rest++] = k;
  }
  *in = along(x, t, axes, n);
  *others = along(x, t, rest, n_rest);
}

static const int64_t *attrs_of(const TwOnnx *x, TwRef r) { return x->f->attrs.at + tw_inst(x->f, r)->attrs; }

/* from [N, columns] by a matrix [rows, columns], and a bias (NULL: none). */
static const char *gemm(TwOnnx *x, const char *from, int64_t rows, int64_t columns, const double *matrix,
                        const char *bias) {
  const char *const in[] = {from, tw_onnx_reals(x, 2, (const int64_t[]){rows, columns}, matrix), bias};
  return tw_onnx_apply(x, "Gemm", in, bias ? 3 : 2, &(TwOnnxAttr){"transB", 1});
}

static double *matrix(TwOnnx *x, TwRef r, int64_t rows, int64_t columns) {
  if (rows == 0 || columns == 0 || rows <= MAX_MATRIX / columns)
    return TW_NEW_N(x->arena, double, (uint64_t)rows *(uint64_t)columns + 1);
  tw_onnx_refuse(x, r, "a product of a row's own values is too large to be written as a matrix");
  return NULL;
}

void tw_onnx_sum(TwOnnx *x, TwRef r) {
  TwRef a = tw_arg(x->f, r, 0);
  const TwTyInfo *t = tw_onnx_info(x, a);
  if (t->dtype != TW_REAL) {
    tw_onnx_refuse(x, r, "it sums integers of a row");
    return;
  }
  Along in, kept;
  split(x, t, attrs_of(x, r), tw_inst(x->f, r)->n_attrs, &in, &kept);
  double *m = matrix(x, r, kept.n, t->count);
  for (int64_t k = 0; m && k < kept.n; k++)
    for (int64_t j = 0; j < in.n; j++) m[k * t->count + kept.at[k] + in.at[j]] = 1;
  if (m) x->name[r] = gemm(x, x->name[a], kept.n, t->count, m, NULL);
}

void tw_onnx_extremum(TwOnnx *x, TwRef r) {
  TwRef a = tw_arg(x->f, r, 0);
  const TwTyInfo *t = tw_onnx_info(x, a);
  Along in, kept;
  split(x, t, attrs_of(x, r), tw_inst(x->f, r)->n_attrs, &in, &kept);
  if (in.n > MAX_REDUCED || in.n == 0) {
    tw_onnx_refuse(x, r, "it takes the extremum of none, or of too many, values of a row");
    return;
  }
  const char **part = TW_NEW_N(x->arena, const char *, (uint64_t)in.n);
  int64_t *index = TW_NEW_N(x->arena, int64_t, (uint64_t)kept.n + 1);
  for (int64_t j = 0; j < in.n; j++) {
    for (int64_t k = 0; k < kept.n; k++) index[k] = kept.at[k] + in.at[j];
    part[j] = tw_onnx_gather(x, x->name[a], t->dtype, t->count, index, kept.n);
  }
  x->name[r] = tw_onnx_apply(x, tw_op(x->f, r) == TW_OP_rmax ? "Max" : "Min", part, (uint32_t)in.n, NULL);
}

/* The operands of a dot: which elements meet. */
typedef struct Meets {
  Along in[2], kept[2];
} Meets;

/* One operand known: its elements are the matrix. */
static void dot_known(TwOnnx *x, TwRef r, const Meets *w, uint32_t row_side, const char *bias) {
  uint32_t known_side = 1 - row_side;
  TwRef row = tw_arg(x->f, r, row_side), known = tw_arg(x->f, r, known_side);
  int64_t columns = tw_onnx_info(x, row)->count, outs = w->kept[0].n * w->kept[1].n;
  double *m = matrix(x, r, outs, columns);
  for (int64_t o = 0; m && o < outs; o++) {
    int64_t of[2] = {o / w->kept[1].n, o % w->kept[1].n};
    for (int64_t c = 0; c < w->in[0].n; c++)
      m[o * columns + w->kept[row_side].at[of[row_side]] + w->in[row_side].at[c]] = tw_onnx_real(
          x, known, w->kept[known_side].at[of[known_side]] + w->in[known_side].at[c]);
  }
  if (m) x->name[r] = gemm(x, x->name[row], outs, columns, m, bias);
}

/* Both of the row: the pairs that meet, multiplied, and their sums. */
static void dot_rows(TwOnnx *x, TwRef r, const Meets *w, const char *bias) {
  int64_t outs = w->kept[0].n * w->kept[1].n, each = w->in[0].n, pairs = outs * each,
          *index = TW_NEW_N(x->arena, int64_t, (uint64_t)pairs + 1);
  double *m = matrix(x, r, outs, pairs);
  const char *side[2];
  for (uint32_t k = 0; m && k < 2; k++) {
    TwRef a = tw_arg(x->f, r, k);
    for (int64_t p = 0; p < pairs; p++) {
      int64_t of[2] = {p / each / w->kept[1].n, p / each % w->kept[1].n};
      index[p] = w->kept[k].at[of[k]] + w->in[k].at[p % each];
    }
    side[k] = tw_onnx_gather(x, x->name[a], TW_REAL, tw_onnx_info(x, a)->count, index, pairs);
  }
  for (int64_t p = 0; m && p < pairs; p++) m[p / each * pairs + p] = 1;
  if (m) x->name[r] = gemm(x, tw_onnx_apply2(x, "Mul", side[0], side[1]), outs, pairs, m, bias);
}

void tw_onnx_dot(TwOnnx *x, TwRef r, const char *bias) {
  uint32_t n = (uint32_t)tw_attr(x->f, r, 0);
  Meets w;
  for (uint32_t k = 0; k < 2; k++)
    split(x, tw_onnx_info(x, tw_arg(x->f, r, k)), attrs_of(x, r) + 1 + k * n, n, &w.in[k], &w.kept[k]);
  bool rows[2] = {x->of_row[tw_arg(x->f, r, 0)], x->of_row[tw_arg(x->f, r, 1)]};
  if (rows[0] && rows[1]) dot_rows(x, r, &w, bias);
  else dot_known(x, r, &w, rows[0] ? 0 : 1, bias);
}
