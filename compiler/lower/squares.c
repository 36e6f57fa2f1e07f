/* squares.c: a loss that is a sum of squares, taken apart: for `lm`.
 *
 * requires: a loss as lowered, (VALUES, FLAT, columns…) -> scalar.
 * provides: one function for each square in it. Of a square that is summed over data: the residuals of a block of rows
 * and their derivatives by FLAT. Of any other: all its residuals and their derivatives. The loss is the sum
 * of the squares of all residuals, but for what does not depend on FLAT. Or a diagnostic at the term that is no square.
 *
 * A residual is a function of the coordinates alone, Set_Weights included, and its row of the Jacobian is one reverse
 * pass: two or three times the work of the residual, where forward mode would take it once for each coordinate. Rows
 * of data are lanes; what does not depend on the row is hoisted out of the loop like everywhere. All of it is in f64,
 * whatever the program's precision is. */
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/lower/internal.h"

enum {
  MAX_COLUMNS = 320, /* coordinates up to which each has a column of the Jacobian of its own; beyond, rows are stored */
  MAX_PER_ROW = 64   /* residuals of one row of data in one square */
};

typedef enum FactorKind { TIMES, OVER, WHERE, WHERE_NOT } FactorKind;
typedef struct Factor {
  FactorKind kind;
  TwRef ref;
  bool inner; /* of the body of the square's region */
} Factor;
typedef TwVec(Factor) Factors;

/* factor * … * root^2, summed over the elements of root, and over the iterations of a region. */
typedef struct Square {
  TwRef region; /* samples or scan; 0: none */
  TwRef root;
  Factors factors;
} Square;

/* A function in which terms are looked for, and what of it depends on FLAT. */
typedef struct Level {
  const TwFn *f;
  bool *dep;
} Level;

typedef struct Walk {
  TwLw *lw;
  const TwStage *stage;
  Level top;
  TwVec(Square) found;
  bool failed;
} Walk;

/* ---- what depends on FLAT */

static bool *dependent(TwLw *lw, const TwFn *f, const bool *params);

/* Result k of a loop over data, whose other results may depend on FLAT. */
static bool result_depends(TwLw *lw, const TwFn *f, TwRef region, uint32_t k, const bool *dep) {
  const TwRegion *g = tw_region(f, region);
  bool *params = TW_NEW_N(lw->arena, bool, g->body->params.len + 1);
  for (uint32_t j = 0; j < tw_inst(f, region)->n_args; j++) params[j] = dep[tw_arg(f, region, j)];
  return dependent(lw, g->body, params)[g->body->results.at[k]];
}

static bool *dependent(TwLw *lw, const TwFn *f, const bool *params) {
  bool *dep = TW_NEW_N(lw->arena, bool, f->insts.len);
  for (uint32_t k = 0; k < f->params.len; k++) dep[f->params.at[k]] = params[k];
  for (TwRef r = 1; r < f->insts.len; r++) {
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) dep[r] |= dep[tw_arg(f, r, k)];
    if (dep[r] && tw_op(f, r) == TW_OP_get && tw_op(f, tw_arg(f, r, 0)) == TW_OP_samples)
      dep[r] = result_depends(lw, f, tw_arg(f, r, 0), (uint32_t)tw_attr(f, r, 0), dep);
  }
  return dep;
}

/* The body of a region; the carries of a scan count as dependent, like the region itself. */
static Level inside_of(Walk *w, TwRef region) {
  const TwFn *f = w->top.f;
  const TwRegion *g = tw_region(f, region);
  bool scan = tw_op(f, region) == TW_OP_scan;
  bool *params = TW_NEW_N(w->lw->arena, bool, g->body->params.len + 1);
  for (uint32_t k = 0; k < tw_inst(f, region)->n_args; k++) {
    bool carry = scan && k >= g->n_consts && k < g->n_consts + g->n_carry;
    params[k + scan] = carry || w->top.dep[tw_arg(f, region, k)];
  }
  return (Level){g->body, dependent(w->lw, g->body, params)};
}

/* ---- taking the loss apart */

