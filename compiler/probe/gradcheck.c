/* gradcheck.c: the gradient that a stage trains with, against two others.
 *
 * requires: a probe.
 * provides: reverse mode (what training uses) compared with forward mode along random directions, in which no
 * step size is involved, and with central differences inside of the point's pattern, element by element; at
 * the start and at a random point. All in f64 by the interpreter. NaN fails, and so does comparing nothing.
 *
 * All three are of the loss as it is prepared for differentiation, whose value is compared with that of the
 * loss as written. Derivatives of the two cannot be: they add in another order, and deep down in a
 * triangle-wave net, where rounding decides which side of a relu a sample is on, their derivatives differ
 * though both are right. */
#include <math.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/probe/internal.h"

enum { SAMPLE = 256, AT_LEAST = 8, ENOUGH_WRONG = 8, RANDOM_POINTS = 1, TRIES = 8 };

typedef struct Check {
  TwProbe *p;
  uint32_t stage;
  TwGradStage *out;
  TwLossFn loss;
  const TwFn *grad, *jvp;
  TwTrained trained;
  uint64_t **chosen; /* per tensor: the elements that differences are taken of, ascending */
  uint64_t *at;      /* per tensor: where it is in FLAT */
  uint64_t rng;
  uint64_t seed;
} Check;

/* All elements of a small stage; otherwise a sample, in which every tensor has some. */
static void choose(Check *c) {
  uint32_t n = c->trained.leaves.len;
  TwArena *arena = &c->p->unit->arena;
  uint64_t total = 0, rng = 1;
  c->chosen = TW_NEW_N(arena, uint64_t *, n + 1);
  c->at = TW_NEW_N(arena, uint64_t, n + 1);
  for (uint32_t k = 0; k < n; k++) c->at[k] = total, total += c->trained.leaves.at[k].count;
  for (uint32_t k = 0; k < n; k++) {
    TwGradTensor *t = &c->out->tensors[k];
    uint64_t share = total <= SAMPLE ? t->count : t->count * SAMPLE / total;
    t->chosen = share < AT_LEAST ? AT_LEAST : share;
    if (t->chosen > t->count) t->chosen = t->count;
    c->chosen[k] = TW_NEW_N(arena, uint64_t, t->chosen + 1);
    for (uint64_t e = 0, left = t->chosen; e < t->count && left; e++)
      if (tw_mix(&rng) % (t->count - e) < left) c->chosen[k][t->chosen - left--] = e;
  }
}

/* ---- one point */

static bool all_finite(const double *x, uint64_t n) {
  for (uint64_t e = 0; e < n; e++)
    if (!isfinite(x[e])) return false;
  return true;
}

/* What is compared with the gradient g is worth no more than this, per tensor. */
static void scale_tensors(Check *c, const double *g) {
  double all = 0;
  for (uint32_t k = 0; k < c->out->n_tensors; k++) {
    c->out->tensors[k].scale = 0;
    for (uint64_t e = 0; e < c->out->tensors[k].count; e++)
      c->out->tensors[k].scale = fmax(c->out->tensors[k].scale, fabs(g[c->at[k] + e]));
    all = fmax(all, c->out->tensors[k].scale);
  }
  for (uint32_t k = 0; k < c->out->n_tensors; k++)
    c->out->tensors[k].scale = fmax(c->out->tensors[k].scale, 1e-4 * all);
}

static double forward_along(const Check *c, const TwPoint *at, const double *v) {
  TwArenaMark mark = tw_arena_mark(&c->p->unit->arena);
  TwCall call = tw_call(&c->p->unit->arena, c->jvp, TW_F64);
  tw_loss_bind(c->p, &c->loss, at, &call);
  call.in[c->loss.n] = v;
  double along = tw_call_run(&call, NULL) ? tw_call_reals(&call, 1)[0] : NAN;
  tw_arena_reset(&c->p->unit->arena, mark);
  return along;
}

/* <g, v> = Jv along random directions: two in each tensor alone, two in all of them. */
static void check_forward(Check *c, const TwPoint *at, const double *g) {
  uint64_t n = c->p->lowered->rt->stages[c->stage].n_flat;
  double *v = TW_NEW_N(&c->p->unit->arena, double, n + 1);
  for (uint32_t k = 0; k < 2 * (c->out->n_tensors + 1); k++) {
    bool whole = k / 2 == c->out->n_tensors;
    TwGradTensor *t = &c->out->tensors[whole ? 0 : k / 2];
    uint64_t from = whole ? 0 : c->at[k / 2], to = whole ? n : from + t->count;
    double dot = 0, size = 0;
    memset(v, 0, n * sizeof *v);
    for (uint64_t e = from; e < to; e++) {
      v[e] = tw_mix_real(&c->rng);
      dot += g[e] * v[e];
      size += fabs(g[e] * v[e]);
    }
    double along = forward_along(c, at, v), error = fabs(along - dot);
    /* Where all terms vanish, forward mode must give zero too. */
    double relative = error == 0 ? 0 : size > 0 ? error / size : INFINITY;
    if (relative > t->identity || isnan(relative)) t->identity = relative;
    if (!(relative <= TW_GRAD_IDENTITY)) t->ok = false;
  }
}

