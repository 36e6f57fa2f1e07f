/* loops.c: comprehensions, reductions, recurrences, loops, branches, derivatives -> regions.
 *
 * requires: as expr.c.   provides: scan, samples and cond instructions with closed bodies. A body's
 * constants are what it uses from outside, found by free.c; sealing drops what turns out unused. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/lower/internal.h"

/* A body under construction and the operands its constants come from. */
typedef struct Body {
  TwScope scope;
  TwVec(TwRef) operands; /* of the region, in the outer function: consts, then what the caller adds */
  uint32_t n_consts;
} Body;

static void body_open(Body *b, TwScope *outer, const char *name) {
  *b = (Body){.scope = {.lw = outer->lw, .f = tw_fn_new(outer->lw->m, name)}};
  b->scope.f->at = outer->f->at;
}

/* Passes leaf values of the outer function in as operands; binds the body's params to key. */
static TwVal body_pass(Body *b, TwScope *outer, TwVal v, bool element) {
  TwVal in = tw_lw_val(outer->lw, v.n);
  for (uint32_t j = 0; j < v.n; j++) {
    TwTy ty = tw_type(outer->f, v.leaf[j]);
    in.leaf[j] = tw_param(b->scope.f, element ? tw_ty_tail(outer->lw->m, ty) : ty);
    tw_vec_push(outer->lw->arena, &b->operands, v.leaf[j]);
  }
  return in;
}

static void body_consts(Body *b, TwScope *outer, const TwKeys *keys) {
  for (uint32_t k = 0; k < keys->len; k++)
    tw_lw_bind(&b->scope, keys->at[k], body_pass(b, outer, tw_lw_get(outer, keys->at[k]), false));
  b->n_consts = b->operands.len;
}

static void results(Body *b, TwVal v) {
  for (uint32_t j = 0; j < v.n; j++) tw_result(b->scope.f, v.leaf[j]);
}

static TwVal outputs(TwScope *s, TwRef region, uint32_t from, uint32_t n) {
  TwVal v = tw_lw_val(s->lw, n);
  for (uint32_t j = 0; j < n; j++) v.leaf[j] = tw_get(s->f, region, from + j);
  return v;
}

static TwVal single(TwScope *s, TwRef r) {
  TwVal v = tw_lw_val(s->lw, 1);
  v.leaf[0] = r;
  return v;
}

/* Binds a clause's local in the body: the index is i + lo. */
static void bind_iter(Body *b, TwScope *outer, const TwIter *it, TwRef i, TwVal array) {
  if (it->kind == TW_IT_RANGE) {
    TwRef at = tw_binary(b->scope.f, TW_OP_add, i, tw_int(b->scope.f, it->lo));
    if (it->local) tw_lw_bind(&b->scope, tw_key(TW_KEY_LOCAL, it->local->id), single(outer, at));
  } else if (it->local) {
    tw_lw_bind(&b->scope, tw_key(TW_KEY_LOCAL, it->local->id), array);
  }
}

/* The running element number of a law moves on with every enclosing comprehension. */
static void bind_drawn(Body *b, const TwKeys *keys, TwRef i, int64_t trip) {
  for (uint32_t k = 0; k < keys->len; k++) {
    if (keys->at[k] != tw_key(TW_KEY_DRAWN, 0)) continue;
    TwFn *f = b->scope.f;
    TwRef outer = tw_lw_get(&b->scope, keys->at[k]).leaf[0];
    TwRef at = tw_binary(f, TW_OP_add, tw_binary(f, TW_OP_mul, outer, tw_int(f, trip)), i);
    tw_lw_bind(&b->scope, keys->at[k], single(&b->scope, at));
  }
}

