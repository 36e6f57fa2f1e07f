/* predict.c: see predict.h. */
#include "runtime/predict.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/data.h"
#include "runtime/text.h"

struct TwRtPredictor {
  const TwRtProgram *p;
  const TwRtModel *m;
  bool f64;
  void *shown;
  void **in;      /* a block of each input */
  void **out;     /* a block of each output, of predict or of slope */
  uint32_t n_out; /* buffers */
  void *work;
  const void **in_of[2]; /* the operands of predict and of slope */
  TwRtDatas datas;       /* for models that read data sets */
};

int64_t tw_rt_find_model(const TwRtProgram *p, const char *name) {
  if (!name) return (int64_t)p->n_models - 1;
  for (uint32_t k = 0; k < p->n_models; k++)
    if (strcmp(p->models[k].name, name) == 0) return k;
  return -1;
}

static const void *operand(TwRtPredictor *t, const TwRtSlot *slot) {
  if (slot->role == TW_RT_SHOWN) return t->shown;
  if (slot->role == TW_RT_INPUT) return t->in[slot->index];
  return slot->role == TW_RT_COLUMN ? t->datas.at[slot->data].at[slot->index] : NULL;
}

static bool bind(TwRtPredictor *t, const TwRtFn *fn, int which) {
  t->in_of[which] = calloc((size_t)fn->n_in + 1, sizeof *t->in_of[which]);
  for (uint32_t k = 0; t->in_of[which] && k < fn->n_in; k++) t->in_of[which][k] = operand(t, &fn->in[k]);
  return t->in_of[which] != NULL;
}

static bool reads_data(const TwRtFn *fn) {
  for (uint32_t k = 0; k < fn->n_in; k++)
    if (fn->in[k].role == TW_RT_COLUMN) return true;
  return false;
}

static bool lay_out(TwRtPredictor *t, bool slopes, char **error) {
  const TwRtModel *m = t->m;
  if ((reads_data(&m->predict) || (slopes && reads_data(&m->slope))) && !tw_rt_datas_make(t->p, &t->datas)) {
    if (t->datas.error) *error = tw_rt_textf("%s", t->datas.error);
    return false;
  }
  uint64_t work = m->predict.work_bytes;
  if (slopes && m->slope.work_bytes > work) work = m->slope.work_bytes;
  t->n_out = slopes ? m->slope.n_out : m->n_outputs;
  if (t->n_out < m->n_outputs) t->n_out = m->n_outputs;
  t->shown = tw_rt_reals(t->p->n_shown, t->f64);
  t->work = tw_rt_reals(work / sizeof(float) + 16, false);
  t->in = calloc((size_t)m->n_inputs + 1, sizeof *t->in);
  t->out = calloc((size_t)t->n_out + 1, sizeof *t->out);
  if (!t->shown || !t->work || !t->in || !t->out) return false;
  for (uint32_t k = 0; k < m->n_inputs; k++)
    if (!(t->in[k] = tw_rt_reals(TW_RT_BLOCK * m->inputs[k].count, t->f64))) return false;
  for (uint32_t k = 0; k < t->n_out; k++)
    if (!(t->out[k] = tw_rt_reals(TW_RT_BLOCK * m->outputs[k % m->n_outputs].count, t->f64))) return false;
  return bind(t, &m->predict, 0) && (!slopes || bind(t, &m->slope, 1));
}

TwRtPredictor *tw_rt_predictor_new(const TwRtProgram *p, uint32_t model, bool slopes, const double *shown,
                                   char **error) {
  *error = NULL;
  const TwRtModel *m = &p->models[model];
  if (!tw_rt_program_fits(p, error)) return NULL;
  if (!m->predict.entry) {
    *error = tw_rt_textf("the program was compiled without predictions");
    return NULL;
  }
  if (slopes && !m->slope.entry) {
    *error = tw_rt_textf("'%s' has %llu inputs, and slopes are made for 64 at most", m->name,
                         (unsigned long long)m->in_width);
    return NULL;
  }
  TwRtPredictor *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->p = p;
  t->m = m;
  t->f64 = p->f64;
  if (lay_out(t, slopes, error)) return tw_rt_predictor_set(t, shown), t;
  tw_rt_predictor_free(t);
  return NULL;
}

void tw_rt_predictor_free(TwRtPredictor *t) {
  if (!t) return;
  for (uint32_t k = 0; t->in && k < t->m->n_inputs; k++) free(t->in[k]);
  for (uint32_t k = 0; t->out && k < t->n_out; k++) free(t->out[k]);
  free(t->in);
  free(t->out);
  free(t->shown);
  free(t->work);
  free(t->in_of[0]);
  free(t->in_of[1]);
  tw_rt_datas_free(&t->datas);
  free(t);
}

