/* state.h: what a seed has become so far, as bytes, and back: the same bits go on from it (P9).
 *
 * The bytes are a list of named arrays, native byte order, in an order that the program decides. They are read back by
 * the same program only, which whoever keeps them makes sure of; what does not fit it is refused all the same. */
#ifndef TW_RUNTIME_STATE_H
#define TW_RUNTIME_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct TwRtRun;
struct TwRtWorker;
struct TwRtStageRun;

/* A list that is written, or read: the same calls in the same order do either. */
typedef struct TwRtItems {
  bool reading;
  const unsigned char *from; /* reading: n bytes of it, `at` of them read */
  unsigned char *to;         /* writing: n bytes of room, `at` of them written; malloc'ed */
  size_t n, at;
  bool failed;
  char *error; /* malloc'ed; NULL: no memory */
} TwRtItems;

/* `count` values of `size` bytes at `at`, which are written, or read over. */
void tw_rt_item(TwRtItems *s, const char *name, void *at, uint64_t count, size_t size);
/* The same for doubles that have come from reals of the program: in f32 half as many bytes. */
void tw_rt_item_reals(TwRtItems *s, const char *name, double *at, uint64_t count, bool f64);

/* Hands the state of the seed in hand to TwRtOptions.save. g: its stage, between two epochs; NULL: the seed is done. */
void tw_rt_state_save(struct TwRtWorker *w, struct TwRtStageRun *g);

typedef enum TwRtLoaded { TW_RT_NOT_SAVED, TW_RT_IN_STAGE, TW_RT_SEED_DONE, TW_RT_NOT_LOADED } TwRtLoaded;
/* Takes the seed in hand to where TwRtOptions.load says it was: into *g, a stage that has begun, or to its end.
 * NOT_LOADED: the bytes are not of this program, and the run's error says so. */
TwRtLoaded tw_rt_state_load(struct TwRtWorker *w, struct TwRtStageRun *g);

#endif
