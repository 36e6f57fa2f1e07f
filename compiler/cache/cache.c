/* cache.c: entries on disk.
 *
 * File: magic, number of parts, size of each, SHA-256 of all of that and of the parts; then the parts, each from
 * a multiple of 16 bytes on. A file is written under a temporary name and renamed, as by runtime/files.h, but under
 * one of its own, since several processes may write the same entry at once, from the folder that was looked at, and not
 * synced: what a power cut spoils has another digest. The time it was last used is its modification time. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/cache/cache.h"
#include "runtime/files.h"

enum { SUFFIX = 4, NAME = 2 * TW_CACHE_KEY + SUFFIX, FRESH = 3600 };
static const uint64_t MAX_ENTRY = 64u << 20;
static const char suffixes[][SUFFIX + 1] = {[TW_CACHE_PROGRAM] = ".tw1", [TW_CACHE_FUNCTIONS] = ".fn1"};

struct TwCache {
  int dir;
  char *folder;
  uint64_t max_bytes;
};

typedef struct Head {
  char magic[8];
  uint64_t n;
  uint64_t size[TW_CACHE_MAX_PARTS];
  uint8_t digest[SHA256_DIGEST_LENGTH];
} Head;

/* ---- the folder */

/* Is it this user's, and can no other write to it? Code is run from it. */
static bool is_own(int fd, mode_t kind) {
  struct stat s;
  return fstat(fd, &s) == 0 && (s.st_mode & S_IFMT) == kind && s.st_uid == geteuid() &&
         !(s.st_mode & (S_IWGRP | S_IWOTH));
}

static char *folder_name(void) {
  const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *name = NULL;
  int n = xdg && xdg[0] == '/'     ? asprintf(&name, "%s/triwave", xdg)
          : home && home[0] == '/' ? asprintf(&name, "%s/.cache/triwave", home)
                                   : -1;
  return n < 0 ? NULL : name;
}

static void make_folders(char *path) {
  for (char *at = path + 1; (at = strchr(at, '/')); at++) {
    *at = 0;
    (void)mkdir(path, 0700);
    *at = '/';
  }
  (void)mkdir(path, 0700);
}

