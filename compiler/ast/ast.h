/* ast.h: the syntax tree: what the user wrote, nothing inferred, nothing desugared.
 *
 * Every node has the span of all its text. The tree keeps what the formatter needs (comments and
 * blank lines are in TwModuleAst.trivia, attached by position). Nodes live in the unit's arena.
 * Names are interned. A node of kind ERROR stands where the parser recovered; later phases treat
 * it as poison and say nothing more. */
#ifndef TW_AST_AST_H
#define TW_AST_AST_H

#include "compiler/unit.h"

typedef struct TwExpr TwExpr;
typedef struct TwStmt TwStmt;
typedef struct TwDecl TwDecl;
typedef struct TwTypeExpr TwTypeExpr;
typedef TwVec(TwExpr *) TwExprs;

/* The parser refuses trees deeper than this, so that every walk over a tree may recurse. */
enum { TW_MAX_DEPTH = 1000 };

/* A name where it is declared. */
typedef struct TwIdent {
  TwName name;
  TwSpan span;
} TwIdent;
typedef TwVec(TwIdent) TwIdents;

/* ---- types as written: real, real[n + 1], Dense[4, 4][d - 1], nn.Dense[m, n], fn(real) -> real */
typedef enum TwTypeExprKind {
  TW_TE_ERROR,
  TW_TE_NAME,  /* path, brackets in groups: name[..][..] */
  TW_TE_FN,    /* fn(T, …) -> T; a bare `fn` (any function) has result NULL */
  TW_TE_RECORD /* { W: real[n, m], b: real[n] }, only as the right side of `type` */
} TwTypeExprKind;

typedef struct TwFieldType {
  TwIdent name;
  TwTypeExpr *type;
} TwFieldType;

struct TwTypeExpr {
  TwTypeExprKind kind;
  uint32_t depth; /* 1 + that of the deepest child */
  TwSpan span;
  TwIdent module;             /* NAME: before the dot; name NULL if none */
  TwIdent name;               /* NAME: real, int, bool, data, schedule, or a declared type */
  TwVec(TwExprs) brackets;    /* NAME: the bracket groups in order */
  TwVec(TwTypeExpr *) params; /* FN */
  TwTypeExpr *result;         /* FN */
  TwVec(TwFieldType) fields;  /* RECORD */
};

/* ---- expressions */
typedef enum TwExprKind {
  TW_EX_ERROR,
  TW_EX_INT,    /* 12        value in .integer */
  TW_EX_REAL,   /* 1e-3      value in .real, spelling by span */
  TW_EX_BOOL,   /* true false */
  TW_EX_STRING, /* "f.csv"   unescaped in .string */
  TW_EX_NAME,   /* x */
  TW_EX_FIELD,  /* a.b       object .a, .name: a record field or a name in a module; sema decides */
  TW_EX_CALL,   /* f(x, mix = -1)  callee .a, .args */
  TW_EX_INDEX,  /* a[i, 0 .. 4]  object .a, .items (RANGE items are slices); f[depth] gives shape parameters */
  TW_EX_UNARY,  /* .op: TW_UN_* , .a */
  TW_EX_BINARY, /* .op: TW_BI_* , .a .b, .op_span */
  TW_EX_IF,     /* if .a then .b else .c */
  TW_EX_RANGE,  /* .a .. .b half open; in a slice either end may be NULL */
  TW_EX_ARRAY,  /* [a, b, c]  .items; also the closed interval [lo, hi] where one is expected */
  TW_EX_TUPLE,  /* (a, b)     .items, at least two; also the open interval (lo, hi) */
  TW_EX_RECORD, /* { W = …, b = … }  .args, all named */
  TW_EX_FOR,    /* [ e for i in 0 .. n, j in 0 .. m if c ]  .a body, .fors, .b condition or NULL */
                /*   .bracketed false: the generator argument of a reduction, mean(e for …) */
  TW_EX_LAMBDA, /* fn(x, y: real) = e   .params .body */
  TW_EX_BLOCK   /* { stmts; e } where a body is expected  .block */
} TwExprKind;

typedef enum TwUnaryOp { TW_UN_NEG, TW_UN_NOT } TwUnaryOp;
typedef enum TwBinaryOp {
  TW_BI_ADD,
  TW_BI_SUB,
  TW_BI_MUL,
  TW_BI_DIV,
  TW_BI_POW,
  TW_BI_MATMUL, /* @ */
  TW_BI_MOD,    /* % */
  TW_BI_LT,
  TW_BI_LE,
  TW_BI_GT,
  TW_BI_GE,
  TW_BI_EQ,
  TW_BI_NE,
  TW_BI_AND,
  TW_BI_OR
} TwBinaryOp;

