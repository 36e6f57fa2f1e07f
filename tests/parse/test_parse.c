/* test_parse.c: what parses, and as what. */
#include <stdlib.h>
#include <string.h>

#include "tests/parse/util.h"

/* Two texts that are the same program (or not). */
static void same(const char *a, const char *b, bool want) {
  Parsed x = parse_string(a), y = parse_string(b);
  if (!x.ok || !y.ok) {
    char *why = rendered(x.ok ? &y : &x, (TwDiagStyle){0});
    fail(a, "does not parse:\n%s", why);
    free(why);
  } else if (tw_ast_equal(x.m, y.m) != want) {
    fail(a, "%s the same as\n%s", want ? "not" : "wrongly", b);
  }
  parsed_free(&x);
  parsed_free(&y);
}

static void expressions(void) {
  static const char *const pairs[][2] = {
      {"-a ^ b", "-(a ^ b)"},
      {"a ^ b ^ c", "a ^ (b ^ c)"},
      {"2 ^ -1 * 3", "(2 ^ (-1)) * 3"},
      {"a ^ -b ^ c", "a ^ (-(b ^ c))"},
      {"a - b - c", "(a - b) - c"},
      {"a / b * c", "(a / b) * c"},
      {"a + b * c @ d", "a + ((b * c) @ d)"},
      {"a + b < c and d or not e == f", "(((a + b) < c) and d) or (not (e == f))"},
      {"-a * b", "(-a) * b"},
      {"-a.b[0](c)", "-(((a.b)[0])(c))"},
      {"not not a", "not (not a)"},
      {"if a then b else c + d", "if a then b else (c + d)"},
      {"if a then b else if c then d else e", "if a then b else (if c then d else e)"},
      {"fn(x) = x + 1", "fn(x) = (x + 1)"},
      {"fn(x, y: real) = fn(z) = x", "fn(x, y: real) = (fn(z) = x)"},
      {"a * if b then c else d", "a * (if b then c else d)"},
      {"[a, b,]", "[a, b]"},
      {"f(a, b = c,)", "f(a, b = c)"},
      {"(a)", "a"},
      {"((a, b))", "(a, b)"},
      {"a[1, 0 .. 4, .. n, 2 .., ..]", "a[(1), (0) .. (4), .. n, 2 .., ..]"},
      {"f[n](x)", "(f[n])(x)"},
      {"mean((f(x) - y) ^ 2 for (x, y) in d)", "mean(((f(x) - y) ^ 2) for (x, y) in d)"},
      {"[ i + j for i in 0 .. n, j in i .. n if i < j ]", "[(i + j) for i in 0..n, j in i .. n if (i < j)]"},
      {"0..n[0]", "0"},
      {"true", "true"},
      {"data + param + best + by", "((data + param) + best) + by"},
      {"a +\nb", "a + b"},
      {"a\n+ b", "a + b"},
      {"a\n- b", "a - b"},
      {"if a\nthen b\nelse c", "if a then b else c"},
      {"(\na\n,\nb\n)", "(a, b)"},
      {"{ a = 1,\n b = 2\n}", "{ a = 1, b = 2 }"},
      {"1e-3", "0.001"},
      {"\"a\\n\\\"\\\\\"", "\"a\\n\\\"\\\\\""}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    char a[256], b[256];
    if (strcmp(pairs[i][0], "0..n[0]") == 0) continue; /* a range is no expression; see the statements */
    snprintf(a, sizeof a, "const k = %s\n", pairs[i][0]);
    snprintf(b, sizeof b, "const k = %s\n", pairs[i][1]);
    same(a, b, true);
  }
  same("const k = a - (b - c)", "const k = a - b - c", false);
  same("const k = (-a) ^ b", "const k = -a ^ b", false);
  same("const k = 1", "const k = 1.0", false);
  same("const k = [a for i in n]", "const k = [[a for i in n]]", false);
  same("const k = f(a for i in n)", "const k = f([a for i in n])", false);
  same("const k = (if a then b else c) + d", "const k = if a then b else c + d", false);
}

