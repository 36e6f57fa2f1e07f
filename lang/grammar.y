// grammar.y: the grammar of .tw files, for Lemon.
//
// Every rule calls one builder of compiler/ast/parser.h. The tokens come from the token driver
// (compiler/ast/layout.h): SEP stands between statements, LBLOCK and RBLOCK are the braces of a body,
// LBRACE and RBRACE those of a record. The grammar accepts slightly too much; builders and the
// semantic phases reject with words. Built with `lemon -c`: no default reductions, so that an error
// is found where it is and the tokens that would have fitted can be told.

%name tw_grammar
%token_prefix TW_T_
%token_type {TwToken}
%extra_context {TwParser *p}
%stack_size 20000
%start_symbol start

%include {
#include "compiler/ast/parser.h"
#include "grammar.h"
#define NONE ((TwPart){0})
#define NEW(T) TW_NEW(&p->u->arena, T)
}

%syntax_error { (void)yymajor; tw_on_syntax_error(p, yypParser, TOKEN); tw_grammar_leave_block(yypParser); }
%stack_overflow { tw_on_too_deep(p); }

// ---- precedence, weakest first
%nonassoc LOWEST.
%left OR.
%left AND.
%right NOT.
%left EQ NE LT LE GT GE.  // tw_b_binary refuses chains
%left PLUS MINUS.
%left STAR SLASH PERCENT AT.
%right SIGN.
%right CARET.
%nonassoc LPAREN LBRACK DOT.
%nonassoc OPERAND.
%nonassoc BAD SEMICOLON. // never fit

%fallback ID
  TYPE OPTIMIZER DOMAIN DATA PARAM WEIGHTS MODEL LOSS MEASURE STAGE ENSURE EXPECT VARIANT SKIP CUSTOM
  DERIVATIVE STATE
  BY DURING EVERY STOP TRAIN EPOCHS BATCH OF KEEP BEST.

start ::= MODULE_START file.
start ::= EXPR_START expr(E). { p->expr = E.node; }
start ::= EXPR_START error.

// ---- declarations
file ::= .
file ::= file_decls.
file_decls ::= decl(D). { tw_b_module_decl(p, D); }
file_decls ::= file_decls SEP decl(D). { tw_b_module_decl(p, D); }

%type decls {TwDecls *}
%type decls_opt {TwDecls *}
decls_opt(A) ::= . { A = NEW(TwDecls); }
decls_opt(A) ::= decls(B). { A = B; }
decls(A) ::= decl(D). { A = tw_b_decls(p, NULL, D); }
decls(A) ::= decls(L) SEP decl(D). { A = tw_b_decls(p, L, D); }

%type decl {TwDecl *}
decl(A) ::= error. { A = tw_b_decl_error(p); }
decl(A) ::= IMPORT(S) ID(N). { A = tw_b_decl(p, TW_DE_IMPORT, S, &N); }
decl(A) ::= CONST(S) ID(N) type_opt(T) ASSIGN expr(E).
  { A = tw_b_value_decl(p, TW_DE_CONST, S, &N, T, (TwStart){E.node, false}); }
decl(A) ::= TYPE(S) ID(N) shape_opt(H) ASSIGN type_body(T). { A = tw_b_type_decl(p, S, N, H, T); }
decl(A) ::= FN(S) ID(N) shape_opt(H) LPAREN params_opt(P) RPAREN result_opt(R) fn_body(B) rules(D).
  { A = tw_b_fn(p, S, N, H, P, R, B, D); }
decl(A) ::= CUSTOM(S) FN ID(N) shape_opt(H) LPAREN params_opt(P) RPAREN result_opt(R) fn_body(B) rules(D).
  { A = tw_b_fn(p, S, N, H, P, R, B, D); A->is_custom = true; }
decl(A) ::= OPTIMIZER(S) ID(N) shape_opt(H) LPAREN params_opt(P) RPAREN LBLOCK(O) opt_body(B) RBLOCK.
  { A = tw_b_optimizer(p, S, N, H, P, O, B); }
