/* text.c: how each function will run, in words and figures: the plan that compiler/llvm follows. */
#include <inttypes.h>

#include "compiler/plan/internal.h"

typedef struct Plan {
  TwArena arena;
  FILE *out;
  const TwMachine *m;
  bool f64;
} Plan;

static void indent(const Plan *p, uint32_t depth) { fprintf(p->out, "%*s", (int)(2 * depth), ""); }

static const char *plural(uint64_t n) { return n == 1 ? "" : "s"; }

static void plan_body(Plan *p, const TwPlFacts *x, uint32_t depth);

static void shape(const Plan *p, const TwTyInfo *t) {
  fputc('[', p->out);
  for (uint32_t k = 0; k < t->rank; k++) fprintf(p->out, "%s%" PRId64, k ? ", " : "", t->dims[k]);
  fputc(']', p->out);
}

static double registers_a_value(const Plan *p) { return TW_LANES / (double)tw_machine_lanes(p->m, p->f64); }

static const char *plan_sum(TwPlHow how) {
  switch (how) {
    case TW_PL_IN_MEMORY: return ", tiles of it in registers for all blocks of a pass";
    case TW_PL_AT_ONCE: return ", tiles of it in registers for all blocks";
    case TW_PL_OUTER: return ", an outer product: its vectors are packed, its tiles have columns in their lanes";
    case TW_PL_STRIPS: return ", an outer product: its vectors are packed, it is made strip by strip where it is read";
  }
  return "";
}

/* A piece by itself in tiles.c. */
static void plan_piece(Plan *p, const TwPlCut *cut, const TwPlSum *sums, uint32_t k, uint32_t depth) {
  const TwPlSegment *s = &cut->segments.at[k];
  const TwPlItem *it = &cut->items.at[s->first];
  const TwFn *f = cut->x->fn;
  TwRef r = it->inst ? it->inst : f->results.at[cut->accs.at[it->acc].k], dot = cut->dot[r];
  if (it->inst && tw_op(f, r) == TW_OP_dot) dot = r;
  indent(p, depth);
  fprintf(p->out, "segment %u: %s ", k + 1, it->inst ? tw_op_name(tw_op(f, r)) : "sum over the samples of");
  shape(p, tw_info(f, r));
  if (!it->inst) fputs(plan_sum(sums ? sums[cut->accs.at[it->acc].k].how : TW_PL_IN_MEMORY), p->out);
  else if (dot) fprintf(p->out, "%s, in tiles of rows by blocks, in registers", dot != r ? " of a dot" : "");
  else if (tw_pl_is_elementwise(tw_op(f, r))) fprintf(p->out, ", element by element");
  else fprintf(p->out, ", block by block");
  if (it->inst && dot && !s->columns && tw_pl_is_packed(cut->x, dot, p->m, p->f64))
    fprintf(p->out, ": %u by %u vectors, the matrix packed piece by piece", p->m->packed_rows, p->m->packed_blocks);
  fprintf(p->out, ", about %.0f cycles a block\n", tw_pl_segment_cycles(cut, k, p->f64) * registers_a_value(p));
}

static void plan_level(Plan *p, const TwPlCut *cut, const TwPlSum *sums, uint32_t depth) {
  for (uint32_t k = 0; k < cut->segments.len; k++) {
    const TwPlSegment *s = &cut->segments.at[k];
    uint32_t insts = s->end - s->first - s->accs;
    if (s->scan) {
      const TwPlCut *in = cut->inner[s->scan];
      uint32_t carried = in->g->n_carry, kept = 0;
      for (uint32_t j = 0; j < carried; j++) kept += in->carry[j].history;
      indent(p, depth);
      fprintf(p->out,
              "loop of %" PRId64 " iterations%s, layer by layer (iterations outside, blocks inside): %u sum%s an "
              "iteration, %u carried value%s, %u of them kept for each iteration\n",
              in->g->trip, in->g->reverse ? " backward" : "", in->accs.len, plural(in->accs.len), carried,
              plural(carried), kept);
      plan_level(p, in, NULL, depth + 1);
      continue;
    }
    if (s->first == s->end) continue;
    if (s->tensor) {
      plan_piece(p, cut, sums, k, depth);
      continue;
    }
    indent(p, depth);
    fprintf(p->out,
            "segment %u: %u operation%s, %u accumulator%s in registers, %u value%s loaded, %u stored, %u "
            "scalar%s used;",
            k + 1, insts, plural(insts), s->accs, plural(s->accs), s->loads, plural(s->loads), s->stores, s->uniform,
            plural(s->uniform));
    if (s->turns > 1) fprintf(p->out, " %u blocks in turn;", s->turns);
    fprintf(p->out, " needs %u of %u registers, about %.0f cycles a block\n", s->accs + s->peak * s->turns + 3,
            cut->registers, tw_pl_segment_cycles(cut, k, p->f64) * registers_a_value(p));
  }
}

