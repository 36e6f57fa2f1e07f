/* programs.c: see programs.h. */
#include "tests/opt/programs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/passes.h"

static TwTy vec(TwModule *m, int64_t n) { return tw_ty(m, TW_REAL, 1, &n); }
static TwTy mat(TwModule *m, int64_t a, int64_t b) { return tw_ty(m, TW_REAL, 2, (int64_t[]){a, b}); }
static TwRef mul(TwFn *f, TwRef a, TwRef b) { return tw_binary(f, TW_OP_mul, a, b); }
static TwRef add(TwFn *f, TwRef a, TwRef b) { return tw_binary(f, TW_OP_add, a, b); }
static TwRef sub(TwFn *f, TwRef a, TwRef b) { return tw_binary(f, TW_OP_sub, a, b); }
static TwRef divide(TwFn *f, TwRef a, TwRef b) { return tw_binary(f, TW_OP_div, a, b); }
static TwRef neg(TwFn *f, TwRef a) { return tw_unary(f, TW_OP_neg, a); }
static TwRef at(TwFn *f, TwRef t, int64_t k) { return tw_index(f, t, tw_int(f, k)); }

static TwRef range(TwFn *f, TwRef a, int64_t start, int64_t n) {
  return tw_slice(f, a, vec(f->module, n), (int64_t[]){start, 1});
}

static TwRef matvec(TwFn *f, TwRef w, TwRef x) { return tw_dot(f, w, x, (int64_t[]){1}, (int64_t[]){0}, 1); }

/* [ body(i, consts) for i in 0 .. n ] */
typedef void Body(TwFn *b, TwRef i, const TwRef *consts, TwRef *out);
static void comprehension(TwFn *f, int64_t n, Body *body, const TwRef *consts, uint32_t n_consts, TwRef *out,
                          uint32_t n_out) {
  TwFn *b = tw_fn_new(f->module, "element");
  TwRef inner[8], res[4], i = tw_param(b, tw_ty_scalar(f->module, TW_INT));
  for (uint32_t k = 0; k < n_consts; k++) inner[k] = tw_param(b, tw_type(f, consts[k]));
  body(b, i, inner, res);
  for (uint32_t k = 0; k < n_out; k++) tw_result(b, res[k]);
  TwRegion s = {.body = tw_fn_seal(b), .trip = n, .n_consts = n_consts, .n_ys = n_out};
  TwRef r = tw_emit_region(f, TW_OP_scan, &s, consts, n_consts);
  for (uint32_t k = 0; k < n_out; k++) out[k] = tw_get(f, r, k);
}

static TwRef next(TwFn *b, TwRef i) { return add(b, i, tw_int(b, 1)); }

static void smooth_ratio(TwFn *b, TwRef i, const TwRef *c, TwRef *out) { /* peak, scale */
  TwRef first = tw_binary(b, TW_OP_eq, i, tw_int(b, 0));
  TwRef s = mul(b, sub(b, tw_real(b, 1), tw_index(b, c[0], i)), tw_index(b, c[0], next(b, i)));
  out[0] = tw_select(b, first, c[1], s);
}
static void rise(TwFn *b, TwRef i, const TwRef *c, TwRef *out) { /* peak, ratio */
  out[0] = divide(b, tw_index(b, c[1], i), tw_index(b, c[0], i));
}
static void fall(TwFn *b, TwRef i, const TwRef *c, TwRef *out) {
  TwRef a = tw_index(b, c[0], i);
  out[0] = divide(b, neg(b, tw_index(b, c[1], i)), sub(b, a, mul(b, a, a)));
}
static void hidden(TwFn *b, TwRef i, const TwRef *c, TwRef *out) { /* peak, ratio, rise, fall, mix */
  TwRef zero = tw_real(b, 0), one = tw_real(b, 1), up = tw_index(b, c[2], i), down = tw_index(b, c[3], i);
  TwRef ratio = tw_index(b, c[1], i);
  TwRef rows[4] = {
      tw_stack(b, (TwRef[]){one, mul(b, c[4], up), mul(b, c[4], down), zero}, 4),
      tw_stack(b, (TwRef[]){zero, up, down, zero}, 4),
      tw_stack(b, (TwRef[]){zero, up, down, mul(b, neg(b, ratio), tw_index(b, c[0], next(b, i)))}, 4),
      tw_stack(b, (TwRef[]){zero, zero, zero, ratio}, 4),
  };
  out[0] = tw_stack(b, rows, 4);
  out[1] = tw_stack(b, (TwRef[]){zero, zero, zero, zero}, 4);
}