static void free_after(TwLw *lw, const TwTx *t, uint32_t from, TwKeys *out) {
  for (uint32_t k = 0; k < t->args.len; k++) tw_lw_free_tx(lw, t->args.at[k], out);
  for (uint32_t k = t->iters.len; k-- > from;) {
    const TwIter *it = &t->iters.at[k];
    if (it->local) tw_lw_unbind(out, tw_key(TW_KEY_LOCAL, it->local->id));
    if (it->target) tw_lw_unbind(out, tw_key(TW_KEY_LOCAL, it->target->id));
    if (it->weight) tw_lw_unbind(out, tw_key(TW_KEY_LOCAL, it->weight->id));
    if (k == from) break;
    if (it->kind == TW_IT_ARRAY) tw_lw_free_tx(lw, it->array, out);
    if (it->kind == TW_IT_DATA) {
      tw_lw_unbind(out, tw_key(TW_KEY_DATA, it->data));
      tw_vec_push(lw->arena, out, tw_key(TW_KEY_DATA, it->data));
    }
  }
}

/* ---- comprehensions */
static TwVal for_from(TwScope *s, const TwTx *t, uint32_t k) {
  if (k == t->iters.len) return tw_lw_tx(s, t->args.at[0]);
  const TwIter *it = &t->iters.at[k];
  TwVal array = {0};
  if (it->kind == TW_IT_ARRAY) array = tw_lw_tx(s, it->array);
  TwKeys keys = {0};
  free_after(s->lw, t, k, &keys);
  s->f->at = t->span;
  Body b;
  body_open(&b, s, "for");
  TwRef i = tw_param(b.scope.f, tw_ty_scalar(s->lw->m, TW_INT));
  body_consts(&b, s, &keys);
  TwVal elem = body_pass(&b, s, array, true);
  bind_drawn(&b, &keys, i, it->n);
  bind_iter(&b, s, it, i, elem);
  TwVal v = for_from(&b.scope, t, k + 1);
  results(&b, v);
  TwRegion r = {.body = tw_fn_seal(b.scope.f), .trip = it->n, .n_consts = b.n_consts, .n_xs = array.n, .n_ys = v.n};
  s->f->at = t->span;
  return outputs(s, tw_emit_region(s->f, TW_OP_scan, &r, b.operands.at, b.operands.len), 0, v.n);
}

TwVal tw_lw_for(TwScope *s, const TwTx *t) { return for_from(s, t, 0); }

/* ---- reductions */
static TwOp fold_op(TwReduce r) {
  switch (r) {
    case TW_RE_SUM:
    case TW_RE_MEAN: return TW_OP_add;
    case TW_RE_PROD: return TW_OP_mul;
    case TW_RE_MIN: return TW_OP_min;
    case TW_RE_MAX: return TW_OP_max;
    case TW_RE_ANY: return TW_OP_or;
    case TW_RE_ALL: return TW_OP_and;
  }
  return TW_OP_add;
}

static double neutral(TwReduce r) {
  switch (r) {
    case TW_RE_SUM:
    case TW_RE_MEAN:
    case TW_RE_ANY: return 0;
    case TW_RE_PROD:
    case TW_RE_ALL: return 1;
    case TW_RE_MIN: return (double)INFINITY;
    case TW_RE_MAX: return -(double)INFINITY;
  }
  return 0;
}

/* The innermost value; with a condition, what it leaves out is neutral and a mean counts the rest. A
 * body that is not safe where the condition fails is not evaluated there: in a select, an infinite partial
 * of the part left out would meet a zero cotangent. */
static TwVal reduce_body(TwScope *s, const TwTx *t) {
  if (t->args.len < 2) return single(s, tw_lw_ref(s, t->args.at[0]));
  TwRef c = tw_lw_ref(s, t->args.at[1]);
  TwTy ty;
  tw_lw_leaf_types(s->lw, t->args.at[0]->type, &ty);
  TwRef v;
  if (tw_lw_simple(t->args.at[0])) {
    TwRef keep = tw_fit(s->f, c, tw_ty_with(s->lw->m, TW_BOOL, ty));
    v = tw_select(s->f, keep, tw_lw_ref(s, t->args.at[0]), tw_const(s->f, ty, neutral(t->reduce)));
  } else {
    v = tw_lw_guarded(s, c, t->args.at[0], neutral(t->reduce));
  }
  if (t->reduce != TW_RE_MEAN) return single(s, v);
  TwVal two = tw_lw_val(s->lw, 2);
  two.leaf[0] = v;
  two.leaf[1] = tw_unary(s->f, TW_OP_to_real, c);
  if (t->args.len > 2) { /* a weight: both are counted so often */
    TwRef w = tw_lw_ref(s, t->args.at[2]);
    two.leaf[0] = tw_binary(s->f, TW_OP_mul, tw_fit(s->f, w, ty), two.leaf[0]);
    two.leaf[1] = tw_binary(s->f, TW_OP_mul, w, two.leaf[1]);
  }
  return two;
}

