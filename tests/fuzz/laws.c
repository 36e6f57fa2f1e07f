/* laws.c: one text through every phase that needs no code generator. */
#include "tests/fuzz/laws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/format.h"
#include "compiler/ast/parse.h"
#include "compiler/ir/passes.h"
#include "compiler/lower/lower.h"
#include "compiler/opt/opt.h"
#include "compiler/sema/sema.h"

/* One text in so many goes so far, where the fuzzer chooses by the text. A parse takes a hundredth of the time of a
 * check, which takes a tenth of that of a gradient: so each of the three gets about a third of the time. */
enum { SHARE_TYPES = 32, SHARE_ALL = 1024 };

/* More than this is not interpreted: the laws are about what happens, not how long it takes. */
enum { MOST_ELEMENTS = 1 << 16, MOST_WORK = 1 << 20 };

/* Programs of the size that the language allows take a fuzzer's minute. */
enum { MOST_NODES = 20000 };

typedef struct Text {
  const char *at;
  size_t len;
} Text;

static _Noreturn void breach(Text t, const char *what, const char *detail) {
  fprintf(stderr, "%s%s%s\n---- text\n%.*s\n----\n", what, detail ? ": " : "", detail ? detail : "", (int)t.len, t.at);
  abort();
}

static void diagnostics(Text t, const TwUnit *u, bool accepted) {
  if (accepted != (u->diags.errors == 0)) breach(t, "the answer and the number of errors disagree", NULL);
  for (uint32_t k = 0; k < u->diags.list.len; k++) {
    const TwDiag *d = u->diags.list.at[k];
    const TwSource *f = tw_source(&u->sources, d->span.file);
    if (!f || d->span.start > d->span.end || d->span.end > f->len) breach(t, "a diagnostic without a place", d->text);
  }
  char *out = NULL;
  size_t n = 0;
  FILE *f = open_memstream(&out, &n);
  tw_diags_render(&u->diags, f, (TwDiagStyle){.colour = true});
  tw_diags_json(&u->diags, f);
  fclose(f);
  free(out);
}

static void formatting(Text t, TwUnit *u, const TwModuleAst *m) {
  const char *once = tw_format(u, m);
  TwUnit *v = tw_unit_new(NULL);
  TwModuleAst *again = NULL;
  if (!tw_parse(v, tw_source_add(&v->sources, "formatted.tw", once, strlen(once)), &again))
    breach(t, "the formatted text does not parse", once);
  if (!tw_ast_equal(m, again)) breach(t, "formatting changed the tree", once);
  if (strcmp(once, tw_format(v, again)) != 0) breach(t, "formatting twice is not formatting once", once);
  tw_unit_free(v);
}

static uint64_t next(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state;
}

static void *buffer(const TwTyInfo *ty, TwPrecision p) {
  size_t size = ty->dtype == TW_INT ? 8 : ty->dtype == TW_BOOL ? 1 : p == TW_F32 ? 4 : 8;
  void *at = calloc((size_t)ty->count + 1, size);
  if (!at) abort();
  return at;
}

static void *argument(const TwTyInfo *ty, TwPrecision p, uint64_t *state) {
  void *at = buffer(ty, p);
  for (int64_t e = 0; e < ty->count; e++) {
    double x = (double)(next(state) >> 11) * 0x1p-53;
    if (ty->dtype == TW_INT) ((int64_t *)at)[e] = (int64_t)(next(state) & 3);
    else if (ty->dtype == TW_BOOL) ((uint8_t *)at)[e] = next(state) & 1;
    else if (p == TW_F32) ((float *)at)[e] = (float)x;
    else ((double *)at)[e] = x;
  }
  return at;
}

/* Iterations of the loops of f, one in another multiplied. */
static double iterations(const TwFn *f) {
  double work = 1;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = (TwOp)f->insts.at[r].op;
    if (op != TW_OP_scan && op != TW_OP_samples && op != TW_OP_cond) continue;
    const TwRegion *g = tw_region(f, r);
    work += (g->trip > 1 ? (double)g->trip : 1) * iterations(g->body) * tw_fn_size(g->body);
    if (g->other) work += iterations(g->other);
  }
  return work;
}

