/* internal.h: what the files of compiler/ir share and nobody else includes.
 *
 * An instruction on its way into a function is a TwProto. It passes through tw_emit: the shape rule
 * checks it (shape.c), folding may replace it (fold*.c), value numbering finds it or appends it
 * (build.c). The parser and the verifier use the shape rule alone. */
#ifndef TW_IR_INTERNAL_H
#define TW_IR_INTERNAL_H

#include "compiler/ir/ir.h"
#include "compiler/ir/passes.h"

typedef enum TwShapeRule {
  TW_SHAPE_leaf,
  TW_SHAPE_same,
  TW_SHAPE_compare,
  TW_SHAPE_logic,
  TW_SHAPE_cast,
  TW_SHAPE_select,
  TW_SHAPE_own
} TwShapeRule;

typedef struct TwOpInfo {
  const char *name;
  int arity; /* -1: any number */
  TwShapeRule shape;
} TwOpInfo;
const TwOpInfo *tw_op_info(TwOp op);

/* The operation `none` stands for a bundle: the results of a region that folding took apart. Its
 * operands are those results; `get` of it is one of them. A bundle is dead as soon as its gets are
 * resolved, so a sealed function has none. */
typedef struct TwProto {
  TwOp op;
  TwTy type; /* 0: to be inferred, where the operands determine it */
  const TwRef *args;
  uint32_t n_args;
  const int64_t *attrs;
  uint32_t n_attrs;
  const TwRegion *region;
} TwProto;

/* Reports a bug of the compiler (function, operation, operand types, span) and exits with 70. */
_Noreturn void tw_ir_bug(const TwFn *f, const TwProto *p, const char *why);
/* Zeroed scratch memory to be released with free(); ends the process with 70 if there is none. */
void *tw_scratch(size_t n, size_t size);

/* shape.c: the rule of the operation. Returns NULL and the result type, or what is wrong (static
 * text). `p->type` must be given for operations whose operands do not determine it. */
const char *tw_shape(const TwFn *f, const TwProto *p, TwTy *out);
/* The type of result k of a region; 0 if there is none. */
TwTy tw_region_result_type(TwModule *m, TwOp op, const TwRegion *region, uint32_t k);
bool tw_is_region_op(TwOp op);
/* First operand that is a body parameter, and how many parameters of the body come before it. */
static inline uint32_t tw_region_skip(TwOp op) { return op == TW_OP_cond ? 1u : 0u; }
static inline uint32_t tw_region_lead(TwOp op) { return op == TW_OP_scan ? 1u : 0u; }

/* build.c */
TwRef tw_emit(TwFn *f, const TwProto *p);    /* checks, folds, numbers */
TwRef tw_number(TwFn *f, const TwProto *p);  /* finds or appends; the type is known and right */
TwRef tw_append(TwFn *f, const TwProto *p);  /* appends whatever exists already */
TwProto tw_proto_of(const TwFn *f, TwRef r); /* points into f: invalid after the next emission into f */
TwRef tw_bundle(TwFn *f, const TwRef *parts, uint32_t n);
uint64_t tw_fn_hash(const TwFn *f);

/* fold.c, fold_shape.c, fold_region.c: what the instruction simplifies to; 0: nothing. */
TwRef tw_fold(TwFn *f, const TwProto *p);
TwRef tw_fold_shape(TwFn *f, const TwProto *p);
TwRef tw_fold_region(TwFn *f, const TwProto *p);

/* Narrowing of regions (narrow.c): what becomes of each operand (without the predicate of a cond)
 * and which results stay. */
typedef enum TwFate {
  TW_KEEP,    /* stays, as `with` */
  TW_DROP,    /* nothing in the narrowed body reads it */
  TW_LITERAL, /* a constant of the outer function: becomes one in the body */
  TW_SAME,    /* the same value as operand number `same` */
  TW_COUNTER  /* the iteration number of a scan */
} TwFate;
typedef enum TwGroup { TW_CONSTS, TW_CARRIES, TW_XS } TwGroup;
typedef struct TwOperand {
  TwFate fate;
  TwGroup group; /* where it goes in the new region */
  TwRef with;
  uint32_t same;
} TwOperand;
typedef struct TwNarrow {
  const TwFn *f;
  TwOp op;
  TwRegion region; /* in: the old one; out: the new one */
  TwRef pred;      /* of a cond */
  uint32_t n_operands, n_results;
  TwOperand *operands;
  bool *want;     /* per result */
  uint32_t *into; /* out, per wanted result: its new number */
  TwRef *args;    /* out: the new operands, room for n_operands + 1 */
  uint32_t n_args;
} TwNarrow;
void tw_narrow_init(TwNarrow *n, const TwFn *f, const TwProto *p); /* scratch: tw_narrow_free */
void tw_narrow_free(TwNarrow *n);
void tw_narrow_run(TwNarrow *n);
/* Drops operands that the wanted results do not need, and carries that only feed themselves from the
 * wanted results on. True if anything was dropped. */
bool tw_narrow_unused(TwNarrow *n);
/* mark[r] becomes 1 for each instruction of b that the wanted results need (want NULL: all). */
void tw_mark_slice(const TwFn *b, const bool *want, uint8_t *mark);
/* tw_inline for the wanted results only; arguments that these do not need may be 0. */
void tw_inline_some(TwFn *f, const TwFn *callee, const TwRef *args, const bool *want, TwRef *out);

/* known.c: which results of a function are literals if some parameters are. */
typedef struct TwKnown {
  bool is;
  double real;
  int64_t whole; /* int and bool */
} TwKnown;
bool tw_literal(const TwFn *f, TwRef r, TwKnown *k);
void tw_known_results(const TwFn *f, const TwKnown *params, TwKnown *results);
/* Of a scan: which carries keep the literal they start from. */
void tw_known_carries(const TwRegion *region, TwKnown *operands, bool *keeps);
TwRef tw_emit_known(TwFn *f, TwTy type, const TwKnown *k);
/* An elementwise operation on literals; false if it has none or an operand is not known. */
bool tw_known_eval(TwOp op, TwDtype operand, const TwKnown *args, TwKnown *out);

#endif
