/* data.h: the columns of a program's data sets, made in f64 and rounded once. Internal to the runtime. */
#ifndef TW_RUNTIME_DATA_H
#define TW_RUNTIME_DATA_H

#include <stddef.h>

#include "runtime/program.h"

typedef struct TwRtColumns {
  int64_t n_rows;
  uint32_t n; /* columns: the inputs, further ones, and what the target function gives */
  void **at;  /* each n_rows reals of the program */
} TwRtColumns;

typedef struct TwRtDatas {
  uint32_t n;
  TwRtColumns *at;
  char *error;            /* malloc'ed, or NULL: which value cannot be used, and why */
  const TwRtPlace *place; /* of the data set that it is about, or NULL */
} TwRtDatas;

/* Point k of an axis: see TwRtData. A closed end is met exactly. */
double tw_rt_axis_point(const TwRtAxis *axis, int64_t k);

/* The inputs and further columns of a data set in f64: n_columns arrays of n_rows. */
void tw_rt_data_inputs(const TwRtData *d, double **columns);

/* Can these columns, in f64 and not rounded yet, be used: are all finite in the program's real, and the weights
 * weights? false iff `error` and `place` are set, or there was no memory for them. n: the inputs, further ones and the
 * target's. */
bool tw_rt_data_check(const TwRtProgram *p, const TwRtData *d, double **columns, uint32_t n, TwRtDatas *out);
/* requires: compiled entries. provides: every column of every data set, all finite; false iff `error`
 * is set. Free `out` in either case. */
bool tw_rt_datas_make(const TwRtProgram *p, TwRtDatas *out);
/* The columns of this one alone; the others have none. */
bool tw_rt_data_make(const TwRtProgram *p, uint32_t data, TwRtDatas *out);
void tw_rt_datas_free(TwRtDatas *d);

/* Whether tw_rt_target_at can be asked: a grid of one axis with a target. */
bool tw_rt_has_target_at(const TwRtData *d);
/* The target of a grid of one axis at any n inputs x, in f64. false: out of memory. */
bool tw_rt_target_at(const TwRtData *d, const double *x, double *y, size_t n);

/* n reals, zeroed, aligned and rounded up as program.h asks; NULL if there is no memory for them. */
void *tw_rt_reals(uint64_t n, bool f64);

static inline double tw_rt_get(const void *reals, uint64_t i, bool f64) {
  return f64 ? ((const double *)reals)[i] : (double)((const float *)reals)[i];
}
static inline void tw_rt_put(void *reals, uint64_t i, double v, bool f64) {
  if (f64) ((double *)reals)[i] = v;
  else ((float *)reals)[i] = (float)v;
}
/* v as the program's real, back in f64. */
static inline double tw_rt_round(double v, bool f64) { return f64 ? v : (double)(float)v; }
static inline size_t tw_rt_real_size(bool f64) { return f64 ? sizeof(double) : sizeof(float); }

#endif
