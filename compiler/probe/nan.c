/* nan.c: where a NaN or an infinity arose.
 *
 * requires: the VALUES at which the loss or its gradient was not finite.
 * provides: the instruction that made it, with the numbers that it was made of.
 *
 * The first value that is not finite need not be the culprit: a select or a strong zero may have dropped it.
 * So each NaN is marked where it arises: the number of its origin is written into the bits of the NaN that
 * arithmetic carries on from operand to result. The NaN that arrives in the loss says by itself where it
 * comes from. Infinities cannot be marked, since 1/inf = 0 is right; only where one is needed to explain the
 * end (inf - inf, or the loss itself is infinite) a second run turns infinities into marked NaNs as well. */
#include <math.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/probe/internal.h"

enum { MAX_PATH = 8, MAX_OPERANDS = 3, MAX_ORIGINS = 4096 };

typedef struct Origin {
  const TwFn *fn;
  TwRef ref;
  int64_t element; /* of an elementwise operation, else -1 */
  uint32_t n_path, n_operands;
  TwIteration path[MAX_PATH];
  double operands[MAX_OPERANDS], result;
} Origin;

typedef struct Trace {
  TwProbe *p;
  TwVec(Origin) origins;
  bool mark_infinities;
  const Origin *target; /* whose first marked operand is wanted, in a second run */
  uint32_t source;      /* … and its origin, once it is met: a number from 1 */
} Trace;

/* ---- marked NaNs: quiet, a pattern that no operation makes, the number of the origin */

static uint32_t mark_of(const void *at, int64_t e, bool f64) {
  if (f64) {
    uint64_t bits;
    memcpy(&bits, (const double *)at + e, sizeof bits);
    return (bits & 0x7fffffff00000000u) == 0x7ffa5a5a00000000u ? (uint32_t)bits : 0;
  }
  uint32_t bits;
  memcpy(&bits, (const float *)at + e, sizeof bits);
  bits &= 0x7fffffffu;
  return (bits & 0x7ffff000u) == 0x7feaa000u ? bits & 0xfffu : 0;
}

static void set_mark(void *at, int64_t e, bool f64, uint32_t number) {
  uint64_t wide = 0x7ffa5a5a00000000u | number;
  uint32_t narrow = 0x7feaa000u | number;
  if (f64) memcpy((double *)at + e, &wide, sizeof wide);
  else memcpy((float *)at + e, &narrow, sizeof narrow);
}
_Static_assert(MAX_ORIGINS <= 0x1000, "an origin has a number of twelve bits in f32");

static double get(const void *at, int64_t e, bool f64) {
  return f64 ? ((const double *)at)[e] : (double)((const float *)at)[e];
}

/* ---- operations */

typedef enum Family { ELEMENTWISE, MOVES, REDUCES } Family;
static Family family(TwOp op) {
  switch ((int)op) {
    case TW_OP_sum:
    case TW_OP_dot:
    case TW_OP_add_at:
    case TW_OP_get: return REDUCES;
    case TW_OP_select:
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice:
    case TW_OP_pad:
    case TW_OP_concat:
    case TW_OP_index:
    case TW_OP_rmax:
    case TW_OP_rmin: return MOVES;
  }
  return ELEMENTWISE;
}

static bool real_operand(const TwInstant *now, uint32_t k) {
  return tw_info(now->fn, tw_arg(now->fn, now->ref, k))->dtype == TW_REAL;
}

/* ---- marking */

static uint32_t record(Trace *t, const TwInstant *now, int64_t element, double result) {
  if (t->origins.len + 1 >= MAX_ORIGINS) return t->origins.len;
  Origin o = {.fn = now->fn, .ref = now->ref, .element = element, .result = result};
  o.n_path = tw_instant_path(now, o.path, MAX_PATH);
  for (uint32_t k = 0; element >= 0 && k < tw_inst(now->fn, now->ref)->n_args && k < MAX_OPERANDS; k++)
    if (real_operand(now, k)) o.operands[o.n_operands++] = get(tw_instant_operand(now, k), element, now->f64);
  tw_vec_push(&t->p->unit->arena, &t->origins, o);
  return t->origins.len;
}

/* The origin that an element of an elementwise operation has from its operands; *infinite: one is infinite.
 */
