/* test_pool.c [LOOPS]: every chunk of every loop is done exactly once, in some thread's own buffer, and the loop is
 * over when run returns; whether the threads are awake or asleep. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/pool.h"

enum { MAX_CHUNKS = 300, WORK = 256 };

typedef struct Frame {
  _Atomic int seen[MAX_CHUNKS];
  _Atomic int clashes;
} Frame;

static void chunks(void *frame, void *work, int64_t begin, int64_t end) {
  Frame *f = frame;
  _Atomic(Frame *) *busy = work; /* two ranges in one buffer at once would meet here */
  if (atomic_exchange(busy, f) == f) atomic_fetch_add(&f->clashes, 1);
  for (int64_t k = begin; k < end; k++) atomic_fetch_add(&f->seen[k], 1);
  atomic_store(busy, NULL);
}

static int one(TwRtPool *p, void *work, int64_t n) {
  static Frame f;
  memset(&f, 0, sizeof f);
  p->run(p, chunks, &f, work, n);
  int wrong = f.clashes;
  for (int64_t k = 0; k < MAX_CHUNKS; k++) wrong += f.seen[k] != (k < n);
  return wrong;
}

int main(int argc, char **argv) {
  long loops = argc > 1 ? atol(argv[1]) : 20000;
  int failures = 0;
  for (uint32_t threads = 2; threads <= 5; threads++) {
    TwRtPool *p = tw_rt_pool_new(threads, WORK);
    void *work = calloc(1, WORK);
    if (!p || !work) return 1;
    for (long k = 0; k < loops; k++) {
      failures += one(p, work, k * 7 % MAX_CHUNKS);
      if (k % (loops / 8 + 1) == 0) nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* they fall asleep */
    }
    tw_rt_pool_free(p);
    free(work);
  }
  if (tw_rt_pool_new(1, WORK) || tw_rt_pool_new(0, WORK)) failures++, puts("a pool of nobody");
  printf("%ld loops with 2 to 5 threads, %d wrong\n", loops, failures);
  return failures != 0;
}
