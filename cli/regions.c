/* regions.c: triwave regions FILE|RUN: train one seed, or take one that a run has kept, then list the linear regions of
 * each model of one input, exactly, for the stored floats (docs/regions.md), and how far each is from the target. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli/output.h"
#include "cli/pieces.h"
#include "cli/trained.h"
#include "runtime/best_fit.h"
#include "runtime/npy.h"
#include "runtime/piece_error.h"

typedef struct Shown {
  const char *model;
  TwRtPieces pieces;
  TwRtPieceError *errors; /* NULL: there is no target to be had everywhere */
  bool compared;          /* its squared error with that of the best fit of `pieces_of_best` pieces */
  uint32_t pieces_of_best;
  double mse, best;
} Shown;

typedef struct List {
  const char *target; /* the data set that errors are against, or NULL */
  uint32_t n;
  Shown *at;
} List;

/* ---- forms */

static void put_table(const void *what, FILE *out) {
  const List *list = what;
  for (uint32_t m = 0; m < list->n; m++) {
    const Shown *s = &list->at[m];
    const TwRtRegions *r = &s->pieces.counts;
    fprintf(out, "%s: %lld regions, %lld slivers, %lld patterns, %lld distinct maps, %lld dead units, narrowest %.3g\n",
            s->model, (long long)r->pieces, (long long)r->slivers, (long long)r->patterns, (long long)r->maps,
            (long long)r->dead, r->narrowest);
    if (s->errors) {
      size_t worst = 0;
      for (size_t k = 1; k < s->pieces.n; k++)
        if (s->errors[k].sup > s->errors[worst].sup) worst = k;
      if (s->pieces.n)
        fprintf(out, "  largest error against '%s': %.3g at %.9g\n", list->target, s->errors[worst].sup,
                s->errors[worst].at);
    }
    if (s->compared)
      fprintf(out, "  mean squared error: %.3g; best fit of %u piece%s: %.3g; error / best fit: %.3g\n", s->mse,
              s->pieces_of_best, s->pieces_of_best == 1 ? "" : "s", s->best, s->mse / s->best);
    fprintf(out, "  %-24s %-24s %-24s %-24s%s\n", "from", "to", "slope", "intercept",
            s->errors ? " largest error" : "");
    for (size_t k = 0; k < s->pieces.n; k++) {
      const TwRtPiece *p = &s->pieces.pieces[k];
      fprintf(out, "  %-24.17g %-24.17g %-24.17g %-24.17g", p->lo, p->hi, p->slope, p->intercept);
      if (s->errors) fprintf(out, " %-12.3g", s->errors[k].sup);
      fprintf(out, "%s\n", p->sliver ? " sliver" : "");
    }
  }
}

static void put_csv(const void *what, FILE *out) {
  const List *list = what;
  fprintf(out, "model,lo,hi,slope,intercept,sliver,error,error_at\n");
  for (uint32_t m = 0; m < list->n; m++)
    for (size_t k = 0; k < list->at[m].pieces.n; k++) {
      const TwRtPiece *p = &list->at[m].pieces.pieces[k];
      const TwRtPieceError *e = list->at[m].errors ? &list->at[m].errors[k] : NULL;
      fprintf(out, "%s,%.17g,%.17g,%.17g,%.17g,%d", list->at[m].model, p->lo, p->hi, p->slope, p->intercept, p->sliver);
      if (e) fprintf(out, ",%.17g,%.17g\n", e->sup, e->at);
      else fprintf(out, ",,\n");
    }
}

/* The columns of the CSV, the model as its number. */
static void put_npy(const void *what, FILE *out) {
  const List *list = what;
  enum { COLUMNS = 8 };
  uint64_t rows = 0, row = 0;
  for (uint32_t m = 0; m < list->n; m++) rows += list->at[m].pieces.n;
  double *at = tw_cli_need(malloc((rows + 1) * COLUMNS * sizeof *at));
  for (uint32_t m = 0; m < list->n; m++)
    for (size_t k = 0; k < list->at[m].pieces.n; k++) {
      const TwRtPiece *p = &list->at[m].pieces.pieces[k];
      const TwRtPieceError *e = list->at[m].errors ? &list->at[m].errors[k] : NULL;
      const double all[COLUMNS] = {
          m, p->lo, p->hi, p->slope, p->intercept, p->sliver, e ? e->sup : NAN, e ? e->at : NAN};
      memcpy(at + COLUMNS * row++, all, sizeof all);
    }
  tw_rt_npy_write(out, at, rows, COLUMNS);
  free(at);
}

static cJSON *json_pieces(const Shown *s) {
  const TwRtPieces *r = &s->pieces;
  cJSON *j = cJSON_CreateObject(), *list = cJSON_CreateArray();
  cJSON_AddStringToObject(j, "model", s->model);
  cJSON_AddNumberToObject(j, "regions", (double)r->counts.pieces);
  cJSON_AddNumberToObject(j, "slivers", (double)r->counts.slivers);
  cJSON_AddNumberToObject(j, "patterns", (double)r->counts.patterns);
  cJSON_AddNumberToObject(j, "maps", (double)r->counts.maps);
  cJSON_AddNumberToObject(j, "dead", (double)r->counts.dead);
  cJSON_AddNumberToObject(j, "narrowest", r->counts.narrowest);
  if (s->compared) {
    cJSON *best = cJSON_AddObjectToObject(j, "over_best_fit");
    cJSON_AddNumberToObject(j, "mean_squared_error", s->mse);
    cJSON_AddNumberToObject(best, "pieces", s->pieces_of_best);
    cJSON_AddNumberToObject(best, "loss", s->best);
    cJSON_AddNumberToObject(best, "ratio", s->mse / s->best);
  }
  for (size_t k = 0; k < r->n; k++) {
    cJSON *q = cJSON_CreateObject();
    cJSON_AddNumberToObject(q, "lo", r->pieces[k].lo);
    cJSON_AddNumberToObject(q, "hi", r->pieces[k].hi);
    cJSON_AddNumberToObject(q, "slope", r->pieces[k].slope);
    cJSON_AddNumberToObject(q, "intercept", r->pieces[k].intercept);
    cJSON_AddBoolToObject(q, "sliver", r->pieces[k].sliver);
    if (s->errors) {
      cJSON_AddNumberToObject(q, "error", s->errors[k].sup);
      cJSON_AddNumberToObject(q, "error_at", s->errors[k].at);
    }
    cJSON_AddItemToArray(list, q);
  }
  cJSON_AddItemToObject(j, "pieces", list);
  return j;
}