static uint32_t inherited(const TwInstant *now, int64_t e, bool *infinite) {
  for (uint32_t k = 0; k < tw_inst(now->fn, now->ref)->n_args; k++) {
    if (!real_operand(now, k)) continue;
    uint32_t number = mark_of(tw_instant_operand(now, k), e, now->f64);
    if (number) return number;
    *infinite |= isinf(get(tw_instant_operand(now, k), e, now->f64)) != 0;
  }
  return 0;
}

/* A sum over samples adds products of its body without computing them: the body's value knows the origin. */
static uint32_t of_the_body(const Trace *t, const TwInstant *now, bool *sums) {
  TwRef loop = tw_arg(now->fn, now->ref, 0);
  uint64_t k = (uint64_t)tw_attr(now->fn, now->ref, 0);
  *sums = tw_op(now->fn, loop) == TW_OP_samples && k < tw_region(now->fn, loop)->n_carry;
  if (!*sums) return 0;
  const TwFn *body = tw_region(now->fn, loop)->body;
  for (uint32_t j = 0; j < t->origins.len; j++)
    if (t->origins.at[j].fn == body && t->origins.at[j].ref == body->results.at[k]) return j + 1;
  return 0;
}

static bool same_place(const Origin *a, const TwInstant *now) {
  if (a->fn != now->fn || a->ref != now->ref) return false;
  TwIteration path[MAX_PATH];
  uint32_t n = tw_instant_path(now, path, MAX_PATH);
  for (uint32_t k = 0; k < n && k < a->n_path; k++)
    if (path[k].index != a->path[k].index) return false;
  return n == a->n_path;
}

static void look_at_target(Trace *t, const TwInstant *now) {
  if (!t->target || t->source || tw_op(now->fn, now->ref) == TW_OP_get || !same_place(t->target, now)) return;
  for (uint32_t k = 0; k < tw_inst(now->fn, now->ref)->n_args; k++) {
    if (!real_operand(now, k)) continue;
    int64_t n = tw_info(now->fn, tw_arg(now->fn, now->ref, k))->count, from = 0;
    if (t->target->element >= 0) from = t->target->element, n = from + 1;
    for (int64_t e = from; e < n && !t->source; e++) t->source = mark_of(tw_instant_operand(now, k), e, now->f64);
  }
}

static void mark(TwWatch *w, const TwInstant *now) {
  Trace *t = w->context;
  TwOp op = tw_op(now->fn, now->ref);
  void *out = tw_instant_result(now);
  if (!out || tw_info(now->fn, now->ref)->dtype != TW_REAL) return;
  look_at_target(t, now);
  if (family(op) == MOVES) return;
  for (int64_t e = 0; e < tw_info(now->fn, now->ref)->count; e++) {
    double v = get(out, e, now->f64);
    if (isfinite(v) || mark_of(out, e, now->f64)) continue;
    bool infinite = false, sums = true;
    uint32_t number = 0;
    if (family(op) == ELEMENTWISE) number = inherited(now, e, &infinite);
    else if (op == TW_OP_get) number = of_the_body(t, now, &sums);
    if (!sums || (isinf(v) && !t->mark_infinities) || (isinf(v) && infinite)) continue;
    if (!number) number = record(t, now, family(op) == ELEMENTWISE ? e : -1, v);
    if (number) set_mark(out, e, now->f64, number);
  }
}

/* ---- a run */

/* The origin of what is not finite in the results from `from` on: a number from 1; 0 and *infinite if it is
 * an infinity that has no mark. */
static uint32_t run_marked(Trace *t, const TwCall *c, uint32_t from, bool *infinite) {
  TwWatch w = {.after = mark, .context = t};
  t->origins.len = 0;
  *infinite = false;
  if (!tw_call_run(c, &w)) return 0;
  bool f64 = c->precision == TW_F64;
  for (uint32_t k = from; k < c->fn->results.len; k++)
    for (uint64_t e = 0; e < tw_call_count(c->fn, c->fn->results.at[k]); e++) {
      uint32_t number = mark_of(c->out[k], (int64_t)e, f64);
      if (number) return number;
      *infinite |= !isfinite(get(c->out[k], (int64_t)e, f64));
    }
  return 0;
}

/* The origin, and that of an infinite operand of it. */
typedef struct Found {
  bool any, two;
  Origin first, second;
} Found;