static void interpret(Text t, const TwFn *f, TwPrecision p, uint64_t seed) {
  int64_t elements = 0;
  for (uint32_t k = 0; k < f->params.len; k++) elements += tw_info(f, f->params.at[k])->count;
  for (uint32_t k = 0; k < f->results.len; k++) elements += tw_info(f, f->results.at[k])->count;
  if (elements > MOST_ELEMENTS || iterations(f) > MOST_WORK) return;
  void **in = calloc(f->params.len + 1, sizeof *in), **out = calloc(f->results.len + 1, sizeof *out);
  if (!in || !out) abort();
  uint64_t state = seed | 1;
  for (uint32_t k = 0; k < f->params.len; k++) in[k] = argument(tw_info(f, f->params.at[k]), p, &state);
  for (uint32_t k = 0; k < f->results.len; k++) out[k] = buffer(tw_info(f, f->results.at[k]), p);
  if (!tw_interpret(f, p, (const void *const *)in, out)) breach(t, "not interpreted", f->name);
  for (uint32_t k = 0; k < f->params.len; k++) free(in[k]);
  for (uint32_t k = 0; k < f->results.len; k++) free(out[k]);
  free(in);
  free(out);
}

static void functions(Text t, const TwLowered *l, bool final, bool run, uint64_t seed) {
  for (uint32_t k = 0; k < l->fns.len; k++) {
    const TwLoweredFn *f = &l->fns.at[k];
    const TwFn *fn = final ? f->final : f->grad;
    const char *why = tw_verify(fn);
    if (why) breach(t, final ? "the optimized IR is wrong" : "the IR is wrong", why);
    if (run && final) interpret(t, fn, f->precision, seed + k);
  }
}

static bool variant(Text t, TwUnit *u, TwModuleAst *m, TwName name, LawDepth depth, bool run, uint64_t seed) {
  TwProgram *p = NULL;
  TwLowered *l = NULL;
  bool good = tw_sema(u, m, name, &p);
  if (good != (p != NULL)) breach(t, "result and program disagree", name);
  if (depth < LAW_ALL) return good;
  if (!good || !tw_lower(u, p, TW_LOWER_TRAIN | TW_LOWER_MODELS, NULL, &l)) return false;
  functions(t, l, false, false, seed);
  if (!tw_lowered_optimize(u, l)) return false;
  functions(t, l, true, run, seed);
  return true;
}

LawDepth law_share(const char *text, size_t len) {
  uint64_t h = 0xCBF29CE484222325u;
  for (size_t k = 0; k < len; k++) h = (h ^ (uint8_t)text[k]) * 0x100000001B3u;
  h ^= h >> 29;
  return h % SHARE_ALL == 0 ? LAW_ALL : h % SHARE_TYPES == 0 ? LAW_TYPES : LAW_TEXT;
}

bool law_text(const char *text, size_t len, LawDepth depth, bool run, uint64_t seed) {
  Text t = {text, len};
  TwUnit *u = tw_unit_new(&(TwOptions){.precision = seed & 1 ? TW_F64 : TW_F32, .max_nodes = MOST_NODES});
  TwModuleAst *m = NULL;
  bool ok = tw_parse(u, tw_source_add(&u->sources, "fuzz.tw", text, len), &m);
  if (ok != (u->diags.errors == 0)) breach(t, "the parser's answer and its errors disagree", NULL);
  if (ok) formatting(t, u, m);
  TwVariantNames names = {0};
  if (depth > LAW_TEXT) tw_variants(u, m, &names);
  if (depth == LAW_TYPES) names.at[0] = names.at[seed % names.len], names.len = 1;
  for (uint32_t k = 0; k < names.len; k++) ok &= variant(t, u, m, names.at[k], depth, run, seed);
  diagnostics(t, u, ok);
  tw_unit_free(u);
  return ok;
}
