/* random.c: see random.h. Every value is built in both programs by the same calls; operands come
 * from a pool of earlier values, literals are often 0, 1 and -1. Indices are kept in range. */
#include "tests/ir/random.h"

#include <math.h>

#include "tests/ir/support.h"

/* One value in both programs. */
typedef struct Pair {
  TwRef plain, fold;
} Pair;

enum { POOL = 400 };
typedef struct Gen {
  TwModule *m;
  TwFn *plain, *fold;
  Pair pool[POOL];
  uint32_t n;
  uint64_t *rng;
} Gen;

static uint32_t choose(Gen *g, uint32_t n) { return (uint32_t)(next_random(g->rng) % n); }
static TwTy type_of(const Gen *g, Pair p) { return tw_type(g->plain, p.plain); }
static const TwTyInfo *info_of(const Gen *g, Pair p) { return tw_info(g->plain, p.plain); }

static void push(Gen *g, TwRef plain, TwRef fold) {
  if (tw_type(g->plain, plain) != tw_type(g->fold, fold)) {
    fputs("folding changed a type\n", stderr);
    exit(1);
  }
  if (g->n < POOL) g->pool[g->n++] = (Pair){plain, fold};
}
#define BOTH(g, call_plain, call_fold) push(g, call_plain, call_fold)

static TwTy random_type(Gen *g, TwDtype d) {
  static const int64_t shapes[][3] = {{0}, {2}, {3}, {2, 3}, {3, 2}, {1}, {3, 1}, {2, 2, 3}};
  static const uint32_t ranks[] = {0, 1, 1, 2, 2, 1, 2, 3};
  uint32_t k = choose(g, 8);
  return tw_ty(g->m, d, ranks[k], shapes[k]);
}

static Pair literal(Gen *g, TwTy t) {
  static const double usual[] = {0, 0, 0, 1, 1, -1, 2, 0.5};
  double x = choose(g, 4) ? usual[choose(g, 8)] : next_real(g->rng);
  if (tw_ty_info(g->m, t)->dtype == TW_INT) x = floor(x);
  push(g, tw_const(g->plain, t, x), tw_const(g->fold, t, x));
  return g->pool[g->n - 1];
}

/* A value of that type: an earlier one, or a literal. */
static Pair pick(Gen *g, TwTy t) {
  for (int tries = 0; tries < 30 && g->n; tries++) {
    Pair p = g->pool[choose(g, g->n)];
    if (type_of(g, p) == t) return p;
  }
  return literal(g, t);
}

static Pair pick_any(Gen *g, TwDtype d) {
  for (int tries = 0; tries < 20 && g->n; tries++) {
    Pair p = g->pool[choose(g, g->n)];
    if (info_of(g, p)->dtype == d) return p;
  }
  return literal(g, random_type(g, d));
}

static void add_elementwise(Gen *g) {
  static const TwOp ones[] = {TW_OP_neg, TW_OP_abs,  TW_OP_relu,  TW_OP_sign,
                              TW_OP_sin, TW_OP_tanh, TW_OP_floor, TW_OP_logistic};
  static const TwOp twos[] = {TW_OP_add, TW_OP_sub, TW_OP_mul, TW_OP_mul0, TW_OP_min, TW_OP_max, TW_OP_add, TW_OP_mul};
  static const TwOp ints[] = {TW_OP_add, TW_OP_sub, TW_OP_mul, TW_OP_div, TW_OP_mod, TW_OP_min, TW_OP_max};
  static const TwOp cmps[] = {TW_OP_lt, TW_OP_le, TW_OP_eq, TW_OP_ne};
  Pair a = pick_any(g, choose(g, 4) ? TW_REAL : TW_INT);
  bool real = info_of(g, a)->dtype == TW_REAL;
  Pair b = pick(g, type_of(g, a)), c = pick(g, type_of(g, a));
  TwOp op;
  switch (choose(g, 6)) {
    case 0:
    case 1:
      op = real ? ones[choose(g, 8)] : TW_OP_neg;
      BOTH(g, tw_unary(g->plain, op, a.plain), tw_unary(g->fold, op, a.fold));
      break;
    case 2:
    case 3:
      op = real ? twos[choose(g, 8)] : ints[choose(g, 7)];
      BOTH(g, tw_binary(g->plain, op, a.plain, b.plain), tw_binary(g->fold, op, a.fold, b.fold));
      break;
    case 4:
      op = cmps[choose(g, 4)];
      BOTH(g, tw_binary(g->plain, op, a.plain, b.plain), tw_binary(g->fold, op, a.fold, b.fold));
      break;
    case 5:
      if (real) BOTH(g, tw_fma(g->plain, a.plain, b.plain, c.plain), tw_fma(g->fold, a.fold, b.fold, c.fold));
      else BOTH(g, tw_unary(g->plain, TW_OP_to_real, a.plain), tw_unary(g->fold, TW_OP_to_real, a.fold));
      break;
  }
}