/* Lane values that a segment loads and stores in a block. */
static uint64_t values_of(const TwPlCut *cut, uint32_t k) {
  const TwPlSegment *s = &cut->segments.at[k];
  if (!s->scan) return s->loads + s->stores;
  const TwPlCut *in = cut->inner[s->scan];
  uint64_t n = in->g->n_carry;
  for (uint32_t j = 0; j < in->segments.len; j++) n += values_of(in, j);
  return n * (uint64_t)in->g->trip;
}

static void plan_samples(Plan *p, const TwPlFacts *x, TwRef r, uint32_t depth) {
  const TwRegion *g = tw_region(x->fn, r);
  const TwPlRegionFacts *rf = &x->regions[r];
  int64_t chunks = (g->trip + TW_CHUNK - 1) / TW_CHUNK, blocks = (g->trip + TW_LANES - 1) / TW_LANES;
  indent(p, depth);
  fprintf(p->out, "samples, %" PRId64 " of them, %u sum%s and %u stacked result%s", g->trip, g->n_carry,
          plural(g->n_carry), g->n_ys, plural(g->n_ys));
  if (rf->serial) {
    fprintf(p->out, ": a plain loop, since it depends on an outer sample; partial sums in memory\n");
    plan_body(p, rf->body, depth + 1);
    return;
  }
  TwPlCut *cut = tw_pl_cut(&p->arena, rf->body, g, p->m, p->f64);
  uint64_t sums = 0, values = 0;
  for (uint32_t k = 0; k < g->n_carry; k++) sums += (uint64_t)tw_info(g->body, g->body->results.at[k])->count;
  for (uint32_t k = 0; cut->straight && k < cut->segments.len; k++) values += values_of(cut, k);
  uint64_t lane = p->f64 ? 128 : 64;
  fprintf(p->out, ":\n");
  indent(p, depth + 1);
  fprintf(p->out, "lanes of 16 samples, %" PRId64 " block%s in %" PRId64 " chunk%s%s\n", blocks,
          plural((uint64_t)blocks), chunks, plural((uint64_t)chunks),
          g->trip % TW_LANES ? ", the last block masked" : "");
  indent(p, depth + 1);
  fprintf(p->out, "about %" PRIu64 " FLOP a sample; %" PRIu64 " accumulator%s\n", cut->flop, sums, plural(sums));
  if (cut->straight) {
    int64_t rows = tw_pl_rows(cut, p->m, blocks);
    double cycles = tw_pl_level_cycles(cut, p->f64);
    indent(p, depth + 1);
    fprintf(p->out,
            "%u segment%s; %" PRIu64 " lane values a block through memory (%" PRIu64
            " bytes a sample), scratch of %" PRIu64 " bytes",
            cut->segments.len, plural(cut->segments.len), values, values * lane / TW_LANES,
            cut->bytes * (uint64_t)rows);
    if (tw_pl_has_passes(cut, p->m, blocks)) fprintf(p->out, ", in passes of %" PRId64 " blocks", rows);
    fputc('\n', p->out);
    indent(p, depth + 1);
    fprintf(p->out,
            "about %.0f cycles a block, %.0f%% of the peak of a core that starts two fused multiply-adds a cycle\n",
            cycles * registers_a_value(p), 25.0 * (double)cut->flop / cycles);
    plan_level(p, cut, tw_pl_sums(&p->arena, x, r, cut, p->m, p->f64), depth + 1);
  } else {
    indent(p, depth + 1);
    fprintf(p->out,
            "one segment (branches on the sample, loops in loops, or rows of tensors); accumulators in memory\n");
    plan_body(p, rf->body, depth + 1);
  }
}

