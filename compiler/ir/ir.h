/* ir.h: the intermediate representation: pure SSA over tensors of static shape.
 *
 * A TwFn is a closed function: parameters, a list of instructions in topological order (an operand's
 * ref is smaller than its user's), results. There are no side effects and no order but data flow, so
 * passes rebuild: they walk an old function and emit a new one. Emission folds and numbers values
 * (an instruction that exists is found again), so the IR is never un-simplified.
 * Structured regions (scan, samples, cond) have bodies that are closed functions themselves: what
 * they use from outside comes in as operands. A sealed function never changes and may be shared.
 *
 * `real` is f32 or f64 when it is evaluated; constants are kept in f64 and round once.
 * Shapes are static; sizes are at least 1 (a size of 0 is allowed and makes an empty tensor). */
#ifndef TW_IR_IR_H
#define TW_IR_IR_H

#include "compiler/unit.h"

typedef uint32_t TwRef; /* an instruction of a function; 0 = none */
typedef uint32_t TwTy;  /* an interned type of a module; equal types have equal numbers */

typedef enum TwDtype { TW_REAL, TW_INT, TW_BOOL, TW_TUPLE /* result of a region */ } TwDtype;

enum { TW_MAX_RANK = 8 };
typedef struct TwTyInfo {
  TwDtype dtype;
  uint32_t rank;
  int64_t dims[TW_MAX_RANK];
  int64_t count; /* product of dims */
} TwTyInfo;

typedef enum TwOp {
  TW_OP_none,
#define TW_OP(name, ...) TW_OP_##name,
#include "compiler/ir/ops.def"
#undef TW_OP
  TW_OP_COUNT
} TwOp;

typedef struct TwFn TwFn;

/* A region instruction's description. Operands, in order, and body signatures:
 *   scan     operands  consts…, carries…, xs… (each xs has leading axis `trip`)
 *            body      (i: int, consts…, carries…, xs[i]…) -> (carries…, ys…)
 *            results   carries after the last iteration…, ys stacked on a new leading axis `trip`…
 *            i runs 0 … trip-1, or trip-1 … 0 if `reverse`; ys[i] is stored at i either way.
 *   samples  operands  consts…, xs… (data columns and per-sample arrays, leading axis `trip`)
 *            body      (consts…, xs[i]…) -> (sums…, ys…)
 *            results   each sum added over all samples in the defined order (P7)…, ys stacked…
 *            n_carry is the number of sums. Iterations are independent.
 *   cond     operands  pred: bool scalar, consts…
 *            body is taken if pred, `other` if not; both (consts…) -> (ys…)
 *            results   ys… */
typedef struct TwRegion {
  const TwFn *body, *other;
  int64_t trip;
  bool reverse;
  uint32_t n_consts, n_carry, n_xs, n_ys;
} TwRegion;

typedef struct TwInst {
  uint16_t op; /* TwOp */
  uint16_t flags;
  uint32_t n_args, args;   /* offset into fn->args */
  uint32_t n_attrs, attrs; /* offset into fn->attrs */
  uint32_t region;         /* index into fn->regions for scan, samples, cond */
  TwTy type;
  TwSpan span; /* the source expression it comes from; a derivative inherits its primal's */
} TwInst;

typedef struct TwModule {
  TwArena *arena;
  TwVec(TwTyInfo) types; /* at[0] unused */
  uint32_t *type_slots, type_cap;
} TwModule;

struct TwFn {
  TwModule *module;
  const char *name;
  TwVec(TwInst) insts; /* at[0] unused */
  TwVec(TwRef) args;
  TwVec(int64_t) attrs;
  TwVec(TwRegion) regions;
  TwVec(TwRef) params;
  TwVec(TwRef) results;
  bool sealed;
  TwSpan at;                          /* span given to what is emitted next */
  uint32_t *slots, slot_cap, n_slots; /* value numbering */
  bool plain;    /* emission neither folds nor finds: instructions stay as written (parser, tests) */
  uint64_t hash; /* of a sealed function, names and spans left out */
};

/* ---- modules, types */
TwModule *tw_module_new(TwArena *arena);
TwTy tw_ty(TwModule *m, TwDtype dtype, uint32_t rank, const int64_t *dims);
TwTy tw_ty_scalar(TwModule *m, TwDtype dtype);
TwTy tw_ty_with(TwModule *m, TwDtype dtype, TwTy shape_of); /* same shape, other dtype */
TwTy tw_ty_lead(TwModule *m, int64_t n, TwTy element);      /* a new leading axis */
TwTy tw_ty_tail(TwModule *m, TwTy t);                       /* the leading axis dropped */
const TwTyInfo *tw_ty_info(const TwModule *m, TwTy t);      /* valid until the next new type */

