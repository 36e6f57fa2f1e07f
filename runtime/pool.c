/* pool.c: threads that share the large loops of one caller.
 *
 * An epoch of a net that is worth sharing takes a tenth of a millisecond, and waking a thread takes a fifth of
 * that. So between two loops the threads spin for a while, then offer their core to others, and only then
 * sleep. A loop is dealt out in ranges by one number, the ticket: which loop it is, and which chunk
 * comes next. A range is a share of what is left, so that ranges become smaller towards the end and all threads end at
 * about the same time, whatever kept one of them. Who takes a range by exchanging the ticket knows that this loop is
 * not over, and so that what it has read of it is right; who comes late finds nothing to take, and nobody waits for a
 * thread that has taken nothing. */
#include "runtime/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPINS = 4000, YIELDS = 200 };
static const uint64_t INDEX = 0xffffffffu; /* the low half of a ticket: the next chunk */

typedef struct Helper {
  struct Pool *pool;
  pthread_t thread;
  void *work;
} Helper;

typedef struct Pool {
  TwRtPool face; /* first: what compiled code sees */
  Helper *helpers;
  uint32_t n;
  int64_t parts; /* a range is one of so many parts of the chunks that are left */
  _Atomic uint64_t ticket;
  _Atomic(TwRtChunks) chunks; /* the loop in hand */
  _Atomic(void *) frame;
  _Atomic int64_t count; /* of its chunks */
  _Atomic int64_t done;  /* chunks of it */
  _Atomic uint32_t sleepers;
  _Atomic bool over;
  pthread_mutex_t lock;
  pthread_cond_t woken;
} Pool;

static void pause_core(void) {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
}

/* Takes a range of the loop in hand and does it. False: there is none to take. */
static bool take(Pool *p, void *work) {
  uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
  for (;;) {
    TwRtChunks chunks = atomic_load_explicit(&p->chunks, memory_order_acquire);
    void *frame = atomic_load_explicit(&p->frame, memory_order_acquire);
    int64_t n = atomic_load_explicit(&p->count, memory_order_acquire), from = (int64_t)(t & INDEX);
    if (from >= n) return false;
    int64_t share = (n - from) / p->parts, to = from + (share > 1 ? share : 1);
    if (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, (t & ~INDEX) | (uint64_t)to, memory_order_acq_rel,
                                               memory_order_acquire))
      continue;
    chunks(frame, work, from, to);
    atomic_fetch_add_explicit(&p->done, to - from, memory_order_release);
    return true;
  }
}

static void run(TwRtPool *face, TwRtChunks chunks, void *frame, void *work, int64_t n) {
  Pool *p = (Pool *)face;
  uint64_t loop = (atomic_load_explicit(&p->ticket, memory_order_relaxed) & ~INDEX) + INDEX + 1;
  if (n <= 0) return;
  if (n >= (int64_t)INDEX) { /* 2^32 chunks of 512 samples */
    chunks(frame, work, 0, n);
    return;
  }
  /* Closed first: who read the old loop's ticket and sees any of what follows cannot exchange that ticket any more. */
  atomic_store_explicit(&p->ticket, loop - 1, memory_order_relaxed);
  atomic_store_explicit(&p->chunks, chunks, memory_order_release);
  atomic_store_explicit(&p->frame, frame, memory_order_release);
  atomic_store_explicit(&p->count, n, memory_order_release);
  atomic_store_explicit(&p->done, 0, memory_order_release);
  atomic_store(&p->ticket, loop);
  if (atomic_load(&p->sleepers)) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->woken);
    pthread_mutex_unlock(&p->lock);
  }
  while (take(p, work)) {}
  for (uint32_t k = 0; atomic_load_explicit(&p->done, memory_order_acquire) < n; k++)
    if (k < SPINS) pause_core();
    else sched_yield();
}

/* Until there is another loop than that of ticket `seen`, or none ever again. */
static void wait_for_loop(Pool *p, uint64_t seen) {
  for (int k = 0; k < SPINS + YIELDS; k++) {
    if ((atomic_load_explicit(&p->ticket, memory_order_acquire) & ~INDEX) != (seen & ~INDEX) || atomic_load(&p->over))
      return;
    if (k < SPINS) pause_core();
    else sched_yield();
  }
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add(&p->sleepers, 1);
  while ((atomic_load(&p->ticket) & ~INDEX) == (seen & ~INDEX) && !atomic_load(&p->over))
    pthread_cond_wait(&p->woken, &p->lock);
  atomic_fetch_sub(&p->sleepers, 1);
  pthread_mutex_unlock(&p->lock);
}

static void *help(void *context) {
  Helper *h = context;
  while (!atomic_load(&h->pool->over)) {
    uint64_t seen = atomic_load_explicit(&h->pool->ticket, memory_order_acquire);
    while (take(h->pool, h->work)) {}
    if ((atomic_load(&h->pool->ticket) & ~INDEX) == (seen & ~INDEX)) wait_for_loop(h->pool, seen);
  }
  return NULL;
}

/* Signals are for the threads that were there before. */
static bool start(Helper *h) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  bool ok = pthread_create(&h->thread, NULL, help, h) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return ok;
}

TwRtPool *tw_rt_pool_new(uint32_t threads, uint64_t work_bytes) {
  Pool *p = threads >= 2 ? calloc(1, sizeof *p) : NULL;
  if (!p) return NULL;
  p->face.run = run;
  p->parts = 2 * (int64_t)threads;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->woken, NULL);
  p->helpers = calloc(threads - 1, sizeof *p->helpers);
  for (uint32_t k = 0; p->helpers && k + 1 < threads; k++) {
    Helper *h = &p->helpers[k];
    *h = (Helper){.pool = p, .work = aligned_alloc(64, (work_bytes + 127) / 64 * 64)};
    if (!h->work || !start(h)) {
      free(h->work);
      break;
    }
    p->n++;
  }
  if (p->n) return &p->face;
  tw_rt_pool_free(&p->face);
  return NULL;
}

void tw_rt_pool_free(TwRtPool *face) {
  Pool *p = (Pool *)face;
  if (!p) return;
  atomic_store(&p->over, true);
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->woken);
  pthread_mutex_unlock(&p->lock);
  for (uint32_t k = 0; k < p->n; k++) {
    pthread_join(p->helpers[k].thread, NULL);
    free(p->helpers[k].work);
  }
  free(p->helpers);
  pthread_cond_destroy(&p->woken);
  pthread_mutex_destroy(&p->lock);
  free(p);
}
