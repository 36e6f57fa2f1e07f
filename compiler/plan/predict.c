/* predict.c: how long a function will run, for `emit --as plan`.
 *
 * requires: facts of a function; of its loops over samples the cuts.
 * provides: cycles on one core that starts two vector operations a cycle, its data in the caches. No code depends
 *           on them: what is cut where is decided by segment.c's prices, which need only compare. The weights are
 *           fitted to the steps that `./dev bench` measures (bench/plans.c), which prints both; they hold within a
 *           factor of two. */
#include <math.h>

#include "compiler/plan/internal.h"

typedef struct Predictor {
  TwArena *arena;
  const TwMachine *m;
  bool f64;
} Predictor;

/* Cycles of a call, of one register of any width: measured on Zen 3 (SLEEF 3.5, 256 bits). */
static double call_cycles(TwOp op, bool f64) {
  switch (op) {
    case TW_OP_exp: return f64 ? 23 : 17;
    case TW_OP_logistic: return f64 ? 32 : 24;
    case TW_OP_expm1: return f64 ? 53 : 48;
    case TW_OP_log: return f64 ? 44 : 32;
    case TW_OP_log1p: return f64 ? 50 : 36;
    case TW_OP_sin: return f64 ? 33 : 28;
    case TW_OP_cos: return f64 ? 37 : 33;
    case TW_OP_tan: return f64 ? 42 : 47;
    case TW_OP_asin: return f64 ? 39 : 30;
    case TW_OP_acos: return f64 ? 46 : 38;
    case TW_OP_atan: return f64 ? 49 : 42;
    case TW_OP_sinh: return f64 ? 63 : 55;
    case TW_OP_cosh: return f64 ? 61 : 56;
    case TW_OP_tanh: return f64 ? 72 : 66;
    case TW_OP_pow: return f64 ? 143 : 125;
    case TW_OP_atan2: return f64 ? 77 : 66;
    default: return 0;
  }
}

/* Of one register, beside its loads and stores. */
static double op_cycles(TwOp op, bool f64) {
  double call = call_cycles(op, f64);
  return call > 0 ? call : op == TW_OP_div || op == TW_OP_sqrt ? 5 : 0.5;
}

static double lanes_of(const Predictor *p) { return tw_machine_lanes(p->m, p->f64); }
static double registers(const Predictor *p, double elements) { return ceil(elements / lanes_of(p)); }
static double body_cycles(const Predictor *p, const TwPlFacts *x);

static double products_of(const TwFn *f, TwRef dot) {
  double n = (double)tw_info(f, dot)->count;
  for (uint32_t k = 0; k < (uint32_t)tw_attr(f, dot, 0); k++)
    n *= (double)tw_info(f, tw_arg(f, dot, 0))->dims[tw_attr(f, dot, 1 + k)];
  return n;
}

/* ---- what lane bodies are cut into */

/* Tiles keep both of a core's units busy, or nearly. */
static double tensor_cycles(const TwPlCut *cut, const TwPlItem *it, bool f64) {
  const TwFn *f = cut->x->fn;
  TwRef r = it->inst ? it->inst : f->results.at[cut->accs.at[it->acc].k], dot = it->inst ? cut->dot[r] : 0;
  double n = (double)tw_info(f, r)->count;
  if (it->inst && tw_op(f, r) == TW_OP_dot) dot = r;
  double own = !it->inst ? 0.1 : dot == r ? 0.5 : op_cycles(tw_op(f, r), f64) + 0.5;
  return 3 + n * own + 0.6 * (dot ? products_of(f, dot) : n);
}

double tw_pl_level_cycles(const TwPlCut *cut, bool f64) {
  double n = 0;
  for (uint32_t k = 0; k < cut->segments.len; k++) n += tw_pl_segment_cycles(cut, k, f64);
  return n;
}

