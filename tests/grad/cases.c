/* cases.c: see cases.h. The table follows ops.def: an op without cases does not compile.
 * A case adds params with c_in (uniform in [lo, hi], at least `gap` from 0) and ends with tw_result. */
#include "cases.h"

typedef TwRef Ref;

static TwTy scalar(Case *c) { return tw_ty_scalar(c->module, TW_REAL); }
static TwTy vec(Case *c, int64_t n) { return tw_ty(c->module, TW_REAL, 1, (int64_t[]){n}); }
static TwTy mat(Case *c, int64_t n, int64_t m) { return tw_ty(c->module, TW_REAL, 2, (int64_t[]){n, m}); }

static Ref c_in(Case *c, TwTy type, double lo, double hi, double gap) {
  double *r = c->range[c->n++];
  r[0] = lo, r[1] = hi, r[2] = gap;
  return tw_param(c->f, type);
}
static Ref c_real(Case *c, TwTy type) { return c_in(c, type, -2, 2, 0); }
static bool out(Case *c, Ref r) { return tw_result(c->f, r), true; }
static Ref mul(TwFn *f, Ref a, Ref b) { return tw_binary(f, TW_OP_mul, a, b); }
static Ref add(TwFn *f, Ref a, Ref b) { return tw_binary(f, TW_OP_add, a, b); }

typedef bool CaseRule(Case *c, uint32_t variant);
#define CASE(name) static bool case_##name(Case *c, uint32_t v)

/* ---- leaves */
CASE(param) { return v == 0 && out(c, c_real(c, mat(c, 2, 3))); }
CASE(const) { return v == 0 && out(c, mul(c->f, c_real(c, vec(c, 3)), tw_const(c->f, vec(c, 3), 1.5))); }
CASE(iota) {
  return v == 0 && out(c, mul(c->f, c_real(c, vec(c, 3)), tw_unary(c->f, TW_OP_to_real, tw_iota(c->f, 3))));
}
CASE(draw) {
  if (v) return false;
  return out(c, mul(c->f, c_real(c, vec(c, 3)), tw_draw(c->f, vec(c, 3), tw_int(c->f, 1), tw_int(c->f, 2), 3)));
}

/* ---- one operand. Where a derivative is odd or even, the points lie on one side of 0 in neither. */
static bool unary(Case *c, TwOp op, uint32_t v, double lo, double hi, double gap) {
  if (v > 1) return false;
  return out(c, tw_unary(c->f, op, c_in(c, v ? mat(c, 2, 3) : scalar(c), lo, hi, gap)));
}
CASE(neg) { return unary(c, TW_OP_neg, v, -2, 2, 0.5); }
CASE(abs) { return unary(c, TW_OP_abs, v, -2, 2, 0.5); }
CASE(relu) {
  if (v < 2) return unary(c, TW_OP_relu, v, v ? -2 : 1, 2, 0.5);
  return v == 2 &&
         out(c, tw_unary(c->f, TW_OP_relu, mul(c->f, c_in(c, vec(c, 3), 0.5, 1, 0), c_in(c, vec(c, 3), 0.5, 1, 0))));
}
CASE(sqrt) { return unary(c, TW_OP_sqrt, v, 0.5, 2, 0); }
CASE(exp) { return unary(c, TW_OP_exp, v, -1, 1, 0); }
CASE(expm1) { return unary(c, TW_OP_expm1, v, -1, 1, 0); }
CASE(log) { return unary(c, TW_OP_log, v, 0.5, 2, 0); }
CASE(log1p) { return unary(c, TW_OP_log1p, v, -0.4, 1, 0); }
CASE(sin) { return unary(c, TW_OP_sin, v, -2, 2, 0); }
CASE(cos) { return unary(c, TW_OP_cos, v, -2, 2, 0.2); }
CASE(tan) { return unary(c, TW_OP_tan, v, -1, 1, 0); }
CASE(asin) { return unary(c, TW_OP_asin, v, -0.6, 0.6, 0); }
CASE(acos) { return unary(c, TW_OP_acos, v, -0.6, 0.6, 0); }
CASE(atan) { return unary(c, TW_OP_atan, v, -1, 1, 0); }
CASE(sinh) { return unary(c, TW_OP_sinh, v, -1, 1, 0); }
CASE(cosh) { return unary(c, TW_OP_cosh, v, -1, 1, 0.2); }
CASE(tanh) { return unary(c, TW_OP_tanh, v, -1, 1, 0); }
CASE(logistic) { return unary(c, TW_OP_logistic, v, -2, 2, 0); }