static void plan_group(Plan *p, const TwPlFacts *x, const TwPlGroup *g, uint32_t depth) {
  uint32_t n = g->members.len - g->n_sums - (g->concat ? 1 : 0);
  indent(p, depth);
  fprintf(p->out, "%u operation%s", n, plural(n));
  if (g->n_sums) fprintf(p->out, " and %u sum%s", g->n_sums, plural(g->n_sums));
  fprintf(p->out, " on %" PRId64 " elements: one loop, in chunks of %d", g->count, TW_CHUNK);
  if (g->concat)
    fprintf(p->out, "; what is put together of %u parts is read part by part", tw_inst(x->fn, g->concat)->n_args);
  fputc('\n', p->out);
}

static void plan_tensor(Plan *p, const TwPlFacts *x, TwRef r, uint32_t depth) {
  if (x->group[r]) {
    const TwPlGroup *g = &x->groups.at[x->group[r] - 1];
    if (g->last == r) plan_group(p, x, g, depth);
    return;
  }
  TwOp op = tw_op(x->fn, r);
  const TwTyInfo *t = tw_info(x->fn, r);
  bool reduces = op == TW_OP_dot || op == TW_OP_sum;
  if ((t->rank == 0 && !reduces) || (!reduces && !tw_pl_is_elementwise(op)) || x->lazy[r]) return;
  indent(p, depth);
  fprintf(p->out, "%s ", tw_op_name(op));
  shape(p, t);
  fprintf(p->out, ": %s\n",
          x->varies[r] ? "a loop over elements of 16 samples"
          : reduces    ? "loops"
                       : "a fused loop, sixteen elements at a time");
}

static void plan_body(Plan *p, const TwPlFacts *x, uint32_t depth) {
  const TwFn *f = x->fn;
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (!x->uses[r]) continue;
    TwOp op = tw_op(f, r);
    if (op == TW_OP_samples) {
      plan_samples(p, x, r, depth);
    } else if (op == TW_OP_scan) {
      const TwRegion *g = tw_region(f, r);
      indent(p, depth);
      fprintf(p->out, "scan, %" PRId64 " iteration%s%s, %u carried value%s\n", g->trip, plural((uint64_t)g->trip),
              g->reverse ? " backward" : "", g->n_carry, plural(g->n_carry));
      plan_body(p, x->regions[r].body, depth + 1);
    } else if (op == TW_OP_cond) {
      indent(p, depth);
      fprintf(p->out, "cond, %s\n", x->varies[tw_arg(f, r, 0)] ? "both branches, picked by lane" : "a jump");
      plan_body(p, x->regions[r].body, depth + 1);
      plan_body(p, x->regions[r].other, depth + 1);
    } else {
      plan_tensor(p, x, r, depth);
    }
  }
}

void tw_pl_dump_machine(const TwMachine *m, FILE *out) {
  fprintf(out, "vectors of %u bits; sums in the defined order, so the bits do not depend on that\n", m->bits);
  if (!m->fma)
    fprintf(out, "this CPU has no fused multiply-add (FMA, AVX2): each is a call of the C library's, exact but slow\n");
}

void tw_pl_dump(const char *name, const TwFn *fn, const TwMachine *m, bool f64, FILE *out) {
  Plan p = {.out = out, .m = m, .f64 = f64};
  const TwPlFacts *x = tw_pl_facts(&p.arena, fn, NULL, TW_PL_TOP, NULL);
  fprintf(out, "\n%s: %s, %u operations, about %.0f cycles a call\n", name, f64 ? "f64" : "f32", fn->insts.len - 1,
          tw_pl_predict(&p.arena, x, m, f64));
  plan_body(&p, x, 1);
  tw_arena_free(&p.arena);
}
