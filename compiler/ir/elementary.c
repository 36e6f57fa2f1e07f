/* elementary.c: see elementary.h. */
#include "compiler/ir/elementary.h"

#include <stdlib.h>

/* Declared here rather than by sleef.h, which hides the deterministic scalar forms behind macros. */
#define PARAMS_1(T) T
#define PARAMS_2(T) T, T
#define DECLARE(op, n)                                                                                                 \
  float Sleef_finz_##op##f1_u10purecfma(PARAMS_##n(float));                                                            \
  double Sleef_finz_##op##d1_u10purecfma(PARAMS_##n(double));
TW_ELEMENTARY(DECLARE)

enum { FORMS = 8 };
typedef struct Elementary {
  TwOp op;
  const char *symbol[FORMS]; /* f32: 1 4 8 16 lanes, f64: 1 2 4 8 lanes */
} Elementary;

#define ROW(op, n)                                                                                                     \
  {TW_OP_##op,                                                                                                         \
   {"Sleef_finz_" #op "f1_u10purecfma", "Sleef_finz_" #op "f4_u10avx2128", "Sleef_finz_" #op "f8_u10avx2",             \
    "Sleef_finz_" #op "f16_u10avx512f", "Sleef_finz_" #op "d1_u10purecfma", "Sleef_finz_" #op "d2_u10avx2128",         \
    "Sleef_finz_" #op "d4_u10avx2", "Sleef_finz_" #op "d8_u10avx512f"}},
static const Elementary table[] = {TW_ELEMENTARY(ROW)};
enum { ROWS = sizeof table / sizeof *table };

static const Elementary *find(TwOp op) {
  for (uint32_t i = 0; i < ROWS; i++)
    if (table[i].op == op) return &table[i];
  return NULL;
}

bool tw_is_elementary(TwOp op) { return find(op) != NULL; }

const char *tw_elementary_symbol(TwOp op, bool f64, uint32_t lanes) {
  const Elementary *e = find(op);
  if (!e) return NULL;
  static const uint32_t lanes_of[FORMS] = {1, 4, 8, 16, 1, 2, 4, 8};
  for (uint32_t k = f64 ? 4 : 0; k < (f64 ? 8u : 4u); k++)
    if (lanes_of[k] == lanes) return e->symbol[k];
  return NULL;
}

const char *tw_elementary_nth(uint32_t i) { return i < ROWS * FORMS ? table[i / FORMS].symbol[i % FORMS] : NULL; }

#define ARGS_1 (a)
#define ARGS_2 (a, b)
/* clang-format off */
#define CASE_F32(op, n) case TW_OP_##op: return Sleef_finz_##op##f1_u10purecfma ARGS_##n;
#define CASE_F64(op, n) case TW_OP_##op: return Sleef_finz_##op##d1_u10purecfma ARGS_##n;
/* clang-format on */

float tw_elementary_f32(TwOp op, float a, float b) {
  (void)b;
  switch ((int)op) { TW_ELEMENTARY(CASE_F32) }
  abort();
}

double tw_elementary_f64(TwOp op, double a, double b) {
  (void)b;
  switch ((int)op) { TW_ELEMENTARY(CASE_F64) }
  abort();
}