/* Steps: the value of x times a step is piecewise linear. */
static bool step(Case *c, TwOp op, uint32_t v) {
  Ref x = v > 0 ? 0 : c_in(c, vec(c, 3), 0.3, 0.7, 0);
  return x && out(c, mul(c->f, x, tw_unary(c->f, op, add(c->f, x, tw_const(c->f, vec(c, 3), 2)))));
}
CASE(sign) { return step(c, TW_OP_sign, v); }
CASE(floor) { return step(c, TW_OP_floor, v); }
CASE(to_int) {
  if (v) return false;
  Ref x = c_in(c, vec(c, 3), 2.2, 2.8, 0);
  return out(c, mul(c->f, x, tw_unary(c->f, TW_OP_to_real, tw_unary(c->f, TW_OP_to_int, x))));
}
CASE(to_real) {
  if (v) return false;
  Ref x = c_in(c, vec(c, 3), 1.2, 1.8, 0), y = c_in(c, vec(c, 3), 0.3, 0.7, 0);
  return out(c, mul(c->f, x, tw_unary(c->f, TW_OP_to_real, tw_binary(c->f, TW_OP_lt, y, x))));
}

/* ---- two operands: both, either alone, a literal on either side, the same twice, a product as operand */
static bool binary(Case *c, TwOp op, uint32_t v, const double a[2], const double b[2]) {
  TwFn *f = c->f;
  TwTy t = v & 1 ? mat(c, 2, 2) : scalar(c);
  switch (v) {
    case 0:
    case 1: {
      Ref x = c_in(c, t, a[0], a[1], 0), y = c_in(c, t, b[0], b[1], 0);
      return out(c, tw_binary(f, op, x, y));
    }
    case 2:
    case 3: return out(c, tw_binary(f, op, c_in(c, t, a[0], a[1], 0), tw_const(f, t, b[0] + 0.37 * (b[1] - b[0]))));
    case 4:
    case 5: return out(c, tw_binary(f, op, tw_const(f, t, a[0] + 0.37 * (a[1] - a[0])), c_in(c, t, b[0], b[1], 0)));
    case 6:
    case 7: {
      Ref x = c_in(c, t, a[0], a[1], 0), y = c_in(c, t, b[0], b[1], 0), z = c_in(c, t, 0.8, 1.1, 0);
      return out(c, mul(f, z, tw_binary(f, op, x, mul(f, y, z))));
    }
  }
  return false;
}
static const double POSITIVE[2] = {0.6, 1.6}, ANY[2] = {-2, 2}, LOW[2] = {-2, -1}, HIGH[2] = {1, 2};

static bool twice(Case *c, TwOp op, uint32_t v) {
  if (v != 8) return false;
  Ref x = c_in(c, vec(c, 3), 0.6, 1.6, 0);
  return out(c, tw_binary(c->f, op, x, x));
}
CASE(add) { return binary(c, TW_OP_add, v, ANY, ANY) || twice(c, TW_OP_add, v); }
CASE(sub) { return binary(c, TW_OP_sub, v, ANY, ANY); }
CASE(mul) { return binary(c, TW_OP_mul, v, ANY, ANY) || twice(c, TW_OP_mul, v); }
CASE(mul0) { return binary(c, TW_OP_mul0, v, ANY, ANY) || twice(c, TW_OP_mul0, v); }
CASE(div) { return binary(c, TW_OP_div, v, ANY, POSITIVE) || twice(c, TW_OP_div, v); }
CASE(mod) {
  if (v) return false;
  Ref x = c_real(c, vec(c, 3));
  return out(c, tw_index(c->f, x, tw_binary(c->f, TW_OP_mod, tw_int(c->f, 5), tw_int(c->f, 3))));
}
CASE(pow) { return binary(c, TW_OP_pow, v, POSITIVE, ANY) || twice(c, TW_OP_pow, v); }
CASE(atan2) { return binary(c, TW_OP_atan2, v, POSITIVE, POSITIVE); }
static bool ordered(Case *c, TwOp op, uint32_t v) {
  if (v < 8) return binary(c, op, v, LOW, HIGH);
  return v < 16 && binary(c, op, v - 8, HIGH, LOW);
}
CASE(min) { return ordered(c, TW_OP_min, v); }
CASE(max) { return ordered(c, TW_OP_max, v); }
CASE(fma) {
  if (v > 1) return false;
  TwTy t = v ? mat(c, 2, 2) : scalar(c);
  Ref x = c_real(c, t), y = c_real(c, t), z = c_real(c, t);
  return out(c, tw_fma(c->f, x, y, z));
}