static Found find(TwProbe *p, const TwCall *c) {
  Found f = {0};
  Trace t = {.p = p};
  bool infinite;
  uint32_t number = run_marked(&t, c, 0, &infinite);
  if (!number && !infinite) return f;
  bool explained = number != 0;
  if (number) {
    f.any = true;
    f.first = t.origins.at[number - 1];
    for (uint32_t k = 0; k < f.first.n_operands; k++) explained &= !isinf(f.first.operands[k]);
    explained &= f.first.element >= 0;
  }
  if (explained) return f;
  Trace again = {.p = p, .mark_infinities = true, .target = f.any ? &f.first : NULL};
  number = run_marked(&again, c, 0, &infinite);
  if (f.any) number = again.source;
  if (!number) return f;
  if (f.any) f.two = true, f.second = again.origins.at[number - 1];
  else f.any = true, f.first = again.origins.at[number - 1];
  return f;
}

/* ---- in words */

static const char *state_of(double v) { return isnan(v) ? "nan" : "infinite"; }

static const char *where(TwProbe *p, const TwLossFn *loss, const Origin *o) {
  const char *row = tw_row_text(p, loss, o->path, o->n_path), *loop = tw_loop_text(p->unit, o->path, o->n_path);
  return tw_arena_printf(&p->unit->arena, "%s%s%s%s", row ? ", at " : "", row ? row : "", loop ? ", at " : "",
                         loop ? loop : "");
}

static const char *made_of(TwProbe *p, const Origin *o) {
  TwOp op = tw_op(o->fn, o->ref);
  if (o->element >= 0) return tw_operation_text(p->unit, op, o->operands, o->n_operands);
  return op == TW_OP_get ? "the sum over the rows" : op == TW_OP_sum ? "the sum of its elements" : "a sum of products";
}

/* The operation of the primal program at the place of the source that a derivative comes from, with its
 * numbers. */
typedef struct Primal {
  const Origin *of;
  TwSpan span;
  TwUnit *unit;
  const char *text;
  bool sure; /* the operation has points at which its derivative is not finite */
} Primal;

static bool singular(TwOp op) {
  switch ((int)op) {
    case TW_OP_sqrt:
    case TW_OP_log:
    case TW_OP_log1p:
    case TW_OP_div:
    case TW_OP_pow:
    case TW_OP_asin:
    case TW_OP_acos:
    case TW_OP_atan2:
    case TW_OP_tan: return true;
  }
  return false;
}

static void look_for_primal(TwWatch *w, const TwInstant *now) {
  Primal *q = w->context;
  TwOp op = tw_op(now->fn, now->ref);
  TwSpan span = tw_inst(now->fn, now->ref)->span;
  if (q->sure || memcmp(&span, &q->span, sizeof span) != 0 || family(op) != ELEMENTWISE || !tw_instant_result(now))
    return;
  if (tw_info(now->fn, now->ref)->dtype != TW_REAL || (q->text && !singular(op))) return;
  TwIteration path[MAX_PATH];
  uint32_t n = tw_instant_path(now, path, MAX_PATH);
  if (n && q->of->n_path && path[0].index != q->of->path[0].index) return;
  if (n > 1 && q->of->n_path > 1 && path[1].index != q->of->path[1].index) return;
  double x[MAX_OPERANDS];
  uint32_t count = 0;
  int64_t e = q->of->element >= 0 && q->of->element < tw_info(now->fn, now->ref)->count ? q->of->element : 0;
  for (uint32_t k = 0; k < tw_inst(now->fn, now->ref)->n_args && count < MAX_OPERANDS; k++)
    if (real_operand(now, k)) x[count++] = get(tw_instant_operand(now, k), e, now->f64);
  q->text = tw_operation_text(q->unit, op, x, count);
  q->sure = singular(op);
}

static TwSpan span_of(const TwProbe *p, uint32_t stage, const Origin *o) {
  TwSpan at = tw_inst(o->fn, o->ref)->span;
  return at.file ? at : p->program->stages.at[stage].loss->span;
}

static const char *source_of(const TwProbe *p, TwSpan at) { return tw_span_text(&p->unit->sources, at, 60); }

static void tell_value(TwProbe *p, uint32_t stage, const TwLossFn *loss, const Origin *o, TwDiag *to) {
  TwSpan at = span_of(p, stage, o);
  tw_diag_note(&p->unit->diags, to, at, "'%s' became %s here: %s%s", source_of(p, at), state_of(o->result),
               made_of(p, o), where(p, loss, o));
}

