/* derived.c: data sets made from others: split, standardize, normalize; and the facts of a data set.
 *
 * A derived data set has rows of its own, computed here, and the target and weight of its source: expressions over
 * columns, which it keeps. So what it does to the source is done before anything is rounded to the run's precision. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/sema/data.h"
#include "runtime/rng.h"

/* ---- the source */
TwSmEntry *tw_sm_data_named_by(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  (void)s;
  if (!e || e->kind != TW_EX_NAME || tw_sm_bound(scope, e->name)) return NULL;
  TwSmEntry *entry = tw_sm_find(scope->module, e->name);
  return entry && entry->decl->kind == TW_DE_DATA ? entry : NULL;
}

static const TwDataSet *data_of(TwSema *s, const TwSmScope *scope, const TwExpr *e, bool *ok) {
  TwSmEntry *entry = tw_sm_data_named_by(s, scope, e);
  TwSmCtx ctx = s->ctx;
  s->ctx.no_data = false;
  TwSmValue v = entry ? tw_sm_resolve(s, scope->module, entry, e->span) : tw_sm_value(s, scope, e, NULL);
  s->ctx = ctx;
  *ok = v.kind == TW_V_DATA;
  if (!*ok && v.kind != TW_V_POISON) tw_sm_error(s, TW_E0614, e->span, "this should be the name of a data set");
  return *ok ? &s->p->datas.at[v.index] : NULL;
}

/* The one argument without a name; numbers after it go to *more. */
static const TwDataSet *source(TwSema *s, const TwDecl *d, const TwSmScope *scope, const TwExpr **more) {
  const TwExpr *first = NULL;
  if (more) *more = NULL;
  for (uint32_t k = 0; k < d->data_args.len; k++) {
    const TwDataArg *a = &d->data_args.at[k];
    if (a->kind == TW_DA_NAMED) continue;
    if (a->kind == TW_DA_VALUE && !first) first = a->value;
    else if (a->kind == TW_DA_VALUE && more && !*more) *more = a->value;
    else {
      tw_sm_error(s, TW_E0302, a->span, "'%s' is made of one data set", d->source.name);
      return NULL;
    }
  }
  if (!first) {
    TwDiag *x = tw_sm_error(s, TW_E0303, d->source.span, "'%s' is given no data set", d->source.name);
    tw_sm_help(s, x, strcmp(d->source.name, "split") == 0 ? "write split(points, to = 0.8)" : "write %s(points)",
               d->source.name);
    return NULL;
  }
  bool ok;
  return data_of(s, scope, first, &ok);
}

static bool truth(TwSema *s, const TwDecl *d, const TwSmScope *scope, const char *name, bool *out) {
  const TwDataArg *a = tw_sm_data_named(d, name);
  if (!a) return true;
  TwTx *t = tw_sm_tx(s, scope, a->value, s->t_bool);
  if (tw_sm_poison(t->type)) return false;
  double v;
  if (tw_sm_is_scalar(t->type) && t->type->dtype == TW_BOOL && tw_sm_eval_real(s, t, &v)) return *out = v != 0, true;
  tw_sm_error(s, TW_E0614, a->value->span, "'%s' is true or false", name);
  return false;
}

/* ---- split */
static bool fraction(TwSema *s, const TwSmScope *scope, const TwExpr *e, const char *what, double *out) {
  if (!tw_sm_const_real(s, scope, e, what, out)) return false;
  if (*out >= 0 && *out <= 1) return true;
  tw_sm_error(s, TW_E0614, e->span, "%s is a part of the rows, from 0 to 1, and this is %g", what, *out);
  return false;
}

