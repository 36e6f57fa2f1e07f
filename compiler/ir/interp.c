/* interp.c: runs a function: the evaluator that the others are compared with (P6).
 *
 * requires: a verified function (an index out of range is clamped: its value is unspecified, but
 *           memory is safe). A mul0 needs no lowering.
 * provides: the bits of docs/architecture.md, rounding after every operation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/interp.h"
#include "compiler/ir/passes.h"
#include "compiler/ir/scalar.h"
#include "runtime/program.h"

static void run(TwPlan *p);

static TwRef arg(const TwPlan *p, TwRef r, uint32_t k) { return tw_arg(p->fn, r, k); }
static char *operand(const TwPlan *p, TwRef r, uint32_t k) { return p->value[tw_arg(p->fn, r, k)]; }
static bool is_f32(const TwPlan *p) { return p->real == sizeof(float); }

static void *v(char *at) { return at; } /* a place in the frame, of whatever type it holds */

static void run_map(TwPlan *p, TwRef r, const TwTyInfo *t) {
  TwOp op = tw_op(p->fn, r);
  char *out = p->value[r], *a = operand(p, r, 0), *b = tw_inst(p->fn, r)->n_args > 1 ? operand(p, r, 1) : a;
  if (op == TW_OP_stop || op == TW_OP_along) {
    memcpy(out, a, tw_plan_bytes(p, t));
  } else if (op == TW_OP_fma) {
    if (is_f32(p)) tw_map3_f32(v(out), v(a), v(b), v(operand(p, r, 2)), t->count);
    else tw_map3_f64(v(out), v(a), v(b), v(operand(p, r, 2)), t->count);
  } else if (tw_is_scalar1(op)) {
    if (t->dtype == TW_INT) tw_map1_int(op, v(out), v(a), t->count);
    else if (is_f32(p)) tw_map1_f32(op, v(out), v(a), t->count);
    else tw_map1_f64(op, v(out), v(a), t->count);
  } else {
    if (t->dtype == TW_INT) tw_map2_int(op, v(out), v(a), v(b), t->count);
    else if (is_f32(p)) tw_map2_f32(op, v(out), v(a), v(b), t->count);
    else tw_map2_f64(op, v(out), v(a), v(b), t->count);
  }
}

static void run_compare(TwPlan *p, TwRef r, const TwTyInfo *t) {
  TwOp op = tw_op(p->fn, r);
  TwDtype d = tw_info(p->fn, arg(p, r, 0))->dtype;
  uint8_t *out = v(p->value[r]), *a = v(operand(p, r, 0)), *b = v(operand(p, r, 1));
  if (d == TW_BOOL)
    for (int64_t e = 0; e < t->count; e++) out[e] = tw_compare_int(op, a[e], b[e]);
  else if (d == TW_INT) tw_cmp_int(op, out, v(operand(p, r, 0)), v(operand(p, r, 1)), t->count);
  else if (is_f32(p)) tw_cmp_f32(op, out, v(operand(p, r, 0)), v(operand(p, r, 1)), t->count);
  else tw_cmp_f64(op, out, v(operand(p, r, 0)), v(operand(p, r, 1)), t->count);
}

static double read_real(const TwPlan *p, const char *at, int64_t e) {
  return is_f32(p) ? (double)((const float *)(const void *)at)[e] : ((const double *)(const void *)at)[e];
}
static int64_t read_int(const char *at, int64_t e, TwDtype d) {
  return d == TW_BOOL ? ((const uint8_t *)(const void *)at)[e] : ((const int64_t *)(const void *)at)[e];
}

static void run_cast(TwPlan *p, TwRef r, const TwTyInfo *t) {
  TwDtype d = tw_info(p->fn, arg(p, r, 0))->dtype;
  const char *a = operand(p, r, 0);
  for (int64_t e = 0; e < t->count; e++) {
    if (t->dtype == TW_INT)
      ((int64_t *)v(p->value[r]))[e] = d == TW_REAL ? tw_real_to_int(read_real(p, a, e)) : read_int(a, e, d);
    else if (is_f32(p)) ((float *)v(p->value[r]))[e] = (float)read_int(a, e, d);
    else ((double *)v(p->value[r]))[e] = (double)read_int(a, e, d);
  }
}