/* x y with its partials stated: at first the value is without derivative, then it gets one after the other. */
static bool stated(Case *c, uint32_t v) {
  if (v > 2) return false;
  TwFn *f = c->f;
  TwTy t = v & 1 ? mat(c, 2, 2) : scalar(c);
  Ref x = c_real(c, t), y = v == 2 ? tw_const(f, t, 1.75) : c_real(c, t);
  Ref a = tw_along(f, tw_unary(f, TW_OP_stop, mul(f, x, y)), x, y);
  return out(c, v == 2 ? a : tw_along(f, a, y, x));
}
CASE(stop) { return stated(c, v); }
CASE(along) { return stated(c, v); }

/* ---- truth values decide a select */
static bool decide(Case *c, TwOp op, uint32_t v) {
  if (v > 1) return false;
  TwFn *f = c->f;
  Ref x = c_in(c, vec(c, 3), v ? -2 : 1, v ? -1 : 2, 0), y = c_in(c, vec(c, 3), -0.5, 0.5, 0);
  return out(c, tw_select(f, tw_binary(f, op, x, y), mul(f, x, x), y));
}
CASE(lt) { return decide(c, TW_OP_lt, v); }
CASE(le) { return decide(c, TW_OP_le, v); }
CASE(eq) { return decide(c, TW_OP_eq, v); }
CASE(ne) { return decide(c, TW_OP_ne, v); }
static bool logic(Case *c, TwOp op, uint32_t v) {
  if (v > 1) return false;
  TwFn *f = c->f;
  Ref x = c_in(c, vec(c, 3), 1, 2, 0), y = c_in(c, vec(c, 3), -0.5, 0.5, 0);
  Ref p = tw_binary(f, TW_OP_lt, x, y), q = tw_binary(f, TW_OP_lt, y, x);
  Ref t = op == TW_OP_not ? tw_unary(f, op, v ? p : q) : tw_binary(f, op, p, v ? q : p);
  return out(c, tw_select(f, t, mul(f, x, x), mul(f, y, y)));
}
CASE(and) { return logic(c, TW_OP_and, v); }
CASE(or) { return logic(c, TW_OP_or, v); }
CASE(not ) { return logic(c, TW_OP_not, v); }
CASE(select) {
  if (v > 3) return false;
  TwFn *f = c->f;
  Ref x = c_in(c, vec(c, 3), -2, 2, 0), y = c_in(c, vec(c, 3), -1, 1, 0);
  Ref which = tw_binary(f, TW_OP_lt, c_in(c, vec(c, 3), -1, 1, 0.4), tw_zeros(f, vec(c, 3)));
  Ref lit = tw_const(f, vec(c, 3), 1.5);
  return out(c, tw_select(f, which, v == 1 ? lit : v == 3 ? mul(f, x, y) : x, v == 2 ? lit : y));
}

