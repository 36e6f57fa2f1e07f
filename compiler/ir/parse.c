/* parse.c: from the text form back to functions (docs/ir.md).
 *
 * requires: any text.
 * provides: the last function of the text, sealed and verified; or NULL and a message with a line
 *           number. Instructions stay as written: nothing folds, what is dead is dropped. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"
#include "compiler/ir/passes.h"

typedef struct Parser {
  TwModule *m;
  const char *at;
  size_t size; /* of the text */
  uint32_t line;
  const char *error; /* the first one; nothing is read after it */
  TwArena scratch;
  TwVec(const TwFn *) fns;
  TwFn *fn;
  TwVec(TwRef) refs; /* of the function being read, by the number in the text */
} Parser;

static void fail(Parser *p, const char *text, const char *what) {
  if (p->error) return;
  const char *why = tw_arena_printf(&p->scratch, "%s%s", text, what);
  p->error = tw_arena_printf(p->m->arena, "line %u: %s", p->line, why);
  p->at = "";
}

/* ---- tokens */

static void blanks(Parser *p) {
  for (;; p->at++) {
    if (*p->at == '\n') p->line++;
    if (*p->at == '#') p->at += strcspn(p->at, "\n") - 1; /* a comment ends before its newline */
    else if (!isspace((unsigned char)*p->at)) return;
  }
}

static bool accept(Parser *p, const char *mark) {
  blanks(p);
  size_t n = strlen(mark);
  if (strncmp(p->at, mark, n) != 0) return false;
  p->at += n;
  return true;
}

static void expect(Parser *p, const char *mark) {
  if (!accept(p, mark)) fail(p, "expected ", mark);
}

/* A run of letters, digits, '_' and '.'; empty if there is none. */
static const char *word(Parser *p) {
  blanks(p);
  size_t n = 0;
  while (isalnum((unsigned char)p->at[n]) || (p->at[n] && strchr("_.", p->at[n]))) n++;
  const char *w = tw_arena_strndup(&p->scratch, p->at, n);
  p->at += n;
  return w;
}

static bool accept_word(Parser *p, const char *w) {
  blanks(p);
  size_t n = strlen(w);
  if (strncmp(p->at, w, n) != 0 || isalnum((unsigned char)p->at[n])) return false;
  p->at += n;
  return true;
}

static int64_t whole(Parser *p) {
  blanks(p);
  char *end;
  bool starts = isdigit((unsigned char)*p->at) || (*p->at == '-' && isdigit((unsigned char)p->at[1]));
  errno = 0;
  long long n = starts ? strtoll(p->at, &end, 10) : 0;
  if (!starts || errno) {
    fail(p, "expected a whole number", "");
    return 0;
  }
  p->at = end;
  return n;
}

static uint32_t small(Parser *p) {
  int64_t n = whole(p);
  if (n < 0 || n > UINT32_MAX) fail(p, "a number is out of range", "");
  return p->error ? 0 : (uint32_t)n;
}

static double real(Parser *p) {
  blanks(p);
  char *end;
  double x = strtod(p->at, &end);
  if (end == p->at) fail(p, "expected a number", "");
  else p->at = end;
  return x;
}

static TwTy type(Parser *p) {
  static const char *const kinds[] = {"real", "int", "bool", "tuple"};
  const char *w = word(p);
  int64_t dims[TW_MAX_RANK];
  uint32_t d = 0, rank = 0;
  while (d < 4 && strcmp(w, kinds[d]) != 0) d++;
  if (d == 4) {
    fail(p, "expected a type, not ", w);
    return 0;
  }
  if (accept(p, "[")) do {
      int64_t n = whole(p);
      if (rank == TW_MAX_RANK || n < 0) fail(p, "a type has at most 8 axes, of size at least 0", "");
      else dims[rank++] = n;
    } while (!p->error && accept(p, ","));
  if (rank) expect(p, "]");
  return p->error ? 0 : tw_ty(p->m, (TwDtype)d, rank, dims);
}

/* ---- values */

