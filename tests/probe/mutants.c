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
    *present = occurs(loss.fn, op, NULL);
    if (*present || kind == TW_MUTATE_NONE) {
      TwGradStage s;
      tw_mutate_op = op;
      tw_mutate_kind = kind;
      tw_probe_gradcheck(&p, 0, 0, &s);
      tw_mutate_kind = TW_MUTATE_NONE;
      TwSpan at = u->diags.list.len ? u->diags.list.at[0]->span : (TwSpan){0};
      out->ok = s.ok;
      out->named = !s.ok && occurs(loss.fn, op, &at);
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

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  Outcome o;
  bool present;
  int wrong = 0, noticed = 0, named = 0;
  if (!check(argv[1], TW_OP_none, TW_MUTATE_NONE, &o, &present, false) || !o.ok) {
    printf("the program does not pass as it is\n");
    return 1;
  }
  static const TwAdMutation kinds[] = {TW_MUTATE_JVP_SIGN, TW_MUTATE_JVP_FACTOR};
  for (TwOp op = TW_OP_none + 1; op < TW_OP_COUNT; op++)
    for (int k = 0; k < 2; k++) {
      if (jvp_of[op][0] == 'n') continue;
      check(argv[1], op, kinds[k], &o, &present, op == TW_OP_exp && k == 0);
      if (!present) continue;
      noticed += !o.ok;
      named += o.named;
      if (o.ok || !o.named) {
        wrong++;
        printf("%s: %s, forward rule %s\n", tw_op_name(op), o.ok ? "NOT NOTICED" : "ANOTHER IS NAMED", k ? "halved" : "negated");
      }
    }
  /* Broken transposes, of operations that training's gradient of this program uses (it has no dot and no sum left).
   * The linear part of any rule may use them, so it is enough to notice. */
  static const TwOp linear[] = {TW_OP_add, TW_OP_mul, TW_OP_neg, TW_OP_scan, TW_OP_samples, TW_OP_broadcast};
  for (uint32_t k = 0; k < sizeof linear / sizeof *linear; k++) {
    check(argv[1], linear[k], TW_MUTATE_VJP_SIGN, &o, &present, false);
    if (!present) continue;
    noticed += !o.ok;
    if (o.ok) wrong++, printf("%s: NOT NOTICED, transpose negated\n", tw_op_name(linear[k]));
  }
  printf("mutants: %d noticed, %d named at their place, %d wrong\n", noticed, named, wrong);
  return wrong != 0 || noticed < 50;
}