static void put_json(const void *what, FILE *out) {
  const List *list = what;
  cJSON *models = cJSON_CreateArray();
  for (uint32_t m = 0; m < list->n; m++) cJSON_AddItemToArray(models, json_pieces(&list->at[m]));
  char *text = tw_cli_need(cJSON_Print(models));
  fprintf(out, "%s\n", text);
  free(text);
  cJSON_Delete(models);
}

static bool put(const TwCli *c, const List *list) {
  const char *form = c->json ? "json" : c->format ? c->format : "table";
  void (*write)(const void *, FILE *) = strcmp(form, "json") == 0  ? put_json
                                        : strcmp(form, "csv") == 0 ? put_csv
                                        : strcmp(form, "npy") == 0 ? put_npy
                                                                   : put_table;
  return tw_cli_write(c, write, list);
}

/* ---- finding them */

static TwSpan span_of(const TwRtPlace *p) { return (TwSpan){p->file, p->start, p->end}; }

/* The squared error of the model that the loss is about, beside what as many pieces can do as are asked for, by an
 * option or the program, or it has. */
static void compare(const TwCli *c, const TwRtProgram *p, uint32_t stage, uint32_t model, Shown *s) {
  if (p->stages[stage].fits_model != model + 1) return;
  uint32_t asked = c->pieces ? c->pieces : tw_rt_pieces_asked(p);
  s->pieces_of_best = asked ? asked : (uint32_t)s->pieces.counts.pieces;
  s->compared = tw_rt_pieces_mse(p, stage, &s->pieces, &s->mse) &&
                tw_rt_best_fit(p, stage, s->pieces_of_best, &s->best) && s->best > 0;
}

/* One model after one stage; `out` is filled if there is anything to show. false: a diagnostic was added. */
static bool find_pieces(TwUnit *u, const TwRtProgram *p, const TwRtStage *st, uint32_t model, const double *values,
                        List *list) {
  const TwRtPl *pl = &st->pls[model];
  const TwRtModel *m = &p->models[model];
  if (pl->why_not) {
    tw_diag(&u->diags, TW_E0715, span_of(&pl->why_place), "the pieces of '%s' cannot be followed: %s", m->name,
            pl->why_not);
    return false;
  }
  if (pl->n_nodes == 0) {
    fprintf(stderr,
            "triwave: '%s' is left out: regions need one real input, one real output, and an interval from an "
            "ensure, an expect or the first data set\n",
            m->name);
    return true;
  }
  double *coeffs = tw_cli_coefficients(p, st, pl, values);
  if (!coeffs) return fprintf(stderr, "triwave: out of memory\n"), false;
  Shown *s = &list->at[list->n++];
  s->model = m->name;
  tw_rt_regions(pl, coeffs, m->lo, m->hi, m->sliver, &s->pieces);
  free(coeffs);
  if (s->pieces.error) {
    tw_diag(&u->diags, TW_E0715, span_of(&pl->why_place), "regions of '%s' cannot be counted: %s", m->name,
            s->pieces.error);
    return false;
  }
  const TwRtData *d = tw_rt_piece_target(p);
  list->target = d ? d->name : NULL;
  s->errors = d ? malloc((s->pieces.n + 1) * sizeof *s->errors) : NULL;
  if (!d || (s->errors && tw_rt_piece_errors(d, s->pieces.pieces, s->pieces.n, s->errors))) return true;
  return fprintf(stderr, "triwave: out of memory\n"), false;
}

static bool show(const TwCli *c, TwTrained *t) {
  const TwRtProgram *p = t->build.rt;
  bool ok = true;
  List list = {.at = calloc((size_t)p->n_models + 1, sizeof *list.at)};
  tw_cli_need(list.at);
  for (uint32_t m = 0; ok && m < p->n_models; m++) {
    uint32_t before = list.n;
    ok = find_pieces(t->unit, p, &p->stages[t->stage], m, t->values, &list);
    if (ok && list.n > before) compare(c, p, (uint32_t)t->stage, m, &list.at[before]);
  }
  ok = ok && put(c, &list);
  for (uint32_t m = 0; m < list.n; m++) {
    tw_rt_pieces_free(&list.at[m].pieces);
    free(list.at[m].errors);
  }
  free(list.at);
  return ok;
}

int tw_cli_regions(const TwCli *c) {
  static const char *const forms[] = {"table", "csv", "npy", "json", NULL};
  if (!tw_cli_format_ok(c, forms, "table, csv, npy or json")) return TW_EXIT_USAGE;
  TwTrained t;
  bool sound, ok = tw_cli_trained(c, TW_TRAINED_PIECES, &t, &sound) && show(c, &t);
  tw_cli_trained_end(&t);
  return ok && sound ? TW_EXIT_OK : TW_EXIT_WRONG;
}
