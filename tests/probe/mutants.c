/* mutants.c: with one rule of differentiation broken on purpose the check must fail, and name an expression
 * whose operation is the broken one.
 *
 * Linked with the AD sources compiled with TW_MUTATE, ahead of the library that holds them too. */
#include <stdio.h>
#include <string.h>

#include "compiler/ad/internal.h"
#include "compiler/pipeline.h"
#include "compiler/probe/internal.h"

typedef struct Outcome {
  bool ok, named; /* named: an instruction of the broken operation is at the diagnostic's place */
  const char *said;
} Outcome;

static bool occurs(const TwFn *f, TwOp op, const TwSpan *at) {
  for (TwRef r = 1; r < f->insts.len; r++) {
    const TwInst *i = tw_inst(f, r);
    if (i->op == op && (!at || memcmp(&i->span, at, sizeof *at) == 0)) return true;
    if (i->op != TW_OP_scan && i->op != TW_OP_samples && i->op != TW_OP_cond) continue;
    const TwRegion *g = tw_region(f, r);
    if (occurs(g->body, op, at) || (g->other && occurs(g->other, op, at))) return true;
  }
  return false;
}

/* Compiles the program and checks its first stage; prints the diagnostic if `show`. */
static bool check(const char *path, TwOp op, TwAdMutation kind, Outcome *out, bool *present, bool show) {
  const TwOptions options = {.precision = TW_F64};
  TwUnit *u = tw_unit_new(&options);
  const char *why = NULL;
  TwBuild b = {.unit = u, .file = tw_source_read(&u->sources, path, &why)};
  bool built = b.file && tw_build(&b, TW_PHASE_LOWER);
  TwProbe p;
  if (built && tw_probe_open(&p, u, b.program, b.lowered, 0)) {
    TwLossFn loss = tw_loss_fn(&p, 0, false);
    *present = occurs(loss.prepared, op, NULL);
    if (*present || kind == TW_MUTATE_NONE) {
      TwGradStage s;
      tw_mutate_op = op;
      tw_mutate_kind = kind;
      tw_probe_gradcheck(&p, 0, 0, &s);
      tw_mutate_kind = TW_MUTATE_NONE;
      TwSpan at = u->diags.list.len ? u->diags.list.at[0]->span : (TwSpan){0};
      out->ok = s.ok;
      out->named = !s.ok && occurs(loss.prepared, op, &at);
      if (show || (!s.ok && !out->named)) tw_diags_render(&u->diags, stdout, (TwDiagStyle){0});
    }
  } else {
    tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
  }
  tw_unit_free(u);
  return built;
}

static const char *const jvp_of[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = #jvp,
#include "compiler/ir/ops.def"
#undef TW_OP
};

typedef struct Tally {
  int noticed, named, wrong;
  bool seen[TW_OP_COUNT];
} Tally;

static void try_forward(const char *path, TwOp op, TwAdMutation kind, Tally *t) {
  Outcome o;
  bool present = false;
  check(path, op, kind, &o, &present, false);
  if (!present) return;
  t->seen[op] = true;
  t->noticed += !o.ok;
  t->named += o.named;
  if (!o.ok && o.named) return;
  t->wrong++;
  printf("%s: %s, %s: %s\n", path, tw_op_name(op),
         kind == TW_MUTATE_JVP_SIGN ? "forward rule negated" : "forward rule halved",
         o.ok ? "NOT NOTICED" : "ANOTHER IS NAMED");
}

/* The linear part of any rule may use a broken transpose, so it is enough to notice it. */
static void try_transpose(const char *path, TwOp op, Tally *t) {
  Outcome o;
  bool present = false;
  check(path, op, TW_MUTATE_VJP_SIGN, &o, &present, false);
  if (!present) return;
  t->noticed += !o.ok;
  if (o.ok) t->wrong++, printf("%s: %s, transpose negated: NOT NOTICED\n", path, tw_op_name(op));
}

int main(int argc, char **argv) {
  static const TwOp linear[] = {TW_OP_add, TW_OP_mul, TW_OP_neg, TW_OP_dot, TW_OP_scan, TW_OP_samples, TW_OP_broadcast};
  Tally t = {0};
  for (int k = 1; k < argc; k++) {
    Outcome o = {0};
    bool present;
    if (!check(argv[k], TW_OP_none, TW_MUTATE_NONE, &o, &present, false) || !o.ok) {
      printf("%s does not pass as it is\n", argv[k]);
      return 1;
    }
    for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++) {
      if (jvp_of[op][0] == 'n') continue;
      try_forward(argv[k], op, TW_MUTATE_JVP_SIGN, &t);
      try_forward(argv[k], op, TW_MUTATE_JVP_FACTOR, &t);
    }
    for (uint32_t j = 0; j < sizeof linear / sizeof *linear; j++) try_transpose(argv[k], linear[j], &t);
  }
  int ops = 0;
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++) ops += t.seen[op];
  printf("mutants of %d operations: %d noticed, %d of the forward ones named at their place, %d wrong\n", ops,
         t.noticed, t.named, t.wrong);
  printf("in none of the programs:");
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++)
    if (jvp_of[op][0] != 'n' && !t.seen[op]) printf(" %s", tw_op_name(op));
  printf("\n");
  return t.wrong != 0 || ops < 35;
}
