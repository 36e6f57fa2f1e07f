/* arena.c: region allocation by chained blocks.
 *
 * requires: nothing.   provides: arena.h.
 * A block is filled from its start; a new one is chained in front when it is full. Blocks grow with
 * the arena, so that the number of calls to malloc is logarithmic in what a compilation needs. */
#include "compiler/base/arena.h"
#include "compiler/base/bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct TwArenaBlock {
  TwArenaBlock *next; /* the older block */
  size_t size, used;
  _Alignas(16) unsigned char data[];
};

enum { ALIGN = 16, FIRST_BLOCK = 16 * 1024, LARGEST_STEP = 1024 * 1024 };

static _Noreturn void out_of_memory(size_t bytes) { tw_no_memory(bytes); }

static TwArenaBlock *new_block(TwArena *a, size_t bytes) {
  size_t size = bytes;
#ifndef TW_ARENA_MALLOC
  size_t step = a->head ? 2 * a->head->size : FIRST_BLOCK;
  if (step > LARGEST_STEP) step = LARGEST_STEP;
  if (size < step) size = step;
#endif
  if (size > SIZE_MAX - sizeof(TwArenaBlock)) out_of_memory(bytes);
  TwArenaBlock *b = malloc(sizeof(TwArenaBlock) + size);
  if (!b) out_of_memory(bytes);
  b->next = a->head;
  b->size = size;
  b->used = 0;
  a->head = b;
  return b;
}

void *tw_arena_alloc(TwArena *a, size_t bytes) {
  if (bytes > SIZE_MAX - ALIGN) out_of_memory(bytes);
  TwArenaBlock *b = a->head;
#ifdef TW_ARENA_MALLOC
  /* The block is exactly as large as what was asked for, so that a sanitizer knows its end. */
  size_t need = bytes;
  b = new_block(a, need);
#else
  size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN;
  if (need == 0) need = ALIGN;
  if (!b || b->size - b->used < need) b = new_block(a, need);
#endif
  void *at = b->data + b->used;
  b->used += need;
  a->total += need;
  if (bytes) memset(at, 0, need);
  return at;
}

void tw_arena_free(TwArena *a) {
  while (a->head) {
    TwArenaBlock *older = a->head->next;
    free(a->head);
    a->head = older;
  }
  a->total = 0;
}

TwArenaMark tw_arena_mark(const TwArena *a) { return (TwArenaMark){a->head, a->head ? a->head->used : 0, a->total}; }

void tw_arena_reset(TwArena *a, TwArenaMark m) {
  while (a->head != m.block) {
    TwArenaBlock *older = a->head->next;
    free(a->head);
    a->head = older;
  }
  if (a->head) a->head->used = m.used;
  a->total = m.total;
}

void *tw_arena_dup(TwArena *a, const void *src, size_t bytes) {
  void *at = tw_arena_alloc(a, bytes);
  if (bytes) memcpy(at, src, bytes);
  return at;
}

char *tw_arena_strndup(TwArena *a, const char *s, size_t n) {
  char *at = tw_arena_alloc(a, n + 1);
  if (n) memcpy(at, s, n);
  return at;
}

char *tw_arena_vprintf(TwArena *a, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  size_t size = n < 0 ? 1 : (size_t)n + 1;
  char *at = tw_arena_alloc(a, size);
  if (n >= 0) vsnprintf(at, size, fmt, again);
  va_end(again);
  return at;
}

char *tw_arena_printf(TwArena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *at = tw_arena_vprintf(a, fmt, ap);
  va_end(ap);
  return at;
}

void *tw_vec_grow(TwArena *a, void *at, uint32_t len, uint32_t *cap, size_t size) {
  if (*cap > UINT32_MAX / 2) out_of_memory(SIZE_MAX);
  *cap = *cap ? 2 * *cap : 4;
  void *more = tw_arena_alloc(a, size * *cap);
  if (len) memcpy(more, at, size * len);
  return more;
}