static void no_square(Walk *w, TwSpan span) {
  w->failed = true;
  TwSpan use = w->stage->optimizer_span, loss = w->stage->loss->span;
  bool here = span.file && span.file == loss.file; /* else the term is of a module's function, which the loss calls */
  TwDiag *d = tw_diag(&w->lw->unit->diags, TW_E0720, here ? span : loss,
                      here ? "'lm' lowers sums of squares, and this term of the loss is no square"
                           : "'lm' lowers sums of squares, and not every term of this loss is a square");
  if (span.file && !here) tw_diag_note(&w->lw->unit->diags, d, span, "this term is none");
  tw_diag_note(&w->lw->unit->diags, d, use, "it lowers the loss of stage '%s'", w->stage->name);
  tw_diag_help(
      &w->lw->unit->diags, d,
      "a sum of terms such as mean(r ^ 2 …), sum(r ^ 2 …), r ^ 2 or c * r ^ 2 will do; 'lbfgs()' takes any loss");
}

static Square with(Walk *w, Square q, FactorKind kind, TwRef ref) {
  Factors grown = {0};
  for (uint32_t k = 0; k < q.factors.len; k++) tw_vec_push(w->lw->arena, &grown, q.factors.at[k]);
  tw_vec_push(w->lw->arena, &grown, ((Factor){kind, ref, q.region != 0}));
  q.factors = grown;
  return q;
}

/* What is left of x without factors that do not depend on FLAT; those go to q. */
static TwRef core_of(Walk *w, const Level *v, TwRef x, Square *q, bool *minus) {
  for (;;) {
    TwOp op = tw_op(v->f, x);
    if (op == TW_OP_neg) {
      *minus = !*minus;
      x = tw_arg(v->f, x, 0);
    } else if (op == TW_OP_mul && !v->dep[tw_arg(v->f, x, 1)]) {
      *q = with(w, *q, TIMES, tw_arg(v->f, x, 1));
      x = tw_arg(v->f, x, 0);
    } else if (op == TW_OP_mul && !v->dep[tw_arg(v->f, x, 0)]) {
      *q = with(w, *q, TIMES, tw_arg(v->f, x, 0));
      x = tw_arg(v->f, x, 1);
    } else if (op == TW_OP_div && !v->dep[tw_arg(v->f, x, 1)]) {
      *q = with(w, *q, OVER, tw_arg(v->f, x, 1));
      x = tw_arg(v->f, x, 0);
    } else {
      return x;
    }
  }
}

/* a * b as a square: a and b are one value, but for factors. */
static bool product(Walk *w, const Level *v, TwRef a, TwRef b, Square q) {
  bool minus = false;
  if (a != b) {
    a = core_of(w, v, a, &q, &minus);
    b = core_of(w, v, b, &q, &minus);
  }
  if (a != b || minus) return false;
  q.root = a;
  tw_vec_push(w->lw->arena, &w->found, q);
  return true;
}

static bool is_inner_product(const TwFn *f, TwRef r) {
  uint32_t n = (uint32_t)tw_attr(f, r, 0);
  if (tw_info(f, r)->rank != 0 || tw_info(f, tw_arg(f, r, 0))->rank != n) return false;
  for (uint32_t k = 0; k < n; k++)
    if (tw_attr(f, r, 1 + k) != tw_attr(f, r, 1 + n + k)) return false;
  return true;
}

static void walk(Walk *w, const Level *v, TwRef e, Square q);

