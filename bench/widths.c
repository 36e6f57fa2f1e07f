/* widths.c: dense nets of every width, 128 samples: where lanes end and matrix products begin. Each width in a
 * process of its own with a limit of time. With an OpenBLAS at hand, the bare products of the 4096-wide net
 * beside it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

enum { SAMPLES = 128, LAYERS = 3 };

/* Multiply-adds of one step: forwards once, backwards twice, the first layer's input gradient excepted. */
static double flop(double width) { return 2.0 * SAMPLES * (3 * (LAYERS - 1) * width * width + 2 * width + 3 * width); }

/* Of the products alone, between the wide layers. */
static double bare_flop(double width) { return 2.0 * SAMPLES * 3 * (LAYERS - 1) * width * width; }

static void run_step(void *context, int64_t times) {
  for (int64_t k = 0; k < times; k++) tw_bench_step(context);
}

#ifdef TW_BENCH_BLAS
void sgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const float *alpha,
            const float *a, const int *lda, const float *b, const int *ldb, const float *beta, float *c,
            const int *ldc);
char *openblas_get_corename(void);

/* An OpenBLAS that does not know a processor takes the kernels of the oldest one. Its due are the newest ones that the
 * processor has the instructions for. */
void tw_bench_choose_blas(void) {
#ifdef __x86_64__
  if (strcmp(openblas_get_corename(), "Prescott") != 0) return;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) setenv("OPENBLAS_CORETYPE", "Haswell", 0);
#endif
}

static const char *kernels_of_blas(void) { return openblas_get_corename(); }

typedef struct Products {
  int width;
  float *weight, *in, *out;
} Products;

/* Of one layer: Y = W X, dX = W' dY, dW = dY X'. */
static void run_products(void *context, int64_t times) {
  const Products *p = context;
  int w = p->width, n = SAMPLES;
  float one = 1, zero = 0;
  for (int64_t k = 0; k < times * (LAYERS - 1); k++) {
    sgemm_("N", "N", &w, &n, &w, &one, p->weight, &w, p->in, &w, &zero, p->out, &w);
    sgemm_("T", "N", &w, &n, &w, &one, p->weight, &w, p->in, &w, &zero, p->out, &w);
    sgemm_("N", "T", &w, &w, &n, &one, p->in, &w, p->out, &w, &zero, p->weight, &w);
  }
}

/* Of both signs, so small that products of products stay as large. */
static float *numbers(size_t n) {
  float *p = malloc(n * sizeof *p);
  if (!p) abort();
  for (size_t k = 0; k < n; k++) p[k] = ((float)(k * 7919 % 1009) - 504) / 8000;
  return p;
}

/* NULL: there is no BLAS. */
static Products *products_new(int width) {
  size_t w = (size_t)width;
  Products *p = malloc(sizeof *p);
  if (!p) abort();
  *p = (Products){width, numbers(w * w), numbers(w * SAMPLES), numbers(w * SAMPLES)};
  run_products(p, 1);
  return p;
}

static void products_free(Products *p) {
  free(p->weight);
  free(p->in);
  free(p->out);
  free(p);
}
#else
typedef struct Products Products;
static void run_products(void *context, int64_t times) { (void)context, (void)times; }
static Products *products_new(int width) { return (void)width, NULL; }
static void products_free(Products *p) { (void)p; }
static const char *kernels_of_blas(void) { return ""; }
void tw_bench_choose_blas(void) {}
#endif

