/* pl.c: a model of one input -> a straight line of affine maps and switches (TwRtPl), for regions.
 *
 * The model is flattened to scalars and split: what does not depend on x is computed by one compiled
 * function, COEFFS, with the program's own rounding; what does is a list of nodes over those
 * coefficients, which the runtime reads exactly. A model that is not piecewise linear says why.
 * requires: a moment.   provides: *out; never an error. */
#include <stdlib.h>
#include <string.h>

#include "compiler/lower/internal.h"

/* How many operations a flattened model may have: the coefficients are straight-line code, and its
 * compilation must not dwarf that of the training step unless somebody asks for regions. */
enum { MAX_UNASKED = 3000, MAX_ASKED = 200000 };

/* bias + sum of coefficient * node. A lone node is { one term with coefficient 1, no bias }. */
typedef struct Lin {
  TwRtPlTerm *terms;
  uint32_t n, bias;
} Lin;

typedef struct Pl {
  TwLw *lw;
  const TwFn *f; /* flattened: (VALUES, FLAT, x) -> y */
  TwFnBuild coeffs;
  TwRef *copy; /* of an x-independent instruction, in coeffs */
  bool *varies;
  Lin *lin;         /* of a varying one */
  uint32_t *node;   /* its node + 1, once materialised */
  TwVec(TwRef) out; /* coefficients, in order of their numbers */
  uint32_t *number; /* of an instruction of coeffs + 1 */
  uint32_t number_cap;
  TwVec(TwRtPlNode) nodes;
  TwVec(TwRtPlTerm) terms;
  const char *why;
  TwSpan why_span;
} Pl;

/* The number of the coefficient that r (in coeffs) computes. */
static uint32_t coefficient(Pl *p, TwRef r) {
  double v;
  TwFn *f = p->coeffs.scope.f;
  if (tw_is_const(f, r, &v)) {
    if (v == 0) return TW_PL_ZERO;
    if (v == 1) return TW_PL_ONE;
    if (v == -1) return TW_PL_MINUS_ONE;
  }
  if (r >= p->number_cap) {
    uint32_t cap = 2 * f->insts.len + 16;
    uint32_t *grown = TW_NEW_N(p->lw->arena, uint32_t, cap);
    if (p->number_cap) memcpy(grown, p->number, p->number_cap * sizeof *grown);
    p->number = grown;
    p->number_cap = cap;
  }
  if (!p->number[r]) {
    tw_vec_push(p->lw->arena, &p->out, r);
    p->number[r] = p->out.len;
  }
  return p->number[r] - 1;
}

static uint32_t add_node(Pl *p, TwRtPlNode n) {
  tw_vec_push(p->lw->arena, &p->nodes, n);
  return p->nodes.len - 1;
}

static bool is_node(const Lin *l) { return l->n == 1 && l->bias == TW_PL_ZERO && l->terms[0].coeff == TW_PL_ONE; }

static Lin lin_of_node(Pl *p, uint32_t node, uint32_t coeff) {
  Lin l = {TW_NEW(p->lw->arena, TwRtPlTerm), 1, TW_PL_ZERO};
  l.terms[0] = (TwRtPlTerm){coeff, node};
  return l;
}

static uint32_t materialise(Pl *p, Lin *l) {
  if (is_node(l)) return l->terms[0].node;
  uint32_t first = p->terms.len;
  for (uint32_t k = 0; k < l->n; k++) tw_vec_push(p->lw->arena, &p->terms, l->terms[k]);
  uint32_t node = add_node(p, (TwRtPlNode){.kind = TW_PL_AFFINE, .bias = l->bias, .term = first, .n_terms = l->n});
  *l = lin_of_node(p, node, TW_PL_ONE);
  return node;
}

static Lin lin_const(Pl *p, TwRef r) { return (Lin){NULL, 0, coefficient(p, p->copy[r])}; }
static Lin lin_any(Pl *p, TwRef r) { return p->varies[r] ? p->lin[r] : lin_const(p, r); }

/* The node of operand r, varying or not. */
static uint32_t node_of(Pl *p, TwRef r) {
  if (p->varies[r]) return materialise(p, &p->lin[r]);
  Lin l = lin_const(p, r);
  return materialise(p, &l);
}

/* Sums of many terms would be copied again and again: keep them short but for the usual neuron. */
static Lin lin_add(Pl *p, Lin a, Lin b) {
  if (a.bias != TW_PL_ZERO && b.bias != TW_PL_ZERO) materialise(p, &b);
  Lin l = {TW_NEW_N(p->lw->arena, TwRtPlTerm, a.n + b.n), a.n + b.n, a.bias != TW_PL_ZERO ? a.bias : b.bias};
  if (a.n) memcpy(l.terms, a.terms, a.n * sizeof *l.terms);
  if (b.n) memcpy(l.terms + a.n, b.terms, b.n * sizeof *l.terms);
  return l;
}