/* Result k of a region: a sum over rows, or over the iterations of a loop that adds to it. */
static void walk_region(Walk *w, TwRef get, Square q) {
  const TwFn *f = w->top.f;
  TwRef region = tw_arg(f, get, 0);
  uint32_t k = (uint32_t)tw_attr(f, get, 0);
  TwOp op = tw_op(f, region);
  bool sums = op == TW_OP_samples || op == TW_OP_scan;
  const TwRegion *g = sums ? tw_region(f, region) : NULL;
  TwSpan span = tw_inst(f, get)->span;
  if (!g || k >= g->n_carry) {
    no_square(w, span);
    return;
  }
  Level in = inside_of(w, region);
  TwRef e = g->body->results.at[k];
  q.region = region;
  if (op == TW_OP_scan) {
    TwRef carry = g->body->params.at[1 + g->n_consts + k];
    bool adds = tw_op(in.f, e) == TW_OP_add && !w->top.dep[tw_arg(f, region, g->n_consts + k)];
    TwRef a = adds ? tw_arg(in.f, e, 0) : 0, b = adds ? tw_arg(in.f, e, 1) : 0;
    if (!adds || (a != carry && b != carry)) {
      no_square(w, span);
      return;
    }
    e = a == carry ? b : a;
  }
  walk(w, &in, e, q);
}

/* Are all factors at this level the same for all elements? */
static bool only_scalars(const Level *v, const Square *q) {
  for (uint32_t k = 0; k < q->factors.len; k++) {
    const Factor *c = &q->factors.at[k];
    if (c->inner == (q->region != 0) && tw_info(v->f, c->ref)->rank > 0) return false;
  }
  return true;
}

static void walk_select(Walk *w, const Level *v, TwRef e, Square q) {
  TwRef c = tw_arg(v->f, e, 0);
  if (v->dep[c]) {
    no_square(w, tw_inst(v->f, e)->span);
    return;
  }
  walk(w, v, tw_arg(v->f, e, 1), with(w, q, WHERE, c));
  walk(w, v, tw_arg(v->f, e, 2), with(w, q, WHERE_NOT, c));
}

static void walk(Walk *w, const Level *v, TwRef e, Square q) {
  const TwFn *f = v->f;
  if (!v->dep[e] || w->failed) return; /* the same for all FLAT */
  TwRef a = tw_inst(f, e)->n_args > 0 ? tw_arg(f, e, 0) : 0, b = tw_inst(f, e)->n_args > 1 ? tw_arg(f, e, 1) : 0;
  TwOp op = tw_op(f, e);
  bool scalar = tw_info(f, e)->rank == 0;
  if (op == TW_OP_add) {
    walk(w, v, a, q);
    walk(w, v, b, q);
  } else if (op == TW_OP_sub && !v->dep[b]) {
    walk(w, v, a, q);
  } else if (op == TW_OP_mul && product(w, v, a, b, q)) {
    return;
  } else if (op == TW_OP_mul && !v->dep[b]) {
    walk(w, v, a, with(w, q, TIMES, b));
  } else if (op == TW_OP_mul && !v->dep[a]) {
    walk(w, v, b, with(w, q, TIMES, a));
  } else if (op == TW_OP_div && !v->dep[b]) {
    walk(w, v, a, with(w, q, OVER, b));
  } else if (op == TW_OP_dot && is_inner_product(f, e) && product(w, v, a, b, q)) {
    return;
  } else if ((op == TW_OP_sum && scalar) || ((op == TW_OP_sum || op == TW_OP_reshape) && only_scalars(v, &q))) {
    walk(w, v, a, q); /* all elements are summed in the end, so how they are arranged does not matter */
  } else if (op == TW_OP_select) {
    walk_select(w, v, e, q);
  } else if (op == TW_OP_get && f == w->top.f) {
    walk_region(w, e, q);
  } else {
    no_square(w, tw_inst(f, e)->span);
  }
}

/* ---- a square's residual as a function */

typedef struct Row {
  TwRefs outer; /* values of the loss, the same for all FLAT, that come in as operands */
  const TwFn
      *fn; /* (outer…, FLAT, columns of one row…) -> one result for each residual, or (no region of data) all in one */
  uint32_t n_flat; /* params that FLAT comes in: one for each coordinate, or 1 */
  bool over_data;
  uint32_t n_residuals;
} Row;

