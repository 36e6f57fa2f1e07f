/* jac.c: triwave jac FILE: d weights / d params as a table, CSV or NPY: at the start, or after a stage. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/failures.h"
#include "cli/output.h"
#include "compiler/probe/probe.h"
#include "runtime/npy.h"

typedef struct Jac {
  TwProbe *p;
  TwJacobian j;
} Jac;

/* ---- forms */

static double entry(const Jac *x, uint64_t r, uint64_t c) { return x->j.at[r * x->j.columns + c]; }

/* The entries that are not zero, by name, and how many there are. */
static void write_table(Jac *x, FILE *out) {
  uint64_t nonzero = 0, touched = 0;
  for (uint64_t r = 0; r < x->j.rows; r++) {
    bool any = false;
    for (uint64_t c = 0; c < x->j.columns; c++) {
      if (entry(x, r, c) == 0) continue;
      nonzero++;
      any = true;
      fprintf(out, "%-32s %-20s %.17g\n", tw_jacobian_row(x->p, &x->j, r), tw_jacobian_column(x->p, &x->j, c),
              entry(x, r, c));
    }
    touched += any;
  }
  uint64_t all = x->j.rows * x->j.columns;
  fprintf(out, "%llu weights by %llu params: %llu of %llu entries are not zero (%.1f%%), in %llu rows\n",
          (unsigned long long)x->j.rows, (unsigned long long)x->j.columns, (unsigned long long)nonzero,
          (unsigned long long)all, all ? 100.0 * (double)nonzero / (double)all : 0.0, (unsigned long long)touched);
}

/* Names hold commas, so all are quoted. */
static void write_csv(Jac *x, FILE *out) {
  fprintf(out, "\"weight\"");
  for (uint64_t c = 0; c < x->j.columns; c++) fprintf(out, ",\"%s\"", tw_jacobian_column(x->p, &x->j, c));
  fprintf(out, "\n");
  for (uint64_t r = 0; r < x->j.rows; r++) {
    fprintf(out, "\"%s\"", tw_jacobian_row(x->p, &x->j, r));
    for (uint64_t c = 0; c < x->j.columns; c++) fprintf(out, ",%.17g", entry(x, r, c));
    fprintf(out, "\n");
  }
}

static void write_npy(Jac *x, FILE *out) { tw_rt_npy_write(out, x->j.at, x->j.rows, x->j.columns); }

static const struct Form {
  const char *name;
  void (*write)(Jac *x, FILE *out);
} forms[] = {{"table", write_table}, {"csv", write_csv}, {"npy", write_npy}};

typedef struct Written {
  Jac *jac;
  const char *form; /* NULL: the first */
} Written;

static void write_form(const void *what, FILE *out) {
  const Written *w = what;
  for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
    if (w->form ? strcmp(forms[k].name, w->form) == 0 : k == 0) forms[k].write(w->jac, out);
}

/* ---- where */

static int find_stage(const TwCli *c, const TwProgram *p) {
  for (uint32_t k = 0; k < p->stages.len; k++)
    if (strcmp(p->stages.at[k].name, c->stage) == 0) return (int)k;
  fprintf(stderr, "triwave: the program has no stage '%s'\n", c->stage);
  return -1;
}

/* VALUES as the stage hands them on, after training; NULL if it could not be trained. *sound: nothing failed; a bound
 * that does not hold is told, and the values are there. */
static const double *trained_values(TwBuild *b, int stage, uint64_t seed, bool *sound) {
  if (stage < 0 || !tw_build(b, TW_PHASE_CODE)) return NULL;
  const TwRtProgram *rt = b->lowered->rt;
  TwRtOptions o = {.seeds = &seed, .n_seeds = 1, .threads = 1, .keep_values = true};
  TwRtResult *r = tw_rt_train(rt, &o);
  *sound = tw_cli_failures(b, r);
  const double *values = r->error ? NULL : r->seeds[0].stages[stage].values;
  /* A NaN leaves values for who asks where it arose; no stage has handed them on. */
  for (uint32_t k = 0; values && k < r->seeds[0].n_failures; k++)
    if (r->seeds[0].failures[k].kind == TW_RT_NAN && r->seeds[0].failures[k].stage == (uint32_t)stage) values = NULL;
  if (values) values = tw_arena_dup(&b->unit->arena, values, rt->n_values * sizeof *values);
  tw_rt_result_free(rt, r);
  return values;
}

/* A run that begins there ends at once. */
static bool starts_finite(const TwProbe *p, Jac *x, uint64_t seed) {
  const TwRtProgram *rt = p->lowered->rt;
  const double *weights = p->shown + (rt->n_shown - x->j.rows);
  for (uint64_t r = 0; r < x->j.rows; r++) {
    if (isfinite(weights[r])) continue;
    tw_diag(&p->unit->diags, TW_E0801, tw_jacobian_span(&x->j, r), "%s is %s at the start (seed %llu)",
            tw_jacobian_row(x->p, &x->j, r), isnan(weights[r]) ? "nan" : "infinite", (unsigned long long)seed);
    return false;
  }
  return true;
}

static bool jac(const TwCli *c, TwBuild *b) {
  uint64_t seed = c->have_seed ? c->seed : 0;
  TwProbe p;
  Jac x = {.p = &p};
  const double *values = NULL;
  bool sound = true;
  if (b->program->params.len == 0 || b->program->weights.len == 0) {
    fprintf(stderr, "triwave: there is no Jacobian: the program has no %s\n",
            b->program->params.len ? "weights" : "params");
    return false;
  }
  if (c->stage && !(values = trained_values(b, find_stage(c, b->program), seed, &sound))) return false;
  bool opened = tw_probe_open(&p, b->unit, b->program, b->lowered, seed);
  if (opened && !values && !tw_probe_begins(&p, seed)) return false;
  if (!opened || !tw_probe_jacobian(&p, values, &x.j)) {
    fprintf(stderr, "triwave: out of memory\n");
    return false;
  }
  if (!values && !starts_finite(&p, &x, seed)) return false;
  return tw_cli_write(c, write_form, &(Written){&x, c->format}) && sound;
}

int tw_cli_jac(const TwCli *c) {
  static const char *const names_of_forms[] = {"table", "csv", "npy", NULL};
  if (!tw_cli_format_ok(c, names_of_forms, "table, csv or npy")) return TW_EXIT_USAGE;
  TwUnit *u = tw_cli_unit(c);
  TwBuild b = {.unit = u, .file = tw_cli_open(u, c->files[0])};
  TwVariantNames names = {0};
  bool ok = b.file && tw_build(&b, TW_PHASE_PARSE) && tw_cli_variants(c, u, b.ast, &names);
  if (ok) b.variant = names.at[0];
  ok = ok && tw_build(&b, TW_PHASE_LOWER) && jac(c, &b);
  tw_cli_diagnostics(u);
  tw_build_free(&b);
  tw_unit_free(u);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
