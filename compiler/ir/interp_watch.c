/* interp_watch.c: observers, and patterns recorded and held: see watch.h.
 *
 * requires: the plan of a run. What is held is put right after the instruction has run, so that the
 *           interpreter itself knows nothing of patterns.
 * provides: both runs take the same branches of every cond, so they read what was written, in order. */
#include "compiler/ir/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/interp.h"

void tw_pattern_free(TwPattern *p) {
  free(p->at);
  *p = (TwPattern){0};
}

static void append(TwPattern *p, const void *bytes, size_t n) {
  if (p->failed) return;
  if (p->cap - p->len < n) {
    size_t cap = (p->len + n) * 2 + 4096;
    uint8_t *at = realloc(p->at, cap);
    if (!at) {
      p->failed = true;
      return;
    }
    p->at = at;
    p->cap = cap;
  }
  memcpy(p->at + p->len, bytes, n);
  p->len += n;
}

/* One choice: kept when recording, replaced by the kept one when holding. */
static void choice(TwWatch *w, void *bytes, size_t n) {
  if (w->use == TW_PATTERN_RECORD) {
    append(&w->pattern, bytes, n);
  } else if (w->pattern.len - w->held >= n) {
    memcpy(bytes, w->pattern.at + w->held, n);
    w->held += n;
  }
}

static double real_at(const TwPlan *p, const void *at, int64_t e) {
  return p->real == sizeof(float) ? (double)((const float *)at)[e] : ((const double *)at)[e];
}
static void set_real(const TwPlan *p, void *at, int64_t e, double v) {
  if (p->real == sizeof(float)) ((float *)at)[e] = (float)v;
  else ((double *)at)[e] = v;
}

/* relu, abs, min, max: which side, an element. */
static void hold_side(TwPlan *p, TwRef r, int64_t n) {
  TwOp op = tw_op(p->fn, r);
  void *out = p->value[r];
  const void *a = p->value[tw_arg(p->fn, r, 0)];
  const void *b = tw_inst(p->fn, r)->n_args > 1 ? p->value[tw_arg(p->fn, r, 1)] : a;
  bool holds = p->watch->use == TW_PATTERN_HOLD;
  for (int64_t e = 0; e < n; e++) {
    double x = real_at(p, a, e), y = real_at(p, b, e);
    int8_t side = 0;
    switch ((int)op) {
      case TW_OP_relu: side = real_at(p, out, e) != 0; break;
      case TW_OP_abs: side = (int8_t)((x > 0) - (x < 0)); break;
      case TW_OP_min: side = y < x; break;
      case TW_OP_max: side = y > x; break;
    }
    choice(p->watch, &side, 1);
    if (!holds) continue;
    double held = op == TW_OP_abs ? side * x : op == TW_OP_relu ? (side ? x : 0) : side ? y : x;
    set_real(p, out, e, held);
  }
}

/* rmax, rmin: which element. */
static void hold_extremum(TwPlan *p, TwRef r) {
  const TwSide *s = p->side[r];
  const void *a = p->value[tw_arg(p->fn, r, 0)];
  bool is_min = tw_op(p->fn, r) == TW_OP_rmin;
  for (int64_t k = 0; k < s->kept.n && s->reduced.n > 0; k++) {
    int64_t base = tw_offset(&s->kept, k), best = base + tw_offset(&s->reduced, 0);
    for (int64_t e = 1; e < s->reduced.n; e++) {
      int64_t at = base + tw_offset(&s->reduced, e);
      double x = real_at(p, a, at), y = real_at(p, a, best);
      if (is_min ? x < y : x > y) best = at;
    }
    choice(p->watch, &best, sizeof best);
    if (p->watch->use == TW_PATTERN_HOLD) set_real(p, p->value[r], k, real_at(p, a, best));
  }
}

/* The result of these is the choice itself. */
static bool is_choice(TwOp op) {
  return op == TW_OP_lt || op == TW_OP_le || op == TW_OP_eq || op == TW_OP_ne || op == TW_OP_sign ||
         op == TW_OP_floor || op == TW_OP_to_int || op == TW_OP_argmask;
}

bool tw_watch_chooses(const TwFn *f, TwRef r) {
  TwOp op = tw_op(f, r);
  if (!tw_inst(f, r)->n_args || tw_info(f, tw_arg(f, r, 0))->dtype != TW_REAL) return false;
  return is_choice(op) || op == TW_OP_relu || op == TW_OP_abs || op == TW_OP_min || op == TW_OP_max ||
         op == TW_OP_rmax || op == TW_OP_rmin;
}

/* After an instruction that chooses. */
static void hold(TwPlan *p, TwRef r) {
  TwOp op = tw_op(p->fn, r);
  const TwTyInfo *t = tw_info(p->fn, r);
  switch ((int)op) {
    case TW_OP_relu:
    case TW_OP_abs:
    case TW_OP_min:
    case TW_OP_max: hold_side(p, r, t->count); break;
    case TW_OP_rmax:
    case TW_OP_rmin: hold_extremum(p, r); break;
  }
  if (is_choice(op)) choice(p->watch, p->value[r], tw_plan_bytes(p, t));
}

void tw_watch_after(TwPlan *p, const TwStep *s) {
  TwWatch *w = p->watch;
  TwRef r = s->ref;
  if (w->use != TW_PATTERN_IGNORE && s->chooses) hold(p, r);
  if (w->after) w->after(w, &(TwInstant){p->fn, r, p->real == sizeof(double), p});
}

void tw_watch_begin(TwPlan *p, TwWatch *w) {
  p->watch = w;
  for (TwRef r = 1; r < p->fn->insts.len; r++) {
    TwPlan *bodies[2] = {p->side[r] ? p->side[r]->body : NULL, p->side[r] ? p->side[r]->other : NULL};
    for (int k = 0; k < 2; k++) {
      if (!bodies[k]) continue;
      bodies[k]->outer = p;
      bodies[k]->outer_at = r;
      tw_watch_begin(bodies[k], w);
    }
  }
}

const void *tw_instant_operand(const TwInstant *now, uint32_t k) {
  return now->plan->value[tw_arg(now->fn, now->ref, k)];
}

const void *tw_instant_param(const TwInstant *now, TwRef param) { return now->plan->value[param]; }

void *tw_instant_result(const TwInstant *now) {
  return tw_is_region_op(tw_op(now->fn, now->ref)) ? NULL : now->plan->value[now->ref];
}

uint32_t tw_instant_path(const TwInstant *now, TwIteration *out, uint32_t max) {
  uint32_t n = 0, at = 0;
  for (const TwPlan *p = now->plan; p->outer; p = p->outer) n += tw_op(p->outer->fn, p->outer_at) != TW_OP_cond;
  at = n;
  for (const TwPlan *p = now->plan; p->outer; p = p->outer) {
    if (tw_op(p->outer->fn, p->outer_at) == TW_OP_cond) continue;
    if (--at < max) out[at] = (TwIteration){p->outer->fn, p->outer_at, p->counter};
  }
  return n < max ? n : max;
}
