/* check.h: what the files of sema/ share: scopes, compile-time values, the state of one check.
 *
 * Names are resolved when they are first needed, each declaration once; a circle is found because a
 * declaration that is being resolved says so. Expressions become compile-time values (TwSmValue):
 * most are typed trees, others (functions, data sets, modules, schedules) exist only while compiling.
 * Whatever is wrong is said once; the value is then poison, which every check accepts in silence. */
#ifndef TW_SEMA_CHECK_H
#define TW_SEMA_CHECK_H

#include "compiler/ast/parse.h"
#include "compiler/sema/sema.h"

typedef struct TwSema TwSema;
typedef struct TwSmModule TwSmModule;
typedef struct TwSmBind TwSmBind;
typedef struct TwSmFrame TwSmFrame;
typedef struct TwSmFn TwSmFn;
typedef struct TwSmRecur TwSmRecur;
typedef struct TwSmValue TwSmValue;
typedef struct TwSmDomain TwSmDomain;
typedef struct TwSmTrie TwSmTrie;

/* Where a name is looked up: what is bound inside the body, then the module, the prelude, builtins. */
typedef struct TwSmScope {
  TwSmModule *module;
  const TwSmBind *top;
} TwSmScope;

/* A linear form in the shape parameters that a call has yet to find out: c0 + Σ c[k] v[k]. */
enum { TW_SM_VARS = 16 };
typedef struct TwSmLin {
  bool linear; /* false: known only once the shape parameters are */
  bool poison; /* a mistake in it was reported */
  int64_t c0, c[TW_SM_VARS];
  const TwSizeForm *form; /* as written, in the names of whoever gives it; NULL: the shape parameter itself */
} TwSmLin;

/* A type whose sizes are linear forms. */
typedef struct TwSmSym TwSmSym;
typedef struct TwSmSymField {
  TwName name;
  const TwSmSym *type;
} TwSmSymField;
struct TwSmSym {
  TwKind kind;
  TwDtype dtype;
  uint32_t rank;
  TwSmLin *dims;
  TwSpan *from;
  const TwSmSym *elem;
  TwVec(TwSmSymField) fields;
  const TwDecl *decl;
  TwVec(TwSmLin) shape_args;
};

typedef enum TwSmValueKind {
  TW_V_POISON,
  TW_V_TX,       /* a typed tree */
  TW_V_FN,       /* a function, model or lambda */
  TW_V_BUILTIN,  /* .index */
  TW_V_OPAQUE,   /* a function parameter where a function is checked on its own: .opaque or unknown */
  TW_V_SCHEDULE, /* a number or function that depends on the epoch: .inner */
  TW_V_DATA,     /* .index into TwProgram.datas */
  TW_V_MODULE,
  TW_V_TYPE,
  TW_V_OPTIMIZER, /* .decl, .module */
  TW_V_DOMAIN,    /* .domain */
  TW_V_LIN,       /* a shape parameter that is not known yet */
  TW_V_RECUR      /* the name that a recurrence is defining */
} TwSmValueKind;

struct TwSmValue {
  TwSmValueKind kind;
  TwTx *tx;
  const TwSmFn *fn;
  uint32_t index;
  TwSmModule *module;
  const TwDecl *decl;
  const TwSmLin *lin;
  const TwSmDomain *domain;
  TwSmRecur *recur;
  const TwSmValue *inner;
  const TwTypeExpr *opaque;
  TwSmScope scope; /* OPAQUE: of its type */
};

struct TwSmBind {
  const TwSmBind *up;
  TwName name;
  TwSpan span;
  TwSmValue value;
  uint32_t depth;       /* how many are bound up to here, this one included */
  const TwSmTrie *trie; /* of all of them by name, where they are many */
};

/* A function value: what it is, where its free names are found, and what must be computed first. */
struct TwSmFn {
  TwName name;
  TwSpan span;
  const TwDecl *decl;   /* or NULL */
  const TwExpr *lambda; /* or NULL */
  TwSmScope scope;
  const TwSmFrame *home; /* in whose body the function was named */
  bool local;            /* declared in a body: its name means itself in it */
  TwVec(int64_t) shape;  /* explicit shape parameters */
  bool has_shape;
  TwSpan shape_span;
  TwVec(TwTs *) prefix;
};