decl(A) ::= DOMAIN(S) ID(N) shape_opt(H) domain_params_opt(P) LBLOCK maps_opt(L) RBLOCK.
  { A = tw_b_domain(p, S, N, H, P, L); }
decl(A) ::= DATA(S) ID(N) ASSIGN ID(F) LPAREN data_args_opt(L) RPAREN target_opt(T).
  { A = tw_b_data(p, S, N, F, L, T); }
decl(A) ::= PARAM(S) ID(N) type_opt(T) domain_opt(D) transform_opt(B) start_opt(V).
  { A = tw_b_param_decl(p, S, N, T, D, B, V); }
decl(A) ::= WEIGHTS(S) ID(N) type_opt(T) start_value(V).
  { A = tw_b_value_decl(p, TW_DE_WEIGHTS, S, &N, T, V); }
decl(A) ::= MODEL(S) ID(N) LPAREN params_opt(P) RPAREN result_opt(R) fn_body(B).
  { A = tw_b_model(p, S, N, P, R, B); }
decl(A) ::= LOSS(S) ASSIGN expr(E).
  { A = tw_b_value_decl(p, TW_DE_LOSS, S, NULL, NULL, (TwStart){E.node, false}); }
decl(A) ::= MEASURE(S) ID(N) ASSIGN expr(E).
  { A = tw_b_value_decl(p, TW_DE_MEASURE, S, &N, NULL, (TwStart){E.node, false}); }
decl(A) ::= STAGE(S) ID(N) LBLOCK items_opt(L) RBLOCK. { A = tw_b_stage(p, S, N, L); }
decl(A) ::= ENSURE(S) expr(E) during_opt(D) every_opt(K) stop_opt(X). { A = tw_b_ensure(p, S, E, D, K, X); }
decl(A) ::= EXPECT(S) expr(E).
  { A = tw_b_value_decl(p, TW_DE_EXPECT, S, NULL, NULL, (TwStart){E.node, false}); }
decl(A) ::= VARIANT(S) ID(N) LBLOCK decls_opt(L) RBLOCK. { A = tw_b_variant(p, S, N, L); }
decl(A) ::= SKIP(S) ID(N). { A = tw_b_decl(p, TW_DE_SKIP, S, &N); }

%type shape_opt {TwIdents *}
shape_opt(A) ::= . { A = NEW(TwIdents); }
shape_opt(A) ::= LBRACK names(L) comma_opt RBRACK. { A = L; }

%type names {TwIdents *}
names(A) ::= ID(N). { A = tw_b_idents(p, NULL, N); }
names(A) ::= names(L) COMMA ID(N). { A = tw_b_idents(p, L, N); }

comma_opt ::= .
comma_opt ::= COMMA.

%type result_opt {TwTypeExpr *}
result_opt(A) ::= . { A = NULL; }
result_opt(A) ::= ARROW type(T). { A = T; }

%type fn_body {TwPart}
fn_body(A) ::= ASSIGN expr(E). { A = E; }
fn_body(A) ::= LBLOCK(O) body(B) RBLOCK. { A = tw_b_block_expr(p, tw_b_fn_block(p, O, B)); }

%type rules {TwDerivRules *}
rules(A) ::= . { A = NULL; }
rules(A) ::= rules(L) DERIVATIVE(S) ID(N) ASSIGN expr(E). { A = tw_b_rules(p, L, S, N, E); }

%type start_value {TwStart}
start_value(A) ::= ASSIGN expr(E). { A = (TwStart){E.node, false}; }
start_value(A) ::= TILDE expr(E). { A = (TwStart){E.node, true}; }
%type start_opt {TwStart}
start_opt(A) ::= . { A = (TwStart){0}; }
start_opt(A) ::= start_value(V). { A = V; }

%type target_opt {TwPart}
target_opt(A) ::= . { A = NONE; }
target_opt(A) ::= ARROW expr(E). { A = E; }

