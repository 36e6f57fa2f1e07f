/* checkpoint.c: see checkpoint.h.
 *
 * The file: a head; for each seed a head of its own and the bytes of state.c; the SHA-256 of all of that. Native byte
 * order, which the magic shows. */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sha2.h>
#include <unistd.h>

#include "runtime/files.h"
#include "runtime/text.h"

static const uint64_t MAGIC = 0x31746e696f707774u; /* "twpoint1" */

typedef struct Head {
  uint64_t magic, n_seeds;
  uint8_t of[TW_RT_DIGEST];
} Head;

typedef struct SeedHead {
  uint64_t size, there, done, stage;
  int64_t epoch;
} SeedHead;

bool tw_rt_checkpoint_init(TwRtCheckpoint *c, const uint8_t of[TW_RT_DIGEST], uint32_t n_seeds) {
  *c = (TwRtCheckpoint){.n_seeds = n_seeds, .seeds = calloc((size_t)n_seeds + 1, sizeof *c->seeds)};
  memcpy(c->of, of, TW_RT_DIGEST);
  return c->seeds != NULL;
}

static void clear(TwRtCheckpoint *c) {
  for (uint32_t k = 0; c->seeds && k < c->n_seeds; k++) {
    free(c->seeds[k].bytes);
    c->seeds[k] = (TwRtSaved){.seed_index = k};
  }
}

void tw_rt_checkpoint_free(TwRtCheckpoint *c) {
  clear(c);
  free(c->seeds);
  *c = (TwRtCheckpoint){0};
}

void tw_rt_checkpoint_put(TwRtCheckpoint *c, const TwRtSaved *s) {
  TwRtSaved *to = &c->seeds[s->seed_index];
  free(to->bytes);
  *to = *s;
}

/* ---- writing */

static void put(FILE *out, SHA2_CTX *sha, const void *bytes, size_t n) {
  SHA256Update(sha, bytes, n);
  fwrite(bytes, 1, n, out);
}

static void put_all(const TwRtCheckpoint *c, FILE *out) {
  SHA2_CTX sha;
  SHA256Init(&sha);
  Head h = {.magic = MAGIC, .n_seeds = c->n_seeds};
  memcpy(h.of, c->of, sizeof h.of);
  put(out, &sha, &h, sizeof h);
  for (uint32_t k = 0; k < c->n_seeds; k++) {
    const TwRtSaved *s = &c->seeds[k];
    SeedHead seed = {.size = s->n, .there = s->bytes != NULL, .done = s->done, .stage = s->stage, .epoch = s->epoch};
    put(out, &sha, &seed, sizeof seed);
    if (s->bytes) put(out, &sha, s->bytes, s->n);
  }
  uint8_t digest[TW_RT_DIGEST];
  SHA256Final(digest, &sha);
  fwrite(digest, 1, sizeof digest, out);
}

bool tw_rt_checkpoint_write(const TwRtCheckpoint *c, const char *path, char **error) {
  TwRtFile f;
  if (!tw_rt_file_begin(&f, path, error)) return false;
  put_all(c, f.out);
  char *old = tw_rt_textf("%s.old", path);
  bool ok = old && (rename(path, old) == 0 || errno == ENOENT);
  if (!ok) {
    *error = tw_rt_file_error("write", path, errno);
    tw_rt_file_abandon(&f);
  }
  free(old);
  return ok && tw_rt_file_commit(&f, error);
}

bool tw_rt_checkpoint_write_alone(const TwRtCheckpoint *c, const char *path, char **error) {
  TwRtFile f;
  if (!tw_rt_file_begin(&f, path, error)) return false;
  put_all(c, f.out);
  return tw_rt_file_commit(&f, error);
}

/* ---- reading */

static bool take(const char *bytes, size_t n, size_t *at, void *to, size_t size) {
  if (size > n - *at) return false;
  memcpy(to, bytes + *at, size);
  *at += size;
  return true;
}

/* NULL, or what is wrong with it. */
static const char *parse(TwRtCheckpoint *c, const char *bytes, size_t n) {
  static const char *const cut = "it is cut short or damaged";
  uint8_t digest[TW_RT_DIGEST];
  Head h;
  size_t at = 0;
  if (n < sizeof h + sizeof digest) return cut;
  n -= sizeof digest;
  tw_rt_digest(bytes, n, digest);
  if (memcmp(digest, bytes + n, sizeof digest) != 0) return cut;
  take(bytes, n, &at, &h, sizeof h);
  if (h.magic != MAGIC) return "it is of another version, or from another kind of machine";
  if (memcmp(h.of, c->of, sizeof h.of) != 0 || h.n_seeds != c->n_seeds) return "it belongs to another run";
  for (uint32_t k = 0; k < c->n_seeds; k++) {
    SeedHead seed;
    if (!take(bytes, n, &at, &seed, sizeof seed)) return cut;
    if (!seed.there) continue;
    TwRtSaved s = {
        .seed_index = k, .done = seed.done != 0, .stage = (uint32_t)seed.stage, .epoch = seed.epoch, .n = seed.size};
    if (seed.size > n - at) return cut;
    s.bytes = malloc(seed.size + 1);
    if (!s.bytes) return "there is not enough memory";
    take(bytes, n, &at, s.bytes, seed.size);
    tw_rt_checkpoint_put(c, &s);
  }
  return at == n ? NULL : cut;
}

/* 1: read; 0: there is none; -1: *error. */
static int read_one(TwRtCheckpoint *c, const char *path, char **error) {
  *error = NULL;
  if (access(path, F_OK) != 0 && errno == ENOENT) return 0;
  char *bytes;
  size_t n;
  if (!tw_rt_file_read(path, &bytes, &n, error)) return -1;
  clear(c);
  const char *why = parse(c, bytes, n);
  free(bytes);
  if (!why) return 1;
  clear(c);
  *error = tw_rt_textf("the checkpoint '%s' is not to be used: %s", path, why);
  return -1;
}

bool tw_rt_checkpoint_read_alone(TwRtCheckpoint *c, const char *path, char **error) {
  int read = read_one(c, path, error);
  if (read == 0) *error = tw_rt_file_error("read", path, ENOENT);
  return read > 0;
}

bool tw_rt_checkpoint_read(TwRtCheckpoint *c, const char *path, char **warning, char **error) {
  *warning = NULL;
  int first = read_one(c, path, error);
  if (first > 0) return true;
  char *old = tw_rt_textf("%s.old", path), *second_error = NULL;
  int second = old ? read_one(c, old, &second_error) : -1;
  free(old);
  free(second_error);
  if (second > 0 || (first == 0 && second == 0)) { /* renamed, and stopped before the new one took its place */
    *warning = first < 0 ? tw_rt_textf("%s; the one before it is used", *error ? *error : "out of memory") : NULL;
    free(*error);
    *error = NULL;
    return true;
  }
  if (!*error) *error = tw_rt_textf("the checkpoint '%s' is gone, and the one before it is not to be used", path);
  return false;
}
