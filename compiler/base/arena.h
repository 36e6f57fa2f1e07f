/* arena.h: region allocation. Everything a compilation makes lives in an arena and dies with it.
 *
 * Nothing in an arena is freed singly and nothing in an arena owns a resource from outside it.
 * Memory comes zeroed. Running out of it does not return (tw_no_memory, bug.h): a compiler that cannot allocate a few
 * kilobytes has nothing better to offer.
 * With -DTW_ARENA_MALLOC every allocation is a malloc of its own, so that ASan sees overruns. */
#ifndef TW_BASE_ARENA_H
#define TW_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct TwArenaBlock TwArenaBlock;
typedef struct TwArena {
  TwArenaBlock *head; /* newest block first */
  size_t total;       /* bytes handed out, for reports */
} TwArena;

typedef struct TwArenaMark {
  TwArenaBlock *block;
  size_t used;
  size_t total;
} TwArenaMark;

void tw_arena_free(TwArena *a);                 /* frees all; the arena is empty and usable afterwards */
void *tw_arena_alloc(TwArena *a, size_t bytes); /* zeroed, aligned to 16; bytes may be 0 */
void *tw_arena_dup(TwArena *a, const void *src, size_t bytes);
char *tw_arena_strndup(TwArena *a, const char *s, size_t n);
char *tw_arena_printf(TwArena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *tw_arena_vprintf(TwArena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
TwArenaMark tw_arena_mark(const TwArena *a);
void tw_arena_reset(TwArena *a, TwArenaMark m); /* everything allocated after the mark is gone */

#define TW_NEW(arena, T) ((T *)tw_arena_alloc((arena), sizeof(T)))
#define TW_NEW_N(arena, T, n) ((T *)tw_arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* A growable array in an arena: `TwVec(TwNode *) kids = {0}; tw_vec_push(arena, &kids, node);`
 * The old storage stays in the arena when the array grows (doubling: at most as much again). */
#define TwVec(T)                                                                                                       \
  struct {                                                                                                             \
    T *at;                                                                                                             \
    uint32_t len, cap;                                                                                                 \
  }
#define tw_vec_push(arena, v, ...)                                                                                     \
  ((v)->len < (v)->cap ? (void)0                                                                                       \
                       : (void)((v)->at = tw_vec_grow((arena), (v)->at, (v)->len, &(v)->cap, sizeof *(v)->at)),        \
   (void)((v)->at[(v)->len++] = (__VA_ARGS__)))
void *tw_vec_grow(TwArena *a, void *at, uint32_t len, uint32_t *cap, size_t size);

#endif
