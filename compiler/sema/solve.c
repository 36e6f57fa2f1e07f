/* solve.c: shape parameters from linear equations with integer coefficients.
 *
 * Equations come one at a time, from explicit shape parameters, then arguments in order, then the
 * expected result, and are kept reduced (each pivot variable in one row only), so that the first one
 * that contradicts the others is known when it comes. */
#include "compiler/sema/check.h"

static int64_t gcd(int64_t a, int64_t b) {
  if (a < 0) a = -a;
  if (b < 0) b = -b;
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a;
}

/* row a := a * ka - b * kb, divided by the common factor. false: the numbers grew too large. */
static bool combine(int64_t *a, int64_t *ra, int64_t ka, const int64_t *b, int64_t rb, int64_t kb) {
  int64_t x, y, g = 0;
  for (int k = 0; k <= TW_SM_VARS; k++) {
    int64_t *p = k < TW_SM_VARS ? &a[k] : ra;
    if (__builtin_mul_overflow(*p, ka, &x) || __builtin_mul_overflow(k < TW_SM_VARS ? b[k] : rb, kb, &y) ||
        __builtin_sub_overflow(x, y, p))
      return false;
    if (k < TW_SM_VARS) g = gcd(g, *p);
  }
  if (g > 1 && *ra % g == 0) {
    for (int k = 0; k < TW_SM_VARS; k++) a[k] /= g;
    *ra /= g;
  }
  return true;
}

bool tw_sm_equation(TwSmSolve *v, const TwSmLin *l, int64_t n, TwSpan why) {
  if (!l->linear || v->failed) return true;
  int64_t c[TW_SM_VARS], rhs;
  if (__builtin_sub_overflow(n, l->c0, &rhs)) return true;
  for (int k = 0; k < TW_SM_VARS; k++) c[k] = l->c[k];
  for (uint32_t r = 0; r < v->rows; r++) {
    uint32_t p = v->pivot[r];
    if (c[p] && !combine(c, &rhs, v->c[r][p], v->c[r], v->rhs[r], c[p])) return true;
  }
  uint32_t pivot = TW_SM_VARS;
  for (uint32_t k = 0; k < v->n; k++)
    if (c[k]) {
      pivot = k;
      break;
    }
  if (pivot == TW_SM_VARS) return rhs == 0 || ((v->failed = true), false);
  for (uint32_t r = 0; r < v->rows; r++)
    if (v->c[r][pivot] && !combine(v->c[r], &v->rhs[r], c[pivot], c, rhs, v->c[r][pivot])) return true;
  for (int k = 0; k < TW_SM_VARS; k++) v->c[v->rows][k] = c[k];
  v->rhs[v->rows] = rhs;
  v->why[v->rows] = why;
  v->pivot[v->rows++] = pivot;
  int64_t x;
  for (uint32_t k = 0; k < v->n; k++) /* a solution must be a whole number that is not negative */
    for (uint32_t r = 0; r < v->rows; r++)
      if (v->pivot[r] == k && !tw_sm_solved(v, k, &x)) {
        bool alone = true;
        for (uint32_t j = 0; j < v->n; j++) alone &= j == k || v->c[r][j] == 0;
        if (alone) return v->failed = true, false;
      }
  return true;
}

bool tw_sm_solved(const TwSmSolve *v, uint32_t var, int64_t *value) {
  for (uint32_t r = 0; r < v->rows; r++) {
    if (v->pivot[r] != var) continue;
    for (uint32_t k = 0; k < v->n; k++)
      if (k != var && v->c[r][k]) return false;
    if (v->rhs[r] % v->c[r][var] != 0) return false;
    *value = v->rhs[r] / v->c[r][var];
    return true;
  }
  return false;
}

bool tw_sm_match(TwSmSolve *v, const TwSmSym *sym, const TwType *type, TwSpan why) {
  if (type->kind == TW_TY_POISON) return true;
  if (sym->kind != type->kind) return true; /* another check says so */
  bool ok = true;
  switch (sym->kind) {
    case TW_TY_TENSOR:
      if (sym->rank != type->rank) return true;
      for (uint32_t k = 0; k < sym->rank && ok; k++) ok = tw_sm_equation(v, &sym->dims[k], type->dims[k].n, why);
      return ok;
    case TW_TY_ARRAY:
      return tw_sm_equation(v, &sym->dims[0], type->dims[0].n, why) && tw_sm_match(v, sym->elem, type->elem, why);
    case TW_TY_RECORD:
      if (type->decl && type->decl == sym->decl) {
        for (uint32_t k = 0; k < sym->shape_args.len && ok; k++)
          ok = tw_sm_equation(v, &sym->shape_args.at[k], type->shape_args.at[k].n, why);
        return ok;
      }
      if (type->decl) return true;
      for (uint32_t k = 0; k < sym->fields.len && ok; k++)
        for (uint32_t j = 0; j < type->fields.len && ok; j++)
          if (type->fields.at[j].name == sym->fields.at[k].name)
            ok = tw_sm_match(v, sym->fields.at[k].type, type->fields.at[j].type, why);
      return ok;
    case TW_TY_POISON:
    case TW_TY_TUPLE:
    case TW_TY_STRING: break;
  }
  return true;
}

const char *tw_sm_solution(const TwSmSolve *v) {
  const char *text = "";
  int64_t x;
  for (uint32_t k = 0; k < v->n; k++)
    if (tw_sm_solved(v, k, &x))
      text = tw_arena_printf(v->s->a, "%s%s%s = %lld", text, *text ? ", " : "", v->names[k].name, (long long)x);
  return text;
}
