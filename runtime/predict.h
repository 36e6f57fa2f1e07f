/* predict.h: a model of a compiled program as a function of rows, at given params and weights.
 *
 * Prints nothing, exits nowhere. A predictor is used by one thread at a time; any number of them may share a
 * program. A row's result depends on that row alone, to the last bit. */
#ifndef TW_RUNTIME_PREDICT_H
#define TW_RUNTIME_PREDICT_H

#include <stddef.h>

#include "runtime/program.h"

typedef struct TwRtPredictor TwRtPredictor;

/* The number of the model of that name (NULL: the only one, or the last), or -1. */
int64_t tw_rt_find_model(const TwRtProgram *p, const char *name);

/* A predictor of model number `model`, with `shown` (p->n_shown reals as in TwRtSeedResult.shown, copied). NULL
 * and *error (malloc'ed, the caller frees; it may be NULL for want of memory) if the program was compiled without
 * predictions, or with `slopes` if it has none. The program must outlive it. */
TwRtPredictor *tw_rt_predictor_new(const TwRtProgram *p, uint32_t model, bool slopes, const double *shown,
                                   char **error);
void tw_rt_predictor_free(TwRtPredictor *t);

/* Replaces the params and weights. */
void tw_rt_predictor_set(TwRtPredictor *t, const double *shown);

/* n rows of in_width numbers, row major and rounded once to the program's real -> n rows of out_width. */
void tw_rt_predict(TwRtPredictor *t, uint64_t n, const double *in, double *out);
/* The same in f32: exact copies for a program in f32, rounded for one in f64. */
void tw_rt_predict_f32(TwRtPredictor *t, uint64_t n, const float *in, float *out);
/* n rows of out_width x in_width slopes: d output / d input, the input fastest. Wants a predictor with slopes. */
void tw_rt_slopes(TwRtPredictor *t, uint64_t n, const double *in, double *out);

#endif
