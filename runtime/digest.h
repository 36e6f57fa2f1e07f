/* digest.h: SHA-256, by libmd. */
#ifndef TW_RUNTIME_DIGEST_H
#define TW_RUNTIME_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { TW_RT_DIGEST = 32 };
void tw_rt_digest(const void *bytes, size_t n, uint8_t out[TW_RT_DIGEST]);
/* In hexadecimal, NUL-terminated. */
void tw_rt_digest_text(const uint8_t digest[TW_RT_DIGEST], char out[2 * TW_RT_DIGEST + 1]);

#endif