%type data_args_opt {TwDataArgs *}
%type data_args {TwDataArgs *}
%type data_arg {TwDataArg}
data_args_opt(A) ::= . { A = NEW(TwDataArgs); }
data_args_opt(A) ::= data_args(L) comma_opt. { A = L; }
data_args(A) ::= data_arg(B). { A = tw_b_data_args(p, NULL, B); }
data_args(A) ::= data_args(L) COMMA data_arg(B). { A = tw_b_data_args(p, L, B); }
data_arg(A) ::= expr(E). { A = tw_b_data_arg(p, NULL, E, NULL); }
data_arg(A) ::= ID(N) ASSIGN expr(E). { A = tw_b_data_arg(p, &N, E, NULL); }
data_arg(A) ::= ID(N) IN interval(D). { A = tw_b_data_arg(p, &N, NONE, &D); }

%type domain_opt {TwDomainExpr}
%type interval {TwDomainExpr}
domain_opt(A) ::= . { A = (TwDomainExpr){0}; }
domain_opt(A) ::= IN interval(D). { A = D; }
domain_opt(A) ::= IN named(E). { A = tw_b_named_domain(p, E); }
interval(A) ::= LBRACK(O) expr(L) COMMA expr(H) RBRACK. { A = tw_b_interval(p, O, L, H, false, false); }
interval(A) ::= LBRACK(O) expr(L) COMMA expr(H) RPAREN. { A = tw_b_interval(p, O, L, H, false, true); }
interval(A) ::= LPAREN(O) expr(L) COMMA expr(H) RBRACK. { A = tw_b_interval(p, O, L, H, true, false); }
interval(A) ::= LPAREN(O) expr(L) COMMA expr(H) RPAREN. { A = tw_b_interval(p, O, L, H, true, true); }

%type domain_params_opt {TwParamDecls *}
domain_params_opt(A) ::= . { A = NEW(TwParamDecls); }
domain_params_opt(A) ::= LPAREN params_opt(P) RPAREN. { A = P; }
%type maps_opt {TwDecls *}
%type maps {TwDecls *}
%type map {TwDecl *}
maps_opt(A) ::= . { A = NEW(TwDecls); }
maps_opt(A) ::= maps(L). { A = L; }
maps(A) ::= map(D). { A = tw_b_decls(p, NULL, D); }
maps(A) ::= maps(L) SEP map(D). { A = tw_b_decls(p, L, D); }
map(A) ::= error. { A = tw_b_decl_error(p); }
map(A) ::= ID(N) LPAREN params_opt(P) RPAREN result_opt(R) fn_body(B). { A = tw_b_map(p, N, P, R, B); }

%type transform_opt {TwPart}
transform_opt(A) ::= . { A = NONE; }
transform_opt(A) ::= BY named(E). { A = E; }

%type named {TwPart}
%type path {TwPart}
named(A) ::= path(E). { A = E; }
named(A) ::= path(E) LPAREN args_opt(L) RPAREN. { A = tw_b_call(p, E, L); }
path(A) ::= ID(N). { A = tw_b_name(p, N); }
path(A) ::= path(E) DOT ID(N). { A = tw_b_field(p, E, N); }

%type during_opt {TwIdents *}
during_opt(A) ::= . { A = NULL; }
during_opt(A) ::= DURING names(L). { A = L; }
%type every_opt {TwPart}
every_opt(A) ::= . { A = NONE; }
every_opt(A) ::= EVERY expr(E). { A = E; }
%type stop_opt {bool}
stop_opt(A) ::= . { A = false; }
stop_opt(A) ::= STOP. { A = true; }