static uint32_t number(Parser *p) {
  expect(p, "%");
  uint32_t n = small(p);
  if (!p->error && n > p->size) fail(p, "the number of a value is larger than the text is long", "");
  return p->error ? 0 : n;
}

static void define(Parser *p, uint32_t n, TwRef r) {
  while (p->refs.len <= n) tw_vec_push(&p->scratch, &p->refs, 0);
  if (p->refs.at[n]) fail(p, "a value is defined twice", "");
  p->refs.at[n] = r;
}

static TwRef ref(Parser *p) {
  uint32_t n = number(p);
  if (p->error) return 0;
  if (n < p->refs.len && p->refs.at[n]) return p->refs.at[n];
  fail(p, "a value is used before it is defined", "");
  return 0;
}

typedef TwVec(TwRef) Refs;

static uint32_t refs_until(Parser *p, Refs *to, const char *end) {
  uint32_t before = to->len;
  if (accept(p, end)) return 0;
  do {
    TwRef r = ref(p);
    tw_vec_push(&p->scratch, to, r);
  } while (!p->error && accept(p, ","));
  expect(p, end);
  return to->len - before;
}

static const TwFn *body(Parser *p) {
  expect(p, "@");
  const char *name = word(p);
  for (uint32_t k = 0; k < p->fns.len; k++)
    if (!strcmp(p->fns.at[k]->name, name)) return p->fns.at[k];
  fail(p, "no function above has the name ", name);
  return NULL;
}

/* ---- instructions */

static TwOp operation(Parser *p) {
  const char *w = word(p);
  for (int op = TW_OP_none + 1; op < TW_OP_COUNT; op++)
    if (!strcmp(w, tw_op_name((TwOp)op))) return (TwOp)op;
  fail(p, "no operation has the name ", w);
  return TW_OP_none;
}

static void region(Parser *p, TwOp op, TwRegion *g, Refs *args) {
  if (op == TW_OP_cond) {
    TwRef pred = ref(p);
    tw_vec_push(&p->scratch, args, pred);
  }
  g->body = body(p);
  if (op == TW_OP_cond) g->other = body(p);
  expect(p, "(");
  g->n_consts = refs_until(p, args, op == TW_OP_cond ? ")" : ";");
  if (op == TW_OP_scan) g->n_carry = refs_until(p, args, ";");
  if (op != TW_OP_cond) {
    g->n_xs = refs_until(p, args, ")");
    if (!accept_word(p, "trip")) fail(p, "expected trip", "");
    g->trip = whole(p);
  }
  if (op == TW_OP_samples) {
    if (!accept_word(p, "sums")) fail(p, "expected sums", "");
    g->n_carry = small(p);
  }
  if (op == TW_OP_scan) g->reverse = accept_word(p, "reverse");
  if (p->error) return;
  if (g->body->results.len < g->n_carry) fail(p, "the body has too few results", "");
  else g->n_ys = g->body->results.len - g->n_carry;
}

/* The bits are decided when the type has been read: an int may be written where a real is meant. */
static int64_t literal(Parser *p) {
  if (accept_word(p, "true")) return 1;
  if (accept_word(p, "false")) return 0;
  const char *from = p->at;
  double x = real(p);
  size_t n = (size_t)(p->at - from);
  const char *text = p->error ? "" : tw_arena_strndup(&p->scratch, from, n);
  const char *rest = p->at;
  expect(p, ":");
  blanks(p);
  bool is_real = strncmp(p->at, "real", 4) == 0;
  if (p->error) return 0;
  p->at = rest;
  int64_t bits = 0;
  if (is_real && isnan(x)) x = (double)NAN;
  if (is_real) memcpy(&bits, &x, sizeof bits);
  if (is_real) return isnan(x) ? bits & INT64_MAX : bits;
  char *end;
  errno = 0;
  bits = strtoll(text, &end, 10);
  if (errno || *end) fail(p, "not a whole number: ", text);
  return bits;
}