static void run_select(TwPlan *p, TwRef r, const TwTyInfo *t) {
  const uint8_t *c = v(operand(p, r, 0));
  size_t size = tw_plan_esize(p, t->dtype);
  for (int64_t e = 0; e < t->count; e++)
    memcpy(p->value[r] + (size_t)e * size, operand(p, r, c[e] ? 1 : 2) + (size_t)e * size, size);
}

static void run_draw(TwPlan *p, TwRef r, const TwTyInfo *t) {
  uint64_t seed = (uint64_t)read_int(operand(p, r, 0), 0, TW_INT), at = (uint64_t)read_int(operand(p, r, 1), 0, TW_INT);
  uint64_t key = (uint64_t)tw_attr(p->fn, r, 0);
  for (int64_t e = 0; e < t->count; e++) {
    double u = tw_rt_uniform(seed, key, at + (uint64_t)e);
    if (is_f32(p)) ((float *)v(p->value[r]))[e] = (float)u;
    else ((double *)v(p->value[r]))[e] = u;
  }
}

static void add_into(const TwPlan *p, TwDtype d, char *acc, const char *a, int64_t n) {
  if (d == TW_INT) tw_add_int(v(acc), (const int64_t *)(const void *)a, n);
  else if (is_f32(p)) tw_add_f32(v(acc), (const float *)(const void *)a, n);
  else tw_add_f64(v(acc), (const double *)(const void *)a, n);
}

static int64_t clamped(const TwPlan *p, TwRef r) {
  int64_t i = read_int(operand(p, r, 1), 0, TW_INT), n = tw_info(p->fn, arg(p, r, 0))->dims[0];
  return i < 0 ? 0 : i < n ? i : n - 1;
}

static void run_index(TwPlan *p, TwRef r, const TwTyInfo *t) {
  size_t bytes = tw_plan_bytes(p, t);
  memcpy(p->value[r], operand(p, r, 0) + (size_t)clamped(p, r) * bytes, bytes);
}

static void run_add_at(TwPlan *p, TwRef r, const TwTyInfo *t) {
  const TwTyInfo *row = tw_info(p->fn, arg(p, r, 2));
  if (p->side[r]->written) p->value[r] = operand(p, r, 0);
  else memcpy(p->value[r], operand(p, r, 0), tw_plan_bytes(p, t));
  add_into(p, t->dtype, p->value[r] + (size_t)clamped(p, r) * tw_plan_bytes(p, row), operand(p, r, 2), row->count);
}

static void run_reduction(TwPlan *p, TwRef r) {
  TwOp op = tw_op(p->fn, r);
  TwSide *s = p->side[r];
  TwDtype d = tw_info(p->fn, arg(p, r, 0))->dtype;
  char *out = p->value[r], *a = operand(p, r, 0);
  bool is_min = op == TW_OP_rmin || (op == TW_OP_argmask && tw_attr(p->fn, r, 0));
  if (op == TW_OP_sum) {
    if (d == TW_INT) tw_sum_int(v(out), v(a), &s->kept, &s->reduced);
    else if (is_f32(p)) tw_sum_f32(v(out), v(a), &s->kept, &s->reduced);
    else tw_sum_f64(v(out), v(a), &s->kept, &s->reduced);
  } else if (op == TW_OP_argmask) {
    if (d == TW_INT) tw_argmask_int(is_min, v(out), v(a), &s->kept, &s->reduced);
    else if (is_f32(p)) tw_argmask_f32(is_min, v(out), v(a), &s->kept, &s->reduced);
    else tw_argmask_f64(is_min, v(out), v(a), &s->kept, &s->reduced);
  } else {
    if (d == TW_INT) tw_extremum_int(is_min, v(out), v(a), &s->kept, &s->reduced);
    else if (is_f32(p)) tw_extremum_f32(is_min, v(out), v(a), &s->kept, &s->reduced);
    else tw_extremum_f64(is_min, v(out), v(a), &s->kept, &s->reduced);
  }
}

/* ---- regions */

static TwRef body_param(const TwPlan *b, uint32_t k) { return b->fn->params.at[k]; }
static TwRef body_result(const TwPlan *b, uint32_t k) { return b->fn->results.at[k]; }
static size_t result_bytes(const TwPlan *b, uint32_t k) { return tw_plan_bytes(b, tw_info(b->fn, body_result(b, k))); }
static void copy(char *to, const char *from, size_t n) {
  if (n && to != from) memcpy(to, from, n);
}