// ---- stages
%type items_opt {TwStageItems *}
%type items {TwStageItems *}
%type item {TwStageItem}
items_opt(A) ::= . { A = NEW(TwStageItems); }
items_opt(A) ::= items(L). { A = L; }
items(A) ::= item(B). { A = tw_b_stage_items(p, NULL, B); }
items(A) ::= items(L) SEP item(B). { A = tw_b_stage_items(p, L, B); }
item(A) ::= error. { A = (TwStageItem){0}; }
item(A) ::= TRAIN(S) names(L). { A = tw_b_item(p, TW_SI_TRAIN, S.start, L, NONE); }
item(A) ::= EPOCHS(S) expr(E). { A = tw_b_item(p, TW_SI_EPOCHS, S.start, NULL, E); }
item(A) ::= BATCH(S) expr(E). { A = tw_b_item(p, TW_SI_BATCH, S.start, NULL, E); }
item(A) ::= BATCH(S) expr(E) OF ID(N). { A = tw_b_item(p, TW_SI_BATCH, S.start, tw_b_idents(p, NULL, N), E); }
item(A) ::= KEEP(S). { A = tw_b_item(p, TW_SI_KEEP, S.start, NULL, NONE); }
item(A) ::= KEEP(S) BEST. { A = tw_b_item(p, TW_SI_KEEP_BEST, S.start, NULL, NONE); }
item(A) ::= LOSS(S) ASSIGN expr(E). { A = tw_b_item(p, TW_SI_LOSS, S.start, NULL, E); }
item(A) ::= postfix(E). { A = tw_b_item(p, TW_SI_OPTIMIZER, E.start, NULL, E); }
item(A) ::= ID(N) expr(E). { A = tw_b_option(p, N, NULL, E); }
item(A) ::= ID(N) expr(E) IF expr(C). { A = tw_b_option(p, N, NULL, E); A.condition = C.node; A.span = tw_span_from(p, N.start); }
item(A) ::= ID(N) EVERY(M) expr(E). { A = tw_b_option(p, N, &M, E); }

// ---- types
%type type_opt {TwTypeExpr *}
%type type {TwTypeExpr *}
%type type_body {TwTypeExpr *}
type_opt(A) ::= . { A = NULL; }
type_opt(A) ::= COLON type(T). { A = T; }
type(A) ::= ID(N) brackets(B). { A = tw_b_type_name(p, NULL, N, B); }
type(A) ::= ID(M) DOT ID(N) brackets(B). { A = tw_b_type_name(p, &M, N, B); }
type(A) ::= FN(S). { A = tw_b_type_fn(p, S, NULL, NULL); }
type(A) ::= FN(S) LPAREN types_opt(L) RPAREN ARROW type(R). { A = tw_b_type_fn(p, S, L, R); }
type_body(A) ::= type(T). { A = T; }
type_body(A) ::= LBRACE(O) field_types(L) comma_opt RBRACE. { A = tw_b_type_record(p, O, L); }

%type brackets {TwBrackets *}
brackets(A) ::= . { A = NULL; }
brackets(A) ::= brackets(L) LBRACK exprs(G) comma_opt RBRACK. { A = tw_b_brackets(p, L, G); }

%type types_opt {TwTypeExprs *}
%type types {TwTypeExprs *}
types_opt(A) ::= . { A = NEW(TwTypeExprs); }
types_opt(A) ::= types(L) comma_opt. { A = L; }
types(A) ::= type(T). { A = tw_b_types(p, NULL, T); }
types(A) ::= types(L) COMMA type(T). { A = tw_b_types(p, L, T); }

%type field_types {TwFieldTypes *}
field_types(A) ::= ID(N) COLON type(T). { A = tw_b_field_types(p, NULL, N, T); }
field_types(A) ::= field_types(L) COMMA ID(N) COLON type(T). { A = tw_b_field_types(p, L, N, T); }

%type params_opt {TwParamDecls *}
%type params {TwParamDecls *}
%type param {TwParamDecl}
params_opt(A) ::= . { A = NEW(TwParamDecls); }
params_opt(A) ::= params(L) comma_opt. { A = L; }
params(A) ::= param(B). { A = tw_b_params(p, NULL, B); }
params(A) ::= params(L) COMMA param(B). { A = tw_b_params(p, L, B); }
param(A) ::= ID(N) type_opt(T). { A = tw_b_param(p, N, T, NULL); }
param(A) ::= ID(N) type_opt(T) ASSIGN expr(E). { A = tw_b_param(p, N, T, E.node); }

