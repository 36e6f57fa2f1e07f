/* trained.c: see trained.h. */
#include "cli/trained.h"

#include <unistd.h>

#include "cli/failures.h"
#include "runtime/predict.h"

static bool find_model(const TwCli *c, TwTrained *t) {
  int64_t model = tw_rt_find_model(t->build.rt, c->model);
  if (model >= 0) return t->model = (uint32_t)model, true;
  if (c->model) fprintf(stderr, "triwave: the program has no model '%s'\n", c->model);
  else fprintf(stderr, "triwave: the program has no model\n");
  return false;
}

static bool train(const TwCli *c, TwTrained *t, bool *sound) {
  const TwRtProgram *p = t->build.rt;
  if (p->n_stages == 0) {
    fprintf(stderr, "triwave: the program has no stage, so nothing is trained\n");
    return false;
  }
  uint64_t seed = c->have_seed ? c->seed : 0;
  TwRtOptions o = {.seeds = &seed, .n_seeds = 1, .threads = c->threads, .keep_values = true};
  t->result = tw_rt_train(p, &o);
  *sound = tw_cli_failures(&t->build, t->result);
  if (t->result->error || t->result->seeds[0].status == TW_RT_NAN) return false;
  t->shown = t->result->seeds[0].shown;
  return true;
}

bool tw_cli_trained(const TwCli *c, TwTrained *t, bool *sound) {
  *t = (TwTrained){.unit = tw_cli_unit(c), .cache = c->no_cache ? NULL : tw_cache_open(0)};
  *sound = false;
  t->build = (TwBuild){.unit = t->unit, .file = tw_cli_open(t->unit, c->files[0]), .cache = t->cache,
                       .code = {.vector_bits = c->vector_bits}, .what = TW_LOWER_TRAIN | TW_LOWER_MODELS};
  TwBuild *b = &t->build;
  bool ok = b->file && tw_build(b, TW_PHASE_PARSE) && tw_cli_one_variant(c, t->unit, b->ast, &b->variant);
  ok = ok && tw_build(b, TW_PHASE_CODE) && find_model(c, t) && train(c, t, sound);
  tw_cli_diagnostics(t->unit);
  return ok;
}

void tw_cli_trained_free(TwTrained *t) {
  if (t->result) tw_rt_result_free(t->build.rt, t->result);
  tw_build_free(&t->build);
  tw_unit_free(t->unit);
  tw_cache_close(t->cache);
}
