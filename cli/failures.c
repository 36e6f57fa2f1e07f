/* failures.c: what went wrong in training, as diagnostics: each with its place, told once for all seeds. */
#include "cli/failures.h"

#include <string.h>

#include "compiler/probe/probe.h"

/* Failures of one kind at one place: the first one's words, and how many seeds share it. */
typedef struct Group {
  TwDiagId id;
  TwSpan span;
  const char *text;
  uint64_t first_seed;
  uint32_t seeds;
  uint32_t stage;
  bool started;         /* it was at the first epoch of the first stage, with what was drawn */
  const double *values; /* of the first seed, where a NaN ended it; else NULL */
} Group;
typedef TwVec(Group) Groups;

static TwSpan span_of(const TwRtPlace *p) { return (TwSpan){p->file, p->start, p->end}; }

static void add(TwUnit *u, Groups *g, TwDiagId id, const TwRtFailure *f, const TwRtSeedResult *seed) {
  TwSpan at = span_of(&f->place);
  for (uint32_t k = 0; k < g->len; k++) {
    if (g->at[k].id != id || memcmp(&g->at[k].span, &at, sizeof at) != 0) continue;
    g->at[k].seeds++;
    return;
  }
  tw_vec_push(&u->arena, g,
              (Group){id, at, tw_arena_printf(&u->arena, "%s", f->text), seed ? seed->seed : 0, 1, f->stage,
                      f->stage == 0 && f->epoch == 0, seed && id == TW_E0801 ? seed->stages[f->stage].values : NULL});
}

static TwDiagId id_of(TwRtStatus kind) {
  switch (kind) {
    case TW_RT_NAN: return TW_E0801;
    case TW_RT_ENSURE: return TW_E0712;
    case TW_RT_OK:
    case TW_RT_STOPPED: break;
  }
  return TW_E0713;
}

/* Why nothing was trained: a start outside its domain, a data set, or the machine. */
static TwDiagId refusal_id(const TwRtProgram *p, const TwRtPlace *at) {
  TwSpan span = span_of(at);
  for (uint32_t k = 0; k < p->n_params; k++) {
    TwSpan start = span_of(&p->params[k].start_place);
    if (memcmp(&start, &span, sizeof span) == 0 && span.file) return TW_E0802;
  }
  for (uint32_t k = 0; k < p->n_datas; k++) {
    TwSpan data = span_of(&p->datas[k].place);
    if (memcmp(&data, &span, sizeof span) == 0 && span.file) return TW_E0609;
  }
  return TW_E0805;
}

bool tw_cli_failures(TwBuild *b, const TwRtResult *r) {
  TwUnit *u = b->unit;
  const char *variant = b->program->variant;
  if (r->error) {
    tw_diag(&u->diags, refusal_id(b->rt, &r->error_place), span_of(&r->error_place), "%s", r->error);
    return false;
  }
  Groups groups = {0};
  bool ok = true;
  for (uint32_t s = 0; s < r->n_seeds; s++) {
    const TwRtSeedResult *seed = &r->seeds[s];
    ok &= seed->status == TW_RT_OK;
    for (uint32_t k = 0; k < seed->n_failures; k++)
      add(u, &groups, id_of(seed->failures[k].kind), &seed->failures[k], seed);
  }
  for (uint32_t k = 0; k < r->n_expects_failed; k++) add(u, &groups, TW_E0713, &r->expects[k], NULL);
  for (uint32_t k = 0; k < groups.len; k++) {
    const Group *g = &groups.at[k];
    TwDiag *d = tw_diag(&u->diags, g->id, g->span, "%s", g->text);
    if (g->values && tw_build(b, TW_PHASE_OPT))
      tw_probe_nan(u, b->program, b->lowered, g->stage, g->values, g->started, d);
    if (strcmp(variant, "main") != 0) tw_diag_note(&u->diags, d, (TwSpan){0}, "in variant '%s'", variant);
    if (g->seeds > 1) tw_diag_note(&u->diags, d, (TwSpan){0}, "in %u of %u seeds", g->seeds, r->n_seeds);
  }
  return ok && r->n_expects_failed == 0;
}