// ---- bodies
%type body {TwBody *}
%type lines {TwBody *}
%type line {TwBodyLine}
body(A) ::= . { A = NEW(TwBody); }
body(A) ::= lines(B). { A = B; }
lines(A) ::= line(B). { A = tw_b_body(p, NULL, B); }
lines(A) ::= lines(L) SEP line(B). { A = tw_b_body(p, L, B); }
line(A) ::= error. { A = tw_b_stmt_error(p); }
line(A) ::= LET(S) ID(N) type_opt(T) ASSIGN expr(E).
  { A = tw_b_let(p, S, tw_b_idents(p, NULL, N), false, T, E); }
line(A) ::= LET(S) LPAREN names(L) comma_opt RPAREN ASSIGN expr(E). { A = tw_b_let(p, S, L, true, NULL, E); }
line(A) ::= FN(S) ID(N) shape_opt(H) LPAREN params_opt(P) RPAREN result_opt(R) fn_body(B) rules(D).
  { A = tw_b_local_fn(p, S, tw_b_fn(p, S, N, H, P, R, B, D)); }
line(A) ::= CUSTOM(S) FN ID(N) shape_opt(H) LPAREN params_opt(P) RPAREN result_opt(R) fn_body(B) rules(D).
  { A = tw_b_local_fn(p, S, tw_b_fn(p, S, N, H, P, R, B, D)); }
line(A) ::= recur(R). { A = tw_b_recur(p, R); }
line(A) ::= ID(N) ASSIGN expr(E). { A = tw_b_assign(p, N, E); }
line(A) ::= FOR(S) clauses(C) LBLOCK(O) body(B) RBLOCK. { A = tw_b_loop(p, S, C, O, B); }
line(A) ::= expr(E). { A = tw_b_result(p, E); }

%type recur {TwRecur *}
recur(A) ::= LET(S) ID(N) LBRACK expr(I) RBRACK ASSIGN expr(E) for_opt(F).
  { A = tw_b_recur_case(p, tw_b_recur_start(p, S, N), N, I, E, F); }
recur(A) ::= recur(R) COMMA ID(N) LBRACK expr(I) RBRACK ASSIGN expr(E) for_opt(F).
  { A = tw_b_recur_case(p, R, N, I, E, F); }

%type for_opt {TwForClause *}
for_opt(A) ::= . { A = NULL; }
for_opt(A) ::= FOR clause(C). { A = NEW(TwForClause); *A = C; }

%type opt_body {TwBody *}
%type opt_lines {TwBody *}
opt_body(A) ::= . { A = NEW(TwBody); }
opt_body(A) ::= opt_lines(B). { A = B; }
opt_lines(A) ::= line(B). { A = tw_b_body(p, NULL, B); }
opt_lines(A) ::= STATE states(L). { A = tw_b_state(p, NULL, L); }
opt_lines(A) ::= opt_lines(L) SEP line(B). { A = tw_b_body(p, L, B); }
opt_lines(A) ::= opt_lines(L) SEP STATE states(S). { A = tw_b_state(p, L, S); }

%type states {TwArgs *}
states(A) ::= ID(N) ASSIGN expr(E). { A = tw_b_args(p, NULL, tw_b_arg(p, tw_b_ident(p, N), E)); }
states(A) ::= states(L) COMMA ID(N) ASSIGN expr(E). { A = tw_b_args(p, L, tw_b_arg(p, tw_b_ident(p, N), E)); }

