/* internal.h: what the files of compiler/ad share. The picture is in docs/ad.md.
 *
 * Everything here is about one kind of function, the *tangent program* of f: a function
 *   J: (params of f…, tangents of active params…) -> (results of f…, tangents that are not zero…)
 * in which a value is either *primal* (depends on no tangent) or *linear* (is linear in the tangents).
 * A *separated* tangent program has no region that computes both kinds of results, so that its linear
 * values can be transposed; a *joint* one runs each loop once, and serves forward mode. */
#ifndef TW_AD_INTERNAL_H
#define TW_AD_INTERNAL_H

#include "compiler/ad/ad.h"

/* A bug of the compiler: says which function and which instruction, and ends with code 70. */
_Noreturn void tw_ad_bug(const TwFn *f, TwRef r, const char *what);

/* ---- arithmetic in which ref 0 is a value that is zero by structure */
TwRef tw_ad_add(TwFn *out, TwRef a, TwRef b);
TwRef tw_ad_scale(TwFn *out, TwRef coefficient, TwRef t);        /* mul */
TwRef tw_ad_scale_strong(TwFn *out, TwRef coefficient, TwRef t); /* mul0, where the coefficient may be infinite */
TwRef tw_ad_or_zeros(TwFn *out, TwRef t, TwTy type);             /* t, or zeros if there is none */

/* ---- activity.c: who depends on whom. All flags are conservative: true may turn out zero. */

/* Which results have a tangent, given which params have one. */
void tw_ad_active(const TwFn *f, const bool *params, bool *results);
/* The same for region r of f, given which values of f have one (carries to a fixed point):
 * flags of the body's params and of the region's results. */
void tw_ad_region_active(const TwFn *f, TwRef r, const bool *values, bool *body_params, bool *results);
/* Number of params of the body of region r. */
uint32_t tw_ad_body_params(const TwFn *f, TwRef r);
/* Which body param is bound to operand k of region r, and -1 for the predicate of a cond. */
int64_t tw_ad_param_of_operand(const TwFn *f, TwRef r, uint32_t k);

/* Which values of a separated tangent program are linear, given the linear params. */
bool *tw_ad_linear(const TwFn *f, const bool *params);
/* The same for the params of the body of linear region r: in a linear scan every carry is linear. */
bool *tw_ad_region_linear(const TwFn *f, TwRef r, const bool *linear);
/* Which linear params receive a cotangent when the results with a seed do. */
void tw_ad_reached(const TwFn *f, const bool *linear, const bool *seeds, bool *params);
/* The same through region r; seeds are of its results and, for a scan, grow to a fixed point. */
void tw_ad_region_reached(const TwFn *f, TwRef r, const bool *linear, bool *seeds, bool *body_params);

/* ---- form.c: regions put together from instructions of functions that exist */

/* One param or result of a body. `inner` are refs of the source functions (of the two branches, for
 * a cond): the values that become this param, or the values returned. 0: an unused param, a result
 * that is zeros. `outer` is the operand (of a param). */
typedef struct TwAdSlot {
  TwRef inner[2];
  TwTy type;
  TwRef outer;
  bool flat; /* the param or result is the value as one axis, which `type` says: a stack of it would have too many */
} TwAdSlot;
typedef struct TwAdSlots {
  TwAdSlot *at;
  uint32_t len, cap;
} TwAdSlots;
typedef struct TwAdForm {
  TwOp op;
  const TwFn *source[2]; /* the second for a cond only */
  int64_t trip;
  bool reverse;
  TwRef predicate;
  TwAdSlots consts, carries, xs; /* a const or x that the results do not need is left out */
  TwAdSlots out_carries, out_ys; /* of samples: sums and ys */
} TwAdForm;
void tw_ad_slot(TwModule *m, TwAdSlots *s, TwRef inner, TwTy type, TwRef outer);
/* Of a value that is stacked: as it is, or flat. */
void tw_ad_stacked_slot(TwModule *m, TwAdSlots *s, const TwFn *f, TwRef inner, TwRef outer);
void tw_ad_slot2(TwModule *m, TwAdSlots *s, TwRef inner0, TwRef inner1, TwTy type, TwRef outer);
/* Emits the region; result k of it is out_carries[k], then out_ys. */
TwRef tw_ad_form_emit(TwFn *out, const TwAdForm *form);