/* Element types of the values being reduced. */
static uint32_t reduce_types(TwScope *s, const TwTx *t, TwTy out[2]) {
  tw_lw_leaf_types(s->lw, t->args.at[0]->type, out);
  out[1] = tw_ty_scalar(s->lw->m, TW_REAL);
  return t->args.len >= 2 && t->reduce == TW_RE_MEAN ? 2 : 1;
}

/* The sum of a batch stands for the sum over all rows: times all / batch. In integers the product comes
 * first, so that a count of the batch's rows counts all rows exactly. */
static TwRef for_all_rows(TwScope *s, TwRef sum, int64_t all, int64_t batch) {
  TwTy ty = tw_type(s->f, sum);
  if (tw_info(s->f, sum)->dtype == TW_REAL)
    return tw_binary(s->f, TW_OP_mul, sum, tw_const(s->f, ty, (double)all / (double)batch));
  sum = tw_binary(s->f, TW_OP_mul, sum, tw_const(s->f, ty, (double)all));
  return tw_binary(s->f, TW_OP_div, sum, tw_const(s->f, ty, (double)batch));
}

/* The target of a row: a number, or an array of its columns. */
static TwVal row_target(TwScope *s, const TwLocal *l, TwRef *leaf) {
  if (!l->type->rank) return (TwVal){1, leaf};
  uint32_t n = (uint32_t)l->type->dims[0].n;
  return single(s, tw_stack(s->f, leaf, n));
}

static void no_product(TwScope *s, const TwTx *t, const TwDataSet *d, int64_t batch) {
  TwDiags *diags = &s->lw->unit->diags;
  TwDiag *to = tw_diag(diags, TW_E0721, t->span,
                       "a product over %" PRId64 " of the %" PRId64 " rows of '%s' says nothing of that over all",
                       batch, d->n, d->name);
  tw_diag_note(diags, to, d->span, "'%s' is declared here, and the stage trains on batches of it", d->name);
  tw_diag_help(diags, to, "the logarithm of a product is a sum: sum(log(…) for …)");
}

static TwVal reduce_from(TwScope *s, const TwTx *t, uint32_t k);

static TwVal reduce_data(TwScope *s, const TwTx *t, uint32_t k, const TwKeys *keys) {
  const TwIter *it = &t->iters.at[k];
  TwLw *lw = s->lw;
  TwVal columns = tw_lw_get(s, tw_key(TW_KEY_DATA, it->data));
  s->f->at = t->span;
  Body b;
  body_open(&b, s, "samples");
  body_consts(&b, s, keys);
  TwVal row = body_pass(&b, s, columns, true);
  uint32_t n_inputs = lw->p->datas.at[it->data].inputs.len;
  if (it->local) tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, it->local->id), (TwVal){n_inputs, row.leaf});
  if (it->target)
    tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, it->target->id), row_target(&b.scope, it->target, row.leaf + n_inputs));
  if (it->weight) tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, it->weight->id), (TwVal){1, row.leaf + row.n - 1});
  TwVal v = reduce_from(&b.scope, t, k + 1);
  results(&b, v);
  bool adds = t->reduce == TW_RE_SUM || t->reduce == TW_RE_MEAN;
  int64_t rows = lw->rows[it->data];
  TwRegion r = {.body = tw_fn_seal(b.scope.f),
                .trip = rows,
                .n_consts = b.n_consts,
                .n_xs = columns.n,
                .n_carry = adds ? v.n : 0,
                .n_ys = adds ? 0 : v.n};
  s->f->at = t->span;
  TwVal out = outputs(s, tw_emit_region(s->f, TW_OP_samples, &r, b.operands.at, b.operands.len), 0, v.n);
  const TwDataSet *d = &lw->p->datas.at[it->data];
  if (rows != d->n && t->reduce == TW_RE_SUM) out.leaf[0] = for_all_rows(s, out.leaf[0], d->n, rows);
  if (rows != d->n && t->reduce == TW_RE_PROD) no_product(s, t, d, rows);
  if (adds) return out;
  static const int64_t lead = 0;
  if (t->reduce == TW_RE_MIN || t->reduce == TW_RE_MAX)
    out.leaf[0] = tw_reduce(s->f, t->reduce == TW_RE_MIN ? TW_OP_rmin : TW_OP_rmax, out.leaf[0], &lead, 1);
  else if (t->reduce == TW_RE_PROD) out.leaf[0] = tw_lw_prod(s, out.leaf[0]);
  else {
    TwOp op = t->reduce == TW_RE_ANY ? TW_OP_rmax : TW_OP_rmin;
    TwRef m = tw_reduce(s->f, op, tw_unary(s->f, TW_OP_to_real, out.leaf[0]), &lead, 1);
    out.leaf[0] = tw_binary(s->f, TW_OP_ne, m, tw_zeros(s->f, tw_type(s->f, m)));
  }
  return out;
}