/* The values of the loss that the square reads, marked; those that do not depend on FLAT become `outer`. */
static bool *reads(Walk *w, const Square *q, Row *row) {
  const TwFn *f = w->top.f;
  bool *needed = TW_NEW_N(w->lw->arena, bool, f->insts.len);
  if (!q->region) needed[q->root] = true;
  for (uint32_t k = 0; k < q->factors.len; k++)
    if (!q->factors.at[k].inner) needed[q->factors.at[k].ref] = true;
  uint32_t n = q->region ? tw_inst(f, q->region)->n_args : 0;
  if (row->over_data) n = tw_region(f, q->region)->n_consts;
  for (uint32_t k = 0; k < n; k++) needed[tw_arg(f, q->region, k)] = true;
  for (TwRef r = f->insts.len; r-- > 1;) {
    if (!needed[r] || tw_op(f, r) == TW_OP_const || r == f->params.at[1]) continue;
    if (!w->top.dep[r]) {
      tw_vec_push(w->lw->arena, &row->outer, r);
      continue;
    }
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) needed[tw_arg(f, r, k)] = true;
  }
  return needed;
}

/* r times the root of the product of the factors at one level. */
static TwRef scaled(TwFn *f, TwRef r, const Square *q, bool inner, const TwRef *map) {
  TwRef product = 0;
  for (uint32_t k = 0; k < q->factors.len; k++) {
    const Factor *c = &q->factors.at[k];
    if (c->inner != inner) continue;
    TwRef v = map[c->ref];
    if (c->kind == WHERE_NOT) v = tw_unary(f, TW_OP_not, v);
    if (c->kind == WHERE || c->kind == WHERE_NOT) v = tw_unary(f, TW_OP_to_real, v);
    if (tw_info(f, v)->rank == 0 || !product) {
      if (!product) product = tw_const(f, tw_type(f, v), 1);
      v = tw_fit(f, v, tw_type(f, product));
    } else {
      product = tw_fit(f, product, tw_type(f, v));
    }
    product = tw_binary(f, c->kind == OVER ? TW_OP_div : TW_OP_mul, product, v);
  }
  if (!product) return r;
  TwRef root = tw_fit(f, tw_unary(f, TW_OP_sqrt, product), tw_type(f, r));
  return tw_binary(f, TW_OP_mul, r, root);
}

static void copy_body(TwFn *to, const TwFn *body, TwRef *map) {
  for (TwRef r = 1; r < body->insts.len; r++)
    if (tw_op(body, r) != TW_OP_param) map[r] = tw_copy_inst(to, body, r, map);
}

/* The residuals of all iterations of a loop that sums squares: the loop once more, with one result more. */
static TwRef looped(Walk *w, TwFn *f, const Square *q, const TwRef *map) {
  const TwFn *top = w->top.f;
  TwRegion g = *tw_region(top, q->region);
  const TwFn *old = g.body;
  TwFn *body = tw_fn_new(w->lw->m, old->name);
  TwRef *in = TW_NEW_N(w->lw->arena, TwRef, old->insts.len);
  for (uint32_t k = 0; k < old->params.len; k++)
    in[old->params.at[k]] = tw_param(body, tw_type(old, old->params.at[k]));
  copy_body(body, old, in);
  for (uint32_t k = 0; k < old->results.len; k++) tw_result(body, in[old->results.at[k]]);
  tw_result(body, scaled(body, in[q->root], q, true, in));
  g.body = tw_fn_seal(body);
  uint32_t n = tw_inst(top, q->region)->n_args;
  TwRef *args = TW_NEW_N(w->lw->arena, TwRef, n);
  for (uint32_t k = 0; k < n; k++) args[k] = map[tw_arg(top, q->region, k)];
  g.n_ys++;
  TwRef all = tw_emit_region(f, TW_OP_scan, &g, args, n);
  return tw_get(f, all, g.n_carry + g.n_ys - 1);
}

static TwRef residual_of_row(Walk *w, TwFn *f, const Square *q, const TwRef *map, const TwRef *xs) {
  const TwRegion *g = tw_region(w->top.f, q->region);
  TwRef *in = TW_NEW_N(w->lw->arena, TwRef, g->body->insts.len);
  for (uint32_t k = 0; k < g->body->params.len; k++)
    in[g->body->params.at[k]] = k < g->n_consts ? map[tw_arg(w->top.f, q->region, k)] : xs[k - g->n_consts];
  copy_body(f, g->body, in);
  return scaled(f, in[q->root], q, true, in);
}

