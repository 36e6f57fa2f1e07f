/* data.c: data sets: grids, and the target after ->.
 *
 * The target is an expression over the inputs (and, for a file, its other columns): a number or an array of them. It is
 * evaluated here at some thousand rows, so that a target that is not finite is found now. What is drawn in it becomes
 * columns of the data set, so everything after sema sees numbers. */
#include <math.h>
#include <string.h>

#include "compiler/sema/data.h"
#include "runtime/data.h"

enum { CHECKED_ROWS = 4000 };

static const TwSmCtx data_ctx = {.what = "a data set", .no_params = true, .no_weights = true, .no_data = true};

/* ---- grids */
static bool axis(TwSema *s, const TwSmScope *scope, const TwDataArg *a, TwDataSet *out) {
  TwAxis x = {.lo_open = a->domain.lo_open, .hi_open = a->domain.hi_open};
  for (uint32_t k = 0; k < out->inputs.len; k++) {
    if (out->inputs.at[k].local->name != a->name.name) continue;
    tw_sm_error(s, TW_E0202, a->name.span, "'%s' is an axis twice", a->name.name);
    return false;
  }
  x.local = tw_sm_local(s, a->name.name, s->t_real, a->name.span);
  if (a->domain.named) {
    tw_sm_error(s, TW_E0607, a->domain.span, "an axis of a grid is an interval");
    return false;
  }
  if (!tw_sm_interval(s, scope, &a->domain, &x.lo, &x.hi)) return false;
  if (isinf(x.lo) || isinf(x.hi)) {
    tw_sm_error(s, TW_E0607, a->domain.span, "an axis of a grid has two finite ends");
    return false;
  }
  tw_vec_push(s->a, &out->inputs, x);
  return true;
}

/* A number of points, for the axes before it that have none yet. */
static bool points(TwSema *s, const TwSmScope *scope, const TwExpr *e, TwSpan span, TwDataSet *out) {
  int64_t n;
  if (!e || !tw_sm_static_int(s, scope, e, "the number of points", &n)) return false;
  bool used = false;
  for (uint32_t k = 0; k < out->inputs.len; k++) {
    TwAxis *x = &out->inputs.at[k];
    if (x->n) continue;
    int64_t least = x->lo_open || x->hi_open ? 1 : 2;
    if (n < least) {
      tw_sm_error(s, TW_E0607, span, "a grid with %s needs at least %lld point%s, but has %lld",
                  least == 2 ? "both ends" : "an open end", (long long)least, least == 1 ? "" : "s", (long long)n);
      return false;
    }
    x->n = n;
    used = true;
  }
  if (!used) tw_sm_error(s, TW_E0607, span, "this number of points belongs to no axis");
  return used;
}

static bool grid(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out) {
  TwSmScope outer = *scope;
  bool ok = true;
  out->kind = TW_DATA_GRID;
  for (uint32_t k = 0; k < d->data_args.len; k++) {
    const TwDataArg *a = &d->data_args.at[k];
    if (a->kind == TW_DA_AXIS) {
      tw_sm_bind(s, scope, a->name, tw_sm_vbad()); /* unless it comes out well, below */
      ok &= axis(s, &outer, a, out);
    } else if (a->kind == TW_DA_VALUE) {
      ok = ok && points(s, &outer, a->value, a->span, out);
      if (!ok && a->value && a->value->kind == TW_EX_NAME) /* perhaps an axis that lacks its interval */
        tw_sm_bind(s, scope, (TwIdent){a->value->name, a->span}, tw_sm_vbad());
    }
  }
  if (ok && out->inputs.len == 0) {
    TwDiag *x = tw_sm_error(s, TW_E0607, d->source.span, "a grid needs an axis");
    tw_sm_help(s, x, "write grid(x in [0, 1], 100)");
    ok = false;
  }
  out->n = 1;
  for (uint32_t k = 0; k < out->inputs.len && ok; k++) {
    const TwAxis *x = &out->inputs.at[k];
    if (x->n == 0) {
      tw_sm_error(s, TW_E0607, x->local->span, "nothing tells how many points the axis '%s' has", x->local->name);
      ok = false;
    } else if (__builtin_mul_overflow(out->n, x->n, &out->n) || out->n > TW_SM_MAX_ROWS) {
      tw_sm_error(s, TW_E0902, d->name.span, "data set '%s' has more than %d rows", d->name.name, TW_SM_MAX_ROWS);
      ok = false;
    }
  }
  for (uint32_t k = 0; k < out->inputs.len; k++) {
    TwLocal *l = out->inputs.at[k].local;
    tw_sm_bind(s, scope, (TwIdent){l->name, l->span}, tw_sm_v(tw_sm_use(s, l, l->span)));
  }
  return ok;
}

