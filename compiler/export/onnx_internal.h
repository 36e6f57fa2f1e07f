/* onnx_internal.h: what the files of the ONNX export share.
 *
 * A value of the row function is *known*, the same for every row and computed here, or a row value: a tensor [N, count]
 * of the graph, its elements in row-major order whatever the shape is. Known values become initializers where they are
 * used: [count], or a scalar if all elements are alike, so that the broadcasting of ONNX fits them to rows. */
#ifndef TW_EXPORT_ONNX_INTERNAL_H
#define TW_EXPORT_ONNX_INTERNAL_H

#include "compiler/export/export.h"
#include "compiler/export/onnx_proto.h"

typedef struct TwOnnx {
  TwArena *arena;
  TwPb graph;
  bool f64;
  const TwFn *f;            /* the row function: no loops, no branches */
  const bool *of_row;       /* per instruction */
  const void **known;       /* per instruction: its elements; NULL: not known, or not needed */
  const char **name;        /* per instruction: in the graph, or NULL */
  const char **flat;        /* per known instruction: the initializer, once there is one */
  const bool *with_bias;    /* per instruction: a dot that the addition which uses it makes together with itself */
  const char *const *taken; /* names of inputs and outputs */
  uint32_t n_taken, next;
  const char *why; /* not NULL: why there is no graph, … */
  TwSpan at;       /* … and of what */
} TwOnnx;

static inline const TwTyInfo *tw_onnx_info(const TwOnnx *x, TwRef r) { return tw_info(x->f, r); }
TwOnnxType tw_onnx_type(const TwOnnx *x, TwDtype d);
void tw_onnx_refuse(TwOnnx *x, TwRef r, const char *why);
/* Element e of a known value. */
double tw_onnx_real(const TwOnnx *x, TwRef r, int64_t e);
int64_t tw_onnx_whole(const TwOnnx *x, TwRef r, int64_t e);

/* Names of nodes' results: a new one with what makes it. */
const char *tw_onnx_fresh(TwOnnx *x);
const char *tw_onnx_apply(TwOnnx *x, const char *op, const char *const *in, uint32_t n, const TwOnnxAttr *attr);
static inline const char *tw_onnx_apply1(TwOnnx *x, const char *op, const char *a) {
  return tw_onnx_apply(x, op, &a, 1, NULL);
}
static inline const char *tw_onnx_apply2(TwOnnx *x, const char *op, const char *a, const char *b) {
  return tw_onnx_apply(x, op, (const char *const[]){a, b}, 2, NULL);
}
/* Initializers. */
const char *tw_onnx_reals(TwOnnx *x, uint32_t rank, const int64_t *dims, const double *values);
const char *tw_onnx_scalar(TwOnnx *x, double value);
const char *tw_onnx_wholes(TwOnnx *x, uint32_t rank, const int64_t *dims, const int64_t *values);
/* Instruction r as an operand of a node: a row value's name, or the initializer of a known one. */
const char *tw_onnx_operand(TwOnnx *x, TwRef r);
const char *tw_onnx_arg(TwOnnx *x, TwRef r, uint32_t k);

/* onnx_ops.c: the nodes of one instruction that is a row value; sets x->name[r], or x->why. */
void tw_onnx_emit(TwOnnx *x, TwRef r);
/* Elements `index` of a row value of `width`: [N, n]. */
const char *tw_onnx_gather(TwOnnx *x, const char *from, TwDtype d, int64_t width, const int64_t *index, int64_t n);
/* onnx_linear.c: sums and contractions. */
void tw_onnx_sum(TwOnnx *x, TwRef r);
void tw_onnx_extremum(TwOnnx *x, TwRef r);
void tw_onnx_dot(TwOnnx *x, TwRef r, const char *bias);

#endif