static TwVal reduce_loop(TwScope *s, const TwTx *t, uint32_t k, const TwKeys *keys) {
  const TwIter *it = &t->iters.at[k];
  TwVal array = {0};
  if (it->kind == TW_IT_ARRAY) array = tw_lw_tx(s, it->array);
  TwTy types[2];
  uint32_t n = reduce_types(s, t, types);
  s->f->at = t->span;
  Body b;
  body_open(&b, s, "reduce");
  TwRef i = tw_param(b.scope.f, tw_ty_scalar(s->lw->m, TW_INT));
  body_consts(&b, s, keys);
  TwVal start = tw_lw_val(s->lw, n);
  start.leaf[0] = tw_const(s->f, types[0], neutral(t->reduce));
  if (n == 2) start.leaf[1] = tw_real(s->f, 0);
  TwVal acc = body_pass(&b, s, start, false);
  TwVal elem = body_pass(&b, s, array, true);
  bind_drawn(&b, keys, i, it->n);
  bind_iter(&b, s, it, i, elem);
  TwVal v = reduce_from(&b.scope, t, k + 1);
  for (uint32_t j = 0; j < n; j++)
    tw_result(b.scope.f, tw_binary(b.scope.f, j ? TW_OP_add : fold_op(t->reduce), acc.leaf[j], v.leaf[j]));
  TwRegion r = {.body = tw_fn_seal(b.scope.f), .trip = it->n, .n_consts = b.n_consts, .n_carry = n, .n_xs = array.n};
  s->f->at = t->span;
  return outputs(s, tw_emit_region(s->f, TW_OP_scan, &r, b.operands.at, b.operands.len), 0, n);
}

static TwVal reduce_from(TwScope *s, const TwTx *t, uint32_t k) {
  if (k == t->iters.len) return reduce_body(s, t);
  TwKeys keys = {0};
  free_after(s->lw, t, k, &keys);
  if (t->iters.at[k].kind == TW_IT_DATA) return reduce_data(s, t, k, &keys);
  return reduce_loop(s, t, k, &keys);
}

TwVal tw_lw_reduce_for(TwScope *s, const TwTx *t) {
  TwVal v = reduce_from(s, t, 0);
  s->f->at = t->span;
  if (t->reduce != TW_RE_MEAN) return (TwVal){1, v.leaf};
  double count = 1;
  for (uint32_t k = 0; k < t->iters.len; k++) {
    const TwIter *it = &t->iters.at[k];
    count *= (double)(it->kind == TW_IT_DATA ? s->lw->rows[it->data] : it->n);
  }
  TwTy ty = tw_type(s->f, v.leaf[0]);
  TwRef n = v.n == 2 ? tw_fit(s->f, v.leaf[1], ty) : tw_const(s->f, ty, count);
  return single(s, tw_binary(s->f, TW_OP_div, v.leaf[0], n));
}