/* Marks in need[] (zeroed, one a ref) what `roots` need, not looking behind the `stops`. */
void tw_ad_needed(const TwFn *f, const bool *stops, const TwRef *roots, uint32_t n_roots, bool *need);
/* Emits into `out` every instruction of f that is marked and has no ref in map[] yet. */
void tw_ad_copy_needed(TwFn *out, const TwFn *f, const bool *need, TwRef *map);

/* ---- residual.c: which primal values the linear part of a tangent program keeps */

/* What a primal value of a body costs the linear part. */
typedef enum TwAdSource {
  TW_AD_FREE,      /* a param that the linear part has anyway, or a constant */
  TW_AD_INVARIANT, /* depends on consts of a scan only: computed once, outside */
  TW_AD_VARYING    /* to be kept for each iteration, or recomputed */
} TwAdSource;
typedef struct TwAdResiduals {
  TwRef *kept, *invariant;
  uint32_t n_kept, n_invariant;
} TwAdResiduals;
/* `source` says for each primal value what it costs; values neither kept, invariant nor free are
 * recomputed in the linear part from those that are. `recompute_all`: whatever is no param is recomputed. */
TwAdResiduals tw_ad_residuals(const TwFn *f, const bool *linear, const TwAdSource *source, bool recompute_all);

/* ---- forward.c, rules.c, forward_region.c: the tangent program */
typedef struct TwAdTangent {
  const TwFn *fn;
  const bool *nonzero; /* per result of f: has its tangent a place among the results of fn? */
} TwAdTangent;
/* What the scans that stand in a function itself, not in bodies of it, are to checkpointing. */
typedef enum TwAdRole {
  TW_AD_LOOPS,  /* loops of the program */
  TW_AD_BLOCKS, /* loops over the blocks that a loop was cut into: they keep carries only */
  TW_AD_BLOCK   /* such a block, which may be cut again */
} TwAdRole;
typedef struct TwAdPolicy {
  TwAdLimits limits;
  TwAdRole role;
  uint32_t levels; /* of BLOCKS and BLOCK: how often a block may still be cut */
  int64_t branch;  /* … into so many, if that is not 0 and divides it */
} TwAdPolicy;
/* `active` is per param of f; flags of params that are not real are ignored. `policy` makes a separated program
 * within these limits; NULL: a joint one. */
TwAdTangent tw_ad_tangent(TwModule *m, const TwFn *f, const bool *active, const TwAdPolicy *policy);

typedef struct TwAdParts {
  TwRef *primal, *tangent; /* of a region, per result */
} TwAdParts;
/* A tangent program under construction. */
typedef struct TwAdForward {
  TwModule *module;
  TwFn *out;
  const TwFn *f;
  bool separated;
  TwAdPolicy policy;       /* of a separated one */
  TwRef *primal, *tangent; /* per ref of f */
  TwAdParts *parts;        /* per ref of f that is a region */
} TwAdForward;
/* The tangent of instruction r, whose primal is emitted already (regions: emits both). */
typedef TwRef TwAdJvpRule(TwAdForward *w, TwRef r);
/* The rule of an op, NULL where it has no derivative. */
TwAdJvpRule *tw_ad_jvp_rule(TwOp op);
TwAdJvpRule tw_ad_jvp_scan, tw_ad_jvp_samples, tw_ad_jvp_cond, tw_ad_jvp_get;
void tw_ad_region_primal(TwAdForward *w, TwRef r); /* copies region r, without tangents */

/* ---- checkpoint.c: long loops of separated tangent programs */