static void instruction(Parser *p) {
  Refs args = {0};
  TwVec(int64_t) attrs = {0};
  TwRegion g = {0};
  uint32_t n = number(p);
  expect(p, "=");
  TwOp op = operation(p);
  if (p->error) return;
  if (op == TW_OP_param) fail(p, "parameters stand in the head of a function", "");
  if (tw_is_region_op(op)) {
    region(p, op, &g, &args);
  } else if (op == TW_OP_const) {
    tw_vec_push(&p->scratch, &attrs, literal(p));
  } else {
    blanks(p);
    if (*p->at == '%') do {
        TwRef r = ref(p);
        tw_vec_push(&p->scratch, &args, r);
      } while (!p->error && accept(p, ","));
    if (accept(p, "["))
      while (!p->error && !accept(p, "]")) tw_vec_push(&p->scratch, &attrs, whole(p));
  }
  expect(p, ":");
  TwTy t = type(p), checked;
  if (p->error) return;
  TwProto proto = {.op = op,
                   .type = t,
                   .args = args.at,
                   .n_args = args.len,
                   .attrs = attrs.at,
                   .n_attrs = attrs.len,
                   .region = tw_is_region_op(op) ? &g : NULL};
  const char *why = tw_shape(p->fn, &proto, &checked);
  if (why) fail(p, tw_op_name(op), tw_arena_printf(&p->scratch, ": %s", why));
  else define(p, n, tw_append(p->fn, &proto));
}

/* ---- functions */

static void head(Parser *p) {
  if (!accept(p, ")")) {
    do {
      uint32_t n = number(p);
      expect(p, ":");
      TwTy t = type(p);
      if (p->error) return;
      if (tw_ty_info(p->m, t)->dtype == TW_TUPLE) fail(p, "a parameter cannot be a tuple", "");
      else define(p, n, tw_param(p->fn, t));
    } while (!p->error && accept(p, ","));
    expect(p, ")");
  }
}

static void tail(Parser *p, const TwTy *types, uint32_t n) {
  uint32_t got = 0;
  blanks(p);
  while (*p->at == '%' && !p->error) {
    TwRef r = ref(p);
    if (p->error) return;
    if (tw_info(p->fn, r)->dtype == TW_TUPLE) fail(p, "a tuple cannot be a result", "");
    else if (got >= n || tw_type(p->fn, r) != types[got++]) fail(p, "results differ from the head of the function", "");
    else tw_result(p->fn, r);
    if (!accept(p, ",")) break;
    blanks(p);
  }
  if (got != n) fail(p, "results differ from the head of the function", "");
  expect(p, "}");
}

static const TwFn *function(Parser *p) {
  TwVec(TwTy) types = {0};
  if (!accept_word(p, "fn")) fail(p, "expected fn", "");
  const char *name = word(p);
  if (!*name) fail(p, "a function needs a name", "");
  for (uint32_t k = 0; k < p->fns.len; k++)
    if (!strcmp(p->fns.at[k]->name, name)) fail(p, "two functions have the name ", name);
  p->refs.len = 0;
  p->fn = tw_fn_new(p->m, name);
  p->fn->plain = true;
  expect(p, "(");
  head(p);
  expect(p, "->");
  expect(p, "(");
  if (!accept(p, ")")) {
    do {
      TwTy t = type(p);
      tw_vec_push(&p->scratch, &types, t);
    } while (!p->error && accept(p, ","));
    expect(p, ")");
  }
  expect(p, "{");
  while (!p->error && !accept_word(p, "return")) instruction(p);
  if (!p->error) tail(p, types.at, types.len);
  return p->error ? NULL : tw_fn_seal(p->fn);
}

const TwFn *tw_ir_parse(TwModule *m, const char *text, const char **error) {
  Parser p = {.m = m, .at = text, .size = strlen(text), .line = 1};
  const TwFn *f = NULL;
  do {
    f = function(&p);
    if (f) tw_vec_push(&p.scratch, &p.fns, f);
    blanks(&p);
  } while (!p.error && *p.at);
  if (!p.error) p.error = tw_verify(f);
  *error = p.error;
  f = p.error ? NULL : f;
  tw_arena_free(&p.scratch);
  return f;
}