typedef struct Element {
  uint32_t tensor;
  uint64_t element;
  double reverse;
} Element;

static void note_worst(Check *c, const TwPoint *at, const Element *x, double difference, double error) {
  TwGradTensor *t = &c->out->tensors[x->tensor];
  uint64_t n = c->p->lowered->rt->stages[c->stage].n_flat;
  double *v = TW_NEW_N(&c->p->unit->arena, double, n + 1);
  v[c->at[x->tensor] + x->element] = 1;
  t->worst = error;
  t->worst_element = tw_leaf_element(c->p->unit, &c->trained.leaves.at[x->tensor], x->element);
  t->reverse = x->reverse;
  t->forward = forward_along(c, at, v);
  t->difference = difference;
}

static double allowed(const TwGradTensor *t, double reverse) {
  return TW_GRAD_DIFFERENCE * fmax(t->scale, fabs(reverse));
}

static void check_element(Check *c, const TwPoint *at, TwSlope s, const Element *x) {
  TwGradTensor *t = &c->out->tensors[x->tensor];
  double scale = fmax(t->scale, fabs(s.value)), error = fabs(s.value - x->reverse);
  bool wrong = s.found && !(error <= TW_GRAD_DIFFERENCE * scale + 4 * s.spread);
  if (!s.found || (!wrong && s.spread > 100 * TW_GRAD_DIFFERENCE * scale)) {
    t->rejected++;
    return;
  }
  t->compared++;
  double relative = error == 0 ? 0 : error / scale;
  if (!t->worst_element || relative > t->worst) note_worst(c, at, x, s.value, relative);
  if (!wrong) return;
  t->ok = false;
  t->wrong++;
}

/* Of tensor k, some at a time, since after a few that are wrong no more are looked at. */
static void check_tensor(Check *c, const TwPoint *at, const double *g, const TwLine *line, uint32_t k) {
  enum { AT_ONCE = 64 };
  const TwGradTensor *t = &c->out->tensors[k];
  uint64_t n_flat = c->p->lowered->rt->stages[c->stage].n_flat, from = c->at[k];
  TwSlopeAlong all[AT_ONCE];
  for (uint64_t j = 0; j < t->chosen && t->wrong < ENOUGH_WRONG;) {
    uint32_t n = t->chosen - j < AT_ONCE ? (uint32_t)(t->chosen - j) : AT_ONCE;
    for (uint32_t i = 0; i < n; i++) {
      uint64_t e = from + c->chosen[k][j + i];
      all[i] = (TwSlopeAlong){e, 2e-3 * fmax(fabs(at->flat[e]), 0.1), g[e], allowed(t, g[e]), {0}};
    }
    tw_slopes(&c->p->unit->arena, line, at->flat, n_flat, all, n, c->p->threads);
    for (uint32_t i = 0; i < n && t->wrong < ENOUGH_WRONG; i++, j++)
      check_element(c, at, all[i].slope, &(Element){k, c->chosen[k][j], all[i].expected});
  }
}

static void check_differences(Check *c, const TwPoint *at, const double *g) {
  TwLine line = {.call = tw_call(&c->p->unit->arena, c->loss.prepared, TW_F64)};
  tw_loss_bind(c->p, &c->loss, at, &line.call);
  bool recorded = tw_line_record(&line);
  for (uint32_t k = 0; recorded && k < c->out->n_tensors; k++) check_tensor(c, at, g, &line, k);
  tw_pattern_free(&line.watch.pattern);
}

/* Preparing the loss must not change it; a sum in another order may round otherwise. */
static void check_value(Check *c, const TwPoint *at, double loss) {
  TwCall call = tw_call(&c->p->unit->arena, c->loss.fn, TW_F64);
  tw_loss_bind(c->p, &c->loss, at, &call);
  double lowered = tw_call_run(&call, NULL) ? tw_call_reals(&call, 0)[0] : NAN;
  if (fabs(lowered - loss) <= TW_GRAD_VALUE * fmax(fabs(lowered), fabs(loss))) return;
  c->out->ok = false;
  tw_diag(&c->p->unit->diags, TW_E0804, c->p->program->stages.at[c->stage].loss->span,
          "in stage '%s' the loss is %.17g as written, but %.17g as it is prepared for differentiation", c->out->name,
          lowered, loss);
}

/* False if the loss or the gradient is not finite at this point. */
static bool check_point(Check *c, const TwPoint *at, double *loss) {
  TwCall call = tw_call(&c->p->unit->arena, c->grad, TW_F64);
  tw_loss_bind(c->p, &c->loss, at, &call);
  if (!tw_call_run(&call, NULL)) return false;
  const double *g = tw_call_reals(&call, 1);
  *loss = tw_call_reals(&call, 0)[0];
  if (!isfinite(*loss) || !all_finite(g, c->p->lowered->rt->stages[c->stage].n_flat)) return false;
  check_value(c, at, *loss);
  scale_tensors(c, g);
  check_forward(c, at, g);
  check_differences(c, at, g);
  c->out->n_points++;
  return true;
}