static Lin lin_scale(Pl *p, TwRef r, uint32_t coeff) {
  if (coeff == TW_PL_ZERO) return (Lin){NULL, 0, TW_PL_ZERO};
  if (coeff == TW_PL_ONE) return p->lin[r];
  return lin_of_node(p, materialise(p, &p->lin[r]), coeff);
}

static Lin product(Pl *p, TwRef a, TwRef b) {
  if (!p->varies[a]) {
    TwRef t = a;
    a = b;
    b = t;
  }
  return lin_scale(p, a, coefficient(p, p->copy[b]));
}

static bool refuse(Pl *p, TwRef r, const char *why) {
  p->why = why;
  p->why_span = tw_inst(p->f, r)->span;
  return false;
}

/* c ? a : b with a condition that does not depend on x: both arms, weighted by 1 and 0. */
static Lin chosen(Pl *p, TwRef c, TwRef a, TwRef b) {
  TwFn *f = p->coeffs.scope.f;
  TwRef one = tw_real(f, 1), zero = tw_real(f, 0);
  Lin sum = {NULL, 0, TW_PL_ZERO};
  for (int k = 0; k < 2; k++) {
    TwRef weight = tw_select(f, p->copy[c], k ? zero : one, k ? one : zero);
    Lin l = lin_of_node(p, node_of(p, k ? b : a), coefficient(p, weight));
    sum = k ? lin_add(p, sum, l) : l;
  }
  return sum;
}

static bool convert(Pl *p, TwRef r) {
  const TwFn *f = p->f;
  TwRef a = tw_inst(f, r)->n_args > 0 ? tw_arg(f, r, 0) : 0, b = tw_inst(f, r)->n_args > 1 ? tw_arg(f, r, 1) : 0;
  TwFn *cf = p->coeffs.scope.f;
  Lin *out = &p->lin[r];
  cf->at = tw_inst(f, r)->span;
  switch (tw_op(f, r)) {
    case TW_OP_neg: *out = lin_scale(p, a, TW_PL_MINUS_ONE); return true;
    case TW_OP_add: *out = lin_add(p, lin_any(p, a), lin_any(p, b)); return true;
    case TW_OP_sub: {
      Lin minus = p->varies[b] ? lin_scale(p, b, TW_PL_MINUS_ONE)
                               : (Lin){NULL, 0, coefficient(p, tw_unary(cf, TW_OP_neg, p->copy[b]))};
      *out = lin_add(p, lin_any(p, a), minus);
      return true;
    }
    case TW_OP_mul:
    case TW_OP_mul0:
      if (p->varies[a] && p->varies[b]) return refuse(p, r, "it multiplies two values that depend on the input");
      *out = product(p, a, b);
      return true;
    case TW_OP_fma:
      if (p->varies[a] && p->varies[b]) return refuse(p, r, "it multiplies two values that depend on the input");
      if (p->varies[a] || p->varies[b]) {
        *out = lin_add(p, product(p, a, b), lin_any(p, tw_arg(f, r, 2)));
      } else {
        Lin ab = {NULL, 0, coefficient(p, tw_binary(cf, TW_OP_mul, p->copy[a], p->copy[b]))};
        *out = lin_add(p, ab, lin_any(p, tw_arg(f, r, 2)));
      }
      return true;
    case TW_OP_div:
      if (p->varies[b]) return refuse(p, r, "it divides by a value that depends on the input");
      *out = lin_scale(p, a, coefficient(p, tw_binary(cf, TW_OP_div, tw_real(cf, 1), p->copy[b])));
      return true;
    case TW_OP_relu:
    case TW_OP_abs: {
      uint32_t kind = tw_op(f, r) == TW_OP_relu ? TW_PL_RELU : TW_PL_ABS;
      *out = lin_of_node(p, add_node(p, (TwRtPlNode){.kind = kind, .a = node_of(p, a)}), TW_PL_ONE);
      return true;
    }
    case TW_OP_min:
    case TW_OP_max: {
      uint32_t kind = tw_op(f, r) == TW_OP_min ? TW_PL_MIN : TW_PL_MAX, na = node_of(p, a), nb = node_of(p, b);
      *out = lin_of_node(p, add_node(p, (TwRtPlNode){.kind = kind, .a = na, .b = nb}), TW_PL_ONE);
      return true;
    }
    case TW_OP_select:
      if (p->varies[a]) return refuse(p, r, "it chooses by a comparison that depends on the input");
      *out = chosen(p, a, b, tw_arg(f, r, 2));
      return true;
    case TW_OP_lt:
    case TW_OP_le:
    case TW_OP_eq:
    case TW_OP_ne: return refuse(p, r, "it compares values that depend on the input");
    default: break; /* every other operation: */
  }
  return refuse(
      p, r,
      tw_arena_printf(p->lw->arena, "it takes '%s' of a value that depends on the input", tw_op_name(tw_op(f, r))));
}