int tw_bench_width_child(TwBench *b, const char *width) {
  const TwDefine defines[] = {{"width", width}, {"samples", "128"}};
  double start = tw_bench_cpu();
  TwBenchProgram *p = tw_bench_compile(b, "dense", defines, 2, 0);
  double compiled = tw_bench_cpu() - start;
  TwBenchStep *s = tw_bench_step_new(p, 0, 0);
  TwBenchProgram *plain = tw_bench_compile_variant(b, "dense", "plain", defines, 2, 0);
  TwBenchStep *layers = tw_bench_step_new(plain, 0, 0);
  Products *bare = products_new(atoi(width));
  start = tw_bench_cpu();
  tw_bench_step(s);
  double once = tw_bench_cpu() - start;
  int64_t times = once > 5e-3 ? 1 : 0;
  TwBenchCase c[] = {{.run = run_step, .context = s, .times = times},
                     {.run = run_step, .context = layers, .times = times},
                     {.run = run_products, .context = bare, .times = times}};
  tw_bench_rounds(c, bare ? 3 : 2, once > 0.1 ? 7 : 9, 10e-3);
  printf("{\"compile\": %.6f, \"step\": %.9f, \"layers\": %.9f", compiled, c[0].median, c[1].median);
  if (bare) {
    printf(", \"bare\": %.9f, \"kernels\": \"%s\"", c[2].median, kernels_of_blas());
    products_free(bare);
  }
  printf("}\n");
  tw_bench_step_free(layers);
  tw_bench_program_free(plain);
  tw_bench_step_free(s);
  tw_bench_program_free(p);
  return 0;
}

static double torch_step(const TwBench *b, const char *width) {
  if (!b->python) return NAN;
  char script[4096];
  snprintf(script, sizeof script, "%s/bench/peers/dense.py", b->root);
  TwBenchChild c;
  cJSON *j = tw_bench_child_json((const char *[]){b->python, script, "--width", width, NULL}, 60, &c);
  double us = tw_bench_number(j, "step_us_cpu");
  cJSON_Delete(j);
  return us * 1e-6;
}

void tw_bench_widths(TwBench *b) {
  static const char *const widths[] = {"4", "16", "64", "256", "1024", "4096"};
  tw_bench_section(b, "Dense nets 1 -> w -> w -> w -> 1, 128 samples, one thread (CPU time of a training step)");
  for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
    if (b->quick && k > 3) break;
    TwBenchChild c;
    cJSON *j = tw_bench_child_json((const char *[]){b->self, "--root", b->root, "--child-width", widths[k], NULL}, 60,
                                   &c);
    double step = tw_bench_number(j, "step"), compile = tw_bench_number(j, "compile");
    double layers = tw_bench_number(j, "layers"), bare = tw_bench_number(j, "bare");
    char name[64];
    snprintf(name, sizeof name, "width %s", widths[k]);
    if (isnan(step)) tw_bench_row(b, name, NAN, "us", c.timed_out ? "not done in 60 s" : "failed");
    else
      tw_bench_row(b, name, 1e6 * step, "us", "%.1f GFLOP/s; compiled in %.0f ms", 1e-9 * flop(atof(widths[k])) / step,
                   1e3 * compile);
    if (k >= 3 && !isnan(bare)) {
      tw_bench_row(b, "  with p - rate * g in place of Adam", 1e6 * layers, "us", NULL);
      tw_bench_row(b, "  its bare matrix products in OpenBLAS", 1e6 * bare, "us",
                   "%.1f GFLOP/s by its kernels for %s; the step takes %.2fx, without Adam %.2fx",
                   1e-9 * bare_flop(atof(widths[k])) / bare,
                   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j, "kernels")), step / bare, layers / bare);
    }
    cJSON_Delete(j);
    if (k < 5) continue;
    if (c.timed_out) step = INFINITY;
    double torch = torch_step(b, widths[k]);
    tw_bench_row(b, "  PyTorch", 1e6 * torch, "us", NULL);
    tw_bench_accept(b, "4.8", "4096-wide dense layers, p - rate * g / bare matrix products", layers / bare, false, 1.1);
    tw_bench_accept(b, "-", "the same, Adam in its place", step / bare, false, 1.1);
    tw_bench_accept(b, "4.8", "4096-wide dense step / PyTorch's", step / torch, false, 1);
  }
}
