/* digest.c: see digest.h. */
#include "runtime/digest.h"

#include <sha2.h>
#include <stdio.h>

void tw_rt_digest(const void *bytes, size_t n, uint8_t out[TW_RT_DIGEST]) {
  SHA2_CTX sha;
  SHA256Init(&sha);
  SHA256Update(&sha, bytes, n);
  SHA256Final(out, &sha);
}

void tw_rt_digest_text(const uint8_t digest[TW_RT_DIGEST], char out[2 * TW_RT_DIGEST + 1]) {
  for (int k = 0; k < TW_RT_DIGEST; k++) snprintf(out + 2 * k, 3, "%02x", digest[k]);
}
