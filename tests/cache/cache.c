/* cache.c FOLDER: entries come back as they were put, or not at all; old ones go when there is no room.
 * cache.c spoil FOLDER SUFFIX: for other tests, puts what is no code where code is. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/cache/cache.h"

static int failures;
#define CHECK(c, ...)                                                                                                  \
  ((c) ? (void)0 : (void)(failures++, printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), puts("")))

static void key_of(int n, uint8_t key[TW_CACHE_KEY]) {
  TwCacheHash *h = tw_cache_hash();
  if (!h) abort();
  tw_cache_hash_number(h, (uint64_t)n);
  tw_cache_hash_end(h, key);
}

static void put(TwCache *c, int n, size_t size) {
  uint8_t key[TW_CACHE_KEY], *bytes = malloc(size);
  if (!bytes) abort();
  memset(bytes, n, size);
  key_of(n, key);
  tw_cache_put(c, (TwCacheKind)(n % 2), key, (const void *const[]){"abc", bytes}, (size_t[]){3, size}, 2);
  tw_cache_trim(c);
  free(bytes);
}

/* Programs and functions in turn. */
static bool there(TwCache *c, int n, size_t size) {
  uint8_t key[TW_CACHE_KEY];
  TwCacheEntry e;
  key_of(n, key);
  if (!tw_cache_get(c, (TwCacheKind)(n % 2), key, &e)) return false;
  CHECK(e.n == 2 && e.size[0] == 3 && memcmp(e.part[0], "abc", 3) == 0 && e.size[1] == size, "entry %d has other parts",
        n);
  for (size_t k = 0; k < e.size[1]; k++)
    CHECK(((const uint8_t *)e.part[1])[k] == (uint8_t)n, "entry %d, byte %zu", n, k);
  CHECK((uintptr_t)e.part[1] % 16 == 0, "a part is not aligned");
  tw_cache_entry_free(&e);
  return true;
}

/* The one entry's path. */
static void entry_path(const TwCache *c, char out[600]) {
  DIR *d = opendir(tw_cache_folder(c));
  for (struct dirent *e; d && (e = readdir(d));)
    if (strlen(e->d_name) > 60) snprintf(out, 600, "%s/%s", tw_cache_folder(c), e->d_name);
  if (d) closedir(d);
}

/* Every byte of a small entry flipped in turn, every length cut. */
static void damaged(TwCache *c) {
  char path[600] = "";
  put(c, 1, 40);
  entry_path(c, path);
  FILE *f = fopen(path, "rb");
  uint8_t all[1024];
  size_t n = f ? fread(all, 1, sizeof all, f) : 0;
  if (f) fclose(f);
  CHECK(n > 40 && n < sizeof all, "an entry of %zu bytes", n);
  for (size_t k = 0; k < 2 * n; k++) {
    bool cut = k >= n;
    if (!cut) all[k] ^= 0x20;
    f = fopen(path, "wb");
    if (!f) abort();
    fwrite(all, 1, cut ? k - n : n, f);
    fclose(f);
    chmod(path, 0600);
    bool padding = false; /* what lies between parts is covered by the digest too */
    CHECK(there(c, 1, 40) == padding, "%s at byte %zu was read back", cut ? "a cut" : "a flipped bit", cut ? k - n : k);
    if (!cut) all[k] ^= 0x20;
    CHECK(access(path, F_OK) != 0, "a damaged entry stays");
  }
  put(c, 1, 40);
  CHECK(there(c, 1, 40), "an entry was not replaced");
  chmod(path, 0666);
  CHECK(!there(c, 1, 40), "an entry that anybody may write was read");
}