/* ---- shape */
CASE(broadcast) {
  int64_t cube[3] = {2, 3, 2};
  TwTy t = tw_ty(c->module, TW_REAL, 3, cube);
  switch (v) {
    case 0: return out(c, tw_broadcast(c->f, c_real(c, scalar(c)), mat(c, 2, 3), NULL));
    case 1: return out(c, tw_broadcast(c->f, c_real(c, vec(c, 3)), t, (int64_t[]){1}));
    case 2: return out(c, tw_broadcast(c->f, c_real(c, mat(c, 2, 3)), t, (int64_t[]){2, 1}));
    case 3: return out(c, mul(c->f, c_real(c, t), tw_broadcast(c->f, c_real(c, vec(c, 2)), t, (int64_t[]){2})));
  }
  return false;
}
CASE(reshape) { return v == 0 && out(c, tw_reshape(c->f, c_real(c, mat(c, 2, 3)), mat(c, 3, 2))); }
CASE(transpose) {
  if (v == 0) return out(c, tw_transpose(c->f, c_real(c, mat(c, 2, 3)), (int64_t[]){1, 0}));
  TwTy t = tw_ty(c->module, TW_REAL, 3, (int64_t[]){2, 3, 4});
  return v == 1 && out(c, tw_transpose(c->f, c_real(c, t), (int64_t[]){2, 0, 1}));
}
CASE(reverse) { return v < 2 && out(c, tw_reverse(c->f, c_real(c, mat(c, 2, 3)), v)); }
CASE(slice) {
  if (v == 0) return out(c, tw_slice(c->f, c_real(c, mat(c, 3, 5)), mat(c, 2, 2), (int64_t[]){1, 1, 0, 3}));
  if (v > 1) return false;
  Ref x = c_real(c, vec(c, 4)), a = tw_slice(c->f, x, vec(c, 3), (int64_t[]){0, 1}),
      b = tw_slice(c->f, x, vec(c, 3), (int64_t[]){1, 1});
  return out(c, mul(c->f, a, b));
}
CASE(pad) { return v == 0 && out(c, tw_pad(c->f, c_real(c, mat(c, 2, 2)), mat(c, 3, 5), (int64_t[]){1, 1, 0, 3})); }
CASE(concat) {
  Ref x = c_real(c, mat(c, 2, 2)), y = c_real(c, mat(c, 2, 2));
  if (v == 0) return out(c, tw_concat(c->f, (Ref[]){x, tw_const(c->f, mat(c, 2, 1), 0.5), y}, 3, 1));
  if (v == 1) return out(c, tw_concat(c->f, (Ref[]){x, y, x}, 3, 0));
  return v == 2 && out(c, tw_stack(c->f, (Ref[]){x, y}, 2));
}
/* A product of what is read twice, at an int that is a param, so that nothing folds. */
CASE(index) {
  if (v > 1) return false;
  Ref t = c_real(c, v ? mat(c, 3, 2) : vec(c, 3)), i = c_in(c, tw_ty_scalar(c->module, TW_INT), 0, 2, 0);
  return out(c, mul(c->f, tw_index(c->f, t, i), tw_index(c->f, t, tw_int(c->f, 0))));
}
CASE(add_at) {
  if (v > 2) return false;
  TwFn *f = c->f;
  Ref t = v == 1 ? tw_const(f, mat(c, 3, 2), 0.5) : c_real(c, mat(c, 3, 2));
  Ref u = v == 2 ? tw_const(f, vec(c, 2), 0.5) : c_real(c, vec(c, 2));
  return out(c, tw_add_at(f, t, c_in(c, tw_ty_scalar(c->module, TW_INT), 0, 2, 0), u));
}
CASE(sum) {
  TwTy t = tw_ty(c->module, TW_REAL, 3, (int64_t[]){2, 3, 2});
  switch (v) {
    case 0: return out(c, tw_sum_all(c->f, c_real(c, t)));
    case 1: return out(c, tw_sum(c->f, c_real(c, t), (int64_t[]){1}, 1));
    case 2: return out(c, tw_sum(c->f, c_real(c, t), (int64_t[]){0, 2}, 2));
    case 3: return out(c, tw_sum_all(c->f, c_real(c, vec(c, 70))));
  }
  return false;
}
static bool extremum(Case *c, TwOp op, uint32_t v) {
  if (v > 2) return false;
  return out(c, tw_reduce(c->f, op, c_real(c, mat(c, 2, 3)), (int64_t[]){v == 1 ? 1 : 0, 1}, v == 2 ? 2 : 1));
}
CASE(rmax) { return extremum(c, TW_OP_rmax, v); }
CASE(rmin) { return extremum(c, TW_OP_rmin, v); }
CASE(argmask) {
  if (v > 1) return false;
  Ref x = c_real(c, mat(c, 2, 3));
  return out(c, tw_select(c->f, tw_argmask(c->f, v, x, (int64_t[]){1}, 1), mul(c->f, x, x), x));
}
CASE(dot) {
  TwFn *f = c->f;
  TwTy t = tw_ty(c->module, TW_REAL, 3, (int64_t[]){2, 3, 4}), u = tw_ty(c->module, TW_REAL, 3, (int64_t[]){4, 5, 3});
  switch (v) {
    case 0:
      return out(c, tw_dot(f, c_real(c, mat(c, 2, 2)), c_real(c, mat(c, 2, 2)), (int64_t[]){1}, (int64_t[]){0}, 1));
    case 1:
      return out(c, tw_dot(f, c_real(c, mat(c, 2, 3)), c_real(c, mat(c, 4, 3)), (int64_t[]){1}, (int64_t[]){1}, 1));
    case 2: return out(c, tw_dot(f, c_real(c, t), c_real(c, u), (int64_t[]){1, 2}, (int64_t[]){2, 0}, 2));
    case 3: return out(c, tw_dot(f, c_real(c, t), c_real(c, u), (int64_t[]){2}, (int64_t[]){0}, 1));
    case 4: return out(c, tw_dot(f, c_real(c, vec(c, 3)), c_real(c, vec(c, 2)), NULL, NULL, 0));
    case 5: return out(c, tw_dot(f, c_real(c, vec(c, 3)), c_real(c, vec(c, 3)), (int64_t[]){0}, (int64_t[]){0}, 1));
    case 6: {
      Ref x = c_real(c, mat(c, 3, 3));
      return out(c, tw_dot(f, x, x, (int64_t[]){1}, (int64_t[]){0}, 1));
    }
  }
  return false;
}