static TwRef flattened(TwLw *lw, TwFn *f, TwRef r) {
  int64_t n = tw_info(f, r)->count;
  return tw_reshape(f, r, tw_ty(lw->m, TW_REAL, 1, &n));
}

static Row row_of(Walk *w, const Square *q) {
  TwLw *lw = w->lw;
  const TwFn *top = w->top.f;
  Row row = {.over_data = q->region && tw_op(top, q->region) == TW_OP_samples};
  bool *needed = reads(w, q, &row);
  TwFn *f = tw_fn_new(lw->m, "residual");
  TwRef *map = TW_NEW_N(lw->arena, TwRef, top->insts.len);
  for (uint32_t k = 0; k < row.outer.len; k++) map[row.outer.at[k]] = tw_param(f, tw_type(top, row.outer.at[k]));
  TwRef flat = top->params.at[1];
  bool scalars = row.over_data && w->stage->n_flat <= MAX_COLUMNS;
  row.n_flat = scalars ? (uint32_t)w->stage->n_flat : 1;
  TwRef *parts = TW_NEW_N(lw->arena, TwRef, row.n_flat);
  for (uint32_t k = 0; k < row.n_flat; k++)
    parts[k] = tw_param(f, scalars ? tw_ty_scalar(lw->m, TW_REAL) : tw_type(top, flat));
  map[flat] = scalars ? tw_stack(f, parts, row.n_flat) : parts[0];
  TwRef *xs = NULL;
  if (row.over_data) {
    const TwRegion *g = tw_region(top, q->region);
    xs = TW_NEW_N(lw->arena, TwRef, g->n_xs);
    for (uint32_t k = 0; k < g->n_xs; k++) xs[k] = tw_param(f, tw_type(g->body, g->body->params.at[g->n_consts + k]));
  }
  for (TwRef r = 1; r < top->insts.len; r++)
    if (needed[r] && !map[r]) map[r] = tw_copy_inst(f, top, r, map);
  TwRef v = row.over_data ? residual_of_row(w, f, q, map, xs) : q->region ? looped(w, f, q, map) : map[q->root];
  v = flattened(lw, f, scaled(f, v, q, false, map));
  int64_t n = tw_info(f, v)->count;
  row.n_residuals = (uint32_t)n;
  if (!row.over_data) tw_result(f, v);
  for (int64_t k = 0; row.over_data && k < n; k++) tw_result(f, tw_index(f, v, tw_int(f, k)));
  row.fn = tw_fn_seal(f);
  return row;
}

/* ---- and its Jacobian */

/* Result k of the row and its derivatives by what FLAT comes in. */
static const TwFn *derivative_of(TwLw *lw, const Row *row, uint32_t k) {
  const TwFn *f = row->fn;
  TwFn *one = tw_fn_new(lw->m, "residual");
  TwRef *args = TW_NEW_N(lw->arena, TwRef, f->params.len + 1), *out = TW_NEW_N(lw->arena, TwRef, f->results.len);
  for (uint32_t j = 0; j < f->params.len; j++) args[j] = tw_param(one, tw_type(f, f->params.at[j]));
  tw_inline(one, f, args, out);
  tw_result(one, out[k]);
  const TwFn *prepared = tw_opt_prepare(lw->m, tw_fn_seal(one), tw_opt_limits_default());
  bool *active = TW_NEW_N(lw->arena, bool, f->params.len + 1);
  for (uint32_t j = 0; j < row->n_flat; j++) active[row->outer.len + j] = true;
  return row->over_data ? tw_grad(lw->m, prepared, active) : tw_vjp(lw->m, prepared, active, NULL);
}

/* What the row's residual uses of the loss besides FLAT, in the function at hand. */
typedef struct Outer {
  Walk *w;
  TwFnBuild *b;
  const TwFnBuild *loss; /* whose operands those of the loss are */
  TwRef *map;
} Outer;