/* ---- targets */
uint32_t tw_sm_data_width(const TwDataSet *d) { return d->inputs.len + d->columns.len; }
uint32_t tw_sm_data_targets(const TwDataSet *d) {
  return d->target->type->rank ? (uint32_t)d->target->type->dims[0].n : 1;
}

TwLocal **tw_sm_data_locals(TwSema *s, const TwDataSet *d) {
  uint32_t n = tw_sm_data_width(d);
  TwLocal **locals = TW_NEW_N(s->a, TwLocal *, n);
  for (uint32_t k = 0; k < n; k++)
    locals[k] = k < d->inputs.len ? d->inputs.at[k].local : d->columns.at[k - d->inputs.len].local;
  return locals;
}

void tw_sm_data_row(const TwDataSet *d, int64_t row, double *out) {
  uint32_t n = tw_sm_data_width(d);
  if (d->rows) {
    memcpy(out, d->rows + (uint64_t)row * n, n * sizeof *out);
    return;
  }
  for (uint32_t k = d->inputs.len; k-- > 0;) {
    const TwAxis *x = &d->inputs.at[k];
    TwRtAxis axis = {x->local->name, x->lo, x->hi, x->lo_open, x->hi_open, x->n};
    out[k] = tw_rt_axis_point(&axis, row % x->n);
    row /= x->n;
  }
}

double *tw_sm_data_room(TwSema *s, const TwDataSet *d, uint32_t width) {
  uint64_t bytes = (uint64_t)d->n * width * sizeof(double);
  if (bytes < (uint64_t)1 << 36) return TW_NEW_N(s->a, double, (uint64_t)d->n *width);
  tw_sm_error(s, TW_E0902, d->span, "the rows of data set '%s' are too large to be kept", d->name);
  return NULL;
}

/* ---- draws */
static TwTx *draw_one(TwSema *s, TwDataSet *out, TwSpan span) {
  TwAxis x = {.local = tw_sm_local(s, tw_intern_z(&s->u->names, "drawn"), s->t_real, span), .drawn = true};
  tw_vec_push(s->a, &out->columns, x);
  return tw_sm_use(s, x.local, span);
}

TwTx *tw_sm_data_draw(TwSema *s, TwDataSet *out, const TwType *type, TwSpan span) {
  s->ctx.draws++;
  if (type->rank == 0) return draw_one(s, out, span);
  TwTx *t = tw_sm_node(s, TW_TX_ARRAY, type, span);
  if (type->rank > 1 || type->dims[0].n > TW_SM_MAX_TARGETS) {
    tw_sm_error(s, TW_E0319, span, "a draw in a target is one number or a vector, but this is %s",
                tw_type_text(s->a, type));
    return tw_sm_bad(s, span);
  }
  for (int64_t k = 0; k < type->dims[0].n; k++) tw_vec_push(s->a, &t->args, draw_one(s, out, span));
  return t;
}

/* Draws are keyed by the name of the data set, the ordinal of the draw and the row. */
static uint64_t draw_key(const char *name, uint32_t ordinal) {
  uint64_t h = 14695981039346656037ull;
  for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 1099511628211ull;
  h = (h ^ (0x64617461ull << 32 | ordinal)) * 1099511628211ull; /* "data": no key of a law */
  return h ^ h >> 31;
}

bool tw_sm_data_drawn(TwSema *s, uint32_t n_drawn, uint64_t seed, TwDataSet *out) {
  uint32_t width = tw_sm_data_width(out), given = width - n_drawn;
  double *rows = tw_sm_data_room(s, out, width);
  TwDataSet before = *out;
  if (!rows) return false;
  before.columns.len -= n_drawn;
  for (int64_t r = 0; r < out->n; r++) {
    double *row = rows + (uint64_t)r * width;
    tw_sm_data_row(&before, r, row);
    for (uint32_t k = 0; k < n_drawn; k++) row[given + k] = tw_rt_uniform(seed, draw_key(out->name, k), (uint64_t)r);
  }
  out->rows = rows;
  return true;
}

/* Whether t names a column that was drawn: in a loop, where each pass would get the same number. */
static bool names_drawn(const TwTx *t, const TwDataSet *d, bool in_loop);

static bool stmts_name_drawn(TwTs *const *stmts, uint32_t n, const TwDataSet *d, bool in_loop) {
  for (uint32_t k = 0; k < n; k++) {
    const TwTs *t = stmts[k];
    if (t->value && names_drawn(t->value, d, in_loop)) return true;
    for (uint32_t j = 0; j < t->cases.len; j++)
      if (names_drawn(t->cases.at[j].value, d, true)) return true;
    for (uint32_t j = 0; j < t->next.len; j++)
      if (names_drawn(t->next.at[j], d, true)) return true;
    if (stmts_name_drawn(t->body.at, t->body.len, d, true)) return true;
  }
  return false;
}

