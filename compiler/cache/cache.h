/* cache.h: code kept on disk from one run to the next.
 *
 * An entry is a file named by its key: a digest of everything that decides the code, of a program or of some of its
 * functions. It is read back only if it
 * is this user's own, nobody else could have written it, and its checksum is right; otherwise it is as if it
 * were not there. Nothing here fails: without a directory that can be used there is no cache. Entries are
 * written whole or not at all, so any number of processes may share them. */
#ifndef TW_CACHE_CACHE_H
#define TW_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TW_CACHE_KEY = 32, TW_CACHE_MAX_PARTS = 16 };

typedef struct TwCache TwCache;

/* The cache in $XDG_CACHE_HOME/triwave, else ~/.cache/triwave, made if it is not there. NULL: there is none.
 * max_bytes: what all entries together may take; 0: 256 MiB. */
TwCache *tw_cache_open(uint64_t max_bytes);
void tw_cache_close(TwCache *c); /* NULL: nothing */
const char *tw_cache_folder(const TwCache *c);

/* ---- keys */
typedef struct TwCacheHash TwCacheHash;
/* A digest (SHA-256) that begins with what this very binary, and this processor, are. NULL: out of memory, or the
 * binary cannot be told from another. */
TwCacheHash *tw_cache_hash(void);
/* Each item counts with its length: ("ab", "c") is not ("a", "bc"). */
void tw_cache_hash_bytes(TwCacheHash *h, const void *bytes, size_t n);
void tw_cache_hash_text(TwCacheHash *h, const char *text);
void tw_cache_hash_number(TwCacheHash *h, uint64_t n);
void tw_cache_hash_end(TwCacheHash *h, uint8_t key[TW_CACHE_KEY]); /* frees h */

/* ---- entries */
typedef struct TwCacheEntry {
  void *memory; /* malloc'ed; parts point into it, aligned to 16 bytes */
  uint32_t n;
  const void *part[TW_CACHE_MAX_PARTS];
  size_t size[TW_CACHE_MAX_PARTS];
} TwCacheEntry;
typedef enum TwCacheKind { TW_CACHE_PROGRAM, TW_CACHE_FUNCTIONS } TwCacheKind;
bool tw_cache_get(TwCache *c, TwCacheKind kind, const uint8_t key[TW_CACHE_KEY], TwCacheEntry *out);
void tw_cache_entry_free(TwCacheEntry *e);
/* Parts beyond the limits are not kept. */
void tw_cache_put(TwCache *c, TwCacheKind kind, const uint8_t key[TW_CACHE_KEY], const void *const *part,
                  const size_t *size, uint32_t n);
/* To be called when all is put: the oldest entries go until the rest is within max_bytes. */
void tw_cache_trim(TwCache *c);

typedef struct TwCacheUse {
  uint64_t programs, bytes; /* bytes: of all entries */
} TwCacheUse;
TwCacheUse tw_cache_use(TwCache *c);
/* Removes every entry, and returns what was removed. */
TwCacheUse tw_cache_clear(TwCache *c);

#endif