TwRef tw_lw_prod(TwScope *s, TwRef a) {
  TwTyInfo info = *tw_info(s->f, a);
  if (info.rank != 1) a = tw_reshape(s->f, a, tw_ty(s->lw->m, info.dtype, 1, &info.count));
  TwFn *f = tw_fn_new(s->lw->m, "prod");
  f->at = s->f->at;
  TwTy scalar = tw_ty_scalar(s->lw->m, info.dtype);
  tw_param(f, tw_ty_scalar(s->lw->m, TW_INT));
  TwRef acc = tw_param(f, scalar), x = tw_param(f, scalar);
  tw_result(f, tw_binary(f, TW_OP_mul, acc, x));
  TwRegion r = {.body = tw_fn_seal(f), .trip = info.count, .n_carry = 1, .n_xs = 1};
  TwRef args[2] = {tw_const(s->f, scalar, 1), a};
  return tw_get(s->f, tw_emit_region(s->f, TW_OP_scan, &r, args, 2), 0);
}

/* ---- recurrences: the carries are the last `order` elements, nearest first */
static TwVal element(TwScope *s, TwVal whole, int64_t i) {
  TwVal v = tw_lw_val(s->lw, whole.n);
  for (uint32_t j = 0; j < whole.n; j++) v.leaf[j] = tw_index(s->f, whole.leaf[j], tw_int(s->f, i));
  return v;
}

static TwVal recur_case(TwScope *s, const TwTs *t, const TwRecur *c, TwVal whole) {
  TwLw *lw = s->lw;
  TwRunning running = {t->local, c, lw->running};
  lw->running = &running;
  TwKeys keys = {0};
  tw_lw_free_tx(lw, c->value, &keys);
  tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, c->i->id));
  for (uint32_t d = 1; d <= c->order; d++) tw_lw_unbind(&keys, tw_key(TW_KEY_RECUR, (uint64_t)t->local->id << 16 | d));
  Body b;
  body_open(&b, s, "recurrence");
  TwRef i = tw_param(b.scope.f, tw_ty_scalar(lw->m, TW_INT));
  body_consts(&b, s, &keys);
  TwVal *carried = TW_NEW_N(lw->arena, TwVal, c->order);
  for (uint32_t d = 1; d <= c->order; d++) {
    int64_t at = c->reverse ? c->lo + c->n - 1 + c->offset + d : c->lo + c->offset - (int64_t)d;
    carried[d - 1] = body_pass(&b, s, element(s, whole, at), false);
    tw_lw_bind(&b.scope, tw_key(TW_KEY_RECUR, (uint64_t)t->local->id << 16 | d), carried[d - 1]);
  }
  bind_drawn(&b, &keys, i, c->n);
  TwRef at = tw_binary(b.scope.f, TW_OP_add, i, tw_int(b.scope.f, c->lo));
  tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, c->i->id), single(s, at));
  TwVal v = tw_lw_tx(&b.scope, c->value);
  results(&b, v);
  for (uint32_t d = 1; d < c->order; d++) results(&b, carried[d - 1]);
  results(&b, v);
  lw->running = running.outer;
  TwRegion r = {.body = tw_fn_seal(b.scope.f),
                .trip = c->n,
                .reverse = c->reverse,
                .n_consts = b.n_consts,
                .n_carry = c->order * v.n,
                .n_ys = v.n};
  s->f->at = t->span;
  return outputs(s, tw_emit_region(s->f, TW_OP_scan, &r, b.operands.at, b.operands.len), r.n_carry, v.n);
}

/* whole with elements from … from + n - 1 replaced by part (leading axis n). */
static TwRef splice(TwScope *s, TwRef whole, TwRef part, int64_t from, int64_t n) {
  TwTyInfo info = *tw_info(s->f, whole);
  TwRef parts[3];
  uint32_t k = 0;
  int64_t start_step[2 * TW_MAX_RANK];
  for (uint32_t a = 0; a < info.rank; a++) start_step[2 * a] = 0, start_step[2 * a + 1] = 1;
  TwTyInfo cut = info;
  if (from > 0) {
    cut.dims[0] = from;
    parts[k++] = tw_slice(s->f, whole, tw_ty(s->lw->m, cut.dtype, cut.rank, cut.dims), start_step);
  }
  parts[k++] = part;
  if (from + n < info.dims[0]) {
    cut.dims[0] = info.dims[0] - from - n;
    start_step[0] = from + n;
    parts[k++] = tw_slice(s->f, whole, tw_ty(s->lw->m, cut.dtype, cut.rank, cut.dims), start_step);
  }
  return tw_concat(s->f, parts, k, 0);
}