static bool names_drawn(const TwTx *t, const TwDataSet *d, bool in_loop) {
  in_loop |= t->kind == TW_TX_FOR || t->kind == TW_TX_REDUCE_FOR;
  if (in_loop && t->kind == TW_TX_LOCAL)
    for (uint32_t k = 0; k < d->columns.len; k++)
      if (d->columns.at[k].drawn && d->columns.at[k].local == t->local) return true;
  for (uint32_t k = 0; k < t->args.len; k++)
    if (names_drawn(t->args.at[k], d, in_loop)) return true;
  return stmts_name_drawn(t->stmts.at, t->stmts.len, d, in_loop);
}

static const char *row_text(TwSema *s, TwLocal *const *locals, const double *values, uint32_t n) {
  const char *text = "";
  for (uint32_t k = 0; k < n; k++)
    text = tw_arena_printf(s->a, "%s%s%s = %g", text, k ? ", " : "", locals[k]->name, values[k]);
  return text;
}

/* Looks at some thousand rows: all numbers finite, no weight negative. What cannot be evaluated here is left to the
 * run. */
static void check_finite(TwSema *s, const TwDataSet *d) {
  uint32_t n = tw_sm_data_width(d), n_targets = tw_sm_data_targets(d);
  TwLocal **locals = tw_sm_data_locals(s, d);
  double *values = TW_NEW_N(s->a, double, n), *y = TW_NEW_N(s->a, double, n_targets + 1);
  int64_t step = d->n > CHECKED_ROWS ? d->n / CHECKED_ROWS : 1;
  for (int64_t row = 0; row < d->n; row = row + step < d->n || row == d->n - 1 ? row + step : d->n - 1) {
    tw_sm_data_row(d, row, values);
    if (!tw_sm_eval_at(s, d->target, locals, values, n, y)) return;
    if (d->weight && !tw_sm_eval_at(s, d->weight, locals, values, n, &y[n_targets])) return;
    for (uint32_t k = 0; k < n_targets + (d->weight != NULL); k++) {
      bool weight = k == n_targets;
      if (isfinite(y[k]) && !(weight && y[k] < 0)) continue;
      tw_sm_error(s, TW_E0609, (weight ? d->weight : d->target)->span, "the %s is %s where %s",
                  weight ? "weight" : "target",
                  isnan(y[k])   ? "not a number"
                  : isinf(y[k]) ? "infinite"
                                : "negative",
                  row_text(s, locals, values, d->inputs.len + (d->kind == TW_DATA_GRID ? 0 : d->columns.len)));
      return;
    }
  }
}

/* A real number, or a vector of them. */
static bool target_type(TwSema *s, TwTx **t) {
  if (tw_sm_has_poison((*t)->type)) return false;
  *t = tw_sm_to_real(s, *t);
  const TwType *type = (*t)->type;
  if (tw_sm_is(type, TW_REAL) &&
      (type->rank == 0 || (type->rank == 1 && type->dims[0].n > 0 && type->dims[0].n <= TW_SM_MAX_TARGETS)))
    return true;
  TwDiag *d = tw_sm_error(s, TW_E0610, (*t)->span, "a target is one real number or a vector of them, but this is %s",
                          tw_type_text(s->a, type));
  if (type->kind == TW_TY_TENSOR && type->rank) tw_sm_help(s, d, "a vector has at most %d elements", TW_SM_MAX_TARGETS);
  if (type->kind == TW_TY_TUPLE) tw_sm_help(s, d, "write [ ] for a vector");
  return false;
}

static bool seed_of(TwSema *s, const TwDecl *d, const TwSmScope *scope, uint64_t *seed) {
  const TwDataArg *a = tw_sm_data_named(d, "seed");
  int64_t n = 0;
  if (a && !tw_sm_static_int(s, scope, a->value, "the seed", &n)) return false;
  return *seed = (uint64_t)n, true;
}

