/* regions.c: triwave regions FILE: train one seed, then list the linear regions of each model of one
 * input, exactly, for the stored floats (docs/regions.md). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli/cli.h"
#include "cli/failures.h"
#include "runtime/data.h"
#include "runtime/regions.h"

/* The coefficients of a model's pieces at `values`, as doubles: malloc'ed, or NULL. */
static double *coefficients(const TwRtProgram *p, const TwRtStage *st, const TwRtPl *pl, const double *values) {
  void *v = tw_rt_reals(p->n_values, p->f64), *flat = tw_rt_reals(st->n_flat, p->f64);
  void *out = tw_rt_reals(pl->n_coeffs, p->f64), *work = tw_rt_reals(pl->coeffs.work_bytes / sizeof(float) + 16, false);
  double *c = malloc((pl->n_coeffs + 1) * sizeof *c);
  if (v && flat && out && work && c) {
    for (uint64_t i = 0; i < p->n_values; i++) tw_rt_put(v, i, values[i], p->f64);
    for (uint32_t k = 0; k < st->n_ranges; k++)
      for (uint64_t i = 0; i < st->ranges[k].n; i++)
        tw_rt_put(flat, st->ranges[k].to + i, values[st->ranges[k].at + i], p->f64);
    const void *in[2] = {v, flat};
    pl->coeffs.entry(&(TwRtCall){.in = in, .out = &out, .work = work});
    for (uint32_t i = 0; i < pl->n_coeffs; i++) c[i] = tw_rt_get(out, i, p->f64);
  }
  free(v);
  free(flat);
  free(out);
  free(work);
  return c;
}

static void print_pieces(const char *model, const TwRtPieces *r) {
  printf("%s: %lld regions, %lld slivers, %lld patterns, %lld distinct maps, %lld dead units, narrowest %.3g\n", model,
         (long long)r->counts.pieces, (long long)r->counts.slivers, (long long)r->counts.patterns,
         (long long)r->counts.maps, (long long)r->counts.dead, r->counts.narrowest);
  printf("  %-24s %-24s %-24s %s\n", "from", "to", "slope", "intercept");
  for (size_t k = 0; k < r->n; k++)
    printf("  %-24.17g %-24.17g %-24.17g %.17g%s\n", r->pieces[k].lo, r->pieces[k].hi, r->pieces[k].slope,
           r->pieces[k].intercept, r->pieces[k].sliver ? "  sliver" : "");
}

static cJSON *json_pieces(const char *model, const TwRtPieces *r) {
  cJSON *j = cJSON_CreateObject(), *list = cJSON_CreateArray();
  cJSON_AddStringToObject(j, "model", model);
  cJSON_AddNumberToObject(j, "regions", (double)r->counts.pieces);
  cJSON_AddNumberToObject(j, "slivers", (double)r->counts.slivers);
  cJSON_AddNumberToObject(j, "patterns", (double)r->counts.patterns);
  cJSON_AddNumberToObject(j, "maps", (double)r->counts.maps);
  cJSON_AddNumberToObject(j, "dead", (double)r->counts.dead);
  cJSON_AddNumberToObject(j, "narrowest", r->counts.narrowest);
  for (size_t k = 0; k < r->n; k++) {
    cJSON *q = cJSON_CreateObject();
    cJSON_AddNumberToObject(q, "lo", r->pieces[k].lo);
    cJSON_AddNumberToObject(q, "hi", r->pieces[k].hi);
    cJSON_AddNumberToObject(q, "slope", r->pieces[k].slope);
    cJSON_AddNumberToObject(q, "intercept", r->pieces[k].intercept);
    cJSON_AddBoolToObject(q, "sliver", r->pieces[k].sliver);
    cJSON_AddItemToArray(list, q);
  }
  cJSON_AddItemToObject(j, "pieces", list);
  return j;
}

static TwSpan span_of(const TwRtPlace *p) { return (TwSpan){p->file, p->start, p->end}; }

/* One model after one stage. false: a diagnostic was added. */
static bool show_model(const TwCli *c, TwUnit *u, const TwRtProgram *p, uint32_t stage, uint32_t model,
                       const double *values, cJSON *out) {
  const TwRtPl *pl = &p->stages[stage].pls[model];
  const TwRtModel *m = &p->models[model];
  if (pl->why_not) {
    tw_diag(&u->diags, TW_E0715, span_of(&pl->why_place), "'%s' is not piecewise linear in its input: %s", m->name, pl->why_not);
    return false;
  }
  if (pl->n_nodes == 0) {
    fprintf(stderr, "triwave: '%s' is left out: regions need one real input, one real output, and an interval from an "
                    "ensure, an expect or the first data set\n", m->name);
    return true;
  }
  TwRtPieces r;
  double *coeffs = coefficients(p, &p->stages[stage], pl, values);
  if (!coeffs) return fprintf(stderr, "triwave: out of memory\n"), false;
  tw_rt_regions(pl, coeffs, m->lo, m->hi, m->sliver, &r);
  free(coeffs);
  bool ok = r.error == NULL;
  if (!ok)
    tw_diag(&u->diags, TW_E0715, span_of(&pl->why_place), "regions of '%s' cannot be counted: %s", m->name, r.error);
  else if (c->json)
    cJSON_AddItemToArray(out, json_pieces(m->name, &r));
  else
    print_pieces(m->name, &r);
  tw_rt_pieces_free(&r);
  return ok;
}

static int find_stage(const TwCli *c, const TwRtProgram *p) {
  if (!c->stage) return (int)p->n_stages - 1;
  for (uint32_t k = 0; k < p->n_stages; k++)
    if (strcmp(p->stages[k].name, c->stage) == 0) return (int)k;
  return -1;
}

static bool show(const TwCli *c, TwBuild *b) {
  TwUnit *u = b->unit;
  const TwRtProgram *p = b->rt;
  int stage = find_stage(c, p);
  if (stage < 0) {
    fprintf(stderr, "triwave: the program has no stage '%s'\n", c->stage ? c->stage : "");
    return false;
  }
  uint64_t seed = c->have_seed ? c->seed : 0;
  TwRtOptions o = {.seeds = &seed, .n_seeds = 1, .threads = 1, .keep_values = true};
  TwRtResult *r = tw_rt_train(p, &o);
  bool sound = tw_cli_failures(b, r), ok = !r->error && r->seeds[0].stages[stage].values;
  cJSON *models = cJSON_CreateArray();
  for (uint32_t m = 0; ok && m < p->n_models; m++)
    ok = show_model(c, u, p, (uint32_t)stage, m, r->seeds[0].stages[stage].values, models);
  if (ok && c->json) {
    char *text = cJSON_Print(models);
    puts(text);
    free(text);
  }
  cJSON_Delete(models);
  tw_rt_result_free(p, r);
  return ok && sound;
}

int tw_cli_regions(const TwCli *c) {
  TwUnit *u = tw_cli_unit(c);
  TwBuild b = {.unit = u, .file = tw_cli_open(u, c->files[0])};
  bool ok = b.file && tw_build(&b, TW_PHASE_PARSE) && tw_cli_one_variant(c, u, b.ast, &b.variant);
  ok = ok && tw_build(&b, TW_PHASE_CODE) && show(c, &b);
  tw_cli_diagnostics(u);
  tw_build_free(&b);
  tw_unit_free(u);
  return ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