/* (VALUES, FLAT, x) -> y */
static bool asked(const TwProgram *p, uint32_t model) {
  for (uint32_t k = 0; k < p->ensures.len; k++)
    if (p->ensures.at[k].kind == TW_EN_REGIONS && p->ensures.at[k].model == model) return true;
  for (uint32_t k = 0; k < p->expects.len; k++)
    if (p->expects.at[k].kind == TW_XP_REGIONS && p->expects.at[k].model == model) return true;
  return false;
}

static const TwFn *flat_model(TwLw *lw, const TwMoment *at, uint32_t index) {
  const TwModel *model = &lw->p->models.at[index];
  uint32_t most = asked(lw->p, index) ? MAX_ASKED : MAX_UNASKED;
  if (at->layout->n_shown > most) return NULL; /* each weight takes an operation at least */
  TwFnBuild b;
  tw_lw_begin(&b, lw, at, model->name);
  TwVal x = tw_lw_val(lw, 1);
  x.leaf[0] = tw_lw_operand(&b, TW_RT_INPUT, 0, 0, tw_ty_scalar(lw->m, TW_REAL));
  tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, model->inputs.at[0]->id), x);
  tw_result(b.scope.f, tw_lw_ref(&b.scope, model->body));
  const TwFn *plain = tw_opt_lower_mul0(lw->m, tw_fn_seal(b.scope.f)); /* what only derivatives read is gone */
  return tw_opt_flatten(lw->m, plain, most);
}

static bool split(Pl *p) {
  const TwFn *f = p->f;
  TwArena *a = p->lw->arena;
  uint32_t n = f->insts.len;
  p->copy = TW_NEW_N(a, TwRef, n);
  p->varies = TW_NEW_N(a, bool, n);
  p->lin = TW_NEW_N(a, Lin, n);
  TwRef x = f->params.at[2];
  uint32_t input = add_node(p, (TwRtPlNode){.kind = TW_PL_INPUT});
  p->varies[x] = true;
  p->lin[x] = lin_of_node(p, input, TW_PL_ONE);
  p->copy[f->params.at[0]] = p->coeffs.values;
  p->copy[f->params.at[1]] = p->coeffs.flat;
  for (TwRef r = 1; r < n; r++) {
    if (tw_op(f, r) == TW_OP_param || tw_op(f, r) == TW_OP_none) continue;
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) p->varies[r] |= p->varies[tw_arg(f, r, k)];
    if (!p->varies[r]) {
      p->copy[r] = tw_copy_inst(p->coeffs.scope.f, f, r, p->copy);
    } else if (!convert(p, r)) {
      return false;
    }
  }
  return true;
}

void tw_lw_pl(TwLowered *l, TwLw *lw, const TwMoment *at, uint32_t model, TwRtPl *out) {
  const TwModel *m = &lw->p->models.at[model];
  *out = (TwRtPl){.model = m->name, .why_place = tw_lw_place(lw, m->span)};
  Pl p = {.lw = lw, .f = flat_model(lw, at, model)};
  if (!p.f) {
    out->why_not = asked(lw->p, model) ? "it is too large for that"
                                       : "it is too large for that (an ensure or expect of regions raises the limit)";
    return;
  }
  const char *name = at->stage ? tw_arena_printf(lw->arena, "%s.%s.coeffs", at->stage->name, m->name) : "coeffs";
  tw_lw_begin(&p.coeffs, lw, at, name);
  if (!split(&p)) {
    out->why_not = p.why;
    out->why_place = tw_lw_place(lw, p.why_span);
    return;
  }
  out->output = node_of(&p, p.f->results.at[0]);
  TwFn *f = p.coeffs.scope.f;
  int64_t none = 0;
  TwRef all = p.out.len ? tw_stack(f, p.out.at, p.out.len) : tw_zeros(f, tw_ty(lw->m, TW_REAL, 1, &none));
  tw_lw_output(&p.coeffs, TW_RT_COEFFS, 0, 0, all);
  tw_lw_end(l, &p.coeffs, lw->unit->options.precision, NULL, &out->coeffs);
  out->n_nodes = p.nodes.len;
  out->nodes = p.nodes.at;
  out->n_terms = p.terms.len;
  out->terms = p.terms.at;
  out->n_coeffs = p.out.len;
}
