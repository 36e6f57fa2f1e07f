/* number.h: a real as the shortest decimal text that reads back as the same real. */
#ifndef TW_RUNTIME_NUMBER_H
#define TW_RUNTIME_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum { TW_RT_NUMBER = 32 }; /* room that a text takes at most, without a final NUL */

/* Writes v to out and returns the length: the fewest digits that give v again when read as f64, or as f32 where
 * v is one and `f64` is false. "nan", "inf" and "-inf" for what is not finite. No NUL is written. */
size_t tw_rt_number(char *out, double v, bool f64);

/* The same as JSON has it, with a NUL: null for what is not finite. out has room for TW_RT_NUMBER + 1. */
const char *tw_rt_number_json(char *out, double v, bool f64);

#endif