typedef struct TwAdCut {
  int64_t length; /* of a block, in iterations; 0: do not cut; 1: keep the carries of each iteration */
  int64_t branch; /* into so many parts blocks can be cut again without a rest; 0: unknown */
} TwAdCut;
/* How to cut scan r, given what its linear part would keep of one iteration of the body's tangent program j. */
TwAdCut tw_ad_cut(const TwAdForward *w, TwRef r, const TwFn *j, const TwAdResiduals *kept);
/* Differentiates scan r as a scan of blocks. */
TwAdParts tw_ad_jvp_blocks(TwAdForward *w, TwRef r, TwAdCut cut);

/* ---- transpose.c, transpose_region.c: cotangents of a separated tangent program */
typedef struct TwAdBackward {
  TwModule *module;
  TwFn *out;
  const TwFn *f;
  const bool *linear;
  TwRef *value;     /* primal values of f in out */
  TwRef *cotangent; /* of linear values, so far; 0 = zero */
  TwRef **parts;    /* of a linear region: cotangents per result, or NULL */
} TwAdBackward;
/* Sends the cotangent of instruction r on to its linear operands. */
typedef void TwAdTransposeRule(TwAdBackward *w, TwRef r);
TwAdTransposeRule tw_ad_transpose_scan, tw_ad_transpose_samples, tw_ad_transpose_cond;
/* Adds v to the cotangent of f's value r, if r is linear. */
void tw_ad_send(TwAdBackward *w, TwRef r, TwRef v);

/* Emits into `out` the primal values of f and the transpose of its linear ones.
 *   bound    per param: the value of a primal one; what the cotangent of a linear one starts from (0: zero)
 *   seeds    per result: the cotangent of a linear one (0: zero)
 *   values   out, per result: a primal one's value (0 for linear ones); may be NULL
 *   cotangents  out, per param: of linear ones (0: zero) */
void tw_ad_transpose(TwFn *out, const TwFn *f, const bool *linear_params, const TwRef *bound, const TwRef *seeds,
                     TwRef *values, TwRef *cotangents);

/* ---- ad.c: the same as functions to functions, for those who want the parts */
typedef struct TwAdLinearized {
  const TwFn *primal;   /* (params of f…) -> (results of f…, residuals that are no param of f…) */
  const TwFn *linear;   /* (residuals…, tangents of active params…) -> (tangents that are not zero…) */
  const bool *nonzero;  /* per result of f */
  const int64_t *param; /* per residual: the param of f that it is, or -1: primal returns it */
  uint32_t n_residuals;
} TwAdLinearized;
TwAdLinearized tw_linearize(TwModule *m, const TwFn *f, const bool *active);
/* (params of f that are not linear…, cotangents of results…) -> (cotangents of the linear params…).
 * All results of f must be linear. */
const TwFn *tw_transpose_linear(TwModule *m, const TwFn *f, const bool *linear_params);

/* ---- mutation testing (tests/grad): in a build with TW_MUTATE one rule at a time is broken */
#ifdef TW_MUTATE
typedef enum TwAdMutation {
  TW_MUTATE_NONE,
  TW_MUTATE_JVP_SIGN,   /* the tangent of op has the wrong sign */
  TW_MUTATE_JVP_FACTOR, /* it is half as large */
  TW_MUTATE_JVP_DROP,   /* the last operand's tangent is forgotten */
  TW_MUTATE_JVP_SWAP,   /* the tangents of the first two real operands of equal type are swapped */
  TW_MUTATE_VJP_SIGN,
  TW_MUTATE_VJP_FACTOR,
  TW_MUTATE_VJP_DROP,   /* the op passes no cotangent */
  TW_MUTATE_VJP_SWAP,   /* a cotangent goes to another linear operand of the same type */
  TW_MUTATE_VJP_REGION, /* scan: same direction; samples: not scaled; cond: the other branch */
  TW_MUTATE_COUNT
} TwAdMutation;
extern TwOp tw_mutate_op;
extern TwAdMutation tw_mutate_kind;
static inline bool tw_ad_mutated(TwOp op, TwAdMutation kind) { return op == tw_mutate_op && kind == tw_mutate_kind; }
#else
#define tw_ad_mutated(op, kind) false
#endif

#endif
