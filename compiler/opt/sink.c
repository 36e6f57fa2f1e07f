/* sink.c: the sign of a product that depends on the sample goes into a factor that does not.
 *
 * requires: a sealed function in its final form.
 * provides: the same function, in which -(a * b) in a body of samples, or of a loop in it, is (-a) * b where a is the
 *   same for all samples: its sign is then changed once, outside. Exact, so bits are unchanged.
 * breaks: the normal form of signs, which other passes keep outermost (rebuild.c). */
#include "compiler/opt/internal.h"

static const TwFn *sink_fn(TwPass *p, const TwFn *f, const bool *param_varies);

/* What of f depends on the sample, bodies aside: everything that comes out of a region that sees it. */
static bool *varying(TwPass *p, const TwFn *f, const bool *param_varies) {
  bool *v = TW_NEW_N(&p->scratch, bool, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) v[f->params.at[k]] = param_varies[k];
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_samples) continue;
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) v[r] = v[r] || v[tw_arg(f, r, k)];
  }
  return v;
}

static TwRef sink_region(TwPass *p, TwFn *g, const TwFn *f, TwRef r, const TwRef *map, const bool *v) {
  const TwRegion s = *tw_region(f, r);
  TwOp op = tw_op(f, r);
  uint32_t skip = op == TW_OP_cond, lead = op == TW_OP_scan;
  bool *in = TW_NEW_N(&p->scratch, bool, s.body->params.len + 1);
  for (uint32_t k = 0; k + lead < s.body->params.len; k++) {
    bool carry = op == TW_OP_scan && k >= s.n_consts && k < s.n_consts + s.n_carry;
    in[k + lead] = v[tw_arg(f, r, k + skip)] || (op == TW_OP_samples && k >= s.n_consts) || (carry && v[r]);
  }
  return tw_opt_with_body(p, g, f, r, map, sink_fn(p, s.body, in), s.other ? sink_fn(p, s.other, in) : NULL);
}

static const TwFn *sink_fn(TwPass *p, const TwFn *f, const bool *param_varies) {
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  const bool *v = varying(p, f, param_varies);
  const uint32_t *uses = tw_opt_uses(p, f);
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp op = tw_op(f, r);
    if (op == TW_OP_param) continue;
    g->at = tw_inst(f, r)->span;
    if (tw_opt_is_region(op)) {
      map[r] = sink_region(p, g, f, r, map, v);
      continue;
    }
    TwRef product = op == TW_OP_neg ? tw_arg(f, r, 0) : 0;
    bool alone = product && tw_op(f, product) == TW_OP_mul && uses[product] == 1 && v[product] &&
                 tw_info(f, product)->dtype == TW_REAL;
    for (uint32_t k = 0; alone && !map[r] && k < 2; k++) {
      TwRef a = tw_arg(f, product, k), b = tw_arg(f, product, 1 - k);
      if (!v[a]) map[r] = tw_binary(g, TW_OP_mul, tw_unary(g, TW_OP_neg, map[a]), map[b]);
    }
    if (!map[r]) map[r] = tw_copy_inst(g, f, r, map);
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_sink_signs(TwModule *m, const TwFn *f) {
  if (!tw_opt_has(f, TW_OP_samples)) return f;
  TwPass p = {.m = m};
  bool *none = TW_NEW_N(&p.scratch, bool, f->params.len + 1);
  const TwFn *g = sink_fn(&p, f, none);
  tw_arena_free(&p.scratch);
  return g;
}