static void set_slices(TwPlan *p, TwRef r, TwPlan *b, uint32_t lead, int64_t i) {
  uint32_t n = tw_inst(p->fn, r)->n_args, first = n - tw_region(p->fn, r)->n_xs;
  for (uint32_t k = first; k < n; k++) {
    TwRef q = body_param(b, lead + k);
    b->value[q] = operand(p, r, k) + (size_t)i * tw_plan_bytes(b, tw_info(b->fn, q));
  }
}

static void store_stacked(TwPlan *p, TwRef r, TwPlan *b, int64_t i) {
  const TwRegion *g = tw_region(p->fn, r);
  for (uint32_t k = g->n_carry; k < g->n_carry + g->n_ys; k++) {
    size_t bytes = result_bytes(b, k);
    copy(p->frame + p->side[r]->parts[k] + (size_t)i * bytes, b->value[body_result(b, k)], bytes);
  }
}

/* A carried value is in one of two buffers: its part of the result, or side->next. The body's new
 * value is copied to the other one, unless an add_at has changed it where it was. */
static void run_scan(TwPlan *p, TwRef r) {
  const TwRegion *g = tw_region(p->fn, r);
  TwSide *s = p->side[r];
  TwPlan *b = s->body;
  for (uint32_t k = 0; k < g->n_consts; k++) b->value[body_param(b, 1 + k)] = operand(p, r, k);
  b->value[body_param(b, 0)] = (char *)&b->counter;
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwRef q = body_param(b, 1 + g->n_consts + k);
    b->value[q] = p->frame + s->parts[k];
    copy(b->value[q], operand(p, r, g->n_consts + k), result_bytes(b, k));
  }
  for (int64_t it = 0; it < g->trip; it++) {
    b->counter = g->reverse ? g->trip - 1 - it : it;
    set_slices(p, r, b, 1, b->counter);
    run(b);
    store_stacked(p, r, b, b->counter);
    for (uint32_t k = 0; k < g->n_carry; k++)
      if (b->value[body_result(b, k)] != b->value[body_param(b, 1 + g->n_consts + k)])
        copy(s->next[k], b->value[body_result(b, k)], result_bytes(b, k));
    for (uint32_t k = 0; k < g->n_carry; k++) {
      TwRef q = body_param(b, 1 + g->n_consts + k);
      if (b->value[body_result(b, k)] == b->value[q]) continue;
      char *now = s->next[k];
      s->next[k] = b->value[q];
      b->value[q] = now;
    }
  }
  for (uint32_t k = 0; k < g->n_carry; k++) {
    TwRef q = body_param(b, 1 + g->n_consts + k);
    char *part = p->frame + s->parts[k];
    if (b->value[q] == part) continue;
    copy(part, b->value[q], result_bytes(b, k));
    s->next[k] = b->value[q];
  }
}

/* Sum k of a sample loop: sixteen partial sums, then the open nodes of the tree of chunks. */
static char *sums_of(const TwPlan *p, TwRef r, uint32_t k, uint32_t at) {
  const TwSide *side = p->side[r];
  return side->sums + side->sum_at[k] + at * tw_pad16(result_bytes(side->body, k));
}

static void add_sample(TwPlan *p, TwRef r, uint32_t k, int64_t i) {
  TwPlan *b = p->side[r]->body;
  TwRef x = body_result(b, k);
  const TwTyInfo *t = tw_info(b->fn, x);
  char *acc = sums_of(p, r, k, (uint32_t)(i % TW_PARTIALS));
  if (tw_op(b->fn, x) != TW_OP_mul || t->dtype != TW_REAL) add_into(b, t->dtype, acc, b->value[x], t->count);
  else if (is_f32(b)) tw_madd_f32(v(acc), v(operand(b, x, 0)), v(operand(b, x, 1)), t->count);
  else tw_madd_f64(v(acc), v(operand(b, x, 0)), v(operand(b, x, 1)), t->count);
}

