/* safetensors.h: the file format in which PyTorch and others exchange tensors, written and read.
 *
 * A file is the length of its header (8 bytes, little endian), the header (a JSON object: for each tensor its dtype,
 * shape and the bytes it has; "__metadata__": texts), and the bytes. The reader takes nothing on trust: what it
 * accepts has a header within the file, names that differ, and tensors that together are all the bytes, none twice.
 * Prints nothing, exits nowhere. */
#ifndef TW_RUNTIME_SAFETENSORS_H
#define TW_RUNTIME_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/digest.h"

typedef struct TwRtStTensor {
  const char *name;
  const char *dtype; /* "F32", "F64", or another of the format, which has no reals to read here */
  uint32_t rank;
  const int64_t *dims;
  uint64_t count;   /* their product */
  const void *data; /* count elements, little endian; aligned in what is written, maybe not in what was read */
} TwRtStTensor;

typedef struct TwRtStText {
  const char *key, *value; /* UTF-8 */
} TwRtStText;

/* The bytes of a file, malloc'ed, with the tensors (F32 or F64) and texts in the order given. Bytes that are not UTF-8
 * become the replacement character. NULL: no memory. The data begin at a multiple of 8. */
unsigned char *tw_rt_st_encode(const TwRtStTensor *tensors, size_t n_tensors, const TwRtStText *texts, size_t n_texts,
                               size_t *size);

typedef struct TwRtSt {
  TwRtStTensor *tensors; /* sorted by name */
  TwRtStText *texts;     /* sorted by key */
  size_t n_tensors, n_texts;
  void *blocks;                 /* what all of it lies in */
  uint8_t digest[TW_RT_DIGEST]; /* of a file: SHA-256 of its bytes */
} TwRtSt;

/* Reads `size` bytes, which must outlive *out. false and *error, a sentence without the final stop (malloc'ed; NULL if
 * there was no memory), if they are no such file. Free *out if true came back. */
bool tw_rt_st_decode(const void *bytes, size_t size, TwRtSt *out, char **error);
/* The same of a file, whose bytes *out then owns; *error begins with the path. */
bool tw_rt_st_read(const char *path, TwRtSt *out, char **error);
void tw_rt_st_free(TwRtSt *f);

const TwRtStTensor *tw_rt_st_find(const TwRtSt *f, const char *name); /* NULL: none of that name */
const char *tw_rt_st_text(const TwRtSt *f, const char *key);          /* NULL: none */
bool tw_rt_st_has_reals(const TwRtStTensor *t);                       /* F32 or F64 */
double tw_rt_st_real(const TwRtStTensor *t, uint64_t k);              /* element k of a tensor that has reals */

#endif