/* ---- regions */

/* (i, w: real[4, 2], k; s, h: real[2]; x) -> (tanh(s w[i, 0] + x), sin(h) * k + w[i]; s x, i h) */
static const TwFn *scan_body(Case *c) {
  TwFn *b = tw_fn_new(c->module, "body");
  Ref i = tw_param(b, tw_ty_scalar(c->module, TW_INT)), w = tw_param(b, mat(c, 4, 2)), k = tw_param(b, scalar(c));
  Ref s = tw_param(b, scalar(c)), h = tw_param(b, vec(c, 2)), x = tw_param(b, scalar(c));
  Ref row = tw_index(b, w, i), first = tw_index(b, row, tw_int(b, 0));
  tw_result(b, tw_unary(b, TW_OP_tanh, add(b, mul(b, s, first), x)));
  tw_result(b, add(b, mul(b, tw_unary(b, TW_OP_sin, h), tw_fit(b, tw_unary(b, TW_OP_exp, k), vec(c, 2))), row));
  tw_result(b, mul(b, s, x));
  tw_result(b, mul(b, tw_fit(b, tw_unary(b, TW_OP_to_real, i), vec(c, 2)), h));
  return tw_fn_seal(b);
}
CASE(scan) {
  if (v > 3) return false;
  TwRegion g = {.body = scan_body(c),
                .trip = v == 2 ? 1 : 4,
                .reverse = v == 1,
                .n_consts = 2,
                .n_carry = 2,
                .n_xs = 1,
                .n_ys = 2};
  Ref w = c_real(c, mat(c, 4, 2)), k = c_in(c, scalar(c), -0.5, 0.5, 0), s = c_real(c, scalar(c));
  Ref h = v == 3 ? tw_const(c->f, vec(c, 2), 0.5) : c_real(c, vec(c, 2)), x = c_real(c, vec(c, g.trip));
  Ref r = tw_emit_region(c->f, TW_OP_scan, &g, (Ref[]){w, k, s, h, x}, 5);
  for (uint32_t n = 0; n < 4; n++)
    if (v != 3 || n != 2) tw_result(c->f, tw_get(c->f, r, n));
  return true;
}