/* A body that is being elaborated. */
struct TwSmFrame {
  const TwSmFrame *caller, *home;
  const void *key; /* the declaration or lambda */
  TwName name;
  TwSpan call;
  bool sample;      /* checked on its own, not called */
  const char *with; /* then: "n = 11, m = 13", or NULL */
};

/* An argument, elaborated when it is first asked for. */
typedef struct TwSmArg {
  TwName name;
  TwSpan name_span, span;
  const TwExpr *expr;
  const TwSmScope *scope;
  bool ready;
  TwSmValue value;
} TwSmArg;
typedef TwVec(TwSmArg) TwSmArgs;

/* A declared domain. Its maps are functions of their own parameter and then those of the domain. */
enum { TW_SM_FORWARD, TW_SM_INVERSE, TW_SM_CHECK, TW_SM_MAPS };
struct TwSmDomain {
  const TwDecl *decl;
  TwSmModule *module;
  const TwDecl *maps[TW_SM_MAPS];
};

/* What the expression at hand may use. */
typedef struct TwSmCtx {
  const char *what; /* "a constant": NULL allows all */
  bool no_params, no_weights, no_data;
  bool law;
  uint32_t draws;
  TwDataSet *drawn_for; /* in the target of a data set: draws become columns of it */
  TwTx *epoch, *epochs; /* in an optimizer */
} TwSmCtx;

/* A declaration of a module. */
typedef enum TwSmState { TW_SM_NEW, TW_SM_BUSY, TW_SM_DONE } TwSmState;
typedef struct TwSmEntry {
  TwName name;
  TwSpan span;
  const TwDecl *decl;
  const TwDecl *replaced; /* what a variant's declaration stands in for, or NULL */
  TwSmState state;
  bool used;
  bool in_variant; /* a variant speaks of it */
  bool twice;      /* declared again: what the name means is not known */
  bool circular;   /* a type that contains itself, which was told */
  TwSmValue value;
  uint32_t index;
} TwSmEntry;

struct TwSmModule {
  TwName name;
  TwModuleAst *ast;
  uint32_t file;
  bool is_main, is_std;
  TwSmState state;
  TwVec(TwSmEntry *) entries;
  TwSmEntry **slots; /* the entries by name: open addressing, at most half full */
  uint32_t cap;
};

/* A set of declarations or other things that have a place. */
typedef struct TwSmSet {
  const void **slots;
  uint32_t cap, len;
} TwSmSet;

/* A declaration of the variant at hand. */
typedef struct TwSmDecl {
  const TwDecl *decl, *replaced;
} TwSmDecl;
typedef TwVec(TwSmDecl) TwSmDecls;

typedef struct TwSmInterval {
  bool known;
  int64_t lo, hi; /* both included */
} TwSmInterval;

/* The modules that are always in scope: loss, optim, domain. */
enum { TW_SM_PRELUDES = 3, TW_SM_PRELUDE_OPTIM = 1, TW_SM_PRELUDE_DOMAIN = 2 };

struct TwSema {
  TwUnit *u;
  TwArena *a;
  TwProgram *p;
  TwSmModule *main;
  TwSmModule *prelude[TW_SM_PRELUDES];
  TwVec(TwSmModule *) modules;
  TwSmDecls decls;
  TwVec(TwIdent) skips;
  TwVec(const TwDecl *) skipped; /* stages dropped by skip */
  const TwSmFrame *frame;
  TwSmCtx ctx;
  uint32_t errors, depth, calls;
  uint32_t dead; /* inside how many loops that never run */
  uint64_t nodes;
  bool too_large;
  TwVec(TwSmInterval) ranges;        /* per local id */
  TwVec(TwSpan) broken;              /* stretches of source the parser gave up on */
  TwVec(const void *) recursive;     /* declarations whose recursion was reported */
  TwSmSet unknown;                   /* names that were reported: each is one mistake, wherever it stands */
  TwSmSet elaborated;                /* declarations whose body was checked */
  TwSmSet custom_seen, custom_good;  /* custom functions whose rules were checked, and were right */
  TwVec(const TwDecl *) stage_decls; /* parallel to p->stages */
  const TwType *t_poison, *t_real, *t_int, *t_bool, *t_string;
};