/* Which rows are taken: those whose place in the shuffled order is in from … to - 1. */
static bool *choose(TwSema *s, const TwDataSet *from, bool shuffle, uint64_t seed, int64_t lo, int64_t hi) {
  bool *taken = TW_NEW_N(s->a, bool, from->n);
  if (!shuffle) {
    for (int64_t r = lo; r < hi; r++) taken[r] = true;
    return taken;
  }
  uint32_t *order = malloc((size_t)from->n * sizeof *order);
  if (!order) abort();
  uint32_t name = 2166136261u; /* the parts of a data set are cut from one order */
  for (const char *c = from->name; *c; c++) name = (name ^ (unsigned char)*c) * 16777619u;
  tw_rt_shuffle(seed, name, (uint64_t)0x73706c69u, order, (uint32_t)from->n);
  for (int64_t k = lo; k < hi; k++) taken[order[k]] = true;
  free(order);
  return taken;
}

static bool take_rows(TwSema *s, const TwDataSet *from, const bool *taken, TwDataSet *out) {
  uint32_t width = tw_sm_data_width(from);
  out->rows = tw_sm_data_room(s, out, width);
  if (!out->rows) return false;
  double *to = out->rows;
  for (int64_t r = 0; r < from->n; r++)
    if (taken[r]) tw_sm_data_row(from, r, to), to += width;
  return true;
}

static void like_source(const TwDataSet *from, TwDataSet *out) {
  TwName name = out->name;
  TwSpan span = out->span;
  *out = *from;
  out->name = name;
  out->span = span;
  out->facts = NULL;
}

bool tw_sm_split(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  const TwExpr *second;
  const TwDataSet *found = source(s, d, scope, &second);
  if (!found) return false;
  const TwDataSet from = *found; /* the table of data sets may move */
  const TwDataArg *a = tw_sm_data_named(d, "from"), *b = tw_sm_data_named(d, "to"),
                  *seed_arg = tw_sm_data_named(d, "seed");
  double lo = 0, hi = 1;
  int64_t seed = 0;
  bool shuffle = true;
  if (second || (!a && !b)) {
    TwDiag *x = tw_sm_error(s, TW_E0614, second ? second->span : d->source.span,
                            "'split' wants to know which part of the rows");
    tw_sm_help(s, x, "write split(%s, to = 0.8), and split(%s, from = 0.8) for the rest", from.name, from.name);
    return false;
  }
  if ((a && !fraction(s, scope, a->value, "'from'", &lo)) || (b && !fraction(s, scope, b->value, "'to'", &hi)) ||
      !truth(s, d, scope, "shuffle", &shuffle) ||
      (seed_arg && !tw_sm_static_int(s, scope, seed_arg->value, "the seed", &seed)))
    return false;
  int64_t first = (int64_t)floor(lo * (double)from.n + 0.5), last = (int64_t)floor(hi * (double)from.n + 0.5);
  if (first >= last) {
    tw_sm_error(s, TW_E0614, (b ? b : a)->span, "this part of the %lld rows of '%s' has no rows", (long long)from.n,
                from.name);
    return false;
  }
  like_source(&from, out);
  out->n = last - first;
  return take_rows(s, &from, choose(s, &from, shuffle, (uint64_t)seed, first, last), out);
}

/* ---- facts */
static void fact_of(TwSmFacts *f, uint32_t k, double sum, int64_t n) { f->mean[k] = sum / (double)n; }

/* Calls `visit` with the inputs and targets of each row. */
typedef void (*Visit)(TwSmFacts *f, uint32_t k, double x, int64_t row, double *sums);
static bool each_row(TwSema *s, const TwDataSet *d, TwSmFacts *f, double *sums, Visit visit) {
  uint32_t width = tw_sm_data_width(d), n_targets = tw_sm_data_targets(d);
  TwLocal **locals = tw_sm_data_locals(s, d);
  double *row = TW_NEW_N(s->a, double, width), *y = TW_NEW_N(s->a, double, n_targets);
  uint32_t plain = width; /* the column that the target is, if it is no more than that */
  for (uint32_t k = 0; k < width; k++)
    if (d->target->kind == TW_TX_LOCAL && d->target->local == locals[k]) plain = k;
  for (int64_t r = 0; r < d->n; r++) {
    tw_sm_data_row(d, r, row);
    if (plain < width) y[0] = row[plain];
    else if (!tw_sm_eval_at(s, d->target, locals, row, width, y)) return false;
    for (uint32_t k = 0; k < d->inputs.len; k++) visit(f, k, row[k], r, sums);
    for (uint32_t k = 0; k < n_targets; k++) visit(f, d->inputs.len + k, y[k], r, sums);
  }
  return true;
}

