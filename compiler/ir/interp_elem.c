/* interp_elem.c: arithmetic of the interpreter, once for each kind of number. */
#include <math.h>

#include "compiler/ir/interp.h"
#include "compiler/ir/scalar.h"

/* The processor's own instruction where it has one: a call of fma for each product would be most of the time. */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__
#define TW_FMA_CLONES __attribute__((target_clones("fma", "default")))
#else
#define TW_FMA_CLONES
#endif

#define ELEM float
#define NAME(x) x##_f32
#define SCALAR(x) x##_f32
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define FMA(a, b, c) fmaf(a, b, c)
#include "compiler/ir/interp_elem.inc"
#undef ELEM
#undef NAME
#undef SCALAR
#undef FMA

#define ELEM double
#define NAME(x) x##_f64
#define SCALAR(x) x##_f64
#define FMA(a, b, c) fma(a, b, c)
#include "compiler/ir/interp_elem.inc"
#undef ELEM
#undef NAME
#undef SCALAR
#undef ADD
#undef MUL
#undef FMA

#define ELEM int64_t
#define NAME(x) x##_int
#define SCALAR(x) x##_int
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "compiler/ir/interp_elem.inc"