static TwRef outer_value(Outer *o, TwRef r) {
  const TwFn *top = o->w->top.f;
  if (o->map[r]) return o->map[r];
  if (tw_op(top, r) == TW_OP_param) {
    const TwRtSlot *c = &o->loss->in.at[tw_attr(top, r, 0)];
    o->map[r] = c->role == TW_RT_VALUES ? o->b->values
                                        : tw_lw_operand(o->b, (TwRtRole)c->role, c->index, c->data, tw_type(top, r));
    return o->map[r];
  }
  for (uint32_t k = 0; k < tw_inst(top, r)->n_args; k++) outer_value(o, tw_arg(top, r, k));
  return o->map[r] = tw_copy_inst(o->b->scope.f, top, r, o->map);
}

/* One row: (outer…, FLAT, columns…) -> residuals…, then their derivatives, coordinate by coordinate or all at once. */
static const TwFn *rows_body(Walk *w, const Square *q, const Row *row) {
  TwLw *lw = w->lw;
  const TwRegion *g = tw_region(w->top.f, q->region);
  TwFn *f = tw_fn_new(lw->m, "row");
  const TwFn *old = row->fn;
  TwRef *args = TW_NEW_N(lw->arena, TwRef, old->params.len);
  uint32_t n = 0;
  for (; n < row->outer.len; n++) args[n] = tw_param(f, tw_type(old, old->params.at[n]));
  TwRef flat = tw_param(f, tw_type(w->top.f, w->top.f->params.at[1]));
  for (uint32_t k = 0; k < row->n_flat; k++)
    args[n++] = row->n_flat == 1 && w->stage->n_flat > 1 ? flat : tw_index(f, flat, tw_int(f, k));
  for (uint32_t k = 0; k < g->n_xs; k++, n++) args[n] = tw_param(f, tw_type(old, old->params.at[n]));
  TwRef *out = TW_NEW_N(lw->arena, TwRef, (size_t)row->n_residuals * (row->n_flat + 1));
  for (uint32_t k = 0; k < row->n_residuals; k++)
    tw_inline(f, derivative_of(lw, row, k), args, out + (size_t)k * (row->n_flat + 1));
  for (uint32_t k = 0; k < row->n_residuals; k++) tw_result(f, out[(size_t)k * (row->n_flat + 1)]);
  for (uint32_t k = 0; k < row->n_residuals; k++)
    for (uint32_t j = 0; j < row->n_flat; j++) tw_result(f, out[(size_t)k * (row->n_flat + 1) + 1 + j]);
  return tw_fn_seal(f);
}

static TwRefs outer_operands(Outer *o, const Row *row) {
  TwRefs args = {0};
  for (uint32_t k = 0; k < row->outer.len; k++) tw_vec_push(o->w->lw->arena, &args, outer_value(o, row->outer.at[k]));
  tw_vec_push(o->w->lw->arena, &args, o->b->flat);
  return args;
}

static void over_data(Outer *o, const Square *q, const Row *row, TwRtSquares *out) {
  TwLw *lw = o->w->lw;
  const TwFn *top = o->w->top.f;
  TwFn *f = o->b->scope.f;
  TwRegion g = *tw_region(top, q->region);
  out->rows = g.trip;
  out->block = g.trip < TW_RT_BLOCK ? g.trip : TW_RT_BLOCK;
  out->per_row = row->n_residuals;
  const TwFn *body = rows_body(o->w, q, row);
  TwRefs args = outer_operands(o, row);
  uint32_t n_consts = args.len;
  for (uint32_t k = 0; k < g.n_xs; k++) {
    TwRef column = tw_arg(top, q->region, g.n_consts + k);
    const TwRtSlot *c = &o->loss->in.at[tw_attr(top, column, 0)];
    TwTy block = tw_ty_lead(lw->m, out->block, tw_type(body, body->params.at[n_consts + k]));
    tw_vec_push(lw->arena, &args, tw_lw_operand(o->b, (TwRtRole)c->role, c->index, c->data, block));
  }
  TwRegion blocks = {.body = body, .trip = out->block, .n_consts = n_consts, .n_xs = g.n_xs, .n_ys = body->results.len};
  TwRef all = tw_emit_region(f, TW_OP_samples, &blocks, args.at, args.len);
  uint32_t n = row->n_residuals;
  for (uint32_t k = 0; k < body->results.len; k++)
    tw_lw_output(o->b, k < n ? TW_RT_RESIDUAL : TW_RT_JACOBIAN, k < n ? k : k - n, 0, tw_get(f, all, k));
  out->by_rows = row->n_flat == 1;
}