void tw_rt_predictor_set(TwRtPredictor *t, const double *shown) {
  for (uint64_t i = 0; i < t->p->n_shown; i++) tw_rt_put(t->shown, i, shown[i], t->f64);
}

static void call(TwRtPredictor *t, const TwRtFn *fn, int which) {
  fn->entry(&(TwRtCall){.in = t->in_of[which], .out = t->out, .work = t->work});
}

/* ---- rows to blocks of columns and back. Rows that are missing in the last block are zero: their results are
 * not looked at. Copies are written out for each pair of types, so that they are loops of moves. */

#define ROWS_IN(name, from_type, to_type)                                                                              \
  static void name(const TwRtModel *m, void **block, uint64_t n, const from_type *rows) {                              \
    for (uint32_t k = 0; k < m->n_inputs; k++) {                                                                       \
      uint64_t count = m->inputs[k].count;                                                                             \
      to_type *to = block[k];                                                                                          \
      const from_type *from = rows + m->inputs[k].at;                                                                  \
      for (uint64_t r = 0; r < n; r++)                                                                                 \
        for (uint64_t e = 0; e < count; e++) to[r * count + e] = (to_type)from[r * m->in_width + e];                   \
      memset(to + n * count, 0, (TW_RT_BLOCK - n) * count * sizeof *to);                                               \
    }                                                                                                                  \
  }
ROWS_IN(f32_from_f64, double, float)
ROWS_IN(f64_from_f64, double, double)
ROWS_IN(f32_from_f32, float, float)
ROWS_IN(f64_from_f32, float, double)

/* `stride` numbers of the row lie between two elements of an output, `width` is the row's; `at`: the first. */
#define ROWS_OUT(name, from_type, to_type)                                                                             \
  static void name(const void *block, uint64_t count, uint64_t n, to_type *rows, uint64_t width, uint64_t stride) {    \
    const from_type *from = block;                                                                                     \
    for (uint64_t r = 0; r < n; r++)                                                                                   \
      for (uint64_t e = 0; e < count; e++) rows[r * width + e * stride] = (to_type)from[r * count + e];                \
  }
ROWS_OUT(f32_to_f64, float, double)
ROWS_OUT(f64_to_f64, double, double)
ROWS_OUT(f32_to_f32, float, float)
ROWS_OUT(f64_to_f32, double, float)

void tw_rt_predict(TwRtPredictor *t, uint64_t n, const double *in, double *out) {
  const TwRtModel *m = t->m;
  for (uint64_t done = 0; done < n; done += TW_RT_BLOCK) {
    uint64_t rows = n - done < TW_RT_BLOCK ? n - done : TW_RT_BLOCK;
    (t->f64 ? f64_from_f64 : f32_from_f64)(m, t->in, rows, in + done * m->in_width);
    call(t, &m->predict, 0);
    for (uint32_t j = 0; j < m->n_outputs; j++)
      (t->f64 ? f64_to_f64 : f32_to_f64)(t->out[j], m->outputs[j].count, rows,
                                         out + done * m->out_width + m->outputs[j].at, m->out_width, 1);
  }
}

void tw_rt_predict_f32(TwRtPredictor *t, uint64_t n, const float *in, float *out) {
  const TwRtModel *m = t->m;
  for (uint64_t done = 0; done < n; done += TW_RT_BLOCK) {
    uint64_t rows = n - done < TW_RT_BLOCK ? n - done : TW_RT_BLOCK;
    (t->f64 ? f64_from_f32 : f32_from_f32)(m, t->in, rows, in + done * m->in_width);
    call(t, &m->predict, 0);
    for (uint32_t j = 0; j < m->n_outputs; j++)
      (t->f64 ? f64_to_f32 : f32_to_f32)(t->out[j], m->outputs[j].count, rows,
                                         out + done * m->out_width + m->outputs[j].at, m->out_width, 1);
  }
}

void tw_rt_slopes(TwRtPredictor *t, uint64_t n, const double *in, double *out) {
  const TwRtModel *m = t->m;
  uint64_t width = m->out_width * m->in_width;
  for (uint64_t done = 0; done < n; done += TW_RT_BLOCK) {
    uint64_t rows = n - done < TW_RT_BLOCK ? n - done : TW_RT_BLOCK;
    (t->f64 ? f64_from_f64 : f32_from_f64)(m, t->in, rows, in + done * m->in_width);
    call(t, &m->slope, 1);
    for (uint32_t k = 0; k < t->n_out; k++) {
      uint64_t e = k / m->n_outputs;
      const TwRtTensor *o = &m->outputs[k % m->n_outputs];
      (t->f64 ? f64_to_f64 : f32_to_f64)(t->out[k], o->count, rows, out + done * width + o->at * m->in_width + e, width,
                                         m->in_width);
    }
  }
}