/* Folds the partial sums of a chunk and enters the result into the tree. */
static void close_chunk(TwPlan *p, TwRef r, uint32_t k, int64_t chunk, uint32_t top) {
  TwPlan *b = p->side[r]->body;
  const TwTyInfo *t = tw_info(b->fn, body_result(b, k));
  for (uint32_t half = TW_PARTIALS / 2; half; half /= 2)
    for (uint32_t j = 0; j < half; j++)
      add_into(b, t->dtype, sums_of(p, r, k, j), sums_of(p, r, k, j + half), t->count);
  char *node = sums_of(p, r, k, 0);
  for (; chunk & 1; chunk >>= 1, top--) { /* left neighbour first: the sum is left + node */
    char *left = sums_of(p, r, k, TW_PARTIALS + top - 1);
    add_into(b, t->dtype, left, node, t->count);
    node = left;
  }
  copy(sums_of(p, r, k, TW_PARTIALS + top), node, result_bytes(b, k));
}

static uint32_t open_nodes(int64_t chunks) { return (uint32_t)__builtin_popcountll((uint64_t)chunks); }

static void close_tree(TwPlan *p, TwRef r, uint32_t k, int64_t chunks) {
  TwPlan *b = p->side[r]->body;
  const TwTyInfo *t = tw_info(b->fn, body_result(b, k));
  char *part = p->frame + p->side[r]->parts[k];
  if (chunks == 0) {
    memset(part, 0, result_bytes(b, k));
    return;
  }
  uint32_t top = open_nodes(chunks) - 1;
  char *node = sums_of(p, r, k, TW_PARTIALS + top);
  for (; top > 0; top--) {
    char *left = sums_of(p, r, k, TW_PARTIALS + top - 1);
    add_into(b, t->dtype, left, node, t->count);
    node = left;
  }
  copy(part, node, result_bytes(b, k));
}

static void run_samples(TwPlan *p, TwRef r) {
  const TwRegion *g = tw_region(p->fn, r);
  TwPlan *b = p->side[r]->body;
  int64_t chunks = 0;
  for (uint32_t k = 0; k < g->n_consts; k++) b->value[body_param(b, k)] = operand(p, r, k);
  for (; chunks * TW_CHUNK < g->trip; chunks++) {
    int64_t from = chunks * TW_CHUNK, to = g->trip < from + TW_CHUNK ? g->trip : from + TW_CHUNK;
    for (uint32_t k = 0; k < g->n_carry; k++)
      memset(sums_of(p, r, k, 0), 0, TW_PARTIALS * tw_pad16(result_bytes(b, k)));
    for (int64_t i = from; i < to; i++) {
      b->counter = i;
      set_slices(p, r, b, 0, i);
      run(b);
      store_stacked(p, r, b, i);
      for (uint32_t k = 0; k < g->n_carry; k++) add_sample(p, r, k, i - from);
    }
    for (uint32_t k = 0; k < g->n_carry; k++) close_chunk(p, r, k, chunks, open_nodes(chunks));
  }
  for (uint32_t k = 0; k < g->n_carry; k++) close_tree(p, r, k, chunks);
}

static void run_cond(TwPlan *p, TwRef r) {
  const TwRegion *g = tw_region(p->fn, r);
  TwPlan *b = *operand(p, r, 0) ? p->side[r]->body : p->side[r]->other;
  for (uint32_t k = 0; k < g->n_consts; k++) b->value[body_param(b, k)] = operand(p, r, k + 1);
  run(b);
  for (uint32_t k = 0; k < g->n_ys; k++)
    copy(p->frame + p->side[r]->parts[k], b->value[body_result(b, k)], result_bytes(b, k));
}

/* ---- all of them */

static void run_own(TwPlan *p, TwRef r, const TwTyInfo *t) {
  switch ((int)tw_op(p->fn, r)) {
    case TW_OP_draw: run_draw(p, r, t); return;
    case TW_OP_index: run_index(p, r, t); return;
    case TW_OP_add_at: run_add_at(p, r, t); return;
    case TW_OP_sum:
    case TW_OP_rmax:
    case TW_OP_rmin:
    case TW_OP_argmask: run_reduction(p, r); return;
    case TW_OP_dot:
      if (is_f32(p)) tw_dot_f32(v(p->value[r]), v(operand(p, r, 0)), v(operand(p, r, 1)), p->side[r]);
      else tw_dot_f64(v(p->value[r]), v(operand(p, r, 0)), v(operand(p, r, 1)), p->side[r]);
      return;
    case TW_OP_scan: run_scan(p, r); return;
    case TW_OP_samples: run_samples(p, r); return;
    case TW_OP_cond: run_cond(p, r); return;
    case TW_OP_get: p->value[r] = p->frame + p->place[r]; return;
    case TW_OP_broadcast:
    case TW_OP_reshape:
    case TW_OP_transpose:
    case TW_OP_reverse:
    case TW_OP_slice:
    case TW_OP_pad:
    case TW_OP_concat: tw_interp_shape(p, r); return;
  }
  abort(); /* an operation with a shape rule of its own that nobody taught the interpreter */
}