/* ---- report.c */
TwDiag *tw_sm_error(TwSema *s, TwDiagId id, TwSpan span, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
TwDiag *tw_sm_warn(TwSema *s, TwDiagId id, TwSpan span, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void tw_sm_note(TwSema *s, TwDiag *d, TwSpan span, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void tw_sm_help(TwSema *s, TwDiag *d, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* After so many errors that nobody reads suggestions, nor should the compiler look for them. */
bool tw_sm_many(const TwSema *s);
/* "did you mean 'x'?", if a candidate is near. */
bool tw_sm_suggest(TwSema *s, TwDiag *d, TwName name, const TwName *candidates, uint32_t n);
typedef TwVec(TwName) TwNames;
/* Whether the parser gave up on text that holds this word, which may have declared it. */
bool tw_sm_in_broken(TwSema *s, TwName name);
/* Whether a declaration that the parser gave up on says what it declares. If not, it may have been anything. */
bool tw_sm_has_name(const TwSema *s, TwSpan decl);
const char *tw_sm_text(TwSema *s, TwSpan span); /* the source under a span */
/* Two types that should agree: adds notes where the sizes that differ were fixed. */
void tw_sm_note_sizes(TwSema *s, TwDiag *d, const TwType *a, const TwType *b);

/* ---- modules.c */
void tw_sm_prelude(TwSema *s); /* loads the modules that are always in scope */
TwSmModule *tw_sm_load(TwSema *s, TwName name, uint32_t from_file, TwSpan span); /* NULL: reported */
void tw_sm_enter(TwSema *s, TwSmModule *m, const TwDecl *d, const TwDecl *replaced);
TwSmValue tw_sm_resolve(TwSema *s, TwSmModule *m, TwSmEntry *e, TwSpan use);
TwSmValue tw_sm_lookup(TwSema *s, const TwSmScope *scope, TwName name, TwSpan span);
TwSmValue tw_sm_member(TwSema *s, TwSmModule *m, TwName name, TwSpan span);
bool tw_sm_is_std(const TwSema *s, uint32_t file);

/* ---- scope.c */
TwSmEntry *tw_sm_find(const TwSmModule *m, TwName name);
void tw_sm_add_entry(TwSema *s, TwSmModule *m, TwSmEntry *e);
const TwSmBind *tw_sm_bound(const TwSmScope *scope, TwName name);
void tw_sm_bind(TwSema *s, TwSmScope *scope, TwIdent id, TwSmValue v);
bool tw_sm_set_has(const TwSmSet *set, const void *x);
void tw_sm_set_add(TwSema *s, TwSmSet *set, const void *x);

/* ---- variants.c */
bool tw_sm_effective(TwSema *s, const TwModuleAst *main, TwName variant);

/* ---- consts.c */
TwSmValue tw_sm_const(TwSema *s, TwSmModule *m, TwSmEntry *e);
void tw_sm_defines(TwSema *s);
TwSpan tw_sm_define_span(TwSema *s, TwName name); /* of the value that -D gives; no place: there is none */

/* ---- types.c */
void tw_sm_types_init(TwSema *s);
const TwType *tw_sm_tensor(TwSema *s, TwDtype dtype, uint32_t rank, const TwDim *dims);
const TwType *tw_sm_scalar(TwSema *s, TwDtype dtype);
const TwType *tw_sm_with(TwSema *s, TwDtype dtype, const TwType *shape_of);
const TwType *tw_sm_lead(TwSema *s, TwDim n, const TwType *elem, TwSpan span);
const TwType *tw_sm_tail(TwSema *s, const TwType *t);
const TwType *tw_sm_tuple(TwSema *s, const TwType *const *types, uint32_t n);
bool tw_sm_same(const TwType *a, const TwType *b);
bool tw_sm_same_shape(const TwType *a, const TwType *b);
static inline bool tw_sm_poison(const TwType *t) { return t->kind == TW_TY_POISON; }
static inline bool tw_sm_is_scalar(const TwType *t) { return t->kind == TW_TY_TENSOR && t->rank == 0; }
static inline bool tw_sm_is(const TwType *t, TwDtype d) { return t->kind == TW_TY_TENSOR && t->dtype == d; }
int64_t tw_sm_count(const TwType *t); /* scalars in all leaves, saturating */
bool tw_sm_has_poison(const TwType *t);
/* How many types a type is made of, itself included; counting stops beyond `most`. */
uint32_t tw_sm_parts(const TwType *t, uint32_t most);
enum { TW_SM_MAX_PARTS = 4096 };
/* false, after a report: a record or tuple with too many members, those of its members included. */
bool tw_sm_not_too_wide(TwSema *s, const TwType *t, TwSpan span);
/* Whether all leaves are real (int leaves too, where `ints`). */
bool tw_sm_all_real(const TwType *t, bool ints);

/* ---- typexpr.c */
typedef enum TwSmParamKind { TW_PK_VALUE, TW_PK_FN, TW_PK_DATA, TW_PK_SCHEDULE } TwSmParamKind;
TwSmParamKind tw_sm_param_kind(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te);
const TwSmSym *tw_sm_sym(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te); /* NULL: reported */
/* All sizes known: the type; NULL if some are not. */
const TwType *tw_sm_known(TwSema *s, const TwSmSym *sym, TwSpan span);
const TwType *tw_sm_type(TwSema *s, const TwSmScope *scope, const TwTypeExpr *te); /* poison: reported */
TwSmLin tw_sm_lin(TwSema *s, const TwSmScope *scope, const TwExpr *e);
bool tw_sm_lin_known(const TwSmLin *l);

/* ---- form.c: sizes in the user's names, for messages */
const TwSizeForm *tw_sm_form(TwSema *s, const TwSmScope *scope, const TwExpr *e);
TwSizeForm *tw_size_int(TwArena *a, int64_t n);
TwSizeForm *tw_size_sum(TwArena *a, const TwSizeForm *x, const TwSizeForm *y,
                        int64_t k); /* x + k y; NULL: too long, or one is NULL */
const TwSizeForm *tw_dim_form(TwArena *a, const TwDim *d);
const char *tw_size_text(TwArena *a, const TwSizeForm *f);
const char *tw_sm_dim_text(TwSema *s, const TwDim *d); /* "n + 1 = 5", or "5" */
const char *tw_sm_shown(TwSema *s, const TwType *t);   /* "real[n + 1 = 5]" */

/* ---- solve.c */
typedef struct TwSmSolve {
  TwSema *s;
  uint32_t n;
  const TwIdent *names;
  uint32_t rows;
  int64_t c[TW_SM_VARS][TW_SM_VARS], rhs[TW_SM_VARS];
  uint32_t pivot[TW_SM_VARS];
  TwSpan why[TW_SM_VARS];
  bool failed;
} TwSmSolve;
/* c = n. false: it contradicts what is known. */
bool tw_sm_equation(TwSmSolve *v, const TwSmLin *c, int64_t n, TwSpan why);
bool tw_sm_solved(const TwSmSolve *v, uint32_t var, int64_t *value); /* value may be negative */
/* Adds the equations that make sym equal to type; false at the first contradiction. */
bool tw_sm_match(TwSmSolve *v, const TwSmSym *sym, const TwType *type, TwSpan why);
/* What is known so far, as text: "n = 4, m = 2". */
const char *tw_sm_solution(const TwSmSolve *v);

/* ---- tx.c: building typed trees */
TwTx *tw_sm_node(TwSema *s, TwTxKind kind, const TwType *type, TwSpan span);
TwTx *tw_sm_bad(TwSema *s, TwSpan span);
TwTx *tw_sm_int(TwSema *s, int64_t v, TwSpan span);
TwTx *tw_sm_real(TwSema *s, double v, TwSpan span);
TwTx *tw_sm_bool(TwSema *s, bool v, TwSpan span);
TwTx *tw_sm_op(TwSema *s, TwOp op, const TwType *type, TwSpan span, TwTx *a, TwTx *b);
TwTx *tw_sm_one(TwSema *s, TwTxKind kind, const TwType *type, TwSpan span, TwTx *a);
TwTx *tw_sm_field(TwSema *s, TwTx *a, uint32_t k, TwSpan span);
TwTx *tw_sm_use(TwSema *s, TwLocal *l, TwSpan span);
TwTx *tw_sm_at(TwSema *s, const TwTx *t, TwSpan span); /* the same value named at another place */
TwLocal *tw_sm_local(TwSema *s, TwName name, const TwType *type, TwSpan span);
TwTs *tw_sm_let(TwSema *s, TwLocal *l, TwTx *value);
bool tw_sm_atomic(const TwTx *t); /* as cheap to repeat as to name */
TwSmValue tw_sm_v(TwTx *t);
TwSmValue tw_sm_vbad(void);
/* t = local + k: the local, or NULL. */
const TwLocal *tw_sm_local_plus(const TwTx *t, int64_t *k);
TwSmInterval tw_sm_range(TwSema *s, const TwTx *t);
void tw_sm_set_range(TwSema *s, const TwLocal *l, TwSmInterval r);
/* Narrows the ranges of locals by a condition that holds (or not); returns what to restore. */
typedef struct TwSmRefine {
  uint32_t n;
  uint32_t id[8];
  TwSmInterval old[8];
} TwSmRefine;
void tw_sm_refine(TwSema *s, const TwTx *cond, bool holds, TwSmRefine *undo);
void tw_sm_restore(TwSema *s, const TwSmRefine *undo);

/* ---- coerce.c */
/* The value as a `want`: int to real, anonymous to named record, and where `fill` a scalar to a shape.
 * `what` begins the message: "'x' of 'f'". Poison after a report. */
TwTx *tw_sm_coerce(TwSema *s, TwTx *t, const TwType *want, bool fill, TwSpan span, const char *what);
bool tw_sm_can_coerce(const TwType *from, const TwType *want);
TwTx *tw_sm_to_real(TwSema *s, TwTx *t); /* ints of a tensor; others as they are */
/* The type that both can have, or NULL. */
const TwType *tw_sm_unify(TwSema *s, const TwType *a, const TwType *b);
/* Ints to reals in tensors, tuples and anonymous records. */
TwTx *tw_sm_realify(TwSema *s, TwTx *t);

/* ---- expr.c, operators.c, arrays.c */
TwSmValue tw_sm_value(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_tx(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_need(TwSema *s, TwSmValue v, TwSpan span);
const char *tw_sm_kind_text(const TwSmValue *v);
TwTx *tw_sm_unary(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_binary(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_arith(TwSema *s, TwBinaryOp op, TwTx *a, TwTx *b, TwSpan span, const char *sign);
TwTx *tw_sm_power(TwSema *s, TwTx *a, TwTx *b, TwSpan span);
const TwType *tw_sm_elementwise(TwSema *s, TwTx *a, TwTx *b, TwDtype dtype, TwSpan span, const char *sign);
TwSmValue tw_sm_index(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_array(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_record(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_get_field(TwSema *s, TwTx *t, TwName name, TwSpan name_span, TwSpan span);
/* An integer known when compiling; `unknown` is the id of the error where it is not. */
bool tw_sm_static_or(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, TwDiagId unknown,
                     int64_t *out);
bool tw_sm_static_int(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, int64_t *out);

/* ---- loops.c */
/* Opens a clause: the iteration, and its names bound in *scope. false: reported. */
bool tw_sm_iter(TwSema *s, TwSmScope *scope, const TwForClause *c, bool data_ok, TwIter *out);
TwTx *tw_sm_for(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwTx *tw_sm_reduce_for(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwReduce r, TwSpan span, const char *name);

/* ---- calls.c, elaborate.c */
TwSmValue tw_sm_call(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwSmValue tw_sm_apply(TwSema *s, TwSmValue f, TwSmArgs *args, TwSpan span, const TwType *want);
TwSmValue tw_sm_apply_fn(TwSema *s, const TwSmFn *f, TwSmArgs *args, TwSpan span, const TwType *want);
TwSmValue tw_sm_arg(TwSema *s, TwSmArg *a, const TwType *want);
TwTx *tw_sm_arg_tx(TwSema *s, TwSmArg *a, const TwType *want);
TwSmArg tw_sm_arg_of(TwSmValue v, TwSpan span);
bool tw_sm_distinct(TwSema *s, const TwDecl *d); /* the names of its parameters; false: reported */
void tw_sm_args(TwSema *s, const TwSmScope *scope, const TwArgs *from, TwSmArgs *out);
TwSmValue tw_sm_fn_value(TwSema *s, TwSmModule *m, const TwDecl *d);
bool tw_sm_bind_args(TwSema *s, const TwSmFn *f, const TwParamDecls *params, TwSmArgs *args, TwSpan span,
                     TwSmArg **slots);
/* Elaborates a body with what scope binds; checks it against the declared result. */
TwSmValue tw_sm_body(TwSema *s, const TwSmFn *f, const TwSmScope *scope, const TwType *want);
bool tw_sm_push_frame(TwSema *s, TwSmFrame *fr, const TwSmFn *f, TwSpan call);
void tw_sm_pop_frame(TwSema *s);
void tw_sm_mark_elaborated(TwSema *s, const void *decl);
bool tw_sm_was_elaborated(const TwSema *s, const void *decl);
TwSmValue tw_sm_schedule_now(TwSema *s, const TwSmValue *v, TwSpan span);

/* ---- custom.c: functions that state their partial derivatives */
/* Whether the rules are complete and agree with the body; what is wrong is reported once. */
bool tw_sm_custom_ok(TwSema *s, const TwSmFn *f);
/* v, the body's value with the parameters bound in scope, with the stated partials. */
TwSmValue tw_sm_custom_value(TwSema *s, const TwSmFn *f, const TwSmScope *scope, TwSmValue v);

/* ---- domain.c: domains that are declared */
TwSmValue tw_sm_domain(TwSema *s, TwSmModule *m, TwSmEntry *e);
TwSmValue tw_sm_domain_map(TwSema *s, const TwSmDomain *d, TwName name, TwSpan span); /* simplex.forward */
/* What stands after `in`: the domain, and its arguments, each with its name. NULL: reported. */
const TwSmDomain *tw_sm_domain_named(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwSmArgs *args);
/* The maps for the type of *p, compared with each other. false: reported. */
bool tw_sm_domain_use(TwSema *s, const TwSmDomain *d, TwSmArgs *args, TwSpan span, TwParam *p);
/* Reports a start that is known and not in the domain. */
void tw_sm_domain_start(TwSema *s, const TwParam *p, const double *x);

/* ---- builtins.c */
int tw_sm_builtin(TwName name); /* -1: none */
const char *tw_sm_builtin_name(uint32_t k);
uint32_t tw_sm_builtin_count(void);
TwSmValue tw_sm_apply_builtin(TwSema *s, uint32_t b, TwSmArgs *args, TwSpan span, const TwType *want);
bool tw_sm_builtin_is_law(uint32_t b);

/* ---- stmts.c, recur.c */
typedef TwVec(TwTs *) TwSmStmts;
TwSmValue tw_sm_block(TwSema *s, const TwSmScope *scope, const TwBlock *b, const TwType *want, TwSpan span);
/* Statements one after another; scope grows. `assign`: names that may be assigned, else NULL. */
bool tw_sm_stmts(TwSema *s, TwSmScope *scope, const TwBlock *b, bool assign, TwSmStmts *out);
void tw_sm_recur(TwSema *s, TwSmScope *scope, const TwStmt *st, TwSmStmts *out);
TwSmValue tw_sm_recur_read(TwSema *s, const TwSmScope *scope, TwSmRecur *r, const TwExpr *e);
/* Binds a name to a value: directly if atomic or not a tree, else by a statement. */
void tw_sm_bind_value(TwSema *s, TwSmScope *scope, TwIdent id, TwSmValue v, TwSmStmts *out);

/* ---- eval.c: constants */
typedef struct TwSmNum {
  const TwType *type;
  int64_t n; /* TENSOR: elements; others: kids */
  double *x;
  struct TwSmNum *kids;
} TwSmNum;
/* NULL if the tree is not constant; *why, if not NULL, is set where arithmetic failed. */
const TwSmNum *tw_sm_eval(TwSema *s, const TwTx *t, const char **why);
/* A real scalar or array where real locals have these values: its elements. */
bool tw_sm_eval_at(TwSema *s, const TwTx *t, TwLocal *const *locals, const double *values, uint32_t n, double *out);
/* A value where a local, a tensor of reals, is x: its elements. false: it has none there; *too_long: not computed, too
 * long. */
bool tw_sm_eval_with(TwSema *s, const TwTx *t, const TwLocal *l, const double *x, double *out, bool *too_long);
bool tw_sm_eval_real(TwSema *s, const TwTx *t, double *out);
/* Computes t with these values of the params and weights, and something for rows of data and for locals, and notes the
 * first division by 0 of those whose result counts. Its value, in .arena; NULL: it cannot be computed so. */
typedef struct TwSmProbe {
  TwArena *arena;
  const TwSmNum *const *params, *const *weights; /* NULL in them: not known */
  int64_t budget;                                /* of element operations: what is left of it */
  bool found;
  TwSpan at, divisor;
  TwName callee; /* the function that divides; NULL: none */
  TwName inside; /* eval.c's own */
} TwSmProbe;
const TwSmNum *tw_sm_probe(TwSema *s, const TwTx *t, TwLocal *const *locals, uint32_t n, TwSmProbe *p);
/* A constant real scalar, or reports that it is none. */
bool tw_sm_const_real(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, double *out);

/* ---- load.c */
/* Whether a start is load(…), the built-in function. */
bool tw_sm_is_load(TwSema *s, const TwSmScope *scope, const TwExpr *e);
/* The reals of a file, as a value of that type, which is all real and without poison; poison after a report. `name` is
 * what is declared, at `decl`. */
TwTx *tw_sm_load_file(TwSema *s, const TwExpr *e, const TwType *type, const char *name, TwSpan decl);

/* ---- params.c, weights.c, laws.c, decls.c, data.c */
TwSmValue tw_sm_param(TwSema *s, TwSmModule *m, TwSmEntry *e);
TwSmValue tw_sm_weights(TwSema *s, TwSmModule *m, TwSmEntry *e);
TwTx *tw_sm_law(TwSema *s, const TwSmScope *scope, const TwExpr *e, const TwType *want);
TwSmValue tw_sm_data(TwSema *s, TwSmModule *m, TwSmEntry *e);
/* `points.mean` and the like: a constant that a data set makes. */
TwSmValue tw_sm_data_fact(TwSema *s, uint32_t data, TwName name, TwSpan name_span, TwSpan span);
/* The data set that an expression names, whatever may be used here; NULL: none does. */
TwSmEntry *tw_sm_data_named_by(TwSema *s, const TwSmScope *scope, const TwExpr *e);
bool tw_sm_interval(TwSema *s, const TwSmScope *scope, const TwDomainExpr *d, double *lo, double *hi);
void tw_sm_model(TwSema *s, TwSmModule *m, TwSmEntry *e);
void tw_sm_losses(TwSema *s);
bool tw_sm_real_scalar(TwSema *s, TwTx **t, TwDiagId id, const char *what);

/* ---- stages.c, optimizer.c, depends.c, ensure.c */
void tw_sm_stages(TwSema *s);
void tw_sm_update(TwSema *s, const TwSmScope *scope, const TwExpr *call, TwStage *st);
/* ---- second_order.c: false: the call names neither lm nor lbfgs */
bool tw_sm_second_order(TwSema *s, const TwSmScope *scope, const TwExpr *call, TwStage *st);
/* ---- stage_options.c: false: the item's word is none of these options */
bool tw_sm_stage_option(TwSema *s, const TwSmScope *scope, const TwStageItem *it, TwStage *st);
void tw_sm_stage_options_end(TwSema *s, const TwStage *st, TwSpan name);
bool tw_sm_optimizer_body(TwSema *s, const TwDecl *d, TwSmScope *scope, int64_t n_flat, TwUpdate *out);
typedef struct TwSmDeps {
  bool *params, *weights;
} TwSmDeps;
TwSmDeps tw_sm_deps(TwSema *s);
/* What t uses: params and weights, through the values of weights unless `stop` says they are stored. */
void tw_sm_depends(TwSema *s, const TwTx *t, const bool *stop, TwSmDeps *out);
bool tw_sm_uses_data(TwSema *s, const TwTx *t, uint32_t data);
void tw_sm_check_stages(TwSema *s);
bool tw_sm_trained(const TwSema *s, uint32_t param); /* by any stage: then check_stages speaks of it */
void tw_sm_warn_unused(TwSema *s, const TwModuleAst *ast, bool library);
void tw_sm_warn_divisors(TwSema *s);
void tw_sm_warn_stages(TwSema *s, const TwModuleAst *ast);
void tw_sm_ensures(TwSema *s);

/* ---- library.c */
void tw_sm_check_local(TwSema *s, const TwSmFn *f); /* a function of a body's own that nothing calls */
void tw_sm_library(TwSema *s, bool all);

#endif