void tw_lw_recur(TwScope *s, const TwTs *t) {
  uint32_t n = tw_lw_leaves(t->local->type);
  TwTy *types = TW_NEW_N(s->lw->arena, TwTy, n);
  tw_lw_leaf_types(s->lw, t->local->type, types);
  TwVal whole = tw_lw_val(s->lw, n);
  for (uint32_t j = 0; j < n; j++) whole.leaf[j] = tw_zeros(s->f, types[j]);
  TwKey key = tw_key(TW_KEY_LOCAL, t->local->id);
  for (uint32_t k = 0; k < t->cases.len; k++) {
    const TwRecur *c = &t->cases.at[k];
    TwVal part;
    uint32_t mark = s->bound.len;
    tw_lw_bind(s, key, whole); /* elements that earlier cases defined may be read by number */
    if (!c->i) {
      TwVal v = tw_lw_tx(s, c->value);
      part = tw_lw_val(s->lw, n);
      for (uint32_t j = 0; j < n; j++) part.leaf[j] = tw_stack(s->f, &v.leaf[j], 1);
    } else {
      part = recur_case(s, t, c, whole);
    }
    s->bound.at[mark].key = tw_key(TW_KEY_LOCAL, 0xffffffffffull); /* unbinds; the rest stays */
    TwVal next = tw_lw_val(s->lw, n);
    int64_t from = c->i ? c->lo + c->offset : c->offset;
    for (uint32_t j = 0; j < n; j++) next.leaf[j] = splice(s, whole.leaf[j], part.leaf[j], from, c->i ? c->n : 1);
    whole = next;
  }
  tw_lw_bind(s, key, whole);
}

/* ---- loops with carried state */
void tw_lw_loop(TwScope *s, const TwTs *t) {
  TwLw *lw = s->lw;
  TwVal array = {0};
  if (t->iter.kind == TW_IT_ARRAY) array = tw_lw_tx(s, t->iter.array);
  TwKeys keys = {0};
  for (uint32_t k = 0; k < t->next.len; k++) tw_lw_free_tx(lw, t->next.at[k], &keys);
  for (uint32_t k = t->body.len; k-- > 0;) {
    const TwTs *st = t->body.at[k];
    if (st->local) tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, st->local->id));
    for (uint32_t j = 0; j < st->after.len; j++) tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, st->after.at[j]->id));
    tw_lw_free_ts(lw, st, &keys);
  }
  for (uint32_t k = 0; k < t->inside.len; k++) tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, t->inside.at[k]->id));
  if (t->iter.local) tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, t->iter.local->id));
  s->f->at = t->span;
  Body b;
  body_open(&b, s, "loop");
  TwRef i = tw_param(b.scope.f, tw_ty_scalar(lw->m, TW_INT));
  body_consts(&b, s, &keys);
  uint32_t n_carry = 0;
  for (uint32_t k = 0; k < t->before.len; k++) {
    TwVal start = tw_lw_get(s, tw_key(TW_KEY_LOCAL, t->before.at[k]->id));
    n_carry += start.n;
    tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, t->inside.at[k]->id), body_pass(&b, s, start, false));
  }
  TwVal elem = body_pass(&b, s, array, true);
  bind_drawn(&b, &keys, i, t->iter.n);
  bind_iter(&b, s, &t->iter, i, elem);
  for (uint32_t k = 0; k < t->body.len; k++) tw_lw_ts(&b.scope, t->body.at[k]);
  for (uint32_t k = 0; k < t->next.len; k++) results(&b, tw_lw_tx(&b.scope, t->next.at[k]));
  TwRegion r = {
      .body = tw_fn_seal(b.scope.f), .trip = t->iter.n, .n_consts = b.n_consts, .n_carry = n_carry, .n_xs = array.n};
  s->f->at = t->span;
  TwRef region = tw_emit_region(s->f, TW_OP_scan, &r, b.operands.at, b.operands.len);
  uint32_t at = 0;
  for (uint32_t k = 0; k < t->after.len; k++) {
    TwVal v = outputs(s, region, at, tw_lw_leaves(t->after.at[k]->type));
    at += v.n;
    tw_lw_bind(s, tw_key(TW_KEY_LOCAL, t->after.at[k]->id), v);
  }
}