/* ---- what went wrong, in words */

static void blame(Check *c, const TwPoint *at, const TwGradTensor *worst) {
  TwDiags *d = &c->p->unit->diags;
  TwCall call = tw_call(&c->p->unit->arena, c->loss.prepared, TW_F64);
  tw_loss_bind(c->p, &c->loss, at, &call);
  TwBlame b;
  TwDiag *to;
  if (tw_blame(c->p, &call, c->seed, &b)) {
    to = tw_diag(d, TW_E0804, b.span, "the derivative of %s is %.9g by %s, but %.9g by differences", b.what, b.rule,
                 b.against, b.right);
  } else {
    to = tw_diag(d, TW_E0804, c->p->program->stages.at[c->stage].loss->span,
                 "the gradient of the loss is wrong, although the rule of every operation in it is right");
  }
  if (worst->worst_element)
    tw_diag_note(d, to, worst->span,
                 "in stage '%s' the derivative of the loss by %s is %.9g in reverse mode, %.9g in forward "
                 "mode, %.9g by "
                 "differences",
                 c->out->name, worst->worst_element, worst->reverse, worst->forward, worst->difference);
  if (!(worst->identity <= TW_GRAD_IDENTITY))
    tw_diag_note(d, to, worst->span,
                 "forward and reverse mode differ by %.2g of the size of the terms along a direction of '%s'",
                 worst->identity, worst->name);
}

static void not_finite(Check *c, const TwPoint *at, double loss) {
  TwDiags *d = &c->p->unit->diags;
  c->out->ok = false;
  TwDiag *to = tw_diag(d, TW_E0804, c->p->program->stages.at[c->stage].loss->span,
                       "the %s is not finite at the start of stage '%s'",
                       isfinite(loss) ? "gradient of the loss" : "loss", c->out->name);
  double *values = tw_arena_dup(&c->p->unit->arena, at->values, c->p->lowered->rt->n_values * sizeof(double));
  tw_probe_nan(c->p->unit, c->p->program, c->p->lowered, c->stage, values, true, to);
}

static void judge(Check *c, const TwPoint *last) {
  const TwGradTensor *worst = NULL, *empty = NULL;
  uint64_t compared = 0, rejected = 0;
  for (uint32_t k = 0; k < c->out->n_tensors; k++) {
    TwGradTensor *t = &c->out->tensors[k];
    compared += t->compared;
    rejected += t->rejected;
    if (!t->ok && (!worst || t->worst > worst->worst)) worst = t;
    if (t->count && !t->compared) empty = t;
    if (t->count && !t->compared) t->ok = false;
    c->out->ok &= t->ok;
  }
  TwSpan at = c->p->program->stages.at[c->stage].span;
  if (worst) {
    blame(c, last, worst);
  } else if (empty || !compared) {
    tw_diag(&c->p->unit->diags, TW_E0804, empty ? empty->span : at,
            "in stage '%s' nothing could be compared with differences%s%s%s", c->out->name,
            empty ? ": no element of '" : "", empty ? empty->name : "", empty ? "'" : "");
    c->out->ok = false;
  } else if (rejected > compared) {
    tw_diag(&c->p->unit->diags, TW_E0804, at, "in stage '%s' most differences could not be trusted: %llu of %llu",
            c->out->name, (unsigned long long)rejected, (unsigned long long)(rejected + compared));
    c->out->ok = false;
  }
}

void tw_probe_gradcheck(TwProbe *p, uint32_t stage, uint64_t seed, TwGradStage *out) {
  Check c = {.p = p, .stage = stage, .out = out, .rng = seed ^ 0x7477u, .seed = seed};
  TwArena *arena = &p->unit->arena;
  *out = (TwGradStage){.name = p->program->stages.at[stage].name, .ok = true};
  c.loss = tw_loss_fn(p, stage, false);
  const bool *active = tw_loss_active(p, &c.loss);
  c.grad = tw_stage_gradient(p->lowered->module, &p->program->stages.at[stage], c.loss.prepared, active);
  c.jvp = tw_jvp(p->lowered->module, c.loss.prepared, active);
  tw_trained(p, stage, &c.trained);
  out->n_tensors = c.trained.leaves.len;
  out->tensors = TW_NEW_N(arena, TwGradTensor, out->n_tensors + 1);
  for (uint32_t k = 0; k < out->n_tensors; k++) {
    const TwLeaf *leaf = &c.trained.leaves.at[k];
    out->tensors[k] = (TwGradTensor){
        .name = leaf->name, .span = c.trained.spans.at[k], .count = leaf->count, .ok = true};
  }
  choose(&c);
  TwPoint start = tw_point_start(p, stage), last = start;
  if (!check_point(&c, &start, &out->loss)) {
    not_finite(&c, &start, out->loss);
    return;
  }
  double size = 1, loss;
  for (int found = 0, k = 0; k < TRIES && found < RANDOM_POINTS; k++, size /= 2) {
    last = tw_point_near(p, stage, &start, seed + 1000u * (uint64_t)k + 1, size);
    found += check_point(&c, &last, &loss);
  }
  judge(&c, &last);
}