static void add_logic(Gen *g) {
  Pair a = pick_any(g, TW_BOOL), b = pick(g, type_of(g, a));
  TwTy t = tw_ty_with(g->m, choose(g, 3) ? TW_REAL : TW_BOOL, type_of(g, a));
  Pair x = pick(g, t), y = pick(g, t);
  TwOp op = choose(g, 2) ? TW_OP_and : TW_OP_or;
  switch (choose(g, 4)) {
    case 0: BOTH(g, tw_binary(g->plain, op, a.plain, b.plain), tw_binary(g->fold, op, a.fold, b.fold)); break;
    case 1: BOTH(g, tw_unary(g->plain, TW_OP_not, a.plain), tw_unary(g->fold, TW_OP_not, a.fold)); break;
    case 2: BOTH(g, tw_unary(g->plain, TW_OP_to_real, a.plain), tw_unary(g->fold, TW_OP_to_real, a.fold)); break;
    case 3: BOTH(g, tw_select(g->plain, a.plain, x.plain, y.plain), tw_select(g->fold, a.fold, x.fold, y.fold)); break;
  }
}

static void add_slice_or_pad(Gen *g, Pair a) {
  TwTyInfo t = *info_of(g, a);
  int64_t lattice[2 * TW_MAX_RANK];
  bool pad = choose(g, 2);
  if (t.rank == 0 || t.count == 0) return;
  for (uint32_t k = 0; k < t.rank; k++) {
    int64_t n = t.dims[k], step = 1 + choose(g, 2), start = choose(g, 2);
    if (pad) {
      t.dims[k] = start + (n - 1) * step + 1 + choose(g, 2);
    } else {
      start = n > 1 ? start : 0;
      t.dims[k] = (n - start + step - 1) / step;
      if (t.dims[k] > 1 && choose(g, 2)) t.dims[k]--;
    }
    lattice[2 * k] = start, lattice[2 * k + 1] = step;
  }
  if (t.rank > 3 || t.dims[0] > 8) return;
  TwTy to = tw_ty(g->m, t.dtype, t.rank, t.dims);
  if (pad) BOTH(g, tw_pad(g->plain, a.plain, to, lattice), tw_pad(g->fold, a.fold, to, lattice));
  else BOTH(g, tw_slice(g->plain, a.plain, to, lattice), tw_slice(g->fold, a.fold, to, lattice));
}

static void add_broadcast(Gen *g, Pair a) {
  TwTyInfo t = *info_of(g, a);
  if (t.rank > 2) return;
  int64_t axes[3], lead = choose(g, t.rank + 1); /* the new axis */
  for (uint32_t k = 0; k < t.rank; k++) axes[k] = k + (k >= lead);
  for (uint32_t k = t.rank; k > lead; k--) t.dims[k] = t.dims[k - 1];
  t.dims[lead] = 1 + choose(g, 3);
  TwTy to = tw_ty(g->m, t.dtype, t.rank + 1, t.dims);
  BOTH(g, tw_broadcast(g->plain, a.plain, to, axes), tw_broadcast(g->fold, a.fold, to, axes));
}

