/* checkpoint.h: the states of all seeds of a run, as a file that is either right or refused. */
#ifndef TW_RUNTIME_CHECKPOINT_H
#define TW_RUNTIME_CHECKPOINT_H

#include <stdbool.h>

#include "runtime/digest.h"
#include "runtime/train.h"

typedef struct TwRtCheckpoint {
  uint8_t of[TW_RT_DIGEST]; /* what it belongs to: it is read back for nothing else */
  uint32_t n_seeds;
  TwRtSaved *seeds; /* by their number in the order asked; bytes NULL: not saved yet */
} TwRtCheckpoint;

/* Room for the seeds; false: no memory. */
bool tw_rt_checkpoint_init(TwRtCheckpoint *c, const uint8_t of[TW_RT_DIGEST], uint32_t n_seeds);
void tw_rt_checkpoint_free(TwRtCheckpoint *c);
/* Takes over the bytes. */
void tw_rt_checkpoint_put(TwRtCheckpoint *c, const TwRtSaved *s);

/* Writes it to `path`; the one that was there goes to path.old. Whatever stops that, one of the two is whole. */
bool tw_rt_checkpoint_write(const TwRtCheckpoint *c, const char *path, char **error);
/* Fills what init has made, from `path`, or from path.old if that is damaged or missing; then *warning, malloc'ed, says
 * so. If neither is there, nothing has been saved, which is no error. false: *error: what is there is not to be used.
 */
bool tw_rt_checkpoint_read(TwRtCheckpoint *c, const char *path, char **warning, char **error);

/* The same without path.old: what is at `path` stays until the new one takes its place; a file that is not there is an
 * error. */
bool tw_rt_checkpoint_write_alone(const TwRtCheckpoint *c, const char *path, char **error);
bool tw_rt_checkpoint_read_alone(TwRtCheckpoint *c, const char *path, char **error);

#endif
