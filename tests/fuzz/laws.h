/* laws.h: what must hold of any text, whatever it holds. Each breach prints the text and aborts, which is
 * how a fuzzer sees it. */
#ifndef TW_TESTS_FUZZ_LAWS_H
#define TW_TESTS_FUZZ_LAWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a text goes: parsed and formatted; and one variant checked; or all of them, lowered, differentiated,
 * optimized. */
typedef enum LawDepth { LAW_TEXT, LAW_TYPES, LAW_ALL } LawDepth;
/* The depth for a text of a fuzzer, by the text: most go no further than the tree, so that there are many. */
LawDepth law_share(const char *text, size_t len);

/* Parse, format, check every variant and lower it: refused with at least one error, each with a place in a
 * text, or accepted and of good form; formatting keeps the tree and is idempotent; the IR is verified, before and after
 * the optimizer. With `run`, the interpreter calls every function of modest size with arguments made of `seed`. True if
 * every variant that was looked at was accepted. */
bool law_text(const char *text, size_t len, LawDepth depth, bool run, uint64_t seed);

/* A whole program drawn from a stream of choices: most are accepted. malloc'ed. */
char *law_program(const uint8_t *choices, size_t n);

#endif