static void statements(void) {
  same("fn f(x: real) -> real { let y = x; y }", "fn f(x: real) -> real {\n\n  let y = x;;\n  y;\n}\n\n", true);
  same("fn f(x: real) -> real { let y = x\n-y }", "fn f(x: real) -> real { let y = x; -y }", true);
  same("fn f(x: real) -> real { let y = x\n- y\ny }", "fn f(x: real) -> real { let y = x - y; y }", true);
  same("fn f(x: real) -> real { let s[0] = a,\n s[i + 1] = s[i]\n * 2 for i in 0 .. n\n s }",
       "fn f(x: real) -> real { let s[0] = a, s[i + 1] = s[i] * 2 for i in 0..n; s }", true);
  same("fn f(x: real) -> real { for i in 0 .. 3 { h = h + i }\n { a = h } }",
       "fn f(x: real) -> real { for i in 0..3 {\nh = h + i\n};\n({ a = h }) }", true);
  same("fn f() -> fn { fn(x) = x }", "fn f() -> fn { (fn(x) = x) }", true);
  same("fn f() -> fn { fn(x) = x }", "fn f() -> fn = fn(x) = x", false);
  same("param a : real in (0, inf) by clip(1e-6) ~ uniform(0, 1)",
       "param a : real\n  in (0, inf)\n  by clip(1e-6)\n  ~ uniform(0, 1)", true);
  same("param a : real in [0, 1) = 0.5", "param a : real in (0, 1) = 0.5", false);
  same("ensure a during b, c every 10 stop", "ensure a\n  during b, c\n  every 10\n  stop", true);
  same("custom fn f(x: real) -> real = x derivative x = 1", "custom fn f(x: real) -> real =\n x\n\n derivative x = 1",
       true);
  same("stage s { train a, b; adam(rate = 1e-3); epochs 10; clip_norm 1.0 }",
       "stage s {\n  train a,\n b\n  adam(rate = 1e-3)\n  epochs 10\n  clip_norm 1.0\n}", true);
  same("stage s { clip_norm -1 }", "stage s { clip_norm (-1) }", false); /* a call of clip_norm */
  same("stage s { keep }", "stage s { keep best }", false);
  same("// only a comment", "", true);
  same("\xEF\xBB\xBF"
       "const a = 1\r\nconst b = 2\r\n",
       "const a = 1; const b = 2", true);
}

static const TwDecl *decl(const Parsed *p, uint32_t i) { return p->m->decls.at[i]; }

static void contents(void) {
  Parsed p = parse_string("// first\n\n// doc of k\n//   more\nconst k : int = 3 // trailing\n"
                          "data d = grid(x in [-1, 1), 50, t, n = 3) -> x\n"
                          "data e = csv(\"p q.csv\", u = \"col\")\n"
                          "stage s { batch 32 of d; log every 5; optim.adam(); keep best; loss = a }\n"
                          "let_it = 3\n");
  CHECK(!p.ok && p.u->diags.errors == 1 && p.m->decls.len == 5 && p.m->comments.len == 4);
  CHECK(strcmp(p.m->name, "t") == 0);
  CHECK(decl(&p, 0)->doc && strcmp(decl(&p, 0)->doc, "doc of k\n  more") == 0);
  CHECK(decl(&p, 1)->doc == NULL && decl(&p, 4)->kind == TW_DE_ERROR);
  CHECK(p.m->comments.at[0].own_line && !p.m->comments.at[3].own_line);
  const TwDecl *d = decl(&p, 1);
  CHECK(strcmp(d->source.name, "grid") == 0 && d->data_args.len == 4 && d->value);
  CHECK(d->data_args.at[0].kind == TW_DA_AXIS && d->data_args.at[0].domain.hi_open &&
        !d->data_args.at[0].domain.lo_open);
  CHECK(d->data_args.at[1].kind == TW_DA_VALUE && d->data_args.at[1].name.name == NULL);
  CHECK(d->data_args.at[2].kind == TW_DA_VALUE && strcmp(d->data_args.at[2].name.name, "t") == 0);
  CHECK(d->data_args.at[3].kind == TW_DA_NAMED && d->data_args.at[3].value->integer == 3);
  CHECK(strcmp(decl(&p, 2)->data_args.at[0].value->string, "p q.csv") == 0 && decl(&p, 2)->value == NULL);
  const TwDecl *s = decl(&p, 3);
  CHECK(s->items.len == 5 && s->items.at[0].kind == TW_SI_BATCH && s->items.at[0].names.len == 1);
  CHECK(s->items.at[1].kind == TW_SI_OPTION && s->items.at[1].names.len == 2 && s->items.at[1].value->integer == 5);
  CHECK(s->items.at[2].kind == TW_SI_OPTIMIZER && s->items.at[3].kind == TW_SI_KEEP_BEST);
  CHECK(s->items.at[4].kind == TW_SI_LOSS);
  parsed_free(&p);

  p = parse_string("param a : real[n + 1] in (0, inf) by clip(0.02) ~ uniform(0, 1)\nparam b : real in simplex = 1\n"
                   "ensure e during s, t every 3 stop\nweights w : nn.Dense[4, 4][d - 1] ~ init.kaiming\n");
  CHECK(p.ok);
  d = decl(&p, 0);
  CHECK(d->domain.present && d->domain.lo_open && d->domain.hi_open && d->transform && d->is_law && d->value);
  CHECK(strcmp(d->domain.hi->name, "inf") == 0 && d->transform->kind == TW_EX_CALL);
  CHECK(decl(&p, 1)->domain.named && !decl(&p, 1)->is_law);
  CHECK(decl(&p, 2)->during.len == 2 && decl(&p, 2)->every && decl(&p, 2)->stop);
  const TwTypeExpr *t = decl(&p, 3)->type;
  CHECK(t->brackets.len == 2 && t->brackets.at[0].len == 2 && strcmp(t->module.name, "nn") == 0);
  parsed_free(&p);
}