/* ---- branches */
/* cond over `pred`: arm k is the value of arms[k], or the constant `fill` where arms[k] is NULL. */
static TwVal cond_of(TwScope *s, TwRef pred, const TwTx *const arms[2], double fill, TwSpan span) {
  TwKeys keys = {0};
  const TwTx *typed = arms[0] ? arms[0] : arms[1];
  for (int k = 0; k < 2; k++)
    if (arms[k]) tw_lw_free_tx(s->lw, arms[k], &keys);
  s->f->at = span;
  Body arm[2];
  TwRegion r = {0};
  for (int k = 0; k < 2; k++) {
    body_open(&arm[k], s, k ? "else" : "then");
    tw_vec_push(s->lw->arena, &arm[k].operands, pred);
    body_consts(&arm[k], s, &keys);
    TwVal v;
    if (arms[k]) {
      v = tw_lw_tx(&arm[k].scope, arms[k]);
    } else {
      TwTy ty;
      tw_lw_leaf_types(s->lw, typed->type, &ty);
      v = single(s, tw_const(arm[k].scope.f, ty, fill));
    }
    results(&arm[k], v);
    r.n_ys = v.n;
    *(k ? &r.other : &r.body) = tw_fn_seal(arm[k].scope.f);
  }
  r.n_consts = arm[0].operands.len - 1;
  s->f->at = span;
  return outputs(s, tw_emit_region(s->f, TW_OP_cond, &r, arm[0].operands.at, arm[0].operands.len), 0, r.n_ys);
}

TwVal tw_lw_cond(TwScope *s, const TwTx *t) {
  TwRef pred = tw_lw_ref(s, t->args.at[0]);
  double known;
  if (tw_is_const(s->f, pred, &known)) return tw_lw_tx(s, t->args.at[known != 0 ? 1 : 2]);
  const TwTx *arms[2] = {t->args.at[1], t->args.at[2]};
  return cond_of(s, pred, arms, 0, t->span);
}

TwRef tw_lw_guarded(TwScope *s, TwRef pred, const TwTx *value, double otherwise) {
  const TwTx *arms[2] = {value, NULL};
  return cond_of(s, pred, arms, otherwise, value->span).leaf[0];
}

/* ---- derivatives as values: forward mode in a scalar point, reverse mode in a vector */
TwVal tw_lw_derivative(TwScope *s, const TwTx *t) {
  TwLw *lw = s->lw;
  TwRef point = tw_lw_ref(s, t->args.at[1]);
  TwKeys keys = {0};
  tw_lw_free_tx(lw, t->args.at[0], &keys);
  tw_lw_unbind(&keys, tw_key(TW_KEY_LOCAL, t->local->id));
  Body b;
  body_open(&b, s, "derivative");
  body_consts(&b, s, &keys);
  TwVal x = body_pass(&b, s, single(s, point), false);
  tw_lw_bind(&b.scope, tw_key(TW_KEY_LOCAL, t->local->id), x);
  TwRef y = tw_lw_ref(&b.scope, t->args.at[0]);
  tw_result(b.scope.f, y);
  const TwFn *f = tw_lw_within(lw, tw_fn_seal(b.scope.f), t->span, "what is differentiated here");
  bool *active = TW_NEW_N(lw->arena, bool, b.operands.len);
  active[b.operands.len - 1] = true;
  TwRef out[2];
  bool forward = tw_info(s->f, point)->rank == 0;
  const TwFn *d = forward ? tw_jvp(lw->m, f, active) : tw_grad(lw->m, f, active);
  d = tw_lw_within(lw, d, t->span, "this derivative");
  if (forward) tw_vec_push(lw->arena, &b.operands, tw_real(s->f, 1));
  s->f->at = t->span;
  tw_inline(s->f, d, b.operands.at, out);
  return single(s, out[1]);
}
