/* test_cpu.c: what a CPU has, against what the system says; and a program that asks for more is never called. */
#include "runtime/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "include/triwave.h"
#include "runtime/data.h"
#include "runtime/predict.h"
#include "tests/runtime/check.h"
#include "tests/runtime/fake.h"

static const uint64_t nobodys = UINT64_C(1) << 62; /* no feature has this bit */

typedef struct Feature {
  const char *name;
  unsigned level;
} Feature;
static const Feature features[] = {
#define TW_CPU(id, name, level, ...) {name, level},
#include "runtime/cpu.def"
};
enum { N_FEATURES = sizeof features / sizeof *features };

/* The kernel's name of a feature, where it is another one. */
static const char *kernel_name(const char *name, char room[32]) {
  static const char *const others[][2] = {{"sse3", "pni"},        {"sse4.1", "sse4_1"}, {"sse4.2", "sse4_2"},
                                          {"sahf", "lahf_lm"},    {"bmi", "bmi1"},      {"lzcnt", "abm"},
                                          {"avxvnni", "avx_vnni"}};
  static const char *const scored[] = {"vbmi2", "vnni", "bitalg", "vpopcntdq", "fp16", "bf16"};
  for (size_t k = 0; k < sizeof others / sizeof *others; k++)
    if (strcmp(others[k][0], name) == 0) return others[k][1];
  for (size_t k = 0; k < sizeof scored / sizeof *scored; k++) {
    if (strncmp(name, "avx512", 6) != 0 || strcmp(name + 6, scored[k]) != 0) continue;
    snprintf(room, 32, "avx512_%s", scored[k]);
    return room;
  }
  return name;
}

static bool word_in(const char *text, const char *word) {
  size_t n = strlen(word);
  for (const char *at = text; (at = strstr(at, word)); at += n)
    if (at > text && at[-1] == ' ' && (at[n] == ' ' || at[n] == '\n')) return true;
  return false;
}

/* What the kernel lists is there; and what belongs to a level, which every kernel knows, is there only if it does. */
static void as_the_system_says(void) {
  FILE *f = fopen("/proc/cpuinfo", "r");
  char *line = NULL;
  size_t room = 0;
  bool found = false;
  while (f && !found && getline(&line, &room, f) > 0) found = strncmp(line, "flags", 5) == 0;
  if (f) fclose(f);
  uint64_t has = tw_rt_cpu_has();
  for (unsigned k = 0; found && k < N_FEATURES; k++) {
    char name[32];
    bool here = has >> k & 1, listed = word_in(line, kernel_name(features[k].name, name));
    CHECK(here || !listed, "%s is there, and is not found", features[k].name);
    CHECK(listed || !here || !features[k].level, "%s is found, and is not there", features[k].name);
  }
  CHECK(!(has & ~((UINT64_C(1) << N_FEATURES) - 1)), "bits that belong to nothing");
  free(line);
}

/* What code is chosen by, as the compiler that made this has it. */
static void as_the_compiler_says(void) {
#ifdef __x86_64__
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  CHECK(tw_rt_cpu_can(TW_RT_CPU_256) == v3, "AVX2 and FMA");
  CHECK(tw_rt_cpu_can(TW_RT_CPU_512) == v4, "AVX-512");
#endif
  CHECK(tw_rt_cpu_can(0), "nothing is asked for");
  CHECK(!tw_rt_cpu_can(nobodys), "what no CPU has");
}

static void says(uint64_t needs, uint64_t has, const char *want) {
  char *text = tw_rt_cpu_lacks(needs, has);
  CHECK(text && strcmp(text, want) == 0, "%s, not %s", text ? text : "nothing", want);
  free(text);
}

static void words(void) {
  const uint64_t f = UINT64_C(1) << TW_CPU_AVX512F, dq = UINT64_C(1) << TW_CPU_AVX512DQ,
                 fma = UINT64_C(1) << TW_CPU_FMA;
  says(f, fma, "avx512f");
  says(f | fma, fma, "avx512f");
  says(f | fma, 0, "fma and avx512f");
  says(f | dq | fma, 0, "fma, avx512f and avx512dq");
  says(fma | nobodys | nobodys >> 1, 0, "fma and something that this runtime does not know");
  says(nobodys, ~nobodys, "something that this runtime does not know");
}

/* Any call of it ends the process. */
static void code(const TwRtCall *c) {
  (void)c;
  abort();
}
static const TwRtSlot seed_in[] = {SLOT(SEED, .count = 1)};
static const TwRtSlot init_out[] = {SLOT(VALUES, .count = 1), SLOT(SHOWN, .count = 1)};
static const TwRtSlot column_in[] = {SLOT(COLUMN, .index = 0, .count = 2)};
static const TwRtSlot column_out[] = {SLOT(COLUMN, .index = 1, .count = 2)};
static const TwRtSlot model_in[] = {SLOT(SHOWN, .count = 1), SLOT(INPUT, .count = TW_RT_BLOCK)};
static const TwRtSlot model_out[] = {SLOT(OUTPUT, .count = TW_RT_BLOCK)};

static void is_not_called(unsigned level, const char *want) {
  const TwRtAxis axis = {.name = "x", .lo = 0, .hi = 1, .n = 2};
  const TwRtData data = {.name = "train",
                         .n_rows = 2,
                         .n_inputs = 1,
                         .n_columns = 1,
                         .axes = &axis,
                         .target = FN("target", code, column_in, column_out)};
  const TwRtTensor x = {.name = "x", .count = 1};
  const TwRtModel model = {.name = "f",
                           .n_inputs = 1,
                           .n_outputs = 1,
                           .inputs = &x,
                           .outputs = &x,
                           .in_width = 1,
                           .out_width = 1,
                           .predict = FN("f", code, model_in, model_out)};
  const TwRtProgram p = {.abi = TW_RT_ABI,
                         .cpu_level = level,
                         .cpu = tw_rt_cpu_has() | nobodys,
                         .f64 = true,
                         .path = "p.tw",
                         .variant = "main",
                         .n_values = 1,
                         .n_shown = 1,
                         .n_datas = 1,
                         .datas = &data,
                         .n_models = 1,
                         .models = &model,
                         .init = FN("init", code, seed_in, init_out)};
  TwRtResult *r = run_one(&p);
  CHECK_HAS(r->error, want);
  tw_rt_result_free(&p, r);
  char *error = NULL;
  CHECK(!tw_net_new(&p, 0, &error), "a net");
  CHECK_HAS(error, want);
  tw_text_free(error);
  TwRtDatas datas;
  CHECK(!tw_rt_datas_make(&p, &datas), "data");
  CHECK_HAS(datas.error, want);
  tw_rt_datas_free(&datas);
  CHECK(!tw_rt_data_make(&p, 0, &datas), "data");
  CHECK_HAS(datas.error, want);
  tw_rt_datas_free(&datas);
  double values = 0;
  CHECK(!tw_rt_predictor_new(&p, 0, false, &values, &error), "a predictor");
  CHECK_HAS(error, want);
  free(error);
}

int main(void) {
  as_the_system_says();
  as_the_compiler_says();
  words();
  is_not_called(4, "compiled for any CPU of x86-64-v4, and this CPU lacks something that this runtime does not know");
  is_not_called(0, "compiled for another machine's CPU, and this one lacks something that this runtime does not know");
  return tw_test_done("cpu");
}