static void target(TwSema *s, const TwDecl *d, const TwSmScope *outer, bool ok, TwDataSet *out) {
  if (!d->value && !out->target) {
    TwDiag *x = tw_sm_error(s, TW_E0610, d->name.span, "data set '%s' has no target", d->name.name);
    tw_sm_help(s, x, "write '-> …' after the source");
    return;
  }
  uint64_t seed = 0;
  uint32_t given = out->columns.len;
  const TwDataArg *w = tw_sm_data_named(d, "weight");
  TwSmScope constant = {outer->module, NULL};
  if (!seed_of(s, d, &constant, &seed)) return;
  s->ctx.law = true;
  s->ctx.drawn_for = out;
  if (d->value) {
    TwTx *t = tw_sm_tx(s, outer, d->value, s->t_real);
    if (!target_type(s, &t)) return;
    out->target = t;
  }
  if (w) {
    TwTx *t = tw_sm_tx(s, outer, w->value, s->t_real);
    if (!tw_sm_real_scalar(s, &t, TW_E0610, "a weight")) return;
    out->weight = t;
  }
  s->ctx.law = false;
  s->ctx.drawn_for = NULL;
  uint32_t n_drawn = out->columns.len - given;
  if (n_drawn && (names_drawn(out->target, out, false) || (out->weight && names_drawn(out->weight, out, false)))) {
    tw_sm_error(s, TW_E0319, d->value ? d->value->span : w->value->span, "a draw in a target cannot stand in a loop");
    return;
  }
  if (ok && n_drawn && !tw_sm_data_drawn(s, n_drawn, seed, out)) return;
  if (ok) check_finite(s, out);
}

/* ---- sources */
typedef struct Source {
  const char *name;
  bool (*make)(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);
  const char *named[4]; /* the arguments `name = …` that it takes */
  bool derived;         /* from another data set, target and all */
} Source;

static const Source sources[] = {
    {"grid", grid, {"weight", "seed"}, false},
    {"csv", tw_sm_csv, {"weight", "seed"}, false},
    {"npy", tw_sm_npy, {"columns", "weight", "seed"}, false},
    {"split", tw_sm_split, {"from", "to", "shuffle", "seed"}, true},
    {"standardize", tw_sm_standardize, {"like", "inputs", "targets"}, true},
    {"normalize", tw_sm_normalize, {"like", "inputs", "targets"}, true},
};
enum { N_SOURCES = sizeof sources / sizeof *sources };

static const Source *find_source(TwSema *s, const TwDecl *d) {
  TwName names[N_SOURCES];
  for (uint32_t k = 0; k < N_SOURCES; k++) {
    if (strcmp(sources[k].name, d->source.name) == 0) return &sources[k];
    names[k] = tw_intern_z(&s->u->names, sources[k].name);
  }
  TwDiag *x = tw_sm_error(s, TW_E0606, d->source.span, "there is no data source '%s'", d->source.name);
  if (!tw_sm_suggest(s, x, d->source.name, names, N_SOURCES))
    tw_sm_help(s, x, "sources are grid, csv, npy, split, standardize and normalize");
  return NULL;
}

static bool takes(const Source *source, const char *name) {
  for (uint32_t k = 0; k < 4 && source->named[k]; k++)
    if (strcmp(source->named[k], name) == 0) return true;
  return false;
}

/* Refuses named arguments that the source does not know, and a second one of a name. */
static bool check_named(TwSema *s, const TwDecl *d, const Source *source) {
  bool ok = true;
  for (uint32_t k = 0; k < d->data_args.len; k++) {
    const TwDataArg *a = &d->data_args.at[k];
    if (a->kind != TW_DA_NAMED) continue;
    if (!takes(source, a->name.name)) {
      tw_sm_error(s, TW_E0207, a->name.span, "'%s' has no argument '%s'", source->name, a->name.name);
      ok = false;
    } else if (tw_sm_data_named(d, a->name.name) != a) {
      tw_sm_error(s, TW_E0210, a->name.span, "'%s' is given twice", a->name.name);
      ok = false;
    }
  }
  return ok;
}

TwSmValue tw_sm_data(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  TwSmScope scope = {m, NULL};
  TwDataSet set = {.name = e->name, .span = e->span};
  s->ctx = data_ctx;
  if (!d->source.name) return s->errors++, tw_sm_vbad();
  const Source *source = find_source(s, d);
  if (!source) return tw_sm_vbad();
  if (!check_named(s, d, source)) return tw_sm_vbad();
  if (source->derived && d->value) {
    tw_sm_error(s, TW_E0610, d->value->span, "'%s' has the target of the data set that it is made from", d->name.name);
    return tw_sm_vbad();
  }
  bool ok = source->make(s, d, &scope, &set);
  if (!ok && source->derived) return tw_sm_vbad();
  /* The columns of a file, or the axes of a grid, are not known: nothing can be said of the target. */
  if (!ok && (set.kind != TW_DATA_GRID || set.inputs.len == 0)) return tw_sm_vbad();
  uint32_t before = s->errors;
  if (!source->derived) target(s, d, &scope, ok, &set);
  if (!ok || set.inputs.len == 0 || s->errors != before || !set.target) return tw_sm_vbad();
  e->index = s->p->datas.len;
  tw_vec_push(s->a, &s->p->datas, set);
  return (TwSmValue){.kind = TW_V_DATA, .index = e->index};
}