enum { FIRST_W, FIRST_B, HIDDEN_W, HIDDEN_B, OUT_W, OUT_B, N_LEAVES };

static void set_weights(TwFn *f, TwRef peak, TwRef scale, int64_t d, double mix_value, TwRef *net) {
  TwModule *m = f->module;
  TwRef zero = tw_real(f, 0), one = tw_real(f, 1), mix = tw_real(f, mix_value), ratio, up, down, leaf[2];
  comprehension(f, d, smooth_ratio, (TwRef[]){peak, scale}, 2, &ratio, 1);
  comprehension(f, d, rise, (TwRef[]){peak, ratio}, 2, &up, 1);
  comprehension(f, d, fall, (TwRef[]){peak, ratio}, 2, &down, 1);
  comprehension(f, d - 1, hidden, (TwRef[]){peak, ratio, up, down, mix}, 5, leaf, 2);
  net[FIRST_W] = tw_reshape(f, tw_stack(f, (TwRef[]){one, one, one, zero}, 4), mat(m, 4, 1));
  net[FIRST_B] = tw_stack(f, (TwRef[]){zero, zero, neg(f, at(f, peak, 0)), one}, 4);
  net[HIDDEN_W] = leaf[0];
  net[HIDDEN_B] = leaf[1];
  TwRef last[4] = {one, mul(f, mix, at(f, up, d - 1)), mul(f, mix, at(f, down, d - 1)), zero};
  net[OUT_W] = tw_reshape(f, tw_stack(f, last, 4), mat(m, 1, 4));
  net[OUT_B] = tw_zeros(f, vec(m, 1));
}

static void slices(TwFn *f, TwRef flat, int64_t d, TwRef *net) {
  TwModule *m = f->module;
  int64_t h = d - 1, p = 0;
  net[FIRST_W] = tw_reshape(f, range(f, flat, p, 4), mat(m, 4, 1)), p += 4;
  net[FIRST_B] = range(f, flat, p, 4), p += 4;
  net[HIDDEN_W] = tw_reshape(f, range(f, flat, p, 16 * h), tw_ty(m, TW_REAL, 3, (int64_t[]){h, 4, 4})), p += 16 * h;
  net[HIDDEN_B] = tw_reshape(f, range(f, flat, p, 4 * h), mat(m, h, 4)), p += 4 * h;
  net[OUT_W] = tw_reshape(f, range(f, flat, p, 4), mat(m, 1, 4)), p += 4;
  net[OUT_B] = range(f, flat, p, 1);
}

int64_t tw_flagship_weights(int64_t d) { return 8 + 20 * (d - 1) + 5; }

static TwRef forward(TwFn *b, const TwRef *net, int64_t d, TwRef x) {
  TwModule *m = b->module;
  TwRef h = tw_unary(b, TW_OP_relu, add(b, matvec(b, net[FIRST_W], tw_reshape(b, x, vec(m, 1))), net[FIRST_B]));
  TwFn *layer = tw_fn_new(m, "layer");
  tw_param(layer, tw_ty_scalar(m, TW_INT));
  TwRef in = tw_param(layer, vec(m, 4)), w = tw_param(layer, mat(m, 4, 4)), c = tw_param(layer, vec(m, 4));
  tw_result(layer, tw_unary(layer, TW_OP_relu, add(layer, matvec(layer, w, in), c)));
  TwRegion s = {.body = tw_fn_seal(layer), .trip = d - 1, .n_carry = 1, .n_xs = 2};
  TwRef r = tw_emit_region(b, TW_OP_scan, &s, (TwRef[]){h, net[HIDDEN_W], net[HIDDEN_B]}, 3);
  h = tw_get(b, r, 0);
  return at(b, add(b, matvec(b, net[OUT_W], h), net[OUT_B]), 0);
}

