/* data.c: data sets: grids, and the target after ->.
 *
 * The target is a scalar expression over the inputs (and, for a file, its other columns). It is
 * evaluated here at every row, within a budget, so that a target that is not finite is found now. */
#include <math.h>
#include <string.h>

#include "compiler/sema/data.h"

enum { MAX_ROWS = 1 << 28, CHECKED_ROWS = 4000 };

static const TwSmCtx data_ctx = {
    .what = "a data set", .no_params = true, .no_weights = true, .no_data = true};

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
                  least == 2 ? "both ends" : "an open end", (long long)least, least == 1 ? "" : "s",
                  (long long)n);
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
      tw_sm_error(s, TW_E0607, x->local->span, "nothing tells how many points the axis '%s' has",
                  x->local->name);
      ok = false;
    } else if (__builtin_mul_overflow(out->n, x->n, &out->n) || out->n > MAX_ROWS) {
      tw_sm_error(s, TW_E0902, d->name.span, "data set '%s' has more than %d rows", d->name.name, MAX_ROWS);
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
static double grid_point(const TwAxis *x, int64_t k) {
  double w = x->hi - x->lo;
  if (x->lo_open && x->hi_open) return x->lo + w * (double)(k + 1) / (double)(x->n + 1);
  if (x->lo_open) return x->lo + w * (double)(k + 1) / (double)x->n;
  if (x->hi_open) return x->lo + w * (double)k / (double)x->n;
  return x->lo + w * (double)k / (double)(x->n - 1);
}

static void row_values(const TwDataSet *d, int64_t row, double *out) {
  uint32_t n = d->inputs.len + d->columns.len;
  if (d->rows) {
    memcpy(out, d->rows + row * n, n * sizeof *out);
    return;
  }
  for (uint32_t k = d->inputs.len; k-- > 0;) {
    out[k] = grid_point(&d->inputs.at[k], row % d->inputs.at[k].n);
    row /= d->inputs.at[k].n;
  }
}

static const char *row_text(TwSema *s, TwLocal *const *locals, const double *values, uint32_t n) {
  const char *text = "";
  for (uint32_t k = 0; k < n; k++)
    text = tw_arena_printf(s->a, "%s%s%s = %g", text, k ? ", " : "", locals[k]->name, values[k]);
  return text;
}

static void check_finite(TwSema *s, const TwDataSet *d) {
  uint32_t n = d->inputs.len + d->columns.len;
  TwLocal **locals = TW_NEW_N(s->a, TwLocal *, n);
  double *values = TW_NEW_N(s->a, double, n), y;
  for (uint32_t k = 0; k < n; k++)
    locals[k] = k < d->inputs.len ? d->inputs.at[k].local : d->columns.at[k - d->inputs.len].local;
  int64_t step = d->n > CHECKED_ROWS ? d->n / CHECKED_ROWS : 1;
  for (int64_t row = 0; row < d->n; row = row + step < d->n || row == d->n - 1 ? row + step : d->n - 1) {
    row_values(d, row, values);
    bool known = tw_sm_eval_at(s, d->target, locals, values, n, &y);
    if (!known) return;
    if (isfinite(y)) continue;
    tw_sm_error(s, TW_E0609, d->target->span, "the target is %s where %s",
                isnan(y) ? "not a number" : "infinite", row_text(s, locals, values, n));
    return;
  }
}

static void target(TwSema *s, const TwDecl *d, const TwSmScope *scope, bool ok, TwDataSet *out) {
  if (!d->value && out->target) return; /* a column of the file */
  if (!d->value) {
    TwDiag *x = tw_sm_error(s, TW_E0610, d->name.span, "data set '%s' has no target", d->name.name);
    tw_sm_help(s, x, "write '-> …' after the source");
    return;
  }
  TwTx *t = tw_sm_tx(s, scope, d->value, s->t_real);
  if (!tw_sm_real_scalar(s, &t, TW_E0610, "a target")) return;
  out->target = t;
  if (ok) check_finite(s, out);
}

/* ---- sources */
typedef struct Source {
  const char *name;
  bool (*make)(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);
  const char *named[4]; /* the arguments `name = …` that it takes */
} Source;

static const Source sources[] = {
    {"grid", grid, {0}},
    {"csv", tw_sm_csv, {0}},
    {"npy", tw_sm_npy, {"columns"}},
};
enum { N_SOURCES = sizeof sources / sizeof *sources };

static const Source *find_source(TwSema *s, const TwDecl *d) {
  TwName names[N_SOURCES];
  for (uint32_t k = 0; k < N_SOURCES; k++) {
    if (strcmp(sources[k].name, d->source.name) == 0) return &sources[k];
    names[k] = tw_intern_z(&s->u->names, sources[k].name);
  }
  TwDiag *x = tw_sm_error(s, TW_E0606, d->source.span, "there is no data source '%s'", d->source.name);
  if (!tw_sm_suggest(s, x, d->source.name, names, N_SOURCES)) tw_sm_help(s, x, "sources are grid, csv and npy");
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
  bool ok = source->make(s, d, &scope, &set);
  /* The columns of a file, or the axes of a grid, are not known: nothing can be said of the target. */
  if (!ok && (set.kind != TW_DATA_GRID || set.inputs.len == 0)) return tw_sm_vbad();
  uint32_t before = s->errors;
  target(s, d, &scope, ok, &set);
  if (!ok || set.inputs.len == 0 || s->errors != before || !set.target) return tw_sm_vbad();
  e->index = s->p->datas.len;
  tw_vec_push(s->a, &s->p->datas, set);
  return (TwSmValue){.kind = TW_V_DATA, .index = e->index};
}