/* (w: real[2], k, x, y) -> ((tanh(x w0 + w1) - y)^2, k x w; x k) */
static const TwFn *samples_body(Case *c) {
  TwFn *b = tw_fn_new(c->module, "body");
  Ref w = tw_param(b, vec(c, 2)), k = tw_param(b, scalar(c)), x = tw_param(b, scalar(c)), y = tw_param(b, scalar(c));
  Ref z = add(b, mul(b, x, tw_index(b, w, tw_int(b, 0))), tw_index(b, w, tw_int(b, 1)));
  Ref e = tw_binary(b, TW_OP_sub, tw_unary(b, TW_OP_tanh, z), y);
  tw_result(b, mul(b, e, e));
  tw_result(b, mul(b, tw_fit(b, mul(b, k, x), vec(c, 2)), w));
  tw_result(b, mul(b, x, k));
  return tw_fn_seal(b);
}
CASE(samples) {
  if (v > 2) return false;
  int64_t n = v ? 3 : 35;
  TwRegion g = {.body = samples_body(c), .trip = n, .n_consts = 2, .n_carry = 2, .n_xs = 2, .n_ys = 1};
  Ref w = c_real(c, vec(c, 2)), k = c_real(c, scalar(c)), x = c_real(c, vec(c, n)), y = c_real(c, vec(c, n));
  Ref r = tw_emit_region(c->f, TW_OP_samples, &g, (Ref[]){w, k, x, y}, 4);
  if (v == 1) return out(c, tw_unary(c->f, TW_OP_sqrt, tw_get(c->f, r, 0))); /* the scalar sum alone */
  for (uint32_t s = 0; s < 3; s++) tw_result(c->f, tw_get(c->f, r, s));
  return true;
}

/* then: (x, w) -> (sin(x) x, w[0] w); otherwise: (x, w) -> (w[1] x, w) */
static const TwFn *branch(Case *c, bool then) {
  TwFn *b = tw_fn_new(c->module, then ? "then" : "otherwise");
  Ref x = tw_param(b, scalar(c)), w = tw_param(b, vec(c, 3)), at = tw_index(b, w, tw_int(b, then ? 0 : 1));
  tw_result(b, mul(b, then ? tw_unary(b, TW_OP_sin, x) : at, x));
  tw_result(b, then ? mul(b, tw_fit(b, tw_unary(b, TW_OP_exp, at), vec(c, 3)), w) : tw_unary(b, TW_OP_tanh, w));
  return tw_fn_seal(b);
}
static Ref choose(Case *c, Ref p, Ref x, Ref w) {
  TwRegion g = {.body = branch(c, true), .other = branch(c, false), .n_consts = 2, .n_ys = 2};
  return tw_emit_region(c->f, TW_OP_cond, &g, (Ref[]){p, x, w}, 3);
}
CASE(cond) {
  if (v > 1) return false;
  TwFn *f = c->f;
  Ref x = c_in(c, scalar(c), v ? -2 : 1, v ? -1 : 2, 0), w = c_real(c, vec(c, 3));
  Ref r = choose(c, tw_binary(f, TW_OP_lt, x, tw_real(f, 0)), x, w);
  tw_result(f, tw_get(f, r, 0));
  tw_result(f, mul(f, tw_get(f, r, 1), w));
  return true;
}
CASE(get) {
  if (v) return false;
  Ref x = c_real(c, scalar(c)), w = c_real(c, vec(c, 3));
  return out(c, tw_get(c->f, choose(c, tw_binary(c->f, TW_OP_lt, x, tw_real(c->f, 0)), x, w), 1));
}

/* ---- the table */

static CaseRule *const rules[TW_OP_COUNT] = {
#define TW_OP(name, arity, shape, jvp, transpose, fold) [TW_OP_##name] = case_##name,
#include "compiler/ir/ops.def"
#undef TW_OP
};

static void fill(Case *c, const Data *x) {
  for (uint32_t k = 0; k < x->n; k++)
    for (int64_t e = 0; e < x->info[k].count; e++) {
      const double *r = c->range[k];
      double value = rng_uniform(c->rng, r[0], r[1]);
      while (value < r[2] && value > -r[2]) value = rng_uniform(c->rng, r[0], r[1]);
      if (x->info[k].dtype == TW_REAL) ((double *)x->at[k])[e] = value;
      else ((int64_t *)x->at[k])[e] = (int64_t)rng_below(c->rng, (uint32_t)r[1] + 1);
    }
}

const TwFn *case_build(TwModule *m, TwOp op, uint32_t variant, Rng *rng, Data *x) {
  Case c = {.module = m, .f = tw_fn_new(m, tw_op_name(op)), .rng = rng};
  if (!rules[op](&c, variant)) return NULL;
  const TwFn *f = tw_fn_seal(c.f);
  *x = data_params(f);
  fill(&c, x);
  return f;
}