/* mean((f(x) - y)^2 for (x, y) in data) */
static TwRef mse(TwFn *f, const TwRef *net, int64_t d, TwRef x, TwRef y, int64_t n) {
  TwFn *b = tw_fn_new(f->module, "sample");
  TwRef inner[N_LEAVES];
  for (uint32_t k = 0; k < N_LEAVES; k++) inner[k] = tw_param(b, tw_type(f, net[k]));
  TwTy scalar = tw_ty_scalar(f->module, TW_REAL);
  TwRef xi = tw_param(b, scalar), yi = tw_param(b, scalar);
  TwRef e = sub(b, forward(b, inner, d, xi), yi);
  tw_result(b, mul(b, e, e));
  TwRegion s = {.body = tw_fn_seal(b), .trip = n, .n_consts = N_LEAVES, .n_carry = 1, .n_xs = 2};
  TwRef args[N_LEAVES + 2];
  memcpy(args, net, N_LEAVES * sizeof *args);
  args[N_LEAVES] = x;
  args[N_LEAVES + 1] = y;
  return divide(f, tw_get(f, tw_emit_region(f, TW_OP_samples, &s, args, N_LEAVES + 2), 0), tw_real(f, (double)n));
}

const TwFn *tw_flagship_pretrain(TwModule *m, int64_t d, int64_t n, double mix) {
  TwFn *f = tw_fn_new(m, "pretrain.loss");
  TwRef flat = tw_param(f, vec(m, d + 2)), x = tw_param(f, vec(m, n)), y = tw_param(f, vec(m, n)), net[N_LEAVES];
  set_weights(f, range(f, flat, 0, d + 1), at(f, flat, d + 1), d, mix, net);
  tw_result(f, mse(f, net, d, x, y, n));
  return tw_fn_seal(f);
}

const TwFn *tw_flagship_standard(TwModule *m, int64_t d, int64_t n) {
  TwFn *f = tw_fn_new(m, "standard.loss");
  TwRef flat = tw_param(f, vec(m, tw_flagship_weights(d))), x = tw_param(f, vec(m, n)), y = tw_param(f, vec(m, n));
  TwRef net[N_LEAVES];
  slices(f, flat, d, net);
  tw_result(f, mse(f, net, d, x, y, n));
  return tw_fn_seal(f);
}

const TwFn *tw_flagship_model(TwModule *m, int64_t d) {
  TwFn *f = tw_fn_new(m, "model");
  TwRef flat = tw_param(f, vec(m, tw_flagship_weights(d))), x = tw_param(f, tw_ty_scalar(m, TW_REAL)), net[N_LEAVES];
  slices(f, flat, d, net);
  tw_result(f, forward(f, net, d, x));
  return tw_fn_seal(f);
}