double tw_pl_segment_cycles(const TwPlCut *cut, uint32_t k, bool f64) {
  const double per_loop = 1, per_load = 0.2, per_store = 0.4, per_spill = 0.5, per_sum = 0.5, per_carry = 0.2;
  const TwPlSegment *s = &cut->segments.at[k];
  if (s->scan) {
    const TwPlCut *in = cut->inner[s->scan];
    return (double)in->g->trip * (tw_pl_level_cycles(in, f64) + per_carry * in->g->n_carry);
  }
  if (s->first == s->end) return 0;
  if (s->tensor) return tensor_cycles(cut, &cut->items.at[s->first], f64);
  uint32_t want = s->accs + s->peak * s->turns + 4;
  double n = per_loop + per_load * s->loads + per_store * s->stores + per_sum * s->accs;
  if (want > cut->registers) n += per_spill * (want - cut->registers);
  for (uint32_t i = s->first; i < s->end; i++) {
    TwRef r = cut->items.at[i].inst;
    if (r) n += op_cycles(tw_op(cut->x->fn, r), f64) * (double)tw_info(cut->x->fn, r)->count;
  }
  return n;
}

/* ---- whole functions */

/* A loop over samples: its blocks, and for each chunk its sums, folded from lanes to one number. */
static double samples_cycles(const Predictor *p, const TwPlFacts *x, TwRef r) {
  const double per_sum = 4, per_loop = 60;
  const TwRegion *g = tw_region(x->fn, r);
  const TwPlRegionFacts *rf = &x->regions[r];
  if (rf->serial) return (double)g->trip * body_cycles(p, rf->body);
  double blocks = ceil((double)g->trip / TW_LANES), chunks = ceil((double)g->trip / TW_CHUNK), sums = 0;
  TwPlCut *cut = tw_pl_cut(p->arena, rf->body, g, p->m, p->f64);
  for (uint32_t k = 0; k < g->n_carry; k++) sums += (double)tw_info(g->body, g->body->results.at[k])->count;
  double once = per_loop + chunks * per_sum * sums, all = body_cycles(p, rf->body), a_block = all;
  if (cut->straight) a_block = tw_pl_level_cycles(cut, p->f64) * registers(p, TW_LANES);
  return once + blocks * a_block;
}

static double inst_cycles(const Predictor *p, const TwPlFacts *x, TwRef r) {
  const TwFn *f = x->fn;
  TwOp op = tw_op(f, r);
  double n = (double)tw_info(f, r)->count, each = x->varies[r] ? registers(p, TW_LANES) : 1;
  if (op == TW_OP_samples) return samples_cycles(p, x, r);
  if (op == TW_OP_scan) return (double)tw_region(f, r)->trip * (2 + body_cycles(p, x->regions[r].body));
  if (op == TW_OP_cond) {
    double a = body_cycles(p, x->regions[r].body), b = body_cycles(p, x->regions[r].other);
    return x->varies[tw_arg(f, r, 0)] ? a + b : a > b ? a : b;
  }
  if (op == TW_OP_dot)
    return x->varies[r] ? 0.6 * products_of(f, r) * each : 0.6 * products_of(f, r) / lanes_of(p) + 10;
  if (op == TW_OP_sum || op == TW_OP_rmax || op == TW_OP_rmin) {
    double of = (double)tw_info(f, tw_arg(f, r, 0))->count;
    return x->varies[r] ? of * each : 10 + registers(p, of);
  }
  if (!tw_pl_is_elementwise(op)) return op == TW_OP_concat || op == TW_OP_pad || op == TW_OP_add_at ? n * each : 0;
  if (x->varies[r]) return n * each * op_cycles(op, p->f64);
  if (tw_info(f, r)->rank == 0) return op_cycles(op, p->f64) + 0.5;
  double memory = x->lazy[r] ? 0 : x->group[r] ? 1 : 2;
  return (memory > 1 ? 10 : 0) + registers(p, n) * (op_cycles(op, p->f64) + memory);
}

static double body_cycles(const Predictor *p, const TwPlFacts *x) {
  double sum = 0;
  for (TwRef r = 1; r < x->fn->insts.len; r++)
    if (x->uses[r]) sum += inst_cycles(p, x, r);
  return sum;
}

double tw_pl_predict(TwArena *arena, const TwPlFacts *x, const TwMachine *m, bool f64) {
  const double per_call = 60;
  return per_call + body_cycles(&(Predictor){arena, m, f64}, x);
}
