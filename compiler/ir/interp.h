/* interp.h: what the files of the interpreter share.
 *
 * A function is planned once and run many times: the plan gives every value a place in one frame,
 * so that running allocates nothing and a loop of a million iterations needs the memory of one. */
#ifndef TW_IR_INTERP_H
#define TW_IR_INTERP_H

#include "compiler/ir/internal.h"
#include "compiler/ir/watch.h"

enum { TW_PARTIALS = 16, TW_CHUNK = 512, TW_TREE = 64 };

/* Offsets, in elements, of some axes of a tensor in row-major order of those axes. */
typedef struct TwOffsets {
  int64_t n;
  int64_t *at; /* NULL: 0, 1, 2, … */
} TwOffsets;
static inline int64_t tw_offset(const TwOffsets *o, int64_t e) { return o->at ? o->at[e] : e; }

typedef struct TwPlan TwPlan;

/* What an instruction needs besides its operands. */
typedef struct TwSide {
  TwOffsets kept, reduced; /* sum, rmax, rmin, argmask; dot: of operand a */
  TwOffsets kept_b, reduced_b;
  TwPlan *body, *other;
  size_t *parts;  /* results of a region: places in the frame, or of `get` the one it reads */
  char **next;    /* scan: second buffers of the carries */
  char *sums;     /* samples: partial sums and the tree of chunks, see run_samples */
  size_t *sum_at; /* … where in it those of a sum begin */
  bool written;   /* add_at: works in place of its first operand */
} TwSide;

/* What running an instruction needs to know of it, decided once. */
typedef enum TwStepKind { TW_STEP_ANY, TW_STEP_F32, TW_STEP_F64 } TwStepKind; /* the last two: one real */
typedef struct TwStep {
  TwRef ref, a, b, c; /* the instruction and its first operands; where it has fewer the first again */
  TwOp op;
  TwStepKind kind;
  bool chooses; /* the pattern of a run has its choice, see watch.h */
} TwStep;

struct TwPlan {
  const TwFn *fn;
  size_t real;   /* bytes of a real */
  size_t *place; /* per instruction: offset in the frame */
  char **value;  /* per instruction: where it is now */
  TwSide **side; /* per instruction or NULL */
  TwStep *steps; /* all instructions but leaves, in order */
  uint32_t n_steps;
  char *frame;
  size_t bytes;
  int64_t counter; /* of the body of a loop: the iteration number */
  TwWatch *watch;  /* who looks on, or NULL; then also whose body it is: */
  TwPlan *outer;
  TwRef outer_at;
};

/* interp_plan.c: carries: of a scan body, which parameters may be written. NULL if memory ran out. */
TwPlan *tw_plan_new(const TwFn *fn, TwPrecision precision, const bool *writable);
void tw_plan_free(TwPlan *p);
static inline size_t tw_plan_esize(const TwPlan *p, TwDtype d) {
  return d == TW_REAL ? p->real : d == TW_INT ? sizeof(int64_t) : sizeof(uint8_t);
}
static inline size_t tw_pad16(size_t bytes) { return (bytes + 15) / 16 * 16; }
static inline size_t tw_plan_bytes(const TwPlan *p, const TwTyInfo *t) {
  return (size_t)t->count * tw_plan_esize(p, t->dtype);
}

/* interp_watch.c: before a run that is watched, and after each of its instructions. */
void tw_watch_begin(TwPlan *p, TwWatch *w);
void tw_watch_after(TwPlan *p, const TwStep *s);
bool tw_watch_chooses(const TwFn *f, TwRef r);

/* interp_shape.c: the operations that only move elements. */
void tw_interp_shape(TwPlan *p, TwRef r);

/* interp_elem.c: arithmetic on n elements, once for each kind of element. */
#define TW_INTERP_NUMBERS(T, S)                                                                                        \
  void tw_map1_##S(TwOp op, T *out, const T *a, int64_t n);                                                            \
  void tw_map2_##S(TwOp op, T *out, const T *a, const T *b, int64_t n);                                                \
  void tw_cmp_##S(TwOp op, uint8_t *out, const T *a, const T *b, int64_t n);                                           \
  void tw_add_##S(T *acc, const T *a, int64_t n);                                                                      \
  void tw_sum_##S(T *out, const T *a, const TwOffsets *kept, const TwOffsets *reduced);                                \
  void tw_extremum_##S(bool is_min, T *out, const T *a, const TwOffsets *kept, const TwOffsets *reduced);              \
  void tw_argmask_##S(bool is_min, uint8_t *out, const T *a, const TwOffsets *kept, const TwOffsets *reduced);
#define TW_INTERP_REALS(T, S)                                                                                          \
  void tw_map3_##S(T *out, const T *a, const T *b, const T *c, int64_t n);                                             \
  void tw_madd_##S(T *acc, const T *a, const T *b, int64_t n); /* acc = fma(a, b, acc) */                              \
  void tw_dot_##S(T *out, const T *a, const T *b, const TwSide *s);
TW_INTERP_NUMBERS(float, f32)
TW_INTERP_NUMBERS(double, f64)
TW_INTERP_NUMBERS(int64_t, int)
TW_INTERP_REALS(float, f32)
TW_INTERP_REALS(double, f64)

#endif