const TwFn *tw_adam_step(TwModule *m, const TwFn *grad) {
  TwFn *f = tw_fn_new(m, "step");
  TwTy flat = tw_type(grad, grad->params.at[0]), scalar = tw_ty_scalar(m, TW_REAL);
  TwRef p = tw_param(f, flat), m1 = tw_param(f, flat), m2 = tw_param(f, flat), t = tw_param(f, scalar);
  TwRef args[3] = {p, tw_param(f, tw_type(grad, grad->params.at[1])), tw_param(f, tw_type(grad, grad->params.at[2]))};
  TwRef out[2];
  tw_inline(f, grad, args, out);
  TwRef g = out[1], unit = tw_real(f, 1);
  TwRef c1 = neg(f, tw_unary(f, TW_OP_expm1, mul(f, t, tw_real(f, log(0.9)))));
  TwRef c2 = neg(f, tw_unary(f, TW_OP_expm1, mul(f, t, tw_real(f, log(0.999)))));
  m1 = add(f, mul(f, tw_const(f, flat, 0.9), m1), mul(f, tw_const(f, flat, 0.1), g));
  m2 = add(f, mul(f, tw_const(f, flat, 0.999), m2), mul(f, tw_const(f, flat, 0.001), mul(f, g, g)));
  TwRef root = mul(f, tw_unary(f, TW_OP_sqrt, m2), tw_fit(f, divide(f, unit, tw_unary(f, TW_OP_sqrt, c2)), flat));
  TwRef rate = tw_fit(f, divide(f, tw_real(f, 1e-3), c1), flat);
  tw_result(f, sub(f, p, divide(f, mul(f, rate, m1), add(f, root, tw_const(f, flat, 1e-8)))));
  tw_result(f, m1);
  tw_result(f, m2);
  tw_result(f, out[0]);
  return tw_fn_seal(f);
}

/* ---- counting */
static void count_body(const TwFn *b, TwCounts *c) {
  for (TwRef r = 1; r < b->insts.len; r++) {
    if (tw_info(b, r)->rank > 0 && tw_op(b, r) != TW_OP_param && tw_op(b, r) != TW_OP_get) c->tensors++;
    switch ((int)tw_op(b, r)) {
      case TW_OP_mul:
      case TW_OP_fma: c->multiplies++; break;
      case TW_OP_add:
      case TW_OP_sub: c->adds++; break;
      case TW_OP_div: c->divides++; break;
      case TW_OP_relu: c->relus++; break;
      case TW_OP_select: c->selects++; break;
      case TW_OP_ne:
      case TW_OP_eq:
      case TW_OP_lt:
      case TW_OP_le: c->compares++; break;
      case TW_OP_scan:
        c->scans++;
        count_body(tw_region(b, r)->body, c);
        break;
      case TW_OP_param:
      case TW_OP_const:
      case TW_OP_get:
      case TW_OP_neg: break;
      default: c->others++;
    }
  }
}

TwCounts tw_count_samples(const TwFn *f) {
  TwCounts c = {0};
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) != TW_OP_samples) continue;
    const TwRegion *s = tw_region(f, r);
    c.regions++;
    c.sums += s->n_carry;
    c.ys += s->n_ys;
    c.consts += s->n_consts;
    count_body(s->body, &c);
    /* A sum that is a product is one fma with its accumulator, and was counted as a product. */
    for (uint32_t k = 0; k < s->n_carry; k++) c.adds += tw_op(s->body, s->body->results.at[k]) != TW_OP_mul;
  }
  return c;
}

uint32_t tw_count_op(const TwFn *f, TwOp op) {
  uint32_t n = 0;
  for (TwRef r = 1; r < f->insts.len; r++) {
    TwOp o = tw_op(f, r);
    n += o == op;
    if (o != TW_OP_scan && o != TW_OP_samples && o != TW_OP_cond) continue;
    n += tw_count_op(tw_region(f, r)->body, op);
    if (tw_region(f, r)->other) n += tw_count_op(tw_region(f, r)->other, op);
  }
  return n;
}

