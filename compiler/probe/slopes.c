/* slopes.c: slopes along many numbers, on several threads. */
#include <pthread.h>
#include <stdatomic.h>

#include "compiler/probe/internal.h"

typedef struct Slopes {
  TwSlopeAlong *all;
  uint32_t n;
  atomic_uint next;
} Slopes;

typedef struct Worker {
  Slopes *s;
  TwLine line;
  double *moving; /* its own */
  pthread_t thread;
} Worker;

static void *work(void *context) {
  Worker *w = context;
  for (uint32_t k; (k = atomic_fetch_add(&w->s->next, 1)) < w->s->n;) {
    TwSlopeAlong *a = &w->s->all[k];
    double *at = &w->moving[a->element], here = *at;
    const double one = 1;
    w->line.n = 1;
    w->line.at = &at;
    w->line.x = &here;
    w->line.v = &one;
    a->slope = tw_slope(&w->line, a->h, a->expected, a->allowed);
  }
  return NULL;
}

static Worker worker(TwArena *arena, Slopes *s, const TwLine *line, const double *moving, uint64_t n_moving) {
  Worker w = {.s = s, .line = *line}; /* the pattern is read, not written */
  w.moving = tw_arena_dup(arena, moving, n_moving * sizeof *moving);
  w.line.call = tw_call(arena, line->call.fn, line->call.precision);
  for (uint32_t k = 0; k < line->call.fn->params.len; k++)
    w.line.call.in[k] = line->call.in[k] == moving ? w.moving : line->call.in[k];
  return w;
}

void tw_slopes(TwArena *arena, const TwLine *line, const double *moving, uint64_t n_moving, TwSlopeAlong *all,
               uint32_t n, uint32_t threads) {
  if (threads > n) threads = n;
  if (threads < 1) threads = 1;
  TwArenaMark mark = tw_arena_mark(arena);
  Slopes s = {.all = all, .n = n};
  Worker *w = TW_NEW_N(arena, Worker, threads);
  for (uint32_t k = 0; k < threads; k++) w[k] = worker(arena, &s, line, moving, n_moving);
  uint32_t made = 1;
  while (made < threads && pthread_create(&w[made].thread, NULL, work, &w[made]) == 0) made++;
  work(&w[0]);
  for (uint32_t k = 1; k < made; k++) pthread_join(w[k].thread, NULL);
  tw_arena_reset(arena, mark);
}
