/* stored.h: params and weights of a program as a safetensors file.
 *
 * Names are those that PyTorch's modules give (TwRtTensor.stored): a param has its own name; a field of weights is
 * NAME.FIELD, an element of a tuple or of an array of records NAME.0, NAME.1, …, and a record of exactly W: real[n, m]
 * and b: real[n], as nn.Dense, is NAME.weight and NAME.bias, as in nn.Linear. So the tensor "net.hidden.W" [3, 4, 4] is
 * net.hidden.0.weight [4, 4] to net.hidden.2.weight. The text "triwave.tensors" in the file says which is which. */
#ifndef TW_RUNTIME_STORED_H
#define TW_RUNTIME_STORED_H

#include "runtime/program.h"
#include "runtime/safetensors.h"

/* One tensor of the program is so many in a file, each of the last `rank` axes. */
typedef struct TwRtStored {
  uint64_t n, count; /* tensors; elements of each */
  uint32_t rank;
  const int64_t *dims;
} TwRtStored;
TwRtStored tw_rt_stored_of(const char *stored, uint32_t rank, const int64_t *dims);
/* The name of number k of them: each * of `stored` is an index along an axis. malloc'ed, NULL: no memory. */
char *tw_rt_stored_name(const char *stored, const int64_t *dims, uint64_t k);

/* "real[4, 1]", or "real"; malloc'ed, NULL: no memory. */
char *tw_rt_stored_shape(uint32_t rank, const int64_t *dims);

/* The bytes of a file with `shown` (p->n_shown reals as in TwRtSeedResult.shown), in the program's precision; `texts`
 * are written with it, before our own. malloc'ed; NULL: no memory. */
unsigned char *tw_rt_stored_encode(const TwRtProgram *p, const double *shown, const TwRtStText *texts, size_t n_texts,
                                   size_t *size);
/* The reals of a file into `shown`. false and *error, a sentence without the final stop (malloc'ed), if the file lacks
 * a tensor of the program, or has one in another shape or of no reals, or one that the program has not. */
bool tw_rt_stored_decode(const TwRtProgram *p, const TwRtSt *file, double *shown, char **error);

/* The text of this name in a file that a run keeps has the coordinates of the program's params, to the last bit, where
 * they are not the params themselves: each in hexadecimal, as many digits for each. */
#define TW_RT_COORDINATES "triwave.coordinates"
enum { TW_RT_MOST_COORDINATES = 1 << 22 }; /* that are kept: readers of the format limit the size of its texts */
/* That text of VALUES, in the program's precision; "": there are none to be kept. malloc'ed; NULL: no memory. */
char *tw_rt_stored_coordinates(const TwRtProgram *p, const void *values);
/* Puts what the file has of them into p->n_values reals. false: the text is not that of this program. */
bool tw_rt_stored_coordinates_get(const TwRtProgram *p, const TwRtSt *file, double *values);

/* What decode does for one tensor: the reals of all that it is in the file, in order. */
bool tw_rt_stored_get(const TwRtSt *file, const char *stored, uint32_t rank, const int64_t *dims, double *out,
                      char **error);

#endif