/* ---- running */
static uint64_t splitmix(uint64_t *s) {
  uint64_t z = *s += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static size_t bytes_of(const TwFn *f, TwRef r, TwPrecision p) {
  const TwTyInfo *t = tw_info(f, r);
  size_t each = t->dtype == TW_REAL ? (p == TW_F32 ? 4 : 8) : t->dtype == TW_INT ? 8 : 1;
  return each * (size_t)t->count;
}

static void fill(void *to, const TwTyInfo *t, TwPrecision p, uint64_t *seed, double lo, double hi) {
  for (int64_t k = 0; k < t->count; k++) {
    uint64_t u = splitmix(seed);
    double x = lo + (hi - lo) * ((double)(u >> 11) * 0x1p-53);
    if (t->dtype == TW_REAL && p == TW_F32) ((float *)to)[k] = (float)x;
    else if (t->dtype == TW_REAL) ((double *)to)[k] = x;
    else if (t->dtype == TW_INT) ((int64_t *)to)[k] = (int64_t)(u % 3);
    else ((uint8_t *)to)[k] = u & 1;
  }
}

static void **run(const TwFn *f, TwPrecision p, uint64_t seed, double lo, double hi) {
  void **in = calloc(f->params.len + 1, sizeof *in), **out = calloc(f->results.len + 1, sizeof *out);
  for (uint32_t k = 0; k < f->params.len; k++) {
    in[k] = calloc(1, bytes_of(f, f->params.at[k], p) + 1);
    fill(in[k], tw_info(f, f->params.at[k]), p, &seed, lo, hi);
  }
  for (uint32_t k = 0; k < f->results.len; k++) out[k] = calloc(1, bytes_of(f, f->results.at[k], p) + 1);
  if (!tw_interpret(f, p, (const void *const *)in, out)) abort();
  for (uint32_t k = 0; k < f->params.len; k++) free(in[k]);
  free(in);
  return out;
}

static void release(const TwFn *f, void **out) {
  for (uint32_t k = 0; k < f->results.len; k++) free(out[k]);
  free(out);
}

double tw_difference(const TwFn *a, const TwFn *b, uint32_t seed, double lo, double hi) {
  void **x = run(a, TW_F64, seed, lo, hi), **y = run(b, TW_F64, seed, lo, hi);
  double worst = 0;
  for (uint32_t k = 0; k < a->results.len && worst >= 0; k++) {
    const TwTyInfo *t = tw_info(a, a->results.at[k]);
    double size = 1;
    for (int64_t e = 0; t->dtype == TW_REAL && e < t->count; e++) {
      double u = ((double *)x[k])[e];
      if (isfinite(u) && fabs(u) > size) size = fabs(u);
    }
    for (int64_t e = 0; e < t->count && worst >= 0; e++) {
      if (t->dtype != TW_REAL) {
        if (memcmp(x[k], y[k], bytes_of(a, a->results.at[k], TW_F64)) != 0) worst = -1;
        break;
      }
      double u = ((double *)x[k])[e], v = ((double *)y[k])[e];
      if (isfinite(u) != isfinite(v)) worst = -1;
      else if (isfinite(u) && fabs(u - v) / size > worst) worst = fabs(u - v) / size;
    }
  }
  release(a, x);
  release(b, y);
  return worst;
}

bool tw_same_bits(const TwFn *a, const TwFn *b, TwPrecision p, uint32_t seed, double lo, double hi) {
  void **x = run(a, p, seed, lo, hi), **y = run(b, p, seed, lo, hi);
  bool same = true;
  for (uint32_t k = 0; k < a->results.len; k++) {
    const TwTyInfo *t = tw_info(a, a->results.at[k]);
    for (int64_t e = 0; e < t->count; e++) {
      if (t->dtype == TW_REAL && p == TW_F32) {
        float u = ((float *)x[k])[e], v = ((float *)y[k])[e];
        same = same && (u == v || (isnan(u) && isnan(v)));
      } else if (t->dtype == TW_REAL) {
        double u = ((double *)x[k])[e], v = ((double *)y[k])[e];
        same = same && (u == v || (isnan(u) && isnan(v)));
      }
    }
    if (t->dtype != TW_REAL) same = same && memcmp(x[k], y[k], bytes_of(a, a->results.at[k], p)) == 0;
  }
  release(a, x);
  release(b, y);
  return same;
}