/* Most instructions of a body of samples are arithmetic on one number: no more than that is done for them. */
static double scalar_f64(const TwPlan *p, const TwStep *s) {
  double a = *(double *)v(p->value[s->a]), b = *(double *)v(p->value[s->b]);
  switch ((int)s->op) {
    case TW_OP_add: return a + b;
    case TW_OP_sub: return a - b;
    case TW_OP_mul: return a * b;
    case TW_OP_neg: return -a;
    case TW_OP_relu: return a < 0 ? 0 : a;
    case TW_OP_stop:
    case TW_OP_along: return a;
    case TW_OP_fma: return fma(a, b, *(double *)v(p->value[s->c]));
  }
  return tw_is_scalar1(s->op) ? tw_scalar1_f64(s->op, a) : tw_scalar2_f64(s->op, a, b);
}

static float scalar_f32(const TwPlan *p, const TwStep *s) {
  float a = *(float *)v(p->value[s->a]), b = *(float *)v(p->value[s->b]);
  switch ((int)s->op) {
    case TW_OP_add: return a + b;
    case TW_OP_sub: return a - b;
    case TW_OP_mul: return a * b;
    case TW_OP_neg: return -a;
    case TW_OP_relu: return a < 0 ? 0 : a;
    case TW_OP_stop:
    case TW_OP_along: return a;
    case TW_OP_fma: return fmaf(a, b, *(float *)v(p->value[s->c]));
  }
  return tw_is_scalar1(s->op) ? tw_scalar1_f32(s->op, a) : tw_scalar2_f32(s->op, a, b);
}

static void run_any(TwPlan *p, TwRef r, TwOp op) {
  const TwTyInfo *t = tw_info(p->fn, r);
  switch (tw_op_info(op)->shape) {
    case TW_SHAPE_leaf: break; /* bound by the caller, or set when planned */
    case TW_SHAPE_same: run_map(p, r, t); break;
    case TW_SHAPE_compare: run_compare(p, r, t); break;
    case TW_SHAPE_logic:
      if (op != TW_OP_not) run_compare(p, r, t);
      for (int64_t e = 0; e < t->count && op == TW_OP_not; e++) p->value[r][e] = !operand(p, r, 0)[e];
      break;
    case TW_SHAPE_cast: run_cast(p, r, t); break;
    case TW_SHAPE_select: run_select(p, r, t); break;
    case TW_SHAPE_own: run_own(p, r, t); break;
  }
}

static void run(TwPlan *p) {
  const TwWatch *w = p->watch;
  for (const TwStep *s = p->steps, *end = s + p->n_steps; s < end; s++) {
    switch (s->kind) {
      case TW_STEP_F64: *(double *)v(p->value[s->ref]) = scalar_f64(p, s); break;
      case TW_STEP_F32: *(float *)v(p->value[s->ref]) = scalar_f32(p, s); break;
      case TW_STEP_ANY: run_any(p, s->ref, s->op); break;
    }
    if (w && (s->chooses || w->after)) tw_watch_after(p, s);
  }
}

bool tw_interpret(const TwFn *f, TwPrecision precision, const void *const *params, void *const *results) {
  return tw_interpret_watch(f, precision, params, results, NULL);
}

bool tw_interpret_watch(const TwFn *f, TwPrecision precision, const void *const *params, void *const *results,
                        TwWatch *w) {
  TwPlan *p = tw_plan_new(f, precision, NULL);
  if (!p) return false;
  if (w) {
    if (w->use == TW_PATTERN_RECORD) w->pattern.len = 0;
    w->held = 0;
    tw_watch_begin(p, w);
  }
  for (uint32_t k = 0; k < f->params.len; k++) p->value[f->params.at[k]] = (char *)params[k];
  run(p);
  for (uint32_t k = 0; k < f->results.len; k++) copy(results[k], p->value[f->results.at[k]], result_bytes(p, k));
  tw_plan_free(p);
  return !w || !w->pattern.failed;
}
