/* inspect.c: include/triwave.h: what a compiled program has. */
#include <stdlib.h>
#include <string.h>

#include "include/triwave.h"
#include "runtime/predict.h"

#ifndef TW_VERSION
#define TW_VERSION "0.1.0"
#endif

const char *tw_version(void) { return TW_VERSION; }
void tw_text_free(char *text) { free(text); }

bool tw_program_is_f64(const tw_program *p) { return p->f64; }
const char *tw_program_variant(const tw_program *p) { return p->variant; }
uint64_t tw_program_n_values(const tw_program *p) { return p->n_shown; }
uint32_t tw_program_n_tensors(const tw_program *p) { return p->n_tensors; }
uint32_t tw_program_n_stages(const tw_program *p) { return p->n_stages; }
uint32_t tw_program_n_models(const tw_program *p) { return p->n_models; }

static void describe(const TwRtTensor *t, tw_tensor_info *out) {
  *out = (tw_tensor_info){
      .name = t->name, .rank = t->rank, .dims = t->dims, .at = t->at, .count = t->count, .is_param = t->is_param};
}

bool tw_program_tensor(const tw_program *p, uint32_t k, tw_tensor_info *out) {
  if (k >= p->n_tensors) return false;
  return describe(&p->tensors[k], out), true;
}

bool tw_program_stage(const tw_program *p, uint32_t k, tw_stage_info *out) {
  if (k >= p->n_stages) return false;
  const TwRtStage *s = &p->stages[k];
  *out = (tw_stage_info){
      .name = s->name, .optimizer = s->optimizer, .epochs = s->epochs, .batch = s->batch, .n_coordinates = s->n_flat};
  return true;
}

bool tw_program_model(const tw_program *p, uint32_t k, tw_model_info *out) {
  if (k >= p->n_models) return false;
  const TwRtModel *m = &p->models[k];
  *out = (tw_model_info){.name = m->name,
                         .n_inputs = m->n_inputs,
                         .n_outputs = m->n_outputs,
                         .in_width = m->in_width,
                         .out_width = m->out_width,
                         .has_slopes = m->slope.entry != NULL};
  return true;
}

bool tw_program_input(const tw_program *p, uint32_t model, uint32_t k, tw_tensor_info *out) {
  if (model >= p->n_models || !p->models[model].inputs || k >= p->models[model].n_inputs) return false;
  return describe(&p->models[model].inputs[k], out), true;
}

bool tw_program_output(const tw_program *p, uint32_t model, uint32_t k, tw_tensor_info *out) {
  if (model >= p->n_models || k >= p->models[model].n_outputs) return false;
  return describe(&p->models[model].outputs[k], out), true;
}

int64_t tw_program_find_model(const tw_program *p, const char *name) { return tw_rt_find_model(p, name); }

int64_t tw_program_find_tensor(const tw_program *p, const char *name) {
  for (uint32_t k = 0; k < p->n_tensors; k++)
    if (strcmp(p->tensors[k].name, name) == 0) return k;
  return -1;
}
