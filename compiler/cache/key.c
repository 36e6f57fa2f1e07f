/* key.c: what decides the code, digested. */
#define _GNU_SOURCE
#include <link.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "compiler/cache/cache.h"

struct TwCacheHash {
  SHA2_CTX sha;
};

void tw_cache_hash_bytes(TwCacheHash *h, const void *bytes, size_t n) {
  uint64_t length = n;
  SHA256Update(&h->sha, (const uint8_t *)&length, sizeof length);
  SHA256Update(&h->sha, bytes, n);
}

void tw_cache_hash_text(TwCacheHash *h, const char *text) { tw_cache_hash_bytes(h, text, strlen(text)); }
void tw_cache_hash_number(TwCacheHash *h, uint64_t n) { tw_cache_hash_bytes(h, &n, sizeof n); }

void tw_cache_hash_end(TwCacheHash *h, uint8_t key[TW_CACHE_KEY]) {
  SHA256Final(key, &h->sha);
  free(h);
}

/* ---- this binary: the build id that its linker wrote */

typedef struct Search {
  TwCacheHash *h;
  uintptr_t inside; /* an address in the object that is looked for */
  bool found;
} Search;

static bool hash_build_id(TwCacheHash *h, const uint8_t *note, size_t size) {
  for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
    ElfW(Nhdr) n;
    memcpy(&n, note + at, sizeof n);
    size_t name = at + sizeof n, desc = name + (n.n_namesz + 3u) / 4 * 4;
    if (desc > size || n.n_descsz > size - desc) break;
    if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && memcmp(note + name, "GNU", 4) == 0) {
      tw_cache_hash_bytes(h, note + desc, n.n_descsz);
      return true;
    }
    at = desc + (n.n_descsz + 3u) / 4 * 4;
  }
  return false;
}

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  Search *s = context;
  bool mine = false;
  for (int k = 0; k < info->dlpi_phnum; k++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[k];
    uintptr_t start = info->dlpi_addr + p->p_vaddr;
    if (p->p_type == PT_LOAD && s->inside >= start && s->inside - start < p->p_memsz) mine = true;
  }
  for (int k = 0; k < info->dlpi_phnum && mine; k++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[k];
    if (p->p_type != PT_NOTE || s->found) continue;
    s->found = hash_build_id(s->h, (const uint8_t *)(uintptr_t)(info->dlpi_addr + p->p_vaddr), p->p_memsz);
  }
  return mine;
}

static void hash_processor(TwCacheHash *h) {
#ifdef __x86_64__
  static const unsigned leaves[][2] = {{0, 0}, {1, 0}, {7, 0}, {7, 1}, {13, 0}, {13, 1}, {0x80000001u, 0}};
  for (size_t k = 0; k < sizeof leaves / sizeof *leaves; k++) {
    unsigned r[4] = {0};
    __get_cpuid_count(leaves[k][0], leaves[k][1], &r[0], &r[1], &r[2], &r[3]);
    if (leaves[k][0] == 1) r[1] = 0;  /* which of the cores this is */
    if (leaves[k][0] == 13) r[1] = 0; /* how much is in use at the moment */
    tw_cache_hash_bytes(h, r, sizeof r);
  }
#endif
}

TwCacheHash *tw_cache_hash(void) {
  TwCacheHash *h = malloc(sizeof *h);
  if (!h) return NULL;
  SHA256Init(&h->sha);
  TwCacheHash *(*self)(void) = tw_cache_hash;
  Search s = {.h = h};
  memcpy(&s.inside, &self, sizeof s.inside);
  dl_iterate_phdr(visit, &s);
  if (!s.found) {
    free(h);
    return NULL;
  }
  hash_processor(h);
  return h;
}