/* An entry under the name of another of its kind is not taken for it. */
static void misplaced(TwCache *c) {
  char one[600] = "", three[600] = "";
  tw_cache_clear(c);
  put(c, 1, 40);
  entry_path(c, one);
  tw_cache_clear(c);
  put(c, 3, 40);
  entry_path(c, three);
  CHECK(rename(three, one) == 0, "an entry cannot be renamed");
  CHECK(!there(c, 1, 40), "an entry under another's name was read");
  CHECK(access(one, F_OK) != 0, "a misplaced entry stays");
}

static void full(const char *folder) {
  (void)folder;
  TwCache *c = tw_cache_open(100000);
  if (!c) abort();
  tw_cache_clear(c);
  for (int k = 0; k < 12; k++) {
    put(c, k, 10000);
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
  TwCacheUse u = tw_cache_use(c);
  CHECK(u.bytes <= 100000 && u.bytes >= 60000 && u.programs >= 3 && u.programs <= 5, "%llu programs, %llu bytes",
        (unsigned long long)u.programs, (unsigned long long)u.bytes);
  CHECK(!there(c, 0, 10000) && there(c, 11, 10000), "not the oldest went");
  put(c, 20, 60000);
  CHECK(!there(c, 20, 60000), "an entry of more than a quarter of the cache was kept");
  u = tw_cache_clear(c);
  CHECK(u.programs >= 3 && tw_cache_use(c).bytes == 0, "cleared %llu", (unsigned long long)u.programs);
  tw_cache_close(c);
}

/* true: there were some. */
static bool spoil(const char *suffix) {
  static const char bytes[] = "this is a spoilt entry, whole and of the right name";
  TwCache *c = tw_cache_open(0);
  DIR *d = c ? opendir(tw_cache_folder(c)) : NULL;
  bool any = false;
  for (struct dirent *e; d && (e = readdir(d));) {
    uint8_t key[TW_CACHE_KEY];
    const char *dot = strchr(e->d_name, '.');
    if (!dot || strcmp(dot + 1, suffix) != 0 || dot - e->d_name != 2 * TW_CACHE_KEY) continue;
    for (int k = 0; k < TW_CACHE_KEY; k++) {
      const char digits[3] = {e->d_name[2 * k], e->d_name[2 * k + 1], 0};
      key[k] = (uint8_t)strtoul(digits, NULL, 16);
    }
    tw_cache_put(c, suffix[0] == 't' ? TW_CACHE_PROGRAM : TW_CACHE_FUNCTIONS, key, (const void *const[]){bytes},
                 (size_t[]){sizeof bytes}, 1);
    any = true;
  }
  if (d) closedir(d);
  tw_cache_close(c);
  return any;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (argc == 4 && strcmp(argv[1], "spoil") == 0) {
    setenv("XDG_CACHE_HOME", argv[2], 1);
    return !spoil(argv[3]);
  }
  setenv("XDG_CACHE_HOME", argv[1], 1);
  TwCache *c = tw_cache_open(0);
  CHECK(c, "no cache in %s", argv[1]);
  if (!c) return 1;
  tw_cache_clear(c);
  CHECK(!there(c, 1, 40), "an entry that nobody put");
  damaged(c);
  misplaced(c);
  tw_cache_close(c);
  full(argv[1]);
  setenv("XDG_CACHE_HOME", "relative", 1);
  unsetenv("HOME");
  CHECK(!tw_cache_open(0), "a cache nowhere");
  setenv("XDG_CACHE_HOME", "/proc/none", 1);
  CHECK(!tw_cache_open(0), "a cache in /proc");
  uint8_t a[TW_CACHE_KEY], b[TW_CACHE_KEY];
  TwCacheHash *h = tw_cache_hash();
  tw_cache_hash_text(h, "ab");
  tw_cache_hash_text(h, "c");
  tw_cache_hash_end(h, a);
  h = tw_cache_hash();
  tw_cache_hash_text(h, "a");
  tw_cache_hash_text(h, "bc");
  tw_cache_hash_end(h, b);
  CHECK(memcmp(a, b, sizeof a) != 0, "two keys are one");
  return failures != 0;
}