typedef struct TwArg {
  TwIdent name; /* name NULL if positional */
  TwExpr *value;
} TwArg;
typedef TwVec(TwArg) TwArgs;

/* `i in 0 .. n`, `layer in net.hidden`, `(x, y) in train` */
typedef struct TwForClause {
  TwIdents names; /* one, or the names of a pattern in parentheses */
  bool pattern;
  TwExpr *in; /* RANGE, or an array, or a data set */
  TwSpan span;
} TwForClause;
typedef TwVec(TwForClause) TwForClauses;

/* A parameter of a function, lambda, model or optimizer. */
typedef struct TwParamDecl {
  TwIdent name;
  TwTypeExpr *type; /* NULL only in lambdas: taken from the argument */
  TwExpr *value;    /* default, or NULL */
} TwParamDecl;
typedef TwVec(TwParamDecl) TwParamDecls;

typedef struct TwBlock {
  TwVec(TwStmt *) stmts;
  TwExpr *result; /* NULL in optimizer bodies and loop bodies */
  uint32_t depth; /* 1 + that of the deepest child */
  TwSpan span;
} TwBlock;

struct TwExpr {
  TwExprKind kind;
  uint32_t depth; /* 1 + that of the deepest child */
  TwSpan span;
  int op;
  bool bracketed;
  TwSpan op_span;
  TwExpr *a, *b, *c;
  TwName name;      /* NAME, FIELD */
  TwSpan name_span; /* FIELD: of the part after the dot */
  int64_t integer;
  double real;
  bool boolean;
  TwName string;
  TwExprs items;
  TwArgs args;
  TwForClauses fors;
  TwParamDecls params;
  TwExpr *body; /* LAMBDA */
  TwBlock *block;
};

/* ---- statements of a body */
typedef enum TwStmtKind {
  TW_ST_ERROR,
  TW_ST_LET,    /* let y = e     let y: T = e     let (a, b) = e */
  TW_ST_RECUR,  /* let s[0] = a, s[i + 1] = f(s[i]) for i in 0 .. n  */
  TW_ST_ASSIGN, /* h = e     only in loop and optimizer bodies: rebinds a name from outside the loop */
  TW_ST_FN,     /* fn g[n](x: real[n]) -> real = e   a function of this body's own */
  TW_ST_LOOP    /* for i in 0 .. n { … }     for layer in net.hidden { … } */
} TwStmtKind;

typedef struct TwRecurCase {
  TwExpr *index; /* i + 1, or 0 */
  TwExpr *value;
  bool has_for;
  TwForClause clause; /* a RANGE clause with one name */
  TwSpan span;
} TwRecurCase;

struct TwStmt {
  TwStmtKind kind;
  uint32_t depth; /* 1 + that of the deepest child */
  TwSpan span;
  TwIdents names; /* LET: one, or the names of a pattern; RECUR, ASSIGN: one */
  bool pattern;
  TwTypeExpr *type; /* LET, RECUR: annotation or NULL */
  TwExpr *value;    /* LET, ASSIGN */
  TwVec(TwRecurCase) cases;
  TwDecl *fn;         /* FN: a declaration of kind FN; its name is also names.at[0] */
  TwForClause clause; /* LOOP: the outermost */
  TwForClauses inner; /* LOOP: the further clauses, outermost first */
  TwBlock *body;      /* LOOP */
};

/* ---- declarations */
typedef enum TwDeclKind {
  TW_DE_ERROR,
  TW_DE_IMPORT,    /* import nn */
  TW_DE_CONST,     /* const depth = 5 */
  TW_DE_TYPE,      /* type Dense[m, n] = { … } */
  TW_DE_FN,        /* fn f[n](x: real[n]) -> real = e | { … } */
  TW_DE_OPTIMIZER, /* optimizer adam(rate: schedule = 1e-3) { state m = 0 … } */
  TW_DE_DOMAIN,    /* domain simplex[n] { forward(u: real[n - 1]) -> real[n] = … … } */
  TW_DE_DATA,      /* data train = grid(x in [0, 1], 500) -> x^3 */
  TW_DE_PARAM,     /* param a : T in D by transform ~ law | = start */
  TW_DE_WEIGHTS,   /* weights net = e | weights net : T ~ law */
  TW_DE_MODEL,     /* model f(x: real) -> real = e | { … } */
  TW_DE_LOSS,      /* loss = e */
  TW_DE_MEASURE,   /* measure test = e */
  TW_DE_STAGE,     /* stage s { … } */
  TW_DE_ENSURE,    /* ensure e during s every k stop */
  TW_DE_EXPECT,    /* expect e */
  TW_DE_VARIANT,   /* variant v { declarations; skip s } */
  TW_DE_SKIP       /* skip s: only in a variant */
} TwDeclKind;