/* ---- reading */
static inline const TwInst *tw_inst(const TwFn *f, TwRef r) { return &f->insts.at[r]; }
static inline TwRef tw_arg(const TwFn *f, TwRef r, uint32_t k) { return f->args.at[f->insts.at[r].args + k]; }
static inline int64_t tw_attr(const TwFn *f, TwRef r, uint32_t k) { return f->attrs.at[f->insts.at[r].attrs + k]; }
static inline TwOp tw_op(const TwFn *f, TwRef r) { return (TwOp)f->insts.at[r].op; }
static inline TwTy tw_type(const TwFn *f, TwRef r) { return f->insts.at[r].type; }
const TwTyInfo *tw_info(const TwFn *f, TwRef r);
const TwRegion *tw_region(const TwFn *f, TwRef r); /* of scan, samples, cond */
const char *tw_op_name(TwOp op);
bool tw_is_const(const TwFn *f, TwRef r, double *value); /* const of any dtype, as double */
bool tw_is_zero(const TwFn *f, TwRef r);                 /* const with every element 0 (not -0) */

/* ---- building. Every emitter checks types (an assertion: a compiler bug ends with code 70 and the
 * span in hand), folds, and returns an existing ref when the value exists already. */
TwFn *tw_fn_new(TwModule *m, const char *name);
TwRef tw_param(TwFn *f, TwTy type);
void tw_result(TwFn *f, TwRef r); /* appends a result */
const TwFn *tw_fn_seal(TwFn *f);  /* drops dead instructions; no more emission */

TwRef tw_const(TwFn *f, TwTy type, double value); /* real; for int and bool the value is converted */
TwRef tw_real(TwFn *f, double value);             /* real scalar */
TwRef tw_int(TwFn *f, int64_t value);             /* int scalar */
TwRef tw_zeros(TwFn *f, TwTy type);
TwRef tw_iota(TwFn *f, int64_t n);
TwRef tw_draw(TwFn *f, TwTy type, TwRef seed, TwRef offset, uint64_t key);

TwRef tw_unary(TwFn *f, TwOp op, TwRef a);           /* one operand, elementwise; casts too */
TwRef tw_binary(TwFn *f, TwOp op, TwRef a, TwRef b); /* two, elementwise, equal types */
TwRef tw_select(TwFn *f, TwRef c, TwRef a, TwRef b);
TwRef tw_fma(TwFn *f, TwRef a, TwRef b, TwRef c);
TwRef tw_along(TwFn *f, TwRef a, TwRef x, TwRef partial); /* a, whose tangent has partial * dx added */

TwRef tw_broadcast(TwFn *f, TwRef a, TwTy to, const int64_t *axes); /* axes: one per axis of a */
TwRef tw_fit(TwFn *f, TwRef a, TwTy shape_of); /* broadcast of a scalar to a shape; a itself if it has it */
TwRef tw_reshape(TwFn *f, TwRef a, TwTy to);
TwRef tw_transpose(TwFn *f, TwRef a, const int64_t *perm);
TwRef tw_reverse(TwFn *f, TwRef a, int64_t axis);
TwRef tw_slice(TwFn *f, TwRef a, TwTy to, const int64_t *start_step); /* 2 * rank entries */
TwRef tw_pad(TwFn *f, TwRef a, TwTy to, const int64_t *start_step);
TwRef tw_concat(TwFn *f, const TwRef *parts, uint32_t n, int64_t axis);
TwRef tw_stack(TwFn *f, const TwRef *parts, uint32_t n); /* equal types -> new leading axis */
TwRef tw_index(TwFn *f, TwRef t, TwRef i);
TwRef tw_add_at(TwFn *f, TwRef acc, TwRef i, TwRef v);
TwRef tw_sum(TwFn *f, TwRef a, const int64_t *axes, uint32_t n);
TwRef tw_sum_all(TwFn *f, TwRef a);
TwRef tw_reduce(TwFn *f, TwOp rmax_or_rmin, TwRef a, const int64_t *axes, uint32_t n);
TwRef tw_argmask(TwFn *f, bool is_min, TwRef a, const int64_t *axes, uint32_t n);
TwRef tw_dot(TwFn *f, TwRef a, TwRef b, const int64_t *axes_a, const int64_t *axes_b, uint32_t n);

/* A region with any results; args holds all operands in the order given at TwRegion. Returns the
 * tuple: take its parts with tw_get. Emission simplifies: a scan of trip 0, an unused result, a
 * result that is a constant or a const operand, a const pred. */
TwRef tw_emit_region(TwFn *f, TwOp op, const TwRegion *region, const TwRef *args, uint32_t n_args);
TwRef tw_get(TwFn *f, TwRef region, uint32_t k);
uint32_t tw_region_results(const TwRegion *region, TwOp op);

/* Re-emits instruction r of `from` with operands replaced by map[operand]; regions keep their body. */
TwRef tw_copy_inst(TwFn *f, const TwFn *from, TwRef r, const TwRef *map);
/* Emits the body of `callee` with its parameters bound to args; results go to out[0 … n_results-1]. */
void tw_inline(TwFn *f, const TwFn *callee, const TwRef *args, TwRef *out);

#endif