// ---- expressions
%type expr {TwPart}
expr(A) ::= postfix(E). { A = E; }
expr(A) ::= MINUS(O) expr(B). [SIGN] { A = tw_b_unary(p, O, TW_UN_NEG, B); }
expr(A) ::= NOT(O) expr(B). { A = tw_b_unary(p, O, TW_UN_NOT, B); }
expr(A) ::= expr(B) OR(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_OR, C); }
expr(A) ::= expr(B) AND(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_AND, C); }
expr(A) ::= expr(B) EQ(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_EQ, C); }
expr(A) ::= expr(B) NE(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_NE, C); }
expr(A) ::= expr(B) LT(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_LT, C); }
expr(A) ::= expr(B) LE(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_LE, C); }
expr(A) ::= expr(B) GT(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_GT, C); }
expr(A) ::= expr(B) GE(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_GE, C); }
expr(A) ::= expr(B) PLUS(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_ADD, C); }
expr(A) ::= expr(B) MINUS(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_SUB, C); }
expr(A) ::= expr(B) STAR(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_MUL, C); }
expr(A) ::= expr(B) SLASH(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_DIV, C); }
expr(A) ::= expr(B) PERCENT(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_MOD, C); }
expr(A) ::= expr(B) AT(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_MATMUL, C); }
expr(A) ::= expr(B) CARET(O) expr(C). { A = tw_b_binary(p, B, O, TW_BI_POW, C); }
expr(A) ::= IF(S) expr(C) THEN expr(B) ELSE expr(D). [LOWEST] { A = tw_b_if(p, S, C, B, D); }
expr(A) ::= FN(S) LPAREN params_opt(P) RPAREN ASSIGN expr(E). [LOWEST] { A = tw_b_lambda(p, S, P, E); }

%type postfix {TwPart}
postfix(A) ::= primary(E). { A = E; }
postfix(A) ::= postfix(E) DOT ID(N). { A = tw_b_field(p, E, N); }
postfix(A) ::= postfix(E) LPAREN args_opt(L) RPAREN. { A = tw_b_call(p, E, L); }
postfix(A) ::= postfix(E) LPAREN(O) expr(B) fors(F) condition_opt(C) RPAREN.
  { A = tw_b_reduce(p, E, O, B, F, C); }
postfix(A) ::= postfix(E) LBRACK indices(L) comma_opt RBRACK. { A = tw_b_index(p, E, L); }

%type primary {TwPart}
primary(A) ::= ID(N). [OPERAND] { A = tw_b_name(p, N); }
primary(A) ::= INT(N). { A = tw_b_int(p, N); }
primary(A) ::= REAL(N). { A = tw_b_real(p, N); }
primary(A) ::= STRING(N). { A = tw_b_string(p, N); }
primary(A) ::= LPAREN(O) expr(E) RPAREN. { A = tw_b_paren(p, O, E); }
primary(A) ::= LPAREN(O) expr(E) COMMA exprs(L) comma_opt RPAREN. { A = tw_b_tuple(p, O, E, L); }
primary(A) ::= LBRACK(O) RBRACK. { A = tw_b_items(p, O, TW_EX_ARRAY, NULL); }
primary(A) ::= LBRACK(O) exprs(L) comma_opt RBRACK. { A = tw_b_items(p, O, TW_EX_ARRAY, L); }
primary(A) ::= LBRACK(O) expr(B) fors(F) condition_opt(C) RBRACK. { A = tw_b_comprehension(p, O, B, F, C); }
primary(A) ::= LBRACE(O) RBRACE. { A = tw_b_record(p, O, NULL); }
primary(A) ::= LBRACE(O) fields(L) comma_opt RBRACE. { A = tw_b_record(p, O, L); }

%type fields {TwArgs *}
fields(A) ::= ID(N) ASSIGN expr(E). { A = tw_b_args(p, NULL, tw_b_arg(p, tw_b_ident(p, N), E)); }
fields(A) ::= fields(L) COMMA ID(N) ASSIGN expr(E). { A = tw_b_args(p, L, tw_b_arg(p, tw_b_ident(p, N), E)); }

%type exprs {TwExprs *}
exprs(A) ::= expr(E). { A = tw_b_exprs(p, NULL, E); }
exprs(A) ::= exprs(L) COMMA expr(E). { A = tw_b_exprs(p, L, E); }

%type indices {TwExprs *}
%type index {TwPart}
indices(A) ::= index(E). { A = tw_b_exprs(p, NULL, E); }
indices(A) ::= indices(L) COMMA index(E). { A = tw_b_exprs(p, L, E); }
index(A) ::= expr(E). { A = E; }
index(A) ::= expr(B) DOTDOT(O) expr(C). { A = tw_b_range(p, B, O, C); }
index(A) ::= expr(B) DOTDOT(O). { A = tw_b_range(p, B, O, NONE); }
index(A) ::= DOTDOT(O) expr(C). { A = tw_b_range(p, NONE, O, C); }
index(A) ::= DOTDOT(O). { A = tw_b_range(p, NONE, O, NONE); }