static void tell_derivative(TwProbe *p, uint32_t stage, const TwLossFn *loss, const TwCall *value, const Origin *o,
                            TwDiag *to) {
  Primal q = {.of = o, .span = tw_inst(o->fn, o->ref)->span, .unit = p->unit};
  TwWatch w = {.after = look_for_primal, .context = &q};
  if (q.span.file) tw_call_run(value, &w);
  TwSpan at = span_of(p, stage, o);
  tw_diag_note(&p->unit->diags, to, at,
               q.text ? "the derivative of '%s' became %s here: that of %s%s"
                      : "in the derivative of '%s' a value became %s: %s%s",
               source_of(p, at), state_of(o->result), q.text ? q.text : made_of(p, o), where(p, loss, o));
}

/* ---- what is no instruction's fault */

/* A trained number that is not finite itself. */
static bool broken_values(TwProbe *p, uint32_t stage, const TwPoint *at, bool started, TwDiag *to) {
  TwTrained trained = {0};
  tw_trained(p, stage, &trained);
  uint64_t from = 0;
  for (uint32_t k = 0; k < trained.leaves.len; from += trained.leaves.at[k].count, k++)
    for (uint64_t e = 0; e < trained.leaves.at[k].count; e++) {
      if (isfinite(at->flat[from + e])) continue;
      tw_diag_note(&p->unit->diags, to, trained.spans.at[k], "%s itself is %s: %s",
                   tw_leaf_element(p->unit, &trained.leaves.at[k], e), state_of(at->flat[from + e]),
                   started ? "it starts so" : "the update before made it so");
      return true;
    }
  return false;
}

/* All entries of the gradient are finite, but not its norm. */
static bool large_gradient(TwProbe *p, uint32_t stage, const TwCall *c, TwDiag *to) {
  TwTrained trained = {0};
  tw_trained(p, stage, &trained);
  uint64_t from = 0, worst_element = 0;
  uint32_t worst = 0;
  double largest = -1, squares = 0, limit = c->precision == TW_F64 ? (double)INFINITY : 0x1p128;
  for (uint32_t k = 0; k < trained.leaves.len; from += trained.leaves.at[k].count, k++)
    for (uint64_t e = 0; e < trained.leaves.at[k].count; e++) {
      double g = fabs(get(c->out[1], (int64_t)(from + e), c->precision == TW_F64));
      squares += g * g;
      if (g > largest) largest = g, worst = k, worst_element = e;
    }
  if (squares < limit) return false;
  tw_diag_note(&p->unit->diags, to, trained.spans.at[worst],
               "the squares of the gradient's entries are too large for %s: the largest is %.3g, for %s",
               c->precision == TW_F64 ? "f64" : "f32", largest,
               tw_leaf_element(p->unit, &trained.leaves.at[worst], worst_element));
  return true;
}

bool tw_probe_nan(TwUnit *u, const TwProgram *program, const TwLowered *l, uint32_t stage, const double *values,
                  bool started, TwDiag *to) {
  TwProbe p = {.unit = u, .program = program, .lowered = l};
  if (!tw_probe_data(&p)) return false;
  TwPoint at = tw_point_of(&p, stage, values);
  if (broken_values(&p, stage, &at, started, to)) return true;
  TwLossFn loss = tw_loss_fn(&p, stage, true);
  TwCall value = tw_call(&u->arena, loss.fn, u->options.precision);
  tw_loss_bind(&p, &loss, &at, &value);
  Found found = find(&p, &value);
  if (found.any) {
    tell_value(&p, stage, &loss, &found.first, to);
    if (found.two) tell_value(&p, stage, &loss, &found.second, to);
    return true;
  }
  TwCall gradient = tw_call(
      &u->arena, tw_stage_gradient(l->module, &program->stages.at[stage], loss.fn, tw_loss_active(&p, &loss)),
      u->options.precision);
  tw_loss_bind(&p, &loss, &at, &gradient);
  found = find(&p, &gradient);
  if (!found.any) return large_gradient(&p, stage, &gradient, to);
  tell_derivative(&p, stage, &loss, &value, found.two ? &found.second : &found.first, to);
  return true;
}
