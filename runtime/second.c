/* second.c: what lm and lbfgs share: trials, kicks, and the memory they need. */
#include "runtime/second.h"

#include <math.h>
#include <string.h>

#include "runtime/normal.h"

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

void tw_rt_second_cover(TwRtSecondSizes *z, const TwRtProgram *p, const TwRtStage *st) {
  if (st->method == TW_RT_COMPILED) return;
  z->flat = larger(z->flat, st->n_flat);
  z->values = larger(z->values, p->n_values);
  if (st->method == TW_RT_LBFGS) z->pairs = larger(z->pairs, (uint64_t)st->memory);
  if (st->method != TW_RT_LM) return;
  z->square = larger(z->square, st->n_flat * tw_nm_stride(st->n_flat));
  for (uint32_t k = 0; k < st->n_squares; k++) {
    const TwRtSquares *q = &st->squares[k];
    uint64_t rows = tw_nm_stride((uint64_t)q->block);
    z->block = larger(z->block, q->per_row * (st->n_flat + 1) * rows);
    z->marks = larger(z->marks, TW_NM_SCRATCH * rows);
    z->columns = larger(z->columns, q->fn.n_in * rows);
  }
}

uint32_t tw_rt_second_parts(TwRtStageRun *g, TwRtPart parts[TW_RT_MAX_PARTS]) {
  TwRtSecond *s = &g->w->second;
  uint64_t n = g->st->n_flat, pairs = g->st->method == TW_RT_LBFGS ? (uint64_t)g->st->memory : 0;
  uint32_t k = 0;
  if (g->st->method == TW_RT_COMPILED) return 0;
  parts[k++] = (TwRtPart){s->state, sizeof s->state};
  if (!pairs) return k;
  parts[k++] = (TwRtPart){s->moves, pairs * n * sizeof(double)};
  parts[k++] = (TwRtPart){s->turns, pairs * n * sizeof(double)};
  parts[k++] = (TwRtPart){s->curvature, pairs * sizeof(double)};
  return k;
}

bool tw_rt_second_sound(const TwRtStageRun *g) {
  return g->st->method == TW_RT_LM ? tw_rt_lm_sound(g) : g->st->method != TW_RT_LBFGS || tw_rt_lbfgs_sound(g);
}

double tw_rt_second_try(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  *g->flat_in = w->second.trial;
  *g->flat_out = w->flat[g->next];
  g->st->step.entry(
      &(TwRtCall){.in = (const void *const *)w->step_in, .out = w->step_out, .work = w->work, .pool = w->pool});
  return tw_rt_get(w->loss, 0, w->f64);
}

void tw_rt_second_accept(TwRtStageRun *g, double loss) {
  g->cur = g->next;
  g->next = 3 - g->cur - g->best;
  g->loss = loss;
  g->steps++;
}

/* Judges flat[from] and makes it, projected, the present values. */
static void start_from(TwRtStageRun *g, const void *from) {
  TwRtWorker *w = g->w;
  if (from != w->second.trial) memcpy(w->second.trial, from, g->st->n_flat * tw_rt_real_size(w->f64));
  double loss = tw_rt_second_try(g);
  uint64_t steps = (uint64_t)g->steps;
  tw_rt_second_accept(g, loss);
  g->steps = (int64_t)steps;
  g->settled = w->second.ready = false;
  memset(w->second.state, 0, sizeof w->second.state);
}

void tw_rt_second_begin(TwRtStageRun *g) { start_from(g, g->w->flat[g->cur]); }

void tw_rt_second_judge(TwRtStageRun *g, bool last) {
  g->norm = 0;
  if (last) return;
  if (g->st->method == TW_RT_LM) tw_rt_lm_judge(g);
  else tw_rt_lbfgs_judge(g);
}

void tw_rt_second_iterate(TwRtStageRun *g) {
  if (g->st->method == TW_RT_LM) tw_rt_lm_iterate(g);
  else tw_rt_lbfgs_iterate(g);
}

/* Each value moves by kick, at most, of itself: uniformly, keyed by seed, stage, round and place. */
void tw_rt_second_kick(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  const void *best = w->flat[g->best];
  uint64_t key = 0x6b69636bull << 32 | g->index, n = g->st->n_flat;
  for (uint64_t k = 0; k < n; k++) {
    double x = tw_rt_get(best, k, w->f64), u = 2 * tw_rt_uniform(w->draw_seed, key, (uint64_t)g->round * n + k) - 1;
    tw_rt_put(w->second.trial, k, fma(x * g->st->kick, u, x), w->f64);
  }
  start_from(g, w->second.trial);
}