/* Row i of the Jacobian is the reverse pass from residual i. */
static void alone(Outer *o, const Row *row, TwRtSquares *out) {
  TwLw *lw = o->w->lw;
  TwFn *f = o->b->scope.f;
  int64_t n = row->n_residuals;
  TwRefs args = outer_operands(o, row);
  TwRef r;
  tw_inline(f, row->fn, args.at, &r);
  tw_lw_output(o->b, TW_RT_RESIDUAL, 0, 0, r);
  const TwFn *vjp = derivative_of(lw, row, 0);
  TwFn *body = tw_fn_new(lw->m, "row");
  TwTy vec = tw_ty(lw->m, TW_REAL, 1, &n), ints = tw_ty(lw->m, TW_INT, 1, &n);
  TwRef i = tw_param(body, tw_ty_scalar(lw->m, TW_INT)), two[2];
  TwRef *in = TW_NEW_N(lw->arena, TwRef, args.len + 1);
  for (uint32_t k = 0; k < args.len; k++) in[k] = tw_param(body, tw_type(f, args.at[k]));
  TwRef here = tw_binary(body, TW_OP_eq, tw_iota(body, n), tw_fit(body, i, ints));
  in[args.len] = tw_fit(body, tw_unary(body, TW_OP_to_real, here), vec);
  tw_inline(body, vjp, in, two);
  tw_result(body, two[1]);
  TwRegion g = {.body = tw_fn_seal(body), .trip = n, .n_consts = args.len, .n_ys = 1};
  TwRef all = tw_emit_region(f, TW_OP_scan, &g, args.at, args.len);
  tw_lw_output(o->b, TW_RT_JACOBIAN, 0, 0, tw_get(f, all, 0));
  *out = (TwRtSquares){.rows = n, .block = n, .per_row = 1, .by_rows = true};
}

static bool check_size(Walk *w, const Row *row) {
  if (!row->over_data || row->n_residuals <= MAX_PER_ROW) return true;
  tw_diag(&w->lw->unit->diags, TW_E0902, w->stage->loss->span,
          "'lm' takes at most %d squares of a row of data in one sum, not %u", MAX_PER_ROW, row->n_residuals);
  return false;
}

void tw_lw_squares(TwLowered *l, TwLw *lw, const TwMoment *at, const TwFnBuild *loss, const TwFn *f, TwRtStage *out) {
  bool *params = TW_NEW_N(lw->arena, bool, f->params.len + 1);
  params[1] = true;
  Walk w = {.lw = lw, .stage = at->stage, .top = {f, dependent(lw, f, params)}};
  walk(&w, &w.top, f->results.at[0], (Square){0});
  if (w.failed) return;
  TwRtSquares *squares = TW_NEW_N(lw->arena, TwRtSquares, w.found.len + 1);
  for (uint32_t k = 0; k < w.found.len; k++) {
    Row row = row_of(&w, &w.found.at[k]);
    if (!check_size(&w, &row)) return;
    TwFnBuild b;
    tw_lw_begin(&b, lw, at, tw_arena_printf(lw->arena, "%s.squares%u", at->stage->name, k));
    Outer o = {.w = &w, .b = &b, .loss = loss, .map = TW_NEW_N(lw->arena, TwRef, f->insts.len)};
    b.scope.f->at = at->stage->loss->span;
    if (row.over_data) over_data(&o, &w.found.at[k], &row, &squares[k]);
    else alone(&o, &row, &squares[k]);
    tw_lw_end(l, &b, TW_F64, NULL, &squares[k].fn);
  }
  out->n_squares = w.found.len;
  out->squares = squares;
}