static void add_shape(Gen *g) {
  Pair a = pick_any(g, choose(g, 5) ? TW_REAL : TW_INT), b;
  TwTyInfo t = *info_of(g, a);
  int64_t perm[3] = {0, 1, 2}, flat = t.count, axis = t.rank ? choose(g, t.rank) : 0;
  if (t.rank > 3) return;
  if (t.rank > 1 && choose(g, 2)) perm[0] = 1, perm[1] = 0;
  if (t.rank > 2 && choose(g, 2)) perm[2] = perm[0], perm[0] = 2;
  switch (choose(g, 8)) {
    case 0: add_broadcast(g, a); break;
    case 1: {
      TwTy to = choose(g, 2) ? tw_ty(g->m, t.dtype, 1, &flat)
                : t.rank < 3 ? tw_ty_lead(g->m, 1, type_of(g, a))
                             : type_of(g, a);
      BOTH(g, tw_reshape(g->plain, a.plain, to), tw_reshape(g->fold, a.fold, to));
      break;
    }
    case 2: BOTH(g, tw_transpose(g->plain, a.plain, perm), tw_transpose(g->fold, a.fold, perm)); break;
    case 3:
      if (t.rank) BOTH(g, tw_reverse(g->plain, a.plain, axis), tw_reverse(g->fold, a.fold, axis));
      break;
    case 4:
    case 5: add_slice_or_pad(g, a); break;
    case 6:
      b = choose(g, 3) ? pick(g, type_of(g, a)) : a;
      if (t.rank && t.dims[axis] < 6)
        BOTH(g, tw_concat(g->plain, (TwRef[]){a.plain, b.plain, a.plain}, 3, axis),
             tw_concat(g->fold, (TwRef[]){a.fold, b.fold, a.fold}, 3, axis));
      break;
    case 7:
      b = pick(g, type_of(g, a));
      if (t.rank < 3)
        BOTH(g, tw_stack(g->plain, (TwRef[]){a.plain, b.plain}, 2), tw_stack(g->fold, (TwRef[]){a.fold, b.fold}, 2));
      break;
  }
}

/* An index that is in range. */
static Pair in_range(Gen *g, int64_t n) {
  Pair i = pick(g, tw_ty_scalar(g->m, TW_INT));
  TwRef plain = tw_binary(g->plain, TW_OP_mod, i.plain, tw_int(g->plain, n));
  push(g, plain, tw_binary(g->fold, TW_OP_mod, i.fold, tw_int(g->fold, n)));
  return g->pool[g->n - 1];
}

static void add_reduction(Gen *g) {
  Pair a = pick_any(g, choose(g, 5) ? TW_REAL : TW_INT), i, b;
  TwTyInfo t = *info_of(g, a);
  if (t.rank == 0 || t.rank > 3 || t.count == 0) return;
  int64_t axes[3], axis = 0;
  uint32_t n = 0;
  for (uint32_t k = 0; k < t.rank; k++)
    if (choose(g, 2)) axes[n++] = k;
  switch (choose(g, 6)) {
    case 0: BOTH(g, tw_sum(g->plain, a.plain, axes, n), tw_sum(g->fold, a.fold, axes, n)); break;
    case 1:
      BOTH(g, tw_reduce(g->plain, TW_OP_rmax, a.plain, axes, n), tw_reduce(g->fold, TW_OP_rmax, a.fold, axes, n));
      break;
    case 2: BOTH(g, tw_argmask(g->plain, n & 1, a.plain, axes, n), tw_argmask(g->fold, n & 1, a.fold, axes, n)); break;
    case 3:
      i = in_range(g, t.dims[0]);
      BOTH(g, tw_index(g->plain, a.plain, i.plain), tw_index(g->fold, a.fold, i.fold));
      break;
    case 4:
      i = in_range(g, t.dims[0]);
      b = pick(g, tw_ty_tail(g->m, type_of(g, a)));
      BOTH(g, tw_add_at(g->plain, a.plain, i.plain, b.plain), tw_add_at(g->fold, a.fold, i.fold, b.fold));
      break;
    case 5:
      b = pick(g, type_of(g, a));
      if (t.dtype == TW_REAL && t.rank < 3)
        BOTH(g, tw_dot(g->plain, a.plain, b.plain, &axis, &axis, 1), tw_dot(g->fold, a.fold, b.fold, &axis, &axis, 1));
      break;
  }
}

static void grow(Gen *g, uint32_t steps, uint32_t depth);

/* Both bodies of a region: parameters and results of the given types. */
static void make_body(Gen *outer, const TwTy *params, uint32_t n_params, const TwTy *results, uint32_t n_results,
                      uint32_t depth, const TwFn **plain, const TwFn **fold) {
  Gen *g = calloc(1, sizeof *g);
  g->m = outer->m;
  g->rng = outer->rng;
  g->plain = tw_fn_new(g->m, "body");
  g->plain->plain = true;
  g->fold = tw_fn_new(g->m, "body");
  for (uint32_t k = 0; k < n_params; k++) BOTH(g, tw_param(g->plain, params[k]), tw_param(g->fold, params[k]));
  grow(g, 6, depth);
  for (uint32_t k = 0; k < n_results; k++) {
    Pair p = pick(g, results[k]);
    tw_result(g->plain, p.plain);
    tw_result(g->fold, p.fold);
  }
  *plain = tw_fn_seal(g->plain);
  *fold = tw_fn_seal(g->fold);
  free(g);
}

