/* scalarize.h: what scalarize.c (which value is split, and regions) and scalar_ops.c (how each operation is
 * done element by element) share. */
#ifndef TW_OPT_SCALARIZE_H
#define TW_OPT_SCALARIZE_H

#include "compiler/opt/internal.h"

/* A value of the old function: a tensor of the new one, or its elements, or both; each form is made from the
 * other when it is asked for. `split` says which form it was computed in. A splat has all elements alike and
 * is as good in either form. A stack is what a loop wrote or reads row by row, so nobody takes its elements:
 * it stays a tensor in a body too, or code would grow with the length of the loop. */
typedef struct TwSplit {
  TwRef whole;
  TwRef *elem;
  bool split, splat, stack;
  TwTy type;
  struct TwSplit *parts; /* of a region: its results */
} TwSplit;

typedef struct TwScalarize {
  TwPass *pass;
  const TwFn *f;
  TwFn *g;
  TwSplit *val;   /* per ref of f */
  uint32_t *uses; /* per ref of f */
  bool *demand;   /* per ref of f: somebody takes its elements */
  bool body;      /* split all that can be split: a body, or everything is to be flat */
  bool everything;
} TwScalarize;

bool tw_split_small(const TwScalarize *s, TwTy type);
TwRef tw_split_whole(TwScalarize *s, TwRef r);
TwRef tw_split_elem(TwScalarize *s, TwRef r, int64_t k);
TwRef tw_split_whole_of(TwScalarize *s, TwSplit *v);
TwRef tw_split_elem_of(TwScalarize *s, TwSplit *v, int64_t k);

/* scalar_ops.c: can r be computed element by element, and how many operations that is. */
bool tw_split_can(const TwScalarize *s, TwRef r);
/* Its elements. */
void tw_split_emit(TwScalarize *s, TwRef r, TwRef *out);
/* start + the sum of products that element k of dot r is; start may be 0 (none). */
TwRef tw_split_dot(TwScalarize *s, TwRef r, int64_t k, TwRef start);
int64_t tw_split_dot_length(const TwFn *f, TwRef r);

#endif