static void visit_values(TwSmFacts *f, uint32_t k, double x, int64_t row, double *sums) {
  sums[k] += x;
  if (row == 0 || x < f->min[k]) f->min[k] = x;
  if (row == 0 || x > f->max[k]) f->max[k] = x;
}

static void visit_squares(TwSmFacts *f, uint32_t k, double x, int64_t row, double *sums) {
  (void)row;
  sums[k] += (x - f->mean[k]) * (x - f->mean[k]);
}

const TwSmFacts *tw_sm_facts(TwSema *s, TwDataSet *d) {
  if (d->facts) return d->facts;
  uint32_t n = d->inputs.len + tw_sm_data_targets(d);
  TwSmFacts *f = TW_NEW(s->a, TwSmFacts);
  double *sums = TW_NEW_N(s->a, double, n);
  double **all[] = {&f->mean, &f->deviation, &f->min, &f->max};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) *all[k] = TW_NEW_N(s->a, double, n);
  if (!each_row(s, d, f, sums, visit_values)) return NULL;
  for (uint32_t k = 0; k < n; k++) fact_of(f, k, sums[k], d->n), sums[k] = 0;
  if (!each_row(s, d, f, sums, visit_squares)) return NULL;
  for (uint32_t k = 0; k < n; k++) f->deviation[k] = sqrt(sums[k] / (double)d->n);
  return d->facts = f;
}

/* A number, or an array where there are several inputs or targets. */
static TwTx *numbers(TwSema *s, const double *x, uint32_t n, TwSpan span) {
  if (n == 1) return tw_sm_real(s, x[0], span);
  TwTx *t = tw_sm_node(s, TW_TX_ARRAY, tw_sm_lead(s, (TwDim){n, span, NULL}, s->t_real, span), span);
  for (uint32_t k = 0; k < n; k++) tw_vec_push(s->a, &t->args, tw_sm_real(s, x[k], span));
  return t;
}

TwSmValue tw_sm_data_fact(TwSema *s, uint32_t data, TwName name, TwSpan name_span, TwSpan span) {
  static const char *const known[] = {"mean",       "deviation",  "min", "max", "target_mean", "target_deviation",
                                      "target_min", "target_max", "rows"};
  enum { KNOWN = sizeof known / sizeof *known };
  TwDataSet *d = &s->p->datas.at[data];
  uint32_t which = 0;
  while (which < KNOWN && strcmp(known[which], name) != 0) which++;
  if (which == KNOWN - 1) return tw_sm_v(tw_sm_int(s, d->n, span));
  if (which == KNOWN) {
    TwNames names = {0};
    for (uint32_t k = 0; k < KNOWN; k++) tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, known[k]));
    TwDiag *x = tw_sm_error(s, TW_E0205, name_span, "a data set has no '%s'", name);
    if (!tw_sm_suggest(s, x, name, names.at, names.len))
      tw_sm_help(s, x, "it has rows; mean, deviation, min and max of its inputs; target_mean, target_deviation, …");
    return tw_sm_vbad();
  }
  const TwSmFacts *f = tw_sm_facts(s, d);
  if (!f) {
    tw_sm_error(s, TW_E0614, span, "the '%s' of data set '%s' cannot be computed when compiling", name, d->name);
    return tw_sm_vbad();
  }
  const double *x[] = {f->mean, f->deviation, f->min, f->max};
  bool of_target = which >= 4;
  return tw_sm_v(numbers(s, x[which % 4] + (of_target ? d->inputs.len : 0),
                         of_target ? tw_sm_data_targets(d) : d->inputs.len, span));
}

/* ---- affine maps of inputs and targets */
typedef struct Affine {
  const double *centre;
  double *scale;
} Affine;