/* `in (0, 1)`, `in [0, inf)`: an interval; otherwise (`in simplex`) a named domain. */
typedef struct TwDomainExpr {
  bool present, named;
  bool lo_open, hi_open;
  TwExpr *lo, *hi; /* the contextual name inf is a NAME expression */
  TwExpr *name;    /* named: NAME, or CALL with arguments */
  TwSpan span;
} TwDomainExpr;

/* data: a source call and the target after ->. The call is an ordinary CALL expression (grid, csv,
 * npy, …) except that the arguments of grid may be `x in [lo, hi]`, kept here. */
typedef struct TwDataArg {
  TwIdent name; /* `x in …`, `t = …` or positional NAME: see .kind */
  enum { TW_DA_VALUE, TW_DA_NAMED, TW_DA_AXIS } kind;
  TwExpr *value;       /* VALUE, NAMED */
  TwDomainExpr domain; /* AXIS */
  TwSpan span;
} TwDataArg;

typedef enum TwStageItemKind {
  TW_SI_TRAIN,     /* train peak, scale        .names */
  TW_SI_OPTIMIZER, /* adam(rate = 1e-3)        .value: CALL or NAME */
  TW_SI_EPOCHS,    /* epochs 1000              .value */
  TW_SI_BATCH,     /* batch 32 of train        .value .names[0] */
  TW_SI_KEEP,      /* keep                     carry optimizer state over */
  TW_SI_KEEP_BEST, /* keep best                hand on the best epoch's values */
  TW_SI_LOSS,      /* loss = e                 a loss of the stage's own: .value */
  TW_SI_OPTION     /* any other `word value`   .names[0] .value; sema says which exist (clip_norm, log every, …) */
} TwStageItemKind;

typedef struct TwStageItem {
  TwStageItemKind kind;
  TwIdents names;
  TwExpr *value;
  TwExpr *condition; /* OPTION: word value if condition */
  TwSpan span;
} TwStageItem;

typedef struct TwDerivRule {
  TwIdent param;
  TwExpr *value;
  TwSpan span;
} TwDerivRule; /* derivative x = …   after a `custom fn` */

struct TwDecl {
  TwDeclKind kind;
  TwSpan span;
  TwIdent name;          /* IMPORT: the module; LOSS, EXPECT, ENSURE: name NULL */
  const char *doc;       /* the comment lines right above, or NULL */
  TwIdents shape_params; /* TYPE, FN, OPTIMIZER, DOMAIN */
  TwParamDecls params;   /* FN, MODEL, OPTIMIZER, DOMAIN */
  TwTypeExpr *type; /* TYPE: the right side; FN, MODEL: the result or NULL; PARAM, WEIGHTS, CONST: annotation or NULL */
  TwExpr *value; /* CONST, FN and MODEL body (BLOCK or expression), PARAM and WEIGHTS start, DATA target, LOSS, MEASURE,
                    ENSURE, EXPECT */
  bool is_law;   /* PARAM, WEIGHTS: ~ rather than = */
  bool is_custom; /* FN: custom fn */
  TwVec(TwDerivRule) derivatives;
  TwDomainExpr domain; /* PARAM */
  TwExpr *transform;   /* PARAM: by clip(0.02); CALL or NAME; NULL if not given */
  TwIdent source;      /* DATA: grid, csv, … */
  TwVec(TwDataArg) data_args;
  TwArgs state;             /* OPTIMIZER: state m = 0, v = 0 */
  TwBlock *body;            /* OPTIMIZER */
  TwVec(TwStageItem) items; /* STAGE */
  TwIdents during;          /* ENSURE; empty: once, at the end */
  TwExpr *every;            /* ENSURE: or NULL */
  bool stop;                /* ENSURE */
  TwVec(TwDecl *) decls;    /* VARIANT; DOMAIN: its maps, each an FN */
};

/* The word that such a declaration begins with. */
const char *tw_decl_word(const TwDecl *d);

typedef struct TwTrivia {
  TwSpan span;
  bool own_line; /* nothing but blanks before it on its line */
} TwTrivia;      /* a comment */

typedef struct TwModuleAst {
  TwName name; /* file stem, or the stdlib module's name */
  uint32_t file;
  TwVec(TwDecl *) decls;
  TwVec(TwTrivia) comments; /* in source order */
} TwModuleAst;

#endif