/* Spans: inside the file, children inside their parents, and the text that they should cover. */
static void check_spans(const Parsed *p, const TwExpr *e, TwSpan around) {
  if (!e) return;
  CHECK(e->span.file == p->file && e->span.start >= around.start && e->span.end <= around.end &&
        e->span.start <= e->span.end);
  CHECK(e->depth > 0);
  check_spans(p, e->a, e->span);
  check_spans(p, e->b, e->span);
  check_spans(p, e->c, e->span);
  check_spans(p, e->body, e->span);
  for (uint32_t i = 0; i < e->items.len; i++) check_spans(p, e->items.at[i], e->span);
  for (uint32_t i = 0; i < e->args.len; i++) check_spans(p, e->args.at[i].value, e->span);
  for (uint32_t i = 0; i < e->fors.len; i++) check_spans(p, e->fors.at[i].in, e->span);
  if (e->block) check_spans(p, e->block->result, e->block->span);
}

static void spans(const char *root) {
  size_t n;
  File *files = all_programs(root, &n);
  for (size_t i = 0; i < n; i++) {
    Parsed p = parse_text(files[i].text, files[i].len);
    CHECK(p.ok);
    for (uint32_t k = 0; k < p.m->decls.len; k++) check_spans(&p, decl(&p, k)->value, decl(&p, k)->span);
    parsed_free(&p);
  }
  programs_free(files, n);
  Parsed p = parse_string("const k = (a + b) * f(c, [d])\n");
  const TwExpr *e = decl(&p, 0)->value;
  CHECK(strcmp(tw_span_text(&p.u->sources, e->span, 99), "(a + b) * f(c, [d])") == 0);
  CHECK(strcmp(tw_span_text(&p.u->sources, e->a->span, 99), "a + b") == 0);
  CHECK(strcmp(tw_span_text(&p.u->sources, e->b->span, 99), "f(c, [d])") == 0);
  CHECK(strcmp(tw_span_text(&p.u->sources, e->op_span, 99), "*") == 0);
  CHECK(strcmp(tw_span_text(&p.u->sources, decl(&p, 0)->span, 99), "const k = (a + b) * f(c, [d])") == 0);
  parsed_free(&p);
}

static void one_expression(void) {
  TwUnit *u = tw_unit_new(NULL);
  TwExpr *e;
  CHECK(tw_parse_expr(u, tw_source_add(&u->sources, "-D", "-8", 2), &e) && e->kind == TW_EX_UNARY &&
        e->a->integer == 8);
  CHECK(tw_parse_expr(u, tw_source_add(&u->sources, "-D", "1e-3", 4), &e) && e->kind == TW_EX_REAL);
  CHECK(!tw_parse_expr(u, tw_source_add(&u->sources, "-D", "", 0), &e) && e->kind == TW_EX_ERROR);
  CHECK(!tw_parse_expr(u, tw_source_add(&u->sources, "-D", "1 2", 3), &e) && e->kind == TW_EX_ERROR);
  CHECK(!tw_parse_expr(u, tw_source_add(&u->sources, "-D", "1; 2", 4), &e));
  tw_unit_free(u);
}

static void dumps(void) {
  TwUnit *u = tw_unit_new(NULL);
  const char *source = "const k = 0..2 // c\nstage s { train a }";
  uint32_t f = tw_source_add(&u->sources, "t.tw", source, strlen(source));
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  CHECK(tw_tokens_dump(u, f, out));
  fclose(out);
  const char *want = "0 CONST const\n6 ID k\n8 ASSIGN =\n10 INT 0\n11 DOTDOT ..\n13 INT 2\n14 SEP\n20 STAGE stage\n"
                     "26 ID s\n28 LBLOCK {\n30 TRAIN train\n36 ID a\n38 RBLOCK }\n39 END\n";
  if (strcmp(text, want) != 0) fail("tokens", "got\n%s---- wanted\n%s", text, want);
  free(text);
  TwModuleAst *m;
  out = open_memstream(&text, &len);
  source = "const k = f(a, b = 1.5)";
  CHECK(tw_parse(u, tw_source_add(&u->sources, "x/y.tw", source, strlen(source)), &m));
  tw_ast_dump(u, m, out);
  fclose(out);
  want = "module y\n  const k @1:1-1:24\n    value: call @1:11-1:24\n      a: name f @1:11-1:12\n"
         "      argument: name a @1:13-1:14\n      argument b @1:16-1:17\n        value: real 1.5 @1:20-1:23\n";
  if (strcmp(text, want) != 0) fail("ast", "got\n%s---- wanted\n%s", text, want);
  free(text);
  tw_unit_free(u);
}

int main(int argc, char **argv) {
  expressions();
  statements();
  contents();
  spans(argc > 1 ? argv[1] : ".");
  one_expression();
  dumps();
  return failures != 0;
}