/* (target - centre) / scale, element by element. */
static TwTx *map_target(TwSema *s, const TwDataSet *d, const double *centre, const double *scale) {
  TwSpan span = d->target->span;
  uint32_t n = tw_sm_data_targets(d);
  const TwType *type = d->target->type;
  TwTx *moved = tw_sm_op(s, TW_OP_sub, type, span, d->target, numbers(s, centre, n, span));
  return tw_sm_op(s, TW_OP_div, type, span, moved, numbers(s, scale, n, span));
}

static bool map_inputs(TwSema *s, const TwDataSet *from, const Affine *by, TwDataSet *out) {
  uint32_t n = from->inputs.len, width = tw_sm_data_width(from);
  double *rows = tw_sm_data_room(s, from, n + width);
  if (!rows) return false;
  for (int64_t r = 0; r < from->n; r++) {
    double *row = rows + (uint64_t)r * (n + width);
    tw_sm_data_row(from, r, row + n);
    for (uint32_t k = 0; k < n; k++) row[k] = (row[n + k] - by->centre[k]) / by->scale[k];
  }
  out->rows = rows;
  out->inputs.at = NULL;
  out->inputs.len = out->inputs.cap = 0;
  out->columns.at = NULL;
  out->columns.len = out->columns.cap = 0;
  for (uint32_t k = 0; k < n; k++) { /* the source's inputs stay as columns, for the target */
    TwAxis x = from->inputs.at[k];
    x.lo = (x.lo - by->centre[k]) / by->scale[k];
    x.hi = (x.hi - by->centre[k]) / by->scale[k];
    x.local = tw_sm_local(s, x.local->name, s->t_real, x.local->span);
    tw_vec_push(s->a, &out->inputs, x);
  }
  for (uint32_t k = 0; k < n; k++) tw_vec_push(s->a, &out->columns, from->inputs.at[k]);
  for (uint32_t k = 0; k < from->columns.len; k++) tw_vec_push(s->a, &out->columns, from->columns.at[k]);
  return true;
}

static bool affine(TwSema *s, const TwDecl *d, TwSmScope *scope, bool standard, TwDataSet *out) {
  const TwDataSet *found = source(s, d, scope, NULL);
  if (!found) return false;
  bool inputs = true, targets = true, ok = true;
  const TwDataArg *like_arg = tw_sm_data_named(d, "like");
  const TwDataSet from = *found, *like = like_arg ? data_of(s, scope, like_arg->value, &ok) : NULL;
  if (!ok || !truth(s, d, scope, "inputs", &inputs) || !truth(s, d, scope, "targets", &targets)) return false;
  TwDataSet by = like ? *like : from;
  uint32_t n = from.inputs.len, n_targets = tw_sm_data_targets(&from);
  if (by.inputs.len != n || tw_sm_data_targets(&by) != n_targets) {
    tw_sm_error(s, TW_E0614, like_arg->span, "'%s' and '%s' have different numbers of inputs or targets", by.name,
                from.name);
    return false;
  }
  const TwSmFacts *f = tw_sm_facts(s, &by);
  if (!f) {
    tw_sm_error(s, TW_E0614, d->source.span, "the target of '%s' cannot be computed when compiling", by.name);
    return false;
  }
  Affine a = {standard ? f->mean : f->min, TW_NEW_N(s->a, double, n + n_targets)};
  for (uint32_t k = 0; k < n + n_targets; k++) {
    a.scale[k] = standard ? f->deviation[k] : f->max[k] - f->min[k];
    if ((a.scale[k] > 0 && isfinite(a.scale[k])) || !(k < n ? inputs : targets)) continue;
    tw_sm_error(
        s, TW_E0614, d->source.span, "the %s '%s' of data set '%s' is the same in all rows, and cannot be scaled",
        k < n ? "input" : "target", k < n ? from.inputs.at[k].local->name : tw_sm_text(s, from.target->span), by.name);
    return false;
  }
  like_source(&from, out);
  if (targets) out->target = map_target(s, &from, a.centre + n, a.scale + n);
  return !inputs || map_inputs(s, &from, &a, out);
}

bool tw_sm_standardize(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  return affine(s, d, scope, true, out);
}
bool tw_sm_normalize(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  return affine(s, d, scope, false, out);
}