TwCache *tw_cache_open(uint64_t max_bytes) {
  TwCache *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  *c = (TwCache){.dir = -1, .folder = folder_name(), .max_bytes = max_bytes ? max_bytes : (uint64_t)256 << 20};
  if (c->folder) {
    make_folders(c->folder);
    c->dir = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  if (c->dir >= 0 && is_own(c->dir, S_IFDIR)) return c;
  tw_cache_close(c);
  return NULL;
}

void tw_cache_close(TwCache *c) {
  if (!c) return;
  if (c->dir >= 0) close(c->dir);
  free(c->folder);
  free(c);
}

const char *tw_cache_folder(const TwCache *c) { return c->folder; }

/* ---- entries */

static void name_of(TwCacheKind kind, const uint8_t key[TW_CACHE_KEY], char name[NAME + 1]) {
  for (int k = 0; k < TW_CACHE_KEY; k++) snprintf(name + 2 * k, 3, "%02x", key[k]);
  memcpy(name + 2 * TW_CACHE_KEY, suffixes[kind], SUFFIX + 1);
}

static bool is_of(const char *name, TwCacheKind kind) { return strcmp(name + 2 * TW_CACHE_KEY, suffixes[kind]) == 0; }

static bool is_entry(const char *name) {
  return strlen(name) == NAME && strspn(name, "0123456789abcdef") == 2 * TW_CACHE_KEY &&
         (is_of(name, TW_CACHE_PROGRAM) || is_of(name, TW_CACHE_FUNCTIONS));
}

/* What a process that was killed has left behind. */
static bool is_temporary(const char *name) { return strncmp(name, "tmp-", 4) == 0; }

static uint64_t rounded(uint64_t n) { return (n + 15) / 16 * 16; }

/* Of the entry's name too, so that one under the name of another is not taken for it. */
static void digest(const char name[NAME], const Head *h, const uint8_t *parts, uint64_t n,
                   uint8_t out[SHA256_DIGEST_LENGTH]) {
  SHA2_CTX sha;
  SHA256Init(&sha);
  SHA256Update(&sha, (const uint8_t *)name, NAME);
  SHA256Update(&sha, (const uint8_t *)h, offsetof(Head, digest));
  SHA256Update(&sha, parts, n);
  SHA256Final(out, &sha);
}

static bool read_all(int fd, uint8_t *to, size_t n) {
  while (n) {
    ssize_t got = read(fd, to, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    n -= (size_t)got;
  }
  return true;
}

static bool read_entry(int fd, const char name[NAME], TwCacheEntry *out) {
  struct stat s;
  Head h;
  uint8_t is[SHA256_DIGEST_LENGTH];
  if (fstat(fd, &s) || s.st_size < (off_t)sizeof h || (uint64_t)s.st_size > MAX_ENTRY + sizeof h) return false;
  if (!read_all(fd, (uint8_t *)&h, sizeof h) || memcmp(h.magic, "TWCACHE2", 8) != 0) return false;
  uint64_t total = (uint64_t)s.st_size - sizeof h, at = 0;
  if (h.n == 0 || h.n > TW_CACHE_MAX_PARTS) return false;
  out->memory = aligned_alloc(16, rounded(total + 16));
  if (!out->memory || !read_all(fd, out->memory, total)) return false;
  digest(name, &h, out->memory, total, is);
  if (memcmp(is, h.digest, sizeof is) != 0) return false;
  for (out->n = 0; out->n < h.n; out->n++) {
    uint64_t size = h.size[out->n];
    if (at > total || size > total - at) return false;
    out->part[out->n] = (const uint8_t *)out->memory + at;
    out->size[out->n] = size;
    at += rounded(size);
  }
  return true;
}

static void touch(int fd) {
  struct stat s;
  if (fstat(fd, &s) == 0 && time(NULL) - s.st_mtime > FRESH) (void)futimens(fd, NULL);
}

bool tw_cache_get(TwCache *c, TwCacheKind kind, const uint8_t key[TW_CACHE_KEY], TwCacheEntry *out) {
  char name[NAME + 1];
  name_of(kind, key, name);
  *out = (TwCacheEntry){0};
  int fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = is_own(fd, S_IFREG) && read_entry(fd, name, out);
  if (ok) touch(fd);
  else (void)unlinkat(c->dir, name, 0); /* the next one to compile puts a right one there */
  close(fd);
  if (!ok) tw_cache_entry_free(out);
  return ok;
}

void tw_cache_entry_free(TwCacheEntry *e) {
  free(e->memory);
  *e = (TwCacheEntry){0};
}

/* ---- all entries */

typedef struct Item {
  char name[NAME + 1];
  uint64_t bytes;
  struct timespec used;
} Item;

typedef struct Items {
  Item *at;
  size_t n, room;
} Items;

/* Temporary files are removed on the way: all of them, or those that are older than an hour. */
static Items list(TwCache *c, bool all_temporary) {
  Items items = {0};
  int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
  if (!d) {
    if (fd >= 0) close(fd);
    return items;
  }
  for (struct dirent *e; (e = readdir(d));) {
    struct stat s;
    if (fstatat(c->dir, e->d_name, &s, AT_SYMLINK_NOFOLLOW) || !S_ISREG(s.st_mode)) continue;
    if (is_temporary(e->d_name) && (all_temporary || time(NULL) - s.st_mtime > FRESH))
      (void)unlinkat(c->dir, e->d_name, 0);
    if (!is_entry(e->d_name)) continue;
    if (items.n == items.room) {
      size_t room = items.room ? 2 * items.room : 64;
      Item *more = realloc(items.at, room * sizeof *more);
      if (!more) break;
      items.at = more;
      items.room = room;
    }
    Item *it = &items.at[items.n++];
    memcpy(it->name, e->d_name, NAME + 1);
    it->bytes = (uint64_t)s.st_size;
    it->used = s.st_mtim;
  }
  closedir(d);
  return items;
}

static int by_use(const void *a, const void *b) {
  const struct timespec *x = &((const Item *)a)->used, *y = &((const Item *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
  return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Down to three quarters of the limit, so that not every new entry has to look for an old one. */
void tw_cache_trim(TwCache *c) {
  Items items = list(c, false);
  uint64_t total = 0;
  for (size_t k = 0; k < items.n; k++) total += items.at[k].bytes;
  if (total > c->max_bytes) {
    qsort(items.at, items.n, sizeof *items.at, by_use);
    for (size_t k = 0; k < items.n && total > c->max_bytes / 4 * 3; k++)
      if (unlinkat(c->dir, items.at[k].name, 0) == 0) total -= items.at[k].bytes;
  }
  free(items.at);
}

void tw_cache_put(TwCache *c, TwCacheKind kind, const uint8_t key[TW_CACHE_KEY], const void *const *part,
                  const size_t *size, uint32_t n) {
  Head h = {.magic = {'T', 'W', 'C', 'A', 'C', 'H', 'E', '2'}, .n = n};
  uint64_t total = 0, at = 0;
  if (n == 0 || n > TW_CACHE_MAX_PARTS) return;
  for (uint32_t k = 0; k < n; k++) {
    if (size[k] > MAX_ENTRY) return;
    h.size[k] = size[k];
    total += rounded(size[k]);
  }
  uint8_t *all = total <= MAX_ENTRY && total <= c->max_bytes / 4 ? calloc(1, total + 1) : NULL;
  if (!all) return;
  for (uint32_t k = 0; k < n; at += rounded(size[k++])) memcpy(all + at, part[k], size[k]);
  char name[NAME + 1], temporary[64];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  name_of(kind, key, name);
  digest(name, &h, all, total, h.digest);
  snprintf(temporary, sizeof temporary, "tmp-%ld-%ld-%p", (long)getpid(), now.tv_nsec, (void *)&h);
  int fd = openat(c->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    bool ok = tw_rt_write_all(fd, &h, sizeof h) == 0 && tw_rt_write_all(fd, all, total) == 0;
    ok = close(fd) == 0 && ok;
    ok = ok && renameat(c->dir, temporary, c->dir, name) == 0;
    if (!ok) (void)unlinkat(c->dir, temporary, 0);
  }
  free(all);
}

static void count(TwCacheUse *u, const Item *it) {
  u->programs += is_of(it->name, TW_CACHE_PROGRAM);
  u->bytes += it->bytes;
}

TwCacheUse tw_cache_use(TwCache *c) {
  Items items = list(c, false);
  TwCacheUse u = {0};
  for (size_t k = 0; k < items.n; k++) count(&u, &items.at[k]);
  free(items.at);
  return u;
}

TwCacheUse tw_cache_clear(TwCache *c) {
  Items items = list(c, true);
  TwCacheUse u = {0};
  for (size_t k = 0; k < items.n; k++) {
    if (unlinkat(c->dir, items.at[k].name, 0)) continue;
    count(&u, &items.at[k]);
  }
  free(items.at);
  return u;
}