%type args_opt {TwArgs *}
%type args {TwArgs *}
%type arg {TwArg}
args_opt(A) ::= . { A = NEW(TwArgs); }
args_opt(A) ::= args(L) comma_opt. { A = L; }
args(A) ::= arg(B). { A = tw_b_args(p, NULL, B); }
args(A) ::= args(L) COMMA arg(B). { A = tw_b_args(p, L, B); }
arg(A) ::= expr(E). { A = tw_b_arg(p, (TwIdent){0}, E); }
arg(A) ::= ID(N) ASSIGN expr(E). { A = tw_b_arg(p, tw_b_ident(p, N), E); }

%type fors {TwForClauses *}
%type clause {TwForClause}
%type range {TwPart}
%type clauses {TwForClauses *}
fors(A) ::= FOR clauses(L). { A = L; }
clauses(A) ::= clause(C). { A = tw_b_clauses(p, NULL, C); }
clauses(A) ::= clauses(L) COMMA clause(C). { A = tw_b_clauses(p, L, C); }
clause(A) ::= ID(N) IN range(E). { A = tw_b_clause(p, N.start, tw_b_idents(p, NULL, N), false, E); }
clause(A) ::= LPAREN(O) names(L) comma_opt RPAREN IN range(E). { A = tw_b_clause(p, O.start, L, true, E); }
range(A) ::= expr(E). { A = E; }
range(A) ::= expr(B) DOTDOT(O) expr(C). { A = tw_b_range(p, B, O, C); }

%type condition_opt {TwPart}
condition_opt(A) ::= . { A = NONE; }
condition_opt(A) ::= IF expr(E). { A = E; }

%code {
void tw_grammar_settle(void *parser) { ((yyParser *)parser)->yyerrcnt = -1; }

/* After an error right behind the brace that closes a body: the body is closed, though no token has reduced it yet, and
 * recovery must not go on inside of it. Its declaration goes with it. */
void tw_grammar_leave_block(void *parser) {
  yyParser *y = parser;
  if (y->yytos->major != TW_T_RBLOCK) return;
  while (y->yytos > y->yystack && y->yytos->major != TW_T_LBLOCK) yy_pop_parser_stack(y);
  if (y->yytos > y->yystack) yy_pop_parser_stack(y);
}

/* Whether the parser would shift `kind` after the reductions that it calls for; `states` holds the
 * stack's states and has room to grow by one for each. */
static bool would_take(YYACTIONTYPE *states, int depth, int kind) {
  for (int steps = 0; steps < YYSTACKDEPTH; steps++) {
    YYACTIONTYPE act = yy_find_shift_action((YYCODETYPE)kind, states[depth]);
    if (act < YY_MIN_REDUCE) return act <= YY_MAX_SHIFTREDUCE || act == YY_ACCEPT_ACTION;
    int rule = act - YY_MIN_REDUCE;
    depth += yyRuleInfoNRhs[rule];
    if (depth < 0) return false;
    states[depth + 1] = yy_find_reduce_action(states[depth], yyRuleInfoLhs[rule]);
    depth++;
    if (states[depth] == YY_ACCEPT_ACTION) return kind == 0;
  }
  return false;
}

void tw_grammar_expected(void *parser, TwArena *scratch, bool set[TW_TOKEN_KINDS]) {
  _Static_assert(YYNTOKEN <= TW_TOKEN_KINDS, "a place for each token");
  const yyParser *y = parser;
  int n = (int)(y->yytos - y->yystack);
  YYACTIONTYPE *states = TW_NEW_N(scratch, YYACTIONTYPE, n + YYSTACKDEPTH + 2);
  for (int kind = 0; kind < TW_TOKEN_KINDS; kind++) set[kind] = false;
  for (int kind = 0; kind < YYNTOKEN; kind++) {
    for (int i = 0; i <= n; i++) states[i] = y->yystack[i].stateno;
    set[kind] = would_take(states, n, kind);
  }
}
}