static void add_region(Gen *g, uint32_t depth) {
  static const TwOp ops[] = {TW_OP_scan, TW_OP_samples, TW_OP_cond};
  TwOp op = ops[choose(g, 3)];
  TwTy params[12], results[6];
  Pair args[12];
  TwRef plain_args[12], fold_args[12];
  TwRegion r = {.trip = op == TW_OP_cond ? 0 : choose(g, 4),
                .reverse = op == TW_OP_scan && choose(g, 2),
                .n_consts = choose(g, 3),
                .n_xs = op == TW_OP_cond ? 0 : choose(g, 3),
                .n_ys = choose(g, 3),
                .n_carry = op == TW_OP_cond ? 0 : choose(g, 3)};
  uint32_t n = 0, np = 0, carries = op == TW_OP_scan ? r.n_carry : 0;
  if (op == TW_OP_cond) args[n++] = pick(g, tw_ty_scalar(g->m, TW_BOOL));
  if (op == TW_OP_scan) params[np++] = tw_ty_scalar(g->m, TW_INT);
  for (uint32_t k = 0; k < r.n_consts + carries; k++) {
    args[n] = pick_any(g, TW_REAL);
    if (info_of(g, args[n])->rank > 3) args[n] = literal(g, tw_ty_scalar(g->m, TW_REAL));
    params[np++] = type_of(g, args[n++]);
  }
  for (uint32_t k = 0; k < r.n_xs; k++) {
    Pair row = pick_any(g, TW_REAL);
    if (info_of(g, row)->rank > 3) row = literal(g, tw_ty_scalar(g->m, TW_REAL));
    args[n++] = pick(g, tw_ty_lead(g->m, r.trip, type_of(g, row)));
    params[np++] = type_of(g, row);
  }
  for (uint32_t k = 0; k < r.n_carry + r.n_ys; k++)
    results[k] = k < carries                ? params[1 + r.n_consts + k]
                 : k < r.n_carry || np == 0 ? tw_ty_scalar(g->m, TW_REAL)
                                            : params[choose(g, np)];
  const TwFn *pb, *fb, *po = NULL, *fo = NULL;
  make_body(g, params, np, results, r.n_carry + r.n_ys, depth, &pb, &fb);
  if (op == TW_OP_cond) make_body(g, params, np, results, r.n_ys, depth, &po, &fo);
  for (uint32_t k = 0; k < n; k++) plain_args[k] = args[k].plain, fold_args[k] = args[k].fold;
  r.body = pb, r.other = po;
  TwRef a = tw_emit_region(g->plain, op, &r, plain_args, n);
  r.body = fb, r.other = fo;
  TwRef b = tw_emit_region(g->fold, op, &r, fold_args, n);
  for (uint32_t k = 0; k < r.n_carry + r.n_ys; k++)
    if (choose(g, 3)) BOTH(g, tw_get(g->plain, a, k), tw_get(g->fold, b, k));
}

static void grow(Gen *g, uint32_t steps, uint32_t depth) {
  for (uint32_t k = 0; k < steps && g->n < POOL - 20; k++) {
    uint32_t kind = choose(g, 16);
    if (kind < 7) add_elementwise(g);
    else if (kind < 8) add_logic(g);
    else if (kind < 11) add_shape(g);
    else if (kind < 13) add_reduction(g);
    else if (kind < 14) literal(g, random_type(g, TW_REAL));
    else if (depth) add_region(g, depth - 1);
  }
}

void random_program(TwModule *m, uint64_t *rng, const TwFn **plain, const TwFn **fold) {
  Gen *g = calloc(1, sizeof *g);
  g->m = m;
  g->rng = rng;
  g->plain = tw_fn_new(g->m, "plain");
  g->plain->plain = true;
  g->fold = tw_fn_new(g->m, "fold");
  for (uint32_t k = 0; k < 5; k++) {
    TwTy t = random_type(g, k == 4 ? TW_INT : TW_REAL);
    if (k == 3) t = tw_ty_scalar(g->m, TW_BOOL);
    BOTH(g, tw_param(g->plain, t), tw_param(g->fold, t));
  }
  grow(g, 40, 2);
  for (uint32_t k = 0; k < g->n; k += 1 + g->n / 12) {
    Pair p = g->pool[g->n - 1 - k];
    tw_result(g->plain, p.plain);
    tw_result(g->fold, p.fold);
  }
  *plain = tw_fn_seal(g->plain);
  *fold = tw_fn_seal(g->fold);
  free(g);
}
